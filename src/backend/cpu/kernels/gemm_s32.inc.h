/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_s32.inc.h - panels of 32 rows whose weights have one scale per 32, times a tile of columns.
 *
 * Panel: for each tile of TILE_ROWS rows, for each group: bytes [8][TILE_ROWS][4], the scales f32
 * [TILE_ROWS] and, where the type has them, as many minima. A lane is a row, so every output has
 * the one accumulator that gemv gives it. */

/* One group of a tile. */
static KV_INLINE size_t s32_tile_bytes(const s32_type type)
{
    return KW_QK * TILE_ROWS + (type.min_at ? 2u : 1u) * 4 * TILE_ROWS;
}

/* Rows [first, first + KV_ROWS) of one group, into their lanes at dst; rows beyond n_rows are 0
 * with a scale of 0. */
static KV_INLINE void panel_s32_group(uint8_t *dst, float *scales, const uint8_t *w,
                                      size_t row_bytes, size_t first, size_t n_rows,
                                      const s32_type type)
{
    static const uint8_t nothing[KW_QK + 2];
    kv_b32 rows[KV_ROWS];
    KV_UNROLL
    for (size_t i = 0; i < KV_ROWS; i++) {
        const uint8_t *block = first + i < n_rows ? w + (first + i) * row_bytes : nothing;
        rows[i] = unpack_s32(type, block);
        scales[i] = scale_s32(type, block);
        if (type.min_at)
            scales[TILE_ROWS + i] = kw_load_f16(block + type.min_at);
    }
    kv_rows_b out[8];
    kv_transpose(out, rows);
    KV_UNROLL
    for (size_t j = 0; j < 8; j++)
        kv_rows_store(dst + 4 * j * TILE_ROWS, out[j]);
}

static KV_INLINE void panel_s32(void *panel, const void *w, size_t row_bytes, size_t n_rows,
                                size_t k, const s32_type type)
{
    uint8_t *dst = panel;
    for (size_t tile = 0; tile < KW_PANEL_ROWS; tile += TILE_ROWS) {
        for (size_t g = 0; g < k / KW_QK; g++, dst += s32_tile_bytes(type)) {
            const uint8_t *src = (const uint8_t *)w + g * type.block_bytes;
            float *scales = (float *)(void *)(dst + KW_QK * TILE_ROWS);
            for (size_t v = 0; v < TILE_ROWS; v += KV_ROWS)
                panel_s32_group(dst + 4 * v, scales + v, src, row_bytes, tile + v, n_rows, type);
        }
    }
}

typedef kv_rows_i s32_dots[KV_TILE_VECTORS][KV_TILE_COLS];

/* What the bias of the weights adds to a column's sums, negative. */
static KV_INLINE kv_rows_i s32_term(const uint8_t *pair, const s32_type type)
{
    if (type.bias == 0)
        return kv_rows_zero();
    return kv_rows_dot_pair(kv_rows_zero(), kv_rows_same(pair), kv_rows_pair((int16_t)-type.bias));
}

/* The products of one group, flushed where an accumulator would overflow. pairs: the columns' sums
 * of halves. */
static KV_INLINE void gemm_s32_dots(s32_dots dot, const uint8_t *w, const uint8_t *x,
                                    const uint8_t *pairs, const s32_type type)
{
    const int steps = kv_acc_steps(type.kind);
    KV_ROLLED
    for (int first = 0; first < KW_QK / 4; first += steps) {
        kv_acc acc[KV_TILE_VECTORS][KV_TILE_COLS];
        KV_UNROLL
        for (int i = 0; i < KV_TILE_VECTORS * KV_TILE_COLS; i++) {
            const int c = i % KV_TILE_COLS;
            acc[i / KV_TILE_COLS][c] =
                first == 0 ? kv_acc_begin(s32_term(pairs + 4 * c, type)) : kv_acc_zero();
        }
        KV_STEPS
        for (int j = first; j < first + steps; j++)
            tile_step(acc, w + 4 * j * TILE_ROWS, x + 4 * j * KV_COLUMNS, type.kind);
        KV_UNROLL
        for (int i = 0; i < KV_TILE_VECTORS * KV_TILE_COLS; i++) {
            const int v = i / KV_TILE_COLS, c = i % KV_TILE_COLS;
            dot[v][c] = first == 0 ? kv_acc_end(type.kind, acc[v][c], s32_term(pairs + 4 * c, type))
                                   : kv_rows_add(dot[v][c], kv_acc_flush(type.kind, acc[v][c]));
        }
    }
}

/* One group of KV_TILE_COLS columns, x being the first of them in its tile. */
static KV_INLINE void gemm_s32_group(tile_sums sum, const uint8_t *w, const uint8_t *x,
                                     const s32_type type)
{
    s32_dots dots;
    const uint8_t *scales = w + KW_QK * TILE_ROWS;
    const uint8_t *da = x + KW_QK * KV_COLUMNS, *pairs = da + 4 * KV_COLUMNS;
    gemm_s32_dots(dots, w, x, pairs, type);
    KV_UNROLL
    for (int c = 0; c < KV_TILE_COLS; c++) {
        const kv_rows_f d = kv_rows_set1(kv_f32(da + 4 * c));
        const kv_rows_f act_sum = kv_rows_of_int(
            kv_rows_dot_pair(kv_rows_zero(), kv_rows_same(pairs + 4 * c), kv_rows_pair(1)));
        KV_UNROLL
        for (int v = 0; v < KV_TILE_VECTORS; v++) {
            const uint8_t *at = scales + 4 * v * KV_ROWS;
            const kv_rows_i dot = dots[v][c];
            const kv_rows_f scale = kv_rows_mulf(kv_rows_load_f(at), d);
            sum[v][c] = kv_rows_addf(sum[v][c], kv_rows_mulf(scale, kv_rows_of_int(dot)));
            if (type.min_at) {
                const kv_rows_f min = kv_rows_mulf(kv_rows_load_f(at + 4 * TILE_ROWS), d);
                sum[v][c] = kv_rows_addf(sum[v][c], kv_rows_mulf(min, act_sum));
            }
        }
    }
}

/* One tile of rows. Each group of weights meets all of the columns while it is in the first-level
 * cache; where they do not fit into the registers, their sums wait in memory. */
static KV_INLINE void gemm_s32_tile(gemm_call *call, size_t row, const uint8_t *w,
                                    const s32_type type)
{
    const uint8_t *x = call->x;
    tile_sums sum[TILE_BLOCKS];
    tile_clear(sum);
    for (size_t g = 0; g < call->k / KW_QK; g++) {
        spread_step(&call->next); /* first: clang would sink the products behind its branches */
        for (size_t b = 0; b < tile_blocks(call); b++)
            gemm_s32_group(sum[b], w, x + 4 * b * KV_TILE_COLS, type);
        w += s32_tile_bytes(type);
        x += KW_ACT_BLOCK * KV_COLUMNS;
    }
    tile_store(call, row, sum);
}
