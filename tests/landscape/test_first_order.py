"""What the float pass says is what the exact sums say, and it says it without them."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.landscape.decide import evidence as parts
from fastminima.landscape.decide.evidence import Evidence
from fastminima.landscape.decide.first_order import first_order
from fastminima.landscape.decide.zonotope import Escaping
from profiles import examples


@settings(max_examples=examples(150), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=st.booleans(),
    slopes=st.sampled_from([(1.0, 0.0), (1.0, 0.25), (0.5, 2.0)]),
)
def test_what_the_float_pass_proves_holds_exactly(seed, grid, slopes):
    rng = np.random.default_rng(seed)
    m, dx, d1 = rng.integers(1, 9), rng.integers(1, 3), rng.integers(1, 4)

    def some(*shape):
        # on a grid: equal inputs, boundaries, units that are off
        return rng.integers(-2, 3, shape) / 2 if grid else rng.standard_normal(shape)

    weight = rng.integers(1, 4, m) if rng.random() < 0.5 else None
    data = fm.Dataset(some(m, dx), some(m), sample_weight=weight)
    network = fm.OneHiddenLayer(some(d1, dx), some(d1), some(d1), 0.5, fm.PiecewiseLinear(*slopes))
    found, exact = first_order(network, data), Evidence(network, data)
    v = fm.decide(network, data)
    assert v.verdict == exact.verdict[0]
    assert not found.bias or exact.sums.total
    assert all(isinstance(exact.units[k], Escaping) for k in found.units)
    assert not found or v.verdict == "not_a_minimum"
    if not grid:
        # off a grid every rate is far from its bound
        assert v.reason == exact.verdict[1]
    if v.verdict == "not_a_minimum":
        assert v.escape.drop > 0
    assert (v.exact_risk, v.units, v.kinks, v.off_units) == (
        exact.risk,
        exact.units,
        exact.kinks,
        exact.off_units,
    )


def trained(m=60, dx=3, d1=4):
    rng = np.random.default_rng(3)
    data = fm.Dataset(rng.standard_normal((m, dx)), rng.standard_normal(m))
    return fm.OneHiddenLayer(*(rng.standard_normal(s) for s in ((d1, dx), d1, d1)), 0.0, fm.relu), data


def test_a_refutation_needs_no_exact_sums(monkeypatch):
    network, data = trained()

    def refuse(*_):
        raise AssertionError("an exact pass")

    with monkeypatch.context() as patch:
        patch.setattr(parts, "Stationarity", refuse)
        v = fm.decide(network, data)
        assert v.verdict == "not_a_minimum"
        assert not v
        assert v.reason.startswith(
            "the risk falls to first order along the output bias: sum of residuals not 0, unit 0"
        )
        shown = repr(v)
        assert shown.startswith("Decision(not_a_minimum: the risk falls")
        assert "Escape" not in shown
    # what is asked for is computed then, exactly, once
    assert repr(v.escape) in repr(v)
    assert v.escape is v.escape
    assert v.risk == pytest.approx(network.risk(data), rel=1e-12)
    assert shown.split("risk ")[-1].split(",")[0].rstrip(")") == f"{v.risk:.6g}"
    assert pickle.loads(pickle.dumps(v)).escape.drop == v.escape.drop


def test_a_rounded_minimum_is_refuted_by_the_float_pass():
    network, data = trained()
    p = fm.polish(network, data)
    found = first_order(p.network, data)
    assert found
    # its rates are rounding errors of float64 about 0: far below what plain float64 sums can tell
    assert abs(found.gradient[-1, -1]) < 1e-12
    assert fm.decide(p.exact, data)


def test_exact_data_that_float64_rounds_are_taken_as_they_are():
    # tenths: residuals that vanish exactly, and not in float64
    tenths = [Fraction(k, 10) for k in (1, 2, 3, 7)]
    data = fm.Dataset([[x] for x in tenths], [3 * x for x in tenths])
    assert data.exact is not None
    network = fm.OneHiddenLayer([[3.0]], [0.0], [1.0], 0.0, fm.relu)
    plain = fm.Dataset(data.X, data.y)
    assert first_order(network, plain)
    assert not first_order(network, data)
    assert fm.decide(network, data)
    assert not fm.decide(network, plain)
    # what is far from 0 is proved all the same
    assert first_order(fm.OneHiddenLayer([[3.0]], [0.5], [1.0], 0.0, fm.relu), data).units == (0,)
