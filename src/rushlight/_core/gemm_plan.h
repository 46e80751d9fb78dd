/* gemm_plan.h -- which kernels do a product of one element type, and how threads share it; included by gemm.c.
 *
 * What is done depends on the shape and layout alone.  Threads split C, or k at fixed places, along boundaries of the
 * kernels' own steps, so that every element of C comes from the same operations in the same order however many threads
 * there are.
 *
 * Large products follow K. Goto and R. van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008), with one
 * change: A and B of a block of k are both packed before any tile is computed.  Packing is then shared by all threads,
 * C can be cut in both directions, and what is packed (RL_SIDE) stays in the last-level cache.
 */

typedef struct {
    int64_t m, n, k;
    T alpha;
    const T *a;
    int64_t a_row, a_col;
    const T *b;
    int64_t b_row, b_col;
    T beta;
    const T *bias;
    T *c;
    int64_t ldc;
} NAME(Product);

/* ---------------------------------------------------------------- packed */

typedef struct {
    NAME(Product) p;         /* of one block: m and n at most RL_SIDE, k at most RL_GEMM_DEPTH */
    T *a, *b;                /* its strips */
    int64_t a_strips, b_strips;
    int64_t rows;            /* of C in a unit of work, which is as wide as a strip of B */
} NAME(Block);

static void NAME(pack_some)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Block) *w = ctx;
    const NAME(Product) *p = &w->p;
    const int64_t mr = KERNELS->mr, nr = KERNELS->nr;
    if (begin < w->a_strips) {
        const int64_t from = begin * mr, to = min64(end * mr, p->m);
        KERNELS->pack_rows(to - from, p->k, p->a + from * p->a_row, p->a_row, p->a_col, w->a + from * p->k);
    }
    if (end > w->a_strips) {
        const int64_t from = max64(begin - w->a_strips, 0) * nr, to = min64((end - w->a_strips) * nr, p->n);
        KERNELS->pack_columns(to - from, p->k, p->b + from * p->b_col, p->b_row, p->b_col, w->b + from * p->k);
    }
}

static void NAME(multiply_some)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Block) *w = ctx;
    const NAME(Product) *p = &w->p;
    for (int64_t next; begin < end; begin = next) { /* as many columns as lie beside the same rows */
        const int64_t i = begin / w->b_strips * w->rows, j = begin % w->b_strips * KERNELS->nr;
        next = min64(end, begin - begin % w->b_strips + w->b_strips);
        const int64_t columns = min64((next - begin) * KERNELS->nr, p->n - j);
        KERNELS->multiply(min64(w->rows, p->m - i), columns, p->k, p->alpha, w->a + i * p->k, w->b + j * p->k, p->beta,
                          p->bias ? p->bias + j : NULL, p->c + i * p->ldc + j, p->ldc);
    }
}

static bool NAME(packed)(const NAME(Product) *p) {
    const int64_t mr = KERNELS->mr, nr = KERNELS->nr;
    const int64_t most_a = ceil_div(min64(p->m, RL_SIDE), mr) * mr, most_b = ceil_div(min64(p->n, RL_SIDE), nr) * nr;
    const int64_t depth = min64(p->k, RL_GEMM_DEPTH);
    T *strips = scratch((size_t)((most_a + most_b) * depth) * sizeof(T));
    if (!strips) return false;
    const bool alone = (double)p->m * (double)p->n * (double)p->k < RL_SHARED;
    for (int64_t j = 0; j < p->n; j += RL_SIDE)
        for (int64_t i = 0; i < p->m; i += RL_SIDE)
            for (int64_t q = 0; q < p->k; q += RL_GEMM_DEPTH) {
                NAME(Block) w = {*p, strips, strips + most_a * depth};
                w.p.m = min64(RL_SIDE, p->m - i);
                w.p.n = min64(RL_SIDE, p->n - j);
                w.p.k = min64(RL_GEMM_DEPTH, p->k - q);
                w.p.a += i * p->a_row + q * p->a_col;
                w.p.b += q * p->b_row + j * p->b_col;
                w.p.c += i * p->ldc + j;
                w.p.beta = q ? 1 : p->beta;
                w.p.bias = p->bias && q + w.p.k == p->k ? p->bias + j : NULL;
                w.a_strips = ceil_div(w.p.m, mr);
                w.b_strips = ceil_div(w.p.n, nr);
                w.rows = min64(RL_UNIT_STRIPS, ceil_div(w.a_strips, 4)) * mr;
                const int64_t unit = w.rows * nr * w.p.k, strip = nr * w.p.k;
                share(alone, w.a_strips + w.b_strips, RL_PACK_GRAIN / strip, NAME(pack_some), &w);
                share(alone, ceil_div(w.p.m, w.rows) * w.b_strips, RL_WORK_GRAIN / unit, NAME(multiply_some), &w);
            }
    return true;
}

/* ---------------------------------------------------------------- narrow: one operand is packed whole, the other as it is used */

/* Few rows of A use each strip of B for so short that handing it from the core that packed it to another costs more than
 * the packing; and the same is true of A.  So every thread packs all of A for itself, and the strips of B that it
 * multiplies, all of k in one go.  Likewise with few columns of B. */
typedef struct {
    NAME(Product) p;
    int64_t strips, side;    /* of the short operand */
    int64_t group;           /* rows of the long A packed at a time */
    uint64_t number;         /* of this product, by which a thread knows what it has packed */
    bool columns;            /* A is the short one */
} NAME(Narrow);

/* This thread's copy of the short operand: all strips of a block of k, then those of the next.  NULL: no memory. */
static const T *NAME(whole)(const NAME(Narrow) *w) {
    const NAME(Product) *p = &w->p;
    if (kept.number == w->number) return kept.memory;
    const int64_t block = w->strips * w->side * RL_GEMM_DEPTH;
    T *to = scratch((size_t)(block * ceil_div(p->k, RL_GEMM_DEPTH)) * sizeof(T));
    if (!to) return NULL;
    for (int64_t q = 0; q < p->k; q += RL_GEMM_DEPTH) {
        const int64_t k = min64(RL_GEMM_DEPTH, p->k - q);
        T *strips = to + q / RL_GEMM_DEPTH * block;
        if (w->columns) KERNELS->pack_rows(p->m, k, p->a + q * p->a_col, p->a_row, p->a_col, strips);
        else KERNELS->pack_columns(p->n, k, p->b + q * p->b_row, p->b_row, p->b_col, strips);
    }
    kept.number = w->number;
    return to;
}

static void NAME(some_rows)(void *ctx, int64_t begin, int64_t end);
static void NAME(some_columns)(void *ctx, int64_t begin, int64_t end);

static void NAME(narrow_columns)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Narrow) *w = ctx;
    const NAME(Product) *p = &w->p;
    const int64_t nr = KERNELS->nr, block = w->strips * w->side * RL_GEMM_DEPTH;
    const T *whole = NAME(whole)(w);
    if (!whole) NAME(some_columns)((void *)p, begin * nr, min64(end * nr, p->n));
    _Alignas(64) T panel[RL_PANEL / sizeof(T)];
    for (; whole && begin < end; begin++) {
        const int64_t j = begin * nr, columns = min64(nr, p->n - j);
        const T *a = whole;
        for (int64_t q = 0; q < p->k; q += RL_GEMM_DEPTH, a += block) {
            const int64_t k = min64(RL_GEMM_DEPTH, p->k - q);
            KERNELS->pack_columns(columns, k, p->b + q * p->b_row + j * p->b_col, p->b_row, p->b_col, panel);
            KERNELS->multiply(p->m, columns, k, p->alpha, a, panel, q ? 1 : p->beta,
                              p->bias && q + k == p->k ? p->bias + j : NULL, p->c + j, p->ldc);
        }
    }
}

static void NAME(narrow_rows)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Narrow) *w = ctx;
    const NAME(Product) *p = &w->p;
    const int64_t block = w->strips * w->side * RL_GEMM_DEPTH;
    const T *whole = NAME(whole)(w);
    if (!whole) NAME(some_rows)((void *)p, begin * w->group, min64(end * w->group, p->m));
    _Alignas(64) T panel[RL_PANEL / sizeof(T)];
    for (; whole && begin < end; begin++) {
        const int64_t i = begin * w->group, rows = min64(w->group, p->m - i);
        const T *b = whole;
        for (int64_t q = 0; q < p->k; q += RL_GEMM_DEPTH, b += block) {
            const int64_t k = min64(RL_GEMM_DEPTH, p->k - q);
            KERNELS->pack_rows(rows, k, p->a + i * p->a_row + q * p->a_col, p->a_row, p->a_col, panel);
            KERNELS->multiply(rows, p->n, k, p->alpha, panel, b, q ? 1 : p->beta, p->bias && q + k == p->k ? p->bias : NULL,
                              p->c + i * p->ldc, p->ldc);
        }
    }
}

static bool NAME(is_narrow)(const NAME(Product) *p) {
    const int64_t across = min64(p->m, p->n), size = across * p->k * (int64_t)sizeof(T);
    return size <= RL_NARROW_ANY || (across <= RL_NARROW && size <= RL_NARROW_MOST);
}

static void NAME(narrow)(const NAME(Product) *p) {
    static atomic_uint_fast64_t numbers;
    /* By rows where both ways are open: C is then written in the stretches in which elementwise operations read it. */
    const bool rows = p->m > p->n || (p->m >= RL_ROWS_FROM && p->n * p->k * (int64_t)sizeof(T) <= RL_NARROW_ANY);
    const bool columns = !rows, alone = (double)p->m * (double)p->n * (double)p->k < RL_SHARED;
    const int64_t mr = KERNELS->mr, nr = KERNELS->nr, side = columns ? mr : nr;
    const int64_t most = max64(1, RL_PANEL / (int64_t)sizeof(T) / RL_GEMM_DEPTH / mr) * mr;
    const int64_t group = alone ? most : ceil_div(p->m, align_up(ceil_div(p->m, most), RL_EVEN));
    /* odd numbers are float32's, even ones float64's: both share a thread's memory */
    const uint64_t number = (atomic_fetch_add(&numbers, 1) + 1) * 2 + (sizeof(T) == sizeof(float));
    NAME(Narrow) w = {*p, ceil_div(columns ? p->m : p->n, side), side, group, number, columns};
    if (columns) share(alone, ceil_div(p->n, nr), RL_WORK_GRAIN / (p->m * nr * p->k), NAME(narrow_columns), &w);
    else share(alone, ceil_div(p->m, group), RL_WORK_GRAIN / (p->n * group * p->k), NAME(narrow_rows), &w);
}

/* ---------------------------------------------------------------- in place, and by dots */

static void NAME(some_rows)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Product) *p = ctx;
    KERNELS->in_place(end - begin, p->n, p->k, p->alpha, p->a + begin * p->a_row, p->a_row, p->a_col, p->b, p->b_row,
                      p->b_col, p->beta, p->bias, p->c + begin * p->ldc, p->ldc);
}

static void NAME(some_columns)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Product) *p = ctx;
    KERNELS->in_place(p->m, end - begin, p->k, p->alpha, p->a, p->a_row, p->a_col, p->b + begin * p->b_col, p->b_row,
                      p->b_col, p->beta, p->bias ? p->bias + begin : NULL, p->c + begin, p->ldc);
}

/* Few rows of A against columns of B; and the reverse. */
static void NAME(dots_of_columns)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Product) *p = ctx;
    KERNELS->dot_rows(p->m, end - begin, p->k, p->alpha, p->a, p->a_row, p->b + begin * p->b_col, p->b_col, p->beta,
                      p->bias ? p->bias + begin : NULL, false, p->c + begin, p->ldc, 1);
}

static void NAME(dots_of_rows)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Product) *p = ctx;
    KERNELS->dot_rows(p->n, end - begin, p->k, p->alpha, p->b, p->b_col, p->a + begin * p->a_row, p->a_row, p->beta,
                      p->bias, true, p->c + begin * p->ldc, 1, p->ldc);
}

/* Multiplications that take as long as this product in place: where there are fewer columns than a vector has lanes, the
 * others are idle; and C is written. */
static inline double NAME(time)(int64_t m, int64_t n, int64_t k) {
    return (double)m * (double)max64(n, KERNELS->nr / 2) * (double)(k + RL_WRITING);
}

/* Any product of at least one element and k >= 1. */
static void NAME(product)(const NAME(Product) *p) {
    const double work = (double)p->m * (double)p->n * (double)p->k;
    const bool alone = work < RL_SHARED;
    const bool in_place_alone = NAME(time)(p->m, p->n, p->k) < RL_SHARED;
    const bool along_k = (p->a_col == 1 || p->k == 1) && (p->b_row == 1 || p->k == 1) && p->k >= KERNELS->nr;
    const int64_t few = p->k >= RL_DEEP ? RL_FEW_DEEP : RL_FEW;
    NAME(Product) *ctx = (NAME(Product) *)p;
    if (along_k && p->m <= few) {
        share(alone, p->n, align_up(RL_READ_GRAIN / (p->m * p->k), RL_DOTS_STEP), NAME(dots_of_columns), ctx);
    } else if (along_k && p->n <= few) {
        share(alone, p->m, align_up(RL_READ_GRAIN / (p->n * p->k), RL_DOTS_STEP), NAME(dots_of_rows), ctx);
    } else if (p->n == 1 && p->a_row == 1 && p->ldc == 1 && !p->bias && p->m > 1) { /* as the row b.T A.T */
        NAME(Product) row = *p;
        row.m = 1;
        row.n = p->m;
        row.a = p->b;
        row.a_col = p->b_row;
        row.b = p->a;
        row.b_row = p->a_col;
        row.b_col = 1;
        row.ldc = p->m;
        share(alone, row.n, align_up(RL_READ_GRAIN / p->k, RL_COLUMNS_STEP), NAME(some_columns), &row);
    } else if (p->m >= RL_PACKED_SIDE && p->n >= KERNELS->nr && work >= RL_PACKED_FROM && NAME(is_narrow)(p)) {
        NAME(narrow)(p);
    } else if (p->m >= RL_PACKED_SIDE && p->n >= KERNELS->nr && work >= RL_PACKED_FROM && NAME(packed)(p)) {
        /* done */
    } else if (p->m > p->n) {
        share(in_place_alone, p->m, align_up(RL_WORK_GRAIN / (p->n * p->k), RL_ROWS_STEP), NAME(some_rows), ctx);
    } else {
        share(in_place_alone, p->n, align_up(RL_WORK_GRAIN / (p->m * p->k), RL_COLUMNS_STEP), NAME(some_columns), ctx);
    }
}

/* ---------------------------------------------------------------- k split: a small C from a long k */

typedef struct {
    const NAME(Product) *whole;
    T *sums;
    int64_t depth;
} NAME(Parts);

static void NAME(some_parts)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Parts) *w = ctx;
    for (; begin < end; begin++) {
        NAME(Product) part = *w->whole;
        const int64_t from = begin * w->depth;
        part.k = min64(w->depth, part.k - from);
        part.a += from * part.a_col;
        part.b += from * part.b_row;
        part.c = w->sums + begin * part.m * part.n;
        part.ldc = part.n;
        part.alpha = 1;
        part.beta = 0;
        part.bias = NULL;
        NAME(product)(&part);
    }
}

static bool NAME(by_parts)(const NAME(Product) *p) {
    const int64_t size = p->m * p->n, depth = align_up(ceil_div(p->k, RL_PARTS), RL_GEMM_DEPTH);
    const int64_t parts = ceil_div(p->k, depth);
    NAME(Parts) w = {p, malloc((size_t)(parts * size) * sizeof(T)), depth};
    if (!w.sums) return false;
    rl_parallel_for(parts, 1, NAME(some_parts), &w);
    for (int64_t q = 1; q < parts; q++)
        for (int64_t e = 0; e < size; e++) w.sums[e] += w.sums[q * size + e];
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            T *c = p->c + i * p->ldc + j, x = p->alpha * w.sums[i * p->n + j];
            if (p->beta != 0) x += p->beta * *c;
            if (p->bias) x += p->bias[j];
            *c = x;
        }
    free(w.sums);
    return true;
}

/* ---------------------------------------------------------------- what gemm.h promises */

void NAME(rl_gemm_bias)(RL_GEMM_SIGNATURE(T, T), const T *bias) {
    if (m <= 0 || n <= 0) return;
    if (RL_UNLIKELY(k <= 0 || alpha == 0)) {
        for (int64_t i = 0; i < m; i++, c += ldc)
            for (int64_t j = 0; j < n; j++) c[j] = (beta != 0 ? c[j] * beta : 0) + (bias ? bias[j] : 0);
        return;
    }
    const NAME(Product) p = {
        m, n, k, alpha, a, ta ? 1 : lda, ta ? lda : 1, b, tb ? 1 : ldb, tb ? ldb : 1, beta, bias, c, ldc,
    };
    if (RL_LIKELY(k < RL_PARTS_FROM || m * n > RL_PARTS_SIZE || (double)m * (double)n * (double)k < RL_SHARED) ||
        !NAME(by_parts)(&p))
        NAME(product)(&p);
}

void NAME(rl_gemm)(RL_GEMM_SIGNATURE(T, T)) {
    NAME(rl_gemm_bias)(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, NULL);
}

typedef struct {
    bool ta, tb;
    NAME(Product) p; /* a_col and b_col are not used: a_row and b_row are lda and ldb */
    int64_t sa, sb, sc;
} NAME(Batch);

/* A product of a few numbers: done before a kernel has been chosen. */
static inline void NAME(tiny)(const NAME(Batch) *w, const T *a, const T *b, T *c) {
    const NAME(Product) *p = &w->p;
    const int64_t a_row = w->ta ? 1 : p->a_row, a_col = w->ta ? p->a_row : 1;
    const int64_t b_row = w->tb ? 1 : p->b_row, b_col = w->tb ? p->b_row : 1;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            const T *x = a + i * a_row, *y = b + j * b_col;
            T *out = c + i * p->ldc + j, sum = *x * *y;
            for (int64_t q = 1; q < p->k; q++) sum += x[q * a_col] * y[q * b_row];
            *out = p->beta != 0 ? p->alpha * sum + p->beta * *out : p->alpha * sum;
        }
}

static void NAME(some_entries)(void *ctx, int64_t begin, int64_t end) {
    const NAME(Batch) *w = ctx;
    const NAME(Product) *p = &w->p;
    if (p->k > 0 && p->m * p->n * p->k <= RL_TINY) {
        for (int64_t i = begin; i < end; i++) NAME(tiny)(w, p->a + i * w->sa, p->b + i * w->sb, p->c + i * w->sc);
        return;
    }
    for (int64_t i = begin; i < end; i++)
        NAME(rl_gemm_bias)(w->ta, w->tb, p->m, p->n, p->k, p->alpha, p->a + i * w->sa, p->a_row, p->b + i * w->sb, p->b_row,
                   p->beta, p->c + i * w->sc, p->ldc, NULL);
}

/* Entries are dealt out where each keeps one thread busy for long enough; a few large ones are split themselves. */
void NAME(rl_bgemm)(int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t lda,
                    int64_t sa, const T *b, int64_t ldb, int64_t sb, T beta, T *c, int64_t ldc, int64_t sc) {
    if (sb == 0 && !ta && sa == m * lda && sc == m * ldc) { /* one tall product */
        NAME(rl_gemm_bias)(ta, tb, m * batch, n, k, alpha, a, lda, b, ldb, beta, c, ldc, NULL);
        return;
    }
    NAME(Batch) w = {ta, tb, {m, n, k, alpha, a, lda, 1, b, ldb, 1, beta, NULL, c, ldc}, sa, sb, sc};
    const double work = m * n * k <= RL_TINY ? (double)RL_TINY_TIME : NAME(time)(m, n, k) + RL_ENTRY;
    if (batch < RL_BATCH_DEALT && (double)m * (double)n * (double)k >= RL_SHARED)
        NAME(some_entries)(&w, 0, batch);
    else
        share(work * (double)batch < RL_SHARED, batch, (int64_t)(RL_WORK_GRAIN / (work + 1)), NAME(some_entries), &w);
}

typedef struct {
    int64_t n, part;
    const T *x, *y;
    T sums[RL_PARTS];
} NAME(Dot);

static void NAME(some_dots)(void *ctx, int64_t begin, int64_t end) {
    NAME(Dot) *w = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t from = i * w->part;
        w->sums[i] = KERNELS->dot(min64(w->part, w->n - from), w->x + from, w->y + from);
    }
}

T NAME(rl_dot)(int64_t n, const T *x, int64_t incx, const T *y, int64_t incy) {
    if (n == 0) return 0;
    if (incx != 1 || incy != 1) {
        T z;
        NAME(rl_gemm_bias)(true, false, 1, 1, n, 1, x, incx, y, incy, 0, &z, 1, NULL);
        return z;
    }
    if (n < RL_DOT_SHARED) return KERNELS->dot(n, x, y);
    NAME(Dot) w = {n, align_up(ceil_div(n, RL_PARTS), 64), x, y, {0}};
    rl_parallel_for(ceil_div(n, w.part), 1, NAME(some_dots), &w);
    for (int half = RL_PARTS / 2; half; half /= 2)
        for (int i = 0; i < half; i++) w.sums[i] += w.sums[i + half];
    return w.sums[0];
}
