from typing import Self, final

import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]
PANEL: int
NEAR: int

def workspace_items(d1: int, dx: int) -> int: ...
def chunk_pairs(dx: int) -> int: ...
def linear_items(d1: int, dx: int) -> int: ...
def base_sums(
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    W2: NDArray[np.float64],
    b2: float,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: NDArray[np.float64],
    sums_out: NDArray[np.float64],
    residual_out: NDArray[np.float64],
) -> None: ...
def preactivations(
    W1: NDArray[np.float64],
    b1: NDArray[np.float64],
    W2: NDArray[np.float64],
    b2: float,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: NDArray[np.float64],
    z_out: NDArray[np.float64],
) -> None: ...
def linear_term(
    gradient: NDArray[np.float64],
    own: NDArray[np.float64],
    W2: NDArray[np.float64],
    centre: NDArray[np.float64],
    centred_bias: NDArray[np.float64],
    steep: NDArray[np.float64],
    delta: NDArray[np.float64],
    double_double: bool,
    variant: int,
    workspace: NDArray[np.float64],
    linear_out: NDArray[np.float64],
    bias_out: NDArray[np.float64],
    size_out: NDArray[np.float64],
) -> None: ...

@final
class ScreenProblem:
    def __new__(
        cls,
        *,
        W1: NDArray[np.float64],
        b1: NDArray[np.float64],
        W2: NDArray[np.float64],
        s_plus: float,
        s_minus: float,
        gradient: NDArray[np.float64],
        own: NDArray[np.float64],
        centre: NDArray[np.float64],
        centred_bias: NDArray[np.float64],
        slopes: NDArray[np.float64],
        factor: NDArray[np.float64],
        row_start: NDArray[np.int64],
        near_start: NDArray[np.int64],
        panel_start: NDArray[np.int64],
        margin: NDArray[np.float64],
        rows: NDArray[np.float64],
        near_slopes: NDArray[np.float64],
        filter: NDArray[np.float32],
        scale: float,
        shared: int,
        numbers: int,
    ) -> Self: ...
    @property
    def W1(self) -> NDArray[np.float64]: ...
    @property
    def b1(self) -> NDArray[np.float64]: ...
    @property
    def W2(self) -> NDArray[np.float64]: ...
    @property
    def gradient(self) -> NDArray[np.float64]: ...
    @property
    def own(self) -> NDArray[np.float64]: ...
    @property
    def centre(self) -> NDArray[np.float64]: ...
    @property
    def centred_bias(self) -> NDArray[np.float64]: ...
    @property
    def slopes(self) -> NDArray[np.float64]: ...
    @property
    def factor(self) -> NDArray[np.float64]: ...
    @property
    def margin(self) -> NDArray[np.float64]: ...
    @property
    def rows(self) -> NDArray[np.float64]: ...
    @property
    def near_slopes(self) -> NDArray[np.float64]: ...
    @property
    def row_start(self) -> NDArray[np.int64]: ...
    @property
    def near_start(self) -> NDArray[np.int64]: ...
    @property
    def panel_start(self) -> NDArray[np.int64]: ...
    @property
    def filter(self) -> NDArray[np.float32]: ...
    @property
    def s_plus(self) -> float: ...
    @property
    def s_minus(self) -> float: ...
    @property
    def scale(self) -> float: ...
    @property
    def shared(self) -> int: ...
    @property
    def numbers(self) -> int: ...

def walk_items(problem: ScreenProblem, tile: int) -> tuple[int, int, int, int]: ...

@final
class ScreenScratch:
    def __new__(
        cls,
        problem: ScreenProblem,
        tile: int,
        workspace: NDArray[np.float64],
        reals: NDArray[np.float64],
        singles: NDArray[np.float32],
        longs: NDArray[np.int64],
        ints: NDArray[np.int32],
    ) -> Self: ...
    @property
    def problem(self) -> ScreenProblem: ...
    @property
    def tile(self) -> int: ...

def screened_excess(
    delta: NDArray[np.float64],
    scratch: ScreenScratch,
    variant: int,
    excess_out: NDArray[np.float64],
    changed_out: NDArray[np.int64],
    norm_out: NDArray[np.float64],
) -> None: ...
