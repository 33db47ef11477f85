/* The body of the random perturbations, included once per vector type by _perturb.h.
 *
 * The includer defines FM_SUFFIX, FM_TARGET, LANES (perturbations side by side), vectors DV of LANES doubles, IV of LANES
 * unsigned 64-bit integers, FV and WV of floats and of unsigned 32-bit integers (the operators + - * / and & | ^ << >>
 * act lane by lane), FP_PAIRS (pairs of normals made side by side), and the words I_MUL (product of the low halves of
 * 64 bits), I_HIGH (their upper halves, moved down), I_SET1 D_SET1 F_SET1 W_SET1, AS_I AS_D AS_F AS_W (the same bits),
 * F_OF (float of a signed integer), F_MIN, F_SQRT, FP_WORDS(w, v): the low halves of the words w[0 .. 7] of two blocks
 * to v, W_DOWN(w, n): shift of a signed number, W_TURN(w, n): rotation to the left, FP_ROWS(g, out, step, sums): the
 * normals in FV to rows. This file undefines them all at its end.
 *
 * No step crosses perturbations, so that every variant does the same operations in the same order. No fused
 * multiply-add and no library function: the bits are the same everywhere.
 */

#define FM_NAME(stem) FM_PASTE(stem, FM_SUFFIX)
#define DC(c) D_SET1(c)
#define IC(c) I_SET1((uint64_t)(c))
#define FC(c) F_SET1(c)
#define WC(c) W_SET1((uint32_t)(c))
#define FP_EACH FM_UNROLL for (e = 0; e < n; e++)
#define FP_EACH4 for (e = 0; e < 4; e++)
#define FP_EACH8 for (e = 0; e < 8; e++)

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
        a0 = I_HIGH(q) ^ a1 ^ k0;
        b0 = I_HIGH(s) ^ b1 ^ k0;
        a2 = I_HIGH(p) ^ a3 ^ k1;
        b2 = I_HIGH(r) ^ b3 ^ k1;
        a1 = q, a3 = p, b1 = s, b3 = r;
    }
    w[0] = a0, w[1] = a1, w[2] = a2, w[3] = a3;
    w[4] = b0, w[5] = b1, w[6] = b2, w[7] = b3;
}

/* ln((w + 1/2) 2^-32) for the low halves of w: fdlibm's __ieee754_log, error below one ulp. */
FM_TARGET FM_INLINE DV FM_NAME(fp_log)(IV w)
{
    /* 2^51 + w + 1/2 by its bits, hence w + 1/2 exactly */
    const IV bits = AS_I(AS_D(((w << 1) & IC(0x1FFFFFFFE)) | IC(0x4320000000000001)) - DC(0x1p51));
    const IV h = bits + IC(0x3FF0000000000000 - 0x3FE6A09E00000000);
    const DV f = AS_D((h & IC(0x000FFFFFFFFFFFFF)) + IC(0x3FE6A09E00000000)) - DC(1.0);
    const DV s = f / (DC(2.0) + f);
    const DV k = AS_D((h >> 52) | IC(0x4330000000000000)) - DC(0x1p52 + 1023 + 32);
    const DV half = DC(0.5) * f * f, z = s * s, y = z * z;
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

/* One word of each stream with state a, b, c, n: sfc32, the small fast counting generator of PractRand (Doty-Humphrey). */
FM_TARGET FM_INLINE WV FM_NAME(fp_stream)(WV *s)
{
    const WV b = s[1], c = s[2], word = s[0] + b + s[3];
    s[0] = b ^ (b >> 9);
    s[1] = c + (c << 3);
    s[2] = W_TURN(c, 21) + word;
    s[3] = s[3] + WC(1);
    return word;
}

/* Box-Muller: g[2e], g[2e + 1] = sqrt(-2 ln u) times the cosine and the sine of an angle, u = (v[2e] / 2 + 1/2) 2^-31
 * rounded to float32 and the angle pi v[2e + 1] 2^-32 with v[2e + 1] read as a signed number: half a turn. The other
 * half is the sign of the cosine, which the last bit of v[2e] gives. Each line is done for all e before the next: one
 * chain of operations alone would wait for its own results. */
FM_TARGET FM_INLINE void FM_NAME(fp_normals)(const WV *FM_RESTRICT v, FV *FM_RESTRICT g)
{
    const int n = FP_PAIRS;
    FV x[FP_PAIRS], f[FP_PAIRS], s[FP_PAIRS], k[FP_PAIRS], z[FP_PAIRS], r[FP_PAIRS], a[FP_PAIRS], c[FP_PAIRS];
    WV h[FP_PAIRS];
    int e;
    /* never 1, whose logarithm 0 would make a point of nothing */
    FP_EACH x[e] = F_MIN(F_OF(v[2 * e] >> 1) + FC(0.5f), FC(0x1.fffffep30f));
    /* u = 2^k (1 + f) with 1 + f between the roots of 1/2 and 2, and -2 ln u = f p(f) - 2 k ln 2 */
    FP_EACH h[e] = AS_W(x[e]) + WC((127u << 23) - FP_ROOT - (158u << 23));
    FP_EACH k[e] = F_OF(W_DOWN(h[e], 23));
    FP_EACH f[e] = AS_F((h[e] & WC(0x007FFFFF)) + WC(FP_ROOT)) - FC(1.0f);
    FP_EACH z[e] = f[e] * f[e];
    FP_EACH s[e] = FC(FP_L4F) + z[e] * FC(FP_L6F);
    FP_EACH c[e] = FC(FP_L5F) + z[e] * FC(FP_L7F);
    FP_EACH s[e] = FC(FP_L2F) + z[e] * s[e];
    FP_EACH c[e] = FC(FP_L3F) + z[e] * c[e];
    FP_EACH s[e] = FC(FP_L0F) + z[e] * s[e];
    FP_EACH c[e] = FC(FP_L1F) + z[e] * c[e];
    FP_EACH r[e] = f[e] * (s[e] + f[e] * c[e]);
    FP_EACH r[e] = F_SQRT(k[e] * FC(FP_LNF) + r[e]);
    FP_EACH a[e] = F_OF(v[2 * e + 1]) * FC(FP_ANGLE);
    FP_EACH z[e] = a[e] * a[e];
    FP_EACH s[e] = FC(FP_S3) + z[e] * FC(FP_S4);
    FP_EACH c[e] = FC(FP_C3) + z[e] * FC(FP_C4);
    FP_EACH s[e] = FC(FP_S2) + z[e] * s[e];
    FP_EACH c[e] = FC(FP_C2) + z[e] * c[e];
    FP_EACH s[e] = FC(FP_S1) + z[e] * s[e];
    FP_EACH c[e] = FC(FP_C1) + z[e] * c[e];
    FP_EACH s[e] = FC(1.0f) + z[e] * s[e];
    FP_EACH c[e] = FC(FP_C0) + z[e] * c[e];
    FP_EACH g[2 * e] = AS_F(AS_W(r[e] * c[e]) ^ (v[2 * e] << 31));
    FP_EACH g[2 * e + 1] = (r[e] * a[e]) * s[e];
}

FM_TARGET static void FM_NAME(fp_draw)(uint64_t seed, uint64_t first, int distribution, double radius, ptrdiff_t K,
                                       ptrdiff_t P, double *out)
{
    IV keys[20];
    double room[2 * 8 * LANES + 8], *sums = (double *)fm_align(room), *rest = sums + 8 * LANES;
    uint64_t lanes[LANES];
    ptrdiff_t i, j, live;
    int e, lane;
    for (i = 0; i < 10; i++) {
        keys[2 * i] = IC((uint32_t)seed + (uint32_t)i * (uint32_t)FP_W0);
        keys[2 * i + 1] = IC((uint32_t)(seed >> 32) + (uint32_t)i * (uint32_t)FP_W1);
    }
    for (i = 0; i < K; i += LANES, first += LANES, out += LANES * P) {
        FV g[2 * FP_PAIRS];
        WV v[2 * FP_PAIRS], state[2 * FP_PAIRS];
        IV k, w[8];
        double power[LANES];
        live = K - i < LANES ? K - i : LANES;
        for (lane = 0; lane < LANES; lane++)
            lanes[lane] = first + (uint64_t)lane;
        memcpy(&k, lanes, sizeof k);
        for (e = 0; e < 8 * LANES; e++)
            sums[e] = 0.0;
        FM_NAME(fp_philox)(keys, k, k >> 32, IC(0), IC(1), IC(0), w);
        FP_WORDS(w, state);
        for (j = 0; j < P; j += 8) {
            for (e = 0; e < 4; e++)
                for (lane = 0; lane < FP_PAIRS / 2; lane++)
                    v[4 * lane + e] = FM_NAME(fp_stream)(state + 4 * lane);
            FM_NAME(fp_normals)(v, g);
            if (P - j >= 8 && live == LANES) {
                FP_ROWS(g, out + j, P, sums);
                continue;
            }
            {
                double none[8 * LANES + 8] = {0};
                FP_ROWS(g, rest, 8, (double *)fm_align(none));
            }
            for (lane = 0; lane < live; lane++)
                for (e = 0; e < 8 && e < P - j; e++) {
                    const double entry = rest[8 * lane + e];
                    out[lane * P + j + e] = entry;
                    sums[8 * lane + e] = sums[8 * lane + e] + entry * entry;
                }
        }
        if (distribution == FM_NORMAL && radius == 1.0)
            continue;
        if (distribution == FM_BALL) {
            FM_NAME(fp_philox)(keys, k, k >> 32, IC(0), IC(0), IC(1), w);
            const DV ball = FM_NAME(fp_exp)(FM_NAME(fp_log)(w[0]) / DC((double)P));
            memcpy(power, &ball, sizeof power);
        }
        for (lane = 0; lane < live; lane++) {
            const double *p = sums + 8 * lane;
            const double norm = sqrt(((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7])));
            const double scale =
                distribution == FM_NORMAL ? 1.0 : (distribution == FM_BALL ? power[lane] : 1.0) / norm;
            double *FM_RESTRICT row = out + lane * P;
            for (j = 0; j < P; j++)
                row[j] = row[j] * scale * radius;
        }
    }
}

#undef FM_NAME
#undef DC
#undef IC
#undef FC
#undef WC
#undef FP_EACH
#undef FP_EACH4
#undef FP_EACH8
#undef FP_PAIRS
#undef FP_WORDS
#undef FP_ROWS
#undef FM_SUFFIX
#undef FM_TARGET
#undef LANES
#undef DV
#undef IV
#undef FV
#undef WV
#undef I_MUL
#undef I_HIGH
#undef I_SET1
#undef D_SET1
#undef AS_I
#undef AS_D
#undef W_SET1
#undef F_SET1
#undef AS_W
#undef AS_F
#undef F_OF
#undef W_DOWN
#undef W_TURN
#undef F_MIN
#undef F_SQRT
