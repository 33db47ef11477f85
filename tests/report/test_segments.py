"""Segments between any two networks: a pair of theorem 1, results of a walk, torch modules, widths that differ."""

from __future__ import annotations

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataTypeError, NetworkError, OptionError

DATA = fm.Dataset([[0.0, 1], [1, 0], [2, 2], [3, 5], [1, 7]], [0.0, 1, 5, 2, 2], feature_names=["a", "b"])
LOW = fm.spurious_minimum(DATA)
BETTER = fm.better_point(LOW)


def test_the_ends_are_the_networks():
    net = fm.OneHiddenLayer([[1.0, 2], [0.5, -1], [3, 0]], [0.25, 1, 0], [1.0, -1, 2], 0.5, fm.relu)
    for low, better, data in (
        (LOW, BETTER, None),
        (LOW.network, BETTER, None),
        (net, LOW, None),
        (net, LOW, (DATA.X, DATA.y)),
    ):
        line = fm.segment(low, better, 11, data)
        ends = [getattr(one, "network", one).risk(DATA) for one in (low, better)]
        np.testing.assert_allclose(line.risk[[0, -1]], ends, rtol=1e-12)
        assert line.drop == pytest.approx(ends[0] - ends[1], rel=1e-9)
        assert line.level == LOW.fit.risk
        assert len(line.t) == 11
    middle = fm.segment(net, LOW, 3).risk[1]
    wide = (
        np.vstack([LOW.network.W1, np.zeros(2)]),
        np.append(LOW.network.b1, 0),
        np.append(LOW.network.W2, 0),
    )
    halves = [(x + y) / 2 for x, y in zip(net.parameters(), (*wide, LOW.network.b2), strict=True)]
    assert middle == pytest.approx(fm.OneHiddenLayer(*halves, fm.relu).risk(DATA), rel=1e-12)


def test_inputs_by_name_and_smooth_activations():
    turned = fm.Dataset(DATA.X[:, ::-1], DATA.y, feature_names=["b", "a"])
    assert fm.segment(LOW.network, BETTER.network, 5, turned).risk[0] == pytest.approx(LOW.network.risk(DATA))
    a, b = (fm.OneHiddenLayer([[s, 1.0]], [0.0], [1.0], s, "tanh") for s in (1.0, 2.0))
    line = fm.segment(a, b, 5, DATA)
    assert line.drop == pytest.approx(a.risk(DATA) - b.risk(DATA))


def test_pictures_of_any_pair(tmp_path):
    net = fm.OneHiddenLayer([[1.0, 2]], [0.25], [1.0], 0.5, fm.relu)
    for k, (low, better) in enumerate([(net, BETTER), (BETTER, net), (net, net)]):
        fm.plot_segment(low, better, tmp_path / f"{k}.png", data=DATA)
        assert (tmp_path / f"{k}.png").stat().st_size > 20_000


def test_what_spans_no_segment():
    with pytest.raises(DataTypeError, match="a segment takes a OneHiddenLayer, got int"):
        fm.segment(LOW, 3)
    with pytest.raises(DataTypeError, match="a segment takes a Dataset"):
        fm.segment(LOW.network, LOW.network)
    with pytest.raises(
        NetworkError, match=r"joins networks of one activation, got .*PiecewiseLinear.* and tanh"
    ):
        fm.segment(LOW, fm.OneHiddenLayer([[1.0, 1.0]], [0.0], [1.0], 0.0, "tanh"))
    affine = fm.spurious_minimum(([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]))
    with pytest.raises(NetworkError, match="there is no better point to walk to"):
        fm.segment(affine, fm.better_point(affine))
    with pytest.raises(OptionError, match="n must be a whole number >= 2"):
        fm.segment(LOW, BETTER, 1)
