"""`classify_linear` and `escape`: theorem 4 and corollary 5 as a report, exact by default, within a tolerance on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import LossError, OptionError, TooLargeError
from fastminima.exact.matrix import Rationals
from fastminima.losses.base import Change, ProductLoss
from fastminima.losses.custom import Loss
from fastminima.losses.gradient_check import check_gradient
from fastminima.losses.squared import SquaredLoss
from fastminima.networks.linear_layers import as_chain
from fastminima.networks.next_steps import Drawn
from fastminima.system.first_use import cached_property
from fastminima.system.options import as_flag, as_real, spelled
from fastminima.system.results import Result

from .decide_exactly import ExactFindings, decide_exactly
from .decide_within_tolerance import ToleranceFindings, within_tolerance
from .escape_exact import escape_order, exact_pair
from .escape_float import EscapePair, escape_by_product, escape_by_rotation, escape_by_singular_vectors
from .product_change import product
from .singular_values import Margin
from .squared_loss import SquaredFindings, analyse_squared

__all__ = ["LinearEscape", "LinearReport", "LinearVerdict", "classify_linear", "escape"]

Floats = NDArray[np.float64]
# integer multiplications of an exact decision up to which it is made without being asked for: about ten seconds
_EXACT_WORK = 5_000_000


class LinearVerdict(StrEnum):
    """What weights of a deep linear network are; `meaning` says it in words.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> X, Y = np.eye(2), np.eye(2)
    >>> loss = fm.SquaredLoss(X, Y)
    >>> weights = [np.zeros((2, 2)), np.zeros((2, 2))]
    >>> fm.classify_linear(weights, loss).verdict is fm.LinearVerdict.SADDLE
    True
    >>> fm.LinearVerdict.SADDLE.meaning
    'neither a minimum nor a maximum: every ball around these weights holds higher and lower points'
    """

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> LinearVerdict:
        verdict = str.__new__(cls, value)
        verdict._value_ = value
        verdict.meaning = meaning
        return verdict

    NOT_CRITICAL = "not_critical", "the gradient is not 0: follow it"
    SADDLE = (
        "saddle",
        "neither a minimum nor a maximum: every ball around these weights holds higher and lower points",
    )
    LOCAL_MINIMUM = "local_minimum", "no nearby weights have a lower loss"
    LOCAL_MAXIMUM = "local_maximum", "no nearby weights have a higher loss"
    GLOBAL_MINIMUM = "global_minimum", "no weights of this architecture have a lower loss"
    GLOBAL_MAXIMUM = "global_maximum", "no weights of this architecture have a higher loss"
    UNDETERMINED = "undetermined", "not decided; the reason says what is missing"
    WIDTH_CONDITION_FAILS = (
        "width_condition_fails",
        "a hidden layer is narrower than inputs and outputs: theorem 4 does not speak",
    )


@dataclass(frozen=True, eq=False, repr=False)
class LinearEscape(Result):
    """A higher and a lower tuple in a ball around a saddle.

    Attributes
    ----------
    P, Q : list of float64 arrays
        ell(P) > ell(W) > ell(Q) where `confirmed`.
    up, down : Change
        ell(P) - ell(W) and ell(W) - ell(Q), with bounds.
    radius : float
        Every layer moves by at most this, Frobenius norm.
    confirmed : bool
        Are both differences, of the float64 tuples, proved positive?
    exact_P, exact_Q : list of rational matrices, or None
        The tuples before they were rounded to float64; both signs hold for them exactly.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> X, Y = np.eye(2), np.eye(2)
    >>> loss = fm.SquaredLoss(X, Y)
    >>> weights = [np.zeros((2, 2)), np.zeros((2, 2))]
    >>> pair = fm.escape(weights, loss, radius=0.1)
    >>> pair.confirmed, pair.radius
    (True, 0.1)
    >>> len(pair.P), pair.Q[0].shape
    (2, (2, 2))
    """

    P: list[Floats]
    Q: list[Floats]
    up: Change
    down: Change
    radius: float
    confirmed: bool
    exact_P: list[Rationals] | None = None
    exact_Q: list[Rationals] | None = None

    def __repr__(self) -> str:
        state = "confirmed" if self.confirmed else "not confirmed"
        return f"LinearEscape(within {self.radius:g}: up {self.up}, down {self.down}, {state})"


@dataclass(frozen=True, eq=False)
class _Exact:
    """What an exact report works out when it is first asked for."""

    weights: list[Floats]
    loss: ProductLoss
    found: ExactFindings
    radius: float

    def pair(self) -> LinearEscape | None:
        if self.found.case is None:
            return _pair_beyond_part_1(self.weights, self.loss, self.found, self.radius)
        pair = exact_pair(self.weights, self.loss, self.found, self.radius)
        return LinearEscape(
            P=pair.P,
            Q=pair.Q,
            up=pair.up,
            down=pair.down,
            radius=self.radius,
            confirmed=pair.float_confirmed,
            exact_P=pair.exact_P,
            exact_Q=pair.exact_Q,
        )

    def learnt(self) -> SquaredFindings | None:
        if self.found.verdict == "not_critical" or not isinstance(self.loss, SquaredLoss):
            return None
        return analyse_squared(self.weights, self.loss)

    def order(self) -> int | None:
        return None if self.found.case is None else escape_order(self.weights, self.found)


@dataclass(frozen=True, eq=False)
class _WithinTolerance:
    """What a report within a tolerance works out when it is first asked for."""

    weights: list[Floats]
    loss: ProductLoss
    found: ToleranceFindings
    radius: float

    def pair(self) -> LinearEscape | None:
        if self.found.verdict != "saddle" or self.found.case is None:
            return _pair_beyond_part_1(self.weights, self.loss, self.found, self.radius)
        return _as_escape(escape_by_singular_vectors(self.weights, self.loss, self.found, self.radius))

    def learnt(self) -> None:
        return None

    def order(self) -> None:
        return None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LinearReport(Result, Drawn):
    """What `classify_linear` found.

    Attributes
    ----------
    verdict : LinearVerdict
    part : str
        The part of theorem 4 or corollary 5 that decides.
    reason : str
    certified : bool
        Decided in exact arithmetic? Never with `tol`. Where the loss is a user's, on the user's word about it.
    tol : float or None
    gradient_norms : tuple of float
        |d ell / d W_j|_F, j = 1..H+1.
    product_gradient_norm : float
        |G|_F.
    ranks : dict of str to int
    j_star : int or None
    margins : tuple of Margin
        With `tol`: what was kept and dropped.
    escape : LinearEscape or None
        Saddles: the pair within `radius`, made and confirmed when first asked for.
    escape_order : int or None
        Exact saddles of part 1: the power of the radius with which ell(W) - ell(Q) shrinks, 2 in case 1 and from 2 to
        2 (H - j* + 2) in case 2; ell(P) - ell(W) shrinks no faster, and slower where the loss's curvature helps it.
    squared : SquaredFindings or None
        Exactly critical points of squared loss with X^T X invertible: critical value, index set, strictness.
    facts : dict
        Exact saddles: the vectors that are the certificate for every radius.
    weights : tuple of float64 arrays
        What was classified.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> X, Y = np.eye(2), np.eye(2)
    >>> loss = fm.SquaredLoss(X, Y)
    >>> weights = [np.zeros((2, 2)), np.zeros((2, 2))]
    >>> report = fm.classify_linear(weights, loss, exact=True)
    >>> report.verdict.meaning
    'neither a minimum nor a maximum: every ball around these weights holds higher and lower points'
    >>> report.escape is None
    False
    """

    _picture: ClassVar[str] = "plot_linear"

    verdict: LinearVerdict
    part: str
    reason: str
    certified: bool
    tol: float | None
    gradient_norms: tuple[float, ...]
    product_gradient_norm: float
    ranks: dict[str, int] = field(default_factory=dict)
    j_star: int | None = None
    margins: tuple[Margin, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    weights: tuple[Floats, ...] = ()
    # what is worked out of the loss when it is first asked for
    _later: _Exact | _WithinTolerance | None = field(default=None, repr=False, compare=False)

    # a scan of verdicts should not pay for pairs nobody reads
    @cached_property
    def escape(self) -> LinearEscape | None:
        """The pair of a saddle."""
        return None if self._later is None else self._later.pair()

    def escape_within(self, radius: float) -> LinearEscape | None:
        """The pair of a saddle in a ball of another radius; None where there is none.

        Raises
        ------
        OptionError
            The radius is not a finite number above 0.
        """
        found = _as_radius(radius)
        return None if self._later is None else replace(self._later, radius=found).pair()

    @cached_property
    def squared(self) -> SquaredFindings | None:
        """What a critical point of squared loss has learnt."""
        return None if self._later is None else self._later.learnt()

    @cached_property
    def escape_order(self) -> int | None:
        """The power of the radius with which ell(W) - ell(Q) shrinks."""
        return None if self._later is None else self._later.order()

    def how(self) -> str:
        """How the verdict was found: "exactly", "within tol = ..." or "not certified"."""
        if self.certified:
            return "exactly"
        return "not certified" if self.tol is None else f"within tol = {self.tol:g}"

    def __repr__(self) -> str:
        shapes = " ".join("x".join(map(str, W.shape)) for W in self.weights)
        return f"LinearReport({self.verdict.value}, {self.how()}, by {self.part}; layers {shapes})"

    def __str__(self) -> str:
        lines = [f"{self.verdict.value} ({self.how()})", f"  by {self.part}", f"  because {self.reason}"]
        if self.escape is not None:
            state = (
                "confirmed"
                if self.escape.confirmed
                else "not confirmed"
                if self.escape.exact_P is None
                else "confirmed for exact_P and exact_Q, which float64 does not hold"
            )
            lines.append(
                f"  within {self.escape.radius:g}: up {self.escape.up}, down {self.escape.down}, {state}"
            )
        if self.squared is not None:
            lines.append(f"  squared loss: {self.squared}")
        return "\n".join(lines)


def classify_linear(
    weights: Sequence[ArrayLike],
    loss: ProductLoss,
    tol: float | None = None,
    exact: bool | None = None,
    *,
    radius: float = 0.1,
) -> LinearReport:
    """Is a deep linear network at a minimum or at a saddle of its loss?

    Parameters
    ----------
    weights : sequence of array-likes, [W_1, ..., W_{H+1}], W_j of shape (d_j, d_{j-1}), H >= 1
    loss : SquaredLoss, HuberLoss, ..., or Loss
        A function of the product, (dy, dx).
    tol : float, optional
        For weights from training: 0 < tol < 1, decided by singular values, never certified. Default: exactly.
    exact : bool, optional
        True: exactly whatever it costs. Default: exactly where that takes up to about 5e6 integer multiplications.
    radius : float, default 0.1
        Of the ball of the escape pair around each layer, Frobenius norm.

    Returns
    -------
    LinearReport

    Raises
    ------
    NetworkError
        Layers that do not chain (the pair is named), NaN or inf, size 0, or a product of another shape than the loss's.
    LossError
        A gradient that is not its value's; no rational gradient and no `tol`.
    OptionError
        tol outside (0, 1), tol together with exact=True, radius not above 0.
    TooLargeError
        An exact decision beyond its size, without exact=True.

    Notes
    -----
    Theorem 4 and corollary 5.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> X, Y = np.eye(2), np.eye(2)
    >>> loss = fm.SquaredLoss(X, Y)
    >>> weights = [np.zeros((2, 2)), np.zeros((2, 2))]
    >>> report = fm.classify_linear(weights, loss)
    >>> str(report.verdict), report.certified
    ('saddle', True)
    """
    ball = _as_radius(radius)
    exact = None if exact is None else as_flag(exact, "exact")
    if tol is not None and exact:
        raise OptionError(
            "tol is for weights that are not exactly critical; pass tol or exact=True, not both"
        )
    if not isinstance(loss, ProductLoss):
        raise LossError(
            f"loss must be one of fastminima's losses or fastminima.Loss(...), got {type(loss).__name__}"
        )
    chain = as_chain(weights, loss.shape)
    if isinstance(loss, Loss):
        check_gradient(loss, product(chain).unscaled().values)
    if tol is not None:
        return _within(chain, loss, tol, ball)
    if not loss.rational:
        raise LossError(
            f"{type(loss).__name__} has no rational gradient, so nothing about it can be decided exactly; pass tol="
        )
    widest = max(max(W.shape) for W in chain)
    work = 4 * len(chain) * widest**3
    if exact is None and work > _EXACT_WORK:
        raise TooLargeError(
            f"an exact decision for {len(chain)} layers of width up to {widest} takes about {work:.0e} multiplications of "
            "long integers; pass exact=True to do it all the same, or tol= for an answer within a tolerance"
        )
    return _exact(chain, loss, ball)


def _as_radius(radius: float) -> float:
    ball = as_real(radius)
    if not 0.0 < ball < np.inf:
        raise OptionError(f"radius must be a finite number above 0, got {spelled(radius)}")
    return ball


def escape(
    weights: Sequence[ArrayLike], loss: ProductLoss, radius: float, tol: float | None = None
) -> LinearEscape | None:
    """The escape pair of theorem 4 alone: None where the weights are no saddle.

    Parameters and errors as in `classify_linear`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> X, Y = np.eye(2), np.eye(2)
    >>> loss = fm.SquaredLoss(X, Y)
    >>> weights = [np.zeros((2, 2)), np.zeros((2, 2))]
    >>> pair = fm.escape(weights, loss, radius=0.1)
    >>> pair.up.positive, pair.down.positive  # it rises to one side and falls to the other
    (True, True)
    """
    return classify_linear(weights, loss, tol, radius=radius).escape


def _within(chain: list[Floats], loss: ProductLoss, tol: float, radius: float) -> LinearReport:
    found = within_tolerance(chain, loss, tol)
    return LinearReport(
        verdict=LinearVerdict(found.verdict),
        part=found.part,
        reason=found.reason,
        certified=False,
        tol=found.tol,
        gradient_norms=found.gradient_norms,
        product_gradient_norm=found.product_gradient_norm,
        ranks=found.ranks,
        j_star=found.j_star,
        margins=found.margins,
        weights=tuple(chain),
        _later=_WithinTolerance(chain, loss, found, radius),
    )


def _as_escape(pair: EscapePair) -> LinearEscape:
    return LinearEscape(pair.P, pair.Q, pair.up, pair.down, pair.radius, pair.confirmed)


def _pair_beyond_part_1(
    chain: list[Floats], loss: ProductLoss, found: ExactFindings | ToleranceFindings, radius: float
) -> LinearEscape | None:
    """The pair of a saddle that theorem 4's part 1 does not decide: of part 3, or behind a bottleneck under squared loss."""
    if found.verdict != "saddle":
        return None
    pair: EscapePair | None = None
    if found.extremum is None:
        pair = escape_by_rotation(chain, loss, radius) if isinstance(loss, SquaredLoss) else None
    elif found.j_star is not None and found.extremum.up is not None and found.extremum.down is not None:
        pair = escape_by_product(chain, loss, found.j_star, found.extremum.up, found.extremum.down, radius)
    return None if pair is None else _as_escape(pair)


def _exact(chain: list[Floats], loss: ProductLoss, radius: float) -> LinearReport:
    found = decide_exactly(chain, loss)
    return LinearReport(
        verdict=LinearVerdict(found.verdict),
        part=found.part,
        reason=found.reason,
        certified=found.certified,
        tol=None,
        gradient_norms=tuple(gradient.norm() for gradient in found.gradients),
        product_gradient_norm=found.G.norm(),
        ranks=found.ranks,
        j_star=found.j_star,
        facts=found.facts,
        weights=tuple(chain),
        _later=_Exact(chain, loss, found, radius),
    )
