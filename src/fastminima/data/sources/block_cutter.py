"""Blocks of X, y, w filled from a reader's columns and screened for what is missing, infinite or negative."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.class_labels import Label
from fastminima.data.columns import Selection
from fastminima.errors import DataError, ReadError

from .block_source import Block
from .reader import Piece, Reader, labels
from .values import ROUNDED, as_floats

__all__ = ["Cutter", "Layout"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """How columns of a reader become X, y, w.

    Attributes
    ----------
    selection : Selection
    texts : tuple of int
        Features that hold texts and are encoded.
    levels : mapping of int to tuple of str
        Their texts, sorted; the first has no column.
    labelled : bool
        The one target holds labels of classes.
    classes : tuple of str, int or bool
        Which; y holds their numbers.
    """

    selection: Selection
    texts: tuple[int, ...] = ()
    levels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    labelled: bool = False
    classes: tuple[Label, ...] = ()

    def width(self, column: int) -> int:
        """Columns of X that a feature takes."""
        return max(len(self.levels.get(column, ())) - 1, 0) if column in self.texts else 1

    @property
    def n_targets(self) -> int:
        """dy."""
        return len(self.selection.targets)

    @property
    def n_features(self) -> int:
        """dx."""
        return sum(map(self.width, self.selection.features))


class Cutter:
    """Fills blocks with pieces, and screens them.

    Parameters
    ----------
    reader : Reader
    layout : Layout
    rows : int
        Rows of a block.
    drop : bool
        Leave rows with missing values out.
    count : callable
        Told what was left out or rounded.
    """

    def __init__(
        self, reader: Reader, layout: Layout, rows: int, drop: bool, count: Callable[[dict[str, int]], None]
    ) -> None:
        self._reader, self._layout, self._rows, self._drop, self._count = reader, layout, rows, drop, count
        self._features = layout.selection.features
        self._index = {
            column: {level: float(rank) for rank, level in enumerate(layout.levels[column])}
            for column in layout.texts
        }
        self._dx, self._weighted = layout.n_features, layout.selection.weight is not None
        self._dy = layout.n_targets
        self._numbers_of = {label: float(k) for k, label in enumerate(layout.classes)}
        self._label = labels(reader)
        self.filled = 0
        # once a pass: new memory for every block costs more than filling it
        self._X: Array = np.empty((rows, self._dx))
        self._y: Array = np.empty(rows if self._dy == 1 else (rows, self._dy))
        self._w: Array | None = np.empty(rows) if self._weighted else None

    def whole(self, piece: Piece, first: int) -> Block | None:
        """A block from a piece that has exactly its rows; without a copy where the piece allows."""
        length, dx = len(piece[0]), self._dx
        if (
            self._index
            or self._dy > 1
            or self._layout.labelled
            or any(p.dtype != np.float64 or not (p.flags.c_contiguous and p.flags.aligned) for p in piece)
        ):
            self.fill(piece, length)
            return self.cut(first)
        widths = [1 if p.ndim == 1 else p.shape[1] for p in piece]
        if len(piece) == 1 and widths[0] == dx + 1 + self._weighted:
            table = piece[0].reshape(length, -1)
            self._y[:length] = table[:, dx]
            if self._w is not None:
                self._w[:length] = table[:, dx + 1]
            w = None if self._w is None else self._w[:length]
            return self._screen(table[:, :dx], self._y[:length], w, first, table)
        if len(piece) == 2 + self._weighted and widths == [dx, 1, 1][: len(piece)]:
            flat = [p.reshape(-1) for p in piece[1:]]
            return self._screen(
                piece[0].reshape(length, dx), flat[0], flat[1] if self._weighted else None, first
            )
        self.fill(piece, length)
        return self.cut(first)

    def fill(self, piece: Piece, length: int) -> None:
        """Append rows."""
        rows = slice(self.filled, self.filled + length)
        n_features = len(self._features)
        position = place = 0
        for array in piece:
            width = 1 if array.ndim == 1 else array.shape[1]
            inside = min(max(n_features - position, 0), width)
            if inside and not self._index and array.ndim == 2:
                self._X[rows, place : place + inside] = self._numbers(array[:, :inside])
                place, position = place + inside, position + inside
                array, width = array[:, inside:], width - inside
            for column in range(width):
                values = array if array.ndim == 1 else array[:, column]
                if position >= n_features:
                    self._fill_other(values, position - n_features, rows)
                elif self._features[position] in self._index:
                    place = self._encode(values, position, rows, place)
                else:
                    self._X[rows, place] = self._numbers(values)
                    place += 1
                position += 1
        self.filled += length

    def _fill_other(self, values: NDArray[Any], k: int, rows: slice) -> None:
        """A target, or the weights behind them."""
        if k == self._dy:
            assert self._w is not None
            self._w[rows] = self._numbers(values)
        elif self._layout.labelled:
            self._y[rows] = self._class_numbers(values)
        elif self._dy == 1:
            self._y[rows] = self._numbers(values)
        else:
            self._y[rows, k] = self._numbers(values)

    def _class_numbers(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Labels as numbers; NaN where there is none."""
        numbers = self._numbers_of
        try:
            return np.array([np.nan if v is None or v != v else numbers[v] for v in values.tolist()])
        except KeyError as error:
            raise ReadError(
                f"{self._reader.name}: the target holds {error.args[0]!r}, which it did not hold when its classes were "
                "collected; the file has changed"
            ) from None

    def _encode(self, values: NDArray[Any], position: int, rows: slice, place: int) -> int:
        column = self._features[position]
        index = self._index[column]
        try:
            codes = np.fromiter(
                (np.nan if v is None else index[v] for v in values.tolist()), float, len(values)
            )
        except KeyError as error:
            raise ReadError(
                f"{self._reader.name}: column {self._label(column)!r} holds {error.args[0]!r}, which it did not hold "
                "when its categories were collected; the file has changed"
            ) from None
        width = self._layout.width(column)
        for level in range(width):
            self._X[rows, place + level] = np.where(np.isnan(codes), np.nan, codes == level + 1.0)
        return place + width

    def _numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        numbers, rounded = as_floats(values)
        if rounded:
            self._count({ROUNDED: rounded})
        return numbers

    def cut(self, first: int) -> Block | None:
        """The rows collected so far as a block."""
        k, self.filled = self.filled, 0
        w = None if self._w is None else self._w[:k]
        return self._screen(self._X[:k], self._y[:k], w, first)

    def _screen(
        self, X: Array, y: Array, w: Array | None, first: int, table: Array | None = None
    ) -> Block | None:
        """The block without rows that are left out; `table` holds all its numbers side by side."""
        if w is not None and (w < 0.0).any():
            row = int((w < 0.0).argmax())
            raise DataError(
                f"{self._reader.name}: sample_weight is {w[row]} in {self._reader.where(first + row)}; "
                "weights must be >= 0"
            )
        # a sum is NaN or inf when a term is; finite terms may overflow in it too, so then look closer
        with np.errstate(over="ignore", invalid="ignore"):
            total = X.sum() + y.sum() + (0.0 if w is None else w.sum()) if table is None else table.sum()
        if not np.isfinite(total):
            block = self._without_missing(X, y, w, first)
            if block is None:
                return None
            X, y, w = block
        if w is not None and not w.all():
            keep = w > 0.0
            self._count({"rows of weight 0 left out": int((~keep).sum())})
            if not keep.any():
                return None
            X, y, w = X[keep], y[keep], w[keep]
        return X, y, w

    def _without_missing(self, X: Array, y: Array, w: Array | None, first: int) -> Block | None:
        table = np.column_stack([X, y] if w is None else [X, y, w])
        infinite = np.isinf(table)
        absent = np.isnan(table)
        if infinite.any():
            row, column = divmod(int(infinite.argmax()), table.shape[1])
            raise DataError(
                f"{self._reader.name}: {self._title(column)} is {table[row, column]} in "
                f"{self._reader.where(first + row)}; all values must be finite"
            )
        if not absent.any():
            return X, y, w
        if not self._drop:
            row, column = divmod(int(absent.argmax()), table.shape[1])
            raise DataError(
                f"{self._reader.name}: {self._title(column)} has no value in {self._reader.where(first + row)}; drop rows "
                "with missing='drop' (--missing drop), fill them first, or leave the column out with features=[...]"
            )
        gone = absent.any(axis=1)
        self._count({"rows with missing values left out": int(gone.sum())})
        if gone.all():
            return None
        keep = ~gone
        return X[keep], y[keep], None if w is None else w[keep]

    def _title(self, column: int) -> str:
        selection = self._layout.selection
        if column >= self._dx:
            k = column - self._dx
            own = selection.targets[k] if k < self._dy else selection.weight
            assert own is not None
            return f"the {'target' if k < self._dy else 'sample_weight'} column {self._label(own)!r}"
        owners = [c for c in selection.features for _ in range(self._layout.width(c))]
        return f"column {self._label(owners[column])!r}"
