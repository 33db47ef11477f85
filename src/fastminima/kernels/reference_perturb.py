"""The slow, obvious twins of the kernels in `_perturb`: same names, same signatures, NumPy only.

`variant`, `packed` and `workspace` are taken and not used: the twins know no instruction sets and keep nothing.
`perturbations` is the same to the last bit: each line does one IEEE operation at a time in the kernel's order, and
calls no library function but sqrt.
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
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_LOG = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip


def _singles(*values: str) -> tuple[np.float32, ...]:
    return tuple(np.float32(float.fromhex(value)) for value in values)


# -2 ln(1 + f) / f for 1 + f between the roots of 1/2 and 2, sine over its argument and cosine on [-pi/2, pi/2]
_LOGF = _singles(
    "-0x1.fffffep0", "0x1.00007ap0", "-0x1.5559dcp-1", "0x1.ff623cp-2", "-0x1.978e2ep-2", "0x1.614c08p-2",
    "-0x1.4c3d0ap-2", "0x1.9dfa74p-3",
)  # fmt: skip
_SIN = _singles("0x1p0", "-0x1.55553cp-3", "0x1.110d6ep-7", "-0x1.9f4142p-13", "0x1.5bb082p-19")
_COS = _singles("0x1.fffffep-1", "-0x1.ffffcp-2", "0x1.554edep-5", "-0x1.6b2aa2p-10", "0x1.847562p-16")
_LN4F, _ANGLE = _singles("-0x1.62e43p0", "0x1.921fb6p-31")
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


def _sfc32(state: U32, count: int) -> U32:
    """`count` words (count, ...) of the small fast counting generators (Doty-Humphrey) in state (4, ...)."""
    a, b, c, n = state
    words = np.empty((count, *a.shape), np.uint32)
    for i in range(count):
        words[i] = a + b + n
        n = n + np.uint32(1)
        a = b ^ (b >> 9)
        b = c + (c << 3)
        c = ((c << 21) | (c >> 11)) + words[i]
    return words


def _minus_two_log(x: F32) -> F32:
    """-2 ln(x 2^-31) for 1/2 <= x < 2^31: with x = (1 + f) 2^k, sqrt(1/2) <= 1 + f < sqrt(2)."""
    root = np.uint32(0x3F3504F3)
    h = x.view(np.uint32) + (np.uint32(127 << 23) - root)
    k = (h >> 23).astype(np.float32) - np.float32(127 + 31)
    f = ((h & np.uint32(0x007FFFFF)) + root).view(np.float32) - np.float32(1)
    y = f * f
    result: F32 = k * _LN4F + f * (_horner(y, _LOGF[::2]) + f * _horner(y, _LOGF[1::2]))
    return result


def _radius_argument(w: U32) -> F32:
    """u 2^31 = w/2 + 1/2 in float32, below 2^31."""
    x = (w >> 1).astype(np.float32) + np.float32(0.5)
    return np.minimum(x, np.float32(2**31 - 128))


def _normals(w: U32, v: U32) -> tuple[F32, F32]:
    """+-r cos, r sin with r = sqrt(-2 ln((w/2 + 1/2) 2^-31)), the angle pi v 2^-32, v signed; w's last bit: the sign."""
    r = np.sqrt(_minus_two_log(_radius_argument(w)))
    a = v.view(np.int32).astype(np.float32) * _ANGLE
    z = a * a
    c = r * _horner(z, _COS)
    return np.where(w & np.uint32(1), -c, c), (r * a) * _horner(z, _SIN)


def perturbations(seed: int, first: int, distribution: int, radius: float, variant: int, out: F64) -> None:
    """out[i] = radius times unit perturbation first + i: 0 on the sphere, 1 in the ball, 2 normal."""
    key = (seed & 0xFFFFFFFF, seed >> 32)
    K, P = out.shape
    k = [(first + i) & 0xFFFFFFFFFFFFFFFF for i in range(K)]
    counter = np.zeros((4, K), np.uint64)
    counter[0], counter[1] = [i & 0xFFFFFFFF for i in k], [i >> 32 for i in k]
    streams = [philox(counter + np.array([[0], [0], [t], [0]], np.uint64), key) for t in (0, 1)]
    words = _sfc32(np.stack(streams, axis=-1).astype(np.uint32), 4 * -(-P // 8)).reshape(-1, 4, K, 2)
    # normal i of four words of stream t is number 2 i + t of eight entries
    g = np.stack((*_normals(words[:, 0], words[:, 1]), *_normals(words[:, 2], words[:, 3])))
    g = g.transpose(2, 1, 0, 3).reshape(K, -1)[:, :P].astype(np.float64)
    scale = np.ones(K)
    if distribution == 1:
        counter[3] = 1
        scale = _exp(_log(philox(counter, key)[0]) / P)
    if distribution != 2:
        t = np.zeros((8, K))
        for start in range(0, P, 8):
            part = g[:, start : start + 8].T
            t[: len(part)] += part * part
        scale /= np.sqrt(((t[0] + t[4]) + (t[2] + t[6])) + ((t[1] + t[5]) + (t[3] + t[7])))
    out[:] = g * scale[:, None] * radius


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
    packed: bool,
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
    packed: bool,
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
