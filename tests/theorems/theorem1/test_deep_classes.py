"""Bad minima under logistic and softmax loss, against mpmath and rational arithmetic that share no code with them."""

from __future__ import annotations

import math
import os
from decimal import Decimal, localcontext
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.data.class_labels import class_numbers
from fastminima.errors import DataError, LossError, TargetError
from fastminima.losses.pointwise import Softmax
from fastminima.losses.smoothed_labels import SmoothedLogistic, SmoothedSoftmax
from fastminima.theorems.theorem1.class_fit import ClassFits, SeparatedClasses
from precision import decimal_digits
from profiles import examples

# PyTorch's definitions
RATIONAL = {
    "relu": lambda t: max(t, Fraction(0)),
    "hardtanh": lambda t: min(max(t, Fraction(-1)), Fraction(1)),
}
# more than the 224 bits of the library's own sums
working_digits = decimal_digits(100)


class Exactly:
    """Data in rationals: inputs, probabilities of the classes of each problem, weights."""

    def __init__(self, data, loss, smoothing=0.0):
        self.X = [[Fraction(v) for v in row] for row in data.X.tolist()]
        weight = np.ones(len(self.X)) if data.sample_weight is None else data.sample_weight
        self.w, share = [Fraction(v) for v in weight.tolist()], Fraction(smoothing)
        Y = [[Fraction(v) for v in row] for row in data.Y.tolist()]
        if loss == "logistic":
            self.T = [[[t, 1 - t] for t in row] for row in Y]
        elif data.n_targets == 1:
            count = int(data.Y.max()) + 1
            self.T = [[[Fraction(int(row[0]) == k) for k in range(count)]] for row in Y]
        else:
            self.T = [[[v / sum(row) for v in row]] for row in Y]
        self.T = [[[(1 - share) * t + share / len(b) for t in b] for b in row] for row in self.T]
        self.logistic = loss == "logistic"

    def blocks(self, f):
        """Outputs of each problem: (z, 0) of logistic loss."""
        return [[z, Fraction(0)] for z in f] if self.logistic else [f]

    def loss_of(self, outputs):
        total = mpmath.mpf(0)
        for f, T, w in zip(outputs, self.T, self.w, strict=True):
            for z, t in zip(self.blocks(f), T, strict=True):
                top = max(z)
                exact = sum((a * (b - top) for a, b in zip(t, z, strict=True)), Fraction(0))
                mass = sum(mpmath.exp(mp(v - top)) for v in z)
                total += mp(w) * (mpmath.log(mass) - mp(exact))
        return total

    def loss(self, layers, h):
        return self.loss_of([self.run(layers, h, x) for x in self.X])

    def run(self, layers, h, x):
        a = x
        for k, (W, b) in enumerate(layers):
            a = [sum((p * q for p, q in zip(row, a, strict=True)), c) for row, c in zip(W, b, strict=True)]
            a = [h(v) for v in a] if k < len(layers) - 1 else a
        return a

    def affine(self, fits):
        return [
            [
                c + sum((a * b for a, b in zip(row, x, strict=True)), Fraction(0))
                for c, row in zip(fits.intercepts, fits.slopes, strict=True)
            ]
            for x in self.X
        ]


def mp(value):
    return mpmath.mpf(value.numerator) / mpmath.mpf(value.denominator)


def exact_layers(network):
    return [
        ([[Fraction(v) for v in row] for row in W.tolist()], [Fraction(v) for v in b.tolist()])
        for W, b in network.layers
    ]


def check_bound(fits, exact):
    """p > 0 with sum_i w_i (p_i - t_i) (1, x_i) = 0, so that the sum of entropies is a bound, and it is reached."""
    P = fits.probabilities
    blocks = [[[v, 1 - v] for v in row] for row in P] if exact.logistic else [[row] for row in P]
    total = mpmath.mpf(0)
    for k in range(len(blocks[0])):
        for j in range(len(blocks[0][k])):
            g = [w * (p[k][j] - t[k][j]) for w, p, t in zip(exact.w, blocks, exact.T, strict=True)]
            for column in zip(*([1, *x] for x in exact.X), strict=True):
                assert sum((v * c for v, c in zip(g, column, strict=True)), Fraction(0)) == 0
        for p, w in zip(blocks, exact.w, strict=True):
            assert min(p[k]) > 0
            assert sum(p[k]) == 1
            total -= mp(w) * sum(mp(v) * mpmath.log(mp(v)) for v in p[k])
    assert abs(total - mp(fits.loss)) <= mpmath.mpf(10) ** -50 * (1 + total)
    assert mp(fits.loss) <= total


def check_direction(fits, exact):
    """The loss never rises along the direction, and falls at last."""
    falls = False
    for f, T in zip(exact.affine(fits), exact.T, strict=True):
        for z, t in zip(exact.blocks(f), T, strict=True):
            top = max(z)
            assert all(v == top for v, share in zip(z, t, strict=True) if share)
            falls |= min(z) < top
    assert falls


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    m, dx, K = draw(st.integers(2, 9)), draw(st.integers(0, 3)), draw(st.integers(2, 4))
    X = rng.integers(-3, 4, (m, dx)) * draw(st.sampled_from([1.0, 2.0**-300, 100.0]))
    if draw(st.booleans()):
        X[:] = X[rng.integers(0, m, m)]
    weight = rng.integers(0, 4, m) / 2 if draw(st.booleans()) else None
    weight = None if weight is None or not weight.any() else weight
    kind = draw(st.sampled_from(["labels", "two", "columns", "shares"]))
    loss, smoothing = "softmax", draw(st.sampled_from([0.0, 0.0, 0.1]))
    if kind == "two":
        y, loss = rng.integers(0, 2, m) > 0, "logistic"
    elif kind == "columns":
        y, loss = rng.integers(0, 2, (m, 2)), "logistic"
    elif kind == "labels":
        y = np.array(list("abcd"))[rng.integers(0, K, m)]
    else:
        y = rng.integers(0, 4, (m, K)) + np.eye(K)[0]
        y = y / y.sum(axis=1, keepdims=True)
    widths = tuple(int(w) for w in rng.integers(1, 4, draw(st.integers(1, 2))))
    data = (X, y) if weight is None else (X, y, weight)
    return data, loss, smoothing, widths, draw(st.sampled_from(sorted(RATIONAL))), rng


@settings(max_examples=examples(25), deadline=None)
@given(cases())
def test_what_is_claimed_holds(case):
    data, loss, smoothing, widths, name, rng = case
    try:
        low = fm.spurious_minimum(data, name, widths, loss=loss, label_smoothing=smoothing)
    except TargetError:
        # one class only
        return
    exact, h = Exactly(low.data, loss, smoothing), RATIONAL[name]
    if isinstance(low.fits, SeparatedClasses):
        assert (low.status, low.network) == ("separable" if low.fits.strict else "quasi_separable", None)
        assert smoothing == 0.0
        check_direction(low.fits, exact)
        assert low.fits.strict == (low.fits.loss == 0)
        return
    check_bound(low.fits, exact)
    if low.network is None:
        assert low.status == "bottleneck"
        return
    layers, bound = exact_layers(low.network), mp(low.fits.loss)
    value = exact.loss(layers, h)
    assert bound <= value <= bound + mp(Fraction(low.excess))
    assert low.excess <= 1e-20 * max(1.0, float(bound))
    assert low.loss == pytest.approx(float(value), rel=1e-15)
    assert low.network.loss(low.data, low.objective) == pytest.approx(float(value), rel=1e-9)
    for _ in range(3):
        moves = [
            (rng.standard_normal(W.shape), rng.standard_normal(b.shape)) for W, b in low.network.layers[:-1]
        ]
        norm = math.sqrt(sum((a * a).sum() + (b * b).sum() for a, b in moves))
        length = low.radius / norm * (1.0 - 1e-9) if norm else 0.0
        hidden = [
            (
                [
                    [v + Fraction(length * d) for v, d in zip(row, move, strict=True)]
                    for row, move in zip(W, dW.tolist(), strict=True)
                ],
                [v + Fraction(length * d) for v, d in zip(b, db.tolist(), strict=True)],
            )
            for (W, b), (dW, db) in zip(layers, moves, strict=False)
        ]
        assert exact.loss([*hidden, layers[-1]], h) >= bound
        W, b = layers[-1]
        shaken = [[v + Fraction(float(rng.standard_normal())) for v in row] for row in W]
        assert exact.loss([*hidden, (shaken, b)], h) >= bound
    better = fm.better_point(low)
    if low.status == "global":
        assert (better.status, better.network) == ("no_better_point", None)
        # the shares of the classes among equal inputs are the best that any function can do
        assert abs(pure(exact) - bound) <= mpmath.mpf(10) ** -45 * (1 + bound)
        return
    assert better or low.status == "undecided", (low.reason, better.reason)
    if better:
        assert better.network.widths == widths
        assert exact.loss(exact_layers(better.network), h) <= bound - mp(Fraction(better.drop_certified))
        assert better.drop_certified > 0


def pure(exact):
    """The least loss of all functions."""
    total = mpmath.mpf(0)
    groups = {}
    for x, T, w in zip(exact.X, exact.T, exact.w, strict=True):
        groups.setdefault(tuple(x), []).append((T, w))
    for members in groups.values():
        mass = sum(w for _, w in members)
        for k in range(len(members[0][0])):
            for j in range(len(members[0][0][k])):
                share = sum((w * T[k][j] for T, w in members), Fraction(0)) / mass
                if share:
                    total -= mp(mass) * mp(share) * mpmath.log(mp(share))
    return total


def digits(fits, count):
    """The bound rounded to so many digits, when the gap is too small to change one."""
    with localcontext(prec=60):
        low = Decimal(fits.loss.numerator) / Decimal(fits.loss.denominator)
        gap = fits.gap if isinstance(fits, ClassFits) else Fraction(0)
        high = low + Decimal(gap.numerator) / Decimal(gap.denominator)
        quantum = Decimal(1).scaleb(low.adjusted() + 1 - count)
        assert low.quantize(quantum) == high.quantize(quantum)
        return str(low.quantize(quantum))


def test_numbers_of_the_theory():
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = datasets.load_breast_cancer(return_X_y=True)
    cancer = fm.spurious_minimum((X[:, :2], y), "relu", (2, 1, 1), loss="logistic")
    assert digits(cancer.fits, 20) == "145.56165318904534597"
    assert cancer.fits.gap < Fraction(1, 10**26)
    part = fm.spurious_minimum((X[:150, :2], y[:150]), "relu", (2,), loss="logistic")
    assert digits(part.fits, 17) == "42.474598205144409"
    whole = fm.spurious_minimum((X, y), "relu", (2,), loss="logistic")
    assert (str(whole.status), whole.network, whole.bound) == ("separable", None, 0.0)
    X, y = datasets.load_iris(return_X_y=True)
    names = datasets.load_iris().target_names[y]
    two = fm.spurious_minimum((X[50:], names[50:]), "relu", (2, 1), loss="logistic")
    assert digits(two.fits, 14) == "5.9492733956794"
    assert two.classes == ("versicolor", "virginica")
    three = fm.spurious_minimum((X, names), "relu", (8,), loss="softmax")
    assert (str(three.status), three.network) == ("quasi_separable", None)
    assert digits(three.fits, 14) == "5.9492733956794"
    assert "5.949273396" in three.reason
    smooth = fm.spurious_minimum((X, names), "relu", (8, 8), loss="softmax", label_smoothing=0.1)
    assert digits(smooth.fits, 15) == "72.4424255079121"
    X, y = datasets.load_wine(return_X_y=True)
    wine = fm.spurious_minimum((X[:, :2], y), "relu", (3, 3), loss="softmax")
    assert digits(wine.fits, 17) == "94.098464143581568"
    for low, share in ((cancer, 0.04), (two, 0.3), (wine, 0.12)):
        assert low.status == "spurious"
        assert low.excess < 1e-25
        assert fm.better_point(low).drop_certified > share * low.loss
    for h in ("elu", "celu", "selu", "hardswish"):
        better = fm.better_point(fm.spurious_minimum(fm.Dataset(X[:, :2], y), h, (3, 3), loss="softmax"))
        assert better.certificate == "balls"
        assert better.drop_certified > 0.05 * wine.loss


def test_ties_are_decided_where_they_can_be():
    square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    xor = fm.spurious_minimum((square, [0, 1, 1, 0]), "relu", (1, 1), loss="logistic")
    # slopes are exactly 0, and one unit is one more than needed
    assert (xor.rank, str(xor.status)) == (0, "spurious")
    assert xor.loss == pytest.approx(4 * math.log(2), rel=1e-15)
    assert fm.better_point(xor)
    # every group of equal inputs has both classes in equal shares
    twice = fm.spurious_minimum(
        (np.vstack([square] * 2), [0, 1, 1, 0, 1, 0, 0, 1]), "relu", (4,), loss="logistic"
    )
    assert (str(twice.status), twice.reason.partition(":")[0]) == ("global", "no_better_point")
    # as many groups as columns: their shares are the probabilities
    x = np.repeat([[0.0], [1.0]], 3, axis=0)
    full = fm.spurious_minimum((x, list("aabbba")), "relu", (2,), loss="softmax")
    assert (str(full.status), full.reason.partition(":")[0]) == ("global", "no_better_point")
    # three groups on one line, log-odds 0, ln 2, 2 ln 2: a tie that no bounds decide, and exponents of primes do
    x = np.repeat([[0.0], [1.0], [2.0]], [2, 3, 5], axis=0)
    tie = fm.spurious_minimum((x, [0, 1, 0, 1, 1, 0, 1, 1, 1, 1]), "relu", (2,), loss="logistic")
    assert (str(tie.status), tie.reason.partition(":")[0]) == ("global", "no_better_point")
    assert str(fm.better_point(tie).status) == "no_better_point"


def test_smoothed_labels_are_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    Z, y = rng.standard_normal((20, 3)), rng.integers(0, 3, 20)
    ours = SmoothedSoftmax(3, 0.2)
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(Z), torch.tensor(y), label_smoothing=0.2, reduction="none"
    )
    assert np.allclose(ours.values(Z, ours.targets(y[:, None] * 1.0)), theirs.numpy(), rtol=1e-13)


def test_losses_of_smoothed_labels():
    from fastminima.exact.matrix import RationalMatrix

    rng = np.random.default_rng(4)
    Z, y = rng.standard_normal((50, 1)), np.where(rng.random((50, 1)) < 0.5, -1.0, 1.0)
    logistic, softmax = SmoothedLogistic(0.2), SmoothedSoftmax(2, 0.2)
    two = softmax.targets((y < 0) * 1.0)
    assert np.allclose(logistic.values(Z, y)[:, 0], softmax.values(np.hstack([Z, 0 * Z]), two), rtol=1e-13)
    step = 1e-6
    slope = (logistic.values(Z + step, y) - logistic.values(Z - step, y)) / (2 * step)
    assert np.allclose(slope, logistic.slopes(Z, y), atol=1e-8)
    exact = logistic.slope_signs(RationalMatrix.of_floats(Z), RationalMatrix.of_floats(y))
    assert (exact == np.sign(logistic.slopes(Z, y))).all()
    assert (
        SmoothedLogistic(0.0).slope_signs(RationalMatrix.of_floats(Z), RationalMatrix.of_floats(y)) == -y
    ).all()
    for wrong in (1.0, -0.1, "a", None, math.nan):
        with pytest.raises(LossError, match="label_smoothing"):
            SmoothedLogistic(wrong)


def test_labels():
    for labels, classes in (
        (["b", "a", "b"], ("a", "b")),
        (np.array([3, -1, 3]), (-1, 3)),
        ([True, False, True], (False, True)),
        (np.array([2.0, 0.0, 2.0]), (0, 2)),
        (np.array([["x"], ["a"], ["x"]]), ("a", "x")),
    ):
        numbers, found = class_numbers(labels)
        assert numbers.tolist() == [1.0, 0.0, 1.0]
        assert found == classes
        assert [type(v) for v in found] == [type(v) for v in classes]
    pandas = pytest.importorskip("pandas")
    assert class_numbers(pandas.Series(["u", "v"], dtype="category"))[1] == ("u", "v")
    assert class_numbers(pandas.DataFrame({"kind": ["u", "v"]}))[1] == ("u", "v")


X5 = np.arange(5.0)[:, None]


@pytest.mark.parametrize(
    ("labels", "loss", "words", "error"),
    [
        (["a"] * 5, "softmax", "one class only, 'a'", TargetError),
        ([1, 1, 1, 1, 1], "logistic", "one class only", TargetError),
        (list("abcab"), "logistic", 'use loss="softmax"', TargetError),
        ([0.5, 1, 0, 1, 0], "logistic", "0.5 in row 0", TargetError),
        ([0, 1, "a", 1, 0], "softmax", "mixes int and str", TargetError),
        (["a", None, "b", "a", "b"], "softmax", "no label in row 1", DataError),
        ([1.0, math.nan, 0.0, 1.0, 0.0], "logistic", "row 1", DataError),
        ([], "softmax", "no rows", DataError),
        (np.zeros((5, 0)), "logistic", "dy >= 1", DataError),
        ([[0, 1]] * 5, "softmax", "class 0 has no row", TargetError),
        ([[0, 1], [1, 1], [1, 1], [0, 1], [1, 1]], "logistic", "one class", TargetError),
        ([[0.5, 2.0]] * 5, "softmax", "probabilities", LossError),
        ([[0.5, 2.0]] * 5, "logistic", "targets 0 and 1", LossError),
        ([0, 1, 0, 1, 1], Softmax(5), "class 2 has no row", TargetError),
    ],
)
def test_labels_that_are_no_classes(labels, loss, words, error):
    with pytest.raises(error, match=words):
        fm.spurious_minimum((X5, labels), "relu", (2,), loss=loss)


def test_label_smoothing_has_its_place():
    for loss, share, words in (
        ("squared", 0.1, "of logistic and softmax"),
        ("softmax", 1.0, "< 1"),
        (SmoothedSoftmax(), 0.1, "of its own"),
    ):
        with pytest.raises(LossError, match=words):
            fm.spurious_minimum((X5, [0, 1, 0, 1, 1]), "relu", (2,), loss=loss, label_smoothing=share)
    # a class that no row has counts where labels are smoothed
    low = fm.spurious_minimum((X5, [0, 1, 0, 1, 1]), "relu", (3,), loss=Softmax(3), label_smoothing=0.1)
    assert low.network.n_outputs == 3
    assert low.objective == SmoothedSoftmax(3, 0.1)


@pytest.mark.skipif(not os.environ.get("FASTMINIMA_VERIFY"), reason="620 parameters: minutes of Newton's steps")
def test_steps_that_went_too_far_begin_again_with_short_ones(monkeypatch):
    datasets = pytest.importorskip("sklearn.datasets")
    from fastminima.theorems.theorem1 import float_fit

    table = datasets.load_digits()
    weight = np.ones(len(table.data))
    B, _ = float_fit.orthonormal(np.column_stack([weight, table.data]), weight)
    T = 0.9 * np.eye(10)[table.target] + 0.01

    def left():
        return np.abs(B.T @ (float_fit.softmax_fit(B, T, weight)[1] - T)).max()

    assert left() < 1e-9
    monkeypatch.setattr(float_fit, "_STUCK", np.inf)
    assert left() > 1.0
