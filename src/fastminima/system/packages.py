"""Optional packages: imported where they are used, named with their extra when they are absent."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path
from types import ModuleType

from fastminima.errors import MissingDependencyError

from .first_use import first_use

__all__ = ["import_optional"]

# the folder with pyproject.toml, where the package is used from a checkout
_CHECKOUT = Path(__file__).resolve().parents[3]


def _install_line(extra: str) -> str:
    """What installs an extra: by name where the package is installed, which pip then finds here; else by the checkout."""
    from importlib import metadata

    try:
        metadata.distribution("fastminima")
    except metadata.PackageNotFoundError:
        if (_CHECKOUT / "pyproject.toml").is_file():
            return f"pip install {shlex.quote(f'{_CHECKOUT}[{extra}]')}"
    return f"pip install 'fastminima[{extra}]'"


def import_optional(module: str, *, extra: str | None, purpose: str) -> ModuleType:
    """Import `module`, or say how to install it.

    Parameters
    ----------
    module : str
        Dotted name to import.
    extra : str or None
        The extra of fastminima that brings it; None for packages no extra brings.
    purpose : str
        What needs it, as the subject of the message ("reading CSV files").

    Raises
    ------
    MissingDependencyError
        If the import fails.
    """
    try:
        with first_use():
            return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        install = _install_line(extra) if extra else f"pip install {package}"
        raise MissingDependencyError(
            f"{purpose} needs {package}, which is not installed: {install}"
        ) from error
