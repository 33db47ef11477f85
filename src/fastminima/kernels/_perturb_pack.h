/* Samples as the direct excess risks read them: panels, and how far each unit is from a boundary in them; in the words of
 * _words.h, with PANEL samples a panel. _perturb_tile.h includes it once per variant. */

#if ROWS > 4
#define FP_SIDE 8
#define FP_SIDES fp_d8
#define FP_UNALIGNED fp_d8u
#define FP_SPREAD(s) ((fp_d8){(s), (s), (s), (s), (s), (s), (s), (s)})
#else
#define FP_SIDE 4
#define FP_SIDES fp_d4
#define FP_UNALIGNED fp_d4u
#define FP_SPREAD(s) ((fp_d4){(s), (s), (s), (s)})
#endif

/* z = b + w_1 x_1 + ... + w_dx x_dx from left to right, no multiply-add fused: every variant has the same bits. */
FM_TARGET FM_INLINE void FM_NAME(fp_preactivations)(const int units, const double *w, const double *b, ptrdiff_t dx,
                                          const double *FM_RESTRICT x, double *FM_RESTRICT z)
{
    ptrdiff_t j;
    int r, l;
#if defined(FM_HAVE_VECTOR16) && LANES % 4 == 0
    int v;
    for (l = 0; l < PANEL; l += 3 * FP_SIDE) {
        FP_SIDES sum[2][3];
        FM_UNROLL
        for (r = 0; r < units; r++)
            for (v = 0; v < 3; v++)
                sum[r][v] = FP_SPREAD(b[r]);
        for (j = 0; j < dx; j++) {
            FM_UNROLL
            for (r = 0; r < units; r++) {
                const FP_SIDES s = FP_SPREAD(w[r * dx + j]);
                FM_UNROLL
                for (v = 0; v < 3; v++)
                    sum[r][v] = sum[r][v] + s * *(const FP_UNALIGNED *)(x + j * PANEL + l + FP_SIDE * v);
            }
        }
        FM_UNROLL
        for (r = 0; r < units; r++)
            for (v = 0; v < 3; v++)
                *(FP_UNALIGNED *)(z + r * PANEL + l + FP_SIDE * v) = sum[r][v];
    }
#else
    for (r = 0; r < units; r++)
        for (l = 0; l < PANEL; l++) {
            double sum = b[r];
            for (j = 0; j < dx; j++)
                sum = sum + w[r * dx + j] * x[j * PANEL + l];
            z[r * PANEL + l] = sum;
        }
#endif
}

/* Panels [dx rows of x | weight | weight e | d1 rows of -z | d1 rows of s z | d1 rows of s][PANEL] of `count` samples, x
 * about the centre. The last one is filled up with copies of its last sample at weight 0 and at -z = inf, which no
 * perturbation turns. `scratch`: dx + 3 rows of doubles. margins[u]: a norm of a unit's perturbation (dw, db) below which
 * no sample of the panel can change its sign in unit u, all rounding errors allowed for. */
FM_TARGET static void FM_NAME(fp_pack)(const fp_base *base, const double *X, const double *e, const double *weight,
                                       ptrdiff_t count, double *scratch, double *margins, REAL *FM_RESTRICT pack)
{
    const ptrdiff_t d1 = base->d1, dx = base->dx, stride = (dx + 2 + 3 * d1) * PANEL;
    const double *bias = base->centred_bias;
    double *FM_RESTRICT z = scratch + dx * PANEL, *FM_RESTRICT norms = z + 2 * PANEL;
    const double slack = 1 - FP_SLACK(dx, sizeof(REAL));
    double largest;
    ptrdiff_t i, j, u;
    const REAL plus = (REAL)base->s_plus, below = (REAL)base->s_minus;
    int lane, r, v;
    for (i = 0; i < count; i += PANEL, pack += stride) {
        const int full = count - i < PANEL ? (int)(count - i) : PANEL;
        REAL *weights = pack + dx * PANEL, *errors = weights + PANEL, *minus = errors + PANEL;
        REAL *scaled = minus + d1 * PANEL, *slopes = scaled + d1 * PANEL;
        lane = 0;
#ifdef V_TRANSPOSE4
        for (; lane + 4 <= full; lane += 4) {
            const double *x = X + (i + lane) * dx;
            for (j = 0; j + 4 <= dx; j += 4)
                fm_transpose4_f64(x + j, dx, scratch + j * PANEL + lane, PANEL);
            for (; j < dx; j++)
                for (r = 0; r < 4; r++)
                    scratch[j * PANEL + lane + r] = x[r * dx + j];
        }
#endif
        for (; lane < PANEL; lane++) {
            const double *x = X + (i + (lane < full ? lane : full - 1)) * dx;
            for (j = 0; j < dx; j++)
                scratch[j * PANEL + lane] = x[j];
        }
        for (j = 0; base->centre && j < dx; j++)
            for (r = 0; r < PANEL; r++)
                scratch[j * PANEL + r] = scratch[j * PANEL + r] - base->centre[j];
        for (j = 0; j < dx * PANEL; j++)
            pack[j] = (REAL)scratch[j];
        for (lane = 0; lane < PANEL; lane++) {
            const ptrdiff_t sample = i + (lane < full ? lane : full - 1);
            const double omega = lane >= full ? 0 : weight ? weight[sample] : 1;
            weights[lane] = (REAL)omega;
            errors[lane] = lane >= full ? 0 : (REAL)(omega * e[sample]);
        }
        for (lane = 0; lane < PANEL; lane++)
            norms[lane] = 1;
        for (j = 0; j < dx; j++)
            for (lane = 0; lane < PANEL; lane++)
                norms[lane] = norms[lane] + scratch[j * PANEL + lane] * scratch[j * PANEL + lane];
        largest = norms[0];
        for (lane = 1; lane < PANEL; lane++)
            largest = norms[lane] <= largest ? largest : norms[lane];
        largest = sqrt(largest);
        /* nothing is safe where x is infinite in float32 */
        for (lane = 0; lane < PANEL; lane++)
            norms[lane] = norms[lane] < (FM_ITEM == 4 ? 0x1p254 : FM_INFINITY) ? slack / sqrt(norms[lane]) : 0;
        for (u = 0; u < d1; u += 2, minus += 2 * PANEL, scaled += 2 * PANEL, slopes += 2 * PANEL) {
            const int units = d1 - u < 2 ? 1 : 2;
            if (units == 2)
                FM_NAME(fp_preactivations)(2, base->W1 + u * dx, bias + u, dx, scratch, z);
            else
                FM_NAME(fp_preactivations)(1, base->W1 + u * dx, bias + u, dx, scratch, z);
            for (r = 0; r < units; r++) {
                const double doubt = base->doubt[2 * (u + r)] + base->doubt[2 * (u + r) + 1] * largest;
                int near = 0;
                for (lane = 0; lane < PANEL; lane++)
                    near |= !(fabs(z[r * PANEL + lane]) > doubt);
                for (lane = 0; FM_UNLIKELY(near) && lane < full; lane++)
                    if (!(fabs(z[r * PANEL + lane]) > doubt))
                        z[r * PANEL + lane] =
                            fp_exactly(base->W1 + (u + r) * dx, base->b1[u + r], X + (i + lane) * dx, dx);
            }
#if FM_ITEM == 4
            /* what is positive stays so in float32 */
            for (lane = 0; lane < units * PANEL; lane++)
                z[lane] = z[lane] > 0 && z[lane] < FP_TINY ? FP_TINY : z[lane];
#endif
            /* 0 - z and not -z: a zero must come out positive */
            for (lane = 0; lane < units * PANEL; lane++)
                minus[lane] = 0 - (REAL)z[lane];
            for (lane = 0; lane < units * PANEL; lane++)
                slopes[lane] = minus[lane] < 0 ? plus : below;
            for (lane = 0; lane < units * PANEL; lane++)
                scaled[lane] = slopes[lane] * (0 - minus[lane]);
            for (r = 0; r < units; r++) {
                double least[LANES];
                for (lane = 0; lane < LANES; lane++)
                    least[lane] = FM_INFINITY;
                for (v = 0; v < 3; v++)
                    for (lane = 0; lane < LANES; lane++) {
                        double own = fabs((double)minus[r * PANEL + v * LANES + lane]) * norms[v * LANES + lane];
                        /* no norm is below 0: a NaN is always watched, and a z that overflowed, as its dz may */
                        own = own >= 0 && own < FM_INFINITY ? own : 0;
                        least[lane] = own < least[lane] ? own : least[lane];
                    }
                for (lane = 1; lane < LANES; lane++)
                    least[0] = least[lane] < least[0] ? least[lane] : least[0];
                *margins++ = least[0];
            }
            for (r = 0; r < units; r++)
                for (lane = full; lane < PANEL; lane++) {
                    minus[r * PANEL + lane] = (REAL)FM_INFINITY;
                    scaled[r * PANEL + lane] = 0;
                    slopes[r * PANEL + lane] = 0;
                }
        }
    }
}

#undef FP_SIDE
#undef FP_SIDES
#undef FP_UNALIGNED
#undef FP_SPREAD
