"""OneHiddenLayer: outputs and risk against rational arithmetic, files bit for bit."""

from __future__ import annotations

import copy
import dataclasses
import io
import math
import os
import pickle
import sys
import types
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastminima.data.dataset import Dataset
from fastminima.errors import (
    DataError,
    DataTypeError,
    MissingDependencyError,
    MissingFileError,
    NetworkError,
    OutputError,
    ReadError,
)
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, leaky_relu, relu
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from profiles import examples

ACTIVATIONS = [relu, leaky_relu(0.1), leaky_relu(1.5), PiecewiseLinear(2.0, 0.5)]
PARTS = {"W1": np.arange(6.0).reshape(2, 3) - 2, "b1": [1.0, -1.0], "W2": [0.5, -2.0], "b2": 0.25}
NET = OneHiddenLayer(**PARTS, activation=relu)


@st.composite
def networks(draw, scale=100.0):
    width, dx = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    values = st.floats(-scale, scale)
    return OneHiddenLayer(
        draw(hnp.arrays(np.float64, (width, dx), elements=values)),
        draw(hnp.arrays(np.float64, width, elements=values)),
        draw(hnp.arrays(np.float64, width, elements=values)),
        draw(values),
        draw(st.sampled_from(ACTIVATIONS)),
    )


def exactly(network, x):
    """f(x) in rational arithmetic, and the same sum of absolute values, which bounds its rounding error."""
    h, f, size = network.activation, Fraction(network.b2), abs(Fraction(network.b2))
    for k in range(network.width):
        terms = [Fraction(w) * Fraction(v) for w, v in zip(network.W1[k].tolist(), x, strict=True)]
        terms.append(Fraction(float(network.b1[k])))
        z, out = sum(terms), Fraction(float(network.W2[k]))
        f += out * z * Fraction(h.s_plus if z > 0 else h.s_minus)
        size += abs(out) * sum(map(abs, terms)) * Fraction(max(h.s_plus, h.s_minus))
    return f, size


@settings(max_examples=examples(60), deadline=None)
@given(networks(), st.data())
def test_outputs_and_risk_are_the_formula(network, data):
    values = st.floats(-100, 100)
    m = data.draw(st.integers(1, 5))
    X = data.draw(hnp.arrays(np.float64, (m, network.n_features), elements=values))
    y = data.draw(hnp.arrays(np.float64, m, elements=values))
    w = data.draw(hnp.arrays(np.float64, m, elements=st.floats(0.125, 10)))
    f = network.predict(X)
    # gamma_n for the n = dx + 1 + d1 + 3 roundings any term passes through, and slack for underflow
    n = network.n_features + network.width + 4
    u = Fraction(1, 2**53)
    gamma = n * u / (1 - n * u)
    risk = error = Fraction(0)
    for i in range(m):
        true, size = exactly(network, X[i].tolist())
        bound = gamma * size + Fraction(1, 10**300)
        assert abs(Fraction(float(f[i])) - true) <= bound
        e, weight = true - Fraction(float(y[i])), Fraction(float(w[i]))
        risk += weight * e * e / 2
        slip = bound + u * (abs(e) + bound)
        error += weight * (2 * abs(e) * slip + slip * slip) / 2
    total = network.risk(Dataset(X, y, sample_weight=w))
    allowed = error + (m + 4) * u / (1 - (m + 4) * u) * (risk + error) + Fraction(1, 10**300)
    assert abs(Fraction(total) - risk) <= allowed


def test_predict_in_blocks_and_from_anything():
    X = np.random.default_rng(0).normal(size=(10_000, 3))
    expected = np.maximum(X @ NET.W1.T + NET.b1, 0) @ NET.W2 + 0.25
    np.testing.assert_allclose(NET.predict(X), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(NET.preactivations(X), X @ NET.W1.T + NET.b1, rtol=0, atol=1e-13)
    for form in (np.asfortranarray(X), pd.DataFrame(X), Dataset(X, X[:, 0]), X.tolist()):
        assert np.array_equal(NET.predict(form), NET.predict(X))
        assert np.array_equal(NET.preactivations(form), NET.preactivations(X))
    assert NET.predict(np.empty((0, 3))).shape == (0,)
    assert NET.preactivations(np.empty((0, 3))).shape == (0, 2)
    plain, doubled = (
        NET.risk(Dataset(X, X[:, 0])),
        NET.risk(Dataset(X, X[:, 0], sample_weight=[2.0] * len(X))),
    )
    assert doubled == pytest.approx(2 * plain, rel=1e-14)
    assert plain == pytest.approx(0.5 * np.sum((expected - X[:, 0]) ** 2), rel=1e-13)


def test_float64_range_ends_without_warnings():
    big = OneHiddenLayer([[1e200]], [0.0], [1e200], 0.0, relu)
    assert big.predict([[1e200]]).tolist() == [math.inf]
    assert big.risk(Dataset([[1.0]], [0.0])) == math.inf
    huge = OneHiddenLayer([[1e154]], [0.0], [1.0], 0.0, relu)
    many = Dataset(np.ones((3 * 4096, 1)), np.zeros(3 * 4096))
    assert huge.risk(many) == math.inf  # every block is finite or inf, the sum is inf


@pytest.mark.parametrize(
    ("X", "kind", "message"),
    [
        (np.zeros((4, 2)), DataError, "X has 2 columns; the network takes 3 inputs"),
        (np.zeros(3), DataError, r"reshape\(-1, 1\)"),
        ([[0.0, 1.0, math.nan]], DataError, "column 2 is nan in row 0"),
        ([[0, 1, 2**53 + 1]], DataError, "float64 cannot represent"),
        ([["a", "b", "c"]], DataTypeError, "<U1"),
        (Dataset(np.zeros((2, 4)), [0, 1]), DataError, "X has 4 columns"),
    ],
)
def test_bad_inputs(X, kind, message):
    for method in (NET.predict, NET.preactivations):
        with pytest.raises(kind, match=message):
            method(X)


def test_risk_needs_a_dataset():
    with pytest.raises(DataTypeError, match=r"risk takes a Dataset, \(X, y\) or .*, got ndarray"):
        NET.risk(np.zeros((2, 3)))
    with pytest.raises(DataError, match="X has 1 columns"):
        NET.risk(Dataset([[0.0]], [1.0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b1": [1.0]}, r"shapes W1 \(2, 3\), b1 \(1,\), W2 \(2,\)"),
        ({"W2": [1.0, 2.0, 3.0]}, r"W2 \(3,\)"),
        ({"W1": [1.0, 2.0]}, r"W1 must have 2 dimensions, got shape \(2,\)"),
        ({"W2": [[1.0], [2.0]]}, r"W2 must have 1 dimensions, got shape \(2, 1\)"),
        ({"W2": [[[1.0, 2.0]]]}, r"W2 must have 1 dimensions, got shape \(1, 1, 2\)"),
        ({"W2": [[1.0, 2.0, 3.0]]}, r"W2 \(3,\)"),
        ({"b1": [[1.0, 2.0]]}, r"b1 must have 1 dimensions, got shape \(1, 2\)"),
        ({"b2": [1.0, 2.0]}, r"b2 must have 0 dimensions, got shape \(2,\)"),
        ({"b2": [[1.0]]}, r"b2 must have 0 dimensions, got shape \(1, 1\)"),
        ({"feature_names": ["a", "b"]}, "feature_names has 2 names, but there are 3 columns"),
        ({"feature_names": "abc"}, "must be a sequence of 3 names"),
        ({"W1": np.empty((0, 3)), "b1": [], "W2": []}, "no hidden unit"),
        ({"b1": [1.0, math.nan]}, r"b1 must hold finite real numbers: b1 is nan in row 1"),
        ({"b2": math.inf}, "b2 must hold finite"),
        ({"b2": None}, "b2 must hold finite"),
        ({"W2": ["a", "b"]}, "W2 must hold finite"),
        ({"W2": [1j, 2]}, "W2 must hold finite"),
        ({"W1": [[1.0], [2.0, 3.0]]}, "W1 must hold finite"),
        ({"W2": [1, Fraction(1, 3)]}, "W2 holds numbers that float64 cannot"),
        ({"b2": 2**53 + 1}, "b2 holds numbers that float64 cannot"),
        ({"activation": 3.0}, "activation must be callable, got float"),
    ],
)
def test_bad_parameters(change, message):
    with pytest.raises(NetworkError, match=message):
        OneHiddenLayer(**{**PARTS, "activation": relu, **change})


def test_frozen_copies():
    W1 = np.ones((2, 3), order="F")
    network = OneHiddenLayer(W1, [1, 2], np.array([1, 2], dtype=">i4"), np.float32(0.5), relu)
    W1[0, 0] = 7.0
    assert network.W1[0, 0] == 1.0
    assert isinstance(network.b2, float)
    assert (network.width, network.n_features) == (2, 3)
    for array in network.parameters()[:3]:
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    with pytest.raises(dataclasses.FrozenInstanceError):
        network.b2 = 1.0
    assert repr(network) == "OneHiddenLayer(3 inputs, 2 hidden units, ReLU)"
    assert (
        repr(OneHiddenLayer(**PARTS, activation=np.tanh)) == "OneHiddenLayer(3 inputs, 2 hidden units, tanh)"
    )


def test_equality_is_exact():
    assert OneHiddenLayer(**PARTS, activation=relu) == NET
    assert hash(OneHiddenLayer(**PARTS, activation=relu)) == hash(NET)
    for name in ("W1", "b1", "W2", "b2"):
        changed = np.array(PARTS[name], dtype=float)
        changed.flat[-1] = np.nextafter(changed.flat[-1], np.inf)
        assert OneHiddenLayer(**{**PARTS, name: changed}, activation=relu) != NET
    assert OneHiddenLayer(**PARTS, activation=leaky_relu()) != NET
    assert NET != "network"
    zero, minus = (OneHiddenLayer([[v]], [v], [v], v, relu) for v in (0.0, -0.0))
    assert zero == minus
    assert hash(zero) == hash(minus)
    for through in (copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))):
        other = through(NET)
        assert other == NET
        assert not other.W1.flags.writeable


def test_other_activations():
    network = OneHiddenLayer(**PARTS, activation=np.tanh)
    X = np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_allclose(
        network.predict(X), np.tanh(X @ NET.W1.T + NET.b1) @ NET.W2 + 0.25, rtol=1e-13, atol=1e-14
    )
    with pytest.raises(NetworkError, match="no file form"):
        network.save("never.npz")
    assert not os.path.exists("never.npz")


# --- files ----------------------------------------------------------------------------------------------


@settings(max_examples=examples(25), deadline=None)
@given(networks(scale=1.7e308))
def test_save_and_load_keep_every_bit(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("net") / "minimum.network"
    network.save(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["minimum.network"]
    other = OneHiddenLayer.load(path)
    for mine, theirs in zip(network.parameters(), other.parameters(), strict=True):
        assert np.asarray(mine).tobytes() == np.asarray(theirs).tobytes()
    assert other.activation == network.activation
    assert other == network


def test_saving_twice_gives_the_same_bytes_and_normal_permissions(tmp_path):
    NET.save(tmp_path / "a.npz")
    NET.save(str(tmp_path / "b.npz"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "a.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/a.npz", r"missing does not exist; create it first"),
        ("file/a.npz", "file is not a folder"),
        ("folder", "it is a folder"),
        ("x" * 300, "File name too long"),
    ],
)
def test_folders_that_cannot_be_written(tmp_path, name, message):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=message) as caught:
        NET.save(tmp_path / name)
    assert isinstance(caught.value, OSError)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept"


def test_refused_folder(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(OutputError, match=r"cannot write .*a.npz: Permission denied"):
        NET.save(tmp_path / "a.npz")


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["numpy.savez", "os.replace"])
def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch, kind, where):
    path = tmp_path / "a.npz"
    NET.save(path)
    before = path.read_bytes()

    def fail(stream, *args, **kwargs):
        if where == "numpy.savez":
            stream.write(b"half")
        raise kind(28, "No space left on device")

    monkeypatch.setattr(where, fail)
    with pytest.raises(OutputError if kind is OSError else kind, match="No space left"):
        OneHiddenLayer(**{**PARTS, "b2": 9.0}, activation=relu).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]


def archive(drop=(), **changes):
    fields = {
        "format": np.array("fastminima.OneHiddenLayer"),
        "version": np.array(1),
        "W1": NET.W1,
        "b1": NET.b1,
        "W2": NET.W2,
        "b2": np.array(NET.b2),
        "activation": np.array("PiecewiseLinear"),
        "slopes": np.array([1.0, 0.0]),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{key: value for key, value in {**fields, **changes}.items() if key not in drop})
    return buffer.getvalue()


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.eye(2))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(format=np.array("other")), "is not a network file"),
        (archive(drop=["format"]), "is not a network file"),
        (archive(version=np.array(4)), "has format version 4; this fastminima reads up to 3: upgrade"),
        (archive(feature_names=np.array('["a"]')), "damaged: feature_names has 1 names"),
        (archive(feature_names=np.array("[[")), "damaged: "),
        (archive(version=np.array("x")), "damaged format version"),
        (archive(version=np.array(0)), "damaged: a valid version missing"),
        (archive(drop=["W2", "b1"]), "damaged: b1, W2 missing"),
        (archive(W2=np.ones(3)), r"damaged: .* shapes W1 \(2, 3\)"),
        (archive(W2=np.array([1.0, np.nan])), "damaged: W2 must hold finite"),
        (archive(W2=np.array([None, 1.0])), "not a network file: Object arrays"),
        (archive(slopes=np.array([1.0, 1.0])), "damaged: s_plus and s_minus are both 1.0"),
        (archive(slopes=np.array([1.0])), "unknown activation"),
        (archive(activation=np.array("sine")), "unknown activation 'sine'"),
        (archive()[:-40], "not a network file"),
        (archive()[:200], "not a network file"),
        (npy(), "holds one array, not a network"),
        (b"x,y\n1,2\n", "not a network file"),
        (b"", "not a network file"),
        (pickle.dumps({"W1": 1}), "not a network file"),
    ],
)
def test_wrong_files(tmp_path, content, message):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=message):
        OneHiddenLayer.load(path)


def test_the_archive_above_is_readable(tmp_path):
    (tmp_path / "a.npz").write_bytes(archive())
    assert OneHiddenLayer.load(tmp_path / "a.npz") == NET


def test_missing_and_unreadable_paths(tmp_path):
    with pytest.raises(MissingFileError, match="there is no file"):
        OneHiddenLayer.load(tmp_path / "a.npz")
    with pytest.raises(ReadError, match="not a network file"):
        OneHiddenLayer.load(tmp_path)


# --- torch ----------------------------------------------------------------------------------------------


def test_torch_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingDependencyError, match=r"to_torch needs torch, which is not installed: .*fastminima\[torch"
    ):
        NET.to_torch()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_torch(activation):
    torch = pytest.importorskip("torch")
    network = OneHiddenLayer(**PARTS, activation=activation)
    before = torch.random.get_rng_state()
    module = network.to_torch()
    assert torch.equal(before, torch.random.get_rng_state())
    state = [value.numpy() for value in module.state_dict().values()]
    assert [value.dtype for value in state] == [np.float64] * 4
    for value, mine in zip(state, (network.W1, network.b1, network.W2[None], [network.b2]), strict=True):
        assert np.array_equal(value, mine)
    X = np.random.default_rng(3).normal(size=(20, 3))
    with torch.no_grad():
        outputs = module(torch.tensor(X)).numpy()
    np.testing.assert_allclose(outputs[:, 0], network.predict(X), rtol=1e-13, atol=1e-13)


def test_torch_refuses_other_activations(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    with pytest.raises(NetworkError, match="has no torch form"):
        OneHiddenLayer(**PARTS, activation=np.tanh).to_torch()
