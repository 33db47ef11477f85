"""Targets of logistic and softmax loss: labels as class numbers, and what is no set of classes refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastminima.data.class_labels import Label, class_numbers, one_column
from fastminima.data.dataset import Dataset, classed, retargeted
from fastminima.errors import TargetError
from fastminima.losses.given import loss_in_words
from fastminima.losses.pointwise import Logistic, PointwiseLoss, Softmax
from fastminima.losses.row_sum import RowSum

__all__ = ["Classes", "labelled", "with_classes"]

Classes = tuple[Label, ...]
# so many different whole numbers, with fewer rows each on the average, are measured, and no classes
_MANY, _ROWS = 50, 4


def labelled(data: tuple[Any, ...]) -> Any:
    """(X, y) or (X, y, weights) of labels as a dataset of class numbers; as it came where y has several columns."""
    if len(data) not in (2, 3) or not one_column(data[1]):
        return data
    X, y, *weight = data
    return Dataset(X, y, sample_weight=weight[0] if weight else None, labels=True)


def with_classes(data: Dataset, phi: PointwiseLoss) -> tuple[Dataset, Classes | None]:
    """The data with class numbers 0, 1, ... where they hold labels, and the classes; unchanged for other losses.

    Raises
    ------
    TargetError
        Targets that are no classes, one class only, or more than two for logistic loss; labels under another loss.
    LossError
        Columns that the loss has no meaning for.
    """
    if not isinstance(phi, Logistic | Softmax):
        if data.classes is not None:
            label = data.label(data.n_features)
            raise TargetError(
                f'{label} holds labels of classes; loss="squared" and loss="huber" are about numbers: take loss="softmax", '
                'or loss="logistic" for two classes'
            )
        return data, None
    classes: Classes | None = None
    if data.n_targets == 1 and (
        isinstance(phi, Logistic) or phi.n_classes in (None, len(data.classes or ()))
    ):
        numbers, found = class_numbers(data.y, data.label(data.n_features))
        # rows may have gone since the labels became numbers, and a class with them
        classes = found if data.classes is None else tuple(data.classes[int(c)] for c in found)
        _check_count(data, phi, classes)
        if not np.array_equal(numbers, data.y):
            data = retargeted(data, numbers)
        if data.classes not in (None, classes):
            data = classed(data, classes)
    loss = RowSum(phi, data)
    # floats say by row what is no set of probabilities, before any is divided by its sum
    _, targets = loss.floats, loss.targets
    one = 1 / targets.scale
    for k, column in enumerate(targets.numerators.T):
        zero, whole = not column.any(), one.denominator == 1 and bool((column == one.numerator).all())
        if zero or whole:
            what = (
                f"class {k if classes is None else classes[k]!r} has {'no' if zero else 'every'} row"
                if isinstance(phi, Softmax)
                else f"{data.label(data.n_features + k)} holds one class"
            )
            raise TargetError(f"{what}; {loss_in_words(phi)} needs rows of every class")
    return data, classes


def _check_count(data: Dataset, phi: PointwiseLoss, classes: Classes) -> None:
    label = data.label(data.n_features)
    if len(classes) < 2:
        raise TargetError(
            f"{label} holds one class only, {classes[0]!r}; {loss_in_words(phi)} needs two or more"
        )
    many = len(classes) > _MANY and data.n_samples < _ROWS * len(classes)
    if many and isinstance(classes[0], int):
        raise TargetError(
            f"{label} holds {len(classes):,} different whole numbers in {data.n_samples:,} rows: a measured quantity takes "
            'loss="squared" or loss="huber"; classes that are meant so are texts'
        )
    if isinstance(phi, Logistic) and len(classes) > 2:
        shown = ", ".join(map(repr, classes[:5]))
        raise TargetError(
            f'{label} holds {len(classes)} classes ({shown}); logistic loss has two: use loss="softmax"'
        )
