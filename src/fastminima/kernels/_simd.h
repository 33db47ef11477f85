/* What every kernel with several instruction sets shares: compilers' words, the choice at run time, exact sums.
 *
 * Variants: 0 plain C, one lane, any compiler; 1 vectors of 16 bytes from the compiler's own extension (SSE2, NEON);
 * 2 AVX2 with FMA; 3 AVX-512. The wider ones carry a function attribute instead of a compiler flag, so that one wheel
 * runs everywhere. A kernel's body is a file included once per variant with other words (see _words.h).
 */
#ifndef FASTMINIMA_SIMD_H
#define FASTMINIMA_SIMD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "arithmetic must round to the type of its operands: on 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define FM_INLINE static __forceinline
#define FM_NOINLINE __declspec(noinline)
#define FM_RESTRICT __restrict
#else
#define FM_INLINE static inline __attribute__((always_inline))
#define FM_NOINLINE __attribute__((noinline))
#define FM_RESTRICT __restrict__
#endif

#if defined(__clang__)
#define FM_UNROLL _Pragma("clang loop unroll(full)")
#define FM_UNROLL16 FM_UNROLL
#elif defined(__GNUC__)
#define FM_UNROLL _Pragma("GCC unroll 12")
#define FM_UNROLL16 _Pragma("GCC unroll 16")
#else
#define FM_UNROLL
#define FM_UNROLL16
#endif

#if defined(__GNUC__) || defined(__clang__)
#define FM_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define FM_PREFETCH(p) __builtin_prefetch(p)
#define FM_HAVE_VECTOR16 1
#if defined(__x86_64__)
#define FM_HAVE_X86 1
#include <immintrin.h>
#endif
#else
#define FM_UNLIKELY(x) (x)
#define FM_PREFETCH(p) ((void)(p))
#endif

#define FM_PASTE2(a, b) a##_##b
#define FM_PASTE(a, b) FM_PASTE2(a, b)

/* numbers by their bits */
static inline double fm_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float fm_single(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Cache lines to ask for ahead of their use, a few at a time: too many at once stop the pipeline. */
typedef struct {
    const char *next, *due, *end;
    ptrdiff_t step;
} fm_ahead;

/* `bytes` from `start`, in `times` portions */
static inline fm_ahead fm_ahead_of(const void *start, ptrdiff_t bytes, ptrdiff_t times)
{
    const char *from = (const char *)start;
    const fm_ahead ahead = {from, from, from + bytes, bytes / times + 1};
    return ahead;
}

FM_INLINE void fm_fetch(fm_ahead *ahead)
{
    if (ahead->next < ahead->end) {
        ahead->due += ahead->step;
        for (; ahead->next < ahead->due; ahead->next += 64)
            FM_PREFETCH(ahead->next);
    }
}

static inline void *fm_align(void *p)
{
    return (void *)(((uintptr_t)p + 63) & ~(uintptr_t)63);
}

/* ---- the choice at run time */

static inline int fm_best_variant(void)
{
#ifdef FM_HAVE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw"))
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
/* call(name of the variant) */
#define FM_DISPATCH(variant, call) \
    switch (variant) { FM_CASE16(call) FM_CASEX86(call) default: call(plain); }

/* the variant's function by name, where all of them have one type */
#if defined(FM_HAVE_X86)
#define FM_PICK(variant, stem, tail) \
    ((variant) == 3   ? stem##_avx512##tail \
     : (variant) == 2 ? stem##_avx2##tail \
     : (variant) == 1 ? stem##_v16##tail \
                      : stem##_plain##tail)
#elif defined(FM_HAVE_VECTOR16)
#define FM_PICK(variant, stem, tail) ((variant) == 1 ? stem##_v16##tail : stem##_plain##tail)
#else
#define FM_PICK(variant, stem, tail) stem##_plain##tail
#endif

/* ---- exact sums and products */

/* a b - p for p = fl(a b), exactly (Dekker) */
static inline double fm_error(double a, double b, double p)
{
    const double ta = a * 134217729.0, tb = b * 134217729.0;
    const double a1 = ta - (ta - a), b1 = tb - (tb - b);
    const double a2 = a - a1, b2 = b - b1;
    return a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2);
}

/* s + e = a + b exactly (Knuth) */
static inline double fm_two_sum(double a, double b, double *e)
{
    const double s = a + b, t = s - a;
    *e = (a - (s - t)) + (b - t);
    return s;
}

#endif
