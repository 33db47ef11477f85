"""A network from a file: npz, safetensors, or what torch saved. Nothing in a file is executed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastminima.errors import NetworkError, ReadError
from fastminima.networks.activations.named import ActivationLike, as_activation
from fastminima.networks.named_tensors import network_of_tensors
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.files import open_npz
from fastminima.system.options import spelled

from .safetensors import read_safetensors
from .torch_files import read_state_dict

__all__ = ["load_network"]

_TORCH = (".pt", ".pth", ".bin", ".ckpt")


def load_network(
    path: str | os.PathLike[str],
    activation: ActivationLike | None = None,
    *,
    feature_names: Sequence[str] | None = None,
) -> OneHiddenLayer:
    """A network with one hidden layer from a file.

    Parameters
    ----------
    path : path-like
        .safetensors; .pt, .pth, .bin or .ckpt as `torch.save` writes state dicts and checkpoints that hold one (these need
        the extra `torch`); anything else is an npz file, by `OneHiddenLayer.save` or with the arrays of a state dict.
    activation : str, PiecewiseLinear, Smooth or torch.nn module, optional
        Needed where the file does not say it: `OneHiddenLayer.save` does, and so does an entry "activation" in the metadata
        of a safetensors file.
    feature_names : sequence of str, optional
        What the inputs are called; those in the file otherwise.

    Raises
    ------
    MissingFileError
        There is no such file.
    ReadError
        It is damaged, not of its kind, or holds more than tensors; a pickled module is not executed.
    NetworkError
        Not one hidden layer, no activation, or another one than the file says.
    ActivationError
        An activation that is not covered.
    MissingDependencyError
        A file of torch's, without torch.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import fastminima as fm
    >>> network = fm.spurious_minimum(fm.load_demo("xor")).network
    >>> with TemporaryDirectory() as folder:
    ...     network.save(Path(folder, "low.npz"))
    ...     again = fm.load_network(Path(folder, "low.npz"))
    ...
    >>> again == network
    True
    """
    try:
        source = Path(os.fsdecode(path))
    except TypeError as error:
        raise ReadError(f"path must be a file name, got {spelled(path)}") from error
    suffix = source.suffix.lower()
    if suffix == ".safetensors":
        stored = read_safetensors(source)
        said = stored.metadata.get("activation")
        return _named(stored.tensors, _agreed(said, activation, source), feature_names, source)
    if suffix in _TORCH:
        return _named(read_state_dict(source), activation, feature_names, source)
    with open_npz(source, "is not a network file", ", not a network") as arrays:
        ours = "format" in arrays
        tensors = {} if ours else {name: arrays[name] for name in arrays.files}
    if not ours:
        return _named(tensors, activation, feature_names, source)
    network = OneHiddenLayer.load(source)
    _agreed(network.activation, activation, source)
    return network if feature_names is None else network.with_names(feature_names)


def _named(
    tensors: Mapping[Any, Any], activation: Any, names: Sequence[str] | None, source: Path
) -> OneHiddenLayer:
    return network_of_tensors(tensors, activation, names, str(source))


def _agreed(said: Any, given: Any, source: Path) -> Any:
    """The activation that a file says, or the one given where it says none."""
    if said is None or given is None:
        return given if said is None else said
    if as_activation(said) != as_activation(given):
        raise NetworkError(f"{source} has the activation {said}, not {spelled(given)}; leave activation out")
    return said
