"""Exact least squares with more columns than distinct rows: the same rationals as the normal equations, in bounded time."""

from __future__ import annotations

import signal
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.exact import wide as wide_module
from fastminima.exact.affine import Columns
from fastminima.exact.fit import ExactFit
from fastminima.exact.gram import gram_of
from fastminima.exact.modular import PRIME, echelon, float_residues, inverse, solve_square
from fastminima.exact.solve import solve_normal_equations
from fastminima.exact.wide import solve_wide
from pace import at_most, fixed_work
from profiles import examples


@st.composite
def wide_tables(draw):
    """More columns than rows, with repeated rows, constant, repeated and combined columns, wide exponents and weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m, n = draw(st.integers(1, 7)), draw(st.integers(1, 12))
    n = max(n, m)
    kind = draw(st.sampled_from(["small", "float", "exponents", "low rank"]))
    if kind == "small":
        X = rng.integers(-2, 3, (m, n)).astype(float)
    elif kind == "low rank":
        rank = int(rng.integers(1, m + 1))
        X = (rng.integers(-3, 4, (m, rank)) @ rng.integers(-3, 4, (rank, n))).astype(float)
    else:
        X = rng.normal(size=(m, n))
        if kind == "exponents":
            X = np.ldexp(X, rng.integers(-300, 300, n))
    if m > 2 and draw(st.booleans()):
        X[m - 1], X[m - 2] = X[0], X[0]
    if draw(st.booleans()):
        X[:, 0] = 3.0
    if n > 2 and draw(st.booleans()):
        X[:, 1] = X[:, 2]
    y = rng.integers(-4, 5, m) / 8 if draw(st.booleans()) else rng.normal(size=m)
    weight = np.ldexp(1.0 + rng.random(m), rng.integers(-9, 9, m)) if draw(st.booleans()) else None
    return X, y, weight


@given(wide_tables(), st.booleans())
@settings(max_examples=examples(300), deadline=None)
def test_wide_data_have_the_solution_of_their_normal_equations(table, rational):
    X, y, weight = table
    if rational:
        X = np.array([[Fraction(v) / 3 for v in row] for row in X.tolist()], dtype=object)
        y = np.array([Fraction(v) / 7 for v in y.tolist()], dtype=object)
    data = fm.Dataset(X, y, sample_weight=weight)
    columns = Columns(data)
    found, wanted = solve_wide(columns), solve_normal_equations(gram_of(columns))
    assert found == wanted
    fit = ExactFit.of(data)
    assert fit.known_gram is None
    known = ExactFit.of(data, gram_of(columns))
    assert fit.total_weight == known.total_weight
    assert fit.n_samples == known.n_samples
    coef = [Fraction(1, 3)] * data.n_features
    assert fit.excess(coef, Fraction(2)) == known.excess(coef, Fraction(2))
    assert fit.excess(fit.coef, fit.intercept) == 0


def test_data_that_are_not_wide_are_left_to_the_gram_matrix():
    X = np.arange(12.0).reshape(6, 2)
    assert solve_wide(Columns(fm.Dataset(X, X[:, 0]))) is None
    assert ExactFit.of(fm.Dataset(X, X[:, 0])).known_gram is not None


def test_full_row_rank_is_proved_without_a_gram_matrix(monkeypatch):
    def refuse(*_):
        raise AssertionError("a Gram matrix of wide data of full row rank")

    monkeypatch.setattr(wide_module, "gram_of", refuse)
    rng = np.random.default_rng(11)
    fit = ExactFit.of(fm.Dataset(rng.normal(size=(9, 40)), rng.normal(size=9)))
    assert (fit.risk, fit.rank, fit.pivots) == (0, 9, tuple(range(9)))
    assert fit.linearly_fittable


def test_a_prime_that_divides_a_minor_is_no_error():
    # the second column is 0 modulo the prime: what is skipped there is a pivot over the rationals
    p = float(PRIME)
    data = fm.Dataset(
        np.array([[p, 1.0, 0.0], [2 * p, 0.0, 1.0], [0.0, 3.0, 0.0]]), np.array([1.0, 2.0, 4.0])
    )
    fit = ExactFit.of(data)
    assert fit.pivots == (0, 1, 2)
    assert fit.risk == 0


def test_square_systems_are_solved_exactly():
    rng = np.random.default_rng(2)
    for n, bits in ((1, 3), (4, 10), (9, 70), (30, 200)):
        B = np.array(
            [[int.from_bytes(rng.bytes(25)) % 2 ** (bits + 1) - 2**bits for _ in range(n)] for _ in range(n)],
            dtype=object,
        )
        Y = np.array([[int(rng.integers(-9, 9)), (1 << 80) + i] for i in range(n)], dtype=object)
        Z, denominators = solve_square(B, Y)
        assert all(d > 0 for d in denominators)
        assert not (B.dot(Z) - Y * np.array(denominators, dtype=object)).any()
    assert solve_square(np.array([[1, 2], [2, 4]], dtype=object), np.array([[1], [1]], dtype=object)) is None


def test_residues_and_echelon_forms():
    values = np.array([0.0, -1.0, 0.1, 5e-324, 1.7e308, 3.0])
    for residue, value in zip(float_residues(values).tolist(), values.tolist(), strict=True):
        exact = Fraction(value)
        assert residue == exact.numerator * pow(exact.denominator, -1, PRIME) % PRIME
    A = np.array([[0, 2, 4, 1], [0, 1, 2, 5], [0, 3, 6, 6]], dtype=np.int64)
    pivots, rows = echelon(A)
    assert (pivots, len(rows)) == ([1, 3], 2)
    B = A[np.ix_(rows, pivots)]
    assert (inverse(B) @ B % PRIME == np.eye(2)).all()


@pytest.mark.parametrize("dependent", [0, 3])
def test_large_normal_equations_are_lifted_to_the_same_rationals(dependent):
    rng = np.random.default_rng(8)
    X = rng.integers(-9, 10, (90, 70)) / 4
    for j in range(dependent):
        X[:, 10 + 20 * j] = X[:, 1] - 2 * X[:, 3 * j + 2]
    gram = gram_of(Columns(fm.Dataset(X, rng.normal(size=90))))
    found = solve_normal_equations(gram)
    assert found.rank == 71 - dependent
    assert found == solve_normal_equations(gram, use_flint=False)


def test_a_wide_table_takes_no_minutes():
    rng = np.random.default_rng(5)
    X, y = rng.integers(0, 100, (60, 400)) / 4, rng.normal(size=60)
    # a hundredth of what the Gram matrix of 402 columns took
    with at_most(200):
        low = fm.spurious_minimum(fm.Dataset(X, y))
    assert low.status == "global"
    assert low.fit.exact.risk == 0


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to one thread")
def test_long_exact_work_hears_an_interrupt():
    rng = np.random.default_rng(6)
    data = fm.Dataset(rng.normal(size=(400, 900)), rng.normal(size=400))
    main = threading.get_ident()
    sent: list[float] = []

    def interrupt():
        sent.append(time.perf_counter())
        signal.pthread_kill(main, signal.SIGINT)

    # a job in the background of a shell ignores the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.7, interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            fm.least_squares(data)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.perf_counter() - sent[0] < 200 * fixed_work(time.perf_counter)
