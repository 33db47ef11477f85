# cython: language_level=3
"""Excess risks of perturbed networks from sums made once, and from the few samples near a boundary.

a.  Formula. For base parameters with preactivations z_ij, residuals e_i, slopes s_ij (s_plus where z_ij > 0, else
    s_minus) and weights w_i, a perturbation acts through its effective changes c in R^q, q = d1 (dx + 1) + 1,

        c_j = v_j dw_j + dv_j w_j + dv_j dw_j (bias included),  c_q = db2,   D_i = sum_j s_ij c_j . (x_i, 1) + db2,
        excess = g . c + 1/2 c' G c + sum over changed samples of w_i Delta_i (e_i + D_i + 1/2 Delta_i),

    g = sum_i w_i e_i phi_i, G = sum_i w_i phi_i phi_i', D_i = phi_i . c. A sample that changes sign in unit j
    adds (v_j + dv_j) (s'_ij - s_ij) (z_ij + dz_ij) to its Delta_i; only those with |z_ij| <= norm(dw_j, db_j)
    norm(x_i, 1) can.
b.  `base_sums`, `preactivations`: one pass over X (m, dx). Products are exact and sums carry a second word
    (double-double): near a minimum g is a sum of large terms that cancel, and e_i of close ones. Panels of 8
    samples stay in the first-level cache; every entry of g has 8 partial sums, sample i in number i mod 8.
c.  Linear term. g . c = sum_j (v_j + dv_j) g_j . dw_j + dv_j g_j . w_j + g_q db2 in double-double too, 16 flops
    an entry: whatever the perturbation, it is right to the last bits, so the excess loses digits only where
    linear and quadratic term cancel. The products g_j . w_j are made once. `linear_term` gives it alone, both
    words, for evaluations that make the other terms themselves: one pass over delta, FS_ROWS of its columns at
    a time transposed in first-level cache. Where those are in float32, float64 is enough for it.
d.  Quadratic term as a sum of squares, G = R'R, so that it is never negative. Either one factor R (rows, q), or
    per sign pattern p one R_p (rows, dx + 1) for the coefficients sum_j s_pj c_j, whichever has fewer entries.
    Inputs far from the origin are centred, their bias changes being db_j + dw_j . centre from double-double: no
    digits cancel in it. Per pattern, c's bias is summed over the units in double-double too: far from the
    origin the units move the output by much more than the network does.
e.  Panels of 8 perturbations, one a lane, whole panels in registers and first-level cache; the factor is read
    once per panel, 4 rows at a time. A perturbation's bits depend on nothing beside it.
f.  Walk. Per unit the listed samples lie sorted by margin, so each perturbation passes a prefix. A float32
    filter drops most of it: panels of 16 samples, -sign(z) (x, 1)/norm(x, 1) against the margin, with a slack
    that covers its rounding. What passes is decided in float64 from rows (x, z, e, w) that lie in margin order too,
    with D_i from the affine function its pattern shares. A chunk of 16 KiB of filter panels, and its rows, is
    passed by a tile of perturbations before the next is read: with 1e7 samples they come from main memory.
    Terms are summed chunk by chunk, unit by unit: the order depends on nothing else. A sample that changes in
    several units, a and b, lacks their product then, as (a + b) (r + (a + b)/2) = a (r + a/2) + b (r + b/2) + a b:
    such changes are kept, found again by number, and their products added last.
g.  Instruction sets. See _simd.h and _screen.h: one result for all of them.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t

cdef extern from "_screen_walk.h" nogil:
    enum:
        FS_PANEL
        FS_NEAR
        FS_ROWS
    ctypedef struct fs_base_point:
        Py_ssize_t d1, dx
        const double *W2
        const double *g_hi
        const double *g_lo
        const double *own_hi
        const double *own_lo
        const double *centre
        const double *centred_bias
        const double *steep
    ctypedef struct fs_problem:
        Py_ssize_t d1, dx, n_patterns, n_pairs, near_patterns
        double s_plus, s_minus, scale
        const double *W1
        const double *b1
        const double *W2
        const double *g_hi
        const double *g_lo
        const double *own_hi
        const double *own_lo
        const double *centre
        const double *centred_bias
        const double *centred_low
        const double *slopes
        const double *R
        const int64_t *row_start
        const int64_t *near_start
        const int64_t *panel_start
        const double *margin
        const double *rows
        const double *near_slopes
        const float *filter
    ctypedef struct fs_scratch:
        Py_ssize_t tile, shared
        double *columns
        double *norm
        double *step
        double *sum
        double *shared_by
        double *pattern_q
        double *change
        float *filter_w
        int64_t *n_within
        int64_t *n_shared
        int64_t *stamp
        int32_t *mark
        int32_t *found
        int32_t *shared_id
    int fm_best_variant()
    Py_ssize_t fs_chunk_panels(Py_ssize_t)
    void fs_base(int, const double *, const double *, const double *, double, Py_ssize_t, Py_ssize_t,
                 const double *, const double *, const double *, Py_ssize_t, double, double, double *, double *,
                 double *, double *)
    void fs_linear(int, const fs_base_point *, const double *, Py_ssize_t, double *, double *, double *, double *,
                   double *)
    void fs_linear_once(int, const fs_base_point *, const double *, Py_ssize_t, double *, double *)
    void fs_screen(int, const fs_problem *, fs_scratch *, const double *, Py_ssize_t, int64_t, double *, double *,
                   int64_t *, double *)


BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]
PANEL = FS_PANEL
NEAR = FS_NEAR


def workspace_items(d1, dx):
    """Numbers that the workspace of the functions below must hold, but for `linear_term`."""
    return 16 + FS_PANEL * (2 * d1 * (dx + 3) + 2 * dx + 16) + 4 * d1


def chunk_pairs(dx):
    """Listed samples of a unit whose terms are summed before they are added to an excess."""
    return FS_NEAR * fs_chunk_panels(dx)


def linear_items(d1, dx):
    """Numbers that the workspace of `linear_term` must hold."""
    return 16 + FS_PANEL * (max(FS_ROWS, dx) + 2 * d1 + 4)


def base_sums(const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, double b2,
              const double[:, ::1] X, const double[::1] y, const double[::1] weight, double s_plus, double s_minus,
              int variant, double[::1] workspace, double[:, :, :, ::1] sums_out, double[::1] residual_out):
    """Residuals f(x_i) - y_i, and partial sums of w_i e_i (x_i, 1), added to sums_out.

    sums_out (d1 + 1, dx + 1, 2, 8): over all samples, then over those with z_j > 0; high and low words of 8 sums.
    """
    with nogil:
        if X.shape[0] > 0:
            fs_base(variant, &W1[0, 0], &b1[0], &W2[0], b2, W1.shape[0], W1.shape[1], &X[0, 0], &y[0],
                    &weight[0] if weight.shape[0] > 0 else NULL, X.shape[0], s_plus, s_minus, &workspace[0],
                    &sums_out[0, 0, 0, 0], &residual_out[0], NULL)


def preactivations(const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, double b2,
                   const double[:, ::1] X, const double[::1] y, double s_plus, double s_minus, int variant,
                   double[::1] workspace, double[:, ::1] z_out):
    """z_out[j, i] = <W1_j, x_i> + b1_j in double-double, rounded: the z whose signs `base_sums` went by."""
    with nogil:
        if X.shape[0] > 0:
            fs_base(variant, &W1[0, 0], &b1[0], &W2[0], b2, W1.shape[0], W1.shape[1], &X[0, 0], &y[0], NULL,
                    X.shape[0], s_plus, s_minus, &workspace[0], NULL, NULL, &z_out[0, 0])


def linear_term(const double[:, ::1] gradient, const double[:, ::1] own, const double[::1] W2,
                const double[::1] centre, const double[:, ::1] centred_bias, const double[::1] steep,
                const double[:, ::1] delta, bint double_double, int variant, double[::1] workspace,
                double[:, ::1] linear_out, double[:, ::1] bias_out, double[::1] size_out):
    """linear_out (2, K): high and low words of g . c for the rows of delta (K, P).

    gradient (2, q) = g and own (2, d1) = g_j . w_j, high and low words. The words are not brought into order: their
    sum, rounded once, is the term. Also, for the sums over the samples: bias_out (K, d1) = db_j + dw_j . centre,
    rounded once, if there is a centre (dx,) at all; size_out (K,), the sum over the units of
    steep_j (|v'_j bias_j| + |dv_j centred_bias_j|), the parts of an output's change that may be large and cancel.
    steep (d1,): slopes. Without `double_double` linear_out[0] and bias_out are sums in float64, whose order depends on
    the variant, and the other two are zeros.
    """
    cdef fs_base_point s
    with nogil:
        if delta.shape[0] > 0:
            s.d1 = W2.shape[0]
            s.dx = (gradient.shape[1] - 1) // s.d1 - 1
            s.W2 = &W2[0]
            s.g_hi = &gradient[0, 0]
            s.g_lo = &gradient[1, 0]
            s.own_hi = &own[0, 0]
            s.own_lo = &own[1, 0]
            s.centre = &centre[0] if centre.shape[0] > 0 else NULL
            s.centred_bias = &centred_bias[0, 0]
            s.steep = &steep[0]
            if double_double:
                fs_linear(variant, &s, &delta[0, 0], delta.shape[0], &workspace[0], &linear_out[0, 0],
                          &linear_out[1, 0], &bias_out[0, 0] if centre.shape[0] > 0 else NULL, &size_out[0])
            else:
                fs_linear_once(variant, &s, &delta[0, 0], delta.shape[0], &linear_out[0, 0],
                               &bias_out[0, 0] if centre.shape[0] > 0 else NULL)
                linear_out[1] = 0.0
                size_out[:] = 0.0


@cython.auto_pickle(False)
@cython.final
cdef class ScreenProblem:
    """What `screened_excess` goes by: a base point, its quadratic form, and the samples near a boundary.

    W1 (d1, dx), b1, W2 (d1,); gradient (2, q) = g and own (2, d1) = g_j . w_j, high and low words; centre (dx,) of the
    inputs, or empty, and centred_bias (2, d1) = b1 + W1 centre, both words. slopes (patterns, d1), none for one factor;
    factor: rows of R, row_start[p] .. row_start[p + 1] of pattern p, a multiple of 4. Listed samples: unit j has pairs
    near_start[j] .. near_start[j + 1], ascending margin; rows (pairs + 16, pad + 4) = (x - centre, zeros up to pad, a
    multiple of 4, z, e, w, and in the last place two int32: a number where the sample is listed for several units, else
    -1, and its row of near_slopes); panel_start and filter: the panels of (f), margins in units of `scale`; `shared`
    pairs belong to `numbers` samples that are listed for several units.
    """

    cdef fs_problem s
    cdef readonly object W1, b1, W2, gradient, own, centre, centred_bias, slopes, factor, row_start
    cdef readonly object near_start, panel_start, margin, rows, near_slopes, filter
    cdef readonly double s_plus, s_minus, scale
    cdef readonly Py_ssize_t shared, numbers

    def __cinit__(self, *, const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, double s_plus,
                  double s_minus, const double[:, ::1] gradient, const double[:, ::1] own, const double[::1] centre,
                  const double[:, ::1] centred_bias, const double[:, ::1] slopes, const double[::1] factor,
                  const int64_t[::1] row_start, const int64_t[::1] near_start, const int64_t[::1] panel_start,
                  const double[::1] margin, const double[:, ::1] rows, const double[:, ::1] near_slopes,
                  const float[::1] filter, double scale, Py_ssize_t shared, Py_ssize_t numbers):
        cdef fs_problem *s = &self.s
        s.d1 = W1.shape[0]
        s.dx = W1.shape[1]
        s.s_plus = s_plus
        s.s_minus = s_minus
        s.W1 = &W1[0, 0]
        s.b1 = &b1[0]
        s.W2 = &W2[0]
        s.g_hi = &gradient[0, 0]
        s.g_lo = &gradient[1, 0]
        s.own_hi = &own[0, 0]
        s.own_lo = &own[1, 0]
        s.centre = &centre[0] if centre.shape[0] > 0 else NULL
        s.centred_bias = &centred_bias[0, 0]
        s.centred_low = &centred_bias[1, 0]
        s.n_patterns = slopes.shape[0]
        s.slopes = &slopes[0, 0]
        s.R = &factor[0]
        s.row_start = &row_start[0]
        s.near_start = &near_start[0]
        s.panel_start = &panel_start[0]
        s.margin = &margin[0]
        s.rows = &rows[0, 0]
        s.near_slopes = &near_slopes[0, 0]
        s.near_patterns = near_slopes.shape[0]
        s.n_pairs = near_start[s.d1]
        s.filter = &filter[0]
        s.scale = scale
        # the arrays live as long as the pointers into them
        self.W1, self.b1, self.W2 = W1.base, b1.base, W2.base
        self.gradient, self.own = gradient.base, own.base
        self.centre, self.centred_bias = centre.base, centred_bias.base
        self.slopes, self.factor, self.row_start = slopes.base, factor.base, row_start.base
        self.near_start, self.panel_start, self.margin = near_start.base, panel_start.base, margin.base
        self.rows, self.near_slopes, self.filter = rows.base, near_slopes.base, filter.base
        self.s_plus, self.s_minus, self.scale = s_plus, s_minus, scale
        self.shared, self.numbers = shared, numbers


def walk_items(ScreenProblem problem not None, Py_ssize_t tile):
    """Numbers in the work space of a walk of `tile` perturbations: float64, float32, int64 and int32; of the last two,
    zeros at first.
    """
    cdef Py_ssize_t d1 = problem.s.d1, dx = problem.s.dx, patterns = problem.s.near_patterns
    cdef Py_ssize_t block = max(tile, FS_PANEL), pad = (dx + 3) // 4 * 4, room = chunk_pairs(dx) + FS_NEAR
    cdef Py_ssize_t each = pad + 1 + 2 * problem.shared + patterns * (pad + 1)
    return (
        block * (d1 * (dx + 4) + 1) + tile * each + 3 * room, tile * (dx + 2), tile * (2 + patterns),
        problem.numbers + room + tile * problem.shared,
    )  # fmt: skip


@cython.auto_pickle(False)
@cython.final
cdef class ScreenScratch:
    """Work space of the calls for one problem, one call at a time, in which `tile` perturbations walk together.

    workspace: `workspace_items`; reals, singles, longs and ints: `walk_items`.
    """

    cdef fs_scratch k
    cdef double *work
    # of the next perturbation: no other on this work space has it
    cdef int64_t serial
    cdef object held
    cdef readonly ScreenProblem problem
    cdef readonly Py_ssize_t tile

    def __cinit__(self, ScreenProblem problem not None, Py_ssize_t tile, double[::1] workspace, double[::1] reals,
                  float[::1] singles, int64_t[::1] longs, int32_t[::1] ints):
        cdef fs_scratch *k = &self.k
        cdef Py_ssize_t d1 = problem.s.d1, dx = problem.s.dx, patterns = problem.s.near_patterns
        cdef Py_ssize_t pad = (dx + 3) // 4 * 4, room = chunk_pairs(dx) + FS_NEAR, block = max(tile, FS_PANEL)
        self.problem, self.tile, self.serial, self.work = problem, tile, 1, &workspace[0]
        self.held = workspace.base, reals.base, singles.base, longs.base, ints.base
        k.tile = tile
        k.shared = problem.shared
        k.columns = &reals[0]
        k.norm = k.columns + block * (d1 * (dx + 3) + 1)
        k.change = k.norm + block * d1
        k.step = k.change + 3 * room
        k.sum = k.step + tile * pad
        k.pattern_q = k.sum + tile
        k.shared_by = k.pattern_q + tile * patterns * (pad + 1)
        k.filter_w = &singles[0]
        k.n_within = &longs[0]
        k.n_shared = k.n_within + tile
        k.stamp = k.n_shared + tile
        k.mark = &ints[0]
        k.found = k.mark + problem.numbers
        k.shared_id = k.found + room


def screened_excess(const double[:, ::1] delta, ScreenScratch scratch not None, int variant, double[::1] excess_out,
                    int64_t[::1] changed_out, double[::1] norm_out):
    """Excess risks of the rows of delta (K, P), numbers of sign changes, and the largest norm of a unit's change met.

    Results are complete where norm_out does not exceed the norm up to which the problem of the scratch lists samples.
    """
    with nogil:
        if delta.shape[0] > 0:
            fs_screen(variant, &scratch.problem.s, &scratch.k, &delta[0, 0], delta.shape[0], scratch.serial,
                      scratch.work, &excess_out[0], &changed_out[0], &norm_out[0])
            scratch.serial += delta.shape[0]
