/* gemm_tile.h -- the innermost loops of float32 and float64 products, for one instruction set.
 *
 * Two shapes of them.  A *tile* holds up to RL_MR rows and two vectors of columns of C in registers while k runs; an
 * element of A is broadcast against vectors of B's columns.  *Dots* hold sums over vectors along k, for operands that
 * are both contiguous along k and too few for repacking one of them to pay.
 */

/* C(mr, nv vectors) = alpha * A B + beta * C + bias, where A's element (i, p) is at a[i * a_row + p * a_col].  `lanes` lanes
 * of the last vector exist; fewer than VL only with `part`.  With `packed`, B is padded to whole vectors. */
INLINE void NAME(tile)(const int mr, const int nv, const bool part, const bool packed, int lanes, int64_t k, const T *a,
                       int64_t a_row, int64_t a_col, const T *b, int64_t b_row, T alpha, T beta, const T *bias, T *c,
                       int64_t ldc) {
#define LOAD(p, v) (part && (v) == nv - 1 ? NAME(load_part)((p) + (v) * VL, lanes) : NAME(load)((p) + (v) * VL))
#define EACH(r, v)                                              \
    _Pragma("GCC unroll 16") for (int r = 0; r < mr; r++)       \
        _Pragma("GCC unroll 8") for (int v = 0; v < nv; v++)
    /* A small tile would wait for each addition's latency: it sums even and odd k apart. */
    const int chains = mr * nv <= 4 ? 2 : 1;
    V acc[2][RL_MR][RL_NV_WIDE];
    EACH(r, v) acc[0][r][v] = acc[1][r][v] = (V){0};
#define STEP(u)                                                                                                     \
    {                                                                                                               \
        V bv[RL_NV_WIDE];                                                                                           \
        _Pragma("GCC unroll 8") for (int v = 0; v < nv; v++)                                                        \
            bv[v] = packed ? NAME(load)(b + v * VL) : LOAD(b, v);                                                   \
        _Pragma("GCC unroll 16") for (int r = 0; r < mr; r++) {                                                     \
            V av = NAME(splat)(a[r * a_row]);                                                                       \
            _Pragma("GCC unroll 8") for (int v = 0; v < nv; v++) acc[u][r][v] = NAME(fma)(av, bv[v], acc[u][r][v]); \
        }                                                                                                           \
        a += a_col;                                                                                                 \
        b += b_row;                                                                                                 \
    }
    int64_t p = 0;
    for (; p + chains <= k; p += chains) {
        STEP(0)
        if (chains == 2) STEP(1)
    }
    if (chains == 2 && p < k) STEP(0)
#undef STEP
    if (chains == 2)
        EACH(r, v) acc[0][r][v] += acc[1][r][v];
    if (beta != 0)
        EACH(r, v) acc[0][r][v] = acc[0][r][v] * alpha + LOAD(c + r * ldc, v) * beta;
    else
        EACH(r, v) acc[0][r][v] *= alpha;
    if (bias)
        EACH(r, v) acc[0][r][v] += LOAD(bias, v);
    EACH(r, v) {
        if (part && v == nv - 1)
            NAME(store_part)(c + r * ldc + v * VL, acc[0][r][v], lanes);
        else
            NAME(store)(c + r * ldc + v * VL, acc[0][r][v]);
    }
#undef EACH
#undef LOAD
}

/* ---------------------------------------------------------------- A and B read where they lie */

typedef void NAME(TileFn)(int lanes, int64_t k, const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row,
                          T alpha, T beta, const T *bias, T *c, int64_t ldc);

#define TILE(mr, nv, part)                                                                                         \
    static void NAME(tile_##mr##_##nv##_##part)(int lanes, int64_t k, const T *a, int64_t a_row, int64_t a_col,    \
                                                const T *b, int64_t b_row, T alpha, T beta, const T *bias, T *c,   \
                                                int64_t ldc) {                                                     \
        NAME(tile)(mr, nv, part, false, lanes, k, a, a_row, a_col, b, b_row, alpha, beta, bias, c, ldc);           \
    }
#define TILES(mr) TILE(mr, 1, 0) TILE(mr, 1, 1) TILE(mr, 2, 0) TILE(mr, 2, 1)
#define ENTRY(mr) {{NAME(tile_##mr##_1_0), NAME(tile_##mr##_1_1)}, {NAME(tile_##mr##_2_0), NAME(tile_##mr##_2_1)}}

TILE(1, 8, 0)
TILES(1) TILES(2) TILES(3) TILES(4)
#if RL_MR_PLACE > 4
TILES(5) TILES(6)
#endif
#if RL_MR_PLACE > 6
TILES(7) TILES(8)
#endif

/* By rows - 1, vectors - 1, and whether the last vector is partial. */
static NAME(TileFn) *const NAME(tiles)[RL_MR_PLACE][2][2] = {
    ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4),
#if RL_MR_PLACE > 4
    ENTRY(5), ENTRY(6),
#endif
#if RL_MR_PLACE > 6
    ENTRY(7), ENTRY(8),
#endif
};
#undef TILE
#undef TILES
#undef ENTRY

/* ---------------------------------------------------------------- A and B packed (gemm_pack.h) */

typedef void NAME(PackedFn)(int lanes, int64_t k, const T *a, const T *b, T alpha, T beta, const T *bias, T *c,
                            int64_t ldc);

/* C is asked for first: its lines arrive from an outer cache while k runs. */
#define TILE(mr, nv)                                                                                               \
    static void NAME(packed_##mr##_##nv)(int lanes, int64_t k, const T *a, const T *b, T alpha, T beta,            \
                                         const T *bias, T *c, int64_t ldc) {                                       \
        _Pragma("GCC unroll 16") for (int r = 0; r < mr; r++) {                                                    \
            __builtin_prefetch(c + r * ldc, 1);                                                                    \
            if (nv == 2) __builtin_prefetch(c + r * ldc + VL, 1);                                                  \
        }                                                                                                          \
        NAME(tile)(mr, nv, RL_FREE_MASKS || lanes < VL, true, lanes, k, a, 1, RL_MR, b, NR, alpha, beta, bias, c, ldc);             \
    }
#define TILES(mr) TILE(mr, 1) TILE(mr, 2)
#define ENTRY(mr) {NAME(packed_##mr##_1), NAME(packed_##mr##_2)}

TILES(1) TILES(2) TILES(3) TILES(4)
#if RL_MR > 4
TILES(5) TILES(6)
#endif
#if RL_MR > 6
TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12) TILES(13) TILES(14)
#endif

/* By rows - 1 and vectors - 1. */
static NAME(PackedFn) *const NAME(packed)[RL_MR][2] = {
    ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4),
#if RL_MR > 4
    ENTRY(5), ENTRY(6),
#endif
#if RL_MR > 6
    ENTRY(7), ENTRY(8), ENTRY(9), ENTRY(10), ENTRY(11), ENTRY(12), ENTRY(13), ENTRY(14),
#endif
};
#undef TILE
#undef TILES
#undef ENTRY

/* ---------------------------------------------------------------- both operands contiguous along k */

/* C(i, j) = alpha * x_i . w_j + beta * C + bias for mr vectors x and nr vectors w; c_row, c_col are C's strides, and
 * the bias of (i, j) is bias[j], or bias[i] with `by_row`. */
INLINE void NAME(dots)(const int mr, const int nr, int64_t k, const T *x, int64_t ldx, const T *w, int64_t ldw,
                       T alpha, T beta, const T *bias, bool by_row, T *c, int64_t c_row, int64_t c_col) {
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
            if (bias) v += bias[by_row ? i : j];
            *out = v;
        }
}

#define DOTS(mr, wide)                                                                                             \
    static void NAME(dots_##mr)(int64_t n, int64_t k, const T *x, int64_t ldx, const T *w, int64_t ldw, T alpha,   \
                                T beta, const T *bias, bool by_row, T *c, int64_t c_row, int64_t c_col) {          \
        const int64_t next = bias && !by_row; /* from one column's bias to the next's */                           \
        int64_t j = 0;                                                                                             \
        for (; j + wide <= n; j += wide)                                                                           \
            NAME(dots)(mr, wide, k, x, ldx, w + j * ldw, ldw, alpha, beta, bias + j * next, by_row, c + j * c_col, \
                       c_row, c_col);                                                                              \
        for (; j < n; j++)                                                                                         \
            NAME(dots)(mr, 1, k, x, ldx, w + j * ldw, ldw, alpha, beta, bias + j * next, by_row, c + j * c_col,    \
                       c_row, c_col);                                                                              \
    }
DOTS(1, 8)
DOTS(2, 4)
DOTS(4, RL_DOTS)
#undef DOTS
