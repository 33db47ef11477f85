"""The named activations against mpmath, their formulas, and functions of the user's own."""

from __future__ import annotations

import json
import math
import pickle
import sys
import types
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import ActivationError, NetworkError, ReadError
from fastminima.networks.activations.formula import check, evaluate, jet, rational
from fastminima.networks.activations.formula_shape import polynomial
from fastminima.networks.activations.named import as_activation, stored_activation
from fastminima.networks.activations.smooth import Smooth
from mp_formula import MP
from profiles import examples

SMOOTH = [name for name in fm.activations() if isinstance(fm.activation(name), Smooth)]
FAMILIES = {
    "elu": "alpha",
    "celu": "alpha",
    "softplus": "beta",
    "silu": "beta",
    "squareplus": "b",
    "snake": "a",
    "softshrink": "lambd",
    "hardshrink": "lambd",
    "softplus_cut": "threshold",
}


# h written down once more, from the papers and manuals that define it
DEFINITIONS = {
    "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)),
    "tanh": mpmath.tanh,
    "arctan": mpmath.atan,
    "quadratic": lambda t: t * t,
    "cube": lambda t: t**3,
    "power": lambda t: t**4,
    "elu": lambda t, alpha=1: t if t > 0 else alpha * mpmath.expm1(t),
    "celu": lambda t, alpha=1: t if t > 0 else alpha * mpmath.expm1(t / alpha),
    "selu": lambda t: (
        mpmath.mpf(1.0507009873554804934193349852946)
        * (t if t > 0 else mpmath.mpf(1.6732632423543772848170429916717) * mpmath.expm1(t))
    ),
    "softplus": lambda t, beta=1: mpmath.log1p(mpmath.exp(beta * t)) / beta,
    "gelu": lambda t: t * mpmath.ncdf(t),
    # (1 + tanh u)/2 without the digits that go where tanh is near -1
    "gelu_tanh": lambda t: (
        t / (1 + mpmath.exp(-2 * mpmath.sqrt(2 / mpmath.pi) * (t + mpmath.mpf("0.044715") * t**3)))
    ),
    "silu": lambda t, beta=1: t / (1 + mpmath.exp(-beta * t)),
    "mish": lambda t: t * mpmath.tanh(mpmath.log1p(mpmath.exp(t))),
    "sine": mpmath.sin,
    "erf": mpmath.erf,
    "softsign": lambda t: t / (1 + abs(t)),
    "gaussian": lambda t: mpmath.exp(-t * t / 2),
    "hardswish": lambda t: t * min(max(t + 3, 0), 6) / 6,
    "exponential": mpmath.exp,
    "log_sigmoid": lambda t: -mpmath.log1p(mpmath.exp(-t)),
    "identity": lambda t: t,
    "softplus_cut": lambda t, threshold=20: t if t > threshold else mpmath.log1p(mpmath.exp(t)),
    "squareplus": lambda t, b=4: (t + mpmath.sqrt(t * t + b)) / 2,
    "snake": lambda t, a=1: t + mpmath.sin(a * t) ** 2 / a,
    "quick_gelu": lambda t: t / (1 + mpmath.exp(-mpmath.mpf(1.702) * t)),
    "cosine": mpmath.cos,
    "tanhshrink": lambda t: t - mpmath.tanh(t),
    "softshrink": lambda t, lambd=0.5: mpmath.sign(t) * max(abs(t) - lambd, 0),
    "hardshrink": lambda t, lambd=0.5: t if abs(t) > lambd else mpmath.mpf(0),
    "hardtanh": lambda t: min(max(t, -1), 1),
    "relu6": lambda t: min(max(t, 0), 6),
    "hardsigmoid": lambda t: min(max(t + 3, 0), 6) / 6,
    "threshold": lambda t: max(t, 0),
    "relu_squared": lambda t: max(t, 0) ** 2,
}
# where pieces meet, away from 0 and +-3
KINKS = {
    "softplus_cut": (20,),
    "softshrink": (0.5,),
    "hardshrink": (0.5,),
    "hardtanh": (1,),
    "relu6": (6,),
}


def away_from_kinks(name, t, *more):
    assume(all(abs(abs(t) - kink) > 1e-3 for kink in (*KINKS.get(name, ()), *more)))


POINTS = st.floats(-30, 30).filter(lambda t: abs(t) > 1e-3 and abs(abs(t) - 3) > 1e-3)


def close(ours, exact, slope, scale=0):
    """Within 64 roundings of the value, of its argument (which a slope carries on), or of `scale`.

    A sigmoid below the least normal number may come as 0; at |t| <= 30 the factors beside it stay below 2^14.
    """
    allowed = 64 * 2.0**-53 * (abs(exact) + slope + scale) + mpmath.mpf(2) ** (14 - 1022)
    return abs(mpmath.mpf(ours) - exact) <= allowed


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=examples(30), deadline=None)
@given(t=POINTS)
def test_values_and_derivatives(name, t):
    away_from_kinks(name, t)
    h, exact = fm.activation(name), DEFINITIONS[name]
    point = np.array([t])
    with mpmath.workdps(60):
        values = [mpmath.diff(exact, mpmath.mpf(t), k) if k else exact(mpmath.mpf(t)) for k in range(4)]
        carried = [abs(t * values[k + 1]) for k in range(3)]
        assert close(h.value(point)[0], values[0], carried[0])
        # where a derivative changes sign its own size says nothing about the rounding of its terms
        scale = max(abs(v) for v in values) * 2.0**-10
        assert close(h.first(point)[0], values[1], carried[1], scale)
        assert close(h.second(point)[0], values[2], carried[2], scale)


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=examples(20), deadline=None)
@given(t=POINTS)
def test_formulas_say_the_same(name, t):
    away_from_kinks(name, t)
    h = fm.activation(name)
    with mpmath.workdps(60):
        exact = mpmath.mpf(t)
        assert mpmath.almosteq(evaluate(h.formula, exact, MP()), DEFINITIONS[name](exact), 1e-40)
        parts = jet(h.formula, exact, MP())
        for part, order in ((parts.first, 1), (parts.second, 2)):
            reference = mpmath.diff(DEFINITIONS[name], exact, order)
            assert abs(part - reference) <= 1e-25 * (1 + abs(reference))


@pytest.mark.parametrize(("name", "key"), FAMILIES.items())
@settings(max_examples=examples(20), deadline=None)
@given(t=POINTS, value=st.floats(0.1, 5.0))
def test_parameters(name, key, t, value):
    away_from_kinks(name, t, value)
    h = fm.activation(name, **{key: value})
    assert (key, value) in h.parameters
    with mpmath.workdps(60):
        exact = DEFINITIONS[name](mpmath.mpf(t), mpmath.mpf(value))
        assert mpmath.almosteq(evaluate(h.formula, mpmath.mpf(t), MP()), exact, 1e-40)
        assert (
            close(h.value(np.array([t]))[0], exact, 1e-3 * abs(float(exact)) + 1e-300) or abs(value * t) > 20
        )


@pytest.mark.parametrize("name", SMOOTH)
def test_far_out_nothing_is_nan(name):
    h = fm.activation(name)
    t = np.array([-1e4, -700.0, -50.0, 50.0, 700.0, 1e4])
    for part in (h.value, h.first, h.second):
        with np.errstate(over="ignore", invalid="raise"):
            values = part(t)
        assert not np.isnan(values).any()
        if name not in ("exponential",):
            assert np.isfinite(values).all()


def test_the_table():
    table = fm.activations()
    text = str(table)
    for name in ("sigmoid", "relu", "gelu_tanh", "elu", "celu", "log_sigmoid", "power"):
        assert name in text
        assert name in table
    assert table["elu"].parameters == {"alpha": 1.0}
    assert str(fm.activation("RELU")) == "ReLU"
    assert fm.activation("hard-swish") == fm.activation("hardswish")
    written = [
        "LeakyReLU",
        "leakyrelu",
        "Leaky ReLU",
        "leaky-relu",
        "torch.nn.LeakyReLU",
        "nn.leaky_relu",
        "F.leaky_relu",
    ]
    assert {fm.activation(name, slope=0.25) for name in written} == {fm.leaky_relu(0.25)}
    for name in (
        "ReLU6",
        "HardTanh",
        "hard_sigmoid",
        "Tanh Shrink",
        "jax.nn.squareplus",
        "np.cos",
        "GELU_new",
    ):
        assert fm.activation(name).formula is not None
    assert fm.activation("swish", beta=2) == fm.activation("silu", beta=2.0) != fm.activation("silu")
    assert repr(fm.activation("elu", alpha=0.5)) == "elu(alpha=0.5)"
    assert hash(fm.activation("tanh")) == hash(fm.activation("tanh"))
    assert fm.activation("tanh") != "tanh"
    assert fm.activation("leaky_relu", slope=0.25) == fm.leaky_relu(0.25)
    assert fm.activation("piecewise_linear", s_plus=2.0, s_minus=1.0) == fm.PiecewiseLinear(2.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fm.activation("tahn"), "no activation is called 'tahn'; did you mean tanh"),
        (lambda: fm.activation("zzz"), "known are sigmoid, tanh"),
        # a word that is no library before the dot is not left out
        (lambda: fm.activation("gelu.tanh"), "no activation is called 'gelu.tanh'"),
        (lambda: fm.activation("torch.nn"), "no activation is called 'torch.nn'"),
        (lambda: fm.activation("hardtanh", min_val=2), r"hardtanh needs min_val < max_val, got 2.0, 1.0"),
        (lambda: fm.activation("elu", alpha=10**400), "alpha of elu must be a finite number, got 1000"),
        (lambda: fm.activation("tanh", alpha=1), "tanh has no parameter 'alpha'; it has: none"),
        (lambda: fm.activation("elu", alpha=0), "alpha of elu must be > 0, got 0"),
        (lambda: fm.activation("elu", alpha=math.nan), "alpha of elu must be a finite number, got nan"),
        (lambda: fm.activation("elu", alpha=True), "must be a finite number, got True"),
        (lambda: fm.activation("elu", alpha="1"), "must be a finite number, got '1'"),
        (lambda: fm.activation("power", n=2.5), "n of power must be a whole number from 2 to 50"),
        (lambda: Smooth(np.tanh, None, np.tanh), "first must be callable, got NoneType"),
        (lambda: Smooth(np.tanh, np.tanh, np.tanh, name=""), "name must be a word"),
        (lambda: Smooth(np.tanh, np.cos, np.sin), "first derivative of smooth is .* at t = -2.9731"),
        (lambda: Smooth(np.sin, np.cos, np.sin), "second derivative of smooth is"),
        (lambda: Smooth(lambda t: t * np.nan, np.cos, np.sin, "f"), "value of f is nan at t = -2.9731"),
        (lambda: Smooth(lambda t: t[:1], np.cos, np.sin, "f"), "must be elementwise"),
        (lambda: Smooth(lambda t: t.nothing(), np.cos, np.sin, "f"), "does not take float64 arrays"),
        (lambda: Smooth(math.sin, np.cos, np.sin, "f"), "does not take float64 arrays"),
        (lambda: Smooth.from_formula(["log", "t"]), "value of formula is nan"),
        (lambda: Smooth.from_formula("x"), "expected a rational 'p/q', got 'x'"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ActivationError, match=message):
        call()


@pytest.mark.parametrize(
    "formula",
    [
        ["add", "t"],
        ["foo", "t"],
        ["exp", "t", "t"],
        [],
        ["pow", "t", -1],
        ["pow", "t", True],
        ["pow", "t", 1001],
        ["if", "t", "t"],
        True,
        1.5,
        None,
        "1/0",
        "1e5",
        "--1",
        "1" * 3000,
        {"t": 1},
        [["t"], "t"],
        ["mul", "t", "т"],
    ],
)
def test_what_is_no_formula(formula):
    with pytest.raises(ActivationError):
        check(formula)


def test_formulas_are_bounded():
    deep = "t"
    for _ in range(60):
        deep = ["neg", deep]
    wide = ["add", "t", "t"]
    for _ in range(9):
        wide = ["add", wide, wide]
    with pytest.raises(ActivationError, match="a formula holds"):
        check(1 << 10_000)
    for formula in (deep, wide):
        with pytest.raises(ActivationError, match="at most 500 nodes"):
            check(formula)


@settings(max_examples=examples(60), deadline=None)
@given(
    p=st.lists(st.fractions(max_denominator=50), min_size=1, max_size=5),
    q=st.lists(st.fractions(max_denominator=50), min_size=1, max_size=4),
    t=st.fractions(max_denominator=20),
)
def test_polynomial_formulas_expand_exactly(p, q, t):
    class Exact:
        elementwise = False

        def constant(self, value):
            return value

    def formula(c):
        terms = [["mul", rational(a), ["pow", "t", k]] for k, a in enumerate(c)]
        total = terms[0]
        for term in terms[1:]:
            total = ["add", total, term]
        return total

    both = ["sub", ["mul", formula(p), formula(q)], ["div", ["neg", formula(q)], 3]]
    coefficients = polynomial(both)
    value = sum(c * t**k for k, c in enumerate(coefficients))
    assert value == evaluate(both, t, Exact())
    P, Q = (sum(c * t**k for k, c in enumerate(s)) for s in (p, q))
    assert value == P * Q + Q / 3
    assert polynomial(["exp", "t"]) is None
    assert polynomial(["div", "t", "t"]) is None
    assert polynomial("pi") is None


def test_functions_of_ones_own():
    h = Smooth(np.sin, np.cos, lambda t: -np.sin(t), name="mine")
    assert h == Smooth(np.sin, np.cos, h.second, name="mine")
    assert h != Smooth(np.sin, np.cos, lambda t: -np.sin(t), name="mine")
    assert h(np.float32([1.0])).dtype == np.float32
    assert h([1, 2]).dtype == np.float64
    # a kink is looked past: quotients do not settle there
    kinked = Smooth(lambda t: np.abs(t - 0.1571), lambda t: np.sign(t - 0.1571), lambda t: 0 * t)
    assert kinked.second(np.ones(2)).tolist() == [0, 0]
    made = Smooth.from_formula(["mul", "t", ["sin", "t"]], "wave")
    t = np.linspace(-3, 3, 50)
    np.testing.assert_allclose(made.first(t), np.sin(t) + t * np.cos(t), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(made.second(t), 2 * np.cos(t) - t * np.sin(t), rtol=1e-13, atol=1e-14)
    assert pickle.loads(pickle.dumps(made)) == made
    step = Smooth.from_formula(["if", ["sub", "t", 1], ["mul", "t", "t"], ["sub", ["mul", 2, "t"], 1]])
    assert step.value(np.array([0.0, 1.0, 3.0])).tolist() == [-1, 1, 9]
    assert step.second(np.array([0.0, 3.0])).tolist() == [0, 2]


NAMES = [*fm.activations()]


@pytest.mark.parametrize("name", NAMES)
def test_networks_predict_save_and_load(name, tmp_path):
    rng = np.random.default_rng(0)
    W1, b1, W2 = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=4)
    network = fm.OneHiddenLayer(W1, b1, W2, 0.5, name)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    expected = fm.activation(name)(X @ W1.T + b1) @ W2 + 0.5
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-12, atol=1e-12)
    data = fm.Dataset(X, y)
    assert network.risk(data) == pytest.approx(0.5 * ((expected - y) ** 2).sum(), rel=1e-12)
    network.save(tmp_path / "n.npz")
    again = fm.OneHiddenLayer.load(tmp_path / "n.npz")
    assert again == network
    assert np.array_equal(again.predict(X), network.predict(X))
    stored = np.load(tmp_path / "n.npz")
    assert int(stored["version"]) == (1 if isinstance(network.activation, fm.PiecewiseLinear) else 2)
    risks = fm.batched_risk(W1[None], b1[None], W2[None], np.array([0.5]), data, name)
    assert risks[0] == pytest.approx(network.risk(data), rel=1e-12)


def test_files_carry_the_formula(tmp_path):
    h = Smooth.from_formula(["mul", "t", ["sin", "t"]], "wave")
    network = fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, h)
    network.save(tmp_path / "n.npz")
    again = fm.OneHiddenLayer.load(tmp_path / "n.npz")
    assert again == network
    assert repr(again) == "OneHiddenLayer(1 inputs, 1 hidden units, wave)"
    # a known name with another formula is what the formula says
    false = Smooth.from_formula("t", "tanh")
    fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, false).save(tmp_path / "f.npz")
    assert fm.OneHiddenLayer.load(tmp_path / "f.npz").predict([[2.0]])[0] == 2.0
    own = fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, Smooth(np.sin, np.cos, lambda t: -np.sin(t), "mine"))
    with pytest.raises(NetworkError, match="mine has no file form: a function cannot be stored"):
        own.save(tmp_path / "o.npz")
    assert not (tmp_path / "o.npz").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"formula": "{"}, "damaged: the activation's formula or parameters cannot be read"),
        ({"formula": '["foo"]'}, "damaged: .* no such operation"),
        ({"formula": "[" * 100_000}, "damaged"),
        ({"formula": " " * 3_000_000}, "longer than a formula can be"),
        ({"parameters": "[1]"}, "cannot be read"),
        ({"formula": None}, "formula missing"),
        ({"activation": "sine"}, "unknown activation 'sine'"),
    ],
)
def test_damaged_files(change, message, tmp_path):
    fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, "tanh").save(tmp_path / "n.npz")
    fields = dict(np.load(tmp_path / "n.npz"))
    for key, value in change.items():
        if value is None:
            del fields[key]
        else:
            fields[key] = np.array(value)
    np.savez(tmp_path / "n.npz", **fields)
    with pytest.raises(ReadError, match=message):
        fm.OneHiddenLayer.load(tmp_path / "n.npz")


def test_stored_parameters_read_back_to_the_last_bit():
    h = fm.activation("elu", alpha=1 / 3)
    assert stored_activation(h.name, json.dumps(h.parameters), json.dumps(h.formula)) == h
    assert Fraction(h.formula[3][2][1]) == Fraction(1 / 3)


# ---- batched risk --------------------------------------------------------------------------------------------


@settings(max_examples=examples(30), deadline=None)
@given(
    m=st.integers(0, 40),
    dx=st.integers(1, 4),
    d1=st.integers(1, 5),
    K=st.integers(0, 9),
    single=st.booleans(),
    weighted=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_batched_risk_is_numpys(m, dx, d1, K, single, weighted, seed):
    rng = np.random.default_rng(seed)
    m = max(m, 1)
    X, y = rng.normal(size=(m, dx)), rng.normal(size=m)
    data = fm.Dataset(X, y, sample_weight=rng.random(m) + 0.1 if weighted else None)
    W1, b1, W2, b2 = (rng.normal(size=s) for s in ((K, d1, dx), (K, d1), (K, d1), K))
    risks = fm.batched_risk(W1, b1, W2, b2, data, "tanh", dtype="float32" if single else "float64")
    weight = np.ones(m) if data.sample_weight is None else data.sample_weight
    for k in range(K):
        e = np.tanh(X @ W1[k].T + b1[k]) @ W2[k] + b2[k] - y
        assert risks[k] == pytest.approx(
            0.5 * (weight * e * e).sum(), rel=1e-4 if single else 1e-12, abs=1e-6 if single else 0
        )
    # neighbours and threads change nothing
    again = fm.batched_risk(W1, b1, W2, b2, data, "tanh", dtype="float32" if single else "float64", workers=3)
    assert np.array_equal(risks, again)
    if K:
        alone = fm.batched_risk(
            W1[-1:], b1[-1:], W2[-1:], b2[-1:], data, "tanh", dtype="float32" if single else "float64"
        )
        assert alone[0] == risks[-1]


def test_batched_risk_in_blocks_and_its_errors():
    rng = np.random.default_rng(0)
    data = fm.Dataset(rng.normal(size=(5000, 3)), rng.normal(size=5000))
    parts = [rng.normal(size=s) for s in ((40, 16, 3), (40, 16), (40, 16), 40)]
    risks = fm.batched_risk(*parts, data, fm.activation("sine"), workers=2)
    for k in (0, 39):
        net = fm.OneHiddenLayer(*(p[k] for p in parts), "sine")
        assert risks[k] == pytest.approx(net.risk(data), rel=1e-12)
    with pytest.raises(ActivationError, match="wrap a function with"):
        fm.batched_risk(*parts, data, np.tanh)
    parts[1][3, 2] = np.nan
    with pytest.raises(NetworkError, match=r"b1\[3, 2\] is nan"):
        fm.batched_risk(*parts, data, "sine")
    parts[1][3, 2] = 1e4
    assert fm.batched_risk(*parts, data, "exponential")[3] == np.inf


# ---- torch ---------------------------------------------------------------------------------------------------


def test_torch_modules_map_onto_names():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    t = np.linspace(-4, 4, 101)
    modules = [
        nn.Sigmoid(), nn.Tanh(), nn.ELU(0.5), nn.SELU(), nn.CELU(2.0), nn.ReLU(), nn.LeakyReLU(0.2), nn.GELU(),
        nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.Softplus(2.0), nn.Softsign(), nn.Hardswish(),
        nn.LogSigmoid(), nn.Identity(),
    ]  # fmt: skip
    for module in modules:
        h = as_activation(module)
        expected = module(torch.tensor(t)).numpy()
        np.testing.assert_allclose(h(t), expected, rtol=1e-7 if "Soft" in str(module) else 1e-12, atol=1e-12)
    with pytest.raises(ActivationError, match=r"torch\.nn\.GLU has no counterpart here; known are CELU, ELU"):
        as_activation(nn.GLU())
    for name in NAMES:
        network = fm.OneHiddenLayer([[1.0, 2.0], [0.5, -1.0]], [0.1, -0.2], [1.0, -2.0], 0.5, name)
        X = np.random.default_rng(0).normal(size=(20, 2))
        outputs = network.to_torch()(torch.tensor(X, requires_grad=True))
        np.testing.assert_allclose(outputs.detach().numpy()[:, 0], network.predict(X), rtol=1e-12, atol=1e-12)
        outputs.sum().backward()
    assert "wave" in str(
        fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, Smooth.from_formula(["sin", "t"], "wave")).to_torch()
    )


def test_torch_modules_are_known_by_their_class(monkeypatch):
    class ELU:
        alpha = 0.5

    class GLU:
        pass

    for kind in (ELU, GLU):
        kind.__module__ = "torch.nn.modules.activation"
    assert as_activation(ELU()) == fm.activation("elu", alpha=0.5)
    with pytest.raises(ActivationError, match="GLU has no counterpart"):
        as_activation(GLU())
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    own = Smooth(np.sin, np.cos, lambda t: -np.sin(t), "mine")
    with pytest.raises(NetworkError, match="mine has no torch form"):
        fm.OneHiddenLayer([[1.0]], [0.0], [1.0], 0.0, own).to_torch()
