"""Certificates about classes: which of them take labels, and data whose labels are the certificate's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastminima.data.dataset import Dataset, retargeted

from .certificate import Certificate

__all__ = ["takes_labels", "with_classes_of"]

# whole numbers up to here are float64 numbers
_EXACT = 2**53
_SHOWN = 8


def takes_labels(certificate: Certificate) -> bool:
    """Is it about classes in one column, whose labels become class numbers?"""
    setting, data = certificate.content.get("setting"), certificate.content.get("data")
    loss = setting.get("loss") if isinstance(setting, dict) else None
    of_classes = isinstance(loss, list) and loss[:1] in (["logistic"], ["softmax"])
    return of_classes and isinstance(data, dict) and data.get("targets") == 1


def with_classes_of(certificate: Certificate, data: Dataset) -> Dataset | str:
    """Data with the class numbers of a certificate, as far as it names its classes; or why they are others."""
    names = certificate.content["setting"].get("classes") if takes_labels(certificate) else None
    if not isinstance(names, list) or data.n_targets != 1:
        return data
    if data.classes is None:
        return _numbered(data, names)
    # class numbers may stand where labels are texts
    numbers = all(isinstance(label, str) for label in names) and list(data.classes) == list(range(len(names)))
    if list(data.classes) == names or numbers:
        return data
    return f"the classes of the certificate are {_few(names)}, those of the data {_few(data.classes)}"


def _numbered(data: Dataset, names: Sequence[Any]) -> Dataset:
    """Data whose target holds numbers that are labels, with class numbers."""
    place = {float(v): k for k, v in enumerate(names) if isinstance(v, int) and abs(v) < _EXACT}
    if not set(data.y.tolist()) <= place.keys():
        return data
    return retargeted(data, np.array([place[v] for v in data.y.tolist()], dtype=np.float64))


def _few(classes: Sequence[Any]) -> str:
    return ", ".join(map(str, classes[:_SHOWN])) + (" ..." if len(classes) > _SHOWN else "")
