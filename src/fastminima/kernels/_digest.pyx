# cython: language_level=3
"""The sum of the BLAKE2s digests of many short rows, for a digest of data that knows no order of rows.

a.  Formula. For rows of bytes r_1, ..., r_m of one length: sum_i int(BLAKE2s(r_i)), 32-byte digests without a key
    (RFC 7693), read as little-endian integers; here as eight sums of 32-bit words.
b.  Shapes. Rows are float64 numbers (m, k), k >= 1, so a row is 2 k words and takes ceil(k / 8) compressions.
c.  Lanes. One row per lane of 32 bits, 16 rows at a time with AVX-512: the compression has no shuffles at all, and its
    16 words of state stay in registers. The words of a block are transposed on the way in.
d.  Byte order. Rows are read as they lie in memory: for machines with little-endian numbers, which all with the
    variants 2 and 3 are; the caller takes the twin elsewhere.
"""

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "_simd.h" nogil:
    int fm_best_variant()

cdef extern from "_digest.h" nogil:
    void fd_sums(int, const uint32_t *, Py_ssize_t, Py_ssize_t, uint64_t *)
    void fd_pack(const double *, Py_ssize_t, Py_ssize_t, const double *, const double *, double *)


BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]


def packed_rows(const double[:, ::1] X, const double[::1] y, const double[::1] weight, double[:, ::1] out):
    """out[i] = x_i, y_i and, if `weight` is not empty, weight_i, with -0.0 as 0.0."""
    with nogil:
        if y.shape[0] > 0:
            fd_pack(&X[0, 0] if X.shape[1] > 0 else NULL, y.shape[0], X.shape[1], &y[0],
                    &weight[0] if weight.shape[0] > 0 else NULL, &out[0, 0])


def blake2s_sums(const double[:, ::1] rows, int variant, uint64_t[::1] sums_out):
    """sums_out[k] += word k (32 bits, little-endian) of the BLAKE2s digests of all rows; at most 2^32 rows a call."""
    with nogil:
        if rows.shape[0] > 0 and rows.shape[1] > 0:
            fd_sums(variant, <const uint32_t *>&rows[0, 0], 2 * rows.shape[1], rows.shape[0], &sums_out[0])
