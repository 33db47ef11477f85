/* Masks and digits of products of columns; the design stands at the head of _masked.pyx. */
#ifndef FASTMINIMA_MASKED_H
#define FASTMINIMA_MASKED_H

#include "_vectors.h"
#include <limits.h>

/* samples whose products BLAS adds up before they are taken over as integers */
#define FK_BLOCK 512
/* rint by addition: from 2^52 on the spacing is 1 */
#define FK_MAGIC 6755399441055744.0
/* bits of a block's sum that go to the low integer */
#define FK_LOW 26

#define FM_FLOAT64_ONLY
#define FM_BODY "_masked_tile.h"
#include "_each.h"

/* digits of a b for pairs (a, b) of columns: places[p] rows of `out` a pair */
static void fk_digits(int variant, const double *columns, ptrdiff_t ld, ptrdiff_t count, const int32_t *a,
                      const int32_t *b, const int32_t *places, ptrdiff_t pairs, double unit, double *out)
{
#define CALL(v) fk_digits_##v##_f64(columns, ld, count, a, b, places, pairs, unit, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

/* rows of weight times mask times mask; mask 0 is always 1 */
static void fk_masks(const double *masks, ptrdiff_t ld, ptrdiff_t count, const int32_t *first, const int32_t *second,
                     ptrdiff_t pairs, double *out)
{
    for (ptrdiff_t p = 0; p < pairs; p++) {
        const double *w = masks, *one = masks + first[p] * ld, *two = masks + second[p] * ld;
        double *to = out + p * FK_BLOCK;
        if (first[p] == 0 && second[p] == 0)
            memcpy(to, w, (size_t)count * sizeof(double));
        else if (first[p] == second[p] || first[p] == 0)
            for (ptrdiff_t i = 0; i < count; i++)
                to[i] = w[i] * two[i];
        else
            for (ptrdiff_t i = 0; i < count; i++)
                to[i] = w[i] * one[i] * two[i];
        for (ptrdiff_t i = count; i < FK_BLOCK; i++)
            to[i] = 0.0;
    }
}

/* sums are integers below 2^53: 2^26 high + low */
static void fk_take(const double *sums, ptrdiff_t count, int64_t *high, int64_t *low)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        const int64_t value = (int64_t)sums[i], top = value >= 0 ? value >> FK_LOW : -((-value) >> FK_LOW);
        high[i] += top;
        low[i] += value - top * ((int64_t)1 << FK_LOW);
    }
}

#endif
