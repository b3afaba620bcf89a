/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm.inc.h - the walk over the tiles of a panel that all weight classes share. */

typedef struct gemm_call {
    float *out;
    size_t out_stride;
    const uint8_t *panel;
    const void *x;
    size_t k, n_rows, n_cols;
    fetcher fetch;
    size_t fetch_bytes; /* to bring near in each group or superblock */
} gemm_call;

/* The largest tile of any class, as it leaves the registers. */
enum { TILE_COLS_MAX = 8, TILE_ROWS_MAX = 32 };

static KV_INLINE void gemm_store(const gemm_call *call, const float *tile, size_t tile_rows,
                                 size_t row, size_t col, size_t tile_cols)
{
    const size_t n = KW_MIN(tile_rows, call->n_rows - row);
    const size_t end = KW_MIN(col + tile_cols, call->n_cols);
    for (size_t c = col; c < end; c++)
        memcpy(call->out + c * call->out_stride + row, tile + (c - col) * tile_rows,
               n * sizeof *tile);
}

/* Spreads next_bytes over `steps` steps of each of this call's tiles. */
static KV_INLINE void gemm_fetch(gemm_call *call, const void *next, size_t next_bytes,
                                 size_t tile_rows, size_t tile_cols, size_t steps)
{
    const size_t row_tiles = (call->n_rows + tile_rows - 1) / tile_rows;
    const size_t col_tiles = (call->n_cols + tile_cols - 1) / tile_cols;
    call->fetch = fetch_begin(next, next ? next_bytes : 0);
    call->fetch_bytes = next ? next_bytes / (row_tiles * col_tiles * steps + 1) + 1 : 0;
}
