/* conv_template.h -- the convolutions of one element type T; included by conv.c.
 *
 * The unfolding of a group's channels over output positions [from, to) is a matrix with a row for every (channel, tap)
 * and a column for every position, so that
 *     out = W unfold(x)        grad_W = sum of grad unfold(x).T        grad_x = fold(W.T grad)
 */

/* A call of memcpy costs more than the short rows of small images. */
static inline void NAME(copy)(int64_t n, const T *src, T *dst) {
    if (n >= 64) {
        memcpy(dst, src, (size_t)n * sizeof(T));
        return;
    }
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) memcpy(dst + i, src + i, 4 * sizeof(T));
    for (; i < n; i++) dst[i] = src[i];
}

/* Walks the unfolding. Each piece is a run of positions along one output row: `col` gets x's elements, zero outside of
 * x; with `add`, what lies in `col` is added to x instead. */
static inline __attribute__((always_inline)) void NAME(walk)(const RLConv *d, const bool add, T *x, int64_t from,
                                                             int64_t to, T *col) {
    const int64_t channels = d->in_channels / d->groups, width = d->out[2], step = d->stride[2];
    int64_t t[3];
    for (int64_t c = 0; c < channels; c++, x += volume(d->in))
        for (t[0] = 0; t[0] < d->kernel[0]; t[0]++)
            for (t[1] = 0; t[1] < d->kernel[1]; t[1]++)
                for (t[2] = 0; t[2] < d->kernel[2]; t[2]++) {
                    const int64_t shift = t[2] * d->dilation[2] - d->padding[2];
                    const int64_t inside = min64(ceil_div(-shift, step), width); /* [inside, outside): within x */
                    const int64_t outside = max64(inside, min64(ceil_div(d->in[2] - shift, step), width));
                    int64_t o0 = from / width / d->out[1], o1 = from / width % d->out[1], first = from / width * width;
                    for (int64_t p = from, end; p < to; col += end - p, p = end, first += width) {
                        end = min64(first + width, to);
                        const int64_t i0 = o0 * d->stride[0] - d->padding[0] + t[0] * d->dilation[0];
                        const int64_t i1 = o1 * d->stride[1] - d->padding[1] + t[1] * d->dilation[1];
                        if (++o1 == d->out[1]) {
                            o1 = 0;
                            o0++;
                        }
                        const bool exists = i0 >= 0 && i0 < d->in[0] && i1 >= 0 && i1 < d->in[1];
                        const int64_t lo = exists ? min64(max64(p, first + inside), end) - p : end - p;
                        const int64_t hi = exists ? max64(min64(end, first + outside) - p, lo) : end - p;
                        if (!add) {
                            for (int64_t q = 0; q < lo; q++) col[q] = 0;
                            for (int64_t q = hi; q < end - p; q++) col[q] = 0;
                        }
                        if (lo == hi) continue;
                        T *src = x + (i0 * d->in[1] + i1) * d->in[2] + (p - first + lo) * step + shift;
                        if (add)
                            for (int64_t q = lo; q < hi; q++) src[(q - lo) * step] += col[q];
                        else if (step == 1)
                            NAME(copy)(hi - lo, src, col + lo);
                        else
                            for (int64_t q = lo; q < hi; q++) col[q] = src[(q - lo) * step];
                    }
                }
}

static void NAME(unfold)(const RLConv *d, const T *x, int64_t from, int64_t to, T *col) {
    NAME(walk)(d, false, (T *)x, from, to, col);
}

static void NAME(fold)(const RLConv *d, T *x, int64_t from, int64_t to, T *col) {
    NAME(walk)(d, true, x, from, to, col);
}

/* Each of `rows` rows of `length` elements is set to its own bias, or to zero. */
static void NAME(fill_rows)(int64_t rows, int64_t length, const T *bias, T *out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < length; j++) *out++ = bias ? bias[i] : 0;
}

int NAME(rl_conv_forward)(const RLConv *d, const T *x, const T *w, const T *bias, T *out, void *scratch) {
    const int64_t block = block_positions(d, sizeof(T)), positions = volume(d->out), depth = taps(d);
    const int64_t group_in = d->in_channels / d->groups * volume(d->in), group_out = d->out_channels / d->groups;
    const bool direct = is_pointwise(d);
    void *col;
    if (!take_scratch(d, sizeof(T), scratch, &col)) return -1;
    for (int64_t i = 0; i < d->batch * d->groups; i++, x += group_in, out += group_out * positions) {
        const int64_t g = i % d->groups;
        const T *wg = w + g * group_out * depth;
        if (bias) NAME(fill_rows)(group_out, positions, bias + g * group_out, out);
        for (int64_t from = 0; from < positions; from += block) {
            const int64_t to = min64(from + block, positions);
            if (!direct) NAME(unfold)(d, x, from, to, col);
            NAME(rl_gemm)(false, false, group_out, to - from, depth, 1, wg, depth, direct ? x : col, to - from,
                          bias ? 1 : 0, out + from, positions);
        }
    }
    if (col != scratch) free(col);
    return 0;
}

int NAME(rl_conv_grad_input)(const RLConv *d, const T *grad, const T *w, const T *bias, T *grad_x, void *scratch) {
    const int64_t block = block_positions(d, sizeof(T)), positions = volume(d->out), depth = taps(d);
    const int64_t group_in = d->in_channels / d->groups, group_out = d->out_channels / d->groups;
    const bool direct = is_pointwise(d);
    void *col;
    if (!take_scratch(d, sizeof(T), scratch, &col)) return -1;
    for (int64_t i = 0; i < d->batch * d->groups; i++) {
        const int64_t g = i % d->groups;
        const T *wg = w + g * group_out * depth;
        if (bias || !direct) NAME(fill_rows)(group_in, volume(d->in), bias ? bias + g * group_in : NULL, grad_x);
        for (int64_t from = 0; from < positions; from += block) {
            const int64_t to = min64(from + block, positions);
            NAME(rl_gemm)(true, false, depth, to - from, group_out, 1, wg, depth, grad + from, positions,
                          direct && bias ? 1 : 0, direct ? grad_x : col, to - from);
            if (!direct) NAME(fold)(d, grad_x, from, to, col);
        }
        grad += group_out * positions;
        grad_x += group_in * volume(d->in);
    }
    if (col != scratch) free(col);
    return 0;
}

int NAME(rl_conv_grad_weight)(const RLConv *d, const T *x, const T *grad, T *grad_w, void *scratch) {
    const int64_t block = block_positions(d, sizeof(T)), positions = volume(d->out), depth = taps(d);
    const int64_t group_in = d->in_channels / d->groups * volume(d->in), group_out = d->out_channels / d->groups;
    const bool direct = is_pointwise(d);
    void *col;
    if (!take_scratch(d, sizeof(T), scratch, &col)) return -1;
    memset(grad_w, 0, (size_t)(d->out_channels * depth) * sizeof(T));
    for (int64_t i = 0; i < d->batch * d->groups; i++, x += group_in, grad += group_out * positions)
        for (int64_t from = 0; from < positions; from += block) {
            const int64_t to = min64(from + block, positions);
            if (!direct) NAME(unfold)(d, x, from, to, col);
            NAME(rl_gemm)(false, true, group_out, depth, to - from, 1, grad + from, positions, direct ? x : col,
                          to - from, 1, grad_w + i % d->groups * group_out * depth, depth);
        }
    if (col != scratch) free(col);
    return 0;
}

/* Sixteen running sums for the vector units, over stretches short enough for plain addition. */
static T NAME(sum_row)(int64_t n, const T *x) {
    double total = 0;
    for (int64_t from = 0; from < n; from += 1024) {
        T part[16] = {0};
        const int64_t to = min64(from + 1024, n);
        int64_t i = from;
        for (; i + 16 <= to; i += 16)
            for (int l = 0; l < 16; l++) part[l] += x[i + l];
        for (int l = 0; i < to; i++, l++) part[l] += x[i];
        for (int l = 0; l < 16; l++) total += part[l];
    }
    return (T)total;
}

void NAME(rl_conv_grad_bias)(const RLConv *d, const T *grad, T *grad_bias) {
    const int64_t positions = volume(d->out);
    for (int64_t o = 0; o < d->out_channels; o++) {
        double total = 0;
        for (int64_t i = 0; i < d->batch; i++)
            total += NAME(sum_row)(positions, grad + (i * d->out_channels + o) * positions);
        grad_bias[o] = (T)total;
    }
}
