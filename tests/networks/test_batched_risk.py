"""Risks of stacked networks: the same bits for any cut of the work, and what each input gets."""

from __future__ import annotations

import itertools
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from fastminima.errors import NetworkError, OptionError, TooLargeError
from fastminima.kernels import _forward
from fastminima.networks import batched_risk as batched
from fastminima.networks import stacked_networks
from fastminima.networks.activations.piecewise_linear import leaky_relu, relu
from fastminima.networks.batched_risk import batched_risk, predict
from stacked import problem

VARIANTS = range(len(_forward.VARIANTS))


# -- the same bits for any cut of the work


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
def test_bits_do_not_depend_on_the_cut(dtype: str, weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_MIN_FLOPS", 0)
    network, data = problem(37, 5, 3, 30_011, weighted=weighted)
    alone = batched_risk(*network, data, relu, dtype=dtype)
    assert len(batched._segments(30_011, 24, 16)) > 3
    for workers, chunk, units in itertools.product((1, 2, 3), (1, 700, 1 << 20), (0, 256)):
        # units = 0 deals networks to the threads, 256 deals samples
        monkeypatch.setattr(batched, "_CHUNK_BYTES", chunk)
        monkeypatch.setattr(batched, "_CALL_FLOPS", 0.0)
        monkeypatch.setattr(batched, "_MIN_UNITS", units)
        monkeypatch.setattr(batched, "_MANY_UNITS", units)
        again = batched_risk(*network, data, relu, dtype=dtype, workers=workers)
        np.testing.assert_array_equal(again, alone)
    for k in (0, 17, 36):
        one = [a[k : k + 1] for a in network]
        again = batched_risk(*one, data, relu, dtype=dtype, workers=2)
        np.testing.assert_array_equal(again, alone[k : k + 1])


def test_segments_cover_the_samples_once() -> None:
    for m in (1, 6143, 6144, 6145, 10**6, 10**9 + 7):
        cuts = batched._segments(m, 24, 16)
        assert len(cuts) <= batched._MAX_SEGMENTS
        assert cuts[0].start == 0
        assert cuts[-1].stop == m
        assert all(a.stop == b.start and a.stop % 24 == 0 for a, b in itertools.pairwise(cuts))


def test_memory_stays_in_blocks() -> None:
    network, data = problem(2000, 2, 3, 20_000)
    strided = tuple(np.repeat(a, 2, axis=0)[::2] for a in network)
    tracemalloc.start()
    try:
        for workers in (1, 2):
            batched_risk(*strided, data, relu, dtype="float32", workers=workers)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # m x K float32 would be 160 MB; two workers hold a group of panels and a chunk each, and K results
    assert peak < 2 * (2 * (256 << 10) + 2 * batched._CHUNK_BYTES)


# -- what each input gets


def test_float32() -> None:
    for m, d1, dx in ((200, 32, 64), (50_000, 4, 8)):
        network, data = problem(3, d1, dx, m)
        fine = batched_risk(*network, data, leaky_relu())
        coarse = batched_risk(*network, data, leaky_relu(), dtype="float32")
        np.testing.assert_allclose(coarse, fine, rtol=1e-6)
        assert (coarse != fine).any()
        assert coarse.dtype == np.float64
        # the arrays' own type is the default
        single = [a.astype(np.float32) for a in network]
        np.testing.assert_array_equal(batched_risk(*single, data, leaky_relu()), coarse)
        mixed = batched_risk(single[0], *network[1:], data, leaky_relu())
        np.testing.assert_array_equal(
            mixed, batched_risk(single[0].astype(np.float64), *network[1:], data, leaky_relu())
        )


def test_layouts_give_the_same_bits_and_stay_untouched() -> None:
    network, data = problem(20, 3, 4, 100, weighted=True)
    wanted = batched_risk(*network, data, relu)
    before = [a.copy() for a in network]
    layouts = (
        [np.asfortranarray(a) for a in network],
        [np.repeat(a, 2, axis=0)[::2] for a in network],
        [a[::-1].copy()[::-1] for a in network],
        [a.astype(">f8") for a in network],
        [a.tolist() for a in network],
    )
    for arrays in layouts:
        np.testing.assert_array_equal(batched_risk(*arrays, data, relu), wanted)
    for array in (*network, data.X, data.y, data.sample_weight):
        array.flags.writeable = False
    np.testing.assert_array_equal(batched_risk(*network, data, relu), wanted)
    for a, b in zip(network, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_of_one_and_of_two() -> None:
    network, data = problem(4, 3, 2, 77)
    plain = batched_risk(*network, data, relu)
    twice = SimpleNamespace(X=data.X, y=data.y, sample_weight=np.full(77, 2.0))
    np.testing.assert_array_equal(batched_risk(*network, twice, relu), 2 * plain)


def test_no_networks() -> None:
    network, data = problem(0, 3, 2, 10)
    for workers in (1, 2):
        assert batched_risk(*network, data, relu, workers=workers).shape == (0,)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_overflow_is_inf(variant: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_VARIANT", variant)
    monkeypatch.setattr(batched, "_MIN_FLOPS", 0)
    for m, workers in itertools.product((1, 13, 500), (1, 2)):
        network, data = problem(6, 3, 2, m)
        data.X = np.abs(data.X)
        tame = batched_risk(*network, data, relu, dtype=dtype)
        network[0][1] = 1e308
        network[1][1] = 1e308
        network[2][2] = 1e200
        network[1][2] = 1e3
        network[3][3] = 1e155
        risks = batched_risk(*network, data, relu, dtype=dtype, workers=workers)
        assert (risks[1:4] == np.inf).all()
        np.testing.assert_array_equal(risks[[0, 4, 5]], tame[[0, 4, 5]])
    # each segment is finite, their sum is not
    m = 30_000
    data = SimpleNamespace(X=np.zeros((m, 0)), y=np.zeros(m), sample_weight=None)
    zero = np.zeros((2, 1))
    for workers in (1, 2):
        risks = batched_risk(np.zeros((2, 1, 0)), zero, zero, [1.3e152, 1.0], data, relu, workers=workers)
        assert risks[0] == np.inf
        assert risks[1] == m / 2


def test_shapes_that_do_not_fit() -> None:
    (W1, b1, W2, b2), data = problem(4, 3, 2, 10)
    for args, text in (
        ((W1[0], b1, W2, b2), r"W1 must have shape \(K, d1, dx\)"),
        ((W1[:, :0], b1[:, :0], W2[:, :0], b2), "d1 >= 1"),
        ((W1, b1[:3], W2, b2), r"b1 must have shape \(K, d1\) = \(4, 3\) to fit W1, got \(3, 3\)"),
        ((W1, b1, W2[:, :2], b2), r"W2 must have shape \(K, d1\) = \(4, 3\)"),
        ((W1, b1, W2, np.stack([b2, b2], axis=1)), r"b2 must have shape \(K,\) = \(4,\)"),
        ((W1[:, :, :1], b1, W2, b2), "dx = 1, but the data have 2 features"),
        ((W1.astype(complex), b1, W2, b2), "W1 must hold"),
        ((W1, b1.astype(str), W2, b2), "b1 must hold"),
        ((W1.astype(np.longdouble), b1, W2, b2), "W1 must hold"),
        (([[[1.0], [1.0, 2.0]]], b1, W2, b2), "W1 must be an array of real numbers"),
        ((W1, b1, np.ma.masked_less(W2, 0.0), b2), "W2 is a masked array"),
    ):
        with pytest.raises(NetworkError, match=text):
            batched_risk(*args, data, relu)
    with pytest.raises(NetworkError, match=r"W1 must have shape \(d1, dx\)"):
        predict(W1, b1[0], W2[0], b2[0], data.X, relu)
    with pytest.raises(NetworkError, match=r"b1 must have shape \(d1,\) = \(3,\)"):
        predict(W1[0], b1, W2[0], b2[0], data.X, relu)
    with pytest.raises(NetworkError, match=r"b2 must have shape \(\) = \(\)"):
        predict(W1[0], b1[0], W2[0], b2, data.X, relu)
    with pytest.raises(NetworkError, match=r"X must have shape \(m, dx\) = \(m, 2\)"):
        predict(W1[0], b1[0], W2[0], b2[0], data.X[:, :1], relu)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_CHUNK_BYTES", 64)
    monkeypatch.setattr(stacked_networks, "_READ_BYTES", 64)
    monkeypatch.setattr(batched, "_CALL_FLOPS", 0.0)
    for index, name in enumerate(("W1", "b1", "W2", "b2")):
        network, data = problem(9, 3, 2, 10)
        place = (7, 1, 1)[: network[index].ndim]
        network[index][place] = value
        with pytest.raises(NetworkError, match=rf"{name}\[{', '.join(map(str, place))}\] is {value}"):
            batched_risk(*network, data, relu)
        with pytest.raises(NetworkError, match="must be finite"):
            predict(*(a[7] for a in network), data.X, relu)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_nothing_hides_a_parameter_that_is_not_finite(
    variant: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # zero inputs, zero output weights, dead units, zero sample weights: 0 times inf is still not finite
    monkeypatch.setattr(batched, "_VARIANT", variant)
    monkeypatch.setattr(batched, "_MIN_FLOPS", 0)
    panel, group = _forward.layout(variant, 4 if dtype == "float32" else 8)
    m = 2 * panel * group * group
    data = SimpleNamespace(X=np.zeros((m, 2)), y=np.zeros(m), sample_weight=np.zeros(m))
    for value, index, workers in itertools.product((np.nan, np.inf, -np.inf), range(4), (1, 2)):
        network = [np.zeros(shape, dtype) for shape in ((3, 2, 2), (3, 2), (3, 2), (3,))]
        assert (batched_risk(*network, data, relu, workers=workers) == 0).all()
        network[index][(2, 1, 1)[: network[index].ndim]] = value
        with pytest.raises(NetworkError, match="must be finite"):
            batched_risk(*network, data, relu, workers=workers)


def test_options_that_make_no_sense() -> None:
    network, data = problem(2, 3, 2, 10)
    for workers in (0, -2, 1.5, True, "2"):
        with pytest.raises(OptionError, match="workers must be"):
            batched_risk(*network, data, relu, workers=workers)  # type: ignore[arg-type]
    for dtype in ("float16", "int64", "nonsense", complex):
        with pytest.raises(OptionError, match="dtype must be"):
            batched_risk(*network, data, relu, dtype=dtype)  # type: ignore[arg-type]
    np.testing.assert_array_equal(
        batched_risk(*network, data, relu, workers=-1), batched_risk(*network, data, relu)
    )


def test_too_large_is_said_before_anything_is_taken() -> None:
    data = SimpleNamespace(X=np.zeros((3, 2)), y=np.zeros(3), sample_weight=None)
    width = 1 << 44
    W1, b1 = np.broadcast_to(0.0, (1, width, 2)), np.broadcast_to(0.0, (1, width))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match="this machine has"):
            batched_risk(W1, b1, b1, [0.0], data, relu)
        with pytest.raises(TooLargeError, match="this machine has"):
            predict(W1[0], b1[0], b1[0], 0.0, data.X, relu)
        many = 1 << 42
        unit = np.broadcast_to(0.0, (many, 1))
        with pytest.raises(TooLargeError, match="this machine has"):
            batched_risk(np.broadcast_to(0.0, (many, 1, 2)), unit, unit, unit[:, 0], data, relu)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
