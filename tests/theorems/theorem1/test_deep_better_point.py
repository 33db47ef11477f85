"""Better networks of the widths of a deep minimum, against rational arithmetic that shares no code with them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import NetworkError, TooLargeError
from fastminima.theorems.theorem1 import certify_deep_loss
from fastminima.theorems.theorem1.certify_deep_loss import certify_deep_drop, used_units
from profiles import examples

# PyTorch's definitions
RATIONAL = {
    "relu": lambda t: max(t, Fraction(0)),
    "hardtanh": lambda t: min(max(t, Fraction(-1)), Fraction(1)),
    "relu6": lambda t: min(max(t, Fraction(0)), Fraction(6)),
    "softshrink": lambda t: (
        t - Fraction(1, 2) if t > 0.5 else t + Fraction(1, 2) if t < -0.5 else Fraction(0)
    ),
}


def exact_loss(network, h, data):
    total = Fraction(0)
    weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
    for x, y, w in zip(data.X.tolist(), data.Y.tolist(), weight.tolist(), strict=True):
        a = [Fraction(v) for v in x]
        for k, (W, b) in enumerate(network.layers):
            a = [
                sum((Fraction(p) * q for p, q in zip(row, a, strict=True)), Fraction(c))
                for row, c in zip(W.tolist(), b.tolist(), strict=True)
            ]
            a = [h(v) for v in a] if k < len(network.layers) - 1 else a
        total += Fraction(w) * sum((f - Fraction(t)) ** 2 for f, t in zip(a, y, strict=True)) / 2
    return total


@st.composite
def tables(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    m, dx, dy = draw(st.integers(1, 9)), draw(st.integers(0, 3)), draw(st.integers(1, 3))
    X = rng.integers(-3, 4, (m, dx)) * draw(st.sampled_from([1.0, 2.0**-400, 2.0**300]))
    if draw(st.booleans()):
        X[:] = X[rng.integers(0, m, m)]
    weight = rng.integers(0, 4, m) / 2 if draw(st.booleans()) else None
    weight = None if weight is None or not weight.any() else weight
    data = fm.Dataset(X, rng.integers(-3, 4, (m, dy)) / 2, sample_weight=weight)
    widths = tuple(int(w) for w in rng.integers(min(dx, dy) or 1, 4, draw(st.integers(1, 3))))
    return data, widths


@settings(max_examples=examples(40), deadline=None)
@given(tables(), st.sampled_from(sorted(RATIONAL)))
def test_what_is_called_better_is_better(table, name):
    data, widths = table
    low = fm.spurious_minimum(data, name, widths)
    better = fm.better_point(low)
    assert isinstance(better, fm.DeepBetterPoint)
    if low.status == "global":
        assert better.status in ("linearly_fittable", "no_better_point")
        assert better.network is None
        return
    # the theory says that one exists, and these tables are no harder than float64
    assert better or low.status == "undecided", (low.reason, better.reason)
    if better:
        assert better.network.widths == widths
        gained = low.fits.loss - exact_loss(better.network, RATIONAL[name], data)
        assert gained >= Fraction(better.drop_certified) > 0
        assert better.drop >= better.drop_certified
        assert better.loss < low.loss


def test_numbers_of_the_theory():
    linnerud = pytest.importorskip("sklearn.datasets").load_linnerud(return_X_y=True)
    data = fm.Dataset(*linnerud)
    better = fm.better_point(fm.spurious_minimum(data, "relu", (3,)))
    assert better.low.loss - better.loss > 4740.7347 - 3172.8723
    assert exact_loss(better.network, RATIONAL["relu"], data) < Fraction(31728723, 10_000)
    x = np.arange(-2.0, 3.0)[:, None]
    for name in ("relu", "elu", "hardtanh"):
        # the least-squares fit of y = x^3 is the global minimum of one unit
        assert not fm.better_point(fm.spurious_minimum((x, x[:, 0] ** 3), name, (1,)))
        assert fm.better_point(fm.spurious_minimum((x, x[:, 0] ** 3), name, (2, 1)))


@pytest.mark.parametrize("name", ["elu", "celu", "selu", "hardswish"])
@pytest.mark.parametrize("widths", [(2, 1, 1), (1, 2), (4, 4)])
def test_balls_prove_curved_activations(name, widths):
    diabetes = fm.load_demo("diabetes")
    better = fm.better_point(fm.spurious_minimum(diabetes, name, widths))
    assert better.certificate == "balls"
    assert better.drop_certified > 0.005 * better.low.loss
    assert better.network.risk(diabetes) == pytest.approx(better.loss)
    assert better.low.loss - better.loss == pytest.approx(better.drop_certified, rel=1e-9)
    assert "strictly better point" in str(better)


def test_the_three_ways_agree(monkeypatch):
    rng = np.random.default_rng(5)
    data = fm.Dataset(rng.standard_normal((30, 3)), rng.standard_normal((30, 2)))
    for name in RATIONAL:
        better = fm.better_point(fm.spurious_minimum(data, name, (4, 3)))
        layers, h, best = better.network.layers, better.network.activations[0], better.low.fits.loss
        truth = best - exact_loss(better.network, RATIONAL[name], data)
        first = certify_deep_drop(layers, h, data, best)
        assert first.method == "float"
        assert 0 < Fraction(first.lower) <= truth <= Fraction(first.upper)
        monkeypatch.setattr(certify_deep_loss, "_float_bound", lambda *_: float("inf"))
        second = certify_deep_drop(layers, h, data, best)
        assert second.method == "exact"
        assert Fraction(second.lower) <= truth <= Fraction(second.upper)
        assert second.upper - second.lower <= 1e-15 * second.upper
        monkeypatch.setattr(certify_deep_loss, "lines_of", lambda _: None)
        third = certify_deep_drop(layers, h, data, best)
        assert third.method == "balls"
        assert Fraction(third.lower) <= truth <= Fraction(third.upper)
        # what is no improvement is not called one
        assert not certify_deep_drop(layers, h, data, best - truth).better
        monkeypatch.undo()


def test_idle_units_are_left_out_and_large_tables_are_refused(monkeypatch):
    data = fm.load_demo("diabetes")
    better = fm.better_point(fm.spurious_minimum(data, "relu", (16, 16)))
    kept = used_units(better.network.layers)
    assert len(kept[0][1]) == 2
    assert np.allclose(fm.DeepNetwork(kept, "relu").predict(data.X), better.network.predict(data))
    monkeypatch.setattr(certify_deep_loss, "_EXACT_WORK", 10)
    with pytest.raises(TooLargeError, match="minutes"):
        certify_deep_drop(kept, fm.relu, data, Fraction(0))


def test_without_a_minimum():
    rng = np.random.default_rng(1)
    data = fm.Dataset(rng.integers(-3, 4, (12, 3)), rng.integers(-3, 4, (12, 3)))
    for low in (fm.spurious_minimum(data, "relu", (4, 2)), fm.spurious_minimum(data, "gelu", (4, 4))):
        better = fm.better_point(low)
        assert (str(better.status), better.network) == ("undecided", None)
        assert low.reason in better.reason
    with pytest.raises(NetworkError, match="DeepMinimum"):
        fm.better_point(data)
