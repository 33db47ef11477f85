"""Lower bounds of the risk for a width: never above a network, additive over lines, exact where the theory says so."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import EffortWarning, OptionError, TargetError
from fastminima.landscape.bracket import lines, points_on_a_line
from fastminima.landscape.bracket.lower_bound import lower_bounds
from fastminima.landscape.bracket.points_on_a_line import PointsOnALine, joined_bytes, pieces_bounds
from profiles import examples


def _risk(network, data):
    """Exact risk of a float64 network with a piecewise linear activation."""
    plus, minus = Fraction(network.activation.s_plus), Fraction(network.activation.s_minus)
    weights = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
    total = Fraction(0)
    for x, y, w in zip(data.X.tolist(), data.y.tolist(), weights.tolist(), strict=True):
        f = Fraction(network.b2)
        for row, b, a in zip(network.W1.tolist(), network.b1.tolist(), network.W2.tolist(), strict=True):
            z = Fraction(b) + sum(Fraction(v) * Fraction(c) for v, c in zip(row, x, strict=True))
            f += Fraction(a) * z * (plus if z > 0 else minus)
        total += Fraction(w) * (f - Fraction(y)) ** 2
    return total / 2


@st.composite
def tables(draw):
    """Small tables on a grid: ties, equal inputs, weights, lines along both coordinates."""
    dx = draw(st.integers(1, 3))
    m = draw(st.integers(1, 14))
    X = draw(st.lists(st.lists(st.integers(-3, 3), min_size=dx, max_size=dx), min_size=m, max_size=m))
    y = draw(st.lists(st.integers(-5, 5), min_size=m, max_size=m))
    w = draw(st.none() | st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=m, max_size=m))
    return fm.Dataset(np.array(X, float), np.array(y, float), sample_weight=w)


@settings(max_examples=examples(60), deadline=None)
@given(
    tables(), st.integers(1, 3), st.integers(0, 2**32 - 1), st.sampled_from([fm.relu, fm.leaky_relu(0.25)])
)
def test_no_polished_network_is_below(data, width, seed, activation):
    rng = np.random.default_rng(seed)
    found = lower_bounds(data, [width])[width]
    assert found.pure_error <= found.exact
    assert Fraction(found.value) <= found.exact
    assert found.exact <= fm.least_squares(data).exact.risk
    for _ in range(3):
        start = fm.OneHiddenLayer(
            rng.normal(size=(width, data.n_features)),
            rng.normal(size=width),
            rng.normal(size=width),
            0.0,
            activation,
        )
        assert found.exact <= _risk(start, data)
        assert found.exact <= fm.polish(start, data).decision.exact_risk


@settings(max_examples=examples(60), deadline=None)
@given(tables())
def test_lines_are_disjoint_along_one_coordinate_and_add_up(data):
    for width, found in lower_bounds(data, [1, 2]).items():
        used = [g for line in found.lines for g in line.groups]
        assert len(used) == len(set(used))
        assert found.exact == found.pure_error + sum((line.bound for line in found.lines), Fraction(0))
        index = np.unique(data.X, axis=0, return_index=True)[1]
        first = np.sort(index)
        for line in found.lines:
            rows = data.X[first[list(line.groups)]]
            assert len(rows) >= width + 3
            if data.n_features > 1 and found.fact == "lines":
                others = np.delete(rows, line.column, axis=1)
                assert (others == others[0]).all()
            assert (np.diff(rows[:, line.column]) > 0).all()


def test_wider_networks_have_lower_bounds_that_do_not_rise():
    rng = np.random.default_rng(3)
    data = fm.Dataset(rng.normal(size=(60, 1)), rng.normal(size=60))
    values = [b.value for b in lower_bounds(data, range(1, 9)).values()]
    assert values == sorted(values, reverse=True)
    assert values[0] < fm.least_squares(data).risk


def test_a_shift_and_a_scale_of_the_data_change_nothing_but_the_unit():
    rng = np.random.default_rng(4)
    x, y = rng.integers(-50, 50, 40).astype(float), rng.integers(-9, 9, 40).astype(float)
    one = lower_bounds(fm.Dataset(x[:, None], y), [2])[2].value
    two = lower_bounds(fm.Dataset(x[:, None] * 2.0**300 + 2.0**310, y * 4.0 + 2.0**20), [2])[2].value
    assert two == pytest.approx(16 * one, rel=1e-9)


def test_inputs_that_are_affine_functions_of_one_are_one_input():
    rng = np.random.default_rng(5)
    x, y = rng.integers(-50, 50, 30).astype(float), rng.integers(-9, 9, 30).astype(float)
    one = lower_bounds(fm.Dataset(x[:, None], y), [1, 2])
    two = lower_bounds(fm.Dataset(np.column_stack([np.ones(30), x, 3 - 2 * x]), y), [1, 2])
    for width in (1, 2):
        assert two[width].fact == "pieces joined at kinks"
        assert two[width].value == pytest.approx(one[width].value, rel=1e-9)


def test_at_width_one_the_bound_is_below_the_best_knot_and_near_it():
    """Facts: one kink and a free affine part are one unit more than width 1; the bound is exact for them."""
    data = fm.Dataset([[float(x)] for x in range(-3, 4)], [0.0, 0, 2, 3, -3, -2, 2])
    found = lower_bounds(data, [1])[1]
    better = fm.better_point(fm.spurious_minimum(data, width=2), method="kink")
    assert found.value <= better.risk
    assert found.value == pytest.approx(better.risk, rel=1e-9)


def test_too_many_points_or_bits_fall_back_and_say_so(monkeypatch):
    rng = np.random.default_rng(6)
    points = PointsOnALine(
        tuple(range(30)), (Fraction(1),) * 30, tuple(map(Fraction, rng.integers(-9, 9, 30).tolist()))
    )
    joined = pieces_bounds(points, 2)
    monkeypatch.setattr(points_on_a_line, "MOST_JOINED", 29)
    independent = pieces_bounds(points, 2)
    assert joined.joined
    assert not independent.joined
    assert independent.bounds[2] <= joined.bounds[2]
    # 10 points a stretch, and too many points
    monkeypatch.setattr(points_on_a_line, "MOST_STEPS", 1_500)
    in_stretches = pieces_bounds(points, 2)
    assert 0 < in_stretches.bounds[2] <= independent.bounds[2]
    assert in_stretches.bounds[2] == sum(pieces_bounds(points.part(k, k + 10), 2, False).bounds[2] for k in (0, 10, 20))
    monkeypatch.setattr(points_on_a_line, "MOST_POINTS", 29)
    assert pieces_bounds(points, 2) is None
    wide = PointsOnALine((0, 1, 2**500 + 2**300 + 3), (Fraction(1),) * 3, (Fraction(0),) * 3)
    assert pieces_bounds(wide, 0) is None
    data = fm.Dataset([[0.0], [2.0**-300], [1.0], [2.0**300], [2.0**301]], [0.0, 5, 1, 2, 1])
    assert lower_bounds(data, [1])[1].fact == "pure error"


def line(n):
    rng = np.random.default_rng(n)
    return fm.Dataset(np.arange(float(n))[:, None], rng.integers(-9, 10, n).astype(float))


def test_a_recursion_that_would_not_fit_is_said_before_anything_starts(monkeypatch):
    """Just too many points for joined pieces; and as many kinks as need gigabytes, beside one that does not."""
    with pytest.warns(EffortWarning, match=r"^width 1: .* 1,201 points .* GiB and .* instead: independent pieces") as said:
        found = lower_bounds(line(1201), [1])[1]
    assert found.fact == "independent pieces"
    assert found.notes == (str(said[0].message),)
    assert said[0].filename == __file__
    with pytest.warns(EffortWarning) as said:
        found = lower_bounds(line(1000), [1, 150, 200, 600])
    texts = [str(one.message) for one in said]
    assert [text.partition(":")[0] for text in texts] == ["width 150, 200", "width 600"]
    assert "would take 0.772 GiB and 3.5e+10 steps" in texts[0]
    assert texts[1].endswith("used instead: the pure error of equal inputs")
    facts = ["pieces joined at kinks", "independent pieces", "independent pieces", "pure error"]
    assert [b.fact for b in found.values()] == facts
    assert [b.notes for b in found.values()] == [(), (texts[0],), (texts[0],), (texts[1],)]
    monkeypatch.setattr(points_on_a_line, "MOST_POINTS", 99)
    monkeypatch.setattr(points_on_a_line, "MOST_JOINED", 99)
    with pytest.warns(EffortWarning, match=r"width 2: .* 100 points .* instead: the pure error of equal inputs"):
        found = lower_bounds(line(100), [2, 98])
    assert (found[2].fact, found[98].notes) == ("pure error", ())
    monkeypatch.setattr(points_on_a_line, "MOST_POINTS", 100)
    monkeypatch.setattr(points_on_a_line, "MOST_STEPS", 100 * 20 * 5)
    monkeypatch.setattr(lines, "pieces_bounds", interrupted)
    with pytest.warns(EffortWarning, match="on 5 stretches of the line"), pytest.raises(KeyboardInterrupt):
        lower_bounds(line(100), [2])


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("n", "kinks"), [(300, 1), (300, 60), (90, 200)])
def test_the_memory_of_joined_pieces_is_what_is_said(n, kinks):
    points = PointsOnALine(tuple(range(n)), (Fraction(1),) * n, tuple(Fraction(k % 7) for k in range(n)))
    tracemalloc.start()
    try:
        pieces_bounds(points, kinks)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # and some hundred bytes a point
    assert 0 <= peak - joined_bytes(n, kinks) <= 1_500 * n


def test_what_is_not_a_width_is_refused():
    data = fm.Dataset([[0.0], [1.0]], [0.0, 1])
    for width in (0, -1, 1.5, "a", True):
        with pytest.raises(OptionError, match="width"):
            lower_bounds(data, [width])
    with pytest.raises(TargetError):
        lower_bounds(fm.Dataset([[0.0], [1.0]], [[0.0, 1], [1, 1]]), [1])


def test_interpolated_and_empty_cases_are_zero():
    assert lower_bounds(fm.Dataset([[0.0]], [1.0]), [1])[1].exact == 0
    assert lower_bounds(fm.Dataset(np.empty((3, 0)), [1.0, 2, 3]), [1])[1].exact == 1
    found = lower_bounds(fm.Dataset([[0.0], [1], [2], [3]], [0.0, 1, 0, 1]), [1, 2])
    assert found[2].exact == 0
    assert found[1].exact > 0


def test_widths_asked_for_together_get_the_bounds_they_get_alone():
    rng = np.random.default_rng(3)
    grid = np.array([(i, j) for i in range(9) for j in range(8)], float)
    data = fm.Dataset(grid, rng.integers(-4, 5, len(grid)).astype(float))
    widths = (1, 2, 4)
    together = lower_bounds(data, widths)
    assert together[1].lines
    for width in widths:
        assert together[width] == lower_bounds(data, [width])[width]
