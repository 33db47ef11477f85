"""Line searches through kinks: every remainder of the panels, every variant, ties and empty lists, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from fastminima.kernels import _walk as kernels
from fastminima.kernels import reference_walk as twins

VARIANTS = range(kernels.BEST_VARIANT + 1)


def problem(m, n, d1, seed):
    """Small integers: every sum is exact, so both sides agree to the bit and ties are common."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, (m, n)).astype(float)
    x[:, -1] = 1.0
    q, delta = rng.integers(-3, 4, (d1, n)).astype(float), rng.integers(-3, 4, (d1, n)).astype(float)
    return rng, x, np.sqrt((x * x).sum(axis=1)), q, delta


def listed(module, variant, x, norm, q, radius, room):
    sample, unit = np.full(room, -1, dtype=np.intp), np.full(room, -1, dtype=np.intp)
    count = module.near(np.ascontiguousarray(x.T), norm, q, radius, variant, sample, unit)
    return count, sample[:count], unit[:count]


@pytest.mark.parametrize("n", [1, 2, 5, 11])
@pytest.mark.parametrize("d1", [1, 3, 8])
def test_near_lists_the_pairs_of_its_twin(n, d1):
    for m in [*range(1, 2 * kernels.PANEL + 2), 200]:
        rng, x, norm, q, _ = problem(m, n, d1, 100 * m + n)
        radius = rng.choice([-1.0, 0.0, 0.5, 1.0, np.inf], d1)
        count, *theirs = listed(twins, 0, x, norm, q, radius, m * d1)
        wanted = set(zip(*(a.tolist() for a in theirs), strict=True))
        for variant in VARIANTS:
            found, *ours = listed(kernels, variant, x, norm, q, radius, m * d1)
            assert found == count == len(wanted)
            assert set(zip(*(a.tolist() for a in ours), strict=True)) == wanted
            # without room the number is told and nothing is written beyond it
            short = np.full(2, -1, dtype=np.intp), np.full(2, -1, dtype=np.intp)
            halves = short[0][: min(1, count)], short[1][: min(1, count)]
            assert kernels.near(np.ascontiguousarray(x.T), norm, q, radius, variant, *halves) == count
            assert short[0][1] == short[1][1] == -1


def met(module, given, begin, end):
    x, norm, q, delta, up, sample, unit, still, reach = given
    event, time = np.full(len(sample), -1, dtype=np.intp), np.full(len(sample), np.nan)
    touching = np.full(len(q), -1, dtype=np.intp)
    count = module.meet(x, norm, q, delta, up, sample, unit, begin, end, still, reach, event, time, touching)
    return event[:count], time[:count], touching


def crossing(module, given, outputs, met_before, end):
    x, _, q, delta, up, sample, unit, *_ = given
    y, w, sign, slopes, bias, state = outputs
    event, time, _ = met_before
    sides, now = up.copy(), state.copy()
    heap, crossed = np.zeros(len(event), dtype=np.intp), np.full(len(event), -1, dtype=np.intp)
    done, at = module.cross(
        x, y, w, q, delta, bias, sign, slopes, sample, unit, event, time, end, now, sides, heap, crossed
    )
    return done, at, crossed[:done], now, sides


@pytest.mark.parametrize("d1", [1, 2, 7])
@pytest.mark.parametrize("n", [1, 2, 6])
def test_meetings_and_crossings_are_those_of_the_twins(n, d1):
    ends = set()
    for m in [1, 2, 3, 7, 40]:
        for seed in range(6):
            rng, x, norm, q, delta = problem(m, n, d1, 1000 * m + 10 * n + seed)
            pairs = np.array([(i, k) for i in range(m) for k in range(d1)], dtype=np.intp)
            pairs = pairs[rng.random(len(pairs)) < 0.9]
            up = (x @ q.T > 0).astype(np.uint8)
            given = (
                x, norm, q, delta, up, *(np.ascontiguousarray(c) for c in pairs.T), np.full(d1, 1e-12), np.full(d1, 0.2)
            )  # fmt: skip
            sign = rng.choice([-1.0, 1.0], d1)
            slopes, bias = np.array([1.0, 0.25]), np.array([0.5, rng.integers(-1, 2)])
            y, w = rng.integers(-9, 10, m) * 1.0, rng.integers(1, 4, m) * 1.0
            slope = np.where(up != 0, *slopes) * sign
            e, de = (slope * (x @ q.T)).sum(axis=1) + 0.5 - y, (slope * (x @ delta.T)).sum(axis=1) + bias[1]
            state = np.array([0.0, -abs(w @ (e * de)), w @ (de * de), 0.0])
            for begin, end in ((-1.0, 0.5), (-1.0, np.inf), (0.0, 2.0)):
                ours, theirs = met(kernels, given, begin, end), met(twins, given, begin, end)
                for a, b in zip(ours, theirs, strict=True):
                    np.testing.assert_array_equal(a, b)
                first = crossing(kernels, given, (y, w, sign, slopes, bias, state), ours, end)
                second = crossing(twins, given, (y, w, sign, slopes, bias, state), ours, end)
                assert first[:2] == second[:2]
                np.testing.assert_array_equal(first[2], second[2])
                np.testing.assert_allclose(first[3], second[3], rtol=1e-12, atol=1e-12)
                np.testing.assert_array_equal(first[4], second[4])
                ends.add(min(first[1], 0))
    assert ends == {0, -1, -2}
