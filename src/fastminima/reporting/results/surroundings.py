"""Tables of what lies around a network: samples, decisions, walks, searches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastminima.exact.dyadic import round_down
from fastminima.exact.shown import rounded_down, rounded_up
from fastminima.landscape.bracket.bracket import Bracket
from fastminima.landscape.bracket.fit_network import NetworkFit
from fastminima.landscape.bracket.interpolation import Interpolation
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.polish.polish import Polish
from fastminima.landscape.probe import Probe, ProbeSweep
from fastminima.landscape.smooth.decision import SmoothDecision
from fastminima.landscape.smooth.minimum import SmoothMinimum
from fastminima.landscape.smooth.polish import SmoothPolish
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

from .summary import Summary
from .units import PARAMETERS, Row, about, at_least, quantities, radius, risk_rows, square

__all__ = [
    "bracket_summary",
    "brackets_summary",
    "decision_summary",
    "fit_network_summary",
    "interpolation_summary",
    "polish_summary",
    "probe_summary",
    "smooth_minimum_summary",
    "sweep_summary",
]

_SAMPLED = "sampled, not proved: that no sampled point is lower does not show that none is"
_DECAY = "the risk here has ½ λ ‖θ‖² added, λ the weight decay"


def _network(network: OneHiddenLayer | RationalNetwork) -> str:
    return f"{network.n_features} inputs, {network.width} hidden units, {network.activation}"


def probe_summary(probe: Probe) -> Summary:
    """Of sampled points around a network."""
    unit = "y²"

    def rows() -> Iterable[Row]:
        yield "points", f"{probe.n:,}", ""
        yield "radius", f"{probe.radius:g}", PARAMETERS
        yield "distribution", probe.distribution, ""
        if not probe.n:
            return
        yield "points with a lower risk", f"{probe.n_negative:,}", ""
        if probe.n_undecided:
            yield "points too close to it to tell", f"{probe.n_undecided:,}", ""
        yield "smallest excess risk", f"{probe.min_excess:.6g}", unit
        yield "its point k", str(probe.argmin), ""
        for level, value in probe.quantiles.items():
            if 0.0 < level < 1.0:
                yield f"quantile {level:g} of the excess", f"{value:.6g}", unit
        yield "largest excess risk", f"{probe.max_excess:.6g}", unit
        yield "points where samples change sides", f"{probe.n_changed:,}", ""
        if probe.n_overflow:
            yield "points that overflow", f"{probe.n_overflow:,}", ""

    return quantities(probe.finding(), rows(), _probed(probe))


def _probed(probe: Probe) -> tuple[str, ...]:
    where = f"network: {_network(probe.network)}; {probe.n_samples:,} rows"
    how = f"seed {probe.seed}, {probe.method} evaluation"
    return (
        where,
        how,
        "excess risk: the risk of the point less that of the network; risk: ½ Σ ω (f(x) − y)²",
        _SAMPLED,
    )


def sweep_summary(sweep: ProbeSweep) -> Summary:
    """Of sampled points at several radii: one row a radius."""
    rows = []
    for p in sweep:
        low, median, high = p.quantile([0.01, 0.5, 0.99]).tolist()
        numbers = (f"{v:.6g}" for v in (p.min_excess, low, median, high, p.max_excess))
        rows.append((f"{p.radius:g}", f"{p.n:,}", f"{p.n_negative:,}", *numbers, f"{p.n_changed:,}"))
    columns = (
        "radius", "points", "lower risk", "smallest excess [y²]", "1 % [y²]", "median [y²]", "99 % [y²]",
        "largest [y²]", "samples change sides",
    )  # fmt: skip
    return Summary(
        f"{len(sweep)} radii, {sweep[0].n:,} sampled points each", columns, tuple(rows), _probed(sweep[0])
    )


def decision_summary(found: Decision | SmoothDecision) -> Summary:
    """Of a decision: the verdict, the radius, and what has been computed of the ways out."""

    def rows() -> Iterable[Row]:
        yield "verdict", str(found.verdict).replace("_", " "), ""
        yield from _risk(found.risk, found)
        if found:
            yield "certified radius", radius(found.radius), PARAMETERS
        if isinstance(found, Decision):
            yield "kinks: samples on boundaries", f"{len(found.kinks):,}", ""
        yield "units that add nothing", f"{len(found.off_units):,}", ""
        if (escape := found.escape) is not None:
            yield "a lower network is at distance", f"{escape.distance:.6g}", PARAMETERS
            yield "its risk is lower by at least", at_least(round_down(escape.drop)), square(found.data)
        if isinstance(found, SmoothDecision) and found.weight_decay:
            yield "weight decay λ", f"{found.weight_decay:g}", ""

    notes = about(found.data, f"network: {_network(found.network)}", f"why: {found.reason}", *_decayed(found))
    return quantities(f"decided: {str(found.verdict).replace('_', ' ')}", rows(), notes)


def _risk(
    risk: float, found: Decision | SmoothDecision | Polish | SmoothPolish, name: str = "risk"
) -> Iterable[Row]:
    """The risk, with the mean squared error where nothing but errors is in it."""
    if getattr(found, "weight_decay", 0.0):
        yield name, f"{risk:.10g}", square(found.data)
    else:
        yield from risk_rows(risk, found.data, name=name)


def _decayed(found: Decision | SmoothDecision | Polish | SmoothPolish) -> tuple[str, ...]:
    return (_DECAY,) if getattr(found, "weight_decay", 0.0) else ()


def polish_summary(walk: Polish | SmoothPolish) -> Summary:
    """Of a walk down and the point where it ended."""

    def rows() -> Iterable[Row]:
        yield "status", str(walk.status).replace("_", " "), ""
        yield "risk at the start", f"{walk.path[0].risk:.10g}", square(walk.data)
        yield from _risk(walk.risk, walk, "risk at the end")
        yield "steps", f"{len(walk.path) - 1:,}", ""
        yield "moved", f"{walk.moved:.6g}", PARAMETERS
        if walk:
            yield "certified radius about the float64 network", radius(walk.radius), PARAMETERS
            yield "the minimum is at most at distance", rounded_up(walk.distance), PARAMETERS
            bound = ", at most" if isinstance(walk, SmoothPolish) else ""
            yield (
                f"excess of the float64 network{bound}",
                rounded_up(max(walk.excess, 0.0)),
                square(walk.data),
            )
            yield "started in its region", "yes" if walk.started_in_region else "no", ""
        if isinstance(walk, SmoothPolish) and walk.weight_decay:
            yield "weight decay λ", f"{walk.weight_decay:g}", ""

    notes = about(walk.data, f"network: {_network(walk.network)}", f"why: {walk.reason}", *_decayed(walk))
    return quantities(f"polished: {str(walk.status).replace('_', ' ')}", rows(), notes)


def smooth_minimum_summary(found: SmoothMinimum) -> Summary:
    """Of a minimum known to lie in a ball."""
    low, high = map(float, found.risk_bounds)

    def rows() -> Iterable[Row]:
        yield "risk", f"{found.risk:.10g}", "y²"
        yield "risk lies between", f"{low:.17g} and {high:.17g}", "y², rounded"
        yield "the minimum is at most at distance", rounded_up(found.error), PARAMETERS
        yield "certified radius about the centre", radius(found.radius), PARAMETERS
        yield "Hessian, at least", f"{found.curvature:.6g}", "times the identity"
        yield "gradient at the centre, at most", rounded_up(found.gradient), ""

    kind = "strict local minimum in a ball" if found.strict else "a point of the lowest risk of all functions"
    notes = [f"centre: {_network(found.centre)}", *([_DECAY] if found.weight_decay else [])]
    return quantities(kind, rows(), notes)


_BRACKET = ("width", "lower bound", "upper bound", "gap %, at least", "gap %, at most", "proved by", "starts")


def bracket_summary(bracket: Bracket) -> Summary:
    """Of a bracket."""
    return brackets_summary([bracket])


def brackets_summary(brackets: Sequence[Bracket]) -> Summary:
    """Of brackets of the same data: one row a width."""
    first, rows = brackets[0], []
    for b in brackets:
        least, most = b.gap
        rows.append(
            (
                str(b.width), rounded_down(b.lower, 6), rounded_up(b.upper, 6), rounded_down(100 * least, 4),
                rounded_up(100 * most, 4), b.reason, f"{b.found.n_starts:,}",
            )
        )  # fmt: skip
    unit = square(first.data)
    columns = tuple(f"{name} [{unit}]" if name.endswith("bound") else name for name in _BRACKET)
    gap = "gap: the share of the least-squares risk by which theorem 1's minimum exceeds the best network of the width"
    squares = f"least-squares risk: {float(first.linear_risk):.10g} {unit}"
    return Summary(
        f"least risk of all networks with {first.network.activation}, bracketed",
        columns,
        tuple(rows),
        about(
            first.data,
            squares,
            gap,
            "lower bounds are proved; upper bounds are exact risks of networks found",
        ),
    )


def fit_network_summary(fit: NetworkFit) -> Summary:
    """Of the best network that a search found."""

    def rows() -> Iterable[Row]:
        yield from risk_rows(fit.risk, fit.data, name="exact risk, rounded up")
        yield "starts", f"{fit.n_starts:,}", ""
        yield "the search ended because", str(fit.end), ""
        yield "seconds", f"{fit.history[-1][0]:.3g}", "s, to the best network"

    notes = about(
        fit.data, f"network: {_network(fit.network)}", "found, not proved to be the best of its width"
    )
    return quantities("best network that a search found", rows(), notes)


def interpolation_summary(found: Interpolation) -> Summary:
    """Of a network through the mean of every distinct input."""

    def rows() -> Iterable[Row]:
        yield "width", f"{found.width:,}", "hidden units"
        yield from risk_rows(float(found.pure_error), found.data, name="pure error")

    notes = about(found.data, "no function of the inputs has a lower risk; smaller widths may do as well")
    return quantities("a width at which no network can be better", rows(), notes)
