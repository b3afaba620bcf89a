/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_arrivals.c - what becomes of blocks that have arrived, and of the sources that sent them or
 * did not. A block is written once: after it was verified where its digest is known. */
#include "hub/fetch_job.h"

#include "base/check.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "os/system.h"

#include <stdio.h>

#define FAILS_MAX 8        /* in a row */
#define BAD_MAX 3          /* blocks, of a source that is one sender */
#define BAD_MAX_OF_MANY 64 /* of one that can blame its senders */

bool kw_fetch_is_leaf(const kw_fetch_job *f, const kw_cell *cell)
{
    if (!f->leaves)
        return true;
    uint8_t digest[32];
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(f->config->sha_extension));
    kw_sha256_update(&hash, cell->data, cell->len);
    kw_sha256_final(&hash, digest);
    return memcmp(digest, f->leaves[cell->block], 32) == 0;
}

static void count_bad(kw_fetch_job *f, kw_lane *lane, uint64_t block)
{
    const uint32_t most = lane->source->blame ? BAD_MAX_OF_MANY : BAD_MAX;
    lane->share.n_bad++;
    snprintf(lane->share.why, sizeof(lane->share.why), "block %ju is not what its digest says",
             (uintmax_t)block);
    if (lane->share.n_bad >= most)
        kw_lane_drop(lane, KW_E_FORMAT, NULL);
    f->all.blocks[block] = KW_BLOCK_MISSING;
}

/* A block that is here whole. Called without the lock: the cell is the scheduler's until freed. */
static kw_status take_cell(kw_fetch_job *f, kw_cell *cell, kw_error *err)
{
    kw_lane *const lane = cell->lane;
    const bool good = kw_fetch_is_leaf(f, cell);
    kw_status status = KW_OK;
    if (good)
        status = kw_partial_put(f->partial, cell->block, cell->data, err);
    else if (lane->source->blame)
        lane->source->blame(lane->file, cell->request);
    if (good && status == KW_OK && f->leaves && f->config->growing)
        kw_growing_leaf(f->config->growing, cell->block, true);
    kw_sync_lock(f->all.sync);
    if (!good) {
        count_bad(f, lane, cell->block);
    } else {
        f->all.blocks[cell->block] = KW_BLOCK_HERE;
        lane->share.bytes += cell->len;
        lane->n_fails = 0;
        lane->contributed = true;
    }
    kw_lanes_free_cell(&f->all, cell);
    kw_sync_unlock(f->all.sync);
    return status;
}

kw_status kw_fetch_take(kw_fetch_job *f, kw_error *err)
{
    for (;;) {
        kw_sync_lock(f->all.sync);
        kw_cell *const cell = kw_lanes_ready_cell(&f->all);
        kw_sync_unlock(f->all.sync);
        if (!cell)
            return KW_OK;
        KW_TRY(take_cell(f, cell, err));
    }
}

/* ---- how lanes fare ---- */

static bool is_complete(const kw_fetch_job *f, const kw_request *r)
{
    for (uint64_t b = r->first; b < r->first + r->n; b++) {
        if (f->all.blocks[b] == KW_BLOCK_ASKED || f->all.blocks[b] == KW_BLOCK_MISSING)
            return false;
    }
    return true;
}

/* An ask that brought nothing: wait before the next, longer each time. Those that fail while it
 * waits already failed with it, and count once. */
static void count_failure(kw_fetch_job *f, kw_lane *lane, uint32_t retry_ms)
{
    lane->share.n_failed++;
    if (kw_clock_ns() < lane->retry_at_ns)
        return;
    lane->n_fails++;
    if (lane->n_fails > FAILS_MAX) {
        kw_lane_drop(lane, KW_E_IO, NULL);
        return;
    }
    const uint32_t shift = KW_MIN(lane->n_fails - 1, 6U);
    uint64_t wait_ms = UINT64_C(250) << shift;
    wait_ms += kw_rng_u32(f->config->seed, 1, lane->share.n_failed) % (wait_ms / 2);
    if (retry_ms)
        wait_ms = KW_MIN(retry_ms, 120000U);
    lane->retry_at_ns = kw_clock_ns() + wait_ms * (KW_SECOND_NS / 1000);
}

static void settle(kw_fetch_job *f, kw_request *r)
{
    kw_lane *const lane = r->lane;
    const bool short_of = r->status == KW_OK && !is_complete(f, r);
    if (lane->share.dropped) {
        kw_lanes_end_request(&f->all, r);
        f->cursor = 0;
        return;
    }
    if (short_of)
        snprintf(lane->share.why, sizeof(lane->share.why), "sent less than was asked for");
    if (r->status == KW_E_IO || short_of)
        count_failure(f, lane, r->retry_ms);
    else if (r->status != KW_OK)
        kw_lane_drop(lane, r->status, NULL);
    kw_lanes_end_request(&f->all, r);
    f->cursor = 0;
}

/* Ends what is over, what has stalled and what a dropped lane still does. Called with the lock,
 * which it gives up while a source is told. */
void kw_fetch_settle(kw_fetch_job *f)
{
    const uint64_t now = kw_clock_ns();
    const uint64_t stall_ns =
        (f->config->stall_ms ? f->config->stall_ms : 15000) * (KW_SECOND_NS / 1000);
    for (size_t i = 0; i < KW_REQUESTS_MAX; i++) {
        kw_request *const r = &f->all.requests[i];
        if (r->id == 0)
            continue;
        /* Of many asks that a swarm has at once most wait for their turn: it has not stalled while
         * anything comes. */
        const uint64_t heard = f->config->scatter ? r->lane->heard_ns : 0;
        const bool stalled = !r->over && !r->paused && now > KW_MAX(r->last_ns, heard) + stall_ns;
        if (!r->over && !stalled && !r->lane->share.dropped)
            continue;
        kw_lane *const lane = r->lane;
        const uint64_t id = r->over ? 0 : r->id;
        if (stalled) {
            lane->share.n_stalled++;
            r->status = KW_E_IO;
            snprintf(lane->share.why, sizeof(lane->share.why), "sent nothing for %ju seconds",
                     (uintmax_t)(stall_ns / KW_SECOND_NS));
        }
        settle(f, r);
        if (id != 0) {
            kw_sync_unlock(f->all.sync);
            lane->source->cancel(lane->file, id);
            kw_sync_lock(f->all.sync);
        }
    }
}

/* Speeds, and the bytes that the limit allows since the last tick. */
void kw_fetch_tick(kw_fetch_job *f)
{
    const uint64_t now = kw_clock_ns();
    const uint64_t ns = now - f->tick_ns;
    f->tick_ns = now;
    if (f->all.limited) {
        const double more = (double)f->config->bytes_per_s * ((double)ns / (double)KW_SECOND_NS);
        const double most = (double)KW_MAX(f->config->bytes_per_s / 4, (uint64_t)65536);
        const double tokens = (double)f->all.tokens + more;
        f->all.tokens = (int64_t)KW_MIN(tokens, most);
    }
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        kw_lane *const lane = &f->all.lanes[i];
        const uint64_t span_ns = now - lane->window_ns;
        if (lane->window_ns != 0 && span_ns < KW_SECOND_NS / 2)
            continue;
        if (lane->window_ns != 0) {
            const double rate = (double)lane->window_bytes * 1e9 / (double)span_ns;
            lane->bytes_per_s = (uint64_t)((double)lane->bytes_per_s * 0.5 + rate * 0.5);
        }
        lane->window_ns = now;
        lane->window_bytes = 0;
    }
}
