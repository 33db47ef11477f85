"""`polish`: from a trained network to an exact local minimum; floats choose, rationals decide.

A trained float64 network is never exactly critical. The walk, an active set of boundaries, keeps the output weights and
goes through faces:
(i) step towards the face's minimum; a kink met is crossed while the risk falls beyond it, else its sample is held there;
(ii) at a face's minimum the held sample farthest beyond its limit is let go, to the side to which the risk falls;
(iii) with nothing to let go, the face's minimum is taken in rational numbers, `decide` judges it, and its escape, if
      there is one, starts the walk anew.
Every landing lowers the risk and there are finitely many faces, so the walk ends; a limit on the steps is only a guard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.dyadic import round_down, round_fraction, sqrt_above, sqrt_floor
from fastminima.landscape.decide.decision import Decision, decide
from fastminima.landscape.decide.sides import preactivations
from fastminima.landscape.decide.stationarity import Stationarity
from fastminima.landscape.smooth.polish import SmoothPolish, polish_smooth
from fastminima.landscape.smooth.problem import as_weight_decay
from fastminima.landscape.verdict import PolishStatus
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import exact_and_data
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.options import as_flag

from .exact_face import minimum_on_face
from .face import Face, Samples
from .line_search import walk

__all__ = ["Polish", "PolishStatus", "Step", "polish"]

F64 = NDArray[np.float64]

# landings and releases, per parameter and held sample that a face can have: a guard only
_STEPS_PER_PARAMETER = 200
_RESTARTS = 200
_IDLE = 20
# a fall of the risk below this share of it is rounding, and so is one below the square of that share of the sum of y^2
_FLAT = 1e-14


@dataclass(frozen=True)
class Step:
    """One step of the walk.

    Attributes
    ----------
    risk : float
    n_held : int
        Samples held on boundaries.
    n_crossed : int
        Samples that changed sides in the step.
    kind : "start" | "minimum" | "held" | "released" | "exact" | "escape" | "left"
    """

    risk: float
    n_held: int
    n_crossed: int
    kind: str


@dataclass(frozen=True, eq=False, repr=False)
class Polish(NextSteps):
    """What `polish` found.

    Attributes
    ----------
    status : PolishStatus
    reason : str
    exact : RationalNetwork
        The point reached: a local minimum theta*, exactly, unless `status` says otherwise.
    network : OneHiddenLayer
        `exact` rounded to float64.
    decision : Decision
        At `exact`.
    distance : float
        Proved bound on the distance between `network` and `exact`, rounded up.
    excess : float
        Exact risk of `network` minus the exact risk of `exact`, rounded.
    radius : float
        No network within this distance of `network` has a risk below that of `exact`: the decision's radius less
        `distance`, rounded down; 0 where nothing is left.
    start : RationalNetwork
        Where the walk began.
    moved : float
        Euclidean distance from there to `exact`.
    started_in_region, started_within_radius : bool
        Whether the start lay in the minimum's cone, or nearer to it than its radius: was it near this minimum at all?
    path : tuple of Step
    """

    _picture = "plot_descent"

    status: PolishStatus
    reason: str
    start: RationalNetwork
    exact: RationalNetwork
    network: OneHiddenLayer
    decision: Decision
    distance: float
    excess: float
    radius: float
    moved: float
    started_in_region: bool
    started_within_radius: bool
    path: tuple[Step, ...]

    def __bool__(self) -> bool:
        return self.status is PolishStatus.LOCAL_MINIMUM

    @property
    def data(self) -> Dataset:
        """What the risk is on."""
        return self.decision.data

    @property
    def risk(self) -> float:
        """Risk of `exact`."""
        return self.decision.risk

    def __repr__(self) -> str:
        where = "in its region" if self.started_in_region else "not near it"
        return (
            f"Polish({self.status}: risk {self.path[0].risk:.6g} -> {self.risk:.6g} in {len(self.path) - 1} steps, "
            f"moved {self.moved:.3g} (began {where}), {len(self.decision.kinks)} kinks, radius {self.radius:.6g})"
        )


# for type checkers an activation is piecewise linear unless a weight decay is given
@overload
def polish(
    network: Any, data: Dataset | tuple[Any, ...] | None = None, *, leave_off_units: bool = False
) -> Polish: ...


@overload
def polish(
    network: Any,
    data: Dataset | tuple[Any, ...] | None = None,
    *,
    leave_off_units: bool = False,
    weight_decay: float,
) -> Polish | SmoothPolish: ...


def polish(
    network: Any,
    data: Dataset | tuple[Any, ...] | None = None,
    *,
    leave_off_units: bool = False,
    weight_decay: float = 0.0,
) -> Polish | SmoothPolish:
    """Walk from a network to an exact local minimum near it, with a risk that is nowhere higher.

    Parameters
    ----------
    network : OneHiddenLayer, RationalNetwork, result or torch.nn.Module
        With a `PiecewiseLinear` activation, or a `Smooth` one that has a formula; usually what training ended with. As in
        `decide`.
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        Results that know their data do without.
    leave_off_units : bool
        Whether to go on from a minimum with units that are off (a_k = 0, u_k = 0 or dead), by a path at constant risk
        to a strictly better point, until no unit is off or none can leave. Such paths are known for piecewise linear
        activations only.
    weight_decay : float, default 0
        lambda of the risk 1/2 sum w (f(x) - y)^2 + lambda/2 |theta|^2, theta all parameters, biases too.

    Returns
    -------
    Polish
        `SmoothPolish` for a smooth activation, or with weight decay: a ball that holds exactly one critical point, a strict
        local minimum, which needs python-flint (the extra `proof`).

    Raises
    ------
    DataTypeError, NetworkError, DataError
        As `decide`.

    Examples
    --------
    >>> import fastminima as fm
    >>> data = fm.Dataset([[float(x)] for x in range(-3, 4)], [2.0, -3, -2, -2, -2, 2, 3])
    >>> near = fm.OneHiddenLayer([[2.4]], [-2.3], [1.0], -1.3, fm.relu)
    >>> p = fm.polish(near, data)
    >>> p.status.value, p.exact.rows[0], p.decision.exact_risk
    ('local_minimum', (Fraction(31, 13), Fraction(-31, 13)), Fraction(106, 13))

    Notes
    -----
    Deterministic. Interrupted (Ctrl-C), it hands back the best point so far with status "interrupted".
    """
    found, dataset = exact_and_data(network, data, "polish")
    leave = as_flag(leave_off_units, "leave_off_units")
    decay = as_weight_decay(weight_decay)
    if decay or not isinstance(found.activation, PiecewiseLinear):
        return polish_smooth(found, dataset, decay)
    walker = _Walk(RationalNetwork.of(found), dataset)
    try:
        status, reason = walker.run(leave)
    except KeyboardInterrupt:
        status, reason = PolishStatus.INTERRUPTED, "stopped; the best point so far"
    return _result(walker, status, reason)


class _Walk:
    """The state of a walk: the exact point last judged, and the face in float64."""

    def __init__(self, start: RationalNetwork, data: Dataset) -> None:
        self.start = start
        # whose output weights and idle rows the face has
        self.base = start
        self.data = data
        # checks shapes, merges inputs and finds the first sides, exactly
        sums = Stationarity(start, data)
        self.inputs = sums
        weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
        total = np.asarray(np.bincount(sums.ids, weights=weight), dtype=np.float64)
        mean = np.bincount(sums.ids, weights=weight * data.y) / total
        self.samples = Samples.of(data.X[sums.first], mean, total)
        spread = data.y - mean[sums.ids]
        self.pure = 0.5 * float(weight @ (spread * spread))
        self.path = [Step(float(sums.risk), sum(map(len, sums.boundary)), 0, "start")]
        self.decision: Decision | None = None
        self.face = self._face(start, sums.sides)

    def _face(self, network: RationalNetwork, sides: NDArray[np.int8]) -> Face:
        rows = np.array([[round_fraction(v) for v in row] for row in network.rows])
        output = np.array([round_fraction(a) for a in network.output])
        q = self.samples.to_standard(rows) * np.abs(output)[:, None]
        slopes = float(network.slopes[0]), float(network.slopes[1])
        held: list[list[int]] = [[] for _ in rows]
        face = Face(self.samples, q, round_fraction(network.bias), np.sign(output), slopes, sides > 0, held)
        for k in range(len(rows)):
            for sample in np.flatnonzero(sides[:, k] == 0).tolist():
                if output[k] and rows[k].any():
                    face.hold(k, sample)
        return face

    def run(self, leave_off_units: bool) -> tuple[PolishStatus, str]:
        limit = _STEPS_PER_PARAMETER * (self.face.q.size + 1)
        for _ in range(_RESTARTS):
            if not self._to_face_minimum(limit):
                self._judge(self._rounded())
                return PolishStatus.STEP_LIMIT, f"no end after {limit} steps"
            decision = self._judge(self._exact_minimum())
            if decision.escape is not None:
                self._go_on(decision.escape.exact, "escape")
                continue
            if not decision:
                return PolishStatus.UNDETERMINED, decision.reason
            path = decision.leave if leave_off_units else None
            if path is None:
                self.decision = decision
                return PolishStatus.LOCAL_MINIMUM, decision.reason
            self._go_on(path.exact, "left")
        return PolishStatus.STEP_LIMIT, f"no end after {_RESTARTS} exact minima of faces"

    def _go_on(self, network: RationalNetwork, kind: str) -> None:
        self.base = network
        side = preactivations(self.inputs.columns.take(self.inputs.first), network.rows).side
        self.face = self._face(network, side)
        self.path.append(Step(self.face.risk() + self.pure, sum(map(len, self.face.held)), 0, kind))

    def _judge(self, network: RationalNetwork) -> Decision:
        """Decide at a point, and keep it if its risk is not higher than before."""
        decision = decide(network, self.data)
        if self.decision is None or decision.exact_risk <= self.decision.exact_risk:
            self.decision = decision
        self.path.append(Step(decision.risk, len(decision.kinks), 0, "exact"))
        return decision

    def _to_face_minimum(self, limit: int) -> bool:
        """(i) and (ii) until there is nothing to let go; False when the guard stopped it."""
        face, samples = self.face, self.samples
        floor = 1e3 * _FLAT * _FLAT * float(samples.w @ (samples.y * samples.y))
        idle = 0
        for _ in range(limit):
            delta, bias = face.step_to_minimum()
            stop = walk(face, delta, bias)
            falls = stop.fell > _FLAT * face.risk() + floor
            # a step of no length that ends at a kink holds its sample, a few times in a row
            if falls or (stop.kink is not None and idle < _IDLE):
                idle = 0 if falls else idle + 1
                self._move(delta, bias, stop.t)
                for sample, unit in stop.crossed:
                    face.up[sample, unit] ^= True
                if stop.kink is not None:
                    sample, unit = stop.kink
                    if not face.hold(unit, sample):
                        face.up[sample, unit] ^= True
                kind = "minimum" if stop.kink is None else "held"
                self.path.append(
                    Step(face.risk() + self.pure, sum(map(len, face.held)), len(stop.crossed), kind)
                )
                continue
            worst = face.worst_multiplier()
            if worst is None:
                return True
            unit, position, multiplier = worst
            sample = face.held[unit].pop(position)
            # the risk falls along the dual vector v with sigma <v, x_g> of the sign of -multiplier
            face.up[sample, unit] = multiplier < 0.0
            self.path.append(Step(face.risk() + self.pure, sum(map(len, face.held)), 0, "released"))
        return False

    def _move(self, delta: F64, bias: float, t: float) -> None:
        self.face.q = self.face.q + t * delta
        self.face.bias += t * bias

    def _rounded(self) -> RationalNetwork:
        """The face's float64 point as a network with the output weights of the last exact one."""
        face, output = self.face, self.base.output
        size = np.array([abs(round_fraction(a)) or 1.0 for a in output])
        rows = self.samples.to_given(face.q / size[:, None])
        exact = [
            tuple(map(Fraction, row)) if a else old
            for row, a, old in zip(rows.tolist(), output, self.base.rows, strict=True)
        ]
        return replace(self.start, rows=tuple(exact), output=output, bias=Fraction(face.bias))

    def _exact_minimum(self) -> RationalNetwork:
        """(iii): the face's minimum in rational numbers."""
        face = self.face
        groups = np.where(face.up, 1, -1).astype(np.int8)
        for k, rows in enumerate(face.held):
            groups[rows, k] = 0
        held = [[self.inputs.x(g) for g in rows] for rows in face.held]
        return minimum_on_face(self.inputs.columns, groups[self.inputs.ids], held, self._rounded())


def _result(walker: _Walk, status: PolishStatus, reason: str) -> Polish:
    decision = walker.decision
    if decision is None:
        decision = decide(walker.start, walker.data)
    exact = decision.network
    rounded = exact.rounded()
    near = RationalNetwork.of(rounded)
    square = near.distance_squared(exact)
    distance = sqrt_above(square)
    excess = round_fraction(_risk(near, walker.data) - decision.exact_risk)
    inner = Fraction(decision.radius) - Fraction(distance) if decision.radius < np.inf else None
    radius = np.inf if inner is None else max(0.0, round_down(inner))
    moved = exact.distance_squared(walker.start)
    region = decision.region
    within = region is not None and (region.radius_squared is None or moved < region.radius_squared)
    return Polish(
        status=status, reason=reason, start=walker.start, exact=exact, network=rounded, decision=decision,
        distance=distance, excess=excess, radius=radius, moved=sqrt_floor(moved),
        started_in_region=region is not None and region.contains(walker.start),
        started_within_radius=within, path=tuple(walker.path),
    )  # fmt: skip


def _risk(network: RationalNetwork, data: Dataset) -> Fraction:
    return Stationarity(network, data).risk
