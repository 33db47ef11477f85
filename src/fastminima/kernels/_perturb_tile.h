/* The body of the direct excess risks, in the words of _words.h. */

#define PANEL (3 * LANES)
#include "_perturb_pack.h"

/* ||(w, b)||^2 */
FM_TARGET FM_INLINE REAL FM_NAME(fp_square)(const REAL *w, ptrdiff_t dx, REAL b)
{
    REAL s0 = b * b, s1 = 0, s2 = 0, s3 = 0;
    ptrdiff_t j = 0;
    if (dx >= 2 * LANES) {
        REAL lanes[LANES];
        VEC sum = V_SET1(0);
        int l;
        for (; j + LANES <= dx; j += LANES)
            sum = V_FMA(V_LOADU(w + j), V_LOADU(w + j), sum);
        V_STOREU(lanes, sum);
        for (l = 0; l + 4 <= LANES; l += 4) {
            s0 += lanes[l];
            s1 += lanes[l + 1];
            s2 += lanes[l + 2];
            s3 += lanes[l + 3];
        }
        for (; l < LANES; l++)
            s1 += lanes[l];
    }
    for (; j + 4 <= dx; j += 4) {
        s0 += w[j] * w[j];
        s1 += w[j + 1] * w[j + 1];
        s2 += w[j + 2] * w[j + 2];
        s3 += w[j + 3] * w[j + 3];
    }
    for (; j < dx; j++)
        s1 += w[j] * w[j];
    return (s0 + s2) + (s1 + s3);
}

#if V_MOVES
/* delta += sum over the watched units of gap |z'| in the lanes whose sign the tile's dz changes; returns how many did. All
 * their lanes at once: to look for some takes longer. A large tile spends less on the call than on so much code. */
FM_TARGET FM_NOINLINE static ptrdiff_t FM_NAME(fp_flips)(int units, int width, unsigned watch, const REAL *dz,
                                                         const REAL *minus, const REAL *gap, REAL *delta)
{
    COUNT count = {0};
    INT lanes[LANES];
    ptrdiff_t flips = 0;
    int r, v;
    for (v = 0; v < width; v++, dz += LANES, minus += LANES, delta += LANES) {
        VEC moved = V_LOAD(delta);
        for (r = 0; r < units; r++) {
            if (!(watch >> r & 1))
                continue;
            const VEC base = V_LOAD(minus + r * PANEL), next = V_SUB(base, V_LOAD(dz + r * PANEL));
            /* as without a test: an infinite gap leaves the other lanes alone */
            V_MOVE(moved, count, base, next, V_SET1(gap[r]));
        }
        V_STORE(delta, moved);
    }
    memcpy(lanes, &count, sizeof lanes);
    for (v = 0; v < LANES; v++)
        flips += (ptrdiff_t)lanes[v];
    return flips;
}
#endif

/* dz of `units` hidden units on the first `width` vectors of one panel: `many` perturbations, `hop` and `skip` numbers
 * apart in the rows and biases, of units / many units each. */
FM_TARGET FM_INLINE void FM_NAME(fp_dots)(const int units, const int many, const int width, const REAL *FM_RESTRICT w,
                                          const REAL *FM_RESTRICT b, ptrdiff_t hop, ptrdiff_t skip, ptrdiff_t dx,
                                          const REAL *FM_RESTRICT x, VEC dz[ROWS][3])
{
    const int own = units / many;
    ptrdiff_t j;
    int r, v;
    FM_UNROLL
    for (r = 0; r < units; r++)
        for (v = 0; v < width; v++)
            dz[r][v] = V_SET1(b[r / own * skip + r % own]);
    for (j = 0; j < dx; j++, x += PANEL) {
        const VEC x0 = V_LOAD(x);
        const VEC x1 = width > 1 ? V_LOAD(x + LANES) : x0, x2 = width > 2 ? V_LOAD(x + 2 * LANES) : x0;
        FM_UNROLL
        for (r = 0; r < units; r++) {
            const VEC s = V_SET1(w[r / own * hop + r % own * dx + j]);
            dz[r][0] = V_FMA(s, x0, dz[r][0]);
            if (width > 1)
                dz[r][1] = V_FMA(s, x1, dz[r][1]);
            if (width > 2)
                dz[r][2] = V_FMA(s, x2, dz[r][2]);
        }
    }
}

/* D += sum over `units` hidden units of s (v' dz + dv z); where the units whose bits `watch` has change signs also Delta:
 * in `spill`, after a test, or if they do so `often` in `moved` without one, beside the number of changes in `count`.
 * The operations on D and Delta are the same. */
FM_TARGET FM_INLINE ptrdiff_t FM_NAME(fp_bend)(const int units, const int width, const int often, unsigned watch,
                                               VEC (*dz)[3], const REAL *FM_RESTRICT dv,
                                               const REAL *FM_RESTRICT after, ptrdiff_t d1,
                                               const REAL *FM_RESTRICT minus, VEC *FM_RESTRICT D,
                                               VEC *FM_RESTRICT moved, COUNT *FM_RESTRICT count,
                                               REAL *FM_RESTRICT spill)
{
    const REAL *FM_RESTRICT scaled = minus + d1 * PANEL, *FM_RESTRICT slopes = scaled + d1 * PANEL;
    ANY any = ANY_NONE;
    int r, v;
    FM_UNROLL
    for (r = 0; r < units; r++) {
        const VEC whole = V_SET1(after[r]), q = V_SET1(dv[r]);
        FM_UNROLL
        for (v = 0; v < width; v++) {
            D[v] = V_FMA(q, V_LOAD(scaled + r * PANEL + v * LANES), D[v]);
            D[v] = V_FMA(V_MUL(whole, V_LOAD(slopes + r * PANEL + v * LANES)), dz[r][v], D[v]);
        }
    }
    if (!watch)
        return 0;
    /* these branches are foretold well: the same for all perturbations of a block */
    FM_UNROLL
    for (r = 0; r < units; r++) {
        if (!(watch >> r & 1))
            continue;
        FM_UNROLL
        for (v = 0; v < width; v++) {
            const VEC base = V_LOAD(minus + r * PANEL + v * LANES), next = V_SUB(base, dz[r][v]);
            if (often)
                V_MOVE(moved[v], *count, base, next, V_SET1(after[d1 + r]));
            else
                ANY_OR(any, base, next);
        }
    }
    if (!often && ANY_SET(any)) {
#if V_MOVES
        FM_UNROLL
        for (r = 0; r < units; r++)
            for (v = 0; v < width; v++)
                V_STORE(spill + PANEL + r * PANEL + v * LANES, dz[r][v]);
        return FM_NAME(fp_flips)(units, width, watch, spill + PANEL, minus, after + d1, spill);
#else
        ptrdiff_t flips = 0;
        FM_UNROLL
        for (v = 0; v < width; v++) {
            VEC delta = V_LOAD(spill + v * LANES);
            FM_UNROLL
            for (r = 0; r < units; r++) {
                const VEC base = V_LOAD(minus + r * PANEL + v * LANES), next = V_SUB(base, dz[r][v]);
                const VEC size = V_ABS(next);
                flips += fp_count_bits(V_FLIPS(base, next));
                delta = V_FMA(V_SET1(after[d1 + r]), V_FLIP(base, next, size), delta);
            }
            V_STORE(spill + v * LANES, delta);
        }
        return flips;
#endif
    }
    return 0;
}

FM_TARGET FM_INLINE ptrdiff_t FM_NAME(fp_tile)(const int units, const int width, const int often, unsigned watch,
                                               const REAL *w, const REAL *b, const REAL *dv, const REAL *after,
                                               ptrdiff_t d1, ptrdiff_t dx, const REAL *x, const REAL *minus, VEC *D,
                                               VEC *moved, COUNT *count, REAL *spill)
{
    VEC dz[ROWS][3];
    FM_NAME(fp_dots)(units, 1, width, w, b, 0, 0, dx, x, dz);
    return FM_NAME(fp_bend)(units, width, often, watch, dz, dv, after, d1, minus, D, moved, count, spill);
}

/* D += Delta and change += weight e Delta */
FM_TARGET FM_INLINE void FM_NAME(fp_moves)(const int width, VEC *D, const VEC *moved, const REAL *errors, REAL *change)
{
    VEC sum = V_LOAD(change);
    int v;
    FM_UNROLL
    for (v = 0; v < width; v++) {
        D[v] = V_ADD(D[v], moved[v]);
        sum = V_FMA(V_LOAD(errors + v * LANES), moved[v], sum);
    }
    V_STORE(change, sum);
}

/* total += weight D^2 */
FM_TARGET FM_INLINE void FM_NAME(fp_squares)(const int width, const VEC *D, const REAL *weights, int weighted,
                                             REAL *total)
{
    VEC sum = V_LOAD(total);
    int v;
    FM_UNROLL
    for (v = 0; v < width; v++) {
        VEC scaled = D[v];
        if (weighted)
            scaled = V_MUL(scaled, V_LOAD(weights + v * LANES));
        sum = V_FMA(scaled, D[v], sum);
    }
    V_STORE(total, sum);
}

/* fp_moves where there were any by the way of `spill`, which is set back to zero */
FM_TARGET FM_INLINE void FM_NAME(fp_spilled)(const int width, VEC *D, ptrdiff_t flips, const REAL *errors, REAL *spill,
                                             REAL *change)
{
    VEC moved[3];
    int v;
    if (!FM_UNLIKELY(flips != 0))
        return;
    for (v = 0; v < width; v++) {
        moved[v] = V_LOAD(spill + v * LANES);
        V_STORE(spill + v * LANES, V_SET1(0));
    }
    FM_NAME(fp_moves)(width, D, moved, errors, change);
}

/* fp_panel at full width for perturbations of `units` hidden units, as many at a time as make a tile; returns how many
 * are done. Each goes through the operations that it goes through alone. */
FM_TARGET FM_INLINE ptrdiff_t FM_NAME(fp_small)(const int units, const REAL *theta, const REAL *bias, const REAL *after,
                                                unsigned watch, int often, ptrdiff_t tuples, ptrdiff_t dx,
                                                const REAL *x, int weighted, REAL *total, REAL *change, INT *crossed,
                                                REAL *spill, int64_t *n_changed, fm_ahead *ahead)
{
    const int many = ROWS / units;
    const REAL *weights = x + dx * PANEL, *errors = weights + PANEL, *minus = errors + PANEL;
    const ptrdiff_t size = units * (dx + 2) + 1;
    ptrdiff_t t;
    int n, v;
    for (t = 0; t + many <= tuples; t += many) {
        const REAL *w = theta + t * size, *b = bias ? bias + t * units : w + units * dx;
        VEC dz[ROWS][3];
        FM_NAME(fp_dots)(many * units, many, 3, w, b, size, bias ? units : size, dx, x, dz);
        FM_UNROLL
        for (n = 0; n < many; n++) {
            const REAL *dv = w + n * size + units * (dx + 1), *v1 = after + (t + n) * 2 * units;
            COUNT *count = (COUNT *)(crossed + (t + n) * LANES);
            VEC D[3], moved[3];
            for (v = 0; v < 3; v++)
                D[v] = V_SET1(dv[units]), moved[v] = V_SET1(0);
#define FP_BEND(often) \
    FM_NAME(fp_bend)(units, 3, often, watch, dz + n * units, dv, v1, units, minus, D, moved, count, spill)
            if (V_MOVES && often) {
                FP_BEND(1);
                FM_NAME(fp_moves)(3, D, moved, errors, change + (t + n) * LANES);
            } else {
                const ptrdiff_t flips = FP_BEND(0);
                FM_NAME(fp_spilled)(3, D, flips, errors, spill, change + (t + n) * LANES);
                n_changed[t + n] += flips;
            }
#undef FP_BEND
            FM_NAME(fp_squares)(3, D, weights, weighted, total + (t + n) * LANES);
            fm_fetch(ahead);
        }
    }
    return t;
}

/* total += weight (D + Delta)^2 and change += weight e Delta lane by lane, for a block of perturbations on the first
 * `width` vectors of one panel. `watch`: of every tile the units whose signs may change; `spill`: a row of Delta, all
 * zero between two perturbations, and ROWS rows of dz. */
FM_TARGET FM_INLINE void FM_NAME(fp_panel)(const int width, const REAL *theta, const REAL *bias, const REAL *slopes,
                                           const int *watch, int often, ptrdiff_t tuples, ptrdiff_t d1, ptrdiff_t dx,
                                           const REAL *x, int weighted, REAL *total, REAL *change, INT *crossed,
                                           REAL *spill, int64_t *n_changed, fm_ahead *ahead)
{
    const REAL *weights = x + dx * PANEL, *errors = weights + PANEL, *minus = errors + PANEL;
    const ptrdiff_t tiles = (d1 + ROWS - 1) / ROWS;
    ptrdiff_t t = 0, i;
    int v;
    /* only the full width has both bodies: the others hold the last few samples */
    often = V_MOVES && often && width == 3;
    /* nor where a residual overflowed: 0 times it, where no sign changes, would count */
    if (often) {
        int wild = 0;
        for (v = 0; v < PANEL; v++)
            wild |= !((REAL)fabs(errors[v]) < (REAL)FM_INFINITY);
        often = !wild;
    }
    if (width == 3 && d1 <= ROWS / 2) {
#define FP_SMALL(n) FM_NAME(fp_small)(n, theta, bias, slopes, (unsigned)watch[0], often, tuples, dx, x, weighted, total, \
                                      change, crossed, spill, n_changed, ahead)
        switch (d1) {
        case 1: t = FP_SMALL(1); break;
#if ROWS > 4
        case 3: t = FP_SMALL(3); break;
        case 4: t = FP_SMALL(4); break;
#endif
        default: t = FP_SMALL(2); break;
        }
#undef FP_SMALL
        theta += t * (d1 * (dx + 2) + 1), slopes += t * 2 * d1, total += t * LANES, change += t * LANES;
        crossed += t * LANES;
    }
    for (; t < tuples; t++, slopes += 2 * d1, total += LANES, change += LANES, crossed += LANES) {
        const REAL *w = theta, *b = bias ? bias + t * d1 : w + d1 * dx, *dv = w + d1 * (dx + 1);
        const REAL *slope = slopes, *base = minus;
        ptrdiff_t flips = 0, rest = d1;
        VEC D[3], moved[3];
        theta = dv + d1 + 1;
        for (v = 0; v < width; v++)
            D[v] = V_SET1(dv[d1]), moved[v] = V_SET1(0);
        for (i = 0; i < tiles; i++) {
            const ptrdiff_t units = (rest + tiles - i - 1) / (tiles - i);
            fm_fetch(ahead);
#define FP_TILE(n, often) \
    FM_NAME(fp_tile)(n, width, often, (unsigned)watch[i], w, b, dv, slope, d1, dx, x, base, D, moved, \
                     (COUNT *)crossed, spill)
#define FP_CASE(n) flips += V_MOVES && often ? FP_TILE(n, 1) : FP_TILE(n, 0); break
            switch (units) {
            case 1: FP_CASE(1);
            case 2: FP_CASE(2);
            case 3: FP_CASE(3);
#if ROWS > 4
            case 5: FP_CASE(5);
            case 6: FP_CASE(6);
            case 7: FP_CASE(7);
            case 8: FP_CASE(8);
#endif
            default: FP_CASE(4);
            }
#undef FP_CASE
#undef FP_TILE
            w += units * dx, b += units, dv += units, slope += units, base += units * PANEL, rest -= units;
        }
        if (V_MOVES && often)
            FM_NAME(fp_moves)(width, D, moved, errors, change);
        else
            FM_NAME(fp_spilled)(width, D, flips, errors, spill, change);
        FM_NAME(fp_squares)(width, D, weights, weighted, total);
        n_changed[t] += flips;
    }
}

/* The units of each tile that some perturbation's norm lets change a sign in a panel of these margins; their number */
static ptrdiff_t FM_NAME(fp_watch)(const double *peaks, const double *margins, ptrdiff_t d1, int *watch)
{
    ptrdiff_t tiles = (d1 + ROWS - 1) / ROWS, rest = d1, number = 0, r;
    for (; tiles > 0; tiles--) {
        const ptrdiff_t units = (rest + tiles - 1) / tiles;
        *watch = 0;
        for (r = 0; r < units; r++) {
            const int may = !(*peaks++ < *margins++);
            *watch |= may << r;
            number += may;
        }
        watch++, rest -= units;
    }
    return number;
}

/* Of a block of perturbations: parameters in REAL, unless they are used where they lie; the slopes v' and v' (s_plus -
 * s_minus); and per unit the largest norm ||(dw, db)||, and a little: squares and products of dz that underflow lose at
 * most 2^-150 each, a norm (dx + 1) 2^-75. */
FM_TARGET static void FM_NAME(fp_prepare)(const fp_base *base, const double *rows, const double *bias, ptrdiff_t tuples,
                                          REAL *FM_RESTRICT rounded, REAL *FM_RESTRICT slopes,
                                          double *FM_RESTRICT peaks)
{
    const ptrdiff_t d1 = base->d1, dx = base->dx, size = d1 * (dx + 2) + 1;
    ptrdiff_t t, u;
#if FM_ITEM == 8
    const REAL *theta = rows, *shifts = bias;
    (void)rounded;
#else
    const REAL *theta = rounded, *shifts = 0;
    for (u = 0; u < tuples * size; u++)
        rounded[u] = (REAL)rows[u];
    for (t = 0; bias && t < tuples; t++)
        for (u = 0; u < d1; u++)
            rounded[t * size + d1 * dx + u] = (REAL)bias[t * d1 + u];
#endif
    for (u = 0; u < d1; u++)
        peaks[u] = 0;
    for (t = 0; t < tuples; t++)
        for (u = 0; u < d1; u++) {
            const double v = base->W2[u] + rows[t * size + d1 * (dx + 1) + u];
            const REAL square = FM_NAME(fp_square)(theta + t * size + u * dx, dx,
                                                   shifts ? shifts[t * d1 + u] : theta[t * size + d1 * dx + u]);
            slopes[2 * t * d1 + u] = (REAL)v;
            /* never v times the difference of rounded slopes: they may agree in all but their last digits */
            slopes[(2 * t + 1) * d1 + u] = (REAL)(v * (base->s_plus - base->s_minus));
            /* a NaN is below no margin */
            if (FM_UNLIKELY(!(square <= peaks[u])))
                peaks[u] = square == square ? square : FM_INFINITY;
        }
    for (u = 0; u < d1; u++)
        peaks[u] = sqrt(peaks[u]) + (double)(dx + 1) * (sizeof(REAL) == 4 ? 0x1p-74 : 0x1p-500);
}

/* Adds to quadratic, change and n_changed. Workspace: see workspace_items in _perturb.pyx. If `packed`, it holds the
 * panels of the only group already. */
FM_TARGET static void FM_NAME(fp_excess)(fp_base base, const double *X, const double *e, const double *weight,
                                         ptrdiff_t m, const double *delta, const double *bias, ptrdiff_t K,
                                         int packed, REAL *workspace, double *quadratic, double *change,
                                         int64_t *n_changed)
{
    const ptrdiff_t d1 = base.d1, dx = base.dx, stride = (dx + 2 + 3 * d1) * PANEL, size = d1 * (dx + 2) + 1;
    const ptrdiff_t group = fm_group_panels(stride, sizeof(REAL));
    const ptrdiff_t block = fp_block_tuples(d1, dx, sizeof(REAL)), blocks = fp_batch_blocks(d1, dx, sizeof(REAL));
    const ptrdiff_t tiles = (d1 + ROWS - 1) / ROWS;
    double *scratch = (double *)fm_align(workspace);
    double *margins = scratch + (dx + 3) * PANEL, *peaks = margins + group * d1, *doubt = peaks + blocks * d1;
    int *watch = (int *)(doubt + 2 * d1);
    REAL *pack = (REAL *)fm_align(doubt + 3 * d1);
    REAL *spill = pack + group * stride, *total = spill + (ROWS + 1) * PANEL, *moved = total + block * LANES;
    INT *crossed = (INT *)(moved + block * LANES);
    REAL *slopes = moved + 2 * block * LANES, *rounded = slopes + blocks * block * 2 * d1;
    ptrdiff_t first, k0, t, p, l;
    int often = 0;
    /* Many groups pass equal batches of perturbations, prepared once; with few each block is prepared where it is used. */
    const int once = m > 2 * group * PANEL;
    const ptrdiff_t batches = once ? (K + blocks * block - 1) / (blocks * block) : 1, batch = (K + batches - 1) / batches;
    if (K > batch) {
        for (k0 = 0; k0 < K; k0 += batch)
            FM_NAME(fp_excess)(base, X, e, weight, m, delta + k0 * size, bias ? bias + k0 * d1 : 0,
                               K - k0 < batch ? K - k0 : batch, 0, workspace, quadratic + k0, change + k0,
                               n_changed + k0);
        return;
    }
    fp_doubts(&base, FM_ITEM, doubt);
    base.doubt = doubt;
    for (p = 0; p < PANEL; p++)
        spill[p] = 0;
    for (k0 = 0; once && k0 < K; k0 += block)
        FM_NAME(fp_prepare)(&base, delta + k0 * size, bias ? bias + k0 * d1 : 0, K - k0 < block ? K - k0 : block,
                            rounded + k0 * size, slopes + k0 * 2 * d1, peaks + k0 / block * d1);
    for (first = 0; first < m; first += group * PANEL) {
        const ptrdiff_t count = m - first < group * PANEL ? m - first : group * PANEL;
        const ptrdiff_t panels = (count + PANEL - 1) / PANEL;
        const ptrdiff_t later = m - first - count, following = later < group * PANEL ? later : group * PANEL;
        /* the next group of samples comes from memory while this one is used */
        fm_ahead ahead = fm_ahead_of(X + (first + count) * dx, following * dx * 8, panels * K * tiles);
        if (!packed || m > group * PANEL)
            FM_NAME(fp_pack)(&base, X + first * dx, e + first, weight ? weight + first : 0, count, scratch, margins,
                             pack);
        for (k0 = 0; k0 < K; k0 += block) {
            const ptrdiff_t tuples = K - k0 < block ? K - k0 : block, at = once ? k0 : 0;
#if FM_ITEM == 8
            const REAL *theta = delta + k0 * size, *shifts = bias ? bias + k0 * d1 : 0;
#else
            const REAL *theta = rounded + at * size, *shifts = 0;
#endif
            if (!once)
                FM_NAME(fp_prepare)(&base, delta + k0 * size, bias ? bias + k0 * d1 : 0, tuples, rounded, slopes, peaks);
            double changes = 0, watched = 0;
            for (t = 0; t < tuples * LANES; t++)
                total[t] = 0;
            for (t = 0; t < tuples * LANES; t++)
                moved[t] = 0;
            for (t = 0; t < tuples * LANES; t++)
                crossed[t] = 0;
            for (t = 0; t < tuples; t++)
                changes -= (double)n_changed[k0 + t];
            for (p = 0; p < panels; p++) {
                const REAL *x = pack + p * stride;
                const ptrdiff_t left = count - p * PANEL;
                const int weighted = weight || left < PANEL;
                watched += (double)FM_NAME(fp_watch)(peaks + at / block * d1, margins + p * d1, d1, watch);
#define FP_PANEL(width) \
    FM_NAME(fp_panel)(width, theta, shifts, slopes + at * 2 * d1, watch, often, tuples, d1, dx, x, weighted, total, \
                      moved, crossed, spill, n_changed + k0, &ahead)
                if (left > 2 * LANES)
                    FP_PANEL(3);
                else if (left > LANES)
                    FP_PANEL(2);
                else
                    FP_PANEL(1);
#undef FP_PANEL
            }
            for (t = 0; t < tuples; t++) {
                double squares = 0, sum = 0;
                for (l = 0; l < LANES; l++) {
                    squares += total[t * LANES + l];
                    sum += moved[t * LANES + l];
                    n_changed[k0 + t] += (int64_t)crossed[t * LANES + l];
                }
                quadratic[k0 + t] += 0.5 * squares;
                change[k0 + t] += sum;
                changes += (double)n_changed[k0 + t];
            }
            /* In instructions: the test that finds a change costs about 90, most of it a branch foretold wrongly, and 24
             * for each watched unit; without it such a unit costs 9 more. */
            const double seen = (double)(panels * tiles);
            often = changes * (90 * seen + 24 * watched) > 9 * watched * seen * (double)tuples;
        }
    }
}

#undef PANEL
