"""The batched forward pass with smooth activations: its curves, its twin, every remainder of the blocking."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import NetworkError
from fastminima.kernels import _forward, _smooth, reference_smooth
from fastminima.networks import batched_risk as batched
from fastminima.networks.activations.compiled import Curve, compiled_curve, elementwise
from fastminima.networks.batched_risk import batched_risk, predict
from stacked import problem

VARIANTS = range(len(_forward.VARIANTS))
BOTH = [(variant, item) for variant in VARIANTS for item in (8, 4)]
NAMES = [f"{_forward.VARIANTS[variant]}-f{8 * item}" for variant, item in BOTH]
COMPILED = [name for name in fm.activations() if compiled_curve(fm.activation(name)) is not None]
# h is within so many units of roundoff of the formula, relative to its own size and to that of its argument
CURVE_ERROR = 40
EXACT: dict[str, Any] = {
    "tanh": mpmath.tanh,
    "erf": mpmath.erf,
    "exponential": mpmath.exp,
    "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)),
    "log_sigmoid": lambda t: -mpmath.log1p(mpmath.exp(-t)),
    "softplus": lambda t: mpmath.log1p(mpmath.exp(t)),
    "softplus_cut": lambda t: mpmath.log1p(mpmath.exp(t)) if t <= 20 else t,
    "gelu": lambda t: t * mpmath.erfc(-t / mpmath.sqrt(2)) / 2,
    "silu": lambda t: t / (1 + mpmath.exp(-t)),
    "quick_gelu": lambda t: t / (1 + mpmath.exp(-mpmath.mpf(1.702) * t)),
    "gelu_tanh": lambda t: (
        t / (1 + mpmath.exp(-mpmath.sqrt(8 / mpmath.pi) * (t + mpmath.mpf(0.044715) * t**3)))
    ),
    "elu": lambda t: t if t > 0 else mpmath.expm1(t),
    "celu": lambda t: t if t > 0 else mpmath.expm1(t),
    "selu": lambda t: (
        mpmath.mpf(1.0507009873554805) * (t if t > 0 else mpmath.mpf(1.6732632423543772) * mpmath.expm1(t))
    ),
    "mish": lambda t: t * mpmath.tanh(mpmath.log1p(mpmath.exp(t))),
    "gaussian": lambda t: mpmath.exp(-t * t / 2),
    "quadratic": lambda t: t * t,
    "cube": lambda t: t**3,
}


def curve_of(name: str, **parameters: float) -> Curve:
    curve = compiled_curve(fm.activation(name, **parameters))
    assert curve is not None
    return curve


def call(module: Any, item: int, variant: int, network: Any, data: Any, curve: Curve) -> Any:
    """One direct call of a kernel or its twin, with the workspace exactly as large as it is said to be."""
    dtype = np.float32 if item == 4 else np.float64
    K, d1, dx = network[0].shape
    items = _forward.workspace_items(variant, item, d1, dx)
    guarded = np.full(items + 16, 7.0, dtype)
    out = np.full(K + 1, -3.0)
    weight = np.empty(0) if data.sample_weight is None else data.sample_weight
    function = module.sums_f32 if item == 4 else module.sums_f64
    function(*network, data.X, data.y, weight, curve.number, curve.shape, variant, guarded[:items], out[:K])
    assert (guarded[items:] == 7.0).all()
    assert out[K] == -3.0
    return out[:K]


def check_twin(item: int, variant: int, network: Any, data: Any, curve: Curve) -> None:
    sums = call(_smooth, item, variant, network, data, curve)
    wanted = call(reference_smooth, item, variant, network, data, curve)
    np.testing.assert_allclose(sums, wanted, rtol=1e-11 if item == 8 else 2e-3, atol=1e-20)


def test_which_activations_are_compiled() -> None:
    assert set(COMPILED) == set(EXACT)
    assert compiled_curve(fm.relu) is None
    assert compiled_curve(np.tanh) is None
    assert compiled_curve(fm.activation("power", n=4)) is None
    # what is computed decides, not what it is called
    own = fm.Smooth(
        np.tanh, lambda t: 1 / np.cosh(t) ** 2, lambda t: -2 * np.tanh(t) / np.cosh(t) ** 2, "tanh"
    )
    assert compiled_curve(own) is None
    assert compiled_curve(fm.Smooth.from_formula(["sin", "t"], "tanh")) is None
    # numbers that float32 has no reciprocal of
    assert compiled_curve(fm.activation("softplus", beta=1e-200)) is None


@pytest.mark.parametrize("name", COMPILED)
def test_curves_against_mpmath(name: str) -> None:
    curve = curve_of(name)
    for dtype, kernel in ((np.float64, _smooth.curve_f64), (np.float32, _smooth.curve_f32)):
        x = np.concatenate([np.linspace(-9, 9, 121), np.linspace(-0.3, 0.3, 31), [0.0, 25.0, -25.0]]).astype(
            dtype
        )
        with mpmath.workprec(150):
            exact = [EXACT[name](mpmath.mpf(t)) for t in x.tolist()]
            # an argument of e^ that is rounded moves it by that much more
            moved = [
                1 + (abs(t) ** 3 if name == "gelu_tanh" else t * t if name == "gaussian" else 2 * abs(t))
                for t in x.tolist()
            ]
            for variant in VARIANTS:
                out = np.empty_like(x)
                kernel(curve.number, curve.shape, x, variant, out)
                for value, wanted, factor in zip(out.tolist(), exact, moved, strict=True):
                    allowed = CURVE_ERROR * factor * float(np.finfo(dtype).eps) / 2 * abs(wanted)
                    assert abs(mpmath.mpf(value) - wanted) <= allowed + np.finfo(dtype).tiny


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_shape_a_curve(variant: int) -> None:
    t = np.linspace(-6, 40, 200)
    for name, parameters in (
        ("elu", {"alpha": 0.3}),
        ("celu", {"alpha": 2.5}),
        ("softplus", {"beta": 3.0}),
        ("softplus_cut", {"beta": 0.5, "threshold": 2.0}),
        ("softplus_cut", {"threshold": 0.0}),
        ("silu", {"beta": 0.7}),
    ):
        h, out = fm.activation(name, **parameters), np.empty(200)
        curve = curve_of(name, **parameters)
        _smooth.curve_f64(curve.number, curve.shape, t, variant, out)
        np.testing.assert_allclose(out, h(t), rtol=1e-13)


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
@pytest.mark.parametrize("name", COMPILED)
def test_curve_twins(name: str, variant: int, item: int) -> None:
    curve, x = curve_of(name), np.linspace(-4, 4, 57).astype(np.float32 if item == 4 else np.float64)
    found, wanted = np.empty_like(x), np.empty_like(x)
    suffix = "curve_f32" if item == 4 else "curve_f64"
    for module, out in ((_smooth, found), (reference_smooth, wanted)):
        getattr(module, suffix)(curve.number, curve.shape, x, variant, out)
    np.testing.assert_allclose(
        found, wanted, rtol=1e-13 if item == 8 else 1e-5, atol=1e-15 if item == 8 else 1e-7
    )


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_every_remainder_of_the_blocking(variant: int, item: int) -> None:
    panel, _ = _forward.layout(variant, item)
    lanes = panel // 3
    curves = itertools.cycle(curve_of(name) for name in ("tanh", "gelu", "softplus", "sigmoid", "elu"))
    for m in sorted({1, lanes, lanes + 1, 2 * lanes, 2 * lanes + 1, panel, panel + 1, 3 * panel - 1}):
        for d1, K in itertools.product((1, 2, 3, 4, 5, 7, 8, 9), (1, 9)):
            network, data = problem(K, d1, 3, m, weighted=m % 2 == 0, item=item)
            check_twin(item, variant, network, data, next(curves))


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_wide_networks(variant: int, item: int) -> None:
    panel, _ = _forward.layout(variant, item)
    for d1, dx in ((342, 192), (129, 512), (3, 21846)):
        assert _forward.is_wide(d1, dx)
        network, data = problem(2, d1, dx, panel + 1, item=item)
        scaled = (network[0] / np.sqrt(dx).astype(network[0].dtype), *network[1:])
        check_twin(item, variant, scaled, data, curve_of("tanh"))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bits_do_not_depend_on_workers_or_neighbours(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_MIN_FLOPS", 0)
    network, data = problem(37, 5, 3, 13_011, weighted=True)
    alone = batched_risk(*network, data, "gelu", dtype=dtype)
    for workers, chunk, units in itertools.product((1, 2, 3), (1, 1 << 20), (0, 256)):
        monkeypatch.setattr(batched, "_CHUNK_BYTES", chunk)
        monkeypatch.setattr(batched, "_CALL_FLOPS", 0.0)
        monkeypatch.setattr(batched, "_MIN_UNITS", units)
        monkeypatch.setattr(batched, "_MANY_UNITS", units)
        again = batched_risk(*network, data, "gelu", dtype=dtype, workers=workers)
        np.testing.assert_array_equal(again, alone)
    one = batched_risk(*(a[17:18] for a in network), data, "gelu", dtype=dtype)
    assert one[0] == alone[17]


@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_are_those_inside_the_risk(variant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_VARIANT", variant)
    for m, d1, dx in itertools.product([1, 2, 11, 13, 25], [1, 4, 5, 9], [0, 1, 3]):
        (W1, b1, W2, b2), data = problem(1, d1, dx, m)
        f = predict(W1[0], b1[0], W2[0], b2[0], data.X, curve_of("softplus"))
        twin, curve = np.empty(m), curve_of("softplus")
        reference_smooth.outputs_f64(
            W1[0], b1[0], W2[0], float(b2[0]), data.X, curve.number, curve.shape, variant, np.empty(0), twin
        )
        np.testing.assert_allclose(f, twin, rtol=1e-12, atol=1e-13)
        for i in range(m):
            one = SimpleNamespace(X=data.X[i : i + 1], y=data.y[i : i + 1], sample_weight=None)
            residual = f[i] - data.y[i]
            assert batched_risk(W1, b1, W2, b2, one, "softplus")[0] == 0.5 * (residual * residual)


def test_predictions_of_networks() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    for name in COMPILED:
        h = fm.activation(name)
        (W1, b1, W2, b2), _ = problem(1, 6, 3, 1)
        net = fm.OneHiddenLayer(W1[0], b1[0], W2[0], b2[0], h)
        np.testing.assert_allclose(
            net.predict(X), h(X @ W1[0].T + b1[0]) @ W2[0] + b2[0], rtol=1e-11, atol=1e-11
        )
        deep = fm.DeepNetwork(
            [
                (W1[0], b1[0]),
                (rng.normal(size=(4, 6)), rng.normal(size=4)),
                (rng.normal(size=(2, 4)), [0, 1]),
            ],
            h,
        )
        a = X
        for W, b in deep.layers[:-1]:
            a = h(a @ W.T + b)
        np.testing.assert_allclose(
            deep.predict(X), a @ deep.layers[-1][0].T + deep.layers[-1][1], rtol=1e-11, atol=1e-11
        )


def test_elementwise_takes_any_layout() -> None:
    t = np.linspace(-3, 3, 60).reshape(6, 10)
    wanted = np.tanh(t)
    for array in (t.copy(), np.asfortranarray(t), np.repeat(t, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(elementwise(fm.activation("tanh"))(array), wanted, rtol=1e-14)
    np.testing.assert_array_equal(elementwise(np.cos)(t), np.cos(t))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "arctan", "gelu"])
def test_no_activation_hides_a_parameter_that_is_not_finite(name: str) -> None:
    # a bounded activation makes something finite of inf
    for value, index, workers in itertools.product((np.nan, np.inf, -np.inf), range(4), (1, 2)):
        network, data = problem(9, 3, 2, 10)
        network[index][(7, 1, 1)[: network[index].ndim]] = value
        with pytest.raises(NetworkError, match="must be finite"):
            batched_risk(*network, data, name, workers=workers)


def test_overflow_is_inf() -> None:
    network, data = problem(4, 3, 2, 100)
    network[3][1] = 1e200
    network[2][2] = 1e308
    risks = batched_risk(*network, data, "exponential")
    assert (risks[1:3] == np.inf).all()
    assert np.isfinite(risks[[0, 3]]).all()
