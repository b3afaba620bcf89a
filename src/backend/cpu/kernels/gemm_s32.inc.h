/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_s32.inc.h - panels of 32 rows whose weights have one scale per 32, times a tile of columns.
 *
 * Panel: for each tile of TILE_ROWS rows, for each group: bytes [8][TILE_ROWS][4] and the scales
 * f32 [TILE_ROWS]. A lane is a row, so every output has the one accumulator that gemv gives it. */

enum { S32_GROUP_BYTES = KW_QK * TILE_ROWS + 4 * TILE_ROWS };

static size_t panel_bytes_s32(size_t k)
{
    return k / KW_QK * S32_GROUP_BYTES * (KW_PANEL_ROWS / TILE_ROWS);
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
        scales[i] = kw_load_f16(block);
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
        for (size_t g = 0; g < k / KW_QK; g++, dst += S32_GROUP_BYTES) {
            const uint8_t *src = (const uint8_t *)w + g * type.block_bytes;
            float *scales = (float *)(void *)(dst + KW_QK * TILE_ROWS);
            for (size_t v = 0; v < TILE_ROWS; v += KV_ROWS)
                panel_s32_group(dst + 4 * v, scales + v, src, row_bytes, tile + v, n_rows, type);
        }
    }
}

/* One group of KV_TILE_COLS columns, x being the first of them in its tile. */
static KV_INLINE void gemm_s32_group(tile_sums sum, const uint8_t *w, const uint8_t *x,
                                     const s32_type type)
{
    kv_acc acc[KV_TILE_VECTORS][KV_TILE_COLS];
    KV_UNROLL
    for (int i = 0; i < KV_TILE_VECTORS * KV_TILE_COLS; i++)
        acc[i / KV_TILE_COLS][i % KV_TILE_COLS] = kv_acc_zero();
    KV_STEPS
    for (int j = 0; j < KW_QK / 4; j++)
        tile_step(acc, w + 4 * j * TILE_ROWS, x + 4 * j * KV_COLUMNS, type.kind);
    const uint8_t *scales = w + KW_QK * TILE_ROWS;
    const uint8_t *da = x + KW_QK * KV_COLUMNS, *pairs = da + 4 * KV_COLUMNS;
    KV_UNROLL
    for (int c = 0; c < KV_TILE_COLS; c++) {
        const kv_rows_f d = kv_rows_set1(kv_f32(da + 4 * c));
        const kv_rows_i bias = kv_rows_dot_pair(kv_rows_zero(), kv_rows_same(pairs + 4 * c),
                                                kv_rows_pair((int16_t)type.bias));
        KV_UNROLL
        for (int v = 0; v < KV_TILE_VECTORS; v++) {
            kv_rows_i dot = kv_acc_flush(type.kind, acc[v][c]);
            if (type.bias)
                dot = kv_rows_sub(dot, bias);
            const kv_rows_f scale = kv_rows_mulf(kv_rows_load_f(scales + 4 * v * KV_ROWS), d);
            sum[v][c] = kv_rows_addf(sum[v][c], kv_rows_mulf(scale, kv_rows_of_int(dot)));
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
        w += S32_GROUP_BYTES;
        x += KW_ACT_BLOCK * KV_COLUMNS;
    }
    tile_store(call, row, sum);
}
