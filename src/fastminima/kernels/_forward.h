/* Instruction sets of the batched forward pass, and the choice between them at run time.
 *
 * Variants: 0 plain C, one lane, any compiler; 1 vectors of 16 bytes from the compiler's own extension (SSE2, NEON);
 * 2 AVX2 with FMA; 3 AVX-512. Each is _forward_tile.h included with other words. The wider ones carry a function
 * attribute instead of a compiler flag, so that one wheel runs everywhere. They use explicit fused multiply-adds: two
 * variants may differ in the last bits of a risk, one variant never does.
 */
#ifndef FASTMINIMA_FORWARD_H
#define FASTMINIMA_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#define FM_INLINE static __forceinline
#define FM_RESTRICT __restrict
#else
#define FM_INLINE static inline __attribute__((always_inline))
#define FM_RESTRICT __restrict__
#endif

#if defined(__clang__)
#define FM_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define FM_UNROLL _Pragma("GCC unroll 12")
#else
#define FM_UNROLL
#endif

#if defined(__GNUC__) || defined(__clang__)
#define FM_HAVE_VECTOR16 1
#if defined(__x86_64__)
#define FM_HAVE_X86 1
#include <immintrin.h>
#endif
#endif

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

static inline ptrdiff_t fm_block_tuples(ptrdiff_t d1, ptrdiff_t dx, size_t item)
{
    const ptrdiff_t fits = FM_BLOCK_BYTES / (ptrdiff_t)item / (d1 * (dx + 3) + 1);
    return fits < 1 ? 1 : fits > FM_BLOCK_TUPLES ? FM_BLOCK_TUPLES : fits;
}

static inline void *fm_align(void *p)
{
    return (void *)(((uintptr_t)p + 63) & ~(uintptr_t)63);
}

/* ---- 0: plain C */

#define V_LOAD(p) (*(p))
#define V_STORE(p, v) (*(p) = (v))
#define V_STOREU(p, v) (*(p) = (v))
#define V_SET1(s) (s)
#define V_FMA(a, b, c) ((a) * (b) + (c))
#define V_MUL(a, b) ((a) * (b))
#define V_SUB(a, b) ((a) - (b))
#define V_PICK(z, p, n) ((z) < 0 ? (n) : (p))
#define FM_SUFFIX plain_f64
#define FM_OUTPUTS
#define FM_TARGET
#define REAL double
#define VEC double
#define LANES 1
#define ROWS 4
#include "_forward_tile.h"

#define V_LOAD(p) (*(p))
#define V_STORE(p, v) (*(p) = (v))
#define V_STOREU(p, v) (*(p) = (v))
#define V_SET1(s) (s)
#define V_FMA(a, b, c) ((a) * (b) + (c))
#define V_MUL(a, b) ((a) * (b))
#define V_SUB(a, b) ((a) - (b))
#define V_PICK(z, p, n) ((z) < 0 ? (n) : (p))
#define FM_SUFFIX plain_f32
#define FM_TARGET
#define REAL float
#define VEC float
#define LANES 1
#define ROWS 4
#include "_forward_tile.h"

/* ---- 1: the compiler's vectors of 16 bytes */

#ifdef FM_HAVE_VECTOR16
typedef double fm_v2 __attribute__((vector_size(16), may_alias));
typedef float fm_v4 __attribute__((vector_size(16), may_alias));
typedef int64_t fm_i2 __attribute__((vector_size(16), may_alias));
typedef int32_t fm_i4 __attribute__((vector_size(16), may_alias));
typedef double fm_v2u __attribute__((vector_size(16), may_alias, aligned(4)));
typedef float fm_v4u __attribute__((vector_size(16), may_alias, aligned(4)));

static inline fm_v2 fm_pick2(fm_v2 z, fm_v2 p, fm_v2 n)
{
    const fm_i2 below = z < (fm_v2){0, 0};
    return (fm_v2)((below & (fm_i2)n) | (~below & (fm_i2)p));
}

static inline fm_v4 fm_pick4(fm_v4 z, fm_v4 p, fm_v4 n)
{
    const fm_i4 below = z < (fm_v4){0, 0, 0, 0};
    return (fm_v4)((below & (fm_i4)n) | (~below & (fm_i4)p));
}

#define V_LOAD(p) (*(const fm_v2 *)(p))
#define V_STORE(p, v) (*(fm_v2 *)(p) = (v))
#define V_STOREU(p, v) (*(fm_v2u *)(p) = (v))
#define V_SET1(s) ((fm_v2){(s), (s)})
#define V_FMA(a, b, c) ((a) * (b) + (c))
#define V_MUL(a, b) ((a) * (b))
#define V_SUB(a, b) ((a) - (b))
#define V_PICK(z, p, n) fm_pick2(z, p, n)
#define FM_SUFFIX v16_f64
#define FM_OUTPUTS
#define FM_TARGET
#define REAL double
#define VEC fm_v2
#define LANES 2
#define ROWS 4
#include "_forward_tile.h"

#define V_LOAD(p) (*(const fm_v4 *)(p))
#define V_STORE(p, v) (*(fm_v4 *)(p) = (v))
#define V_STOREU(p, v) (*(fm_v4u *)(p) = (v))
#define V_SET1(s) ((fm_v4){(s), (s), (s), (s)})
#define V_FMA(a, b, c) ((a) * (b) + (c))
#define V_MUL(a, b) ((a) * (b))
#define V_SUB(a, b) ((a) - (b))
#define V_PICK(z, p, n) fm_pick4(z, p, n)
#define FM_SUFFIX v16_f32
#define FM_TARGET
#define REAL float
#define VEC fm_v4
#define LANES 4
#define ROWS 4
#include "_forward_tile.h"
#endif

/* ---- 2: AVX2 with FMA; 12 accumulators, 3 vectors of samples and one broadcast fill its 16 registers */

#ifdef FM_HAVE_X86
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

#define V_LOAD(p) _mm256_load_pd(p)
#define V_STORE(p, v) _mm256_store_pd(p, v)
#define V_STOREU(p, v) _mm256_storeu_pd(p, v)
#define V_SET1(s) _mm256_set1_pd(s)
#define V_FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define V_MUL(a, b) _mm256_mul_pd(a, b)
#define V_SUB(a, b) _mm256_sub_pd(a, b)
#define V_PICK(z, p, n) _mm256_blendv_pd(p, n, z)
#define V_TRANSPOSE4 fm_transpose4_f64
#define FM_SUFFIX avx2_f64
#define FM_OUTPUTS
#define FM_TARGET __attribute__((target("avx2,fma")))
#define REAL double
#define VEC __m256d
#define LANES 4
#define ROWS 4
#include "_forward_tile.h"

#define V_LOAD(p) _mm256_load_ps(p)
#define V_STORE(p, v) _mm256_store_ps(p, v)
#define V_STOREU(p, v) _mm256_storeu_ps(p, v)
#define V_SET1(s) _mm256_set1_ps(s)
#define V_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define V_MUL(a, b) _mm256_mul_ps(a, b)
#define V_SUB(a, b) _mm256_sub_ps(a, b)
#define V_PICK(z, p, n) _mm256_blendv_ps(p, n, z)
#define V_TRANSPOSE4 fm_transpose4_f32
#define FM_SUFFIX avx2_f32
#define FM_TARGET __attribute__((target("avx2,fma")))
#define REAL float
#define VEC __m256
#define LANES 8
#define ROWS 4
#include "_forward_tile.h"

/* ---- 3: AVX-512; 32 registers hold a tile of 8 units */

#ifndef FM_ROWS512
#define FM_ROWS512 8
#endif

#define V_LOAD(p) _mm512_load_pd(p)
#define V_STORE(p, v) _mm512_store_pd(p, v)
#define V_STOREU(p, v) _mm512_storeu_pd(p, v)
#define V_SET1(s) _mm512_set1_pd(s)
#define V_FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define V_MUL(a, b) _mm512_mul_pd(a, b)
#define V_SUB(a, b) _mm512_sub_pd(a, b)
#define V_PICK(z, p, n) _mm512_mask_blend_pd(_mm512_movepi64_mask(_mm512_castpd_si512(z)), p, n)
#define V_TRANSPOSE4 fm_transpose4_f64
#define FM_SUFFIX avx512_f64
#define FM_OUTPUTS
#define FM_TARGET __attribute__((target("avx512f,avx512dq")))
#define REAL double
#define VEC __m512d
#define LANES 8
#define ROWS FM_ROWS512
#include "_forward_tile.h"

#define V_LOAD(p) _mm512_load_ps(p)
#define V_STORE(p, v) _mm512_store_ps(p, v)
#define V_STOREU(p, v) _mm512_storeu_ps(p, v)
#define V_SET1(s) _mm512_set1_ps(s)
#define V_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define V_MUL(a, b) _mm512_mul_ps(a, b)
#define V_SUB(a, b) _mm512_sub_ps(a, b)
#define V_PICK(z, p, n) _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(z)), p, n)
#define V_TRANSPOSE4 fm_transpose4_f32
#define FM_SUFFIX avx512_f32
#define FM_TARGET __attribute__((target("avx512f,avx512dq")))
#define REAL float
#define VEC __m512
#define LANES 16
#define ROWS FM_ROWS512
#include "_forward_tile.h"
#endif

/* ---- dispatch */

static int fm_best_variant(void)
{
#ifdef FM_HAVE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return 3;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return 2;
#endif
#ifdef FM_HAVE_VECTOR16
    return 1;
#else
    return 0;
#endif
}

#ifdef FM_HAVE_VECTOR16
#define FM_CASE16(call) case 1: call(v16); break;
#else
#define FM_CASE16(call)
#endif
#ifdef FM_HAVE_X86
#define FM_CASEX86(call) case 2: call(avx2); break; case 3: call(avx512); break;
#else
#define FM_CASEX86(call)
#endif
#define FM_DISPATCH(variant, call) \
    switch (variant) { FM_CASE16(call) FM_CASEX86(call) default: call(plain); }

static void fm_sums_f64(int variant, const double *W1, const double *b1, const double *W2, const double *b2,
                        ptrdiff_t K, ptrdiff_t d1, ptrdiff_t dx, const double *X, const double *y,
                        const double *weight, ptrdiff_t m, double s_plus, double s_minus, double *workspace,
                        double *out)
{
#define CALL(v) fm_sums_##v##_f64(W1, b1, W2, b2, K, d1, dx, X, y, weight, m, s_plus, s_minus, workspace, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fm_sums_f32(int variant, const float *W1, const float *b1, const float *W2, const float *b2,
                        ptrdiff_t K, ptrdiff_t d1, ptrdiff_t dx, const double *X, const double *y,
                        const double *weight, ptrdiff_t m, double s_plus, double s_minus, float *workspace,
                        double *out)
{
#define CALL(v) fm_sums_##v##_f32(W1, b1, W2, b2, K, d1, dx, X, y, weight, m, s_plus, s_minus, workspace, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fm_outputs_f64(int variant, const double *W1, const double *b1, const double *W2, double b2, ptrdiff_t d1,
                           ptrdiff_t dx, const double *X, ptrdiff_t m, double s_plus, double s_minus,
                           double *workspace, double *out)
{
#define CALL(v) fm_outputs_##v##_f64(W1, b1, W2, b2, d1, dx, X, m, s_plus, s_minus, workspace, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static double fm_probe_f64(int variant, ptrdiff_t rounds, double factor)
{
    double sum;
#define CALL(v) sum = fm_probe_##v##_f64(rounds, factor)
    FM_DISPATCH(variant, CALL)
#undef CALL
    return sum;
}

static double fm_probe_f32(int variant, ptrdiff_t rounds, double factor)
{
    double sum;
#define CALL(v) sum = fm_probe_##v##_f32(rounds, factor)
    FM_DISPATCH(variant, CALL)
#undef CALL
    return sum;
}

#endif
