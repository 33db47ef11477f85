"""Risks of many networks of one shape on one dataset, and the outputs of one network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.dataset import check_one_target
from fastminima.errors import ActivationError, NetworkError, OptionError
from fastminima.kernels import _forward
from fastminima.networks.activations.named import as_activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth
from fastminima.system.memory import require_memory
from fastminima.system.options import count_workers

from .batched_smooth import smooth_risks

__all__ = ["batched_risk", "predict"]

F64 = NDArray[np.float64]
Block = tuple[NDArray[np.generic], ...]

_VARIANT = _forward.BEST_VARIANT
# One kernel call takes about this much of the parameters: large against packing X again, small for the memory
# and for dealing work evenly to threads.
_CHUNK_BYTES = 1 << 21
# Parameters that need no copy are taken by calls of at least so many flops, some 50 ms in which nobody can interrupt: where
# samples are few, packing them for each chunk of parameters would show.
_CALL_FLOPS = 2e9
# X is packed once per call and chunk at about one cycle a number; this many hidden units make that a few
# per cent.
_MIN_UNITS = 256
# So few units a thread that packing all samples again for each block of networks would show.
_MANY_UNITS = 2_048
# A thread costs about 1e-4 s to start and stop, which is 5e6 flops.
_MIN_FLOPS = 2e7
_MAX_SEGMENTS = 1024
_NAMES = ("W1", "b1", "W2", "b2")


class _Samples(Protocol):
    @property
    def X(self) -> F64: ...
    @property
    def y(self) -> F64: ...
    @property
    def sample_weight(self) -> F64 | None: ...


def _real(value: ArrayLike, name: str) -> NDArray[np.generic]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise NetworkError(f"{name} must be an array of real numbers: {error}") from error
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise NetworkError(f"{name} must hold float64, float32 or integers, got dtype {array.dtype}")
    if np.ma.is_masked(value):
        raise NetworkError(f"{name} is a masked array with masked entries; fill them first")
    return array


def _expect(array: NDArray[np.generic], name: str, letters: str, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise NetworkError(f"{name} must have shape {letters} = {shape} to fit W1, got {array.shape}")


def _rows(array: NDArray[np.generic]) -> Iterator[tuple[int, NDArray[np.generic]]]:
    step = max(1, _CHUNK_BYTES * len(array) // max(1, array.nbytes)) if len(array) else 1
    for start in range(0, len(array), step):
        yield start, array[start : start + step]


def _check_finite(array: NDArray[np.generic], name: str, offset: int = 0) -> None:
    if array.dtype.kind != "f":
        return
    for start, block in _rows(array):
        bad = ~np.isfinite(block)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            index = ", ".join(str(i) for i in (where[0] + start + offset, *where[1:]))
            raise NetworkError(f"{name}[{index}] is {block[where]}; parameters must be finite")


def _single(dtype: object, arrays: Block) -> bool:
    if dtype is None:
        return all(array.dtype == np.float32 for array in arrays)
    for name in ("float64", "float32"):
        if isinstance(dtype, str | type | np.dtype) and dtype in (name, np.dtype(name), np.dtype(name).type):
            return name == "float32"
    raise OptionError(f'dtype must be "float64", "float32" or None, got {dtype!r}')


def _segments(m: int, panel: int, group: int) -> list[slice]:
    """Cuts of the samples at multiples of a panel; they depend on nothing that a caller can vary."""
    panels = -(-m // panel)
    step = panel * group * max(group, -(-panels // (_MAX_SEGMENTS * group)))
    return [slice(start, min(start + step, m)) for start in range(0, m, step)]


def batched_risk(
    W1: ArrayLike,
    b1: ArrayLike,
    W2: ArrayLike,
    b2: ArrayLike,
    data: _Samples,
    activation: PiecewiseLinear | Smooth | str,
    *,
    dtype: str | None = None,
    workers: int = 1,
) -> F64:
    """Risks of K networks f(x) = W2 h(W1 x + b1) + b2 of one shape on one dataset.

    Parameters
    ----------
    W1 : array_like of shape (K, d1, dx)
        First-layer weights; K networks of d1 hidden units on dx features.
    b1 : array_like of shape (K, d1)
        First-layer biases.
    W2 : array_like of shape (K, d1)
        Output weights.
    b2 : array_like of shape (K,)
        Output biases.
    data : Dataset
        Anything with `X` (m, dx) float64 in C order, `y` (m,) and `sample_weight`, None or (m,).
    activation : PiecewiseLinear, Smooth, str or torch.nn module
        The activation h, or its name. Smooth ones go through NumPy, block by block.
    dtype : {"float64", "float32"}, optional
        Arithmetic of the outputs. "float32" rounds parameters and data to float32, computes outputs and
        residuals there (about 1e-6 relative, overflow at 1e38) and sums in float64. By default float32 when
        all four parameter arrays are float32, else float64.
    workers : int, default 1
        Threads; -1 for all usable cores. The result does not depend on it, to the last bit.

    Returns
    -------
    ndarray of shape (K,), float64
        1/2 sum_i w_i (f_k(x_i) - y_i)^2, in squared units of `y`; no division by m. It is inf where the risk
        or a number on the way to it overflows.

    Raises
    ------
    NetworkError
        If shapes do not fit each other or the data, or a parameter is not a finite real number.
    OptionError
        If `dtype` or `workers` is none of the above.
    TargetError
        If the data have several targets.
    TooLargeError
        If the work space cannot fit into this machine's memory. It is a few blocks of the samples and of the
        parameters, never m x K.

    Notes
    -----
    Yun, Sra and Jadbabaie (2019), section 2: the empirical risk. The result for one network does not depend
    on the networks beside it. Machines with different instruction sets may differ in the last bits.
    """
    first, bias, second, shift = arrays = (_real(W1, "W1"), _real(b1, "b1"), _real(W2, "W2"), _real(b2, "b2"))
    if first.ndim != 3 or first.shape[1] < 1:
        raise NetworkError(f"W1 must have shape (K, d1, dx) with d1 >= 1, got {first.shape}")
    K, d1, dx = first.shape
    _expect(bias, "b1", "(K, d1)", (K, d1))
    _expect(second, "W2", "(K, d1)", (K, d1))
    _expect(shift, "b2", "(K,)", (K,))
    check_one_target(data, "batched_risk")
    m, features = data.X.shape
    if features != dx:
        raise NetworkError(f"W1 has shape (K, d1, dx) with dx = {dx}, but the data have {features} features")
    single = _single(dtype, arrays)
    threads = count_workers(workers)
    h = as_activation(activation)
    if isinstance(h, Smooth):
        with np.errstate(all="ignore"):
            risks = smooth_risks(*arrays, data, h, np.dtype(np.float32 if single else np.float64), threads)
        bad = ~np.isfinite(risks)
        if bad.any():
            for array, name in zip(arrays, _NAMES, strict=True):
                _check_finite(array, name)
        risks[np.isnan(risks)] = np.inf
        return risks
    if not isinstance(h, PiecewiseLinear):
        raise ActivationError(
            f"activation must be a name, PiecewiseLinear or Smooth, got {type(h).__name__}; wrap a function with "
            "Smooth(value, first, second)"
        )
    kind = np.dtype(np.float32 if single else np.float64)
    panel, group = _forward.layout(_VARIANT, kind.itemsize)
    segments = _segments(m, panel, group)

    tuple_bytes = kind.itemsize * (d1 * (dx + 2) + 1)
    chunk = max(1, _CHUNK_BYTES // tuple_bytes)
    copied = any(array.dtype != kind or not array.flags.c_contiguous for array in arrays)
    flops = max(1.0, 2.0 * m * d1 * (dx + 2))
    if not copied:
        chunk = max(chunk, int(_CALL_FLOPS / flops))
    if K * flops < _MIN_FLOPS:
        threads = 1
    # Few networks: each thread packs its own samples. Many: each packs all of them, for its own networks.
    by_samples = 1 < threads <= len(segments) and K * d1 < _MANY_UNITS * threads
    if threads > 1 and not by_samples:
        chunk = min(chunk, max(-(-_MIN_UNITS // d1), -(-K // (4 * threads))))
    items = _forward.workspace_items(_VARIANT, kind.itemsize, d1, dx)
    held = (K if by_samples else chunk * threads) * tuple_bytes if copied else 0
    parts_bytes = 8 * K * (len(segments) if by_samples else 2)
    require_memory(
        threads * items * kind.itemsize + held + parts_bytes, f"the risk of networks of width {d1}"
    )
    weight = np.empty(0) if data.sample_weight is None else data.sample_weight
    kernel: Callable[..., None] = _forward.sums_f32 if single else _forward.sums_f64

    def parameters(networks: slice) -> Block:
        with np.errstate(all="ignore"):
            return tuple(np.ascontiguousarray(array[networks], dtype=kind) for array in arrays)

    def checked(total: F64, start: int) -> F64:
        # A parameter that is inf or nan makes its preactivation, output and risk inf or nan, even times 0: a
        # finite risk proves its parameters finite, and they need not be read once more.
        if not np.isfinite(total).all():
            for array, name in zip(arrays, _NAMES, strict=True):
                _check_finite(array[start : start + len(total)], name, start)
        return total

    def add(block: Block, cut: slice, workspace: NDArray[np.generic], out: F64) -> None:
        kernel(
            *block, data.X[cut], data.y[cut], weight[cut], h.s_plus, h.s_minus, _VARIANT, workspace, out,
        )  # fmt: skip

    # handed on from chunk to chunk: fresh pages cost more than packing a small dataset
    spare: list[NDArray[np.generic]] = []

    def over_networks(start: int) -> F64:
        block = parameters(slice(start, start + chunk))
        try:
            workspace = spare.pop()
        except IndexError:
            workspace = np.empty(items, kind)
        part = np.empty(len(block[0]))
        total = np.zeros(len(part))
        with np.errstate(over="ignore", invalid="ignore"):  # a thread does not inherit its caller's
            for cut in segments:
                add(block, cut, workspace, part)
                total += part
        spare.append(workspace)
        return checked(total, start)

    with np.errstate(over="ignore", invalid="ignore"):
        if K == 0:
            return np.empty(0)
        if threads == 1:
            totals = [over_networks(start) for start in range(0, K, chunk)]
        elif not by_samples:
            with ThreadPoolExecutor(threads) as pool:
                totals = list(pool.map(over_networks, range(0, K, chunk)))
        else:
            block = parameters(slice(0, K))
            parts = np.empty((len(segments), K))

            def over_samples(worker: int) -> None:
                workspace = np.empty(items, kind)
                for index in range(worker, len(segments), threads):
                    add(block, segments[index], workspace, parts[index])

            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(over_samples, range(threads)))
            # the same additions in the same order as in over_networks
            totals = [np.zeros(K)]
            for part in parts:
                totals[0] += part
            checked(totals[0], 0)
        risks = np.concatenate(totals)
        risks *= 0.5
    risks[np.isnan(risks)] = np.inf
    return risks


def predict(
    W1: ArrayLike, b1: ArrayLike, W2: ArrayLike, b2: float, X: F64, activation: PiecewiseLinear
) -> F64:
    """Outputs of one network f(x) = W2 h(W1 x + b1) + b2.

    Parameters
    ----------
    W1 : array_like of shape (d1, dx)
        First-layer weights.
    b1 : array_like of shape (d1,)
        First-layer biases.
    W2 : array_like of shape (d1,)
        Output weights.
    b2 : float
        Output bias.
    X : ndarray of shape (m, dx)
        Samples, one a row; any real dtype and order, converted to float64 block by block.
    activation : PiecewiseLinear
        The activation h.

    Returns
    -------
    ndarray of shape (m,), float64
        f(x_i), in the units of the targets; inf or nan where a number on the way to it overflows. To the last
        bit the outputs from which `batched_risk` in float64 makes the risk.

    Raises
    ------
    NetworkError
        If shapes do not fit, or a parameter is not a finite real number.
    TooLargeError
        If the work space and result cannot fit into this machine's memory.

    Notes
    -----
    Yun, Sra and Jadbabaie (2019), section 2.
    """
    first, bias, second, shift = arrays = (_real(W1, "W1"), _real(b1, "b1"), _real(W2, "W2"), _real(b2, "b2"))
    if first.ndim != 2 or first.shape[0] < 1:
        raise NetworkError(f"W1 must have shape (d1, dx) with d1 >= 1, got {first.shape}")
    d1, dx = first.shape
    _expect(bias, "b1", "(d1,)", (d1,))
    _expect(second, "W2", "(d1,)", (d1,))
    _expect(shift, "b2", "()", ())
    if X.ndim != 2 or X.shape[1] != dx:
        raise NetworkError(f"X must have shape (m, dx) = (m, {dx}) to fit W1, got {X.shape}")
    m = len(X)
    items = _forward.workspace_items(_VARIANT, 8, d1, dx)
    require_memory(8 * (items + d1 * (dx + 2) + m) + _CHUNK_BYTES, f"the outputs of a network of width {d1}")
    for array, name in zip(arrays, _NAMES, strict=True):
        _check_finite(np.atleast_1d(array), name)
    rows1, bias1, row2 = (np.ascontiguousarray(array, dtype=np.float64) for array in arrays[:3])
    workspace, out = np.empty(items), np.empty(m)
    # whole panels, so that a cut moves no sample to another lane
    panel, group = _forward.layout(_VARIANT, 8)
    step = panel * group * max(1, _CHUNK_BYTES // (8 * panel * group * max(1, dx)))
    if X.dtype == np.float64 and X.flags.c_contiguous:
        step = max(1, m)
    for start in range(0, m, step):
        rows = np.ascontiguousarray(X[start : start + step], dtype=np.float64)
        _forward.outputs_f64(
            rows1, bias1, row2, float(shift), rows, activation.s_plus, activation.s_minus, _VARIANT,
            workspace, out[start : start + step],
        )  # fmt: skip
    return out
