/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* amx_bf16.inc.h - fast products of floats by tiles: tokens are rows of tiles, as they lie in an
 * activation tile; rows of weights are columns, so outputs leave a tile in their order.
 *
 * A stretch of the panel stays in the first-level cache for all tokens of a call. */

enum {
    BF_TOKENS = 2 * KW_BF16_COLUMNS, /* two tiles of tokens share two tiles of weights */
    BF_STRETCH = 16                  /* steps */
};
static_assert(KW_BF16_COLUMNS == KV_TILE && BF_COLUMNS % BF_TOKENS == 0, "whole tiles");

typedef float bf_sums[4][KV_TILE][KV_TILE]; /* of BF_TOKENS tokens by 32 rows */

/* n steps of two activation tiles, x and `second`; NULL: there is one. Sums are in tiles 0 to 3. */
static KV_INLINE void bf_products(const uint8_t *w, const uint8_t *x, const uint8_t *second,
                                  size_t n, spreader *next)
{
    for (size_t s = 0; s < n; s++, w += BF_STEP_BYTES, x += BF_X_BYTES) {
        spread_step(next);
        kv_tile_load(4, x, 64);
        kv_tile_load(6, w, 64);
        kv_tile_dot_bf16(0, 4, 6);
        kv_tile_load(7, w + BF_HALF_BYTES, 64);
        kv_tile_dot_bf16(1, 4, 7);
        if (second) {
            kv_tile_load(5, second, 64);
            kv_tile_dot_bf16(2, 5, 6);
            kv_tile_dot_bf16(3, 5, 7);
            second += BF_X_BYTES;
        }
    }
}

static void bf_begin(bf_sums sums, bool first)
{
    if (first) {
        kv_tile_zero(0);
        kv_tile_zero(1);
        kv_tile_zero(2);
        kv_tile_zero(3);
        return;
    }
    kv_tile_load(0, sums[0], 64);
    kv_tile_load(1, sums[1], 64);
    kv_tile_load(2, sums[2], 64);
    kv_tile_load(3, sums[3], 64);
}

static void bf_end(bf_sums sums)
{
    kv_tile_store(0, sums[0]);
    kv_tile_store(1, sums[1]);
    kv_tile_store(2, sums[2]);
    kv_tile_store(3, sums[3]);
}

static void bf_store(const kw_gemm_args *a, size_t first, bf_sums sums)
{
    const size_t n_tokens = KW_MIN(a->n_cols - first, (size_t)BF_TOKENS);
    for (size_t t = 0; t < n_tokens; t++) {
        float *out = a->out + (first + t) * a->out_stride;
        const size_t tile = t / KV_TILE * 2, row = t % KV_TILE;
        for (size_t r = 0; r < a->n_rows; r += KV_TILE)
            memcpy(out + r, sums[tile + r / KV_TILE][row],
                   KW_MIN(a->n_rows - r, (size_t)KV_TILE) * sizeof(float));
    }
}

static void gemm_amx_bf16(const kw_gemm_args *args)
{
    bf_sums *sums = args->work;
    const size_t steps = bf_steps(args->k), tile_bytes = steps * BF_X_BYTES;
    const size_t n_sums = (args->n_cols + BF_TOKENS - 1) / BF_TOKENS;
    gemm_call call = gemm_begin(args, n_sums * steps);
    kv_tiles_begin(2 * BF_K);
    for (size_t at = 0; at < steps; at += BF_STRETCH) {
        for (size_t i = 0; i < n_sums; i++) {
            const uint8_t *x =
                (const uint8_t *)args->x + 2 * i * tile_bytes + at * (size_t)BF_X_BYTES;
            const bool two = args->n_cols - i * BF_TOKENS > KV_TILE;
            bf_begin(sums[i], at == 0);
            bf_products(call.panel + at * BF_STEP_BYTES, x, two ? x + tile_bytes : NULL,
                        KW_MIN(steps - at, (size_t)BF_STRETCH), &call.next);
            bf_end(sums[i]);
        }
    }
    kv_tiles_end();
    for (size_t i = 0; i < n_sums; i++)
        bf_store(args, i * BF_TOKENS, sums[i]);
}
