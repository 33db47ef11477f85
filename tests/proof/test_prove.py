"""Certificates: made, saved, loaded and accepted on every kind of data; refused where there is nothing to prove."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

import fastminima as fm
from certificates_by_hand import rational
from fastminima.errors import CertificateError, DataError, DataTypeError, OptionError, ProofError
from fastminima.proof import prove as proving
from fastminima.proof.certificate import Certificate
from fastminima.proof.prove import check_loss
from places import NIST
from profiles import examples
from strategies import activations, tables

TABLES = {
    "equal but for an ulp": lambda rng: (
        np.array([[0.0], [1.0], [2.0], [3.0]]),
        [0.0, 1.0, 2.0, np.nextafter(3.0, 4.0)],
    ),
    "fitted values nearly equal": lambda rng: (
        np.column_stack([np.arange(6.0), 1.0 + 2.0**-50 * np.arange(6.0)]),
        [1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
    ),
    "gaps of ulps": lambda rng: (1.0 + np.arange(20)[:, None] * 2.0**-52, rng.normal(size=20)),
    "offset 1e8": lambda rng: (rng.normal(size=(50, 3)) + 1e8, rng.normal(size=50) + 1e8),
    "scale 1e150": lambda rng: (rng.normal(size=(40, 2)) * 1e150, rng.normal(size=40) * 1e150),
    "scale 1e-150": lambda rng: (rng.normal(size=(40, 2)) * 1e-150, rng.normal(size=40) * 1e-150),
    "mixed scales": lambda rng: (rng.normal(size=(40, 2)) * [1e150, 1e-150], rng.normal(size=40)),
    "subnormal": lambda rng: (rng.integers(1, 9, (12, 1)) * 5e-324, rng.normal(size=12)),
    "one row": lambda rng: ([[3.0]], [4.0]),
    "no inputs": lambda rng: (np.empty((4, 0)), [0.0, 1.0, 1.0, 5.0]),
    "constant column": lambda rng: (np.column_stack([np.ones(9), np.arange(9.0)]), rng.normal(size=9)),
    "negative zero": lambda rng: ([[-0.0], [0.0], [1.0], [1.0]], [1.0, -0.0, 2.0, 5.0]),
}


def certified(data, activation=fm.relu, method="paper", width=2):
    low = fm.spurious_minimum(data, activation, width=width)
    better = fm.better_point(low, method) if width > 1 else None
    return low, better, fm.prove(low, better)


def names(certificate):
    return [claim["claim"] for claim in certificate.claims]


def assert_fits(better, proof):
    """A better point is proved where there is one; where float64 has none, the paper's rational one may be."""
    if better.status is fm.BetterStatus.UNDECIDED:
        assert "undecided" in proof.open[0]
    else:
        assert ("lower risk" in names(proof)) == bool(better)
        assert not proof.open


@pytest.mark.parametrize("name", TABLES)
def test_what_misleads_float64_is_proved_or_named_undecided(name):
    data = fm.Dataset(*TABLES[name](np.random.default_rng(5)))
    _, better, proof = certified(data)
    assert proof.checked
    assert_fits(better, proof)
    if better.status is fm.BetterStatus.LINEARLY_FITTABLE:
        assert "linearly fittable" in names(proof)
    assert fm.check(proof, data)


@pytest.mark.parametrize("demo", ["diabetes", "xor", "parity3", "parity4", "parity5"])
@pytest.mark.parametrize("method", ["paper", "kink"])
def test_the_demos_are_proved(demo, method):
    data = fm.load_demo(demo)
    _, better, proof = certified(data, method=method)
    assert proof.checked
    assert {"least squares", "no lower risk within", "lower risk"} <= set(names(proof))
    if demo != "diabetes":
        assert next(c for c in proof.claims if c["claim"] == "set J")["positions"] == []
    drop = next(c["drop"] for c in proof.claims if c["claim"] == "lower risk")
    assert rational(drop) == pytest.approx(better.drop, rel=1e-9)


@given(tables(), activations)
@settings(max_examples=examples(60))
def test_whatever_construct_hands_out_the_checker_accepts(table, activation):
    X, y, weight = table
    data = fm.Dataset(X, y, sample_weight=weight)
    low, better, proof = certified(data, activation)
    assert proof.checked
    assert fm.check(fm.Certificate(json.loads(proof.text)), data)
    assert_fits(better, proof)
    if better.status is fm.BetterStatus.NO_BETTER_POINT:
        floor = next(c["floor"] for c in proof.claims if c["claim"] == "pure error")
        assert rational(floor) == rational(proof.claims[0]["risk"])
    for member in low.sample(1, rng=0):
        assert fm.prove(member).checked


def test_real_tables_are_proved():
    statsmodels = pytest.importorskip("statsmodels.api")
    for name in ("longley", "stackloss", "statecrime", "scotland", "cpunish"):
        frame = getattr(statsmodels.datasets, name).load_pandas().data.select_dtypes("number").dropna()
        data = fm.Dataset(frame.iloc[:, 1:], frame.iloc[:, 0])
        _, better, proof = certified(data)
        assert proof.checked, name
        assert better, name


@pytest.mark.parametrize("meaning", ["binary", "decimal"])
@pytest.mark.parametrize("table", ["filip", "pontius"])
def test_both_meanings_of_a_text_file(table, meaning, tmp_path):
    path = NIST / f"{table}.csv"
    data = fm.read(path, target="y", meaning=meaning)
    _, _, proof = certified(data)
    assert proof.meaning == meaning
    proof.save(tmp_path / "proof.json")
    assert fm.check(tmp_path / "proof.json", path, target="y")
    other = {"binary": "decimal", "decimal": "binary"}[meaning]
    verdict = fm.check(proof, fm.read(path, target="y", meaning=other))
    assert not verdict
    assert f"the certificate is about {meaning} numbers" in verdict.reason


def test_numbers_that_float64_cannot_hold():
    X = [[Fraction(1, 3)], [2], [5], [7]]
    _, better, proof = certified(fm.Dataset(X, [Fraction(1, 7), 3, 2**70 + 1, 0]))
    assert proof.meaning == "rational"
    assert proof.checked
    assert better


def test_the_papers_point_in_rationals_has_no_excess_and_its_closed_form():
    data = fm.Dataset([[0], [1], [2], [4]], [0, 2, 1, 3])
    low, _, proof = certified(data, fm.leaky_relu(0.25))
    minima = [c for c in proof.claims if c["claim"] == "no lower risk within"]
    drops = [c for c in proof.claims if c["claim"] == "lower risk"]
    assert minima[1]["excess"] == "0"
    kappa = Fraction(3, 5)
    slope, start = low.fit.exact.coef[0], low.fit.exact.intercept
    values = sorted((start + x * slope, start + x * slope - y) for x, y in ((0, 0), (1, 2), (2, 1), (4, 3)))
    best, total = Fraction(0), Fraction(0)
    for (a, r), (b, _) in pairwise(values):
        total += r
        u = max(-kappa * (b - a) / 4, min(kappa * (b - a) / 4, total / 2))
        best = max(best, 2 * u * total - 2 * u * u)
    assert rational(drops[1]["drop"]) == best


@pytest.mark.parametrize(("dx", "limit"), [(2, 2), (10, 15), (30, 100)])
def test_certificates_stay_small_whatever_the_rows(dx, limit):
    rng = np.random.default_rng(dx)
    for m in (5_000, 60_000):
        X = rng.normal(size=(m, dx))
        _, _, proof = certified(fm.Dataset(X, X.sum(axis=1) + rng.normal(size=m)))
        assert len(proof.text.encode()) <= limit * 1024, (m, len(proof.text))


def test_the_same_bytes_for_any_layout_and_method():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(3_000, 4))
    y = X @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=3_000)
    data = fm.Dataset(X, y)
    low = fm.spurious_minimum(data)
    better = fm.better_point(low)
    text = fm.prove(low, better).text
    assert fm.prove(low, better, method="exact").text == text
    assert fm.prove(low, better, method="float").text == text
    assert fm.prove(low, better, method="float").method == "float"
    assert fm.prove(low, better, verify=False).text == text
    for X_ in (np.asfortranarray(X), X.astype(">f8"), np.repeat(X, 2, axis=0)[::2]):
        assert fm.prove(low.network, better.network, data=fm.Dataset(X_, y)).text == text


class Blocks:
    """Rows made when they are asked for."""

    def __init__(self, X, y, weight, rows):
        self.parts, self.rows = (X, y, weight), rows
        self.n_features, self.weighted = X.shape[1], weight is not None

    def blocks(self):
        X, y, weight = self.parts
        for start in range(0, len(y), self.rows):
            part = slice(start, start + self.rows)
            yield X[part], y[part], None if weight is None else weight[part]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_source_of_blocks_gets_the_certificate_of_its_rows(weighted):
    rng = np.random.default_rng(8)
    X, y = rng.normal(size=(25_000, 3)), rng.normal(size=25_000)
    weight = rng.choice([0.5, 1.0, 3.0], 25_000) if weighted else None
    data = fm.Dataset(X, y, sample_weight=weight)
    low = fm.spurious_minimum(data)
    better = fm.better_point(low)
    text = fm.prove(low, better, verify=False).text
    for rows in (1_000, 7_777):
        streamed = fm.prove(
            low.network, better.network, data=Blocks(X, y, weight, rows), verify=rows == 1_000
        )
        assert streamed.text == text
        assert streamed.checked == (rows == 1_000)
    with pytest.raises(OptionError, match="proved exactly"):
        fm.prove(low.network, data=Blocks(X, y, weight, 10), method="float")
    with pytest.raises(DataError, match="no rows"):
        fm.prove(low.network, data=Blocks(X[:0], y[:0], None, 10))


def test_rows_in_another_order_and_other_rows_are_told_apart():
    X, y = np.arange(6.0)[:, None], np.array([0.0, 1.0, 0.0, 2.0, 0.0, 1.0])
    proof = certified(fm.Dataset(X, y))[2]
    assert "another order" in fm.check(proof, fm.Dataset(X[::-1], y[::-1])).reason
    moved = y.copy()
    moved[2] = np.nextafter(0.0, 1.0)
    verdict = fm.check(proof, (X, moved))
    assert not verdict
    assert verdict.reason.startswith("the data: these are not the data of the certificate")
    assert verdict.claims == []


def test_targets_and_weights_are_the_same_columns_for_certificate_and_data():
    """The rows (x, y, w) are the rows of a dataset with the inputs (x, y) and the target w, too."""
    rng = np.random.default_rng(4)
    X, y, w = rng.normal(size=(9, 2)), rng.normal(size=9), rng.choice([1.0, 2.0, 0.5], 9)
    other = certified(fm.Dataset(np.column_stack([X, y]), w))[2]
    verdict = fm.check(other, fm.Dataset(X, y, sample_weight=w))
    assert not verdict
    assert "(targets, weights) = (1, False), the data have (1, True)" in verdict.reason
    loss = fm.SquaredLoss(np.ones((3, 1)), np.arange(6.0).reshape(3, 2))
    weights = [np.zeros((2, 1)), np.zeros((2, 2))]
    proof = fm.prove(fm.classify_linear(weights, loss), loss)
    assert fm.check(proof, loss)
    assert not fm.check(proof, fm.SquaredLoss(np.column_stack([loss.X, loss.Y[:, :1]]), loss.Y[:, 1:]))


def test_files_that_are_no_certificates(tmp_path):
    proof = certified(fm.load_demo("xor"))[2]
    path = tmp_path / "proof.json"
    proof.save(path)
    assert fm.Certificate.load(path).content == proof.content
    assert fm.Certificate.load(path).method is None
    path.write_text(proof.text[: len(proof.text) // 2])
    with pytest.raises(CertificateError, match="cut short"):
        fm.check(path, fm.load_demo("xor"))
    path.write_text(proof.text.replace('"version":1', '"version":2'))
    with pytest.raises(CertificateError, match="version 2, this library knows 1"):
        fm.Certificate.load(path)
    path.write_text('{"format": "something else"}')
    with pytest.raises(CertificateError, match="no fastminima certificate"):
        fm.Certificate.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CertificateError, match="no certificate"):
        fm.Certificate.load(path)
    with pytest.raises(fm.errors.MissingFileError):
        fm.Certificate.load(tmp_path / "none.json")


def test_claims_are_copies_and_lines_are_words():
    proof = certified(fm.load_demo("xor"))[2]
    proof.claims[0]["risk"] = "7"
    assert proof.claims[0]["risk"] == "1/2"
    assert re.search(r"lower risk: drop 0\.01785714286", str(proof))
    assert "accepted by the checker" in str(proof)
    assert "least squares" in repr(proof)
    # the table, the lines and the text are made of the same pairs
    pairs = proof.claim_numbers()
    assert [name for name, _ in pairs] == names(proof)
    assert dict(pairs)["least squares"]["risk"].startswith("0.5")
    assert dict(pairs)["set J"]["elements"] == "0"
    assert str(proof).splitlines()[1:] == [f"  {line}" for line in proof.claim_lines()]
    for line, (name, shown) in zip(proof.claim_lines(), pairs, strict=True):
        assert line.startswith(name)
        assert all(text in line for text in shown.values())


def test_nothing_false_gets_a_certificate():
    data = fm.load_demo("diabetes")
    low = fm.spurious_minimum(data)
    better = fm.better_point(low)
    with pytest.raises(ProofError, match="not below"):
        fm.prove(None, low.network, data=data)
    with pytest.raises(ProofError, match="not above 0"):
        fm.prove(better.network, data=data)
    with pytest.raises(ProofError, match="nothing to prove"):
        fm.prove(None, data=data)
    with pytest.raises(DataTypeError, match="pass data="):
        fm.prove(low.network)
    with pytest.raises(DataTypeError, match="OneHiddenLayer, got int"):
        fm.prove(low, 3)
    with pytest.raises(DataError, match="takes 10 inputs, the data have 2"):
        fm.prove(low.network, data=fm.load_demo("xor"))
    with pytest.raises(OptionError, match="method"):
        fm.prove(low, better, method="fast")
    with pytest.raises(fm.errors.NetworkError, match="one activation"):
        fm.prove(low, fm.better_point(fm.spurious_minimum(data, fm.leaky_relu(0.5))))
    tanh = fm.OneHiddenLayer(np.ones((1, 10)), [0.0], [1.0], 0.0, fm.activation("tanh"))
    with pytest.raises(ProofError, match="piecewise linear"):
        fm.prove(tanh, data=data)


def test_float_bounds_that_are_too_weak_say_so():
    X = np.arange(8.0)[:, None]
    y = X[:, 0] + np.array([0, 0, 0, 2.0**-50, 0, 0, 0, 0]) * 8
    low = fm.spurious_minimum(fm.Dataset(X, y))
    better = fm.better_point(low, "kink")
    if better.certificate == "exact":
        with pytest.raises(ProofError, match="undecided"):
            fm.prove(low, better, method="float")
    assert fm.prove(low, better).checked


def test_a_refusal_of_the_checker_is_an_error(monkeypatch):
    low = fm.spurious_minimum(fm.load_demo("xor"))
    claims_of = proving.theorem1.claims_of

    def exaggerated(*arguments):
        claims = claims_of(*arguments)
        claims[1]["radius"] = "1"
        return claims

    monkeypatch.setattr(proving.theorem1, "claims_of", exaggerated)
    with pytest.raises(ProofError, match="the checker does not accept this certificate: claim 2"):
        fm.prove(low)
    assert not fm.prove(low, verify=False).checked


# ---- theorem 2 -------------------------------------------------------------------------------------------------------


# the checker takes seconds for a form of mixed sign, or of a long formula: some of them in the suite
SLOW = ("arctan", "sine", "erf", "softsign", "quick_gelu", "cosine", "snake", "gelu_tanh", "tanhshrink")
SLOW = () if examples(1) > 1 else SLOW


@pytest.mark.parametrize("name", [name for name in fm.activations() if name not in SLOW])
def test_every_named_activation_has_a_certificate_of_theorem_2(name):
    pair = fm.counterexample(name)
    if pair.local_minimum is None:
        with pytest.raises(ProofError, match="no counterexample"):
            fm.prove(pair)
        return
    proof = fm.prove(pair)
    assert proof.checked
    radius = rational(proof.claims[0]["radius"])
    assert 0.9 * pair.radius <= radius <= pair.radius
    assert rational(proof.claims[1]["risk"]) < Fraction(1, 10**28)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "hardswish"])
def test_a_certificate_of_theorem_2_is_accepted_beside_its_data(name):
    pair = fm.counterexample(name)
    assert fm.check(fm.prove(pair), pair.data)


def test_images_are_certified_on_their_own_samples():
    pair = fm.counterexample("softplus")
    embedded = pair.image([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]], [1.0, 0.0, -1.0])
    for width, image in ((2, embedded), (4, pair.image(scale=2.0, width=4))):
        proof = fm.prove(image)
        assert proof.checked
        assert len(proof.claims[0]["network"]["b1"]) == width
        assert 0 < rational(proof.claims[0]["radius"]) <= image.radius


def test_theorem_2_needs_no_ball_arithmetic(monkeypatch):
    from fastminima.theorems.theorem2 import counterexample as theorem2

    class Missing:
        def __init__(self, *_):
            raise fm.errors.MissingDependencyError(
                "python-flint is not installed; pip install 'fastminima[proof]'"
            )

    monkeypatch.setattr(theorem2, "Balls", Missing)
    pair = fm.counterexample("sigmoid")
    assert not pair.certified
    proof = fm.prove(pair)
    assert proof.checked
    assert rational(proof.claims[0]["radius"]) > 2


def test_a_function_that_can_only_be_called_is_not_proved():
    h = fm.Smooth(
        np.tanh, lambda t: 1 - np.tanh(t) ** 2, lambda t: -2 * np.tanh(t) * (1 - np.tanh(t) ** 2), name="mine"
    )
    with pytest.raises(ProofError, match="has no formula"):
        fm.prove(fm.counterexample(h))


# ---- theorem 4 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [[2, 2, 2], [4, 3, 2], [2, 3, 3, 4], [3, 3, 3, 3, 2], [1, 2, 2, 2, 2, 1]])
@pytest.mark.parametrize("kind", ["saddle", "minimum"])
def test_critical_points_of_linear_networks(widths, kind):
    for seed in range(examples(3)):
        point = fm.critical_point(widths=widths, kind=kind, rng=seed)
        report = fm.classify_linear(point.weights, point.loss)
        proof = fm.prove(report, point.loss)
        assert proof.checked
        assert names(proof) == (["global minimum"] if kind == "minimum" else ["saddle", "escape"])
        assert fm.check(proof, point.loss)
        assert fm.check(proof, (point.loss.X, point.loss.Y))
        assert not fm.check(proof, (point.loss.X + 1.0, point.loss.Y))


def test_all_weights_zero_with_eight_hidden_layers_and_a_bias():
    rng = np.random.default_rng(1)
    loss = fm.SquaredLoss(rng.integers(-3, 4, (9, 2)), rng.integers(-3, 4, (9, 2)), bias=True)
    weights = [np.zeros((3, 3)), *[np.zeros((3, 3))] * 7, np.zeros((2, 3))]
    proof = fm.prove(fm.classify_linear(weights, loss), loss)
    assert proof.checked
    assert proof.content["setting"]["bias"] is True


def test_rational_data_of_a_linear_network():
    loss = fm.SquaredLoss([[Fraction(1, 3)], [2]], [[Fraction(1, 7)], [1]])
    proof = fm.prove(fm.classify_linear([[[0.0]], [[0.0]]], loss), loss)
    assert proof.meaning == "rational"
    assert proof.checked


def test_reports_without_a_certificate():
    point = fm.critical_point(widths=[3, 2, 2], rng=1)
    with pytest.raises(ProofError, match="not decided exactly"):
        fm.prove(fm.classify_linear(point.weights, point.loss, tol=1e-6), point.loss)
    moved = [point.weights[0] + 1.0, *point.weights[1:]]
    with pytest.raises(ProofError, match="no certificate for not_critical"):
        fm.prove(fm.classify_linear(moved, point.loss), point.loss)
    with pytest.raises(ProofError, match="SquaredLoss"):
        fm.prove(fm.classify_linear(point.weights, point.loss), None)


def fitted_exactly(slope, rows):
    """A certificate of a global minimum of one weight after another, and the loss it is about."""
    X, Y = np.array(rows, dtype=object)[:, :1], np.array(rows, dtype=object)[:, 1:]
    loss = fm.SquaredLoss(X, Y)
    report = fm.classify_linear([np.array([[1.0]]), np.array([[slope]])], loss)
    return fm.prove(report, loss), loss


def test_the_meaning_of_numbers_counts_in_theorem_4(tmp_path):
    """y = 3x of decimals is not so of their float64 numbers, nor the other way round."""
    table = tmp_path / "table.csv"
    table.write_text("x,y\n0.1,0.3\n0.7,2.1\n")
    decimals = [[Fraction("0.1"), Fraction("0.3")], [Fraction("0.7"), Fraction("2.1")]]
    proof, loss = fitted_exactly(3.0, decimals)
    assert proof.meaning == "rational"
    assert fm.check(proof, loss)
    floats = fm.SquaredLoss(*(np.array(decimals, dtype=float)[:, k : k + 1] for k in (0, 1)))
    assert (
        fm.check(proof, floats).reason == "the certificate is about rational numbers, these data are binary"
    )
    as_decimal = Certificate(proof.content | {"meaning": "decimal"})
    assert "is about decimal numbers, these data are rational" in fm.check(as_decimal, loss).reason
    assert "is about decimal numbers, these data are binary" in fm.check(as_decimal, floats).reason
    assert check_loss(as_decimal, loss, meaning="decimal")
    assert fm.check(as_decimal, table, target="y")
    assert not fm.check(proof, table, target="y")
    no_meaning = Certificate({name: value for name, value in proof.content.items() if name != "meaning"})
    assert "is about None numbers" in fm.check(no_meaning, loss).reason


@pytest.mark.parametrize("bias", [False, True])
def test_the_bias_counts_in_theorem_4(bias):
    X, Y = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [3.0], [2.0]])
    loss, other = fm.SquaredLoss(X, Y, bias=bias), fm.SquaredLoss(X, Y, bias=not bias)
    weights = [np.zeros((1, 1 + bias)), np.zeros((1, 1))]
    proof = fm.prove(fm.classify_linear(weights, loss), loss)
    assert fm.check(proof, loss)
    assert fm.check(proof, (X, Y))
    found = fm.check(proof, other)
    assert not found
    assert found.reason == (
        "the certificate is about a loss with a constant input, this loss has none (bias=False)"
        if bias
        else "the certificate is about a loss without a constant input, this loss has one (bias=True)"
    )


def test_files_with_several_targets_are_checked_by_name(tmp_path):
    point = fm.critical_point(widths=[3, 2, 2], rng=1)
    proof = fm.prove(fm.classify_linear(point.weights, point.loss), point.loss)
    np.save(tmp_path / "table.npy", np.hstack([point.loss.X, point.loss.Y]))
    assert fm.check(proof, tmp_path / "table.npy", target=[-2, -1])
    assert "in another order" not in fm.check(proof, tmp_path / "table.npy", target=[-2, -1]).reason
    assert "these are not the data" in fm.check(proof, tmp_path / "table.npy", target=[-1, -2]).reason
    assert "(targets, weights) = (2, False)" in fm.check(proof, tmp_path / "table.npy", target=-1).reason
