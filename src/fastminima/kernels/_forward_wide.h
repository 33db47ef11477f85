/* Wide inputs, in the words of _words.h: the tiles of _forward_tile.h over slices of the inputs. */

/* Units of W1 from `row` on, `terms` inputs of each, times their scales, as a tile wants them: all units of one input after
 * those of the input before, so that it reads one stream. */
FM_TARGET FM_INLINE void FM_NAME(fm_slice)(const REAL *FM_RESTRICT row, const int units, ptrdiff_t dx, ptrdiff_t terms,
                                           const REAL *FM_RESTRICT scale, REAL *FM_RESTRICT w)
{
    ptrdiff_t j;
    int r;
    for (j = 0; j < terms; j++)
        for (r = 0; r < units; r++)
            w[j * units + r] = row[r * dx + j] * scale[r];
}

/* Which slice of the inputs: the first starts from the bias, the last goes through the activation. */
typedef struct {
    ptrdiff_t terms;
    int first, last;
} FM_NAME(fm_cut);

/* z of `units` hidden units goes on from the bias or from `kept`, and into `kept` or, with the last inputs, into the
 * output, which is read only then: the loop before needs every register. */
FM_TARGET FM_INLINE void FM_NAME(fm_slice_tile)(const fm_activation *h, const int units, const int width,
                                                const FM_NAME(fm_cut) *cut, const REAL *w, const REAL *b,
                                                const REAL *up, const REAL *down, const REAL *x, REAL *kept,
                                                REAL *output)
{
    VEC z[ROWS][3];
    int r, v;
    FM_UNROLL
    for (r = 0; r < units; r++) {
        FM_UNROLL
        for (v = 0; v < width; v++)
            z[r][v] = cut->first ? V_SET1(b[r]) : V_LOAD(kept + r * PANEL + v * LANES);
    }
    if (!cut->first) {
        /* what the next tile starts from */
        FM_UNROLL
        for (r = 0; r < units; r++) {
            FM_UNROLL
            for (v = 0; v < width; v++)
                FM_PREFETCH(kept + (units + r) * PANEL + v * LANES);
        }
    }
    FM_NAME(fm_dots)(units, width, w, 1, units, cut->terms, x, z);
    if (cut->last) {
        VEC f[3];
        FM_NAME(fm_curves)(h, units, width, z);
        for (v = 0; v < width; v++)
            f[v] = V_LOAD(output + v * LANES);
        FM_NAME(fm_bend)(units, width, up, down, z, f);
        for (v = 0; v < width; v++)
            V_STORE(output + v * LANES, f[v]);
        return;
    }
    FM_UNROLL
    for (r = 0; r < units; r++) {
        FM_UNROLL
        for (v = 0; v < width; v++)
            V_STORE(kept + r * PANEL + v * LANES, z[r][v]);
    }
}

/* Some hidden units of one network on one slice of one panel; `kept` and `output` go from slice to slice. */
FM_TARGET FM_INLINE void FM_NAME(fm_slice_units)(const fm_activation *h, const int width, const FM_NAME(fm_cut) *cut,
                                                 const REAL *w, const REAL *b, const REAL *up, const REAL *down,
                                                 ptrdiff_t rest, const REAL *x, REAL *kept, REAL *output)
{
    ptrdiff_t tiles = (rest + ROWS - 1) / ROWS;
    for (; tiles > 0; tiles--) {
        const ptrdiff_t units = (rest + tiles - 1) / tiles;
        switch (units) {
        case 1: FM_NAME(fm_slice_tile)(h, 1, width, cut, w, b, up, down, x, kept, output); break;
        case 2: FM_NAME(fm_slice_tile)(h, 2, width, cut, w, b, up, down, x, kept, output); break;
        case 3: FM_NAME(fm_slice_tile)(h, 3, width, cut, w, b, up, down, x, kept, output); break;
#if ROWS > 4
        case 5: FM_NAME(fm_slice_tile)(h, 5, width, cut, w, b, up, down, x, kept, output); break;
        case 6: FM_NAME(fm_slice_tile)(h, 6, width, cut, w, b, up, down, x, kept, output); break;
        case 7: FM_NAME(fm_slice_tile)(h, 7, width, cut, w, b, up, down, x, kept, output); break;
        case 8: FM_NAME(fm_slice_tile)(h, 8, width, cut, w, b, up, down, x, kept, output); break;
#endif
        default: FM_NAME(fm_slice_tile)(h, 4, width, cut, w, b, up, down, x, kept, output); break;
        }
        w += units * cut->terms, b += units, up += units, down += units, kept += units * PANEL, rest -= units;
    }
}

/* fm_slice_units for networks of `units` hidden units, as many at a time as make a tile; returns how many are done. Each goes
 * through the operations that it goes through alone. `outputs` of two networks lie `apart` numbers apart. */
FM_TARGET FM_INLINE ptrdiff_t FM_NAME(fm_slice_small)(const fm_activation *h, const int units, const int width,
                                                      const FM_NAME(fm_cut) *cut, const REAL *w, const REAL *b,
                                                      const REAL *up, const REAL *down, ptrdiff_t tuples,
                                                      const REAL *x, REAL *kept, REAL *outputs, ptrdiff_t apart)
{
    const int many = ROWS / units;
    ptrdiff_t t;
    int n, r, v;
    for (t = 0; t + many <= tuples; t += many) {
        VEC z[ROWS][3];
        FM_UNROLL
        for (r = 0; r < many * units; r++) {
            FM_UNROLL
            for (v = 0; v < width; v++)
                z[r][v] = cut->first ? V_SET1(b[r]) : V_LOAD(kept + r * PANEL + v * LANES);
        }
        FM_NAME(fm_dots)(many * units, width, w, 1, many * units, cut->terms, x, z);
        if (cut->last) {
            FM_NAME(fm_curves)(h, many * units, width, z);
            FM_UNROLL
            for (n = 0; n < many; n++) {
                VEC f[3];
                for (v = 0; v < width; v++)
                    f[v] = V_LOAD(outputs + n * apart + v * LANES);
                FM_NAME(fm_bend)(units, width, up + n * units, down + n * units, z + n * units, f);
                for (v = 0; v < width; v++)
                    V_STORE(outputs + n * apart + v * LANES, f[v]);
            }
        } else {
            FM_UNROLL
            for (r = 0; r < many * units; r++) {
                FM_UNROLL
                for (v = 0; v < width; v++)
                    V_STORE(kept + r * PANEL + v * LANES, z[r][v]);
            }
        }
        w += many * units * cut->terms, b += many * units, up += many * units, down += many * units;
        kept += many * units * PANEL, outputs += many * apart;
    }
    return t;
}

/* What the passes over one group of samples share; arrays lie in the workspace. */
typedef struct {
    ptrdiff_t d1, dx, stride, panels, vectors, group, flush;
    REAL *pack, *w, *b, *up, *down, *scale, *kept, *output, *total;
    const fm_activation *h;
} FM_NAME(fm_wide);

/* Parameters of `units` units of each of `tuples` networks, tile by tile as fm_wide_units deals them. */
FM_TARGET static void FM_NAME(fm_slices)(const FM_NAME(fm_wide) *s, const REAL *W1, ptrdiff_t tuples, ptrdiff_t units,
                                         ptrdiff_t terms)
{
    const REAL *scale = s->scale;
    REAL *w = s->w;
    const ptrdiff_t many = tuples > 1 && units <= ROWS / 2 ? ROWS / units : 1;
    ptrdiff_t t, rest, tiles;
    for (t = 0; t < tuples; t += tuples - t >= many ? many : 1) {
        rest = tuples - t >= many ? many * units : units;
        for (tiles = (rest + ROWS - 1) / ROWS; tiles > 0; tiles--) {
            const ptrdiff_t height = (rest + tiles - 1) / tiles;
            if (height == ROWS)
                FM_NAME(fm_slice)(W1, ROWS, s->dx, terms, scale, w);
            else
                FM_NAME(fm_slice)(W1, (int)height, s->dx, terms, scale, w);
            W1 += height * s->dx, scale += height, w += height * terms, rest -= height;
        }
    }
}

/* `units` rows, from row `from` of their networks on, of `tuples` networks: outputs of the group go on by these units. */
FM_TARGET static void FM_NAME(fm_wide_units)(const FM_NAME(fm_wide) *s, const REAL *W1, ptrdiff_t tuples,
                                             ptrdiff_t units)
{
    const ptrdiff_t cuts = (s->dx + FM_WIDE_TERMS - 1) / FM_WIDE_TERMS;
    ptrdiff_t from = 0, n, p, t;
    for (n = cuts; n > 0; n--) {
        const FM_NAME(fm_cut) cut = {(s->dx - from + n - 1) / n, from == 0, n == 1};
        FM_NAME(fm_slices)(s, W1 + from, tuples, units, cut.terms);
        for (p = 0; p < s->panels; p++) {
            const REAL *x = s->pack + p * s->stride + from * PANEL;
            REAL *kept = s->kept + p * tuples * units * PANEL;
            /* the last panel may hold fewer vectors */
            const ptrdiff_t width = p + 1 < s->panels ? 3 : s->vectors;
            t = 0;
            if (tuples > 1 && units <= ROWS / 2) {
#define WITH(units, width) t = FM_NAME(fm_slice_small)(s->h, units, width, &cut, s->w, s->b, s->up, s->down, tuples, x, \
                                                       kept, s->output + p * PANEL, s->group * PANEL)
/* the tiles want both as constants */
#define CALL(units) \
    if (width == 3) \
        WITH(units, 3); \
    else if (width == 2) \
        WITH(units, 2); \
    else \
        WITH(units, 1)
                switch (units) {
                case 1: CALL(1); break;
#if ROWS > 4
                case 3: CALL(3); break;
                case 4: CALL(4); break;
#endif
                default: CALL(2); break;
                }
#undef CALL
#undef WITH
            }
            for (; t < tuples; t++) {
                const ptrdiff_t u = t * units;
                REAL *output = s->output + (t * s->group + p) * PANEL;
#define CALL(width) FM_NAME(fm_slice_units)(s->h, width, &cut, s->w + u * cut.terms, s->b + u, s->up + u, s->down + u, \
                                            units, x, kept + u * PANEL, output)
                if (width == 3)
                    CALL(3);
                else if (width == 2)
                    CALL(2);
                else
                    CALL(1);
#undef CALL
            }
        }
        from += cut.terms;
    }
}

/* Outputs of up to fm_wide_tuples networks on the packed group. */
FM_TARGET static void FM_NAME(fm_wide_outputs)(const FM_NAME(fm_wide) *s, const REAL *W1, const REAL *b1,
                                               const REAL *W2, const REAL *b2, ptrdiff_t tuples)
{
    ptrdiff_t blocks = (s->d1 + FM_WIDE_UNITS - 1) / FM_WIDE_UNITS, from = 0, t, i;
    for (t = 0; t < tuples; t++)
        for (i = 0; i < s->panels * PANEL; i++)
            s->output[t * s->group * PANEL + i] = b2[t];
    for (; blocks > 0; blocks--) {
        /* more networks than one only where one block holds all their units */
        const ptrdiff_t units = (s->d1 - from + blocks - 1) / blocks;
        FM_NAME(fm_signs)(b1 + from, W2 + from, tuples * units, s->h, s->scale, s->b, s->up, s->down);
        FM_NAME(fm_wide_units)(s, W1 + from * s->dx, tuples, units);
        from += units;
    }
}

/* for K networks */
FM_TARGET static FM_NAME(fm_wide) FM_NAME(fm_wide_room)(ptrdiff_t K, ptrdiff_t d1, ptrdiff_t dx, const fm_activation *h,
                                                        REAL *workspace)
{
    const ptrdiff_t stride = (dx + 2) * PANEL, flush = fm_wide_panels(d1, stride, sizeof(REAL));
    const ptrdiff_t group = fm_wide_group(flush, K * d1, stride, sizeof(REAL));
    const ptrdiff_t tuples = fm_wide_tuples(d1);
    FM_NAME(fm_wide) s = {d1, dx, stride, 0, 0, group, flush};
    s.h = h;
    s.pack = (REAL *)fm_align(workspace);
    s.kept = s.pack + group * stride;
    s.output = s.kept + group * FM_WIDE_UNITS * PANEL;
    s.total = s.output + tuples * group * PANEL;
    s.w = s.total + LANES;
    s.b = s.w + FM_WIDE_UNITS * FM_WIDE_TERMS;
    s.up = s.b + FM_WIDE_UNITS, s.down = s.up + FM_WIDE_UNITS, s.scale = s.down + FM_WIDE_UNITS;
    return s;
}

/* sum of weight (f - y)^2 for network t of the block over the panels from `first` on that are added up at once */
FM_TARGET static double FM_NAME(fm_wide_total)(const FM_NAME(fm_wide) *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t count,
                                               int weights)
{
    const ptrdiff_t end = first + s->flush < s->panels ? first + s->flush : s->panels;
    double sum = 0;
    ptrdiff_t p, i;
    for (i = 0; i < LANES; i++)
        s->total[i] = 0;
    for (p = first; p < end; p++) {
        const REAL *targets = s->pack + p * s->stride + s->dx * PANEL, *f = s->output + (t * s->group + p) * PANEL;
        const int weighted = weights || count - p * PANEL < PANEL;
        const ptrdiff_t width = p + 1 < s->panels ? 3 : s->vectors;
        for (i = 0; i < width; i++) {
            const VEC one[1] = {V_LOAD(f + i * LANES)};
            FM_NAME(fm_squares)(1, one, targets + i * LANES, targets + PANEL + i * LANES, weighted, s->total);
        }
    }
    for (i = 0; i < LANES; i++)
        sum += s->total[i];
    return sum;
}

/* fm_sums where the inputs are wide: a group of samples outside, then networks, blocks of units, slices of the inputs,
 * panels. Every z is added up in the order in which fm_dots does it at once. */
FM_TARGET static void FM_NAME(fm_wide_sums)(const REAL *W1, const REAL *b1, const REAL *W2, const REAL *b2, ptrdiff_t K,
                                            ptrdiff_t d1, ptrdiff_t dx, const double *X, const double *y,
                                            const double *weight, ptrdiff_t m, const fm_activation *h,
                                            REAL *workspace, double *out)
{
    FM_NAME(fm_wide) s = FM_NAME(fm_wide_room)(K, d1, dx, h, workspace);
    const ptrdiff_t block = fm_wide_tuples(d1), most = s.group * PANEL;
    ptrdiff_t first, k, t, p;
    for (k = 0; k < K; k++)
        out[k] = 0;
    for (first = 0; first < m; first += most) {
        const ptrdiff_t count = m - first < most ? m - first : most;
        s.panels = (count + PANEL - 1) / PANEL;
        s.vectors = (count - (s.panels - 1) * PANEL + LANES - 1) / LANES;
        FM_NAME(fm_pack)(X + first * dx, y + first, weight ? weight + first : 0, count, dx, s.pack);
        for (k = 0; k < K; k += block) {
            const ptrdiff_t tuples = K - k < block ? K - k : block;
            FM_NAME(fm_wide_outputs)(&s, W1 + k * d1 * dx, b1 + k * d1, W2 + k * d1, b2 + k, tuples);
            for (t = 0; t < tuples; t++)
                for (p = 0; p < s.panels; p += s.flush)
                    out[k + t] += FM_NAME(fm_wide_total)(&s, t, p, count, weight != 0);
        }
    }
}

#if FM_ITEM == 8
/* fm_outputs where the inputs are wide: bit for bit the outputs inside fm_wide_sums */
FM_TARGET static void FM_NAME(fm_wide_predict)(const REAL *W1, const REAL *b1, const REAL *W2, REAL b2, ptrdiff_t d1,
                                               ptrdiff_t dx, const double *X, ptrdiff_t m, const fm_activation *h,
                                               REAL *workspace, double *out)
{
    FM_NAME(fm_wide) s = FM_NAME(fm_wide_room)(1, d1, dx, h, workspace);
    const ptrdiff_t most = s.group * PANEL;
    ptrdiff_t first;
    for (first = 0; first < m; first += most) {
        const ptrdiff_t count = m - first < most ? m - first : most;
        s.panels = (count + PANEL - 1) / PANEL;
        s.vectors = (count - (s.panels - 1) * PANEL + LANES - 1) / LANES;
        FM_NAME(fm_pack)(X + first * dx, 0, 0, count, dx, s.pack);
        FM_NAME(fm_wide_outputs)(&s, W1, b1, W2, &b2, 1);
        memcpy(out + first, s.output, (size_t)count * sizeof *out);
    }
}
#endif
