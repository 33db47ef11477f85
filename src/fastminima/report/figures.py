"""What the pictures share: two colours, a figure without a screen, and a file that is written whole or not at all."""

from __future__ import annotations

import os
from typing import Any

from fastminima.system.files import replacing
from fastminima.system.first_use import first_use
from fastminima.system.packages import import_optional

__all__ = ["BLUE", "RED", "new_figure", "open_axes", "save_figure"]

BLUE, RED = "#1f4e79", "#b0413e"


def new_figure(width: float, height: float) -> Any:
    """A matplotlib figure of this size in inches, drawn by Agg whatever the screen is.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    """
    import_optional("matplotlib", extra="plot", purpose="drawing pictures")
    with first_use():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def open_axes(axes: Any) -> None:
    """Leave out the upper and the right border."""
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Any, path: str | os.PathLike[str], title: str) -> None:
    """Write the figure under its title as PNG.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    figure.suptitle(title)
    with replacing(path) as stream:
        figure.savefig(stream, format="png", dpi=130)
