"""Critical points by case of theorem 4's proof: random integer factors, one of them of low rank, and targets made for them.

See line (a) of `critical_points`.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import as_matrix
from fastminima.errors import DataError, OptionError
from fastminima.exact.matrix import RationalMatrix, solve
from fastminima.exact.nullspace import null_space

from .draws import (
    CriticalPoint,
    Wanted,
    hadamard,
    integer_matrix,
    squared_loss,
    unimodular,
    with_report,
)

__all__ = ["by_case"]

Ints = NDArray[Any]
# a draw is generic with probability near one; so many failures in a row mean that the request has no solution
_DRAWS = 200


def _inputs(X: Any, dx: int, generator: np.random.Generator) -> tuple[RationalMatrix, RationalMatrix, Ints]:
    """(X, S^-1, an integer matrix whose columns are orthogonal to X's)."""
    if X is None:
        H = hadamard(dx)
        T, inverse = unimodular(dx, generator)
        columns = generator.permutation(len(H))
        inverse_S = RationalMatrix(inverse.dot(inverse.T), Fraction(1, len(H)))
        return integer_matrix(H[:, columns[:dx]].dot(T)), inverse_S, H[:, columns[dx:]]
    table = as_matrix(X, "X")
    if table.rounded:
        raise DataError("X holds numbers that are not float64 numbers; round them first")
    if table.values.shape[1] != dx:
        raise DataError(f"X has {table.values.shape[1]} columns and widths start with dx = {dx}")
    exact = RationalMatrix.of_floats(table.values)
    solved = solve(exact.T @ exact, RationalMatrix.identity(dx))
    if solved is None:
        raise DataError("X must have full column rank: its columns depend on each other")
    return exact, solved, np.zeros((len(table.values), 0), dtype=object)


def _of_rank(rows: int, columns: int, rank: int, generator: np.random.Generator) -> Ints:
    """Random small integers of at most (nearly always exactly) this rank."""
    if rank >= min(rows, columns):
        M: Ints = generator.integers(-2, 3, (rows, columns)).astype(object)
        return M
    left = generator.integers(-1, 2, (rows, rank)).astype(object)
    right = generator.integers(-1, 2, (rank, columns)).astype(object)
    product: Ints = left.dot(right)
    return product


def _null_vector(M: Ints, generator: np.random.Generator) -> Ints | None:
    basis = null_space(M.tolist(), M.shape[1])
    if not basis:
        return None
    mix = generator.integers(-1, 2, len(basis))
    mix[int(generator.integers(len(basis)))] = 1
    vector = np.array(basis, dtype=object).T.dot(mix.astype(object))
    return vector if any(vector) else np.array(basis[0], dtype=object)


def by_case(X: Any, wanted: Wanted, generator: np.random.Generator) -> CriticalPoint:
    """A point of the case wanted, its targets (and inputs, where X is None) made for it.

    Raises
    ------
    OptionError
        A rank, kind or j_star that these widths do not have.
    DataError
        X of another width than dx, or without full column rank.
    """
    dims, rank, j_star = list(wanted.widths), wanted.rank, wanted.j_star
    kind: str = wanted.kind
    H, flip = len(dims) - 2, dims[-1] > dims[0]
    chain = dims[::-1] if flip else dims
    n = min(dims[0], dims[-1])
    if kind != "minimum" and min(dims[1:-1]) < n:
        raise OptionError(
            f"the cases of theorem 4 need hidden widths of at least min(dx, dy) = {n}, got {dims[1:-1]}; "
            "use indices= for bottlenecks"
        )
    highest = min(dims) if kind == "minimum" else n - 1
    if rank is not None and not 0 <= rank <= highest:
        raise OptionError(f"rank must be from 0 to {highest} for kind={kind!r} at these widths, got {rank}")
    if kind == "case2" and H < 2:
        raise OptionError("case 2 needs at least two hidden layers (H >= 2): j* runs from 2 to H")
    if j_star is not None and (kind != "case2" or not 2 <= j_star <= H):
        raise OptionError(f"j_star is for kind='case2', from 2 to H = {H}; got {j_star} with kind={kind!r}")
    if kind == "saddle":
        kind = "case2" if H >= 2 and generator.random() < 0.5 else "case1"
    if kind == "case2" and j_star is None:
        j_star = int(generator.integers(2, H + 1))
    for _ in range(_DRAWS):
        r = int(generator.integers(0, highest + 1)) if rank is None else rank
        found = _draw_case(X, chain, flip, r, kind, j_star, generator)
        if found is not None:
            return found
    raise OptionError(
        f"no critical point of kind {kind!r} and rank {rank} came up at widths {dims}: they leave no room for it"
    )


def _draw_case(
    X: Any,
    chain: list[int],
    flip: bool,
    rank: int,
    kind: str,
    j_star: int | None,
    generator: np.random.Generator,
) -> CriticalPoint | None:
    """One draw; None where it was not generic enough."""
    H = len(chain) - 2
    # layer (from 0) of low rank: W_{H+1} for case 1, W_{j*} for case 2
    low = {"case1": H, "case2": (j_star or 1) - 1}.get(kind, H)
    first = min(chain[0] - (kind != "minimum"), chain[1])
    deficient = int(generator.integers(rank, chain[-1])) if kind != "minimum" else rank
    ranks = [max(b, a) for b, a in pairwise(chain)]
    ranks[low] = deficient
    ranks[0] = rank if deficient != rank else int(generator.integers(rank, first + 1))
    layers = [_of_rank(b, a, r, generator) for (a, b), r in zip(pairwise(chain), ranks, strict=True)]
    R = layers[0]
    for W in layers[1:]:
        R = W.dot(R)
    if R.shape[1] - len(null_space(R.tolist(), R.shape[1])) != rank:
        return None
    N: Ints = np.zeros(R.shape, dtype=object)
    if kind != "minimum":
        top = layers[1]
        for W in layers[2:]:
            top = W.dot(top)
        left, right = _null_vector(top.T, generator), _null_vector(layers[0], generator)
        if left is None or right is None:
            return None
        N = np.outer(left, right)
    if flip:
        layers, R, N = [W.T for W in reversed(layers)], R.T, N.T
    inputs, inverse, free = _inputs(X, R.shape[1], generator)
    noise = free.dot(generator.integers(-1, 2, (free.shape[1], len(R))).astype(object))
    Y = inputs @ integer_matrix(R.T) - inputs @ inverse @ integer_matrix(N.T) + integer_matrix(noise)
    loss, X_out, Y_out = squared_loss(inputs, Y)
    point = with_report(
        loss,
        layers,
        X_out,
        Y_out,
        kind=kind,
        j_star=j_star if kind == "case2" else None,
        rank=rank,
        indices=None,
    )
    report = point.report
    if kind == "minimum":
        return point if report.verdict == "global_minimum" else None
    wanted = report.facts.get("case") == (1 if kind == "case1" else 2) and report.j_star == point.j_star
    return point if report.verdict == "saddle" and wanted else None
