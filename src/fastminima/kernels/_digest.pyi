import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]

def packed_rows(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def blake2s_sums(rows: NDArray[np.float64], variant: int, sums_out: NDArray[np.uint64]) -> None: ...
