"""`fastminima construct` for several hidden layers, several targets, other activations and other losses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Literal

from fastminima.data.dataset import Dataset
from fastminima.errors import OptionError
from fastminima.losses.given import LossName
from fastminima.losses.pointwise import Huber, PointwiseLoss
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
from .output import print_table
from .short_json import print_json
from .stages import Stages

__all__ = ["add_deep_arguments", "construct_deep", "loss_of", "refuse_deep_options", "takes_labels"]

LOSSES = ("squared", "huber", "logistic", "softmax")
# what has a meaning with one hidden layer alone
_CLASSIC = ("method", "reach", "sample")


def add_deep_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says something of deep networks and of other losses."""
    parser.add_argument(
        "--gain",
        type=float,
        metavar="G",
        help="of several layers: each lies G times further inside its half-line than the one before (default 8)",
    )
    parser.add_argument(
        "--loss",
        choices=LOSSES,
        default="squared",
        help="logistic and softmax take a target of labels (texts, whole numbers, True and False), logistic of two classes; "
        "or a target of 0 and 1 for each output (logistic), of a probability for each class (softmax); default squared",
    )
    parser.add_argument("--delta", type=float, metavar="D", help="huber: where lines begin (default 1)")
    parser.add_argument(
        "--label-smoothing",
        type=float,
        metavar="S",
        help="logistic, softmax: the share of every sample that goes to all classes alike (default 0)",
    )


def refuse_deep_options(arguments: argparse.Namespace) -> None:
    """Refuse options that say nothing of what is asked for.

    Raises
    ------
    OptionError
    """
    if arguments.delta is not None and arguments.loss != "huber":
        raise OptionError("--delta is that of --loss huber")
    if arguments.label_smoothing is not None and arguments.loss not in ("logistic", "softmax"):
        raise OptionError("--label-smoothing is for --loss logistic and --loss softmax")


def takes_labels(arguments: argparse.Namespace) -> bool:
    """Does the one target hold labels of classes?"""
    return arguments.loss in ("logistic", "softmax") and len(arguments.target or ()) < 2


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
        alpha: float | Literal["auto"] = "auto" if arguments.alpha is None else arguments.alpha
        low = spurious_minimum(
            data,
            activation,
            width,
            alpha,
            loss=loss_of(arguments),
            gain=8.0 if arguments.gain is None else arguments.gain,
            label_smoothing=arguments.label_smoothing or 0.0,
        )
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


def loss_of(arguments: argparse.Namespace) -> LossName | PointwiseLoss:
    """The loss that --loss and --delta name."""
    name: LossName = arguments.loss
    return Huber(arguments.delta) if name == "huber" and arguments.delta is not None else name


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
