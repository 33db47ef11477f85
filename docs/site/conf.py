"""How Sphinx builds the site. `docs/site/gather.py` has put the pages where Sphinx reads them."""

import re
from typing import Any

import fastminima

project = "fastminima"
author = "the fastminima authors"
copyright = author
version = release = fastminima.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["examples"]  # the gallery is made of these
html_theme = "furo"
html_title = "fastminima"
html_extra_path = ["extra"]
html_static_path = ["static"]
html_css_files = ["phone.css"]
templates_path = ["templates"]

# one page a public name; methods stand on it, not on pages of their own
autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings = [
    "config.cache",  # the gallery's functions cannot be pickled
    "misc.highlighting_failure",  # pages show output and shell lines in plain indented blocks
]
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "reference_url": {},
}


_LITERAL = re.compile(r"(``.*?``)")


def escape_bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings write absolute values as |x|, which reStructuredText would take for a substitution."""
    for i, line in enumerate(lines):
        if line.strip() == "Examples":
            return
        parts = _LITERAL.split(line)
        lines[i] = "".join(part if k % 2 else part.replace("|", "\\|") for k, part in enumerate(parts))


def setup(app: Any) -> None:
    """Escape before numpydoc reads."""
    app.connect("autodoc-process-docstring", escape_bars, priority=100)
