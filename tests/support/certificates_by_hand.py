"""Certificates of all theorems and kinds of claim, made with the standard library alone: nothing here imports fastminima."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import struct
from dataclasses import dataclass
from fractions import Fraction as F
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Case:
    """The content of a certificate, and the rows it is about."""

    words: dict[str, Any]
    rows: list[list[Any]]

    @property
    def text(self) -> str:
        return json.dumps(self.words)

    def copy(self) -> Case:
        return Case(copy.deepcopy(self.words), copy.deepcopy(self.rows))

    def read(self) -> list[list[Any]]:
        return self.rows


def data_words(rows: list[list[Any]], dx: int, dy: int, weighted: bool) -> dict[str, Any]:
    floats = all(float(v) == v for row in rows for v in row)
    lines = [
        struct.pack(f"<{len(row)}d", *(v + 0.0 for v in row))
        if floats
        else (",".join(str(F(v)) for v in row) + "\n").encode()
        for row in rows
    ]
    total = sum(int.from_bytes(hashlib.blake2s(line).digest(), "little") for line in lines) % 2**256
    return {
        "rows": len(rows),
        "columns": dx,
        "targets": dy,
        "weighted": weighted,
        "numbers": "float64" if floats else "rational",
        "sha256": hashlib.sha256(b"".join(lines)).hexdigest(),
        "unordered": f"{total:064x}",
    }


def case(
    theorem: int, rows: list[list[Any]], shape: tuple[int, int, bool], setting: Any, claims: list[Any]
) -> Case:
    data = data_words(rows, *shape)
    words = {
        "format": "fastminima certificate",
        "version": 1,
        "theorem": theorem,
        "meaning": "binary" if data["numbers"] == "float64" else "rational",
        "data": data,
        "setting": setting,
        "claims": claims,
    }
    return Case(words, rows)


def text_of(value: Any) -> Any:
    """Rationals as words, in nested lists."""
    return [text_of(part) for part in value] if isinstance(value, list) else str(F(value))


def rational(word: Any) -> F:
    """A number, or a word for one: "p", "p/q" or "p/2^k"."""
    p, power, k = str(word).partition("/2^")
    return F(int(p), 2 ** int(k)) if power else F(word)


def network(W1: Any, b1: Any, W2: Any, b2: Any) -> dict[str, Any]:
    return {"W1": text_of(W1), "b1": text_of(b1), "W2": text_of(W2), "b2": text_of(b2)}


def solve(A: list[list[F]], b: list[F]) -> list[F]:
    """A solution of A x = b for a symmetric positive semidefinite A with b in its range."""
    n, rows = len(A), [[F(v) for v in row] + [F(c)] for row, c in zip(A, b, strict=True)]
    pivots = []
    for k in range(n):
        used = len(pivots)
        found = next((i for i in range(used, n) if rows[i][k]), None)
        if found is None:
            continue
        rows[used], rows[found] = rows[found], rows[used]
        rows[used] = [v / rows[used][k] for v in rows[used]]
        for i in range(n):
            if i != used:
                rows[i] = [v - rows[i][k] * p for v, p in zip(rows[i], rows[used], strict=True)]
        pivots.append(k)
    x = [F(0)] * n
    for row, k in zip(rows, pivots, strict=False):
        x[k] = row[-1]
    return x


def theorem1(
    rows: list[list[Any]], weighted: bool, slopes: tuple[Any, Any], *, better: bool = True, width: int = 2
) -> Case:
    """Least squares, the minimum of section 1, case 1's point where J has members, J, the floor."""
    dx = len(rows[0]) - 1 - weighted
    X = [[F(v) for v in row[:dx]] + [F(1)] for row in rows]
    y, w = [F(row[dx]) for row in rows], [F(row[-1]) if weighted else F(1) for row in rows]
    gram = [
        [sum(c * a[i] * a[j] for a, c in zip(X, w, strict=True)) for j in range(dx + 1)]
        for i in range(dx + 1)
    ]
    moment = [sum(c * a[i] * t for a, t, c in zip(X, y, w, strict=True)) for i in range(dx + 1)]
    fit = solve(gram, moment)
    fitted = [sum(a * b for a, b in zip(x, fit, strict=True)) for x in X]
    residual = [(f - t) * c for f, t, c in zip(fitted, y, w, strict=True)]
    risk = sum(c * (f - t) ** 2 for f, t, c in zip(fitted, y, w, strict=True)) / 2
    s, total = F(slopes[0]), F(slopes[0]) + F(slopes[1])
    eta = min(F(-1), 2 * min(fitted))
    W1 = [fit[:dx], *[[F(0)] * dx] * (width - 1)]
    b1 = [fit[dx] - eta, *[-eta] * (width - 1)]
    least = min(
        (sum(a * b for a, b in zip([*row, bias], x, strict=True))) ** 2 / sum(a * a for a in x)
        for row, bias in zip(W1, b1, strict=True)
        for x in X
    )
    radius = F(math.isqrt(least.numerator * 4**100 // least.denominator), 2**100)
    claims: list[dict[str, Any]] = [
        {
            "claim": "least squares",
            "coef": text_of(fit[:dx]),
            "intercept": text_of(fit[dx]),
            "risk": text_of(risk),
        },
        {
            "claim": "no lower risk within",
            "network": network(W1, b1, [1 / s, *[F(0)] * (width - 1)], eta),
            "radius": text_of(radius),
            "excess": "0",
        },
    ]
    order = sorted(range(len(rows)), key=lambda i: fitted[i])
    S, J = F(0), []
    for n, i in enumerate(order[:-1], 1):
        S += residual[i]
        if S and fitted[i] < fitted[order[n]]:
            J.append((n, S, fitted[i], fitted[order[n]]))
    if better and J:
        n, S, low, high = J[0]
        kappa = (s - F(slopes[1])) / total
        u = max(-abs(kappa) * (high - low) / 4, min(abs(kappa) * (high - low) / 4, 2 * S / sum(w)))
        gamma, beta = u / kappa, (low + high) / 2
        point = network(
            [fit[:dx], [-v for v in fit[:dx]]],
            [fit[dx] - beta + gamma, -fit[dx] + beta + gamma],
            [1 / total, -1 / total],
            beta,
        )
        claims.append(
            {"claim": "lower risk", "network": point, "drop": text_of(2 * u * S - sum(w) * u * u / 2)}
        )
    if risk == 0:
        claims.append({"claim": "linearly fittable"})
    claims.append({"claim": "set J", "positions": [n for n, *_ in J]})
    groups: dict[Any, list[Any]] = {}
    for x, t, c in zip(X, y, w, strict=True):
        groups.setdefault(tuple(x), []).append((t, c))
    floor = F(0)
    for group in groups.values():
        mean = sum(t * c for t, c in group) / sum(c for _, c in group)
        floor += sum(c * (t - mean) ** 2 for t, c in group) / 2
    claims.append({"claim": "pure error", "floor": text_of(floor)})
    return case(1, rows, (dx, 1, weighted), text_of(list(slopes)), claims)


TRIPLE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 1.0]]
EXPONENTIAL = ["sub", ["exp", "t"], 1]
CUBE = ["pow", "t", 3]
RELU = ["if", "t", "t", 0]


def theorem2(formula: Any, low: dict[str, Any], radius: Any, zero: dict[str, Any], risk: Any) -> Case:
    claims = [
        {
            "claim": "no lower risk within",
            "network": low,
            "radius": text_of(radius),
            "excess": text_of(F(1, 10**50)),
        },
        {"claim": "zero risk", "network": zero, "risk": text_of(risk)},
    ]
    return case(2, TRIPLE, (2, 1, False), formula, claims)


def cube() -> Case:
    """One unit bends against its weight: h = t^3 at 1 and -3, weights 1/10 and 1."""
    low = network([[1, 1], [-3, -3]], [0, 0], [F(1, 10), 1], F(1, 3) - F(1, 10) + 27)
    t, p, q = F(1), F(-2), F(4)
    h = lambda x: (x + t) ** 3 - t**3  # noqa: E731
    D = h(q) * h(p / 2) - h(p) * h(q / 2)
    weights = [h(q) / D, -h(p) / D]
    zero = network([[p, 0], [q, 0]], [t, t], weights, -sum(weights) * t**3)
    return theorem2(CUBE, low, F(1, 10), zero, F(1, 10**50))


def relu() -> Case:
    """The paper's form, exactly: h(v1) h(v4) = h(v2) h(v3) by two zeros."""
    low = network([[F(1, 4), F(1, 4)]] * 2, [0, 0], [F(2, 3)] * 2, 0)
    zero = network([[0, 2], [-2, 1]], [0, 0], [1, -2], 0)
    return theorem2(RELU, low, F(1, 8), zero, F(1, 10**50))


def exponential() -> Case:
    """A network of any risk whose hidden units can fit."""
    low = network([[1, 1]], [0], [F(1, 2)], F(1, 3) - F(859140914229522, 10**15))
    zero = network([[0, 2], [-2, 1]], [0, 0], [1, -2], 0)
    made = theorem2(EXPONENTIAL, low, F(1, 2), zero, F(100))
    made.words["claims"][0]["excess"] = text_of(F(1, 10**12))
    return made


def zero_matrix(rows: int, columns: int) -> list[list[F]]:
    return [[F(0)] * columns for _ in range(rows)]


def saddle(dx: int, dy: int, hidden: list[int], bias: bool) -> Case:
    """All weights 0: critical, with G = -B."""
    rows = [
        [F((3 * i + j * j) % 5 - 1, 2) for j in range(dx)] + [F((i * i + 2 * j) % 7, 4) for j in range(dy)]
        for i in range(6)
    ]
    rows = [[float(v) for v in row] for row in rows]
    n, layers = dx + bias, len(hidden) + 1
    weights = [zero_matrix(a, b) for b, a in pairwise([n, *hidden, dy])]
    X = [[F(v) for v in row[:dx]] + [F(1)] * bias for row in rows]
    Y = [[F(v) for v in row[dx:]] for row in rows]
    G = [[-sum(y[i] * x[j] for x, y in zip(X, Y, strict=True)) for j in range(n)] for i in range(dy)]
    a, b = next((i, j) for i in reversed(range(dy)) for j in reversed(range(n)) if G[i][j])
    transposed = dy > n
    widths = hidden[::-1] if transposed else hidden
    units = [["1"] + ["0"] * (width - 1) for width in widths]
    step = F(1, 10)
    pair = []
    for sign in (1, -1):
        moved = copy.deepcopy(weights)
        moved[0][0][b] = step
        for W in moved[1:-1]:
            W[0][0] = step
        moved[-1][a][0] = step * sign * (1 if G[a][b] > 0 else -1)
        pair.append(text_of(moved))
    # the change is <G, D> + O(D^2), and D = step^layers at one entry
    claims = [
        {
            "claim": "saddle",
            "transposed": transposed,
            "a": b if transposed else a,
            "b": a if transposed else b,
            "j": 2,
            "v1": units[0],
            "left": units[1:],
        },
        {"claim": "escape", "up": pair[0], "down": pair[1], "radius": text_of(step)},
    ]
    assert len(claims[0]["left"]) == layers - 2  # type: ignore[arg-type]
    return case(4, rows, (dx, dy, False), {"weights": text_of(weights), "bias": bias}, claims)


def half_trained() -> Case:
    """W_1 = 0 and W_2 has learnt towards a target that is 0: critical, with a null space that is not everything."""
    rows = [[1.0, 0.5, 2.0, 0.0], [0.0, 1.0, 1.0, 0.0], [2.0, -1.0, 0.25, 0.0]]
    weights = [zero_matrix(2, 2), [[0, 0], [1, 0]]]
    claim = {"claim": "saddle", "transposed": False, "a": 0, "b": 0, "j": 2, "v1": ["0", "1"], "left": []}
    return case(4, rows, (2, 2, False), {"weights": text_of(weights), "bias": False}, [claim])


def minimum() -> Case:
    """Targets that the product of the weights fits."""
    weights = [[[1, 2], [0, 1]], [[2, 1]]]
    rows = [[float(i), float(i * i % 5), 2.0 * (i + 2 * (i * i % 5)) + float(i * i % 5)] for i in range(5)]
    setting = {"weights": text_of(weights), "bias": False}
    return case(4, rows, (2, 1, False), setting, [{"claim": "global minimum"}])


def all_cases() -> dict[str, Case]:
    noisy = [
        [0.0, 1.0, 3.0],
        [1.0, -2.0, 0.5],
        [2.0, 0.25, -1.0],
        [1.0, -2.0, 2.5],
        [3.0, 1.5, 0.0],
        [-1.0, 4.0, 1.0],
    ]
    weights = [[*row, w] for row, w in zip(noisy, [1.0, 0.5, 2.0, 3.0, 0.25, 1.0], strict=True)]
    thirds = [[F(v) / 3 for v in row] for row in noisy]
    xor = [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    line = [[float(i), 3.0 * i - 7.0] for i in range(4)]
    ties = [[x, sign * y] for x, y in ((0.0, 0.5), (1.0, 1.0), (2.0, 0.25)) for sign in (1, -1)]
    centred = [[-1.0, 1.0], [0.0, 3.0], [1.0, 0.5]]
    return {
        "floats": theorem1(noisy, False, (1, 0)),
        "weights": theorem1(weights, True, (1, F(1, 100))),
        "rationals": theorem1(thirds, False, (F(1, 2), 3), width=3),
        "xor": theorem1(xor, False, (1, 0)),
        "a line": theorem1(line, False, (1, 0), width=1),
        "ties": theorem1(ties, False, (1, 0)),
        "centred": theorem1(centred, False, (1, 0)),
        "one row": theorem1([[3.0, 4.0]], False, (1, 0)),
        "no inputs": theorem1([[0.0], [1.0], [5.0]], False, (2, 1)),
        "cube": cube(),
        "relu": relu(),
        "exponential": exponential(),
        "saddle": saddle(2, 2, [2], False),
        "deep saddle": saddle(2, 1, [2, 3], True),
        "wide saddle": saddle(1, 3, [2, 3], False),
        "half trained": half_trained(),
        "minimum": minimum(),
    }
