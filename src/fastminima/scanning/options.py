"""What a scan is asked to do, in one object: options are checked once and handed on as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from fastminima.errors import OptionError
from fastminima.networks.activations.named import ActivationLike, as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.system.options import as_count, check_width, count_workers, parse_bytes

from .dealer import Submitter
from .results import ScanResult

__all__ = ["Progress", "ScanOptions", "Settings"]

Progress = Callable[[str, str, int, "int | None"], None]


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
    progress: Progress
    on_result: Callable[[ScanResult], None] | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", as_piecewise(self.activation, "scan"))
        for name in ("progress", "on_result"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise OptionError(f"{name} must be a function, got {type(getattr(self, name)).__name__}")
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

    @property
    def n_workers(self) -> int:
        """Workers meant by `workers`."""
        return count_workers(self.workers)

    @property
    def memory_bytes(self) -> int:
        """Bytes meant by `memory`."""
        return parse_bytes(self.memory)
