/* Sorted partial sums, first level: which bucket a key belongs to, and records dealt to buckets; the design stands at
   the head of _splits.pyx. */
#ifndef FASTMINIMA_SPLITS_BUCKETS_H
#define FASTMINIMA_SPLITS_BUCKETS_H

#include "_simd.h"

typedef struct {
    double key, value;
} fm_rec;

enum {
    FM_BLOCK = 256,     /* keys classified at a time: their cells stay in L1 */
    FM_LINE = 8         /* records of a bucket collected before they go to memory: two cache lines */
};

/* A map of keys to cells 0..n_cells-1, and of those to buckets: linear in the key (levels = 0, shift < 0), by its bits
   (shift >= 0, cells from fm_place = first on), or a search tree of 2^levels - 1 splitters. */
typedef struct {
    double lo, scale;
    int64_t floor, first;
    int shift, levels;
    const uint16_t *table;
    ptrdiff_t n_cells;
    const double *tree;
} fm_map;

/* Bits of |x| as an integer: ordered like |x|, infinities and NaN on top. */
static inline uint64_t fm_magnitude_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits & UINT64_C(0x7fffffffffffffff);
}

/* Every step is monotone in x under round-to-nearest, so cells are ordered like keys. The comparisons are
   written so that a NaN lands in cell 0: wrong keys are reported later, they must not write out of bounds. */
static inline int32_t fm_cell(double x, double lo, double scale, double top)
{
    double t = (x - lo) * scale;
    t = t > 0.0 ? t : 0.0;
    t = t < top ? t : top;
    return (int32_t)t;
}

/* Monotone in x, close to its logarithm on either side: the bits of |x| above `floor`, mirrored below 0. The comparison
   makes -0.0 the equal of 0.0. */
static inline int64_t fm_place(double x, int64_t floor, int shift)
{
    const int64_t over = (int64_t)fm_magnitude_bits(x) - floor, place = over > 0 ? over >> shift : 0;
    return x < 0.0 ? -place - 1 : place;
}

/* cells of at most FM_BLOCK keys by the first two maps */
static inline void fm_cells_plain_f64(const double *key, ptrdiff_t n, const fm_map *map, int32_t *at)
{
    const double lo = map->lo, scale = map->scale, top = (double)(map->n_cells - 1);
    const int64_t floor = map->floor, first = map->first, last = map->n_cells - 1;
    const int shift = map->shift;
    if (shift < 0)
        for (ptrdiff_t i = 0; i < n; i++)
            at[i] = fm_cell(key[i], lo, scale, top);
    else
        for (ptrdiff_t i = 0; i < n; i++) {
            int64_t cell = fm_place(key[i], floor, shift) - first;
            cell = cell > 0 ? cell : 0;
            at[i] = (int32_t)(cell < last ? cell : last);
        }
}

/* Splitters as an implicit tree (node k has children 2k and 2k + 1). Levels outside, keys inside: the walks of
   different keys are independent and hide each other's latency. */
static inline void fm_descend(const double *key, ptrdiff_t n, const double *tree, int levels, int32_t *at)
{
    for (ptrdiff_t i = 0; i < n; i++)
        at[i] = 1;
    for (int level = 0; level < levels; level++)
        for (ptrdiff_t i = 0; i < n; i++)
            at[i] = 2 * at[i] + (key[i] >= tree[at[i]]);
    for (ptrdiff_t i = 0; i < n; i++)
        at[i] -= 1 << levels;
}

static inline fm_rec fm_record(double key, double value, const double *weight, ptrdiff_t i, double value_scale,
                               double weight_scale)
{
    fm_rec r = {key, value * value_scale};
    if (weight)
        r.value *= weight[i] * weight_scale;
    return r;
}

/* Everything goes to one bucket. */
static inline uint64_t fm_copy(const double *key, const double *value, const double *weight, ptrdiff_t n,
                               double value_scale, double weight_scale, fm_rec *out)
{
    uint64_t largest = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t bits = fm_magnitude_bits(value[i]);
        largest = bits > largest ? bits : largest;
        out[i] = fm_record(key[i], value[i], weight, i, value_scale, weight_scale);
    }
    return largest;
}

static inline uint64_t fm_scatter(const double *key, const double *value, const double *weight,
                                  const uint16_t *id, ptrdiff_t n, double value_scale, double weight_scale,
                                  int64_t *at, fm_rec *out)
{
    uint64_t largest = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t bits = fm_magnitude_bits(value[i]);
        largest = bits > largest ? bits : largest;
        out[at[id[i]]++] = fm_record(key[i], value[i], weight, i, value_scale, weight_scale);
    }
    return largest;
}

/* FM_LINE records past the caches, on a border of cache lines */
static inline void fm_stream(fm_rec *to, const fm_rec *from)
{
#ifdef FM_HAVE_X86
    for (int k = 0; k < FM_LINE; k++)
        _mm_stream_pd((double *)(to + k), _mm_load_pd((const double *)(from + k)));
#else
    memcpy(to, from, FM_LINE * sizeof *to);
#endif
}

/* The same through a line of records per bucket: whole lines go to memory once, and none is read before it is written.
   `out` begins on a border of cache lines; `work` holds (2 FM_LINE + 1) n_buckets + 8 numbers. */
static inline uint64_t fm_scatter_lines(const double *key, const double *value, const double *weight,
                                        const uint16_t *id, ptrdiff_t n, double value_scale, double weight_scale,
                                        int64_t *at, fm_rec *out, double *work, ptrdiff_t n_buckets)
{
    fm_rec *lines = (fm_rec *)fm_align(work);
    int64_t *begun = (int64_t *)(lines + FM_LINE * n_buckets);
    uint64_t largest = 0;
    memcpy(begun, at, (size_t)n_buckets * sizeof *at);
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t bits = fm_magnitude_bits(value[i]);
        const ptrdiff_t b = id[i];
        const int64_t p = at[b];
        fm_rec *line = lines + FM_LINE * b;
        largest = bits > largest ? bits : largest;
        line[p & (FM_LINE - 1)] = fm_record(key[i], value[i], weight, i, value_scale, weight_scale);
        at[b] = p + 1;
        if ((p & (FM_LINE - 1)) == FM_LINE - 1) {
            const int64_t start = p + 1 - FM_LINE;
            if (start >= begun[b])
                fm_stream(out + start, line);
            else        /* the records before belong to others */
                memcpy(out + begun[b], line + (begun[b] & (FM_LINE - 1)), (size_t)(p + 1 - begun[b]) * sizeof *out);
        }
    }
    for (ptrdiff_t b = 0; b < n_buckets; b++) {
        const int64_t line = at[b] - (at[b] & (FM_LINE - 1)), from = line > begun[b] ? line : begun[b];
        memcpy(out + from, lines + FM_LINE * b + (from & (FM_LINE - 1)), (size_t)(at[b] - from) * sizeof *out);
    }
#ifdef FM_HAVE_X86
    _mm_sfence();
#endif
    return largest;
}

static inline int fm_ordered(const double *key, ptrdiff_t n)
{
    for (ptrdiff_t i = 1; i < n; i++)
        if (!(key[i - 1] <= key[i]))
            return 0;
    return 1;
}

#endif
