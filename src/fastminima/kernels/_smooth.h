/* The batched forward pass with smooth activations, and these alone: _forward.h with another body. */
#ifndef FASTMINIMA_SMOOTH_H
#define FASTMINIMA_SMOOTH_H

#include "_vecmath.h"

/* the curves of _curves_tile.h; their names stand in CURVES of _smooth.pyx, in this order */
enum {
    FM_TANH,
    FM_EXP,
    FM_ERF,
    FM_LOG1P,
    FM_SIGMOID,
    FM_LOG_SIGMOID,
    FM_SOFTPLUS,
    FM_SOFTPLUS_CUT,
    FM_GELU,
    FM_SILU,
    FM_GELU_TANH,
    FM_ELU,
    FM_MISH,
    FM_GAUSSIAN,
    FM_SQUARE,
    FM_CUBE
};

/* vectors of numbers that pass through a curve in one call */
#define MAP_VECTORS 24

#define FM_SMOOTH
#include "_forward.h"

static void fm_map_f64(int variant, const fm_activation *h, const double *x, ptrdiff_t count, double *out)
{
#define CALL(v) fm_map_##v##_f64(h, x, count, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fm_map_f32(int variant, const fm_activation *h, const float *x, ptrdiff_t count, float *out)
{
#define CALL(v) fm_map_##v##_f32(h, x, count, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

#endif
