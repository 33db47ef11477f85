"""What results say in plain words, the proved and the sampled kept apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastminima.exact.dyadic import round_down
from fastminima.exact.shown import rounded_up, shown_exactly
from fastminima.fit.least_squares import LeastSquares
from fastminima.interop.escape_runs import EscapeBenchmark, Outcome
from fastminima.landscape.bracket.bracket import Bracket, Brackets
from fastminima.landscape.bracket.fit_network import NetworkFit
from fastminima.landscape.bracket.interpolation import Interpolation
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.polish.polish import Polish
from fastminima.landscape.probe import Probe, ProbeSweep
from fastminima.landscape.smooth.decision import SmoothDecision
from fastminima.landscape.smooth.minimum import SmoothMinimum
from fastminima.landscape.smooth.polish import SmoothPolish
from fastminima.landscape.verdict import Verdict
from fastminima.losses.pointwise import Squared
from fastminima.proof.certificate import Certificate
from fastminima.reporting.atlas_numbers import atlas_numbers
from fastminima.scanning.atlas import Atlas
from fastminima.scanning.results import ScanReport, ScanResult
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem1.status import BetterStatus, MinimumStatus
from fastminima.theorems.theorem2.counterexample import CounterExample
from fastminima.theorems.theorem4.classify import LinearEscape, LinearReport, LinearVerdict
from fastminima.theorems.theorem4.critical_points.draws import CriticalPoint
from fastminima.theorems.theorem4.local_inverse import LocalInverse

from .units import at_least, radius, square, unit_of

__all__ = ["Said", "asked", "said"]


@dataclass
class Said:
    """Sentences about a result.

    Attributes
    ----------
    proved : list of str
        Decided by a derived error bound or in exact arithmetic.
    sampled : list of str
        Samples, searches and numbers of float64: evidence, not proof.
    open : list of str
        What is not decided, and why.
    """

    proved: list[str] = field(default_factory=list)
    sampled: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __add__(self, other: Said) -> Said:
        return Said(self.proved + other.proved, self.sampled + other.sampled, self.open + other.open)


def _whole(number: float) -> str:
    return f"{number:.10g}"


def _far(value: float) -> str:
    """A certified radius in a sentence."""
    return "by any amount" if math.isinf(value) else f"by at most {radius(value)}"


def _ball(value: float) -> str:
    return (
        "No network at all has a lower risk."
        if math.isinf(value)
        else f"No network nearer than {radius(value)} has a lower risk."
    )


def _fit(fit: LeastSquares) -> Said:
    return Said(sampled=[
        f"The best affine function of the inputs has risk {_whole(fit.risk)} {square(fit.data)} ({fit.method} route; "
        f"the exact fit "
        "is available as a fraction)."
    ])  # fmt: skip


def _minimum(low: SpuriousMinimum) -> Said:
    unit = square(low.data)
    found = Said(proved=[
        f"A network of {low.network.width} hidden units stands at a local minimum: hidden rows may each move "
        f"{_far(low.radius)}, and "
        f"output weights and bias by any amount, and the risk is never below that of the best affine function, "
        f"{_whole(low.fit.risk)} "
        f"{unit}.",
        f"Its own risk is above that by at most {rounded_up(low.excess)} {unit}, from rounding its parameters.",
    ])  # fmt: skip
    if low.status is MinimumStatus.SPURIOUS:
        found.proved.append("It is a bad minimum: a strictly better network of the same width exists.")
    elif low.status is MinimumStatus.GLOBAL:
        found.proved.append(
            f"It is as good as it gets: no better network of this width exists. {low.reason}."
        )
    else:
        found.open.append(f"Whether a better network of this width exists is undecided: {low.reason}.")
    return found


def _better(better: BetterPoint | DeepBetterPoint) -> Said:
    if better:
        return Said(proved=[
            f"A strictly better network of the same widths is at hand: its risk is lower than the best affine "
            f"function's by at least "
            f"{at_least(better.drop_certified)}{_unit(better)}."
        ])  # fmt: skip
    if better.status is BetterStatus.UNDECIDED:
        return Said(open=[f"No better network could be proved: {better.reason}."])
    return Said(proved=[f"There is no better network: {better.reason}."])


def _unit(better: BetterPoint | DeepBetterPoint) -> str:
    unit = unit_of(better.low) if isinstance(better, DeepBetterPoint) else square(better.data)
    return unit and f" {unit}"


def _deep(low: DeepMinimum) -> Said:
    if not low:
        return Said(open=[f"No minimum was built: {low.reason}."])
    unit, widths = unit_of(low) and f" {unit_of(low)}", "-".join(map(str, low.widths))
    if low.epsilon:
        return Said(proved=[
            f"Where the hidden layer and the output weights of a network of width {widths} together move "
            f"{_far(low.radius)}, its loss is nowhere below that of the best affine map by more than "
            f"{rounded_up(low.epsilon)}{unit}. That is no local minimum."
        ])  # fmt: skip
    squared = isinstance(low.objective, Squared)
    found = Said(proved=[
        f"A network of widths {widths} stands at a local minimum: its hidden layers together may move "
        f"{_far(low.radius)}, the output layer by any amount, and the {'risk' if squared else 'loss'} is never below "
        f"{_whole(low.bound)}{unit}.",
        f"Its own {'risk is above least squares' if squared else 'loss is above that of the best affine map'} by at most "
        f"{rounded_up(low.excess)}{unit}.",
    ])  # fmt: skip
    if low.status is MinimumStatus.SPURIOUS:
        found.proved.append("It is a bad minimum: a strictly better network of the same widths exists.")
    elif low.status is MinimumStatus.GLOBAL:
        found.proved.append(f"No better network of these widths exists: {low.reason}.")
    else:
        found.open.append(f"Whether a better network of these widths exists is undecided: {low.reason}.")
    return found


def _probe(probe: Probe) -> Said:
    sentence = f"{probe.finding().capitalize()}: {probe.describe()}."
    if probe.n:
        sentence += f" The smallest excess risk among them is {probe.min_excess:.6g}."
    found = Said(sampled=[sentence])
    if probe.lowest_proved:
        found.proved.append(f"The lowest of the sampled points (k = {probe.argmin}) has a lower risk than the network.")
    return found


def _sweep(sweep: ProbeSweep) -> Said:
    lower = [p for p in sweep if p.n_negative]
    first = min(lower, key=lambda p: p.radius, default=None)
    radii = f"{len(sweep)} radii from {min(sweep.radii):g} to {max(sweep.radii):g}"
    where = f"{sweep[0].n:,} points were sampled at each of {radii}"
    if first is None:
        return Said(sampled=[f"{where}: none has a lower risk."])
    return Said(sampled=[
        f"{where}: the first lower one was met at radius {first.radius:g}, {first.n_negative:,} of {first.n:,}."
    ])  # fmt: skip


def _decision(found: Decision | SmoothDecision) -> Said:
    what = f"The network of {found.network.width} hidden units and {found.network.n_features} inputs"
    if found:
        return Said(proved=[f"{what} is at a local minimum. {_ball(found.radius)}"])
    if found.verdict is Verdict.UNDETERMINED:
        return Said(open=[f"{what}: whether it is at a local minimum is undetermined. {found.reason}."])
    said = Said(proved=[f"{what} is at no local minimum: {found.reason}."])
    if (escape := found.escape) is not None:
        drop = at_least(round_down(escape.drop))
        said.proved.append(
            f"A network at distance {escape.distance:.6g} has a risk lower by at least {drop}."
        )
    return said


def _polish(walk: Polish | SmoothPolish) -> Said:
    way = (
        f"A walk of {len(walk.path) - 1:,} steps went down from risk {_whole(walk.path[0].risk)} to "
        f"{_whole(walk.risk)} and moved the "
        f"parameters by {walk.moved:.6g}."
    )
    if not walk:
        return Said(sampled=[way], open=[f"It ended at no proved minimum: {walk.reason}."])
    end = f"It ends at a local minimum. The float64 network is at most {rounded_up(walk.distance)} from it"
    return Said(
        [f"{end}, and no network nearer to that one than {radius(walk.radius)} has a lower risk."], [way]
    )


def _smooth_minimum(found: SmoothMinimum) -> Said:
    if not found.strict:
        return Said(
            proved=["A point is enclosed at which the risk is the least of all functions of the inputs."]
        )
    return Said(proved=[
        f"A strict local minimum lies within {rounded_up(found.error)} of the centre; it is the only critical point within "
        f"{radius(found.radius)}."
    ])  # fmt: skip


def _of_slopes(b: Bracket) -> str:
    """Which networks a lower end is about, if not those of all slopes."""
    return "" if b.bound.slopes is None else " with slopes " + " and ".join(f"{s:g}" for s in b.bound.slopes)


def _bracket(b: Bracket) -> Said:
    unit = square(b.data)
    return Said(
        proved=[
            f"Width {b.width}: no network{_of_slopes(b)} has a risk below {at_least(b.lower)} {unit} (by {b.reason}), "
            f"and one is at hand with at most "
            f"{rounded_up(b.upper, 6)} {unit}."
        ],
        sampled=[
            f"Width {b.width}: that network was found by a search of {b.found.n_starts:,} starts; better ones may exist."
        ],
    )


def _brackets(brackets: Brackets) -> Said:
    return sum((_bracket(b) for b in brackets), Said())


def _network_fit(fit: NetworkFit) -> Said:
    return Said(
        proved=[
            f"The network has a risk of at most {rounded_up(fit.risk, 10)} {square(fit.data)}, worked out exactly."
        ],
        sampled=[f"It was found by a search ({fit.n_starts:,} starts; {fit.end}); better ones may exist."],
    )


def _interpolation(found: Interpolation) -> Said:
    return Said(proved=[
        f"A network of width {found.width} takes the mean of the targets at every distinct input; no function of the "
        f"inputs has a "
        f"lower risk than its {_whole(float(found.pure_error))}."
    ])  # fmt: skip


def _counterexample(pair: CounterExample) -> Said:
    if pair.local_minimum is None:
        return Said(open=[f"No example for {pair.activation}: {pair.reason}."])
    claims = [
        f"For {pair.activation}: a local minimum of risk {shown_exactly(pair.level)}, up to {rounded_up(pair.excess)} "
        f"from rounding",
        f"and another network whose risk is at most {rounded_up(pair.zero_risk)}",
    ]
    if pair.certified:
        return Said(proved=[f"{claims[0]}; nothing within {radius(pair.radius)} is lower; {claims[1]}."])
    return Said(sampled=[f"{claims[0]}; {claims[1]}."], open=[f"It is not proved: {pair.reason}."])


def _linear(report: LinearReport) -> Said:
    sentence = f"The deep linear network: {report.verdict.meaning} ({report.how()}; by {report.part})."
    found = Said()
    if report.verdict in (LinearVerdict.UNDETERMINED, LinearVerdict.WIDTH_CONDITION_FAILS):
        found.open.append(sentence)
    else:
        (found.proved if report.certified else found.sampled).append(sentence)
    return found + _escape(report.escape) if report.escape is not None else found


def _escape(pair: LinearEscape) -> Said:
    sentence = (
        f"Within {pair.radius:g} of each layer one point is higher by {pair.up} and one lower by {pair.down}."
    )
    return Said(proved=[sentence]) if pair.confirmed else Said(sampled=[sentence])


def _critical(point: CriticalPoint) -> Said:
    return _linear(point.report)


def _inverse(inverse: LocalInverse) -> Said:
    return Said(sampled=[
        f"Products near this one are reached by moving layer {inverse.j_star} alone, by at most "
        f"{inverse.norm_bound:.6g} times the "
        "change (float64)."
    ])  # fmt: skip


def _scan_result(result: ScanResult) -> Said:
    if result.minimum is None:
        return Said(open=[f"{result.name}: {result.status}. {result.reason or result.error}"])
    low = result.minimum
    parts = _deep(low) if isinstance(low, DeepMinimum) else _minimum(low)
    if result.better is not None:
        parts += _better(result.better)
    return Said(
        *([f"{result.name}: {s}" for s in found] for found in (parts.proved, parts.sampled, parts.open))
    )


def _scan(report: ScanReport) -> Said:
    counts: dict[str, int] = {}
    for one in report:
        counts[one.status] = counts.get(one.status, 0) + 1
    found = Said()
    for status, count in counts.items():
        sets = f"{count:,} of {len(report):,} datasets"
        if status == "spurious":
            found.proved.append(
                f"{sets}: a local minimum with a certified radius, and better networks exist."
            )
        elif status == "global":
            found.proved.append(f"{sets}: the linear fit is the best there is.")
        elif status in ("separable", "quasi_separable"):
            found.proved.append(f"{sets}: an affine map tells classes apart, and no affine map is best.")
        else:
            found.open.append(f"{sets}: {status}.")
    return found


def _atlas(made: Atlas) -> Said:
    numbers = atlas_numbers(made)
    found = Said()
    for w in numbers.widths if numbers.bracketed else ():
        above = int((numbers.column(f"lower_{w}") > 0).sum())
        certified = sum(one.row[f"certificate_{w}"] is not None for one in made)
        found.proved.append(
            f"Width {w}: brackets of the least risk of {len(numbers.bracketed):,} of {len(made):,} tables, of which "
            f"{above:,} have a lower end above 0; {certified:,} have a certificate."
        )
    found.open += [f"{one.table}: {one.row['error']}." for one in made.failed[:5]]
    found.open.append(f"{len(made.left_out):,} tables were left out.")
    return found


def _certificate(certificate: Certificate) -> Said:
    lines = [f"The certificate claims {line}." for line in certificate.claim_lines()]
    left = [f"Not in the certificate: {reason}." for reason in certificate.open]
    return (
        Said(proved=lines, open=left)
        if certificate.checked
        else Said(open=[*lines, "It is not checked yet.", *left])
    )


def _benchmark(benchmark: EscapeBenchmark) -> Said:
    found = Said(proved=[f"{len(benchmark.starts):,} starts are certified bad minima."])
    for name in benchmark.optimisers:
        runs = [run for run in benchmark.runs if run.optimiser == name]
        escaped = sum(run.outcome is Outcome.ESCAPED for run in runs)
        found.sampled.append(
            f"{name}: {escaped:,} of {len(runs):,} runs escaped; where each ended was decided exactly."
        )
    return found


_WORDS: dict[type, tuple[str, Callable[[Any], Said]]] = {
    Atlas: ("how far bad local minima are from the best networks, on the tables of installed packages", _atlas),
    BetterPoint: ("a strictly better network of the same width (theorem 1, step 2)", _better),
    Bracket: ("how low the risk of networks of a width can be", _bracket),
    Brackets: ("how low the risk of networks of some widths can be", _brackets),
    Certificate: ("a certificate that a stranger can check", _certificate),
    CounterExample: (
        "three samples on which an activation has a bad local minimum (theorem 2)",
        _counterexample,
    ),
    CriticalPoint: ("a critical point of a deep linear network (theorem 4)", _critical),
    Decision: ("whether a network is at a local minimum", _decision),
    DeepBetterPoint: ("a strictly better network of the same widths", _better),
    DeepMinimum: ("a bad local minimum of a deep network (theorem 1 beyond one layer)", _deep),
    EscapeBenchmark: ("whether optimisers leave certified bad minima", _benchmark),
    Interpolation: ("a width at which no network can be better", _interpolation),
    LeastSquares: ("the best affine function of the inputs", _fit),
    LinearEscape: ("a way out of a saddle of a deep linear network", _escape),
    LinearReport: ("whether a deep linear network is at a minimum or at a saddle (theorem 4)", _linear),
    LocalInverse: ("how a product of layers is inverted by moving one of them (lemma A.6)", _inverse),
    NetworkFit: ("the best network that a search finds", _network_fit),
    Polish: ("an exact local minimum near a network", _polish),
    Probe: ("whether random points around a network have a lower risk", _probe),
    ProbeSweep: ("whether random points around a network have a lower risk, at several radii", _sweep),
    ScanReport: ("a bad local minimum and a better network for each of several datasets", _scan),
    ScanResult: ("a bad local minimum and a better network for a dataset", _scan_result),
    SmoothDecision: ("whether a network is at a local minimum", _decision),
    SmoothMinimum: ("a minimum that is known to lie in a ball", _smooth_minimum),
    SmoothPolish: ("a local minimum near a network, in a certified ball", _polish),
    SpuriousMinimum: ("a bad local minimum that is proved (theorem 1, step 1)", _minimum),
}


def asked(results: Sequence[Any]) -> list[str]:
    """What was asked for, each once."""
    return list(dict.fromkeys(_WORDS[type(one)][0] for one in results))


def said(results: Iterable[Any]) -> Said:
    """What the results say, each sentence once."""
    found = sum((_WORDS[type(one)][1](one) for one in results), Said())
    return Said(*(list(dict.fromkeys(part)) for part in (found.proved, found.sampled, found.open)))
