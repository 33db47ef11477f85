"""Certificates of cells of hidden rows: what the checker accepts, and that it refuses what was altered."""

from __future__ import annotations

import copy
import random
from fractions import Fraction as F

import numpy as np
import pytest

import fastminima as fm
from certificates_by_hand import rational
from fastminima.landscape.bracket.lower_bound import lower_bounds
from fastminima.proof import check as checker
from fastminima.proof.certificate import data_rows

NAME = "no lower risk at width with these slopes"
LINE = [[float(v)] for v in range(-3, 4)]
STEPS = [0.0, 0, 2, 3, -3, -2, 2]


def proved(data, width, activation=fm.relu, n_starts=8):
    """A bracket, its data, the content of its certificate without other claims, and the claim in it."""
    b = fm.bracket(data, width, n_starts=n_starts, activation=activation)
    content = copy.deepcopy(fm.prove(b).content)
    (claim,) = (c for c in content["claims"] if c["claim"] == NAME)
    content["claims"] = [claim]
    return b, content, claim


def verdict(content, data):
    text = fm.Certificate(content, "exact").text
    return checker.check(text, lambda: data_rows(data))


@pytest.fixture(scope="module")
def line():
    return proved((LINE, STEPS), 2)


@pytest.fixture(scope="module")
def plane():
    rng = np.random.default_rng(2)
    X = rng.integers(-3, 4, (24, 2)) / 3.0
    y = np.maximum(X.sum(axis=1), 0.0) + rng.integers(-2, 3, 24) / 4.0
    return proved(fm.Dataset(X, y, sample_weight=rng.integers(1, 4, 24) / 2.0), 1, fm.leaky_relu(0.25))


def test_the_floor_of_a_certificate_is_that_of_its_bracket(line, plane):
    for b, content, claim in (line, plane):
        assert b.reason == "branch and bound"
        assert verdict(content, b.data)
        assert b.lower * (1 - 1e-9) <= rational(claim["floor"]) <= b.found.exact_risk
        assert content["setting"] == [str(F(s)) for s in b.bound.slopes]
        assert fm.prove(b).open == ()
        assert NAME in str(verdict(content, b.data).claims)


def test_a_floor_above_what_the_leaves_leave_is_refused(line, plane):
    for b, content, claim in (line, plane):
        changed = copy.deepcopy(content)
        changed["claims"][0]["floor"] = str(rational(claim["floor"]) * (1 + F(1, 10**3)))
        assert "may fall below the floor" in verdict(changed, b.data).reason


def test_every_leaf_and_every_cut_counts(line, plane):
    """Left out, twice, or of another kind; and a leaf without its inequalities where it needs them."""
    draw = random.Random(3)
    for b, content, claim in (line, plane):
        cells = claim["cells"]
        for at in draw.sample(range(len(cells)), 6):
            for changed in (
                cells[:at] + cells[at + 1 :],
                [*cells[:at], cells[at], *cells[at:]],
                [*cells[:at], [2], *cells[at:]],
                [*cells[:at], [2, -1], *cells[at + 1 :]],
            ):
                if changed == cells:
                    continue
                altered = copy.deepcopy(content)
                altered["claims"][0]["cells"] = changed
                assert not verdict(altered, b.data)


def test_altered_inequalities_prove_no_more(line):
    """Whatever they are: a leaf that is accepted with others is accepted because it holds with those."""
    b, content, claim = line
    refused = 0
    bound = [at for at, entry in enumerate(claim["cells"]) if entry[0] == 2 and len(entry) > 3]
    for at in bound[::8]:
        altered = copy.deepcopy(content)
        altered["claims"][0]["cells"][at] = [2]
        refused += not verdict(altered, b.data)
    assert refused
    for words in (
        [3, 0, 0],
        [0, 0],
        [0, 5, 0],
        [0, 0, 9],
        [1, 0, 99],
        [2, 0],
        [2, 0, 0, 2],
        [2, 0, 0, 5],
        [2, 9, 0, 0],
        "2",
        [],
    ):
        altered = copy.deepcopy(content)
        altered["claims"][0]["cells"][0] = words
        assert not verdict(altered, b.data)


def test_other_slopes_widths_forms_and_data_are_refused(line, plane):
    b, content, claim = line
    for path, value in (
        ("width", 3),
        ("width", 0),
        ("forms", [["1", "0"], ["1", "1"]]),
        ("forms", []),
        ("back", [["1", "1"]]),
        ("back", []),
        ("cells", []),
        ("cells", {}),
        ("floor", "x"),
    ):
        altered = copy.deepcopy(content)
        altered["claims"][0][path] = value
        assert not verdict(altered, b.data), path
    assert not verdict(content, fm.Dataset(LINE, [*STEPS[:-1], 2.5]))
    b, content, claim = plane
    # the best networks of the ReLU are others; the same cells need not bound them
    other = {**copy.deepcopy(content), "setting": ["1", "0"]}
    found = verdict(other, b.data)
    best = fm.fit_network(b.data, 1, n_starts=20).exact_risk
    assert not found or rational(claim["floor"]) <= best


def test_more_leaves_than_allowed_are_refused(line, monkeypatch):
    b, content, _ = line
    monkeypatch.setattr(checker, "LEAVES", 10)
    assert "more than 10 leaves" in verdict(content, b.data).reason
    proof = fm.prove(b)
    assert NAME not in [c["claim"] for c in proof.claims]
    assert "more work than the checker may do" in proof.open[0]


def test_columns_that_depend_on_each_other_and_bounds_of_wider_networks():
    t = np.arange(-6.0, 6.0) / 8.0
    data = fm.Dataset(np.column_stack([t, 1.0 - 2.0 * t, np.ones(12)]), np.sin(5 * t))
    b, content, claim = proved(data, 1)
    assert len(claim["forms"]) == 1
    assert verdict(content, data)
    alone = fm.prove(b.bound, data=data)
    assert alone.content["setting"] == ["1", "0"]
    assert alone.claims[-1] == claim
    assert lower_bounds(data, [1])[1].slopes is None
