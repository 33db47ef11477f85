"""The command `fastminima bracket`: between which bounds lies the least risk of all networks of a width?"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastminima.errors import EffortWarning, OptionError
from fastminima.exact.shown import rounded_down
from fastminima.landscape.bracket.bracket import Bracket, bracket
from fastminima.landscape.bracket.fit_network import SearchEnd, SearchLimits
from fastminima.networks.activations.named import as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.proof.prove import prove
from fastminima.reporting.bracket_summary import BRACKET_HEAD, bracket_rows, summarise_brackets
from fastminima.reporting.figures import require_matplotlib
from fastminima.system.options import as_count, check_count

from .arguments import (
    activation_of,
    add_activation_argument,
    add_data_arguments,
    add_result_arguments,
    add_seed_argument,
    add_workers_argument,
    load,
)
from .certificates import proof_row, write_proof
from .folder import OutputFolder
from .output import note, print_table, say
from .short_json import add_full_argument, print_json
from .stages import Stages
from .wording import exit_status, whole

__all__ = ["add_parser", "run"]

_SEEDS = 2**63
_EPILOG = """\
examples:
  fastminima bracket demo:diabetes --width 2 4 8
  fastminima bracket houses.csv --target price --width 2 4 8 --seconds 10 --out bracketed
  fastminima bracket houses.csv --target price --width 4 --starts 20 --seed 1 --json

lower and upper hold between them the least risk of all networks of the width: lower is proved for all slopes s+ != s-
or, by branch and bound, for those of the activation ("slopes" in bracket.json); upper is the exact risk of the network
that is written. gap: the share of the least-squares risk by which the spurious minimum of theorem 1 exceeds the best
network. Numbers are rounded outward.

Ctrl-C ends the search at the best brackets so far: they are printed and written like any others. Before the first search
there is none, and what an earlier run wrote stays.
""" + exit_status("where there is a bracket for every width")


def add_parser(commands: Any) -> None:
    """Add `bracket` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "bracket",
        help="how far from the best? a proved interval for the least risk of a width",
        description="Bracket the least risk of all networks of a width: a proved lower end, and the exact risk of the best "
        "network that a search finds.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_arguments(parser)
    parser.add_argument(
        "--width",
        type=whole,
        nargs="+",
        default=[2, 4, 8],
        metavar="D1",
        help="hidden units, one or more widths (default 2 4 8)",
    )
    add_activation_argument(parser)
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="T",
        help="time for the search of each width (default 5, without --starts)",
    )
    parser.add_argument(
        "--starts",
        type=whole,
        metavar="N",
        help="starts of the search of each width; without --seconds the same seed gives the same networks",
    )
    add_seed_argument(parser, "of the search")
    add_workers_argument(parser)
    parser.add_argument(
        "--prove",
        action="store_true",
        help="write proof-2.json ... too: certificates anyone can check (needs --out)",
    )
    add_result_arguments(
        parser,
        "bracket.json, width-2.npz ..., bracket.png and trace.png",
        "both ends of every width as JSON",
    )
    add_full_argument(parser, "the progress of the search, and every rational with all digits")
    parser.set_defaults(run=run, accuracy="auto")


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima bracket`; returns the exit status."""
    check_count(arguments.seed, "--seed", _SEEDS)
    for width in arguments.width:
        as_count(width, "--width", 1)
    # bad limits are better known before a large file is read than after
    SearchLimits(arguments.seconds, arguments.starts, arguments.workers, progress=False)
    as_piecewise(activation_of(arguments), "bracket")
    if arguments.out is None:
        if arguments.prove:
            raise OptionError("--prove writes proof-2.json and so on: say where with --out DIR")
        return _run(arguments, None)
    require_matplotlib()
    with OutputFolder(arguments.out, "bracket", [arguments.data]) as folder:
        return _run(arguments, folder)


def _run(arguments: argparse.Namespace, folder: OutputFolder | None) -> int:
    stage = Stages(quiet=arguments.quiet)
    # the readers draw their own progress bars, as the search does
    with stage("read", shown=False):
        data = load(arguments, tell=False)  # the table's end has the notes
    with stage("bracket", shown=False), _noted():
        found = bracket(
            data,
            arguments.width,
            activation=activation_of(arguments),
            seconds=arguments.seconds,
            n_starts=arguments.starts,
            random_state=arguments.seed,
            workers=arguments.workers,
            progress=not arguments.quiet,
        )
    stopped = found[-1].end is SearchEnd.INTERRUPTED
    missing = sorted(set(arguments.width) - {b.width for b in found})
    summary = {
        "source": arguments.data,
        "seed": arguments.seed,
        "interrupted": stopped,
        "widths_not_reached": missing,
        **summarise_brackets(found),
        "notes": list(data.notes),
    }
    files: list[str] = []
    if folder is not None:
        if arguments.prove:
            with stage("prove"):
                _prove(folder, found, summary)
        with stage("pictures"):
            _write(folder, found, summary)
        files = folder.finish_with({**summary, "seconds": stage.seconds})
        summary["files"] = files
    summary["seconds"] = stage.seconds
    if arguments.json:
        print_json(summary, full=arguments.full)
    else:
        _print(summary, files)
    return 130 if stopped else 0


@contextmanager
def _noted() -> Iterator[None]:
    """What the library warns of, as lines of their own, at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", EffortWarning)
        warnings.showwarning = lambda message, *_, **__: note(f"note: {message}")
        yield


def _prove(folder: OutputFolder, found: Sequence[Bracket], summary: dict[str, Any]) -> None:
    """A certificate for each width, and what is told of it."""
    for one, told in zip(found, summary["brackets"], strict=True):
        name = f"proof-{one.width}.json"
        certificate = prove(one)
        told["proof"] = write_proof(folder, certificate, name) | {"said": proof_row(certificate, name)}


def _write(folder: OutputFolder, found: Sequence[Bracket], summary: dict[str, Any]) -> None:
    """Networks and pictures."""
    from fastminima.reporting.bracket_plot import plot_bracket, plot_trace

    for one, told in zip(found, summary["brackets"], strict=True):
        told["file"] = f"width-{one.width}.npz"
        one.network.save(folder.file(told["file"]))
    # a dollar sign in a name begins no formula
    name = Path(str(summary["source"])).name.replace("$", r"\$")
    title = (
        f"{name}: m = {summary['n_samples']:,}, dx = {summary['n_features']}, {found[0].network.activation}"
    )
    plot_bracket(found, folder.file("bracket.png"), title)
    plot_trace(found, folder.file("trace.png"), title)


def _print(summary: dict[str, Any], files: list[str]) -> None:
    h = PiecewiseLinear(**summary["activation"])
    size = f"m = {summary['n_samples']:,}, dx = {summary['n_features']}, {h}"
    title = f"fastminima bracket {summary['source']}: {size}"
    print_table(title, BRACKET_HEAD, list(bracket_rows(summary)), named_rows=True)
    say(
        f"share, gap: of the least-squares risk {summary['least_squares_risk']:.10g}; pure error "
        f"{rounded_down(summary['pure_error'], 10)}"
    )
    for told in summary["brackets"]:
        if "proof" in told:
            say(f"width {told['width']}: {'; '.join([told['proof']['said'], *told['proof']['open']])}")
    for text in summary["notes"]:
        say(f"note: {text}")
    if summary["interrupted"]:
        left = ", ".join(map(str, summary["widths_not_reached"]))
        say("interrupted: the best so far" + (f"; no bracket of width {left}" if left else ""))
    if files:
        say(f"written: {', '.join(Path(name).name for name in files)} in {Path(files[0]).parent}")
    say("time: " + ", ".join(f"{name} {seconds:.3f} s" for name, seconds in summary["seconds"].items()))
