"""Stand-ins in plain NumPy for the parts that are compiled elsewhere; small data only."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..exact.dyadic import round_fraction

BEST_VARIANT = 0


def perturbations(seed, first, distribution, variant, out):
    size = out.shape[1]
    for row in range(len(out)):
        k = first + row
        generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, k, 0, 0]))
        g = generator.standard_normal(size)
        if distribution < 2:
            g /= math.sqrt(g @ g)
        if distribution == 1:
            g *= generator.random() ** (1.0 / size)
        out[row] = g


class BasePoint:
    def __init__(self, network, data):
        self.network, self.data = network, data
        s_plus, s_minus = network.slopes
        W1, b1, W2 = (
            [[Fraction(v) for v in row] for row in network.W1.tolist()],
            [Fraction(v) for v in network.b1.tolist()],
            [Fraction(v) for v in network.W2.tolist()],
        )
        d1, dx = network.W1.shape
        g = [Fraction(0)] * (d1 * (dx + 1) + 1)
        e = []
        weights = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
        for x, y, w in zip(data.X.tolist(), data.y.tolist(), weights.tolist(), strict=True):
            x = [Fraction(v) for v in x] + [Fraction(1)]
            f, phi = Fraction(network.b2), []
            for j in range(d1):
                z = sum((a * b for a, b in zip(W1[j], x, strict=False)), Fraction(0)) + b1[j]
                s = Fraction(s_plus if z > 0 else s_minus)
                f += W2[j] * s * z
                phi += [s * v for v in x]
            residual = f - Fraction(y)
            e.append(round_fraction(residual))
            weighted = Fraction(w) * residual
            g = [a + weighted * b for a, b in zip(g, [*phi, Fraction(1)], strict=True)]
        self.residual = np.array(e)
        hi = [round_fraction(v) for v in g]
        self.gradient = np.array(
            [
                hi,
                [
                    round_fraction(v - Fraction(h)) if math.isfinite(h) else h
                    for v, h in zip(g, hi, strict=True)
                ],
            ]
        )


def layout(variant, item, d1, dx):
    return 3 * 8, 4


def workspace_items(variant, item, d1, dx):
    return 1


def excess_f64(
    W1, b1, W2, X, z, e, weight, s_plus, s_minus, delta, variant, workspace, quadratic, change, changed
):
    d1, dx = W1.shape
    z = X @ W1.T + b1
    s = np.where(z > 0, s_plus, s_minus)
    omega = weight if weight.size else np.ones(len(X))
    for k in range(len(delta)):
        dW, db = delta[k, : d1 * dx].reshape(d1, dx), delta[k, d1 * dx : d1 * (dx + 1)]
        dv, db2 = delta[k, d1 * (dx + 1) : -1], delta[k, -1]
        dz = X @ dW.T + db
        s2 = np.where(z + dz > 0, s_plus, s_minus)
        D = (s * ((W2 + dv) * dz + dv * z)).sum(axis=1) + db2
        jump = ((W2 + dv) * (s2 - s) * (z + dz)).sum(axis=1)
        quadratic[k] += 0.5 * (omega * (D + jump) ** 2).sum()
        change[k] += (omega * e * jump).sum()
        changed[k] += np.count_nonzero(s2 != s)


excess_f32 = excess_f64


class Screen:
    def __init__(self, base, max_reach):
        from .direct import Direct

        self._direct = Direct(base)

    def excess(self, delta):
        return self._direct.excess(delta)


def choose(base, reach, n):
    return type("Choice", (), {"method": "direct"})
