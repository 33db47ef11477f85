"""`lower_bounds`: the best proved lower bound of the risk for each width, and the fact behind it.

With K_w the functions with w kinks along hyperplanes and a free affine part, F_w the networks of width w with any slopes
s+ != s-, and A the affine functions, K_(w-1) < F_w < K_w as sets of outputs on the data. The bounds of `lower_bounds` are
for K_w, so they hold for all h_{s+,s-}; that of `branch_and_bound` is for F_w with the slopes of one activation, and
`LowerBound.slopes` has them. In every one of them:

(a) Equal inputs: the pure error E, their scatter about their weighted mean, stays whatever the function is.
(b) One input (or all inputs affine functions of one): functions with w kinks (`points_on_a_line`).
(c) Several: disjoint lines along a coordinate (`lines`).
(d) Few units on few inputs: cells of hidden rows (`branch_and_bound`), looked at for as long as the caller says.

Where the sharpest recursion for a line would not fit in memory or time a weaker one serves; which one, and why, is said by
an EffortWarning before anything starts, and stands in `LowerBound.notes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.errors import EffortWarning
from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import round_down
from fastminima.fit.least_squares import LeastSquares, least_squares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.system.notices import warned
from fastminima.system.options import as_count

from .branch_and_bound import BranchAndBound, SearchTree
from .lines import DistinctInputs, Line, bounds_of_lines, disjoint_lines, lines_of
from .points_on_a_line import programme

__all__ = ["LowerBound", "by_cells", "lower_bounds"]


@dataclass(frozen=True)
class LowerBound:
    """No network of this width has a lower risk, whatever its slopes; or none with the slopes that are named.

    Attributes
    ----------
    width : int
    exact : Fraction
        The bound; `value` is it rounded down.
    fact : str
        What proves it: "pure error", "pieces joined at kinks", "independent pieces", "lines" or "branch and bound".
    pure_error : Fraction
        The part of it that no function of the inputs goes below.
    lines : tuple of Line
        Where the rest of it comes from; of "branch and bound": where the best of the other bounds comes from.
    slopes : (s+, s-) or None
        None: the bound holds for all slopes, and for functions with so many kinks and a free affine part. Otherwise it
        holds for networks with h(t) = s+ t for t >= 0, s- t for t <= 0, only.
    tree : SearchTree or None
        Of "branch and bound": the cells of hidden rows.
    notes : tuple of str
        What would not fit in memory or time, and what was used instead.
    """

    width: int
    exact: Fraction
    fact: str
    pure_error: Fraction
    lines: tuple[Line, ...] = ()
    slopes: tuple[float, float] | None = None
    tree: SearchTree | None = field(default=None, repr=False, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """The bound, rounded down."""
        return max(0.0, round_down(self.exact))


def lower_bounds(
    data: Dataset, widths: Iterable[int], fit: LeastSquares | None = None
) -> dict[int, LowerBound]:
    """The best bound for each width.

    Parameters
    ----------
    data : Dataset
        With one target.
    widths : iterable of int
        Each at least 1.
    fit : LeastSquares, optional
        Of the same data, if it is known.

    Raises
    ------
    OptionError
        If a width is not a whole number of at least 1.
    TargetError
        If the data have several targets.
    """
    check_one_target(data, "lower_bounds")
    wanted = sorted({as_count(w, "width", 1) for w in widths})
    fit = least_squares(data) if fit is None else fit
    inputs = DistinctInputs(Columns(data))
    straight = fit.rank == 2 and len(inputs) > 1
    if straight:
        column = 0 if data.n_features == 1 else fit.exact.pivots[1] - 1
        lines = [(column, sorted(range(len(inputs)), key=inputs.positions(column).__getitem__))]
    else:
        lines = lines_of(inputs, min(wanted, default=1) + 3) if data.n_features > 1 else []
    notes = _notes(max((len(members) for _, members in lines), default=0), wanted)
    for text in sorted(set(notes.values())):
        warned(text, EffortWarning)
    pure, bound = inputs.pure_error, bounds_of_lines(inputs, wanted)
    found: dict[int, LowerBound] = {}
    for width in wanted:
        kept = disjoint_lines(inputs, [line for line in lines if len(line[1]) >= width + 3], width, bound)
        total = pure + sum((line.bound for line in kept), Fraction(0))
        fact = "lines" if kept else "pure error"
        if kept and straight:
            fact = "pieces joined at kinks" if kept[0].joined else "independent pieces"
        told = (notes[width],) if width in notes else ()
        found[width] = LowerBound(width, total, fact, pure, tuple(kept), notes=told)
    return found


def _notes(n: int, widths: list[int]) -> dict[int, str]:
    """For which widths pieces on a line of n points are not joined, and what is done instead."""
    ways = {width: programme(n, width) for width in widths}
    found = {}
    for width, way in ways.items():
        if way.joined or n < width + 3:
            continue
        alike = [w for w, its in ways.items() if (its.joined, its.stretch) == (False, way.stretch) and n >= w + 3]
        last = ways[alike[-1]]
        instead = (
            "the pure error of equal inputs"
            if not way.stretch
            else "independent pieces, a lower bound that is proved as well but weaker"
        )
        if 0 < way.stretch < n:
            instead += f", on {-(-n // way.stretch):,} stretches of the line"
        found[width] = (
            f"width {', '.join(map(str, alike))}: joining pieces at kinks on a line of {n:,} points would take "
            f"{last.n_bytes / 2**30:.3g} GiB and {last.n_steps:.1e} steps; used instead: {instead}"
        )
    return found


def by_cells(bound: LowerBound, search: BranchAndBound, activation: PiecewiseLinear) -> LowerBound:
    """The bound that a search of cells has shown by now, if it is better."""
    if search.lower <= bound.exact:
        return bound
    slopes = float(activation.s_plus), float(activation.s_minus)
    return replace(bound, exact=search.lower, fact="branch and bound", slopes=slopes, tree=search.tree)
