"""The best affine map under logistic or softmax loss: a float minimiser, its bound, and what the bound proves.

Each output of logistic loss is a problem of two classes with outputs (z, 0). Softmax sees outputs up to a number added to
all of them: the last one is 0, so the slopes have rank at most K - 1.

(a) L* lies between the bound of `dual_point` and the loss of the float map. Exactly known are two cases: the slopes are 0
    where the shares of the classes are orthogonal to all columns; and where the shares of the classes in the groups of
    equal inputs are the probabilities of an affine map, they are those at the minimum, and all R_g are 0 (`logit_ties`).
(b) R_g, the sum over a group of equal inputs of g = w (p - t) at the minimum, is off by at most sum_g w_i |p_i - p*_i| from
    the same sum of the dual point, which is at most the root of (sum_g w_i) 2 (L* - bound) (Cauchy and Schwarz, and line (c)
    there). Where that leaves it open whether some R_g is not 0, `logit_ties` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import LossError
from fastminima.exact.affine import Columns
from fastminima.exact.fit import ExactFit
from fastminima.exact.groups import group_ids
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.tables import exact_inputs
from fastminima.losses.given import loss_in_words
from fastminima.losses.pointwise import Logistic, Softmax
from fastminima.losses.row_sum import RowSum, two_classes
from fastminima.system.first_use import cached_property

from .affine_optimum import AffineOptimum, weighed
from .dual_point import CrossEntropy, DualPoint, dual_point
from .float_fit import orthonormal, softmax_fit
from .logit_ties import logits_are_affine
from .separation import Separation, separation
from .slope_rank import coefficient_errors, rank_is_at_least

__all__ = ["ClassFits", "SeparatedClasses", "classes_fitted"]

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# logarithms of shares that are this near to an affine map are compared exactly
_TIED = 1e-6


@dataclass(frozen=True, eq=False)
class ClassFits(AffineOptimum):
    """A float minimiser of logistic or softmax loss over affine maps, and a bound on the least loss.

    Attributes
    ----------
    data : Dataset
    phi : Logistic or Softmax
    slopes : list of n_outputs lists of dx Fractions
    intercepts : list of n_outputs Fractions
    points : tuple of DualPoint
        One of softmax loss, one for each output of logistic loss.
    saturated : bool
        Are the shares of the classes in each group of equal inputs the probabilities at the minimum?
    exact : bool
        Are the slopes known to be 0, and the points those of the minimum?
    """

    data: Dataset
    phi: Logistic | Softmax
    slopes: Rationals
    intercepts: list[Fraction]
    points: tuple[DualPoint, ...]
    saturated: bool
    exact: bool

    @cached_property
    def loss_sum(self) -> RowSum:  # type: ignore[override]
        """The loss of the data."""
        return RowSum(self.phi, self.data)

    @cached_property
    def loss(self) -> Fraction:  # type: ignore[override]
        """A proved lower bound on the least loss: sums of entropies."""
        return sum((point.bound for point in self.points), Fraction(0))

    def excess(self, slopes: Rationals, intercepts: list[Fraction]) -> Fraction:
        """Upper bound on the loss of an affine map minus the bound."""
        return self.loss_sum.exactly(self.outputs_of(slopes, intercepts))[1] - self.loss

    @cached_property
    def gap(self) -> Fraction:
        """Upper bound on the least loss minus the bound."""
        return self.excess(self.slopes, self.intercepts)

    def rank_is_at_least(self, k: int) -> bool:
        """Is the rank of the slopes of every best map proved to be k or more?"""
        if self.exact:
            return self.rank >= k
        columns = _Columns.of(self.data)
        B, _ = orthonormal(
            columns.table.rounded(), np.array(self.loss_sum.weights or [1.0] * self.data.n_samples)
        )
        slopes, errors = [], []
        for point in self.points:
            found = coefficient_errors(columns.table, B, point, self.loss_sum.weights, self.gap)
            if found is None:
                return False
            errors += [row[1:] for row in found]
        for row in self.slopes[: len(errors)]:
            # in the table's own columns, the constant left out
            slopes.append([row[c - 1] * s for c, s in zip(columns.places, columns.scale, strict=True) if c])
        return rank_is_at_least(k, slopes, errors)

    @cached_property
    def probabilities(self) -> Rationals:
        """p of the bound, all above 0: of softmax loss (m, K), of logistic loss those of class 1, (m, n_outputs)."""
        if isinstance(self.phi, Softmax):
            return self.points[0].rows()
        return [
            list(row) for row in zip(*([p[0] for p in point.rows()] for point in self.points), strict=True)
        ]

    @cached_property
    def gradients(self) -> RationalMatrix:
        """g = w (p - t) of the bound, (m, n_outputs), with sum_i g_i (1, x_i)^T = 0."""
        return weighed(RationalMatrix.of(self.probabilities) - self.loss_sum.targets, self.loss_sum.weights)

    @cached_property
    def pushed(self) -> bool | None:
        """Is some R_g not 0? See (b); None where there are too many groups to decide a tie."""
        if self.saturated:
            return False
        if self.exact:
            return self.any_group
        weights = [Fraction(w) for w in self.loss_sum.weights or [1.0] * self.data.n_samples]
        count = int(self.by_input.max()) + 1
        order = np.argsort(self.by_input, kind="stable")
        starts = np.flatnonzero(np.diff(self.by_input[order], prepend=-1))
        mass = np.array([Fraction(0)] * count, dtype=object)
        np.add.at(mass, self.by_input, np.array(weights, dtype=object))
        for point, targets in zip(self.points, self._targets(), strict=True):
            off = [Fraction(0)] * count
            for i in point.moved:
                off[self.by_input[i]] += weights[i] * point.distance(i)
            g = weighed(point.grid - targets, self.loss_sum.weights)
            sums = np.abs(np.add.reduceat(g.numerators[order], starts, axis=0)).max(axis=1)
            for k, size in enumerate(sums.tolist()):
                rest = size * g.scale - off[k]
                if rest > 0 and rest * rest > 2 * self.gap * mass[k]:
                    return True
        return _pushed_exactly(self)

    def _targets(self) -> list[RationalMatrix]:
        return [targets for _, targets in _problems(self.loss_sum)]


def _pushed_exactly(fits: ClassFits) -> bool | None:
    table = _Columns.of(fits.data).table
    ties = [
        _tied(table, targets, fits.loss_sum.weights, fits.by_input) for _, targets in _problems(fits.loss_sum)
    ]
    return True if False in ties else None if None in ties else False


@dataclass(frozen=True, eq=False)
class SeparatedClasses(AffineOptimum):
    """Data on which logistic or softmax loss has no best affine map.

    Attributes
    ----------
    data : Dataset
    phi : Logistic or Softmax
    slopes, intercepts
        A direction along which the loss falls for ever, verified.
    infimum : Fraction
        A proved lower bound on the loss of all affine maps.
    strict : bool
        Is the infimum 0?
    """

    data: Dataset
    phi: Logistic | Softmax
    slopes: Rationals
    intercepts: list[Fraction]
    infimum: Fraction
    strict: bool

    @cached_property
    def loss_sum(self) -> RowSum:  # type: ignore[override]
        """The loss of the data."""
        return RowSum(self.phi, self.data)

    @property
    def loss(self) -> Fraction:  # type: ignore[override]
        """The infimum's bound."""
        return self.infimum

    def excess(self, slopes: Rationals, intercepts: list[Fraction]) -> Fraction:
        """Upper bound on the loss of an affine map minus the infimum."""
        return self.loss_sum.exactly(self.outputs_of(slopes, intercepts))[1] - self.infimum


def _problems(loss: RowSum) -> list[tuple[int, RationalMatrix]]:
    """(output, targets of its classes); softmax is one problem, with output 0."""
    if isinstance(loss.phi, Softmax):
        return [(0, loss.targets)]
    zero = RationalMatrix(0 * loss.targets.numerators, Fraction(1))
    return [(k, two_classes(zero, loss.targets, k)[1]) for k in range(loss.n_outputs)]


@dataclass(frozen=True, eq=False)
class _Columns:
    """Independent columns (1, (x - centre) / scale), exactly, and where they stand among (1, x)."""

    table: RationalMatrix
    places: list[int]
    centre: list[Fraction]
    scale: list[Fraction]

    @classmethod
    def of(cls, data: Dataset) -> _Columns:
        places = list(ExactFit.of(data.one_target(0)).pivots)
        table = exact_inputs(data, constant=True)
        features = [c - 1 for c in places if c]
        X = data.X[:, features]
        middle = 0.5 * X.max(axis=0) + 0.5 * X.min(axis=0)
        spread = np.abs(X - middle).max(axis=0, initial=0.0)
        # powers of two, and 1 where float64 sees no spread
        unit = np.ldexp(1.0, np.frexp(np.where(spread > 0.0, spread, 1.0))[1])
        centre = [Fraction(0), *(Fraction(v) for v in middle.tolist())]
        scale = [Fraction(1), *(Fraction(v) for v in unit.tolist())]
        change = [[Fraction(0)] * len(places) for _ in places]
        for k, (c, s) in enumerate(zip(centre, scale, strict=True)):
            change[0][k] = -c / s if k else Fraction(1)
            change[k][k] = 1 / s
        chosen = RationalMatrix(table.numerators[:, places], table.scale)
        return cls(chosen @ RationalMatrix.of(change), places, centre, scale)

    def forms(self, rows: Rationals, n_features: int) -> tuple[Rationals, list[Fraction]]:
        """(slopes, intercepts) in x of rows in these columns."""
        slopes, intercepts = [], []
        for row in rows:
            whole = [Fraction(0)] * (n_features + 1)
            for place, value, c, s in zip(self.places, row, self.centre, self.scale, strict=True):
                whole[place] += value / s if place else value
                whole[0] -= value * c / s
            slopes.append(whole[1:])
            intercepts.append(whole[0])
        return slopes, intercepts


@dataclass(frozen=True, eq=False)
class _Solved:
    """Forms (K, d) of one problem; a point, of what is left where classes are apart; what is known exactly."""

    forms: Rationals
    point: DualPoint | None = None
    apart: Separation | None = None
    constant: bool = False
    saturated: bool = False


def classes_fitted(data: Dataset, phi: Logistic | Softmax) -> ClassFits | SeparatedClasses:
    """Fit a dataset.

    Raises
    ------
    LossError
        Whether the loss is reached was not decided: floats are too far from the minimum.
    """
    loss = RowSum(phi, data)
    columns = _Columns.of(data)
    weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
    B, C = orthonormal(columns.table.rounded(), weight)
    found = []
    for k, targets in _problems(loss):
        solved = _solved(CrossEntropy(columns.table, B, C, targets, loss.weights), data)
        if solved is None:
            raise LossError(
                f"whether {loss_in_words(phi)} has a best affine map for output {k} was not decided: floats are too far "
                "from it; scale the columns, or smooth the labels"
            )
        found.append(solved)
    reached = all(one.apart is None for one in found)
    rows = []
    for one in found:
        # a direction leaves outputs that are not apart where they are
        forms = one.forms if reached or one.apart is not None else [[Fraction(0)] * len(r) for r in one.forms]
        rows += forms[:1] if isinstance(phi, Logistic) else forms
    slopes, intercepts = columns.forms(rows, data.n_features)
    points = tuple(one.point for one in found if one.point is not None)
    if reached:
        constant, saturated = all(one.constant for one in found), all(one.saturated for one in found)
        return ClassFits(data, phi, slopes, intercepts, points, saturated, constant)
    infimum = sum((point.bound for point in points), Fraction(0))
    return SeparatedClasses(data, phi, slopes, intercepts, infimum, strict=not points)


def _solved(problem: CrossEntropy, data: Dataset) -> _Solved | None:
    shares = _shares(problem.targets, problem.weights, np.zeros(data.n_samples, dtype=np.intp))
    if _vanishes(problem, shares):
        return _constant(problem, shares)
    ids = group_ids(Columns(data.one_target(0)))[0]
    p, forms = _floats(problem, problem.everything())
    if _nearly_tied(problem, ids) and _tied(problem.table, problem.targets, problem.weights, ids):
        by_group = _shares(problem.targets, problem.weights, ids)
        return _Solved(forms, DualPoint.of(by_group, {}, problem.weights), saturated=True)
    point = dual_point(problem, p, problem.everything())
    if point is not None:
        return _Solved(forms, point)
    apart = separation(problem)
    if apart is None:
        return None
    if apart.strict:
        return _Solved(apart.forms.rows(), None, apart)
    p, _ = _floats(problem, apart.left)
    point = dual_point(problem, p, apart.left)
    return None if point is None else _Solved(apart.forms.rows(), point, apart)


def _floats(problem: CrossEntropy, allowed: NDArray[np.bool_]) -> tuple[Floats, Rationals]:
    """Probabilities and forms of a float minimiser."""
    eta, p = softmax_fit(problem.B, problem.targets.rounded(), problem.weight, allowed)
    return p, [[Fraction(v) for v in row] for row in (problem.C @ eta).T.tolist()]


def _nearly_tied(problem: CrossEntropy, ids: Index) -> bool:
    """Do floats see shares of groups that an affine map may have? A choice: the tie is decided exactly."""
    shares = np.zeros((int(ids.max()) + 1, problem.targets.shape[1]))
    np.add.at(shares, ids, problem.weight[:, None] * problem.targets.rounded())
    if not (shares > 0.0).all():
        return False
    logits = np.log(shares[:, :-1]) - np.log(shares[:, -1:])
    first = np.unique(ids, return_index=True)[1]
    B = problem.B[first]
    rest = logits - B @ np.linalg.lstsq(B, logits, rcond=None)[0]
    return bool(np.abs(rest).max(initial=0.0) <= _TIED * (1.0 + np.abs(logits).max(initial=0.0)))


def _tied(
    table: RationalMatrix, targets: RationalMatrix, weights: list[float] | None, ids: Index
) -> bool | None:
    """Are the shares of the groups the probabilities of an affine map?"""
    some = np.zeros((int(ids.max()) + 1, targets.shape[1]), dtype=bool)
    np.logical_or.at(some, ids, np.asarray(targets.numerators > 0, dtype=bool))
    if not some.all():
        return False
    first = np.unique(ids, return_index=True)[1]
    shares = _shares(targets, weights, ids)
    return logits_are_affine(
        RationalMatrix(shares.numerators[first], shares.scale),
        RationalMatrix(table.numerators[first], table.scale),
    )


def _shares(T: RationalMatrix, weights: list[float] | None, ids: Index) -> RationalMatrix:
    """Weighted means of the targets over the group of each sample."""
    heavy = weighed(T, weights)
    mass = weighed(RationalMatrix(np.ones((len(ids), 1), dtype=int).astype(object), Fraction(1)), weights)
    order = np.argsort(ids, kind="stable")
    starts = np.flatnonzero(np.diff(ids[order], prepend=-1))
    above = np.add.reduceat(heavy.numerators[order], starts, axis=0)
    below = np.add.reduceat(mass.numerators[order], starts, axis=0)
    means = RationalMatrix.of(
        [
            [Fraction(int(a)) * heavy.scale / (int(b) * mass.scale) for a in row]
            for row, (b,) in zip(above.tolist(), below.tolist(), strict=True)
        ]
    )
    return RationalMatrix(means.numerators[ids], means.scale)


def _vanishes(problem: CrossEntropy, P: RationalMatrix) -> bool:
    """Is G = 0?"""
    return not ((P - problem.targets).T @ weighed(problem.table, problem.weights)).any()


def _constant(problem: CrossEntropy, shares: RationalMatrix) -> _Solved:
    """Outputs that do not depend on the inputs: logarithms of the shares of the classes."""
    logs = np.log(shares.rounded()[0])
    rest = [Fraction(0)] * (problem.table.shape[1] - 1)
    forms = [[Fraction(v), *rest] for v in (logs - logs[-1]).tolist()]
    return _Solved(forms, DualPoint.of(shares, {}, problem.weights), constant=True)
