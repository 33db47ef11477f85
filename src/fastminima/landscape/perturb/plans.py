"""How the points at each radius are evaluated: every sample or a screen, made of lines or not."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import NetworkError
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .base_point import BasePoint
from .direct import Direct
from .evaluate import RadiusPlan
from .options import ProbeOptions
from .points import likely_row_norm
from .screen import Screen, choose
from .smooth_direct import SmoothDirect

__all__ = ["radius_plans"]

F64 = NDArray[np.float64]


def radius_plans(
    network: OneHiddenLayer, data: Dataset, options: ProbeOptions, stop: threading.Event
) -> list[RadiusPlan]:
    """A plan for each radius; `stop` ends what direct evaluation has begun.

    Raises
    ------
    NetworkError
        If the outputs of the network itself overflow.
    """
    make = _of_lines if isinstance(network.activation, PiecewiseLinear) else _smooth
    return make(network, data, options, stop)


def _smooth(
    network: OneHiddenLayer, data: Dataset, options: ProbeOptions, stop: threading.Event
) -> list[RadiusPlan]:
    direct = SmoothDirect(network, data)

    def evaluate(delta: F64) -> tuple[F64, NDArray[np.integer], NDArray[np.bool_]]:
        return direct.excess(delta, stop.is_set)

    kept = (np.empty(options.n) if options.keep else None for _ in options.radii)
    return [
        RadiusPlan(value, "direct", evaluate, room) for value, room in zip(options.radii, kept, strict=True)
    ]


def _of_lines(
    network: OneHiddenLayer, data: Dataset, options: ProbeOptions, stop: threading.Event
) -> list[RadiusPlan]:
    with np.errstate(all="ignore"):
        base = BasePoint(network, data)
    if not np.isfinite(base.residual).all():
        raise NetworkError(
            "the outputs of the network overflow on these data, so it has no risk to compare with"
        )
    width, features, n = network.width, network.n_features, options.n
    norms = [likely_row_norm(value, options.distribution, width, features, n) for value in options.radii]
    ways = [choose(base, norm, n).method if options.method == "auto" else options.method for norm in norms]
    screened = [norm for norm, way in zip(norms, ways, strict=True) if way == "screened"]
    screen = Screen(base, max(screened)) if screened else None
    direct = Direct(base, options.dtype) if "direct" in ways else None

    def directly(delta: F64) -> tuple[F64, NDArray[np.integer], None]:
        assert direct is not None
        return (*direct.excess(delta, stop.is_set), None)

    def screened_off(delta: F64) -> tuple[F64, NDArray[np.integer], None]:
        assert screen is not None
        return (*screen.excess(delta), None)

    plans = []
    for value, way in zip(options.radii, ways, strict=True):
        evaluate = directly if way == "direct" else screened_off
        plans.append(RadiusPlan(value, way, evaluate, np.empty(n) if options.keep else None))
    return plans
