"""Formulas: an activation written as data, for every arithmetic that can add, multiply and take exponentials.

A formula is nested lists or tuples, ready for JSON: "t"; an int; a rational as a string "p/q"; "pi"; or [operation, ...]
with

    add, sub, mul, div (two arguments)     neg, sqrt, exp, log, sin, atan, erf, softplus (one)
    ["pow", a, n] with an int n >= 0       ["if", c, a, b]: a where c > 0, b where c < 0

softplus(a) is log(1 + e^a); it stands for itself because its derivatives, written out, lose everything on intervals.

Where c is 0, or an interval that holds 0, no piece is chosen and nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from fastminima.errors import ActivationError
from fastminima.system.options import spelled

__all__ = ["Arithmetic", "Formula", "Jet", "check", "evaluate", "freeze", "jet", "rational"]

Formula = Any
"""Nested tuples of strings and ints."""

_BINARY = ("add", "sub", "mul", "div")
_UNARY = ("neg", "sqrt", "exp", "log", "sin", "atan", "erf", "softplus")
_MAX_NODES = 500
_MAX_DEPTH = 50
_MAX_DIGITS = 2_000


class Arithmetic(Protocol):
    """Numbers of one kind: their operators, and what operators do not cover."""

    def constant(self, value: Fraction) -> Any:
        """An enclosure of a rational."""

    def pi(self) -> Any:
        """An enclosure of pi."""

    def sign(self, x: Any) -> int:
        """1 where x > 0 is certain, -1 where x < 0 is, else 0."""

    def sqrt(self, x: Any) -> Any: ...

    def exp(self, x: Any) -> Any: ...

    def log(self, x: Any) -> Any: ...

    def softplus(self, x: Any) -> Any: ...

    def sin(self, x: Any) -> Any: ...

    def cos(self, x: Any) -> Any: ...

    def atan(self, x: Any) -> Any: ...

    def erf(self, x: Any) -> Any: ...

    def either(self, c: Any, a: Any, b: Any) -> Any:
        """Both pieces at once, where one number's sign does not choose: a hull, or elementwise where(c > 0, a, b)."""

    @property
    def elementwise(self) -> bool:
        """Is `either` a choice by element, so that derivatives are chosen the same way?"""


def rational(value: float | int | Fraction) -> Formula:
    """A number as a formula, exactly."""
    exact = Fraction(value)
    return int(exact) if exact.denominator == 1 else f"{exact.numerator}/{exact.denominator}"


def freeze(formula: Formula) -> Formula:
    """Lists become tuples, so that a formula can be compared and hashed.

    Raises
    ------
    ActivationError
        As `check`.
    """
    check(formula)

    def tuples(node: Formula) -> Formula:
        return tuple(tuples(part) for part in node) if isinstance(node, (list, tuple)) else node

    return tuples(formula)


def check(formula: Formula) -> None:
    """Is this a formula?

    Raises
    ------
    ActivationError
        An unknown operation, a wrong number of arguments, a number that is none, or more than 500 nodes.
    """
    nodes = 0
    stack: list[tuple[Any, int]] = [(formula, 0)]
    while stack:
        node, depth = stack.pop()
        nodes += 1
        if nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise ActivationError(
                f"a formula has at most {_MAX_NODES} nodes, {_MAX_DEPTH} deep; this one has more"
            )
        if isinstance(node, (list, tuple)):
            name = node[0] if node else None
            if name == "pow" and len(node) == 3:
                if isinstance(node[2], bool) or not isinstance(node[2], int) or not 0 <= node[2] <= 1000:
                    raise ActivationError(
                        f"the exponent of pow must be an int from 0 to 1000, got {spelled(node[2])}"
                    )
                stack.append((node[1], depth + 1))
                continue
            expected = 2 if name in _BINARY else 1 if name in _UNARY else 3 if name == "if" else None
            if expected is None or len(node) != expected + 1:
                raise ActivationError(f"no such operation with {len(node) - 1} arguments: {name!r:.40}")
            stack.extend((part, depth + 1) for part in node[1:])
        elif isinstance(node, str):
            if node not in ("t", "pi"):
                _number(node)
        elif isinstance(node, bool) or not isinstance(node, int) or node.bit_length() > 4 * _MAX_DIGITS:
            raise ActivationError(f"a formula holds 't', 'pi', ints, 'p/q' and lists, got {spelled(node)}")


def _number(text: str) -> Fraction:
    try:
        if len(text) > _MAX_DIGITS or any(c not in "0123456789/-" for c in text):
            raise ValueError
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ActivationError(f"expected a rational 'p/q', got {spelled(text)}") from error


def evaluate(formula: Formula, t: Any, numbers: Arithmetic) -> Any:
    """The formula at `t`, in the arithmetic `numbers`.

    Raises
    ------
    ActivationError
        A piece could not be chosen: the condition of an "if" holds 0, and this arithmetic takes no "either".
    """
    if formula == "t":
        return t
    if formula == "pi":
        return numbers.pi()
    if isinstance(formula, (int, str)):
        return numbers.constant(Fraction(formula))
    name = formula[0]
    if name == "if":
        condition = evaluate(formula[1], t, numbers)
        side = numbers.sign(condition)
        if not side:
            return numbers.either(condition, *(evaluate(piece, t, numbers) for piece in formula[2:]))
        return evaluate(formula[2] if side > 0 else formula[3], t, numbers)
    if name == "pow":
        base, result = evaluate(formula[1], t, numbers), None
        if formula[2] == 0:
            return numbers.constant(Fraction(1))
        for _ in range(formula[2]):
            result = base if result is None else result * base
        return result
    parts = [evaluate(part, t, numbers) for part in formula[1:]]
    if name == "add":
        return parts[0] + parts[1]
    if name == "sub":
        return parts[0] - parts[1]
    if name == "mul":
        return parts[0] * parts[1]
    if name == "div":
        return parts[0] / parts[1]
    if name == "neg":
        return -parts[0]
    return getattr(numbers, name)(parts[0])


@dataclass(frozen=True)
class Jet:
    """A value with its first and second derivative by t."""

    value: Any
    first: Any
    second: Any

    def __add__(self, other: Jet) -> Jet:
        return Jet(self.value + other.value, self.first + other.first, self.second + other.second)

    def __sub__(self, other: Jet) -> Jet:
        return Jet(self.value - other.value, self.first - other.first, self.second - other.second)

    def __neg__(self) -> Jet:
        return Jet(-self.value, -self.first, -self.second)

    def __mul__(self, other: Jet) -> Jet:
        cross = self.first * other.first
        return Jet(
            self.value * other.value,
            self.first * other.value + self.value * other.first,
            self.second * other.value + cross + cross + self.value * other.second,
        )

    def __truediv__(self, other: Jet) -> Jet:
        value = self.value / other.value
        first = (self.first - value * other.first) / other.value
        return Jet(
            value,
            first,
            (self.second - first * other.first - first * other.first - value * other.second) / other.value,
        )

    def through(self, value: Any, first: Any, second: Any) -> Jet:
        """g(self), given g, g' and g'' at the value."""
        return Jet(value, first * self.first, second * self.first * self.first + first * self.second)


class _Jets:
    """The arithmetic of jets over another one."""

    def __init__(self, numbers: Arithmetic) -> None:
        self._n = numbers

    def constant(self, value: Fraction) -> Jet:
        zero = self._n.constant(Fraction(0))
        return Jet(self._n.constant(value), zero, zero)

    def pi(self) -> Jet:
        zero = self._n.constant(Fraction(0))
        return Jet(self._n.pi(), zero, zero)

    def sign(self, x: Jet) -> int:
        return self._n.sign(x.value)

    def sqrt(self, x: Jet) -> Jet:
        root = self._n.sqrt(x.value)
        first = self._n.constant(Fraction(1, 2)) / root
        return x.through(root, first, -first / (x.value + x.value))

    def exp(self, x: Jet) -> Jet:
        value = self._n.exp(x.value)
        return x.through(value, value, value)

    def log(self, x: Jet) -> Jet:
        first = self._n.constant(Fraction(1)) / x.value
        return x.through(self._n.log(x.value), first, -first * first)

    def softplus(self, x: Jet) -> Jet:
        one = self._n.constant(Fraction(1))
        up, down = self._n.exp(x.value), self._n.exp(-x.value)
        # the logistic function and its derivative, each with t in as few places as can be
        return x.through(self._n.softplus(x.value), one / (one + down), one / (up + one + one + down))

    def sin(self, x: Jet) -> Jet:
        value = self._n.sin(x.value)
        return x.through(value, self._n.cos(x.value), -value)

    def cos(self, x: Jet) -> Jet:
        value = self._n.cos(x.value)
        return x.through(value, -self._n.sin(x.value), -value)

    def atan(self, x: Jet) -> Jet:
        one = self._n.constant(Fraction(1))
        first = one / (one + x.value * x.value)
        return x.through(self._n.atan(x.value), first, -(x.value + x.value) * first * first)

    def erf(self, x: Jet) -> Jet:
        two = self._n.constant(Fraction(2))
        first = two * self._n.exp(-x.value * x.value) / self._n.sqrt(self._n.pi())
        return x.through(self._n.erf(x.value), first, -two * x.value * first)

    @property
    def elementwise(self) -> bool:
        return self._n.elementwise

    def either(self, c: Jet, a: Jet, b: Jet) -> Jet:
        if not self.elementwise:
            raise ActivationError("the point lies where two pieces of the activation meet")
        parts = ((a.value, b.value), (a.first, b.first), (a.second, b.second))
        return Jet(*(self._n.either(c.value, *pair) for pair in parts))


def jet(formula: Formula, t: Any, numbers: Arithmetic) -> Jet:
    """(h(t), h'(t), h''(t)); for an interval t, enclosures over all of it. Errors as `evaluate`."""
    one, zero = numbers.constant(Fraction(1)), numbers.constant(Fraction(0))
    result: Jet = evaluate(formula, Jet(t, one, zero), _Jets(numbers))
    return result
