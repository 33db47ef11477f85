"""The command `fastminima report`: theorem 1 on a table as one page of HTML, for people who were not there."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.errors import OutputError
from fastminima.landscape.probe import ProbeSweep
from fastminima.reporting.plain_names import KEYS_VERSION
from fastminima.reporting.results.page import report
from fastminima.reporting.results.words import said
from fastminima.system.options import as_count, check_count
from fastminima.system.plain_text import printable
from fastminima.theorems.theorem1.better_point import better_point
from fastminima.theorems.theorem1.minimum import SpuriousMinimum, spurious_minimum

from .arguments import (
    activation_of,
    add_activation_argument,
    add_data_arguments,
    add_result_arguments,
    add_seed_argument,
    load,
)
from .folder import OUT_RULE, OutputFolder, names_a_file
from .output import print_table
from .short_json import print_json
from .stages import Stages
from .wording import exit_status, whole

__all__ = ["add_parser", "run"]

_SEEDS = 2**63
# radii of the sampled points, over the certified one
_RADII = [10 ** (k / 4) for k in range(-8, 9)]

_EPILOG = """\
examples:
  fastminima report demo:diabetes --out page.html
  fastminima report houses.csv --target price --width 8 --method best --out page.html

""" + exit_status(
    "where there is a spurious minimum and, from width 2 on, a better point",
    "where there is none or it is not certified (the page says why)",
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add `report` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="theorem 1 on a table as one page of HTML: words, pictures, networks, a certificate",
        description="One self-contained page of HTML about a dataset: what was asked, the data, what is proved and what is "
        "only sampled, pictures, the networks, and a certificate with the way to check it without fastminima.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_arguments(parser)
    parser.add_argument(
        "--out",
        metavar="DIR",
        required=True,
        help=f"write page.html and report.json there{OUT_RULE}. A name with a suffix, such as page.html, is the page alone",
    )
    parser.add_argument("--width", type=whole, default=2, metavar="D1", help="hidden units (default 2)")
    add_activation_argument(parser)
    parser.add_argument(
        "--method",
        choices=("paper", "kink", "best"),
        default="paper",
        help="construction of the better point; best: the largest proved drop of paper, kink and a search",
    )
    parser.add_argument(
        "--n",
        type=whole,
        default=20_000,
        metavar="N",
        help="points sampled at each radius (default 20000), 0 for none",
    )
    add_seed_argument(parser, "of the sampled points, and of the directions that kinks are tried along")
    parser.add_argument(
        "--certificate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="a certificate in the page (default); --no-certificate saves its time",
    )
    parser.add_argument("--title", metavar="TEXT", help="of the page")
    add_result_arguments(parser, "", "what the page says, as JSON")
    parser.set_defaults(run=run, accuracy="auto")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima report`; returns the exit status."""
    check_count(arguments.seed, "--seed", _SEEDS)
    as_count(arguments.n, "--n")
    if not names_a_file(arguments.out):
        with OutputFolder(arguments.out, "report", [arguments.data]) as folder:
            return _run(arguments, folder)
    out = Path(arguments.out)
    if os.path.exists(arguments.data) and out.exists() and out.samefile(arguments.data):
        raise OutputError(f"--out {printable(str(out))} is read by this run: name another file")
    return _run(arguments, None)


def _run(arguments: argparse.Namespace, folder: OutputFolder | None) -> int:
    stage = Stages(quiet=arguments.quiet)
    # the readers draw their own progress bars
    with stage("read", shown=False):
        data = load(arguments, tell=False)  # the page has the notes
    results = _results(arguments, data, stage)
    with stage("page"):
        title = arguments.title or f"{Path(arguments.data).name}: a bad local minimum, proved"
        page = report(results, title=title, certificate=arguments.certificate, asked_for=_command(arguments))
        page.save(arguments.out if folder is None else folder.file("page.html"))
    found, low = said(results), results[0]
    done = str(low.status) == "spurious" and all(results[:2])
    told = {
        "version": KEYS_VERSION, "source": arguments.data, "proved": found.proved, "sampled": found.sampled,
        "open": found.open, "seconds": stage.seconds,
    }  # fmt: skip
    files = [arguments.out] if folder is None else folder.finish_with(told)
    told["files"] = files
    if arguments.json:
        print_json(told, full=True)
        return 0 if done else 1
    rows = [["proved", sentence] for sentence in found.proved]
    rows += [["sampled", sentence] for sentence in found.sampled]
    rows += [["open", sentence] for sentence in found.open]
    rows.append(["time", f"{sum(stage.seconds.values()):.3f} s"])
    print_table(f"fastminima report {arguments.data}", None, [*rows, ["written", ", ".join(files)]])
    return 0 if done else 1


def _results(arguments: argparse.Namespace, data: Dataset, stage: Stages) -> list[Any]:
    """The minimum, the better point where the width allows one, and points sampled around the minimum."""
    with stage("minimum"):
        low = spurious_minimum(data, activation_of(arguments), width=arguments.width)
    results: list[Any] = [low]
    if arguments.width >= 2:
        with stage("better point"):
            if isinstance(low, SpuriousMinimum):
                results.append(better_point(low, method=arguments.method, random_state=arguments.seed))
            else:
                results.append(better_point(low, random_state=arguments.seed))
    if arguments.n and isinstance(low, SpuriousMinimum):
        with stage("samples", shown=False):
            radii = [low.radius * factor for factor in _RADII]
            swept = low.probe(radius=radii, n=arguments.n, seed=arguments.seed, progress=not arguments.quiet)
            assert isinstance(swept, ProbeSweep)
            results.append(swept)
    return results


def _command(arguments: argparse.Namespace) -> str:
    """What was asked, as a command that asks it again."""
    words = ["fastminima", "report", arguments.data, "--out", arguments.out]
    for name in (
        "width",
        "activation",
        "method",
        "n",
        "seed",
        "sample_weight",
        "missing",
        "categories",
        "meaning",
    ):
        value = getattr(arguments, name)
        if value not in (None, _DEFAULTS.get(name)):
            words += [f"--{name.replace('_', '-')}", str(value)]
    for name in ("target", "features"):
        for value in getattr(arguments, name) or ():
            words += [f"--{name}", value]
    return shlex.join(words)


_DEFAULTS = {"width": 2, "method": "paper", "n": 20_000, "seed": 0, "missing": "fail", "meaning": "binary"}
