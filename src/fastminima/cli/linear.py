"""The command `fastminima linear`: is this deep linear network at a minimum or at a saddle, and where is the way out?"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OptionError, ReadError, TargetError
from fastminima.losses.base import ProductLoss
from fastminima.losses.named import (
    HuberLoss,
    LogCoshLoss,
    LogisticLoss,
    SmoothedQuantileLoss,
    SoftmaxCrossEntropy,
)
from fastminima.losses.squared import SquaredLoss
from fastminima.networks.linear_layers import as_chain, read_chain
from fastminima.reporting.plain_names import with_old_names
from fastminima.reporting.results.plain import linear_values
from fastminima.system.files import replacing
from fastminima.theorems.theorem4.classify import LinearVerdict, classify_linear
from fastminima.theorems.theorem4.hessian import curvature_signs

from .arguments import (
    add_cleaning_arguments,
    add_features_argument,
    add_result_arguments,
    add_text_arguments,
    samples,
)
from .folder import OutputFolder
from .output import print_table
from .short_json import add_full_argument, print_json
from .wording import exit_status

__all__ = ["add_parser", "run"]

_EPILOG = """\
examples:
  fastminima linear demo:saddle
  fastminima linear trained.npz table.csv --target y1 --target y2 --tol 1e-6
  fastminima linear weights.npz table.npy --target -2 --target -1 --loss huber --delta 0.5 --radius 0.01 --out results

WEIGHTS.npz holds W1, W2, ... in the order in which inputs pass them, W1 of shape (units, inputs).

""" + exit_status(
    "where the weights are classified", "where they are not: undetermined, or the width condition fails"
)
_OPEN = (LinearVerdict.UNDETERMINED, LinearVerdict.WIDTH_CONDITION_FAILS)
_LOSSES = ("squared", "huber", "logistic", "softmax", "log-cosh", "quantile")


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add `linear` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "linear",
        help="theorem 4: is a deep linear network at a minimum or a saddle, and the way out of it",
        description="Theorem 4 and corollary 5: classify the weights of a deep linear network and, at a saddle, walk out of "
        "it: one point above and one below inside a ball, both differences confirmed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "weights", metavar="WEIGHTS.npz", help="arrays W1, W2, ..., or demo:saddle, demo:zero, demo:minimum"
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help=".csv, .tsv, .data, .xlsx, .npy, .npz (arrays X, Y) or .parquet file",
    )
    parser.add_argument(
        "--target",
        action="append",
        metavar="COLUMN",
        help="name or position of a target column, once for each (given once, commas separate names)",
    )
    add_features_argument(parser)
    # as they were spelled at first
    parser.add_argument("--data", dest="data_option", help=argparse.SUPPRESS)
    parser.add_argument("--targets", help=argparse.SUPPRESS)
    add_cleaning_arguments(parser, None)
    add_text_arguments(parser)
    parser.add_argument(
        "--bias", action="store_true", help="append a constant input: the last column of W1 is a bias"
    )
    parser.add_argument("--loss", choices=_LOSSES, default="squared", help="ell0 (default squared)")
    parser.add_argument(
        "--delta", type=float, default=1.0, metavar="D", help="huber: where lines begin (default 1)"
    )
    parser.add_argument(
        "--tau", type=float, default=0.5, metavar="T", help="quantile: which one (default 0.5)"
    )
    parser.add_argument(
        "--smoothing", type=float, default=1.0, metavar="S", help="quantile: width of the corner (default 1)"
    )
    parser.add_argument(
        "--tol",
        type=float,
        metavar="T",
        help="for trained weights: critical within T, from singular values, not certified (default: decide exactly)",
    )
    parser.add_argument(
        "--radius",
        type=float,
        default=0.1,
        metavar="R",
        help="ball around each layer for the way out (default 0.1)",
    )
    add_result_arguments(parser, "linear.json and, at a saddle, up.npz and down.npz", "the result as JSON")
    add_full_argument(parser, "null vectors, eigenvalues, margins and numbers as text")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima linear`; returns the exit status."""
    if arguments.data_option is not None:
        if arguments.data is not None:
            raise OptionError("the data are DATA, behind WEIGHTS.npz: leave --data out")
        arguments.data = arguments.data_option
    if arguments.out is None:
        return _run(arguments, None)
    reads = [name for name in (arguments.weights, arguments.data) if name is not None]
    with OutputFolder(arguments.out, "linear", reads) as folder:
        return _run(arguments, folder)


@dataclass(frozen=True)
class _Problem:
    """What is classified, and where it comes from."""

    weights: list[NDArray[np.float64]]
    X: Any
    Y: Any
    story: str | None = None


def _run(arguments: argparse.Namespace, folder: OutputFolder | None) -> int:
    if not 0.0 < arguments.radius < float("inf"):
        raise OptionError(f"--radius must be a finite number above 0, got {arguments.radius}")
    start = time.perf_counter()
    problem = _problem(arguments)
    loss = _loss(arguments, problem)
    weights = as_chain(problem.weights, loss.shape)
    seconds = {"read": time.perf_counter() - start}
    start = time.perf_counter()
    result, pair = _classified(weights, loss, arguments)
    seconds["classify"] = time.perf_counter() - start
    known = {
        "weights": arguments.weights,
        "source": arguments.data,
        "n_samples": len(problem.X),
        "widths": [weights[0].shape[1], *(W.shape[0] for W in weights)],
        "loss": arguments.loss,
        "bias": arguments.bias,
        "value": _value(weights, loss),
        **result,
        "seconds": seconds,
    }
    summary = with_old_names(known)
    files = [] if folder is None else _write(folder, summary, pair)
    if arguments.json:
        print_json(summary, files, full=arguments.full)
    else:
        table = [list(row) for row in _rows(summary, problem)]
        if files:
            table.append(["written", f"{', '.join(Path(f).name for f in files)} in {Path(files[0]).parent}"])
        print_table(f"fastminima linear {arguments.weights}", None, table)
    return 1 if summary["verdict"] in _OPEN else 0


# --- what is classified ---------------------------------------------------------------------------------


def _cube() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sign cube {-1, 1}^3 with y1 = 3 x1 + x1 x2 x3 and y2 = 2 x2: the fit has singular values 3 and 2 times sqrt(8)."""
    X = np.array([[a, b, c] for a in (-1.0, 1.0) for b in (-1.0, 1.0) for c in (-1.0, 1.0)])
    return X, np.column_stack([3.0 * X[:, 0] + X.prod(axis=1), 2.0 * X[:, 1]])


def _demo(name: str) -> _Problem:
    X, Y = _cube()
    first, both = np.diag([1.0, 0.0, 0.0]), np.diag([1.0, 1.0, 0.0])
    last = np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    demos = {
        "saddle": (
            [first, first, last],
            "y1 is about 3 x1 and y2 is 2 x2; the network has learnt the first of the two and carries nothing else. Every "
            "layer would have to change at once to learn the second, so gradient and Hessian see no way down",
        ),
        "zero": (
            [np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((2, 3))],
            "all weights are 0: one layer, or two, may move and the output stays 0",
        ),
        "minimum": (
            [both, both, np.array([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0]])],
            "y1 is about 3 x1 and y2 is 2 x2; the network has learnt both, and x1 x2 x3 is not linear",
        ),
    }
    if name not in demos:
        raise ReadError(
            f"there is no demo:{name}; the demos of linear are {', '.join('demo:' + d for d in demos)}"
        )
    weights, story = demos[name]
    return _Problem(weights, X, Y, story)


def _problem(arguments: argparse.Namespace) -> _Problem:
    """Weights and data as the command line names them."""
    if arguments.weights.startswith("demo:"):
        names = {"data": "DATA", "target": "--target", "targets": "--targets", "features": "--features"}
        given = [option for name, option in names.items() if getattr(arguments, name) is not None]
        if given or arguments.bias or arguments.loss == "logistic" or arguments.loss == "softmax":
            option = given[0] if given else "--bias" if arguments.bias else f"--loss {arguments.loss}"
            raise TargetError(f"{arguments.weights} has its own data, which {option} does not fit")
        return _demo(arguments.weights.removeprefix("demo:"))
    if arguments.data is None:
        raise TargetError(
            "which data? Pass DATA and --target C1 --target C2 (or a demo: fastminima linear demo:saddle)"
        )
    weights = read_chain(arguments.weights)
    return _Problem(weights, *samples(arguments))


def _loss(arguments: argparse.Namespace, problem: _Problem) -> ProductLoss:
    X, Y, bias = problem.X, problem.Y, arguments.bias
    if arguments.loss == "huber":
        return HuberLoss(X, Y, arguments.delta, bias=bias)
    if arguments.loss == "quantile":
        return SmoothedQuantileLoss(X, Y, arguments.tau, arguments.smoothing, bias=bias)
    if arguments.loss == "softmax":
        return SoftmaxCrossEntropy(X, Y, problem.weights[-1].shape[0], bias=bias)
    if arguments.loss == "logistic":
        return LogisticLoss(X, Y, bias=bias)
    if arguments.loss == "log-cosh":
        return LogCoshLoss(X, Y, bias=bias)
    return SquaredLoss(X, Y, bias=bias)


# --- what comes out -------------------------------------------------------------------------------------


def _value(weights: list[NDArray[np.float64]], loss: ProductLoss) -> float:
    from fastminima.theorems.theorem4.product_change import product

    return loss.value(product(weights).unscaled().values)


def _classified(
    weights: list[NDArray[np.float64]], loss: ProductLoss, arguments: argparse.Namespace
) -> tuple[dict[str, Any], tuple[Any, Any] | None]:
    """(the facts, the pair or None)."""
    report = classify_linear(weights, loss, arguments.tol, radius=arguments.radius)
    facts = linear_values(report) | {"hessian": None}
    if report.verdict != LinearVerdict.NOT_CRITICAL:
        signs = curvature_signs(weights, loss, report.tol)
        facts["hessian"] = None if signs is None else asdict(signs)
    pair = report.escape
    return facts, None if pair is None else (pair.P, pair.Q)


def _rows(summary: dict[str, Any], problem: _Problem) -> Iterable[tuple[str, str]]:
    if problem.story is not None:
        yield "the story", problem.story
    yield (
        "network",
        " -> ".join(str(width) for width in summary["widths"])
        + f" ({len(summary['widths']) - 2} hidden layer{'s' * (len(summary['widths']) > 3)})",
    )
    yield "data", f"{summary['n_samples']:,} samples, {summary['loss']} loss {summary['value']:.10g}"
    yield "verdict", summary["verdict"]
    yield "that means", LinearVerdict(summary["verdict"]).meaning
    yield "decided by", summary["part"]
    yield "because", summary["reason"]
    loose = "no" if summary["tol"] is None else f"no: within tol = {summary['tol']:g}"
    yield "certified", "yes: decided in exact arithmetic" if summary["certified"] else loose
    yield (
        "gradient norms",
        ", ".join(f"W{j} {norm:.3g}" for j, norm in enumerate(summary["gradient_norms"], 1)),
    )
    yield "gradient of ell0 at the product", f"{summary['product_gradient_norm']:.6g}"
    if summary["ranks"]:
        yield "ranks", ", ".join(f"{name} {rank}" for name, rank in summary["ranks"].items())
    curvature = summary["hessian"]
    if curvature is not None:
        yield (
            "Hessian, exactly" if summary["tol"] is None else "Hessian, within tol",
            f"{curvature['negative']} negative, {curvature['zero']} zero, {curvature['positive']} positive directions",
        )
        if summary["verdict"] == "saddle" and not curvature["negative"]:
            yield "so", "a saddle that no second derivative sees: descent with any curvature test stalls here"
    if summary["squared"] is not None:
        yield "squared loss", summary["squared"]["text"]
    escape = summary["escape"]
    if escape is not None:
        if summary["escape_order"] is not None:
            yield "way down", f"shrinks like the radius to the power {summary['escape_order']}"
        rational = "confirmed for rational tuples, NOT for the float64 ones next to them"
        unproved = rational if escape["exact"] else "NOT confirmed"
        state = "both confirmed" if escape["confirmed"] else unproved
        yield f"within {escape['radius']:g} of each layer", f"a higher and a lower point, {state}"
        yield "loss up there minus here", escape["up"]["text"]
        yield "loss here minus down there", escape["down"]["text"]
    for stage, value in summary["seconds"].items():
        yield f"time, {stage}", f"{value:.3f} s"


def _write(folder: OutputFolder, summary: dict[str, Any], pair: tuple[Any, Any] | None) -> list[str]:
    for name, chain in zip(("up.npz", "down.npz"), pair or (), strict=False):
        with replacing(folder.file(name)) as stream:
            np.savez(stream, **{f"W{j}": W for j, W in enumerate(chain, 1)})
    return folder.finish_with(summary)
