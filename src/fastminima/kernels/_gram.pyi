import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]
STEP: int
MAX_ROWS: int

def workspace_items(variant: int, n: int, labels_left: int, labels_right: int, weighted: bool) -> int: ...
def columns_of(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def column_ends(
    columns: NDArray[np.float64],
    begin: int,
    end: int,
    variant: int,
    peak_out: NDArray[np.float64],
    low_out: NDArray[np.float64],
) -> None: ...
def digit_products(
    columns: NDArray[np.float64],
    begin: int,
    end: int,
    weighted: bool,
    weight_scale: NDArray[np.float64],
    left_scale: NDArray[np.float64],
    left_first: NDArray[np.int64],
    left_place: NDArray[np.int64],
    left_owner: NDArray[np.int64],
    right_scale: NDArray[np.float64],
    right_first: NDArray[np.int64],
    right_place: NDArray[np.int64],
    right_owner: NDArray[np.int64],
    variant: int,
    workspace: NDArray[np.float64],
    high_out: NDArray[np.int64],
    low_out: NDArray[np.int64],
) -> None: ...
