"""`fastminima construct` for several hidden layers, several targets, other activations and other losses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.errors import OptionError
from fastminima.networks.activations.named import ActivationLike
from fastminima.proof.prove import prove
from fastminima.reporting.deep_summary import deep_rows, summarise_deep
from fastminima.reporting.plain_names import with_old_names
from fastminima.theorems.theorem1.better_point import better_point
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import spurious_minimum
from fastminima.theorems.theorem1.status import MinimumStatus

from .certificates import proof_if_any
from .folder import OutputFolder
from .network_options import asked_of
from .output import print_table
from .short_json import print_json
from .stages import Stages

__all__ = ["construct_deep"]

# what has a meaning with one hidden layer alone
_CLASSIC = ("method", "reach", "sample")


def construct_deep(
    arguments: argparse.Namespace,
    data: Dataset,
    activation: ActivationLike,
    stage: Stages,
    folder: OutputFolder | None,
) -> int:
    """Construct, print and write; returns the exit status.

    Raises
    ------
    OptionError
        An option that has a meaning with one hidden layer, one target, squared loss and two slopes alone.
    """
    for name in _CLASSIC:
        if getattr(arguments, name) is not None:
            raise OptionError(
                f"--{name} is for one hidden layer, one target, squared loss and a piecewise linear activation"
            )
    with stage("minimum"):
        width: tuple[int, ...] = arguments.width if isinstance(arguments.width, tuple) else (arguments.width,)
        low = spurious_minimum(data, activation, width, **asked_of(arguments))
    assert isinstance(low, DeepMinimum)
    better: DeepBetterPoint | None = None
    if low:
        with stage("better point"):
            better = better_point(low, random_state=arguments.seed or 0)
    summary = with_old_names(summarise_deep(low, better, stage.seconds, arguments.data))
    table: list[list[str]] = []
    status = 0 if low.status is MinimumStatus.SPURIOUS and better else 1
    if folder is not None:
        if arguments.prove:
            with stage("prove"):
                table = proof_if_any(folder, lambda: prove(low, better or None), summary)
            status = status or int(summary["proof"] is None)
        with stage("write"):
            _write(folder, low, better, summary)
        files = folder.finish_with({**summary, "seconds": stage.seconds})
        table.append(["written", f"{', '.join(Path(f).name for f in files)} in {Path(files[0]).parent}"])
        summary["files"] = files
    summary["seconds"] = stage.seconds
    if arguments.json:
        print_json(summary, full=arguments.full)
    else:
        rows = [list(row) for row in deep_rows(summary)]
        print_table(f"fastminima construct {arguments.data}", None, rows + table)
    return status


def _write(
    folder: OutputFolder, low: DeepMinimum, better: DeepBetterPoint | None, summary: dict[str, Any]
) -> None:
    """Networks, and the picture of the way between them."""
    if low.network is not None:
        low.network.save(folder.file("minimum.npz"))
    if better is None or better.network is None:
        return
    better.network.save(folder.file("better.npz"))
    from fastminima.reporting.deep_segment import plot_deep_segment

    # a dollar sign in a name begins no formula
    name = Path(str(summary["source"])).name.replace("$", r"\$")
    plot_deep_segment(better, folder.file("segment.png"), f"{name}: {better.network}")
