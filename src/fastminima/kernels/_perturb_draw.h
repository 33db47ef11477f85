/* The body of the random perturbations, included once per vector type by _perturb.h.
 *
 * The includer defines FM_SUFFIX, FM_TARGET, LANES, FP_PAIRS (pairs of normals made side by side: 1, 2 or 4), DV and
 * IV (vectors of double and of unsigned 64-bit integers; the operators + - * / and & | ^ << >> act lane by lane) and
 * the words I_MUL (product of the low halves of 64 bits), I_SET1, D_SET1, AS_I, AS_D (the same bits), D_SQRT, D_STORE
 * and, where lanes are several, D_ROWS; this file undefines them all at its end.
 *
 * One lane is one perturbation, so that norms and powers need nothing across lanes and every variant does the same
 * operations in the same order. No fused multiply-add and no library function: the bits are the same everywhere.
 */

#define FM_NAME(stem) FM_PASTE(stem, FM_SUFFIX)
#define DC(c) D_SET1(c)
#define IC(c) I_SET1((uint64_t)(c))
#define FP_EACH FM_UNROLL for (e = 0; e < n; e++)

/* Philox4x32-10 for two counters that differ in their third word. The upper halves of the lanes collect rubbish,
 * which no product reads. */
FM_TARGET FM_INLINE void FM_NAME(fp_philox)(const IV *keys, IV low, IV high, IV block, IV next, IV tag,
                                            IV *FM_RESTRICT w)
{
    const IV m0 = IC(FP_M0), m1 = IC(FP_M1);
    IV a0 = low, a1 = high, a2 = block, a3 = tag, b0 = low, b1 = high, b2 = next, b3 = tag;
    int round;
    FM_UNROLL
    for (round = 0; round < 10; round++) {
        const IV k0 = keys[2 * round], k1 = keys[2 * round + 1];
        const IV p = I_MUL(m0, a0), q = I_MUL(m1, a2), r = I_MUL(m0, b0), s = I_MUL(m1, b2);
        a0 = (q >> 32) ^ a1 ^ k0;
        b0 = (s >> 32) ^ b1 ^ k0;
        a2 = (p >> 32) ^ a3 ^ k1;
        b2 = (r >> 32) ^ b3 ^ k1;
        a1 = q, a3 = p, b1 = s, b3 = r;
    }
    w[0] = a0, w[1] = a1, w[2] = a2, w[3] = a3;
    w[4] = b0, w[5] = b1, w[6] = b2, w[7] = b3;
}

/* x[e] = ln((w[e] + 1/2) 2^-32) for the low halves of n words: fdlibm's __ieee754_log, error below one ulp. Here and
 * below each line is done for all e before the next: one chain of operations alone would wait for its own results. */
FM_TARGET FM_INLINE void FM_NAME(fp_log)(const int n, const IV *FM_RESTRICT w, DV *FM_RESTRICT x)
{
    DV k[4], f[4], s[4], z[4], y[4], half[4], even[4], odd[4];
    IV h[4];
    int e;
    /* 2^51 + w + 1/2 by its bits, hence w + 1/2 exactly */
    FP_EACH h[e] = AS_I(AS_D(((w[e] << 1) & IC(0x1FFFFFFFE)) | IC(0x4320000000000001)) - DC(0x1p51));
    FP_EACH h[e] = h[e] + IC(0x3FF0000000000000 - 0x3FE6A09E00000000);
    FP_EACH f[e] = AS_D((h[e] & IC(0x000FFFFFFFFFFFFF)) + IC(0x3FE6A09E00000000)) - DC(1.0);
    FP_EACH s[e] = f[e] / (DC(2.0) + f[e]);
    FP_EACH k[e] = AS_D((h[e] >> 52) | IC(0x4330000000000000)) - DC(0x1p52 + 1023 + 32);
    FP_EACH half[e] = DC(0.5) * f[e] * f[e];
    FP_EACH z[e] = s[e] * s[e];
    FP_EACH y[e] = z[e] * z[e];
    FP_EACH even[e] = DC(FP_L4) + y[e] * DC(FP_L6);
    FP_EACH odd[e] = DC(FP_L5) + y[e] * DC(FP_L7);
    FP_EACH even[e] = DC(FP_L2) + y[e] * even[e];
    FP_EACH odd[e] = DC(FP_L3) + y[e] * odd[e];
    FP_EACH even[e] = y[e] * even[e];
    FP_EACH odd[e] = z[e] * (DC(FP_L1) + y[e] * odd[e]);
    FP_EACH s[e] = s[e] * (half[e] + (even[e] + odd[e])) + k[e] * DC(FP_LN2_LO);
    FP_EACH x[e] = k[e] * DC(FP_LN2_HI) - ((half[e] - s[e]) - f[e]);
}

/* exp(x) for -30 < x <= 0. */
FM_TARGET FM_INLINE DV FM_NAME(fp_exp)(DV x)
{
    /* adding 3/2 2^52 leaves the nearest integer in the low bits */
    const DV t = x * DC(FP_LOG2E) + DC(0x1.8p52), k = t - DC(0x1.8p52);
    const DV r = (x - k * DC(FP_LN2_HI)) - k * DC(FP_LN2_LO);
    DV p = DC(1.0 / 6227020800.0);
    p = p * r + DC(1.0 / 479001600.0);
    p = p * r + DC(1.0 / 39916800.0);
    p = p * r + DC(1.0 / 3628800.0);
    p = p * r + DC(1.0 / 362880.0);
    p = p * r + DC(1.0 / 40320.0);
    p = p * r + DC(1.0 / 5040.0);
    p = p * r + DC(1.0 / 720.0);
    p = p * r + DC(1.0 / 120.0);
    p = p * r + DC(1.0 / 24.0);
    p = p * r + DC(1.0 / 6.0);
    p = p * r + DC(0.5);
    p = p * r + DC(1.0);
    p = p * r + DC(1.0);
    return AS_D(AS_I(p) + (AS_I(t) << 52));
}

/* Box-Muller: g[2e], g[2e + 1] = sqrt(-2 ln((w[2e] + 1/2) 2^-32)) times the cosine and the sine of
 * 2 pi (w[2e + 1] + 1/2) 2^-32, for n pairs of words. */
FM_TARGET FM_INLINE void FM_NAME(fp_normals)(const int n, const IV *FM_RESTRICT w, DV *FM_RESTRICT g)
{
    DV r[4], a[4], z[4], half[4], w1[4], s[4], c[4];
    IV u[4], quarter[4], swap[4];
    int e;
    FP_EACH u[e] = w[2 * e];
    FM_NAME(fp_log)(n, u, r);
    FP_EACH r[e] = D_SQRT(DC(-2.0) * r[e]);
    /* the nearest quarter turn is taken off in integers, exactly; what is left lies within an eighth */
    FP_EACH u[e] = w[2 * e + 1] + IC(1 << 29);
    FP_EACH quarter[e] = u[e] >> 30;
    FP_EACH a[e] = AS_D(((u[e] << 1) & IC(0x7FFFFFFE)) | IC(0x4320000000000001)) - DC(0x1p51 + 0x1p29);
    FP_EACH a[e] = a[e] * DC(FP_PI * 0x1p-31);
    FP_EACH z[e] = a[e] * a[e];
    FP_EACH s[e] = DC(FP_S5) + z[e] * DC(FP_S6);
    FP_EACH c[e] = DC(FP_C5) + z[e] * DC(FP_C6);
    FP_EACH s[e] = DC(FP_S4) + z[e] * s[e];
    FP_EACH c[e] = DC(FP_C4) + z[e] * c[e];
    FP_EACH s[e] = DC(FP_S3) + z[e] * s[e];
    FP_EACH c[e] = DC(FP_C3) + z[e] * c[e];
    FP_EACH s[e] = DC(FP_S2) + z[e] * s[e];
    FP_EACH c[e] = DC(FP_C2) + z[e] * c[e];
    FP_EACH s[e] = DC(FP_S1) + z[e] * s[e];
    FP_EACH c[e] = DC(FP_C1) + z[e] * c[e];
    FP_EACH s[e] = a[e] + z[e] * a[e] * s[e];
    FP_EACH c[e] = z[e] * (z[e] * c[e]);
    FP_EACH half[e] = DC(0.5) * z[e];
    FP_EACH w1[e] = DC(1.0) - half[e];
    FP_EACH c[e] = w1[e] + (((DC(1.0) - w1[e]) - half[e]) + c[e]);
    FP_EACH s[e] = r[e] * s[e];
    FP_EACH c[e] = r[e] * c[e];
    FP_EACH swap[e] = (AS_I(c[e]) ^ AS_I(s[e])) & (IC(0) - (quarter[e] & IC(1)));
    FP_EACH g[2 * e] = AS_D((AS_I(c[e]) ^ swap[e]) ^ (((quarter[e] + IC(1)) & IC(2)) << 62));
    FP_EACH g[2 * e + 1] = AS_D((AS_I(s[e]) ^ swap[e]) ^ ((quarter[e] & IC(2)) << 62));
}

FM_TARGET static void FM_NAME(fp_draw)(uint64_t seed, uint64_t first, int distribution, ptrdiff_t K, ptrdiff_t P,
                                       double *out)
{
    IV keys[20];
    double buffer[8 * LANES];
    uint64_t lanes[LANES];
    ptrdiff_t i, j, live;
    int e, lane;
    for (i = 0; i < 10; i++) {
        keys[2 * i] = IC((uint32_t)seed + (uint32_t)i * (uint32_t)FP_W0);
        keys[2 * i + 1] = IC((uint32_t)(seed >> 32) + (uint32_t)i * (uint32_t)FP_W1);
    }
    for (i = 0; i < K; i += LANES, first += LANES, out += LANES * P) {
        DV partial[8], g[8], norm;
        IV k, w[8];
        live = K - i < LANES ? K - i : LANES;
        for (lane = 0; lane < LANES; lane++)
            lanes[lane] = first + (uint64_t)lane;
        memcpy(&k, lanes, sizeof k);
        for (e = 0; e < 8; e++)
            partial[e] = DC(0.0);
        for (j = 0; j < P; j += 8) {
            FM_NAME(fp_philox)(keys, k, k >> 32, IC(j / 4), IC(j / 4 + 1), IC(0), w);
            for (e = 0; e < 8; e += 2 * FP_PAIRS)
                FM_NAME(fp_normals)(FP_PAIRS, w + e, g + e);
#ifdef D_ROWS
            if (P - j >= 8 && live == LANES) {
                FM_UNROLL
                for (e = 0; e < 8; e++)
                    partial[e] = partial[e] + g[e] * g[e];
                D_ROWS(g, out + j, P);
                continue;
            }
#endif
            for (e = 0; e < 8 && e < P - j; e++) {
                partial[e] = partial[e] + g[e] * g[e];
                D_STORE(buffer + e * LANES, g[e]);
            }
            for (lane = 0; lane < live; lane++)
                for (e = 0; e < 8 && e < P - j; e++)
                    out[lane * P + j + e] = buffer[e * LANES + lane];
        }
        if (distribution == FM_NORMAL)
            continue;
        norm = D_SQRT(((partial[0] + partial[4]) + (partial[2] + partial[6]))
                      + ((partial[1] + partial[5]) + (partial[3] + partial[7])));
        if (distribution == FM_BALL) {
            FM_NAME(fp_philox)(keys, k, k >> 32, IC(0), IC(0), IC(1), w);
            FM_NAME(fp_log)(1, w, g);
            norm = FM_NAME(fp_exp)(g[0] / DC((double)P)) / norm;
        }
        D_STORE(buffer, norm);
        for (lane = 0; lane < live; lane++) {
            double *FM_RESTRICT row = out + lane * P;
            const double scale = buffer[lane];
            if (distribution == FM_BALL)
                for (j = 0; j < P; j++)
                    row[j] = row[j] * scale;
            else
                for (j = 0; j < P; j++)
                    row[j] = row[j] / scale;
        }
    }
}

#undef FM_NAME
#undef DC
#undef FP_EACH
#undef FP_PAIRS
#undef IC
#undef FM_SUFFIX
#undef FM_TARGET
#undef LANES
#undef DV
#undef IV
#undef I_MUL
#undef I_SET1
#undef D_SET1
#undef AS_I
#undef AS_D
#undef D_SQRT
#undef D_STORE
#undef D_ROWS
