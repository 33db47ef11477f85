import numpy as np
from numpy.typing import NDArray

BEST_VARIANT: int
VARIANTS: tuple[str, ...]
PARTS: int

def is_ordered(keys: NDArray[np.float64]) -> bool: ...
def count_buckets(
    keys: NDArray[np.float64],
    lo: float,
    scale: float,
    floor: int,
    first: int,
    shift: int,
    table: NDArray[np.uint16],
    tree: NDArray[np.float64],
    levels: int,
    variant: int,
    ids_out: NDArray[np.uint16],
    counts_out: NDArray[np.int64],
) -> float: ...
def scatter_buckets(
    keys: NDArray[np.float64],
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    ids: NDArray[np.uint16],
    value_scale: float,
    weight_scale: float,
    at: NDArray[np.int64],
    lines: NDArray[np.float64],
    records_out: NDArray[np.float64],
) -> float: ...
def sort_buckets(
    records: NDArray[np.float64],
    starts: NDArray[np.int64],
    first: int,
    last: int,
    scratch: NDArray[np.float64],
    cells: NDArray[np.uint32],
    depth: int,
    variant: int,
    totals_out: NDArray[np.float64],
) -> None: ...
def prefix_buckets(
    totals: NDArray[np.float64], first: int, last: int, before_out: NDArray[np.float64]
) -> None: ...
def sweep_buckets(
    records: NDArray[np.float64],
    starts: NDArray[np.int64],
    before: NDArray[np.float64],
    totals: NDArray[np.float64],
    first: int,
    last: int,
    rule: NDArray[np.float64],
    variant: int,
    status_out: NDArray[np.uint8],
    best_out: NDArray[np.float64],
    count_out: NDArray[np.int64],
) -> None: ...
def exact_prefix(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    order: NDArray[np.int64],
    positions: NDArray[np.int64],
    shift: int,
    sums_out: NDArray[np.float64],
    signs_out: NDArray[np.int8],
) -> None: ...
def exact_below(
    keys: NDArray[np.float64],
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    threshold: float,
    shift: int,
    sum_out: NDArray[np.float64],
) -> int: ...
def product_errors(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    value_scale: float,
    weight_scale: float,
    out: NDArray[np.float64],
) -> None: ...
