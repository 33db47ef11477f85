"""`decide` for smooth activations, and for any with weight decay: is the gradient 0, and which way does the risk bend?

A point of float64 numbers is a critical point only by accident or by design: where its gradient is not 0, balls say so.
That it is 0 takes rational arithmetic, and rational values of h. Then the Hessian decides, in balls: positive definite, a
strict local minimum; a negative direction, none; else nothing is said, but at the lowest risk that any function has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.errors import ActivationError, NetworkError
from fastminima.exact.dyadic import round_down, round_fraction
from fastminima.landscape.verdict import OffUnit, Verdict, why_off
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.first_use import cached_property

from .ball_risk import PRECISION
from .certify import ball_about, certified_minimum
from .escape import SmoothEscape, best_escape
from .exact_point import exact_point
from .minimum import SmoothMinimum
from .problem import Problem
from .vector import vector_of

__all__ = ["SmoothDecision", "decide_smooth"]

_PRECISIONS = (PRECISION, 4 * PRECISION, 16 * PRECISION)


@dataclass(frozen=True, eq=False, repr=False)
class SmoothDecision(NextSteps):
    """What `decide` found of a smooth network, or of any with weight decay; truthy at a local minimum.

    Attributes
    ----------
    verdict : Verdict
        "local_minimum", "not_a_minimum" or "undetermined".
    reason : str
    network : RationalNetwork
        The point, exactly; in the decision of a `SmoothPolish`, the centre of the ball that holds it.
    data : Dataset
    weight_decay : float
        lambda of F = 1/2 sum w (f(x) - y)^2 + lambda/2 |theta|^2, theta all parameters, biases too.
    risk_bounds : (Fraction, Fraction)
        F lies between these.
    minimum : SmoothMinimum or None
        Of a local minimum: the ball in which it is the only critical point.
    off_units : dict of int to OffUnit
        Units that add nothing: a_k = 0, or u_k = 0.
    escape : SmoothEscape or None
        Not a minimum: a strictly better network inside the ball that was asked for.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> from fastminima import OneHiddenLayer
    >>> network = OneHiddenLayer([[1.0]], [0.0], [0.0], 0.0, "tanh")
    >>> decision = fm.decide(network, ([[0.0], [1.0]], [0.0, 1.0]))
    >>> bool(decision), str(decision.verdict)
    (False, 'not_a_minimum')
    """

    verdict: Verdict
    reason: str
    network: RationalNetwork
    data: Dataset
    weight_decay: float
    risk_bounds: tuple[Fraction, Fraction]
    minimum: SmoothMinimum | None = None
    off_units: dict[int, OffUnit] = field(default_factory=dict)
    escape: SmoothEscape | None = None

    def __bool__(self) -> bool:
        return self.verdict is Verdict.LOCAL_MINIMUM

    @property
    def risk(self) -> float:
        """F, rounded."""
        return round_fraction((self.risk_bounds[0] + self.risk_bounds[1]) / 2)

    @property
    def radius(self) -> float:
        """Certified Euclidean radius, rounded down: no network nearer to the minimum has a lower risk; 0 unless one."""
        if self.minimum is None:
            return 0.0
        if not self.minimum.strict:
            return math.inf
        return max(0.0, round_down(Fraction(self.minimum.radius) - Fraction(self.minimum.error)))

    @property
    def region(self) -> SmoothMinimum | None:
        """The ball; `region.contains(other)`."""
        return self.minimum

    @property
    def kinks(self) -> tuple[()]:
        """Samples on boundaries are what piecewise linear activations have."""
        return ()

    @property
    def multipliers(self) -> list[Any]:
        """None, as `kinks`."""
        return []

    @property
    def leave(self) -> None:
        """A path at constant risk is known for piecewise linear activations only."""

    @cached_property
    def near(self) -> SmoothMinimum | None:
        """The local minimum that Newton's method leads to from here, certified; None where nothing is proved of it.

        `near.distance(v.network)` bounds how far it is; `near.contains(v.network)` says whether the point lies in its
        ball. Computed at first use.
        """
        if self.minimum is not None:
            return self.minimum
        problem = Problem.of(self.network, self.data, Fraction(self.weight_decay))
        return certified_minimum(problem.risk, problem.floats, vector_of(self.network))

    def __repr__(self) -> str:
        parts = [f"risk {self.risk:.6g}"]
        if self:
            parts.append(f"radius {self.radius:.6g}")
        if self.off_units:
            parts.append(f"{len(self.off_units)} units off")
        if self.escape is not None:
            parts.append(repr(self.escape))
        return f"SmoothDecision({self.verdict}: {self.reason}; {', '.join(parts)})"


def decide_smooth(
    network: OneHiddenLayer | RationalNetwork, data: Dataset, ball: Fraction | None, weight_decay: Fraction
) -> SmoothDecision:
    """As `fastminima.decide`, whose arguments have been checked.

    Raises
    ------
    NetworkError, DataError, MissingDependencyError
        As `Problem.of`.
    """
    problem = Problem.of(network, data, weight_decay)
    floats = isinstance(network, OneHiddenLayer)
    for bits in _PRECISIONS:
        with problem.risk.precisely(bits):
            theta = problem.risk.point(vector_of(problem.network))
            gradient = problem.risk.gradient(theta)
            if any(g != 0 for g in gradient):
                norm = math.hypot(*(float(g.abs_lower()) for g in gradient if g.is_finite()))
                return _refuted(
                    problem, f"the gradient is not 0: its norm is {norm:.3g}", gradient, ball, floats
                )
            if not all(g.is_finite() for g in gradient):
                unit, sample = problem.risk.kinks(theta)[0]
                return _answer(
                    problem, Verdict.UNDETERMINED,
                    f"sample {sample} lies where two pieces of {problem.network.activation} meet at unit {unit}: "
                    "there is no gradient",
                )  # fmt: skip
            # balls do not tell the gradient from 0; where it is rational no more bits are needed
            exact = exact_point(problem.samples, problem.network, weight_decay) if bits == PRECISION else None
            if exact is None:
                continue
            if any(exact.gradient):
                return _refuted(problem, "the gradient is not 0, by exact arithmetic", gradient, ball, floats)
            if not any(exact.residuals) and not weight_decay:
                return _lowest(problem)
            return _at_critical_point(problem, ball, floats)
    return _answer(
        problem, Verdict.UNDETERMINED, f"the gradient is 0 to {_PRECISIONS[-1]} bits, and not known to be 0"
    )


def _refuted(
    problem: Problem, reason: str, gradient: list[Any], ball: Fraction | None, floats: bool
) -> SmoothDecision:
    return _answer(problem, Verdict.NOT_A_MINIMUM, reason, escape=_escape(problem, gradient, ball, floats))


def _escape(
    problem: Problem, gradient: list[Any], ball: Fraction | None, floats: bool
) -> SmoothEscape | None:
    theta = vector_of(problem.network)
    return best_escape(problem.risk, problem.floats, theta, gradient, ball, floats)


def _lowest(problem: Problem) -> SmoothDecision:
    pure = problem.samples.pure
    lowest = SmoothMinimum(
        centre=problem.network,
        error=0.0,
        radius=math.inf,
        gradient=0.0,
        curvature=0.0,
        risk_bounds=(pure, pure),
    )
    return _answer(
        problem, Verdict.LOCAL_MINIMUM, "no function of the inputs has a lower risk", minimum=lowest
    )


def _at_critical_point(problem: Problem, ball: Fraction | None, floats: bool) -> SmoothDecision:
    risk = problem.risk
    with risk.precisely():
        theta = risk.point(vector_of(problem.network))
        gradient = [risk.flint.arb(0)] * risk.size
        minimum = ball_about(risk, problem.floats, theta, Fraction(0))
        if minimum is not None:
            reason = "the gradient is exactly 0 and the Hessian is positive definite"
            return _answer(problem, Verdict.LOCAL_MINIMUM, reason, minimum=minimum)
        H = risk.hessian(theta)
        try:
            middle = np.array([[float(v.mid()) for v in row] for row in H.tolist()])
            w, V = np.linalg.eigh(middle)
        except (ActivationError, np.linalg.LinAlgError):
            w = np.array([math.nan])
        if w[0] < 0.0:
            v = risk.flint.arb_mat(risk.size, 1, V[:, 0].tolist())
            if (v.transpose() * H * v)[0, 0] < 0:
                return _answer(
                    problem, Verdict.NOT_A_MINIMUM, "the gradient is exactly 0 and the Hessian has a negative direction",
                    escape=_escape(problem, gradient, ball, floats),
                )  # fmt: skip
    off = ", ".join(str(k) for k in _off(problem.network))
    flat = f"; units {off} are off" if off else ""
    return _answer(
        problem, Verdict.UNDETERMINED,
        f"the gradient is exactly 0, and the Hessian has neither a positive bound nor a negative direction{flat}",
    )  # fmt: skip


def _off(network: RationalNetwork) -> dict[int, OffUnit]:
    units = zip(network.rows, network.output, strict=True)
    return {k: why for k, (row, a) in enumerate(units) if (why := why_off(row, a))}


def _answer(problem: Problem, verdict: Verdict, reason: str, **more: Any) -> SmoothDecision:
    risk = problem.risk
    with risk.precisely(2 * PRECISION):
        value = risk.risk(risk.point(vector_of(problem.network)))
        try:
            bounds = risk.edges(value)
        except ActivationError as error:
            raise NetworkError(
                f"the risk of this network is beyond the numbers that balls hold: {value}"
            ) from error
    return SmoothDecision(
        verdict, reason, problem.network, problem.data, round_fraction(problem.weight_decay), bounds,
        off_units=_off(problem.network), **more,
    )  # fmt: skip
