/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bf16.inc.h - batches of f16 and bf16 weights in bf16: fast kernels, not exact ones.
 *
 * Weights and activations are rounded to bf16 (eight bits), products and sums are f32. Rows of
 * weights are lanes of vectors or columns of tiles, so they are turned when the panel is made.
 *
 * Panel: for each step of 32 elements of k, for each half of its 32 rows: bf16 [16 pairs][16
 * rows][2]. Activations: tiles of KW_BF16_A, rounded once for all panels. */

enum {
    BF_K = 32,    /* elements of k of a step */
    BF_HALF = 16, /* rows of a vector */
    BF_HALF_BYTES = 64 * BF_HALF,
    BF_STEP_BYTES = KW_PANEL_ROWS / BF_HALF * BF_HALF_BYTES,
    BF_X_BYTES = 2 * BF_K * KW_BF16_COLUMNS, /* of a step of an activation tile */
    BF_COLUMNS = 64                          /* of a call */
};

static size_t bf_steps(size_t k)
{
    return (k + BF_K - 1) / BF_K;
}

static size_t panel_bytes_bf16(size_t k)
{
    return bf_steps(k) * BF_STEP_BYTES;
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
    kv_b32 first[BF_HALF], second[BF_HALF];
    KV_UNROLL
    for (size_t r = 0; r < BF_HALF; r++) {
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
        for (size_t row = 0; row < KW_PANEL_ROWS; row += BF_HALF, dst += BF_HALF_BYTES)
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

/* n <= 32 numbers of a row, and zeros. */
static KV_INLINE kv_i bf_round(const float *x, size_t n)
{
    float part[BF_K] = {0};
    if (n < BF_K) {
        memcpy(part, x, n * sizeof *part);
        x = part;
    }
    return kv_bf16_of(kv_load(x), kv_load(x + 16));
}

static void pack_bf16(void *dst, const float *x, size_t k, size_t cols, size_t col)
{
    uint8_t *to = (uint8_t *)dst + 2 * BF_K * col;
    for (size_t at = 0; at < k; at += BF_K, to += 2 * BF_K * cols)
        kv_store_lanes(to, bf_round(x + at, KW_MIN(k - at, (size_t)BF_K)));
}

#define FAST(panel_name, gemm_name, work)                                                          \
    (kw_matmul_kernels)                                                                            \
    {                                                                                              \
        .weight_class = KW_CLASS_F, .activation = KW_BF16_A, .columns = BF_COLUMNS,                \
        .panel_rows = KW_PANEL_ROWS, .work_bytes = (work), .panel_bytes = panel_bytes_bf16,        \
        .panel = panel_name, .gemm = gemm_name                                                     \
    }

static void fill_fast(kw_cpu_kernels *out, void (*gemm)(const kw_gemm_args *), size_t work)
{
    out->pack_bf16 = pack_bf16;
    out->fast[KW_F16] = FAST(panel_bf16_f16, gemm, work);
    out->fast[KW_BF16] = FAST(panel_bf16_bf16, gemm, work);
}
