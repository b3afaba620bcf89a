/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* thread_linux.c - POSIX threads, and Linux's futex between the threads of one process. */
#include "os/thread.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct kw_thread {
    pthread_t id;
    void (*run)(void *arg);
    void *arg; /* borrowed */
};

static void *thread_main(void *handle)
{
    const kw_thread *thread = handle;
    thread->run(thread->arg);
    return NULL;
}

int kw_thread_available(void)
{
    return 1;
}

/* Signals stay with the application's own threads: ours block them all. */
kw_status kw_thread_start(kw_thread **out, void (*run)(void *arg), void *arg, kw_error *err)
{
    kw_thread *thread = malloc(sizeof(*thread));
    if (!thread)
        return kw_fail(err, KW_E_NOMEM, "thread: no memory for a handle");
    thread->run = run;
    thread->arg = arg;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int number = pthread_create(&thread->id, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number != 0) {
        free(thread);
        return kw_fail(err, KW_E_LIMIT, "thread: cannot start another: %s", strerror(number));
    }
    *out = thread;
    return KW_OK;
}

void kw_thread_restrict(const kw_cpus *cpus)
{
    cpu_set_t set[KW_MAX_CPUS / CPU_SETSIZE];
    CPU_ZERO_S(sizeof(set), set);
    for (size_t cpu = 0; cpu < KW_MAX_CPUS; cpu++)
        if (cpus->bits[cpu / 64] >> cpu % 64 & 1)
            CPU_SET_S(cpu, sizeof(set), set);
    if (CPU_COUNT_S(sizeof(set), set) > 0)
        (void)sched_setaffinity(0, sizeof(set), set);
}

void kw_thread_join(kw_thread *thread)
{
    pthread_join(thread->id, NULL);
    free(thread);
}

void kw_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void kw_futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void kw_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    /* yield does nothing on most cores; this waits about as long as x86's pause. */
    __asm__ volatile("isb" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}
