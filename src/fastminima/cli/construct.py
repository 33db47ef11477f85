"""The construct command: a spurious minimum, a better point, and everything that goes with them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastminima.errors import OptionError
from fastminima.fit.least_squares import least_squares
from fastminima.networks.activations.named import ActivationLike, as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.proof.certificate import Certificate
from fastminima.proof.prove import prove
from fastminima.reporting.figures import require_matplotlib
from fastminima.reporting.summary import rows, summarise
from fastminima.system.options import as_count, check_count
from fastminima.theorems.theorem1.better_point import BetterPoint, better_point
from fastminima.theorems.theorem1.minimum import SpuriousMinimum, spurious_minimum
from fastminima.theorems.theorem1.plain_values import minimum_values
from fastminima.theorems.theorem1.status import MinimumStatus

from .arguments import (
    activation_of,
    add_data_arguments,
    add_result_arguments,
    add_seed_argument,
    load,
)
from .certificates import proof_rows, write_proof
from .construct_deep import construct_deep
from .earlier_runs import COMMANDS
from .folder import OutputFolder
from .network_options import add_network_arguments, refuse_deep_options, takes_labels
from .output import print_table
from .short_json import add_full_argument, print_json
from .stages import Stages
from .wording import exit_status, whole

__all__ = ["EXAMPLES", "add_parser", "run"]

_SEEDS = 2**63

EXAMPLES = """\
examples:
  fastminima construct demo:diabetes
  fastminima construct houses.csv --target price --out results
  fastminima construct table.npy --target -1 --activation leaky_relu:0.01 --method kink --json
  fastminima construct houses.csv --target price --out results --prove
  fastminima construct houses.csv --target price --width 8 --sample 20 --seed 1 --out starts
  fastminima construct houses.csv --target price --target rent --width 16,16,16 --activation elu --alpha 4 --out deep
"""
_EPILOG = (
    EXAMPLES
    + "\n"
    + exit_status(
        "where there is a spurious minimum and, from width 2 on, a better point",
        "where there is none or it is not certified (the table says why)",
    )
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add `construct` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "construct",
        help="theorem 1: a spurious local minimum and a strictly better point",
        description="Theorem 1: construct a spurious local minimum and a strictly better point for a dataset.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_arguments(parser)
    add_network_arguments(parser)
    parser.add_argument(
        "--method",
        choices=("paper", "kink", "best"),
        help="construction of the better point; best: the largest proved drop of paper, kink and a search (default paper)",
    )
    parser.add_argument(
        "--reach",
        choices=("limit", "paper"),
        help="how far the push goes: as far as its formula holds (limit, default), or the paper's half of that",
    )
    parser.add_argument(
        "--accuracy",
        choices=("auto", "exact"),
        default="auto",
        help="exact: rational least squares in any case",
    )
    parser.add_argument(
        "--prove",
        action="store_true",
        help="write proof.json too: a certificate anyone can check (needs --out)",
    )
    parser.add_argument(
        "--sample",
        type=whole,
        metavar="N",
        help="write N other members of the family too, member-1.npz ..., no unit of which is dead, each with its own "
        "certified radius in the summary: where to start an optimiser (needs --out)",
    )
    add_seed_argument(parser, "of --sample, and of the directions that kinks are tried along", default=None)
    add_result_arguments(
        parser, "minimum.npz, better.npz, summary.json and segment.png", "the summary as JSON"
    )
    add_full_argument(parser, "coefficients, names of columns and the members of --sample")
    parser.add_argument("--verbose", action="store_true", help="a line on standard error for each step")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima construct`; returns the exit status."""
    refuse_deep_options(arguments)
    h = activation_of(arguments)
    deep = _is_deep(arguments, h)
    unseeded = arguments.sample is None and arguments.method in (None, "paper") and not deep
    if arguments.seed is not None and unseeded:
        raise OptionError(
            "--seed is about the members that --sample N draws and the kinks of --method kink and best; give one of them"
        )
    if arguments.sample is not None:
        as_count(arguments.sample, "--sample", 1, wanted="a whole number >= 1 (how many members to draw)")
    if arguments.seed is not None:
        check_count(arguments.seed, "--seed", _SEEDS)
    if arguments.out is None:
        if arguments.sample is not None:
            raise OptionError("--sample writes member-1.npz and so on: say where with --out DIR")
        if arguments.prove:
            raise OptionError("--prove writes proof.json: say where with --out DIR")
        return _run(arguments, None)
    if deep or arguments.width >= 2:
        # as a rule there is a better point, and then a picture
        require_matplotlib()
    with OutputFolder(arguments.out, "construct", [arguments.data]) as folder:
        return _run(arguments, folder)


def _is_deep(arguments: argparse.Namespace, h: ActivationLike) -> bool:
    """Is this about more than one hidden layer, one target, two slopes and squared loss, by the options alone?"""
    several = isinstance(arguments.width, tuple) or len(arguments.target or ()) > 1
    return several or not isinstance(h, PiecewiseLinear) or arguments.loss != "squared"


def _run(arguments: argparse.Namespace, folder: OutputFolder | None) -> int:
    h = activation_of(arguments)
    stage = Stages(lines=arguments.verbose, quiet=arguments.quiet)
    # the readers draw their own progress bars
    arguments.labels = takes_labels(arguments)
    with stage("read", shown=False):
        data = load(arguments, tell=False)  # the table has the notes
    if _is_deep(arguments, h) or data.n_targets > 1:
        return construct_deep(arguments, data, h, stage, folder)
    if arguments.gain is not None:
        raise OptionError("--gain is for several layers: give their widths, as --width 16,16,16")
    activation = as_piecewise(h, "construct")
    with stage("least squares"):
        fit = least_squares(data)
    with stage("minimum"):
        low = spurious_minimum(
            fit, activation, width=arguments.width, alpha=1.0 if arguments.alpha is None else arguments.alpha
        )
    better: BetterPoint | None = None
    if arguments.width >= 2:
        with stage("better point"):
            better = better_point(
                low,
                method=arguments.method or "paper",
                reach=arguments.reach or "limit",
                random_state=arguments.seed or 0,
            )
    members: list[SpuriousMinimum] = []
    if arguments.sample is not None:
        with stage("members"):
            members = low.sample(arguments.sample, arguments.seed or 0)
    summary = summarise(low, better, stage.seconds, arguments.data)
    certificate: Certificate | None = None
    if folder is not None:
        if arguments.prove:
            with stage("prove"):
                certificate = prove(low, better)
                summary["proof"] = write_proof(folder, certificate)
        if members:
            summary["seed"] = arguments.seed or 0
            summary["members"] = _write_members(folder, members)
        with stage("write"):
            files = _write(folder, low, better, summary)
        summary |= {"files": files, "seconds": stage.seconds}
    if arguments.json:
        print_json(summary, full=arguments.full)
    else:
        table = [list(row) for row in rows(summary)]
        if certificate is not None:
            table += proof_rows(certificate)
        written = [Path(name) for name in summary.get("files", [])]
        if members:
            table.append(["members", _spread(members)])
        if written:
            table.append(["written", f"{_listed(written)} in {written[0].parent}"])
        print_table(f"fastminima construct {arguments.data}", None, table)
    return 0 if low.status == MinimumStatus.SPURIOUS and (better is None or better.network is not None) else 1


def _write_members(folder: OutputFolder, members: list[SpuriousMinimum]) -> list[dict[str, Any]]:
    """Write every member; what the summary says of each."""
    rows = []
    for number, member in enumerate(members, 1):
        name = f"member-{number}.npz"
        member.network.save(folder.file(name))
        values = minimum_values(member)
        rows.append(
            {"file": name} | {key: values[key] for key in ("risk", "excess", "radius", "radius_relative")}
        )
    return rows


def _spread(members: list[SpuriousMinimum]) -> str:
    """The members' radii in a line."""
    best = max(range(len(members)), key=lambda k: members[k].radius_relative)
    radii = [member.radius for member in members]
    return (
        f"{len(members):,}, certified radii {min(radii):.4g} to {max(radii):.4g}; largest for its size: "
        f"member-{best + 1}.npz, {members[best].radius_relative:.3g} of all parameters' norm"
    )


def _listed(files: list[Path]) -> str:
    """The names of the files; of many members the first and the last."""
    names = [file.name for file in files]
    members = [name for name in names if COMMANDS["construct"].is_numbered(name)]
    shown = members if len(members) <= 3 else [members[0], "...", members[-1]]
    return ", ".join([*shown, *(name for name in names if name not in members)])


def _write(
    folder: OutputFolder, low: SpuriousMinimum, better: BetterPoint | None, summary: dict[str, Any]
) -> list[str]:
    low.network.save(folder.file("minimum.npz"))
    if better is not None and better.network is not None:
        better.network.save(folder.file("better.npz"))
        from fastminima.reporting.segment import plot_segment

        # a dollar sign in a name begins no formula
        name = Path(str(summary["source"])).name.replace("$", r"\$")
        title = f"{name}: m = {summary['n_samples']:,}, dx = {summary['n_features']}, {low.activation}, {better.method}"
        plot_segment(low, better, folder.file("segment.png"), title)
    return folder.finish_with(summary)
