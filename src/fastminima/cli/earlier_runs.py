"""What an earlier run left in an output folder, by that run's own word: the files its summary lists, and no others."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastminima.errors import MissingDependencyError
from fastminima.system.packages import import_optional

__all__ = ["COMMANDS", "Earlier", "Layout", "earlier_run", "names_inside"]

_TABLES = ("table.csv", "table.parquet", "table.jsonl")
_NETWORKS = ("minimum.npz", "better.npz")
# under these keys a summary says what its run read
_SOURCES = ("network", "weights", "source", "data", "minimum", "better")


@dataclass(frozen=True)
class Layout:
    """What a command may write into its folder.

    Attributes
    ----------
    summaries : tuple of str
        Files that mark the folder as finished; a run writes one.
    files : tuple of str
        The others.
    keys : tuple of str
        What every summary of this command has, and hardly any other file.
    numbered : str
        Pattern of the files of which there may be any number; it matches plain names alone.
    """

    summaries: tuple[str, ...]
    files: tuple[str, ...]
    keys: tuple[str, ...]
    numbered: str = ""

    def is_numbered(self, name: str) -> bool:
        """Is this one of the files of which there may be any number?"""
        return bool(self.numbered and re.fullmatch(self.numbered, name, re.ASCII))


COMMANDS = {
    "construct": Layout(
        ("summary.json",),
        (*_NETWORKS, "segment.png", "proof.json"),
        ("least_squares", "minimum", "files"),
        r"member-\d+\.npz",
    ),
    "decide": Layout(
        ("decide.json",),
        ("escape.npz", "decided.png", "proof.json"),
        ("verdict", "kinks_per_unit", "files"),
    ),
    "polish": Layout(
        ("polish.json",),
        ("polished.npz", "descent.png", "polished.png", "proof.json"),
        ("status", "risk_before", "files"),
    ),
    "bracket": Layout(
        ("bracket.json",),
        ("bracket.png", "trace.png"),
        ("brackets", "widths_not_reached", "files"),
        r"width-\d+\.npz|proof-\d+\.json",
    ),
    "probe": Layout(("probe.json",), ("probe.png",), ("probes", "network", "files")),
    "linear": Layout(("linear.json",), ("up.npz", "down.npz"), ("verdict", "widths", "files")),
    "counterexample": Layout(
        ("counterexample.json",),
        ("local_minimum.npz", "global_minimum.npz", "data.csv", "slice.png"),
        ("conditions", "witness", "radius"),
    ),
    "atlas": Layout(
        ("atlas.json",),
        (
            "atlas.parquet", "atlas.csv", "left-out.csv", "atlas.html", "gaps.png", "widths.png", "lengths.png",
            "recovered.png",
        ),
        ("tables_left_out", "statuses", "files"),
        # no part of a path begins with a point, so that none leads out of the folder
        r"certificates(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/(?:minimum|width-[0-9]+)\.json",
    ),
    "prove": Layout(("prove.json",), ("proof.json", "data.csv"), ("theorem", "claims", "files")),
    "report": Layout(("report.json",), ("page.html",), ("proved", "sampled", "files")),
    "scan": Layout(_TABLES, (), ("dataset", "status", "folder", "splits")),
}


@dataclass(frozen=True)
class Earlier:
    """A run that is finished.

    Attributes
    ----------
    summary : str
        The file that says so.
    files : tuple of str
        What it wrote and is still there, relative to the folder, the summary last.
    sources : tuple of str
        What it read, as it was named then.
    """

    summary: str
    files: tuple[str, ...]
    sources: tuple[str, ...]


def earlier_run(folder: Path, command: str) -> Earlier | None:
    """The finished run of `command` in the folder, or None where there is no such file or it is nobody's of ours."""
    layout = COMMANDS[command]
    found: list[Earlier] = []
    for summary in layout.summaries:
        path = folder / summary
        if not path.is_file():
            continue
        try:
            found.append(
                _scan(folder, summary) if command == "scan" else _summarised(folder, summary, layout)
            )
        except MissingDependencyError:
            # what cannot be looked into may well be ours
            raise
        except Exception:
            # all of them: what lies there may be anything, and then it is not ours
            continue
    if not found:
        return None
    # several tables: one scan after another in another format, by an older version
    files = dict.fromkeys(name for run in found for name in run.files)
    return Earlier(found[-1].summary, tuple(files), tuple(s for run in found for s in run.sources))


def _present(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if (folder / name).is_file())


def _summarised(folder: Path, summary: str, layout: Layout) -> Earlier:
    content: dict[str, Any] = json.loads((folder / summary).read_text(encoding="utf-8"))
    if not set(layout.keys) <= set(content):
        raise ValueError("not ours")
    # counterexample did not list its files at first, and wrote the same ones whenever it had both points
    listed = content.get("files", layout.files if content.get("local_minimum") else ())
    names = [name for name in layout.files if name in listed]
    names += [name for name in listed if isinstance(name, str) and layout.is_numbered(name)]
    sources = tuple(content[key] for key in _SOURCES if isinstance(content.get(key), str))
    return Earlier(summary, _present(folder, [*names, summary]), sources)


def _scan(folder: Path, summary: str) -> Earlier:
    rows = _rows(folder / summary)
    if not rows or not all(set(COMMANDS["scan"].keys) <= set(row) for row in rows):
        raise ValueError("not ours")
    names: list[str] = []
    for row in rows:
        own = row["folder"]
        # a name in this folder and no way out of it
        if own and Path(own).name == own and not (folder / own).is_symlink():
            names += [f"{own}/{network}" for network in _NETWORKS]
    sources = tuple(str(row["dataset"]) for row in rows)
    return Earlier(summary, _present(folder, [*names, summary]), sources)


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        parquet = import_optional("pyarrow.parquet", extra="tables", purpose="reading an earlier table")
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return rows
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text, newline="")))


def names_inside(folder: Path, paths: Iterable[str]) -> set[str]:
    """The paths that lead into the folder, relative to it; the folder itself is "."."""
    inside = set()
    for path in paths:
        # a name that is no path at all, such as demo:xor, leads nowhere; 'store.h5::runs' is of store.h5
        with suppress(OSError, ValueError):
            inside.add(Path(path.partition("::")[0]).resolve().relative_to(folder.resolve()).as_posix())
    return inside
