"""The least risk of all networks of a small width, from below: cells of hidden rows, the lowest cut first.

(a) The cells of `direction_boxes` cover all networks with slopes s+, s-. What a cell's networks leave on the rows that it
    decides is bounded from below by the kernel `_cones`, proved in spite of rounding; where that shows too little, by
    `exact_cells`, once the cell is the lowest. The least of these bounds holds for all networks, at any moment.
(b) The unit is cut whose open rows have the largest errors: across the side of its box that spreads them most. Rows on a
    kink (the rule at a minimum) stay open however small the box is: where a unit has few open rows, the cell is cut by
    the sign of the worst of them.
(c) The function that a cell's bound belongs to is a network as well: the best of them may be below what a search found.
(d) Functions K_w with w kinks and a free affine part need no search of their own. c max(<z, x~>, 0) and c max(-<z, x~>, 0)
    differ by an affine function, so a cell of K_w is a sign and a box on a face z_f = 1 for each kink. The 2^w cells of
    networks with z or -z in each box decide the same rows, and what they hold is in the cell of K_w: their least risk on
    these rows is no lower. So cells that bound K_w bound the networks, 2^w as many of them, by as much or more; and
    K_(w-1) < F_w < K_w keeps either bound from being taken for the other's: `LowerBound.slopes`.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import Floats, round_down
from fastminima.fit.least_squares import LeastSquares
from fastminima.kernels import _cones
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .direction_boxes import Cell, Cut, first_cells
from .exact_cells import ExactInputs
from .lines import DistinctInputs
from .scaled_inputs import ScaledInputs

__all__ = ["BranchAndBound", "Effort", "SearchTree", "affordable"]

# Only choices: unknowns up to which cells are looked at, distinct inputs, cells in memory, and shares of the upper bound at
# which the search ends; open rows of a unit up to which a row is cut; the depth of boxes beyond which nothing else is; the
# share of an estimate below which a cell is decided by rationals, with several units and with one.
_MOST_UNKNOWNS, _MOST_INPUTS, _MOST_CELLS = 10, 2_000, 400_000
_NEAR = 1.0 - 2.0**-10
_FEW, _FEW_ON_A_LINE, _SMALLEST = 10, 2, 2.0**-40
_LITTLE, _MOST = 0.5, 0.95


@dataclass(frozen=True)
class Effort:
    """When the search of cells ends.

    Attributes
    ----------
    seconds : float or None
    cells : int or None
    """

    seconds: float | None = None
    cells: int | None = None


@dataclass
class SearchTree:
    """The cells that were looked at: the first ones, then two for every cut.

    Attributes
    ----------
    width : int
    columns : tuple of int
        The inputs that the cells are about: independent ones.
    bounds : list of float
        What is proved of each cell, in scaled units; inf of those that are empty.
    cuts : dict of int to (Cut, int)
        How a cell was cut, and the number of the first of the two that follow.
    """

    width: int
    columns: tuple[int, ...]
    bounds: list[float] = field(default_factory=list)
    cuts: dict[int, tuple[Cut, int]] = field(default_factory=dict)

    def arrays(self) -> dict[str, Any]:
        """What is in it, with a row (cell, unit, at, by row, the first of the two that follow) for each cut."""
        table = [(k, cut.unit, cut.at, int(cut.by_row), first) for k, (cut, first) in self.cuts.items()]
        cuts = np.array(table, dtype=np.int64).reshape(len(table), 5)
        return {"width": self.width, "columns": self.columns, "bounds": np.array(self.bounds), "cuts": cuts}

    @classmethod
    def of_arrays(cls, width: int, columns: tuple[int, ...], bounds: Floats, cuts: NDArray[np.int64]) -> Self:
        """The tree of such arrays."""
        known = {k: (Cut(unit, at, bool(by_row)), first) for k, unit, at, by_row, first in cuts.tolist()}
        return cls(width, columns, bounds.tolist(), known)

    def fault(self) -> str | None:
        """What keeps its cells from being a tree: two new ones, the next in order, follow each cut."""
        if not 1 <= self.width <= _cones.MOST_UNITS or not self.columns or min(self.columns) < 0:
            return f"cells of {self.width} units on the columns {self.columns}"
        begun = len(self.bounds) - 2 * len(self.cuts)
        if begun != sum(1 for _ in first_cells(self.width, len(self.columns) + 1)):
            return f"{len(self.bounds)} cells and {len(self.cuts)} cuts"
        firsts = sorted((first, k) for k, (_, first) in self.cuts.items())
        if any(first != begun + 2 * i or not 0 <= k < first for i, (first, k) in enumerate(firsts)):
            return "cells that do not follow their cuts"
        wrong = [cut for cut, _ in self.cuts.values() if not (0 <= cut.unit < self.width and cut.at >= 0)]
        wrong += [cut for cut, _ in self.cuts.values() if not cut.by_row and cut.at > len(self.columns)]
        return f"a cut at unit {wrong[0].unit}, {wrong[0].at}" if wrong else None


def affordable(fit: LeastSquares, width: int) -> bool:
    """Whether cells of this width are worth a look."""
    few = width * fit.rank + 1 <= _MOST_UNKNOWNS and width <= _cones.MOST_UNITS
    return few and fit.rank > 1 and fit.data.n_samples <= _MOST_INPUTS


class BranchAndBound:
    """The search of cells for one width and one pair of slopes.

    Parameters
    ----------
    fit : LeastSquares
    inputs : DistinctInputs
        Of its data.
    width : int
    activation : PiecewiseLinear

    Attributes
    ----------
    tree : SearchTree
    interrupted : bool
    """

    def __init__(
        self, fit: LeastSquares, inputs: DistinctInputs, width: int, activation: PiecewiseLinear
    ) -> None:
        self.fit, self.inputs, self.width, self.activation = fit, inputs, width, activation
        columns = tuple(p - 1 for p in fit.exact.pivots if p > 0)
        self.scaled = ScaledInputs.of(inputs, columns)
        slopes = Fraction(activation.s_plus), Fraction(activation.s_minus)
        self.exact = ExactInputs(inputs, self.scaled, slopes)
        self.tree = SearchTree(width, columns)
        self.interrupted = False
        self.best: tuple[float, Cell, Floats] | None = None
        self._goal, self._shown = np.inf, 0.0
        n, d1 = self.scaled.X.shape
        self._few = _FEW if d1 > 2 else _FEW_ON_A_LINE
        self._sign, self._kept = np.zeros((width, n), dtype=np.int8), np.zeros(n, dtype=np.int32)
        self._out = np.zeros(_cones.REPORT + d1 * (1 + width) + 4 * width)
        # (bound, number, cell, where to cut it, whether rationals may show more)
        self._open: list[tuple[float, int, Cell, Cut, bool]] = []

    @property
    def lower(self) -> Fraction:
        """No network of the width has a lower risk: the least bound of a cell, and the pure error."""
        return self.inputs.pure_error + self.scaled.proved(self._shown)

    def run(self, upper: Fraction, effort: Effort) -> None:
        """Cut the lowest cell until its bound is near the risk `upper` of a network, or the effort is spent."""
        began = time.perf_counter()
        self._goal = _NEAR * round_down((upper - self.inputs.pure_error) / self.scaled.risk_unit)
        most = min(effort.cells or _MOST_CELLS, _MOST_CELLS)
        try:
            for cell in first_cells(self.width, self.scaled.X.shape[1]):
                self._look(cell, 0.0)
            while True:
                # the open cells cover everything here; an interrupt may come where they do not
                self._shown = self._open[0][0]
                late = effort.seconds is not None and time.perf_counter() - began > effort.seconds
                if self._shown >= self._goal or len(self.tree.bounds) >= most or late:
                    break
                self._advance()
        except KeyboardInterrupt:
            self.interrupted = True

    def _advance(self) -> None:
        """The lowest cell, decided by rationals or cut; it stays in the heap until its parts are there."""
        bound, number, cell, cut, in_doubt = self._open[0]
        if in_doubt:
            exact = self.exact.bound(cell).value / self.scaled.risk_unit
            bound = max(bound, round_down(exact))
            self.tree.bounds[number] = bound
            heapq.heapreplace(self._open, (bound, number, cell, cut, False))
            return
        first = len(self.tree.bounds)
        parts = [self._seen(part, bound) for part in cell.parts(cut)]
        self.tree.cuts[number] = cut, first
        heapq.heappop(self._open)
        for part in parts:
            self._add(part)

    def _look(self, cell: Cell, bound: float) -> None:
        self._add(self._seen(cell, bound))

    def _add(self, seen: tuple[float, Cell, Cut, bool]) -> None:
        bound, cell, cut, in_doubt = seen
        number = len(self.tree.bounds)
        self.tree.bounds.append(bound)
        if bound < np.inf:
            heapq.heappush(self._open, (bound, number, cell, cut, in_doubt))

    def _seen(self, cell: Cell, before: float) -> tuple[float, Cell, Cut, bool]:
        """What the kernel says of a cell whose networks have a risk of at least `before`."""
        if cell.empty:
            return np.inf, cell, Cut(0, 0, False), False
        s, h = self.scaled, self.activation
        rows = np.array(cell.rows, dtype=np.int32).reshape(-1, 3)
        _cones.node_bound(
            s.X, s.y, s.w, h.s_plus, h.s_minus, cell.sigma, cell.low, cell.high, rows, self._sign, self._kept, self._out
        )  # fmt: skip
        estimate, bound, risk = self._out[:3].tolist()
        if self.best is None or risk < self.best[0]:
            self.best = risk, cell, self._out.copy()
            self._goal = min(self._goal, _NEAR * risk)
        # rationals take as long as many cells: where they may end the matter, or the kernel shows little
        shown = max(before, bound)
        little = estimate > 1.01 * shown and bound < (_LITTLE if self.width > 1 else _MOST) * estimate
        in_doubt = shown < self._goal and (estimate > self._goal or little)
        return shown, cell, self._cut(cell), in_doubt

    def _cut(self, cell: Cell) -> Cut:
        """(b)."""
        width = self.width
        units = self._out[-4 * width :].reshape(width, 4)
        unit = int(np.argmax(units[:, 1]))
        count, _, side, row = units[unit].tolist()
        if count == 0.0:
            unit, side = divmod(int(np.argmax(cell.high - cell.low)), cell.low.shape[1])
        elif count <= self._few or cell.high[unit, int(side)] - cell.low[unit, int(side)] < _SMALLEST:
            return Cut(unit, int(row), True)
        return Cut(unit, int(side), False)

    def network(self) -> OneHiddenLayer | None:
        """The best function that a cell's bound belonged to, as a network; None where there is none in float64."""
        if self.best is None:
            return None
        _, cell, out = self.best
        d1 = self.scaled.X.shape[1]
        base = out[_cones.REPORT : _cones.REPORT + d1]
        rows = out[_cones.REPORT + d1 : _cones.REPORT + d1 * (1 + self.width)].reshape(self.width, d1).copy()
        sigma, constant = cell.sigma, float(base[-1])
        if base[:-1].any():
            # an affine part is a unit that is positive on all rows; one without rows of its own is spare
            spare = np.flatnonzero(~rows.any(axis=1))
            if not len(spare):
                return None
            fitted = self.scaled.X[:, :-1] @ base[:-1]
            offset = 1.0 - float(fitted.min())
            rows[spare[0], :-1], rows[spare[0], -1] = (
                base[:-1] / self.activation.s_plus,
                offset / self.activation.s_plus,
            )
            sigma[spare[0]] = 1.0
            constant -= offset
        return self.scaled.network(sigma, constant, rows, self.fit.data.n_features, self.activation)
