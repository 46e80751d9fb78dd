/* norm_kernel.h -- normalisation of one element type.  A template: norm_kernel.c includes it once for each REAL, with
 *     REAL       float or double
 *     NAME(f)    f with a suffix for that type
 */

/* Sixteen elements at any address; the compiler splits them into what the target has. */
typedef REAL NAME(Lanes) __attribute__((vector_size(16 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#define AT(x) (*(const NAME(Lanes) *)((x) + i))

/* For each stretch of 1024: LANES for every sixteen elements at i, ONE for each element left over, then CLOSE for each lane l. */
#define IN_LANES(LANES, ONE, CLOSE)                                  \
    for (int64_t i = 0; i < n;) {                                    \
        const int64_t to = i + 1024 < n ? i + 1024 : n;              \
        for (; i + 16 <= to; i += 16) { LANES; }                     \
        for (; i < to; i++) { ONE; }                                 \
        for (int l = 0; l < 16; l++) { CLOSE; }                      \
    }

static double NAME(sum)(int64_t n, const void *px)
{
    const REAL *x = px;
    double total = 0;
    NAME(Lanes) part = {0};
    IN_LANES(part += AT(x), total += x[i], (total += part[l], part[l] = 0))
    return total;
}

static double NAME(squares)(int64_t n, const void *px, double dmean)
{
    const REAL *x = px, mean = (REAL)dmean;
    double total = 0;
    NAME(Lanes) part = {0};
    IN_LANES(part += (AT(x) - mean) * (AT(x) - mean), total += (x[i] - mean) * (x[i] - mean), (total += part[l], part[l] = 0))
    return total;
}

static void NAME(products)(int64_t n, const void *pg, const void *px, double dmean, double *sum_g, double *sum_gx)
{
    const REAL *g = pg, *x = px, mean = (REAL)dmean;
    double total_g = 0, total_gx = 0;
    NAME(Lanes) part_g = {0}, part_gx = {0};
    IN_LANES((part_g += AT(g), part_gx += AT(g) * (AT(x) - mean)),
             (total_g += g[i], total_gx += g[i] * (x[i] - mean)),
             (total_g += part_g[l], total_gx += part_gx[l], part_g[l] = part_gx[l] = 0))
    *sum_g = total_g;
    *sum_gx = total_gx;
}

static void NAME(weighted)(int64_t n, const void *pg, const void *px, const void *pw, double dmean, double *sum_g, double *sum_gx)
{
    const REAL *g = pg, *x = px, *w = pw, mean = (REAL)dmean;
    double total_g = 0, total_gx = 0;
    NAME(Lanes) part_g = {0}, part_gx = {0};
    IN_LANES((part_g += AT(g) * AT(w), part_gx += AT(g) * AT(w) * (AT(x) - mean)),
             (total_g += g[i] * w[i], total_gx += g[i] * w[i] * (x[i] - mean)),
             (total_g += part_g[l], total_gx += part_gx[l], part_g[l] = part_gx[l] = 0))
    *sum_g = total_g;
    *sum_gx = total_gx;
}
#undef IN_LANES
#undef AT

static void NAME(scale)(int64_t n, const void *px, double dmean, double da, double db, void *pout)
{
    const REAL *x = px, mean = (REAL)dmean, a = (REAL)da, b = (REAL)db;
    REAL *out = pout;
    for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * a + b;
}

static void NAME(combine)(int64_t n, const void *pg, const void *px, double dmean, double da, double db, double dc, void *pout)
{
    const REAL *g = pg, *x = px, mean = (REAL)dmean, a = (REAL)da, b = (REAL)db, c = (REAL)dc;
    REAL *out = pout;
    for (int64_t i = 0; i < n; i++) out[i] = a * g[i] + b * (x[i] - mean) + c;
}

static void NAME(affine)(int64_t n, const void *px, double dmean, double drstd, const void *pw, const void *pb, void *pout)
{
    const REAL *x = px, *w = pw, *b = pb, mean = (REAL)dmean, rstd = (REAL)drstd;
    REAL *out = pout;
    if (w && b) for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd * w[i] + b[i];
    else if (w) for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd * w[i];
    else if (b) for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd + b[i];
    else for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd;
}

static void NAME(combine_weighted)(int64_t n, const void *pg, const void *px, const void *pw, double dmean, double da, double db,
                                   double dc, void *pout)
{
    const REAL *g = pg, *x = px, *w = pw, mean = (REAL)dmean, a = (REAL)da, b = (REAL)db, c = (REAL)dc;
    REAL *out = pout;
    for (int64_t i = 0; i < n; i++) out[i] = a * g[i] * w[i] + b * (x[i] - mean) + c;
}

static void NAME(add)(int64_t n, const void *px, double *acc)
{
    const REAL *x = px;
    for (int64_t i = 0; i < n; i++) acc[i] += x[i];
}

static void NAME(add_squares)(int64_t n, const void *px, const double *mean, double *acc)
{
    const REAL *x = px;
    for (int64_t i = 0; i < n; i++) acc[i] += (x[i] - mean[i]) * (x[i] - mean[i]);
}

static void NAME(add_products)(int64_t n, const void *pg, const void *px, const double *mean, double *acc_g, double *acc_gx)
{
    const REAL *g = pg, *x = px;
    for (int64_t i = 0; i < n; i++) {
        acc_g[i] += g[i];
        acc_gx[i] += g[i] * (x[i] - mean[i]);
    }
}

static void NAME(add_row)(int64_t n, const void *pg, const void *px, double mean, double rstd, double *acc_g, double *acc_gx)
{
    const REAL *g = pg, *x = px;
    for (int64_t i = 0; i < n; i++) {
        acc_g[i] += g[i];
        acc_gx[i] += g[i] * ((x[i] - mean) * rstd);
    }
}

static void NAME(scale_columns)(int64_t n, const void *px, const double *mean, const double *a, const double *b, void *pout)
{
    const REAL *x = px;
    REAL *out = pout;
    for (int64_t i = 0; i < n; i++) out[i] = (REAL)((x[i] - mean[i]) * a[i] + b[i]);
}

static void NAME(combine_columns)(int64_t n, const void *pg, const void *px, const double *mean, const double *a, const double *b,
                                  const double *c, void *pout)
{
    const REAL *g = pg, *x = px;
    REAL *out = pout;
    for (int64_t i = 0; i < n; i++) out[i] = (REAL)(a[i] * g[i] + b[i] * (x[i] - mean[i]) + c[i]);
}

static const RLNormKernels NAME(kernels) = {
    NAME(sum), NAME(squares), NAME(products), NAME(weighted), NAME(scale), NAME(combine), NAME(affine), NAME(combine_weighted),
    NAME(add), NAME(add_squares), NAME(add_products), NAME(add_row), NAME(scale_columns), NAME(combine_columns),
};
