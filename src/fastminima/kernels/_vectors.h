/* Helpers of the vector words in _words.h, and the blocks that the kernels on panels of samples share. */
#ifndef FASTMINIMA_VECTORS_H
#define FASTMINIMA_VECTORS_H

#include "_simd.h"

/* the numbers of the words in _words.h */
#define FM_PLAIN_F64 0
#define FM_PLAIN_F32 1
#define FM_V16_F64 2
#define FM_V16_F32 3
#define FM_AVX2_F64 4
#define FM_AVX2_F32 5
#define FM_AVX512_F64 6
#define FM_AVX512_F32 7

/* units in a register tile: 12 accumulators, 3 vectors of samples and one broadcast fill 16 registers; 32 hold twice
 * as many units */
#define FM_ROWS 4
#define FM_ROWS512 8

/* A packed group of panels stays in the second-level cache; sixteen panels are as many as a float32 sum
 * may add before it is flushed to float64. */
#define FM_GROUP_PANELS 16
#define FM_GROUP_BYTES (256 * 1024)
/* Parameters of a block of tuples beside one panel in a first-level cache of 32 KiB. */
#define FM_BLOCK_BYTES (20 * 1024)
#define FM_BLOCK_TUPLES 256

static inline ptrdiff_t fm_group_panels(ptrdiff_t stride, size_t item)
{
    const ptrdiff_t fits = FM_GROUP_BYTES / (ptrdiff_t)item / stride;
    return fits < 1 ? 1 : fits > FM_GROUP_PANELS ? FM_GROUP_PANELS : fits;
}

#ifdef FM_HAVE_VECTOR16
typedef double fm_v2 __attribute__((vector_size(16), may_alias));
typedef float fm_v4 __attribute__((vector_size(16), may_alias));
typedef int64_t fm_i2 __attribute__((vector_size(16), may_alias));
typedef int32_t fm_i4 __attribute__((vector_size(16), may_alias));
typedef double fm_v2u __attribute__((vector_size(16), may_alias, aligned(4)));
typedef float fm_v4u __attribute__((vector_size(16), may_alias, aligned(4)));

static inline fm_v2 fm_pick2(fm_i2 mask, fm_v2 p, fm_v2 n)
{
    return (fm_v2)((mask & (fm_i2)n) | (~mask & (fm_i2)p));
}

static inline fm_v4 fm_pick4(fm_v4 z, fm_v4 p, fm_v4 n)
{
    const fm_i4 below = z < (fm_v4){0, 0, 0, 0};
    return (fm_v4)((below & (fm_i4)n) | (~below & (fm_i4)p));
}

static inline fm_v2 fm_abs2(fm_v2 a)
{
    return (fm_v2)((fm_i2)a & (fm_i2){INT64_MAX, INT64_MAX});
}

static inline fm_v4 fm_abs4(fm_v4 a)
{
    return (fm_v4)((fm_i4)a & (fm_i4){INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX});
}

static inline fm_i2 fm_turned2(fm_v2 a, fm_v2 b)
{
    const fm_v2 zero = {0, 0};
    return (fm_i2)(a < zero) ^ (fm_i2)(b < zero);
}

static inline fm_i4 fm_turned4(fm_v4 a, fm_v4 b)
{
    const fm_v4 zero = {0, 0, 0, 0};
    return (fm_i4)(a < zero) ^ (fm_i4)(b < zero);
}

static inline unsigned fm_mask2(fm_i2 turned)
{
    return (unsigned)(turned[0] & 1) | (unsigned)(turned[1] & 2);
}

static inline unsigned fm_mask4(fm_i4 turned)
{
    return (unsigned)((turned[0] & 1) | (turned[1] & 2) | (turned[2] & 4) | (turned[3] & 8));
}
#endif

#ifdef FM_HAVE_X86
/* vfixupimm: a nibble for each class of numbers, from the lowest two sorts of NaN, zero, one, -inf, inf, negative,
 * positive; 0xA is 1, 0x9 is -1, 0 the other operand */
#define FM_CODE_PLUS 0xA0A0A000u
#define FM_CODE_MINUS 0x90909000u

/* four rows by four columns through registers: reads and writes are whole vectors, and four streams of rows never
 * fight for one cache set, however a power of two dx is */
__attribute__((target("avx2")))
FM_INLINE void fm_transpose4_f64(const double *x, ptrdiff_t dx, double *to, ptrdiff_t step)
{
    const __m256d a = _mm256_loadu_pd(x), b = _mm256_loadu_pd(x + dx);
    const __m256d c = _mm256_loadu_pd(x + 2 * dx), d = _mm256_loadu_pd(x + 3 * dx);
    const __m256d ab0 = _mm256_unpacklo_pd(a, b), ab1 = _mm256_unpackhi_pd(a, b);
    const __m256d cd0 = _mm256_unpacklo_pd(c, d), cd1 = _mm256_unpackhi_pd(c, d);
    _mm256_store_pd(to, _mm256_permute2f128_pd(ab0, cd0, 0x20));
    _mm256_store_pd(to + step, _mm256_permute2f128_pd(ab1, cd1, 0x20));
    _mm256_store_pd(to + 2 * step, _mm256_permute2f128_pd(ab0, cd0, 0x31));
    _mm256_store_pd(to + 3 * step, _mm256_permute2f128_pd(ab1, cd1, 0x31));
}

__attribute__((target("avx2")))
FM_INLINE void fm_transpose4_f32(const double *x, ptrdiff_t dx, float *to, ptrdiff_t step)
{
    __m128 a = _mm256_cvtpd_ps(_mm256_loadu_pd(x)), b = _mm256_cvtpd_ps(_mm256_loadu_pd(x + dx));
    __m128 c = _mm256_cvtpd_ps(_mm256_loadu_pd(x + 2 * dx)), d = _mm256_cvtpd_ps(_mm256_loadu_pd(x + 3 * dx));
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_store_ps(to, a);
    _mm_store_ps(to + step, b);
    _mm_store_ps(to + 2 * step, c);
    _mm_store_ps(to + 3 * step, d);
}
#endif

#endif
