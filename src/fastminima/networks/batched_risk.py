"""Risks of many networks of one shape on one dataset, and the outputs of one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.coerce import check_names
from fastminima.data.dataset import check_one_target
from fastminima.data.feature_order import input_order
from fastminima.data.given import as_dataset
from fastminima.errors import ActivationError, NetworkError, OptionError
from fastminima.kernels import _forward, _smooth
from fastminima.networks.activations.compiled import Curve, compiled_curve
from fastminima.networks.activations.named import ActivationLike, as_activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth
from fastminima.system.memory import require_memory
from fastminima.system.options import count_workers, spelled

from .batched_smooth import smooth_risks
from .stacked_networks import (
    Block,
    Samples,
    StackedNetworks,
    check_finite,
    check_shape,
    real_array,
)

__all__ = ["batched_risk", "predict"]

F64 = NDArray[np.float64]

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
# A smooth curve takes about as long as so many flops of a product, from 60 (e^t) to 150 (GELU).
_CURVE_FLOPS = 100.0
_MAX_SEGMENTS = 1024


def _arithmetic(dtype: object, networks: StackedNetworks) -> np.dtype[Any]:
    if dtype is None:
        single = all(array.dtype == np.float32 for array in networks.arrays())
        return np.dtype(np.float32 if single else np.float64)
    for kind in (np.dtype(np.float64), np.dtype(np.float32)):
        if isinstance(dtype, str | type | np.dtype) and dtype in (kind.name, kind, kind.type):
            return kind
    raise OptionError(f'dtype must be "float64", "float32" or None, got {spelled(dtype)}')


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
    data: Samples | tuple[ArrayLike, ...],
    activation: ActivationLike,
    *,
    dtype: Literal["float64", "float32"] | None = None,
    workers: int = 1,
    feature_names: Sequence[str] | None = None,
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
    data : Dataset, (X, y) or (X, y, sample_weight)
        Or anything with `X` (m, dx) float64 in C order, `y` (m,) and `sample_weight`, None or (m,).
    activation : PiecewiseLinear, Smooth, str or torch.nn module
        The activation h, or its name. tanh, sigmoid, GELU and others of exp, tanh, erf and log1p are compiled
        (`fastminima.kernels._smooth`); what is not, and functions of your own, go through NumPy, block by block.
    dtype : {"float64", "float32"}, optional
        Arithmetic of the outputs. "float32" rounds parameters and data to float32, computes outputs and
        residuals there (about 1e-6 relative, overflow at 1e38) and sums in float64. By default float32 when
        all four parameter arrays are float32, else float64.
    workers : int, default 1
        Threads; -1 for all usable cores. The result does not depend on it, to the last bit.
    feature_names : sequence of str, optional
        What the dx inputs are called; they are matched by name with the columns of data that have names.

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
    DataError
        If `feature_names` are not the names of the data's columns.
    TargetError
        If the data have several targets.
    TooLargeError
        If the work space cannot fit into this machine's memory. It is a few blocks of the samples and of the
        parameters, never m x K.

    Notes
    -----
    Yun, Sra and Jadbabaie (2019), section 2: the empirical risk. The result for one network does not depend
    on the networks beside it. Machines with different instruction sets may differ in the last bits.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> W1, b1 = np.array([[[1.0], [-1.0]], [[0.0], [0.0]]]), np.zeros((2, 2))
    >>> W2, b2 = np.ones((2, 2)), np.zeros(2)
    >>> fm.batched_risk(W1, b1, W2, b2, ([[-2.0], [3.0]], [2.0, 3.0]), "relu").tolist()  # |x|, and 0
    [0.0, 6.5]
    """
    samples: Samples = as_dataset(data, "batched_risk") if isinstance(data, tuple) else data
    check_one_target(samples, "batched_risk")
    networks = StackedNetworks(W1, b1, W2, b2)  # type: ignore[arg-type]
    _, _, dx = networks.shape
    features = samples.X.shape[1]
    if features != dx:
        raise NetworkError(f"W1 has shape (K, d1, dx) with dx = {dx}, but the data have {features} features")
    networks = _in_order(networks, feature_names, samples)
    arithmetic = _arithmetic(dtype, networks)
    threads = count_workers(workers)
    h = as_activation(activation)
    compiled = h if isinstance(h, PiecewiseLinear) else compiled_curve(h)
    if compiled is not None:
        layout = _lay_out(networks, len(samples.X), arithmetic, threads, compiled)
        with np.errstate(over="ignore", invalid="ignore"):
            risks = _on_threads(_KernelSums(networks, samples, compiled, layout))
            risks *= 0.5
    elif isinstance(h, Smooth):
        # a bounded activation hides parameters that are not finite
        networks.check_finite()
        with np.errstate(all="ignore"):
            risks = smooth_risks(networks, samples, h, arithmetic, threads)
    else:
        raise ActivationError(
            f"activation must be a name, PiecewiseLinear or Smooth, got {type(h).__name__}; wrap a function with "
            "Smooth(value, first, second)"
        )
    risks[np.isnan(risks)] = np.inf
    return risks


def _in_order(networks: StackedNetworks, names: Sequence[str] | None, samples: Samples) -> StackedNetworks:
    """The networks with their inputs in the order of the data's columns, by name."""
    if names is None:
        return networks
    columns = getattr(samples, "feature_names", None)
    order = input_order(check_names(names, networks.shape[2], "feature_names"), columns)
    return networks if order is None else replace(networks, W1=networks.W1[:, :, order])


@dataclass(frozen=True)
class _Layout:
    """How the work is cut; but for `segments`, which is the same for all, no bit of a risk depends on it.

    Attributes
    ----------
    arithmetic : dtype
    segments : list of slice
        Cuts of the samples; a risk is the sum of theirs, in order.
    chunk : int
        Networks in one call of the kernel.
    threads : int
    by_samples : bool
        Few networks: each thread packs its own samples. Many: each packs all of them, for its own networks.
    workspace_items : int
        Numbers in the work space of one thread.
    """

    arithmetic: np.dtype[Any]
    segments: list[slice]
    chunk: int
    threads: int
    by_samples: bool
    workspace_items: int


def _lay_out(
    networks: StackedNetworks, m: int, arithmetic: np.dtype[Any], threads: int, h: PiecewiseLinear | Curve
) -> _Layout:
    """Cuts for these networks on m samples; TooLargeError where their work space cannot fit into memory."""
    K, d1, dx = networks.shape
    panel, group = _forward.layout(_VARIANT, arithmetic.itemsize)
    segments = _segments(m, panel, group)
    tuple_bytes = arithmetic.itemsize * (d1 * (dx + 2) + 1)
    chunk = max(1, _CHUNK_BYTES // tuple_bytes)
    copied = any(
        a.dtype != arithmetic or not (a.flags.c_contiguous and a.flags.aligned) for a in networks.arrays()
    )
    flops = max(1.0, m * d1 * (2.0 * (dx + 2) + (_CURVE_FLOPS if isinstance(h, Curve) else 0)))
    if not copied:
        # wide networks: at least so many units that packing the samples does not show
        chunk = max(chunk, int(_CALL_FLOPS / flops), _MANY_UNITS // d1)
    if K * flops < _MIN_FLOPS:
        threads = 1
    by_samples = 1 < threads <= len(segments) and K * d1 < _MANY_UNITS * threads
    if threads > 1 and not by_samples:
        chunk = min(chunk, max(-(-_MIN_UNITS // d1), -(-K // (4 * threads))))
    items = _forward.workspace_items(_VARIANT, arithmetic.itemsize, d1, dx)
    held = (K if by_samples else chunk * threads) * tuple_bytes if copied else 0
    parts_bytes = 8 * K * (len(segments) if by_samples else 2)
    require_memory(
        threads * items * arithmetic.itemsize + held + parts_bytes, f"the risk of networks of width {d1}"
    )
    return _Layout(arithmetic, segments, chunk, threads, by_samples, items)


def _kernels(h: PiecewiseLinear | Curve) -> tuple[Any, tuple[Any, Any]]:
    """The module of kernels for h, and what they take for it."""
    return (_smooth, (h.number, h.shape)) if isinstance(h, Curve) else (_forward, (h.s_plus, h.s_minus))


class _KernelSums:
    """The kernel's sums over the samples, for networks on data; any thread may call it."""

    def __init__(
        self, networks: StackedNetworks, data: Samples, h: PiecewiseLinear | Curve, layout: _Layout
    ) -> None:
        self.networks, self.data, self.layout = networks, data, layout
        self.weight = np.empty(0) if data.sample_weight is None else data.sample_weight
        self.curved = isinstance(h, Curve)
        module, self.h = _kernels(h)
        single = layout.arithmetic == np.float32
        self.kernel: Callable[..., None] = module.sums_f32 if single else module.sums_f64
        # handed on from chunk to chunk: fresh pages cost more than packing a small dataset
        self.spare: list[NDArray[np.generic]] = []

    def add(self, block: Block, cut: slice, workspace: NDArray[np.generic], out: F64) -> None:
        """Fill `out` with the sums of a block of networks over the samples of one cut."""
        self.kernel(
            *block, self.data.X[cut], self.data.y[cut], self.weight[cut], *self.h, _VARIANT, workspace, out,
        )  # fmt: skip

    def of_networks(self, start: int) -> F64:
        """Sums over all samples of the chunk of networks that begins at `start`."""
        layout = self.layout
        block = self.networks.block(slice(start, start + layout.chunk), layout.arithmetic)
        try:
            workspace = self.spare.pop()
        except IndexError:
            workspace = np.empty(layout.workspace_items, layout.arithmetic)
        part = np.empty(len(block[0]))
        total = np.zeros(len(part))
        with np.errstate(over="ignore", invalid="ignore"):  # a thread does not inherit its caller's
            for cut in layout.segments:
                self.add(block, cut, workspace, part)
                total += part
        self.spare.append(workspace)
        return self.checked(total, start)

    def by_samples(self, pool: ThreadPoolExecutor) -> F64:
        """Sums of all networks over all samples, whose segments the threads of the pool share."""
        layout = self.layout
        K = self.networks.shape[0]
        block = self.networks.block(slice(0, K), layout.arithmetic)
        parts = np.empty((len(layout.segments), K))

        def of_samples(worker: int) -> None:
            workspace = np.empty(layout.workspace_items, layout.arithmetic)
            for index in range(worker, len(layout.segments), layout.threads):
                self.add(block, layout.segments[index], workspace, parts[index])

        list(pool.map(of_samples, range(layout.threads)))
        # the same additions in the same order as in of_networks
        total = np.zeros(K)
        for part in parts:
            total += part
        return self.checked(total, 0)

    def checked(self, total: F64, start: int) -> F64:
        """The sums of the networks from `start` on, whose parameters are finite; NetworkError where one is not.

        A parameter that is inf or nan makes its preactivation, output and risk inf or nan, even times 0, where h is
        piecewise linear: a finite risk then proves its parameters finite, and they need not be read once more. A
        curve may be bounded.
        """
        if self.curved or not np.isfinite(total).all():
            self.networks.check_finite(slice(start, start + len(total)))
        return total


def _on_threads(sums: _KernelSums) -> F64:
    """Sums over all samples of all networks, (K,)."""
    layout, K = sums.layout, sums.networks.shape[0]
    starts = range(0, K, layout.chunk)
    if K == 0:
        return np.empty(0)
    if layout.threads == 1:
        return np.concatenate([sums.of_networks(start) for start in starts])
    with ThreadPoolExecutor(layout.threads) as pool:
        if layout.by_samples:
            return sums.by_samples(pool)
        return np.concatenate(list(pool.map(sums.of_networks, starts)))


def predict(
    W1: ArrayLike, b1: ArrayLike, W2: ArrayLike, b2: float, X: F64, activation: PiecewiseLinear | Curve
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
    activation : PiecewiseLinear or Curve
        The activation h, compiled.

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
    first, bias, second, shift = arrays = (
        real_array(W1, "W1"), real_array(b1, "b1"), real_array(W2, "W2"), real_array(b2, "b2"),
    )  # fmt: skip
    if first.ndim != 2 or first.shape[0] < 1:
        raise NetworkError(f"W1 must have shape (d1, dx) with d1 >= 1, got {first.shape}")
    d1, dx = first.shape
    check_shape(bias, "b1", "(d1,)", (d1,))
    check_shape(second, "W2", "(d1,)", (d1,))
    check_shape(shift, "b2", "()", ())
    if X.ndim != 2 or X.shape[1] != dx:
        raise NetworkError(f"X must have shape (m, dx) = (m, {dx}) to fit W1, got {X.shape}")
    m = len(X)
    items = _forward.workspace_items(_VARIANT, 8, d1, dx)
    require_memory(8 * (items + d1 * (dx + 2) + m) + _CHUNK_BYTES, f"the outputs of a network of width {d1}")
    for array, name in zip(arrays, ("W1", "b1", "W2", "b2"), strict=True):
        check_finite(np.atleast_1d(array), name)
    rows1, bias1, row2 = (np.require(array, np.float64, ["C", "ALIGNED"]) for array in arrays[:3])
    workspace, out = np.empty(items), np.empty(m)
    module, h = _kernels(activation)
    # whole panels, so that a cut moves no sample to another lane
    panel, group = _forward.layout(_VARIANT, 8)
    step = panel * group * max(1, _CHUNK_BYTES // (8 * panel * group * max(1, dx)))
    if X.dtype == np.float64 and X.flags.c_contiguous:
        step = max(1, m)
    for start in range(0, m, step):
        rows = np.require(X[start : start + step], np.float64, ["C", "ALIGNED"])
        module.outputs_f64(
            rows1, bias1, row2, float(shift), rows, *h, _VARIANT, workspace, out[start : start + step]
        )
    return out
