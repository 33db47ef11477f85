"""The batched forward pass: exact rational risks, its twin, every remainder and variant of the blocking."""

from __future__ import annotations

import itertools
import tracemalloc
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastminima.errors import NetworkError, OptionError, TooLargeError
from fastminima.kernels import _forward, reference_forward
from fastminima.networks import batched_risk as batched
from fastminima.networks import stacked_networks
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, leaky_relu, relu
from fastminima.networks.batched_risk import batched_risk, predict
from profiles import examples

F64 = NDArray[np.float64]
VARIANTS = range(len(_forward.VARIANTS))
BOTH = [(variant, item) for variant in VARIANTS for item in (8, 4)]
NAMES = [f"{_forward.VARIANTS[variant]}-f{8 * item}" for variant, item in BOTH]
SLOPES = [(1.0, 0.0), (1.01, 1.0), (1.0, 1.01), (2.0, 0.5), (1.0000001, 1.0)]


def problem(
    K: int, d1: int, dx: int, m: int, seed: int = 0, weighted: bool = False, item: int = 8
) -> tuple[Any, SimpleNamespace]:
    rng = np.random.default_rng([seed, K, d1, dx, m])
    draw = [rng.standard_normal(shape) for shape in ((K, d1, dx), (K, d1), (K, d1), (K,))]
    W1, b1, W2, b2 = (np.ascontiguousarray(a, np.float32 if item == 4 else np.float64) for a in draw)
    weight = rng.uniform(0.5, 2.0, m) if weighted else None
    data = SimpleNamespace(X=rng.standard_normal((m, dx)), y=rng.standard_normal(m), sample_weight=weight)
    return (W1, b1, W2, b2), data


def call(module: Any, item: int, variant: int, network: Any, data: Any, slopes: tuple[float, float]) -> F64:
    """One direct call of a kernel or its twin, with the workspace exactly as large as it is said to be."""
    dtype = np.float32 if item == 4 else np.float64
    K, d1, dx = network[0].shape
    items = _forward.workspace_items(variant, item, d1, dx)
    guarded = np.full(items + 16, 7.0, dtype)
    out = np.full(K + 1, -3.0)
    weight = np.empty(0) if data.sample_weight is None else data.sample_weight
    function = module.sums_f32 if item == 4 else module.sums_f64
    function(*network, data.X, data.y, weight, *slopes, variant, guarded[:items], out[:K])
    assert (guarded[items:] == 7.0).all()
    assert out[K] == -3.0
    return out[:K]


def bound(network: Any, data: Any, slopes: tuple[float, float], sums: F64, unit: float) -> F64:
    """A bound on |computed sum - exact sum|, arithmetic of unit roundoff `unit`, any order of operations.

    Every product in f(x) - y passes at most n = dx + d1 + 9 roundings (data and parameters to the working
    precision 3, dx + 1 in z, 3 in its scaling, d1 + 1 in the output, 1 for y), and h is Lipschitz with the
    larger slope: the error of a residual is at most gamma_n times the same formula with absolute values, B.
    Squares then differ by |e'^2 - e^2| <= (2|e'| + B) B; at most m + 3 roundings act on a term of their sum.
    """
    W1, b1, W2, b2 = (np.abs(a).astype(np.float64) for a in network)
    m, dx = data.X.shape
    d1 = W1.shape[1]
    n = dx + d1 + 9
    gamma = n * unit / (1 - n * unit)
    weight = np.ones(m) if data.sample_weight is None else data.sample_weight
    result = np.empty(len(W1))
    for k in range(len(W1)):
        size = (np.abs(data.X) @ W1[k].T + b1[k]) @ W2[k] * max(slopes) + b2[k] + np.abs(data.y)
        B = gamma * size
        # sum w |e'| B <= sqrt(sum w e'^2) sqrt(sum w B^2)
        spread = np.sum(weight * B * B)
        # long sums run in float64, or in float32 for 48 additions of a group before they are flushed
        chain = (m + 3) * 2.0**-53 + (0 if unit < 1e-10 else 60 * unit)
        result[k] = 2 * np.sqrt(sums[k] * spread) + spread + chain * sums[k]
    # the bound itself is computed in floating point
    return 1.01 * result


def exact_risk(network: Any, k: int, data: Any, act: PiecewiseLinear) -> Fraction:
    def fractions(values: Any) -> list[Fraction]:
        return [Fraction(float(v)) for v in np.ravel(values)]

    rows = [fractions(row) for row in network[0][k]]
    b1, W2, b2 = fractions(network[1][k]), fractions(network[2][k]), Fraction(float(network[3][k]))
    plus, minus = Fraction(act.s_plus), Fraction(act.s_minus)
    weights = fractions(np.ones(len(data.y)) if data.sample_weight is None else data.sample_weight)
    total = Fraction(0)
    for x, y, w in zip(map(fractions, data.X), fractions(data.y), weights, strict=True):
        f = b2
        for row, b, v in zip(rows, b1, W2, strict=True):
            z = sum((p * q for p, q in zip(row, x, strict=True)), b)
            f += v * (plus if z > 0 else minus) * z
        total += w * (f - y) ** 2
    return total / 2


# -- exact references


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_random_data_to_1e_13(variant: int, weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_VARIANT", variant)
    sizes = [(1, 0, 5), (4, 8, 61), (5, 3, 50), (9, 1, 30), (3, 17, 26)]
    for slopes, (d1, dx, m) in zip(SLOPES, sizes, strict=True):
        act = PiecewiseLinear(*slopes)
        network, data = problem(3, d1, dx, m, weighted=weighted)
        risks = batched_risk(*network, data, act)
        for k in range(3):
            exact = exact_risk(network, k, data, act)
            assert abs(Fraction(float(risks[k])) - exact) <= exact * Fraction(1, 10**13)


# multiples of 1/64 times a power of two: zeros, ties, exact cancellation and wide scales, but no underflow
grid = st.builds(lambda a, e: a / 64 * 2.0**e, st.integers(-640, 640), st.sampled_from([0, 0, 0, -30, 30]))


@st.composite
def small_problems(draw: st.DrawFn) -> Any:
    K, d1, dx, m = (draw(st.integers(low, high)) for low, high in ((1, 3), (1, 9), (0, 4), (1, 26)))
    pool = draw(st.lists(grid, min_size=1, max_size=12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def array(*shape: int) -> F64:
        return np.asarray(rng.choice(pool, shape), np.float64)

    weight = np.abs(array(m)) + 1.0 if draw(st.booleans()) else None
    data = SimpleNamespace(X=array(m, dx), y=array(m), sample_weight=weight)
    return (array(K, d1, dx), array(K, d1), array(K, d1), array(K)), data, draw(st.sampled_from(SLOPES))


@settings(max_examples=examples(60), deadline=None)
@given(small_problems())
def test_error_bound_against_rationals(case: Any) -> None:
    network, data, slopes = case
    act = PiecewiseLinear(*slopes)
    for variant in VARIANTS:
        sums = call(_forward, 8, variant, network, data, slopes)
        limit = bound(network, data, slopes, sums, 2.0**-53)
        for k in range(len(sums)):
            error = abs(Fraction(float(sums[k])) - 2 * exact_risk(network, k, data, act))
            assert error <= Fraction(float(limit[k])), (variant, k)


def test_integer_data_are_exact() -> None:
    # small integers: no operation rounds, so nothing but the exact risk is right, in both precisions
    rng = np.random.default_rng(5)
    shapes = ((40, 6, 5), (40, 6), (40, 6), (40,))
    W1, b1, W2, b2 = (rng.integers(-3, 4, shape) for shape in shapes)
    X, y = rng.integers(-3, 4, (211, 5)).astype(np.float64), rng.integers(-9, 10, 211).astype(np.float64)
    data = SimpleNamespace(X=X, y=y, sample_weight=None)
    for act in (relu, PiecewiseLinear(2.0, 0.5)):
        for variant, item in BOTH:
            z = np.einsum("kjd,id->kij", W1, X) + b1[:, None, :]
            f = np.einsum("kij,kj->ki", act(z), W2) + b2[:, None]
            network = tuple(a.astype(np.float32 if item == 4 else np.float64) for a in (W1, b1, W2, b2))
            sums = call(_forward, item, variant, network, data, (act.s_plus, act.s_minus))
            np.testing.assert_array_equal(sums, ((f - y) ** 2).sum(axis=1))
        np.testing.assert_array_equal(batched_risk(W1, b1, W2, b2, data, act) * 2, sums)


# -- the twin, on every remainder


def check_twin(item: int, variant: int, network: Any, data: Any, slopes: tuple[float, float]) -> None:
    twin = call(reference_forward, item, variant, network, data, slopes)
    sums = call(_forward, item, variant, network, data, slopes)
    # both lie within the bound of the exact sum
    limit = 2 * bound(network, data, slopes, np.maximum(sums, twin), 2.0**-24 if item == 4 else 2.0**-53)
    shape = (*network[0].shape, len(data.y))
    assert (np.abs(sums - twin) <= limit).all(), (shape, sums, twin, limit)


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_every_remainder_of_m(variant: int, item: int) -> None:
    panel, group = _forward.layout(variant, item)
    rest = {panel * group + d for d in (-1, 0, 1, panel - 1, panel, panel + 1)}
    for m in sorted({*range(1, 2 * panel + 2), *rest, 2 * panel * group + 1}):
        network, data = problem(2, 3, 2, m, weighted=m % 3 == 0, item=item)
        check_twin(item, variant, network, data, (1.0, 0.25))


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_every_remainder_of_d1_and_dx(variant: int, item: int) -> None:
    for d1, dx in itertools.product([*range(1, 26), 40], [0, 1, 2, 3, 4, 5, 7, 8, 9, 17]):
        network, data = problem(2, d1, dx, 29, item=item)
        check_twin(item, variant, network, data, SLOPES[(d1 + dx) % len(SLOPES)])


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_every_remainder_of_the_block_of_tuples(variant: int, item: int) -> None:
    # 20 KiB hold 4 tuples of the first shape (9 in float32), one of the second; 256 limits the third
    for d1, dx, sizes in ((16, 32, range(1, 20)), (70, 50, range(1, 4)), (1, 0, (255, 256, 257, 513))):
        for K in sizes:
            network, data = problem(K, d1, dx, 31, item=item)
            check_twin(item, variant, network, data, (1.0, 0.0))


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_small_networks_share_a_tile(variant: int, item: int) -> None:
    # up to eight networks at once, and what they leave over: the bits of each are those it has alone
    panel, _ = _forward.layout(variant, item)
    for d1, dx, K in itertools.product(range(1, 6), (0, 1, 3, 8, 17), (1, 2, 3, 4, 7, 8, 9, 15, 17)):
        network, data = problem(K, d1, dx, 2 * panel - 1, weighted=K % 2 == 0, item=item)
        slopes = SLOPES[(d1 + dx) % len(SLOPES)]
        check_twin(item, variant, network, data, slopes)
        together = call(_forward, item, variant, network, data, slopes)
        for k in range(K):
            alone = call(_forward, item, variant, tuple(a[k : k + 1] for a in network), data, slopes)
            assert alone[0] == together[k]


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_wide_inputs_use_smaller_groups(variant: int, item: int) -> None:
    panel, _ = _forward.layout(variant, item)
    for dx, panels in ((150, 40), (3000, 3)):
        network, data = problem(2, 3, dx, panel * panels + 1, item=item)
        check_twin(item, variant, network, data, (1.0, 0.0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_twin_and_bits(variant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_VARIANT", variant)
    act = PiecewiseLinear(2.0, 0.5)
    for m, d1, dx in itertools.product([0, 1, 2, 11, 12, 13, 24, 25, 60], [1, 4, 5, 8, 9], [0, 1, 3]):
        (W1, b1, W2, b2), data = problem(1, d1, dx, m)
        data.X += 0.5
        f = predict(W1[0], b1[0], W2[0], b2[0], data.X, act)
        twin = np.empty(m)
        reference_forward.outputs_f64(
            W1[0], b1[0], W2[0], float(b2[0]), data.X, 2.0, 0.5, variant, np.empty(0), twin
        )
        size = (np.abs(data.X) @ np.abs(W1[0]).T + np.abs(b1[0])) @ np.abs(W2[0]) * 2 + np.abs(b2[0])
        assert (np.abs(f - twin) <= 2 * (dx + d1 + 5) * 2.0**-53 * size * 1.01).all()
        for i in range(m):
            one = SimpleNamespace(X=data.X[i : i + 1], y=data.y[i : i + 1], sample_weight=None)
            # times itself: a scalar's ** 2 goes through pow and may miss by an ulp
            residual = f[i] - data.y[i]
            assert batched_risk(W1, b1, W2, b2, one, act)[0] == 0.5 * (residual * residual)


def test_outputs_in_blocks_have_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    (W1, b1, W2, b2), data = problem(1, 5, 3, 2000)
    whole = predict(W1[0], b1[0], W2[0], b2[0], data.X, relu)
    monkeypatch.setattr(batched, "_CHUNK_BYTES", 1)
    for X in (np.asfortranarray(data.X), np.repeat(data.X, 2, axis=0)[::2], data.X.astype(">f8")):
        np.testing.assert_array_equal(predict(W1[0], b1[0], W2[0], b2[0], X, relu), whole)


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_fma_peak_twin(variant: int, item: int) -> None:
    results = []
    for module in (_forward, reference_forward):
        out = np.array([0.5])
        module.fma_peak(variant, item, 5, out)
        results.append(out[0])
    assert results[0] == results[1]  # dyadic throughout: nothing rounds
    assert results[0] != 0.5


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
        ((W1, b1, W2, b2[:, None]), r"b2 must have shape \(K,\) = \(4,\)"),
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


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("slopes", [(1e-300, 1.0), (1.0, 1e-300), (1e-200, 1e100), (1e150, 1e-100)])
def test_slopes_far_apart_lose_no_digits(variant, slopes):
    """Each unit is scaled by the larger slope: a row that is small is not made smaller."""
    rng = np.random.default_rng(4)
    K, d1, dx, m = 3, 5, 4, 50
    small = 1e-20 / max(slopes)
    network = (
        small * rng.normal(size=(K, d1, dx)),
        small * rng.normal(size=(K, d1)),
        rng.normal(size=(K, d1)),
        np.zeros(K),
    )
    data = SimpleNamespace(X=rng.normal(size=(m, dx)), y=np.zeros(m), sample_weight=None)
    sums = call(_forward, 8, variant, network, data, slopes)
    twin = call(reference_forward, 8, variant, network, data, slopes)
    assert (twin > 1e-42).all()
    np.testing.assert_allclose(sums, twin, rtol=1e-13)
