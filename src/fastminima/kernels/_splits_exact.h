/* Sums of float64 numbers and of products of two without any rounding; the design stands at the head of _splits.pyx. */
#ifndef FASTMINIMA_SPLITS_EXACT_H
#define FASTMINIMA_SPLITS_EXACT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

#endif
