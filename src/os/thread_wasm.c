/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* thread_wasm.c - one thread: WebAssembly without shared memory. Starting another is refused, so
 * nobody ever waits for one. */
#include "os/thread.h"

int kw_thread_available(void)
{
    return 0;
}

kw_status kw_thread_start(kw_thread **out, void (*run)(void *arg), void *arg, kw_error *err)
{
    (void)out;
    (void)run;
    (void)arg;
    return kw_fail(err, KW_E_UNSUPPORTED, "thread: this build of WebAssembly has one");
}

void kw_thread_restrict(const kw_cpus *cpus)
{
    (void)cpus;
}

void kw_thread_join(kw_thread *thread)
{
    (void)thread;
}

/* Nobody else could change the word: returning at once is a spurious wake-up. */
void kw_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    (void)word;
    (void)expected;
}

void kw_futex_wake(_Atomic uint32_t *word)
{
    (void)word;
}

void kw_cpu_relax(void)
{
}
