"""What a function that draws hands back, as scikit-learn's displays do: the axes, the figure, and the numbers drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastminima.errors import OptionError
from fastminima.system.options import spelled
from fastminima.system.plain_text import printable

from .figures import PictureFile, new_figure, picture_format, require_matplotlib, save_figure

__all__ = ["Display", "check_target", "figure_for", "finished"]


@dataclass(frozen=True, eq=False, repr=False)
class Display:
    """A picture that has been drawn.

    Attributes
    ----------
    numbers : RiskSlice, Descent, Segment, Probe or ProbeSweep
        What is drawn.
    ax_ : matplotlib Axes
        The axes it is drawn on; the upper ones where there are two.
    figure_ : matplotlib Figure
        To be saved, changed or shown.
    """

    numbers: Any
    ax_: Any
    figure_: Any

    def __repr__(self) -> str:
        return f"Display(numbers={type(self.numbers).__name__}, ax_, figure_)"


def check_target(path: PictureFile | None, ax: Any) -> None:
    """Before any work: a file that cannot be a picture, axes that are none, and both at once are refused.

    Raises
    ------
    OptionError
        `path` and `ax` together, or an `ax` that is no matplotlib Axes.
    MissingDependencyError, OutputError
        As `picture_format`.
    """
    if path is not None:
        picture_format(path)
    require_matplotlib()
    if ax is None:
        return
    if path is not None:
        raise OptionError("pass path= for a file or ax= to draw on axes of your own, not both")
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise OptionError(f"ax must be a matplotlib Axes, got {spelled(ax)}")


def figure_for(path: PictureFile | None, size: tuple[float, float], *, compressed: bool = False) -> Any:
    """A new figure: for a file one without a screen, else one of pyplot's, which notebooks show.

    `size` in inches, unless the user has set matplotlib's `figure.figsize`.

    `compressed`: for axes whose two scales are one, which would leave white beside them.
    """
    from matplotlib import rcParams, rcParamsDefault

    if list(rcParams["figure.figsize"]) != list(rcParamsDefault["figure.figsize"]):
        size = tuple(rcParams["figure.figsize"])
    if path is not None:
        figure = new_figure(*size)
    else:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=size, layout="constrained")
    if compressed:
        figure.set_layout_engine("compressed")
    return figure


def finished(
    numbers: Any, axes: Any, path: PictureFile | None, title: str | None, words: str, *, own: bool
) -> Display:
    """The end of a drawing: given a title, saved to `path` if there is one, and handed back.

    `words` stand above a figure of our own (`own`) where no title is given; axes of the caller keep their own.
    """
    figure, text = axes.figure, printable(title or words, keep="\n")
    if own and axes.get_aspect() == "auto":
        figure.suptitle(text, fontsize="medium")
    elif own:
        # axes of one scale do not fill their figure: a title of the figure would float above them
        axes.set_title(text, fontsize="medium")
    elif title is not None:
        axes.set_title(text, fontsize="small")
    if path is not None:
        save_figure(figure, path)
    return Display(numbers, axes, figure)
