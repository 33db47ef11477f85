"""The page of an atlas: numbers are rounded to their safe side, names are never obeyed, pictures show all tables."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

import fastminima as fm
from atlas_tables import HOSTILE, install
from fastminima.errors import DataTypeError, MissingFileError, OptionError, OutputError, ReadError
from fastminima.reporting.atlas_numbers import SUMMARY_HEAD, AtlasNumbers, atlas_numbers, shares, summary_rows
from fastminima.reporting.atlas_page import page_text, svg_text
from fastminima.reporting.atlas_plots import ATLAS_PICTURES, draw_atlas

WIDTHS = (2, 5)


@pytest.fixture(scope="module")
def atlas():
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        yield fm.atlas("made", WIDTHS, seconds=0.02, most_numbers=100, prove=False)


@pytest.fixture(scope="module")
def page(atlas):
    return page_text(atlas_numbers(atlas), f"of {HOSTILE}")


class Page(HTMLParser):
    """Tags, attributes and the cells of the last table."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.rows, self._open = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "table":
            self.rows = []
        elif tag == "tr":
            self.rows.append([])
        self._open = tag in ("td", "th", "button")
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self._open and self.rows:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag):
        self._open = False
        if tag == "table":
            self.rows = [[cell.strip() for cell in row] for row in self.rows]


def test_names_are_shown_and_not_obeyed(page):
    found = Page(page)
    assert found.tags.count("script") == 1
    assert "\x1b" not in page
    assert HOSTILE.replace("\x1b", r"\x1b") in [row[0].removeprefix("made/") for row in found.rows]
    # nothing is loaded: no address but the names of SVG's own words, no handler in a tag
    assert all("://www.w3.org/" in value for _, value in found.attributes if value and "://" in value)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "srcset")]
    assert all(value.startswith("#") for name, value in found.attributes if name in ("href", "xlink:href"))
    assert (
        "content",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
    ) in found.attributes


def test_every_row_is_there_and_rounded_to_its_safe_side(page, atlas):
    head, *rows = Page(page).rows
    assert len(rows) == len(atlas)
    place = {name: k for k, name in enumerate(head)}
    checked = 0
    for cells, row in zip(rows, atlas.table, strict=True):
        assert len(cells) == len(head)
        assert (cells[place["rows"]], cells[place["inputs"]]) == (str(row["m"]), str(row["d"]))
        assert cells[place["status"]] == row["status"]
        for w in WIDTHS:
            if row[f"lower_{w}"] is None:
                assert cells[place[f"lower {w}"]] == cells[place[f"upper {w}"]] == ""
                continue
            lower, upper = float(cells[place[f"lower {w}"]]), float(cells[place[f"upper {w}"]])
            assert lower <= row[f"lower_{w}"] <= lower * 1.001
            assert upper * 0.999 <= row[f"upper_{w}"] <= upper
            checked += 1
        if row["kink_drop"] is not None:
            assert float(cells[place["push"]]) <= row["paper_drop"]
            assert float(cells[place["kink"]]) <= row["kink_drop"]
    assert checked == 2 * 6


@pytest.mark.parametrize("kind", ATLAS_PICTURES)
def test_pictures_stand_in_the_page_and_are_the_same_every_time(kind, atlas, page):
    numbers = atlas_numbers(atlas)
    text = svg_text(numbers, kind)
    assert text in page
    assert svg_text(numbers, kind) == text
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "<text" in text
    others = [svg_text(numbers, other) for other in ATLAS_PICTURES if other != kind]
    names = set(re.findall(r'<clipPath id="([^"]+)"', text))
    assert names
    assert not any(name in other for name in names for other in others)


def test_pictures_show_every_table(atlas):
    numbers = atlas_numbers(atlas)
    assert len(numbers.bracketed) == 6
    gaps = draw_atlas(numbers, "gaps")
    for axes, w in zip(gaps.axes, WIDTHS, strict=True):
        drawn = [xy for line in axes.lines for xy in line.get_xydata().reshape(-1, 3, 2)]
        least, most = numbers.column(f"gap_least_{w}"), numbers.column(f"gap_most_{w}")
        ends = sorted((low, high) for (low, _), (high, _), _ in drawn)
        assert np.allclose(ends, sorted(zip(least, np.maximum(most, least + 0.004), strict=True)))
        assert sorted(left[1] for left, _, _ in drawn) == list(range(1, 7))
    for axes in draw_atlas(numbers, "lengths").axes:
        assert sum(len(line.get_xdata()) for line in axes.lines) == 3 * 12
    d = numbers.column("d")
    widths = draw_atlas(numbers, "widths")
    for axes, inside in zip(widths.axes, (d == 1, d > 1), strict=True):
        upper, lower = axes.lines
        for line, end in ((upper, "upper"), (lower, "lower")):
            medians = [np.median(numbers.column(f"{end}_{w}")[inside]) for w in WIDTHS]
            expected = [1.0, *medians, np.median(numbers.column("pure_error")[inside])]
            assert np.allclose(line.get_ydata(), expected, rtol=1e-12)
    push, kink, search = draw_atlas(numbers, "recovered").axes[0].lines
    for line, drop in ((push, "paper_drop"), (kink, "kink_drop"), (search, "search_drop_2")):
        by_hand = sorted(row[drop] / row["gap_most_2"] for row in numbers.bracketed)
        assert list(shares(numbers, drop, 2)) == pytest.approx(by_hand)
        assert list(line.get_xdata()[1:]) == pytest.approx(np.maximum(by_hand, 1e-6))


def test_medians_by_number_of_inputs(atlas):
    numbers = atlas_numbers(atlas)
    rows = summary_rows(numbers)
    assert {row[0] for row in rows} == {"1", "2", "3 to 5", "all"}
    assert all(len(row) == len(SUMMARY_HEAD) for row in rows)
    last = dict(zip(SUMMARY_HEAD, rows[-1], strict=True))
    assert (last["inputs"], last["width"], last["tables"]) == ("all", "5", "6")
    length = numbers.column("gap_most_5") - numbers.column("gap_least_5")
    assert last["bracket"] == f"{np.median(length):.3f}"
    assert last["lower > 0"] == str((numbers.column("lower_5") > 0).sum())


def test_a_page_is_made_again_from_the_table(atlas, tmp_path):
    fm.atlas_page(atlas, tmp_path / "a.html", "mine")
    whole = (tmp_path / "a.html").read_text()
    for suffix in (".parquet", ".csv", ".jsonl"):
        if suffix == ".parquet":
            pytest.importorskip("pyarrow")
        path = tmp_path / f"atlas{suffix}"
        atlas.table.write(path)
        fm.atlas_page(path, tmp_path / "b.html", "mine")
        assert (tmp_path / "b.html").read_text() == whole


def test_an_atlas_without_brackets_has_its_rows(tmp_path):
    numbers = AtlasNumbers(
        ({**dict.fromkeys(("m", "d", "n")), "table": "<b>", "status": "error", "error": "<i>"},), (2,)
    )
    text = page_text(numbers, "none")
    assert "<svg" not in text
    assert "<td>&lt;b&gt;<td>" in text
    assert "error: &lt;i&gt;" in text


def test_what_is_no_atlas_is_named(atlas, tmp_path):
    page = tmp_path / "page.html"
    for source in (None, 3, [], [[]], {"rows": 1}, b"a.csv"):
        with pytest.raises(DataTypeError, match="expected an Atlas"):
            fm.atlas_page(source, page)
    with pytest.raises(OptionError, match=r"one of \.parquet, \.csv, \.jsonl"):
        fm.atlas_page("atlas.txt", page)
    with pytest.raises(MissingFileError):
        fm.atlas_page(tmp_path / "none.csv", page)
    for name, content in (
        ("a.csv", "x,y\n1,2\n"),
        ("a.jsonl", "{"),
        ("b.jsonl", json.dumps({"x": 1})),
        ("a.parquet", "x"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(ReadError, match="is no table of an atlas"):
            fm.atlas_page(tmp_path / name, page)
    atlas.table.write(tmp_path / "good.csv")
    good = (tmp_path / "good.csv").read_text()
    (tmp_path / "bad.csv").write_text(re.sub(r"(?m)^(made/line,done),12", r"\1,<b>", good))
    with pytest.raises(ReadError, match="m of 'made/line' must be a number, got '<b>'"):
        fm.atlas_page(tmp_path / "bad.csv", page)
    for path in (None, 3, "page.png", "page", "\0.html"):
        with pytest.raises(OutputError):
            fm.atlas_page(atlas, path)
    with pytest.raises(OptionError, match="title must be a text"):
        fm.atlas_page(atlas, page, 3)
    assert not page.exists()
