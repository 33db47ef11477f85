"""Small problems for probes, and their risks and excesses by definition, in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

import fastminima as fm

METHODS = ["direct", "screened"]


def case(seed=0, m=25, dx=2, d1=2, weighted=False, activation=fm.relu):
    rng = np.random.default_rng(seed)
    weight = rng.choice([0.5, 1.0, 3.7], m) if weighted else None
    data = fm.Dataset(rng.normal(size=(m, dx)), rng.normal(size=m), sample_weight=weight)
    network = fm.OneHiddenLayer(
        rng.normal(size=(d1, dx)), rng.normal(size=d1), rng.normal(size=d1), 0.25, activation
    )
    return network, data


def exact_parameters(network):
    W1, b1, W2, b2 = network.parameters()
    return [[Fraction(v) for v in np.ravel(part).tolist()] for part in (W1, b1, W2, b2)]


def exact_risk(parameters, slopes, data):
    """Risk of a network whose parameters are Fractions, which no float64 network need be."""
    W1, b1, W2, b2 = parameters
    dx, s_plus, s_minus = data.n_features, Fraction(slopes[0]), Fraction(slopes[1])
    weights = [1.0] * data.n_samples if data.sample_weight is None else data.sample_weight.tolist()
    total = Fraction(0)
    for x, y, w in zip(data.X.tolist(), data.y.tolist(), weights, strict=True):
        point = [Fraction(v) for v in x]
        f = b2[0]
        for j, v in enumerate(W2):
            z = b1[j] + sum(
                (a * b for a, b in zip(W1[j * dx : (j + 1) * dx], point, strict=True)), Fraction(0)
            )
            f += v * z * (s_plus if z > 0 else s_minus)
        total += Fraction(w) * (f - Fraction(y)) ** 2
    return total / 2


def exact_excess(result, data, k):
    """The excess risk at theta + delta(k), unrounded, in rational arithmetic."""
    theta = exact_parameters(result.network)
    delta = [[Fraction(v) for v in np.ravel(part).tolist()] for part in result.delta(k)]
    moved = [[a + b for a, b in zip(p, d, strict=True)] for p, d in zip(theta, delta, strict=True)]
    slopes = result.network.slopes
    return exact_risk(moved, slopes, data) - exact_risk(theta, slopes, data)
