"""`scan`: theorem 1 on one dataset larger than memory, or on hundreds, on one machine or many."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal

from fastminima.data.cleaning import Categories, Missing
from fastminima.data.columns import Column, Targets
from fastminima.data.sources.block_source import BlockSource
from fastminima.data.sources.open_sources import ScanSource, Unopened, open_sources
from fastminima.data.text_form import DecimalMark, TextOptions
from fastminima.losses.given import LossName
from fastminima.losses.pointwise import PointwiseLoss
from fastminima.networks.activations.named import ActivationLike
from fastminima.networks.activations.piecewise_linear import relu
from fastminima.system.files import writing
from fastminima.theorems.theorem1.deep_construction import GAIN

from .checkpoint import Checkpoint, Stages
from .dealer import Submitter
from .large import Resources, scan_large
from .options import Progress, ScanOptions, Settings, Told
from .passes import unchanged
from .pools import Pools
from .results import ScanReport, ScanResult
from .small import (
    checked,
    failed,
    fits_in_memory,
    is_short,
    is_small,
    needs_all_rows,
    scan_small,
    too_large,
)

__all__ = ["scan"]

# Small datasets dealt to a worker at once: a few, so that the last one to finish is not waited for.
_BATCH = 4


def scan(
    source: ScanSource,
    target: Targets = None,
    *,
    features: Sequence[Column] | None = None,
    sample_weight: Column | None = None,
    missing: Missing = "fail",
    categories: Categories = "reject",
    header: bool | None = None,
    sep: str | None = None,
    decimal: DecimalMark | None = None,
    activation: ActivationLike = relu,
    width: int | Sequence[int] = 2,
    loss: LossName | PointwiseLoss = "squared",
    alpha: float | Literal["auto"] = "auto",
    gain: float = GAIN,
    label_smoothing: float = 0.0,
    workers: int = 1,
    executor: Submitter | None = None,
    block_rows: int | None = None,
    memory: int | str = "2GB",
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Told = None,
    on_result: Callable[[ScanResult], None] | None = None,
) -> ScanReport:
    """Least squares, the spurious minimum, the set J and a better point, for every dataset of `source`.

    Parameters
    ----------
    source : path, glob, array, frame, Dataset, iterable of (X_block, y_block), or a list or dict of those
        See `fastminima.data.sources.open_sources.open_sources`.
    target : str or int, or sequence of those, optional
        The target column, or several.
    features : sequence of str or int, optional
        The input columns; all numeric ones by default.
    sample_weight : str or int, optional
        The column of sample weights.
    missing : {"fail", "drop"}
        What to do with rows that lack a value.
    categories : {"reject", "onehot"}
        What to do with columns of text.
    header : bool, optional
        Of text files: the first line is column names (True) or data (False; columns go by position), as in `read`.
    sep : str, optional
        Of text files: what separates the columns, one character, or "blanks"; as in `read`.
    decimal : {".", ","}, optional
        Of text files: the decimal mark; as in `read`.
    activation : PiecewiseLinear, Smooth, str or torch.nn.Module, default ReLU
        As of `spurious_minimum`: "leaky_relu:0.2", "elu", "hardtanh:-2,2" ...
    width : int or sequence of int, default 2
        Hidden units, of one layer (a better point needs 2) or of several.
    loss : "squared", "huber", "logistic", "softmax" or a loss of one row such as Huber(50.0), default "squared"
        Logistic and softmax loss take targets that are labels of classes: texts, whole numbers or bools.
    alpha, gain, label_smoothing : float
        As of `spurious_minimum`.
    workers : int, default 1
        Threads over the rows of a large dataset and processes over small datasets; -1 for all usable cores. A script that
        asks for more than one must be importable (``if __name__ == "__main__":``), as with any pool of processes.
    executor : object with ``submit``, optional
        Anything with the interface of `concurrent.futures`, used instead of workers of our own and not shut down:
        `ThreadPoolExecutor`, `ProcessPoolExecutor`, ``dask.distributed.Client.get_executor()``.
    block_rows : int, optional
        Rows of a block. The sums are made block by block, so it belongs to the result (in the last bits).
    memory : int or str, default "2GB"
        What this process may hold; the records of fitted values go to files where they would exceed it.
    checkpoint : path, optional
        A folder. Created when absent; when there, the scan goes on where it was stopped, to the same bits. Removed when
        the scan is complete.
    progress : bool or callable, optional
        True: a bar on a terminal or in a notebook. A function of one argument is told the share of the datasets that are
        done; one of four is told (dataset, stage, rows done, rows in all or None).
    on_result : callable, optional
        Called with each `ScanResult`, in the order of the datasets, as it is ready.

    Returns
    -------
    ScanReport
        A sequence of `ScanResult`; ``report.table`` has one row a dataset. A dataset that fails is a row with its named
        error. The same bits for every executor, number of workers and limit of memory.

    Raises
    ------
    OptionError
        An option is out of range or says nothing of what is asked for, or the checkpoint belongs to another scan.
    DataTypeError, NetworkError, LossError
        `activation`, `width`, `alpha`, `gain` or `loss` are not usable.
    OutputError
        The checkpoint cannot be written.

    Notes
    -----
    Theorem 1 of Yun, Sra and Jadbabaie (2019). Datasets of up to two million numbers go through `spurious_minimum` and
    `better_point` in memory. Larger ones stay where they are: two passes over the rows as a rule, one or two more where the
    columns are correlated.

    Several layers or targets, another loss, or an activation that is not made of two slopes: all rows of a dataset are used
    at once, and one that does not fit in `memory` is a row with a `TooLargeError`. Each result holds a `DeepMinimum` and a
    `DeepBetterPoint`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((40, 2))
    >>> report = fm.scan({"linear": (X, X[:, 0]), "curved": (X, X[:, 0] ** 2)})
    >>> [(r.name, str(r.minimum.status)) for r in report]
    [('linear', 'global'), ('curved', 'spurious')]
    """
    options = ScanOptions(
        activation=activation,
        width=width,
        loss=loss,
        alpha=alpha,
        gain=gain,
        label_smoothing=label_smoothing,
        workers=workers,
        executor=executor,
        block_rows=block_rows,
        memory=memory,
        checkpoint=checkpoint,
        progress=progress,
        on_result=on_result,
    )
    options.check_targets(target)
    sources = open_sources(
        source,
        target,
        features=features,
        sample_weight=sample_weight,
        missing=missing,
        categories=categories,
        text=TextOptions(header, sep, decimal),
        several=True,
        labels=options.settings.labels,
    )
    return _scanned(sources, options)


def _scanned(sources: Sequence[BlockSource | Unopened], options: ScanOptions) -> ScanReport:
    results: list[ScanResult] = []
    with ExitStack() as stack:
        folder = stack.enter_context(_temporary())
        pools = stack.enter_context(Pools(options.executor, options.n_workers, __name__))
        kept = None
        if options.checkpoint is not None:
            kept = _checkpoint(options.checkpoint, sources, options.settings)
            stack.callback(kept.close)
        told = stack.enter_context(options.told(len(sources)))
        work = _Work(sources, (options, told.rows), pools, folder, kept)
        for result in work.results():
            results.append(result)
            told.datasets(len(results))
            if options.on_result is not None:
                options.on_result(result)
        if kept is not None:
            kept.remove()
    return ScanReport(results)


@contextmanager
def _temporary() -> Iterator[str]:
    """A folder for temporary files, removed whatever happens."""
    with writing(tempfile.gettempdir(), "scan"):
        folder = tempfile.mkdtemp(prefix="fastminima-scan-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _checkpoint(
    path: str | os.PathLike[str], sources: Sequence[BlockSource | Unopened], settings: Settings
) -> Checkpoint:
    tokens = [f"{type(s.error).__name__}: {s.error}" if isinstance(s, Unopened) else s.token for s in sources]
    return Checkpoint(path, [s.name for s in sources], tokens, settings.told(), sources.__getitem__)


class _Work:
    """The datasets of a scan: runs of small ones dealt whole, large ones row by row."""

    def __init__(
        self,
        sources: Sequence[BlockSource | Unopened],
        how: tuple[ScanOptions, Progress],
        pools: Pools,
        folder: str,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._sources, self._pools, self._folder, self._checkpoint = sources, pools, folder, checkpoint
        options, self._progress = how
        self._settings, self._memory = options.settings, options.memory_bytes
        # results come while later datasets wait, and a run keeps all workers busy
        self._most = 64 * pools.workers

    def results(self) -> Iterator[ScanResult]:
        """Results in the order of the datasets."""
        run: list[tuple[int, BlockSource]] = []
        known = {} if self._checkpoint is None else self._checkpoint.results
        for index, source in enumerate(self._sources):
            if index in known:
                ready = known[index]
            elif isinstance(source, Unopened):
                ready = failed(source.name, source.error)
            else:
                # a short text file is parsed by the worker that scans it
                prepared = source if is_short(source) else self._prepared(source)
                if not isinstance(prepared, ScanResult) and self._at_once(prepared):
                    run.append((index, prepared))
                    if len(run) >= self._most:
                        yield from self._small(run)
                        run = []
                    continue
                ready = prepared
            yield from self._small(run)
            run = []
            if not isinstance(ready, ScanResult):
                ready = self._large(index, ready)
            yield self._finished(index, ready)
        yield from self._small(run)

    def _at_once(self, source: BlockSource) -> bool:
        """Is a source scanned with all its rows in memory?"""
        fits = fits_in_memory(source, self._memory)
        return fits if needs_all_rows(source, self._settings) else is_small(source, self._memory)

    def _prepared(self, source: BlockSource) -> BlockSource | ScanResult:
        def tell(done: int, total: int | None = None) -> None:
            self._progress(source.name, "reading", done, total)

        try:
            with unchanged(source):
                return source.prepare(self._folder, tell)
        except Exception as error:
            return failed(source.name, error)

    def _finished(self, index: int, result: ScanResult) -> ScanResult:
        if self._checkpoint is not None and index not in self._checkpoint.results:
            self._checkpoint.finished(index, result)
        return result

    def _small(self, run: Sequence[tuple[int, BlockSource]]) -> Iterator[ScanResult]:
        batches = [run[start : start + _BATCH] for start in range(0, len(run), _BATCH)]
        settings = self._settings
        tasks = (([source for _, source in batch], settings) for batch in batches)
        dealer = self._pools.whole(len(run), _BATCH)
        for batch, results in zip(batches, dealer.map(scan_small, tasks), strict=True):
            for (index, source), result in zip(batch, results, strict=True):
                rows = source.n_rows or 0
                self._progress(source.name, "scanned", rows, rows)
                yield self._finished(index, checked(source, result))

    def _large(self, index: int, source: BlockSource) -> ScanResult:
        if needs_all_rows(source, self._settings):
            return failed(source.name, too_large(source, self._settings, self._memory))
        stages = Stages(None, index, [], None)
        if self._checkpoint is not None:
            stages = self._checkpoint.stages(index, getattr(source, "stamp", ""))
        resources = Resources(
            self._pools.rows(), self._pools.workers, self._memory, self._folder, self._progress
        )
        try:
            return scan_large(source, self._settings, resources, stages)
        except Exception as error:
            # whatever it is, it is about this dataset: the scan goes on, and the row says what happened
            return failed(source.name, error)
