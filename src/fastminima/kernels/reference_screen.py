"""NumPy twins of `_screen`: the same formulas and, operation by operation, the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ._screen import ScreenProblem, ScreenScratch

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


class _Changes(NamedTuple):
    """What K perturbations change, for the twin of the screened excess.

    rows (K, d1, n) of dw, db; dv (K, d1); effective changes c (q, K) and low words (d1, K) of their biases where centred;
    changes of the biases (d1, K) about the centre; squared norms (d1, K) of the rows.
    """

    rows: F64
    dv: F64
    c: F64
    low: F64
    bias: F64
    norm2: F64


def _changes(problem: ScreenProblem, delta: F64) -> _Changes:
    d1, dx = problem.W1.shape
    n, K = dx + 1, len(delta)
    base = np.column_stack([problem.W1, problem.b1])
    rows = np.empty((K, d1, n))
    rows[:, :, :dx] = delta[:, : d1 * dx].reshape(K, d1, dx)
    rows[:, :, dx] = delta[:, d1 * dx : d1 * n]
    dv = delta[:, d1 * n : d1 * (n + 1)]
    c = np.empty((d1 * n + 1, K))
    norm2 = np.zeros((d1, K))
    bias, low = np.empty((d1, K)), np.empty((d1, K))
    c[-1] = delta[:, -1]
    for j in range(d1):
        d2 = dv[:, j]
        v = problem.W2[j] + d2
        for a in range(n):
            d = rows[:, j, a]
            c[j * n + a] = v * d + d2 * base[j, a]
            norm2[j] = norm2[j] + d * d
        bias[j] = rows[:, j, dx]
        if len(problem.centre):
            bias[j], dl = dh, dl = _shift(problem.centre, rows[:, j, :dx], rows[:, j, dx])
            vh, vl = _two_sum(np.full(K, problem.W2[j]), d2)
            p, e = _two_product(vh, dh)
            r, error = _two_product(d2, problem.centred_bias[0, j])
            e = (e + (vh * dl + vl * dh)) + (error + d2 * problem.centred_bias[1, j])
            dh, f = _two_sum(p, r)
            c[j * n + dx], low[j] = _two_sum(dh, f + e)
    return _Changes(rows, dv, c, low, bias, norm2)


def _form(problem: ScreenProblem, changes: _Changes) -> F64:
    """||R c||^2 for every perturbation."""
    d1, dx = problem.W1.shape
    n, c, row_start = dx + 1, changes.c, problem.row_start
    if not len(problem.slopes):
        return _squares(c, problem.factor[: row_start[1] * len(c)].reshape(-1, len(c)))
    K = c.shape[1]
    square, R = np.zeros(K), problem.factor[: row_start[-1] * n].reshape(-1, n)
    for k, slope in enumerate(problem.slopes):
        u = np.zeros((n, K))
        u[dx] = c[-1]
        for j in range(d1):
            u = u + slope[j] * c[j * n : (j + 1) * n]
        if len(problem.centre):
            th, tl = c[-1], np.zeros(K)
            for j in range(d1):
                p, e = _two_product(slope[j], c[j * n + dx])
                th, f = _two_sum(th, p)
                tl = tl + (f + (e + slope[j] * changes.low[j]))
            u[dx] = th + tl
        square = square + _squares(u, R[row_start[k] : row_start[k + 1]])
    return square


def _walk(problem: ScreenProblem, changes: _Changes, norm: F64, k: int) -> tuple[float, int]:
    """What the samples that change sides add to the excess of perturbation k, and how many do."""
    d1, dx = problem.W1.shape
    pad, chunk = problem.rows.shape[1] - 4, max(1, 256 // (dx + 2)) * 16
    marks = problem.rows.view(np.int32).reshape(len(problem.rows), -1)[:, -2:]
    total, products, count = 0.0, 0.0, 0
    earlier: dict[int, float] = {}
    for j in range(d1):
        start, end = int(problem.near_start[j]), int(problem.near_start[j + 1])
        end = start + int(np.searchsorted(problem.margin[start:end], norm[j, k], side="right"))
        up = (problem.W2[j] + changes.dv[k, j]) * (problem.s_plus - problem.s_minus)
        for first in range(start, end, chunk):
            some = problem.rows[first : min(first + chunk, end)]
            z = some[:, pad]
            moved = z + (changes.bias[j, k] + _dot(some, changes.rows[k, j, :dx]))
            sums = [0.0] * 4
            crossing = np.flatnonzero((moved > 0.0) != (z > 0.0))
            for t, i in enumerate(crossing.tolist()):
                number, pattern = marks[first + i].tolist()
                linear = some[i, pad + 1] + _stable(
                    some[i, :pad], problem.near_slopes[pattern], changes.c[:, k], changes.low[:, k], dx + 1,
                    bool(len(problem.centre)),
                )  # fmt: skip
                weight, amount = some[i, pad + 2], up * abs(moved[i])
                sums[t % 4] += weight * (amount * (linear + 0.5 * amount))
                if number in earlier:
                    products += weight * (earlier[number] * amount)
                if number >= 0:
                    earlier[number] = earlier.get(number, 0.0) + amount
            total += (sums[0] + sums[1]) + (sums[2] + sums[3])
            count += len(crossing)
    return total + products, count


def screened_excess(
    delta: F64,
    scratch: ScreenScratch,
    variant: int,
    excess_out: F64,
    changed_out: NDArray[np.int64],
    norm_out: F64,
) -> None:
    """g . c + 1/2 ||R c||^2 and, without filter, the samples within reach one by one."""
    problem = scratch.problem
    d1, dx = problem.W1.shape
    n, K = dx + 1, len(delta)
    gh, gl = linear = np.empty((2, K))
    linear_term(
        problem.gradient, problem.own, problem.W2, problem.centre, problem.centred_bias, np.ones(d1), delta, True,
        variant, np.empty(0), linear, np.empty((K, d1)), np.empty(K),
    )  # fmt: skip
    changes = _changes(problem, delta)
    excess_out[:] = gh + (gl + 0.5 * _form(problem, changes))
    changed_out[:] = 0
    norm = np.sqrt(changes.norm2 + n * 2.0**-1073) * (1.0 + (n + 8) * 2.0**-53)
    norm_out[0] = np.max(norm, initial=0.0)
    for k in np.flatnonzero(np.isfinite(excess_out)).tolist():
        added, changed_out[k] = _walk(problem, changes, norm, k)
        if changed_out[k]:
            excess_out[k] += added
