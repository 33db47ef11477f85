/* Along a line through kinks: which samples are near boundaries, when they meet them, and how far the risk falls.
 *
 * `fw_near` runs over panels of samples, one a lane: no lane looks at another, so every vector width gives one result.
 */
#ifndef FASTMINIMA_WALK_H
#define FASTMINIMA_WALK_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "_targets.h"

#define FW_PANEL 32

#if defined(_MSC_VER) && !defined(__clang__)
#define FW_INLINE static __forceinline
#define FW_RESTRICT __restrict
#else
#define FW_INLINE static inline __attribute__((always_inline))
#define FW_RESTRICT restrict
#endif

/* columns (n, step): column j of the inputs; ends with how many pairs there are, also those beyond `room` */
FW_INLINE ptrdiff_t fw_near_body(const double *FW_RESTRICT columns, ptrdiff_t step, ptrdiff_t m, ptrdiff_t n,
                                 const double *FW_RESTRICT norm, const double *FW_RESTRICT q, ptrdiff_t d1,
                                 const double *FW_RESTRICT radius, ptrdiff_t room, ptrdiff_t *FW_RESTRICT sample,
                                 ptrdiff_t *FW_RESTRICT unit)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t begin = 0; begin < m; begin += FW_PANEL) {
        const ptrdiff_t valid = m - begin < FW_PANEL ? m - begin : FW_PANEL;
        double length[FW_PANEL], z[FW_PANEL];
        for (int l = 0; l < FW_PANEL; l++)
            length[l] = l < valid ? norm[begin + l] : 0.0;
        for (ptrdiff_t k = 0; k < d1; k++) {
            const double *row = q + k * n;
            const double r = radius[k];
            if (r < 0.0)
                continue;
            int any = 0;
            for (int l = 0; l < FW_PANEL; l++)
                z[l] = 0.0;
            if (valid == FW_PANEL) {
                for (ptrdiff_t j = 0; j < n; j++) {
                    const double *column = columns + j * step + begin, u = row[j];
                    for (int l = 0; l < FW_PANEL; l++)
                        z[l] += u * column[l];
                }
            } else {
                for (ptrdiff_t j = 0; j < n; j++) {
                    const double *column = columns + j * step + begin, u = row[j];
                    for (ptrdiff_t l = 0; l < valid; l++)
                        z[l] += u * column[l];
                }
            }
            for (int l = 0; l < FW_PANEL; l++)
                any |= fabs(z[l]) <= r * length[l];
            if (!any)
                continue;
            for (ptrdiff_t l = 0; l < valid; l++)
                if (fabs(z[l]) <= r * length[l]) {
                    if (count < room) {
                        sample[count] = begin + l;
                        unit[count] = k;
                    }
                    count++;
                }
        }
    }
    return count;
}

#define FW_NEAR_ARGUMENTS \
    const double *columns, ptrdiff_t step, ptrdiff_t m, ptrdiff_t n, const double *norm, const double *q, \
        ptrdiff_t d1, const double *radius, ptrdiff_t room, ptrdiff_t *sample, ptrdiff_t *unit
#define FW_NEAR_NAMES columns, step, m, n, norm, q, d1, radius, room, sample, unit

#define FW_VARIANT(suffix, target) \
    target static ptrdiff_t fw_near_##suffix(FW_NEAR_ARGUMENTS) { return fw_near_body(FW_NEAR_NAMES); }

FW_VARIANT(plain, )
#ifdef FT_HAVE_X86
FW_VARIANT(avx2, FT_AVX2)
FW_VARIANT(avx512, FT_AVX512)
#endif

static ptrdiff_t fw_near(int variant, FW_NEAR_ARGUMENTS)
{
    ptrdiff_t found;
#define CALL(v) found = fw_near_##v(FW_NEAR_NAMES)
    FT_DISPATCH(variant, CALL)
#undef CALL
    return found;
}

FW_INLINE double fw_dot(const double *FW_RESTRICT a, const double *FW_RESTRICT b, ptrdiff_t n)
{
    double s = 0.0;
    for (ptrdiff_t j = 0; j < n; j++)
        s += a[j] * b[j];
    return s;
}

typedef struct {
    const double *x, *norm, *q, *delta;
    const uint8_t *up;
    ptrdiff_t n, d1;
} fw_line;

/* of the pairs listed, those that meet their boundary in begin < t <= end from the side they count with */
static ptrdiff_t fw_meet(const fw_line *line, const ptrdiff_t *sample, const ptrdiff_t *unit, ptrdiff_t count, double begin,
                         double end, const double *still, const double *reach, ptrdiff_t *event, double *time,
                         ptrdiff_t *touching)
{
    const ptrdiff_t n = line->n, d1 = line->d1;
    ptrdiff_t found = 0;
    for (ptrdiff_t k = 0; k < d1; k++)
        touching[k] = 0;
    for (ptrdiff_t p = 0; p < count; p++) {
        const ptrdiff_t i = sample[p], k = unit[p];
        const double *row = line->x + i * n;
        const double z = fw_dot(row, line->q + k * n, n), dz = fw_dot(row, line->delta + k * n, n), size = line->norm[i];
        touching[k] += fabs(z) <= reach[k] * size;
        if (!(fabs(dz) > still[k] * size) || (dz > 0.0) == (line->up[i * d1 + k] != 0))
            continue;
        double t = -z / dz;
        if (t < 0.0)
            t = 0.0;
        if (t > begin && t <= end) {
            event[found] = p;
            time[found] = t;
            found++;
        }
    }
    return found;
}

/* whether event a comes before event b */
FW_INLINE int fw_before(const double *time, ptrdiff_t a, ptrdiff_t b)
{
    return time[a] < time[b] || (time[a] == time[b] && a < b);
}

static void fw_sift(const double *time, ptrdiff_t *heap, ptrdiff_t size, ptrdiff_t at)
{
    const ptrdiff_t moved = heap[at];
    for (;;) {
        ptrdiff_t child = 2 * at + 1;
        if (child >= size)
            break;
        if (child + 1 < size && fw_before(time, heap[child + 1], heap[child]))
            child++;
        if (!fw_before(time, heap[child], moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

typedef struct {
    const double *y, *w, *sign;
    double bias, speed, s_plus, s_minus;
} fw_outputs;

/* state: t, l', l'', how much l fell. Returns the event at which the risk turns up, -1 for a minimum before the next
 * event or before `end`, -2 where the risk still falls at `end`; `crossed` gets the events before, in their order. */
static ptrdiff_t fw_cross(const fw_line *line, const fw_outputs *outputs, const ptrdiff_t *sample, const ptrdiff_t *unit,
                          const ptrdiff_t *event, const double *time, ptrdiff_t count, double end, double *state,
                          uint8_t *up, ptrdiff_t *heap, ptrdiff_t *crossed, ptrdiff_t *n_crossed)
{
    const ptrdiff_t n = line->n, d1 = line->d1;
    double t = state[0], first = state[1], second = state[2], fell = state[3];
    ptrdiff_t size = count, done = 0, at = -2;
    for (ptrdiff_t p = 0; p < count; p++)
        heap[p] = p;
    for (ptrdiff_t p = count / 2 - 1; p >= 0; p--)
        fw_sift(time, heap, size, p);
    while (size > 0) {
        const ptrdiff_t p = heap[0], i = sample[event[p]], k = unit[event[p]];
        const double now = time[p];
        if (second > 0.0 && first + second * (now - t) >= 0.0) {
            at = -1;
            break;
        }
        const double step = now > t ? now - t : 0.0;
        fell -= step * (first + 0.5 * second * step);
        first += second * step;
        t += step;
        /* this sample's residual here, and how fast it changes before the boundary */
        const double *row = line->x + i * n;
        double e = outputs->bias + t * outputs->speed - outputs->y[i], de = outputs->speed, own = 0.0;
        for (ptrdiff_t l = 0; l < d1; l++) {
            const double sign = outputs->sign[l];
            if (sign == 0.0)
                continue;
            const double slope = sign * (up[i * d1 + l] ? outputs->s_plus : outputs->s_minus);
            const double z = fw_dot(row, line->q + l * n, n), dz = fw_dot(row, line->delta + l * n, n);
            e += slope * (z + t * dz);
            de += slope * dz;
            if (l == k)
                own = dz;
        }
        const double turn = (outputs->s_plus - outputs->s_minus) * outputs->sign[k] * fabs(own);
        const double beyond = first + outputs->w[i] * e * turn;
        if (beyond >= 0.0) {
            at = p;
            break;
        }
        second += outputs->w[i] * ((de + turn) * (de + turn) - de * de);
        first = beyond;
        up[i * d1 + k] ^= 1;
        crossed[done++] = p;
        heap[0] = heap[--size];
        if (size > 0)
            fw_sift(time, heap, size, 0);
    }
    if (at == -2 && second > 0.0 && first + second * (end - t) >= 0.0)
        at = -1;
    state[0] = t;
    state[1] = first;
    state[2] = second;
    state[3] = fell;
    *n_crossed = done;
    return at;
}

#endif
