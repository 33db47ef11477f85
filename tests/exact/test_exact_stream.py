"""One pass over a stream: the same exact numbers as rational arithmetic sample by sample, however it is cut."""

import hashlib
import itertools
import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exact_reference as reference
import fastminima.exact.margin as margin_module
import fastminima.exact.stream as stream_module
from fastminima.errors import DataError, NetworkError
from fastminima.exact.digest import Digests
from fastminima.exact.gram import GramState, gram_of
from fastminima.exact.margin import exact_margin
from fastminima.exact.stream import ExactPass, PassNetwork, exact_moments
from fastminima.kernels import _gram
from profiles import examples

SLOPES = st.sampled_from([(1.0, 0.0), (1.01, 1.0), (2.0, 0.5), (0.1, 0.3)])


@st.composite
def networks(draw, dx, positive):
    width = draw(st.integers(0, 3))
    numbers = draw(st.sampled_from([reference.SMALL, reference.ORDINARY]))
    W1 = np.array(draw(st.lists(numbers, min_size=width * dx, max_size=width * dx))).reshape(width, dx)
    b1, W2 = (np.array(draw(st.lists(numbers, min_size=width, max_size=width))) for _ in range(2))
    if positive:
        b1 = b1 + draw(st.sampled_from([0.0, 50.0, 1e9]))
    return PassNetwork(W1, b1, W2, draw(numbers), *draw(SLOPES), positive)


def row_bytes(data):
    """The bytes of every row by the definition of the format."""
    X, y, weight = reference.rows_of(data)
    if data.exact is None:
        table = [data.X, data.y[:, None]] + (
            [] if data.sample_weight is None else [data.sample_weight[:, None]]
        )
        rows = np.concatenate(table, axis=1)
        rows[rows == 0] = 0.0
        return [row.astype("<f8").tobytes() for row in rows]
    extra = [[w] for w in weight] if data.sample_weight is not None else [[]] * len(y)
    return [
        ",".join(str(v) for v in [*x, t, *w]).encode() + b"\n" for x, t, w in zip(X, y, extra, strict=True)
    ]


def digests_of(data):
    rows = row_bytes(data)
    total = sum(int.from_bytes(hashlib.blake2s(row).digest(), "little") for row in rows) % 2**256
    return hashlib.sha256(b"".join(rows)).hexdigest(), f"{total:064x}"


def preactivations(x, net):
    return [
        Fraction(b) + sum(Fraction(w) * v for w, v in zip(row, x, strict=True))
        for row, b in zip(net.W1.tolist(), net.b1.tolist(), strict=True)
    ]


def sums(gram):
    n = len(gram.scales)
    return [[gram.value(a, b) for b in range(n)] for a in range(n)]


@settings(max_examples=examples(150), deadline=None)
@given(reference.datasets(exact=True), st.data())
def test_every_number_against_rational_arithmetic(data, draws):
    dx = data.X.shape[1]
    nets = [
        draws.draw(networks(dx, positive))
        for positive in draws.draw(st.sampled_from([[], [True, False], [True]]))
    ]
    result = exact_moments(data, nets)
    X, y, weight = reference.rows_of(data)
    assert result.n_samples == len(y)
    assert sums(result.gram) == reference.gram(data)
    assert (result.digests.sha256, result.digests.unordered) == digests_of(data)
    for net, numbers in zip(nets, result.networks, strict=True):
        slopes = net.s_plus, net.s_minus
        outputs = reference.network_outputs(data, net.W1, net.b1, net.W2, net.b2, *slopes)
        assert numbers.risk == reference.risk(data, outputs)
        # every sample on a piece is what the piece's form says
        assert sum(numbers.counts) == len(y)
        assert numbers.patterns == sorted(set(numbers.patterns))
        total = Fraction(0)
        for pattern, form, gram in zip(numbers.patterns, numbers.pieces, numbers.moments.grams, strict=True):
            rows = [i for i, x in enumerate(X) if fits(pattern, preactivations(x, net))]
            assert sums(gram) == reference.gram(data, rows)
            for i in rows:
                piece = form[0] + sum(c * v for c, v in zip(form[1:], [*X[i], y[i]], strict=True))
                assert piece + Fraction(net.b2) == outputs[i] - y[i]
            total += sum(weight[i] for i in rows)
        assert total == sum(weight)
        if not net.positive:
            assert numbers.positive is None
            assert numbers.radius is None
            continue
        z = [preactivations(x, net) for x in X]
        assert numbers.positive == all(v > 0 for row in z for v in row)
        if not numbers.positive:
            assert numbers.radius == 0.0
        elif not len(net.b1):
            assert numbers.radius == math.inf
        else:
            best = min(v * v / (1 + sum(t * t for t in x)) for x, row in zip(X, z, strict=True) for v in row)
            assert (
                Fraction(numbers.radius) ** 2
                <= best
                < Fraction(math.nextafter(numbers.radius, math.inf)) ** 2
            )


def fits(pattern, z):
    """Zero belongs to the side z >= 0 here, and contributes nothing on either."""
    return all(sign == 0 or (value >= 0) == (sign > 0) for sign, value in zip(pattern, z, strict=True))


@settings(max_examples=examples(100), deadline=None)
@given(reference.datasets(), st.integers(1, 6), st.data())
def test_blocks_merges_and_instruction_sets_leave_no_trace(data, rows, draws):
    m, dx = data.X.shape
    nets = [draws.draw(networks(dx, True)), draws.draw(networks(dx, False))]
    whole = exact_moments(data, nets)
    cuts = sorted(draws.draw(st.lists(st.integers(0, m), max_size=3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_module, "block_rows", lambda columns, units: rows)
        patch.setattr(margin_module, "_KEPT", draws.draw(st.sampled_from([1, 4, 64])))
        patch.setattr(margin_module, "_MANY", 2)
        variant = draws.draw(st.integers(0, _gram.BEST_VARIANT))
        passes = []
        for begin, end in itertools.pairwise([0, *cuts, m]):
            state = ExactPass(dx, nets, data.sample_weight is not None, variant=variant)
            weight = None if data.sample_weight is None else data.sample_weight[begin:end]
            state.update(np.asfortranarray(data.X[begin:end]), data.y[begin:end], weight)
            passes.append(state)
        one = ExactPass(dx, nets, data.sample_weight is not None, variant=variant)
        for k in range(m):
            one.update(
                data.X[k : k + 1],
                data.y[k : k + 1],
                None if data.sample_weight is None else data.sample_weight[k : k + 1],
            )
        order = draws.draw(st.permutations(range(len(passes))))
        total = passes[order[0]]
        for k in order[1:]:
            total.merge(passes[k])
        merged, single = total.result(), one.result()
    assert single == whole
    assert merged.digests.unordered == whole.digests.unordered
    assert merged.digests.sha256 in (None, whole.digests.sha256)
    assert merged.gram == whole.gram
    assert merged.networks == whole.networks


@settings(max_examples=examples(50), deadline=None)
@given(reference.datasets(exact=True), st.data())
def test_a_known_total_saves_work_and_changes_nothing(data, draws):
    nets = [draws.draw(networks(data.X.shape[1], False)) for _ in range(2)]
    plain = exact_moments(data, nets)
    known = exact_moments(data, nets, total=gram_of(data))
    for a, b in zip(plain.networks, known.networks, strict=True):
        assert (a.patterns, a.counts, a.pieces, a.risk) == (b.patterns, b.counts, b.pieces, b.risk)
        assert [sums(g) for g in a.moments.grams] == [sums(g) for g in b.moments.grams]


def test_long_streams_keep_few_rows():
    """Every row ties in float64: memory stays bounded, integers find the least."""
    rng = np.random.default_rng(1)
    m = 20000
    X = np.stack([np.full(m, 3.0), 2.0**-30 * rng.permutation(m)], axis=1)
    net = PassNetwork(np.zeros((1, 2)), np.array([2.0]), np.array([1.0]), 0.0, 1.0, 0.0, True)
    state = ExactPass(2, [net])
    kept = []
    for begin in range(0, m, 1000):
        state.update(X[begin : begin + 1000], np.ones(1000))
        kept.append(sum(len(lower) for lower, _ in state._margins[0]._rows))
    assert max(kept) <= margin_module._KEPT
    radius = state.result().networks[0].radius
    best = Fraction(4) / (10 + Fraction(2.0**-30 * (m - 1)) ** 2)
    assert Fraction(radius) ** 2 <= best < Fraction(math.nextafter(radius, 1.0)) ** 2
    assert radius == exact_margin(net.W1, net.b1, reference.dataset(X, np.ones(m)))


@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e-310])
def test_scales(scale):
    rng = np.random.default_rng(2)
    data = reference.dataset(rng.normal(size=(60, 2)) * scale, rng.normal(size=60), rng.random(60) + 0.1)
    W1 = rng.normal(size=(2, 2)) * min(1 / scale, 1e300)
    net = PassNetwork(W1, rng.normal(size=2), np.array([1.0, -2.0]), 0.25, 1.0, 0.5)
    result = exact_moments(data, [net])
    outputs = reference.network_outputs(data, W1, net.b1, net.W2, 0.25, 1.0, 0.5)
    assert result.networks[0].risk == reference.risk(data, outputs)
    assert sums(result.gram) == reference.gram(data)


def test_exact_data_beyond_float64():
    big, small = Fraction(10) ** 400, Fraction(1, 10**400)
    columns = [[big, -big, Fraction(1, 3), small], [Fraction(1), Fraction(2), small, Fraction(0)]]
    data = SimpleNamespace(
        X=np.array([[np.inf], [-np.inf], [1 / 3], [0.0]]),
        y=np.array([1.0, 2.0, 0.0, 0.0]),
        sample_weight=None,
    )
    scales = [small / 3, small]
    numerators = [
        np.array([int(v / s) for v in c], dtype=object) for c, s in zip(columns, scales, strict=True)
    ]
    data.exact = SimpleNamespace(numerators=numerators, scales=scales)
    W1, b1, W2 = np.array([[1.0], [-2.0]]), np.array([0.0, -5e-324]), np.array([1.0, -3.0])
    result = exact_moments(data, [PassNetwork(W1, b1, W2, 0.5, 1.0, 0.25, True)])
    assert result.networks[0].risk == reference.risk(
        data, reference.network_outputs(data, W1, b1, W2, 0.5, 1.0, 0.25)
    )
    assert result.networks[0].positive is False
    assert sums(result.gram) == reference.gram(data)
    assert (result.digests.sha256, result.digests.unordered) == digests_of(data)


def test_more_than_64_signs_make_a_key():
    rng = np.random.default_rng(6)
    data = reference.dataset(rng.integers(-3, 4, (50, 2)), rng.normal(size=50))
    width = 140
    W1, b1 = rng.integers(-2, 3, (width, 2)) * 1.0, rng.integers(-2, 3, width) * 1.0
    W2 = rng.normal(size=width)
    numbers = exact_moments(data, [PassNetwork(W1, b1, W2, 0.5, 1.0, 0.25)]).networks[0]
    assert numbers.risk == reference.risk(data, reference.network_outputs(data, W1, b1, W2, 0.5, 1.0, 0.25))


def test_digests_of_parts():
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(9000, 3)), rng.normal(size=9000)
    X[5] = -0.0
    whole = Digests()
    whole.update(X, y)
    expected = digests_of(reference.dataset(X, y))
    assert (whole.result().sha256, whole.result().unordered) == expected
    parts = [Digests() for _ in range(3)]
    for part, rows in zip(parts, np.split(rng.permutation(9000), 3), strict=True):
        part.update(np.asfortranarray(X[rows]), y[rows])
    empty = Digests()
    empty.merge(whole)
    assert empty.result() == whole.result()
    whole.merge(Digests())
    assert whole.result().sha256 == expected[0]
    for other in parts[1:]:
        parts[0].merge(other)
    assert parts[0].result().sha256 is None
    assert parts[0].result().unordered == expected[1]
    parts[0].update(X[:1], y[:1])
    assert parts[0].result().sha256 is None


def test_digests_of_fractions():
    columns = [
        [Fraction(1, 3), Fraction(-4)],
        [Fraction(10) ** 30, Fraction(0)],
        [Fraction(1, 2), Fraction(6)],
    ]
    rows = [b"1/3,1000000000000000000000000000000,1/2\n", b"-4,0,6\n"]
    total = sum(int.from_bytes(hashlib.blake2s(row).digest(), "little") for row in rows) % 2**256
    one, two = Digests(), Digests()
    one.update_exact(columns)
    two.update_numerators(
        [np.array([1, -12], dtype=object), np.array([10**30, 0], dtype=object)],
        [Fraction(1, 3), Fraction(1)],
        np.array([0.5, 6.0]),
    )
    for state in (one, two):
        assert state.n_samples == 2
        assert state.result().sha256 == hashlib.sha256(b"".join(rows)).hexdigest()
        assert state.result().unordered == f"{total:064x}"


def test_wrong_use_is_refused():
    X, y = np.ones((3, 1)), np.ones(3)
    net = PassNetwork(np.ones((1, 1)), np.ones(1), np.ones(1), 0.0, 1.0, 0.0)
    with pytest.raises(NetworkError, match=r"W1 must be \(d1, 2\)"):
        ExactPass(2, [net])
    with pytest.raises(ValueError, match="weighted"):
        ExactPass(1, [net], weighted=True).update(X, y)
    with pytest.raises(ValueError, match="numerators"):
        ExactPass(1, [net], scales=[Fraction(1), Fraction(1)]).update(X, y)
    with pytest.raises(ValueError, match="cannot be merged"):
        ExactPass(1, [net], total=gram_of(reference.dataset(X, y))).merge(ExactPass(1, [net]))
    wrong = [
        (np.ones((3, 2)), y, "k, 1"),
        (X, np.ones(4), "y \\(4,\\)"),
        (X.astype(np.float32), y, "float32"),
    ]
    for state in (ExactPass(1, [net]), GramState(1)):
        for inputs, target, message in wrong:
            with pytest.raises(DataError, match=message):
                state.update(inputs, target)
    with pytest.raises(DataError, match="same rows"):
        Digests().update(X, np.ones(2))
    with pytest.raises(DataError, match="weights \\(2,\\)"):
        ExactPass(1, [net], weighted=True).update(X, y, np.ones(2))
    with pytest.raises(DataError, match="finite"):
        ExactPass(1, [net]).update(X * np.nan, y)


def test_a_pass_without_rows():
    result = ExactPass(
        1, [PassNetwork(np.ones((1, 1)), np.ones(1), np.ones(1), 0.0, 1.0, 0.0, True)]
    ).result()
    assert result.n_samples == 0
    assert result.networks[0].risk == 0
    assert result.networks[0].radius == math.inf
