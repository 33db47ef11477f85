import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]
BLOCK: int
LOW_BITS: int

def workspace_items(masks: int, digits: int) -> int: ...
def masked_products(
    columns: NDArray[np.float64],
    masks: NDArray[np.float64],
    count: int,
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    a: NDArray[np.int32],
    b: NDArray[np.int32],
    places: NDArray[np.int32],
    unit: float,
    variant: int,
    workspace: NDArray[np.float64],
    high_out: NDArray[np.int64],
    low_out: NDArray[np.int64],
) -> None: ...
