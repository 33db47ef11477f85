"""Digests of data as exact numbers: one that knows the order of the rows, one that does not.

(a) The bytes of a row of float64 numbers are x_1, ..., x_dx, y and, with weights, the weight, as little-endian
    float64, -0.0 written as 0.0. A row of exact rationals is ",".join(str(Fraction)) of the same numbers, then a
    line feed.
(b) `sha256` is the SHA-256 of all row bytes one after the other.
(c) `unordered` is the sum over rows of BLAKE2s (32 bytes, as a little-endian integer) modulo 2**256: the same for
    any order of the rows, and sums of parts add up.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.kernels import _digest, reference_digest

from .affine import check_rows
from .dyadic import Floats, Ints

__all__ = ["DataDigests", "Digests"]

_MODULUS = 1 << 256
# rows packed at a time: their bytes stay in the second-level cache
_BYTES = 1 << 19


@dataclass(frozen=True)
class DataDigests:
    """Digests of a dataset.

    Attributes
    ----------
    sha256 : str or None
        64 hexadecimal digits; None after parts were merged, whose order is not known.
    unordered : str
        64 hexadecimal digits, whatever the order of the rows.
    """

    sha256: str | None
    unordered: str


class Digests:
    """Digests of a stream of rows: a small state with `update` and `merge`.

    Parameters
    ----------
    variant : int, optional
        Instruction set; default the widest. The digests are the same for all.
    """

    def __init__(self, variant: int = _digest.BEST_VARIANT) -> None:
        self._variant = variant
        self._ordered: hashlib._Hash | None = hashlib.sha256()
        self._sum = 0
        self.n_samples = 0
        self._buffer = np.empty(0)

    def update(self, X: Floats, y: Floats, weight: Floats | None = None) -> None:
        """Add float64 rows: X (k, dx), y (k,), weight (k,) or None."""
        check_rows(X, y, weight)
        none = np.empty(0)
        width = X.shape[1] + 1 + (weight is not None)
        step = max(_BYTES // (8 * width), 64)
        for begin in range(0, len(y), step):
            part = slice(begin, begin + step)
            count = len(y[part])
            if count * width > len(self._buffer):
                self._buffer = np.empty(count * width)
            rows = self._buffer[: count * width].reshape(count, width)
            _digest.packed_rows(
                np.require(X[part], None, ["C", "A"]),
                np.require(y[part], None, ["C", "A"]),
                none if weight is None else np.require(weight[part], None, ["C", "A"]),
                rows,
            )
            sums = np.zeros(8, dtype=np.uint64)
            if sys.byteorder == "little":
                _digest.blake2s_sums(rows, self._variant, sums)
            else:
                reference_digest.blake2s_sums(rows, self._variant, sums)
            self._add(sum(int(s) << 32 * k for k, s in enumerate(sums)), rows.astype("<f8", copy=False).data)
        self.n_samples += len(y)

    def update_exact(self, columns: Sequence[Sequence[Fraction]]) -> None:
        """Add rows of rationals: columns x_1, ..., x_dx, y and, with weights, the weights."""
        self._lines([map(str, column) for column in columns])

    def update_numerators(
        self, numerators: Sequence[Ints], scales: Sequence[Fraction], weight: Floats | None = None
    ) -> None:
        """Add rows of rationals: columns numerators[j] (k,) times scales[j], y last; weight (k,) float64 or None."""
        columns = [_ratios(column.tolist(), scale) for column, scale in zip(numerators, scales, strict=True)]
        if weight is not None:
            columns.append([str(Fraction(w)) for w in weight.tolist()])
        self._lines(columns)

    def _lines(self, columns: Sequence[Iterable[str]]) -> None:
        for row in zip(*columns, strict=True):
            line = ",".join(row).encode() + b"\n"
            self._add(int.from_bytes(hashlib.blake2s(line).digest(), "little"), line)
            self.n_samples += 1

    def _add(self, digest_sum: int, content: bytes | memoryview) -> None:
        self._sum = (self._sum + digest_sum) % _MODULUS
        if self._ordered is not None:
            self._ordered.update(content)

    def merge(self, other: Digests) -> None:
        """Add the rows of another state; the digest that knows their order is lost unless one of them has no rows."""
        self._sum = (self._sum + other._sum) % _MODULUS
        if other.n_samples:
            taken = None if other._ordered is None else other._ordered.copy()
            self._ordered = None if self.n_samples else taken
        self.n_samples += other.n_samples

    def result(self) -> DataDigests:
        """The digests of all rows so far."""
        ordered = None if self._ordered is None else self._ordered.hexdigest()
        return DataDigests(ordered, f"{self._sum:064x}")


def _ratios(numerators: list[int], scale: Fraction) -> list[str]:
    """str(Fraction(n) * scale) of every n, without the fractions."""
    p, q = scale.numerator, scale.denominator
    texts = []
    for n in numerators:
        above = n * p
        common = math.gcd(above, q)
        texts.append(str(above // common) if common == q else f"{above // common}/{q // common}")
    return texts
