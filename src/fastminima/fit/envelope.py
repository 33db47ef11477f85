"""The samples nearest to a boundary, kept while rows stream past."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import largest_magnitude

__all__ = ["Envelope"]

Array = NDArray[np.float64]


# What the envelope may lose: lines that undercut it by less than this are left out.
_LOOSE = 2.0**-40


# Samples below the envelope that are gathered before it is drawn anew.
_GATHERED = 512


# Corners it is compared at.
_CORNERS = 24


@dataclass
class Envelope:
    """Samples that can attain min_i (t_i + s)/n_i for some shift s >= -min t: t_i fitted values, n_i = ||x~_i||.

    As a function of s each sample is a line, and the minimum over samples their lower envelope: concave and piecewise
    linear. A line lies below it somewhere iff it does at one of its breakpoints, or its slope is smaller than all. So
    each block is compared with the few breakpoints of the envelope so far (one thin product), and a dozen samples
    remain of any number. The shift is chosen later (it is minus the eta of theorem 1, which needs min t).

    Attributes
    ----------
    t, norm : (k,) float64
        The lines kept. For every sample and shift s: (t_i + s)/n_i >= min over these - `slack(s)`/n_i.
    """

    t: Array = field(default_factory=lambda: np.empty(0))
    norm: Array = field(default_factory=lambda: np.empty(0))
    t_max: float = 0.0
    _rows: Array = field(default_factory=lambda: np.empty((0, 2)))
    _limits: Array = field(default_factory=lambda: np.empty(0))
    _waiting: list[tuple[Array, Array]] = field(default_factory=list)

    @property
    def largest_norm(self) -> float:
        """max_i n_i."""
        return float(self.norm.max())

    def slack(self, shift: float) -> float:
        """By how much a sample left out may undercut the lines kept, times its norm."""
        return 4.0 * _LOOSE * (2.0 * self.t_max + abs(shift))

    @property
    def lines(self) -> Array:
        """(c, 2): the (a, b) that blocks are compared by, through the least a t + b n of their samples."""
        return self._rows

    def update(self, t: Array, norm: Array, known: tuple[float, Array] | None = None) -> None:
        """Add a block: fitted values and norms, (k,).

        Parameters
        ----------
        known : (float, (c,) float64), optional
            max |t|, and the least value of each of `lines`, as `Residuals.update` has found them on its way.
        """
        largest = largest_magnitude(t) if known is None else known[0]
        # coefficients at the end of float64 (NaN too): nothing can be said, and `slack` says so
        self.t_max = max(self.t_max, largest) if largest < np.inf else np.inf
        if self.t_max == np.inf:
            return
        if not self._limits.size:
            first = [int(t.argmin()), int(norm.argmax())]
            first += [int(((t + s) / norm).argmin()) for s in (2.0 * self.t_max, 8.0 * self.t_max)]
            self._set(t[first], norm[first])
        elif known is not None and not (known[1] < self._limits).any():
            return
        # t - g n < -s: the line is below the value g at the breakpoint s; the last row is -n < -max n
        below = self._rows @ np.stack([t, norm])
        if (below.min(axis=1) < self._limits).any():
            keep = (below < self._limits[:, None]).any(axis=0)
            # the envelope is drawn anew when some have gathered: until then a few too many are kept
            self._waiting.append((t[keep], norm[keep]))
            if sum(len(part) for part, _ in self._waiting) > _GATHERED:
                self.settle()

    def settle(self) -> None:
        """Draw the envelope with all lines seen; must be called after the last `update`."""
        if self._waiting and self.t_max < np.inf:
            t, norm = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
            self._waiting = []
            self._set(np.concatenate([self.t, t]), np.concatenate([self.norm, norm]))

    def outline(self) -> Envelope:
        """What lies below this envelope, without its samples: to begin with where the samples are others."""
        return Envelope(np.empty(0), np.empty(0), 0.0, self._rows, self._limits)

    def merge(self, other: Envelope) -> None:
        """Add the samples of another state, both settled."""
        self.t_max = max(self.t_max, other.t_max)
        if other.t.size and self.t_max < np.inf:
            self._set(np.concatenate([self.t, other.t]), np.concatenate([self.norm, other.norm]))

    def _set(self, t: Array, norm: Array) -> None:
        """Keep the lines of the envelope, and those that rounding cannot tell from it."""
        pairs = np.unique(np.column_stack([t, norm]), axis=0)
        t, norm = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
        slope = 1.0 / norm
        # at s = -min t the lowest line is the one of min t; of several the one of smallest slope goes on below them
        ties = np.flatnonzero(t == t.min())
        current = int(ties[slope[ties].argmin()])
        on, s = [current], -float(t[current])
        while True:
            lower = np.flatnonzero(slope < slope[current])
            if not len(lower):
                break
            cross = (slope[lower] * t[lower] - slope[current] * t[current]) / (slope[current] - slope[lower])
            s = max(s, float(cross.min()))
            nearest = lower[cross <= s]
            current = int(nearest[slope[nearest].argmin()])
            on.append(current)
        if len(on) > _CORNERS:
            # fewer lines draw a higher envelope, which keeps a few samples too many
            on = [on[k] for k in np.linspace(0, len(on) - 1, _CORNERS).astype(int).tolist()]
        at_s, g = np.array([-t[on[0]]]), np.zeros(1)
        if len(on) > 1:
            before, after = on[:-1], on[1:]
            cross = (slope[after] * t[after] - slope[before] * t[before]) / (slope[before] - slope[after])
            at_s = np.append(at_s, np.maximum.accumulate(np.maximum(cross, at_s[0])))
            # the larger of the two lines: the chord between neighbouring points is then above the line between them
            values = np.maximum((t[before] + at_s[1:]) * slope[before], (t[after] + at_s[1:]) * slope[after])
            g = np.append(g, values)
        rows = np.column_stack([np.ones(len(g)), -g])
        # at the first point the comparison is one of t alone and exact, else ties there would all stay
        rounding = 2.0**-48 * (2.0 * self.t_max + at_s)
        rounding[0] = 0.0
        keep = ((rows[:, :1] * t + rows[:, 1:] * norm) < (rounding - at_s)[:, None]).any(axis=0)
        keep[on] = True
        self.t, self.norm = t[keep], norm[keep]
        self._rows = np.vstack([rows, [0.0, -1.0]])
        self._limits = np.append(
            -at_s - _LOOSE * (2.0 * self.t_max + at_s), -float(norm.max()) * (1.0 + _LOOSE)
        )
