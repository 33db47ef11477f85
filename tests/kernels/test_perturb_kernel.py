"""Direct excess risks against rational arithmetic, on every remainder and variant of the blocking."""

from __future__ import annotations

import itertools
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastminima.kernels import _perturb, reference_perturb

F64 = NDArray[np.float64]
VARIANTS = range(len(_perturb.VARIANTS))
BOTH = [(variant, item) for variant in VARIANTS for item in (8, 4)]
NAMES = [f"{_perturb.VARIANTS[variant]}-f{8 * item}" for variant, item in BOTH]
U = 2.0**-53


def problem(d1: int, dx: int, m: int, K: int, seed: int = 0, grid: bool = False) -> SimpleNamespace:
    """On the grid every number is a small dyadic rational, so that float64 makes no error at all in any order."""
    rng = np.random.default_rng([seed, d1, dx, m, K])
    P = d1 * (dx + 2) + 1
    if grid:
        values = [rng.integers(-2, 3, shape) / 2 for shape in ((d1, dx), d1, d1, (m, dx), m, (K, P))]
        values[2][rng.random(d1) < 0.2] = 0.0  # dead ends
        values[5][rng.random((K, P)) < 0.3] = -0.0
        if d1 > 2:
            values[0][1], values[1][1] = 0.0, 0.0  # a unit that is zero everywhere
    else:
        values = [rng.standard_normal(shape) for shape in ((d1, dx), d1, d1, (m, dx), m, (K, P))]
    W1, b1, W2, X, e, delta = values
    weight = rng.integers(1, 5, m) / 2.0 if seed % 2 else np.empty(0)
    slopes = [(1.0, 0.5), (1.0, 0.0), (0.5, 1.0), (2.0, 0.5)][seed % 4]
    return SimpleNamespace(
        W1=W1, b1=b1, W2=W2, X=X, e=e, delta=delta, weight=weight, slopes=slopes, centre=np.empty(0)
    )  # fmt: skip


def about_the_centre(p: SimpleNamespace) -> tuple[F64]:
    """b1 + W1 centre, each rounded once."""
    if not p.centre.size:
        return (p.b1,)
    rows = np.c_[p.b1, p.W1].tolist()
    point = [Fraction(1), *map(Fraction, p.centre.tolist())]
    return (
        np.array(
            [
                float(sum((Fraction(a) * b for a, b in zip(row, point, strict=True)), Fraction(0)))
                for row in rows
            ]
        ),
    )


def biases(p: SimpleNamespace) -> F64:
    """db + dw . centre, each rounded once."""
    d1, dx = p.W1.shape
    out = p.delta[:, d1 * dx : d1 * (dx + 1)].copy()
    if p.centre.size:
        point = [Fraction(float(v)) for v in p.centre]
        for k, row in enumerate(p.delta.tolist()):
            for j in range(d1):
                step = row[j * dx : (j + 1) * dx]
                out[k, j] = float(
                    Fraction(row[d1 * dx + j])
                    + sum((Fraction(a) * b for a, b in zip(step, point, strict=True)), Fraction(0))
                )
    return out


def call(
    module: Any,
    item: int,
    variant: int,
    p: SimpleNamespace,
    start: tuple[Any, ...] = (),
) -> tuple[F64, F64, NDArray[np.int64]]:
    """Two direct calls, with workspace and outputs exactly as large as they are said to be; the second may find its
    samples packed."""
    K = len(p.delta)
    items = _perturb.workspace_items(variant, item, *p.W1.shape)
    guarded = np.full(items + 16, 7.0, np.float32 if item == 4 else np.float64)
    results = []
    for packed in (False, True):
        outs = [np.full(K + 1, -3.0), np.full(K + 1, -3.0), np.full(K + 1, -3)]
        for i, out in enumerate(outs):
            out[:K] = start[i] if start else 0
        (module.excess_f32 if item == 4 else module.excess_f64)(
            p.W1, p.b1, p.W2, p.X, p.centre, *about_the_centre(p), p.e, p.weight, *p.slopes, p.delta, biases(p),
            variant, packed, guarded[:items], *(out[:K] for out in outs),
        )  # fmt: skip
        assert (guarded[items:] == 7.0).all()
        assert all(out[K] == -3 for out in outs)
        results.append([out[:K] for out in outs])
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)
    return tuple(results[0])


def activity(values: F64, slopes: tuple[float, float]) -> F64:
    return np.where(values > 0, *slopes)


def exact_difference(p: SimpleNamespace) -> tuple[F64, NDArray[np.int64]]:
    """Risk at theta + delta minus risk at theta minus g.c, and the sign changes; without error on the grid."""
    d1, dx = p.W1.shape
    omega = p.weight if p.weight.size else np.ones(len(p.X))
    z = p.X @ p.W1.T + p.b1
    f = (activity(z, p.slopes) * z) @ p.W2
    rest, flips = [], []
    for row in p.delta:
        dW, db = row[: d1 * dx].reshape(d1, dx), row[d1 * dx : d1 * (dx + 1)]
        dv, db2 = row[d1 * (dx + 1) : -1], row[-1]
        moved = p.X @ (p.W1 + dW).T + (p.b1 + db)
        change = (activity(moved, p.slopes) * moved) @ (p.W2 + dv) + db2 - f
        c = (p.W2 + dv)[:, None] * np.c_[dW, db] + dv[:, None] * np.c_[p.W1, p.b1]
        linear = (activity(z, p.slopes) * (np.c_[p.X, np.ones(len(p.X))] @ c.T)).sum(axis=1) + db2
        # 1/2 (e + change)^2 - 1/2 e^2 - e linear
        rest.append(np.sum(omega * (p.e * (change - linear) + 0.5 * change**2)))
        flips.append(np.count_nonzero((z > 0) != (moved > 0)))
    return np.array(rest), np.array(flips)


def check_on_grid(variant: int, item: int, p: SimpleNamespace) -> int:
    quadratic, change, flips = call(_perturb, item, variant, p)
    expected = call(reference_perturb, item, variant, p)
    rest, crossings = exact_difference(p)
    assert (flips == crossings).all()
    assert (expected[2] == crossings).all()
    # exact in float32 too: outputs of less than 24 bits, times residuals; their squares only in float64
    assert (change == expected[1]).all()
    if item == 8:
        assert (quadratic == expected[0]).all()
        assert (quadratic + change == rest).all()
    else:
        # squares, at most 48 sums of a chain
        assert (abs(quadratic - expected[0]) <= 60 * 2.0**-24 * expected[0]).all()
    return int(flips.sum())


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_every_remainder_on_the_grid(variant: int, item: int) -> None:
    panel, _ = _perturb.layout(variant, item, 3, 2)
    flips = 0
    for m in range(1, 2 * panel + 2):
        flips += check_on_grid(variant, item, problem(3, 2, m, 3, m, grid=True))
    for d1, dx in itertools.product(range(1, 19), (0, 1, 2, 3, 4, 5, 7, 8, 9)):
        flips += check_on_grid(variant, item, problem(d1, dx, panel + d1, 2, d1 + dx, grid=True))
    assert flips > 1000
    # blocks of perturbations: one more than a block, for a small and a large network
    for d1, dx in ((1, 0), (2, 3), (20, 30)):
        block = max(1, min(20 * 1024 // item // (d1 * (dx + 5) + 1), 256))
        for K in {1, block - 1, block, block + 1, 2 * block + 1} - {0}:
            check_on_grid(variant, item, problem(d1, dx, panel + 1, K, 1, grid=True))


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_several_groups_and_cuts_give_the_same_bits(variant: int, item: int) -> None:
    panel, group = _perturb.layout(variant, item, 3, 5)
    p = problem(3, 5, 2 * panel * group + panel + 1, 7, 5)
    p.delta *= 0.3
    whole = call(_perturb, item, variant, p)
    assert whole[2].all()
    parts: tuple[Any, ...] = ()
    for start in range(0, len(p.X), panel * group):
        cut = slice(start, start + panel * group)
        q = SimpleNamespace(**{**vars(p), "X": p.X[cut], "e": p.e[cut], "weight": p.weight[cut]})
        parts = call(_perturb, item, variant, q, start=parts)
    single = [
        call(_perturb, item, variant, SimpleNamespace(**{**vars(p), "delta": p.delta[k : k + 1]}))
        for k in range(len(p.delta))
    ]
    for i, out in enumerate(whole):
        assert (out == parts[i]).all()
        assert (out == np.concatenate([s[i] for s in single])).all()


def exact_parts(p: SimpleNamespace, k: int, unit: float) -> tuple[Fraction, Fraction, float, float]:
    """quadratic and change from the formula, and bounds on the kernel's errors in arithmetic of roundoff `unit`.

    No product in D + Delta passes more than n = dx + 2 d1 + 12 roundings (arguments to the working precision, x and
    bias about the centre, the dx + 1 sums of dz or of z, z + dz, v + dv, slopes and their product,
    2 d1 + 2 sums), and Delta is Lipschitz
    across a change of sign: the error of a sample is at most B = gamma_n times the same formula with absolute values.
    """
    d1, dx = p.W1.shape
    plus, minus = map(Fraction, p.slopes)
    row = [Fraction(float(v)) for v in p.delta[k]]
    n = dx + 2 * d1 + 12
    gamma = n * unit / (1 - n * unit)
    quadratic, change, spread, shift, moved = Fraction(0), Fraction(0), 0.0, 0.0, 0.0
    for i, x in enumerate(p.X):
        point = [Fraction(float(v)) for v in p.centre] or [Fraction(0)] * dx
        xs = [Fraction(float(v)) - c for v, c in zip(x, point, strict=True)]
        omega = Fraction(float(p.weight[i])) if p.weight.size else Fraction(1)
        D, Delta, size = row[-1], Fraction(0), abs(row[-1])
        for j in range(d1):
            step, own = row[j * dx : (j + 1) * dx], [Fraction(float(w)) for w in p.W1[j]]
            terms, parts = (
                [a * b for a, b in zip(w, xs, strict=True)]
                + [bias + sum((a * b for a, b in zip(w, point, strict=True)), Fraction(0))]
                for w, bias in ((step, row[d1 * dx + j]), (own, Fraction(float(p.b1[j]))))
            )
            dz, base, dv = sum(terms, Fraction(0)), sum(parts, Fraction(0)), row[d1 * (dx + 1) + j]
            v = Fraction(float(p.W2[j])) + dv
            s, after = (plus if base > 0 else minus), (plus if base + dz > 0 else minus)
            D += s * (v * dz + dv * base)
            Delta += v * (after - s) * (base + dz)
            reach, far = (sum(map(abs, v), Fraction(0)) for v in (terms, parts))
            size += max(plus, minus) * (abs(v) * reach + abs(dv) * far)
            if s != after or abs(base) <= 2 * reach:
                size += abs(v * (plus - minus)) * (far + reach)
        e = Fraction(float(p.e[i]))
        quadratic += omega * (D + Delta) ** 2 / 2
        change += omega * e * Delta
        B = gamma * float(size)
        spread += float(omega) * (abs(float(D + Delta)) * B + B * B / 2)
        # the product w e and its rounding
        shift += float(omega * abs(e)) * (B + 3 * unit * float(abs(Delta)))
        moved += float(abs(omega * e * Delta))
    chain = (len(p.X) + 3) * U + (0 if unit < 1e-10 else 60 * unit)
    return quadratic, change, 1.01 * (spread + chain * float(quadratic)), 1.01 * (shift + chain * moved)


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
@pytest.mark.parametrize("radius", [1.0, 1e-2, 1e-6, 1e-12])
def test_random_problems_within_the_derived_bound(variant: int, item: int, radius: float) -> None:
    for seed, (d1, dx, m) in enumerate([(1, 0, 5), (4, 8, 40), (5, 3, 50), (9, 1, 30)]):
        p = problem(d1, dx, m, 2, seed)
        p.delta *= radius
        if seed % 2:
            p.X += 1e3
            p.centre = p.X.mean(axis=0)
            p.b1 -= p.W1 @ p.centre
        results = call(_perturb, item, variant, p), call(reference_perturb, item, variant, p)
        for k in range(2):
            quadratic, change, bound, shift = exact_parts(p, k, 2.0**-24 if item == 4 else U)
            for result in results:
                assert abs(Fraction(float(result[0][k])) - quadratic) <= bound
                assert abs(Fraction(float(result[1][k])) - change) <= shift
            assert bound <= float(quadratic) * (1e-4 if item == 4 else 1e-12)
            if radius == 1e-12:
                assert results[0][2][k] == 0
                assert results[0][1][k] == 0


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
@pytest.mark.parametrize("far", [False, True])
def test_slopes_are_those_of_exact_preactivations(variant: int, item: int, far: bool) -> None:
    """z of 1e-17, of either sign, where float64 sums give 0: another slope is wrong by e (s_plus - s_minus) dz."""
    d1, dx, m = 3, 4, 60
    p = problem(d1, dx, m, 3, 1)
    # z of the first two is what rounding 3 x left
    p.X[:, 0] += 100.0 * far
    p.X[:, 1] = 3.0 * p.X[:, 0]
    p.W1[:2] = [3.0, -1.0, 0.0, 0.0], [-6.0, 2.0, 0.0, 0.0]
    p.b1[:] = 0.0
    p.centre = p.X.mean(axis=0) if far else np.empty(0)
    p.delta *= 1e-3
    exact = [
        [Fraction(b) + sum((Fraction(w) * Fraction(x) for w, x in zip(row, xs, strict=True)), Fraction(0))
         for row, b in zip(p.W1.tolist(), p.b1.tolist(), strict=True)]
        for xs in p.X.tolist()
    ]  # fmt: skip
    unlike = (np.array([[z > 0 for z in row] for row in exact]) != (p.b1 + p.X @ p.W1.T > 0)).sum()
    assert unlike > 10
    results = call(_perturb, item, variant, p), call(reference_perturb, item, variant, p)
    for k in range(3):
        quadratic, change, bound, shift = exact_parts(p, k, 2.0**-24 if item == 4 else U)
        for result in results:
            assert abs(Fraction(float(result[0][k])) - quadratic) <= bound
            assert abs(Fraction(float(result[1][k])) - change) <= shift
        assert item == 4 or shift < 1e-8 * float(abs(change))


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_what_is_taken_for_safe_changes_no_sign(variant: int, item: int) -> None:
    """Perturbations along a sample's own (x, 1), which carry it just to, short of or past the kink: alone, when their own
    norm decides what is watched, all together, and beside one that is not a number, when everything is."""
    d1, dx = 3, 9
    panel = _perturb.layout(variant, item, d1, dx)[0]
    m = 5 * panel + panel // 3
    p = problem(d1, dx, m, 1, 3)
    x = np.c_[p.X, np.ones(m)].astype(np.float32 if item == 4 else np.float64)
    unit = 2.0**-24 if item == 4 else U
    rows = []
    margins = abs(x @ np.c_[p.W1, p.b1].T) / np.linalg.norm(x, axis=1)[:, None]
    # the sample of each panel that is first to change
    closest = (
        np.argmin(margins[: 5 * panel].reshape(5, panel, d1), axis=1)
        + np.arange(0, 5 * panel, panel)[:, None]
    )
    for t in [0, *(s * f for s in (-1, 1) for f in (unit, 2 * unit, 8 * unit, 40 * unit, 1e-3, 0.1))]:
        for j, i in [(j, i) for row in closest for j, i in enumerate(row)]:
            step = -(x[i] @ np.r_[p.W1[j], p.b1[j]]) / (x[i] @ x[i]) * (1 + t) * x[i]
            row = np.zeros(d1 * (dx + 2) + 1)
            row[j * dx : (j + 1) * dx] = step[:-1]
            row[d1 * dx + j] = step[-1]
            rows.append(row)
    p.delta = np.array(rows)
    together = call(_perturb, item, variant, p)
    found = 0
    for k, row in enumerate(rows):
        p.delta = np.array([row, np.full(len(row), np.nan)])
        watched = call(_perturb, item, variant, p)
        p.delta = np.array([row])
        alone = call(_perturb, item, variant, p)
        for ours, same, expected in zip(alone, together, watched, strict=True):
            assert ours[0] == same[k] == expected[0]
        found += int(watched[2][0])
    assert 0 < np.count_nonzero(together[2] == 0) < len(rows)
    assert found == together[2].sum()


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_batches_of_perturbations_give_the_same_bits(variant: int, item: int) -> None:
    """What is made of 40 units' parameters fills a batch with fewer than 1,700 perturbations, where samples are many."""
    panel, group = _perturb.layout(variant, item, 40, 1)
    for m in (2 * panel * group, 2 * panel * group + 1):
        p = problem(40, 1, m, 3500, 5)
        delta = p.delta * 0.1
        p.delta = delta
        whole = call(_perturb, item, variant, p)
        for cut in (slice(0, 7), slice(1160, 1180), slice(1740, 1760), slice(3490, 3500)):
            p.delta = delta[cut]
            for ours, expected in zip(call(_perturb, item, variant, p), whole, strict=True):
                np.testing.assert_array_equal(ours, expected[cut])


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
@pytest.mark.parametrize("d1", [2, 4, 5, 8, 11])
def test_many_and_few_changes_of_sign_go_the_same_way(variant: int, item: int, d1: int) -> None:
    """Perturbations of one size after another: what a block of them meets decides how the next looks for changes."""
    m = 40 * _perturb.layout(variant, item, d1, 3)[0]
    p = problem(d1, 3, m, 1200, 5)
    p.delta = p.delta * np.repeat([1e-3, 1.0, 1e-1, 1e-5], 300)[:, None]
    whole = call(_perturb, item, variant, p)
    order = np.random.default_rng(d1).permutation(1200)
    p.delta = p.delta[order]
    for ours, expected in zip(call(_perturb, item, variant, p), whole, strict=True):
        np.testing.assert_array_equal(ours, expected[order])
    z = p.X @ p.W1.T + p.b1
    counts = []
    for row in p.delta[:40]:
        dz = p.X @ row[: 3 * d1].reshape(d1, 3).T + row[3 * d1 : 4 * d1]
        counts.append(np.count_nonzero((z > 0) != (z + dz > 0)))
    # in float32 a sample may lie on either side of a kink closer than its rounding
    assert (abs(whole[2][order][:40] - counts) <= (m * d1 // 1000 if item == 4 else 0)).all()
    assert min(counts) <= 2
    assert max(counts) > m * d1 // 8


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_a_sample_on_the_kink_starts_on_the_lower_slope(variant: int, item: int) -> None:
    """z = 0 and z' = 0 of either sign, all cases of one unit and one sample."""
    for base, step in itertools.product((0.0, -0.0, 1.0, -1.0), (0.0, -0.0, 1.0, -1.0)):
        p = SimpleNamespace(
            W1=np.empty((1, 0)), b1=np.array([base]), W2=np.array([3.0]), X=np.empty((1, 0)), e=np.array([5.0]),
            delta=np.array([[step, 0.0, 0.0]]), weight=np.empty(0), slopes=(2.0, 0.5), centre=np.empty(0),
        )  # fmt: skip
        quadratic, change, flips = call(_perturb, item, variant, p)
        before, after = (2.0 if base > 0 else 0.5), (2.0 if base + step > 0 else 0.5)
        assert flips[0] == (before != after)
        moved = 3.0 * (after - before) * (base + step)
        assert change[0] == 5.0 * moved
        assert quadratic[0] == 0.5 * (3.0 * before * step + moved) ** 2


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_slopes_that_agree_in_seven_digits(variant: int, item: int) -> None:
    p = problem(3, 2, 40, 2, 2)
    p.slopes = (1.0000001, 1.0)
    _, change, flips = call(_perturb, item, variant, p)
    expected = call(reference_perturb, item, variant, p)
    assert flips.all()
    np.testing.assert_allclose(change, expected[1], rtol=1e-4 if item == 4 else 1e-12)


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_overflow_is_not_hidden(variant: int, item: int) -> None:
    p = problem(3, 2, 50, 3, 1)
    p.delta[1] *= 1e200
    quadratic, _, _ = call(_perturb, item, variant, p)
    assert np.isfinite(quadratic[[0, 2]]).all()
    assert not np.isfinite(quadratic[1])


@pytest.mark.parametrize(("variant", "item"), BOTH, ids=NAMES)
def test_overflow_depends_on_no_other_perturbation(variant: int, item: int) -> None:
    """Inputs, residuals and slopes whose steps overflow: alone, beside some that change every sign, and after many."""
    panel = _perturb.layout(variant, item, 8, 3)[0]
    huge = 1e39 if item == 4 else 1e307
    for case in range(4):
        p = problem(8, 3, panel, 8, 4)
        p.delta *= 1e-3
        # the last row turns all units about
        p.delta[-1, :24], p.delta[-1, 24:32] = -2 * p.W1.ravel(), -2 * p.b1
        p.delta[:2, :32] = 0.0
        if case == 0:
            p.e[::5] *= huge
        elif case == 1:
            # one change, and units beside its own whose slopes differ by more than the largest number
            p.slopes, p.W2 = (1.0, -1.0), p.W2 * (huge / 1e4)
            p.W2[1:] = 0.6 * (3.4e38 if item == 4 else huge)
            p.delta *= 1e-300 if item == 8 else 1e-30
            p.W1, p.b1, p.delta[-1, :32] = p.W1 * 0.1, p.b1 * 0.1, p.delta[-1, :32] * 1e30
            p.delta[2:-1, :32] = 0.0
            p.delta[2:-1, 24] = -1.01 * p.b1[0]
        elif case == 2:
            p.X[0], p.W1, p.delta[:-1, :32] = huge, p.W1 * 1e-29, 1e-35
        else:
            p.W1[3], p.X[:, 0], p.delta[:-1, :32] = 1e300, 1e20, 1e-9
            p.delta[3, :32] = -1e25
        delta = p.delta
        p.delta = np.concatenate([np.repeat(delta[-1:], 600, axis=0), delta])
        after = call(_perturb, item, variant, p)
        for k, row in enumerate(delta):
            p.delta = np.array([row])
            for ours, expected in zip(after, call(_perturb, item, variant, p), strict=True):
                np.testing.assert_array_equal(ours[600 + k], expected[0], f"{case} {k}")


def test_nothing_to_do() -> None:
    for m, K in ((0, 2), (3, 0)):
        p = problem(2, 1, m, K)
        quadratic, change, flips = call(_perturb, 8, _perturb.BEST_VARIANT, p)
        assert not quadratic.any()
        assert not change.any()
        assert not flips.any()
