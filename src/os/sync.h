/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sync.h - a mutex and a condition in one: what threads share is guarded by it, and who waits for a
 * change of it sleeps. */
#ifndef KW_OS_SYNC_H
#define KW_OS_SYNC_H

#include "base/error.h"

#include <stdint.h>

typedef struct kw_sync kw_sync;

kw_status kw_sync_create(kw_sync **out, kw_error *err);
void kw_sync_free(kw_sync *sync);
void kw_sync_lock(kw_sync *sync);
void kw_sync_unlock(kw_sync *sync);
/* Called with the lock held: sleeps without it until kw_sync_wake or for timeout_ns; it may return
 * early. */
void kw_sync_wait(kw_sync *sync, uint64_t timeout_ns);
/* Wakes every waiter. */
void kw_sync_wake(kw_sync *sync);

#endif
