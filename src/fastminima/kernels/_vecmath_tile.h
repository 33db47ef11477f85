/* The functions of _vecmath.h, in the words of _vecmath_words.h; the letters are that file's. */

/* sum c[i] x^i for i < n, even and odd powers apart: two short chains instead of a long one */
FM_TARGET FM_INLINE ROW FM_NAME(fv_sum)(const ROW x, const REAL *c, const int n)
{
    const ROW square = T_MUL(x, x);
    ROW even = T_SET1(c[(n - 1) & ~1]), odd = T_SET1(c[(n - 2) | 1]);
    int i;
    FV_UNROLL
    for (i = n - 3; i >= 0; i--) {
        if (i & 1)
            odd = T_FMA(odd, square, T_SET1(c[i]));
        else
            even = T_FMA(even, square, T_SET1(c[i]));
    }
    return T_FMA(odd, x, even);
}

/* (a) t = k + ROUND and r = y - k log 2 - low */
FM_TARGET FM_INLINE ROW FM_NAME(fv_reduce)(const ROW y, const ROW low, ROW *t)
{
    ROW k;
    *t = T_FMA(y, T_SET1(FV_PER_LOG2), T_SET1(ROUND));
    k = T_SUB(*t, T_SET1(ROUND));
    return T_SUB(T_FMA(k, T_SET1(-FV_LOG2), y), T_FMA(k, T_SET1(FV_LOG2_LOW), low));
}

/* (b) e^r - 1 */
FM_TARGET FM_INLINE ROW FM_NAME(fv_less_one)(const ROW r)
{
    return T_FMA(T_MUL(r, r), FM_NAME(fv_sum)(r, FV_EXP, FV_COUNT(FV_EXP)), r);
}

/* (c) e^(y - low) for |low| <= 2^-11 |y| */
FM_TARGET FM_INLINE ROW FM_NAME(fv_exp_of)(const ROW y, const ROW low)
{
    ROW t;
    const ROW within = T_MAX(T_SET1(FV_LEAST), T_MIN(T_SET1(FV_MOST), y));
    const ROW r = FM_NAME(fv_reduce)(within, low, &t);
    return T_TIMES2(T_ADD(FM_NAME(fv_less_one)(r), T_SET1(1)), t);
}

FM_TARGET FM_INLINE ROW FM_NAME(fv_exp)(const ROW y)
{
    return FM_NAME(fv_exp_of)(y, T_SET1(0));
}

/* (d) e^y - 1 for y <= 0 */
FM_TARGET FM_INLINE ROW FM_NAME(fv_expm1)(const ROW y)
{
    ROW t, scale;
    const ROW r = FM_NAME(fv_reduce)(T_MAX(T_SET1(FV_NEGLIGIBLE), y), T_SET1(0), &t);
    scale = T_POW2(t);
    return T_FMA(scale, FM_NAME(fv_less_one)(r), T_SUB(scale, T_SET1(1)));
}

/* (e) */
FM_TARGET FM_INLINE ROW FM_NAME(fv_tanh)(const ROW x)
{
    const ROW m = FM_NAME(fv_expm1)(T_MUL(T_ABS(x), T_SET1(-2)));
    return T_SIGNED(T_DIV(m, T_SUB(T_SET1(-2), m)), x);
}

/* (f) log(1 + x) for -1 < x < inf; at 0 without its sign */
FM_TARGET FM_INLINE ROW FM_NAME(fv_log)(const ROW x)
{
    const ROW one = T_SET1(1), whole = T_ADD(x, one), part = T_SUB(whole, one);
    const ROW lost = T_ADD(T_SUB(one, T_SUB(whole, part)), T_SUB(x, part));
    const ROW k = T_EXPONENT(whole);
    const ROW rest = T_BELOW(x, T_SET1(FV_LARGE), T_MUL(lost, T_SHRINK(whole)), T_SET1(0));
    const ROW f = T_ADD(T_SUB(T_FRACTION(whole), one), rest), s = T_DIV(f, T_ADD(f, T_SET1(2))), z = T_MUL(s, s);
    const ROW more = T_MUL(z, FM_NAME(fv_sum)(z, FV_LOG, FV_COUNT(FV_LOG)));
    const ROW low = T_SUB(T_MUL(k, T_SET1(FV_LOG2_LOW)), T_MUL(s, T_SUB(f, more)));
    return T_FMA(k, T_SET1(FV_LOG2), T_ADD(f, low));
}

FM_TARGET FM_INLINE ROW FM_NAME(fv_log1p)(const ROW x)
{
    const ROW minus_one = T_SET1(-1), infinite = T_SET1(INFINITY);
    ROW y = T_SIGNED(FM_NAME(fv_log)(x), x);
    y = T_BELOW(T_SET1(FV_GREATEST), x, x, y);
    /* -inf at -1, NaN where x is, NaN below -1 */
    y = T_BELOW(minus_one, x, y, T_DIV(minus_one, T_ABS(T_ADD(x, T_SET1(1)))));
    return T_BELOW(x, minus_one, T_SUB(infinite, infinite), y);
}

/* (g) e^(-scale x^2) erfcx(a) for a = x sqrt(scale) >= 0, where scale is 1 or 1/2 */
FM_TARGET FM_INLINE ROW FM_NAME(fv_tail)(const ROW x, const ROW a, const REAL scale)
{
    const ROW w = T_DIV(T_SET1(3), T_ADD(T_MIN(T_SET1(FV_ERFC_END), a), T_SET1(3)));
    const ROW s = T_FMA(w, T_SET1(FV_SPREAD), T_SET1(1 - FV_SPREAD));
    const ROW q = T_MUL(w, FM_NAME(fv_sum)(s, FV_ERFCX, FV_COUNT(FV_ERFCX)));
    const ROW within = T_MIN(T_SET1(FV_SQUARE_END), x), high = T_HIGH(within);
    const ROW low = T_MUL(T_MUL(T_SUB(within, high), T_ADD(within, high)), T_SET1(scale));
    return T_MUL(q, FM_NAME(fv_exp_of)(T_MUL(T_MUL(high, high), T_SET1(-scale)), low));
}

/* (h) */
FM_TARGET FM_INLINE ROW FM_NAME(fv_erf)(const ROW x)
{
    const ROW a = T_ABS(x), one = T_SET1(1);
    const ROW near = T_FMA(a, FM_NAME(fv_sum)(T_MUL(a, a), FV_ERF, FV_COUNT(FV_ERF)), a);
    return T_SIGNED(T_BELOW(a, one, near, T_SUB(one, FM_NAME(fv_tail)(a, a, 1))), x);
}
