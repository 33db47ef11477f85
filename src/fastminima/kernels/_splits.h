/* The hot loops of the sorted partial-sum search; the design stands at the head of _splits.pyx.

   Everything here is single threaded, allocates nothing and keeps no state: the caller owns all buffers. */
#ifndef FASTMINIMA_SPLITS_H
#define FASTMINIMA_SPLITS_H

#include "_splits_exact.h"
#include "_splits_sort.h"
#include "_vectors.h"

enum {
    FM_LANES = 8,                           /* stretches of a bucket that are summed side by side */
    FM_STEPS = 32,                          /* steps of all of them between two looks at their bounds */
    FM_PARTS = 3 * (FM_LANES + 2)           /* numbers that fm_total writes */
};

/* ---------------------------------------------------------------- partial sums ------------------------- */

typedef struct {
    double hi, lo, errors;   /* the sum is hi + lo; errors = sum of |e| over every rounding error e put into lo */
} fm_sum;

/* TwoSum (Knuth): s + e = hi + x exactly. Chains of one addition each: hi, lo and errors run side by side. */
static inline void fm_sum_add(fm_sum *s, double x)
{
    double e;
    s->hi = fm_two_sum(s->hi, x, &e);
    s->lo += e;
    s->errors += fabs(e);
}

static inline fm_sum fm_sum_join(fm_sum a, fm_sum b)
{
    fm_sum s = {a.hi, a.lo + b.lo, a.errors + b.errors};
    fm_sum_add(&s, b.hi);
    return s;
}

static inline fm_sum fm_sum_read(const double *from)
{
    const fm_sum s = {from[0], from[1], from[2]};
    return s;
}

static inline void fm_sum_write(const fm_sum *s, double *out)
{
    out[0] = s->hi;
    out[1] = s->lo;
    out[2] = s->errors;
}

/* Totals of buckets to sums before each bucket: the same serial order for any number of workers. */
static inline void fm_prefix(const double *totals, ptrdiff_t n, double *out)
{
    for (ptrdiff_t b = 0; b < n; b++) {
        const double *total = totals + FM_PARTS * b + 3 * (FM_LANES + 1);
        const fm_sum s = fm_sum_join(fm_sum_read(out + 3 * b), fm_sum_read(total));
        fm_sum_write(&s, out + 3 * b + 3);
    }
}

/* Records in each of the eight stretches of a bucket of n: its last record is in none, so that each has a next one. */
static inline ptrdiff_t fm_stretch(ptrdiff_t n)
{
    return n > 0 ? (n - 1) / FM_LANES : 0;
}

/* ---------------------------------------------------------------- verdicts ----------------------------- */

typedef struct {
    double eps_gap, base, rate, growth, slope, half_mass, reach;
} fm_rule;

typedef struct {
    double drop, sum;
    int64_t position, certified, undecided;
} fm_best;

/* Some steps of all lanes: number 8 j + l is lane l at step j. */
typedef struct {
    double sum[FM_STEPS * FM_LANES], errors[FM_STEPS * FM_LANES], gap[FM_STEPS * FM_LANES], drop[FM_STEPS * FM_LANES];
    double least[FM_LANES], top[FM_LANES], open[FM_LANES];  /* of each lane, over its gaps that are open */
} fm_block;

/* Verdict on one position: 1 certified in J, 2 undecided, 0 certified out. */
static inline int fm_verdict(double gap, double eps_gap, double size, double limit)
{
    if (!(gap > eps_gap))
        return eps_gap > 0.0 ? 2 : 0;
    return size > limit ? 1 : limit > 0.0 ? 2 : 0;
}

/* The certified position with the largest drop, of equal ones the first. */
static inline void fm_offer(fm_best *best, double drop, double sum, ptrdiff_t position)
{
    if (drop > best->drop || (drop == best->drop && position < best->position)) {
        best->drop = drop;
        best->sum = sum;
        best->position = position;
    }
}

static inline double fm_limit(const fm_rule *rule, double errors, ptrdiff_t position)
{
    return rule->growth * errors + (rule->base + rule->rate * (double)(position + 1));
}

static inline void fm_judge(const fm_rule *rule, double gap, double sum, double errors, double drop,
                            ptrdiff_t position, fm_best *best, uint8_t *status)
{
    const int verdict = fm_verdict(gap, rule->eps_gap, fabs(sum), fm_limit(rule, errors, position));
    best->certified += verdict == 1;
    best->undecided += verdict == 2;
    if (verdict == 1)
        fm_offer(best, drop, sum, position);
    if (status)
        status[position] = (uint8_t)verdict;
}

/* `first` is the position of lane 0 at the first step. */
static inline void fm_settle(const fm_block *block, ptrdiff_t first, ptrdiff_t steps, ptrdiff_t stretch,
                             const fm_rule *rule, fm_best *best, uint8_t *status)
{
    const ptrdiff_t size = FM_LANES * steps;
    double least = block->least[0], top = block->top[0], open = block->open[0], errors = 0.0;
    for (int l = 1; l < FM_LANES; l++) {
        least = block->least[l] < least ? block->least[l] : least;
        top = block->top[l] > top ? block->top[l] : top;
        open += block->open[l];
    }
    for (int l = 0; l < FM_LANES; l++)
        errors = block->errors[size - 1 - l] > errors ? block->errors[size - 1 - l] : errors;
    /* a limit never falls along a lane, nor with the position: above the largest every sum is certain */
    const int clear = least > fm_limit(rule, errors, first + (FM_LANES - 1) * stretch + steps - 1);
    if (clear && !status && (open == (double)size || !(rule->eps_gap > 0.0))) {
        best->certified += (int64_t)open;
        if (top >= 0.0 && top >= best->drop)
            for (ptrdiff_t k = 0; k < size; k++)
                if (block->drop[k] == top)
                    fm_offer(best, top, block->sum[k], first + k % FM_LANES * stretch + k / FM_LANES);
        return;
    }
    for (ptrdiff_t k = 0; k < size; k++)
        fm_judge(rule, block->gap[k], block->sum[k], block->errors[k], block->drop[k],
                 first + k % FM_LANES * stretch + k / FM_LANES, best, status);
}

/* The records of a bucket that no stretch holds, positions `from` to n of it, one by one. */
static inline void fm_sweep_end(const fm_rec *a, ptrdiff_t first, ptrdiff_t from, ptrdiff_t n, fm_sum start,
                                const double *parts, const fm_rule *rule, fm_best *best, uint8_t *status)
{
    fm_sum s = fm_sum_join(start, fm_sum_read(parts + 3 * FM_LANES));
    for (ptrdiff_t i = from; i < n; i++) {
        fm_sum_add(&s, a[i].value);
        const double sum = s.hi + s.lo, size = fabs(sum), gap = a[i + 1].key - a[i].key;
        const double free = rule->slope * size, wall = rule->reach * gap, u = wall < free ? wall : free;
        fm_judge(rule, gap, sum, s.errors, u * (2.0 * size - rule->half_mass * u), first + i, best, status);
    }
}

/* ---------------------------------------------------------------- every variant ------------------------ */

#define FM_FLOAT64_ONLY
#define FM_BODY "_splits_tile.h"
#include "_each.h"

/* `depth` is the first map to try, 0 for keys spread evenly and 1 for those spread over exponents. */
static inline void fm_sort_bucket(int variant, fm_rec *a, ptrdiff_t n, fm_rec *tmp, ptrdiff_t room, uint32_t *cells,
                                  int depth)
{
    ptrdiff_t i = 1;
    if (n <= FM_INSERT) {
        fm_insert(a, a, n);
        return;
    }
    while (i < n && a[i - 1].key <= a[i].key)
        i++;
    if (i == n)
        return;
    if (n > room) {
        int budget = 4;
        for (ptrdiff_t k = n; k > 1; k /= 2)
            budget += 2;
        fm_sort_large(a, n, tmp, room, cells, budget);
        return;
    }
#ifdef FM_HAVE_X86
    if (variant > 1 && n >= FM_FEW && n <= FM_MANY)
        for (int k = 0; k < 2; k++)
            if (variant == 2 ? fm_sort_cells_avx2_f64(a, n, tmp, cells, (depth ^ k) & 1)
                             : fm_sort_cells_avx512_f64(a, n, tmp, cells, (depth ^ k) & 1))
                return;
#else
    (void)variant;
#endif
    fm_sort_small(a, n, tmp, cells, depth);
}

static inline void fm_cells(int variant, const double *key, ptrdiff_t n, const fm_map *map, int32_t *at)
{
#ifdef FM_HAVE_X86
    if (variant == 3) {
        fm_cells_avx512_f64(key, n, map, at);
        return;
    }
    if (variant == 2) {
        fm_cells_avx2_f64(key, n, map, at);
        return;
    }
#else
    (void)variant;
#endif
    fm_cells_plain_f64(key, n, map, at);
}

/* Buckets of all keys, added up; returns the bits of the largest magnitude. */
static inline uint64_t fm_count(int variant, const double *key, ptrdiff_t n, const fm_map *map, uint16_t *id,
                                int64_t *counts)
{
    int32_t at[FM_BLOCK];
    uint64_t largest = 0;
    for (ptrdiff_t i = 0; i < n; i += FM_BLOCK) {
        const ptrdiff_t size = n - i < FM_BLOCK ? n - i : FM_BLOCK;
        if (map->levels)
            fm_descend(key + i, size, map->tree, map->levels, at);
        else
            fm_cells(variant, key + i, size, map, at);
        for (ptrdiff_t j = 0; j < size; j++) {
            const uint64_t bits = fm_magnitude_bits(key[i + j]);
            largest = bits > largest ? bits : largest;
        }
        for (ptrdiff_t j = 0; j < size; j++) {
            const uint16_t bucket = map->levels ? (uint16_t)at[j] : map->table[at[j]];
            id[i + j] = bucket;
            counts[bucket]++;
        }
    }
    return largest;
}

/* Buckets first..last-1 of `a` sorted, and their sums. */
static inline void fm_sort_buckets(int variant, fm_rec *a, const int64_t *starts, ptrdiff_t first, ptrdiff_t last,
                                   fm_rec *tmp, ptrdiff_t room, uint32_t *cells, int depth, double *totals)
{
    for (ptrdiff_t b = first; b < last; b++) {
        const ptrdiff_t n = starts[b + 1] - starts[b];
        fm_sort_bucket(variant, a + starts[b], n, tmp, room, cells, depth);
#define FM_CALL(name) fm_total_##name##_f64(a + starts[b], n, totals + FM_PARTS * b)
        FM_DISPATCH(variant, FM_CALL)
#undef FM_CALL
    }
}

static inline void fm_sweep_buckets(int variant, const fm_rec *a, ptrdiff_t m, const int64_t *starts, ptrdiff_t first,
                                    ptrdiff_t last, const double *before, const double *totals, const fm_rule *rule,
                                    fm_best *best, uint8_t *status)
{
    for (ptrdiff_t b = first; b < last; b++) {
        const ptrdiff_t from = starts[b], size = starts[b + 1] - from;
        const ptrdiff_t n = starts[b + 1] < m ? size : m - 1 - from;    /* the last of all records is no position */
        if (n <= 0)
            continue;
#define FM_CALL(name) \
    fm_sweep_##name##_f64(a + from, from, n, size, before + 3 * b, totals + FM_PARTS * b, rule, best, status)
        FM_DISPATCH(variant, FM_CALL)
#undef FM_CALL
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
