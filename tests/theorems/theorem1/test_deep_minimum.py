"""Theorem 1 for deep networks and several outputs, against rational arithmetic that shares no code with it."""

from __future__ import annotations

import doctest
import math
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import ActivationError, LossError, NetworkError, TargetError
from fastminima.networks.activations.affine_segment import affine_segment
from fastminima.theorems.theorem1.certify_cell import cell_forms, certified_radius
from profiles import examples

# low, high, slope, offset: PyTorch's definitions, constants as the float64 numbers it computes with
SEGMENTS = {
    "relu": (0, None, 1, 0),
    "leaky_relu": (0, None, 1, 0),
    "elu": (0, None, 1, 0),
    "celu": (0, None, 1, 0),
    "selu": (0, None, Fraction(1.0507009873554805), 0),
    "relu6": (0, 6, 1, 0),
    "hardtanh": (-1, 1, 1, 0),
    "hardsigmoid": (-3, 3, Fraction(1, 6), Fraction(1, 2)),
    "hardswish": (3, None, 1, 0),
    "softshrink": (Fraction(1, 2), None, 1, Fraction(-1, 2)),
    "hardshrink": (Fraction(1, 2), None, 1, 0),
    "threshold": (0, None, 1, 0),
    "softplus_cut": (20, None, 1, 0),
}
STEP = ["if", "t", -1, ["if", ["sub", "t", -2], ["mul", "-1/2", "t"], ["mul", -3, "t"]]]
CURVED = [
    "tanh",
    "sigmoid",
    "softsign",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "log_sigmoid",
    "tanhshrink",
    "quadratic",
]
# the last one falls, and goes on to the left for ever
ACTIVATIONS = [
    *(fm.activation(name) for name in SEGMENTS),
    fm.PiecewiseLinear(2.0, 0.5),
    fm.Smooth.from_formula(STEP),
]


def test_segments():
    for name, (low, high, slope, offset) in SEGMENTS.items():
        found = affine_segment(fm.activation(name))
        assert (found.low, found.high, found.slope, found.offset) == (low, high, slope, offset), name
        assert found.bends
        assert found.bends_continuously == (name not in ("hardshrink", "softplus_cut"))
        inside = float(found.low) + 0.375
        assert fm.activation(name)(np.array([inside]))[0] == pytest.approx(
            float(found.value(Fraction(inside))), abs=1e-15
        )
    assert affine_segment(fm.activation("leaky_relu", slope=4.0)).slope == 1
    falling = affine_segment(ACTIVATIONS[-1])
    assert (falling.low, falling.high, falling.slope) == (None, -2, -3)
    # neighbours on one line are one segment, however the formula is written
    written = fm.Smooth.from_formula(
        ["if", ["sub", "t", 1], ["sub", ["mul", 2, "t"], "t"], ["if", "t", "t", 0]]
    )
    assert (affine_segment(written).low, affine_segment(written).high) == (0, None)
    assert affine_segment(fm.activation("identity")).whole
    # a disguised line: nothing proves that h leaves its segment
    disguised = fm.Smooth.from_formula(["if", "t", "t", ["mul", ["exp", ["mul", 0, "t"]], "t"]])
    assert not affine_segment(disguised).bends
    for name in CURVED:
        assert affine_segment(fm.activation(name)) is None
    with pytest.raises(ActivationError, match="formula"):
        affine_segment(np.tanh)


def test_numbers_of_the_theory():
    diabetes = fm.load_demo("diabetes")
    low = fm.spurious_minimum(diabetes, "relu", (16, 16, 16), alpha=4.0, gain=8.0)
    assert low.status == "spurious"
    assert f"{low.loss:.4f}" == "631992.8928"
    assert low.radius > 1.0019
    assert low.excess < 1e-30 * low.loss
    assert low.bound <= low.loss == low.risk
    assert low.network.widths == (16, 16, 16)
    assert low.network.risk(diabetes) == pytest.approx(low.loss, rel=1e-13)
    # the theory's own point: a row of length 8
    fit = low.fits.fits[0]
    w = np.array([float(c) for c in fit.coef])
    size = np.linalg.norm(w)
    at = diabetes.X @ w / size
    layers = []
    for k, before in enumerate((10, 16, 16)):
        W, b = np.zeros((16, before)), np.full(16, 4.0 * 8.0**k)
        W[0, : len(w) if k == 0 else 1] = 8.0 * w / size if k == 0 else 8.0
        b[0] = 4.0 - 8.0 * (at.min() + at.max()) / 2 if k == 0 else 4.0 * 8.0**k - 8.0 * 4.0 * 8.0 ** (k - 1)
        layers.append((W, b))
    layers.append((np.eye(1, 16) * size / 512, np.zeros(1)))
    segment = affine_segment(fm.relu)
    R = certified_radius(tuple(layers), cell_forms(tuple(layers), segment), segment, diabetes)
    assert f"{R:.4f}" == "1.0019"
    linnerud = pytest.importorskip("sklearn.datasets").load_linnerud(return_X_y=True)
    low = fm.spurious_minimum(linnerud, "relu", (3,))
    assert f"{low.loss:.4f}" == "4740.7347"
    assert (low.status, low.rank) == ("spurious", 3)
    assert f"{fm.spurious_minimum(linnerud, 'hardtanh', (3, 3)).radius:.4f}" == "0.0027"


class Exactly:
    """A deep minimum and its networks nearby, in rationals."""

    def __init__(self, low):
        self.low, data = low, low.data
        self.X = [[Fraction(v) for v in row] for row in data.X.tolist()]
        self.Y = [[Fraction(v) for v in row] for row in data.Y.tolist()]
        self.w = [
            Fraction(v) for v in (np.ones(len(self.X)) if data.sample_weight is None else data.sample_weight)
        ]
        self.layers = [
            ([[Fraction(v) for v in row] for row in W.tolist()], [Fraction(v) for v in b.tolist()])
            for W, b in low.network.layers
        ]

    def run(self, layers):
        """(all preactivations strictly inside the segment, loss); the loss is that of the affine piece."""
        segment, inside, loss = self.low.segment, True, Fraction(0)
        for x, y, weight in zip(self.X, self.Y, self.w, strict=True):
            a = x
            for k, (W, b) in enumerate(layers):
                a = [
                    sum((w * v for w, v in zip(row, a, strict=True)), c) for row, c in zip(W, b, strict=True)
                ]
                if k < len(layers) - 1:
                    inside &= all(segment.low is None or v > segment.low for v in a)
                    inside &= all(segment.high is None or v < segment.high for v in a)
                    a = [segment.slope * v + segment.offset for v in a]
            loss += weight * sum((f - t) ** 2 for f, t in zip(a, y, strict=True)) / 2
        return inside, loss

    def least_squares(self):
        """The fits of the library, shown to be right: residuals orthogonal to (1, x)."""
        loss = Fraction(0)
        for k, fit in enumerate(self.low.fits.fits):
            r = [
                fit.intercept + sum(c * v for c, v in zip(fit.coef, x, strict=True)) - y[k]
                for x, y in zip(self.X, self.Y, strict=True)
            ]
            for column in zip(*([1, *x] for x in self.X), strict=True):
                assert sum(w * v * e for w, v, e in zip(self.w, column, r, strict=True)) == 0
            loss += sum(w * e * e for w, e in zip(self.w, r, strict=True)) / 2
        return loss

    def moved(self, steps, output):
        """The layers with hidden ones moved by float64 steps [(dW, db)], and another output layer."""
        hidden = [
            (
                [
                    [v + Fraction(d) for v, d in zip(row, move, strict=True)]
                    for row, move in zip(W, dW.tolist(), strict=True)
                ],
                [v + Fraction(d) for v, d in zip(b, db.tolist(), strict=True)],
            )
            for (W, b), (dW, db) in zip(self.layers, steps, strict=False)
        ]
        return [*hidden, output]


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    m, dx, dy = draw(st.integers(1, 7)), draw(st.integers(0, 3)), draw(st.integers(1, 3))
    X, Y = (
        rng.integers(-3, 4, (m, dx)) * draw(st.sampled_from([1.0, 0.125, 100.0])),
        rng.integers(-3, 4, (m, dy)) / 2,
    )
    if draw(st.booleans()):
        # an affine map of rank 1 and what it leaves: repeated inputs, ties
        Y[:, 1:] = Y[:, :1]
        X[:] = X[rng.integers(0, m, m)]
    weight = rng.integers(0, 4, m) / 2 if draw(st.booleans()) else None
    weight = None if weight is None or not weight.any() else weight
    data = fm.Dataset(X, Y, sample_weight=weight)
    widths = tuple(int(w) for w in rng.integers(min(dx, dy) or 1, 5, draw(st.integers(1, 4))))
    alpha, gain = draw(st.sampled_from([0.25, 2.0, 3.7])), draw(st.sampled_from([1.0, 8.0, 2.5]))
    return data, draw(st.sampled_from(ACTIVATIONS)), widths, alpha, gain, rng


def steps_of_length(layers, rng, length):
    """Random moves of the hidden layers, together not longer than `length`."""
    moves = [(rng.standard_normal(W.shape), rng.standard_normal(b.shape)) for W, b in layers[:-1]]
    # one layer alone, or all of them
    if rng.random() < 0.5:
        alone = rng.integers(len(moves))
        moves = [(a * (k == alone), b * (k == alone)) for k, (a, b) in enumerate(moves)]
    norm = math.sqrt(sum((a * a).sum() + (b * b).sum() for a, b in moves))
    moves = [(a * (length / norm * (1 - 1e-12)), b * (length / norm * (1 - 1e-12))) for a, b in moves]
    total = sum(Fraction(v) ** 2 for pair in moves for part in pair for v in part.ravel().tolist())
    assert total <= Fraction(length) ** 2
    return moves


@settings(max_examples=examples(60), deadline=None)
@given(cases())
def test_nothing_within_the_radius_is_lower(case):
    data, h, widths, alpha, gain, rng = case
    low = fm.spurious_minimum(data, h, widths, alpha, gain=gain)
    assert isinstance(low, fm.DeepMinimum)
    exact = Exactly(low)
    best = exact.least_squares()
    assert low.fits.loss == best
    inside, loss = exact.run(exact.layers)
    assert inside
    assert loss - best <= Fraction(low.excess)
    assert float(loss) == low.loss
    assert low.excess <= 1e-20 * max(1.0, float(best))
    assert 0 < low.radius < math.inf
    condition_holds(low)
    for _ in range(4):
        shaken = iter(map(Fraction, rng.standard_normal(low.network.layers[-1][0].size).tolist()))
        W = [[v + next(shaken) for v in row] for row in exact.layers[-1][0]]
        layers = exact.moved(steps_of_length(low.network.layers, rng, low.radius), (W, exact.layers[-1][1]))
        inside, loss = exact.run(layers)
        assert inside
        assert loss >= best
        inside, loss = exact.run([*layers[:-1], exact.layers[-1]])
        assert loss >= best


def condition_holds(low):
    """Fact 7 in rationals: all quantities exact, roots rounded against the claim."""
    R, slope, segment = Fraction(low.radius), abs(low.segment.slope), low.segment

    def above(square):
        root = Fraction(math.isqrt(math.ceil(square * 2**120)) + 1, 2**60)
        assert root * root >= square
        return root

    for x in {tuple(x) for x in Exactly(low).X}:
        a, later = list(x), Fraction(0)
        for W, b in Exactly(low).layers[:-1]:
            size = 1 + sum((v * v for v in a), Fraction(0))
            z = [sum((w * v for w, v in zip(row, a, strict=True)), c) for row, c in zip(W, b, strict=True)]
            squares = [sum((w * w for w in row), Fraction(0)) for row in W]
            for v, square in zip(z, squares, strict=True):
                rooms = [v - segment.low] if segment.low is not None else []
                rooms += [segment.high - v] if segment.high is not None else []
                assert min(rooms) > 0
                assert R * R * (size + (above(square) + R) ** 2 * later) < min(rooms) ** 2
            columns = max((sum(abs(row[j]) for row in W) for j in range(len(a))), default=0)
            norm = above(
                min(sum(squares), columns * max(sum((abs(w) for w in row), Fraction(0)) for row in W))
            )
            later = slope**2 * (size + (norm + R) ** 2 * later)
            a = [segment.slope * v + segment.offset for v in z]


@settings(max_examples=examples(25), deadline=None)
@given(cases(), st.data())
def test_an_adversary_leaves_the_cell_of_one_layer(case, draws):
    data, h, widths, alpha, gain, _ = case
    low = fm.spurious_minimum(data, h, (widths[0],), alpha, gain=gain)
    exact = Exactly(low)
    W, b = low.network.layers[0]
    best = None
    for u in range(len(b)):
        for x in data.X.tolist():
            z = sum(
                (Fraction(w) * Fraction(v) for w, v in zip(W[u].tolist(), x, strict=True)),
                Fraction(float(b[u])),
            )
            for end, sign in ((low.segment.low, 1), (low.segment.high, -1)):
                if end is not None:
                    room = sign * (z - end) / Fraction(math.hypot(1.0, *x))
                    best = min(best, (room, u, sign, x)) if best else (room, u, sign, x)
    room, u, sign, x = best
    # H = 1: the radius is the distance itself
    assert float(room) == pytest.approx(low.radius, rel=1e-9)
    dW, db = np.zeros_like(W), np.zeros_like(b)
    dW[u], db[u] = (-sign * 1.001 * low.radius * v / math.hypot(1.0, *x) for v in (np.array(x), 1.0))
    assert not exact.run(exact.moved([(dW, db)], exact.layers[-1]))[0]


def test_whether_a_better_network_exists():
    x = np.arange(-2.0, 3.0)[:, None]
    cube = fm.Dataset(x, x[:, 0] ** 3)

    def status(data, width, h="relu"):
        low = fm.spurious_minimum(data, h, width)
        return str(low.status), low.reason.partition(":")[0]

    # y = x^3: the affine fit is the global minimum of one unit, and not that of two
    assert status(cube, (1, 1)) == ("undecided", "width_is_rank")
    assert status(cube, (1,), "elu") == ("undecided", "width_is_rank")
    for widths in ((2,), (2, 1), (2, 1, 1), (1, 2)):
        assert status(cube, widths, "elu")[0] == "spurious", widths
    assert status(cube, (2, 2), "softplus_cut")[0] == "spurious"
    assert status(cube, (3, 3), "identity") == ("global", "no_better_point")
    assert math.isinf(fm.spurious_minimum(cube, "identity", (3, 3)).radius)
    disguised = fm.Smooth.from_formula(["if", "t", "t", ["mul", ["exp", ["mul", 0, "t"]], "t"]])
    assert status(cube, (3,), disguised)[0] == "undecided"
    # affine, and repeated inputs whose residuals cancel
    assert status(fm.Dataset(x, 2 * x[:, 0] + 1), (2, 2)) == ("global", "linearly_fittable")
    repeated = fm.Dataset(np.repeat(x, 2, axis=0), np.repeat(x[:, 0], 2) + np.tile([1.0, -1.0], 5))
    assert status(repeated, (2, 2)) == ("global", "no_better_point")
    # the residuals lie in an output that the fit does not use: a later layer of one unit cannot carry them beside the fit,
    # and a network that gives some of the fit up for them is found
    two = fm.Dataset(x, np.hstack([x, x**2]))
    assert status(two, (2, 2))[0] == "spurious"
    low = fm.spurious_minimum(two, "relu", (2, 1))
    assert (str(low.status), "one was found and proved" in low.reason) == ("spurious", True)
    assert fm.better_point(low)
    assert status(two, (1, 2))[0] == "spurious"
    # equal fitted values whose residuals cancel: a first layer of one unit merges them, where it has to carry the fit
    square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    merged = fm.Dataset(square, [1.0, -1.0, 2.0, 4.0])
    low = fm.spurious_minimum(merged, "relu", (1, 2))
    assert [float(c) for c in low.fits.fits[0].coef] == [3.0, 0.0]
    assert (str(low.status), "one was found and proved" in low.reason) == ("spurious", True)
    assert status(merged, (2, 1))[0] == "spurious"
    # rank 0: one unit is one more than needed
    xor = fm.Dataset(square, [0.0, 1.0, 1.0, 0.0])
    assert fm.spurious_minimum(xor, "relu", (1, 1)).rank == 0
    assert status(xor, (1, 1))[0] == "spurious"


def test_what_is_not_built():
    rng = np.random.default_rng(1)
    data = fm.Dataset(rng.integers(-3, 4, (12, 3)), rng.integers(-3, 4, (12, 3)))
    low = fm.spurious_minimum(data, "relu", (4, 2, 4))
    assert (str(low.status), low.network, bool(low), low.radius, low.rank) == (
        "bottleneck",
        None,
        False,
        0.0,
        3,
    )
    assert "layer 2 has 2 units" in low.reason
    assert math.isnan(low.loss)
    with pytest.raises(NetworkError, match="no network was built"):
        _ = low.affine
    low = fm.spurious_minimum(data, "gelu", (4, 4))
    assert (str(low.status), low.network) == ("no_affine_segment", None)
    assert "no minimum built: no_affine_segment" in str(low)


@pytest.mark.parametrize(
    ("change", "words", "error"),
    [
        ({"width": ()}, "empty", NetworkError),
        ({"width": (4, 0)}, "width", NetworkError),
        ({"width": "16"}, "width", NetworkError),
        ({"width": (4, 2.5)}, "width", NetworkError),
        ({"alpha": 0.0}, "alpha", NetworkError),
        ({"alpha": "2"}, "alpha", NetworkError),
        ({"gain": math.inf}, "gain", NetworkError),
        ({"gain": -1.0}, "gain", NetworkError),
        ({"loss": "logistic"}, "3 classes", TargetError),
        ({"loss": "huber", "label_smoothing": 0.1}, "label_smoothing", LossError),
        ({"loss": "l7"}, "squared", LossError),
        ({"activation": "relo"}, "did you mean", ActivationError),
        ({"activation": np.tanh}, "formula", ActivationError),
        ({"alpha": 1e300, "gain": 1e300}, "float64", NetworkError),
    ],
)
def test_bad_input(change, words, error):
    data = fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0])
    with pytest.raises(error, match=words):
        fm.spurious_minimum(**{"data": data, "activation": "relu", "width": (2, 2), **change})


def test_one_layer_and_one_output_stays():
    data = fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0])
    for activation in (fm.relu, "relu"):
        low = fm.spurious_minimum(data, activation, 3)
        assert isinstance(low, fm.SpuriousMinimum)
        assert low.alpha == 1.0
    assert isinstance(fm.spurious_minimum(data, fm.relu, (3,)), fm.DeepMinimum)
    assert isinstance(fm.spurious_minimum(data, "elu", 3), fm.DeepMinimum)


def test_far_from_the_origin_and_exact_numbers():
    rng = np.random.default_rng(2)
    X, Y = rng.integers(-9, 10, (20, 2)).astype(float), rng.integers(-9, 10, (20, 2)).astype(float)
    near = fm.spurious_minimum((X, Y), "relu", (3, 3), gain=4.0)
    far = fm.spurious_minimum((X + 2.0**45, Y), "relu", (3, 3), gain=4.0)
    # float64 cannot tell the preactivations of the far one from 0; integers can
    assert 0 < far.radius < near.radius
    assert far.bound == near.bound
    thirds = [[Fraction(int(v), 3) for v in row] for row in X]
    exact = fm.spurious_minimum((thirds, Y), "relu", (3, 3), gain=4.0)
    assert exact.bound == near.bound
    assert exact.radius > 0


@pytest.mark.parametrize("scale", [1e-200, 1e120])
def test_units_at_the_ends_of_float64(scale):
    rng = np.random.default_rng(4)
    X, Y = rng.integers(-9, 10, (9, 2)) * scale, rng.integers(-9, 10, (9, 2)) * 1.0
    for h in ("relu", "hardtanh"):
        low = fm.spurious_minimum((X, Y), h, (3, 3))
        assert low.radius > 0
        assert low.excess < 1e-25 * low.loss
        condition_holds(low)


def test_an_optimiser_sees_a_critical_point():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((40, 4)), rng.standard_normal((40, 2))
    for h in ("relu", "elu", "selu", "hardtanh", "hardsigmoid", "hardswish"):
        low = fm.spurious_minimum((X, Y), h, (5, 4, 5))
        module = low.network.to_torch()
        assert fm.DeepNetwork.from_torch(module) == low.network
        loss = 0.5 * ((module(torch.tensor(X)) - torch.tensor(Y)) ** 2).sum()
        assert float(loss.detach()) == pytest.approx(low.loss, rel=1e-12)
        loss.backward()
        with torch.no_grad():
            gradient = max(float(p.grad.abs().max()) for p in module.parameters())
            scale = max(float(np.abs(z).max()) for z in low.network.preactivations(X)) * low.loss
            weights = max(float(p.abs().max()) for p in module.parameters())
        assert gradient <= 1e-12 * scale * max(1.0, weights)
        assert all(a.shape[0] == b.shape[1] for (a, _), (b, _) in pairwise(low.network.layers))
        assert fm.to_torch(low)[0].weight.shape == (5, 4)


def test_the_page_is_true():
    page = Path(__file__).parents[3] / "docs" / "deep.md"
    text = "".join(re.findall(r"```pycon\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    session = doctest.DocTestParser().get_doctest(text, {}, "deep.md", str(page), 0)
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session)
    assert (found.failed, found.attempted >= 10) == (0, True)
