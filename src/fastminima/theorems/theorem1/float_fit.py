"""Minimisers over Z = F theta of squared, Huber, logistic and softmax loss, in floats: they propose, nothing here decides.

F is brought to orthonormal columns first (dependent ones are left out), where Newton's steps are well conditioned. Huber
loss takes a reweighted step before each of Newton's, which alone may cycle; softmax keeps its last output at 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.losses.pointwise import Huber, Logistic, Squared
from fastminima.losses.row_sum import RowSum

__all__ = ["fitted", "orthonormal", "softmax_fit"]

Floats = NDArray[np.float64]

# where classes are separated the minimum is at infinity: a step goes e-fold nearer
_STEPS = 40
_HALVINGS = 30
# a gradient of such a share of all weights is left where Newton's steps got stuck; then each moves outputs by so much
_STUCK, _CAUTIOUS = 1e-6, 4.0
# columns whose share beside the others is smaller are left out
_DEPENDENT = 1e-12


def orthonormal(F: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """(B, C) with B = F C, columns of B orthonormal in the weighted product and spanning those of F."""
    scale = np.abs(F).max(axis=0, initial=0.0)
    scale = np.where(scale > 0.0, scale, 1.0)
    root = np.sqrt(weight / weight.sum())[:, None]
    _, S, V = np.linalg.svd(root * (F / scale), full_matrices=False)
    keep = _DEPENDENT * S.max(initial=0.0) < S
    C = V[keep].T / S[keep] / scale[:, None]
    return F @ C, C


def fitted(loss: RowSum, F: Floats) -> Floats:
    """theta, (columns of F, outputs)."""
    weight = np.ones(len(F)) if loss.data.sample_weight is None else loss.data.sample_weight
    if isinstance(loss.phi, Squared):
        root = np.sqrt(weight)[:, None]
        return np.asarray(np.linalg.lstsq(F * root, loss.floats * root, rcond=1e-13)[0])
    B, C = orthonormal(F, weight)
    T = loss.targets.rounded()
    if isinstance(loss.phi, Huber):
        columns = [_huber_fit(B, T[:, k], weight, loss.phi.delta) for k in range(T.shape[1])]
        return np.asarray(C @ np.column_stack(columns))
    if isinstance(loss.phi, Logistic):
        columns = [softmax_fit(B, np.column_stack([t, 1.0 - t]), weight)[0][:, 0] for t in T.T]
        return np.asarray(C @ np.column_stack(columns))
    return np.asarray(C @ softmax_fit(B, T, weight)[0])


def _huber_fit(B: Floats, y: Floats, weight: Floats, delta: float) -> Floats:
    root = np.sqrt(weight)
    eta = np.asarray(np.linalg.lstsq(B * root[:, None], y * root, rcond=None)[0])
    most = float(np.abs(B @ eta - y).max(initial=0.0))
    while most > 4.0 * delta:
        # a small delta is approached from larger ones: far from its minimum few residuals lie within it
        most *= 0.25
        eta = _huber_steps(B, y, weight, most, eta, 8)
    return _huber_steps(B, y, weight, delta, eta, 4 * _STEPS)


def _huber_steps(B: Floats, y: Floats, weight: Floats, delta: float, eta: Floats, steps: int) -> Floats:
    """Reweighted and Newton's steps and one between them in turn, as long as the loss falls."""

    def value(at: Floats) -> float:
        size = np.abs(B @ at - y)
        inner = np.minimum(size, delta)
        return float(weight @ (inner * (size - 0.5 * inner)))

    best = value(eta)
    for _ in range(steps):
        before = best
        for outer in (1.0, 1e-3, 0.0):
            r = B @ eta - y
            size = np.abs(r)
            share = np.where(size <= delta, 1.0, outer * delta / np.maximum(size, delta))
            gradient = B.T @ (weight * np.clip(r, -delta, delta))
            H = B.T @ ((weight * share)[:, None] * B)
            step = np.linalg.lstsq(H, -gradient, rcond=1e-13)[0]
            for t in 0.5 ** np.arange(_HALVINGS):
                tried = value(eta + t * step)
                if tried < best:
                    eta, best = eta + t * step, tried
                    break
        if not best < before:
            break
    return eta


def softmax_fit(
    B: Floats, T: Floats, weight: Floats, allowed: NDArray[np.bool_] | None = None, steps: int = _STEPS
) -> tuple[Floats, Floats]:
    """(eta, p): Z = B eta with last column 0, (r, K), and probabilities (m, K) there, 0 for classes that are not allowed."""
    eta, p = _softmax_steps(B, T, weight, allowed, (steps, np.inf))
    left = np.abs(B.T @ (weight[:, None] * (p - T))).max(initial=0.0)
    if left > _STUCK * float(weight.sum()):
        # a step went too far, to where some row has no curvature left that a float can hold
        return _softmax_steps(B, T, weight, allowed, (4 * steps, _CAUTIOUS))
    return eta, p


def _softmax_steps(
    B: Floats, T: Floats, weight: Floats, allowed: NDArray[np.bool_] | None, limits: tuple[int, float]
) -> tuple[Floats, Floats]:
    """Newton's steps from 0; `limits`: how many, and how far each may move an output."""
    r, K = B.shape[1], T.shape[1]
    steps, farthest = limits
    eta = np.zeros((r, K))
    barred = np.zeros(T.shape) if allowed is None else np.where(allowed, 0.0, -np.inf)

    def at(point: Floats) -> tuple[float, Floats]:
        Z = B @ point
        shifted = Z + barred
        shifted -= shifted.max(axis=1, keepdims=True)
        e = np.exp(shifted)
        mass = e.sum(axis=1)
        linear = np.where(T > 0.0, T * np.where(np.isfinite(shifted), shifted, 0.0), 0.0).sum(axis=1)
        return float(weight @ (np.log(mass) - linear)), e / mass[:, None]

    best, p = at(eta)
    if K < 2 or not r:
        return eta, p
    for _ in range(steps):
        gradient = B.T @ (weight[:, None] * (p - T))[:, :-1]
        step = newton_step(B, p, weight, gradient)
        decrease = float((gradient * step).sum())
        # below the resolution of the loss steps are still taken whole: they only round
        t, moved = min(1.0, farthest / max(float(np.abs(B @ step).max()), 1e-300)), False
        for _ in range(_HALVINGS):
            point = eta.copy()
            point[:, :-1] -= t * step
            tried, q = at(point)
            if tried <= best - 1e-4 * t * decrease or (t == 1.0 and decrease <= 1e-13 * abs(best) + 1e-300):
                eta, p, best, moved = point, q, tried, True
                break
            t *= 0.5
        if not moved or decrease <= 1e-29 * abs(best):
            break
    return eta, p


def newton_step(B: Floats, p: Floats, weight: Floats, gradient: Floats) -> Floats:
    """H^-1 gradient, (r, K - 1), H the Hessian of softmax loss in all outputs but the last."""
    r, K = B.shape[1], p.shape[1] - 1
    H = np.empty((K, r, K, r))
    for j in range(K):
        for k in range(j, K):
            c = weight * (p[:, j] * (j == k) - p[:, j] * p[:, k])
            H[j, :, k, :] = B.T @ (c[:, None] * B)
            H[k, :, j, :] = H[j, :, k, :].T
    flat: Any = H.reshape(K * r, K * r)
    step = np.linalg.lstsq(flat, gradient.T.ravel(), rcond=1e-14)[0]
    return np.asarray(step.reshape(K, r).T)
