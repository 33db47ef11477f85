"""Theorem 1, step 1: the spurious local minimum, and the whole family it belongs to.

Yun, Sra and Jadbabaie (2019), section 2 and appendix A2. With all preactivations positive the network is affine in
x, so no point of the open cone {W1 x_i + b1 > 0 for all i} has risk below the least-squares risk l_LS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.dataset import Dataset
from fastminima.data.given import as_dataset
from fastminima.errors import DataTypeError, NetworkError, TooLargeError
from fastminima.exact.dyadic import round_down, round_fraction, round_up
from fastminima.exact.fit import ExactFit
from fastminima.exact.roundoff import U
from fastminima.fit.least_squares import LeastSquares, least_squares
from fastminima.losses.given import LossName, as_row_loss
from fastminima.losses.pointwise import Logistic, PointwiseLoss, Softmax, Squared
from fastminima.networks.activations.named import ActivationLike, as_activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, relu
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.first_use import cached_property
from fastminima.system.memory import require_memory
from fastminima.system.options import as_count, check_width, spelled
from fastminima.system.threads import single_threaded_blas

from .certify_minimum import Margin, certify_margin, excess_bound, positive_affine
from .deep_construction import GAIN, Scales
from .deep_minimum import DeepMinimum, deep_minimum
from .evidence import SplitEvidence, split_evidence
from .given_classes import labelled
from .hidden_row import hidden_row_parameters, least_room, no_representation, with_output_bias
from .rounded_networks import power_of_two_scale
from .status import MinimumStatus
from .two_rows import SHRINKS, in_two_rows, with_remainder
from .width_one import best_of_width_one

__all__ = ["COSTLY_EXCESS", "SpuriousMinimum", "spurious_minimum"]

Array = NDArray[np.float64]

# From this share of the risk on, the rounding of the parameters is worth a second row, or a word. Only a choice.
COSTLY_EXCESS = 2.0**-20


_KINDS = {
    MinimumStatus.SPURIOUS: "spurious local",
    MinimumStatus.GLOBAL: "global",
    MinimumStatus.UNDECIDED: "local (spurious or global: undecided)",
}


@dataclass(frozen=True)
class Plan:
    """What a construction knows before its arrays are rounded and certified; fields as of `SpuriousMinimum`."""

    status: MinimumStatus
    reason: str
    alpha: float
    eta: float
    notes: tuple[str, ...]
    evidence: SplitEvidence


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SpuriousMinimum(NextSteps):
    """A point of the family of theorem 1, step 1, as float64 arrays, with what is proved about it.

    Attributes
    ----------
    network : OneHiddenLayer
    risk : float
        Empirical risk 1/2 sum_i w_i (f(x_i) - y_i)^2; within `excess` of the least-squares risk. Where the two differ by
        more than rounding it is the exact risk, rounded.
    excess : float
        Proved upper bound on the exact risk of `network` minus the exact least-squares risk (rounding of the
        parameters; 0 in exact arithmetic).
    radius : float
        Certified radius in the Euclidean norm of all parameters: no point whose hidden rows (W1_k, b1_k) each move by
        less, with W2 and b2 free, has risk below the least-squares risk. A lower bound, within rounding, of the
        distance to the nearest activation boundary.
    fit : LeastSquares
    status : MinimumStatus
        "spurious": a strictly better network of this width exists, proved. "global": none exists. "undecided": neither
        is proved, for the reason given; at width 1 with several inputs that is the rule where no better one is found.
    reason : str
    alpha, eta : float
        Scale and shift used; W1 = alpha [w; 0], b1 = alpha [w_b - eta; -eta]. Where rounding w would cost a visible share
        of the risk (2^-20) and the width is at least 2, W1 = [fl(alpha w); fl(alpha w - fl(alpha w)); 0] and
        W2 = [1, 1, 0] / (alpha s+), a member of the same family (`two_rows` derives it).
    notes : tuple of str
        Where the float64 view differs from the textbook: a rescaled alpha, a decimal reading that is affine.
    evidence : SplitEvidence
        Which case of the theorem the data are in, and what is known about the set J.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> str(low.status), low.risk, bool(low)
    ('spurious', 0.5, True)
    >>> low.radius > 0.5
    True
    """

    network: OneHiddenLayer
    risk: float
    excess: float
    radius: float
    fit: LeastSquares
    status: MinimumStatus
    reason: str
    alpha: float
    eta: float
    notes: tuple[str, ...] = ()
    evidence: SplitEvidence

    @property
    def data(self) -> Dataset:
        """The dataset the minimum belongs to."""
        return self.fit.data

    @property
    def activation(self) -> PiecewiseLinear:
        """The activation h_{s+,s-}."""
        return PiecewiseLinear(*self.network.slopes)

    @cached_property
    def affine(self) -> tuple[list[Fraction], Fraction]:
        """Exact affine function of the network inside its cone: slopes and intercept."""
        return positive_affine(self.network)

    @property
    def radius_relative(self) -> float:
        """`radius` over the Euclidean norm of all parameters, rounded down; between 0 and 1.

        How far the network may be moved before anything happens, as a share of its size: what to compare members of the
        family by, and what noise of the size "0.1 of the weights" has to be held against. Other units of the columns or
        of the target give other numbers, as they do for the radius.
        """
        W1, b1, W2, b2 = self.network.parameters()
        # hypot is right to an ulp
        norm = math.hypot(*W1.ravel().tolist(), *b1.tolist(), *W2.tolist(), b2) * (1.0 + 8.0 * U)
        return round_down(Fraction(self.radius) / Fraction(norm)) if norm < math.inf else 0.0

    def sample(self, n: int = 1, rng: np.random.Generator | int | None = None) -> list[SpuriousMinimum]:
        """Draw members of the whole family: all preactivations positive, s+ W2 W1 = w, s+ W2 b1 + b2 = w_b.

        Parameters
        ----------
        n : int, default 1
            How many.
        rng : numpy.random.Generator, int or None
            As in `numpy.random.default_rng`.

        Returns
        -------
        list of SpuriousMinimum
            Each verified like the minimum itself: positive exact preactivations, its own radius and excess. No
            unit need be dead. `radius` and `radius_relative` differ from member to member: draw many and keep the
            largest where an optimiser is to be started at one.

        Raises
        ------
        NetworkError
            If `n` is negative or no integer.

        Notes
        -----
        W2 and W1 are drawn normal at the scale of the fit, W1 is moved to the nearest matrix with s+ W2 W1 = w, b1 is
        raised until every preactivation is positive by a random margin, and b2 is solved for.
        """
        n = as_count(n, "n", wanted="an integer >= 0 (how many members to draw)", error=NetworkError)
        generator = np.random.default_rng(rng)
        with single_threaded_blas():
            return [self._member(generator) for _ in range(n)]

    def _member(self, rng: np.random.Generator) -> SpuriousMinimum:
        fit, width = self.fit, self.network.width
        plan = Plan(self.status, self.reason, self.alpha, self.eta, self.notes, self.evidence)
        network = with_output_bias(fit, self._drawn(rng, width))
        excess = excess_bound(positive_affine(network), fit)
        solved = _solved(fit, excess) if width > 1 and excess > fit.risk * COSTLY_EXCESS else None
        if solved is not None and solved.risk:
            # one row fewer is drawn: the last one carries what the rounding of the others leaves
            drawn = self._drawn(rng, width - 1)
            W1 = np.vstack([drawn.W1, np.zeros(drawn.n_features)])
            hidden = OneHiddenLayer(
                W1, np.append(drawn.b1, 1.0), np.append(drawn.W2, 0.0), 0.0, self.activation
            )
            k = int(np.abs(drawn.W2).argmax())
            for shrink in SHRINKS:
                row = (width - 1, float(drawn.W2[k]), Fraction(float(drawn.b1[k])) * shrink)
                network = with_remainder(fit, (solved.coef, solved.intercept), hidden, row) or network
                if solved.excess(*positive_affine(network)) <= fit.risk * COSTLY_EXCESS:
                    break
        return _certified(fit, network, plan)

    def _drawn(self, rng: np.random.Generator, width: int) -> OneHiddenLayer:
        """Hidden rows and output weights of one draw, with b2 = 0."""
        fit, s_plus = self.fit, Fraction(self.activation.s_plus)
        frame = fit.frame
        # a = s+ W2: the slope of the activation may lie at either end of float64
        a = rng.standard_normal(width)
        with np.errstate(over="ignore", invalid="ignore"):
            V = rng.standard_normal((width, fit.data.n_features)) * np.abs(fit.slopes).max(initial=0.0)
            V += np.outer(a, fit.slopes - a @ V) / (a @ a)
            smallest = np.full(width, math.inf)
            for _, X, _, _ in frame.blocks():
                smallest = np.minimum(smallest, (X @ V.T).min(axis=0))
            spread = max(fit.sums.highest, -fit.sums.lowest) or 1.0
            room = np.maximum(spread, [least_room(row, fit) for row in V])
            level = room * (0.1 + rng.exponential(size=width)) - smallest
        if not (np.isfinite(V).all() and np.isfinite(level).all()):
            raise no_representation("of a member of the family")
        # the unit of y moves into W1: W1 x = 2^e_y V x', and W2 stays of order one
        rows = [frame.from_frame([Fraction(v) for v in row], Fraction(0)) for row in V.tolist()]
        unit = Fraction(2) ** frame.exponent_y
        biases = [
            start + unit * (Fraction(v) - Fraction(frame.centre_y))
            for (_, start), v in zip(rows, level.tolist(), strict=True)
        ]
        scale = power_of_two_scale([v for slopes, _ in rows for v in slopes] + biases, 1 / s_plus)
        if scale is None:
            raise no_representation("of a member of the family")
        W1 = np.array([[round_fraction(scale * v) for v in slopes] for slopes, _ in rows]).reshape(width, -1)
        b1 = np.array([round_fraction(scale * v) for v in biases])
        W2 = np.array([round_fraction(Fraction(v) / (scale * s_plus)) for v in a.tolist()])
        return OneHiddenLayer(W1, b1, W2, 0.0, self.activation)

    def __repr__(self) -> str:
        return (
            f"SpuriousMinimum(status={str(self.status)!r}, risk={self.risk:.10g}, radius={self.radius:.6g}, "
            f"width={self.network.width}, {self.activation})"
        )

    def __str__(self) -> str:
        kind = _KINDS[self.status]
        lines = [
            f"{kind} minimum, width {self.network.width}, {self.activation}",
            f"  risk              {self.risk:.10g}   (least squares, within {self.excess:.1e})",
            f"  certified radius  {self.radius:.6g}",
            f"  {self.reason}",
        ]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def _as_data(data: Dataset | LeastSquares | tuple[ArrayLike, ...]) -> Dataset | LeastSquares:
    if isinstance(data, Dataset | LeastSquares):
        return data
    return as_dataset(data, "spurious_minimum")


def _check_alpha(alpha: float) -> float:
    try:
        number = float(alpha)
    except (TypeError, ValueError, OverflowError) as error:
        raise NetworkError(f"alpha must be a real number > 0, got {spelled(alpha)}") from error
    if not (math.isfinite(number) and number > 0.0):
        raise NetworkError(
            f"alpha must be finite and > 0 (theorem 1 scales the hidden layer by it), got {number}"
        )
    return number


@overload
def spurious_minimum(
    data: Dataset | LeastSquares | tuple[ArrayLike, ...],
    activation: PiecewiseLinear = relu,
    width: int = 2,
    alpha: float | Literal["auto"] = "auto",
    *,
    loss: Literal["squared"] = "squared",
    gain: float = GAIN,
    label_smoothing: float = 0.0,
) -> SpuriousMinimum: ...
@overload
def spurious_minimum(
    data: Dataset | LeastSquares | tuple[ArrayLike, ...],
    activation: ActivationLike = relu,
    width: int | Sequence[int] = 2,
    alpha: float | Literal["auto"] = "auto",
    *,
    loss: LossName | PointwiseLoss = "squared",
    gain: float = GAIN,
    label_smoothing: float = 0.0,
) -> SpuriousMinimum | DeepMinimum: ...
def spurious_minimum(
    data: Dataset | LeastSquares | tuple[ArrayLike, ...],
    activation: ActivationLike = relu,
    width: int | Sequence[int] = 2,
    alpha: float | Literal["auto"] = "auto",
    *,
    loss: LossName | PointwiseLoss = "squared",
    gain: float = GAIN,
    label_smoothing: float = 0.0,
) -> SpuriousMinimum | DeepMinimum:
    """Construct the spurious local minimum of theorem 1 and certify it.

    Parameters
    ----------
    data : Dataset, LeastSquares, (X, y) or (X, y, sample_weight)
        One target or several, Y of shape (m, dy). A fit is used as it is: several activations or widths on one dataset
        need only one.
    activation : PiecewiseLinear, name, Smooth or torch.nn module, default ReLU
        Anything that is affine on an interval: "relu", "leaky_relu", "elu", "selu", "relu6", "hardtanh", "hardswish" ...
    width : int or sequence of int, default 2
        Hidden units d1 >= 1, or the widths of several hidden layers, such as (16, 16, 16). With one hidden layer, from 2
        on a better network exists wherever some function of x is better (see `better_point`); with one unit the linear
        fit can be the best there is, and the status says what is proved.
    alpha : float, default 1.0 for a `SpuriousMinimum`, 2.0 for a `DeepMinimum`
        Scale of the hidden layer, alpha > 0. The certified radius grows in proportion; of deep networks, alpha is how far
        inside its half-line the first layer lies, and the radius grows with alpha and `gain` together. Bounded
        segments (hard tanh) take no notice of either.
    loss : "squared", "huber", "logistic", "softmax" or a loss of one row such as Huber(50.0), default "squared"
        The sum over rows and outputs; "huber" has delta 1. Logistic loss takes labels of two classes, or a column of 0 and 1
        for each output; softmax loss labels (texts, whole numbers, bools), or a row of probabilities for each sample.
    gain : float, default 8.0
        Of deep networks: each layer lies so many times further inside its half-line than the one before. With 1 the radius
        stays below about 1 / sqrt(width), whatever alpha is; large gains make large weights.
    label_smoothing : float, default 0.0
        Of logistic and softmax loss, as in PyTorch: such a share of every sample goes to all classes alike, so that a best
        affine map exists on any data.

    Returns
    -------
    SpuriousMinimum
        For an int width, one target, squared loss and a `PiecewiseLinear` activation.
    DeepMinimum
        For everything else.

    Raises
    ------
    NetworkError
        If a width, `alpha` or `gain` is out of range, or parameters have no float64 representation.
    LossError
        Another loss, or a label smoothing that does not fit it.
    TargetError
        Labels that are no classes, one class only, or more than two for logistic loss.
    ActivationError
        No such activation, or a function without a formula.
    TooLargeError
        If the parameters would not fit in memory.
    DataTypeError
        If `data` is neither a Dataset nor a pair, or `activation` is nothing that can be called or named.

    Notes
    -----
    Theorem 1, step 1, of Yun, Sra and Jadbabaie (2019), with eta = min(-1, 2 min fitted). Two departures, both
    inside the family the theorem allows: where the targets spread over less than 2^-10 the -1 becomes a power of two
    near the spread (it would cost the intercept its digits), and b2 is the rounding of the value that makes the output
    right at the centre of the data *given* the rounded W1, b1, W2, which in exact arithmetic is eta itself.

    `DeepMinimum` is not in the paper: `deep_minimum`, `certify_cell` and `width_condition` derive it.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("diabetes"), "elu", (16, 16), alpha=4.0)
    >>> str(low.status), round(low.loss, 4), low.radius > 0.5
    ('spurious', 631992.8928, True)
    """
    phi = as_row_loss(loss, label_smoothing)
    if isinstance(phi, Logistic | Softmax) and isinstance(data, tuple):
        data = labelled(data)
    source = _as_data(data)
    dataset = source.data if isinstance(source, LeastSquares) else source
    h = as_activation(activation)
    if not callable(h):
        raise DataTypeError(
            "activation must be a fastminima.PiecewiseLinear or Smooth, the name of one, or a torch module, "
            f"got {type(h).__name__}"
        )
    classic = isinstance(h, PiecewiseLinear) and dataset.n_targets == 1 and isinstance(phi, Squared)
    if not classic or isinstance(width, Sequence) or dataset.classes is not None:
        return deep_minimum(dataset, h, width, phi, Scales(_or_default(alpha, 2.0), gain))
    alpha = _check_alpha(_or_default(alpha, 1.0))
    return _one_hidden_layer(source, h, check_width(width), alpha)


def _or_default(alpha: float | Literal["auto"], default: float) -> float:
    return default if isinstance(alpha, str) and alpha == "auto" else cast(float, alpha)


def _one_hidden_layer(
    source: Dataset | LeastSquares, activation: PiecewiseLinear, width: int, alpha: float
) -> SpuriousMinimum:
    dataset = source.data if isinstance(source, LeastSquares) else source
    # the arrays, the networks of three steps, and a rational for each unit on the exact route
    require_memory(width * (4 * 8 * (dataset.n_features + 2) + 200), f"a network of width {spelled(width)}")
    fit = source if isinstance(source, LeastSquares) else least_squares(dataset)
    evidence = split_evidence(fit, activation)
    W1, b1, W2, eta, used = hidden_row_parameters(fit, activation, width, alpha)
    notes = list(dataset.notes)
    if used != alpha:
        notes.append(f"alpha = {alpha:g} would leave float64; rescaled to {used:g}")
    notes.extend(evidence.notes)
    status, reason = evidence.status, evidence.reason
    if width == 1 and status is MinimumStatus.SPURIOUS:
        with single_threaded_blas():
            status, reason = best_of_width_one(fit, activation)
    plan = Plan(status, reason, used, eta, tuple(notes), evidence)
    with single_threaded_blas():
        plain = with_output_bias(fit, OneHiddenLayer(W1, b1, W2, 0.0, activation))
        return _certified(fit, plain, plan, may_split=True)


def _certified(
    fit: LeastSquares, network: OneHiddenLayer, plan: Plan, *, may_split: bool = False
) -> SpuriousMinimum:
    """Certify a network, and fill in the numbers; where rounding shows and it may, the slopes go into two rows."""
    excess = excess_bound(positive_affine(network), fit)
    margin = certify_margin(network, fit)
    notes, risk = plan.notes, fit.risk
    if excess > fit.risk * U:
        solved = _solved(fit, excess)
        if solved is not None and excess > fit.risk * COSTLY_EXCESS:
            excess = round_up(solved.excess(*positive_affine(network)))
        one_row = excess
        if may_split and solved is not None and solved.risk and excess > fit.risk * COSTLY_EXCESS:
            network, margin, excess = _split(fit, solved, (network, margin, excess))
        if excess < one_row:
            notes = (
                *notes,
                "two hidden rows carry the slopes, rounded and what rounding left: in one row it would add "
                f"{one_row:.3g} to the least-squares risk {fit.risk:.3g}",
            )
        risk = _risk(fit, network, excess, solved)
    if not margin.radius > 0.0:
        raise NetworkError(
            "the preactivations of the minimum do not stay positive by a distance that float64 can hold "
            f"(alpha = {plan.alpha:g}); use an alpha nearer to 1, or rescale columns and target by powers of two"
        )
    if excess > fit.risk * COSTLY_EXCESS:
        notes = (
            *notes,
            f"rounding the parameters to float64 adds up to {excess:.3g} to the least-squares risk {fit.risk:.3g}: "
            "the columns are collinear up to rounding, or the risk is at the resolution of the targets",
        )
    return SpuriousMinimum(
        network=network.with_names(fit.data.feature_names),
        risk=risk,
        excess=excess,
        radius=margin.radius,
        fit=fit,
        status=plan.status,
        reason=plan.reason,
        alpha=plan.alpha,
        eta=plan.eta,
        notes=notes,
        evidence=plan.evidence,
    )


def _solved(fit: LeastSquares, excess: float) -> ExactFit | None:
    """The exact fit where an excess that shows asks for it; None where the old digits do, or the exact way is closed."""
    if fit.method == "exact" and not excess > fit.risk * COSTLY_EXCESS:
        return None
    try:
        return fit.exact
    except TooLargeError:
        return None


_Certified = tuple[OneHiddenLayer, Margin, float]


def _split(fit: LeastSquares, solved: ExactFit, plain: _Certified) -> _Certified:
    """(network, margin, excess) of the first two-row member whose excess does not show, else of the best."""
    best = plain
    for shrink in SHRINKS:
        network = in_two_rows(fit, (solved.coef, solved.intercept), plain[0], shrink)
        if network is None:
            continue
        excess = round_up(solved.excess(*positive_affine(network)))
        if not excess < best[2]:
            continue
        margin = certify_margin(network, fit)
        if margin.radius > 0.0:
            best = network, margin, excess
            if excess <= fit.risk * COSTLY_EXCESS:
                break
    return best


def _risk(fit: LeastSquares, network: OneHiddenLayer, excess: float, solved: ExactFit | None) -> float:
    """The risk of the network, where its excess is a share of it: exact and rounded, or least squares plus the excess."""
    if solved is not None:
        return round_fraction(solved.risk + solved.excess(*positive_affine(network)))
    return fit.risk + excess if excess > fit.risk * U else fit.risk
