"""The page of an atlas: one HTML file with its pictures and every row."""

from __future__ import annotations

import html
import io
import os
import re
from collections.abc import Iterator
from typing import Any

from fastminima.errors import OptionError, OutputError
from fastminima.exact.shown import rounded_down, rounded_up
from fastminima.scanning.atlas import Atlas
from fastminima.system.files import replacing
from fastminima.system.options import spelled
from fastminima.system.plain_text import printable

from .atlas_numbers import MEDIANS, SUMMARY_HEAD, AtlasNumbers, atlas_numbers, summary_rows
from .atlas_plots import ATLAS_PICTURES, draw_atlas
from .figures import require_matplotlib

__all__ = ["atlas_page", "page_text", "svg_text"]

# nothing is loaded from anywhere, whatever a name of a table says
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em }
body { color: #222; background: #fff }
figure { display: inline-block; vertical-align: top; width: 23em; margin: 0 1em 1em 0 }
figure svg { width: 100%; height: auto } figcaption { font-size: 13px; color: #444 }
table { border-collapse: collapse; font-size: 12px } .scroll { overflow-x: auto }
th, td { padding: 2px 7px; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child { text-align: left } th button { all: unset; cursor: pointer; font-weight: 600 }
th button:focus-visible { outline: 2px solid #1f4e79 } tbody tr:hover { background: #f3f6fa }
"""
# a column is sorted by its numbers, empty cells last; a second click turns it round
_SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("th button").forEach((button, k) => button.addEventListener("click", () => {
    const head = button.parentNode, down = head.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => row.cells[k].textContent, sign = down ? -1 : 1;
    [...body.rows].sort((a, b) => {
      const s = value(a), t = value(b), x = parseFloat(s), y = parseFloat(t);
      if (!s || !t) return (s ? 0 : 1) - (t ? 0 : 1);
      return sign * (k && !isNaN(x) && !isNaN(y) ? x - y : s.localeCompare(t));
    }).forEach(row => body.appendChild(row));
  }));
}
"""
_FACTS = {
    "pure error": "E", "lines": "lines", "pieces joined at kinks": "joined", "independent pieces": "pieces",
}  # fmt: skip


def atlas_page(
    source: Atlas | AtlasNumbers | str | os.PathLike[str],
    path: str | os.PathLike[str],
    title: str = "An atlas of gaps",
) -> None:
    """Write an atlas as one HTML file: its four pictures as inline SVG, medians, and a table of all rows that can be sorted.

    Parameters
    ----------
    source : Atlas or path
        From `atlas`, or the table that it wrote (.parquet, .csv, .jsonl).
    path : path-like
        Of the page, .html; written whole or not at all.
    title : str, optional

    Raises
    ------
    DataTypeError, OptionError, MissingFileError, ReadError
        `source` is no atlas, or has no brackets; `title` is no text.
    OutputError
        `path` is none of a page, or cannot be written.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).

    Examples
    --------
    >>> import fastminima as fm
    >>> import tempfile
    >>> from pathlib import Path
    >>> made = fm.atlas("sklearn", widths=(2,), seconds=0.05, most=2, prove=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fm.atlas_page(made, Path(folder, "atlas.html"))
    ...     Path(folder, "atlas.html").read_text().count("<svg ")
    4
    """
    if (
        not isinstance(path, str | os.PathLike)
        or not isinstance(os.fspath(path), str)
        or "\0" in os.fspath(path)
    ):
        raise OutputError(f"a page needs a path such as 'atlas.html', got {spelled(path)}")
    if not os.fspath(path).lower().endswith((".html", ".htm")):
        raise OutputError(f"cannot write {printable(os.fspath(path))}: a page's name ends in .html")
    if not isinstance(title, str):
        raise OptionError(f"title must be a text, got {spelled(title)}")
    require_matplotlib()
    text = page_text(atlas_numbers(source), title)
    with replacing(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


def page_text(numbers: AtlasNumbers, title: str) -> str:
    """The page as text."""
    shown = html.escape(printable(title))
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f'<meta name="viewport" content="width=device-width"><title>{shown}</title><style>{_STYLE}</style></head><body>',
        f"<h1>{shown}</h1>",
        *_introduction(numbers),
    ]
    if numbers.bracketed:
        for kind, caption in ATLAS_PICTURES.items():
            parts.append(
                f"<figure>{svg_text(numbers, kind)}<figcaption>{html.escape(caption)}</figcaption></figure>"
            )
        parts += [
            "<h2>Medians</h2>",
            f"<p>{html.escape(MEDIANS)}.</p>",
            *_table(SUMMARY_HEAD, summary_rows(numbers), ""),
        ]
    parts += [
        "<h2>Tables</h2>",
        *_table(_head(numbers), [_cells(row, numbers.widths) for row in numbers.rows], "sortable"),
    ]
    return "\n".join([*parts, f"<script>{_SCRIPT}</script></body></html>", ""])


def svg_text(numbers: AtlasNumbers, kind: str) -> str:
    """A picture as the text of an SVG element; the same numbers give the same text."""
    import matplotlib as mpl

    figure, stream = draw_atlas(numbers, kind), io.StringIO()
    # text stays text; a salt of its own keeps the names inside apart from those of the other pictures
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": f"atlas {kind}",
            "font.family": "sans-serif",
            "path.simplify": False,
        }
    ):
        figure.savefig(
            stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    # a hundredth of a point is less than is seen
    text = re.sub(r"-?[0-9]+\.[0-9]{3,}", lambda found: f"{float(found[0]):.2f}", text)
    return re.sub(r"\n\s*", "\n", text).replace("<svg ", f'<svg role="img" aria-label="{kind}" ', 1)


def _introduction(numbers: AtlasNumbers) -> Iterator[str]:
    statuses: dict[str, int] = {}
    for row in numbers.rows:
        statuses[str(row["status"])] = statuses.get(str(row["status"]), 0) + 1
    counted = ", ".join(
        f"{n:,} {html.escape(printable(s))}" for s, n in sorted(statuses.items(), key=lambda p: -p[1])
    )
    yield (
        f"<p>{len(numbers.rows):,} tables ({counted}). Theorem 1 of Yun, Sra and Jadbabaie (2019) gives each one a local "
        "minimum of ReLU-like networks whose risk is that of least squares. How far is it from the best network of its "
        "width? All numbers but counts and the radius are shares of the least-squares risk, rounded outward: the least risk "
        "lies between <b>lower</b> and <b>upper</b>, so that the gap lies between 1 - upper and 1 - lower. Lower ends hold "
        "for all slopes, upper ones for the ReLU.</p>"
    )
    yield (
        "<p>Proved <b>by</b>: E, the pure error of equal inputs; lines, rows that agree in all inputs but one; joined and "
        "pieces, affine pieces of one input, joined at kinks or independent. <b>Certified</b>: the lower end that the "
        "certificate of the width states, which the checker accepted with the standard library alone. <b>Left</b>: the "
        "least-squares risk over the best constant's. <b>Push</b> and <b>kink</b>: proved drops of better points. "
        "<b>Interpolates</b>: a width that reaches the pure error.</p>"
    )


def _head(numbers: AtlasNumbers) -> list[str]:
    head = ["table", "rows", "inputs", "distinct", "radius", "case", "left", "E", "push", "kink"]
    for w in numbers.widths:
        head += [f"lower {w}", f"upper {w}", f"by {w}", f"certified {w}"]
    return [*head, "interpolates", "status"]


def _cells(row: dict[str, Any], widths: tuple[int, ...]) -> list[str]:
    cells = [
        str(row["table"]),
        *(_text(row.get(name)) for name in ("m", "d", "n")),
        _near(row.get("radius")),
        _text(row.get("case")),
    ]
    cells += [
        _near(row.get("unexplained")),
        *(_down(row.get(name)) for name in ("pure_error", "paper_drop", "kink_drop")),
    ]
    for w in widths:
        fact = row.get(f"fact_{w}")
        cells += [_down(row.get(f"lower_{w}")), _up(row.get(f"upper_{w}"))]
        cells += [_FACTS.get(str(fact), str(fact)) if fact else "", _down(row.get(f"certified_lower_{w}"))]
    cells.append(_text(row.get("interpolation_width")))
    error = row.get("error")
    return [*cells, f"{row['status']}: {error}" if error else str(row["status"])]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _near(value: Any) -> str:
    return "" if value is None else f"{value:.3g}"


def _down(value: Any) -> str:
    return "" if value is None else rounded_down(value, 4)


def _up(value: Any) -> str:
    return "" if value is None else rounded_up(value, 4)


def _table(head: Any, rows: list[list[str]], kind: str) -> Iterator[str]:
    """Every cell as text; in a table that can be sorted the head has buttons."""
    yield f'<div class="scroll"><table class="{kind}"><thead><tr>'
    for name in head:
        label = html.escape(name)
        yield (
            f'<th scope="col"><button type="button">{label}</button></th>'
            if kind
            else f'<th scope="col">{label}</th>'
        )
    yield "</tr></thead><tbody>"
    for row in rows:
        # the ends of rows and cells go without saying
        yield "<tr>" + "".join(f"<td>{html.escape(printable(cell))}" for cell in row)
    yield "</tbody></table></div>"
