/* The body of the batched forward pass with smooth activations: what of _forward_tile.h depends on h, and the rest of it. */

#include "_curves_tile.h"

/* What the tiles want of each unit: its row and its bias as they are, and its output weight. */
FM_TARGET static void FM_NAME(fm_signs)(const REAL *FM_RESTRICT b1, const REAL *FM_RESTRICT W2, ptrdiff_t units,
                                        const fm_activation *h, REAL *FM_RESTRICT scale, REAL *FM_RESTRICT b,
                                        REAL *FM_RESTRICT up, REAL *FM_RESTRICT down)
{
    ptrdiff_t u;
    (void)h, (void)down;
    for (u = 0; u < units; u++)
        scale[u] = 1, b[u] = b1[u], up[u] = W2[u];
}

/* z = h(z) of a whole tile, on a copy in memory: z itself stays in registers up to here */
FM_TARGET FM_INLINE void FM_NAME(fm_curves)(const fm_activation *h, const int units, const int width, VEC z[ROWS][3])
{
    VEC kept[ROWS * 3 + WAYS];
    int r, v;
    FM_UNROLL
    for (r = 0; r < units; r++) {
        FM_UNROLL
        for (v = 0; v < width; v++)
            kept[r * width + v] = z[r][v];
    }
    for (r = units * width; r % WAYS; r++)
        kept[r] = kept[0];
    FM_NAME(fm_curve)(h, kept, units * width);
    FM_UNROLL
    for (r = 0; r < units; r++) {
        FM_UNROLL
        for (v = 0; v < width; v++)
            z[r][v] = kept[r * width + v];
    }
}

/* f += sum over `units` hidden units of W2 h(z), where z is h(z) already */
FM_TARGET FM_INLINE void FM_NAME(fm_bend)(const int units, const int width, const REAL *FM_RESTRICT up,
                                          const REAL *FM_RESTRICT down, VEC (*z)[3], VEC *f)
{
    int r, v;
    (void)down;
    FM_UNROLL
    for (r = 0; r < units; r++) {
        const VEC weight = V_SET1(up[r]);
        FM_UNROLL
        for (v = 0; v < width; v++)
            f[v] = V_FMA(weight, z[r][v], f[v]);
    }
}

#include "_vecmath_end.h"
#include "_forward_tile.h"
