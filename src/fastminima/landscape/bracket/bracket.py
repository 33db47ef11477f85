"""`bracket`: an interval, proved, that holds the least risk of all networks of a width."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypedDict, Unpack, overload

import numpy as np

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.given import DataLike, HasData
from fastminima.errors import OptionError
from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import round_down, round_up
from fastminima.fit.least_squares import LeastSquares, least_squares
from fastminima.networks.activations.named import ActivationLike, as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, relu
from fastminima.networks.given import own_data
from fastminima.networks.next_steps import Drawn, NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.options import as_count
from fastminima.system.packages import import_optional
from fastminima.system.progress import Progress
from fastminima.system.results import Result

from .branch_and_bound import BranchAndBound, Effort, affordable
from .fit_network import NetworkFit, SearchEnd, SearchLimits, refined, searched, seed_of
from .lines import DistinctInputs
from .lower_bound import LowerBound, by_cells, lower_bounds

__all__ = ["Bracket", "Brackets", "bracket"]

# cells that are looked at for every start where no clock says when to end; only a choice
_CELLS_PER_START = 500


@dataclass(frozen=True, eq=False, repr=False)
class Bracket(NextSteps):
    """lower <= the least risk of all networks of this width <= upper.

    Attributes
    ----------
    width : int
    bound : LowerBound
        What proves `lower`, and for which slopes: all of them (`bound.slopes` is None), or those of the activation.
    found : NetworkFit
        The best network found, with its exact risk: what proves `upper`, for its activation.
    linear_risk : Fraction
        The least-squares risk: that of theorem 1's spurious minima.

    Examples
    --------
    >>> import fastminima as fm
    >>> b = fm.bracket(fm.load_demo("xor"), width=2, seconds=0.2, random_state=0)
    >>> 0.0 <= b.lower <= b.upper < 0.5, b.network.width
    (True, 2)
    """

    width: int
    bound: LowerBound
    found: NetworkFit
    linear_risk: Fraction
    _picture = "plot_bracket"

    @property
    def data(self) -> Dataset:
        """The data of the risks."""
        return self.found.data

    @property
    def lower(self) -> float:
        """No network of this width and these slopes (`bound.slopes`; None: any) has a lower risk; rounded down."""
        return self.bound.value

    @property
    def upper(self) -> float:
        """The exact risk of `network`, rounded up."""
        return self.found.risk

    @property
    def network(self) -> OneHiddenLayer:
        """The best network found."""
        return self.found.network

    @property
    def reason(self) -> str:
        """Which fact proved `lower`."""
        return self.bound.fact

    @property
    def notes(self) -> tuple[str, ...]:
        """What would not fit in memory or time, and which fact `lower` has instead."""
        return self.bound.notes

    @property
    def end(self) -> SearchEnd:
        """Why the search ended."""
        return self.found.end

    @property
    def trace(self) -> tuple[tuple[float, float], ...]:
        """Seconds of the search, and the least risk found by then, rounded."""
        return self.found.history

    @property
    def gap(self) -> tuple[float, float]:
        """(least, most) share of the least-squares risk by which the spurious minimum exceeds the best network."""
        if not self.linear_risk:
            return 0.0, 0.0
        least = 1 - self.found.exact_risk / self.linear_risk
        most = 1 - self.bound.exact / self.linear_risk
        return max(0.0, round_down(least)), min(1.0, round_up(most))

    def to_frame(self) -> Any:
        """One row, as `Brackets.to_frame`."""
        return Brackets([self]).to_frame()

    def __repr__(self) -> str:
        least, most = self.gap
        return (
            f"Bracket(width {self.width}: {self.lower:.6g} <= least risk <= {self.upper:.6g}, by {self.reason}; "
            f"gap {100 * least:.4g} % to {100 * most:.4g} %)"
        )


class Brackets(Result, Drawn, tuple[Bracket, ...]):
    """Brackets of the same data by increasing width: a tuple that is shown, drawn and kept as a whole.

    Examples
    --------
    >>> import fastminima as fm
    >>> x = [[float(v)] for v in range(-3, 4)]
    >>> fm.bracket((x, [0.0, 0, 2, 3, -3, -2, 2]), width=[1, 2], n_starts=4)
    Brackets(2 widths; 1: 13 to 13, 2: 3.375 to 3.375)
    """

    __slots__ = ()
    _compared = ("brackets",)
    _picture = "plot_bracket"

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        """One a width."""
        return tuple(self)

    @property
    def data(self) -> Dataset:
        """The data of the risks."""
        return self[0].data

    def to_frame(self) -> Any:
        """One row a width, as a pandas DataFrame: both ends, the gap, what proves the lower one, and how the search ended.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed (extra `tables`).
        """
        pandas = import_optional("pandas", extra="tables", purpose="a table of brackets")
        return pandas.DataFrame([_row(one) for one in self])

    def __repr__(self) -> str:
        ends = ", ".join(f"{b.width}: {b.lower:.6g} to {b.upper:.6g}" for b in self[:4])
        return f"Brackets({len(self)} widths; {ends}{', ...' if len(self) > 4 else ''})"


def _row(b: Bracket) -> dict[str, Any]:
    least, most = b.gap
    return {
        "width": b.width,
        "lower": b.lower,
        "upper": b.upper,
        "gap_least": least,
        "gap_most": most,
        "least_squares_risk": float(b.linear_risk),
        "pure_error": max(0.0, round_down(b.bound.pure_error)),
        "reason": b.reason,
        "end": str(b.end),
        "n_starts": b.found.n_starts,
        "seconds": b.trace[-1][0],
    }


class _Options(TypedDict, total=False):
    activation: ActivationLike
    seconds: float | None
    n_starts: int | None
    random_state: int | np.random.Generator | None
    workers: int
    progress: Progress


@overload
def bracket(data: DataLike | HasData, width: int = 8, **options: Unpack[_Options]) -> Bracket: ...
@overload
def bracket(data: DataLike | HasData, width: Sequence[int], **options: Unpack[_Options]) -> Brackets: ...
def bracket(
    data: DataLike | HasData,
    width: int | Sequence[int] = 8,
    *,
    activation: ActivationLike = relu,
    seconds: float | None = None,
    n_starts: int | None = None,
    random_state: int | np.random.Generator | None = 0,
    workers: int = 1,
    progress: Progress = False,
) -> Bracket | Brackets:
    """Bracket the least risk of all networks of a width.

    The lower end is proved: the pure error of equal inputs, what few kinks leave on straight lines in input space, and for
    few units on few inputs the lowest of the cells into which the hidden rows of all networks are cut (branch and bound).
    The upper end is the exact risk of a network that a search found.

    Parameters
    ----------
    data : Dataset, (X, y) or (X, y, sample_weight)
        With one target. A result that knows its data does as well.
    width : int or sequence of int, default 8
        Hidden units, of one bracket or of several that share what they can.
    activation : PiecewiseLinear, str or torch.nn.Module, default relu
        Piecewise linear, such as "leaky_relu:0.2".
        Of the network found. `bound.slopes` says whether the lower end holds for all slopes or for its slopes alone.
    seconds, n_starts, random_state, workers, progress
        As for `fit_network`, for each width; 5 seconds where neither `seconds` nor `n_starts` is given. Where branch and
        bound is tried it has half of the seconds, and what the search leaves of its own; without `seconds`, 500 cells for
        each start.

    Returns
    -------
    Bracket, or Brackets, a tuple of them by increasing width
        After an interrupt, the best so far: `end` says so.

    Raises
    ------
    DataTypeError, TargetError, OptionError, NetworkError
        For data of other kinds, several targets, numbers out of range, and other activations.

    Warns
    -----
    EffortWarning
        Before the search, where the sharpest lower bound would not fit in memory or time: which one is used instead, as
        the bracket's `notes` say.

    Examples
    --------
    >>> import fastminima as fm
    >>> x = [[float(v)] for v in range(-3, 4)]
    >>> fm.bracket((x, [0.0, 0, 2, 3, -3, -2, 2]), width=2, n_starts=4)
    Bracket(width 2: 3.375 <= least risk <= 3.375, by branch and bound; gap 76.81 % to 76.81 %)
    """
    dataset = own_data(data, "bracket")
    check_one_target(dataset, "bracket")
    limits, h = SearchLimits(seconds, n_starts, workers, progress), as_piecewise(activation, "bracket")
    several = isinstance(width, Sequence) and not isinstance(width, str | bytes)
    widths = sorted({as_count(w, "width", 1) for w in (width if several else [width])})  # type: ignore[union-attr]
    if not widths:
        raise OptionError("width must name at least one width, got none")
    found = _brackets(least_squares(dataset), widths, h, limits, seed_of(random_state))
    return Brackets(found) if several else found[0]


def _brackets(
    fit: LeastSquares, widths: list[int], activation: PiecewiseLinear, limits: SearchLimits, seed: int
) -> list[Bracket]:
    """One per width: a network of a width bounds those above."""
    bounds = lower_bounds(fit.data, widths, fit)
    brackets: list[Bracket] = []
    for width in widths:
        began = time.perf_counter()
        halved = replace(limits, seconds=limits.seconds and limits.seconds / 2)
        cells = affordable(fit, width) and bounds[width].exact < fit.exact.risk
        try:
            found = searched(fit, width, activation, halved if cells else limits, seed)
        except KeyboardInterrupt:
            # after the search, where the risk is computed; the brackets of smaller widths are there
            if not brackets:
                raise
            last = brackets[-1]
            brackets[-1] = replace(last, found=replace(last.found, end=SearchEnd.INTERRUPTED))
            break
        if brackets and brackets[-1].found.exact_risk < found.exact_risk:
            found = _widened(brackets[-1].found, width, found)
        if cells and found.end is not SearchEnd.INTERRUPTED:
            effort = _effort(limits, time.perf_counter() - began)
            bounds[width], found = _with_cells(fit, bounds[width], found, effort)
        brackets.append(Bracket(width, bounds[width], found, fit.exact.risk))
        if found.end is SearchEnd.INTERRUPTED:
            break
    return _ordered(brackets)


def _effort(limits: SearchLimits, spent: float) -> Effort:
    """What is left for cells: the rest of the time; or, without a clock, as much work as the starts say."""
    if limits.seconds is not None:
        return Effort(seconds=max(limits.seconds - spent, limits.seconds / 4))
    return Effort(cells=_CELLS_PER_START * (limits.n_starts or 1))


def _with_cells(
    fit: LeastSquares, bound: LowerBound, found: NetworkFit, effort: Effort
) -> tuple[LowerBound, NetworkFit]:
    """Both ends after a search of cells, which may lower the upper one as well; after an interrupt, what there is."""
    activation = found.network.activation
    assert isinstance(activation, PiecewiseLinear)
    if bound.exact >= found.exact_risk:
        return bound, found
    try:
        search = BranchAndBound(fit, DistinctInputs(Columns(fit.data)), bound.width, activation)
        search.run(found.exact_risk, effort)
        bound = by_cells(bound, search, activation)
        network = search.network()
        if network is not None:
            found = refined(found, fit, network)
        interrupted = search.interrupted
    except KeyboardInterrupt:
        interrupted = True
    return bound, replace(found, end=SearchEnd.INTERRUPTED) if interrupted else found


def _ordered(brackets: list[Bracket]) -> list[Bracket]:
    """What bounds a width from below bounds the smaller ones."""
    for k in range(len(brackets) - 1, 0, -1):
        small, large = brackets[k - 1], brackets[k]
        if large.bound.exact > small.bound.exact:
            brackets[k - 1] = replace(small, bound=replace(large.bound, width=small.width))
    return brackets


def _widened(best: NetworkFit, width: int, searched: NetworkFit) -> NetworkFit:
    """The network of a smaller width with units that are off: the same function."""
    W1, b1, W2, b2 = best.network.parameters()
    more = width - len(W2)
    network = OneHiddenLayer(
        np.concatenate([W1, np.zeros((more, W1.shape[1]))]),
        np.concatenate([b1, np.zeros(more)]),
        np.concatenate([W2, np.zeros(more)]),
        b2,
        best.network.activation,
        best.network.feature_names,
    )
    history = (*searched.history, (searched.history[-1][0], float(best.exact_risk)))
    return replace(searched, network=network, exact_risk=best.exact_risk, history=history)
