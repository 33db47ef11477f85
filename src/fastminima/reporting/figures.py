"""What the pictures share: three colours, a figure without a screen, and a file that is written whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import warnings
from pathlib import Path
from typing import IO, Any

from fastminima.errors import FastMinimaError, OutputError
from fastminima.system.files import replacing
from fastminima.system.first_use import first_use
from fastminima.system.packages import import_optional
from fastminima.system.plain_text import printable

__all__ = [
    "BLUE",
    "GREEN",
    "RED",
    "PictureFile",
    "new_figure",
    "open_axes",
    "picture_format",
    "require_matplotlib",
    "save_figure",
]

# where a picture goes: a path, whose suffix says what is drawn, or an open binary file, by the suffix of its name
PictureFile = str | os.PathLike[str] | IO[bytes]
# dots an inch of a file, where the user's matplotlib settings say nothing of their own
_DPI = 220

# apart for colour-blind readers, and in grey
BLUE, RED, GREEN = "#1f4e79", "#b0413e", "#4c9f70"


def require_matplotlib() -> None:
    """Do nothing where matplotlib can be imported: asked before the work whose picture it draws.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    """
    import_optional("matplotlib", extra="plot", purpose="drawing pictures")


def picture_format(path: PictureFile) -> str:
    """What kind of picture a path or file names: its suffix as matplotlib knows it; a name without a suffix is PNG.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If `path` is neither a path nor an open binary file, or its suffix is of no kind that can be drawn.
    """
    if hasattr(path, "write"):
        if isinstance(path, io.TextIOBase):
            raise OutputError("a picture is written to a binary file: open it with mode 'wb'")
        # a file in memory has no name
        name = getattr(path, "name", "")
        path = name if isinstance(name, str) else ""
    require_matplotlib()
    from matplotlib import rcParams
    from matplotlib.backend_bases import FigureCanvasBase

    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise OutputError(
            f"a picture needs a path such as 'segment.png', or a binary file, got {type(path).__name__}"
        )
    if "\0" in os.fspath(path):
        raise OutputError(f"cannot write {printable(os.fspath(path))}: a path has no character 0")
    known = FigureCanvasBase.get_supported_filetypes()
    # what PGF draws is measured by TeX
    if "pgf" in known and shutil.which(str(rcParams["pgf.texsystem"])) is None:
        known = {name: about for name, about in known.items() if name != "pgf"}
    kind = Path(path).suffix.lower().removeprefix(".") or "png"
    if kind not in known:
        raise OutputError(
            f"cannot draw {printable(os.fspath(path))}: a picture's name ends in "
            f"{', '.join('.' + name for name in sorted(known))} (without a suffix it is PNG)"
        )
    return kind


def new_figure(width: float, height: float) -> Any:
    """A matplotlib figure of this size in inches, drawn by Agg whatever the screen is.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    """
    require_matplotlib()
    with first_use():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def open_axes(axes: Any) -> None:
    """Leave out the upper and the right border."""
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Any, path: PictureFile) -> None:
    """Write the figure, as what the suffix of `path` says; to an open file all of it at once.

    Raises
    ------
    OutputError
        If the file cannot be written, or its suffix is of no kind that can be drawn.
    """
    kind = picture_format(path)
    from matplotlib import rcParams

    dpi = _DPI if rcParams["savefig.dpi"] == "figure" else rcParams["savefig.dpi"]
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        # a title in a script the font lacks is drawn with boxes: no reason to write to standard error
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        try:
            figure.savefig(drawn, format=kind, dpi=dpi)
        except (FastMinimaError, OSError, MemoryError):
            raise
        except Exception as error:
            # all of them: formulas in a title and the writers of a dozen formats have exceptions of their own
            raise OutputError(f"cannot draw {shown(path)}: {error}") from error
    if isinstance(path, str | os.PathLike):
        with replacing(path) as stream:
            stream.write(drawn.getvalue())
        return
    try:
        path.write(drawn.getvalue())
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {shown(path)}: {error}") from error


def shown(path: PictureFile) -> str:
    """Its name, for messages."""
    if isinstance(path, str | os.PathLike):
        return printable(os.fspath(path))
    return f"an open file ({printable(str(getattr(path, 'name', type(path).__name__)))})"
