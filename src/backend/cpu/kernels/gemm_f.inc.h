/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_f.inc.h - panels of 32 rows of float weights, times columns of floats.
 *
 * Panel: rows of f32, padded with zeros to whole vectors and by one vector more, so that the rows
 * of a tile do not fall into the same set of the cache. Each output keeps its own sixteen lanes. */

static size_t f_stride(size_t k)
{
    return kw_align_up(k, 16) + 16;
}

static size_t panel_bytes_f(size_t k)
{
    return KW_PANEL_ROWS * f_stride(k) * sizeof(float);
}

static KV_INLINE void panel_f(void *panel, const void *w, size_t row_bytes, size_t n_rows, size_t k,
                              const f_type type)
{
    const size_t whole = k / 16 * 16;
    for (size_t r = 0; r < KW_PANEL_ROWS; r++) {
        float *dst = (float *)panel + r * f_stride(k);
        const uint8_t *src = (const uint8_t *)w + r * row_bytes;
        if (r >= n_rows) {
            memset(dst, 0, f_stride(k) * sizeof *dst);
            continue;
        }
        for (size_t i = 0; i < whole; i += 16)
            kv_store(dst + i, load_f(type, src + i * type.bytes));
        kv_store(dst + whole, load_f_part(src + whole * type.bytes, k - whole, type));
    }
}

/* One tile: out[c][KV_F_ROWS] of KV_F_COLS columns at x[c]. */
static KV_INLINE void gemm_f_tile(float out[KV_F_COLS][KV_F_ROWS], const float *w,
                                  const float *const x[KV_F_COLS], size_t k, gemm_call *call)
{
    kv_f lanes[KV_F_ROWS][KV_F_COLS];
    const size_t whole = k / 16 * 16, stride = f_stride(k);
    KV_UNROLL
    for (int i = 0; i < KV_F_ROWS * KV_F_COLS; i++)
        lanes[i / KV_F_COLS][i % KV_F_COLS] = kv_zero();
    for (size_t i = 0; i < k; i += 16) {
        kv_f a[KV_F_ROWS];
        KV_UNROLL
        for (size_t r = 0; r < KV_F_ROWS; r++)
            a[r] = kv_load(w + r * stride + i);
        KV_UNROLL
        for (size_t c = 0; c < KV_F_COLS; c++) {
            const kv_f b = i < whole ? kv_load(x[c] + i) : load_part(x[c] + i, k - whole);
            KV_UNROLL
            for (size_t r = 0; r < KV_F_ROWS; r++)
                lanes[r][c] = kv_fma(a[r], b, lanes[r][c]);
        }
        fetch_next(&call->fetch, call->fetch_bytes);
    }
    KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++)
        KV_UNROLL
    for (size_t r = 0; r < KV_F_ROWS; r++)
        out[c][r] = kv_sum(lanes[r][c]);
}

static void gemm_f(float *out, size_t out_stride, const void *panel, const void *x, size_t k,
                   size_t n_rows, size_t n_cols, const void *next, size_t next_bytes)
{
    gemm_call call = {out, out_stride, panel, x, k, n_rows, n_cols, {0, 0, 0}, 0};
    gemm_fetch(&call, next, next_bytes, KV_F_ROWS, KV_F_COLS, k / 16 + 1);
    for (size_t c = 0; c < n_cols; c += KV_F_COLS) {
        const float *columns[KV_F_COLS];
        for (size_t i = 0; i < KV_F_COLS; i++)
            columns[i] = (const float *)x + KW_MIN(c + i, n_cols - 1) * k;
        for (size_t r = 0; r < n_rows; r += KV_F_ROWS) {
            float tile[KV_F_COLS][KV_F_ROWS];
            gemm_f_tile(tile, (const float *)panel + r * f_stride(k), columns, k, &call);
            gemm_store(&call, tile[0], KV_F_ROWS, r, c, KV_F_COLS);
        }
    }
}
