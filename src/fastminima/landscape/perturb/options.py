"""What a probe was asked for, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OptionError
from fastminima.system.options import as_flag, check_choice, check_count, check_radius, count_workers, spelled
from fastminima.system.progress import Progress, as_progress

from .points import DISTRIBUTIONS

__all__ = ["Distribution", "Dtype", "Method", "ProbeOptions", "check_levels"]

F64 = NDArray[np.float64]

Dtype = Literal["float64", "float32"]
Distribution = Literal["sphere", "ball", "normal"]
Method = Literal["auto", "direct", "screened"]

_MAX_INDEX = 2**63
_DTYPES = ("float64", "float32")
_METHODS = ("auto", "direct", "screened")


def check_levels(levels: Any) -> tuple[float, ...]:
    """Levels of quantiles as floats in [0, 1]; OptionError for anything else."""
    try:
        numbers = tuple(float(v) for v in levels)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"quantiles must be a sequence of levels in [0, 1], got {spelled(levels)}"
        ) from error
    for number in numbers:
        if not 0.0 <= number <= 1.0:
            raise OptionError(f"quantiles must be levels in [0, 1], got {number}")
    return numbers


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """The options of `fastminima.probe`, with its names; what everything behind it takes.

    Attributes
    ----------
    radii : tuple of float
        `radius`, or every radius of the sequence that it was.
    is_sweep : bool
        Was it a sequence?
    n, seed : int
    threads : int
        Of `workers`.
    dtype, distribution, method : str
    levels : tuple of float
        Of `quantiles`.
    keep : bool
    progress : bool or callable

    Raises
    ------
    OptionError
        An option is none of its values or out of its range; no radius.
    """

    radius: InitVar[float | Sequence[float] | F64]
    n: int
    seed: int
    workers: InitVar[int]
    dtype: Dtype
    distribution: Distribution
    keep: bool
    method: str
    quantiles: InitVar[Sequence[float]]
    progress: Progress
    radii: tuple[float, ...] = field(init=False)
    is_sweep: bool = field(init=False)
    threads: int = field(init=False)
    levels: tuple[float, ...] = field(init=False)

    def check_direct(self, activation: Any) -> None:
        """Raise `OptionError` for what piecewise linear activations alone have."""
        for given, name, only in ((self.method, "method", "direct"), (self.dtype, "dtype", "float64")):
            if given not in ("auto", only):
                raise OptionError(
                    f'{name}="{given}" is for piecewise linear activations; the network has {spelled(activation)}, which is '
                    f'evaluated with {name}="{only}"'
                )

    def __post_init__(
        self, radius: float | Sequence[float] | F64, workers: int, quantiles: Sequence[float]
    ) -> None:
        try:
            given = np.atleast_1d(np.asarray(radius, dtype=object)).tolist()
        except Exception:  # whatever the conversion of a foreign object raises
            given = [radius]
        radii = tuple(check_radius(value) for value in given)
        if not radii:
            raise OptionError("radius is an empty sequence; give at least one radius")
        checked = {
            "radii": radii,
            "is_sweep": np.ndim(radius) > 0,
            "n": check_count(self.n, "n", _MAX_INDEX),
            "seed": check_count(self.seed, "seed", 2**64),
            "keep": as_flag(self.keep, "keep"),
            "progress": as_progress(self.progress),
            "threads": count_workers(workers),
            "distribution": check_choice(self.distribution, "distribution", tuple(DISTRIBUTIONS)),
            "dtype": check_choice(self.dtype, "dtype", _DTYPES),
            "method": check_choice(self.method, "method", _METHODS),
            "levels": check_levels(quantiles),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
