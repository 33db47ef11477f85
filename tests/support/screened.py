"""Problems for screened excess risks, and these by definition, in Fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

import fastminima as fm
from fastminima.landscape.perturb.base_point import BasePoint
from fastminima.landscape.perturb.screen import Screen


def random_problem(seed, m, dx, d1, act=fm.relu, weighted=False):
    rng = np.random.default_rng(seed)
    data = fm.Dataset(
        rng.normal(size=(m, dx)),
        rng.normal(size=m),
        sample_weight=rng.uniform(0.2, 3, m) if weighted else None,
    )
    network = fm.OneHiddenLayer(rng.normal(size=(d1, dx)), rng.normal(size=d1), rng.normal(size=d1), 0.3, act)
    return network, data


def deltas(seed, network, K, radius):
    P = network.width * (network.n_features + 2) + 1
    return radius * np.random.default_rng(seed).normal(size=(K, P))


class Exact:
    """The risk and the excess by definition, in Fractions."""

    def __init__(self, network, data):
        self.W1, self.b1, self.W2, self.b2 = network.parameters()
        self.slopes = tuple(map(Fraction, network.slopes))
        self.X = [[Fraction(v) for v in row] for row in data.X.tolist()]
        self.y = [Fraction(v) for v in data.y.tolist()]
        weight = [1.0] * len(self.y) if data.sample_weight is None else data.sample_weight.tolist()
        self.weight = [Fraction(w) for w in weight]
        self.base = self.moved(np.zeros(self.W1.size + 2 * len(self.b1) + 1))

    def moved(self, delta):
        """(risk, preactivations) of the perturbed network."""
        d = iter(map(Fraction, delta.tolist()))
        W1 = [[Fraction(v) + next(d) for v in row] for row in self.W1.tolist()]
        b1 = [Fraction(v) + next(d) for v in self.b1.tolist()]
        W2 = [Fraction(v) + next(d) for v in self.W2.tolist()]
        b2 = Fraction(self.b2) + next(d)
        risk, Z = Fraction(0), []
        for x, y, w in zip(self.X, self.y, self.weight, strict=True):
            z = [
                b + sum((a * c for a, c in zip(r, x, strict=True)), Fraction(0))
                for r, b in zip(W1, b1, strict=True)
            ]
            f = b2 + sum(v * t * self.slopes[t <= 0] for v, t in zip(W2, z, strict=True))
            risk += w * (f - y) ** 2
            Z.append(z)
        return risk / 2, Z

    def excess(self, delta):
        """(excess, number of sign changes)."""
        risk, Z = self.moved(delta)
        changed = sum(
            (a > 0) != (b > 0)
            for r, s in zip(Z, self.base[1], strict=True)
            for a, b in zip(r, s, strict=True)
        )
        return risk - self.base[0], changed


def check(network, data, delta, reach, tolerance=1e-14):
    """Compare with exact arithmetic; relative to the excess where no sample changes, else to the largest one."""
    exact = Exact(network, data)
    base = BasePoint(network, data)
    excess, changed = Screen(base, reach).excess(delta)
    wanted = [exact.excess(row) for row in delta]
    largest = max(abs(w) for w, _ in wanted)
    for value, count, (want, crossings) in zip(excess, changed, wanted, strict=True):
        assert count == crossings
        scale = abs(want) if crossings == 0 else largest
        assert abs(Fraction(value) - want) <= Fraction(tolerance if crossings == 0 else 1e-12) * scale
    return excess, changed
