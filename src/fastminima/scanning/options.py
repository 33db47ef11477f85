"""What a scan is asked to do, in one object: options are checked once and handed on as they are."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, cast

from fastminima.errors import OptionError
from fastminima.networks.activations.named import ActivationLike, as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.system.options import as_count, as_flag, check_width, count_workers, parse_bytes
from fastminima.system.progress import as_progress, bar, rows_bar

from .dealer import Submitter
from .results import ScanResult

__all__ = ["Progress", "ScanOptions", "Settings", "Told"]

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
    """What the result of a scan depends on beside the data."""

    activation: PiecewiseLinear
    width: int
    block_rows: int | None


@dataclass(frozen=True)
class ScanOptions:
    """The options of `scan` but for those that say what is read; see there.

    Raises
    ------
    OptionError
        An option is out of range.
    DataTypeError, NetworkError
        `activation` or `width` are not usable.
    """

    activation: ActivationLike
    width: int
    workers: int
    executor: Submitter | None
    block_rows: int | None
    memory: int | str
    checkpoint: str | os.PathLike[str] | None
    progress: Told
    on_result: Callable[[ScanResult], None] | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", as_piecewise(self.activation, "scan"))
        as_progress(False if self.progress is None else self.progress)
        if self.on_result is not None and not callable(self.on_result):
            raise OptionError(f"on_result must be a function, got {type(self.on_result).__name__}")
        if self.checkpoint is not None and not isinstance(self.checkpoint, (str, os.PathLike)):
            raise OptionError(
                f"checkpoint must be the path of a folder, got {type(self.checkpoint).__name__}"
            )
        check_width(self.width)
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
        rows = self.block_rows
        block_rows = None if rows is None else as_count(rows, "block_rows", 1)
        return Settings(as_piecewise(self.activation, "scan"), check_width(self.width), block_rows)

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
