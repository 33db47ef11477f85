/* The samples of one chunk that change sides; see _screen_walk.h, which includes this once per instruction set.
 *
 * V4 is four numbers: V4_ADD(t, p, q) adds products of four at p and q, V4_SUM(t) is (t0 + t2) + (t1 + t3). FS_EIGHT, if
 * defined, does for eight samples what is done here for one. Nothing is fused, so every set gives the same bits.
 */

#define FM_NAME(stem) FM_PASTE(stem, FM_SUFFIX)

/* Coefficients of the affine function by which the stable part of one pattern's samples moves */
FM_TARGET FM_NOINLINE static void FM_NAME(fs_pattern)(const fs_problem *s, const double *c, const double *slope,
                                                      ptrdiff_t pad, double *to)
{
    const ptrdiff_t d1 = s->d1, dx = s->dx, n = dx + 1, q = d1 * n + 1;
    for (ptrdiff_t a = 0; a <= pad; a++)
        to[a] = 0.0;
    for (ptrdiff_t l = 0; l < d1; l++)
        for (ptrdiff_t a = 0; a < dx; a++)
            to[a] += slope[l] * c[l * n + a];
    if (s->centre) {
        /* far from the origin the units move the output by much more than the network does */
        double hi = c[q - 1], lo = 0.0;
        for (ptrdiff_t l = 0; l < d1; l++) {
            const double b = c[l * n + dx], p = slope[l] * b, e = fm_error(slope[l], b, p) + slope[l] * c[q + l];
            double f;
            hi = fm_two_sum(hi, p, &f);
            lo = lo + (e + f);
        }
        to[pad] = hi + lo;
        return;
    }
    for (ptrdiff_t l = 0; l < d1; l++)
        to[pad] += slope[l] * c[l * n + dx];
    to[pad] += c[q - 1];
}

/* A changed pair of a sample that is listed for several units, `id` its number, to be looked at with the others */
FM_TARGET FM_INLINE void FM_NAME(fs_share)(fs_scratch *k, ptrdiff_t t, int32_t id, double move, double weight)
{
    const ptrdiff_t place = k->n_shared[t]++;
    double *by = k->shared_by + 2 * t * k->shared + place;
    k->shared_id[t * k->shared + place] = id;
    by[0] = move;
    by[k->shared] = weight;
}

/* Delta, e + D and weight of those of the `found` samples of unit j that change, in k->change; their number. `pad` is a
 * constant where inlined so; perturbation t of the tile is number `at` of its block. */
FM_TARGET FM_INLINE ptrdiff_t FM_NAME(fs_moved)(const fs_problem *s, fs_scratch *k, const double *delta, ptrdiff_t at,
                                                ptrdiff_t t, ptrdiff_t j, ptrdiff_t found, int64_t serial,
                                                ptrdiff_t pad)
{
    const ptrdiff_t d1 = s->d1, n = s->dx + 1, q = d1 * n + 1, stride = pad + 4;
    const ptrdiff_t room = (fs_chunk_panels(s->dx) + 1) * FS_NEAR;
    const double *c = k->columns + at * (q + 2 * d1), *d = k->step + t * pad, db = c[q + d1 + j];
    const double up = (s->W2[j] + delta[d1 * n + j]) * (s->s_plus - s->s_minus);
    const double *rows = s->rows + s->near_start[j] * stride;
    int64_t *stamp = k->stamp + t * s->near_patterns;
    double *pattern_q = k->pattern_q + t * s->near_patterns * (pad + 1);
    double *moves = k->change, *linear = moves + room, *weight = linear + room;
    const ptrdiff_t n_within = k->n_within[t];
    ptrdiff_t count = 0, i;
#ifdef FS_EIGHT
    int l;
    for (l = 0; l < 8; l++)
        k->found[found + l] = k->found[found - 1];
    for (i = 0; i < found; i += 8) {
        const int32_t *here = k->found + i;
        int32_t id[2];
        unsigned shared, bits;
        for (l = 0; l < 8; l++) {
            memcpy(id, rows + here[l] * stride + pad + 3, sizeof id);
            if (FM_UNLIKELY(stamp[id[1]] != serial)) {
                stamp[id[1]] = serial;
                FM_NAME(fs_pattern)(s, c, s->near_slopes + id[1] * d1, pad, pattern_q + id[1] * (pad + 1));
            }
        }
        bits = FS_EIGHT(rows, pattern_q, here, pad, d, db, up, n_within, found - i, moves + count, linear + count,
                        weight + count, &shared);
        for (; FM_UNLIKELY(shared != 0); shared &= shared - 1) {
            l = __builtin_ctz(shared);
            const ptrdiff_t place = count + __builtin_popcount(bits & ((1u << l) - 1));
            memcpy(id, rows + here[l] * stride + pad + 3, sizeof id);
            FM_NAME(fs_share)(k, t, id[0], moves[place], weight[place]);
        }
        count += __builtin_popcount(bits);
    }
#else
    /* without branches on the outcome: most that pass the filter do change. Padding of a panel may be among them, where
     * float32 overflowed: rows reach a panel beyond the pairs */
    for (i = 0; i < found; i++) {
        const ptrdiff_t here = k->found[i];
        const double *row = rows + here * stride;
        int32_t id[2]; /* number where listed for several units, else -1; pattern */
        memcpy(id, row + pad + 3, sizeof id);
        double *coefficients = pattern_q + id[1] * (pad + 1);
        if (FM_UNLIKELY(stamp[id[1]] != serial)) {
            stamp[id[1]] = serial;
            FM_NAME(fs_pattern)(s, c, s->near_slopes + id[1] * d1, pad, coefficients);
        }
        V4 u = V4_ZERO, r = V4_ZERO;
        for (ptrdiff_t a = 0; a < pad; a += 4) {
            V4_ADD(u, d + a, row + a);
            V4_ADD(r, coefficients + a, row + a);
        }
        const double z = row[pad], moved = z + (db + V4_SUM(u));
        const int changes = ((moved > 0.0) != (z > 0.0)) & (here < n_within);
        /* (v + dv) (s' - s) moved: upwards s' - s and moved are positive, downwards both turn */
        moves[count] = up * fabs(moved);
        linear[count] = row[pad + 1] + (coefficients[pad] + V4_SUM(r));
        weight[count] = row[pad + 2];
        if (FM_UNLIKELY(changes & (id[0] >= 0)))
            FM_NAME(fs_share)(k, t, id[0], moves[count], weight[count]);
        count += changes;
    }
#endif
    return count;
}

/* Sum of w Delta (e + D + Delta/2) over those of the `found` samples of unit j that change */
FM_TARGET FM_INLINE double FM_NAME(fs_changed)(const fs_problem *s, fs_scratch *k, const double *delta, ptrdiff_t at,
                                               ptrdiff_t t, ptrdiff_t j, ptrdiff_t found, int64_t serial,
                                               int64_t *changed, ptrdiff_t pad)
{
    const ptrdiff_t room = (fs_chunk_panels(s->dx) + 1) * FS_NEAR;
    const double *moves = k->change, *linear = moves + room, *weight = linear + room;
    const ptrdiff_t count = FM_NAME(fs_moved)(s, k, delta, at, t, j, found, serial, pad);
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    ptrdiff_t i;
    *changed += count;
    for (i = 0; i + 4 <= count; i += 4)
        for (int l = 0; l < 4; l++)
            sum[l] += weight[i + l] * (moves[i + l] * (linear[i + l] + 0.5 * moves[i + l]));
    for (int l = 0; i + l < count; l++)
        sum[l] += weight[i + l] * (moves[i + l] * (linear[i + l] + 0.5 * moves[i + l]));
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

FM_TARGET static double FM_NAME(fs_changes)(const fs_problem *s, fs_scratch *k, const double *delta, ptrdiff_t at,
                                            ptrdiff_t t, ptrdiff_t j, ptrdiff_t found, int64_t serial,
                                            int64_t *changed)
{
    const ptrdiff_t pad = (s->dx + 3) / 4 * 4;
    switch (pad) {
    case 4: return FM_NAME(fs_changed)(s, k, delta, at, t, j, found, serial, changed, 4);
    case 8: return FM_NAME(fs_changed)(s, k, delta, at, t, j, found, serial, changed, 8);
    case 12: return FM_NAME(fs_changed)(s, k, delta, at, t, j, found, serial, changed, 12);
    case 16: return FM_NAME(fs_changed)(s, k, delta, at, t, j, found, serial, changed, 16);
    default: return FM_NAME(fs_changed)(s, k, delta, at, t, j, found, serial, changed, pad);
    }
}

#undef FM_NAME
#undef FM_SUFFIX
#undef FM_TARGET
#undef V4
#undef V4_ZERO
#undef V4_ADD
#undef V4_SUM
#undef FS_EIGHT
