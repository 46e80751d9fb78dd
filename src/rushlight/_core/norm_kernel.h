/* norm_kernel.h -- normalisation of one element type.  A template: norm_kernel.c includes it once for each REAL, with
 *     REAL       float or double
 *     NAME(f)    f with a suffix for that type
 */

RL_LANES(REAL, NAME(Lanes));

static double NAME(squares)(int64_t n, const void *px, double dmean)
{
    const REAL *x = px, mean = (REAL)dmean;
    double total;
#define ONE(i) (x[i] - mean) * (x[i] - mean)
#define SIXTEEN(i) (AT(x, i) - mean) * (AT(x, i) - mean)
    FOLD(total, n, SIXTEEN, ONE);
#undef ONE
#undef SIXTEEN
    return total;
}

/* One pass: differences from the first element, which the mean mends.  Where that element lies so far out that digits would be
 * lost, a second pass takes them from the mean. */
static void NAME(moments)(int64_t n, const void *px, double *mean, double *squares)
{
    const REAL *x = px, start = n && x[0] - x[0] == 0 ? x[0] : 0;
    double total, total_squares;
#define U(i) (x[i] - start)
#define U16(i) (AT(x, i) - start)
    FOLD_TWO(total, total_squares, n, U16, U, U16, U);
#undef U
#undef U16
    const double off = total / (double)n;
    *mean = start + off;
    *squares = total_squares - off * total;
    if (off * total > 4 * *squares) *squares = NAME(squares)(n, x, *mean);
}

#define OFF(i) (x[i] - mean)
#define OFF16(i) (AT(x, i) - mean)
static void NAME(products)(int64_t n, const void *pg, const void *px, double dmean, double *sum_g, double *sum_gx)
{
    const REAL *g = pg, *x = px, mean = (REAL)dmean;
#define U(i) g[i]
#define U16(i) AT(g, i)
    FOLD_TWO(*sum_g, *sum_gx, n, U16, U, OFF16, OFF);
#undef U
#undef U16
}

static void NAME(weighted)(int64_t n, const void *pg, const void *px, const void *pw, double dmean, double *sum_g, double *sum_gx)
{
    const REAL *g = pg, *x = px, *w = pw, mean = (REAL)dmean;
#define U(i) g[i] * w[i]
#define U16(i) AT(g, i) * AT(w, i)
    FOLD_TWO(*sum_g, *sum_gx, n, U16, U, OFF16, OFF);
#undef U
#undef U16
}
#undef OFF
#undef OFF16

static void NAME(scale)(int64_t n, const void *px, double dmean, double da, double db, void *pout)
{
    const REAL *x = px, mean = (REAL)dmean, a = (REAL)da, b = (REAL)db;
    REAL *out = pout;
    RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * a + b;
}

static void NAME(combine)(int64_t n, const void *pg, const void *px, double dmean, double da, double db, double dc, void *pout)
{
    const REAL *g = pg, *x = px, mean = (REAL)dmean, a = (REAL)da, b = (REAL)db, c = (REAL)dc;
    REAL *out = pout;
    RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = a * g[i] + b * (x[i] - mean) + c;
}

static void NAME(affine)(int64_t n, const void *px, double dmean, double drstd, const void *pw, const void *pb, void *pout)
{
    const REAL *x = px, *w = pw, *b = pb, mean = (REAL)dmean, rstd = (REAL)drstd;
    REAL *out = pout;
    if (w && b) RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd * w[i] + b[i];
    else if (w) RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd * w[i];
    else if (b) RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd + b[i];
    else RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = (x[i] - mean) * rstd;
}

static void NAME(combine_weighted)(int64_t n, const void *pg, const void *px, const void *pw, double dmean, double da, double db,
                                   double dc, void *pout)
{
    const REAL *g = pg, *x = px, *w = pw, mean = (REAL)dmean, a = (REAL)da, b = (REAL)db, c = (REAL)dc;
    REAL *out = pout;
    RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = a * g[i] * w[i] + b * (x[i] - mean) + c;
}

static void NAME(add_row)(int64_t n, const void *pg, const void *px, double dmean, double drstd, void *pacc_g, void *pacc_gx)
{
    const REAL *g = pg, *x = px, mean = (REAL)dmean, rstd = (REAL)drstd;
    REAL *acc_g = pacc_g, *acc_gx = pacc_gx;
    RL_IVDEP for (int64_t i = 0; i < n; i++) {
        acc_g[i] += g[i];
        acc_gx[i] += g[i] * ((x[i] - mean) * rstd);
    }
}

/* Each element of the sums is fetched once for several rows. */
#define GRADS(ROWS, WEIGHTED)                                                      \
    RL_IVDEP for (int64_t i = 0; i < n; i++) {                                     \
        REAL sum_g = acc_g[i], sum_gx = acc_gx[i];                                 \
        for (int k = 0; k < ROWS; k++) {                                           \
            const REAL grad = g[k * n + i], off = x[k * n + i] - mean[k];          \
            sum_g += grad;                                                         \
            sum_gx += grad * (off * rstd[k]);                                      \
            out[k * n + i] = rstd[k] * WEIGHTED + b[k] * off + c[k];               \
        }                                                                          \
        acc_g[i] = sum_g;                                                          \
        acc_gx[i] = sum_gx;                                                        \
    }

static void NAME(row_grads)(int64_t n, int rows, const RLNormRow *row, const void *pg, const void *px, const void *pw, void *pout,
                            void *pacc_g, void *pacc_gx)
{
    const REAL *g = pg, *x = px, *w = pw;
    REAL *out = pout, *acc_g = pacc_g, *acc_gx = pacc_gx, mean[RL_NORM_ROWS], rstd[RL_NORM_ROWS], b[RL_NORM_ROWS], c[RL_NORM_ROWS];
    for (int k = 0; k < rows; k++) {
        mean[k] = (REAL)row[k].mean;
        rstd[k] = (REAL)row[k].rstd;
        b[k] = (REAL)row[k].b;
        c[k] = (REAL)row[k].c;
    }
    if (rows == RL_NORM_ROWS) {
        if (w) GRADS(RL_NORM_ROWS, (grad * w[i]))
        else GRADS(RL_NORM_ROWS, grad)
    } else if (w) GRADS(1, (grad * w[i]))
    else GRADS(1, grad)
}
#undef GRADS

static void NAME(flush)(int64_t n, void *pacc, double *total)
{
    REAL *acc = pacc;
    RL_IVDEP for (int64_t i = 0; i < n; i++) {
        total[i] += acc[i];
        acc[i] = 0;
    }
}

/* ---------------------------------------------------------------- columns
 *
 * Tiles of TILE rows by STRIP columns stay in the first-level cache while they are gone through twice. */

/* Per tile the mean, then the deviations from it: their sum mends its rounding.  Tiles are joined after Chan, Golub and
 * LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979). */
static void NAME(column_moments)(int64_t rows, int64_t c, const void *px, double *mean, double *squares)
{
    for (int64_t first = 0; first < c; first += STRIP) {
        const int64_t w = c - first < STRIP ? c - first : STRIP;
        double *total = mean + first, *total_squares = squares + first;
        for (int64_t i = 0; i < w; i++) total[i] = total_squares[i] = 0;
        for (int64_t begin = 0; begin < rows; begin += TILE) {
            const int64_t k = rows - begin < TILE ? rows - begin : TILE;
            const REAL *tile = (const REAL *)px + begin * c + first;
            REAL centre[STRIP] = {0}, rest[STRIP] = {0}, square[STRIP] = {0};
            for (int64_t j = 0; j < k; j++)
                RL_IVDEP for (int64_t i = 0; i < w; i++) centre[i] += tile[j * c + i];
            RL_IVDEP for (int64_t i = 0; i < w; i++) centre[i] /= (REAL)k;
            for (int64_t j = 0; j < k; j++)
                RL_IVDEP for (int64_t i = 0; i < w; i++) {
                    const REAL d = tile[j * c + i] - centre[i];
                    rest[i] += d;
                    square[i] += d * d;
                }
            const double share = (double)k / (double)(begin + k);
            RL_IVDEP for (int64_t i = 0; i < w; i++) {
                const double off = (double)rest[i] / (double)k, d = centre[i] + off - total[i];
                total[i] += d * share;
                total_squares[i] += square[i] - rest[i] * off + d * d * (double)begin * share;
            }
        }
    }
}

static void NAME(column_products)(int64_t rows, int64_t c, const void *pg, const void *px, const void *pmean, double *sum_g, double *sum_gx)
{
    for (int64_t first = 0; first < c; first += STRIP) {
        const int64_t w = c - first < STRIP ? c - first : STRIP;
        const REAL *mean = (const REAL *)pmean + first;
        for (int64_t i = first; i < first + w; i++) sum_g[i] = sum_gx[i] = 0;
        for (int64_t begin = 0; begin < rows; begin += TILE) {
            const int64_t k = rows - begin < TILE ? rows - begin : TILE;
            const REAL *g = (const REAL *)pg + begin * c + first, *x = (const REAL *)px + begin * c + first;
            REAL part_g[STRIP] = {0}, part_gx[STRIP] = {0};
            for (int64_t j = 0; j < k; j++)
                RL_IVDEP for (int64_t i = 0; i < w; i++) {
                    part_g[i] += g[j * c + i];
                    part_gx[i] += g[j * c + i] * (x[j * c + i] - mean[i]);
                }
            NAME(flush)(w, part_g, sum_g + first);
            NAME(flush)(w, part_gx, sum_gx + first);
        }
    }
}

static void NAME(scale_columns)(int64_t rows, int64_t c, const void *px, const void *pmean, const void *pa, const void *pb, void *pout)
{
    const REAL *x = px, *mean = pmean, *a = pa, *b = pb;
    REAL *out = pout;
    for (; rows > 0; rows--, x += c, out += c)
        RL_IVDEP for (int64_t i = 0; i < c; i++) out[i] = (x[i] - mean[i]) * a[i] + b[i];
}

static void NAME(combine_columns)(int64_t rows, int64_t c, const void *pg, const void *px, const void *pmean, const void *pa, const void *pb,
                                  const void *pk, void *pout)
{
    const REAL *g = pg, *x = px, *mean = pmean, *a = pa, *b = pb, *k = pk;
    REAL *out = pout;
    for (; rows > 0; rows--, g += c, x += c, out += c)
        RL_IVDEP for (int64_t i = 0; i < c; i++) out[i] = a[i] * g[i] + b[i] * (x[i] - mean[i]) + k[i];
}

static void NAME(narrow)(int64_t n, const double *from, void *to_)
{
    REAL *to = to_;
    RL_IVDEP for (int64_t i = 0; i < n; i++) to[i] = (REAL)from[i];
}

static const RLNormKernels NAME(kernels) = {
    NAME(moments), NAME(squares), NAME(products), NAME(weighted), NAME(scale), NAME(combine), NAME(affine), NAME(combine_weighted),
    NAME(add_row), NAME(row_grads), NAME(flush), NAME(column_moments), NAME(column_products), NAME(scale_columns), NAME(combine_columns), NAME(narrow),
};
