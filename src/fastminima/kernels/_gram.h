/* Exact Gram matrices: digits of columns, their products as integers in float64, sums as integers.
 *
 * The design stands at the head of _gram.pyx; the arithmetic is _gram_tile.h, included once per instruction set.
 */
#ifndef FASTMINIMA_GRAM_H
#define FASTMINIMA_GRAM_H

#include "_simd.h"

/* A digit has at most 2^23 in size and a step is 24 bits: products are at most 2^46, 32 of them 2^51. With weights the
 * left digits are sums of two: twice as large, half as many. */
#define FG_STEP 24
#define FG_VECTORS 32
#define FG_VECTORS_WEIGHTED 16
/* Every accumulator starts at 1.5 * 2^52 and stays within 2^51 of it: there float64 has the spacing 1, and the bits
 * as an integer differ from the bits of the start by exactly the sum. */
#define FG_MAGIC 6755399441055744.0
#define FG_MAGIC_BITS UINT64_C(0x4338000000000000)

/* Where the digits of one side lie. Column c is scaled by scale[c] scale[n + c] to its first digit: two powers of two,
 * because one need not be a float64. Label l of the digit list is digit l - first[c] of its column, and place[l] its
 * row (right: its column) in the sums. */
typedef struct {
    const double *scale;     /* (2, n) */
    const int64_t *first;    /* (n + 1) labels before column c */
    const int64_t *place;    /* (labels) */
    const int64_t *owner;    /* (labels) column of each label */
} fg_side;

#define FG_MAX1(a, b) ((a) > (b) ? (a) : (b))
#define FG_MIN1(a, b) ((a) < (b) ? (a) : (b))

/* ---- 0: plain C */

#define V_NAME(f) f##_plain
#define V_TARGET
#define V_REAL double
#define V_INT uint64_t
#define V_LANES 1
#define V_TILE 2
#define V_MAX(a, b) FG_MAX1(a, b)
#define V_MIN(a, b) FG_MIN1(a, b)
#define V_FMA(a, b, c) ((a) * (b) + (c))
#include "_gram_tile.h"

/* ---- 1: the compiler's vectors of 16 bytes */

#ifdef FM_HAVE_VECTOR16
typedef double fg_v2 __attribute__((vector_size(16), may_alias, aligned(8)));
typedef uint64_t fg_u2 __attribute__((vector_size(16), may_alias, aligned(8)));

FM_INLINE fg_v2 fg_max2(fg_v2 a, fg_v2 b)
{
    const fg_u2 above = (fg_u2)(a > b);
    return (fg_v2)((above & (fg_u2)a) | (~above & (fg_u2)b));
}

FM_INLINE fg_v2 fg_min2(fg_v2 a, fg_v2 b)
{
    const fg_u2 below = (fg_u2)(a < b);
    return (fg_v2)((below & (fg_u2)a) | (~below & (fg_u2)b));
}

#define V_NAME(f) f##_v16
#define V_TARGET
#define V_REAL fg_v2
#define V_INT fg_u2
#define V_LANES 2
#define V_TILE 3
#define V_MAX(a, b) fg_max2(a, b)
#define V_MIN(a, b) fg_min2(a, b)
#define V_FMA(a, b, c) ((a) * (b) + (c))
#include "_gram_tile.h"
#endif

/* ---- 2: AVX2 with FMA; 9 accumulators and 6 digits in 16 registers */

#ifdef FM_HAVE_X86
typedef double fg_v4 __attribute__((vector_size(32), may_alias, aligned(8)));
typedef uint64_t fg_u4 __attribute__((vector_size(32), may_alias, aligned(8)));

#define V_NAME(f) f##_avx2
#define V_TARGET __attribute__((target("avx2,fma")))
#define V_REAL fg_v4
#define V_INT fg_u4
#define V_LANES 4
#define V_TILE 3
#define V_MAX(a, b) ((fg_v4)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#define V_MIN(a, b) ((fg_v4)_mm256_min_pd((__m256d)(a), (__m256d)(b)))
#define V_FMA(a, b, c) ((fg_v4)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define V_FMS(a, b, c) ((fg_v4)_mm256_fmsub_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#include "_gram_tile.h"

/* ---- 3: AVX-512; 25 accumulators and 6 digits in 32 registers */

typedef double fg_v8 __attribute__((vector_size(64), may_alias, aligned(8)));
typedef uint64_t fg_u8 __attribute__((vector_size(64), may_alias, aligned(8)));

#define V_NAME(f) f##_avx512
#define V_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#define V_REAL fg_v8
#define V_INT fg_u8
#define V_LANES 8
#define V_TILE 5
#define V_MAX(a, b) ((fg_v8)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#define V_MIN(a, b) ((fg_v8)_mm512_min_pd((__m512d)(a), (__m512d)(b)))
#define V_FMA(a, b, c) ((fg_v8)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define V_FMS(a, b, c) ((fg_v8)_mm512_fmsub_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#include "_gram_tile.h"
#endif

/* ---- dispatch */

static void fg_ends(int variant, const double *columns, ptrdiff_t ld, ptrdiff_t n, ptrdiff_t count, double *peak,
                    double *low)
{
#define CALL(v) fg_ends_##v(columns, ld, n, count, peak, low)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fg_products(int variant, const double *columns, ptrdiff_t ld, ptrdiff_t n, ptrdiff_t count,
                        const double *weight, const double *weight_scale, const fg_side *left, const fg_side *right,
                        double *workspace, int64_t *high, int64_t *low, ptrdiff_t width)
{
#define CALL(v) fg_products_##v(columns, ld, n, count, weight, weight_scale, left, right, workspace, high, low, width)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

/* Rows to columns: out[c][i] = x[i][c], then y, then the weights. Rows of a first-level cache's worth at a time. */
static void fg_transpose(const double *x, ptrdiff_t rows, ptrdiff_t dx, const double *y, const double *weight,
                         double *out, ptrdiff_t ld)
{
    for (ptrdiff_t i = 0; i < rows; i++) {
        const double *row = x + i * dx;
        for (ptrdiff_t c = 0; c < dx; c++)
            out[(c + 1) * ld + i] = row[c];
    }
    for (ptrdiff_t i = 0; i < rows; i++)
        out[i] = 1.0;
    memcpy(out + (dx + 1) * ld, y, (size_t)rows * sizeof(double));
    if (weight != NULL)
        memcpy(out + (dx + 2) * ld, weight, (size_t)rows * sizeof(double));
}

#endif
