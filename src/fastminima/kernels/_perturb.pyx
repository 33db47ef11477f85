# cython: language_level=3
"""Random perturbations of a one-hidden-layer network, and their excess risks evaluated sample by sample.

a.  Perturbations. Philox4x32-10 with key `seed` and counter (k low, k high, t, 0), t = 0 and 1, gives the state (a, b,
    c, n) of two sfc32 streams (small, fast, counting; PractRand). Of every four words w of a stream two Box-Muller
    pairs are made in float32, (+-r cos, r sin) from w0 and w1, likewise from w2 and w3,

        r = sqrt(-2 ln((w0/2 + 1/2) 2^-31)),  angle pi w1 2^-32, w1 signed,  the sign that of the last bit of w0;

    number i of stream t is entry 2 i + t of eight. `distribution` 2 leaves these normals g; 0 multiplies by 1/||g|| in
    float64; 1 by U^(1/P) / ||g||, where U is (w0 + 1/2) 2^-32 of the counter (k low, k high, 0, 1); then all of them by
    the radius. The squares are summed in eight strided partial sums, those as ((0+4)+(2+6))+((1+5)+(3+7)).
    float32 is enough for a direction: its 24 bits are the grain of the set of points, not an error of one.
b.  The same bits everywhere. Logarithm, sine, cosine and exponential are polynomials (minimax, fdlibm's) in +, -, *,
    / and sqrt, each correctly rounded in IEEE arithmetic, none fused; arguments are reduced in integers, exactly. No
    step crosses perturbations: their number in a vector changes nothing. A row depends on (seed, k, P, distribution)
    alone.
c.  Excess. With z the preactivations, s their slopes, e the residuals and w the weights at the base point,

        dz_ij = <dw_j, x_i> + db_j,       D_i = db2 + sum_j s_ij (v'_j dz_ij + dv_j z_ij),    v' = v + dv
        Delta_i = sum_j v'_j (s'_ij - s_ij)(z_ij + dz_ij)
        quadratic += 1/2 sum_i w_i (D_i + Delta_i)^2,   change += sum_i w_i e_i Delta_i

    and quadratic + change + g.c is the excess risk; D is built from the perturbation, so nothing cancels however
    small it is. s' differs from s only where z changes sign, and there (s' - s)(z + dz) = (s_plus - s_minus)
    |z + dz|: the unit's share of Delta has the sign of v' (s_plus - s_minus).
d.  Shapes. W1 (d1, dx), b1 (d1,), W2 (d1,), X (m, dx), e (m,), weight (m,) or empty, delta (K, d1 (dx + 2) + 1): W1 row
    by row, b1, W2, b2. centre (dx,) or empty: changes are evaluated about it, from x - centre (rounded once),
    centred_bias (d1,) = b1 + W1 centre and bias (K, d1) = db + dw . centre; else these are b1 and not looked at. z is
    b + w_1 x_1 + ... + w_dx x_dx in float64, from left to right and not fused, the same in every variant; where that
    may have another sign than the exact one it is made again in double-double, from the inputs as they are, like those
    behind e and g: a slope on which the two differ would count as a change. Slopes at z = 0: s_minus.
e.  Registers. As in _forward: a tile of 4 (8) units by 3 vectors of samples holds dz, from db to the epilogue, and
    perturbations of few units share one. The epilogue takes 2 multiply-adds and a product where the forward pass takes
    a multiply-add and a select; signs are compared by adding up the sign bits of (-z) xor (-z - dz), tested once per
    tile. Stored as -z with zeros positive, the sign bit is set exactly where the unit is active, before and after:
    x - x is +0 in round-to-nearest. The tile's second half (Delta) is a call while it is rare; where changes are many,
    AVX-512 does it unasked and without a branch. Either goes over few units: where the norm of no (dw_j, db_j) of the
    block reaches min |z_ij| / ||(x_i, 1)|| over the samples of a panel, less a bound on rounding errors, unit j of that
    panel is not looked at. The operations on D and Delta are the same all ways.
f.  Memory traffic. Panels [dx + 2 + 3 d1][3 vectors] hold x, w, w e, -z, s z and s, at most 16 panels and about 256 KiB
    at a time; a block of perturbations (at most 20 KiB) stays in the first-level cache while the panels pass it, and
    the next group of samples is fetched meanwhile.
    z is made once per panel and call: a few more perturbations' work, so a call should bring many, or samples so few
    that they stay packed. float64 reads `delta` where it lies; float32 rounds it, a block or about
    1 MiB at a time.
g.  float32. X, delta, v' and slopes are rounded to float32, z is computed in float64 and then rounded; the sign
    after the perturbation is decided in float32. Sums of at most 48 additions are flushed to float64. Squares of
    outputs below about 1e-19 underflow.
h.  Sums are added to the outputs, group of panels by group of panels: samples may come in several calls, cut at
    multiples of a group (`layout`) for the very same bits. Their order depends on m, d1, dx and the variant alone.
    Overflow ends in inf or NaN; no branch leaves out a sample.
"""

from libc.stdint cimport int64_t, uint64_t

cdef extern from "_perturb.h" nogil:
    int fm_best_variant()
    enum:
        FM_GROUP_PANELS
        FM_GROUP_BYTES
        FM_BLOCK_BYTES
        FM_BLOCK_TUPLES
        FP_BATCH_BYTES
        FM_ROWS
        FM_ROWS512
    void fp_draw(int, uint64_t, uint64_t, int, double, Py_ssize_t, Py_ssize_t, double *)
    ctypedef struct fp_base:
        Py_ssize_t d1, dx
        const double *W1
        const double *b1
        const double *W2
        double s_plus, s_minus
        const double *centre
        const double *centred_bias
        const double *doubt
    void fp_excess_f64(int, const fp_base *, const double *, const double *, const double *, Py_ssize_t,
                       const double *, const double *, Py_ssize_t, int, double *, double *, double *, int64_t *)
    void fp_excess_f32(int, const fp_base *, const double *, const double *, const double *, Py_ssize_t,
                       const double *, const double *, Py_ssize_t, int, float *, double *, double *, int64_t *)


BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]


def layout(variant, item, d1, dx):
    """Samples in one panel of `variant` for numbers of `item` bytes, and panels in a group."""
    cdef int lanes = (item, 16, 32, 64)[variant] // item
    stride = (dx + 2 + 3 * d1) * 3 * lanes
    return 3 * lanes, min(max(FM_GROUP_BYTES // item // stride, 1), FM_GROUP_PANELS)


def workspace_items(variant, item, d1, dx):
    """Numbers of `item` bytes that the workspace of the functions below must hold."""
    # Python's integers: the sizes asked for may exceed any C integer
    panel, group = layout(variant, item, d1, dx)
    rows = FM_ROWS512 if variant == 3 else FM_ROWS
    block = min(max(FM_BLOCK_BYTES // item // (d1 * (dx + 5) + 1), 1), FM_BLOCK_TUPLES)
    each = (0 if item == 8 else d1 * (dx + 2) + 1) + 2 * d1
    blocks = max(FP_BATCH_BYTES // item // each // block, 1)
    scratch = ((dx + 3) * panel + (group + blocks + 3) * d1) * (8 // item) + (rows + 1) * panel
    return 128 // item + scratch + group * (dx + 2 + 3 * d1) * panel + block * (panel + blocks * each)


def perturbations(unsigned long long seed, unsigned long long first, int distribution, double radius, int variant,
                  double[:, ::1] out):
    """out[i] = radius times unit perturbation first + i: 0 on the sphere, 1 in the ball, 2 normal."""
    with nogil:
        if out.shape[0] > 0 and out.shape[1] > 0:
            fp_draw(variant, seed, first, distribution, radius, out.shape[0], out.shape[1], &out[0, 0])


cdef fp_base _base(const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, const double[::1] centre,
                   const double[::1] centred_bias, double s_plus, double s_minus) noexcept nogil:
    cdef fp_base base
    base.d1 = W1.shape[0]
    base.dx = W1.shape[1]
    base.W1 = &W1[0, 0]
    base.b1 = &b1[0]
    base.W2 = &W2[0]
    base.s_plus = s_plus
    base.s_minus = s_minus
    base.centre = &centre[0] if centre.shape[0] > 0 else NULL
    base.centred_bias = &centred_bias[0]
    base.doubt = NULL
    return base


def excess_f64(const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, const double[:, ::1] X,
               const double[::1] centre, const double[::1] centred_bias, const double[::1] e,
               const double[::1] weight, double s_plus, double s_minus, const double[:, ::1] delta,
               const double[:, ::1] bias, int variant, bint packed, double[::1] workspace, double[::1] quadratic_out,
               double[::1] change_out, int64_t[::1] n_changed_out):
    """Add 1/2 sum_i w_i (D_i + Delta_i)^2, sum_i w_i e_i Delta_i and the (i, j) whose z changes sign.

    packed: the workspace still holds what the last call with these samples and this base point made of them; that is
    used where they are a single group.
    """
    cdef fp_base base = _base(W1, b1, W2, centre, centred_bias, s_plus, s_minus)
    with nogil:
        if delta.shape[0] > 0 and X.shape[0] > 0:
            fp_excess_f64(variant, &base, &X[0, 0], &e[0], &weight[0] if weight.shape[0] > 0 else NULL,
                          X.shape[0], &delta[0, 0], &bias[0, 0] if centre.shape[0] > 0 else NULL,
                          delta.shape[0], packed, &workspace[0], &quadratic_out[0], &change_out[0], &n_changed_out[0])


def excess_f32(const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, const double[:, ::1] X,
               const double[::1] centre, const double[::1] centred_bias, const double[::1] e,
               const double[::1] weight, double s_plus, double s_minus, const double[:, ::1] delta,
               const double[:, ::1] bias, int variant, bint packed, float[::1] workspace, double[::1] quadratic_out,
               double[::1] change_out, int64_t[::1] n_changed_out):
    """The same in float32 arithmetic, summed in float64; the arguments are rounded as they are packed."""
    cdef fp_base base = _base(W1, b1, W2, centre, centred_bias, s_plus, s_minus)
    with nogil:
        if delta.shape[0] > 0 and X.shape[0] > 0:
            fp_excess_f32(variant, &base, &X[0, 0], &e[0], &weight[0] if weight.shape[0] > 0 else NULL,
                          X.shape[0], &delta[0, 0], &bias[0, 0] if centre.shape[0] > 0 else NULL,
                          delta.shape[0], packed, &workspace[0], &quadratic_out[0], &change_out[0], &n_changed_out[0])
