"""What a scan is asked to do, in one object: options are checked once and handed on as they are."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

from fastminima.data.columns import Request
from fastminima.errors import OptionError
from fastminima.losses.given import LossName, as_row_loss
from fastminima.losses.pointwise import Logistic, PointwiseLoss, Softmax, Squared
from fastminima.networks.activations.named import ActivationLike, as_activation, as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.system.options import as_count, as_flag, check_width, count_workers, parse_bytes
from fastminima.system.progress import as_progress, bar, rows_bar
from fastminima.theorems.theorem1.deep_construction import GAIN
from fastminima.theorems.theorem1.deep_minimum import as_widths, check_scales

from .dealer import Submitter
from .results import ScanResult

__all__ = ["Progress", "ScanOptions", "Settings", "Told", "takes_activation"]

_CLASSIC = "one target, squared loss and a piecewise linear activation"

Progress = Callable[[str, str, int, "int | None"], None]
"""Told (dataset, stage, rows done, rows in all or None)."""
Told = bool | Callable[[float], object] | Progress | None
"""What a caller may give: True for a bar, a function of the share of datasets that are done, or a `Progress`."""


class Listeners(NamedTuple):
    """Functions that are told of rows, and of how many datasets are done."""

    rows: Progress
    datasets: Callable[[float], object]


def _takes_rows(progress: Callable[..., object]) -> bool:
    """Does a function take what is told of rows, rather than one share?"""
    try:
        inspect.signature(progress).bind("", "", 0, None)
    except (TypeError, ValueError):
        return False
    return True


@dataclass(frozen=True)
class Settings:
    """What the result of a scan depends on beside the data.

    Attributes
    ----------
    activation : PiecewiseLinear, Smooth or another callable
    width : int or tuple of int
    block_rows : int or None
    loss : PointwiseLoss
        Of one row, labels smoothed.
    alpha : float or "auto"
    gain : float
    """

    activation: Any
    width: int | tuple[int, ...]
    block_rows: int | None
    loss: PointwiseLoss = field(default_factory=Squared)
    alpha: float | Literal["auto"] = "auto"
    gain: float = GAIN

    @property
    def deep(self) -> bool:
        """Do these ask for more than one hidden layer of two slopes and squared loss? Such a scan needs all rows at once."""
        classic = isinstance(self.activation, PiecewiseLinear) and isinstance(self.loss, Squared)
        return not classic or isinstance(self.width, tuple)

    @property
    def labels(self) -> bool:
        """Are targets labels of classes?"""
        return isinstance(self.loss, Logistic | Softmax)

    def told(self) -> dict[str, Any]:
        """For a checkpoint: what may not differ where a scan goes on."""
        h = self.activation
        told: dict[str, Any] = {
            "activation": [float(h.s_plus), float(h.s_minus)] if isinstance(h, PiecewiseLinear) else str(h),
            "width": list(self.width) if isinstance(self.width, tuple) else self.width,
            "block_rows": self.block_rows,
            "loss": repr(self.loss),
            "alpha": self.alpha,
            "gain": self.gain,
        }
        return told | {"formula": json.dumps(getattr(h, "formula", None), default=str)}


def takes_activation(value: ActivationLike) -> Any:
    """What can be called; anything else is refused as the streamed scan does."""
    h = as_activation(value)
    return h if callable(h) else as_piecewise(value, "scan")


@dataclass(frozen=True)
class ScanOptions:
    """The options of `scan` but for those that say what is read; see there.

    Raises
    ------
    OptionError
        An option is out of range, or says nothing of what is asked for.
    DataTypeError, NetworkError, LossError
        `activation`, `width`, `alpha`, `gain` or `loss` are not usable.
    """

    activation: ActivationLike
    width: int | Sequence[int]
    loss: LossName | PointwiseLoss
    alpha: float | Literal["auto"]
    gain: float
    label_smoothing: float
    workers: int
    executor: Submitter | None
    block_rows: int | None
    memory: int | str
    checkpoint: str | os.PathLike[str] | None
    progress: Told
    on_result: Callable[[ScanResult], None] | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", takes_activation(self.activation))
        settings = self.settings
        check_scales(self.alpha, self.gain)
        if settings.deep and self.block_rows is not None:
            raise OptionError(
                f"block_rows is for one hidden layer, {_CLASSIC}: other scans have all rows in memory"
            )
        as_progress(False if self.progress is None else self.progress)
        if self.on_result is not None and not callable(self.on_result):
            raise OptionError(f"on_result must be a function, got {type(self.on_result).__name__}")
        if self.checkpoint is not None and not isinstance(self.checkpoint, (str, os.PathLike)):
            raise OptionError(
                f"checkpoint must be the path of a folder, got {type(self.checkpoint).__name__}"
            )
        count_workers(self.workers)
        parse_bytes(self.memory)
        if self.block_rows is not None:
            as_count(self.block_rows, "block_rows", 1)
        if self.executor is not None and not callable(getattr(self.executor, "submit", None)):
            raise OptionError(
                f"executor must have the submit of concurrent.futures, got {type(self.executor).__name__}; for a Dask "
                "client give client.get_executor()"
            )

    @property
    def settings(self) -> Settings:
        """Those the result depends on."""
        rows, width = self.block_rows, self.width
        block_rows = None if rows is None else as_count(rows, "block_rows", 1)
        several = isinstance(width, Sequence) and not isinstance(width, str | bytes)
        widths = as_widths(width) if several else check_width(cast(int, width))
        loss = as_row_loss(self.loss, self.label_smoothing)
        return Settings(self.activation, widths, block_rows, loss, self.alpha, self.gain)

    def check_targets(self, target: Any) -> None:
        """Refuse a gain where there is nothing that has one; `target` as of `scan`."""
        wanted = Request(target, None, None).wanted
        if self.gain != GAIN and not (self.settings.deep or (wanted is not None and len(wanted) > 1)):
            raise OptionError("gain is for several layers: give the width of each")

    @contextmanager
    def told(self, datasets: int) -> Iterator[Listeners]:
        """Who is told of rows, and who of datasets, while a scan of so many runs."""
        progress = False if self.progress is None else self.progress
        if callable(progress) and _takes_rows(progress):
            yield Listeners(cast(Progress, progress), lambda done: None)
        elif callable(progress):
            with bar("scan", datasets, progress=cast(Callable[[float], object], progress)) as share:
                yield Listeners(lambda name, stage, done, total: None, share)
        else:
            with rows_bar(enabled=as_flag(progress, "progress")) as show:
                ready = [0]

                def rows(name: str, stage: str, done: int, total: int | None) -> None:
                    before = f"{ready[0]:,} of {datasets:,} done, " if ready[0] else ""
                    show(f"{before}{name}: {stage}", done, total)

                def count(done: float) -> None:
                    ready[0] = int(done)

                yield Listeners(rows, count)

    @property
    def n_workers(self) -> int:
        """Workers meant by `workers`."""
        return count_workers(self.workers)

    @property
    def memory_bytes(self) -> int:
        """Bytes meant by `memory`."""
        return parse_bytes(self.memory)
