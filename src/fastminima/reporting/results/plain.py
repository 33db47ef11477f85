"""Any result as numbers, texts, lists and dictionaries that every reader of JSON takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastminima.exact.dyadic import round_fraction
from fastminima.exact.shown import ratio
from fastminima.fit.least_squares import LeastSquares
from fastminima.interop.escape_runs import EscapeBenchmark
from fastminima.landscape.bracket.bracket import Bracket, Brackets
from fastminima.landscape.bracket.fit_network import NetworkFit
from fastminima.landscape.bracket.interpolation import Interpolation
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.polish.polish import Polish
from fastminima.landscape.probe import Probe, ProbeSweep
from fastminima.landscape.smooth.decision import SmoothDecision
from fastminima.landscape.smooth.minimum import SmoothMinimum
from fastminima.landscape.smooth.polish import SmoothPolish
from fastminima.losses.pointwise import Squared
from fastminima.proof.certificate import Certificate
from fastminima.reporting.atlas_numbers import atlas_numbers, medians
from fastminima.reporting.bracket_summary import one_bracket
from fastminima.reporting.decide_summary import decision_values, polish_values
from fastminima.reporting.plain_names import (
    KEYS_VERSION,
    activation_values,
    certificate_values,
    data_values,
    network_values,
)
from fastminima.reporting.smooth_summary import smooth_minimum_values, smooth_values
from fastminima.reporting.summary import construction_values
from fastminima.scanning.atlas import Atlas
from fastminima.scanning.results import ScanReport, ScanResult
from fastminima.system.plain_json import json_ready
from fastminima.system.results import Result
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem1.plain_values import better_values, fit_values, minimum_values
from fastminima.theorems.theorem2.counterexample import CounterExample
from fastminima.theorems.theorem4.classify import LinearEscape, LinearReport
from fastminima.theorems.theorem4.critical_points.draws import CriticalPoint
from fastminima.theorems.theorem4.local_inverse import LocalInverse

from .summaries import as_result
from .units import mean_squared

__all__ = ["PLAIN", "counterexample_values", "linear_values", "probe_values", "to_dict"]

Values = dict[str, Any]


def _fit(fit: LeastSquares) -> Values:
    return {
        **data_values(fit.data),
        **fit_values(fit),
        "mean_squared_error": mean_squared(fit.risk, fit.data, fit),
        "coef": fit.coef.tolist(),
        "intercept": fit.intercept,
        "defect": fit.defect,
        "tau": fit.tau,
    }


def _minimum(low: SpuriousMinimum) -> Values:
    return {
        **construction_values(low),
        **minimum_values(low),
        "mean_squared_error": mean_squared(low.risk, low.data, low.fit),
        "case": low.evidence.case,
        "parameters": network_values(low.network),
    }


def _better(better: BetterPoint) -> Values:
    return {
        **data_values(better.data),
        **better_values(better),
        "mean_squared_error": mean_squared(better.risk, better.data, better.low.fit),
        "least_squares_risk": better.low.fit.risk,
        "tried": better.tried,
        "parameters": network_values(better.network),
    }


def _deep(low: DeepMinimum) -> Values:
    segment = low.segment
    ends = None if segment is None else [None if v is None else ratio(v) for v in (segment.low, segment.high)]
    return {
        **data_values(low.data),
        "widths": list(low.widths),
        "activation": activation_values(low.activation),
        "status": str(low.status),
        "reason": low.reason,
        "risk": low.risk,
        "loss": low.loss,
        "bound": low.bound,
        "loss_function": repr(low.objective),
        "mean_squared_error": mean_squared(low.risk, low.data) if isinstance(low.objective, Squared) else None,
        "excess": low.excess,
        "radius": low.radius,
        "radius_relative": low.radius_relative,
        "rank": low.rank,
        "segment": ends,
        "alpha": low.alpha,
        "gain": low.gain,
        "epsilon": low.epsilon,
        "least_of_rank": None if low.least_of_rank is None else list(low.least_of_rank),
        "classes": None if low.classes is None else list(low.classes),
        "parameters": network_values(low.network),
    }


def _deep_better(better: DeepBetterPoint) -> Values:
    return {
        **data_values(better.data),
        "status": str(better.status),
        "reason": better.reason,
        "risk": better.loss,
        "loss": better.loss,
        "mean_squared_error": (
            mean_squared(better.loss, better.data) if isinstance(better.low.objective, Squared) else None
        ),
        "drop": better.drop,
        "drop_certified": better.drop_certified,
        "certificate": better.certificate,
        "tried": better.tried,
        "parameters": network_values(better.network),
    }


def probe_values(probe: Probe) -> Values:
    """What a probe says at one radius."""
    histogram = probe.histogram
    return {
        "radius": probe.radius,
        "method": probe.method,
        "finding": probe.finding(),
        "n_negative": probe.n_negative,
        "n_undecided": probe.n_undecided,
        "estimated": probe.estimated,
        "lowest_proved": probe.lowest_proved,
        "min_excess": probe.min_excess,
        "argmin": probe.argmin,
        "max_excess": probe.max_excess if probe.n > probe.n_overflow else float("nan"),
        "n_overflow": probe.n_overflow,
        "n_changed": probe.n_changed,
        "quantiles": probe.quantiles,
        "histogram": {"counts": histogram.counts.tolist(), "edges": histogram.edges.tolist()},
    }


def _sampled(probe: Probe) -> Values:
    return {
        "n_samples": probe.n_samples,
        "n_features": probe.network.n_features,
        "width": probe.network.width,
        "activation": activation_values(probe.network.activation),
        "n": probe.n,
        "seed": probe.seed,
        "distribution": probe.distribution,
        "dtype": probe.dtype,
    }


def _probe(probe: Probe) -> Values:
    return {**_sampled(probe), **probe_values(probe), "parameters": network_values(probe.network)}


def _sweep(sweep: ProbeSweep) -> Values:
    first = sweep[0]
    return {
        **_sampled(first),
        "probes": [probe_values(p) for p in sweep],
        "parameters": network_values(first.network),
    }


def _decision(found: Decision | SmoothDecision) -> Values:
    values = decision_values(found) if isinstance(found, Decision) else smooth_values(found)
    return {**data_values(found.data), **values, "parameters": network_values(found.network)}


def _polish(walk: Polish | SmoothPolish) -> Values:
    values = polish_values(walk) if isinstance(walk, Polish) else smooth_values(walk)
    about = {"radius": walk.radius, "distance": walk.distance, "excess": walk.excess}
    return {**data_values(walk.data), **values, **about, "parameters": network_values(walk.network)}


def _smooth_minimum(found: SmoothMinimum) -> Values:
    return {
        "n_features": found.centre.n_features,
        "width": found.centre.width,
        "weight_decay": found.weight_decay,
        **smooth_minimum_values(found, found.error),
        "parameters": network_values(found.network),
    }


def _bracket(bracket: Bracket) -> Values:
    return {
        **data_values(bracket.data),
        "activation": activation_values(bracket.network.activation),
        "least_squares_risk": float(bracket.linear_risk),
        "exact_least_squares_risk": ratio(bracket.linear_risk),
        **one_bracket(bracket),
        "parameters": network_values(bracket.network),
    }


def _brackets(brackets: Brackets) -> Values:
    first = brackets[0]
    return {
        **data_values(first.data),
        "activation": activation_values(first.network.activation),
        "least_squares_risk": float(first.linear_risk),
        "exact_least_squares_risk": ratio(first.linear_risk),
        "brackets": [one_bracket(b) | {"parameters": network_values(b.network)} for b in brackets],
    }


def _network_fit(fit: NetworkFit) -> Values:
    return {
        **data_values(fit.data),
        "width": fit.network.width,
        "risk": fit.risk,
        "exact_risk": ratio(fit.exact_risk),
        "mean_squared_error": mean_squared(fit.risk, fit.data),
        "n_starts": fit.n_starts,
        "end": str(fit.end),
        "trace": [list(point) for point in fit.history],
        "parameters": network_values(fit.network),
    }


def _interpolation(found: Interpolation) -> Values:
    return {
        **data_values(found.data),
        "width": found.width,
        "risk": float(found.pure_error),
        "exact_risk": ratio(found.pure_error),
        "parameters": network_values(found.network),
    }


def counterexample_values(pair: CounterExample) -> Values:
    """What theorem 2's example is, and what is proved of it."""
    return {
        **data_values(pair.data),
        "activation": activation_values(pair.activation),
        "status": pair.status.value,
        "certified": pair.certified,
        "reason": pair.reason,
        "form": pair.form,
        "case": pair.case or None,
        "witness": pair.witness,
        "conditions": [asdict(condition) for condition in pair.conditions],
        "radius": pair.radius,
        "radius_estimate": pair.radius_estimate,
        "smallest_eigenvalue": pair.smallest_eigenvalue,
        "least_squares_risk": round_fraction(pair.level),
        "exact_least_squares_risk": ratio(pair.level),
        "excess": pair.excess,
        "zero_risk": pair.zero_risk,
        "local_minimum": network_values(pair.local_minimum),
        "global_minimum": network_values(pair.global_minimum),
    }


def _counterexample(pair: CounterExample) -> Values:
    return counterexample_values(pair) | {"X": pair.data.X.tolist(), "y": pair.data.y.tolist()}


def _escape(pair: LinearEscape) -> Values:
    return {
        **_ways(pair),
        "P": [W.tolist() for W in pair.P],
        "Q": [W.tolist() for W in pair.Q],
    }


def _ways(pair: LinearEscape) -> Values:
    return {
        "radius": pair.radius,
        "confirmed": pair.confirmed,
        "exact": pair.exact_P is not None,
        "up": _change(pair.up),
        "down": _change(pair.down),
    }


def _change(change: Any) -> Values:
    """The change as a float, as text, and as value and error in units of 2**exponent, which may lie beyond floats."""
    try:
        shown = float(change)
    except OverflowError:
        shown = math.copysign(math.inf, change.value)
    return {
        "change": shown,
        "text": str(change),
        "value": change.value,
        "error": change.error,
        "exponent": change.exponent,
    }


def linear_values(report: LinearReport) -> Values:
    """What theorem 4 says of weights."""
    squared, pair = report.squared, report.escape
    learnt = None
    if squared is not None:
        learnt = {
            "critical_value": round_fraction(squared.critical_value),
            "exact_critical_value": ratio(squared.critical_value),
            "rank": squared.rank,
            "limit": squared.limit,
            "eigenvalues": squared.eigenvalues.tolist(),
            "indices": squared.indices,
            "simple": squared.simple,
            "optimal": squared.optimal,
            "strict": squared.strict,
            "tightened": squared.tightened,
            "text": str(squared),
        }
    return {
        "verdict": report.verdict.value,
        "certified": report.certified,
        "tol": report.tol,
        "part": report.part,
        "reason": report.reason,
        "gradient_norms": list(report.gradient_norms),
        "product_gradient_norm": report.product_gradient_norm,
        "ranks": report.ranks,
        "j_star": report.j_star,
        "margins": [asdict(margin) for margin in report.margins],
        "facts": report.facts,
        "squared": learnt,
        "escape_order": report.escape_order,
        "escape": None if pair is None else _ways(pair),
    }


def _linear(report: LinearReport) -> Values:
    weights = report.weights
    widths = [weights[0].shape[1], *(W.shape[0] for W in weights)] if weights else []
    return {"widths": widths, **linear_values(report), "weights": [W.tolist() for W in weights]}


def _critical(point: CriticalPoint) -> Values:
    return {
        **_linear(point.report),
        "kind": point.kind,
        "rank": point.rank,
        "indices": point.indices,
        "j_star": point.j_star,
        "X": _numbers(point.X),
        "Y": _numbers(point.Y),
    }


def _numbers(array: Any) -> Any:
    """A matrix as lists; fractions as "p/q"."""
    return [[v if isinstance(v, float | int) else ratio(v) for v in row] for row in array.tolist()]


def _inverse(inverse: LocalInverse) -> Values:
    return {
        "j_star": inverse.j_star,
        "norm_bound": inverse.norm_bound,
        "product": inverse.product.tolist(),
        "weights": [W.tolist() for W in inverse.weights],
    }


def _atlas(made: Atlas) -> Values:
    """The rows of both tables, and medians over those with brackets."""
    return {
        "widths": list(made.widths),
        "medians": medians(atlas_numbers(made)),
        "tables": list(made.table),
        "left_out": list(made.left_out),
    }


def _scan_result(result: ScanResult) -> Values:
    return result.row(old_names=False)


def _scan(report: ScanReport) -> Values:
    return {"datasets": [result.row(old_names=False) for result in report]}


def _certificate(certificate: Certificate) -> Values:
    return certificate_values(certificate) | {"certificate": certificate.content}


def _benchmark(benchmark: EscapeBenchmark) -> Values:
    return {
        "optimisers": list(benchmark.optimisers),
        "noise": list(benchmark.noise),
        "noise_unit": benchmark.noise_unit,
        "reference": benchmark.reference,
        "interrupted": benchmark.interrupted,
        "rows": benchmark.rows,
        "starts": [
            {"risk": s.risk, "radius": s.radius, "parameters": network_values(s.network)}
            for s in benchmark.starts
        ],
        "runs": benchmark.run_rows(),
    }


PLAIN: dict[type, Callable[[Any], Values]] = {
    Atlas: _atlas,
    BetterPoint: _better,
    Bracket: _bracket,
    Brackets: _brackets,
    Certificate: _certificate,
    CounterExample: _counterexample,
    CriticalPoint: _critical,
    Decision: _decision,
    DeepBetterPoint: _deep_better,
    DeepMinimum: _deep,
    EscapeBenchmark: _benchmark,
    Interpolation: _interpolation,
    LeastSquares: _fit,
    LinearEscape: _escape,
    LinearReport: _linear,
    LocalInverse: _inverse,
    NetworkFit: _network_fit,
    Polish: _polish,
    Probe: _probe,
    ProbeSweep: _sweep,
    ScanReport: _scan,
    ScanResult: _scan_result,
    SmoothDecision: _decision,
    SmoothMinimum: _smooth_minimum,
    SmoothPolish: _polish,
    SpuriousMinimum: _minimum,
}


def to_dict(result: Result) -> dict[str, Any]:
    """A result as numbers, texts, lists and dictionaries that every reader of JSON takes.

    Parameters
    ----------
    result : any result of the library
        `result.to_dict()` is the same.

    Returns
    -------
    dict
        "version" is that of the names, "class" the kind of result. A thing is called as its attribute is; JSON of commands
        and tables of scans use the same names. "parameters" are the network's. Rational numbers are texts "p/q" with every
        digit; NaN is None, infinities are "inf" and "-inf". The data are described, not repeated: `save_result` keeps them.

    Raises
    ------
    DataTypeError
        If it is no result.

    Notes
    -----
    The risk is that of Yun, Sra and Jadbabaie (2019), section 2. What is computed at first use (an escape, an exact risk) is
    computed for it.

    Examples
    --------
    >>> import fastminima as fm
    >>> told = fm.to_dict(fm.spurious_minimum(fm.load_demo("diabetes")))
    >>> told["version"], told["class"], told["status"], told["n_samples"], round(told["risk"], 4)
    (1, 'SpuriousMinimum', 'spurious', 442, 631992.8928)
    """
    found = as_result(result, "to_dict")
    told: dict[str, Any] = json_ready(
        {"version": KEYS_VERSION, "class": type(found).__name__, **PLAIN[type(found)](found)}
    )
    return told
