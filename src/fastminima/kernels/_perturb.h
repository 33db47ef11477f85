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
/* fdlibm: log, its reduction, sine and cosine on [-pi/4, pi/4] */
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
#define FP_PI 3.14159265358979311600e+00
#define FP_S1 -1.66666666666666324348e-01
#define FP_S2 8.33333333332248946124e-03
#define FP_S3 -1.98412698298579493134e-04
#define FP_S4 2.75573137070700676789e-06
#define FP_S5 -2.50507602534068634195e-08
#define FP_S6 1.58969099521155010221e-10
#define FP_C1 4.16666666666666019037e-02
#define FP_C2 -1.38888888888741095749e-03
#define FP_C3 2.48015872894767294178e-05
#define FP_C4 -2.75573143513906633035e-07
#define FP_C5 2.08757232129817482790e-09
#define FP_C6 -1.13596475577881948265e-11

static inline double fp_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t fp_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#define I_MUL(a, b) (((a) & 0xFFFFFFFF) * ((b) & 0xFFFFFFFF))
#define I_SET1(c) (c)
#define D_SET1(c) (c)
#define AS_I(d) fp_bits(d)
#define AS_D(i) fp_double(i)
#define D_SQRT(d) sqrt(d)
#define D_STORE(p, d) (*(p) = (d))
#define FM_SUFFIX plain
#define FM_TARGET
#define LANES 1
#define FP_PAIRS 1
#define DV double
#define IV uint64_t
#include "_perturb_draw.h"

#ifdef FM_HAVE_X86
typedef uint64_t fp_u4 __attribute__((vector_size(32)));
typedef uint64_t fp_u8 __attribute__((vector_size(64)));

/* eight vectors of four perturbations to four rows of eight entries */
__attribute__((target("avx2")))
FM_INLINE void fp_rows4(const __m256d *g, double *out, ptrdiff_t step)
{
    int half;
    for (half = 0; half < 2; half++, g += 4, out += 4) {
        const __m256d ab0 = _mm256_unpacklo_pd(g[0], g[1]), ab1 = _mm256_unpackhi_pd(g[0], g[1]);
        const __m256d cd0 = _mm256_unpacklo_pd(g[2], g[3]), cd1 = _mm256_unpackhi_pd(g[2], g[3]);
        _mm256_storeu_pd(out, _mm256_permute2f128_pd(ab0, cd0, 0x20));
        _mm256_storeu_pd(out + step, _mm256_permute2f128_pd(ab1, cd1, 0x20));
        _mm256_storeu_pd(out + 2 * step, _mm256_permute2f128_pd(ab0, cd0, 0x31));
        _mm256_storeu_pd(out + 3 * step, _mm256_permute2f128_pd(ab1, cd1, 0x31));
    }
}

/* eight by eight */
__attribute__((target("avx512f,avx512dq")))
FM_INLINE void fp_rows8(const __m512d *g, double *out, ptrdiff_t step)
{
    __m512d pairs[8], fours[8];
    int i;
    FM_UNROLL
    for (i = 0; i < 4; i++) {
        pairs[i] = _mm512_unpacklo_pd(g[2 * i], g[2 * i + 1]);
        pairs[4 + i] = _mm512_unpackhi_pd(g[2 * i], g[2 * i + 1]);
    }
    /* pairs[4 odd + i]: entries 2i, 2i + 1 of the rows odd, odd + 2, odd + 4, odd + 6 */
    FM_UNROLL
    for (i = 0; i < 8; i += 2) {
        fours[i] = _mm512_shuffle_f64x2(pairs[i], pairs[i + 1], 0x88);
        fours[i + 1] = _mm512_shuffle_f64x2(pairs[i], pairs[i + 1], 0xDD);
    }
    FM_UNROLL
    for (i = 0; i < 2; i++) {
        _mm512_storeu_pd(out + i * step, _mm512_shuffle_f64x2(fours[4 * i], fours[4 * i + 2], 0x88));
        _mm512_storeu_pd(out + (i + 4) * step, _mm512_shuffle_f64x2(fours[4 * i], fours[4 * i + 2], 0xDD));
        _mm512_storeu_pd(out + (i + 2) * step, _mm512_shuffle_f64x2(fours[4 * i + 1], fours[4 * i + 3], 0x88));
        _mm512_storeu_pd(out + (i + 6) * step, _mm512_shuffle_f64x2(fours[4 * i + 1], fours[4 * i + 3], 0xDD));
    }
}

#define I_MUL(a, b) ((fp_u4)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define I_SET1(c) ((fp_u4)_mm256_set1_epi64x((long long)(c)))
#define D_SET1(c) _mm256_set1_pd(c)
#define AS_I(d) ((fp_u4)(d))
#define AS_D(i) ((__m256d)(i))
#define D_SQRT(d) _mm256_sqrt_pd(d)
#define D_STORE(p, d) _mm256_storeu_pd(p, d)
#define D_ROWS fp_rows4
#define FM_SUFFIX avx2
#define FM_TARGET __attribute__((target("avx2")))
#define LANES 4
#define FP_PAIRS 4
#define DV __m256d
#define IV fp_u4
#include "_perturb_draw.h"

#define I_MUL(a, b) ((fp_u8)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define I_SET1(c) ((fp_u8)_mm512_set1_epi64((long long)(c)))
#define D_SET1(c) _mm512_set1_pd(c)
#define AS_I(d) ((fp_u8)(d))
#define AS_D(i) ((__m512d)(i))
#define D_SQRT(d) _mm512_sqrt_pd(d)
#define D_STORE(p, d) _mm512_storeu_pd(p, d)
#define D_ROWS fp_rows8
#define FM_SUFFIX avx512
#define FM_TARGET __attribute__((target("avx512f,avx512dq")))
#define LANES 8
#define FP_PAIRS 4
#define DV __m512d
#define IV fp_u8
#include "_perturb_draw.h"
#endif

static void fp_draw(int variant, uint64_t seed, uint64_t first, int distribution, ptrdiff_t K, ptrdiff_t P,
                    double *out)
{
#define fp_draw_v16 fp_draw_plain
#define CALL(v) fp_draw_##v(seed, first, distribution, K, P, out)
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

/* Up to this many features the watch over signs costs more than norms that often make it needless. A choice. */
#define FP_SCREENED 24

/* A lane is safe if |dz| < |z| as computed. With u the roundoff of the working precision, |dz| <= (1 + u)^(dx + 3)
 * ||(dw, db)|| ||(x, 1)|| after the rounding of x, and each of the two norms (in float64) may be too small by (dx + 4)
 * halves of u, the quotient and the product by 3 u: together less than 3 (dx + 8) u. */
#define FP_SLACK(dx, item) (4.0 * (double)((dx) + 8) * ((item) == 4 ? 0x1p-24 : 0x1p-53))

/* parameters and slopes of a block beside one panel in the first-level cache */
static inline ptrdiff_t fp_block_tuples(ptrdiff_t d1, ptrdiff_t dx, size_t item)
{
    const ptrdiff_t fits = FM_BLOCK_BYTES / (ptrdiff_t)item / (d1 * (dx + 5) + 1);
    return fits < 1 ? 1 : fits > FM_BLOCK_TUPLES ? FM_BLOCK_TUPLES : fits;
}

static inline ptrdiff_t fp_count_bits(unsigned bits)
{
    ptrdiff_t count = 0;
    for (; bits; bits &= bits - 1)
        count++;
    return count;
}

#ifdef FM_HAVE_VECTOR16
typedef double fp_d4 __attribute__((vector_size(32)));
typedef double fp_d4u __attribute__((vector_size(32), may_alias, aligned(8)));
#endif

#define FM_BODY "_perturb_tile.h"
#include "_each.h"

static void fp_excess_f64(int variant, const fp_base *base, const double *X, const double *e, const double *weight,
                          ptrdiff_t m, const double *delta, const double *bias, ptrdiff_t K, double *workspace,
                          double *quadratic, double *change, int64_t *n_changed)
{
#define CALL(v) fp_excess_##v##_f64(*base, X, e, weight, m, delta, bias, K, workspace, quadratic, change, n_changed)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fp_excess_f32(int variant, const fp_base *base, const double *X, const double *e, const double *weight,
                          ptrdiff_t m, const double *delta, const double *bias, ptrdiff_t K, float *workspace,
                          double *quadratic, double *change, int64_t *n_changed)
{
#define CALL(v) fp_excess_##v##_f32(*base, X, e, weight, m, delta, bias, K, workspace, quadratic, change, n_changed)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

#endif
