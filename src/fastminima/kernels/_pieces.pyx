# cython: language_level=3
"""Lower bounds of the least risk of functions of one input with few kinks, proved in spite of rounding.

a.  Task. Points t_1 < ... < t_n with weights w_i and values r_i; the risk of f is 1/2 sum_i w_i (f(t_i) - r_i)^2, f
    is affine between its kinks. Every such f is affine on each of the pieces that its kinks leave, so the best
    independent affine fits of k + 1 pieces bound all f with k kinks from below: `independent`, O(n^2 k).
b.  Joined. A break costs one kink if the two lines meet in the closed gap between the pieces, two otherwise. Let L_p
    be the fit of a piece, h_p(tau) = 1/W + (tau - mean)^2/S_tt its leverage, and let a share alpha of the extra risk
    of using another line belong to a junction (1/2 where there are two, 1 at the ends). Lines that meet in the gap
    [s, t] change the sign of their difference there; if L_p - L_q does not, the way to them crosses a pair that meets
    at s or at t, whose extra risk is at least 1/2 (L_p - L_q)(tau)^2 / (h_p(tau)/alpha_p + h_q(tau)/alpha_q).
    `joined`: the recursion over last pieces and numbers of kinks, O(n^3 k).
c.  Rounding. t is a double-double number, |t|, |r|, w <= 1. Running sums of the six moments are double-double; with u
    = 2^-53 a product has an error of at most 10 u^2 w and a sum 3 u^2 sum w, so that the difference of two is off by
    e = (32 + 7 n) u^2 sum w at most. Centred sums are off by 5 e, twice the risk S_rr - S_tr^2/S_tt by 6 e (1 +
    |slope|)^2, which is taken off; sums below 2^20 e are worth nothing and count as 0. Underflow adds less than
    2^-960. Sums of risks are rounded towards 0. Every number returned is a lower bound, never above `ceiling`.
d.  Memory. `independent` keeps k n numbers, `joined` (7 + k) n^2/2: callers bound n.
e.  `independent` in float64 first. Differences of the high words of running sums are off by 3 u sum w; the three
    roundings of a centred sum add as much, those of the risk less than that again: all of it is covered by (c) with e'
    = 24 u sum w for e. Less twice its bound for the risk the estimate is below the double-double cost, so a piece whose
    estimate does not lower the least sum found so far is passed over: which pieces are looked at in double-double
    arithmetic changes nothing. The search begins at the piece that was best one point before.
"""

from libc.math cimport fabs

cdef extern from "_simd.h" nogil:
    int fm_best_variant()

cdef extern from "_pieces.h" nogil:
    ctypedef struct fp_dd:
        double hi
        double lo
    ctypedef struct fp_fit:
        double cost
    double FP_DOWN, FP_SOUND
    double fp_error(const fp_dd *, Py_ssize_t)
    void fp_running_sums(const double *, const double *, const double *, const double *, Py_ssize_t, fp_dd *)
    fp_fit fp_fitted(const fp_dd *, Py_ssize_t, Py_ssize_t, double, const double *, const double *)
    void fp_joined(int, const double *, const double *, const double *, const double *, Py_ssize_t, Py_ssize_t, double,
                   fp_dd *, double *, double *, double *, double *)


cdef double U = 2.0 ** -53

BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]


cdef void estimates(const double *sums, Py_ssize_t n, Py_ssize_t j, double e, double *out) noexcept nogil:
    """(e): at most the cost of points i to j - 1, for every i < j; sums: six rows of n + 1."""
    cdef const double *w = sums
    cdef const double *t = sums + (n + 1)
    cdef const double *tt = sums + 2 * (n + 1)
    cdef const double *r = sums + 3 * (n + 1)
    cdef const double *rt = sums + 4 * (n + 1)
    cdef const double *rr = sums + 5 * (n + 1)
    cdef double W, T, R, mean, across, along, slope, size, twice, sound = FP_SOUND * e
    cdef Py_ssize_t i
    for i in range(j):
        W, T, R = w[j] - w[i], t[j] - t[i], r[j] - r[i]
        mean = T / W
        across = (tt[j] - tt[i]) - T * mean
        along = (rt[j] - rt[i]) - R * mean
        slope = along / across
        size = 1.0 + fabs(slope)
        twice = ((rr[j] - rr[i]) - R * (R / W)) - along * slope - 12.2 * e * size * size
        # NaN, of no weight, is no bound either
        out[i] = 0.5 * FP_DOWN * twice if (W >= sound) & (across >= sound) & (twice > 0.0) else 0.0


cdef double cost_of(const fp_dd *sums, Py_ssize_t i, Py_ssize_t j, double e, const double *r, const double *t,
                    double *known) noexcept nogil:
    """The cost of points i to j, in double-double arithmetic, once for each i."""
    if known[i] < 0.0:
        known[i] = fp_fitted(sums, i, j, e, r, t).cost
    return known[i]


cdef void independent_pieces(const double *t, const double *r, Py_ssize_t n, Py_ssize_t pieces, double ceiling,
                             const fp_dd *sums, double *work, Py_ssize_t *last, double *best) noexcept nogil:
    """best[p (n + 1) + j]: the least risk of the first j points with at most p + 1 pieces, and at most the ceiling."""
    cdef double *high = work
    cdef double *estimate = work + 6 * (n + 1)
    cdef double *known = work + 7 * (n + 1)
    cdef const double *before
    cdef double e = fp_error(sums, n), rough = 24.0 * U * sums[6 * n].hi, least, found
    cdef Py_ssize_t c, i, j, p
    for j in range(n + 1):
        for c in range(6):
            high[c * (n + 1) + j] = sums[6 * j + c].hi
    for p in range(pieces):
        best[p * (n + 1)] = 0.0
        last[p] = 0
    for j in range(1, n + 1):
        estimates(high, n, j, rough, estimate)
        for i in range(j):
            known[i] = -1.0
        least = cost_of(sums, 0, j - 1, e, r, t, known)
        best[j] = least if least < ceiling else ceiling
        for p in range(1, pieces):
            before = best + (p - 1) * (n + 1)
            # fewer pieces, then what was best before, then all that may be lower
            least = before[j]
            found = (before[last[p]] + cost_of(sums, last[p], j - 1, e, r, t, known)) * FP_DOWN
            least = found if found < least else least
            for i in range(j):
                if (before[i] + estimate[i]) * FP_DOWN < least:
                    found = (before[i] + cost_of(sums, i, j - 1, e, r, t, known)) * FP_DOWN
                    if found < least:
                        least = found
                        last[p] = i
            best[p * (n + 1) + j] = least


def independent(const double[::1] t_hi, const double[::1] t_lo, const double[::1] w, const double[::1] r,
                double ceiling, double[:, ::1] sums, double[::1] work, Py_ssize_t[::1] last, double[:, ::1] best_out):
    """best_out[p, j]: at most the least risk of the first j points with p + 1 pieces.

    sums: (n + 1, 12), work: 8 (n + 1), last: one for each number of pieces."""
    with nogil:
        if t_hi.shape[0] > 0 and best_out.shape[0] > 0:
            fp_running_sums(&t_hi[0], &t_lo[0], &w[0], &r[0], t_hi.shape[0], <fp_dd *>&sums[0, 0])
            independent_pieces(&t_hi[0], &r[0], t_hi.shape[0], best_out.shape[0], ceiling, <fp_dd *>&sums[0, 0],
                               &work[0], &last[0], &best_out[0, 0])


def joined(const double[::1] t_hi, const double[::1] t_lo, const double[::1] w, const double[::1] r, double ceiling,
           double[:, ::1] sums, double[::1] work, int variant, double[::1] best_out):
    """best_out[k]: at most the least risk with k kinks; work: (6 + K) n (n + 1)/2 + n, K = len(best_out)."""
    cdef Py_ssize_t n = t_hi.shape[0], kinks = best_out.shape[0] - 1, pairs = n * (n + 1) // 2
    with nogil:
        if n > 0 and kinks >= 0:
            fp_joined(variant, &t_hi[0], &t_lo[0], &w[0], &r[0], n, kinks, ceiling, <fp_dd *>&sums[0, 0], &work[0],
                      &work[6 * pairs], &work[(7 + kinks) * pairs], &best_out[0])
