"""Tables with one row for each of many: scans, benchmarks, certificates."""

from __future__ import annotations

from collections.abc import Iterable

from fastminima.interop.escape_plot import noise_words
from fastminima.interop.escape_runs import EscapeBenchmark
from fastminima.proof.certificate import Certificate, numbers_line
from fastminima.reporting.atlas_numbers import MEDIANS, SUMMARY_HEAD, atlas_numbers, summary_rows
from fastminima.scanning.atlas import Atlas
from fastminima.scanning.results import ScanReport, ScanResult
from fastminima.scanning.table import cells, head_of
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum

from .summary import Summary
from .units import (
    FORMULA,
    PARAMETERS,
    Row,
    about_deep,
    at_least,
    quantities,
    radius,
    risk_rows,
    square,
    unit_of,
)

__all__ = ["atlas_summary", "benchmark_summary", "certificate_summary", "scan_result_summary", "scan_summary"]

_DEEP_NOTE = "radius: certified, of all hidden layers; least loss: of affine maps, where classes are apart its infimum"
_UNITS = {"l_LS": "l_LS [y²]", "radius": f"radius [{PARAMETERS}]"}


def scan_summary(report: ScanReport) -> Summary:
    """Of a scan: one row a dataset."""
    head = head_of(report.table)
    columns = tuple(_UNITS.get(name, name) for name in head)
    rows = tuple(tuple(cells(row, head)) for row in report.table)
    deep = [r.minimum for r in report if isinstance(r.minimum, DeepMinimum)]
    losses = dict.fromkeys(about_deep(low)[1] for low in deep)
    notes = (
        (*losses, _DEEP_NOTE)
        if deep
        else (FORMULA, "radius: certified; J: positions, with + where float64 leaves some undecided")
    )
    failed = tuple(f"{r.name}: {type(r.error).__name__}: {r.error}" for r in report.failed[:5])
    return Summary(
        repr(report).removeprefix("ScanReport(").removesuffix(")"), columns, rows, (*notes, *failed)
    )


def atlas_summary(made: Atlas) -> Summary:
    """Of an atlas: medians by number of inputs and width."""
    numbers = atlas_numbers(made)
    rows = tuple(map(tuple, summary_rows(numbers)))
    without = len(made) - len(numbers.bracketed)
    none = ("none",) + ("",) * (len(SUMMARY_HEAD) - 1)
    return Summary(
        repr(made).removeprefix("Atlas(").removesuffix(")"),
        SUMMARY_HEAD,
        rows or (none,),
        (
            f"{MEDIANS}.",
            *([f"{without:,} of {len(made):,} tables have no bracket at every width"] if without else []),
            *(f"{one.table}: {one.row['error']}" for one in made.failed[:5]),
        ),
    )


def scan_result_summary(result: ScanResult) -> Summary:
    """Of one dataset of a scan."""
    low, better, fit = result.minimum, result.better, result.fit

    def rows() -> Iterable[Row]:
        yield "status", result.status, ""
        if fit is not None:
            yield "rows", f"{fit.data.n_samples:,}", ""
            yield "columns", f"{fit.data.n_features:,}", ""
            yield from risk_rows(fit.risk, fit.data, fit, "least-squares risk")
        if isinstance(low, DeepMinimum):
            yield "rows", f"{low.data.n_samples:,}", ""
            yield "columns", f"{low.data.n_features:,}", ""
            yield "least loss of affine maps", f"{low.bound:.10g}", unit_of(low)
        if low is not None and low.network is not None:
            deep = isinstance(low, DeepMinimum)
            yield "certified radius", radius(low.radius), "of the hidden layers" if deep else PARAMETERS
        if better is not None:
            yield "better point", str(better.status), ""
        if better:
            unit = unit_of(low) if isinstance(low, DeepMinimum) else square(better.data)
            yield "drop, proved to be at least", at_least(better.drop_certified), unit
        yield "route", result.route, ""
        yield "time", f"{result.seconds:.3g}", "s"

    notes = [about_deep(low)[1] if isinstance(low, DeepMinimum) else FORMULA]
    why = low.reason if isinstance(low, DeepMinimum) else result.reason
    if why:
        notes.append(f"why: {why}")
    if result.error is not None:
        notes.append(f"{type(result.error).__name__}: {result.error}")
    notes += [f"note: {name}: {value}" for name, value in result.notes.items()]
    return quantities(f"dataset {result.name}", rows(), notes)


def benchmark_summary(benchmark: EscapeBenchmark) -> Summary:
    """Of optimisers that start at bad minima: one row an optimiser and noise."""
    outcomes = ("returned", "escaped", "left", "higher", "diverged", "undecided")
    columns = (
        "optimiser",
        f"noise [{benchmark.unit}]",
        "runs",
        *outcomes,
        "final risk / start's",
        "best / start's",
    )
    rows = tuple(
        (
            str(row["optimiser"]), noise_words(row["noise"]), f"{row['runs']:,}",
            *(f"{row[name]:.0%}" for name in outcomes), f"{row['final']:.4g}", f"{row['best']:.4g}",
        )
        for row in benchmark.rows
    )  # fmt: skip
    notes = (
        FORMULA,
        "where a run ended is decided exactly; the median of final risks is shown, and the least",
    )
    return Summary(repr(benchmark).removeprefix("EscapeBenchmark(").removesuffix(")"), columns, rows, notes)


def certificate_summary(certificate: Certificate) -> Summary:
    """Of a certificate: one row a claim."""
    rows = tuple((name, numbers_line(shown)) for name, shown in certificate.claim_numbers())
    state = "accepted by the checker" if certificate.checked else "not yet checked by this process"
    notes = (
        state,
        "numbers are rounded; the file has them exactly",
        *(f"open: {reason}" for reason in certificate.open),
    )
    return Summary(str(certificate).partition(",")[0], ("claim", "numbers"), rows, notes)
