"""Pictures are what their suffix says, and what stands in their way is named before any work."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import fastminima as fm
from fastminima.errors import DataTypeError, MissingDependencyError, OptionError, OutputError
from fastminima.reporting import bracket_plot, descent_plot, probe_plot, segment, slice_plot

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
    walk = better.polish()
    bracket = fm.bracket(low, 2, n_starts=1)
    saddle = fm.critical_point(widths=(2, 2, 2), rank=1, kind="saddle").report
    return {
        "segment": lambda *given: fm.plot_segment(low, better, *given),
        "probe": lambda *given: fm.plot_probe(once, *given),
        "sweep": lambda *given: fm.plot_probe(sweep, *given),
        "slice": lambda *given: fm.plot_slice(pair, *given),
        "plane": lambda *given: fm.plot_slice(low.network, low.data, *given, n=9),
        "descent": lambda *given: fm.plot_descent(walk, *given),
        "bracket": lambda *given: fm.plot_bracket(bracket, *given),
        "trace": lambda *given: fm.plot_trace(bracket, *given),
        "linear": lambda *given: fm.plot_linear(saddle, *given, radii=[0.01, 0.1]),
    }


PICTURES = ("segment", "probe", "sweep", "slice", "plane", "descent", "bracket", "trace", "linear")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_goes_to_an_open_file(draw, name, tmp_path):
    memory = io.BytesIO()
    draw[name](memory)
    assert memory.getvalue().startswith(BEGINS[".png"])
    with open(tmp_path / "picture.svg", "wb") as stream:
        draw[name](stream)
    assert (tmp_path / "picture.svg").read_bytes().startswith(BEGINS[".svg"])


def test_files_that_take_no_picture_are_refused(draw, tmp_path):
    with open(tmp_path / "a.txt", "w") as text, pytest.raises(OutputError, match="mode 'wb'"):
        draw["segment"](text)
    with (
        open(tmp_path / "b.xyz", "wb") as stream,
        pytest.raises(OutputError, match="a picture's name ends in"),
    ):
        draw["segment"](stream)
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(OutputError, match="closed file"):
        draw["segment"](closed)
    assert (tmp_path / "b.xyz").read_bytes() == b""


@pytest.mark.parametrize("name", PICTURES)
def test_the_settings_of_matplotlib_are_honoured(draw, name):
    import matplotlib.pyplot as plt

    with plt.rc_context({"figure.figsize": (5.0, 2.0), "font.size": 4.0, "savefig.dpi": 50}):
        memory = io.BytesIO()
        figure = draw[name](memory).figure_
        assert figure.get_size_inches().tolist() == [5.0, 2.0]
        # the width and height of a PNG stand at bytes 16 to 24
        assert [int.from_bytes(memory.getvalue()[i : i + 4], "big") for i in (16, 20)] == [250, 100]
        sizes = {text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text()}
        assert max(sizes) <= 4.0 * 1.2 + 1e-9


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

    for module, function in (
        (segment, "segment"), (slice_plot, "risk_slice"), (slice_plot, "plane_through"), (descent_plot, "descent"),
        (probe_plot, "figure_for"), (bracket_plot, "staircase"), (bracket_plot, "figure_for"),
    ):  # fmt: skip
        monkeypatch.setattr(module, function, work)
    for suffix in (".pgn", ".txt", ".xyz", ".png.bak", ". pdf"):
        with pytest.raises(OutputError, match=r"ends in .*\.jpg, .*\.pdf, \.png, .*\.svg") as caught:
            draw[name](tmp_path / f"figure{suffix}")
        assert f"figure{suffix}" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [3, b"a.png", ["a.png"]])
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
    monkeypatch.setattr(slice_plot, "plane_through", work)
    monkeypatch.setattr(descent_plot, "descent", work)
    monkeypatch.setattr(bracket_plot, "staircase", work)
    with pytest.raises(MissingDependencyError, match=r"fastminima\[plot\]"):
        draw[name](tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


# ---- displays: what is drawn, and where


@pytest.fixture
def walk():
    data = fm.Dataset([[float(x)] for x in range(-3, 4)], [2.0, -3, -2, -2, -2, 2, 3])
    return fm.polish(fm.OneHiddenLayer([[2.4]], [-2.3], [1.0], -1.3, fm.relu), data)


def test_a_ball_is_a_circle_and_both_axes_have_one_scale(walk, tmp_path):
    from matplotlib.patches import Circle

    display = fm.plot_slice(walk, tmp_path / "plane.png", n=21)
    axes = display.ax_
    (ball,) = [patch for patch in axes.patches if isinstance(patch, Circle)]
    assert (ball.center, ball.radius) == ((0.0, 0.0), walk.radius)
    assert axes.get_aspect() == 1.0
    texts = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert "certified ball, radius 0.999" in texts
    assert "kinks of the network: 1 samples" in texts
    # a slice of a slice has no ball, unless its radius is given
    bare = fm.plot_slice(walk.network, walk.data, tmp_path / "bare.png", n=5)
    assert not bare.ax_.patches
    (ball,) = fm.plot_slice(walk.network, walk.data, tmp_path / "given.png", n=5, radius=0.25).ax_.patches
    assert ball.radius == 0.25


def test_a_picture_shows_something_at_every_scale(walk, tmp_path):
    for span in (1e-9, 1e-3, 1.0, 1e6):
        display = fm.plot_slice(walk, tmp_path / "plane.png", n=41, span=span)
        steps = display.figure_.axes[-1].get_yticks()
        assert len(steps) == 9, span
        assert steps[0] == 0.0
    better = fm.better_point(fm.spurious_minimum(walk.data))
    below = better.low.plot(tmp_path / "below.png", directions=better, n=41).figure_.axes[-1].get_yticks()
    assert below.min() < 0.0 < below.max()


def test_a_flat_plane_is_said_to_be_flat(tmp_path):
    data = fm.Dataset([[0.0], [1.0]], [1.0, 2.0])
    dead = fm.OneHiddenLayer([[-1.0]], [-1.0], [1.0], 0.0, fm.relu)
    directions = np.zeros((2, 4))
    directions[[0, 1], [0, 1]] = 1.0
    display = fm.plot_slice(dead, data, tmp_path / "flat.png", directions=list(directions), span=0.1, n=5)
    assert any("same everywhere" in text.get_text() for text in display.figure_.legends[0].get_texts())


def test_axes_of_ones_own_are_drawn_on(walk, tmp_path):
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    first = fm.plot_slice(walk, ax=left, n=9, title="mine")
    second = walk.plot(ax=right)
    assert (first.ax_, second.ax_, first.figure_) == (left, right, figure)
    assert left.get_title() == "mine"
    assert right.lines
    for draw in (walk.plot, walk.decision.plot):
        with pytest.raises(OptionError, match="not both"):
            draw(tmp_path / "a.png", ax=left)
        with pytest.raises(OptionError, match="matplotlib Axes"):
            draw(ax=figure)
    assert not list(tmp_path.iterdir())


def test_without_a_file_pyplot_shows_it(walk):
    import matplotlib.pyplot as plt

    display = walk.plot()
    assert plt.fignum_exists(display.figure_.number)
    plt.close(display.figure_)


def test_a_descent_has_the_numbers_of_the_walk(walk):
    numbers = fm.descent(walk)
    assert numbers.kinds[0] == "start"
    assert numbers.kinds[-1] == "exact"
    assert numbers.risk.tolist() == [step.risk for step in walk.path]
    assert numbers.held.tolist() == [step.n_held for step in walk.path]
    assert numbers.excess[0] == pytest.approx(walk.path[0].risk - 106 / 13)
    assert numbers.excess[-1] == 0.0
    assert numbers.held[-1] == 1
    assert f"{len(walk.path) - 1} steps" in repr(numbers)
    with pytest.raises(DataTypeError, match="Polish"):
        fm.descent(walk.decision)


def test_the_descent_marks_its_exact_points(walk, tmp_path):
    display = walk.plot(tmp_path / "descent.png")
    labels = {line.get_label(): line for line in display.ax_.lines}
    marked = labels["exact minimum of a face"]
    assert marked.get_xdata().tolist() == [k for k, step in enumerate(walk.path) if step.kind == "exact"]
    assert display.ax_.get_yscale() == "log"


def test_a_walk_that_begins_at_its_end_is_drawn(walk, tmp_path):
    again = fm.polish(walk.exact, walk.data)
    assert again.path[0].risk == pytest.approx(again.risk)
    assert again.plot(tmp_path / "descent.png").ax_.get_yticks().tolist() != []


def lines_of(ax):
    return [(line.get_label(), np.asarray(line.get_ydata(), dtype=float)) for line in ax.lines]


def certified_sweep():
    low = fm.spurious_minimum(fm.load_demo("diabetes"), activation=fm.relu)
    radii = [0.1, 1.0, 5.6234, 17.783, 1000.0]
    return low, fm.probe(low, radius=radii, n=20_000)


def test_a_sweep_shades_what_is_proved_and_joins_no_signs():
    low, sweep = certified_sweep()
    assert sweep.n_negative.any()
    assert not sweep.n_negative.all()
    ax = Figure().subplots()
    shown = fm.plot_probe(sweep, ax=ax, certified=low.radius)
    assert shown.ax_ is ax
    assert shown.numbers is sweep
    for label, y in lines_of(ax):
        if label in ("median", "smallest"):
            assert not (y[:-1] * y[1:] < 0.0).any(), label
    smallest = dict(lines_of(ax))["smallest"]
    np.testing.assert_array_equal(smallest[~np.isnan(smallest)], sweep.min_excess)
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "proved: nothing lower to 0.949" in legend
    first = sweep.radii[sweep.n_negative > 0].min()
    assert any(text == f"lower, first sampled at {first:.3g}" for text in legend)
    [span] = [p for p in ax.patches if p.get_label().startswith("proved")]
    assert span.get_extents().transformed(ax.transData.inverted()).x1 == pytest.approx(low.radius)


def test_few_lower_points_are_seen_counted_and_named():
    low = fm.spurious_minimum(fm.load_demo("diabetes"), activation=fm.relu)
    probe = fm.probe(low, radius=5.0, n=100_000)
    assert 0 < probe.n_negative < 100
    figure = Figure(figsize=(3.15, 2.5), dpi=200)
    ax = figure.subplots()
    fm.plot_probe(probe, ax=ax)
    figure.canvas.draw()
    [red] = [p for p in ax.patches if p.get_label().startswith(f"{probe.n_negative} of 100,000 lower")]
    assert f"{abs(probe.min_excess):.3g}" in red.get_label()
    box = red.get_window_extent()
    assert box.height > 0.05 * ax.get_window_extent().height


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf"), "1", True])
def test_a_certified_radius_is_positive(wrong):
    low = fm.spurious_minimum(fm.load_demo("xor"))
    with pytest.raises(OptionError, match="certified"):
        fm.plot_probe(fm.probe(low, radius=[0.1, 1.0], n=5), certified=wrong)


@pytest.mark.parametrize("value", [0.9499999, 0.949002, 9.999e-7, 1.0, 0.999999, 123456.0, 1e-300, 9.999e20])
def test_what_is_proved_is_rounded_down(value):
    text = probe_plot.at_most(value).strip("$").replace(r"\cdot ", "e").replace("10^{", "").rstrip("}")
    shown = float(text if "^" not in probe_plot.at_most(value) or "e" in text else "1e" + text)
    assert 0.99 * value <= shown <= value


def test_a_segment_marks_start_end_and_what_is_proved():
    low = fm.spurious_minimum(fm.load_demo("diabetes"), activation=fm.relu)
    better = fm.better_point(low)
    ax = Figure().subplots()
    shown = fm.plot_segment(low, better, ax=ax)
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert lines["start: spurious minimum"].tolist() == [[0.0, 0.0]]
    [end] = [xy for label, xy in lines.items() if label.startswith("end: better point")]
    np.testing.assert_allclose(end, [[1.0, -better.drop / low.fit.risk]])
    [span] = [p for p in ax.patches if p.get_label() == "proved not lower: radius 0.949"]
    t = span.get_x() + span.get_width()
    rows = [np.column_stack([net.W1, net.b1]) for net in (low.network, better.network)]
    assert t * np.linalg.norm(rows[1] - rows[0], axis=1).max() == pytest.approx(low.radius)
    assert isinstance(shown.numbers, segment.Segment)
    with pytest.raises(OptionError, match="not both"):
        fm.plot_segment(low, better, "x.png", ax=ax)


def test_a_certified_radius_needs_radii_that_bound():
    low = fm.spurious_minimum(fm.load_demo("xor"))
    with pytest.raises(OptionError, match="one radius"):
        fm.plot_probe(fm.probe(low, radius=0.1, n=5), certified=1.0)
    normal = fm.probe(low, radius=[0.1, 1.0], n=5, distribution="normal")
    with pytest.raises(OptionError, match="normal"):
        fm.plot_probe(normal, certified=1.0)


def test_the_readme_runs_as_pasted_and_prints_what_it_says():
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    code, said = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)[:2]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "README.md", "exec"), {})
    # how far the least-squares risk may be off is in the hands of the machine's LAPACK
    printed, promised = (re.sub(r"within \S+\)", "within)", words) for words in (out.getvalue(), said))
    assert printed == promised


@pytest.mark.parametrize("weighted", [False, True])
def test_the_picture_of_the_proof_shows_partial_sums_and_j(weighted):
    data = fm.load_demo("diabetes")
    weights = np.arange(1.0, 443.0) if weighted else None
    better = fm.better_point(fm.spurious_minimum(fm.Dataset(data.X, data.y, sample_weight=weights)))
    ax = Figure().subplots()
    numbers = fm.plot_splits(better, ax=ax).numbers
    assert numbers.sums[better.split.position] == pytest.approx(better.split.S)
    assert len(numbers.J) == better.low.evidence.size()[0]
    assert better.split.position in numbers.J
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[1:] == [f"J: {len(numbers.J)} splits", f"chosen split, j = {better.split.position + 1}"]


def test_the_picture_of_the_proof_without_splits():
    better = fm.better_point(fm.spurious_minimum(fm.load_demo("xor")))
    ax = Figure().subplots()
    assert len(fm.plot_splits(better, ax=ax).numbers.J) == 0
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["partial sums $S_j$"]
    with pytest.raises(DataTypeError, match="better must be a BetterPoint"):
        fm.plot_splits(3, ax=ax)
