"""Local minima with numbers found by hand, as certificates, and a slow judge of such claims: the standard library alone."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction as F
from typing import Any

from certificates_by_hand import Case, case, network, rational, text_of

# ---- the judge -----------------------------------------------------------------------------------------------------


class Facts:
    """What a network is on some rows, in rationals: G and z by distinct inputs, P of every unit, the risk."""

    def __init__(self, net: Any, rows: list[list[F]], weighted: bool, slopes: tuple[F, F]) -> None:
        self.units = [
            ([rational(v) for v in w] + [rational(b)], rational(a))
            for w, b, a in zip(net["W1"], net["b1"], net["W2"], strict=True)
        ]
        self.b2, self.slopes = rational(net["b2"]), slopes
        self.c = (slopes[0] - slopes[1]) / 2
        self.G: dict[tuple[F, ...], F] = {}
        self.risk = F(0)
        for row in rows:
            *x, y = row[: len(row) - weighted]
            x, w = (*x, F(1)), row[-1] if weighted else F(1)
            assert all(len(u) == len(x) for u, _ in self.units)
            error = self.b2 + sum((a * self.h(dot(u, x)) for u, a in self.units), F(0)) - y
            self.G[x] = self.G.get(x, F(0)) + w * error
            self.risk += w * error * error / 2

    def h(self, t: F) -> F:
        return t * self.slopes[t < 0]

    def rate(self, k: int, v: Iterable[F]) -> F:
        """phi_k(v), from what h does to first order."""
        u, v = self.units[k][0], list(v)
        total = F(0)
        for x, g in self.G.items():
            z, step = dot(u, x), dot(v, x)
            total += g * (self.h(step) if z == 0 else step * self.slopes[z < 0])
        return total

    def kinks(self, k: int) -> list[tuple[F, ...]]:
        return [x for x, g in self.G.items() if g and dot(self.units[k][0], x) == 0]

    def vanishes(self, k: int) -> bool:
        n = len(self.units[k][0])
        axes = [[F(i == j) for i in range(n)] for j in range(n)]
        return not self.kinks(k) and not any(self.rate(k, v) for v in axes)

    def falls_nowhere(self, k: int) -> bool:
        """Only on the line is more than "everywhere 0" decided: by the boundaries of the kinks and what lies between."""
        kinks, a = self.kinks(k), self.units[k][1]
        if not a or not kinks:
            return self.vanishes(k)
        assert len(kinks[0]) == 2
        rays = [(x[1], -x[0]) for x in kinks] + kinks
        rays += [(-v, -w) for v, w in rays]
        return all(a * self.rate(k, v) >= 0 for v in rays)

    def is_minimum(self) -> bool:
        return sum(self.G.values()) == 0 and all(self.falls_nowhere(k) for k in range(len(self.units)))

    def radius_squared(self) -> F | None:
        if not any(self.G.values()):
            return None
        found = []
        for k, (u, a) in enumerate(self.units):
            far = {x: dot(u, x) ** 2 / dot(x, x) for x, g in self.G.items() if g and dot(u, x)}
            least = min([a * a, *(t for x, t in far.items() if a * self.c * self.G[x] < 0)])
            found.append(max(least, min(far.values())) if self.vanishes(k) else least)
        return min(found)

    def theta(self) -> list[F]:
        return [v for u, a in self.units for v in (*u, a)] + [self.b2]

    def holds(self, other: Facts) -> bool:
        """Is another network in the cone?"""
        for k, ((u, a), (v, b)) in enumerate(zip(self.units, other.units, strict=True)):
            turned = [x for x, g in self.G.items() if g and dot(u, x) * dot(v, x) < 0]
            kept = (b == 0 if a == 0 else a * b >= 0) and all(a * self.c * self.G[x] >= 0 for x in turned)
            if not kept and not (self.vanishes(k) and not turned):
                return False
        return True


def dot(a: Iterable[F], b: Iterable[F]) -> F:
    return sum((p * q for p, q in zip(a, b, strict=True)), F(0))


def squared_distance(a: Facts, b: Facts) -> F:
    return sum(((p - q) ** 2 for p, q in zip(a.theta(), b.theta(), strict=True)), F(0))


def decided_true(claims: list[Any], rows: list[list[F]], weighted: bool, slopes: tuple[F, F]) -> bool:
    """Are the claims about local minima among `claims` true?"""
    low: Facts | None = None
    radius: F | None = None
    for claim in claims:
        if claim["claim"] == "local_minimum":
            low = Facts(claim["network"], rows, weighted, slopes)
            most = low.radius_squared()
            radius = None if claim["radius_squared"] is None else rational(claim["radius_squared"])
            true = low.is_minimum() and low.risk == rational(claim["risk"])
            true = true and (most is None or (radius is not None and 0 < radius <= most))
        elif claim["claim"] == "near_minimum":
            assert low is not None
            near = Facts(claim["network"], rows, weighted, slopes)
            square = squared_distance(low, near)
            true = square == rational(claim["distance_squared"])
            true = true and near.risk - low.risk == rational(claim["excess"]) >= 0
            true = true and (not claim["in_ball"] or radius is None or square < radius)
            true = true and (not claim["in_region"] or low.holds(near))
            true = true and (claim["in_ball"] or claim["in_region"])
        elif claim["claim"] == "lower_point":
            pair = [Facts(claim[name], rows, weighted, slopes) for name in ("network", "lower")]
            true = 0 < rational(claim["drop"]) <= pair[0].risk - pair[1].risk
            if claim["radius"] is not None:
                radius_of = rational(claim["radius"])
                true = true and radius_of >= 0 and squared_distance(*pair) <= radius_of**2
        else:
            continue
        if not true:
            return False
    return True


# ---- examples ------------------------------------------------------------------------------------------------------


def minimum_of(net: Any, risk: Any, radius_squared: Any, units: list[Any]) -> dict[str, Any]:
    square = None if radius_squared is None else text_of(radius_squared)
    return {
        "claim": "local_minimum",
        "network": net,
        "risk": text_of(risk),
        "radius_squared": square,
        "units": units,
    }


def near(net: Any, square: Any, excess: Any, in_ball: bool, in_region: bool) -> dict[str, Any]:
    return {
        "claim": "near_minimum",
        "network": net,
        "distance_squared": text_of(square),
        "excess": text_of(excess),
        "in_ball": in_ball,
        "in_region": in_region,
    }


def kink() -> Case:
    """x = -3..3: a kink at x = 1 with lambda = -3/26, d = 9/26; a network near by; a lower point."""
    rows = [[float(x), y] for x, y in zip(range(-3, 4), [2.0, -3, -2, -2, -2, 2, 3], strict=True)]
    low = network([[F(31, 13)]], [F(-31, 13)], [1], F(-17, 13))
    start = network([[F(12, 5)]], [F(-23, 10)], [1], F(-13, 10))
    square = F(1, 65) ** 2 + F(11, 130) ** 2 + F(1, 130) ** 2
    excess = Facts(start, [list(map(F, r)) for r in rows], False, (F(1), F(0))).risk - F(106, 13)
    claims = [
        minimum_of(low, F(106, 13), 1, [[["-3/26"]]]),
        near(start, square, excess, True, True),
        {
            "claim": "lower_point",
            "network": start,
            "lower": low,
            "drop": text_of(excess),
            "radius": text_of(F(87, 1000)),
        },
    ]
    return case(1, rows, (1, 1, False), ["1", "0"], claims)


def merged() -> Case:
    """The same, the row of the kink in two halves that differ, and a second unit that is dead."""
    rows = [[float(x), y, 1.0] for x, y in zip(range(-3, 4), [2.0, -3, -2, -2, -2, 2, 3], strict=True)]
    rows[4:5] = [[1.0, -1.0, 0.5], [1.0, -3.0, 0.5]]
    low = network([[F(31, 13)], [0]], [F(-31, 13), -100], [1, -3], F(-17, 13))
    far = network([[5], [0]], [-5, 100], [F(1, 7), -3], F(-17, 13))
    rounded = network([[F(31, 13)], [F(1, 2)]], [F(-31, 13), -100], [F(3, 2), 5], F(-17, 13))
    claims = [minimum_of(low, F(106, 13) + F(1, 2), 1, [[["-3/26"]], "zero"])]
    exact = [list(map(F, r)) for r in rows]
    facts = [Facts(net, exact, True, (F(1), F(0))) for net in (low, rounded)]
    claims.append(
        near(rounded, squared_distance(*facts), facts[1].risk - facts[0].risk, False, True),
    )
    other = Facts(far, exact, True, (F(1), F(0)))
    assert other.risk > facts[1].risk
    claims.append(
        {
            "claim": "lower_point",
            "network": far,
            "lower": rounded,
            "drop": text_of(other.risk - facts[1].risk),
            "radius": None,
        }
    )
    return case(1, rows, (1, 1, True), ["1", "0"], claims)


def tie() -> Case:
    """lambda = d: a local minimum still."""
    rows = [[float(x), y] for x, y in zip(range(-3, 4), [0.0, 0, 2, 3, -3, -2, 2], strict=True)]
    return case(
        1,
        rows,
        (1, 1, False),
        ["1", "0"],
        [minimum_of(network([[2]], [-4], [1], 0), 13, 1, [[["1"]]])],
    )


def second_difference() -> Case:
    """Two units whose rows are 0, so that every input is a kink, one of them concave: residuals 1, -2, 1."""
    rows = [[-1.0, -1.0], [0.0, 2.0], [1.0, -1.0]]
    d = [F(1, 4), F(-1, 2), F(1, 4)]
    vertices = [text_of(d), text_of([-v for v in d])]
    low = network([[0], [0]], [0, 0], [1, F(3, 2)], 0)
    return case(1, rows, (1, 1, False), ["1", "1/2"], [minimum_of(low, 3, 1, [vertices, "lines"])])


def dead() -> Case:
    """All units dead, and the mean of y: only the samples bound the radius."""
    low = network([[-1, -1], [-2, -1]], [-1, -1], [1, 0], F(7, 2))
    rows = [[1.0, 2.0, 3.0], [1.0, 3.0, 4.0]]
    return case(1, rows, (2, 1, False), ["1", "0"], [minimum_of(low, F(1, 4), F(25, 11), ["zero", "zero"])])


def exact_fit() -> Case:
    """Risk 0, and every G: no radius; a unit on the other side and of another sign is in the region all the same."""
    rows = [[-1.0, 0.0], [0.0, 0.0], [2.0, 4.0]]
    low, other = network([[2]], [0], [1], 0), network([[-2]], [0], [-1], 0)
    claims = [minimum_of(low, 0, None, ["zero"]), near(other, 20, 10, True, True)]
    return case(1, rows, (1, 1, False), ["1", "0"], claims)


def balanced(t: F) -> Case:
    """A kink at x = 1 with d = 1/2 and lambda = 1/2 - t: a local minimum for 0 <= t <= 1 and for no other t."""
    G = {0: t - 1, 1: F(1), 2: -2 * t, 3: t}
    rows = [[F(x), F(max(x - 1, 0)) - g] for x, g in G.items()]
    risk = sum(g * g for g in G.values()) / 2
    square = F(1, 5) if t > 0 else F(1)
    claims = [minimum_of(network([[1]], [-1], [1], 0), risk, square, [[[text_of(F(1, 2) - t)]]])]
    floats = all(float(v) == v for row in rows for v in row)
    return case(
        1,
        [[float(v) for v in row] for row in rows] if floats else rows,
        (1, 1, False),
        ["1", "0"],
        claims,
    )


def decided_cases() -> dict[str, Case]:
    return {
        "kink": kink(),
        "merged": merged(),
        "tie": tie(),
        "second difference": second_difference(),
        "dead": dead(),
        "exact fit": exact_fit(),
        "a third": balanced(F(1, 3)),
    }
