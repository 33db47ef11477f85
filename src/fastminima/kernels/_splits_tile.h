/* Sorted partial sums: the body for one instruction set; the design stands at the head of _splits.pyx, (g).

   A bucket is walked in eight stretches side by side, one a lane, and what is left of it at the end one by one. No lane
   looks at another, so every variant does the same arithmetic. */

#define PARTS (FM_LANES / LANES)

#if LANES == 1
#define V_MIN(a, b) ((b) < (a) ? (b) : (a))
#define V_MAX(a, b) ((b) > (a) ? (b) : (a))
#elif LANES == 2
#define V_MIN(a, b) fm_pick2((b) < (a), a, b)
#define V_MAX(a, b) fm_pick2((b) > (a), a, b)
#elif LANES == 4
#define V_MIN(a, b) _mm256_min_pd(b, a)
#define V_MAX(a, b) _mm256_max_pd(b, a)
#else
#define V_MIN(a, b) _mm512_min_pd(b, a)
#define V_MAX(a, b) _mm512_max_pd(b, a)
#endif

#if LANES >= 4
#include "_splits_cells.h"
#endif

/* LANES records, `step` apart: their keys and values */
FM_TARGET FM_INLINE void FM_NAME(fm_take)(const fm_rec *a, ptrdiff_t step, VEC *key, VEC *value)
{
#if LANES == 1
    *key = a->key;
    *value = a->value;
    (void)step;
#elif LANES == 2
    *key = (VEC){a[0].key, a[step].key};
    *value = (VEC){a[0].value, a[step].value};
#elif LANES == 4
    const double *p = (const double *)a, *q = (const double *)(a + step);
    const VEC even = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p)), _mm_loadu_pd(p + 4 * step), 1);
    const VEC odd = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(q)), _mm_loadu_pd(q + 4 * step), 1);
    *key = _mm256_unpacklo_pd(even, odd);
    *value = _mm256_unpackhi_pd(even, odd);
#else
    const double *p = (const double *)a, *q = (const double *)(a + step);
    VEC even = _mm512_castpd128_pd512(_mm_loadu_pd(p)), odd = _mm512_castpd128_pd512(_mm_loadu_pd(q));
    even = _mm512_insertf64x2(even, _mm_loadu_pd(p + 4 * step), 1);
    odd = _mm512_insertf64x2(odd, _mm_loadu_pd(q + 4 * step), 1);
    even = _mm512_insertf64x2(even, _mm_loadu_pd(p + 8 * step), 2);
    odd = _mm512_insertf64x2(odd, _mm_loadu_pd(q + 8 * step), 2);
    even = _mm512_insertf64x2(even, _mm_loadu_pd(p + 12 * step), 3);
    odd = _mm512_insertf64x2(odd, _mm_loadu_pd(q + 12 * step), 3);
    *key = _mm512_unpacklo_pd(even, odd);
    *value = _mm512_unpackhi_pd(even, odd);
#endif
}

typedef struct {
    VEC hi[PARTS], lo[PARTS], errors[PARTS];
} FM_NAME(fm_sums);

/* TwoSum (Knuth), as fm_sum_add */
#define FM_ADD(s, p, x) \
    do { \
        const VEC t_ = V_ADD((s).hi[p], x), b_ = V_SUB(t_, (s).hi[p]); \
        const VEC e_ = V_ADD(V_SUB((s).hi[p], V_SUB(t_, b_)), V_SUB(x, b_)); \
        (s).hi[p] = t_; \
        (s).lo[p] = V_ADD((s).lo[p], e_); \
        (s).errors[p] = V_ADD((s).errors[p], V_ABS(e_)); \
    } while (0)

/* Sums before each of the eight stretches, then of all of them and of the whole bucket: 10 rows (hi, lo, errors). */
FM_TARGET static void FM_NAME(fm_total)(const fm_rec *a, ptrdiff_t n, double *out)
{
    const ptrdiff_t stretch = fm_stretch(n);
    FM_NAME(fm_sums) s;
    double parts[3][FM_LANES];
    FM_UNROLL
    for (int p = 0; p < PARTS; p++)
        s.hi[p] = s.lo[p] = s.errors[p] = V_SET1(0);
    for (ptrdiff_t i = 0; i < stretch; i++) {
        FM_UNROLL
        for (int p = 0; p < PARTS; p++) {
            VEC key, value;
            FM_NAME(fm_take)(a + i + p * LANES * stretch, stretch, &key, &value);
            FM_ADD(s, p, value);
        }
    }
    FM_UNROLL
    for (int p = 0; p < PARTS; p++) {
        V_STOREU(parts[0] + p * LANES, s.hi[p]);
        V_STOREU(parts[1] + p * LANES, s.lo[p]);
        V_STOREU(parts[2] + p * LANES, s.errors[p]);
    }
    fm_sum sum = {0.0, 0.0, 0.0};
    for (int l = 0; l < FM_LANES; l++) {
        const fm_sum part = {parts[0][l], parts[1][l], parts[2][l]};
        fm_sum_write(&sum, out + 3 * l);
        sum = fm_sum_join(sum, part);
    }
    fm_sum_write(&sum, out + 3 * FM_LANES);
    for (ptrdiff_t i = FM_LANES * stretch; i < n; i++)
        fm_sum_add(&sum, a[i].value);
    fm_sum_write(&sum, out + 3 * FM_LANES + 3);
}

/* One bucket of the sweep: n of its `size` records, from a[0], which is record `first` of all; the record after them
   must be sorted already. `parts` is what fm_total wrote. Steps of all lanes are taken a block at a time: sums and drops
   side by side, and only where some sum is near its bound a verdict position by position. */
FM_TARGET static void FM_NAME(fm_sweep)(const fm_rec *a, ptrdiff_t first, ptrdiff_t n, ptrdiff_t size,
                                        const double *before, const double *parts, const fm_rule *rule, fm_best *best,
                                        uint8_t *status)
{
    const VEC eps_gap = V_SET1(rule->eps_gap), slope = V_SET1(rule->slope), half_mass = V_SET1(rule->half_mass);
    const VEC reach = V_SET1(rule->reach), none = V_SET1(-1), one = V_SET1(1), zero = V_SET1(0), two = V_SET1(2);
    const fm_sum start = fm_sum_read(before);
    const ptrdiff_t stretch = fm_stretch(size);
    double begin[3][FM_LANES];
    fm_block block;
    FM_NAME(fm_sums) s;
    VEC key[PARTS], value[PARTS];
    for (int l = 0; l < FM_LANES; l++) {
        const fm_sum sum = fm_sum_join(start, fm_sum_read(parts + 3 * l));
        begin[0][l] = sum.hi;
        begin[1][l] = sum.lo;
        begin[2][l] = sum.errors;
    }
    FM_UNROLL
    for (int p = 0; p < PARTS; p++) {
        s.hi[p] = V_LOADU(begin[0] + p * LANES);
        s.lo[p] = V_LOADU(begin[1] + p * LANES);
        s.errors[p] = V_LOADU(begin[2] + p * LANES);
        FM_NAME(fm_take)(a + p * LANES * stretch, stretch, &key[p], &value[p]);
    }
    for (ptrdiff_t i = 0; i < stretch; i += FM_STEPS) {
        const ptrdiff_t steps = stretch - i < FM_STEPS ? stretch - i : FM_STEPS;
        VEC least[PARTS], top[PARTS], open[PARTS];
        FM_UNROLL
        for (int p = 0; p < PARTS; p++) {
            least[p] = V_SET1(INFINITY);
            top[p] = none;
            open[p] = zero;
        }
        for (ptrdiff_t j = 0; j < steps; j++) {
            FM_UNROLL
            for (int p = 0; p < PARTS; p++) {
                VEC next, following;
                FM_NAME(fm_take)(a + i + j + 1 + p * LANES * stretch, stretch, &next, &following);
                FM_ADD(s, p, value[p]);
                const VEC sum = V_ADD(s.hi[p], s.lo[p]), weight = V_ABS(sum), gap = V_SUB(next, key[p]);
                const VEC over = V_SUB(gap, eps_gap);
                const VEC u = V_MIN(V_MUL(slope, weight), V_MUL(reach, gap));
                const VEC gain = V_MUL(u, V_SUB(V_MUL(two, weight), V_MUL(half_mass, u)));
                const VEC drop = V_POSITIVE(over, gain, none);
                const ptrdiff_t k = j * FM_LANES + p * LANES;
                least[p] = V_MIN(least[p], V_POSITIVE(over, weight, least[p]));
                open[p] = V_ADD(open[p], V_POSITIVE(over, one, zero));
                top[p] = V_MAX(top[p], drop);
                V_STOREU(block.sum + k, sum);
                V_STOREU(block.errors + k, s.errors[p]);
                V_STOREU(block.gap + k, gap);
                V_STOREU(block.drop + k, drop);
                key[p] = next;
                value[p] = following;
            }
        }
        FM_UNROLL
        for (int p = 0; p < PARTS; p++) {
            V_STOREU(block.least + p * LANES, least[p]);
            V_STOREU(block.top + p * LANES, top[p]);
            V_STOREU(block.open + p * LANES, open[p]);
        }
        fm_settle(&block, first + i, steps, stretch, rule, best, status);
    }
    fm_sweep_end(a, first, FM_LANES * stretch, n, start, parts, rule, best, status);
}

#undef PARTS
#undef V_MIN
#undef V_MAX
#undef FM_ADD
