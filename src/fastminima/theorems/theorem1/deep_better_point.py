"""A strictly better network of the same widths than a deep minimum, proved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.exact.dyadic import round_fraction
from fastminima.networks.deep_network import DeepNetwork
from fastminima.system.results import Result
from fastminima.system.threads import single_threaded_blas

from .deep_minimum import DeepMinimum
from .deep_search import first_better
from .status import BetterStatus, MinimumStatus

__all__ = ["DeepBetterPoint", "deep_better_point"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DeepBetterPoint(Result):
    """Outcome of `better_point` for a `DeepMinimum`; falsy unless `status` is "better".

    Attributes
    ----------
    status : BetterStatus
    reason : str
    low : DeepMinimum
    network : DeepNetwork or None
        None unless better; of the widths of `low`.
    drop : float
        The least loss of an affine map minus the plain float64 loss of `network`, but at least `drop_certified`.
    drop_certified : float
        Proved lower bound on the least loss of an affine map minus the exact loss of `network`.
    certificate : "float", "exact", "balls" or None
        How the bound was proved.
    tried : int
        Candidates that were looked at.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("diabetes"), activation="relu", width=(4, 4))
    >>> better = fm.better_point(low)
    >>> bool(better), better.network, better.drop_certified > 1000
    (True, DeepNetwork(10-4-4-1, ReLU), True)
    """

    status: BetterStatus
    reason: str
    low: DeepMinimum
    network: DeepNetwork | None = None
    drop: float = 0.0
    drop_certified: float = 0.0
    certificate: str | None = None
    tried: int = 0

    @property
    def data(self) -> Dataset:
        """The dataset the point belongs to."""
        return self.low.data

    @property
    def loss(self) -> float:
        """Of the network, in plain float64; of the minimum without one."""
        return self.low.loss if self.network is None else self.network.loss(self.data, self.low.objective)

    def __bool__(self) -> bool:
        return self.status is BetterStatus.BETTER

    def __repr__(self) -> str:
        if not self:
            return f"DeepBetterPoint(status={str(self.status)!r}, reason={self.reason!r})"
        return (
            f"DeepBetterPoint(status='better', loss={self.loss:.10g}, drop={self.drop:.6g}, {self.network})"
        )

    def __str__(self) -> str:
        if not self:
            return f"no better point: {self.status}\n  {self.reason}"
        return (
            f"strictly better point, {self.network}\n  loss            {self.loss:.10g}\n"
            f"  proved drop  >= {self.drop_certified:.6g}   ({self.certificate} certificate)"
        )


def deep_better_point(low: DeepMinimum, rng: np.random.Generator) -> DeepBetterPoint:
    """See `better_point`, which hands on to it."""
    known = low.reason.partition(":")[0]
    if low.status is MinimumStatus.GLOBAL:
        return DeepBetterPoint(status=BetterStatus(known), reason=low.reason, low=low)
    segment = low.segment
    if low.network is None or segment is None:
        return DeepBetterPoint(
            status=BetterStatus.UNDECIDED,
            reason=f"there is no minimum to compare with: {low.reason}",
            low=low,
        )
    with single_threaded_blas():
        found = first_better(low.fits, segment, low.activation, low.widths, rng)
    tried, proved = found.tried, found.drop
    if found.layers is None or proved is None:
        reason = f"none of {tried} float64 candidates was proved better" + (
            f" ({found.closed})" if found.closed else ""
        )
        return DeepBetterPoint(
            status=BetterStatus.UNDECIDED, reason=f"{reason}; {low.reason}", low=low, tried=tried
        )
    network = DeepNetwork(found.layers, low.activation, low.data.feature_names)
    plain = round_fraction(low.fits.loss) - network.loss(low.data, low.objective)
    return DeepBetterPoint(
        status=BetterStatus.BETTER,
        reason=f"exact loss proved below that of the best affine map ({proved.method} certificate)",
        low=low,
        network=network,
        drop=max(plain, proved.lower),
        drop_certified=proved.lower,
        certificate=proved.method,
        tried=tried,
    )
