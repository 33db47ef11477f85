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

from dataclasses import dataclass
from fractions import Fraction
from typing import overload

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.data.given import DataLike
from fastminima.exact.dyadic import round_down, round_fraction, sqrt_above, sqrt_floor
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.smooth.polish import SmoothPolish, polish_smooth
from fastminima.landscape.smooth.problem import as_weight_decay
from fastminima.landscape.verdict import PolishStatus
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import NetworkLike, exact_and_data
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.options import as_flag

from .near_risk import risk_near
from .steps import Step
from .walk import Walk

__all__ = ["Polish", "PolishStatus", "Step", "polish"]


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

    Examples
    --------
    >>> import fastminima as fm
    >>> fit = fm.fit_network(fm.load_demo("xor"), width=2, n_starts=4, random_state=0)
    >>> p = fm.polish(fit)
    >>> bool(p), p.decision.exact_risk
    (True, Fraction(0, 1))
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
    network: NetworkLike, data: DataLike | None = None, *, leave_off_units: bool = False
) -> Polish: ...


@overload
def polish(
    network: NetworkLike,
    data: DataLike | None = None,
    *,
    leave_off_units: bool = False,
    weight_decay: float,
) -> Polish | SmoothPolish: ...


def polish(
    network: NetworkLike,
    data: DataLike | None = None,
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
    walker = Walk(RationalNetwork.of(found), dataset)
    try:
        status, reason = walker.run(leave)
    except KeyboardInterrupt:
        status, reason = PolishStatus.INTERRUPTED, "stopped; the best point so far"
    return _result(walker, status, reason)


def _result(walker: Walk, status: PolishStatus, reason: str) -> Polish:
    decision = walker.decision
    if decision is None or status is PolishStatus.INTERRUPTED:
        decision = walker.stopped()
    exact = decision.network
    rounded = exact.rounded()
    near = RationalNetwork.of(rounded)
    square = near.distance_squared(exact)
    distance = sqrt_above(square)
    # a point that float64 holds has no excess, and no exact sum is needed to say so
    excess = 0.0
    if square:
        sums = walker.sums if decision is walker.decision else None
        excess = round_fraction(risk_near(near, walker.data, sums) - decision.exact_risk)
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
