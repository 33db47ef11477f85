"""DeepNetwork: outputs against rational arithmetic, files bit for bit, torch both ways."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataError, LossError, NetworkError, ReadError, TargetError
from fastminima.losses.pointwise import Huber, Softmax

RNG = np.random.default_rng(0)
SHAPE = (3, 4, 2, 5, 2)
LAYERS = [(RNG.integers(-8, 9, (b, a)) / 4, RNG.integers(-8, 9, b) / 4) for a, b in pairwise(SHAPE)]
NET = fm.DeepNetwork(LAYERS, ["relu", fm.leaky_relu(0.25), "hardtanh"], ["a", "b", "c"])
X = RNG.integers(-8, 9, (30, 3)) / 2
Y = RNG.integers(-8, 9, (30, 2)) / 2


def exactly(x):
    a = [Fraction(v) for v in x]
    for k, (W, b) in enumerate(LAYERS):
        a = [
            sum(Fraction(w) * v for w, v in zip(row, a, strict=True)) + Fraction(c)
            for row, c in zip(W, b, strict=True)
        ]
        if k == 0:
            a = [max(v, 0) for v in a]
        if k == 1:
            a = [v if v > 0 else v / 4 for v in a]
        if k == 2:
            a = [min(max(v, -1), 1) for v in a]
    return [float(v) for v in a]


def test_outputs_and_losses():
    values = NET.predict(X)
    # every number on the way fits float64
    assert values.tolist() == [exactly(x) for x in X]
    assert NET.widths == (4, 2, 5)
    assert (NET.depth, NET.n_features, NET.n_outputs) == (3, 3, 2)
    assert [z.shape for z in NET.preactivations(X)] == [(30, 4), (30, 2), (30, 5)]
    weight = np.arange(1.0, 31.0)
    data = fm.Dataset(X, Y, sample_weight=weight)
    e = values - Y
    assert NET.risk(data) == pytest.approx(0.5 * (weight[:, None] * e * e).sum(), rel=1e-14)
    assert NET.risk((X, Y)) == pytest.approx(0.5 * (e * e).sum(), rel=1e-14)
    assert NET.loss((X, Y), Huber(0.5)) == pytest.approx(Huber(0.5).values(values, Y).sum(), rel=1e-14)
    labels = (np.arange(30) % 2).astype(float)
    probabilities = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[np.arange(30), labels.astype(int)]).sum()
    assert NET.loss((X, labels), Softmax(2)) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(TargetError, match="3 targets"):
        NET.risk((X, np.zeros((30, 3))))
    with pytest.raises(LossError, match="pointwise"):
        NET.loss((X, Y), "squared")


def test_columns_by_name():
    named = fm.Dataset(X[:, [2, 0, 1]], Y, feature_names=["c", "a", "b"])
    assert np.array_equal(NET.predict(named), NET.predict(X))
    with pytest.raises(DataError):
        NET.predict(fm.Dataset(X, Y, feature_names=["a", "b", "d"]))


@pytest.mark.parametrize("activation", ["elu", ["selu", "relu6", "gelu"], fm.PiecewiseLinear(2.0, 0.5)])
def test_files_and_copies(tmp_path, activation):
    net = fm.DeepNetwork(LAYERS, activation, ["a", "b", "c"])
    net.save(tmp_path / "n.npz")
    for other in (
        fm.DeepNetwork.load(tmp_path / "n.npz"),
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
    ):
        assert other == net
        assert hash(other) == hash(net)
        assert other.feature_names == ("a", "b", "c")
        assert not other.layers[1][0].flags.writeable
    assert net != fm.DeepNetwork(LAYERS, "tanh")
    assert net.with_names(None).feature_names is None
    assert "3-4-2-5-2" in repr(net)


def test_files_that_are_none(tmp_path):
    low = fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, "relu")
    low.save(tmp_path / "one.npz")
    with pytest.raises(ReadError, match="deep network"):
        fm.DeepNetwork.load(tmp_path / "one.npz")
    NET.save(tmp_path / "n.npz")
    with np.load(tmp_path / "n.npz") as stored:
        fields = dict(stored)
    for change, words in (
        ({"version": np.array(9)}, "upgrade"),
        ({"W2": None}, "W2"),
        ({"W2": np.zeros((2, 9))}, "chain"),
        ({"activations": np.array("[1]")}, "damaged"),
        ({"n_layers": np.array("x")}, "damaged"),
    ):
        changed = {k: v for k, v in {**fields, **change}.items() if v is not None}
        np.savez(tmp_path / "bad.npz", **changed)
        with pytest.raises(ReadError, match=words):
            fm.DeepNetwork.load(tmp_path / "bad.npz")
    with pytest.raises(NetworkError, match="formula"):
        fm.DeepNetwork(LAYERS, np.tanh).save(tmp_path / "t.npz")


def test_bad_layers():
    (W1, b1), (W2, b2), *_ = LAYERS
    for layers, words in (
        ([(W1, b1)], "at least two"),
        ([(W1, b1), (W1, b1)], "do not chain"),
        ([(W1, b1[:2]), (W2, b2)], "layer 1"),
        ([(W1 * np.nan, b1), (W2, b2)], "finite"),
        ([(np.zeros((0, 3)), []), (np.zeros((1, 0)), [0.0])], "at least one"),
        ([W1, W2], "pair"),
        ("relu", "sequence"),
    ):
        with pytest.raises(NetworkError, match=words):
            fm.DeepNetwork(layers, "relu")
    with pytest.raises(NetworkError, match="3 activations"):
        fm.DeepNetwork(LAYERS, ["relu", "relu"])


def test_torch_both_ways():
    torch = pytest.importorskip("torch")
    for activation in ("relu", "elu", "selu", "hardswish", "hardsigmoid", ["relu", "tanh", "relu6"]):
        net = fm.DeepNetwork(LAYERS, activation)
        module = net.to_torch()
        out = module(torch.tensor(X)).detach().numpy()
        assert np.allclose(out, net.predict(X), rtol=1e-13, atol=1e-13)
        assert fm.DeepNetwork.from_torch(module) == net
        assert fm.DeepNetwork.from_torch(module.state_dict(), activation) == net
    module = fm.DeepNetwork(LAYERS, "relu").to_torch("float32")
    assert fm.DeepNetwork.from_torch(module).widths == (4, 2, 5)


def test_torch_modules_that_compute_something_else():
    torch = pytest.importorskip("torch")

    class Skips(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = fm.DeepNetwork(LAYERS, "relu").to_torch()

        def forward(self, x):
            return self.net(x) + x[:, :2]

    with pytest.raises(NetworkError, match="something else"):
        fm.DeepNetwork.from_torch(Skips())
    module = fm.DeepNetwork(LAYERS, "relu").to_torch()
    with pytest.raises(NetworkError, match="something else"):
        fm.DeepNetwork.from_torch(module, "leaky_relu")
    with pytest.raises(NetworkError, match="BatchNorm1d"):
        fm.DeepNetwork.from_torch(torch.nn.Sequential(torch.nn.BatchNorm1d(3), *module))
    with pytest.raises(NetworkError, match="name it"):
        fm.DeepNetwork.from_torch(module.state_dict())
