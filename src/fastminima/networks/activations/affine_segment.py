"""Where an activation is affine: the pieces of its formula, exactly.

A formula chooses between pieces by the signs of affine functions of t, so its pieces are read off: between two
boundaries every "if" has one answer. What is left is affine where it is made of sums of t and rationals times each
other; e^t and its like are not taken for affine anywhere. Constants are those of the formula: the float64 numbers that
PyTorch computes with (SELU's scale, a slope .01), not the decimals that somebody meant.

Theory: a unit whose preactivation stays inside a segment (an interval on which h(t) = slope t + offset, slope not 0)
passes its input on, and a network of such units is affine on the data, whatever its depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from fastminima.errors import ActivationError

from .formula import Formula
from .in_rationals import exact_jet
from .named import activation as named
from .piecewise_linear import PiecewiseLinear
from .smooth import Smooth

__all__ = ["AffineSegment", "Piece", "affine_segment", "merged_pieces", "pieces_of"]

_Line = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Piece:
    """A formula without an "if", on an open interval.

    Attributes
    ----------
    low, high : Fraction or None
        Ends; None where it goes on for ever.
    formula : Formula
    line : (slope, offset) or None
        Where the formula is affine.
    """

    low: Fraction | None
    high: Fraction | None
    formula: Formula
    line: _Line | None


@dataclass(frozen=True)
class AffineSegment:
    """A closed interval, as long as can be, inside which h(t) = slope t + offset, slope != 0.

    Attributes
    ----------
    low, high : Fraction or None
        Ends; None where it goes on for ever.
    slope, offset : Fraction
        The theory's kappa and tau.
    bends : bool
        Is it proved that h leaves the line arbitrarily near one of the ends?
    bends_continuously : bool
        The same near an end at which h is continuous.
    turns : frozenset of int
        1 where h is proved to go on flatter than the line near an end at which it is continuous, or backward; -1 where
        it is steeper. Of two lines that meet, each may be the one.
    corner : Fraction or None
        Of activations that are affine nowhere: where they bend; their end is none.
    """

    low: Fraction | None
    high: Fraction | None
    slope: Fraction
    offset: Fraction
    bends: bool = False
    bends_continuously: bool = False
    turns: frozenset[int] = frozenset()
    corner: Fraction | None = None

    def value(self, t: Fraction) -> Fraction:
        """h(t) for t inside."""
        return self.slope * t + self.offset

    @property
    def whole(self) -> bool:
        """Is h affine everywhere?"""
        return self.low is None and self.high is None

    def __str__(self) -> str:
        left = "(-inf" if self.low is None else f"[{float(self.low):g}"
        right = "inf)" if self.high is None else f"{float(self.high):g}]"
        return f"{left}, {right}"


def affine_segment(activation: Any) -> AffineSegment | None:
    """The segment of an activation that the construction uses, None where it has none.

    Of several the one without an upper end is taken, else the one without a lower end, else the longest.

    Parameters
    ----------
    activation : PiecewiseLinear or Smooth

    Raises
    ------
    ActivationError
        A function without a formula: where it is affine cannot be known.
    """
    if not isinstance(activation, PiecewiseLinear | Smooth) or activation.formula is None:
        raise ActivationError(
            f"where {activation!r} is affine cannot be known without its formula; name an activation of "
            "fastminima.activations(), or use Smooth.from_formula"
        )
    pieces = merged_pieces(activation)
    found = [(k, p) for k, p in enumerate(pieces) if p.line is not None and p.line[0]]
    if not found:
        return None
    k, piece = max(found, key=lambda item: _preference(item[1]))
    assert piece.line is not None
    slope, offset = piece.line
    ends = [(piece.low, pieces[k - 1])] if piece.low is not None else []
    ends += [(piece.high, pieces[k + 1])] if piece.high is not None else []
    line = AffineSegment(piece.low, piece.high, slope, offset)
    leaves = [_own_softplus(activation) or _leaves(p, line, end) for end, p in ends if end is not None]
    joined = [_limit(other, end) == line.value(end) for end, other in ends if end is not None]
    return replace(
        line,
        turns=frozenset(
            turn
            for (end, p), leaving, meets in zip(ends, leaves, joined, strict=True)
            if end is not None and leaving and meets
            for turn in _turns(p, line, end)
        ),
        bends=any(leaves),
        bends_continuously=any(a and b for a, b in zip(leaves, joined, strict=True)),
    )


def _own_softplus(h: PiecewiseLinear | Smooth) -> bool:
    """PyTorch's softplus: log(1 + e^x) > x everywhere, which rationals do not show."""
    if not isinstance(h, Smooth) or h.name != "softplus_cut":
        return False
    return bool(h == named("softplus_cut", **dict(h.parameters)))


def _preference(piece: Piece) -> tuple[bool, bool, Fraction]:
    if piece.high is None or piece.low is None:
        return piece.high is None, True, Fraction(0)
    return False, False, piece.high - piece.low


def _leaves(piece: Piece, line: AffineSegment, end: Fraction) -> bool:
    """Is it proved that a neighbouring piece leaves the line arbitrarily near their common end?

    Another line does. Without an "if" a formula is analytic where its jet exists: unless it is the line itself, on which
    value, slope and curvature at the end are the line's, it meets the line at isolated points only.
    """
    if piece.line is not None:
        return True
    jet = exact_jet(piece.formula, end)
    return jet is not None and jet != (line.value(end), line.slope, 0)


def _turns(piece: Piece, line: AffineSegment, end: Fraction) -> set[int]:
    """How a neighbouring piece goes on from a common end, see `AffineSegment.turns`."""
    if piece.line is not None:
        ratio = piece.line[0] / line.slope
        # where both slopes are not 0 the line may be the neighbour's
        return {_sign(1 - ratio)} | ({_sign(1 - 1 / ratio)} if ratio else set())
    jet = exact_jet(piece.formula, end)
    if jet is None:
        return set()
    if jet[1] != line.slope:
        return {_sign(1 - jet[1] / line.slope)}
    # the second order: below a lower end a convex piece lies above the line, and falls slower
    side = -1 if end == line.low else 1
    return {_sign(-side * jet[2] / line.slope)} - {0}


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)


def _limit(piece: Piece, end: Fraction) -> Fraction | None:
    """The limit of a piece at its end, None where it is not known to be rational."""
    # without an "if" a formula is continuous wherever it has a value
    jet = exact_jet(piece.formula, end)
    return None if jet is None else jet[0]


def pieces_of(formula: Formula) -> list[Piece]:
    """The pieces of a formula from left to right; together they cover the line but for the boundaries between them."""
    if formula == "t":
        return [Piece(None, None, "t", (Fraction(1), Fraction(0)))]
    if formula == "pi":
        return [Piece(None, None, "pi", None)]
    if isinstance(formula, int | str):
        return [Piece(None, None, formula, (Fraction(0), Fraction(formula)))]
    name = formula[0]
    if name == "if":
        return _chosen([pieces_of(part) for part in formula[1:]], formula)
    if name == "pow":
        n = formula[2]
        return [
            replace(p, formula=("pow", p.formula, n), line=_power(p.line, n)) for p in pieces_of(formula[1])
        ]
    parts = [pieces_of(part) for part in formula[1:]]
    if len(parts) == 1:
        opposite: Callable[[_Line], _Line] = lambda line: (-line[0], -line[1])  # noqa: E731
        return [
            replace(
                p,
                formula=(name, p.formula),
                line=opposite(p.line) if name == "neg" and p.line is not None else None,
            )
            for p in parts[0]
        ]
    return [
        Piece(low, high, (name, a.formula, b.formula), _combined(name, a.line, b.line))
        for low, high, (a, b) in _refined(parts)
    ]


def _power(line: _Line | None, n: int) -> _Line | None:
    if n == 0:
        return Fraction(0), Fraction(1)
    if line is None or n == 1:
        return line
    return (Fraction(0), line[1] ** n) if not line[0] else None


def _combined(name: str, a: _Line | None, b: _Line | None) -> _Line | None:
    if a is None or b is None:
        return None
    if name in ("add", "sub"):
        sign = 1 if name == "add" else -1
        return a[0] + sign * b[0], a[1] + sign * b[1]
    if name == "mul":
        if a[0] and b[0]:
            return None
        (slope, offset), factor = (a, b[1]) if not b[0] else (b, a[1])
        return slope * factor, offset * factor
    # div
    return (a[0] / b[1], a[1] / b[1]) if not b[0] and b[1] else None


def _refined(parts: list[list[Piece]]) -> list[tuple[Fraction | None, Fraction | None, list[Piece]]]:
    """The common refinement of several lists of pieces."""
    cuts = sorted({p.low for pieces in parts for p in pieces if p.low is not None})
    result = []
    for low, high in zip([None, *cuts], [*cuts, None], strict=True):
        result.append((low, high, [_around(pieces, low, high) for pieces in parts]))
    return result


def _around(pieces: list[Piece], low: Fraction | None, high: Fraction | None) -> Piece:
    """The piece that holds the interval."""
    for p in pieces:
        starts = p.low is None or (low is not None and p.low <= low)
        ends = p.high is None or (high is not None and high <= p.high)
        if starts and ends:
            return p
    raise AssertionError("pieces cover the line")


def _chosen(parts: list[list[Piece]], whole: Formula) -> list[Piece]:
    """The pieces of an "if" from those of its condition and its two answers."""
    conditions, above, below = parts
    cut: list[Piece] = []
    for c in conditions:
        if c.line is None or not c.line[0]:
            cut.append(c)
            continue
        root = -c.line[1] / c.line[0]
        inside = (c.low is None or c.low < root) and (c.high is None or root < c.high)
        cut += [replace(c, high=root), replace(c, low=root)] if inside else [c]
    result = []
    for low, high, (c, a, b) in _refined([cut, above, below]):
        if c.line is None or c.line == (0, 0):
            # which of the two it is depends on more than affine functions, or is not said
            result.append(Piece(low, high, whole, None))
            continue
        slope, offset = c.line
        # the root is an end or outside: any point of the interval shows the sign
        positive = (slope * _inside(low, high) if slope else 0) + offset > 0
        result.append(replace(a if positive else b, low=low, high=high))
    return result


def _inside(low: Fraction | None, high: Fraction | None) -> Fraction:
    if low is None:
        return Fraction(0) if high is None else high - 1
    return low + 1 if high is None else (low + high) / 2


def merged_pieces(activation: PiecewiseLinear | Smooth) -> list[Piece]:
    """The pieces of an activation's formula, neighbours on one line as one: at the boundary either gives the same value."""
    result: list[Piece] = []
    for p in pieces_of(activation.formula):
        if result and p.line is not None and result[-1].line == p.line:
            result[-1] = replace(result[-1], high=p.high)
        else:
            result.append(p)
    return result
