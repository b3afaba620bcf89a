/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_block.c - single blocks by their names, before a file is cut into blocks. */
#include "hub/fetch_lanes.h"

#include "base/check.h"
#include "os/system.h"

#include <stdio.h>

#define TICK_NS UINT64_C(50000000)
#define BAD_MAX 3

void kw_lane_drop(kw_lane *lane, kw_status status, const char *why)
{
    lane->share.dropped = true;
    lane->why_status = status;
    if (why)
        snprintf(lane->share.why, sizeof(lane->share.why), "%s", why);
}

static bool usable(const kw_lane *lane)
{
    return lane->opened && lane->blocks && !lane->share.dropped;
}

/* The preferred lane that was not tried; a bit in tried for each. */
static kw_lane *choose(kw_lanes *all, uint32_t tried)
{
    kw_lane *best = NULL;
    for (size_t i = 0; i < all->n_lanes; i++) {
        kw_lane *const lane = &all->lanes[i];
        if (usable(lane) && !(tried >> i & 1) &&
            (!best || lane->source->order < best->source->order))
            best = lane;
    }
    return best;
}

/* Waits for the end of a request and takes what it brought; false when that is not the block. */
static bool finish(kw_lanes *all, uint64_t id, const kw_cid *cid, const kw_block_wait *wait,
                   kw_buf *out)
{
    bool good = false;
    kw_request *r = kw_lanes_request(all, id);
    while (r && !r->over && kw_clock_ns() - r->last_ns < wait->stall_ns) {
        kw_sync_wait(all->sync, TICK_NS);
        kw_sync_unlock(all->sync);
        const bool go_on = wait->still(wait->user);
        kw_sync_lock(all->sync);
        r = kw_lanes_request(all, id);
        if (!go_on)
            break;
    }
    if (!r)
        return false;
    kw_lane *const lane = r->lane;
    const bool over = r->over;
    if (over && r->status == KW_OK) {
        good = kw_cid_verify(cid, (kw_bytes){(const uint8_t *)r->block.data, r->block.len},
                             kw_sha256_kernel(false));
        if (good) {
            const kw_buf swap = *out;
            *out = r->block;
            r->block = swap;
            lane->share.bytes += out->len;
        } else if (++lane->share.n_bad >= BAD_MAX) {
            kw_lane_drop(lane, KW_E_FORMAT, "sends blocks that are not what they are called");
        }
    } else if (!over) {
        lane->share.n_stalled++;
    } else {
        lane->share.n_failed++;
    }
    kw_lanes_end_request(all, r);
    if (!over) {
        kw_sync_unlock(all->sync);
        lane->source->cancel(lane->file, id);
        kw_sync_lock(all->sync);
    }
    return good;
}

/* Asks one lane. */
static bool try_lane(kw_lanes *all, kw_lane *lane, const kw_cid *cid, const kw_block_wait *wait,
                     kw_buf *out)
{
    kw_request *const r = kw_lanes_new_request(all, lane, KW_ASK_BLOCK);
    if (!r)
        return false;
    const kw_ask ask = {.kind = KW_ASK_BLOCK, .id = r->id, .cid = *cid};
    kw_error why = {0};
    kw_sync_unlock(all->sync);
    const kw_status status = lane->source->ask(lane->file, &ask, &why);
    kw_sync_lock(all->sync);
    if (status == KW_OK)
        return finish(all, ask.id, cid, wait, out);
    snprintf(lane->share.why, sizeof(lane->share.why), "%s", why.message);
    kw_request *const still = kw_lanes_request(all, ask.id);
    if (still)
        kw_lanes_end_request(all, still);
    return false;
}

static bool any_opening(const kw_lanes *all)
{
    for (size_t i = 0; i < all->n_lanes; i++) {
        if (!all->lanes[i].opened && !all->lanes[i].share.dropped)
            return true;
    }
    return false;
}

kw_status kw_lanes_block(kw_lanes *all, const kw_cid *cid, const kw_block_wait *wait, kw_buf *out,
                         kw_error *err)
{
    const uint64_t begin = kw_clock_ns();
    uint32_t tried = 0;
    bool good = false, go_on = true;
    char name[KW_CID_TEXT_MAX], why[100] = "no source has blocks";
    kw_cid_text(cid, name);
    out->len = 0;
    kw_sync_lock(all->sync);
    all->no_memory = false;
    while (!good && go_on && !all->no_memory) {
        kw_lane *const lane = choose(all, tried);
        if (lane) {
            tried |= (uint32_t)1 << (lane - all->lanes);
            good = try_lane(all, lane, cid, wait, out);
            snprintf(why, sizeof(why), "%s: %.80s", lane->source->name, lane->share.why);
        } else if (any_opening(all) && kw_clock_ns() - begin < wait->open_ns) {
            kw_sync_wait(all->sync, TICK_NS);
        } else {
            break;
        }
        kw_sync_unlock(all->sync);
        go_on = wait->still(wait->user);
        kw_sync_lock(all->sync);
    }
    const bool no_memory = all->no_memory;
    kw_sync_unlock(all->sync);
    if (good)
        return KW_OK;
    if (no_memory)
        return kw_fail(err, KW_E_NOMEM, "ipfs: no memory for block %.70s", name);
    if (!go_on)
        return kw_fail(err, KW_E_CANCELLED, "fetch: interrupted");
    return kw_fail(err, KW_E_NOTFOUND, "ipfs: nobody sent block %.70s: %.90s", name, why);
}
