import numpy as np
from numpy.typing import NDArray

MOST_UNITS: int
MOST_UNKNOWNS: int
MOST_LIMITS: int
REPORT: int

def node_bound(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    w: NDArray[np.float64],
    plus: float,
    minus: float,
    sigma: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    forced: NDArray[np.int32],
    sign_out: NDArray[np.int8],
    kept: NDArray[np.int32],
    out: NDArray[np.float64],
) -> None: ...
def multipliers(
    H: NDArray[np.float64],
    g: NDArray[np.float64],
    yy: float,
    limits: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
