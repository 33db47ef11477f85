"""Checks a certificate of fastminima against data. This file needs nothing but Python's standard library.

    python check.py proof.json data.npy --target 3
    python check.py proof.json houses.csv --target price --features rooms,age

What is trusted: Python's integers, `fractions`, `decimal` (exp, ln and sqrt, which it rounds correctly),
`json`, `struct`, `re`, `mmap`, `hashlib`, and the lines below. Nothing is solved or searched: a certificate says what
is so, and every claim is derived again from the data, in exact arithmetic. docs/proofs.md shows why what is accepted
implies the claims.

The parts, in order: the words of a certificate; the data as integers; local minima of any network, and
floors of the risk; pieces of a line; theorem 1; interval arithmetic; activations; matrices; layers; theorem 2;
theorem 4; the whole certificate; data files and the command. Whatever raises an error is a rejection.
"""

import argparse
import ast
import codecs
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
from itertools import (
    accumulate,
    combinations,
    combinations_with_replacement,
    groupby,
    islice,
    pairwise,
    product,
    repeat,
)
from math import comb, gcd, isfinite, isinf, isqrt, lcm, prod
from operator import add, mul

FORMAT, VERSION, LONGEST_FILE, LONGEST_NUMBER, LONGEST_FORMULA = "fastminima certificate", 1, 1 << 24, 100_000, 2_000


class Verdict(namedtuple("Verdict", "accepted reason claims")):
    def __bool__(self):
        return self[0]


class Reject(Exception):
    """The certificate is not accepted; the text says why."""


class TooMuch(Exception):
    """The certificate is not accepted, because that would take too long. No other way is tried."""


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
    need(not re.search("[\ud800-\udfff]", text), "the certificate holds half of a surrogate pair, which is no character")
    words = json.loads(text, object_pairs_hook=once)
    if re.search(r"\\u[dD][89a-fA-F]", text):  # whole pairs are characters by now
        halves = re.search("[\ud800-\udfff]", json.dumps(words, ensure_ascii=False))
        need(not halves, "the certificate holds half of a surrogate pair, which is no character")
    return words


def fields(words, *names):
    need(isinstance(words, dict) and set(words) == set(names), f"expected exactly the fields {', '.join(names)}")
    return [words[name] for name in names]


def exact(words, *size):
    """A rational, or nested lists of them of the sizes given; None is any size."""
    if size:
        need(isinstance(words, list) and size[0] in (None, len(words)), f"expected a list of {size[0]}")
        return [exact(part, *size[1:]) for part in words]
    p, q, k = numeral(words)
    return Fraction(integer(p), integer(q or "0") or 1 << int(k or 0))


def numeral(words):
    """The digits of p, q and k; those that are not there are None."""
    found = isinstance(words, str) and len(words) <= LONGEST_NUMBER and re.fullmatch(NUMBER, words)
    need(found, f"expected a rational 'p/q' or 'p/2^k', got {words!r:.40}")
    return found.groups()


def integer(text):
    """int(text), which refuses 4,300 digits and takes a time that grows with their square."""
    half = len(text) // 2
    if half < 1_000:
        return int(text)
    high, low = integer(text[:-half]) * 10**half, integer(text[-half:])
    return high - low if text[0] == "-" else high + low


def show(words):
    p, q, k = numeral(words)
    return f"{Decimal(p) / (Decimal(q or 0) or 1 << int(k or 0)):.10g}"


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


def flip(A):
    return [list(column) for column in zip(*A)]


# Work is counted before it is done, from the lengths of the numbers, in what was a nanosecond where this was written. A
# certificate may ask for ALLOWED of it a row and a MiB of its text, as if there were 1,000 rows more and at least one MiB.
ALLOWED, LONGEST_UNIT = 1_200_000, 1 << 19


def words_of(bits):
    return (bits >> 6) + 1


def times(a, b=64):
    """The work of one product of numbers of a and b bits."""
    short, long = sorted((words_of(a), words_of(b)))
    return 100 + 8 * long * isqrt(isqrt(short**3))


def reduction(bits, count=1):
    """The work of bringing fractions of so many bits to lowest terms, or of adding them."""
    return count * (2_000 + 7 * words_of(bits) ** 2)


def longest(*lines):
    """Bits of the longest number in lists of integers or rationals."""
    return max((max(c.numerator.bit_length(), c.denominator.bit_length()) for line in lines for c in line), default=0)


def is_float(value):
    try:
        return value == float(value)
    except OverflowError:
        return False


class Block(namedtuple("Block", "values columns rows scale")):
    """Rows as they came; and (x_1, ..., x_dx, 1, targets, weight) times `scale`, integers, by columns and by rows."""

    def at(self, form):
        return [at(form, row) for row in self.rows]

    def parts(self, work):
        """Fewer rows at a time where a row takes much work, and so much memory."""
        count = max(1, 10**8 // work)
        for i in range(0, len(self.rows), count):
            part = slice(i, i + count)
            yield Block(self.values[part], [column[part] for column in self.columns], self.rows[part], self.scale)


class Table:
    def __init__(self, read, words):
        names = "rows", "columns", "targets", "weighted", "numbers", "sha256", "unordered"
        self.m, self.dx, self.dy, self.weighted, numbers, *self.digests = fields(words, *names)
        need(type(self.weighted) is bool and numbers in ("float64", "rational"), "no such kind of data")
        need(whole(self.m, 1) and whole(self.dx, 0) + whole(self.dy, 1) < 1 << 20, "more than a million columns")
        self.read, self.floats, self.beyond = read, numbers == "float64", False
        self.work, self.seen, self.length, self.leaves = 0, 0, 0, 0

    def spend(self, work):
        self.work += work
        most = (ALLOWED * (1_000 + self.seen) * max(self.length, 1 << 20) >> 20) + LEAF * self.leaves
        if self.work > most:
            raise TooMuch(f"more work than a certificate of {self.length} characters may ask for on {self.seen} rows")

    def integral(self, *lines):
        """Lists of rationals times their least common denominator, which comes with them."""
        unit = 1
        for q in (c.denominator for line in lines for c in line):
            if q > 1 and unit % q:
                self.spend(reduction(max(unit.bit_length(), q.bit_length())))
                unit = lcm(unit, q)
                need(unit.bit_length() <= LONGEST_UNIT, f"common denominators of more than {LONGEST_UNIT} bits")
        size = unit.bit_length()
        for c in (c for line in lines for c in line):
            p, q = c.numerator.bit_length(), c.denominator.bit_length()
            self.spend(100 * words_of(p + size - q) + 5 * words_of(size - q) * words_of(q) + times(p, size - q))
        return [[c.numerator * (unit // c.denominator) for c in line] for line in lines], unit

    def blocks(self):
        """All rows. At the end their digests are compared with those of the certificate."""
        ordered, total, count, n = hashlib.sha256(), 0, 0, self.dx + self.dy + self.weighted
        pack, rows = struct.Struct(f"<{n}d").pack, iter(self.read())
        while part := list(islice(rows, BLOCK // n + 1)):
            need(set(map(len, part)) == {n}, f"a row has not the {n} numbers that the certificate says")
            given = [v for row in part for v in row]
            values = list(map(add, given, repeat(0.0)) if self.floats else map(Fraction, given))  # -0.0 is 0.0
            need(values == given, "a number is no float64 number")
            self.beyond = self.beyond or not (self.floats or all(map(is_float, values)))
            part = [values[i : i + n] for i in range(0, len(values), n)]
            lines = [pack(*row) if self.floats else (",".join(map(str, row)) + "\n").encode() for row in part]
            ordered.update(b"".join(lines))
            total += sum(int.from_bytes(hashlib.blake2s(line).digest(), "little") for line in lines)
            count += len(part)
            self.seen = count
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


def merged(claim, statement, **words):
    """`after`, for a claim about the distinct inputs; what it takes to gather and to look at them is counted."""
    statement.groups = {}
    while block := (yield):
        statement.table.spend(len(block.rows) * (20_000 + 3_000 * statement.dx))
    claim(statement, **words)


# ---- networks with one hidden layer: h(t) = s+ t for t >= 0 and s- t for t <= 0; risk sum w (f(x) - y)^2/2 ----------

# theta: all parameters; W2: output weights; on the distinct inputs z times z_unit and G = sum w (f(x) - y) times G_unit
Point = namedtuple("Point", "theta W2 z z_unit G G_unit risk")


class OneHiddenLayer:
    """Local minima of any network. Inputs with G = 0 count for nothing; one with z = 0 and G != 0 is a kink of the risk."""

    def __init__(self, table, slopes):
        self.table, self.dx, self.slopes, self.groups, self.distinct = table, table.dx, exact(slopes, 2), None, None
        need(self.slopes[0] > 0 <= self.slopes[1] != self.slopes[0], "expected s+ > 0, s- >= 0, s+ != s-")
        need(table.dy == 1, "theorem 1 has one target")

    def data(self):
        """The sums of w, w y and w y^2 by distinct inputs, in the order of their first rows, if a claim asks for them."""
        while block := (yield):
            if self.groups is not None:
                for values, (*_, y, w) in zip(block.values, block.rows):
                    x, y, w = tuple(values[: self.dx]), Fraction(y, block.scale), Fraction(w, block.scale)
                    self.groups[x] = list(map(add, self.groups.get(x, (0, 0, 0)), (w, w * y, w * y * y)))

    def integers(self, words):
        """Rows (w, b) and then (0, b2, -1), times `unit`; output weights times both slopes, and then 1, times `common`; the
        work of a row of data of 64 bits."""
        W1, b1, W2, b2 = units(words, self.dx)
        last = [Fraction(v) for v in (*[0] * self.dx, b2, -1)]
        forms, unit = self.table.integral(*([*w, b] for w, b in zip(W1, b1)), last)
        self.table.spend(sum(reduction(longest([v], self.slopes), 2) for v in W2))
        sides, common = self.table.integral(*([v * s for s in self.slopes] for v in W2), [Fraction(1)] * 2)
        bits, work = longest(*forms) + longest(*sides) + 64, sum(times(c.bit_length()) for form in forms for c in form)
        work += sum(100 + times(longest(form) + 64, longest(side)) for form, side in zip(forms, sides))
        return forms, unit, sides, common, bits, work + 2 * times(bits, bits)

    def point(self, words):
        W1, b1, W2, b2 = units(words, self.dx)
        if self.distinct is None:  # x~, their squared norms, and the sums
            X, S = self.table.integral(*([*map(Fraction, x), Fraction(1)] for x in self.groups))
            self.table.spend(len(X) * (self.dx + 1) * times(longest(*X), longest(*X)))
            self.distinct = X, S, [at(x, x) for x in X], *self.table.integral(*self.groups.values())
        (forms, unit, sides, common, bits, work), (X, S, _, sums, D) = self.integers(words), self.distinct
        T, long = unit * common * S, words_of(longest(*X) + longest(*sums))  # numbers of a row, in 64 bits each
        self.table.spend(2 * len(X) * long * work + reduction(2 * bits + 128 * long + longest([T, D])))
        z = [[at(x, row) for row in forms] for x in X]
        f = [sum(t * (plus if t > 0 else minus) for t, (plus, minus) in zip(row, sides)) for row in z]
        G = [w * v - wy * T for v, (w, wy, _) in zip(f, sums)]
        square = sum(v * (g - wy * T) for v, g, (_, wy, _) in zip(f, G, sums)) + T**2 * sum(wyy for *_, wyy in sums)
        return Point([*sum(W1, b1), *W2, b2], W2, z, unit, G, D * T, Fraction(square, 2 * D * T**2))

    def distance(self, p, q):
        """Its square, over all parameters."""
        need(len(p.W2) == len(q.W2), "the networks have different widths")
        self.table.spend(sum(reduction(longest(pair), 4) for pair in zip(p.theta, q.theta)))
        return sum((a - b) ** 2 for a, b in zip(p.theta, q.theta))

    def lower_point(self, network, lower, drop, radius):
        """The risk of `lower` is below that of `network`, from which it lies no farther than the radius, if there is one."""
        p, q, R = self.point(network), self.point(lower), None if radius is None else exact(radius)
        need(0 < exact(drop) <= p.risk - q.risk, "the drop is not reached")
        need(R is None or (R >= 0 and self.distance(p, q) <= R**2), "the lower point lies farther away")

    def local_minimum(self, network, risk, radius_squared, units):
        """No network in the cone K around this one (docs/proofs.md) has a lower risk, and K holds the ball of radius R."""
        p, R2 = self.point(network), None if radius_squared is None else exact(radius_squared)
        need(p.risk == exact(risk), "the risk is another number")
        need(sum(p.G) == 0, "the residuals do not add up to 0")
        need(isinstance(units, list) and len(units) == len(p.W2), "expected what is shown of each unit")
        self.low = p, R2, [self.vanishes(p, k, words) for k, words in enumerate(units)]
        need(not any(p.G) if R2 is None else R2 > 0, "expected a radius above 0, or none where no function has a lower risk")
        bound, near = (0, 1) if R2 is None else (R2.numerator * p.z_unit**2, R2.denominator)
        norms, z, R = self.distinct[2], longest(*p.z), bound.bit_length()
        self.table.spend(len(p.z) * len(units) * (times(z, z) + times(2 * z, near.bit_length()) + times(R, longest(norms))))
        for k, a in enumerate(p.W2):
            close = [g for g, z, norm in zip(p.G, p.z, norms) if 0 < z[k] ** 2 * near < bound * norm]
            self.inside(k, bound <= (a * p.z_unit) ** 2 * near, close)

    def inside(self, k, kept, turned):
        """Does unit k stay in K, if `kept` says so of its output weight, and z changes sign where G is as in `turned`?"""
        (p, _, zero), (plus, minus) = self.low, self.slopes
        against = any(p.W2[k] * (plus - minus) * g < 0 for g in turned)
        need((kept and not against) or (zero[k] and not any(turned)), f"unit {k} may leave the cone")

    def near_minimum(self, network, distance_squared, excess, in_ball, in_region):
        """This network is nearer to the local minimum of the claim before than its R, or in its K."""
        (low, R2, _), p = self.low, self.point(network)
        distance = self.distance(low, p)
        need(distance == exact(distance_squared), "the distance is another number")
        need(p.risk - low.risk == exact(excess), "the excess is another number")
        need({type(in_ball), type(in_region)} == {bool} and (in_ball or in_region), "expected where it lies: true or false")
        need(not in_ball or R2 is None or distance < R2, "it is no nearer than the radius")
        for k, (a, old) in enumerate(zip(p.W2, low.W2) if in_region else ()):
            turned = [g for g, now, z in zip(low.G, p.z, low.z) if now[k] * z[k] < 0]
            self.inside(k, a * old >= 0 if old else not a, turned)

    def vanishes(self, p, k, words):
        """a phi(v) = <goal, v> + sum d |<x, v>| over kinks x, the rate at which the risk changes with unit k's row along v,
        is nowhere negative. Is it 0 everywhere?"""
        (X, *_), a, (plus, minus) = self.distinct, p.W2[k], self.slopes
        (slopes,), unit = self.table.integral([(plus + minus) / 2, plus, minus])  # for z = 0, z > 0, z < 0
        self.table.spend(len(X) * (self.dx + 2) * times(longest(p.G) + longest(slopes), longest(slopes, *X)))
        force = [g * slopes[(z[k] > 0) - (z[k] < 0)] for g, z in zip(p.G, p.z)]
        P, kinks = [at(force, column) for column in zip(*X)], [(x, g) for x, g, z in zip(X, p.G, p.z) if g and not z[k]]
        zero = not kinks and not any(P)
        if a == 0 or words == "zero":
            need(zero and words == "zero", f"the risk changes with unit {k} to first order")
            return zero
        self.table.spend(reduction(longest([a], self.slopes) + longest(P, p.G, [p.G_unit]), len(kinks) + self.dx + 2))
        goal, limits = [a * v / (unit * p.G_unit) for v in P], [a * (plus - minus) / 2 * g / p.G_unit for _, g in kinks]
        way = self.on_lines if words == "lines" else partial(self.at_vertices, words)
        way([x for x, _ in kinks], limits, goal)
        return zero

    def at_vertices(self, words, X, limits, goal):
        """For all signs of the d < 0: goal = sum l x, where |l| <= d for the d > 0 and l = +-d for the others."""
        concave = sum(d < 0 for d in limits)
        need(isinstance(words, list) and len(words) == 1 << concave, "expected multipliers for all signs of the d < 0")
        for signs, given in zip(product((1, -1), repeat=concave), words):
            values, sign = exact(given, len(X)), iter(signs)
            inside = (abs(v) <= d if d > 0 else v == next(sign) * d for v, d in zip(values, limits))
            need(all(inside), "a multiplier is beyond its limit")
            (values, ends), _ = self.table.integral(values, goal)
            self.table.spend(len(goal) * len(X) * times(longest(values), longest(*X)))
            need([at(values, [x[i] for x in X]) for i in range(len(goal))] == ends, "the multipliers do not balance")

    def on_lines(self, X, limits, goal):
        """|<goal, v>| <= sum d |<x, v>| on all lines of the span of the x orthogonal to as many x as leave a line."""
        rows, pivots = self.reduced(flip([*X, goal]))
        need(len(X) not in pivots, "the rate does not vanish with all kinks")
        *X, goal = flip(rows)  # their products with v, by those of a basis
        rank, bits = len(pivots), 3 * len(pivots) * longest(*X)
        work = reduction(bits, 2 * rank * len(X)) + reduction(bits + longest(goal, limits), 2 * len(X))
        self.table.spend(comb(len(X), rank - 1) * work)
        for chosen in combinations(X, rank - 1):
            rows, pivots = self.reduced(chosen)
            if len(pivots) == rank - 1:
                free = min({*range(rank)} - {*pivots})
                line = [1 if j == free else -rows[pivots.index(j)][free] for j in range(rank)]
                rate = sum(d * abs(at(x, line)) for x, d in zip(X, limits))
                need(abs(at(goal, line)) <= rate, "the risk falls along a line")

    def reduced(self, rows):
        """Reduced row echelon form without its rows of zeros, and the columns of its pivots."""
        rows, pivots = [list(map(Fraction, row)) for row in rows], []
        for j in range(len(rows[0]) if rows else 0):
            k = len(pivots)
            i = next((i for i in range(k, len(rows)) if rows[i][j]), None)
            if i is not None:
                self.table.spend(sum(reduction(longest(row), 2 * len(row)) for row in rows))
                rows[k], rows[i] = rows[i], rows[k]
                top = rows[k] = [v / rows[k][j] for v in rows[k]]
                rows = [row if row is top else [v - row[j] * w for v, w in zip(row, top)] for row in rows]
                pivots.append(j)
        return rows[: len(pivots)], pivots

    def scatter(self):
        """What no function of x goes below: among equal inputs the weighted mean of y is best."""
        parts = [squares - sums**2 / n for n, sums, squares in self.groups.values()]
        while len(parts) > 1:  # in pairs, because denominators grow
            self.table.spend(sum(reduction(longest([part])) for part in parts))
            parts = [sum(parts[i : i + 2]) for i in range(0, len(parts), 2)]
        return parts[0] / 2

    def at_width(self, width, floor, lines):
        """No network of this width has a lower risk: the scatter of equal inputs, and lines, on which a unit bends once."""
        total, width, free, known = self.scatter(), whole(width, 1), [*self.groups.values()], {}
        X, _ = self.table.integral(*([*map(Fraction, x)] for x in self.groups))
        for line in lines:
            first, second, every, bound, joined = fields(line, "first", "second", "every", "bound", "joined")
            need(max(whole(first, 0), whole(second, 0)) < len(X), "there is no such input")
            j, on = self.straight(X, X[first], X[second], known)
            on, bound = sorted((i for i in on if free[i]), key=lambda i: X[i][j])[:: whole(every, 1)], exact(bound)
            self.table.spend(1_000 * len(on) + reduction(longest([bound, total]), 2))
            need(bound > 0 and len(on) > 1 and type(joined) is bool, "expected a bound above 0, two inputs, true or false")
            points = Points(self.table, [(X[i][j], *free[i][:2]) for i in on], bound, width)
            need(points.joined() if joined else points.apart(), "the risk on a line may fall below its bound")
            for i in on:  # no input counts twice
                free[i] = None
            total += bound
        need(0 <= exact(floor) <= total, "the floor is not reached")

    def straight(self, X, x, y, known):
        """The inputs on the straight line through two of them, and a coordinate that tells them apart."""
        way = [b - a for a, b in zip(x, y)]
        j = next((j for j, v in enumerate(way) if v), None)
        need(j is not None, "a line goes through two inputs")
        unit = gcd(*way) * (1 if way[j] > 0 else -1)
        way = tuple(v // unit for v in way)
        if way not in known:  # all lines of one direction at once
            self.table.spend(len(X) * (3_000 + 3 * (self.dx + 1) * times(longest(*X), longest(way))))
            known[way] = {}
            for i, z in enumerate(X):
                known[way].setdefault(tuple(v * way[j] - z[j] * d for v, d in zip(z, way)), []).append(i)
        return j, known[way][tuple(v * way[j] - x[j] * d for v, d in zip(x, way))]

    def in_cells(self, width, floor, forms, back, cells):
        """No network of this width with the slopes of the setting has a lower risk: the scatter, and what cells leave."""
        Cells(self, whole(width, 1), exact(forms, None, self.dx + 1), exact(back, self.dx, len(forms) + 1)).all(
            exact(floor) - self.scatter(), cells
        )

    of_any = {claim.__name__: partial(merged, claim) for claim in (local_minimum, near_minimum, lower_point)}  # noqa: RUF012
    of_any["no lower risk at width"] = partial(merged, at_width)
    of_any["no lower risk at width with these slopes"] = partial(merged, in_cells)


# ---- functions of one input with few kinks: their risk is at least that of affine pieces ----------------------------


def floored(p, q, shift):
    return (p << shift) // q if shift > 0 else p // (q << -shift)


class Points:
    """Points (t, w, w y), t increasing; a risk, or a bound of it, is counted in units of 2^-64 of the bound or less. Is the
    risk with so many kinks nowhere below the bound?"""

    def __init__(self, table, points, bound, kinks):
        T, W, Y = zip(*points)
        step = gcd(*(t - T[0] for t in T))
        ((W,), of_w), ((Y,), of_y) = table.integral(W), table.integral(Y)
        self.table, self.T, self.W, self.Y, self.n = table, [(t - T[0]) // step for t in T], W, Y, len(T)
        self.kinks = min(kinks, self.n)
        table.spend(reduction(longest([bound]) + 2 * of_y.bit_length() + of_w.bit_length(), 2))
        twice = bound * Fraction(2 * of_y**2, of_w)
        self.shift = 65 - twice.numerator.bit_length() + twice.denominator.bit_length()
        self.aim = -floored(-twice.numerator, twice.denominator, self.shift)
        bits = 2 * (longest(self.T) + longest(Y)) + longest(W) + 3 * self.n.bit_length() + abs(self.shift)
        self.work = reduction(bits) // 2 + 6 * times(bits, bits) + 100 * self.kinks
        table.spend(1_000 * (self.kinks + 2) * self.n)

    def pieces(self, i, before):
        """(j, cost, sums) of pieces i, ..., j - 1 until `before` and the cost reach the aim: more points cost no less."""
        w = wt = wtt = wy = wty = wyy = 0
        for j, (t, a, b) in enumerate(zip(self.T[i:], self.W[i:], self.Y[i:]), i + 1):
            self.table.spend(self.work)
            w, wt, wtt, wy, wty = w + a, wt + a * t, wtt + a * t * t, wy + b, wty + b * t
            wyy += floored(b * b, a, self.shift)
            spread = w * wtt - wt * wt
            fitted = wtt * wy * wy - 2 * wt * wy * wty + w * wty * wty
            cost = max(0, wyy + floored(-fitted, spread, self.shift)) if spread else 0
            if before + cost >= self.aim:
                return
            yield j, cost, (w, wt, wtt, wy, wty, spread)

    def apart(self):
        """Every piece has a line of its own."""
        best = [[self.aim] * (self.n + 1) for _ in range(self.kinks + 2)]  # of so many pieces on so many points
        best[0][0] = 0
        for i in range(self.n):
            costs = [cost for _, cost, _ in self.pieces(i, min(row[i] for row in best[:-1]))]
            part = slice(i + 1, i + 1 + len(costs))
            for shorter, longer in pairwise(best):
                if shorter[i] < self.aim:
                    longer[part] = map(min, longer[part], [shorter[i] + cost for cost in costs])
        return min(row[-1] for row in best) >= self.aim

    def joined(self):
        """A break is one kink if lines that meet in its gap pay a penalty, and two if they pay nothing."""
        of_h = longest([sum(self.W)]) + 64
        of_h += (of_h + self.shift) % 2
        ended, units = [[] for _ in range(self.n)], (of_h, (of_h + self.shift) // 2)
        for i, arrived in enumerate(ended):
            before = min((min(values) for values, _ in arrived), default=self.aim) if i else 0
            for j, cost, sums in self.pieces(i, before):
                self.table.spend(6 * self.work + len(arrived) * (3_000 + 200 * self.kinks))
                best, sides = [self.aim if i else cost, *[self.aim] * self.kinks], 1 + (i > 0 and j < self.n)
                here = self.line(sums, i, sides, units) if i else None
                for values, line in arrived:
                    once = cost + self.penalty(line, here)
                    best[1:] = map(min, best[1:], [v + once for v in values])
                    best[2:] = map(min, best[2:], [v + cost for v in values])
                if min(best) < self.aim:
                    if j == self.n:
                        return False
                    ended[j].append((best, self.line(sums, j, sides, units)))
        return True

    def line(self, sums, k, sides, units):
        """The best line of a piece on both sides of the gap before point k: its value, rounded down, and its leverage,
        rounded up, times the number of gaps beside the piece; nothing of a single point."""
        (w, wt, wtt, wy, wty, spread), (of_h, of_value) = sums, units
        return spread and [
            (floored(wtt * wy - wt * wty + (w * wty - wt * wy) * t, spread, of_value),
             -sides * floored(2 * wt * t - wtt - w * t * t, spread, of_h))
            for t in self.T[k - 1 : k + 1]
        ]  # fmt: skip

    def penalty(self, line, other):
        """What two lines pay at least to meet in the gap between them; nothing if they do."""
        apart = [(f - g, h + k) for (f, h), (g, k) in zip(line, other)] if line and other else [(0, 1)]
        if min(d for d, _ in apart) > 0 or max(d for d, _ in apart) < 0:
            return min((abs(d) - 1) ** 2 // h for d, h in apart)
        return 0


# ---- cells of hidden rows: each unit a sign, and multiples of the points of a box on a face of a cube -----------------

LEAVES, LEAF, DEEPEST = 20_000, 3_000_000, 200

# starts: sign, face and side of each unit; boxes as integers over 2^depth; rows: (unit, input, sign); on: the side of each
# input at each unit, 0 where it is open
Cell = namedtuple("Cell", "starts low high depth rows on")


class Cells:
    """Networks f(x) = b + sum_k sigma_k h(<q_k, x~>): all q_k lie in the cells, which cuts make of the first ones."""

    def __init__(self, network, width, forms, back):
        self.table, self.width, self.n = network.table, width, len(forms) + 1
        need(width * self.n <= 12, "more than 12 numbers in hidden rows")
        inputs = [[*map(Fraction, x)] for x in network.groups]
        self.table.spend(len(inputs) * 3_000 * (self.n + self.table.dx) ** 2)
        X = [[*(at([*x, 1], form) for form in forms), Fraction(1)] for x in inputs]
        same = all(at(z, row) == v for x, z in zip(inputs, X) for v, row in zip(x, back))
        need(same, "the inputs are not these linear functions of the forms")
        self.X, self.S = self.table.integral(*X)
        (self.w,), self.of_w = self.table.integral([w for w, _, _ in network.groups.values()])
        (self.wy,), self.of_wy = self.table.integral([wy for _, wy, _ in network.groups.values()])
        (self.s,), _ = self.table.integral(network.slopes)
        squares = [wy * wy / w for w, wy, _ in network.groups.values()]
        size = max(max(squares).numerator.bit_length() - max(squares).denominator.bit_length(), 0)
        self.shift = max(0, 160 - size)
        self.yy = [floored(v.numerator, v.denominator, self.shift) for v in squares]
        self.pairs = [(a, b) for a in range(self.n) for b in range(a, self.n)]
        self.sums = [
            (*(w * x[a] * x[b] for a, b in self.pairs), *(wy * v for v in x), w, wy, yy)
            for x, w, wy, yy in zip(self.X, self.w, self.wy, self.yy)
        ]
        self.bits = longest(*self.X) + DEEPEST

    def all(self, aim, cells):
        """Does every leaf leave at least `aim`?"""
        cells, kinds = iter(cells), list(product((1, -1), range(self.n), (1, -1)))
        for starts in combinations_with_replacement(kinds, self.width):
            low, high = ([[end] * self.n for _ in starts] for end in (-1, 1))
            for k, (_, face, side) in enumerate(starts):
                low[k][face] = high[k][face] = side
            first = Cell(starts, low, high, 0, (), [[0] * len(self.X) for _ in starts])
            for k in range(self.width):
                first = self.looked_at(first, k)
            stack = [first]
            while stack:
                cell, words = stack.pop(), next(cells, None)
                need(isinstance(words, list) and words and all(type(v) is int for v in words), "expected a cut or a leaf")
                kind, *words = words
                if kind == 2:
                    self.leaf(cell, words, aim)
                else:
                    need(kind in (0, 1) and len(words) == 2, "expected a cut: 0 or 1, a unit, a side or an input")
                    k, j = words
                    need(0 <= k < self.width and 0 <= j < (self.n, len(self.X))[kind], "there is no such side or input")
                    need(len(cell.rows) < 64 and cell.depth < DEEPEST, "a cell is cut too often")
                    stack += [*(self.by_row if kind else self.halves)(cell, k, j)][::-1]
        need(next(cells, None) is None, "there are more cuts than cells")

    def halves(self, cell, k, j):
        """The box of unit k cut at the middle of side j: lower and upper half."""
        need(j != cell.starts[k][1], "a face has no such side")
        self.table.spend(400 * self.width * self.n)
        double = [[[2 * v for v in row] for row in rows] for rows in (cell.low, cell.high)]
        middle = cell.low[k][j] + cell.high[k][j]
        for end in (1, 0):
            boxes = [[[*row] for row in rows] for rows in double]
            boxes[end][k][j] = middle
            yield self.looked_at(cell._replace(low=boxes[0], high=boxes[1], depth=cell.depth + 1), k)

    def by_row(self, cell, k, i):
        """The two signs that input i may have at unit k."""
        for sign in (1, -1):
            self.table.spend(10 * len(self.X))
            on = [*cell.on]
            on[k] = [*on[k]]
            on[k][i] = sign
            yield cell._replace(rows=(*cell.rows, (k, i, sign)), on=on)

    def looked_at(self, cell, k):
        """Inputs that lie on one side for all of the box of unit k; what was so stays so."""
        least, most, on = cell.low[k], cell.high[k], [*cell.on[k]]
        still = [i for i, side in enumerate(on) if not side]
        self.table.spend(len(still) * 2 * self.n * times(self.bits, cell.depth) + 10 * len(on))
        for i in still:
            ends = [(a * v, b * v) for a, b, v in zip(least, most, self.X[i])]
            on[i] = 1 if sum(map(min, ends)) >= 0 else -1 if sum(map(max, ends)) <= 0 else 0
        return cell._replace(on=[*cell.on[:k], on, *cell.on[k + 1 :]])

    def leaf(self, cell, limits, aim):
        """The least squares on the inputs that the cell decides, with some of its inequalities as equations, whose
        multipliers are not negative; or no cell, where units in order are never in it."""
        self.table.leaves += 1
        need(self.table.leaves <= LEAVES, f"more than {LEAVES} leaves")
        if limits == [-1]:
            need(any(self.exchanged(cell, k) for k in range(self.width - 1)), "the cell holds units in order")
            return
        need(len(limits) % 3 == 0 and len(limits) <= 3 * (1 + self.width * self.n), "expected inequalities by threes")
        H, g, yy = self.normal_equations(cell)
        rows = [self.limit(cell, *limits[i : i + 3]) for i in range(0, len(limits), 3)]
        solution = self.solved(H, g, rows)
        need(solution is not None, "the equations of a leaf have no solution")
        numerators, denominator = solution
        self.table.spend(len(numerators) ** 2 * times(longest(*H, *rows), longest(numerators)))
        lines = [[*line, *(-row[a] for row in rows)] for a, line in enumerate(H)]
        lines += [[*row, *[0] * len(rows)] for row in rows]
        right = [at(line, numerators) for line in lines] == [v * denominator for v in (*g, *[0] * len(rows))]
        need(right and denominator, "the equations of a leaf are not solved")
        need(all(v * denominator >= 0 for v in numerators[len(g) :]), "a multiplier is negative")
        # twice the risk; H is in units of 1/of_w, g in units of 1/of_wy
        self.table.spend(reduction(longest(numerators, g), 4))
        twice = Fraction(yy, 1 << self.shift) - Fraction(at(g, numerators) * self.of_w, denominator * self.of_wy**2)
        need(twice >= 2 * aim, "the risk in a cell may fall below the floor")

    def exchanged(self, cell, k):
        first = int(cell.starts[k][1] == 0)
        return cell.starts[k] == cell.starts[k + 1] and self.n > 1 and cell.high[k + 1][first] < cell.low[k][first]

    def normal_equations(self, cell):
        """H and g of (b, q_1, ..., q_w) over the inputs that lie on one side of every unit, and the sum of squares."""
        n, by_pattern = self.n, {}
        self.table.spend(len(self.X) * (300 + 60 * self.width + 100 * len(self.sums[0])))
        for pattern, sums in zip(zip(*cell.on), self.sums):
            if all(pattern):
                known = by_pattern.get(pattern)
                by_pattern[pattern] = sums if known is None else [*map(add, known, sums)]
        H, g, yy = [[0] * (1 + self.width * n) for _ in range(1 + self.width * n)], [0] * (1 + self.width * n), 0
        self.table.spend(len(by_pattern) * len(H) ** 2 * times(self.bits, 2 * self.bits))
        for pattern, sums in by_pattern.items():
            square = dict(zip(self.pairs, sums))
            # (unit, coordinate, slope); the constant is the last coordinate without its factor S
            columns = [(0, n - 1, None)]
            for k, (sign, _, _) in enumerate(cell.starts):
                slope = sign * self.s[0 if pattern[k] > 0 else 1]
                columns += [(1 + k * n + a, a, slope) for a in range(n)]
            for i, a, p in columns:
                g[i] += sums[-2] if p is None else p * sums[len(self.pairs) + a]
                for j, b, q in columns:
                    v = square[min(a, b), max(a, b)]
                    if p is None or q is None:
                        v //= self.S
                    if p is None and q is None:
                        v = sums[-3]
                    H[i][j] += v * (1 if p is None else p) * (1 if q is None else q)
            yy += sums[-1]
        return H, g, yy

    def limit(self, cell, k, j, kind):
        """An inequality of the cell: a side of a box from below or above, or the sign of an input."""
        need(0 <= k < self.width and kind in (0, 1, 2), "there is no such inequality")
        row, begin = [0] * (1 + self.width * self.n), 1 + k * self.n
        if kind == 2:
            need(0 <= j < len(cell.rows) and cell.rows[j][0] == k, "there is no such inequality")
            _, i, sign = cell.rows[j]
            row[begin : begin + self.n] = [sign * v for v in self.X[i]]
            return row
        _, face, side = cell.starts[k]
        need(0 <= j < self.n and j != face, "there is no such inequality")
        sign, end = (1, cell.low) if kind == 0 else (-1, cell.high)
        row[begin + j], row[begin + face] = sign << cell.depth, -sign * side * end[k][j]
        return row

    def solved(self, H, g, limits):
        """(beta, lambda) of H beta - A'lambda = g, A beta = 0 over one denominator (Bareiss), or None."""
        rows = [[*line, *(-row[a] for row in limits), v] for a, (line, v) in enumerate(zip(H, g))]
        rows += [[*row, *[0] * len(limits), 0] for row in limits]
        size, last, pivots = len(rows), 1, []
        for j in range(size):
            k = len(pivots)
            i = next((i for i in range(k, size) if rows[i][j]), None)
            if i is not None:
                rows[k], rows[i] = rows[i], rows[k]
                top, bits = rows[k], longest(*rows)
                self.table.spend(size * size * 3 * times(bits, bits))
                rows = [row if row is top else [(top[j] * v - row[j] * u) // last for v, u in zip(row, top)] for row in rows]
                last = top[j]
                pivots.append(j)
        if any(row[-1] for row in rows[len(pivots) :]):
            return None
        solution = [0] * size
        for row, j in zip(rows, pivots):
            solution[j] = row[-1]
        return solution, last


# ---- theorem 1: least squares, and networks beside it --------------------------------------------------------------


class Theorem1(OneHiddenLayer):
    def least_squares(self, coef, intercept, risk):
        """No affine function has a lower risk: sum w r (x, 1) = 0, and the risk is convex."""
        self.fit = [*exact(coef, self.dx), exact(intercept), Fraction(-1)]
        ((form,), unit), sums = self.table.integral(self.fit), [0] * (self.dx + 2)  # weighted products of residuals
        bits = longest(form) + 64
        work = sum(times(c.bit_length()) for c in form) + times(bits, bits) + (self.dx + 2) * times(bits)
        while block := (yield):
            self.table.spend(len(block.rows) * work)
            for part in block.parts(work):
                r = part.at(form)
                wr = list(map(mul, r, part.columns[-1]))
                products = (Fraction(at(wr, x), part.scale**3) for x in (*part.columns[: self.dx + 1], r))
                sums = list(map(add, sums, products))
        need(not any(sums[:-1]), "the residuals are not orthogonal to the columns")
        self.risk = sums[-1] / (2 * unit**2)
        need(self.risk == exact(risk), "the risk of the fit is another number")

    def network(self, words, radius=Fraction(0)):
        """Its risk, and whether each unit has one sign on all samples, and |z| >= radius |(x, 1)| > 0 there."""
        (forms, unit, sides, common, bits, work), square, far = self.integers(words), 0, radius > 0
        bound, near = (radius.numerator * unit) ** 2, radius.denominator
        close = longest(*forms) + near.bit_length() + 64
        work += far * (times(close, close) + times(bound.bit_length()) + times(close) * len(forms))
        while block := (yield):
            self.table.spend(len(block.rows) * work)
            for part in block.parts(work):
                more, signs = self.seen(part, forms, sides, far and (bound, near))
                square, far = square + more, signs if far in (True, signs) else False
        self.table.spend(reduction(2 * bits))
        return square / (2 * (unit * common) ** 2), far

    def seen(self, part, forms, sides, least):
        """What these rows add to the risk; the signs of the units, if each has one and is as far from 0 as `least` says."""
        z, errors = [part.at(form) for form in forms], repeat(0)
        for values, (plus, minus) in zip(z, sides):
            errors = list(map(add, errors, (t * (plus if t > 0 else minus) for t in values)))
        signs = False
        if least:
            closest, (bound, near) = (min(map(abs, row)) for row in zip(*z[:-1])), least
            squares = (at(x, x) * bound for x in zip(*part.columns[: self.dx + 1]))
            far = all((t * near) ** 2 >= size for t, size in zip(closest, squares))
            signs = far and all(min(row) * max(row) > 0 for row in z[:-1]) and [row[0] > 0 for row in z[:-1]]
        return Fraction(at(map(mul, errors, errors), part.columns[-1]), part.scale**3), signs

    def affine_near(self, network, radius, excess):
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
        blocks, (forms, _) = [], self.table.integral(self.fit[:-2], self.fit)  # their order does not need the intercept
        bits = longest(*forms) + 64
        work = sum(times(c.bit_length()) for form in forms for c in form) + times(bits) + 300 * (10 + words_of(bits))
        while block := (yield):
            self.table.spend(len(block.rows) * work)
            fitted, residuals = map(block.at, forms)
            blocks.append((block.scale, fitted, map(mul, residuals, block.columns[-1])))
        unit = lcm(*(scale for scale, *_ in blocks))
        pairs = sorted((unit // s * f, (unit // s) ** 2 * wr) for s, *lists in blocks for f, wr in zip(*lists))
        ties = [[wr for _, wr in group] for _, group in groupby(pairs, lambda pair: pair[0])]
        ends = zip(accumulate(map(len, ties)), accumulate(map(sum, ties)))
        J = [j for j, S in ends if S]  # S_m = 0
        need(positions == J and all(type(j) is int for j in positions), "J is another set")

    def pure_error(self, floor):
        """No function of x has a lower risk."""
        need(self.scatter() == exact(floor), "the floor is another number")

    claims = OneHiddenLayer.of_any | {"least squares": least_squares, "lower risk": lower_risk, "set J": set_J}
    claims |= {"no lower risk within": affine_near, "linearly fittable": partial(after, linearly_fittable)}
    claims |= {"pure error": partial(merged, pure_error)}


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


EFFORT = {"exp": 8, "log": 12, "sqrt": 2, "sin": 40, "atan": 40, "erf": 60, "softplus": 40}


def effort(name, *parts):
    """The work of an operation: rough, and above what it takes."""
    size = max(abs(end).bit_length() for part in parts for jet in part for end in jet) // 300
    return EFFORT.get(name, 2) * (1 + size)


def jet(formula, t, spend=int, meet=False):
    """(h, h', h''/2) on an interval that lies in one piece; a place where pieces meet belongs to the one below. With `meet`
    pieces may meet in it: h is enclosed on all of them, its derivatives are not."""
    spend(1)
    if not isinstance(formula, list):
        return (t, ONE, ZERO) if formula == "t" else (PI if formula == "pi" else interval(exact(str(formula))), ZERO, ZERO)
    name, x, *rest = formula
    x = jet(x, t, spend, meet)
    spend(effort(name, x))
    if name == "if":
        above, below = rest
        if meet and x[0].lo <= 0 < x[0].hi:
            pieces = zip(*(jet(piece, t, spend, meet) for piece in rest))
            return tuple(Interval(min(a.lo, b.lo), max(a.hi, b.hi)) for a, b in pieces)
        need(x[0].lo > 0 or x[0].hi <= 0, "two pieces of the activation meet in an interval")
        return jet(above if x[0].lo > 0 else below, t, spend, meet)
    if name == "pow":
        n = whole(*rest, 0)
        need(n <= 1000, "a power above 1,000")
        spend(4 * n.bit_length() * effort(name, x))
        g = [x[0].power(max(n - k, 0)) * interval(comb(n, k)) for k in range(3)]
    elif rest:
        y = jet(["inv", *rest] if name == "div" else ["neg", *rest] if name == "sub" else rest[0], t, spend, meet)
        spend(effort(name, x, y))
        need(len(rest) == 1 and name in ("add", "sub", "mul", "div"), f"no such operation: {name!r:.20}")
        if name in ("add", "sub"):
            return tuple(a + b for a, b in zip(x, y))
        return x[0] * y[0], x[0] * y[1] + x[1] * y[0], x[0] * y[2] + x[1] * y[1] + x[2] * y[0]
    elif name == "neg":
        return tuple(-a for a in x)
    else:
        g = TAYLOR[name](x[0])
    return g[0], g[1] * x[1], g[1] * x[2] + g[2] * x[1].power(2)


# ---- matrices of fractions -----------------------------------------------------------------------------------------


class Matrices:
    """Products, differences and inner products of matrices of fractions, by integers; their work is counted."""

    def product(self, A, B):
        (rows, a), (columns, b) = self.table.integral(*A), self.table.integral(*flip(B))
        bits, count = longest(*rows) + longest(*columns) + len(B).bit_length(), len(rows) * len(columns)
        self.table.spend(count * len(B) * times(longest(*rows), longest(*columns)))
        self.table.spend(reduction(max(bits, (a * b).bit_length()), count))
        return [[Fraction(at(row, column), a * b) for column in columns] for row in rows]

    def minus(self, A, B):
        self.table.spend(sum(reduction(longest(a, b), len(a)) for a, b in zip(A, B)))
        return [[a - b for a, b in zip(*rows)] for rows in zip(A, B)]

    def dot(self, A, B):
        (A, a), (B, b) = self.table.integral(*A), self.table.integral(*B)
        self.table.spend(sum(times(longest(p), longest(q)) * len(p) for p, q in zip(A, B)))
        self.table.spend(reduction(longest(*A, [a]) + longest(*B, [b])))
        return Fraction(sum(map(at, A, B)), a * b)


# ---- layers: networks of any depth whose activations are affine somewhere -------------------------------------------


def root(x):
    """A square root, rounded up to 64 bits."""
    k = 64 - (x.numerator.bit_length() - x.denominator.bit_length()) // 2
    return Fraction(isqrt(x * Fraction(4) ** k // 1) + 1) / Fraction(2) ** k if x else x


class Activation:
    """A formula; `lines` has (slope, offset) between neighbouring breaks, None where it is not seen to be affine."""

    def __init__(self, table, words):
        self.formula, breaks = fields(words, "formula", "breaks")
        length = len(json.dumps(words))
        need(length <= LONGEST_FORMULA, f"a formula has at most {LONGEST_FORMULA} characters")
        self.breaks = exact(breaks, None)
        table.spend(1_000 * length * (len(self.breaks) + 1))
        need(all(a < b for a, b in pairwise(self.breaks)), "the breaks do not increase")
        self.ends = [None, *self.breaks, None]
        self.lines = [line(self.formula, *ends) for ends in pairwise(self.ends)]
        around = zip(self.breaks, self.lines, self.lines[1:])
        self.joined = [None not in (f, g) and f[0] * t + f[1] == g[0] * t + g[1] for t, f, g in around]


def line(formula, low, high):
    """(slope, offset) on an open interval (an end of None is infinite); None where it is not seen to be affine."""
    if not isinstance(formula, list):
        if formula == "pi":
            return None
        return (Fraction(1), Fraction(0)) if formula == "t" else (Fraction(0), exact(str(formula)))
    name, *parts = formula
    if name == "if":
        condition, above, below = parts
        found = line(condition, low, high)
        ends = (low, -1), (high, 1)
        ends = found and [sign * found[0] if t is None else found[0] * t + found[1] for t, sign in ends]
        ends = [found[1]] if found and not found[0] else ends
        if not found or min(ends) < 0 < max(ends) or not any(ends):  # either may hold: they must agree
            a, b = (line(part, low, high) for part in (above, below))
            return a if a == b else None
        return line(above if max(ends) > 0 else below, low, high)
    if name == "pow":
        base, n = line(parts[0], low, high), whole(parts[1], 0)
        constant = n == 0 or (base and not base[0] and n * longest(base) <= LONGEST_NUMBER)
        return base if n == 1 else (Fraction(0), base[1] ** n if n else Fraction(1)) if constant else None
    a, *rest = [line(part, low, high) for part in parts]
    if a is None or None in rest or name not in ("neg", "add", "sub", "mul", "div"):
        return None
    if name == "neg" or not rest:
        return (-a[0], -a[1]) if name == "neg" and not rest else None
    (b,) = rest
    if name in ("add", "sub"):
        return tuple(u + v if name == "add" else u - v for u, v in zip(a, b))
    if name == "div":
        return (a[0] / b[1], a[1] / b[1]) if b[1] and not b[0] else None
    return None if a[0] and b[0] else (a[0] * b[1] + b[0] * a[1], a[1] * b[1])


class Layers(Matrices):
    """Networks of the widths and with the activations of the setting; the loss is sum w phi(f(x) - y) over rows and outputs,
    phi(r) = r^2/2, or with Huber's delta d: d |r| - d^2/2 where |r| > d. g = phi'(r); then 2 phi(r) = g (2 r - g)."""

    def __init__(self, table, setting):
        names = ["classes"] if "classes" in setting else []
        activations, widths, loss, *names = fields(setting, "activations", "widths", "loss", *names)
        need(isinstance(widths, list) and widths, "expected the widths of hidden layers")
        self.table, self.dx, self.dy = table, table.dx, table.dy
        self.read_loss(loss)
        self.sizes = [self.dx, *(whole(width, 1) for width in widths), self.outputs]
        need(isinstance(activations, list) and len(activations) == len(widths), "expected an activation for each layer")
        self.activations = [Activation(table, words) for words in activations]
        need(not names or self.named(*names), "expected a name for each class: texts, whole numbers, or true and false")

    def named(self, labels):
        return False

    def read_loss(self, loss):
        self.delta, self.outputs = None, self.dy
        if loss != "squared":
            need(isinstance(loss, list) and len(loss) == 2 and loss[0] == "huber", "no such loss")
            self.delta = exact(loss[1])
            need(self.delta > 0, "Huber's delta is not above 0")

    def data(self):
        while (yield):
            pass

    def network(self, words):
        shape = list(zip(self.sizes[1:], self.sizes))
        need(isinstance(words, list) and len(words) == len(shape), "expected layers of the widths of the setting")
        layers = [(*fields(layer, "W", "b"), *sizes) for layer, sizes in zip(words, shape)]
        return [(exact(W, rows, columns), exact(b, rows)) for W, b, rows, columns in layers]

    def residuals(self, rows):
        """Forms that give r of each output, times `unit`, and delta times `unit`; the work of a row of data of 64 bits."""
        targets = [[Fraction(-(j == k)) for j in range(self.dy)] for k in range(self.dy)]
        (*forms, (limit,)), unit = self.table.integral(*map(add, rows, targets), [self.delta or Fraction(0)])
        bits = longest(*forms) + 64
        work = sum(times(c.bit_length()) for form in forms for c in form)
        return (forms, unit, limit), work + self.dy * ((self.dx + 2) * times(bits) + 2 * times(bits, bits))

    def slopes(self, part, fit):
        """r and w g of each output on some rows, and the sum of 2 w phi, over the scales of the rows and the unit."""
        (forms, unit, limit), total, found = fit, 0, []
        most = limit * part.scale
        for form in forms:
            r = part.at(form)
            g = r if self.delta is None else [max(-most, min(most, v)) for v in r]
            wg = list(map(mul, g, part.columns[-1]))
            total += at(wg, (2 * a - b for a, b in zip(r, g)))
            found.append(wg)
        return found, Fraction(total, part.scale**3 * unit**2)

    def affine_bound(self, coef, intercept, loss):
        """No affine map has a lower loss: sum w g (x, 1) = 0, and the loss is convex."""
        rows = [[*row, b] for row, b in zip(exact(coef, self.dy, self.dx), exact(intercept, self.dy))]
        (self.fit, work), total = self.residuals(rows), 0
        sums = [[0] * (self.dx + 1) for _ in rows]
        while block := (yield):
            self.table.spend(len(block.rows) * work)
            for part in block.parts(work):
                found, more = self.slopes(part, self.fit)
                products = ([Fraction(at(wg, x), part.scale**3) for x in part.columns[: self.dx + 1]] for wg in found)
                sums, total = [list(map(add, *both)) for both in zip(sums, products)], total + more
        need(not any(map(any, sums)), "the slopes of the loss are not orthogonal to the columns")
        self.bound = total / 2
        need(self.bound == exact(loss), "the loss of the map is another number")

    def affine_near(self, layers, pieces, radius, excess):
        """Nor any network near by: while the hidden layers together move by at most the radius, every unit stays on its
        piece and the network is affine. Its own loss exceeds the bound by `excess` at most."""
        net, R, total = self.network(layers), exact(radius), 0
        need(R > 0, "the radius is not above 0")
        need(isinstance(pieces, list) and len(pieces) == len(self.activations), "expected a piece for each hidden layer")
        stages, rows = self.stages(net, pieces, R)
        work, twice = self.of_map(rows)
        for rooms, active, _, bits in stages:
            work += sum((self.dx + 1) * times(longest(form)) for form, _ in (*rooms, *active))
            work += len(rooms) * 4 * times(bits, bits) + len(active) * times(bits, bits)
        while block := (yield):
            self.table.spend(len(block.rows) * work)
            for part in block.parts(work):
                self.inside(part, stages)
                total += twice(part)
        need(total / 2 - self.bound <= exact(excess), "the network's loss exceeds the bound by more")

    def of_map(self, rows):
        """The work of a row, and a function of rows that gives twice the loss of an affine map, or a bound above it."""
        fit, work = self.residuals(rows)
        return work, lambda part: self.slopes(part, fit)[1]

    def stages(self, net, pieces, R):
        """For each hidden layer what `inside` asks of (x, 1), and the affine map that the network is inside.

        S^2 = |(a, 1)|^2 of the layer before is S'/U, T of docs/proofs.md is T'/V, S' and T' integers."""
        a, stages, U, V = None, [], Fraction(1), Fraction(1)
        for (W, b), activation, k in zip(net, self.activations, pieces):
            need(whole(k, 0) < len(activation.lines) and activation.lines[k], "the activation is not affine there")
            (slope, offset), (low, high) = activation.lines[k], activation.ends[k : k + 2]
            z = self.plus(self.product(W, a), b) if a else [[*w, c] for w, c in zip(W, b)]
            self.table.spend(sum(2 * len(w) * (times(longest(w)) + reduction(3 * longest(w))) for w in W))
            squares, sums = [at(w, w) for w in W], [[sum(map(abs, line)) for line in M] for M in (W, flip(W))]
            norm, forms, rooms = root(min(sum(squares), max(sums[0]) * max([0, *sums[1]]))), {}, []
            for form, square in zip(map(tuple, z), squares):
                forms[form] = max(forms.get(form, 0), square)
            for form, square in forms.items():
                for end, sign in ((low, 1), (high, -1)):
                    if end is not None:
                        room = [*(sign * v for v in form[:-1]), sign * (form[-1] - end)]
                        ((room,), unit), n = self.table.integral(room), root(square) + R
                        (ways,), _ = self.table.integral([R**2 / U, R**2 * n**2 / V, Fraction(1, unit**2)])
                        rooms.append((room, ways))
            a = [[*(slope * v for v in form[:-1]), slope * form[-1] + offset] for form in z]
            counts = {}
            for form in map(tuple, a):
                counts[form] = counts.get(form, 0) + 1
            forms, unit = self.table.integral(*counts, [Fraction(0)])
            once = slope**2 * (norm + R) ** 2 / V if len(stages) else Fraction(0)  # T is 0 at first
            ((of_S, of_T),), V = self.table.integral([slope**2 / U, once])
            U = Fraction(unit**2)
            bits = longest(*(room for room, _ in rooms), *(ways for _, ways in rooms), *forms, [of_S, of_T]) + 64
            stages.append((rooms, list(zip(forms, counts.values())), (unit, of_S, of_T), bits * (len(stages) + 2)))
        W, b = net[-1]
        return stages, self.plus(self.product(W, a), b)

    def plus(self, forms, b):
        return [[*form[:-1], form[-1] + c] for form, c in zip(forms, b)]

    def inside(self, part, stages):
        """R^2 (S^2 + (n + R)^2 T) < (distance from the end)^2 for every unit of every layer on every row."""
        S, T, one = [at(x, x) for x in zip(*part.columns[: self.dx + 1])], [0] * len(part.rows), part.scale
        for rooms, active, (unit, of_S, of_T), _ in stages:
            for form, (p, q, r) in rooms:
                far = all(d > 0 and p * s + q * t < r * d * d for d, s, t in zip(part.at(form), S, T))
                need(far, "a preactivation comes closer to the end of its piece than the radius allows")
            T = [of_S * s + of_T * t for s, t in zip(S, T)]
            S = [(unit * one) ** 2] * len(S)
            for form, count in active:
                S = [s + count * v * v for s, v in zip(S, part.at(form))]

    def lower_risk(self, layers, drop):
        """The network's loss is below the bound by `drop` at least."""
        net = self.network(layers)
        for k in range(len(net) - 2, -1, -1):  # units that nothing reads change nothing
            (W, b), (V, c) = net[k : k + 2]
            read = [j for j in range(len(W)) if any(row[j] for row in V)]
            net[k : k + 2] = ([W[j] for j in read], [b[j] for j in read]), ([[row[j] for j in read] for row in V], c)
        total = yield from (self.exactly if self.by_lines() else self.enclosed)(net)
        need(0 < exact(drop) <= self.bound - total, "the drop is not reached")

    def by_lines(self):
        return all(None not in h.lines for h in self.activations)

    def exactly(self, net):
        """The loss of a network of lines; every number of a row is an integer over `one`."""
        stages, bits, work, total = [], 64, 0, 0
        for k, (W, b) in enumerate(net):
            (*rows, of_b), unit = self.table.integral(*W, b)
            rows = [[(j, v) for j, v in enumerate(row) if v] for row in rows]
            size = longest(*([v for _, v in row] for row in rows), of_b)
            work += (sum(map(len, rows)) + len(rows)) * times(size, bits)
            bits += size + 8
            h = self.activations[k] if k < len(self.activations) else None
            if h:
                (slopes, offsets), fine = self.table.integral(*(zip(*h.lines)))
                (breaks,), step = self.table.integral(h.breaks)
                size = longest(slopes, offsets, breaks, [step, fine])
                work += len(rows) * (len(breaks) + 2) * times(size, bits)
                bits += size
                h = (slopes, offsets, fine, breaks, step, h.joined)
            stages.append((rows, of_b, unit, h))
        work += self.dy * (2 * times(bits, bits) + 4 * reduction(bits))
        while block := (yield):
            self.table.spend(len(block.rows) * work)
            for row in block.rows:
                total += self.loss_of(row, block.scale, stages)
        return total / 2

    def loss_of(self, row, scale, stages):
        a, one = row[: self.dx], scale
        for rows, b, unit, h in stages:
            z = [sum(v * a[j] for j, v in line) + c * one for line, c in zip(rows, b)]
            one *= unit
            if h:
                slopes, offsets, fine, breaks, step, joined = h
                places = [[(v * step > t * one) - (v * step < t * one) for t in breaks] for v in z]
                need(all(side or ok for place in places for side, ok in zip(place, joined)), "a unit is at a jump")
                pieces = [sum(side >= 0 for side in place) for place in places]
                a = [slopes[k] * v + offsets[k] * one for k, v in zip(pieces, z)]
                one *= fine
        twice = 0
        for v, y in zip(z, row[self.dx + 1 :]):
            r = abs(Fraction(v, one) - Fraction(y, scale))
            g = r if self.delta is None else min(r, self.delta)
            twice += g * (2 * r - g)
        return twice * Fraction(row[-1], scale)

    def enclosed(self, net):
        """An upper bound of the loss, by intervals."""
        layers = [([[(j, interval(v)) for j, v in enumerate(row) if v] for row in W], [*map(interval, b)]) for W, b in net]
        count, total = sum(len(row) + 1 for W, _ in layers for row in W), Fraction(0)
        spend = lambda work: self.table.spend(1_500 * work)  # noqa: E731
        while block := (yield):
            self.table.spend(len(block.rows) * count * 1_500)
            for row in block.rows:
                a = [interval(Fraction(v, block.scale)) for v in row[: self.dx]]
                for k, (W, b) in enumerate(layers):
                    z = [sum((v * a[j] for j, v in line), start=c) for line, c in zip(W, b)]
                    if k < len(self.activations):
                        a = [jet(self.activations[k].formula, t, spend, meet=True)[0] for t in z]
                total += self.above(z, row, block.scale, spend)
        return total / 2

    def above(self, z, row, scale, spend):
        """Twice the loss of a row with these outputs, from above."""
        twice = 0
        for t, y in zip(z, row[self.dx + 1 :]):
            r = t + -interval(Fraction(y, scale))
            r = Fraction(max(-r.lo, r.hi), UNIT)
            g = r if self.delta is None else min(r, self.delta)
            twice += g * (2 * r - g)
        return twice * Fraction(row[-1], scale)

    def linearly_fittable(self):
        need(self.bound == 0, "the loss of the best affine map is not 0")

    def pure_error(self):
        """No function of x has a lower loss: sum w g = 0 over every group of equal inputs."""
        groups = {}
        while block := (yield):
            long = reduction(longest(*self.fit[0]) + 64, 2 * self.dy)
            self.table.spend(len(block.rows) * (20_000 + 3_000 * self.dx + long))
            found, _ = self.slopes(block, self.fit)
            for values, *wg in zip(block.values, *found):
                x = tuple(values[: self.dx])
                groups[x] = list(map(add, groups.get(x, [0] * self.dy), (Fraction(v, block.scale**2) for v in wg)))
        need(not any(map(any, groups.values())), "the slopes of a group of equal inputs do not cancel")

    claims = {  # noqa: RUF012
        "affine bound": affine_bound,
        "no lower risk within": affine_near,
        "lower risk": lower_risk,
        "linearly fittable": partial(after, linearly_fittable),
        "pure error": pure_error,
    }


class Classes(Layers):
    """The same with cross entropy, sum w (ln sum_j e^(f_j) - sum_j t_j f_j): softmax over all outputs, targets t of a class
    number or of as many columns; or logistic, for each output of two classes with (f, 0), t = 1 for the first if y > 0."""

    def read_loss(self, loss):
        need(isinstance(loss, list) and len(loss) > 1 and loss[0] in ("logistic", "softmax"), "no such loss")
        self.softmax, share = loss[0] == "softmax", exact(loss[-1])
        need(len(loss) == 2 + self.softmax and 0 <= share < 1, "expected a share of smoothed labels")
        self.share, self.outputs = share, whole(loss[1], 2) if self.softmax else self.dy
        need(not self.softmax or self.dy in (1, self.outputs), "expected a class number, or a column for each class")

    def named(self, labels):
        """Class k, which is the number k in the data, is called labels[k]; nothing else depends on it."""
        need(isinstance(labels, list) and self.dy == 1, "expected a list of names for the classes of one column")
        kinds, count = set(map(type, labels)), self.outputs if self.softmax else 2
        return len(kinds) == 1 and kinds <= {str, int, bool} and len(labels) == len(set(labels)) == count

    def targets(self, row, scale):
        """Of each problem: one of all outputs, or one for each."""
        y = [Fraction(v, scale) for v in row[self.dx + 1 : -1]]
        if not self.softmax:
            need(all(v in (-1, 0, 1) for v in y), "expected classes 0 and 1, or -1 and 1")
            hot = [[Fraction(v > 0), Fraction(v <= 0)] for v in y]
        elif self.dy > 1:
            need(min(y) >= 0 and any(y), "expected probabilities")
            hot = [[v / sum(y) for v in y]]
        else:
            need(y[0] in range(self.outputs), "expected a class number")
            hot = [[Fraction(y[0] == j) for j in range(self.outputs)]]
        return [[(1 - self.share) * t + self.share / len(one) for t in one] for one in hot]

    def problems(self, values, zero):
        """Outputs of a row, by problem."""
        return [list(values)] if self.softmax else [[v, zero] for v in values]

    def affine_bound(self, probabilities, loss):
        """The loss of every affine map is at least sum w entropy(p), as sum w (p - t) (x, 1) = 0; one reaches the least."""
        rows, total = iter(exact(probabilities, self.table.m, self.outputs)), Fraction(0)
        sums = [[Fraction(0)] * (self.dx + 1) for _ in range(self.outputs)]
        while block := (yield):
            for row in block.rows:
                p = next(rows)
                bits = longest(p, *([t] for t in sums[0])) + longest(row[: self.dx + 1], [row[-1], block.scale]) + 64
                self.table.spend(self.outputs * (reduction(bits, 3 * self.dx + 8) + 60_000))
                all_p = self.problems(p, None) if self.softmax else [[v, 1 - v] for v in p]
                need(all(min(one) > 0 and sum(one) == 1 for one in all_p), "expected probabilities above 0")
                t = self.targets(row, block.scale)
                w, x = Fraction(row[-1], block.scale), [Fraction(v, block.scale) for v in row[: self.dx + 1]]
                g = [w * (a - b) for one, of in zip(all_p, t) for a, b in list(zip(one, of))[: None if self.softmax else 1]]
                sums = [[s + v * c for s, c in zip(line, x)] for line, v in zip(sums, g)]
                entropy = sum(self.entropy(v) for one in all_p for v in one)
                total += w * Fraction(entropy, UNIT)
        need(not any(map(any, sums)), "the slopes of the loss are not orthogonal to the columns")
        self.bound = exact(loss)
        need(self.bound <= total, "the sum of entropies is smaller")

    def entropy(self, p):
        """-p ln p from below, in units of an interval."""
        p = interval(p)
        return max(0, (p * -log(p)).lo) if p.lo > 0 else 0

    def of_map(self, rows):
        forms, unit = self.table.integral(*rows)
        work = sum(times(c.bit_length()) for form in forms for c in form) + 200_000 * self.outputs

        def twice(part):
            scale, total = part.scale * unit, 0
            for row, *values in zip(part.rows, *map(part.at, forms)):
                total += self.above([interval(Fraction(v, scale)) for v in values], row, part.scale, int)
            return total

        return work, twice

    def by_lines(self):
        return False

    def above(self, z, row, scale, spend):
        total = 0
        for values, t in zip(self.problems(z, ZERO), self.targets(row, scale)):
            spend(40 * len(values))
            top = max(v.hi for v in values)
            parts = [exp(v + Interval(-top, -top)) for v in values]
            value = log(sum(parts, start=ZERO)) + Interval(top, top)
            total += sum((-(interval(a) * v) for a, v in zip(t, values)), start=value).hi
        return 2 * Fraction(total, UNIT) * Fraction(row[-1], scale)

    def not_attained(self, coef, intercept, strict):
        """Along this map the loss of every affine map falls for ever; to 0, if no class that is not a row's is as high."""
        rows = [[*row, b] for row, b in zip(exact(coef, self.outputs, self.dx), exact(intercept, self.outputs))]
        forms, _ = self.table.integral(*rows)
        work, apart = sum(times(c.bit_length()) for form in forms for c in form) + 20_000 * self.outputs, False
        need(type(strict) is bool, "strict is true or false")
        while block := (yield):
            self.table.spend(len(block.rows) * work)
            for row, *values in zip(block.rows, *map(block.at, forms)):
                for f, t in zip(self.problems(values, 0), self.targets(row, block.scale)):
                    top, others = max(f), [v for v, a in zip(f, t) if not a]
                    need(all(v == top for v, a in zip(f, t) if a), "the map does not prefer a row's own class")
                    need(not strict or all(v < top for v in others), "a class that is not a row's is as high as its own")
                    apart = apart or any(v < top for v in others)
        need(apart, "the map tells no classes apart")

    claims = {  # noqa: RUF012
        "affine bound": affine_bound,
        "no lower risk within": Layers.affine_near,
        "lower risk": Layers.lower_risk,
        "not attained": not_attained,
    }


# ---- theorem 2: samples x1, x2, (x1 + x2)/2 with targets o, o, o + k; h twice differentiable -----------------------

PARTS, WINDOW, WORK = 128, 4, 150_000


def root_above(x):
    return Fraction(isqrt(x * 4**60 // 1) + 1, 2**60)


def upward(x, sign):
    return (x if sign > 0 else -x).lo >= 0


class Theorem2:
    def __init__(self, table, formula):
        self.formula, self.dx, self.table, self.work = formula, table.dx, table, 0
        need(len(json.dumps(formula)) <= LONGEST_FORMULA, f"a formula has at most {LONGEST_FORMULA} characters")
        need((table.m, table.dy, table.weighted) == (3, 1, False), "theorem 2 has three samples without weights")

    def data(self):
        rows = []
        while block := (yield):
            rows += block.values
        self.rows = (*x1, y1), (*x2, y2), (*x3, y3) = [list(map(Fraction, row)) for row in rows]
        need(all(a + b == 2 * c for a, b, c in zip(x1, x2, x3)), "the third input is not halfway between the others")
        need(x1 != x2 and y1 == y2 != y3, "expected x1 != x2 and y1 = y2 != y3")
        self.k, self.risk = y3 - y1, (y3 - y1) ** 2 / 3

    def spend(self, work):
        self.work += work
        if self.work > WORK:
            raise TooMuch("more work than theorem 2 can need")

    def jet(self, low, high=None, formula=None):
        return jet(self.formula if formula is None else formula, interval(low, high), self.spend)

    def network(self, words):
        """Preactivations z, values h(z), unit by unit, and output weights; `most` is an upper bound of the risk."""
        W1, b1, W2, b2 = units(words, self.dx)
        sizes = [longest([c]) for row in self.rows for c in row[:-1]]
        sizes = [sum(longest([c]) for c in (*w, b)) + sum(sizes) for w, b in zip(W1, b1)]
        self.table.spend(sum(reduction(bits, 3 * (self.dx + 2)) for bits in sizes) + 20_000 * len(W1))
        z = [[at(w, x) + b for *x, _ in self.rows] for w, b in zip(W1, b1)]
        h = [[self.jet(v)[0] for v in unit] for unit in z]
        outputs = (sum(map(mul, map(interval, W2), values), start=interval(b2)) for values in zip(*h))
        squares = ((value + interval(-y)).power(2) for value, (*_, y) in zip(outputs, self.rows))
        self.most = Fraction(sum(squares, start=ZERO).hi, 2 * UNIT)
        return z, h, W2

    def zero_risk(self, network, risk):
        """Two units, values a and b on the samples: u (a1 - a2) + v (b1 - b2) = 0, u (a3 - a2) + v (b3 - b2) = k."""
        _, h, _ = self.network(network)
        need(self.most <= exact(risk), "the network's risk is larger")
        self.spend(len(h) * (len(h) + 1))
        changes = [(h1 + -h2, h3 + -h2) for h1, h2, h3 in h]
        crossed = [a1 * b3 + -(a3 * b1) for (a1, a3), (b1, b3) in combinations(changes, 2)]
        crossed += [a3 for a1, a3 in changes if a1 == ZERO]  # one unit is enough
        need(any(c.lo > 0 or c.hi < 0 for c in crossed), "no two units are shown to fit exactly")

    def local_minimum(self, network, radius, excess):
        """risk - k^2/3 >= sum k U_j h''(xi_j) a_j^2/12 + (sum U_j h'(zeta_j) a_j)^2/4 >= 0, a_j = z_j(x1) - z_j(x2)."""
        (z, _, W2), R = self.network(network), exact(radius)
        need(self.most - self.risk <= exact(excess), "the network's risk exceeds by more")
        need(0 < R <= min(map(abs, W2)), "the radius is not positive, or above an output weight")
        lengths = [longest(z[j], [R]) * 2 for j in range(len(z))]
        norms = [root_above(at(x, x) + 1) for *x, _ in self.rows]
        signs = [1 if self.k * v > 0 else -1 for v in W2]

        def window(j, r):
            """All that unit j sees while its row moves by at most r, xi_j and zeta_j included."""
            self.table.spend(reduction(lengths[j] + 128, 12))
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


class Theorem4(Matrices):
    def __init__(self, table, words):
        self.table, (layers, bias) = table, fields(words, "weights", "bias")
        need(type(bias) is bool and not table.weighted, "theorem 4 has no sample weights")
        self.sizes, self.dy = [table.dx + bias, *map(len, layers)], table.dy
        need(len(layers) >= 2 and self.sizes[-1] == table.dy, "expected two layers or more, the last with a row per target")
        need(min(self.sizes) > 0, "a layer is empty")
        self.weights = self.chain(layers)
        self.R = self.products(self.weights)[-1]

    def data(self):
        n, moments = self.sizes[0], None
        while block := (yield):
            moments = moments or [[0] * n for _ in range(n + self.dy)]
            x, y = block.columns[:n], block.columns[-1 - self.dy : -1]
            sums = [[Fraction(at(a, b), block.scale**2) for b in x] for a in x + y]
            moments = [list(map(add, *rows)) for rows in zip(moments, sums)]
        self.A, self.G = moments[:n], self.minus(self.product(self.R, moments[:n]), moments[n:])

    def chain(self, layers):
        need([len(W) for W in layers] == self.sizes[1:], "expected layers of the sizes of the weights")
        return [exact(W, None, size) for W, size in zip(layers, self.sizes)]

    def products(self, layers):
        """I, W_1, W_2 W_1, ..."""
        n = len(layers[0][0])
        self.table.spend(100 * n * n)
        eye = [[Fraction(i == j) for j in range(n)] for i in range(n)]
        return list(accumulate(layers, lambda below, W: self.product(W, below), initial=eye))

    def global_minimum(self):
        """The gradient at the product is 0, and the loss is convex in it."""
        need(not any(map(any, self.G)), "the gradient of the loss at the product is not 0")

    def saddle(self, transposed, a, b, j, v1, left):
        """dloss/dW_j = (W_{H+1:j+1})^T G (W_{j-1:1})^T = 0; the vectors are those of the paper's escape."""
        need(type(transposed) is bool, "transposed is true or false")
        layers = [flip(W) for W in reversed(self.weights)] if transposed else self.weights
        G = flip(self.G) if transposed else self.G
        above = self.products([flip(W) for W in reversed(layers)])
        for lower, upper in zip(self.products(layers), above[-2::-1]):
            need(not any(map(any, self.product(self.product(upper, G), flip(lower)))), "a gradient is not 0")
        need(G[whole(a, 0)][whole(b, 0)] != 0, "G is 0 in that place")
        hidden = self.products(layers[1:])  # hidden[k - 1] = W_{k:2}
        need(isinstance(left, list) and whole(j, 2) + len(left) == len(layers), "expected j, and vectors for W_{j:2}, ...")
        v1 = flip([exact(v1, len(layers[0]))])
        need(not any(map(any, self.product(hidden[j - 1], v1))), "v1 is not in the null space of W_{j:2}")
        need(any(map(any, self.product(hidden[j - 2], v1))), "v1 is in the null space of W_{j-1:2} too")
        for k, v in enumerate(left, j):
            v = exact(v, len(layers[k - 1]))
            need(any(v) and not any(self.product([v], hidden[k - 1])[0]), f"expected a left null vector of W_{{{k}:2}}")

    def escape(self, up, down, radius):
        """loss(R + D) - loss(R) = <G, D> + <D A, D>/2, above 0 and below 0 with no layer moved by more than `radius`."""
        signs, R = [], exact(radius)
        self.table.spend(reduction(2 * longest([R])))
        for layers in map(self.chain, (up, down)):
            moves = map(self.minus, layers, self.weights)
            near = (R > 0 and self.dot(move, move) <= R**2 for move in moves)
            need(all(near), "a layer moves by more than the radius")
            D = self.minus(self.products(layers)[-1], self.R)
            signs.append(self.dot(self.G, D) + self.dot(self.product(D, self.A), D) / 2)
        need(signs[0] > 0 > signs[1], "the loss does not rise and fall")

    claims = {"global minimum": partial(after, global_minimum)}  # noqa: RUF012
    claims |= {"saddle": partial(after, saddle), "escape": partial(after, escape)}


# ---- the whole certificate -----------------------------------------------------------------------------------------


def check(text, read, arranged=None):
    """Is every claim of the certificate `text` true of the rows that `read()` yields? A Verdict.

    A row is (x_1, ..., x_dx, targets, weight if there are weights) in float, int or Fraction, without rows of weight 0.
    `arranged` says how many targets there are, and whether there are weights: the certificate must say the same.
    """
    return Checking(len(text), lambda: parse(text), read, arranged).verdict


def shown(words, claim, rows):
    """Would `claim` hold as one claim more of the certificate whose content is `words`, about these rows? A Finding."""
    content = words | {"claims": [*words["claims"], claim]}
    checking = Checking(len(json.dumps(content)), lambda: content, lambda: rows)
    return Finding(*checking.verdict[:2], getattr(checking.statement, "most", None))


class Finding(namedtuple("Finding", "shown reason risk")):
    """`risk`: what the risk of the last network looked at is at most, whether or not its claim holds (theorem 2)."""

    __bool__ = Verdict.__bool__


class Checking:
    def __init__(self, length, content, read, arranged=None):
        self.length, self.place, self.found, self.statement = length, "the certificate", [], None
        try:
            self.all(content(), read, arranged)
            self.verdict = Verdict(True, "every claim holds", self.found[1:])
        except Exception as error:
            why = error if isinstance(error, (Reject, TooMuch)) else repr(error)
            self.verdict = Verdict(False, f"{self.place}: {why}", self.found[1:])

    def all(self, words, read, arranged):
        need(isinstance(words, dict) and words.get("format") == FORMAT, "this is no certificate")
        need(whole(words.get("version"), 1) == VERSION, f"this checks version {VERSION}, not {words.get('version')!r:.20}")
        names = "format", "version", "theorem", "meaning", "data", "setting", "claims"
        _, _, theorem, meaning, data, setting, claims = fields(words, *names)
        need(meaning in ("binary", "decimal", "rational"), "no such meaning of data")
        need(isinstance(claims, list) and claims, "there is no claim")
        table = Table(read, data)
        table.length = self.length
        told = table.dy, table.weighted
        exactly = meaning == "decimal" or (meaning == "binary") == table.floats
        need(exactly, f"numbers that are {meaning} are not {data['numbers']}")
        need(arranged in (None, told), f"it is about (targets, weights) = {told}, the data have {arranged}")
        self.place = "the setting"
        layers = isinstance(setting, dict)
        classes = layers and setting.get("loss", "")[:1] in (["logistic"], ["softmax"])
        kinds = {1: Classes if classes else Layers if layers else Theorem1, 2: Theorem2, 4: Theorem4}
        self.statement = statement = kinds[whole(theorem, 1)](table, setting)
        tasks = [(self.place, "", {}, statement.data())]
        for number, given in enumerate(claims, 1):
            self.place = f"claim {number}"
            claim = given.copy()
            name = claim.pop("claim")
            self.place += f", {name!r:.40}"
            tasks.append((self.place, name, claim, statement.claims[name](statement, **claim)))
        for self.place, *_, task in tasks:
            next(task)
        self.place = "the data"
        for block in table.blocks():
            for self.place, *_, task in tasks:
                task.send(block)
            self.place = "the data"
        need(meaning != "rational" or table.beyond, "the certificate is about rational numbers, these data are binary")
        for self.place, name, claim, task in tasks:
            need(next(task, True), "it is not decided")
            numbers = [f"{word}~{show(claim[word])}" for word in claim if isinstance(claim[word], str)]
            self.found.append(" ".join([name, *(str(claim[word]) for word in claim if word == "width"), *numbers]))


# ---- data files: what a file says for certain, or nothing ----------------------------------------------------------

NUMBERS = {"b1": "?", "f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q"}
NUMBERS |= {"u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
TRUTH = {"true": 1, "false": 0}
ABSENT = {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
ABSENT |= {"NULL", "NaN", "None", "n/a", "nan", "null"}
NUMERAL, INTEGER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", r"[+-]?[0-9]+"
LONGEST_HEADER, FARTHEST = 1 << 20, 10_000


class Array:
    """An .npy file: rows and columns, or a list of records. A column is where it begins, its step, and its kind."""

    def __init__(self, content):
        version, self.content, self.names = content[6] if len(content) > 12 else 0, content, None
        need(content[:6] == b"\x93NUMPY" and version in (1, 2, 3) and not content[7], "this is no .npy file")
        place = 10 if version == 1 else 12
        begin = place + int.from_bytes(content[8:place], "little")
        need(begin - place <= LONGEST_HEADER, "the header of the array is too long")
        text = content[place:begin].decode("utf-8" if version == 3 else "latin-1")
        text = re.sub(r"\b([0-9]+)L\b", r"\1", text) if version < 3 else text  # as Python 2 wrote integers
        need("\r" not in text, "the header of the array makes no sense")
        kind, fortran, shape = fields(ast.literal_eval(text.rstrip(" \n")), "descr", "fortran_order", "shape")
        need(type(fortran) is bool and type(shape) is tuple, "the header of the array makes no sense")
        records = isinstance(kind, list)
        need(len(shape) == 2 - records, f"expected rows and columns, or a list of records, got the shape {shape}")
        self.m, n, item = whole(shape[0], 1), 1 if records else whole(shape[1], 1), self.size(kind)
        need(len(content) >= begin + self.m * n * item, "the file is cut short")
        if records:
            places = accumulate((self.size(*what) for _, *what in kind), initial=begin)
            found = [(name, (start, item, *what)) for (name, *what), start in zip(kind, places) if name]  # "" is padding
            self.names = [name[1] if isinstance(name, tuple) else name for name, _ in found]
            self.columns = [column for _, column in found]
            need(len(set(self.names)) == len(self.names), "a column name occurs twice")
        else:
            step, apart = (item, self.m * item) if fortran else (n * item, item)
            self.columns = [(begin + j * apart, step, kind) for j in range(n)]
        self.count = len(self.columns)

    def size(self, kind, shape=()):
        if isinstance(kind, list):
            return sum(self.size(*what) for _, *what in kind) * prod(shape)
        found = re.fullmatch(r"[<>|=]?([A-Za-z])([0-9]+)(\[.*\])?", kind)
        need(found and found[1] != "O", f"no such kind of number: {kind!r:.40}")
        return int(found[2]) * (4 if found[1] == "U" else 1) * prod(shape)

    def look(self, order, labels=None):
        self.chosen = []
        for begin, step, kind, *shape in (self.columns[j] for j in order):
            code = not shape and isinstance(kind, str) and NUMBERS.get(kind.lstrip("<>|="))
            need(code, f"expected a column of numbers, got {kind!r:.40}")
            self.chosen.append((begin, step, (">" if kind[0] == ">" else "<") + code))
        need(all(all(map(isfinite, row)) for row in self.rows()), "a number is not finite")

    def rows(self):
        count = BLOCK // len(self.chosen) + 1
        with memoryview(self.content) as content:
            for i in range(0, self.m, count):
                part = []
                for begin, step, code in self.chosen:
                    last = begin + (min(i + count, self.m) - 1) * step
                    layout = f"{code}{step - struct.calcsize(code)}x"
                    before = struct.iter_unpack(layout, content[begin + i * step : last])
                    part.append([*(value for value, in before), *struct.unpack_from(code, content, last)])
                yield from zip(*part)


class Text:
    """A .csv or .tsv file: a line of names, then lines of cells. A cell that begins with a quotation mark ends with one."""

    def __init__(self, content, separator, decimal, header=False):
        self.content, self.separator, self.decimal = content, separator, decimal
        plain, ends = rb"([^%b\r\n]*+)" % separator, rb"(%b|\r\n|\r|\n|\Z)" % separator
        self.cell = re.compile(rb' *+(?:"((?:[^"]++|"")*+)"' + plain + rb'|(?!")' + plain + rb")" + ends)
        self.blank = re.compile((rb"[ \t]*+" if separator == b"," else rb" *+") + rb"(?:\r\n|\r|\n|\Z)")
        decoder, parts = codecs.getincrementaldecoder("utf-8")(), range(0, len(content) + 1, 1 << 20)
        for part in (content[i : i + (1 << 20)] for i in parts):
            need(b"\0" not in part, "this is no text: it holds a byte that is 0")
            decoder.decode(part, final=len(part) < 1 << 20)
        need(content[:4] not in (b"PAR1", b"PK\3\4"), "this is no text, but another kind of file")
        names = [name.strip() for name in next(self.lines(), [])]
        need(names, "the file is empty")
        self.width, self.names = len(names), [*names]
        while len(self.names) > 1 and not self.names[-1]:
            self.names.pop()
        self.count, few = len(self.names), ABSENT | {"?"}
        value = rf"{NUMERAL}|(?i:[+-]?inf(inity)?|true|false)"
        named = not any(re.fullmatch(value, name) for name in self.names)
        named = named and (not few.issuperset(self.names) or not any(self.names))
        need(header or named, "the first line holds numbers, where column names belong (--header if they are names)")
        need(len(set(self.names)) == self.count, "a column name occurs twice")
        need(self.count > 1 or not set(";\t|,") & set(names[0]), "the columns are separated by something else")

    def lines(self):
        content, i = self.content, 3 if self.content[:3] == b"\xef\xbb\xbf" else 0
        while i < len(content):
            if found := self.blank.match(content, i):
                i = found.end()
                continue
            line, end = [], self.separator
            while end == self.separator:
                found = self.cell.match(content, i)
                need(found, "a quotation mark is not closed")
                quoted, rest, plain, end = found.groups()
                line.append(plain if quoted is None else quoted.replace(b'""', b'"') + rest)
                i = found.end()
            yield [cell.decode() for cell in line]

    def cells(self):
        """The cells that were chosen. One more than there are names may end a line, if it is empty."""
        width, empty = self.width, {""} if self.decimal else ABSENT
        for number, line in enumerate(islice(self.lines(), 1, None)):
            width += number == 0 and len(line) == width + 1 and not self.decimal
            need(len(line) <= width, "a line has more cells than the first one has names")
            need(empty.issuperset(line[self.count :]), "a column has no name, but values")
            need(max(self.order) < len(line), "a line has fewer cells than the first one has names")
            yield [line[j] for j in self.order]

    def look(self, order, labels=None):
        """Is a column one of True and False, of integers (exact), or of fractions (float64, unless decimals are wanted)?
        The one at `labels` holds texts."""
        self.order, found = order, [set() for _ in order]
        for line in self.cells():
            for j, (kinds, cell) in enumerate(zip(found, line)):
                kinds |= {"label"} if j == labels else self.kinds(cell)
        need(any(found), "there are no rows")
        need(not any("truth" in kinds and len(kinds) > 1 for kinds in found), "a column mixes True and False with numbers")
        need(not any({"fraction", "infinite"} <= kinds for kinds in found), "a number is beyond float64")
        ways = {"truth": lambda cell: TRUTH[cell.lower()], "decimal": lambda cell: Fraction(Decimal(cell.strip()))}
        ways |= {"fraction": float, "integer": lambda cell: integer(cell.strip()), "label": str.strip}
        self.ways = [next(way for kind, way in ways.items() if kind in kinds) for kinds in found]

    def kinds(self, cell):
        if cell.lower() in TRUTH and not self.decimal:
            return {"truth"}
        found = re.fullmatch(NUMERAL, cell.strip())
        need(found, f"no number: {cell!r:.40}")
        if self.decimal:
            value = Decimal(cell.strip()) if len((found[2] or "").lstrip("eE+-")) <= 9 else None
            near = value is not None and (not value or abs(value.adjusted()) <= FARTHEST)
            need(near, f"{cell!r:.40} lies too far from 1")
            return {"decimal"}
        return {"fraction" if set(".eE") & set(cell) else "integer"} | {"infinite"} & {isinf(float(cell)) and "infinite"}

    def rows(self):
        return ([way(cell) for way, cell in zip(self.ways, line)] for line in self.cells())


class Source:
    """The columns of a file that a command names: `targets` of them, perhaps weights, and rows. Labels become numbers."""

    def __init__(self, path, meaning, setting, target, features, weight, header=False):
        kind, decimal = path.lower()[-4:], meaning == "decimal"
        need(kind in (".npy", ".csv", ".tsv"), "expected a file .npy, .csv or .tsv")
        need(not decimal or kind != ".npy", "decimals are written in a .csv or .tsv file")
        with open(path, "rb") as file:
            need(file.read(1), "the file is empty")
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.file = Array(content) if kind == ".npy" else Text(content, b"," if kind == ".csv" else b"\t", decimal, header)
        last, several = [self.file.count - 1], isinstance(setting, dict)
        if target is not None:
            last = self.places(filter(str.strip, target.split(","))) if several else [self.place(target)]
            need(last, "there is no target")
        self.targets, self.weighted = len(last), weight is not None
        last += [self.place(weight)] if self.weighted else []
        rest = [j for j in range(self.file.count) if j not in last]
        others = rest if features is None else self.places(features.split(","))
        need(len({*last, *others}) == len(last) + len(set(others)), "a column has two roles")
        names = setting.get("classes") if several else None
        self.labels = {label: k for k, label in enumerate(names) if label not in ABSENT} if names else {}
        self.at = len(others)
        need(not names or self.targets == 1, "labels of classes are one column")
        texts = self.at if any(type(label) is str for label in self.labels) else None
        self.file.look(others + last, texts)
        if self.weighted:
            found = set()
            for *_, w in self.file.rows():
                need(w == float(w) >= 0, "a weight is negative, or no float64 number")
                found.add(w if w in (0, 1) else 2)
            need(found != {0}, "all weights are 0")
            if found == {1}:  # as good as none
                self.weighted = False
                self.file.look(others + last[:-1], texts)

    def places(self, names):
        return [self.place(name.strip()) for name in names]

    def place(self, name):
        if self.file.names and name in self.file.names:
            return self.file.names.index(name)
        count = self.file.count
        found = re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", name) and -count <= int(name) < count
        need(found, f"there is no column {name!r:.40}")
        return int(name) % count

    def rows(self):
        for row in self.file.rows():
            if not self.weighted or row[-1]:
                yield self.numbered(list(row)) if self.labels else row

    def numbered(self, row):
        label = row[self.at]
        need(label in self.labels, f"a row has the label {label!r:.40}, which is no class of the certificate")
        row[self.at] = self.labels[label]
        return row


def told(text, file=None):
    """Prints what the stream can show."""
    encoding = getattr(file or sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=file or sys.stdout)


def main(arguments=None):
    """0: accepted. 1: rejected. 2: the certificate or the data cannot be read."""
    parser = argparse.ArgumentParser(description="Checks a certificate of fastminima against a data file.")
    parser.add_argument("certificate")
    parser.add_argument("data", help=".npy, or .csv or .tsv with a line of column names")
    parser.add_argument("--target", help="column, or A,B,... for layers and theorem 4; default: the last")
    parser.add_argument("--features", help="A,B,...; default: all others")
    parser.add_argument("--sample-weight", help="column of weights")
    parser.add_argument("--header", action="store_true", help="the first line is column names, though it holds numbers")
    given = parser.parse_args(arguments)
    what = "certificate"
    try:
        with open(given.certificate, encoding="utf-8") as file:
            text = file.read(LONGEST_FILE + 1)
        words = parse(text)
        need(isinstance(words, dict) and words.get("format") == FORMAT, "it is none of fastminima")
        need(words.get("version") == VERSION, f"it is of version {words.get('version')!r:.20}, this checks {VERSION}")
        need(isinstance(words.get("claims"), list), "it has no list of claims")
        what = "data"
        columns = given.target, given.features, given.sample_weight
        source = Source(given.data, words.get("meaning"), words.get("setting"), *columns, given.header)
    except Exception as error:
        told(f"cannot read the {what}: {error if isinstance(error, (Reject, OSError)) else repr(error)}", sys.stderr)
        return 2
    verdict = check(text, source.rows, (source.targets, source.weighted))
    told("\n".join(f"holds: {name}" for name in verdict.claims))
    told(f"{'accepted' if verdict.accepted else 'rejected'}: {verdict.reason}")
    return 0 if verdict.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
