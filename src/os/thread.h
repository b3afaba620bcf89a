/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* thread.h - threads and the one blocking primitive the pool needs (a futex). */
#ifndef KW_OS_THREAD_H
#define KW_OS_THREAD_H

#include "base/error.h"
#include "os/system.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct kw_thread kw_thread;

/* False where the platform has no threads (a browser without shared memory). */
int kw_thread_available(void);
kw_status kw_thread_start(kw_thread **out, void (*run)(void *arg), void *arg, kw_error *err);
/* Keeps the calling thread on these processors; an empty set, or one that the system refuses,
 * changes nothing. */
void kw_thread_restrict(const kw_cpus *cpus);
/* Waits for the end of the thread and frees the handle. */
void kw_thread_join(kw_thread *thread);
/* Sleeps while *word == expected (spurious wake-ups are allowed), until kw_futex_wake. */
void kw_futex_wait(_Atomic uint32_t *word, uint32_t expected);
/* Wakes every waiter. */
void kw_futex_wake(_Atomic uint32_t *word);
/* A hint to the processor inside a spin loop. */
void kw_cpu_relax(void);

#endif
