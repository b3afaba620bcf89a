/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pool.h - worker threads that run jobs made of waves.
 *
 * The chunks of one wave are independent; a wave starts when the one before it is complete. Workers
 * take chunks by one ticket; whoever finishes the last chunk opens the next wave. The caller's
 * thread is worker 0, so a pool of one has no threads at all.
 *
 * A chunk may be redone: an idle worker computes it beside a worker that the system has put aside,
 * and one of them commits. */
#ifndef KW_BACKEND_CPU_POOL_H
#define KW_BACKEND_CPU_POOL_H

#include "base/error.h"
#include "os/system.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct kw_pool kw_pool;

typedef struct kw_job {
    uint32_t n_waves;
    const uint32_t *chunks; /* [n_waves] chunks of each wave; 0 skips it */
    void (*run)(void *user, uint32_t wave, uint32_t chunk, int worker);
    void *user;
    /* [n_waves] waves whose chunks may be redone, or NULL. There run() computes a chunk aside, in
     * memory of its worker's own, maybe on several workers at once; commit() then puts the result
     * of one of them in its place, once a chunk. What run() reads must not change, nor go away,
     * before kw_pool_await. */
    const bool *redo;
    void (*commit)(void *user, uint32_t wave, uint32_t chunk, int worker);
} kw_job;

/* cpus: where the threads run; empty or NULL: anywhere. The caller's own stays where it is. */
kw_status kw_pool_open(int n_workers, const kw_cpus *cpus, kw_pool **out, kw_error *err);
void kw_pool_close(kw_pool *pool);
int kw_pool_workers(const kw_pool *pool);
/* Runs a whole job and returns when its last chunk is in place. Callers take turns. The number it
 * returns is for kw_pool_await: late workers may still read what the job reads. */
uint32_t kw_pool_run(kw_pool *pool, const kw_job *job);
/* Waits until no worker reads for the job of that number or an earlier one. Seldom waits at all. */
void kw_pool_await(kw_pool *pool, uint32_t number);

#endif
