"""Certificates of decisions and polished networks, of pairs of networks, and of networks with dead units."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest

import fastminima as fm
from certificates_by_hand import rational
from decided_by_hand import decided_true
from fastminima.errors import OptionError, ProofError
from fastminima.landscape.polish.polish import PolishStatus
from fastminima.proof.certificate import data_rows
from profiles import examples


def names(proof):
    return [claim["claim"] for claim in proof.claims]


def true(proof, data):
    """By the slow judge, sample by sample."""
    rows = [list(map(F, row)) for row in data_rows(data)]
    slopes = tuple(map(F, proof.content["setting"]))
    return decided_true(proof.claims, rows, data.sample_weight is not None, slopes)


LINE = np.arange(-3.0, 4.0)[:, None]
KINK = fm.Dataset(LINE, [2.0, -3, -2, -2, -2, 2, 3])
NEAR = fm.OneHiddenLayer([[2.4]], [-2.3], [1.0], -1.3, fm.relu)


def test_a_polished_network_and_its_start_are_certified(tmp_path):
    polished = fm.polish(NEAR, KINK)
    proof = fm.prove(polished)
    assert proof.checked
    assert names(proof) == ["local_minimum", "near_minimum", "near_minimum"]
    low, rounded, start = proof.claims
    assert (low["risk"], low["radius_squared"], low["units"]) == ("106/13", "1", [[["-3/26"]]])
    assert low["network"]["W1"] == [["31/13"]]
    assert rounded["in_ball"] is rounded["in_region"] is True
    assert abs(F(start["excess"]) - F(3, 65)) < F(1, 10**12)
    assert true(proof, KINK)
    assert "near_minimum" in str(proof)
    assert "one hidden layer" in str(proof)
    assert proof.open == ()
    path = tmp_path / "proof.json"
    proof.save(path)
    assert fm.check(path, KINK)
    assert not fm.check(path, fm.Dataset(LINE, [2.0, -3, -2, -2, -2, 2, 3.5]))


def test_a_decision_is_certified_by_its_verdict():
    low = fm.prove(fm.decide(fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, fm.relu),
                             fm.Dataset(LINE, [0.0, 0, 2, 3, -3, -2, 2])))  # fmt: skip
    assert names(low) == ["local_minimum"]
    assert low.claims[0]["units"] == [[["1"]]]
    decision = fm.decide(NEAR, KINK, ball=0.125)
    proof = fm.prove(decision)
    assert names(proof) == ["lower_point"]
    assert 0 < rational(proof.claims[0]["radius"]) <= F(1, 8)
    assert 0 < rational(proof.claims[0]["drop"]) <= decision.escape.drop
    assert true(proof, KINK)
    with pytest.raises(OptionError, match="nothing beside it"):
        fm.prove(decision, NEAR)
    with pytest.raises(OptionError, match="nothing beside it"):
        fm.prove(decision, data=KINK)


def test_what_is_undetermined_has_no_certificate(monkeypatch):
    from fastminima.landscape.decide import zonotope

    rows = np.array([[-1.0], [0.0], [1.0], [2.0]])
    data = fm.Dataset(rows, [1.0, -1.0, -1.0, 1.0])
    network = fm.OneHiddenLayer([[0.0]], [0.0], [-1.0], 0.0, fm.relu)
    assert names(fm.prove(fm.decide(network, data))) == ["local_minimum"]
    monkeypatch.setattr(zonotope, "BUDGET", 0)
    decision = fm.decide(network, data)
    assert decision.verdict == "undetermined"
    with pytest.raises(ProofError, match="no certificate of a point that is undetermined: unit 0: 2 concave"):
        fm.prove(decision)
    monkeypatch.undo()
    stopped = replace(fm.polish(NEAR, KINK), decision=fm.decide(NEAR, KINK), status=PolishStatus.INTERRUPTED)
    with pytest.raises(ProofError, match="a walk that ended with interrupted"):
        fm.prove(stopped)


def test_concave_kinks_by_vertices_and_by_lines():
    """All inputs are kinks of a unit whose row is 0: residuals are a second difference along the line."""
    second = np.array([1.0, -2.0, 1.0])
    for count, kind in ((1, list), (6, str)):
        G = np.zeros(3 * count)
        for i in range(count):
            G[3 * i : 3 * i + 3] += second
        data = fm.Dataset(np.arange(3.0 * count)[:, None], -G)
        decision = fm.decide(fm.OneHiddenLayer([[0.0]], [0.0], [1.0], 0.0, fm.leaky_relu(0.25)), data)
        proof = fm.prove(decision)
        assert proof.checked
        assert isinstance(proof.claims[0]["units"][0], kind)
        assert true(proof, data)


def test_every_polished_network_has_a_certificate():
    """Random and lattice data, weights, equal inputs, all slopes: accepted by the checker, true by the judge."""
    accepted = 0
    for seed in range(examples(25)):
        rng = np.random.default_rng(seed)
        m, dx, d1 = int(rng.integers(6, 25)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
        X = rng.integers(-3, 4, (m, dx)) / 2 if seed % 3 else rng.standard_normal((m, dx))
        y = np.round(4 * rng.standard_normal(m)) / 4
        weight = rng.integers(1, 4, m).astype(float) if seed % 2 else None
        data = fm.Dataset(X, y, sample_weight=weight)
        slopes = [(1.0, 0.0), (1.0, 0.125), (0.5, 2.0)][seed % 3]
        start = fm.OneHiddenLayer(
            rng.standard_normal((d1, dx)), rng.standard_normal(d1), rng.standard_normal(d1), 0.0,
            fm.PiecewiseLinear(*slopes),
        )  # fmt: skip
        polished = fm.polish(start, data)
        if not polished:
            assert polished.status == "undetermined"
            continue
        proof = fm.prove(polished)
        assert proof.checked
        # the judge knows what decides on the line alone
        assert dx > 1 or true(proof, data)
        accepted += 1
        for claim in proof.claims:
            if claim["claim"] == "near_minimum":
                assert rational(claim["excess"]) >= 0
    assert accepted >= examples(25) * 0.9


def test_rationals_and_weights_are_what_they_say():
    exact = [[F(v) / 3 for v in row] for row in ([0, 1], [1, -2], [2, 2], [3, 5], [4, 1])]
    data = fm.Dataset([row[:1] for row in exact], [row[1] for row in exact])
    proof = fm.prove(fm.polish(fm.OneHiddenLayer([[1.0]], [-0.4], [1.0], 0.0, fm.relu), data))
    assert proof.meaning == "rational"
    assert proof.checked
    assert true(proof, data)


# ---- dead units, and pairs of any networks -------------------------------------------------------------------------

XOR = fm.load_demo("xor")
STUCK = fm.OneHiddenLayer([[-1, -1], [-1, -2]], [-1, -2], [1, 1], 0.5, "relu")
FITS = fm.OneHiddenLayer([[1, 1], [1, 1]], [0, -1], [1, -2], 0, "relu")


def test_a_dead_network_is_a_local_minimum_where_it_is_one():
    data = fm.Dataset([[1.0, 2], [1, 3]], [3.0, 4])
    dead = fm.OneHiddenLayer([[-1, -1], [-2, -1]], [-1, -1], [1, 1], 3.5, "relu")
    proof = fm.prove(dead, data=data)
    (low,) = (claim for claim in proof.claims if claim["claim"] == "local_minimum")
    assert (low["risk"], low["radius_squared"]) == ("1/4", "25/11")
    assert true(proof, data)
    # with another bias it is none: what is left is that nothing near by is below least squares
    moved = fm.OneHiddenLayer(dead.W1, dead.b1, dead.W2, 3.25, "relu")
    proof = fm.prove(moved, data=data)
    assert "local_minimum" not in names(proof)
    (near,) = (c for c in proof.claims if (c["claim"] == "no lower risk within" and c["network"]["b2"] == "13/2^2")
               or (c["claim"] == "no lower risk within" and c["network"]["b2"] == "13/4"))  # fmt: skip
    assert rational(near["excess"]) >= F(1, 4)


def test_a_pair_of_any_two_networks():
    proof = fm.prove(STUCK, FITS, data=XOR)
    assert proof.checked
    assert {"local_minimum", "lower risk", "lower_point"} <= set(names(proof))
    assert true(proof, XOR)
    # one that is no minimum, of another width, and one above least squares that is still lower
    other = fm.OneHiddenLayer([[1.0, 1.0]], [0.0], [1.0], 0.75, "relu")
    better = fm.OneHiddenLayer([[1.0, 1.0], [1.0, 0.0]], [0.0, 1.0], [0.25, 0.0], 0.0, "relu")
    assert other.risk(XOR) > better.risk(XOR) > fm.least_squares(XOR).risk
    proof = fm.prove(other, better, data=XOR)
    assert "lower_point" in names(proof)
    assert "lower risk" not in names(proof)
    lower = proof.claims[names(proof).index("lower_point")]
    assert lower["radius"] is None
    assert "no proved local minimum" in proof.open[0]
    assert true(proof, XOR)
    with pytest.raises(ProofError, match="not below"):
        fm.prove(better, other, data=XOR)
    with pytest.raises(ProofError, match=r"at no proved local minimum \(the risk falls"):
        fm.prove(other, data=XOR)
    # where theorem 1 says it all, nothing is said beside it
    low = fm.spurious_minimum(XOR)
    assert "lower_point" not in names(fm.prove(low.network, FITS, data=XOR))


class Blocks:
    def __init__(self, X, y):
        self.X, self.y, self.n_features, self.weighted = X, y, X.shape[1], False

    def blocks(self):
        for i in range(0, len(self.y), 2):
            yield self.X[i : i + 2], self.y[i : i + 2], None


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_theorem_1_with_dead_units_in_its_place(slope):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 2)), rng.standard_normal(12)
    h = fm.leaky_relu(slope) if slope else fm.relu
    low = fm.spurious_minimum(fm.Dataset(X, y), h, width=1)
    W1, b1, W2, b2 = low.network.parameters()
    for weight, bias in itertools.product((0.0, 3.0), (-50.0, 50.0)):
        network = fm.OneHiddenLayer(np.vstack([W1, [[0.5, -1.0]]]), [*b1, bias], [*W2, weight], b2, h)
        if weight and (bias > 0 or slope):
            continue
        if slope and bias < 0:
            with pytest.raises(ProofError, match="not above 0"):
                fm.prove(network, data=fm.Dataset(X, y))
            continue
        for data in (fm.Dataset(X, y), Blocks(X, y)):
            proof = fm.prove(network, data=data)
            claim = proof.claims[1]
            assert claim["claim"] == "no lower risk within"
            assert rational(claim["excess"]) < F(1, 10**20)
            assert rational(claim["radius"]) > 0
            assert fm.check(proof, (X, y))
    # dead on the first sample and not on all
    middle = float(np.median(X[:, 0]))
    sign = 1.0 if X[0, 0] < middle else -1.0
    network = fm.OneHiddenLayer(np.vstack([W1, [[sign, 0.0]]]), [*b1, -sign * middle], [*W2, 0.0], b2, h)
    for data in (fm.Dataset(X, y), Blocks(X, y)):
        with pytest.raises(ProofError, match="not above 0"):
            fm.prove(network, data=data)
