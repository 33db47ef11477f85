/* Exponential, hyperbolic tangent, logarithm and error function on vectors, within 4 units in the last place.
 *
 * u = 2^-53 (float32: 2^-24); every operation rounds once, a fused multiply-add once or, where nothing is fused, twice: all
 * bounds take it twice, so they hold for every variant. Errors are in u of the value unless said otherwise; a relative error
 * of e u is at most e units in the last place. tests/support/vecmath_bounds.py evaluates these bounds on pieces of the range
 * and the remainders of the polynomials with 60 digits or more; what comes out stands here, float64 / float32.
 *
 * a.  Reduction. k is the integer nearest to fl(y / log 2), so |y - k log 2| <= log 2 / 2 + 1e-4. log 2 = L1 + L2, L1 of 33
 *     (15) bits: with |k| <= 1077 (152) the product k L1 is exact. So is y - k L1: for k = 0 it is y, else |y| > 1/4, both
 *     are multiples of 2^-54 (2^-25), and their difference is below 2^-54 2^53. What rounds is k L2, tiny, and the last
 *     difference: |dr| <= |r| u + 1e-6 u (8e-4 u).
 * b.  e^r - 1 = r + r^2 q(r), q the Taylor polynomial to r^13 (r^7). Remainder r^14/14! (r^8/8!), with the rounding of the
 *     coefficients. q is computed as even and odd powers apart, each by Horner's rule; an error of q counts r^2 <= 0.12 times,
 *     the two products behind it r^2 |q| each.
 * c.  e^y = 2^k (1 + (e^r - 1)): the error of r counts once, that of (b) once, then two sums round. Scaling by 2^k is exact,
 *     or rounds once, to a multiple of the smallest number. Beyond the ends y stands for the end, whose power is 0 or inf.
 *     At most 2.0 / 2.1 units in the last place, relative 2.4 / 2.5 u.
 * d.  e^y - 1 for y <= 0 = 2^k (e^r - 1) + (2^k - 1): the product is exact, 2^k - 1 too, or it is -1 and misses by 2^k < u.
 *     With k = 0 there is no error of r; else that of (b) counts 2^k <= 1/2 times.
 * e.  tanh x = sign(x) T, T = -m/(2 + m), m = e^(-2|x|) - 1 from (d). dT = 2 dm/(2 + m)^2, and where 2 + m rounds by d,
 *     |m| d/(2 + m)^2; the quotient rounds by half a unit. Near 0: m is -2|x| with a relative error that falls to u, 2 + m is
 *     within u/2 of itself, the quotient is within u. At most 3.6 units.
 * f.  log(1 + x). fl(1 + x) = w = 2^k m with m in [sqrt(1/2), sqrt 2), and 1 + x = w + c exactly (Knuth's sum). With
 *     f = (m - 1) + 2^-k c, where m - 1 and the product are exact, log(1 + x) = k log 2 + log(1 + f); for k = 0, f = x exactly.
 *     s = f/(2 + f), |s| <= 0.172: log(1 + f) = 2 artanh s = f - s (f - R), R = 2/3 z + 2/5 z^2 + ..., z = s^2, to z^10 (z^4).
 *     s (f - R) is at most 0.07, so its roundings count little; then k L2, f and k L1 are added, the last exact product. The
 *     error does not grow with |k|, the unit in the last place does. At most 2.9 units. c is dropped beyond 2^64 (2^32).
 * g.  e^(-a^2) erfcx(a), the upper tail of the error function, for a >= 0. w = 3/(3 + a), s = A w + 1 - A in [-1, 1] with A exact;
 *     erfcx(a) = w Q(s), Q a truncated Chebyshev series of degree 22 (9), within 0.3 u (1.3 u) of it. s misses by at most
 *     (3 A w + |s|) u, which counts |Q'/Q| <= 1.1 times. a^2 = high^2 + (a - high)(a + high) with half of a's digits in high:
 *     high^2 is exact, the rest is small, and both go into (a) together. With A, Q, w and (c): 26.5 u at most, also where a is
 *     x / sqrt 2, rounded twice, and a^2 is x^2 / 2.
 * h.  erf x: for |x| < 1 it is x + x G(x^2), G of degree 11 (6), within 0.2 u of erf(x)/x - 1, which lies between -0.16 and
 *     0.13: all roundings but the last count that little. From 1 on 1 minus (g), which is at most 0.16: at most 3.7 units.
 */
#ifndef FASTMINIMA_VECMATH_H
#define FASTMINIMA_VECMATH_H

#include <float.h>

#include "_vectors.h"

#define FV_COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#if defined(__clang__)
#define FV_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define FV_UNROLL _Pragma("GCC unroll 32")
#else
#define FV_UNROLL
#endif

static inline uint64_t fm_bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline uint32_t fm_bits_of_single(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#ifdef FM_HAVE_VECTOR16
typedef uint64_t fm_u2 __attribute__((vector_size(16)));
typedef uint32_t fm_u4 __attribute__((vector_size(16)));
#endif
#ifdef FM_HAVE_X86
typedef uint64_t fm_u4x64 __attribute__((vector_size(32)));
typedef uint32_t fm_u8x32 __attribute__((vector_size(32)));
typedef uint64_t fm_u8x64 __attribute__((vector_size(64)));
typedef uint32_t fm_u16x32 __attribute__((vector_size(64)));
#endif

static const double fv_exp_f64[] = {
    0x1p-1, 0x1.5555555555555p-3, 0x1.5555555555555p-5, 0x1.1111111111111p-7, 0x1.6c16c16c16c17p-10,
    0x1.a01a01a01a01ap-13, 0x1.a01a01a01a01ap-16, 0x1.71de3a556c734p-19, 0x1.27e4fb7789f5cp-22,
    0x1.ae64567f544e4p-26, 0x1.1eed8eff8d898p-29, 0x1.6124613a86d09p-33
};
static const double fv_log_f64[] = {
    0x1.5555555555555p-1, 0x1.999999999999ap-2, 0x1.2492492492492p-2, 0x1.c71c71c71c71cp-3, 0x1.745d1745d1746p-3,
    0x1.3b13b13b13b14p-3, 0x1.1111111111111p-3, 0x1.e1e1e1e1e1e1ep-4, 0x1.af286bca1af28p-4, 0x1.8618618618618p-4
};
static const double fv_erfcx_f64[] = {
    0x1.8e62fbce4aa4bp-2, 0x1.368af07a8eb91p-2, 0x1.7e56ece7db3f4p-3, 0x1.682e9ce27c0d7p-4, 0x1.dda4fe1c666b5p-6,
    0x1.4b0f7391d87a7p-8, -0x1.41b0c5b0ab306p-11, -0x1.1bcfaae958239p-11, -0x1.3e6492e081ee6p-15,
    0x1.8f188c4a5306ep-15, 0x1.012b3ea38cd24p-17, -0x1.4d1d94328c7e9p-18, -0x1.e5a08beecd62ep-21,
    0x1.56a48996641cap-21, 0x1.45e8e77e9ed44p-24, -0x1.8bed3dffe8dfbp-24, 0x1.2c8e6b3c1a9aep-32,
    0x1.c18b576b10e13p-27, -0x1.1567c3cb030eep-29, -0x1.a88933a418ab2p-30, 0x1.0fa214714cbefp-31,
    0x1.df80ebbcd3dacp-34, -0x1.d0e1e6b40fa98p-35
};
static const double fv_erf_f64[] = {
    0x1.06eba8214db68p-3, -0x1.812746b0379c1p-2, 0x1.ce2f21a040fbfp-4, -0x1.b82ce31204d17p-6, 0x1.565bccfa6f4bep-8,
    -0x1.c02db06ca928fp-11, 0x1.f9a2bee1b1f05p-14, -0x1.f4ca8c11f4161p-17, 0x1.b982295083cfcp-20,
    -0x1.5c14fc0842667p-23, 0x1.d777c51831224p-27, -0x1.acbabf57ef501p-31
};
static const float fv_exp_f32[] = {
    0x1p-1f, 0x1.555556p-3f, 0x1.555556p-5f, 0x1.111112p-7f, 0x1.6c16c2p-10f, 0x1.a01a02p-13f
};
static const float fv_log_f32[] = {
    0x1.555556p-1f, 0x1.99999ap-2f, 0x1.24924ap-2f, 0x1.c71c72p-3f
};
static const float fv_erfcx_f32[] = {
    0x1.bbb654p-2f, 0x1.3dc26cp-2f, 0x1.59fdbp-3f, 0x1.15b8ap-4f, 0x1.29b628p-6f, 0x1.15553ep-9f, -0x1.f3afa4p-12f,
    -0x1.9f22dcp-13f, 0x1.f11686p-18f, 0x1.88b94ap-17f
};
static const float fv_erf_f32[] = {
    0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2d18p-4f, -0x1.b7fb38p-6f, 0x1.541636p-8f, -0x1.a46b4p-11f,
    0x1.4a9dacp-14f
};

#endif
