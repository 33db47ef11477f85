/* More words for bodies in the words of _words.h: comparisons, and numbers by their bits (undefined in _vecmath_end.h).
 *
 * V_DIV; V_BELOW(a, b, p, n): lane by lane p where a < b, else n (also where either is NaN); V_MIN, V_MAX: where either
 *     is NaN the second operand, so that V_MIN(constant, x) keeps a NaN in x
 * BITS: a vector of unsigned integers UINT of REAL's size; V_BITS, V_REAL: from and to it
 * DIGITS: bits of the fraction, ONE: the bits of 1.0; ROUND: 1.5 * 2^DIGITS, which added to a smaller number leaves its
 *     nearest integer in the last bits
 * V_POW2(t): 2^k for t = k + ROUND and exponents of normal numbers; V_TIMES2(p, t): p * 2^k, rounded once
 * V_SIGNED(a, x): |a| with the sign of x; V_HIGH(x): x with half of its digits
 * x > 0 as 2^k m, m in [sqrt(1/2), sqrt(2)): V_FRACTION(x) is m, V_EXPONENT(x) is k, V_SHRINK(x) is 2^-k for k < 1024 (128)
 *
 * ROW: WAYS vectors that go through a function in step, as every chain of operations waits for itself; T_MUL etc.: V_MUL etc.
 * of each of them.
 */
#if FM_ITEM == 8
#define UINT uint64_t
#define DIGITS 52
#define ONE UINT64_C(0x3ff0000000000000)
#define SIGN_BIT UINT64_C(0x8000000000000000)
#define ROUND 6755399441055744.0
#else
#define UINT uint32_t
#define DIGITS 23
#define ONE UINT32_C(0x3f800000)
#define SIGN_BIT UINT32_C(0x80000000)
#define ROUND 12582912.0f
#endif
#define V_DIV(a, b) ((a) / (b))

/* the numbers of _vecmath.h */
#if FM_ITEM == 8
#define FV_EXP fv_exp_f64
#define FV_LOG fv_log_f64
#define FV_ERF fv_erf_f64
#define FV_ERFCX fv_erfcx_f64
#define FV_LOG2 0x1.62e42feep-1
#define FV_LOG2_LOW 0x1.a39ef35793c76p-33
#define FV_LEAST -746
#define FV_MOST 710
#define FV_NEGLIGIBLE -700
#define FV_ROOT_HALF UINT64_C(0x3fe6a09e667f3bcd)
#define FV_TWO_DIGITS UINT64_C(0x4330000000000000)
#define FV_TWO_BIASED (4503599627370496.0 + 1023)
#define FV_LARGE 0x1p64
#define FV_GREATEST DBL_MAX
#define FV_SPREAD 2.21875
#define FV_ERFC_END 27.4
#define FV_SQUARE_END 40
#else
#define FV_EXP fv_exp_f32
#define FV_LOG fv_log_f32
#define FV_ERF fv_erf_f32
#define FV_ERFCX fv_erfcx_f32
#define FV_LOG2 0x1.62e4p-1
#define FV_LOG2_LOW 0x1.7f7d1cp-20
#define FV_LEAST -105
#define FV_MOST 89
#define FV_NEGLIGIBLE -80
#define FV_ROOT_HALF UINT32_C(0x3f3504f3)
#define FV_TWO_DIGITS UINT32_C(0x4b000000)
#define FV_TWO_BIASED (8388608 + 127)
#define FV_LARGE 0x1p32
#define FV_GREATEST FLT_MAX
#define FV_SPREAD 2.5625
#define FV_ERFC_END 10.6
#define FV_SQUARE_END 16
#endif
#define FV_PER_LOG2 0x1.71547652b82fep+0
#define FV_ROOT_OF_HALF 0x1.6a09e667f3bcdp-1

#if LANES == 1
#define BITS UINT
#define V_BELOW(a, b, p, n) ((a) < (b) ? (p) : (n))
#define V_MIN(a, b) ((a) < (b) ? (a) : (b))
#define V_MAX(a, b) ((a) > (b) ? (a) : (b))
#if FM_ITEM == 8
#define V_BITS(v) fm_bits_of_double(v)
#define V_REAL(b) fm_double(b)
#else
#define V_BITS(v) fm_bits_of_single(v)
#define V_REAL(b) fm_single(b)
#endif

#else
#define V_BITS(v) ((BITS)(v))
#define V_REAL(b) ((VEC)(b))
#if LANES * FM_ITEM == 16
#define V_BELOW(a, b, p, n) V_REAL(((BITS)((a) < (b)) & V_BITS(p)) | (~(BITS)((a) < (b)) & V_BITS(n)))
#define V_MIN(a, b) V_BELOW(a, b, a, b)
#define V_MAX(a, b) V_BELOW(b, a, a, b)
#if FM_ITEM == 8
#define BITS fm_u2
#else
#define BITS fm_u4
#endif
#elif LANES == 4
#define BITS fm_u4x64
#define V_BELOW(a, b, p, n) _mm256_blendv_pd(n, p, _mm256_cmp_pd(a, b, _CMP_LT_OQ))
#define V_MIN(a, b) _mm256_min_pd(a, b)
#define V_MAX(a, b) _mm256_max_pd(a, b)
#elif LANES == 8 && FM_ITEM == 4
#define BITS fm_u8x32
#define V_BELOW(a, b, p, n) _mm256_blendv_ps(n, p, _mm256_cmp_ps(a, b, _CMP_LT_OQ))
#define V_MIN(a, b) _mm256_min_ps(a, b)
#define V_MAX(a, b) _mm256_max_ps(a, b)
#elif LANES == 8
#define BITS fm_u8x64
#define V_BELOW(a, b, p, n) _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), n, p)
#define V_MIN(a, b) _mm512_min_pd(a, b)
#define V_MAX(a, b) _mm512_max_pd(a, b)
#define V_TIMES2(p, t) _mm512_scalef_pd(p, V_SUB(t, V_SET1(ROUND)))
#else
#define BITS fm_u16x32
#define V_BELOW(a, b, p, n) _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), n, p)
#define V_MIN(a, b) _mm512_min_ps(a, b)
#define V_MAX(a, b) _mm512_max_ps(a, b)
#define V_TIMES2(p, t) _mm512_scalef_ps(p, V_SUB(t, V_SET1(ROUND)))
#endif
#endif

#define V_POW2(t) V_REAL((V_BITS(t) << DIGITS) + ONE)
#define V_SIGNED(a, x) V_REAL((V_BITS(a) & ~SIGN_BIT) | (V_BITS(x) & SIGN_BIT))
#define V_HIGH(x) V_REAL(V_BITS(x) & ~(((UINT)1 << ((DIGITS + 2) / 2)) - 1))
#define V_RAISED(x) (V_BITS(x) + (ONE - FV_ROOT_HALF))
#define V_FRACTION(x) V_REAL((V_RAISED(x) & (((UINT)1 << DIGITS) - 1)) + FV_ROOT_HALF)
#define V_EXPONENT(x) V_SUB(V_REAL((V_RAISED(x) >> DIGITS) | FV_TWO_DIGITS), V_SET1((REAL)FV_TWO_BIASED))
#define V_SHRINK(x) V_REAL((2 * (ONE >> DIGITS) - (V_RAISED(x) >> DIGITS)) << DIGITS)
#ifndef V_TIMES2
/* through two powers of two of half the exponent, both normal numbers */
FM_TARGET FM_INLINE VEC FM_NAME(fv_times2)(const VEC p, const VEC t)
{
    const VEC k = V_SUB(t, V_SET1(ROUND)), half = V_FMA(k, V_SET1((REAL)0.5), V_SET1(ROUND));
    const VEC rest = V_ADD(V_SUB(k, V_SUB(half, V_SET1(ROUND))), V_SET1(ROUND));
    return V_MUL(V_MUL(p, V_POW2(half)), V_POW2(rest));
}
#define V_TIMES2(p, t) FM_NAME(fv_times2)(p, t)
#endif

#if LANES == 1
#define WAYS 1
#define ALL(each) each(a)
#elif ROWS > 4
#define WAYS 3
#define ALL(each) each(a) each(b) each(c)
#else
#define WAYS 2
#define ALL(each) each(a) each(b)
#endif
typedef struct {
#define EACH(w) VEC w;
    ALL(EACH)
#undef EACH
} FM_NAME(fv_row);
#define ROW FM_NAME(fv_row)

FM_TARGET FM_INLINE ROW FM_NAME(fv_set1)(const REAL x)
{
    const VEC all = V_SET1(x);
    ROW row;
#define EACH(w) row.w = all;
    ALL(EACH)
#undef EACH
    return row;
}

FM_TARGET FM_INLINE ROW FM_NAME(fv_load)(const VEC *p)
{
    ROW row;
#define EACH(w) row.w = *p++;
    ALL(EACH)
#undef EACH
    return row;
}

FM_TARGET FM_INLINE void FM_NAME(fv_store)(VEC *p, const ROW row)
{
#define EACH(w) *p++ = row.w;
    ALL(EACH)
#undef EACH
}

#define FV_DEFINE(name, arguments, each) \
    FM_TARGET FM_INLINE ROW FM_NAME(name) arguments \
    { \
        ROW row; \
        ALL(each) \
        return row; \
    }
#define EACH(w) row.w = V_ABS(x.w);
FV_DEFINE(fv_abs, (const ROW x), EACH)
#undef EACH
#define EACH(w) row.w = V_POW2(x.w);
FV_DEFINE(fv_pow2, (const ROW x), EACH)
#undef EACH
#define EACH(w) row.w = V_HIGH(x.w);
FV_DEFINE(fv_high, (const ROW x), EACH)
#undef EACH
#define EACH(w) row.w = V_FRACTION(x.w);
FV_DEFINE(fv_fraction, (const ROW x), EACH)
#undef EACH
#define EACH(w) row.w = V_EXPONENT(x.w);
FV_DEFINE(fv_exponent, (const ROW x), EACH)
#undef EACH
#define EACH(w) row.w = V_SHRINK(x.w);
FV_DEFINE(fv_shrink, (const ROW x), EACH)
#undef EACH
#define EACH(w) row.w = V_MUL(x.w, y.w);
FV_DEFINE(fv_mul, (const ROW x, const ROW y), EACH)
#undef EACH
#define EACH(w) row.w = V_ADD(x.w, y.w);
FV_DEFINE(fv_add, (const ROW x, const ROW y), EACH)
#undef EACH
#define EACH(w) row.w = V_SUB(x.w, y.w);
FV_DEFINE(fv_sub, (const ROW x, const ROW y), EACH)
#undef EACH
#define EACH(w) row.w = V_DIV(x.w, y.w);
FV_DEFINE(fv_div, (const ROW x, const ROW y), EACH)
#undef EACH
#define EACH(w) row.w = V_MIN(x.w, y.w);
FV_DEFINE(fv_min, (const ROW x, const ROW y), EACH)
#undef EACH
#define EACH(w) row.w = V_MAX(x.w, y.w);
FV_DEFINE(fv_max, (const ROW x, const ROW y), EACH)
#undef EACH
#define EACH(w) row.w = V_SIGNED(x.w, y.w);
FV_DEFINE(fv_signed, (const ROW x, const ROW y), EACH)
#undef EACH
#define EACH(w) row.w = V_TIMES2(x.w, y.w);
FV_DEFINE(fv_scaled, (const ROW x, const ROW y), EACH)
#undef EACH
#define EACH(w) row.w = V_FMA(x.w, y.w, z.w);
FV_DEFINE(fv_fma, (const ROW x, const ROW y, const ROW z), EACH)
#undef EACH
#define EACH(w) row.w = V_BELOW(x.w, y.w, p.w, n.w);
FV_DEFINE(fv_below, (const ROW x, const ROW y, const ROW p, const ROW n), EACH)
#undef EACH
#undef FV_DEFINE
#define T_SET1(x) FM_NAME(fv_set1)((REAL)(x))
#define T_ABS(x) FM_NAME(fv_abs)(x)
#define T_POW2(x) FM_NAME(fv_pow2)(x)
#define T_HIGH(x) FM_NAME(fv_high)(x)
#define T_FRACTION(x) FM_NAME(fv_fraction)(x)
#define T_EXPONENT(x) FM_NAME(fv_exponent)(x)
#define T_SHRINK(x) FM_NAME(fv_shrink)(x)
#define T_MUL(x, y) FM_NAME(fv_mul)(x, y)
#define T_ADD(x, y) FM_NAME(fv_add)(x, y)
#define T_SUB(x, y) FM_NAME(fv_sub)(x, y)
#define T_DIV(x, y) FM_NAME(fv_div)(x, y)
#define T_MIN(x, y) FM_NAME(fv_min)(x, y)
#define T_MAX(x, y) FM_NAME(fv_max)(x, y)
#define T_SIGNED(x, y) FM_NAME(fv_signed)(x, y)
#define T_TIMES2(x, y) FM_NAME(fv_scaled)(x, y)
#define T_FMA(x, y, z) FM_NAME(fv_fma)(x, y, z)
#define T_BELOW(x, y, p, n) FM_NAME(fv_below)(x, y, p, n)
