"""Units that add nothing, and units that are one: a narrower network with the same outputs. Without weight decay only.

With a_k = 0 the row u_k, and with w_k = 0 the split between a_k h(b_k) and b2, can move at constant risk; so can a_j and
a_k, the sum kept, where u_j = u_k (or u_j = -u_k and h is odd or even). Such a point has no curvature bound in its own
width. In the narrower one it may; what is certified then is said of the narrower network.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.exact.dyadic import round_fraction
from fastminima.networks.activations.activation_protocol import Activation
from fastminima.networks.rational_network import RationalNetwork

__all__ = ["Fold", "flat_symmetry", "folded", "off_and_equal"]

# points at which the symmetry of h is looked at, in float64: it only chooses where to start
_POINTS = np.array([0.3717, 0.9113, 1.7329, 3.1011])


@dataclass(frozen=True)
class Fold:
    """A unit that was taken out.

    Attributes
    ----------
    unit : int
        Numbered as in the network that came.
    into : int or None
        The unit it equals; None where it added nothing, or a constant.
    why : str
    """

    unit: int
    into: int | None
    why: str

    def __str__(self) -> str:
        return f"unit {self.unit} ({self.why})"


def off_and_equal(network: RationalNetwork, tolerance: float = 0.0) -> list[Fold]:
    """Units that are off, constant, or equal to an earlier one.

    Parameters
    ----------
    network : RationalNetwork
    tolerance : float
        0: exactly so. Else rows and weights may differ by this share of the largest row entry or output weight.
    """
    rows = [np.array([round_fraction(v) for v in row]) for row in network.rows]
    size = max((float(np.abs(row).max()) for row in rows), default=0.0)
    largest = max(abs(round_fraction(a)) for a in network.output)
    sign = _symmetry(network.activation)
    about = "" if not tolerance else "almost "

    def equal(j: int, k: int, mirrored: bool) -> bool:
        if not tolerance:
            other = tuple(-v for v in network.rows[j]) if mirrored else network.rows[j]
            return other == network.rows[k]
        gap = rows[k] + rows[j] if mirrored else rows[k] - rows[j]
        return bool(np.abs(gap).max() <= tolerance * size)

    found: list[Fold] = []
    kept: list[int] = []
    for k, (row, a) in enumerate(zip(network.rows, network.output, strict=True)):
        if abs(round_fraction(a)) <= tolerance * largest and (tolerance or not a):
            found.append(Fold(k, None, f"{about}off, a_k = 0"))
        elif (
            (not any(row[:-1]))
            if not tolerance
            else np.abs(rows[k][:-1]).max(initial=0.0) <= tolerance * size
        ):
            found.append(Fold(k, None, f"{about}constant, w_k = 0"))
        else:
            same = next((j for j in kept if equal(j, k, False)), None)
            mirror = next((j for j in kept if equal(j, k, True)), None) if sign else None
            if same is not None:
                found.append(Fold(k, same, f"{about}equal to unit {same}"))
            elif mirror is not None:
                found.append(Fold(k, mirror, f"{about}the mirror image of unit {mirror}"))
            else:
                kept.append(k)
    return found


def folded(network: RationalNetwork, folds: list[Fold]) -> RationalNetwork | None:
    """The network without these units: weights of equal units summed, constants in the output bias; None if none is left.

    The output bias takes h(b_k) in float64, so with a constant unit, or a tolerance, the outputs are only nearly the same.
    """
    out = {fold.unit for fold in folds}
    keep = [k for k in range(network.width) if k not in out]
    if not keep:
        return None
    sign = _symmetry(network.activation)
    output, bias = list(network.output), network.bias
    for fold in folds:
        a = network.output[fold.unit]
        if fold.into is not None:
            output[fold.into] += a if "mirror" not in fold.why else sign * a
        elif a:
            value = float(network.activation(np.array(round_fraction(network.rows[fold.unit][-1]))))
            bias += a * Fraction(value) if np.isfinite(value) else 0
    rows = tuple(network.rows[k] for k in keep)
    kept = tuple(output[k] for k in keep)
    return RationalNetwork(rows, kept, bias, network.activation, network.feature_names)


def _symmetry(h: Activation) -> int:
    """-1 where h is odd, 1 where it is even, 0 for neither, as float64 sees it."""
    there, back = (np.asarray(h.value(points), dtype=np.float64) for points in (_POINTS, -_POINTS))
    for sign in (-1, 1):
        if np.allclose(there, sign * back, rtol=1e-12, atol=1e-14):
            return sign
    return 0


def flat_symmetry(h: Activation) -> str | None:
    """Why units can move at constant risk whatever the data are, as float64 sees it; None where no reason is known."""
    points = np.concatenate([-_POINTS, _POINTS])
    there, twice, later = (np.asarray(h.value(t), dtype=np.float64) for t in (points, 2 * points, points + 1))
    line = np.polyfit(points, there, 1)
    if np.allclose(np.polyval(line, points), there, rtol=1e-12, atol=1e-12):
        return "h is affine"
    largest = int(np.abs(there).argmax())
    for moved, what in ((twice, "h(ct) is a multiple of h(t)"), (later, "h(t + c) is a multiple of h(t)")):
        if np.allclose(moved, moved[largest] / there[largest] * there, rtol=1e-12, atol=0.0):
            return what
    return None
