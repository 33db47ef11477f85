import numpy as np
from numpy.typing import NDArray

ROWS: int

def descend(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    plus: float,
    minus: float,
    sign: NDArray[np.float64],
    parameters: NDArray[np.float64],
    steps: int,
    tolerance: float,
    work: NDArray[np.float64],
    counts: NDArray[np.int32],
    kinks: NDArray[np.float64],
) -> tuple[float, int]: ...
def best_hinge(
    X: NDArray[np.float64],
    r: NDArray[np.float64],
    directions: NDArray[np.float64],
    work: NDArray[np.float64],
    counts: NDArray[np.int32],
    kinks: NDArray[np.float64],
    found_out: NDArray[np.float64],
) -> None: ...
