/* Sorted partial sums: sorting one bucket without wider vectors, and what all ways to sort share; the design stands at
   the head of _splits.pyx. */
#ifndef FASTMINIMA_SPLITS_SORT_H
#define FASTMINIMA_SPLITS_SORT_H

#include "_splits_buckets.h"

enum {
    FM_INSERT = 24,     /* below this an insertion sort needs no set-up */
    FM_HEAVY = 32,      /* a cell with more records is sorted on its own, so that the last pass stays linear */
    FM_SPREAD = 2,      /* cells a record: fewer neighbours to compare with, at the price of clearing more counters */
    FM_DEPTH = 4,       /* maps in a row before the order is found by comparison alone */
    FM_MEAN = 5,        /* numbers a cell, at an even spread */
    FM_ROOM = 24,       /* and at most */
    FM_CROWD = 8,       /* moves a record spent on cells with more */
    FM_FEW = 64,        /* below this many records cells do not pay */
    FM_MANY = 1 << 16   /* above, numbers would have few bits left for the key */
};

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

/* ---------------------------------------------------------------- numbers in cells ---------------------- */

/* How the keys of a bucket become numbers 0..last: linearly where shift < 0, else by their bits (see fm_place). */
typedef struct {
    double lo, hi, near;            /* smallest and largest key, smallest magnitude */
    double scale;
    int64_t floor, first, last;
    int shift, low_bits;            /* bits for the place of a record in the bucket */
    ptrdiff_t cells;
} fm_spread;

static inline void fm_widen(fm_spread *s, double lo, double hi, double near)
{
    s->lo = lo < s->lo ? lo : s->lo;
    s->hi = hi > s->hi ? hi : s->hi;
    s->near = near < s->near ? near : s->near;
}

/* Cells for n keys between these ends, in groups of `lanes`; 0 if this map knows none. */
static inline int fm_spread_over(fm_spread *s, ptrdiff_t n, int by_bits, int lanes)
{
    s->low_bits = 7;
    while (((ptrdiff_t)1 << s->low_bits) < n)
        s->low_bits++;
    const int up = 32 - s->low_bits;
    const ptrdiff_t aim = n / FM_MEAN + 1;
    s->shift = -1;
    if (by_bits) {
        s->floor = (int64_t)fm_magnitude_bits(s->near);
        s->shift = 0;       /* halved at least, so that a difference of two places fits */
        const int64_t most = ((int64_t)(2 * aim) << up) - 1;
        do {
            s->shift++;
            s->first = fm_place(s->lo, s->floor, s->shift);
            s->last = fm_place(s->hi, s->floor, s->shift) - s->first;
        } while (s->last > most);
        s->cells = (s->last >> up) + 1;
    } else {
        s->cells = aim;
    }
    s->cells = (s->cells + lanes - 1) / lanes * lanes;
    if (!by_bits) {
        s->last = ((int64_t)s->cells << up) - 1;
        s->scale = (double)(s->last + 1) / (s->hi - s->lo);
        return s->scale > 0.0 && s->scale <= 1.7976931348623157e308;
    }
    return 1;
}

static inline int32_t fm_spread_of(double key, const fm_spread *s)
{
    if (s->shift < 0)
        return fm_cell(key, s->lo, s->scale, (double)s->last);
    return (int32_t)(fm_place(key, s->floor, s->shift) - s->first);
}

/* `count` numbers of a column sorted into `to`; returns its end. */
static inline uint32_t *fm_column(const uint32_t *from, int step, uint32_t count, uint32_t *to)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t x = from[i * (uint32_t)step];
        uint32_t j = i;
        for (; j > 0 && to[j - 1] > x; j--)
            to[j] = to[j - 1];
        to[j] = x;
    }
    return to + count;
}

/* Sorts the cells that end at `end`; 0 once that takes more than `budget` moves. Numbers of one key are in order
   already. */
static inline int fm_order_crowded(uint32_t *order, const uint32_t *end, ptrdiff_t cells, ptrdiff_t budget)
{
    uint32_t begin = 0;
    for (ptrdiff_t c = 0; c < cells; begin = end[c++])
        for (uint32_t i = begin + 1; i < end[c]; i++) {
            const uint32_t x = order[i];
            uint32_t j = i;
            for (; j > begin && order[j - 1] > x; j--)
                order[j] = order[j - 1];
            order[j] = x;
            budget -= i - j;
            if (budget < 0)
                return 0;
        }
    return 1;
}

/* The records of tmp to a in this order of places; where keys of one number fell, they are put right. */
static inline void fm_gather(fm_rec *a, ptrdiff_t n, const fm_rec *tmp, const uint32_t *order, uint32_t mask)
{
    double last = -INFINITY;
    for (ptrdiff_t i = 0; i < n; i++) {
        const fm_rec x = tmp[order[i] & mask];
        if (!(last > x.key)) {
            a[i] = x;
            last = x.key;
            continue;
        }
        ptrdiff_t j = i;
        do {
            a[j] = a[j - 1];
            j--;
        } while (j > 0 && a[j - 1].key > x.key);
        a[j] = x;
    }
}

#endif
