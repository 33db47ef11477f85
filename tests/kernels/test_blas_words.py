"""The words for BLAS: every transpose, layout and remainder against NumPy, empty matrices, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastminima.kernels import _blas as kernels
from fastminima.kernels import reference_blas as twins

SIZES = [0, 1, 2, 3, 7, 8, 17]


def integers(rng, shape, dtype=np.float64):
    """Small integers: their sums are exact in any order, so results are equal to the bit."""
    return rng.integers(-9, 10, shape).astype(dtype)


def laid(array, layout):
    if layout == "strided":
        wide = np.full((len(array), array.shape[1] + 3), 99.0, dtype=array.dtype)
        wide[:, 1:-2] = array
        return wide[:, 1:-2]
    return array


@pytest.mark.parametrize(("word", "dtype"), [("dgemm", np.float64), ("sgemm", np.float32)])
@pytest.mark.parametrize("layout", ["contiguous", "strided"])
@pytest.mark.parametrize("turned", list(itertools.product([False, True], repeat=2)))
def test_products_agree_with_their_twins(word, dtype, layout, turned):
    rng = np.random.default_rng(1)
    for m, n, k in itertools.product(SIZES, repeat=3):
        a = laid(integers(rng, (k, m) if turned[0] else (m, k), dtype), layout)
        b = laid(integers(rng, (n, k) if turned[1] else (k, n), dtype), layout)
        for beta in (0.0, -2.0):
            first = np.full((m, n), np.nan, dtype) if beta == 0.0 else integers(rng, (m, n), dtype)
            ours, theirs = laid(first.copy(), layout), first.copy()
            getattr(kernels, word)(a, b, ours, 3.0, beta, *turned)
            getattr(twins, word)(a, b, theirs, 3.0, beta, *turned)
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("layout", ["contiguous", "strided"])
@pytest.mark.parametrize("turned", [False, True])
def test_symmetric_products_fill_the_upper_triangle_alone(layout, turned):
    rng = np.random.default_rng(2)
    for n, k in itertools.product(SIZES, repeat=2):
        a = laid(integers(rng, (k, n) if turned else (n, k)), layout)
        for beta in (0.0, 1.0):
            first = integers(rng, (n, n))
            ours, theirs = laid(first.copy(), layout), first.copy()
            kernels.dsyrk(a, ours, 2.0, beta, turned)
            twins.dsyrk(a, theirs, 2.0, beta, turned)
            np.testing.assert_array_equal(ours, theirs)
            below = np.tril_indices(n, -1)
            np.testing.assert_array_equal(ours[below], first[below])


def test_what_blas_cannot_count_is_refused():
    # rows of a view may lie as far apart as one likes without memory behind them
    far = np.lib.stride_tricks.as_strided(np.ones(1), (2, 1), (0, 8))
    with pytest.raises(ValueError, match="rows of a must follow"):
        kernels.dgemm(far, np.ones((1, 1)), np.ones((2, 1)))
    long = np.lib.stride_tricks.as_strided(np.ones(1), (1, kernels.LARGEST + 1), (8, 8))
    with pytest.raises(OverflowError, match="BLAS counts to 2147483647"):
        kernels.dgemm(np.ones((1, 1)), long, long, 1.0, 1.0)
    with pytest.raises(OverflowError, match="BLAS counts to"):
        kernels.dsyrk(long, np.ones((1, 1)))
    with pytest.raises(ValueError, match="side by side"):
        kernels.dgemm(np.ones((4, 3)).T, np.ones((4, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"do not fit together: a \(2, 3\), b \(2, 2\), out \(2, 2\)"):
        kernels.dgemm(np.ones((2, 3)), np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="do not fit together"):
        kernels.dsyrk(np.ones((2, 3)), np.ones((3, 3)))
