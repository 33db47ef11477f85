/* The best kink along a direction; the design stands at the head of _kinks.pyx. */
#ifndef FASTMINIMA_KINKS_H
#define FASTMINIMA_KINKS_H

#include "_vectors.h"

/* columns of the basis come in this many: the lanes of the widest vector */
#define FH_LANES 8
/* rows asked for ahead of their turn: they are read in the order of the projections, which no cache foresees */
#define FH_AHEAD 24
/* rows at both ends of the order between which every knot is tried, whatever the stride */
#define FH_ENDS 64
/* a projection residual this small relative to the kink's own size is rounding, not a direction to divide by */
#define FH_NEGLIGIBLE 1e-11
#define FH_DIGIT 2048

/* the samples of one scan; `rows` are w q, k of them a row, k a multiple of FH_LANES */
typedef struct {
    const double *rows, *wr, *w;
    ptrdiff_t m, k, stride;
} fh_samples;

/* sums over the samples above the knot: w r, w r t, w, w t, w t^2 */
typedef struct {
    double q, p, d2, d1, d0;
} fh_sums;

typedef struct {
    double gain, knot;
} fh_best;

/* ---- order: rows by falling t. A radix sort of 32 bits of (hi - t)/(hi - lo), then insertion for what these bits cannot tell
   apart; where that is too much (a few samples far from all others) a merge sort takes over. */

static void fh_merge(const double *t, uint64_t *a, uint64_t *b, ptrdiff_t m)
{
    for (ptrdiff_t width = 1; width < m; width *= 2) {
        for (ptrdiff_t low = 0; low < m; low += 2 * width) {
            const ptrdiff_t middle = low + width < m ? low + width : m, high = low + 2 * width < m ? low + 2 * width : m;
            ptrdiff_t i = low, j = middle, to = low;
            while (i < middle && j < high)
                b[to++] = t[a[j]] > t[a[i]] ? a[j++] : a[i++];
            while (i < middle)
                b[to++] = a[i++];
            while (j < high)
                b[to++] = a[j++];
        }
        memcpy(a, b, (size_t)m * sizeof *a);
    }
}

/* order[i]: the row with the i-th largest t, equal ones by row; spare: m numbers, counts: 3 FH_DIGIT */
static void fh_order(const double *t, ptrdiff_t m, double low, double high, uint64_t *order, uint64_t *spare, uint32_t *counts)
{
    const double scale = 4294967295.0 / (high - low);
    ptrdiff_t budget = 8 * m;
    if (scale < INFINITY) {
        memset(counts, 0, 3 * FH_DIGIT * sizeof *counts);
        for (ptrdiff_t i = 0; i < m; i++) {
            const double at = (high - t[i]) * scale;
            const uint32_t key = (uint32_t)(at < 4294967295.0 ? at : 4294967295.0);
            order[i] = (uint64_t)key << 32 | (uint64_t)i;
            counts[key & 2047]++, counts[FH_DIGIT + (key >> 11 & 2047)]++, counts[2 * FH_DIGIT + (key >> 22)]++;
        }
        uint64_t *from = order, *to = spare;
        for (int digit = 0; digit < 3; digit++) {
            uint32_t *const c = counts + digit * FH_DIGIT, sum = 0;
            const int shift = 32 + 11 * digit;
            for (int b = 0; b < FH_DIGIT; b++) {
                const uint32_t here = c[b];
                c[b] = sum, sum += here;
            }
            for (ptrdiff_t i = 0; i < m; i++)
                to[c[from[i] >> shift & 2047]++] = from[i];
            uint64_t *const other = from;
            from = to, to = other;
        }
        for (ptrdiff_t i = 0; i < m; i++)       /* three passes end in spare */
            order[i] = spare[i] & 0xffffffffu;
        for (ptrdiff_t i = 1; i < m && budget >= 0; i++) {
            const uint64_t moved = order[i];
            const double value = t[moved];
            ptrdiff_t j = i;
            for (; j > 0 && t[order[j - 1]] < value; j--)
                order[j] = order[j - 1];
            order[j] = moved, budget -= i - j;
        }
        if (budget >= 0)
            return;
    }
    for (ptrdiff_t i = 0; i < m; i++)
        order[i] = (uint64_t)i;
    fh_merge(t, order, spare, m);
}

/* the drop 1/2 <r, phi>^2/|phi_perp|^2 of a knot between `below` and `above`, a ratio of two quadratics in the knot */
static inline void fh_try(const fh_sums *s, double aa, double ab, double bb, double below, double above, fh_best *best)
{
    const double e0 = s->d0 - aa, e1 = s->d1 - ab, e2 = s->d2 - bb, q = s->q, p = s->p, least = FH_NEGLIGIBLE * fabs(s->d0);
    double c = (p * e1 - q * e0) / (p * e2 - q * e1);
    if (!(fabs(c) < INFINITY))
        c = 0.5 * (above + below);
    c = c < below ? below : c > above ? above : c;
    for (int side = 0; side < 2; side++, c = below) {
        const double size = e0 - c * (2.0 * e1 - c * e2), whole = s->d0 - c * (2.0 * s->d1 - c * s->d2), along = p - c * q;
        const double gain = 0.5 * along * along / size;
        if (size > least && whole > 0.0 && gain > best->gain && gain < INFINITY)
            best->gain = gain, best->knot = c;
    }
}

#define FM_FLOAT64_ONLY
#define FM_BODY "_kinks_tile.h"
#include "_each.h"

/* t: m projections; flat: the spread up to which they are rounding; work: m + 2 k numbers; order, spare: m each */
static fh_best fh_scan(int variant, const fh_samples *s, const double *t, double flat, double *work, uint64_t *order,
                       uint64_t *spare, uint32_t *counts)
{
    fh_best best = {0.0, 0.0};
    double low = INFINITY, high = -INFINITY;
    int finite = 1;
    for (ptrdiff_t i = 0; i < s->m; i++) {
        low = t[i] < low ? t[i] : low, high = t[i] > high ? t[i] : high;
        finite &= t[i] - t[i] == 0.0;
    }
    if (!finite || !(high - low > flat) || !(high - low < INFINITY))
        return best;
    fh_order(t, s->m, low, high, order, spare, counts);
    for (ptrdiff_t i = 0; i < s->m; i++)
        work[i] = t[order[i]];
#define CALL(v) fh_knots_##v##_f64(s, work, order, work + s->m, &best)
    FM_DISPATCH(variant, CALL)
#undef CALL
    return best;
}

#endif
