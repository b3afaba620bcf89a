/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemv_f.inc.h - one column of floats times rows of float weights: sixteen lanes of fused sums,
 * folded by the fixed tree. Four rows at once share the column's loads. */

typedef struct f_type {
    kw_dtype dtype;
    size_t bytes;
} f_type;

#define TYPE_F32 ((f_type){KW_F32, 4})
#define TYPE_F16 ((f_type){KW_F16, 2})
#define TYPE_BF16 ((f_type){KW_BF16, 2})

/* Sixteen elements. The type is a constant wherever this is inlined. */
static KV_INLINE kv_f load_f(const f_type type, const void *p)
{
    return type.dtype == KW_F32   ? kv_load(p)
           : type.dtype == KW_F16 ? kv_load_f16(p)
                                  : kv_load_bf16(p);
}

/* n <= 16 elements and zeros. */
static KV_INLINE kv_f load_f_part(const void *p, size_t n, const f_type type)
{
    uint8_t lanes[64] = {0};
    memcpy(lanes, p, n * type.bytes);
    return load_f(type, lanes);
}

static KV_INLINE void gemv_f_tile(float sums[4], const uint8_t *const row[4], const float *x,
                                  size_t k, const f_type type, fetcher *fetch)
{
    kv_f lanes[4];
    const size_t whole = k / 16 * 16;
    KV_UNROLL
    for (int r = 0; r < 4; r++)
        lanes[r] = kv_zero();
    for (size_t i = 0; i < whole; i += 16) {
        const kv_f v = kv_load(x + i);
        KV_UNROLL
        for (int r = 0; r < 4; r++)
            lanes[r] = kv_fma(load_f(type, row[r] + i * type.bytes), v, lanes[r]);
        fetch_next(fetch, 4 * 16 * type.bytes);
    }
    if (whole < k) {
        const kv_f v = load_part(x + whole, k - whole);
        KV_UNROLL
        for (int r = 0; r < 4; r++)
            lanes[r] =
                kv_fma(load_f_part(row[r] + whole * type.bytes, k - whole, type), v, lanes[r]);
    }
    KV_UNROLL
    for (int r = 0; r < 4; r++)
        sums[r] = kv_sum(lanes[r]);
}

static KV_INLINE void gemv_f(float *out, const void *w, size_t row_bytes, size_t n_rows,
                             const void *x, size_t k, const void *next, const f_type type)
{
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *row[4];
        float sums[4];
        fetcher fetch = fetch_rows(w, row_bytes, r, n_rows, next);
        four_rows(row, w, row_bytes, r, n_rows);
        gemv_f_tile(sums, row, x, k, type, &fetch);
        store_rows(out, sums, r, n_rows);
    }
}
