/* Instruction sets of the batched forward pass: one body, _forward_tile.h, in the words of each (see _simd.h).
 *
 * They use explicit fused multiply-adds: two variants may differ in the last bits of a risk, one variant never does.
 */
#ifndef FASTMINIMA_FORWARD_H
#define FASTMINIMA_FORWARD_H

#include "_vectors.h"

static inline ptrdiff_t fm_block_tuples(ptrdiff_t d1, ptrdiff_t dx, size_t item)
{
    const ptrdiff_t fits = FM_BLOCK_BYTES / (ptrdiff_t)item / (d1 * (dx + 3) + 1);
    return fits < 1 ? 1 : fits > FM_BLOCK_TUPLES ? FM_BLOCK_TUPLES : fits;
}

#define FM_BODY "_forward_tile.h"
#include "_each.h"

static void fm_sums_f64(int variant, const double *W1, const double *b1, const double *W2, const double *b2,
                        ptrdiff_t K, ptrdiff_t d1, ptrdiff_t dx, const double *X, const double *y,
                        const double *weight, ptrdiff_t m, double s_plus, double s_minus, double *workspace,
                        double *out)
{
#define CALL(v) fm_sums_##v##_f64(W1, b1, W2, b2, K, d1, dx, X, y, weight, m, s_plus, s_minus, workspace, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fm_sums_f32(int variant, const float *W1, const float *b1, const float *W2, const float *b2,
                        ptrdiff_t K, ptrdiff_t d1, ptrdiff_t dx, const double *X, const double *y,
                        const double *weight, ptrdiff_t m, double s_plus, double s_minus, float *workspace,
                        double *out)
{
#define CALL(v) fm_sums_##v##_f32(W1, b1, W2, b2, K, d1, dx, X, y, weight, m, s_plus, s_minus, workspace, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fm_outputs_f64(int variant, const double *W1, const double *b1, const double *W2, double b2, ptrdiff_t d1,
                           ptrdiff_t dx, const double *X, ptrdiff_t m, double s_plus, double s_minus,
                           double *workspace, double *out)
{
#define CALL(v) fm_outputs_##v##_f64(W1, b1, W2, b2, d1, dx, X, m, s_plus, s_minus, workspace, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

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
