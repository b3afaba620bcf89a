/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loop.c - timers fire when and as often as they are set, work from other threads arrives once and
 * in order, and a step ends in time. kw-test: labels threads */
#include "net/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

typedef struct counter {
    kw_loop *loop;
    kw_timer *timer;
    int n, stop_at;
} counter;

static void count(void *user)
{
    counter *c = user;
    if (++c->n == c->stop_at)
        kw_loop_stop(c->loop);
}

static void count_and_close(void *user)
{
    counter *c = user;
    kw_timer_close(c->timer);
    count(c);
}

static kw_loop *open_loop(void)
{
    kw_loop *loop = NULL;
    kw_error err;
    assert_int_equal(kw_loop_open(&loop, &err), KW_OK);
    return loop;
}

static void timers_fire(void **state)
{
    (void)state;
    counter once = {.loop = open_loop(), .stop_at = 9};
    counter often = {.loop = once.loop, .stop_at = 3};
    assert_int_equal(kw_timer_open(once.loop, count_and_close, &once, &once.timer, NULL), KW_OK);
    assert_int_equal(kw_timer_open(once.loop, count, &often, &often.timer, NULL), KW_OK);
    const uint64_t begin = kw_loop_now(once.loop);
    kw_timer_set(once.timer, 1, 0);
    kw_timer_set(often.timer, 2, 2);
    kw_loop_run(once.loop);
    assert_int_equal(once.n, 1);
    assert_int_equal(often.n, 3);
    assert_true(kw_loop_now(once.loop) - begin >= 6);
    kw_timer_clear(often.timer);
    kw_loop_step(once.loop, 5);
    assert_int_equal(often.n, 3);
    kw_timer_close(often.timer);
    kw_loop_close(once.loop);
}

static void step_waits_no_longer(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    const uint64_t begin = kw_loop_now(loop);
    kw_loop_step(loop, 20);
    kw_loop_step(loop, 0);
    assert_in_range(kw_loop_now(loop) - begin, 19, 2000);
    kw_loop_close(loop);
}

/* The time may be over before the loop first looks at its timers: then nothing is left to wake it.
 */
static void step_ends_when_it_begins_late(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    for (long i = 0; i < 500; i++) { /* begun a few microseconds before a millisecond is over */
        struct timespec now;
        do
            clock_gettime(CLOCK_MONOTONIC, &now);
        while (now.tv_nsec % 1000000 < 980000 + i * 40);
        kw_loop_step(loop, 1);
    }
    kw_loop_close(loop);
}

#define N_POSTS 2000

static void *post_all(void *user)
{
    counter *c = user;
    for (int i = 0; i < N_POSTS; i++)
        if (kw_loop_post(c->loop, count, c, NULL) != KW_OK)
            return c;
    return NULL;
}

static void posts_arrive_once(void **state)
{
    (void)state;
    counter c = {.loop = open_loop(), .stop_at = 2 * N_POSTS};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &c), 0);
    kw_loop_run(c.loop);
    for (int i = 0; i < 2; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(c.n, 2 * N_POSTS);
    /* What was posted and not yet run is run when the loop closes. */
    assert_int_equal(kw_loop_post(c.loop, count, &c, NULL), KW_OK);
    kw_loop_close(c.loop);
    assert_int_equal(c.n, 2 * N_POSTS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire), cmocka_unit_test(step_waits_no_longer),
        cmocka_unit_test(step_ends_when_it_begins_late), cmocka_unit_test(posts_arrive_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
