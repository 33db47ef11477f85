"""`polish` for smooth activations, and for any with weight decay: to a minimum that is proved to lie in a ball.

(i)   fold exactly: units that are off, constant or equal, where there is no weight decay (`fold`);
(ii)  go down in float64 (`walk`);
(iii) Newton in balls and the largest ball of fact 15 (`certify`), else, near the least risk of all functions, a point of
      that risk by Krawczyk (`zero_risk`);
(iv)  without either, fold units that float64 holds for off or equal and begin again at (ii); else nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.exact.dyadic import round_fraction, round_up, sqrt_floor
from fastminima.landscape.verdict import PolishStatus, Verdict
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.first_use import cached_property

from .ball_risk import PRECISION
from .certify import certified_minimum
from .decision import SmoothDecision, decide_smooth
from .float_risk import length
from .fold import Fold, flat_symmetry, folded, off_and_equal
from .minimum import SmoothMinimum
from .problem import Problem
from .vector import network_of, vector_of
from .walk import SmoothStep, descend
from .zero_risk import certified_zero

__all__ = ["SmoothPolish", "polish_smooth"]

# units whose rows agree to this share are tried as one, and such output weights as 0: a choice, no claim rests on it
_ALMOST = 1e-5
# a risk within this share of the spread of the targets is near the least there is: another choice
_NEAR_ZERO = 1e-6
# how near a kink a sample is named when nothing is proved, relative to the largest parameter
_AT_KINK = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class SmoothPolish(NextSteps):
    """What `polish` found for a smooth activation, or for any with weight decay; truthy at a certified minimum.

    Attributes
    ----------
    status : PolishStatus
    reason : str
    start : RationalNetwork
        Where the walk began.
    exact : SmoothMinimum or None
        The ball that holds the minimum theta*, whose parameters are no rational numbers; None where nothing is proved.
    network : OneHiddenLayer
        The centre of that ball, or the point reached, rounded to float64.
    folds : tuple of Fold
        Units that were taken out, because they add nothing or equal others: `network` is that much narrower, and what is
        claimed is said of networks of its width.
    distance : float
        Proved bound on the distance between `network` and theta*, rounded up; inf where nothing is proved.
    excess : float
        The risk of `network` is above that of theta* by at most this; inf where nothing is proved.
    radius : float
        No network within this distance of `network` has a risk below that of theta*; rounded down, 0 where nothing is
        left.
    moved : float
        Euclidean distance from the start, its units taken out, to the centre or the point reached.
    started_within_radius : bool
        Whether the start, its units taken out, lay in the ball in which theta* is the only critical point.
    path : tuple of SmoothStep

    Examples
    --------
    >>> import fastminima as fm
    >>> start = fm.OneHiddenLayer([[1.0]], [0.1], [0.5], 0.0, "tanh")
    >>> p = fm.polish(start, ([[-1.0], [0.0], [1.0], [2.0]], [0.0, 1.0, 0.5, 0.0]), weight_decay=0.1)
    >>> bool(p), str(p.status)
    (True, 'local_minimum')
    """

    _picture = "plot_descent"

    status: PolishStatus
    reason: str
    start: RationalNetwork
    exact: SmoothMinimum | None
    network: OneHiddenLayer
    data: Dataset
    weight_decay: float
    folds: tuple[Fold, ...]
    distance: float
    excess: float
    radius: float
    moved: float
    started_within_radius: bool
    path: tuple[SmoothStep, ...]

    def __bool__(self) -> bool:
        return self.status is PolishStatus.LOCAL_MINIMUM

    @property
    def started_in_region(self) -> bool:
        """The region of a smooth minimum is its ball."""
        return self.started_within_radius

    @property
    def risk(self) -> float:
        """Risk of theta*, or of the point reached, rounded."""
        return self.path[-1].risk if self.exact is None else self.exact.risk

    @cached_property
    def decision(self) -> SmoothDecision:
        """At theta*: a local minimum, with its ball; where nothing is proved, at `network`. Computed at first use."""
        if self.exact is None:
            return decide_smooth(self.network, self.data, None, Fraction(self.weight_decay))
        return SmoothDecision(
            Verdict.LOCAL_MINIMUM, self.reason, self.exact.centre, self.data, self.weight_decay,
            self.exact.risk_bounds, minimum=self.exact,
        )  # fmt: skip

    def __repr__(self) -> str:
        where = "in its ball" if self.started_within_radius else "not near it"
        end = f"(began {where}), radius {self.radius:.6g}" if self else f"({self.reason})"
        fewer = f", {len(self.folds)} units folded" if self.folds else ""
        return (
            f"SmoothPolish({self.status}: risk {self.path[0].risk:.6g} -> {self.risk:.6g} in {len(self.path) - 1} "
            f"steps, moved {self.moved:.3g} {end}{fewer})"
        )


class _Walk:
    """The state of a walk: the narrower network it has come to, and the point reached."""

    def __init__(self, problem: Problem) -> None:
        self.problem = self.first = problem
        self.folds: tuple[Fold, ...] = ()
        # which of the units that came are left
        self.units = list(range(problem.network.width))
        self.begun = vector_of(problem.network)
        self.theta = list(self.begun)
        self.path = [self._step("start")]

    def floats(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([round_fraction(v) for v in self.theta])

    def _step(self, kind: str) -> SmoothStep:
        at = self.floats()
        gradient = self.problem.floats.derivatives(at)[0]
        return SmoothStep(self.problem.floats.value(at), length(gradient), kind)

    def network(self) -> RationalNetwork:
        return network_of(self.theta, self.problem.network)

    def fold(self, tolerance: float) -> bool:
        """Take out units that are off or equal; False where none is."""
        if self.problem.weight_decay:
            return False
        found = off_and_equal(self.network(), tolerance)
        narrow = folded(self.network(), found) if found else None
        begun = folded(network_of(self.begun, self.problem.network), found) if found else None
        if narrow is None or begun is None:
            return False
        named = [
            Fold(self.units[f.unit], None if f.into is None else self.units[f.into], f.why) for f in found
        ]
        self.folds += tuple(named)
        self.units = [k for at, k in enumerate(self.units) if at not in {f.unit for f in found}]
        problem = self.problem
        self.problem = Problem.about(narrow, problem.data, problem.samples, problem.weight_decay)
        self.theta, self.begun = vector_of(narrow), vector_of(begun)
        self.path.append(self._step("folded"))
        return True

    def run(self) -> SmoothMinimum | None:
        self.fold(0.0)
        while True:
            for at, step in descend(self.problem.floats, self.floats()):
                self.theta = [Fraction(v) for v in at.tolist()]
                self.path.append(step)
            found = self._certified()
            if found is not None:
                self.theta = vector_of(found.centre)
                self.path.append(self._step("certified"))
                return found
            if not self.fold(_ALMOST):
                return None

    def _certified(self) -> SmoothMinimum | None:
        problem = self.problem
        found = certified_minimum(problem.risk, problem.floats, self.theta)
        if found is not None:
            return found
        floats, spread = problem.floats, problem.samples.y - problem.samples.y.mean()
        scale = float(problem.samples.w @ (spread * spread))
        if floats.value(self.floats()) - floats.pure <= _NEAR_ZERO * (scale or 1.0):
            return certified_zero(problem.risk, floats, self.theta)
        return None


def polish_smooth(
    network: OneHiddenLayer | RationalNetwork, data: Dataset, weight_decay: Fraction
) -> SmoothPolish:
    """As `fastminima.polish`, whose arguments have been checked.

    Raises
    ------
    NetworkError, DataError, MissingDependencyError
        As `Problem.of`.
    """
    walk = _Walk(Problem.of(network, data, weight_decay))
    try:
        found = walk.run()
    except KeyboardInterrupt:
        return _result(walk, PolishStatus.INTERRUPTED, "stopped; the best point so far", None)
    if found is None:
        return _result(walk, PolishStatus.UNDETERMINED, _why_not(walk), None)
    names = ", ".join(map(str, walk.folds))
    width = f" of width {walk.problem.network.width}, after {names} had been folded" if walk.folds else ""
    reason = (
        f"the only critical point of its ball, a strict local minimum{width}"
        if found.strict
        else f"no function of the inputs has a lower risk{width}"
    )
    return _result(walk, PolishStatus.LOCAL_MINIMUM, reason, found)


def _why_not(walk: _Walk) -> str:
    problem = walk.problem
    reach = max(Fraction(1), *map(abs, walk.theta)) * Fraction(_AT_KINK)
    with problem.risk.precisely():
        kinks = problem.risk.kinks(problem.risk.point(walk.theta), problem.risk.ball(reach))
    if kinks:
        unit, sample = kinks[0]
        where = f"two pieces of {problem.network.activation} meet at unit {unit}"
        return f"no curvature bound: with parameters moved by {float(reach):.1g} sample {sample} lies where {where}"
    at = walk.floats()
    gradient, H = problem.floats.derivatives(at)
    if not np.isfinite(H).all():
        return "no curvature bound: the Hessian leaves the range of float64"
    w = np.linalg.eigvalsh(H)
    parts = [
        f"no curvature bound: eigenvalues of the Hessian from {w[0]:.2g} to {w[-1]:.2g}, gradient "
        f"{length(gradient):.2g}, weights up to {np.abs(at).max():.2g}"
    ]
    parts += [str(fold) for fold in off_and_equal(walk.network(), _ALMOST)]
    symmetry = None if problem.weight_decay else flat_symmetry(problem.network.activation)
    if symmetry is not None:
        parts.append(f"{symmetry}, so that no minimum is isolated without weight decay")
    return "; ".join(parts)


def _result(walk: _Walk, status: PolishStatus, reason: str, found: SmoothMinimum | None) -> SmoothPolish:
    point = walk.network()
    rounded = point.rounded()
    square = point.distance_squared(network_of(walk.begun, walk.problem.network))
    distance, excess, radius, within = np.inf, np.inf, 0.0, False
    if found is not None:
        distance, radius = found.distance(rounded), found.radius_about(rounded)
        excess = _excess(walk.problem, rounded, found)
        within = not found.strict or square <= Fraction(found.radius) ** 2
    return SmoothPolish(
        status=status, reason=reason, start=walk.first.network, exact=found, network=rounded, data=walk.first.data,
        weight_decay=round_fraction(walk.first.weight_decay), folds=walk.folds, distance=float(distance),
        excess=float(excess), radius=radius, moved=sqrt_floor(square), started_within_radius=within,
        path=tuple(walk.path),
    )  # fmt: skip


def _excess(problem: Problem, network: OneHiddenLayer, found: SmoothMinimum) -> float:
    """A bound on the risk of the rounded network above that of theta*."""
    risk = problem.risk
    with risk.precisely(2 * PRECISION):
        theta = risk.point(vector_of(RationalNetwork.of(network)))
        if not found.strict:
            return round_up(risk.edges(risk.risk(theta))[1] - found.risk_bounds[0])
        centre = risk.point(vector_of(found.centre))
        above = risk.edges(risk.fall(theta, centre))[1]
    gamma, mu = Fraction(found.gradient), Fraction(found.curvature)
    return round_up(max(Fraction(0), above + gamma * gamma / (2 * mu)))
