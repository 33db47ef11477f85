"""Scores rounded so that ties between witnesses are ties on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["rounded_score"]


def rounded_score(score: Any) -> Any:
    """A score to six digits below 1, on a grid that keeps off round numbers, which scores often are."""
    return np.round(np.asarray(score) * 707_106.781)
