/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_f.inc.h - panels of 32 rows of float weights, times columns of floats.
 *
 * Panel: rows of f32, padded with zeros to whole vectors and by one vector more, so that the rows
 * of a tile do not fall into the same set of the cache. Each output keeps its own sixteen lanes. */

static_assert(KW_PANEL_ROWS % KV_F_ROWS == 0 && KW_PANEL_ROWS % 4 == 0, "whole tiles");

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

/* Columns of one call, and a stretch of k: the columns' part of it, packed, and a tile of weights
 * stay in the first-level cache. Where k is a power of two, unpacked columns would all fall into
 * the same sets of it. */
enum { F_COLUMNS = KV_F_BLOCKS * KV_F_COLS, F_STRETCH = 512, F_PACKED = F_STRETCH + 16 };

/* The lanes of the outputs of one tile. */
typedef float f_lanes[KV_F_COLS][KV_F_ROWS][16];

typedef struct f_work {
    _Alignas(64) float x[F_COLUMNS][F_PACKED];
    f_lanes lanes[KW_PANEL_ROWS / KV_F_ROWS][KV_F_BLOCKS]; /* between stretches */
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

/* n elements of KV_F_ROWS rows and of KV_F_COLS columns; n is a multiple of 16. first: the lanes
 * begin here. Unrolled: the turn of a loop this short costs a tenth of it. */
static KV_INLINE void gemm_f_tile(f_lanes lanes, const float *w, size_t w_stride, const float *x,
                                  size_t n, bool first)
{
    kv_f sum[KV_F_ROWS][KV_F_COLS];
    KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++) {
        KV_UNROLL
        for (size_t r = 0; r < KV_F_ROWS; r++)
            sum[r][c] = first ? kv_zero() : kv_load(lanes[c][r]);
    }
    KV_F_STEPS
    for (size_t k = 0; k < n; k += 16)
        tile_step_f(sum, w + k, w_stride, x + k, F_PACKED);
    KV_UNROLL
    for (size_t c = 0; c < KV_F_COLS; c++) {
        KV_UNROLL
        for (size_t r = 0; r < KV_F_ROWS; r++)
            kv_store(lanes[c][r], sum[r][c]);
    }
}

/* All outputs over elements [at, at + n); n is ragged only at the end of k. */
static void gemm_f_stretch(gemm_call *call, f_work *work, size_t at, size_t n)
{
    const size_t stride = f_stride(call->k), padded = kw_align_up(n, 16);
    const size_t n_blocks = (call->n_cols + KV_F_COLS - 1) / KV_F_COLS;
    for (size_t c = 0; c < n_blocks * KV_F_COLS; c++) {
        const size_t live = c < call->n_cols ? n : 0;
        memcpy(work->x[c], (const float *)call->x + c * call->k + at, live * sizeof(float));
        memset(work->x[c] + live, 0, (padded - live) * sizeof(float));
    }
    for (size_t r = 0; r * KV_F_ROWS < call->n_rows; r++) {
        const float *w = (const float *)(const void *)call->panel + r * KV_F_ROWS * stride + at;
        for (size_t b = 0; b < n_blocks; b++)
            if (at == 0)
                gemm_f_tile(work->lanes[r][b], w, stride, work->x[b * KV_F_COLS], padded, true);
            else
                gemm_f_tile(work->lanes[r][b], w, stride, work->x[b * KV_F_COLS], padded, false);
        spread_step(&call->next);
    }
}

/* The lanes' sums, to the places of the outputs. */
static void gemm_f_store(const kw_gemm_args *args, f_work *work)
{
    for (size_t c = 0; c < args->n_cols; c++) {
        for (size_t r = 0; r < args->n_rows; r += KV_F_ROWS) {
            const float *lanes = work->lanes[r / KV_F_ROWS][c / KV_F_COLS][c % KV_F_COLS][0];
            float sums[4];
            kv_f4_store(sums, kv_f4_sums(kv_load(lanes), kv_load(lanes + 16),
                                         kv_load(lanes + (KV_F_ROWS == 4 ? 32 : 0)),
                                         kv_load(lanes + (KV_F_ROWS == 4 ? 48 : 0))));
            memcpy(args->out + c * args->out_stride + r, sums,
                   KW_MIN((size_t)KV_F_ROWS, args->n_rows - r) * sizeof *sums);
        }
    }
}

static void gemm_f(const kw_gemm_args *args)
{
    f_work work;
    gemm_call call =
        gemm_begin(args, (args->k / F_STRETCH + 1) * ((args->n_rows - 1) / KV_F_ROWS + 1));
    for (size_t at = 0; at < args->k; at += F_STRETCH)
        gemm_f_stretch(&call, &work, at, KW_MIN((size_t)F_STRETCH, args->k - at));
    gemm_f_store(args, &work);
}
