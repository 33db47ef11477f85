"""Widths of the rank and below it, and activations without a line, against arithmetic that shares no code with them."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import ActivationError, DataError, LossError, NetworkError, ProofError
from fastminima.networks.activations.affine_segment import affine_segment
from profiles import examples

CUBE = np.arange(-2.0, 3.0)[:, None]
# h near the ends of its segment: does it go on flatter (1), steeper (-1), or either way round
TURNS = {
    "relu": {1},
    "leaky_relu": {1, -1},
    "elu": {1},
    "celu": {1},
    "selu": {-1},
    "relu6": {1},
    "hardtanh": {1},
    "hardsigmoid": {1},
    "hardswish": {-1},
    "softshrink": {1},
    "hardshrink": set(),
    "identity": set(),
}


def test_turns():
    for name, turns in TURNS.items():
        found = affine_segment(fm.activation(name))
        assert found.turns == turns, name
        # the same by difference quotients
        for end, side in ((found.low, -1), (found.high, 1)):
            if end is not None and turns and name != "leaky_relu":
                step = 1e-3
                h = fm.activation(name)
                off = float(
                    h(np.array([float(end) + side * step]))[0] - found.value(end + side * Fraction(step))
                )
                assert math.copysign(1.0, -side * off / float(found.slope)) in turns


def test_one_unit_goes_one_way():
    y = CUBE[:, 0] ** 3
    for h in ("elu", "hardtanh"):
        low = fm.spurious_minimum((CUBE, y), h, (1,))
        assert (str(low.status), low.reason.partition(":")[0]) == ("undecided", "width_is_rank")
        assert not fm.better_point(low)
    # of one ReLU all knots are looked at
    low = fm.spurious_minimum((CUBE, y), "relu", (1,))
    assert (str(low.status), low.reason.partition(":")[0]) == ("global", "no_better_point")
    better = fm.better_point(low)
    assert (bool(better), str(better.status)) == (False, "no_better_point")
    proof = fm.prove(low)
    assert proof.checked
    assert "no claim of it" in " ".join(proof.open)
    # two layers of one ReLU make more functions than one
    low = fm.spurious_minimum((CUBE, y), "relu", (1, 1))
    assert low.reason.startswith("width_is_rank")
    # where the other piece is a line too, or h goes on steeper, there is a way
    for h, least in ((fm.PiecewiseLinear(1.0, 1 / 64), 5.412), ("selu", 6.0), ("leaky_relu", 5.412)):
        low = fm.spurious_minimum((CUBE, y), h, (1,))
        assert low.status == "spurious"
        assert low.loss == pytest.approx(7.2)
        assert fm.better_point(low).loss < least
    # the other way round: the residuals push inward
    for h in ("relu", "elu", "hardtanh"):
        for x in (CUBE, -CUBE):
            low = fm.spurious_minimum((x, np.cbrt(CUBE[:, 0])), h, (1, 1))
            assert low.status == "spurious"
            assert "one end" in low.reason
            assert fm.better_point(low).drop_certified > 1e-3 * low.loss


@settings(max_examples=examples(30), deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["relu", "leaky_relu", "hardtanh", "relu6"]),
    st.sampled_from(["squared", "huber"]),
)
def test_what_one_unit_is_said_to_reach_it_reaches(seed, h, loss):
    rng = np.random.default_rng(seed)
    m, dx = int(rng.integers(3, 9)), int(rng.integers(1, 3))
    X = rng.integers(-3, 4, (m, dx)) * 1.0
    Y = np.outer(X @ rng.integers(-2, 3, dx) + rng.integers(-2, 3, m), [1.0, -2.0][: rng.integers(1, 3)])
    low = fm.spurious_minimum(
        (X, Y), h, (1,) if Y.shape[1] > 1 or h in ("hardtanh", "relu6") else (1, 1), loss=loss
    )
    better = fm.better_point(low) if low.network is not None else None
    if low.status == "spurious":
        assert better, low.reason
        assert better.network.widths == low.widths


def test_bottlenecks_have_their_loss():
    X = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    # slopes diag(3, 2, 1), and what no affine map reaches: 12
    Y = X @ np.diag([3.0, 2.0, 1.0]) + np.prod(X, axis=1)[:, None]
    for k, least in ((2, 16.0), (1, 32.0)):
        low = fm.spurious_minimum((X, Y), "relu", (3, k, 4))
        assert (str(low.status), low.network, low.rank) == ("bottleneck", None, 3)
        below, above = low.least_of_rank
        assert below <= least <= above
        assert above - below < 1e-11
    assert fm.spurious_minimum((X, Y), "relu", (3, 3, 4)).least_of_rank is None
    assert fm.spurious_minimum((X, Y), "relu", (2,), loss="huber").least_of_rank is None
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((30, 4)), rng.standard_normal((30, 3)) * [1.0, 10.0, 100.0]
    weight = rng.random(30) + 0.1
    below, above = fm.spurious_minimum((X, Y, weight), "relu", (1,)).least_of_rank
    # the same by singular values
    root = np.sqrt(weight)[:, None]
    F = np.column_stack([np.ones(30), X])
    theta = np.linalg.lstsq(F * root, Y * root, rcond=None)[0]
    fitted = F @ theta
    fitted -= weight @ fitted / weight.sum()
    least = (
        0.5 * ((root * (F @ theta - Y)) ** 2).sum() + 0.5 * (np.linalg.svd(root * fitted)[1][1:] ** 2).sum()
    )
    assert below <= above <= below * (1.0 + 1e-12)
    assert least == pytest.approx(below, rel=1e-12)


SMOOTH = {
    "softplus": lambda t: mpmath.log1p(mpmath.exp(t)),
    "silu": lambda t: t / (1 + mpmath.exp(-t)),
    "gelu": lambda t: t * mpmath.ncdf(t),
    "mish": lambda t: t * mpmath.tanh(mpmath.log1p(mpmath.exp(t))),
}


@pytest.mark.parametrize("name", sorted(SMOOTH))
@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
@mpmath.workdps(60)
def test_near_minima(name, loss):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((12, 2))
    y = rng.integers(0, 2, 12) if loss == "logistic" else np.round(X[:, 0] ** 2 + X[:, 1], 3)
    low = fm.spurious_minimum((X, y), name, 3, loss=loss)
    assert str(low.status) == "near_minimum"
    assert 0.0 < low.epsilon < 1e-18
    assert "local minimum" not in str(low)
    assert low.reason.startswith("near_minimum")
    bound = mp(low.fits.loss) - mp(Fraction(low.epsilon))
    layers = [
        [[mp(Fraction(v)) for v in row] for row in np.column_stack([b, W]).tolist()]
        for W, b in low.network.layers
    ]
    assert mp(low.fits.loss) - mp(Fraction(low.epsilon)) <= exact_loss(layers, name, loss, X, y)
    assert exact_loss(layers, name, loss, X, y) <= mp(low.fits.loss) + mp(Fraction(low.excess))
    for _ in range(8):
        moves = [rng.standard_normal((len(rows), len(rows[0]))) for rows in layers]
        # the output biases go where they want
        free = moves[1][:, 0].copy()
        moves[1][:, 0] = 0.0
        norm = math.sqrt(sum((d * d).sum() for d in moves))
        moved = [
            [
                [v + mpmath.mpf(low.radius / norm * (1 - 1e-9) * d) for v, d in zip(row, step, strict=True)]
                for row, step in zip(rows, move, strict=True)
            ]
            for rows, move in zip(layers, moves, strict=True)
        ]
        assert exact_loss(moved, name, loss, X, y) >= bound
        for row, d in zip(moved[1], free, strict=True):
            row[0] += mpmath.mpf(d)
        assert exact_loss(moved, name, loss, X, y) >= bound
    better = fm.better_point(low)
    assert better.certificate == "balls"
    assert better.drop_certified > 1e-3 * low.loss
    with pytest.raises(ProofError, match="near minimum"):
        fm.prove(low)


def mp(value):
    return mpmath.mpf(value.numerator) / mpmath.mpf(value.denominator)


def exact_loss(layers, name, loss, X, y):
    h, total = SMOOTH[name], mpmath.mpf(0)
    for x, t in zip(X.tolist(), y.tolist(), strict=True):
        a = [mpmath.mpf(v) for v in (1.0, *x)]
        a = [mpmath.mpf(1), *(h(sum(p * q for p, q in zip(row, a, strict=True))) for row in layers[0])]
        z = sum(p * q for p, q in zip(layers[1][0], a, strict=True))
        if loss == "logistic":
            total += mpmath.log1p(mpmath.exp(-z if t else z))
        else:
            e = abs(z - mpmath.mpf(t))
            total += e * e / 2 if loss == "squared" or e <= 1 else e - mpmath.mpf(1) / 2
    return total


def test_what_has_the_name_only_is_not_near_a_line():
    fake = fm.Smooth.from_formula(["atan", "t"], name="gelu")
    assert str(fm.spurious_minimum((CUBE, CUBE[:, 0] ** 2), fake, (3,)).status) == "no_affine_segment"
    assert str(fm.spurious_minimum((CUBE, CUBE[:, 0] ** 2), "gelu", (3, 3)).status) == "no_affine_segment"
    assert str(fm.spurious_minimum((CUBE, CUBE[:, 0] ** 2), "tanh", (3,)).status) == "no_affine_segment"


def test_modules_that_are_no_functions_are_refused_by_name():
    nn = pytest.importorskip("torch.nn")
    data = (CUBE, CUBE[:, 0] ** 2)
    for module, words in (
        (nn.Dropout(), "Dropout"),
        (nn.BatchNorm1d(3), "BatchNorm1d"),
        (nn.RReLU(), "RReLU draws"),
        (nn.PReLU(3), "3 slopes"),
    ):
        with pytest.raises(ActivationError, match=words):
            fm.spurious_minimum(data, module, (3,))
    for inside, words in (
        ([nn.ReLU(), nn.Dropout()], "Dropout in training mode"),
        ([nn.BatchNorm1d(3), nn.ReLU()], "BatchNorm1d"),
        ([nn.RReLU()], "RReLU draws"),
    ):
        with pytest.raises((ActivationError, NetworkError), match=words):
            fm.DeepNetwork.from_torch(nn.Sequential(nn.Linear(1, 3), *inside, nn.Linear(3, 1)))


def test_losses_that_are_not_convex_are_refused_by_name():
    class Hill:
        convex = False

        def __repr__(self):
            return "Hill()"

    with pytest.raises(LossError, match=r"Hill\(\) is not known to be convex"):
        fm.spurious_minimum((CUBE, CUBE[:, 0] ** 2), "relu", (3,), loss=Hill())
    for loss in (Hill, 3, object(), np.ones(2)):
        with pytest.raises(LossError, match="loss must be one of"):
            fm.spurious_minimum((CUBE, CUBE[:, 0] ** 2), "relu", (3,), loss=loss)
    with pytest.raises(DataError, match="dy >= 1"):
        fm.spurious_minimum((CUBE, np.zeros((5, 0))), "relu", (3,))


def test_other_losses_are_told_and_kept(tmp_path):
    x = np.array([[0.2], [0.7], [1.1], [1.6], [2.3], [2.9], [3.1], [3.8]])
    for k, (labels, h, options, unit) in enumerate(
        [
            (x[:, 0] ** 2, "relu", {"loss": "squared", "width": (3, 2)}, "y²"),
            (x[:, 0] ** 2, "relu", {"loss": fm.Huber(2.0), "width": (3, 2)}, ""),
            (x[:, 0] ** 2, "gelu", {"width": 3}, "y²"),
            (list("aababbab"), "elu", {"loss": "logistic", "width": (4,), "label_smoothing": 0.1}, ""),
            (list("aaaabbbb"), "relu", {"loss": "softmax", "width": (4,)}, ""),
            ([True, False] * 4, "relu", {"loss": "softmax", "width": (4,)}, ""),
        ]
    ):
        low = fm.spurious_minimum((x, labels), h, **options)
        path = tmp_path / f"{k}.npz"
        fm.save_result(low, path)
        back = fm.load_result(path)
        assert back == low
        assert (back.bound, back.segment, back.objective, back.classes) == (
            low.bound,
            low.segment,
            low.objective,
            low.classes,
        )
        for one in (low, fm.better_point(low)):
            said = str(one.summary())
            squared = unit == "y²"
            assert ("½ Σ ω" in said) == ("mean squared error" in said) == squared
            assert squared or repr(low.objective) in said
            assert squared or "least squares" not in said
        if low.epsilon:
            assert "affine segment" not in str(low.summary())
            assert "lower by at most" in str(low.summary())
