"""The command `fastminima counterexample`: theorem 2's example for any activation."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastminima.errors import MissingDependencyError, OptionError
from fastminima.exact.shown import rounded_down, rounded_up
from fastminima.networks.activations.named import activations
from fastminima.reporting.example_table import example_table
from fastminima.reporting.figures import require_matplotlib
from fastminima.reporting.plain_names import with_old_names
from fastminima.reporting.results.plain import counterexample_values
from fastminima.reporting.slice_plot import plot_slice
from fastminima.system.options import spelled
from fastminima.theorems.theorem2.counterexample import CounterExample, CounterStatus, counterexample

from .arguments import add_result_arguments
from .folder import OutputFolder
from .output import example_csv, print_table, say, write_text
from .short_json import add_full_argument, print_json
from .wording import exit_status

__all__ = ["add_parser", "run"]

_EPILOG = """\
examples:
  fastminima counterexample tanh
  fastminima counterexample elu:0.5 --out results
  fastminima counterexample gelu --form paper --json
  fastminima counterexample --list

""" + exit_status("where both points are certified", "where there is no witness or it is not certified")


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add `counterexample` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "counterexample",
        help="theorem 2: a bad local minimum on three samples for almost any activation",
        description="Theorem 2 and corollary 3: three samples on which a network with this activation has a point of "
        "risk 0 and a local minimum of risk 1/3, with the radius in which that is proved.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="H",
        help="an activation, such as tanh or elu:0.5; --list shows the names and their parameters",
    )
    parser.add_argument("--activation", metavar="H", help="the same, as other commands spell it")
    parser.add_argument("--list", action="store_true", help="list the activations and their parameters")
    parser.add_argument(
        "--table", action="store_true", help="every activation in both forms, as a Markdown table"
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        help=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--form",
        choices=("auto", "paper", "bias"),
        default="auto",
        help="output biases 0 as in the paper, or free (default: the paper's where it certifies)",
    )
    add_result_arguments(
        parser,
        "counterexample.json, local_minimum.npz, global_minimum.npz, data.csv and slice.png",
        "the result as JSON",
    )
    add_full_argument(parser, "both networks, and each condition with its enclosure")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima counterexample`; returns the exit status."""
    if arguments.activation is not None:
        if arguments.name is not None:
            raise OptionError(f"the activation is {spelled(arguments.name)}: leave --activation out")
        arguments.name = arguments.activation
    if arguments.list or arguments.table:
        if arguments.name or arguments.param or arguments.out or (arguments.list and arguments.table):
            raise OptionError("--list and --table stand alone: they take neither an activation nor --out")
        _overview(arguments)
        return 0
    if not arguments.name:
        raise OptionError("which activation? Give a name, such as tanh, or --list to see them")
    parameters = dict(_parameter(text) for text in arguments.param)
    if len(parameters) < len(arguments.param):
        raise OptionError("--param gives a parameter twice")
    if arguments.out is None:
        return _run(arguments, parameters, None)
    with OutputFolder(arguments.out, "counterexample") as folder:
        return _run(arguments, parameters, folder)


def _parameter(text: str) -> tuple[str, float]:
    key, equals, value = text.partition("=")
    try:
        if not equals or not key.strip():
            raise ValueError
        return key.strip(), float(value)
    except ValueError:
        raise OptionError(
            f"--param takes KEY=VALUE with a number, such as alpha=0.5; got {spelled(text)}"
        ) from None


def _overview(arguments: argparse.Namespace) -> None:
    if arguments.table:
        print(example_table())
    elif arguments.json:
        rows = {
            name: {"h": entry.about, "parameters": dict(entry.parameters), "aliases": list(entry.aliases)}
            for name, entry in activations().items()
        }
        print(json.dumps(rows, indent=2))
    else:
        print(activations())


def _run(arguments: argparse.Namespace, parameters: dict[str, float], folder: OutputFolder | None) -> int:
    drawn = folder is not None and _can_draw()
    start = time.perf_counter()
    pair = counterexample(arguments.name, arguments.form, **parameters)
    summary = {
        **with_old_names(counterexample_values(pair)),
        "seconds": {"counterexample": time.perf_counter() - start},
    }
    files = [] if folder is None else _write(folder, summary, pair, drawn)
    if arguments.json:
        print_json(summary, files, full=arguments.full)
        return int(not pair.certified)
    rows = [list(row) for row in _rows(pair)]
    rows.append(["time", f"{summary['seconds']['counterexample']:.2f} s"])
    if files:
        rows.append(["written", f"{', '.join(Path(f).name for f in files)} in {Path(files[0]).parent}"])
    print_table(f"fastminima counterexample {arguments.name}", None, rows)
    return int(not pair.certified)


def _rows(pair: CounterExample) -> Iterator[tuple[str, str]]:
    yield "activation", str(pair.activation)
    yield "data", "x = (1, 0), (0, 1), (1/2, 1/2); y = 0, 0, 1; least squares: risk 1/3"
    yield "result", f"{pair.status.value}: {pair.reason}"
    yield "form", "the paper's: output biases 0" if pair.form == "paper" else "with an output bias"
    found = [
        f"{title} " + ", ".join(f"{key} = {value:.6g}" for key, value in pair.witness[name].items())
        for name, title in (("zero", "risk 0:"), ("flat", "minimum:"))
        if name in pair.witness
    ]
    if found:
        yield "witness", "; ".join(found)
    for condition in pair.conditions:
        mark = "proved" if condition.proved else "not certified"
        yield condition.name, f"{condition.statement}: {_short(condition.enclosure)} ({mark})"
    low, best = pair.local_minimum, pair.global_minimum
    most = "at most" if pair.certified else "about"
    if best is not None:
        yield "global minimum", f"{_shown(best)}; risk {most} {rounded_up(pair.zero_risk)}"
    if low is None:
        return
    yield "local minimum", f"{_shown(low)}; risk 1/3 + {most} {rounded_up(pair.excess)}"
    yield (
        "radius",
        f"{rounded_down(pair.radius, 6)}, certified: no lower risk within it, wherever the output bias goes"
        if pair.status == CounterStatus.CERTIFIED
        else f"{pair.radius_estimate:.4g} estimated in float64, not certified",
    )
    yield "form's eigenvalue", f"{pair.smallest_eigenvalue:.4g}, the smaller one at the minimum"


def _short(enclosure: str) -> str:
    """Balls print all their digits; a table wants their beginning."""
    return (
        enclosure
        if len(enclosure) <= 48 or "+/-" not in enclosure
        else f"{enclosure[:28]}...{enclosure[-14:]}"
    )


def _shown(network: Any) -> str:
    def row(values: Any) -> str:
        return "[" + ", ".join(f"{v:.5g}" for v in values) + "]"

    return (
        f"W1 = [{', '.join(row(r) for r in network.W1)}], b1 = {row(network.b1)}, W2 = {row(network.W2)}, "
        f"b2 = {network.b2:.5g}"
    )


def _can_draw() -> bool:
    """Whether there will be a picture; where not, it is said before the work: the numbers do not wait for one."""
    try:
        require_matplotlib()
    except MissingDependencyError as error:
        say(f"fastminima: no slice.png: {error}", error=True)
        return False
    return True


def _write(folder: OutputFolder, summary: dict[str, Any], pair: CounterExample, drawn: bool) -> list[str]:
    if pair.local_minimum is not None and pair.global_minimum is not None:
        pair.local_minimum.save(folder.file("local_minimum.npz"))
        pair.global_minimum.save(folder.file("global_minimum.npz"))
        write_text(folder.file("data.csv"), example_csv(pair.data))
        if drawn:
            plot_slice(pair, folder.file("slice.png"))
    return folder.finish_with(summary)
