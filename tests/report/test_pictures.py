"""Pictures are what their suffix says, and what stands in their way is named before any work."""

from __future__ import annotations

import gzip
import os
import sys

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import MissingDependencyError, OutputError
from fastminima.report import probe_plot, segment, slice_plot

BEGINS = {
    ".png": b"\x89PNG",
    ".pdf": b"%PDF",
    ".svg": b"<?xml",
    ".jpg": b"\xff\xd8\xff",
    ".jpeg": b"\xff\xd8\xff",
    ".eps": b"%!PS",
    ".ps": b"%!PS",
    ".tif": b"II*",
    ".webp": b"RIFF",
    ".svgz": b"\x1f\x8b",
    ".PDF": b"%PDF",
    ".Svg": b"<?xml",
    "": b"\x89PNG",
}


@pytest.fixture(scope="module")
def draw():
    """Each function that draws, as a function of the path (and the title)."""
    rng = np.random.default_rng(11)
    low = fm.spurious_minimum((rng.normal(size=(25, 2)), rng.normal(size=25)))
    better = fm.better_point(low)
    once = fm.probe(low.network, low.data, radius=0.1, n=200)
    sweep = fm.probe(low.network, low.data, radius=[1e-3, 1.0], n=50)
    pair = fm.counterexample("tanh")
    return {
        "segment": lambda *given: fm.plot_segment(low, better, *given),
        "probe": lambda *given: fm.plot_probe(once, *given),
        "sweep": lambda *given: fm.plot_probe(sweep, *given),
        "slice": lambda *given: fm.plot_slice(pair, *given),
    }


PICTURES = ("segment", "probe", "sweep", "slice")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_its_suffix_says(draw, name, tmp_path):
    # the first has all kinds, the others the common ones
    suffixes = BEGINS if name == "segment" else (".pdf", ".svg")
    for suffix in suffixes:
        path = tmp_path / f"figure{suffix}"
        draw[name](path)
        content = path.read_bytes()
        assert content.startswith(BEGINS[suffix]), suffix
        if suffix == ".svgz":
            assert gzip.decompress(content).startswith(b"<?xml")
        if suffix == ".pdf":
            draw[name](os.fspath(path))
    assert len(list(tmp_path.iterdir())) == len(suffixes)


@pytest.mark.parametrize("name", PICTURES)
def test_an_unknown_suffix_is_named_before_any_work(draw, name, tmp_path, monkeypatch):
    def work(*_args, **_kwargs):
        raise AssertionError("work was done")

    for module, function in ((segment, "segment"), (slice_plot, "risk_slice"), (probe_plot, "new_figure")):
        monkeypatch.setattr(module, function, work)
    for suffix in (".pgn", ".txt", ".xyz", ".png.bak", ". pdf"):
        with pytest.raises(OutputError, match=r"ends in .*\.jpg, .*\.pdf, \.png, .*\.svg") as caught:
            draw[name](tmp_path / f"figure{suffix}")
        assert f"figure{suffix}" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [None, 3, b"a.png", ["a.png"]])
def test_what_is_no_path_is_a_named_error(draw, path):
    with pytest.raises(OutputError, match="needs a path"):
        draw["segment"](path)
    with pytest.raises(OutputError, match=r"a\\x00b"):
        draw["segment"]("a\0b.png")


def test_tex_is_asked_for_before_the_work(draw, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(OutputError, match="a picture's name ends in") as caught:
        draw["segment"](tmp_path / "figure.pgf")
    assert ".pgf," not in str(caught.value)


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(draw, tmp_path):
    path = tmp_path / "figure.svg"
    draw["probe"](path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="cannot draw"):
        draw["probe"](path, "half of $\\frac{1}$")
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.svg"]


@pytest.mark.parametrize("title", ["caf\udce9", "\x1b[31mred", "two\nlines", "中文", "\u202eleft", "$x^2$"])
def test_any_title_is_drawn(draw, tmp_path, title):
    for suffix in (".png", ".svg"):
        draw["probe"](tmp_path / f"figure{suffix}", title)
        assert (tmp_path / f"figure{suffix}").stat().st_size > 5_000


@pytest.mark.parametrize("name", PICTURES)
def test_a_missing_matplotlib_is_named_before_any_work(draw, name, tmp_path, monkeypatch):
    def work(*_args, **_kwargs):
        raise AssertionError("work was done")

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(segment, "segment", work)
    monkeypatch.setattr(slice_plot, "risk_slice", work)
    with pytest.raises(MissingDependencyError, match=r"fastminima\[plot\]"):
        draw[name](tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())
