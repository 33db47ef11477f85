"""The scan over knots: every variant against NumPy and against refits with the kink as a column; ties, ends, odd ranges."""

from __future__ import annotations

import numpy as np
import pytest

from fastminima.fit.kinks import KinkState, scan_directions
from fastminima.kernels import _kinks as kernels
from fastminima.kernels import reference_kinks as twins

VARIANTS = range(kernels.BEST_VARIANT + 1)


def problem(m, n, seed, kind="normal"):
    """(projections of 3 directions, rows w q, w r, w, features, r, Q): q orthonormal in the weighted product."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (m, n)).astype(float) if kind == "ties" else rng.standard_normal((m, n))
    if kind == "far":
        X[rng.integers(m)] *= 1e14
    w = rng.uniform(0.5, 2.0, m)
    features = np.concatenate([np.ones((m, 1)), X], axis=1)
    roots = np.sqrt(w)[:, None]
    U, size, _ = np.linalg.svd(features * roots, full_matrices=False)
    Q = U[:, size > 1e-12 * size[0]] / roots
    r = rng.standard_normal(m)
    r -= Q @ (Q.T @ (w * r))
    rows = np.zeros((m, -(-Q.shape[1] // kernels.LANES) * kernels.LANES))
    rows[:, : Q.shape[1]] = Q * w[:, None]
    return rng.standard_normal((3, n)) @ X.T, rows, w * r, w, Q, r


def scanned(module, t, rows, wr, w, stride=1, variant=0, flat=0.0):
    m, found = len(w), np.full((len(t), 2), np.nan)
    work, counts = np.empty(m + 2 * rows.shape[1]), np.empty(kernels.DIGITS, dtype=np.uint32)
    orders = np.empty((2, m), dtype=np.uint64)
    t = np.ascontiguousarray(t)
    module.scan_knots(t, np.full(len(t), flat), rows, wr, w, stride, variant, work, orders, counts, found)
    return found


def refitted(t, knot, Q, w, r):
    """The drop of one kink by definition: its part perpendicular to the basis."""
    phi = np.maximum(t - knot, 0.0)
    phi -= Q @ (Q.T @ (w * phi))
    return 0.5 * float(w * r @ phi) ** 2 / float(w * phi @ phi)


@pytest.mark.parametrize("kind", ["normal", "ties"])
@pytest.mark.parametrize(("m", "n"), [(2, 1), (3, 1), (9, 2), (40, 3), (150, 9), (500, 17)])
def test_every_variant_finds_its_twins_drop(m, n, kind):
    for seed in range(5):
        t, rows, wr, w, Q, r = problem(m, n, seed, kind)
        expected = scanned(twins, t, rows, wr, w)
        for variant in VARIANTS:
            found = scanned(kernels, t, rows, wr, w, variant=variant)
            np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-6, atol=1e-9)
            for (gain, knot), line in zip(found, t, strict=True):
                if gain > 1e-6 and Q.shape[1] + 1 < m:
                    assert refitted(line, knot, Q, w, r) == pytest.approx(gain, rel=1e-4)


def test_no_knot_of_a_fine_grid_is_better():
    t, rows, wr, w, Q, r = problem(60, 2, 1)
    for line, (gain, _) in zip(
        t, scanned(kernels, t, rows, wr, w, variant=kernels.BEST_VARIANT), strict=True
    ):
        grid = np.linspace(np.sort(line)[2], np.sort(line)[-3], 4001)
        assert max(refitted(line, c, Q, w, r) for c in grid) <= gain * (1 + 1e-9)


@pytest.mark.parametrize("m", [2 * kernels.ENDS - 1, 5_000])
@pytest.mark.parametrize("kind", ["normal", "ties", "far"])
def test_a_coarse_scan_finds_drops_that_are_there(m, kind):
    t, rows, wr, w, Q, r = problem(m, 4, 2, kind)
    exact = scanned(kernels, t, rows, wr, w, variant=kernels.BEST_VARIANT)
    coarse = scanned(kernels, t, rows, wr, w, stride=8, variant=kernels.BEST_VARIANT)
    assert (coarse[:, 0] <= exact[:, 0] * (1 + 1e-9)).all()
    if kind == "ties":
        assert (
            coarse[:, 0] >= 0.5 * exact[:, 0]
        ).all()  # a boundary between few values is never skipped over
    else:
        assert (coarse[:, 0] >= 0.8 * exact[:, 0]).all()
    for line, (gain, knot) in zip(t, coarse, strict=True):
        if kind != "far":
            assert refitted(line, knot, Q, w, r) == pytest.approx(gain, rel=1e-6)


@pytest.mark.parametrize(
    "far",
    [[1e300], [1e300, -1e300], [5e-324], [1e200, 1e100, 1e50, 1.0, 1e-50]],
    ids=["one", "both", "subnormal", "many scales"],
)
def test_order_of_samples_that_32_bits_cannot_tell_apart(far):
    """A few samples far away put all others into one of 2^32 places: the numbers themselves decide the order."""
    rng = np.random.default_rng(3)
    t = np.concatenate([rng.uniform(0.0, 1.0, 3_000) * min(1.0, max(far)), far])
    ones = np.ones(len(t))
    rows = np.zeros((len(t), kernels.LANES))
    rows[:, 0] = 1.0 / np.sqrt(len(t))
    wr = rng.standard_normal(len(t))
    wr -= wr.mean()
    work, counts = np.empty(len(t) + 2 * kernels.LANES), np.empty(kernels.DIGITS, dtype=np.uint32)
    orders, found = np.empty((2, len(t)), dtype=np.uint64), np.empty((1, 2))
    kernels.scan_knots(t[None], np.zeros(1), rows, wr, ones, 1, 0, work, orders, counts, found)
    if np.ptp(t) < np.inf:
        assert orders[0].tolist() == np.argsort(-t, kind="stable").tolist()
    else:
        assert found.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_and_what_is_flat_has_no_kink(value):
    t, rows, wr, w, _, _ = problem(20, 2, 4)
    assert (scanned(kernels, t, rows, wr, w)[:, 0] > 0).all()
    assert (scanned(kernels, t, rows, wr, w, flat=2 * np.ptp(t)) == 0).all()
    t[0, 7] = value
    t[1] = 3.0
    found = scanned(kernels, t, rows, wr, w)
    assert (found[:2] == 0).all()
    assert found[2, 0] > 0


def test_groups_of_directions_and_threads_change_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((3_000, 4))
    state = KinkState(X, rng.standard_normal(3_000), None, np.concatenate([np.ones((3_000, 1)), X], axis=1))
    T, directions = state.basis(), rng.standard_normal((37, 4))
    monkeypatch.setattr("fastminima.fit.kinks._THREADS_FROM", 10**12)
    serial = scan_directions(state, T, directions)
    monkeypatch.setattr("fastminima.fit.kinks._THREADS_FROM", 0)
    monkeypatch.setattr("fastminima.fit.kinks.os.cpu_count", lambda: 3)
    assert scan_directions(state, T, directions).tolist() == serial.tolist()
