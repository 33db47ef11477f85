# cython: language_level=3
"""Which side of its boundaries a row lies on, by a float filter with a proved bound, and rows grouped by pattern.

a.  Formula. For columns x_1, ..., x_dx (rows 1..dx of `columns`; row 0 is the constant) and units w_k, b_k:
    z_k = <w_k, x> + b_k and error_k = factor (<|w_k|, |x|> + |b_k|) + tiny_k. The caller chooses factor and tiny
    so that error_k bounds |z_k - exact|; what float64 cannot hold gets z = 0, error = inf.
b.  Keys. Bit k of a row's key is z_k >= 0, for the units asked for, 64 a word; a row is doubtful where one of
    them has |z_k| <= error_k, and the caller sets its bits exactly.
c.  Margins. lower <= min_k z_k / |(x, 1)| <= upper with a relative slack for the roots and quotients.
d.  Groups. Rows with equal keys are found by a hash table (most rows repeat the key of the row before) and gathered
    column by column, so that a group is a range of rows; one pass over the block, no sort.
e.  Memory traffic. Columns of a block stay in the second-level cache; sums of 128 rows in the first-level one.
f.  No fused multiply-adds: all variants give the same bits.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

cdef extern from "_simd.h" nogil:
    int fm_best_variant()

cdef extern from "_patterns.h" nogil:
    void fp_preactivations(int, const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, const double *,
                           Py_ssize_t, double, const double *, double *, double *, Py_ssize_t)
    void fp_quotients(int, const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, const double *,
                      Py_ssize_t, Py_ssize_t, double, double *, double *)
    void fp_keys(const double *, const double *, Py_ssize_t, Py_ssize_t, const int64_t *, Py_ssize_t, uint64_t *,
                 Py_ssize_t, uint8_t *)
    Py_ssize_t fp_groups(const uint64_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, int32_t *, uint64_t, int32_t *,
                         int64_t *, int64_t *)
    void fp_sorted(const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, const int32_t *, const int64_t *, Py_ssize_t,
                   int64_t *, int32_t *, double *, Py_ssize_t)


BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]


def preactivations(const double[:, ::1] columns, Py_ssize_t count, const double[:, ::1] W1, const double[::1] b1,
                   double factor, const double[::1] tiny, int variant, double[:, ::1] z_out,
                   double[:, ::1] error_out):
    """z_out[k, i] and error_out[k, i] for rows i < count; `columns` holds 1, x_1, ..., x_dx first."""
    with nogil:
        if count > 0 and b1.shape[0] > 0:
            fp_preactivations(variant, &columns[1, 0], columns.shape[1], count, W1.shape[1],
                              &W1[0, 0] if W1.shape[1] > 0 else NULL, &b1[0], b1.shape[0], factor, &tiny[0],
                              &z_out[0, 0], &error_out[0, 0], z_out.shape[1])


def quotients(const double[:, ::1] columns, Py_ssize_t count, Py_ssize_t dx, const double[:, ::1] z,
              const double[:, ::1] error, Py_ssize_t begin, Py_ssize_t end, double slack, int variant,
              double[::1] lower_out, double[::1] upper_out):
    """Bounds of min_k z_k / |(x, 1)| over the units begin <= k < end, for rows i < count."""
    with nogil:
        if count > 0 and end > begin:
            fp_quotients(variant, &columns[1, 0], columns.shape[1], count, dx, &z[begin, 0], &error[begin, 0],
                         end - begin, z.shape[1], slack, &lower_out[0], &upper_out[0])


def sign_keys(const double[:, ::1] z, const double[:, ::1] error, Py_ssize_t count, const int64_t[::1] units,
              uint64_t[:, ::1] keys_out, uint8_t[::1] doubtful_out):
    """Bit k % 64 of keys_out[k // 64, i] = (z[units[k], i] >= 0); doubtful_out[i] = some |z| <= error."""
    with nogil:
        if count > 0 and units.shape[0] > 0:
            fp_keys(&z[0, 0], &error[0, 0], z.shape[1], count, &units[0], units.shape[0], &keys_out[0, 0],
                    keys_out.shape[1], &doubtful_out[0])


def equal_keys(const uint64_t[:, ::1] keys, Py_ssize_t count, int32_t[::1] table, int32_t[::1] ids_out,
               int64_t[::1] first_out, int64_t[::1] counts_out):
    """ids_out[i] = group of row i, by first appearance; first_out, counts_out per group. Returns the number of groups.

    `table` has a power of two of places, more than twice `count`.
    """
    cdef Py_ssize_t found = 0
    with nogil:
        if count > 0:
            found = fp_groups(&keys[0, 0], keys.shape[1], keys.shape[0], count, &table[0],
                              <uint64_t>(table.shape[0] - 1), &ids_out[0], &first_out[0], &counts_out[0])
    return found


def grouped_columns(const double[:, ::1] columns, Py_ssize_t count, const int32_t[::1] ids,
                    const int64_t[::1] counts, Py_ssize_t n_groups, int64_t[::1] end_out, int32_t[::1] order_out,
                    double[:, ::1] out):
    """out[:, i] = columns[:, order_out[i]], rows of a group side by side; end_out[g] = its last row + 1."""
    with nogil:
        if count > 0:
            fp_sorted(&columns[0, 0], columns.shape[1], columns.shape[0], count, &ids[0], &counts[0], n_groups,
                      &end_out[0], &order_out[0], &out[0, 0], out.shape[1])
