/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* common.inc.h - ragged ends of rows, and prefetching spread over a kernel's work. */

/* x[0..n), n <= 16, and zeros. */
static KV_INLINE kv_f load_part(const float *p, size_t n)
{
    float lanes[16] = {0};
    memcpy(lanes, p, n * sizeof *p);
    return kv_load(lanes);
}

static KV_INLINE void store_part(float *p, kv_f x, size_t n)
{
    float lanes[16];
    kv_store(lanes, x);
    memcpy(p, lanes, n * sizeof *p);
}

/* Memory that gemv brings near while it computes four rows: the four rows this far ahead at least,
 * by whole tiles of four. It is the latency of memory times its bandwidth, and what the processor's
 * own prefetcher does not see coming. */
enum { FETCH_AHEAD_BYTES = 18 * 1024 };

typedef struct fetcher {
    uintptr_t at, step_mask;
} fetcher;

/* For rows [row, row + at_once) of n_rows. Beyond the end it goes on from `next`; where there is
 * none it asks again for what is near already. */
static KV_INLINE fetcher fetch_tile(const uint8_t *w, size_t row_bytes, size_t row, size_t n_rows,
                                    const void *next, size_t at_once)
{
    const size_t tile = at_once * row_bytes;
    const size_t ahead = row + (FETCH_AHEAD_BYTES + tile - 1) / tile * at_once;
    if (ahead < n_rows)
        return (fetcher){(uintptr_t)w + ahead * row_bytes, UINTPTR_MAX};
    if (next)
        return (fetcher){(uintptr_t)next + (ahead - n_rows) * row_bytes, UINTPTR_MAX};
    return (fetcher){(uintptr_t)w + row * row_bytes, 0};
}

static KV_INLINE fetcher fetch_rows(const uint8_t *w, size_t row_bytes, size_t row, size_t n_rows,
                                    const void *next)
{
    return fetch_tile(w, row_bytes, row, n_rows, next, 4);
}

/* The next `bytes`, a constant: no branch, and a line more than once rather than never. */
static KV_INLINE void fetch_next(fetcher *f, size_t bytes)
{
    KV_UNROLL
    for (size_t i = 0; i < bytes; i += 64)
        kv_prefetch((const void *)(f->at + i));
    f->at += bytes & f->step_mask;
}

/* Pointers to four rows from `row` on; the last one stands in for those beyond n_rows. */
static KV_INLINE void four_rows(const uint8_t *out[4], const void *w, size_t row_bytes, size_t row,
                                size_t n_rows)
{
    for (size_t i = 0; i < 4; i++)
        out[i] = (const uint8_t *)w + KW_MIN(row + i, n_rows - 1) * row_bytes;
}

static KV_INLINE void store_rows(float *out, const float sums[4], size_t row, size_t n_rows)
{
    for (size_t i = 0; i < 4 && row + i < n_rows; i++)
        out[row + i] = sums[i];
}
