"""Results lead on: the same answer as the library's functions, from where the result stands."""

from __future__ import annotations

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import NetworkError
from fastminima.networks.next_steps import NextSteps


@pytest.fixture(scope="module")
def low():
    rng = np.random.default_rng(3)
    return fm.spurious_minimum((rng.normal(size=(20, 2)), rng.normal(size=20)))


@pytest.fixture(scope="module")
def results(low):
    better = fm.better_point(low)
    return {"low": low, "better": better, "decision": better.decide(), "polish": better.polish()}


def test_every_result_with_a_network_leads_on(low, results):
    for name, result in results.items():
        assert isinstance(result, NextSteps)
        exact = getattr(result, "exact", result.network)
        decided, known = result.decide(ball=0.5), fm.decide(exact, low.data, ball=0.5)
        assert (decided.verdict, decided.exact_risk) == (known.verdict, known.exact_risk), name
        walked, known = result.polish(), fm.polish(exact, low.data)
        assert (walked.exact, walked.path) == (known.exact, known.path), name
        rounded = exact.rounded() if isinstance(exact, fm.RationalNetwork) else exact
        probed = result.probe(radius=0.1, n=50, seed=4)
        assert probed.min_excess == fm.probe(rounded, low.data, radius=0.1, n=50, seed=4).min_excess, name


def test_a_polished_network_is_decided_where_it_is_exact(results):
    p = results["polish"]
    assert p.decide()
    assert p.decide().radius == p.decision.radius
    assert not fm.decide(p.network, p.data)


def test_a_chain_of_results_ends_at_a_certified_minimum(low):
    lower = fm.better_point(low).polish(leave_off_units=True)
    assert lower
    assert lower.risk < low.risk
    assert lower.decision.polish().decide().probe(radius=lower.radius, n=200).min_excess >= -1e-9


def test_each_is_drawn_by_its_own_picture(low, results, tmp_path):
    few = {name: {} if name == "polish" else {"n": 9} for name in results}
    drawn = {
        name: type(result.plot(tmp_path / f"{name}.png", **few[name]).numbers).__name__
        for name, result in results.items()
    }
    assert drawn == {"low": "RiskSlice", "better": "RiskSlice", "decision": "RiskSlice", "polish": "Descent"}
    pair = fm.counterexample("tanh")
    assert pair.network is pair.local_minimum
    assert type(pair.plot(tmp_path / "pair.png").numbers).__name__ == "RiskSlice"
    assert len(list(tmp_path.iterdir())) == 5


def test_no_network_no_next_step():
    line = fm.spurious_minimum(fm.Dataset([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]))
    better = fm.better_point(line)
    assert better.network is None
    for step in (better.decide, better.polish, better.probe, better.plot):
        with pytest.raises(NetworkError, match=r"affine|linear"):
            step()
