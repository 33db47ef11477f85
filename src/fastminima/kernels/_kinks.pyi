import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]
LANES: int
ENDS: int
DIGITS: int

def scan_knots(
    projections: NDArray[np.float64],
    flat: NDArray[np.float64],
    rows: NDArray[np.float64],
    wr: NDArray[np.float64],
    w: NDArray[np.float64],
    stride: int,
    variant: int,
    work: NDArray[np.float64],
    orders: NDArray[np.uint64],
    counts: NDArray[np.uint32],
    found_out: NDArray[np.float64],
) -> None: ...
