"""Named datasets for first steps: the diabetes table and parity functions."""

from __future__ import annotations

import difflib
import itertools
import re
from importlib.resources import as_file, files

import numpy as np

from fastminima.errors import ReadError
from fastminima.system.files import open_npz
from fastminima.system.options import one_of, spelled

from .dataset import Accuracy, Dataset

__all__ = ["DEMOS", "load_demo"]

_MAX_PARITY = 12
_DIABETES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
DEMOS = (
    "diabetes",
    "xor",
    *(f"parity{n}" for n in range(1, _MAX_PARITY + 1)),
    *(f"pmparity{n}" for n in range(1, _MAX_PARITY + 1)),
)
"""The names `load_demo` knows."""


def load_demo(name: str, *, accuracy: Accuracy = "auto") -> Dataset:
    """A dataset by name.

    Parameters
    ----------
    name : str
        "diabetes": 442 x 10, that of scikit-learn to the bit (source and licence: data/diabetes.md); "parityN",
        N = 1..12: all of {0,1}^N in lexicographic order, y = 1 where the number of ones is odd; "xor": parity2;
        "pmparityN": the same on {-1,1}^N, y = 1 where the number of -1 is odd.
    accuracy : {"auto", "exact"}
        Passed to `Dataset`.

    Raises
    ------
    ReadError
        Unknown name; the message lists near ones.

    Examples
    --------
    >>> import fastminima as fm
    >>> fm.load_demo("xor").X.tolist(), fm.load_demo("xor").y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 1.0, 0.0])
    >>> fm.load_demo("diabetes").X.shape
    (442, 10)
    """
    if not one_of(name, DEMOS):
        near = difflib.get_close_matches(spelled(name), DEMOS, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ReadError(
            f"unknown demo {spelled(name)}; known: diabetes, xor, parityN and pmparityN for N = 1..12.{hint}"
        )
    if name == "diabetes":
        with (
            as_file(files(__package__).joinpath("diabetes.npz")) as path,
            open_npz(path, "is not the table that comes with the package", "; install it again") as table,
        ):
            X, y = np.ascontiguousarray(table["X"]), table["y"].astype(np.float64)
        return Dataset(
            X,
            y,
            feature_names=_DIABETES,
            target_name="progression",
            accuracy=accuracy,
        )
    match = re.search(r"\d+$", name)
    n = int(match.group()) if match else 2
    bits = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    X = 2.0 * bits - 1.0 if name.startswith("pm") else bits
    odd = (bits == 0.0).sum(axis=1) % 2 if name.startswith("pm") else bits.sum(axis=1) % 2
    return Dataset(
        X, odd, feature_names=[f"x{i + 1}" for i in range(n)], target_name="parity", accuracy=accuracy
    )
