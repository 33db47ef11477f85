/* Digits and products of the exact Gram matrix, for one instruction set. Included by _gram.h, which says in V_NAME,
 * V_TARGET, V_REAL, V_INT, V_LANES, V_TILE, V_MAX, V_MIN, V_FMA and V_FMS what to compile for.
 */

/* peak[c] = max |v| (inf if a number is not finite), low[c] = the least power of two, 2^e, that is the last bit of a
 * number of column c (inf: all 0). Without its last set bit a number differs from itself by that bit; a power of two is
 * its own last bit. */
static V_TARGET void V_NAME(fg_ends)(const double *columns, ptrdiff_t ld, ptrdiff_t n, ptrdiff_t count, double *peak,
                                     double *low)
{
    for (ptrdiff_t c = 0; c < n; c++) {
        const double *v = columns + c * ld;
        const V_REAL zero = {0.0};
        const V_INT none = {0};
        V_REAL top = zero, last = zero + (double)HUGE_VAL;
        /* bit 63 of bits + 2^52 is set by inf and NaN alone */
        V_INT lost = none;
        ptrdiff_t i = 0;
        for (; i + V_LANES <= count; i += V_LANES) {
            const V_INT bits = *(const V_INT *)(v + i) & UINT64_C(0x7fffffffffffffff);
            lost |= bits + (UINT64_C(1) << 52);
            const V_INT fraction = (V_INT)((bits << 12) != none);
#if V_LANES == 1
            const V_INT cleared = bits & (bits - 1) & (none - fraction);
#else
            const V_INT cleared = bits & (bits - 1) & fraction;
#endif
            V_REAL size, rest;
            memcpy(&size, &bits, sizeof size);
            memcpy(&rest, &cleared, sizeof rest);
            const V_REAL bit = size - rest;
            V_INT bit_bits;
            memcpy(&bit_bits, &bit, sizeof bit);
#if V_LANES == 1
            bit_bits = bit == 0.0 ? UINT64_C(0x7ff0000000000000) : bit_bits;
#else
            bit_bits |= (V_INT)(bit == zero) & UINT64_C(0x7ff0000000000000);
#endif
            V_REAL found;
            memcpy(&found, &bit_bits, sizeof found);
            top = V_MAX(top, size);
            last = V_MIN(last, found);
        }
        double high = 0.0, least = HUGE_VAL;
        double tops[V_LANES], lasts[V_LANES];
        memcpy(tops, &top, sizeof top);
        memcpy(lasts, &last, sizeof last);
        uint64_t beyond = 0, losts[V_LANES];
        memcpy(losts, &lost, sizeof lost);
        for (int k = 0; k < V_LANES; k++) {
            beyond |= losts[k];
            high = FG_MAX1(high, tops[k]);
            least = FG_MIN1(least, lasts[k]);
        }
        for (; i < count; i++) {
            uint64_t bits;
            memcpy(&bits, v + i, 8);
            bits &= UINT64_C(0x7fffffffffffffff);
            if (bits == 0)
                continue;
            beyond |= bits + (UINT64_C(1) << 52);
            const uint64_t cleared = (bits << 12) != 0 ? bits & (bits - 1) : 0;
            double size, rest;
            memcpy(&size, &bits, 8);
            memcpy(&rest, &cleared, 8);
            high = FG_MAX1(high, size);
            least = FG_MIN1(least, size - rest);
        }
        peak[c] = beyond >> 63 ? HUGE_VAL : high;
        low[c] = least;
    }
}

/* Place of vector v of label l in a packed panel: the digits of one tile lie side by side. */
#define FG_AT(l, vectors, v) ((((l) / V_TILE * (vectors) + (v)) * V_TILE + (l) % V_TILE) * V_LANES)

/* Digits d_0, d_1, ... of one column: v scale more = sum_j d_j 2^(-24 j), each rounded to nearest, so at most 2^23 (the
 * first one by the choice of the scale), until nothing is left. */
static V_TARGET void V_NAME(fg_digits)(const double *v, ptrdiff_t vectors, double scale, double more,
                                       ptrdiff_t label, ptrdiff_t depth, double *panel)
{
    for (ptrdiff_t k = 0; k < vectors; k++) {
        V_REAL rest = *(const V_REAL *)(v + k * V_LANES) * scale * more;
        for (ptrdiff_t j = 0; j < depth; j++) {
            /* rint: above 2^52 the spacing is 1 */
            const V_REAL digit = (rest + FG_MAGIC) - FG_MAGIC;
            *(V_REAL *)(panel + FG_AT(label + j, vectors, k)) = digit;
            rest = (rest - digit) * (double)(1 << FG_STEP);
        }
    }
}

/* Digits of w v = hi + lo, both cut on one grid and added: at most 2^24. */
static V_TARGET void V_NAME(fg_weighted)(const double *v, const double *w, ptrdiff_t vectors, double scale,
                                         double more, const double *weight_scale, double product_scale,
                                         ptrdiff_t label, ptrdiff_t depth, double *panel)
{
    for (ptrdiff_t k = 0; k < vectors; k++) {
        const V_REAL a = *(const V_REAL *)(v + k * V_LANES) * scale * more;
        const V_REAL b = *(const V_REAL *)(w + k * V_LANES) * weight_scale[0] * weight_scale[1];
        V_REAL hi, lo;
#ifdef V_FMS
        hi = a * b;
        lo = V_FMS(a, b, hi);
#else
        double as[V_LANES], bs[V_LANES], his[V_LANES], los[V_LANES];
        memcpy(as, &a, sizeof a);
        memcpy(bs, &b, sizeof b);
        /* |a|, |b| <= 2^23 and no part below 2^-1000: Dekker's error is exact */
        for (int t = 0; t < V_LANES; t++) {
            his[t] = as[t] * bs[t];
            los[t] = fm_error(as[t], bs[t], his[t]);
        }
        memcpy(&hi, his, sizeof hi);
        memcpy(&lo, los, sizeof lo);
#endif
        hi *= product_scale;
        lo *= product_scale;
        for (ptrdiff_t j = 0; j < depth; j++) {
            const V_REAL first = (hi + FG_MAGIC) - FG_MAGIC;
            const V_REAL second = (lo + FG_MAGIC) - FG_MAGIC;
            *(V_REAL *)(panel + FG_AT(label + j, vectors, k)) = first + second;
            hi = (hi - first) * (double)(1 << FG_STEP);
            lo = (lo - second) * (double)(1 << FG_STEP);
        }
    }
}

/* One tile of digits against another: V_TILE^2 sums over the panel, each an exact integer in every lane. */
static V_TARGET void V_NAME(fg_tile)(const double *FM_RESTRICT a, const double *FM_RESTRICT b, ptrdiff_t vectors,
                                     uint64_t *FM_RESTRICT sums)
{
    V_REAL total[V_TILE][V_TILE];
    const V_REAL zero = {0.0};
    FM_UNROLL
    for (int s = 0; s < V_TILE; s++) {
        FM_UNROLL
        for (int t = 0; t < V_TILE; t++)
            total[s][t] = zero + FG_MAGIC;
    }
    for (ptrdiff_t k = 0; k < vectors; k++) {
        V_REAL left[V_TILE];
        FM_UNROLL
        for (int s = 0; s < V_TILE; s++)
            left[s] = *(const V_REAL *)(a + s * V_LANES);
        FM_UNROLL
        for (int t = 0; t < V_TILE; t++) {
            const V_REAL right = *(const V_REAL *)(b + t * V_LANES);
            FM_UNROLL
            for (int s = 0; s < V_TILE; s++)
                total[s][t] = V_FMA(left[s], right, total[s][t]);
        }
        a += V_TILE * V_LANES;
        b += V_TILE * V_LANES;
    }
    FM_UNROLL
    for (int s = 0; s < V_TILE; s++) {
        FM_UNROLL
        for (int t = 0; t < V_TILE; t++) {
            V_INT bits;
            memcpy(&bits, &total[s][t], sizeof bits);
            *(V_INT *)(sums + (s * V_TILE + t) * V_LANES) += bits;
        }
    }
}

/* A tile is needed if it holds a pair with left column <= right column; by symmetry the rest is known. */
FM_INLINE int V_NAME(fg_needed)(const fg_side *left, const fg_side *right, ptrdiff_t labels, ptrdiff_t s,
                                ptrdiff_t t)
{
    const ptrdiff_t last = (t + 1) * V_TILE - 1;
    return left->owner[s * V_TILE] <= right->owner[last < labels ? last : labels - 1];
}

static V_TARGET void V_NAME(fg_products)(const double *columns, ptrdiff_t ld, ptrdiff_t n, ptrdiff_t count,
                                         const double *weight, const double *weight_scale, const fg_side *left,
                                         const fg_side *right, double *workspace, int64_t *high, int64_t *low,
                                         ptrdiff_t width)
{
    const ptrdiff_t vectors = weight == NULL ? FG_VECTORS : FG_VECTORS_WEIGHTED;
    const ptrdiff_t rows = vectors * V_LANES;
    const ptrdiff_t labels_l = left->first[n], labels_r = right->first[n];
    const ptrdiff_t tiles_l = (labels_l + V_TILE - 1) / V_TILE, tiles_r = (labels_r + V_TILE - 1) / V_TILE;
    const ptrdiff_t tile_items = V_TILE * vectors * V_LANES;
    double *panel_r = (double *)fm_align(workspace);
    double *panel_l = weight == NULL ? panel_r : panel_r + tiles_r * tile_items;
    double *tail = panel_l + tiles_l * tile_items;
    uint64_t *sums = (uint64_t *)(tail + (n + 1) * rows);
    const ptrdiff_t square = V_TILE * V_TILE * V_LANES;
    if (labels_l == 0 || labels_r == 0)
        return;
    /* labels that fill up the last tile are zero, once and for all */
    memset(panel_r, 0, (size_t)(tiles_r * tile_items) * sizeof(double));
    memset(panel_l, 0, (size_t)(tiles_l * tile_items) * sizeof(double));
    memset(sums, 0, (size_t)(tiles_l * tiles_r * square) * sizeof(uint64_t));
    uint64_t panels = 0;
    for (ptrdiff_t begin = 0; begin < count; begin += rows, panels++) {
        const double *from = columns + begin, *w = weight == NULL ? NULL : weight + begin;
        ptrdiff_t step = ld;
        if (count - begin < rows) {
            const size_t bytes = (size_t)(count - begin) * sizeof(double);
            memset(tail, 0, (size_t)((n + 1) * rows) * sizeof(double));
            for (ptrdiff_t c = 0; c < n; c++)
                memcpy(tail + c * rows, from + c * ld, bytes);
            if (w != NULL) {
                memcpy(tail + n * rows, w, bytes);
                w = tail + n * rows;
            }
            from = tail;
            step = rows;
        }
        for (ptrdiff_t c = 0; c < n; c++)
            V_NAME(fg_digits)(from + c * step, vectors, right->scale[c], right->scale[n + c], right->first[c],
                              right->first[c + 1] - right->first[c], panel_r);
        if (w != NULL)
            for (ptrdiff_t c = 0; c < n; c++)
                V_NAME(fg_weighted)(from + c * step, w, vectors, right->scale[c], right->scale[n + c], weight_scale,
                                    left->scale[c] * left->scale[n + c], left->first[c],
                                    left->first[c + 1] - left->first[c], panel_l);
        for (ptrdiff_t s = 0; s < tiles_l; s++)
            for (ptrdiff_t t = weight == NULL ? s : 0; t < tiles_r; t++)
                if (V_NAME(fg_needed)(left, right, labels_r, s, t))
                    V_NAME(fg_tile)(panel_l + s * tile_items, panel_r + t * tile_items, vectors,
                                    sums + (s * tiles_r + t) * square);
    }
    const uint64_t start = panels * V_LANES * FG_MAGIC_BITS;
    for (ptrdiff_t a = 0; a < labels_l; a++)
        for (ptrdiff_t b = weight == NULL ? a : 0; b < labels_r; b++) {
            if (left->owner[a] > right->owner[b])
                continue;
            const ptrdiff_t tile = a / V_TILE * tiles_r + b / V_TILE;
            const uint64_t *lanes = sums + tile * square + (a % V_TILE * V_TILE + b % V_TILE) * V_LANES;
            uint64_t total = 0;
            for (int k = 0; k < V_LANES; k++)
                total += lanes[k];
            total -= start;
            const ptrdiff_t at = left->place[a] * width + right->place[b];
            low[at] += (int64_t)(total & UINT64_C(0xffffffff));
            /* arithmetic shift, written so that no compiler may choose another */
            high[at] += ((int64_t)(total & ~UINT64_C(0xffffffff))) / INT64_C(4294967296);
        }
}

#undef FG_AT
#undef V_NAME
#undef V_TARGET
#undef V_REAL
#undef V_INT
#undef V_LANES
#undef V_TILE
#undef V_MAX
#undef V_MIN
#undef V_FMA
#ifdef V_FMS
#undef V_FMS
#endif
