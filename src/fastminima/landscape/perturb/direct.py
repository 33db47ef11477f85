"""Excess risks of perturbed parameters by evaluating every sample, without cancellation.

With theta + delta in place of theta, c_j = v_j dw_j + dv_j w_j + dv_j dw_j (hidden row and bias together) and
D_i = sum_j s_ij <c_j, x_i> + db2, plus Delta_i where samples change sides:

    excess = <g, c> + sum_i w_i e_i Delta_i + 1/2 sum_i w_i (D_i + Delta_i)^2

g = sum_i w_i e_i phi_i is known once, in double-double; nothing here is a difference of two outputs. The
linear term, O(P) a perturbation, is the one that screening uses, in double-double too: right to the last bits
also where a perturbation is almost orthogonal to g. The sums over the samples are the other kernel's. With those in
float32 the linear term is in float64, far within their error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OptionError
from fastminima.kernels import _perturb, _screen
from fastminima.system.options import spelled

from . import cancelling
from .base_point import BasePoint
from .stopping import Stop, Stopped

__all__ = ["Direct"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# A kernel call sees about this many samples, in whole groups of panels: long against packing and the call, short
# against a second, so that a run can be stopped between calls. The cut is part of the order of summation, which
# must depend on nothing that a caller can vary.
_SEGMENT = 6_144
_NO_WEIGHT = np.empty(0)
# Parts of an output's change that cancel leave their rounding, in an excess at most about 2^-54 of their size (their
# errors differ from sample to sample). Where that is more than this share of its terms the sums are made again with those
# parts in double-double: one random perturbation in ten thousand. Not where many samples change sides: what cancels then
# are D and Delta. A choice between two ways; see `cancelling`.
_CANCELLED = 2.0**-40


class Direct:
    """Evaluate blocks of perturbations of one base point; safe to call from several threads.

    Parameters
    ----------
    base : BasePoint
    dtype : {"float64", "float32"}
        Arithmetic of preactivations and output changes. Sums over samples are float64 in any case; <g, c> is
        double-double or float64.
    """

    def __init__(self, base: BasePoint, dtype: str = "float64") -> None:
        if dtype not in ("float64", "float32"):
            raise OptionError(f'dtype must be "float64" or "float32", got {spelled(dtype)}')
        self.base = base
        self._kind = np.dtype(dtype)
        self._kernel: Callable[..., None] = _perturb.excess_f32 if dtype == "float32" else _perturb.excess_f64
        d1, dx = base.network.W1.shape
        panel, group = _perturb.layout(_perturb.BEST_VARIANT, self._kind.itemsize, d1, dx)
        self._kept = base.data.n_samples <= panel * group
        self._step = panel * group * -(-_SEGMENT // (panel * group))
        self._items = _perturb.workspace_items(_perturb.BEST_VARIANT, self._kind.itemsize, d1, dx)
        self._linear_items = _screen.linear_items(d1, dx)
        weight = base.data.sample_weight
        self._mass = float(base.data.n_samples if weight is None else np.sum(weight))
        # handed on from call to call, with the samples in it if they are few: fresh pages cost more than packing those
        self._spare: list[tuple[NDArray[np.generic], F64]] = []

    def excess(self, delta: F64, stop: Stop | None = None) -> tuple[F64, I64]:
        """Excess risks and the number of (sample, unit) pairs that change sign.

        Parameters
        ----------
        delta : ndarray of shape (K, P)
            W1 row-major, b1, W2, b2 of each perturbation.
        stop : callable, optional
            Asked between kernel calls; True raises `Stopped`.

        Returns
        -------
        excess : ndarray of shape (K,)
            Not finite where a number on the way overflows.
        n_changed : ndarray of int64, shape (K,)
        """
        K, base = len(delta), self.base
        quadratic, change, changed = np.zeros(K), np.zeros(K), np.zeros(K, np.int64)
        packed = self._kept
        try:
            workspace, scratch = self._spare.pop()
        except IndexError:
            packed = False
            workspace, scratch = np.empty(self._items, self._kind), np.empty(self._linear_items)
        high, low = linear = np.empty((2, K))
        bias, size = np.empty((K, base.network.width)), np.empty(K)
        with np.errstate(all="ignore"):
            _screen.linear_term(
                base.gradient, base.own, base.network.W2, base.centre, base.centred_bias, base.steep, delta,
                self._kind.itemsize == 8, _screen.BEST_VARIANT, scratch, linear, bias, size,
            )  # fmt: skip
            for start in range(0, base.data.n_samples, self._step):
                if stop is not None and stop():
                    raise Stopped
                cut = slice(start, start + self._step)
                self._add(cut, delta, bias, packed, workspace, quadratic, change, changed)
            if self._kind.itemsize == 8:
                lost = 2.0**-54 * size * np.sqrt(2.0 * self._mass * quadratic)
                again = np.flatnonzero(
                    (lost > _CANCELLED * (quadratic + np.abs(high + (low + change))))
                    & (changed <= base.data.n_samples // 4)
                )
                if again.size:
                    quadratic[again], change[again], changed[again] = cancelling.sums(
                        base, delta[again], stop
                    )
            result = high + (low + (quadratic + change))
        # without perturbations nothing was packed
        if K:
            self._spare.append((workspace, scratch))
        return result, changed

    def _add(
        self,
        cut: slice,
        delta: F64,
        bias: F64,
        packed: bool,
        workspace: NDArray[np.generic],
        *out: NDArray[Any],
    ) -> None:
        network, data = self.base.network, self.base.data
        weight = _NO_WEIGHT if data.sample_weight is None else data.sample_weight[cut]
        self._kernel(
            network.W1, network.b1, network.W2, data.X[cut], self.base.centre, self.base.centred_bias[0],
            self.base.residual[cut], weight, *network.slopes, delta, bias, _perturb.BEST_VARIANT, packed,
            workspace, *out,
        )  # fmt: skip
