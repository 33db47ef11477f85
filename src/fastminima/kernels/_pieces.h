/* Least risks of functions of one input that are affine on pieces, bounded from below. The design stands at the head of
 * _pieces.pyx. */
#ifndef FASTMINIMA_PIECES_H
#define FASTMINIMA_PIECES_H

#include "_simd.h"

#define FP_U2 0x1p-106   /* square of the unit roundoff */
#define FP_DOWN (1.0 - 0x1p-50)
#define FP_SOUND 0x1p20  /* a sum of squares below so many of its own error bounds says nothing */

/* ---- double-double arithmetic of numbers at most about 1 in size */

typedef struct {
    double hi, lo;
} fp_dd;

FM_INLINE fp_dd fp_two_sum(double a, double b)
{
    fp_dd sum;
    sum.hi = fm_two_sum(a, b, &sum.lo);
    return sum;
}

FM_INLINE fp_dd fp_quick_sum(double a, double b)
{
    const double s = a + b;
    return (fp_dd){s, b - (s - a)};
}

/* relative errors: 3, 7 and 15 squared roundoffs (Joldes, Muller and Popescu 2017) */
FM_INLINE fp_dd fp_add(fp_dd a, fp_dd b)
{
    fp_dd s = fp_two_sum(a.hi, b.hi), t = fp_two_sum(a.lo, b.lo);
    s = fp_quick_sum(s.hi, s.lo + t.hi);
    return fp_quick_sum(s.hi, s.lo + t.lo);
}

FM_INLINE fp_dd fp_sub(fp_dd a, fp_dd b)
{
    return fp_add(a, (fp_dd){-b.hi, -b.lo});
}

FM_INLINE fp_dd fp_mul(fp_dd a, fp_dd b)
{
    const double p = a.hi * b.hi;
    return fp_quick_sum(p, fm_error(a.hi, b.hi, p) + (a.hi * b.lo + a.lo * b.hi));
}

FM_INLINE fp_dd fp_div(fp_dd a, fp_dd b)
{
    const double q = a.hi / b.hi;
    const fp_dd r = fp_sub(a, fp_mul(b, (fp_dd){q, 0.0}));
    return fp_quick_sum(q, r.hi / b.hi);
}

/* ---- the affine fit of the points i..j, from running sums */

typedef struct {
    double cost;              /* a lower bound of its risk */
    double mean_t, mean_r, slope, weight, square;
    double e;                 /* error bound of the sums */
    int sound;                /* whether the five numbers above are good enough to bound the line */
} fp_fit;

/* sums[6 (n + 1)]: w, w t, w t^2, w r, w r t, w r^2 up to each point */
static void fp_running_sums(const double *t_hi, const double *t_lo, const double *w, const double *r, ptrdiff_t n,
                            fp_dd *sums)
{
    memset(sums, 0, 6 * sizeof *sums);
    for (ptrdiff_t i = 0; i < n; i++) {
        const fp_dd t = {t_hi[i], t_lo[i]}, one = {w[i], 0.0}, y = {r[i], 0.0};
        const fp_dd wt = fp_mul(one, t), wr = fp_mul(one, y);
        const fp_dd terms[6] = {one, wt, fp_mul(wt, t), wr, fp_mul(wr, t), fp_mul(wr, y)};
        for (int c = 0; c < 6; c++)
            sums[6 * (i + 1) + c] = fp_add(sums[6 * i + c], terms[c]);
    }
}

FM_INLINE double fp_error(const fp_dd *sums, ptrdiff_t n)
{
    return (32.0 + 7.0 * (double)n) * FP_U2 * sums[6 * n].hi;
}

static inline fp_fit fp_fitted(const fp_dd *sums, ptrdiff_t i, ptrdiff_t j, double e, const double *r, const double *t_hi)
{
    fp_fit fit = {0.0, t_hi[i], r[i], 0.0, 0.0, 0.0, e, 0};
    fp_dd s[6];
    for (int c = 0; c < 6; c++)
        s[c] = fp_sub(sums[6 * (j + 1) + c], sums[6 * i + c]);
    fit.weight = s[0].hi;
    if (i == j || !(s[0].hi >= FP_SOUND * e))
        return fit;
    const fp_dd mt = fp_div(s[1], s[0]), mr = fp_div(s[3], s[0]);
    const fp_dd tt = fp_sub(s[2], fp_mul(s[1], mt)), tr = fp_sub(s[4], fp_mul(s[3], mt));
    if (!(tt.hi >= FP_SOUND * e))
        return fit;
    const fp_dd rr = fp_sub(s[5], fp_mul(s[3], mr)), slope = fp_div(tr, tt);
    const double size = 1.0 + fabs(slope.hi);
    fit.mean_t = mt.hi, fit.mean_r = mr.hi, fit.slope = slope.hi, fit.square = tt.hi, fit.sound = 1;
    if (j - i > 1) {
        const double twice = fp_sub(rr, fp_mul(tr, slope)).hi - 6.1 * e * size * size;
        fit.cost = twice > 0.0 ? 0.5 * twice * FP_DOWN : 0.0;
    }
    return fit;
}

/* value of the line at a point, a bound of its error, and an upper bound of the leverage there */
static inline void fp_at(const fp_fit *fit, double t, double *value, double *error, double *leverage)
{
    if (!fit->sound) {
        *value = 0.0, *error = INFINITY, *leverage = INFINITY;
        return;
    }
    const double d = t - fit->mean_t, rise = fit->slope * d, size = 1.0 + fabs(fit->slope), e = fit->e;
    *value = fit->mean_r + rise;
    *error = 0x1p-50 * (fabs(fit->mean_r) + fabs(rise)) + 0x1p-51 * (1.0 + fabs(fit->mean_t)) * size
             + 3.3 * e * size / fit->weight + 5.4 * e * size * fabs(d) / fit->square;
    const double wide = fabs(d) + 4.0 * e / fit->weight + 0x1p-51;
    *leverage = (1.0 / fit->weight + wide * wide / fit->square)
                * (1.0 + 4.0 * e / fit->weight + 8.0 * e / fit->square + 0x1p-45);
}

/* ---- independent pieces: best[p (n + 1) + j] = least risk of the first j points with p + 1 pieces */

static void fp_independent(const double *t_hi, const double *t_lo, const double *w, const double *r, ptrdiff_t n,
                           ptrdiff_t pieces, double ceiling, fp_dd *sums, double *best)
{
    fp_running_sums(t_hi, t_lo, w, r, n, sums);
    const double e = fp_error(sums, n);
    for (ptrdiff_t p = 0; p < pieces; p++)
        best[p * (n + 1)] = 0.0;
    for (ptrdiff_t j = 1; j <= n; j++) {
        for (ptrdiff_t p = 0; p < pieces; p++)
            best[p * (n + 1) + j] = ceiling;
        for (ptrdiff_t i = j; i >= 1; i--) {
            const double cost = fp_fitted(sums, i - 1, j - 1, e, r, t_hi).cost;
            if (cost >= ceiling)
                break;      /* a longer piece costs no less */
            if (i == 1 && cost < best[j])
                best[j] = cost;
            for (ptrdiff_t p = 1; p < pieces; p++) {
                const double sum = (best[(p - 1) * (n + 1) + i - 1] + cost) * FP_DOWN;
                double *to = &best[p * (n + 1) + j];
                *to = sum < *to ? sum : *to;
            }
        }
        for (ptrdiff_t p = 1; p < pieces; p++) {    /* at most p + 1 pieces */
            const double fewer = best[(p - 1) * (n + 1) + j];
            double *to = &best[p * (n + 1) + j];
            *to = fewer < *to ? fewer : *to;
        }
    }
}

/* ---- pieces joined at kinks */

#define V_NAME(f) f##_plain
#define V_TARGET
#include "_pieces_tile.h"

#ifdef FM_HAVE_VECTOR16
#define V_NAME(f) f##_v16
#define V_TARGET
#include "_pieces_tile.h"
#endif

#ifdef FM_HAVE_X86
#define V_NAME(f) f##_avx2
#define V_TARGET __attribute__((target("avx2")))
#include "_pieces_tile.h"
#define V_NAME(f) f##_avx512
#define V_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#include "_pieces_tile.h"
#endif

static void fp_joined(int variant, const double *t_hi, const double *t_lo, const double *w, const double *r, ptrdiff_t n,
                      ptrdiff_t kinks, double ceiling, fp_dd *sums, double *gaps, double *risks, double *work, double *best)
{
#define CALL(v) fp_joined_##v(t_hi, t_lo, w, r, n, kinks, ceiling, sums, gaps, risks, work, best)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

#endif
