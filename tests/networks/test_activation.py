"""h_{s+,s-} of theorem 1 and what it refuses."""

from __future__ import annotations

import math
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastminima as fm
from fastminima.networks.activations.activation_protocol import Activation

slopes = st.tuples(st.floats(1e-3, 1e3), st.floats(0.0, 1e3)).filter(lambda s: s[0] != s[1])


@given(slopes, st.floats(-1e6, 1e6))
def test_h_is_the_papers(pair, t):
    s_plus, s_minus = pair
    h = fm.PiecewiseLinear(s_plus, s_minus)
    assert float(h(t)) == max(s_plus * t, 0.0) + min(s_minus * t, 0.0)
    # positively homogeneous up to rounding, and a t + c |t|
    a, c = (Fraction(s_plus) + Fraction(s_minus)) / 2, (Fraction(s_plus) - Fraction(s_minus)) / 2
    exact = a * Fraction(t) + c * abs(Fraction(t))
    assert abs(Fraction(float(h(t))) - exact) <= abs(exact) * Fraction(2) ** -52


@given(slopes)
def test_kappa_is_the_quotient_of_the_slopes(pair):
    h = fm.PiecewiseLinear(*pair)
    exact = (Fraction(pair[0]) - Fraction(pair[1])) / (Fraction(pair[0]) + Fraction(pair[1]))
    assert abs(Fraction(h.kappa) - exact) <= abs(exact) * Fraction(2) ** -50
    assert -1 < h.kappa <= 1


@pytest.mark.parametrize(
    "pair",
    [(5e-324, 0.0), (1e308, 1.7e308), (1.7e308, 1e308), (1.0, math.nextafter(1.0, 0.0)), (1e-320, 2e-320)],
)
def test_slopes_at_the_ends_of_float64_are_valid(pair):
    kappa = fm.PiecewiseLinear(*pair).kappa
    exact = (Fraction(pair[0]) - Fraction(pair[1])) / (Fraction(pair[0]) + Fraction(pair[1]))
    assert kappa == pytest.approx(float(exact), rel=1e-15)


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        ((1.0, 1.0), "linear"),
        ((0.0, 1.0), "s_plus"),
        ((-1.0, 0.0), "s_plus"),
        ((1.0, -0.5), "s_minus"),
        ((math.nan, 0.0), "s_plus"),
        ((1.0, math.inf), "s_minus"),
        (("x", 0.0), "s_plus"),
        ((1.0, None), "s_minus"),
        ((2**60 + 1, 0.0), "float64"),
        ((10**400, 0.0), "s_plus"),
        (("1", 0.0), "s_plus"),
        ((1.0, Decimal("0.1")), "0.1"),
        ((Fraction(1, 3), 0.0), "float64"),
    ],
)
def test_bad_slopes_are_named(pair, word):
    with pytest.raises(ValueError, match=word):
        fm.PiecewiseLinear(*pair)


def test_named_instances_print_compare_and_keep_dtypes():
    assert fm.relu == fm.PiecewiseLinear(1.0, 0.0) == fm.PiecewiseLinear(1, -0.0)
    assert str(fm.relu) == "ReLU"
    assert str(fm.leaky_relu(0.1)) == "LeakyReLU(0.1)"
    assert str(fm.PiecewiseLinear(2.0, 3.0)) == "PiecewiseLinear(2, 3)"
    assert str(fm.leaky_relu(1 - 2.0**-53)) == "LeakyReLU(0.9999999999999999)"
    assert fm.PiecewiseLinear(Fraction(1, 2), Decimal("0.25")) == fm.PiecewiseLinear(0.5, 0.25)
    assert hash(fm.relu) == hash(fm.PiecewiseLinear(1.0, 0.0))
    assert pickle.loads(pickle.dumps(fm.relu)) == fm.relu
    assert fm.relu(np.float32([-1, 2])).dtype == np.float32
    assert fm.relu([[-1, 2]]).tolist() == [[0.0, 2.0]]
    with pytest.raises(AttributeError):
        fm.relu.s_plus = 2.0


@pytest.mark.parametrize(
    ("name", "parameters", "h"),
    [
        ("relu", {}, fm.relu),
        ("leaky_relu", {"slope": 0.3}, fm.PiecewiseLinear(1.0, 0.3)),
        ("piecewise_linear", {"s_plus": 2.0, "s_minus": 0.0}, fm.PiecewiseLinear(2.0, 0.0)),
    ],
)
def test_a_name_is_the_one_in_the_table(name, parameters, h):
    assert h.name == name
    assert fm.activation(name, **parameters) == h


@pytest.mark.parametrize("name", list(fm.activations()))
def test_every_known_activation_has_what_theorems_ask_of_one(name):
    h, t = fm.activation(name), np.array([-1.5, 0.5])
    for part in (h, h.value, h.first, h.second):
        assert np.shape(part(t)) == t.shape
    # a PReLU with one slope is a leaky ReLU, and its name says so
    assert h.name == ("relu" if h == fm.relu else "leaky_relu" if name == "prelu" else name)
    assert h.formula is not None
    assert {key for key in vars(Activation) if not key.startswith("_")} <= set(dir(h))
