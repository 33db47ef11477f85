"""The batched forward pass: exact rational risks, its twin, every remainder and variant of the blocking."""

from __future__ import annotations

import itertools
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastminima.kernels import _forward, reference_forward
from fastminima.networks import batched_risk as batched
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, relu
from fastminima.networks.batched_risk import batched_risk, predict
from profiles import examples
from stacked import problem

F64 = NDArray[np.float64]
VARIANTS = range(len(_forward.VARIANTS))
BOTH = [(variant, item) for variant in VARIANTS for item in (8, 4)]
NAMES = [f"{_forward.VARIANTS[variant]}-f{8 * item}" for variant, item in BOTH]
SLOPES = [(1.0, 0.0), (1.01, 1.0), (1.0, 1.01), (2.0, 0.5), (1.0000001, 1.0)]


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


# -- wide networks, whose inputs are taken in slices


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_every_remainder_of_slices_and_blocks_of_units(variant: int, item: int) -> None:
    # units at the edges of tiles and of blocks of 128; inputs at the edges of slices of 256; several networks a block
    for d1, dx in (
        *((units, 192 + units % 5) for units in (349, 384, 385)),
        *((257, inputs) for inputs in (256, 257, 512, 513, 769)),
        *((units, -(-65536 // units)) for units in (1, 3, 9, 42, 43, 64, 65, 128, 129)),
    ):
        assert _forward.is_wide(d1, dx)
        network, data = problem(4 if d1 < 50 else 2, d1, dx, 7, item=item)
        check_twin(item, variant, network, data, SLOPES[(d1 + dx) % len(SLOPES)])


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_narrow_networks_of_many_inputs_share_tiles(variant: int, item: int) -> None:
    panel, _ = _forward.layout(variant, item)
    for d1, m, K in itertools.product((1, 2, 3, 4), (1, panel, 3 * panel + 1), (1, 5, 19)):
        assert _forward.is_wide(d1, 513)
        network, data = problem(K, d1, 513, m, weighted=K == 5, item=item)
        check_twin(item, variant, network, data, SLOPES[K % len(SLOPES)])
        if K == 19:
            together = call(_forward, item, variant, network, data, (1.0, 0.25))
            for k in (0, 7, 18):
                alone = call(_forward, item, variant, tuple(a[k : k + 1] for a in network), data, (1.0, 0.25))
                assert alone[0] == together[k]


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_larger_groups_for_many_units_change_no_bit(variant: int, item: int) -> None:
    # 202 units in all: groups of several flushes where a network alone has groups of one, the last of them not full
    panel, _ = _forward.layout(variant, item)
    for units, inputs, m in ((2, 513, 11 * panel + 5), (2, 1030, 17 * panel), (3, 700, 19 * panel - 1)):
        network, data = problem(-(-202 // units), units, inputs, m, weighted=units == 3, item=item)
        together = call(_forward, item, variant, network, data, (1.0, 0.25))
        for k in (0, len(together) - 1):
            alone = call(_forward, item, variant, tuple(a[k : k + 1] for a in network), data, (1.0, 0.25))
            assert alone[0] == together[k]


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_every_remainder_of_m_where_inputs_are_wide(variant: int, item: int) -> None:
    panel, group = _forward.layout(variant, item)
    lanes = panel // 3
    for m in sorted({1, lanes, lanes + 1, 2 * lanes, 2 * lanes + 1, panel, panel + 1, panel * group + 1}):
        network, data = problem(1, 342, 192, m, weighted=m % 3 == 0, item=item)
        check_twin(item, variant, network, data, (1.0, 0.25))
    # so wide that a group has fewer panels
    network, data = problem(2, 1, 200_000, 2 * panel + 1, item=item)
    check_twin(item, variant, network, data, (1.0, 0.25))


@pytest.mark.parametrize("variant", VARIANTS)
def test_slices_change_no_bit_of_an_output(variant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # inputs that are zero lead to the other side of the choice, and add nothing
    monkeypatch.setattr(batched, "_VARIANT", variant)
    (W1, b1, W2, b2), data = problem(1, 400, 150, 61)
    wide = np.zeros((400, 260))
    wide[:, :150] = W1[0]
    inputs = np.zeros((61, 260))
    inputs[:, :150] = data.X
    assert _forward.is_wide(400, 260)
    assert not _forward.is_wide(400, 150)
    for slopes in SLOPES:
        act = PiecewiseLinear(*slopes)
        f = predict(W1[0], b1[0], W2[0], b2[0], data.X, act)
        np.testing.assert_array_equal(predict(wide, b1[0], W2[0], b2[0], inputs, act), f)
        for i in range(0, 61, 20):
            one = SimpleNamespace(X=inputs[i : i + 1], y=data.y[i : i + 1], sample_weight=None)
            residual = f[i] - data.y[i]
            assert batched_risk(wide[None], b1, W2, b2, one, act)[0] == 0.5 * (residual * residual)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bits_of_wide_networks_do_not_depend_on_the_cut(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_MIN_FLOPS", 0)
    panel, group = _forward.layout(batched._VARIANT, 4 if dtype == "float32" else 8)
    network, data = problem(5, 130, 512, panel * group * group + 3, weighted=True)
    alone = batched_risk(*network, data, relu, dtype=dtype)
    for workers, units in ((2, 256), (3, 0), (2, 1 << 20)):
        monkeypatch.setattr(batched, "_MIN_UNITS", units)
        monkeypatch.setattr(batched, "_MANY_UNITS", units)
        again = batched_risk(*network, data, relu, dtype=dtype, workers=workers)
        np.testing.assert_array_equal(again, alone)
    one = batched_risk(*(a[3:4] for a in network), data, relu, dtype=dtype)
    assert one[0] == alone[3]


def test_wide_networks_of_integers_are_exact() -> None:
    rng = np.random.default_rng(6)
    shapes = ((3, 130, 512), (3, 130), (3, 130), (3,))
    W1, b1, W2, b2 = (rng.integers(-1, 2, shape) for shape in shapes)
    X, y = rng.integers(-1, 2, (50, 512)).astype(np.float64), rng.integers(-9, 10, 50).astype(np.float64)
    z = np.einsum("kjd,id->kij", W1, X) + b1[:, None, :]
    f = np.einsum("kij,kj->ki", relu(z), W2) + b2[:, None]
    data = SimpleNamespace(X=X, y=y, sample_weight=None)
    for variant, item in BOTH:
        network = tuple(a.astype(np.float32 if item == 4 else np.float64) for a in (W1, b1, W2, b2))
        np.testing.assert_array_equal(
            call(_forward, item, variant, network, data, (1.0, 0.0)), ((f - y) ** 2).sum(axis=1)
        )


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
