# cython: language_level=3
"""Lower bounds of the least risk of networks whose hidden rows lie in cones, proved in spite of rounding.

a.  Task. f(x) = b + sum_k sigma_k h(<q_k, x~>), x~ = (x, 1), h = h_{s+,s-}, where sigma_k is given and q_k is a
    positive multiple of a point of a box on a face of the cube (|z_f| = 1, low <= z <= high), and where <q_k, x~_i>
    has a given sign for some rows i. The risk 1/2 sum_i w_i (f(x_i) - y_i)^2 of all such f is to be bounded from
    below.
b.  Rows. Interval arithmetic says on which side of unit k a row lies for all of the box; rows open for some unit are
    left out, as their error is at least 0. On the others f is linear in (b, q): least squares subject to linear
    inequalities.
c.  Fewer unknowns, more functions. A unit on one side of all kept rows is affine there: with it comes a free affine
    function instead of b (of ReLU units on the other side nothing comes). Units of one pattern are one unit, in the
    hull of their boxes if that is known to be a cone of the same sign, else anywhere.
d.  Solution. Columns are scaled to norm 1; Lawson and Hanson's method finds the multipliers lambda of the
    inequalities C.
e.  Bound. For every lambda >= 0 and all b, q within the inequalities, the risk is at least L = risk - <lambda, C
    beta>, a convex quadratic: L >= L(beta') - |grad L(beta')|^2/(2 mu) where mu > 0 bounds the eigenvalues of its
    matrix H from below. L(beta') = (|y|^2 - <beta', g + C'lambda> + <beta', grad>)/2. A Cholesky factorisation of H -
    mu that comes to its end shows mu, but for 2 size u per unit of the trace. Rounding: x~ has relative errors u, y
    and w none; an entry of H is off by (n + 8) u at most times the roots of its diagonal entries, which are 1.
f.  Where H is singular nothing is shown. Mostly some unit is alone on few rows, which it fits whatever the others do:
    the rows of the pattern that fewest rows have are left out, as their error is at least 0, until H is regular. Units
    that only they told apart are then one by (c). Exact arithmetic may show more, elsewhere.
g.  For the search tree: the function found, its risk on all rows, and for each unit how many rows are open, their
    errors, which side of the box spreads them most, and the worst of them.
"""

from libc.stdint cimport int8_t, int32_t
from libc.string cimport memset

cdef extern from "_cones.h" nogil:
    enum: FC_WIDTH
    enum: FC_SIZE
    enum: FC_LIMITS
    enum: FC_REPORT
    ctypedef struct fc_table:
        const double *x
        const double *y
        const double *w
        Py_ssize_t n
        int d1
        int width
        double plus
        double minus
    ctypedef struct fc_box:
        const double *sigma
        const double *low
        const double *high
        const int32_t *forced
        int n_forced
    ctypedef struct fc_form:
        pass
    ctypedef struct fc_sums:
        pass
    Py_ssize_t fc_kept(const fc_table *, const int8_t *, int32_t *)
    void fc_form_of(const fc_table *, const fc_box *, const int8_t *, const int32_t *, Py_ssize_t, fc_form *)
    void fc_sums_of(const fc_table *, const fc_box *, const int8_t *, const int32_t *, Py_ssize_t, const fc_form *,
                    fc_sums *)
    void fc_solve(const fc_form *, fc_sums *)
    double fc_bound(const fc_form *, const fc_sums *, Py_ssize_t)
    void fc_node_bound(const fc_table *, const fc_box *, int8_t *, int32_t *, double *)
    void fc_multipliers(const double *, const double *, double, int, const double *, int, double *)

MOST_UNITS, MOST_UNKNOWNS, MOST_LIMITS, REPORT = FC_WIDTH, FC_SIZE, FC_LIMITS, FC_REPORT


cdef Py_ssize_t without_smallest(const fc_table *t, const int8_t *sign, int32_t *kept, Py_ssize_t count) noexcept nogil:
    """Leave out the rows of the pattern that fewest of the kept ones have; how many stay."""
    cdef Py_ssize_t size[1 << FC_WIDTH]
    cdef Py_ssize_t r, left = 0
    cdef int code, least = -1
    memset(size, 0, sizeof(size))
    for r in range(count):
        size[pattern(t, sign, kept[r])] += 1
    for code in range(1 << t.width):
        if size[code] > 0 and (least < 0 or size[code] < size[least]):
            least = code
    for r in range(count):
        if pattern(t, sign, kept[r]) != least:
            kept[left] = kept[r]
            left += 1
    return left


cdef int pattern(const fc_table *t, const int8_t *sign, Py_ssize_t i) noexcept nogil:
    """A bit for each unit that is positive on a row."""
    cdef int k, code = 0
    for k in range(t.width):
        code |= (sign[k * t.n + i] > 0) << k
    return code


cdef void bound_fewer_rows(const fc_table *t, const fc_box *box, const int8_t *sign, int32_t *kept,
                           double *out) noexcept nogil:
    """(f): the bound, and how many rows it is of, once so many patterns are left out that H is regular."""
    cdef fc_form form
    cdef fc_sums sums
    cdef Py_ssize_t count = fc_kept(t, sign, kept)
    while out[1] < 0.0:
        count = without_smallest(t, sign, kept, count)
        if count == 0:
            out[1] = 0.0
        else:
            fc_form_of(t, box, sign, kept, count, &form)
            fc_sums_of(t, box, sign, kept, count, &form, &sums)
            fc_solve(&form, &sums)
            out[1] = fc_bound(&form, &sums, count)
    out[3] = <double>count


def node_bound(const double[:, ::1] x, const double[::1] y, const double[::1] w, double plus, double minus,
               const double[::1] sigma, const double[:, ::1] low, const double[:, ::1] high,
               const int32_t[:, ::1] forced, int8_t[:, ::1] sign_out, int32_t[::1] kept, double[::1] out):
    """out: estimate, bound, risk, rows that the bound is of (kept), if affine; affine part; rows q; (g) by unit."""
    cdef fc_table table
    cdef fc_box box
    with nogil:
        if x.shape[0] > 0 and sigma.shape[0] > 0:
            table.x, table.y, table.w = &x[0, 0], &y[0], &w[0]
            table.n, table.d1, table.width = x.shape[0], <int>x.shape[1], <int>sigma.shape[0]
            table.plus, table.minus = plus, minus
            box.sigma, box.low, box.high = &sigma[0], &low[0, 0], &high[0, 0]
            box.forced, box.n_forced = NULL, <int>forced.shape[0]
            if forced.shape[0] > 0:
                box.forced = &forced[0, 0]
            fc_node_bound(&table, &box, &sign_out[0, 0], &kept[0], &out[0])
            if out[1] < 0.0:
                bound_fewer_rows(&table, &box, &sign_out[0, 0], &kept[0], &out[0])


def multipliers(const double[:, ::1] H, const double[::1] g, double yy, const double[:, ::1] limits,
                double[::1] out):
    """lambda >= 0 of the least beta'H beta/2 - <g, beta> over limits beta >= 0; yy: the size of twice the risk."""
    with nogil:
        if g.shape[0] > 0 and limits.shape[0] > 0:
            fc_multipliers(&H[0, 0], &g[0], yy, <int>g.shape[0], &limits[0, 0], <int>limits.shape[0], &out[0])
