/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch.c - one file from its first offer to its name: the tree, the plan, the loop of the
 * scheduler, and the verdict on the whole.
 *
 * One thread, the caller's, asks sources, verifies, writes and hashes; sources only fill cells. */
#include "hub/fetch_job.h"

#include "base/check.h"
#include "base/sha256.h"
#include "os/sparse.h"
#include "os/system.h"

#include <stdlib.h>

#define PROGRESS_NS (KW_SECOND_NS / 5)
#define CHECKPOINT_NS (2 * KW_SECOND_NS)

bool kw_fetch_report(kw_fetch_job *f, bool verifying)
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

/* ---- the tree ---- */

static bool still(void *user)
{
    return kw_fetch_report(user, false);
}

static kw_status fetch_block(void *user, const kw_cid *cid, kw_buf *out, kw_error *err)
{
    kw_fetch_job *const f = user;
    const kw_block_wait wait = {.stall_ns = (f->config->stall_ms ? f->config->stall_ms : 15000) *
                                            (KW_SECOND_NS / 1000),
                                .open_ns = KW_FETCH_GRACE_NS,
                                .still = still,
                                .user = f};
    KW_TRY(kw_lanes_block(&f->all, cid, &wait, out, err));
    if (f->config->growing)
        kw_growing_parent(f->config->growing, cid,
                          (kw_bytes){(const uint8_t *)out->data, out->len});
    return KW_OK;
}

/* The digests of the leaves of a root. Where nobody has its blocks, or they are of another kind
 * than we know, the SHA-256 of the whole must do. */
static kw_status read_tree(kw_fetch_job *f, kw_error *err)
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

static void digest_plan(const kw_fetch_job *f, kw_plan *plan)
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

static kw_status make_cells(kw_fetch_job *f, kw_error *err)
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

static kw_status check_disk(const kw_fetch_job *f, kw_error *err)
{
    const uint64_t need = f->all.size - kw_partial_bytes(f->partial);
    const uint64_t room = kw_disk_free(kw_partial_path(f->partial));
    if (need <= room)
        return KW_OK;
    return kw_fail(err, KW_E_LIMIT, "%.60s: needs %ju bytes, and there is room for %ju",
                   f->config->want.name ? f->config->want.name : "file", (uintmax_t)need,
                   (uintmax_t)room);
}

/* What is here can be had by others from now on. */
static kw_status begin_growing(kw_fetch_job *f, kw_error *err)
{
    kw_growing *const growing = f->config->growing;
    const kw_growing_plan plan = {.path = kw_partial_path(f->partial),
                                  .leaves = f->leaves,
                                  .n_leaves = f->all.n_blocks,
                                  .size = f->all.size,
                                  .leaf_size = f->all.block_size};
    if (growing && !f->leaves)
        kw_growing_end(growing); /* only the whole can be verified */
    if (!growing || !f->leaves)
        return KW_OK;
    KW_TRY(kw_growing_begin(growing, &plan, err));
    for (uint64_t b = 0; b < f->all.n_blocks; b++)
        if (f->all.blocks[b] == KW_BLOCK_HERE)
            kw_growing_leaf(growing, b, false);
    return KW_OK;
}

static kw_status make_plan(kw_fetch_job *f, kw_error *err)
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
    if (c->scatter && f->leaves)
        KW_TRY(kw_fetch_scatter(f, err));
    return begin_growing(f, err);
}
/* ---- the whole ---- */

static void forget(kw_fetch_job *f, uint64_t block)
{
    kw_partial_forget(f->partial, block);
    if (f->config->growing)
        kw_growing_forget(f->config->growing, block);
    f->cursor = 0;
    f->all.blocks[block] = KW_BLOCK_MISSING;
}

/* What an earlier call left and a reader found to be wrong. */
static void forget_wrong(kw_fetch_job *f)
{
    uint64_t block;
    while (f->config->growing && kw_growing_wrong(f->config->growing, &block))
        forget(f, block);
}

static kw_status fetch_blocks(kw_fetch_job *f, kw_error *err)
{
    while (kw_partial_bytes(f->partial) < f->all.size) {
        KW_TRY(kw_fetch_take(f, err));
        forget_wrong(f);
        kw_fetch_rank(f);
        kw_sync_lock(f->all.sync);
        kw_fetch_tick(f);
        kw_fetch_settle(f);
        kw_fetch_reopen(f);
        kw_fetch_ask(f);
        kw_fetch_resume(f);
        const bool left =
            kw_fetch_any_left(f) &&
            (f->leaves || !f->only || !f->only->share.dropped || f->config->want.has_sha256);
        const bool waiting = !kw_lanes_ready_cell(&f->all);
        if (left && waiting && kw_partial_bytes(f->partial) < f->all.size)
            kw_sync_wait(f->all.sync, KW_FETCH_TICK_NS);
        kw_sync_unlock(f->all.sync);
        if (!left && waiting)
            return kw_fetch_fail(f, err);
        if (!kw_fetch_report(f, false))
            return kw_fail(err, KW_E_CANCELLED, "fetch: interrupted");
        if (kw_clock_ns() - f->checkpoint_ns > CHECKPOINT_NS) {
            KW_TRY(kw_partial_checkpoint(f->partial, err));
            f->checkpoint_ns = kw_clock_ns();
        }
    }
    return KW_OK;
}

/* Ends every request, telling the sources. */
static void cancel_all(kw_fetch_job *f)
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

/* The blocks on disk that are not what their digests say. */
static kw_status recheck(kw_fetch_job *f, uint64_t *n_wrong, kw_error *err)
{
    kw_cell *const cell = &f->all.cells[0]; /* none is in use */
    *n_wrong = 0;
    for (uint64_t b = 0; f->leaves && b < f->all.n_blocks; b++) {
        cell->block = b;
        cell->len = kw_partial_block_len(f->partial, b);
        KW_TRY(kw_partial_get(f->partial, b, cell->data, err));
        if (kw_fetch_is_leaf(f, cell))
            continue;
        forget(f, b);
        ++*n_wrong;
    }
    return KW_OK;
}

/* The SHA-256 is not the wanted one: finds out whose fault that is. KW_OK: there is more to
 * fetch. */
static kw_status mismatch(kw_fetch_job *f, const uint8_t got[32], kw_error *err)
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
    const bool again = kw_fetch_any_left(f);
    f->only = NULL;
    f->clean = true;
    f->cursor = 0;
    f->resumed = 0;
    kw_sync_unlock(f->all.sync);
    return again ? KW_OK : status;
}

static kw_status fetch_all(kw_fetch_job *f, kw_fetch_result *out, kw_error *err)
{
    const kw_want *const w = &f->config->want;
    for (;;) {
        KW_TRY(fetch_blocks(f, err));
        cancel_all(f);
        if (!kw_fetch_report(f, true))
            return kw_fail(err, KW_E_CANCELLED, "fetch: interrupted");
        KW_TRY(kw_partial_digest(f->partial, out->sha256, err));
        /* Without a digest of the whole, what an earlier call left is compared block by block. */
        uint64_t n_wrong = 0;
        if (!w->has_sha256 && f->resumed > 0)
            KW_TRY(recheck(f, &n_wrong, err));
        if (n_wrong > 0)
            continue;
        if (!w->has_sha256 || memcmp(out->sha256, w->sha256, 32) == 0)
            return KW_OK;
        KW_TRY(mismatch(f, out->sha256, err));
    }
}

static void close_all(kw_fetch_job *f, kw_fetch_result *out)
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
    kw_fetch_job *const f = calloc(1, sizeof(*f));
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "fetch: no memory");
    *out = (kw_fetch_result){0};
    f->config = config;
    f->all.size = config->want.size;
    f->all.limited = config->bytes_per_s != 0;
    f->begin_ns = kw_clock_ns();
    kw_status status = kw_sync_create(&f->all.sync, err);
    if (status == KW_OK) {
        kw_fetch_open(f);
        status = kw_fetch_wait(f, err);
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
        if (config->growing)
            kw_growing_end(config->growing);
        close_all(f, out);
    }
    if (f->partial && status != KW_OK && kw_partial_bytes(f->partial) == 0)
        kw_partial_discard(f->partial);
    else
        kw_partial_close(f->partial);
    free(f);
    return status;
}
