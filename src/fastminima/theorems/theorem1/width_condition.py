"""Does a strictly better network with these hidden widths exist? Any convex differentiable loss, any depth, several outputs.

With A the slopes of the best affine map, rho their rank, g its gradients (of squared loss w_i times the residuals), and R_g
the sum of g over a group of equal inputs:

(a) All R_g = 0: the affine map is best among all functions (convexity: L(F) >= L + sum_i <g_i, F(x_i) - f(x_i)>, and
    the sum vanishes). A loss of 0 is least.
(b) Some R_g != 0: along any direction that tells inputs apart let g be the last group with R_g != 0. A unit with all
    groups before g inside the segment and g just beyond an end has feature sums v = psi(z_g) R_g, psi the distance of h
    from its line: affine parts cancel, as sum_i g_i (x_i, 1)^T = 0. An output weight -v on it lowers the loss. That
    takes one unit beside the rho that carry A x, in some layer k. Earlier layers must hand on x or (A x, direction):
    min(rho + 1, dx) units each, else inputs are told apart by A x alone. Later layers must hand on (A x, unit):
    min(rho + 1, dy) units, else the unit moves the output in the range of A only and A^T R_g != 0 is asked for.
(c) All widths rho >= 2: at a vertex p of the convex hull of the points A x, some basis of the rho units has a first one
    that is largest at p alone and whose column in the output goes against R = sum of g over the samples at p, if
    A^T R != 0. Moved by epsilon beyond an end at which h is continuous, it changes the output at p and nowhere else.
(d) rho = width = 1: with A = Q P, the samples with the largest P x can be moved along -Q where h goes on flatter beyond an
    end, and along Q where it is steeper, the others staying where they are. That gains where <Q, G> has that sign, G the sum
    of g over them; at the smallest P x the other one. y = x^3 on -2..2 with ReLU shows that "no" occurs: left undecided.
"""

from __future__ import annotations

import numpy as np

from fastminima.networks.activations.affine_segment import AffineSegment

from .affine_optimum import AffineOptimum
from .status import MinimumStatus

__all__ = ["compared_with_widths"]

# directions in which a vertex is looked for, beside the targets' own. Only a choice
_DIRECTIONS = 32


def compared_with_widths(
    fits: AffineOptimum, widths: tuple[int, ...], segment: AffineSegment
) -> tuple[MinimumStatus, str]:
    """Status and reason of the least-squares point among networks of these widths, all at least `fits.rank`."""
    if fits.exact and fits.loss == 0:
        return MinimumStatus.GLOBAL, "linearly_fittable: the data are exactly affine, and the loss is 0"
    if fits.pushed is False:
        return (
            MinimumStatus.GLOBAL,
            "no_better_point: every group of equal inputs has residual sum 0: the affine fit is best among all functions",
        )
    if segment.whole:
        return (
            MinimumStatus.GLOBAL,
            "no_better_point: the activation is affine, and so is every network with it",
        )
    if not segment.bends:
        return (
            MinimumStatus.UNDECIDED,
            "that the activation leaves its line at the end of the segment is not proved by its formula",
        )
    layer = _layer_with_room(fits, widths)
    if layer:
        return (
            MinimumStatus.SPURIOUS,
            f"a strictly better network of these widths exists: layer {layer} has a unit beside the {fits.rank} that carry "
            "the affine fit, and the residuals push it",
        )
    if fits.pushed is None:
        return (
            MinimumStatus.UNDECIDED,
            "tie_in_bounds: whether the residuals of every group of equal inputs cancel is not decided by bounds, "
            "and there are too many for exact logarithms",
        )
    if fits.exact and fits.rank == 1 and _pushed_end(fits, segment.turns):
        return (
            MinimumStatus.SPURIOUS,
            "a strictly better network of these widths exists: at one end of the fitted values the residuals push to where "
            "the one unit can go",
        )
    if fits.exact and fits.rank >= 2 and segment.bends_continuously and _pushed_vertex(fits):
        return (
            MinimumStatus.SPURIOUS,
            "a strictly better network of these widths exists: a vertex of the fitted values is pushed by its residuals",
        )
    return (
        MinimumStatus.UNDECIDED,
        f"width_is_rank: no layer has a useful unit beside the {fits.rank} that carry the affine fit, and "
        + (
            "no vertex of the fitted values was found pushed"
            if fits.rank > 1
            else "one unit gains for one sign only"
        ),
    )


def _layer_with_room(fits: AffineOptimum, widths: tuple[int, ...]) -> int:
    """A layer (counted from 1) in which one more unit gains, see (b); 0 where there is none."""
    data = fits.data
    # where slopes are known in floats only, their rank is at most this
    rank = fits.rank if fits.exact else min(data.n_features, fits.freedom)
    answers: dict[tuple[bool, bool], bool] = {(False, False): fits.pushed is True}
    for k, width in enumerate(widths):
        if width <= rank or min(widths) < rank:
            continue
        merged = min(widths[:k], default=rank + 1) < min(rank + 1, data.n_features)
        through = min(widths[k + 1 :], default=rank + 1) < min(rank + 1, fits.freedom)
        if (merged, through) not in answers:
            if not fits.exact:
                continue
            ids = fits.by_fitted_value if merged else fits.by_input
            answers[merged, through] = fits.pushes(ids, through)
        if answers[merged, through]:
            return k + 1
    return 0


def _pushed_vertex(fits: AffineOptimum) -> bool:
    """Is a vertex of the fitted values found at which A^T R is not 0? See (c)."""
    values, ids = fits.fitted, fits.by_fitted_value
    count = len(values)
    draws = np.random.default_rng(0).integers(-99, 100, (_DIRECTIONS, count)).tolist()
    units = np.eye(count, dtype=int).tolist()
    for direction in [*units, *draws]:
        along = sum(c * v for c, v in zip(direction, values, strict=True))
        for best in (along.max(), along.min()):
            members = along == best
            if len(set(ids[members].tolist())) > 1:
                # a face, no vertex
                continue
            sums = [int(r[members].sum()) for r in fits.weighted_residuals]
            if any(fits.carried(sums)):
                return True
    return False


def _pushed_end(fits: AffineOptimum, turns: frozenset[int]) -> bool:
    """Do the residuals push one of the two ends of the fitted values to where it can go? See (d)."""
    k = next(k for k, row in enumerate(fits.slopes) if any(row))
    c = next(c for c, slope in enumerate(fits.slopes[k]) if slope)
    # P is row k: <Q, G> P_c is entry c of A^T G
    sign = 1 if fits.slopes[k][c] > 0 else -1
    along = fits.fitted[k]
    for best, way in ((along.max(), 1), (along.min(), -1)):
        sums = [int(r[along == best].sum()) for r in fits.weighted_residuals]
        push = fits.carried(sums)[c] * sign * way
        if ((push > 0) - (push < 0)) in turns:
            return True
    return False
