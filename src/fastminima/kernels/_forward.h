/* Instruction sets of the batched forward pass: one body, _forward_tile.h, in the words of each (see _simd.h).
 *
 * They use explicit fused multiply-adds: two variants may differ in the last bits of a risk, one variant never does.
 */
#ifndef FASTMINIMA_FORWARD_H
#define FASTMINIMA_FORWARD_H

#include "_vectors.h"

/* h: slopes on the right and on the left, or, for _smooth_tile.h, the number of a curve and what shapes it */
typedef struct {
    double s_plus, s_minus;
    int curve;
    double shape[3];
} fm_activation;

static inline ptrdiff_t fm_block_tuples(ptrdiff_t d1, ptrdiff_t dx, size_t item)
{
    const ptrdiff_t fits = FM_BLOCK_BYTES / (ptrdiff_t)item / (d1 * (dx + 3) + 1);
    return fits < 1 ? 1 : fits > FM_BLOCK_TUPLES ? FM_BLOCK_TUPLES : fits;
}

/* From so many inputs, and so many numbers in W1, on the inputs are taken in slices: a choice by measurements, which stand in
 * bench/bench_forward.md. A panel's slice of FM_WIDE_TERMS is 48 KiB, about the first-level cache, while the units of a
 * block pass it; the block's slice, 256 KiB, stays in the second. What a group's panels keep between slices is asked for
 * a tile ahead. */
#define FM_WIDE_FROM 192
/* networks of so few units from so many inputs on */
#define FM_WIDE_FEW 32
#define FM_WIDE_FEW_FROM 512
#define FM_WIDE_FEW_BYTES (512 * 1024)
#define FM_WIDE_NUMBERS 65536
#define FM_WIDE_TERMS 256
#define FM_WIDE_UNITS 128
/* Packed samples between two flushes of the sums. With fewer units than FM_WIDE_MANY in a call a group is no larger: its
 * samples stay in the second-level cache, as the units are soon done with them. With more it is the most of them that fit
 * into FM_WIDE_PANELS (what they keep stays in that cache): the parameters are scaled once a group. */
#define FM_WIDE_BYTES (8 * 1024 * 1024)
#define FM_WIDE_MANY 200
#define FM_WIDE_PANELS 16

/* Panels between two flushes, whatever K. */
static inline ptrdiff_t fm_wide_panels(ptrdiff_t d1, ptrdiff_t stride, size_t item)
{
    const ptrdiff_t bytes = d1 <= FM_WIDE_FEW ? FM_WIDE_FEW_BYTES : FM_WIDE_BYTES, fits = bytes / (ptrdiff_t)item / stride;
    return fits < 1 ? 1 : fits > FM_GROUP_PANELS ? FM_GROUP_PANELS : fits;
}

/* Panels of a group for `units` units in all: a multiple of `flush`, so that the bits of the sums are the same. */
static inline ptrdiff_t fm_wide_group(ptrdiff_t flush, ptrdiff_t units, ptrdiff_t stride, size_t item)
{
    const ptrdiff_t fits = FM_WIDE_BYTES / (ptrdiff_t)item / stride;
    const ptrdiff_t most = units < FM_WIDE_MANY ? flush : fits < FM_WIDE_PANELS ? fits : FM_WIDE_PANELS;
    return most < flush ? flush : most / flush * flush;
}

static inline int fm_is_wide(ptrdiff_t d1, ptrdiff_t dx)
{
    if (d1 <= FM_WIDE_FEW)
        return dx >= FM_WIDE_FEW_FROM;
    return dx >= FM_WIDE_FROM && d1 >= (FM_WIDE_NUMBERS + dx - 1) / dx;
}

/* networks in a block */
static inline ptrdiff_t fm_wide_tuples(ptrdiff_t d1)
{
    return d1 < FM_WIDE_UNITS ? FM_WIDE_UNITS / d1 : 1;
}

#ifndef FM_SMOOTH
#define FM_BODY "_forward_tile.h"
#else
#define FM_BODY "_smooth_tile.h"
#endif
#include "_each.h"

static void fm_sums_f64(int variant, const double *W1, const double *b1, const double *W2, const double *b2,
                        ptrdiff_t K, ptrdiff_t d1, ptrdiff_t dx, const double *X, const double *y,
                        const double *weight, ptrdiff_t m, const fm_activation *h, double *workspace, double *out)
{
#define SLIM(v) fm_sums_##v##_f64(W1, b1, W2, b2, K, d1, dx, X, y, weight, m, h, workspace, out)
#define WIDE(v) fm_wide_sums_##v##_f64(W1, b1, W2, b2, K, d1, dx, X, y, weight, m, h, workspace, out)
    if (fm_is_wide(d1, dx)) {
        FM_DISPATCH(variant, WIDE)
    } else {
        FM_DISPATCH(variant, SLIM)
    }
#undef SLIM
#undef WIDE
}

static void fm_sums_f32(int variant, const float *W1, const float *b1, const float *W2, const float *b2,
                        ptrdiff_t K, ptrdiff_t d1, ptrdiff_t dx, const double *X, const double *y,
                        const double *weight, ptrdiff_t m, const fm_activation *h, float *workspace, double *out)
{
#define SLIM(v) fm_sums_##v##_f32(W1, b1, W2, b2, K, d1, dx, X, y, weight, m, h, workspace, out)
#define WIDE(v) fm_wide_sums_##v##_f32(W1, b1, W2, b2, K, d1, dx, X, y, weight, m, h, workspace, out)
    if (fm_is_wide(d1, dx)) {
        FM_DISPATCH(variant, WIDE)
    } else {
        FM_DISPATCH(variant, SLIM)
    }
#undef SLIM
#undef WIDE
}

static void fm_outputs_f64(int variant, const double *W1, const double *b1, const double *W2, double b2, ptrdiff_t d1,
                           ptrdiff_t dx, const double *X, ptrdiff_t m, const fm_activation *h, double *workspace,
                           double *out)
{
#define SLIM(v) fm_outputs_##v##_f64(W1, b1, W2, b2, d1, dx, X, m, h, workspace, out)
#define WIDE(v) fm_wide_predict_##v##_f64(W1, b1, W2, b2, d1, dx, X, m, h, workspace, out)
    if (fm_is_wide(d1, dx)) {
        FM_DISPATCH(variant, WIDE)
    } else {
        FM_DISPATCH(variant, SLIM)
    }
#undef SLIM
#undef WIDE
}

#ifndef FM_SMOOTH
static double fm_probe_f64(int variant, ptrdiff_t rounds, double factor)
{
    double sum;
#define CALL(v) sum = fm_probe_##v##_f64(rounds, factor)
    FM_DISPATCH(variant, CALL)
#undef CALL
    return sum;
}

static double fm_probe_f32(int variant, ptrdiff_t rounds, double factor)
{
    double sum;
#define CALL(v) sum = fm_probe_##v##_f32(rounds, factor)
    FM_DISPATCH(variant, CALL)
#undef CALL
    return sum;
}
#endif

#endif
