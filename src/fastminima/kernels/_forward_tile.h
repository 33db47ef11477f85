/* The body of the batched forward pass, in the words of _words.h. */

#define PANEL (3 * LANES)

/* Transposes `count` samples into panels [dx rows of x | y | weight][PANEL]. The last panel is filled up with copies
 * of its last sample at weight 0: a copy overflows only where the sample itself does; a row of zeros might alone. */
FM_TARGET static void FM_NAME(fm_pack)(const double *X, const double *y, const double *weight, ptrdiff_t count,
                                       ptrdiff_t dx, REAL *FM_RESTRICT pack)
{
    const ptrdiff_t stride = (dx + 2) * PANEL;
    ptrdiff_t i, j, lane;
    for (i = 0; i < count; i += PANEL, pack += stride) {
        const ptrdiff_t full = count - i < PANEL ? count - i : PANEL;
        REAL *targets = pack + dx * PANEL, *weights = targets + PANEL;
        lane = 0;
#ifdef V_TRANSPOSE4
        for (; lane + 4 <= full; lane += 4) {
            const double *x = X + (i + lane) * dx;
            for (j = 0; j + 4 <= dx; j += 4)
                V_TRANSPOSE4(x + j, dx, pack + j * PANEL + lane, PANEL);
            for (; j < dx; j++) {
                pack[j * PANEL + lane] = (REAL)x[j];
                pack[j * PANEL + lane + 1] = (REAL)x[dx + j];
                pack[j * PANEL + lane + 2] = (REAL)x[2 * dx + j];
                pack[j * PANEL + lane + 3] = (REAL)x[3 * dx + j];
            }
        }
#endif
        for (; lane < PANEL; lane++) {
            const ptrdiff_t sample = i + (lane < full ? lane : full - 1);
            const double *x = X + sample * dx;
            for (j = 0; j < dx; j++)
                pack[j * PANEL + lane] = (REAL)x[j];
        }
        for (lane = 0; lane < PANEL; lane++) {
            const ptrdiff_t sample = i + (lane < full ? lane : full - 1);
            targets[lane] = y ? (REAL)y[sample] : 0;
            weights[lane] = lane >= full ? 0 : weight ? (REAL)weight[sample] : 1;
        }
    }
}

#ifndef FM_SMOOTH
/* What the tiles want of each unit: the scale of its row, |W2| and the larger slope (times -1 if that is s_minus), its
 * bias times that, and the codes of +-1 and +-smaller / larger slope. */
FM_TARGET static void FM_NAME(fm_signs)(const REAL *FM_RESTRICT b1, const REAL *FM_RESTRICT W2, ptrdiff_t units,
                                        const fm_activation *h, REAL *FM_RESTRICT scale, REAL *FM_RESTRICT b,
                                        REAL *FM_RESTRICT up, REAL *FM_RESTRICT down)
{
    const double s_plus = h->s_plus, s_minus = h->s_minus;
    /* h(t) = -g(-t), g with the slopes exchanged: the ratio is at most 1, and what is small is not made smaller */
    const int turned = s_minus > s_plus;
    const double larger = turned ? s_minus : s_plus, smaller = turned ? s_plus : s_minus;
    const REAL ratio = (REAL)(smaller / larger), above = V_UP(1), below = V_UP(-1), turn = turned ? -1 : 1;
    ptrdiff_t u;
    /* no branches: the signs are as good as random */
    for (u = 0; u < units; u++) {
        const REAL size = (REAL)fabs(W2[u] * (REAL)larger);
        scale[u] = turn * size;
        b[u] = b1[u] * scale[u];
        up[u] = W2[u] * turn < 0 ? below : above;
        down[u] = W2[u] * turn < 0 ? -ratio : ratio;
    }
}

/* The activation itself, of a whole tile: this one is part of fm_bend. */
FM_TARGET FM_INLINE void FM_NAME(fm_curves)(const fm_activation *h, const int units, const int width, VEC z[ROWS][3])
{
    (void)h, (void)units, (void)width, (void)z;
}

/* f += sum over `units` hidden units of W2 h(z) */
FM_TARGET FM_INLINE void FM_NAME(fm_bend)(const int units, const int width, const REAL *FM_RESTRICT up,
                                          const REAL *FM_RESTRICT down, VEC (*z)[3], VEC *f)
{
    int r, v;
    FM_UNROLL
    for (r = 0; r < units; r++) {
        const VEC p = V_SET1(up[r]), n = V_SET1(down[r]);
        FM_UNROLL
        for (v = 0; v < width; v++)
            f[v] = V_FMA(V_TURN(z[r][v], p, n), z[r][v], f[v]);
    }
}
#endif

/* Parameters of networks as the tiles want them: fm_signs and the scaled rows. `all` numbers may be read from W1. */
FM_TARGET static void FM_NAME(fm_scale)(const REAL *FM_RESTRICT W1, const REAL *FM_RESTRICT b1,
                                        const REAL *FM_RESTRICT W2, ptrdiff_t units, ptrdiff_t dx, ptrdiff_t all,
                                        const fm_activation *h, REAL *FM_RESTRICT scale, REAL *FM_RESTRICT w,
                                        REAL *FM_RESTRICT b, REAL *FM_RESTRICT up, REAL *FM_RESTRICT down)
{
    ptrdiff_t u, j;
    FM_NAME(fm_signs)(b1, W2, units, h, scale, b, up, down);
    /* whole vectors: what a row writes beyond its end the next row overwrites */
    for (u = 0; u < units && u * dx + dx + LANES <= all; u++) {
        const VEC s = V_SET1(scale[u]);
        for (j = 0; j < dx; j += LANES)
            V_STOREU(w + u * dx + j, V_MUL(s, V_LOADU(W1 + u * dx + j)));
    }
    for (; u < units; u++)
        for (j = 0; j < dx; j++)
            w[u * dx + j] = W1[u * dx + j] * scale[u];
}

/* z += W1 x of `units` hidden units on the first `width` vectors of one panel, from scaled rows that lie `step` numbers
 * apart, their numbers `apart`. Both are constants after inlining, so that z is width * units registers and never memory. */
FM_TARGET FM_INLINE void FM_NAME(fm_dots)(const int units, const int width, const REAL *FM_RESTRICT w, ptrdiff_t step,
                                          const ptrdiff_t apart, ptrdiff_t dx, const REAL *FM_RESTRICT x,
                                          VEC z[ROWS][3])
{
    ptrdiff_t j;
    int r;
    for (j = 0; j < dx; j++, x += PANEL) {
        const VEC x0 = V_LOAD(x);
        const VEC x1 = width > 1 ? V_LOAD(x + LANES) : x0, x2 = width > 2 ? V_LOAD(x + 2 * LANES) : x0;
        FM_UNROLL
        for (r = 0; r < units; r++) {
            const VEC s = V_SET1(w[r * step + j * apart]);
            z[r][0] = V_FMA(s, x0, z[r][0]);
            if (width > 1)
                z[r][1] = V_FMA(s, x1, z[r][1]);
            if (width > 2)
                z[r][2] = V_FMA(s, x2, z[r][2]);
        }
    }
}

FM_TARGET FM_INLINE void FM_NAME(fm_biases)(const int units, const int width, const REAL *FM_RESTRICT b, VEC z[ROWS][3])
{
    int r, v;
    FM_UNROLL
    for (r = 0; r < units; r++)
        for (v = 0; v < width; v++)
            z[r][v] = V_SET1(b[r]);
}

FM_TARGET FM_INLINE void FM_NAME(fm_tile)(const fm_activation *h, const int units, const int width, const REAL *w,
                                          const REAL *b, const REAL *up, const REAL *down, ptrdiff_t dx, const REAL *x,
                                          VEC *f)
{
    VEC z[ROWS][3];
    FM_NAME(fm_biases)(units, width, b, z);
    FM_NAME(fm_dots)(units, width, w, dx, 1, dx, x, z);
    FM_NAME(fm_curves)(h, units, width, z);
    FM_NAME(fm_bend)(units, width, up, down, z, f);
}

/* total += weight (f - y)^2 */
FM_TARGET FM_INLINE void FM_NAME(fm_squares)(const int width, const VEC *f, const REAL *targets, const REAL *weights,
                                             int weighted, REAL *total)
{
    VEC sum = V_LOAD(total);
    int v;
    FM_UNROLL
    for (v = 0; v < width; v++) {
        const VEC e = V_SUB(f[v], V_LOAD(targets + v * LANES));
        VEC scaled = e;
        if (weighted)
            scaled = V_MUL(e, V_LOAD(weights + v * LANES));
        sum = V_FMA(scaled, e, sum);
    }
    V_STORE(total, sum);
}

/* fm_squares for tuples of `units` hidden units, as many at a time as make a tile; returns how many are done. Each goes
 * through the operations that it goes through alone. */
FM_TARGET FM_INLINE ptrdiff_t FM_NAME(fm_small)(const fm_activation *h, const int units, const int width, const REAL *w,
                                                const REAL *b, const REAL *up, const REAL *down, const REAL *b2,
                                                ptrdiff_t tuples, ptrdiff_t dx, const REAL *x, int weighted,
                                                REAL *total, fm_ahead *ahead)
{
    const int many = ROWS / units;
    const REAL *targets = x + dx * PANEL, *weights = targets + PANEL;
    ptrdiff_t t;
    int n, v;
    for (t = 0; t + many <= tuples; t += many) {
        VEC z[ROWS][3];
        FM_NAME(fm_biases)(many * units, width, b, z);
        FM_NAME(fm_dots)(many * units, width, w, dx, 1, dx, x, z);
        FM_NAME(fm_curves)(h, many * units, width, z);
        FM_UNROLL
        for (n = 0; n < many; n++) {
            VEC f[3];
            for (v = 0; v < width; v++)
                f[v] = V_SET1(b2[t + n]);
            FM_NAME(fm_bend)(units, width, up + n * units, down + n * units, z + n * units, f);
            FM_NAME(fm_squares)(width, f, targets, weights, weighted, total + n * LANES);
            fm_fetch(ahead);
        }
        w += many * units * dx, b += many * units, up += many * units, down += many * units, total += many * LANES;
    }
    return t;
}

/* Outputs of one network on one panel. The units are dealt into tiles of nearly equal height: five units as 3 + 2
 * keep more multiply-adds in flight than 4 + 1, and none is padding. */
FM_TARGET FM_INLINE void FM_NAME(fm_network)(const fm_activation *h, const int width, const REAL *FM_RESTRICT w,
                                             const REAL *FM_RESTRICT b, const REAL *FM_RESTRICT up,
                                             const REAL *FM_RESTRICT down, REAL b2, ptrdiff_t d1, ptrdiff_t dx,
                                             const REAL *FM_RESTRICT x, VEC *f, fm_ahead *ahead)
{
    ptrdiff_t tiles = (d1 + ROWS - 1) / ROWS, rest = d1;
    int v;
    for (v = 0; v < width; v++)
        f[v] = V_SET1(b2);
    for (; tiles > 0; tiles--) {
        const ptrdiff_t units = (rest + tiles - 1) / tiles;
        fm_fetch(ahead);
        switch (units) {
        case 1: FM_NAME(fm_tile)(h, 1, width, w, b, up, down, dx, x, f); break;
        case 2: FM_NAME(fm_tile)(h, 2, width, w, b, up, down, dx, x, f); break;
        case 3: FM_NAME(fm_tile)(h, 3, width, w, b, up, down, dx, x, f); break;
#if ROWS > 4
        case 5: FM_NAME(fm_tile)(h, 5, width, w, b, up, down, dx, x, f); break;
        case 6: FM_NAME(fm_tile)(h, 6, width, w, b, up, down, dx, x, f); break;
        case 7: FM_NAME(fm_tile)(h, 7, width, w, b, up, down, dx, x, f); break;
        case 8: FM_NAME(fm_tile)(h, 8, width, w, b, up, down, dx, x, f); break;
#endif
        default: FM_NAME(fm_tile)(h, 4, width, w, b, up, down, dx, x, f); break;
        }
        w += units * dx, b += units, up += units, down += units, rest -= units;
    }
}

/* total += weight (f - y)^2 lane by lane, for a block of tuples on the first `width` vectors of one panel. */
FM_TARGET FM_INLINE void FM_NAME(fm_panel)(const fm_activation *h, const int width, const REAL *w, const REAL *b,
                                           const REAL *up, const REAL *down, const REAL *b2, ptrdiff_t tuples,
                                           ptrdiff_t d1, ptrdiff_t dx, const REAL *x, int weighted, REAL *total,
                                           fm_ahead *ahead)
{
    const REAL *targets = x + dx * PANEL, *weights = targets + PANEL;
    ptrdiff_t t = 0;
    if (width != 2 && d1 <= ROWS / 2) {
        switch (d1) {
        case 1: t = FM_NAME(fm_small)(h, 1, width, w, b, up, down, b2, tuples, dx, x, weighted, total, ahead); break;
#if ROWS > 4
        case 3: t = FM_NAME(fm_small)(h, 3, width, w, b, up, down, b2, tuples, dx, x, weighted, total, ahead); break;
        case 4: t = FM_NAME(fm_small)(h, 4, width, w, b, up, down, b2, tuples, dx, x, weighted, total, ahead); break;
#endif
        default: t = FM_NAME(fm_small)(h, 2, width, w, b, up, down, b2, tuples, dx, x, weighted, total, ahead); break;
        }
        w += t * d1 * dx, b += t * d1, up += t * d1, down += t * d1, total += t * LANES;
    }
    for (; t < tuples; t++, w += d1 * dx, b += d1, up += d1, down += d1, total += LANES) {
        VEC f[3];
        FM_NAME(fm_network)(h, width, w, b, up, down, b2[t], d1, dx, x, f, ahead);
        FM_NAME(fm_squares)(width, f, targets, weights, weighted, total);
    }
}

#include "_forward_wide.h"

/* out[k] = sum_i weight_i (f_k(x_i) - y_i)^2. Workspace: see workspace_items in _forward.pyx. */
FM_TARGET static void FM_NAME(fm_sums)(const REAL *W1, const REAL *b1, const REAL *W2, const REAL *b2, ptrdiff_t K,
                                       ptrdiff_t d1, ptrdiff_t dx, const double *X, const double *y,
                                       const double *weight, ptrdiff_t m, const fm_activation *h, REAL *workspace,
                                       double *out)
{
    const ptrdiff_t stride = (dx + 2) * PANEL, matrix = d1 * dx;
    const ptrdiff_t group = fm_group_panels(stride, sizeof(REAL));
    const ptrdiff_t block = fm_block_tuples(d1, dx, sizeof(REAL));
    const ptrdiff_t tiles = (d1 + ROWS - 1) / ROWS, room = block * d1;
    REAL *pack = (REAL *)fm_align(workspace);
    REAL *total = pack + group * stride, *w = total + block * LANES, *b = w + block * matrix + LANES, *up = b + room;
    REAL *down = up + room, *scale = down + room;
    ptrdiff_t first, k0, k, t, p;
    for (k = 0; k < K; k++)
        out[k] = 0;
    for (first = 0; first < m; first += group * PANEL) {
        const ptrdiff_t count = m - first < group * PANEL ? m - first : group * PANEL;
        const ptrdiff_t panels = (count + PANEL - 1) / PANEL;
        const ptrdiff_t later = m - first - count, following = later < group * PANEL ? later : group * PANEL;
        fm_ahead samples = fm_ahead_of(X + (first + count) * dx, following * dx * 8, panels * K * tiles);
        FM_NAME(fm_pack)(X + first * dx, y + first, weight ? weight + first : 0, count, dx, pack);
        for (k0 = 0; k0 < K; k0 += block) {
            const ptrdiff_t tuples = K - k0 < block ? K - k0 : block;
            const ptrdiff_t after = K - k0 - tuples, next = after < block ? after : block;
            /* With few samples a network is used up before the next one has come from memory; with few networks the
             * samples are. All networks are read for each group: only a single group leaves the line fetchers free. */
            fm_ahead networks = fm_ahead_of(W1 + (k0 + tuples) * matrix, next * matrix * (ptrdiff_t)sizeof(REAL),
                                            panels * tuples * tiles);
            fm_ahead *ahead = later > 0 ? &samples : &networks;
            FM_NAME(fm_scale)(W1 + k0 * matrix, b1 + k0 * d1, W2 + k0 * d1, tuples * d1, dx, (K - k0) * matrix, h,
                              scale, w, b, up, down);
            for (t = 0; t < tuples * LANES; t++)
                total[t] = 0;
            for (p = 0; p < panels; p++) {
                const REAL *x = pack + p * stride;
                const ptrdiff_t left = count - p * PANEL;
                const int weighted = weight || left < PANEL;
                /* the last panel may hold fewer vectors: 200 samples are 4 panels of 48 and one vector of 16 */
                if (left > 2 * LANES)
                    FM_NAME(fm_panel)(h, 3, w, b, up, down, b2 + k0, tuples, d1, dx, x, weighted, total, ahead);
                else if (left > LANES)
                    FM_NAME(fm_panel)(h, 2, w, b, up, down, b2 + k0, tuples, d1, dx, x, weighted, total, ahead);
                else
                    FM_NAME(fm_panel)(h, 1, w, b, up, down, b2 + k0, tuples, d1, dx, x, weighted, total, ahead);
            }
            for (t = 0; t < tuples; t++) {
                double sum = 0;
                for (p = 0; p < LANES; p++)
                    sum += total[t * LANES + p];
                out[k0 + t] += sum;
            }
        }
    }
}

#if FM_ITEM == 8
/* out[i] = f(x_i), by the same operations as in fm_sums: the two agree to the last bit. */
FM_TARGET static void FM_NAME(fm_outputs)(const REAL *W1, const REAL *b1, const REAL *W2, REAL b2, ptrdiff_t d1,
                                          ptrdiff_t dx, const double *X, ptrdiff_t m, const fm_activation *h,
                                          REAL *workspace, double *out)
{
    const ptrdiff_t stride = (dx + 2) * PANEL;
    REAL *pack = (REAL *)fm_align(workspace);
    REAL *result = pack + stride, *w = result + PANEL, *b = w + d1 * dx + LANES, *up = b + d1, *down = up + d1;
    fm_ahead nothing = fm_ahead_of(X, 0, 1);
    ptrdiff_t first, i;
    FM_NAME(fm_scale)(W1, b1, W2, d1, dx, d1 * dx, h, down + d1, w, b, up, down);
    for (first = 0; first < m; first += PANEL) {
        const ptrdiff_t count = m - first < PANEL ? m - first : PANEL;
        VEC f[3];
        FM_NAME(fm_pack)(X + first * dx, 0, 0, count, dx, pack);
        FM_NAME(fm_network)(h, 3, w, b, up, down, b2, d1, dx, pack, f, &nothing);
        V_STORE(result, f[0]);
        V_STORE(result + LANES, f[1]);
        V_STORE(result + 2 * LANES, f[2]);
        for (i = 0; i < count; i++)
            out[first + i] = result[i];
    }
}
#endif

#ifndef FM_SMOOTH
/* 24 * LANES flops a round in 12 independent chains: the most this instruction set can do on one core. */
FM_TARGET static double FM_NAME(fm_probe)(ptrdiff_t rounds, double factor)
{
    const VEC s = V_SET1((REAL)factor), x = V_SET1((REAL)0.5);
    VEC z[12];
    REAL lanes[LANES];
    double sum = 0;
    ptrdiff_t i;
    int r;
    FM_UNROLL
    for (r = 0; r < 12; r++)
        z[r] = V_SET1((REAL)r);
    for (i = 0; i < rounds; i++) {
        FM_UNROLL
        for (r = 0; r < 12; r++)
            z[r] = V_FMA(s, z[r], x);
    }
    for (r = 0; r < 12; r++) {
        V_STOREU(lanes, z[r]);
        for (i = 0; i < LANES; i++)
            sum += lanes[i];
    }
    return sum;
}
#endif

#undef PANEL
