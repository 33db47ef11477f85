"""Theorem 1 beyond one hidden layer and one output: a certified bad local minimum of any network of affine pieces.

Any depth, any number of outputs, any activation with an affine segment; squared, Huber, logistic or softmax loss. Where all
units of all samples stay inside the segment the network is an affine map, so no network nearby has a loss below that of the
best affine map (`certify_cell` says how near), and `width_condition` says whether better networks of the same widths exist.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.errors import MissingDependencyError, NetworkError
from fastminima.exact.dyadic import round_down, round_fraction, round_up, sqrt_above
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.shown import rounded_up
from fastminima.fit.least_squares import least_squares
from fastminima.losses.pointwise import PointwiseLoss, Squared
from fastminima.networks.activations.affine_segment import AffineSegment
from fastminima.networks.activations.named import as_activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.deep_network import DeepNetwork
from fastminima.system.first_use import cached_property
from fastminima.system.memory import require_memory
from fastminima.system.options import as_real, check_width, spelled
from fastminima.system.results import Result
from fastminima.system.threads import single_threaded_blas

from .affine_optimum import AffineOptimum
from .best_affine import best_affine
from .certify_cell import cell_forms, certified_radius
from .class_fit import SeparatedClasses
from .deep_construction import Scales, layers_in_segment
from .deep_search import first_better
from .given_classes import Classes, with_classes
from .near_minimum import segment_for
from .rank_loss import least_of_rank
from .several_outputs import AffineFits
from .status import MinimumStatus
from .width_condition import compared_with_widths
from .width_one import best_of_width_one

__all__ = ["DeepMinimum", "as_widths", "check_scales", "deep_minimum"]

_KINDS = {
    MinimumStatus.SPURIOUS: "spurious local minimum",
    MinimumStatus.GLOBAL: "global minimum",
    MinimumStatus.UNDECIDED: "local minimum (spurious or global: undecided)",
    MinimumStatus.NEAR_MINIMUM: "near minimum",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DeepMinimum(Result):
    """A certified local minimum of a network of any depth, as float64 arrays; falsy where none was built.

    Attributes
    ----------
    network : DeepNetwork or None
        None for the statuses "bottleneck", "no_affine_segment", "separable" and "quasi_separable", and for "undecided" where
        it is the rank of the best affine map that is not decided (logistic and softmax loss).
    status : MinimumStatus
        "spurious": a strictly better network of these widths exists, proved. "global": none exists. "undecided": neither is
        proved, for the reason given. "bottleneck": a layer is narrower than the rank of the best affine map.
        "no_affine_segment": the activation is affine nowhere. "separable", "quasi_separable": an affine map tells classes
        apart, so that logistic or softmax loss has no best one. "near_minimum": of an activation that is nearly a line far
        out; see `epsilon`.
    reason : str
    excess : float
        Proved upper bound on the exact loss of `network` minus the least loss of an affine map (rounding of the parameters).
        nan without a network.
    radius : float
        No network whose hidden layers together move by at most this (Euclidean norm of all their weights and biases), with
        any output layer, has a loss below that of the best affine map. inf where the activation is affine; 0.0 without a
        network.
    widths : tuple of int
    activation : PiecewiseLinear or Smooth
    segment : AffineSegment or None
        Where the preactivations of all samples lie.
    fits : AffineOptimum
        The best affine map; its `gradients` prove that none is better.
    alpha, gain : float
        As given.
    epsilon : float
        0.0 but for "near_minimum": no network whose hidden layer and output weights together move by at most `radius`, with
        any output biases, has a loss below that of the best affine map by more than this.
    least_of_rank : (float, float) or None
        For "bottleneck" and squared loss: bounds on the least loss of an affine map that the narrowest layer can carry.
    classes : tuple or None
        Of labels: class k of the outputs is `classes[k]`. `data` then hold class numbers.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("diabetes"), activation="elu", width=(8, 8))
    >>> str(low.status), low.widths, low.network
    ('spurious', (8, 8), DeepNetwork(10-8-8-1, elu(alpha=1)))
    >>> low.radius > 0.1, low.excess < 1e-15 * low.loss
    (True, True)
    """

    network: DeepNetwork | None
    status: MinimumStatus
    reason: str
    excess: float
    radius: float
    widths: tuple[int, ...]
    activation: Any
    segment: AffineSegment | None
    fits: AffineOptimum
    alpha: float
    gain: float
    epsilon: float = 0.0
    least_of_rank: tuple[float, float] | None = None
    classes: Classes | None = None
    # the segment follows from the activation, the fits from the data
    _compared = (
        "network", "status", "reason", "excess", "radius", "widths", "activation", "alpha", "gain", "data",
        "objective", "classes",
    )  # fmt: skip

    @property
    def data(self) -> Dataset:
        """The dataset the minimum belongs to."""
        return self.fits.data

    @property
    def objective(self) -> PointwiseLoss:
        """The loss of one row: what `network.loss` takes beside the data."""
        return self.fits.loss_sum.phi

    @property
    def rank(self) -> int:
        """Of the slopes of the best affine map: what the narrowest layer must have."""
        return self.fits.rank

    @property
    def bound(self) -> float:
        """The least loss of an affine map, rounded down: no network within the radius has less."""
        return round_down(self.fits.loss)

    @cached_property
    def affine(self) -> tuple[Rationals, list[Fraction]]:
        """Exact affine map of the network inside its cell: slopes (dy, dx) and intercepts.

        Raises
        ------
        NetworkError
            No network was built.
        """
        return _affine(self._built(), self.segment)

    @cached_property
    def loss(self) -> float:
        """Exact loss of `network`, the weighted sum over rows, rounded; nan without a network."""
        if self.network is None:
            return math.nan
        return round_fraction(self.fits.loss + self.fits.excess(*self.affine))

    @property
    def risk(self) -> float:
        """`loss`, which is the paper's empirical risk where there is one output."""
        return self.loss

    @property
    def radius_relative(self) -> float:
        """`radius` over the Euclidean norm of all parameters, rounded down; 0.0 without a network."""
        if self.network is None or math.isinf(self.radius):
            return math.inf if self.network is not None else 0.0
        squares = Fraction(0)
        for part in (array for layer in self.network.layers for array in layer):
            exact = RationalMatrix.of_floats(part.reshape(1, -1))
            squares += exact.inner(exact)
        return round_down(Fraction(self.radius) / Fraction(sqrt_above(squares))) if squares else math.inf

    def _built(self) -> DeepNetwork:
        if self.network is None:
            raise NetworkError(f"no network was built: {self.reason}")
        return self.network

    def __bool__(self) -> bool:
        return self.network is not None

    def __repr__(self) -> str:
        return (
            f"DeepMinimum(status={str(self.status)!r}, loss={self.loss:.10g}, radius={self.radius:.6g}, "
            f"widths={self.widths}, {self.activation})"
        )

    def __str__(self) -> str:
        dy = self.fits.loss_sum.n_outputs
        least = "least squares" if isinstance(self.objective, Squared) else "least of affine maps"
        shape = f"widths {'-'.join(map(str, self.widths))}, {dy} output{'s' * (dy > 1)}, {self.activation}"
        if self.network is None:
            return f"no minimum built: {self.status}, {shape}\n  {self.reason}"
        return "\n".join(
            [
                f"{_KINDS[self.status]}, {shape}",
                f"  loss              {self.loss:.10g}   ({least}, within {rounded_up(self.excess)})",
                f"  certified radius  {self.radius:.6g}   ({self.radius_relative:.3g} of the parameters' norm)",
                f"  {self.reason}",
            ]
        )


def deep_minimum(
    data: Dataset,
    activation: Any,
    width: int | Sequence[int],
    phi: PointwiseLoss | None = None,
    scales: Scales | None = None,
) -> DeepMinimum:
    """Construct and certify the minimum; see `spurious_minimum`, which hands on to it."""
    widths, scales = as_widths(width), _checked(scales or Scales(2.0, 8.0))
    data, classes = with_classes(data, phi or Squared())
    h = as_activation(activation)
    _require_memory(data.n_features, widths, max(data.n_targets, len(classes or ())))
    segment, near = segment_for(h, len(widths))
    with single_threaded_blas():
        fits = best_affine(data, phi or Squared())
        answer = partial(
            DeepMinimum,
            widths=widths,
            activation=h,
            segment=segment,
            fits=fits,
            classes=classes,
            alpha=scales.alpha,
            gain=scales.gain,
        )
        refused = _refused(fits, widths, segment, h)
        if refused is not None or segment is None:
            status, reason = refused or (MinimumStatus.NO_AFFINE_SEGMENT, "")
            least = _least_of_rank(fits, widths) if status is MinimumStatus.BOTTLENECK else None
            return answer(
                network=None, status=status, reason=reason, excess=math.nan, radius=0.0, least_of_rank=least
            )
        if near is None:
            status, reason = _status(fits, segment, h, widths)
        network = DeepNetwork(layers_in_segment(fits, segment, widths, scales), h, data.feature_names)
        radius = certified_radius(
            network.layers, cell_forms(network.layers, segment), segment, data.one_target(0)
        )
    if not radius > 0.0:
        raise NetworkError(
            "the preactivations of the minimum do not stay inside the affine segment by a distance that float64 can hold "
            f"(alpha = {scales.alpha:g}, gain = {scales.gain:g}); take them nearer to 1, or standardise the columns"
        )
    excess = fits.excess(*_affine(network, segment))
    if near is None:
        return answer(network=network, status=status, reason=reason, excess=round_up(excess), radius=radius)
    W = network.layers[-1][0]
    epsilon = near.epsilon(fits, W, radius)
    return answer(
        network=network,
        status=MinimumStatus.NEAR_MINIMUM,
        reason=f"near_minimum: {h} is no line anywhere, and within {rounded_up(round_up(near.eta))} of one where the unit "
        f"stays; nothing within the radius is lower by more than {rounded_up(epsilon)}",
        excess=round_up(near.excess(fits, W, excess)),
        radius=radius,
        epsilon=epsilon,
    )


def _require_memory(n_features: int, widths: tuple[int, ...], n_outputs: int) -> None:
    sizes = (n_features, *widths, n_outputs)
    # the arrays, and a rational for each coefficient of each unit
    numbers = sum(a * (b + 1) for a, b in zip(sizes[1:], sizes, strict=False))
    forms = sum(widths) * (n_features + 1)
    require_memory(numbers * 4 * 8 + forms * 400, f"a network of widths {spelled(widths)}")


def _least_of_rank(fits: AffineOptimum, widths: tuple[int, ...]) -> tuple[float, float] | None:
    if not isinstance(fits, AffineFits):
        return None
    low, high = least_of_rank(fits, min(widths))
    return round_down(low), round_up(high)


def _status(
    fits: AffineOptimum, segment: AffineSegment, h: Any, widths: tuple[int, ...]
) -> tuple[MinimumStatus, str]:
    """What bounds leave open, a network that is proved better decides; of one ReLU and one input all knots do."""
    status, reason = compared_with_widths(fits, widths, segment)
    if status is not MinimumStatus.UNDECIDED:
        return status, reason
    try:
        found = first_better(fits, segment, h, widths, np.random.default_rng(0))
    except MissingDependencyError:
        # of balls, which are no part of an installation without extras
        return status, reason
    if found.layers is None:
        return _one_unit(fits, h, widths) or (status, reason)
    return (
        MinimumStatus.SPURIOUS,
        "a strictly better network of these widths exists: one was found and proved",
    )


def _one_unit(fits: AffineOptimum, h: Any, widths: tuple[int, ...]) -> tuple[MinimumStatus, str] | None:
    """That no network of one unit is better, where all of its knots are looked at exactly; see `width_one`."""
    one = isinstance(fits, AffineFits) and isinstance(h, PiecewiseLinear) and fits.data.n_targets == 1
    if not one or widths != (1,):
        return None
    status, reason = best_of_width_one(least_squares(fits.data), h)
    return (status, f"no_better_point: {reason}") if status is MinimumStatus.GLOBAL else None


def _affine(network: DeepNetwork, segment: AffineSegment | None) -> tuple[Rationals, list[Fraction]]:
    assert segment is not None
    rows = cell_forms(network.layers, segment).output.rows()
    return [row[1:] for row in rows], [row[0] for row in rows]


def _refused(
    fits: AffineOptimum, widths: tuple[int, ...], segment: AffineSegment | None, h: Any
) -> tuple[MinimumStatus, str] | None:
    """Status and reason where nothing can be built."""
    if isinstance(fits, SeparatedClasses):
        if fits.strict:
            return (
                MinimumStatus.SEPARABLE,
                "an affine map tells all classes apart: the loss has infimum 0, which is not reached, and no minimum among "
                "affine maps; smooth the labels",
            )
        return (
            MinimumStatus.QUASI_SEPARABLE,
            f"an affine map tells some classes apart and leaves the others: the loss has infimum {float(fits.loss):.10g}, "
            "which is not reached, and no minimum among affine maps; smooth the labels",
        )
    if segment is None:
        return (
            MinimumStatus.NO_AFFINE_SEGMENT,
            f"{h} is affine on no interval that its formula shows (gelu, silu, softplus and mish have near minima with one "
            "hidden layer; the bound of what is lower nearby is not derived for more); relu, leaky_relu, elu, selu, celu, "
            "relu6, hardtanh, hardsigmoid, hardswish, softshrink are",
        )
    if min(widths) < fits.rank:
        layer = widths.index(min(widths)) + 1
        if not fits.rank_is_at_least(min(widths) + 1):
            return (
                MinimumStatus.UNDECIDED,
                f"rank_in_bounds: layer {layer} has {min(widths)} units, and whether the slopes of the best affine map have "
                "a larger rank is not decided by bounds; widen the layer",
            )
        return (
            MinimumStatus.BOTTLENECK,
            f"layer {layer} has {min(widths)} units, and the best affine map has rank {fits.rank}: a network that is affine "
            "on the data cannot reach it; widen the layer"
            + (
                ""
                if isinstance(fits, AffineFits)
                else " (the least loss of a lower rank is known for squared loss only)"
            ),
        )
    return None


def as_widths(width: int | Sequence[int]) -> tuple[int, ...]:
    """Hidden widths, one or more, each at least 1; NetworkError for others."""
    if isinstance(width, str | bytes) or not isinstance(width, Sequence):
        return (check_width(width),)  # type: ignore[arg-type]
    if not len(width):
        raise NetworkError("width is empty; give one width for each hidden layer, such as (16, 16)")
    return tuple(check_width(w) for w in width)


def check_scales(alpha: Any, gain: Any) -> None:
    """NetworkError where `alpha` ("auto" is one) or `gain` are no scales."""
    _checked(Scales(2.0 if isinstance(alpha, str) and alpha == "auto" else alpha, gain))


def _checked(scales: Scales) -> Scales:
    found = {}
    for name, value in (("alpha", scales.alpha), ("gain", scales.gain)):
        number = as_real(value)
        if not (math.isfinite(number) and number > 0.0):
            raise NetworkError(f"{name} must be a finite number > 0, got {spelled(value)}")
        found[name] = number
    return Scales(**found)
