"""Random perturbations to the last bit, and their laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from fastminima.kernels import _perturb, reference_perturb

F64 = NDArray[np.float64]
VARIANTS = range(len(_perturb.VARIANTS))
SPHERE, BALL, NORMAL = range(3)
SEED = 0x9E3779B97F4A7C15
U = 2.0**-53
# words at which the logarithm changes its branch and the angle its sign, and the ends
EDGES = [0, 1, 2, 3, 2**32 - 1, 2**32 - 2, 2**31, 2**31 - 1, 3037000499, 3037000500, 2**29, 2**29 - 1]
EDGES += [2**30, 2**31 + 1, 2**32 - 2**29, 2**32 - 2**20, 2**32 - 200, 2**32 - 128]


def draw(K: int, P: int, distribution: int, first: int = 0, seed: int = SEED) -> F64:
    out = np.empty((K, P))
    _perturb.perturbations(seed, first, distribution, 1.0, _perturb.BEST_VARIANT, out)
    return out


def test_philox_known_answers() -> None:
    """The vectors published with Random123."""
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    cases = [
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([2**32 - 1] * 4, (2**32 - 1,) * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (pi, (0xA4093822, 0x299F31D0), [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
    ]
    for counter, key, words in cases:
        column = np.array(counter, np.uint64)[:, None]
        assert reference_perturb.philox(column, key)[:, 0].tolist() == words


def test_streams_by_their_definition() -> None:
    """sfc32 (PractRand) in unbounded integers."""
    state = np.array(
        [[1, 2**32 - 1, SEED >> 32], [2, 0, 7], [3, 2**31, 2**32 - 1], [1, 2**32 - 1, 5]], np.uint32
    )
    words = reference_perturb._sfc32(state, 60)
    for column in range(3):
        a, b, c, n = (int(word) for word in state[:, column])
        for word in words[:, column].tolist():
            assert word == (a + b + n) % 2**32
            a, b, c, n = b ^ b >> 9, c * 9 % 2**32, ((c << 21 | c >> 11) + word) % 2**32, (n + 1) % 2**32


@pytest.mark.parametrize("distribution", [SPHERE, BALL, NORMAL])
def test_every_variant_gives_the_bits_of_the_twin(distribution: int) -> None:
    # 19 = 2 * 8 + 3 rows: whole vectors and a rest in every variant; k passes 2^32, and wraps at 2^64
    for P in range(1, 71):
        radius = 1.0 if P % 3 else 1e-3
        for first in (0, 2**32 - 9, 2**64 - 5)[: 3 if P < 20 else 2]:
            expected = np.empty((19, P))
            reference_perturb.perturbations(SEED, first, distribution, radius, 0, expected)
            for variant in VARIANTS:
                out = np.full((20, P), 7.0)
                _perturb.perturbations(SEED, first, distribution, radius, variant, out[:19])
                assert (out[:19].view(np.int64) == expected.view(np.int64)).all(), (P, first, variant)
                assert (out[19] == 7.0).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("distribution", [SPHERE, BALL, NORMAL])
def test_a_row_depends_on_its_index_alone(variant: int, distribution: int) -> None:
    whole = np.empty((40, 13))
    _perturb.perturbations(SEED, 2**32 - 20, distribution, 1.0, variant, whole)
    for start, count in itertools.product((0, 1, 5, 19, 20, 31), range(10)):
        part = np.empty((count, 13))
        _perturb.perturbations(SEED, 2**32 - 20 + start, distribution, 1.0, variant, part)
        assert (part == whole[start : start + count]).all()
    assert len(np.unique(whole)) == whole.size
    assert not (draw(40, 13, distribution, 2**32 - 20, seed=SEED ^ 1 << 40) == whole).any()
    assert not (draw(40, 13, distribution, 2**32 - 20, seed=SEED ^ 1) == whole).any()


def test_normals_extend_each_other() -> None:
    assert (draw(9, 70, NORMAL)[:, :41] == draw(9, 41, NORMAL)).all()


@pytest.mark.parametrize("distribution", [SPHERE, BALL, NORMAL])
def test_a_radius_scales_the_rounded_unit_perturbation(distribution: int) -> None:
    """So that one radius and a sweep of many have the same points."""
    unit = draw(19, 41, distribution)
    for radius in (0.0, 1e-12, 0.1, 3.0, 1e300):
        out = np.empty((19, 41))
        _perturb.perturbations(SEED, 0, distribution, radius, _perturb.BEST_VARIANT, out)
        assert (out == unit * radius).all()


def test_no_rows_or_no_columns() -> None:
    for shape in ((0, 5), (3, 0)):
        for variant in VARIANTS:
            _perturb.perturbations(1, 0, SPHERE, 1.0, variant, np.empty(shape))


def test_logarithm_sine_cosine_and_power_against_long_arithmetic() -> None:
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(3)
    words = np.array(EDGES + rng.integers(0, 2**32, 400).tolist(), np.uint64)
    others = np.array(rng.integers(0, 2**32, len(EDGES)).tolist() + EDGES, np.uint64)
    with mpmath.workdps(40):
        u = [(mpmath.mpf(int(w)) + 0.5) / 2**32 for w in words]
        logs = reference_perturb._log(words)
        for x, value in zip(u, logs, strict=True):
            # one ulp of fdlibm's routine, as it claims
            assert abs(value / mpmath.log(x) - 1) <= 2 * U
        for P in (1, 3, 41, 2113):
            for value, base in zip(reference_perturb._exp(logs / P), u, strict=True):
                # the quotient's rounding (1/2 ulp of at most 23) and the logarithm's ulp move the power by 35 U
                assert abs(value / base ** (mpmath.mpf(1) / P) - 1) <= 70 * U
        single = 2.0**-24
        first = words[: len(others)].astype(np.uint32)
        radii = reference_perturb._radius_argument(first)
        turns = others.astype(np.uint32)
        for w, x in zip(first.tolist(), radii.tolist(), strict=True):
            # two roundings of the argument; never 1
            assert abs(x / (w // 2 + 0.5) - 1) <= 2.01 * single
            assert 0 < x < 2**31
        cosines, sines = reference_perturb._normals(first, turns)
        for w, x, v, c, s in zip(first.tolist(), radii.tolist(), turns.tolist(), cosines, sines, strict=True):
            r = mpmath.sqrt(-2 * mpmath.log(mpmath.mpf(x) / 2**31))
            angle = mpmath.pi * (v - 2**32 * (v >= 2**31)) / 2**32
            sign = -1 if w % 2 else 1
            # r: the polynomial 3, its evaluation 4, the sum 2, half of which the root leaves, and 1/2. The angle 3, which
            # moves r cos by at most r. Series and products 4
            assert abs(mpmath.mpf(float(c)) - sign * r * mpmath.cos(angle)) <= 12 * single * r
            assert abs(mpmath.mpf(float(s)) - r * mpmath.sin(angle)) <= 12 * single * r * abs(
                mpmath.sin(angle)
            )


def test_normals_are_normal() -> None:
    g = draw(20_000, 41, NORMAL)
    x = g.ravel()
    n = x.size
    # the standard deviations of the first four moments' estimates; five of them are met once in 2e6 seeds
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x**power).mean() - mean) < 5 * math.sqrt(variance / n)
    # Kolmogorov's distance: sqrt(n) D > 2.2 has probability 1.3e-4
    assert stats.kstest(x, "norm").statistic * math.sqrt(n) < 2.2
    for column in (0, 1, 2, 3, 39, 40):
        assert stats.kstest(g[:, column], "norm").statistic * math.sqrt(len(g)) < 2.2
    # entries of one perturbation, of neighbours, and their squares are uncorrelated
    for values in (g, g * g - 1):
        correlation = values.T @ values / len(g) / (1 if values is g else 2)
        off = correlation - np.diag(np.diag(correlation))
        assert abs(off).max() < 6 / math.sqrt(len(g))
        following = (values[1:] * values[:-1]).mean(axis=0) / (1 if values is g else 2)
        assert abs(following).max() < 6 / math.sqrt(len(g))


@pytest.mark.parametrize("P", [1, 2, 3, 8, 41, 2113])
def test_the_sphere_has_radius_one_and_the_ball_its_law(P: int) -> None:
    K = 4000 if P < 100 else 300
    sphere, ball, normal = (draw(K, P, distribution) for distribution in (SPHERE, BALL, NORMAL))
    # ||g||^2: a strided sum has P/8 terms, three levels join them; then half of that, sqrt, quotient
    bound = ((P / 8 + 4) / 2 + 3) * U
    for row in sphere[:300]:
        assert abs(math.sqrt(math.fsum(row * row)) - 1) <= bound + 4 * U
    assert (np.sign(ball) == np.sign(normal)).all()
    radii = np.linalg.norm(ball, axis=1)
    np.testing.assert_allclose(ball, sphere * radii[:, None], rtol=1e-13, atol=0)
    counter = np.zeros((4, K), np.uint64)
    counter[0], counter[3] = np.arange(K), 1
    uniform = (reference_perturb.philox(counter, (SEED & 0xFFFFFFFF, SEED >> 32))[0] + 0.5) * 2.0**-32
    np.testing.assert_allclose(radii, uniform ** (1 / P), rtol=1e-13 + P * U)
    assert stats.kstest(radii**P, "uniform").statistic * math.sqrt(K) < 2.2
    if P > 1:
        # a coordinate of the sphere, squared, is Beta(1/2, (P-1)/2)
        squares = sphere[:, 0] ** 2
        assert stats.kstest(squares, stats.beta(0.5, (P - 1) / 2).cdf).statistic * math.sqrt(K) < 2.2
