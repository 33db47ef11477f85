"""Risks of many networks with a smooth activation that is not compiled: NumPy's functions and BLAS, on blocks that stay in
the cache.

The activation takes nearly all the time, so what counts is that the hidden layer never leaves the cache: X is cut
into blocks of rows and the networks into blocks, each product of a block is one BLAS call per network, and everything
after it works in place. Cuts and products depend on shapes only, so a network's risk does not depend on the
networks beside it or on the number of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.networks.activations.activation_protocol import Activation
from fastminima.system.threads import single_threaded_blas

from .stacked_networks import Samples, StackedNetworks

__all__ = ["smooth_risks"]

F64 = NDArray[np.float64]
# numbers of the hidden layer held at a time: 256 KiB of float64, a quarter of a usual second-level cache
_HIDDEN = 1 << 15


def smooth_risks(
    networks: StackedNetworks, data: Samples, activation: Activation, dtype: np.dtype[Any], threads: int
) -> F64:
    """1/2 sum_i w_i (f_k(x_i) - y_i)^2 for K networks, shape (K,); nan or inf where a number overflows.

    Parameters
    ----------
    networks : StackedNetworks
    data : Dataset
    activation : Activation
    dtype : float64 or float32
        Of outputs and residuals; sums are float64.
    threads : int
    """
    K, d1, _ = networks.shape
    X, y = (np.asarray(part, dtype=dtype) for part in (data.X, data.y))
    weight = data.sample_weight
    rows = max(1, min(len(X), _HIDDEN // d1))
    step = max(1, _HIDDEN // (rows * d1))
    risks = np.zeros(K)

    def block(start: int) -> None:
        some = slice(start, start + step)
        first, bias, second, shift = (np.asarray(a[some], dtype=dtype) for a in networks.arrays())
        first, bias, second = first.transpose(0, 2, 1), bias[:, None, :], second[:, :, None]
        total = np.zeros(len(shift))
        # a thread does not inherit its caller's
        with np.errstate(all="ignore"):
            for low in range(0, len(X), rows):
                part = slice(low, low + rows)
                z = np.matmul(X[part], first)
                z += bias
                e = np.matmul(activation(z), second)[:, :, 0]
                e += shift[:, None]
                e -= y[part]
                squares = np.square(e, dtype=np.float64)
                if weight is not None:
                    squares *= weight[part]
                total += squares.sum(axis=1)
        risks[some] = total

    starts = range(0, K, step)
    with single_threaded_blas():
        if threads == 1 or len(starts) == 1:
            for start in starts:
                block(start)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(block, starts))
    risks *= 0.5
    return risks
