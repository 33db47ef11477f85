/* One instruction set's worth of the screened excess; in the words of _words.h.
 *
 * Panels always hold FS_PANEL = 8 samples or perturbations, one a lane, and no lane looks at another: with one, four
 * or eight lanes in a vector the arithmetic of a lane is the same, operation by operation, and so are its bits.
 * Nothing is fused but the error of a product, which is exact either way.
 */

/* s + e = a + b exactly (Knuth) */
#define FS_TWO_SUM(s, e, a, b) \
    do { \
        const VEC a_ = (a), b_ = (b), s_ = a_ + b_, t_ = s_ - a_; \
        (e) = (a_ - (s_ - t_)) + (b_ - t_); \
        (s) = s_; \
    } while (0)

FM_TARGET static void FM_NAME(fs_base)(const double *W1, const double *b1, const double *W2, double b2, ptrdiff_t d1,
                                   ptrdiff_t dx, const double *X, const double *y, const double *weight, ptrdiff_t m,
                                   double s_plus, double s_minus, double *work, double *sums, double *residual,
                                   double *z_out)
{
    const VEC zero = V_SET1(0.0);
    double *xt = (double *)fm_align(work);
    double *zt = xt + dx * FS_PANEL;
    double *yt = zt + d1 * FS_PANEL, *wt = yt + FS_PANEL, *rt = wt + FS_PANEL;
    double *slopes = rt + FS_PANEL; /* per unit: s_plus v, its error, s_minus v, its error */
    for (ptrdiff_t j = 0; j < d1; j++)
        for (int side = 0; side < 2; side++) {
            const double s = side ? s_minus : s_plus, p = s * W2[j];
            slopes[4 * j + 2 * side] = p;
            slopes[4 * j + 2 * side + 1] = fm_error(s, W2[j], p);
        }
    for (ptrdiff_t i = 0; i < m; i += FS_PANEL) {
        /* lanes beyond the last sample repeat it with weight 0 */
        for (int l = 0; l < FS_PANEL; l++) {
            const ptrdiff_t row = i + l < m ? i + l : m - 1;
            for (ptrdiff_t a = 0; a < dx; a++)
                xt[a * FS_PANEL + l] = X[row * dx + a];
            yt[l] = y[row];
            wt[l] = i + l < m ? (weight ? weight[row] : 1.0) : 0.0;
        }
        for (int h = 0; h < FS_PANEL; h += LANES) {
            VEC rh, rl, e;
            FS_TWO_SUM(rh, rl, V_SET1(b2), -V_LOAD(yt + h));
            for (ptrdiff_t j = 0; j < d1; j++) {
                VEC zh = V_SET1(b1[j]), zl = zero;
                for (ptrdiff_t a = 0; a < dx; a++) {
                    const VEC x = V_LOAD(xt + a * FS_PANEL + h), w = V_SET1(W1[j * dx + a]), p = w * x;
                    VEC f;
                    e = V_ERROR(w, x, p);
                    FS_TWO_SUM(zh, f, zh, p);
                    zl = zl + (e + f);
                }
                FS_TWO_SUM(zh, zl, zh, zl);
                V_STORE(zt + j * FS_PANEL + h, zh);
                const VEC sh = V_POSITIVE(zh, V_SET1(slopes[4 * j]), V_SET1(slopes[4 * j + 2]));
                const VEC sl = V_POSITIVE(zh, V_SET1(slopes[4 * j + 1]), V_SET1(slopes[4 * j + 3]));
                const VEC p = sh * zh;
                VEC f;
                e = V_ERROR(sh, zh, p) + (sh * zl + sl * zh);
                FS_TWO_SUM(rh, f, rh, p);
                rl = rl + (e + f);
            }
            FS_TWO_SUM(rh, rl, rh, rl);
            V_STORE(rt + h, rh);
            if (sums) {
                const VEC w = V_LOAD(wt + h), th = w * rh, tl = V_ERROR(w, rh, th) + w * rl;
                for (ptrdiff_t a = 0; a <= dx; a++) {
                    VEC p = th, f;
                    e = tl;
                    if (a < dx) {
                        const VEC x = V_LOAD(xt + a * FS_PANEL + h);
                        p = th * x;
                        e = V_ERROR(th, x, p) + tl * x;
                    }
                    double *to = sums + 2 * FS_PANEL * a + h;
                    VEC hi = V_LOADU(to);
                    FS_TWO_SUM(hi, f, hi, p);
                    V_STOREU(to, hi);
                    V_STOREU(to + FS_PANEL, V_LOADU(to + FS_PANEL) + (f + e));
                    for (ptrdiff_t j = 0; j < d1; j++) {
                        const VEC z = V_LOAD(zt + j * FS_PANEL + h);
                        to += 2 * FS_PANEL * (dx + 1);
                        hi = V_LOADU(to);
                        FS_TWO_SUM(hi, f, hi, V_POSITIVE(z, p, zero));
                        V_STOREU(to, hi);
                        V_STOREU(to + FS_PANEL, V_LOADU(to + FS_PANEL) + (f + V_POSITIVE(z, e, zero)));
                    }
                }
            }
        }
        const ptrdiff_t valid = m - i < FS_PANEL ? m - i : FS_PANEL;
        if (residual)
            for (ptrdiff_t l = 0; l < valid; l++)
                residual[i + l] = rt[l];
        if (z_out)
            for (ptrdiff_t j = 0; j < d1; j++)
                for (ptrdiff_t l = 0; l < valid; l++)
                    z_out[j * m + i + l] = zt[j * FS_PANEL + l];
    }
}

/* Q[l] += sum_r (R_r . u_l)^2, R (rows, n) upper trapezoidal, rows a multiple of 4 */
FM_TARGET static inline VEC FM_NAME(fs_squares)(const double *u, ptrdiff_t n, const double *R, ptrdiff_t rows)
{
    VEC total = V_SET1(0.0);
    for (ptrdiff_t r = 0; r < rows; r += 4) {
        const double *R0 = R + r * n, *R1 = R0 + n, *R2 = R1 + n, *R3 = R2 + n;
        VEC s0 = V_SET1(0.0), s1 = s0, s2 = s0, s3 = s0;
        for (ptrdiff_t a = r; a < n; a++) {
            const VEC x = V_LOAD(u + a * FS_PANEL);
            s0 = s0 + V_SET1(R0[a]) * x;
            s1 = s1 + V_SET1(R1[a]) * x;
            s2 = s2 + V_SET1(R2[a]) * x;
            s3 = s3 + V_SET1(R3[a]) * x;
        }
        total = total + ((s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3));
    }
    return total;
}

/* Add unit j's share of g . c, (v_j + dv_j) g_j . dw_j + dv_j g_j . w_j, in double-double. g (n) and g_low the words of
 * g_j; dw and db the changes of the row and its bias, dv that of the output weight, at the first lane of the vector */
FM_TARGET FM_INLINE void FM_NAME(fs_unit)(const double *g, const double *g_low, double W2, double own_hi, double own_lo,
                                      ptrdiff_t dx, const double *dw, const double *db, VEC dv, VEC *hi, VEC *lo)
{
    VEC gh = *hi, gl = *lo, vh, vl, th = V_SET1(0.0), tl = th, e, f;
    FS_TWO_SUM(vh, vl, V_SET1(W2), dv);
    for (ptrdiff_t a = 0; a <= dx; a++) {
        const VEC d = V_LOAD(a < dx ? dw + a * FS_PANEL : db), ga = V_SET1(g[a]), p = ga * d;
        e = V_ERROR(ga, d, p) + V_SET1(g_low[a]) * d;
        FS_TWO_SUM(th, f, th, p);
        tl = tl + (f + e);
    }
    VEC p = vh * th;
    e = V_ERROR(vh, th, p) + (vh * tl + vl * th);
    FS_TWO_SUM(gh, f, gh, p);
    gl = gl + (f + e);
    const VEC r = V_SET1(own_hi);
    p = dv * r;
    e = V_ERROR(dv, r, p) + V_SET1(own_lo) * dv;
    FS_TWO_SUM(gh, f, gh, p);
    *hi = gh;
    *lo = gl + (f + e);
}

/* The share of the output bias, from which the sum over the units starts */
FM_TARGET FM_INLINE void FM_NAME(fs_output)(double g, double g_low, VEC shift, VEC *hi, VEC *lo)
{
    const VEC gq = V_SET1(g);
    *hi = gq * shift;
    *lo = V_ERROR(gq, shift, *hi) + V_SET1(g_low) * shift;
}

/* The change of a unit's bias about the centre, db + dw . centre, both words */
FM_TARGET FM_INLINE VEC FM_NAME(fs_shift)(const double *centre, ptrdiff_t dx, const double *dw, VEC db, VEC *low)
{
    VEC dh = db, dl = V_SET1(0.0), e, f;
    for (ptrdiff_t a = 0; a < dx; a++) {
        const VEC mu = V_SET1(centre[a]), d = V_LOAD(dw + a * FS_PANEL), p = mu * d;
        e = V_ERROR(mu, d, p);
        FS_TWO_SUM(dh, f, dh, p);
        dl = dl + (f + e);
    }
    FS_TWO_SUM(dh, dl, dh, dl);
    *low = dl;
    return dh;
}

/* The linear terms of one panel: adds units first .. last - 1, whose rows dw holds, and the output bias first of all.
 * `tail` holds the changes of b1, W2 and b2; with a centre those of b1 become the ones about it. To `size` it adds how
 * far a unit with these changes moves the output by its constant part. */
FM_TARGET static void FM_NAME(fs_linear)(const fs_base_point *s, const double *dw, ptrdiff_t first, ptrdiff_t last,
                                         double *tail, double *high, double *low, double *size)
{
    const ptrdiff_t d1 = s->d1, dx = s->dx, n = dx + 1;
    const double *g = s->g_hi, *g_low = s->g_lo;
    for (int h = 0; h < FS_PANEL; h += LANES) {
        VEC gh = V_LOAD(high + h), gl = V_LOAD(low + h), sizes = V_LOAD(size + h);
        if (first == 0)
            FM_NAME(fs_output)(g[d1 * n], g_low[d1 * n], V_LOAD(tail + 2 * d1 * FS_PANEL + h), &gh, &gl);
        for (ptrdiff_t j = first; j < last; j++) {
            const double *rows = dw + (j - first) * dx * FS_PANEL + h;
            double *bias = tail + j * FS_PANEL + h;
            const VEC dv = V_LOAD(tail + (d1 + j) * FS_PANEL + h), v = V_SET1(s->W2[j]) + dv;
            FM_NAME(fs_unit)(g + j * n, g_low + j * n, s->W2[j], s->own_hi[j], s->own_lo[j], dx, rows, bias, dv, &gh,
                             &gl);
            VEC db = V_LOAD(bias), rest;
            if (s->centre) {
                db = FM_NAME(fs_shift)(s->centre, dx, rows, db, &rest);
                V_STORE(bias, db);
            }
            sizes = sizes + V_SET1(s->steep[j]) * (V_ABS(v) * V_ABS(db) + V_ABS(dv) * V_SET1(fabs(s->centred_bias[j])));
        }
        V_STORE(size + h, sizes);
        V_STORE(high + h, gh);
        V_STORE(low + h, gl);
    }
}

/* The linear terms and biases of rows of delta in float64 alone, a row at a time */
FM_TARGET static void FM_NAME(fs_linear_once)(const fs_base_point *s, const double *delta, ptrdiff_t K, double *value,
                                              double *bias)
{
    const ptrdiff_t d1 = s->d1, dx = s->dx, n = dx + 1;
    for (ptrdiff_t k = 0; k < K; k++) {
        const double *w = delta + k * (d1 * (dx + 2) + 1), *db = w + d1 * dx, *dv = db + d1;
        double lanes[LANES], sum = s->g_hi[d1 * n] * dv[d1];
        VEC sums = V_SET1(0.0);
        for (ptrdiff_t j = 0; j < d1; j++, w += dx) {
            const double *g = s->g_hi + j * n, v = s->W2[j] + dv[j];
            double rest = g[dx] * db[j];
            VEC t = V_SET1(0.0);
            ptrdiff_t a = 0;
            for (; a + LANES <= dx; a += LANES)
                t = V_FMA(V_LOADU(g + a), V_LOADU(w + a), t);
            for (; a < dx; a++)
                rest += g[a] * w[a];
            sums = V_FMA(V_SET1(v), t, sums);
            sum += v * rest + dv[j] * s->own_hi[j];
            if (s->centre) {
                double shift = db[j];
                for (a = 0; a < dx; a++)
                    shift += s->centre[a] * w[a];
                bias[k * d1 + j] = shift;
            }
        }
        V_STOREU(lanes, sums);
        for (int l = 0; l < LANES; l++)
            sum += lanes[l];
        value[k] = sum;
    }
}

/* One panel of perturbations: effective changes c, their low words where centred, changes of the biases (about the
 * centre), squared norms of the units' changes, g.c + 1/2 c'Gc */
FM_TARGET static void FM_NAME(fs_form)(const fs_problem *s, const double *dt, double *c, double *u, double *bias,
                                   double *low, double *norm2, double *value)
{
    const ptrdiff_t d1 = s->d1, dx = s->dx, n = dx + 1, q = d1 * n + 1;
    const double *db = dt + d1 * dx * FS_PANEL, *dv = db + d1 * FS_PANEL, *last = dv + d1 * FS_PANEL;
    for (int h = 0; h < FS_PANEL; h += LANES) {
        const VEC shift = V_LOAD(last + h);
        VEC gh, gl;
        FM_NAME(fs_output)(s->g_hi[q - 1], s->g_lo[q - 1], shift, &gh, &gl);
        V_STORE(c + (q - 1) * FS_PANEL + h, shift);
        for (ptrdiff_t j = 0; j < d1; j++) {
            const VEC d2 = V_LOAD(dv + j * FS_PANEL + h);
            const VEC v = V_SET1(s->W2[j]) + d2;
            VEC square = V_SET1(0.0);
            for (ptrdiff_t a = 0; a < n; a++) {
                const VEC w = V_SET1(a < dx ? s->W1[j * dx + a] : s->b1[j]);
                const VEC d = V_LOAD((a < dx ? dt + (j * dx + a) * FS_PANEL : db + j * FS_PANEL) + h);
                V_STORE(c + (j * n + a) * FS_PANEL + h, v * d + d2 * w);
                square = square + d * d;
            }
            V_STORE(norm2 + j * FS_PANEL + h, square);
            VEC dh = V_LOAD(db + j * FS_PANEL + h);
            if (s->centre) {
                /* The form is that of centred inputs: there the bias changes by db + dw . centre. Both words are kept,
                 * as such changes may be large, and cancel between the units. */
                VEC dl, vh, vl, e, f;
                dh = FM_NAME(fs_shift)(s->centre, dx, dt + j * dx * FS_PANEL + h, dh, &dl);
                FS_TWO_SUM(vh, vl, V_SET1(s->W2[j]), d2);
                const VEC own = V_SET1(s->centred_bias[j]), p = vh * dh, r = d2 * own;
                VEC ch, cl;
                e = (V_ERROR(vh, dh, p) + (vh * dl + vl * dh)) + (V_ERROR(d2, own, r) + d2 * V_SET1(s->centred_low[j]));
                FS_TWO_SUM(ch, f, p, r);
                FS_TWO_SUM(ch, cl, ch, f + e);
                V_STORE(c + (j * n + dx) * FS_PANEL + h, ch);
                V_STORE(low + j * FS_PANEL + h, cl);
            }
            V_STORE(bias + j * FS_PANEL + h, dh);
            FM_NAME(fs_unit)(s->g_hi + j * n, s->g_lo + j * n, s->W2[j], s->own_hi[j], s->own_lo[j], dx,
                         dt + j * dx * FS_PANEL + h, db + j * FS_PANEL + h, d2, &gh, &gl);
        }

        VEC square = V_SET1(0.0);
        if (s->n_patterns == 0) {
            square = FM_NAME(fs_squares)(c + h, q, s->R, s->row_start[1]);
        } else {
            for (ptrdiff_t k = 0; k < s->n_patterns; k++) {
                for (ptrdiff_t a = 0; a < n; a++) {
                    VEC t = V_SET1(0.0);
                    if (a == dx)
                        t = shift;
                    if (a == dx && s->centre) {
                        VEC tl = V_SET1(0.0), f;
                        for (ptrdiff_t j = 0; j < d1; j++) {
                            const VEC slope = V_SET1(s->slopes[k * d1 + j]);
                            const VEC b = V_LOAD(c + (j * n + a) * FS_PANEL + h), p = slope * b;
                            const VEC e = V_ERROR(slope, b, p) + slope * V_LOAD(low + j * FS_PANEL + h);
                            FS_TWO_SUM(t, f, t, p);
                            tl = tl + (f + e);
                        }
                        V_STORE(u + a * FS_PANEL + h, t + tl);
                        break;
                    }
                    for (ptrdiff_t j = 0; j < d1; j++)
                        t = t + V_SET1(s->slopes[k * d1 + j]) * V_LOAD(c + (j * n + a) * FS_PANEL + h);
                    V_STORE(u + a * FS_PANEL + h, t);
                }
                square = square + FM_NAME(fs_squares)(u + h, n, s->R + s->row_start[k] * n,
                                                  s->row_start[k + 1] - s->row_start[k]);
            }
        }
        V_STORE(value + h, gh + (gl + V_SET1(0.5) * square));
    }
}

#undef FS_TWO_SUM
