"""Critical points of deep linear networks of known kind, exactly critical, made to order.

Two makers, both exact over the integers, with samples as rows and S = X^T X:

(a) By case (theorem 4's proof). Random integer factors with one factor, W_{H+1} for case 1 or W_{j*} for case 2, of
    rank below min(dx, dy). Then some l has l^T W_{H+1:2} = 0 and some n has W_1 n = 0, every layer's gradient vanishes
    where the gradient of ell0 is N = l n^T, and Y = X S^-1 (R S - N)^T + Z with X^T Z = 0 makes it that.
    N = 0 gives a global minimum.
(b) By index set (squared loss). Orthogonal integer eigenvectors u_i, S-orthogonal integer v_i, Y = X S^-1 (L S)^T + Z with
    L = sum_i sigma_i u_i v_i^T. Channel i of the network carries u_i through every layer where i is in the index set,
    and is cut in at least two layers where it is not; where it is cut decides the ranks, and so the kind of saddle.

Unimodular integer changes of basis between the layers hide the pattern and change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima._validate import as_matrix
from fastminima.errors import DataError, NetworkError, OptionError
from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.nullspace import null_space
from fastminima.losses import SquaredLoss
from fastminima.theorems.linear_report import LinearReport, classify_linear
from fastminima.theorems.linear_squared import solve

__all__ = ["CriticalPoint", "Kind", "critical_point"]

Kind = Literal["minimum", "saddle", "case1", "case2"]
Floats = NDArray[np.float64]
Ints = NDArray[Any]
_KINDS = ("minimum", "saddle", "case1", "case2")
# a draw is generic with probability near one; so many failures in a row mean that the request has no solution
_DRAWS = 200


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """An exactly critical point of squared loss, and the exact verdict on it.

    Attributes
    ----------
    weights : list of float64 arrays, [W_1, ..., W_{H+1}]
        Integers, so float64 holds them exactly.
    X, Y : arrays, (m, dx) and (m, dy)
        float64 where that holds the data exactly, else object arrays of Fractions.
    loss : SquaredLoss
    report : LinearReport
        `classify_linear(weights, loss)`, which confirmed what was asked for.
    kind : "minimum", "case1" or "case2"
    j_star : int or None
        Of case 2, for the transposed, reversed network where dy > dx.
    rank : int
        Of the product.
    indices : tuple of int or None
        The index set asked for.
    """

    weights: list[Floats]
    X: NDArray[Any]
    Y: NDArray[Any]
    loss: SquaredLoss
    report: LinearReport
    kind: str
    j_star: int | None
    rank: int
    indices: tuple[int, ...] | None


def critical_point(
    X: Any = None,
    Y: Any = None,
    widths: Sequence[int] = (),
    *,
    rank: int | None = None,
    indices: Sequence[int] | None = None,
    kind: Kind = "saddle",
    j_star: int | None = None,
    rng: Any = None,
) -> CriticalPoint:
    """An exactly critical point of a deep linear network under squared loss, of a kind you choose.

    Parameters
    ----------
    X : array-like, shape (m, dx), optional
        Inputs of full column rank, with `kind` (targets are made for them). Default: integers are drawn.
    Y : None
        Targets decide which matrices are critical, and those are irrational for almost all targets: no weights are
        exactly critical for data as they come. Leave it out.
    widths : sequence of int, [dx, d_1, ..., d_H, dy], H >= 1
    rank : int, optional
        Rank of the product; default: drawn.
    indices : sequence of int, optional
        The index set: which eigenvalues of Sigma the network has learnt, 0 the largest. Sets `rank`.
    kind : {"saddle", "minimum", "case1", "case2"}, default "saddle"
        The branch of appendix A7 the point lands in; "saddle" draws one.
    j_star : int, optional
        2 <= j_star <= H, for kind="case2"; default: drawn.
    rng : None, int or Generator
        As in `numpy.random.default_rng`.

    Returns
    -------
    CriticalPoint

    Raises
    ------
    OptionError
        A rank, index set, kind or j_star that these widths do not have; Y given; X together with indices.
    NetworkError
        Fewer than three widths, or widths below 1.
    DataError
        X of another width than dx, or without full column rank.

    Notes
    -----
    Appendix A7 has four branches: case 1 and 2, for dx >= dy and for dy > dx; the second pair is reached by widths.
    """
    dims = _widths(widths)
    generator = np.random.default_rng(rng)
    if Y is not None:
        raise OptionError(
            "Y cannot be given: at almost all data the critical weights are irrational, so none is exactly critical; "
            "leave Y out and take the one in the result"
        )
    if kind not in _KINDS:
        raise OptionError(f"kind must be one of {', '.join(_KINDS)}, got {kind!r}")
    if indices is not None:
        if X is not None or j_star is not None or kind not in ("saddle", "minimum"):
            raise OptionError("indices chooses X and the layers itself; leave out X, j_star and the cases")
        return _by_indices(dims, _index_set(indices, rank, kind, dims), kind, generator)
    return _by_case(X, dims, rank, kind, j_star, generator)


def _widths(widths: Sequence[int]) -> list[int]:
    try:
        dims = [int(d) for d in widths]
        whole = all(d == given for d, given in zip(dims, widths, strict=True))
    except (TypeError, ValueError):
        dims, whole = [], False
    if len(dims) < 3 or min(dims) < 1 or not whole:
        raise NetworkError(
            f"widths must be [dx, d_1, ..., d_H, dy], at least three whole numbers of 1 or more, got {widths!r}"
        )
    return dims


def _index_set(indices: Sequence[int], rank: int | None, kind: str, dims: list[int]) -> tuple[int, ...]:
    chosen = tuple(sorted(int(k) for k in indices))
    n, limit = min(dims[0], dims[-1]), min(dims)
    if len(set(chosen)) < len(chosen) or (chosen and not 0 <= chosen[0] <= chosen[-1] < n):
        raise OptionError(f"indices must be distinct, from 0 to min(dx, dy) - 1 = {n - 1}, got {indices!r}")
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


def _unimodular(n: int, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """An integer matrix of small entries and its integer inverse."""
    T, inverse = np.eye(n, dtype=int).astype(object), np.eye(n, dtype=int).astype(object)
    for _ in range(n):
        i, j = (int(v) for v in generator.integers(0, n, 2))
        if i != j:
            sign = int(generator.choice([-1, 1]))
            T[i] = T[i] + sign * T[j]
            inverse[:, j] = inverse[:, j] - sign * inverse[:, i]
    return T, inverse


def _hadamard(n: int) -> Ints:
    """Sylvester's matrix of the first power of two above n."""
    M: Ints = np.ones((1, 1), dtype=int)
    while len(M) <= n:
        M = np.block([[M, M], [M, -M]])
    return M.astype(object)


def _made(
    loss: SquaredLoss, layers: list[Ints], X: NDArray[Any], Y: NDArray[Any], **known: Any
) -> CriticalPoint:
    weights = [W.astype(np.float64) for W in layers]
    report = classify_linear(weights, loss, exact=True)
    return CriticalPoint(weights=weights, X=X, Y=Y, loss=loss, report=report, **known)


def _integers(M: Ints) -> RationalMatrix:
    return RationalMatrix(M, Fraction(1))


def _given(M: RationalMatrix) -> NDArray[Any]:
    """float64 numbers where these hold the matrix, else Fractions."""
    return M.rounded() if M.is_float64() else np.array(M.rows(), dtype=object)


# ---- by case ----------------------------------------------------------------------------------------------------


def _inputs(X: Any, dx: int, generator: np.random.Generator) -> tuple[RationalMatrix, RationalMatrix, Ints]:
    """(X, S^-1, an integer matrix whose columns are orthogonal to X's)."""
    if X is None:
        H = _hadamard(dx)
        T, inverse = _unimodular(dx, generator)
        columns = generator.permutation(len(H))
        inverse_S = RationalMatrix(inverse.dot(inverse.T), Fraction(1, len(H)))
        return _integers(H[:, columns[:dx]].dot(T)), inverse_S, H[:, columns[dx:]]
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


def _by_case(
    X: Any, dims: list[int], rank: int | None, kind: str, j_star: int | None, generator: np.random.Generator
) -> CriticalPoint:
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
    Y = inputs @ _integers(R.T) - inputs @ inverse @ _integers(N.T) + _integers(noise)
    loss, X_out, Y_out = _loss(inputs, Y)
    point = _made(
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


def _loss(X: RationalMatrix, Y: RationalMatrix) -> tuple[SquaredLoss, NDArray[Any], NDArray[Any]]:
    X_out, Y_out = _given(X), _given(Y)
    return SquaredLoss(X_out, Y_out), X_out, Y_out


# ---- by index set -----------------------------------------------------------------------------------------------


def _orthogonal(n: int, generator: np.random.Generator) -> Ints:
    """Integer columns, orthogonal to each other: products of 2 x 2 blocks (a, b; -b, a)."""
    U = np.eye(n, dtype=int).astype(object)
    for i in range(0, n - 1, 2):
        a, b = [(1, 0), (1, 1), (2, 1), (3, 4)][int(generator.integers(4))]
        U[i, i], U[i, i + 1], U[i + 1, i], U[i + 1, i + 1] = a, b, -b, a
    return U[generator.permutation(n)]


def _by_indices(
    dims: list[int], indices: tuple[int, ...], kind: str, generator: np.random.Generator
) -> CriticalPoint:
    dx, dy = dims[0], dims[-1]
    n = min(dx, dy)
    H = _hadamard(dx)
    T, inverse = _unimodular(dx, generator)
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
    for k in range(len(layers) - 1):
        C, back = _unimodular(dims[k + 1], generator)
        layers[k], layers[k + 1] = C.dot(layers[k]), layers[k + 1].dot(back)
    loss, X_out, Y_out = _loss(_integers(X), _integers(Y))
    point = _made(loss, layers, X_out, Y_out, kind=kind, j_star=None, rank=len(indices), indices=indices)
    report = point.report
    case = report.facts.get("case")
    wanted = "global_minimum" if kind == "minimum" else "saddle"
    learnt_now = None if report.squared is None else report.squared.indices
    if report.verdict != wanted or learnt_now != indices:  # a theorem says that this cannot happen
        raise NetworkError(
            f"made {report.verdict} with index set {learnt_now}, wanted {wanted} with {indices}"
        )
    return replace(point, kind=kind if case is None else f"case{case}", j_star=report.j_star)


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
