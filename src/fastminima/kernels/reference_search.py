"""The slow, obvious twins of the kernels in `_search`; work space is taken and not used.

`descend` has no damping: it stops where the undamped step does not lower the risk.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_hinge", "descend"]

F64 = NDArray[np.float64]
_MOST = 4.0


def _outputs(X: F64, plus: float, minus: float, sign: F64, parameters: F64) -> F64:
    z = X @ parameters[1:].reshape(len(sign), -1).T
    return np.asarray(parameters[0] * X[:, -1] + (np.where(z > 0.0, plus, minus) * z) @ sign)


def _step(X: F64, y: F64, plus: float, minus: float, sign: F64, parameters: F64) -> F64:
    rows = parameters[1:].reshape(len(sign), -1)
    slopes = sign * np.where(X @ rows.T > 0.0, plus, minus)
    design = np.concatenate([X[:, -1:], *(slopes[:, k : k + 1] * X for k in range(len(sign)))], axis=1)
    gram, gradient = design.T @ design, design.T @ (_outputs(X, plus, minus, sign, parameters) - y)
    return np.asarray(-np.linalg.solve(gram + 1e-13 * gram.diagonal().max() * np.eye(len(gram)), gradient))


def _least_on_line(X: F64, y: F64, plus: float, minus: float, sign: F64, parameters: F64, step: F64) -> float:
    """Where the risk is least for 0 <= t <= 4: the minimum of each quadratic between two kinks."""
    width = len(sign)
    z, dz = (X @ v[1:].reshape(width, -1).T for v in (parameters, step))
    with np.errstate(divide="ignore", invalid="ignore"):
        kinks = -z / dz
    edges = np.unique(
        np.concatenate([[0.0, _MOST], kinks[np.isfinite(kinks) & (kinks > 0.0) & (kinks < _MOST)]])
    )
    best, at = np.inf, 0.0
    for left, right in pairwise(edges.tolist()):
        ends = [_outputs(X, plus, minus, sign, parameters + t * step) - y for t in (left, right)]
        slope = (ends[1] - ends[0]) / (right - left)
        a, b = float(slope @ slope), float(slope @ ends[0])
        t = left + (min(max(-b / a, 0.0), right - left) if a > 0.0 else 0.0)
        rest = _outputs(X, plus, minus, sign, parameters + t * step) - y
        if 0.5 * float(rest @ rest) < best:
            best, at = 0.5 * float(rest @ rest), t
    return at


def descend(
    X: F64,
    y: F64,
    plus: float,
    minus: float,
    sign: F64,
    parameters: F64,
    steps: int,
    tolerance: float,
    work: F64,
    counts: NDArray[np.int32],
    kinks: F64,
) -> tuple[float, int]:
    """Lowers the risk at `parameters` = (b, q_1, ..., q_w) in place; returns (risk, steps taken)."""

    def risk() -> float:
        rest = _outputs(X, plus, minus, sign, parameters) - y
        return 0.5 * float(rest @ rest)

    now, taken = risk(), 0
    while taken < steps and now > 0.0:
        taken += 1
        step = _step(X, y, plus, minus, sign, parameters)
        before = now
        parameters += _least_on_line(X, y, plus, minus, sign, parameters, step) * step
        now = risk()
        if not before - now > tolerance * before:
            break
    return now, taken


def best_hinge(
    X: F64,
    r: F64,
    directions: F64,
    work: F64,
    counts: NDArray[np.int32],
    kinks: F64,
    found_out: F64,
) -> None:
    """found_out = (drop, direction, knot, coefficient) of the best hinge, by least squares at every knot."""
    root = X[:, -1]
    found_out[:] = 0.0
    for which, u in enumerate(directions):
        p = X[:, :-1] @ u / root
        for knot in np.unique(p)[:-1]:
            base = np.column_stack([np.ones(len(p)), p]) * root[:, None]
            hinge = np.maximum(p - knot, 0.0) * root
            rest = hinge - base @ np.linalg.lstsq(base, hinge, rcond=None)[0]
            size, along = float(rest @ rest), float(rest @ r)
            if size > 1e-10 * float(hinge @ hinge) and 0.5 * along * along / size > found_out[0]:
                found_out[:] = 0.5 * along * along / size, which, knot, -along / size
