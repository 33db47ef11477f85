"""The picture of a saddle of a deep linear network: its numbers are escape pairs, and what cannot be drawn is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataTypeError, OptionError

pytest.importorskip("matplotlib").use("Agg")

X = np.random.default_rng(0).standard_normal((12, 3))
Y = X @ np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]])
LOSS = fm.SquaredLoss(X, Y)
ZERO = [np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((2, 3))]


def test_every_point_is_an_escape_pair_of_its_radius():
    report = fm.classify_linear(ZERO, LOSS)
    numbers = report.plot(radii=[0.2, 0.01]).numbers
    assert numbers.radius.tolist() == [0.01, 0.2]
    for radius, up, down in zip(numbers.radius, numbers.up, numbers.down, strict=True):
        pair = fm.escape(ZERO, LOSS, radius=float(radius))
        assert (up, down) == (float(pair.up), float(pair.down))
        values = [LOSS.value(np.linalg.multi_dot(tuple[::-1])) for tuple in (pair.P, ZERO, pair.Q)]
        assert values[0] > values[1] > values[2]
        assert values[1] - values[2] == pytest.approx(down, rel=1e-6)
    assert numbers.confirmed.all()
    assert numbers.order == 3


def test_the_fall_shrinks_with_the_order_of_the_theorem():
    for widths, kind in (((3, 3, 3), "saddle"), ((2, 2, 2, 2), "saddle")):
        report = fm.critical_point(widths=widths, rank=1, kind=kind).report
        numbers = fm.plot_linear(report, radii=np.logspace(-5, -1, 9)).numbers
        # steps are powers of two near the radius, so the slope holds on the whole
        slope = np.log(numbers.down[-1] / numbers.down[0]) / np.log(numbers.radius[-1] / numbers.radius[0])
        assert slope == pytest.approx(numbers.order, abs=0.25)


def test_axes_of_the_caller_are_drawn_on():
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    shown = fm.plot_linear(fm.classify_linear(ZERO, LOSS), title="mine", ax=ax)
    assert shown.ax_ is ax
    assert ax.get_title() == "mine"
    assert {text.get_text() for text in ax.get_legend().get_texts()} >= {"order 3"}
    plt.close(figure)


def test_what_cannot_be_drawn():
    best = np.linalg.lstsq(X, Y, rcond=None)[0].T
    minimum = fm.classify_linear([np.eye(3), best], LOSS, tol=1e-8)
    assert minimum.escape_within(0.1) is None
    with pytest.raises(OptionError, match="has no escape pair"):
        fm.plot_linear(minimum)
    report = fm.classify_linear(ZERO, LOSS)
    for radii in ([], [0.0], [-1.0], [np.nan], [np.inf]):
        with pytest.raises(OptionError, match="radii must be finite numbers above 0"):
            fm.plot_linear(report, radii=radii)
    for radius in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(OptionError, match="radius must be a finite number above 0"):
            report.escape_within(radius)
    with pytest.raises(DataTypeError, match="must be a LinearReport"):
        fm.plot_linear(LOSS)
