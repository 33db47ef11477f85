"""Theorem 2 and corollary 3: one dataset of three samples on which almost any activation has a bad local minimum.

X = [[1, 0], [0, 1], [1/2, 1/2]], y = [0, 0, 1], two inputs, two hidden units. Least squares predicts 1/3 everywhere, with
risk 1/3. A point of risk 0 and a local minimum of risk 1/3 are built from witnesses found in float64 and certified in ball
arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastminima.activation import PiecewiseLinear
from fastminima.activations import activation as named
from fastminima.activations import as_activation
from fastminima.dataset import Dataset
from fastminima.errors import ActivationError, MissingDependencyError, OptionError
from fastminima.exact.dyadic import round_up, sqrt_floor
from fastminima.formula import Formula, rational
from fastminima.network import OneHiddenLayer
from fastminima.proof.balls import Balls
from fastminima.proof.flat_radius import certified_radius
from fastminima.proof.zero_risk import enclosed_risk
from fastminima.smooth import Smooth
from fastminima.theorems.bending import Bending
from fastminima.theorems.conditions import Condition, rounded_down
from fastminima.theorems.example_image import frame, image, shared_units
from fastminima.theorems.flat_witnesses import Flat, biased_flats, paper_flats
from fastminima.theorems.zero_point import ZERO_RISK, ZeroPoint, no_zero_point, zero_point

__all__ = ["CounterExample", "CounterStatus", "counterexample"]

Form = Literal["auto", "paper", "bias"]
_FORMS = ("auto", "paper", "bias")
_THIRD = Fraction(1, 3)
# where a formula is compared with the function that stands beside it
_SPOTS = np.array([-2.875, -1.25, -0.625, -0.25, 0.1875, 0.5, 1.125, 2.75])
_AGREE = 2.0**-26
# a candidate must be better by more than bisection leaves open
_HAIR = 2.0**-10


def _samples() -> Dataset:
    return Dataset(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]), np.array([0.0, 0.0, 1.0]))


class CounterStatus(StrEnum):
    """What came of the construction."""

    CERTIFIED = "certified"
    """Both points are proved: the risk of one, the radius of the other."""
    NOT_CERTIFIED = "not_certified"
    """Found in float64 and not proved; the reason says what is missing."""
    NO_WITNESS = "no_witness"
    """No witness: the reason names the condition that could not be met."""


@dataclass(frozen=True, eq=False, repr=False)
class CounterExample:
    """A dataset, a global minimum and a bad local minimum for one activation.

    Attributes
    ----------
    activation : Smooth or PiecewiseLinear
    data : Dataset
        The three samples.
    global_minimum, local_minimum : OneHiddenLayer or None
        Risk 0 (below 1e-28 as float64 arrays) and risk `level`, up to `excess`.
    form : "paper" (output biases 0, up to the rounding that keeps the risk at 1/3) or "bias"
    witness : dict of str to dict of str to float
        v1..v4 or t, p, q of the zero-risk point under "zero"; v1, v2, u1, u2 of the minimum under "flat".
    conditions : tuple of Condition
    radius : float
        No parameters within this Euclidean distance of the local minimum have a risk below `level`; the output bias may
        go anywhere. 0.0 where nothing is proved.
    radius_estimate : float
        The same in float64, proved by nobody.
    level : Fraction
        Least squares' risk: 1/3, times the square of the scale of an image.
    excess : float
        A bound on how far the local minimum's own risk is above `level`, from the rounding of its parameters.
    zero_risk : float
        A bound on the risk of the float64 global minimum.
    status : CounterStatus
    reason : str
    case : "convex" (u_i h'' >= 0 around both v_i) or "mixed" (the other unit's slope makes up for one that bends away)
    """

    activation: Smooth | PiecewiseLinear
    data: Dataset
    global_minimum: OneHiddenLayer | None
    local_minimum: OneHiddenLayer | None
    form: str
    witness: dict[str, dict[str, float]]
    conditions: tuple[Condition, ...]
    radius: float
    radius_estimate: float
    level: Fraction
    excess: float
    zero_risk: float
    status: CounterStatus
    reason: str
    case: str = field(default="")

    @property
    def certified(self) -> bool:
        """Is everything proved?"""
        return self.status == CounterStatus.CERTIFIED

    @cached_property
    def smallest_eigenvalue(self) -> float:
        """Of the form A a^2 + C ab + B b^2 at the minimum of the untransformed example, in float64."""
        flat = self.witness.get("flat")
        if flat is None:
            return math.nan
        h = _curves(self.activation)
        v, u = np.array([flat["v1"], flat["v2"]]), np.array([flat["u1"], flat["u2"]])
        slope, bend = np.asarray(h.first(v)), np.asarray(h.second(v))
        diagonal = u * bend / 12 + (u * slope) ** 2 / 4
        off = u.prod() * slope.prod() / 4
        return float(np.linalg.eigvalsh(np.array([[diagonal[0], off], [off, diagonal[1]]]))[0])

    def image(
        self,
        A: ArrayLike | None = None,
        shift: ArrayLike | None = None,
        scale: float = 1.0,
        offset: float = 0.0,
        width: int = 2,
    ) -> CounterExample:
        """The same example on the inputs A x + shift and the targets scale y + offset, with `width` hidden units.

        Parameters
        ----------
        A : array-like, shape (n, 2), optional
            Of rank 2; n > 2 embeds the samples in more dimensions. Default: as they are.
        shift : array-like, shape (n,), optional
        scale, offset : float
        width : int >= 2

        Returns
        -------
        CounterExample
            Its radius is the certified radius in the new parameters, its level scale^2/3. Samples are float64 numbers: where
            the middle of two is none, both move by at most an ulp, and everything said is about the samples in `data`.

        Raises
        ------
        OptionError
            A singular A, shapes that do not fit, scale 0, a width below 2, numbers that leave the range, or there is no
            example to map.

        Notes
        -----
        The proof carries over to every affine image, with the radius divided by max(rho, 1/|scale|),
        rho^2 = max (|x|^2 + 1)/2 over the new samples. Further hidden units copy one that keeps the form nonnegative: in the
        convex case its output weight too, with the output bias taking up what they add (the radius stays), in the mixed case
        its output weight is dealt out among them (the radius shrinks and is certified anew). It does not carry over to a
        width of 1, nor to a singular A, whose image is another dataset.
        """
        if self.local_minimum is None or self.global_minimum is None:
            raise OptionError("there is no example to map: " + self.reason)
        if not isinstance(width, int) or width < 2:
            raise OptionError(f"width must be a whole number of at least 2, got {width!r}")
        to = frame(A, shift, float(scale), float(offset))
        balls = Balls(_curves(self.activation).formula) if self.certified else None
        flat = self.witness["flat"]
        low, radius = self.local_minimum, self.radius
        if width > 2:
            unit = 0 if self.case == "convex" else 1
            low = shared_units(low, width, unit, copy=self.case == "convex")
            if self.case == "mixed" and balls is not None:
                v, u = (flat["v1"], flat["v2"]), (flat["u1"], float(low.W2[1]) * (width - 1))
                # a share's weight must not change its sign
                estimate = min(radius, abs(float(low.W2[1])))
                radius = certified_radius(balls, v, u, "mixed", estimate, width - 1)
        low, gap = image(low, width, to)
        best, _ = image(self.global_minimum, width, to)
        level = to.scale**2 / 3
        # R / max(rho, 1/|k|) less the distance between the float64 parameters and the exact ones
        stretch = max(to.reach, 1 / to.scale**2)
        inside = Fraction(sqrt_floor(Fraction(radius) ** 2 / stretch)) - _sqrt_up(gap)
        radius = math.nextafter(float(inside), 0.0) if inside > 0 else 0.0
        proved = self.certified and radius > 0
        return replace(
            self,
            data=to.data,
            global_minimum=best,
            local_minimum=low,
            radius=radius,
            radius_estimate=self.radius_estimate / math.sqrt(stretch),
            level=level,
            excess=_excess(low, to.data, level, balls),
            zero_risk=best.risk(to.data) if balls is None else round_up(enclosed_risk(balls, best, to.data)),
            status=CounterStatus.CERTIFIED if proved else CounterStatus.NOT_CERTIFIED,
            reason=self.reason
            if proved or not self.certified
            else "no positive radius is left on this image",
        )

    def __repr__(self) -> str:
        head = f"CounterExample({self.activation}: {self.status.value}"
        if self.local_minimum is None:
            return f"{head}; {self.reason})"
        proof = (
            f"certified radius {rounded_down(self.radius, 6)}"
            if self.certified
            else f"estimated radius {self.radius_estimate:.4g}, {self.reason}"
        )
        return f"{head}, {self.form} form, risk 0 and a local minimum of risk {self.level}, {proof})"


def _sqrt_up(value: Fraction) -> Fraction:
    return Fraction(math.nextafter(sqrt_floor(value), math.inf)) if value else Fraction(0)


def _excess(low: OneHiddenLayer, data: Dataset, level: Fraction, balls: Balls | None) -> float:
    if balls is None:
        return max(low.risk(data) - float(level), 0.0)
    return round_up(max(enclosed_risk(balls, low, data) - level, Fraction(0)))


class _Straight:
    """Value and derivatives of a piecewise linear activation."""

    def __init__(self, h: PiecewiseLinear) -> None:
        self.value: Callable[[Any], Any] = h
        self.first = lambda t: np.where(np.asarray(t) > 0, h.s_plus, h.s_minus)
        self.second = lambda t: np.zeros(np.shape(t))
        self.formula: Formula = (
            "if",
            "t",
            ("mul", rational(h.s_plus), "t"),
            ("mul", rational(h.s_minus), "t"),
        )


def _curves(h: Smooth | PiecewiseLinear) -> Any:
    return _Straight(h) if isinstance(h, PiecewiseLinear) else h


def counterexample(activation: Any, form: Form = "auto", **parameters: float) -> CounterExample:
    """A bad local minimum for an activation, with the radius in which it is proved.

    Parameters
    ----------
    activation : str, Smooth, PiecewiseLinear or torch.nn module
        A name of `fastminima.activations`, or your own function.
    form : {"auto", "paper", "bias"}, default "auto"
        "paper": both output biases 0 (up to the rounding that keeps the risk at 1/3). "bias": with output bias, which covers
        every C2 activation that is not affine. "auto": the paper's where it certifies, else the bias form.
    **parameters : float
        For names: alpha=, beta=, ...

    Returns
    -------
    CounterExample

    Raises
    ------
    ActivationError
        An unknown name or parameter, or what is no activation.
    OptionError
        An unknown form.

    Notes
    -----
    Theorem 2, corollary 3 and appendix A3 to A6 of Yun, Sra and Jadbabaie (2019). The search is deterministic: grids of v in
    [-3, 3] and u in [-10, 10], refined around the best, then certified in ball arithmetic.
    """
    if form not in _FORMS:
        raise OptionError(f"form must be one of {', '.join(_FORMS)}, got {form!r}")
    h = named(activation, **parameters) if isinstance(activation, str) else as_activation(activation)
    if parameters and not isinstance(activation, str):
        raise OptionError("parameters go with a name; this activation is already made")
    if not isinstance(h, (Smooth, PiecewiseLinear)):
        raise ActivationError(
            f"expected a name, Smooth, PiecewiseLinear or torch.nn module, got {type(h).__name__}; wrap a function with "
            "Smooth(value, first, second)"
        )
    tried = [_build(h, kind) for kind in (("paper", "bias") if form == "auto" else (form,))]
    ranks = list(CounterStatus)
    best = min(tried, key=lambda pair: ranks.index(pair.status))
    if best.status == CounterStatus.NO_WITNESS and len(tried) > 1:
        return replace(best, reason="; ".join(f"{pair.form} form: {pair.reason}" for pair in tried))
    return best


def _nothing(
    h: Smooth | PiecewiseLinear, form: str, reason: str, evidence: tuple[Condition, ...] = ()
) -> CounterExample:
    nan, status = math.nan, CounterStatus.NO_WITNESS
    return CounterExample(
        h, _samples(), None, None, form, {}, evidence, 0.0, 0.0, _THIRD, nan, nan, status, reason
    )


def _build(h: Smooth | PiecewiseLinear, form: str) -> CounterExample:
    curves, data = _curves(h), _samples()
    balls: Balls | None = None
    missing = ""
    if curves.formula is None:
        missing = "h has no formula, so its derivatives are your word and nothing is proved about them"
    else:
        try:
            balls = Balls(curves.formula)
        except MissingDependencyError:
            missing = "ball arithmetic needs python-flint: install the extra 'proof'"
    bending = Bending(curves)
    if bending.straight:
        reason = "h'' is 0 wherever it was looked at: a network with a linear activation has no bad local minimum"
        return _nothing(h, form, reason)
    with balls.precisely() if balls is not None else nullcontext():
        if balls is not None:
            _compare(curves, balls)
        zero = zero_point(h, curves, data, form, balls)
        if zero is None:
            reason, evidence = no_zero_point(h, curves, form)
            return _nothing(h, form, reason, (evidence,))
        flats = (paper_flats if form == "paper" else biased_flats)(curves, bending)
        if not flats:
            reason = (
                "(C2.3), (C2.6), (C2.7): of all v1, v2, u1, u2 searched, |v| <= 3 and |u| <= 10, none has a quadratic "
                "form that is nonnegative around it"
            )
            found = _nothing(h, form, reason, zero.conditions)
            return replace(
                found, global_minimum=zero.network, witness={"zero": zero.witness}, zero_risk=zero.risk
            )
        flat, radius = _best(flats, balls)
        return _finished(h, curves, data, form, balls, zero, flat, radius, missing)


def _compare(curves: Any, balls: Balls) -> None:
    """Does the formula, from which everything is proved, agree with the function that the network computes?"""
    points = _SPOTS.tolist()
    for t, value in zip(points, np.asarray(curves.value(_SPOTS), dtype=np.float64).tolist(), strict=True):
        exact = balls.at(t)
        # half of float64's digits; a function may lose some, and another function agrees in none
        if not abs(balls.ball(Fraction(value)) - exact) <= _AGREE * (1 + abs(exact)):
            raise ActivationError(
                f"{curves.name} is {value:.6g} at t = {t:g}, but its formula gives {float(exact.mid()):.6g}; what is proved "
                "would be about another function; correct the formula"
            )


def _finished(
    h: Smooth | PiecewiseLinear,
    curves: Any,
    data: Dataset,
    form: str,
    balls: Balls | None,
    zero: ZeroPoint,
    flat: Flat,
    radius: float,
    missing: str,
) -> CounterExample:
    low = _local(h, curves, flat, balls)
    conditions = (*zero.conditions, *_flat_conditions(flat, curves, balls, form, radius))
    proved = balls is not None and zero.proved and radius > 0 and zero.risk < ZERO_RISK
    if not missing and not proved:
        missing = (
            "no positive radius could be certified: h'' has the wrong sign or no enclosure near v1, v2"
            if radius == 0
            else f"the risk of the global minimum in float64 is {zero.risk:.2g}, not below {ZERO_RISK:g}"
        )
    return CounterExample(
        h,
        data,
        zero.network,
        low,
        form,
        {"zero": zero.witness, "flat": {"v1": flat.v1, "v2": flat.v2, "u1": flat.u1, "u2": flat.u2}},
        conditions,
        radius,
        flat.estimate,
        _THIRD,
        _excess(low, data, _THIRD, balls),
        zero.risk,
        CounterStatus.CERTIFIED if proved else CounterStatus.NOT_CERTIFIED,
        "both points are certified in ball arithmetic" if proved else missing,
        flat.case,
    )


def _best(flats: list[Flat], balls: Balls | None) -> tuple[Flat, float]:
    """The candidate with the largest certified radius; those that cannot win are left out."""
    best, radius = flats[0], 0.0
    for flat in flats if balls is not None else []:
        # estimates of the mixed case may be a little low
        if flat.estimate * (1.0 if flat.case == "convex" else 1.05) <= radius:
            continue
        found = certified_radius(balls, (flat.v1, flat.v2), (flat.u1, flat.u2), flat.case, flat.estimate)
        if found > radius * (1 + _HAIR):
            best, radius = flat, found
    return best, radius


def _local(h: Smooth | PiecewiseLinear, curves: Any, flat: Flat, balls: Balls | None) -> OneHiddenLayer:
    """The network of risk 1/3. Its output bias takes up what rounding leaves of (C2.3), so the paper's 0 may be 1e-17."""
    v, u = np.array([flat.v1, flat.v2]), np.array([flat.u1, flat.u2])
    if balls is None:
        b2 = 1 / 3 - float(np.asarray(curves.value(v), dtype=np.float64) @ u)
    else:
        output = sum(
            balls.at(a) * balls.ball(Fraction(b)) for a, b in zip(v.tolist(), u.tolist(), strict=True)
        )
        b2 = float((balls.ball(_THIRD) - output).mid())
    return OneHiddenLayer(np.stack([v, v], axis=1), np.zeros(2), u, b2, h)


def _flat_conditions(
    flat: Flat, curves: Any, balls: Balls | None, form: str, radius: float
) -> tuple[Condition, ...]:
    units = ((flat.v1, flat.u1), (flat.v2, flat.u2))
    rows: list[tuple[Any, Any]] = []
    for v, u in units:
        if balls is None:
            point = np.array([v])
            rows.append((u * float(curves.first(point)[0]), u * float(curves.second(point)[0]) / 3))
        else:
            _, slope, bend = balls.jet(Fraction(v))
            rows.append((balls.ball(Fraction(u)) * slope, balls.ball(Fraction(u) / 3) * bend))
    (s1, c1), (s2, c2) = rows
    convex = bool(c1 >= 0 and c2 >= 0)
    first, second = s1 * s1 + c1, s2 * s2 + c2
    gap = c1 * c2 + c1 * s2 * s2 + c2 * s1 * s1
    met = (
        ("C2.3", "u1 h(v1) + u2 h(v2) = 1/3, the output bias taking up the rounding")
        if form == "paper"
        else ("C2.3", "replaced: b2 = 1/3 - u1 h(v1) - u2 h(v2)")
    )
    inside = balls is not None and radius > 0

    def strict(name: str, statement: str, value: Any) -> Condition:
        if convex and not value > 0:
            statement += " is not needed: u_i h''(v_i) >= 0"
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        return Condition(name, statement, shown, balls is not None and (convex or bool(value > 0)))

    return (
        Condition(*met, "0 by the choice of b2", balls is not None),
        Condition(
            "C2.4, C2.5",
            "h is twice differentiable at v1 and v2, and on all that the ball reaches u1 h and u2 h are convex"
            if flat.case == "convex"
            else "h is twice differentiable on all that the ball reaches",
            f"radius {rounded_down(radius, 6)}",
            inside,
        ),
        strict("C2.6", "(u1 h'(v1))^2 + u1 h''(v1)/3 > 0", first),
        strict("C2.6", "(u2 h'(v2))^2 + u2 h''(v2)/3 > 0", second),
        strict("C2.7", "(u1 h'(v1) u2 h'(v2))^2 < the product of both", gap),
    )
