"""The activations known by name: accurate in float64, with two derivatives, and as formulas for proofs."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastminima.errors import ActivationError, NetworkError
from fastminima.system.options import spelled

from .formula import freeze
from .from_torch import compare_with_module, is_module, module_name, named_module
from .known import KNOWN, ActivationInfo
from .piecewise_linear import PiecewiseLinear
from .smooth import Smooth

__all__ = [
    "ActivationLike",
    "ActivationTable",
    "activation",
    "activations",
    "as_activation",
    "as_piecewise",
    "stored_activation",
]

ActivationLike = str | Callable[..., Any]
"""What stands for an activation: "leaky_relu:0.2", `relu` and its kind, a module of `torch.nn`."""

# what names stand in where they come from: torch.nn.ReLU, F.gelu, jax.nn.silu
_PREFIX = re.compile(
    r"^((torch|nn|f|functional|special|tf|tensorflow|keras|activations|layers|jax|flax|linen|np|numpy|math)\.)+"
)


def _plain(name: str) -> str:
    """A name without case, separators and the library it comes from: leakyrelu for "Leaky ReLU", "nn.LeakyReLU"."""
    return re.sub(r"[\s_-]+", "", _PREFIX.sub("", name.strip().lower()))


class ActivationTable(Mapping[str, ActivationInfo]):
    """The known activations by name; prints as a table."""

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in KNOWN}
        self._aliases = {alias: entry.name for entry in self._entries.values() for alias in entry.aliases}
        self._plain = {_plain(name): name for name in [*self._entries, *self._aliases]}

    def __getitem__(self, name: str) -> ActivationInfo:
        return self._entries[self._aliases.get(name, name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> ActivationInfo:
        """By name or alias, however it is written: `LeakyReLU`, `leaky-relu`, `torch.nn.LeakyReLU`.

        Raises
        ------
        ActivationError
            No such name; the near ones are listed.
        """
        key = _plain(name if isinstance(name, str) else spelled(name))
        if key not in self._plain:
            near = [self._plain[found] for found in difflib.get_close_matches(key, self._plain, 4, 0.5)]
            hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(self._entries)}"
            raise ActivationError(f"no activation is called {spelled(name)}; {hint}")
        return self[self._plain[key]]

    def __str__(self) -> str:
        rows = [("name", "h(t)", "parameters", "C2")]
        for entry in self._entries.values():
            given = ", ".join(f"{key}={value:g}" for key, value in entry.parameters.items())
            rows.append(
                (
                    "/".join([entry.name, *entry.aliases]),
                    entry.about,
                    given,
                    "yes" if entry.c2 else "piecewise",
                )
            )
        widths = [max(len(row[k]) for row in rows) for k in range(4)]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    __repr__ = __str__


_TABLE = ActivationTable()


def activations() -> ActivationTable:
    """The activations known by name, with their parameters.

    Returns
    -------
    ActivationTable
        A mapping from names to `ActivationInfo`; print it to read it.

    Examples
    --------
    >>> import fastminima as fm
    >>> "relu" in fm.activations(), "gelu" in fm.activations()
    (True, True)
    >>> fm.activation("elu", alpha=0.5)([-50.0, 2.0]).tolist()
    [-0.5, 2.0]
    """
    return _TABLE


def activation(name: str, **parameters: float) -> Smooth | PiecewiseLinear:
    """An activation by name.

    Parameters
    ----------
    name : str
        As in `activations`, or an alias; parameters may follow a colon, in the order of `activations` or by name:
        "leaky_relu:0.2", "hardtanh:-2,2", "elu:alpha=0.5".
    **parameters : float
        For example alpha=2.0 for "elu"; float64 numbers, taken exactly.

    Returns
    -------
    PiecewiseLinear or Smooth

    Raises
    ------
    ActivationError
        An unknown name (the near ones are listed), an unknown parameter, one out of its range, or one given twice.

    Examples
    --------
    >>> import fastminima as fm
    >>> fm.activation("leaky_relu:0.2") == fm.leaky_relu(0.2)
    True
    >>> fm.activation("hardtanh", max_val=2.0)
    hardtanh(min_val=-1, max_val=2)
    """
    word, colon, rest = name.partition(":") if isinstance(name, str) else (name, "", "")
    entry = _TABLE.find(word)
    written = _written_parameters(entry, rest) if colon else {}
    twice = [key for key in written if key in parameters]
    if twice:
        raise ActivationError(f"{twice[0]} of {entry.name} is given twice: in {spelled(name)} and by name")
    return entry.make(**written, **parameters)


def _written_parameters(entry: ActivationInfo, text: str) -> dict[str, float]:
    """The numbers behind the colon of a name, such as 0.2 or alpha=0.5."""
    names = list(entry.parameters)
    found: dict[str, float] = {}
    for place, part in enumerate(text.split(",")):
        key, equals, number = part.rpartition("=")
        if not equals and place >= len(names):
            known = f"the parameters {', '.join(names)}" if names else "no parameters"
            raise ActivationError(f"{entry.name} has {known}; {spelled(text)} behind its colon is too much")
        key = key.strip() if equals else names[place]
        try:
            value = float(number)
        except ValueError:
            example = f"{entry.name}:{next(iter(entry.parameters.values())):g}" if names else entry.name
            raise ActivationError(
                f"behind the colon of {entry.name} stand numbers, as in {example}; got {spelled(part)}"
            ) from None
        if key in found:
            raise ActivationError(f"{key} of {entry.name} is given twice in {spelled(text)}")
        found[key] = value
    return found


def stored_activation(name: str, parameters: str, formula: str) -> Smooth:
    """An activation from the words of a file, parameters and formula in JSON.

    The formula decides: a known name stands for the library's functions only where its formula is the same.

    Raises
    ------
    ActivationError
        What is no JSON, no formula, or has no parameters by name.
    """
    # a formula has at most 500 nodes of 2,000 digits
    if len(formula) > 2_000_000 or len(parameters) > 10_000:
        raise ActivationError("the formula of the activation is longer than a formula can be")
    try:
        exact = freeze(json.loads(formula))
        values = {str(key): float(value) for key, value in json.loads(parameters)}
    except (ValueError, TypeError, RecursionError) as error:
        raise ActivationError(f"the activation's formula or parameters cannot be read: {error}") from error
    if name in _TABLE:
        known = activation(name, **values)
        if isinstance(known, Smooth) and known.formula == exact:
            return known
    return Smooth.from_formula(exact, name)


def as_activation(value: Any) -> Any:
    """An activation from a name, an activation, a `torch.nn` module, or any callable (which stays as it is).

    Raises
    ------
    ActivationError
        A name that is not known; a module that is not known, or whose function is not the one its class says.
    """
    if isinstance(value, str):
        return activation(value)
    # a module that `to_torch` made: which function it is, is looked at like any other's
    held = getattr(type(value), "fastminima_activation", None)
    if is_module(value) and isinstance(held, PiecewiseLinear | Smooth):
        compare_with_module(value, held)
        return held
    found = named_module(value)
    if found is None:
        return value
    name, parameters = found
    try:
        h = activation(name, **parameters)
    except ActivationError as error:
        raise ActivationError(f"{module_name(value)} is not taken: {error}") from error
    compare_with_module(value, h)
    return h


def as_piecewise(value: Any, asker: str) -> PiecewiseLinear:
    """A piecewise linear activation from whatever stands for one.

    Parameters
    ----------
    value : PiecewiseLinear, str or torch.nn.Module
        "leaky_relu:0.2" and torch.nn.LeakyReLU(0.2) are `leaky_relu(0.2)`.
    asker : str
        What takes it, as the subject of the message ("bracket").

    Raises
    ------
    NetworkError
        Something else, also another activation.
    ActivationError
        As `as_activation`.
    """
    found = as_activation(value)
    if not isinstance(found, PiecewiseLinear):
        raise NetworkError(
            f"{asker} needs a PiecewiseLinear activation such as relu or leaky_relu:0.2, got {spelled(value)}"
        )
    return found
