"""`decide` against the conditions of the theory: hand-checked numbers, exact risks, attacks inside the region."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import DataError, DataTypeError, NetworkError, OptionError
from fastminima.exact.affine import Columns
from fastminima.exact.fit import ExactFit
from fastminima.exact.matrix import dot
from fastminima.landscape.decide import programme, zonotope
from fastminima.landscape.decide.decision import OffUnit, decide
from fastminima.landscape.decide.stationarity import Stationarity
from fastminima.landscape.polish.exact_face import minimum_on_face
from fastminima.networks.rational_network import RationalNetwork
from profiles import examples

F = Fraction
LINE = [[float(x)] for x in range(-3, 4)]
SMALL = st.integers(-3, 3)


def rational(rows, output, bias, activation=fm.relu):
    return RationalNetwork(
        tuple(tuple(map(F, row)) for row in rows), tuple(map(F, output)), F(bias), activation
    )


def risk(network, data):
    """1/2 sum w (f - y)^2, a rational per sample."""
    s_plus, s_minus = network.slopes
    total = F(0)
    weight = [1.0] * data.n_samples if data.sample_weight is None else data.sample_weight.tolist()
    for x, y, w in zip(data.X.tolist(), data.y.tolist(), weight, strict=True):
        f = network.bias
        for row, a in zip(network.rows, network.output, strict=True):
            z = dot(row, [*map(F, x), F(1)])
            f += a * z * (s_plus if z > 0 else s_minus)
        total += F(w) * (f - F(y)) ** 2
    return total / 2


def test_a_kink_with_a_multiplier_to_every_digit():
    data = fm.Dataset(LINE, [2.0, -3, -2, -2, -2, 2, 3])
    v = decide(rational([[F(31, 13), F(-31, 13)]], [1], F(-17, 13)), data)
    assert v.verdict == "local_minimum"
    assert v.exact_risk == F(106, 13)
    assert [(k.unit, k.sample, k.multiplier, k.limit) for k in v.kinks] == [(0, 4, F(-3, 26), F(9, 26))]
    assert v.region.radius_squared == 1
    assert v.radius == 1.0


def test_an_exact_tie_is_a_minimum():
    data = fm.Dataset(LINE, [0.0, 0, 2, 3, -3, -2, 2])
    v = decide(fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, fm.relu), data)
    assert v
    assert (v.exact_risk, v.radius) == (13, 1.0)
    assert v.multipliers == [(0, 5, F(1), F(1))]


def test_the_minimum_of_stackloss_to_every_digit():
    statsmodels = pytest.importorskip("statsmodels.api")
    frame = statsmodels.datasets.stackloss.load_pandas().data
    data = fm.Dataset(frame[["AIRFLOW", "WATERTEMP", "ACIDCONC"]], frame["STACKLOSS"])
    sides = np.ones((21, 2), dtype=np.int8)
    sides[9:20, 1], sides[20, 1] = -1, 0
    # the first unit is positive everywhere: its bias and the output bias are one variable, and a start says where it stays
    start = rational([[1, 1, 0, 200], [0, 1, -1, 65]], [1, 1], 0)
    held = [[], [tuple(map(F, [*data.X[20].tolist(), 1]))]]
    v = decide(minimum_on_face(Columns(data), sides, held, start), data)
    assert v
    assert v.exact_risk == F(1543539864743607, 27051299088128)
    ((unit, sample, value, limit),) = v.multipliers
    assert (unit, sample) == (1, 20)
    assert float(abs(value) / limit) == pytest.approx(0.680975, abs=5e-7)
    assert v.radius == pytest.approx(0.00441665629, abs=5e-12)


def lattice(draw, m, dx):
    X = [[float(draw(SMALL)) / 2 for _ in range(dx)] for _ in range(m)]
    y = [float(draw(SMALL)) for _ in range(m)]
    weighted = draw(st.booleans())
    w = [float(draw(st.integers(1, 3))) for _ in range(m)] if weighted else None
    return fm.Dataset(X, y, sample_weight=w)


@st.composite
def cases(draw):
    """Small data with equal inputs, boundaries, units that are off, and all slopes."""
    m, dx, d1 = draw(st.integers(1, 7)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    data = lattice(draw, m, dx)
    slopes = draw(st.sampled_from([(1.0, 0.0), (1.0, 0.25), (0.5, 2.0)]))
    rows = [[draw(SMALL) for _ in range(dx + 1)] for _ in range(d1)]
    output = [draw(st.sampled_from([-1, 1, 0, F(1, 2)])) for _ in range(d1)]
    return data, rational(rows, output, draw(SMALL), fm.PiecewiseLinear(*slopes))


@settings(max_examples=examples(150), deadline=None)
@given(case=cases(), seed=st.integers(0, 2**32 - 1))
def test_sums_risks_and_escapes_are_exact(case, seed):
    data, network = case
    sums = Stationarity(network, data)
    assert sums.risk == risk(network, data)
    assert sums.total == sum((sums.exact_G(g) for g in range(sums.n_groups)), F(0))
    for g in range(sums.n_groups):
        G = sums.exact_G(g)
        assert sums.G_sides[g] == (G > 0) - (G < 0)
    v = decide(network, data, ball=0.125)
    if v.verdict == "not_a_minimum":
        assert risk(v.escape.exact, data) == v.exact_risk - v.escape.drop < v.exact_risk
        assert v.escape.exact.distance_squared(network) == v.escape.distance_squared <= F(1, 64)
        return
    assert v.verdict == "local_minimum"
    assert all(abs(k.multiplier) <= k.limit for k in v.kinks if k.multiplier is not None)
    # nothing in the region is lower: attacks with exact risks
    rng = np.random.default_rng(seed)
    radius = v.radius if np.isfinite(v.radius) else 1.0
    for _ in range(20):
        size = F(float(rng.choice([radius * 0.99, 1e-3 * radius, 2.0])))
        n = sum(map(len, network.rows)) + network.width + 1
        step = rng.standard_normal(n)
        step = [F(float(t)) * size for t in step / np.linalg.norm(step)]
        other = moved(network, step)
        inside = v.region.contains(other)
        if v.region.radius_squared is None or sum(t * t for t in step) < v.region.radius_squared:
            assert risk(other, data) >= v.exact_risk
        if inside:
            assert risk(other, data) >= v.exact_risk


def moved(network, step):
    rows, at = [], 0
    for row in network.rows:
        rows.append(tuple(a + b for a, b in zip(row, step[at : at + len(row)], strict=True)))
        at += len(row)
    output = tuple(a + b for a, b in zip(network.output, step[at:-1], strict=True))
    return RationalNetwork(tuple(rows), output, network.bias + step[-1], network.activation)


@settings(max_examples=examples(60), deadline=None)
@given(case=cases(), order=st.randoms(use_true_random=False))
def test_verdicts_do_not_depend_on_order_weights_or_scale(case, order):
    data, network = case
    want = decide(network, data).verdict
    rows = list(range(data.n_samples))
    order.shuffle(rows)
    weight = np.ones(len(rows)) if data.sample_weight is None else data.sample_weight
    mixed = fm.Dataset(data.X[rows], data.y[rows], sample_weight=weight[rows])
    assert decide(network, mixed).verdict == want
    repeated = np.repeat(np.arange(len(rows)), weight.astype(int))
    assert decide(network, fm.Dataset(data.X[repeated], data.y[repeated])).verdict == want
    scaled = RationalNetwork(
        tuple(tuple(2 * v for v in row) for row in network.rows),
        tuple(a / 2 for a in network.output), network.bias, network.activation,
    )  # fmt: skip
    assert decide(scaled, data).verdict == want


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data())
def test_one_of_two_holds_of_a_point_and_a_zonotope(data):
    n = data.draw(st.integers(1, 3))
    inputs = list(
        {(*(F(data.draw(SMALL)) for _ in range(n - 1)), F(1)) for _ in range(data.draw(st.integers(0, 5)))}
    )
    d = [F(data.draw(st.integers(1, 4)), 2) for _ in inputs]
    share = [data.draw(st.sampled_from([F(-1), F(1), F(0), F(1, 3), F(5, 4)])) for _ in inputs]
    p = tuple(
        sum(
            (s * t * x[i] for s, t, x in zip(share, d, inputs, strict=True)),
            F(data.draw(st.sampled_from([0, 0, 1]))),
        )
        for i in range(n)
    )
    answers = [programme.multipliers(p, inputs, d)]
    if any(p):
        answers.append(programme._simplex(p, inputs, d))
    for answer in answers:
        if answer.v is not None:
            assert programme.outside(p, inputs, d, answer.v)
        else:
            assert all(abs(t) <= limit for t, limit in zip(answer.values, d, strict=True))
            total = [
                sum((t * x[i] for t, x in zip(answer.values, inputs, strict=True)), F(0)) for i in range(n)
            ]
            assert tuple(total) == p
    assert len({answer.v is None for answer in answers}) == 1


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data())
def test_concave_kinks_by_vertices_and_by_lines_agree(data):
    n = data.draw(st.integers(2, 3))
    count = data.draw(st.integers(n + 1, 6))
    inputs = list({(*(F(data.draw(SMALL)) for _ in range(n - 1)), F(1)) for _ in range(count)})
    d = [F(data.draw(st.sampled_from([-1, 2, 3, 4, 5])), 2) for _ in inputs]
    p = tuple(F(data.draw(SMALL)) for _ in range(n))

    def rate(v):
        return dot(p, v) + sum((t * abs(dot(x, v)) for x, t in zip(inputs, d, strict=True)), F(0))

    verdicts = set()
    for budget in (4096, 0):
        kept = zonotope.BUDGET, zonotope._by_chance
        zonotope.BUDGET, zonotope._by_chance = budget or 4096, kept[1] if budget else (lambda *a: None)
        try:
            answer = zonotope.decide_unit(p, inputs, d)
        finally:
            zonotope.BUDGET, zonotope._by_chance = kept
        if isinstance(answer, zonotope.Escaping):
            assert rate(answer.v) < 0
        verdicts.add(isinstance(answer, zonotope.Contained))
    zero = (F(0),) * n
    basis = programme.in_span(zero, inputs)[0]
    rank = len(basis)
    if any(t < 0 for t in d) and rank < len(inputs) and programme.in_span(p, inputs)[2] is None:
        by_lines = zonotope._by_lines(p, inputs, d, basis)
        if isinstance(by_lines, zonotope.Escaping):
            assert rate(by_lines.v) < 0
        verdicts.add(isinstance(by_lines, zonotope.Contained))
    assert len(verdicts) == 1


def test_beyond_the_budget_the_answer_is_a_count(monkeypatch):
    monkeypatch.setattr(zonotope, "BUDGET", 1)
    inputs = [(F(x), F(x * x), F(1)) for x in range(-3, 4)]
    answer = zonotope.decide_unit((F(0),) * 3, inputs, [F(5), F(5), F(5), F(-1), F(-1), F(5), F(5)])
    assert answer == zonotope.Unknown(2, 7, 3)


def test_units_that_are_off_leave_at_constant_risk():
    data = fm.load_demo("diabetes")
    solved = ExactFit.of(data)
    # theorem 1's minimum in rational numbers: one unit positive everywhere, one that adds nothing
    lift = F(
        2
        * min(
            float(v) for v in (data.X @ np.array([float(c) for c in solved.coef])) + float(solved.intercept)
        )
    )
    low = min(lift, F(-1))
    network = rational([[*solved.coef, solved.intercept - low], [*[0] * 10, -low]], [1, 0], low)
    v = decide(network, data)
    assert v
    assert v.exact_risk == solved.risk
    assert v.off_units == {1: OffUnit.NO_OUTPUT_WEIGHT}
    path = v.leave
    assert all(decide(point, data).exact_risk == v.exact_risk for point in path.path)
    assert decide(path.exact, data).exact_risk == v.exact_risk - path.drop < v.exact_risk


def test_all_units_dead_is_a_minimum_with_a_radius():
    data = fm.Dataset([[0.0], [1.0], [2.0]], [1.0, 2.0, 6.0])
    v = decide(fm.OneHiddenLayer([[-1.0], [-2.0]], [-1.0, -4.0], [1.0, 1.0], 3.0, fm.relu), data)
    assert v
    assert set(v.off_units.values()) == {OffUnit.DEAD}
    assert v.radius == pytest.approx(1.0)
    assert v.leave.drop > 0


def test_a_network_without_residual_sums_is_never_beaten():
    data = fm.Dataset([[0.0], [0.0], [1.0]], [1.0, 3.0, 2.0])
    v = decide(fm.OneHiddenLayer([[0.0]], [0.0], [0.0], 2.0, fm.relu), data)
    assert v
    assert v.radius == np.inf
    assert v.region.contains(fm.OneHiddenLayer([[9.0]], [-3.0], [5.0], 7.0, fm.relu))


def test_what_does_not_fit_is_refused_by_name():
    data = fm.Dataset(LINE, [0.0, 0, 2, 3, -3, -2, 2])
    network = fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, fm.relu)
    with pytest.raises(DataTypeError, match="decide takes a Dataset"):
        decide(network, LINE)
    with pytest.raises(DataTypeError, match="decide takes a OneHiddenLayer"):
        decide(data, data)
    with pytest.raises(NetworkError, match="PiecewiseLinear"):
        decide(fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, np.tanh), data)
    with pytest.raises(DataError, match="takes 2 inputs"):
        decide(fm.OneHiddenLayer([[2.0, 1.0]], [-4.0], [1.0], 0.0, fm.relu), data)
    for ball in (0, -1.0, np.nan, np.inf, True):
        with pytest.raises(OptionError, match="ball must be a positive number"):
            decide(network, data, ball=ball)
    with pytest.raises(NetworkError, match="the region is about networks of width 1"):
        decide(network, data).region.contains(
            fm.OneHiddenLayer([[2.0]] * 2, [0.0] * 2, [1.0] * 2, 0.0, fm.relu)
        )
