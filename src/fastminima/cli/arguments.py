"""What the commands share: the data on the command line."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.data.read import read
from fastminima.errors import OptionError, TargetError
from fastminima.system.files import open_npz

__all__ = [
    "add_cleaning_arguments",
    "add_column_arguments",
    "add_data_arguments",
    "add_network_arguments",
    "add_network_file",
    "add_slope_arguments",
    "add_text_arguments",
    "features_of",
    "join_positions",
    "load",
    "reading_of",
    "samples",
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
    parser.add_argument("--target", metavar="COLUMN", help="name or position of the target column")
    parser.add_argument("--features", metavar="A,B,...", help="use these columns only (comma-separated)")
    parser.add_argument("--sample-weight", metavar="COLUMN", help="column with sample weights")


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
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
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
        metavar="NAME",
        help="the activation of a file that does not hold one, such as relu or leaky_relu",
    )
    add_data_arguments(parser)


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the width and the slopes of theorem 1's network."""
    parser.add_argument("--width", type=int, default=2, metavar="D1", help="hidden units (default 2)")
    add_slope_arguments(parser)


def add_slope_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the slopes of a piecewise linear activation."""
    parser.add_argument("--s-plus", type=float, default=1.0, metavar="S", help="slope for t > 0 (default 1)")
    parser.add_argument("--s-minus", type=float, default=0.0, metavar="S", help="slope for t < 0 (default 0)")


def features_of(arguments: argparse.Namespace) -> list[str] | None:
    """The columns that --features names."""
    return None if arguments.features is None else [name.strip() for name in arguments.features.split(",")]


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
        target=arguments.target,
        features=features_of(arguments),
        sample_weight=arguments.sample_weight,
        meaning=arguments.meaning,
        accuracy=arguments.accuracy,
        progress=True,
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
    if arguments.targets is None:
        if str(source).lower().endswith(".npz") and meaning == "binary":
            pair = _arrays(source)
            if pair is not None:
                return _of_arrays(pair, how)
        raise TargetError(f"{source}: which columns are the targets? Pass --targets C1,C2")
    targets = [name.strip() for name in arguments.targets.split(",") if name.strip()]
    if not targets:
        raise TargetError("--targets needs one or more columns, got none")
    return _exact(
        _tell(
            read(
                source, target=targets, features=features_of(arguments), meaning=meaning, progress=True, **how
            )
        )
    )


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
