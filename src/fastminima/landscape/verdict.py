"""The words of answers about minima: what `decide` can say of a point, and how a walk of `polish` can end."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from fractions import Fraction

__all__ = ["OffUnit", "PolishStatus", "Verdict", "why_off"]


class Verdict(enum.StrEnum):
    """What `decide` can answer."""

    LOCAL_MINIMUM = "local_minimum"
    NOT_A_MINIMUM = "not_a_minimum"
    UNDETERMINED = "undetermined"


class PolishStatus(enum.StrEnum):
    """How a walk ended."""

    LOCAL_MINIMUM = "local_minimum"
    UNDETERMINED = "undetermined"
    STEP_LIMIT = "step_limit"
    INTERRUPTED = "interrupted"


class OffUnit(enum.StrEnum):
    """Why a unit is off: its output weight or its row can move at constant risk."""

    NO_OUTPUT_WEIGHT = "a_k = 0"
    NO_ROW = "u_k = 0"
    DEAD = "dead: z < 0 on every sample and s- = 0"


def why_off(row: Sequence[Fraction], weight: Fraction) -> OffUnit | None:
    """Why a unit adds nothing whatever the data are; None where it does not say so."""
    if not weight:
        return OffUnit.NO_OUTPUT_WEIGHT
    return None if any(row) else OffUnit.NO_ROW
