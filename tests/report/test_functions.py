"""The functions of networks over one feature: what is drawn is what they compute."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import fastminima as fm
from fastminima.errors import DataTypeError, NetworkError, OptionError


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(5)
    x = rng.uniform(-2.0, 2.0, 40)
    low = fm.spurious_minimum((x[:, None], np.abs(x) + 0.05 * rng.normal(size=40)), width=3)
    return low, fm.better_point(low, method="best")


def test_the_minimum_lies_on_the_line_and_the_better_network_below_in_risk(pair):
    low, better = pair
    ax = Figure().subplots()
    display = fm.plot_functions(low, better, ax=ax)
    numbers = display.numbers
    inside = (numbers.x >= low.data.X.min()) & (numbers.x <= low.data.X.max())
    np.testing.assert_allclose(numbers.low[inside], numbers.fit[inside], atol=1e-12)
    np.testing.assert_allclose(numbers.better, better.network.predict(numbers.x[:, None]))
    assert numbers.risk_better < numbers.risk_low == pytest.approx(numbers.risk_fit)
    # a bend lies on the grid, however narrow it is
    kinks = -better.network.b1 / better.network.W1[:, 0]
    seen = kinks[(kinks > numbers.x[0]) & (kinks < numbers.x[-1])]
    assert len(seen)
    assert np.isin(seen, numbers.x).all()
    assert display.ax_ is ax
    drawn = {line.get_label().split(",")[0]: line for line in ax.get_lines()}
    assert list(drawn) == ["data", "linear fit", "minimum", "better"]
    np.testing.assert_array_equal(drawn["better"].get_ydata(), numbers.better)
    np.testing.assert_array_equal(drawn["data"].get_ydata(), low.data.y)


def test_one_network_alone_with_weights_and_names():
    data = fm.Dataset(
        [[0.0], [1.0], [2.0]],
        [0.0, 1.0, 0.5],
        sample_weight=[1.0, 2.0, 3.0],
        feature_names=["cost $"],
        target_name="gain",
    )
    network = fm.OneHiddenLayer([[1.0], [-1.0]], [0.0, 1.0], [[1.0, 1.0]], 0.0, fm.relu)
    ax = Figure().subplots()
    numbers = fm.plot_functions(network, data=data, title="one", ax=ax).numbers
    assert numbers.better is None
    assert numbers.risk_better is None
    # |x - 1|_+ + x_+ at the data: 1, 1, 2
    assert numbers.risk_low == 0.5 * (1.0 + 0.0 + 3.0 * 2.25)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == (r"cost \$", "gain", "one")
    ax.figure.canvas.draw()


@pytest.mark.parametrize("x", [[7.0, 7.0, 7.0], [0.0, 0.0, 0.0], [-1e300, 0.0, 1e300], [0.0, 1e-300, 2e-300]])
def test_degenerate_features(x):
    network = fm.OneHiddenLayer([[1.0]], [0.0], [[1.0]], 0.0, fm.relu)
    numbers = fm.plot_functions(
        network, data=([[v] for v in x], [0.0, 1.0, 0.0]), ax=Figure().subplots()
    ).numbers
    assert np.isfinite(numbers.x).all()
    assert (np.diff(numbers.x) > 0.0).all()
    assert numbers.x[0] < min(x)
    assert numbers.x[-1] > max(x)
    assert np.isfinite(numbers.low).all()


def test_many_samples_are_thinned_and_said(pair):
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=7000), rng.normal(size=7000)
    ax = Figure().subplots()
    fm.plot_functions(pair[0].network, data=(x[:, None], y), ax=ax)
    dots = ax.get_lines()[0]
    assert dots.get_label() == f"data ({len(dots.get_ydata()):,} of 7,000)"
    assert len(dots.get_ydata()) <= 5002
    assert (dots.get_ydata().min(), dots.get_ydata().max()) == (y.min(), y.max())


def test_what_cannot_be_drawn_is_named(tmp_path, pair):
    low, _ = pair
    xor = fm.spurious_minimum(fm.load_demo("xor"))
    with pytest.raises(OptionError, match="over one feature, and the data have 2"):
        fm.plot_functions(xor)
    with pytest.raises(DataTypeError):
        fm.plot_functions(3, data=low.data)
    straight = fm.spurious_minimum(([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]))
    with pytest.raises(NetworkError, match="no better network to draw"):
        fm.plot_functions(straight, fm.better_point(straight))
    fm.plot_functions(*pair, tmp_path / "f.pdf")
    assert (tmp_path / "f.pdf").read_bytes()[:4] == b"%PDF"
