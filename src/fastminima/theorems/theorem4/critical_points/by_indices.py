"""Critical points by index set: which eigenvalues of Sigma a network under squared loss has learnt.

See line (b) of `critical_points`; at data as they come the products are irrational but for R = 0, so weights are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, NetworkError, OptionError
from fastminima.losses.squared import SquaredLoss
from fastminima.system.options import as_count, spelled
from fastminima.theorems.theorem4.classify import classify_linear

from .draws import (
    CriticalPoint,
    Wanted,
    hadamard,
    integer_matrix,
    squared_loss,
    unimodular,
    with_report,
)

__all__ = ["at_data", "by_indices"]

Floats = NDArray[np.float64]
Ints = NDArray[Any]
# the tolerance for weights rounded to float64
_ROUNDED = 2.0**-30


def _index_set(point: Wanted, indices: Sequence[int]) -> tuple[int, ...]:
    """The indices in order, if a point of the kind that is wanted has them."""
    dims, kind, rank = point.widths, point.kind, point.rank
    n, limit = min(dims[0], dims[-1]), min(dims)
    wanted = f"distinct, from 0 to min(dx, dy) - 1 = {n - 1}"
    chosen = tuple(sorted(as_count(k, "indices", 0, n - 1, wanted=wanted) for k in indices))
    if len(set(chosen)) < len(chosen):
        raise OptionError(f"indices must be {wanted}, got {spelled(indices)}")
    if len(chosen) > limit:
        raise OptionError(f"{len(chosen)} indices do not fit through a layer of width {limit}")
    if rank is not None and rank != len(chosen):
        raise OptionError(f"rank = {rank} contradicts {len(chosen)} indices; leave rank out")
    best = chosen == tuple(range(limit))
    if kind == "minimum" and not best:
        raise OptionError(
            f"a minimum learns the {limit} largest: indices {tuple(range(limit))}, got {chosen}"
        )
    if kind == "saddle" and best:
        raise OptionError(f"indices {chosen} are the global minimum of these widths; ask for kind='minimum'")
    return chosen


def _orthogonal(n: int, generator: np.random.Generator) -> Ints:
    """Integer columns, orthogonal to each other: products of 2 x 2 blocks (a, b; -b, a)."""
    U = np.eye(n, dtype=int).astype(object)
    for i in range(0, n - 1, 2):
        a, b = [(1, 0), (1, 1), (2, 1), (3, 4)][int(generator.integers(4))]
        U[i, i], U[i, i + 1], U[i + 1, i], U[i + 1, i + 1] = a, b, -b, a
    return U[generator.permutation(n)]


def by_indices(wanted: Wanted, generator: np.random.Generator) -> CriticalPoint:
    """A point that has learnt the indices wanted, its data made with it.

    Raises
    ------
    OptionError
        Indices that these widths, this rank or this kind do not have.
    NetworkError
        The point is not what was wanted, which a theorem rules out.
    """
    dims, kind = list(wanted.widths), wanted.kind
    assert wanted.indices is not None
    indices = _index_set(wanted, wanted.indices)
    X, Y, layers = _factors(dims, indices, generator)
    loss, X_out, Y_out = squared_loss(integer_matrix(X), integer_matrix(Y))
    point = with_report(
        loss, layers, X_out, Y_out, kind=kind, j_star=None, rank=len(indices), indices=indices
    )
    report = point.report
    case = report.facts.get("case")
    verdict = "global_minimum" if kind == "minimum" else "saddle"
    learnt_now = None if report.squared is None else report.squared.indices
    if report.verdict != verdict or learnt_now != indices:  # a theorem says that this cannot happen
        raise NetworkError(
            f"made {report.verdict} with index set {learnt_now}, wanted {verdict} with {indices}"
        )
    return replace(point, kind=kind if case is None else f"case{case}", j_star=report.j_star)


def _factors(
    dims: list[int], indices: tuple[int, ...], generator: np.random.Generator
) -> tuple[Ints, Ints, list[Ints]]:
    """(X, Y, layers) in integers."""
    dx, dy = dims[0], dims[-1]
    n = min(dx, dy)
    H = hadamard(dx)
    T, inverse = unimodular(dx, generator)
    columns = generator.permutation(len(H))
    X = H[:, columns[:dx]].dot(T)
    # S = 2^k T^T T, so the columns of T^-1 are S-orthogonal
    V, U = inverse[:, :n], _orthogonal(n, generator)
    wide = np.zeros((dy, n), dtype=object)
    wide[generator.permutation(dy)[:n]] = U
    lengths = [int(v) for v in (wide * wide).sum(axis=0)]
    # eigenvalues 2^k sigma^2 |u|^2, all distinct
    sigma: list[int] = []
    for length in lengths:
        s = int(generator.integers(1, 4))
        while any(s * s * length == t * t * other for t, other in zip(sigma, lengths, strict=False)):
            s += 1
        sigma.append(s)
    order = sorted(range(n), key=lambda i: -sigma[i] * sigma[i] * lengths[i])
    learnt = {order[k] for k in indices}
    L = (wide * np.array(sigma, dtype=object)).dot(V.T)
    free = H[:, columns[dx:]]
    Y = X.dot(L.T) + free.dot(generator.integers(-1, 2, (free.shape[1], dy)).astype(object))
    layers = _channels(dims, n, learnt, generator)
    layers[0] = layers[0].dot((V * np.array(sigma, dtype=object)).T)
    layers[-1] = wide.dot(layers[-1])
    return X, Y, _mixed(layers, dims, generator)


def _mixed(layers: list[Ints], dims: list[int], generator: np.random.Generator) -> list[Ints]:
    """The same product in random unimodular bases of the hidden layers."""
    mixed = list(layers)
    for k in range(len(mixed) - 1):
        C, back = unimodular(dims[k + 1], generator)
        mixed[k], mixed[k + 1] = C.dot(mixed[k]), mixed[k + 1].dot(back)
    return mixed


def _channels(dims: list[int], n: int, learnt: set[int], generator: np.random.Generator) -> list[Ints]:
    """Diagonal layers: slot by slot, which channel is carried where. Ends have n rows and columns."""
    sizes = [n, *dims[1:-1], n]
    count = len(sizes) - 1
    layers = [np.zeros((b, a), dtype=object) for a, b in pairwise(sizes)]
    narrow = min(sizes)
    slots = sorted(learnt)
    others = [i for i in range(n) if i not in learnt]
    generator.shuffle(others)
    # the learnt channels take the first slots of every hidden layer
    for k, W in enumerate(layers):
        for slot, channel in enumerate(slots):
            W[channel if k == count - 1 else slot, channel if k == 0 else slot] = 1
    free = narrow - len(slots)
    for slot, channel in enumerate(others[:free], len(slots)):
        # cut in two layers at least: one cut alone would leave a gradient in that layer
        cuts = set(
            generator.choice(count, size=int(generator.integers(2, count + 1)), replace=False).tolist()
        )
        for k, W in enumerate(layers):
            if k not in cuts:
                W[channel if k == count - 1 else slot, channel if k == 0 else slot] = 1
    return layers


def at_data(loss: SquaredLoss, wanted: Wanted, generator: np.random.Generator) -> CriticalPoint:
    """A point at data as they came, rounded where it has learnt something of them.

    Raises
    ------
    OptionError
        A rank or indices that these widths, this kind or these data do not have.
    DataError
        Data of other widths, or inputs without full column rank.
    """
    dims, kind = list(wanted.widths), wanted.kind
    dx, dy = dims[0], dims[-1]
    if loss.shape != (dy, dx):
        raise DataError(
            f"X has {loss.X.shape[1]} columns and Y {loss.Y.shape[1]}; widths start with dx = {dx} and end with dy = {dy}"
        )
    chosen = _index_set(wanted, _drawn(wanted, generator) if wanted.indices is None else wanted.indices)
    weights: list[Floats]
    if chosen:
        columns, reads = _learnt_map(loss, chosen)
        layers = [W.astype(np.float64) for W in _channels(dims, min(dx, dy), set(chosen), generator)]
        layers[0], layers[-1] = layers[0] @ reads, columns @ layers[-1]
        weights, tol = _spread_out(layers, generator), _ROUNDED
    else:
        # where two layers are 0 every gradient is, whatever the data and the other layers
        weights, tol = (
            [generator.integers(-1, 2, shape).astype(np.float64) for shape in pairwise(dims[::-1])][::-1],
            None,
        )
        for k in generator.choice(len(weights), size=2, replace=False):
            weights[k] = np.zeros(weights[k].shape)
    report = classify_linear(weights, loss, tol, exact=True if tol is None else None)
    if report.verdict == "saddle" and report.part.startswith("theorem 4, part 1"):
        kind = "case1" if report.j_star is None else "case2"
    return CriticalPoint(
        weights=weights,
        X=loss.X,
        Y=loss.Y,
        loss=loss,
        report=report,
        kind=kind,
        j_star=report.j_star,
        rank=len(chosen),
        indices=chosen,
    )


def _drawn(wanted: Wanted, generator: np.random.Generator) -> range:
    """The largest eigenvalues, as many as are asked for or drawn."""
    limit, rank = min(wanted.widths), wanted.rank
    highest = limit - (wanted.kind == "saddle")
    if rank is not None and not 0 <= rank <= highest:
        raise OptionError(f"rank must be from 0 to {highest} for kind={wanted.kind!r}, got {rank}")
    drawn = int(generator.integers(0, limit)) if rank is None else rank
    return range(limit) if wanted.kind == "minimum" and rank is None else range(drawn)


def _learnt_map(loss: SquaredLoss, indices: tuple[int, ...]) -> tuple[Floats, Floats]:
    """(U, U^T L): eigenvectors of Sigma as columns, (dy, n), largest eigenvalue first, and what they read, (n, dx).

    Parameters
    ----------
    loss : SquaredLoss
    indices : tuple of int
        The index set; its eigenvalues must be above rounding.

    Raises
    ------
    DataError
        Inputs without full column rank.
    OptionError
        An index whose eigenvalue is 0 within rounding.
    """
    X, Y = loss.X, loss.Y
    m, dx = X.shape
    if m < dx or np.linalg.matrix_rank(X) < dx:
        raise DataError("X must have full column rank: its columns depend on each other")
    Q, triangle = np.linalg.qr(X)
    # Sigma = Z^T Z with Z = Q^T Y
    A, s, Bt = np.linalg.svd(Q.T @ Y, full_matrices=False)
    floor = (m + dx) * 2.0**-52 * float(s.max(initial=0.0))
    nothing = [k for k in indices if s[k] <= floor]
    if nothing:
        raise OptionError(
            f"index {nothing[0]} has an eigenvalue of 0 within rounding: there is nothing to learn"
        )
    reads = np.linalg.solve(triangle, A * s).T
    return Bt.T, reads


def _spread_out(layers: list[Floats], generator: np.random.Generator) -> list[Floats]:
    """The same product in random orthogonal bases of the hidden layers."""
    turned = list(layers)
    for k in range(len(turned) - 1):
        Q = np.linalg.qr(generator.standard_normal((len(turned[k]),) * 2))[0]
        turned[k], turned[k + 1] = Q @ turned[k], turned[k + 1] @ Q.T
    return turned
