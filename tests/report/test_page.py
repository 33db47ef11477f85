"""A page about results needs nothing but itself, obeys no name, and keeps the proved and the sampled apart."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli.main import main
from fastminima.errors import DataTypeError, OptionError, OutputError
from fastminima.proof import check as checker
from fastminima.reporting.results import page as module
from fastminima.reporting.results.page import report
from fastminima.reporting.results.summaries import SUMMARIES
from fastminima.reporting.results.words import _WORDS, said
from results import NAMES, TARGET, all_results

CLASSES = sorted(cls.__name__ for cls in SUMMARIES)
TEXT = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "h3",
        "p",
        "ul",
        "ol",
        "li",
        "pre",
        "div",
        "footer",
    ),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "small", "figure", "figcaption", "a"),
}
DRAWN = {
    "svg",
    "g",
    "defs",
    "style",
    "path",
    "use",
    "clippath",
    "rect",
    "image",
    "lineargradient",
    "stop",
    "text",
    "pattern",
    "filter",
}
ATTRIBUTES = {
    *(
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "style",
        "class",
        "scope",
        "download",
        "href",
        "role",
        "type",
    ),
    *(
        "viewbox",
        "version",
        "id",
        "d",
        "clip-path",
        "transform",
        "xlink:href",
        "x",
        "y",
        "width",
        "height",
        "points",
    ),
    *("x1", "x2", "y1", "y2", "preserveaspectratio", "image-rendering", "fill", "stroke"),
}


class Read(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.links, self.text = set(), set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [
            value for name, value in attrs if name in ("href", "src", "xlink:href", "action", "srcset")
        ]

    def handle_data(self, text):
        self.text.append(text)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def safe(page):
    read = Read(page)
    assert read.tags <= TEXT | DRAWN, read.tags - TEXT - DRAWN
    assert read.attributes <= ATTRIBUTES, read.attributes - ATTRIBUTES
    assert all(link.startswith(("#", "data:")) for link in read.links)
    assert "<script" not in page.lower()
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", page))
    assert "default-src 'none'" in page
    return read


@pytest.mark.parametrize("name", CLASSES)
def test_a_page_of_any_result_needs_nothing_and_runs_nothing(name):
    for one in all_results()[name][:1]:
        read = safe(report(one, certificate=False).html)
        assert "What was asked" in read.words
        assert "The numbers" in read.words


def test_foreign_text_is_shown_and_not_obeyed():
    low, better = all_results()["SpuriousMinimum"][0], all_results()["BetterPoint"][0]
    evil = '"><script>alert(3)</script><img src=x onerror=alert(4)>'
    page = report([low, better], title=evil, asked_for=evil, certificate=False)
    read = safe(page.html)
    assert "<script>alert(3)</script>" in read.words
    for name in (NAMES[0], NAMES[1], TARGET):
        assert name in read.words
    assert "\x1b" not in page.html
    # a notebook holds the page in a frame that may do nothing
    frame = Read(page._repr_html_())
    assert (frame.tags, frame.attributes) == ({"iframe"}, {"srcdoc", "sandbox", "style"})


def test_every_result_has_sentences_and_only_proofs_are_called_proved():
    assert {cls.__name__ for cls in _WORDS} == set(CLASSES)
    for several in all_results().values():
        for one in several:
            found = said([one])
            assert found.proved or found.sampled or found.open
    for name in ("Probe", "ProbeSweep"):
        for one in all_results()[name]:
            assert not said([one]).proved
    for report_ in all_results()["LinearReport"]:
        assert bool(said([report_]).proved) == (
            report_.certified or bool(report_.escape and report_.escape.confirmed)
        )
    certified, _, nothing = all_results()["CounterExample"]
    assert said([certified]).proved
    assert not said([nothing]).proved
    decided, walks = all_results()["Decision"], all_results()["Polish"]
    assert "at a local minimum" in said(decided[:1]).proved[0]
    assert "at no local minimum" in said(decided[1:]).proved[0]
    assert all(said([walk]).proved for walk in walks)


def test_a_lower_point_is_called_proved_where_balls_prove_it():
    pytest.importorskip("flint")
    rng = np.random.default_rng(0)
    network = fm.OneHiddenLayer([[1.0, 0.5]], [0.5], [1.0], 3.0, "tanh")
    probe = fm.probe(network, (rng.normal(size=(12, 2)), rng.normal(size=12)), radius=0.5, n=50)
    assert probe.lowest_proved
    found = said([probe])
    assert "lower risk" in found.proved[0]
    assert found.sampled


def test_numbers_in_sentences_claim_no_more_than_is_proved():
    low, better = all_results()["SpuriousMinimum"][0], all_results()["BetterPoint"][0]
    text = " ".join(said([low, better]).proved)
    moved = float(re.search(r"each move by at most ([\d.]+)", text)[1])
    assert 0.999 * low.radius < moved <= low.radius
    drop = float(re.search(r"by at least ([\d.e+-]+)", text)[1])
    assert 0.999 * better.drop_certified < drop <= better.drop_certified


def test_the_page_holds_the_pictures_the_networks_and_the_whole_results():
    low, better = all_results()["SpuriousMinimum"][0], all_results()["BetterPoint"][0]
    [sweep] = all_results()["ProbeSweep"]
    page = report([low, better, sweep], certificate=False).html
    assert page.count("<svg") == 3
    assert "<!--" not in page.replace("<!DOCTYPE html>", "")
    read = Read(page)
    assert all(repr(v) in read.words for v in low.network.W1.ravel().tolist())
    held = [
        json.loads(base64.b64decode(link.partition("base64,")[2])) for link in read.links if "json" in link
    ]
    assert held == [low.to_dict(), better.to_dict(), sweep.to_dict()]
    assert report([low, better, sweep], certificate=False).html == page


def test_the_certificate_of_a_page_is_accepted_by_the_checker_of_the_page(tmp_path):
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.normal(size=(12, 2)), rng.normal(size=12)])
    np.save(tmp_path / "data.npy", table)
    data = fm.Dataset(table[:, :2], table[:, 2])
    low = fm.spurious_minimum(data)
    page = report([low, fm.better_point(low)], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert text == page.html == str(page)
    links = re.findall(r'<a download="([^"]+)" href="data:[^;]+;base64,([^"]+)"', text)
    files = {name: base64.b64decode(content) for name, content in links}
    for name in ("proof.json", "check.py"):
        (tmp_path / name).write_bytes(files[name])
    command = [sys.executable, "-I", "check.py", "proof.json", "data.npy"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.rstrip().splitlines()[-1].startswith("accepted")
    assert (tmp_path / "check.py").read_text() == Path(checker.__file__).read_text()
    table[0, 0] += 1.0
    np.save(tmp_path / "data.npy", table)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_what_has_no_certificate_says_so():
    [smooth] = all_results()["SmoothPolish"]
    assert "This page has no certificate" in Read(report(smooth).html).words


def test_without_matplotlib_the_page_says_how_to_get_pictures(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = report(all_results()["SpuriousMinimum"][0], certificate=False)
    assert "pip install" in Read(page.html).words
    assert "<svg" not in page.html


def test_what_is_no_result_is_named(tmp_path):
    for wrong in (None, "a", 1.0, [None], [[]], {}):
        with pytest.raises(DataTypeError, match="takes a result"):
            report(wrong)
    for wrong in ([], ()):
        with pytest.raises(OptionError, match="empty"):
            report(wrong)
    low = all_results()["SpuriousMinimum"][0]
    for name in ("title", "asked_for", "certificate"):
        with pytest.raises(OptionError, match=name):
            report(low, **{name: 5})
    with pytest.raises(OutputError):
        report(low, tmp_path / "no" / "page.html", certificate=False)


def test_the_example_runs():
    import doctest

    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


# --- the command ------------------------------------------------------------------------------------------------


def test_the_command_writes_a_page_about_a_file_with_evil_names(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    lines = ["<script>alert(1)</script>,b,<img src=x onerror=alert(2)>"]
    lines += [",".join(map(repr, row)) for row in rng.normal(size=(15, 3)).tolist()]
    (tmp_path / "a<b>.csv").write_text("\n".join(lines) + "\n")
    words = [
        "report",
        "a<b>.csv",
        "--target",
        "<img src=x onerror=alert(2)>",
        "--n",
        "100",
        "--out",
        "page.html",
    ]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "proved" in shown
    assert "sampled" in shown
    read = safe((tmp_path / "page.html").read_text())
    assert "<script>alert(1)</script>" in read.words
    assert "fastminima report" in read.words
    assert "a<b>.csv: a bad local minimum, proved" in read.words


def test_the_command_as_json_and_its_refusals(tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["report", "demo:xor", "--n", "0", "--no-certificate", "--json", "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["proved"]
    assert not told["sampled"]
    assert out.exists()
    assert told["files"] == [str(out)]
    folder = tmp_path / "folder"
    for _ in range(2):  # an earlier page is replaced
        assert main(["report", "demo:xor", "--n", "0", "--quiet", "--out", str(folder)]) == 0
        assert sorted(path.name for path in folder.iterdir()) == ["page.html", "report.json"]
    assert json.loads((folder / "report.json").read_text())["proved"] == told["proved"]
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1.5,2\n2,3\n4,1\n")
    assert main(["report", str(table), "--target", "b", "--out", str(table)]) == 2
    assert "is read by this run" in capsys.readouterr().err
    assert table.read_text().startswith("a,b")
    # affine data: nothing better exists, and the status says so
    table.write_text("a,b\n1,2\n2,3\n4,5\n")
    assert main(["report", str(table), "--target", "b", "--n", "0", "--out", str(out)]) == 1
