"""The table of any result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastminima.errors import DataTypeError
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
from fastminima.proof.certificate import Certificate
from fastminima.scanning.atlas import Atlas
from fastminima.scanning.results import ScanReport, ScanResult
from fastminima.system.options import spelled
from fastminima.system.results import Result
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem2.counterexample import CounterExample
from fastminima.theorems.theorem4.classify import LinearEscape, LinearReport
from fastminima.theorems.theorem4.critical_points.draws import CriticalPoint
from fastminima.theorems.theorem4.local_inverse import LocalInverse

from . import constructions, runs, surroundings
from .summary import Summary

__all__ = ["SUMMARIES", "as_result", "summary"]

SUMMARIES: dict[type, Callable[[Any], Summary]] = {
    Atlas: runs.atlas_summary,
    BetterPoint: constructions.better_summary,
    Bracket: surroundings.bracket_summary,
    Brackets: surroundings.brackets_summary,
    Certificate: runs.certificate_summary,
    CounterExample: constructions.counterexample_summary,
    CriticalPoint: constructions.critical_summary,
    Decision: surroundings.decision_summary,
    DeepBetterPoint: constructions.deep_better_summary,
    DeepMinimum: constructions.deep_summary,
    EscapeBenchmark: runs.benchmark_summary,
    Interpolation: surroundings.interpolation_summary,
    LeastSquares: constructions.fit_summary,
    LinearEscape: constructions.escape_summary,
    LinearReport: constructions.linear_summary,
    LocalInverse: constructions.inverse_summary,
    NetworkFit: surroundings.fit_network_summary,
    Polish: surroundings.polish_summary,
    Probe: surroundings.probe_summary,
    ProbeSweep: surroundings.sweep_summary,
    ScanReport: runs.scan_summary,
    ScanResult: runs.scan_result_summary,
    SmoothDecision: surroundings.decision_summary,
    SmoothMinimum: surroundings.smooth_minimum_summary,
    SmoothPolish: surroundings.polish_summary,
    SpuriousMinimum: constructions.minimum_summary,
}


def as_result(value: Any, asker: str) -> Any:
    """A result of the library, or the error that names the asker.

    Raises
    ------
    DataTypeError
        Anything else.
    """
    if type(value) not in SUMMARIES:
        raise DataTypeError(
            f"{asker} takes a result of fastminima, such as that of spurious_minimum, decide or scan; got {spelled(value)}"
        )
    return value


def summary(result: Result) -> Summary:
    """A result as a table, with the columns of the data, units, and the formula of the risk.

    Parameters
    ----------
    result : any result of the library
        `result.summary()` is the same.

    Returns
    -------
    Summary
        `as_text()`, `as_html()`, `as_latex()`; notebooks and rich show it by themselves.

    Raises
    ------
    DataTypeError
        If it is no result.

    Notes
    -----
    The risk is the paper's, ½ Σ ω (f(x) − y)², of Yun, Sra and Jadbabaie (2019), section 2; the mean squared error
    2 risk / Σ ω stands beside it. What is proved is named so; what is sampled or estimated is not.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("diabetes"))
    >>> fm.summary(low).rows[1]
    ('risk', '631992.8928', 'progression²')
    """
    found = as_result(result, "summary")
    return SUMMARIES[type(found)](found)
