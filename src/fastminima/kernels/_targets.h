/* The choice of instructions for bodies in plain C whose result no vector width changes: compiled once for each target. */
#ifndef FASTMINIMA_TARGETS_H
#define FASTMINIMA_TARGETS_H

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define FT_HAVE_X86 1
#define FT_AVX2 __attribute__((target("avx2")))
#define FT_AVX512 __attribute__((target("avx512f,prefer-vector-width=512")))
#endif

/* the widest variant this machine has: 0 plain, 1 AVX2, 2 AVX-512 */
static inline int ft_best(void)
{
#ifdef FT_HAVE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return 2;
    if (__builtin_cpu_supports("avx2"))
        return 1;
#endif
    return 0;
}

/* call(suffix) of the variant */
#ifdef FT_HAVE_X86
#define FT_DISPATCH(variant, call) \
    switch (variant) { case 2: call(avx512); break; case 1: call(avx2); break; default: call(plain); }
#else
#define FT_DISPATCH(variant, call) { (void)(variant); call(plain); }
#endif

#endif
