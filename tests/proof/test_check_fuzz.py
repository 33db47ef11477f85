"""Certificates altered in every field, and data by an ulp: what is still accepted must be true by another judge.

The judge below is slow and obvious: rationals, sample by sample, with no code of the checker. What theorem 2's judge
cannot decide counts as false; the examples are such that it can.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction as F
from itertools import pairwise
from typing import Any

import pytest
from mpmath import iv

from certificates_by_hand import Case, all_cases, data_words, rational
from decided_by_hand import decided_cases, decided_true
from fastminima.proof import check as checker
from precision import decimal_digits
from profiles import examples
from width_by_hand import width_cases, width_true

working_digits = decimal_digits(80)
CASES = all_cases() | decided_cases() | width_cases()

# ---- the judge -----------------------------------------------------------------------------------------------------


def numbers(words: Any) -> Any:
    return [numbers(part) for part in words] if isinstance(words, list) else rational(words)


def risk(words: Any, rows: list[list[F]], weighted: bool, h: Callable[[F], F]) -> F:
    total = F(0)
    for row in rows:
        *x, y = row[: len(row) - weighted]
        output = rational(words["b2"])
        for w, b, v in zip(words["W1"], words["b1"], words["W2"], strict=True):
            assert len(w) == len(x)
            output += rational(v) * h(sum((rational(a) * c for a, c in zip(w, x, strict=True)), rational(b)))
        total += (row[-1] if weighted else 1) * (output - y) ** 2 / 2
    return total


def theorem1_true(words: dict[str, Any], rows: list[list[F]]) -> bool:
    weighted = words["data"]["weighted"]
    plus, minus = map(F, words["setting"])
    assert plus > 0 <= minus != plus
    dx = len(rows[0]) - 1 - weighted

    def h(t: F) -> F:
        return plus * t if t > 0 else minus * t

    X, y = [[*row[:dx], F(1)] for row in rows], [row[dx] for row in rows]
    w = [row[-1] if weighted else F(1) for row in rows]
    least = best = None
    for claim in words["claims"]:
        kind = claim["claim"]
        if kind == "least squares":
            best = [*map(rational, claim["coef"]), rational(claim["intercept"])]
            r = [sum(a * b for a, b in zip(x, best, strict=True)) - t for x, t in zip(X, y, strict=True)]
            if any(sum(c * e * x[j] for c, e, x in zip(w, r, X, strict=True)) for j in range(dx + 1)):
                return False
            least = sum(c * e * e for c, e in zip(w, r, strict=True)) / 2
            true = rational(claim["risk"]) == least
        elif kind == "no lower risk within":
            net, radius = claim["network"], rational(claim["radius"])
            z = [
                (sum(rational(a) * c for a, c in zip([*row, b], x, strict=True)), sum(c * c for c in x))
                for row, b in zip(net["W1"], net["b1"], strict=True)
                for x in X
            ]
            count = len(net["W1"])
            signs = [{t > 0 for t, _ in z[k * len(X) : (k + 1) * len(X)]} for k in range(count)]
            true = radius > 0 and all(t and t * t >= radius**2 * size for t, size in z)
            true = true and all(len(sign) == 1 for sign in signs)
            true = true and risk(net, rows, weighted, h) - least <= rational(claim["excess"])
        elif kind == "lower risk":
            true = 0 < rational(claim["drop"]) <= least - risk(claim["network"], rows, weighted, h)
        elif kind == "linearly fittable":
            true = least == 0
        elif kind == "set J":
            fitted = [sum(a * b for a, b in zip(x, best, strict=True)) for x in X]
            J = set()
            for level in sorted(set(fitted))[:-1]:
                below = [i for i, f in enumerate(fitted) if f <= level]
                if sum(w[i] * (fitted[i] - y[i]) for i in below):
                    J.add(len(below))
            true = claim["positions"] == sorted(J)
        elif kind in ("local_minimum", "near_minimum", "lower_point"):
            true = decided_true(words["claims"], rows, weighted, (plus, minus))
        elif kind == "no lower risk at width":
            true = width_true(claim, rows, dx, weighted)
        else:
            assert kind == "pure error"
            floor = F(0)
            for x in {tuple(x) for x in X}:
                group = [i for i, other in enumerate(X) if tuple(other) == x]
                mean = sum(w[i] * y[i] for i in group) / sum(w[i] for i in group)
                floor += sum(w[i] * (y[i] - mean) ** 2 for i in group) / 2
            true = rational(claim["floor"]) == floor
        if not true:
            return False
    return True


def hull(low: F, high: F) -> Any:
    a, b = (iv.mpf(v.numerator) / iv.mpf(v.denominator) for v in (low, high))
    return iv.mpf([a.a, b.b])


class Curve:
    """h, h', h'' of a formula by mpmath's intervals; pieces are chosen by the sign of their condition, or both are taken."""

    def __init__(self, formula: Any) -> None:
        self.formula = formula

    def __call__(self, low: F, high: F | None = None) -> list[Any]:
        return self.of(self.formula, hull(low, low if high is None else high))

    def of(self, f: Any, t: Any) -> list[Any]:
        zero, one = iv.mpf(0), iv.mpf(1)
        if f == "t":
            return [t, one, zero]
        if not isinstance(f, list):
            return [hull(F(f), F(f)), zero, zero]
        name, *parts = f
        if name == "if":
            c = self.of(parts[0], t)[0]
            if c.a > 0 or c.b < 0:
                return self.of(parts[1 if c.a > 0 else 2], t)
            both = [self.of(part, t) for part in parts[1:]]
            return [iv.mpf([min(x.a, y.a), max(x.b, y.b)]) for x, y in zip(*both, strict=True)]
        a = self.of(parts[0], t)
        if name == "pow":
            n = parts[1]
            g = [iv.mpf(math.perm(n, k)) * a[0] ** max(n - k, 0) for k in range(3)]
        elif name == "exp":
            g = [iv.exp(a[0])] * 3
        else:
            b = self.of(parts[1], t)
            if name in ("add", "sub"):
                return [x + y if name == "add" else x - y for x, y in zip(a, b, strict=True)]
            assert name == "mul"
            return [a[0] * b[0], a[1] * b[0] + a[0] * b[1], a[2] * b[0] + 2 * a[1] * b[1] + a[0] * b[2]]
        return [g[0], g[1] * a[1], g[2] * a[1] ** 2 + g[1] * a[2]]


def theorem2_true(words: dict[str, Any], rows: list[list[F]]) -> bool:
    (x1, x2, x3), (y1, y2, y3) = [row[:-1] for row in rows], [row[-1] for row in rows]
    assert [a + b for a, b in zip(x1, x2, strict=True)] == [2 * c for c in x3]
    assert x1 != x2
    assert y1 == y2 != y3
    h, k = Curve(words["setting"]), y3 - y1

    def network_risk(net: Any) -> Any:
        total = iv.mpf(0)
        for *x, y in rows:
            output = hull(rational(net["b2"]) - y, rational(net["b2"]) - y)
            for w, b, v in zip(net["W1"], net["b1"], net["W2"], strict=True):
                z = sum((rational(a) * c for a, c in zip(w, x, strict=True)), rational(b))
                output += hull(rational(v), rational(v)) * h(z)[0]
            total += output**2 / 2
        return total

    for claim in words["claims"]:
        net = claim["network"]
        found = network_risk(net)
        if claim["claim"] == "zero risk":
            true = bool(found.b <= hull(rational(claim["risk"]), rational(claim["risk"])).b) and fits(
                net, rows, h
            )
        else:
            excess = rational(claim["excess"]) + k * k / 3
            true = bool(found.a <= hull(excess, excess).b) and radius_true(
                net, rational(claim["radius"]), rows, h, k
            )
        if not true:
            return False
    return True


def fits(net: Any, rows: list[list[F]], h: Curve) -> bool:
    """Output weights for 0, 0, k, by Cramer's rule on the samples' outputs (units and bias): for two units, or for one."""
    values = [
        [h(sum((rational(a) * c for a, c in zip(w, x, strict=True)), rational(b)))[0] for *x, _ in rows]
        for w, b in zip(net["W1"], net["b1"], strict=True)
    ]
    for n, a in enumerate(values):
        if a[0].a == a[0].b == a[1].a == a[1].b and (a[2].a > a[0].b or a[2].b < a[0].a):
            return True
        for b in values[:n]:
            D = a[0] * (b[1] - b[2]) - a[1] * (b[0] - b[2]) + a[2] * (b[0] - b[1])
            if D.a > 0 or D.b < 0:
                return True
    return False


def radius_true(net: Any, R: F, rows: list[list[F]], h: Curve, k: F) -> bool:
    """Each unit at its worst on the whole ball: enough for the examples here."""
    if not 0 < R <= min(abs(rational(v)) for v in net["W2"]):
        return False
    rising, falling = iv.mpf(0), []
    for w, b, v in zip(net["W1"], net["b1"], net["W2"], strict=True):
        ends = []
        for *x, _ in rows:
            z = sum((rational(a) * c for a, c in zip(w, x, strict=True)), rational(b))
            norm = F(math.isqrt(int((1 + sum(c * c for c in x)) * 2**80)) + 1, 2**40)
            ends += [z - R * norm, z + R * norm]
        low, high = min(ends), max(ends)
        sign = 1 if k * rational(v) > 0 else -1
        steps = [low + (high - low) * F(i, 64) for i in range(65)]
        jets = [h(a, c) for a, c in pairwise(steps)]
        if all(sign * jet[2].a >= 0 and sign * jet[2].b >= 0 for jet in jets) and slopes_rise(jets, sign):
            if all(jet[2].a > 0 or jet[2].b < 0 for jet in jets):
                worst = max((3 * jet[1] ** 2).b for jet in jets) / min(abs(jet[2]).a for jet in jets)
                rising += hull(abs(rational(v)) + R, abs(rational(v)) + R) * iv.mpf(worst)
            else:
                rising += iv.inf
        else:
            least = min((jet[1] ** 2).a for jet in jets)
            falling.append(
                hull(abs(rational(v)) - R, abs(rational(v)) - R)
                * 3
                * least
                / max(abs(jet[2]).b for jet in jets)
            )
    if not falling:
        return True
    return len(falling) == 1 and bool((hull(abs(k), abs(k)) + rising).b <= falling[0].a)


def slopes_rise(jets: list[Any], sign: int) -> bool:
    """Where pieces meet inside a part both slopes are in its interval; its middle lies between the others if h is convex."""
    middles = [jet[1].mid * sign for jet in jets]
    return all(bool(a <= b + 1e-12) for a, b in pairwise(middles))


def theorem4_true(words: dict[str, Any], rows: list[list[F]]) -> bool:
    bias, weights = words["setting"]["bias"], [numbers(W) for W in words["setting"]["weights"]]
    dx, dy = words["data"]["columns"], words["data"]["targets"]
    samples = [([*row[:dx], *[F(1)] * bias], row[dx:]) for row in rows]
    assert all(len(y) == dy for _, y in samples)

    def apply(layers: list[Any], x: list[F]) -> list[F]:
        for W in layers:
            x = [sum(a * b for a, b in zip(row, x, strict=True)) for row in W]
        return x

    def loss(layers: list[Any]) -> F:
        return sum((f - t) ** 2 for x, y in samples for f, t in zip(apply(layers, x), y, strict=True)) / F(2)

    # backward, sample by sample
    n = len(samples[0][0])
    G = [[F(0)] * n for _ in range(dy)]
    for x, y in samples:
        error = [f - t for f, t in zip(apply(weights, x), y, strict=True)]
        G = [[g + e * c for g, c in zip(row, x, strict=True)] for row, e in zip(G, error, strict=True)]

    def critical() -> bool:
        for j in range(len(weights)):
            for a in range(len(weights[j])):
                for b in range(len(weights[j][0])):
                    unit = [
                        [F(r == a and c == b) for c in range(len(weights[j][0]))]
                        for r in range(len(weights[j]))
                    ]
                    turned = [*weights[:j], unit, *weights[j + 1 :]]
                    columns = [apply(turned, [F(i == c) for i in range(n)]) for c in range(n)]
                    if sum(G[i][c] * columns[c][i] for c in range(n) for i in range(dy)):
                        return False
        return True

    for claim in words["claims"]:
        kind = claim["claim"]
        if kind == "global minimum":
            true = not any(map(any, G))
        elif kind == "escape":
            pair = [numbers(claim[name]) for name in ("up", "down")]
            true = loss(pair[0]) > loss(weights) > loss(pair[1]) and rational(claim["radius"]) > 0
            for layers in pair:
                for V, W in zip(layers, weights, strict=True):
                    moved = sum(
                        (a - b) ** 2 for v, w in zip(V, W, strict=True) for a, b in zip(v, w, strict=True)
                    )
                    true = true and moved <= rational(claim["radius"]) ** 2
        else:
            assert kind == "saddle"
            layers, turned = weights, G
            if claim["transposed"]:
                layers = [[list(c) for c in zip(*W, strict=True)] for W in reversed(weights)]
                turned = [list(c) for c in zip(*G, strict=True)]
            v1, j = numbers(claim["v1"]), claim["j"]
            true = (
                critical()
                and turned[claim["a"]][claim["b"]] != 0
                and 2 <= j == len(layers) - len(claim["left"])
            )
            true = true and not any(apply(layers[1:j], v1)) and any(apply(layers[1 : j - 1], v1))
            for k, words_of_v in enumerate(claim["left"], j):
                v = numbers(words_of_v)
                size = len(layers[1][0])
                columns = [apply(layers[1:k], [F(i == c) for i in range(size)]) for c in range(size)]
                true = (
                    true
                    and any(v)
                    and not any(sum(a * b for a, b in zip(v, c, strict=True)) for c in columns)
                )
        if not true:
            return False
    return True


def judge(text: str, rows: list[list[Any]]) -> bool:
    """Is everything the certificate says true of the rows?"""
    words = json.loads(text)
    data = words["data"]
    if data != data_words(rows, data["columns"], data["targets"], data["weighted"]):
        return False
    if data["columns"] + data["targets"] + data["weighted"] != len(rows[0]):
        return False
    exact = [[rational(v) for v in row] for row in rows]
    if data["weighted"] and min(row[-1] for row in exact) <= 0:
        return False
    return {1: theorem1_true, 2: theorem2_true, 4: theorem4_true}[words["theorem"]](words, exact)


@pytest.mark.parametrize("name", CASES)
def test_the_judge_finds_the_examples_true(name):
    assert judge(CASES[name].text, CASES[name].rows)


# ---- alterations ---------------------------------------------------------------------------------------------------


def places(words: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = words.items() if isinstance(words, dict) else enumerate(words) if isinstance(words, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def get(words: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        words = words[key]
    return words


def altered_word(text: str, rng: random.Random) -> str:
    """A number by a unit in its last place, its sign, an eighth, its reciprocal; a text by a letter."""
    try:
        value = rational(text)
    except (ValueError, ZeroDivisionError):
        i = rng.randrange(len(text) + 1)
        return rng.choice(
            [text[:i] + rng.choice("01/-e x") + text[i:], text[:i] + text[i + 1 :], text.swapcase(), ""]
        )
    unit = F(1, value.denominator)
    return rng.choice(
        [
            str(value + unit),
            str(value - unit),
            str(-value),
            str(value * F(9, 8)),
            str(value * F(7, 8)),
            str(value + F(1, 2**60)),
            str(value - F(1, 10**45)),
            str(1 / value) if value else "1",
            text + rng.choice([" ", "0", "/1", ".0", "e0"]),
            "0",
            f"{2 * value.numerator}/{2 * value.denominator}",
        ]
    )


def alter(made: Case, rng: random.Random) -> str:
    """Changes one thing, and says which."""
    before = made.text, repr(made.rows)
    while True:
        what = altered(made, rng)
        if (made.text, repr(made.rows)) != before:
            return what


def altered(made: Case, rng: random.Random) -> str:
    if rng.random() < 0.05:
        i, j = rng.randrange(len(made.rows)), rng.randrange(len(made.rows[0]))
        value = made.rows[i][j]
        nudged = (
            math.nextafter(value, rng.choice([-math.inf, math.inf]))
            if isinstance(value, float)
            else value + F(1, 3**40)
        )
        made.rows[i][j] = nudged
        data = made.words.get("data")
        if rng.random() < 0.5 and isinstance(data, dict) and {"columns", "targets", "weighted"} <= set(data):
            made.words["data"] = data_words(made.rows, data["columns"], data["targets"], data["weighted"])
        return f"row {i}, column {j}"
    path = rng.choice([p for p in places(made.words) if p])
    parent, key, old = get(made.words, path[:-1]), path[-1], get(made.words, path)
    kind = rng.choice(["value", "value", "value", "value", "swap", "drop", "double", "name", "other"])
    if kind == "swap":
        same = [p for p in places(made.words) if p and p != path and type(get(made.words, p)) is type(old)]
        other = rng.choice(same) if same else path
        if path[: len(other)] == other or other[: len(path)] == path:
            return "nothing"
        value = copy.deepcopy(get(made.words, other))
        get(made.words, other[:-1])[other[-1]] = copy.deepcopy(old)
        parent[key] = value
    elif kind == "drop":
        del parent[key]
    elif kind == "double":
        if isinstance(parent, list):
            parent.insert(key, copy.deepcopy(old))
        else:
            parent[str(key) + "2"] = copy.deepcopy(old)
    elif kind == "name" and isinstance(parent, dict):
        parent[rng.choice([str(key).upper(), str(key)[:-1], "t", "claim", "W1"])] = parent.pop(key)
    elif kind == "other":
        parent[key] = rng.choice([None, True, False, 0, 1, -1, 2.0, "1", [], {}, ["1"], [["0"]], "t", 10**30])
    elif isinstance(old, str):
        parent[key] = altered_word(old, rng)
    elif type(old) is bool:
        parent[key] = not old
    elif isinstance(old, int):
        parent[key] = old + rng.choice([-1, 1])
    elif isinstance(old, list):
        parent[key] = rng.choice([old[::-1], old[1:], old + old[-1:], [old]])
    else:
        return "nothing"
    return f"{kind} at {'/'.join(map(str, path))}"


def decided(text: str, rows: list[list[Any]]) -> bool:
    try:
        return judge(text, rows)
    except (AssertionError, ArithmeticError, AttributeError, KeyError, IndexError, TypeError, ValueError):
        return False


# the mixed case takes longest
SHARES = {"cube": 0.3}


@pytest.mark.parametrize("name", CASES)
def test_nothing_false_is_accepted(name):
    rng, kinds = random.Random(f"alter {name}"), Counter()
    for _ in range(int(examples(40) * SHARES.get(name, 1))):
        made = CASES[name].copy()
        what = alter(made, rng)
        while rng.random() < 0.15:
            what += ", " + alter(made, rng)
        found = checker.check(made.text, made.read)
        kinds[found.accepted] += 1
        if found:
            assert decided(made.text, made.rows), f"accepted though false or undecided: {what}\n{made.text}"
    assert kinds[False] > kinds[True]


# numbers that are stated as they are, and one that is a distance and no radius of a ball around a minimum
AS_THEY_ARE = ("least squares", "escape", "near_minimum")
WEAKER = {"radius": F(7, 8), "radius_squared": F(7, 8), "drop": F(7, 8), "excess": F(9, 8), "risk": F(9, 8)}


def test_what_is_true_and_weaker_is_accepted():
    """A smaller radius or drop and a larger excess or risk are true as well; the least step beyond the truth is not."""
    for name, made in CASES.items():
        for i, claim in enumerate(made.words["claims"]):
            kind = claim["claim"]
            for field, factor in WEAKER.items():
                stated = kind in AS_THEY_ARE or (kind, field) == ("local_minimum", "risk")
                if claim.get(field) is not None and not stated:
                    weaker = made.copy()
                    if (kind, field) == ("lower_point", "radius"):
                        factor = 1 / factor
                    weaker.words["claims"][i][field] = str(rational(claim[field]) * factor)
                    assert checker.check(weaker.text, weaker.read), (name, field)
            for field in ("drop", "risk", "floor", "radius", "radius_squared", "excess"):
                if made.words["theorem"] == 1 and claim.get(field) is not None and kind != "lower_point":
                    stronger = made.copy()
                    step = F(-1 if field == "excess" else 1, 2**99)
                    stronger.words["claims"][i][field] = str(rational(claim[field]) + step)
                    assert not checker.check(stronger.text, stronger.read), (name, field)


@pytest.mark.parametrize("name", [name for name in CASES if name != "rationals"])
def test_an_ulp_in_the_data_is_noticed(name):
    made = CASES[name]
    for i, row in enumerate(made.rows):
        for j, value in enumerate(row):
            changed = made.copy()
            changed.rows[i][j] = math.nextafter(value, math.inf)
            found = checker.check(changed.text, changed.read)
            assert "these are not the data" in found.reason or "no float64" in found.reason
