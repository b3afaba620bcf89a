/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* thread.c - threads start, run, end and wake each other. A lost wake-up would hang: the test's
 * time limit is the failure. */
#include "os/thread.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N_TURNS 3000
#define N_THREADS 6

static void set_to_seven(void *arg)
{
    *(int *)arg = 7;
}

static void join_sees_what_the_thread_wrote(void **state)
{
    (void)state;
    assert_true(kw_thread_available());
    for (int i = 0; i < 50; i++) {
        kw_thread *thread;
        kw_error err;
        int value = 0;
        assert_int_equal(kw_thread_start(&thread, set_to_seven, &value, &err), KW_OK);
        kw_thread_join(thread);
        assert_int_equal(value, 7);
    }
}

/* Waits until the word has this value. */
static void await(_Atomic uint32_t *word, uint32_t value)
{
    for (uint32_t now; (now = atomic_load(word)) != value;)
        kw_futex_wait(word, now);
}

typedef struct game {
    _Atomic uint32_t turn;
} game;

static void answer_turns(void *arg)
{
    game *g = arg;
    _Atomic uint32_t *turn = &g->turn;
    for (uint32_t i = 0; i < N_TURNS; i++) {
        await(turn, 2 * i + 1);
        atomic_store(turn, 2 * i + 2);
        kw_futex_wake(turn);
    }
}

static void two_threads_take_turns(void **state)
{
    (void)state;
    game g = {0};
    kw_thread *thread;
    kw_error err;
    assert_int_equal(kw_thread_start(&thread, answer_turns, &g, &err), KW_OK);
    for (uint32_t i = 0; i < N_TURNS; i++) {
        atomic_store(&g.turn, 2 * i + 1);
        kw_futex_wake(&g.turn);
        await(&g.turn, 2 * i + 2);
    }
    kw_thread_join(thread);
    assert_int_equal(atomic_load(&g.turn), 2 * N_TURNS);
}

typedef struct gate {
    _Atomic uint32_t open, passed;
} gate;

static void pass_gate(void *arg)
{
    gate *g = arg;
    await(&g->open, 1);
    atomic_fetch_add(&g->passed, 1);
    kw_futex_wake(&g->passed);
}

static void wake_wakes_every_waiter(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        gate g = {0, 0};
        kw_thread *threads[N_THREADS];
        kw_error err;
        for (int i = 0; i < N_THREADS; i++)
            assert_int_equal(kw_thread_start(&threads[i], pass_gate, &g, &err), KW_OK);
        for (int i = 0; i < round * 20; i++)
            kw_cpu_relax();
        assert_int_equal(atomic_load(&g.passed), 0);
        atomic_store(&g.open, 1);
        kw_futex_wake(&g.open);
        await(&g.passed, N_THREADS);
        for (int i = 0; i < N_THREADS; i++)
            kw_thread_join(threads[i]);
    }
}

static void wait_returns_when_the_value_differs(void **state)
{
    (void)state;
    _Atomic uint32_t word = 5;
    kw_futex_wait(&word, 4);
    kw_futex_wake(&word);
    assert_int_equal(atomic_load(&word), 5);
}

static void read_mask(void *arg)
{
    pthread_sigmask(SIG_SETMASK, NULL, arg);
}

static void signals_stay_with_the_application(void **state)
{
    (void)state;
    sigset_t inside, outside;
    kw_thread *thread;
    kw_error err;
    sigemptyset(&inside);
    assert_int_equal(kw_thread_start(&thread, read_mask, &inside, &err), KW_OK);
    kw_thread_join(thread);
    pthread_sigmask(SIG_SETMASK, NULL, &outside);
    assert_true(sigismember(&inside, SIGINT) && sigismember(&inside, SIGTERM));
    assert_false(sigismember(&outside, SIGINT) || sigismember(&outside, SIGTERM));
}

typedef struct stay {
    kw_cpus cpus;
    cpu_set_t got;
} stay;

static void stay_there(void *arg)
{
    stay *s = arg;
    kw_thread_restrict(&s->cpus);
    (void)sched_getaffinity(0, sizeof(s->got), &s->got);
}

static void run_and_join(stay *s)
{
    kw_thread *thread;
    assert_int_equal(kw_thread_start(&thread, stay_there, s, NULL), KW_OK);
    kw_thread_join(thread);
}

/* Of the thread itself, and nobody else. */
static void restriction_is_the_thread_s_own(void **state)
{
    (void)state;
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    size_t last = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &before))
            last = cpu;
    stay s = {0};
    run_and_join(&s);
    assert_true(CPU_EQUAL(&s.got, &before)); /* the empty set changes nothing */
    s.cpus.bits[last / 64] = UINT64_C(1) << last % 64;
    run_and_join(&s);
    assert_int_equal(CPU_COUNT(&s.got), 1);
    assert_true(CPU_ISSET(last, &s.got));
    s.cpus = (kw_cpus){{0}};
    s.cpus.bits[KW_MAX_CPUS / 64 - 1] = 1; /* a processor that is not there */
    run_and_join(&s);
    assert_true(CPU_EQUAL(&s.got, &before));
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_sees_what_the_thread_wrote),
        cmocka_unit_test(two_threads_take_turns),
        cmocka_unit_test(wake_wakes_every_waiter),
        cmocka_unit_test(wait_returns_when_the_value_differs),
        cmocka_unit_test(signals_stay_with_the_application),
        cmocka_unit_test(restriction_is_the_thread_s_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
