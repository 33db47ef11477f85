/* Sorted partial sums, first half: which bucket a key belongs to, and sorting a bucket; the design stands at the head of
   _splits.pyx. */
#ifndef FASTMINIMA_SPLITS_BUCKETS_H
#define FASTMINIMA_SPLITS_BUCKETS_H

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

#endif
