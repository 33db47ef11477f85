"""Activations made of lines, for networks evaluated exactly or with bounds: which line holds at which point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.roundoff import U

from .affine_segment import pieces_of

__all__ = ["Lines", "lines_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lines:
    """A function that is affine between neighbouring breaks.

    Attributes
    ----------
    breaks : tuple of k Fractions, ascending
    lines : tuple of k + 1 (slope, offset)
    joined : tuple of k bool
        Do the two lines meet at the break? Where they do not, the function has no value there that is claimed.
    """

    breaks: tuple[Fraction, ...]
    lines: tuple[tuple[Fraction, Fraction], ...]
    joined: tuple[bool, ...]

    def exactly(self, z: RationalMatrix) -> RationalMatrix | None:
        """The values; None where an entry lies at a jump."""
        values, scale = z.numerators, z.scale
        piece = np.zeros(z.shape, dtype=np.intp)
        for at, joined in zip(self.breaks, self.joined, strict=True):
            quotient = at / scale
            # v >= q / d for integers v is v d >= q
            left = values * quotient.denominator - quotient.numerator
            if not joined and bool((left == 0).any()):
                return None
            piece += np.asarray(left >= 0, dtype=np.intp)
        fine = math.lcm(*(slope.denominator for slope, _ in self.lines))
        fine = math.lcm(fine, *((offset / scale).denominator for _, offset in self.lines))
        slopes = np.array([int(slope * fine) for slope, _ in self.lines], dtype=object)
        offsets = np.array([int(offset / scale * fine) for _, offset in self.lines], dtype=object)
        return RationalMatrix(values * slopes[piece] + offsets[piece], scale / fine)

    def in_floats(self, z: Floats, error: Floats) -> tuple[Floats, Floats]:
        """Values at z and bounds on how far the values at points within `error` of z are from them; inf across jumps.

        A line's rounded slope and offset are off by u of themselves, its product and sum by u each: 4 u of their sizes
        together. Two points on different pieces are at most the largest slope times their distance apart in value, where
        the function is continuous between them.
        """
        piece = np.zeros(z.shape, dtype=np.intp)
        jump = np.zeros(z.shape, dtype=bool)
        for at, joined in zip(self.breaks, self.joined, strict=True):
            near = float(at)
            piece += z >= near
            if not joined:
                jump |= np.abs(z - near) <= error * (1.0 + 8 * U) + 4 * U * (np.abs(z) + abs(near))
        slopes = np.array([float(slope) for slope, _ in self.lines])
        offsets = np.array([float(offset) for _, offset in self.lines])
        steepest = float(np.abs(slopes).max()) * (1.0 + 2 * U)
        size = np.abs(slopes[piece] * z) + np.abs(offsets[piece])
        # a break that is no float64 number may put a point between it and its rounding on the wrong side
        slip = steepest * max((abs(float(at)) for at in self.breaks), default=0.0) * 4 * U
        off = (steepest * error + 4 * U * size + (2.0 * slip if self._rough else 0.0)) * (
            1.0 + 8 * U
        ) + 2.0**-1060
        return slopes[piece] * z + offsets[piece], np.where(jump, math.inf, off)

    @property
    def _rough(self) -> bool:
        return any(Fraction(float(at)) != at for at in self.breaks)


def lines_of(activation: Any) -> Lines | None:
    """The lines an activation's formula consists of; None where it is not made of lines."""
    pieces = pieces_of(activation.formula)
    lines = [p.line for p in pieces if p.line is not None]
    if len(lines) < len(pieces):
        return None
    breaks = [p.low for p in pieces if p.low is not None]
    joined = [
        a[0] * at + a[1] == b[0] * at + b[1] for at, a, b in zip(breaks, lines, lines[1:], strict=False)
    ]
    return Lines(tuple(breaks), tuple(lines), tuple(joined))
