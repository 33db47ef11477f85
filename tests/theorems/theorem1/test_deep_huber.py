"""Bad minima under Huber loss, against rational arithmetic that shares no code with them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import LossError
from fastminima.losses.pointwise import LogCosh, Squared
from fastminima.theorems.theorem1.huber_fit import HuberFits
from profiles import examples

# PyTorch's definitions
RATIONAL = {
    "relu": lambda t: max(t, Fraction(0)),
    "hardtanh": lambda t: min(max(t, Fraction(-1)), Fraction(1)),
    "relu6": lambda t: min(max(t, Fraction(0)), Fraction(6)),
    "leaky_relu": lambda t: t if t > 0 else t * Fraction(0.01),
}


def huber(e, delta):
    size = abs(e)
    return e * e / 2 if size <= delta else delta * (size - delta / 2)


class Exactly:
    """A dataset and a loss of one entry, in rationals."""

    def __init__(self, data, delta):
        self.X = [[Fraction(v) for v in row] for row in data.X.tolist()]
        self.Y = [[Fraction(v) for v in row] for row in data.Y.tolist()]
        weight = np.ones(len(self.X)) if data.sample_weight is None else data.sample_weight
        self.w, self.delta = [Fraction(v) for v in weight.tolist()], Fraction(delta)

    def loss(self, layers, h):
        total = Fraction(0)
        for x, y, w in zip(self.X, self.Y, self.w, strict=True):
            a = x
            for k, (W, b) in enumerate(layers):
                a = [
                    sum((p * q for p, q in zip(row, a, strict=True)), c) for row, c in zip(W, b, strict=True)
                ]
                a = [h(v) for v in a] if k < len(layers) - 1 else a
            total += w * sum(huber(f - t, self.delta) for f, t in zip(a, y, strict=True))
        return total

    def least(self, fits):
        """The least loss of an affine map: clipped residuals of the given one are orthogonal to (1, x)."""
        total = Fraction(0)
        for k, (c, row) in enumerate(zip(fits.intercepts, fits.slopes, strict=True)):
            r = [
                c + sum((a * b for a, b in zip(row, x, strict=True)), Fraction(0)) - y[k]
                for x, y in zip(self.X, self.Y, strict=True)
            ]
            g = [w * min(max(e, -self.delta), self.delta) for w, e in zip(self.w, r, strict=True)]
            for column in zip(*([1, *x] for x in self.X), strict=True):
                assert sum((v * e for v, e in zip(column, g, strict=True)), Fraction(0)) == 0
            total += sum((w * huber(e, self.delta) for w, e in zip(self.w, r, strict=True)), Fraction(0))
        return total


def exact_layers(network):
    return [
        ([[Fraction(v) for v in row] for row in W.tolist()], [Fraction(v) for v in b.tolist()])
        for W, b in network.layers
    ]


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    m, dx, dy = draw(st.integers(1, 9)), draw(st.integers(0, 3)), draw(st.integers(1, 3))
    X = rng.integers(-3, 4, (m, dx)) * draw(st.sampled_from([1.0, 2.0**-300, 100.0]))
    if draw(st.booleans()):
        X[:] = X[rng.integers(0, m, m)]
    weight = rng.integers(0, 4, m) / 2 if draw(st.booleans()) else None
    weight = None if weight is None or not weight.any() else weight
    data = fm.Dataset(X, rng.integers(-4, 5, (m, dy)) / 2, sample_weight=weight)
    widths = tuple(int(w) for w in rng.integers(min(dx, dy) or 1, 4, draw(st.integers(1, 3))))
    return (
        data,
        draw(st.sampled_from([0.01, 0.5, 1.0, 1.3, 10.0])),
        widths,
        draw(st.sampled_from(sorted(RATIONAL))),
        rng,
    )


@settings(max_examples=examples(30), deadline=None)
@given(cases())
def test_nothing_within_the_radius_is_lower_and_better_is_lower(case):
    data, delta, widths, name, rng = case
    low = fm.spurious_minimum(data, name, widths, loss=fm.Huber(delta))
    exact, h = Exactly(data, delta), RATIONAL[name]
    best = exact.least(low.fits)
    assert low.fits.loss == best
    layers = exact_layers(low.network)
    loss = exact.loss(layers, h)
    assert 0 <= loss - best <= Fraction(low.excess) <= 1e-20 * max(1.0, float(best))
    assert (
        float(loss) == low.loss == pytest.approx(low.network.loss(data, low.objective), rel=1e-9, abs=1e-12)
    )
    for _ in range(4):
        moves = [
            (rng.standard_normal(W.shape), rng.standard_normal(b.shape)) for W, b in low.network.layers[:-1]
        ]
        norm = math.sqrt(sum((a * a).sum() + (b * b).sum() for a, b in moves))
        length = low.radius / norm * (1.0 - 1e-9)
        hidden = [
            (
                [
                    [v + Fraction(length * d) for v, d in zip(row, move, strict=True)]
                    for row, move in zip(W, dW.tolist(), strict=True)
                ],
                [v + Fraction(length * d) for v, d in zip(b, db.tolist(), strict=True)],
            )
            for (W, b), (dW, db) in zip(layers, moves, strict=False)
        ]
        W, b = layers[-1]
        shaken = [[v + Fraction(float(rng.standard_normal())) for v in row] for row in W]
        assert exact.loss([*hidden, (shaken, b)], h) >= best
        assert exact.loss([*hidden, layers[-1]], h) >= best
    better = fm.better_point(low)
    if low.status == "global":
        assert better.network is None
        return
    assert better or low.status == "undecided", (low.reason, better.reason)
    if better:
        assert better.network.widths == widths
        gained = best - exact.loss(exact_layers(better.network), h)
        assert gained >= Fraction(better.drop_certified) > 0


def test_numbers_of_the_theory():
    diabetes = fm.load_demo("diabetes")
    low = fm.spurious_minimum(diabetes, "relu", (16, 16), loss=fm.Huber(50))
    assert f"{low.loss:.4f}" == "528429.8402"
    assert low.excess < 1e-30 * low.loss
    assert low.status == "spurious"
    assert "least of affine maps" in str(low)
    better = fm.better_point(low)
    assert better.drop_certified > 8000
    assert better.loss == pytest.approx(better.network.loss(diabetes, fm.Huber(50)))
    # no residual beyond delta: half of the squares
    wide = fm.spurious_minimum(diabetes, "relu", (4,), loss=fm.Huber(1e6))
    plain = fm.spurious_minimum(diabetes, "relu", (4,), loss=Squared())
    assert wide.fits.loss == plain.fits.loss
    assert wide.fits.slopes == plain.fits.slopes
    # one dimension and one sample
    assert fm.spurious_minimum(([[1.0]], [2.0]), "relu", 1, loss="huber").reason.startswith(
        "linearly_fittable"
    )


def test_gradients_are_a_dual_certificate():
    rng = np.random.default_rng(7)
    data = fm.Dataset(
        rng.standard_normal((30, 3)), rng.standard_t(1, (30, 2)), sample_weight=rng.integers(1, 4, 30) / 2
    )
    fits = fm.spurious_minimum(data, "relu", (3,), loss="huber").fits
    assert isinstance(fits, HuberFits)
    g = fits.gradients.rows()
    X, Y = [[Fraction(v) for v in (1, *x)] for x in data.X.tolist()], data.Y.tolist()
    for k in range(2):
        for column in zip(*X, strict=True):
            assert sum(row[k] * v for row, v in zip(g, column, strict=True)) == 0
    # Fenchel and Young: minus the conjugates is a lower bound, and here the loss itself
    bound = sum(
        -(row[k] ** 2 / (2 * Fraction(w)) + row[k] * Fraction(y[k]))
        for row, y, w in zip(g, Y, data.sample_weight.tolist(), strict=True)
        for k in range(2)
    )
    assert all(
        abs(v) <= Fraction(w) for row, w in zip(g, data.sample_weight.tolist(), strict=True) for v in row
    )
    assert bound == fits.loss


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("l7", "squared"),
        (None, "squared"),
        (fm.HuberLoss([[0.0], [1.0]], [0.0, 1.0]), "data of its own"),
        (fm.Huber, "squared"),
        (LogCosh(), "no exact form"),
    ],
)
def test_other_losses_are_named(loss, words):
    with pytest.raises(LossError, match=words):
        fm.spurious_minimum(([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0]), "relu", (2,), loss=loss)
