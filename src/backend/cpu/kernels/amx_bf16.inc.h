/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* amx_bf16.inc.h - batches of f16 and bf16 weights in bf16: fast kernels, not exact ones.
 *
 * Weights and activations are rounded to bf16 (eight bits), products and sums are f32. Tokens are
 * rows of tiles, as they lie in memory; rows of weights are columns, turned when the panel is made,
 * so outputs leave a tile in their final order.
 *
 * Panel: for each 32 elements of k, for each half of its 32 rows: bf16 [16 pairs][16 rows][2]. */

enum {
    BF_K = 32,        /* elements of k of one product */
    BF_TOKENS = 32,   /* two tiles of tokens share two tiles of weights */
    BF_STRETCH = 512, /* elements of k of the tokens that are rounded at once */
    BF_TILE_BYTES = 64 * KV_TILE,
    BF_PACKED = BF_STRETCH + BF_K /* so that rows do not fall into the same sets of the cache */
};

static size_t panel_bytes_bf16(size_t k)
{
    return (k + BF_K - 1) / BF_K * AMX_ROW_TILES * BF_TILE_BYTES;
}

/* n <= 32 weights as bf16, and zeros. The type is a constant wherever this is inlined. */
static KV_INLINE kv_i bf_weights(const kw_dtype dtype, const uint8_t *p, size_t n)
{
    uint16_t part[BF_K] = {0};
    if (n < BF_K) {
        memcpy(part, p, n * sizeof *part);
        p = (const uint8_t *)part;
    }
    if (dtype == KW_BF16)
        return kv_load_lanes(p);
    const uint16_t *half = (const uint16_t *)(const void *)p;
    return kv_bf16_of(kv_load_f16(half), kv_load_f16(half + 16));
}

/* Elements [at, at + n) of 16 rows from `row` on; those beyond n_rows are zeros. */
static KV_INLINE void panel_bf16_tile(uint8_t *dst, const uint8_t *w, size_t row_bytes, size_t row,
                                      size_t n_rows, size_t n, const kw_dtype dtype)
{
    static const uint8_t nothing[2 * BF_K];
    kv_b32 first[KV_TILE], second[KV_TILE];
    KV_UNROLL
    for (size_t r = 0; r < KV_TILE; r++) {
        const bool there = row + r < n_rows;
        const kv_i pairs =
            there ? bf_weights(dtype, w + (row + r) * row_bytes, n) : kv_load_lanes(nothing);
        kv_halves_of(pairs, &first[r], &second[r]);
    }
    kv_rows_b out[16];
    kv_transpose(out, first);
    kv_transpose(out + 8, second);
    KV_UNROLL
    for (size_t j = 0; j < 16; j++)
        kv_rows_store(dst + 64 * j, out[j]);
}

static KV_INLINE void panel_bf16(void *panel, const void *w, size_t row_bytes, size_t n_rows,
                                 size_t k, const kw_dtype dtype)
{
    uint8_t *dst = panel;
    for (size_t at = 0; at < k; at += BF_K)
        for (size_t row = 0; row < KW_PANEL_ROWS; row += KV_TILE, dst += BF_TILE_BYTES)
            panel_bf16_tile(dst, (const uint8_t *)w + at * sizeof(uint16_t), row_bytes, row, n_rows,
                            KW_MIN(k - at, (size_t)BF_K), dtype);
}

static void panel_bf16_f16(void *panel, const void *w, size_t row_bytes, size_t n_rows, size_t k)
{
    panel_bf16(panel, w, row_bytes, n_rows, k, KW_F16);
}

static void panel_bf16_bf16(void *panel, const void *w, size_t row_bytes, size_t n_rows, size_t k)
{
    panel_bf16(panel, w, row_bytes, n_rows, k, KW_BF16);
}

typedef uint16_t bf_tokens[BF_TOKENS][BF_PACKED];

/* Elements [at, at + n) of n_tokens rows x[k]; n is ragged only at the end of k. */
static void bf_round(bf_tokens out, const float *x, size_t k, size_t n_tokens, size_t at, size_t n)
{
    for (size_t t = 0; t < n_tokens; t++) {
        const float *src = x + t * k + at;
        size_t i = 0;
        for (; i + BF_K <= n; i += BF_K)
            kv_store_lanes(out[t] + i, kv_bf16_of(kv_load(src + i), kv_load(src + i + 16)));
        if (i < n) {
            float part[BF_K] = {0};
            memcpy(part, src + i, (n - i) * sizeof *part);
            kv_store_lanes(out[t] + i, kv_bf16_of(kv_load(part), kv_load(part + 16)));
        }
    }
}

/* At most BF_TOKENS tokens times the panel; sums are left in tiles 0 to 3. */
static void bf_products(bf_tokens tokens, const kw_gemm_args *a, size_t first, size_t n_tokens,
                        spreader *next)
{
    const float *x = (const float *)a->x + first * a->k;
    const uint8_t *w = a->panel;
    const size_t stride = sizeof tokens[0];
    kv_tile_zero(0);
    kv_tile_zero(1);
    kv_tile_zero(2);
    kv_tile_zero(3);
    for (size_t at = 0; at < a->k; at += BF_STRETCH) {
        const size_t n = KW_MIN(a->k - at, (size_t)BF_STRETCH);
        bf_round(tokens, x, a->k, n_tokens, at, n);
        for (size_t i = 0; i < n; i += BF_K, w += AMX_ROW_TILES * BF_TILE_BYTES) {
            spread_step(next);
            kv_tile_load(4, tokens[0] + i, stride);
            kv_tile_load(6, w, 64);
            kv_tile_dot_bf16(0, 4, 6);
            kv_tile_load(7, w + BF_TILE_BYTES, 64);
            kv_tile_dot_bf16(1, 4, 7);
            if (n_tokens > KV_TILE) {
                kv_tile_load(5, tokens[KV_TILE] + i, stride);
                kv_tile_dot_bf16(2, 5, 6);
                kv_tile_dot_bf16(3, 5, 7);
            }
        }
    }
}

/* Tiles [2 * half] and the next hold 16 tokens by 32 rows. */
static void bf_store(const kw_gemm_args *a, size_t first, size_t n_tokens)
{
    _Alignas(64) float sums[4][KV_TILE][KV_TILE];
    kv_tile_store(0, sums[0]);
    kv_tile_store(1, sums[1]);
    kv_tile_store(2, sums[2]);
    kv_tile_store(3, sums[3]);
    for (size_t t = 0; t < n_tokens; t++) {
        float *out = a->out + (first + t) * a->out_stride;
        const size_t tile = t / KV_TILE * 2, row = t % KV_TILE;
        for (size_t r = 0; r < a->n_rows; r += KV_TILE)
            memcpy(out + r, sums[tile + r / KV_TILE][row],
                   KW_MIN(a->n_rows - r, (size_t)KV_TILE) * sizeof(float));
    }
}

static void gemm_bf16(const kw_gemm_args *args)
{
    _Alignas(64) bf_tokens tokens;
    const size_t steps = (args->n_cols + BF_TOKENS - 1) / BF_TOKENS * ((args->k + BF_K - 1) / BF_K);
    gemm_call call = gemm_begin(args, steps);
    memset(tokens, 0, sizeof tokens); /* rows without a token are multiplied as well */
    kv_tiles_begin(2 * BF_K);
    for (size_t first = 0; first < args->n_cols; first += BF_TOKENS) {
        const size_t n = KW_MIN(args->n_cols - first, (size_t)BF_TOKENS);
        bf_products(tokens, args, first, n, &call.next);
        bf_store(args, first, n);
    }
    kv_tiles_end();
}
