"""Brackets of the least risk, and networks through every distinct input."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import (
    DataTypeError,
    EffortWarning,
    NetworkError,
    OptionError,
    TargetError,
    TooLargeError,
)
from fastminima.fit.chain import Search
from fastminima.landscape.bracket import interpolation
from fastminima.landscape.bracket.fit_network import SearchEnd
from fastminima.system import memory
from profiles import examples


@st.composite
def tables(draw):
    dx, m = draw(st.integers(0, 3)), draw(st.integers(1, 16))
    values = st.integers(-2, 2) if draw(st.booleans()) else st.integers(-50, 50)
    X = draw(st.lists(st.lists(values, min_size=dx, max_size=dx), min_size=m, max_size=m))
    y = draw(st.lists(st.integers(-5, 5), min_size=m, max_size=m))
    w = draw(st.none() | st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=m, max_size=m))
    X = np.array(X, float).reshape(m, dx) / draw(st.sampled_from([1.0, 3.0, 2.0**40]))
    return fm.Dataset(X, np.array(y, float), sample_weight=w)


@settings(max_examples=examples(80), deadline=None)
@given(tables(), st.sampled_from([fm.relu, fm.leaky_relu(0.25)]))
def test_the_interpolating_network_has_the_pure_error_as_its_exact_risk(data, activation):
    found = fm.interpolation_width(data, activation=activation)
    n = len(np.unique(data.X, axis=0)) if data.n_features else 1
    assert fm.decide(found.network, data).exact_risk == found.pure_error
    assert found.width == found.network.width <= max(1, n - 1)
    assert fm.decide(found.network, data)  # nothing is lower: a global minimum


@pytest.mark.parametrize(("m", "dx"), [(12, 2), (40, 3), (41, 3), (30, 7)])
def test_its_width_is_that_of_the_blocks_where_they_are_independent(m, dx):
    rng = np.random.default_rng(m)
    data = fm.Dataset(rng.normal(size=(m, dx)), rng.normal(size=m))
    assert fm.interpolation_width(data).width == min(m - 1, 2 * -(-m // (dx + 1)) - 1)


def test_where_no_direction_gives_independent_blocks_a_kink_at_each_point_does(monkeypatch):
    monkeypatch.setattr(interpolation, "_DRAWS", 2)
    x = np.arange(12.0)
    data = fm.Dataset(np.column_stack([x, 2 * x, -x]), x % 3)
    found = fm.interpolation_width(data)
    assert found.width == 11
    assert found.pure_error == 0


def test_a_table_that_is_affine_needs_one_unit():
    data = fm.Dataset([[0.0, 1], [1, 1], [2, 5], [3, 3]], [1.0, 2, 3, 4])
    assert fm.interpolation_width(data).width == 1


@settings(max_examples=examples(15), deadline=None)
@given(tables(), st.sampled_from([fm.relu, fm.leaky_relu(0.25)]))
def test_the_ends_are_in_order_for_every_width(data, activation):
    found = fm.bracket(data, [1, 2, 4], activation=activation, n_starts=1)
    risk = fm.least_squares(data).exact.risk
    assert [b.width for b in found] == [1, 2, 4]
    for one in found:
        assert one.lower <= one.bound.exact <= one.found.exact_risk <= one.upper
        assert one.bound.exact <= risk
        least, most = one.gap
        assert 0 <= least <= most <= 1 or risk == 0
        assert one.decide().exact_risk == one.found.exact_risk
    for narrow, wide in pairwise(found):
        assert wide.upper <= narrow.upper
        assert wide.lower <= narrow.lower


def test_a_result_stands_for_its_data():
    low = fm.spurious_minimum(([[0.0], [1], [2], [3]], [0.0, 2, 1, 3]))
    for result in (low, fm.better_point(low), low.decide()):
        assert fm.bracket(result, 2, n_starts=1).data is low.data
        assert fm.fit_network(result, 2, n_starts=1).data is low.data
        assert fm.interpolation_width(result).width == 3


def test_one_width_gives_one_bracket_whose_network_is_at_its_upper_end():
    x = np.arange(-3.0, 4)
    one = fm.bracket((x[:, None], [0.0, 0, 2, 3, -3, -2, 2]), width=2, n_starts=4)
    assert isinstance(one, fm.Bracket)
    assert one.reason == "branch and bound"
    assert one.end is SearchEnd.STARTS
    assert one.upper == pytest.approx(one.network.risk(one.data), rel=1e-12)
    assert one.trace[-1][1] == pytest.approx(one.upper, rel=1e-9)


def test_a_wider_network_is_never_worse_than_a_narrow_one_that_was_found():
    rng = np.random.default_rng(0)
    data = fm.Dataset(rng.normal(size=(60, 3)), rng.normal(size=60))
    narrow, wide = fm.bracket(data, [6, 7], n_starts=1)
    assert wide.found.exact_risk <= narrow.found.exact_risk
    assert len(wide.network.W2) == 7


def test_bad_arguments_are_named():
    data = fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 1, 0])
    for width in (0, -1, 1.5, "a", [0], [2, "a"], []):
        with pytest.raises(OptionError, match="width"):
            fm.bracket(data, width)
    with pytest.raises(OptionError, match="seconds"):
        fm.bracket(data, seconds=float("nan"))
    with pytest.raises(DataTypeError):
        fm.bracket([1.0])
    with pytest.raises(NetworkError):
        fm.bracket(data, activation="relu6")
    with pytest.raises(TargetError):
        fm.interpolation_width(fm.Dataset([[0.0], [1.0]], [[0.0, 1], [1, 1]]))


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), "5", True, [1.0]])
def test_a_time_that_is_none_is_refused(seconds):
    data = fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 1, 0])
    for call in (fm.bracket, fm.fit_network):
        with pytest.raises(OptionError, match="seconds must be"):
            call(data, seconds=seconds)


@pytest.mark.parametrize("widths", [[], (), np.array([]), range(0)])
def test_no_width_at_all_is_refused(widths):
    with pytest.raises(OptionError, match="width"):
        fm.bracket(([[0.0], [1.0]], [0.0, 1]), widths)


def test_what_was_used_instead_stands_in_the_bracket():
    rng = np.random.default_rng(0)
    with pytest.warns(EffortWarning, match="1,201 points") as said:
        found = fm.bracket((np.arange(1201.0)[:, None], rng.normal(size=1201)), [1, 2], n_starts=1)
    assert [one.notes for one in found] == [(str(said[0].message),)] * 2
    assert found[1].to_dict()["notes"] == list(found[1].notes)
    assert said[0].filename == __file__


def test_a_network_through_many_inputs_says_what_it_takes(monkeypatch):
    rng = np.random.default_rng(1)
    data = fm.Dataset(rng.normal(size=(40, 3)), rng.normal(size=40))
    monkeypatch.setattr(interpolation, "_MANY_STEPS", 5_000)
    with pytest.warns(EffortWarning, match=r"width 19 through 40 distinct inputs .* 6\.1e\+03 steps"):
        assert fm.interpolation_width(data).width == 19
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000)
    with pytest.raises(TooLargeError, match="width 19 through 40 distinct inputs needs"):
        fm.interpolation_width(data)


def test_an_interrupt_of_the_search_keeps_what_is_there(monkeypatch):
    """The best networks so far, a proved lower end, and a status that says so; wider ones are not begun."""
    rng = np.random.default_rng(2)
    data, run = fm.Dataset(rng.normal(size=(60, 2)), rng.normal(size=60)), Search.run

    def interrupted(self, number):
        run(self, number)
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "run", interrupted)
    found = fm.bracket(data, [3, 4], n_starts=5)
    assert [one.width for one in found] == [3]
    assert found[0].end is SearchEnd.INTERRUPTED == "interrupted"
    assert 0 <= found[0].lower <= found[0].upper < fm.least_squares(data).risk
    assert fm.fit_network(data, 3, n_starts=5).end is SearchEnd.INTERRUPTED


def test_exact_data_are_bracketed_as_they_are():
    third = Fraction(1, 3)
    data = fm.Dataset(
        [[third], [2 * third], [1], [4 * third]], [Fraction(1, 7), Fraction(0), Fraction(1, 7), Fraction(0)]
    )
    found = fm.interpolation_width(data)
    assert fm.decide(found.network, data).exact_risk == 0
    one = fm.bracket(data, 1, n_starts=1)
    assert 0 < one.lower <= one.upper


def test_a_number_of_numpy_is_one_width_and_an_array_is_none():
    data = fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 1, 0])
    assert fm.bracket(data, np.array(2), n_starts=1).width == 2
    with pytest.raises(OptionError, match="width"):
        fm.bracket(data, np.array([2]))
