# cython: autotestdict=False
"""Sorted partial sums: the set J of theorem 1 and its best split, without an argsort.

(a) Formula. With fitted values sorted, S_p = sum of (weight *) residual over sorted positions 0..p,
    J = {p < m - 1 : S_p != 0 and fitted[p] < fitted[p + 1]}, and the largest over J of
    drop_p = 2 u S_p - M u^2 / 2 with u = min(2 |S_p| / M, |kappa| reach gap_p)  (the sign of u is that of S_p).
(b) Shapes. keys, values, weights (m,); records (m, 2) = (key, value), 16 bytes beside each other so that one
    move carries the payload; ids (m,) uint16; B buckets, starts (B + 1,), totals (B, PARTS), before (B + 1, 3).
(c) Steps. `count_buckets` maps each key to its bucket and counts; `scatter_buckets` writes the records bucket by
    bucket; `sort_buckets` sorts each bucket where it lies and sums it; `prefix_buckets` adds the totals up;
    `sweep_buckets` walks the sorted records once. The caller runs sorting and sweeping over groups of buckets
    that fit the outer cache, so that the sweep reads what sorting has just written.
(d) Which bucket. A linear map of the key range onto cells and a table from cell to bucket, built from a small
    sorted sample; where one cell would hold several buckets' share of different keys (heavy tails, keys spread
    over exponents), a map linear in the bits of |key|, which is close to its logarithm, on either side of 0; where
    that does not spread them either, a search tree of splitters from the same sample. All are monotone, so buckets are
    ordered. Heavy keys get a bucket of their own, which needs no sort. Keys already in order are only copied.
(e) Inside a bucket, with AVX2 or AVX-512: each key becomes a number of 32 bits, the upper ones where it lies in its
    cell of about five keys (cells linear in the key, or in its bits), the lower ones the record's place in the bucket.
    Numbers are dealt to cells that lie side by side, one a lane, so that one sorting network on whole vectors sorts 8
    or 16 of them; no count is needed first, as a cell has room for 24. A cell with more is a heavy key or the sign of
    another map: the numbers are dealt again, to cells as large as they turned out, and put in order one by one. The
    records are then gathered in the order found. The place makes all numbers different, so that equal keys keep their
    order; different keys of one number are put right by insertion.
    Otherwise, and where neither map spreads the keys: a linear map onto as many cells as records, a counting scatter
    into scratch and one insertion pass back. Cells that stay heavy are sorted by the same step on their own, with a map
    linear in the bits of the key and so on in turn; after four maps, a merge sort. A bucket larger than the scratch is
    first cut in place by a three-way quicksort that falls back to heapsort. Nothing is quadratic, whatever the keys.
    Every way is stable but that for large buckets, so the order is the same from every variant.
(f) Memory traffic. Keys once to count (8 m read, 2 m written), 18 m read and 16 m written by the scatter, then
    16 m each way inside the caches by sort and sweep. Many records are scattered through a line for each bucket and
    leave in whole lines past the caches: nothing is read in order to be overwritten. Beyond the inputs: 18 bytes a
    sample, plus one if a status of each position is wanted, plus the scratch of a few buckets.
(g) Partial sums are carried as hi + lo: hi is the running float64 sum, every rounding error (TwoSum, exact) goes
    into lo, and `errors` sums their magnitudes. A bucket is summed in eight stretches side by side and a rest of one to
    eight records; two sums are joined by one TwoSum more. On its way into a partial sum an error passes through at most
    h additions: those of two stretches, 2 (largest bucket) / 8; two a bucket, 2 B; 16 over the stretches before; 8 of
    the rest, twice; 2 to begin a stretch: h = 2 (largest bucket) / 8 + 2 B + 40. So
    |S - (hi + lo)| <= gamma_h/(1 - gamma_h) errors, and errors = 0 means hi + lo is exact: on integer-like residuals
    true zeros are decided on the spot. hi, lo and errors are three chains of one addition each, which run beside each
    other; renormalising at each step would be one chain of ten.
(h) Order. Buckets and their content depend on the data alone, records keep the input order inside a bucket, stretches
    are the same for every width of vectors, and totals are added in bucket order, so any variant and any number of
    workers give the same bits.
(i) `exact_prefix` and `exact_below` add float64 numbers, or products of two, in a fixed-point number of 136 limbs of
    32 bits that holds any such sum: it decides S_p = 0 where (g) cannot.

The hot loops stand in _splits.h and, for one instruction set at a time, in _splits_tile.h and _splits_cells.h; those of
(d) in _splits_buckets.h, the sorts without wider vectors in _splits_sort.h, and (i) in _splits_exact.h.
"""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy


cdef extern from "_splits.h" nogil:
    ctypedef struct fm_rec:
        double key
        double value

    ctypedef struct fm_map:
        double lo
        double scale
        int64_t floor
        int64_t first
        int shift
        int levels
        const uint16_t* table
        ptrdiff_t n_cells
        const double* tree

    ctypedef struct fm_rule:
        double eps_gap
        double base
        double rate
        double growth
        double slope
        double half_mass
        double reach

    ctypedef struct fm_best:
        double drop
        double sum
        int64_t position
        int64_t certified
        int64_t undecided

    enum:
        FM_PARTS

    int fm_best_variant()
    uint64_t fm_count(int, const double*, ptrdiff_t, const fm_map*, uint16_t*, int64_t*) noexcept
    uint64_t fm_copy(const double*, const double*, const double*, ptrdiff_t, double, double, fm_rec*) noexcept
    uint64_t fm_scatter(const double*, const double*, const double*, const uint16_t*, ptrdiff_t, double, double,
                        int64_t*, fm_rec*) noexcept
    uint64_t fm_scatter_lines(const double*, const double*, const double*, const uint16_t*, ptrdiff_t, double, double,
                              int64_t*, fm_rec*, double*, ptrdiff_t) noexcept
    void fm_sort_buckets(int, fm_rec*, const int64_t*, ptrdiff_t, ptrdiff_t, fm_rec*, ptrdiff_t, uint32_t*, int,
                         double*) noexcept
    int fm_ordered(const double*, ptrdiff_t) noexcept
    void fm_prefix(const double*, ptrdiff_t, double*) noexcept
    void fm_sweep_buckets(int, const fm_rec*, ptrdiff_t, const int64_t*, ptrdiff_t, ptrdiff_t, const double*,
                          const double*, const fm_rule*, fm_best*, uint8_t*) noexcept
    void fm_exact_prefix(const char*, ptrdiff_t, const double*, const int64_t*, const int64_t*, ptrdiff_t, int,
                         double*, int8_t*) noexcept
    int fm_exact_below(const double*, const double*, const double*, ptrdiff_t, double, int, double*) noexcept
    void fm_product_errors(const double*, const double*, ptrdiff_t, double, double, double*) noexcept

BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]
# numbers that `sort_buckets` writes a bucket
PARTS = FM_PARTS


def is_ordered(const double[::1] keys):
    """Whether keys never fall (and none is NaN); stops at the first that does."""
    cdef int ordered = 1
    if keys.shape[0] > 1:
        with nogil:
            ordered = fm_ordered(&keys[0], keys.shape[0])
    return bool(ordered)


def count_buckets(const double[::1] keys, double lo, double scale, int64_t floor, int64_t first, int shift,
                  const uint16_t[::1] table, const double[::1] tree, int levels, int variant, uint16_t[::1] ids_out,
                  int64_t[::1] counts_out):
    """Bucket of each key into `ids_out`, added up in `counts_out`; returns the largest |key| (NaN or inf if any).

    A tree of 2^levels - 1 splitters where levels > 0; else table[(key - lo) scale], or where shift >= 0 by the place of
    the bits of |key| above `floor`: table[+-(bits >> shift) - first].
    """
    cdef uint64_t bits = 0
    cdef double largest = 0.0
    cdef fm_map m
    if keys.shape[0] == 0:
        return 0.0
    m.lo, m.scale, m.floor, m.first, m.shift, m.levels = lo, scale, floor, first, shift, levels
    m.table, m.n_cells, m.tree = &table[0], table.shape[0], &tree[0]
    with nogil:
        bits = fm_count(variant, &keys[0], keys.shape[0], &m, &ids_out[0], &counts_out[0])
        memcpy(&largest, &bits, 8)
    return largest


def scatter_buckets(const double[::1] keys, const double[::1] values, const double[::1] weights,
                    const uint16_t[::1] ids, double value_scale, double weight_scale, int64_t[::1] at,
                    double[::1] lines, double[:, ::1] records_out):
    """Write (key, scaled value) where `at` says for its bucket, moving `at` on; returns the largest |value|.

    `weights` is empty when all weights are 1, `ids` where there is one bucket. `lines` is empty, or scratch of 17
    numbers a bucket and 8 more: whole cache lines then go past the caches, if `records_out` begins with one.
    """
    cdef uint64_t bits = 0
    cdef double largest = 0.0
    cdef const double* weight = NULL
    cdef fm_rec* out
    if keys.shape[0] == 0:
        return 0.0
    if weights.shape[0] > 0:
        weight = &weights[0]
    out = <fm_rec*> &records_out[0, 0]
    with nogil:
        if ids.shape[0] == 0:
            bits = fm_copy(&keys[0], &values[0], weight, keys.shape[0], value_scale, weight_scale, out + at[0])
            at[0] += keys.shape[0]
        elif lines.shape[0] > 0 and <uintptr_t> out % 64 == 0:
            bits = fm_scatter_lines(&keys[0], &values[0], weight, &ids[0], keys.shape[0], value_scale, weight_scale,
                                    &at[0], out, &lines[0], at.shape[0])
        else:
            bits = fm_scatter(&keys[0], &values[0], weight, &ids[0], keys.shape[0], value_scale, weight_scale, &at[0],
                              out)
        memcpy(&largest, &bits, 8)
    return largest


def sort_buckets(double[:, ::1] records, const int64_t[::1] starts, Py_ssize_t first, Py_ssize_t last,
                 double[:, ::1] scratch, uint32_t[::1] cells, int depth, int variant, double[:, ::1] totals_out):
    """Sort the buckets first..last-1 of `records` in place and write their sums: PARTS numbers each, (hi, lo, errors)
    before each of the eight stretches, after the last of them, and of the whole bucket.

    `cells` has room for 11 n + 512 counters, n the number of records `scratch` holds. `depth` is the first map to try:
    0 linear in the key, 1 linear in the bits of the key.
    """
    if records.shape[0] == 0 or first >= last:
        return
    with nogil:
        fm_sort_buckets(variant, <fm_rec*> &records[0, 0], &starts[0], first, last, <fm_rec*> &scratch[0, 0],
                        scratch.shape[0], &cells[0], depth, &totals_out[0, 0])


def prefix_buckets(const double[:, ::1] totals, Py_ssize_t first, Py_ssize_t last, double[:, ::1] before_out):
    """Continue `before_out` (sum before each bucket) from row `first`, which is given, to row `last`."""
    if first >= last:
        return
    with nogil:
        fm_prefix(&totals[first, 0], last - first, &before_out[first, 0])


def sweep_buckets(const double[:, ::1] records, const int64_t[::1] starts, const double[:, ::1] before,
                  const double[:, ::1] totals, Py_ssize_t first, Py_ssize_t last, const double[::1] rule, int variant,
                  uint8_t[::1] status_out, double[::1] best_out, int64_t[::1] count_out):
    """Sweep the sorted buckets first..last-1; the record after them must be sorted as well.

    `rule` is (eps_gap, base, rate, growth, 2/M, M/2, |kappa| reach). `status_out` is empty, or receives 1 (certified
    in J), 2 (undecided) or 0 (certified out) for each position. `best_out` is (drop, S) and `count_out`
    (position, certified, undecided) of this range; the position is -1 if nothing was certified.
    """
    cdef fm_rule r
    cdef fm_best best
    cdef uint8_t* status = NULL
    best.drop = -1.0
    best.sum = 0.0
    best.position = -1
    best.certified = best.undecided = 0
    r.eps_gap = rule[0]
    r.base = rule[1]
    r.rate = rule[2]
    r.growth = rule[3]
    r.slope = rule[4]
    r.half_mass = rule[5]
    r.reach = rule[6]
    if status_out.shape[0] > 0:
        status = &status_out[0]
    if records.shape[0] > 0 and first < last:
        with nogil:
            fm_sweep_buckets(variant, <const fm_rec*> &records[0, 0], records.shape[0], &starts[0], first, last,
                             &before[0, 0], &totals[0, 0], &r, &best, status)
    best_out[0] = best.drop
    best_out[1] = best.sum
    count_out[0] = best.position
    count_out[1] = best.certified
    count_out[2] = best.undecided


def exact_prefix(const double[:] values, const double[::1] weights, const int64_t[::1] order,
                 const int64_t[::1] positions, int shift, double[::1] sums_out, int8_t[::1] signs_out):
    """Exact sums of `values` (times `weights` unless empty) over 0..p for each p of the increasing `positions`,
    taken in `order` unless that is empty.

    `signs_out` is the exact sign; `sums_out` is 2^-shift times the sum, to 2^-52 relative.
    """
    cdef const double* weight = NULL
    cdef const int64_t* index = NULL
    if positions.shape[0] == 0:
        return
    if weights.shape[0] > 0:
        weight = &weights[0]
    if order.shape[0] > 0:
        index = &order[0]
    with nogil:
        fm_exact_prefix(<const char*> &values[0], values.strides[0], weight, index, &positions[0],
                        positions.shape[0], shift, &sums_out[0], &signs_out[0])


def exact_below(const double[::1] keys, const double[::1] values, const double[::1] weights, double threshold,
                int shift, double[::1] sum_out):
    """Exact sign of the sum of `values` (times `weights` unless empty) over the keys <= threshold.

    `sum_out` is 2^-shift times that sum, to 2^-52 relative.
    """
    cdef const double* weight = NULL
    cdef int sign = 0
    if keys.shape[0] == 0:
        return 0
    if weights.shape[0] > 0:
        weight = &weights[0]
    with nogil:
        sign = fm_exact_below(&keys[0], &values[0], weight, keys.shape[0], threshold, shift, &sum_out[0])
    return sign


def product_errors(const double[::1] values, const double[::1] weights, double value_scale, double weight_scale,
                   double[::1] out):
    """Add to out[0] the magnitudes of the rounding errors of the scaled products value * weight, and to out[1] the
    number of products too small for their error to be known, each off by at most 2^-1072."""
    if values.shape[0] == 0:
        return
    with nogil:
        fm_product_errors(&values[0], &weights[0], values.shape[0], value_scale, weight_scale, &out[0])
