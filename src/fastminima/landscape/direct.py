"""Excess risks of perturbed parameters by evaluating every sample, without cancellation.

With theta + delta in place of theta, c_j = v_j dw_j + dv_j w_j + dv_j dw_j (hidden row and bias together) and
D_i = sum_j s_ij <c_j, x_i> + db2, plus Delta_i where samples change sides:

    excess = <g, c> + sum_i w_i e_i Delta_i + 1/2 sum_i w_i (D_i + Delta_i)^2

g = sum_i w_i e_i phi_i is known once, in double-double; nothing here is a difference of two outputs. The
linear term is O(P) and is added up here; the sums over the samples are the kernel's.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..exact.dyadic import round_fraction
from ..kernels import _perturb
from .base_point import BasePoint

__all__ = ["Direct", "Stopped"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# A kernel call sees about this many samples, in whole groups of panels: long against packing and the call, short
# against a second, so that a run can be stopped between calls. The cut is part of the order of summation, which
# must depend on nothing that a caller can vary.
_SEGMENT = 6_144
_NO_WEIGHT, _NO_Z = np.empty(0), np.empty((0, 0))


class Stopped(Exception):
    """The caller asked for an end; there is no result."""


class _Linear:
    """<g, c> for blocks of perturbations.

    With g_j the part of unit j: <g, c> = sum_j (v_j + dv_j) <g_j, dw_j> + dv_j <g_j, w_j> + g_b2 db2. The numbers
    <g_j, w_j> are sums of large terms at a minimum, so they are taken once from both words of g, exactly; of the
    rest the low word is below the rounding. The error is a few 2^-53 of the terms, which is more than that of the sum
    where the perturbation is almost orthogonal to g. Sums run over halves, element by element in the block: the result for
    one perturbation does not depend on the others, which no call that reduces an axis promises.
    """

    def __init__(self, base: BasePoint) -> None:
        network = base.network
        d1, dx = network.W1.shape
        self.rows, self.bias, self.W2 = d1 * dx, d1 * (dx + 1), network.W2
        g = base.gradient[0, :-1].reshape(d1, dx + 1)
        low = base.gradient[1, :-1].reshape(d1, dx + 1)
        self.inputs, self.one = np.ascontiguousarray(g[:, :dx].T), g[:, dx]
        self.last = float(base.gradient[0, -1])
        self.units = np.full(d1, np.nan)
        if np.isfinite(base.gradient).all():
            exact = [
                sum(
                    (
                        (Fraction(h) + Fraction(v)) * Fraction(w)
                        for h, v, w in zip(g[j].tolist(), low[j].tolist(), [*row, b], strict=True)
                    ),
                    Fraction(0),
                )
                for j, (row, b) in enumerate(zip(network.W1.tolist(), network.b1.tolist(), strict=True))
            ]
            self.units = np.array([round_fraction(v) for v in exact])

    def __call__(self, delta: F64) -> F64:
        K, (dx, d1) = len(delta), self.inputs.shape
        # one contiguous row of K numbers for every entry: the additions below run along it
        dw = delta[:, : self.rows].reshape(K, d1, dx).transpose(1, 2, 0)
        db, dv = delta[:, self.rows : self.bias].T, delta[:, self.bias : self.bias + d1].T
        terms = np.empty((dx + 1, d1, K))
        np.multiply(dw.swapaxes(0, 1), self.inputs[:, :, None], out=terms[:dx])
        np.multiply(db, self.one[:, None], out=terms[dx])
        dots = _halves(terms)
        dots *= self.W2[:, None] + dv
        dots += self.units[:, None] * dv
        result: F64 = _halves(dots) + self.last * delta[:, -1]
        return result


def _halves(terms: F64) -> F64:
    """Sum over the first axis, which is overwritten, in an order that depends on its length alone."""
    count = len(terms)
    while count > 1:
        half = count // 2
        terms[:half] += terms[count - half : count]
        count -= half
    return terms[0]


class Direct:
    """Evaluate blocks of perturbations of one base point; safe to call from several threads.

    Parameters
    ----------
    base : BasePoint
    dtype : {"float64", "float32"}
        Arithmetic of preactivations and output changes; sums over samples and <g, c> are float64 in any case.
    """

    def __init__(self, base: BasePoint, dtype: str = "float64") -> None:
        if dtype not in ("float64", "float32"):
            raise OptionError(f'dtype must be "float64" or "float32", got {dtype!r}')
        self.base = base
        self._linear = _Linear(base)
        self._kind = np.dtype(dtype)
        self._kernel: Callable[..., None] = _perturb.excess_f32 if dtype == "float32" else _perturb.excess_f64
        d1, dx = base.network.W1.shape
        panel, group = _perturb.layout(_perturb.BEST_VARIANT, self._kind.itemsize, d1, dx)
        self._step = panel * group * -(-_SEGMENT // (panel * group))
        self._items = _perturb.workspace_items(_perturb.BEST_VARIANT, self._kind.itemsize, d1, dx)
        # handed on from call to call: fresh pages cost more than packing a small dataset
        self._spare: list[NDArray[np.generic]] = []

    def excess(self, delta: F64, stop: Callable[[], bool] | None = None) -> tuple[F64, I64]:
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
        K = len(delta)
        quadratic, change, changed = np.zeros(K), np.zeros(K), np.zeros(K, np.int64)
        try:
            workspace = self._spare.pop()
        except IndexError:
            workspace = np.empty(self._items, self._kind)
        with np.errstate(all="ignore"):
            for start in range(0, self.base.data.n_samples, self._step):
                if stop is not None and stop():
                    raise Stopped
                self._add(slice(start, start + self._step), delta, workspace, quadratic, change, changed)
            result = self._linear(delta)
            result += quadratic + change
        self._spare.append(workspace)
        return result, changed

    def _add(self, cut: slice, delta: F64, workspace: NDArray[np.generic], *out: NDArray[Any]) -> None:
        network, data = self.base.network, self.base.data
        weight = _NO_WEIGHT if data.sample_weight is None else data.sample_weight[cut]
        self._kernel(
            network.W1, network.b1, network.W2, data.X[cut], _NO_Z, self.base.residual[cut], weight,
            *network.slopes, delta, _perturb.BEST_VARIANT, workspace, *out,
        )  # fmt: skip
