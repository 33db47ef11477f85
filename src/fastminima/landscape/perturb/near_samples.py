"""Samples that a small change can carry across a boundary, sorted by unit and margin for the screening kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import TooLargeError
from fastminima.kernels import _screen
from fastminima.system.memory import require_memory

if TYPE_CHECKING:
    from .base_point import BasePoint

__all__ = ["NearSampleCollector", "NearSamples", "sign_codes"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class NearSamples:
    """Samples that a change of norm up to `listed_up_to` in one unit can bring across that unit's boundary.

    Attributes
    ----------
    listed_up_to : float
    n_samples : int
        How many different samples are listed; a sample near several boundaries is listed in each.
    start, panel_start : (d1 + 1,)
        Where each unit's pairs, and panels of the filter, begin.
    margin : (pairs,)
        Lower bounds of |z|/||x~||, ascending within a unit.
    rows : (pairs + 16, pad + 4), pad the next multiple of 4 to dx
        x - centre, zeros, z, e, w and two int32: a number where the sample is listed for several units, else -1; its
        pattern.
    numbers, shared : int
        Samples listed for several units, and the pairs they stand in.
    slopes : (patterns, d1)
        Slopes of the units in each pattern.
    filter : float32, panels of (dx + 2, 16)
    scale : float
        Power of two by which margins and changes are divided before they are rounded to float32.
    """

    listed_up_to: float
    n_samples: int
    start: I64
    panel_start: I64
    margin: F64
    rows: F64
    numbers: int
    shared: int
    slopes: F64
    filter: NDArray[np.float32]
    scale: float


def _aligned(size: int) -> NDArray[np.float32]:
    """Uninitialised float32 numbers at a multiple of 64 bytes."""
    raw = np.empty(size + 16, dtype=np.float32)
    offset = -raw.ctypes.data % 64 // 4
    return raw[offset : offset + size]


def sign_codes(positive: NDArray[np.bool_]) -> NDArray[np.unsignedinteger]:
    """Sign patterns (d1, n) as one little-endian number a sample, of the smallest type: those sort fastest.

    Beyond 64 units a row of bytes a sample.
    """
    bits = np.packbits(positive, axis=0, bitorder="little")
    if len(bits) == 1:
        return bits[0]
    if len(bits) > 8:
        return np.ascontiguousarray(bits.T)
    kind = np.dtype("<u2" if len(bits) == 2 else "<u8")
    numbers: NDArray[np.unsignedinteger] = np.zeros(bits.shape[1], dtype=kind)
    for place, row in enumerate(bits):
        numbers |= row.astype(kind) << kind.type(8 * place)
    return numbers


class NearSampleCollector:
    """Collects the samples near a boundary, block by block."""

    def __init__(self, base: BasePoint, listed_up_to: float) -> None:
        self.base, self.listed_up_to = base, listed_up_to
        d1 = base.network.width
        self.parts: list[list[tuple[I64, F64, F64, F64]]] = [[] for _ in range(d1)]
        self.signs: list[tuple[I64, NDArray[np.unsignedinteger]]] = []
        self.pairs = 0

    def add(self, cut: slice, X: F64, z: F64, margin: F64, norm: F64) -> None:
        near = margin <= self.listed_up_to
        if not near.any():
            return
        listed = np.flatnonzero(near.any(axis=0))
        self.signs.append((listed + cut.start, sign_codes(z[:, listed] > 0.0)))
        for j, row in enumerate(near):
            index = np.flatnonzero(row)
            self.parts[j].append((index + cut.start, margin[j, index], z[j, index], norm[index]))
            self.pairs += len(index)
        # rows, filter and what sorts them: before more is taken
        pair_bytes = 8 * (X.shape[1] + 7) + 4 * (X.shape[1] + 2) + 64
        if self.pairs >= 2**31:
            raise TooLargeError(f"{self.pairs} samples near a boundary; the lists hold fewer than 2**31")
        require_memory(self.pairs * pair_bytes, f"a list of {self.pairs} samples near a boundary")

    def finish(self) -> NearSamples:
        base, network, data = self.base, self.base.network, self.base.data
        d1, dx = network.width, network.n_features
        joined = [
            tuple(np.concatenate(column) for column in zip(*parts, strict=True))
            if parts
            else (np.empty(0, np.int64), *(np.empty(0) for _ in range(3)))
            for parts in self.parts
        ]
        orders = [np.argsort(unit[1], kind="stable") for unit in joined]
        joined = [tuple(column[order] for column in unit) for unit, order in zip(joined, orders, strict=True)]
        start = np.cumsum([0, *(len(unit[0]) for unit in joined)])
        index, margin, z, norm = (np.concatenate(column) for column in zip(*joined, strict=True))
        pairs = len(index)
        # the kernel reads up to a panel beyond the pairs
        pad = -(-dx // 4) * 4
        rows = np.zeros((pairs + _screen.NEAR, pad + 4))
        rows[:pairs, :dx] = base.centred(data.X[index])
        rows[:pairs, pad] = z
        rows[:pairs, pad + 1] = base.residual[index]
        rows[:pairs, pad + 2] = 1.0 if data.sample_weight is None else data.sample_weight[index]
        listed, slopes, listed_for = np.empty(0, np.int64), np.zeros((1, d1)), np.empty(0, np.int64)
        if pairs:
            listed = np.concatenate([part for part, _ in self.signs])
            sample = np.searchsorted(listed, index)
            patterns = np.concatenate([part for _, part in self.signs])
            # one number a sample sorts faster than rows of bytes
            _, first, kind = np.unique(
                patterns, axis=None if patterns.ndim == 1 else 0, return_index=True, return_inverse=True
            )
            signs = patterns[first].reshape(len(first), -1).view(np.uint8)
            slopes = np.where(np.unpackbits(signs, axis=1, count=d1, bitorder="little") == 1, *network.slopes)
            listed_for = np.bincount(sample)
            several = listed_for > 1
            numbers = rows.view(np.int32).reshape(len(rows), -1)[:pairs, -2:]
            numbers[:, 0] = np.where(several, np.cumsum(several) - 1, -1)[sample]
            numbers[:, 1] = kind.reshape(-1)[sample]
        largest = float(margin.max(initial=0.0))
        farthest = self.listed_up_to if math.isfinite(self.listed_up_to) else largest
        scale = math.ldexp(1.0, min(1000, max(-1000, math.frexp(farthest)[1]))) if farthest > 0.0 else 1.0
        panel_start = np.cumsum([0, *(-(-np.diff(start) // _screen.NEAR))])
        panels = _aligned(int(panel_start[-1] + 1) * (dx + 2) * _screen.NEAR).reshape(
            -1, dx + 2, _screen.NEAR
        )
        for j in range(d1):
            cut = slice(start[j], start[j + 1])
            some = panels[panel_start[j] : panel_start[j + 1]]
            flat = np.zeros((dx + 2, some.shape[0] * _screen.NEAR), np.float32)
            flat[-1] = np.inf
            count = int(start[j + 1] - start[j])
            inverse = np.where(z[cut] > 0.0, -1.0, 1.0) / norm[cut]
            flat[:dx, :count] = data.X[index[cut]].T * inverse
            flat[dx, :count] = inverse
            flat[-1, :count] = margin[cut] / scale
            some[:] = flat.reshape(dx + 2, -1, _screen.NEAR).transpose(1, 0, 2)
        return NearSamples(
            self.listed_up_to, len(listed), start, panel_start, margin if pairs else np.zeros(1), rows,
            int(np.count_nonzero(listed_for > 1)), int(listed_for[listed_for > 1].sum()), slopes,
            panels.reshape(-1), scale,
        )  # fmt: skip
