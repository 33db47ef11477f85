"""Odd layouts: every public function gives the same bits, and no kernel reads or writes beside its arrays.

`make sanitize` runs this file on kernels that end the process at the first bad address.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import fastminima as fm
from fastminima.kernels import _digest, _forward, _gram, _perturb, _rows, _splits
from fastminima.kernels import reference_digest as digest_twin
from fastminima.kernels import reference_rows as rows_twin
from stacked import problem

SIZES = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65]


def strided(a):
    """Every second row and, of every row, every third number."""
    wide = np.full([2 * a.shape[0], *(3 * n for n in a.shape[1:])], np.nan)
    view = wide[(slice(None, None, 2), *[slice(None, None, 3)] * (a.ndim - 1))]
    view[...] = a
    return view


def backwards(a):
    return np.ascontiguousarray(a[(slice(None, None, -1),) * a.ndim])[(slice(None, None, -1),) * a.ndim]


def unaligned(a, shift=1):
    """At an address that is no multiple of 8."""
    raw = np.zeros(a.nbytes + 16, np.uint8)
    start = -raw.ctypes.data % 8 + shift
    view = raw[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    view[...] = a
    assert a.size == 0 or view.ctypes.data % 8 == shift
    return view


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "strided": strided,
    "backwards": backwards,
    "by columns": np.asfortranarray,
    "unaligned": unaligned,
    "half aligned": lambda a: unaligned(a, 4),
    "big endian": lambda a: a.astype(">f8"),
    "read only": read_only,
}


def tight(a):
    """In memory of its own to the last byte, where a sanitizer sees what is read behind it."""
    return np.frombuffer(bytearray(a.tobytes()), a.dtype).reshape(a.shape)


def bits(*values):
    return [np.asarray(value).tobytes() for value in values]


@pytest.mark.skipif(not os.environ.get("FASTMINIMA_SANITIZE"), reason="make sanitize")
def test_the_kernels_are_the_sanitised_ones():
    for kernel in (_digest, _forward, _gram, _perturb, _rows, _splits):
        assert b"__asan_report" in Path(kernel.__file__).read_bytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_public_functions_give_the_same_bits(layout, weighted):
    turned = LAYOUTS[layout]
    for m in (1, 8, 15, 17, 33, 64):
        for n in (0, 1, 3):
            (W1, b1, W2, b2), data = problem(2, 3, n, m, seed=5, weighted=weighted)
            plain = [data.X, data.y, data.sample_weight]
            odd = [turned(a) if a is not None and a.size else a for a in plain]
            results = []
            for X, y, weight in (plain, odd):
                table = fm.Dataset(X, y, sample_weight=weight)
                fit = fm.least_squares(table)
                found = fm.spurious_minimum(fit)
                parts = found.network.parameters()
                results.append(bits(fit.coef, fit.intercept, found.risk, found.excess, found.radius, *parts))
                stacked = [W1, b1, W2, b2] if X is plain[0] else [turned(a) for a in (W1, b1, W2, b2)]
                results[-1] += bits(fm.split_set(y, y[::-1] - y))
                if n:
                    results[-1] += bits(fm.batched_risk(*stacked, table, activation=fm.relu))
            assert results[0] == results[1], (m, n)


@pytest.mark.parametrize("m", [0, *SIZES])
def test_kernels_stay_inside_their_arrays(m):
    for n in (1, 2, 5, 8, 16, 17):
        rng = np.random.default_rng([m, n])
        X, y, weight = (tight(a) for a in (rng.normal(size=(m, n)), rng.normal(size=m), rng.random(m) + 0.5))
        # an empty array of weights says that there are none
        rows = [np.zeros((m, n + 1 + (m > 0))) for _ in range(2)]
        sums = [np.zeros(8, np.uint64) for _ in range(2)]
        for module, out, total in zip((_digest, digest_twin), rows, sums, strict=True):
            module.packed_rows(X, y, weight, out)
            module.blake2s_sums(tight(out), _digest.BEST_VARIANT if module is _digest else 0, total)
        assert rows[0].tobytes() == rows[1].tobytes()
        assert sums[0].tolist() == sums[1].tolist()
        columns = tight(np.vstack([X.T, y[None]]))
        for variant in range(_gram.BEST_VARIANT + 1):
            peak, low = tight(np.empty(n + 1)), tight(np.empty(n + 1))
            if m:
                _gram.column_ends(columns, 0, m, variant, peak, low)
                assert peak.tolist() == np.abs(columns).max(axis=1).tolist()
            out = tight(np.empty((3, n)))
            _perturb.perturbations(7, m, variant % 3, 1.0, variant, out)
            assert np.isfinite(out).all()
        assert _splits.is_ordered(tight(np.sort(y)))


@pytest.mark.parametrize("layout", ["strided rows", "backwards", "tight"])
def test_the_pass_over_rows_takes_strides(layout):
    for m in (1, 7, 8, 9, 33, 64, 65):
        for n in (0, 1, 3, 8, 17):
            rng = np.random.default_rng([m, n, 3])
            X, y, w = rng.normal(size=(m, n)), rng.normal(size=m), rng.random(m) + 0.5
            if layout == "strided rows":
                X, y, w = np.pad(X, ((0, 0), (1, 2)))[:, 1 : n + 1], strided(y), strided(w)
            elif layout == "backwards":
                X, y, w = np.ascontiguousarray(X[::-1])[::-1], backwards(y), backwards(w)
            else:
                X, y, w = tight(X), tight(y), tight(w)
            for variant in range(_rows.BEST_VARIANT + 1):
                found = []
                for module in (_rows, rows_twin):
                    out = [tight(np.full(m, np.nan)) for _ in range(3)]
                    out += [tight(np.full(k, np.nan)) for k in (n + 1, _rows.TOTALS, 2)]
                    work = tight(np.full(_rows.evaluate_work(n, 2), np.nan))
                    lines = tight(np.array([[1.0, -0.5], [0.0, -1.0]]))
                    module.evaluate_rows(X, y, w, np.zeros(n), 0.5, np.ones(n), -0.25, lines, variant, work, *out)
                    found.append(out)
                for a, b in zip(*found, strict=True):
                    assert np.allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("item", [8, 4])
def test_the_forward_pass_stays_inside_its_arrays(item):
    for m in SIZES:
        for d1, dx in ((1, 1), (3, 2), (8, 5), (17, 9)):
            network, data = problem(3, d1, dx, m, seed=1, weighted=True, item=item)
            dtype = network[0].dtype
            arrays = [tight(a) for a in (*network, data.X, data.y, data.sample_weight)]
            for variant in range(_forward.BEST_VARIANT + 1):
                out = tight(np.full(3, np.nan))
                work = tight(np.empty(_forward.workspace_items(variant, item, d1, dx), dtype))
                sums = _forward.sums_f32 if item == 4 else _forward.sums_f64
                sums(*arrays, 1.0, 0.5, variant, work, out)
                assert (out >= 0).all()
