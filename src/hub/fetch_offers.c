/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_offers.c - opening sources, and what they offer. */
#include "hub/fetch_job.h"

#include "os/system.h"

#include <stdio.h>

/* Without the lock. */
static void open_lane(kw_fetch_job *f, kw_lane *lane)
{
    kw_error why = {0};
    lane->n_opens++;
    const kw_status status = lane->source->open(lane->source->user, &f->config->want,
                                                &lane->delivery, &lane->file, &why);
    kw_sync_lock(f->all.sync);
    if (status != KW_OK)
        kw_lane_drop(lane, status, why.message);
    kw_sync_unlock(f->all.sync);
}

void kw_fetch_open(kw_fetch_job *f)
{
    for (size_t i = 0; i < f->config->n_sources; i++) {
        kw_lane *const lane = &f->all.lanes[f->all.n_lanes++];
        kw_lane_listen(&f->all, lane, f->config->sources[i]);
        open_lane(f, lane);
    }
}

/* Opens again, after a while, what failed to open in a way that may pass. Called with the lock. */
void kw_fetch_reopen(kw_fetch_job *f)
{
    const uint64_t now = kw_clock_ns();
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        kw_lane *const lane = &f->all.lanes[i];
        if (!lane->reopen || lane->share.dropped)
            continue;
        if (lane->retry_at_ns == 0)
            lane->retry_at_ns = now + ((KW_SECOND_NS / 4) << lane->n_opens);
        if (now < lane->retry_at_ns)
            continue;
        lane->reopen = false;
        lane->retry_at_ns = 0;
        kw_sync_unlock(f->all.sync);
        if (lane->file)
            lane->source->close(lane->file);
        lane->file = NULL;
        open_lane(f, lane);
        kw_sync_lock(f->all.sync);
    }
}

/* What to say when nobody is left. */
kw_status kw_fetch_fail(kw_fetch_job *f, kw_error *err)
{
    kw_sync_lock(f->all.sync);
    const kw_lane *last = NULL;
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        const bool absent = f->all.lanes[i].why_status == KW_E_NOTFOUND;
        if (!last || !absent || last->why_status == KW_E_NOTFOUND)
            last = &f->all.lanes[i];
    }
    const char *const name = f->config->want.name ? f->config->want.name : "file";
    const kw_status status = last && last->why_status != KW_OK ? last->why_status : KW_E_IO;
    const kw_status result =
        last ? kw_fail(err, status, "%.60s: no source has it%s: %s: %.120s", name,
                       f->partial && kw_partial_bytes(f->partial) ? " any more" : "",
                       last->share.name, last->share.why)
             : kw_fail(err, KW_E_NOTFOUND, "%.60s: there is no source to ask", name);
    kw_sync_unlock(f->all.sync);
    return result;
}

bool kw_fetch_any_left(kw_fetch_job *f)
{
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        if (!f->all.lanes[i].share.dropped)
            return true;
    }
    return false;
}

/* Looks at new offers: the size is the wanted one, else the first that is offered. */
void kw_fetch_see_offers(kw_fetch_job *f)
{
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        kw_lane *const lane = &f->all.lanes[i];
        if (!lane->fresh || !lane->opened)
            continue;
        lane->fresh = false;
        if (f->partial && !f->leaves && lane->by_leaf)
            kw_lane_drop(lane, KW_E_NOTFOUND, "the digests of the blocks are not known");
        if (lane->size == KW_SIZE_UNKNOWN || lane->share.dropped)
            continue;
        if (f->all.size == KW_SIZE_UNKNOWN)
            f->all.size = lane->size;
        if (lane->size == f->all.size)
            continue;
        kw_lane_drop(lane, KW_E_FORMAT, NULL);
        snprintf(lane->share.why, sizeof(lane->share.why), "has %ju bytes, not %ju",
                 (uintmax_t)lane->size, (uintmax_t)f->all.size);
    }
}

static bool any_opened(const kw_fetch_job *f)
{
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        if (f->all.lanes[i].opened && !f->all.lanes[i].share.dropped)
            return true;
    }
    return false;
}

/* Until somebody has the file and its size is known. */
kw_status kw_fetch_wait(kw_fetch_job *f, kw_error *err)
{
    const uint64_t limit_ns =
        (f->config->open_ms ? f->config->open_ms : 30000) * (KW_SECOND_NS / 1000);
    for (;;) {
        kw_sync_lock(f->all.sync);
        kw_fetch_reopen(f);
        kw_fetch_see_offers(f);
        const bool ready =
            any_opened(f) && (f->all.size != KW_SIZE_UNKNOWN || f->config->want.has_root);
        const bool left = kw_fetch_any_left(f);
        if (!ready && left)
            kw_sync_wait(f->all.sync, KW_FETCH_TICK_NS);
        kw_sync_unlock(f->all.sync);
        if (ready)
            return KW_OK;
        if (!left)
            return kw_fetch_fail(f, err);
        if (!kw_fetch_report(f, false))
            return kw_fail(err, KW_E_CANCELLED, "fetch: interrupted");
        if (kw_clock_ns() - f->begin_ns > limit_ns)
            return kw_fail(err, KW_E_IO, "%.60s: no source answered within %ju seconds",
                           f->config->want.name ? f->config->want.name : "file",
                           (uintmax_t)(limit_ns / KW_SECOND_NS));
    }
}
