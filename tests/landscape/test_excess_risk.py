"""The difference of the risks of two networks, without cancellation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
import oracle
from fastminima.landscape.excess_risk import excess_risk
from probed import case
from profiles import examples
from strategies import activations, tables


def pairs(network, rng):
    """Neighbours an ulp apart up to strangers."""
    for radius in (0.0, 1e-12, 1e-3, 5.0):
        parts = [np.asarray(v, dtype=float) for v in network.parameters()]
        if radius == 0.0:
            parts = [np.nextafter(v, rng.choice([-1e9, 1e9], v.shape)) for v in parts]
        else:
            parts = [v + radius * rng.normal(size=v.shape) for v in parts]
        yield fm.OneHiddenLayer(*parts[:3], float(parts[3]), network.activation)


@settings(max_examples=examples(60))
@given(tables(), activations, st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_excess_risk_is_right_to_1e_13_also_an_ulp_apart(table, activation, seed, kind):
    X, y, weight = table
    data = fm.Dataset(X, y, sample_weight=weight)
    rng = np.random.default_rng(seed)
    if kind == 0:
        network = fm.spurious_minimum(data, activation).network
    else:
        W1 = rng.integers(-2, 3, (2, X.shape[1])) * (1.0 if kind == 1 else rng.normal())
        network = fm.OneHiddenLayer(W1, rng.integers(-1, 2, 2), rng.normal(size=2), 0.3, activation)
    for other in pairs(network, rng):
        want = oracle.network_risk(other, data.X, data.y, data.sample_weight) - oracle.network_risk(
            network, data.X, data.y, data.sample_weight
        )
        assert abs(Fraction(excess_risk(network, other, data)) - want) <= Fraction(1e-13) * abs(want)
    assert excess_risk(network, network, data) == 0.0


def test_excess_risk_of_different_widths_and_slopes_and_beyond_float64():
    network, data = case(m=12)
    wide, _ = case(3, d1=3, activation=fm.leaky_relu(0.2))
    wider, _ = case(3, d1=3)
    for a, b in ((network, wide), (network, wider), (wide, network)):
        want = oracle.network_risk(b, data.X, data.y) - oracle.network_risk(a, data.X, data.y)
        assert excess_risk(a, b, data) == pytest.approx(float(want), rel=1e-13)
    huge = fm.OneHiddenLayer(1e200 * network.W1, network.b1, 1e200 * network.W2, 0.0, network.activation)
    assert excess_risk(network, huge, data) == math.inf
    assert excess_risk(huge, network, data) == -math.inf
    # both risks overflow, and their difference is 0
    assert excess_risk(huge, huge, data) == 0.0
