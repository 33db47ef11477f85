/* Instruction sets of the random perturbations and of the direct excess risks, chosen at run time.
 *
 * Variants as in _simd.h. The perturbations have no
 * body of their own for variant 1 (SSE2 and NEON multiply no 64-bit lanes) and the same bits in all variants; the
 * excess risks use explicit fused multiply-adds, so that two variants may differ in the last bits of a sum.
 */
#ifndef FASTMINIMA_PERTURB_H
#define FASTMINIMA_PERTURB_H

#include "_vectors.h"
#include <math.h>
#include <string.h>

/* ---- random perturbations */

#define FM_BALL 1
#define FM_NORMAL 2

/* Salmon, Moraes, Dror, Shaw (2011), Philox4x32: multipliers and key increments */
#define FP_M0 0xD2511F53
#define FP_M1 0xCD9E8D57
#define FP_W0 0x9E3779B9
#define FP_W1 0xBB67AE85
/* fdlibm: log in float64, its reduction */
#define FP_L1 6.666666666666735130e-01
#define FP_L2 3.999999999940941908e-01
#define FP_L3 2.857142874366239149e-01
#define FP_L4 2.222219843214978396e-01
#define FP_L5 1.818357216161805012e-01
#define FP_L6 1.531383769920937332e-01
#define FP_L7 1.479819860511658591e-01
#define FP_LN2_HI 6.93147180369123816490e-01
#define FP_LN2_LO 1.90821492927058770002e-10
#define FP_LOG2E 1.44269504088896338700e+00
/* -2 ln(1 + f) / f between the roots of 1/2 and 2 in float32, minimax in relative error: 1.7e-7 */
#define FP_ROOT 0x3F3504F3u /* the root of 1/2 */
#define FP_LNF -0x1.62e43p0f /* -2 ln 2 */
#define FP_L0F -0x1.fffffep0f
#define FP_L1F 0x1.00007ap0f
#define FP_L2F -0x1.5559dcp-1f
#define FP_L3F 0x1.ff623cp-2f
#define FP_L4F -0x1.978e2ep-2f
#define FP_L5F 0x1.614c08p-2f
#define FP_L6F -0x1.4c3d0ap-2f
#define FP_L7F 0x1.9dfa74p-3f
/* sine over its argument and cosine on [-pi/2, pi/2] in float32, minimax: 3.3e-9 and 4.7e-8 */
#define FP_ANGLE 0x1.921fb6p-31f /* pi 2^-32 */
#define FP_S1 -0x1.55553cp-3f
#define FP_S2 0x1.110d6ep-7f
#define FP_S3 -0x1.9f4142p-13f
#define FP_S4 0x1.5bb082p-19f
#define FP_C0 0x1.fffffep-1f
#define FP_C1 -0x1.ffffcp-2f
#define FP_C2 0x1.554edep-5f
#define FP_C3 -0x1.6b2aa2p-10f
#define FP_C4 0x1.847562p-16f

static inline uint64_t fp_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline uint32_t fp_word(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The normals of two blocks of words to eight entries of a row, and their squares to eight sums. */
FM_INLINE void fp_rows_plain(const float *g, double *out, ptrdiff_t step, double *sums)
{
    int e;
    (void)step;
    for (e = 0; e < 8; e++) {
        const double entry = g[4 * (e % 2) + e / 2];
        out[e] = entry;
        sums[e] = sums[e] + entry * entry;
    }
}

#define I_MUL(a, b) (((a) & 0xFFFFFFFF) * ((b) & 0xFFFFFFFF))
#define I_HIGH(a) ((a) >> 32)
#define I_SET1(c) (c)
#define D_SET1(c) (c)
#define AS_I(d) fp_bits(d)
#define AS_D(i) fm_double(i)
#define W_SET1(c) (c)
#define F_SET1(c) (c)
#define AS_W(f) fp_word(f)
#define AS_F(w) fm_single(w)
#define F_OF(w) (float)(int32_t)(w)
#define W_DOWN(w, n) (uint32_t)((int32_t)(w) >> (n))
#define W_TURN(w, n) ((w) << (n) | (w) >> (32 - (n)))
#define F_MIN(a, b) ((a) < (b) ? (a) : (b))
#define F_SQRT(f) sqrtf(f)
#define FP_WORDS(w, v) FP_EACH8 (v)[e] = (uint32_t)(w)[e]
#define FP_ROWS fp_rows_plain
#define FM_SUFFIX plain
#define FM_TARGET
#define LANES 1
#define FP_PAIRS 4
#define DV double
#define IV uint64_t
#define FV float
#define WV uint32_t
#include "_perturb_draw.h"

#ifdef FM_HAVE_X86
typedef uint64_t fp_u4 __attribute__((vector_size(32), may_alias));
typedef uint64_t fp_u8 __attribute__((vector_size(64), may_alias));
typedef uint32_t fp_w8 __attribute__((vector_size(32), may_alias));
typedef uint32_t fp_w16 __attribute__((vector_size(64), may_alias));

/* Four vectors of pairs, one pair a perturbation, to rows of eight. */
__attribute__((target("avx2")))
FM_INLINE void fp_rows_avx2(const __m256 *g, double *out, ptrdiff_t step, double *sums)
{
    const __m256d a = _mm256_castps_pd(g[0]), b = _mm256_castps_pd(g[1]);
    const __m256d c = _mm256_castps_pd(g[2]), d = _mm256_castps_pd(g[3]);
    const __m256d ab0 = _mm256_unpacklo_pd(a, b), ab1 = _mm256_unpackhi_pd(a, b);
    const __m256d cd0 = _mm256_unpacklo_pd(c, d), cd1 = _mm256_unpackhi_pd(c, d);
    __m256d rows[4];
    int l;
    rows[0] = _mm256_permute2f128_pd(ab0, cd0, 0x20);
    rows[1] = _mm256_permute2f128_pd(ab1, cd1, 0x20);
    rows[2] = _mm256_permute2f128_pd(ab0, cd0, 0x31);
    rows[3] = _mm256_permute2f128_pd(ab1, cd1, 0x31);
    FM_UNROLL
    for (l = 0; l < 4; l++, out += step, sums += 8) {
        const __m256 row = _mm256_castpd_ps(rows[l]);
        const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(row));
        const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(row, 1));
        _mm256_storeu_pd(out, low);
        _mm256_storeu_pd(out + 4, high);
        _mm256_store_pd(sums, _mm256_add_pd(_mm256_load_pd(sums), _mm256_mul_pd(low, low)));
        _mm256_store_pd(sums + 4, _mm256_add_pd(_mm256_load_pd(sums + 4), _mm256_mul_pd(high, high)));
    }
}

__attribute__((target("avx512f,avx512dq")))
FM_INLINE void fp_rows_avx512(const __m512 *g, double *out, ptrdiff_t step, double *sums)
{
    const __m512d a = _mm512_castps_pd(g[0]), b = _mm512_castps_pd(g[1]);
    const __m512d c = _mm512_castps_pd(g[2]), d = _mm512_castps_pd(g[3]);
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m512d ab[2] = {_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)};
    const __m512d cd[2] = {_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d)};
    int l;
    FM_UNROLL
    for (l = 0; l < 8; l++, out += step, sums += 8) {
        const __m512d two = _mm512_permutex2var_pd(ab[l & 1], l < 4 ? first : second, cd[l & 1]);
        const __m256d one = l & 2 ? _mm512_extractf64x4_pd(two, 1) : _mm512_castpd512_pd256(two);
        const __m512d row = _mm512_cvtps_pd(_mm256_castpd_ps(one));
        _mm512_storeu_pd(out, row);
        _mm512_store_pd(sums, _mm512_add_pd(_mm512_load_pd(sums), _mm512_mul_pd(row, row)));
    }
}

#define I_MUL(a, b) ((fp_u4)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define I_HIGH(a) ((a) >> 32)
#define I_SET1(c) ((fp_u4)_mm256_set1_epi64x((long long)(c)))
#define D_SET1(c) _mm256_set1_pd(c)
#define AS_I(d) ((fp_u4)(d))
#define AS_D(i) ((__m256d)(i))
#define W_SET1(c) ((fp_w8)_mm256_set1_epi32((int)(c)))
#define F_SET1(c) _mm256_set1_ps(c)
#define AS_W(f) ((fp_w8)(f))
#define AS_F(w) ((__m256)(w))
#define F_OF(w) _mm256_cvtepi32_ps((__m256i)(w))
#define W_DOWN(w, n) (fp_w8)_mm256_srai_epi32((__m256i)(w), n)
#define W_TURN(w, n) ((w) << (n) | (w) >> (32 - (n)))
#define F_MIN(a, b) _mm256_min_ps(a, b)
#define F_SQRT(f) _mm256_sqrt_ps(f)
#define FP_WORDS(w, v) \
    FP_EACH4 (v)[e] = (fp_w8)_mm256_blend_epi32( \
        (__m256i)(w)[e], _mm256_shuffle_epi32((__m256i)(w)[e + 4], 0xA0), 0xAA)
#define FP_ROWS fp_rows_avx2
#define FM_SUFFIX avx2
#define FM_TARGET __attribute__((target("avx2")))
#define LANES 4
#define FP_PAIRS 2
#define DV __m256d
#define IV fp_u4
#define FV __m256
#define WV fp_w8
#include "_perturb_draw.h"

#define I_MUL(a, b) ((fp_u8)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define I_HIGH(a) ((fp_u8)_mm512_shuffle_epi32((__m512i)(a), (_MM_PERM_ENUM)0xF5))
#define I_SET1(c) ((fp_u8)_mm512_set1_epi64((long long)(c)))
#define D_SET1(c) _mm512_set1_pd(c)
#define AS_I(d) ((fp_u8)(d))
#define AS_D(i) ((__m512d)(i))
#define W_SET1(c) ((fp_w16)_mm512_set1_epi32((int)(c)))
#define F_SET1(c) _mm512_set1_ps(c)
#define AS_W(f) ((fp_w16)(f))
#define AS_F(w) ((__m512)(w))
#define F_OF(w) _mm512_cvtepi32_ps((__m512i)(w))
#define W_DOWN(w, n) (fp_w16)_mm512_srai_epi32((__m512i)(w), n)
#define W_TURN(w, n) (fp_w16)_mm512_rol_epi32((__m512i)(w), n)
#define F_MIN(a, b) _mm512_min_ps(a, b)
#define F_SQRT(f) _mm512_sqrt_ps(f)
#define FP_WORDS(w, v) \
    FP_EACH4 (v)[e] = (fp_w16)_mm512_mask_shuffle_epi32( \
        (__m512i)(w)[e], 0xAAAA, (__m512i)(w)[e + 4], (_MM_PERM_ENUM)0xA0)
#define FP_ROWS fp_rows_avx512
#define FM_SUFFIX avx512
#define FM_TARGET __attribute__((target("avx512f,avx512dq")))
#define LANES 8
#define FP_PAIRS 2
#define DV __m512d
#define IV fp_u8
#define FV __m512
#define WV fp_w16
#include "_perturb_draw.h"
#endif

static void fp_draw(int variant, uint64_t seed, uint64_t first, int distribution, double radius, ptrdiff_t K,
                    ptrdiff_t P, double *out)
{
#define fp_draw_v16 fp_draw_plain
#define CALL(v) fp_draw_##v(seed, first, distribution, radius, K, P, out)
    FM_DISPATCH(variant, CALL)
#undef CALL
#undef fp_draw_v16
}

/* ---- direct excess risks */

#define FM_INFINITY HUGE_VAL
/* the smallest positive float32 */
#define FP_TINY 0x1p-149f

typedef struct {
    ptrdiff_t d1, dx;
    const double *W1, *b1, *W2;
    double s_plus, s_minus;
    const double *centre;       /* (dx) subtracted from the inputs, NULL for 0 */
    const double *centred_bias; /* (d1) b1 + W1 centre */
    const double *doubt;        /* (d1, 2) see fp_doubts */
} fp_base;

/* z in double-double from the inputs as they are, rounded: the very bits of `preactivations` in _screen */
static FM_NOINLINE double fp_exactly(const double *w, double b, const double *x, ptrdiff_t dx)
{
    double hi = b, lo = 0.0, f;
    for (ptrdiff_t j = 0; j < dx; j++) {
        const double p = w[j] * x[j], e = fm_error(w[j], x[j], p);
        hi = fm_two_sum(hi, p, &f);
        lo = lo + (e + f);
    }
    return fm_two_sum(hi, lo, &f);
}

/* The base gradient rests on signs of z in double-double. One sample with another sign here would count as moved, by its
 * whole first-order share. A z of unit j computed in float64 has the sign of the one in double-double if it is larger
 * than doubt[2 j] + doubt[2 j + 1] R, R = ||(x, 1)|| about the centre, w the row, b and c its biases without and about
 * the centre mu: x - mu, c, dx products and sums round to (dx + 3) u (|c| + ||w|| R); double-double is within
 * (n^2 + 8 n + 8) u^2 (||w|| + |b|) (R + ||mu||), n = dx + 1 (`fastminima.exact.dd`); and what underflows. In float64
 * a sample with |z| < 2^-16 (|c| + ||w|| R), one in ten thousand, goes to double-double too: a perturbation that just
 * reaches it may have most of its excess from there, and z as computed loses the digits that it is smaller by. */
static void fp_doubts(const fp_base *base, int item, double *doubt)
{
    const double n = (double)(base->dx + 1), once = item == 8 && n < 0x1p32 ? 0x1p-16 : 1.01 * (n + 2) * 0x1p-53;
    const double twice = 1.01 * (n * n + 8 * n + 8) * 0x1p-106;
    double far = 0.0;
    for (ptrdiff_t j = 0; base->centre && j < base->dx; j++)
        far += base->centre[j] * base->centre[j];
    far = sqrt(far);
    for (ptrdiff_t u = 0; u < base->d1; u++) {
        double norm = 0.0;
        for (ptrdiff_t j = 0; j < base->dx; j++)
            norm += base->W1[u * base->dx + j] * base->W1[u * base->dx + j];
        norm = sqrt(norm) + 0x1p-500;
        const double both = twice * (norm + fabs(base->b1[u]));
        doubt[2 * u] = once * fabs(base->centred_bias[u]) + both * far + n * 0x1p-1060;
        doubt[2 * u + 1] = once * norm + both;
    }
}

/* A lane is safe if |dz| < |z| as computed. With u the roundoff of the working precision, |dz| <= (1 + u)^(dx + 3)
 * ||(dw, db)|| ||(x, 1)|| after the rounding of x, and each of the two norms may be too small by (dx + 4) halves of u, the
 * quotient and the product by 3 u: together less than 3 (dx + 8) u. */
#define FP_SLACK(dx, item) (4.0 * (double)((dx) + 8) * ((item) == 4 ? 0x1p-24 : 0x1p-53))

/* parameters and slopes of a block beside one panel in the first-level cache */
static inline ptrdiff_t fp_block_tuples(ptrdiff_t d1, ptrdiff_t dx, size_t item)
{
    const ptrdiff_t fits = FM_BLOCK_BYTES / (ptrdiff_t)item / (d1 * (dx + 5) + 1);
    return fits < 1 ? 1 : fits > FM_BLOCK_TUPLES ? FM_BLOCK_TUPLES : fits;
}

/* What is made of the parameters of so many perturbations, whole blocks, before they pass the samples; it stays in the
 * second-level cache. */
#define FP_BATCH_BYTES (1024 * 1024)

static inline ptrdiff_t fp_batch_blocks(ptrdiff_t d1, ptrdiff_t dx, size_t item)
{
    const ptrdiff_t each = (item == 4 ? d1 * (dx + 2) + 1 : 0) + 2 * d1;
    const ptrdiff_t fits = FP_BATCH_BYTES / (ptrdiff_t)item / each / fp_block_tuples(d1, dx, item);
    return fits < 1 ? 1 : fits;
}

#if defined(__GNUC__) || defined(__clang__)
#define fp_count_bits(bits) __builtin_popcount(bits)
#else
static inline int fp_count_bits(unsigned bits)
{
    int count = 0;
    for (; bits; bits &= bits - 1)
        count++;
    return count;
}
#endif

#ifdef FM_HAVE_VECTOR16
typedef double fp_d4 __attribute__((vector_size(32)));
typedef double fp_d4u __attribute__((vector_size(32), may_alias, aligned(8)));
typedef double fp_d8 __attribute__((vector_size(64)));
typedef double fp_d8u __attribute__((vector_size(64), may_alias, aligned(8)));
#endif

#define FM_BODY "_perturb_tile.h"
#include "_each.h"

static void fp_excess_f64(int variant, const fp_base *base, const double *X, const double *e, const double *weight,
                          ptrdiff_t m, const double *delta, const double *bias, ptrdiff_t K, int packed,
                          double *workspace, double *quadratic, double *change, int64_t *n_changed)
{
#define CALL(v) \
    fp_excess_##v##_f64(*base, X, e, weight, m, delta, bias, K, packed, workspace, quadratic, change, n_changed)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fp_excess_f32(int variant, const fp_base *base, const double *X, const double *e, const double *weight,
                          ptrdiff_t m, const double *delta, const double *bias, ptrdiff_t K, int packed,
                          float *workspace, double *quadratic, double *change, int64_t *n_changed)
{
#define CALL(v) \
    fp_excess_##v##_f32(*base, X, e, weight, m, delta, bias, K, packed, workspace, quadratic, change, n_changed)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

#endif
