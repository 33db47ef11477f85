"""Results as one page of HTML that needs nothing else: no network, no script, no file beside it."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastminima._version import __version__
from fastminima.data.dataset import Dataset
from fastminima.data.file_kind import as_path
from fastminima.errors import FastMinimaError, MissingDependencyError, OptionError
from fastminima.landscape.bracket.bracket import Bracket, Brackets
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.polish.polish import Polish
from fastminima.networks.deep_network import DeepNetwork
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.proof import check as checker
from fastminima.proof.certificate import Certificate
from fastminima.proof.prove import prove
from fastminima.reporting.figures import require_matplotlib
from fastminima.system.files import replacing
from fastminima.system.options import as_flag, spelled
from fastminima.system.plain_text import printable
from fastminima.system.results import Result
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem2.counterexample import CounterExample

from .pictures import pictures
from .plain import to_dict
from .summaries import SUMMARIES, as_result
from .summary import html_cell
from .units import FORMULA
from .words import Said, asked, said

__all__ = ["Page", "report"]

# columns and parameters that a page shows; the rest is in the file behind its link
_COLUMNS, _NUMBERS = 60, 400

_STYLE = """
:root{color-scheme:light}
body{font:1rem/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:56rem;margin:0 auto;padding:1rem}
body{overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ccc}
.wide{overflow-x:auto;margin-bottom:1.5rem}table{font-variant-numeric:tabular-nums}td,th,caption{overflow-wrap:normal}
.said{border-left:.35rem solid;padding:.1rem 0 .1rem 1rem;margin:1rem 0}.said h3{margin:.3rem 0;font-size:1rem}
.proved{border-color:#1f4e79}.sampled{border-color:#b98b2f}.open{border-color:#777}
figure{margin:1.5rem 0}svg{width:100%;height:auto;max-width:44rem}figcaption{color:#444}
pre{white-space:pre-wrap;background:#f4f4f4;padding:.7rem;font-size:.85rem}details{margin:.8rem 0}summary{cursor:pointer}
footer{margin-top:3rem;color:#555;font-size:.9rem}
"""
_MEANINGS = {
    "binary": "numbers are taken as the float64 values they are",
    "decimal": "numbers are taken as the decimals that the file has",
    "rational": "numbers are exact fractions",
}
# nothing is loaded and nothing is run, whatever stands in the page
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, repr=False)
class Page:
    """A page of HTML.

    Attributes
    ----------
    title : str
    html : str
        The whole file.

    Examples
    --------
    >>> import fastminima as fm
    >>> page = fm.report(fm.least_squares(fm.load_demo("xor")), title="XOR")
    >>> page.title, page.html.startswith("<!DOCTYPE html>")
    ('XOR', True)
    """

    title: str
    html: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file; it appears whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written there.
        """
        with replacing(path) as stream:
            stream.write(self.html.encode("utf-8", "backslashreplace"))

    def __str__(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Page({printable(self.title)!r}, {len(self.html):,} characters)"

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html, quote=True)}" sandbox="" '
            'style="width:100%;height:40rem;border:1px solid #ccc"></iframe>'
        )


def report(
    results: Result | Sequence[Result],
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    certificate: bool = True,
    asked_for: str | None = None,
) -> Page:
    """One self-contained page of HTML about results, for people who were not there.

    What was asked, the data, what is proved and what is only sampled in plain words, pictures, tables, the networks, and a
    certificate with the way to check it without this library. The page loads nothing and runs nothing.

    Parameters
    ----------
    results : any result of the library, or a sequence of them
        Such as a minimum, the better point and a probe around it.
    path : path, optional
        Where the page is written.
    title : str, optional
    certificate : bool, default True
        Whether to prove what has a certificate; False saves the time. Certificates among the results are shown anyway.
    asked_for : str, optional
        What was asked, in words of your own: a command, a question.

    Returns
    -------
    Page
        `.html`, `.save(path)`; notebooks show it.

    Raises
    ------
    DataTypeError
        If one of them is no result.
    OptionError
        If there is none.
    OutputError
        If the page cannot be written.

    Notes
    -----
    The risk is that of Yun, Sra and Jadbabaie (2019), section 2. Pictures need the extra `plot`; without it the page
    says so.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> page = fm.report([low, fm.better_point(low)], certificate=False)
    >>> "The proved and the sampled" in page.html, "<script" in page.html
    (True, False)
    """
    several = (
        list(results) if isinstance(results, list | tuple) and type(results) not in SUMMARIES else [results]
    )
    if not several:
        raise OptionError("report takes at least one result; the list is empty")
    found = [as_result(one, "report") for one in several]
    target = None if path is None else as_path(path)
    proving = as_flag(certificate, "certificate")
    for name, value in (("title", title), ("asked_for", asked_for)):
        if value is not None and not isinstance(value, str):
            raise OptionError(f"{name} must be a text, got {spelled(value)}")
    certificates, refused = _certificates(found, proving)
    head = title if title is not None else asked(found)[0].capitalize()
    parts = [
        *_question(found, asked_for),
        *_data(found),
        *_findings(said(found)),
        *_pictures(found),
        *_tables(found),
        *_networks(found),
        *_proofs(certificates, refused),
        *_words(),
    ]
    page = Page(head, _document(head, parts))
    if target is not None:
        page.save(target)
    return page


def _certificates(results: Sequence[Any], proving: bool) -> tuple[list[Certificate], list[str]]:
    """Those at hand and those that can be made, and why others cannot."""
    found = [one for one in results if isinstance(one, Certificate)]
    refused: list[str] = []
    if found or not proving:
        return found, refused
    for pair in _provable(results):
        try:
            found.append(prove(*pair))
        except FastMinimaError as error:
            refused.append(f"{type(pair[0]).__name__}: {error}")
    return found, refused


def _provable(results: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """What `prove` is asked for: a minimum goes with its better point."""
    betters = {id(one.low): one for one in results if isinstance(one, BetterPoint | DeepBetterPoint) and one}
    minima = {id(one) for one in results if isinstance(one, SpuriousMinimum | DeepMinimum)}
    for one in results:
        if isinstance(one, BetterPoint | DeepBetterPoint):
            if one and id(one.low) not in minima:
                yield one.low, one
        elif isinstance(one, SpuriousMinimum | DeepMinimum):
            if one:
                yield one, betters.get(id(one))
        elif isinstance(one, Brackets):
            yield from ((bracket, None) for bracket in one)
        elif isinstance(one, CounterExample):
            if one.certified:
                yield one, None
        elif isinstance(one, Decision | Polish | Bracket) and one:
            yield one, None


# --- sections ---------------------------------------------------------------------------------------------------


def _text(text: str) -> str:
    return html.escape(printable(text), quote=True)


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"


def _question(results: Sequence[Any], words: str | None) -> list[str]:
    lines = ["<h2>What was asked</h2>", _list(asked(results))]
    if words is not None:
        lines.append(f"<pre>{_text(words)}</pre>")
    return lines


def _tables_of(results: Sequence[Any]) -> list[Dataset]:
    """The datasets of results, each once."""
    found: dict[int, Dataset] = {}
    for one in results:
        data = getattr(one, "data", None)
        if isinstance(data, Dataset):
            found.setdefault(id(data), data)
    return list(found.values())


def _data(results: Sequence[Any]) -> list[str]:
    lines = ["<h2>The data</h2>"]
    for data in _tables_of(results):
        weighted = "weighted, " if data.sample_weight is not None else ""
        lines.append(
            f"<p>{data.n_samples:,} rows, {weighted}{data.n_features:,} input{'s' * (data.n_features != 1)}, "
            f"{data.n_targets:,} target{'s' * (data.n_targets != 1)}; {_MEANINGS[data.meaning]}.</p>"
        )
        lines.append(_columns(data))
        if data.notes:
            lines.append(_list(data.notes))
    if len(lines) == 1:
        lines.append("<p>The results stand for themselves: they are not about a table.</p>")
    return [*lines, f"<p>{_text(FORMULA)}</p>"]


def _columns(data: Dataset) -> str:
    """Range and mean of the columns."""
    inputs = data.feature_names or tuple(f"input {j}" for j in range(data.n_features))
    targets = data.target_names or tuple(f"target {k}" for k in range(data.n_targets))
    rows = [("target", name, data.Y[:, k]) for k, name in enumerate(targets)]
    rows += [("input", name, data.X[:, j]) for j, name in enumerate(inputs[:_COLUMNS])]
    with np.errstate(over="ignore", invalid="ignore"):
        cells = [(kind, name, *(f"{v:.6g}" for v in (x.min(), x.mean(), x.max()))) for kind, name, x in rows]
    more = len(inputs) - _COLUMNS
    return _table(("column", "name", "least", "mean", "greatest"), cells) + (
        f"<p>… {more:,} more inputs</p>" if more > 0 else ""
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cell = ' style="text-align:left;padding:0 0.8em 0 0;vertical-align:top"'
    first = "".join(f'<th scope="col"{cell}>{_text(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(map(html_cell, row)) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _findings(found: Said) -> list[str]:
    lines = ["<h2>The proved and the sampled</h2>"]
    blocks = (
        ("proved", "Proved, for the numbers as they are", found.proved),
        ("sampled", "Sampled, searched or computed in floating point: not proved", found.sampled),
        ("open", "Open", found.open),
    )
    for kind, head, sentences in blocks:
        if sentences:
            lines.append(f'<div class="said {kind}"><h3>{head}</h3>{_list(sentences)}</div>')
    return lines


def _pictures(results: Sequence[Any]) -> list[str]:
    try:
        require_matplotlib()
    except MissingDependencyError as error:
        return ["<h2>Pictures</h2>", f"<p>{_text(str(error))}</p>"]
    drawn = [
        f"<figure>{svg}<figcaption>{_text(words)}</figcaption></figure>"
        if svg
        else f"<p>{_text(words)} {_text(why)}</p>"
        for words, svg, why in pictures(results)
    ]
    return ["<h2>Pictures</h2>", *drawn] if drawn else []


def _tables(results: Sequence[Any]) -> list[str]:
    tables = (SUMMARIES[type(one)](one).head(200) for one in results)
    return ["<h2>The numbers</h2>", *(f'<div class="wide">{table.as_html()}</div>' for table in tables)]


def _networks(results: Sequence[Any]) -> list[str]:
    lines = ["<h2>The networks</h2>"]
    for one in results:
        name = type(one).__name__
        network = getattr(one, "network", None)
        if isinstance(network, OneHiddenLayer | RationalNetwork | DeepNetwork):
            lines.append(f"<p>{_text(name)}: {_text(repr(network))}</p>")
            lines += _parameters(network)
        told = json.dumps(to_dict(one), allow_nan=False)
        lines.append(
            f"<p>{_download(told, f'{name}.json', f'everything about this {name} as JSON', 'application/json')}</p>"
        )
    return lines


def _parameters(network: Any) -> list[str]:
    """The parameters of a small network with one hidden layer."""
    shown = network.rounded() if isinstance(network, RationalNetwork) else network
    if not isinstance(shown, OneHiddenLayer) or shown.W1.size > _NUMBERS:
        return []
    names = shown.feature_names or tuple(f"input {j}" for j in range(shown.n_features))
    columns = [
        [*w, b, a] for w, b, a in zip(shown.W1.tolist(), shown.b1.tolist(), shown.W2.tolist(), strict=True)
    ]
    labels = [*(f"weight of {name}" for name in names), "bias", "output weight"]
    units = [f"unit {k}" for k in range(shown.width)]
    rows = [(label, *map(repr, row)) for label, row in zip(labels, zip(*columns, strict=True), strict=True)]
    words = f"output bias {float(shown.b2)!r}; every digit of the float64 numbers"
    return [_table(("", *units), rows), f"<p>{_text(words)}</p>"]


def _download(text: str, name: str, words: str, kind: str) -> str:
    data = base64.b64encode(text.encode("utf-8", "backslashreplace")).decode()
    return f'<a download="{_text(name)}" href="data:{kind};base64,{data}">{_text(words)}</a>'


def _proofs(certificates: Sequence[Certificate], refused: Sequence[str]) -> list[str]:
    lines = ["<h2>The certificate</h2>"]
    for number, one in enumerate(certificates, 1):
        name = "proof.json" if len(certificates) == 1 else f"proof-{number}.json"
        state = "accepted by the checker when this page was made" if one.checked else "not yet checked"
        lines.append(
            f"<p>{_download(one.text, name, name, 'application/json')}: {len(one.claims):,} claims, {state}.</p>"
        )
        lines.append(_list(one.claim_lines()))
    lines += [f"<p>None for {_text(reason)}</p>" for reason in refused]
    if not certificates:
        return [*lines, "<p>This page has no certificate.</p>"]
    source = Path(checker.__file__).read_text(encoding="utf-8")
    steps = [
        "Save the certificate and the checker from this page, or take the checker from where you trust it: it is the file "
        "src/fastminima/proof/check.py of fastminima.",
        f"Read it: {len(source.splitlines()):,} lines of Python that import the standard library and nothing else.",
        "Run it on your own copy of the data: python check.py proof.json data.csv --target COLUMN. It derives each "
        "claim again, in exact "
        "arithmetic, and names the first that fails.",
    ]
    lines.append(
        "<h3>How to check it without fastminima</h3><ol>"
        + "".join(f"<li>{_text(s)}</li>" for s in steps)
        + "</ol>"
    )
    lines.append(f"<p>{_download(source, 'check.py', 'check.py', 'text/x-python')}</p>")
    return lines


def _words() -> list[str]:
    words = [
        "proved: decided by a derived error bound or in exact arithmetic, for the numbers as they are",
        "sampled: so many points were looked at; a sample can show a lower point, and cannot show that there is none",
        "certified radius: how far the parameters may move, in Euclidean norm, before anything lower can come; rounded down",
        "local minimum: no network nearby has a lower risk; bad, or spurious, where a better one exists elsewhere",
    ]
    return ["<h2>The words</h2>", _list(words)]


def _document(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body><h1>{_text(title)}</h1>\n{body}\n"
        f"<footer>Made by fastminima {_text(__version__)}. Theory: Yun, Sra and Jadbabaie, Small nonlinearities in "
        f"activation functions "
        "create bad local minima in neural networks, ICLR 2019.</footer></body></html>\n"
    )
