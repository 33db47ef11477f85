"""The table of witnesses saves the search, and is certified like what a search finds."""

import os

import numpy as np
import pytest

import fastminima as fm
from fastminima.theorems.theorem2 import counterexample as construction
from fastminima.theorems.theorem2 import witnesses

pytest.importorskip("flint")
NAMES = sorted({(entry[0], form) for (_, form), entry in witnesses._FOUND.items()})


def no_search(*args):
    raise AssertionError("a search where the table should do")


@pytest.mark.parametrize(("name", "form"), NAMES)
def test_the_table_is_certified_without_a_search(monkeypatch, name, form):
    for step in ("find_global_minimum", "find_local_minimum", "Bending"):
        monkeypatch.setattr(construction, step, no_search)
    found = fm.counterexample(name, form)
    assert found.certified
    assert found.form == form
    assert found.radius == witnesses._FOUND[str(found.activation), form][-1]
    assert found.zero_risk < 1e-28
    assert all(condition.proved for condition in found.conditions)


def changed(h, form, **new):
    name, zero, flat, case, estimate, radius = witnesses._FOUND[str(h), form]
    entry = dict(zero=zero, flat=flat, case=case, estimate=estimate, radius=radius) | new
    return {(str(h), form): (name, *entry.values())}


@pytest.mark.parametrize(
    "wrong",
    [
        {"radius": 2.0},  # less than the weights, more than is true
        {"zero": (1.0, 2.0, 2.0)},  # a denominator of 0
        {"flat": (0.0, 0.0, -10.0, -10.0)},  # bends the wrong way
        {"case": "mixed"},
    ],
)
def test_what_the_table_says_wrongly_is_not_believed(monkeypatch, wrong):
    h = fm.activation("gaussian")
    truth = fm.counterexample(h, "bias")
    monkeypatch.setattr(witnesses, "_FOUND", changed(h, "bias", **wrong))
    found = fm.counterexample(h, "bias")
    assert (found.witness, found.radius) == (truth.witness, truth.radius)
    assert found.certified


def test_another_function_of_that_name_is_searched():
    tanh = fm.activation("tanh")
    other = fm.Smooth.from_formula(fm.activation("sine").formula, "tanh")
    assert str(other) == str(tanh)
    assert witnesses.known_witness(tanh, "bias") is not None
    assert witnesses.known_witness(other, "bias") is None
    assert witnesses.known_witness(fm.activation("elu", alpha=2.0), "bias") is None


def test_one_form_that_is_certified_ends_the_search(monkeypatch):
    built = []
    build = construction._build
    monkeypatch.setattr(construction, "_build", lambda h, form: built.append(form) or build(h, form))
    assert fm.counterexample(fm.activation("elu", alpha=2.0)).form == "paper"
    assert built == ["paper"]


@pytest.mark.skipif(not os.environ.get("FASTMINIMA_VERIFY"), reason="FASTMINIMA_VERIFY is not set")
@pytest.mark.parametrize(("name", "form"), NAMES)
def test_the_search_finds_what_the_table_has(monkeypatch, name, form):
    known = fm.counterexample(name, form)
    monkeypatch.setattr(witnesses, "_FOUND", {})
    found = fm.counterexample(name, form)
    assert found.certified
    np.testing.assert_allclose(found.radius, known.radius, rtol=1e-5)
    assert found.witness == known.witness
