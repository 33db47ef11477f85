/* Preactivations with error bounds, and rows grouped by sign pattern; the design stands at the head of _patterns.pyx. */
#ifndef FASTMINIMA_PATTERNS_H
#define FASTMINIMA_PATTERNS_H

#include "_simd.h"

/* rows of a chunk: z, |z| and the norms of so many stay in the first-level cache */
#define FP_CHUNK 128

#define V_NAME(f) f##_plain
#define V_TARGET
#include "_patterns_tile.h"

/* the compiler's vectors of 16 bytes are what plain C becomes anyway */
#define fp_preactivations_v16 fp_preactivations_plain
#define fp_quotients_v16 fp_quotients_plain

#ifdef FM_HAVE_X86
#define V_NAME(f) f##_avx2
#define V_TARGET __attribute__((target("avx2,fma")))
#include "_patterns_tile.h"

#define V_NAME(f) f##_avx512
#define V_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#include "_patterns_tile.h"
#endif

static void fp_preactivations(int variant, const double *columns, ptrdiff_t ld, ptrdiff_t count, ptrdiff_t dx,
                              const double *W1, const double *b1, ptrdiff_t units, double factor,
                              const double *tiny, double *z, double *error, ptrdiff_t out_ld)
{
#define CALL(v) fp_preactivations_##v(columns, ld, count, dx, W1, b1, units, factor, tiny, z, error, out_ld)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

static void fp_quotients(int variant, const double *columns, ptrdiff_t ld, ptrdiff_t count, ptrdiff_t dx,
                         const double *z, const double *error, ptrdiff_t units, ptrdiff_t in_ld, double slack,
                         double *lower, double *upper)
{
#define CALL(v) fp_quotients_##v(columns, ld, count, dx, z, error, units, in_ld, slack, lower, upper)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

/* Bit k of the key of a row says z_k >= 0; a row is doubtful where some |z_k| <= error_k. */
static void fp_keys(const double *z, const double *error, ptrdiff_t ld, ptrdiff_t count, const int64_t *units,
                    ptrdiff_t n_units, uint64_t *keys, ptrdiff_t key_ld, uint8_t *doubtful)
{
    const ptrdiff_t words = (n_units + 63) / 64;
    for (ptrdiff_t w = 0; w < words; w++)
        memset(keys + w * key_ld, 0, (size_t)count * sizeof(uint64_t));
    memset(doubtful, 0, (size_t)count);
    for (ptrdiff_t k = 0; k < n_units; k++) {
        const double *at = z + units[k] * ld, *bound = error + units[k] * ld;
        uint64_t *key = keys + k / 64 * key_ld;
        const int bit = (int)(k % 64);
        for (ptrdiff_t i = 0; i < count; i++) {
            key[i] |= (uint64_t)(at[i] >= 0.0) << bit;
            doubtful[i] |= (uint8_t)!(fabs(at[i]) > bound[i]);
        }
    }
}

/* Rows with equal keys get one id, numbered by first appearance; counts[id] rows, the first of them first[id].
 * table: (mask + 1) int32, a power of two above twice the rows. Returns the number of ids. */
static ptrdiff_t fp_groups(const uint64_t *keys, ptrdiff_t key_ld, ptrdiff_t words, ptrdiff_t count, int32_t *table,
                           uint64_t mask, int32_t *ids, int64_t *first, int64_t *counts)
{
    ptrdiff_t found = 0;
    memset(table, 0, (size_t)(mask + 1) * sizeof(int32_t));
    for (ptrdiff_t i = 0; i < count; i++) {
        /* most rows have the key of the row before */
        if (i > 0) {
            int same = 1;
            for (ptrdiff_t w = 0; w < words; w++)
                same &= keys[w * key_ld + i] == keys[w * key_ld + i - 1];
            if (same) {
                ids[i] = ids[i - 1];
                counts[ids[i]]++;
                continue;
            }
        }
        uint64_t hash = 0;
        for (ptrdiff_t w = 0; w < words; w++) {
            hash ^= keys[w * key_ld + i];
            hash *= UINT64_C(0x9E3779B97F4A7C15);
            hash ^= hash >> 29;
        }
        uint64_t slot = hash & mask;
        int32_t id = -1;
        while (table[slot] != 0) {
            const int32_t candidate = table[slot] - 1;
            int same = 1;
            for (ptrdiff_t w = 0; w < words; w++)
                same &= keys[w * key_ld + i] == keys[w * key_ld + first[candidate]];
            if (same) {
                id = candidate;
                break;
            }
            slot = (slot + 1) & mask;
        }
        if (id < 0) {
            id = (int32_t)found;
            table[slot] = id + 1;
            first[found] = i;
            counts[found] = 0;
            found++;
        }
        ids[i] = id;
        counts[id]++;
    }
    return found;
}

/* Columns in the order of ids, rows of one id in their own order; start: (ids) int64, scratch for where each ends. */
static void fp_sorted(const double *columns, ptrdiff_t ld, ptrdiff_t n, ptrdiff_t count, const int32_t *ids,
                      const int64_t *counts, ptrdiff_t n_ids, int64_t *start, int32_t *order, double *out,
                      ptrdiff_t out_ld)
{
    int64_t total = 0;
    for (ptrdiff_t g = 0; g < n_ids; g++) {
        start[g] = total;
        total += counts[g];
    }
    for (ptrdiff_t i = 0; i < count; i++)
        order[start[ids[i]]++] = (int32_t)i;
    for (ptrdiff_t c = 0; c < n; c++)
        for (ptrdiff_t i = 0; i < count; i++)
            out[c * out_ld + i] = columns[c * ld + order[i]];
}

#endif
