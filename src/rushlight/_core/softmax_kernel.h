/* softmax_kernel.h -- softmax over rows and over columns.  A template: softmax_kernel.c includes it once for each REAL, with
 *     REAL, BITS  float or double, and the integer of its size
 *     NAME(f)     f with a suffix for that type
 *     EXP, LOG    of that type
 *
 * Rows may be short (ten classes) or long (a vocabulary), and only long loops vectorise well.  So rows are
 * taken in blocks of about BLOCK elements, and exp, the costly part, runs over a whole block at once.
 *
 * The maximum passes over NaN: its exp makes the sum NaN, and that the whole row.
 */

RL_LANES(REAL, NAME(Lanes));
typedef REAL NAME(Some) __attribute__((vector_size(COMPARED), aligned(sizeof(REAL)), may_alias));
typedef BITS NAME(Masks) __attribute__((vector_size(COMPARED), aligned(sizeof(REAL)), may_alias));

/* m = x > m ? x : m, in each lane */
#define RAISE(m, x)                                                                         \
    do {                                                                                    \
        const NAME(Some) x_ = (x);                                                          \
        const NAME(Masks) more_ = x_ > (m);                                                 \
        (m) = (NAME(Some))((more_ & (NAME(Masks))x_) | (~more_ & (NAME(Masks))(m)));        \
    } while (0)

static REAL NAME(top)(const REAL *x, int64_t n)
{
    enum { W = COMPARED / sizeof(REAL) };
    REAL m = -(REAL)INFINITY;
    int64_t i = 0;
    if (n >= W) {
#define SOME(i) (*(const NAME(Some) *)(x + (i)))
        NAME(Some) p, q, r, s;
        p = q = r = s = m - (NAME(Some)){0};
        for (; i + 4 * W <= n; i += 4 * W) {
            RAISE(p, SOME(i)); RAISE(q, SOME(i + W)); RAISE(r, SOME(i + 2 * W)); RAISE(s, SOME(i + 3 * W));
        }
        for (; i + W <= n; i += W) RAISE(p, SOME(i));
        RAISE(p, q); RAISE(r, s); RAISE(p, r);
        for (int l = 0; l < W; l++) m = p[l] > m ? p[l] : m;
#undef SOME
    }
    for (; i < n; i++) m = x[i] > m ? x[i] : m;
    return m;
}
#undef RAISE

static REAL NAME(sum)(const REAL *x, int64_t n)
{
    double total;
#define ONE(i) x[i]
#define SIXTEEN(i) AT(x, i)
    FOLD(total, n, SIXTEEN, ONE);
#undef ONE
#undef SIXTEEN
    return (REAL)total;
}

static REAL NAME(dot)(const REAL *x, const REAL *y, int64_t n)
{
    double total;
#define ONE(i) x[i] * y[i]
#define SIXTEEN(i) AT(x, i) * AT(y, i)
    FOLD(total, n, SIXTEEN, ONE);
#undef ONE
#undef SIXTEEN
    return (REAL)total;
}

static int64_t NAME(rows_at_once)(int64_t n) { return n >= BLOCK ? 1 : n ? BLOCK / n : BLOCK; }

/* The maxima of m rows of n.  Short rows are walked column by column, which keeps the loops long. */
static void NAME(tops)(const REAL *x, REAL *tops, int64_t m, int64_t n)
{
    if (n >= SHORT || n == 0) {
        for (int64_t j = 0; j < m; j++) tops[j] = NAME(top)(x + j * n, n);
        return;
    }
    for (int64_t j = 0; j < m; j++) tops[j] = x[j * n];
    for (int64_t i = 1; i < n; i++)
        RL_IVDEP for (int64_t j = 0; j < m; j++) tops[j] = x[j * n + i] > tops[j] ? x[j * n + i] : tops[j];
}

static void NAME(sums)(const REAL *x, REAL *sums, int64_t m, int64_t n)
{
    if (n >= SHORT || n == 0) {
        for (int64_t j = 0; j < m; j++) sums[j] = NAME(sum)(x + j * n, n);
        return;
    }
    for (int64_t j = 0; j < m; j++) sums[j] = x[j * n];
    for (int64_t i = 1; i < n; i++)
        RL_IVDEP for (int64_t j = 0; j < m; j++) sums[j] += x[j * n + i];
}

/* EXPR for every element k of row j, again by columns where rows are short */
#define EACH_ROW(m, n, EXPR)                                                                     \
    if ((n) >= SHORT) {                                                                          \
        for (int64_t j = 0; j < (m); j++)                                                        \
            RL_IVDEP for (int64_t k = j * (n); k < (j + 1) * (n); k++) EXPR;                     \
    } else {                                                                                     \
        for (int64_t i = 0; i < (n); i++)                                                        \
            for (int64_t j = 0, k = i; j < (m); j++, k += (n)) EXPR;                             \
    }

/* out = exp(x - top of the row).  A row's last few elements would keep the wide lanes idle: below LONG, exp runs over all
 * rows as one. */
static void NAME(exp_off)(const REAL *x, const REAL *tops, REAL *out, int64_t m, int64_t n)
{
    if (n >= LONG) {
        for (int64_t j = 0; j < m; j++) {
            const REAL top = tops[j];
            RL_IVDEP for (int64_t k = j * n; k < (j + 1) * n; k++) out[k] = EXP(x[k] - top);
        }
        return;
    }
    EACH_ROW(m, n, out[k] = x[k] - tops[j])
    RL_IVDEP for (int64_t k = 0; k < m * n; k++) out[k] = EXP(out[k]);
}

static void NAME(softmax)(const void *x_, const void *y_, void *out_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *out = out_, of_row[BLOCK];
    const int64_t block = NAME(rows_at_once)(n);
    (void)y_;
    for (int64_t r = 0; r < rows; r += block, x += block * n, out += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        NAME(tops)(x, of_row, m, n);
        NAME(exp_off)(x, of_row, out, m, n);
        NAME(sums)(out, of_row, m, n);
        for (int64_t j = 0; j < m; j++) of_row[j] = 1 / of_row[j];
        EACH_ROW(m, n, out[k] *= of_row[j])
    }
}

static void NAME(norms)(const void *x_, void *tops_, void *logs_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *tops = tops_, *logs = logs_, buffer[BLOCK];
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        NAME(tops)(x, tops + r, m, n);
        if (n > BLOCK) {
            double sum = 0;
            for (int64_t i = 0; i < n; i += BLOCK) {
                const int64_t w = n - i < BLOCK ? n - i : BLOCK;
                NAME(exp_off)(x + i, tops + r, buffer, 1, w);
                sum += NAME(sum)(buffer, w);
            }
            logs[r] = (REAL)sum;
            continue;
        }
        NAME(exp_off)(x, tops + r, buffer, m, n);
        NAME(sums)(buffer, logs + r, m, n);
    }
    RL_IVDEP for (int64_t r = 0; r < rows; r++) logs[r] = LOG(logs[r]);
}

static void NAME(log_softmax)(const void *x_, const void *y_, void *out_, int64_t rows, int64_t n)
{
    const REAL *x = x_;
    REAL *out = out_, tops[BLOCK], logs[BLOCK];
    const int64_t block = NAME(rows_at_once)(n);
    (void)y_;
    for (int64_t r = 0; r < rows; r += block, x += block * n, out += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        NAME(norms)(x, tops, logs, m, n);
        EACH_ROW(m, n, out[k] = x[k] - tops[j] - logs[j])
    }
}

static void NAME(softmax_backward)(const void *grad_, const void *y_, void *out_, int64_t rows, int64_t n)
{
    const REAL *grad = grad_, *y = y_;
    REAL *out = out_;
    for (int64_t r = 0; r < rows; r++, grad += n, y += n, out += n) {
        const REAL sum = NAME(dot)(grad, y, n);
        RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = (grad[i] - sum) * y[i];
    }
}

static void NAME(log_softmax_backward)(const void *grad_, const void *y_, void *out_, int64_t rows, int64_t n)
{
    const REAL *grad = grad_, *y = y_;
    REAL *out = out_;
    for (int64_t r = 0; r < rows; r++, grad += n, y += n, out += n) {
        const REAL sum = NAME(sum)(grad, n);
        RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = grad[i] - EXP(y[i]) * sum;
    }
}

static void NAME(scaled)(const void *x_, const void *tops_, const void *logs_, const void *scale_, void *out_, int64_t rows, int64_t n)
{
    const REAL *x = x_, *tops = tops_, *logs = logs_, *scale = scale_;
    REAL *out = out_;
    const int64_t block = NAME(rows_at_once)(n);
    for (int64_t r = 0; r < rows; r += block, x += block * n, out += block * n) {
        const int64_t m = rows - r < block ? rows - r : block;
        if (n >= SHORT) {
            EACH_ROW(m, n, out[k] = 0 - EXP(x[k] - tops[r + j] - logs[r + j]) * scale[r + j])
            continue;
        }
        EACH_ROW(m, n, out[k] = x[k] - tops[r + j] - logs[r + j])
        RL_IVDEP for (int64_t k = 0; k < m * n; k++) out[k] = EXP(out[k]);
        EACH_ROW(m, n, out[k] = 0 - out[k] * scale[r + j])
    }
}
#undef EACH_ROW

/* ---------------------------------------------------------------- columns
 *
 * A strip of columns is gone through row by row; what belongs to a column lies in a small array.  Sums are handed on
 * after 64 terms, which keeps their error small. */

#define STRIP SOFTMAX_STRIP
#define ACROSS(EXPR) RL_IVDEP for (int64_t i = 0; i < w; i++) { EXPR; }
#define DOWN(EXPR) for (int64_t j = 0; j < n; j++) { const int64_t at = j * stride; ACROSS(EXPR) }
#define HAND_ON(total, part) if (j % 64 == 63 || j == n - 1) ACROSS(total[i] += part[i]; part[i] = 0)

static void NAME(column_tops)(const REAL *x, REAL *top, int64_t n, int64_t stride, int64_t w)
{
    ACROSS(top[i] = -(REAL)INFINITY)
    DOWN(top[i] = x[at + i] > top[i] ? x[at + i] : top[i])
}

static void NAME(softmax_columns)(const void *x_, const void *y_, void *out_, int64_t n, int64_t stride, int64_t w)
{
    const REAL *x = x_;
    REAL *out = out_, top[STRIP], total[STRIP] = {0}, part[STRIP] = {0};
    (void)y_;
    NAME(column_tops)(x, top, n, stride, w);
    for (int64_t j = 0; j < n; j++) {
        const int64_t at = j * stride;
        ACROSS(const REAL e = EXP(x[at + i] - top[i]); out[at + i] = e; part[i] += e)
        HAND_ON(total, part)
    }
    ACROSS(total[i] = 1 / total[i])
    DOWN(out[at + i] *= total[i])
}

static void NAME(log_softmax_columns)(const void *x_, const void *y_, void *out_, int64_t n, int64_t stride, int64_t w)
{
    const REAL *x = x_;
    REAL *out = out_, top[STRIP], total[STRIP] = {0}, part[STRIP] = {0};
    (void)y_;
    NAME(column_tops)(x, top, n, stride, w);
    for (int64_t j = 0; j < n; j++) {
        const int64_t at = j * stride;
        ACROSS(part[i] += EXP(x[at + i] - top[i]))
        HAND_ON(total, part)
    }
    ACROSS(total[i] = LOG(total[i]))
    DOWN(out[at + i] = x[at + i] - top[i] - total[i])
}

static void NAME(softmax_backward_columns)(const void *grad_, const void *y_, void *out_, int64_t n, int64_t stride, int64_t w)
{
    const REAL *grad = grad_, *y = y_;
    REAL *out = out_, total[STRIP] = {0}, part[STRIP] = {0};
    for (int64_t j = 0; j < n; j++) {
        const int64_t at = j * stride;
        ACROSS(part[i] += grad[at + i] * y[at + i])
        HAND_ON(total, part)
    }
    DOWN(out[at + i] = (grad[at + i] - total[i]) * y[at + i])
}

static void NAME(log_softmax_backward_columns)(const void *grad_, const void *y_, void *out_, int64_t n, int64_t stride, int64_t w)
{
    const REAL *grad = grad_, *y = y_;
    REAL *out = out_, total[STRIP] = {0}, part[STRIP] = {0};
    for (int64_t j = 0; j < n; j++) {
        const int64_t at = j * stride;
        ACROSS(part[i] += grad[at + i])
        HAND_ON(total, part)
    }
    DOWN(out[at + i] = grad[at + i] - EXP(y[at + i]) * total[i])
}
#undef STRIP
#undef ACROSS
#undef DOWN
#undef HAND_ON

static const SoftmaxKernels NAME(kernels) = {
    .rows = {NAME(softmax), NAME(log_softmax), NAME(softmax_backward), NAME(log_softmax_backward)},
    .columns = {NAME(softmax_columns), NAME(log_softmax_columns), NAME(softmax_backward_columns), NAME(log_softmax_backward_columns)},
    .norms = NAME(norms),
    .scaled = NAME(scaled),
};
