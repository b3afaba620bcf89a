/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool_test.h - a job that watches its own execution: every chunk of every wave once, no wave
 * before the one before it is complete, no worker at two chunks at a time. */
#ifndef KW_TEST_POOL_H
#define KW_TEST_POOL_H

#include "backend/cpu/pool.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WAVES = 24, MAX_CHUNKS = 64, MAX_POOL_WORKERS = 16 };

typedef struct watched {
    uint32_t chunks[MAX_WAVES];
    int n_workers;
    uint32_t plain[MAX_WAVES][MAX_CHUNKS]; /* not atomic: the pool alone orders these writes */
    _Atomic uint32_t times[MAX_WAVES][MAX_CHUNKS];
    _Atomic uint32_t done[MAX_WAVES];
    _Atomic uint32_t busy[MAX_POOL_WORKERS];
    _Atomic uint32_t n_faults;
} watched;

static inline void watch_chunk(void *user, uint32_t wave, uint32_t chunk, int index)
{
    watched *w = user;
    uint32_t faults = 0, sum = 0;
    if (wave >= MAX_WAVES || chunk >= w->chunks[wave] || index < 0 || index >= w->n_workers) {
        atomic_fetch_add(&w->n_faults, 1);
        return;
    }
    faults += atomic_fetch_add(&w->busy[index], 1) != 0;
    for (uint32_t before = 0; before < wave; before++) {
        faults += atomic_load(&w->done[before]) != w->chunks[before];
        for (uint32_t c = 0; c < w->chunks[before]; c++)
            sum += w->plain[before][c];
    }
    w->plain[wave][chunk] = sum + 1;
    faults += atomic_fetch_add(&w->times[wave][chunk], 1) != 0;
    atomic_fetch_add(&w->done[wave], 1);
    atomic_fetch_sub(&w->busy[index], 1);
    atomic_fetch_add(&w->n_faults, faults);
}

/* Random waves, a quarter of them empty. */
static inline uint32_t watched_shape(watched *w, uint64_t seed)
{
    const uint32_t n_waves = kw_rng_u32(seed, 1, 0) % (MAX_WAVES + 1);
    for (uint32_t i = 0; i < n_waves; i++)
        w->chunks[i] = kw_rng_u32(seed, 2, i) % 4 == 0
                           ? 0
                           : 1 + kw_rng_u32(seed, 3, i) % (i % 3 == 0 ? MAX_CHUNKS : 3);
    return n_waves;
}

/* Runs one job and returns the number of broken promises. Uses no assertion, so that any thread may
 * call it. */
static inline uint32_t watched_run(kw_pool *pool, watched *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->n_workers = kw_pool_workers(pool);
    const uint32_t n_waves = watched_shape(w, seed);
    uint32_t *chunks = malloc((n_waves + 1) * sizeof *chunks); /* so that a late read is seen */
    if (!chunks)
        return 1;
    memcpy(chunks, w->chunks, n_waves * sizeof *chunks);
    kw_pool_run(pool,
                &(kw_job){.n_waves = n_waves, .chunks = chunks, .run = watch_chunk, .user = w});
    free(chunks);
    uint32_t faults = atomic_load(&w->n_faults), sum = 0;
    for (uint32_t i = 0; i < n_waves; i++) {
        uint32_t next = sum;
        for (uint32_t c = 0; c < w->chunks[i]; c++) {
            faults += atomic_load(&w->times[i][c]) != 1;
            faults += w->plain[i][c] != sum + 1;
            next += w->plain[i][c];
        }
        sum = next;
    }
    return faults;
}

#endif
