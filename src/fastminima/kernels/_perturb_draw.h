/* The body of the random perturbations, included once per vector type by _perturb.h.
 *
 * The includer defines FM_SUFFIX, FM_TARGET, LANES, DV and IV (vectors of double and of unsigned 64-bit integers;
 * the operators + - * / and & | ^ << >> act lane by lane) and the words I_MUL (product of the low halves of 64 bits),
 * I_SET1, D_SET1, AS_I, AS_D (the same bits), D_SQRT, D_STORE and, where lanes are several, D_ROWS; this file
 * undefines them all at its end.
 *
 * One lane is one perturbation, so that norms and powers need nothing across lanes and every variant does the same
 * operations in the same order. No fused multiply-add and no library function: the bits are the same everywhere.
 */

#define FM_PASTE2(a, b) a##_##b
#define FM_PASTE(a, b) FM_PASTE2(a, b)
#define FM_NAME(stem) FM_PASTE(stem, FM_SUFFIX)
#define DC(c) D_SET1(c)
#define IC(c) I_SET1((uint64_t)(c))

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

/* ln((w + 1/2) 2^-32) for the low halves w: fdlibm's __ieee754_log, error below one ulp. */
FM_TARGET FM_INLINE DV FM_NAME(fp_log)(IV w)
{
    /* 2^51 + w + 1/2 by its bits, hence w + 1/2 exactly */
    const DV raw = AS_D(((w & IC(0xFFFFFFFF)) << 1) | IC(0x4320000000000001)) - DC(0x1p51);
    const IV h = AS_I(raw) + IC(0x3FF0000000000000 - 0x3FE6A09E00000000);
    const DV k = AS_D((h >> 52) | IC(0x4330000000000000)) - DC(0x1p52 + 1023 + 32);
    const DV f = AS_D((h & IC(0x000FFFFFFFFFFFFF)) + IC(0x3FE6A09E00000000)) - DC(1.0);
    const DV s = f / (DC(2.0) + f), z = s * s, y = z * z, half = DC(0.5) * f * f;
    const DV even = y * (DC(FP_L2) + y * (DC(FP_L4) + y * DC(FP_L6)));
    const DV odd = z * (DC(FP_L1) + y * (DC(FP_L3) + y * (DC(FP_L5) + y * DC(FP_L7))));
    return k * DC(FP_LN2_HI) - ((half - (s * (half + (even + odd)) + k * DC(FP_LN2_LO))) - f);
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

/* Box-Muller: r = sqrt(-2 ln((w + 1/2) 2^-32)) times the cosine and the sine of 2 pi (v + 1/2) 2^-32. */
FM_TARGET FM_INLINE void FM_NAME(fp_normals)(IV w, IV v, DV *cosine, DV *sine)
{
    const DV r = D_SQRT(DC(-2.0) * FM_NAME(fp_log)(w));
    /* the nearest quarter turn is taken off in integers, exactly; what is left lies within an eighth */
    const IV turned = v + IC(1 << 29), quarter = turned >> 30;
    const DV raw = AS_D(((turned & IC(0x3FFFFFFF)) << 1) | IC(0x4320000000000001)) - DC(0x1p51 + 0x1p29);
    const DV a = raw * DC(FP_PI * 0x1p-31), z = a * a, half = DC(0.5) * z, w1 = DC(1.0) - half;
    const DV s = a + z * a * (DC(FP_S1) + z * (DC(FP_S2) + z * (DC(FP_S3) + z * (DC(FP_S4)
                 + z * (DC(FP_S5) + z * DC(FP_S6))))));
    const DV c = w1 + (((DC(1.0) - w1) - half) + z * (z * (DC(FP_C1) + z * (DC(FP_C2) + z * (DC(FP_C3)
                 + z * (DC(FP_C4) + z * (DC(FP_C5) + z * DC(FP_C6))))))));
    const IV odd = IC(0) - (quarter & IC(1)), rc = AS_I(r * c), rs = AS_I(r * s), swap = (rc ^ rs) & odd;
    *cosine = AS_D((rc ^ swap) ^ (((quarter + IC(1)) & IC(2)) << 62));
    *sine = AS_D((rs ^ swap) ^ ((quarter & IC(2)) << 62));
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
            FM_UNROLL
            for (e = 0; e < 8; e += 2)
                FM_NAME(fp_normals)(w[e], w[e + 1], &g[e], &g[e + 1]);
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
            norm = FM_NAME(fp_exp)(FM_NAME(fp_log)(w[0]) / DC((double)P)) / norm;
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

#undef FM_PASTE2
#undef FM_PASTE
#undef FM_NAME
#undef DC
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
