/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_f.inc.h - panels of 64 rows of float weights, times columns of floats.
 *
 * The sixteen lanes of an output (k mod 16) are sixteen products of their own, each a sixteenth as
 * deep, so each is a sum of outer products: a lane of a vector is a row, a column's number is
 * broadcast, and no output is added up across lanes before the tree, which is vertical too.
 *
 * Step s of lane l is element 16 * s + l; a row that is no multiple of 16 ends in zeros. Steps are
 * cut into stretches, and both operands lie in the order in which they are read:
 * Panel: for each group of rows, stretch, lane: f32 [steps of the stretch][rows of the group].
 * Columns: a tile of KW_F32_A is for each stretch, lane, KV_F_COLS columns: f32 [steps][columns].
 */

enum {
    F_ROWS = 16 * KV_F_VECTORS, /* of a group: what a tile of registers holds */
    F_PANEL_ROWS = 64,
    F_TILES = 4, /* of columns in a call: they share a stretch of weights in the nearest cache */
    F_COLUMNS = F_TILES * KV_F_COLS,
    F_STRETCH = 128 /* steps; times F_ROWS they fit into that cache */
};
static_assert(F_PANEL_ROWS % F_ROWS == 0, "whole groups");

static size_t f_steps(size_t k)
{
    return (k + 15) / 16;
}

/* Steps of the stretch that begins at `at`. */
static size_t f_stretch_steps(size_t k, size_t at)
{
    return KW_MIN(f_steps(k) - at, (size_t)F_STRETCH);
}

/* Floats of n steps of a group; one line more, or the lanes would fall into the same sets of a
 * cache. */
static size_t f_lane_size(size_t n)
{
    return n * F_ROWS + 16;
}

/* Floats of all lanes of a group before step `at`, the first of a stretch, or the last of all. */
static size_t f_panel_at(size_t at)
{
    return 16 * (at * F_ROWS + (at + F_STRETCH - 1) / F_STRETCH * 16);
}

static size_t panel_bytes_f(size_t k)
{
    return F_PANEL_ROWS / F_ROWS * f_panel_at(f_steps(k)) * sizeof(float);
}

/* Elements [16 * step, ..) of sixteen rows from `row` on, n of them, to their lanes from dst on. */
static KV_INLINE void panel_f_block(float *dst, size_t lane_size, const uint8_t *w,
                                    size_t row_bytes, size_t row, size_t n_rows, size_t n,
                                    const f_type type)
{
    kv_f x[16];
    KV_UNROLL
    for (size_t r = 0; r < 16; r++) {
        const uint8_t *p = w + (row + r) * row_bytes;
        x[r] = row + r >= n_rows ? kv_zero() : n == 16 ? load_f(type, p) : load_f_part(p, n, type);
    }
    kv_transpose_f(x);
    KV_UNROLL
    for (size_t l = 0; l < 16; l++)
        kv_store(dst + l * lane_size, x[l]);
}

/* Sixteen rows from `row` on, over the stretch that begins at `at`. */
static KV_INLINE void panel_f_stretch(float *dst, const uint8_t *w, size_t row_bytes, size_t row,
                                      size_t n_rows, size_t at, size_t k, const f_type type)
{
    const size_t n = f_stretch_steps(k, at);
    for (size_t i = 16 * at; i < KW_MIN(k, 16 * (at + n)); i += 16, dst += F_ROWS)
        panel_f_block(dst, f_lane_size(n), w + i * type.bytes, row_bytes, row, n_rows,
                      KW_MIN(k - i, (size_t)16), type);
}

static KV_INLINE void panel_f(void *panel, const void *w, size_t row_bytes, size_t n_rows, size_t k,
                              const f_type type)
{
    const size_t group = f_panel_at(f_steps(k));
    for (size_t row = 0; row < F_PANEL_ROWS; row += 16) {
        float *dst = (float *)panel + row / F_ROWS * group + row % F_ROWS;
        for (size_t at = 0; at < f_steps(k); at += F_STRETCH)
            panel_f_stretch(dst + f_panel_at(at), w, row_bytes, row, n_rows, at, k, type);
    }
}

/* Column `col` of an activation tile of `cols`, which is F_COLUMNS, or 1. */
static void pack_f32(void *dst, const float *x, size_t k, size_t cols, size_t col)
{
    const size_t wide = KW_MIN(cols, (size_t)KV_F_COLS), tiles = cols / wide, whole = k / 16;
    for (size_t at = 0; at < f_steps(k); at += F_STRETCH) {
        const size_t n = f_stretch_steps(k, at), end = KW_MIN(at + n, whole) - at;
        for (size_t l = 0; l < 16; l++) {
            float *to = (float *)dst + 16 * at * cols + (l * tiles + col / wide) * n * wide;
            const float *from = x + 16 * at + l;
            for (size_t s = 0; s < end; s++)
                to[s * wide + col % wide] = from[16 * s];
            if (end < n)
                to[end * wide + col % wide] = l < k % 16 ? from[16 * end] : 0.0f;
        }
    }
}

/* One step: KV_F_COLS numbers times KV_F_VECTORS vectors of rows. */
static KV_INLINE void f_step(kv_f sum[KV_F_COLS][KV_F_VECTORS], const float *w, const float *x)
{
    kv_f a[KV_F_VECTORS];
    KV_UNROLL
    for (size_t v = 0; v < KV_F_VECTORS; v++)
        a[v] = kv_load_shared(w + 16 * v);
    KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++) {
        const kv_f b = kv_set1(x[c]);
        KV_UNROLL
        for (size_t v = 0; v < KV_F_VECTORS; v++)
            sum[c][v] = kv_fma(a[v], b, sum[c][v]);
    }
}

/* n steps of one lane into out[KV_F_COLS][F_ROWS]; first: the sums begin here. A line of what the
 * next lane needs comes near in each. */
static KV_INLINE void f_tile(float *out, const float *w, const float *x, size_t n, bool first,
                             const float *next_w, const float *next_x)
{
    kv_f sum[KV_F_COLS][KV_F_VECTORS];
    KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++) {
        KV_UNROLL
        for (size_t v = 0; v < KV_F_VECTORS; v++)
            sum[c][v] = first ? kv_zero() : kv_load(out + c * F_ROWS + 16 * v);
    }
    KV_F_STEPS
    for (size_t s = 0; s < n; s++) {
        kv_prefetch_first(next_w + 16 * s);
        kv_prefetch_first(next_x + KV_F_COLS * s);
        f_step(sum, w + F_ROWS * s, x + KV_F_COLS * s);
    }
    KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++) {
        KV_UNROLL
        for (size_t v = 0; v < KV_F_VECTORS; v++)
            kv_store(out + c * F_ROWS + 16 * v, sum[c][v]);
    }
}

typedef float f_sums[16][F_COLUMNS][F_ROWS]; /* of each lane */

/* All lanes of a group of rows over steps [at, at + n). */
static void f_stretch(gemm_call *call, float (*sums)[F_COLUMNS][F_ROWS], const float *panel,
                      size_t at, size_t n)
{
    const size_t n_tiles = (call->n_cols + KV_F_COLS - 1) / KV_F_COLS;
    const float *x = (const float *)call->x + 16 * at * F_COLUMNS;
    for (size_t l = 0; l < 16; l++) {
        const float *w = panel + f_panel_at(at) + l * f_lane_size(n), *next = w + f_lane_size(n);
        for (size_t t = 0; t < n_tiles; t++) {
            const float *column = x + (l * F_TILES + t) * n * KV_F_COLS;
            const float *next_w = next + 16 * n * t, *next_x = column + F_COLUMNS * n;
            if (at == 0)
                f_tile(sums[l][t * KV_F_COLS], w, column, n, true, next_w, next_x);
            else
                f_tile(sums[l][t * KV_F_COLS], w, column, n, false, next_w, next_x);
            spread_step(&call->next);
        }
    }
}

/* The tree over the lanes of sixteen rows. */
static KV_INLINE kv_f f_tree(float (*sums)[F_COLUMNS][F_ROWS], size_t col, size_t row)
{
    kv_f l[8];
    KV_UNROLL
    for (size_t i = 0; i < 8; i++)
        l[i] = kv_add(kv_load(sums[i][col] + row), kv_load(sums[i + 8][col] + row));
    KV_UNROLL
    for (size_t i = 0; i < 4; i++)
        l[i] = kv_add(l[i], l[i + 4]);
    return kv_add(kv_add(l[0], l[2]), kv_add(l[1], l[3]));
}

static void f_store(const kw_gemm_args *a, float (*sums)[F_COLUMNS][F_ROWS], size_t first)
{
    const size_t rows = KW_MIN(a->n_rows - first, (size_t)F_ROWS);
    for (size_t c = 0; c < a->n_cols; c++) {
        float *out = a->out + c * a->out_stride + first;
        size_t r = 0;
        for (; r + 16 <= rows; r += 16)
            kv_store(out + r, f_tree(sums, c, r));
        if (r < rows)
            store_part(out + r, f_tree(sums, c, r), rows - r);
    }
}

static void gemm_f(const kw_gemm_args *args)
{
    const size_t steps = f_steps(args->k), stretches = (steps + F_STRETCH - 1) / F_STRETCH;
    const size_t groups = (args->n_rows + F_ROWS - 1) / F_ROWS;
    const size_t tiles = (args->n_cols + KV_F_COLS - 1) / KV_F_COLS;
    gemm_call call = gemm_begin(args, groups * stretches * 16 * tiles);
    for (size_t g = 0; g < groups; g++) {
        const float *panel = (const float *)(const void *)call.panel + g * f_panel_at(steps);
        for (size_t at = 0; at < steps; at += F_STRETCH)
            f_stretch(&call, args->work, panel, at, f_stretch_steps(args->k, at));
        f_store(args, args->work, g * F_ROWS);
    }
}
