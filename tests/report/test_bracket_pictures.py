"""Brackets as numbers and as pictures."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataTypeError, OptionError

X = np.repeat(np.arange(9.0), 2)[:, None]
Y = np.array([0, 1, 2, 5, 1, 1, 7, 3, 2, 2, 8, 9, 0, 1, 4, 4, 6, 5.0])


@pytest.fixture(scope="module")
def brackets():
    return fm.bracket((X, Y), [1, 2, 4], n_starts=2)


def test_a_staircase_holds_the_exact_shares(brackets):
    steps = fm.staircase(brackets[::-1])
    risk = brackets[0].linear_risk
    assert steps.width.tolist() == [1, 2, 4]
    for low, high, b in zip(steps.lower.tolist(), steps.upper.tolist(), brackets, strict=True):
        assert 0 <= b.bound.exact / risk - Fraction(low) < 1e-15
        assert 0 <= Fraction(high) - b.found.exact_risk / risk < 1e-15
    groups = Fraction(0)
    for pair in Y.reshape(-1, 2).tolist():
        groups += Fraction(pair[0] - pair[1]) ** 2 / 4
    assert 0 <= groups / risk - Fraction(steps.pure_error) < 1e-15


def test_the_better_points_are_those_of_theorem_1_and_never_look_lower_than_they_are(brackets):
    steps = fm.staircase(brackets[1])
    low = fm.spurious_minimum((X, Y))
    for share, method in ((steps.paper, "paper"), (steps.kink, "kink")):
        point = fm.better_point(low, method)
        assert point.method == method
        exact = fm.decide(point.network, low.data).exact_risk / brackets[0].linear_risk
        assert 0 <= Fraction(share) - exact < 1e-9
    # the kink reaches what is proved of width 1 and no lower
    assert steps.upper[0] <= steps.kink < steps.paper < 1


def test_the_picture_shows_what_the_numbers_say(brackets):
    from matplotlib.figure import Figure

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes = Figure().subplots()
        shown = fm.plot_bracket(brackets, ax=axes)
        assert (shown.ax_, shown.figure_) == (axes, axes.figure)
        by_name = {line.get_label(): line for line in axes.lines}
        steps = shown.numbers
        assert by_name["search"].get_ydata().tolist() == steps.upper.tolist()
        assert by_name["lower end, proved"].get_ydata().tolist() == steps.lower.tolist()
        assert by_name["pure error"].get_ydata()[0] == steps.pure_error
        assert by_name["least squares"].get_ydata()[0] == 1.0
        # of two units, which a network of one has not
        assert by_name["paper's push"].get_xdata().tolist() == [2.0, 4.0]
        assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "4"]
        one = Figure().subplots()
        brackets[0].plot(ax=one)
        assert "paper's push" not in {line.get_label() for line in one.lines}


def test_the_band_between_two_widths_is_what_monotony_proves(brackets):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    steps = fm.plot_bracket(brackets, ax=axes).numbers
    (band,) = (c for c in axes.collections if c.get_paths()[0].vertices.shape[0] > 4)
    corners = {tuple(v) for path in band.get_paths() for v in path.vertices}
    for k in range(2):
        for end in (k, k + 1):
            assert (steps.width[end], steps.upper[k]) in corners
            assert (steps.width[end], steps.lower[k + 1]) in corners


def test_a_risk_of_zero_is_drawn_in_units_of_the_data(tmp_path):
    bracket = fm.bracket((np.arange(4.0)[:, None], np.arange(4.0)), width=2, n_starts=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steps = fm.plot_bracket(bracket, tmp_path / "zero.png").numbers
        fm.plot_trace(bracket, tmp_path / "trace.png")
    assert (steps.paper, steps.kink, steps.pure_error) == (None, None, 0.0)


def test_a_trace_never_rises_and_ends_at_the_network(brackets, tmp_path):
    traces = fm.plot_trace(brackets, tmp_path / "trace.svg").numbers
    for trace, b in zip(traces, brackets, strict=True):
        assert (np.diff(trace[:, 0]) >= 0).all()
        assert (np.diff(trace[:, 1]) <= 0).all()
        assert trace[-1, 1] == pytest.approx(b.upper, rel=1e-6)
    (alone,) = fm.plot_trace(brackets[0].found, tmp_path / "fit.png").numbers
    assert alone.tolist() == traces[0].tolist()


def test_what_is_no_bracket_is_refused(brackets):
    for wrong in (3, "ab", [brackets[0], 3], brackets[0].found):
        with pytest.raises(DataTypeError, match="from bracket"):
            fm.staircase(wrong)
    with pytest.raises(OptionError, match="at least one"):
        fm.staircase([])
    other = fm.bracket((X, Y[::-1].copy()), width=2, n_starts=1)
    with pytest.raises(OptionError, match="same data"):
        fm.plot_bracket([brackets[0], other])
