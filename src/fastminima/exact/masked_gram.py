"""The exact Gram matrix of a network's own design: its inputs, masked by the sides its units give them.

(a) Where no unit changes sides the network is linear in q_k = a_k u_k and b2, with the design phi_i = (s_ik x~_i, ..., 1),
    x~ = (x, 1). One Gram matrix of the columns (1, x~ [z_1 > 0], ..., x~ [z_d1 > 0], y) therefore gives the risk, all
    residual sums sum_i w_i e_i s_ik x~_i and their second derivatives: no rational number per sample is formed.
    Products of two inputs are formed once for all units and added up over the samples that two units let through
    (`masked_products`); data whose numbers spread too far for that are masked and handed to `gram`.
(b) With s- = 0 the masked columns suffice; otherwise the inputs themselves stand before them, s = s- + (s+ - s-) [z > 0].
    A sample on a boundary counts with the slope s- here, and h(0) = 0 either way.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.system.first_use import cached_property

from .affine import Columns, affine_numerators, common_numerators
from .dyadic import Ints
from .gram import ExactGram, GramState, add_numerators, rescaled
from .masked_products import masked_products

__all__ = ["MaskedGram", "Sides", "masked_columns_gram"]

_ROWS = 4096

Sides = NDArray[np.int8]


class MaskedGram:
    """Exact sums of one network's design, for its sides on one dataset.

    Parameters
    ----------
    columns : Columns
    sides : (m, d1) int8
        Signs of the exact preactivations.
    s_plus, s_minus : Fraction
        Slopes of the activation.

    Attributes
    ----------
    gram : ExactGram
        Of (1, [x_1, ..., x_dx,] x~ [z_1 > 0], ..., x~ [z_d1 > 0], y); the inputs stand there if s_minus is not 0.
    """

    def __init__(self, columns: Columns, sides: Sides, s_plus: Fraction, s_minus: Fraction) -> None:
        self.s_plus, self.s_minus = s_plus, s_minus
        self.n = columns.n_features + 1
        self.width = sides.shape[1]
        self._whole = s_minus != 0
        self._columns, self._positive = columns, sides > 0

    @cached_property
    def gram(self) -> ExactGram:
        """Computed at first use."""
        ones = np.zeros(self.n - 1 if self._whole else 0, dtype=np.intp)
        units = np.repeat(np.arange(1, self.width + 1), self.n)
        masks = np.concatenate([[0], ones, units, [0]])
        # the constant stands behind the inputs there
        inputs = np.concatenate(
            [[self.n - 1], np.arange(len(ones)), np.tile(np.arange(self.n), self.width), [self.n]]
        )
        every = range(1, self.width + 1)
        pairs = [(k, other) for k in every for other in every if k <= other]
        found = masked_products(self._columns, self._positive, [(0, 0), *pairs])
        if found is None:
            return masked_columns_gram(self._columns, self._positive, self._whole)
        return found.gram(masks, inputs)

    @property
    def _by_rows(self) -> bool:
        """Whether a number per sample costs less than the matrix: two products an entry of the design, against its square.

        A network with more parameters than the data have numbers; the choice changes no result.
        """
        count = 2 + self.width * self.n + (self.n - 1 if self._whole else 0)
        return "gram" not in self.__dict__ and count > 2 * self._columns.n_samples

    def curvature(self, unit: int, v: Sequence[Fraction]) -> Fraction:
        """sum_i w_i (s_ik <v, x~_i>)^2, boundary samples at the slope s-."""
        if self._by_rows:
            t, scale = affine_numerators(self._columns, [v[-1], *v[:-1], Fraction(0)])
            weight, weight_unit = self._columns.weight_integers()
            squares = t * t if weight is None else t * t * weight
            factor = scale * scale * weight_unit
            masked = int(squares[self._positive[:, unit]].sum()) * factor
            whole = int(squares.sum()) * factor
        else:
            start = len(self.gram.entries) - 1 - (self.width - unit) * self.n
            masked = self._quadratic(range(start, start + self.n), v)
            whole = self._quadratic([*range(1, self.n), 0], v) if self._whole else Fraction(0)
        return self.s_minus**2 * whole + (self.s_plus**2 - self.s_minus**2) * masked

    def _quadratic(self, columns: Sequence[int], v: Sequence[Fraction]) -> Fraction:
        """v^T G v with the entries of some columns of the Gram matrix."""
        gram = self.gram
        integers, unit = common_numerators([c * gram.scales[j] for c, j in zip(v, columns, strict=True)])
        rows = [[gram.entries[i][j] for j in columns] for i in columns]
        total = sum(
            a * sum(g * b for g, b in zip(row, integers, strict=True))
            for a, row in zip(integers, rows, strict=True)
        )
        return total * unit * unit * gram.weight_scale

    @cached_property
    def total_weight(self) -> Fraction:
        """Sum of the weights."""
        if self._columns.weight is None:
            return Fraction(self._columns.n_samples)
        weight, unit = self._columns.weight_integers()
        assert weight is not None
        return int(weight.sum()) * unit

    def form(
        self, rows: Sequence[Sequence[Fraction]], output: Sequence[Fraction], bias: Fraction
    ) -> list[Fraction]:
        """f - y of a network with these sides, as a form in the columns."""
        step = self.s_plus - self.s_minus
        scaled = [[a * u for u in row] for a, row in zip(output, rows, strict=True)]
        form = [bias]
        if self._whole:
            form += [self.s_minus * sum((q[j] for q in scaled), Fraction(0)) for j in range(self.n - 1)]
            form[0] += self.s_minus * sum((q[-1] for q in scaled), Fraction(0))
        for q in scaled:
            form += [step * v for v in q]
        return [*form, Fraction(-1)]

    def products(self, form: Sequence[Fraction]) -> list[Fraction]:
        """G form: the sums over the samples of each column times the form."""
        if self._by_rows:
            return self._products_by_rows(form)
        gram = self.gram
        integers, unit = common_numerators([c * s for c, s in zip(form, gram.scales, strict=True)])
        unit *= gram.weight_scale
        return [
            sum(g * c for g, c in zip(row, integers, strict=True) if g and c) * scale * unit
            for row, scale in zip(gram.entries, gram.scales, strict=True)
        ]

    def _products_by_rows(self, form: Sequence[Fraction]) -> list[Fraction]:
        """The same with integers per sample."""
        n, head = self.n, 1 + (self.n - 1 if self._whole else 0)
        pairs = [self._columns.integers(j) for j in range(n)]
        inputs, scales = [c for c, _ in pairs[:-1]], [*(scale for _, scale in pairs[:-1]), Fraction(1)]
        every = [Fraction(1), *scales[: head - 1], *scales * self.width, pairs[-1][1]]
        numbers, unit = common_numerators([c * s for c, s in zip(form, every, strict=True)])
        value: Ints = numbers[0] + numbers[-1] * pairs[-1][0]
        for c, x in zip(numbers[1:head], inputs, strict=False):
            value = value + c * x
        rows = [np.flatnonzero(mask) for mask in self._positive.T]
        for k, inside in enumerate(rows):
            own = numbers[head + k * n : head + (k + 1) * n]
            value[inside] += own[-1]
            for c, x in zip(own[:-1], inputs, strict=True):
                if c:
                    value[inside] += c * x[inside]
        weight, weight_unit = self._columns.weight_integers()
        if weight is not None:
            value = value * weight
        whole: list[int] = []
        masked: list[list[int]] = [[] for _ in rows]
        for terms in itertools.chain((value * x for x in inputs), [value]):
            whole.append(int(terms.sum()))
            for own_sums, inside in zip(masked, rows, strict=True):
                own_sums.append(int(terms[inside].sum()))
        sums = [whole[-1], *whole[: head - 1], *(v for own in masked for v in own)]
        sums.append(int((value * pairs[-1][0]).sum()))
        return [v * scale * unit * weight_unit for v, scale in zip(sums, every, strict=True)]

    def unit_sums(self, products: Sequence[Fraction], unit: int) -> list[Fraction]:
        """sum_i w_i e_i s_ik x~_i out of `products`, boundary samples at the slope s-."""
        n = self.n
        start = 1 + (n - 1 if self._whole else 0) + unit * n
        step = self.s_plus - self.s_minus
        masked = [step * v for v in products[start : start + n]]
        if not self._whole:
            return masked
        whole = [*products[1:n], products[0]]
        return [m + self.s_minus * v for m, v in zip(masked, whole, strict=True)]

    def unit_form(self, unit: int, v: Sequence[Fraction]) -> list[Fraction]:
        """s_ik <v, x~_i> as a form in the columns."""
        rows = [[Fraction(0)] * self.n for _ in range(self.width)]
        rows[unit] = list(v)
        form = self.form(rows, [Fraction(1)] * self.width, Fraction(0))
        form[-1] = Fraction(0)
        return form


def masked_columns_gram(columns: Columns, positive: NDArray[np.bool_], whole: bool) -> ExactGram:
    """The same matrix from masked columns, whatever their numbers: slower."""
    m, d1 = positive.shape
    n = columns.n_features + 1
    count = (n - 1 if whole else 0) + d1 * n
    if columns.exact is not None:
        pairs = [columns.integers(j) for j in range(n)]
        inputs = [*(c for c, _ in pairs[:-1]), np.full(m, 1, dtype=object)]
        scales = [*(scale for _, scale in pairs[:-1]), Fraction(1)]
        table = list(inputs[:-1]) if whole else []
        factors = scales[:-1] if whole else []
        for k in range(d1):
            mask = positive[:, k].astype(object)
            table += [c * mask for c in inputs]
            factors = [*factors, *scales]
        state = GramState(count, columns.weight is not None)
        add_numerators(state, [*table, pairs[-1][0]], columns.weight)
        return rescaled(state.result(), [*factors, pairs[-1][1]])
    state = GramState(count, columns.weight is not None)
    for begin in range(0, m, _ROWS):
        rows = slice(begin, begin + _ROWS)
        X = columns.X[rows]
        block = np.empty((len(X), count))
        head = n - 1 if whole else 0
        block[:, :head] = X[:, :head]
        masked = block[:, head:].reshape(len(X), d1, n)
        masked[:, :, :-1] = X[:, None, :]
        masked[:, :, -1] = 1.0
        # a product with False would turn -0.0 around, which no sum sees
        masked *= positive[rows][:, :, None]
        weight = None if columns.weight is None else columns.weight[rows]
        state.update(block, columns.y[rows], weight)
    return state.result()
