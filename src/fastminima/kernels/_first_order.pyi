import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]
BLOCK: int
LANES: int

def workspace_items(d1: int, dx: int) -> int: ...
def first_order_sums(
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    W2: NDArray[np.float64],
    b2: float,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    s_plus: float,
    s_minus: float,
    factors: NDArray[np.float64],
    variant: int,
    workspace: NDArray[np.float64],
    sums_out: NDArray[np.float64],
    error_out: NDArray[np.float64],
    doubt_out: NDArray[np.float64],
    unsure_out: NDArray[np.int64],
    nearest_out: NDArray[np.float64],
) -> float: ...
