/* Lower bounds of the least risk of networks whose hidden rows lie in cones. The design stands at the head of _cones.pyx. */
#ifndef FASTMINIMA_CONES_H
#define FASTMINIMA_CONES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define FC_WIDTH 6      /* units */
#define FC_SIZE 32      /* unknowns */
#define FC_LIMITS 64    /* inequalities */
#define FC_U 0x1p-53
#define FC_FLOOR 0x1p-30 /* the least eigenvalue that is looked for, of a matrix with diagonal 1 */
#define FC_RIDGE 0x1p-34 /* where that is not found, for the estimate alone */
#define FC_GAIN 1e-10    /* of the sum of squares: what one more inequality has to be worth; */
#define FC_LITTLE 1e-16  /* where there is a ridge, one may cost nothing without the others */
#define FC_REPORT 5      /* numbers before the units in `out` */

typedef struct {
    const double *x, *y, *w;
    Py_ssize_t n;
    int d1, width;
    double plus, minus;
} fc_table;

typedef struct {
    const double *sigma, *low, *high;
    const int32_t *forced;
    int n_forced;
} fc_box;

/* The unknowns: a constant, or a free affine function; then a row for each unit that bends. */
typedef struct {
    int affine, base, size, n_bent, n_limits;
    int unit[FC_WIDTH], free[FC_WIDTH];
    double low[FC_WIDTH][FC_SIZE], high[FC_WIDTH][FC_SIZE];
    double limit[FC_LIMITS][FC_SIZE];
} fc_form;

typedef struct {
    double H[FC_SIZE][FC_SIZE], g[FC_SIZE], yy, scale[FC_SIZE];
    double beta[FC_SIZE], lambda[FC_LIMITS];
    double estimate;
    int whole; /* no column is 0, or near underflow */
    int sound; /* the least eigenvalue of H is above FC_FLOOR, but for rounding */
} fc_sums;

/* ---- signs */

static int fc_sign(const double *x, const double *low, const double *high, int d1)
{
    double least = 0.0, most = 0.0, size = 0.0;
    for (int j = 0; j < d1; j++) {
        const double a = low[j] * x[j], b = high[j] * x[j];
        least += a < b ? a : b;
        most += a < b ? b : a;
        size += fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    }
    size *= (d1 + 4) * FC_U;
    return least >= size ? 1 : most <= -size ? -1 : 0;
}

static void fc_signs(const fc_table *t, const fc_box *box, int8_t *sign)
{
    for (int k = 0; k < t->width; k++)
        for (Py_ssize_t i = 0; i < t->n; i++)
            sign[k * t->n + i] =
                (int8_t)fc_sign(t->x + i * t->d1, box->low + k * t->d1, box->high + k * t->d1, t->d1);
    for (int f = 0; f < box->n_forced; f++)
        sign[box->forced[3 * f] * t->n + box->forced[3 * f + 1]] = (int8_t)box->forced[3 * f + 2];
}

static Py_ssize_t fc_kept(const fc_table *t, const int8_t *sign, int32_t *kept)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < t->n; i++) {
        int all = 1;
        for (int k = 0; k < t->width; k++)
            all &= sign[k * t->n + i] != 0;
        kept[count] = (int32_t)i;
        count += all;
    }
    return count;
}

/* ---- the form: which units bend, and which inequalities their rows obey */

static int fc_same(const int8_t *a, const int8_t *b, const int32_t *kept, Py_ssize_t count)
{
    for (Py_ssize_t r = 0; r < count; r++)
        if (a[kept[r]] != b[kept[r]])
            return 0;
    return 1;
}

/* Units of one pattern on the kept rows are one unit: of the hull of their boxes if their signs and faces agree. */
static void fc_merge(fc_form *f, int g, const fc_table *t, const fc_box *box, int k)
{
    const int d1 = t->d1, other = f->unit[g];
    const double *low = box->low + k * d1, *high = box->high + k * d1;
    int same = box->sigma[k] == box->sigma[other] && !f->free[g], fixed = 0;
    for (int j = 0; j < d1; j++)
        fixed |= low[j] == high[j] && f->low[g][j] == f->high[g][j] && low[j] == f->low[g][j] && fabs(low[j]) == 1.0;
    if (!(same && fixed)) {
        f->free[g] = 1;
        return;
    }
    for (int j = 0; j < d1; j++) {
        f->low[g][j] = low[j] < f->low[g][j] ? low[j] : f->low[g][j];
        f->high[g][j] = high[j] > f->high[g][j] ? high[j] : f->high[g][j];
    }
}

static void fc_form_of(const fc_table *t, const fc_box *box, const int8_t *sign, const int32_t *kept, Py_ssize_t count,
                       fc_form *f)
{
    const int d1 = t->d1;
    int merged[FC_WIDTH] = {0};
    f->affine = f->n_bent = 0;
    for (int k = 0; k < t->width; k++) {
        Py_ssize_t up = 0;
        for (Py_ssize_t r = 0; r < count; r++)
            up += sign[k * t->n + kept[r]] > 0;
        if (up == 0 || up == count) {
            f->affine |= (up ? t->plus : t->minus) != 0.0;
            continue;
        }
        int g = 0;
        while (g < f->n_bent && !fc_same(sign + k * t->n, sign + f->unit[g] * t->n, kept, count))
            g++;
        if (g < f->n_bent) {
            fc_merge(f, g, t, box, k);
            merged[g] = 1;
            continue;
        }
        f->unit[g] = k;
        f->free[g] = 0;
        memcpy(f->low[g], box->low + k * d1, d1 * sizeof(double));
        memcpy(f->high[g], box->high + k * d1, d1 * sizeof(double));
        f->n_bent++;
    }
    f->base = f->affine ? d1 : 1;
    f->size = f->base + f->n_bent * d1;
    f->n_limits = 0;
    for (int g = 0; g < f->n_bent; g++) {
        if (f->free[g])
            continue;
        int face = 0;
        const int at = f->base + g * d1;
        while (face < d1 - 1 && !(f->low[g][face] == f->high[g][face] && fabs(f->low[g][face]) == 1.0))
            face++;
        for (int j = 0; j < d1; j++) {
            if (j == face || f->n_limits + 2 > FC_LIMITS)
                continue;
            double *a = f->limit[f->n_limits++], *b = f->limit[f->n_limits++];
            memset(a, 0, sizeof(f->limit[0]));
            memset(b, 0, sizeof(f->limit[0]));
            a[at + j] = 1.0;
            a[at + face] = -f->low[g][j] * f->low[g][face];
            b[at + j] = -1.0;
            b[at + face] = f->high[g][j] * f->low[g][face];
        }
        for (int q = 0; !merged[g] && q < box->n_forced; q++) {
            const int32_t *row = box->forced + 3 * q;
            if (row[0] != f->unit[g] || f->n_limits == FC_LIMITS)
                continue;
            double *a = f->limit[f->n_limits++];
            memset(a, 0, sizeof(f->limit[0]));
            for (int j = 0; j < d1; j++)
                a[at + j] = row[2] * t->x[row[1] * d1 + j];
        }
    }
}

/* ---- sums over the kept rows */

static void fc_sums_of(const fc_table *t, const fc_box *box, const int8_t *sign, const int32_t *kept, Py_ssize_t count,
                       const fc_form *f, fc_sums *s)
{
    const int size = f->size, d1 = t->d1;
    memset(s->H, 0, sizeof(s->H));
    memset(s->g, 0, sizeof(s->g));
    s->yy = 0.0;
    for (Py_ssize_t r = 0; r < count; r++) {
        const Py_ssize_t i = kept[r];
        const double *x = t->x + i * d1, w = t->w[i], y = t->y[i];
        double row[FC_SIZE];
        if (f->affine)
            memcpy(row, x, d1 * sizeof(double));
        else
            row[0] = 1.0;
        for (int g = 0; g < f->n_bent; g++) {
            const int k = f->unit[g];
            const double slope = box->sigma[k] * (sign[k * t->n + i] > 0 ? t->plus : t->minus);
            for (int j = 0; j < d1; j++)
                row[f->base + g * d1 + j] = slope * x[j];
        }
        for (int a = 0; a < size; a++) {
            const double v = w * row[a];
            if (v == 0.0)
                continue;
            s->g[a] += v * y;
            for (int b = 0; b <= a; b++)
                s->H[a][b] += v * row[b];
        }
        s->yy += w * y * y;
    }
    s->whole = 1;
    for (int a = 0; a < size; a++) {
        s->scale[a] = sqrt(s->H[a][a]);
        if (!(s->scale[a] > 1e-100)) { /* nothing, or near underflow */
            s->whole = 0;
            s->scale[a] = 1.0;
        }
    }
    for (int a = 0; a < size; a++) {
        s->g[a] /= s->scale[a];
        for (int b = 0; b <= a; b++)
            s->H[b][a] = s->H[a][b] = s->H[a][b] / (s->scale[a] * s->scale[b]);
    }
}

/* ---- small systems */

/* Whether it comes to its end; otherwise L is of no use to a proof. */
static int fc_cholesky(const double *A, int stride, double shift, int size, double *L)
{
    int positive = 1;
    for (int a = 0; a < size; a++)
        for (int b = 0; b <= a; b++) {
            double v = A[a * stride + b] + (a == b ? shift : 0.0);
            for (int c = 0; c < b; c++)
                v -= L[a * stride + c] * L[b * stride + c];
            if (a > b)
                L[a * stride + b] = v / L[b * stride + b];
            else {
                positive &= v > 0.0;
                L[a * stride + a] = v > 0.0 ? sqrt(v) : 1e-8;
            }
        }
    return positive;
}

static void fc_forward(const double *L, int stride, int size, double *v)
{
    for (int a = 0; a < size; a++) {
        for (int c = 0; c < a; c++)
            v[a] -= L[a * stride + c] * v[c];
        v[a] /= L[a * stride + a];
    }
}

static void fc_backward(const double *L, int stride, int size, double *v)
{
    for (int a = size - 1; a >= 0; a--) {
        for (int c = a + 1; c < size; c++)
            v[a] -= L[c * stride + a] * v[c];
        v[a] /= L[a * stride + a];
    }
}

/* ---- least squares in the cone: Lawson and Hanson's method for the multipliers */

static void fc_refine(const fc_form *f, fc_sums *s, const double *L)
{
    /* H beta = g + C'lambda */
    double rest[FC_SIZE];
    const int size = f->size;
    memset(s->beta, 0, sizeof(s->beta));
    for (int turn = 0; turn < (s->sound ? 4 : 1); turn++) {
        for (int a = 0; a < size; a++) {
            rest[a] = s->g[a];
            for (int i = 0; i < f->n_limits; i++)
                if (s->lambda[i] > 0.0)
                    rest[a] += s->lambda[i] * (f->limit[i][a] / s->scale[a]);
            for (int b = 0; b < size; b++)
                rest[a] -= s->H[a][b] * s->beta[b];
        }
        fc_forward(L, FC_SIZE, size, rest);
        fc_backward(L, FC_SIZE, size, rest);
        for (int a = 0; a < size; a++)
            s->beta[a] += rest[a];
    }
}

static void fc_solve(const fc_form *f, fc_sums *s)
{
    double L[FC_SIZE][FC_SIZE], V[FC_LIMITS][FC_SIZE], z[FC_SIZE], norm[FC_LIMITS], now[FC_SIZE];
    double Q[FC_SIZE][FC_SIZE], R[FC_SIZE][FC_SIZE], next[FC_SIZE];
    int active[FC_SIZE], n_active = 0, size = f->size;
    memset(s->lambda, 0, sizeof(s->lambda));
    s->sound = s->whole && fc_cholesky(&s->H[0][0], FC_SIZE, -FC_FLOOR, size, &L[0][0]);
    fc_cholesky(&s->H[0][0], FC_SIZE, s->sound ? 0.0 : FC_RIDGE, size, &L[0][0]);
    memcpy(z, s->g, sizeof(z));
    fc_forward(&L[0][0], FC_SIZE, size, z);
    for (int i = 0; i < f->n_limits; i++) {
        norm[i] = 0.0;
        for (int a = 0; a < size; a++)
            V[i][a] = f->limit[i][a] / s->scale[a];
        fc_forward(&L[0][0], FC_SIZE, size, V[i]);
        for (int a = 0; a < size; a++)
            norm[i] += V[i][a] * V[i][a];
        norm[i] = sqrt(norm[i]);
        for (int a = 0; a < size && norm[i] > 0.0; a++)
            V[i][a] /= norm[i];
    }
    memcpy(now, z, sizeof(now));
    for (int turn = 0; turn < 3 * FC_SIZE; turn++) {
        double worst = -sqrt(2.0 * (s->sound ? FC_GAIN : FC_LITTLE) * s->yy);
        int add = -1;
        for (int i = 0; i < f->n_limits; i++) {
            double v = 0.0;
            for (int a = 0; a < size; a++)
                v += V[i][a] * now[a];
            if (norm[i] > 0.0 && s->lambda[i] == 0.0 && v < worst) {
                worst = v;
                add = i;
            }
        }
        if (add < 0 || n_active == size)
            break;
        active[n_active++] = add;
        for (;;) {
            double step = 1.0;
            for (int p = 0; p < n_active; p++) {
                next[p] = 0.0;
                for (int a = 0; a < size; a++)
                    next[p] -= V[active[p]][a] * z[a];
                for (int q = 0; q <= p; q++) {
                    Q[p][q] = 0.0;
                    for (int a = 0; a < size; a++)
                        Q[p][q] += V[active[p]][a] * V[active[q]][a];
                }
            }
            fc_cholesky(&Q[0][0], FC_SIZE, 0x1p-46, n_active, &R[0][0]);
            fc_forward(&R[0][0], FC_SIZE, n_active, next);
            fc_backward(&R[0][0], FC_SIZE, n_active, next);
            for (int p = 0; p < n_active; p++)
                if (next[p] <= 0.0) {
                    const double l = s->lambda[active[p]], ratio = l > 0.0 ? l / (l - next[p]) : 0.0;
                    step = ratio < step ? ratio : step;
                }
            int left = 0;
            for (int p = 0; p < n_active; p++) {
                double *l = &s->lambda[active[p]];
                const int stays = step == 1.0 || next[p] > 0.0 || *l > step * (*l - next[p]) * (1.0 + 1e-12);
                *l = stays ? *l + step * (next[p] - *l) : 0.0;
                if (stays && *l > 0.0)
                    active[left++] = active[p];
                else
                    *l = 0.0;
            }
            n_active = left;
            if (step == 1.0 || n_active == 0)
                break;
        }
        memcpy(now, z, sizeof(now));
        for (int p = 0; p < n_active; p++)
            for (int a = 0; a < size; a++)
                now[a] += s->lambda[active[p]] * V[active[p]][a];
    }
    for (int i = 0; i < f->n_limits; i++)
        s->lambda[i] = norm[i] > 0.0 ? s->lambda[i] / norm[i] : 0.0;
    s->estimate = s->yy;
    for (int a = 0; a < size; a++)
        s->estimate -= now[a] * now[a];
    s->estimate *= 0.5;
    fc_refine(f, s, &L[0][0]);
}

/* (e) of the .pyx: what holds for every lambda >= 0, in spite of rounding; -1 if nothing is shown */
static double fc_bound(const fc_form *f, const fc_sums *s, Py_ssize_t count)
{
    double twice = s->yy, total = sqrt(s->yy), lost = 0.0, squares = 0.0, turned = 0.0;
    const int size = f->size;
    const double data = 1.01 * (count + 16) * FC_U, sums = 1.01 * (f->n_limits + size + 16) * FC_U;
    for (int a = 0; a < size; a++)
        total += fabs(s->beta[a]);
    for (int a = 0; a < size; a++) {
        double slope = -s->g[a], push = s->g[a], large = fabs(s->g[a]);
        for (int i = 0; i < f->n_limits; i++)
            if (s->lambda[i] > 0.0) {
                const double v = s->lambda[i] * (f->limit[i][a] / s->scale[a]);
                slope -= v;
                push += v;
                large += fabs(v);
            }
        for (int b = 0; b < size; b++)
            slope += s->H[a][b] * s->beta[b];
        twice -= s->beta[a] * push;
        slope = fabs(slope) + data * total + sums * (total + large);
        squares += slope * slope;
        lost += fabs(s->beta[a]) * slope;
        turned += fabs(s->beta[a]) * large;
    }
    if (!s->sound)
        return -1.0;
    const double floor = FC_FLOOR - 2.0 * size * (count + 4.0 * size + 16.0) * FC_U;
    if (!(floor > 0.0))
        return -1.0;
    twice -= data * total * total + sums * (s->yy + turned) + lost + squares / floor;
    twice -= 0x1p-45 * (s->yy + lost + turned + squares / floor);
    return twice > 0.0 ? 0.5 * twice : 0.0;
}

/* ---- the function that was found, on all rows; where to cut */

static void fc_report(const fc_table *t, const fc_box *box, const int8_t *sign, const fc_form *f, const fc_sums *s,
                      double *out)
{
    const int d1 = t->d1, width = t->width;
    double *base = out + FC_REPORT, *rows = base + d1, *units = rows + width * d1, risk = 0.0;
    memset(base, 0, (size_t)(d1 + width * d1 + 4 * width) * sizeof(double));
    for (int a = 0; a < f->base; a++)
        base[f->affine ? a : d1 - 1] = s->beta[a] / s->scale[a];
    for (int g = 0; g < f->n_bent; g++)
        for (int j = 0; j < d1; j++) {
            const int a = f->base + g * d1 + j;
            rows[f->unit[g] * d1 + j] = s->beta[a] / s->scale[a];
        }
    double spread[FC_WIDTH][FC_SIZE] = {{0.0}}, most[FC_WIDTH] = {0.0};
    for (Py_ssize_t i = 0; i < t->n; i++) {
        const double *x = t->x + i * d1;
        double v = -t->y[i];
        for (int j = 0; j < d1; j++)
            v += base[j] * x[j];
        for (int k = 0; k < width; k++) {
            double z = 0.0;
            for (int j = 0; j < d1; j++)
                z += rows[k * d1 + j] * x[j];
            v += box->sigma[k] * (z > 0.0 ? t->plus : t->minus) * z;
        }
        const double error = t->w[i] * v * v;
        risk += 0.5 * error;
        for (int k = 0; k < width; k++)
            if (sign[k * t->n + i] == 0) {
                const double *low = box->low + k * d1, *high = box->high + k * d1;
                const double counts = error + 1e-9 * t->w[i];
                units[4 * k] += 1.0;
                units[4 * k + 1] += counts;
                for (int j = 0; j < d1; j++)
                    spread[k][j] += (high[j] - low[j]) * fabs(x[j]) * counts;
                if (counts > most[k]) {
                    most[k] = counts;
                    units[4 * k + 3] = (double)i;
                }
            }
    }
    for (int k = 0; k < width; k++) {
        int best = 0;
        for (int j = 1; j < d1; j++)
            if (spread[k][j] > spread[k][best])
                best = j;
        units[4 * k + 2] = best;
    }
    out[2] = risk;
}

static void fc_node_bound(const fc_table *t, const fc_box *box, int8_t *sign, int32_t *kept, double *out)
{
    fc_form form;
    fc_sums sums;
    fc_signs(t, box, sign);
    const Py_ssize_t count = fc_kept(t, sign, kept);
    fc_form_of(t, box, sign, kept, count, &form);
    fc_sums_of(t, box, sign, kept, count, &form, &sums);
    fc_solve(&form, &sums);
    out[0] = sums.estimate;
    out[1] = fc_bound(&form, &sums, count);
    out[3] = (double)count;
    out[4] = form.affine;
    fc_report(t, box, sign, &form, &sums, out);
}

/* Of a cone given by rows: the multipliers alone. */
static void fc_multipliers(const double *H, const double *g, double yy, int size, const double *limits, int n_limits,
                           double *out)
{
    fc_form form;
    fc_sums sums;
    memset(&sums, 0, sizeof(sums));
    form.size = size;
    form.n_limits = n_limits < FC_LIMITS ? n_limits : FC_LIMITS;
    sums.yy = yy;
    sums.whole = 1;
    for (int a = 0; a < size; a++)
        sums.scale[a] = H[a * size + a] > 0.0 ? sqrt(H[a * size + a]) : 1.0;
    for (int a = 0; a < size; a++) {
        sums.g[a] = g[a] / sums.scale[a];
        for (int b = 0; b < size; b++)
            sums.H[a][b] = H[a * size + b] / sums.scale[a] / sums.scale[b];
    }
    for (int i = 0; i < form.n_limits; i++)
        memcpy(form.limit[i], limits + i * size, (size_t)size * sizeof(double));
    fc_solve(&form, &sums);
    memcpy(out, sums.lambda, (size_t)form.n_limits * sizeof(double));
}

#endif
