"""Every result is shown alike: a short repr, a table with units and the formula, as text, HTML and LaTeX."""

from __future__ import annotations

import doctest
import inspect
import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataTypeError
from fastminima.reporting.results import summaries
from fastminima.reporting.results import summary as summary_module
from fastminima.reporting.results.summaries import SUMMARIES
from fastminima.system.results import Result, same
from results import NAMES, TARGET, all_results, data

CLASSES = sorted(
    name
    for name in fm.__all__
    if inspect.isclass(getattr(fm, name)) and issubclass(getattr(fm, name), Result)
)


def results():
    return [one for several in all_results().values() for one in several]


class Tags(HTMLParser):
    """What a browser makes of a page: its tags, their attributes, and the text between them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, text):
        self.text += text


def test_every_public_result_is_among_them():
    assert sorted(all_results()) == CLASSES
    assert sorted(cls.__name__ for cls in SUMMARIES) == CLASSES
    for name, several in all_results().items():
        assert all(type(one) is getattr(fm, name) for one in several)


@pytest.mark.parametrize("name", CLASSES)
def test_no_repr_is_over_ten_lines(name):
    for one in all_results()[name]:
        assert len(repr(one).splitlines()) <= 10
        assert len(repr(one)) <= 2000
        assert type(one).__name__ in repr(one)


def test_no_repr_of_what_results_hold_is_long():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(200, 30)), rng.normal(size=(200, 2))
    network = fm.OneHiddenLayer(rng.normal(size=(50, 30)), rng.normal(size=50), rng.normal(size=50), 0.0, "gelu")
    low = fm.spurious_minimum(fm.Dataset(X, Y[:, 0]))
    several = [
        network, fm.RationalNetwork.of(network), fm.Dataset(X, Y), fm.SquaredLoss(X, Y), fm.HuberLoss(X, Y),
        fm.DeepNetwork([(X[:20], X[:20, 0]), (Y[:20].T, Y[0])], "relu"), fm.risk_slice(low, n=20),
        fm.segment(low, fm.better_point(low)), low.probe(n=200, keep=True).histogram, fm.report(low, certificate=False),
    ]  # fmt: skip
    assert [type(one).__name__ for one in several if len(repr(one)) > 300] == []


@pytest.mark.parametrize("name", CLASSES)
def test_every_result_has_a_table(name):
    for one in all_results()[name]:
        table = one.summary()
        assert table == fm.summary(one)
        assert table.title
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        text = table.as_text()
        assert text == str(table)
        assert not any(ord(c) < 32 and c != "\n" for c in text)
        assert len(text.splitlines()) == 4 + len(table.rows) + 1 + len(table.notes)


@pytest.mark.parametrize("name", CLASSES)
def test_a_page_shows_names_and_obeys_none(name):
    for one in all_results()[name]:
        page = Tags(one._repr_html_())
        assert page.tags <= {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "small"}
        assert page.attributes <= {"class", "style", "scope"}
        assert "onerror" not in page.attributes
    low = all_results()["SpuriousMinimum"][0]
    shown = Tags(low._repr_html_()).text
    assert NAMES[0] in shown
    assert TARGET in shown
    assert r"\x1b[31m" in shown


@pytest.mark.parametrize("name", CLASSES)
def test_latex_is_balanced_and_its_signs_are_escaped(name):
    for one in all_results()[name]:
        text = one.summary().as_latex()
        bare = re.sub(r"\\[\\{}$&#%_]", "", text)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert "#" not in bare
        assert "%" not in bare
        # cells: one sign less than columns in each row
        for line in bare.splitlines():
            assert bare.count("&") == 0 or line.count("&") in (0, len(one.summary().columns) - 1)


def test_the_mean_squared_error_is_that_of_the_predictions():
    table = data()
    low = fm.spurious_minimum(table)
    rows = {quantity: value for quantity, value, _ in low.summary().rows}
    errors = (low.network.predict(table.X) - table.y) ** 2
    expected = float(np.average(errors, weights=table.sample_weight))
    assert float(rows["risk, as mean squared error"]) == pytest.approx(expected, rel=1e-9)
    assert float(rows["risk"]) == pytest.approx(0.5 * float(errors @ table.sample_weight), rel=1e-9)
    units = {quantity: unit for quantity, _, unit in low.summary().rows}
    assert units["risk"] == f"({TARGET})²"
    named = fm.Dataset(table.X, table.y, target_name="price")
    assert fm.least_squares(named).summary().rows[0][2] == "price²"


def test_with_weight_decay_no_mean_squared_error_is_claimed():
    decayed, plain = all_results()["SmoothDecision"]
    assert not any("mean squared" in row[0] for row in decayed.summary().rows)
    assert any("mean squared" in row[0] for row in plain.summary().rows)
    assert any("weight decay" in note for note in decayed.summary().notes)


def test_digits_of_proved_bounds_claim_no_more_than_is_proved():
    better = all_results()["BetterPoint"][0]
    rows = {quantity: value for quantity, value, _ in better.summary().rows}
    assert 0.999 * better.drop_certified < float(rows["drop, proved to be at least"]) <= better.drop_certified
    low = better.low
    rows = {quantity: value for quantity, value, _ in low.summary().rows}
    assert 0.999 * low.radius < float(rows["certified radius"]) <= low.radius
    assert float(rows["excess over least squares, at most"]) >= low.excess


def test_what_is_sampled_is_not_called_proved():
    for name in ("Probe", "ProbeSweep"):
        for one in all_results()[name]:
            words = " ".join([one.summary().title, *(cell for row in one.summary().rows for cell in row)])
            assert not re.search("prove|certif|minimum", words)
            assert any("sampled, not proved" in note for note in one.summary().notes)


def test_long_tables_are_cut_in_notebooks_and_say_so():
    table = fm.Summary("t", ("a",), tuple((str(k),) for k in range(100)))
    assert len(table.head().rows) == 30
    assert "70 more of 100 rows" in table._repr_html_()
    assert table.head(100) == table


def test_brackets_of_several_widths_are_one_table():
    [brackets] = all_results()["Brackets"]
    table = brackets.summary()
    assert [row[0] for row in table.rows] == ["1", "2"]
    for row, bracket in zip(table.rows, brackets, strict=True):
        assert float(row[1]) <= bracket.lower
        assert float(row[2]) >= bracket.upper


def test_rich_prints_the_same_cells():
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=200, record=True, file=io.StringIO())
    table = all_results()["SpuriousMinimum"][0].summary()
    console.print(table)
    shown = console.export_text()
    assert all(row[0] in shown and row[1] in shown for row in table.rows)
    assert "\x1b[31m" not in shown


@pytest.mark.parametrize("wrong", [None, [], [[]], "a", 1.0, fm.relu, fm.Summary("t", ("a",), ())])
def test_what_is_no_result_has_no_table(wrong):
    with pytest.raises(DataTypeError, match="takes a result"):
        fm.summary(wrong)


@pytest.mark.parametrize("name", CLASSES)
def test_equal_results_say_the_same(name):
    several = all_results()[name]
    for k, one in enumerate(several):
        assert one == one
        assert one != "text"
        assert hash(one) == hash(one)
        assert [other == one for other in several] == [j == k for j in range(len(several))]


def test_results_made_twice_are_equal_and_others_are_not():
    one, other = fm.spurious_minimum(data()), fm.spurious_minimum(data())
    assert one is not other
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1
    better, again = fm.better_point(one), fm.better_point(other)
    _ = better.risk  # what has been worked out takes no part
    assert better == again
    assert one != fm.spurious_minimum(data(seed=4))
    assert one != replace(one, radius=math.nextafter(one.radius, 0.0))
    assert one.fit == other.fit
    assert one != one.fit
    decided, twice = fm.decide(one), fm.decide(other)
    _ = decided.exact_risk, decided.region
    assert decided == twice
    assert fm.decide(one, ball=0.5) != twice


def test_values_are_compared_by_what_they_say():
    assert same(math.nan, float("nan"))
    assert same(np.array([1.0, math.nan]), np.array([1.0, math.nan]))
    assert not same(np.array([1.0]), np.array([1]))
    assert not same([1, 2], (1, 2))
    assert not same({"a": 1}, {"b": 1})
    assert same({"a": [np.zeros(2)]}, {"a": [np.zeros(2)]})
    assert same(ValueError("x"), ValueError("x"))
    assert not same(ValueError("x"), ValueError("y"))
    assert not same(1, 1.0)


def test_the_examples_run():
    for module in (summaries, summary_module):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed
