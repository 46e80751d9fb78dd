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

static void NAME(softmax)(const void *x_, void *out_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *out = out_;
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n, out += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        for (int64_t j = 0; j < m; j++) {
            const REAL top = NAME(top)(x + j * n, n);
            for (int64_t i = j * n; i < (j + 1) * n; i++) out[i] = x[i] - top;
        }
        NAME(exp_all)(out, out, m * n);
        for (int64_t j = 0; j < m; j++) {
            const REAL sum = NAME(sum)(out + j * n, NULL, n);
            for (int64_t i = j * n; i < (j + 1) * n; i++) out[i] /= sum;
        }
    }
}

static void NAME(norms)(const void *x_, void *norms_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *norms = norms_, buffer[BLOCK];
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n, norms += 2 * block) {
        const int64_t m = rows - r < block ? rows - r : block;
        if (n > BLOCK) {
            const REAL top = NAME(top)(x, n);
            REAL sum = 0;
            for (int64_t i = 0; i < n; i += BLOCK) {
                const int64_t w = n - i < BLOCK ? n - i : BLOCK;
                RL_IVDEP for (int64_t k = 0; k < w; k++) buffer[k] = EXP(x[i + k] - top);
                sum += NAME(sum)(buffer, NULL, w);
            }
            norms[0] = top;
            norms[1] = LOG(sum);
            continue;
        }
        for (int64_t j = 0; j < m; j++) {
            const REAL top = norms[2 * j] = NAME(top)(x + j * n, n);
            for (int64_t i = j * n; i < (j + 1) * n; i++) buffer[i] = x[i] - top;
        }
        NAME(exp_all)(buffer, buffer, m * n);
        for (int64_t j = 0; j < m; j++) norms[2 * j + 1] = LOG(NAME(sum)(buffer + j * n, NULL, n));
    }
}

static void NAME(log_softmax)(const void *x_, void *out_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *out = out_, norms[2 * NORM_ROWS];
    for (int64_t r = 0; r < rows; r += NORM_ROWS) {
        const int64_t m = rows - r < NORM_ROWS ? rows - r : NORM_ROWS;
        NAME(norms)(x + r * n, norms, m, n);
        for (int64_t j = 0; j < m; j++) {
            const REAL top = norms[2 * j], log_sum = norms[2 * j + 1];
            const int64_t at = (r + j) * n;
            for (int64_t i = at; i < at + n; i++) out[i] = x[i] - top - log_sum;
        }
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
    const REAL *x = x_, *norms = norms_, *scale = scale_;
    REAL *out = out_;
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n, out += block * n, norms += 2 * block, scale += block) {
        const int64_t m = rows - r < block ? rows - r : block;
        for (int64_t j = 0; j < m; j++) {
            const REAL top = norms[2 * j], log_sum = norms[2 * j + 1];
            for (int64_t i = j * n; i < (j + 1) * n; i++) out[i] = x[i] - top - log_sum;
        }
        NAME(exp_all)(out, out, m * n);
        for (int64_t j = 0; j < m; j++) for (int64_t i = j * n; i < (j + 1) * n; i++) out[i] = 0 - out[i] * scale[j];
    }
}
