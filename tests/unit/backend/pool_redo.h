/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool_redo.h - a job whose chunks may be redone: every chunk reads all of the wave before it, some
 * stall half way, and the values must be those of one worker. Two arenas take turns, as a compiled
 * program's do; nothing here is atomic but the counters, so the pool alone keeps late readers and
 * the next job apart. */
#ifndef KW_TEST_POOL_REDO_H
#define KW_TEST_POOL_REDO_H

#include "pool_test.h"

#include <time.h>

enum { REDO_WAVES = 12, REDO_CHUNKS = 9, REDO_ARENAS = 2 };

typedef struct arena {
    uint32_t value[REDO_WAVES][REDO_CHUNKS];
    uint32_t n_commits[REDO_WAVES][REDO_CHUNKS];
    uint32_t chunks[REDO_WAVES];
    bool redo[REDO_WAVES];
    uint32_t seed, job;
    struct redone *owner;
} arena;

typedef struct redone {
    arena arenas[REDO_ARENAS];
    struct {
        _Alignas(64) uint32_t value;
    } aside[MAX_POOL_WORKERS];
    uint32_t n_chunks;       /* of all jobs, in waves that allow redo */
    _Atomic uint32_t n_runs; /* of them; more than n_chunks: some were redone */
    bool stalls;
} redone;

static inline uint32_t mix(uint32_t a, uint32_t b)
{
    a = (a ^ b) * 0x9e3779b1u;
    return a ^ a >> 15;
}

/* One run in twelve is put aside for up to 2 ms. */
static inline void put_aside(void)
{
    static _Thread_local uint32_t n;
    n = mix(n + 1, (uint32_t)(uintptr_t)&n);
    if (n % 12 == 0)
        (void)nanosleep(&(struct timespec){0, (long)(n >> 8) % 2000000}, NULL);
}

/* What chunk c of wave w is: made of every value of the wave before it that has any. */
static inline uint32_t redo_value(const arena *a, uint32_t w, uint32_t c, bool stalls)
{
    uint32_t sum = mix(a->seed, w * REDO_CHUNKS + c), from = w;
    while (from > 0 && a->chunks[from - 1] == 0)
        from--;
    for (uint32_t i = 0; from > 0 && i < a->chunks[from - 1]; i++) {
        if (stalls && i == a->chunks[from - 1] / 2)
            put_aside();
        sum = mix(sum, a->value[from - 1][i]);
    }
    return sum;
}

static inline void redo_run(void *user, uint32_t w, uint32_t c, int index)
{
    arena *a = user;
    redone *r = a->owner;
    if (!a->redo[w]) {
        a->value[w][c] = redo_value(a, w, c, false);
        a->n_commits[w][c]++;
        return;
    }
    atomic_fetch_add(&r->n_runs, 1);
    r->aside[index].value = redo_value(a, w, c, r->stalls);
}

static inline void redo_commit(void *user, uint32_t w, uint32_t c, int index)
{
    arena *a = user;
    a->value[w][c] = a->owner->aside[index].value;
    a->n_commits[w][c]++;
}

/* Runs one random job and returns the number of wrong values. */
static inline uint32_t redo_once(kw_pool *pool, redone *r, uint32_t seed)
{
    arena *a = &r->arenas[seed % REDO_ARENAS];
    kw_pool_await(pool, a->job);
    *a = (arena){.seed = seed, .owner = r};
    for (uint32_t w = 0; w < REDO_WAVES; w++) {
        a->chunks[w] = kw_rng_u32(seed, 7, w) % (REDO_CHUNKS + 1);
        a->redo[w] = kw_rng_u32(seed, 8, w) % 4 != 0;
        r->n_chunks += a->redo[w] ? a->chunks[w] : 0;
    }
    a->job = kw_pool_run(pool, &(kw_job){.n_waves = REDO_WAVES,
                                         .chunks = a->chunks,
                                         .run = redo_run,
                                         .user = a,
                                         .redo = a->redo,
                                         .commit = redo_commit});
    uint32_t faults = 0;
    for (uint32_t w = 0; w < REDO_WAVES; w++)
        for (uint32_t c = 0; c < a->chunks[w]; c++)
            faults += a->n_commits[w][c] != 1 || a->value[w][c] != redo_value(a, w, c, false);
    return faults;
}

#endif
