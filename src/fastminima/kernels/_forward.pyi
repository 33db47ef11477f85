import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]

def layout(variant: int, item: int) -> tuple[int, int]: ...
def is_wide(d1: int, dx: int) -> bool: ...
def workspace_items(variant: int, item: int, d1: int, dx: int) -> int: ...
def sums_f64(
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    W2: NDArray[np.float64],
    b2: NDArray[np.float64],
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: NDArray[np.float64],
    sums_out: NDArray[np.float64],
) -> None: ...
def sums_f32(
    W1: NDArray[np.float32],
    b1: NDArray[np.float32],
    W2: NDArray[np.float32],
    b2: NDArray[np.float32],
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: NDArray[np.float32],
    sums_out: NDArray[np.float64],
) -> None: ...
def outputs_f64(
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    W2: NDArray[np.float64],
    b2: float,
    X: NDArray[np.float64],
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def fma_peak(variant: int, item: int, rounds: int, sum_out: NDArray[np.float64]) -> None: ...
