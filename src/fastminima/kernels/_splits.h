/* The hot loops of the sorted partial-sum search; the design stands at the head of _splits.pyx.

   Everything here is single threaded, allocates nothing and keeps no state: the caller owns all buffers.
   Plain C99 without wider vectors than the baseline: the partial sums are one chain of additions and the
   scatters are bound by memory, so there is nothing a run-time dispatch would gain. */
#ifndef FASTMINIMA_SPLITS_H
#define FASTMINIMA_SPLITS_H

#include "_splits_buckets.h"
#include "_splits_exact.h"
#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* ---------------------------------------------------------------- partial sums ------------------------- */

typedef struct {
    double hi, lo, errors;   /* the sum is hi + lo; errors = sum of |e| over every rounding error e put into lo */
} fm_sum;

/* TwoSum (Knuth): s + e = hi + x exactly. Chains of one addition each: hi, lo and errors run side by side. */
static inline void fm_sum_add(fm_sum *s, double x)
{
    const double t = s->hi + x, b = t - s->hi;
    const double e = (s->hi - (t - b)) + (x - b);
    s->hi = t;
    s->lo += e;
    s->errors += fabs(e);
}

static inline void fm_total(const fm_rec *a, ptrdiff_t n, double *out)
{
    fm_sum s = {0.0, 0.0, 0.0};
    for (ptrdiff_t i = 0; i < n; i++)
        fm_sum_add(&s, a[i].value);
    out[0] = s.hi;
    out[1] = s.lo;
    out[2] = s.errors;
}

/* Totals of buckets to sums before each bucket: the same serial order for any number of workers. */
static inline void fm_prefix(const double *totals, ptrdiff_t n, double *out)
{
    for (ptrdiff_t b = 0; b < n; b++) {
        fm_sum s = {out[3 * b], out[3 * b + 1] + totals[3 * b + 1], out[3 * b + 2] + totals[3 * b + 2]};
        fm_sum_add(&s, totals[3 * b]);
        out[3 * b + 3] = s.hi;
        out[3 * b + 4] = s.lo;
        out[3 * b + 5] = s.errors;
    }
}

typedef struct {
    double eps_gap, base, rate, growth, slope, half_mass, reach;
} fm_rule;

typedef struct {
    double drop, sum;
    int64_t position, certified, undecided;
} fm_best;

/* Verdict on one position: 1 certified in J, 2 undecided, 0 certified out. */
static inline int fm_verdict(double gap, double eps_gap, double size, double limit)
{
    if (!(gap > eps_gap))
        return eps_gap > 0.0 ? 2 : 0;
    return size > limit ? 1 : limit > 0.0 ? 2 : 0;
}

/* One bucket of the sweep, positions [first, last); the record after the last one must be sorted already.
   Short blocks, three loops each: the chain of sums, what it allows to be computed side by side (for the compiler
   to vectorise), and only where some sum is near its bound, a verdict position by position. */
static inline void fm_sweep(const fm_rec *a, ptrdiff_t first, ptrdiff_t last, const double *before,
                            const fm_rule *rule, fm_best *best, uint8_t *status)
{
    const double eps_gap = rule->eps_gap, base = rule->base, rate = rule->rate, growth = rule->growth;
    const double slope = rule->slope, half_mass = rule->half_mass, reach = rule->reach;
    double sum[FM_BLOCK], errors[FM_BLOCK], gap[FM_BLOCK], drop[FM_BLOCK];
    fm_sum s = {before[0], before[1], before[2]};
    for (; first < last; first += FM_BLOCK) {
        const fm_rec *r = a + first;
        const ptrdiff_t n = last - first < FM_BLOCK ? last - first : FM_BLOCK;
        double least = INFINITY, top[4] = {-1.0, -1.0, -1.0, -1.0};
        int64_t open = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            fm_sum_add(&s, r[i].value);
            const double x = s.hi + s.lo, size = fabs(x);
            sum[i] = x;
            errors[i] = s.errors;
            gap[i] = r[i + 1].key - r[i].key;
            open += gap[i] > eps_gap;
            least = size < least ? size : least;
        }
        /* the limit never falls along the block: above its last value every sum is certain */
        const int clear = least > growth * s.errors + (base + rate * (double)(first + n));
        for (ptrdiff_t i = 0; i < n; i++) {
            const double size = fabs(sum[i]), free = slope * size, wall = reach * gap[i];
            const double u = free < wall ? free : wall, gain = u * (2.0 * size - half_mass * u);
            drop[i] = gap[i] > eps_gap ? gain : -1.0;
        }
        if (clear && !status && (open == n || !(eps_gap > 0.0))) {
            best->certified += open;
        } else {
            for (ptrdiff_t i = 0; i < n; i++) {
                const double limit = growth * errors[i] + (base + rate * (double)(first + i + 1));
                const int verdict = fm_verdict(gap[i], eps_gap, fabs(sum[i]), limit);
                best->certified += verdict == 1;
                best->undecided += verdict == 2;
                drop[i] = verdict == 1 ? drop[i] : -1.0;
                if (status)
                    status[first + i] = (uint8_t)verdict;
            }
        }
        for (ptrdiff_t i = n; i % 4; i++)
            drop[i] = -1.0;
        for (ptrdiff_t i = 0; i < n; i += 4)
            for (int k = 0; k < 4; k++)
                top[k] = drop[i + k] > top[k] ? drop[i + k] : top[k];
        for (int k = 1; k < 4; k++)
            top[0] = top[k] > top[0] ? top[k] : top[0];
        if (top[0] > best->drop) {
            ptrdiff_t i = 0;
            while (drop[i] != top[0])
                i++;
            best->drop = top[0];
            best->sum = sum[i];
            best->position = first + i;
        }
    }
}

/* ---------------------------------------------------------------- weights ------------------------------ */

/* out[0] += sum of |x y - fl(x y)| over the samples where TwoProduct is exact (Dekker's splitting, no fma on the
   baseline); out[1] += number of samples too small for that, each off by at most 2^-1072. */
static inline void fm_product_errors(const double *value, const double *weight, ptrdiff_t n, double value_scale,
                                     double weight_scale, double *out)
{
    const double split = 134217729.0, small = 0x1p-400;
    double sum = 0.0, lost = 0.0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double x = value[i] * value_scale, y = weight[i] * weight_scale, p = x * y;
        const double cx = split * x, xh = cx - (cx - x), xl = x - xh;
        const double cy = split * y, yh = cy - (cy - y), yl = y - yh;
        const double e = xl * yl - (((p - xh * yh) - xl * yh) - xh * yl);
        const int tiny = (value[i] != 0.0) & ((fabs(x) < small) | (y < small));
        sum += tiny ? 0.0 : fabs(e);
        lost += tiny;
    }
    out[0] += sum;
    out[1] += lost;
}

#endif
