"""Tables of theorems 1, 2 and 4, and of linear fits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from fastminima.exact.shown import rounded_up, shown_exactly
from fastminima.fit.least_squares import LeastSquares
from fastminima.losses.pointwise import Squared
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem2.counterexample import CounterExample
from fastminima.theorems.theorem4.classify import LinearEscape, LinearReport
from fastminima.theorems.theorem4.critical_points.draws import CriticalPoint
from fastminima.theorems.theorem4.local_inverse import LocalInverse

from .summary import Summary
from .units import (
    PARAMETERS,
    Row,
    about,
    about_deep,
    at_least,
    loss_rows,
    mean_squared,
    quantities,
    radius,
    risk_rows,
    square,
    unit_of,
)

__all__ = [
    "better_summary",
    "counterexample_summary",
    "critical_summary",
    "deep_better_summary",
    "deep_summary",
    "escape_summary",
    "fit_summary",
    "inverse_summary",
    "linear_summary",
    "minimum_summary",
]


def fit_summary(fit: LeastSquares) -> Summary:
    """Of a least-squares fit: risk, rank, and the coefficients by the names of the columns."""
    data, unit = fit.data, square(fit.data)
    target = data.target_name or "y"

    def rows() -> Iterable[Row]:
        yield "risk", f"{fit.risk:.10g}", unit
        yield "risk, as mean squared error", f"{mean_squared(fit.risk, data, fit):.10g}", unit
        yield "rank of (1, X)", f"{fit.rank:,}", ""
        yield "defect of the residual", f"{fit.defect:.1e}", "of its own rounding's scale"
        yield "intercept", f"{fit.intercept:.10g}", target
        names = data.feature_names or [f"x{j}" for j in range(data.n_features)]
        for name, slope in zip(names, fit.coef.tolist(), strict=True):
            yield f"slope of {name}", f"{slope:.10g}", f"{target} / {name}"

    return quantities(f"least-squares fit, {fit.method} route", rows(), about(data, fit=fit))


def minimum_summary(low: SpuriousMinimum) -> Summary:
    """Of the minimum of theorem 1."""
    data, fit = low.data, low.fit

    def rows() -> Iterable[Row]:
        yield "status", str(low.status), ""
        yield from risk_rows(low.risk, data, fit)
        yield "excess over least squares, at most", rounded_up(low.excess), square(data)
        yield "certified radius", radius(low.radius), PARAMETERS
        yield "certified radius / norm of all parameters", radius(low.radius_relative), ""
        yield "rank of (1, X)", f"{fit.rank:,}", ""
        known, open_ = low.evidence.n_certified, low.evidence.n_undecided
        if low.evidence.case is not None:
            yield "case of theorem 1", str(low.evidence.case), ""
            yield "positions in J" if not open_ else "positions in J, at least", f"{known:,}", ""

    notes = about(data, f"why: {low.reason}", *(f"note: {note}" for note in low.notes), fit=fit)
    return quantities(_first_line(low), rows(), notes)


def _first_line(result: Any) -> str:
    return str(result).partition("\n")[0]


def better_summary(better: BetterPoint) -> Summary:
    """Of the better point of theorem 1."""
    data, fit, unit = better.data, better.low.fit, square(better.data)

    def rows() -> Iterable[Row]:
        yield "status", str(better.status), ""
        if not better:
            return
        yield from risk_rows(better.risk, data, fit)
        yield "drop below least squares", f"{better.drop:.6g}", unit
        yield "drop / least-squares risk", f"{better.relative_drop:.6g}", ""
        yield "drop, proved to be at least", at_least(better.drop_certified), unit
        yield "proof of the drop", f"{better.certificate}", ""
        yield "case of theorem 1", str(better.case), ""
        yield "method", better.method, ""
        yield "candidates looked at", f"{better.tried:,}", ""

    return quantities(_first_line(better), rows(), about(data, f"why: {better.reason}", fit=fit))


def deep_summary(low: DeepMinimum) -> Summary:
    """Of the minimum of a deep network."""

    def rows() -> Iterable[Row]:
        yield "status", str(low.status), ""
        if not low:
            return
        least = "least squares" if isinstance(low.objective, Squared) else "the least loss of affine maps"
        yield from loss_rows(low, low.loss)
        yield f"excess over {least}, at most", rounded_up(low.excess), unit_of(low)
        yield "certified radius", radius(low.radius), "of the hidden layers"
        yield "certified radius / norm of all parameters", radius(low.radius_relative), ""
        yield "rank of the best affine map", f"{low.rank:,}", ""
        if low.epsilon:
            yield "networks within the radius are lower by at most", rounded_up(low.epsilon), unit_of(low)
        else:
            yield "affine segment of the activation", str(low.segment), ""

    return quantities(_first_line(low), rows(), about_deep(low, f"why: {low.reason}"))


def deep_better_summary(better: DeepBetterPoint) -> Summary:
    """Of the better point of a deep network."""
    low = better.low
    unit, squared = unit_of(low), isinstance(low.objective, Squared)

    def rows() -> Iterable[Row]:
        yield "status", str(better.status), ""
        if not better:
            return
        yield from loss_rows(low, better.loss, " in float64")
        yield f"drop below {'least squares' if squared else 'the best affine map'}", f"{better.drop:.6g}", unit
        yield "drop, proved to be at least", at_least(better.drop_certified), unit
        yield "proof of the drop", f"{better.certificate}", ""
        yield "candidates looked at", f"{better.tried:,}", ""

    return quantities(_first_line(better), rows(), about_deep(low, f"why: {better.reason}"))


def counterexample_summary(pair: CounterExample) -> Summary:
    """Of theorem 2's pair of minima."""
    unit = square(pair.data)
    title = f"theorem 2 for {pair.activation}: {str(pair.status).replace('_', ' ')}"

    def rows() -> Iterable[Row]:
        yield "status", str(pair.status), ""
        if pair.local_minimum is None:
            return
        how = "proved" if pair.certified else "in float64, not proved"
        yield "risk of the local minimum (least squares')", shown_exactly(pair.level), unit
        yield f"its excess from rounding, at most ({how})", rounded_up(pair.excess), unit
        yield f"risk of the other network, at most ({how})", rounded_up(pair.zero_risk), unit
        if pair.certified:
            yield "certified radius", radius(pair.radius), PARAMETERS
        yield "radius in float64, an estimate", f"{pair.radius_estimate:.4g}", PARAMETERS
        yield "form", pair.form, ""
        for condition in pair.conditions:
            yield condition.name, condition.enclosure, "proved" if condition.proved else "not proved"

    return quantities(title, rows(), about(pair.data, *([f"why: {pair.reason}"] if pair.reason else [])))


def linear_summary(report: LinearReport) -> Summary:
    """Of theorem 4's verdict."""

    def rows() -> Iterable[Row]:
        yield "verdict", report.verdict.value, ""
        yield "decided", report.how(), ""
        yield "by", report.part, ""
        yield "layers", _shapes(report.weights), ""
        for j, norm in enumerate(report.gradient_norms, 1):
            yield f"‖∂ℓ/∂W{j}‖", f"{norm:.6g}", "Frobenius"
        yield "‖gradient by the product‖", f"{report.product_gradient_norm:.6g}", "Frobenius"
        for name, rank in report.ranks.items():
            yield f"rank of {name}", str(rank), ""
        for margin in report.margins:
            yield f"{margin.name}: kept, dropped", f"{margin.kept:.3g}, {margin.dropped:.3g}", ""
        yield from _escape_rows(report.escape)

    notes = [f"means: {report.verdict.meaning}", f"why: {report.reason}"]
    if report.squared is not None:
        notes.append(f"squared loss: {report.squared}")
    return quantities(f"deep linear network: {report.verdict.value.replace('_', ' ')}", rows(), notes)


def escape_summary(pair: LinearEscape) -> Summary:
    """Of the two points around a saddle."""
    return quantities("escape from a saddle of a deep linear network", _escape_rows(pair), ())


def _escape_rows(pair: LinearEscape | None) -> Iterable[Row]:
    if pair is None:
        return
    rational = pair.exact_P is not None
    state = "proved" if pair.confirmed else "proved of the rational tuples" if rational else "not proved"
    yield "radius of the ball", f"{pair.radius:g}", "Frobenius, of each layer"
    yield "higher by", str(pair.up), state
    yield "lower by", str(pair.down), state


def _shapes(layers: Sequence[Any]) -> str:
    return ", ".join("x".join(map(str, W.shape)) for W in layers)


def critical_summary(point: CriticalPoint) -> Summary:
    """Of a critical point made to order."""

    def rows() -> Iterable[Row]:
        yield "kind", point.kind, ""
        yield "rank of the product", str(point.rank), ""
        if point.j_star is not None:
            yield "j*", str(point.j_star), ""
        if point.indices is not None:
            yield "index set", ", ".join(map(str, point.indices)), ""
        yield from linear_summary(point.report).rows

    m, dx = point.X.shape
    data = f"data: {m:,} rows; {dx:,} inputs; {point.Y.shape[1]:,} targets"
    return quantities("critical point of squared loss", rows(), (data, *linear_summary(point.report).notes))


def inverse_summary(inverse: LocalInverse) -> Summary:
    """Of a local inverse of the product map."""
    rows = [
        ("layers", _shapes(inverse.weights), ""),
        ("factor that moves, j*", str(inverse.j_star), ""),
        ("norm bound", f"{inverse.norm_bound:.6g}" if math.isfinite(inverse.norm_bound) else "infinite", ""),
        ("product", _shapes([inverse.product]), ""),
    ]
    note = (
        "no solution moves the factor by more than the norm bound times the change of the product (float64)"
    )
    return quantities("local inverse of the product of linear layers (lemma A.6)", rows, (note,))
