"""The walk of `polish`: floats choose where to go, rationals judge where it ends."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.errors import DataError
from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.groups import group_ids
from fastminima.exact.masked_gram import MaskedGram
from fastminima.landscape.decide.decision import Decision, decide, decide_rational
from fastminima.landscape.decide.leave import Leave, leave
from fastminima.landscape.decide.sides import preactivations
from fastminima.landscape.decide.stationarity import KnownSums
from fastminima.landscape.verdict import OffUnit, PolishStatus
from fastminima.networks.rational_network import RationalNetwork

from .exact_face import minimum_of_quadratic
from .face import Face
from .line_search import LineSearch
from .samples import Samples
from .steps import Step

__all__ = ["Walk"]

# landings and releases, per parameter and held sample that a face can have: a guard only
_STEPS_PER_PARAMETER = 200
_RESTARTS = 200
_IDLE = 20
# steps in a row on one face, before its multipliers are looked at
_STILL = 4
# a fall of the risk below this share of it is rounding, and so is one below the square of that share of the sum of y^2
_FLAT = 1e-14
# crossings after which the quadratic is summed anew
_CROSSINGS = 20_000


class Walk:
    """The state of a walk: the exact point last judged, and the face in float64.

    Attributes
    ----------
    start : RationalNetwork
    decision : Decision or None
        At the best point that was judged.
    path : list of Step
    """

    def __init__(self, start: RationalNetwork, data: Dataset) -> None:
        if start.n_features != data.n_features:
            raise DataError(f"X has {data.n_features} columns; the network takes {start.n_features} inputs")
        self.start, self.data = start, data
        # whose output weights and idle rows the face has
        self.base = start
        self.columns = Columns(data)
        self.ids, first = group_ids(self.columns)
        self.distinct = self.columns.take(first)
        weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
        total = np.asarray(np.bincount(self.ids, weights=weight), dtype=np.float64)
        mean = np.bincount(self.ids, weights=weight * data.y) / total
        self.samples = Samples.of(data.X[first], mean, total)
        spread = data.y - mean[self.ids]
        self.pure = 0.5 * float(weight @ (spread * spread))
        self.decision: Decision | None = None
        # exact sums of the face last minimised, and of the best point's
        self._sums: KnownSums | None = None
        self.sums: KnownSums | None = None
        self.path: list[Step] = []
        self._enter(start, "start")

    def _enter(self, network: RationalNetwork, kind: str) -> None:
        """The face of an exact point."""
        self.base = network
        sides = preactivations(self.distinct, network.rows).side
        rows = np.array([[round_fraction(v) for v in row] for row in network.rows])
        output = np.array([round_fraction(a) for a in network.output])
        q = self.samples.to_standard(rows) * np.abs(output)[:, None]
        slopes = float(network.slopes[0]), float(network.slopes[1])
        self.face = Face(self.samples, q, round_fraction(network.bias), np.sign(output), slopes, sides > 0)
        for k in range(len(rows)):
            if output[k] and rows[k].any():
                for sample in np.flatnonzero(sides[:, k] == 0).tolist():
                    self.face.hold(k, sample)
        self.search = LineSearch(self.face)
        self._note(self.face.risk(), 0, kind)

    def _note(self, risk: float, n_crossed: int, kind: str) -> None:
        self.risk = risk
        self.path.append(Step(risk + self.pure, sum(map(len, self.face.held)), n_crossed, kind))

    def run(self, leave_off_units: bool) -> tuple[PolishStatus, str]:
        """To an exact local minimum, or as far as it goes."""
        limit = _STEPS_PER_PARAMETER * len(self.face.theta)
        for _ in range(_RESTARTS):
            if not self._to_face_minimum(limit):
                self._judge(self._rounded())
                return PolishStatus.STEP_LIMIT, f"no end after {limit} steps"
            decision = self._judge(self._exact_minimum())
            if decision.escape is not None:
                self._enter(decision.escape.exact, "escape")
                continue
            path = self._around(decision) if not decision else decision.leave if leave_off_units else None
            if path is None and not decision:
                return PolishStatus.UNDETERMINED, decision.reason
            if path is None:
                self.decision, self.sums = decision, self._sums
                return PolishStatus.LOCAL_MINIMUM, decision.reason
            self._enter(path.exact, "left")
        return PolishStatus.STEP_LIMIT, f"no end after {_RESTARTS} exact minima of faces"

    def _around(self, decision: Decision) -> Leave | None:
        """The way round a point that could not be decided because of a row that shrank to 0.

        Such a unit adds nothing, so it can be moved at constant risk to where its output weight lowers the risk: whether
        the point is a minimum or not, a strictly better one is there.
        """
        for unit, why in decision.off_units.items():
            if why is OffUnit.NO_ROW and (path := leave(decision.network, self.data, unit)) is not None:
                return path
        return None

    def stopped(self) -> Decision:
        """After an interrupt: what is known of the best point so far."""
        best = self.path[0].risk if self.decision is None else self.decision.risk
        if self.risk + self.pure < best:
            near = self._rounded().rounded()
            # float64 tells of most networks that they are no minimum; exact sums wait until somebody asks
            found = decide(near, self.data)
            assert isinstance(found, Decision)
            return found
        if self.decision is not None:
            return self.decision
        return decide_rational(self.start, self.data)

    def _judge(self, network: RationalNetwork) -> Decision:
        """Decide at a point, and keep it if its risk is not higher than before."""
        decision = decide_rational(network, self.data, self._sums)
        if self.decision is None or decision.exact_risk <= self.decision.exact_risk:
            self.decision, self.sums = decision, self._sums
        self.path.append(Step(decision.risk, len(decision.kinks), 0, "exact"))
        return decision

    def _to_face_minimum(self, limit: int) -> bool:
        """(i) and (ii) until there is nothing to let go; False when the guard stopped it."""
        face, samples = self.face, self.samples
        floor = 1e3 * _FLAT * _FLAT * float(samples.w @ (samples.y * samples.y))
        idle = still = 0
        for _ in range(limit):
            if face.quadratic.n_crossed > _CROSSINGS:
                face.quadratic.sum_anew(face.theta)
            delta = face.step_to_minimum()
            stop = self.search.walk(delta)
            falls = stop.fell > _FLAT * self.risk + floor
            # a step of no length that ends at a kink holds its sample, a few times in a row
            # one step without a kink is the minimum of the face; several in a row are what rounding makes of a singular one
            still = still + 1 if stop.kink is None and not stop.crossed else 0
            if still <= _STILL and (falls or (stop.kink is not None and idle < _IDLE)):
                idle = 0 if falls else idle + 1
                face.move(delta, stop.t, stop.crossed)
                if stop.kink is not None:
                    sample, unit = stop.kink
                    if not face.hold(unit, sample):
                        face.quadratic.cross([(sample, unit)], face.theta)
                self._note(
                    self.risk - stop.fell, len(stop.crossed), "minimum" if stop.kink is None else "held"
                )
                continue
            still = 0
            worst = face.worst_multiplier(self.search.touching)
            if worst is not None:
                unit, position, multiplier = worst
                # the risk falls along the dual vector v with sigma <v, x_g> of the sign of -multiplier
                face.release(unit, position, multiplier < 0.0)
                self._note(self.risk, 0, "released")
                continue
            if not face.quadratic.n_crossed:
                return True
            # what looks like the end in sums that were brought up to date is looked at in fresh ones
            face.quadratic.sum_anew(face.theta)
            self.risk = face.risk()
        return False

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
        sides = groups[self.ids]
        moments = MaskedGram(self.columns, sides, *self.base.slopes)
        self._sums = KnownSums(sides > 0, moments)
        return minimum_of_quadratic(moments, self._held(), self._rounded())

    def _held(self) -> list[list[tuple[Fraction, ...]]]:
        """x~ = (x, 1) of the samples held at each unit."""
        numbers = sorted({sample for rows in self.face.held for sample in rows})
        at = np.array(numbers, dtype=np.intp)
        pairs = [self.distinct.integers(j, at) for j in range(self.distinct.n_features)]
        inputs = {
            sample: (*(int(column[p]) * scale for column, scale in pairs), Fraction(1))
            for p, sample in enumerate(numbers)
        }
        return [[inputs[sample] for sample in rows] for rows in self.face.held]
