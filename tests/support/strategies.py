"""Datasets for the theorems, the degenerate ones included."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import fastminima as fm

SLOPES = [(1.0, 0.0), (1.01, 1.0), (1.0, 1.01), (2.0, 0.5), (1.0000001, 1.0)]

activations = st.one_of(
    st.sampled_from(SLOPES).map(lambda s: fm.PiecewiseLinear(*s)),
    st.tuples(st.floats(0.01, 100.0), st.floats(0.0, 100.0))
    .filter(lambda s: s[0] != s[1])
    .map(lambda s: fm.PiecewiseLinear(*s)),
)


@st.composite
def tables(draw, max_rows: int = 14, max_features: int = 3, weighted: bool | None = None):
    """(X, y, weight or None): lattices with ties and duplicates, reals, constant and repeated columns, offsets, scales."""
    m = draw(st.integers(1, max_rows))
    n = draw(st.integers(0, max_features))
    kind = draw(st.sampled_from(["lattice", "normal", "binary", "mixed"]))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    if kind == "normal":
        X, y = rng.normal(size=(m, n)), rng.normal(size=m)
    elif kind == "binary":
        X, y = rng.integers(0, 2, (m, n)).astype(float), rng.integers(0, 2, m).astype(float)
    else:
        X, y = rng.integers(-2, 3, (m, n)).astype(float), rng.integers(-3, 4, m).astype(float)
        if kind == "mixed" and n:
            X[:, 0] = rng.normal(size=m)
    shape = draw(st.sampled_from(["plain", "constant", "repeated", "affine", "duplicated"]))
    if n and shape == "constant":
        X[:, -1] = 1.0
    if n > 1 and shape == "repeated":
        X[:, 1] = 2.0 * X[:, 0]
    if shape == "affine":
        y = np.round(X).sum(axis=1) * 0.5 - 3.0
        X = np.round(X)
    if shape == "duplicated" and m > 1:
        X[m // 2 :] = X[: m - m // 2]
    X *= 2.0 ** draw(st.sampled_from([0, 0, 0, -40, 30]))
    y *= 2.0 ** draw(st.sampled_from([0, 0, 0, -60, 25]))
    if draw(st.booleans()):
        X = X + draw(st.sampled_from([0.0, 1e8, -3.0]))
        y = y + draw(st.sampled_from([0.0, 1e8, 7.0]))
    if weighted is None:
        weighted = draw(st.booleans())
    weight = rng.choice([0.5, 1.0, 1.0, 2.0, 3.7], m) if weighted else None
    return X, y, weight
