"""Files of `torch.save`, read without executing anything: tensors and plain containers alone.

`torch.load(weights_only=True)` has a list of what it makes; a pickled module is not on it. Before 2.6 a crafted file could
get round that (CVE-2025-32434), so older versions are refused.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from typing import Any

from fastminima.errors import MissingDependencyError, ReadError
from fastminima.system.files import reading
from fastminima.system.packages import import_optional

__all__ = ["read_state_dict"]

_OLDEST = (2, 6)
# where training scripts keep the weights beside an optimiser's state
_STATES = ("state_dict", "model_state_dict", "model")


def read_state_dict(path: str | os.PathLike[str]) -> Mapping[Any, Any]:
    """The state dict in a file, or the one in a checkpoint under "state_dict", "model_state_dict" or "model".

    Raises
    ------
    MissingDependencyError
        Without torch, or with one older than 2.6.
    MissingFileError
        There is no such file.
    ReadError
        It is damaged, or holds more than tensors: a whole module, or anything else that would have to be executed.
    """
    torch = import_optional("torch", extra="torch", purpose="reading .pt files")
    version = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
    if version < _OLDEST:
        raise MissingDependencyError(
            f"reading .pt files needs torch 2.6 or newer, which executes nothing; this is {torch.__version__}. Save the "
            "weights as .safetensors instead, or upgrade it"
        )
    with reading(path, "is no file of weights"), open(path, "rb") as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                held = torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:
            if "eights only" in str(error) or "weights_only" in str(error):
                raise ReadError(
                    f"{path} is damaged or holds more than tensors, such as a whole module; nothing in it is executed. "
                    "Save the weights alone: torch.save(model.state_dict(), path)"
                ) from error
            raise
    if not isinstance(held, Mapping):
        raise ReadError(
            f"{path} holds a {type(held).__name__}, not a state dict; save one: torch.save(model.state_dict(), path)"
        )
    within = [key for key in _STATES if isinstance(held.get(key), Mapping)]
    return held[within[0]] if len(within) == 1 else held
