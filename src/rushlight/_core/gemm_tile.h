/* gemm_tile.h -- float32 and float64 products for one instruction set; included twice by gemm_kernel.c.
 *
 * The centre is a register tile: up to RL_MR rows and two vectors of columns of C are held in registers while k runs.
 * A is read one broadcast element at a time, so any strides do; B is read in vectors along its columns, so a B that is
 * stored transposed is first turned, a panel of NR columns at a time, into a buffer on the stack.  k is cut into
 * blocks of RL_KC: the panel stays in the first-level cache, and partial sums bound the rounding error.
 *   - Few rows against a transposed B (and a single column) use dot products along k instead: nothing to turn.
 *   - Large products also copy blocks of A so that tiles read it sequentially.
 * After K. Goto and R. van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008).
 */
#include "gemm_simd.h"

#define NR (2 * VL)
#define INLINE static inline __attribute__((always_inline))

/* x_row and x_col are the strides of an operand: its element (i, p) is at x[i * x_row + p * x_col]. */

/* C(mr, nv vectors) = alpha * A B + beta * C + bias; with `part`, only `lanes` lanes of the last vector exist. */
INLINE void NAME(tile)(const int mr, const int nv, const bool part, int lanes, int64_t k, const T *a, int64_t a_row,
                       int64_t a_col, const T *b, int64_t b_row, T alpha, T beta, const T *bias, T *c, int64_t ldc) {
#define LOAD(p, v) (part && (v) == nv - 1 ? NAME(load_part)((p) + (v) * VL, lanes) : NAME(load)((p) + (v) * VL))
    /* A small tile would wait for each addition's latency: it sums even and odd k apart. */
    const int chains = mr * nv <= RL_MR / 2 ? 2 : 1;
    V acc[2][RL_MR][RL_NV_WIDE];
#pragma GCC unroll 2
    for (int u = 0; u < chains; u++)
#pragma GCC unroll 8
        for (int r = 0; r < mr; r++)
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++) acc[u][r][v] = (V){0};
#define STEP(u)                                                                                                    \
    {                                                                                                              \
        V bv[RL_NV_WIDE];                                                                                          \
        _Pragma("GCC unroll 8") for (int v = 0; v < nv; v++) bv[v] = LOAD(b, v);                                   \
        _Pragma("GCC unroll 8") for (int r = 0; r < mr; r++) {                                                     \
            V av = NAME(splat)(a[r * a_row]);                                                                      \
            _Pragma("GCC unroll 8") for (int v = 0; v < nv; v++) acc[u][r][v] = NAME(fma)(av, bv[v], acc[u][r][v]); \
        }                                                                                                          \
        a += a_col;                                                                                                \
        b += b_row;                                                                                                \
    }
    int64_t p = 0;
    for (; p + chains <= k; p += chains) {
        STEP(0)
        if (chains == 2) STEP(1)
    }
    if (p < k) STEP(0)
#undef STEP
    if (chains == 2)
#pragma GCC unroll 8
        for (int r = 0; r < mr; r++)
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++) acc[0][r][v] += acc[1][r][v];
#pragma GCC unroll 8
    for (int r = 0; r < mr; r++, c += ldc)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) {
            V x = acc[0][r][v] * alpha;
            if (beta != 0) x += LOAD(c, v) * beta;
            if (bias) x += LOAD(bias, v);
            if (part && v == nv - 1)
                NAME(store_part)(c + v * VL, x, lanes);
            else
                NAME(store)(c + v * VL, x);
        }
#undef LOAD
}

typedef void NAME(TileFn)(int lanes, int64_t k, const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row,
                          T alpha, T beta, const T *bias, T *c, int64_t ldc);

#define TILE(mr, nv, part)                                                                                         \
    static void NAME(tile_##mr##_##nv##_##part)(int lanes, int64_t k, const T *a, int64_t a_row, int64_t a_col,    \
                                                const T *b, int64_t b_row, T alpha, T beta, const T *bias, T *c,   \
                                                int64_t ldc) {                                                     \
        NAME(tile)(mr, nv, part, lanes, k, a, a_row, a_col, b, b_row, alpha, beta, bias, c, ldc);                  \
    }
#define TILES(mr) TILE(mr, 1, 0) TILE(mr, 1, 1) TILE(mr, 2, 0) TILE(mr, 2, 1)
#define ENTRY(mr) {{NAME(tile_##mr##_1_0), NAME(tile_##mr##_1_1)}, {NAME(tile_##mr##_2_0), NAME(tile_##mr##_2_1)}}

TILE(1, 8, 0)
TILES(1) TILES(2) TILES(3) TILES(4)
#if RL_MR > 4
TILES(5) TILES(6)
#endif
#if RL_MR > 6
TILES(7) TILES(8)
#endif

/* By rows - 1, vectors - 1, and whether the last vector is partial. */
static NAME(TileFn) *const NAME(tiles)[RL_MR][2][2] = {
    ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4),
#if RL_MR > 4
    ENTRY(5), ENTRY(6),
#endif
#if RL_MR > 6
    ENTRY(7), ENTRY(8),
#endif
};
#undef TILE
#undef TILES
#undef ENTRY

/* One panel of 1..NR columns against all m rows. Successive tiles of RL_MR rows are a_tile elements apart. */
static void NAME(panel)(int64_t m, int n, int64_t k, const T *a, int64_t a_row, int64_t a_col, int64_t a_tile,
                        const T *b, int64_t b_row, T alpha, T beta, const T *bias, T *c, int64_t ldc) {
    const int two = n > VL, lanes = two ? n - VL : n, part = lanes < VL;
    NAME(TileFn) *full = NAME(tiles)[RL_MR - 1][two][part];
    for (; m >= RL_MR; m -= RL_MR, a += a_tile, c += RL_MR * ldc)
        full(lanes, k, a, a_row, a_col, b, b_row, alpha, beta, bias, c, ldc);
    if (m) NAME(tiles)[m - 1][two][part](lanes, k, a, a_row, a_col, b, b_row, alpha, beta, bias, c, ldc);
}

/* dst(k, NR) from n columns of B, each of them contiguous in memory and ldb apart. */
static void NAME(turn_panel)(int n, int64_t k, const T *b, int64_t ldb, T *dst) {
    int j = 0;
    for (; j + W <= n; j += W) {
        int64_t p = 0;
        for (; p + W <= k; p += W) NAME(turn_square)(b + j * ldb + p, ldb, dst + p * NR + j, NR);
        for (; p < k; p++)
            for (int i = 0; i < W; i++) dst[p * NR + j + i] = b[(j + i) * ldb + p];
    }
    for (; j < n; j++)
        for (int64_t p = 0; p < k; p++) dst[p * NR + j] = b[j * ldb + p];
}

/* C(i, j) = alpha * x_i . w_j + beta * C + bias_j for mr vectors x and nr vectors w; c_row, c_col are C's strides. */
INLINE void NAME(dots)(const int mr, const int nr, int64_t k, const T *x, int64_t ldx, const T *w, int64_t ldw,
                       T alpha, T beta, const T *bias, T *c, int64_t c_row, int64_t c_col) {
    V acc[4][8];
#pragma GCC unroll 8
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nr; j++) acc[i][j] = (V){0};
    int64_t p = 0;
#define STEP(LOAD)                                                                                                 \
    {                                                                                                              \
        V xv[4];                                                                                                   \
        _Pragma("GCC unroll 8") for (int i = 0; i < mr; i++) xv[i] = LOAD(x + i * ldx + p);                        \
        _Pragma("GCC unroll 8") for (int j = 0; j < nr; j++) {                                                     \
            V wv = LOAD(w + j * ldw + p);                                                                          \
            _Pragma("GCC unroll 8") for (int i = 0; i < mr; i++) acc[i][j] = NAME(fma)(xv[i], wv, acc[i][j]);      \
        }                                                                                                          \
    }
#define LOAD_REST(q) NAME(load_part)(q, (int)(k - p))
    for (; p + VL <= k; p += VL) STEP(NAME(load))
    if (p < k) STEP(LOAD_REST)
#undef STEP
#undef LOAD_REST
#pragma GCC unroll 8
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nr; j++) {
            T *out = c + i * c_row + j * c_col, v = alpha * NAME(sum)(acc[i][j]);
            if (beta != 0) v += beta * *out;
            if (bias) v += bias[j];
            *out = v;
        }
}

#define DOTS(mr, wide)                                                                                             \
    static void NAME(dots_##mr)(int64_t n, int64_t k, const T *x, int64_t ldx, const T *w, int64_t ldw, T alpha,   \
                                T beta, const T *bias, T *c, int64_t c_row, int64_t c_col) {                       \
        int64_t j = 0;                                                                                             \
        for (; j + wide <= n; j += wide)                                                                           \
            NAME(dots)(mr, wide, k, x, ldx, w + j * ldw, ldw, alpha, beta, bias ? bias + j : NULL, c + j * c_col,  \
                       c_row, c_col);                                                                              \
        for (; j < n; j++)                                                                                         \
            NAME(dots)(mr, 1, k, x, ldx, w + j * ldw, ldw, alpha, beta, bias ? bias + j : NULL, c + j * c_col,     \
                       c_row, c_col);                                                                              \
    }
DOTS(1, 8)
DOTS(2, 4)
DOTS(4, 4)
#undef DOTS

static void NAME(dot_rows)(int64_t m, int64_t n, int64_t k, const T *x, int64_t ldx, const T *w, int64_t ldw, T alpha,
                           T beta, const T *bias, T *c, int64_t c_row, int64_t c_col) {
    for (int step; m > 0; m -= step, x += step * ldx, c += step * c_row) {
        step = m >= 4 ? 4 : m >= 2 ? 2 : 1;
        (step == 4 ? NAME(dots_4) : step == 2 ? NAME(dots_2) : NAME(dots_1))(n, k, x, ldx, w, ldw, alpha, beta, bias,
                                                                             c, c_row, c_col);
    }
}

/* Blocks of A are copied so that each tile's elements lie in the order in which it reads them: (tile, p, row). */
static void NAME(pack_rows)(int64_t m, int64_t k, const T *a, int64_t a_row, int64_t a_col, T *dst) {
    for (int64_t i = 0; i < m; i += RL_MR, dst += k * RL_MR) {
        const int rows = m - i < RL_MR ? (int)(m - i) : RL_MR;
        const T *src = a + i * a_row;
        for (int64_t p = 0; p < k; p++)
            for (int r = 0; r < rows; r++) dst[p * RL_MR + r] = src[r * a_row + p * a_col];
    }
}

static void NAME(copy_panel)(int n, int64_t k, const T *b, int64_t ldb, T *dst) {
    for (int64_t p = 0; p < k; p++) memcpy(dst + p * NR, b + p * ldb, n * sizeof(T));
}

/* One block of k, by panels of columns. `pack` copies B's panels although they could be read in place. */
static void NAME(block)(bool tb, bool pack, int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t a_row,
                        int64_t a_col, int64_t a_tile, const T *b, int64_t ldb, T beta, const T *bias, T *c,
                        int64_t ldc) {
    _Alignas(64) T copy[RL_KC * NR];
    int64_t j = 0;
    if (m == 1 && !tb)
        for (; j + RL_NV_WIDE * VL <= n; j += RL_NV_WIDE * VL)
            NAME(tile_1_8_0)(VL, k, a, a_row, a_col, b + j, ldb, alpha, beta, bias ? bias + j : NULL, c + j, ldc);
    for (; j < n; j += NR) {
        const int width = n - j < NR ? (int)(n - j) : NR;
        const T *panel = copy;
        if (tb)
            NAME(turn_panel)(width, k, b + j * ldb, ldb, copy);
        else if (pack)
            NAME(copy_panel)(width, k, b + j, ldb, copy);
        else
            panel = b + j;
        NAME(panel)(m, width, k, a, a_row, a_col, a_tile, panel, panel == copy ? NR : ldb, alpha, beta,
                    bias ? bias + j : NULL, c + j, ldc);
    }
}

static void NAME(scale)(int64_t m, int64_t n, T beta, const T *bias, T *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++, c += ldc)
        for (int64_t j = 0; j < n; j++) c[j] = (beta != 0 ? c[j] * beta : 0) + (bias ? bias[j] : 0);
}

static void NAME(gemm)(RL_GEMM_SIGNATURE(T, T), const T *bias) {
    if (m <= 0 || n <= 0) return;
    if (k <= 0 || alpha == 0) {
        NAME(scale)(m, n, beta, bias, c, ldc);
        return;
    }
    const int64_t a_row = ta ? 1 : lda, a_col = ta ? lda : 1, b_row = tb ? 1 : ldb;
    if (n == 1 && bias && k >= 2 * VL) { /* a single column goes by dot products, which add no bias across rows */
        for (int64_t i = 0; i < m; i++) c[i * ldc] = *bias + (beta != 0 ? beta * c[i * ldc] : 0);
        bias = NULL;
        beta = 1;
    }
    const bool large = m >= 4 * RL_MR && n >= 4 * NR && k >= 64 && m * n * k >= RL_LARGE;
    T *rows = large ? malloc(sizeof(T) * RL_MC * RL_KC) : NULL; /* without it, A is read in place */
    for (int64_t p = 0; p < k; p += RL_KC) {
        const int64_t kc = k - p < RL_KC ? k - p : RL_KC;
        const T *ap = a + p * a_col, *bp = b + p * b_row;
        const bool last = p + kc == k;
        const T beta_p = p ? 1 : beta, *bias_p = last ? bias : NULL;
        if (rows) {
            for (int64_t i = 0; i < m; i += RL_MC) {
                const int64_t mc = m - i < RL_MC ? m - i : RL_MC;
                NAME(pack_rows)(mc, kc, ap + i * a_row, a_row, a_col, rows);
                NAME(block)(tb, true, mc, n, kc, alpha, rows, 1, RL_MR, kc * RL_MR, bp, ldb, beta_p, bias_p,
                            c + i * ldc, ldc);
            }
        } else if (!ta && tb && m <= 8 && kc >= 2 * VL) {
            NAME(dot_rows)(m, n, kc, ap, lda, bp, ldb, alpha, beta_p, bias_p, c, ldc, 1);
        } else if (!ta && n == 1 && b_row == 1 && kc >= VL && !bias) {
            NAME(dot_rows)(1, m, kc, bp, 0, ap, lda, alpha, beta_p, NULL, c, 0, ldc);
        } else if (ta && n == 1 && ldc == 1 && m >= VL && !bias) { /* as the row b.T A */
            NAME(block)(false, false, 1, m, kc, alpha, bp, 0, b_row, 0, ap, lda, beta_p, NULL, c, m);
        } else {
            NAME(block)(tb, false, m, n, kc, alpha, ap, a_row, a_col, RL_MR * a_row, bp, ldb, beta_p, bias_p, c, ldc);
        }
    }
    free(rows);
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

#undef NR
#undef INLINE
#undef RL_VECTOR_BYTES
#undef RL_MR
