"""Distinct inputs in units in which the directions of hidden rows are looked at, and what a risk in them is.

(a) Columns that depend on earlier ones are left out: a hidden row on the others gives the same preactivations.
(b) x~ = (T (x - centre), 1), T triangular with a positive diagonal, all of them short exact numbers: every affine
    function of x is a linear one of x~. T makes the inputs nearly uncorrelated, with variances of about 1: columns of
    data that run along with each other are sides of a box that decides many rows. Rounded to float64, x~ has relative
    errors of at most u = 2^-53.
(c) y = (mean - level)/unit rounded, by eps_i <= u |y_i|: the root of twice the risk is a distance to a set of functions,
    so it changes by at most (sum w eps^2)^(1/2), which is taken off. Weights are rounded down, which lowers every risk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.exact.dyadic import Floats, bit_size, power_of_two, round_down, round_fraction
from fastminima.exact.roundoff import U
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .lines import DistinctInputs

__all__ = ["ScaledInputs"]


@dataclass(frozen=True)
class ScaledInputs:
    """(n, d + 1) inputs x~, n targets and n weights at most 1 in size, with the way back.

    Attributes
    ----------
    X, y, w : float64
    columns : tuple of d int
        Of the data: those that are independent.
    forms : tuple of d rows of d + 1 Fraction
        x~_j is ``sum(form[l] * x[columns[l]]) + form[d]``; what `exact` holds.
    exact : list of n rows of d Fraction
        The inputs x~ before they were rounded, without the constant.
    level, unit : Fraction
        The target is level + unit times the scaled one.
    risk_unit : Fraction
        What a risk in these numbers is times, to be one of the data, beyond the pure error.
    shift : float
        By how much rounding the targets may have moved the root of twice a risk.
    """

    X: Floats
    y: Floats
    w: Floats
    columns: tuple[int, ...]
    forms: tuple[tuple[Fraction, ...], ...]
    exact: list[list[Fraction]]
    level: Fraction
    unit: Fraction
    risk_unit: Fraction
    shift: float

    @classmethod
    def of(cls, inputs: DistinctInputs, columns: tuple[int, ...]) -> ScaledInputs:
        """The distinct inputs of a dataset, on columns that are independent of each other and of a constant."""
        d = len(columns)
        table = [[p * inputs.scales[j] for p in inputs.positions(j)] for j in columns]
        forms = _frame(table)
        exact = [
            [sum((c * v for c, v in zip(form, x, strict=False)), form[d]) for form in forms]
            for x in zip(*table, strict=True)
        ]
        X = np.ones((len(inputs), d + 1))
        X[:, :d] = [[round_fraction(v) for v in row] for row in exact]
        moment = sum((w * y for w, y in zip(inputs.weights, inputs.means, strict=True)), Fraction(0))
        level = Fraction(round_fraction(moment / sum(inputs.weights, Fraction(0))))
        rest = [y - level for y in inputs.means]
        size = max(map(abs, rest))
        unit = power_of_two(bit_size(size) + 1) if size else Fraction(1)
        weight_unit = power_of_two(bit_size(max(inputs.weights)) + 1)
        y = np.array([round_fraction(v / unit) for v in rest])
        w = np.array([round_down(v / weight_unit) for v in inputs.weights])
        # (1 + n u) covers the rounding of this norm itself
        shift = U * math.sqrt(float(w @ (y * y))) * (1.0 + (len(y) + 4) * U)
        risk_unit = unit * unit * weight_unit
        return cls(X, y, w, columns, tuple(forms), exact, level, unit, risk_unit, shift)

    def affine_maps(
        self, n_features: int, inputs: DistinctInputs
    ) -> tuple[list[list[Fraction]], list[list[Fraction]]]:
        """Forms of (x, 1) that give x~ without its constant, and rows that give x back from x~."""
        d = len(self.columns)
        forms = []
        for form in self.forms:
            row = [Fraction(0)] * (n_features + 1)
            for j, c in zip((*self.columns, n_features), form, strict=True):
                row[j] = c
            forms.append(row)
        # x on d + 1 independent rows of x~ says what it is everywhere
        rows = [[*x, Fraction(1)] for x in self.exact]
        exact = [
            [Fraction(int(v)) * s for v, s in zip(x, inputs.scales, strict=True)]
            for x in inputs.rows.tolist()
        ]
        table = [[*z, *x] for z, x in zip(rows, exact, strict=True)]
        for k in range(d + 1):
            at = next(i for i in range(k, len(table)) if table[i][k])
            table[k], table[at] = table[at], table[k]
            top = table[k] = [v / table[k][k] for v in table[k]]
            table = [
                row if i == k or not row[k] else [v - row[k] * u for v, u in zip(row, top, strict=True)]
                for i, row in enumerate(table)
            ]
        return forms, [[table[k][d + 1 + j] for k in range(d + 1)] for j in range(n_features)]

    def proved(self, risk: float) -> Fraction:
        """What a lower bound of risks in these numbers says of risks of the data: (c)."""
        if not 0.0 < risk < math.inf:
            return Fraction(0)
        root = math.sqrt(2.0 * risk) * (1.0 + 4.0 * U)
        return max(Fraction(0), Fraction(risk) - Fraction(self.shift) * Fraction(root)) * self.risk_unit

    def network(
        self, sigma: Floats, constant: float, rows: Floats, n_features: int, activation: PiecewiseLinear
    ) -> OneHiddenLayer | None:
        """The network b + sum_k sigma_k h(<q_k, x~>) in the units of the data, rounded; None beyond float64."""
        forms = np.array([[float(v) for v in form] for form in self.forms])
        W1 = np.zeros((len(rows), n_features))
        with np.errstate(all="ignore"):
            W1[:, list(self.columns)] = rows[:, :-1] @ forms[:, :-1]
            b1 = rows[:, -1] + rows[:, :-1] @ forms[:, -1]
            W2, b2 = sigma * float(self.unit), float(self.level) + float(self.unit) * constant
        if not all(np.isfinite(part).all() for part in (W1, b1, W2, np.array(b2))):
            return None
        return OneHiddenLayer(W1, b1, W2, b2, activation)


def _frame(table: list[list[Fraction]]) -> list[tuple[Fraction, ...]]:
    """The forms of (b) for exact columns; where floating point does not find one, each column by itself."""
    d = len(table)
    centres, units, parts = [], [], []
    for values in table:
        centre = _short((min(values) + max(values)) / 2, max(values) - min(values))
        size = max(abs(v - centre) for v in values)
        unit = power_of_two(bit_size(size)) if size else Fraction(1)
        parts.append([round_fraction((v - centre) / unit) for v in values])
        centres.append(centre)
        units.append(unit)
    Z = np.array(parts)
    try:
        root = np.linalg.cholesky(np.cov(Z, bias=True).reshape(d, d))
        T = np.linalg.solve(root, np.eye(d))
    except np.linalg.LinAlgError:
        T = np.eye(d)
    if not (np.isfinite(T).all() and (T.diagonal() > 0.0).all()):
        T = np.eye(d)
    forms = []
    for j in range(d):
        along = T[j] @ Z
        reach = float(along.max() - along.min()) / 2.0
        T[j] /= reach if reach > 0.0 else 1.0
        size = Fraction(float(np.abs(T[j]).max()))
        row = [_short(Fraction(float(v)), size) if k <= j else Fraction(0) for k, v in enumerate(T[j])]
        row[j] = row[j] or size * power_of_two(-40)
        middle = float(along.max() + along.min()) / 2.0 / (reach if reach > 0.0 else 1.0)
        shift = _short(Fraction(middle), Fraction(1))
        row = [c / unit for c, unit in zip(row, units, strict=True)]
        forms.append((*row, -shift - sum(c * v for c, v in zip(row, centres, strict=True))))
    return forms


def _short(value: Fraction, scale: Fraction) -> Fraction:
    """Rounded to a thousandth of the scale, with few bits."""
    if not scale:
        return value
    unit = power_of_two(bit_size(scale) - 10)
    return round(value / unit) * unit
