"""Targets of logistic and softmax loss: labels as class numbers, and what is no set of classes refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastminima.data.class_labels import Label, class_numbers, one_column
from fastminima.data.dataset import Dataset, retargeted
from fastminima.errors import TargetError
from fastminima.losses.pointwise import Logistic, PointwiseLoss, Softmax
from fastminima.losses.row_sum import RowSum

__all__ = ["Classes", "labelled", "with_classes"]

Classes = tuple[Label, ...]


def labelled(data: tuple[Any, ...]) -> tuple[Any, Classes | None]:
    """(X, y) or (X, y, weights) with labels as class numbers, and the classes; as it came where y has several columns."""
    if len(data) not in (2, 3) or not one_column(data[1]):
        return data, None
    numbers, classes = class_numbers(data[1])
    return (data[0], numbers, *data[2:]), classes


def with_classes(
    data: Dataset, phi: PointwiseLoss, names: Classes | None = None
) -> tuple[Dataset, Classes | None]:
    """The data with class numbers 0, 1, ... where they hold labels, and the classes; unchanged for other losses.

    Raises
    ------
    TargetError
        Targets that are no classes, one class only, or more than two for logistic loss.
    LossError
        Columns that the loss has no meaning for.
    """
    if not isinstance(phi, Logistic | Softmax):
        return data, None
    classes: Classes | None = None
    if data.n_targets == 1 and (isinstance(phi, Logistic) or phi.n_classes is None):
        numbers, classes = class_numbers(data.y)
        # rows of weight 0 may have taken a class with them
        classes = tuple(names[int(c)] for c in classes) if names is not None else classes
        _check_count(data, phi, classes)
        if not np.array_equal(numbers, data.y):
            data = retargeted(data, numbers)
    targets = RowSum(phi, data).targets
    one = 1 / targets.scale
    for k, column in enumerate(targets.numerators.T):
        zero, whole = not column.any(), one.denominator == 1 and bool((column == one.numerator).all())
        if zero or whole:
            what = (
                f"class {k} has {'no' if zero else 'every'} row"
                if isinstance(phi, Softmax)
                else f"{data.label(data.n_features + k)} holds one class"
            )
            raise TargetError(f"{what}; {phi!r} needs rows of every class")
    return data, classes


def _check_count(data: Dataset, phi: PointwiseLoss, classes: Classes) -> None:
    label = data.label(data.n_features)
    if len(classes) < 2:
        raise TargetError(f"{label} holds one class only, {classes[0]!r}; {phi!r} needs two or more")
    if isinstance(phi, Logistic) and len(classes) > 2:
        shown = ", ".join(map(repr, classes[:5]))
        raise TargetError(
            f'{label} holds {len(classes)} classes ({shown}); logistic loss has two: use loss="softmax"'
        )
