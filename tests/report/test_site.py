"""The site: gallery and lecture run as they stand, links of gathered pages lead somewhere, and so does the paper's map."""

import importlib.util
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = sorted((ROOT / "docs" / "site" / "guide").glob("*.md"))
PROGRAMS = [*sorted((ROOT / "examples" / "gallery").glob("*.py")), ROOT / "examples" / "lecture.py"]


@pytest.fixture(scope="module")
def gather():
    pytest.importorskip("pygments")
    spec = importlib.util.spec_from_file_location("gather", ROOT / "docs" / "site" / "gather.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gallery_has_ten_examples():
    assert len(PROGRAMS) - 1 >= 10


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_runs_and_draws(program, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    plt.close("all")
    try:
        runpy.run_path(str(program))
        drawn = [ax for number in plt.get_fignums() for ax in plt.figure(number).axes]
        assert any(ax.has_data() for ax in drawn)
    finally:
        plt.close("all")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.stem)
def test_a_page_of_the_guide_draws_its_picture_and_prints_what_it_says(
    gather, page, tmp_path, monkeypatch, capsys
):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8")
    picture = re.match(r"# .*\n\n!\[[^\]]+\]\((\w+\.png)\)\n\n```python\n", text)
    assert picture, "it begins with a picture and a block"
    for block in gather.blocks(page):
        exec(compile(block, page.name, "exec"), {})
    assert (tmp_path / picture[1]).stat().st_size > 10_000
    said = re.findall(r"^```text\n(.*?)^```$", text, re.M | re.S)
    printed = capsys.readouterr().out
    number = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
    assert number.sub("#", printed).split() == number.sub("#", "".join(said)).split()
    # the last digits belong to the processor
    values = [float(v) for v in number.findall(printed)]
    assert values == pytest.approx([float(v) for v in number.findall("".join(said))], rel=2e-3, abs=1e-12)


def test_the_guide_has_a_page_a_task():
    index = (ROOT / "docs" / "site" / "index.md").read_text("utf-8")
    assert sorted(re.findall(r"^guide/(\w+)$", index, re.M)) == [page.stem for page in GUIDE]
    assert len(GUIDE) >= 6


def test_a_page_is_drawn_where_it_stands(gather, tmp_path, monkeypatch):
    """As `make html` does it: by a relative path."""
    monkeypatch.chdir(tmp_path)
    Path("guide").mkdir()
    Path("guide", "a.md").write_text("words\n\n```python\nopen('drawn.txt', 'w').close()\n```\n")
    gather.draw(Path("guide", "a.md"))
    assert Path("guide", "drawn.txt").exists()
    assert Path.cwd() == tmp_path


def test_links_of_gathered_pages_lead_to_gathered_pages(gather):
    places = gather.placed()
    stand = set(places.values())
    for page, place in places.items():
        if page.suffix != ".md":
            continue
        for target, _ in gather._LINK.findall(gather.relinked(page.read_text("utf-8"), page, places)):
            assert (Path("/") / place).parent.joinpath(target).resolve().as_posix()[1:] in stand, (
                place,
                target,
            )


def test_a_dead_link_stays_for_sphinx_to_refuse(gather):
    page = ROOT / "PAPER.md"
    text = gather.relinked("[a](nowhere.md) [b](docs/glossary.md#x) [c](setup.py)", page, gather.placed())
    assert text == "[a](nowhere.md) [b](pages/glossary.md#x) c"


def test_the_map_of_the_paper_leads_to_the_lines_that_define(gather):
    text = gather.with_code_lines((ROOT / "PAPER.md").read_text("utf-8"))
    links = re.findall(r'<a href="code/([\w.]+)\.html#L-(\d+)"><code>([\w.]+)</code></a>', text)
    assert len(links) > 40
    for file, line, name in links:
        path = ROOT / (file.removesuffix(".py").replace(".", "/") + ".py")
        near = path.read_text("utf-8").splitlines()[int(line) - 1 : int(line) + 5]
        assert (
            any(re.search(rf"(def|class) {name.split('.')[-1]}\b", text) for text in near) or line == "1"
        ), name
