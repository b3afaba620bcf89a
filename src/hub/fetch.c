/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch.c - the scheduler: who is asked for which blocks, and what becomes of what arrives.
 *
 * One thread, the caller's, asks sources, verifies, writes and hashes; sources only fill cells. A
 * block is written once: after it was verified where its digest is known. */
#include "hub/fetch_lanes.h"

#include "base/check.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "hub/fetch_tree.h"
#include "hub/partial.h"
#include "os/sparse.h"
#include "os/system.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)
#define TICK_NS (SECOND_NS / 20)
#define PROGRESS_NS (SECOND_NS / 5)
#define CHECKPOINT_NS (2 * SECOND_NS)
#define GRACE_NS (3 * SECOND_NS) /* that better sources have before others are used */
#define FAILS_MAX 8              /* in a row */
#define BAD_MAX 3                /* blocks, of a source that is one sender */
#define BAD_MAX_OF_MANY 64       /* of one that can blame its senders */
#define ENOUGH_BYTES_PER_S ((uint64_t)32 << 20)

typedef struct fetch {
    const kw_fetch_config *config;
    kw_lanes all;
    kw_partial *partial; /* owned */
    kw_root tree;        /* owned; of a root */
    const uint8_t (*leaves)[32];
    uint64_t *order;  /* owned; NULL: blocks in turn */
    uint32_t *ranks;  /* owned, while the order is not known */
    uint64_t cursor;  /* in the order: no missing block before it */
    uint64_t rank_at; /* prefix at which rank is called next */
    kw_lane *only;    /* without leaves: the one that is asked */
    bool clean;       /* all blocks are from `only` and of this call */
    uint64_t resumed;
    uint64_t begin_ns, tick_ns, progress_ns, checkpoint_ns;
} fetch;

/* ---- opening ---- */

/* Without the lock. */
static void open_lane(fetch *f, kw_lane *lane)
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

static void open_lanes(fetch *f)
{
    for (size_t i = 0; i < f->config->n_sources; i++) {
        kw_lane *const lane = &f->all.lanes[f->all.n_lanes++];
        kw_lane_listen(&f->all, lane, f->config->sources[i]);
        open_lane(f, lane);
    }
}

/* Opens again, after a while, what failed to open in a way that may pass. Called with the lock. */
static void reopen_lanes(fetch *f)
{
    const uint64_t now = kw_clock_ns();
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        kw_lane *const lane = &f->all.lanes[i];
        if (!lane->reopen || lane->share.dropped)
            continue;
        if (lane->retry_at_ns == 0)
            lane->retry_at_ns = now + ((SECOND_NS / 4) << lane->n_opens);
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

static bool report(fetch *f, bool verifying)
{
    const uint64_t now = kw_clock_ns();
    if (!f->config->progress || (!verifying && now - f->progress_ns < PROGRESS_NS))
        return true;
    f->progress_ns = now;
    kw_fetch_share shares[KW_FETCH_SOURCES_MAX];
    kw_fetch_progress p = {.shares = shares, .resumed = f->resumed, .verifying = verifying};
    kw_sync_lock(f->all.sync);
    p.size = f->all.size;
    p.n_shares = f->all.n_lanes;
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        shares[i] = f->all.lanes[i].share;
        p.bytes_per_s += f->all.lanes[i].bytes_per_s;
    }
    kw_sync_unlock(f->all.sync);
    p.bytes = f->partial ? kw_partial_bytes(f->partial) : 0;
    return f->config->progress(f->config->user, &p);
}

/* What to say when nobody is left. */
static kw_status fail_all(fetch *f, kw_error *err)
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

static bool any_left(fetch *f)
{
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        if (!f->all.lanes[i].share.dropped)
            return true;
    }
    return false;
}

/* Looks at new offers: the size is the wanted one, else the first that is offered. */
static void see_offers(fetch *f)
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

static bool any_opened(const fetch *f)
{
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        if (f->all.lanes[i].opened && !f->all.lanes[i].share.dropped)
            return true;
    }
    return false;
}

/* Until somebody has the file and its size is known. */
static kw_status wait_for_offer(fetch *f, kw_error *err)
{
    const uint64_t limit_ns =
        (f->config->open_ms ? f->config->open_ms : 30000) * (SECOND_NS / 1000);
    for (;;) {
        kw_sync_lock(f->all.sync);
        reopen_lanes(f);
        see_offers(f);
        const bool ready =
            any_opened(f) && (f->all.size != KW_SIZE_UNKNOWN || f->config->want.has_root);
        const bool left = any_left(f);
        if (!ready && left)
            kw_sync_wait(f->all.sync, TICK_NS);
        kw_sync_unlock(f->all.sync);
        if (ready)
            return KW_OK;
        if (!left)
            return fail_all(f, err);
        if (!report(f, false))
            return kw_fail(err, KW_E_CANCELLED, "fetch: interrupted");
        if (kw_clock_ns() - f->begin_ns > limit_ns)
            return kw_fail(err, KW_E_IO, "%.60s: no source answered within %ju seconds",
                           f->config->want.name ? f->config->want.name : "file",
                           (uintmax_t)(limit_ns / SECOND_NS));
    }
}

/* ---- the tree ---- */

static bool still(void *user)
{
    return report(user, false);
}

static kw_status fetch_block(void *user, const kw_cid *cid, kw_buf *out, kw_error *err)
{
    fetch *const f = user;
    const kw_block_wait wait = {.stall_ns = (f->config->stall_ms ? f->config->stall_ms : 15000) *
                                            (SECOND_NS / 1000),
                                .open_ns = GRACE_NS,
                                .still = still,
                                .user = f};
    return kw_lanes_block(&f->all, cid, &wait, out, err);
}

/* The digests of the leaves of a root. Where nobody has its blocks, or they are of another kind
 * than we know, the SHA-256 of the whole must do. */
static kw_status read_tree(fetch *f, kw_error *err)
{
    const kw_want *const w = &f->config->want;
    if (!w->has_root || f->config->leaves)
        return KW_OK;
    const kw_status status = kw_root_read(&w->root, w->inside, fetch_block, f, &f->tree, err);
    if ((status == KW_E_NOTFOUND || status == KW_E_UNSUPPORTED) && w->has_sha256 &&
        f->all.size != KW_SIZE_UNKNOWN)
        return KW_OK;
    KW_TRY(status);
    if (w->size != KW_SIZE_UNKNOWN && w->size != f->tree.size)
        return kw_fail(err, KW_E_FORMAT, "%.60s: its root is of %ju bytes, not of %ju",
                       w->name ? w->name : "file", (uintmax_t)f->tree.size, (uintmax_t)w->size);
    kw_sync_lock(f->all.sync);
    f->all.size = f->tree.size;
    for (size_t i = 0; i < f->all.n_lanes; i++)
        f->all.lanes[i].fresh = true; /* to be compared with this size */
    kw_sync_unlock(f->all.sync);
    return KW_OK;
}

/* ---- the plan ---- */

static void digest_plan(const fetch *f, kw_plan *plan)
{
    const kw_want *const w = &f->config->want;
    const char *validator = "";
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    if (w->has_sha256)
        kw_sha256_update(&hash, w->sha256, 32);
    if (w->has_root)
        kw_sha256_update(&hash, &w->root, sizeof(w->root));
    if (!w->has_sha256 && !w->has_root) {
        for (size_t i = 0; i < f->all.n_lanes && !validator[0]; i++)
            validator = f->all.lanes[i].validator;
        /* Nothing tells this content from another: what is left of it cannot be taken up. */
        const uint64_t now = kw_clock_ns();
        if (validator[0])
            kw_sha256_update(&hash, validator, strlen(validator));
        else
            kw_sha256_update(&hash, &now, sizeof(now));
    }
    kw_sha256_final(&hash, plan->digest);
}

static kw_status make_cells(fetch *f, kw_error *err)
{
    kw_lanes *const all = &f->all;
    const uint32_t most = f->config->n_cells ? f->config->n_cells : 64;
    all->n_cells = (uint32_t)KW_MIN((uint64_t)most, KW_MAX(all->n_blocks, 1));
    all->cells = calloc(all->n_cells, sizeof(*all->cells));
    all->blocks = calloc(all->n_blocks ? all->n_blocks : 1, 1);
    bool ok = all->cells && all->blocks;
    for (uint32_t i = 0; ok && i < all->n_cells; i++) {
        all->cells[i].data = malloc(all->block_size);
        ok = all->cells[i].data != NULL;
    }
    if (f->config->rank && ok) {
        f->ranks = calloc(all->n_blocks ? all->n_blocks : 1, sizeof(*f->ranks));
        ok = f->ranks != NULL;
    }
    return ok ? KW_OK : kw_fail(err, KW_E_NOMEM, "fetch: no memory for %u blocks", all->n_cells);
}

static kw_status check_disk(const fetch *f, kw_error *err)
{
    const uint64_t need = f->all.size - kw_partial_bytes(f->partial);
    const uint64_t room = kw_disk_free(kw_partial_path(f->partial));
    if (need <= room)
        return KW_OK;
    return kw_fail(err, KW_E_LIMIT, "%.60s: needs %ju bytes, and there is room for %ju",
                   f->config->want.name ? f->config->want.name : "file", (uintmax_t)need,
                   (uintmax_t)room);
}

static kw_status make_plan(fetch *f, kw_error *err)
{
    kw_lanes *const all = &f->all;
    const kw_fetch_config *const c = f->config;
    kw_plan plan = {.size = all->size,
                    .block_size = c->want.leaf_size ? c->want.leaf_size : KW_FETCH_BLOCK};
    if (f->tree.leaves)
        plan.block_size = f->tree.leaf_size;
    KW_TRY(kw_plan_blocks(&plan, &all->n_blocks, err));
    if (f->tree.leaves && f->tree.n_leaves == all->n_blocks)
        f->leaves = (const uint8_t(*)[32])f->tree.leaves;
    if (c->leaves && c->n_leaves == all->n_blocks)
        f->leaves = c->leaves;
    kw_sync_lock(all->sync);
    digest_plan(f, &plan);
    all->block_size = plan.block_size;
    kw_sync_unlock(all->sync);
    KW_TRY(make_cells(f, err));
    KW_TRY(kw_partial_open(c->base, &plan, c->sha_extension, &f->partial, err));
    KW_TRY(check_disk(f, err));
    kw_sync_lock(all->sync);
    for (size_t i = 0; i < all->n_lanes; i++)
        all->lanes[i].fresh = true; /* is looked at again, now that leaves are known or not */
    kw_sync_unlock(all->sync);
    for (uint64_t b = 0; b < all->n_blocks; b++) {
        if (kw_partial_has(f->partial, b))
            all->blocks[b] = KW_BLOCK_HERE;
    }
    f->resumed = kw_partial_bytes(f->partial);
    f->clean = f->resumed == 0;
    f->rank_at = plan.block_size;
    f->checkpoint_ns = f->tick_ns = kw_clock_ns();
    return KW_OK;
}

/* ---- what arrives ---- */

static bool is_leaf(const fetch *f, const kw_cell *cell)
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

static void count_bad(fetch *f, kw_lane *lane, uint64_t block)
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
static kw_status take_cell(fetch *f, kw_cell *cell, kw_error *err)
{
    kw_lane *const lane = cell->lane;
    const bool good = is_leaf(f, cell);
    kw_status status = KW_OK;
    if (good)
        status = kw_partial_put(f->partial, cell->block, cell->data, err);
    else if (lane->source->blame)
        lane->source->blame(lane->file, cell->request);
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

static kw_status take_cells(fetch *f, kw_error *err)
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

static bool is_complete(const fetch *f, const kw_request *r)
{
    for (uint64_t b = r->first; b < r->first + r->n; b++) {
        if (f->all.blocks[b] == KW_BLOCK_ASKED || f->all.blocks[b] == KW_BLOCK_MISSING)
            return false;
    }
    return true;
}

/* An ask that brought nothing: wait before the next, longer each time. */
static void count_failure(fetch *f, kw_lane *lane, uint32_t retry_ms)
{
    lane->share.n_failed++;
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
    lane->retry_at_ns = kw_clock_ns() + wait_ms * (SECOND_NS / 1000);
}

static void settle(fetch *f, kw_request *r)
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
static void settle_requests(fetch *f)
{
    const uint64_t now = kw_clock_ns();
    const uint64_t stall_ns =
        (f->config->stall_ms ? f->config->stall_ms : 15000) * (SECOND_NS / 1000);
    for (size_t i = 0; i < KW_REQUESTS_MAX; i++) {
        kw_request *const r = &f->all.requests[i];
        if (r->id == 0)
            continue;
        const bool stalled = !r->over && !r->paused && now > r->last_ns + stall_ns;
        if (!r->over && !stalled && !r->lane->share.dropped)
            continue;
        kw_lane *const lane = r->lane;
        const uint64_t id = r->over ? 0 : r->id;
        if (stalled) {
            lane->share.n_stalled++;
            r->status = KW_E_IO;
            snprintf(lane->share.why, sizeof(lane->share.why), "sent nothing for %ju seconds",
                     (uintmax_t)(stall_ns / SECOND_NS));
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
static void tick(fetch *f)
{
    const uint64_t now = kw_clock_ns();
    const uint64_t ns = now - f->tick_ns;
    f->tick_ns = now;
    if (f->all.limited) {
        const double more = (double)f->config->bytes_per_s * ((double)ns / (double)SECOND_NS);
        const double most = (double)KW_MAX(f->config->bytes_per_s / 4, (uint64_t)65536);
        const double tokens = (double)f->all.tokens + more;
        f->all.tokens = (int64_t)KW_MIN(tokens, most);
    }
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        kw_lane *const lane = &f->all.lanes[i];
        const uint64_t span_ns = now - lane->window_ns;
        if (lane->window_ns != 0 && span_ns < SECOND_NS / 2)
            continue;
        if (lane->window_ns != 0) {
            const double rate = (double)lane->window_bytes * 1e9 / (double)span_ns;
            lane->bytes_per_s = (uint64_t)((double)lane->bytes_per_s * 0.5 + rate * 0.5);
        }
        lane->window_ns = now;
        lane->window_bytes = 0;
    }
}

/* ---- who is asked ---- */

static uint64_t block_at(const fetch *f, uint64_t i)
{
    return f->order ? f->order[i] : i;
}

/* The next run of missing blocks in the order, at most `most`; 0: there is none. */
static uint64_t next_run(fetch *f, uint64_t most, uint64_t *first)
{
    while (f->cursor < f->all.n_blocks && f->all.blocks[block_at(f, f->cursor)] != KW_BLOCK_MISSING)
        f->cursor++;
    if (f->cursor == f->all.n_blocks)
        return 0;
    *first = block_at(f, f->cursor);
    uint64_t n = 1;
    while (n < most && *first + n < f->all.n_blocks &&
           f->all.blocks[*first + n] == KW_BLOCK_MISSING)
        n++;
    return n;
}

static bool has_cell(const fetch *f, const kw_request *r, uint64_t block)
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
static bool take_over(fetch *f, const kw_lane *lane)
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
static uint64_t span_of(const fetch *f, const kw_lane *lane)
{
    const kw_lanes *const all = &f->all;
    uint64_t rate = lane->bytes_per_s / KW_MAX(lane->parallel, 1U);
    if (all->limited)
        rate = KW_MIN(rate, f->config->bytes_per_s / 2);
    const uint64_t free_cells = all->n_cells - all->n_used - all->n_reserved;
    const uint64_t want = KW_MAX(2 * rate / all->block_size, UINT64_C(1));
    return KW_MIN(KW_MIN(want, lane->span), free_cells);
}

static kw_request *plan_ask(fetch *f, kw_lane *lane)
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
static bool ask_lane(fetch *f, kw_lane *lane)
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

static bool is_free(const fetch *f, const kw_lane *lane)
{
    if (!lane->opened || lane->share.dropped || lane->n_asks >= lane->parallel ||
        kw_clock_ns() < lane->retry_at_ns)
        return false;
    return lane->pauses || !f->all.limited || f->all.tokens > 0;
}

/* Whether the sources that are preferred to this one still have their chance, or do well. */
static bool is_held_back(const fetch *f, const kw_lane *lane)
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
    return better && (kw_clock_ns() - f->begin_ns < GRACE_NS || rate >= ENOUGH_BYTES_PER_S);
}

/* Without digests of blocks: keeps to one lane as long as it lives. */
static void choose_only(fetch *f)
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

static void ask_lanes(fetch *f)
{
    see_offers(f);
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
static void resume_paused(fetch *f)
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

static void sort_by_rank(fetch *f)
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

static void rank_blocks(fetch *f)
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

/* ---- the whole ---- */

static kw_status fetch_blocks(fetch *f, kw_error *err)
{
    while (kw_partial_bytes(f->partial) < f->all.size) {
        KW_TRY(take_cells(f, err));
        rank_blocks(f);
        kw_sync_lock(f->all.sync);
        tick(f);
        settle_requests(f);
        reopen_lanes(f);
        ask_lanes(f);
        resume_paused(f);
        const bool left = any_left(f) && (f->leaves || !f->only || !f->only->share.dropped ||
                                          f->config->want.has_sha256);
        const bool waiting = !kw_lanes_ready_cell(&f->all);
        if (left && waiting && kw_partial_bytes(f->partial) < f->all.size)
            kw_sync_wait(f->all.sync, TICK_NS);
        kw_sync_unlock(f->all.sync);
        if (!left && waiting)
            return fail_all(f, err);
        if (!report(f, false))
            return kw_fail(err, KW_E_CANCELLED, "fetch: interrupted");
        if (kw_clock_ns() - f->checkpoint_ns > CHECKPOINT_NS) {
            KW_TRY(kw_partial_checkpoint(f->partial, err));
            f->checkpoint_ns = kw_clock_ns();
        }
    }
    return KW_OK;
}

/* Ends every request, telling the sources. */
static void cancel_all(fetch *f)
{
    kw_sync_lock(f->all.sync);
    for (size_t i = 0; i < KW_REQUESTS_MAX; i++) {
        kw_request *const r = &f->all.requests[i];
        if (r->id == 0)
            continue;
        kw_lane *const lane = r->lane;
        const uint64_t id = r->over ? 0 : r->id;
        kw_lanes_end_request(&f->all, r);
        if (id == 0)
            continue;
        kw_sync_unlock(f->all.sync);
        lane->source->cancel(lane->file, id);
        kw_sync_lock(f->all.sync);
    }
    kw_sync_unlock(f->all.sync);
}

static void forget(fetch *f, uint64_t block)
{
    kw_partial_forget(f->partial, block);
    f->cursor = 0;
    f->all.blocks[block] = KW_BLOCK_MISSING;
}

/* The blocks on disk that are not what their digests say. */
static kw_status recheck(fetch *f, uint64_t *n_wrong, kw_error *err)
{
    kw_cell *const cell = &f->all.cells[0]; /* none is in use */
    *n_wrong = 0;
    for (uint64_t b = 0; f->leaves && b < f->all.n_blocks; b++) {
        cell->block = b;
        cell->len = kw_partial_block_len(f->partial, b);
        KW_TRY(kw_partial_get(f->partial, b, cell->data, err));
        if (is_leaf(f, cell))
            continue;
        forget(f, b);
        ++*n_wrong;
    }
    return KW_OK;
}

/* The SHA-256 is not the wanted one: finds out whose fault that is. KW_OK: there is more to
 * fetch. */
static kw_status mismatch(fetch *f, const uint8_t got[32], kw_error *err)
{
    char want[65], have[65];
    kw_sha256_hex(f->config->want.sha256, want);
    kw_sha256_hex(got, have);
    const kw_status status =
        kw_fail(err, KW_E_FORMAT, "%.60s: its SHA-256 is %.16s..., not %.16s...",
                f->config->want.name ? f->config->want.name : "file", have, want);
    uint64_t n_wrong = 0;
    KW_TRY(recheck(f, &n_wrong, err));
    if (n_wrong > 0)
        return KW_OK;
    if (f->leaves)
        return status;
    for (uint64_t b = 0; b < f->all.n_blocks; b++)
        forget(f, b);
    kw_sync_lock(f->all.sync);
    if (f->clean && f->only)
        kw_lane_drop(f->only, KW_E_FORMAT, "sent a file of another SHA-256");
    const bool again = any_left(f);
    f->only = NULL;
    f->clean = true;
    f->cursor = 0;
    f->resumed = 0;
    kw_sync_unlock(f->all.sync);
    return again ? KW_OK : status;
}

static kw_status fetch_all(fetch *f, kw_fetch_result *out, kw_error *err)
{
    const kw_want *const w = &f->config->want;
    for (;;) {
        KW_TRY(fetch_blocks(f, err));
        cancel_all(f);
        if (!report(f, true))
            return kw_fail(err, KW_E_CANCELLED, "fetch: interrupted");
        KW_TRY(kw_partial_digest(f->partial, out->sha256, err));
        if (!w->has_sha256 || memcmp(out->sha256, w->sha256, 32) == 0)
            return KW_OK;
        KW_TRY(mismatch(f, out->sha256, err));
    }
}

static void close_all(fetch *f, kw_fetch_result *out)
{
    cancel_all(f);
    for (size_t i = 0; i < f->all.n_lanes; i++) {
        kw_lane *const lane = &f->all.lanes[i];
        if (lane->file)
            lane->source->close(lane->file);
        out->shares[i] = lane->share;
    }
    out->n_shares = f->all.n_lanes;
    out->peak_bytes = (uint64_t)f->all.n_peak * f->all.block_size;
    kw_lanes_free(&f->all);
    kw_root_free(&f->tree);
    free(f->order);
    free(f->ranks);
}

kw_status kw_fetch(const kw_fetch_config *config, kw_fetch_result *out, kw_error *err)
{
    if (config->n_sources > KW_FETCH_SOURCES_MAX)
        return kw_fail(err, KW_E_LIMIT, "fetch: %zu sources are more than %d", config->n_sources,
                       KW_FETCH_SOURCES_MAX);
    fetch *const f = calloc(1, sizeof(*f));
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "fetch: no memory");
    *out = (kw_fetch_result){0};
    f->config = config;
    f->all.size = config->want.size;
    f->all.limited = config->bytes_per_s != 0;
    f->begin_ns = kw_clock_ns();
    kw_status status = kw_sync_create(&f->all.sync, err);
    if (status == KW_OK) {
        open_lanes(f);
        status = wait_for_offer(f, err);
        if (status == KW_OK)
            status = read_tree(f, err);
        if (status == KW_OK)
            status = make_plan(f, err);
        if (status == KW_OK)
            status = fetch_all(f, out, err);
        if (status == KW_OK)
            status = kw_partial_commit(f->partial, config->path, err);
        else if (f->partial)
            (void)kw_partial_checkpoint(f->partial, NULL);
        out->size = f->all.size;
        out->resumed = f->resumed;
        close_all(f, out);
    }
    if (f->partial && status != KW_OK && kw_partial_bytes(f->partial) == 0)
        kw_partial_discard(f->partial);
    else
        kw_partial_close(f->partial);
    free(f);
    return status;
}
