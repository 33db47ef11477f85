import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]

def preactivations(
    columns: NDArray[np.float64],
    count: int,
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    factor: float,
    tiny: NDArray[np.float64],
    variant: int,
    z_out: NDArray[np.float64],
    error_out: NDArray[np.float64],
) -> None: ...
def quotients(
    columns: NDArray[np.float64],
    count: int,
    dx: int,
    z: NDArray[np.float64],
    error: NDArray[np.float64],
    begin: int,
    end: int,
    slack: float,
    variant: int,
    lower_out: NDArray[np.float64],
    upper_out: NDArray[np.float64],
) -> None: ...
def sign_keys(
    z: NDArray[np.float64],
    error: NDArray[np.float64],
    count: int,
    units: NDArray[np.int64],
    keys_out: NDArray[np.uint64],
    doubtful_out: NDArray[np.uint8],
) -> None: ...
def equal_keys(
    keys: NDArray[np.uint64],
    count: int,
    table: NDArray[np.int32],
    ids_out: NDArray[np.int32],
    first_out: NDArray[np.int64],
    counts_out: NDArray[np.int64],
) -> int: ...
def grouped_columns(
    columns: NDArray[np.float64],
    count: int,
    ids: NDArray[np.int32],
    counts: NDArray[np.int64],
    n_groups: int,
    end_out: NDArray[np.int64],
    order_out: NDArray[np.int32],
    out: NDArray[np.float64],
) -> None: ...
