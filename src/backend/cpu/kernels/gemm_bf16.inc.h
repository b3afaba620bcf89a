/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_bf16.inc.h - fast products of floats by dot products of pairs of bf16: a lane is a row, a
 * pair of a token is broadcast. */

enum { BF_TILE = 8 /* tokens */ };
static_assert(KW_BF16_COLUMNS % BF_TILE == 0, "an activation tile is whole tiles");

/* All steps of BF_TILE tokens, x being the first one's. */
static KV_INLINE void bf_tile(float sums[BF_TILE][KW_PANEL_ROWS], const uint8_t *w,
                              const uint8_t *x, size_t steps, spreader *next)
{
    kv_f sum[BF_TILE][2];
    KV_UNROLL
    for (size_t t = 0; t < BF_TILE; t++)
        sum[t][0] = sum[t][1] = kv_zero();
    for (size_t s = 0; s < steps; s++, w += BF_STEP_BYTES, x += BF_X_BYTES) {
        spread_step(next);
        KV_ROLLED
        for (size_t pair = 0; pair < BF_K / 2; pair++) {
            const kv_i a = kv_load_lanes(w + 64 * pair);
            const kv_i b = kv_load_lanes(w + BF_HALF_BYTES + 64 * pair);
            KV_UNROLL
            for (size_t t = 0; t < BF_TILE; t++) {
                const kv_i v = kv_iset1((int32_t)kv_u32(x + 2 * BF_K * t + 4 * pair));
                sum[t][0] = kv_dot_bf16(sum[t][0], a, v);
                sum[t][1] = kv_dot_bf16(sum[t][1], b, v);
            }
        }
    }
    KV_UNROLL
    for (size_t t = 0; t < BF_TILE; t++) {
        kv_store(sums[t], sum[t][0]);
        kv_store(sums[t] + BF_HALF, sum[t][1]);
    }
}

static void gemm_bf16(const kw_gemm_args *args)
{
    const size_t steps = bf_steps(args->k), tile_bytes = steps * BF_X_BYTES;
    gemm_call call = gemm_begin(args, (args->n_cols + BF_TILE - 1) / BF_TILE * steps);
    for (size_t c = 0; c < args->n_cols; c += BF_TILE) {
        float sums[BF_TILE][KW_PANEL_ROWS];
        const uint8_t *x = (const uint8_t *)args->x + c / KW_BF16_COLUMNS * tile_bytes +
                           c % KW_BF16_COLUMNS * 2 * BF_K;
        bf_tile(sums, call.panel, x, steps, &call.next);
        for (size_t t = 0; t < KW_MIN(args->n_cols - c, (size_t)BF_TILE); t++)
            memcpy(args->out + (c + t) * args->out_stride, sums[t], args->n_rows * sizeof(float));
    }
}
