"""Networks whose inputs may have names: kept, and held against the columns of what they are evaluated on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.coerce import as_matrix, check_names
from fastminima.data.dataset import Dataset
from fastminima.errors import DataError, NetworkError
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth

__all__ = ["NamedInputs", "activation_name", "checked_input_names"]


def checked_input_names(names: Sequence[str] | None, n_features: int) -> tuple[str, ...] | None:
    """Names of a network's inputs as a tuple; NetworkError for another number of them, or what is no text."""
    if names is None:
        return None
    try:
        return check_names(names, n_features, "feature_names")
    except DataError as error:
        raise NetworkError(str(error)) from error


def activation_name(h: Any) -> str:
    """How messages call an activation: not every callable prints itself well."""
    if isinstance(h, PiecewiseLinear | Smooth):
        return str(h)
    return str(getattr(h, "__name__", type(h).__name__))


class NamedInputs:
    """What networks with `feature_names`, `n_features` and `in_order_of` share: frozen dataclasses."""

    feature_names: tuple[str, ...] | None
    n_features: Any
    in_order_of: Callable[[tuple[str, ...] | None], Any]

    def with_names(self, feature_names: Sequence[str] | None) -> Self:
        """The same network with its inputs called so, in their order.

        Raises
        ------
        NetworkError
            Another number of names than of inputs.
        """
        if feature_names == self.feature_names:
            return self
        return replace(self, feature_names=feature_names)  # type: ignore[type-var]

    def evaluated_on(self, X: ArrayLike | Dataset) -> tuple[Self, NDArray[np.float64]]:
        """The network in the order of these columns, and their values.

        Raises
        ------
        DataError, DataTypeError
            As `Dataset`, and if the number of columns is not `n_features`, or they have other names than the network's
            inputs. m = 0 is accepted.
        """
        names: tuple[str, ...] | None
        if isinstance(X, Dataset):
            values, names = X.X, X.feature_names
        else:
            table = as_matrix(X, "X", allow_empty=True)
            if table.rounded:
                raise DataError(
                    "X holds numbers that float64 cannot represent; convert it to float64 to evaluate at the "
                    "rounded inputs"
                )
            values, names = table.values, table.names
        if values.shape[1] != self.n_features:
            raise DataError(f"X has {values.shape[1]} columns; the network takes {self.n_features} inputs")
        return self.in_order_of(names), values
