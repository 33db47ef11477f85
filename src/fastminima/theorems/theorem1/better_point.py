"""Theorem 1, step 2: a network of the same width that is strictly better than the spurious minimum.

Yun, Sra and Jadbabaie (2019), section 2 and appendix A2. Candidates come from closed forms in floating point; each
is rounded to float64 arrays and handed out only when its exact risk is proved below the exact least-squares risk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from fastminima.data.dataset import Dataset
from fastminima.errors import NetworkError, OptionError, TooLargeError
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.risk import exact_network_risk
from fastminima.exact.stream import PassNetwork
from fastminima.fit.least_squares import EXACT_WORK
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.memory import require_memory
from fastminima.system.options import as_count, as_generator, check_width, one_of, spelled

from .candidate import REACHES, Candidate, PushedSplit, TiedSplit
from .case1 import pushed_candidates
from .case2 import tilted_candidates
from .certify_drop import certify_drop
from .deep_better_point import DeepBetterPoint, deep_better_point
from .deep_minimum import DeepMinimum
from .drop import Drop
from .exact_kinks import exact_kink_candidates
from .kink_candidates import kink_candidates
from .minimum import SpuriousMinimum
from .reduced_kinks import reduced_kink_candidates
from .searched_candidates import searched_candidates
from .status import BetterStatus

__all__ = ["BetterPoint", "better_point"]

BetterMethod = Literal["paper", "kink", "best"]
Reach = Literal["limit", "paper"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BetterPoint(NextSteps):
    """Outcome of `better_point`; falsy unless `status` is "better".

    Attributes
    ----------
    status : BetterStatus
    reason : str
    network : OneHiddenLayer or None
        None unless better.
    drop : float
        Decrease of the risk by the closed form of the construction; at most the least-squares risk. Of a search, which has
        none, `drop_certified`.
    drop_certified : float
        Proved lower bound on (exact least-squares risk) - (exact risk of `network`), > 0 when better, but 0.0 for
        a drop below float64's range.
    certificate : "float" or "exact" or None
        How the bound was proved: float64 with error bounds, or rational arithmetic.
    case : 1, 2 or None
        Which case of theorem 1 the data are in; None where no better point exists.
    method : "paper", "kink" or "search"
        The construction of `network`; one that was not asked for where that did not survive rounding (see `reason`).
    split : PushedSplit, TiedSplit or None
    low : SpuriousMinimum
    tried : int
        Candidates that were looked at.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> better = fm.better_point(low)
    >>> bool(better), better.risk < low.risk, better.drop_certified > 0
    (True, True, True)
    """

    status: BetterStatus
    reason: str
    low: SpuriousMinimum
    case: int | None
    method: str
    network: OneHiddenLayer | None = None
    drop: float = 0.0
    drop_certified: float = 0.0
    certificate: str | None = None
    split: PushedSplit | TiedSplit | None = None
    tried: int = 0
    # what `risk` has found, for results that outlive their rows
    known_risk: float | None = field(default=None, repr=False, compare=False)

    @property
    def risk(self) -> float:
        """Of the network, rounded from the exact one where that is cheap, else l_LS - drop; of the minimum without one.

        Computed at first use.
        """
        if self.known_risk is None:
            object.__setattr__(self, "known_risk", self._risk())
        assert self.known_risk is not None
        return self.known_risk

    def _risk(self) -> float:
        fit, network = self.low.fit, self.network
        if network is None:
            return self.low.risk
        if fit.data.n_samples * (fit.data.n_features + 2) ** 2 <= EXACT_WORK:
            return round_fraction(exact_network_risk(PassNetwork.of(network), fit.data, fit.exact.gram))
        return max(fit.risk - self.drop, 0.0) if math.isfinite(self.drop) else math.nan

    @property
    def data(self) -> Dataset:
        """The dataset the point belongs to."""
        return self.low.data

    @property
    def relative_drop(self) -> float:
        """drop / least-squares risk; at risks beyond float64 the quotient is nan."""
        base = self.low.fit.risk
        return self.drop / base if base > 0.0 and math.isfinite(base) else math.nan

    def __bool__(self) -> bool:
        return self.status is BetterStatus.BETTER

    def __repr__(self) -> str:
        if not self:
            return f"BetterPoint(status={str(self.status)!r}, reason={self.reason!r})"
        return (
            f"BetterPoint(status='better', case={self.case}, method={self.method!r}, risk={self.risk:.10g}, "
            f"drop={self.drop:.6g})"
        )

    def __str__(self) -> str:
        if not self:
            return f"no better point: {self.status}\n  {self.reason}"
        lines = [
            f"strictly better point, case {self.case}, method {self.method}",
            f"  risk            {self.risk:.10g}",
            f"  drop            {self.drop:.6g}   ({self.relative_drop:.4g} of the least-squares risk)",
            f"  proved drop  >= {self.drop_certified:.6g}   ({self.certificate} certificate)",
        ]
        return "\n".join(lines)


@overload
def better_point(
    low: SpuriousMinimum,
    method: BetterMethod = "paper",
    *,
    reach: Reach = "limit",
    n_kinks: int = 1,
    directions: ArrayLike | None = None,
    n_directions: int = 64,
    random_state: int | np.random.Generator | None = 0,
) -> BetterPoint: ...
@overload
def better_point(
    low: DeepMinimum, *, random_state: int | np.random.Generator | None = 0
) -> DeepBetterPoint: ...
def better_point(
    low: SpuriousMinimum | DeepMinimum,
    method: BetterMethod = "paper",
    *,
    reach: Reach = "limit",
    n_kinks: int = 1,
    directions: ArrayLike | None = None,
    n_directions: int = 64,
    random_state: int | np.random.Generator | None = 0,
) -> BetterPoint | DeepBetterPoint:
    """A network of the same width with strictly lower risk than the spurious minimum, proved.

    Parameters
    ----------
    low : SpuriousMinimum or DeepMinimum
        From `spurious_minimum`; a SpuriousMinimum of width >= 2. A DeepMinimum takes no notice of the options but
        `random_state`.
    method : {"paper", "kink", "best"}
        "paper": the construction of theorem 1, step 2 (case 1 where J is not empty, else case 2). "kink": the best single
        kink along many directions, all linear coefficients refitted; its drop is usually far larger. Where columns are
        collinear up to rounding it is tried without them, too. "best": the largest certified drop of these two and of a
        search over all networks of the width, whose length is counted and not timed: seconds, as a rule.
    reach : {"limit", "paper"}
        How far the paper's push may go: as far as its closed form holds (|gamma| <= gap/2 in case 1,
        |rho| <= v'(x_j1 - x_j2)/2 in case 2), or half of that, the bound in the paper's proof.
    n_kinks : int
        For kinks: hidden units beyond the first to use, added greedily, at most width - 1.
    directions : (k, n_features) array_like, optional
        For kinks: the directions to try.
    n_directions : int
        For kinks: random directions beside the coordinates, the fit and pairs of coordinates.
    random_state : int, Generator or None
        For kinks and the search.

    Returns
    -------
    BetterPoint or DeepBetterPoint
        Where float64 rounding of the construction is not better than the exact least-squares risk, smaller pushes
        and then a kink are tried, and after kinks the paper's push; status "undecided" says that none could be proved
        better.

    Raises
    ------
    NetworkError
        If the width is below 2.
    OptionError
        If `method` or `reach` are unknown, `n_kinks` does not fit the width, or `n_directions` is no integer >= 0.
    DataError
        If `directions` have the wrong shape or no row, or are not finite real numbers.

    Notes
    -----
    Yun, Sra and Jadbabaie (2019), theorem 1, step 2 and appendix A2. With u = kappa gamma the drop of case 1 is
    2 u S_j - m u^2/2; of case 2, 2 kappa rho r_j1 alpha - alpha^2/2 sum_i (v'x_i - sigma_i kappa rho)^2.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> for method in ("paper", "kink"):
    ...     better = fm.better_point(low, method=method)
    ...     print(method, better.status, round(better.drop, 4))
    ...
    paper better 0.0179
    kink better 0.5
    """
    if isinstance(low, DeepMinimum):
        return deep_better_point(low, as_generator(random_state))
    if not isinstance(low, SpuriousMinimum):
        raise NetworkError(
            f"low must be a SpuriousMinimum or DeepMinimum (from spurious_minimum), got {type(low).__name__}"
        )
    check_width(low.network.width, 2)
    if not one_of(method, ("paper", "kink", "best")):
        raise OptionError(f'method must be "paper", "kink" or "best", got {spelled(method)}')
    if not one_of(reach, tuple(REACHES)):
        raise OptionError(f'reach must be "limit" or "paper", got {spelled(reach)}')
    most = low.network.width - 1
    n_kinks = as_count(n_kinks, "n_kinks", 1, most, wanted=f"an integer between 1 and width - 1 = {most}")
    n_directions = as_count(n_directions, "n_directions", wanted="an integer >= 0")
    require_memory(16 * n_directions * low.data.n_features, f"a set of {spelled(n_directions)} directions")
    evidence = low.evidence
    if evidence.obstacle is not None:
        return BetterPoint(
            status=evidence.obstacle,
            reason=evidence.reason,
            low=low,
            case=None,
            method=method,
        )
    draws = as_generator(random_state)
    search = (low, n_kinks, directions, n_directions, draws)
    paper = pushed_candidates(low, reach) if evidence.case == 1 else tilted_candidates(low, reach)
    kink = chain(exact_kink_candidates(*search), kink_candidates(*search))
    reduced = reduced_kink_candidates(*search)
    rounds: list[list[Iterator[Candidate]]]
    if method == "paper":
        rounds = [[paper], [chain(kink, reduced)]]
    elif method == "kink":
        rounds = [[kink, reduced], [paper]]
    else:
        rounds = [[paper, kink, reduced, searched_candidates(low, draws)]]
    return _best_certified(low, evidence.case, method, rounds)


@dataclass(frozen=True)
class _Certified:
    """A candidate that is proved better."""

    candidate: Candidate
    network: OneHiddenLayer
    drop: Drop


def _best_certified(
    low: SpuriousMinimum, case: int | None, method: str, rounds: list[list[Iterator[Candidate]]]
) -> BetterPoint:
    """The largest certified drop of the first candidates that are proved, of the first round that has any."""
    tried, closed = 0, ""
    for position, sources in enumerate(rounds):
        proved: list[_Certified] = []
        before = tried
        for source in sources:
            try:
                for candidate in source:
                    tried += 1
                    if candidate.network is None:
                        continue
                    drop = certify_drop(candidate.network, low.fit, split=candidate.found)
                    if drop.better:
                        proved.append(_Certified(candidate, candidate.network, drop))
                        break
            except TooLargeError as error:
                closed = closed or str(error)
        if proved:
            # of equal drops the first: max keeps it
            best = max(proved, key=lambda one: one.drop.lower)
            fell_back = method if position else ""
            lost = len(sources) == 1 and tried - before > 1
            return _certified_result(low, case, best, fell_back=fell_back, tried=tried, lost=lost)
    if closed:
        reason = (
            f"a strictly better network exists (case {case}), but float64 cannot prove the one at hand better, and the "
            f"exact way is closed: {closed}"
        )
    else:
        reason = (
            f"a strictly better network exists (case {case}), but none of {tried} float64 candidates has an exact risk "
            "below the exact least-squares risk: the improvement is below the resolution of float64 parameters"
        )
    return BetterPoint(
        status=BetterStatus.UNDECIDED,
        reason=reason,
        low=low,
        case=case,
        method=method,
        tried=tried,
    )


_FELL_BACK = {
    "paper": "the paper's construction does not survive float64 rounding on these data; a kink does: ",
    "kink": "no kink survives float64 rounding on these data; the paper's construction does: ",
}


def _certified_result(
    low: SpuriousMinimum, case: int | None, best: _Certified, *, fell_back: str, tried: int, lost: bool
) -> BetterPoint:
    candidate, proved = best.candidate, best.drop
    reason = f"exact risk proved below the exact least-squares risk ({proved.method} certificate)"
    if fell_back:
        reason = _FELL_BACK[fell_back] + reason
    elif lost:
        reason += f"; found as candidate {tried}, earlier ones were lost to rounding"
    # where rounding moved the network, the closed form is the claim and the enclosure the truth: never claim more
    # and no risk falls below 0: the drop is at most the least-squares risk, whose float64 view ends the rounding here
    drop = min(max(candidate.drop, proved.lower), proved.upper, low.fit.risk)
    return BetterPoint(
        status=BetterStatus.BETTER,
        reason=reason,
        low=low,
        case=case,
        method=candidate.method,
        network=best.network.with_names(low.data.feature_names),
        drop=drop,
        drop_certified=min(proved.lower, drop),
        certificate=proved.method,
        split=candidate.split,
        tried=tried,
    )
