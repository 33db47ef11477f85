"""Direct evaluation: the same function as screening, also where the terms of an excess cancel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.kernels import _screen
from fastminima.landscape.perturb import cancelling
from fastminima.landscape.perturb.base_point import BasePoint
from fastminima.landscape.perturb.direct import Direct
from fastminima.landscape.perturb.screen import Screen
from fastminima.landscape.perturb.stopping import Stopped
from fastminima.landscape.probe import probe
from probed import METHODS, case, exact_parameters, exact_risk


def test_screened_and_direct_agree():
    for seed in range(5):
        network, data = case(seed, m=200, dx=3, d1=3, weighted=True)
        for radius in (1e-8, 1e-3, 0.3, 10.0):
            one, two = (probe(network, data, radius=radius, n=50, keep=True, method=m) for m in METHODS)
            assert np.abs(one.excess - two.excess).max() <= 1e-12 * np.abs(one.excess).max()
            assert one.n_changed == two.n_changed
            assert (one.method, two.method) == ("direct", "screened")


def networks(data, width, seed):
    """The paper's minimum, another one, a better point with samples on its kinks, and any network at all."""
    low = fm.spurious_minimum(data, width=width)
    rng = np.random.default_rng(seed)
    W1 = rng.normal(size=(width, data.n_features))
    yield low.network
    yield low.sample(1, rng=seed)[0].network
    yield fm.better_point(low).network
    yield fm.OneHiddenLayer(W1, -W1 @ data.X.mean(axis=0), rng.normal(size=width), 0.3, fm.relu)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize(("m", "dx", "d1"), [(200, 3, 3), (500, 8, 4)])
def test_screened_and_direct_agree_far_from_the_origin(offset, m, dx, d1, monkeypatch):
    # random perturbations do not cancel between the units: the slow sums are not for them
    monkeypatch.setattr(cancelling, "sums", None)
    rng = np.random.default_rng(3)
    X = rng.normal(size=(m, dx))
    data = fm.Dataset(X + offset, X[:, 0] + rng.normal(size=m))
    radii = [1e-12, 1e-9, 1e-6, 1e-3, 1.0]
    for network in networks(data, d1, 1):
        sweeps = [probe(network, data, radius=radii, n=60, keep=True, method=method) for method in METHODS]
        for one, two in zip(*sweeps, strict=True):
            assert np.abs(one.excess - two.excess).max() <= 1e-13 * np.abs(one.excess).max()
            assert one.n_changed == two.n_changed


@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("weighted", [False, True])
def test_units_that_cancel_far_from_the_origin_are_summed_again(offset, weighted, monkeypatch):
    """Every unit moves the output by offset * radius, the network by radius: float64 sums keep that ratio less."""
    taken = []
    sums = cancelling.sums
    monkeypatch.setattr(
        cancelling, "sums", lambda base, rows, stop: taken.append(len(rows)) or sums(base, rows, stop)
    )
    for seed in range(3):
        rng = np.random.default_rng(seed)
        weight = rng.uniform(0.5, 2.0, 60) if weighted else None
        data = fm.Dataset(rng.normal(size=(60, 4)) + offset, rng.normal(size=60), sample_weight=weight)
        *members, _, _ = networks(data, 3, seed)
        for network in members[1:]:
            W2 = network.W2
            delta = 1e-9 * np.random.default_rng(4 + seed).normal(size=(8, 19))
            rows = delta[:, :12].reshape(8, 3, 4)
            rows[:4, 1] = -rows[:4, 0] * (W2[0] / W2[1])
            rows[:4, 2] = delta[:4, 15:] = 0.0
            delta[4:, 18] = -(rows[4:].sum(axis=2) * offset + delta[4:, 12:15]) @ W2
            base = BasePoint(network, data)
            excess, changed = Direct(base).excess(delta)
            assert not changed.any()
            np.testing.assert_allclose(excess, Screen(base, 0.0).excess(delta)[0], rtol=1e-12)
            theta = exact_parameters(network)
            risk = exact_risk(theta, network.slopes, data)
            for value, row in zip(excess, delta, strict=True):
                parts = [[Fraction(v) for v in part.tolist()] for part in np.split(row, [12, 15, 18])]
                moved = [
                    [a + b for a, b in zip(t, d, strict=True)] for t, d in zip(theta, parts, strict=True)
                ]
                want = exact_risk(moved, network.slopes, data) - risk
                assert abs(Fraction(value) - want) <= Fraction(1e-12) * abs(want)
    assert offset < 1e6 or sum(taken) >= 12


def test_the_slow_sums_are_the_same_function():
    for seed, offset in ((1, 0.0), (2, 50.0), (3, 1e4)):
        rng = np.random.default_rng(seed)
        data = fm.Dataset(
            rng.normal(size=(90, 3)) + offset, rng.normal(size=90), sample_weight=rng.uniform(1, 2, 90)
        )
        for network in networks(data, 3, seed):
            base = BasePoint(network, data)
            delta = rng.normal(size=(9, base.n_parameters)) * np.repeat([1e-9, 1e-3, 0.3], 3)[:, None]
            wanted = np.empty((2, 9)), np.zeros((9, 3)), np.empty(9)
            fast, flips = Direct(base).excess(delta)
            items = np.empty(_screen.linear_items(3, 3))
            _screen.linear_term(
                base.gradient, base.own, network.W2, base.centre, base.centred_bias, base.steep, delta,
                True, _screen.BEST_VARIANT, items, *wanted,
            )  # fmt: skip
            quadratic, change, changed = cancelling.sums(base, delta)
            assert changed.tolist() == flips.tolist()
            scale = np.abs(fast).reshape(3, 3).max(axis=1).repeat(3)
            assert (np.abs(wanted[0].sum(axis=0) + quadratic + change - fast) <= 1e-13 * scale).all()
    with pytest.raises(Stopped):
        cancelling.sums(base, delta, lambda: True)


def exact_linear(base, moves):
    """<g, c> for changes of W1, b1, W2 and b2 given as Fractions, from both words of g."""
    W1, b1, W2, _ = base.network.parameters()
    n = base.network.n_features + 1
    g = [Fraction(h) + Fraction(v) for h, v in base.gradient.T.tolist()]
    total = g[-1] * moves[3][0]
    for j, v in enumerate(map(Fraction, W2.tolist())):
        rows = [*moves[0][j * (n - 1) : (j + 1) * (n - 1)], moves[1][j]]
        for part, w, dw in zip(g[j * n : (j + 1) * n], [*W1[j].tolist(), b1[j]], rows, strict=True):
            total += part * ((v + moves[2][j]) * dw + moves[2][j] * Fraction(w))
    return total


@pytest.mark.parametrize("radius", [1e-3, 1e-6, 1e-9])
def test_across_the_gradient_both_ways_are_exact(radius):
    """The terms of <g, c> cancel; a float64 sum of them leaves six digits of the excess at radius 1e-9."""
    close = 0
    for seed in range(1, 8):
        activation = fm.leaky_relu(0.1) if seed % 2 else fm.relu
        network, data = case(seed, 40, seed % 6, 1 + seed % 3, seed % 2 == 1, activation)
        base = BasePoint(network, data)
        g, W2 = base.gradient[0], network.W2
        parts = g[:-1].reshape(network.width, -1)
        rows = W2[:, None] * parts
        slope = np.concatenate([rows[:, :-1].ravel(), rows[:, -1], base.own[0], g[-1:]])
        slope /= np.linalg.norm(slope)
        delta = np.random.default_rng(seed).normal(size=(12, base.n_parameters))
        delta -= np.outer(delta @ slope, slope)
        delta *= radius / np.linalg.norm(delta, axis=1)[:, None]
        # a little of the gradient put back, so that <g, c> is nothing, far below 1/2 c'Gc, or far above it
        delta += np.outer(np.resize([0.0, 1e-9, 1e-5, 1e-2], 12) * radius, slope)
        direct, crossed = Direct(base).excess(delta)
        screened, changed = Screen(base, radius).excess(delta)
        assert crossed.tolist() == changed.tolist()
        theta = exact_parameters(network)
        risk = exact_risk(theta, network.slopes, data)
        cuts = np.cumsum([network.W1.size, network.width, network.width])
        for k in np.flatnonzero(changed == 0):
            moves = [[Fraction(v) for v in part.tolist()] for part in np.split(delta[k], cuts)]
            moved = [[a + b for a, b in zip(p, d, strict=True)] for p, d in zip(theta, moves, strict=True)]
            want = exact_risk(moved, network.slopes, data) - risk
            # where <g, c> and 1/2 c'Gc themselves cancel, the error is that much of those two
            linear = exact_linear(base, moves)
            terms = abs(linear) + abs(want - linear)
            scale = abs(want) if terms < 3 * abs(want) else terms
            close += scale == abs(want)
            for value in (direct[k], screened[k]):
                assert abs(Fraction(value) - want) <= Fraction(1e-14) * scale
            assert abs(Fraction(direct[k]) - Fraction(screened[k])) <= Fraction(1e-14) * scale
    assert close > 40


def test_no_perturbations_leave_no_samples_packed():
    rng = np.random.default_rng(5)
    W1, b1, W2 = (rng.standard_normal(shape) for shape in ((3, 2), 3, 3))
    network = fm.OneHiddenLayer(W1, b1, W2, 0.1, fm.relu)
    base = BasePoint(network, fm.Dataset(rng.standard_normal((20, 2)), rng.standard_normal(20)))
    delta = rng.standard_normal((4, 13))
    emptied = Direct(base)
    assert emptied.excess(delta[:0])[0].shape == (0,)
    for ours, expected in zip(emptied.excess(delta), Direct(base).excess(delta), strict=True):
        assert (ours == expected).all()
