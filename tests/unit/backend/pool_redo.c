/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool_redo.c - chunks of stalled workers are redone: with the same values, once, and without
 * waiting for the stalled worker; what it reads stays until it is out. Also run under the thread
 * sanitizer. A worker that is waited for shows as a job that never ends: alarm(2) ends the process.
 */
#include "pool_redo.h"

#include "os/system.h"
#include "os/thread.h"

#include <unistd.h>

static kw_pool *new_pool(int n_workers)
{
    kw_pool *pool = NULL;
    (void)alarm(100);
    assert_int_equal(kw_pool_open(n_workers, NULL, &pool, NULL), KW_OK);
    return pool;
}

static void stalls_change_nothing(void **state)
{
    static redone r;
    const int n_workers = (int)(intptr_t)*state;
    kw_pool *pool = new_pool(n_workers);
    memset(&r, 0, sizeof r);
    r.stalls = true;
    const uint64_t start = kw_clock_ns();
    uint32_t seed = 0;
    while (seed < 20 || (seed < 400 && kw_clock_ns() - start < 2000000000u))
        assert_int_equal(redo_once(pool, &r, seed++), 0);
    for (int i = 0; i < REDO_ARENAS; i++)
        kw_pool_await(pool, r.arenas[i].job);
    const uint32_t n_redone = atomic_load(&r.n_runs) - r.n_chunks;
    print_message("%d workers: %u of %u chunks redone\n", n_workers, (unsigned)n_redone,
                  (unsigned)r.n_chunks);
    assert_true(n_workers == 1 ? n_redone == 0 : n_redone > 0);
    kw_pool_close(pool);
}

/* A job of one wave of two chunks, one for each worker; `stuck` says which of them does not go on
 * before it is allowed to. */
typedef struct jam {
    int stuck;
    uint32_t aside[2], value[2];
    _Atomic uint32_t taken, may_go, is_out;
} jam;

static void wait_for(_Atomic uint32_t *word, uint32_t value)
{
    while (atomic_load(word) < value)
        (void)usleep(100);
}

static void jam_run(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    jam *j = user;
    if (wave == 1) { /* the caller is stuck in wave 0: it may come when the job is nearly over */
        atomic_store(&j->may_go, 1);
        return;
    }
    if (atomic_fetch_add(&j->taken, 1) < 2) {
        wait_for(&j->taken, 2); /* so that each worker holds one */
        if (worker == j->stuck) {
            wait_for(&j->may_go, 1);
            j->aside[worker] = 10 + chunk;
            atomic_store(&j->is_out, 1);
            return;
        }
    }
    j->aside[worker] = 10 + chunk;
}

static void jam_commit(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    jam *j = user;
    assert_int_equal(wave, 0);
    j->value[chunk] += j->aside[worker];
}

static void release(void *user)
{
    jam *j = user;
    (void)usleep(20000);
    atomic_store(&j->may_go, 1);
}

static void nobody_waits_for_a_stalled_worker(void **state)
{
    static const uint32_t chunks[1] = {2};
    static const bool redo[1] = {true};
    jam j = {.stuck = 1};
    kw_thread *thread = NULL;
    (void)state;
    kw_pool *pool = new_pool(2);
    const uint32_t job = kw_pool_run(pool, &(kw_job){.n_waves = 1,
                                                     .chunks = chunks,
                                                     .run = jam_run,
                                                     .user = &j,
                                                     .redo = redo,
                                                     .commit = jam_commit});
    assert_int_equal(atomic_load(&j.is_out), 0); /* the job is over, worker 1 is still in it */
    assert_int_equal(j.value[0], 10);
    assert_int_equal(j.value[1], 11);
    assert_int_equal(kw_thread_start(&thread, release, &j, NULL), KW_OK);
    kw_pool_await(pool, job);
    assert_int_equal(atomic_load(&j.is_out), 1);
    assert_int_equal(j.value[0], 10); /* what it had was thrown away */
    assert_int_equal(j.value[1], 11);
    kw_thread_join(thread);
    kw_pool_close(pool);
}

static void others_go_on_without_the_caller(void **state)
{
    static const uint32_t chunks[2] = {2, 1};
    static const bool redo[2] = {true, false};
    jam j = {.stuck = 0};
    (void)state;
    kw_pool *pool = new_pool(2);
    const uint32_t job = kw_pool_run(pool, &(kw_job){.n_waves = 2,
                                                     .chunks = chunks,
                                                     .run = jam_run,
                                                     .user = &j,
                                                     .redo = redo,
                                                     .commit = jam_commit});
    assert_int_equal(atomic_load(&j.is_out), 1); /* the caller itself is never late */
    assert_int_equal(j.value[0], 10);
    assert_int_equal(j.value[1], 11);
    kw_pool_await(pool, job);
    kw_pool_close(pool);
}

int main(void)
{
    void *one = (void *)(intptr_t)1, *two = (void *)(intptr_t)2, *five = (void *)(intptr_t)5;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(stalls_change_nothing, one),
        cmocka_unit_test_prestate(stalls_change_nothing, two),
        cmocka_unit_test_prestate(stalls_change_nothing, five),
        cmocka_unit_test(nobody_waits_for_a_stalled_worker),
        cmocka_unit_test(others_go_on_without_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
