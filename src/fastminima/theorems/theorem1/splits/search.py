"""The set J of theorem 1 (step 2, case 1) and the split in it with the largest drop of the risk.

With the fitted values sorted and S_p the sum of (weight times) residual over the sorted positions 0..p,

    J = { p < m - 1 : S_p != 0 and fitted[p] < fitted[p + 1] }

and a push u at position p lowers the risk by 2 u S_p - M u^2 / 2, where M is m or the sum of the weights.
Partial sums are carried in double-double with a proved bound; what the bound leaves open is decided by exact
fixed-point sums, so J is exactly the set of the float64 numbers given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.tensors import plain_array
from fastminima.errors import ActivationError, DataError, DataTypeError, OptionError
from fastminima.system.options import as_real, one_of, spelled

from .sorted_sums import SortedSums, Sweep, require_finite

__all__ = ["Split", "SplitRule", "SplitSearch", "best_split", "search_splits", "split_set"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SplitRule:
    """How far a push may go, and how far the numbers of a search are from those that are meant.

    Attributes
    ----------
    kappa, reach : float
        A push is bounded by |kappa| reach gap.
    eps_gap : float
        Each fitted value is within eps_gap / 2 of the exact one.
    eps_sum_base, eps_sum_rate : float
        For each position p the exact sum of the residuals (times the weights) over 0..p is within
        eps_sum_base + eps_sum_rate (p + 1) of the sum meant.

    Raises
    ------
    ValueError
        If an error bound is negative or not finite.
    """

    kappa: float = 1.0
    reach: float = 0.5
    eps_gap: float = 0.0
    eps_sum_base: float = 0.0
    eps_sum_rate: float = 0.0

    def __post_init__(self) -> None:
        if not all(0.0 <= e < math.inf for e in self.errors):
            raise ValueError(f"error bounds must be finite and not negative, got {self.errors}")

    @property
    def errors(self) -> tuple[float, float, float]:
        """(eps_gap, eps_sum_base, eps_sum_rate) as floats."""
        return float(self.eps_gap), float(self.eps_sum_base), float(self.eps_sum_rate)


PLAIN_RULE = SplitRule()


@dataclass(frozen=True, kw_only=True)
class SplitSearch:
    """Outcome of `search_splits`, in the units of the input.

    Attributes
    ----------
    position : int or None
        Certified position with the largest drop (the smallest such position), None if nothing was certified.
    S, gap, lower, upper, drop : float
        Partial sum there, the gap and the two fitted values beside it, and the drop of the risk.
    n_certified, n_undecided : int
        Positions proved to lie in J; positions neither proved in nor proved out.
    undecided : ndarray of int64
        The undecided positions, increasing; empty when they were not asked for.
    status : ndarray of uint8, shape (m,), or None
        1 certified in J, 2 undecided, 0 certified out; None unless asked for.
    """

    position: int | None
    S: float
    gap: float
    lower: float
    upper: float
    drop: float
    n_certified: int
    n_undecided: int
    undecided: Ints = field(default_factory=lambda: np.empty(0, np.int64), repr=False)
    status: NDArray[np.uint8] | None = field(default=None, repr=False)

    @property
    def certified(self) -> Ints:
        """The certified positions; needs `status=True`."""
        if self.status is None:
            raise ValueError("the certified positions were not kept; call search_splits(..., status=True)")
        return np.flatnonzero(self.status == 1)


@dataclass(frozen=True, kw_only=True)
class Split:
    """The best split of theorem 1, step 2, case 1; falsy when J is empty.

    When J is empty, `position` is None, `S`, `gap`, `gamma`, `u` and `drop` are 0.0 and `lower`, `upper` and
    `beta` are NaN.

    Attributes
    ----------
    position : int or None
        0-based position p in sorted order; the paper's j is p + 1.
    S : float
        Sum of (weight times) residual over the sorted positions 0..p, exactly rounded to a few units.
    gap, lower, upper : float
        upper - lower, and the fitted values at p and p + 1.
    beta : float
        Midpoint of lower and upper.
    gamma : float
        Shift of the two hidden units, |gamma| <= reach * gap.
    u : float
        Push kappa * gamma: outputs move by -u on the lower and by +u on the upper side.
    drop : float
        Decrease of the risk, 2 u S - M u^2 / 2; a float view, which may underflow to 0 or overflow to inf.
    n_splits : int
        Number of elements of J, exact.
    n_undecided : int
        Positions the rounding bound left open; all were then decided exactly.
    """

    position: int | None
    S: float
    gap: float
    lower: float
    upper: float
    beta: float
    gamma: float
    u: float
    drop: float
    n_splits: int
    n_undecided: int

    def __bool__(self) -> bool:
        return self.position is not None

    def __str__(self) -> str:
        if self.position is None:
            return "Split: J is empty, no split lowers the risk"
        return (
            f"Split at sorted position {self.position}: drop {self.drop:.6g} of the risk\n"
            f"  between fitted {self.lower:.6g} and {self.upper:.6g} (gap {self.gap:.3g}), S = {self.S:.6g}\n"
            f"  beta = {self.beta:.6g}, gamma = {self.gamma:.6g}, u = {self.u:.6g}\n"
            f"  |J| = {self.n_splits}"
            + (f", {self.n_undecided} positions decided exactly" if self.n_undecided else "")
        )


def split_set(
    fitted: ArrayLike, residual: ArrayLike, sample_weight: ArrayLike | None = None, *, workers: int = 1
) -> Ints:
    """The set J of theorem 1 (step 2, case 1), exactly.

    Parameters
    ----------
    fitted, residual : array_like, shape (m,)
        Fitted values and residuals fitted - y, finite.
    sample_weight : array_like, shape (m,), optional
        Positive finite weights; partial sums are then those of weight times residual.
    workers : int
        Threads; -1 for all usable cores. The result does not depend on it.

    Returns
    -------
    ndarray of int64
        Increasing 0-based positions p in the order of sorted fitted values with S_p != 0 and
        fitted[p] < fitted[p + 1], decided for the float64 numbers given. The paper's j is p + 1.

    Raises
    ------
    DataError
        If lengths differ, a value is NaN or infinite (the first index is named), or a weight is not positive.
    DataTypeError
        If the values are not real numbers.

    Examples
    --------
    >>> import fastminima as fm
    >>> fm.split_set([0.0, 1.0, 2.0, 3.0], [1.0, -1.0, -1.0, 1.0]).tolist()  # sums 1, 0, -1, 0
    [0, 2]
    """
    columns = _inputs(fitted, residual, sample_weight)
    status = np.zeros(columns[0].size, np.uint8)
    state, _found, undecided = _decide(columns, PLAIN_RULE, workers, status)
    if undecided.size:
        status[undecided] = state.exact_sums(undecided)[0] != 0
    # 16 bytes a sample go before the 8 of the result come
    state.release()
    del state
    return np.flatnonzero(status)


def best_split(
    fitted: ArrayLike,
    residual: ArrayLike,
    kappa: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    reach: Literal["limit", "paper"] = "limit",
    workers: int = 1,
) -> Split:
    """The split in J with the largest drop of the risk.

    Parameters
    ----------
    fitted, residual : array_like, shape (m,)
        Fitted values and residuals fitted - y, finite.
    kappa : float
        Strength of the kink, (s_plus - s_minus)/(s_plus + s_minus), not 0, at most 1 in magnitude.
    sample_weight : array_like, shape (m,), optional
        Positive finite weights.
    reach : {"limit", "paper"}
        Bound on |gamma|: half the gap, the widest for which the drop formula holds, or the paper's quarter.
    workers : int
        Threads; -1 for all usable cores. The result does not depend on it.

    Returns
    -------
    Split
        Falsy, with position None and drop 0.0, when J is empty. Drops are compared in float64 (ties: smallest
        position); whether a position lies in J is exact.

    Raises
    ------
    DataError
        If lengths differ, a value is NaN or infinite (the first index is named), or a weight is not positive.
    DataTypeError
        If the values are not real numbers.
    ActivationError
        If `kappa` is not usable.

    Notes
    -----
    Yun, Sra and Jadbabaie (2019), proof of theorem 1, step 2, case 1. The best push at position p is
    u = clip(2 S_p / M, -|kappa| reach gap, +|kappa| reach gap) and gamma = u / kappa.

    Examples
    --------
    >>> import fastminima as fm
    >>> split = fm.best_split([0.0, 1.0, 2.0, 3.0], [1.0, -1.0, -1.0, 1.0])
    >>> split.position, split.S, split.n_splits
    (0, 1.0, 2)
    """
    given, kappa = kappa, as_real(kappa)
    if not 0.0 < abs(kappa) <= 1.0:
        raise ActivationError(f"kappa must be nonzero and at most 1 in magnitude, got {spelled(given)}")
    if not one_of(reach, ("limit", "paper")):
        raise OptionError(
            f'reach must be "limit" (half the gap) or "paper" (a quarter), got {spelled(reach)}'
        )
    part = 0.5 if reach == "limit" else 0.25
    columns = _inputs(fitted, residual, sample_weight)
    rule = SplitRule(kappa, part)
    state, found, undecided = _decide(columns, rule, workers)
    position, total, drop, n_splits = _with_undecided(state, found, undecided, rule)
    if position < 0:
        state.release()
        return _no_split(int(undecided.size))
    plain = _ldexp(total, -state.shift)
    if state.lost > 0.0:
        total, plain = state.exact_sum(position)
    u, drop = state.push(position, total, kappa, part)
    lower, upper = state.beside(position)
    u = _ldexp(u, -state.value_shift)
    wall = state.limit(position, part)
    state.release()
    return Split(
        position=position,
        S=plain,
        gap=upper - lower,
        lower=lower,
        upper=upper,
        beta=lower / 2 + upper / 2,
        gamma=min(max(u / kappa, -wall), wall),
        u=u,
        drop=_ldexp(drop, -state.shift - state.value_shift),
        n_splits=n_splits,
        n_undecided=int(undecided.size),
    )


def _with_undecided(
    state: SortedSums, found: Sweep, undecided: Ints, rule: SplitRule
) -> tuple[int, float, float, int]:
    """Position, sum and drop of the best split and the size of J, once the undecided positions are decided exactly."""
    position, total, drop, n_splits = found.position, found.sum, found.drop, found.n_certified
    if undecided.size:
        signs, sums = state.exact_sums(undecided)
        inside = np.flatnonzero(signs)
        n_splits += inside.size
        for p, s in zip(undecided[inside].tolist(), sums[inside].tolist(), strict=True):
            d = state.push(p, s, rule.kappa, rule.reach)[1]
            if d > drop or (d == drop and p < position):
                position, total, drop = p, s, d
    return position, total, drop, n_splits


def _no_split(n_undecided: int) -> Split:
    """What `best_split` says where J is empty."""
    return Split(
        position=None,
        S=0.0,
        gap=0.0,
        lower=math.nan,
        upper=math.nan,
        beta=math.nan,
        gamma=0.0,
        u=0.0,
        drop=0.0,
        n_splits=0,
        n_undecided=n_undecided,
    )


def search_splits(
    fitted: Floats,
    residual: Floats,
    weights: Floats | None = None,
    rule: SplitRule = PLAIN_RULE,
    workers: int = 1,
    *,
    status: bool = False,
    positions: bool = True,
) -> SplitSearch:
    """The best certified split when the inputs are approximations with known error.

    Parameters
    ----------
    fitted, residual : ndarray of float64, shape (m,)
        Approximations of exact values, as far off as `rule` says.
    weights : ndarray of float64, shape (m,), optional
        Positive weights.
    rule : SplitRule
    workers : int
        Threads; the result does not depend on it.
    status : bool
        Keep the verdict on each position (one byte a sample).
    positions : bool
        List the undecided positions; this takes a second sweep when there are any.

    Returns
    -------
    SplitSearch
        A position is certified in J when gap > eps_gap and |S_p| exceeds the bound given plus the rounding of
        its own summation; certified out when S_p is certainly 0 at a certain gap, or when eps_gap = 0 and the
        two fitted values are equal; undecided otherwise.
    """
    columns = _inputs(fitted, residual, weights)
    marks = np.zeros(columns[0].size, np.uint8) if status else None
    state, found, undecided = _decide(columns, rule, workers, marks, positions=positions)
    p = found.position
    lower, upper = state.beside(p) if p >= 0 else (math.nan, math.nan)
    state.release()
    return SplitSearch(
        position=p if p >= 0 else None,
        S=_ldexp(found.sum, -state.shift),
        gap=upper - lower if p >= 0 else 0.0,
        lower=lower,
        upper=upper,
        drop=_ldexp(max(found.drop, 0.0), -state.shift - state.value_shift),
        n_certified=found.n_certified,
        n_undecided=found.n_undecided,
        undecided=undecided,
        status=marks,
    )


def _decide(
    columns: tuple[Floats, Floats, Floats | None],
    rule: SplitRule,
    workers: int,
    status: NDArray[np.uint8] | None = None,
    *,
    positions: bool = True,
) -> tuple[SortedSums, Sweep, Ints]:
    """Sort, sweep and list the undecided positions; these are looked up only when there are any."""
    state = SortedSums(*columns, workers=workers)
    found = state.sweep(rule.kappa, rule.reach, rule.errors, status)
    if not (found.n_undecided and positions):
        return state, found, np.empty(0, np.int64)
    if status is None:
        status = np.zeros(state.size, np.uint8)
        state.sweep(rule.kappa, rule.reach, rule.errors, status)
    undecided = np.flatnonzero(status == 2)
    return state, found, undecided


def _inputs(
    fitted: ArrayLike, residual: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats | None]:
    f, r = _column(fitted, "fitted"), _column(residual, "residual")
    w = None if weights is None else _column(weights, "sample_weight")
    for name, column in (("residual", r), ("sample_weight", w)):
        if column is not None and column.size != f.size:
            raise DataError(
                f"{name} must have one value for each of the {f.size} fitted values, got {column.size}"
            )
    if w is not None:
        # fitted and residual are looked at by the kernels on their way
        require_finite(r, "residual")
        require_finite(w, "sample_weight")
        if w.size and not w.min() > 0.0:
            i = int(np.flatnonzero(~(w > 0.0))[0])
            raise DataError(
                f"sample_weight must be positive, got {w[i]} at index {i}; drop samples of weight zero first"
            )
    return f, r, w


def _ldexp(x: float, n: int) -> float:
    """x 2^n, inf where it overflows."""
    try:
        return math.ldexp(x, n)
    except OverflowError:
        return math.copysign(math.inf, x)


def _column(values: ArrayLike, name: str) -> Floats:
    try:
        array = plain_array(values)
    except (TypeError, ValueError, RuntimeError, OverflowError, MemoryError) as error:
        raise DataTypeError(f"{name} cannot be read as an array of numbers: {error}") from error
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataTypeError(f"{name} has masked entries; drop those samples first")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise DataTypeError(f"{name} must hold real numbers that float64 can carry, got dtype {array.dtype}")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{name} must be one-dimensional, got shape {array.shape}")
    result = np.require(array, np.float64, ["C_CONTIGUOUS", "ALIGNED"])
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size:
        # 2^53 + 1 would silently become another number
        changed = np.flatnonzero(np.abs(result) >= 2.0**53)
        for i in changed.tolist():
            if int(result[i]) != int(array[i]):
                raise DataError(
                    f"{name}[{i}] = {array[i]} has no float64; give integers below 2**53 in magnitude"
                )
    return result
