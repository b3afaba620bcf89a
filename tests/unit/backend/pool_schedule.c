/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool_schedule.c - the pool under a hostile scheduler: pool.c is compiled here with a stall after
 * each of its atomic writes and swaps and before each sleep, so that windows of a few nanoseconds
 * become windows of milliseconds. A lost wave or a lost wake-up shows as a job that never ends:
 * alarm(2) ends the process then.
 *
 * kw-test: timeout 200 */
#include "os/thread.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* One write in sixteen is followed by up to 1.5 ms of nothing, another by a yield. */
static void stall(void)
{
    static _Thread_local uint32_t seed;
    if (seed == 0)
        seed = (uint32_t)(uintptr_t)&seed | 1;
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    if (seed % 16 == 0)
        (void)nanosleep(&(struct timespec){0, (long)(seed >> 8) % 1500000}, NULL);
    else if (seed % 16 == 1)
        (void)sched_yield();
}

#if defined(__clang__)
#define RAW_STORE __c11_atomic_store
#define RAW_ADD __c11_atomic_fetch_add
#define RAW_SUB __c11_atomic_fetch_sub
#else
#define RAW_STORE __atomic_store_n
#define RAW_ADD __atomic_fetch_add
#define RAW_SUB __atomic_fetch_sub
#endif

static inline bool stalled_swap(_Atomic uint64_t *word, uint64_t *expected, uint64_t wanted,
                                memory_order order, memory_order failed)
{
    const bool ok = atomic_compare_exchange_weak_explicit(word, expected, wanted, order, failed);
    stall();
    return ok;
}

#undef atomic_compare_exchange_weak_explicit
#define atomic_compare_exchange_weak_explicit stalled_swap
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_fetch_add
#undef atomic_fetch_sub
#define atomic_store(p, v) (RAW_STORE((p), (v), memory_order_seq_cst), stall())
#define atomic_store_explicit(p, v, order) (RAW_STORE((p), (v), (order)), stall())
#define atomic_fetch_add(p, v) (stall(), RAW_ADD((p), (v), memory_order_seq_cst))
#define atomic_fetch_sub(p, v) (stall(), RAW_SUB((p), (v), memory_order_seq_cst))
#define kw_futex_wait(word, expected) (stall(), (kw_futex_wait)(word, expected))

#include "backend/cpu/pool.c"

#undef atomic_fetch_add
#undef atomic_fetch_sub
#define atomic_fetch_add(p, v) RAW_ADD((p), (v), memory_order_seq_cst)
#define atomic_fetch_sub(p, v) RAW_SUB((p), (v), memory_order_seq_cst)

#include "pool_redo.h"

static void jobs_end_whatever_the_scheduler_does(void **state)
{
    const int n_workers = (int)(intptr_t)*state;
    static watched w;
    kw_pool *pool = NULL;
    (void)alarm(180);
    assert_int_equal(kw_pool_open(n_workers, NULL, &pool, NULL), KW_OK);
    const uint64_t start = kw_clock_ns();
    uint64_t seed = 0;
    while (kw_clock_ns() - start < 4000000000u || seed < 20)
        assert_int_equal(watched_run(pool, &w, seed++), 0);
    print_message("%d workers: %d jobs\n", n_workers, (int)seed);
    kw_pool_close(pool);
}

/* A job of one chunk: the caller leaves as soon as it may, and comes back at once. */
static void tiny_jobs_follow_each_other(void **state)
{
    const int n_workers = (int)(intptr_t)*state;
    static watched w;
    const uint32_t chunks[2] = {2, 1};
    kw_pool *pool = NULL;
    assert_int_equal(kw_pool_open(n_workers, NULL, &pool, NULL), KW_OK);
    const uint64_t start = kw_clock_ns();
    int n = 0;
    for (; kw_clock_ns() - start < 4000000000u || n < 20; n++) {
        memset(&w, 0, sizeof w);
        memcpy(w.chunks, chunks, sizeof chunks);
        w.n_workers = n_workers;
        kw_pool_run(pool,
                    &(kw_job){.n_waves = 2, .chunks = chunks, .run = watch_chunk, .user = &w});
        assert_int_equal(w.n_faults, 0);
        assert_int_equal(w.done[0], 2);
        assert_int_equal(w.done[1], 1);
    }
    print_message("%d workers: %d jobs\n", n_workers, n);
    kw_pool_close(pool);
}

static void redone_jobs_end_as_well(void **state)
{
    const int n_workers = (int)(intptr_t)*state;
    static redone r;
    kw_pool *pool = NULL;
    (void)alarm(180);
    assert_int_equal(kw_pool_open(n_workers, NULL, &pool, NULL), KW_OK);
    memset(&r, 0, sizeof r);
    r.stalls = true;
    const uint64_t start = kw_clock_ns();
    uint32_t seed = 0;
    while (kw_clock_ns() - start < 3000000000u || seed < 20)
        assert_int_equal(redo_once(pool, &r, seed++), 0);
    print_message("%d workers: %u jobs, %u of %u chunks redone\n", n_workers, (unsigned)seed,
                  (unsigned)(atomic_load(&r.n_runs) - r.n_chunks), (unsigned)r.n_chunks);
    kw_pool_close(pool);
}

int main(void)
{
    void *two = (void *)(intptr_t)2, *four = (void *)(intptr_t)4;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(tiny_jobs_follow_each_other, two),
        cmocka_unit_test_prestate(tiny_jobs_follow_each_other, four),
        cmocka_unit_test_prestate(jobs_end_whatever_the_scheduler_does, two),
        cmocka_unit_test_prestate(jobs_end_whatever_the_scheduler_does, four),
        cmocka_unit_test_prestate(redone_jobs_end_as_well, two),
        cmocka_unit_test_prestate(redone_jobs_end_as_well, four),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
