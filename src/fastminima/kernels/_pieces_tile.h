/* The recursion over pieces joined at kinks, once per instruction set; the same bits in all of them. */

#define FP_LANES 64       /* many enough that the compiler keeps the loop over them, as vectors */

/* penalty[h] = least extra risk of joining piece h..e to the piece with line values q[0], q[1] at the ends of the gap */
V_TARGET static inline void V_NAME(fp_penalties)(const double *FM_RESTRICT gap, ptrdiff_t stride, ptrdiff_t count,
                                                 const double q[6], double *FM_RESTRICT penalty)
{
    const double *FM_RESTRICT ls = gap, *FM_RESTRICT lt = gap + stride, *FM_RESTRICT es = gap + 2 * stride;
    const double *FM_RESTRICT et = gap + 3 * stride, *FM_RESTRICT hs = gap + 4 * stride, *FM_RESTRICT ht = gap + 5 * stride;
    for (ptrdiff_t h = 0; h < count; h++) {
        const double ds = ls[h] - q[0], dt = lt[h] - q[1];
        const double as = fabs(ds) - (es[h] + q[2]), at = fabs(dt) - (et[h] + q[3]);
        const double js = as * as / (hs[h] + q[4]), jt = at * at / (ht[h] + q[5]);
        const double j = 0.5 * FP_DOWN * (js < jt ? js : jt);
        const double least = as < at ? as : at;
        const double either = ds * dt > 0.0 ? least : 0.0;     /* a line that is not known has least = -inf or NaN */
        penalty[h] = either > 0.0 ? j : 0.0;
    }
}

V_TARGET static inline double V_NAME(fp_least)(const double *FM_RESTRICT risk, const double *FM_RESTRICT penalty,
                                               ptrdiff_t count, double ceiling)
{
    double lanes[FP_LANES];
    for (int l = 0; l < FP_LANES; l++)
        lanes[l] = ceiling;
    ptrdiff_t h = 0;
    for (; h + FP_LANES <= count; h += FP_LANES)
        for (int l = 0; l < FP_LANES; l++) {
            const double v = risk[h + l] + penalty[h + l];
            lanes[l] = v < lanes[l] ? v : lanes[l];
        }
    for (; h < count; h++) {
        const double v = risk[h] + penalty[h];
        lanes[0] = v < lanes[0] ? v : lanes[0];
    }
    double least = ceiling;
    for (int l = 0; l < FP_LANES; l++)
        least = lanes[l] < least ? lanes[l] : least;
    return least;
}

/* The ends of pieces that begin at `i`, all of them while what stands before lies in the first-level cache.
   gaps: for each end e, six rows of e + 1 numbers, one per first point h: the line of h..e at both ends of the gap after e.
   risks: for each end e, kinks + 1 rows of e + 1: least risk up to e with k kinks whose last piece is h..e. */
V_TARGET static void V_NAME(fp_from)(const double *t_hi, const double *r, ptrdiff_t n, ptrdiff_t i, ptrdiff_t kinks,
                                     double ceiling, double e, const fp_dd *sums, double *gaps, double *risks,
                                     double *penalty, const double *least)
{
    const double first = i == 0 ? 1.0 : 2.0;
    const double *const gap_before = gaps + 3 * i * (i - 1), *const risk_before = risks + (kinks + 1) * (i * (i - 1) / 2);
    for (ptrdiff_t j = i; j < n; j++) {
        const fp_fit fit = fp_fitted(sums, i, j, e, r, t_hi);
        if (fit.cost >= ceiling)
            break;      /* a longer piece costs no less */
        double *const gap = gaps + 3 * j * (j + 1) + i, *const risk = risks + (kinks + 1) * (j * (j + 1) / 2) + i;
        const ptrdiff_t stride = j + 1;
        if (j + 1 < n) {
            fp_at(&fit, t_hi[j], &gap[0], &gap[2 * stride], &gap[4 * stride]);
            fp_at(&fit, t_hi[j + 1], &gap[stride], &gap[3 * stride], &gap[5 * stride]);
            gap[4 * stride] *= first, gap[5 * stride] *= first;
        }
        if (i == 0) {
            risk[0] = fit.cost;
            continue;
        }
        if (kinks == 0)
            continue;
        const double last = j == n - 1 ? 1.0 : 2.0;
        double q[6];
        fp_at(&fit, t_hi[i - 1], &q[0], &q[2], &q[4]);
        fp_at(&fit, t_hi[i], &q[1], &q[3], &q[5]);
        q[4] *= last, q[5] *= last;
        V_NAME(fp_penalties)(gap_before, i, i, q, penalty);
        for (ptrdiff_t k = 1; k <= kinks; k++) {
            double from = V_NAME(fp_least)(risk_before + (k - 1) * i, penalty, i, ceiling);
            if (k > 1 && least[k - 2] < from)
                from = least[k - 2];
            const double sum = (from + fit.cost) * FP_DOWN * FP_DOWN;
            risk[k * stride] = sum < ceiling ? sum : ceiling;
        }
    }
}

/* best[k]: least risk of all points with at most k kinks */
V_TARGET static void V_NAME(fp_joined)(const double *t_hi, const double *t_lo, const double *w, const double *r,
                                       ptrdiff_t n, ptrdiff_t kinks, double ceiling, fp_dd *sums, double *gaps,
                                       double *risks, double *penalty, double *best)
{
    fp_running_sums(t_hi, t_lo, w, r, n, sums);
    const double e = fp_error(sums, n);
    const ptrdiff_t pairs = n * (n + 1) / 2;
    for (ptrdiff_t c = 0; c < (kinks + 1) * pairs; c++)
        risks[c] = ceiling;
    for (ptrdiff_t c = 0; c < 6 * pairs; c++)
        gaps[c] = INFINITY;     /* a line that is not known: no penalty */
    for (ptrdiff_t i = 0; i <= n; i++) {
        for (ptrdiff_t k = 0; i > 0 && k <= kinks; k++) {
            const double *const risk = risks + (kinks + 1) * (i * (i - 1) / 2) + k * i;
            double found = k > 0 ? best[k - 1] : ceiling;
            for (ptrdiff_t h = 0; h < i; h++)
                found = risk[h] < found ? risk[h] : found;
            best[k] = found;    /* of the first i points */
        }
        if (i < n)
            V_NAME(fp_from)(t_hi, r, n, i, kinks, ceiling, e, sums, gaps, risks, penalty, best);
    }
}

#undef FP_LANES
#undef V_NAME
#undef V_TARGET
