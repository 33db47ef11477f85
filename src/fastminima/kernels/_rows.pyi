import numpy as np
from numpy.typing import NDArray

PANEL: int
TOTALS: int
BEST_VARIANT: int
MOST_COLUMNS: int

def evaluate_work(n: int, lines: int) -> int: ...
def moments_work(n: int) -> int: ...
def evaluate_rows(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    w: NDArray[np.float64],
    centre: NDArray[np.float64],
    centre_y: float,
    slopes: NDArray[np.float64],
    level: float,
    lines: NDArray[np.float64],
    variant: int,
    work: NDArray[np.float64],
    values_out: NDArray[np.float64],
    residual_out: NDArray[np.float64],
    norm_out: NDArray[np.float64],
    gradient_out: NDArray[np.float64],
    totals_out: NDArray[np.float64],
    lowest_out: NDArray[np.float64],
) -> None: ...
def moments_rows(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    w: NDArray[np.float64],
    centre: NDArray[np.float64],
    centre_y: float,
    variant: int,
    work: NDArray[np.float64],
    products_out: NDArray[np.float64],
    largest_out: NDArray[np.float64],
) -> None: ...
