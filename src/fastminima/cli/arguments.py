"""What the commands share: the data on the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.data.read import read
from fastminima.errors import OptionError, TargetError
from fastminima.networks.activations.named import ActivationLike, activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, relu
from fastminima.system.files import open_npz

from .folder import OUT_RULE
from .output import note
from .wording import names_in, whole

__all__ = [
    "activation_of",
    "add_activation_argument",
    "add_cleaning_arguments",
    "add_column_arguments",
    "add_data_arguments",
    "add_features_argument",
    "add_network_file",
    "add_result_arguments",
    "add_seed_argument",
    "add_text_arguments",
    "add_workers_argument",
    "features_of",
    "join_positions",
    "load",
    "reading_of",
    "samples",
    "target_of",
    "targets_of",
]


def add_data_arguments(
    parser: argparse.ArgumentParser, *, optional: bool = False, meaning: bool = True
) -> None:
    """Add DATA (perhaps optional) and the options that say how to read it."""
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?" if optional else None,
        help=".csv, .tsv or .data (also .gz, .bz2, .xz, .zip), .xlsx, .npy, .npz or .parquet file, or demo:diabetes, "
        "demo:xor, demo:parityN",
    )
    add_column_arguments(parser)
    add_cleaning_arguments(parser, None)
    add_text_arguments(parser)
    if not meaning:
        return
    parser.add_argument(
        "--meaning",
        choices=("binary", "decimal"),
        default="binary",
        help="what a CSV number means: its float64, or the decimal as written",
    )


def add_column_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name columns."""
    parser.add_argument(
        "--target",
        action="append",
        metavar="COLUMN",
        help="name or position of the target column; once for each where a command takes several",
    )
    add_features_argument(parser)
    parser.add_argument("--sample-weight", metavar="COLUMN", help="column with sample weights")


def add_features_argument(parser: argparse.ArgumentParser) -> None:
    """Add the columns that are inputs."""
    parser.add_argument(
        "--features",
        action="append",
        metavar="COLUMN",
        help="use this column only; once for each (given once, commas separate names that are not in double quotes)",
    )


def add_cleaning_arguments(parser: argparse.ArgumentParser, categories: str | None) -> None:
    """Add what happens to rows and columns that are no numbers; `categories` is the default."""
    parser.add_argument(
        "--missing",
        choices=("fail", "drop"),
        default="fail",
        help="rows with missing values: an error that names the first (default), or left out and counted",
    )
    refused = "" if categories is not None else "refused by name (default), "
    parser.add_argument(
        "--categories",
        choices=("reject", "onehot"),
        default=categories,
        help=f"columns of text: {refused}no inputs (reject{', default' if categories else ''}), or a 0/1 column for every "
        "text but the first (onehot)",
    )


def add_text_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how text is laid out."""
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="the first line is column names, though it holds numbers; --no-header: it is data, columns go by position",
    )
    parser.add_argument(
        "--sep",
        metavar="MARK",
        help="what separates the columns of text: one character, 'tab' or 'blanks' (default: by the suffix)",
    )
    parser.add_argument(
        "--decimal", choices=(".", ","), help="the decimal mark of text (default: the point, where it can be)"
    )


def reading_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `read` for rows, categories and text."""
    return {name: getattr(arguments, name) for name in ("missing", "categories", "header", "sep", "decimal")}


def _tell(data: Dataset) -> Dataset:
    """Say on standard error what was done to the data; returns them."""
    for line in data.notes:
        note(f"note: {line}")
    return data


def add_network_file(parser: argparse.ArgumentParser) -> None:
    """Add NETWORK, a file, with the activation it may lack, and DATA."""
    parser.add_argument(
        "network",
        metavar="NETWORK",
        help="an .npz file as the library's `save` and `construct --out` write it; a model with one hidden layer in a "
        ".safetensors, .pt or .pth file (or .npz with the arrays of a state dict), read without executing anything in it",
    )
    parser.add_argument(
        "--activation",
        metavar="H",
        help="the activation of a file that does not hold one, such as relu or leaky_relu:0.2",
    )
    add_data_arguments(parser)


def add_activation_argument(parser: argparse.ArgumentParser, what: str = "piecewise linear") -> None:
    """Add the activation, and the slopes that stood for it at first."""
    parser.add_argument(
        "--activation",
        metavar="H",
        help=f"{what}, such as leaky_relu:0.2 or piecewise_linear:2,0.5 (default relu); "
        "fastminima counterexample --list has all names",
    )
    for name in ("--s-plus", "--s-minus"):
        parser.add_argument(name, type=float, help=argparse.SUPPRESS)


def activation_of(arguments: argparse.Namespace) -> ActivationLike:
    """The activation asked for.

    Raises
    ------
    OptionError
        Given in both spellings.
    ActivationError
        As `activation`.
    """
    slopes = {name: getattr(arguments, name) for name in ("s_plus", "s_minus")}
    slopes = {name: value for name, value in slopes.items() if value is not None}
    if arguments.activation is None:
        return PiecewiseLinear(**slopes) if slopes else relu
    if slopes:
        option = "--" + next(iter(slopes)).replace("_", "-")
        raise OptionError(f"--activation has the slopes: leave {option} out")
    return activation(arguments.activation)


def add_workers_argument(parser: argparse.ArgumentParser, what: str = "threads") -> None:
    """Add how many work at once."""
    parser.add_argument(
        "--workers",
        type=whole,
        default=1,
        metavar="N",
        help=f"{what}, -1 for all cores (default 1); results do not depend on it",
    )


def add_seed_argument(parser: argparse.ArgumentParser, what: str, default: int | None = 0) -> None:
    """Add what random numbers depend on."""
    parser.add_argument("--seed", type=whole, default=default, metavar="S", help=f"{what} (default 0)")


def add_result_arguments(parser: argparse.ArgumentParser, written: str, json: str) -> None:
    """Add what is written and printed; with `written` empty nothing is."""
    if written:
        parser.add_argument("--out", metavar="DIR", help=f"write {written} there{OUT_RULE}")
    parser.add_argument("--json", action="store_true", help=f"print {json}")
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="no table, no notes and no progress: the exit status, the files, and what --json prints",
    )


def features_of(arguments: argparse.Namespace) -> list[str] | None:
    """The columns that --features names."""
    return names_in(arguments.features, "--features")


def target_of(arguments: argparse.Namespace) -> str | list[str] | None:
    """The column that --target names, or the columns."""
    given: list[str] | None = arguments.target
    return given[0] if given is not None and len(given) == 1 else given


def targets_of(arguments: argparse.Namespace) -> list[str] | None:
    """The columns that --target names, where several are meant: also by one list, as they had to be at first."""
    old = getattr(arguments, "targets", None)
    if old is not None and arguments.target is not None:
        raise OptionError("--target names the targets: leave --targets out")
    return names_in(arguments.target if old is None else [old], "--target" if old is None else "--targets")


def load(arguments: argparse.Namespace, *, tell: bool = True) -> Dataset:
    """The dataset that DATA and its options name; what was done to it is told on standard error, unless others tell."""
    if arguments.data.startswith("demo:"):
        from fastminima.data.demos import load_demo

        names = ("target", "features", "sample_weight", "categories", "header", "sep", "decimal")
        given = [name for name in names if getattr(arguments, name) is not None]
        if given:
            option = "--" + given[0].replace("_", "-")
            raise TargetError(f"{arguments.data} has its own target and features; {option} is for files")
        return load_demo(arguments.data.removeprefix("demo:"), accuracy=arguments.accuracy)
    from fastminima.data.read import read

    data = read(
        arguments.data,
        target=target_of(arguments),
        features=features_of(arguments),
        sample_weight=arguments.sample_weight,
        meaning=arguments.meaning,
        accuracy=arguments.accuracy,
        labels=getattr(arguments, "labels", False),
        progress=not arguments.quiet,
        **reading_of(arguments),
    )
    return _tell(data) if tell else data


def join_positions(argv: Sequence[str]) -> list[str]:
    """`--targets -2,-1` as `--targets=-2,-1`: argparse takes a list that begins with a minus for an option."""
    joined: list[str] = []
    for token in argv:
        if joined and re.fullmatch(r"--[a-z-]+", joined[-1]) and re.fullmatch(r"-\d+(,-?\d+)+", token):
            joined[-1] += f"={token}"
        else:
            joined.append(token)
    return joined


def samples(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """(X, Y) of the command line's data and targets, exact where float64 does not hold a column."""
    source = arguments.data
    meaning: Literal["binary", "decimal"] = getattr(arguments, "meaning", "binary")
    how = reading_of(arguments)
    targets = targets_of(arguments)
    if targets is None:
        if str(source).lower().endswith(".npz") and meaning == "binary":
            pair = _arrays(source)
            if pair is not None:
                return _of_arrays(pair, how)
        raise TargetError(f"{source}: which columns are the targets? Pass --target C1 --target C2")
    chosen: dict[str, Any] = {"target": targets, "features": features_of(arguments), "meaning": meaning}
    return _exact(_tell(read(source, progress=not arguments.quiet, **chosen, **how)))


def _of_arrays(pair: tuple[Any, Any], how: dict[str, Any]) -> tuple[Any, Any]:
    """Arrays X and Y by the rules for missing values and texts."""
    given = [name for name in ("header", "sep", "decimal") if how[name] is not None]
    if given:
        raise OptionError(f"--{given[0]} is for text files")
    if how["missing"] == "fail" and how["categories"] is None:
        return pair
    return _exact(_tell(Dataset(*pair, missing=how["missing"], categories=how["categories"])))


def _exact(data: Dataset) -> tuple[Any, Any]:
    """(X, Y), exact where float64 does not hold a column."""
    exact = data.exact
    if exact is None:
        return data.X, data.Y
    table = np.empty((data.n_samples, data.n_features + data.n_targets), dtype=object)
    for k, (numerators, scale) in enumerate(zip(exact.numerators, exact.scales, strict=True)):
        table[:, k] = [int(n) * scale for n in numerators]
    return table[:, : data.n_features], table[:, data.n_features :]


def _arrays(source: str) -> tuple[Any, Any] | None:
    """X and Y of an npz file, or None when it has other arrays."""
    with open_npz(source, "is damaged or holds Python objects", "; expected arrays X and Y") as stored:
        return (stored["X"], stored["Y"]) if {"X", "Y"} <= set(stored.files) else None
