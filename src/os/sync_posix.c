/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sync_posix.c - POSIX mutexes and conditions on the monotonic clock. */
#include "os/sync.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct kw_sync {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

kw_status kw_sync_create(kw_sync **out, kw_error *err)
{
    kw_sync *const sync = malloc(sizeof(*sync));
    if (!sync)
        return kw_fail(err, KW_E_NOMEM, "lock: no memory for it");
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&sync->mutex, NULL);
    pthread_cond_init(&sync->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    *out = sync;
    return KW_OK;
}

void kw_sync_free(kw_sync *sync)
{
    if (!sync)
        return;
    pthread_cond_destroy(&sync->changed);
    pthread_mutex_destroy(&sync->mutex);
    free(sync);
}

void kw_sync_lock(kw_sync *sync)
{
    pthread_mutex_lock(&sync->mutex);
}

void kw_sync_unlock(kw_sync *sync)
{
    pthread_mutex_unlock(&sync->mutex);
}

void kw_sync_wait(kw_sync *sync, uint64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const uint64_t ns = (uint64_t)until.tv_nsec + timeout_ns % 1000000000;
    until.tv_sec += (time_t)(timeout_ns / 1000000000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&sync->changed, &sync->mutex, &until);
}

void kw_sync_wake(kw_sync *sync)
{
    pthread_cond_broadcast(&sync->changed);
}
