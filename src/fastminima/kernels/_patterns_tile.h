/* The two loops over rows that gain from wider vectors, which the compiler makes of plain C. Included by _patterns.h.
 * No contraction: all variants give the same bits.
 */

/* z_k = b_k + <w_k, x>, error_k = factor (|b_k| + <|w_k|, |x|>) + tiny_k; 0 and inf where that is not finite.
 * columns holds x_1, ..., x_dx. */
static V_TARGET void V_NAME(fp_preactivations)(const double *columns, ptrdiff_t ld, ptrdiff_t count, ptrdiff_t dx,
                                               const double *W1, const double *b1, ptrdiff_t units, double factor,
                                               const double *tiny, double *z, double *error, ptrdiff_t out_ld)
{
    for (ptrdiff_t begin = 0; begin < count; begin += FP_CHUNK) {
        const ptrdiff_t rows = count - begin < FP_CHUNK ? count - begin : FP_CHUNK;
        for (ptrdiff_t k = 0; k < units; k++) {
            double sum[FP_CHUNK], size[FP_CHUNK];
            double *FM_RESTRICT to = z + k * out_ld + begin, *FM_RESTRICT bound = error + k * out_ld + begin;
            for (ptrdiff_t i = 0; i < rows; i++) {
                sum[i] = b1[k];
                size[i] = fabs(b1[k]);
            }
            for (ptrdiff_t c = 0; c < dx; c++) {
                const double w = W1[k * dx + c], a = fabs(w);
                const double *FM_RESTRICT x = columns + c * ld + begin;
                for (ptrdiff_t i = 0; i < rows; i++) {
                    sum[i] += w * x[i];
                    size[i] += a * fabs(x[i]);
                }
            }
            for (ptrdiff_t i = 0; i < rows; i++) {
                const double e = size[i] * factor + tiny[k];
                /* |z| <= size up to rounding: where the bound is finite, so is z, unless rounding overflowed */
                const int fine = e <= 1.7976931348623157e308 && fabs(sum[i]) <= 1.7976931348623157e308;
                to[i] = fine ? sum[i] : 0.0;
                bound[i] = fine ? e : HUGE_VAL;
            }
        }
    }
}

/* lower <= min_k z_k / |(x, 1)| <= upper; -inf and inf where float64 cannot say. */
static V_TARGET void V_NAME(fp_quotients)(const double *columns, ptrdiff_t ld, ptrdiff_t count, ptrdiff_t dx,
                                          const double *z, const double *error, ptrdiff_t units, ptrdiff_t in_ld,
                                          double slack, double *lower, double *upper)
{
    for (ptrdiff_t begin = 0; begin < count; begin += FP_CHUNK) {
        const ptrdiff_t rows = count - begin < FP_CHUNK ? count - begin : FP_CHUNK;
        double norm[FP_CHUNK], least[FP_CHUNK], most[FP_CHUNK];
        double *FM_RESTRICT below = lower + begin, *FM_RESTRICT above = upper + begin;
        for (ptrdiff_t i = 0; i < rows; i++) {
            norm[i] = 1.0;
            least[i] = most[i] = HUGE_VAL;
        }
        for (ptrdiff_t c = 0; c < dx; c++) {
            const double *FM_RESTRICT x = columns + c * ld + begin;
            for (ptrdiff_t i = 0; i < rows; i++)
                norm[i] += x[i] * x[i];
        }
        for (ptrdiff_t k = 0; k < units; k++) {
            const double *FM_RESTRICT at = z + k * in_ld + begin, *FM_RESTRICT bound = error + k * in_ld + begin;
            for (ptrdiff_t i = 0; i < rows; i++) {
                const double lo = at[i] - bound[i], hi = at[i] + bound[i];
                least[i] = lo < least[i] ? lo : least[i];
                most[i] = hi < most[i] ? hi : most[i];
            }
        }
        for (ptrdiff_t i = 0; i < rows; i++) {
            const double length = sqrt(norm[i]), lo = least[i] / length, hi = most[i] / length;
            const double down = lo - (fabs(lo) * slack + 0x1p-1070), up = hi + (fabs(hi) * slack + 0x1p-1070);
            const int fine = length <= 1.7976931348623157e308 && fabs(down) <= 1.7976931348623157e308
                             && fabs(up) <= 1.7976931348623157e308;
            below[i] = fine ? down : -HUGE_VAL;
            above[i] = fine ? up : HUGE_VAL;
        }
    }
}

#undef V_NAME
#undef V_TARGET
