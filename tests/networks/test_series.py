"""Truncated series over balls say the same as jets over balls, enclose what lies inside, and know where pieces meet."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.networks.activations.in_balls import Balls
from fastminima.networks.activations.in_series import Series

flint = pytest.importorskip("flint")

NAMES = list(fm.activations())
POINTS = [Fraction(float(t)) for t in np.random.default_rng(0).normal(size=12) * 2]


@pytest.mark.parametrize("name", NAMES)
def test_series_and_jets_agree(name):
    h = fm.activation(name)
    balls, series = Balls(h.formula), Series(h.formula)
    with balls.precisely():
        before = flint.ctx.cap
        points = [balls.ball(t) for t in POINTS]
        parts = series.jets(points)
        values = series.values(points)
        assert flint.ctx.cap == before
        for t, value, *jet in zip(POINTS, values, *parts, strict=True):
            for a, b in zip((jet[0], value, *jet[1:]), (balls.jet(t)[0], *balls.jet(t)), strict=True):
                assert a.overlaps(b)
                assert float((a - b).abs_upper()) <= 1e-28 * (1 + float(b.abs_upper()))


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_inside_a_ball_is_enclosed(name):
    h = fm.activation(name)
    balls, series = Balls(h.formula), Series(h.formula)
    known = 0
    with balls.precisely():
        for reach in (Fraction(1, 1000), Fraction(1, 8), Fraction(1)):
            wide = series.jets_around([balls.ball(t) for t in POINTS], [balls.ball(reach)] * len(POINTS))
            for t, *jet in zip(POINTS, *wide, strict=True):
                if not all(part.is_finite() for part in jet):
                    continue
                known += 1
                for share in (-1, Fraction(-1, 3), 0, Fraction(1, 2), 1):
                    inside = balls.jet(t + share * reach)
                    assert all(part.overlaps(one) for part, one in zip(jet, inside, strict=True))
                # wider by no more than a few times what the ball itself spans
                if reach < Fraction(1, 100):
                    ends = balls.jet(t - reach)[1], balls.jet(t + reach)[1]
                    spans = float((ends[1] - ends[0]).abs_upper())
                    assert float(jet[1].rad()) <= spans + 1e-4 * (1 + float(jet[2].abs_upper()))
    assert known >= 12


def test_nothing_is_known_of_derivatives_where_pieces_meet():
    balls, series = Balls(fm.relu.formula), Series(fm.relu.formula)
    with balls.precisely():
        (value,), (first,), (second,) = series.jets([flint.arb(0)])
        assert value == 0
        assert not first.is_finite()
        assert not second.is_finite()
        # comparisons with it are false, whichever way they go
        assert not first > 0
        assert not first < 0
        assert not bool(first != 0)
        (value,), (first,), _ = series.jets_around([flint.arb(1)], [flint.arb(2)])
        assert not first.is_finite()
        assert series.jets_around([flint.arb(3)], [flint.arb(2)])[1][0] == 1


def test_a_quotient_by_a_ball_that_holds_zero_is_unknown():
    series = Series(["div", 1, "t"])
    assert not series.jets([flint.arb(0, 1)])[0][0].is_finite()
    assert not series.values([flint.arb(0)])[0].is_finite()
