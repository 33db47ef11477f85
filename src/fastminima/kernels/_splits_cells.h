/* Sorting one bucket with wider vectors: the body for one instruction set, included by _splits_tile.h; the design
   stands at the head of _splits.pyx, (e).

   Each record becomes a number of 32 bits: below, its place in the bucket; above, where its key lies in its cell. These
   are dealt to cells of few records each, as columns side by side, one cell a lane, and a sorting network sorts LANES32
   cells at once. The records follow in the order found. As the places differ, so do the numbers, and equal keys keep
   their order. */

#if FM_WORDS == FM_AVX512_F64

#define LANES32 16
#define VEC32 __m512i
#define I_LOAD(p) _mm512_loadu_si512(p)
#define I_STORE(p, v) _mm512_storeu_si512(p, v)
#define I_SET1(s) _mm512_set1_epi32((int)(s))
#define I_ADD(a, b) _mm512_add_epi32(a, b)
#define I_MIN(a, b) _mm512_min_epu32(a, b)
#define I_MAX(a, b) _mm512_max_epu32(a, b)
/* v where count > row, all ones elsewhere */
#define I_HELD(v, count, row) _mm512_mask_mov_epi32(I_SET1(-1), _mm512_cmpgt_epu32_mask(count, I_SET1(row)), v)

FM_TARGET FM_INLINE VEC FM_NAME(fm_keys)(const fm_rec *a)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    return _mm512_permutex2var_pd(_mm512_loadu_pd(a), even, _mm512_loadu_pd(a + 4));
}

FM_TARGET FM_INLINE void FM_NAME(fm_linear)(VEC key, double lo, double scale, double top, int32_t *at)
{
    /* the second operand comes through where one is NaN */
    VEC t = _mm512_max_pd(_mm512_mul_pd(_mm512_sub_pd(key, V_SET1(lo)), V_SET1(scale)), _mm512_setzero_pd());
    t = _mm512_min_pd(t, V_SET1(top));
    _mm256_storeu_si256((__m256i *)at, _mm512_cvttpd_epi32(t));
}

FM_TARGET FM_INLINE void FM_NAME(fm_places)(VEC key, int64_t floor, int shift, int64_t first, int64_t last, int32_t *at)
{
    const __m512i zero = _mm512_setzero_si512(), bits = _mm512_castpd_si512(V_ABS(key));
    __m512i place = _mm512_max_epi64(_mm512_sub_epi64(bits, _mm512_set1_epi64(floor)), zero);
    place = _mm512_srl_epi64(place, _mm_cvtsi32_si128(shift));
    const __mmask8 below = _mm512_cmp_pd_mask(key, _mm512_setzero_pd(), _CMP_LT_OQ);
    place = _mm512_mask_xor_epi64(place, below, place, _mm512_set1_epi64(-1));
    place = _mm512_max_epi64(_mm512_sub_epi64(place, _mm512_set1_epi64(first)), zero);
    place = _mm512_min_epi64(place, _mm512_set1_epi64(last));
    _mm256_storeu_si256((__m256i *)at, _mm512_cvtepi64_epi32(place));
}

/* rows to columns */
FM_TARGET FM_INLINE void FM_NAME(fm_turn)(VEC32 *v)
{
    VEC32 t[16];
    FM_UNROLL
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
    }
    FM_UNROLL
    for (int i = 0; i < 4; i++) {
        v[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        v[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        v[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        v[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    FM_UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(v[i], v[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(v[i], v[4 + i], 0xdd);
        t[8 + i] = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0xdd);
    }
    FM_UNROLL
    for (int i = 0; i < 4; i++) {
        v[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        v[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
        v[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
        v[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
    }
}

/* count[l] numbers of each lane l, one lane after the other; up to 16 more are written */
FM_TARGET FM_INLINE uint32_t *FM_NAME(fm_emit)(VEC32 *v, const uint32_t *count, uint32_t *to)
{
    FM_NAME(fm_turn)(v);
    FM_UNROLL16
    for (int l = 0; l < 16; l++) {
        I_STORE(to, v[l]);
        to += count[l];
    }
    return to;
}

#else

#define LANES32 8
#define VEC32 __m256i
#define I_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define I_STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define I_SET1(s) _mm256_set1_epi32((int)(s))
#define I_ADD(a, b) _mm256_add_epi32(a, b)
#define I_MIN(a, b) _mm256_min_epu32(a, b)
#define I_MAX(a, b) _mm256_max_epu32(a, b)
#define I_HELD(v, count, row) _mm256_or_si256(v, _mm256_cmpgt_epi32(I_SET1((row) + 1), count))

FM_TARGET FM_INLINE VEC FM_NAME(fm_keys)(const fm_rec *a)
{
    const VEC keys = _mm256_unpacklo_pd(_mm256_loadu_pd((const double *)a), _mm256_loadu_pd((const double *)(a + 2)));
    return _mm256_permute4x64_pd(keys, 0xd8);
}

FM_TARGET FM_INLINE void FM_NAME(fm_linear)(VEC key, double lo, double scale, double top, int32_t *at)
{
    VEC t = _mm256_max_pd(_mm256_mul_pd(_mm256_sub_pd(key, V_SET1(lo)), V_SET1(scale)), _mm256_setzero_pd());
    t = _mm256_min_pd(t, V_SET1(top));
    _mm_storeu_si128((__m128i *)at, _mm256_cvttpd_epi32(t));
}

FM_TARGET FM_INLINE void FM_NAME(fm_places)(VEC key, int64_t floor, int shift, int64_t first, int64_t last, int32_t *at)
{
    const __m256i bits = _mm256_castpd_si256(V_ABS(key)), end = _mm256_set1_epi64x(last);
    __m256i place = _mm256_sub_epi64(bits, _mm256_set1_epi64x(floor));
    place = _mm256_and_si256(place, _mm256_cmpgt_epi64(place, _mm256_setzero_si256()));
    place = _mm256_srl_epi64(place, _mm_cvtsi32_si128(shift));
    const VEC below = _mm256_cmp_pd(key, _mm256_setzero_pd(), _CMP_LT_OQ);
    place = _mm256_sub_epi64(_mm256_xor_si256(place, _mm256_castpd_si256(below)), _mm256_set1_epi64x(first));
    place = _mm256_and_si256(place, _mm256_cmpgt_epi64(place, _mm256_setzero_si256()));
    place = _mm256_blendv_epi8(place, end, _mm256_cmpgt_epi64(place, end));
    const __m256i low = _mm256_permutevar8x32_epi32(place, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
    _mm_storeu_si128((__m128i *)at, _mm256_castsi256_si128(low));
}

FM_TARGET FM_INLINE void FM_NAME(fm_turn)(VEC32 *v)
{
    VEC32 t[8];
    FM_UNROLL
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
    }
    FM_UNROLL
    for (int i = 0; i < 2; i++) {
        v[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        v[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        v[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        v[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    FM_UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2x128_si256(v[i], v[4 + i], 0x20);
        t[4 + i] = _mm256_permute2x128_si256(v[i], v[4 + i], 0x31);
    }
    FM_UNROLL
    for (int i = 0; i < 8; i++)
        v[i] = t[i];
}

FM_TARGET FM_INLINE uint32_t *FM_NAME(fm_emit)(VEC32 *v, const uint32_t *count, uint32_t *to)
{
    FM_NAME(fm_turn)(v);
    FM_NAME(fm_turn)(v + 8);
    FM_UNROLL16
    for (int l = 0; l < 8; l++) {
        I_STORE(to, v[l]);
        I_STORE(to + 8, v[8 + l]);
        to += count[l];
    }
    return to;
}

#endif

/* cells of at most FM_BLOCK keys */
FM_TARGET static void FM_NAME(fm_cells)(const double *key, ptrdiff_t n, const fm_map *map, int32_t *at)
{
    const double lo = map->lo, scale = map->scale, top = (double)(map->n_cells - 1);
    const ptrdiff_t whole = n - n % LANES;
    if (map->shift < 0)
        for (ptrdiff_t i = 0; i < whole; i += LANES)
            FM_NAME(fm_linear)(V_LOADU(key + i), lo, scale, top, at + i);
    else
        for (ptrdiff_t i = 0; i < whole; i += LANES)
            FM_NAME(fm_places)(V_LOADU(key + i), map->floor, map->shift, map->first, map->n_cells - 1, at + i);
    fm_cells_plain_f64(key + whole, n - whole, map, at + whole);
}

#define FM_PAIR(i, j) \
    do { \
        if ((j) < rows) { \
            const VEC32 least_ = I_MIN(v[i], v[j]); \
            v[j] = I_MAX(v[i], v[j]); \
            v[i] = least_; \
        } \
    } while (0)
#define FM_PAIRS4(a, b, c, d, e, f, g, h) FM_PAIR(a, b); FM_PAIR(c, d); FM_PAIR(e, f); FM_PAIR(g, h)

/* Sorts 16 columns' worth of rows, of which those from `rows` on hold nothing but ones: Batcher's merge exchange. */
FM_TARGET FM_INLINE void FM_NAME(fm_network)(VEC32 *v, const int rows)
{
    FM_PAIRS4(0, 8, 1, 9, 2, 10, 3, 11); FM_PAIRS4(4, 12, 5, 13, 6, 14, 7, 15);
    FM_PAIRS4(0, 4, 1, 5, 2, 6, 3, 7); FM_PAIRS4(8, 12, 9, 13, 10, 14, 11, 15);
    FM_PAIRS4(4, 8, 5, 9, 6, 10, 7, 11);
    FM_PAIRS4(0, 2, 1, 3, 4, 6, 5, 7); FM_PAIRS4(8, 10, 9, 11, 12, 14, 13, 15);
    FM_PAIRS4(2, 8, 3, 9, 6, 12, 7, 13);
    FM_PAIRS4(2, 4, 3, 5, 6, 8, 7, 9); FM_PAIR(10, 12); FM_PAIR(11, 13);
    FM_PAIRS4(0, 1, 2, 3, 4, 5, 6, 7); FM_PAIRS4(8, 9, 10, 11, 12, 13, 14, 15);
    FM_PAIRS4(1, 8, 3, 10, 5, 12, 7, 14);
    FM_PAIRS4(1, 4, 3, 6, 5, 8, 7, 10); FM_PAIR(9, 12); FM_PAIR(11, 14);
    FM_PAIRS4(1, 2, 3, 4, 5, 6, 7, 8); FM_PAIR(9, 10); FM_PAIR(11, 12); FM_PAIR(13, 14);
}

/* Deal numbers to cells; `at` is where the next of each cell goes, `step` numbers from the one before. */
FM_TARGET static void FM_NAME(fm_deal)(const fm_rec *a, ptrdiff_t n, const fm_spread *s, uint32_t *at, uint32_t *slots,
                                       uint32_t end, uint32_t step)
{
    int32_t q[FM_BLOCK];
    uint32_t cell[FM_BLOCK], number[FM_BLOCK];
    const double top = (double)s->last;
    const int low = s->low_bits, up = 32 - low;
    for (ptrdiff_t b = 0; b < n; b += FM_BLOCK) {
        const ptrdiff_t size = n - b < FM_BLOCK ? n - b : FM_BLOCK, whole = size - size % LANES;
        if (s->shift < 0)
            for (ptrdiff_t i = 0; i < whole; i += LANES)
                FM_NAME(fm_linear)(FM_NAME(fm_keys)(a + b + i), s->lo, s->scale, top, q + i);
        else
            for (ptrdiff_t i = 0; i < whole; i += LANES)
                FM_NAME(fm_places)(FM_NAME(fm_keys)(a + b + i), s->floor, s->shift, s->first, s->last, q + i);
        for (ptrdiff_t i = whole; i < size; i++)
            q[i] = fm_spread_of(a[b + i].key, s);
        for (ptrdiff_t i = 0; i < size; i++) {
            cell[i] = (uint32_t)q[i] >> up;
            number[i] = (uint32_t)q[i] << low | (uint32_t)(b + i);
        }
        for (ptrdiff_t i = 0; i < size; i++) {
            const uint32_t to = at[cell[i]];
            slots[to < end ? to : end] = number[i];     /* where cells run over, numbers are lost */
            at[cell[i]] = to + step;
        }
    }
}

/* The numbers of all cells in order; 0 if some cell got more than it has room for. */
FM_TARGET static int FM_NAME(fm_order)(const uint32_t *at, const uint32_t *slots, ptrdiff_t groups, uint32_t *order)
{
    for (ptrdiff_t g = 0; g < groups; g++) {
        const uint32_t *from = slots + g * FM_ROOM * LANES32;
        uint32_t count[LANES32], most = 0;
        for (int l = 0; l < LANES32; l++) {
            count[l] = (at[g * LANES32 + l] - (uint32_t)(g * FM_ROOM * LANES32)) / LANES32;
            most = count[l] > most ? count[l] : most;
        }
        if (most > FM_ROOM)
            return 0;
        if (most <= 16) {
            const VEC32 counts = I_LOAD(count);
            VEC32 v[16];
            FM_UNROLL16
            for (int r = 0; r < 16; r++)
                v[r] = I_HELD(I_LOAD(from + r * LANES32), counts, r);
            if (most <= 12)
                FM_NAME(fm_network)(v, 12);
            else
                FM_NAME(fm_network)(v, 16);
            order = FM_NAME(fm_emit)(v, count, order);
        } else {
            for (int l = 0; l < LANES32; l++)
                order = fm_column(from + l, LANES32, count[l], order);
        }
    }
    return 1;
}

/* Sort a[0..n), stable, if this map spreads its keys well enough; else 0 is returned and a[0..n) is as before. `tmp`
   has room for n records, `work` for 11 n + 512 numbers. */
FM_TARGET static int FM_NAME(fm_sort_cells)(fm_rec *a, ptrdiff_t n, fm_rec *tmp, uint32_t *work, int by_bits)
{
    VEC low = V_SET1(a[0].key), high = low, near = V_ABS(low);
    for (ptrdiff_t i = 0; i + LANES <= n; i += LANES) {
        const VEC key = FM_NAME(fm_keys)(a + i);
        V_STOREU((double *)(tmp + i), V_LOADU((const double *)(a + i)));
        V_STOREU((double *)(tmp + i) + LANES, V_LOADU((const double *)(a + i) + LANES));
        low = V_MIN(low, key);
        high = V_MAX(high, key);
        near = V_MIN(near, V_ABS(key));
    }
    double ends[3][LANES];
    V_STOREU(ends[0], low);
    V_STOREU(ends[1], high);
    V_STOREU(ends[2], near);
    fm_spread s;
    s.lo = ends[0][0];
    s.hi = ends[1][0];
    s.near = ends[2][0];
    for (int l = 1; l < LANES; l++)
        fm_widen(&s, ends[0][l], ends[1][l], ends[2][l]);
    for (ptrdiff_t i = n - n % LANES; i < n; i++) {
        tmp[i] = a[i];
        fm_widen(&s, a[i].key, a[i].key, fabs(a[i].key));
    }
    if (!fm_spread_over(&s, n, by_bits, LANES32))
        return 0;
    uint32_t *at = work, *order = at + s.cells, *slots = order + n + 16;
    for (ptrdiff_t c = 0; c < s.cells; c++)
        at[c] = (uint32_t)(c / LANES32 * FM_ROOM * LANES32 + c % LANES32);
    FM_NAME(fm_deal)(a, n, &s, at, slots, (uint32_t)s.cells * FM_ROOM, LANES32);
    if (!FM_NAME(fm_order)(at, slots, s.cells / LANES32, order)) {
        /* ties: the numbers again, to cells as large as they turned out */
        uint32_t begin = 0;
        for (ptrdiff_t c = 0; c < s.cells; c++) {
            const uint32_t count = (at[c] - (uint32_t)(c / LANES32 * FM_ROOM * LANES32 + c % LANES32)) / LANES32;
            at[c] = begin;
            begin += count;
        }
        FM_NAME(fm_deal)(a, n, &s, at, order, (uint32_t)n, 1);
        if (!fm_order_crowded(order, at, s.cells, FM_CROWD * n))
            return 0;
    }
    fm_gather(a, n, tmp, order, ((uint32_t)1 << s.low_bits) - 1);
    return 1;
}

#undef LANES32
#undef VEC32
#undef I_LOAD
#undef I_STORE
#undef I_SET1
#undef I_ADD
#undef I_MIN
#undef I_MAX
#undef I_HELD
#undef FM_PAIR
#undef FM_PAIRS4
