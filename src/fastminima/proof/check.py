"""Checks a certificate of fastminima against data. This file needs nothing but Python's standard library.

    python check.py proof.json data.npy --target 3
    python check.py proof.json houses.csv --target price --features rooms,age

What is trusted: Python's integers, `fractions`, `decimal` (exp, ln and sqrt, which it rounds correctly),
`json`, `struct`, `csv`, `hashlib`, and the lines below. Nothing is solved or searched: a certificate says what
is so, and every claim is derived again from the data, in exact arithmetic. docs/proofs.md shows why what is accepted
implies the claims.

The parts, in order: the words of a certificate; the data as integers; theorem 1; interval arithmetic; activations;
theorem 2; theorem 4; the whole certificate; data files and the command. Whatever raises an error is a rejection.
"""

import argparse
import ast
import csv
import hashlib
import json
import mmap
import re
import struct
import sys
from collections import namedtuple
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from functools import partial
from itertools import accumulate, combinations, groupby, islice, pairwise, repeat
from math import comb, isqrt, lcm
from operator import add, mul

VERSION, LONGEST_FILE, LONGEST_NUMBER, LONGEST_FORMULA = 1, 1 << 24, 100_000, 2_000


class Verdict(namedtuple("Verdict", "accepted reason claims")):
    def __bool__(self):
        return self.accepted


class Reject(Exception):
    """The certificate is not accepted; the text says why."""


def need(holds, why):
    if not holds:
        raise Reject(why)


# ---- words: JSON in which numbers are strings "p/q" or "p/2^k" -----------------------------------------------------

NUMBER = r"(-?[0-9]+)(?:/0*([1-9][0-9]*)|/2\^([0-9]{1,4}))?"


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
    found = isinstance(words, str) and len(words) <= LONGEST_NUMBER and re.fullmatch(NUMBER, words)
    need(found, f"expected a rational 'p/q' or 'p/2^k', got {words!r:.40}")
    p, q, k = (int(Decimal(part or 0)) for part in found.groups())  # int(text) refuses 4,300 digits
    return Fraction(p, q or 1 << k)


def show(words):
    return f"{Decimal(exact(words).numerator) / exact(words).denominator:.10g}"


def whole(value, least):
    need(type(value) is int and value >= least, f"expected an integer of at least {least}, got {value!r:.40}")
    return value


def units(words, columns):
    W1, b1, W2, b2 = fields(words, "W1", "b1", "W2", "b2")
    need(W1, "expected a hidden unit")
    return exact(W1, None, columns), exact(b1, len(W1)), exact(W2, len(W1)), exact(b2)


# ---- data: rows (x, y, weight), read once, a block at a time, so that memory does not grow with them ---------------

BLOCK = 1 << 14  # numbers


def at(row, form):
    return sum(map(mul, row, form))


def integral(*lines):
    """Lists of rationals times their least common denominator, which comes with them."""
    unit = lcm(*(Fraction(c).denominator for line in lines for c in line))
    return [[int(c * unit) for c in line] for line in lines], unit


class Block(namedtuple("Block", "values columns rows scale")):
    """Rows as they came; and (x_1, ..., x_dx, 1, targets, weight) times `scale`, integers, by columns and by rows."""

    def at(self, form):
        return [at(form, row) for row in self.rows]


class Table:
    def __init__(self, read, words):
        names = "rows", "columns", "targets", "weighted", "numbers", "sha256", "unordered"
        self.m, self.dx, self.dy, self.weighted, numbers, *self.digests = fields(words, *names)
        need(type(self.weighted) is bool and numbers in ("float64", "rational"), "no such kind of data")
        need(whole(self.m, 1) and whole(self.dx, 0) + whole(self.dy, 1) < 1 << 20, "more than a million columns")
        self.read, self.floats = read, numbers == "float64"

    def blocks(self):
        """All rows. At the end their digests are compared with those of the certificate."""
        ordered, total, count, n = hashlib.sha256(), 0, 0, self.dx + self.dy + self.weighted
        pack, rows = struct.Struct(f"<{n}d").pack, iter(self.read())
        while part := list(islice(rows, BLOCK // n + 1)):
            need(set(map(len, part)) == {n}, f"a row has not the {n} numbers that the certificate says")
            given = [v for row in part for v in row]
            values = list(map(add, given, repeat(0.0)) if self.floats else map(Fraction, given))  # -0.0 is 0.0
            need(values == given, "a number is no float64 number")
            part = [values[i : i + n] for i in range(0, len(values), n)]
            lines = [pack(*row) if self.floats else (",".join(map(str, row)) + "\n").encode() for row in part]
            ordered.update(b"".join(lines))
            total += sum(int.from_bytes(hashlib.blake2s(line).digest(), "little") for line in lines)
            count += len(part)
            need(count <= self.m, "these are not the data of the certificate: they have more rows")
            ratios = [v.as_integer_ratio() for v in values]
            scale = lcm(*{q for _, q in ratios})
            scaled, one = [p * (scale // q) for p, q in ratios], [scale] * len(part)
            columns = [scaled[j::n] for j in range(n)]
            columns = [*columns[: self.dx], one, *columns[self.dx :], *[one] * (not self.weighted)]
            need(min(columns[-1]) > 0, "a weight is not positive")
            yield Block(part, columns, list(zip(*columns)), scale)
        same = [count, f"{total % (1 << 256):064x}"] == [self.m, self.digests[1]]
        need(same, "these are not the data of the certificate: the digests of their rows differ")
        need(ordered.hexdigest() == self.digests[0], "these are the rows of the certificate in another order")


def after(claim, *given, **words):
    """Every claim is a task: it is sent block after block, and None at the end. This one is decided then."""
    while (yield):
        pass
    claim(*given, **words)


# ---- theorem 1: h(t) = s+ t for t >= 0 and s- t for t <= 0; risk sum w (f(x) - y)^2/2 ------------------------------


class Theorem1:
    def __init__(self, table, slopes):
        self.dx, self.slopes = table.dx, exact(slopes, 2)
        need(self.slopes[0] > 0 <= self.slopes[1] != self.slopes[0], "expected s+ > 0, s- >= 0, s+ != s-")
        need(table.dy == 1, "theorem 1 has one target")
        self.data = partial(after, int)  # nothing is done with the data but what the claims do

    def least_squares(self, coef, intercept, risk):
        """No affine function has a lower risk: sum w r (x, 1) = 0, and the risk is convex."""
        self.fit = [*exact(coef, self.dx), exact(intercept), -1]
        ((form,), unit), square, normal = integral(self.fit), 0, [0] * (self.dx + 1)
        while block := (yield):
            r = block.at(form)
            wr = list(map(mul, r, block.columns[-1]))
            square += Fraction(at(wr, r), block.scale**3)
            normal = [total + Fraction(at(wr, x), block.scale**3) for total, x in zip(normal, block.columns)]
        need(not any(normal), "the residuals are not orthogonal to the columns")
        self.risk = square / (2 * unit**2)
        need(self.risk == exact(risk), "the risk of the fit is another number")

    def network(self, words, radius=0):
        """Its risk, and whether z >= radius |(x, 1)| > 0 for every preactivation z."""
        (W1, b1, W2, b2), square, far = units(words, self.dx), 0, radius > 0
        forms, unit = integral(*([*w, b] for w, b in zip(W1, b1)), [*[0] * self.dx, b2, -1])
        sides, common = integral(*([v * s for s in self.slopes] for v in W2), [1, 1])
        while block := (yield):
            z, errors = [block.at(form) for form in forms], repeat(0)
            for values, (plus, minus) in zip(z, sides):
                errors = list(map(add, errors, (t * (plus if t > 0 else minus) for t in values)))
            square += Fraction(at(map(mul, errors, errors), block.columns[-1]), block.scale**3)
            if far:
                least = list(map(min, zip(*z[:-1])))
                squares = (at(x, x) * (radius.numerator * unit) ** 2 for x in zip(*block.columns[: self.dx + 1]))
                far = min(least) > 0 and all((t * radius.denominator) ** 2 >= bound for t, bound in zip(least, squares))
        return square / (2 * (unit * common) ** 2), far

    def local_minimum(self, network, radius, excess):
        """Nor any network near by: within the radius every unit stays affine. Its own risk exceeds by `excess` at most."""
        risk, far = yield from self.network(network, exact(radius))
        need(far, "a preactivation comes closer to 0 than the radius")
        need(risk - self.risk <= exact(excess), "the network's risk exceeds least squares by more")

    def lower_risk(self, network, drop):
        """The network's risk is below the least-squares risk by `drop` at least."""
        risk, _ = yield from self.network(network)
        need(0 < exact(drop) <= self.risk - risk, "the drop is not reached")

    def linearly_fittable(self):
        need(self.risk == 0, "the least-squares risk is not 0")

    def set_J(self, positions):
        """J = { j < m: S_j != 0, fitted_(j) < fitted_(j+1) }, S_j the sum of j residuals in order of fitted values."""
        blocks, (forms, _) = [], integral(self.fit[:-2], self.fit)  # their order does not need the intercept
        while block := (yield):
            fitted, residuals = map(block.at, forms)
            blocks.append((block.scale, fitted, map(mul, residuals, block.columns[-1])))
        unit = lcm(*(scale for scale, *_ in blocks))
        pairs = sorted((unit // s * f, (unit // s) ** 2 * wr) for s, *lists in blocks for f, wr in zip(*lists))
        ties = [[wr for _, wr in group] for _, group in groupby(pairs, lambda pair: pair[0])]
        ends = zip(accumulate(map(len, ties)), accumulate(map(sum, ties)))
        J = [j for j, S in ends if S]  # S_m = 0
        need(positions == J and all(type(j) is int for j in positions), "J is another set")

    def pure_error(self, floor):
        """No function of x has a lower risk: among equal inputs the weighted mean of y is best."""
        groups = {}
        while block := (yield):
            for row in block.rows:
                *x, y, w = (Fraction(v, block.scale) for v in row)
                n, sums, squares = groups.get(tuple(x), (0, 0, 0))
                groups[tuple(x)] = n + w, sums + w * y, squares + w * y * y
        total = sum(squares - sums**2 / n for n, sums, squares in groups.values())
        need(total == 2 * exact(floor), "the floor is another number")

    claims = {"least squares": least_squares, "linearly fittable": partial(after, linearly_fittable)}  # noqa: RUF012
    claims |= {"no lower risk within": local_minimum, "lower risk": lower_risk}
    claims |= {"set J": set_J, "pure error": pure_error}


# ---- intervals [lo, hi]/2^200, every end rounded outward -----------------------------------------------------------

BITS, UNIT, BOUND = 200, 1 << 200, 1 << 4_000


class Interval(namedtuple("Interval", "lo hi")):
    def __add__(self, other):
        return Interval(self.lo + other.lo, self.hi + other.hi)

    def __neg__(self):
        return Interval(-self.hi, -self.lo)

    def __mul__(self, other):
        ends = [a * b for a in self for b in other]
        low, high = min(ends), max(ends)
        need(max(-low, high) < BOUND, "an interval leaves all bounds")
        return Interval(low >> BITS, -(-high >> BITS))

    def over(self, n):
        return Interval(self.lo // n, -(-self.hi // n))

    def inverse(self):
        need(self.lo > 0 or self.hi < 0, "division by an interval that holds 0")
        return Interval(UNIT**2 // self.hi, -(-(UNIT**2) // self.lo))

    def power(self, n):
        if n % 2:
            return self * self.power(n - 1)
        size = Interval(max(self.lo, -self.hi, 0), max(-self.lo, self.hi))  # an even power is one of |x|
        return (size * size).power(n // 2) if n else ONE


def interval(low, high=None):
    low, high = Fraction(low) * UNIT, Fraction(low if high is None else high) * UNIT
    return Interval(low.numerator // low.denominator, -(-high.numerator // high.denominator))


def increasing(f, x):
    return Interval(f(x.lo).lo, f(x.hi).hi)


def rounded(f, n):  # argument and result are rounded to 120 digits: with |t| < 10^5 a relative error below 10^-113
    digits = Context(prec=120, Emax=9999, Emin=-9999)
    value = digits.multiply(f(digits, digits.divide(Decimal(n), UNIT)), UNIT)
    exactly = not digits.flags[Inexact] and value == int(value)  # as is e^0 = 1
    error = 0 if exactly else (abs(int(value)) >> 370) + 2
    return Interval(int(value) - error, int(value) + error)


exp, log, sqrt = (partial(increasing, partial(rounded, f)) for f in (Context.exp, Context.ln, Context.sqrt))


def series(x, factor, under=lambda i: 1):
    """sum (-x^2)^i x/(factor(1) ... factor(i) under(i)): terms grow, then shrink; after one of 2^-200 less is left out."""
    total, power, square, i = x, x, -x * x, 0
    while max(-power.lo, power.hi) > 1:
        i += 1
        power = (power * square).over(factor(i))
        total = total + power.over(under(i))
    return total + Interval(-1, 1)


def sin(x):  # |sin'| <= 1
    middle = (x.lo + x.hi) >> 1
    need(abs(middle) <= 24 * UNIT, "the sine is asked for at |t| > 24")
    value = series(Interval(middle, middle), lambda i: 2 * i * (2 * i + 1))
    return value + Interval(middle - x.hi, x.hi - middle)


def atan_at(n):  # three times t -> t/(1 + sqrt(1 + t^2)) halves the angle: tan(pi/16) < 1/5
    x = Interval(n, n)
    for _ in range(3):
        x = x * (ONE + sqrt(ONE + x * x)).inverse()
    return series(x, lambda i: 1, lambda i: 2 * i + 1) * interval(8)


def erf_at(n):  # 2/sqrt(pi) sum (-1)^i t^(2i+1)/(i! (2i+1)); 1 - erf(6) < 2^-55
    if abs(n) > 6 * UNIT:
        return Interval(UNIT - (UNIT >> 55), UNIT) if n > 0 else Interval(-UNIT, (UNIT >> 55) - UNIT)
    return series(Interval(n, n), lambda i: i, lambda i: 2 * i + 1) * TWO_OVER_ROOT_PI


atan, erf = partial(increasing, atan_at), partial(increasing, erf_at)
ONE, ZERO = interval(1), interval(0)
PI = atan(interval(1)) * interval(4)
TWO_OVER_ROOT_PI = interval(2) * sqrt(PI).inverse()

# ---- activations: formulas, and h, h', h''/2 over an interval ------------------------------------------------------

TAYLOR = {
    "inv": lambda x: (i := x.inverse(), -i.power(2), i.power(3)),
    "exp": lambda x: (e := exp(x), e, e.over(2)),
    "log": lambda x: (log(x), i := x.inverse(), -i.power(2).over(2)),
    "sqrt": lambda x: (root := sqrt(x), root.inverse().over(2), -(root * x).inverse().over(8)),
    "sin": lambda x: (s := sin(x), sin(x + PI.over(2)), -s.over(2)),
    "atan": lambda x: (atan(x), d := (x.power(2) + ONE).inverse(), -x * d.power(2)),
    "erf": lambda x: (erf(x), d := TWO_OVER_ROOT_PI * exp(-x.power(2)), -x * d),
    "softplus": lambda x: (log(ONE + exp(x)), (ONE + exp(-x)).inverse(), (exp(x) + ONE + ONE + exp(-x)).inverse().over(2)),
}


def jet(formula, t):
    """(h, h', h''/2) on an interval that lies in one piece; a place where pieces meet belongs to the one below."""
    if not isinstance(formula, list):
        return (t, ONE, ZERO) if formula == "t" else (PI if formula == "pi" else interval(exact(str(formula))), ZERO, ZERO)
    name, x, *rest = formula
    x = jet(x, t)
    if name == "if":
        above, below = rest
        need(x[0].lo > 0 or x[0].hi <= 0, "two pieces of the activation meet in an interval")
        return jet(above if x[0].lo > 0 else below, t)
    if name == "pow":
        n = whole(*rest, 0)
        need(n <= 1000, "a power above 1,000")
        g = [x[0].power(max(n - k, 0)) * interval(comb(n, k)) for k in range(3)]
    elif rest:
        y = jet(["inv", *rest] if name == "div" else ["neg", *rest] if name == "sub" else rest[0], t)
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

PARTS, WINDOW, WORK = 128, 4, 2_000_000


def root_above(x):
    return Fraction(isqrt(x * 4**60 // 1) + 1, 2**60)


def upward(x, sign):
    return (x if sign > 0 else -x).lo >= 0


class Theorem2:
    def __init__(self, table, formula):
        self.formula, self.dx, self.length, self.work = formula, table.dx, len(json.dumps(formula)), 0
        need(self.length <= LONGEST_FORMULA, f"a formula has at most {LONGEST_FORMULA} characters")
        need((table.m, table.dy, table.weighted) == (3, 1, False), "theorem 2 has three samples without weights")

    def data(self):
        rows = []
        while block := (yield):
            rows += block.values
        self.rows = (*x1, y1), (*x2, y2), (*x3, y3) = [list(map(Fraction, row)) for row in rows]
        need(all(a + b == 2 * c for a, b, c in zip(x1, x2, x3)), "the third input is not halfway between the others")
        need(x1 != x2 and y1 == y2 != y3, "expected x1 != x2 and y1 = y2 != y3")
        self.k, self.risk = y3 - y1, (y3 - y1) ** 2 / 3

    def jet(self, low, high=None, formula=None):
        self.work += self.length
        need(self.work <= WORK, "more work than theorem 2 can need")
        return jet(self.formula if formula is None else formula, interval(low, high))

    def network(self, words):
        """Preactivations z and values h(z), unit by unit, output weights, and an upper bound of the risk."""
        W1, b1, W2, b2 = units(words, self.dx)
        z = [[at(w, x) + b for *x, _ in self.rows] for w, b in zip(W1, b1)]
        h = [[self.jet(v)[0] for v in unit] for unit in z]
        outputs = (sum(map(mul, map(interval, W2), values), start=interval(b2)) for values in zip(*h))
        squares = ((value + interval(-y)).power(2) for value, (*_, y) in zip(outputs, self.rows))
        return z, h, W2, Fraction(sum(squares, start=ZERO).hi, 2 * UNIT)

    def zero_risk(self, network, risk):
        """Two units, values a and b on the samples: u (a1 - a2) + v (b1 - b2) = 0, u (a3 - a2) + v (b3 - b2) = k."""
        _, h, _, most = self.network(network)
        need(most <= exact(risk), "the network's risk is larger")
        changes = [(h1 + -h2, h3 + -h2) for h1, h2, h3 in h]
        crossed = [a1 * b3 + -(a3 * b1) for (a1, a3), (b1, b3) in combinations(changes, 2)]
        crossed += [a3 for a1, a3 in changes if a1 == ZERO]  # one unit is enough
        need(any(c.lo > 0 or c.hi < 0 for c in crossed), "no two units are shown to fit exactly")

    def local_minimum(self, network, radius, excess):
        """risk - k^2/3 >= sum k U_j h''(xi_j) a_j^2/12 + (sum U_j h'(zeta_j) a_j)^2/4 >= 0, a_j = z_j(x1) - z_j(x2)."""
        (z, _, W2, most), R = self.network(network), exact(radius)
        need(most - self.risk <= exact(excess), "the network's risk exceeds by more")
        need(0 < R <= min(map(abs, W2)), "the radius is not positive, or above an output weight")
        norms = [root_above(at(x, x) + 1) for *x, _ in self.rows]
        signs = [1 if self.k * v > 0 else -1 for v in W2]

        def window(j, r):
            """All that unit j sees while its row moves by at most r, xi_j and zeta_j included."""
            return min(v - r * n for v, n in zip(z[j], norms)), max(v + r * n for v, n in zip(z[j], norms))

        falling = [j for j, sign in enumerate(signs) if not self.bends(self.formula, *window(j, R), sign)]
        need(len(falling) <= 1, "more than one unit may lower the risk")
        if not falling:
            return
        # one unit may: |k| + M <= m is enough, m = 3 |U_j| h'^2/|h''| of it, M the sum of the same over the others
        roots = [root_above(Fraction(n, PARTS)) * R for n in range(PARTS + 1)]

        def extreme(j, worst):
            """For n = 1, 2, ...: m or M of unit j where (row's move)^2 + (weight's move)^2 <= R^2 n/PARTS."""
            windows, ratios, side = [window(j, r) for r in roots], [], -1 if worst is min else 1
            found = self.enclosed(*windows[0])
            for inner, outer in pairwise(windows):  # each window is the one before it, and what it adds on both sides
                found += self.enclosed(outer[0], inner[0]) + self.enclosed(inner[1], outer[1])
                ratios.append(self.ratio(found, signs[j], worst))
            for n in range(1, PARTS + 1):
                yield worst((abs(W2[j]) + side * roots[n - i]) * ratios[i] for i in range(n))

        (j,) = falling
        m = list(extreme(j, min))
        M = map(sum, zip([0] * PARTS, *(extreme(i, max) for i in range(len(W2)) if i != j)))
        need(all(abs(self.k) + a <= b for a, b in zip(M, reversed(m))), "(C2.7) is not shown somewhere in the ball")

    def bends(self, formula, low, high, sign, halvings=20):
        """Is sign h convex on [low, high]? h'' >= 0 is asked of an interval, then of its halves, and where pieces meet
        that h is continuous and its slope does not fall."""
        try:
            if isinstance(formula, list) and formula[0] == "if":
                _, condition, above, below = formula
                (c, *_), (_, slope, _) = self.jet(0, None, condition), self.jet(min(low, 0), max(high, 0), condition)
                corner = -Fraction(c.lo, UNIT)
                if slope == ONE and c.lo == c.hi:  # the condition is t - corner
                    if high <= corner or corner < low:  # all of it is in one piece, which may have pieces itself
                        return self.bends(below if high <= corner else above, low, high, sign, halvings)
                    (a, a1, _), (b, b1, _) = (self.jet(corner, None, piece) for piece in (above, below))
                    meets = a == b and a.lo == a.hi and upward(a1 + -b1, sign)
                    return meets and self.bends(above, corner, high, sign) and self.bends(below, low, corner, sign)
            if upward(self.jet(low, high, formula)[2], sign):
                return True
        except (Reject, ArithmeticError):
            pass
        ends = low, (low + high) / 2, high
        return halvings > 0 and all(self.bends(formula, *half, sign, halvings - 1) for half in pairwise(ends))

    def enclosed(self, low, high):
        """(h'^2, h''/2) on the parts of an interval."""
        ends = [low + (high - low) * i / WINDOW for i in range(WINDOW + 1)]
        return [(h1.power(2), h2) for _, h1, h2 in (self.jet(*part) for part in pairwise(ends))]

    def ratio(self, found, sign, worst):
        """3 h'^2/(sign h'') from above, h' and h'' anywhere in what was found; 3 h'^2/(-sign h'') from below for min."""
        bends = [h2 if sign > 0 else -h2 for _, h2 in found]
        if worst is min:
            return Fraction(3 * min(s.lo for s, _ in found), 2 * max(1, *(-b.lo for b in bends)))
        need(min(b.lo for b in bends) > 0, "h'' may vanish in the ball")
        return Fraction(3 * max(s.hi for s, _ in found), 2 * min(b.lo for b in bends))

    claims = {"zero risk": partial(after, zero_risk), "no lower risk within": partial(after, local_minimum)}  # noqa: RUF012


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
        self.sizes, self.dy = [table.dx + bias, *map(len, layers)], table.dy
        need(len(layers) >= 2 and self.sizes[-1] == table.dy, "expected two layers or more, the last with a row per target")
        need(min(self.sizes) > 0, "a layer is empty")
        self.weights = self.chain(layers)
        self.R = products(self.weights)[-1]

    def data(self):
        n, moments = self.sizes[0], [[0] * self.sizes[0] for _ in range(self.sizes[0] + self.dy)]
        while block := (yield):
            x, y = block.columns[:n], block.columns[-1 - self.dy : -1]
            sums = [[Fraction(at(a, b), block.scale**2) for b in x] for a in x + y]
            moments = [list(map(add, *rows)) for rows in zip(moments, sums)]
        self.A, self.G = moments[:n], minus(product(self.R, moments[:n]), moments[n:])

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
        need(isinstance(left, list) and whole(j, 2) + len(left) == len(layers), "expected j, and vectors for W_{j:2}, ...")
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

    claims = {"global minimum": partial(after, global_minimum)}  # noqa: RUF012
    claims |= {"saddle": partial(after, saddle), "escape": partial(after, escape)}


# ---- the whole certificate -----------------------------------------------------------------------------------------


def check(text, read, arranged=None):
    """Is every claim of the certificate `text` true of the rows that `read()` yields? A Verdict.

    A row is (x_1, ..., x_dx, targets, weight if there are weights) in float, int or Fraction, without rows of weight 0.
    `arranged` says how many targets there are, and whether there are weights: the certificate must say the same.
    """
    found, place = [], "the certificate"
    try:
        words = parse(text)
        need(isinstance(words, dict) and words.get("format") == "fastminima certificate", "this is no certificate")
        need(whole(words.get("version"), 1) == VERSION, f"this checks version {VERSION}, not {words.get('version')!r:.20}")
        names = "format", "version", "theorem", "meaning", "data", "setting", "claims"
        _, _, theorem, meaning, data, setting, claims = fields(words, *names)
        need(meaning in ("binary", "decimal", "rational"), "no such meaning of data")
        need(isinstance(claims, list) and claims, "there is no claim")
        table = Table(read, data)
        told = table.dy, table.weighted
        need(arranged in (None, told), f"it is about (targets, weights) = {told}, the data have {arranged}")
        place = "the setting"
        statement = {1: Theorem1, 2: Theorem2, 4: Theorem4}[whole(theorem, 1)](table, setting)
        tasks = [(place, "", {}, statement.data())]
        for number, claim in enumerate(claims, 1):
            place = f"claim {number}"
            name = claim.pop("claim")
            place += f", {name!r:.40}"
            tasks.append((place, name, claim, statement.claims[name](statement, **claim)))
        for place, *_, task in tasks:
            next(task)
        place = "the data"
        for block in table.blocks():
            for *_, task in tasks:
                task.send(block)
        for place, name, claim, task in tasks:
            need(next(task, True), "it is not decided")
            numbers = (f"{word}~{show(claim[word])}" for word in claim if isinstance(claim[word], str))
            found.append(" ".join([name, *numbers]))
    except Exception as error:
        return Verdict(False, f"{place}: {error if isinstance(error, Reject) else repr(error)}", found[1:])
    return Verdict(True, "every claim holds", found[1:])


# ---- data files and the command ------------------------------------------------------------------------------------

LETTERS = {"b1": "?", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q"}
LETTERS |= {"u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def npy_lines(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        size = "<I" if file.read(8)[6] > 1 else "<H"
        header = ast.literal_eval(file.read(*struct.unpack(size, file.read(struct.calcsize(size)))).decode())
        (m, n), kind = header["shape"], header["descr"]
        need(kind[0] in "<|" and kind[1:] in LETTERS, f"expected little-endian numbers, got {kind}")
        with memoryview(content)[file.tell() :].cast(LETTERS[kind[1:]]) as numbers:
            need(len(numbers) == m * n, "the file is cut short")
            yield list(map(str, range(n)))
            for i in range(m):
                yield (numbers[i::m] if header["fortran_order"] else numbers[i * n : (i + 1) * n]).tolist()


def csv_lines(path):
    with open(path, newline="", encoding="utf-8-sig") as file:
        delimiter = "\t" if path.endswith(".tsv") else ","
        yield from filter(None, csv.reader(file, delimiter=delimiter, skipinitialspace=True))


def number(cell, decimal):
    if not isinstance(cell, str):
        return cell
    need(re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?\s*", cell), f"no number: {cell!r:.40}")
    return Fraction(cell) if decimal or re.fullmatch(r"\s*[+-]?[0-9]+\s*", cell) else float(cell)


def selected(lines, decimal, targets, features, weight):
    names = [name.strip() for name in next(lines)]
    place = {str(i - len(names)): i for i in range(len(names))} | {str(i): i for i in range(len(names))}
    place |= {name: i for i, name in enumerate(names)}
    last = [place[name] for name in [*(targets or names[-1:]), *([weight] * bool(weight))]]
    order = [i for i in (place[name] for name in features or names) if i not in last] + last
    rows = ([number(line[i], decimal) for i in order] for line in lines)
    return (row for row in rows if not weight or row[-1] != 0)


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

    def read():  # `check` has parsed the text before it reads
        lines = npy_lines(given.data) if given.data.endswith(".npy") else csv_lines(given.data)
        decimal = parse(text)["meaning"] != "binary"
        return selected(lines, decimal, given.target, given.features, given.sample_weight)

    verdict = check(text, read, (len(given.target or [0]), given.sample_weight is not None))
    print(*(f"holds: {name}" for name in verdict.claims), sep="\n")
    print("accepted:" if verdict.accepted else "rejected:", verdict.reason)
    return 0 if verdict.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
