"""Names under which results are told as plain data: the same in `to_dict`, JSON of commands, and tables of scans.

A thing is called as its attribute is. `with_old_names` adds what JSON of commands called it before, for one release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.exact.shown import ratio
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.deep_network import DeepNetwork
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.proof.certificate import Certificate

__all__ = [
    "KEYS_VERSION",
    "activation_values",
    "certificate_values",
    "data_values",
    "network_ratios",
    "network_values",
    "with_old_names",
]

# raised when a name changes or goes
KEYS_VERSION = 1

# new to old
_OLD = {"n_samples": "m", "n_features": "dx", "width": "d1"}
_OLD_OF_BETTER = {"relative_drop": "drop_relative"}


def data_values(data: Dataset) -> dict[str, Any]:
    """Size and names of the data."""
    return {
        "n_samples": data.n_samples,
        "n_features": data.n_features,
        "feature_names": None if data.feature_names is None else list(data.feature_names),
        "target_names": None if data.target_names is None else list(data.target_names),
        "meaning": data.meaning,
    }


def activation_values(h: Any) -> dict[str, Any]:
    """The slopes of an activation, or its name."""
    if isinstance(h, PiecewiseLinear):
        return {"s_plus": h.s_plus, "s_minus": h.s_minus}
    return {"name": str(h)}


def network_ratios(network: RationalNetwork) -> dict[str, Any]:
    """The parameters as "p/q"."""
    return {
        "W1": [[ratio(v) for v in row[:-1]] for row in network.rows],
        "b1": [ratio(row[-1]) for row in network.rows],
        "W2": [ratio(a) for a in network.output],
        "b2": ratio(network.bias),
    }


def network_values(network: OneHiddenLayer | RationalNetwork | DeepNetwork | None) -> dict[str, Any] | None:
    """The parameters: float64 numbers, or "p/q" where they are rational."""
    if network is None:
        return None
    if isinstance(network, RationalNetwork):
        return {"activation": activation_values(network.activation), **network_ratios(network)}
    if isinstance(network, DeepNetwork):
        return {
            "activations": [activation_values(h) for h in network.activations],
            "layers": [{"W": W.tolist(), "b": b.tolist()} for W, b in network.layers],
        }
    return {
        "activation": activation_values(network.activation),
        "W1": network.W1.tolist(),
        "b1": network.b1.tolist(),
        "W2": network.W2.tolist(),
        "b2": network.b2,
    }


def certificate_values(certificate: Certificate) -> dict[str, Any]:
    """What a certificate claims, its numbers rounded, and whether the checker has accepted it."""
    return {
        "theorem": certificate.theorem,
        "meaning": certificate.meaning,
        "claims": [
            {"claim": name} | {key: _number(text) for key, text in shown.items()}
            for name, shown in certificate.claim_numbers()
        ],
        "checked": certificate.checked,
        "open": list(certificate.open),
    }


def _number(text: str) -> float | int | str:
    """The number that a text shows; what is none stays as it is."""
    bare = text.replace(",", "")
    try:
        return int(bare) if bare.isdecimal() else float(bare)
    except ValueError:
        return text


def with_old_names(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A command's summary with the version of its names, and with what they were before."""
    told = {"version": KEYS_VERSION, **summary}
    told |= {old: told[new] for new, old in _OLD.items() if new in told}
    if isinstance(better := told.get("better"), dict):
        told["better"] = better | {old: better[new] for new, old in _OLD_OF_BETTER.items() if new in better}
    return told
