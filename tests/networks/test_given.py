"""What functions of a network and data take: results, pairs, modules; and columns by name, never by position against it."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_diabetes

import fastminima as fm
from fastminima.data.feature_order import input_order
from fastminima.data.given import as_dataset
from fastminima.errors import DataError, DataTypeError, NetworkError, TargetError
from fastminima.networks.rational_network import RationalNetwork

FRAME, TARGET = load_diabetes(return_X_y=True, as_frame=True)
DATA = fm.Dataset(FRAME, TARGET)
REVERSED = fm.Dataset(FRAME[FRAME.columns[::-1]], TARGET)
LOW = fm.spurious_minimum(DATA)
BETTER = fm.better_point(LOW)
SMALL = fm.Dataset([[0.0, 1], [1, 0], [2, 2], [3, 5], [1, 7]], [0.0, 1, 5, 2, 2])
NET = fm.OneHiddenLayer([[1.0, 2], [0.5, -1]], [0.25, 1], [1.0, -1], 0.5, fm.relu)


def stack_of(network):
    return [np.asarray(value)[None] for value in network.parameters()]


# --- names -----------------------------------------------------------------------------------------------


def test_constructions_know_the_names_of_their_columns():
    names = tuple(FRAME.columns)
    draws = [member.network for member in LOW.sample(2)]
    for network in (LOW.network, BETTER.network, *draws, BETTER.low.network):
        assert network.feature_names == names
    assert fm.spurious_minimum(SMALL).network.feature_names is None
    found = fm.polish(fm.spurious_minimum(SMALL).network.with_names(["a", "b"]), SMALL)
    for network in (found.network, found.exact, found.start, found.decision.network):
        assert network.feature_names == ("a", "b")
    escape = fm.decide(NET.with_names(["a", "b"]), SMALL).escape
    assert escape.exact.feature_names == ("a", "b")


@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas], ids=["pandas", "polars"])
def test_a_frame_in_another_order_is_taken_by_name(make):
    turned = make(FRAME[FRAME.columns[::-1]])
    network = LOW.network
    assert network.risk(fm.Dataset(turned, TARGET)) == pytest.approx(631992.893, rel=1e-8)
    # what it was when columns were used by position in silence
    assert network.risk(fm.Dataset(turned.to_numpy(), TARGET)) == pytest.approx(1451933, rel=1e-5)
    for method in (network.predict, network.preactivations):
        np.testing.assert_allclose(method(turned), method(make(FRAME)), rtol=1e-13)
        np.testing.assert_allclose(method(fm.Dataset(turned, TARGET)), method(DATA), rtol=1e-13)
        # positions, where one side has no names
        assert np.array_equal(method(FRAME.to_numpy()), method(FRAME))
        assert np.array_equal(
            getattr(network.with_names(None), method.__name__)(turned), method(turned.to_numpy())
        )


def test_every_function_takes_inputs_by_name():
    network, better = LOW.network, BETTER.network
    here, there = fm.decide(better, DATA), fm.decide(better, REVERSED)
    assert here.exact_risk == there.exact_risk
    assert there.network.feature_names == REVERSED.feature_names
    assert there.data is REVERSED
    assert [row[:-1][::-1] for row in there.network.rows] == [row[:-1] for row in here.network.rows]
    assert fm.decide(RationalNetwork.of(better), REVERSED).exact_risk == here.exact_risk
    assert fm.excess_risk(network, better, REVERSED) == pytest.approx(-BETTER.drop, rel=1e-12)
    assert fm.excess_risk(network.in_order_of(REVERSED.feature_names), network, DATA) == 0.0
    probed = fm.probe(network, REVERSED, n=200)
    assert probed.n_negative == 0
    assert probed.network == network.in_order_of(REVERSED.feature_names)
    start = fm.OneHiddenLayer(NET.W1, NET.b1, NET.W2, NET.b2, fm.relu, ["a", "b"])
    turned = fm.Dataset(SMALL.X[:, ::-1], SMALL.y, feature_names=["b", "a"])
    assert fm.polish(start, turned).decision.exact_risk == fm.polish(start, SMALL).decision.exact_risk
    stack = stack_of(network)
    risks = [
        fm.batched_risk(*stack, data, fm.relu, feature_names=DATA.feature_names)[0]
        for data in (DATA, REVERSED, (FRAME[FRAME.columns[::-1]], TARGET))
    ]
    np.testing.assert_allclose(risks, network.risk(DATA), rtol=1e-12)
    assert fm.batched_risk(*stack, REVERSED, fm.relu)[0] == pytest.approx(1451933, rel=1e-5)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            "age sex bmi bp s1 s2 s3 s4 s5 S6",
            "not the network's inputs: without 's6' and with 'S6'; the network takes 'age'",
        ),
        ("age sex bmi bp s1 s2 s3 s4 s5 s5", "without 's6' and with 's5'"),
    ],
)
def test_other_names_are_refused_by_everything(names, message):
    data = fm.Dataset(FRAME.to_numpy(), TARGET, feature_names=names.split())
    calls = (
        fm.decide, fm.polish, fm.probe, lambda n, d: n.predict(d), lambda n, d: n.preactivations(d), lambda n, d: n.risk(d),
        lambda n, d: fm.excess_risk(n, n, d), lambda n, d: n.risk((pd.DataFrame(d.X, columns=names.split()), d.y)),
        lambda n, d: fm.batched_risk(*stack_of(n), d, fm.relu, feature_names=n.feature_names),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(DataError, match=message):
            call(LOW.network, data)


def test_orders():
    assert (
        input_order(None, ("a",)) is input_order(("a",), None) is input_order(("a", "a"), ("a", "a")) is None
    )
    assert input_order(("a", "b", "c"), ("c", "a", "b")) == [2, 0, 1]
    assert NET.with_names(["a", "b"]).in_order_of(("b", "a")).W1.tolist() == [[2.0, 1.0], [-1.0, 0.5]]
    with pytest.raises(DataError, match="another order than the network's inputs, and 'a' stands twice"):
        input_order(("a", "a", "b"), ("a", "b", "a"))
    with pytest.raises(DataError, match="without 'b'"):
        input_order(("a", "b"), ("a", "a"))


def test_names_live_through_files_pickles_and_rationals(tmp_path):
    named = NET.with_names(["size", "\udcff 'ä'\0"])
    named.save(tmp_path / "a.npz")
    for again in (
        fm.OneHiddenLayer.load(tmp_path / "a.npz"),
        pickle.loads(pickle.dumps(named)),
        RationalNetwork.of(named).rounded(),
    ):
        assert again == named == NET
        assert hash(again) == hash(NET)
        assert again.feature_names == named.feature_names
    exact = RationalNetwork.of(named)
    assert exact == RationalNetwork.of(NET)
    assert exact.with_unit(0, exact.rows[1], Fraction(1, 3)).feature_names == named.feature_names
    # files of earlier versions, and pickles that know no names
    NET.save(tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as old, np.load(tmp_path / "a.npz") as new:
        assert (int(old["version"]), int(new["version"])) == (1, 3)
    assert fm.OneHiddenLayer.load(tmp_path / "b.npz").feature_names is None
    bare = object.__new__(fm.OneHiddenLayer)
    bare.__setstate__({k: v for k, v in named.__dict__.items() if k != "feature_names"})
    assert bare.feature_names is None
    assert bare == NET


def test_layers_with_one_output_as_they_stand():
    W2, b2 = np.array([[1.0, -1.0]]), np.array([0.5])
    assert fm.OneHiddenLayer(NET.W1, NET.b1, W2, b2, fm.relu) == NET
    assert fm.OneHiddenLayer(NET.W1[:1], NET.b1[:1], [[2.0]], b2, fm.relu).W2.tolist() == [2.0]
    stacked = [np.stack([v, v]) for v in (NET.W1, NET.b1, W2, b2)]
    expected = fm.batched_risk(*(np.stack([v, v]) for v in NET.parameters()), SMALL, fm.relu)
    assert np.array_equal(fm.batched_risk(*stacked, SMALL, fm.relu), expected)


# --- results, pairs --------------------------------------------------------------------------------------


def test_results_stand_for_their_networks_and_data():
    low = fm.spurious_minimum(SMALL)
    better = fm.better_point(low)
    found = fm.polish(better)
    assert found.decision.network == fm.polish(better.network, SMALL).decision.network
    assert fm.decide(low).exact_risk == fm.decide(low.network, SMALL).exact_risk
    # of a walk the exact point, not its rounding
    assert fm.decide(found).network == found.exact
    assert fm.decide(found.decision).verdict == found.decision.verdict
    assert fm.probe(found, n=20).network == found.network
    assert fm.excess_risk(low, better) == pytest.approx(-better.drop)
    assert fm.excess_risk(low.network, better) == fm.excess_risk(low, better.network)


def test_pairs_stand_for_datasets():
    X, y, w = SMALL.X, SMALL.y, np.arange(1.0, 6)
    weighted = fm.Dataset(X, y, sample_weight=w)
    assert fm.decide(NET, (X, y)).exact_risk == fm.decide(NET, SMALL).exact_risk
    assert fm.decide(NET, (X, y, w)).exact_risk == fm.decide(NET, weighted).exact_risk
    assert NET.risk((X, y, w)) == NET.risk(weighted)
    assert fm.probe(NET, (X, y, None), n=20).min_excess == fm.probe(NET, SMALL, n=20).min_excess
    assert fm.excess_risk(NET, fm.spurious_minimum((X, y, w)), (X, y, w)) < 0
    assert fm.batched_risk(*stack_of(NET), (X, y, w), fm.relu)[0] == pytest.approx(NET.risk(weighted))
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    assert as_dataset((frame, pd.Series(y)), "this").feature_names == ("a", "b")


CALLS = [fm.decide, fm.polish, lambda n, d: fm.probe(n, d, n=5), lambda n, d: fm.excess_risk(n, n, d)]


@pytest.mark.parametrize("call", CALLS, ids=["decide", "polish", "probe", "excess_risk"])
def test_other_kinds_are_refused_by_name(call):
    for network in (None, 3, "relu", SMALL, LOW.fit, [NET], fm.OneHiddenLayer):
        with pytest.raises(
            DataTypeError, match=r"takes a OneHiddenLayer, got \w+; results that have a network"
        ):
            call(network, SMALL)
    for data in (3, [[1.0]], NET, (SMALL.X,), "file.csv", (1, 2, 3, 4)):
        with pytest.raises(
            DataTypeError, match=r"takes a Dataset, \(X, y\) or \(X, y, sample_weight\) as data, got"
        ):
            call(NET, data)
    with pytest.raises(DataTypeError, match="only a result that knows its own does without"):
        call(NET, None)
    with pytest.raises((NetworkError, DataError), match="takes 2 inputs, but the data have 10 features"):
        call(NET, DATA)
    with pytest.raises(TargetError, match="takes one target"):
        call(NET, (SMALL.X, np.ones((5, 2))))
    with pytest.raises(DataError, match="X has 5 rows and y has 4"):
        call(NET, (SMALL.X, SMALL.y[:4]))
    affine = fm.better_point(fm.spurious_minimum(([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])))
    assert affine.network is None
    with pytest.raises(NetworkError, match="this BetterPoint has none: "):
        call(affine, SMALL)


def test_rational_networks_where_float64_holds_them():
    exact = RationalNetwork.of(NET)
    assert fm.probe(exact, SMALL, n=20).network == NET
    third = exact.with_unit(0, exact.rows[0], Fraction(1, 3))
    with pytest.raises(NetworkError, match=r"probe takes float64 networks.*network.rounded\(\)"):
        fm.probe(third, SMALL, n=20)
