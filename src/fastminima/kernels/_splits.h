/* The hot loops of the sorted partial-sum search; the design stands at the head of _splits.pyx.

   Everything here is single threaded, allocates nothing and keeps no state: the caller owns all buffers.
   Plain C99 without wider vectors than the baseline: the partial sums are one chain of additions and the
   scatters are bound by memory, so there is nothing a run-time dispatch would gain. */
#ifndef FASTMINIMA_SPLITS_H
#define FASTMINIMA_SPLITS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    double key, value;
} fm_rec;

enum {
    FM_BLOCK = 256,     /* keys classified at a time: their cells stay in L1 */
    FM_INSERT = 24,     /* below this an insertion sort needs no set-up */
    FM_HEAVY = 32,      /* a cell with more records is sorted on its own, so that the last pass stays linear */
    FM_SPREAD = 2,      /* cells a record: fewer neighbours to compare with, at the price of clearing more counters */
    FM_DEPTH = 4        /* maps in a row before the order is found by comparison alone */
};

/* ---------------------------------------------------------------- level 1: which bucket ---------------- */

/* Bits of |x| as an integer: ordered like |x|, infinities and NaN on top. */
static inline uint64_t fm_magnitude_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits & UINT64_C(0x7fffffffffffffff);
}

/* Every step is monotone in x under round-to-nearest, so cells are ordered like keys. The comparisons are
   written so that a NaN lands in cell 0: wrong keys are reported later, they must not write out of bounds. */
static inline int32_t fm_cell(double x, double lo, double scale, double top)
{
    double t = (x - lo) * scale;
    t = t > 0.0 ? t : 0.0;
    t = t < top ? t : top;
    return (int32_t)t;
}

static inline void fm_classify(const double *key, ptrdiff_t n, double lo, double scale, const uint16_t *table,
                               ptrdiff_t n_cells, const double *tree, int levels, uint16_t *id)
{
    int32_t at[FM_BLOCK];
    if (levels == 0) {
        const double top = (double)(n_cells - 1);
        for (ptrdiff_t i = 0; i < n; i++)
            at[i] = fm_cell(key[i], lo, scale, top);
        for (ptrdiff_t i = 0; i < n; i++)
            id[i] = table[at[i]];
        return;
    }
    /* Splitters as an implicit tree (node k has children 2k and 2k + 1). Levels outside, keys inside: the
       walks of different keys are independent and hide each other's latency. */
    for (ptrdiff_t i = 0; i < n; i++)
        at[i] = 1;
    for (int level = 0; level < levels; level++)
        for (ptrdiff_t i = 0; i < n; i++)
            at[i] = 2 * at[i] + (key[i] >= tree[at[i]]);
    for (ptrdiff_t i = 0; i < n; i++)
        id[i] = (uint16_t)(at[i] - (1 << levels));
}

static inline uint64_t fm_count(const double *key, ptrdiff_t n, double lo, double scale, const uint16_t *table,
                                ptrdiff_t n_cells, const double *tree, int levels, uint16_t *id, int64_t *counts)
{
    uint64_t largest = 0;
    for (ptrdiff_t i = 0; i < n; i += FM_BLOCK) {
        const ptrdiff_t stop = n - i < FM_BLOCK ? n - i : FM_BLOCK;
        fm_classify(key + i, stop, lo, scale, table, n_cells, tree, levels, id + i);
        for (ptrdiff_t j = 0; j < stop; j++) {
            const uint64_t bits = fm_magnitude_bits(key[i + j]);
            largest = bits > largest ? bits : largest;
            counts[id[i + j]]++;
        }
    }
    return largest;
}

static inline uint64_t fm_scatter(const double *key, const double *value, const double *weight,
                                  const uint16_t *id, ptrdiff_t n, double value_scale, double weight_scale,
                                  int64_t *at, fm_rec *out)
{
    uint64_t largest = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t bits = fm_magnitude_bits(value[i]);
        largest = bits > largest ? bits : largest;
        fm_rec r = {key[i], value[i] * value_scale};
        if (weight)
            r.value *= weight[i] * weight_scale;
        out[at[id[i]]++] = r;
    }
    return largest;
}

static inline int fm_ordered(const double *key, ptrdiff_t n)
{
    for (ptrdiff_t i = 1; i < n; i++)
        if (!(key[i - 1] <= key[i]))
            return 0;
    return 1;
}

/* ---------------------------------------------------------------- level 2: sort a bucket --------------- */

/* Stable insertion of src[0..n) into dst; src == dst is allowed. */
static inline void fm_insert(fm_rec *dst, const fm_rec *src, ptrdiff_t n)
{
    if (n <= 0)
        return;
    double last = src[0].key;   /* in a register: the comparison need not wait for the store before it */
    dst[0] = src[0];
    for (ptrdiff_t i = 1; i < n; i++) {
        const fm_rec x = src[i];
        if (!(last > x.key)) {
            dst[i] = x;
            last = x.key;
            continue;
        }
        ptrdiff_t j = i;
        do {
            dst[j] = dst[j - 1];
            j--;
        } while (j > 0 && dst[j - 1].key > x.key);
        dst[j] = x;
    }
}

/* Stable bottom-up merge sort: the way out when the keys defeat every linear map. */
static inline void fm_merge_sort(fm_rec *a, ptrdiff_t n, fm_rec *tmp)
{
    for (ptrdiff_t i = 0; i < n; i += FM_INSERT)
        fm_insert(a + i, a + i, n - i < FM_INSERT ? n - i : FM_INSERT);
    fm_rec *from = a, *to = tmp;
    for (ptrdiff_t width = FM_INSERT; width < n; width *= 2) {
        for (ptrdiff_t i = 0; i < n; i += 2 * width) {
            ptrdiff_t l = i, mid = i + width < n ? i + width : n, r = mid;
            const ptrdiff_t end = i + 2 * width < n ? i + 2 * width : n;
            for (ptrdiff_t k = i; k < end; k++)
                to[k] = (r >= end || (l < mid && from[l].key <= from[r].key)) ? from[l++] : from[r++];
        }
        fm_rec *swap = from;
        from = to;
        to = swap;
    }
    if (from != a)
        memcpy(a, from, (size_t)n * sizeof *a);
}

/* The bits of a float64 as an integer in the order of the keys; adding 0.0 makes -0.0 the equal of 0.0. Halved, so
   that a difference of two fits. */
static inline int64_t fm_rank(double x)
{
    int64_t bits;
    x += 0.0;
    memcpy(&bits, &x, 8);
    return (bits ^ ((bits >> 63) & INT64_C(0x7fffffffffffffff))) >> 1;
}

static inline int32_t fm_rank_cell(double x, int64_t lo, double scale, double top)
{
    const double t = (double)(fm_rank(x) - lo) * scale;
    return (int32_t)(t < top ? t : top);
}

/* Sort a[0..n) by key, stable; tmp holds n records, cells holds (FM_DEPTH + 1) (FM_SPREAD n + 1) counters.
   Maps alternate: linear in the key at even depth, linear in its rank (close to its logarithm) at odd depth. */
static void fm_sort_small(fm_rec *a, ptrdiff_t n, fm_rec *tmp, uint32_t *cells, int depth)
{
    if (n <= FM_INSERT) {
        fm_insert(a, a, n);
        return;
    }
    ptrdiff_t i = 1;
    while (i < n && a[i - 1].key <= a[i].key)
        i++;
    if (i == n)
        return;
    double lo = a[0].key, hi = lo, lo2 = lo, hi2 = lo;
    for (i = 0; i + 1 < n; i += 2) {
        const double x = a[i].key, y = a[i + 1].key;
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
        lo2 = y < lo2 ? y : lo2;
        hi2 = y > hi2 ? y : hi2;
    }
    if (i < n) {
        lo = a[i].key < lo ? a[i].key : lo;
        hi = a[i].key > hi ? a[i].key : hi;
    }
    lo = lo2 < lo ? lo2 : lo;
    hi = hi2 > hi ? hi2 : hi;
    const ptrdiff_t n_cells = FM_SPREAD * n;
    const double top = (double)(n_cells - 1);
    double scale = (double)n_cells / (hi - lo);
    /* hi - lo overflows (scale 0) or is so small that the quotient does (scale inf): ranks know no such limits */
    if (!(scale > 0.0 && scale <= 1.7976931348623157e308))
        depth |= 1;
    if (depth >= FM_DEPTH) {
        fm_merge_sort(a, n, tmp);
        return;
    }
    const int by_rank = depth & 1;
    const int64_t low = fm_rank(lo);
    if (by_rank)
        scale = (double)n_cells / ((double)(fm_rank(hi) - low) + 1.0);
    uint32_t *start = cells + 1;
    memset(cells, 0, (size_t)(n_cells + 1) * sizeof *cells);
    if (by_rank)
        for (i = 0; i < n; i++)
            start[fm_rank_cell(a[i].key, low, scale, top)]++;
    else
        for (i = 0; i < n; i++)
            start[fm_cell(a[i].key, lo, scale, top)]++;
    uint32_t sum = 0, most = 0;
    for (i = 0; i < n_cells; i++) {
        const uint32_t c = start[i];
        most = c > most ? c : most;
        start[i] = sum;
        sum += c;
    }
    if (by_rank)
        for (i = 0; i < n; i++)
            tmp[start[fm_rank_cell(a[i].key, low, scale, top)]++] = a[i];
    else
        for (i = 0; i < n; i++)
            tmp[start[fm_cell(a[i].key, lo, scale, top)]++] = a[i];
    /* start[c] is now the end of cell c, and start[c - 1] its beginning (cells[0] = 0 for c = 0) */
    if (most > FM_HEAVY)
        for (i = 0; i < n_cells; i++) {
            const ptrdiff_t from = start[i - 1], size = start[i] - start[i - 1];
            if (size > FM_HEAVY)
                fm_sort_small(tmp + from, size, a + from, start + n_cells, depth + 1);
        }
    fm_insert(a, tmp, n);
}

static inline void fm_swap(fm_rec *a, ptrdiff_t i, ptrdiff_t j)
{
    const fm_rec x = a[i];
    a[i] = a[j];
    a[j] = x;
}

static void fm_heap_sort(fm_rec *a, ptrdiff_t n)
{
    for (ptrdiff_t k = n / 2 - 1, end = n; end > 1;) {
        if (k < 0)
            fm_swap(a, 0, --end);
        ptrdiff_t i = k < 0 ? 0 : k--, child;
        while ((child = 2 * i + 1) < end) {
            if (child + 1 < end && a[child + 1].key > a[child].key)
                child++;
            if (a[i].key >= a[child].key)
                break;
            fm_swap(a, i, child);
            i = child;
        }
    }
}

static inline double fm_median(double x, double y, double z)
{
    return x < y ? (y < z ? y : (x < z ? z : x)) : (x < z ? x : (y < z ? z : y));
}

/* Cut a bucket larger than the scratch buffer in place (three ways, so that ties cost one pass). */
static void fm_sort_large(fm_rec *a, ptrdiff_t n, fm_rec *tmp, ptrdiff_t room, uint32_t *cells, int budget)
{
    while (n > room) {
        if (budget-- == 0) {
            fm_heap_sort(a, n);
            return;
        }
        const ptrdiff_t q = n / 8;
        const double pivot = fm_median(fm_median(a[0].key, a[q].key, a[2 * q].key),
                                       fm_median(a[3 * q].key, a[4 * q].key, a[5 * q].key),
                                       fm_median(a[6 * q].key, a[7 * q].key, a[n - 1].key));
        ptrdiff_t lt = 0, gt = n;
        for (ptrdiff_t i = 0; i < gt;) {
            if (a[i].key < pivot)
                fm_swap(a, lt++, i++);
            else if (a[i].key > pivot)
                fm_swap(a, i, --gt);
            else
                i++;
        }
        /* recurse into the shorter side: the depth stays logarithmic */
        if (lt < n - gt) {
            fm_sort_large(a, lt, tmp, room, cells, budget);
            a += gt;
            n -= gt;
        } else {
            fm_sort_large(a + gt, n - gt, tmp, room, cells, budget);
            n = lt;
        }
    }
    fm_sort_small(a, n, tmp, cells, 0);
}

/* `depth` is the first map to try, 0 for keys spread evenly and 1 for those spread over exponents. */
static inline void fm_sort_bucket(fm_rec *a, ptrdiff_t n, fm_rec *tmp, ptrdiff_t room, uint32_t *cells, int depth)
{
    ptrdiff_t i = 1;
    if (n <= room) {
        fm_sort_small(a, n, tmp, cells, depth);
        return;
    }
    while (i < n && a[i - 1].key <= a[i].key)
        i++;
    if (i == n)
        return;
    int budget = 4;
    for (ptrdiff_t k = n; k > 1; k /= 2)
        budget += 2;
    fm_sort_large(a, n, tmp, room, cells, budget);
}

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

/* ---------------------------------------------------------------- exact prefix sums -------------------- */

/* A fixed-point number wide enough for any sum of products of two float64: 32 bits a limb in int64, bit 0 of
   limb 0 is 2^-2148. A product touches limbs up to bit 4196; two more limbs take the growth of the sum. */
enum { FM_LIMBS = 136, FM_ORIGIN = 2148, FM_SETTLE = 1 << 24 };

typedef struct {
    int64_t limb[FM_LIMBS];
    int low, high;      /* limbs outside [low, high) are zero */
    int32_t pending;    /* samples since the last settling: below FM_SETTLE no limb can overflow */
} fm_wide;

static inline void fm_wide_clear(fm_wide *w)
{
    memset(w, 0, sizeof *w);
    w->low = FM_LIMBS;
}

/* Add sign * magnitude * 2^(bit - FM_ORIGIN), magnitude < 2^63. */
static inline void fm_wide_put(fm_wide *w, int negative, uint64_t magnitude, int bit)
{
    const int k = bit >> 5, off = bit & 31;
    const int64_t a = (int64_t)((magnitude << off) & UINT64_C(0xffffffff));
    const int64_t b = (int64_t)((magnitude >> (32 - off)) & UINT64_C(0xffffffff));
    const int64_t c = (int64_t)((magnitude >> (63 - off)) >> 1);
    w->limb[k] += negative ? -a : a;
    w->limb[k + 1] += negative ? -b : b;
    w->limb[k + 2] += negative ? -c : c;
    w->low = k < w->low ? k : w->low;
    w->high = k + 3 > w->high ? k + 3 : w->high;
}

/* x = sign * mantissa * 2^exponent with an integer mantissa below 2^53 */
static inline uint64_t fm_take_apart(double x, int *exponent, int *negative)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    const int e = (int)((bits >> 52) & 0x7ff);
    const uint64_t m = bits & UINT64_C(0xfffffffffffff);
    *negative = (int)(bits >> 63);
    *exponent = e ? e - 1075 : -1074;
    return e ? m | UINT64_C(0x10000000000000) : m;
}

/* Carry upward so that every limb below the top is in [0, 2^32); the sign of the number is the top limb's. */
static inline void fm_wide_settle(fm_wide *w)
{
    for (int k = w->low; k < w->high; k++) {
        const int64_t digit = w->limb[k] & INT64_C(0xffffffff);
        const int64_t carry = (w->limb[k] - digit) / INT64_C(4294967296);
        if (k + 1 == w->high && carry != 0 && carry != -1) {
            w->limb[w->high++] = 0;
        } else if (k + 1 == w->high) {
            break;      /* a top limb in [-2^32, 2^32) keeps its sign */
        }
        w->limb[k] = digit;
        w->limb[k + 1] += carry;
    }
    w->pending = 0;
}

static inline void fm_wide_add(fm_wide *w, double x)
{
    int e, negative;
    const uint64_t m = fm_take_apart(x, &e, &negative);
    if (m)
        fm_wide_put(w, negative, m, e + FM_ORIGIN);
    if (++w->pending == FM_SETTLE)
        fm_wide_settle(w);
}

static inline void fm_wide_add_product(fm_wide *w, double x, double y)
{
    int ex, ey, nx, ny;
    const uint64_t mx = fm_take_apart(x, &ex, &nx), my = fm_take_apart(y, &ey, &ny);
    if (mx && my) {
        /* halves of at most 27 bits: four products below 2^54, no 128-bit integers needed */
        const uint64_t mask = (UINT64_C(1) << 27) - 1, xh = mx >> 27, xl = mx & mask, yh = my >> 27, yl = my & mask;
        const int bit = ex + ey + FM_ORIGIN, negative = nx ^ ny;
        fm_wide_put(w, negative, xl * yl, bit);
        fm_wide_put(w, negative, xh * yl + xl * yh, bit + 27);
        fm_wide_put(w, negative, xh * yh, bit + 54);
    }
    if (++w->pending == FM_SETTLE)
        fm_wide_settle(w);
}

/* Sign of the number; *value is 2^-shift times it, to 2^-52 relative (0 where that underflows). */
static int fm_wide_read(fm_wide *w, int shift, double *value)
{
    fm_wide_settle(w);
    *value = 0.0;
    int top = w->high - 1;
    while (top >= w->low && w->limb[top] == 0)
        top--;
    if (top < w->low)
        return 0;
    if (w->limb[top] < 0) {
        /* -1 may stand above many full limbs that cancel it; the negated number has no such leading limbs */
        fm_wide n = *w;
        for (int k = n.low; k < n.high; k++)
            n.limb[k] = -n.limb[k];
        fm_wide_read(&n, shift, value);
        *value = -*value;
        return -1;
    }
    const int from = top - 3 > w->low ? top - 3 : w->low;
    double sum = 0.0;
    for (int k = from; k <= top; k++)
        sum += ldexp((double)w->limb[k], 32 * (k - from));
    *value = ldexp(sum, 32 * from - FM_ORIGIN - shift);
    return 1;
}

static inline void fm_exact_prefix(const char *value, ptrdiff_t stride, const double *weight, const int64_t *order,
                                   const int64_t *position, ptrdiff_t n, int shift, double *sums, int8_t *signs)
{
    fm_wide w;
    fm_wide_clear(&w);
    ptrdiff_t p = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        for (; p <= position[i]; p++) {
            const ptrdiff_t at = order ? (ptrdiff_t)order[p] : p;
            const double x = *(const double *)(value + at * stride);
            if (weight)
                fm_wide_add_product(&w, x, weight[at]);
            else
                fm_wide_add(&w, x);
        }
        signs[i] = (int8_t)fm_wide_read(&w, shift, &sums[i]);
    }
}

/* The same over all samples with key <= threshold, in any order of the input. */
static inline int fm_exact_below(const double *key, const double *value, const double *weight, ptrdiff_t n,
                                 double threshold, int shift, double *sum)
{
    fm_wide w;
    fm_wide_clear(&w);
    for (ptrdiff_t i = 0; i < n; i++)
        if (key[i] <= threshold) {
            if (weight)
                fm_wide_add_product(&w, value[i], weight[i]);
            else
                fm_wide_add(&w, value[i]);
        }
    return fm_wide_read(&w, shift, sum);
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
