# cython: language_level=3
"""Exact Gram matrices of float64 columns: digits, their products, integer sums.

a.  Formula. For columns v_0, ..., v_{n-1} of `count` rows and weights w >= 0 (or none): the sums
    sum_i (w_i v_a)[j] v_b[k] over rows, where v = sum_k v[k] 2^(u - 24 k) and the digits v[k] are integers.
b.  Digits. A column is scaled by a power of two so that |v| <= 2^23 and cut: d = rint(v), v = (v - d) 2^24, and
    so on; every later digit is at most 2^23 too, and nothing is lost. w v = hi + lo exactly (fused, or Dekker);
    both parts are cut on one grid and added: at most 2^24.
c.  Products. A lane of float64 sums at most 32 products of two digits (16 with weights): at most 2^51. It starts
    at 1.5 * 2^52, where float64 has the spacing 1, so every step is exact, and its bits, read as an integer, are
    the bits of the start plus the sum: flushing a lane is one integer addition (modulo 2^64).
d.  Sums. A call takes at most 2^15 rows: 2^46 * 2^15 (2^47 with weights) fits int64. It ends by adding low and
    high 32 bits to two int64 matrices, which then hold 2^31 calls: no carry is ever propagated here.
e.  Registers. A tile of 5 by 5 digits (AVX-512; 3 by 3 with 16 registers) stays in registers over a panel of 32
    vectors of rows; 10 loads feed 25 multiply-adds. Only tiles with left column <= right column are formed.
f.  Memory traffic. Digits of a panel lie tile by tile in the first- or second-level cache; a row is read once.
g.  All variants give the same integers, whatever the order of summation.
"""

from libc.stdint cimport int64_t

cdef extern from "_simd.h" nogil:
    int fm_best_variant()

cdef extern from "_gram.h" nogil:
    enum:
        FG_STEP
        FG_VECTORS
        FG_VECTORS_WEIGHTED
    ctypedef struct fg_side:
        const double *scale
        const int64_t *first
        const int64_t *place
        const int64_t *owner
    void fg_ends(int, const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, double *, double *)
    void fg_products(int, const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, const double *,
                     const fg_side *, const fg_side *, double *, int64_t *, int64_t *, Py_ssize_t)
    void fg_transpose(const double *, Py_ssize_t, Py_ssize_t, const double *, const double *, double *, Py_ssize_t)


BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]
STEP = FG_STEP
MAX_ROWS = 1 << 15


def workspace_items(variant, n, labels_left, labels_right, weighted):
    """Numbers of 8 bytes that the workspace of `digit_products` must hold."""
    lanes, tile = ((1, 2), (2, 3), (4, 3), (8, 5))[variant]
    rows = lanes * (FG_VECTORS_WEIGHTED if weighted else FG_VECTORS)
    left, right = -(-labels_left // tile), -(-labels_right // tile)
    panels = tile * rows * ((left + right) if weighted else max(left, right))
    return 8 + panels + (n + 1) * rows + left * right * tile * tile * lanes


def columns_of(const double[:, ::1] X, const double[::1] y, const double[::1] weight, double[:, ::1] out):
    """out[:, :m] = the columns 1, X, y and, if not empty, weight."""
    with nogil:
        if y.shape[0] > 0:
            fg_transpose(&X[0, 0] if X.shape[1] > 0 else NULL, y.shape[0], X.shape[1], &y[0],
                         &weight[0] if weight.shape[0] > 0 else NULL, &out[0, 0], out.shape[1])


def column_ends(const double[:, ::1] columns, Py_ssize_t begin, Py_ssize_t end, int variant, double[::1] peak_out,
                double[::1] low_out):
    """begin <= row < end: peak_out[c] = max |v| (inf if some v is not finite), low_out[c] = least last bit of v != 0.

    low_out[c] is inf if all are zero.
    """
    with nogil:
        if columns.shape[0] > 0 and end > begin:
            fg_ends(variant, &columns[0, begin], columns.shape[1], columns.shape[0], end - begin, &peak_out[0],
                    &low_out[0])


def digit_products(const double[:, ::1] columns, Py_ssize_t begin, Py_ssize_t end, bint weighted,
                   const double[::1] weight_scale, const double[:, ::1] left_scale, const int64_t[::1] left_first,
                   const int64_t[::1] left_place, const int64_t[::1] left_owner, const double[:, ::1] right_scale,
                   const int64_t[::1] right_first, const int64_t[::1] right_place, const int64_t[::1] right_owner,
                   int variant, double[::1] workspace, int64_t[:, ::1] high_out, int64_t[:, ::1] low_out):
    """Add 2^32 high_out + low_out[place(a, j), place(b, k)] += sum_i (w v_a)[j] v_b[k], columns a <= b.

    The last of the columns holds the weights if `weighted`. A scale is the product of two powers of two.
    Right digits belong to v right_scale, left ones to (v right_scale) (w weight_scale) left_scale (without weights,
    to the same digits as right).
    """
    cdef fg_side left, right
    cdef Py_ssize_t n = right_scale.shape[1]
    with nogil:
        if end > begin and left_place.shape[0] > 0 and right_place.shape[0] > 0:
            left.scale, left.first, left.place, left.owner = (&left_scale[0, 0], &left_first[0], &left_place[0],
                                                              &left_owner[0])
            right.scale, right.first, right.place, right.owner = (&right_scale[0, 0], &right_first[0],
                                                                  &right_place[0], &right_owner[0])
            fg_products(variant, &columns[0, begin], columns.shape[1], n, end - begin,
                        &columns[n, begin] if weighted else NULL, &weight_scale[0], &left, &right, &workspace[0],
                        &high_out[0, 0], &low_out[0, 0], high_out.shape[1])
