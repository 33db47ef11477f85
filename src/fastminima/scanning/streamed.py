"""A dataset that stays where it is: `Rows`, `CentredData` and `Samples` over a source, loaded only when asked for.

Everything downstream of the fit takes these as it takes the ones in memory. What needs all rows at once (exact sets, the
search for kinks) loads them through `X`, and is told `TooLargeError` where that would not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import sealed
from fastminima.data.dataset import Dataset
from fastminima.data.rows import RowsInMemory
from fastminima.data.sources.block_source import BlockSource
from fastminima.errors import DataError, TooLargeError
from fastminima.exact.roundoff import SLACK, gamma_n
from fastminima.fit.centred_data import CentredData
from fastminima.fit.envelope import Envelope
from fastminima.fit.running_sums import Moments, Residuals
from fastminima.fit.samples import SamplesInMemory, evaluate_arrays, exact_total_weight
from fastminima.system.first_use import cached_property
from fastminima.system.memory import require_memory
from fastminima.system.threads import single_threaded_blas

__all__ = [
    "CentredStream",
    "RowsOnDemand",
    "StreamedSamples",
    "block_rows_for",
    "regular",
    "row_norms",
]

Array = NDArray[np.float64]
T = TypeVar("T")

_BLOCK_BYTES = 16 << 20
_MOST_ROWS = 4096


def block_rows_for(n_features: int) -> int:
    """Rows of a block: few enough for the caches, and 16 MiB at most. It depends on the width alone."""
    return max(1, min(_MOST_ROWS, _BLOCK_BYTES // (8 * (n_features + 2))))


class RowsOnDemand:
    """The rows of a source, read into memory when first asked for.

    Parameters
    ----------
    source : BlockSource
    n_samples : int
        Rows that are used.
    limit : int
        Bytes they and what works on them may take.
    """

    def __init__(self, source: BlockSource, n_samples: int, limit: int) -> None:
        self.source, self.n_samples, self.limit = source, n_samples, limit

    @property
    def bytes_to_load(self) -> int:
        """Memory for all rows and for the exact arithmetic on them: some long integers a row."""
        return self.n_samples * (32 * (self.source.n_features + 2) + 400)

    @property
    def n_features(self) -> int:
        """dx."""
        return self.source.n_features

    @property
    def n_targets(self) -> int:
        """Scans take one target."""
        return 1

    @property
    def X(self) -> Array:
        """Inputs, loaded when first asked for."""
        return self.arrays.X

    @property
    def Y(self) -> Array:
        """The target as a column, loaded when first asked for."""
        return self.arrays.Y

    @property
    def sample_weight(self) -> Array | None:
        """Weights, loaded when first asked for; None without weights."""
        return self.arrays.sample_weight if self.source.weighted else None

    @cached_property
    def arrays(self) -> RowsInMemory:
        """All rows.

        Raises
        ------
        TooLargeError
            Where they do not fit.
        """
        source, needed = self.source, self.bytes_to_load
        if needed > self.limit:
            raise TooLargeError(
                f"{source.name}: this needs its {self.n_samples:,} rows in memory (about {needed / 1e9:.3g} GB "
                f"with what works on them), the limit is {self.limit / 1e9:.3g} GB; raise memory="
            )
        X, y = np.empty((self.n_samples, source.n_features)), np.empty(self.n_samples)
        w = np.empty(self.n_samples) if source.weighted else None
        at = 0
        for block_X, block_y, block_w in source.blocks(0, None, block_rows_for(source.n_features)):
            rows = slice(at, at + len(block_y))
            X[rows], y[rows] = block_X, block_y
            if w is not None and block_w is not None:
                w[rows] = block_w
            at += len(block_y)
        return RowsInMemory(sealed(X), sealed(y[:, None]), None if w is None else sealed(w))

    def dataset(self) -> Dataset:
        """These rows as a dataset, which loads none of them itself."""
        target = self.source.target_name
        return Dataset.of_rows(self, self.source.feature_names, None if target is None else (target,))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "arrays"}


@dataclass(frozen=True, eq=False)
class CentredStream(CentredData):
    """The centred frame over a source. Exponents are 0: other data are not streamed.

    Attributes
    ----------
    source : BlockSource
    moments : Moments
        Of the first pass, which knows the weights.
    block_rows : int
        Of a block.
    """

    source: BlockSource
    moments: Moments
    block_rows: int

    @classmethod
    def of(
        cls, rows: RowsOnDemand, centre: Array, centre_y: float, moments: Moments, block_rows: int
    ) -> CentredStream:
        """The frame about a centre that the first pass has used."""
        exponents = np.zeros(len(centre), dtype=np.int64)
        source = rows.source
        return cls(rows.dataset(), centre, centre_y, exponents, 0, 0.0, source, moments, block_rows)

    def raw_blocks(self) -> Iterator[tuple[slice, Array, Array, Array | None]]:
        """Yield (rows, X, y, weights) with one pass over the source."""
        source, at = self.source, 0
        for X, y, w in source.blocks(0, source.n_rows, self.block_rows):
            rows = slice(at, at + len(y))
            at += len(y)
            yield rows, X, y, w
        if at != self.n_samples:
            raise DataError(
                f"{source.name}: the first pass read {self.n_samples:,} rows, this one {at:,}; the data have changed"
            )

    def gather(self, index: NDArray[np.intp] | None) -> Array:
        """X' of the given rows (all rows for None), all of them loaded."""
        X = self.data.X
        centred: Array = (X if index is None else X[index]) - self.centre
        return centred

    def norms(self, rows: slice, X: Array) -> Array:
        """||(1, x_i)|| or a little more: x = x' + c was rounded twice, relative to x' and c."""
        slip = np.abs(X).sum(axis=1) + float(np.abs(self.centre).sum())
        norms: Array = row_norms(X + self.centre) + 2.0**-50 * slip
        return norms

    @property
    def partition(self) -> tuple[int, int]:
        """(most samples of a block, number of blocks)."""
        total = self.source.n_rows or self.n_samples
        return min(self.block_rows, total), -(-total // self.block_rows)

    @property
    def weighted(self) -> bool:
        """Whether samples carry weights."""
        return self.source.weighted

    @property
    def weight_range(self) -> tuple[float, float]:
        """Smallest and largest weight."""
        return self.moments.weight_range

    @property
    def total_weight(self) -> float:
        """Sum of the weights, rounded up."""
        if not self.weighted:
            return float(self.n_samples)
        block, count = self.partition
        return float(self.moments.gram[0, 0]) * (1.0 + gamma_n(block + count) * SLACK) * SLACK


class StreamedSamples:
    """How a streamed fit searches its splits without arrays of all samples, and what else it can say of them.

    While a scan runs there are records to search. Afterwards they are gone, and who asks has fitted values and residuals
    computed again, if they fit in memory.

    Parameters
    ----------
    frame : CentredStream
    affine : (slopes, value at the centre)
        The affine function in use.
    sums : Residuals
        Of the pass that evaluated it.
    envelope : Envelope
        Of the same pass.
    search_records : callable
        (kappa, reach, errors) to the outcome of the certified search over the records.
    """

    def __init__(
        self,
        frame: CentredStream,
        affine: tuple[Array, float],
        sums: Residuals,
        envelope: Envelope,
        search_records: Callable[[float, float, tuple[float, float, float]], Any],
    ) -> None:
        self._frame, self._affine, self._sums, self._envelope = frame, affine, sums, envelope
        self._search_records: Callable[..., Any] | None = search_records
        self._arrays: SamplesInMemory | None = None

    def forget_records(self) -> None:
        """The records are gone."""
        self._search_records = None

    def in_memory(self) -> SamplesInMemory:
        """Arrays of fitted values and residuals, made when first asked for."""
        if self._arrays is None:
            m = self._frame.n_samples
            require_memory(16 * m, f"fitted values and residuals of {m} samples")
            with single_threaded_blas():
                found = evaluate_arrays(self._frame, *self._affine)
            self._arrays = SamplesInMemory(self._frame, found.fitted, found.residual)
        return self._arrays

    def fitted(self) -> Array:
        """Fitted values less centre_y, (n_samples,)."""
        return self.in_memory().fitted()

    def residuals(self) -> Array:
        """fitted - y, (n_samples,)."""
        return self.in_memory().residuals()

    def block_residuals(self, rows: slice, X: Array, y: Array) -> Array:
        """Residuals of one block (rows, X', y') of `CentredData.blocks`, from the block itself."""
        if self._arrays is not None:
            return self._arrays.block_residuals(rows, X, y)
        slopes, value_at_centre = self._affine
        values: Array = X @ slopes
        values += value_at_centre
        values -= y
        return values

    def squared_norm(self) -> float:
        """sum_i w_i r_i^2, of the last pass."""
        return self._sums.squared_norm

    def total_weight(self) -> Fraction:
        """Sum of the weights: while there are records the rounded one, which is enough to choose a push."""
        if self._frame.weighted and self._search_records is not None:
            return Fraction(self._frame.total_weight)
        return exact_total_weight(self._frame)

    def search_splits(
        self,
        in_arrays: Callable[[Array, Array, Array | None], T],
        kappa: float,
        reach: float,
        errors: tuple[float, float, float],
    ) -> T:
        """The search over the records, or over arrays where these are gone."""
        if self._search_records is None:
            return self.in_memory().search_splits(in_arrays, kappa, reach, errors)
        found: T = self._search_records(kappa, reach, errors)
        return found

    def nearest_samples(self) -> Envelope:
        """What the last pass has kept."""
        return self._envelope


def row_norms(X: Array) -> Array:
    """||(1, x_i)|| of every row."""
    norms: Array = np.einsum("ij,ij->i", X, X)
    norms += 1.0
    return np.sqrt(norms, out=norms)


def regular(moments: Moments) -> bool:
    """Whether the sizes of data and weights need no scaling: 0, or within 2^±200."""
    sizes = [*moments.column_max.tolist(), moments.y_max, *moments.weight_range]
    return all(size == 0.0 or (2.0**-200 <= size <= 2.0**200 and math.isfinite(size)) for size in sizes)
