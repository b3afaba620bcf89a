/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_f.inc.h - panels of 32 rows of float weights, times columns of floats.
 *
 * Panel: rows of f32, padded with zeros to whole vectors and by one vector more, so that the rows
 * of a tile do not fall into the same set of the cache. Each output keeps its own sixteen lanes. */

static_assert(KW_PANEL_ROWS % KV_F_ROWS == 0 && KV_COLUMNS % KV_F_COLS == 0, "whole tiles");

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

/* A stretch of k: the columns' part of it, packed, and a tile of weights stay in the first-level
 * cache. Where k is a power of two, unpacked columns would all fall into the same sets of it. */
enum { F_STRETCH = 512, F_PACKED = F_STRETCH + 16 };

typedef struct f_work {
    _Alignas(64) float x[KV_COLUMNS][F_PACKED];
    float lanes[KW_PANEL_ROWS][KV_COLUMNS][16]; /* of every output, between stretches */
} f_work;

/* Sixteen elements of KV_F_ROWS rows, w_stride apart, times those of KV_F_COLS columns. */
static KV_INLINE void tile_step_f(kv_f sum[KV_F_ROWS][KV_F_COLS], const float *w, size_t w_stride,
                                  const float *x, size_t x_stride)
{
    kv_f a[KV_F_ROWS];
    KV_UNROLL
    for (size_t r = 0; r < KV_F_ROWS; r++)
        a[r] = kv_load(w + r * w_stride);
    KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++) {
        const kv_f b = kv_load_shared(x + c * x_stride);
        KV_UNROLL
        for (size_t r = 0; r < KV_F_ROWS; r++)
            sum[r][c] = kv_fma(a[r], b, sum[r][c]);
    }
}

/* n elements of KV_F_ROWS rows from `row` on and of KV_F_COLS columns from `col` on; n is a
 * multiple of 16. w: the first row's. */
static KV_INLINE void gemm_f_tile(f_work *work, const float *w, size_t stride, size_t n, size_t row,
                                  size_t col)
{
    kv_f sum[KV_F_ROWS][KV_F_COLS];
    KV_UNROLL
    for (size_t r = 0; r < KV_F_ROWS; r++)
        KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++)
        sum[r][c] = kv_load(work->lanes[row + r][col + c]);
    for (size_t k = 0; k < n; k += 16)
        tile_step_f(sum, w + k, stride, work->x[col] + k, F_PACKED);
    KV_UNROLL
    for (size_t r = 0; r < KV_F_ROWS; r++)
        KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++)
        kv_store(work->lanes[row + r][col + c], sum[r][c]);
}

/* All outputs over elements [at, at + n); n is ragged only at the end of k. */
static void gemm_f_stretch(gemm_call *call, f_work *work, size_t at, size_t n)
{
    const size_t stride = f_stride(call->k);
    for (size_t c = 0; c < call->n_cols; c++) {
        memcpy(work->x[c], (const float *)call->x + c * call->k + at, n * sizeof(float));
        memset(work->x[c] + n, 0, (kw_align_up(n, 16) - n) * sizeof(float));
    }
    for (size_t r = 0; r < call->n_rows; r += KV_F_ROWS) {
        const float *w = (const float *)(const void *)call->panel + r * stride + at;
        for (size_t c = 0; c < call->n_cols; c += KV_F_COLS)
            gemm_f_tile(work, w, stride, kw_align_up(n, 16), r, c);
        spread_step(&call->next);
    }
}

static void gemm_f(const kw_gemm_args *args)
{
    f_work work;
    gemm_call call =
        gemm_begin(args, (args->k / F_STRETCH + 1) * ((args->n_rows - 1) / KV_F_ROWS + 1));
    memset(&work, 0, sizeof work);
    for (size_t at = 0; at < args->k; at += F_STRETCH)
        gemm_f_stretch(&call, &work, at, KW_MIN((size_t)F_STRETCH, args->k - at));
    for (size_t c = 0; c < args->n_cols; c++)
        for (size_t r = 0; r < args->n_rows; r++)
            args->out[c * args->out_stride + r] = kv_sum(kv_load(work.lanes[r][c]));
}
