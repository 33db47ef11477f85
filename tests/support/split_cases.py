"""Samples for the search of splits: shapes, sizes of its machinery, numbers at every end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fastminima.theorems.theorem1.splits import bucket_plan as bucket_plan
from fastminima.theorems.theorem1.splits import sorted_sums as sorted_sums


@contextlib.contextmanager
def sizes(**values: int) -> Iterator[None]:
    """The machinery with other sizes, so that small data cross every border."""
    modules = [bucket_plan, sorted_sums]
    old = [(module, name, getattr(module, name)) for module in modules for name in values if hasattr(module, name)]
    try:
        for module, name, _ in old:
            setattr(module, name, values[name])
        yield
    finally:
        for module, name, value in old:
            setattr(module, name, value)


ORDINARY = st.floats(-8, 8, allow_nan=False)


EXTREME = [0.0, -0.0, 5e-324, -5e-324, 2.2e-308, -2.2e-308, 1e300, -1e300, 1e308, -1e308, 1.0, 2.0**53]


WIDE = st.one_of(ORDINARY, st.sampled_from(EXTREME), st.floats(allow_nan=False, allow_infinity=False))


def shapes(m: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    normal = rng.normal(size=m)
    return {
        "normal": normal,
        "lognormal": np.exp(3 * normal),
        "cauchy": rng.standard_cauchy(m),
        "exponents": 10 ** rng.uniform(-300, 300, m),
        "signed exponents": 10 ** rng.uniform(-320, 300, m) * rng.choice([-1.0, 1.0], m),
        "hundred": rng.integers(0, 100, m).astype(float),
        "many ties": rng.integers(0, m // 4, m).astype(float),
        "one heavy": np.where(rng.random(m) < 0.6, 0.25, normal),
        "heavy and far": np.where(rng.random(m) < 0.6, 1e-200, np.exp(50 * normal)),
        "constant": np.full(m, 3.0),
        "zeros of both signs": rng.choice([0.0, -0.0], m),
        "sorted": np.sort(normal),
        "reversed": np.sort(normal)[::-1].copy(),
        "sawtooth": np.arange(m, dtype=float) % 64,
        "outlier": np.concatenate([normal[1:], [1e300]]),
        "two outliers": np.concatenate([normal[2:], [1e308, -1e308]]),
        "subnormal": rng.integers(0, m, m) * 5e-324,
        "smallest of both signs": rng.integers(0, 6, m) * 5e-324 * rng.choice([-1.0, 1.0], m),
        "nested": np.concatenate([normal[: m // 2], 1 + 1e-12 * normal[m // 2 :]]),
        "powers": np.repeat(np.arange(m // 50 + 1.0) ** 9, 50)[:m],
    }


SHAPES = list(shapes(100))
