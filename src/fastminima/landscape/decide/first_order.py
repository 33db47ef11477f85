"""Does the risk fall to first order? One pass in float64 whose answer is a proof where it says yes.

The kernel `_first_order` gives S_0j = sum w e x~_j and S_kj, the same over z_k > 0, each with a bound. Then

    P^_kj = s- S_0j + (s+ - s-) S_kj

is P_kj of `stationarity` but for rounding and for samples whose side the bound leaves open: a term of theirs has a slope in
[s-, s+] and may belong to the boundary sum. With D_kj = sum w |e x~_j| over them, |P^_kj - P_kj| <= error + 2 |c| D_kj, and
at the unit vectors phi_k(+-e_j) = +-P_kj + c sum_B G |x~_j|. So

    |P^_kj| > error + 3 |c| D_kj

makes one of the two negative and one positive: the risk falls along row k whatever the sign of a_k, and at a_k = 0 along
a_k after a step of the row. Equal inputs need no merging: every sum is one over samples. |S_0,dx| > error alone refutes
sum G = 0. Silence claims nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.dd import two_sum
from fastminima.exact.roundoff import U
from fastminima.kernels import _first_order
from fastminima.networks.one_hidden_layer import OneHiddenLayer

__all__ = ["FirstOrder", "first_order"]

F64 = NDArray[np.float64]

# bounds are themselves computed in float64
_SLACK = 1.0 + 2.0**-10
_TINY = 2.0**-1000


@dataclass(frozen=True)
class FirstOrder:
    """What one pass in float64 proves.

    Attributes
    ----------
    bias : bool
        Whether the risk falls along the output bias; False: not proved.
    units : tuple of int
        Units along which it is proved to fall.
    risk : float
        1/2 sum w e^2, rounded as it comes.
    gradient : (d1 + 1, dx + 1) float64
        P^ for the bound's own sides; the last row holds sum w e x~.
    error : (d1 + 1, dx + 1) float64
        |gradient - P| <= error, boundary samples included.
    nearest : (2, d1) float64
        Least |z| / |x~|, rounded down, of samples with a residual >= 0 and <= 0 that are not on a boundary by the bound.
    on_boundary : (d1,) int64
        Samples whose side the bound leaves open.
    """

    bias: bool
    units: tuple[int, ...]
    risk: float
    gradient: F64
    error: F64
    nearest: F64
    on_boundary: NDArray[np.int64]

    def __bool__(self) -> bool:
        return self.bias or bool(self.units)


def factors_of(network: OneHiddenLayer, data: Dataset) -> F64:
    """The kernel's z_factor, e_factor, sum_factor, z_tiny, e_tiny; derived at its head.

    Where the columns are rounded views of exact data every x and y errs by u of itself: z by u M_k |x~|_1, a quarter of
    its start; e by u R for the inputs and for y; a sum by u T_j.
    """
    m, dx = data.X.shape
    d1, n, blocks = len(network.b1), dx + 1, -(-m // _first_order.BLOCK)
    s_plus, s_minus = network.slopes
    view = U if data.exact is not None else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        row = np.maximum(np.abs(network.W1).max(axis=1, initial=0.0), np.abs(network.b1))
        reach = 1.0 + float(row.max())
        lever = 1.0 + max(s_plus, s_minus) * float(np.abs(network.W2).sum())
        z_tiny = 2.0**-1060 * n * reach
        e_tiny = z_tiny * lever + 2.0**-1060 * (d1 + 2) * lever
    square = U * U * _SLACK
    return np.array(
        [
            1.5 * (n * n + n) * square + view,
            33.0 * (d1 + n + 3) ** 2 * square + 2.0 * view,
            ((blocks + 512) ** 2 + 2**18) * square + 1.5 * view,
            z_tiny,
            e_tiny,
        ]
    )


def first_order(
    network: OneHiddenLayer, data: Dataset, variant: int = _first_order.BEST_VARIANT
) -> FirstOrder:
    """One pass over the data.

    Parameters
    ----------
    network : OneHiddenLayer
        With a `PiecewiseLinear` activation, for as many inputs as the data have.
    data : Dataset
    variant : int, optional
        Instruction set.

    Raises
    ------
    NetworkError
        If the activation is not piecewise linear.
    """
    m, dx = data.X.shape
    d1, n = len(network.b1), dx + 1
    s_plus, s_minus = network.slopes
    factors = factors_of(network, data)
    sums, error = np.zeros((d1 + 1, n, 2, _first_order.LANES)), np.zeros(n)
    doubt, on_boundary = np.zeros((d1, n)), np.zeros(d1, dtype=np.int64)
    nearest = np.full((2, d1), np.inf)
    weight = np.empty(0) if data.sample_weight is None else np.require(data.sample_weight, None, ["C", "A"])
    work = np.empty(_first_order.workspace_items(d1, dx))
    square = _first_order.first_order_sums(
        *network.parameters(), np.require(data.X, None, ["C", "A"]), np.require(data.y, None, ["C", "A"]), weight,
        s_plus, s_minus, factors, variant, work, sums, error, doubt, on_boundary, nearest,
    )  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        # what products below the normal range may lose: the kernel's share is relative to x, this is not; and x itself
        # where it is a view of exact data
        error = error * _SLACK + _TINY * (m + error[-1] / factors[2])
        high, low = _joined(sums)
        step = s_plus - s_minus
        gradient, slack = _combined(s_plus, s_minus, high, low)
        bound = (abs(s_minus) + abs(step)) * error * _SLACK + slack
        bound = bound + 1.5 * abs(step) * _SLACK * doubt
        gradient, bound = (
            np.vstack([gradient, high[:1]]),
            np.vstack([bound, error[None] + 4 * U * np.abs(high[:1])]),
        )
        # NaN and inf prove nothing
        proved = np.isfinite(gradient) & (np.abs(gradient) > bound)
    units = np.flatnonzero(proved[:-1].any(axis=1)).tolist()
    return FirstOrder(bool(proved[-1, -1]), tuple(units), square / 2, gradient, bound, nearest, on_boundary)


def _joined(sums: F64) -> tuple[F64, F64]:
    """The lanes added up, two words: the high one exactly but for what goes to the low one."""
    high, low = sums[:, :, 0, 0], sums[:, :, 1].sum(axis=2)
    for lane in range(1, sums.shape[3]):
        high, left = two_sum(high, sums[:, :, 0, lane])
        low = low + left
    return two_sum(high, low)


def _combined(s_plus: float, s_minus: float, high: F64, low: F64) -> tuple[F64, F64]:
    """s- S_0 + (s+ - s-) S_k for the normalised words of S, rounded once, and a bound on its error.

    The step of the slopes is two words, products are exact in two, and what is below their high words has ten roundings of
    at most 6 u times all sizes.
    """
    step, step_low = two_sum(np.array([s_plus]), np.array([-s_minus]))
    p, p_low = _product(s_minus, high[0])
    q, q_low = _product(float(step[0]), high[1:])
    total, left = two_sum(p, q)
    rest = left + (p_low + q_low) + (s_minus * low[0] + step * low[1:]) + step_low * high[1:]
    total, rest = two_sum(total, rest)
    size = s_minus * np.abs(high[0]) + np.abs(step) * np.abs(high[1:])
    return total, 64.0 * U * U * size + np.abs(rest) + _TINY


def _product(a: float, x: F64) -> tuple[F64, F64]:
    """a x as two words (Dekker)."""
    # a power of two loses nothing, and slopes mostly are one
    if not a or abs(math.frexp(a)[0]) == 0.5:
        return a * x, np.zeros_like(x)
    splitter = 2.0**27 + 1.0
    ah = a * splitter - (a * splitter - a)
    xh = x * splitter - (x * splitter - x)
    al, xl, p = a - ah, x - xh, a * x
    return p, al * xl - (((p - ah * xh) - al * xh) - ah * xl)
