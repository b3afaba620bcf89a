/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm.inc.h - the walk over the tiles of a panel that all weight classes share. */

/* Memory to bring near, spread over a call: a miss is cheaper when it was asked for long before,
 * and not together with all others. */
typedef struct spreader {
    uintptr_t at, end;
    size_t due, bytes; /* owed now; added in each step */
} spreader;

static KV_INLINE void spread_step(spreader *s)
{
    s->due += s->bytes;
    for (; s->due >= 64 && s->at < s->end; s->due -= 64, s->at += 64)
        kv_prefetch((const void *)s->at);
}

typedef struct gemm_call {
    float *out;
    size_t out_stride;
    const uint8_t *panel;
    const void *x;
    size_t k, n_rows, n_cols;
    spreader next;
} gemm_call;

/* The prefetch is spread over n_steps steps. */
static KV_INLINE gemm_call gemm_begin(const kw_gemm_args *a, size_t n_steps)
{
    gemm_call call = {a->out, a->out_stride, a->panel, a->x, a->k, a->n_rows, a->n_cols, {0}};
    if (a->next)
        call.next = (spreader){(uintptr_t)a->next, (uintptr_t)a->next + a->next_bytes, 0,
                               a->next_bytes / (n_steps + 1) + 1};
    return call;
}

/* ---- integer classes: a lane is a row ---- */

enum {
    TILE_ROWS = KV_TILE_VECTORS * KV_ROWS,
    TILE_BLOCKS = KV_COLUMNS / KV_TILE_COLS /* of columns that share the registers */
};
static_assert(KW_PANEL_ROWS % TILE_ROWS == 0 && KV_COLUMNS % KV_TILE_COLS == 0, "whole tiles");

typedef kv_rows_f tile_sums[KV_TILE_VECTORS][KV_TILE_COLS];

/* Blocks that hold any column of this call; a constant where there is but one. */
static KV_INLINE size_t tile_blocks(const gemm_call *call)
{
    return TILE_BLOCKS == 1 ? 1 : (call->n_cols + KV_TILE_COLS - 1) / KV_TILE_COLS;
}

static KV_INLINE void tile_clear(tile_sums sum[TILE_BLOCKS])
{
    KV_UNROLL
    for (int i = 0; i < TILE_BLOCKS * KV_TILE_VECTORS * KV_TILE_COLS; i++)
        sum[i / (KV_TILE_VECTORS * KV_TILE_COLS)][i / KV_TILE_COLS % KV_TILE_VECTORS]
           [i % KV_TILE_COLS] = kv_rows_set1(0.0f);
}

static KV_INLINE void tile_store(const gemm_call *call, size_t row, tile_sums sum[TILE_BLOCKS])
{
    const size_t n = KW_MIN((size_t)TILE_ROWS, call->n_rows - row);
    KV_UNROLL
    for (size_t c = 0; c < KV_COLUMNS; c++) {
        float lanes[TILE_ROWS];
        KV_UNROLL
        for (size_t v = 0; v < KV_TILE_VECTORS; v++)
            kv_rows_storef(lanes + v * KV_ROWS, sum[c / KV_TILE_COLS][v][c % KV_TILE_COLS]);
        if (c < call->n_cols)
            memcpy(call->out + c * call->out_stride + row, lanes, n * sizeof *lanes);
    }
}

/* Four weights of every row times four activations of every column. */
static KV_INLINE void tile_step(kv_acc acc[KV_TILE_VECTORS][KV_TILE_COLS], const uint8_t *w,
                                const uint8_t *x, const kv_kind kind)
{
    KV_UNROLL
    for (int c = 0; c < KV_TILE_COLS; c++) {
        const kv_rows_b a = kv_rows_same(x + 4 * c);
        KV_UNROLL
        for (int v = 0; v < KV_TILE_VECTORS; v++)
            acc[v][c] = kv_acc_step(kind, acc[v][c], kv_rows_load_b(w + 4 * v * KV_ROWS), a);
    }
}
