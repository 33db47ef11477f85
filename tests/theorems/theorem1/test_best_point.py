"""The best certified point of paper, kinks and search; kinks where columns are collinear up to rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import OptionError, TooLargeError
from fastminima.theorems.theorem1 import better_point as module
from fastminima.theorems.theorem1 import exact_kinks, searched_candidates
from fastminima.theorems.theorem1.reduced_kinks import collinear_up_to_rounding

NEAR = np.array([148.5, 135.25, 256.75, 101.5, 92.5, 175.5, 203.25, 227.5, 349, 181])
Y = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3])


def exact_drop(point):
    low = point.low
    return low.fit.exact.risk - fm.decide(point.network, low.data).exact_risk


def table(m, dx, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, dx))
    return X, np.abs(X[:, 0]) + X[:, -1] + 0.3 * rng.normal(size=m)


def test_best_is_the_largest_proved_drop_of_three():
    for width in (2, 4):
        low = fm.spurious_minimum(table(60, 2), width=width)
        best = fm.better_point(low, "best")
        others = [fm.better_point(low, method) for method in ("paper", "kink")]
        assert best.method == "search"
        assert best.drop_certified > max(one.drop_certified for one in others)
        assert best.network.width == width
        assert best.drop == best.drop_certified
        # what it claims is true of the exact risks, and close
        exact = exact_drop(best)
        assert 0 <= exact - Fraction(best.drop_certified) < Fraction(1, 10**7)
        assert best.tried == 3


def test_where_the_search_finds_less_another_is_handed_out(monkeypatch):
    low = fm.spurious_minimum(table(40, 2))
    monkeypatch.setattr(module, "searched_candidates", lambda *_: iter(()))
    kink, best = fm.better_point(low, "kink"), fm.better_point(low, "best")
    assert (best.method, best.drop_certified) == ("kink", kink.drop_certified)
    assert best.network.W1.tolist() == kink.network.W1.tolist()
    assert not best.reason.startswith("no kink")


def test_a_search_that_does_not_fit_leaves_the_others(monkeypatch):
    low = fm.spurious_minimum(table(40, 2))

    def refuse(n_bytes, what):
        raise TooLargeError(what)

    monkeypatch.setattr(searched_candidates, "require_memory", refuse)
    assert fm.better_point(low, "best").method == "kink"


def test_the_search_is_counted_and_not_timed():
    for activation in (fm.relu, fm.leaky_relu(0.25), fm.PiecewiseLinear(0.5, 3.0)):
        low = fm.spurious_minimum(table(50, 3), activation, width=3)
        first, again = (fm.better_point(low, "best", random_state=7) for _ in range(2))
        assert first.network.W1.tolist() == again.network.W1.tolist()
        assert first.drop_certified == again.drop_certified > 0
        assert first.network.activation == activation


def test_best_keeps_the_answers_where_nothing_is_better():
    x = np.arange(5.0)[:, None]
    low = fm.spurious_minimum((x, 2 * x[:, 0] + 1))
    assert fm.better_point(low, "best").status == "linearly_fittable"
    with pytest.raises(OptionError, match='"paper", "kink" or "best"'):
        fm.better_point(low, "search")


def test_a_searched_point_is_certified_like_the_others():
    low = fm.spurious_minimum(table(20, 2))
    best = fm.better_point(low, "best")
    assert best.method == "search"
    assert fm.prove(low, best).checked
    assert best.decide().exact_risk < low.fit.exact.risk


@pytest.mark.parametrize("factor", [1.1, 0.7, 1 / 3])
def test_kinks_leave_out_columns_that_are_collinear_up_to_rounding(factor, monkeypatch):
    # as on data that are too large for kinks in rational arithmetic
    monkeypatch.setattr(exact_kinks, "_WORK", 0)
    rng = np.random.default_rng(3)
    x = 50 * rng.normal(size=40) + 200
    y = np.abs(x - 200) / 10 + rng.normal(size=40)
    low = fm.spurious_minimum((np.column_stack([x, factor * x]), y))
    left = collinear_up_to_rounding(low.fit)
    assert left is not None
    assert left.sum() == 1
    point = fm.better_point(low, "kink")
    assert (point.method, bool(point)) == ("kink", True)
    # that of one column, against the least squares of both
    alone = fm.better_point(fm.spurious_minimum((x[:, None], y)), "kink")
    assert float(exact_drop(point)) == pytest.approx(low.risk - alone.risk, rel=1e-6)
    assert Fraction(point.drop_certified) <= exact_drop(point)


def test_the_smallest_array_gains_what_is_possible():
    low = fm.spurious_minimum((np.column_stack([NEAR, 1.1 * NEAR]), Y))
    point = fm.better_point(low, "kink")
    assert point.method == "kink"
    assert point.drop_certified > 0.0888 * low.risk


def test_columns_that_are_needed_or_exactly_dependent_stay():
    X, y = table(30, 3)
    assert collinear_up_to_rounding(fm.least_squares((X, y))) is None
    whole = np.round(8 * X)
    for extra in (2 * whole[:, :1], np.ones((30, 1)), whole[:, :1] + whole[:, 1:2]):
        assert collinear_up_to_rounding(fm.least_squares((np.hstack([whole, extra]), y))) is None
    left = collinear_up_to_rounding(fm.least_squares((np.hstack([X, X @ [[0.1], [0.2], [0.7]]]), y)))
    assert left is not None
    assert left.sum() == 1


def test_a_kink_that_is_lost_gives_way_to_the_papers_point(monkeypatch):
    monkeypatch.setattr(exact_kinks, "_WORK", 0)
    monkeypatch.setattr(module, "reduced_kink_candidates", lambda *_: iter(()))
    low = fm.spurious_minimum((np.column_stack([NEAR, 1.1 * NEAR]), Y))
    paper, point = fm.better_point(low), fm.better_point(low, "kink")
    assert bool(point)
    assert (point.method, point.drop_certified) == ("paper", paper.drop_certified)
    assert point.reason.startswith("no kink survives float64 rounding on these data; the paper's")
    assert point.tried > paper.tried


def test_given_directions_are_about_all_columns():
    low = fm.spurious_minimum((np.column_stack([NEAR, 1.1 * NEAR]), Y))
    point = fm.better_point(low, "kink", directions=[[1.0, 0.0]])
    assert bool(point)
    assert Fraction(point.drop_certified) <= exact_drop(point)
