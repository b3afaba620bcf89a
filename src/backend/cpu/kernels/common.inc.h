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

/* Bytes to bring near, a few at a time. A miss is cheaper when it was asked for long before, and
 * when it was not asked for together with all others. */
typedef struct fetcher {
    uintptr_t at, end;
    size_t due;
} fetcher;

static KV_INLINE fetcher fetch_begin(const void *p, size_t bytes)
{
    return (fetcher){(uintptr_t)p, (uintptr_t)p + bytes, 0};
}

static KV_INLINE void fetch_next(fetcher *f, size_t bytes)
{
    f->due += bytes;
    for (; f->due >= 64 && f->at < f->end; f->due -= 64, f->at += 64)
        kv_prefetch((const void *)f->at);
}

/* Memory runs ahead of four rows by whole tiles of four, this far at least: the latency of memory
 * times its bandwidth, and what the processor's own prefetcher does not see coming. */
enum { FETCH_AHEAD_BYTES = 18 * 1024 };

/* What to fetch while rows [row, row + 4) of n_rows are computed; nothing at the end. */
static KV_INLINE fetcher fetch_rows(const uint8_t *w, size_t row_bytes, size_t row, size_t n_rows)
{
    const size_t tile = 4 * row_bytes;
    const size_t ahead = (FETCH_AHEAD_BYTES + tile - 1) / tile * 4;
    if (row + ahead + 4 > n_rows)
        return fetch_begin(NULL, 0);
    return fetch_begin(w + (row + ahead) * row_bytes, tile);
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
