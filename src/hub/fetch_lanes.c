/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_lanes.c - what sources deliver, into cells. */
#include "hub/fetch_lanes.h"

#include "base/check.h"
#include "os/system.h"

#include <stdio.h>
#include <stdlib.h>

uint32_t kw_lanes_block_len(const kw_lanes *all, uint64_t block)
{
    const uint64_t from = block * all->block_size;
    return (uint32_t)KW_MIN(all->size - from, (uint64_t)all->block_size);
}

kw_request *kw_lanes_request(kw_lanes *all, uint64_t id)
{
    for (size_t i = 0; i < KW_REQUESTS_MAX; i++) {
        if (all->requests[i].id == id && id != 0)
            return &all->requests[i];
    }
    return NULL;
}

kw_request *kw_lanes_new_request(kw_lanes *all, kw_lane *lane, kw_ask_kind kind)
{
    for (size_t i = 0; i < KW_REQUESTS_MAX; i++) {
        kw_request *const r = &all->requests[i];
        if (r->id != 0)
            continue;
        *r = (kw_request){
            .id = ++all->next_id, .lane = lane, .kind = kind, .last_ns = kw_clock_ns()};
        lane->n_asks++;
        return r;
    }
    return NULL;
}

void kw_lanes_free_cell(kw_lanes *all, kw_cell *cell)
{
    cell->state = KW_CELL_FREE;
    all->n_used--;
}

kw_cell *kw_lanes_ready_cell(kw_lanes *all)
{
    for (uint32_t i = 0; i < all->n_cells; i++) {
        if (all->cells[i].state == KW_CELL_READY)
            return &all->cells[i];
    }
    return NULL;
}

void kw_lanes_end_request(kw_lanes *all, kw_request *request)
{
    for (uint32_t i = 0; i < all->n_cells; i++) {
        kw_cell *const cell = &all->cells[i];
        if (cell->state == KW_CELL_FILLING && cell->request == request->id)
            kw_lanes_free_cell(all, cell);
    }
    if (request->kind == KW_ASK_RANGE && !request->whole) {
        for (uint64_t b = request->first; b < request->first + request->n; b++) {
            if (all->blocks[b] == KW_BLOCK_ASKED)
                all->blocks[b] = KW_BLOCK_MISSING;
        }
    }
    if (!request->whole)
        all->n_reserved -= (uint32_t)request->n_without_cell;
    kw_buf_free(&request->block);
    request->lane->n_asks--;
    *request = (kw_request){0};
}

void kw_lanes_free(kw_lanes *all)
{
    for (uint32_t i = 0; i < all->n_cells && all->cells; i++)
        free(all->cells[i].data);
    for (size_t i = 0; i < KW_REQUESTS_MAX; i++)
        kw_buf_free(&all->requests[i].block);
    free(all->cells);
    free(all->blocks);
    kw_sync_free(all->sync);
}

static void on_opened(void *user, const kw_offer *offer)
{
    kw_lane *const lane = user;
    kw_sync_lock(lane->all->sync);
    lane->opened = lane->fresh = true;
    lane->ranges = offer->ranges;
    lane->blocks = offer->blocks;
    lane->pauses = offer->pauses;
    lane->by_leaf = offer->by_leaf;
    lane->parallel = KW_MAX(offer->parallel, 1);
    lane->span = KW_MAX(offer->span, 1);
    lane->first_span = KW_MAX(offer->first_span, 1);
    lane->size = offer->size;
    snprintf(lane->validator, sizeof(lane->validator), "%s",
             offer->validator ? offer->validator : "");
    snprintf(lane->share.from, sizeof(lane->share.from), "%s", offer->from ? offer->from : "");
    kw_sync_wake(lane->all->sync);
    kw_sync_unlock(lane->all->sync);
}

static void on_failed(void *user, kw_status status, const char *why)
{
    kw_lane *const lane = user;
    kw_sync_lock(lane->all->sync);
    if (status == KW_E_IO && lane->n_opens < KW_OPENS_MAX)
        lane->reopen = true;
    else
        lane->share.dropped = true;
    lane->why_status = status;
    snprintf(lane->share.why, sizeof(lane->share.why), "%s", why ? why : "");
    kw_sync_wake(lane->all->sync);
    kw_sync_unlock(lane->all->sync);
}

static void on_done(void *user, uint64_t id, kw_status status, const char *why, uint32_t retry_ms)
{
    kw_lane *const lane = user;
    kw_sync_lock(lane->all->sync);
    kw_request *const r = kw_lanes_request(lane->all, id);
    if (r && r->lane == lane) {
        r->over = true;
        r->status = status;
        r->retry_ms = retry_ms;
        if (status != KW_OK) {
            lane->why_status = status;
            snprintf(lane->share.why, sizeof(lane->share.why), "%s", why ? why : "");
        }
        kw_sync_wake(lane->all->sync);
    }
    kw_sync_unlock(lane->all->sync);
}

static kw_take take_block(kw_request *r, kw_bytes bytes)
{
    if (bytes.len > KW_BLOCK_ASK_MAX - r->block.len)
        return KW_TAKE_STOP;
    kw_buf_add(&r->block, (const char *)bytes.data, bytes.len);
    if (!r->block.failed)
        return KW_TAKE_OK;
    r->lane->all->no_memory = true;
    r->over = true; /* no fault of the source */
    r->status = KW_E_IO;
    kw_sync_wake(r->lane->all->sync);
    return KW_TAKE_STOP;
}

static kw_cell *find_cell(kw_lanes *all, const kw_request *r, uint64_t block)
{
    for (uint32_t i = 0; i < all->n_cells; i++) {
        kw_cell *const cell = &all->cells[i];
        if (cell->state != KW_CELL_FREE && cell->request == r->id && cell->block == block)
            return cell;
    }
    return NULL;
}

/* A cell for a block of a request; ranges and whole files were held back so that there is one. */
static kw_cell *new_cell(kw_lanes *all, kw_request *r, uint64_t block)
{
    for (uint32_t i = 0; i < all->n_cells; i++) {
        kw_cell *const cell = &all->cells[i];
        if (cell->state != KW_CELL_FREE)
            continue;
        cell->state = KW_CELL_FILLING;
        cell->block = block;
        cell->request = r->id;
        cell->lane = r->lane;
        cell->len = kw_lanes_block_len(all, block);
        cell->filled = 0;
        all->n_used++;
        all->n_peak = KW_MAX(all->n_peak, all->n_used);
        if (!r->whole && r->n_without_cell > 0) {
            r->n_without_cell--;
            all->n_reserved--;
        }
        return cell;
    }
    return NULL;
}

/* Whether what arrives for this block is still of use. */
static bool wanted(const kw_lanes *all, uint64_t block)
{
    return all->blocks[block] == KW_BLOCK_ASKED || all->blocks[block] == KW_BLOCK_MISSING;
}

/* Whether a whole-file source must wait: cells that ranges were promised are not for it. */
static bool must_wait(kw_lanes *all, const kw_request *r, uint64_t offset, size_t len)
{
    if (!r->whole)
        return false;
    uint32_t need = 0;
    for (uint64_t b = offset / all->block_size; b <= (offset + len - 1) / all->block_size; b++) {
        if (wanted(all, b) && !find_cell(all, r, b))
            need++;
    }
    return need > 0 && all->n_used + all->n_reserved + need > all->n_cells;
}

/* A part of one block. What does not come in order is passed over: then the block stays incomplete,
 * which the end of the request shows. */
static void take_part(kw_lanes *all, kw_request *r, uint64_t offset, const uint8_t *data,
                      uint32_t len)
{
    const uint64_t block = offset / all->block_size;
    if (!wanted(all, block))
        return;
    kw_cell *cell = find_cell(all, r, block);
    if (!cell && offset % all->block_size == 0)
        cell = new_cell(all, r, block);
    if (!cell || offset != block * all->block_size + cell->filled)
        return;
    memcpy(cell->data + cell->filled, data, len);
    cell->filled += len;
    if (cell->filled == cell->len) {
        cell->state = KW_CELL_READY;
        all->blocks[block] = KW_BLOCK_READY;
        kw_sync_wake(all->sync);
    }
}

/* All that is still wanted of a request that gave blocks away has arrived. */
static kw_take finish_early(kw_request *r)
{
    r->over = true;
    r->status = KW_OK;
    kw_sync_wake(r->lane->all->sync);
    return KW_TAKE_STOP;
}

static kw_take take_range(kw_lanes *all, kw_request *r, uint64_t offset, kw_bytes bytes)
{
    const uint64_t begin = r->first * all->block_size;
    const uint64_t end = KW_MIN((r->first + r->n) * all->block_size, all->size);
    if (bytes.len == 0)
        return KW_TAKE_OK;
    if (offset < begin || offset >= end)
        return r->shrunk && offset >= end ? finish_early(r) : KW_TAKE_STOP;
    const bool past_end = bytes.len > end - offset;
    if (past_end && !r->shrunk)
        return KW_TAKE_STOP;
    if (past_end)
        bytes.len = (size_t)(end - offset);
    const bool held = all->limited && r->lane->pauses && all->tokens <= 0;
    if (held || must_wait(all, r, offset, bytes.len)) {
        r->paused = true;
        return KW_TAKE_PAUSE;
    }
    all->tokens -= (int64_t)bytes.len;
    r->lane->window_bytes += bytes.len;
    while (bytes.len > 0) {
        const uint64_t left = all->block_size - offset % all->block_size;
        const uint32_t n = (uint32_t)KW_MIN(left, (uint64_t)bytes.len);
        take_part(all, r, offset, bytes.data, n);
        offset += n;
        bytes.data += n;
        bytes.len -= n;
    }
    return past_end ? finish_early(r) : KW_TAKE_OK;
}

/* Nothing more comes for a request that was stopped: the scheduler sees it as broken. */
static void stop(kw_request *r, const char *why)
{
    r->over = true;
    r->status = KW_E_FORMAT;
    r->lane->why_status = KW_E_FORMAT;
    snprintf(r->lane->share.why, sizeof(r->lane->share.why), "%s", why);
    kw_sync_wake(r->lane->all->sync);
}

static kw_take on_data(void *user, uint64_t id, uint64_t offset, kw_bytes bytes)
{
    kw_lane *const lane = user;
    kw_lanes *const all = lane->all;
    kw_sync_lock(all->sync);
    kw_request *const r = kw_lanes_request(all, id);
    kw_take take = KW_TAKE_STOP;
    if (r && r->lane == lane && !r->over) {
        r->last_ns = lane->heard_ns = kw_clock_ns();
        take = r->kind == KW_ASK_BLOCK ? take_block(r, bytes) : take_range(all, r, offset, bytes);
        if (take == KW_TAKE_STOP && !r->over)
            stop(r, "sent other bytes than were asked for");
    }
    kw_sync_unlock(all->sync);
    return take;
}

void kw_lane_listen(kw_lanes *all, kw_lane *lane, const kw_source *source)
{
    lane->all = all;
    lane->source = source;
    lane->share.name = source->name;
    lane->delivery = (kw_delivery){
        .user = lane, .opened = on_opened, .failed = on_failed, .data = on_data, .done = on_done};
}
