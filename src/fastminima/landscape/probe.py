"""Massive random perturbation: does any of a million nearby points have a lower risk?

Point k is theta + radius * unit_k, with unit_k a function of (seed, k) alone. Excess risks are built from the
perturbation itself, never as a difference of two risks, so their sign means something down to radii where the
risks agree in every digit. A sample is not a proof: it can show a lower point, and it cannot show that there is
none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack, cast, overload

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import sealed
from fastminima.data.given import DataLike
from fastminima.landscape.perturb.evaluate import evaluate_points
from fastminima.landscape.perturb.options import Distribution, Dtype, Method, ProbeOptions, check_levels
from fastminima.landscape.perturb.plans import radius_plans
from fastminima.landscape.perturb.points import directions, n_parameters, split
from fastminima.landscape.perturb.tally import Block, Histogram, Tally, quantile
from fastminima.landscape.perturb.tally import histogram as make_histogram
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import NetworkLike, network_and_data
from fastminima.networks.next_steps import Drawn
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.memory import require_memory
from fastminima.system.options import as_count
from fastminima.system.packages import import_optional
from fastminima.system.progress import Progress
from fastminima.system.results import Result
from fastminima.system.threads import single_threaded_blas

from .signs import with_signs

__all__ = ["Probe", "ProbeSweep", "probe"]

F64 = NDArray[np.float64]
Data = DataLike | None

_QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclass(frozen=True, eq=False, repr=False)
class Probe(Result, Drawn):
    """Excess risks of n points theta + radius * unit_k around one network, k = 0, ..., n - 1.

    Attributes
    ----------
    network : OneHiddenLayer
        theta.
    n_samples : int
        m, the samples behind the risk.
    radius : float
    n : int
    seed : int
    distribution : {"sphere", "ball", "normal"}
        Of unit_k: uniform on the unit sphere of all P parameters, uniform in the unit ball, or standard normal
        (`radius` is then the standard deviation of every parameter).
    dtype : {"float64", "float32"}
        Arithmetic of direct evaluation.
    method : {"direct", "screened"}
        How the excesses were evaluated.
    min_excess : float
        Smallest excess risk; NaN when n = 0.
    argmin : int or None
        Its k, the lowest of several; None when n = 0.
    max_excess : float
        Largest excess risk that did not overflow; -inf when there is none.
    n_negative : int
        Points whose risk is lower than the network's.
    n_overflow : int
        Points whose risk, or a number on the way to it, overflows; they count as inf.
    n_changed : int
        Points at which at least one sample changes sides in at least one hidden unit.
    levels : tuple of float
        The levels of `quantiles`.
    n_undecided : int
        Points whose excess is too close to 0 to have a sign; they are not among `n_negative`. 0 for piecewise linear
        networks.
    estimated : bool
        Excesses and counts are float64 estimates: the activation is not piecewise linear.
    lowest_proved : bool or None
        Whether the risk at point `argmin` is proved lower than the network's, in balls, where the excesses are estimates
        and that one is negative; else None.
    excess : ndarray of shape (n,), or None
        All excess risks, with ``keep=True``.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> found = fm.probe(low, radius=low.radius, n=1_000)
    >>> found.n, found.n_negative, found.radius == low.radius
    (1000, 0, True)
    """

    _picture = "plot_probe"
    network: OneHiddenLayer
    n_samples: int
    radius: float
    n: int
    seed: int
    distribution: Distribution
    dtype: Dtype
    method: Literal["direct", "screened"]
    levels: tuple[float, ...]
    excess: F64 | None
    _state: Block
    lowest_proved: bool | None = None

    @property
    def min_excess(self) -> float:
        return self._state.smallest

    @property
    def argmin(self) -> int | None:
        return self._state.argmin if self.n else None

    @property
    def max_excess(self) -> float:
        return self._state.largest

    @property
    def n_negative(self) -> int:
        return self._state.n_negative

    @property
    def n_overflow(self) -> int:
        return self._state.n_overflow

    @property
    def n_undecided(self) -> int:
        return self._state.n_near

    @property
    def estimated(self) -> bool:
        return not isinstance(self.network.activation, PiecewiseLinear)

    @property
    def n_changed(self) -> int:
        return self._state.n_changed

    def quantile(self, levels: Sequence[float]) -> F64:
        """Quantiles of the excess risks at levels in [0, 1].

        The ceil(q n)-th smallest excess: exact for the smallest and largest, within 2^-9 (0.2 %) relative
        otherwise, because what is kept is counts in bins of 2^-8 octave. inf where the rank falls among the
        overflowed; NaN when n = 0.
        """
        return quantile(self._state, check_levels(levels))

    @property
    def quantiles(self) -> dict[float, float]:
        """Level to quantile, for `levels`; see `quantile`."""
        return dict(zip(self.levels, self.quantile(self.levels).tolist(), strict=True))

    @property
    def histogram(self) -> Histogram:
        """(counts (B,), edges (B + 1,)): at most about 256 bins, parts of octaves in either sign, one around 0.

        The counts are exact and add up to n - n_overflow.
        """
        return self.rebinned(256)

    def rebinned(self, most: int) -> Histogram:
        """`histogram` with at most about this many bins."""
        return make_histogram(self._state, most)

    def _check_index(self, k: int) -> int:
        return as_count(k, "k", 0, self.n - 1, wanted=f"a whole number from 0 to n - 1 = {self.n - 1}")

    def delta(self, k: int) -> tuple[F64, F64, F64, float]:
        """The k-th perturbation (W1, b1, W2, b2), bit for bit as it was evaluated.

        Raises
        ------
        OptionError
            If k is not in 0, ..., n - 1.
        """
        d1, dx = self.network.W1.shape
        flat = np.empty((1, n_parameters(d1, dx)))
        directions(self.seed, self._check_index(k), self.distribution, self.radius, flat)
        W1, b1, W2, b2 = split(flat[0], d1, dx)
        return sealed(W1), sealed(b1), sealed(W2), b2

    def perturbation(self, k: int) -> OneHiddenLayer:
        """The k-th network, theta + delta(k) rounded to float64.

        The excess risks of a probe belong to the unrounded sums. Where the radius is within a few digits of the
        spacing of the parameters, the rounding is a perturbation of its own; `excess_risk` measures this
        network exactly.

        Raises
        ------
        OptionError
            If k is not in 0, ..., n - 1.
        NetworkError
            If a parameter overflows.
        """
        W1, b1, W2, b2 = self.delta(k)
        theta = self.network
        with np.errstate(over="ignore"):
            sums = theta.W1 + W1, theta.b1 + b1, theta.W2 + W2, theta.b2 + b2
        return OneHiddenLayer(*sums, theta.activation, theta.feature_names)

    def __repr__(self) -> str:
        return (
            f"Probe(radius={self.radius:g}, n={self.n}, min_excess={self.min_excess:.6g}, "
            f"n_negative={self.n_negative}, distribution={self.distribution!r}, method={self.method!r})"
        )

    def finding(self) -> str:
        """What the sample shows, in words, and no more than that."""
        if self.n == 0:
            return "no points sampled"
        if self.n_negative:
            said = f"{self.n_negative:,} of {self.n:,} sampled points have a lower risk"
        else:
            said = f"none of {self.n:,} sampled points has a lower risk"
        if not self.estimated:
            return said
        more = ["float64 estimates"]
        if self.n_undecided:
            more.append(f"{self.n_undecided:,} more are too close to it to tell")
        if self.lowest_proved:
            more.append("the lowest is proved lower")
        return f"{said} ({'; '.join(more)})"

    def describe(self) -> str:
        """Where the points were taken, in words."""
        where = {
            "sphere": f"on the sphere of radius {self.radius:g}",
            "ball": f"in the ball of radius {self.radius:g}",
            "normal": f"normal with standard deviation {self.radius:g}",
        }[self.distribution]
        return f"{where}, seed {self.seed}, {self.method} evaluation"

    def __str__(self) -> str:
        lines = [f"{self.finding()}: {self.describe()}"]
        if self.n:
            lines.append(f"  smallest excess  {self.min_excess:.6g}   (k = {self.argmin})")
            names = {0.5: "median"}
            for level in (0.01, 0.5, 0.99):
                [value] = self.quantile([level])
                lines.append(f"  {names.get(level, f'{level:.0%} quantile'):<15}  {value:.6g}")
            lines.append(f"  samples change sides at {self.n_changed:,} of the points")
        if self.n_overflow:
            lines.append(f"  {self.n_overflow:,} points overflow float64 and count as inf")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False, repr=False)
class ProbeSweep(Result, Drawn):
    """Probes of one network at several radii, along the same directions; a sequence of `Probe`.

    Attributes
    ----------
    probes : tuple of Probe
        One per radius, in the order given; equal to probes made one by one.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> sweep = fm.probe(low, radius=[0.01, 0.1], n=1_000)
    >>> len(sweep), [p.radius for p in sweep]
    (2, [0.01, 0.1])
    """

    probes: tuple[Probe, ...]
    _picture = "plot_probe"

    def __len__(self) -> int:
        return len(self.probes)

    def __getitem__(self, index: int) -> Probe:
        return self.probes[index]

    def __iter__(self) -> Iterator[Probe]:
        return iter(self.probes)

    @property
    def radii(self) -> F64:
        """(r,) radii."""
        return np.array([p.radius for p in self.probes])

    @property
    def min_excess(self) -> F64:
        """(r,) smallest excess risk at each radius."""
        return np.array([p.min_excess for p in self.probes])

    @property
    def n_negative(self) -> NDArray[np.int64]:
        """(r,) points with a lower risk at each radius."""
        return np.array([p.n_negative for p in self.probes], np.int64)

    @property
    def quantiles(self) -> dict[float, F64]:
        """Level to (r,) quantiles."""
        levels = self.probes[0].levels
        table = np.array([p.quantile(levels) for p in self.probes])
        return dict(zip(levels, table.T, strict=True))

    def to_frame(self) -> Any:
        """One row a radius, as a pandas DataFrame; quantiles are columns `quantile_0.5` and so on.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed (extra `tables`).
        """
        pandas = import_optional("pandas", extra="tables", purpose="a table of the radii")
        names = (
            "radius",
            "n",
            "method",
            "n_negative",
            "min_excess",
            "argmin",
            "max_excess",
            "n_overflow",
            "n_changed",
        )
        return pandas.DataFrame(
            [
                {name: getattr(p, name) for name in names}
                | {f"quantile_{q:g}": v for q, v in p.quantiles.items()}
                for p in self
            ]
        )

    def __repr__(self) -> str:
        return f"ProbeSweep({len(self)} radii, n={self[0].n}, n_negative={self.n_negative.tolist()})"

    def __str__(self) -> str:
        first = self[0]
        lines = [
            f"{len(self)} radii, {first.n:,} sampled points each ({first.distribution}, seed {first.seed})",
            f"  {'radius':>12}  {'lower risk':>12}  {'smallest':>13}  {'median':>13}",
        ]
        for p in self.probes:
            [median] = p.quantile([0.5])
            lines.append(f"  {p.radius:>12.5g}  {p.n_negative:>12,}  {p.min_excess:>13.6g}  {median:>13.6g}")
        return "\n".join(lines)


class _Options(TypedDict, total=False):
    """The options of `probe` that decide nothing about the type of its result."""

    seed: int
    workers: int
    dtype: Dtype
    distribution: Distribution
    keep: bool
    method: Method
    quantiles: Sequence[float]
    progress: Progress


@overload
def probe(
    network: NetworkLike, data: Data = ..., radius: float = ..., n: int = ..., **options: Unpack[_Options]
) -> Probe: ...
@overload
def probe(
    network: NetworkLike,
    data: DataLike | None,
    radius: Sequence[float] | F64,
    n: int = ...,
    **options: Unpack[_Options],
) -> ProbeSweep: ...
def probe(
    network: NetworkLike,
    data: DataLike | None = None,
    radius: float | Sequence[float] | F64 = 1e-3,
    n: int = 1_000_000,
    seed: int = 0,
    workers: int = 1,
    dtype: Dtype = "float64",
    distribution: Distribution = "sphere",
    keep: bool = False,
    method: Method = "auto",
    quantiles: Sequence[float] = _QUANTILES,
    progress: Progress = False,
) -> Probe | ProbeSweep:
    """Excess risks of n random points around a network.

    Parameters
    ----------
    network : OneHiddenLayer, result or torch.nn.Module
        Any network, not only a constructed minimum. Inputs with names are matched with the columns by name. Where the
        activation is not piecewise linear the excesses are float64 estimates; signs too close to call, and that of the
        lowest point, are decided in balls where the activation has a formula (the extra `proof`).
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        Its float64 view; sample weights are honoured. Results that know their data do without.
    radius : float or sequence of float, default 1e-3
        Finite, >= 0. Of a sequence every radius is probed along the same directions, which are drawn once.
    n : int, default 1,000,000
        Number of points; 0 gives an empty result.
    seed : int, default 0
        0 <= seed < 2^64. Point k depends on (seed, k) alone: on no machine, thread, block or dtype.
    workers : int, default 1
        Threads; -1 for all usable cores. No bit of the result depends on it.
    dtype : {"float64", "float32"}, default "float64"
        Arithmetic of direct evaluation. "float32" is faster and good to about 1e-6 of the terms of an excess: the
        sign of an excess that cancels to less than that is noise. Screening is in float64 always.
    distribution : {"sphere", "ball", "normal"}, default "sphere"
        Uniform on the sphere or in the ball of this radius in the space of all parameters (W1, b1, W2, b2), or
        normal with this standard deviation in every parameter.
    keep : bool, default False
        Keep all n excess risks in `Probe.excess`. Otherwise memory does not grow with n.
    method : {"auto", "direct", "screened"}, default "auto"
        "direct" evaluates every sample at every point. "screened" lets the samples that provably keep their side
        act through one quadratic form, and evaluates the others. "auto" takes what is expected to be faster.
    quantiles : sequence of float, default (0, .01, .05, .25, .5, .75, .95, .99, 1)
        Levels of `Probe.quantiles`.
    progress : bool or callable, default False
        A bar on a terminal or in a notebook, or a function that is told the share that is done.

    Returns
    -------
    Probe, or ProbeSweep for a sequence of radii

    Raises
    ------
    OptionError
        An option is none of its values or out of its range; no radius; ``method="screened"`` or ``dtype="float32"`` for an
        activation that is not piecewise linear.
    DataTypeError
        `network` or `data` are of another type.
    NetworkError
        The number of inputs differs from that of the data, or the residuals of the network itself overflow.
    TargetError
        The data have several targets.
    TooLargeError
        ``keep=True`` asks for more than this machine's memory.

    Notes
    -----
    The empirical risk 1/2 sum_i w_i (f(x_i) - y_i)^2 of Yun, Sra and Jadbabaie (2019), section 2. Their theorem 1
    makes points around which no radius below the certified one has a negative excess; sampling alone cannot
    tell such a point from a saddle with a narrow way down.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> found = fm.probe(low, radius=[0.1, 0.5], n=2_000)
    >>> [p.n_negative for p in found]  # points lower than the minimum: none, it is certified
    [0, 0]
    """
    network, data = network_and_data(network, data, "probe")
    options = ProbeOptions(
        radius=radius, n=n, seed=seed, workers=workers, dtype=dtype, distribution=distribution, keep=keep,
        method=method, quantiles=quantiles, progress=progress,
    )  # fmt: skip
    lines = isinstance(network.activation, PiecewiseLinear)
    if not lines:
        options.check_direct(network.activation)
    if options.keep:
        require_memory(
            8 * options.n * len(options.radii),
            f"keeping {options.n} excess risks at {len(options.radii)} radii",
        )
    if options.n == 0:
        way = "direct" if options.method == "auto" else options.method
        outcomes = [(way, np.empty(0) if options.keep else None, Tally()) for _ in options.radii]
    else:
        with single_threaded_blas():
            stop = threading.Event()
            plans = radius_plans(network, data, options, stop)
            tallies = evaluate_points(network, data, plans, options, stop)
        outcomes = [(plan.method, plan.kept, tally) for plan, tally in zip(plans, tallies, strict=True)]
    probes = tuple(
        Probe(
            network=network,
            n_samples=data.n_samples,
            radius=value,
            n=options.n,
            seed=options.seed,
            distribution=options.distribution,
            dtype=options.dtype,
            method=cast(Literal["direct", "screened"], way),
            levels=options.levels,
            excess=None if kept is None else sealed(kept),
            _state=tally.block(),
        )
        for value, (way, kept, tally) in zip(options.radii, outcomes, strict=True)
    )
    if not lines and options.n:
        probes = with_signs(probes, network, data)
    return ProbeSweep(probes) if options.is_sweep else probes[0]
