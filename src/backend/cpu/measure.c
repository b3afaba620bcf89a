/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* measure.c - the roofline: plain sequential reads, and dot products of bytes and of floats that
 * need no memory, by the instructions of the chosen kernels.
 *
 * Each figure is the best of the repetitions that fit its share of the time: a limit is what the
 * machine can do, not what it did while something else ran. */
#include "backend/cpu/measure.h"

#include "backend/cpu/program.h"
#include "base/check.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_READ_BYTES ((size_t)256 << 20)
#define MOST_READ_BYTES ((size_t)1 << 30)
#define READ_CHUNKS 64
#define PEAK_ROUNDS 2000 /* of one chunk: some tens of microseconds */
#define PEAK_CHUNKS 32   /* a worker */

typedef struct bench {
    kw_device *device;
    const uint64_t *data;  /* [bytes] */
    size_t bytes;          /* a multiple of the chunks' */
    _Atomic uint64_t sink; /* keeps the sums alive */
    uint64_t (*peak)(uint64_t rounds);
} bench;

static void read_chunk(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    bench *b = user;
    const size_t words = b->bytes / READ_CHUNKS / sizeof(uint64_t);
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

static void peak_chunk(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    bench *b = user;
    (void)wave;
    (void)chunk;
    (void)worker;
    b->peak(PEAK_ROUNDS);
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
            kw_pool_run(b->device->pool,
                        &(kw_job){.n_waves = 1, .chunks = &n, .run = run, .user = b});
        for (uint32_t c = 0; !pool && c < n; c++)
            run(b, 0, c, 0);
        const uint64_t took = KW_MAX(kw_clock_ns() - from, (uint64_t)1);
        best = KW_MAX(best, amount / (double)took);
    } while ((double)(kw_clock_ns() - start) < seconds * 1e9);
    return best;
}

/* Operations a second in units of 1e9, by one worker or by all. */
static double best_peak(bench *b, uint64_t (*peak)(uint64_t), bool pool, double seconds)
{
    const uint32_t n = PEAK_CHUNKS * (pool ? (uint32_t)b->device->n_workers : 1);
    b->peak = peak;
    return best_rate(b, peak_chunk, n, pool, n * (double)peak(PEAK_ROUNDS), seconds);
}

static void measure(bench *b, double seconds, kw_limits *out)
{
    const kw_cpu_kernels *k = &b->device->kernels;
    const double share = seconds / 6;
    out->read_gbps_1 = best_rate(b, read_chunk, READ_CHUNKS, false, (double)b->bytes, share);
    out->read_gbps_n = best_rate(b, read_chunk, READ_CHUNKS, true, (double)b->bytes, share);
    out->int8_gops_1 = best_peak(b, k->peak_int8, false, share);
    out->int8_gops_n = best_peak(b, k->peak_int8, true, share);
    out->f32_gflops_1 = best_peak(b, k->peak_f32, false, share);
    out->f32_gflops_n = best_peak(b, k->peak_f32, true, share);
}

/* Twice the last-level cache, or it would be the cache that is measured; of memory that is free. */
static size_t read_bytes(void)
{
    kw_system system;
    kw_system_query(&system);
    const uint64_t want = KW_MIN(2 * system.cache_bytes, (uint64_t)MOST_READ_BYTES);
    const bool fits = system.available_bytes / 4 > want;
    return fits && want > LEAST_READ_BYTES ? (size_t)(want >> 20 << 20) : LEAST_READ_BYTES;
}

kw_status kw_cpu_measure(kw_device *device, double seconds, kw_limits *out, kw_error *err)
{
    const size_t bytes = read_bytes();
    uint64_t *data = kw_pages_alloc(bytes);
    if (!data)
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for a measurement of %zu MiB", bytes >> 20);
    for (size_t i = 0; i < bytes / sizeof *data; i++)
        data[i] = i;
    measure(&(bench){.device = device, .data = data, .bytes = bytes}, seconds, out);
    kw_pages_free(data, bytes);
    return KW_OK;
}
