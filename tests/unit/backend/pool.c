/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool.c - random jobs on pools of every size, from one caller and from two; pools that never run;
 * jobs so small that only the pool itself costs anything. Also run under the thread sanitizer. */
#include "pool_test.h"

#include "os/system.h"
#include "os/thread.h"

static int one = 1, two = 2, three = 3, eight = 8;

static kw_pool *new_pool(int n_workers)
{
    kw_pool *pool = NULL;
    kw_error err = {0};
    if (kw_pool_open(n_workers, NULL, &pool, &err) != KW_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kw_pool_workers(pool), n_workers);
    return pool;
}

static void every_chunk_runs_once_in_order(void **state)
{
    static watched w;
    kw_pool *pool = new_pool(*(int *)*state);
    const uint64_t start = kw_clock_ns();
    uint64_t seed = 100;
    while (seed < 150 || (seed < 2000 && kw_clock_ns() - start < 2000000000u))
        assert_int_equal(watched_run(pool, &w, seed++), 0);
    kw_pool_close(pool);
}

static void jobs_without_work_end(void **state)
{
    static watched w;
    const uint32_t none[3] = {0, 0, 0};
    (void)state;
    kw_pool *pool = new_pool(3);
    for (int i = 0; i < 200; i++) {
        memset(&w, 0, sizeof w);
        kw_pool_run(pool, &(kw_job){.n_waves = 0, .chunks = NULL, .run = watch_chunk, .user = &w});
        kw_pool_run(pool, &(kw_job){.n_waves = 3, .chunks = none, .run = watch_chunk, .user = &w});
        assert_int_equal(w.n_faults, 0);
        assert_int_equal(watched_run(pool, &w, (uint64_t)i), 0);
    }
    kw_pool_close(pool);
}

typedef struct caller {
    kw_pool *pool;
    watched w;
    uint64_t first;
    uint32_t n_faults;
} caller;

static void call(void *arg)
{
    caller *c = arg;
    for (uint64_t i = 0; i < 300; i++)
        c->n_faults += watched_run(c->pool, &c->w, c->first + i);
}

/* Callers take turns: each sees its own job alone. */
static void two_callers_take_turns(void **state)
{
    static caller callers[2];
    kw_thread *thread = NULL;
    memset(callers, 0, sizeof callers);
    callers[0] = (caller){.pool = new_pool(*(int *)*state), .first = 5000};
    callers[1] = (caller){.pool = callers[0].pool, .first = 9000};
    assert_int_equal(kw_thread_start(&thread, call, &callers[1], NULL), KW_OK);
    call(&callers[0]);
    kw_thread_join(thread);
    assert_int_equal(callers[0].n_faults, 0);
    assert_int_equal(callers[1].n_faults, 0);
    kw_pool_close(callers[0].pool);
}

static void pools_open_and_close(void **state)
{
    static watched w;
    (void)state;
    kw_pool_close(NULL);
    for (int n = 1; n <= MAX_POOL_WORKERS; n++) {
        kw_pool_close(new_pool(n));
        kw_pool *pool = new_pool(n); /* closed the moment a job is over */
        assert_int_equal(watched_run(pool, &w, (uint64_t)n), 0);
        kw_pool_close(pool);
    }
}

static void count(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    uint32_t *n = user;
    (void)wave;
    (void)chunk;
    (void)worker;
    (*n)++; /* one chunk a wave: the pool alone orders these */
}

static void tiny_jobs_cost_little(void **state)
{
    const uint32_t chunks[2] = {1, 1};
    const int n_workers = *(int *)*state;
    kw_pool *pool = new_pool(n_workers);
    uint32_t n = 0;
    const uint64_t start = kw_clock_ns();
    for (int i = 0; i < 10000; i++)
        kw_pool_run(pool, &(kw_job){.n_waves = 2, .chunks = chunks, .run = count, .user = &n});
    const double seconds = (double)(kw_clock_ns() - start) / 1e9;
    print_message("%d workers: 10000 jobs of 2 chunks in %.3f s\n", n_workers, seconds);
    assert_int_equal(n, 20000);
    assert_true(seconds < 60); /* a lost wake-up costs forever, a slow machine does not */
    kw_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_chunk_runs_once_in_order, &one),
        cmocka_unit_test_prestate(every_chunk_runs_once_in_order, &two),
        cmocka_unit_test_prestate(every_chunk_runs_once_in_order, &three),
        cmocka_unit_test_prestate(every_chunk_runs_once_in_order, &eight),
        cmocka_unit_test(jobs_without_work_end),
        cmocka_unit_test_prestate(two_callers_take_turns, &one),
        cmocka_unit_test_prestate(two_callers_take_turns, &three),
        cmocka_unit_test(pools_open_and_close),
        cmocka_unit_test_prestate(tiny_jobs_cost_little, &one),
        cmocka_unit_test_prestate(tiny_jobs_cost_little, &two),
        cmocka_unit_test_prestate(tiny_jobs_cost_little, &eight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
