"""fastminima: spurious local minima of ReLU-like networks, built and proved.

Give it data, and it hands back a spurious local minimum (theorem 1 of Yun, Sra and Jadbabaie, ICLR 2019), a point
that is strictly better, and bounds that are proved for the float64 arrays in your hands.

Everything is imported where it is first used (PEP 562): `import fastminima` alone loads none of it.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import errors as errors
from ._version import __version__ as __version__

# what type checkers read; `_NAMES` says the same to the interpreter, a test holds the two together
if TYPE_CHECKING:
    from .activation import PiecewiseLinear as PiecewiseLinear
    from .activation import leaky_relu as leaky_relu
    from .activation import relu as relu
    from .activations import activation as activation
    from .activations import activations as activations
    from .batched import batched_risk as batched_risk
    from .dataset import Dataset as Dataset
    from .demos import load_demo as load_demo
    from .landscape.excess import excess_risk as excess_risk
    from .landscape.probe import Probe as Probe
    from .landscape.probe import ProbeSweep as ProbeSweep
    from .landscape.probe import probe as probe
    from .least_squares import LeastSquares as LeastSquares
    from .least_squares import least_squares as least_squares
    from .losses import SquaredLoss as SquaredLoss
    from .losses import WeightedSum as WeightedSum
    from .network import OneHiddenLayer as OneHiddenLayer
    from .proof.certificate import Certificate as Certificate
    from .proving.prove import check as check
    from .proving.prove import prove as prove
    from .readers import read as read
    from .report.probe_plot import plot_probe as plot_probe
    from .report.segment import plot_segment as plot_segment
    from .report.segment import segment as segment
    from .report.slice_plot import plot_slice as plot_slice
    from .report.slice_plot import risk_slice as risk_slice
    from .row_losses import HuberLoss as HuberLoss
    from .row_losses import LogCoshLoss as LogCoshLoss
    from .row_losses import LogisticLoss as LogisticLoss
    from .row_losses import SmoothedQuantileLoss as SmoothedQuantileLoss
    from .row_losses import SoftmaxCrossEntropy as SoftmaxCrossEntropy
    from .scan.report import ScanReport as ScanReport
    from .scan.report import ScanResult as ScanResult
    from .scan.scan import scan as scan
    from .smooth import Smooth as Smooth
    from .splits import best_split as best_split
    from .splits import split_set as split_set
    from .theorems.critical_points import CriticalPoint as CriticalPoint
    from .theorems.critical_points import critical_point as critical_point
    from .theorems.linear_report import LinearEscape as LinearEscape
    from .theorems.linear_report import LinearReport as LinearReport
    from .theorems.linear_report import LinearVerdict as LinearVerdict
    from .theorems.linear_report import classify_linear as classify_linear
    from .theorems.linear_report import escape as escape
    from .theorems.local_inverse import LocalInverse as LocalInverse
    from .theorems.local_inverse import local_inverse as local_inverse
    from .theorems.status import BetterStatus as BetterStatus
    from .theorems.status import MinimumStatus as MinimumStatus
    from .theorems.theorem1 import SpuriousMinimum as SpuriousMinimum
    from .theorems.theorem1 import spurious_minimum as spurious_minimum
    from .theorems.theorem1_better import BetterPoint as BetterPoint
    from .theorems.theorem1_better import better_point as better_point
    from .theorems.theorem2 import CounterExample as CounterExample
    from .theorems.theorem2 import CounterStatus as CounterStatus
    from .theorems.theorem2 import counterexample as counterexample
    from .user_loss import Loss as Loss

_NAMES = {
    "activation": ("PiecewiseLinear", "leaky_relu", "relu"),
    "activations": ("activation", "activations"),
    "batched": ("batched_risk",),
    "dataset": ("Dataset",),
    "demos": ("load_demo",),
    "landscape.excess": ("excess_risk",),
    "landscape.probe": ("Probe", "ProbeSweep", "probe"),
    "least_squares": ("LeastSquares", "least_squares"),
    "losses": ("SquaredLoss", "WeightedSum"),
    "network": ("OneHiddenLayer",),
    "proof.certificate": ("Certificate",),
    "proving.prove": ("check", "prove"),
    "readers": ("read",),
    "report.probe_plot": ("plot_probe",),
    "report.segment": ("plot_segment", "segment"),
    "report.slice_plot": ("plot_slice", "risk_slice"),
    "row_losses": ("HuberLoss", "LogCoshLoss", "LogisticLoss", "SmoothedQuantileLoss", "SoftmaxCrossEntropy"),
    "scan.report": ("ScanReport", "ScanResult"),
    "scan.scan": ("scan",),
    "smooth": ("Smooth",),
    "splits": ("best_split", "split_set"),
    "theorems.critical_points": ("CriticalPoint", "critical_point"),
    "theorems.linear_report": ("LinearEscape", "LinearReport", "LinearVerdict", "classify_linear", "escape"),
    "theorems.local_inverse": ("LocalInverse", "local_inverse"),
    "theorems.status": ("BetterStatus", "MinimumStatus"),
    "theorems.theorem1": ("SpuriousMinimum", "spurious_minimum"),
    "theorems.theorem1_better": ("BetterPoint", "better_point"),
    "theorems.theorem2": ("CounterExample", "CounterStatus", "counterexample"),
    "user_loss": ("Loss",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

if not TYPE_CHECKING:
    # hidden, because a computed list exports nothing to type checkers, and a `__getattr__` would make every typo a name
    __all__ = sorted(["errors", *_HOMES])

    def __getattr__(name: str) -> Any:
        """A public name or a module of the package, imported now."""
        if name in _HOMES:
            value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
            globals()[name] = value
            return value
        if not name.startswith("_"):
            module = f"{__name__}.{name}"
            try:
                return importlib.import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _Package(ModuleType):
    """Keeps the names of functions: `scan` is the function, not the subpackage that importing it would put there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
