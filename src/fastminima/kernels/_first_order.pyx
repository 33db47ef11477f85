# cython: language_level=3
"""Whether a network's risk falls to first order: residual sums of one pass over the data, with proved error bounds.

a.  Formulas. For z_ik = <w_k, x_i> + b_k, h(z) = s_plus z where z > 0, else s_minus z, e_i = f(x_i) - y_i, x~ = (x, 1):
        sums_out[0, j] = sum_i w_i e_i x~_ij,      sums_out[k + 1, j] = the same over z_ik > 0,
    as two words in each of 8 lanes; error_out[j] bounds the error of every sum of column j, for the sides that the
    rounded z say. About 9 d1 (dx + 1) flops a sample: less than double-double, as accurate for this end.
b.  Sums. An accumulator starts at S_0 >= 4 times all terms together, so it stays between 3/4 and 5/4 of S_0: the step
    S' - S of every addition is exact (Sterbenz), what it left of the term is at most 1.25 u S_0 and goes to a second
    word, and the total is (S - S_0) + low with S - S_0 exact again. With u = 2^-53, N terms err by at most
    1.5 (N^2 + N) u^2 S_0 in all: a fused product needs 4 flops a term, a split one 20, and no chain is longer
    than one addition.
c.  z. S_0 = 4 M_k |x~|_1, M_k the largest entry of (w_k, b_k): n = dx + 1 terms err by at most z_factor S_0 + z_tiny,
    1.5 (n^2 + n) u^2 <= z_factor. A rounded sum of both words beyond that has the sign of z.
d.  e. S_0 = 4 R, R = steep sum |a_k| M_k |x~|_1 + |b2| + |y|; both words of z and of s a_k go in. With q = d1 + n + 3
    the error is at most 8 q^2 u^2 S_0 = e_factor R, what z's errors do included (h has slopes up to `steep`).
e.  Sums over a block of B = 128 samples start at 4 tau_j, tau_j = sum |w e x~_j|: 3 (B + 1)^2 u^2 4 tau_j; the blocks
    join in double-double, (blocks + 512)^2 u^2 T_j. sum_factor covers both, and 4 u^2 for w e itself.
f.  Sides. Samples with |z| within its bound are counted in unsure_out[k], and over them doubt_out[k, j] is the sum of
    w (|e| + its error) |x~_j|: their slope may be the other one, or they are on the boundary.
g.  Margins. nearest_out[0, k], nearest_out[1, k]: the least |z| / |x~|, rounded down, of samples whose side is known
    and whose residual may be >= 0, and <= 0: no change of row k below both turns one of them.
h.  Range. What is beyond float64's range ends as NaN in error_out, and nothing is claimed; products below the normal
    range lose at most z_tiny, e_tiny and 2^-1000 a term.
i.  Memory traffic. A sample is read once; a block's inputs and masked residuals lie in first- and second-level cache.
    2 units by 2 columns, or 4 units, in registers.
j.  Instruction sets. The words of _words.h; results differ within their bounds (fused products are rounded once).
"""

from libc.stdint cimport int64_t

cdef extern from "_simd.h" nogil:
    int fm_best_variant()

cdef extern from "_first_order.h" nogil:
    enum:
        FO_BLOCK
        FO_LANES
    ctypedef struct fo_problem:
        Py_ssize_t d1, dx, m
        const double *W1
        const double *b1
        const double *W2
        double b2, s_plus, s_minus
        const double *X
        const double *y
        const double *weight
        double z_factor, e_factor, sum_factor, z_tiny, e_tiny
        double *work
        double *sums
        double *error
        double *doubt
        int64_t *unsure
        double *nearest
        double *square
    Py_ssize_t fo_work(Py_ssize_t d1, Py_ssize_t dx)
    void fo_run(int variant, const fo_problem *p)

BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]
BLOCK = FO_BLOCK
LANES = FO_LANES


def workspace_items(Py_ssize_t d1, Py_ssize_t dx):
    """Numbers of scratch that `first_order_sums` needs."""
    return fo_work(d1, dx)


def first_order_sums(const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, double b2,
                     const double[:, ::1] X, const double[::1] y, const double[::1] weight, double s_plus,
                     double s_minus, const double[::1] factors, int variant, double[::1] workspace,
                     double[:, :, :, ::1] sums_out, double[::1] error_out, double[:, ::1] doubt_out,
                     int64_t[::1] unsure_out, double[:, ::1] nearest_out):
    """The sums, their errors and the margins of the formulas above, for m samples.

    sums_out (d1 + 1, dx + 1, 2, 8), error_out (dx + 1,), doubt_out (d1, dx + 1), unsure_out (d1,), nearest_out (2, d1).
    factors: z_factor, e_factor, sum_factor, z_tiny, e_tiny. weight (m,), or empty for weights 1. The outputs are added
    to, and lowered where they are minima: zeros and inf at first. Returns sum_i w_i e_i^2, rounded as it comes.
    """
    cdef fo_problem p
    cdef double square = 0.0
    with nogil:
        if X.shape[0] > 0 and b1.shape[0] > 0:
            p.d1, p.dx, p.m = b1.shape[0], X.shape[1], X.shape[0]
            p.W1 = &W1[0, 0] if X.shape[1] > 0 else NULL
            p.b1, p.W2, p.b2 = &b1[0], &W2[0], b2
            p.s_plus, p.s_minus = s_plus, s_minus
            p.X = &X[0, 0] if X.shape[1] > 0 else NULL
            p.y, p.weight = &y[0], &weight[0] if weight.shape[0] > 0 else NULL
            p.z_factor, p.e_factor, p.sum_factor = factors[0], factors[1], factors[2]
            p.z_tiny, p.e_tiny = factors[3], factors[4]
            p.work, p.sums, p.error, p.doubt = &workspace[0], &sums_out[0, 0, 0, 0], &error_out[0], &doubt_out[0, 0]
            p.unsure, p.nearest, p.square = &unsure_out[0], &nearest_out[0, 0], &square
            fo_run(variant, &p)
    return square
