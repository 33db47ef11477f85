/* Instruction sets of the screened excess, and the sums it rests on.
 *
 * Variants as in _simd.h; all give the same bits, wherever no product of two numbers leaves 2^-968 .. 2^996 (Dekker's
 * error of a product, against the fused one, is exact in that range).
 */
#ifndef FASTMINIMA_SCREEN_H
#define FASTMINIMA_SCREEN_H

#include "_vectors.h"
#include <math.h>
#include <string.h>

/* samples or perturbations in a panel; also the partial sums per entry of the gradient */
#define FS_PANEL 8
/* samples in a panel of the float32 filter */
#define FS_NEAR 16
/* numbers of rows that the linear term transposes at a time: eight perturbations of these stay in first-level cache */
#define FS_ROWS 256
/* a chunk of filter panels stays in the first-level cache while the panel's perturbations pass it */
#define FS_CHUNK_BYTES 16384

/* what the linear term of a perturbation rests on */
typedef struct {
    ptrdiff_t d1, dx;
    const double *W2, *g_hi, *g_lo, *own_hi, *own_lo;
    const double *centre;       /* (dx) of the inputs, NULL for 0 */
    const double *centred_bias; /* (d1) b1 + W1 centre */
    const double *steep;        /* (d1) largest slope met */
} fs_base_point;

typedef struct {
    ptrdiff_t d1, dx;
    double s_plus, s_minus;
    const double *W1, *b1, *W2, *g_hi, *g_lo, *own_hi, *own_lo;
    const double *centre;                      /* (dx) of the inputs, NULL for 0 */
    const double *centred_bias, *centred_low; /* (d1) b1 + W1 centre, both words */
    ptrdiff_t n_patterns; /* 0: one factor for all effective changes */
    const double *slopes; /* (n_patterns, d1) */
    const double *R;
    const int64_t *row_start;
    /* samples near a boundary */
    const int64_t *near_start;  /* (d1 + 1) into pairs */
    const int64_t *panel_start; /* (d1 + 1) into filter panels */
    const double *margin;       /* (pairs) ascending in a unit */
    /* (pairs + FS_NEAR, pad + 4): x - centre, zeros, z, e, weight, sample and pattern as int32 */
    const double *rows;
    const double *near_slopes;  /* (near_patterns, d1) */
    ptrdiff_t near_patterns, n_pairs;
    const float *filter; /* per panel [dx + 2][16]: -sign(z) x~/||x~||, then margin / scale */
    double scale;
} fs_problem;

typedef struct {
    double s[4];
} fs_four;

#define FM_FLOAT64_ONLY
#define FM_BODY "_screen_tile.h"
#include "_each.h"

/* ---- to panels, and through the filter: 0 plain C */

static void fs_pack_plain(const double *const *from, ptrdiff_t P, double *to)
{
    for (ptrdiff_t a = 0; a < P; a++)
        for (int l = 0; l < FS_PANEL; l++)
            to[a * FS_PANEL + l] = from[l][a];
}

/* positions in the unit, from `first` on, of samples whose change can reach their margin */
static ptrdiff_t fs_filter_plain(const float *panels, ptrdiff_t count, ptrdiff_t first, ptrdiff_t n, const float *w,
                                 float slack, int32_t *out)
{
    ptrdiff_t found = 0;
    for (ptrdiff_t k = 0; k < count; k++, panels += (n + 1) * FS_NEAR) {
        float t[FS_NEAR];
        for (int l = 0; l < FS_NEAR; l++)
            t[l] = slack;
        for (ptrdiff_t a = 0; a < n; a++)
            for (int l = 0; l < FS_NEAR; l++)
                t[l] += w[a] * panels[a * FS_NEAR + l];
        for (int l = 0; l < FS_NEAR; l++)
            if (!(t[l] < panels[n * FS_NEAR + l]))
                out[found++] = (int32_t)(first + k * FS_NEAR + l);
    }
    return found;
}

#ifdef FM_HAVE_X86

/* ---- 2: AVX2 with FMA */

__attribute__((target("avx2")))
static inline double fs_sum4(__m256d t)
{
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(t), _mm256_extractf128_pd(t, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* four perturbations' entries a .. a + 3 to panel rows */
__attribute__((target("avx2")))
static void fs_pack_avx2(const double *const *from, ptrdiff_t P, double *to)
{
    ptrdiff_t a = 0;
    for (; a + 4 <= P; a += 4)
        for (int h = 0; h < FS_PANEL; h += 4) {
            const __m256d r0 = _mm256_loadu_pd(from[h] + a), r1 = _mm256_loadu_pd(from[h + 1] + a);
            const __m256d r2 = _mm256_loadu_pd(from[h + 2] + a), r3 = _mm256_loadu_pd(from[h + 3] + a);
            const __m256d l0 = _mm256_unpacklo_pd(r0, r1), h0 = _mm256_unpackhi_pd(r0, r1);
            const __m256d l1 = _mm256_unpacklo_pd(r2, r3), h1 = _mm256_unpackhi_pd(r2, r3);
            double *at = to + a * FS_PANEL + h;
            _mm256_store_pd(at, _mm256_permute2f128_pd(l0, l1, 0x20));
            _mm256_store_pd(at + FS_PANEL, _mm256_permute2f128_pd(h0, h1, 0x20));
            _mm256_store_pd(at + 2 * FS_PANEL, _mm256_permute2f128_pd(l0, l1, 0x31));
            _mm256_store_pd(at + 3 * FS_PANEL, _mm256_permute2f128_pd(h0, h1, 0x31));
        }
    for (; a < P; a++)
        for (int l = 0; l < FS_PANEL; l++)
            to[a * FS_PANEL + l] = from[l][a];
}
#define fs_pack_avx512 fs_pack_avx2

__attribute__((target("avx2,fma")))
static ptrdiff_t fs_filter_avx2(const float *panels, ptrdiff_t count, ptrdiff_t first, ptrdiff_t n, const float *w,
                                float slack, int32_t *out)
{
    ptrdiff_t found = 0;
    for (ptrdiff_t k = 0; k < count; k++, panels += (n + 1) * FS_NEAR) {
        __m256 t0 = _mm256_set1_ps(slack), t1 = t0;
        for (ptrdiff_t a = 0; a < n; a++) {
            const __m256 wa = _mm256_broadcast_ss(w + a);
            t0 = _mm256_fmadd_ps(wa, _mm256_load_ps(panels + a * FS_NEAR), t0);
            t1 = _mm256_fmadd_ps(wa, _mm256_load_ps(panels + a * FS_NEAR + 8), t1);
        }
        const __m256 k0 = _mm256_cmp_ps(t0, _mm256_load_ps(panels + n * FS_NEAR), _CMP_NLT_UQ);
        const __m256 k1 = _mm256_cmp_ps(t1, _mm256_load_ps(panels + n * FS_NEAR + 8), _CMP_NLT_UQ);
        unsigned bits = (unsigned)_mm256_movemask_ps(k0) | (unsigned)_mm256_movemask_ps(k1) << 8;
        for (; bits; bits &= bits - 1)
            out[found++] = (int32_t)(first + k * FS_NEAR + __builtin_ctz(bits));
    }
    return found;
}

/* ---- 3: AVX-512 */

__attribute__((target("avx512f,avx512dq")))
static ptrdiff_t fs_filter_avx512(const float *panels, ptrdiff_t count, ptrdiff_t first, ptrdiff_t n, const float *w,
                                  float slack, int32_t *out)
{
    ptrdiff_t found = 0;
    __m512i index = _mm512_add_epi32(_mm512_set1_epi32((int)first),
                                     _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const ptrdiff_t step = (n + 1) * FS_NEAR;
    ptrdiff_t k = 0;
/* the list has room for 16 more; compressed in a register first, a compressing store to memory is slow */
#define FS_KEEP(t, panel) \
    do { \
        const __mmask16 bits = _mm512_cmp_ps_mask(t, _mm512_load_ps((panel) + n * FS_NEAR), _CMP_NLT_UQ); \
        _mm512_storeu_si512(out + found, _mm512_maskz_compress_epi32(bits, index)); \
        found += __builtin_popcount((unsigned)bits); \
        index = _mm512_add_epi32(index, _mm512_set1_epi32(FS_NEAR)); \
    } while (0)
    /* four panels for one broadcast */
    for (; k + 4 <= count; k += 4, panels += 4 * step) {
        __m512 t0 = _mm512_set1_ps(slack), t1 = t0, t2 = t0, t3 = t0;
        for (ptrdiff_t a = 0; a < n; a++) {
            const __m512 wa = _mm512_set1_ps(w[a]);
            const float *at = panels + a * FS_NEAR;
            t0 = _mm512_fmadd_ps(wa, _mm512_load_ps(at), t0);
            t1 = _mm512_fmadd_ps(wa, _mm512_load_ps(at + step), t1);
            t2 = _mm512_fmadd_ps(wa, _mm512_load_ps(at + 2 * step), t2);
            t3 = _mm512_fmadd_ps(wa, _mm512_load_ps(at + 3 * step), t3);
        }
        FS_KEEP(t0, panels);
        FS_KEEP(t1, panels + step);
        FS_KEEP(t2, panels + 2 * step);
        FS_KEEP(t3, panels + 3 * step);
    }
    for (; k < count; k++, panels += step) {
        __m512 t = _mm512_set1_ps(slack);
        for (ptrdiff_t a = 0; a < n; a++)
            t = _mm512_fmadd_ps(_mm512_set1_ps(w[a]), _mm512_load_ps(panels + a * FS_NEAR), t);
        FS_KEEP(t, panels);
    }
#undef FS_KEEP
    return found;
}
#endif

/* ---- dispatch */

#define fs_pack_v16 fs_pack_plain
#define fs_filter_v16 fs_filter_plain

static void fs_base(int variant, const double *W1, const double *b1, const double *W2, double b2, ptrdiff_t d1,
                    ptrdiff_t dx, const double *X, const double *y, const double *weight, ptrdiff_t m,
                    double s_plus, double s_minus, double *work, double *sums, double *residual, double *z)
{
    FM_PICK(variant, fs_base, _f64)(W1, b1, W2, b2, d1, dx, X, y, weight, m, s_plus, s_minus, work, sums, residual, z);
}

/* g . c for every row of delta, high words then low ones, the biases (K, d1) about the centre, if there is one, and the
 * sizes of what they move; work: see linear_items in _screen.pyx */
static void fs_linear(int variant, const fs_base_point *s, const double *delta, ptrdiff_t K, double *work, double *high,
                      double *low, double *bias, double *size)
{
    const ptrdiff_t d1 = s->d1, dx = s->dx, P = d1 * (dx + 2) + 1;
    const ptrdiff_t step = dx > 0 && dx < FS_ROWS ? FS_ROWS / dx : dx > 0 ? 1 : d1;
    double *sums = (double *)fm_align(work), *tail = sums + 3 * FS_PANEL, *dw = tail + (2 * d1 + 1) * FS_PANEL;
    for (ptrdiff_t i = 0; i < K; i += FS_PANEL) {
        const int lanes = K - i < FS_PANEL ? (int)(K - i) : FS_PANEL;
        const double *from[FS_PANEL], *rows[FS_PANEL];
        for (int l = 0; l < FS_PANEL; l++) {
            rows[l] = delta + (i + (l < lanes ? l : lanes - 1)) * P;
            from[l] = rows[l] + d1 * dx;
        }
        FM_PICK(variant, fs_pack, )(from, 2 * d1 + 1, tail);
        memset(sums, 0, 3 * FS_PANEL * sizeof *sums);
        for (ptrdiff_t j = 0; j < d1; j += step) {
            const ptrdiff_t end = j + step < d1 ? j + step : d1;
            for (int l = 0; l < FS_PANEL; l++)
                from[l] = rows[l] + j * dx;
            FM_PICK(variant, fs_pack, )(from, (end - j) * dx, dw);
            FM_PICK(variant, fs_linear, _f64)(s, dw, j, end, tail, sums, sums + FS_PANEL, sums + 2 * FS_PANEL);
        }
        memcpy(high + i, sums, (size_t)lanes * sizeof *high);
        memcpy(low + i, sums + FS_PANEL, (size_t)lanes * sizeof *low);
        memcpy(size + i, sums + 2 * FS_PANEL, (size_t)lanes * sizeof *size);
        for (ptrdiff_t j = 0; s->centre && j < d1; j++)
            for (int l = 0; l < lanes; l++)
                bias[(i + l) * d1 + j] = tail[j * FS_PANEL + l];
    }
}

static void fs_linear_once(int variant, const fs_base_point *s, const double *delta, ptrdiff_t K, double *value,
                           double *bias)
{
    FM_PICK(variant, fs_linear_once, _f64)(s, delta, K, value, bias);
}

#endif
