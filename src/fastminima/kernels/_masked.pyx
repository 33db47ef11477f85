# cython: language_level=3
"""Exact Gram matrices of masked columns: sums of products of two columns over the samples that two masks let through.

a.  Formula. For columns v_0, ... with |v| <= 1 and masks m_0 = weights, m_k in {0, 1}: for every pair (k, k') of
    masks (mask 0 stands for no mask) and every pair (a, b) of columns, sum_i m_0i m_ki m_k'i v_ia v_ib. A network's
    masked design has (1 + d1)(2 + d1)/2 pairs of masks and (dx + 2)(dx + 3)/2 of columns: each product is formed once
    for all units, where a Gram matrix of the masked columns forms it for every pair of units.
b.  Digits. v_a v_b = high + low exactly (fused, or Dekker); both are cut into the same places, digit = rint(unit
    high) + rint(unit low), as many as the columns' last bits ask for, so that nothing is left: at most 1.5 unit + 1 a
    place.
c.  Sums. One dgemm a block of B = 512 samples multiplies the masks' rows (times weights, integers up to 2^w) by the
    digits' rows. Every partial sum is an integer of at most B 2^w (1.5 unit + 1) <= 2^53, which the caller's unit
    sees to: exact in any order. It is taken over as 2^26 high + low: int64 holds 2^36 blocks.
d.  Cost. 2 m pairs digits flops in BLAS, 10 a digit before; masks and digits of a block lie in second-level cache,
    and no masked column is ever stored for more than a block.
e.  All variants give the same integers.
"""

from libc.stdint cimport int32_t, int64_t

from ._blas cimport row_gemm

cdef extern from "_simd.h" nogil:
    int fm_best_variant()

cdef extern from "_masked.h" nogil:
    enum:
        FK_BLOCK
        FK_LOW
    void fk_digits(int, const double *, Py_ssize_t, Py_ssize_t, const int32_t *, const int32_t *, const int32_t *,
                   Py_ssize_t, double, double *)
    void fk_masks(const double *, Py_ssize_t, Py_ssize_t, const int32_t *, const int32_t *, Py_ssize_t, double *)
    void fk_take(const double *, Py_ssize_t, int64_t *, int64_t *)

BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]
BLOCK = FK_BLOCK
LOW_BITS = FK_LOW


def workspace_items(Py_ssize_t masks, Py_ssize_t digits):
    """Numbers of scratch for so many pairs of masks and digits of all pairs of columns."""
    return (masks + digits) * FK_BLOCK + masks * digits


def masked_products(const double[:, ::1] columns, const double[:, ::1] masks, Py_ssize_t count,
                    const int32_t[::1] first, const int32_t[::1] second, const int32_t[::1] a, const int32_t[::1] b,
                    const int32_t[::1] places, double unit, int variant, double[::1] workspace,
                    int64_t[:, ::1] high_out, int64_t[:, ::1] low_out):
    """high_out, low_out (pairs of masks, digits) += the sums over the first `count` samples, 2^26 high + low.

    columns (c, >= count), masks (1 + units, >= count); first, second: the pairs of masks; a, b, places: the pairs of
    columns and how many digits each has, sum(places) = digits.
    """
    cdef Py_ssize_t left = first.shape[0], pairs = a.shape[0], right = high_out.shape[1], begin = 0, rows
    cdef double *mask_rows
    cdef double *digit_rows
    cdef double *sums
    cdef int failed = 0
    with nogil:
        if count > 0 and left > 0 and pairs > 0 and right > 0:
            mask_rows = &workspace[0]
            digit_rows = mask_rows + left * FK_BLOCK
            sums = digit_rows + right * FK_BLOCK
            while begin < count and not failed:
                rows = min(<Py_ssize_t>FK_BLOCK, count - begin)
                fk_masks(&masks[0, begin], masks.shape[1], rows, &first[0], &second[0], left, mask_rows)
                fk_digits(variant, &columns[0, begin], columns.shape[1], rows, &a[0], &b[0], &places[0], pairs, unit,
                          digit_rows)
                failed = row_gemm(False, True, left, right, FK_BLOCK, 1.0, mask_rows, FK_BLOCK, digit_rows, FK_BLOCK,
                                  0.0, sums, right)
                if not failed:
                    fk_take(sums, left * right, &high_out[0, 0], &low_out[0, 0])
                begin += rows
    if failed:
        raise OverflowError(f"{left} pairs of masks by {right} digits are more than BLAS can count: "
                            f"take fewer at a time")
