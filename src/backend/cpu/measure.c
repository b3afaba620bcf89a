/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* measure.c - the roofline: plain sequential reads, and the q8_0 matmul on data in cache.
 *
 * Each figure is the best of the repetitions that fit its share of the time: a limit is what the
 * machine can do, not what it did while something else ran. */
#include "backend/cpu/measure.h"

#include "backend/cpu/program.h"
#include "base/check.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

#define READ_BYTES ((size_t)256 << 20)
#define READ_CHUNKS 64
#define DOT_K 2048
#define DOT_REPEATS 64 /* gemm calls of one chunk */

typedef struct bench {
    kw_device *device;
    const uint64_t *data;  /* READ_BYTES */
    _Atomic uint64_t sink; /* keeps the sums alive */
    unsigned char *space;  /* n_workers times space_bytes: panel, activations, output */
    size_t space_bytes, panel_bytes, act_bytes;
} bench;

static void read_chunk(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    bench *b = user;
    const size_t words = READ_BYTES / READ_CHUNKS / sizeof(uint64_t);
    const uint64_t *p = b->data + chunk * words;
    uint64_t sum[16] = {0}, all = 0;
    (void)wave;
    (void)worker;
    for (size_t i = 0; i < words; i += 16)
        for (size_t j = 0; j < 16; j++)
            sum[j] ^= p[i + j];
    for (size_t j = 0; j < 16; j++)
        all ^= sum[j];
    atomic_fetch_xor_explicit(&b->sink, all, memory_order_relaxed);
}

static void dot_chunk(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    bench *b = user;
    const kw_cpu_kernels *k = &b->device->kernels;
    unsigned char *panel = b->space + (size_t)worker * b->space_bytes;
    unsigned char *act = panel + b->panel_bytes;
    float *out = (float *)(void *)(act + b->act_bytes);
    (void)wave;
    (void)chunk;
    for (int i = 0; i < DOT_REPEATS; i++)
        k->matmul[KW_Q8_0].gemm(&(kw_gemm_args){.out = out,
                                                .out_stride = KW_PANEL_ROWS,
                                                .panel = panel,
                                                .x = act,
                                                .k = DOT_K,
                                                .n_rows = KW_PANEL_ROWS,
                                                .n_cols = k->columns});
}

/* Units of `amount` a second for jobs of n chunks: on this thread alone, or on the pool. */
static double best_rate(bench *b, void (*run)(void *, uint32_t, uint32_t, int), uint32_t n,
                        bool pool, double amount, double seconds)
{
    const uint64_t start = kw_clock_ns();
    double best = 0;
    do {
        const uint64_t from = kw_clock_ns();
        if (pool)
            kw_pool_run(b->device->pool, &(kw_job){1, &n, run, b});
        for (uint32_t c = 0; !pool && c < n; c++)
            run(b, 0, c, 0);
        const uint64_t took = KW_MAX(kw_clock_ns() - from, (uint64_t)1);
        best = KW_MAX(best, amount / (double)took);
    } while ((double)(kw_clock_ns() - start) < seconds * 1e9);
    return best;
}

static void measure(bench *b, double seconds, kw_limits *out)
{
    const int n = b->device->n_workers;
    const double ops =
        2.0 * DOT_K * KW_PANEL_ROWS * (double)b->device->kernels.columns * DOT_REPEATS;
    const double share = seconds / 4;
    const uint32_t chunks = 32 * (uint32_t)n;
    out->read_gbps_1 = best_rate(b, read_chunk, READ_CHUNKS, false, (double)READ_BYTES, share);
    out->read_gbps_n = best_rate(b, read_chunk, READ_CHUNKS, true, (double)READ_BYTES, share);
    out->int8_gops_1 = best_rate(b, dot_chunk, 32, false, 32 * ops, share);
    out->int8_gops_n = best_rate(b, dot_chunk, chunks, true, chunks * ops, share);
}

kw_status kw_cpu_measure(kw_device *device, double seconds, kw_limits *out, kw_error *err)
{
    const kw_cpu_kernels *k = &device->kernels;
    bench b = {.device = device};
    b.panel_bytes = kw_align_up(k->matmul[KW_Q8_0].panel_bytes(DOT_K), 64);
    b.act_bytes = kw_align_up(k->columns * (DOT_K / 32) * KW_ACT_BLOCK, 64);
    b.space_bytes =
        kw_align_up(b.panel_bytes + b.act_bytes + KW_PANEL_ROWS * k->columns * sizeof(float), 4096);
    const size_t all = (size_t)device->n_workers * b.space_bytes;
    uint64_t *data = kw_pages_alloc(READ_BYTES);
    b.space = kw_pages_alloc(all);
    kw_status status = KW_OK;
    if (data && b.space) {
        for (size_t i = 0; i < READ_BYTES / sizeof *data; i++)
            data[i] = i;
        b.data = data;
        measure(&b, seconds, out);
    } else {
        status = kw_fail(err, KW_E_NOMEM, "cpu: no memory for a measurement of %zu MiB",
                         READ_BYTES >> 20);
    }
    if (data)
        kw_pages_free(data, READ_BYTES);
    if (b.space)
        kw_pages_free(b.space, all);
    return status;
}
