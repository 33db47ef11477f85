/* The walk through samples near a boundary, and the screened excess of a block of perturbations.
 *
 * Perturbations go in tiles: a chunk of listed samples is passed by all perturbations of the tile before the next, so
 * that it comes from memory once a tile. The sums of a perturbation go chunk by chunk on a grid that depends on dx
 * alone; nothing of them depends on the tile, on the perturbations beside it, or on how far the lists reach.
 */
#ifndef FASTMINIMA_SCREEN_WALK_H
#define FASTMINIMA_SCREEN_WALK_H

#include "_screen.h"

typedef struct {
    ptrdiff_t tile;     /* perturbations that walk together: a multiple of FS_PANEL, or fewer than that */
    ptrdiff_t shared;   /* pairs whose sample is listed for several units */
    double *columns;    /* [block][q + 2 d1] c, low words of its biases, changes of the biases about the centre */
    double *norm;       /* [block][d1] of the units' changes */
    double *step;       /* [tile][pad] change of the unit's row */
    float *filter_w;    /* [tile][dx + 2] the unit's change over the scale, and the slack */
    int64_t *n_within;  /* [tile] samples within reach */
    double *sum;        /* [tile] */
    int64_t *n_shared;  /* [tile] changed pairs of shared samples */
    int32_t *shared_id; /* [tile][shared] */
    double *shared_by;  /* [tile][2][shared] change and weight */
    int32_t *mark;      /* shared samples: 1 + place in the list; 0 between perturbations */
    int64_t *stamp;     /* [tile][near patterns]: the perturbation whose coefficients are held */
    double *pattern_q;  /* [tile][near patterns][pad + 1] */
    int32_t *found;     /* positions in the unit that pass the filter, of one chunk */
    double *change;     /* [3][chunk] Delta, e + D and weight of its changed samples */
} fs_scratch;

/* panels of the filter in a chunk */
static inline ptrdiff_t fs_chunk_panels(ptrdiff_t dx)
{
    const ptrdiff_t fits = FS_CHUNK_BYTES / ((dx + 2) * FS_NEAR * (ptrdiff_t)sizeof(float));
    return fits > 0 ? fits : 1;
}

#define FM_SUFFIX plain
#define FM_TARGET
#define V4 fs_four
#define V4_ZERO {{0.0, 0.0, 0.0, 0.0}}
#define V4_ADD(t, p, q) \
    for (int l_ = 0; l_ < 4; l_++) \
    (t).s[l_] += (p)[l_] * (q)[l_]
#define V4_SUM(t) (((t).s[0] + (t).s[2]) + ((t).s[1] + (t).s[3]))
#include "_screen_changes.h"

#ifdef FM_HAVE_X86
#define FM_SUFFIX avx2
#define FM_TARGET __attribute__((target("avx2")))
#define V4 __m256d
#define V4_ZERO _mm256_setzero_pd()
#define V4_ADD(t, p, q) ((t) = _mm256_add_pd(t, _mm256_mul_pd(_mm256_loadu_pd(p), _mm256_loadu_pd(q))))
#define V4_SUM(t) fs_sum4(t)
#include "_screen_changes.h"

/* (t0 + t2) + (t1 + t3) of each of the eight */
__attribute__((target("avx512f,avx512dq,avx512vl")))
FM_INLINE __m512d fs_sums8(const __m512d *t)
{
    const __m512d even = _mm512_add_pd(_mm512_shuffle_f64x2(t[0], t[1], 0x88), _mm512_shuffle_f64x2(t[0], t[1], 0xDD));
    const __m512d odd = _mm512_add_pd(_mm512_shuffle_f64x2(t[2], t[3], 0x88), _mm512_shuffle_f64x2(t[2], t[3], 0xDD));
    return _mm512_add_pd(_mm512_unpacklo_pd(even, odd), _mm512_unpackhi_pd(even, odd));
}

#define FS_HALVES(p, q) _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(p)), _mm256_loadu_pd(q), 1)

/* What _screen_changes.h does with one sample, for the first `left` of eight: bits of those that change, and of them the
 * ones listed for several units. */
__attribute__((target("avx512f,avx512dq,avx512vl")))
FM_INLINE unsigned fs_eight(const double *rows, const double *pattern_q, const int32_t *here, ptrdiff_t pad,
                            const double *d, double db, double up, ptrdiff_t n_within, ptrdiff_t left, double *moves,
                            double *linear, double *weight, unsigned *shared)
{
    const __m512d zero = _mm512_setzero_pd();
    __m512d u[4] = {zero, zero, zero, zero}, r[4] = {zero, zero, zero, zero}, tail[4];
    __m128d constants[4];
    ptrdiff_t a;
    int h;
    FM_UNROLL
    for (h = 0; h < 4; h++) {
        /* rows 0, 2 and 4, 6 and 1, 3 and 5, 7, so that sums of fours come out in order */
        const int one = h / 2 + h % 2 * 4;
        const double *x = rows + here[one] * (pad + 4), *y = rows + here[one + 2] * (pad + 4);
        int32_t id[2][2];
        memcpy(id[0], x + pad + 3, sizeof id[0]);
        memcpy(id[1], y + pad + 3, sizeof id[1]);
        const double *p = pattern_q + id[0][1] * (pad + 1), *q = pattern_q + id[1][1] * (pad + 1);
        for (a = 0; a < pad; a += 4) {
            const __m512d both = FS_HALVES(x + a, y + a);
            u[h] = _mm512_add_pd(u[h], _mm512_mul_pd(_mm512_broadcast_f64x4(_mm256_loadu_pd(d + a)), both));
            r[h] = _mm512_add_pd(r[h], _mm512_mul_pd(FS_HALVES(p + a, q + a), both));
        }
        tail[h] = FS_HALVES(x + pad, y + pad);
        constants[h] = _mm_loadh_pd(_mm_load_sd(p + pad), q + pad);
    }
    const __m512d zw0 = _mm512_unpacklo_pd(tail[0], tail[2]), zw1 = _mm512_unpacklo_pd(tail[1], tail[3]);
    const __m512d ei0 = _mm512_unpackhi_pd(tail[0], tail[2]), ei1 = _mm512_unpackhi_pd(tail[1], tail[3]);
    const __m512d z = _mm512_shuffle_f64x2(zw0, zw1, 0x88), w = _mm512_shuffle_f64x2(zw0, zw1, 0xDD);
    const __m512d e = _mm512_shuffle_f64x2(ei0, ei1, 0x88);
    const __m512i ids = _mm512_castpd_si512(_mm512_shuffle_f64x2(ei0, ei1, 0xDD));
    /* 0 2 | 4 6 and 1 3 | 5 7 to one vector in order */
    const __m256d even = _mm256_insertf128_pd(_mm256_castpd128_pd256(constants[0]), constants[1], 1);
    const __m256d odd = _mm256_insertf128_pd(_mm256_castpd128_pd256(constants[2]), constants[3], 1);
    const __m512d constant = _mm512_permutex2var_pd(
        _mm512_castpd256_pd512(even), _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), _mm512_castpd256_pd512(odd));
    const __m512d moved = _mm512_add_pd(z, _mm512_add_pd(_mm512_set1_pd(db), fs_sums8(u)));
    const __mmask8 within = _mm256_cmplt_epi32_mask(_mm256_loadu_si256((const __m256i *)here),
                                                    _mm256_set1_epi32((int32_t)n_within));
    const unsigned turned = (unsigned)_mm512_cmp_pd_mask(moved, zero, _CMP_GT_OQ)
                            ^ (unsigned)_mm512_cmp_pd_mask(z, zero, _CMP_GT_OQ);
    const unsigned bits = turned & (unsigned)within & (left < 8 ? (1u << left) - 1 : 255);
    _mm512_storeu_pd(moves, _mm512_maskz_compress_pd((__mmask8)bits, _mm512_mul_pd(_mm512_set1_pd(up),
                                                                                 _mm512_abs_pd(moved))));
    _mm512_storeu_pd(linear, _mm512_maskz_compress_pd((__mmask8)bits,
                                                      _mm512_add_pd(e, _mm512_add_pd(constant, fs_sums8(r)))));
    _mm512_storeu_pd(weight, _mm512_maskz_compress_pd((__mmask8)bits, w));
    *shared = bits & ~(unsigned)_mm512_movepi64_mask(_mm512_slli_epi64(ids, 32));
    return bits;
}

#define FM_SUFFIX avx512
#define FM_TARGET __attribute__((target("avx512f,avx512dq,avx512vl")))
#define V4 __m256d
#define V4_ZERO _mm256_setzero_pd()
#define V4_ADD(t, p, q) ((t) = _mm256_add_pd(t, _mm256_mul_pd(_mm256_loadu_pd(p), _mm256_loadu_pd(q))))
#define V4_SUM(t) fs_sum4(t)
#define FS_EIGHT fs_eight
#include "_screen_changes.h"
#endif
#define fs_changes_v16 fs_changes_plain

/* largest count with margin[count - 1] <= bound */
static ptrdiff_t fs_count(const double *margin, ptrdiff_t n, double bound)
{
    ptrdiff_t low = 0;
    while (n > 0) {
        const ptrdiff_t half = n / 2;
        if (margin[low + half] <= bound) {
            low += half + 1;
            n -= half + 1;
        } else
            n = half;
    }
    return low;
}

/* upper bound of the exact norm: n + 1 roundings of the sum, one of the root, squares that vanish */
static inline double fs_norm(double squares, ptrdiff_t n)
{
    return sqrt(squares + (double)n * 0x1p-1073) * (1.0 + (double)(n + 8) * 0x1p-53);
}

/* With a and b the changes of one sample in two units, (a + b) (r + (a + b)/2) = a (r + a/2) + b (r + b/2) + a b: the
 * products that the sums unit by unit leave out. */
static double fs_products(fs_scratch *k, ptrdiff_t t)
{
    const int32_t *id = k->shared_id + t * k->shared;
    double *change = k->shared_by + 2 * t * k->shared, sum = 0.0;
    const double *weight = change + k->shared;
    for (ptrdiff_t i = 0; i < k->n_shared[t]; i++) {
        int32_t *mark = k->mark + id[i];
        if (*mark) {
            sum += weight[i] * (change[*mark - 1] * change[i]);
            change[*mark - 1] += change[i];
        } else
            *mark = (int32_t)i + 1;
    }
    for (ptrdiff_t i = 0; i < k->n_shared[t]; i++)
        k->mark[id[i]] = 0;
    return sum;
}

/* Adds to excess and changed what samples near a boundary add, for the perturbations first .. first + count - 1 of a
 * block, whose columns and norms are in place; `serial` is a positive number of the first that no other one has. */
static void fs_walk(int variant, const fs_problem *s, fs_scratch *k, const double *delta, ptrdiff_t first,
                    ptrdiff_t count, int64_t serial, double *excess, int64_t *changed)
{
    const ptrdiff_t d1 = s->d1, dx = s->dx, n = dx + 1, P = d1 * (n + 1) + 1, pad = (dx + 3) / 4 * 4;
    const ptrdiff_t chunk = fs_chunk_panels(dx);
    for (ptrdiff_t t = 0; t < count; t++) {
        k->sum[t] = 0.0;
        k->n_shared[t] = 0;
    }
    for (ptrdiff_t j = 0; j < d1; j++) {
        const ptrdiff_t listed = s->near_start[j + 1] - s->near_start[j];
        ptrdiff_t most = 0;
        for (ptrdiff_t t = 0; t < count; t++) {
            const double norm = k->norm[(first + t) * d1 + j], *row = delta + t * P + j * dx;
            /* a sum that is not finite stays as it is */
            const ptrdiff_t within = isfinite(excess[t]) ? fs_count(s->margin + s->near_start[j], listed, norm) : 0;
            k->n_within[t] = within;
            if (!within)
                continue;
            most = within > most ? within : most;
            for (ptrdiff_t a = 0; a < pad; a++)
                k->step[t * pad + a] = a < dx ? row[a] : 0.0;
            for (ptrdiff_t a = 0; a < n; a++)
                k->filter_w[t * (n + 1) + a] = (float)((a < dx ? row[a] : delta[t * P + d1 * dx + j]) / s->scale);
            /* rounding to float32 of both factors, n products and sums, the margin and the slack itself, each at most
             * 2^-24 of the norm; and what underflows */
            k->filter_w[t * (n + 1) + n] =
                (float)(norm / s->scale * ((double)(n + 8) * 0x1p-24 * 1.01) + 0x1p-100);
        }
        for (ptrdiff_t panel = 0; panel * FS_NEAR < most; panel += chunk) {
            const float *panels = s->filter + (s->panel_start[j] + panel) * (n + 1) * FS_NEAR;
            for (ptrdiff_t t = 0; t < count; t++) {
                const ptrdiff_t end = (k->n_within[t] + FS_NEAR - 1) / FS_NEAR;
                if (end <= panel)
                    continue;
                const float *w = k->filter_w + t * (n + 1);
                const ptrdiff_t found = FM_PICK(variant, fs_filter, )(
                    panels, (end < panel + chunk ? end : panel + chunk) - panel, panel * FS_NEAR, n, w, w[n], k->found);
                if (found)
                    k->sum[t] += FM_PICK(variant, fs_changes, )(s, k, delta + t * P, first + t, t, j, found, serial + t,
                                                               changed + t);
            }
        }
    }
    for (ptrdiff_t t = 0; t < count; t++)
        if (changed[t])
            excess[t] += k->n_shared[t] > 1 ? k->sum[t] + fs_products(k, t) : k->sum[t];
}

static void fs_screen(int variant, const fs_problem *s, fs_scratch *k, const double *delta, ptrdiff_t K, int64_t serial,
                      double *work, double *excess, int64_t *changed, double *largest_norm)
{
    const ptrdiff_t d1 = s->d1, n = s->dx + 1, q = d1 * n + 1, P = d1 * (n + 1) + 1, width = q + 2 * d1;
    const ptrdiff_t tile = k->tile, block = tile < FS_PANEL ? FS_PANEL : tile;
    double *dt = (double *)fm_align(work), *c = dt + P * FS_PANEL, *u = c + q * FS_PANEL;
    double *norm2 = u + n * FS_PANEL, *value = norm2 + d1 * FS_PANEL;
    double *bias = value + FS_PANEL, *low = bias + d1 * FS_PANEL;
    double largest = 0.0;
    for (ptrdiff_t i = 0; i < K; i += block) {
        const ptrdiff_t size = K - i < block ? K - i : block;
        int any = 0;
        for (ptrdiff_t p = 0; p < size; p += FS_PANEL) {
            const int lanes = size - p < FS_PANEL ? (int)(size - p) : FS_PANEL;
            const double *from[FS_PANEL];
            int near = 0;
            for (int l = 0; l < FS_PANEL; l++)
                from[l] = delta + (i + p + (l < lanes ? l : lanes - 1)) * P;
            FM_PICK(variant, fs_pack, )(from, P, dt);
            FM_PICK(variant, fs_form, _f64)(s, dt, c, u, bias, low, norm2, value);
            for (ptrdiff_t a = 0; a < d1 * FS_PANEL; a++)
                largest = norm2[a] > largest ? norm2[a] : largest;
            for (int l = 0; l < lanes; l++) {
                excess[i + p + l] = value[l];
                changed[i + p + l] = 0;
            }
            if (s->n_pairs == 0)
                continue;
            for (int l = 0; l < lanes; l++)
                for (ptrdiff_t j = 0; j < d1; j++) {
                    const double norm = fs_norm(norm2[j * FS_PANEL + l], n);
                    k->norm[(p + l) * d1 + j] = norm;
                    near |= s->near_start[j] < s->near_start[j + 1] && s->margin[s->near_start[j]] <= norm;
                }
            if (!near)
                continue;
            any = 1;
            for (int l = 0; l < lanes; l++) {
                double *to = k->columns + (p + l) * width;
                for (ptrdiff_t a = 0; a < q; a++)
                    to[a] = c[a * FS_PANEL + l];
                for (ptrdiff_t j = 0; j < d1; j++) {
                    to[q + j] = low[j * FS_PANEL + l];
                    to[q + d1 + j] = bias[j * FS_PANEL + l];
                }
            }
        }
        if (any)
            for (ptrdiff_t t = 0; t < size; t += tile)
                fs_walk(variant, s, k, delta + (i + t) * P, t, size - t < tile ? size - t : tile,
                        serial + i + t, excess + i + t, changed + i + t);
    }
    *largest_norm = fs_norm(largest, n);
}

#endif
