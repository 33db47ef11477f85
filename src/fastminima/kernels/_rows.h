/* One pass over rows: panels of 8, one row a lane, and the choice of instructions at run time.
 *
 * No lane looks at another, so with two, four or eight lanes in a vector every lane does the same arithmetic: one result
 * for all variants. The body is plain C in loops over 8 lanes, which compilers turn into vectors of any width.
 */
#ifndef FASTMINIMA_ROWS_H
#define FASTMINIMA_ROWS_H

#include <math.h>
#include <stddef.h>

#include "_targets.h"

#define FR_PANEL 8
/* numbers that `fr_evaluate` and `fr_moments` leave beside the sums of each column */
#define FR_TOTALS 5

#if defined(_MSC_VER) && !defined(__clang__)
#define FR_INLINE static __forceinline
#define FR_RESTRICT __restrict
#else
#define FR_INLINE static inline __attribute__((always_inline))
#define FR_RESTRICT restrict
#endif

#define FR_LANES for (int l = 0; l < FR_PANEL; l++)

FR_INLINE double fr_sum(const double *x)
{
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

/* work: 2 n panels, and one for each of the c lines */
FR_INLINE void fr_evaluate_body(const double *FR_RESTRICT X, ptrdiff_t step, ptrdiff_t m, ptrdiff_t n,
                                const double *FR_RESTRICT y, ptrdiff_t y_step, const double *FR_RESTRICT w,
                                ptrdiff_t w_step, const double *FR_RESTRICT centre, double centre_y,
                                const double *FR_RESTRICT slopes, double level, const double *FR_RESTRICT lines,
                                ptrdiff_t c, double *FR_RESTRICT work, double *FR_RESTRICT values,
                                double *FR_RESTRICT residual, double *FR_RESTRICT norm, double *FR_RESTRICT gradient,
                                double *FR_RESTRICT totals, double *FR_RESTRICT lowest)
{
    double *FR_RESTRICT held = work, *FR_RESTRICT sums = work + n * FR_PANEL, *FR_RESTRICT least = sums + n * FR_PANEL;
    double first[FR_PANEL], squared[FR_PANEL], absolute[FR_PANEL], low[FR_PANEL], high[FR_PANEL], large[FR_PANEL];
    FR_LANES
    {
        first[l] = squared[l] = absolute[l] = large[l] = 0.0;
        low[l] = HUGE_VAL;
        high[l] = -HUGE_VAL;
    }
    for (ptrdiff_t j = 0; j < n * FR_PANEL; j++)
        sums[j] = 0.0;
    for (ptrdiff_t j = 0; j < c * FR_PANEL; j++)
        least[j] = HUGE_VAL;
    for (ptrdiff_t i = 0; i < m; i += FR_PANEL) {
        const ptrdiff_t valid = m - i < FR_PANEL ? m - i : FR_PANEL;
        /* lanes beyond the last row repeat it with weight 0 */
        const double *at[FR_PANEL];
        double t[FR_PANEL], q[FR_PANEL], x[FR_PANEL], r[FR_PANEL], g[FR_PANEL], live[FR_PANEL];
        FR_LANES
        {
            const ptrdiff_t row = i + (l < valid ? l : valid - 1);
            at[l] = X + row * step;
            r[l] = y[row * y_step] - centre_y;
            live[l] = l < valid ? (w ? w[row * w_step] : 1.0) : 0.0;
            t[l] = level;
            q[l] = 1.0;
        }
        for (ptrdiff_t j = 0; j < n; j++) {
            const double c = centre[j], s = slopes[j];
            double *FR_RESTRICT own = held + j * FR_PANEL;
            FR_LANES x[l] = at[l][j];
            FR_LANES
            {
                q[l] += x[l] * x[l];
                x[l] -= c;
                t[l] += x[l] * s;
                own[l] = x[l];
            }
        }
        FR_LANES
        {
            r[l] = t[l] - r[l];
            g[l] = live[l] * r[l];
            q[l] = sqrt(q[l]);
            first[l] += g[l];
            squared[l] += g[l] * r[l];
            absolute[l] += fabs(g[l]);
            low[l] = t[l] < low[l] ? t[l] : low[l];
            high[l] = t[l] > high[l] ? t[l] : high[l];
            large[l] = fabs(r[l]) > large[l] ? fabs(r[l]) : large[l];
        }
        for (ptrdiff_t j = 0; j < n; j++) {
            double *FR_RESTRICT own = held + j * FR_PANEL, *FR_RESTRICT sum = sums + j * FR_PANEL;
            FR_LANES sum[l] += own[l] * g[l];
        }
        for (ptrdiff_t j = 0; j < c; j++) {
            const double a = lines[2 * j], b = lines[2 * j + 1];
            double *FR_RESTRICT own = least + j * FR_PANEL;
            FR_LANES
            {
                const double v = a * t[l] + b * q[l];
                own[l] = v < own[l] ? v : own[l];
            }
        }
        if (valid == FR_PANEL) {
            FR_LANES
            {
                values[i + l] = t[l];
                residual[i + l] = r[l];
                norm[i + l] = q[l];
            }
        } else {
            for (ptrdiff_t l = 0; l < valid; l++) {
                values[i + l] = t[l];
                residual[i + l] = r[l];
                norm[i + l] = q[l];
            }
        }
    }
    gradient[0] = fr_sum(first);
    for (ptrdiff_t j = 0; j < n; j++)
        gradient[j + 1] = fr_sum(sums + j * FR_PANEL);
    totals[0] = fr_sum(squared);
    totals[1] = fr_sum(absolute);
    totals[2] = low[0];
    totals[3] = high[0];
    totals[4] = large[0];
    for (int l = 1; l < FR_PANEL; l++) {
        totals[2] = low[l] < totals[2] ? low[l] : totals[2];
        totals[3] = high[l] > totals[3] ? high[l] : totals[3];
        totals[4] = large[l] > totals[4] ? large[l] : totals[4];
    }
    for (ptrdiff_t j = 0; j < c; j++) {
        const double *FR_RESTRICT own = least + j * FR_PANEL;
        lowest[j] = own[0];
        for (int l = 1; l < FR_PANEL; l++)
            lowest[j] = own[l] < lowest[j] ? own[l] : lowest[j];
    }
}

/* work: 2 (n + 2) panels held, n + 2 of maxima, (n + 2)(n + 3)/2 of products. Two panels a turn: the partial sums of the
 * products, which are most of what is read and written, then move half as often. */
FR_INLINE void fr_moments_body(const double *FR_RESTRICT X, ptrdiff_t step, ptrdiff_t m, ptrdiff_t n,
                               const double *FR_RESTRICT y, ptrdiff_t y_step, const double *FR_RESTRICT w,
                               ptrdiff_t w_step, const double *FR_RESTRICT centre, double centre_y,
                               double *FR_RESTRICT work, double *FR_RESTRICT products, double *FR_RESTRICT largest)
{
    /* columns 1, x, y */
    const ptrdiff_t k = n + 2;
    double *FR_RESTRICT held = work, *FR_RESTRICT large = held + 2 * k * FR_PANEL;
    double *FR_RESTRICT sums = large + k * FR_PANEL;
    for (ptrdiff_t j = 0; j < (k + k * (k + 1) / 2) * FR_PANEL; j++)
        large[j] = 0.0;
    for (ptrdiff_t i = 0; i < m; i += 2 * FR_PANEL) {
        const double *at[2 * FR_PANEL];
        double live[2 * FR_PANEL];
        for (int l = 0; l < 2 * FR_PANEL; l++) {
            /* lanes beyond the last row repeat it with weight 0 */
            const ptrdiff_t row = i + l < m ? i + l : m - 1;
            at[l] = X + row * step;
            held[l] = 1.0;
            held[2 * (k - 1) * FR_PANEL + l] = y[row * y_step] - centre_y;
            live[l] = i + l < m ? (w ? w[row * w_step] : 1.0) : 0.0;
        }
        for (ptrdiff_t j = 0; j < n; j++) {
            double *FR_RESTRICT own = held + 2 * (j + 1) * FR_PANEL;
            for (int l = 0; l < 2 * FR_PANEL; l++)
                own[l] = at[l][j];
            for (int l = 0; l < 2 * FR_PANEL; l++)
                own[l] -= centre[j];
        }
        double *FR_RESTRICT to = sums;
        for (ptrdiff_t a = 0; a < k; a++) {
            const double *FR_RESTRICT own = held + 2 * a * FR_PANEL;
            double *FR_RESTRICT most = large + a * FR_PANEL;
            double first[FR_PANEL], second[FR_PANEL];
            FR_LANES
            {
                first[l] = live[l] * own[l];
                second[l] = live[FR_PANEL + l] * own[FR_PANEL + l];
                most[l] = fabs(own[l]) > most[l] ? fabs(own[l]) : most[l];
                most[l] = fabs(own[FR_PANEL + l]) > most[l] ? fabs(own[FR_PANEL + l]) : most[l];
            }
            for (ptrdiff_t b = a; b < k; b++, to += FR_PANEL) {
                const double *FR_RESTRICT other = held + 2 * b * FR_PANEL;
                FR_LANES to[l] += first[l] * other[l] + second[l] * other[FR_PANEL + l];
            }
        }
    }
    for (ptrdiff_t a = 0, p = 0; a < k; a++) {
        largest[a] = large[a * FR_PANEL];
        for (int l = 1; l < FR_PANEL; l++)
            largest[a] = large[a * FR_PANEL + l] > largest[a] ? large[a * FR_PANEL + l] : largest[a];
        for (ptrdiff_t b = a; b < k; b++, p++)
            products[a * k + b] = products[b * k + a] = fr_sum(sums + p * FR_PANEL);
    }
}

#define FR_EVALUATE_ARGUMENTS \
    const double *X, ptrdiff_t step, ptrdiff_t m, ptrdiff_t n, const double *y, ptrdiff_t y_step, const double *w, \
        ptrdiff_t w_step, const double *centre, double centre_y, const double *slopes, double level, \
        const double *lines, ptrdiff_t c, double *work, double *values, double *residual, double *norm, \
        double *gradient, double *totals, double *lowest
#define FR_EVALUATE_NAMES \
    X, step, m, n, y, y_step, w, w_step, centre, centre_y, slopes, level, lines, c, work, values, residual, norm, \
        gradient, totals, lowest
#define FR_MOMENTS_ARGUMENTS \
    const double *X, ptrdiff_t step, ptrdiff_t m, ptrdiff_t n, const double *y, ptrdiff_t y_step, const double *w, \
        ptrdiff_t w_step, const double *centre, double centre_y, double *work, double *products, double *largest
#define FR_MOMENTS_NAMES X, step, m, n, y, y_step, w, w_step, centre, centre_y, work, products, largest

#define FR_VARIANT(suffix, target) \
    target static void fr_evaluate_##suffix(FR_EVALUATE_ARGUMENTS) { fr_evaluate_body(FR_EVALUATE_NAMES); } \
    target static void fr_moments_##suffix(FR_MOMENTS_ARGUMENTS) { fr_moments_body(FR_MOMENTS_NAMES); }

FR_VARIANT(plain, )
#ifdef FT_HAVE_X86
FR_VARIANT(avx2, FT_AVX2)
FR_VARIANT(avx512, FT_AVX512)
#endif

static void fr_evaluate(int variant, FR_EVALUATE_ARGUMENTS)
{
#define CALL(v) fr_evaluate_##v(FR_EVALUATE_NAMES)
    FT_DISPATCH(variant, CALL)
#undef CALL
}

static void fr_moments(int variant, FR_MOMENTS_ARGUMENTS)
{
#define CALL(v) fr_moments_##v(FR_MOMENTS_NAMES)
    FT_DISPATCH(variant, CALL)
#undef CALL
}

#endif
