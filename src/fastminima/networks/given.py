"""What functions of a network and data are given: networks, what carries one, modules of torch; data, or what carries them.

One place says what is taken, in which order the inputs stand, and what is said where it does not fit.
"""

from __future__ import annotations

from typing import Any, Protocol

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.given import as_dataset
from fastminima.errors import DataError, DataTypeError, NetworkError
from fastminima.networks.activations.from_torch import Module, is_module

from .one_hidden_layer import OneHiddenLayer
from .rational_network import RationalNetwork
from .torch_modules import from_torch

__all__ = [
    "NetworkLike",
    "as_exact_network", "as_network", "data_of", "exact_and_data", "network_and_data", "own_data"]


class _HasNetwork(Protocol):
    """A result."""

    @property
    def network(self) -> Any:
        """Its network, where it has one."""


NetworkLike = OneHiddenLayer | RationalNetwork | _HasNetwork | Module


def as_network(value: Any, asker: str) -> OneHiddenLayer:
    """A float64 network from whatever is or has one.

    Parameters
    ----------
    value : OneHiddenLayer, RationalNetwork, result, or torch.nn.Module
        A result carries its network at `.network`. A `RationalNetwork` is taken where float64 holds it.
    asker : str
        What takes a network, as the subject of the message ("probe").

    Raises
    ------
    DataTypeError
        Anything else.
    NetworkError
        A result without network, rational numbers that float64 cannot hold, or as `from_torch`.
    """
    found = _carried(value, asker, ("network",))
    if isinstance(found, OneHiddenLayer):
        return found
    rounded = found.rounded()
    if RationalNetwork.of(rounded) != found:
        raise NetworkError(
            f"{asker} takes float64 networks, and this one has rational parameters that are none; round it first: "
            "network.rounded()"
        )
    return rounded


def as_exact_network(value: Any, asker: str) -> OneHiddenLayer | RationalNetwork:
    """A network from whatever is or has one, of a result the rational one at `.exact` first; errors as `as_network`."""
    return _carried(value, asker, ("exact", "network"))


def _carried(value: Any, asker: str, names: tuple[str, ...]) -> OneHiddenLayer | RationalNetwork:
    if isinstance(value, OneHiddenLayer | RationalNetwork):
        return value
    if is_module(value):
        return from_torch(value)
    held = [getattr(value, name, None) for name in names] if not isinstance(value, type) else []
    for network in held:
        if isinstance(network, OneHiddenLayer | RationalNetwork):
            return network
    if "network" in getattr(type(value), "__dataclass_fields__", {}) and held[-1] is None:
        raise NetworkError(
            f"{asker} takes a network, and this {type(value).__name__} has none: "
            f"{getattr(value, 'reason', '') or 'see its status'}"
        )
    raise DataTypeError(
        f"{asker} takes a OneHiddenLayer, got {type(value).__name__}; results that have a network and torch modules are "
        "taken too"
    )


def data_of(data: Any, asker: str, *carriers: Any) -> Dataset:
    """The data given, or those of the first result that knows its own.

    Parameters
    ----------
    data : Dataset, tuple (X, y) or (X, y, sample_weight), or None
    asker : str
    *carriers
        Results, which have their data at `.data`, and what has none.

    Raises
    ------
    DataTypeError
        None of them has data, or as `as_dataset`.
    """
    if data is None:
        for one in carriers:
            if (found := _known(one)) is not None:
                return found
        raise DataTypeError(
            f"{asker} takes a Dataset, (X, y) or (X, y, sample_weight) as data; only a result that knows its own does "
            "without"
        )
    return as_dataset(data, asker)


def own_data(given: Any, asker: str) -> Dataset:
    """The data given, or those that a given result knows.

    Raises
    ------
    DataTypeError
        As `as_dataset`.
    """
    found = _known(given)
    return as_dataset(given, asker) if found is None else found


def _known(result: Any) -> Dataset | None:
    for holder in (result, getattr(result, "low", None), getattr(result, "decision", None)):
        if isinstance(found := getattr(holder, "data", None), Dataset):
            return found
    return None


def network_and_data(network: Any, data: Any, asker: str) -> tuple[OneHiddenLayer, Dataset]:
    """A float64 network and one target, inputs in the order of the data's columns.

    Raises
    ------
    DataTypeError
        As `as_network` and `data_of`.
    NetworkError
        The number of inputs differs from that of the data; both are named.
    DataError
        Inputs and columns have names, and they are not the same ones.
    TargetError
        The data have several targets.
    """
    found, dataset = as_network(network, asker), data_of(data, asker, network)
    _check_fit(found, dataset, asker, NetworkError)
    return found.in_order_of(dataset.feature_names), dataset


def exact_and_data(network: Any, data: Any, asker: str) -> tuple[OneHiddenLayer | RationalNetwork, Dataset]:
    """A network, float64 or rational, and one target, inputs in the order of the data's columns.

    Raises
    ------
    DataTypeError, NetworkError, TargetError
        As `network_and_data`.
    DataError
        The number of inputs differs from that of the data, or their names do.
    """
    found, dataset = as_exact_network(network, asker), data_of(data, asker, network)
    _check_fit(found, dataset, asker, DataError)
    return found.in_order_of(dataset.feature_names), dataset


Error = type[DataError] | type[NetworkError]


def _check_fit(network: OneHiddenLayer | RationalNetwork, data: Dataset, asker: str, error: Error) -> None:
    check_one_target(data, asker)
    if network.n_features != data.n_features:
        raise error(
            f"the network takes {network.n_features} inputs, but the data have {data.n_features} features"
        )
