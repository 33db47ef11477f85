"""Theorem 2 and corollary 3: one dataset of three samples on which almost any activation has a bad local minimum.

X = [[1, 0], [0, 1], [1/2, 1/2]], y = [0, 0, 1], two inputs, two hidden units. Least squares predicts 1/3 everywhere, with
risk 1/3. A point of risk 0 and a local minimum of risk 1/3 are built from witnesses found in float64 and certified in ball
arithmetic.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fastminima.data.dataset import Dataset
from fastminima.errors import ActivationError, MissingDependencyError, OptionError
from fastminima.exact.dyadic import round_fraction, round_up, sqrt_above, sqrt_floor
from fastminima.exact.shown import rounded_down, shown_exactly
from fastminima.networks.activations.in_balls import Balls
from fastminima.networks.activations.named import ActivationLike, as_activation
from fastminima.networks.activations.named import activation as named
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.first_use import cached_property
from fastminima.system.options import as_count, one_of, spelled

from .bending import Bending
from .certify_radius import certified_radius
from .certify_zero_risk import enclosed_risk
from .conditions import Condition
from .global_minimum import (
    ZERO_RISK,
    GlobalMinimum,
    find_global_minimum,
    known_global_minimum,
    why_no_global_minimum,
)
from .image import AffineMap, affine_map, map_network, map_samples, shared_units
from .local_minimum import LocalMinimum, find_local_minimum, known_local_minimum
from .witnesses import known_witness

__all__ = ["CounterExample", "CounterStatus", "counterexample"]

Form = Literal["auto", "paper", "bias"]
_FORMS = ("auto", "paper", "bias")
_THIRD = Fraction(1, 3)
# where a formula is compared with the function that stands beside it
_SPOTS = np.array([-2.875, -1.25, -0.625, -0.25, 0.1875, 0.5, 1.125, 2.75])
_AGREE = 2.0**-26
# squares of float64 numbers may be too large for one
_HUGE = 2**1000


def _samples() -> Dataset:
    return Dataset(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]), np.array([0.0, 0.0, 1.0]))


class CounterStatus(StrEnum):
    """What came of the construction.

    Examples
    --------
    >>> import fastminima as fm
    >>> fm.counterexample("tanh").status is fm.CounterStatus.CERTIFIED
    True
    >>> [str(status) for status in fm.CounterStatus]
    ['certified', 'not_certified', 'no_witness']
    """

    CERTIFIED = "certified"
    """Both points are proved: the risk of one, the radius of the other."""
    NOT_CERTIFIED = "not_certified"
    """Found in float64 and not proved; the reason says what is missing."""
    NO_WITNESS = "no_witness"
    """No witness: the reason names the condition that could not be met."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CounterExample(NextSteps):
    """A dataset, a global minimum and a bad local minimum for one activation.

    Attributes
    ----------
    activation : Smooth or PiecewiseLinear
    data : Dataset
        The three samples, or their image.
    global_minimum, local_minimum : OneHiddenLayer or None
        Risk 0 (below 1e-28 as float64 arrays) and risk `level`, up to `excess`.
    form : "paper" (output biases 0, up to the rounding that keeps the risk at 1/3) or "bias"
    witness : dict of str to dict of str to float
        v1..v4 or t, p, q of the zero-risk point under "zero"; v1, v2, u1, u2 of the minimum under "flat".
    conditions : tuple of Condition
        Of the untransformed example; where there is no witness, what was seen of the one that fails.
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
        A bound on the risk of the float64 global minimum. Without ball arithmetic this and `excess` are float64 values.
    status : CounterStatus
    reason : str
    case : "convex" (u_i h is convex around both v_i) or "mixed" (the slope makes up for a unit that bends the other way)

    Examples
    --------
    >>> import fastminima as fm
    >>> pair = fm.counterexample("tanh")
    >>> pair.local_minimum.width, pair.data.n_samples, bool(pair)
    (2, 3, True)
    >>> pair.radius > 0
    True
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
    case: str = ""
    _origin: CounterExample | None = None
    _map: AffineMap | None = None

    @property
    def network(self) -> OneHiddenLayer | None:
        """The local minimum: what further steps begin at."""
        return self.local_minimum

    @property
    def certified(self) -> bool:
        """Is everything proved?"""
        return self.status == CounterStatus.CERTIFIED

    @cached_property
    def smallest_eigenvalue(self) -> float:
        """Of the form A a^2 + C ab + B b^2 at the minimum of the untransformed example, in float64; NaN beyond its range."""
        at = self.witness.get("flat")
        if at is None:
            return math.nan
        h = self.activation
        v, u = np.array([at["v1"], at["v2"]]), np.array([at["u1"], at["u2"]])
        with np.errstate(all="ignore"):
            slope, bend = np.asarray(h.first(v)), np.asarray(h.second(v))
            diagonal = u * bend / 12 + (u * slope) ** 2 / 4
            off = u.prod() * slope.prod() / 4
        if not np.isfinite([*diagonal, off]).all():
            return math.nan
        return float(np.linalg.eigvalsh(np.array([[diagonal[0], off], [off, diagonal[1]]]))[0])

    def image(
        self,
        A: ArrayLike | None = None,
        shift: ArrayLike | None = None,
        scale: float = 1.0,
        offset: float = 0.0,
        width: int | None = None,
    ) -> CounterExample:
        """The same example on the inputs A x + shift and the targets scale y + offset, with `width` hidden units.

        Parameters
        ----------
        A : array-like, shape (n, n_features), optional
            It must keep the first two samples apart; n larger embeds the samples in more dimensions, n = 1 puts them on a
            line. Default: as they are.
        shift : array-like, shape (n,), optional
        scale, offset : float
        width : int >= 2, optional
            Default: as many as there are.

        Returns
        -------
        CounterExample
            Its radius is the certified radius in the new parameters, its level scale^2/3. Samples are float64 numbers: where
            the middle of two is none, both move by at most an ulp, and everything said is about the samples in `data`. An
            image of an image is one image of the original: the maps are multiplied in float64.

        Raises
        ------
        OptionError
            An A under which the first two samples meet, shapes that do not fit, scale 0, a width below 2, numbers that
            leave the range, or there is no example to map.

        Notes
        -----
        The proof carries over to every affine image that keeps the first two samples apart, with the radius divided by
        max(rho, 1/|scale|), rho^2 = max (|x|^2 + 1)/2 over the new samples. Further hidden units copy one that keeps the
        form nonnegative: in the convex case its output weight too, with the output bias taking up what they add (the radius
        stays), in the mixed case its output weight is dealt out among them (the radius shrinks and is certified anew). It
        does not carry over to a width of 1 (the point of risk 0 needs two units), nor to samples that meet.
        """
        if self.local_minimum is None or self.global_minimum is None:
            raise OptionError("there is no example to map: " + self.reason)
        units = self.local_minimum.width if width is None else width
        units = as_count(units, "width", 2, wanted="a whole number of at least 2")
        now = affine_map(A, shift, scale, offset, self.data.n_features).after(self._map)
        return _image(self._origin or self, now, units)

    def __repr__(self) -> str:
        head = f"CounterExample({self.activation}: {self.status.value}"
        if self.local_minimum is None:
            return f"{head}; {self.reason})"
        proof = (
            f"certified radius {rounded_down(self.radius, 6)}"
            if self.certified
            else f"estimated radius {self.radius_estimate:.4g}, {self.reason}"
        )
        return f"{head}, {self.form} form, risk 0 and a local minimum of risk {shown_exactly(self.level)}, {proof})"


def _image(pair: CounterExample, now: AffineMap, width: int) -> CounterExample:
    """`CounterExample.image` of an example that is no image itself."""
    assert pair.local_minimum is not None
    assert pair.global_minimum is not None
    to = map_samples(now)
    balls = Balls(pair.activation.formula) if pair.certified else None
    low, radius = pair.local_minimum, pair.radius
    if width > 2:
        convex = pair.case == "convex"
        low = shared_units(low, width, 0 if convex else 1, copy=convex)
        if not convex and balls is not None:
            at, share = pair.witness["flat"], abs(float(low.W2[1]))
            v, u = (at["v1"], at["v2"]), (at["u1"], float(low.W2[1]) * (width - 1))
            # a share's weight must not change its sign
            radius = certified_radius(balls, v, u, "mixed", min(radius, share), width - 1)
    low, gap = map_network(low, width, to)
    best, _ = map_network(pair.global_minimum, width, to)
    level = to.scale**2 / 3
    # R / max(rho, 1/|k|) less the distance between the float64 parameters and the exact ones
    stretch = max(to.rho_squared, 1 / to.scale**2)
    inside = Fraction(sqrt_floor(Fraction(radius) ** 2 / stretch)) - Fraction(sqrt_above(gap))
    radius = math.nextafter(float(inside), 0.0) if inside > 0 else 0.0
    proved = pair.certified and radius > 0
    lost = "no positive radius is left on this image" if pair.certified else pair.reason
    return replace(
        pair,
        data=to.data,
        global_minimum=best,
        local_minimum=low,
        radius=radius,
        radius_estimate=pair.radius_estimate / (math.sqrt if stretch < _HUGE else sqrt_floor)(stretch),
        level=level,
        excess=_excess(low, to.data, level, balls),
        zero_risk=best.risk(to.data) if balls is None else round_up(enclosed_risk(balls, best, to.data)),
        status=CounterStatus.CERTIFIED if proved else CounterStatus.NOT_CERTIFIED,
        reason=pair.reason if proved else lost,
        _origin=pair,
        _map=now,
    )


def _excess(low: OneHiddenLayer, data: Dataset, level: Fraction, balls: Balls | None) -> float:
    if balls is None:
        return max(low.risk(data) - round_fraction(level), 0.0)
    return round_up(max(enclosed_risk(balls, low, data) - level, Fraction(0)))


def counterexample(activation: ActivationLike, form: Form = "auto", **parameters: float) -> CounterExample:
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
    [-3, 3] and u in [-10, 10], refined around the best, then certified in ball arithmetic. What it finds for the names of
    `fastminima.activations` with their own parameters is a table; a witness from there is certified like any other, and
    where that fails the search goes on as if there were no table.

    Examples
    --------
    >>> import fastminima as fm
    >>> pair = fm.counterexample("sigmoid")
    >>> str(pair.status), pair.data.X.shape
    ('certified', (3, 2))
    >>> pair.local_minimum.risk(pair.data) > 0.1 > pair.global_minimum.risk(pair.data)
    True
    """
    if not one_of(form, tuple(_FORMS)):
        raise OptionError(f"form must be one of {', '.join(_FORMS)}, got {spelled(form)}")
    h = named(activation, **parameters) if isinstance(activation, str) else as_activation(activation)
    if parameters and not isinstance(activation, str):
        raise OptionError("parameters go with a name; this activation is already made")
    if not isinstance(h, (Smooth, PiecewiseLinear)):
        raise ActivationError(
            f"expected a name, Smooth, PiecewiseLinear or torch.nn module, got {type(h).__name__}; wrap a function with "
            "Smooth(value, first, second)"
        )
    kinds = ("paper", "bias") if form == "auto" else (form,)
    for kind in kinds:
        if (known := _known(h, kind)) is not None:
            return known
    tried = []
    for kind in kinds:
        tried.append(_build(h, kind))
        if tried[-1].certified:
            return tried[-1]
    ranks = list(CounterStatus)
    best = min(tried, key=lambda pair: ranks.index(pair.status))
    if best.status == CounterStatus.NO_WITNESS and len({pair.reason for pair in tried}) > 1:
        return replace(best, reason="; ".join(f"{pair.form} form: {pair.reason}" for pair in tried))
    return best


def _nothing(
    h: Smooth | PiecewiseLinear, form: str, reason: str, evidence: tuple[Condition, ...] = ()
) -> CounterExample:
    """The samples alone, and why there is no more."""
    return CounterExample(
        activation=h,
        data=_samples(),
        global_minimum=None,
        local_minimum=None,
        form=form,
        witness={},
        conditions=evidence,
        radius=0.0,
        radius_estimate=0.0,
        level=_THIRD,
        excess=math.nan,
        zero_risk=math.nan,
        status=CounterStatus.NO_WITNESS,
        reason=reason,
    )


def _known(h: Smooth | PiecewiseLinear, form: str) -> CounterExample | None:
    """The example of a witness in the table, certified here; None where there is none, or anything is not proved."""
    found = known_witness(h, form)
    balls, _ = _balls(h) if found is not None else (None, "")
    if found is None or balls is None:
        return None
    data = _samples()
    with balls.precisely():
        best = known_global_minimum(h, data, form, found.zero, balls)
        low = known_local_minimum(h, found.flat, found.radius, form, balls) if best is not None else None
        if best is None or low is None:
            return None
        excess = _excess(low.network, data, _THIRD, balls)
    return _example(h, data, form, best, low, excess, "")


def _build(h: Smooth | PiecewiseLinear, form: str) -> CounterExample:
    data = _samples()
    balls, missing = _balls(h)
    bending = Bending(h)
    if bending.straight:
        reason = "h'' is 0 wherever looked at: a network with a linear activation has no bad local minimum"
        return _nothing(h, form, reason, (bending.evidence(),))
    with balls.precisely() if balls is not None else nullcontext():
        best = find_global_minimum(h, data, form, balls)
        if best is None:
            reason, evidence = why_no_global_minimum(h, form)
            return _nothing(h, form, reason, (evidence,))
        low = find_local_minimum(h, bending, form, balls)
        if low is None:
            reason = (
                "(C2.3), (C2.6), (C2.7): of all v1, v2, u1, u2 searched, |v| <= 3 and |u| <= 10, none has a quadratic "
                "form that is nonnegative around it"
            )
            found = _nothing(h, form, reason, best.conditions)
            return replace(
                found, global_minimum=best.network, witness={"zero": best.witness}, zero_risk=best.risk
            )
        excess = _excess(low.network, data, _THIRD, balls)
    proved = balls is not None and best.proved and low.radius > 0 and best.risk < ZERO_RISK
    if not missing and not proved:
        missing = (
            f"the risk of the global minimum in float64 is {best.risk:.2g}, not below {ZERO_RISK:g}"
            if low.radius
            else "no positive radius could be certified: h'' has the wrong sign near v1, v2, or no sharp enclosure"
        )
    return _example(h, data, form, best, low, excess, "" if proved else missing)


def _example(
    h: Smooth | PiecewiseLinear,
    data: Dataset,
    form: str,
    best: GlobalMinimum,
    low: LocalMinimum,
    excess: float,
    missing: str,
) -> CounterExample:
    return CounterExample(
        activation=h,
        data=data,
        global_minimum=best.network,
        local_minimum=low.network,
        form=form,
        witness={"zero": best.witness, "flat": low.witness},
        conditions=(*best.conditions, *low.conditions),
        radius=low.radius,
        radius_estimate=low.estimate,
        level=_THIRD,
        excess=excess,
        zero_risk=best.risk,
        status=CounterStatus.NOT_CERTIFIED if missing else CounterStatus.CERTIFIED,
        reason=missing or "both points are certified in ball arithmetic",
        case=low.case,
    )


def _balls(h: Smooth | PiecewiseLinear) -> tuple[Balls | None, str]:
    """Ball arithmetic for h, or why there is none.

    Raises
    ------
    ActivationError
        The formula, from which everything is proved, is not the function that the network computes.
    """
    if h.formula is None:
        return None, "h has no formula, so its derivatives are your word and nothing is proved about them"
    try:
        balls = Balls(h.formula)
    except MissingDependencyError:
        return None, "ball arithmetic needs python-flint: install the extra 'proof'"
    with np.errstate(all="ignore"):
        values = np.asarray(h.value(_SPOTS), dtype=np.float64).tolist()
    for t, value in zip(_SPOTS.tolist(), values, strict=True):
        if not math.isfinite(value):
            continue  # beyond float64, where the formula may go on
        with balls.precisely():
            exact = balls.at(t)
            # half of float64's digits; a function may lose some, and another function agrees in none
            apart = abs(balls.ball(Fraction(value)) - exact) > _AGREE * (1 + abs(exact))
        if apart:
            raise ActivationError(
                f"{h} is {value:.6g} at t = {t:g}, but its formula gives {float(exact.mid()):.6g}; what is proved "
                "would be about another function; correct the formula"
            )
    return balls, ""
