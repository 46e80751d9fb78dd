/* gemm_product.h -- whole products on one thread, made of the tiles and dots of gemm_tile.h. */

/* Asks for the rows of the next tile: processors foresee long streams, but not a new one every few lines. */
INLINE void NAME(fetch)(int64_t k, const T *a, int64_t a_row) {
    for (int r = 0; r < RL_MR_PLACE; r++, a += a_row)
        for (int64_t p = 0; p < k; p += 64 / (int)sizeof(T)) __builtin_prefetch(a + p);
}

/* C = alpha * A B + beta * C + bias with A read in place, at any strides.  B is read in place too if its columns lie
 * side by side (b_col is 1); otherwise (b_row is 1) NR columns at a time are turned into a strip on the stack. */
static void NAME(in_place)(int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t a_row, int64_t a_col,
                           const T *b, int64_t b_row, int64_t b_col, T beta, const T *bias, T *c, int64_t ldc) {
    _Alignas(64) T strip[RL_KC * NR];
    const bool turned = b_col != 1;
    for (int64_t p = 0; p < k; p += RL_KC) {
        const int64_t kc = k - p < RL_KC ? k - p : RL_KC;
        const T *const bias_p = p + kc == k ? bias : NULL, *const b_p = b + p * b_row;
        const T beta_p = p ? 1 : beta;
        int64_t j = 0;
        if (m == 1 && !turned)
            for (; j + RL_NV_WIDE * VL <= n; j += RL_NV_WIDE * VL)
                NAME(tile_1_8_0)(VL, kc, a + p * a_col, a_row, a_col, b_p + j, b_row, alpha, beta_p,
                                 bias_p ? bias_p + j : NULL, c + j, ldc);
        for (; j < n; j += NR) {
            const int width = n - j < NR ? (int)(n - j) : NR;
            const int two = width > VL, lanes = two ? width - VL : width, part = lanes < VL;
            const T *columns = b_p + j * b_col, *rows = a + p * a_col, *const bias_j = bias_p ? bias_p + j : NULL;
            int64_t step = b_row;
            if (turned) {
                NAME(turn_strip)(NR, false, width, kc, columns, b_col, strip);
                columns = strip;
                step = NR;
            }
            T *out = c + j;
            for (int64_t i = 0; i < m; i += RL_MR_PLACE, rows += RL_MR_PLACE * a_row, out += RL_MR_PLACE * ldc) {
                const int mr = m - i < RL_MR_PLACE ? (int)(m - i) : RL_MR_PLACE;
                if (j == 0 && a_col == 1 && i + 2 * RL_MR_PLACE <= m) NAME(fetch)(kc, rows + RL_MR_PLACE * a_row, a_row);
                NAME(tiles)[mr - 1][two][part](lanes, kc, rows, a_row, a_col, columns, step, alpha, beta_p, bias_j, out, ldc);
            }
        }
    }
}

/* C(i, j) = alpha * x_i . w_j + beta * C + bias for m vectors x and n vectors w along k. */
static void NAME(dot_rows)(int64_t m, int64_t n, int64_t k, T alpha, const T *x, int64_t ldx, const T *w, int64_t ldw,
                           T beta, const T *bias, bool by_row, T *c, int64_t c_row, int64_t c_col) {
    for (int64_t p = 0; p < k; p += RL_KC_DOTS) {
        const int64_t kc = k - p < RL_KC_DOTS ? k - p : RL_KC_DOTS;
        const T beta_p = p ? 1 : beta, *bias_p = p + kc == k ? bias : NULL;
        for (int64_t j = 0; j < n; j += RL_DOTS_WIDE) { /* which stay in cache for all rows */
            const int64_t wide = n - j < RL_DOTS_WIDE ? n - j : RL_DOTS_WIDE;
            for (int64_t i = 0, step; i < m; i += step) {
                step = m - i >= 4 ? 4 : m - i >= 2 ? 2 : 1;
                (step == 4 ? NAME(dots_4) : step == 2 ? NAME(dots_2) : NAME(dots_1))(
                    wide, kc, x + i * ldx + p, ldx, w + j * ldw + p, ldw, alpha, beta_p,
                    bias_p ? bias_p + (by_row ? i : j) : NULL, by_row, c + i * c_row + j * c_col, c_row, c_col);
            }
        }
    }
}

/* C = alpha * A B + beta * C + bias from strips of A and B. A strip of B stays in the first-level cache while the
 * strips of A, which should fit the second, pass by. */
static void NAME(multiply)(int64_t m, int64_t n, int64_t k, T alpha, const T *a, const T *b, T beta, const T *bias,
                           T *c, int64_t ldc) {
    for (int64_t j = 0; j < n; j += NR, b += k * NR) {
        const int width = n - j < NR ? (int)(n - j) : NR, two = width > VL;
        const T *strip = a;
        for (int64_t i = 0; i < m; i += RL_MR, strip += k * RL_MR) {
            const int mr = m - i < RL_MR ? (int)(m - i) : RL_MR;
            NAME(packed)[mr - 1][two](two ? width - VL : width, k, strip, b, alpha, beta, bias ? bias + j : NULL,
                                      c + i * ldc + j, ldc);
        }
    }
}

/* Blocks of 8 running vectors, added pairwise at the end of each 4096 elements. */
static T NAME(dot_block)(int64_t n, const T *x, const T *y) {
    V acc[8] = {0};
    int64_t i = 0;
    for (; i + 8 * VL <= n; i += 8 * VL)
#pragma GCC unroll 8
        for (int u = 0; u < 8; u++)
            acc[u] = NAME(fma)(NAME(load)(x + i + u * VL), NAME(load)(y + i + u * VL), acc[u]);
    for (; i + VL <= n; i += VL) acc[0] = NAME(fma)(NAME(load)(x + i), NAME(load)(y + i), acc[0]);
    if (i < n) acc[1] = NAME(fma)(NAME(load_part)(x + i, (int)(n - i)), NAME(load_part)(y + i, (int)(n - i)), acc[1]);
    return NAME(sum)(((acc[0] + acc[1]) + (acc[2] + acc[3])) + ((acc[4] + acc[5]) + (acc[6] + acc[7])));
}

static T NAME(dot)(int64_t n, const T *x, const T *y) {
    if (n <= 4096) return NAME(dot_block)(n, x, y);
    const int64_t half = (n / 2 + 127) & ~(int64_t)127;
    return NAME(dot)(half, x, y) + NAME(dot)(n - half, x + half, y + half);
}
