"""Width 1: what the status says is proved, and a width that theorem 1 does not promise is never called spurious for it."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.cli.main import main
from fastminima.theorems.theorem1.width_one import better_knot
from profiles import examples

SLOPES = [(1, 0), (1, Fraction(1, 4)), (Fraction(1, 3), 2), (2, 1)]


def gain(x, y, w, knot, slopes):
    """How far least squares on (1, g(x - knot)) lies below the mean, times 2."""
    left, right = slopes
    g = [(right if v > knot else left) * (v - knot) for v in x]
    total = sum(w)
    mean_g, mean_y = (sum(a * b for a, b in zip(w, v, strict=True)) / total for v in (g, y))
    size = sum(a * (b - mean_g) ** 2 for a, b in zip(w, g, strict=True))
    along = sum(a * (b - mean_g) * (c - mean_y) for a, b, c in zip(w, g, y, strict=True))
    return along**2 / size if size else Fraction(0)


@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(-5, 5), st.integers(1, 3)), min_size=3, max_size=7),
    st.sampled_from(SLOPES),
)
@settings(max_examples=examples(250), deadline=None)
def test_one_input_is_decided_as_a_dense_grid_of_knots_sees_it(samples, slopes):
    x, y, w = ([Fraction(v) for v in column] for column in zip(*samples, strict=True))
    sums = {}
    for a, b, c in samples:
        known = sums.setdefault(a, [0, 0])
        known[0] += c
        known[1] += c * b
    if len(sums) < 2:
        return
    plus, minus = map(Fraction, slopes)
    linear = gain(x, y, w, min(x) - 1, (plus, plus))
    knot = better_knot(sums, (plus, minus))
    if knot is not None:
        # the knot itself is the proof
        assert max(gain(x, y, w, knot, s) for s in ((minus, plus), (plus, minus))) > linear
        return
    places = sorted(sums)
    for a, b in pairwise(places):
        for k in range(41):
            t = a + (b - a) * Fraction(k, 40)
            for order in ((minus, plus), (plus, minus)):
                assert gain(x, y, w, t, order) <= linear


def hill(n=9):
    """A line with two small equal bumps up and down: no single bend is better."""
    x = np.arange(float(n))
    y = 2.0 * x
    y[n // 3] += 0.01
    y[n - 1 - n // 3] -= 0.01
    return x, y


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (2.0, 0.0)])
@pytest.mark.parametrize("repeat", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_linear_fit_that_one_unit_cannot_beat_is_global_at_width_one(slopes, repeat, weighted):
    x, y = hill()
    x, y = np.repeat(x, repeat), np.repeat(y, repeat)
    weight = np.full(len(x), 0.5) if weighted else None
    data = fm.Dataset(x[:, None], y, sample_weight=weight)
    low = fm.spurious_minimum(data, fm.PiecewiseLinear(*slopes), width=1)
    assert low.status == "global"
    assert "width 1" in low.reason
    assert not str(low).startswith("spurious")
    assert fm.spurious_minimum(data, fm.PiecewiseLinear(*slopes)).status == "spurious"
    # the same inputs twice, or on a line in the plane, are the same question
    for X in (np.stack([x, x], axis=1), np.stack([0.5 * x, 1.0 - x], axis=1), np.stack([0 * x, x], axis=1)):
        same = fm.Dataset(X, y, sample_weight=weight)
        assert fm.spurious_minimum(same, fm.PiecewiseLinear(*slopes), width=1).status == "global"


def test_rational_data_are_decided_too():
    x, y = hill()
    X = np.array([[Fraction(int(v), 3)] for v in x], dtype=object)
    target = np.array([Fraction(round(100 * v), 300) for v in y], dtype=object)
    assert fm.spurious_minimum(fm.Dataset(X, target), width=1).status == "global"


def test_a_bend_makes_the_minimum_spurious_at_width_one():
    x = np.linspace(-2.0, 3.0, 21)
    low = fm.spurious_minimum((x[:, None], np.maximum(x, 0.0)), width=1)
    assert low.status == "spurious"
    assert "width 1" in low.reason
    # leaky, with the steep side on the left
    leaky = fm.leaky_relu(0.5)
    low = fm.spurious_minimum((x[:, None], np.where(x < 1.0, -2.0 * x, -x - 1.0)), leaky, width=1)
    assert low.status == "spurious"


def test_several_inputs_are_spurious_where_a_better_unit_is_proved_and_open_elsewhere():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 3))
    bent = np.maximum(X @ [1.0, -2.0, 0.5] - 0.3, 0.0)
    for weight in (None, rng.integers(1, 4, 60) * 1.0):
        low = fm.spurious_minimum(fm.Dataset(X, bent, sample_weight=weight), fm.relu, width=1)
        assert low.status == "spurious"
        assert "proved" in low.reason
    # a plane over a grid, with a bump up and a bump down inside
    X = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    line = X @ [1.0, 2.0]
    line[11] += 0.001
    line[13] -= 0.001
    low = fm.spurious_minimum(fm.Dataset(X, line), width=1)
    assert low.status == "undecided"
    assert "width 1" in low.reason
    assert "undecided" in str(low)
    # at width 2 nothing has changed
    assert fm.spurious_minimum(fm.Dataset(X, line)).status == "spurious"


def test_the_command_line_the_scan_and_json_say_the_same(tmp_path, capsys):
    x, y = hill()
    path = tmp_path / "hill.csv"
    path.write_text("x,y\n" + "\n".join(f"{a!r},{b!r}" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    wanted = fm.spurious_minimum(fm.Dataset(x[:, None], y), width=1)
    assert main(["construct", str(path), "--target", "y", "--width", "1", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["minimum"]
    assert (told["status"], told["reason"]) == ("global", wanted.reason)
    # nothing is spurious: the answer is no
    assert main(["construct", str(path), "--target", "y", "--width", "1"]) == 1
    printed = capsys.readouterr().out
    assert "spurious" not in printed
    assert "best network of width 1" in " ".join(printed.split())
    report = fm.scan([path], target="y", width=1)
    assert report[0].status == "global"
    assert report[0].row()["reason"] == wanted.reason
