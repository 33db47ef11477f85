"""The difference of two risks without cancellation.

With c_j = v'_j w'_j - v_j w_j, exact, and the sides s of the first network, the outputs differ by
D_i = sum_j s_ij <c_j, x_i> + db2 + Delta_i, where Delta_i = sum_j v'_j (s'_ij - s_ij) z'_ij collects the samples
that change sides, and

    risk' - risk = <g, c> + sum_i w_i e_i Delta_i + 1/2 sum_i w_i D_i^2,     g = sum_i w_i e_i phi_i.

Everything that cancels (e, g, c, D) is exact or in double-double: two networks an ulp apart give terms of 1e-32
that differ from sums of terms of 1. A running account of the rounding decides whether the result stands; where
it does not, both risks are taken exactly. Where an activation is not piecewise linear, both are enclosed in balls of
growing precision until their difference has all digits of a float64.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.data.given import DataLike
from fastminima.exact.affine import Columns
from fastminima.exact.dd import DoubleDouble, evaluate, two_product, two_sum
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.risk import exact_network_risk
from fastminima.exact.signs import signs, unit_form
from fastminima.exact.stream import PassNetwork
from fastminima.landscape.smooth.excess import BallExcess
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import NetworkLike, data_of, network_and_data
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

__all__ = ["excess_risk", "padded"]

F64 = NDArray[np.float64]

_ROWS = 16_384
# what the result is good for; the account below it is in units of the double-double and float64 roundings
_ACCURACY = 1e-13
# m terms added in a tree of double-double sums, each a product of three numbers: far below 2^-90 of their sizes
_TREE = 2.0**-90
_FLOAT = 2.0**-48


class _Terms(NamedTuple):
    """What one block of samples adds: hi and lo of the gradient sums, and float64 sums with their doubt."""

    g: list[Fraction]
    sizes: F64
    change: float
    square: float
    doubt: float


def excess_risk(network: NetworkLike, other: NetworkLike, data: DataLike | None = None) -> float:
    """Risk of `other` minus risk of `network` on `data`, without cancellation.

    Parameters
    ----------
    network, other : OneHiddenLayer, result or torch.nn.Module
        Widths may differ: units that one of them lacks count as zero. Inputs with names are matched with the columns by
        name.
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        Its float64 view, as in `OneHiddenLayer.risk`. The first result that knows its data does without.

    Returns
    -------
    float
        Within 1e-13, relative, of the exact difference of the two risks of the float64 networks, however close
        to each other these are; correctly rounded where float64 and double-double do not suffice. inf or -inf
        where the difference overflows. With other activations than piecewise linear ones, in ball arithmetic, and 0.0
        where the difference is below 2^-1000 and no sign is known.

    Raises
    ------
    DataTypeError
        If an argument is of another type.
    NetworkError
        If an activation has no formula, a smooth network overflows or meets a jump of its activation, or the number of
        inputs differs from that of the data.
    MissingDependencyError
        If an activation is not piecewise linear and python-flint (the extra `proof`) is not installed.
    TargetError
        If the data have several targets.

    Notes
    -----
    Yun, Sra and Jadbabaie (2019), section 2: risk = 1/2 sum_i w_i (f(x_i) - y_i)^2.

    Examples
    --------
    >>> import fastminima as fm
    >>> line = fm.OneHiddenLayer([[1.0]], [1.0], [1.0], -1.0, fm.relu)  # x on 0..2
    >>> other = fm.OneHiddenLayer([[1.0]], [1.0], [1.0], -1.0 + 1e-12, fm.relu)
    >>> X = [[0.0], [1.0], [2.0]]
    >>> fm.excess_risk(line, other, (X, [0.0, 1.0, 2.0])) == 0.5 * 3 * (-1.0 + 1e-12 + 1.0) ** 2
    True
    """
    samples = data_of(data, "excess_risk", network, other)
    network, data = network_and_data(network, samples, "excess_risk")
    other, _ = network_and_data(other, samples, "excess_risk")
    if not all(isinstance(n.activation, PiecewiseLinear) for n in (network, other)):
        return round_fraction(BallExcess(network, data).value(RationalNetwork.of(other)))
    slopes, other_slopes = network.slopes, other.slopes
    view = Dataset(data.X, data.y, sample_weight=data.sample_weight) if data.exact is not None else data
    if slopes == other_slopes:
        width = max(network.width, other.width)
        with np.errstate(all="ignore"):
            result = _in_double_double(padded(network, width), padded(other, width), view)
        if result is not None:
            return result
    # float64 has no number for the difference, or the terms cancel beyond double-double
    after, before = (exact_network_risk(PassNetwork.of(n), view) for n in (other, network))
    return round_fraction(after - before)


def padded(network: OneHiddenLayer, width: int) -> OneHiddenLayer:
    """The same function with this many hidden units: those that are new are zero."""
    extra = width - network.width
    if not extra:
        return network
    W1, b1, W2, b2 = network.parameters()
    return OneHiddenLayer(
        np.pad(W1, ((0, extra), (0, 0))),
        np.pad(b1, (0, extra)),
        np.pad(W2, (0, extra)),
        b2,
        network.activation,
        network.feature_names,
    )


def _in_double_double(network: OneHiddenLayer, other: OneHiddenLayer, data: Dataset) -> float | None:
    """The formula above, or None where its rounding is too large for `_ACCURACY`."""
    width = network.width
    before = [unit_form(network.W1, network.b1, j) for j in range(width)]
    after = [unit_form(other.W1, other.b1, j) for j in range(width)]
    change = [
        [Fraction(new) * a - Fraction(old) * b for a, b in zip(first, second, strict=True)]
        for new, old, first, second in zip(other.W2.tolist(), network.W2.tolist(), after, before, strict=True)
    ]
    shift = Fraction(other.b2) - Fraction(network.b2)
    # (1, x) in the order of the forms; their last coefficient, of y, is 0
    c = [value for form in change for value in form[:-1]] + [shift]
    g = [Fraction(0)] * len(c)
    sizes = np.zeros(len(c))
    changes, squares, doubts = [], [], []
    for start in range(0, data.n_samples, _ROWS):
        part = _block_terms(
            network, other, data.take(slice(start, start + _ROWS)), before, after, change, shift
        )
        if part is None:
            return None
        g = [a + b for a, b in zip(g, part.g, strict=True)]
        sizes += part.sizes
        changes.append(part.change)
        squares.append(part.square)
        doubts.append(part.doubt)
    linear = sum((a * b for a, b in zip(g, c, strict=True)), Fraction(0))
    total = linear + sum(map(Fraction, changes + squares), Fraction(0))
    account = sum((abs(a) * Fraction(b) for a, b in zip(c, sizes.tolist(), strict=True)), Fraction(0))
    doubt = account * Fraction(_TREE) + Fraction(math.fsum(doubts))
    if doubt > abs(total) * Fraction(_ACCURACY):
        return None
    return round_fraction(total)


def _block_terms(
    network: OneHiddenLayer,
    other: OneHiddenLayer,
    data: Dataset,
    before: list[list[Fraction]],
    after: list[list[Fraction]],
    change: list[list[Fraction]],
    shift: Fraction,
) -> _Terms | None:
    columns = Columns(data)
    s_plus, s_minus = network.slopes
    # z > 0, decided exactly; `signs` says z >= 0
    on = ~signs(columns, -network.W1, -network.b1)
    moved = ~signs(columns, -other.W1, -other.b1) != on
    m, width = on.shape
    hidden = [_without_exponent(v) for v in evaluate(columns, before)]
    lines = [_without_exponent(v) for v in evaluate(columns, change)]
    residual = _Sum(np.full(m, network.b2))
    residual.add(-data.y)
    difference = _Sum(np.full(m, float(shift)))
    difference.add(np.full(m, float(shift - Fraction(float(shift)))))
    jump = _Sum(np.zeros(m))
    for j in range(width):
        slope = np.where(on[:, j], s_plus, s_minus)
        residual.add_product(hidden[j], slope, float(network.W2[j]))
        difference.add_product(lines[j], slope, 1.0)
        rows = np.flatnonzero(moved[:, j])
        if len(rows):
            [value] = evaluate(Columns(data.take(rows)), [after[j]])
            wide = [np.zeros(m), np.zeros(m)]
            value = _without_exponent(value)
            wide[0][rows], wide[1][rows] = value.hi, value.lo
            step = np.where(on[:, j], s_minus - s_plus, s_plus - s_minus)
            # s' - s may round: its two halves are exact
            low = np.where(on[:, j], -1.0, 1.0) * float(
                Fraction(s_plus) - Fraction(s_minus) - Fraction(s_plus - s_minus)
            )
            parts = DoubleDouble(wide[0], wide[1], value.bound, 0)
            for factor in (step, low) if low.any() else (step,):
                jump.add_product(parts, np.where(moved[:, j], factor, 0.0), float(other.W2[j]))
    difference.add(jump.hi)
    difference.add(jump.lo)
    difference.doubt = difference.doubt + jump.doubt
    e, D, Delta = residual.hi, difference.hi, jump.hi
    omega = np.ones(m) if data.sample_weight is None else data.sample_weight
    terms, squares = omega * e * Delta, 0.5 * omega * D * D
    doubt = omega * (np.abs(D) * difference.doubt + np.abs(e) * jump.doubt + np.abs(Delta) * residual.doubt)
    sums = [float(np.sum(v)) for v in (np.abs(terms), squares, doubt)]
    if not all(map(math.isfinite, sums)) or not np.isfinite(e).all():
        return None
    g, sizes = _gradient(residual, omega, data.X, on, s_plus, s_minus)
    if not np.isfinite(sizes).all():
        return None
    # tiny squares underflow: what is lost is below the smallest normal number each
    lost = 2.0**-1020 * m if sums[1] < 2.0**-900 and D.any() else 0.0
    return _Terms(
        g, sizes, math.fsum(terms), math.fsum(squares), _FLOAT * (sums[0] + sums[1]) + sums[2] + lost
    )


def _without_exponent(value: DoubleDouble) -> DoubleDouble:
    """The same with exponent 0; what underflows is in the bound, what overflows is inf."""
    if value.exponent == 0:
        return value
    hi, lo = np.ldexp(value.hi, value.exponent), np.ldexp(value.lo, value.exponent)
    bound = float(np.ldexp(value.bound, value.exponent)) * (1.0 + 2.0**-40) + 2.0**-1072
    return DoubleDouble(hi, lo, bound, 0)


class _Sum:
    """A vector in double-double, and a bound on its error that is generous rather than sharp."""

    def __init__(self, start: F64) -> None:
        self.hi, self.lo = start, np.zeros(len(start))
        self.doubt = np.zeros(len(start))

    def add(self, value: F64) -> None:
        self.hi, error = two_sum(self.hi, value)
        self.hi, self.lo = two_sum(self.hi, self.lo + error)
        self.doubt = self.doubt + 2.0**-104 * (np.abs(self.hi) + np.abs(value))

    def add_product(self, value: DoubleDouble, slope: F64, weight: float) -> None:
        first, rest = two_product(weight, slope)
        p, error = two_product(first, value.hi)
        self.add(p)
        self.add(error + (first * value.lo + rest * value.hi))
        self.doubt = self.doubt + np.abs(first) * (value.bound + 2.0**-100 * np.abs(value.hi))


def _pairwise_sum(hi: F64, lo: F64) -> list[Fraction]:
    """Column sums of (m, q) double-double numbers."""
    while len(hi) > 1:
        half = len(hi) // 2
        top, error = two_sum(hi[:half], hi[half : 2 * half])
        top, rest = two_sum(top, error + (lo[:half] + lo[half : 2 * half]))
        if len(hi) % 2:
            top, rest = np.concatenate([top, hi[-1:]]), np.concatenate([rest, lo[-1:]])
        hi, lo = top, rest
    return [Fraction(a) + Fraction(b) for a, b in zip(hi[0].tolist(), lo[0].tolist(), strict=True)]


def _gradient(
    e: _Sum, omega: F64, X: F64, on: NDArray[np.bool_], s_plus: float, s_minus: float
) -> tuple[list[Fraction], F64]:
    """sum_i w_i e_i phi_i of a block, and the sums of the sizes of its terms."""
    m, width = on.shape
    hi, error = two_product(omega, e.hi)
    hi, lo = two_sum(hi, error + omega * e.lo)
    inputs = np.column_stack([np.ones(m), X])
    first, error = two_product(hi[:, None], inputs)
    low = error + lo[:, None] * inputs
    # relative to a residual that is a difference, its own error counts
    size = (np.abs(hi) + omega * e.doubt * 2.0**90)[:, None] * np.abs(inputs)
    if not all(np.isfinite(v).all() for v in (first, low)):
        return [], np.full(1, math.inf)
    everything = _pairwise_sum(first, low)
    sizes, g = size.sum(axis=0), []
    gap, base = Fraction(s_plus) - Fraction(s_minus), Fraction(s_minus)
    for j in range(width):
        rows = on[:, j]
        part = everything if rows.all() else _pairwise_sum(first[rows], low[rows]) if rows.any() else None
        for column, whole in enumerate(everything):
            g.append(base * whole + (gap * part[column] if part is not None else 0))
    g.append(everything[0])
    scale = abs(s_plus) + abs(s_minus)
    return g, np.append(np.tile(sizes * scale, width), sizes[0])
