"""The first-order sums against their twin in rational numbers: every remainder of blocks and tiles, every variant."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.kernels import _first_order as kernels
from fastminima.kernels import reference_first_order as twins
from fastminima.landscape.decide.first_order import factors_of, first_order
from fastminima.landscape.decide.stationarity import Stationarity
from fastminima.networks.rational_network import RationalNetwork

VARIANTS = range(kernels.BEST_VARIANT + 1)


def problem(m, dx, d1, seed, weighted=False, slopes=(1.0, 0.0), grid=False):
    rng = np.random.default_rng(seed)
    if grid:
        # halves: many samples lie on boundaries exactly
        X, W1, b1 = (rng.integers(-3, 4, shape) / 2 for shape in ((m, dx), (d1, dx), d1))
    else:
        X, W1, b1 = (rng.standard_normal(shape) for shape in ((m, dx), (d1, dx), d1))
        X = X * 10.0 ** rng.integers(-3, 4, dx)
    network = fm.OneHiddenLayer(
        W1, b1, rng.standard_normal(d1), rng.standard_normal(), fm.PiecewiseLinear(*slopes)
    )
    weight = rng.random(m) + 0.5 if weighted else None
    return network, fm.Dataset(X, rng.standard_normal(m), sample_weight=weight)


def ran(module, network, data, variant):
    (_m, dx), d1 = data.X.shape, len(network.b1)
    out = [np.zeros((d1 + 1, dx + 1, 2, kernels.LANES)), np.zeros(dx + 1), np.zeros((d1, dx + 1))]
    out += [np.zeros(d1, dtype=np.int64), np.full((2, d1), np.inf)]
    weight = np.empty(0) if data.sample_weight is None else data.sample_weight
    square = module.first_order_sums(
        *network.parameters(), data.X, data.y, weight, *network.slopes, factors_of(network, data), variant,
        np.full(kernels.workspace_items(d1, dx), np.nan), *out,
    )  # fmt: skip
    return (square, *out)


def rational(words):
    """Both words of all lanes together, exactly."""
    exact = np.array([Fraction(v) for v in words.ravel().tolist()], dtype=object).reshape(words.shape)
    return exact.sum(axis=(2, 3))


def agree(network, data):
    truth = ran(twins, network, data, 0)
    exact = rational(truth[1])
    for variant in VARIANTS:
        square, sums, error, doubt, unsure, nearest = ran(kernels, network, data, variant)
        np.testing.assert_array_equal(unsure, truth[4])
        # a doubtful side may be either; the twin's two words hold 106 bits
        loose = np.vstack([error[None], error + doubt])
        assert (
            abs(rational(sums) - exact)
            <= rational(loose[:, :, None, None]) + abs(exact) * Fraction(2) ** -105
        ).all()
        assert (error < 1e-18 * (1.0 + np.abs(data.X).sum())).all()
        np.testing.assert_allclose(error, truth[2], rtol=1e-2)
        np.testing.assert_allclose(doubt, truth[3], rtol=1e-9)
        np.testing.assert_allclose(nearest, truth[5], rtol=3e-6)
        assert (nearest <= truth[5]).all()
        assert square == pytest.approx(truth[0], rel=1e-9)


@pytest.mark.parametrize("m", [1, 2, 7, 8, 9, 127, 128, 129, 130])
def test_every_remainder_of_a_block(m):
    agree(*problem(m, 3, 3, m))


@pytest.mark.parametrize("d1", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("dx", [1, 2, 3, 4, 5, 8])
def test_every_remainder_of_a_tile(dx, d1):
    agree(*problem(11, dx, d1, 10 * dx + d1, weighted=bool(d1 % 2), slopes=[(1.0, 0.0), (1.0, 0.1)][dx % 2]))


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (0.25, 1.0), (1.0, 0.01)])
def test_samples_on_a_boundary_are_counted_and_never_proved(slopes):
    network, data = problem(150, 2, 3, 5, weighted=True, slopes=slopes, grid=True)
    agree(network, data)
    found = first_order(network, data)
    assert found.on_boundary.sum() > 0


def whole_sums(network, data):
    """sum w e x~, a rational per sample."""
    sums = Stationarity(RationalNetwork.of(network), data)
    G = [sums.exact_G(g) for g in range(sums.n_groups)]
    return [sum(g * x[j] for g, x in zip(G, map(sums.x, range(len(G))), strict=True)) for j in range(3)]


@pytest.mark.parametrize("factor", [1.0, 1e-160, 1e-300, 1e100, 1e140])
@pytest.mark.parametrize("slopes", [(1.0, 0.0), (1.0, 0.01)])
def test_the_gradient_errs_by_no_more_than_its_bound(factor, slopes):
    network, data = problem(40, 2, 3, 7, slopes=slopes)
    far = fm.OneHiddenLayer(network.W1 * factor, network.b1, network.W2 * factor, 0.5, network.activation)
    sums = Stationarity(RationalNetwork.of(far), data)
    P = np.array([*sums.P, whole_sums(far, data)], dtype=object)
    for variant in VARIANTS:
        found = first_order(far, data, variant)
        assert np.isfinite(found.gradient).all()
        assert np.isfinite(found.error).all()
        for ours, bound, exact in zip(found.gradient.ravel(), found.error.ravel(), P.ravel(), strict=True):
            assert abs(Fraction(float(ours)) - exact) <= Fraction(float(bound))
        if factor == 1.0:
            assert (found.error < 1e-14 * np.abs(found.gradient)).all()


def test_nothing_is_claimed_beyond_the_range_of_float64():
    network, data = problem(20, 2, 2, 7)
    huge = fm.OneHiddenLayer(np.full((2, 2), 1e308), network.b1, np.full(2, 1e308), 0.0, fm.relu)
    for variant in VARIANTS:
        assert not first_order(huge, data, variant)
