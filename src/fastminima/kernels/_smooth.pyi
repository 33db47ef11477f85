import numpy as np
from numpy.typing import NDArray

CURVES: tuple[str, ...]

def sums_f64(
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    W2: NDArray[np.float64],
    b2: NDArray[np.float64],
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    curve: int,
    shape: NDArray[np.float64],
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
    curve: int,
    shape: NDArray[np.float64],
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
    curve: int,
    shape: NDArray[np.float64],
    variant: int,
    workspace: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def curve_f64(
    curve: int,
    shape: NDArray[np.float64],
    x: NDArray[np.float64],
    variant: int,
    out: NDArray[np.float64],
) -> None: ...
def curve_f32(
    curve: int,
    shape: NDArray[np.float64],
    x: NDArray[np.float32],
    variant: int,
    out: NDArray[np.float32],
) -> None: ...
