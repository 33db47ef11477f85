"""Stacked networks and samples, drawn at random."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def problem(
    K: int, d1: int, dx: int, m: int, seed: int = 0, weighted: bool = False, item: int = 8
) -> tuple[Any, SimpleNamespace]:
    rng = np.random.default_rng([seed, K, d1, dx, m])
    draw = [rng.standard_normal(shape) for shape in ((K, d1, dx), (K, d1), (K, d1), (K,))]
    W1, b1, W2, b2 = (np.ascontiguousarray(a, np.float32 if item == 4 else np.float64) for a in draw)
    weight = rng.uniform(0.5, 2.0, m) if weighted else None
    data = SimpleNamespace(X=rng.standard_normal((m, dx)), y=rng.standard_normal(m), sample_weight=weight)
    return (W1, b1, W2, b2), data
