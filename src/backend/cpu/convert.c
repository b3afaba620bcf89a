/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* convert.c - rows from one element type to another, on the pool.
 *
 * A row goes through f32 in the worker's scratch, so that only one row a worker is ever held at
 * full precision. Rows are independent: the bytes do not depend on threads or chunks. */
#include "backend/cpu/convert.h"

#include "backend/cpu/program.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ELEMS 8192 /* of one ticket, in whole rows */

typedef struct conversion {
    const kw_conversion *what;
    void (*decode)(float *dst, const void *src, size_t n);
    kw_encode_fn encode;
    size_t from_bytes, to_bytes; /* of a row */
    int64_t chunk_rows;
    float *scratch; /* [workers][cols] */
} conversion;

static void convert_chunk(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    const conversion *const c = user;
    const kw_conversion *const what = c->what;
    const size_t n = (size_t)what->cols;
    float *const row = c->scratch + (size_t)worker * n;
    const int64_t first = (int64_t)chunk * c->chunk_rows;
    const int64_t end = KW_MIN(first + c->chunk_rows, what->rows);
    (void)wave;
    for (int64_t r = first; r < end; r++) {
        const int64_t from = what->order ? what->order[r] : r;
        c->decode(row, (const unsigned char *)what->src + (size_t)from * c->from_bytes, n);
        c->encode((unsigned char *)what->dst + (size_t)r * c->to_bytes, row, n, what->importance);
    }
}

kw_status kw_cpu_convert(kw_device *device, const kw_conversion *what, kw_error *err)
{
    const kw_cpu_kernels *const kernels = &device->kernels;
    conversion c = {.what = what,
                    .decode = kernels->decode[what->from],
                    .encode = kernels->encode[what->to],
                    .chunk_rows = KW_MAX(CHUNK_ELEMS / KW_MAX(what->cols, 1), 1)};
    if (!c.decode || !c.encode)
        return kw_fail(err, KW_E_UNSUPPORTED, "cpu: no conversion from %s to %s",
                       kw_dtype_info(what->from)->name, kw_dtype_info(what->to)->name);
    if (!kw_row_bytes(what->from, what->cols, &c.from_bytes) ||
        !kw_row_bytes(what->to, what->cols, &c.to_bytes))
        return kw_fail(err, KW_E_ARG, "cpu: rows of %lld do not convert from %s to %s",
                       (long long)what->cols, kw_dtype_info(what->from)->name,
                       kw_dtype_info(what->to)->name);
    const int64_t chunks = (what->rows + c.chunk_rows - 1) / c.chunk_rows;
    size_t bytes;
    if (chunks > UINT32_MAX || !kw_mul_size((size_t)what->cols, sizeof(float), &bytes) ||
        !kw_mul_size(bytes, (size_t)device->n_workers, &bytes))
        return kw_fail(err, KW_E_LIMIT, "cpu: %lld rows of %lld are too many to convert at once",
                       (long long)what->rows, (long long)what->cols);
    c.scratch = malloc(KW_MAX(bytes, (size_t)1));
    if (!c.scratch)
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for %zu bytes of rows", bytes);
    const uint32_t n = (uint32_t)chunks;
    kw_pool_run(device->pool,
                &(kw_job){.n_waves = 1, .chunks = &n, .run = convert_chunk, .user = &c});
    free(c.scratch);
    return KW_OK;
}
