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
"""

cdef extern from "_simd.h" nogil:
    int fm_best_variant()

cdef extern from "_pieces.h" nogil:
    ctypedef struct fp_dd:
        pass
    void fp_independent(const double *, const double *, const double *, const double *, Py_ssize_t, Py_ssize_t, double,
                        fp_dd *, double *)
    void fp_joined(int, const double *, const double *, const double *, const double *, Py_ssize_t, Py_ssize_t, double,
                   fp_dd *, double *, double *, double *, double *)


BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]


def independent(const double[::1] t_hi, const double[::1] t_lo, const double[::1] w, const double[::1] r,
                double ceiling, double[:, ::1] sums, double[:, ::1] best_out):
    """best_out[p, j]: at most the least risk of the first j points with p + 1 pieces; sums: (n + 1, 12)."""
    with nogil:
        if t_hi.shape[0] > 0 and best_out.shape[0] > 0:
            fp_independent(&t_hi[0], &t_lo[0], &w[0], &r[0], t_hi.shape[0], best_out.shape[0], ceiling,
                           <fp_dd *>&sums[0, 0], &best_out[0, 0])


def joined(const double[::1] t_hi, const double[::1] t_lo, const double[::1] w, const double[::1] r, double ceiling,
           double[:, ::1] sums, double[::1] work, int variant, double[::1] best_out):
    """best_out[k]: at most the least risk with k kinks; work: (6 + K) n (n + 1)/2 + n, K = len(best_out)."""
    cdef Py_ssize_t n = t_hi.shape[0], kinks = best_out.shape[0] - 1, pairs = n * (n + 1) // 2
    with nogil:
        if n > 0 and kinks >= 0:
            fp_joined(variant, &t_hi[0], &t_lo[0], &w[0], &r[0], n, kinks, ceiling, <fp_dd *>&sums[0, 0], &work[0],
                      &work[6 * pairs], &work[(7 + kinks) * pairs], &best_out[0])
