"""Dataset: frozen samples, one target or several, and weights, with the exact columns beside the float64 view."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import DataError, DataTypeError, OptionError, TargetError
from fastminima.system.first_use import cached_property
from fastminima.system.options import as_count, as_flag, spelled

from .class_labels import Label, class_column, label_hint
from .cleaning import Categories, Cleaning, Missing, cleaned_arrays, held_arrays
from .coerce import Table, as_matrix, as_targets, check_names, sealed
from .columns import listed
from .exact_columns import ExactColumns, exact_columns, rounding_note
from .rows import Rows, RowsInMemory, take_rows
from .weights import kept_and_weights

__all__ = ["Accuracy", "Dataset", "Meaning", "check_one_target", "classed", "described", "retargeted"]

Meaning = Literal["binary", "rational", "decimal"]
Accuracy = Literal["auto", "exact"]
Block = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Dataset:
    """A regression dataset: inputs X, one target y or several, optional sample weights.

    Parameters
    ----------
    X : array-like or frame, shape (m, dx)
        Inputs. NumPy arrays, nested lists, pandas, polars and pyarrow tables; m >= 1, dx >= 0. A C-contiguous
        native float64 array is used without a copy and never modified (modify it yourself, and the dataset
        changes with it); anything else is converted once.
    y : array-like or frame, shape (m,) or (m, dy)
        Targets, dy >= 1; (m, 1) is one target. May be left out where X is a dict of arrays X and y (or Y), or data and
        target as scikit-learn's `load_*` functions return it; its sample_weight and feature_names are taken too.
    sample_weight : array-like, shape (m,), optional
        Nonnegative float64 numbers. Rows of weight 0 are dropped; weights that are all 1 become None.
    feature_names : sequence of str, optional
        Default: the column names of a frame, else None.
    target_name : str, optional
        For one target. Default: the name of a series or one-column frame, else None.
    target_names : sequence of str, optional
        The same for any number of targets.
    missing : {"fail", "drop"}, default "fail"
        A row that lacks a value (NaN, None, null) in X, y or the weights is an error, or is left out and counted.
    categories : {"reject", "onehot"}, optional
        Columns of X that are not numeric: left out and named in `notes`, or (texts) one 0/1 column for every text but the
        first in sorted order, called "column=text". Default: they are refused by name.
    accuracy : {"auto", "exact"}, default "auto"
        "exact" asks the least-squares fit for the exactly rounded solution.
    labels : bool, default False
        y holds labels of classes (texts, whole numbers, bools, categories), for logistic and softmax loss: they become class
        numbers 0, 1, ..., and `classes` says which is which.

    Attributes
    ----------
    X : ndarray of float64, shape (n_samples, n_features)
        Read-only, C-contiguous.
    Y : ndarray of float64, shape (n_samples, n_targets)
        Read-only, C-contiguous.
    y : ndarray of float64, shape (n_samples,)
        The one target; `TargetError` where there are several.
    sample_weight : ndarray of float64, shape (n_samples,), or None
    feature_names : tuple of str or None
    target_names : tuple of str or None
    target_name : str or None
        Of the one target; `TargetError` where there are several.
    accuracy : str
    meaning : {"binary", "rational", "decimal"}
        What the data are: the float64 values; exact numbers that float64 cannot hold (then `exact` has them);
        or decimal numbers as written in a file.
    notes : tuple of str
        What the float64 view loses of exact data, and what a reader had to interpret.
    n_dropped : int
        Rows dropped because their weight is 0.
    classes : tuple of str, int or bool, or None
        Where y holds class numbers: class k is `classes[k]`; ascending.

    Raises
    ------
    DataError
        No rows, no target, lengths that differ, wrong dimensions, NaN or inf (first row and column named), negative,
        all-zero or inexact weights.
    DataTypeError
        Long double, complex, strings, dates, sparse or masked data, and object columns of anything but int,
        Fraction and Decimal.
    TargetError
        With `labels`: what is no label of a class.

    Notes
    -----
    X is the paper's X transposed (samples are rows). A float64 is a dyadic rational, so every dataset is
    exact data. -0.0 is stored as it came and equals 0. Two datasets are equal only when they are one object.

    Examples
    --------
    >>> import fastminima as fm
    >>> data = fm.Dataset([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0], sample_weight=[1, 2, 0])
    >>> data.n_samples, data.n_features
    (2, 1)
    >>> data.X.ravel().tolist(), data.sample_weight.tolist()
    ([0.0, 1.0], [1.0, 2.0])
    """

    _rows: Rows
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None
    accuracy: Accuracy
    meaning: Meaning
    notes: tuple[str, ...]
    n_dropped: int
    n_missing: int
    classes: tuple[Label, ...] | None
    _rounded: dict[int, NDArray[Any]]

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        target_name: str | None = None,
        target_names: Sequence[str] | None = None,
        missing: Missing = "fail",
        categories: Categories | None = None,
        accuracy: Accuracy = "auto",
        labels: bool = False,
    ) -> None:
        if not isinstance(accuracy, str) or accuracy not in ("auto", "exact"):
            raise DataError(f"accuracy must be 'auto' or 'exact', got {spelled(accuracy)}")
        if y is None:
            X, y, held_weight, held_names = held_arrays(X)
            sample_weight = held_weight if sample_weight is None else sample_weight
            feature_names = held_names if feature_names is None else feature_names
        how, n_missing = Cleaning(missing, categories, as_flag(labels, "labels")), 0
        read_notes: tuple[str, ...] = ()
        if not how.plain:
            X, y, sample_weight, found = cleaned_arrays(X, y, sample_weight, how)  # type: ignore[assignment]
            n_missing, read_notes = found.n_missing, found.notes
        classes = None
        if how.labels:
            given = target_name if target_names is None else target_names[0]
            y, classes, own = class_column(y, given)
            target_name = own if target_names is None else None
        inputs = as_matrix(X, "X")
        try:
            targets = as_targets(y, "y")
        except DataTypeError as error:
            raise DataTypeError(f"{error}{label_hint(y)}") from error
        m, dx = inputs.values.shape
        if len(targets.values) != m:
            raise DataError(f"X has {m} rows and y has {len(targets.values)}; they must be the same samples")
        names = inputs.names if feature_names is None else feature_names
        rounded = inputs.rounded | {dx + k: exact for k, exact in targets.rounded.items()}
        keep, weights = kept_and_weights(sample_weight, m)
        self._set(
            _rows=RowsInMemory(inputs.values, targets.values, weights),
            accuracy=accuracy,
            feature_names=None if names is None else check_names(names, dx, "feature_names"),
            target_names=_target_names(target_name, target_names, targets),
            meaning="binary",
            notes=(),
            n_dropped=0,
            n_missing=n_missing,
            classes=None,
            _rounded=rounded,
        )
        if keep is not None:
            self._set(n_dropped=m - int(keep.sum()), **self._taken(keep))
        if classes is not None:
            self._set(**_numbered(self, classes))
        self._settle()
        self._set(notes=self.notes + read_notes)

    @classmethod
    def of_rows(
        cls,
        rows: Rows,
        feature_names: tuple[str, ...] | None = None,
        target_names: tuple[str, ...] | None = None,
    ) -> Dataset:
        """A dataset of float64 rows that have passed the checks of `Dataset` already, wherever they are; for scans."""
        result = cls.__new__(cls)
        result._set(
            _rows=rows,
            accuracy="auto",
            feature_names=feature_names,
            target_names=target_names,
            meaning="binary",
            notes=(),
            n_dropped=0,
            n_missing=0,
            classes=None,
            _rounded={},
        )
        return result

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _taken(self, index: Any) -> dict[str, Any]:
        rounded = {column: sealed(exact[index]) for column, exact in self._rounded.items()}
        return {"_rows": take_rows(self._rows, index), "_rounded": rounded}

    def _settle(self) -> None:
        """Keep exact columns only where the view of these rows rounds them; notes and meaning follow."""
        notes, rounded = [], {}
        for column, exact in sorted(self._rounded.items()):
            note = rounding_note(self.label(column), exact, self._view(column))
            if note is not None:
                notes.append(note)
                rounded[column] = exact
        meaning = "rational" if rounded and self.meaning == "binary" else self.meaning
        self._set(notes=tuple(notes), _rounded=rounded, meaning=meaning)

    def _view(self, column: int) -> NDArray[np.float64]:
        dx = self.n_features
        return self.X[:, column] if column < dx else self.Y[:, column - dx]

    @property
    def X(self) -> NDArray[np.float64]:
        """Inputs, (n_samples, n_features)."""
        return self._rows.X

    @property
    def Y(self) -> NDArray[np.float64]:
        """Targets, (n_samples, n_targets)."""
        return self._rows.Y

    @property
    def sample_weight(self) -> NDArray[np.float64] | None:
        """Weights, (n_samples,); None where each is 1."""
        return self._rows.sample_weight

    @property
    def n_samples(self) -> int:
        """m, the number of rows."""
        return self._rows.n_samples

    @property
    def n_features(self) -> int:
        """dx, the number of inputs."""
        return self._rows.n_features

    @property
    def n_targets(self) -> int:
        """dy, the number of targets."""
        return self._rows.n_targets

    @property
    def y(self) -> NDArray[np.float64]:
        """The target.

        Raises
        ------
        TargetError
            Where there are several.
        """
        if self.n_targets != 1:
            raise TargetError(f"y is one target, {_several(self)}, or take all of them as Y")
        return self.Y.reshape(-1)

    @property
    def target_name(self) -> str | None:
        """Name of the target; `TargetError` where there are several."""
        if self.n_targets != 1:
            raise TargetError(f"target_name is that of one target, {_several(self)}, or read target_names")
        return None if self.target_names is None else self.target_names[0]

    def label(self, column: int) -> str:
        """How messages call a column of X, or of Y from ``column == n_features`` on."""
        k = column - self.n_features
        if k < 0:
            name = "" if self.feature_names is None else f" ({self.feature_names[column]!r})"
            return f"X column {column}{name}"
        name = "" if self.target_names is None else f" ({self.target_names[k]!r})"
        return f"y{name}" if self.n_targets == 1 else f"y column {k}{name}"

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
        columns = range(self.n_features + self.n_targets)
        return exact_columns([self._rounded.get(k, self._view(k)) for k in columns])

    def blocks(self, rows: int = 4096) -> Iterator[Block]:
        """Iterate over (X, y, sample_weight) in blocks of at most `rows` rows, as views.

        y has shape (k,) for one target and (k, dy) for several.
        """
        rows = as_count(rows, "rows", 1, wanted="at least 1", error=DataError)
        targets = self.y if self.n_targets == 1 else self.Y
        for start in range(0, self.n_samples, rows):
            part = slice(start, start + rows)
            weight = None if self.sample_weight is None else self.sample_weight[part]
            yield self.X[part], targets[part], weight

    def one_target(self, which: int | str) -> Dataset:
        """The same samples with one of the targets.

        Parameters
        ----------
        which : int or str
            Its position among the targets, or its name; a name wins.

        Raises
        ------
        TargetError
            If there is no such target.
        """
        k = self._position(which)
        if self.n_targets == 1:
            return self
        dx = self.n_features
        rounded = {column: exact for column, exact in self._rounded.items() if column < dx}
        if dx + k in self._rounded:
            rounded[dx] = self._rounded[dx + k]
        read_notes = self.notes[len(self._rounded) :]  # what follows the note of each rounded column
        result = copy.copy(self)
        result._set(
            _rows=RowsInMemory(
                self.X, sealed(np.ascontiguousarray(self.Y[:, k : k + 1])), self.sample_weight
            ),
            target_names=None if self.target_names is None else (self.target_names[k],),
            meaning="binary" if self.meaning == "rational" else self.meaning,
            _rounded=rounded,
        )
        result._settle()
        result._set(notes=result.notes + read_notes)
        return result

    def _position(self, which: int | str) -> int:
        """Where a target stands."""
        if isinstance(which, str) and self.target_names is not None and which in self.target_names:
            return self.target_names.index(which)
        try:
            return as_count(which, "which", -self.n_targets, self.n_targets - 1) % self.n_targets
        except OptionError:
            raise TargetError(f"there is no target {which!r}; {_held(self)}") from None

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
            result._set(n_dropped=0, n_missing=0, **self._taken(chosen))
        except IndexError as error:
            raise DataError(f"take: {error}; the dataset has {self.n_samples} rows") from error
        if result.n_samples == 0:
            raise DataError("take: no rows selected; at least one sample is needed")
        result._settle()
        return result

    def __repr__(self) -> str:
        parts = [f"{self.n_samples} samples x {self.n_features} features"]
        if self.target_names is not None:
            parts.append(f"target{'s' * (self.n_targets > 1)} {listed(self.target_names)}")
        elif self.n_targets > 1:
            parts.append(f"{self.n_targets} targets")
        if self.sample_weight is not None:
            parts.append("weighted")
        if self.n_dropped:
            parts.append(f"{self.n_dropped} rows of weight 0 dropped")
        if self.n_missing:
            parts.append(f"{self.n_missing} rows with missing values left out")
        if self.classes is not None:
            parts.append(f"{len(self.classes)} classes")
        if self.meaning != "binary":
            parts.append(self.meaning)
        if self.accuracy != "auto":
            parts.append(f"accuracy {self.accuracy}")
        return f"Dataset({', '.join(parts)})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "exact"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickles do not carry the read-only flag
        state["_rounded"] = {column: sealed(exact) for column, exact in state["_rounded"].items()}
        self._set(**state)


def described(data: Dataset, meaning: Meaning, notes: tuple[str, ...], n_missing: int = 0) -> Dataset:
    """A copy with another meaning and more notes; for readers, which know where the numbers come from."""
    result = copy.copy(data)
    result._set(meaning=meaning, notes=data.notes + notes, n_missing=data.n_missing + n_missing)
    return result


def retargeted(data: Dataset, y: NDArray[np.float64]) -> Dataset:
    """A copy with another target of float64 numbers, (m,); for labels that become class numbers."""
    result = copy.copy(data)
    rows = RowsInMemory(data.X, sealed(np.ascontiguousarray(y[:, None])), data.sample_weight)
    inputs = {column: exact for column, exact in data._rounded.items() if column < data.n_features}
    result._set(_rows=rows, _rounded=inputs)
    result._settle()
    return result


def classed(data: Dataset, classes: tuple[Label, ...]) -> Dataset:
    """A copy whose y, class numbers, has names of classes; those of which no row is left have none."""
    result = copy.copy(data)
    result._set(**_numbered(data, classes))
    return result


def _numbered(data: Dataset, classes: tuple[Label, ...]) -> dict[str, Any]:
    """Fields of a dataset of class numbers whose rows may have lost a class."""
    held, numbers = np.unique(data.y, return_inverse=True)
    rows = data._rows
    if len(held) < len(classes):
        rows = RowsInMemory(data.X, sealed(numbers.astype(np.float64)[:, None]), data.sample_weight)
    return {"_rows": rows, "classes": tuple(classes[int(k)] for k in held)}


def _held(data: Dataset) -> str:
    """How many targets a dataset has, and what they are called."""
    names = "" if data.target_names is None else f" ({listed(data.target_names)})"
    return f"the data have {data.n_targets} target{'s' * (data.n_targets > 1)}{names}"


def _several(data: Dataset) -> str:
    """What a message says where one target was meant and there are several: how many, and how to choose one."""
    first = 0 if data.target_names is None else data.target_names[0]
    return f"{_held(data)}: choose one, such as data.one_target({first!r})"


def check_one_target(data: Any, asker: str) -> None:
    """Refuse data with several targets; called first by whoever takes one.

    Parameters
    ----------
    data : Dataset
        Or anything else with y of shape (m,).
    asker : str
        What takes one target, as the subject of the message ("least_squares").

    Raises
    ------
    TargetError
    """
    if isinstance(data, Dataset):
        if data.n_targets != 1:
            raise TargetError(f"{asker} takes one target, {_several(data)}")
    elif not hasattr(data, "y"):
        raise DataTypeError(f"{asker} takes a Dataset, got {type(data).__name__}")
    elif np.ndim(data.y) != 1:
        raise TargetError(f"{asker} takes one target, y of shape (m,), got shape {np.shape(data.y)}")


def _target_names(name: str | None, names: Sequence[str] | None, targets: Table) -> tuple[str, ...] | None:
    """Names of the targets: those given, or those the source carried."""
    count = targets.values.shape[1]
    if name is not None and names is not None:
        raise DataError("give target_name (one target) or target_names (any number), not both")
    if name is not None:
        if count > 1:
            raise DataError(f"target_name {name!r} names one target, y has {count}; pass target_names")
        return (str(name),)
    names = targets.names if names is None else names
    return None if names is None else check_names(names, count, "target_names")
