"""Activations x depths x outputs x losses: within the certified radius nothing leaves the cell and nothing is lower.

Inside the cell every activation here is a line, so networks are rational functions of their parameters: preactivations,
outputs and squared and Huber losses are checked in rationals, the others to 50 digits. The suite takes a few points of the
table; FASTMINIMA_VERIFY=1 takes 300 of them, with 20,000 random and 5,000 adversarial perturbations.
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
POINTS, RANDOM, HOSTILE = (300, 67, 17) if FULL else (12, 4, 3)
# every activation, depth, number of outputs and loss among the first ones
CHOSEN = [
    (ACTIVATIONS[k % 11], 1 + k % 5, 1 + k % 4, LOSSES[(k + k // 4) % 4])
    if k < 44
    else TABLE[int(np.random.default_rng(k).integers(len(TABLE)))]
    for k in range(POINTS)
]


def drawn(k):
    """Data and a minimum for point k: ties, repeated rows and weights among them."""
    h, depth, dy, loss = CHOSEN[k]
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


def moved(layers, steps, radius):
    """Exact layers with the hidden ones moved by steps, scaled to a length just below the radius."""
    norm = math.sqrt(sum((a * a).sum() + (b * b).sum() for a, b in steps))
    scale = radius / norm * (1.0 - 1e-12)
    steps = [(a * scale, b * scale) for a, b in steps]
    length = sum(Fraction(v) ** 2 for pair in steps for part in pair for v in part.ravel().tolist())
    assert length <= Fraction(radius) ** 2
    hidden = [
        (
            [
                [v + Fraction(d) for v, d in zip(row, move, strict=True)]
                for row, move in zip(W, dW.tolist(), strict=True)
            ],
            [v + Fraction(d) for v, d in zip(b, db.tolist(), strict=True)],
        )
        for (W, b), (dW, db) in zip(exact(layers[:-1]), steps, strict=True)
    ]
    return hidden, steps


def hostile(low, rng):
    """The step of length R along which one preactivation falls fastest, linearised again and again."""
    layers, segment = low.network.layers, low.segment
    kappa, tau = float(segment.slope), float(segment.offset)
    steps = [(np.zeros_like(W), np.zeros_like(b)) for W, b in layers[:-1]]
    last = int(rng.integers(len(layers) - 1))
    unit, x = int(rng.integers(len(layers[last][1]))), low.data.X[int(rng.integers(low.data.n_samples))]
    sign = -1.0 if segment.high is None or (segment.low is not None and rng.random() < 0.5) else 1.0
    for _ in range(4):
        current = [(W + dW, b + db) for (W, b), (dW, db) in zip(layers, steps, strict=False)]
        inputs, a = [], x
        for W, b in current[: last + 1]:
            inputs.append(a)
            a = kappa * (W @ a + b) + tau
        back, gradient = np.eye(len(current[last][1]))[unit], {}
        for k in range(last, -1, -1):
            gradient[k] = (np.outer(back, inputs[k]), back)
            back = kappa * (current[k][0].T @ back)
        norm = math.sqrt(sum((p * p).sum() + (q * q).sum() for p, q in gradient.values()))
        steps = [
            (sign * gradient[k][0], sign * gradient[k][1]) if k in gradient else (0.0 * W, 0.0 * b)
            for k, (W, b) in enumerate(layers[:-1])
        ]
        steps = [(p * low.radius / norm, q * low.radius / norm) for p, q in steps]
    return steps


@pytest.mark.parametrize("k", range(POINTS), ids=["-".join(map(str, c)) for c in CHOSEN])
def test_nothing_within_the_radius(k):
    mpmath.mp.dps = 50
    low, rng = drawn(k)
    assert low.network is not None
    assert low.network.depth == CHOSEN[k][1]
    cell = Cell(low)
    layers = low.network.layers
    cell.checked(exact(layers))
    value = cell.run(exact(layers))[1]
    assert mp(Fraction(low.excess)) >= (mp(value) if isinstance(value, Fraction) else value) - cell.bound
    output = exact(layers[-1:])[0]
    for j in range(RANDOM + HOSTILE):
        if j < RANDOM:
            steps = [(rng.standard_normal(W.shape), rng.standard_normal(b.shape)) for W, b in layers[:-1]]
            alone = int(rng.integers(len(steps)))
            if j % 2:
                steps = [(a * (i == alone), b * (i == alone)) for i, (a, b) in enumerate(steps)]
        else:
            steps = hostile(low, rng)
        hidden, _ = moved(layers, steps, low.radius)
        cell.checked([*hidden, output])
        shaken = [[v * Fraction(1 + float(rng.standard_normal()) / 4) for v in row] for row in output[0]]
        cell.checked([*hidden, (shaken, [c + Fraction(float(rng.standard_normal()) / 8) for c in output[1]])])


def test_the_table_is_covered():
    for values, column in zip(
        (ACTIVATIONS, range(1, 6), range(1, 5), LOSSES), zip(*CHOSEN, strict=True), strict=True
    ):
        assert set(values) == set(column)


@pytest.mark.parametrize(
    ("loss", "widths"), [("squared", (5,)), ("huber", (4, 3)), ("logistic", (4, 4)), ("softmax", (3, 3, 3))]
)
def test_autograd_sees_a_degenerate_minimum(loss, widths):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(11)
    X = rng.standard_normal((30, 3))
    Y = (
        rng.integers(0, 3, 30)
        if loss == "softmax"
        else rng.integers(0, 2, 30)
        if loss == "logistic"
        else rng.standard_normal((30, 2))
    )
    low = fm.spurious_minimum((X, Y), "relu", widths, loss=loss)
    module = low.network.to_torch()
    shapes = [p.shape for p in module.parameters()]
    sizes = [p.numel() for p in module.parameters()]
    inputs, targets = torch.tensor(X), torch.tensor(low.data.Y)

    def outputs(flat):
        parts = [part.reshape(shape) for part, shape in zip(flat.split(sizes), shapes, strict=True)]
        f = inputs
        for k in range(0, len(parts), 2):
            f = f @ parts[k].T + parts[k + 1]
            f = torch.relu(f) if k < len(parts) - 2 else f
        return f

    def value(flat):
        f = outputs(flat)
        if loss == "squared":
            return 0.5 * ((f - targets) ** 2).sum()
        if loss == "huber":
            return torch.nn.functional.huber_loss(f, targets, reduction="sum")
        if loss == "logistic":
            # F.softplus switches to a line at 20
            return torch.logaddexp(torch.zeros_like(f), (1.0 - 2.0 * targets) * f).sum()
        return torch.nn.functional.cross_entropy(f, targets[:, 0].long(), reduction="sum")

    point = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
    assert float(value(point)) == pytest.approx(low.loss, rel=1e-12)
    assert torch.equal(outputs(point), module(inputs))
    gradient = torch.autograd.functional.jacobian(value, point)
    H = torch.autograd.functional.hessian(value, point).numpy()
    eigenvalues = np.linalg.eigvalsh(0.5 * (H + H.T))
    largest = eigenvalues[-1]
    assert float(gradient.norm()) <= 1e-12 * math.sqrt(largest * low.loss)
    assert eigenvalues[0] >= -1e-12 * largest
    # J^T M J: at most so many directions as affine maps have, less what softmax does not see
    affine = low.fits.freedom * (X.shape[1] + 1)
    assert int((eigenvalues > 1e-12 * largest).sum()) == affine
