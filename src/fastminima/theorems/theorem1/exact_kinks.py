"""Step 2 by kinks in rational arithmetic, for data whose least-squares slopes float64 holds only at a visible cost.

Where columns are collinear up to rounding the float basis of span(1, X) has lost its last directions, and a network's first
row rounded in the ordinary way loses more than a kink gains. Here

(a) the basis comes from exact regressions: column k less its exact projection on the columns before it, rounded to
    float64 after the cancellation, not before. These are orthogonal to within a rounding each, so the scan of
    `fastminima.fit.kinks` ranks directions and knots as on well conditioned data;
(b) the hidden units of the kinks are rounded first, and the best coefficients of (1, x, h(unit_1), ...) are solved for
    those rounded units, exactly. Since s+ != s-, h(z) and the kink max(z, 0) span the same space next to (1, x);
(c) row 1 carries the affine part, and its output weight c is free: fl(v/c) c rounds differently for each c. Of _WEIGHTS
    weights between 1 and 2 the one with the lowest exact risk is taken, its level solved for again. The error of n
    slopes on such data is one number or a few, so that the best of many is far below the first.
Floating point chooses directions and knots; every risk here is exact, and whoever uses a candidate certifies it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import TooLargeError
from fastminima.exact.affine import Columns, affine_numerators, common_numerators
from fastminima.exact.dyadic import Ints, round_fraction
from fastminima.exact.fit import ExactFit
from fastminima.exact.gram import ExactGram, gram_of
from fastminima.exact.solve import NormalSolution, solve_normal_equations
from fastminima.fit.kinks import KinkState, candidate_directions, scan_directions
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .candidate import Candidate
from .minimum import COSTLY_EXCESS, SpuriousMinimum
from .rounded_networks import power_of_two_scale

__all__ = ["exact_kink_candidates", "rounding_costs"]

Array = NDArray[np.float64]

# m (dx + 2)^2 up to which exact regressions are worth their time, and the most columns they are made for. Only choices.
_WORK, _COLUMNS = 4_000_000, 48
# Kinks rounded and solved exactly in each step, and output weights tried. Only choices.
_FINALISTS, _WEIGHTS = 4, 64


def rounding_costs(fit: LeastSquares) -> bool:
    """Whether float64 slopes cost a visible share of the risk, by the exact excess of the rounded fit in use."""
    return fit.method == "exact" and fit.tau * fit.tau > COSTLY_EXCESS * fit.squared_norm > 0.0


@dataclass
class _Model:
    """(1, x, phi_1, ...) and y as exact integer columns, and the best affine combination."""

    columns: list[tuple[Ints, Fraction]]
    weight: Array | None
    solution: NormalSolution
    gram: ExactGram
    units: list[tuple[Array, float]] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Columns but 1 and y."""
        return len(self.columns) - 1

    @property
    def exact_columns(self) -> Columns:
        return _as_columns(self.columns, self.weight)

    def with_unit(self, phi: tuple[Ints, Fraction], unit: tuple[Array, float]) -> _Model:
        """One more hidden unit, and the best combination with it."""
        columns = [*self.columns[:-1], phi, self.columns[-1]]
        gram = gram_of(_as_columns(columns, self.weight))
        return _Model(columns, self.weight, solve_normal_equations(gram), gram, [*self.units, unit])

    def residual(self) -> tuple[Array, Fraction]:
        """fitted - y, rounded after the exact subtraction and divided by a unit of its size; and that unit."""
        return _rounded_values(self.exact_columns, [*self.solution.coefficients, Fraction(-1)])

    def basis_vector(self, k: int) -> Array | None:
        """Column k less its projection on 1 and the columns before it; None where it depends on them."""
        gram, kept = self.gram, [*range(k), k]
        part = ExactGram(
            [[gram.entries[a][b] for b in kept] for a in kept],
            [gram.scales[a] for a in kept],
            gram.weight_scale,
            gram.n_samples,
        )
        found = solve_normal_equations(part)
        if found.residual_sum_of_squares == 0:
            return None
        form = [*found.coefficients, Fraction(-1), *[Fraction(0)] * (self.n + 1 - k)]
        return _rounded_values(self.exact_columns, form)[0]


def _as_columns(columns: list[tuple[Ints, Fraction]], weight: Array | None) -> Columns:
    m = len(columns[-1][0])
    exact = SimpleNamespace(numerators=[c for c, _ in columns], scales=[s for _, s in columns])
    # Columns of exact data looks at the shapes of the float views alone
    views = np.broadcast_to(np.zeros(1), (m, len(columns) - 1)), np.broadcast_to(np.zeros(1), (m,))
    return Columns(SimpleNamespace(X=views[0], y=views[1], sample_weight=weight, exact=exact))


def _rounded_values(columns: Columns, form: list[Fraction]) -> tuple[Array, Fraction]:
    numerators, scale = affine_numerators(columns, form)
    top = max(abs(int(v)) for v in numerators) or 1
    return np.array([int(v) / top for v in numerators], dtype=np.float64), top * scale


def exact_kink_candidates(
    low: SpuriousMinimum,
    n_kinks: int,
    directions: ArrayLike | None,
    n_directions: int,
    rng: np.random.Generator,
) -> Iterator[Candidate]:
    """Networks with up to `n_kinks` kinks, most first; none where rounding does not cost or the data are large."""
    fit = low.fit
    m, n = fit.data.n_samples, fit.data.n_features
    if not rounding_costs(fit) or not 1 <= n <= _COLUMNS or m * (n + 2) ** 2 > _WORK:
        return
    try:
        model = _start(fit.exact, fit.data.sample_weight)
    except TooLargeError:
        return
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        tries = candidate_directions(fit, directions, n_directions, rng)
        found = list(_greedy(low, model, tries, n_kinks))
    yield from found[::-1]


def _start(solved: ExactFit, weight: Array | None) -> _Model:
    columns = Columns(solved.data)
    pairs = [columns.integers(j) for j in range(columns.n_features + 1)]
    gram = gram_of(_as_columns(pairs, weight))
    return _Model(pairs, weight, solve_normal_equations(gram), gram)


def _greedy(low: SpuriousMinimum, model: _Model, tries: Array, n_kinks: int) -> Iterator[Candidate]:
    fit = low.fit
    X, weights = fit.frame.gather(None), fit.frame.weights
    basis = [np.ones(len(X)), *(v for k in range(1, model.n + 1) if (v := model.basis_vector(k)) is not None)]
    for _ in range(n_kinks):
        features = np.stack(basis, axis=1)
        weighted = features if weights is None else features * weights[:, None]
        size = (features * weighted).sum(axis=0)
        if not (np.isfinite(size).all() and size.all()):
            return  # weights at the ends of float64
        T = np.diag(1.0 / np.sqrt(size))
        state = KinkState(X, model.residual()[0], weights, features)
        found = scan_directions(state, T, tries)
        best_first = np.argsort(-found[:, 0], kind="stable")[:_FINALISTS]
        best: tuple[Fraction, _Model, OneHiddenLayer] | None = None
        for which in best_first:
            gain, knot = found[which].tolist()
            unit = _rounded_unit(fit, tries[which], knot) if gain > 0.0 else None
            if unit is None:
                continue
            phi = _outputs(low, model, unit)
            longer = model.with_unit(phi, unit)
            made = _network(low, longer)
            if made is not None and (best is None or made[1] < best[0]):
                best = made[1], longer, made[0]
        if best is None:
            return
        risk, model, network = best
        drop = round_fraction(fit.exact.risk - risk)
        new = model.basis_vector(model.n)
        if new is not None:
            basis.append(new)
        yield Candidate(network=network, drop=drop, method="kink")


def _rounded_unit(fit: LeastSquares, direction: Array, knot: float) -> tuple[Array, float] | None:
    """<u, x'> - c as a row and a bias of float64 numbers in the units of the data."""
    frame = fit.frame
    raw = [
        Fraction(v) / Fraction(2) ** int(e)
        for v, e in zip(direction.tolist(), frame.exponents.tolist(), strict=True)
    ]
    scale = power_of_two_scale([*raw, Fraction(knot)], Fraction(1))
    if scale is None:
        return None
    row = [round_fraction(scale * v) for v in raw]
    if not np.isfinite(row).all():
        return None
    level = sum(
        (
            Fraction(v) * Fraction(c) * Fraction(2) ** int(e)
            for v, c, e in zip(row, frame.centre.tolist(), frame.exponents.tolist(), strict=True)
        ),
        Fraction(0),
    )
    bias = round_fraction(-scale * Fraction(knot) - level)
    return (np.array(row), bias) if np.isfinite(bias) else None


def _outputs(low: SpuriousMinimum, model: _Model, unit: tuple[Array, float]) -> tuple[Ints, Fraction]:
    """h(unit) on the samples, exactly."""
    row, bias = unit
    form = [Fraction(bias), *map(Fraction, row.tolist()), *[Fraction(0)] * (model.n - len(row) + 1)]
    z, scale = affine_numerators(model.exact_columns, form)
    (plus, minus), one = common_numerators(
        [Fraction(low.activation.s_plus), Fraction(low.activation.s_minus)]
    )
    phi = np.empty(len(z), dtype=object)
    phi[:] = [int(v) * (plus if v > 0 else minus) for v in z]
    return phi, scale * one


def _network(low: SpuriousMinimum, model: _Model) -> tuple[OneHiddenLayer, Fraction] | None:
    """The model as a float64 network with the best of the output weights (c), and its exact risk."""
    n, width = low.data.n_features, low.network.width
    best: tuple[Fraction, Array, Fraction] | None = None
    out = [round_fraction(v) for v in model.solution.coefficients[n + 1 :]]
    if not np.isfinite(out).all() or not all(out):
        return None
    s_plus = Fraction(low.activation.s_plus)
    slopes = model.solution.coefficients[1 : n + 1]
    scale = power_of_two_scale([*slopes, Fraction(1)], 1 / s_plus)
    if scale is None:
        return None
    for k in range(_WEIGHTS):
        weight = Fraction(round_fraction((1 + Fraction(k, _WEIGHTS)) / (scale * s_plus)))
        row = np.array([round_fraction(v / (weight * s_plus)) for v in slopes])
        if not weight or not np.isfinite(row).all():
            continue
        rounded = [Fraction(v) * weight * s_plus for v in row.tolist()]
        delta = _level_solved(model, [*rounded, *map(Fraction, out)])
        excess = model.gram.quadratic([*delta, Fraction(0)]) / 2
        if best is None or excess < best[0]:
            best = excess, row, weight
    if best is None:
        return None
    _, row, weight = best
    rounded = [Fraction(v) * weight * s_plus for v in row.tolist()]
    delta = _level_solved(model, [*rounded, *map(Fraction, out)])
    W1, b1, W2 = np.zeros((width, n)), np.zeros(width), np.zeros(width)
    W1[0], W2[0] = row, float(weight)
    zeros = [Fraction(0)] * (model.n - n + 1)
    values, unit = affine_numerators(model.exact_columns, [Fraction(0), *map(Fraction, row.tolist()), *zeros])
    lowest, highest = min(values) * unit, max(values) * unit
    # above zero on all samples by its spread there, or by what rounding of the bias can take
    room = max(
        highest - lowest, (abs(lowest) + abs(highest)) / 2**48, abs(model.solution.coefficients[0]) / 2**20
    )
    b1[0] = round_fraction(room - lowest)
    for k, ((w, b), v) in enumerate(zip(model.units, out, strict=True), start=1):
        W1[k], b1[k], W2[k] = w, b, v
    if not np.isfinite([*b1, *W2]).all():
        return None
    level = model.solution.coefficients[0] + delta[0]
    b2 = round_fraction(level - weight * s_plus * Fraction(float(b1[0])))
    if not np.isfinite(b2):
        return None
    delta[0] += Fraction(b2) + weight * s_plus * Fraction(float(b1[0])) - level
    risk = model.solution.risk + model.gram.quadratic([*delta, Fraction(0)]) / 2
    return OneHiddenLayer(W1, b1, W2, b2, low.activation), risk


def _level_solved(model: _Model, given: list[Fraction]) -> list[Fraction]:
    """Differences of coefficients to the best ones, the constant's such that the risk is least for the others."""
    delta = [a - b for a, b in zip(given, model.solution.coefficients[1:], strict=True)]
    gram = model.gram
    moved = sum((gram.value(0, k) * d for k, d in enumerate(delta, start=1)), Fraction(0))
    return [-moved / gram.value(0, 0), *delta]
