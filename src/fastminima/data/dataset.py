"""Dataset: frozen samples, targets and weights, with the exact columns beside the float64 view."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import DataError, TooLargeError
from fastminima.exact.dyadic import bit_span, power_of_two, to_integers
from fastminima.system.memory import available_bytes

from .coerce import Table, as_matrix, as_vector, check_names, rounding, sealed

__all__ = ["Accuracy", "Dataset", "ExactColumns", "Meaning"]

Meaning = Literal["binary", "rational", "decimal"]
Accuracy = Literal["auto", "exact"]
Block = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]


@dataclass(frozen=True, eq=False, repr=False)
class ExactColumns:
    """Data as rationals: value[i] of column j is ``numerators[j][i] * scales[j]``.

    Attributes
    ----------
    numerators : list of ndarray of object, each shape (m,)
        Python integers; the columns of X in order, then y.
    scales : list of Fraction
        One per column, positive.
    """

    numerators: list[NDArray[Any]]
    scales: list[Fraction]

    def value(self, row: int, column: int) -> Fraction:
        """One entry; column -1 is y."""
        return int(self.numerators[column][row]) * self.scales[column]

    def __repr__(self) -> str:
        rows = len(self.numerators[0]) if self.numerators else 0
        return f"ExactColumns({rows} rows x {len(self.numerators)} columns)"


def _dyadic(column: NDArray[np.float64]) -> tuple[NDArray[Any], Fraction]:
    """Float64 as integers times one power of two."""
    low, top = bit_span(column)
    _guard(len(column), max(53, top - low))
    numerators, exponent = to_integers(column)
    return numerators, power_of_two(exponent)


def _common_scale(column: NDArray[Any]) -> tuple[NDArray[Any], Fraction]:
    """int, Fraction and Decimal as integers times gcd of the numerators / lcm of the denominators."""
    ratios = [value.as_integer_ratio() for value in column.tolist()]
    denominator = 1
    for _, below in ratios:
        if denominator % below:
            denominator = math.lcm(denominator, below)
            _guard(len(ratios), denominator.bit_length())
    numerators = [above * (denominator // below) for above, below in ratios]
    common = math.gcd(*numerators) or 1
    result = np.empty(len(ratios), dtype=object)
    result[:] = [number // common for number in numerators]
    return result, Fraction(common, denominator)


def _guard(rows: int, bits: int) -> None:
    needed = rows * bits // 8
    if needed > available_bytes() // 4:
        raise TooLargeError(
            f"one exact column of {rows} rows would take about {needed / 2**30:.0f} GiB, because its values "
            f"share no denominator shorter than {bits} bits; rescale or round the column first"
        )


def _note(label: str, exact: NDArray[Any], view: NDArray[np.float64]) -> str | None:
    """What float64 loses of an exact column, or None."""
    rounded, overflowed, vanished = rounding(exact, view)
    if not rounded:
        return None
    text = f"{label}: {rounded} of {len(view)} values are not float64 numbers, the view rounds them"
    if overflowed:
        text = f"{label} overflows float64: view is inf in {overflowed} of {len(view)} rows"
    elif vanished:
        text = f"{label} underflows float64: view is 0 in {vanished} of {len(view)} rows"
    return text


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Dataset:
    """A regression dataset: inputs X, one target y, optional sample weights.

    Parameters
    ----------
    X : array-like or frame, shape (m, dx)
        Inputs. NumPy arrays, nested lists, pandas, polars and pyarrow tables; m >= 1, dx >= 0. A C-contiguous
        native float64 array is used without a copy and never modified (modify it yourself, and the dataset
        changes with it); anything else is converted once.
    y : array-like, shape (m,) or (m, 1)
        Targets.
    sample_weight : array-like, shape (m,), optional
        Nonnegative float64 numbers. Rows of weight 0 are dropped; weights that are all 1 become None.
    feature_names : sequence of str, optional
        Default: the column names of a frame, else None.
    target_name : str, optional
        Default: the name of a series or one-column frame, else None.
    accuracy : {"auto", "exact"}, default "auto"
        "exact" asks the least-squares fit for the exactly rounded solution.

    Attributes
    ----------
    X : ndarray of float64, shape (n_samples, n_features)
        Read-only, C-contiguous.
    y : ndarray of float64, shape (n_samples,)
    sample_weight : ndarray of float64, shape (n_samples,), or None
    feature_names : tuple of str or None
    target_name : str or None
    accuracy : str
    meaning : {"binary", "rational", "decimal"}
        What the data are: the float64 values; exact numbers that float64 cannot hold (then `exact` has them);
        or decimal numbers as written in a file.
    notes : tuple of str
        What the float64 view loses of exact data, and what a reader had to interpret.
    n_dropped : int
        Rows dropped because their weight is 0.

    Raises
    ------
    DataError
        No rows, lengths that differ, wrong dimensions, NaN or inf (first row and column named), negative,
        all-zero or inexact weights.
    DataTypeError
        Long double, complex, strings, dates, sparse or masked data, and object columns of anything but int,
        Fraction and Decimal.

    Notes
    -----
    X is the paper's X transposed (samples are rows). A float64 is a dyadic rational, so every dataset is
    exact data. -0.0 is stored as it came and equals 0. Two datasets are equal only when they are one object.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    sample_weight: NDArray[np.float64] | None
    feature_names: tuple[str, ...] | None
    target_name: str | None
    accuracy: Accuracy
    meaning: Meaning
    notes: tuple[str, ...]
    n_dropped: int
    _rounded: dict[int, NDArray[Any]]

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        target_name: str | None = None,
        accuracy: Accuracy = "auto",
    ) -> None:
        if accuracy not in ("auto", "exact"):
            raise DataError(f"accuracy must be 'auto' or 'exact', got {accuracy!r}")
        inputs, target = as_matrix(X, "X"), as_vector(y, "y")
        m, dx = inputs.values.shape
        if len(target.values) != m:
            raise DataError(f"X has {m} rows and y has {len(target.values)}; they must be the same samples")
        names = inputs.names if feature_names is None else feature_names
        rounded = dict(inputs.rounded)
        if target.rounded:
            rounded[dx] = target.rounded[0]
        if target_name is None and target.names is not None:
            target_name = target.names[0]
        keep, weights = _weights(sample_weight, m)
        self._set(
            X=inputs.values,
            y=sealed(target.values.reshape(-1)),
            sample_weight=weights,
            accuracy=accuracy,
            feature_names=None if names is None else check_names(names, dx, "feature_names"),
            target_name=None if target_name is None else str(target_name),
            meaning="binary",
            notes=(),
            n_dropped=0,
            _rounded=rounded,
        )
        if keep is not None:
            self._set(n_dropped=m - int(keep.sum()), **self._rows(keep))
        self._settle()

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _rows(self, index: Any) -> dict[str, Any]:
        weights = self.sample_weight
        return {
            "X": sealed(np.ascontiguousarray(self.X[index])),
            "y": sealed(np.ascontiguousarray(self.y[index])),
            "sample_weight": None if weights is None else sealed(np.ascontiguousarray(weights[index])),
            "_rounded": {column: sealed(exact[index]) for column, exact in self._rounded.items()},
        }

    def _settle(self) -> None:
        """Keep exact columns only where the view of these rows rounds them; notes and meaning follow."""
        notes, rounded = [], {}
        for column, exact in sorted(self._rounded.items()):
            note = _note(self.label(column), exact, self._view(column))
            if note is not None:
                notes.append(note)
                rounded[column] = exact
        meaning = "rational" if rounded and self.meaning == "binary" else self.meaning
        self._set(notes=tuple(notes), _rounded=rounded, meaning=meaning)

    def _view(self, column: int) -> NDArray[np.float64]:
        return self.y if column == self.n_features else self.X[:, column]

    def _described(self, *, meaning: Meaning | None = None, notes: tuple[str, ...] = ()) -> Dataset:
        """A copy with another meaning or more notes; for readers, which know where the numbers come from."""
        result = copy.copy(self)
        result._set(meaning=meaning or self.meaning, notes=self.notes + notes)
        return result

    @property
    def n_samples(self) -> int:
        """m, the number of rows."""
        return self.X.shape[0]

    @property
    def n_features(self) -> int:
        """dx, the number of inputs."""
        return self.X.shape[1]

    def label(self, column: int) -> str:
        """How messages call a column of X, or y for ``column == n_features``."""
        if column == self.n_features:
            return "y" if self.target_name is None else f"y ({self.target_name!r})"
        name = "" if self.feature_names is None else f" ({self.feature_names[column]!r})"
        return f"X column {column}{name}"

    @cached_property
    def exact(self) -> ExactColumns | None:
        """The data as rationals when the float64 view is not the data, else None.

        Built on first use: integers of every entry, about 60 bytes each.

        Raises
        ------
        TooLargeError
            If a common denominator would not fit in memory.
        """
        if not self._rounded:
            return None
        numerators, scales = [], []
        for column in range(self.n_features + 1):
            source = self._rounded.get(column)
            if source is None:
                integers, scale = _dyadic(self._view(column))
            elif source.dtype.kind in "iu":
                integers, scale = source.astype(object), Fraction(1)
            else:
                integers, scale = _common_scale(source)
            numerators.append(sealed(integers))
            scales.append(scale)
        return ExactColumns(numerators, scales)

    def blocks(self, rows: int = 4096) -> Iterator[Block]:
        """Iterate over (X, y, sample_weight) in blocks of at most `rows` rows, as views."""
        if rows < 1:
            raise DataError(f"rows must be at least 1, got {rows}")
        for start in range(0, self.n_samples, rows):
            part = slice(start, start + rows)
            yield self.X[part], self.y[part], None if self.sample_weight is None else self.sample_weight[part]

    def take(self, index: ArrayLike | slice) -> Dataset:
        """The dataset of some rows.

        Parameters
        ----------
        index : array-like of int or bool, or slice
            As in NumPy indexing: positions (repeats and negative ones allowed) or a mask of length n_samples.

        Raises
        ------
        DataError
            If no row is left, or the index does not fit.
        """
        chosen: Any = index
        if not isinstance(index, slice):
            chosen = np.asarray(index)
            if chosen.ndim != 1 or chosen.dtype.kind not in "biu":
                if chosen.size == 0:
                    raise DataError("take: no rows selected; at least one sample is needed")
                raise DataError(
                    f"take: expected a 1-D array of integers or bool, got {chosen.dtype} {chosen.shape}"
                )
        result = copy.copy(self)  # without the cached `exact`, see __getstate__
        try:
            result._set(n_dropped=0, **self._rows(chosen))
        except IndexError as error:
            raise DataError(f"take: {error}; the dataset has {self.n_samples} rows") from error
        if result.n_samples == 0:
            raise DataError("take: no rows selected; at least one sample is needed")
        result._settle()
        return result

    def __repr__(self) -> str:
        parts = [f"{self.n_samples} samples x {self.n_features} features"]
        if self.target_name is not None:
            parts.append(f"target {self.target_name!r}")
        if self.sample_weight is not None:
            parts.append("weighted")
        if self.n_dropped:
            parts.append(f"{self.n_dropped} rows of weight 0 dropped")
        if self.meaning != "binary":
            parts.append(self.meaning)
        if self.accuracy != "auto":
            parts.append(f"accuracy {self.accuracy}")
        return f"Dataset({', '.join(parts)})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "exact"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickles do not carry the read-only flag
        for name in ("X", "y", "sample_weight"):
            if state[name] is not None:
                state[name] = sealed(state[name])
        state["_rounded"] = {column: sealed(exact) for column, exact in state["_rounded"].items()}
        self._set(**state)


def _shown(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "an integer of thousands of digits"


def _weights(
    sample_weight: ArrayLike | None, m: int
) -> tuple[NDArray[np.bool_] | None, NDArray[np.float64] | None]:
    """(rows to keep or None for all, weights of all rows or None when each is 1)."""
    if sample_weight is None:
        return None, None
    table: Table = as_vector(sample_weight, "sample_weight")
    if len(table.values) != m:
        raise DataError(
            f"X has {m} rows and sample_weight has {len(table.values)}; they must be the same samples"
        )
    if table.rounded:
        exact = table.rounded[0]
        views = table.values[:, 0].tolist()
        row = next(i for i, value in enumerate(exact.tolist()) if value != views[i])
        raise DataError(
            f"sample_weight is {_shown(exact[row])} in row {row} (counting from 0), which is not a float64 "
            "number; weights must be: scale all of them (the minima do not change) or round them"
        )
    weights = table.values.reshape(-1)
    negative = weights < 0
    if negative.any():
        row = int(negative.argmax())
        raise DataError(
            f"sample_weight is {weights[row]} in row {row} (counting from 0); weights must be >= 0"
        )
    keep = weights > 0
    if keep.all():
        return None, None if (weights == 1.0).all() else sealed(weights)
    if not keep.any():
        raise DataError("sample_weight is 0 in every row; at least one weight must be positive")
    return keep, sealed(weights)
