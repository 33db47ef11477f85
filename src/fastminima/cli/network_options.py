"""Options of commands that build networks: widths, activation, scales and loss, of one hidden layer or of several."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from fastminima.errors import OptionError
from fastminima.losses.given import LossName
from fastminima.losses.pointwise import Huber, PointwiseLoss
from fastminima.theorems.theorem1.deep_construction import GAIN

from .arguments import add_activation_argument
from .wording import widths

__all__ = ["add_network_arguments", "asked_of", "refuse_deep_options", "takes_labels"]


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which networks, and under which loss."""
    parser.add_argument(
        "--width",
        type=widths,
        default=2,
        metavar="D1",
        help="hidden units, or the widths of several hidden layers as 16,16,16 (default 2)",
    )
    add_activation_argument(parser, "anything that is affine on an interval")
    parser.add_argument(
        "--alpha", type=float, metavar="A", help="scale of the hidden layer (default 1; of several layers 2)"
    )
    parser.add_argument(
        "--gain",
        type=float,
        metavar="G",
        help=f"of several layers: each lies G times further inside its half-line than the one before (default {GAIN:g})",
    )
    parser.add_argument(
        "--loss",
        choices=get_args(LossName),
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


def asked_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `spurious_minimum` and `scan` take beside the data, the activation and the width."""
    return {
        "loss": _loss_of(arguments),
        "alpha": "auto" if arguments.alpha is None else arguments.alpha,
        "gain": GAIN if arguments.gain is None else arguments.gain,
        "label_smoothing": arguments.label_smoothing or 0.0,
    }


def _loss_of(arguments: argparse.Namespace) -> LossName | PointwiseLoss:
    """The loss that --loss and --delta name."""
    name: LossName = arguments.loss
    return Huber(arguments.delta) if name == "huber" and arguments.delta is not None else name
