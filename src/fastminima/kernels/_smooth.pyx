# cython: language_level=3
"""Batched forward pass and squared error of one-hidden-layer networks with smooth activations, and these alone.

a.  Formula. As in `_forward`, with one of CURVES as h:

        f_k(x) = b2 + sum_j W2_j h(z_j),  z_j = <W1_j, x> + b1_j;   sums_out[k] = sum_i w_i (f_k(x_i) - y_i)^2

b.  Blocking, shapes, workspace, sums and their order: those of `_forward`, whose body is compiled here once more. A
    tile of units by samples leaves its registers between the product and the output weights only: 12 or 24 vectors in
    the first-level cache, where one function makes h(z) of z. The hidden layer is never stored.
c.  Activations. exp, tanh, erf and log1p differ from the exact value by at most 4 units in the last place in every
    variant and both precisions: proved in _vecmath.h. The others are short formulas over these (_curves_tile.h): a
    quotient or a product of positive numbers, so that nothing cancels that does not cancel in h itself. About 20 (exp)
    to 60 (GELU) operations a vector, two or three vectors in step; the one division of each runs beside them.
d.  What a curve depends on are up to three numbers, `shape`:
        softplus beta, 1/beta;  softplus_cut beta, 1/beta, threshold;  silu beta;  gelu_tanh sqrt(8/pi), 0.044715;
        elu p, q, r: p t above 0, q (e^(r t) - 1) below.
e.  Overflow, instruction sets: (f) and (g) of `_forward`. A preactivation that overflowed may come back finite from a
    curve that is bounded; a parameter that is not finite may thus hide: callers look at parameters, not at risks.
"""

cdef extern from "_smooth.h" nogil:
    ctypedef struct fm_activation:
        double s_plus
        double s_minus
        int curve
        double shape[3]
    void fm_sums_f64(int, const double *, const double *, const double *, const double *, Py_ssize_t,
                     Py_ssize_t, Py_ssize_t, const double *, const double *, const double *, Py_ssize_t,
                     const fm_activation *, double *, double *)
    void fm_sums_f32(int, const float *, const float *, const float *, const float *, Py_ssize_t,
                     Py_ssize_t, Py_ssize_t, const double *, const double *, const double *, Py_ssize_t,
                     const fm_activation *, float *, double *)
    void fm_outputs_f64(int, const double *, const double *, const double *, double, Py_ssize_t, Py_ssize_t,
                        const double *, Py_ssize_t, const fm_activation *, double *, double *)
    void fm_map_f64(int, const fm_activation *, const double *, Py_ssize_t, double *)
    void fm_map_f32(int, const fm_activation *, const float *, Py_ssize_t, float *)


CURVES = (
    "tanh", "exp", "erf", "log1p", "sigmoid", "log_sigmoid", "softplus", "softplus_cut", "gelu", "silu", "gelu_tanh",
    "elu", "mish", "gaussian", "square", "cube",
)


cdef fm_activation activation_of(int curve, const double[::1] shape) noexcept nogil:
    cdef fm_activation h
    cdef Py_ssize_t i
    h.s_plus = h.s_minus = 0
    h.curve = curve
    for i in range(3):
        h.shape[i] = shape[i]
    return h


def sums_f64(const double[:, :, ::1] W1, const double[:, ::1] b1, const double[:, ::1] W2,
             const double[::1] b2, const double[:, ::1] X, const double[::1] y, const double[::1] weight,
             int curve, const double[::1] shape, int variant, double[::1] workspace, double[::1] sums_out):
    """sums_out[k] = sum_i weight_i (f_k(x_i) - y_i)^2 in float64; an empty `weight` means all ones."""
    cdef fm_activation h
    with nogil:
        if W1.shape[0] > 0:
            h = activation_of(curve, shape)
            fm_sums_f64(variant, &W1[0, 0, 0], &b1[0, 0], &W2[0, 0], &b2[0], W1.shape[0], W1.shape[1],
                        W1.shape[2], &X[0, 0], &y[0], &weight[0] if weight.shape[0] > 0 else NULL,
                        X.shape[0], &h, &workspace[0], &sums_out[0])


def sums_f32(const float[:, :, ::1] W1, const float[:, ::1] b1, const float[:, ::1] W2, const float[::1] b2,
             const double[:, ::1] X, const double[::1] y, const double[::1] weight,
             int curve, const double[::1] shape, int variant, float[::1] workspace, double[::1] sums_out):
    """The same in float32 arithmetic, summed in float64; X, y and weight are rounded as they are packed."""
    cdef fm_activation h
    with nogil:
        if W1.shape[0] > 0:
            h = activation_of(curve, shape)
            fm_sums_f32(variant, &W1[0, 0, 0], &b1[0, 0], &W2[0, 0], &b2[0], W1.shape[0], W1.shape[1],
                        W1.shape[2], &X[0, 0], &y[0], &weight[0] if weight.shape[0] > 0 else NULL,
                        X.shape[0], &h, &workspace[0], &sums_out[0])


def outputs_f64(const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, double b2,
                const double[:, ::1] X, int curve, const double[::1] shape, int variant, double[::1] workspace,
                double[::1] out):
    """out[i] = f(x_i) of one network, bit for bit the outputs inside `sums_f64`."""
    cdef fm_activation h
    with nogil:
        h = activation_of(curve, shape)
        fm_outputs_f64(variant, &W1[0, 0], &b1[0], &W2[0], b2, W1.shape[0], W1.shape[1], &X[0, 0], X.shape[0],
                       &h, &workspace[0], &out[0])


def curve_f64(int curve, const double[::1] shape, const double[::1] x, int variant, double[::1] out):
    """out[i] = h(x_i); x and out may be one array."""
    cdef fm_activation h
    with nogil:
        if x.shape[0] > 0:
            h = activation_of(curve, shape)
            fm_map_f64(variant, &h, &x[0], x.shape[0], &out[0])


def curve_f32(int curve, const double[::1] shape, const float[::1] x, int variant, float[::1] out):
    """The same in float32."""
    cdef fm_activation h
    with nogil:
        if x.shape[0] > 0:
            h = activation_of(curve, shape)
            fm_map_f32(variant, &h, &x[0], x.shape[0], &out[0])
