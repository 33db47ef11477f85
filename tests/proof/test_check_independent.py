"""What the checker accepts, confirmed by SymPy and mpmath, without the library and without the checker's code."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction as F
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import iv, mp

import fastminima as fm
from certificates_by_hand import CUBE, Case, all_cases, case, cube, network, text_of
from fastminima.proof import check as checker
from precision import decimal_digits
from profiles import examples
from test_check_intervals import assert_encloses, derivatives

CASES = all_cases()
HAIR = F(1, 10**40)
working_digits = decimal_digits(100)


def accepted(made: Case) -> bool:
    return bool(checker.check(made.text, made.read))


# ---- theorem 1 by SymPy --------------------------------------------------------------------------------------------


def rational(value: Any) -> F:
    return F(int(value.p), int(value.q))


def statements(
    rows: list[list[Any]], weighted: bool, slopes: list[int], point: dict[str, Any]
) -> dict[str, Any]:
    """Least squares, J and the risk of a network, from matrices of SymPy."""
    dx = len(rows[0]) - 1 - weighted
    X = sympy.Matrix([[*map(sympy.Rational, row[:dx]), 1] for row in rows])
    y = sympy.Matrix([sympy.Rational(row[dx]) for row in rows])
    W = sympy.diag(*(sympy.Rational(row[-1]) if weighted else 1 for row in rows))
    solution, parameters = (X.T * W * X).gauss_jordan_solve(X.T * W * y)
    fit = solution.subs({symbol: 0 for symbol in parameters})
    residual = X * fit - y
    s_plus, s_minus = slopes
    outputs = []
    for i in range(X.rows):
        total = sympy.Rational(point["b2"])
        for w, b, v in zip(point["W1"], point["b1"], point["W2"], strict=True):
            z = sum((sympy.Rational(a) * X[i, j] for j, a in enumerate(w)), sympy.Rational(b))
            total += sympy.Rational(v) * sympy.Piecewise((s_plus * z, z >= 0), (s_minus * z, True))
        outputs.append(total)
    error = sympy.Matrix(outputs) - y
    fitted, members, S = list(X * fit), [], sympy.Integer(0)
    order = sorted(range(X.rows), key=lambda i: fitted[i])
    for n, i in enumerate(order[:-1], 1):
        S += W[i, i] * residual[i]
        if S != 0 and fitted[i] < fitted[order[n]]:
            members.append(n)
    return {
        "fit": [rational(v) for v in fit],
        "risk": rational((residual.T * W * residual)[0] / 2),
        "J": members,
        "network risk": rational((error.T * W * error)[0] / 2),
    }


small = st.integers(-3, 3)


@st.composite
def problems(draw: Any) -> tuple[list[list[Any]], bool, list[int], dict[str, Any]]:
    m, dx, weighted, width = (
        draw(st.integers(1, 6)),
        draw(st.integers(0, 2)),
        draw(st.booleans()),
        draw(st.integers(1, 3)),
    )
    scale = draw(st.sampled_from([1, 3, 64]))
    rows = [
        [F(draw(small), scale) for _ in range(dx + 1)] + [F(draw(st.integers(1, 4)))] * weighted
        for _ in range(m)
    ]
    if scale != 3:
        rows = [[float(v) for v in row] for row in rows]
    slopes = draw(st.sampled_from([[1, 0], [1, 2], [3, 1]]))
    W1 = [[draw(small) for _ in range(dx)] for _ in range(width)]
    return (
        rows,
        weighted,
        slopes,
        network(W1, [draw(small) for _ in W1], [draw(small) for _ in W1], draw(small)),
    )


@settings(max_examples=examples(40))
@given(problems())
def test_least_squares_risks_and_j_agree_with_sympy(problem):
    rows, weighted, slopes, point = problem
    found = statements(*problem)
    dx = len(rows[0]) - 1 - weighted
    fit = {
        "claim": "least squares",
        "coef": text_of(found["fit"][:dx]),
        "intercept": text_of(found["fit"][dx]),
        "risk": text_of(found["risk"]),
    }

    def judged(*claims: dict[str, Any]) -> bool:
        return accepted(case(1, rows, (dx, 1, weighted), text_of(slopes), [fit, *claims]))

    assert judged()
    assert judged({"claim": "set J", "positions": found["J"]})
    assert not judged({"claim": "set J", "positions": [*found["J"], len(rows)]})
    assert judged({"claim": "linearly fittable"}) == (found["risk"] == 0)
    drop = found["risk"] - found["network risk"]
    assert judged({"claim": "lower risk", "network": point, "drop": text_of(drop)}) == (drop > 0)
    assert not judged({"claim": "lower risk", "network": point, "drop": text_of(drop + HAIR)})
    # the distance to the nearest boundary, by SymPy
    distances = [
        (
            sum(
                (sympy.Rational(a) * sympy.Rational(v) for a, v in zip(w, row[:dx], strict=True)),
                sympy.Rational(b),
            )
        )
        / sympy.sqrt(1 + sum(sympy.Rational(v) ** 2 for v in row[:dx]))
        for w, b in zip(point["W1"], point["b1"], strict=True)
        for row in rows
    ]
    nearest = min(distances, key=lambda d: d.evalf(60))
    low = F(str(nearest.evalf(50))) - HAIR
    for radius in (low, low + 2 * HAIR):
        claim = {
            "claim": "no lower risk within",
            "network": point,
            "radius": text_of(radius),
            "excess": text_of(-drop),
        }
        assert judged(claim) == (radius == low and low > 0)
        claim["excess"] = text_of(-drop - HAIR)
        assert not judged(claim)


# ---- activations by mpmath -----------------------------------------------------------------------------------------


def logistic(t: Any) -> Any:
    return 1 / (1 + mp.exp(-t))


SELU = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

BY_HAND = {
    "sigmoid": logistic,
    "tanh": lambda t: mp.tanh(t),
    "arctan": lambda t: mp.atan(t),
    "quadratic": lambda t: t * t,
    "cube": lambda t: t**3,
    "power": lambda t: t**4,
    "elu": lambda t: t if t > 0 else mp.expm1(t),
    "selu": lambda t: SELU[1] * (t if t > 0 else SELU[0] * mp.expm1(t)),
    "celu": lambda t: t if t > 0 else mp.expm1(t),
    "softplus": lambda t: mp.log1p(mp.exp(t)),
    "gelu": lambda t: t * (1 + mp.erf(t / mp.sqrt(2))) / 2,
    "gelu_tanh": lambda t: t / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (t + mp.mpf(44715) / 1000000 * t**3))),
    "silu": lambda t: t * logistic(t),
    "mish": lambda t: t * mp.tanh(mp.log1p(mp.exp(t))),
    "sine": lambda t: mp.sin(t),
    "erf": lambda t: mp.erf(t),
    "softsign": lambda t: t / (1 + abs(t)),
    "gaussian": lambda t: mp.exp(-t * t / 2),
    "hardswish": lambda t: t * min(max(t + 3, 0), 6) / 6,
    "exponential": lambda t: mp.exp(t),
    "log_sigmoid": lambda t: -mp.log1p(mp.exp(-t)),
    "identity": lambda t: t,
    "cosine": lambda t: mp.cos(t),
    "hardshrink": lambda t: t if abs(t) > 0.5 else mp.mpf(0),
    "softshrink": lambda t: mp.sign(t) * max(abs(t) - 0.5, mp.mpf(0)),
    "tanhshrink": lambda t: t - mp.tanh(t),
    "hardsigmoid": lambda t: min(max(t / 6 + mp.mpf(1) / 2, mp.mpf(0)), mp.mpf(1)),
    "hardtanh": lambda t: min(max(t, mp.mpf(-1)), mp.mpf(1)),
    "relu6": lambda t: min(max(t, mp.mpf(0)), mp.mpf(6)),
    "relu_squared": lambda t: max(t, mp.mpf(0)) ** 2,
    "threshold": lambda t: max(t, mp.mpf(0)),
    "quick_gelu": lambda t: t * logistic(mp.mpf(1.702) * t),
    "snake": lambda t: t + mp.sin(t) ** 2,
    "squareplus": lambda t: (t + mp.sqrt(t * t + 4)) / 2,
    "softplus_cut": lambda t: t if t > 20 else mp.log1p(mp.exp(t)),
}


def test_every_named_activation_is_covered():
    assert set(BY_HAND) | {"relu", "leaky_relu", "prelu", "piecewise_linear"} == set(fm.activations())


@pytest.mark.parametrize("name", BY_HAND)
def test_enclosures_of_the_named_activations(name):
    h, rng = BY_HAND[name], random.Random(name)
    formula = json.loads(json.dumps(fm.activation(name).formula))
    for _ in range(examples(4)):
        t = F(rng.randrange(-(2**20), 2**20) * 2 + 1, 2**18)
        assert_encloses(
            checker.jet(formula, checker.interval(t)), derivatives(h, t), mp.mpf(10) ** -35, mp.mpf(10) ** -45
        )
        width = F(rng.randrange(1, 64), 128)
        try:
            window = checker.jet(formula, checker.interval(t, t + width))
        except checker.Reject as error:
            assert "two pieces" in str(error)  # noqa: PT017
            continue
        for part in range(5):
            assert_encloses(window, derivatives(h, t + width * part / 4), mp.mpf(10) ** -35)


# ---- theorem 2 by mpmath -------------------------------------------------------------------------------------------


def risk(h: Any, point: tuple[Any, Any, Any, Any]) -> Any:
    W1, b1, W2, b2 = point
    total = mp.mpf(0)
    for x, y in (((1, 0), 0), ((0, 1), 0), ((mp.mpf(1) / 2, mp.mpf(1) / 2), 1)):
        output = b2 + sum(v * h(w[0] * x[0] + w[1] * x[1] + b) for w, b, v in zip(W1, b1, W2, strict=True))
        total += (output - y) ** 2 / 2
    return total


def numbers(words: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    def real(word: Any) -> Any:
        return (
            [real(part) for part in word]
            if isinstance(word, list)
            else mp.mpf(F(word).numerator) / F(word).denominator
        )

    return tuple(real(words[name]) for name in ("W1", "b1", "W2", "b2"))  # type: ignore[return-value]


THEOREM2 = {
    "cube": lambda t: t**3,
    "relu": lambda t: max(t, 0),
    "exponential": lambda t: mp.expm1(t),
}


@pytest.mark.parametrize("name", THEOREM2)
def test_risks_and_radii_of_theorem_2(name):
    h, (low, zero) = THEOREM2[name], CASES[name].words["claims"]
    point = numbers(low["network"])
    assert (
        abs(risk(h, point) - mp.mpf(1) / 3)
        <= mp.mpf(F(low["excess"]).numerator) / F(low["excess"]).denominator
    )
    if name != "exponential":
        assert risk(h, numbers(zero["network"])) < mp.mpf(10) ** -50
    # points of the ball, its surface most of all: none is below 1/3
    R, rng = float(F(low["radius"])), random.Random(name)
    for _ in range(examples(300)):
        shift = [rng.gauss(0, 1) for _ in range(4 * len(point[2]))]
        length = math.sqrt(sum(s * s for s in shift)) / (R * rng.choice([1.0, 1.0, rng.random(), 0.01]))
        parts = iter(s / length for s in shift)
        W1 = [[v + next(parts) for v in w] for w in point[0]]
        moved = W1, [b + next(parts) for b in point[1]], [v + next(parts) for v in point[2]]
        # the output bias that is best for these
        outputs = [
            sum(v * h(w[0] * x + w[1] * (1 - x) + b) for w, b, v in zip(*moved, strict=True)) for x in (1, 0)
        ]
        middle = sum(v * h((w[0] + w[1]) / 2 + b) for w, b, v in zip(*moved, strict=True))
        best = (1 - sum(outputs) - middle) / 3
        assert risk(h, (*moved, best)) >= mp.mpf(1) / 3 - mp.mpf(10) ** -50


def test_the_mixed_case_by_interval_arithmetic_of_mpmath():
    """t^3 at 1 and -3: |k| + 3 U_1 h'^2/h'' <= 3 U_2 h'^2/|h''| on the whole ball, each unit at its worst."""
    R = F(cube().words["claims"][0]["radius"])
    norm = iv.sqrt(iv.mpf(2))
    reach = iv.mpf([-1, 1]) * norm * (iv.mpf(R.numerator) / R.denominator)
    radius = iv.mpf([-1, 1]) * (iv.mpf(R.numerator) / R.denominator)
    rising, falling = 1 + reach, -3 + reach
    M = 3 * (iv.mpf(1) / 10 + radius) * (3 * rising**2) ** 2 / (6 * rising)
    m = 3 * (1 + radius) * (3 * falling**2) ** 2 / abs(6 * falling)
    assert 1 + M.b <= m.a
    assert accepted(cube())
    # and where it fails, by a wide margin, the checker refuses
    wide = cube()
    wide.words["claims"][0]["network"] = network(
        [[1, 1], [F(-1, 2)] * 2], [0, 0], [F(1, 10), 1], F(1, 3) - F(1, 10) + F(1, 8)
    )
    point = numbers(wide.words["claims"][0]["network"])
    found = [
        risk(
            lambda t: t**3,
            ([[1, 1], [-0.5 + s, -0.5 - s]], point[1], point[2], point[3] - 2 * (-0.5) * s * s),
        )
        for s in (0.05, 0.1)
    ]
    assert min(found) < mp.mpf(1) / 3
    assert not accepted(wide)
    assert wide.words["setting"] == CUBE


@pytest.mark.parametrize("name", ["cube", "relu", "exponential"])
def test_networks_of_risk_0_by_mpmath(name):
    """The output weights that a linear solver finds for the hidden rows of the certificate fit the three samples."""
    made = CASES[name]
    h = {"cube": lambda t: t**3, "relu": lambda t: max(t, mp.mpf(0)), "exponential": mp.expm1}[name]
    net = made.words["claims"][1]["network"]

    def exactly(text):
        return mp.mpf(F(text).numerator) / F(text).denominator

    hidden = mp.matrix(3, 3)
    for i, (*x, _) in enumerate(made.rows):
        for k in range(2):
            hidden[i, k] = h(
                sum(exactly(w) * c for w, c in zip(net["W1"][k], x, strict=True)) + exactly(net["b1"][k])
            )
        hidden[i, 2] = 1
    targets = mp.matrix([y for *_, y in made.rows])
    found = mp.lu_solve(hidden, targets)
    assert mp.norm(hidden * found - targets) < mp.mpf(10) ** -40
    assert accepted(made)
