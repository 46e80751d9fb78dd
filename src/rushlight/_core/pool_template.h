/* pool_template.h -- pooling of one element type T, whose smallest value is LOWEST and whose NaN IS_NAN
 * tells, with MAX_ROW and SUM_ROW for windows side by side; included by pool.c. */

typedef void (*NAME(Row))(T *out, const T *x, int64_t n, int64_t stride, int64_t taps, int64_t step, bool first);

/* n outputs whose windows lie within rows of the planes and rows that a and b name; x: the first window's first column. */
static inline void NAME(max_inside)(const RLPool *d, NAME(Row) row_of, Window a, Window b, const T *x, T *out, int64_t n) {
    const int64_t taps = d->kernel[2], step = d->dilation[2], stride = d->stride[2];
    bool first = true;
    EACH_ROW(d, a, b, row) {
        if (n >= FEW) row_of(out, x + row, n, stride, taps, step, first);
        else for (int64_t o = 0; o < n; o++) {
            T m = first ? LOWEST : out[o];
            for (int64_t k = 0; k < taps; k++) { const T v = x[row + o * stride + k * step]; m = LARGER; }
            out[o] = m;
        }
        first = false;
    }
    if (first) for (int64_t o = 0; o < n; o++) out[o] = LOWEST;
}

static inline void NAME(sum_inside)(const RLPool *d, NAME(Row) row_of, Window a, Window b, const T *x, T *out, int64_t n) {
    const int64_t taps = d->kernel[2], stride = d->stride[2];
    bool first = true;
    EACH_ROW(d, a, b, row) {
        if (n >= FEW) row_of(out, x + row, n, stride, taps, 1, first);
        else for (int64_t o = 0; o < n; o++) {
            T m = first ? 0 : out[o];
            for (int64_t k = 0; k < taps; k++) m += x[row + o * stride + k];
            out[o] = m;
        }
        first = false;
    }
}

/* Planes of one short row each, in which all windows lie. */
static void NAME(max_short)(const RLPool *d, const T *x, T *out) {
    const int64_t taps = d->kernel[2], step = d->dilation[2], stride = d->stride[2], n = d->out[2];
    for (int64_t p = 0; p < d->planes; p++, x += d->in[2])
        for (int64_t o = 0; o < n; o++) {
            T m = x[o * stride];
            for (int64_t k = 1; k < taps; k++) { const T v = x[o * stride + k * step]; m = LARGER; }
            *out++ = m;
        }
}

void NAME(rl_max_pool)(const RLPool *d, const T *x, T *out, int64_t *indices) {
    const Inside in = indices ? (Inside){0, 0} : inside(d);
    const NAME(Row) row_of = MAX_ROW;
    if (in.begin == 0 && in.end == d->out[2] && in.end < FEW && d->in[0] * d->in[1] == 1 && d->out[0] * d->out[1] == 1) {
        NAME(max_short)(d, x, out);
        return;
    }
    for (int64_t p = 0; p < d->planes; p++, x += volume(d->in))
        EACH_OUTPUT(d, a, b) {
            if (o2 == in.begin && in.begin < in.end) {
                NAME(max_inside)(d, row_of, a, b, x + o2 * d->stride[2] - d->padding[2], out, in.end - in.begin);
                out += in.end - in.begin;
                o2 = in.end - 1;
                continue;
            }
            const Window c = window_at(d, 2, o2);
            T best = LOWEST;
            int64_t where = (a.begin * d->in[1] + b.begin) * d->in[2] + c.begin;
            EACH_ROW(d, a, b, row)
                for (int64_t i = c.begin; i < c.end; i += c.step) {
                    const T v = x[row + i];
                    if (v > best || IS_NAN(v)) {
                        best = v;
                        where = row + i;
                    }
                }
            *out++ = best;
            if (indices) *indices++ = where;
        } END_EACH_OUTPUT
}

void NAME(rl_max_pool_backward)(const RLPool *d, const T *grad, const int64_t *indices, T *grad_x) {
    const int64_t in = volume(d->in), out = volume(d->out);
    memset(grad_x, 0, (size_t)(d->planes * in) * sizeof(T));
    for (int64_t p = 0; p < d->planes; p++, grad_x += in)
        for (int64_t o = 0; o < out; o++, grad++, indices++)
            if (*indices >= 0 && *indices < in) grad_x[*indices] += *grad;
}

void NAME(rl_avg_pool)(const RLPool *d, const T *x, T *out) {
    const Inside in = inside(d);
    const NAME(Row) row_of = SUM_ROW;
    for (int64_t p = 0; p < d->planes; p++, x += volume(d->in))
        EACH_OUTPUT(d, a, b) {
            const Window c = window_at(d, 2, o2);
            if (o2 == in.begin && in.begin < in.end && !is_empty(a) && !is_empty(b)) {
                const int64_t n = in.end - in.begin;
                const T by = (T)divisor(d, a, b, c); /* the same for all of these */
                NAME(sum_inside)(d, row_of, a, b, x + o2 * d->stride[2] - d->padding[2], out, n);
                for (int64_t o = 0; o < n; o++) out[o] /= by;
                out += n;
                o2 = in.end - 1;
                continue;
            }
            T sum = 0;
            if (is_empty(a) || is_empty(b) || is_empty(c)) {
                *out++ = 0;
                continue;
            }
            EACH_ROW(d, a, b, row)
                for (int64_t i = c.begin; i < c.end; i++) sum += x[row + i];
            *out++ = sum / (T)divisor(d, a, b, c);
        } END_EACH_OUTPUT
}

void NAME(rl_avg_pool_backward)(const RLPool *d, const T *grad, T *grad_x) {
    memset(grad_x, 0, (size_t)(d->planes * volume(d->in)) * sizeof(T));
    for (int64_t p = 0; p < d->planes; p++, grad_x += volume(d->in))
        EACH_OUTPUT(d, a, b) {
            const Window c = window_at(d, 2, o2);
            const T share = *grad++;
            if (is_empty(a) || is_empty(b) || is_empty(c)) continue;
            const T each = share / (T)divisor(d, a, b, c);
            EACH_ROW(d, a, b, row)
                for (int64_t i = c.begin; i < c.end; i++) grad_x[row + i] += each;
        } END_EACH_OUTPUT
}
