"""The screening kernel: its linear term to the last bits, its twin, its filter, its work space."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.kernels import _screen, reference_screen
from fastminima.landscape.perturb.base_point import BasePoint
from fastminima.landscape.perturb.screen import Screen
from screened import deltas, random_problem

KEYS = [name for name in dir(_screen.ScreenProblem) if not name.startswith("_")]


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
