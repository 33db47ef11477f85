"""Points that sampling takes for minima and are none: one multiplier a little beyond its limit, one unit that is off."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.landscape.decide.stationarity import Stationarity
from fastminima.networks.rational_network import RationalNetwork

F = Fraction
FULL = bool(os.environ.get("FASTMINIMA_VERIFY"))
N_POINTS = 20 if FULL else 4
N_DRAWS = 20_000 if FULL else 2_000
M, DX, KINKS = 60, 6, 6


def solved(rows, wanted):
    """x with rows x = wanted, exactly; None where the rows are dependent."""
    table = [[*map(F, row), F(value)] for row, value in zip(rows, wanted, strict=True)]
    n = len(table)
    for k in range(n):
        pivot = next((r for r in range(k, n) if table[r][k]), None)
        if pivot is None:
            return None
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [v / table[k][k] for v in table[k]]
        for r in range(n):
            if r != k and table[r][k]:
                table[r] = [a - table[r][k] * b for a, b in zip(table[r], table[k], strict=True)]
    return [row[-1] for row in table]


def point(seed, beyond):
    """(network, data) in lattice numbers: unit 0 has six kinks, all conditions hold but |lambda_0| = beyond * d_0.

    A network of two ReLU units: unit 0 is zero on six inputs, unit 1 is positive everywhere. The residuals are made to
    measure: at the kinks G = 1, elsewhere so that (A), unit 1's gradient and unit 0's multipliers come out as wanted.
    """
    rng = np.random.default_rng(seed)
    while True:
        X = rng.integers(-8, 9, (M, DX)) / 4.0
        X[:, 0] = np.where(
            np.arange(M) < KINKS, 0.0, rng.choice([-1.0, 1.0], M) * rng.integers(1, 9, M) / 4.0
        )
        wide = np.column_stack([X, np.ones(M)])
        rows = [tuple([F(1)] + [F(0)] * DX), tuple([*[F(0)] * DX, F(1)])]
        positive = np.flatnonzero(X[:, 0] > 0)
        others = np.flatnonzero(X[:, 0] < 0)
        if len(positive) < DX + 1 or len(others) < DX + 1 or len({tuple(x) for x in X.tolist()}) < M:
            continue
        # lambda_g = share_g d_g with d_g = a c G_g = 1/2 at the kinks
        share = [F(beyond), *[F(int(v), 8) for v in rng.integers(-6, 7, KINKS - 1)]]
        G = [F(1)] * KINKS + [F(int(v), 4) for v in rng.integers(-4, 5, M - KINKS)]
        # unit 0: sum over positive of G x + 1/2 sum over kinks of G x = sum of lambda x;  alpha = c = 1/2
        exact = [[F(v) for v in row] for row in wide.tolist()]
        target = [sum(((share[g] - 1) / 2 * exact[g][j] for g in range(KINKS)), F(0)) for j in range(DX + 1)]
        if not _complete(G, exact, positive, target):
            continue
        # unit 1, and the output bias: the sum of all G x is zero
        done = [sum((G[i] * exact[i][j] for i in range(M) if i not in others), F(0)) for j in range(DX + 1)]
        if not _complete(G, exact, others, [-v for v in done]):
            continue
        # the residuals are rational: whole numbers once the risk is scaled, and the targets exact rationals
        return RationalNetwork(tuple(rows), (F(1), F(1)), F(0), fm.relu), X, G


def _complete(G, exact, rows, target):
    """Choose G on the last of `rows` so that the sum of G x over `rows` is `target`."""
    free, fixed = rows[-(DX + 1) :].tolist(), rows[: -(DX + 1)].tolist()
    rest = [target[j] - sum((G[i] * exact[i][j] for i in fixed), F(0)) for j in range(DX + 1)]
    values = solved([[exact[i][j] for i in free] for j in range(DX + 1)], rest)
    if values is None:
        return False
    for i, value in zip(free, values, strict=True):
        G[i] = value
    return all(values)


def dataset(network, X, G):
    """Targets with f - y = G, exactly."""
    f = [max(F(x[0]), F(0)) + 1 for x in X.tolist()]
    y = [a - g for a, g in zip(f, G, strict=True)]
    return fm.Dataset(
        np.array([[F(v) for v in row] for row in X.tolist()], dtype=object), np.array(y, dtype=object)
    )


def lower_draws(network, data, n):
    """How many of n random points at distance 1e-3 have a lower risk."""
    probe = fm.probe(network.rounded(), data, radius=1e-3, n=n, seed=5)
    return probe.n_negative


@pytest.mark.parametrize("beyond", [F(102, 100), F(12, 10), F(2)])
def test_a_multiplier_beyond_its_limit_is_found_where_sampling_is_blind(beyond):
    blind = 0
    for seed in range(N_POINTS):
        network, X, G = point(seed, beyond)
        data = dataset(network, X, G)
        v = fm.decide(network, data, ball=1e-3)
        assert v.verdict == "not_a_minimum"
        assert sorted(kink.sample for kink in v.kinks if kink.unit == 0) == list(range(KINKS))
        # verified by the two exact risks, and within the ball
        there = Stationarity(v.escape.exact, data).risk
        assert there == v.exact_risk - v.escape.drop < v.exact_risk
        assert 0 < v.escape.exact.distance_squared(network) <= F(1, 10**6)
        blind += lower_draws(network, data, N_DRAWS) == 0
        # the same point with the multiplier at its limit is a minimum
        tied = dataset(*point(seed, F(1)))
        assert fm.decide(network, tied)
    print(f"|lambda| = {float(beyond)} d: {N_DRAWS:,} draws saw nothing at {blind} of {N_POINTS}")
    if beyond < F(11, 10):
        assert blind >= N_POINTS // 2


def test_a_unit_that_is_off_beside_a_certified_minimum_is_left():
    blind = 0
    for seed in range(N_POINTS):
        network, X, G = point(seed, F(1, 2))
        data = dataset(network, X, G)
        assert fm.decide(network, data)
        # a third unit with output weight 0 whose row sees residuals that do not cancel: phi is not 0
        rng = np.random.default_rng([seed, 1])
        row = tuple(F(int(t), 4) for t in rng.integers(-8, 9, DX + 1))
        wider = RationalNetwork((*network.rows, row), (*network.output, F(0)), network.bias, fm.relu)
        v = fm.decide(wider, data, ball=1e-3)
        assert v.verdict == "not_a_minimum"
        assert "unit 2" in v.reason
        there = Stationarity(v.escape.exact, data).risk
        assert there == v.exact_risk - v.escape.drop < v.exact_risk
        assert v.escape.exact.distance_squared(wider) <= F(1, 10**6)
        blind += lower_draws(wider, data, N_DRAWS) == 0
    print(f"a unit with output weight 0: {N_DRAWS:,} draws saw nothing at {blind} of {N_POINTS}")
