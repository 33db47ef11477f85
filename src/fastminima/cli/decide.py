"""The commands `fastminima decide` and `fastminima polish`: is this network at a local minimum, and which one is near?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.errors import OptionError
from fastminima.fit.least_squares import least_squares
from fastminima.interop.network_files import load_network
from fastminima.landscape.decide.decision import Decision, decide
from fastminima.landscape.polish.polish import Polish, polish
from fastminima.landscape.smooth.decision import SmoothDecision
from fastminima.landscape.smooth.polish import SmoothPolish
from fastminima.landscape.verdict import PolishStatus, Verdict
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.proof.prove import prove
from fastminima.reporting.decide_summary import decide_rows, polish_rows, summarise_decision, summarise_polish
from fastminima.reporting.figures import require_matplotlib
from fastminima.reporting.smooth_summary import smooth_rows, summarise_smooth

from .arguments import add_network_file, add_result_arguments, load
from .certificates import proof_if_any
from .folder import OutputFolder
from .output import print_table
from .short_json import add_full_argument, print_json
from .stages import Stages
from .wording import exit_status

__all__ = ["add_parsers", "run_decide", "run_polish"]

_DECIDE_EPILOG = """\
examples:
  fastminima decide model.pt houses.csv --target price --activation relu
  fastminima decide model.npz houses.csv --target price --ball 0.001 --out decided
  fastminima decide results/minimum.npz demo:diabetes --out decided --prove

""" + exit_status(
    "at a local minimum",
    "where the network is at none, where that is not decided, or where --prove was asked for and there is no certificate",
)
_POLISH_EPILOG = """\
examples:
  fastminima polish model.safetensors houses.csv --target price --activation relu
  fastminima polish model.npz houses.csv --target price --leave-off-units --out polished
  fastminima polish model.npz demo:diabetes --out polished --prove

Ctrl-C ends the walk at the best point so far: it is printed and written like any other.
""" + exit_status(
    "at a local minimum",
    "where the walk ended at none, or where --prove was asked for and there is no certificate",
)


def add_parsers(commands: Any) -> None:
    """Add `decide` and `polish` to the subcommands made by `ArgumentParser.add_subparsers`."""
    judge: argparse.ArgumentParser = commands.add_parser(
        "decide",
        help="is a network at a local minimum? exactly, with its radius or a way down",
        description="Decide exactly whether a network is at a local minimum of its risk: with a certified radius, or with a "
        "network that is proved lower.",
        epilog=_DECIDE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_file(judge)
    _add_decay(judge)
    judge.add_argument(
        "--ball",
        type=float,
        metavar="R",
        help="the lower network lies within this distance of all parameters",
    )
    _add_ends(judge, "decide.json, decided.png and, where there is a way down, escape.npz")
    judge.set_defaults(run=run_decide, accuracy="auto")
    walker: argparse.ArgumentParser = commands.add_parser(
        "polish",
        help="from a trained network to an exact local minimum near it",
        description="Walk from a network down to an exact local minimum, and say how far that was.",
        epilog=_POLISH_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_file(walker)
    _add_decay(walker)
    walker.add_argument(
        "--leave-off-units",
        action="store_true",
        help="go on from minima with units that are off, by a path at constant risk, while one can leave",
    )
    _add_ends(walker, "polish.json, polished.npz, descent.png and polished.png")
    walker.set_defaults(run=run_polish, accuracy="auto")


def _add_decay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weight-decay",
        type=float,
        default=0.0,
        metavar="L",
        help="add L/2 times the sum of all parameters squared, biases too, to the risk (needs the extra proof, as smooth "
        "activations do)",
    )


def _add_ends(parser: argparse.ArgumentParser, files: str) -> None:
    parser.add_argument(
        "--prove",
        action="store_true",
        help="write proof.json too: a certificate anyone can check (needs --out)",
    )
    add_result_arguments(parser, files, "verdict, risk, radius and counts as JSON")
    add_full_argument(parser, "kinks, steps, parameters, and every rational with all digits")


@dataclass(frozen=True, eq=False)
class _Found:
    """What a command found, and what is printed and written of it."""

    command: str
    result: Decision | Polish | SmoothDecision | SmoothPolish
    summary: dict[str, Any]
    rows: list[list[str]]
    status: int


def run_decide(arguments: argparse.Namespace) -> int:
    """Run `fastminima decide`; returns the exit status."""

    def found(network: OneHiddenLayer, data: Dataset, stage: Stages, squares: float) -> _Found:
        with stage("decide"):
            decision = decide(network, data, ball=arguments.ball, weight_decay=arguments.weight_decay)
            if isinstance(decision, SmoothDecision):
                return _in_balls("decide", decision, squares)
            summary = summarise_decision(decision, squares)
        return _Found(
            "decide", decision, summary, [list(row) for row in decide_rows(summary)], _answer(decision)
        )

    return _run(arguments, "decide", found)


def run_polish(arguments: argparse.Namespace) -> int:
    """Run `fastminima polish`; returns the exit status."""

    def found(network: OneHiddenLayer, data: Dataset, stage: Stages, squares: float) -> _Found:
        with stage("polish"):
            result = polish(
                network, data, leave_off_units=arguments.leave_off_units, weight_decay=arguments.weight_decay
            )
        if isinstance(result, SmoothPolish):
            return _in_balls("polish", result, squares)
        summary = summarise_polish(result, squares)
        rows = [list(row) for row in polish_rows(summary)]
        return _Found("polish", result, summary, rows, _ended(result))

    return _run(arguments, "polish", found)


def _in_balls(command: str, result: SmoothDecision | SmoothPolish, squares: float) -> _Found:
    """What balls found: smooth activations, and weight decay."""
    summary = summarise_smooth(result, squares)
    status = _ended(result) if isinstance(result, SmoothPolish) else _answer(result)
    return _Found(command, result, summary, [list(row) for row in smooth_rows(summary)], status)


def _answer(decision: Decision | SmoothDecision) -> int:
    """The exit status that says what was decided."""
    return 0 if decision.verdict == Verdict.LOCAL_MINIMUM else 1


def _ended(result: Polish | SmoothPolish) -> int:
    """The exit status that says where a walk ended."""
    if result.status == PolishStatus.INTERRUPTED:
        return 130
    return 0 if result.status == PolishStatus.LOCAL_MINIMUM else 1


Finder = Callable[[OneHiddenLayer, Dataset, Stages, float], _Found]


def _run(arguments: argparse.Namespace, command: str, find: Finder) -> int:
    if arguments.out is None:
        if arguments.prove:
            raise OptionError("--prove writes proof.json: say where with --out DIR")
        return _report(arguments, find, None)
    require_matplotlib()
    with OutputFolder(arguments.out, command, [arguments.network, arguments.data]) as folder:
        return _report(arguments, find, folder)


def _report(arguments: argparse.Namespace, find: Finder, folder: OutputFolder | None) -> int:
    network = load_network(arguments.network, arguments.activation)
    stage = Stages(quiet=arguments.quiet)
    # the readers draw their own progress bars
    with stage("read", shown=False):
        data = load(arguments, tell=False)  # the table has the notes
    with stage("least squares"):
        squares = least_squares(data).risk
    found = find(network, data, stage, squares)
    summary = {
        "network": arguments.network,
        "source": arguments.data,
        **found.summary,
        "notes": list(data.notes),
    }
    table = found.rows + [["note", note] for note in data.notes]
    status, files = found.status, []
    if folder is not None:
        if arguments.prove:
            with stage("prove"):
                proof = proof_if_any(folder, lambda: prove(found.result), summary)
            table += proof
            status = status or int(summary["proof"] is None)
        with stage("pictures"):
            _write(folder, found, summary)
        files = folder.finish_with({**summary, "seconds": stage.seconds})
        summary["files"] = files
    summary["seconds"] = stage.seconds
    if arguments.json:
        print_json(summary, full=arguments.full)
        return status
    table += [[f"time, {name}", f"{seconds:.3f} s"] for name, seconds in stage.seconds.items()]
    if files:
        table.append(
            ["written", f"{', '.join(Path(name).name for name in files)} in {Path(files[0]).parent}"]
        )
    print_table(f"fastminima {found.command} {arguments.network} {arguments.data}", None, table)
    return status


def _write(folder: OutputFolder, found: _Found, summary: dict[str, Any]) -> None:
    """Networks and pictures."""
    from fastminima.reporting.descent_plot import plot_descent
    from fastminima.reporting.slice_plot import plot_slice

    result = found.result
    # a dollar sign in a name begins no formula
    name = Path(str(summary["network"])).name.replace("$", r"\$")
    size = f"m = {summary['n_samples']:,}, dx = {summary['n_features']}, d1 = {summary['width']}"
    about = f"{size}, {result.network.activation}"
    if isinstance(result, Polish | SmoothPolish):
        result.network.save(folder.file("polished.npz"))
        ends = f"risk {summary['risk_before']:.6g} → {summary['risk']:.6g}"
        plot_descent(result, folder.file("descent.png"), f"{name} polished: {about}\n{ends}")
        plot_slice(result, folder.file("polished.png"), f"around {name}, polished\n{about}")
        return
    if result.escape is not None:
        lower = result.escape.network
        # the claim is about the rational point; where float64 holds none that is lower there is no file
        if RationalNetwork.of(lower) == result.escape.exact:
            lower.save(folder.file("escape.npz"))
    plot_slice(
        result,
        folder.file("decided.png"),
        f"around {name}: {result.verdict.replace('_', ' ')}\n{about}",
    )
