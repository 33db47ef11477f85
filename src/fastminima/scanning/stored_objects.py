"""What a checkpoint may hold: the states of passes and the results of datasets, and what has to hold for each.

The data of a dataset that stays in files are not in a checkpoint: its results are put together again around the source of
the scan that goes on, which is known to be the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from fastminima import errors
from fastminima.data.coerce import sealed
from fastminima.data.dataset import Dataset
from fastminima.data.rows import RowsInMemory
from fastminima.data.sources.block_source import Block, BlockSource
from fastminima.errors import FastMinimaError, ReadError
from fastminima.exact.fit import ExactFit, LazyExactFit
from fastminima.exact.gram import ExactGram, GramState
from fastminima.fit.centred_data import CentredArrays
from fastminima.fit.envelope import Envelope
from fastminima.fit.least_squares import LeastSquares
from fastminima.fit.running_sums import ExtendedGradient, Moments, Residuals
from fastminima.fit.samples import SamplesInMemory
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.candidate import PushedSplit, TiedSplit
from fastminima.theorems.theorem1.evidence import SplitEvidence
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem1.splits.search import SplitSearch
from fastminima.theorems.theorem1.status import BetterStatus, MinimumStatus

from .plain_records import BadRecordError, Codec, Kind, fits
from .ranges import Kept, KeptEvaluation
from .results import ScanResult
from .stored_deep import DEEP_KINDS
from .streamed import CentredStream, RowsOnDemand, StreamedSamples

__all__ = ["CODEC", "RestoredSource", "alike"]

Floats = NDArray[np.float64]


@dataclass(eq=False)
class RestoredSource:
    """The source of a result that an earlier process finished: what it was, over the source of this one.

    Attributes
    ----------
    now : BlockSource or None
        Reads the rows, where that needs no temporary file.
    """

    name: str
    feature_names: tuple[str, ...] | None
    target_name: str | None
    n_features: int
    weighted: bool
    n_rows: int | None
    now: BlockSource | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seekable: bool = True
    in_memory: bool = False
    exact: bool = False
    size_bytes: int | None = None
    stamp: str = ""

    def check_unchanged(self) -> None:
        """The scan is over."""

    @property
    def token(self) -> str:
        """Of the source of this process."""
        return "" if self.now is None else self.now.token

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """The scan is over."""

    def slice(self, start: int, stop: int) -> RestoredSource:
        """Itself."""
        return self

    def prepare(self, folder: str, tell: Callable[[int, int | None], None] = ...) -> RestoredSource:  # type: ignore[assignment]
        """It was, by the process that scanned it."""
        return self

    def dataset(self) -> Dataset:
        """All rows."""
        X, y, w = next(iter(self.blocks(rows=max(self.n_rows or 1, 1))))
        return Dataset(X, y, sample_weight=w, feature_names=self.feature_names, target_name=self.target_name)

    def blocks(self, start: int = 0, stop: int | None = None, rows: int = 4096) -> Iterator[Block]:
        """As of the source.

        Raises
        ------
        ReadError
            It has to be prepared anew.
        """
        now = copy.copy(self.now)
        if now is None or (now.seekable, now.n_rows, now.n_features) != (True, self.n_rows, self.n_features):
            raise ReadError(
                f"{self.name}: its rows are not kept with the result, and the scan that read them is over; read it with "
                "fastminima.read, or scan it again"
            )
        now.counts = {}
        yield from now.blocks(start, stop, rows)


# --- what has to hold ---------------------------------------------------------------------------------------


def _shapes(*pairs: tuple[str, NDArray[Any] | None, tuple[int, ...]]) -> str | None:
    """What is wrong with the shapes of arrays."""
    for name, array, shape in pairs:
        if array is not None and array.shape != shape:
            return f"{name} has shape {array.shape}, expected {shape}"
    return None


def _check_moments(state: Moments) -> str | None:
    n = len(state.rhs) - 1
    return _shapes(
        ("gram", state.gram, (n + 1, n + 1)),
        ("rhs", state.rhs, (n + 1,)),
        ("column_max", state.column_max, (n,)),
    )


def _check_gradient(state: Residuals | ExtendedGradient) -> str | None:
    return _shapes(("gradient", state.gradient, (state.gradient.size,)))


def _check_envelope(state: Envelope) -> str | None:
    k, rows = state.t.size, state._rows.shape[:1]
    wrong = _shapes(("t", state.t, (k,)), ("norm", state.norm, (k,)), ("_rows", state._rows, (*rows, 2)))
    return (
        wrong
        or _shapes(("_limits", state._limits, rows))
        or ("it is not settled" if state._waiting else None)
    )


def _check_kept(kept: Kept) -> str | None:
    shape = (kept.count.size,)
    wrong = _shapes(
        ("count", kept.count, shape), ("smallest", kept.smallest, shape), ("largest", kept.largest, shape)
    )
    wrong = wrong or _shapes(*(("portions", counts, shape) for counts in kept.portions))
    if wrong is None and len(kept.portions) != len(kept.digests):
        wrong = f"{len(kept.portions)} portions have {len(kept.digests)} digests"
    if wrong is None and any((counts < 0).any() or (counts > 1 << 40).any() for counts in kept.portions):
        wrong = "a portion of so many records"
    if wrong is None and (kept.count != sum(kept.portions, np.zeros(shape, np.int64))).any():
        wrong = "portions that do not add up"
    return wrong


def _check_arrays(frame: CentredArrays) -> str | None:
    m, n = frame.data.n_samples, frame.data.n_features
    if frame.data.n_targets != 1:
        return f"{frame.data.n_targets} targets"
    return _shapes(
        ("centre", frame.centre, (n,)),
        ("exponents", frame.exponents, (n,)),
        ("X", frame.X, (m, n)),
        ("y", frame.y, (m,)),
    )


def _check_stream(frame: CentredStream) -> str | None:
    n, names = frame.data.n_features, frame.source.feature_names
    if names is not None and len(names) != n:
        return f"{len(names)} names of {n} features"
    return _shapes(("centre", frame.centre, (n,)), ("rhs", frame.moments.rhs, (n + 1,)))


def _check_samples(samples: SamplesInMemory) -> str | None:
    shape = (samples.frame.n_samples,)
    return _shapes(
        ("fitted_values", samples.fitted_values, shape), ("residual_values", samples.residual_values, shape)
    )


def _check_fit(fit: LeastSquares) -> str | None:
    n, exact = fit.data.n_features, fit.lazy_exact.known
    if exact is not None and len(exact.coef) != n:
        return f"its exact fit has {len(exact.coef)} coefficients for {n} features"
    return _shapes(
        ("slopes", fit.slopes, (n,)),
        ("column_max", fit.column_max, (n,)),
        ("column_norm", fit.column_norm, (n + 1,)),
        ("gradient", fit.sums.gradient, (n + 1,)),
        ("coef", fit.__dict__.get("coef"), (n,)),
        ("refined", fit.refined[0], (n,)),
    )


def _check_gram(gram: ExactGram) -> str | None:
    n = len(gram.scales)
    if len(gram.entries) != n or any(len(row) != n for row in gram.entries):
        return f"{len(gram.entries)} rows of entries for {n} scales"
    return None


def _check_exact_fit(fit: ExactFit) -> str | None:
    n = len(fit.coef)
    # fewer rows than columns are solved without a Gram matrix
    gram = fit.known_gram
    if gram is not None and len(gram.scales) != n + 2:
        return f"{n} coefficients with a Gram matrix of {len(gram.scales)} columns"
    return None if all(0 <= pivot <= n for pivot in fit.pivots) else f"pivots {fit.pivots} of {n} features"


def _check_minimum(low: SpuriousMinimum) -> str | None:
    if low.evidence.fit is not low.fit:
        return "its evidence is about another fit"
    n = low.fit.data.n_features
    return (
        None
        if low.network.n_features == n
        else f"a network of {low.network.n_features} inputs for {n} features"
    )


def _check_better(better: BetterPoint) -> str | None:
    if (better.network is not None) != bool(better):
        return "a status that its network contradicts"
    n = better.low.network.n_features
    inputs = n if better.network is None else better.network.n_features
    return None if inputs == n else f"a network of {inputs} inputs for {n} features"


def _check_result(result: ScanResult) -> str | None:
    if isinstance(result.minimum, SpuriousMinimum) and result.minimum.fit is not result.fit:
        return "its minimum is of another fit"
    if result.better is not None and result.better.low is not result.minimum:
        return "its better point is of another minimum"
    return None


# --- how some are taken apart and put together ----------------------------------------------------------------


def _rows(found: dict[str, Any], told: Any) -> RowsInMemory:
    held: dict[str, Any] = {name: None if array is None else sealed(array) for name, array in found.items()}
    return RowsInMemory(**held)


def _check_rows(rows: RowsInMemory) -> str | None:
    if rows.X.ndim != 2 or rows.Y.ndim != 2 or not len(rows.X):
        return f"X has shape {rows.X.shape}, Y {rows.Y.shape}"
    m = len(rows.X)
    return _shapes(("Y", rows.Y, (m, rows.n_targets)), ("sample_weight", rows.sample_weight, (m,)))


def _dataset(found: dict[str, Any], told: Any) -> Dataset:
    data = Dataset.__new__(Dataset)
    data.__setstate__(found)
    return data


def _check_dataset(data: Dataset) -> str | None:
    n, k = data.n_features, data.n_targets
    for names, count in ((data.feature_names, n), (data.target_names, k)):
        if names is not None and len(names) != count:
            return f"{len(names)} names of {count} columns"
    if not all(0 <= column < n + k for column in data._rounded):
        return f"exact columns {sorted(data._rounded)} of {n + k}"
    return _shapes(*(("a column", column, (data.n_samples,)) for column in data._rounded.values()))


def _of_stream(frame: CentredStream) -> dict[str, Any]:
    source, rows = frame.source, frame.data._rows
    told = {f.name: getattr(source, f.name) for f in fields(RestoredSource)[:6]}
    return {
        "rows": RowsOnDemand(RestoredSource(**told), frame.n_samples, getattr(rows, "limit", 0)),
        "centre": frame.centre,
        "centre_y": frame.centre_y,
        "moments": frame.moments,
        "block_rows": frame.block_rows,
    }


def _of_samples(samples: StreamedSamples) -> dict[str, Any]:
    return {name: getattr(samples, f"_{name}") for name in _SAMPLES}


def _samples(found: dict[str, Any], told: Any) -> StreamedSamples:
    samples = StreamedSamples(**found, search_records=lambda *_: None)
    samples.forget_records()
    return samples


def _of_fit(fit: LeastSquares) -> dict[str, Any]:
    found = {name: getattr(fit, name) for name in _FIT if name != "exact"}
    known = {name: fit.__dict__[name] for name in _KNOWN if name in fit.__dict__}
    return found | {"exact": fit.lazy_exact.known, "known": known}


def _fit(found: dict[str, Any], told: Any) -> LeastSquares:
    exact, known, data = found.pop("exact"), found.pop("known"), found["frame"].data
    if exact is not None:
        exact = replace(exact, data=data)
    fit = LeastSquares(data=data, lazy_exact=LazyExactFit(data, exact), **found)
    for name, value in known.items():
        if name not in _KNOWN or not fits(_KNOWN[name], value):
            raise BadRecordError(f"LeastSquares.{name} is {type(value).__name__}")
        fit.__dict__[name] = value
    return fit


def _message(error: FastMinimaError) -> dict[str, Any]:
    return {"message": error.args[0] if len(error.args) == 1 else None}


def _error_kind(name: str) -> Kind:
    cls = getattr(errors, name)
    return Kind(cls, hints={"message": str}, take=_message, make=lambda found, told: cls(found["message"]))


def _hints(cls: type, *but: str, **instead: Any) -> dict[str, Any]:
    """What the fields of a dataclass hold."""
    found = get_type_hints(cls)
    return {f.name: found[f.name] for f in fields(cls) if f.name not in but} | instead


# Numbers that were worked out before the exact fit was there: then their last bits may be others.
_KNOWN: dict[str, Any] = {"squared_norm": float, "risk": float, "coef": Floats, "intercept": float}
_FIT = _hints(
    LeastSquares,
    "data",
    "lazy_exact",
    frame=CentredArrays | CentredStream,
    samples=SamplesInMemory | StreamedSamples,
    exact=ExactFit | None,
)
_SAMPLES = {"frame": CentredStream, "affine": tuple[Floats, float], "sums": Residuals, "envelope": Envelope}
_NETWORK = {"W1": Floats, "b1": Floats, "W2": Floats, "b2": float, "activation": PiecewiseLinear}
_GRAM_STATE = {
    "n_features": int,
    "weighted": bool,
    "n_samples": int,
    "entries": list[list[int]],
    "low": list[int],
    "weight_low": int,
    "last": list[int | None],
}
_KEPT = {
    "count": NDArray[np.int64],
    "smallest": Floats,
    "largest": Floats,
    "portions": list[NDArray[np.int64]],
    "digests": list[str],
}

CODEC = Codec(
    [
        # states of passes
        Kind(Moments, check=_check_moments),
        Kind(Residuals, check=_check_gradient),
        Kind(ExtendedGradient, check=_check_gradient),
        Kind(Envelope, check=_check_envelope),
        Kind(
            GramState,
            hints=_GRAM_STATE,
            take=GramState.to_plain,
            make=lambda found, told: GramState.from_plain(found),
        ),
        Kind(Kept, hints=_KEPT, check=_check_kept),
        Kind(KeptEvaluation),
        # results
        Kind(RestoredSource, fields=tuple(f.name for f in fields(RestoredSource)[:6])),
        Kind(RowsInMemory, make=_rows, check=_check_rows),
        Kind(
            Dataset,
            hints=_hints(Dataset, _rows=RowsInMemory),
            make=_dataset,
            check=_check_dataset,
            later={"classes": None},
        ),
        Kind(CentredArrays, check=_check_arrays),
        Kind(
            RowsOnDemand,
            hints={"source": RestoredSource, "n_samples": int, "limit": int},
            make=lambda found, told: RowsOnDemand(
                replace(found["source"], now=told), found["n_samples"], found["limit"]
            ),
        ),
        Kind(
            CentredStream,
            hints={
                "rows": RowsOnDemand,
                "centre": Floats,
                "centre_y": float,
                "moments": Moments,
                "block_rows": int,
            },
            take=_of_stream,
            make=lambda found, told: CentredStream.of(**found),
            check=_check_stream,
        ),
        Kind(SamplesInMemory, hints=_hints(SamplesInMemory, frame=CentredArrays), check=_check_samples),
        Kind(StreamedSamples, hints=_SAMPLES, take=_of_samples, make=_samples),
        Kind(ExactGram, check=_check_gram),
        Kind(
            ExactFit,
            hints=_hints(ExactFit, "data"),
            make=lambda found, told: ExactFit(**found, data=None),
            check=_check_exact_fit,
        ),
        Kind(
            LeastSquares,
            hints=_FIT | {"known": dict[str, Any]},
            take=_of_fit,
            make=_fit,
            check=_check_fit,
        ),
        Kind(PiecewiseLinear),
        Kind(OneHiddenLayer, hints=_NETWORK),
        Kind(SplitSearch),
        Kind(SplitEvidence),
        Kind(SpuriousMinimum, check=_check_minimum),
        Kind(PushedSplit),
        Kind(TiedSplit),
        Kind(BetterPoint, check=_check_better),
        *DEEP_KINDS,
        Kind(ScanResult, check=_check_result),
        *map(_error_kind, errors.__all__),
    ],
    [MinimumStatus, BetterStatus],
)


def alike(state: Any, found: Any) -> bool:
    """Whether what a checkpoint has may stand for a new state: of the same class, with arrays of the same shapes."""
    if type(state) is not type(found):
        return False
    if isinstance(state, GramState):
        own, other = state.to_plain(), found.to_plain()
        return all(own[name] == other[name] for name in ("n_features", "weighted"))
    if isinstance(state, KeptEvaluation):
        return alike(state.sums, found.sums) and len(state.records.count) == len(found.records.count)
    return all(
        array.shape == getattr(found, name).shape and array.dtype == getattr(found, name).dtype
        for name, array in vars(state).items()
        if isinstance(array, np.ndarray)
    )
