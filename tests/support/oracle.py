"""The theorem in plain rational arithmetic, written without the library: slow, short, obviously right."""

from __future__ import annotations

import math
from fractions import Fraction


def exact_rows(X, y, weight=None):
    """Rows (1, x...), targets and weights as Fractions."""
    rows = [[Fraction(1), *map(Fraction, row)] for row in X.tolist()]
    targets = list(map(Fraction, y.tolist()))
    weights = [Fraction(1)] * len(rows) if weight is None else list(map(Fraction, weight.tolist()))
    return rows, targets, weights


def solve(matrix, rhs):
    """One solution of a consistent symmetric system by elimination; free variables 0. Returns (solution, rank)."""
    n = len(rhs)
    work = [[*row, value] for row, value in zip(matrix, rhs, strict=True)]
    pivots = []
    for column in range(n):
        row = next((i for i in range(len(pivots), n) if work[i][column] != 0), None)
        if row is None:
            continue
        k = len(pivots)
        work[k], work[row] = work[row], work[k]
        head = work[k][column]
        work[k] = [v / head for v in work[k]]
        for i in range(n):
            if i != k and work[i][column] != 0:
                factor = work[i][column]
                work[i] = [a - factor * b for a, b in zip(work[i], work[k], strict=True)]
        pivots.append(column)
    solution = [Fraction(0)] * n
    for k, column in enumerate(pivots):
        solution[column] = work[k][n]
    return solution, len(pivots)


def least_squares(X, y, weight=None):
    """(coefficients with the intercept first, fitted, residual, risk, rank)."""
    rows, targets, weights = exact_rows(X, y, weight)
    n = len(rows[0])
    gram = [
        [sum(w * r[a] * r[b] for r, w in zip(rows, weights, strict=True)) for b in range(n)] for a in range(n)
    ]
    rhs = [sum(w * r[a] * t for r, t, w in zip(rows, targets, weights, strict=True)) for a in range(n)]
    solution, rank = solve(gram, rhs)
    fitted = [sum(c * v for c, v in zip(solution, row, strict=True)) for row in rows]
    residual = [f - t for f, t in zip(fitted, targets, strict=True)]
    risk = sum((w * r * r for w, r in zip(weights, residual, strict=True)), Fraction(0)) / 2
    return solution, fitted, residual, risk, rank


def split_set(fitted, residual, weight=None):
    """J by its definition: 0-based sorted positions p < m - 1, S_p != 0, fitted_p < fitted_{p+1}."""
    weights = [Fraction(1)] * len(fitted) if weight is None else list(map(Fraction, weight))
    ordered = sorted(zip(fitted, residual, weights, strict=True), key=lambda item: item[0])
    total, result = Fraction(0), []
    for p in range(len(ordered) - 1):
        total += Fraction(ordered[p][2]) * Fraction(ordered[p][1])
        if total != 0 and ordered[p][0] < ordered[p + 1][0]:
            result.append(p)
    return result


def group_sums(X, residual, weight=None):
    """R_g of equal inputs."""
    weights = [Fraction(1)] * len(residual) if weight is None else list(map(Fraction, weight.tolist()))
    sums = {}
    for row, r, w in zip(X.tolist(), residual, weights, strict=True):
        key = tuple(map(Fraction, row))
        sums[key] = sums.get(key, Fraction(0)) + w * r
    return sums


def network_outputs(network, X):
    """Exact outputs of the float64 network."""
    W1, b1, W2, b2 = network.parameters()
    s_plus, s_minus = Fraction(network.activation.s_plus), Fraction(network.activation.s_minus)
    units = [
        ([Fraction(v) for v in row], Fraction(b), Fraction(v))
        for row, b, v in zip(W1.tolist(), b1.tolist(), W2.tolist(), strict=True)
    ]
    outputs = []
    for x in X.tolist():
        point = list(map(Fraction, x))
        total = Fraction(b2)
        for row, bias, weight in units:
            z = bias + sum((a * b for a, b in zip(row, point, strict=True)), Fraction(0))
            total += weight * z * (s_plus if z > 0 else s_minus)
        outputs.append(total)
    return outputs


def network_risk(network, X, y, weight=None):
    """Exact risk of the float64 network."""
    _, targets, weights = exact_rows(X, y, weight)
    outputs = network_outputs(network, X)
    return sum((w * (f - t) ** 2 for f, t, w in zip(outputs, targets, weights, strict=True)), Fraction(0)) / 2


def preactivations(network, X):
    """Exact preactivations, a list of rows."""
    W1, b1, _, _ = network.parameters()
    return [
        [
            Fraction(b) + sum((Fraction(w) * Fraction(v) for w, v in zip(row, x, strict=True)), Fraction(0))
            for row, b in zip(W1.tolist(), b1.tolist(), strict=True)
        ]
        for x in X.tolist()
    ]


def digits(found, exact):
    """Correct digits of the worst coefficient."""
    worst = 17.0
    for value, truth in zip(found, exact, strict=True):
        if truth != 0:
            error = abs((Fraction(float(value)) - truth) / truth)
            worst = min(worst, -math.log10(max(float(error), 1e-17)))
    return worst
