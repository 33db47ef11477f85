"""Excess risks of perturbed parameters for activations that are not made of lines: float64 estimates, every sample.

With z and z' = z + dz the preactivations before and after, a = h(z) and D_i the change of the output of sample i,

    D_i = db2 + sum_j [(v_j + dv_j) (h(z'_ij) - a_ij) + dv_j a_ij],      excess = sum_i w_i D_i (e_i + D_i / 2),

so nothing is a difference of two risks. What cancels is h(z') - h(z). Where |dz| <= 2^-6 and no point at which pieces of h
meet lies between, it is taken as the integral of h', by Gauss's three points: its error, dz^7 h^(7) / 2,016,000, is below
2^-56 dz max|h^(7)|, and nothing cancels. Elsewhere it is the difference of the two values.

No bound on the rounding of NumPy's tanh or SciPy's erf is proved, so these numbers are estimates and are called that. With
each comes a generous estimate of its own rounding (the formula is at `_doubt`); a sign within it is not counted, but
left to balls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import NetworkError
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.roundoff import U
from fastminima.networks.activations.formula_shape import pieces
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .stopping import Stop, Stopped

__all__ = ["SmoothDirect"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

# numbers of the hidden layers of some perturbations held at a time: 256 KiB
_HIDDEN = 1 << 15
# where the integral of h' takes the place of a difference
_SMALL = 2.0**-6
_NODES = (0.5 - math.sqrt(0.15), 0.5, 0.5 + math.sqrt(0.15))
_WEIGHTS = (5 / 18, 8 / 18, 5 / 18)
# roundings allowed for a value of h or h', and for what is summed from them; generous, and an estimate
_ROUNDINGS = 64


@dataclass(frozen=True, eq=False, repr=False)
class _Rows:
    """Some samples: inputs, weights, e and the scale of its rounding, z, a = h(z)."""

    X: F64
    weight: F64
    e: F64
    e_scale: F64
    z: F64
    a: F64


class SmoothDirect:
    """Estimate excess risks of blocks of perturbations of one network; safe to call from several threads.

    Parameters
    ----------
    network : OneHiddenLayer
        With any activation; one that knows its derivative (`Smooth`) loses no digits at small radii.
    data : Dataset
        Its float64 values are the data.

    Raises
    ------
    NetworkError
        If the outputs of the network itself overflow.
    """

    def __init__(self, network: OneHiddenLayer, data: Dataset) -> None:
        h: Any = network.activation
        self._network, self._h = network, h
        found = None if getattr(h, "formula", None) is None else pieces(h.formula)
        # without knowing where pieces meet, no integral may cross
        self._breaks = None if found is None else [round_fraction(point) for point in found[0]]
        self._slope = getattr(h, "first", None) if self._breaks is not None else None
        step = max(1, _HIDDEN // network.width)
        self._blocks = [self._rows(data, slice(k, k + step)) for k in range(0, data.n_samples, step)]
        if not all(np.isfinite(block.e).all() for block in self._blocks):
            raise NetworkError(
                "the outputs of the network overflow on these data, so it has no risk to compare with"
            )

    def _rows(self, data: Dataset, cut: slice) -> _Rows:
        network, X, y = self._network, data.X[cut], data.y[cut]
        with np.errstate(all="ignore"):
            z = X @ network.W1.T + network.b1
            a = np.asarray(self._h(z), dtype=np.float64)
            e = a @ network.W2 + network.b2 - y
            scale = np.abs(a) @ np.abs(network.W2) + abs(network.b2) + np.abs(y)
        weight = np.ones(len(X)) if data.sample_weight is None else data.sample_weight[cut]
        return _Rows(X, weight, e, scale, z, a)

    def excess(self, delta: F64, stop: Stop | None = None) -> tuple[F64, I64, Bools]:
        """Excess risks, the (sample, unit) pairs that change pieces of h, and which excesses have no sign.

        Parameters
        ----------
        delta : ndarray of shape (K, P)
            W1 row-major, b1, W2, b2 of each perturbation.
        stop : callable, optional
            Asked between blocks; True raises `Stopped`.

        Returns
        -------
        excess : ndarray of shape (K,)
            Not finite where a number on the way overflows.
        n_changed : ndarray of int64, shape (K,)
        near : ndarray of bool, shape (K,)
            Whether 0 lies within the estimated rounding.
        """
        K = len(delta)
        excess, doubt, changed = np.zeros(K), np.zeros(K), np.zeros(K, np.int64)
        with np.errstate(all="ignore"):
            for block in self._blocks:
                step = max(1, _HIDDEN // block.z.size)
                for k in range(0, K, step):
                    if stop is not None and stop():
                        raise Stopped
                    some = slice(k, k + step)
                    self._add(block, delta[some], excess[some], doubt[some], changed[some])
        return excess, changed, np.abs(excess) <= doubt

    def _add(self, block: _Rows, delta: F64, excess: F64, doubt: F64, changed: I64) -> None:
        d1, dx = self._network.W1.shape
        first, bias = delta[:, : d1 * dx].reshape(-1, d1, dx), delta[:, d1 * dx : d1 * (dx + 1)]
        move, shift = delta[:, d1 * (dx + 1) : -1], delta[:, -1]
        # a product for each perturbation: none depends on how many there are
        dz = np.matmul(block.X, first.transpose(0, 2, 1))
        dz += bias[:, None, :]
        dh, lost, crossed = self._difference(block, dz)
        weight = self._network.W2 + move
        D = np.matmul(dh, weight[:, :, None])[:, :, 0]
        D += np.matmul(block.a, move[:, :, None])[:, :, 0]
        D += shift[:, None]
        w, e = block.weight, block.e
        excess += (w * D * (e + 0.5 * D)).sum(axis=1)
        changed += crossed
        doubt += _doubt(block, D, np.abs(dh) + lost, (np.abs(weight), np.abs(move), np.abs(shift)))

    def _difference(self, block: _Rows, dz: F64) -> tuple[F64, F64, I64]:
        """h(z + dz) - h(z), the size of what cancels in it, and how many pairs change pieces."""
        z, after = block.z, block.z + dz
        crossed = np.zeros(dz.shape, dtype=bool)
        for point in self._breaks or ():
            crossed |= (z - point > 0.0) != (after - point > 0.0)
        changed = crossed.sum(axis=(1, 2))
        small = np.abs(dz) <= _SMALL
        if self._breaks:
            # the whole way, and its rounding, on one side
            for point in self._breaks:
                small &= np.abs(z - point) > 2.0 * np.abs(dz)
        if self._slope is None or not small.any():
            value = np.asarray(self._h(after), dtype=np.float64)
            return value - block.a, np.abs(value) + np.abs(block.a), changed
        if small.all():
            return self._integral(np.broadcast_to(z, dz.shape), dz), np.zeros(dz.shape), changed
        value = np.asarray(self._h(after), dtype=np.float64)
        dh, lost = value - block.a, np.abs(value) + np.abs(block.a)
        dh[small] = self._integral(np.broadcast_to(z, dz.shape)[small], dz[small])
        lost[small] = 0.0
        return dh, lost, changed

    def _integral(self, z: F64, dz: F64) -> F64:
        """The integral of h' from z to z + dz."""
        assert self._slope is not None
        mean = sum(c * np.asarray(self._slope(z + t * dz)) for c, t in zip(_WEIGHTS, _NODES, strict=True))
        return np.asarray(mean * dz)


def _doubt(block: _Rows, D: F64, dh: F64, sizes: tuple[F64, F64, F64]) -> F64:
    """About how wrong the excesses of a block are: (K,).

    D_i is wrong by some roundings of the sum S_i of the sizes of its terms and of the values that cancel in them, e_i by
    some of |v| |a| + |b2| + |y|, and the excess by |w| ((|e| + |D|) of the one + |D| of the other).
    """
    weight, move, shift = sizes
    S = np.matmul(dh, weight[:, :, None])[:, :, 0] + np.matmul(np.abs(block.a), move[:, :, None])[:, :, 0]
    S += shift[:, None]
    size = np.abs(D)
    terms = block.weight * ((np.abs(block.e) + size) * S + size * block.e_scale)
    return np.asarray(_ROUNDINGS * U * terms.sum(axis=1))
