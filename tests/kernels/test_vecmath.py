"""exp, tanh, erf and log1p of the kernels: the proved bound, mpmath on dense grids, and the ends of every range."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from fastminima.kernels import _forward, _smooth
from vecmath_bounds import Bounds

MOST_ULPS = 4
VARIANTS = range(len(_forward.VARIANTS))
SINGLE = [False, True]
EXACT: dict[str, Any] = {
    "exp": mpmath.exp,
    "tanh": mpmath.tanh,
    "erf": mpmath.erf,
    "log1p": lambda x: mpmath.log1p(x) if x > -1 else -mpmath.inf,
}
# (least, largest) argument with a finite answer that is neither 0 nor 1, float64 and float32
RANGES = {
    "exp": ((-745.2, 709.79), (-103.98, 88.73)),
    "tanh": ((-20.0, 20.0), (-10.0, 10.0)),
    "erf": ((-6.1, 6.1), (-4.1, 4.1)),
    "log1p": ((-1.0, 50.0), (-1.0, 50.0)),
}


def call(name: str, x: NDArray[Any], variant: int) -> NDArray[Any]:
    out = np.empty_like(x)
    kernel = _smooth.curve_f32 if x.dtype == np.float32 else _smooth.curve_f64
    kernel(_smooth.CURVES.index(name), np.zeros(3), x, variant, out)
    return out


def misses(name: str, x: NDArray[Any], values: NDArray[Any]) -> float:
    """The most units in the last place by which one of the values misses."""
    digits, least = (24, -149) if x.dtype == np.float32 else (53, -1074)
    worst = 0.0
    with mpmath.workprec(160):
        for argument, value in zip(x.tolist(), values.tolist(), strict=True):
            exact = EXACT[name](mpmath.mpf(argument))
            if not mpmath.isfinite(exact):
                assert value == float(exact), (argument, value)
                continue
            if abs(exact) >= mpmath.mpf(2) ** (1024 if digits == 53 else 128):
                assert value == np.inf, (argument, value)
                continue
            exponent = int(mpmath.floor(mpmath.log(abs(exact), 2))) - digits + 1 if exact else least
            unit = mpmath.mpf(2) ** max(exponent, least)
            worst = max(worst, float(abs(mpmath.mpf(value) - exact) / unit))
    return worst


def grid(name: str, single: bool) -> NDArray[Any]:
    kind = np.float32 if single else np.float64
    low, high = RANGES[name][single]
    rng = np.random.default_rng(1)
    points = [
        np.linspace(low, high, 801),
        np.linspace(max(low, -1.25), 1.25, 801),
        rng.uniform(max(low, -3), 3, 400),
        # every size from the least number to 1, and near the powers of two where a unit in the last place doubles
        rng.choice([-1.0, 1.0], 300) * 2.0 ** rng.uniform(-149 if single else -1070, 0, 300),
        rng.choice([-1.0, 1.0], 200) * 2.0 ** rng.uniform(-30, 0, 200),
    ]
    if name == "log1p":
        points += [-1 + 2.0 ** rng.uniform(-23 if single else -52, 0, 300), 2.0 ** rng.uniform(0, 127, 300)]
        points += [np.array([np.sqrt(2) - 1, np.sqrt(0.5) - 1, 2 * np.sqrt(2) - 1])]
    if name == "exp":
        edges = (np.arange(-60, 60) + 0.5) * np.log(2)
        points += [np.nextafter(edges, -1e9), edges, np.nextafter(edges, 1e9)]
    with np.errstate(under="ignore"):
        return np.unique(np.concatenate(points).astype(kind))


@pytest.mark.parametrize("single", SINGLE)
def test_the_bounds_of_the_header(single: bool) -> None:
    bounds = Bounds(single)
    assert bounds.exp_ulps() < 2.1
    assert bounds.exp_relative() < 2.5
    assert bounds.tanh_ulps() < 3.6
    assert bounds.log1p_ulps() < 2.9
    assert bounds.erf_ulps() < 3.8 < MOST_ULPS
    assert bounds.erfcx_remainder < 1.3
    assert bounds.tail_relative(0.0, 10.2 if single else 27.2, halved=True) < 26.5


@pytest.mark.parametrize("single", SINGLE)
@pytest.mark.parametrize("name", EXACT)
def test_within_four_units_in_the_last_place(name: str, single: bool) -> None:
    x = grid(name, single)
    seen: dict[bytes, float] = {}
    for variant in VARIANTS:
        values = call(name, x, variant)
        key = values.tobytes()
        if key not in seen:
            seen[key] = misses(name, x, values)
        assert seen[key] <= MOST_ULPS, _forward.VARIANTS[variant]
    # not so by being exact: the bound is of the size of what happens
    assert max(seen.values()) > 0.5


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("single", SINGLE)
def test_the_ends(variant: int, single: bool) -> None:
    kind = np.float32 if single else np.float64
    info = np.finfo(kind)
    tiny, least = float(info.tiny), float(info.smallest_subnormal)
    ends = np.array(
        [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, info.min, tiny, -tiny, least, -least], kind
    )
    wanted = {
        "exp": [1, 1, np.inf, 0, np.nan, np.inf, 0, 1, 1, 1, 1],
        "tanh": [0.0, -0.0, 1, -1, np.nan, 1, -1, tiny, -tiny, least, -least],
        "log1p": [0.0, -0.0, np.inf, np.nan, np.nan, np.log(info.max), np.nan, tiny, -tiny, least, -least],
    }
    for name, answers in wanted.items():
        values = call(name, ends, variant)
        np.testing.assert_allclose(values, np.array(answers, kind), rtol=4 * info.eps, atol=0)
        np.testing.assert_array_equal(np.signbit(values)[:2], np.signbit(answers)[:2])
    values = call("erf", ends, variant)
    np.testing.assert_array_equal(values[[2, 3, 5, 6]], [1, -1, 1, -1])
    np.testing.assert_array_equal(np.signbit(values[:2]), [False, True])
    assert np.isnan(values[4])
    assert misses("erf", ends[7:], values[7:]) <= MOST_ULPS
    minus = np.array([-1.0, np.nextafter(kind(-1), kind(-2)), -2.0], kind)
    np.testing.assert_array_equal(call("log1p", minus, variant), [-np.inf, np.nan, np.nan])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("single", SINGLE)
def test_powers_where_numbers_end(variant: int, single: bool) -> None:
    kind = np.float32 if single else np.float64
    overflow, normal, underflow = (
        (88.72284, -87.33655, -103.97208) if single else (709.782712893384, -708.3964, -745.1332)
    )
    around = np.concatenate(
        [np.linspace(end - 0.3, end + 0.3, 61) for end in (overflow, normal, underflow)]
    ).astype(kind)
    values = call("exp", around, variant)
    assert (values[1:61] >= values[:60]).all()
    assert np.isinf(values[:61]).any()
    assert (values[122:] == 0).any()
    assert ((values > 0) & (values < np.finfo(kind).tiny)).any()
    assert misses("exp", around, values) <= MOST_ULPS


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("single", SINGLE)
def test_every_length_and_in_place(variant: int, single: bool) -> None:
    x = np.linspace(-2, 3, 601).astype(np.float32 if single else np.float64)
    whole = call("tanh", x, variant)
    for length in (*range(50), 191, 192, 193, 385, 600, 601):
        part = x[:length].copy()
        np.testing.assert_array_equal(call("tanh", part, variant), whole[:length])
        kernel = _smooth.curve_f32 if single else _smooth.curve_f64
        kernel(_smooth.CURVES.index("tanh"), np.zeros(3), part, variant, part)
        np.testing.assert_array_equal(part, whole[:length])
