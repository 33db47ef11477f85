import numpy as np
from numpy.typing import NDArray

PANEL: int
BEST_VARIANT: int

def near(
    columns: NDArray[np.float64],
    norm: NDArray[np.float64],
    q: NDArray[np.float64],
    radius: NDArray[np.float64],
    variant: int,
    sample_out: NDArray[np.intp],
    unit_out: NDArray[np.intp],
) -> int: ...
def meet(
    x: NDArray[np.float64],
    norm: NDArray[np.float64],
    q: NDArray[np.float64],
    delta: NDArray[np.float64],
    up: NDArray[np.uint8],
    sample: NDArray[np.intp],
    unit: NDArray[np.intp],
    begin: float,
    end: float,
    still: NDArray[np.float64],
    reach: NDArray[np.float64],
    event_out: NDArray[np.intp],
    time_out: NDArray[np.float64],
    touching_out: NDArray[np.intp],
) -> int: ...
def cross(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    w: NDArray[np.float64],
    q: NDArray[np.float64],
    delta: NDArray[np.float64],
    bias: NDArray[np.float64],
    sign: NDArray[np.float64],
    slopes: NDArray[np.float64],
    sample: NDArray[np.intp],
    unit: NDArray[np.intp],
    event: NDArray[np.intp],
    time: NDArray[np.float64],
    end: float,
    state_out: NDArray[np.float64],
    up_out: NDArray[np.uint8],
    heap_out: NDArray[np.intp],
    crossed_out: NDArray[np.intp],
) -> tuple[int, int]: ...
