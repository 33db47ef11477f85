# cython: language_level=3
"""The best kink max(<u, x> - c, 0) along many directions u, all coefficients of a linear basis refitted.

a.  Formula. With phi_c = max(t - c, 0), residuals r and a basis q orthonormal in the weighted inner product, the
    risk falls by 1/2 <r, phi_c>^2 / (|phi_c|^2 - |<q, phi_c>|^2). Between two neighbouring projections all sums run
    over the samples above c, so numerator and denominator are quadratics in c with the running sums of w r, w r t, w,
    w t, w t^2, w t q and w q as coefficients; the best c has a closed form.
b.  Order. Projections fall: a radix sort of 32 bits of their place between the ends, three passes, then insertion by
    the numbers themselves. Where many samples share these bits a merge sort by the numbers.
c.  Sums. Rows w q are read in that order, asked for ahead of their turn. Only every `stride`-th gap is tried (each of
    them at both ends of the order, and always one between different projections): sums are exact at any knot, so a
    coarse scan finds drops that are there, and the directions are ranked by them.
d.  Cost. A sort and 4 m k flops a direction, 6 k flops and three divisions a knot that is tried; 24 bytes a sample of
    scratch.
Variants differ in the last bits. Floating point only chooses here: whoever uses a kink certifies it.
"""

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "_simd.h" nogil:
    int fm_best_variant()

cdef extern from "_kinks.h" nogil:
    enum:
        FH_LANES
        FH_DIGIT
        FH_ENDS
    ctypedef struct fh_samples:
        const double *rows
        const double *wr
        const double *w
        Py_ssize_t m
        Py_ssize_t k
        Py_ssize_t stride
    ctypedef struct fh_best:
        double gain
        double knot
    fh_best fh_scan(int, const fh_samples *, const double *, double, double *, uint64_t *, uint64_t *, uint32_t *)

BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]
LANES = FH_LANES
ENDS = FH_ENDS
DIGITS = 3 * FH_DIGIT


def scan_knots(const double[:, ::1] projections, const double[::1] flat, const double[:, ::1] rows,
               const double[::1] wr, const double[::1] w, Py_ssize_t stride, int variant, double[::1] work,
               uint64_t[:, ::1] orders, uint32_t[::1] counts, double[:, ::1] found_out):
    """found_out (d, 2) = (drop, knot) of the best kink along each direction; 0, 0 where there is none.

    projections (d, m), flat (d,): spreads up to which projections are rounding; rows (m, k) = w q, k a multiple of
    LANES (zeros beyond the basis), wr = w r, w weights (m,). Scratch: work m + 2 k numbers, orders (2, m), counts
    DIGITS.
    """
    cdef fh_samples s
    cdef fh_best best
    cdef Py_ssize_t d
    s.m, s.k, s.stride = rows.shape[0], rows.shape[1], max(stride, 1)
    found_out[:, :] = 0.0
    if s.m < 2 or s.k < 1:
        return
    if s.m > 0xffffffff:
        raise OverflowError(f"a scan orders at most 2^32 - 1 samples, got {s.m}")
    s.rows, s.wr, s.w = &rows[0, 0], &wr[0], &w[0]
    with nogil:
        for d in range(projections.shape[0]):
            best = fh_scan(variant, &s, &projections[d, 0], flat[d], &work[0], &orders[0, 0], &orders[1, 0], &counts[0])
            found_out[d, 0] = best.gain
            found_out[d, 1] = best.knot
