"""`lower_bounds`: the best proved lower bound of the risk for each width, and the fact behind it.

With K_w the functions with w kinks along hyperplanes and a free affine part, F_w the networks of width w with any slopes
s+ != s-, and A the affine functions, K_(w-1) < F_w < K_w as sets of outputs on the data. The bounds of `lower_bounds` are
for K_w, so they hold for all h_{s+,s-}; that of `branch_and_bound` is for F_w with the slopes of one activation, and
`LowerBound.slopes` has them. In every one of them:

(a) Equal inputs: the pure error E, their scatter about their weighted mean, stays whatever the function is.
(b) One input (or all inputs affine functions of one): functions with w kinks (`points_on_a_line`).
(c) Several: disjoint lines along a coordinate (`lines`).
(d) Few units on few inputs: cells of hidden rows (`branch_and_bound`), looked at for as long as the caller says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import round_down
from fastminima.fit.least_squares import LeastSquares, least_squares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.system.options import as_count

from .branch_and_bound import BranchAndBound, SearchTree
from .lines import DistinctInputs, Line, bounds_of_lines, disjoint_lines, lines_of
from .points_on_a_line import pieces_bounds

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
    """

    width: int
    exact: Fraction
    fact: str
    pure_error: Fraction
    lines: tuple[Line, ...] = ()
    slopes: tuple[float, float] | None = None
    tree: SearchTree | None = field(default=None, repr=False, compare=False)

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
    pure = inputs.pure_error
    if fit.rank == 2 and len(inputs) > 1:
        column = 0 if data.n_features == 1 else fit.exact.pivots[1] - 1
        return _on_a_line(inputs, column, pure, wanted)
    found: dict[int, LowerBound] = {}
    lines = lines_of(inputs, min(wanted, default=1) + 3) if data.n_features > 1 else []
    bound = bounds_of_lines(inputs, max(wanted, default=1))
    for width in wanted:
        kept = disjoint_lines(inputs, [line for line in lines if len(line[1]) >= width + 3], width, bound)
        total = pure + sum((line.bound for line in kept), Fraction(0))
        found[width] = LowerBound(width, total, "lines" if kept else "pure error", pure, tuple(kept))
    return found


def _on_a_line(
    inputs: DistinctInputs, column: int, pure: Fraction, widths: list[int]
) -> dict[int, LowerBound]:
    """All inputs lie on one straight line, along which `column` tells them apart."""
    positions = inputs.positions(column)
    groups = sorted(range(len(inputs)), key=positions.__getitem__)
    pieces = pieces_bounds(inputs.points(positions, groups), max(widths, default=1))
    found = {}
    for width in widths:
        bound = Fraction(0) if pieces is None else pieces.bounds[width]
        if pieces is None or not bound:
            found[width] = LowerBound(width, pure, "pure error", pure)
            continue
        fact = "pieces joined at kinks" if pieces.joined else "independent pieces"
        line = Line(column, tuple(groups), bound, pieces.joined)
        found[width] = LowerBound(width, pure + bound, fact, pure, (line,))
    return found


def by_cells(bound: LowerBound, search: BranchAndBound, activation: PiecewiseLinear) -> LowerBound:
    """The bound that a search of cells has shown by now, if it is better."""
    if search.lower <= bound.exact:
        return bound
    slopes = float(activation.s_plus), float(activation.s_minus)
    return replace(bound, exact=search.lower, fact="branch and bound", slopes=slopes, tree=search.tree)
