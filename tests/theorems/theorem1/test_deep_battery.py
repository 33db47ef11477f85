"""Activations x depths x outputs x losses: within the certified radius nothing leaves the cell and nothing is lower.

Inside the cell every activation here is a line, so networks are rational functions of their parameters. Many networks at
once go through float64 with bounds on its roundings; what those leave open is checked in rationals, entropies to 100 digits.
The suite takes a few points of the table; FASTMINIMA_VERIFY=1 takes all 880, and 300 of them with 20,000 random and 5,000
adversarial perturbations each. Each perturbation counts twice: with the output layer as it is, and with another.
"""

from __future__ import annotations

import itertools
import math
import os
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import fastminima as fm

FULL = bool(os.environ.get("FASTMINIMA_VERIFY"))
ACTIVATIONS = [
    "relu", "leaky_relu", "elu", "celu", "selu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "softshrink", "threshold",
]  # fmt: skip
LOSSES = ["squared", "huber", "logistic", "softmax"]
TABLE = list(itertools.product(ACTIVATIONS, range(1, 6), range(1, 5), LOSSES))
POINTS, RANDOM, HOSTILE = (300, 20_000, 5_000) if FULL else (12, 200, 100)
# every activation, depth, number of outputs and loss among the first ones
CHOSEN = [
    (ACTIVATIONS[k % 11], 1 + k % 5, 1 + k % 4, LOSSES[(k + k // 4) % 4])
    if k < 44
    else TABLE[int(np.random.default_rng(k).integers(len(TABLE)))]
    for k in range(POINTS)
]


def drawn(k, case=None):
    """Data and a minimum for point k: ties, repeated rows and weights among them."""
    h, depth, dy, loss = case or CHOSEN[k]
    rng = np.random.default_rng([7, k])
    m, dx = int(rng.integers(6, 11)), int(rng.integers(1, 4))
    X = rng.integers(-4, 5, (m, dx)) / 2
    if k % 3 == 0:
        X[: m // 2] = X[rng.integers(0, m, m // 2)]
    if loss == "logistic":
        # both classes among equal inputs: no direction tells them apart
        X, Y = np.vstack([X, X]), np.vstack([np.zeros((m, dy)), np.ones((m, dy))])
        flip = rng.random((m, dy)) < 0.5
        Y[:m], Y[m:] = np.where(flip, 1.0, 0.0), np.where(flip, 0.0, 1.0)
        X = np.vstack([X, X[:2]])
        Y = np.vstack([Y, Y[:2]])
    elif loss == "softmax":
        count = dy + 1
        X, Y = np.vstack([X] * count), np.repeat(np.arange(count), m)
        X, Y = np.vstack([X, X[:3]]), np.concatenate([Y, Y[:3]])
    else:
        Y = rng.integers(-4, 5, (m, dy)) / 2
    weight = rng.integers(1, 4, len(X)) / 2 if k % 2 else None
    data = (X, Y) if weight is None else (X, Y, weight)
    widths = tuple(int(w) for w in rng.integers(max(1, min(dx, dy)), max(1, min(dx, dy)) + 2, depth))
    gain = (1.0, 8.0)[k % 2]
    return fm.spurious_minimum(data, h, widths, loss=loss, gain=gain), rng


class Cell:
    """A minimum and networks near it, in rationals."""

    def __init__(self, low):
        self.low, data = low, low.data
        self.X = [[Fraction(v) for v in row] for row in data.X.tolist()]
        self.Y = [[Fraction(v) for v in row] for row in data.Y.tolist()]
        self.w = [
            Fraction(v)
            for v in (np.ones(len(self.X)) if data.sample_weight is None else data.sample_weight).tolist()
        ]
        self.bound = mp(low.fits.loss)

    def run(self, layers):
        """(all preactivations strictly inside the segment, loss)."""
        segment, inside, outputs = self.low.segment, True, {}
        for x in {tuple(row) for row in self.X}:
            a = list(x)
            for k, (W, b) in enumerate(layers):
                a = [
                    sum((p * q for p, q in zip(row, a, strict=True)), c) for row, c in zip(W, b, strict=True)
                ]
                if k < len(layers) - 1:
                    inside &= all(segment.low is None or v > segment.low for v in a)
                    inside &= all(segment.high is None or v < segment.high for v in a)
                    a = [segment.slope * v + segment.offset for v in a]
            outputs[x] = a
        return inside, self.loss([outputs[tuple(row)] for row in self.X])

    def loss(self, outputs):
        name = type(self.low.objective).__name__
        total = Fraction(0) if name in ("Squared", "Huber") else mpmath.mpf(0)
        for f, y, w in zip(outputs, self.Y, self.w, strict=True):
            if name == "Softmax":
                top = max(f)
                total += mp(w) * (
                    mpmath.log(sum(mpmath.exp(mp(v - top)) for v in f)) - mp(f[int(y[0])] - top)
                )
                continue
            for z, t in zip(f, y, strict=True):
                if name == "Logistic":
                    total += mp(w) * mpmath.log1p(mpmath.exp(mp(-z if t else z)))
                else:
                    e = abs(z - t)
                    total += w * (e * e / 2 if name == "Squared" or e <= 1 else e - Fraction(1, 2))
        return total

    def checked(self, layers):
        inside, loss = self.run(layers)
        assert inside
        if isinstance(loss, Fraction):
            assert loss >= self.low.fits.loss
        else:
            assert loss >= self.bound


def mp(value):
    return mpmath.mpf(value.numerator) / mpmath.mpf(value.denominator)


def exact(layers):
    return [
        ([[Fraction(v) for v in row] for row in W.tolist()], [Fraction(v) for v in b.tolist()])
        for W, b in layers
    ]


def scaled(layers, steps, radius):
    """Batches of hidden layers moved along steps by lengths just below the radius, as float64 arrays."""
    length = np.sqrt(sum((a * a).sum((1, 2)) + (b * b).sum(1) for a, b in steps))
    factor = radius / length * (1.0 - 1e-9)
    found = [
        (W + a * factor[:, None, None], b + c * factor[:, None])
        for (W, b), (a, c) in zip(layers, steps, strict=False)
    ]
    off = sum(
        ((P - W) ** 2).sum((1, 2)) + ((q - b) ** 2).sum(1)
        for (P, q), (W, b) in zip(found, layers, strict=False)
    )
    # differences and sums of some dozens of squares are good to far more than 1e-12
    assert (np.sqrt(off) * (1.0 + 1e-12) <= radius).all()
    assert (np.sqrt(off) >= 0.99 * radius).all()
    return found


def drawn_steps(layers, rng, count):
    """Directions in all hidden layers, or in one of them."""
    alone, every = rng.integers(len(layers) - 1, size=count), rng.random(count) < 0.5
    steps = []
    for k, (W, b) in enumerate(layers[:-1]):
        on = every | (alone == k)
        steps.append(
            (
                rng.standard_normal((count, *W.shape)) * on[:, None, None],
                rng.standard_normal((count, len(b))) * on[:, None],
            )
        )
    return steps


def hostile_steps(low, rng, last, count):
    """Steps along which a preactivation of one layer leaves fastest, linearised again and again from a random start."""
    layers, segment, R = low.network.layers, low.segment, low.radius
    kappa, tau = float(segment.slope), float(segment.offset)
    rows, unit = np.arange(count), rng.integers(len(layers[last][1]), size=count)
    x = low.data.X[rng.integers(low.data.n_samples, size=count)]
    upper = segment.low is None or (segment.high is not None) & (rng.random(count) < 0.5)
    sign = np.where(upper, 1.0, -1.0)
    start = rng.random(count) * R
    steps = []
    for W, b in layers[: last + 1]:
        steps.append((rng.standard_normal((count, *W.shape)), rng.standard_normal((count, len(b)))))
    for turn in range(5):
        norm = np.sqrt(sum((p * p).sum((1, 2)) + (q * q).sum(1) for p, q in steps))
        far = (start if turn == 0 else R) / norm
        steps = [(p * far[:, None, None], q * far[:, None]) for p, q in steps]
        if turn == 4:
            break
        inputs, a = [], x
        for (W, b), (p, q) in zip(layers, steps, strict=False):
            inputs.append(a)
            a = kappa * (np.einsum("nij,nj->ni", W + p, a) + b + q) + tau
        back = np.zeros((count, len(layers[last][1])))
        back[rows, unit] = sign
        found = [None] * (last + 1)
        for k in range(last, -1, -1):
            found[k] = (back[:, :, None] * inputs[k][:, None, :], back)
            back = kappa * np.einsum("nij,ni->nj", layers[k][0] + steps[k][0], back)
        steps = found
    return steps + [
        (np.zeros((count, *W.shape)), np.zeros((count, len(b)))) for W, b in layers[last + 1 : -1]
    ]


def shown(low, hidden, output):
    """Which networks of a batch float64 shows to stay inside the segment and to have no lower loss."""
    u, segment = 2.0**-53, low.segment
    a = np.broadcast_to(low.data.X, (len(hidden[0][0]), *low.data.X.shape))
    error, fine = np.zeros_like(a), np.ones(len(a), dtype=bool)
    for k, (W, b) in enumerate([*hidden, output]):
        V, size = W.transpose(0, 2, 1), np.abs(W).transpose(0, 2, 1)
        n = W.shape[2] + 4
        error = (error @ size + 2 * n * u * (np.abs(a) @ size + np.abs(b)[:, None])) * (1.0 + 2.0**-40)
        a = a @ V + b[:, None]
        if k < len(hidden):
            if segment.low is not None:
                fine &= (a - error > float(segment.low) + 4 * u * (1.0 + np.abs(a))).all((1, 2))
            if segment.high is not None:
                fine &= (a + error < float(segment.high) - 4 * u * (1.0 + np.abs(a))).all((1, 2))
            slope, offset = float(segment.slope), float(segment.offset)
            a = slope * a + offset
            error = (abs(slope) * error + 8 * u * (np.abs(a) + 2 * abs(offset))) * (1.0 + 2.0**-40)
    return fine & (least_loss(low, a, error) >= math.nextafter(float(low.fits.loss), math.inf))


def least_loss(low, f, error):
    """Lower bounds on the losses of outputs (networks, rows, outputs) known within `error`."""
    u, Y = 2.0**-53, low.data.Y
    name = type(low.objective).__name__
    weight = np.ones(len(Y)) if low.data.sample_weight is None else low.data.sample_weight
    if name in ("Squared", "Huber"):
        size = np.maximum(np.abs(f - Y) * (1.0 - 4 * u) - error, 0.0)
        inner = size if name == "Squared" else np.minimum(size, 1.0)
        values = inner * (size - 0.5 * inner) * (1.0 - 16 * u)
    elif name == "Logistic":
        # a slope of at most 1, and two elementary functions good to some units of their last places
        z = np.where(Y > 0, -f, f)
        values = np.logaddexp(0.0, z) * (1.0 - 64 * u) - 64 * u * (1.0 + np.abs(z)) - error
    else:
        top = f.max(2, keepdims=True)
        chosen = np.take_along_axis(f, np.broadcast_to(Y[:, :1].astype(int), (len(f), len(Y), 1)), 2)
        values = np.log(np.exp(f - top).sum(2, keepdims=True)) + (top - chosen)
        values = (
            values - 128 * u * (1.0 + np.abs(f).max(2, keepdims=True)) - 2.0 * error.max(2, keepdims=True)
        )
    return np.maximum(values, 0.0).sum(2) @ weight * (1.0 - 4 * (values[0].size + 4) * u)


def surveyed(cell, steps, rng):
    """Check networks along steps, with their own output layer and another; how many needed rationals."""
    low, layers = cell.low, cell.low.network.layers
    hidden = scaled(layers, steps, low.radius)
    count, (W, b) = len(hidden[0][0]), layers[-1]
    own = (np.broadcast_to(W, (count, *W.shape)), np.broadcast_to(b, (count, len(b))))
    other = (
        own[0] * (1.0 + rng.standard_normal((count, *W.shape)) / 4),
        own[1] + rng.standard_normal((count, len(b))) / 8,
    )
    exactly = 0
    # where nothing is read the output layer alone gives the outputs
    for output in (own, other) if W.any() else (other,):
        for k in np.flatnonzero(~shown(low, hidden, output)):
            cell.checked(exact([(P[k], q[k]) for P, q in [*hidden, output]]))
            exactly += 1
    return exactly


def survey(k, random, adverse, case=None, block=2_000):
    """The battery at point k: how many networks were decided in rationals; AssertionError where one is lower or outside."""
    low, rng = drawn(k, case)
    assert low.network is not None
    h, depth, dy, loss = case or CHOSEN[k]
    assert (low.activation, low.network.depth) == (fm.activation(h), depth)
    assert (low.fits.freedom, type(low.objective).__name__.lower()) == (dy, loss)
    cell, layers, exactly = Cell(low), low.network.layers, 0
    cell.checked(exact(layers))
    value = cell.run(exact(layers))[1]
    assert mp(Fraction(low.excess)) >= (mp(value) if isinstance(value, Fraction) else value) - cell.bound
    for start in range(0, random, block):
        exactly += surveyed(cell, drawn_steps(layers, rng, min(block, random - start)), rng)
    share = -(-adverse // (len(layers) - 1))
    for last in range(len(layers) - 1):
        for start in range(0, share, block):
            exactly += surveyed(cell, hostile_steps(low, rng, last, min(block, share - start)), rng)
    return exactly


@pytest.mark.parametrize("k", range(POINTS), ids=["-".join(map(str, c)) for c in CHOSEN])
def test_nothing_within_the_radius(k):
    with mpmath.workdps(100):
        survey(k, RANDOM, HOSTILE)


EVERY = TABLE if FULL else TABLE[-1:]


@pytest.mark.parametrize("case", EVERY, ids=["-".join(map(str, c)) for c in EVERY])
def test_nothing_within_the_radius_anywhere_in_the_table(case):
    with mpmath.workdps(100):
        survey(1_000 + TABLE.index(case), 400, 100, case)


def test_the_survey_sees_what_is_wrong():
    # a radius too long by a little is left by an adversary, and a bound too high is undercut
    low, rng = drawn(0)
    assert low.network.depth == 1
    object.__setattr__(low, "radius", low.radius * 1.01)
    with pytest.raises(AssertionError), mpmath.workdps(100):
        surveyed(Cell(low), hostile_steps(low, rng, 0, 500), rng)
    low, rng = drawn(7)
    cell = Cell(low)
    object.__setattr__(low.fits, "loss", low.fits.loss * 2)
    with pytest.raises(AssertionError), mpmath.workdps(100):
        surveyed(cell, drawn_steps(low.network.layers, rng, 50), rng)


def test_the_table_is_covered():
    for values, column in zip(
        (ACTIVATIONS, range(1, 6), range(1, 5), LOSSES), zip(*CHOSEN, strict=True), strict=True
    ):
        assert set(values) == set(column)
