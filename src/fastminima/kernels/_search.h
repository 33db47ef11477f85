/* Steps of a descent through activation patterns, and the best place for a new unit. The design stands at the head of
 * _search.pyx. */
#ifndef FASTMINIMA_SEARCH_H
#define FASTMINIMA_SEARCH_H

#include "_simd.h"

#define FS_ROWS 512     /* rows of the masked design that stay in the second-level cache */

typedef struct {
    double t;
    int32_t sample, unit;
} fs_kink;

/* m rows (x_1, ..., x_dx, 1) times the root of the weight; y times it too */
typedef struct {
    const double *x, *y;
    ptrdiff_t m, n, width;
    double plus, minus;
} fs_problem;

/* z[k m + i] = <row k of q, x_i> */
static void fs_products(const fs_problem *p, const double *q, double *z)
{
    const ptrdiff_t m = p->m, n = p->n;
    for (ptrdiff_t k = 0; k < p->width; k++) {
        const double *FM_RESTRICT row = q + k * n;
        for (ptrdiff_t i = 0; i < m; i++) {
            const double *FM_RESTRICT x = p->x + i * n;
            double s = 0.0;
            for (ptrdiff_t j = 0; j < n; j++)
                s += row[j] * x[j];
            z[k * m + i] = s;
        }
    }
}

/* r = f - y; returns half the sum of squares */
static double fs_residuals(const fs_problem *p, const double *z, const double *sign, double bias, double *r)
{
    const ptrdiff_t m = p->m, n = p->n;
    double risk = 0.0;
    for (ptrdiff_t i = 0; i < m; i++)
        r[i] = bias * p->x[i * n + n - 1] - p->y[i];
    for (ptrdiff_t k = 0; k < p->width; k++) {
        const double up = sign[k] * p->plus, down = sign[k] * p->minus;
        for (ptrdiff_t i = 0; i < m; i++) {
            const double v = z[k * m + i];
            r[i] += (v > 0.0 ? up : down) * v;
        }
    }
    for (ptrdiff_t i = 0; i < m; i++)
        risk += r[i] * r[i];
    return 0.5 * risk;
}

/* rows begin..end of the design: (1, slope_1 x, ..., slope_w x), each times the root of the weight */
static void fs_design(const fs_problem *p, const double *z, const double *sign, ptrdiff_t begin, ptrdiff_t end, double *out)
{
    const ptrdiff_t m = p->m, n = p->n, size = p->width * n + 1;
    for (ptrdiff_t i = begin; i < end; i++) {
        double *FM_RESTRICT row = out + (i - begin) * size;
        const double *FM_RESTRICT x = p->x + i * n;
        row[0] = x[n - 1];
        for (ptrdiff_t k = 0; k < p->width; k++) {
            const double slope = sign[k] * (z[k * m + i] > 0.0 ? p->plus : p->minus);
            for (ptrdiff_t j = 0; j < n; j++)
                row[1 + k * n + j] = slope * x[j];
        }
    }
}

/* ---- sorting kinks: buckets of equal width, each by insertion, or by a heap where many fall together */

static void fs_heap_down(fs_kink *a, ptrdiff_t root, ptrdiff_t count)
{
    const fs_kink moved = a[root];
    for (ptrdiff_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && a[child + 1].t > a[child].t)
            child++;
        if (!(a[child].t > moved.t))
            break;
        a[root] = a[child];
    }
    a[root] = moved;
}

static void fs_sort_bucket(fs_kink *a, ptrdiff_t count)
{
    if (count > 48) {
        for (ptrdiff_t i = count / 2; i-- > 0;)
            fs_heap_down(a, i, count);
        for (ptrdiff_t i = count - 1; i > 0; i--) {
            const fs_kink top = a[0];
            a[0] = a[i], a[i] = top;
            fs_heap_down(a, 0, i);
        }
        return;
    }
    for (ptrdiff_t i = 1; i < count; i++) {
        const fs_kink moved = a[i];
        ptrdiff_t j = i;
        for (; j > 0 && a[j - 1].t > moved.t; j--)
            a[j] = a[j - 1];
        a[j] = moved;
    }
}

/* `from` sorted into `to`; counts: count + 1 numbers of work space */
static void fs_sort(const fs_kink *from, ptrdiff_t count, double most, int32_t *counts, fs_kink *to)
{
    const ptrdiff_t buckets = count / 4 + 1;
    const double scale = (double)buckets / most;
    memset(counts, 0, (size_t)(buckets + 1) * sizeof *counts);
    for (ptrdiff_t c = 0; c < count; c++) {
        ptrdiff_t b = (ptrdiff_t)(from[c].t * scale);
        b = b < buckets ? b : buckets - 1;
        counts[b + 1]++;
    }
    for (ptrdiff_t b = 0; b < buckets; b++)
        counts[b + 1] += counts[b];
    for (ptrdiff_t c = 0; c < count; c++) {
        ptrdiff_t b = (ptrdiff_t)(from[c].t * scale);
        b = b < buckets ? b : buckets - 1;
        to[counts[b]++] = from[c];
    }
    for (ptrdiff_t b = 0, begin = 0; b < buckets; begin = counts[b++])
        fs_sort_bucket(to + begin, counts[b] - begin);
}

/* ---- exact line search */

typedef struct {
    double t, risk;
} fs_stop;

/* The least risk along z + t dz, bias + t dbias for 0 <= t <= most. r is the residual at t = 0; dr and last are work space of
   m numbers, kinks of 2 m w, counts of m w + 2. */
static fs_stop fs_line(const fs_problem *p, const double *z, const double *dz, const double *sign, double dbias,
                       const double *r, double risk, double most, double *dr, double *at, double *last, fs_kink *kinks,
                       int32_t *counts)
{
    const ptrdiff_t m = p->m, n = p->n;
    ptrdiff_t count = 0;
    fs_kink *const sorted = kinks + m * p->width;
    for (ptrdiff_t i = 0; i < m; i++)
        dr[i] = dbias * p->x[i * n + n - 1], at[i] = r[i], last[i] = 0.0;
    for (ptrdiff_t k = 0; k < p->width; k++) {
        const double up = sign[k] * p->plus, down = sign[k] * p->minus;
        for (ptrdiff_t i = 0; i < m; i++) {
            const double v = z[k * m + i], d = dz[k * m + i];
            const int above = v > 0.0 || (v == 0.0 && d > 0.0);
            dr[i] += (above ? up : down) * d;
            if (v != 0.0 && d != 0.0 && (v > 0.0) == (d < 0.0)) {
                const double t = -v / d;
                if (t < most)
                    kinks[count++] = (fs_kink){t, (int32_t)i, (int32_t)k};
            }
        }
    }
    fs_sort(kinks, count, most, counts, sorted);
    double a = 0.0, b = 0.0, value = risk, now = 0.0;
    fs_stop best = {0.0, risk};
    for (ptrdiff_t i = 0; i < m; i++)
        a += dr[i] * dr[i], b += r[i] * dr[i];
    for (ptrdiff_t c = 0; c <= count; c++) {
        const double next = c < count ? sorted[c].t : most, step = next - now;
        if (b < 0.0 && a > 0.0) {
            const double inner = -b / a < step ? -b / a : step, low = value + inner * (b + 0.5 * a * inner);
            if (low < best.risk)
                best = (fs_stop){now + inner, low};
        }
        value += step * (b + 0.5 * a * step);
        b += a * step;
        now = next;
        if (c == count)
            break;
        const ptrdiff_t i = sorted[c].sample, k = sorted[c].unit;
        const double d = dz[k * m + i], bend = sign[k] * (p->plus - p->minus) * fabs(d), slope = dr[i] + bend;
        at[i] += dr[i] * (now - last[i]), last[i] = now;
        a += slope * slope - dr[i] * dr[i];
        b += at[i] * bend;
        dr[i] = slope;
    }
    return best;
}

/* ---- the best hinge along a direction */

/* order: the rows by increasing projection; p, r: projections, residuals and roots of weights in that order. The drop of half
   the sum of squares when c max(p - knot, 0), a constant and a multiple of p are fitted to -r. */
static double fs_hinge(const double *p, const double *r, const double *root, ptrdiff_t m, double *knot, double *coefficient)
{
    double s0 = 0, s1 = 0, s2 = 0, r0 = 0, r1 = 0;
    for (ptrdiff_t i = 0; i < m; i++) {
        const double w = root[i] * root[i], v = r[i] * root[i];
        s0 += w, s1 += w * p[i], s2 += w * p[i] * p[i], r0 += v, r1 += v * p[i];
    }
    const double mean = s1 / s0, spread = s2 - s1 * mean, level = r0 / s0, slope = (r1 - r0 * mean) / spread;
    double best = 0.0, q0 = 0, q1 = 0, q2 = 0, v0 = 0, v1 = 0;
    *knot = 0.0, *coefficient = 0.0;
    if (!(spread > 0.0))
        return 0.0;
    for (ptrdiff_t i = m - 1; i > 0; i--) {
        const double w = root[i] * root[i], d = p[i] - mean, v = r[i] * root[i] - w * (level + slope * d);
        q0 += w, q1 += w * d, q2 += w * d * d, v0 += v, v1 += v * d;
        if (!(p[i] > p[i - 1]))
            continue;
        const double t = p[i - 1] - mean;               /* hinge d - t on the rows from i on */
        const double h0 = q1 - t * q0, h1 = q2 - t * q1, hh = q2 - 2.0 * t * q1 + t * t * q0;
        const double size = hh - h0 * h0 / s0 - h1 * h1 / spread, along = v1 - t * v0;
        if (size > 1e-10 * hh && along * along > 2.0 * best * size) {
            best = 0.5 * along * along / size;
            *knot = p[i - 1];
            *coefficient = -along / size;
        }
    }
    return best;
}

/* The best of `count` directions u, rows of m inputs x without their 1: (drop, which, knot, coefficient) in found. Where the
   roots of weights are not 1 the rows of p->x are divided by them. work: 3 m numbers, kinks: 2 m, counts: m + 2. */
static void fs_best_hinge(const fs_problem *p, const double *u, ptrdiff_t count, const double *r, double *work, int32_t *counts,
                          fs_kink *kinks, double found[4])
{
    const ptrdiff_t m = p->m, n = p->n;
    double *const project = work, *const rest = work + m, *const root = work + 2 * m;
    fs_kink *const sorted = kinks + m;
    found[0] = found[1] = found[2] = found[3] = 0.0;
    for (ptrdiff_t c = 0; c < count; c++) {
        const double *FM_RESTRICT v = u + c * (n - 1);
        double low = INFINITY, high = -INFINITY;
        for (ptrdiff_t i = 0; i < m; i++) {
            const double *FM_RESTRICT x = p->x + i * n;
            double s = 0.0;
            for (ptrdiff_t j = 0; j + 1 < n; j++)
                s += v[j] * x[j];
            s /= x[n - 1];
            kinks[i] = (fs_kink){s, (int32_t)i, 0};
            low = s < low ? s : low, high = s > high ? s : high;
        }
        if (!(high > low) || !(high - low < INFINITY))
            continue;
        for (ptrdiff_t i = 0; i < m; i++)
            kinks[i].t -= low;
        fs_sort(kinks, m, high - low, counts, sorted);
        for (ptrdiff_t i = 0; i < m; i++) {
            const ptrdiff_t at = sorted[i].sample;
            project[i] = sorted[i].t, rest[i] = r[at], root[i] = p->x[at * n + n - 1];
        }
        double knot, coefficient;
        const double drop = fs_hinge(project, rest, root, m, &knot, &coefficient);
        if (drop > found[0])
            found[0] = drop, found[1] = (double)c, found[2] = knot + low, found[3] = coefficient;
    }
}

#endif
