"""fastminima: spurious local minima of ReLU-like networks, built and proved.

Give it data, and it hands back a spurious local minimum (theorem 1 of Yun, Sra and Jadbabaie, ICLR 2019), a point
that is strictly better, and bounds that are proved for the float64 arrays in your hands.

The house, from the ground up; a room imports only from rooms above it in this list:

- `errors`: named failures.
- `kernels`: compiled loops, each with a stub and a NumPy twin.
- `system`: files, memory, threads, options; no mathematics.
- `exact`: rational arithmetic, and exact facts of data.
- `data`: numbers from anywhere become a `Dataset`.
- `networks`: what is trained, and activations.
- `losses`: losses and their changes without cancellation.
- `fit`: the best affine function, and what rounding did to it.
- `theorems`: theorems 1, 2 and 4, a folder each.
- `landscape`: what surrounds a given network.
- `proof`: certificates for strangers.
- `scanning`: theorem 1 on hundreds of datasets, or on one larger than memory.
- `reporting`: pictures, tables and text.
- `interop`: other libraries: networks of PyTorch, files of weights, optimisers.
- `sklearn`: estimators for scikit-learn.
- `cli`: the command line.

Everything is imported where it is first used (PEP 562): `import fastminima` alone loads none of it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import errors as errors
from ._version import __version__ as __version__
from .system.first_use import first_use as _first_use

# what type checkers read; `_NAMES` says the same to the interpreter, a test holds the two together
if TYPE_CHECKING:
    from .data.dataset import Dataset as Dataset
    from .data.demos import load_demo as load_demo
    from .data.read import read as read
    from .fit.least_squares import LeastSquares as LeastSquares
    from .fit.least_squares import least_squares as least_squares
    from .interop.escape_runs import EscapeBenchmark as EscapeBenchmark
    from .interop.network_files import load_network as load_network
    from .interop.optimisers import escape_benchmark as escape_benchmark
    from .interop.torch import to_torch as to_torch
    from .landscape.bracket.bracket import Bracket as Bracket
    from .landscape.bracket.bracket import Brackets as Brackets
    from .landscape.bracket.bracket import bracket as bracket
    from .landscape.bracket.fit_network import NetworkFit as NetworkFit
    from .landscape.bracket.fit_network import fit_network as fit_network
    from .landscape.bracket.interpolation import Interpolation as Interpolation
    from .landscape.bracket.interpolation import interpolation_width as interpolation_width
    from .landscape.decide.decision import Decision as Decision
    from .landscape.decide.decision import decide as decide
    from .landscape.excess_risk import excess_risk as excess_risk
    from .landscape.polish.polish import Polish as Polish
    from .landscape.polish.polish import polish as polish
    from .landscape.probe import Probe as Probe
    from .landscape.probe import ProbeSweep as ProbeSweep
    from .landscape.probe import probe as probe
    from .landscape.smooth.decision import SmoothDecision as SmoothDecision
    from .landscape.smooth.minimum import SmoothMinimum as SmoothMinimum
    from .landscape.smooth.polish import SmoothPolish as SmoothPolish
    from .losses.custom import Loss as Loss
    from .losses.named import HuberLoss as HuberLoss
    from .losses.named import LogCoshLoss as LogCoshLoss
    from .losses.named import LogisticLoss as LogisticLoss
    from .losses.named import SmoothedQuantileLoss as SmoothedQuantileLoss
    from .losses.named import SoftmaxCrossEntropy as SoftmaxCrossEntropy
    from .losses.pointwise import Huber as Huber
    from .losses.squared import SquaredLoss as SquaredLoss
    from .losses.weighted_sum import WeightedSum as WeightedSum
    from .networks.activations.named import activation as activation
    from .networks.activations.named import activations as activations
    from .networks.activations.piecewise_linear import PiecewiseLinear as PiecewiseLinear
    from .networks.activations.piecewise_linear import leaky_relu as leaky_relu
    from .networks.activations.piecewise_linear import relu as relu
    from .networks.activations.smooth import Smooth as Smooth
    from .networks.batched_risk import batched_risk as batched_risk
    from .networks.deep_network import DeepNetwork as DeepNetwork
    from .networks.one_hidden_layer import OneHiddenLayer as OneHiddenLayer
    from .networks.rational_network import RationalNetwork as RationalNetwork
    from .networks.torch_modules import from_torch as from_torch
    from .proof.certificate import Certificate as Certificate
    from .proof.prove import check as check
    from .proof.prove import prove as prove
    from .reporting.atlas_page import atlas_page as atlas_page
    from .reporting.bracket_plot import Staircase as Staircase
    from .reporting.bracket_plot import plot_bracket as plot_bracket
    from .reporting.bracket_plot import plot_trace as plot_trace
    from .reporting.bracket_plot import staircase as staircase
    from .reporting.descent_plot import descent as descent
    from .reporting.descent_plot import plot_descent as plot_descent
    from .reporting.functions_plot import plot_functions as plot_functions
    from .reporting.linear_plot import plot_linear as plot_linear
    from .reporting.probe_plot import plot_probe as plot_probe
    from .reporting.results.files import load_result as load_result
    from .reporting.results.files import save_result as save_result
    from .reporting.results.page import Page as Page
    from .reporting.results.page import report as report
    from .reporting.results.plain import to_dict as to_dict
    from .reporting.results.summaries import summary as summary
    from .reporting.results.summary import Summary as Summary
    from .reporting.scan_plot import plot_scan as plot_scan
    from .reporting.segment import plot_segment as plot_segment
    from .reporting.segment import segment as segment
    from .reporting.slice_plot import plot_slice as plot_slice
    from .reporting.slice_plot import risk_slice as risk_slice
    from .reporting.splits_plot import plot_splits as plot_splits
    from .scanning.atlas import Atlas as Atlas
    from .scanning.atlas import atlas as atlas
    from .scanning.results import ScanReport as ScanReport
    from .scanning.results import ScanResult as ScanResult
    from .scanning.scan import scan as scan
    from .theorems.theorem1.better_point import BetterPoint as BetterPoint
    from .theorems.theorem1.better_point import better_point as better_point
    from .theorems.theorem1.deep_better_point import DeepBetterPoint as DeepBetterPoint
    from .theorems.theorem1.deep_minimum import DeepMinimum as DeepMinimum
    from .theorems.theorem1.minimum import SpuriousMinimum as SpuriousMinimum
    from .theorems.theorem1.minimum import spurious_minimum as spurious_minimum
    from .theorems.theorem1.splits.search import best_split as best_split
    from .theorems.theorem1.splits.search import split_set as split_set
    from .theorems.theorem1.status import BetterStatus as BetterStatus
    from .theorems.theorem1.status import MinimumStatus as MinimumStatus
    from .theorems.theorem2.counterexample import CounterExample as CounterExample
    from .theorems.theorem2.counterexample import CounterStatus as CounterStatus
    from .theorems.theorem2.counterexample import counterexample as counterexample
    from .theorems.theorem4.classify import LinearEscape as LinearEscape
    from .theorems.theorem4.classify import LinearReport as LinearReport
    from .theorems.theorem4.classify import LinearVerdict as LinearVerdict
    from .theorems.theorem4.classify import classify_linear as classify_linear
    from .theorems.theorem4.classify import escape as escape
    from .theorems.theorem4.critical_points.critical_point import critical_point as critical_point
    from .theorems.theorem4.critical_points.draws import CriticalPoint as CriticalPoint
    from .theorems.theorem4.local_inverse import LocalInverse as LocalInverse
    from .theorems.theorem4.local_inverse import local_inverse as local_inverse

_NAMES = {
    "data.dataset": ("Dataset",),
    "data.demos": ("load_demo",),
    "data.read": ("read",),
    "fit.least_squares": (
        "LeastSquares",
        "least_squares",
    ),
    "interop.network_files": ("load_network",),
    "interop.torch": ("to_torch",),
    "interop.escape_runs": ("EscapeBenchmark",),
    "interop.optimisers": ("escape_benchmark",),
    "landscape.bracket.bracket": ("Bracket", "Brackets", "bracket"),
    "landscape.bracket.fit_network": ("NetworkFit", "fit_network"),
    "landscape.bracket.interpolation": ("Interpolation", "interpolation_width"),
    "landscape.decide.decision": ("Decision", "decide"),
    "landscape.excess_risk": ("excess_risk",),
    "landscape.polish.polish": ("Polish", "polish"),
    "landscape.probe": (
        "Probe",
        "ProbeSweep",
        "probe",
    ),
    "landscape.smooth.decision": ("SmoothDecision",),
    "landscape.smooth.minimum": ("SmoothMinimum",),
    "landscape.smooth.polish": ("SmoothPolish",),
    "losses.custom": ("Loss",),
    "losses.named": (
        "HuberLoss",
        "LogCoshLoss",
        "LogisticLoss",
        "SmoothedQuantileLoss",
        "SoftmaxCrossEntropy",
    ),
    "losses.pointwise": ("Huber",),
    "losses.squared": ("SquaredLoss",),
    "losses.weighted_sum": ("WeightedSum",),
    "networks.activations.named": (
        "activation",
        "activations",
    ),
    "networks.activations.piecewise_linear": (
        "PiecewiseLinear",
        "leaky_relu",
        "relu",
    ),
    "networks.activations.smooth": ("Smooth",),
    "networks.batched_risk": ("batched_risk",),
    "networks.deep_network": ("DeepNetwork",),
    "networks.rational_network": ("RationalNetwork",),
    "networks.torch_modules": ("from_torch",),
    "networks.one_hidden_layer": ("OneHiddenLayer",),
    "proof.certificate": ("Certificate",),
    "proof.prove": (
        "check",
        "prove",
    ),
    "reporting.atlas_page": ("atlas_page",),
    "reporting.bracket_plot": ("Staircase", "plot_bracket", "plot_trace", "staircase"),
    "reporting.descent_plot": ("descent", "plot_descent"),
    "reporting.functions_plot": ("plot_functions",),
    "reporting.linear_plot": ("plot_linear",),
    "reporting.probe_plot": ("plot_probe",),
    "reporting.results.files": ("load_result", "save_result"),
    "reporting.results.page": ("Page", "report"),
    "reporting.results.plain": ("to_dict",),
    "reporting.results.summaries": ("summary",),
    "reporting.results.summary": ("Summary",),
    "reporting.scan_plot": ("plot_scan",),
    "reporting.segment": (
        "plot_segment",
        "segment",
    ),
    "reporting.slice_plot": (
        "plot_slice",
        "risk_slice",
    ),
    "reporting.splits_plot": ("plot_splits",),
    "scanning.atlas": ("Atlas", "atlas"),
    "scanning.results": (
        "ScanReport",
        "ScanResult",
    ),
    "scanning.scan": ("scan",),
    "theorems.theorem1.better_point": (
        "BetterPoint",
        "better_point",
    ),
    "theorems.theorem1.deep_better_point": ("DeepBetterPoint",),
    "theorems.theorem1.deep_minimum": ("DeepMinimum",),
    "theorems.theorem1.minimum": (
        "SpuriousMinimum",
        "spurious_minimum",
    ),
    "theorems.theorem1.splits.search": (
        "best_split",
        "split_set",
    ),
    "theorems.theorem1.status": (
        "BetterStatus",
        "MinimumStatus",
    ),
    "theorems.theorem2.counterexample": (
        "CounterExample",
        "CounterStatus",
        "counterexample",
    ),
    "theorems.theorem4.classify": (
        "LinearEscape",
        "LinearReport",
        "LinearVerdict",
        "classify_linear",
        "escape",
    ),
    "theorems.theorem4.critical_points.critical_point": ("critical_point",),
    "theorems.theorem4.critical_points.draws": ("CriticalPoint",),
    "theorems.theorem4.local_inverse": (
        "LocalInverse",
        "local_inverse",
    ),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}
# modules that documentation names without their folder
_MODULES = {"formula": "networks.activations.formula"}

if not TYPE_CHECKING:
    # hidden, because a computed list exports nothing to type checkers, and a `__getattr__` would make every typo a name
    __all__ = sorted(["errors", *_HOMES])

    def __getattr__(name: str) -> Any:
        """A public name or a module of the package, imported now."""
        if name in _HOMES:
            with _first_use():
                value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
            globals()[name] = value
            return value
        if not name.startswith("_"):
            module = f"{__name__}.{_MODULES.get(name, name)}"
            try:
                with _first_use():
                    return importlib.import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
