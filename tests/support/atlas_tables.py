"""A package of tables for atlases: some that can be used, and one for every reason why a table is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fastminima.scanning import installed_tables

HOSTILE = "a/<script>alert(1)</script>&\x1b[31m"


def _frame(seed, m=12, d=1, **columns):
    rng = np.random.default_rng(seed)
    made = {f"x{j}": rng.integers(-9, 9, m) for j in range(d)}
    return pd.DataFrame({**made, **columns, "y": rng.integers(-9, 9, m)})


def frames():
    """Tables by name."""
    line = _frame(1)
    gaps = _frame(2, d=2, word="text", flag=True)
    gaps.loc[3, "x1"] = np.nan
    return {
        "line": line,
        "gaps": gaps.assign(last="text"),
        "wide": _frame(3, m=9, d=4),
        "repeats": pd.concat([_frame(4, m=8), _frame(5, m=8)]),
        "affine": pd.DataFrame({"x": [1, 2, 3, 4], "y": [3, 5, 7, 9]}),
        HOSTILE: _frame(6),
        "../../up": _frame(7),
        "same as line": line.rename(columns={"y": "other"}),
        "large": _frame(8, m=200),
        "one column": line[["y"]],
        "texts": pd.DataFrame({"a": ["b", "c"], "d": ["e", "f"]}),
        "few rows": line.head(2),
        "infinite": line.assign(y=[np.inf] + 11 * [1.0]),
        "constant": line.assign(y=5),
        "no table": [1, 2, 3],
        "broken": None,
    }


USABLE = ["../../up", HOSTILE, "affine", "gaps", "line", "repeats", "wide"]
REASONS = {
    "same as line": "the same numbers as made/line",
    "large": "200 rows of 2 columns of numbers: more than 100 numbers",
    "one column": "columns of numbers: 1; an input and a target are needed",
    "texts": "columns of numbers: 0",
    "few rows": "rows without a missing value: 2; 3 are needed",
    "infinite": "inf",
    "constant": "is constant",
    "no table": "no table but list",
    "broken": "it cannot be opened: LookupError: nothing there",
}


def _table(name):
    frame = frames()[name]
    if frame is None:
        raise LookupError("nothing there")
    return frame


def install(monkeypatch):
    """Let "made" be a package of these tables, in this process."""
    made = installed_tables._Package(lambda: list(frames()), _table, "no such distribution")
    monkeypatch.setitem(installed_tables._KNOWN, "made", made)
