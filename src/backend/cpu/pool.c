/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool.c - the ticket: one 64-bit word, wave sequence number << 32 | chunks not yet taken.
 *
 * A worker takes a chunk by decrementing the low half with a compare-and-swap. Before that it has
 * read nothing but the ticket and the description of the open wave, all of them atomics; when its
 * swap succeeds, the description was that of the ticket's wave. `done` counts reported chunks; the
 * worker whose report completes the wave publishes the next ticket. Sequence numbers never repeat
 * within 2^32 waves, so a ticket of an earlier job cannot be taken for a later one.
 *
 * Redo. In a wave that allows it a worker shows the chunk it holds in its slot. A worker that has
 * found nothing to do for REDO_NS while the wave is not complete counts itself into the slot of
 * another and computes that chunk too, beside its owner; whoever of them swaps the slot first
 * commits and reports, and the others throw away what they have: equal bits. So a worker that the
 * system has put aside holds up nobody, but it may still read when its wave, or its job, is over.
 * Each slot therefore says until when its worker reads, and kw_pool_await waits for that. A worker
 * enters before a swap that the wave's end must see: its own slot is set before the owner's is
 * swapped, and the wave cannot end before somebody has swapped the owner's slot once more. What a
 * job's waves read must stay until then; they write only in commit(), which the wave waits for.
 *
 * Memory order: a report is acq_rel, publishing is release, taking is acquire; hence all writes of
 * a wave happen before every read of the next. Swaps of a slot are acq_rel: what redoers have read
 * of the description was read before the wave could end. */
#include "backend/cpu/pool.h"

#include "base/check.h"
#include "os/system.h"
#include "os/thread.h"

#include <stdlib.h>

#define SPIN_NS 50000u     /* inside a job: a wave is seldom longer */
#define REDO_NS 30000u     /* several times what a chunk takes on a worker that runs */
#define MAX_REDOERS 2      /* of one chunk: the first may have been put aside as well */
#define RELAX_PER_CLOCK 64 /* spins between looks at the clock */

/* A slot: sequence number << 32 | chunk << 8 | redoers << 4 | state. */
enum { OUT, HELD, LOST, REDOING };
#define MAX_REDO_CHUNKS (1u << 24)
#define ONE_REDOER 16u

typedef struct worker {
    _Alignas(64) _Atomic uint64_t slot;
    kw_pool *pool;
    kw_thread *thread;
    int index;
} worker;

typedef void (*chunk_fn)(void *user, uint32_t wave, uint32_t chunk, int worker);

struct kw_pool {
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic uint32_t done; /* chunks of the open wave that are reported */
    /* The open wave: stored before its ticket is published, copied before a swap. */
    _Alignas(64) _Atomic(chunk_fn) run;
    _Atomic(chunk_fn) commit; /* NULL: no redo */
    _Atomic(void *) user;
    _Atomic uint32_t wave;  /* its index in the job */
    _Atomic uint32_t total; /* its chunks */
    /* Grows when a ticket is published, or a late worker is out; slept on. */
    _Alignas(64) _Atomic uint32_t opened;
    _Atomic uint32_t sleepers;
    _Atomic uint32_t stop;
    _Atomic uint32_t last; /* number of the empty ticket that ends, or ended, a job */
    _Atomic uint32_t turn; /* 0 free, 1 taken, 2 taken and awaited */
    uint32_t seq;          /* number of the open wave */
    const kw_job *job;
    worker *workers; /* [n_workers]; 0 is the caller, without a thread */
    int n_workers;
    kw_cpus cpus;
};

/* One chunk of the open wave, with all that is needed to run it. */
typedef struct task {
    chunk_fn run, commit;
    void *user;
    uint32_t seq, wave, total, chunk;
} task;

static uint64_t slot_of(const task *t, unsigned state)
{
    return (uint64_t)t->seq << 32 | (uint64_t)t->chunk << 8 | state;
}

static unsigned state_of(uint64_t slot)
{
    return slot & 15;
}

/* A copy of the description; valid once the caller's next swap has succeeded. */
static task describe(kw_pool *pool)
{
    return (task){.run = atomic_load_explicit(&pool->run, memory_order_relaxed),
                  .commit = atomic_load_explicit(&pool->commit, memory_order_relaxed),
                  .user = atomic_load_explicit(&pool->user, memory_order_relaxed),
                  .wave = atomic_load_explicit(&pool->wave, memory_order_relaxed),
                  .total = atomic_load_explicit(&pool->total, memory_order_relaxed)};
}

static void wake_sleepers(kw_pool *pool)
{
    atomic_fetch_add(&pool->opened, 1);
    if (atomic_load(&pool->sleepers) > 0)
        kw_futex_wake(&pool->opened);
}

static void publish(kw_pool *pool, uint32_t seq, uint32_t chunks)
{
    atomic_store_explicit(&pool->ticket, (uint64_t)seq << 32 | chunks, memory_order_release);
    wake_sleepers(pool);
}

/* Opens the first wave from `wave` on that has chunks; past the last, publishes an empty ticket. */
static void open_wave(kw_pool *pool, uint32_t wave)
{
    const kw_job *job = pool->job;
    while (wave < job->n_waves && job->chunks[wave] == 0)
        wave++;
    const bool end = wave == job->n_waves;
    const uint32_t total = end ? 0 : job->chunks[wave];
    const bool redo = !end && job->redo && job->redo[wave] && total <= MAX_REDO_CHUNKS;
    atomic_store_explicit(&pool->wave, wave, memory_order_relaxed);
    atomic_store_explicit(&pool->total, total, memory_order_relaxed);
    atomic_store_explicit(&pool->run, job->run, memory_order_relaxed);
    atomic_store_explicit(&pool->commit, redo ? job->commit : NULL, memory_order_relaxed);
    atomic_store_explicit(&pool->user, job->user, memory_order_relaxed);
    pool->seq++;
    if (end)
        atomic_store_explicit(&pool->last, pool->seq, memory_order_relaxed);
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    publish(pool, pool->seq, total);
}

static void report(kw_pool *pool, const task *t)
{
    if (atomic_fetch_add_explicit(&pool->done, 1, memory_order_acq_rel) + 1 == t->total)
        open_wave(pool, t->wave + 1);
}

/* A worker that may have been late says that it reads nothing any more. */
static void leave(kw_pool *pool, int self)
{
    atomic_store(&pool->workers[self].slot, OUT);
    wake_sleepers(pool);
}

/* Ends the task that a slot shows, for everybody; false when another has. */
static bool settle(_Atomic uint64_t *slot, const task *t, uint64_t to)
{
    uint64_t seen = atomic_load_explicit(slot, memory_order_relaxed);
    while (state_of(seen) == HELD && seen >> 8 == slot_of(t, HELD) >> 8)
        if (atomic_compare_exchange_weak_explicit(slot, &seen, to, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void run_held(kw_pool *pool, int self, const task *t)
{
    _Atomic uint64_t *slot = &pool->workers[self].slot;
    atomic_store_explicit(slot, slot_of(t, HELD), memory_order_release);
    t->run(t->user, t->wave, t->chunk, self);
    if (!settle(slot, t, OUT)) {
        leave(pool, self);
        return;
    }
    t->commit(t->user, t->wave, t->chunk, self);
    report(pool, t);
}

/* Takes and runs one chunk; false when the open wave has none left. */
static bool work(kw_pool *pool, int self)
{
    task t;
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    do {
        if ((uint32_t)ticket == 0)
            return false;
        t = describe(pool);
    } while (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1,
                                                    memory_order_acquire, memory_order_acquire));
    t.seq = (uint32_t)(ticket >> 32);
    t.chunk = t.total - (uint32_t)ticket;
    if (t.commit) {
        run_held(pool, self, &t);
        return true;
    }
    t.run(t.user, t.wave, t.chunk, self);
    report(pool, &t);
    return true;
}

/* Computes the chunk that `owner` held when its slot was read. */
static void redo_task(kw_pool *pool, int self, int owner, uint64_t held)
{
    _Atomic uint64_t *slot = &pool->workers[owner].slot;
    task t = describe(pool);
    t.seq = (uint32_t)(held >> 32);
    t.chunk = (uint32_t)held >> 8;
    atomic_store_explicit(&pool->workers[self].slot, slot_of(&t, REDOING), memory_order_relaxed);
    bool won = false;
    /* Weak: when it fails for nothing, the next look finds the chunk again. */
    if (atomic_compare_exchange_weak_explicit(slot, &held, held + ONE_REDOER, memory_order_acq_rel,
                                              memory_order_relaxed)) {
        t.run(t.user, t.wave, t.chunk, self);
        won = settle(slot, &t, slot_of(&t, LOST));
    }
    leave(pool, self);
    if (!won)
        return;
    t.commit(t.user, t.wave, t.chunk, self);
    report(pool, &t);
}

/* Redoes a chunk of wave `seq`, one that nobody else redoes before one that somebody does; false
 * when there is none. */
static bool redo(kw_pool *pool, int self, uint32_t seq)
{
    for (unsigned redoers = 0; redoers < MAX_REDOERS; redoers++)
        for (int i = 0; i < pool->n_workers; i++) {
            const uint64_t slot =
                atomic_load_explicit(&pool->workers[i].slot, memory_order_acquire);
            if ((slot & 255) != redoers * ONE_REDOER + HELD || slot >> 32 != seq)
                continue;
            redo_task(pool, self, i, slot);
            return true;
        }
    return false;
}

static uint64_t ticket_now(kw_pool *pool)
{
    return atomic_load_explicit(&pool->ticket, memory_order_acquire);
}

/* Waits until the ticket differs from an exhausted one: spins, redoes what others hold up, sleeps.
 * `opened` is read before the ticket is looked at again, so that a ticket published in between
 * keeps it from sleeping. */
static void await_change(kw_pool *pool, int self, uint64_t seen)
{
    const uint64_t start = kw_clock_ns();
    uint64_t waited = 0;
    while (waited < SPIN_NS) {
        for (int i = 0; i < RELAX_PER_CLOCK; i++) {
            if (ticket_now(pool) != seen || atomic_load_explicit(&pool->stop, memory_order_relaxed))
                return;
            kw_cpu_relax();
        }
        waited = kw_clock_ns() - start;
        if (waited > REDO_NS && redo(pool, self, (uint32_t)(seen >> 32)))
            return;
    }
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
    kw_thread_restrict(&pool->cpus);
    while (atomic_load(&pool->stop) == 0) {
        while (work(pool, self->index))
            continue;
        const uint64_t seen = ticket_now(pool);
        if ((uint32_t)seen == 0)
            await_change(pool, self->index, seen);
    }
}

/* Whether a worker still reads for a job that was over with ticket `seq`, or for one before it. */
static bool is_late(kw_pool *pool, int index, uint32_t seq)
{
    const uint64_t slot = atomic_load(&pool->workers[index].slot);
    return state_of(slot) != OUT && (int32_t)((uint32_t)(slot >> 32) - seq) <= 0;
}

void kw_pool_await(kw_pool *pool, uint32_t seq)
{
    for (int i = 0; i < pool->n_workers; i++) {
        const uint64_t start = kw_clock_ns();
        while (is_late(pool, i, seq) && kw_clock_ns() - start < SPIN_NS)
            kw_cpu_relax();
        while (is_late(pool, i, seq)) {
            atomic_fetch_add(&pool->sleepers, 1);
            const uint32_t opened = atomic_load(&pool->opened);
            if (is_late(pool, i, seq))
                kw_futex_wait(&pool->opened, opened);
            atomic_fetch_sub(&pool->sleepers, 1);
        }
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

static void run_alone(const kw_job *job)
{
    for (uint32_t w = 0; w < job->n_waves; w++)
        for (uint32_t c = 0; c < job->chunks[w]; c++) {
            job->run(job->user, w, c, 0);
            if (job->redo && job->redo[w])
                job->commit(job->user, w, c, 0);
        }
}

uint32_t kw_pool_run(kw_pool *pool, const kw_job *job)
{
    lock(pool);
    if (pool->n_workers == 1) {
        run_alone(job);
        unlock(pool);
        return 0;
    }
    pool->job = job;
    open_wave(pool, 0);
    uint64_t seen;
    for (;;) {
        while (work(pool, 0))
            continue;
        /* Only the ticket itself says that the job is over: whoever published it touches neither
         * the job nor the ticket any more. */
        seen = ticket_now(pool);
        if ((uint32_t)(seen >> 32) == atomic_load_explicit(&pool->last, memory_order_relaxed))
            break;
        if ((uint32_t)seen == 0)
            await_change(pool, 0, seen);
    }
    unlock(pool);
    return (uint32_t)(seen >> 32);
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

kw_status kw_pool_open(int n_workers, const kw_cpus *cpus, kw_pool **out, kw_error *err)
{
    kw_assert(n_workers >= 1);
    kw_pool *pool = aligned_alloc(64, kw_align_up(sizeof *pool, 64));
    worker *workers = aligned_alloc(64, (size_t)n_workers * sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for a pool of %d threads", n_workers);
    }
    *pool = (kw_pool){.n_workers = n_workers, .workers = workers};
    if (cpus)
        pool->cpus = *cpus;
    for (int i = 0; i < n_workers; i++)
        workers[i] = (worker){.pool = pool, .index = i};
    for (int i = 1; i < n_workers; i++) {
        const kw_status status = kw_thread_start(&workers[i].thread, worker_main, &workers[i], err);
        if (status != KW_OK) {
            kw_pool_close(pool);
            return status;
        }
    }
    *out = pool;
    return KW_OK;
}
