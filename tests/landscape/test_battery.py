"""Networks trained with PyTorch end in certified minima: 24 of them here, the 320 of docs/polished.md in `make verify`."""

from __future__ import annotations

import importlib.util
import os
import sys
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from places import ROOT

pytest.importorskip("torch")
pytest.importorskip("statsmodels")
FULL = bool(os.environ.get("FASTMINIMA_VERIFY"))
FIRST, COUNT = (0, 320) if FULL else (8, 32)


@pytest.fixture(scope="module")
def polished():
    spec = importlib.util.spec_from_file_location("polished", ROOT / "docs" / "polished.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["polished"] = module
    spec.loader.exec_module(module)
    if not FULL:
        module.ADAM_STEPS = 150
    yield module
    del sys.modules["polished"]


def test_trained_networks_end_in_certified_minima(polished):
    rows = []
    for job, name, data, network in polished.networks(COUNT, FIRST):
        row, p = polished.judged(job, name, data, network, prove=FULL)
        rows.append(row)
        if row.status != "local_minimum":
            assert row.reason
            continue
        assert p.decision.verdict == "local_minimum"
        # never up, from where training stopped
        assert p.risk <= row.stopped_at * (1 + 1e-15)
        assert p.excess >= 0.0 or p.radius == 0.0
        assert all(abs(value) <= limit for _, _, value, limit in p.decision.multipliers)
        near = fm.RationalNetwork.of(p.network)
        assert near.distance_squared(p.exact) <= Fraction(p.distance) ** 2
        assert row.in_region == p.decision.region.contains(network)
        if row.within_radius:
            assert row.in_region
        if not row.number % 5:
            # float64 weights that came out of training are never exactly critical
            assert fm.decide(network, data).verdict == "not_a_minimum"
    left = [row for row in rows if row.status != "local_minimum"]
    assert 100 * len(left) < len(rows), [(row.number, row.status, row.reason) for row in left]
    assert not [(row.number, row.certificate) for row in rows if row.certificate.startswith("refused")]
    assert sum(row.kinks > 0 for row in rows) > len(rows) // 3
    assert {row.optimiser for row in rows} == {"adam", "lbfgs"}
    assert {row.width for row in rows} == set(range(1, 9))
    # the figures are those of the rows
    text = "\n".join(polished.lines(rows))
    assert f"end in a certified local minimum: {len(rows) - len(left)} of {len(rows)}" in text
    print(text)


def test_networks_trained_together_are_trained_as_they_would_be_alone(polished):
    jobs = [polished.Job(9), polished.Job(13)]
    _, data = polished.data_of(1, np.random.default_rng([2019, 8]))
    for job, network in zip(jobs, polished.trained(jobs, data, "adam"), strict=True):
        [alone] = polished.trained([job], data, "adam")
        assert network.width == job.width
        for mine, other in zip(network.parameters(), alone.parameters(), strict=True):
            assert np.allclose(mine, other, rtol=1e-6, atol=1e-9)
