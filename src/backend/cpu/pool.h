/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool.h - worker threads that run jobs made of waves.
 *
 * The chunks of one wave are independent; a wave starts when the one before it is complete. Workers
 * take chunks by one ticket; whoever finishes the last chunk opens the next wave. The caller's
 * thread is worker 0, so a pool of one has no threads at all. */
#ifndef KW_BACKEND_CPU_POOL_H
#define KW_BACKEND_CPU_POOL_H

#include "base/error.h"

#include <stdint.h>

typedef struct kw_pool kw_pool;

typedef struct kw_job {
    uint32_t n_waves;
    const uint32_t *chunks; /* [n_waves] chunks of each wave; 0 skips it */
    void (*run)(void *user, uint32_t wave, uint32_t chunk, int worker);
    void *user;
} kw_job;

kw_status kw_pool_open(int n_workers, kw_pool **out, kw_error *err);
void kw_pool_close(kw_pool *pool);
int kw_pool_workers(const kw_pool *pool);
/* Runs a whole job and returns when its last chunk is done. Callers take turns. */
void kw_pool_run(kw_pool *pool, const kw_job *job);

#endif
