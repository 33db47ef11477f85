# cython: language_level=3
"""One pass over rows (x, y) of a linear fit: its sums, or what coefficients make of them.

a.  Formulas, with x' = x - centre (rounded once), y' = y - centre_y:

        evaluate_rows:  t_i = slopes . x'_i + level,  r_i = t_i - y'_i,  n_i = ||(1, x_i)||,
                        g = sum_i w_i r_i (1, x'_i),  sums of w r^2 and w |r|, extremes of t and |r|,
                        min_i (a_j t_i + b_j n_i) of a few lines (a_j, b_j)
        moments_rows:   sum_i w_i v_i v_i', v = (1, x', y'),  and max_i |v_i|

b.  Memory traffic. A row is read once, where it lies: rows of a larger matrix are taken with its stride, and no
    centred copy is made. `evaluate_rows` writes three numbers a row.
c.  Panels of 8 rows, one a lane. A panel is transposed on the way into n + 2 vectors in first-level cache. Each sum
    has 8 partial sums, row i in number i mod 8, added pairwise at the end: any order of a sum keeps gamma_m.
d.  Cost. `evaluate_rows` has 7 flops an entry, and 3 a line. The products of `moments_rows` are (n + 2)(n + 3)/2
    vectors of partial sums, which must stay in first-level cache: MOST_COLUMNS says up to which n; beyond it BLAS on
    centred rows is faster.
e.  Instruction sets. See _rows.h: one result for all of them.
"""

cdef extern from "_targets.h" nogil:
    int ft_best()

cdef extern from "_rows.h" nogil:
    enum:
        FR_PANEL
        FR_TOTALS
    void fr_evaluate(int variant, const double *X, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, const double *y,
                     Py_ssize_t y_step, const double *w, Py_ssize_t w_step, const double *centre, double centre_y,
                     const double *slopes, double level, const double *lines, Py_ssize_t c, double *work,
                     double *values, double *residual, double *norm, double *gradient, double *totals,
                     double *lowest) noexcept
    void fr_moments(int variant, const double *X, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, const double *y,
                    Py_ssize_t y_step, const double *w, Py_ssize_t w_step, const double *centre, double centre_y,
                    double *work, double *products, double *largest) noexcept

PANEL = FR_PANEL
TOTALS = FR_TOTALS
BEST_VARIANT = ft_best()
MOST_COLUMNS = 16


def evaluate_work(Py_ssize_t n, Py_ssize_t lines):
    """Numbers of scratch that `evaluate_rows` needs for n columns and so many lines."""
    return FR_PANEL * (2 * (n + 1) + lines)


def moments_work(Py_ssize_t n):
    """Numbers of scratch that `moments_rows` needs for n columns."""
    return FR_PANEL * (3 * (n + 2) + (n + 2) * (n + 3) // 2)


def evaluate_rows(const double[:, :] X, const double[:] y, const double[:] w, const double[::1] centre,
                  double centre_y, const double[::1] slopes, double level, const double[:, ::1] lines, int variant,
                  double[::1] work, double[::1] values_out, double[::1] residual_out, double[::1] norm_out,
                  double[::1] gradient_out, double[::1] totals_out, double[::1] lowest_out):
    """Fitted values, residuals and norms of rows X (m, n), adjacent in a row; w (m,), or empty for weights 1.

    values_out, residual_out, norm_out (m,); gradient_out (n + 1,) = sum w r (1, x'); totals_out (5,): sum w r^2,
    sum w |r|, min t, max t, max |r|; lowest_out (c,) = min a t + b n of the lines (a, b), (c, 2). m >= 1; work has
    `evaluate_work(n, c)` numbers.
    """
    cdef Py_ssize_t m = y.shape[0], n = centre.shape[0], c = lines.shape[0]
    with nogil:
        if m > 0:
            fr_evaluate(variant, &X[0, 0] if n > 0 else NULL, X.strides[0] // <Py_ssize_t>sizeof(double), m, n, &y[0],
                        y.strides[0] // <Py_ssize_t>sizeof(double), &w[0] if w.shape[0] > 0 else NULL,
                        w.strides[0] // <Py_ssize_t>sizeof(double), &centre[0] if n > 0 else NULL, centre_y,
                        &slopes[0] if n > 0 else NULL, level, &lines[0, 0] if c > 0 else NULL, c, &work[0],
                        &values_out[0], &residual_out[0], &norm_out[0], &gradient_out[0], &totals_out[0],
                        &lowest_out[0] if c > 0 else NULL)


def moments_rows(const double[:, :] X, const double[:] y, const double[:] w, const double[::1] centre,
                 double centre_y, int variant, double[::1] work, double[:, ::1] products_out,
                 double[::1] largest_out):
    """products_out (n + 2, n + 2) = sum w v v', largest_out (n + 2,) = max |v|, v = (1, x', y').

    X, y, w as for `evaluate_rows`; work has `moments_work(n)` numbers.
    """
    cdef Py_ssize_t m = y.shape[0], n = centre.shape[0]
    with nogil:
        if m > 0:
            fr_moments(variant, &X[0, 0] if n > 0 else NULL, X.strides[0] // <Py_ssize_t>sizeof(double), m, n, &y[0],
                       y.strides[0] // <Py_ssize_t>sizeof(double), &w[0] if w.shape[0] > 0 else NULL,
                       w.strides[0] // <Py_ssize_t>sizeof(double), &centre[0] if n > 0 else NULL, centre_y, &work[0],
                       &products_out[0, 0], &largest_out[0])
