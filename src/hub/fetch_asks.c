/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_asks.c - who is asked for which blocks, and in what order they are wanted. */
#include "hub/fetch_job.h"

#include "base/check.h"
#include "base/rng.h"
#include "os/system.h"

#include <stdio.h>
#include <stdlib.h>

#define SCATTER_RUN 4 /* blocks that stay together */
#define ENOUGH_BYTES_PER_S ((uint64_t)32 << 20)

static uint64_t block_at(const kw_fetch_job *f, uint64_t i)
{
    return f->order ? f->order[i] : i;
}

/* Missing blocks from `first` on, before `end` and at most `most`. */
static uint64_t run_from(const kw_fetch_job *f, uint64_t first, uint64_t end, uint64_t most)
{
    uint64_t n = 0;
    while (n < most && first + n < end && f->all.blocks[first + n] == KW_BLOCK_MISSING)
        n++;
    return n;
}

/* The next run of missing blocks in the order, at most `most`; 0: there is none. Those that a
 * reader waits for come before all others. */
static uint64_t next_run(kw_fetch_job *f, uint64_t most, uint64_t *first)
{
    uint64_t wanted, n_wanted;
    if (f->config->growing && kw_growing_wanted(f->config->growing, &wanted, &n_wanted)) {
        for (*first = wanted; *first < wanted + n_wanted; ++*first)
            if (f->all.blocks[*first] == KW_BLOCK_MISSING)
                return run_from(f, *first, wanted + n_wanted, most);
    }
    while (f->cursor < f->all.n_blocks && f->all.blocks[block_at(f, f->cursor)] != KW_BLOCK_MISSING)
        f->cursor++;
    if (f->cursor == f->all.n_blocks)
        return 0;
    *first = block_at(f, f->cursor);
    return run_from(f, *first, f->all.n_blocks, most);
}

static bool has_cell(const kw_fetch_job *f, const kw_request *r, uint64_t block)
{
    for (uint32_t i = 0; i < f->all.n_cells; i++) {
        const kw_cell *const cell = &f->all.cells[i];
        if (cell->state != KW_CELL_FREE && cell->request == r->id && cell->block == block)
            return true;
    }
    return false;
}

/* Nothing is missing that was not asked for: takes the later half of what a slower lane has not
 * begun to send. */
static bool take_over(kw_fetch_job *f, const kw_lane *lane)
{
    for (size_t i = 0; i < KW_REQUESTS_MAX; i++) {
        kw_request *const r = &f->all.requests[i];
        if (r->id == 0 || r->whole || r->over || r->kind != KW_ASK_RANGE || r->lane == lane ||
            r->n_without_cell < 2 || r->lane->bytes_per_s > lane->bytes_per_s / 2)
            continue;
        const uint64_t most = (r->n_without_cell + 1) / 2;
        for (uint64_t n = 0; n < most && !has_cell(f, r, r->first + r->n - 1); n++) {
            r->n--;
            r->n_without_cell--;
            f->all.n_reserved--;
            f->all.blocks[r->first + r->n] = KW_BLOCK_MISSING;
            r->shrunk = true;
        }
        if (r->shrunk) {
            f->cursor = 0;
            return true;
        }
    }
    return false;
}

/* Blocks for one more ask of this lane: as much as it sends in two seconds. */
static uint64_t span_of(const kw_fetch_job *f, const kw_lane *lane)
{
    const kw_lanes *const all = &f->all;
    uint64_t rate = lane->bytes_per_s / KW_MAX(lane->parallel, 1U);
    if (all->limited)
        rate = KW_MIN(rate, f->config->bytes_per_s / 2);
    const uint64_t free_cells = all->n_cells - all->n_used - all->n_reserved;
    uint64_t want = KW_MAX(2 * rate / all->block_size, UINT64_C(1));
    if (lane->bytes_per_s == 0 && !all->limited)
        want = lane->first_span;
    if (f->config->scatter && !all->limited)
        want = lane->span; /* the more it knows of, the better it can choose what is rare */
    return KW_MIN(KW_MIN(want, lane->span), free_cells);
}

static kw_request *plan_ask(kw_fetch_job *f, kw_lane *lane)
{
    kw_lanes *const all = &f->all;
    if (!lane->ranges) {
        kw_request *const r =
            lane->n_asks == 0 ? kw_lanes_new_request(all, lane, KW_ASK_RANGE) : NULL;
        if (r) {
            r->whole = true;
            r->n = all->n_blocks;
        }
        return r;
    }
    uint64_t first = 0;
    const uint64_t most = span_of(f, lane);
    uint64_t n = most > 0 ? next_run(f, most, &first) : 0;
    if (most > 0 && n == 0 && take_over(f, lane))
        n = next_run(f, most, &first);
    kw_request *const r = n > 0 ? kw_lanes_new_request(all, lane, KW_ASK_RANGE) : NULL;
    if (!r)
        return NULL;
    r->first = first;
    r->n = r->n_without_cell = n;
    all->n_reserved += (uint32_t)n;
    memset(all->blocks + first, KW_BLOCK_ASKED, n);
    return r;
}

/* Sends one more ask to a lane; false when there is none to send. */
static bool ask_lane(kw_fetch_job *f, kw_lane *lane)
{
    kw_request *const r = plan_ask(f, lane);
    if (!r)
        return false;
    const uint64_t from = r->first * f->all.block_size;
    const uint64_t to = KW_MIN((r->first + r->n) * f->all.block_size, f->all.size);
    const kw_ask ask = {.kind = KW_ASK_RANGE,
                        .id = r->id,
                        .offset = from,
                        .len = to - from,
                        .leaves = f->leaves ? f->leaves + r->first : NULL,
                        .leaf_size = f->all.block_size};
    kw_error why = {0};
    kw_sync_unlock(f->all.sync);
    const kw_status status = lane->source->ask(lane->file, &ask, &why);
    kw_sync_lock(f->all.sync);
    kw_request *const still = kw_lanes_request(&f->all, ask.id);
    if (status != KW_OK && still) {
        still->over = true;
        still->status = status;
        snprintf(lane->share.why, sizeof(lane->share.why), "%s", why.message);
    }
    return true;
}

static bool is_free(const kw_fetch_job *f, const kw_lane *lane)
{
    if (!lane->opened || lane->share.dropped || lane->n_asks >= lane->parallel ||
        kw_clock_ns() < lane->retry_at_ns)
        return false;
    if (lane->pauses || !f->all.limited)
        return true;
    /* What has been asked for comes at any rate: at most two seconds of it. */
    const uint64_t asked = (uint64_t)f->all.n_reserved * f->all.block_size;
    return f->all.tokens > 0 && asked <= 2 * f->config->bytes_per_s;
}

/* Whether the sources that are preferred to this one still have their chance, or do well. */
static bool is_held_back(const kw_fetch_job *f, const kw_lane *lane)
{
    bool better = false;
    uint64_t rate = 0;
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        const kw_lane *const other = &f->all.lanes[i];
        if (other->share.dropped || other->source->order >= lane->source->order)
            continue;
        better = true;
        rate += other->opened ? other->bytes_per_s : 0;
    }
    return better &&
           (kw_clock_ns() - f->begin_ns < KW_FETCH_GRACE_NS || rate >= ENOUGH_BYTES_PER_S);
}

/* Without digests of blocks: keeps to one lane as long as it lives. */
static void choose_only(kw_fetch_job *f)
{
    if (f->only && !f->only->share.dropped)
        return;
    if (f->only && !f->config->want.has_sha256)
        return; /* nothing would say that another has the same file */
    kw_lane *best = NULL;
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        kw_lane *const lane = &f->all.lanes[i];
        if (lane->opened && !lane->by_leaf && !lane->share.dropped && !is_held_back(f, lane) &&
            (!best || lane->source->order < best->source->order))
            best = lane;
    }
    if (f->only && f->only->contributed && best)
        f->clean = false;
    if (best)
        f->only = best;
}

void kw_fetch_ask(kw_fetch_job *f)
{
    kw_fetch_see_offers(f);
    if (!f->leaves)
        choose_only(f);
    for (int order = 0; order < KW_N_FROM; order++) {
        for (size_t i = 0; i < f->all.n_lanes; i++) {
            kw_lane *const lane = &f->all.lanes[i];
            if (lane->source->order != order || (!f->leaves && lane != f->only))
                continue;
            if (f->leaves && is_held_back(f, lane))
                continue;
            while (is_free(f, lane) && ask_lane(f, lane)) {
            }
        }
    }
}

/* Lets go on what waited for memory or for the limit. */
void kw_fetch_resume(kw_fetch_job *f)
{
    if (f->all.limited && f->all.tokens <= 0)
        return;
    for (size_t i = 0; i < KW_REQUESTS_MAX; i++) {
        kw_request *const r = &f->all.requests[i];
        if (r->id == 0 || !r->paused || r->over)
            continue;
        if (!f->all.limited && f->all.n_used >= f->all.n_cells)
            continue; /* it waits for a cell */
        kw_lane *const lane = r->lane;
        const uint64_t id = r->id;
        r->paused = false;
        r->last_ns = kw_clock_ns();
        kw_sync_unlock(f->all.sync);
        lane->source->resume(lane->file, id);
        kw_sync_lock(f->all.sync);
    }
}

/* ---- the order ---- */

/* Runs of SCATTER_RUN blocks, shuffled (Fisher and Yates). */
kw_status kw_fetch_scatter(kw_fetch_job *f, kw_error *err)
{
    const uint64_t n = f->all.n_blocks, n_runs = (n + SCATTER_RUN - 1) / SCATTER_RUN;
    uint64_t *const order = malloc(sizeof(*order) * (size_t)(n + 1));
    uint64_t *const runs = malloc(sizeof(*runs) * (size_t)(n_runs + 1));
    uint64_t n_order = 0;
    if (!order || !runs) {
        free(order);
        free(runs);
        return kw_fail(err, KW_E_NOMEM, "fetch: no memory for the order of %ju blocks",
                       (uintmax_t)n);
    }
    for (uint64_t i = 0; i < n_runs; i++)
        runs[i] = i;
    for (uint64_t i = n_runs; i > 1; i--) {
        const uint64_t j = kw_rng_u32(f->config->seed, 2, i) % i, swap = runs[i - 1];
        runs[i - 1] = runs[j];
        runs[j] = swap;
    }
    for (uint64_t i = 0; i < n_runs; i++)
        for (uint64_t b = runs[i] * SCATTER_RUN; b < n && b < (runs[i] + 1) * SCATTER_RUN; b++)
            order[n_order++] = b;
    free(runs);
    f->order = order;
    return KW_OK;
}

static void sort_by_rank(kw_fetch_job *f)
{
    const uint64_t n = f->all.n_blocks;
    uint32_t most = 0;
    for (uint64_t b = 0; b < n; b++)
        most = KW_MAX(most, f->ranks[b]);
    kw_assert(most < (uint32_t)1 << 20);
    uint64_t *const order = malloc(sizeof(*order) * (size_t)KW_MAX(n, UINT64_C(1)));
    uint64_t *const at = calloc((size_t)most + 2, sizeof(*at));
    if (order && at) { /* without memory the blocks come in turn */
        for (uint64_t b = 0; b < n; b++)
            at[f->ranks[b] + 1]++;
        for (uint32_t r = 0; r < most; r++)
            at[r + 1] += at[r];
        for (uint64_t b = 0; b < n; b++)
            order[at[f->ranks[b]]++] = b;
        f->order = order;
        f->cursor = 0;
    } else {
        free(order);
    }
    free(at);
}

void kw_fetch_rank(kw_fetch_job *f)
{
    const kw_fetch_config *const c = f->config;
    if (!f->ranks || f->order)
        return;
    const uint64_t prefix = kw_partial_prefix(f->partial);
    if (prefix < f->rank_at && prefix < f->all.size)
        return;
    f->rank_at = prefix * 2;
    if (!c->rank(c->user, kw_partial_path(f->partial), prefix, f->ranks, f->all.n_blocks,
                 f->all.block_size))
        return;
    sort_by_rank(f);
    free(f->ranks);
    f->ranks = NULL;
}
