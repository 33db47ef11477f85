"""Planes through networks: where their points lie, the risk there, the cells, and what cannot be drawn."""

from __future__ import annotations

import doctest
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataError, DataTypeError, NetworkError, OptionError
from fastminima.reporting import slice_plot
from fastminima.reporting.plane_risks import cells_of, points_an_axis
from fastminima.reporting.planes import Plane, flat, plane_through

RELU, TANH = fm.relu, fm.activation("tanh")


def network(seed=0, d1=3, dx=2, activation=RELU, scale=1.0):
    rng = np.random.default_rng(seed)
    return fm.OneHiddenLayer(
        scale * rng.normal(size=(d1, dx)), rng.normal(size=d1), rng.normal(size=d1), 0.3, activation
    )


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    return fm.Dataset(rng.normal(size=(30, 2)), rng.normal(size=30), sample_weight=rng.integers(1, 4, 30))


def at(plane, s, t, like):
    """The network at a point of a plane."""
    vector = plane.centre + s * plane.first + t * plane.second
    d1, dx = like.W1.shape
    cut = d1 * dx
    return fm.OneHiddenLayer(
        vector[:cut].reshape(d1, dx),
        vector[cut : cut + d1],
        vector[cut + d1 : -1],
        vector[-1],
        like.activation,
    )


def exact_risk(net, data):
    return fm.decide(fm.RationalNetwork.of(net), data).exact_risk


@pytest.mark.parametrize("activation", [RELU, fm.leaky_relu(0.1), TANH], ids=str)
@pytest.mark.parametrize("directions", ["random", "gradient"])
def test_the_risk_is_that_of_the_network_there(data, activation, directions):
    net = network(activation=activation)
    found = fm.risk_slice(net, data, 7, directions=directions, seed=3)
    plane = found.plane
    axes = np.array([plane.first, plane.second])
    assert axes @ axes.T == pytest.approx(np.eye(2), abs=1e-14)
    for i, j in ((0, 0), (3, 3), (6, 2)):
        point = at(plane, found.s[j], found.t[i], net)
        assert found.risk[i, j] == pytest.approx(point.risk(data), rel=1e-12)
        assert found.distance[i, j] == pytest.approx(np.linalg.norm(flat(point) - flat(net)), abs=1e-13)
    assert found.excess[3, 3] == 0.0
    assert np.array_equal(found.direction, plane.second)


def test_excesses_at_any_scale_are_right(data):
    """At this distance two risks of 100 differ in their fourteenth digit: a difference of floats has none."""
    net = network()
    found = fm.risk_slice(net, data, 3, span=1e-13)
    base = fm.RationalNetwork.of(net)
    level = exact_risk(net, data)
    for i, j in ((0, 0), (2, 0), (0, 2), (1, 2)):
        move = found.s[j] * found.plane.first + found.t[i] * found.plane.second
        d1, dx = net.W1.shape
        parts = np.split(move, [d1 * dx, d1 * (dx + 1), d1 * (dx + 2)])
        rows = tuple(
            tuple(a + Fraction(b) for a, b in zip(row, [*w, b1], strict=True))
            for row, w, b1 in zip(
                base.rows, parts[0].reshape(d1, dx).tolist(), parts[1].tolist(), strict=True
            )
        )
        output = tuple(a + Fraction(b) for a, b in zip(base.output, parts[2].tolist(), strict=True))
        moved = fm.RationalNetwork(rows, output, base.bias + Fraction(float(parts[3][0])), base.activation)
        excess = float(fm.decide(moved, data).exact_risk - level)
        assert found.excess[i, j] == pytest.approx(excess, rel=1e-10)


@pytest.mark.parametrize("activation", [RELU, TANH], ids=str)
def test_the_gradient_is_the_way_up(data, activation):
    net = network(activation=activation)
    plane = plane_through(net, data, "gradient")
    step = 1e-6
    slopes = [
        (at(plane, s, t, net).risk(data) - at(plane, -s, -t, net).risk(data)) / (2 * step)
        for s, t in ((step, 0.0), (0.0, step))
    ]
    assert slopes[0] > 0.1
    assert abs(slopes[1]) < 1e-5 * slopes[0]


def test_the_same_seed_is_the_same_plane(data):
    net = network()
    a, b, c = (plane_through(net, data, "random", seed=seed).first for seed in (0, 0, 1))
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)


def test_filter_normalised_directions_have_the_norms_of_the_units(data):
    net = network(scale=100.0)
    plane = plane_through(net, data, "random", normalise="filter")
    half = plane.span[1]
    # the first direction as Li et al. have it, their 1 at the edge of the picture
    move = half * plane.first
    d1, dx = net.W1.shape
    for k in range(d1):
        part = np.r_[k * dx : (k + 1) * dx, d1 * dx + k]
        assert np.linalg.norm(move[part]) == pytest.approx(np.linalg.norm(flat(net)[part]), rel=1e-12)
    assert np.linalg.norm(move[d1 * (dx + 1) :]) == pytest.approx(
        np.linalg.norm([*net.W2, net.b2]), rel=1e-12
    )
    unlike = plane_through(net, data, "random").first
    assert abs(unlike @ plane.first) < 0.99
    assert "filter-normalised" in plane.labels[0]


def test_other_networks_lie_in_their_plane(data):
    net, a, b = network(0), network(1), network(2)
    plane = plane_through(net, data, (a, b))
    for mark, other in zip(plane.marks, (a, b), strict=True):
        assert flat(at(plane, mark.s, mark.t, net)) == pytest.approx(flat(other), abs=1e-12)
    assert plane.marks[0].t == pytest.approx(0.0, abs=1e-12)
    s0, s1, t0, t1 = plane.span
    for mark in (*plane.marks, plane.marks[0]):
        assert s0 < mark.s < s1
        assert t0 < mark.t < t1
    one = plane_through(net, data, a)
    assert [mark.label for mark in one.marks] == ["another network"]
    # a result stands for its network
    low = fm.spurious_minimum(data, width=3)
    assert plane_through(net, data, low).marks[0].label == "the spurious minimum"


def test_vectors_are_directions_and_three_are_a_path(data):
    net = network()
    rng = np.random.default_rng(1)
    vectors = list(rng.normal(size=(3, len(flat(net)))))
    plane = plane_through(net, data, vectors[:2])
    assert abs(plane.first @ vectors[0]) == pytest.approx(np.linalg.norm(vectors[0]))
    assert plane.path is None
    assert plane_through(net, data, vectors).path.shape == (3, 2)
    assert plane_through(net, data, np.array(vectors[:2])).path.shape == (2, 2)


def test_a_path_is_seen_along_its_principal_directions(data):
    from sklearn.decomposition import PCA

    net = network()
    rng = np.random.default_rng(8)
    steps = rng.normal(size=(40, len(flat(net)))) * 0.1 + rng.normal(size=len(flat(net)))
    trajectory = flat(net) - np.cumsum(steps, axis=0)[::-1]
    plane = plane_through(net, data, trajectory)
    known = PCA(2).fit(trajectory)
    assert plane.explained == pytest.approx(known.explained_variance_ratio_)
    assert abs(known.components_ @ np.array([plane.first, plane.second]).T) == pytest.approx(
        np.eye(2), abs=1e-9
    )
    assert plane.path[:, 0] == pytest.approx((trajectory - flat(net)) @ plane.first)
    assert f"{plane.explained[0]:.1%}" in plane.labels[0]
    # networks are a path as their vectors are
    nets = [at(Plane(v, v, v, ("", ""), (0, 0, 0, 0)), 0.0, 0.0, net) for v in trajectory]
    assert np.allclose(plane_through(net, data, nets).path, plane.path)
    # points on one line have one principal direction
    line = plane_through(net, data, flat(net) + np.outer([3.0, 2.0, 1.0], steps[0]))
    assert line.explained == pytest.approx((1.0, 0.0))
    assert line.path[:, 1] == pytest.approx(0.0, abs=1e-9)


def test_cells_are_bounded_where_a_unit_changes_side(data):
    net = network()
    plane = plane_through(net, data, "random", seed=2, span=0.7)
    cells = cells_of(plane, net, data, 10_000)
    s0, s1, t0, t1 = plane.span
    corners = [at(plane, s, t, net).preactivations(data) > 0 for s in (s0, s1) for t in (t0, t1)]
    changes = np.any([corner != corners[0] for corner in corners], axis=0)
    # an affine function changes its sign in a box if and only if it does between two corners
    assert cells.total == changes.sum()
    assert {(k, i) for i, k in zip(*np.nonzero(changes), strict=True)} == set(
        zip(cells.unit.tolist(), cells.sample.tolist(), strict=True)
    )
    for (start, end), unit, sample in zip(cells.segments(plane.span), cells.unit, cells.sample, strict=True):
        for s, t in (start, end, 0.3 * start + 0.7 * end):
            assert at(plane, s, t, net).preactivations(data)[sample, unit] == pytest.approx(0.0, abs=1e-12)
    near = cells_of(plane, net, data, 5)
    assert (len(near.unit), near.total) == (5, cells.total)
    assert near.distance().max() <= np.sort(cells.distance())[5]


def test_equal_inputs_have_one_line():
    data = fm.Dataset([[1.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    net = network(dx=1)
    plane = plane_through(net, data, "random", span=50.0)
    assert cells_of(plane, net, data, 100).total == 6


def test_nothing_is_lower_inside_the_ball(data):
    for result in (fm.spurious_minimum(data), fm.polish(network(4), data)):
        found = fm.risk_slice(result, n=31)
        assert found.plane.span[1] == pytest.approx(3 * result.radius)
        inside = found.distance < result.radius
        assert inside.sum() > 50
        assert (found.excess[inside] >= -1e-12 * found.risk[15, 15]).all()


def test_results_suggest_their_direction(data):
    v = fm.decide(network(), data)
    assert [mark.label for mark in fm.risk_slice(v, n=3).plane.marks] == ["the escape"]
    # below a rounded minimum there is only rounding
    p = fm.polish(network(4), data)
    rounded = fm.decide(p.network, data)
    assert rounded.escape is not None
    assert not fm.risk_slice(rounded, n=3).plane.marks
    better = fm.better_point(fm.spurious_minimum(data))
    assert [mark.label for mark in fm.risk_slice(better, n=3).plane.marks] == ["the spurious minimum"]


def test_large_data_get_fewer_points(data):
    assert points_an_axis(network(), data) == 161

    class Many:
        n_samples = 10**6

    assert points_an_axis(network(), Many) == 41


def test_what_spans_no_plane_is_named(data):
    net, other = network(0), network(1)
    direction = np.ones(len(flat(net)))
    low = fm.spurious_minimum(data)
    wrong = [
        ((net, data), {"directions": "randon"}, OptionError, '"random", "gradient"'),
        ((net, data), {"directions": 3}, DataTypeError, "got int"),
        ((net, data), {"directions": ()}, OptionError, "two networks"),
        ((net, data), {"directions": net}, OptionError, "is the one in the middle"),
        ((net, data), {"directions": (other, other)}, OptionError, "parallel"),
        ((net, data), {"directions": (direction, 2 * direction)}, OptionError, "parallel"),
        ((net, data), {"directions": (direction[:3], direction)}, OptionError, "13 finite numbers"),
        ((net, data), {"directions": network(0, d1=2)}, NetworkError, r"W1 of shape \(2, 2\)"),
        ((net, data), {"directions": np.array([direction, direction])}, OptionError, "all the same"),
        ((net, data), {"directions": other, "normalise": "filter"}, OptionError, "lie where they are"),
        ((net, data), {"normalise": "layer"}, OptionError, "normalise"),
        ((net, data), {"span": 0.0}, OptionError, "span"),
        ((net, data), {"span": np.nan}, OptionError, "span"),
        ((net, data), {"seed": -1}, OptionError, "seed"),
        ((net, data, 1), {}, OptionError, "n must be"),
        ((net, data, 3), {"directions": np.array([1.0, 2.0])}, OptionError, "directions must be"),
        ((low,), {"directions": "gradient"}, OptionError, "0 up to rounding"),
        ((net,), {}, DataTypeError, "Dataset"),
        ((net, fm.Dataset([[1.0], [2.0]], [0.0, 1.0])), {}, DataError, "2 inputs"),
        (("net", data), {}, DataTypeError, "got str"),
    ]
    for arguments, options, error, words in wrong:
        with pytest.raises(error, match=words):
            fm.risk_slice(*arguments, **options)
    with pytest.raises(OptionError, match="no option 'colour'"):
        fm.plot_slice(net, data, colour="red")


def test_the_pair_of_theorem_2_is_as_before():
    pair = fm.counterexample("tanh")
    found = fm.risk_slice(pair, 21)
    assert found.risk.shape == (21, 21)
    assert found.distance[10, 5] == pytest.approx(
        np.linalg.norm((found.s[5] * found.plane.first + found.t[10] * found.direction)[:-1])
    )
    assert fm.risk_slice(pair).risk.shape == (161, 161)


def test_the_examples_of_the_documentation_hold():
    assert doctest.testmod(slice_plot).failed == 0
