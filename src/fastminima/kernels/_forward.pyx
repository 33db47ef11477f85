# cython: language_level=3
"""Batched forward pass and squared error of one-hidden-layer networks.

a.  Formula. For each of K tuples (W1, b1, W2, b2) of one shape and the samples x_i, y_i with weights w_i:

        f_k(x) = b2 + sum_j W2_j h(z_j),  z_j = <W1_j, x> + b1_j;   sums_out[k] = sum_i w_i (f_k(x_i) - y_i)^2

    h(t) = s_plus t for t >= 0, s_minus t for t < 0. Rows and biases are multiplied by |W2_j| and the larger slope s
    once per block and group (by -s if it is s_minus: h(t) = -g(-t), g with the slopes exchanged); a unit then adds
    +-z_j or, on the other side, +-(smaller / s) z_j. AVX-512 makes that factor in one instruction, others with a
    comparison and a blend; a t + c |t| would cancel, and ReLU costs what any other slopes cost. A product s W2_j W1_j
    beyond the largest number ends in inf or NaN; one below the smallest normal number has fewer digits, which shows
    where inputs are so large (1e18 in float32, 1e145 in float64) that outputs can be seen nevertheless.
b.  Shapes. W1 (K, d1, dx), b1 (K, d1), W2 (K, d1), b2 (K,), X (m, dx), y (m,), weight (m,) or empty. The
    scaled parameters keep their order: a broadcast needs no packing, a remainder of d1 no padding.
c.  Registers. A tile of 4 units (8 where there are 32 registers) by 3 vectors of samples stays in registers
    from the bias, its start value, through the dx multiply-adds to the activation. Per step of dx 3 + 4 loads
    feed 12 multiply-adds, in independent chains that cover their latency. The hidden layer is never stored. Networks
    of at most half a tile's units fill a tile together: the end of one otherwise waits for its own few chains.
d.  Memory traffic. Samples are transposed into panels [dx][3 vectors], at most 16 panels and about 256 KiB at
    a time (the second-level cache). A block of tuples (at most 20 KiB) stays in the first-level cache while
    the panels of the group pass it, panels outer and tuples inner: each panel is fetched once per block, not
    once per tuple. Each tile asks for a few lines of what comes next from memory: the next group of samples,
    or the next block of tuples where one group is all.
    Wide networks (`is_wide`): a panel no longer fits into the first level, nor W1 into the second. There a group of
    up to 16 panels meets blocks of 128 units and slices of 256 inputs: the block passes the slice of one panel after
    another, in tiles whose units lie side by side (one stream), and the z of the group wait for the next slice. So do
    networks of up to 32 units on 512 inputs or more, several of the smallest in a tile. Where a call has few units,
    groups are as small as the panels between two flushes. Each z is added up in the same order as otherwise: outputs
    have the same bits. A product through BLAS (`_blas`) and a pass over its result would be slower: the tile beats
    OpenBLAS's product alone (bench/bench_forward.md).
e.  Sums. A vector of partial sums per tuple lives for one group of panels, is then added up in float64 and so
    flushed: at most 48 additions in a chain before, so float32 arithmetic loses no digits to long sums. The
    order depends on m, d1, dx and the variant alone: never on K, on how K is cut, or on threads.
f.  Overflow. No branch looks at a value, so overflow ends in inf or NaN in the sum; the caller reads NaN as
    inf (from finite parameters nothing but overflow makes a NaN).
g.  Instruction sets. See _forward.h. The variant is an argument; BEST_VARIANT is the widest this machine has,
    and any smaller number works too.
"""

cdef extern from "_forward.h" nogil:
    ctypedef struct fm_activation:
        double s_plus
        double s_minus
    int fm_best_variant()
    enum:
        FM_GROUP_PANELS
        FM_GROUP_BYTES
        FM_BLOCK_BYTES
        FM_BLOCK_TUPLES
        FM_WIDE_FROM
        FM_WIDE_FEW
        FM_WIDE_FEW_FROM
        FM_WIDE_FEW_BYTES
        FM_WIDE_NUMBERS
        FM_WIDE_TERMS
        FM_WIDE_UNITS
        FM_WIDE_BYTES
        FM_WIDE_PANELS
    void fm_sums_f64(int, const double *, const double *, const double *, const double *, Py_ssize_t,
                     Py_ssize_t, Py_ssize_t, const double *, const double *, const double *, Py_ssize_t,
                     const fm_activation *, double *, double *)
    void fm_sums_f32(int, const float *, const float *, const float *, const float *, Py_ssize_t,
                     Py_ssize_t, Py_ssize_t, const double *, const double *, const double *, Py_ssize_t,
                     const fm_activation *, float *, double *)
    void fm_outputs_f64(int, const double *, const double *, const double *, double, Py_ssize_t, Py_ssize_t,
                        const double *, Py_ssize_t, const fm_activation *, double *, double *)
    double fm_probe_f64(int, Py_ssize_t, double)
    double fm_probe_f32(int, Py_ssize_t, double)


BEST_VARIANT = fm_best_variant()
VARIANTS = ("plain", "vector16", "avx2", "avx512")[:BEST_VARIANT + 1]


def layout(variant, item):
    """Samples in one panel of `variant` for numbers of `item` bytes, and panels between two flushes."""
    cdef int lanes = (item, 16, 32, 64)[variant] // item
    return 3 * lanes, FM_GROUP_PANELS


def is_wide(d1, dx):
    """Whether networks of this shape take their inputs in slices (d above)."""
    if d1 <= FM_WIDE_FEW:
        return dx >= FM_WIDE_FEW_FROM
    return dx >= FM_WIDE_FROM and d1 * dx >= FM_WIDE_NUMBERS


def workspace_items(variant, item, d1, dx):
    """Numbers of `item` bytes that the workspace of the functions below must hold."""
    # Python's integers: the sizes asked for may exceed any C integer
    panel, _ = layout(variant, item)
    stride = (dx + 2) * panel
    if is_wide(d1, dx):
        held = FM_WIDE_FEW_BYTES if d1 <= FM_WIDE_FEW else FM_WIDE_BYTES
        flush = min(max(held // item // stride, 1), FM_GROUP_PANELS)
        group = max(min(FM_WIDE_BYTES // item // stride, FM_WIDE_PANELS) // flush, 1) * flush
        outputs = max(FM_WIDE_UNITS // d1, 1) * group * panel
        kept = FM_WIDE_UNITS * (group * panel + FM_WIDE_TERMS + 4)
        return 64 // item + group * stride + kept + outputs + panel // 3
    group = min(max(FM_GROUP_BYTES // item // stride, 1), FM_GROUP_PANELS)
    block = min(max(FM_BLOCK_BYTES // item // (d1 * (dx + 3) + 1), 1), FM_BLOCK_TUPLES)
    return 64 // item + group * stride + block * (panel // 3 + d1 * (dx + 4)) + 2 * panel


def sums_f64(const double[:, :, ::1] W1, const double[:, ::1] b1, const double[:, ::1] W2,
             const double[::1] b2, const double[:, ::1] X, const double[::1] y, const double[::1] weight,
             double s_plus, double s_minus, int variant, double[::1] workspace, double[::1] sums_out):
    """sums_out[k] = sum_i weight_i (f_k(x_i) - y_i)^2 in float64; an empty `weight` means all ones."""
    cdef fm_activation h
    h.s_plus, h.s_minus = s_plus, s_minus
    with nogil:
        if W1.shape[0] > 0:
            fm_sums_f64(variant, &W1[0, 0, 0], &b1[0, 0], &W2[0, 0], &b2[0], W1.shape[0], W1.shape[1],
                        W1.shape[2], &X[0, 0], &y[0], &weight[0] if weight.shape[0] > 0 else NULL,
                        X.shape[0], &h, &workspace[0], &sums_out[0])


def sums_f32(const float[:, :, ::1] W1, const float[:, ::1] b1, const float[:, ::1] W2, const float[::1] b2,
             const double[:, ::1] X, const double[::1] y, const double[::1] weight,
             double s_plus, double s_minus, int variant, float[::1] workspace, double[::1] sums_out):
    """The same in float32 arithmetic, summed in float64; X, y and weight are rounded as they are packed."""
    cdef fm_activation h
    h.s_plus, h.s_minus = s_plus, s_minus
    with nogil:
        if W1.shape[0] > 0:
            fm_sums_f32(variant, &W1[0, 0, 0], &b1[0, 0], &W2[0, 0], &b2[0], W1.shape[0], W1.shape[1],
                        W1.shape[2], &X[0, 0], &y[0], &weight[0] if weight.shape[0] > 0 else NULL,
                        X.shape[0], &h, &workspace[0], &sums_out[0])


def outputs_f64(const double[:, ::1] W1, const double[::1] b1, const double[::1] W2, double b2,
                const double[:, ::1] X, double s_plus, double s_minus, int variant, double[::1] workspace,
                double[::1] out):
    """out[i] = f(x_i) of one network, bit for bit the outputs inside `sums_f64`."""
    cdef fm_activation h
    h.s_plus, h.s_minus = s_plus, s_minus
    with nogil:
        fm_outputs_f64(variant, &W1[0, 0], &b1[0], &W2[0], b2, W1.shape[0], W1.shape[1], &X[0, 0], X.shape[0],
                       &h, &workspace[0], &out[0])


def fma_peak(int variant, Py_ssize_t item, Py_ssize_t rounds, double[::1] sum_out):
    """Multiply-adds in 12 independent chains, 24 flops per lane and round: what a core can do at most."""
    # a factor read from memory, so that no compiler can do the sum in advance
    cdef double factor = sum_out[0]
    with nogil:
        if item == 4:
            sum_out[0] = fm_probe_f32(variant, rounds, factor)
        else:
            sum_out[0] = fm_probe_f64(variant, rounds, factor)
