"""A table with a title, units and words below it: as text, HTML and LaTeX. All words in it may come from outside."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fastminima.system.plain_text import printable

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Summary", "html_cell"]

# rows that a notebook shows of a long table
_MOST = 30

_STYLE = (
    "border-collapse:collapse;text-align:left",
    "padding:0.15em 0.8em 0.15em 0;text-align:left;vertical-align:top",
)
# what is not broken in two where a table is narrow
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( ?%)?")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "½": r"$\tfrac12$", "Σ": r"$\Sigma$", "ω": r"$\omega$", "²": "$^2$", "ℓ": r"$\ell$", "−": "$-$", "≤": r"$\leq$",
    "‖": r"$\Vert$", "…": r"\dots{}",
}  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """What a result says, as a table: printed, and shown by notebooks.

    Attributes
    ----------
    title : str
    columns : tuple of str
        Heads of the columns; of a single result "quantity", "value" and "unit".
    rows : tuple of tuples of str
        Numbers are rounded; bounds to their safe side.
    notes : tuple of str
        The data, the formula of the risk, and what has to be known of the numbers.

    Examples
    --------
    >>> import fastminima as fm
    >>> data = fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0], feature_names=["size"], target_name="price")
    >>> table = fm.least_squares(data).summary()
    >>> print(table.rows[0])
    ('risk', '0.8928571429', 'price²')
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def head(self, n: int = _MOST) -> Summary:
        """The first rows, and below them how many there are more."""
        if len(self.rows) <= n:
            return self
        more = f"… {len(self.rows) - n:,} more of {len(self.rows):,} rows"
        return replace(self, rows=self.rows[:n], notes=(more, *self.notes))

    def as_text(self) -> str:
        """Lines of text, columns aligned; what a terminal would obey is escaped."""
        table = [tuple(map(printable, row)) for row in (self.columns, *self.rows)]
        widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
        rule = "  ".join("-" * width for width in widths)
        lines = [
            "  ".join(
                cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
            ).rstrip()
            for row in table
        ]
        return "\n".join(
            [printable(self.title), rule, lines[0], rule, *lines[1:], rule, *map(printable, self.notes)]
        )

    def as_html(self) -> str:
        """An HTML table without scripts and without anything from the network; all words are escaped."""
        table, cell = _STYLE
        heads = "".join(f'<th scope="col" style="{cell}">{_safe(name)}</th>' for name in self.columns)
        body = "".join("<tr>" + "".join(map(html_cell, row)) + "</tr>\n" for row in self.rows)
        notes = "".join(f"<div>{_safe(note)}</div>\n" for note in self.notes)
        return (
            f'<div class="fastminima"><table style="{table}">\n'
            f'<caption style="text-align:left;font-weight:bold">{_safe(self.title)}</caption>\n'
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table>\n<small>{notes}</small></div>"
        )

    def as_latex(self) -> str:
        """A `tabular` of LaTeX with title and notes around it; all words are escaped, and no package is needed.

        Characters that LaTeX has no name for here stay as they are: its engines read UTF-8.
        """
        lines = [" & ".join(map(_latex, row)) + r" \\" for row in self.rows]
        return "\n".join(
            [
                r"\begin{center}",
                rf"\textbf{{{_latex(self.title)}}}\par\medskip",
                rf"\begin{{tabular}}{{{'l' * len(self.columns)}}}",
                r"\hline",
                " & ".join(map(_latex, self.columns)) + r" \\",
                r"\hline",
                *lines,
                r"\hline",
                r"\end{tabular}",
                *(rf"\par {{\small {_latex(note)}}}" for note in self.notes),
                r"\end{center}",
                "",
            ]
        )

    def __str__(self) -> str:
        return self.as_text()

    def __repr__(self) -> str:
        return f"Summary({printable(self.title)!r}, {len(self.rows)} rows; print it, or as_html, as_latex)"

    def _repr_html_(self) -> str:
        return self.head().as_html()

    def __rich__(self) -> Table:
        """As rich prints it; only rich asks."""
        from rich.table import Table
        from rich.text import Text

        view = Table(
            title=Text(printable(self.title)), caption=Text("\n".join(map(printable, self.notes))),
            title_justify="left", caption_justify="left",
        )  # fmt: skip
        for name in self.columns:
            view.add_column(Text(printable(name)), overflow="fold")
        for row in self.rows:
            view.add_row(*(Text(printable(text)) for text in row))
        return view


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def html_cell(text: str) -> str:
    """A cell of an HTML table: escaped, and numbers in one piece."""
    whole = ";white-space:nowrap" if _NUMBER.fullmatch(text) else ""
    return f'<td style="{_STYLE[1]}{whole}">{_safe(text)}</td>'


def _safe(text: str) -> str:
    return html.escape(printable(text), quote=True)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in printable(text))
