"""What a file of a result may hold: the classes of results, what they are made of, and what their fields are.

A file names classes from this list and no others; each field is held against its annotation before an object is made.
What is worked out of network and data (fits of deep minima, the evidence of a decision) is not in a file: it is worked
out again.
"""

from __future__ import annotations

import json
from dataclasses import fields
from fractions import Fraction
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.matrix import Rationals
from fastminima.interop.escape_runs import DeepStart, EscapeBenchmark, EscapeRun, EscapeStart, Outcome
from fastminima.interop.training import Trace
from fastminima.landscape.bracket.bracket import Bracket, Brackets
from fastminima.landscape.bracket.branch_and_bound import SearchTree
from fastminima.landscape.bracket.fit_network import NetworkFit, SearchEnd
from fastminima.landscape.bracket.interpolation import Interpolation
from fastminima.landscape.bracket.lines import Line
from fastminima.landscape.bracket.lower_bound import LowerBound
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.perturb.tally import Block
from fastminima.landscape.polish.polish import Polish
from fastminima.landscape.polish.steps import Step
from fastminima.landscape.probe import Probe, ProbeSweep
from fastminima.landscape.smooth.decision import SmoothDecision
from fastminima.landscape.smooth.escape import SmoothEscape
from fastminima.landscape.smooth.fold import Fold
from fastminima.landscape.smooth.minimum import SmoothMinimum
from fastminima.landscape.smooth.polish import SmoothPolish
from fastminima.landscape.smooth.walk import SmoothStep
from fastminima.landscape.verdict import OffUnit, PolishStatus, Verdict
from fastminima.losses.base import Change
from fastminima.losses.squared import SquaredLoss
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth
from fastminima.networks.deep_network import DeepNetwork
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.scanning.atlas import Atlas
from fastminima.scanning.chart_table import Chart
from fastminima.scanning.installed_tables import LeftOut
from fastminima.scanning.plain_records import Codec, Kind
from fastminima.scanning.results import ScanReport, ScanResult
from fastminima.scanning.stored_objects import CODEC as SCANS
from fastminima.theorems.theorem2.conditions import Condition
from fastminima.theorems.theorem2.counterexample import CounterExample, CounterStatus
from fastminima.theorems.theorem2.image import AffineMap
from fastminima.theorems.theorem4.classify import LinearEscape, LinearReport, LinearVerdict
from fastminima.theorems.theorem4.critical_points.draws import CriticalPoint
from fastminima.theorems.theorem4.local_inverse import LocalInverse
from fastminima.theorems.theorem4.singular_values import Margin
from fastminima.theorems.theorem4.squared_loss import SquaredFindings

__all__ = ["RESULTS"]

Floats = NDArray[np.float64]
Activation = PiecewiseLinear | Smooth


def _hints(cls: type, *but: str, **instead: Any) -> dict[str, Any]:
    """What the fields of a dataclass hold."""
    found = get_type_hints(cls)
    return {f.name: found[f.name] for f in fields(cls) if f.name not in but} | instead


# --- activations and networks -------------------------------------------------------------------------------


def _check_rational(network: RationalNetwork) -> str | None:
    sizes = {len(row) for row in network.rows}
    names = network.feature_names
    if not network.rows or len(sizes) != 1 or len(network.output) != len(network.rows) or not min(sizes):
        return f"rows of {sorted(sizes)} entries for {len(network.output)} output weights"
    return (
        None
        if names is None or len(names) == network.n_features
        else f"{len(names)} names of {network.n_features} inputs"
    )


# cells in a file, two or three megabytes: a certificate has 20,000 leaves, of about 40,000 cells
_MOST_CELLS = 60_000


def _of_lower_bound(bound: LowerBound) -> dict[str, Any]:
    found = {f.name: getattr(bound, f.name) for f in fields(LowerBound)}
    # after an interrupt the last cells may be missing
    if bound.tree is not None and (len(bound.tree.bounds) > _MOST_CELLS or bound.tree.fault() is not None):
        found["tree"] = None
    return found


# --- results that are put together again ----------------------------------------------------------------------


def _inputs(network: OneHiddenLayer | RationalNetwork | DeepNetwork | None, data: Dataset) -> str | None:
    """What is wrong with a network on its data."""
    if network is None or network.n_features == data.n_features:
        return None
    return f"a network of {network.n_features} inputs for {data.n_features} features"


_LATER = {
    "escape": LinearEscape | None,
    "squared": SquaredFindings | None,
    "escape_order": int | None,
}


def _of_report(report: LinearReport) -> dict[str, Any]:
    # the loss, of which they are worked out, may be a function of the user's
    return {name: getattr(report, name) for name in (*_REPORT, *_LATER)}


def _report(found: dict[str, Any], told: Any) -> LinearReport:
    report = LinearReport(**{name: found[name] for name in _REPORT})
    for name in _LATER:
        report.__dict__[name] = found[name]
    return report


def _critical_point(found: dict[str, Any], told: Any) -> CriticalPoint:
    return CriticalPoint(**found, loss=SquaredLoss(found["X"], found["Y"]))


def _check_brackets(brackets: Brackets) -> str | None:
    return None if brackets else "no bracket"


def _check_sweep(sweep: ProbeSweep) -> str | None:
    return None if sweep.probes else "no probe"


def _check_walk(walk: Polish | SmoothPolish) -> str | None:
    return None if walk.path else "a walk without steps"


def _check_search(fit: NetworkFit) -> str | None:
    return _inputs(fit.network, fit.data) or (None if fit.history else "a search that found nothing")


def _check_benchmark(benchmark: EscapeBenchmark) -> str | None:
    return (
        None
        if all(0 <= run.start < len(benchmark.starts) for run in benchmark.runs)
        else "runs from no start"
    )


_REPORT = _hints(LinearReport, "_later")

_KINDS = [
    Kind(
        OneHiddenLayer,
        hints={
            "W1": Floats, "b1": Floats, "W2": Floats, "b2": float, "activation": Activation,
            "feature_names": tuple[str, ...] | None,
        },
    ),
    Kind(RationalNetwork, hints=_hints(RationalNetwork, activation=Activation), check=_check_rational),
    Kind(Block),
    Kind(Probe),
    Kind(ProbeSweep, check=_check_sweep),
    Kind(
        Decision,
        hints={
            "verdict": Verdict, "reason": str, "given": OneHiddenLayer | RationalNetwork, "data": Dataset,
            "ball": Fraction | None, "rough": float | None,
        },
        take=Decision.parts,
        make=lambda found, told: Decision.of_parts(**found),
        check=lambda found: _inputs(found.network, found.data),
    ),
    Kind(SmoothMinimum),
    Kind(SmoothEscape),
    Kind(SmoothDecision, check=lambda found: _inputs(found.network, found.data)),
    Kind(Step),
    Kind(Polish, check=_check_walk),
    Kind(Fold),
    Kind(SmoothStep),
    Kind(SmoothPolish, check=_check_walk),
    Kind(Line),
    Kind(
        SearchTree,
        hints={"width": int, "columns": tuple[int, ...], "bounds": Floats, "cuts": NDArray[np.int64]},
        take=SearchTree.arrays,
        make=lambda found, told: SearchTree.of_arrays(**found),
        check=lambda tree: tree.fault(),
    ),
    Kind(LowerBound, take=_of_lower_bound, later={"tree": None, "notes": ()}),
    Kind(NetworkFit, check=_check_search),
    Kind(Bracket),
    Kind(
        Brackets,
        hints={"brackets": tuple[Bracket, ...]},
        make=lambda found, told: Brackets(found["brackets"]),
        check=_check_brackets,
    ),
    Kind(Interpolation),
    Kind(Condition),
    Kind(AffineMap, hints=get_type_hints(AffineMap)),
    Kind(CounterExample, hints=_hints(CounterExample, activation=Activation)),
    Kind(Change),
    Kind(Margin),
    Kind(SquaredFindings),
    Kind(LinearEscape, hints=_hints(LinearEscape, exact_P=list[Rationals] | None, exact_Q=list[Rationals] | None)),
    Kind(LinearReport, hints=_REPORT | _LATER, take=_of_report, make=_report),
    Kind(CriticalPoint, hints=_hints(CriticalPoint, "loss"), make=_critical_point),
    Kind(LocalInverse),
    Kind(Trace),
    Kind(EscapeStart),
    Kind(DeepStart),
    Kind(EscapeRun),
    Kind(EscapeBenchmark, check=_check_benchmark),
    Kind(
        Chart,
        hints={"row": str, "certificates": dict[str, str]},
        take=lambda chart: {"row": json.dumps(chart.row), "certificates": chart.certificates},
        make=lambda found, told: Chart(json.loads(found["row"]), found["certificates"]),
    ),
    Kind(LeftOut),
    Kind(
        Atlas,
        hints={"charts": list[Chart], "left_out": list[LeftOut], "widths": tuple[int, ...]},
        take=lambda made: {"charts": list(made), "left_out": made.given_up, "widths": made.widths},
        make=lambda found, told: Atlas(**found),
    ),
    Kind(
        ScanReport,
        hints={"results": list[ScanResult]},
        take=lambda report: {"results": list(report)},
        make=lambda found, told: ScanReport(found["results"]),
    ),
]  # fmt: skip

# those of scans stand first, so that what is said of a class here is what holds
RESULTS = Codec(
    [*SCANS.kinds.values(), *_KINDS],
    [
        *SCANS.enums.values(),
        CounterStatus,
        LinearVerdict,
        OffUnit,
        Outcome,
        PolishStatus,
        SearchEnd,
        Verdict,
    ],
)
