/* One instruction set's worth of the first-order sums; in the words of _words.h. */

/* S += w x, low += what S lost: with |S| >= |w x| and |S| between halves of a start, the step S' - S is exact, and so is
 * what it left of w x but for its last rounding. Both forms err by at most 1.5 u^2 times the start. */
#if FM_WORDS == FM_AVX2_F64
#define FO_ADD(S, low, w, x) \
    do { \
        const VEC S_ = _mm256_fmadd_pd(w, x, S), t_ = _mm256_sub_pd(S_, S); \
        (low) = _mm256_add_pd(low, _mm256_fmsub_pd(w, x, t_)); \
        (S) = S_; \
    } while (0)
#elif FM_WORDS == FM_AVX512_F64
#define FO_ADD(S, low, w, x) \
    do { \
        const VEC S_ = _mm512_fmadd_pd(w, x, S), t_ = _mm512_sub_pd(S_, S); \
        (low) = _mm512_add_pd(low, _mm512_fmsub_pd(w, x, t_)); \
        (S) = S_; \
    } while (0)
#else
#define FO_ADD(S, low, w, x) \
    do { \
        const VEC p_ = V_MUL(w, x), S_ = V_ADD(S, p_), t_ = V_SUB(S_, S); \
        (low) = V_ADD(low, V_ADD(V_SUB(p_, t_), V_ERROR(w, x, p_))); \
        (S) = S_; \
    } while (0)
#endif

/* S += p for a single number */
#define FO_PLUS(S, low, p) \
    do { \
        const VEC q_ = (p), S_ = V_ADD(S, q_), t_ = V_SUB(S_, S); \
        (low) = V_ADD(low, V_SUB(q_, t_)); \
        (S) = S_; \
    } while (0)

/* s + e = a + b exactly (Knuth) */
#define FO_TWO_SUM(s, e, a, b) \
    do { \
        const VEC a_ = (a), b_ = (b), s_ = V_ADD(a_, b_), t_ = V_SUB(s_, a_); \
        (e) = V_ADD(V_SUB(a_, V_SUB(s_, t_)), V_SUB(b_, t_)); \
        (s) = s_; \
    } while (0)

/* z of `units` units on one vector of samples, as two words: high (exact difference) and low */
FM_TARGET FM_INLINE void FM_NAME(fo_z)(const fo_problem *p, const double *xt, ptrdiff_t first, int units,
                                       const double *reach, VEC size, VEC *high, VEC *low)
{
    VEC start[FO_UNITS], S[FO_UNITS], L[FO_UNITS];
    FM_UNROLL
    for (int r = 0; r < units; r++) {
        start[r] = V_MUL(V_SET1(reach[first + r]), size);
        S[r] = start[r];
        L[r] = V_SET1(0.0);
        FO_PLUS(S[r], L[r], V_SET1(p->b1[first + r]));
    }
    for (ptrdiff_t j = 0; j < p->dx; j++) {
        const VEC x = V_LOAD(xt + j * FO_BLOCK);
        FM_UNROLL
        for (int r = 0; r < units; r++) {
            const VEC w = V_SET1(p->W1[(first + r) * p->dx + j]);
            FO_ADD(S[r], L[r], w, x);
        }
    }
    FM_UNROLL
    for (int r = 0; r < units; r++) {
        high[r] = V_SUB(S[r], start[r]);
        low[r] = L[r];
    }
}

/* Residuals of one vector of samples: z's rounded sums to zt, both words of w e to th and tl, the size of e's error to
 * slack, and where the sides are not known to unsure */
FM_TARGET FM_INLINE void FM_NAME(fo_residuals)(const fo_problem *p, const double *xt, const double *slopes,
                                               const double *reach, double total, const double *yt, const double *wt,
                                               double *zt, double *th, double *tl, double *et, double *dt,
                                               double *length)
{
    VEC one = V_SET1(1.0), norm1 = one, norm2 = one;
    for (ptrdiff_t j = 0; j < p->dx; j++) {
        const VEC x = V_LOAD(xt + j * FO_BLOCK);
        norm1 = V_ADD(norm1, V_ABS(x));
        norm2 = V_ADD(norm2, V_MUL(x, x));
    }
    const VEC y = V_LOAD(yt), size = V_ADD(V_ADD(V_MUL(V_SET1(total), norm1), V_SET1(fabs(p->b2))), V_ABS(y));
    const VEC start = V_MUL(V_SET1(4.0 + 0x1p-10), size);
    VEC F = start, low = V_SET1(0.0);
    FO_PLUS(F, low, V_SET1(p->b2));
    FO_PLUS(F, low, V_SUB(V_SET1(0.0), y));
    for (ptrdiff_t k = 0; k < p->d1; k += FO_UNITS) {
        VEC zh[FO_UNITS], zl[FO_UNITS];
        const int units = p->d1 - k < FO_UNITS ? (int)(p->d1 - k) : FO_UNITS;
        if (units == FO_UNITS)
            FM_NAME(fo_z)(p, xt, k, FO_UNITS, reach, norm1, zh, zl);
        else
            for (int r = 0; r < units; r++)
                FM_NAME(fo_z)(p, xt, k + r, 1, reach, norm1, zh + r, zl + r);
        for (int r = 0; r < units; r++) {
            const double *s = slopes + 4 * (k + r);
            const VEC z = V_ADD(zh[r], zl[r]);
            const VEC sh = V_POSITIVE(z, V_SET1(s[0]), V_SET1(s[2])), sl = V_POSITIVE(z, V_SET1(s[1]), V_SET1(s[3]));
            V_STORE(zt + (k + r) * FO_BLOCK, z);
            FO_ADD(F, low, sh, zh[r]);
            low = V_FMA(sh, zl[r], low);
            low = V_FMA(sl, zh[r], low);
        }
    }
    VEC eh, el, w = V_LOAD(wt);
    FO_TWO_SUM(eh, el, V_SUB(F, start), low);
    const VEC high = V_MUL(w, eh);
    V_STORE(et, eh);
    V_STORE(dt, V_ADD(V_MUL(V_SET1(p->e_factor), size), V_SET1(p->e_tiny)));
    V_STORE(th, high);
    V_STORE(tl, V_ADD(V_ERROR(w, eh, high), V_MUL(w, el)));
    V_STORE(length, norm1);
    V_STORE(length + FO_BLOCK, norm2);
}

/* sums over the block of (th + tl) x for `units` masked residuals and `columns` inputs; `starts` per column */
FM_TARGET FM_INLINE void FM_NAME(fo_products)(const double *th, const double *tl, const double *xt,
                                              const double *starts, int units, int columns, ptrdiff_t n, double *sums)
{
    VEC S[4], L[4];
    FM_UNROLL
    for (int r = 0; r < units; r++)
        FM_UNROLL
        for (int c = 0; c < columns; c++) {
            S[r * columns + c] = V_SET1(starts[c]);
            L[r * columns + c] = V_SET1(0.0);
        }
    for (ptrdiff_t h = 0; h < FO_BLOCK; h += LANES) {
        FM_UNROLL
        for (int r = 0; r < units; r++) {
            const VEC high = V_LOAD(th + r * FO_BLOCK + h), low = V_LOAD(tl + r * FO_BLOCK + h);
            FM_UNROLL
            for (int c = 0; c < columns; c++) {
                const VEC x = V_LOAD(xt + c * FO_BLOCK + h);
                FO_ADD(S[r * columns + c], L[r * columns + c], high, x);
                L[r * columns + c] = V_FMA(low, x, L[r * columns + c]);
            }
        }
    }
    FM_UNROLL
    for (int r = 0; r < units; r++)
        FM_UNROLL
        for (int c = 0; c < columns; c++) {
            double *to = sums + (r * n + c) * 2 * FO_LANES;
            VEC hi, f;
            FO_TWO_SUM(hi, f, V_LOADU(to), V_SUB(S[r * columns + c], V_SET1(starts[c])));
            V_STOREU(to, hi);
            V_STOREU(to + FO_LANES, V_ADD(V_LOADU(to + FO_LANES), V_ADD(f, L[r * columns + c])));
        }
}

/* Samples whose side is not known for unit k, and the least |z| / |x~| of the others by the sign of their residual */
FM_TARGET static void FM_NAME(fo_sides)(const fo_problem *p, ptrdiff_t k, const double *zt, const double *et,
                                        const double *dt, const double *wt, const double *xt, const double *length,
                                        double size, ptrdiff_t valid)
{
    const ptrdiff_t n = p->dx + 1;
    const double *z = zt + k * FO_BLOCK;
    double up = p->nearest[k], down = p->nearest[p->d1 + k];
    int any = 0;
    for (ptrdiff_t i = 0; i < valid; i++) {
        const double reach = fabs(z[i]), bound = size * length[i] + p->z_tiny;
        const int sure = reach > bound;
        const double quotient = sure ? (reach - bound) * length[FO_BLOCK + i] : HUGE_VAL;
        const double above = et[i] >= -dt[i] ? quotient : HUGE_VAL, below = et[i] <= dt[i] ? quotient : HUGE_VAL;
        up = above < up ? above : up;
        down = below < down ? below : down;
        any |= !sure;
    }
    p->nearest[k] = up;
    p->nearest[p->d1 + k] = down;
    if (FM_UNLIKELY(any))
        for (ptrdiff_t i = 0; i < valid; i++)
            if (!(fabs(z[i]) > size * length[i] + p->z_tiny)) {
                const double g = wt[i] * (fabs(et[i]) + dt[i]);
                p->unsure[k]++;
                for (ptrdiff_t j = 0; j < n; j++)
                    p->doubt[k * n + j] += g * fabs(xt[j * FO_BLOCK + i]);
            }
}

/* Inputs of a block column by column, a column of ones last; y and the weights. Samples beyond the last are zeros of
 * weight 0. */
FM_TARGET static void FM_NAME(fo_load)(const fo_problem *p, ptrdiff_t from, ptrdiff_t valid, double *xt, double *yt,
                                       double *wt)
{
    const ptrdiff_t dx = p->dx;
    const double *X = p->X + from * dx;
    ptrdiff_t done = 0, j0 = 0;
#ifdef V_TRANSPOSE4
    for (; done + 4 <= valid; done += 4) {
        for (j0 = 0; j0 + 4 <= dx; j0 += 4)
            V_TRANSPOSE4(X + done * dx + j0, dx, xt + j0 * FO_BLOCK + done, FO_BLOCK);
        for (ptrdiff_t j = j0; j < dx; j++)
            for (ptrdiff_t i = done; i < done + 4; i++)
                xt[j * FO_BLOCK + i] = X[i * dx + j];
    }
#endif
    for (ptrdiff_t i = done; i < valid; i++)
        for (ptrdiff_t j = 0; j < dx; j++)
            xt[j * FO_BLOCK + i] = X[i * dx + j];
    (void)j0;
    for (ptrdiff_t i = 0; i < valid; i++) {
        xt[dx * FO_BLOCK + i] = 1.0;
        yt[i] = p->y[from + i];
        wt[i] = p->weight ? p->weight[from + i] : 1.0;
    }
    for (ptrdiff_t i = valid; i < FO_BLOCK; i++) {
        for (ptrdiff_t j = 0; j <= dx; j++)
            xt[j * FO_BLOCK + i] = 0.0;
        yt[i] = wt[i] = 0.0;
    }
}

FM_TARGET static void FM_NAME(fo_pass)(const fo_problem *p)
{
    const ptrdiff_t d1 = p->d1, n = p->dx + 1;
    double *xt = (double *)fm_align(p->work), *zt = xt + n * FO_BLOCK;
    double *th = zt + d1 * FO_BLOCK, *tl = th + (d1 + 1) * FO_BLOCK;
    double *yt = tl + (d1 + 1) * FO_BLOCK, *wt = yt + FO_BLOCK, *et = wt + FO_BLOCK, *dt = et + FO_BLOCK;
    double *length = dt + FO_BLOCK; /* |x~|_1, then |x~|^2 and 1 / |x~| */
    double *slopes = length + 2 * FO_BLOCK, *reach = slopes + 4 * d1, *starts = reach + d1;
    double total = 0.0, square = 0.0;
    const double steep = fabs(p->s_plus) > fabs(p->s_minus) ? fabs(p->s_plus) : fabs(p->s_minus);
    for (ptrdiff_t k = 0; k < d1; k++) {
        double most = fabs(p->b1[k]);
        for (ptrdiff_t j = 0; j < p->dx; j++) {
            const double w = fabs(p->W1[k * p->dx + j]);
            most = w > most ? w : most;
        }
        reach[k] = (4.0 + 0x1p-10) * most;
        total += steep * fabs(p->W2[k]) * most;
        for (int side = 0; side < 2; side++) {
            const double s = side ? p->s_minus : p->s_plus, a = s * p->W2[k];
            slopes[4 * k + 2 * side] = a;
            slopes[4 * k + 2 * side + 1] = fm_error(s, p->W2[k], a);
        }
    }
    /* its own roundings, and those of the slopes */
    total *= 1.0 + 0x1p-20;
    for (ptrdiff_t from = 0; from < p->m; from += FO_BLOCK) {
        const ptrdiff_t valid = p->m - from < FO_BLOCK ? p->m - from : FO_BLOCK;
        FM_NAME(fo_load)(p, from, valid, xt, yt, wt);
        for (ptrdiff_t h = 0; h < FO_BLOCK; h += LANES)
            FM_NAME(fo_residuals)(p, xt + h, slopes, reach, total, yt + h, wt + h, zt + h, th + h, tl + h, et + h,
                                  dt + h, length + h);
        for (ptrdiff_t i = 0; i < FO_BLOCK; i++) {
            /* rounded down: |x~|^2 has n roundings, the root and the quotient one each */
            length[FO_BLOCK + i] = (1.0 - 0x1p-20) / sqrt(length[FO_BLOCK + i]);
            square += th[i] * et[i];
            yt[i] = p->sum_factor * fabs(th[i]) + wt[i] * dt[i] + 0x1p-1000;
        }
        /* y is not needed any more: its place holds each sample's share of the errors */
        for (ptrdiff_t j = 0; j < n; j++) {
            VEC size = V_SET1(0.0), error = V_SET1(0.0);
            for (ptrdiff_t h = 0; h < FO_BLOCK; h += LANES) {
                const VEC x = V_ABS(V_LOAD(xt + j * FO_BLOCK + h));
                size = V_FMA(V_ABS(V_LOAD(th + h)), x, size);
                error = V_FMA(V_LOAD(yt + h), x, error);
            }
            double sizes[LANES], errors[LANES];
            memcpy(sizes, &size, sizeof size);
            memcpy(errors, &error, sizeof error);
            starts[j] = 0.0;
            for (int l = 0; l < LANES; l++) {
                starts[j] += sizes[l];
                p->error[j] += errors[l];
            }
            starts[j] = (4.0 + 0x1p-10) * starts[j] + 0x1p-1000;
        }
        for (ptrdiff_t k = 0; k < d1; k++) {
            const VEC zero = V_SET1(0.0);
            double *high = th + (k + 1) * FO_BLOCK, *low = tl + (k + 1) * FO_BLOCK;
            for (ptrdiff_t h = 0; h < FO_BLOCK; h += LANES) {
                const VEC z = V_LOAD(zt + k * FO_BLOCK + h);
                V_STORE(high + h, V_POSITIVE(z, V_LOAD(th + h), zero));
                V_STORE(low + h, V_POSITIVE(z, V_LOAD(tl + h), zero));
            }
            FM_NAME(fo_sides)(p, k, zt, et, dt, wt, xt, length, p->z_factor * reach[k], valid);
        }
        for (ptrdiff_t k = 0; k <= d1; k += 2)
            for (ptrdiff_t j = 0; j < n; j += 2) {
                const double *high = th + k * FO_BLOCK, *low = tl + k * FO_BLOCK, *x = xt + j * FO_BLOCK;
                double *to = p->sums + (k * n + j) * 2 * FO_LANES;
                const int units = d1 + 1 - k > 1 ? 2 : 1, columns = n - j > 1 ? 2 : 1;
                if (units == 2 && columns == 2)
                    FM_NAME(fo_products)(high, low, x, starts + j, 2, 2, n, to);
                else
                    for (int r = 0; r < units; r++)
                        for (int c = 0; c < columns; c++)
                            FM_NAME(fo_products)(high + r * FO_BLOCK, low + r * FO_BLOCK, x + c * FO_BLOCK,
                                                 starts + j + c, 1, 1, n, to + (r * n + c) * 2 * FO_LANES);
            }
    }
    *p->square = square;
}

#undef FO_ADD
#undef FO_PLUS
#undef FO_TWO_SUM
