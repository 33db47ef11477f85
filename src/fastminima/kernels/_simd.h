/* What the kernels of the exact pass share: compiler words, and which instruction set this machine has.
 *
 * Variants: 0 plain C, one lane, any compiler; 1 vectors of 16 bytes from the compiler's own extension (SSE2, NEON);
 * 2 AVX2 with FMA; 3 AVX-512. All give the same bits: what they compute is integers, or decided exactly later.
 */
#ifndef FASTMINIMA_SIMD_H
#define FASTMINIMA_SIMD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER) && !defined(__clang__)
#define FS_INLINE static __forceinline
#define FS_RESTRICT __restrict
#else
#define FS_INLINE static inline __attribute__((always_inline))
#define FS_RESTRICT __restrict__
#endif

#if defined(__clang__)
#define FS_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define FS_UNROLL _Pragma("GCC unroll 16")
#else
#define FS_UNROLL
#endif

#if defined(__GNUC__) || defined(__clang__)
#define FS_HAVE_VECTOR16 1
#if defined(__x86_64__)
#define FS_HAVE_X86 1
#include <immintrin.h>
#endif
#endif

static int fs_best_variant(void)
{
#ifdef FS_HAVE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw"))
        return 3;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return 2;
#endif
#ifdef FS_HAVE_VECTOR16
    return 1;
#else
    return 0;
#endif
}

#ifdef FS_HAVE_VECTOR16
#define FS_CASE16(call) case 1: call(v16); break;
#else
#define FS_CASE16(call)
#endif
#ifdef FS_HAVE_X86
#define FS_CASEX86(call) case 2: call(avx2); break; case 3: call(avx512); break;
#else
#define FS_CASEX86(call)
#endif
#define FS_DISPATCH(variant, call) \
    switch (variant) { FS_CASE16(call) FS_CASEX86(call) default: call(plain); }

static inline void *fs_align(void *p)
{
    return (void *)(((uintptr_t)p + 63) & ~(uintptr_t)63);
}

#endif
