/* First-order sums of a network with proved error bounds; the design stands at the head of _first_order.pyx. */
#ifndef FASTMINIMA_FIRST_ORDER_H
#define FASTMINIMA_FIRST_ORDER_H

#include "_vectors.h"

/* samples of a block: its masked residuals and inputs stay near the processor. A multiple of the widest vector */
#define FO_BLOCK 128
/* lanes in which sums are kept, whichever of them a variant uses */
#define FO_LANES 8
/* units, and columns, of a register tile */
#define FO_UNITS 4

typedef struct {
    ptrdiff_t d1, dx, m;
    const double *W1, *b1, *W2; /* (d1, dx), (d1), (d1) */
    double b2, s_plus, s_minus;
    const double *X, *y, *weight; /* (m, dx), (m), (m) or NULL for 1 */
    /* errors: of z per M_k |x~|_1, of a residual per size, of a term of the sums; and what products below the normal
     * range may lose in z and in a residual */
    double z_factor, e_factor, sum_factor, z_tiny, e_tiny;
    double *work;
    double *sums;     /* (d1 + 1, dx + 1, 2, FO_LANES) */
    double *error;    /* (dx + 1) */
    double *doubt;    /* (d1, dx + 1) */
    int64_t *unsure;  /* (d1) */
    double *nearest;  /* (2, d1) */
    double *square;   /* sum w e^2 */
} fo_problem;

static inline ptrdiff_t fo_work(ptrdiff_t d1, ptrdiff_t dx)
{
    /* inputs, z, both words of masked residuals, five rows of the block; slopes, sizes; padding */
    return (dx + 1) * FO_BLOCK + d1 * FO_BLOCK + 2 * (d1 + 1) * FO_BLOCK + 6 * FO_BLOCK + 6 * (d1 + 1) + (dx + 1) + 64;
}

#define FM_FLOAT64_ONLY
#define FM_BODY "_first_order_tile.h"
#include "_each.h"

static void fo_run(int variant, const fo_problem *p)
{
#define CALL(v) fo_pass_##v##_f64(p)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

#endif
