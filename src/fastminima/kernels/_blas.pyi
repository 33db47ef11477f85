import numpy as np
from numpy.typing import NDArray

LARGEST: int
__pyx_capi__: dict[str, object]

def dgemm(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    out: NDArray[np.float64],
    alpha: float = 1.0,
    beta: float = 0.0,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> None: ...
def sgemm(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    out: NDArray[np.float32],
    alpha: float = 1.0,
    beta: float = 0.0,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> None: ...
def dsyrk(
    a: NDArray[np.float64],
    out: NDArray[np.float64],
    alpha: float = 1.0,
    beta: float = 0.0,
    transpose: bool = False,
) -> None: ...
