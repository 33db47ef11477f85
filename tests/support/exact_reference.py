"""The slow, obvious twins of the exact layer: one Fraction per number, straight from the definitions."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st


def dataset(X, y, weight=None):
    """What the exact layer reads of a dataset of float64 numbers."""
    y = np.ascontiguousarray(y, dtype=np.float64)
    X = np.ascontiguousarray(X, dtype=np.float64).reshape(len(y), -1)
    weight = None if weight is None else np.ascontiguousarray(weight, dtype=np.float64)
    return SimpleNamespace(X=X, y=y, sample_weight=weight, exact=None)


def exact_dataset(columns, weight=None):
    """A dataset of rational columns (lists of Fractions, y last) on a scale of its own per column."""
    numerators, scales = [], []
    for column in columns:
        scale = Fraction(1, int(np.lcm.reduce([v.denominator for v in column], dtype=object)))
        scales.append(scale)
        numerators.append(np.array([int(v / scale) for v in column], dtype=object))
    floats = [np.array([float(v) for v in column]) for column in columns]
    data = dataset(np.stack(floats[:-1], axis=1) if columns[1:] else [], floats[-1], weight)
    data.exact = SimpleNamespace(numerators=numerators, scales=scales)
    return data


def rows_of(data):
    """(x, y, weight) of every sample as Fractions."""
    m = len(data.y)
    weight = (
        [Fraction(1)] * m
        if data.sample_weight is None
        else [Fraction(w) for w in data.sample_weight.tolist()]
    )
    if data.exact is None:
        X = [[Fraction(v) for v in row] for row in data.X.tolist()]
        y = [Fraction(v) for v in data.y.tolist()]
    else:
        columns = [[n * s for n in c] for c, s in zip(data.exact.numerators, data.exact.scales, strict=True)]
        X = [list(row) for row in zip(*columns[:-1], strict=True)] if columns[1:] else [[]] * m
        y = columns[-1]
    return X, y, weight


def gram(data, index=None):
    X, y, w = rows_of(data)
    index = range(len(y)) if index is None else index
    V = [[Fraction(1), *X[i], y[i]] for i in index]
    n = data.X.shape[1] + 2
    return [
        [sum((w[i] * v[a] * v[b] for i, v in zip(index, V, strict=True)), Fraction(0)) for b in range(n)]
        for a in range(n)
    ]


def least_squares(data):
    """Pivots and coefficients (constant first, 0 on dependent columns) by Gauss-Jordan elimination."""
    G = gram(data)
    n = len(G) - 1
    work = [row.copy() for row in G[:n]]
    pivots = []
    for column in range(n):
        r = len(pivots)
        found = next((i for i in range(r, n) if work[i][column] != 0), None)
        if found is None:
            continue
        work[r], work[found] = work[found], work[r]
        work[r] = [v / work[r][column] for v in work[r]]
        for i in range(n):
            if i != r and work[i][column] != 0:
                f = work[i][column]
                work[i] = [a - f * b for a, b in zip(work[i], work[r], strict=True)]
        pivots.append(column)
    coefficients = [Fraction(0)] * n
    for i, p in enumerate(pivots):
        coefficients[p] = work[i][n]
    return pivots, coefficients


def fitted_residual(data, coefficients):
    X, y, _ = rows_of(data)
    fitted = [coefficients[0] + sum(c * v for c, v in zip(coefficients[1:], x, strict=True)) for x in X]
    return fitted, [f - t for f, t in zip(fitted, y, strict=True)]


def risk(data, outputs):
    _, y, w = rows_of(data)
    return sum((v * (f - t) ** 2 for v, f, t in zip(w, outputs, y, strict=True)), Fraction(0)) / 2


def split_set(fitted, residual, weight):
    """Sorted order and J by the definition."""
    order = sorted(range(len(fitted)), key=fitted.__getitem__)
    S, positions = Fraction(0), []
    for p, i in enumerate(order[:-1]):
        S += weight[i] * residual[i]
        if S != 0 and fitted[i] < fitted[order[p + 1]]:
            positions.append(p)
    return order, positions


def network_outputs(data, W1, b1, W2, b2, s_plus, s_minus):
    X, _, _ = rows_of(data)
    outputs = []
    for x in X:
        f = Fraction(b2)
        for row, b, v in zip(W1.tolist(), b1.tolist(), W2.tolist(), strict=True):
            z = Fraction(b) + sum(Fraction(w) * t for w, t in zip(row, x, strict=True))
            f += Fraction(v) * z * Fraction(s_plus if z > 0 else s_minus)
        outputs.append(f)
    return outputs


SMALL = st.integers(-3, 3).map(float)
ORDINARY = st.floats(-10, 10, allow_subnormal=False)
SHIFTED = st.integers(0, 40).map(lambda k: 1e8 + k / 8)
# next to one another these span the whole range of float64
WILD = st.sampled_from([0.0, -0.0, 5e-324, -1e-310, 1e-300, 1e-40, 1.0, -3.0, 1e16, 1e300, -1.7e308])
VALUES = {"small": SMALL, "ordinary": ORDINARY, "shifted": SHIFTED, "wild": WILD}


@st.composite
def datasets(draw, max_samples=14, max_features=3, exact=False):
    """Random data with ties, duplicates, constant and dependent columns, mixed scales and weights."""
    m = draw(st.integers(1, max_samples))
    dx = draw(st.integers(0, max_features))
    columns = []
    for j in range(dx):
        kind = draw(st.sampled_from([*VALUES, "constant", "copy"]))
        if kind == "copy" and j > 0:
            columns.append([2 * v if abs(v) < 1e300 else v for v in columns[0]])
        elif kind in ("constant", "copy"):
            columns.append([draw(ORDINARY)] * m)
        else:
            columns.append(draw(st.lists(VALUES[kind], min_size=m, max_size=m)))
    target = (
        st.sampled_from([0.0, 1.0, 1.0, 1e-40])
        if draw(st.booleans())
        else VALUES[draw(st.sampled_from([*VALUES]))]
    )
    y = draw(st.lists(target, min_size=m, max_size=m))
    if dx and draw(st.booleans()) and m > 3:
        for column in columns:
            column[m // 2 :] = column[: m - m // 2]
    positive = st.one_of(
        st.integers(1, 5).map(float), st.floats(0.1, 4), st.sampled_from([1e-300, 1e300, 5e-324])
    )
    weight = draw(st.none() | st.lists(positive, min_size=m, max_size=m))
    if exact and draw(st.booleans()):
        wide = draw(st.sampled_from([1, 3, 10**30]))
        fractions = [[Fraction(v) / wide for v in c] for c in (*columns, y)]
        assert len(fractions) == dx + 1
        if all(abs(v) < 10**20 for c in fractions for v in c):
            return exact_dataset(fractions, weight)
    return dataset(np.array(columns).T if dx else np.empty((m, 0)), y, weight)


def parity(n, values=(0.0, 1.0)):
    """All points of {a, b}^n with the parity of the number of b as target."""
    corners = np.array(np.meshgrid(*[[0, 1]] * n, indexing="ij")).reshape(n, -1).T
    return dataset(np.array(values)[corners], corners.sum(axis=1) % 2)
