"""Gather the site's sources for Sphinx: pages of docs/, bench/ and the root, examples, and code with line anchors.

    python docs/site/gather.py build/site/source

Pages of the repository stay readable where they are; here their links are turned to where the site has what they point to.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
import re
import shutil
import sys
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

import fastminima as fm

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
_NAME = re.compile(r"`([A-Za-z_][\w.]*)`")


def placed() -> dict[Path, str]:
    """Where each page and picture of the repository stands on the site."""
    places = {ROOT / "PAPER.md": "paper.md", ROOT / "CHANGELOG.md": "changelog.md"}
    places |= {page: f"pages/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))}
    places |= {picture: f"pages/{picture.name}" for picture in sorted((ROOT / "docs").glob("*.png"))}
    pictures = sorted((ROOT / "docs" / "atlas").glob("*.png"))
    places |= {picture: f"pages/atlas/{picture.name}" for picture in pictures}
    places |= {page: f"bench/{page.name}" for page in sorted((ROOT / "bench").glob("*.md"))}
    return places


def code_page(path: Path) -> str:
    """The address of a Python file's page under the site's root."""
    return "code/" + path.relative_to(ROOT).as_posix().replace("/", ".") + ".html"


def write_code(path: Path, folder: Path) -> None:
    """One Python file as a page; line n has the anchor L-n."""
    shown = HtmlFormatter(
        full=True,
        title=path.relative_to(ROOT).as_posix(),
        linenos="table",
        lineanchors="L",
        anchorlinenos=True,
    )
    page = folder / "extra" / code_page(path)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(highlight(path.read_text("utf-8"), PythonLexer(), shown), "utf-8")


def relinked(text: str, page: Path, places: dict[Path, str]) -> str:
    """The text of a page with its relative links turned to the site's; what the site lacks loses its link."""
    here = Path(places[page]).parent

    def turned(match: re.Match[str]) -> str:
        target, anchor = (page.parent / match[1]).resolve(), match[2] or ""
        if target in places:
            return f"]({os.path.relpath(places[target], here)}{anchor})"
        return "](#)" if target.exists() else match[0]  # a dead link stays, and Sphinx refuses it

    text = _LINK.sub(turned, text)
    return re.sub(r"\[([^\]]*)\]\(#\)", r"\1", text)


def located(name: str) -> tuple[Path, int] | None:
    """File and first line of what a name of PAPER.md means, or None when it is no function, class or module of Python."""
    parts = name.split(".")
    found: object = fm
    for k, part in enumerate(parts):
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module("fastminima." + ".".join(parts[: k + 1]))
            except ImportError:
                return None
    found = found.fget if isinstance(found, property) else found
    try:
        path, line = inspect.getsourcefile(inspect.unwrap(found)), inspect.getsourcelines(found)[1]  # type: ignore[arg-type]
    except (TypeError, OSError):
        return None
    if path is None or ROOT not in Path(path).resolve().parents:
        return None
    return Path(path).resolve(), max(line, 1)


def with_code_lines(text: str) -> str:
    """PAPER.md with every name of its third column linked to the lines that realise it."""

    def linked(match: re.Match[str]) -> str:
        at = located(match[1])
        return f'<a href="{code_page(at[0])}#L-{at[1]}"><code>{match[1]}</code></a>' if at else match[0]

    lines = []
    for line in text.splitlines():
        cells = line.split(" | ")
        if line.startswith("| ") and len(cells) == 4:
            cells[2] = _NAME.sub(linked, cells[2])
            line = " | ".join(cells)
        lines.append(line)
    return "\n".join(lines) + "\n"


def reference() -> str:
    """The page that names every public function, class and value."""
    names = [name for name in fm.__all__ if name not in ("errors", "__version__")]
    kinds = {
        "Functions": [n for n in names if inspect.isfunction(getattr(fm, n))],
        "Classes": [n for n in names if inspect.isclass(getattr(fm, n))],
    }
    lines = ["Reference", "=========", "", ".. currentmodule:: fastminima", ""]
    for title, members in kinds.items():
        lines += [title, "-" * len(title), "", ".. autosummary::", "   :toctree: reference", ""]
        lines += [f"   {name}" for name in sorted(members, key=str.lower)] + [""]
    values = sorted(set(names) - set(kinds["Functions"]) - set(kinds["Classes"]))
    lines += ["Values", "------", ""] + [f"``{name}``: ``{getattr(fm, name)!r}``\n" for name in values]
    return "\n".join(lines) + "\n"


def blocks(page: Path) -> list[str]:
    """The Python blocks of a page."""
    return _BLOCK.findall(page.read_text("utf-8"))


def draw(page: Path) -> None:
    """Run the blocks of a page of the guide where it stands: they write the picture that it begins with."""
    # read first: its path may be relative
    found = blocks(page)
    with contextlib.chdir(page.parent), contextlib.redirect_stdout(io.StringIO()):
        for block in found:
            exec(compile(block, page.name, "exec"), {})


def gather(folder: Path) -> None:
    """Write all sources of the site into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "site", folder, ignore=shutil.ignore_patterns("gather.py", "__pycache__"))
    shutil.copytree(
        ROOT / "examples" / "gallery", folder / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    places = placed()
    for page, place in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        if page.suffix != ".md":
            shutil.copyfile(page, folder / place)
            continue
        text = relinked(page.read_text("utf-8"), page, places)
        (folder / place).write_text(with_code_lines(text) if place == "paper.md" else text, "utf-8")
    for page in sorted((folder / "guide").glob("*.md")):
        draw(page)
    with (folder / "bench" / "README.md").open("a", encoding="utf-8") as overview:
        overview.write("\n```{toctree}\n:hidden:\n:glob:\n\nbench_*\n```\n")
    (folder / "reference.rst").write_text(reference(), "utf-8")
    for path in sorted((ROOT / "src" / "fastminima").rglob("*.py")):
        write_code(path, folder)


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
