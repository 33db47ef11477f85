"""Theorem 4 where G = 0: what ell0 has at its critical point, the product, decides (parts 2 and 3, corollary 5)."""

from __future__ import annotations

from collections.abc import Callable

from fastminima.losses.base import Extremum

from .decision import Decision

__all__ = ["decide_stationary"]


def decide_stationary(
    extremum: Extremum, corollary: bool, zero: str, part_3: Callable[[], int | None]
) -> Decision:
    """Parts 2 and 3 of theorem 4, and corollary 5.

    Parameters
    ----------
    extremum : Extremum
        What ell0 has at the product.
    corollary : bool
        Is every critical point of ell0 a global minimum?
    zero : str
        How it is known that G = 0: "G = 0, exactly".
    part_3 : callable
        The j* for which W_{H+1:j*+1} has full row rank and W_{j*-1:1} full column rank, or None; called when it matters.
    """
    reason, certified = f"{zero}, and {extremum.reason}", extremum.certified
    if extremum.kind in ("minimum", "maximum"):
        where = "global" if extremum.everywhere else "local"
        part = "theorem 4, part 2(b)" if extremum.everywhere else "theorem 4, part 2(a)"
        return Decision(f"{where}_{extremum.kind}", "corollary 5" if corollary else part, reason, certified)
    j_star = part_3()
    if j_star is None:
        return Decision(
            "undetermined",
            "theorem 4, part 2",
            f"{reason}; the ranks of part 3 do not hold, so the weights may be an extremum where the product is none",
            False,
        )
    part = f"theorem 4, part 3 (j* = {j_star})"
    if extremum.kind == "neither":
        return Decision("saddle", part, reason, certified, j_star)
    return Decision(
        "undetermined",
        part,
        f"{zero}, and the weights are a local minimum (maximum) exactly where the product is one of ell0; {extremum.reason}",
        False,
        j_star,
    )
