"""Tensors that track gradients, such as the parameters of torch modules, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["plain_array"]


def plain_array(value: Any) -> NDArray[Any]:
    """`np.asarray` of a value, and of what stands behind tensors that refuse it because they track gradients.

    Raises
    ------
    TypeError, ValueError, RuntimeError, OverflowError
        As NumPy and the library of the tensor raise them, for what is no array on this machine.
    """
    try:
        return np.asarray(value)
    except RuntimeError:
        return np.asarray(_detached(value))
    except (TypeError, ValueError, OverflowError, MemoryError):
        raise
    except Exception as error:
        # whatever the conversion of a foreign object raises
        raise TypeError(f"{type(error).__name__}: {error}") from error


def _detached(value: Any) -> Any:
    """Tensors without their history, also within lists."""
    if isinstance(value, (list, tuple)):
        return [_detached(part) for part in value]
    return value.detach() if callable(getattr(value, "detach", None)) else value
