/* One instruction set's worth of the digits of products; in the words of _words.h. Lanes beyond `count` are zeros. */

FM_TARGET static void FM_NAME(fk_digits)(const double *columns, ptrdiff_t ld, ptrdiff_t count, const int32_t *a,
                                         const int32_t *b, const int32_t *places, ptrdiff_t pairs, double unit,
                                         double *out)
{
    const VEC magic = V_SET1(FK_MAGIC), step = V_SET1(unit);
    for (ptrdiff_t p = 0; p < pairs; p++) {
        const double *left = columns + a[p] * ld, *right = columns + b[p] * ld;
        for (ptrdiff_t i = 0; i < FK_BLOCK; i += LANES) {
            VEC high, low;
            if (i + LANES <= count) {
                const VEC x = V_LOADU(left + i), y = V_LOADU(right + i);
                high = V_MUL(x, y);
                low = V_ERROR(x, y, high);
            } else {
                double xs[LANES], ys[LANES];
                for (ptrdiff_t l = 0; l < LANES; l++) {
                    xs[l] = i + l < count ? left[i + l] : 0.0;
                    ys[l] = i + l < count ? right[i + l] : 0.0;
                }
                const VEC x = V_LOADU(xs), y = V_LOADU(ys);
                high = V_MUL(x, y);
                low = V_ERROR(x, y, high);
            }
            double *to = out + i;
            for (int32_t place = 0; place < places[p]; place++) {
                high = V_MUL(high, step);
                low = V_MUL(low, step);
                const VEC one = V_SUB(V_ADD(high, magic), magic), two = V_SUB(V_ADD(low, magic), magic);
                V_STOREU(to + place * FK_BLOCK, V_ADD(one, two));
                high = V_SUB(high, one);
                low = V_SUB(low, two);
            }
        }
        out += places[p] * FK_BLOCK;
    }
}
