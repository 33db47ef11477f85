/* BLAKE2s (RFC 7693) of V_LANES rows at a time. Included by _digest.h, which says in V_NAME, V_TARGET, V_WORD, V_LANES
 * and V_ROTATE what to compile for.
 */

#ifndef V_ROTATE
#define V_ROTATE(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#endif

#define FD_MIX(a, b, c, d, x, y) \
    do { \
        a += b + (x); \
        d = V_ROTATE(d ^ a, 16); \
        c += d; \
        b = V_ROTATE(b ^ c, 12); \
        a += b + (y); \
        d = V_ROTATE(d ^ a, 8); \
        c += d; \
        b = V_ROTATE(b ^ c, 7); \
    } while (0)

/* RFC 7693, section 3.2: F(h, m, t, f) */
static V_TARGET void V_NAME(fd_compress)(V_WORD *h, const V_WORD *m, uint64_t bytes, int last)
{
    const V_WORD zero = {0};
    V_WORD v[16];
    FM_UNROLL
    for (int k = 0; k < 8; k++) {
        v[k] = h[k];
        v[k + 8] = zero + fd_start[k];
    }
    v[12] ^= (uint32_t)bytes;
    v[13] ^= (uint32_t)(bytes >> 32);
    if (last)
        v[14] = ~v[14];
    FM_UNROLL
    for (int r = 0; r < 10; r++) {
        const uint8_t *s = fd_sigma[r];
        FD_MIX(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
        FD_MIX(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
        FD_MIX(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
        FD_MIX(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
        FD_MIX(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
        FD_MIX(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
        FD_MIX(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
        FD_MIX(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
    }
    FM_UNROLL
    for (int k = 0; k < 8; k++)
        h[k] ^= v[k] ^ v[k + 8];
}

/* sums[k] += word k of the digest of every row */
static V_TARGET void V_NAME(fd_sums)(const uint32_t *rows, ptrdiff_t words, ptrdiff_t count, uint64_t *sums)
{
    const ptrdiff_t blocks = words > 16 ? (words + 15) / 16 : 1;
    for (ptrdiff_t i = 0; i < count; i += V_LANES) {
        const ptrdiff_t lanes = count - i < V_LANES ? count - i : V_LANES;
        const V_WORD zero = {0};
        V_WORD h[8], m[16];
        for (int k = 0; k < 8; k++)
            h[k] = zero + fd_start[k];
        h[0] ^= FD_PARAMETERS;
        for (ptrdiff_t b = 0; b < blocks; b++) {
            const ptrdiff_t left = words - 16 * b, taken = left < 16 ? left : 16;
            /* uint32 is a vector's own element type: writing single lanes is allowed */
            uint32_t *to = (uint32_t *)m;
            memset(m, 0, sizeof m);
            for (ptrdiff_t lane = 0; lane < lanes; lane++) {
                const uint32_t *from = rows + (i + lane) * words + 16 * b;
                for (ptrdiff_t k = 0; k < taken; k++)
                    to[k * V_LANES + lane] = from[k];
            }
            V_NAME(fd_compress)(h, m, 4 * (uint64_t)(16 * b + taken), b == blocks - 1);
        }
        const uint32_t *digest = (const uint32_t *)h;
        for (int k = 0; k < 8; k++) {
            uint64_t total = 0;
            for (ptrdiff_t lane = 0; lane < lanes; lane++)
                total += digest[k * V_LANES + lane];
            sums[k] += total;
        }
    }
}

#undef FD_MIX
#undef V_ROTATE
#undef V_NAME
#undef V_TARGET
#undef V_WORD
#undef V_LANES
