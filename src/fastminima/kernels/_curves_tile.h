/* Activations on vectors, in the words of _words.h. */

#include "_vecmath_words.h"
#include "_vecmath_tile.h"

/* 1/(1 + e^-t): with e = e^-|t| no power overflows, and a quotient is taken once */
FM_TARGET FM_INLINE ROW FM_NAME(fv_sigmoid)(const ROW t)
{
    const ROW one = T_SET1(1), e = FM_NAME(fv_exp)(T_SUB(T_SET1(0), T_ABS(t)));
    return T_DIV(T_BELOW(t, T_SET1(0), e, one), T_ADD(e, one));
}

/* log(1 + e^t) = max(t, 0) + log(1 + e^-|t|) */
FM_TARGET FM_INLINE ROW FM_NAME(fv_softplus)(const ROW t)
{
    const ROW e = FM_NAME(fv_exp)(T_SUB(T_SET1(0), T_ABS(t)));
    return T_ADD(T_MAX(T_SET1(0), t), FM_NAME(fv_log)(e));
}

/* t (1 + erf(t / sqrt 2))/2: half the upper tail where t < 0, which keeps its digits far out, else what it leaves of 1 */
FM_TARGET FM_INLINE ROW FM_NAME(fv_gelu)(const ROW t)
{
    const ROW a = T_ABS(t), root = T_MUL(a, T_SET1(FV_ROOT_OF_HALF));
    const ROW tail = T_MUL(FM_NAME(fv_tail)(a, root, (REAL)0.5), T_SET1(0.5));
    return T_MUL(t, T_BELOW(t, T_SET1(0), tail, T_SUB(T_SET1(1), tail)));
}

/* t tanh(log(1 + e^t)) = t n/(n + 2), n = e^t (e^t + 2); beyond 20 the quotient is 1 to the last bit */
FM_TARGET FM_INLINE ROW FM_NAME(fv_mish)(const ROW t)
{
    const ROW e = FM_NAME(fv_exp)(T_MIN(T_SET1(20), t)), n = T_MUL(e, T_ADD(e, T_SET1(2)));
    return T_MUL(t, T_DIV(n, T_ADD(n, T_SET1(2))));
}

/* h of n vectors, in place; up to WAYS - 1 beyond them are read and written */
FM_TARGET FM_NOINLINE static void FM_NAME(fm_curve)(const fm_activation *h, VEC *FM_RESTRICT z, ptrdiff_t n)
{
    const ROW p = T_SET1(h->shape[0]), q = T_SET1(h->shape[1]), r = T_SET1(h->shape[2]);
    const ROW zero = T_SET1(0);
    ptrdiff_t i;
#define CURVE(number, value) \
    case number: \
        for (i = 0; i < n; i += WAYS) { \
            const ROW t = FM_NAME(fv_load)(z + i); \
            FM_NAME(fv_store)(z + i, value); \
        } \
        break
    switch (h->curve) {
        CURVE(FM_TANH, FM_NAME(fv_tanh)(t));
        CURVE(FM_EXP, FM_NAME(fv_exp)(t));
        CURVE(FM_ERF, FM_NAME(fv_erf)(t));
        CURVE(FM_LOG1P, FM_NAME(fv_log1p)(t));
        CURVE(FM_SIGMOID, FM_NAME(fv_sigmoid)(t));
        CURVE(FM_LOG_SIGMOID, T_SUB(zero, FM_NAME(fv_softplus)(T_SUB(zero, t))));
        /* p = beta, q = 1/beta */
        CURVE(FM_SOFTPLUS, T_MUL(FM_NAME(fv_softplus)(T_MUL(t, p)), q));
        CURVE(FM_SOFTPLUS_CUT, T_BELOW(r, T_MUL(t, p), t, T_MUL(FM_NAME(fv_softplus)(T_MUL(t, p)), q)));
        CURVE(FM_GELU, FM_NAME(fv_gelu)(t));
        CURVE(FM_SILU, T_MUL(t, FM_NAME(fv_sigmoid)(T_MUL(t, p))));
        /* p = sqrt(8/pi), q = 0.044715 */
        CURVE(FM_GELU_TANH, T_MUL(t, FM_NAME(fv_sigmoid)(T_MUL(T_MUL(t, p), T_FMA(T_MUL(t, t), q, T_SET1(1))))));
        /* p t above 0, q (e^(r t) - 1) below */
        CURVE(FM_ELU, T_BELOW(zero, t, T_MUL(t, p), T_MUL(q, FM_NAME(fv_expm1)(T_MUL(r, T_MIN(zero, t))))));
        CURVE(FM_MISH, FM_NAME(fv_mish)(t));
        CURVE(FM_GAUSSIAN, FM_NAME(fv_exp)(T_MUL(T_MUL(t, t), T_SET1(-0.5))));
        CURVE(FM_SQUARE, T_MUL(t, t));
        CURVE(FM_CUBE, T_MUL(T_MUL(t, t), t));
    }
#undef CURVE
}

/* out[i] = h(x[i]) */
FM_TARGET static void FM_NAME(fm_map)(const fm_activation *h, const REAL *x, ptrdiff_t count, REAL *out)
{
    VEC z[MAP_VECTORS + WAYS];
    ptrdiff_t i, v;
    for (i = 0; i + LANES <= count; i += v * LANES) {
        ptrdiff_t many = (count - i) / LANES;
        if (many > MAP_VECTORS)
            many = MAP_VECTORS;
        for (v = 0; v < many; v++)
            z[v] = V_LOADU(x + i + v * LANES);
        for (; v % WAYS; v++)
            z[v] = z[0];
        FM_NAME(fm_curve)(h, z, many);
        for (v = 0; v < many; v++)
            V_STOREU(out + i + v * LANES, z[v]);
    }
    if (i < count) {
        REAL rest[LANES] = {0};
        memcpy(rest, x + i, (size_t)(count - i) * sizeof *x);
        for (v = 0; v < WAYS; v++)
            z[v] = V_LOADU(rest);
        FM_NAME(fm_curve)(h, z, 1);
        V_STOREU(rest, z[0]);
        memcpy(out + i, rest, (size_t)(count - i) * sizeof *x);
    }
}
