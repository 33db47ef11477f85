"""The bounds of kernels/_vecmath.h, evaluated: how many units in the last place each function may miss by, at most.

Errors are counted in u = 2^-53 (2^-24), with every fused multiply-add rounded twice, as it is where nothing is fused. An
interval of arguments is cut into pieces; on each, magnitudes are taken where they are largest and results where their unit
in the last place is smallest. Terms of order u^2 are covered by SLACK. The letters are the header's.
"""

from __future__ import annotations

import itertools
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

import fastminima

F64 = NDArray[np.float64]

HEADERS = Path(fastminima.__file__).parent / "kernels"
SLACK = 1.0001
LOG2 = float(np.log(2))
# |r| after (a): half of log 2, and what the rounding of y / log 2 to an integer may add
HALF = LOG2 / 2 + 1e-4
# e^y - 1 > -1 and tanh < 1 are rounded to these ends at most
BELOW = np.nextafter(1.0, 0.0)


def table(name: str) -> list[float]:
    """The numbers of a table of _vecmath.h, exactly."""
    found = re.search(rf"{name}\[\] = {{(.*?)}}", (HEADERS / "_vecmath.h").read_text(), re.S)
    assert found
    return [float.fromhex(word.strip().rstrip("f")) for word in found[1].split(",") if word.strip()]


def word(name: str, single: bool) -> float:
    """A number of _vecmath_words.h."""
    found = re.findall(rf"#define FV_{name} (\S+)", (HEADERS / "_vecmath_words.h").read_text())
    text = found[-1 if single else 0]
    return float.fromhex(text) if "x" in text else float(text)


def pieces(low: float, high: float, number: int) -> tuple[F64, F64]:
    """(lower ends, upper ends), a little overlapping."""
    cuts = np.linspace(low, high, number + 1)
    gap = (high - low) * 1e-12
    return cuts[:-1] - gap, cuts[1:] + gap


def ulp(value: Any) -> Any:
    """The unit in the last place of numbers as large as `value`, over u."""
    return 2.0 ** (np.floor(np.log2(value)) + 1)


def in_ulps(error: Any, low: Any, high: Any) -> float:
    """Units in the last place of an error before the last rounding, and of that rounding; results lie in [low, high]."""
    return float(np.max(SLACK * error / ulp(low) + 0.5 * ulp(high) / ulp(low)))


def of_sum(c: list[float], x: Any) -> tuple[Any, Any]:
    """(magnitude, error) of sum c_i x^i, |x| <= the one given, even and odd powers apart."""
    square, sizes, errors = x * x, [], []
    for part in (c[0::2], c[1::2]):
        size, error = abs(part[-1]) + 0 * x, 0 * x
        for a in part[-2::-1]:
            # x^2 is rounded, the product is, the sum is
            error = square * error + 2 * square * size + (abs(a) + square * size)
            size = abs(a) + square * size
        sizes.append(size)
        errors.append(error)
    size = sizes[0] + x * sizes[1]
    return size, errors[0] + x * errors[1] + x * sizes[1] + size


class Bounds:
    """All of one precision."""

    def __init__(self, single: bool) -> None:
        kind = "f32" if single else "f64"
        self.single, self.u = single, 2.0**-24 if single else 2.0**-53
        self.exp, self.log, self.erf, self.erfcx = (
            table(f"fv_{name}_{kind}") for name in ("exp", "log", "erf", "erfcx")
        )
        self.spread = word("SPREAD", single)
        self.erfc_end = word("ERFC_END", single)
        # |k log2_low| with the largest |k|, and k times what the two parts of log 2 miss
        most = max(abs(word("LEAST", single)), word("MOST", single)) / LOG2 + 1
        with mpmath.workprec(300):
            missed = mpmath.log(2) - word("LOG2", single) - mpmath.mpf(word("LOG2_LOW", single))
            self.reduction = 3 * most * word("LOG2_LOW", single) + most * float(abs(missed)) / self.u

    # -- polynomials against what they stand for

    def exp_remainder(self, r: Any) -> Any:
        """(b) |r^2 q(r) + r - (e^r - 1)| / u."""
        with mpmath.workprec(200):
            gaps = [float(abs(c - 1 / mpmath.factorial(i + 2))) for i, c in enumerate(self.exp)]
        n = len(self.exp) + 2
        tail = r**n / float(mpmath.factorial(n)) * 1.1
        return (sum(gap * r ** (i + 2) for i, gap in enumerate(gaps)) + tail) / self.u

    def log_remainder(self, z: Any) -> Any:
        """(f) |z P(z) - (2/3 z + 2/5 z^2 + ...)| / u for z = s^2 <= 1/9."""
        with mpmath.workprec(200):
            gaps = [float(abs(c - mpmath.mpf(2) / (2 * i + 3))) for i, c in enumerate(self.log)]
        n = len(self.log) + 1
        tail = 2 * z**n / (2 * n + 1) / (1 - z)
        return (sum(gap * z ** (i + 1) for i, gap in enumerate(gaps)) + tail) / self.u

    @cached_property
    def erf_remainder(self) -> float:
        """(h) |G(z) - (erf(sqrt z)/sqrt z - 1)| / u on [0, 1]: the difference from a Taylor polynomial, shifted."""
        with mpmath.workdps(60):
            n, parts = 45, 64
            series = [
                2 / mpmath.sqrt(mpmath.pi) * (-1) ** i / (mpmath.factorial(i) * (2 * i + 1)) for i in range(n)
            ]
            series[0] -= 1
            gap = [c - (mpmath.mpf(self.erf[i]) if i < len(self.erf) else 0) for i, c in enumerate(series)]
            tail = 2 / mpmath.factorial(n)
            radius = mpmath.mpf(1) / (2 * parts)
            worst = max(_on_disc(gap, (2 * i + 1) * radius, radius) for i in range(parts))
            return float((worst + tail) / self.u)

    @cached_property
    def erfcx_remainder(self) -> float:
        """(g) the largest |Q(s) - erfcx(x)/w| / (u erfcx(x)/w) for 0 <= x <= the end, w = 3/(3 + x), s = A w + 1 - A.

        On [x, x + h]: erfcx is completely monotone (an integral of e^(-2xt) e^(-t^2)), so its Taylor remainder at x is at
        most the next term; that of Q(s(x)) is bounded with the absolute values of its coefficients, s within [-1, 1].
        """
        order, worst = 14, mpmath.mpf(0)
        with mpmath.workdps(100):
            x = mpmath.mpf(0)
            while x < self.erfc_end:
                h = (3 + x) / 100
                gap, size = self._erfcx_gap(x, h, order)
                worst = max(worst, gap / size)
                x += h
        return float(worst / self.u)

    def _erfcx_gap(self, x: Any, h: Any, order: int) -> tuple[Any, Any]:
        """A bound of |Q(s) - erfcx/w| on [x, x + h], and the least erfcx/w there."""
        y = [mpmath.exp(x * x) * mpmath.erfc(x)]
        y.append(2 * x * y[0] - 2 / mpmath.sqrt(mpmath.pi))
        for n in range(1, order):
            y.append((2 * x * y[n] + 2 * y[n - 1]) / (n + 1))
        # erfcx(x)/w = erfcx(x) (1 + x/3)
        wanted = [y[i] * (1 + x / 3) + (y[i - 1] / 3 if i else 0) for i in range(order)]
        rest = abs(y[order]) * h**order * (1 + (x + h) / 3) + abs(y[order - 1]) / 3 * h**order
        w = [3 / (3 + x) * (-1 / (3 + x)) ** i for i in range(order)]
        s = [self.spread * a for a in w]
        s[0] += 1 - mpmath.mpf(self.spread)
        # Q by Horner on truncated series; what is cut off is bounded by Q on a larger disc (Cauchy)
        total = [mpmath.mpf(0)] * order
        for c in reversed(self.erfcx):
            total = [sum(total[j] * s[i - j] for j in range(i + 1)) for i in range(order)]
            total[0] += c
        # on |t - x| = R = (3 + x)/4:  |s| <= |s(x)| + A w (1/(1 - 1/4) - 1) = |s(x)| + A w/3
        reach = abs(s[0]) + self.spread * w[0] / 3
        most = sum(abs(c) * reach**i for i, c in enumerate(self.erfcx))
        ratio = h / ((3 + x) / 4)
        rest += most * ratio**order / (1 - ratio)
        gap = sum(abs(a - b) * h**i for i, (a, b) in enumerate(zip(wanted, total, strict=True))) + rest
        end = x + h
        return gap, mpmath.exp(end * end) * mpmath.erfc(end) * (1 + end / 3)

    # -- functions

    def less_one(self, r: Any) -> Any:
        """(b) error of e^r - 1 for the r that came, without the last rounding of the sum with r."""
        size, error = of_sum(self.exp, r)
        return r * r * (error + 2 * size) + self.exp_remainder(r)

    def exp_relative(self, most: float = HALF) -> float:
        """(c) error of e^y over e^y, without the scaling by 2^k."""
        low, high = pieces(-most, most, 512)
        r = np.maximum(np.abs(low), np.abs(high))
        value = np.exp(high)
        error = value * (r + self.reduction) + self.less_one(r) + np.abs(np.expm1(r)) + value
        return float(np.max(SLACK * error / np.exp(low)))

    def exp_ulps(self) -> float:
        """(c); a result below the normal numbers is rounded once more."""
        low, high = pieces(-HALF, HALF, 512)
        r = np.maximum(np.abs(low), np.abs(high))
        error = np.exp(high) * (r + self.reduction) + self.less_one(r) + np.abs(np.expm1(r))
        return in_ulps(error, np.exp(low), np.exp(high)) + 0.5

    def expm1(self, k: int) -> tuple[F64, F64, F64]:
        """(d) lower ends of r, upper ends, errors of e^y - 1 for y = k log 2 + r <= 0, with the last rounding."""
        if k == 0:
            cuts = np.concatenate([[0.0], 2.0 ** np.arange(-40, -1.53, 0.01), [HALF]])
            low, high = -cuts[1:] * (1 + 1e-12), -cuts[:-1] * (1 - 1e-12)
            r = -low
            return low, high, self.less_one(r) + np.expm1(r) * np.exp(-r) * 1.0
        low, high = pieces(-HALF, HALF, 1024)
        r = np.maximum(np.abs(low), np.abs(high))
        part = (
            np.exp(high) * (r + self.reduction)
            + self.less_one(r)
            + np.maximum(-np.expm1(low), np.expm1(high))
        )
        # 2^k - 1 is exact, or -1 where it differs from that by less than u
        lost = 2.0**k / self.u if 2.0**k < self.u else 0.0
        return low, high, 2.0**k * part + 0.5 * ulp(np.minimum(-np.expm1(k * LOG2 + low), BELOW)) + lost

    def tanh_ulps(self) -> float:
        """(e) T = -m/(2 + m), m = e^(-2a) - 1: dT = 2 dm/(2 + m)^2, and |m|/(2 + m)^2 times the rounding of 2 + m."""
        worst = 0.0
        for k in range(0, -70, -1):
            low, high, error = self.expm1(k)
            e_low, e_high = 2.0**k * np.exp(low), np.minimum(2.0**k * np.exp(high), 1.0)
            least, most = (np.minimum((1 - e) / (1 + e), BELOW) for e in (e_high, e_low))
            whole = 1 + e_low
            total = (2 * error + (1 - e_low) * 0.5 * ulp(1 + e_high)) / whole**2
            if k == 0:
                # the first piece reaches 0, where every error is relative: less than 1 + 1e-6 from m, 1/2, and 1
                worst = max(worst, 2 * (1 + 1e-6) / 2 + 0.5 + 1)
                least, most, total = least[1:], most[1:], total[1:]
            worst = max(worst, in_ulps(total, least, most))
        return worst

    def log_error(self, f: Any, k: int) -> Any:
        """(f) error of log(1 + f) + k log 2 without the last rounding, |f| at most the one given, and its sign."""
        size = np.abs(f)
        # s = f/(2 + f): f itself (unless k is 0), 2 + f and the quotient are rounded
        s = size / (2 + f)
        z = s * s
        poly, error = of_sum(self.log, z)
        more = z * (error + 6 * poly) + self.log_remainder(z)  # z: twice s, one product; one product
        bend = s * (size + z * poly)
        low = s * (3 * (size + z * poly)) + s * more + 2 * bend  # s: 2; f - more, the product, kL2 - product
        given = 0.0 if k == 0 else size / (1 + f)
        return given + low + (0.0 if k == 0 else size + self.reduction + bend)

    def log1p_ulps(self) -> float:
        """(f)"""
        worst = 0.0
        edge = np.sqrt(0.5)
        for k in (0, 1, -1, 2, -2, 3, -3, 20, -20, -50):
            for low, high in (pieces(edge - 1, 0, 2048), pieces(0, np.sqrt(2) - 1, 2048)):
                far = np.where(low < -1e-9, low, high)
                near = np.where(low < -1e-9, high, low)
                error = self.log_error(far, k)
                ends = np.abs(k * LOG2 + np.log1p(np.stack([low, high])))
                if k == 0:
                    keep = np.abs(near) > 1e-6
                    # where f is small: f - s (f - more) is f with one rounding, and u f^2 more
                    worst = max(worst, 1 + 1e-3)
                    error, ends = error[keep], ends[:, keep]
                worst = max(worst, in_ulps(error, ends.min(axis=0), ends.max(axis=0)))
        return worst

    def tail_relative(self, low: float, high: float, *, halved: bool = False) -> float:
        """(g) relative error of e^(-a^2) erfcx(a) for `low` <= a <= `high`, in u; `halved`: a is itself rounded twice."""
        worst = 0.0
        remainder = self.erfcx_remainder
        a, b = pieces(low, high, 400)
        for left, right in zip(np.maximum(a, 0), b, strict=True):
            w_low, w = 3 / (3 + right), 3 / (3 + left)
            s_ends = self.spread * np.array([w_low, w]) + 1 - self.spread
            s = float(np.max(np.abs(s_ends)))
            _, error = of_sum(self.erfcx, np.array(s))
            slope = self._slope(s_ends)
            q = float(erfcx(right)) * (1 + right / 3)
            s_error = 3 * self.spread * w + s
            relative = (float(error) + slope * s_error) / q + remainder + 2 + 1 + 1
            relative += 2 if halved else 0
            worst = max(worst, relative)
        # the argument's low part: |low| <= 2^-10 a^2 (2^-25), three roundings
        square = min(high * high, 745.0 if not self.single else 104.0)
        share = 2.0**-10 if self.single else 2.0**-25
        return SLACK * (worst + self.exp_relative(HALF + share * square) + 4 * share * square)

    def _slope(self, s: F64) -> float:
        """A bound of |Q'| between two points that lie closely together."""
        derivative = [i * c for i, c in enumerate(self.erfcx)][1:]
        second = sum(abs(i * c) for i, c in enumerate(derivative))
        middle = abs(sum(c * s.mean() ** i for i, c in enumerate(derivative)))
        return float(middle + second * abs(s[1] - s[0]))

    def erf_ulps(self) -> float:
        """(h)"""
        cuts = np.concatenate([2.0 ** np.arange(-30, 0, 0.005), [1.0]])
        low, high = cuts[:-1] * (1 - 1e-12), cuts[1:] * (1 + 1e-12)
        z = high * high
        _, error = of_sum(self.erf, z)
        G = np.max(np.abs([_value(self.erf, low * low), _value(self.erf, z)]), axis=0) + 1e-3
        # z is rounded: u z |G'|; the product is, unless it is fused
        slope = sum(i * abs(c) * z ** (i - 1) for i, c in enumerate(self.erf) if i)
        total = high * (error + slope * z + self.erf_remainder + G)
        worst = max(in_ulps(total, erf(low), erf(high)), 0.2 + 1)
        last = 4.1 if self.single else 6.0
        ends = np.linspace(1.0, last, 40)
        for left, right in itertools.pairwise(ends):
            share = self.tail_relative(float(left), float(right)) * float(mpmath.erfc(left))
            worst = max(worst, in_ulps(np.array(share), erf(left), np.minimum(erf(right), 0.999)))
        # beyond, erfc is less than u / 2
        return max(worst, 1.0)


def _on_disc(c: list[Any], middle: Any, radius: Any) -> Any:
    """A bound of |sum c_i t^i| for |t - middle| <= radius: its Taylor coefficients in absolute value."""
    shifted = list(c)
    for i in range(len(c)):
        for j in range(len(c) - 2, i - 1, -1):
            shifted[j] += middle * shifted[j + 1]
    return sum(abs(a) * radius**i for i, a in enumerate(shifted))


def _value(c: list[float], x: Any) -> Any:
    return sum(a * x**i for i, a in enumerate(c))


def erf(x: Any) -> Any:
    return np.vectorize(lambda t: float(mpmath.erf(t)))(x)


def erfcx(x: float) -> Any:
    with mpmath.workdps(30):
        return mpmath.exp(mpmath.mpf(x) ** 2) * mpmath.erfc(x)
