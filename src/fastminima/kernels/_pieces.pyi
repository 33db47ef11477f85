import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]

def independent(
    t_hi: NDArray[np.float64],
    t_lo: NDArray[np.float64],
    w: NDArray[np.float64],
    r: NDArray[np.float64],
    ceiling: float,
    sums: NDArray[np.float64],
    work: NDArray[np.float64],
    last: NDArray[np.intp],
    best_out: NDArray[np.float64],
) -> None: ...
def joined(
    t_hi: NDArray[np.float64],
    t_lo: NDArray[np.float64],
    w: NDArray[np.float64],
    r: NDArray[np.float64],
    ceiling: float,
    sums: NDArray[np.float64],
    work: NDArray[np.float64],
    variant: int,
    best_out: NDArray[np.float64],
) -> None: ...
