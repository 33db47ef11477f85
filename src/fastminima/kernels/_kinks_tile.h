/* One instruction set's worth of the scan over knots; in the words of _words.h. */

/* t: projections in falling order, the samples' numbers in `order`; sums: 2 k numbers of scratch */
FM_TARGET static void FM_NAME(fh_knots)(const fh_samples *s, const double *t, const uint64_t *order, double *sums, fh_best *best)
{
    const ptrdiff_t m = s->m, k = s->k;
    double *const A = sums, *const B = sums + k;       /* sum w t q, sum w q */
    fh_sums now = {0.0, 0.0, 0.0, 0.0, 0.0};
    memset(sums, 0, 2 * (size_t)k * sizeof *sums);
    for (ptrdiff_t begin = 0, end; begin < m - 1; begin = end) {
        const ptrdiff_t stride = begin < FH_ENDS || begin >= m - FH_ENDS ? 1 : s->stride;
        end = begin + stride < m - 1 ? begin + stride : m - 1;
        while (end < m - 1 && !(t[end - 1] > t[end]))
            end++;
        for (ptrdiff_t i = begin; i < end; i++) {
            const ptrdiff_t row = (ptrdiff_t)order[i];
            const double w = s->w[row], r = s->wr[row], at = t[i];
            if (i + FH_AHEAD < m) {
                const ptrdiff_t next = (ptrdiff_t)order[i + FH_AHEAD];
                FM_PREFETCH(s->w + next);
                FM_PREFETCH(s->wr + next);
                for (ptrdiff_t j = 0; j < k; j += FH_LANES)
                    FM_PREFETCH(s->rows + next * k + j);
            }
            now.q += r, now.p += r * at, now.d2 += w, now.d1 += w * at, now.d0 += w * at * at;
        }
        VEC aa = V_SET1(0.0), ab = V_SET1(0.0), bb = V_SET1(0.0);
        for (ptrdiff_t j = 0; j < k; j += LANES) {
            VEC a = V_LOADU(A + j), b = V_LOADU(B + j);
            for (ptrdiff_t i = begin; i < end; i++) {
                const VEC q = V_LOADU(s->rows + (ptrdiff_t)order[i] * k + j), at = V_SET1(t[i]);
                b = V_ADD(b, q), a = V_FMA(q, at, a);
            }
            V_STOREU(A + j, a), V_STOREU(B + j, b);
            aa = V_FMA(a, a, aa), ab = V_FMA(a, b, ab), bb = V_FMA(b, b, bb);
        }
        if (t[end - 1] > t[end]) {
            double parts[3][LANES], all[3] = {0.0, 0.0, 0.0};
            V_STOREU(parts[0], aa), V_STOREU(parts[1], ab), V_STOREU(parts[2], bb);
            for (int part = 0; part < 3; part++)
                for (int lane = 0; lane < LANES; lane++)
                    all[part] += parts[part][lane];
            fh_try(&now, all[0], all[1], all[2], t[end], t[end - 1], best);
        }
    }
}
