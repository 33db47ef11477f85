"""Columns by name: in what order a network's inputs stand in these data, where both sides have names.

Names on both sides must be the same ones, and then they decide, where scikit-learn refuses another order. Where one side has
none, columns are taken by position, as there; without its warning, because the arrays of a `Dataset` carry no names.
"""

from __future__ import annotations

from collections import Counter

from fastminima.errors import DataError

from .columns import listed

__all__ = ["input_order"]

Names = tuple[str, ...] | None


def input_order(inputs: Names, columns: Names) -> list[int] | None:
    """Which input of a network each column of the data is, by name.

    Parameters
    ----------
    inputs : tuple of str or None
        Names of the network's inputs, in its order.
    columns : tuple of str or None
        Names of the data's columns; as many.

    Returns
    -------
    list of int or None
        Column j is input order[j]; None where they stand in the same order or a side has no names.

    Raises
    ------
    DataError
        The names are not the same ones, or a name that stands twice does not say which is which.
    """
    if inputs is None or columns is None or inputs == columns:
        return None
    absent = list((Counter(inputs) - Counter(columns)).elements())
    unknown = list((Counter(columns) - Counter(inputs)).elements())
    if absent or unknown:
        parts = [f"without {listed(absent)}"] * bool(absent) + [f"with {listed(unknown)}"] * bool(unknown)
        raise DataError(
            f"the data's columns are not the network's inputs: {' and '.join(parts)}; the network takes {listed(inputs)}"
        )
    if len(set(inputs)) < len(inputs):
        twice = [name for name, count in Counter(inputs).items() if count > 1]
        raise DataError(
            f"the data's columns stand in another order than the network's inputs, and {listed(twice)} stands twice: "
            "names do not say which is which"
        )
    position = {name: k for k, name in enumerate(inputs)}
    return [position[name] for name in columns]
