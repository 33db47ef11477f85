import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]

def layout(variant: int, item: int, d1: int, dx: int) -> tuple[int, int]: ...
def workspace_items(variant: int, item: int, d1: int, dx: int) -> int: ...
def perturbations(
    seed: int, first: int, distribution: int, radius: float, variant: int, out: NDArray[np.float64]
) -> None: ...
def excess_f64(
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    W2: NDArray[np.float64],
    X: NDArray[np.float64],
    centre: NDArray[np.float64],
    centred_bias: NDArray[np.float64],
    e: NDArray[np.float64],
    weight: NDArray[np.float64],
    s_plus: float,
    s_minus: float,
    delta: NDArray[np.float64],
    bias: NDArray[np.float64],
    variant: int,
    packed: bool,
    workspace: NDArray[np.float64],
    quadratic_out: NDArray[np.float64],
    change_out: NDArray[np.float64],
    n_changed_out: NDArray[np.int64],
) -> None: ...
def excess_f32(
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    W2: NDArray[np.float64],
    X: NDArray[np.float64],
    centre: NDArray[np.float64],
    centred_bias: NDArray[np.float64],
    e: NDArray[np.float64],
    weight: NDArray[np.float64],
    s_plus: float,
    s_minus: float,
    delta: NDArray[np.float64],
    bias: NDArray[np.float64],
    variant: int,
    packed: bool,
    workspace: NDArray[np.float32],
    quadratic_out: NDArray[np.float64],
    change_out: NDArray[np.float64],
    n_changed_out: NDArray[np.int64],
) -> None: ...
