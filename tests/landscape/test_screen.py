"""Screened excess risks: the cancellation-free form, its screening, and the sums it rests on."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import DataError, NetworkError, OptionError
from fastminima.kernels import _screen, reference_screen
from fastminima.landscape.perturb import screen
from fastminima.landscape.perturb import survey as survey_module
from fastminima.landscape.perturb.base_point import BasePoint
from fastminima.landscape.perturb.screen import Screen, choose
from fastminima.landscape.perturb.survey import survey
from profiles import examples
from strategies import activations, tables


def random_problem(seed, m, dx, d1, act=fm.relu, weighted=False):
    rng = np.random.default_rng(seed)
    data = fm.Dataset(
        rng.normal(size=(m, dx)),
        rng.normal(size=m),
        sample_weight=rng.uniform(0.2, 3, m) if weighted else None,
    )
    network = fm.OneHiddenLayer(rng.normal(size=(d1, dx)), rng.normal(size=d1), rng.normal(size=d1), 0.3, act)
    return network, data


def deltas(seed, network, K, radius):
    P = network.width * (network.n_features + 2) + 1
    return radius * np.random.default_rng(seed).normal(size=(K, P))


class Exact:
    """The risk and the excess by definition, in Fractions."""

    def __init__(self, network, data):
        self.W1, self.b1, self.W2, self.b2 = network.parameters()
        self.slopes = tuple(map(Fraction, network.slopes))
        self.X = [[Fraction(v) for v in row] for row in data.X.tolist()]
        self.y = [Fraction(v) for v in data.y.tolist()]
        weight = [1.0] * len(self.y) if data.sample_weight is None else data.sample_weight.tolist()
        self.weight = [Fraction(w) for w in weight]
        self.base = self.moved(np.zeros(self.W1.size + 2 * len(self.b1) + 1))

    def moved(self, delta):
        """(risk, preactivations) of the perturbed network."""
        d = iter(map(Fraction, delta.tolist()))
        W1 = [[Fraction(v) + next(d) for v in row] for row in self.W1.tolist()]
        b1 = [Fraction(v) + next(d) for v in self.b1.tolist()]
        W2 = [Fraction(v) + next(d) for v in self.W2.tolist()]
        b2 = Fraction(self.b2) + next(d)
        risk, Z = Fraction(0), []
        for x, y, w in zip(self.X, self.y, self.weight, strict=True):
            z = [
                b + sum((a * c for a, c in zip(r, x, strict=True)), Fraction(0))
                for r, b in zip(W1, b1, strict=True)
            ]
            f = b2 + sum(v * t * self.slopes[t <= 0] for v, t in zip(W2, z, strict=True))
            risk += w * (f - y) ** 2
            Z.append(z)
        return risk / 2, Z

    def excess(self, delta):
        """(excess, number of sign changes)."""
        risk, Z = self.moved(delta)
        changed = sum(
            (a > 0) != (b > 0)
            for r, s in zip(Z, self.base[1], strict=True)
            for a, b in zip(r, s, strict=True)
        )
        return risk - self.base[0], changed


def check(network, data, delta, reach, tolerance=1e-14):
    """Compare with exact arithmetic; relative to the excess where no sample changes, else to the largest one."""
    exact = Exact(network, data)
    base = BasePoint(network, data)
    excess, changed = Screen(base, reach).excess(delta)
    wanted = [exact.excess(row) for row in delta]
    largest = max(abs(w) for w, _ in wanted)
    for value, count, (want, crossings) in zip(excess, changed, wanted, strict=True):
        assert count == crossings
        scale = abs(want) if crossings == 0 else largest
        assert abs(Fraction(value) - want) <= Fraction(tolerance if crossings == 0 else 1e-12) * scale
    return excess, changed


KEYS = [name for name in dir(_screen.ScreenProblem) if not name.startswith("_")]
SIZES = [
    (20, 3, 2, False),
    (33, 2, 4, True),
    (12, 0, 2, True),
    (9, 5, 3, False),
    (1, 1, 1, False),
    (17, 1, 7, True),
]


@pytest.mark.parametrize(("m", "dx", "d1", "weighted"), SIZES)
@pytest.mark.parametrize("radius", [1e-2, 1e-5, 1e-8, 1e-12])
def test_relative_error_at_random_networks(m, dx, d1, weighted, radius):
    network, data = random_problem(m, m, dx, d1, fm.leaky_relu(0.1), weighted)
    check(network, data, deltas(1, network, 12, radius), radius)


@pytest.mark.parametrize(
    ("m", "dx", "d1", "weighted"), [(20, 3, 2, False), (33, 2, 4, True), (9, 5, 1, False)]
)
@pytest.mark.parametrize("radius", [1e-2, 1e-5, 1e-8, 1e-12])
def test_relative_error_at_spurious_minima(m, dx, d1, weighted, radius):
    # the sums of the gradient cancel to rounding: the naive difference of risks is off by 1e6 at 1e-12
    _, data = random_problem(m + 1, m, dx, d1, fm.relu, weighted)
    found = fm.spurious_minimum(data, width=d1)
    rng = np.random.default_rng(2)
    for network in (found.network, found.sample(1, rng)[0].network):
        excess, changed = check(network, data, deltas(3, network, 12, radius), 0.0)
        assert changed.any() or (excess > 0.0).all()


@settings(max_examples=examples(60))
@given(
    table=tables(max_rows=10),
    act=activations,
    d1=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1e-9, 1e-3, 1.0, 30.0]),
    reach=st.sampled_from([0.0, 1e-3, 10.0, np.inf]),
)
def test_excess_is_the_difference_of_exact_risks(table, act, d1, seed, size, reach):
    X, y, weight = table
    rng = np.random.default_rng(seed)
    # integers, so that many preactivations are 0; dead units; repeated units
    W1, b1 = rng.integers(-1, 2, (d1, X.shape[1])).astype(float), rng.integers(-1, 2, d1).astype(float)
    network = fm.OneHiddenLayer(W1, b1, rng.integers(-1, 2, d1).astype(float), 0.5, act)
    data = fm.Dataset(X, y, sample_weight=weight)
    delta = deltas(seed, network, 3, size)
    delta[1, : W1.size] = 0.0
    base = BasePoint(network, data)
    excess, _ = Screen(base, reach).excess(delta)
    exact = Exact(network, data)
    for value, row in zip(excess, delta, strict=True):
        want, _ = exact.excess(row)
        # the terms an excess is made of: |e D| + D^2, by the triangle inequality over all parameters
        reachable = bound_of_terms(exact, row)
        assert abs(Fraction(value) - want) <= Fraction(2e-14) * reachable


def bound_of_terms(exact, row):
    steep = max(exact.slopes)
    n = exact.W1.shape[1]
    d1 = len(exact.b1)
    d = [abs(Fraction(v)) for v in row.tolist()]
    total = Fraction(0)
    for x, y, w, z in zip(exact.X, exact.y, exact.weight, exact.base[1], strict=True):
        units = zip(exact.W2.tolist(), z, strict=True)
        f = Fraction(exact.b2) + sum(Fraction(v) * t * exact.slopes[t <= 0] for v, t in units)
        D = d[-1]
        for j in range(d1):
            step = d[d1 * n + j] + sum((d[j * n + a] * abs(x[a]) for a in range(n)), Fraction(0))
            size = abs(Fraction(exact.b1[j])) + sum(
                (abs(Fraction(exact.W1[j, a])) * abs(x[a]) for a in range(n)), Fraction(0)
            )
            D += steep * (
                (abs(Fraction(exact.W2[j])) + d[d1 * (n + 1) + j]) * step + d[d1 * (n + 1) + j] * size
            )
        total += w * (abs(f - y) * D + D * D)
    return total


@pytest.mark.parametrize("offset", [30.0, 1e3, 1e6])
def test_inputs_far_from_the_origin(offset):
    # without centring the quadratic term loses the square of the offset: 1e-11 at 1e3
    rng = np.random.default_rng(7)
    data = fm.Dataset(rng.normal(size=(60, 4)) + offset, rng.normal(size=60))
    member = fm.spurious_minimum(data, width=3)
    # a change of output biases and first weights whose parts cancel at the mean
    delta = deltas(4, member.network, 6, 1e-9)
    delta[3:, 12:15] = -(delta[3:, :12].reshape(3, 3, 4).sum(axis=2) * offset)
    delta[3:, 15:] = 0.0
    exact = Exact(member.network, data)
    excess, changed = Screen(BasePoint(member.network, data), 0.0).excess(delta)
    for value, count, row in zip(excess, changed, delta, strict=True):
        want, crossings = exact.excess(row)
        assert count == crossings == 0
        assert abs(Fraction(value) - want) <= Fraction(1e-14) * want


@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_units_that_cancel_far_from_the_origin(offset, seed, monkeypatch):
    # every unit moves the output by offset * radius, the network by radius: a float64 sum of units keeps the ratio less
    rng = np.random.default_rng(7 + seed)
    data = fm.Dataset(rng.normal(size=(60, 4)) + offset, rng.normal(size=60))
    network = fm.spurious_minimum(data, width=3).sample(1, rng=seed)[0].network
    W2 = network.W2
    delta = deltas(4 + seed, network, 8, 1e-9)
    rows = delta[:, :12].reshape(8, 3, 4)
    rows[:4, 1] = -rows[:4, 0] * (W2[0] / W2[1])
    rows[:4, 2] = delta[:4, 15:] = 0.0
    delta[4:, 18] = -(rows[4:].sum(axis=2) * offset + delta[4:, 12:15]) @ W2
    excess, changed = check(network, data, delta, 0.0)
    assert not changed.any()
    centred = Screen(BasePoint(network, data), 0.0)
    assert len(centred.base.centre) == 4
    assert len(centred.form.slopes) > 0
    for variant in range(_screen.BEST_VARIANT + 1):
        monkeypatch.setattr(_screen, "BEST_VARIANT", variant)
        np.testing.assert_array_equal(centred.excess(delta)[0], excess)
    monkeypatch.setattr(_screen, "screened_excess", reference_screen.screened_excess)
    np.testing.assert_array_equal(centred.excess(delta)[0], excess)


def test_one_sample_changes_in_several_units_at_once():
    # every unit has its boundary through the first sample
    data = fm.Dataset(np.array([[1.0, 0.0], [3.0, 1.0], [-2.0, 1.0]]), np.array([1.0, -1.0, 0.5]))
    network = fm.OneHiddenLayer(
        np.array([[1.0, 1.0], [-2.0, 0.0], [0.5, 1.0]]), np.array([-1.0, 2.0, -0.5]), np.array([1.0, -3.0, 0.0]), 0.1,
        fm.leaky_relu(0.25),
    )  # fmt: skip
    _, changed = check(network, data, deltas(5, network, 40, 1e-3), 0.0)
    assert changed.max() == 3


def test_gradient_and_residuals_are_double_double():
    network, data = random_problem(4, 300, 3, 3, fm.leaky_relu(0.1), weighted=True)
    base, exact = BasePoint(network, data), Exact(network, data)
    wanted = [Fraction(0)] * base.gradient.shape[1]
    sizes = list(wanted)
    for i, (x, z) in enumerate(zip(exact.X, exact.base[1], strict=True)):
        slopes = [exact.slopes[t <= 0] for t in z]
        f = Fraction(network.b2) + sum(
            Fraction(v) * t * s for v, t, s in zip(network.W2.tolist(), z, slopes, strict=True)
        )
        e = f - exact.y[i]
        assert Fraction(base.residual[i]) == pytest.approx(e, rel=2**-52, abs=2**-95)
        phi = [s * v for s in slopes for v in (*x, Fraction(1))] + [Fraction(1)]
        for a, value in enumerate(phi):
            wanted[a] += exact.weight[i] * e * value
            sizes[a] += exact.weight[i] * abs(e * value)
    for a, (hi, lo) in enumerate(base.gradient.T):
        assert abs(Fraction(hi) + Fraction(lo) - wanted[a]) <= Fraction(2) ** -94 * sizes[a]


def listed_signs(network, data, reach):
    near, _ = survey(BasePoint(network, data), reach, quadratic_form=False)
    return [near.start[j + 1] - near.start[j] for j in range(network.width)], near


def test_samples_left_out_keep_their_sign():
    # |z|/||x~|| of the first sample is exactly 0.6 * 5 / 5: the reach equals the margin, the sample must be listed
    X = np.array([[4.0, np.sqrt(8.0)], [0.0, 0.0]])
    network = fm.OneHiddenLayer(np.array([[0.0, 0.0]]), np.array([3.0]), np.array([1.0]), 0.0, fm.relu)
    norm = np.sqrt(1 + (X**2).sum(axis=1))
    for reach in (3.0 / norm[0], np.nextafter(3.0 / norm[0], 0), 3.0 / norm[0] * (1 - 1e-16)):
        counts, _ = listed_signs(network, fm.Dataset(X, np.zeros(2)), reach)
        assert counts == [1] or Fraction(reach) ** 2 * (1 + sum(Fraction(v) ** 2 for v in X[0])) < 9
    # and the bound is tight: a reach a little below lists nothing
    assert listed_signs(network, fm.Dataset(X, np.zeros(2)), 3.0 / norm[0] * (1 - 1e-14))[0] == [0]


def test_margins_count_what_double_double_loses():
    # 1 + 2^-70 - 2^-130 needs 131 bits: z comes out as 2^-120, a thousandth too large
    row = np.array([[1.0, 2.0**-70, -(2.0**-130), -1.0, -(2.0**-70) + 2.0**-120]])
    network = fm.OneHiddenLayer(row, np.zeros(1), np.ones(1), 0.0, fm.relu)
    near, _ = survey(BasePoint(network, fm.Dataset(np.ones((1, 5)), np.zeros(1))), 1.0, quadratic_form=False)
    exact = sum(map(Fraction, row[0].tolist()))
    assert 0 < exact < Fraction(near.rows[0, 8])
    assert Fraction(near.margin[0]) ** 2 * 6 <= exact**2


@settings(max_examples=examples(100))
@given(table=tables(weighted=False), seed=st.integers(0, 2**32 - 1))
def test_margins_are_lower_bounds(table, seed):
    X, y, _ = table
    rng = np.random.default_rng(seed)
    network = fm.OneHiddenLayer(
        rng.normal(size=(2, X.shape[1])), rng.integers(-1, 2, 2), np.ones(2), 0.0, fm.relu
    )
    near, _ = survey(BasePoint(network, fm.Dataset(X, y)), np.inf, quadratic_form=False)
    Z = Exact(network, fm.Dataset(X, y)).base[1]
    squares = [1 + sum((Fraction(v) ** 2 for v in row), Fraction(0)) for row in X.tolist()]
    for j in range(2):
        exact = sorted(z[j] ** 2 / s for z, s in zip(Z, squares, strict=True))
        bounds = near.margin[near.start[j] : near.start[j + 1]]
        assert len(bounds) == len(y)
        assert all(Fraction(b) ** 2 <= e for b, e in zip(bounds, exact, strict=True))


def linear_words(module, base, delta, variant, double_double=True):
    """Words of <g, c>, biases about the centre and sizes; the work space, no larger than asked for, is NaN at first."""
    network = base.network
    items = _screen.linear_items(network.width, network.n_features)
    room = np.full(items + 64, np.nan)
    room[items:] = 7.0
    words, bias, size = np.empty((2, len(delta))), np.zeros((len(delta), network.width)), np.empty(len(delta))
    module.linear_term(
        base.gradient, base.own, network.W2, base.centre, base.centred_bias, base.steep, delta, double_double,
        variant, room[:items], words, bias, size,
    )  # fmt: skip
    assert (room[items:] == 7.0).all()
    return words, bias, size


def exact_linear(base, delta):
    """<g, c> for one perturbation, g both words, and the sum of the sizes of its terms."""
    W1, b1, W2, _ = base.network.parameters()
    d1, n = W1.shape[0], W1.shape[1] + 1
    g = [Fraction(h) + Fraction(v) for h, v in base.gradient.T.tolist()]
    d = [Fraction(v) for v in delta.tolist()]
    total, size = g[-1] * d[-1], abs(g[-1] * d[-1])
    for j, v in enumerate(map(Fraction, W2.tolist())):
        dv = d[d1 * n + j]
        moves = [*d[j * (n - 1) : (j + 1) * (n - 1)], d[d1 * (n - 1) + j]]
        for a, (w, dw) in enumerate(zip([*W1[j].tolist(), b1[j]], moves, strict=True)):
            part, w = g[j * n + a], Fraction(w)
            total += part * ((v + dv) * dw + dv * w)
            size += abs(part) * ((abs(v) + abs(dv)) * abs(dw) + abs(dv * w))
    return total, size


def almost_orthogonal(base, delta, shares):
    """Move each row of delta along b2 until <g, c> is that share of its terms, but for the rounding of one entry."""
    moved = delta.copy()
    last = Fraction(base.gradient[0, -1]) + Fraction(base.gradient[1, -1])
    for row, share in zip(moved, shares, strict=True):
        total, size = exact_linear(base, row)
        row[-1] = float(Fraction(row[-1]) - (total - Fraction(share) * size) / last)
    return moved


@pytest.mark.parametrize("variant", range(_screen.BEST_VARIANT + 1))
@pytest.mark.parametrize("radius", [1e-2, 1e-8, 1e-12])
# beyond one pack of rows too: more units than fit, and rows that are longer
@pytest.mark.parametrize(("m", "dx", "d1"), [(20, 3, 2), (33, 2, 5), (15, 20, 30), (9, 300, 2), (12, 0, 2)])
def test_linear_term_is_right_where_it_almost_vanishes(variant, radius, m, dx, d1):
    network, data = random_problem(m, m, dx, d1, fm.leaky_relu(0.1), weighted=True)
    base = BasePoint(network, data)
    shares = [0.0] * 4 + [1e-11, -1e-11] * 3
    delta = almost_orthogonal(base, deltas(5, network, 10, radius), shares)
    words, bias, size = linear_words(_screen, base, delta, variant)
    twin = linear_words(reference_screen, base, delta, variant)
    for ours, theirs in zip((words, bias, size), twin, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for (high, low), row, share in zip(words.T.tolist(), delta, shares, strict=True):
        want, size = exact_linear(base, row)
        error = abs(Fraction(high + low) - want)
        # low words are sums of at most N = dx + 1 + 2 d1 parts of 2^-53 of the terms, products' errors beside them,
        # each rounded again as often; and one rounding of the result
        bound = 4 * (dx + 2 * d1 + 4) ** 2 * Fraction(2) ** -106 * size
        assert error <= bound + Fraction(2) ** -53 * abs(want)
        # no float64 sum of the terms has a digit of the first, or six of the others
        assert abs(want) <= (Fraction(2) ** -51 if share == 0.0 else Fraction(1e-10)) * size
        if share:
            assert error <= Fraction(1e-14) * abs(want)


@pytest.mark.parametrize("variant", range(_screen.BEST_VARIANT + 1))
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_the_linear_term_in_float64_alone(variant, offset):
    for dx, d1 in ((0, 2), (1, 3), (3, 2), (7, 5), (8, 1), (9, 4), (21, 3), (64, 2)):
        network, data = random_problem(dx, 30, dx, d1, fm.leaky_relu(0.1), weighted=True)
        base = BasePoint(network, fm.Dataset(data.X + offset, data.y, sample_weight=data.sample_weight))
        assert base.centre.size == (dx if offset else 0)
        delta = deltas(dx, network, 9, 0.1)
        words, bias, size = linear_words(_screen, base, delta, variant, False)
        twin = linear_words(reference_screen, base, delta, variant, False)
        assert (words[1] == 0).all()
        assert (size == 0).all()
        # both lose at most (terms + 6) 2^-53 of what each is a sum of, in any order
        u = (d1 * (dx + 4) + 6) * 2.0**-53
        for value, other, row in zip(words[0], twin[0][0], delta, strict=True):
            want, terms = exact_linear(base, row)
            assert abs(Fraction(value) - want) <= u * terms + abs(Fraction(2) ** -100)
            assert abs(Fraction(other) - want) <= u * terms + abs(Fraction(2) ** -100)
        moves = np.abs(delta[:, : d1 * dx].reshape(9, d1, dx)) @ np.abs(base.centre) if offset else 0
        assert (np.abs(bias - twin[1]) <= 2 * u * (np.abs(delta[:, d1 * dx : d1 * (dx + 1)]) + moves)).all()


@pytest.mark.parametrize("variant", range(_screen.BEST_VARIANT + 1))
@pytest.mark.parametrize("m", [1, 7, 8, 9, 50])
@pytest.mark.parametrize(("dx", "d1"), [(0, 1), (1, 3), (3, 2), (4, 9), (5, 1), (9, 4), (13, 2), (18, 3)])
def test_kernels_give_the_bits_of_their_twins(variant, m, dx, d1, monkeypatch):
    network, data = random_problem(m, m, dx, d1, fm.leaky_relu(0.2), weighted=m % 2 == 1)
    monkeypatch.setattr(_screen, "BEST_VARIANT", variant)
    base = BasePoint(network, data)
    walked = Screen(base, 0.1)
    Z = np.empty((d1, m))
    call = (
        *network.parameters(),
        data.X,
        data.y,
        *network.slopes,
        variant,
        np.empty(_screen.workspace_items(d1, dx)),
    )
    _screen.preactivations(*call, Z)
    results, terms = {}, {}
    for K in (0, 1, 7, 8, 21):
        terms[K] = linear_words(_screen, base, deltas(K, network, K, 0.03), variant)
        for radius in (1e-6, 0.03, 1.0):
            results[K, radius] = walked.excess(deltas(K, network, K, radius))
    for name in ("base_sums", "preactivations", "screened_excess"):
        monkeypatch.setattr(_screen, name, getattr(reference_screen, name))
    twin = BasePoint(network, data)
    for field in ("residual", "gradient", "own"):
        np.testing.assert_array_equal(getattr(twin, field), getattr(base, field))
    Z2 = np.empty((d1, m))
    reference_screen.preactivations(*call, Z2)
    np.testing.assert_array_equal(Z2, Z)
    for K, words in terms.items():
        again = linear_words(reference_screen, base, deltas(K, network, K, 0.03), variant)
        for ours, theirs in zip(words, again, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    plain = Screen(twin, 0.1)
    np.testing.assert_array_equal(plain.form.factor, walked.form.factor)
    some = 0
    for (K, radius), (excess, changed) in results.items():
        excess2, changed2 = plain.excess(deltas(K, network, K, radius))
        np.testing.assert_array_equal(excess, excess2)
        np.testing.assert_array_equal(changed, changed2)
        some += changed.sum()
    assert some > 0 or m == 1


@pytest.mark.parametrize("variant", range(_screen.BEST_VARIANT + 1))
@pytest.mark.parametrize(("dx", "d1", "K"), [(0, 3, 9), (3, 5, 1), (6, 2, 70), (18, 3, 30)])
def test_a_walk_stays_in_its_work_space(variant, dx, d1, K):
    # as large as it is said to be, and beyond it 7; the problem alone holds the arrays it was made of
    network, data = random_problem(dx, 300, dx, d1, fm.leaky_relu(0.2))
    wanted = Screen(BasePoint(network, data), 0.5)
    problem = wanted._listed[1]
    excess, changed, norm = np.empty(K), np.empty(K, np.int64), np.empty(1)
    delta = deltas(K, network, K, 0.1)
    for tile in (1, 8, 64):
        sizes = (_screen.workspace_items(d1, dx), *_screen.walk_items(problem, tile))
        kinds = (np.float64, np.float64, np.float32, np.int64, np.int32)
        rooms = [np.full(size + 32, 7, kind) for size, kind in zip(sizes, kinds, strict=True)]
        for room, size in zip(rooms, sizes, strict=True):
            room[:size] = 0
        scratch = _screen.ScreenScratch(
            problem, tile, *(r[:size] for r, size in zip(rooms, sizes, strict=True))
        )
        assert (scratch.problem, scratch.tile) == (problem, tile)
        for _ in range(2):
            _screen.screened_excess(delta, scratch, variant, excess, changed, norm)
            for ours, expected in zip((excess, changed), wanted.excess(delta), strict=True):
                np.testing.assert_array_equal(ours, expected)
        assert all((room[size:] == 7).all() for room, size in zip(rooms, sizes, strict=True))
    assert changed.any() or dx == 0


def test_a_problem_is_made_once_for_a_set_of_near_samples(monkeypatch):
    network, data = random_problem(20, 60, 2, 2)
    made = []

    def problem(**parts):
        copies = {name: part.copy() if isinstance(part, np.ndarray) else part for name, part in parts.items()}
        made.append(make(**copies))
        return made[-1]

    make = _screen.ScreenProblem
    monkeypatch.setattr(_screen, "ScreenProblem", problem)
    grown = Screen(BasePoint(network, data), 0.0)
    near, far = deltas(1, network, 9, 1e-9), deltas(1, network, 9, 0.5)
    for _ in range(3):
        grown.excess(near)
    before = len(made)
    excess, _ = grown.excess(far)
    for _ in range(3):
        np.testing.assert_array_equal(grown.excess(far)[0], excess)
    # one with the lists that held for `near`, one with those that `far` needs
    assert before in (1, 2)
    assert len(made) == before + 1
    assert made[-1] is grown._listed[1]
    np.testing.assert_array_equal(made[-1].rows, grown.near.rows)
    for name, value in (("W1", network.W2), ("rows", data.X[::2]), ("near_start", np.zeros(3))):
        parts = {key: getattr(made[-1], key) for key in KEYS}
        with pytest.raises((ValueError, TypeError)):
            make(**{**parts, name: value})
    with pytest.raises(TypeError):
        make()
    with pytest.raises(TypeError):
        pickle.dumps(made[-1])


@pytest.mark.parametrize("variant", range(_screen.BEST_VARIANT + 1))
def test_filter_keeps_every_change_at_any_scale(variant, monkeypatch):
    # enough listed samples for whole groups of filter panels and every remainder
    monkeypatch.setattr(_screen, "BEST_VARIANT", variant)
    network, data = random_problem(8, 700, 3, 2, fm.relu)
    delta = deltas(1, network, 11, 0.2)
    base = BasePoint(network, data)
    Z = network.preactivations(data.X)
    rows = delta[:, :6].reshape(-1, 2, 3)
    moved = Z + np.einsum("kja,ia->kij", rows, data.X) + delta[:, None, 6:8]
    _, changed = Screen(base, 1.0).excess(delta)
    np.testing.assert_array_equal(changed, ((moved > 0) != (Z > 0)).sum(axis=(1, 2)))
    assert changed.min() > 20
    # the same problem in other units: float32 would overflow or vanish without the scale
    for unit in (2.0**-180, 2.0**180):
        scaled = fm.OneHiddenLayer(network.W1 * unit, network.b1 * unit, network.W2, 0.3, fm.relu)
        other = delta.copy()
        other[:, :8] *= unit
        _, again = Screen(BasePoint(scaled, data), unit).excess(other)
        np.testing.assert_array_equal(again, changed)


def test_results_do_not_depend_on_block_reach_or_order():
    network, data = random_problem(11, 400, 4, 3, fm.leaky_relu(0.1), weighted=True)
    base = BasePoint(network, data)
    delta = deltas(2, network, 37, 0.05)
    whole, changed = Screen(base, 0.01).excess(delta)
    assert changed.min() > 0
    wide = Screen(base, 2.0)
    for step in (1, 5, 8, 36):
        parts = [wide.excess(delta[k : k + step]) for k in range(0, 37, step)]
        np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), whole)
        np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]), changed)
    np.testing.assert_array_equal(wide.excess(delta[::-1])[0], whole[::-1])


def test_lists_grow_when_a_perturbation_reaches_farther():
    network, data = random_problem(12, 60, 2, 2)
    grown = Screen(BasePoint(network, data), 0.0)
    assert grown.near.n_samples == 0
    delta = deltas(1, network, 9, 0.5)
    excess, _ = grown.excess(delta)
    assert grown.near.n_samples > 0
    np.testing.assert_array_equal(excess, Screen(BasePoint(network, data), 10.0).excess(delta)[0])


def test_threads_share_a_screen():
    from concurrent.futures import ThreadPoolExecutor

    network, data = random_problem(13, 500, 3, 3)
    shared = Screen(BasePoint(network, data), 0.0)
    delta = deltas(1, network, 400, 0.01)
    delta[200:] *= 20.0
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda k: shared.excess(delta[k : k + 20])[0], range(0, 400, 20)))
    np.testing.assert_array_equal(np.concatenate(parts), Screen(shared.base, 9.0).excess(delta)[0])


@pytest.mark.parametrize("limit", [0, 40, 10**9])
def test_forms_agree(limit, monkeypatch):
    # many patterns one by one, their sum, or one big Gram matrix
    network, data = random_problem(14, 200, 2, 6, fm.leaky_relu(0.3), weighted=True)
    reference = Screen(BasePoint(network, data), 0.0).form
    monkeypatch.setattr(survey_module, "_PATTERN_ENTRIES", limit)
    monkeypatch.setattr(survey_module, "BLOCK_ROWS", 64)
    other = Screen(BasePoint(network, data), 0.0).form
    assert len(reference.slopes) == len(other.slopes) == 0
    q = network.width * 3 + 1
    first, second = (f.factor.reshape(-1, q).T @ f.factor.reshape(-1, q) for f in (reference, other))
    np.testing.assert_allclose(second, first, rtol=1e-12, atol=1e-12)
    assert (other.n_patterns == 0) == (limit < 10**9 and reference.n_patterns > 16)


def test_wide_networks_and_rank_deficient_data():
    # 70 units: signs no longer fit one number; one sample and constant columns: Gram matrices of rank 1
    for m, dx, d1 in ((3, 2, 70), (1, 2, 3)):
        network, data = random_problem(m, m, dx, d1, fm.leaky_relu(0.1))
        check(network, data, deltas(1, network, 3, 1e-6), 1e-3)
    X = np.column_stack([np.full(8, 2.0), np.arange(8.0), np.arange(8.0)])
    network, _ = random_problem(1, 1, 3, 2)
    check(network, fm.Dataset(X, np.arange(8.0) ** 2), deltas(1, network, 5, 1e-6), 0.0)


def test_overflow_is_inf_without_warnings():
    network, data = random_problem(15, 30, 2, 3)
    for radius in (1e70, 1e160, 1e300):
        excess, _ = Screen(BasePoint(network, data), 1.0).excess(deltas(1, network, 9, radius))
        assert (excess == np.inf).all() if radius > 1e100 else np.isfinite(excess).all()
    huge = fm.OneHiddenLayer(network.W1, network.b1, np.full(3, 1e308), 0.0, fm.relu)
    excess, _ = Screen(BasePoint(huge, data), 1.0).excess(deltas(1, huge, 9, 1e-3))
    assert (excess == np.inf).all()


def test_denormal_changes_and_zero_preactivations():
    # squares of the changes vanish, the norm must not
    data = fm.Dataset(np.array([[1.0], [2.0]]), np.array([0.5, 1.0]))
    network = fm.OneHiddenLayer(np.array([[1.0]]), np.array([-1.0]), np.array([1.0]), 0.0, fm.relu)
    delta = np.zeros((2, 4))
    delta[0, 1], delta[1, 1] = 1e-200, -1e-200
    _, changed = Screen(BasePoint(network, data), 0.0).excess(delta)
    assert changed.tolist() == [1, 0]


def test_bad_input_is_named():
    network, data = random_problem(16, 10, 2, 2)
    with pytest.raises(DataError, match="takes 2 inputs"):
        BasePoint(network, fm.Dataset(np.zeros((3, 1)), np.zeros(3)))
    with pytest.raises(NetworkError, match="PiecewiseLinear"):
        BasePoint(fm.OneHiddenLayer(network.W1, network.b1, network.W2, 0.0, np.tanh), data)
    base = BasePoint(network, data)
    for reach in (-1.0, np.nan):
        with pytest.raises(OptionError, match="max_row_norm"):
            Screen(base, reach)
    for delta in (np.zeros((2, 3)), np.zeros(9), np.zeros((2, 9), np.float32)):
        with pytest.raises(NetworkError, match=r"\(K, 9\)"):
            Screen(base, 1.0).excess(delta)
    with pytest.raises(ValueError, match="read-only"):
        base.gradient[0, 0] = 1.0


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    network, data = random_problem(17, 100, 2, 2)
    monkeypatch.setattr("fastminima.system.memory.available_bytes", lambda: 1000)
    with pytest.raises(fm.errors.TooLargeError, match="near a boundary"):
        Screen(BasePoint(network, data), 100.0)


def test_choice_follows_the_costs(monkeypatch):
    network, data = random_problem(18, 5000, 3, 3)
    base = BasePoint(network, data)
    assert choose(base, 1e-6, 10**6).method == "screened"
    # one perturbation is not worth the set-up, and a few samples not the form
    assert choose(base, 1e-6, 1).method == "direct"
    wide, few = random_problem(19, 20, 20, 20)
    assert choose(BasePoint(wide, few), 1e-6, 10**6).method == "direct"
    near, far = choose(base, 1e-6, 10**6), choose(base, 0.1, 10**6)
    assert near.near_share < far.near_share
    assert near.screened < far.screened
    assert near.direct == far.direct
    # lists that memory cannot hold
    monkeypatch.setattr(screen, "available_bytes", lambda: 1000)
    assert choose(base, 0.1, 10**6).method == "direct"
