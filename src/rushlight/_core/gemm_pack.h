/* gemm_pack.h -- copies of operands in the order in which tiles read them.
 *
 * A is packed by RL_MR rows, B by NR columns.  Both are the same to this file: `count` vectors along k, `width` of them
 * side by side make a strip, in which element (i, p) is at strip[p * width + i].  A strip that is not full is padded
 * with zeros: tiles may read what lies there, and a NaN or a denormal left from before could cost time.
 */

/* strip(k, width) from count <= width vectors that are contiguous along k and `ld` apart; `padded` or not.  A cache line of
 * each vector is used up before the next vector: where ld is a large power of two, their lines would drive each other out. */
INLINE void NAME(turn_strip)(const int width, const bool padded, int count, int64_t k, const T *src, int64_t ld, T *strip) {
    enum { LINE = 64 / sizeof(T) };
    const int filled = padded ? width : count;
    for (int64_t step; k > 0; k -= step, src += step, strip += step * width) {
        step = k >= LINE ? LINE : k >= W ? W : 1;
        int i = 0;
        if (step >= W)
            for (; i + W <= count; i += W)
                for (int q = 0; q < step; q += W) NAME(turn_square)(src + i * ld + q, ld, strip + q * width + i, width);
        for (; i < filled; i++)
            for (int q = 0; q < step; q++) strip[q * width + i] = i < count ? src[i * ld + q] : 0;
    }
}

/* The same from vectors that lie side by side, steps of k being `ld` apart. */
INLINE void NAME(copy_strip)(const int width, int count, int64_t k, const T *src, int64_t ld, T *strip) {
    if (count == width)
        for (int64_t p = 0; p < k; p++) memcpy(strip + p * width, src + p * ld, (size_t)width * sizeof(T));
    else
        for (int64_t p = 0; p < k; p++)
            for (int i = 0; i < width; i++) strip[p * width + i] = i < count ? src[p * ld + i] : 0;
}

INLINE void NAME(pack)(const int width, int64_t count, int64_t k, const T *src, int64_t step, int64_t k_step,
                       T *strip) {
    for (; count > 0; count -= width, src += width * step, strip += k * width) {
        const int here = count < width ? (int)count : width;
        if (k_step == 1)
            NAME(turn_strip)(width, true, here, k, src, step, strip);
        else
            NAME(copy_strip)(width, here, k, src, k_step, strip);
    }
}

static void NAME(pack_rows)(int64_t m, int64_t k, const T *a, int64_t a_row, int64_t a_col, T *strips) {
    NAME(pack)(RL_MR, m, k, a, a_row, a_col, strips);
}

static void NAME(pack_columns)(int64_t n, int64_t k, const T *b, int64_t b_row, int64_t b_col, T *strips) {
    NAME(pack)(NR, n, k, b, b_col, b_row, strips);
}
