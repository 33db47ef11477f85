# cython: language_level=3
"""Descent of the risk of small networks through their activation patterns, and the best place for a new unit.

a.  Form. f(x) = b + sum_k sigma_k h(<q_k, (x, 1)>) with sigma_k = 1 or -1, h = h_{s+,s-}: every network of width w
    without a unit that is off is of this form. Rows and targets come times the root of the weight, so the risk is
    half the sum of squares of the residuals; the last entry of a row is that root.
b.  Step. Where no unit changes sides f is linear in (b, q_1, ..., q_w): the Gauss-Newton step is the least-squares
    point of the pattern, from the Gram matrix of the masked design (dsyrk on blocks that stay in the cache) and one
    Cholesky factorisation, damped where a step is blocked.
c.  Line. Along the step the risk is a piecewise quadratic with a kink where a unit meets a sample: all of them sorted
    (buckets, O(m w)), the least value over all pieces taken, not the first.
d.  Hinge. Along a direction with sorted projections, the best knot of c max(p - knot, 0) beside a constant and a
    slope, by running sums from the right, O(m).
Floating point only proposes here; what is handed out is proved elsewhere.
"""

from libc.stdint cimport int32_t
from scipy.linalg.cython_lapack cimport dpotrf, dpotrs

from ._blas cimport row_dgemv, row_dsyrk

cdef extern from "_search.h" nogil:
    enum: FS_ROWS
    ctypedef struct fs_kink:
        pass
    ctypedef struct fs_problem:
        const double *x
        const double *y
        Py_ssize_t m
        Py_ssize_t n
        Py_ssize_t width
        double plus
        double minus
    ctypedef struct fs_stop:
        double t
        double risk
    void fs_products(const fs_problem *, const double *, double *)
    double fs_residuals(const fs_problem *, const double *, const double *, double, double *)
    void fs_design(const fs_problem *, const double *, const double *, Py_ssize_t, Py_ssize_t, double *)
    fs_stop fs_line(const fs_problem *, const double *, const double *, const double *, double, const double *, double,
                    double, double *, double *, double *, fs_kink *, int32_t *)
    void fs_best_hinge(const fs_problem *, const double *, Py_ssize_t, const double *, double *, int32_t *, fs_kink *,
                       double *)

ROWS = FS_ROWS


cdef void normal_equations(const fs_problem *p, const double *z, const double *sign, const double *r, double *block,
                           double *gram, double *gradient) noexcept nogil:
    """gram = D'D (its lower triangle), gradient = D'r for the masked design D; w n + 1 is no more than BLAS counts."""
    cdef Py_ssize_t size = p.width * p.n + 1, begin = 0, end
    cdef double keep = 0.0
    while begin < p.m:
        end = min(begin + FS_ROWS, p.m)
        fs_design(p, z, sign, begin, end, block)
        row_dsyrk(True, True, size, end - begin, 1.0, block, size, keep, gram, size)
        row_dgemv(True, end - begin, size, 1.0, block, size, r + begin, keep, gradient)
        keep = 1.0
        begin = end


cdef int solved(double *gram, double *factor, double *gradient, double *step, int size, double damping) noexcept nogil:
    """step = -(G + damping diag G + tiny)^-1 g; 0 where the factorisation fails."""
    cdef Py_ssize_t a, b
    cdef int info = 0, one = 1
    cdef char upper = b'U'
    cdef double largest = 0.0
    for a in range(size):
        largest = max(largest, gram[a * size + a])
    for a in range(size):
        for b in range(a + 1):
            factor[a * size + b] = gram[a * size + b]
        factor[a * size + a] += damping * gram[a * size + a] + 1e-13 * largest + 1e-300
        step[a] = -gradient[a]
    dpotrf(&upper, &size, factor, &size, &info)
    if info:
        return 0
    dpotrs(&upper, &size, &one, factor, &size, step, &size, &info)
    return info == 0


def descend(const double[:, ::1] X, const double[::1] y, double plus, double minus, const double[::1] sign,
            double[::1] parameters, Py_ssize_t steps, double tolerance, double[::1] work, int32_t[::1] counts,
            double[::1] kinks):
    """Lowers the risk at `parameters` = (b, q_1, ..., q_w) in place, in at most `steps` steps; returns (risk, steps).

    It ends where two steps in a row lower the risk by less than `tolerance` of it. With N = w n + 1, work holds
    m (2 w + 4) + 512 N + 2 N^2 + 2 N numbers, counts m w + 2, kinks 4 m w.
    """
    cdef fs_problem p
    p.m, p.n, p.width, p.plus, p.minus = X.shape[0], X.shape[1], sign.shape[0], plus, minus
    if p.m == 0 or p.width == 0:
        return 0.0, 0
    p.x, p.y = &X[0, 0], &y[0]
    cdef Py_ssize_t size = p.width * p.n + 1, taken = 0, c
    cdef double *z = &work[0]
    cdef double *dz = z + p.m * p.width
    cdef double *r = dz + p.m * p.width
    cdef double *dr = r + p.m
    cdef double *at = dr + p.m
    cdef double *last = at + p.m
    cdef double *block = last + p.m
    cdef double *gram = block + FS_ROWS * size
    cdef double *factor = gram + size * size
    cdef double *gradient = factor + size * size
    cdef double *step = gradient + size
    cdef double risk, damping = 0.0, before
    cdef fs_stop stop
    cdef int idle = 0, fresh = 1
    with nogil:
        fs_products(&p, &parameters[1], z)
        risk = fs_residuals(&p, z, &sign[0], parameters[0], r)
        while taken < steps and risk > 0.0:
            if fresh:
                normal_equations(&p, z, &sign[0], r, block, gram, gradient)
            taken += 1
            if not solved(gram, factor, gradient, step, <int>size, damping):
                damping = max(10.0 * damping, 1e-10)
                fresh = 0
                if damping > 1e6:
                    break
                continue
            fs_products(&p, step + 1, dz)
            stop = fs_line(&p, z, dz, &sign[0], step[0], r, risk, 4.0, dr, at, last, <fs_kink *>&kinks[0], &counts[0])
            before = risk
            if stop.t > 0.0:
                for c in range(size):
                    parameters[c] += stop.t * step[c]
                fs_products(&p, &parameters[1], z)
                risk = fs_residuals(&p, z, &sign[0], parameters[0], r)
                fresh = 1
            else:
                fresh = 0
            if before - risk > tolerance * before:
                idle = 0
                damping = 0.0 if stop.t > 0.5 or damping < 1e-8 else 0.1 * damping
                if stop.t < 0.1:
                    damping = max(10.0 * damping, 1e-4)
            else:
                idle += 1
                damping = max(10.0 * damping, 1e-4)
                if idle >= 5 or damping > 1e4:
                    break
    return risk, taken


def best_hinge(const double[:, ::1] X, const double[::1] r, const double[:, ::1] directions, double[::1] work,
               int32_t[::1] counts, double[::1] kinks, double[::1] found_out):
    """found_out = (drop, direction, knot, coefficient) of the best hinge for the residuals r; drop 0 without one.

    work holds 3 m numbers, counts m + 2, kinks 4 m.
    """
    cdef fs_problem p
    p.m, p.n, p.width, p.plus, p.minus = X.shape[0], X.shape[1], 1, 1.0, 0.0
    found_out[:] = 0.0
    with nogil:
        if p.m > 1 and p.n > 1 and directions.shape[0] > 0:
            p.x, p.y = &X[0, 0], &r[0]
            fs_best_hinge(&p, &directions[0, 0], directions.shape[0], &r[0], &work[0], &counts[0], <fs_kink *>&kinks[0],
                          &found_out[0])
