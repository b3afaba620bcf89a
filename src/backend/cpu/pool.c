/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool.c - the ticket: one 64-bit word, wave sequence number << 32 | chunks not yet taken.
 *
 * A worker takes a chunk by decrementing the low half with a compare-and-swap. Until its swap has
 * succeeded it has read nothing but the ticket; afterwards the wave cannot end before the worker
 * has reported its chunk, so the job and everything the wave reads stay in place. `done` counts
 * reported chunks; the worker whose report completes the wave publishes the next ticket. Sequence
 * numbers never repeat within 2^32 waves, so a ticket of an earlier job cannot be taken for a later
 * one.
 *
 * Memory order: a report is acq_rel, publishing is release, taking is acquire; hence all writes of
 * a wave happen before every read of the next. */
#include "backend/cpu/pool.h"

#include "base/check.h"
#include "os/system.h"
#include "os/thread.h"

#include <stdlib.h>

#define SPIN_NS 50000u     /* inside a job: a wave is seldom longer */
#define RELAX_PER_CLOCK 64 /* spins between looks at the clock */

typedef struct worker {
    kw_pool *pool;
    kw_thread *thread;
    int index;
} worker;

struct kw_pool {
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic uint32_t done;   /* chunks of the open wave that are reported */
    _Alignas(64) _Atomic uint32_t opened; /* grows whenever a ticket is published; slept on */
    _Atomic uint32_t sleepers;
    _Atomic uint32_t stop;
    _Atomic uint32_t last;              /* number of the empty ticket that ends, or ended, a job */
    _Alignas(64) _Atomic uint32_t turn; /* 0 free, 1 taken, 2 taken and awaited */
    const kw_job *job;                  /* of the open wave */
    uint32_t wave;                      /* its index in the job */
    uint32_t total;                     /* its chunks */
    uint32_t seq;                       /* its number */
    int n_workers;
    worker *workers; /* [n_workers], 0 unused */
};

static void publish(kw_pool *pool, uint32_t seq, uint32_t chunks)
{
    atomic_store_explicit(&pool->ticket, (uint64_t)seq << 32 | chunks, memory_order_release);
    atomic_fetch_add(&pool->opened, 1);
    if (atomic_load(&pool->sleepers) > 0)
        kw_futex_wake(&pool->opened);
}

/* Opens the first wave from `wave` on that has chunks; past the last, publishes an empty ticket. */
static void open_wave(kw_pool *pool, uint32_t wave)
{
    const kw_job *job = pool->job;
    while (wave < job->n_waves && job->chunks[wave] == 0)
        wave++;
    pool->wave = wave;
    pool->total = wave < job->n_waves ? job->chunks[wave] : 0;
    pool->seq++;
    if (wave == job->n_waves)
        atomic_store_explicit(&pool->last, pool->seq, memory_order_relaxed);
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    publish(pool, pool->seq, pool->total);
}

/* Takes and runs one chunk; false when the open wave has none left. */
static bool work(kw_pool *pool, int index)
{
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    for (;;) {
        if ((uint32_t)ticket == 0)
            return false;
        if (atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1,
                                                  memory_order_acquire, memory_order_acquire))
            break;
    }
    const uint32_t wave = pool->wave, total = pool->total;
    pool->job->run(pool->job->user, wave, total - (uint32_t)ticket, index);
    if (atomic_fetch_add_explicit(&pool->done, 1, memory_order_acq_rel) + 1 == total)
        open_wave(pool, wave + 1);
    return true;
}

static uint64_t ticket_now(kw_pool *pool)
{
    return atomic_load_explicit(&pool->ticket, memory_order_acquire);
}

/* Waits until the ticket differs from an exhausted one: spins, then sleeps. `opened` is read before
 * the ticket is looked at again, so that a ticket published in between keeps it from sleeping. */
static void await_change(kw_pool *pool, uint64_t seen)
{
    const uint64_t start = kw_clock_ns();
    do {
        for (int i = 0; i < RELAX_PER_CLOCK; i++) {
            if (ticket_now(pool) != seen || atomic_load_explicit(&pool->stop, memory_order_relaxed))
                return;
            kw_cpu_relax();
        }
    } while (kw_clock_ns() - start < SPIN_NS);
    atomic_fetch_add(&pool->sleepers, 1);
    const uint32_t opened = atomic_load(&pool->opened);
    if (ticket_now(pool) == seen && atomic_load(&pool->stop) == 0)
        kw_futex_wait(&pool->opened, opened);
    atomic_fetch_sub(&pool->sleepers, 1);
}

static void worker_main(void *arg)
{
    const worker *self = arg;
    kw_pool *pool = self->pool;
    while (atomic_load(&pool->stop) == 0) {
        while (work(pool, self->index))
            continue;
        const uint64_t seen = ticket_now(pool);
        if ((uint32_t)seen == 0)
            await_change(pool, seen);
    }
}

static void lock(kw_pool *pool)
{
    uint32_t free_turn = 0;
    if (atomic_compare_exchange_strong(&pool->turn, &free_turn, 1))
        return;
    while (atomic_exchange(&pool->turn, 2) != 0)
        kw_futex_wait(&pool->turn, 2);
}

static void unlock(kw_pool *pool)
{
    if (atomic_exchange(&pool->turn, 0) == 2)
        kw_futex_wake(&pool->turn);
}

void kw_pool_run(kw_pool *pool, const kw_job *job)
{
    if (pool->n_workers == 1) {
        lock(pool);
        for (uint32_t w = 0; w < job->n_waves; w++)
            for (uint32_t c = 0; c < job->chunks[w]; c++)
                job->run(job->user, w, c, 0);
        unlock(pool);
        return;
    }
    lock(pool);
    pool->job = job;
    open_wave(pool, 0);
    for (;;) {
        while (work(pool, 0))
            continue;
        /* Only the ticket itself says that the job is over: whoever published it touches neither
         * the job nor the ticket any more. */
        const uint64_t seen = ticket_now(pool);
        if ((uint32_t)(seen >> 32) == atomic_load_explicit(&pool->last, memory_order_relaxed))
            break;
        if ((uint32_t)seen == 0)
            await_change(pool, seen);
    }
    unlock(pool);
}

int kw_pool_workers(const kw_pool *pool)
{
    return pool->n_workers;
}

void kw_pool_close(kw_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stop, 1);
    atomic_fetch_add(&pool->opened, 1);
    kw_futex_wake(&pool->opened);
    for (int i = 1; i < pool->n_workers; i++)
        if (pool->workers[i].thread)
            kw_thread_join(pool->workers[i].thread);
    free(pool->workers);
    free(pool);
}

kw_status kw_pool_open(int n_workers, kw_pool **out, kw_error *err)
{
    kw_assert(n_workers >= 1);
    const size_t bytes = kw_align_up(sizeof(kw_pool), 64);
    kw_pool *pool = aligned_alloc(64, bytes);
    worker *workers = calloc((size_t)n_workers, sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for a pool of %d threads", n_workers);
    }
    *pool = (kw_pool){.n_workers = n_workers, .workers = workers};
    for (int i = 1; i < n_workers; i++) {
        workers[i] = (worker){.pool = pool, .index = i};
        const kw_status status = kw_thread_start(&workers[i].thread, worker_main, &workers[i], err);
        if (status != KW_OK) {
            kw_pool_close(pool);
            return status;
        }
    }
    *out = pool;
    return KW_OK;
}
