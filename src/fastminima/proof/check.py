"""Checks a certificate of fastminima against data. This file needs nothing but Python's standard library.

    python check.py proof.json data.npy --target 3
    python check.py proof.json houses.csv --target price --features rooms,age

What is trusted: Python's integers, `fractions`, `decimal` (exp, ln and sqrt, which it rounds correctly), `json`, `struct`,
`csv`, `hashlib`, and the lines below. Nothing is solved or searched: a certificate says what is so, and every claim is
derived again from the data, in integers. docs/proofs.md shows why what is accepted implies the claims.

The parts, in order: the words of a certificate; the data as integers; theorem 1; interval arithmetic; activations;
theorem 2; theorem 4; the whole certificate; data files and the command. Whatever raises an error is a rejection.
"""

import argparse
import ast
import csv
import hashlib
import json
import re
import struct
import sys
from collections import namedtuple
from decimal import Context, Decimal
from fractions import Fraction
from itertools import accumulate, groupby
from math import comb, isqrt, lcm
from operator import mul

VERSION, LONGEST_FILE, LONGEST_NUMBER, LONGEST_FORMULA = 1, 1 << 24, 100_000, 2_000


class Verdict(namedtuple("Verdict", "accepted reason claims")):
    def __bool__(self):
        return self.accepted


class Reject(Exception):
    """The certificate is not accepted; the text says why."""


def need(holds, why):
    if not holds:
        raise Reject(why)


# ---- words: JSON in which numbers are strings "p/q" ----------------------------------------------------------------


def parse(text):
    def once(items):
        need(len(dict(items)) == len(items), "a name occurs twice in one object")
        return dict(items)

    need(len(text) <= LONGEST_FILE, f"the certificate is longer than {LONGEST_FILE} characters")
    return json.loads(text, object_pairs_hook=once)


def fields(words, *names):
    need(isinstance(words, dict) and set(words) == set(names), f"expected exactly the fields {', '.join(names)}")
    return [words[name] for name in names]


def exact(words, *size):
    """A rational, or nested lists of them of the sizes given; None is any size."""
    if size:
        need(isinstance(words, list) and size[0] in (None, len(words)), f"expected a list of {size[0]}")
        return [exact(part, *size[1:]) for part in words]
    short = isinstance(words, str) and len(words) <= LONGEST_NUMBER
    need(short and re.fullmatch("-?[0-9]+(/0*[1-9][0-9]*)?", words), f"expected a rational 'p/q', got {words!r:.40}")
    return Fraction(*(int(Decimal(part)) for part in words.split("/")))  # int(text) refuses 4,300 digits


def show(words):
    return f"{Decimal(exact(words).numerator) / exact(words).denominator:.10g}"


def whole(value, least):
    need(type(value) is int and value >= least, f"expected an integer of at least {least}, got {value!r:.40}")
    return value


def units(words, columns):
    W1, b1, W2, b2 = fields(words, "W1", "b1", "W2", "b2")
    return exact(W1, None, columns), exact(b1, len(W1)), exact(W2, len(W1)), exact(b2)


# ---- data: rows (x, y, weight), read anew for every pass, so that memory does not grow with them -------------------


class Table:
    def __init__(self, read, words):
        names = "rows", "columns", "targets", "weighted", "numbers", "sha256", "unordered"
        m, dx, dy, self.weighted, numbers, sha256, unordered = fields(words, *names)
        need(type(self.weighted) is bool and numbers in ("float64", "rational"), "no such kind of data")
        need(whole(dx, 0) + whole(dy, 1) < 1 << 20, "more than a million columns")
        self.read, self.floats = read, numbers == "float64"
        self.m, self.dx, self.dy = whole(m, 1), dx, dy
        ordered, total, count, largest, scale = hashlib.sha256(), 0, 0, 1, [1] * (dx + dy + self.weighted)
        pack = struct.Struct(f"<{len(scale)}d").pack
        for row in self.exact_rows():
            need(len(row) == len(scale), f"a row has {len(row)} numbers, the certificate says {len(scale)}")
            line = pack(*row) if self.floats else (",".join(map(str, row)) + "\n").encode()
            ordered.update(line)
            total += int.from_bytes(hashlib.blake2s(line).digest(), "little")
            scale = list(map(lcm, scale, (v.as_integer_ratio()[1] for v in row)))
            need(not self.weighted or row[-1] > 0, "a weight is not positive")
            count, largest = count + 1, max(largest, int(max(map(abs, row))))
        same = (count, f"{total % (1 << 256):064x}") == (m, unordered)
        need(same, "these are not the data of the certificate: the digests of their rows differ")
        need(ordered.hexdigest() == sha256, "these are the rows of the certificate in another order")
        self.scale = [*scale[:dx], 1, *scale[dx:], *[1] * (not self.weighted)]
        # a power of two times a float64 number is exact where it does not overflow
        self.factors = list(map(float, self.scale)) if largest * max(self.scale) < 1 << 1000 and self.floats else None

    def exact_rows(self):
        for row in self.read():
            values = [float(v) + 0.0 for v in row] if self.floats else list(map(Fraction, row))  # no -0.0
            need(values == list(row), "a number is no float64 number")
            yield values

    def rows(self):
        """Integers: (x_1, ..., x_dx, 1, y, w) times `scale`; w = 1 without weights."""
        for row in self.read():
            row = [*row[: self.dx], 1, *row[self.dx :], 1][: len(self.scale)]
            if self.factors:
                yield list(map(int, map(mul, row, self.factors)))
            else:
                yield [n * (d // q) for (n, q), d in zip((v.as_integer_ratio() for v in row), self.scale)]

    def forms(self, *lines):
        """Integer forms and a unit: form . row = unit (line . (x, 1, y))."""
        lines = [[Fraction(c) / d for c, d in zip(line, self.scale)] for line in lines]
        unit = lcm(*(c.denominator for line in lines for c in line))
        return [[int(c * unit) for c in line] for line in lines], unit


def at(row, form):
    return sum(map(mul, row, form))


# ---- theorem 1: h(t) = s+ t for t >= 0 and s- t for t <= 0; risk sum w (f(x) - y)^2/2 ------------------------------


class Theorem1:
    def __init__(self, table, slopes):
        self.table, self.slopes = table, exact(slopes, 2)
        need(self.slopes[0] > 0 <= self.slopes[1] != self.slopes[0], "expected s+ > 0, s- >= 0, s+ != s-")
        need(table.dy == 1, "theorem 1 has one target")

    def least_squares(self, coef, intercept, risk):
        """No affine function has a lower risk: sum w r (x, 1) = 0, and the risk is convex."""
        self.fit = [*exact(coef, self.table.dx), exact(intercept), -1]
        (residual,), unit = self.table.forms(self.fit)
        normal, square = [0] * (self.table.dx + 1), 0
        for row in self.table.rows():
            r = at(row, residual)
            wr = r * row[-1]
            square += r * wr
            normal = [total + wr * x for total, x in zip(normal, row)]
        need(not any(normal), "the residuals are not orthogonal to the columns")
        self.risk = Fraction(square, 2 * unit**2 * self.table.scale[-1])
        need(self.risk == exact(risk), "the risk of the fit is another number")

    def network_risk(self, W1, b1, W2, b2):
        forms, unit = self.table.forms(*([*w, b] for w, b in zip(W1, b1)), [*[0] * self.table.dx, b2, -1])
        sides = [[v * s for s in self.slopes] for v in W2]
        common = lcm(*(v.denominator for pair in sides for v in pair))
        pieces = [(z, *(int(v * common) for v in pair)) for z, pair in zip(forms, sides) if any(pair)]
        square = 0
        for row in self.table.rows():
            e = common * at(row, forms[-1])
            for z, plus, minus in pieces:
                t = at(row, z)
                e += t * (plus if t > 0 else minus)
            square += e * e * row[-1]
        return Fraction(square, 2 * (common * unit) ** 2 * self.table.scale[-1])

    def local_minimum(self, network, radius, excess):
        """Nor any network near by: z >= radius |(x, 1)| > 0 keeps every unit affine. Its own risk exceeds by `excess`."""
        net, radius = units(network, self.table.dx), exact(radius)
        forms, unit = self.table.forms(*([*w, b] for w, b in zip(*net[:2])))
        base = lcm(*self.table.scale[: self.table.dx])
        norm = [(base // d) ** 2 for d in self.table.scale[: self.table.dx + 1]]
        for row in self.table.rows():
            square = sum(map(mul, map(mul, row, row), norm)) * (radius.numerator * unit) ** 2
            least = min(at(row, z) for z in forms) * radius.denominator * base
            need(radius > 0 and least > 0 and least**2 >= square, "a preactivation comes closer to 0 than the radius")
        need(self.network_risk(*net) - self.risk <= exact(excess), "the network's risk exceeds least squares by more")

    def lower_risk(self, network, drop):
        """The network's risk is below the least-squares risk by `drop` at least."""
        reached = self.risk - self.network_risk(*units(network, self.table.dx))
        need(0 < exact(drop) <= reached, "the drop is not reached")

    def linearly_fittable(self):
        need(self.risk == 0, "the least-squares risk is not 0")

    def set_J(self, positions):
        """J = { j < m: S_j != 0, fitted_(j) < fitted_(j+1) }, S_j the sum of j residuals in order of fitted values."""
        (fitted, residual), _ = self.table.forms([*self.fit[:-1], 0], self.fit)
        pairs = sorted((at(row, fitted), at(row, residual) * row[-1]) for row in self.table.rows())
        ties = [[r for _, r in group] for _, group in groupby(pairs, lambda pair: pair[0])]
        ends = zip(accumulate(map(len, ties)), accumulate(map(sum, ties)))
        need(positions == [j for j, S in ends if S and j < self.table.m], "J is another set")

    def pure_error(self, floor):
        """No function of x has a lower risk: among equal inputs the weighted mean of y is best."""
        groups = {}
        for *x, y, w in self.table.rows():
            n, sums, squares = groups.get(tuple(x), (0, 0, 0))
            groups[tuple(x)] = n + w, sums + w * y, squares + w * y * y
        total = sum(Fraction(n * squares - sums**2, n) for n, sums, squares in groups.values())
        need(total == 2 * exact(floor) * self.table.scale[-2] ** 2 * self.table.scale[-1], "the floor is another number")

    claims = {"least squares": least_squares, "no lower risk within": local_minimum, "lower risk": lower_risk}  # noqa: RUF012
    claims |= {"linearly fittable": linearly_fittable, "set J": set_J, "pure error": pure_error}


# ---- intervals [lo, hi]/2^200, every end rounded outward -----------------------------------------------------------

BITS, UNIT, DIGITS = 200, 1 << 200, Context(prec=120, Emax=9999, Emin=-9999)


class Interval(namedtuple("Interval", "lo hi")):
    def __add__(self, other):
        return Interval(self.lo + other.lo, self.hi + other.hi)

    def __neg__(self):
        return Interval(-self.hi, -self.lo)

    def __mul__(self, other):
        ends = [a * b for a in self for b in other]
        need(max(map(abs, ends)) < 1 << 40_000, "an interval leaves all bounds")
        return Interval(min(ends) >> BITS, -(-max(ends) >> BITS))

    def over(self, n):
        return Interval(self.lo // n, -(-self.hi // n))

    def inverse(self):
        need(self.lo > 0 or self.hi < 0, "division by an interval that holds 0")
        return Interval(UNIT**2 // self.hi, -(-(UNIT**2) // self.lo))

    def power(self, n):
        x = self if n % 2 else Interval(max(self.lo, -self.hi, 0), max(-self.lo, self.hi))  # an even power is one of |x|
        return list(accumulate([x] * n, mul, initial=interval(1)))[-1]


def interval(low, high=None):
    low, high = Fraction(low) * UNIT, Fraction(low if high is None else high) * UNIT
    return Interval(low.numerator // low.denominator, -(-high.numerator // high.denominator))


def increasing(f):
    return lambda x: Interval(f(x.lo).lo, f(x.hi).hi)


def rounded(f):
    def near(n):  # argument and result are rounded to 120 digits: with |t| < 10^5 a relative error below 10^-113
        value = int(DIGITS.multiply(f(DIGITS.divide(Decimal(n), UNIT)), UNIT))
        return Interval(value - (abs(value) >> 370) - 2, value + (abs(value) >> 370) + 2)

    return increasing(near)


exp, log, sqrt = map(rounded, (DIGITS.exp, DIGITS.ln, DIGITS.sqrt))


def series(x, terms, factor, under=lambda i: 1):
    """sum (-x^2)^i x/(factor(1) ... factor(i) under(i)), i < terms; what is left out must be below 2^-200."""
    total = power = x
    for i in range(1, terms):
        power = (power * -x * x).over(factor(i))
        total = total + power.over(under(i))
    return total + Interval(-1, 1)


def sin(x):  # |sin'| <= 1; left out: 24^161/161! < 2^-200
    middle = (x.lo + x.hi) >> 1
    need(abs(middle) <= 24 * UNIT, "the sine is asked for at |t| > 24")
    value = series(Interval(middle, middle), 80, lambda i: 2 * i * (2 * i + 1)) + Interval(middle - x.hi - 1, x.hi - middle + 1)
    return Interval(max(value.lo, -UNIT), min(value.hi, UNIT))


@increasing
def atan(n):  # three times t -> t/(1 + sqrt(1 + t^2)) halves the angle: tan(pi/16) < 1/5, and 5^-101 is left out
    x = Interval(n, n)
    for _ in range(3):
        x = x * (interval(1) + sqrt(interval(1) + x * x)).inverse()
    return series(x, 50, lambda i: 1, lambda i: 2 * i + 1) * interval(8)


@increasing
def erf(n):  # 2/sqrt(pi) sum (-1)^i t^(2i+1)/(i! (2i+1)); left out: 36^200 6/200! < 2^-200; 1 - erf(6) < 2^-55
    if abs(n) > 6 * UNIT:
        return Interval(UNIT - (UNIT >> 55), UNIT) if n > 0 else Interval(-UNIT, (UNIT >> 55) - UNIT)
    return series(Interval(n, n), 200, lambda i: i, lambda i: 2 * i + 1) * TWO_OVER_ROOT_PI


PI = atan(interval(1)) * interval(4)
TWO_OVER_ROOT_PI = interval(2) * sqrt(PI).inverse()

# ---- activations: formulas, and h, h', h''/2 over an interval ------------------------------------------------------

TAYLOR = {
    "inv": lambda x: (x.inverse(), -x.inverse().power(2), x.inverse().power(3)),
    "exp": lambda x: (exp(x), exp(x), exp(x).over(2)),
    "log": lambda x: (log(x), x.inverse(), -x.inverse().power(2).over(2)),
    "sqrt": lambda x: (sqrt(x), sqrt(x).inverse().over(2), -(sqrt(x) * x).inverse().over(8)),
    "sin": lambda x: (sin(x), sin(x + PI.over(2)), -sin(x).over(2)),
    "atan": lambda x: (atan(x), (x.power(2) + ONE).inverse(), -x * (x.power(2) + ONE).inverse().power(2)),
    "erf": lambda x: (erf(x), TWO_OVER_ROOT_PI * exp(-x.power(2)), -x * TWO_OVER_ROOT_PI * exp(-x.power(2))),
    "softplus": lambda x: (log(ONE + exp(x)), (ONE + exp(-x)).inverse(), (exp(x) + ONE + ONE + exp(-x)).inverse().over(2)),
}
ONE, ZERO = interval(1), interval(0)


def jet(formula, t, kinks=False):
    """(h, h', h''/2). Where two pieces meet: h alone if `kinks`, with the values of both; else nothing."""
    if not isinstance(formula, list):
        return (t, ONE, ZERO) if formula == "t" else (PI if formula == "pi" else interval(exact(str(formula))), ZERO, ZERO)
    name, x, *rest = formula
    x = jet(x, t, kinks)
    if name == "if":
        above, below = rest
        if x[0].lo > 0 or x[0].hi < 0:
            return jet(above if x[0].lo > 0 else below, t, kinks)
        need(kinks, "two pieces of the activation meet in an interval")
        a, b = jet(above, t, kinks)[0], jet(below, t, kinks)[0]
        return Interval(min(a.lo, b.lo), max(a.hi, b.hi)), ZERO, ZERO
    if name == "pow":
        n = whole(*rest, 0)
        need(n <= 1000, "a power above 1,000")
        g = [x[0].power(max(n - k, 0)) * interval(comb(n, k)) for k in range(3)]
    elif rest:
        y = jet(["inv", *rest] if name == "div" else ["neg", *rest] if name == "sub" else rest[0], t, kinks)
        need(len(rest) == 1 and name in ("add", "sub", "mul", "div"), f"no such operation: {name!r:.20}")
        if name in ("add", "sub"):
            return tuple(a + b for a, b in zip(x, y))
        return x[0] * y[0], x[0] * y[1] + x[1] * y[0], x[0] * y[2] + x[1] * y[1] + x[2] * y[0]
    elif name == "neg":
        return tuple(-a for a in x)
    else:
        g = TAYLOR[name](x[0])
    return g[0], g[1] * x[1], g[1] * x[2] + g[2] * x[1].power(2)


# ---- theorem 2: samples x1, x2, (x1 + x2)/2 with targets o, o, o + k; h twice differentiable -----------------------

PIECES, PARTS, WINDOW = 400, 64, 32


class Theorem2:
    def __init__(self, table, formula):
        need(len(json.dumps(formula)) <= LONGEST_FORMULA, f"a formula has at most {LONGEST_FORMULA} characters")
        need((table.m, table.dy, table.weighted) == (3, 1, False), "theorem 2 has three samples without weights")
        self.formula, self.dx, self.rows = formula, table.dx, [list(map(Fraction, row)) for row in table.exact_rows()]
        (*x1, y1), (*x2, y2), (*x3, y3) = self.rows
        need(all(a + b == 2 * c for a, b, c in zip(x1, x2, x3)), "the third input is not halfway between the others")
        need(x1 != x2 and y1 == y2 != y3, "expected x1 != x2 and y1 = y2 != y3")
        self.k, self.risk = y3 - y1, (y3 - y1) ** 2 / 3

    def h(self, low, high=None):
        return jet(self.formula, interval(low, high), kinks=high is None)[0]

    def network_risk(self, W1, b1, W2, b2):
        """An upper bound."""
        total = ZERO
        for *x, y in self.rows:
            terms = (interval(v) * self.h(at(w, x) + b) for w, b, v in zip(W1, b1, W2))
            total = total + sum(terms, start=interval(b2 - y)).power(2)
        return Fraction(total.hi, 2 * UNIT)

    def zero_risk(self, network, risk, witness):
        """Two units with values a, b on the samples and a1 b2 = a2 b1 have a combination (0, 0, c); c != 0 is shown."""
        need(self.network_risk(*units(network, self.dx)) <= exact(risk), "the network's risk is larger")
        if "t" in witness:  # the output bias takes h(t) away: a2 = b2 = 0
            t, p, q = map(exact, fields(witness, "t", "p", "q"))
            a1, a3, b1, b3 = (self.h(x + t) + -self.h(t) for x in (p, p / 2, q, q / 2))
            a2 = b2 = ZERO
        else:
            v1, v2, v3, low, high = map(exact, fields(witness, "v1", "v2", "v3", "v4", "v4_high"))
            a1, a2, a3, b1 = map(self.h, (v1, v2, (v1 + v2) / 2, v3))
            g, other = (a1 * self.h(v4) + -(a2 * b1) for v4 in (low, high))
            if low < high:  # h is continuous where no pieces meet: it takes all values in between
                need(g.hi < 0 < other.lo or other.hi < 0 < g.lo, "(C2.1) is not shown to have a root v4 there")
                b2, b3 = self.h(low, high), self.h((v3 + low) / 2, (v3 + high) / 2)
            else:
                need(low == high and g == (0, 0), "(C2.1) does not hold")
                b2, b3 = self.h(low), self.h((v3 + low) / 2)
        c = b1 * a3 + -(a1 * b3), b2 * a3 + -(a2 * b3)
        need(any(x.lo > 0 or x.hi < 0 for x in c), "(C2.2): the denominator may be 0")

    def local_minimum(self, network, radius, excess):
        """risk - k^2/3 >= sum k U_j h''(xi_j) a_j^2/12 + (sum U_j h'(zeta_j) a_j)^2/4 >= 0, a_j = z_j(x1) - z_j(x2)."""
        (W1, b1, W2, b2), R = units(network, self.dx), exact(radius)
        need(self.network_risk(W1, b1, W2, b2) - self.risk <= exact(excess), "the network's risk exceeds by more")
        need(0 < R <= min(map(abs, W2)), "the radius is not positive, or above an output weight")
        norms = [Fraction(sqrt(interval(at(x, x) + 1)).hi, UNIT) for *x, _ in self.rows]
        z = [[at(w, x) + b for *x, _ in self.rows] for w, b in zip(W1, b1)]
        signs = [1 if self.k * v > 0 else -1 for v in W2]

        def reach(j, r):  # all that unit j sees while its row moves by at most r, xi_j and zeta_j included
            return min(v - r * n for v, n in zip(z[j], norms)), max(v + r * n for v, n in zip(z[j], norms))

        falling = [j for j, sign in enumerate(signs) if not self.bends(*reach(j, R), sign)]
        need(len(falling) <= 1, "more than one unit may lower the risk")
        if not falling:
            return
        # one unit may: |k| + M <= m is enough, m = 3 |U_j| h'^2/|h''| of it, M the sum of the same over the others
        roots = [Fraction(isqrt(n * 4**60 // PARTS) + 1, 2**60) * R for n in range(PARTS + 1)]  # above R sqrt(n/PARTS)

        def extreme(j, worst):
            """For n = 1, 2, ...: m or M of unit j where (row's move)^2 + (weight's move)^2 <= R^2 n/PARTS."""
            ratios = list(accumulate((self.ratio(*reach(j, r), signs[j], worst) for r in roots[1:]), worst))
            side = -1 if worst is min else 1
            for n in range(1, PARTS + 1):
                yield worst((abs(W2[j]) + side * roots[n - i]) * ratios[i] for i in range(n))

        (j,) = falling
        m = list(extreme(j, min))
        M = map(sum, zip([0] * PARTS, *(extreme(i, max) for i in range(len(W2)) if i != j)))
        need(all(abs(self.k) + a <= b for a, b in zip(M, reversed(m))), "(C2.7) is not shown somewhere in the ball")

    def bends(self, low, high, sign):
        """Is sign h'' >= 0 on [low, high]? Where one interval does not show it, its halves are asked."""
        stack = [(low, high)]
        for _ in range(PIECES):
            if not stack:
                break
            a, b = stack.pop()
            try:
                need(min(sign * v for v in jet(self.formula, interval(a, b))[2]) >= 0, "not shown")
            except Reject:
                stack += [(a, (a + b) / 2), ((a + b) / 2, b)]
        return not stack

    def ratio(self, low, high, sign, worst):
        """3 h'^2/(sign h'') on [low, high] from above; 3 h'^2/(-sign h'') from below if `worst` is min."""
        ends = [low + (high - low) * i / WINDOW for i in range(WINDOW + 1)]
        parts = [jet(self.formula, interval(*pair)) for pair in zip(ends, ends[1:])]
        slopes, bends = [p[1].power(2) for p in parts], [p[2].over(1) if sign > 0 else -p[2] for p in parts]
        if worst is min:
            return Fraction(3 * min(s.lo for s in slopes), 2 * max(1, *(-b.lo for b in bends)))
        need(min(b.lo for b in bends) > 0, "h'' may vanish in the ball")
        return Fraction(3 * max(s.hi for s in slopes), 2 * min(b.lo for b in bends))

    claims = {"zero risk": zero_risk, "no lower risk within": local_minimum}  # noqa: RUF012


# ---- theorem 4: R = W_{H+1} ... W_1, loss sum |R x - y|^2/2, gradient G = R A - B, A = sum x x^T, B = sum y x^T ----


def product(A, B):
    columns = list(zip(*B))
    return [[at(row, column) for column in columns] for row in A]


def minus(A, B):
    return [[a - b for a, b in zip(*rows)] for rows in zip(A, B)]


def dot(A, B):
    return sum(map(at, A, B))


def flip(A):
    return [list(column) for column in zip(*A)]


def products(layers):
    """I, W_1, W_2 W_1, ..."""
    n = len(layers[0][0])
    eye = [[Fraction(i == j) for j in range(n)] for i in range(n)]
    return list(accumulate(layers, lambda below, W: product(W, below), initial=eye))


class Theorem4:
    def __init__(self, table, words):
        layers, bias = fields(words, "weights", "bias")
        need(type(bias) is bool and not table.weighted, "theorem 4 has no sample weights")
        self.sizes = [table.dx + bias, *map(len, layers)]
        need(len(layers) >= 2 and self.sizes[-1] == table.dy, "expected two layers or more, the last with a row per target")
        self.weights = self.chain(layers)
        columns = list(zip(table.scale, zip(*table.rows())))
        moments = [[Fraction(at(x, y), s * t) for s, x in columns[: self.sizes[0]]] for t, y in columns[:-1]]
        self.A, B, self.R = moments[: self.sizes[0]], moments[table.dx + 1 :], products(self.weights)[-1]
        self.G = minus(product(self.R, self.A), B)

    def chain(self, layers):
        need([len(W) for W in layers] == self.sizes[1:], "expected layers of the sizes of the weights")
        return [exact(W, None, size) for W, size in zip(layers, self.sizes)]

    def global_minimum(self):
        """The gradient at the product is 0, and the loss is convex in it."""
        need(not any(map(any, self.G)), "the gradient of the loss at the product is not 0")

    def saddle(self, transposed, a, b, j, v1, left):
        """dloss/dW_j = (W_{H+1:j+1})^T G (W_{j-1:1})^T = 0; the vectors are those of the paper's escape."""
        need(type(transposed) is bool, "transposed is true or false")
        layers = [flip(W) for W in reversed(self.weights)] if transposed else self.weights
        G = flip(self.G) if transposed else self.G
        above = products([flip(W) for W in reversed(layers)])
        for lower, upper in zip(products(layers), above[-2::-1]):
            need(not any(map(any, product(product(upper, G), flip(lower)))), "a gradient is not 0")
        need(G[whole(a, 0)][whole(b, 0)] != 0, "G is 0 in that place")
        hidden = products(layers[1:])  # hidden[k - 1] = W_{k:2}
        need(whole(j, 2) + len(left) == len(layers), "expected j, and left null vectors of W_{j:2}, ..., W_{H:2}")
        v1 = flip([exact(v1, len(layers[0]))])
        need(not any(map(any, product(hidden[j - 1], v1))), "v1 is not in the null space of W_{j:2}")
        need(any(map(any, product(hidden[j - 2], v1))), "v1 is in the null space of W_{j-1:2} too")
        for k, v in enumerate(left, j):
            v = exact(v, len(layers[k - 1]))
            need(any(v) and not any(product([v], hidden[k - 1])[0]), f"expected a left null vector of W_{{{k}:2}}")

    def escape(self, up, down, radius):
        """loss(R + D) - loss(R) = <G, D> + <D A, D>/2, above 0 and below 0 with no layer moved by more than `radius`."""
        signs = []
        for layers in map(self.chain, (up, down)):
            moves = map(minus, layers, self.weights)
            near = (exact(radius) > 0 and dot(move, move) <= exact(radius) ** 2 for move in moves)
            need(all(near), "a layer moves by more than the radius")
            D = minus(products(layers)[-1], self.R)
            signs.append(dot(self.G, D) + dot(product(D, self.A), D) / 2)
        need(signs[0] > 0 > signs[1], "the loss does not rise and fall")

    claims = {"global minimum": global_minimum, "saddle": saddle, "escape": escape}  # noqa: RUF012


# ---- the whole certificate -----------------------------------------------------------------------------------------


def check(text, read):
    """Is every claim of the certificate `text` true of the rows that `read()` yields? A Verdict.

    A row is (x_1, ..., x_dx, targets, weight if there are weights) in float, int or Fraction, without rows of weight 0.
    """
    found, place = [], "the certificate"
    try:
        words = parse(text)
        need(isinstance(words, dict) and words.get("format") == "fastminima certificate", "this is no certificate")
        need(whole(words.get("version"), 1) == VERSION, f"this checks version {VERSION}, not {words.get('version')!r:.20}")
        names = "format", "version", "theorem", "meaning", "data", "setting", "claims"
        _, _, theorem, meaning, data, setting, claims = fields(words, *names)
        place = "the data"
        table = Table(read, data)
        need(meaning in ("binary", "decimal", "rational"), "no such meaning of data")
        place = "the setting"
        statement = {1: Theorem1, 2: Theorem2, 4: Theorem4}[whole(theorem, 1)](table, setting)
        need(isinstance(claims, list) and claims, "there is no claim")
        for number, claim in enumerate(claims, 1):
            place = f"claim {number}"
            name = claim.pop("claim")
            place += f", {name!r:.40}"
            statement.claims[name](statement, **claim)
            found.append(" ".join([name, *(f"{word}~{show(claim[word])}" for word in claim if isinstance(claim[word], str))]))
    except Exception as error:
        return Verdict(False, f"{place}: {error if isinstance(error, Reject) else repr(error)}", found)
    return Verdict(True, "every claim holds", found)


# ---- data files and the command ------------------------------------------------------------------------------------

LETTERS = dict(zip(("f2 f4 f8 b1 i1 i2 i4 i8 u1 u2 u4 u8").split(), "efd?bhiqBHIQ"))


def npy_lines(path):
    with open(path, "rb") as file:
        long = file.read(8)[6] > 1
        header = ast.literal_eval(file.read(*struct.unpack("<I" if long else "<H", file.read(4 if long else 2))).decode())
        (m, n), kind, by_column = header["shape"], header["descr"].replace("|", "<"), header["fortran_order"]
        yield [str(i) for i in range(n)]
        line = struct.Struct(f"{kind[0]}{m if by_column else n}{LETTERS[kind[1:]]}")
        lines = (line.unpack(file.read(line.size)) for _ in range(n if by_column else m))
        yield from zip(*lines) if by_column else lines


def csv_lines(path, decimal):
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = filter(None, csv.reader(file, delimiter="\t" if path.endswith(".tsv") else ","))
        yield next(lines)
        for line in lines:
            yield [Fraction(v) if decimal or re.fullmatch("[+-]?[0-9]+", v.strip()) else float(v) for v in line]


def selected(lines, targets, features, weight):
    names = next(lines)
    place = {str(i - len(names)): i for i in range(len(names))} | {str(i): i for i in range(len(names))}
    place |= {name: i for i, name in enumerate(names)}
    last = [place[name] for name in [*(targets or names[-1:]), *([weight] * bool(weight))]]
    first = [place[name] for name in features or names]
    order = [i for i in first if i not in last] + last
    return ([line[i] for i in order] for line in lines if not weight or line[last[-1]] != 0)


def main(arguments=None):
    """0: accepted. 1: rejected. 2: the certificate cannot be read."""
    parser = argparse.ArgumentParser(description="Checks a certificate of fastminima against a data file.")
    parser.add_argument("certificate")
    parser.add_argument("data", help=".npy, or .csv or .tsv with a line of column names")
    parser.add_argument("--target", type=lambda names: names.split(","), help="column, or A,B,...; default: the last")
    parser.add_argument("--features", type=lambda names: names.split(","), help="A,B,...; default: all others")
    parser.add_argument("--sample-weight", help="column of weights")
    given = parser.parse_args(arguments)
    try:
        with open(given.certificate, encoding="utf-8") as file:
            text = file.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        print(f"cannot read the certificate: {error}", file=sys.stderr)
        return 2
    decimal = re.search('"meaning": *"decimal"', text) is not None
    lines = (lambda: npy_lines(given.data)) if given.data.endswith(".npy") else lambda: csv_lines(given.data, decimal)
    verdict = check(text, lambda: selected(lines(), given.target, given.features, given.sample_weight))
    print(*(f"holds: {name}" for name in verdict.claims), sep="\n")
    print("accepted:" if verdict.accepted else "rejected:", verdict.reason)
    return 0 if verdict.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
