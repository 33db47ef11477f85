"""What the way a formula is built says: is it a polynomial, where do its pieces meet, which way does it bend?"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from .formula import Formula

__all__ = ["curvature", "pieces", "polynomial"]

# of polynomials that are treated as such
_MAX_DEGREE = 100


def polynomial(formula: Formula) -> list[Fraction] | None:
    """Coefficients, lowest power first, of a formula that is a polynomial in t as it stands; None for others."""
    if formula == "t":
        return [Fraction(0), Fraction(1)]
    if formula == "pi":
        return None
    if isinstance(formula, (int, str)):
        return [Fraction(formula)]
    name = formula[0]
    if name == "pow":
        base = polynomial(formula[1])
        if base is None or len(base) * formula[2] > _MAX_DEGREE:
            return None
        result = [Fraction(1)]
        for _ in range(formula[2]):
            result = _multiplied(result, base)
        return result
    if name not in ("add", "sub", "mul", "div", "neg"):
        return None
    parts = [polynomial(part) for part in formula[1:]]
    left, right = parts[0], parts[-1]
    if left is None or right is None or len(left) + len(right) > _MAX_DEGREE:
        return None
    if name == "neg":
        return [-a for a in left]
    if name == "mul":
        return _multiplied(left, right)
    if name == "div":
        return [a / right[0] for a in left] if len(right) == 1 and right[0] else None
    sign = 1 if name == "add" else -1
    size = max(len(left), len(right))
    padded = [[*p, *[Fraction(0)] * (size - len(p))] for p in (left, right)]
    return [a + sign * b for a, b in zip(*padded, strict=True)]


def _multiplied(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    result = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            result[i + j] += a * b
    return result


def pieces(formula: Formula) -> tuple[list[Fraction], list[Formula]] | None:
    """Where a formula changes pieces, ascending, and the formula without "if" between any two of these points.

    None where a condition is not affine in t with rational coefficients.
    """
    points: set[Fraction] = set()
    stack = [formula]
    while stack:
        node = stack.pop()
        if not isinstance(node, tuple):
            continue
        if node[0] == "if":
            line = _line(node[1])
            if line is None:
                return None
            points.add(-line[0] / line[1])
        stack.extend(node[1:])
    breaks = sorted(points)
    if not breaks:
        return [], [formula]
    inside = [breaks[0] - 1, *((a + b) / 2 for a, b in pairwise(breaks)), breaks[-1] + 1]
    return breaks, [_chosen(formula, t) for t in inside]


def _line(condition: Formula) -> tuple[Fraction, Fraction] | None:
    """(c, b) of a condition that is c + b t with b not 0."""
    coefficients = polynomial(condition)
    if coefficients is None or len(coefficients) < 2 or any(coefficients[2:]) or not coefficients[1]:
        return None
    return coefficients[0], coefficients[1]


def _chosen(node: Formula, t: Fraction) -> Formula:
    if not isinstance(node, tuple):
        return node
    if node[0] == "if":
        line = _line(node[1])
        assert line is not None
        return _chosen(node[2] if line[0] + line[1] * t > 0 else node[3], t)
    return tuple(_chosen(part, t) for part in node)


def curvature(formula: Formula) -> int | None:
    """1 or -1 where the way the formula is built makes it convex or concave on the whole line, 0 where it is affine.

    None says nothing. The rules are those of disciplined convex programming (Grant, Boyd and Ye 2006) for functions that
    are smooth on the whole line, so that an enclosure need not show it.
    """
    coefficients = polynomial(formula)
    if coefficients is not None:
        if any(coefficients[3:]):
            return None
        top = coefficients[2] if len(coefficients) > 2 else Fraction(0)
        return (top > 0) - (top < 0)
    if not isinstance(formula, tuple):
        return 0
    name = formula[0]
    if name in ("exp", "softplus"):
        # increasing and convex
        inner = curvature(formula[1])
        return 1 if inner is not None and inner >= 0 else None
    if name == "neg":
        inner = curvature(formula[1])
        return None if inner is None else -inner
    if name in ("add", "sub"):
        left, right = curvature(formula[1]), curvature(formula[2])
        if left is None or right is None:
            return None
        right = right if name == "add" else -right
        return left or right if left * right >= 0 else None
    if name in ("mul", "div"):
        factor, other = _constant(formula[2]), curvature(formula[1])
        if factor is None and name == "mul":
            factor, other = _constant(formula[1]), curvature(formula[2])
        if not factor or other is None:
            return None
        return other if factor > 0 else -other
    return None


def _constant(formula: Formula) -> Fraction | None:
    coefficients = polynomial(formula)
    return coefficients[0] if coefficients is not None and not any(coefficients[1:]) else None
