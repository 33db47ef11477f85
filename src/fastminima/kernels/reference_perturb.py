"""The slow, obvious twins of the kernels in `_perturb`: same names, same signatures, NumPy only.

`variant` and `workspace` are taken and not used: the twins know no instruction sets. `perturbations` is the same to
the last bit: each line does one IEEE operation at a time in the kernel's order, and calls no library function but sqrt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reference_screen import preactivations

__all__ = ["excess_f32", "excess_f64", "perturbations", "philox"]

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_LOG = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip
# fdlibm's logf, and Cephes' sine and cosine in float32
_LOGF = tuple(
    map(
        np.float32,
        map(float.fromhex, ("0xaaaaaa.0p-24", "0xccce13.0p-25", "0x91e9ee.0p-25", "0xf89e26.0p-26")),
    )
)
_SIN = tuple(map(np.float32, map(float.fromhex, ("-0x1.555544p-3", "0x1.11073cp-7", "-0x1.9943f2p-13"))))
_COS = tuple(map(np.float32, map(float.fromhex, ("0x1.55554ap-5", "-0x1.6c0c32p-10", "0x1.99eb9cp-16"))))
_LN2F_HI, _LN2F_LO = np.float32(float.fromhex("0x1.62e3p-1")), np.float32(float.fromhex("0x1.2fefa2p-17"))
_ANGLE = np.float32(float.fromhex("0x1.921fb6p-30"))
_LN2_HI, _LN2_LO, _LOG2E = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700


def philox(counter: U64, key: tuple[int, int]) -> U64:
    """Philox4x32-10 of Salmon, Moraes, Dror and Shaw (2011) on counters (4, n), 32 bits in each number."""
    c0, c1, c2, c3 = counter & _LOW
    k0, k1 = key
    for _ in range(10):
        p, q = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (q >> 32) ^ c1 ^ np.uint64(k0), q & _LOW, (p >> 32) ^ c3 ^ np.uint64(k1), p & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack((c0, c1, c2, c3))


def _horner(x: NDArray[Any], coefficients: tuple[Any, ...]) -> NDArray[Any]:
    value = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = c + x * value
    return value


def _log(w: U64) -> F64:
    """ln((w + 1/2) 2^-32): with (w + 1/2) = m 2^k, sqrt(1/2) <= m < sqrt(2), fdlibm's series for ln m."""
    h = (w.astype(np.float64) + 0.5).view(np.uint64) + np.uint64(0x3FF0000000000000 - 0x3FE6A09E00000000)
    k = (h >> 52).astype(np.float64) - (1023 + 32)
    f = ((h & np.uint64(0x000FFFFFFFFFFFFF)) + np.uint64(0x3FE6A09E00000000)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    y = z * z
    half = 0.5 * f * f
    R = y * _horner(y, _LOG[1::2]) + z * _horner(y, _LOG[::2])
    result: F64 = k * _LN2_HI - ((half - (s * (half + R) + k * _LN2_LO)) - f)
    return result


def _exp(x: F64) -> F64:
    """exp(x) for -30 < x <= 0."""
    k = np.rint(x * _LOG2E)
    r = (x - k * _LN2_HI) - k * _LN2_LO
    p = np.full_like(x, 1.0 / 6227020800.0)
    for factorial in (479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1):
        p = p * r + 1.0 / factorial
    return np.ldexp(p, k.astype(np.int64))


def _logf(x: F32) -> F32:
    """ln(x 2^-31) for 1/2 <= x < 2^31: with x = m 2^k, sqrt(1/2) <= m < sqrt(2), fdlibm's series for ln m."""
    h = x.view(np.uint32) + np.uint32(0x3F800000 - 0x3F3504F3)
    k = (h >> 23).astype(np.float32) - np.float32(127 + 31)
    f = ((h & np.uint32(0x007FFFFF)) + np.uint32(0x3F3504F3)).view(np.float32) - np.float32(1)
    s = f / (np.float32(2) + f)
    half = np.float32(0.5) * f * f
    z = s * s
    y = z * z
    R = z * (_LOGF[0] + y * _LOGF[2]) + y * (_LOGF[1] + y * _LOGF[3])
    result: F32 = k * _LN2F_HI - ((half - (s * (half + R) + k * _LN2F_LO)) - f)
    return result


def _radius_argument(w: U64) -> F32:
    """u 2^31 = w/2 + 1/2 in float32, below 2^31."""
    x = (w >> 1).astype(np.float32) + np.float32(0.5)
    return np.minimum(x, np.float32(2**31 - 128))


def _angle_argument(v: U64) -> tuple[F32, NDArray[np.int64]]:
    """The angle 2 pi (v + 1/2) 2^-32 as an eighth turn at most, and quarter turns."""
    turned = (v + np.uint64(1 << 29)) & _LOW
    rest = ((turned & np.uint64(0x3FFFFFFF)).astype(np.int64) - (1 << 29)).astype(np.float32)
    return (rest + np.float32(0.5)) * _ANGLE, (turned >> 30).astype(np.int64)


def _normals(w: U64, v: U64) -> tuple[F32, F32]:
    """r cos, r sin with r = sqrt(-2 ln((w/2 + 1/2) 2^-31)) and the angle 2 pi (v + 1/2) 2^-32, in float32."""
    r = np.sqrt(np.float32(-2) * _logf(_radius_argument(w)))
    a, quarter = _angle_argument(v)
    z = a * a
    s = r * (a + a * (z * _horner(z, _SIN)))
    c = r * (np.float32(1) - (np.float32(0.5) * z - z * (z * _horner(z, _COS))))
    return np.choose(quarter, (c, -s, -c, s)), np.choose(quarter, (s, c, -s, -c))


def perturbations(seed: int, first: int, distribution: int, variant: int, out: F64) -> None:
    """out[i] = unit perturbation first + i: 0 on the sphere, 1 in the ball, 2 normal."""
    key = (seed & 0xFFFFFFFF, seed >> 32)
    K, P = out.shape
    blocks = 2 * -(-P // 8)
    for i in range(K):
        k = (first + i) & 0xFFFFFFFFFFFFFFFF
        counter = np.zeros((4, blocks), np.uint64)
        counter[0], counter[1], counter[2] = k & 0xFFFFFFFF, k >> 32, np.arange(blocks)
        w = philox(counter, key)
        # normal i of the blocks 2c and 2c + 1 are the entries 8c + 2i and 8c + 2i + 1
        g = np.stack((*_normals(w[0], w[1]), *_normals(w[2], w[3]))).reshape(4, -1, 2)
        g = g.transpose(1, 0, 2).reshape(-1)[:P].astype(np.float64)
        if distribution == 2:
            out[i] = g
            continue
        t = np.zeros(8)
        for start in range(0, P, 8):
            part = g[start : start + 8]
            t[: len(part)] += part * part
        norm = np.sqrt(((t[0] + t[4]) + (t[2] + t[6])) + ((t[1] + t[5]) + (t[3] + t[7])))
        if distribution == 1:
            counter = np.array([[k & 0xFFFFFFFF], [k >> 32], [0], [1]], np.uint64)
            out[i] = g * (_exp(_log(philox(counter, key)[0]) / P)[0] / norm)
        else:
            out[i] = g * (1.0 / norm)


def _excess(
    kind: type[np.float64] | type[np.float32],
    W1: F64,
    b1: F64,
    W2: F64,
    X: F64,
    centre: F64,
    centred_bias: F64,
    e: F64,
    weight: F64,
    s_plus: float,
    s_minus: float,
    delta: F64,
    bias: F64,
    quadratic_out: F64,
    change_out: F64,
    n_changed_out: I64,
) -> None:
    d1, dx = W1.shape
    with np.errstate(all="ignore"):
        z = np.empty((d1, len(X)))
        preactivations(W1, b1, np.empty(0), 0.0, X, np.empty(0), s_plus, s_minus, 0, np.empty(0), z)
        z = z.T
        if len(centre):
            X = X - centre
        omega = weight if weight.size else np.ones(len(X))
        x: NDArray[np.floating] = X.astype(kind)
        active = z > 0
        base: NDArray[np.floating] = z.astype(kind)
        base[active & (base == 0)] = np.finfo(kind).smallest_subnormal
        slope = np.where(active, kind(s_plus), kind(s_minus))
        for k, row in enumerate(delta):
            dw = row[: d1 * dx].reshape(d1, dx).astype(kind)
            db = (bias[k] if len(centre) else row[d1 * dx : d1 * (dx + 1)]).astype(kind)
            dv, v = row[d1 * (dx + 1) : -1], W2 + row[d1 * (dx + 1) : -1]
            dz = x @ dw.T + db
            moved = base + dz
            flips = active != (moved > 0)
            D = (slope * dz) @ v.astype(kind) + (slope * base) @ dv.astype(kind) + kind(row[-1])
            gap = (v * (s_plus - s_minus)).astype(kind)
            Delta = np.where(flips, gap * np.abs(moved), 0).sum(axis=1)
            quadratic_out[k] += 0.5 * np.sum(omega * (D + Delta).astype(np.float64) ** 2)
            change_out[k] += np.sum(omega * e * Delta)
            n_changed_out[k] += np.count_nonzero(flips)


def excess_f64(
    W1: F64,
    b1: F64,
    W2: F64,
    X: F64,
    centre: F64,
    centred_bias: F64,
    e: F64,
    weight: F64,
    s_plus: float,
    s_minus: float,
    delta: F64,
    bias: F64,
    variant: int,
    workspace: F64,
    quadratic_out: F64,
    change_out: F64,
    n_changed_out: I64,
) -> None:
    """Add 1/2 sum_i w_i (D_i + Delta_i)^2, sum_i w_i e_i Delta_i and the (i, j) whose z changes sign."""
    _excess(
        np.float64,
        W1,
        b1,
        W2,
        X,
        centre,
        centred_bias,
        e,
        weight,
        s_plus,
        s_minus,
        delta,
        bias,
        quadratic_out,
        change_out,
        n_changed_out,
    )


def excess_f32(
    W1: F64,
    b1: F64,
    W2: F64,
    X: F64,
    centre: F64,
    centred_bias: F64,
    e: F64,
    weight: F64,
    s_plus: float,
    s_minus: float,
    delta: F64,
    bias: F64,
    variant: int,
    workspace: F32,
    quadratic_out: F64,
    change_out: F64,
    n_changed_out: I64,
) -> None:
    """The same with outputs in float32, squared and summed in float64."""
    _excess(
        np.float32,
        W1,
        b1,
        W2,
        X,
        centre,
        centred_bias,
        e,
        weight,
        s_plus,
        s_minus,
        delta,
        bias,
        quadratic_out,
        change_out,
        n_changed_out,
    )
