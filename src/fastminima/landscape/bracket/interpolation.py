"""`interpolation_width`: a width at which the risk is the pure error: a network through every distinct input.

(a) With z > 0 or z < 0 on all data and T > max |lambda_i|/|z_i|, max(lambda + T z, 0) - max(T z, 0) is lambda where
    z > 0 and 0 where z < 0: two units make a jump by any affine lambda. h_{s+,s-}(z) = s- z + (s+ - s-) max(z, 0), so any
    h does as much beside one unit that is affine on the data.
(b) Sort the n distinct inputs along a direction in which they differ and cut them into p = ceil(n / (dx + 1)) blocks. An
    affine function goes through the means of a block whose inputs are affinely independent. The first in one unit, a
    jump to the next at each boundary: width 2 p - 1. Or one kink at each inner point along the direction: width n - 1.
(c) Every unit is worked out at every input, twice (for T, and when all is compared with the means): 2 n w (dx + 1) steps.
    Its dx + 1 numbers are quotients of determinants of dx + 1 rows, of (dx + 1)(B + log2(dx + 1)/2) bits each by Hadamard
    for entries of B bits, in two integers and a fraction of some 150 bytes.
(d) Directions are drawn until the blocks are independent, exactly; where a few draws fail, (b)'s second network serves.
The network is rational, and its outputs are compared with the means in rational numbers before it is handed out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.given import DataLike, HasData
from fastminima.errors import EffortWarning
from fastminima.exact.affine import Columns, common_numerators, common_products
from fastminima.exact.dyadic import Ints
from fastminima.exact.modular import solve_square
from fastminima.fit.least_squares import least_squares
from fastminima.networks.activations.named import ActivationLike, as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, relu
from fastminima.networks.given import own_data
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.memory import require_memory
from fastminima.system.notices import warned
from fastminima.system.results import Result

from .lines import DistinctInputs

__all__ = ["Interpolation", "interpolation_width"]

Vector = list[Fraction]
# int64 with room
_SHORT = 2**62
# directions whose blocks are tried before (b)'s second network; only a choice
_DRAWS = 8
# steps from which on it is said what is to come: a minute or two. Only a choice.
_MANY_STEPS = 10**9


@dataclass(frozen=True, eq=False, repr=False)
class Interpolation(Result):
    """A width at which no network can be better, with a network that proves it.

    Attributes
    ----------
    width : int
        Hidden units of `network`; smaller widths may do as well.
    network : RationalNetwork
        Its outputs are the weighted mean of the targets at every distinct input, exactly.
    data : Dataset
    pure_error : Fraction
        Its risk: what no function of the inputs goes below.

    Examples
    --------
    >>> import fastminima as fm
    >>> found = fm.interpolation_width(fm.load_demo("xor"))
    >>> found.width, found.pure_error
    (3, Fraction(0, 1))
    """

    width: int
    network: RationalNetwork
    data: Dataset
    pure_error: Fraction

    def __repr__(self) -> str:
        return f"Interpolation(width {self.width}, risk {float(self.pure_error):.6g})"


def interpolation_width(data: DataLike | HasData, *, activation: ActivationLike = relu) -> Interpolation:
    """A width at which the risk is the pure error, min(n - 1, 2 ceil(n / (dx + 1)) - 1) for n distinct inputs in general.

    Parameters
    ----------
    data : Dataset, (X, y) or (X, y, sample_weight)
        With one target.
    activation : PiecewiseLinear, str or torch.nn.Module, default relu
        Piecewise linear, such as "leaky_relu:0.2".

    Raises
    ------
    DataTypeError, TargetError, NetworkError
        For other data, several targets, and activations that are not piecewise linear.
    TooLargeError
        If the network would not fit in memory; nothing has been started.

    Warns
    -----
    EffortWarning
        Before it starts, where it takes minutes or more.

    Examples
    --------
    >>> import fastminima as fm
    >>> fm.interpolation_width(([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 0.0, 1.0]))
    Interpolation(width 3, risk 0)
    """
    dataset = own_data(data, "interpolation_width")
    check_one_target(dataset, "interpolation_width")
    activation = as_piecewise(activation, "interpolation_width")
    inputs = DistinctInputs(Columns(dataset))
    _say_what_it_takes(inputs)
    pure, network = inputs.pure_error, None
    exact = least_squares(dataset).exact
    if exact.risk == pure:
        network = _assembled([exact.intercept, *exact.coef], [], inputs, activation)
    draws, attempt = np.random.default_rng(0), 0
    while network is None:
        network = _along(inputs, _direction(dataset.n_features, attempt, draws), activation, attempt < _DRAWS)
        attempt += 1
    return Interpolation(network.width, network, dataset, pure)


def _say_what_it_takes(inputs: DistinctInputs) -> None:
    """Before anything starts: (c)."""
    n, dx = inputs.rows.shape
    width = max(1, min(n - 1, 2 * -(-n // (dx + 1)) - 1))
    bits = max((abs(int(v)).bit_length() for v in inputs.rows.ravel()), default=1)
    bits += max(v.numerator.bit_length() + v.denominator.bit_length() for v in inputs.means)
    number = 2 * (dx + 1) * (bits + (dx + 1).bit_length() / 2) / 8 + 150
    n_bytes, steps = int(width * (dx + 1) * number), 2 * n * width * (dx + 1)
    require_memory(n_bytes, f"a network of width {width:,} through {n:,} distinct inputs")
    if steps > _MANY_STEPS:
        warned(
            f"a network of width {width:,} through {n:,} distinct inputs is made and compared with the data in exact "
            f"arithmetic: {steps:.1e} steps, some ten million a second, and {n_bytes / 2**30:.2g} GiB",
            EffortWarning,
        )


def _direction(dx: int, attempt: int, draws: np.random.Generator) -> list[int]:
    """Integers: the coordinates first, then random ones that grow until they tell all inputs apart."""
    if attempt < min(dx, _DRAWS // 2):
        return [int(j == attempt) for j in range(dx)]
    bound = 2 ** min(3 + attempt, 40)
    return [int(v) for v in draws.integers(-bound, bound + 1, size=dx)]


def _along(
    inputs: DistinctInputs, u: list[int], activation: PiecewiseLinear, by_blocks: bool
) -> RationalNetwork | None:
    """The narrower network along a direction; None where inputs or blocks are not told apart by it."""
    X = inputs.rows
    n, dx = X.shape
    along = [sum(a * b for a, b in zip(row, u, strict=True)) for row in X.tolist()]
    order = sorted(range(n), key=along.__getitem__)
    if any(along[a] == along[b] for a, b in pairwise(order)):
        return None
    if 2 * -(-n // (dx + 1)) - 1 < n - 1:
        blocks = _blocks(inputs, order)
        if blocks is not None:
            return _of_jumps(inputs, u, along, order, blocks, activation)
        if by_blocks:
            return None
    return _of_kinks(inputs, u, along, order, activation)


def _blocks(inputs: DistinctInputs, order: list[int]) -> list[Vector] | None:
    """The affine function (constant first) through each block of dx + 1 inputs in a row; the last one reaches back."""
    size = inputs.rows.shape[1] + 1
    found = []
    for begin in range(0, len(order), size):
        block = order[begin : begin + size] if begin + size <= len(order) else order[-size:]
        values, unit = common_numerators([inputs.means[g] for g in block])
        B = np.array([[1, *inputs.rows[g]] for g in block], dtype=object)
        solution = solve_square(B, np.array(values, dtype=object)[:, None])
        if solution is None:
            return None
        Z, (denominator,) = solution
        found.append([Fraction(int(z), denominator) * unit for z in Z[:, 0]])
    return found


def _of_jumps(
    inputs: DistinctInputs, u: list[int], along: list[int], order: list[int], blocks: list[Vector],
    activation: PiecewiseLinear,
) -> RationalNetwork:  # fmt: skip
    """(b) by blocks: at the end of each one a jump to the affine function of the next."""
    size = inputs.rows.shape[1] + 1
    table, doubled = _Rows.of(inputs), 2 * np.array(along, dtype=object)
    kinks: list[tuple[Vector, int]] = []
    for k, (now, then) in enumerate(pairwise(blocks), 1):
        middle = along[order[k * size - 1]] + along[order[k * size]]
        z = [Fraction(-middle), *(Fraction(2 * v) for v in u)]
        jump = [b - a for a, b in zip(now, then, strict=True)]
        numbers, unit = common_numerators(jump)
        heights = abs(table.times(numbers).astype(object)) * unit.numerator
        # the floor of the largest quotient is the largest floor
        T = max((heights // (abs(doubled - middle) * unit.denominator)).tolist()) + 1
        kinks += [([a + T * b for a, b in zip(jump, z, strict=True)], 1), ([T * v for v in z], -1)]
    return _assembled(
        _in_units(inputs, blocks[0]), [(_in_units(inputs, r), s) for r, s in kinks], inputs, activation
    )


def _of_kinks(
    inputs: DistinctInputs, u: list[int], along: list[int], order: list[int], activation: PiecewiseLinear
) -> RationalNetwork:
    """(b) by points: the piecewise linear function of the projection, a kink at each inner point."""
    slopes = [(inputs.means[b] - inputs.means[a]) / (along[b] - along[a]) for a, b in pairwise(order)]
    first = [inputs.means[order[0]] - slopes[0] * along[order[0]], *(slopes[0] * v for v in u)]
    kinks = []
    for g, (left, right) in zip(order[1:-1], pairwise(slopes), strict=True):
        bend = right - left
        row = [abs(bend) * v for v in (-along[g], *u)]
        kinks.append((_in_units(inputs, row), 1 if bend > 0 else -1))
    return _assembled(_in_units(inputs, first), kinks, inputs, activation)


def _in_units(inputs: DistinctInputs, function: Vector) -> Vector:
    """An affine function of the integer rows as one of the inputs."""
    return [function[0], *(c / scale for c, scale in zip(function[1:], inputs.scales, strict=True))]


def _assembled(
    affine: Vector, kinks: list[tuple[Vector, int]], inputs: DistinctInputs, activation: PiecewiseLinear
) -> RationalNetwork:
    """affine + sum of sign max(row, 0) as a network of width 1 + len(kinks), held against the means of the data."""
    plus, minus = Fraction(activation.s_plus), Fraction(activation.s_minus)
    step = plus - minus
    rest = list(affine)
    for row, sign in kinks:  # max(t, 0) = (h(t) - s- t)/(s+ - s-)
        rest = [a - sign * minus / step * b for a, b in zip(rest, row, strict=True)]
    table = _Rows.of(inputs)
    numbers, unit = _integer_form(rest, inputs)
    lowest = min(table.times(numbers).tolist()) * unit
    offset = Fraction(max(0, 1 - math.floor(lowest)))
    rows = [[rest[0] + offset, *rest[1:]], *(row for row, _ in kinks)]
    network = RationalNetwork(
        tuple((*row[1:], row[0]) for row in rows),
        (1 / plus, *(sign / step for _, sign in kinks)),
        -offset,
        activation,
    )
    if not _goes_through_the_means(network, inputs, table):
        raise ArithmeticError("an interpolating network misses a mean: a fault of this program")
    return network


def _goes_through_the_means(network: RationalNetwork, inputs: DistinctInputs, table: _Rows) -> bool:
    """Whether the outputs at the distinct inputs are their means, in rational numbers.

    f = b2 + sum_k a_k (s- z_k + (s+ - s-) max(z_k, 0)): an affine function, and terms that are 0 where a unit is not
    positive. Values are integers, those that changed together over one scale: along a direction they go on changing together
    until a block ends, so that no scale outgrows the determinants of two blocks.
    """
    plus, minus = network.slopes
    affine = [network.bias, *(Fraction(0) for _ in range(network.n_features))]
    if minus:
        for a, (*weights, bias) in zip(network.output, network.rows, strict=True):
            affine = [c + a * minus * v for c, v in zip(affine, (bias, *weights), strict=True)]
    numbers, unit = _integer_form(affine, inputs)
    values, scales, place = table.times(numbers).astype(object), [unit], np.zeros(len(inputs), dtype=np.intp)
    for a, (*weights, bias) in zip(network.output, network.rows, strict=True):
        numbers, unit = _integer_form([bias, *weights], inputs)
        z = table.times(numbers)
        active = np.flatnonzero(z > 0)
        step = a * (plus - minus) * unit
        for k in np.unique(place[active]).tolist():
            own = active[place[active] == k]
            (before, factor), unit = common_numerators([scales[k], step])
            changed = values[own] * before + z[own].astype(object) * factor
            divisor = math.gcd(*changed.tolist()) or 1
            values[own], place[own] = changed // divisor, len(scales)
            scales.append(unit * divisor)
    return all(
        n * scales[k] == mean
        for n, k, mean in zip(values.tolist(), place.tolist(), inputs.means, strict=True)
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows (1, x) of integers, and affine functions of them.

    Attributes
    ----------
    whole : (n, dx + 1) object array of Python integers
    short : (n, dx + 1) int64 or None
        The same, where they are.
    sizes : list of int
        The largest of each column.
    """

    whole: Ints
    short: NDArray[np.int64] | None
    sizes: list[int]

    @classmethod
    def of(cls, inputs: DistinctInputs) -> _Rows:
        """The distinct inputs, in the integers of `DistinctInputs.rows`."""
        whole = np.concatenate([np.full((len(inputs), 1), 1, dtype=object), inputs.rows], axis=1)
        sizes: list[int] = abs(whole).max(axis=0).tolist()
        return cls(whole, whole.astype(np.int64) if max(sizes) < _SHORT else None, sizes)

    def times(self, numbers: list[int]) -> NDArray[Any]:
        """(n,) integers, int64 where no partial sum leaves it."""
        # the number of a column of zeros may be of any size
        seen = [c if s else 0 for c, s in zip(numbers, self.sizes, strict=True)]
        largest = sum(abs(c) * s for c, s in zip(seen, self.sizes, strict=True))
        if self.short is not None and largest < _SHORT:
            return self.short @ np.array(seen, dtype=np.int64)
        products: Ints = self.whole.dot(np.array(numbers, dtype=object))
        return products


def _integer_form(function: Vector, inputs: DistinctInputs) -> tuple[list[int], Fraction]:
    """dx + 1 integers and a scale: an affine function of the inputs as one of `_Rows`."""
    return common_products(function, [Fraction(1), *inputs.scales])
