/* softmax_kernel.h -- softmax over rows.  A template: softmax_kernel.c includes it once for each REAL, with
 *     REAL        float or double
 *     NAME(f)     f with a suffix for that type
 *     EXP, LOG    of that type
 *
 * Rows may be short (ten classes) or long (a vocabulary), and only long loops vectorise well.  So rows are
 * taken in blocks of about BLOCK elements, and exp, the costly part, runs over a whole block at once.
 * Sums are taken in LANES parallel sums of at most BLOCK elements each.
 */

static REAL NAME(top)(const REAL *x, int64_t n)
{
    REAL lane[LANES];
    int64_t i = 0;
    REAL m = -(REAL)INFINITY;
    if (n >= LANES) {
        for (int l = 0; l < LANES; l++) lane[l] = x[l];
        for (i = LANES; i + LANES <= n; i += LANES)
            for (int l = 0; l < LANES; l++) lane[l] = x[i + l] > lane[l] || x[i + l] != x[i + l] ? x[i + l] : lane[l];
        for (int l = 0; l < LANES; l++) m = lane[l] > m || lane[l] != lane[l] ? lane[l] : m;
    }
    for (; i < n; i++) m = x[i] > m || x[i] != x[i] ? x[i] : m;
    return m;
}

/* Adds up x, or x * y where y is given. */
static REAL NAME(sum)(const REAL *x, const REAL *y, int64_t n)
{
    REAL total = 0;
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        const int64_t end = n - begin < BLOCK ? n : begin + BLOCK;
        int64_t i = begin;
        REAL part = 0;
        if (end - begin >= LANES) {
            REAL lane[LANES] = {0};
            if (y) for (; i + LANES <= end; i += LANES) for (int l = 0; l < LANES; l++) lane[l] += x[i + l] * y[i + l];
            else for (; i + LANES <= end; i += LANES) for (int l = 0; l < LANES; l++) lane[l] += x[i + l];
            for (int w = LANES / 2; w; w /= 2) for (int l = 0; l < w; l++) lane[l] += lane[l + w];
            part = lane[0];
        }
        if (y) for (; i < end; i++) part += x[i] * y[i];
        else for (; i < end; i++) part += x[i];
        total += part;
    }
    return total;
}

static int64_t NAME(rows_at_once)(int64_t n) { return n >= BLOCK ? 1 : n ? BLOCK / n : BLOCK; }

static void NAME(exp_all)(const REAL *x, REAL *out, int64_t n)
{
    RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = EXP(x[i]);
}

/* The maxima of m rows of n.  Short rows are walked column by column, which keeps the loops long. */
static void NAME(tops)(const REAL *x, REAL *tops, int64_t m, int64_t n)
{
    if (n >= LANES || n == 0) {
        for (int64_t j = 0; j < m; j++) tops[j] = NAME(top)(x + j * n, n);
        return;
    }
    for (int64_t j = 0; j < m; j++) tops[j] = x[j * n];
    for (int64_t i = 1; i < n; i++)
        RL_IVDEP for (int64_t j = 0; j < m; j++) {
            const REAL v = x[j * n + i];
            tops[j] = v > tops[j] || v != v ? v : tops[j];
        }
}

static void NAME(sums)(const REAL *x, REAL *sums, int64_t m, int64_t n)
{
    if (n >= LANES || n == 0) {
        for (int64_t j = 0; j < m; j++) sums[j] = NAME(sum)(x + j * n, NULL, n);
        return;
    }
    for (int64_t j = 0; j < m; j++) sums[j] = x[j * n];
    for (int64_t i = 1; i < n; i++)
        RL_IVDEP for (int64_t j = 0; j < m; j++) sums[j] += x[j * n + i];
}

/* EXPR for every element k of row j, again by columns where rows are short */
#define EACH_ROW(m, n, EXPR)                                                                     \
    if ((n) >= LANES) {                                                                          \
        for (int64_t j = 0; j < (m); j++)                                                        \
            for (int64_t k = j * (n); k < (j + 1) * (n); k++) EXPR;                              \
    } else {                                                                                     \
        for (int64_t i = 0; i < (n); i++)                                                        \
            for (int64_t j = 0, k = i; j < (m); j++, k += (n)) EXPR;                             \
    }

static void NAME(softmax)(const void *x_, void *out_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *out = out_, of_row[BLOCK];
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n, out += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        NAME(tops)(x, of_row, m, n);
        EACH_ROW(m, n, out[k] = x[k] - of_row[j])
        NAME(exp_all)(out, out, m * n);
        NAME(sums)(out, of_row, m, n);
        EACH_ROW(m, n, out[k] /= of_row[j])
    }
}

static void NAME(norms)(const void *x_, void *norms_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *tops = norms_, *logs = tops + rows, buffer[BLOCK];
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        NAME(tops)(x, tops + r, m, n);
        if (n > BLOCK) {
            REAL sum = 0;
            for (int64_t i = 0; i < n; i += BLOCK) {
                const int64_t w = n - i < BLOCK ? n - i : BLOCK;
                RL_IVDEP for (int64_t k = 0; k < w; k++) buffer[k] = EXP(x[i + k] - tops[r]);
                sum += NAME(sum)(buffer, NULL, w);
            }
            logs[r] = sum;
            continue;
        }
        EACH_ROW(m, n, buffer[k] = x[k] - tops[r + j])
        NAME(exp_all)(buffer, buffer, m * n);
        NAME(sums)(buffer, logs + r, m, n);
    }
    RL_IVDEP for (int64_t r = 0; r < rows; r++) logs[r] = LOG(logs[r]);
}

static void NAME(log_softmax)(const void *x_, void *out_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *out = out_, norms[2 * BLOCK];
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n, out += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        const REAL *tops = norms, *logs = norms + m;
        NAME(norms)(x, norms, m, n);
        EACH_ROW(m, n, out[k] = x[k] - tops[j] - logs[j])
    }
}

static void NAME(softmax_backward)(const void *grad_, const void *y_, void *out_, int64_t rows, int64_t n)
{
    const REAL *grad = grad_, *y = y_;
    REAL *out = out_;
    for (int64_t r = 0; r < rows; r++, grad += n, y += n, out += n) {
        const REAL sum = NAME(sum)(grad, y, n);
        for (int64_t i = 0; i < n; i++) out[i] = (grad[i] - sum) * y[i];
    }
}

static void NAME(log_softmax_backward)(const void *grad_, const void *y_, void *out_, int64_t rows, int64_t n)
{
    const REAL *grad = grad_, *y = y_;
    REAL *out = out_;
    for (int64_t r = 0; r < rows; r++, grad += n, y += n, out += n) {
        const REAL sum = NAME(sum)(grad, NULL, n);
        RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = grad[i] - EXP(y[i]) * sum;
    }
}

static void NAME(scaled)(const void *x_, const void *norms_, const void *scale_, void *out_, int64_t rows, int64_t n)
{
    const REAL *x = x_, *tops = norms_, *logs = tops + rows, *scale = scale_;
    REAL *out = out_;
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n, out += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        EACH_ROW(m, n, out[k] = x[k] - tops[r + j] - logs[r + j])
        NAME(exp_all)(out, out, m * n);
        EACH_ROW(m, n, out[k] = 0 - out[k] * scale[r + j])
    }
}
#undef EACH_ROW
