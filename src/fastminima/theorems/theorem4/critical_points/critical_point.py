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

At data as they come (X and Y given) the products of (b) are irrational but for R = 0; see `by_indices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from fastminima.errors import NetworkError, OptionError
from fastminima.losses.squared import SquaredLoss
from fastminima.system.options import as_count, spelled

from .by_case import by_case
from .by_indices import at_data, by_indices
from .draws import CriticalPoint, Kind, Wanted

__all__ = ["Kind", "critical_point"]

_KINDS = get_args(Kind)


def critical_point(
    X: ArrayLike | None = None,
    Y: ArrayLike | None = None,
    widths: Sequence[int] = (),
    *,
    rank: int | None = None,
    indices: Sequence[int] | None = None,
    kind: Kind = "saddle",
    j_star: int | None = None,
    rng: int | np.random.Generator | None = None,
) -> CriticalPoint:
    """A critical point of a deep linear network under squared loss, of a kind you choose; exact unless Y is given.

    Parameters
    ----------
    X : array-like, shape (m, dx), optional
        Inputs of full column rank; without Y targets are made for them. Default: integers are drawn.
    Y : array-like, shape (m, dy), optional
        Your targets, with X. They decide which products are critical, and those are irrational: the weights are rounded,
        and the report is one within a tolerance, unless rank = 0. Default: targets are made and the weights exact.
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
        A rank, index set, kind or j_star that these widths do not have; Y without X, or with a case or j_star; X with
        indices but without Y.
    NetworkError
        Fewer than three widths, or widths below 1.
    DataError
        X or Y of another width than dx and dy, or X without full column rank.

    Notes
    -----
    Appendix A7 has four branches: case 1 and 2, for dx >= dy and for dy > dx; the second pair is reached by widths.

    Examples
    --------
    >>> import fastminima as fm
    >>> point = fm.critical_point(widths=(3, 3, 3), rank=1, kind="saddle")
    >>> str(point.report.verdict), point.rank, [W.shape for W in point.weights]
    ('saddle', 1, [(3, 3), (3, 3)])
    """
    dims = _widths(widths)
    rank = None if rank is None else as_count(rank, "rank")
    j_star = None if j_star is None else as_count(j_star, "j_star")
    generator = np.random.default_rng(rng)
    if kind not in _KINDS:
        raise OptionError(f"kind must be one of {', '.join(_KINDS)}, got {spelled(kind)}")
    wanted = Wanted(tuple(dims), kind, rank, indices, j_star)
    if Y is not None:
        if X is None or j_star is not None or kind not in ("saddle", "minimum"):
            raise OptionError(
                "Y goes with X, with indices or rank, and with kind 'saddle' or 'minimum'; pass X, or leave Y out and take "
                "the one in the result"
            )
        return at_data(SquaredLoss(X, Y), wanted, generator)
    if indices is not None:
        if X is not None or j_star is not None or kind not in ("saddle", "minimum"):
            raise OptionError("indices chooses X and the layers itself; leave out X, j_star and the cases")
        return by_indices(wanted, generator)
    return by_case(X, wanted, generator)


def _widths(widths: Sequence[int]) -> list[int]:
    try:
        dims = [as_count(d, "a width", 1) for d in widths]
    except (TypeError, ValueError):  # an OptionError is one; a closed file raises it too
        dims = []
    if len(dims) < 3:
        raise NetworkError(
            f"widths must be [dx, d_1, ..., d_H, dy], at least three whole numbers of 1 or more, got {spelled(widths)}"
        )
    return dims
