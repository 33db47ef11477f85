"""A deep minimum and its better point as plain data, and as the printed table of `fastminima construct`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastminima.exact.dyadic import round_fraction
from fastminima.losses.given import loss_in_words
from fastminima.losses.pointwise import Squared
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum

from .plain_names import activation_values

__all__ = ["deep_rows", "summarise_deep"]


def summarise_deep(
    low: DeepMinimum, better: DeepBetterPoint | None, seconds: Mapping[str, float], source: str | None = None
) -> dict[str, Any]:
    """Everything `fastminima construct` says of networks of several layers or outputs, or with another loss.

    Parameters
    ----------
    low : DeepMinimum
    better : DeepBetterPoint or None
        None where no minimum was built.
    seconds : mapping of str to float
        Wall time per stage.
    source : str, optional
        Where the data came from.
    """
    data, squared = low.data, isinstance(low.objective, Squared)
    # a bound without a network is one on a loss that is not reached
    best = None if low.network is None else round_fraction(low.fits.loss)
    told: dict[str, Any] = {
        "source": source,
        "n_samples": data.n_samples,
        "n_features": data.n_features,
        "n_outputs": low.fits.loss_sum.n_outputs,
        "meaning": data.meaning,
        "loss": repr(low.objective),
        "loss_in_words": loss_in_words(low.objective),
        "classes": None if low.classes is None else list(low.classes),
        # the best affine map of squared loss is least squares
        "least_squares": {"risk": best} if squared else None,
        "best_affine": {"loss": best, "bound": low.bound, "rank": low.rank},
        "activation": activation_values(low.activation),
        "minimum": {
            "status": str(low.status),
            "reason": low.reason,
            "widths": list(low.widths),
            "loss": low.loss if low else None,
            "excess": low.excess if low else None,
            "radius": low.radius,
            "radius_relative": low.radius_relative,
            "alpha": low.alpha,
            "gain": low.gain,
        },
        "notes": list(data.notes),
        "seconds": dict(seconds),
    }
    if better is not None:
        told["better"] = {
            "status": str(better.status),
            "reason": better.reason,
            "loss": better.loss,
            "drop": better.drop,
            "drop_certified": better.drop_certified,
            "certificate": better.certificate,
            "tried": better.tried,
        }
    return told


def deep_rows(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The printed table, as (label, text)."""
    minimum, best, better = summary["minimum"], summary["best_affine"], summary.get("better")
    yield "samples m", f"{summary['n_samples']:,}"
    yield "features dx", f"{summary['n_features']:,}"
    yield "outputs dy", f"{summary['n_outputs']:,}"
    if summary["classes"] is not None:
        yield "classes", ", ".join(map(str, summary["classes"]))
    yield "loss", summary["loss_in_words"]
    if best["loss"] is None:
        yield "best affine map", f"rank {best['rank']:,}, loss {best['bound']:.10g}"
    else:
        yield "least loss of affine maps", f"{best['loss']:.10g} (rank {best['rank']:,})"
    yield "minimum", f"{minimum['status']} (widths {'-'.join(map(str, minimum['widths']))})"
    yield "why", minimum["reason"]
    if minimum["loss"] is not None:
        yield (
            "certified radius",
            f"{minimum['radius']:.6g} of all hidden layers ({minimum['radius_relative']:.3g} of all parameters' norm)",
        )
    if better is None:
        yield "better point", "not sought: there is no minimum to compare with"
    elif better["status"] == "better":
        yield "better point", f"found among {better['tried']:,} candidates"
        yield "loss of better point", f"{better['loss']:.10g}"
        yield "drop", f"{better['drop']:.6g}"
        yield (
            "drop, certified at least",
            f"{better['drop_certified']:.6g} ({better['certificate']} certificate)",
        )
    else:
        yield "better point", f"{better['status']}: {better['reason']}"
    for note in summary["notes"]:
        yield "note", note
    for stage, seconds in summary["seconds"].items():
        yield f"time, {stage}", f"{seconds:.3f} s"
