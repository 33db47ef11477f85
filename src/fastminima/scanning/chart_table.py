"""One table of an atlas: theorem 1 and the brackets of its widths as one flat row, with certificates.

(a) Shares are of the least-squares risk and rounded outward from rational numbers: a lower end down, an upper end up, a drop
    down. A row claims nothing that its certificates or the exact risk of a network at hand do not prove.
(b) What a table costs is bounded before it begins: by the numbers in it, by the seconds of the searches, by what the checker
    may do for a certificate. Beyond `table_seconds` no further step begins, and the row says which ones are missing.
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.errors import EffortWarning, ProofError, TooLargeError
from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import round_down, round_up
from fastminima.exact.groups import group_ids
from fastminima.fit.least_squares import LeastSquares
from fastminima.landscape.bracket.bracket import Bracket, bracket
from fastminima.landscape.bracket.fit_network import SearchEnd
from fastminima.landscape.bracket.interpolation import interpolation_width
from fastminima.landscape.bracket.points_on_a_line import MOST_JOINED, joined_bytes
from fastminima.networks.activations.piecewise_linear import relu
from fastminima.networks.next_steps import NextSteps
from fastminima.theorems.theorem1.better_point import BetterPoint, better_point
from fastminima.theorems.theorem1.minimum import MinimumStatus, SpuriousMinimum, spurious_minimum

from .installed_tables import load_table

__all__ = ["Chart", "ChartSettings", "bytes_of", "chart_table", "row_fields"]

# n^2 (dx + 1) up to which a network through all n distinct inputs is made: a second or two. Only a choice.
MOST_INTERPOLATION = 200_000
_OF_TABLE = (
    "table", "status", "m", "d", "n", "minimum", "radius", "case", "unexplained", "pure_error", "paper_drop", "kink_drop",
)  # fmt: skip
_OF_WIDTH = (
    "lower", "upper", "fact", "gap_least", "gap_most", "search_drop", "starts", "certificate", "certified_lower",
)  # fmt: skip
_AT_THE_END = ("interpolation_width", "interpolation", "certificate", "open", "seconds", "error")


def row_fields(widths: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the columns of an atlas of these widths."""
    return (*_OF_TABLE, *(f"{name}_{w}" for w in widths for name in _OF_WIDTH), *_AT_THE_END)


@dataclass(frozen=True)
class ChartSettings:
    """What a row depends on beside its table.

    Attributes
    ----------
    widths : tuple of int
        Increasing.
    seconds : float
        Of the search at each width.
    random_state : int
    table_seconds : float
        After this no step begins.
    memory : int
        Bytes that the work on one table may take.
    prove : bool
        Whether certificates are made.
    """

    widths: tuple[int, ...]
    seconds: float
    random_state: int
    table_seconds: float
    memory: int
    prove: bool


@dataclass(frozen=True)
class Chart:
    """One table of an atlas.

    Attributes
    ----------
    row : dict
        See `row_fields`; None where there is nothing to tell.
    certificates : dict of str to str
        Text of each certificate by the name of its file; the checker has accepted them.
    """

    row: dict[str, Any]
    certificates: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """Its name."""
        return str(self.row["table"])


def bytes_of(m: int, d: int, widths: tuple[int, ...]) -> int:
    """About what the work on a table of this size takes: copies of the numbers, and the recursion over pairs of pieces."""
    return 400 * m * (d + 2) + joined_bytes(min(m, MOST_JOINED), widths[-1])


class _Steps:
    """The steps of one table, until its time is up."""

    def __init__(self, settings: ChartSettings) -> None:
        self.settings, self.began = settings, time.perf_counter()
        self.missing: list[str] = []

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def may(self, step: str) -> bool:
        """Whether this step may begin."""
        if self.seconds() < self.settings.table_seconds:
            return True
        self.missing.append(step)
        return False


def chart_table(table: str, settings: ChartSettings) -> Chart:
    """The row of a table. Whatever goes wrong with it is told in the row; only an interrupt is raised."""
    steps = _Steps(settings)
    row: dict[str, Any] = dict.fromkeys(row_fields(settings.widths))
    row |= {"table": table, "status": "done"}
    certificates: dict[str, str] = {}
    try:
        data = load_table(table)
        row |= {"m": data.n_samples, "d": data.n_features}
        needed = bytes_of(data.n_samples, data.n_features, settings.widths)
        if needed > settings.memory:
            raise TooLargeError(
                f"it takes about {needed / 1e6:,.3g} MB, more than the {settings.memory / 1e6:,.3g} MB of memory="
            )
        _fill(row, certificates, data, steps)
        if steps.missing:
            row |= {
                "status": "time is up",
                "open": _also(row["open"], f"not begun: {', '.join(steps.missing)}"),
            }
    except TooLargeError as error:
        row |= {"status": "too large", "error": str(error)}
    except Exception as error:
        # whatever it is, it is about this table: the atlas goes on, and the row says what happened
        row |= {"status": "error", "error": f"{type(error).__name__}: {error}"}
    row["seconds"] = steps.seconds()
    return Chart(row, certificates)


def _fill(row: dict[str, Any], certificates: dict[str, str], data: Dataset, steps: _Steps) -> None:
    widths = steps.settings.widths
    row["n"] = len(group_ids(Columns(data))[1])
    low = spurious_minimum(data, relu, width=2)
    row |= {"minimum": str(low.status), "radius": low.radius, "case": low.evidence.case}
    risk = low.fit.exact.risk
    if not risk:
        row |= {"status": "linearly fittable", "pure_error": 0.0, "unexplained": 0.0}
        return
    row["unexplained"] = _unexplained(data, low.fit)
    if low.evidence.notes:
        # its risk is what rounding left, and shares of it say nothing
        row |= {"status": "affine up to rounding", "open": "; ".join(low.evidence.notes)}
        return
    points: dict[str, BetterPoint] = {}
    if low.status is not MinimumStatus.GLOBAL:
        for method in ("paper", "kink"):
            if steps.may(f"better point ({method})"):
                points[method] = better_point(low, method)
                row[f"{method}_drop"] = _drop(points[method], method, risk)
    brackets: tuple[Bracket, ...] = ()
    if steps.may("brackets"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EffortWarning)  # the row has the fact that was used
            brackets = bracket(
                data, widths, seconds=steps.settings.seconds, random_state=steps.settings.random_state
            )
        if brackets[-1].end is SearchEnd.INTERRUPTED or len(brackets) < len(widths):
            raise KeyboardInterrupt
        row["pure_error"] = max(0.0, round_down(brackets[0].bound.pure_error / risk))
        drops = [_drop_of(p) for p in points.values()]
        for b in brackets:
            row |= _of_bracket(b, risk, max(drops, default=Fraction(0)) if b.width >= 2 else Fraction(0))
    if row["n"] ** 2 * (data.n_features + 1) > MOST_INTERPOLATION:
        row["interpolation"] = "not computed"
    elif steps.may("interpolation"):
        row |= {"interpolation_width": interpolation_width(data).width, "interpolation": "proved"}
    if steps.settings.prove:
        _certify(row, certificates, low, points, brackets, steps)


def _unexplained(data: Dataset, fit: LeastSquares) -> float:
    """The least-squares risk over that of the best constant, rounded: 1 - R^2."""
    columns = Columns(data)
    values, scale = columns.integers(data.n_features)
    m, total = len(values), int(values.sum())
    constant = Fraction(int((values * values).sum()) * m - total * total, 2 * m) * scale * scale
    return float(fit.exact.risk / constant)


def _drop_of(point: BetterPoint) -> Fraction:
    """How far its network lies below least squares, at least."""
    proved = point.network is not None and math.isfinite(point.drop_certified)
    return Fraction(point.drop_certified) if proved else Fraction(0)


def _drop(point: BetterPoint, method: str, risk: Fraction) -> float | None:
    """The proved drop as a share of the least-squares risk; None where another construction stands in."""
    if point.network is None or point.method != method:
        return None
    return max(0.0, round_down(_drop_of(point) / risk))


def _of_bracket(b: Bracket, risk: Fraction, drop: Fraction) -> dict[str, Any]:
    """The shares of a width; its upper end is the lowest of the search, the better points (`drop`) and least squares."""
    lower, found = b.bound.exact / risk, b.found.exact_risk / risk
    upper = min(found, 1 - drop / risk)
    return {
        f"lower_{b.width}": max(0.0, round_down(lower)),
        f"upper_{b.width}": min(1.0, round_up(upper)),
        f"fact_{b.width}": b.reason,
        f"gap_least_{b.width}": max(0.0, round_down(1 - upper)),
        f"gap_most_{b.width}": min(1.0, round_up(1 - lower)),
        f"search_drop_{b.width}": max(0.0, round_down(1 - found)),
        f"starts_{b.width}": b.found.n_starts,
    }


def _certify(
    row: dict[str, Any], certificates: dict[str, str], low: SpuriousMinimum, points: dict[str, BetterPoint],
    brackets: tuple[Bracket, ...], steps: _Steps,
) -> None:  # fmt: skip
    """Certificates of the minimum with the best of the two points, and of every bracket; each accepted by the checker."""
    better = max((p for p in points.values() if p), key=lambda p: p.drop_certified, default=None)

    def proved(step: str, name: str, result: NextSteps, beside: Any = None, told: bool = True) -> Any:
        if not steps.may(f"certificate of the {step}"):
            return None
        try:
            certificate = result.prove(beside, verify=True)
        except ProofError as error:
            row["open"] = _also(row["open"], f"{step}: {error}")
            return None
        if certificate.open and told:
            row["open"] = _also(row["open"], f"{step}: {'; '.join(certificate.open)}")
        certificates[name] = certificate.text
        return certificate

    risk = low.fit.exact.risk
    if proved("minimum", "minimum.json", low, better) is not None:
        row["certificate"] = "minimum.json"
    for b in brackets:
        name = f"width-{b.width}.json"
        # that nothing above 0 is known needs no telling
        certificate = proved(f"bracket of width {b.width}", name, b, told=bool(b.bound.value))
        if certificate is None:
            continue
        row[f"certificate_{b.width}"] = name
        floors = [
            _exact(c["floor"]) for c in certificate.claims if c.get("claim") == "no lower risk at width"
        ]
        row[f"certified_lower_{b.width}"] = max(0.0, round_down(floors[0] / risk)) if floors else 0.0


def _exact(word: str) -> Fraction:
    """A number of a certificate: "p", "p/q" or "p/2^k"."""
    p, _, q = word.partition("/")
    return Fraction(int(p), 1 << int(q[2:]) if q.startswith("2^") else int(q or 1))


def _also(text: str | None, more: str) -> str:
    return f"{text}; {more}" if text else more
