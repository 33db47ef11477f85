"""Cells of hidden rows: what they cover, what is proved of them, and the brackets that they give."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.exact.affine import Columns
from fastminima.fit.least_squares import least_squares
from fastminima.landscape.bracket import branch_and_bound, lower_bound
from fastminima.landscape.bracket.branch_and_bound import BranchAndBound, Effort, affordable
from fastminima.landscape.bracket.direction_boxes import Cut, first_cells
from fastminima.landscape.bracket.exact_cells import ExactInputs, _solved
from fastminima.landscape.bracket.fit_network import SearchEnd, SearchLimits, refined, searched
from fastminima.landscape.bracket.lines import DistinctInputs
from fastminima.reporting.results import words
from profiles import examples

SLOPES = st.sampled_from([fm.relu, fm.leaky_relu(0.25)])


@st.composite
def tables(draw, most=10):
    """Few rows on a grid or not: ties, equal inputs, columns that depend on each other, weights."""
    d, m = draw(st.integers(1, 2)), draw(st.integers(3, most))
    values = st.integers(-2, 2) if draw(st.booleans()) else st.integers(-50, 50)
    X = np.array(draw(st.lists(st.lists(values, min_size=d, max_size=d), min_size=m, max_size=m)), float)
    if draw(st.booleans()):
        X = np.column_stack([X, 1.0 - X[:, 0]])
    y = np.array(draw(st.lists(st.integers(-5, 5), min_size=m, max_size=m)), float)
    w = draw(st.none() | st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=m, max_size=m))
    return fm.Dataset(X / draw(st.sampled_from([1.0, 3.0, 2.0**40])), y / 3.0, sample_weight=w)


def search(data, width, activation=fm.relu):
    return BranchAndBound(least_squares(data), DistinctInputs(Columns(data)), width, activation)


def least_of(bound, q, cell, slopes):
    """Exact risk, beyond the pure error, of hidden rows in the units of the cells, the output bias being the best one."""
    scaled, inputs = bound.scaled, bound.inputs
    rest = []
    for x, y in zip(scaled.exact, inputs.means, strict=True):
        z = [sum(F(a) * b for a, b in zip(row, (*x, F(1)), strict=True)) for row in q.tolist()]
        f = sum(s[0] * v * slopes[0 if v > 0 else 1] for s, v in zip(cell.starts, z, strict=True))
        rest.append(y - f)
    total = sum(inputs.weights)
    mean = sum(w * r for w, r in zip(inputs.weights, rest, strict=True)) / total
    return sum(w * (r - mean) ** 2 for w, r in zip(inputs.weights, rest, strict=True)) / 2


def in_cell(cell, q, scaled):
    """Whether the rows are multiples of points of the boxes, with the signs of the cell."""
    for k, (row, (_, face, side)) in enumerate(zip(q, cell.starts, strict=True)):
        size = row[face] * side
        if size < 0 or (row < cell.low[k] * size).any() or (row > cell.high[k] * size).any():
            return False
    exact = [[F(v) for v in row] for row in q.tolist()]
    return all(
        sign * sum(a * b for a, b in zip(exact[k], (*scaled.exact[i], F(1)), strict=True)) >= 0
        for k, i, sign in cell.rows
    )


@settings(max_examples=examples(60), deadline=None)
@given(tables(), st.integers(1, 2), SLOPES, st.integers(0, 2**32 - 1))
def test_no_network_of_a_cell_has_a_lower_risk(data, width, activation, seed):
    """Cells along the cuts of a search: the exact bound, and what the search says of the cell."""
    assume(affordable(least_squares(data), width))
    bound = search(data, width, activation)
    rng, slopes = np.random.default_rng(seed), (F(activation.s_plus), F(activation.s_minus))
    cells = list(first_cells(width, bound.scaled.X.shape[1]))
    cell = cells[rng.integers(len(cells))]
    for _ in range(12):
        q = rng.uniform(cell.low, cell.high) * (rng.exponential(size=(width, 1)) * 4.0)
        value, _, cut, _ = bound._seen(cell, 0.0)
        exact = bound.exact.bound(cell).value
        if cell.empty:
            break
        if in_cell(cell, q, bound.scaled):
            risk = least_of(bound, q, cell, slopes)
            assert bound.scaled.proved(value) <= risk
            assert exact <= risk
        cell = cell.parts(cut)[rng.integers(2)]


@settings(max_examples=examples(25), deadline=None)
@given(tables(8), st.integers(1, 2), SLOPES, st.integers(0, 2**32 - 1))
def test_a_search_bounds_every_network_of_its_width_and_slopes(data, width, activation, seed):
    assume(affordable(least_squares(data), width))
    bound = search(data, width, activation)
    fit, rng = bound.fit, np.random.default_rng(seed)
    found = searched(fit, width, activation, SearchLimits(None, 2, 1, False), seed)
    bound.run(found.exact_risk, Effort(cells=300))
    assert bound.inputs.pure_error <= bound.lower <= found.exact_risk
    start = fm.OneHiddenLayer(
        rng.normal(size=(width, data.n_features)),
        rng.normal(size=width),
        rng.normal(size=width),
        0.0,
        activation,
    )
    assert bound.lower <= fm.polish(start, data).decision.exact_risk
    network = bound.network()
    if network is not None:
        lower = refined(found, fit, network)
        assert bound.lower <= lower.exact_risk <= found.exact_risk
        assert lower.exact_risk == fm.decide(lower.network, data).exact_risk


def test_every_network_is_in_a_cell():
    """Random and singular rows, sorted as the cells are; and the two parts of a cut."""
    rng = np.random.default_rng(1)
    for width, n in ((1, 1), (1, 3), (2, 2), (3, 2)):
        cells = list(first_cells(width, n))
        assert len({cell.starts for cell in cells}) == len(cells)
        for _ in range(60):
            q = rng.integers(-2, 3, (width, n)) * rng.choice([1.0, 0.3])
            sigma = rng.choice([-1, 1], width)
            kinds = []
            for s, row in zip(sigma.tolist(), q, strict=True):
                face = int(np.argmax(np.abs(row)))
                kinds.append((s, face, 1 if row[face] >= 0 else -1))
            assert any(sorted(cell.starts) == sorted(kinds) for cell in cells)
    cell = next(first_cells(2, 3))
    for cut in (Cut(0, 1, False), Cut(1, 4, True)):
        one, other = cell.parts(cut)
        if cut.by_row:
            assert (one.rows, other.rows) == (((1, 4, 1),), ((1, 4, -1),))
        else:
            assert one.high[0, 1] == other.low[0, 1] == 0.0
            assert (one.low[0, 1], other.high[0, 1]) == (-1.0, 1.0)


def test_an_exchange_of_units_is_left_out_once():
    cell = next(first_cells(2, 2))
    assert cell.starts[0] == cell.starts[1]
    (low, high), at = cell.parts(Cut(0, 1, False)), Cut(1, 1, False)
    kinds = [[part.empty for part in half.parts(at)] for half in (low, high)]
    assert kinds == [[False, False], [False, False]]
    halves = [part for half in (low, high) for part in half.parts(at)]
    quarters = [part for half in halves for part in half.parts(Cut(0, 1, False))]
    assert [part.empty for part in quarters] == [False, False, False, False, False, True, False, False]


def test_elimination_leaves_no_rest():
    """Against rationals, of full rank and not, with a solution and without."""
    rng = np.random.default_rng(2)
    for _ in range(40):
        size, more, rank = int(rng.integers(1, 6)), int(rng.integers(0, 3)), int(rng.integers(1, 6))
        A = rng.integers(-9, 10, (rank, size)).astype(object) * 10 ** int(rng.integers(0, 20))
        H, g = (A.T @ A).tolist(), (A.T @ rng.integers(-9, 10, rank).astype(object)).tolist()
        C = rng.integers(-3, 4, (more, size)).tolist()
        numerators, denominator = _solved(H, g, C)
        x = [F(v, denominator) for v in numerators]
        for a in range(size):
            left = sum(h * v for h, v in zip(H[a], x, strict=False))
            assert left - sum(c[a] * v for c, v in zip(C, x[size:], strict=True)) == g[a]
        assert all(sum(a * b for a, b in zip(c, x, strict=False)) == 0 for c in C)
    assert _solved([[0]], [1], []) is None


def test_small_problems_are_closed():
    """One unit on two inputs, two on one: the lower end comes within a hundredth of the upper one."""
    rng = np.random.default_rng(4)
    for d, width in ((2, 1), (1, 2)):
        X = rng.normal(size=(30, d))
        y = np.maximum(X.sum(axis=1), 0.0) + 0.3 * rng.normal(size=30)
        one = fm.bracket((X, y), width, n_starts=20)
        assert one.reason == "branch and bound"
        assert one.bound.slopes == (1.0, 0.0)
        assert one.lower >= 0.99 * one.upper
        leaky = fm.bracket((X, y), width, n_starts=20, activation=fm.leaky_relu(0.25))
        assert leaky.bound.slopes == (1.0, 0.25)
        assert leaky.lower <= leaky.upper
        assert leaky.to_dict()["slopes"] == [1.0, 0.25]
    assert lower_bound.lower_bounds(one.data, [2])[2].slopes is None
    wide = fm.bracket(one.data, 12, n_starts=1)
    assert wide.to_dict()["slopes"] is None
    told = [words.said([result]).proved[0].partition(" has a risk")[0] for result in (one, leaky, wide)]
    known = ["Width 2: no network with slopes 1 and 0", "Width 2: no network with slopes 1 and 0.25"]
    assert told == [*known, "Width 12: no network"]


def test_the_same_call_gives_the_same_bracket():
    rng = np.random.default_rng(5)
    data = rng.normal(size=(20, 2)), rng.normal(size=20)
    one, two = (fm.bracket(data, 1, n_starts=2, workers=w) for w in (1, 2))
    assert (one.bound.exact, one.upper) == (two.bound.exact, two.upper)


def test_an_interrupt_gives_the_bound_so_far(monkeypatch):
    rng = np.random.default_rng(6)
    data = fm.Dataset(rng.normal(size=(20, 2)), rng.normal(size=20))
    advance, calls = BranchAndBound._advance, []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 150:
            raise KeyboardInterrupt
        advance(self)

    monkeypatch.setattr(BranchAndBound, "_advance", interrupted)
    one, *others = fm.bracket(data, [1, 2], n_starts=4)
    assert not others
    assert one.end is SearchEnd.INTERRUPTED
    assert 0.0 < one.lower <= one.upper
    calls.clear()
    whole = search(data, 1)
    whole.run(one.found.exact_risk, Effort())
    assert whole.interrupted
    assert whole.lower == one.bound.exact


@pytest.mark.parametrize("place", ["_look", "_add", "_seen"])
def test_an_interrupt_between_two_steps_leaves_a_bound_that_is_proved(monkeypatch, place):
    """Where cells are missing from the heap, what was shown before counts: against the search that is not interrupted."""
    rng = np.random.default_rng(9)
    data = fm.Dataset(rng.normal(size=(12, 2)), rng.normal(size=12))
    done, steps = getattr(BranchAndBound, place), []
    first = len(list(first_cells(1, 3)))
    for at in [1, first - 1, *range(first + 1, first + 30)]:
        bound, steps[:] = search(data, 1), []

        def stopped(self, *given, at=at):
            steps.append(1)
            if len(steps) == at:
                raise KeyboardInterrupt
            return done(self, *given)

        monkeypatch.setattr(BranchAndBound, place, stopped)
        bound.run(bound.fit.exact.risk, Effort(cells=200))
        monkeypatch.setattr(BranchAndBound, place, done)
        if len(steps) < at:  # no more of these
            break
        assert bound.interrupted
        whole = search(data, 1)
        whole.run(whole.fit.exact.risk, Effort(cells=len(bound.tree.bounds) + 2))
        assert bound.lower <= whole.lower
        assert at > first or bound.lower == 0


def test_the_clock_ends_it(monkeypatch):
    rng = np.random.default_rng(7)
    bound = search(fm.Dataset(rng.normal(size=(40, 3)), rng.normal(size=40)), 2)
    bound.run(bound.fit.exact.risk, Effort(seconds=1e-9))
    assert len(bound.tree.bounds) == len(list(first_cells(2, 4)))
    monkeypatch.setattr(branch_and_bound, "_MOST_INPUTS", 10)
    assert not affordable(bound.fit, 1)


def test_data_on_an_affine_function_have_risk_0():
    x = np.arange(9.0)[:, None]
    for data in ((x, 2.0 * x[:, 0] + 0.5), (x / 3, np.full(9, 0.1)), (x, np.zeros(9))):
        for activation in (fm.relu, fm.leaky_relu(0.25)):
            one = fm.bracket(data, 2, n_starts=1, activation=activation)
            assert (one.lower, one.upper) == (0.0, 0.0)
            assert one.decide().exact_risk == 0
    # coefficients that are no float64 numbers: no network of float64 parameters need have risk 0
    third = fm.Dataset([[F(0)], [F(3)], [F(6)]], [F(0), F(1), F(2)])
    assert fm.bracket(third, 1, n_starts=1).upper < 1e-25


def test_a_better_network_from_elsewhere_is_taken():
    x = np.linspace(-1.0, 1.0, 21)[:, None]
    data = fm.Dataset(x, np.abs(x[:, 0]))
    fit = least_squares(data)
    poor = searched(fit, 2, fm.relu, SearchLimits(None, 1, 1, False), 0)
    poor = refined(poor, fit, poor.network)
    near = fm.OneHiddenLayer([[1.0], [-1.0]], [1e-3, 0.0], [1.0, 1.0], 1e-3, fm.relu)
    better = refined(poor, fit, near)
    assert better.exact_risk <= min(poor.exact_risk, fm.decide(near, data).exact_risk)
    assert better.risk < 1e-20


def test_short_forms_and_exact_numbers_are_what_the_cells_see():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(30, 3)) @ np.diag([1e-9, 1.0, 1e9])
    X[:, 2] += 1e9 * X[:, 1]
    data = fm.Dataset(X, rng.normal(size=30))
    bound = search(data, 1)
    assert isinstance(bound.exact, ExactInputs)
    for form in bound.scaled.forms:
        assert len(form) == 4
    again = np.array([[float(v) for v in row] for row in bound.scaled.exact])
    assert np.array_equal(again, bound.scaled.X[:, :-1])
    assert np.abs(again).max() < 1.01
    assert np.abs(np.corrcoef(again.T) - np.eye(3)).max() < 0.1
