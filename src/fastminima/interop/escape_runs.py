"""What an escape benchmark found, run by run and as a table."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.landscape.polish.polish import Polish
from fastminima.networks.deep_network import DeepNetwork
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.packages import import_optional
from fastminima.system.results import Result
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum

from .escape_plot import draw_outcomes, draw_risks, noise_words
from .training import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FRESH", "DeepStart", "EscapeBenchmark", "EscapeRun", "EscapeStart", "Outcome"]

F64 = NDArray[np.float64]
FRESH = float("inf")
"""The noise of a run from a default initialisation, which knows nothing of the minimum."""


class Outcome(enum.StrEnum):
    """Where a run ended.

    RETURNED : in the start's region, or beside a certified minimum of exactly its risk.
    ESCAPED : lower than the start's minimum, exactly, and beside a certified other minimum, lower still.
    LEFT : not lower itself, but outside the region, and the certified minimum to which `polish` descends from there is:
        more steps may do what these did not.
    HIGHER : beside a certified other minimum of higher risk.
    DIVERGED : parameters or risk left float64, or the risk ended above both the risk at the first step and that of the
        best constant.
    UNDECIDED : beside no certified minimum: `polish` found no verdict.

    Of deep networks, which `polish` does not take: RETURNED, all units of all samples in the affine segment, where no
    network is lower; ESCAPED, outside and lower, proved; DIVERGED as above; else UNDECIDED.
    """

    RETURNED = "returned"
    ESCAPED = "escaped"
    LEFT = "left"
    HIGHER = "higher"
    DIVERGED = "diverged"
    UNDECIDED = "undecided"


@dataclass(frozen=True, eq=False, repr=False)
class EscapeStart:
    """A certified bad minimum at which runs start.

    Attributes
    ----------
    network : OneHiddenLayer
        In float64; noise is added to it.
    polish : Polish
        The exact local minimum beside it, its region and its radius.
    """

    network: OneHiddenLayer
    polish: Polish

    @property
    def radius(self) -> float:
        """Certified: no network this near to `network` has a risk below that of the exact minimum."""
        return self.polish.radius

    @property
    def exact_risk(self) -> Fraction:
        """Risk of the exact minimum."""
        return self.polish.decision.exact_risk

    @property
    def risk(self) -> float:
        """`exact_risk`, rounded."""
        return float(self.exact_risk)

    def __repr__(self) -> str:
        return f"EscapeStart(width={self.network.width}, risk={self.risk:.10g}, radius={self.radius:.6g})"


@dataclass(frozen=True, eq=False, repr=False)
class DeepStart:
    """A certified bad minimum of a deep network at which runs start.

    Attributes
    ----------
    low : DeepMinimum
    curvature : float
        The largest absolute eigenvalue of the mean loss's Hessian there, about: step sizes are made of it.
    """

    low: DeepMinimum
    curvature: float

    @property
    def network(self) -> DeepNetwork:
        """In float64; noise is added to it."""
        assert self.low.network is not None
        return self.low.network

    @property
    def radius(self) -> float:
        """Certified: no network whose hidden layers are this near has a loss below that of the best affine map."""
        return self.low.radius

    @property
    def risk(self) -> float:
        """The least loss of an affine map, rounded down: `low.bound`."""
        return self.low.bound

    def __repr__(self) -> str:
        return (
            f"DeepStart({self.network!r}, loss={self.low.loss:.10g}, radius={self.radius:.6g}, "
            f"curvature={self.curvature:.4g})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class EscapeRun:
    """One optimiser from one noisy start.

    Attributes
    ----------
    optimiser : str
    start : int
        Index in `EscapeBenchmark.starts`.
    noise : float
        As it was asked for; inf for a default initialisation.
    distance : float
        Euclidean length of the noise, over all parameters; from the minimum to a default initialisation.
    repeat : int
        Which of the directions.
    outcome : Outcome
    reason : str
    began_in_region : bool
        Did the noisy start lie in the region of its minimum (of deep networks: in its cell)? Decided exactly.
    first_lower : int or None
        Gradient evaluations at the first record whose risk was below the start's by more than 1e-9 of it; records are
        spread over the logarithm of the steps.
    begin : OneHiddenLayer or DeepNetwork
        The noisy start.
    trace : Trace
        `trace.steps` and `trace.risk`; `trace.end` is the network at the end.
    polish : Polish or None
        From the end, where that was neither in the start's region nor diverged; None of deep networks.
    """

    optimiser: str
    start: int
    noise: float
    distance: float
    repeat: int
    outcome: Outcome
    reason: str
    began_in_region: bool
    first_lower: int | None
    begin: OneHiddenLayer | DeepNetwork
    trace: Trace
    polish: Polish | None

    @property
    def steps(self) -> int:
        """Gradient evaluations made."""
        return int(self.trace.steps[-1])

    @property
    def final_risk(self) -> float:
        """Risk at the end, before polishing; inf where it left float64."""
        risk = float(self.trace.risk[-1])
        return risk if np.isfinite(risk) else np.inf

    def __repr__(self) -> str:
        return (
            f"EscapeRun({self.optimiser}, start {self.start}, noise {self.noise:g}: {self.outcome}, "
            f"risk {self.trace.risk[0]:.6g} -> {self.final_risk:.6g} in {self.steps} steps)"
        )


@dataclass(frozen=True, eq=False, repr=False)
class EscapeBenchmark(Result):
    """Runs of optimisers from certified bad minima, with noise.

    Attributes
    ----------
    starts : tuple of EscapeStart, or of DeepStart
    runs : tuple of EscapeRun
    optimisers : tuple of str
    noise : tuple of float
        With inf where runs from default initialisations were asked for.
    noise_unit : {"radius", "absolute"}
    reference : float or None
        An upper bound on the least risk, if one was given.
    interrupted : bool
        Was the benchmark stopped? `runs` then holds those that had ended.

    Examples
    --------
    >>> import fastminima as fm
    >>> found = fm.escape_benchmark(fm.load_demo("xor"), "lbfgs", noise=0.5, starts=1, width=2, steps=50)
    >>> len(found.runs), [run.outcome.value for run in found.runs]
    (2, ['returned', 'returned'])
    """

    starts: tuple[EscapeStart | DeepStart, ...]
    runs: tuple[EscapeRun, ...]
    optimisers: tuple[str, ...]
    noise: tuple[float, ...]
    noise_unit: Literal["radius", "absolute"]
    reference: float | None
    interrupted: bool = False

    def cells(self) -> Iterator[tuple[str, float, list[EscapeRun]]]:
        """(optimiser, noise, its runs), those without runs left out."""
        for name in self.optimisers:
            for noise in self.noise:
                runs = [run for run in self.runs if run.optimiser == name and run.noise == noise]
                if runs:
                    yield name, noise, runs

    def ratio(self, run: EscapeRun, risk: float) -> float:
        """A risk over that of the run's start."""
        return risk / self.starts[run.start].risk

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary an optimiser and noise.

        `runs`; shares of them that `returned`, `escaped`, `left`, ended `higher`, `diverged`, `undecided`; `steps` (median);
        `lower`, the share of them that were lower at some record, and
        `first_lower` (median over those, None without one); `begin`, `final`, `best`: risk over
        the start's, at the first step (median) and at the end (median and least); `minimum`: the same of the certified
        minima of runs that escaped (median, None without one); with a reference, `over_reference`: final risk over it
        (median).
        """
        return [self._row(name, noise, runs) for name, noise, runs in self.cells()]

    def _row(self, name: str, noise: float, runs: list[EscapeRun]) -> dict[str, Any]:
        final = [self.ratio(run, run.final_risk) for run in runs]
        lower = [run.first_lower for run in runs if run.first_lower is not None]
        minima = [
            self.ratio(run, run.polish.risk)
            for run in runs
            if run.outcome is Outcome.ESCAPED and run.polish is not None
        ]
        row: dict[str, Any] = {"optimiser": name, "noise": noise, "runs": len(runs)}
        for outcome in Outcome:
            row[str(outcome)] = sum(run.outcome is outcome for run in runs) / len(runs)
        row |= {
            "steps": float(np.median([run.steps for run in runs])),
            "lower": len(lower) / len(runs),
            "first_lower": float(np.median(lower)) if lower else None,
            "begin": float(np.median([self.ratio(run, float(run.trace.risk[0])) for run in runs])),
            "final": float(np.median(final)),
            "best": float(np.min(final)),
            "minimum": float(np.median(minima)) if minima else None,
        }
        if self.reference is not None:
            row["over_reference"] = float(np.median([run.final_risk for run in runs])) / self.reference
        return row

    @property
    def table(self) -> Any:
        """`rows` as a pandas DataFrame.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed (extra `tables`).
        """
        pandas = import_optional("pandas", extra="tables", purpose="a table of the benchmark")
        return pandas.DataFrame(self.rows)

    def to_frame(self) -> Any:
        """One row a run, as a pandas DataFrame.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed (extra `tables`).
        """
        pandas = import_optional("pandas", extra="tables", purpose="a table of the runs")
        return pandas.DataFrame(self.run_rows())

    def run_rows(self) -> list[dict[str, Any]]:
        """One dictionary a run."""
        names = (
            "optimiser",
            "start",
            "noise",
            "distance",
            "repeat",
            "began_in_region",
            "first_lower",
            "steps",
        )
        return [
            {name: getattr(run, name) for name in names}
            | {
                "outcome": str(run.outcome),
                "start_risk": self.starts[run.start].risk,
                "begin_risk": float(run.trace.risk[0]),
                "final_risk": run.final_risk,
                "minimum_risk": None if run.polish is None else run.polish.risk,
                "minimum_radius": None if run.polish is None else run.polish.radius,
                "reason": run.reason,
            }
            for run in self.runs
        ]

    @property
    def half(self) -> dict[str, float | None]:
        """The least noise at which at least half of an optimiser's runs escaped; None where there is none."""
        found: dict[str, float | None] = dict.fromkeys(self.optimisers)
        for row in self.rows:
            name, noise = row["optimiser"], row["noise"]
            known = found[name]
            if noise < FRESH and row["escaped"] >= 0.5 and (known is None or noise < known):
                found[name] = noise
        return found

    def plot(self, ax: Axes | None = None, *, noise: float | None = None) -> Any:
        """Draw the outcomes, or the risks over the steps at one noise.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure without it.
        noise : float, optional
            One of `noise`: the risk over the start's of every run with it. Without it: the share of each outcome, a bar
            for each optimiser and noise.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed (extra `plot`).
        OptionError
            If there is no run, or none with this noise.
        """
        if noise is None:
            return draw_outcomes(ax, self.rows, [str(o) for o in Outcome], self.unit)
        lines = [
            (run.optimiser, run.trace.steps, run.trace.risk / self.starts[run.start].risk)
            for run in self.runs
            if run.noise == noise
        ]
        return draw_risks(ax, lines, noise, self.unit)

    @property
    def unit(self) -> str:
        """Of the noise, in words."""
        return "certified radii" if self.noise_unit == "radius" else "absolute"

    def __repr__(self) -> str:
        escaped = sum(run.outcome is Outcome.ESCAPED for run in self.runs)
        stopped = ", interrupted" if self.interrupted else ""
        return (
            f"EscapeBenchmark({len(self.runs)} runs of {', '.join(self.optimisers)} from {len(self.starts)} "
            f"certified minima: {escaped} escaped{stopped})"
        )

    def __str__(self) -> str:
        lines = [
            repr(self),
            f"  {'optimiser':<12} {'noise':>8} {'runs':>5} "
            + " ".join(f"{outcome!s:>9}" for outcome in Outcome)
            + f" {'first lower':>11} {'final':>9} {'best':>9}",
        ]
        for row in self.rows:
            first = "" if row["first_lower"] is None else f"{row['first_lower']:.0f}"
            lines.append(
                f"  {row['optimiser']:<12} {noise_words(row['noise']):>8} {row['runs']:>5} "
                + " ".join(f"{row[str(outcome)]:>9.0%}" for outcome in Outcome)
                + f" {first:>11} {row['final']:>9.4g} {row['best']:>9.4g}"
            )
        return "\n".join(lines)
