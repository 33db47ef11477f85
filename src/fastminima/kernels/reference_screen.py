"""NumPy twins of `_screen`: the same formulas and, operation by operation, the same bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

PANEL = 8
_SPLITTER = 2.0**27 + 1.0


def _two_sum(a: F64, b: F64) -> tuple[F64, F64]:
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _two_product(a: F64, b: F64) -> tuple[F64, F64]:
    p = a * b
    ta, tb = a * _SPLITTER, b * _SPLITTER
    a1, b1 = ta - (ta - a), tb - (tb - b)
    a2, b2 = a - a1, b - b1
    return p, a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)


def _preactivation(row: F64, bias: float, X: F64) -> tuple[F64, F64]:
    """High and low words of <row, x_i> + bias."""
    hi, lo = np.full(len(X), bias), np.zeros(len(X))
    for a in range(X.shape[1]):
        p, e = _two_product(row[a], X[:, a])
        hi, f = _two_sum(hi, p)
        lo = lo + (e + f)
    return _two_sum(hi, lo)


def _add(sums: F64, a: int, p: F64, e: F64) -> None:
    """Add terms p + e of one entry to its 8 partial sums, sample i to number i mod 8."""
    short = -len(p) % PANEL
    p, e = np.append(p, np.zeros(short)), np.append(e, np.zeros(short))
    for terms, errors in zip(p.reshape(-1, PANEL), e.reshape(-1, PANEL), strict=True):
        sums[a, 0], f = _two_sum(sums[a, 0], terms)
        sums[a, 1] = sums[a, 1] + (f + errors)


def base_sums(
    W1: F64,
    b1: F64,
    W2: F64,
    b2: float,
    X: F64,
    y: F64,
    weight: F64,
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: F64,
    sums_out: F64,
    residual_out: F64,
) -> None:
    """residual_out = f(X) - y; sums_out += partial sums of weight * e * (X, 1)."""
    n = X.shape[1]
    hi, lo = _two_sum(np.full(len(X), b2), -y)
    signs = []
    for row, bias, v in zip(W1, b1, W2, strict=True):
        zh, zl = _preactivation(row, float(bias), X)
        signs.append(zh > 0.0)
        up, down = (_two_product(np.full(1, s), np.full(1, v)) for s in (s_plus, s_minus))
        sh, sl = (np.where(zh > 0.0, a, b) for a, b in zip(up, down, strict=True))
        p, e = _two_product(sh, zh)
        e = e + (sh * zl + sl * zh)
        hi, f = _two_sum(hi, p)
        lo = lo + (e + f)
    hi, lo = _two_sum(hi, lo)
    residual_out[:] = hi
    w = weight if len(weight) else np.ones(len(X))
    th, tl = _two_product(w, hi)
    tl = tl + w * lo
    for a in range(n + 1):
        p, e = th, tl
        if a < n:
            p, e = _two_product(th, X[:, a])
            e = e + tl * X[:, a]
        _add(sums_out[0], a, p, e)
        for j, positive in enumerate(signs):
            _add(sums_out[j + 1], a, np.where(positive, p, 0.0), np.where(positive, e, 0.0))


def preactivations(
    W1: F64,
    b1: F64,
    W2: F64,
    b2: float,
    X: F64,
    y: F64,
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: F64,
    z_out: F64,
) -> None:
    """z_out = (X @ W1.T + b1).T, each entry rounded once."""
    for j, (row, bias) in enumerate(zip(W1, b1, strict=True)):
        z_out[j] = _preactivation(row, float(bias), X)[0]


def _shift(centre: F64, moves: F64, db: F64) -> tuple[F64, F64]:
    """Both words of db + dw . centre, for rows dw of `moves`."""
    hi, lo = db, np.zeros(len(db))
    for a in range(len(centre)):
        p, e = _two_product(centre[a], moves[:, a])
        hi, f = _two_sum(hi, p)
        lo = lo + (f + e)
    return _two_sum(hi, lo)


def linear_term(
    gradient: F64,
    own: F64,
    W2: F64,
    centre: F64,
    centred_bias: F64,
    steep: F64,
    delta: F64,
    double_double: bool,
    variant: int,
    workspace: F64,
    linear_out: F64,
    bias_out: F64,
    size_out: F64,
) -> None:
    """linear_out = words of sum_j (v_j + dv_j) g_j . dw_j + dv_j g_j . w_j + g_q db2; biases and sizes as said there."""
    K, d1 = len(delta), len(W2)
    size_out[:] = 0.0
    n = (gradient.shape[1] - 1) // d1
    dx = n - 1
    if not double_double:
        dw, (db, dv) = delta[:, : d1 * dx].reshape(K, d1, dx), np.split(delta[:, d1 * dx : -1], 2, axis=1)
        g = gradient[0, :-1].reshape(d1, n)
        linear_out[0] = ((W2 + dv) * (np.einsum("kja,ja->kj", dw, g[:, :dx]) + db * g[:, dx])).sum(axis=1)
        linear_out[0] += dv @ own[0] + gradient[0, -1] * delta[:, -1]
        linear_out[1] = 0.0
        if len(centre):
            bias_out[:] = db + dw @ centre
        return
    gh, gl = _two_product(gradient[0, -1], delta[:, -1])
    gl = gl + gradient[1, -1] * delta[:, -1]
    for j in range(d1):
        columns = [*range(j * dx, (j + 1) * dx), d1 * dx + j]
        dv = delta[:, d1 * n + j]
        vh, vl = _two_sum(np.full(K, W2[j]), dv)
        th, tl = np.zeros(K), np.zeros(K)
        for k, column in enumerate(columns, start=j * n):
            d = delta[:, column]
            p, e = _two_product(gradient[0, k], d)
            th, f = _two_sum(th, p)
            tl = tl + (f + (e + gradient[1, k] * d))
        p, e = _two_product(vh, th)
        gh, f = _two_sum(gh, p)
        gl = gl + (f + (e + (vh * tl + vl * th)))
        db = delta[:, d1 * dx + j]
        if len(centre):
            bias_out[:, j] = db = _shift(centre, delta[:, j * dx : (j + 1) * dx], db)[0]
        size_out += steep[j] * (np.abs(W2[j] + dv) * np.abs(db) + np.abs(dv) * np.abs(centred_bias[0, j]))
        p, e = _two_product(own[0, j], dv)
        gh, f = _two_sum(gh, p)
        gl = gl + (f + (e + own[1, j] * dv))
    linear_out[0], linear_out[1] = gh, gl


def _dot(rows: F64, u: F64) -> F64:
    """Products of the first columns of `rows` with u, in four strided partial sums."""
    sums = [np.zeros(len(rows)) for _ in range(4)]
    for a in range(len(u)):
        sums[a % 4] = sums[a % 4] + rows[:, a] * u[a]
    return (sums[0] + sums[2]) + (sums[1] + sums[3])


def _squares(u: F64, R: F64) -> F64:
    """Sum of the squares of R u for every column of u, four rows at a time."""
    total = np.zeros(u.shape[1])
    for r in range(0, len(R), 4):
        sums = [np.zeros(u.shape[1]) for _ in range(4)]
        for a in range(r, len(u)):
            for i in range(4):
                sums[i] = sums[i] + R[r + i, a] * u[a]
        s0, s1, s2, s3 = (s * s for s in sums)
        total = total + ((s0 + s1) + (s2 + s3))
    return total


def _stable(row: F64, slope: F64, c: F64, low: F64, n: int, centred: bool) -> float:
    """D of a sample from the affine function of its pattern."""
    u = np.zeros(n)
    for j, s in enumerate(slope):
        u = u + s * c[j * n : (j + 1) * n]
    bias = u[-1] + c[-1]
    if centred:
        hi, lo = c[-1], 0.0
        for j, s in enumerate(slope):
            p, e = _two_product(s, c[(j + 1) * n - 1])
            hi, f = _two_sum(hi, p)
            lo = lo + ((e + s * low[j]) + f)
        bias = hi + lo
    return float(bias + _dot(row[None], u[:-1])[0])


def screened_excess(
    delta: F64,
    W1: F64,
    b1: F64,
    W2: F64,
    s_plus: float,
    s_minus: float,
    gradient: F64,
    own: F64,
    centre: F64,
    centred_bias: F64,
    slopes: F64,
    factor: F64,
    row_start: NDArray[np.int64],
    near_start: NDArray[np.int64],
    panel_start: NDArray[np.int64],
    margin: F64,
    rows: F64,
    near_slopes: F64,
    filter: NDArray[np.float32],
    scale: float,
    variant: int,
    workspace: F64,
    tile: int,
    shared: int,
    numbers: int,
    serial: int,
    reals: F64,
    singles: NDArray[np.float32],
    longs: NDArray[np.int64],
    ints: NDArray[np.int32],
    excess_out: F64,
    changed_out: NDArray[np.int64],
    reach_out: F64,
) -> None:
    """g . c + 1/2 ||R c||^2 and, without filter, the samples within reach one by one."""
    d1, dx = W1.shape
    n = dx + 1
    base = np.column_stack([W1, b1])
    K = len(delta)
    moves = np.empty((K, d1, n))
    moves[:, :, :dx] = delta[:, : d1 * dx].reshape(K, d1, dx)
    moves[:, :, dx] = delta[:, d1 * dx : d1 * n]
    dv, shift = delta[:, d1 * n : d1 * (n + 1)], delta[:, -1]
    c = np.empty((d1 * n + 1, K))
    norm2 = np.zeros((d1, K))
    bias, low = np.empty((d1, K)), np.empty((d1, K))
    c[-1] = shift
    gh, gl = linear = np.empty((2, K))
    none = np.empty((K, d1))
    linear_term(
        gradient, own, W2, centre, centred_bias, np.ones(d1), delta, True, variant, workspace, linear, none,
        np.empty(K),
    )  # fmt: skip
    for j in range(d1):
        d2 = dv[:, j]
        v = W2[j] + d2
        for a in range(n):
            d = moves[:, j, a]
            c[j * n + a] = v * d + d2 * base[j, a]
            norm2[j] = norm2[j] + d * d
        bias[j] = moves[:, j, dx]
        if len(centre):
            bias[j], dl = dh, dl = _shift(centre, moves[:, j, :dx], moves[:, j, dx])
            vh, vl = _two_sum(np.full(K, W2[j]), d2)
            p, e = _two_product(vh, dh)
            r, error = _two_product(d2, centred_bias[0, j])
            e = (e + (vh * dl + vl * dh)) + (error + d2 * centred_bias[1, j])
            dh, f = _two_sum(p, r)
            c[j * n + dx], low[j] = _two_sum(dh, f + e)
    if len(slopes):
        square, R = np.zeros(K), factor[: row_start[-1] * n].reshape(-1, n)
        for k, slope in enumerate(slopes):
            u = np.zeros((n, K))
            u[dx] = shift
            for j in range(d1):
                u = u + slope[j] * c[j * n : (j + 1) * n]
            if len(centre):
                th, tl = shift, np.zeros(K)
                for j in range(d1):
                    p, e = _two_product(slope[j], c[j * n + dx])
                    th, f = _two_sum(th, p)
                    tl = tl + (f + (e + slope[j] * low[j]))
                u[dx] = th + tl
            square = square + _squares(u, R[row_start[k] : row_start[k + 1]])
    else:
        square = _squares(c, factor[: row_start[1] * len(c)].reshape(-1, len(c)))
    excess_out[:] = gh + (gl + 0.5 * square)
    changed_out[:] = 0
    norm = np.sqrt(norm2 + n * 2.0**-1073) * (1.0 + (n + 8) * 2.0**-53)
    reach_out[0] = np.max(norm, initial=0.0)
    pad, chunk = rows.shape[1] - 4, max(1, 256 // (dx + 2)) * 16
    marks = rows.view(np.int32).reshape(len(rows), -1)[:, -2:]
    for k in np.flatnonzero(np.isfinite(excess_out)).tolist():
        total, products = 0.0, 0.0
        earlier: dict[int, float] = {}
        for j in range(d1):
            start, end = int(near_start[j]), int(near_start[j + 1])
            end = start + int(np.searchsorted(margin[start:end], norm[j, k], side="right"))
            up = (W2[j] + dv[k, j]) * (s_plus - s_minus)
            for first in range(start, end, chunk):
                some = rows[first : min(first + chunk, end)]
                z = some[:, pad]
                moved = z + (bias[j, k] + _dot(some, moves[k, j, :dx]))
                sums = [0.0] * 4
                crossing = np.flatnonzero((moved > 0.0) != (z > 0.0))
                for t, i in enumerate(crossing.tolist()):
                    number, pattern = marks[first + i].tolist()
                    linear = some[i, pad + 1] + _stable(
                        some[i, :pad], near_slopes[pattern], c[:, k], low[:, k], n, bool(len(centre))
                    )
                    weight, amount = some[i, pad + 2], up * abs(moved[i])
                    sums[t % 4] += weight * (amount * (linear + 0.5 * amount))
                    if number in earlier:
                        products += weight * (earlier[number] * amount)
                    if number >= 0:
                        earlier[number] = earlier.get(number, 0.0) + amount
                total += (sums[0] + sums[1]) + (sums[2] + sums[3])
                changed_out[k] += len(crossing)
        if changed_out[k]:
            excess_out[k] += total + products
