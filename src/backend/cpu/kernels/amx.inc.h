/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* amx.inc.h - what the products by tiles share: outputs wait in memory as tiles of 16 rows by 16
 * columns, and are turned when they are done.
 *
 * Rows of weights are rows of tiles, columns of an activation tile are columns: an activation tile
 * of 16 columns is read as it is, and rows of weights are copied rather than turned into a panel.
 * Sums of products of bytes are exact, in whatever order the hardware adds them. */

enum {
    AMX_CALL_COLUMNS = 128, /* of one call: whole activation tiles */
    AMX_ROW_TILES = KW_PANEL_ROWS / KV_TILE,
    AMX_TILES = AMX_CALL_COLUMNS / KV_TILE * AMX_ROW_TILES
};
static_assert(KW_WIDE_COLUMNS == KV_TILE, "an activation tile is a tile");

typedef float amx_sums[KV_TILE][KV_TILE]; /* [row][column] */

/* The tiles of outputs of a call, those of the same columns side by side. */
typedef struct amx_call {
    const uint8_t *panel, *x;
    size_t x_tile; /* bytes of an activation tile */
    size_t k, row_tiles, n_tiles;
    amx_sums *sums; /* [n_tiles] */
    spreader next;
} amx_call;

/* n_steps: between which the prefetch is spread, for each tile of outputs */
static amx_call amx_begin(const kw_gemm_args *args, amx_sums *sums, size_t n_steps)
{
    amx_call call = {.panel = args->panel,
                     .x = args->x,
                     .x_tile = args->k / KW_QK * KW_ACT_BLOCK * KV_TILE,
                     .k = args->k,
                     .row_tiles = (args->n_rows + KV_TILE - 1) / KV_TILE,
                     .sums = sums};
    call.n_tiles = call.row_tiles * ((args->n_cols + KV_TILE - 1) / KV_TILE);
    if (args->next)
        call.next = (spreader){(uintptr_t)args->next, (uintptr_t)args->next + args->next_bytes, 0,
                               args->next_bytes / (n_steps * call.n_tiles + 1) + 1};
    memset(sums, 0, call.n_tiles * sizeof *sums);
    return call;
}

static void amx_store_tile(const kw_gemm_args *args, amx_sums *sums, size_t row, size_t col)
{
    const size_t rows = KW_MIN(args->n_rows - row, (size_t)KV_TILE);
    const size_t cols = KW_MIN(args->n_cols - col, (size_t)KV_TILE);
    _Alignas(64) float turned[KV_TILE][KV_TILE];
    for (size_t half = 0; half < 2; half++) {
        kv_b32 in[KV_TILE];
        kv_rows_b out[8];
        KV_UNROLL
        for (size_t r = 0; r < KV_TILE; r++)
            in[r] = kv_load_b32((*sums)[r] + 8 * half);
        kv_transpose(out, in);
        KV_UNROLL
        for (size_t c = 0; c < 8; c++)
            kv_rows_store(turned[8 * half + c], out[c]);
    }
    for (size_t c = 0; c < cols; c++)
        memcpy(args->out + (col + c) * args->out_stride + row, turned[c], rows * sizeof(float));
}

static void amx_store(const kw_gemm_args *args, const amx_call *call)
{
    for (size_t t = 0; t < call->n_tiles; t++)
        amx_store_tile(args, &call->sums[t], t % call->row_tiles * KV_TILE,
                       t / call->row_tiles * KV_TILE);
}
