/* The words one kernel's body is written in, for the variant and precision that the includer names in FM_WORDS.
 *
 * FM_SUFFIX, FM_NAME(stem), FM_TARGET; REAL, FM_ITEM (its bytes), VEC, LANES, ROWS (hidden units in a register tile)
 * V_LOAD V_STORE (aligned), V_LOADU V_STOREU, V_SET1, V_MUL V_ADD V_SUB V_ABS; V_FMA(a, b, c) = a b + c, fused where
 *     the instruction set has that
 * V_PICK(z, p, n): lane by lane n where z is negative, else p (at z = +-0 either)
 * V_TURN(z, V_SET1(V_UP(s)), n): the same with s = 1 or -1 for p
 * ANY: a running disjunction of lanes where just one of a < 0, b < 0 holds: ANY_NONE, ANY_OR(any, a, b), ANY_SET(any). A
 *     zero may have either sign as b, never as a. What happens in such lanes: if V_MOVES, V_MOVE(moved, count, a, b, gap)
 *     adds gap |b| to moved and 1 to count, integers INT of REAL's size in a COUNT; else V_FLIPS(a, b) are their bits and
 *     V_FLIP(a, b, t) is t there, else 0
 * float64 also: V_POSITIVE(z, p, n), p where z > 0 and else n; V_ERROR(a, b, p) = a b - p for p = fl(a b), exactly.
 *     + - * on VEC round each operation.
 * V_TRANSPOSE4, where there is one: four rows of float64 to four columns of REAL.
 * _words_end.h undefines them all.
 */

#if FM_WORDS == FM_PLAIN_F64 || FM_WORDS == FM_PLAIN_F32

#if FM_WORDS == FM_PLAIN_F64
#define FM_SUFFIX plain_f64
#define REAL double
#else
#define FM_SUFFIX plain_f32
#define REAL float
#endif
#define FM_TARGET
#define VEC REAL
#define LANES 1
#define V_LOAD(p) (*(p))
#define V_LOADU(p) (*(p))
#define V_STORE(p, v) (*(p) = (v))
#define V_STOREU(p, v) (*(p) = (v))
#define V_SET1(s) (s)
#define V_FMA(a, b, c) ((a) * (b) + (c))
#define V_MUL(a, b) ((a) * (b))
#define V_ADD(a, b) ((a) + (b))
#define V_SUB(a, b) ((a) - (b))
#define V_ABS(a) (REAL)fabs(a)
#define V_PICK(z, p, n) ((z) < 0 ? (n) : (p))
#define V_FLIPS(a, b) (unsigned)(((a) < 0) != ((b) < 0))
#define V_FLIP(a, b, t) (((a) < 0) != ((b) < 0) ? (t) : 0)
#define ANY unsigned
#define ANY_NONE 0
#define ANY_OR(any, a, b) ((any) |= V_FLIPS(a, b))
#define ANY_SET(any) (any)
#define V_POSITIVE(z, p, n) ((z) > 0 ? (p) : (n))
#define V_ERROR(a, b, p) fm_error(a, b, p)

#elif FM_WORDS == FM_V16_F64 || FM_WORDS == FM_V16_F32

#if FM_WORDS == FM_V16_F64
#define FM_SUFFIX v16_f64
#define REAL double
#define VEC fm_v2
#define LANES 2
#define V_LOADU(p) (*(const fm_v2u *)(p))
#define V_STOREU(p, v) (*(fm_v2u *)(p) = (v))
#define V_SET1(s) ((fm_v2){(s), (s)})
#define V_ABS(a) fm_abs2(a)
#define V_PICK(z, p, n) fm_pick2((z) < (fm_v2){0, 0}, p, n)
#define V_FLIPS(a, b) fm_mask2(fm_turned2(a, b))
#define V_FLIP(a, b, t) (fm_v2)(fm_turned2(a, b) & (fm_i2)(t))
#define ANY fm_i2
#define ANY_OR(any, a, b) ((any) |= fm_turned2(a, b))
#define ANY_SET(any) fm_mask2(any)
#define V_POSITIVE(z, p, n) fm_pick2((z) > (fm_v2){0, 0}, n, p)
#define V_ERROR(a, b, p) ((fm_v2){fm_error((a)[0], (b)[0], (p)[0]), fm_error((a)[1], (b)[1], (p)[1])})
#else
#define FM_SUFFIX v16_f32
#define REAL float
#define VEC fm_v4
#define LANES 4
#define V_LOADU(p) (*(const fm_v4u *)(p))
#define V_STOREU(p, v) (*(fm_v4u *)(p) = (v))
#define V_SET1(s) ((fm_v4){(s), (s), (s), (s)})
#define V_ABS(a) fm_abs4(a)
#define V_PICK(z, p, n) fm_pick4(z, p, n)
#define V_FLIPS(a, b) fm_mask4(fm_turned4(a, b))
#define V_FLIP(a, b, t) (fm_v4)(fm_turned4(a, b) & (fm_i4)(t))
#define ANY fm_i4
#define ANY_OR(any, a, b) ((any) |= fm_turned4(a, b))
#define ANY_SET(any) fm_mask4(any)
#endif
#define FM_TARGET
#define V_LOAD(p) (*(const VEC *)(p))
#define V_STORE(p, v) (*(VEC *)(p) = (v))
#define V_FMA(a, b, c) ((a) * (b) + (c))
#define V_MUL(a, b) ((a) * (b))
#define V_ADD(a, b) ((a) + (b))
#define V_SUB(a, b) ((a) - (b))
#define ANY_NONE {0}

#elif FM_WORDS == FM_AVX2_F64

#define FM_SUFFIX avx2_f64
#define FM_TARGET __attribute__((target("avx2,fma")))
#define REAL double
#define VEC __m256d
#define LANES 4
#define V_LOAD(p) _mm256_load_pd(p)
#define V_LOADU(p) _mm256_loadu_pd(p)
#define V_STORE(p, v) _mm256_store_pd(p, v)
#define V_STOREU(p, v) _mm256_storeu_pd(p, v)
#define V_SET1(s) _mm256_set1_pd(s)
#define V_FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define V_MUL(a, b) _mm256_mul_pd(a, b)
#define V_ADD(a, b) _mm256_add_pd(a, b)
#define V_SUB(a, b) _mm256_sub_pd(a, b)
#define V_ABS(a) _mm256_andnot_pd(_mm256_set1_pd(-0.0), a)
#define V_PICK(z, p, n) _mm256_blendv_pd(p, n, z)
#define V_FLIPS(a, b) (unsigned)_mm256_movemask_pd(_mm256_xor_pd(a, b))
#define V_FLIP(a, b, t) _mm256_blendv_pd(_mm256_setzero_pd(), t, _mm256_xor_pd(a, b))
#define ANY __m256d
#define ANY_NONE _mm256_setzero_pd()
#define ANY_OR(any, a, b) ((any) = _mm256_or_pd(any, _mm256_xor_pd(a, b)))
#define ANY_SET(any) _mm256_movemask_pd(any)
#define V_POSITIVE(z, p, n) _mm256_blendv_pd(n, p, _mm256_cmp_pd(z, _mm256_setzero_pd(), _CMP_GT_OQ))
#define V_ERROR(a, b, p) _mm256_fmsub_pd(a, b, p)
#define V_TRANSPOSE4 fm_transpose4_f64

#elif FM_WORDS == FM_AVX2_F32

#define FM_SUFFIX avx2_f32
#define FM_TARGET __attribute__((target("avx2,fma")))
#define REAL float
#define VEC __m256
#define LANES 8
#define V_LOAD(p) _mm256_load_ps(p)
#define V_LOADU(p) _mm256_loadu_ps(p)
#define V_STORE(p, v) _mm256_store_ps(p, v)
#define V_STOREU(p, v) _mm256_storeu_ps(p, v)
#define V_SET1(s) _mm256_set1_ps(s)
#define V_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define V_MUL(a, b) _mm256_mul_ps(a, b)
#define V_ADD(a, b) _mm256_add_ps(a, b)
#define V_SUB(a, b) _mm256_sub_ps(a, b)
#define V_ABS(a) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define V_PICK(z, p, n) _mm256_blendv_ps(p, n, z)
#define V_FLIPS(a, b) (unsigned)_mm256_movemask_ps(_mm256_xor_ps(a, b))
#define V_FLIP(a, b, t) _mm256_blendv_ps(_mm256_setzero_ps(), t, _mm256_xor_ps(a, b))
#define ANY __m256
#define ANY_NONE _mm256_setzero_ps()
#define ANY_OR(any, a, b) ((any) = _mm256_or_ps(any, _mm256_xor_ps(a, b)))
#define ANY_SET(any) _mm256_movemask_ps(any)
#define V_TRANSPOSE4 fm_transpose4_f32

#elif FM_WORDS == FM_AVX512_F64

#define FM_SUFFIX avx512_f64
#define FM_TARGET __attribute__((target("avx512f,avx512dq")))
#define REAL double
#define VEC __m512d
#define LANES 8
#define FM_SIGNS(z) _mm512_movepi64_mask(_mm512_castpd_si512(z))
#define V_LOAD(p) _mm512_load_pd(p)
#define V_LOADU(p) _mm512_loadu_pd(p)
#define V_STORE(p, v) _mm512_store_pd(p, v)
#define V_STOREU(p, v) _mm512_storeu_pd(p, v)
#define V_SET1(s) _mm512_set1_pd(s)
#define V_FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define V_MUL(a, b) _mm512_mul_pd(a, b)
#define V_ADD(a, b) _mm512_add_pd(a, b)
#define V_SUB(a, b) _mm512_sub_pd(a, b)
#define V_ABS(a) _mm512_abs_pd(a)
#define V_PICK(z, p, n) _mm512_mask_blend_pd(FM_SIGNS(z), p, n)
/* one instruction for a comparison and a blend: +-1 for what the code's nibbles call positive, n for everything else */
#define V_UP(s) fm_double((s) < 0 ? FM_CODE_MINUS : FM_CODE_PLUS)
#define V_TURN(z, p, n) _mm512_fixupimm_pd(n, z, _mm512_castpd_si512(p), 0)
#define ANY __m512i
#define ANY_NONE _mm512_setzero_si512()
/* 0xF6: any | (a ^ b) */
#define ANY_OR(any, a, b) \
    ((any) = _mm512_ternarylogic_epi64(any, _mm512_castpd_si512(a), _mm512_castpd_si512(b), 0xF6))
#define ANY_SET(any) _mm512_movepi64_mask(any)
/* 0x6C: next with its sign turned where base has one */
#define V_MOVE(moved, count, base, next, gap) \
    do { \
        const __m512i t_ = _mm512_ternarylogic_epi64(_mm512_castpd_si512(base), _mm512_castpd_si512(next), \
                                                     _mm512_set1_epi64(INT64_MIN), 0x6C); \
        const __mmask8 k_ = _mm512_movepi64_mask(t_); \
        (moved) = _mm512_mask3_fnmadd_pd(gap, _mm512_castsi512_pd(t_), moved, k_); \
        (count) = _mm512_mask_add_epi64(count, k_, count, _mm512_set1_epi64(1)); \
    } while (0)
#define V_MOVES 1
#define INT int64_t
#define COUNT __m512i
#define V_POSITIVE(z, p, n) _mm512_mask_blend_pd(_mm512_cmp_pd_mask(z, _mm512_setzero_pd(), _CMP_GT_OQ), n, p)
#define V_ERROR(a, b, p) _mm512_fmsub_pd(a, b, p)
#define V_TRANSPOSE4 fm_transpose4_f64

#elif FM_WORDS == FM_AVX512_F32

#define FM_SUFFIX avx512_f32
#define FM_TARGET __attribute__((target("avx512f,avx512dq")))
#define REAL float
#define VEC __m512
#define LANES 16
#define FM_SIGNS(z) _mm512_movepi32_mask(_mm512_castps_si512(z))
#define V_LOAD(p) _mm512_load_ps(p)
#define V_LOADU(p) _mm512_loadu_ps(p)
#define V_STORE(p, v) _mm512_store_ps(p, v)
#define V_STOREU(p, v) _mm512_storeu_ps(p, v)
#define V_SET1(s) _mm512_set1_ps(s)
#define V_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define V_MUL(a, b) _mm512_mul_ps(a, b)
#define V_ADD(a, b) _mm512_add_ps(a, b)
#define V_SUB(a, b) _mm512_sub_ps(a, b)
#define V_ABS(a) _mm512_abs_ps(a)
#define V_PICK(z, p, n) _mm512_mask_blend_ps(FM_SIGNS(z), p, n)
#define V_UP(s) fm_single((s) < 0 ? FM_CODE_MINUS : FM_CODE_PLUS)
#define V_TURN(z, p, n) _mm512_fixupimm_ps(n, z, _mm512_castps_si512(p), 0)
#define ANY __m512i
#define ANY_NONE _mm512_setzero_si512()
#define ANY_OR(any, a, b) \
    ((any) = _mm512_ternarylogic_epi64(any, _mm512_castps_si512(a), _mm512_castps_si512(b), 0xF6))
#define ANY_SET(any) _mm512_movepi32_mask(any)
#define V_MOVE(moved, count, base, next, gap) \
    do { \
        const __m512i t_ = _mm512_ternarylogic_epi32(_mm512_castps_si512(base), _mm512_castps_si512(next), \
                                                     _mm512_set1_epi32(INT32_MIN), 0x6C); \
        const __mmask16 k_ = _mm512_movepi32_mask(t_); \
        (moved) = _mm512_mask3_fnmadd_ps(gap, _mm512_castsi512_ps(t_), moved, k_); \
        (count) = _mm512_mask_add_epi32(count, k_, count, _mm512_set1_epi32(1)); \
    } while (0)
#define V_MOVES 1
#define INT int32_t
#define COUNT __m512i
#define V_TRANSPOSE4 fm_transpose4_f32

#endif

#ifndef V_MOVES
#define V_MOVES 0
#define INT REAL
#define COUNT VEC
#define V_MOVE(moved, count, base, next, gap) ((void)(count))
#endif

#ifndef V_TURN
#define V_UP(s) (REAL)(s)
#define V_TURN(z, p, n) V_PICK(z, p, n)
#endif

#define FM_NAME(stem) FM_PASTE(stem, FM_SUFFIX)
#if FM_WORDS % 2 == 0
#define FM_ITEM 8
#else
#define FM_ITEM 4
#endif
#if FM_WORDS == FM_AVX512_F64 || FM_WORDS == FM_AVX512_F32
#define ROWS FM_ROWS512
#else
#define ROWS FM_ROWS
#endif
