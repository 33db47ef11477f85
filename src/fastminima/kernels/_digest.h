/* BLAKE2s of many short rows at once, one row per lane. The design stands at the head of _digest.pyx. */
#ifndef FASTMINIMA_DIGEST_H
#define FASTMINIMA_DIGEST_H

#include "_simd.h"

static const uint32_t fd_start[8] = {0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au,
                                     0x510E527Fu, 0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u};

/* digest of 32 bytes, no key, sequential mode (RFC 7693, section 2.5) */
#define FD_PARAMETERS 0x01010020u

static const uint8_t fd_sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

/* ---- 0: plain C */

#define V_NAME(f) f##_plain
#define V_TARGET
#define V_WORD uint32_t
#define V_LANES 1
#include "_digest_tile.h"

/* ---- 1: the compiler's vectors of 16 bytes */

#ifdef FM_HAVE_VECTOR16
typedef uint32_t fd_w4 __attribute__((vector_size(16), may_alias));

#define V_NAME(f) f##_v16
#define V_TARGET
#define V_WORD fd_w4
#define V_LANES 4
#include "_digest_tile.h"
#endif

/* ---- 2 and 3: AVX2 and AVX-512, which rotates by itself */

#ifdef FM_HAVE_X86
typedef uint32_t fd_w8 __attribute__((vector_size(32), may_alias));

#define V_NAME(f) f##_avx2
#define V_TARGET __attribute__((target("avx2,fma")))
#define V_WORD fd_w8
#define V_LANES 8
#include "_digest_tile.h"

typedef uint32_t fd_w16 __attribute__((vector_size(64), may_alias));

#define V_NAME(f) f##_avx512
#define V_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#define V_WORD fd_w16
#define V_LANES 16
#define V_ROTATE(x, n) ((fd_w16)_mm512_ror_epi32((__m512i)(x), n))
#include "_digest_tile.h"
#endif

static void fd_sums(int variant, const uint32_t *rows, ptrdiff_t words, ptrdiff_t count, uint64_t *sums)
{
#define CALL(v) fd_sums_##v(rows, words, count, sums)
    FM_DISPATCH(variant, CALL)
#undef CALL
}

/* Rows side by side; adding 0.0 turns -0.0 into 0.0 and leaves all other numbers alone. */
static void fd_pack(const double *x, ptrdiff_t rows, ptrdiff_t dx, const double *y, const double *weight, double *out)
{
    const ptrdiff_t width = dx + 1 + (weight != NULL);
    for (ptrdiff_t i = 0; i < rows; i++) {
        double *to = out + i * width;
        for (ptrdiff_t c = 0; c < dx; c++)
            to[c] = x[i * dx + c] + 0.0;
        to[dx] = y[i] + 0.0;
        if (weight != NULL)
            to[dx + 1] = weight[i] + 0.0;
    }
}

#endif
