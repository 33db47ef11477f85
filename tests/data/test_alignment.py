"""Arrays at any address and in any byte order give the bits of plain ones."""

from __future__ import annotations

import numpy as np
import pytest

import fastminima as fm
from fastminima import Dataset, OneHiddenLayer

RNG = np.random.default_rng(11)
X, Y, W = RNG.normal(size=(37, 3)), RNG.normal(size=37), RNG.uniform(0.5, 2, size=37)


def shifted(array):
    """The same numbers one byte past an aligned address."""
    array = np.asarray(array, dtype=np.float64)
    buffer = np.empty(array.nbytes + 9, dtype=np.uint8)
    start = (-buffer.ctypes.data) % 8 + 1
    result = buffer[start : start + array.nbytes].view(np.float64).reshape(array.shape)
    result[...] = array
    assert not result.flags.aligned or not array.size
    return result


def swapped(array):
    return np.asarray(array, dtype=np.float64).astype(">f8")


def both(array):
    array = np.asarray(array, dtype=np.float64)
    table = np.zeros(array.shape, dtype=[("pad", "u1"), ("v", ">f8")])
    table["v"] = array
    return table["v"]


def backwards(array):
    array = np.asarray(array, dtype=np.float64)
    return np.ascontiguousarray(array[::-1])[::-1] if array.ndim else array


ODD = [shifted, swapped, both, backwards, np.asfortranarray]


def network(odd):
    parts = [1.5 * X[:4], Y[:4], W[:4]]
    return OneHiddenLayer(*(odd(part) for part in parts), 0.25, fm.relu)


def test_shifted_arrays_are_what_they_say():
    assert shifted(X).flags.c_contiguous
    assert not shifted(X).flags.aligned


@pytest.mark.parametrize("odd", ODD)
def test_datasets(odd):
    plain, data = Dataset(X, Y, sample_weight=W), Dataset(odd(X), odd(Y), sample_weight=odd(W))
    for one, other in zip(next(plain.blocks()), next(data.blocks()), strict=True):
        assert one.tobytes() == other.tobytes()
        assert other.flags.aligned
        assert other.flags.c_contiguous
    for array in (data.X, data.Y, data.sample_weight, data.take(slice(1, 9)).X, data.one_target(0).y):
        assert array.flags.aligned
        assert array.dtype == np.float64
    assert fm.least_squares(data).coef.tobytes() == fm.least_squares(plain).coef.tobytes()
    low, other = fm.spurious_minimum(data), fm.spurious_minimum(plain)
    assert low.risk == other.risk
    assert fm.better_point(low).risk == fm.better_point(other).risk
    dropped = Dataset(odd(X), odd(Y), sample_weight=odd(W), missing="drop")
    assert dropped.X.tobytes() == plain.X.tobytes()


@pytest.mark.parametrize("odd", ODD)
def test_networks_and_what_is_around_them(odd):
    data, plain = Dataset(X, Y), network(np.asarray)
    given = network(odd)
    assert given.risk(data) == plain.risk(data)
    assert given.predict(odd(X)).tobytes() == plain.predict(X).tobytes()
    assert fm.excess_risk(given, network(odd), Dataset(odd(X), odd(Y))) == 0.0
    ours, theirs = fm.probe(given, Dataset(odd(X), odd(Y)), n=64), fm.probe(plain, data, n=64)
    assert (ours.min_excess, ours.max_excess) == (theirs.min_excess, theirs.max_excess)
    stack = [np.stack([part, 2 * part]) for part in (X[:4], Y[:4], W[:4])]
    for activation in (fm.relu, "tanh"):
        for dtype in (None, "float32"):
            one = fm.batched_risk(
                *(odd(a) for a in stack), odd([0.5, 1.0]), Dataset(odd(X), odd(Y)), activation, dtype=dtype
            )
            two = fm.batched_risk(*stack, np.array([0.5, 1.0]), data, activation, dtype=dtype)
            assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("odd", ODD)
def test_splits_and_linear_networks(odd):
    fitted, residual = np.round(X[:, 0], 1), np.round(Y, 1)
    assert (
        fm.split_set(odd(fitted), odd(residual), odd(W)).tolist()
        == fm.split_set(fitted, residual, W).tolist()
    )
    assert fm.best_split(odd(fitted), odd(residual)) == fm.best_split(fitted, residual)
    weights = [np.round(X[:2], 1), np.round(X[:1, :2], 1)]
    one = fm.classify_linear([odd(A) for A in weights], fm.SquaredLoss(odd(X), odd(Y.reshape(-1, 1))))
    two = fm.classify_linear(weights, fm.SquaredLoss(X, Y.reshape(-1, 1)))
    assert (one.verdict, one.reason) == (two.verdict, two.reason)


@pytest.mark.parametrize("odd", ODD)
def test_scans_and_proofs_of_blocks(odd):
    class Source:
        n_features, weighted = 3, True

        def __init__(self, kind):
            self.kind = kind

        def blocks(self):
            for start in range(0, 37, 10):
                part = slice(start, start + 10)
                yield self.kind(X[part]), self.kind(Y[part]), self.kind(W[part])

    data = Dataset(X, Y, sample_weight=W)
    low = fm.spurious_minimum(data)
    if odd in (swapped, both):
        with pytest.raises(fm.errors.DataError, match=r"got >f8; convert them first"):
            fm.prove(low.network, data=Source(odd))
    else:
        assert (
            fm.prove(low.network, data=Source(odd)).text == fm.prove(low.network, data=Source(np.copy)).text
        )
    ours = fm.scan((odd(X), odd(Y), odd(W)), block_rows=10)[0]
    theirs = fm.scan((X, Y, W), block_rows=10)[0]
    assert ours.error is None
    assert ours.fit.coef.tobytes() == theirs.fit.coef.tobytes()
