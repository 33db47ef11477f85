"""The command `fastminima probe`: does any of a million nearby points have a lower risk?"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.interop.network_files import load_network
from fastminima.landscape.probe import Probe, ProbeSweep, probe
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.reporting.figures import require_matplotlib
from fastminima.reporting.plain_names import with_old_names
from fastminima.reporting.results.plain import probe_values

from .arguments import (
    add_network_file,
    add_result_arguments,
    add_seed_argument,
    add_workers_argument,
    load,
)
from .folder import OutputFolder
from .output import print_table, say
from .short_json import add_full_argument, print_json
from .wording import exit_status, whole

__all__ = ["add_parser", "run"]

_EPILOG = """\
examples:
  fastminima construct demo:diabetes --out results
  fastminima probe results/minimum.npz demo:diabetes --radius 0.1 --n 1e6 --workers 2
  fastminima probe results/minimum.npz demo:diabetes --radius 1e-6 1e-4 1e-2 1 100 --n 1e5 --out results

""" + exit_status("whatever the sample shows")


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add `probe` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "probe",
        help="random perturbations: excess risks of millions of points around a network",
        description="Sample points around a network and say how many of them have a lower risk. A sample can show "
        "a lower point; it cannot show that there is none.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_file(parser)
    parser.add_argument(
        "--radius",
        type=float,
        nargs="+",
        default=[1e-3],
        metavar="R",
        help="one radius, or several for a sweep (default 0.001)",
    )
    parser.add_argument(
        "--n", type=whole, default=1_000_000, metavar="N", help="points a radius (default 1e6)"
    )
    add_seed_argument(parser, "point k depends on S and k alone")
    add_workers_argument(parser)
    parser.add_argument(
        "--distribution",
        choices=("sphere", "ball", "normal"),
        default="sphere",
        help="in the space of all parameters; normal: R is the standard deviation (default sphere)",
    )
    parser.add_argument(
        "--dtype", choices=("float64", "float32"), default="float64", help="arithmetic of direct evaluation"
    )
    parser.add_argument(
        "--method",
        choices=("auto", "direct", "screened"),
        default="auto",
        help="screened: one quadratic form for the samples that keep their sides (default: what is faster)",
    )
    add_result_arguments(parser, "probe.json (with the bins) and probe.png", "the result as JSON")
    add_full_argument(parser, "the bins of the excess risks")
    parser.add_argument("--histogram", action="store_true", help="the same")
    parser.set_defaults(run=run, accuracy="auto")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima probe`; returns the exit status."""
    if arguments.out is None:
        return _run(arguments, None)
    if arguments.n > 0 and any(radius > 0.0 for radius in arguments.radius):
        require_matplotlib()
    with OutputFolder(arguments.out, "probe", [arguments.network, arguments.data]) as folder:
        return _run(arguments, folder)


def _run(arguments: argparse.Namespace, folder: OutputFolder | None) -> int:
    network = load_network(arguments.network, arguments.activation)
    start = time.perf_counter()
    data = load(arguments)
    seconds = {"read": time.perf_counter() - start}
    radii = arguments.radius
    start = time.perf_counter()
    result = probe(
        network,
        data,
        radius=radii[0] if len(radii) == 1 else radii,
        n=arguments.n,
        seed=arguments.seed,
        workers=arguments.workers,
        dtype=arguments.dtype,
        distribution=arguments.distribution,
        method=arguments.method,
        progress=not arguments.quiet,
    )
    seconds["probe"] = time.perf_counter() - start
    summary = _summarise(result, data, arguments, seconds)
    files = [] if folder is None else _write(folder, result, summary)
    if arguments.json:
        print_json(summary, files, full=arguments.full or arguments.histogram)
    else:
        _print(result, data, seconds, files)
    return 0


def _probes(result: Probe | ProbeSweep) -> list[Probe]:
    return [result] if isinstance(result, Probe) else list(result)


def _summarise(
    result: Probe | ProbeSweep, data: Dataset, arguments: argparse.Namespace, seconds: dict[str, float]
) -> dict[str, Any]:
    network = _probes(result)[0].network
    h = network.activation
    summary = {
        "network": arguments.network,
        "source": arguments.data,
        "n_samples": data.n_samples,
        "n_features": data.n_features,
        "width": network.width,
        "activation": {"s_plus": h.s_plus, "s_minus": h.s_minus}
        if isinstance(h, PiecewiseLinear)
        else {"name": str(h)},
        "risk": network.risk(data),
        "n": arguments.n,
        "seed": arguments.seed,
        "distribution": arguments.distribution,
        "dtype": arguments.dtype,
        "probes": [probe_values(p) for p in _probes(result)],
        "seconds": seconds,
    }
    return with_old_names(summary)


def _write(folder: OutputFolder, result: Probe | ProbeSweep, summary: dict[str, Any]) -> list[str]:
    if any(p.n > p.n_overflow for p in _probes(result)) and any(p.radius > 0.0 for p in _probes(result)):
        from fastminima.reporting.probe_plot import plot_probe

        plot_probe(result, folder.file("probe.png"))
    return folder.finish_with(summary)


def _rows(p: Probe, data: Dataset) -> Iterable[tuple[str, str]]:
    network = p.network
    yield "samples m", f"{data.n_samples:,}"
    yield "network", f"{network.n_features} inputs, {network.width} hidden units, {network.activation}"
    yield "risk of the network", f"{network.risk(data):.10g}"
    yield "points", f"{p.n:,} {p.describe()}"
    yield "finding", p.finding()
    if not p.n:
        return
    yield "smallest excess", f"{p.min_excess:.6g} (k = {p.argmin})"
    for level, value in p.quantiles.items():
        if 0.0 < level < 1.0:
            yield f"quantile {level:g}", f"{value:.6g}"
    yield "largest excess", f"{p.max_excess:.6g}"
    yield "points where samples change sides", f"{p.n_changed:,}"
    if p.n_overflow:
        yield "points that overflow", f"{p.n_overflow:,}"


_COLUMNS = ("radius", "lower risk", "smallest", "1 %", "median", "99 %", "sides change", "evaluated")


def _line(p: Probe) -> list[str]:
    low, median, high = p.quantile([0.01, 0.5, 0.99]).tolist()
    numbers = (p.min_excess, low, median, high)
    return [
        f"{p.radius:g}",
        f"{p.n_negative:,}",
        *(f"{v:.6g}" for v in numbers),
        f"{p.n_changed:,}",
        p.method,
    ]


def _print(result: Probe | ProbeSweep, data: Dataset, seconds: dict[str, float], files: list[str]) -> None:
    last = [(f"time, {stage}", f"{value:.3f} s") for stage, value in seconds.items()]
    if files:
        last.append(("written", f"{', '.join(Path(f).name for f in files)} in {Path(files[0]).parent}"))
    if isinstance(result, Probe):
        head: list[str] | None = None
        table = [list(row) for row in _rows(result, data)] + [list(row) for row in last]
        title = "fastminima probe"
    else:
        head, table = list(_COLUMNS), [_line(p) for p in result]
        first = result[0]
        title = (
            f"fastminima probe: {first.n:,} sampled points a radius ({first.distribution}, seed {first.seed})"
            + (", float64 estimates" if first.estimated else "")
        )
    print_table(title, head, table)
    if isinstance(result, ProbeSweep):
        for label, text in last:
            say(f"{label}: {text}")
