/* pool_template.h -- pooling of one element type T, whose smallest value is LOWEST and whose NaN IS_NAN
 * tells; included by pool.c. */

void NAME(rl_max_pool)(const RLPool *d, const T *x, T *out, int64_t *indices) {
    for (int64_t p = 0; p < d->planes; p++, x += volume(d->in))
        EACH_OUTPUT(d, a, b, c) {
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
    for (int64_t p = 0; p < d->planes; p++, x += volume(d->in))
        EACH_OUTPUT(d, a, b, c) {
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
        EACH_OUTPUT(d, a, b, c) {
            const T share = *grad++;
            if (is_empty(a) || is_empty(b) || is_empty(c)) continue;
            const T each = share / (T)divisor(d, a, b, c);
            EACH_ROW(d, a, b, row)
                for (int64_t i = c.begin; i < c.end; i++) grad_x[row + i] += each;
        } END_EACH_OUTPUT
}
