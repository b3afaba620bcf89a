/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_lanes.h - what fetch has asked of whom, and what has arrived; for fetch*.c only.
 *
 * A lane is a source in use. A request is an ask of a lane; a cell is a block that is arriving or
 * has arrived, in memory. There are at most n_cells of them: a range is asked only when there are
 * cells for it, and a source that sends the whole file is paused while there are none.
 *
 * `sync` guards everything in kw_lanes. The thread of kw_fetch (the scheduler) is the only one that
 * calls sources, and holds no lock then. */
#ifndef KW_HUB_FETCH_LANES_H
#define KW_HUB_FETCH_LANES_H

#include "base/buf.h"
#include "hub/fetch.h"
#include "os/sync.h"

#define KW_REQUESTS_MAX 64
#define KW_OPENS_MAX 5 /* tries to open a source that fails in a way that may pass */
#define KW_BLOCK_ASK_MAX ((size_t)2 << 20)

typedef struct kw_lane {
    struct kw_lanes *all;
    const kw_source *source;
    void *file; /* of the source; NULL: not open */
    kw_delivery delivery;
    kw_fetch_share share;
    /* of the offer */
    bool opened, ranges, blocks, pauses, by_leaf;
    uint32_t parallel, span, first_span;
    uint64_t size;
    char validator[160];
    bool fresh;  /* an offer came that the scheduler has not seen */
    bool reopen; /* opening failed in a way that may pass */
    /* how it fares */
    uint32_t n_opens;
    uint32_t n_asks, n_fails; /* n_fails: in a row, without a block in between */
    uint64_t heard_ns;        /* when anything arrived last */
    uint64_t retry_at_ns, window_ns, window_bytes, bytes_per_s;
    bool contributed;
    kw_status why_status;
} kw_lane;

typedef struct kw_request {
    uint64_t id; /* 0: free */
    kw_lane *lane;
    kw_ask_kind kind;
    uint64_t first, n; /* blocks */
    uint64_t last_ns;  /* when something arrived last */
    uint64_t n_without_cell;
    bool whole;  /* the source sends the whole file */
    bool shrunk; /* it gave blocks at its end to another lane */
    bool paused, over;
    kw_status status;
    uint32_t retry_ms;
    kw_buf block; /* KW_ASK_BLOCK */
} kw_request;

typedef enum kw_cell_state { KW_CELL_FREE, KW_CELL_FILLING, KW_CELL_READY } kw_cell_state;

typedef struct kw_cell {
    uint8_t *data; /* owned; block_size bytes */
    uint64_t block, request;
    kw_lane *lane;
    uint32_t len, filled;
    kw_cell_state state;
} kw_cell;

/* What a block is to the scheduler; the marks of kw_partial are the truth of what is on disk. */
typedef enum kw_block_state {
    KW_BLOCK_MISSING,
    KW_BLOCK_ASKED,
    KW_BLOCK_READY,
    KW_BLOCK_HERE
} kw_block_state;

typedef struct kw_lanes {
    kw_sync *sync;
    kw_lane lanes[KW_FETCH_SOURCES_MAX];
    size_t n_lanes;
    kw_request requests[KW_REQUESTS_MAX];
    kw_cell *cells; /* owned */
    uint32_t n_cells, n_used, n_reserved, n_peak;
    uint64_t next_id;
    uint64_t size;       /* KW_SIZE_UNKNOWN at first */
    uint32_t block_size; /* 0 before the plan is made */
    uint8_t *blocks;     /* owned; kw_block_state of each */
    uint64_t n_blocks;
    int64_t tokens; /* bytes that may be taken now, under the limit */
    bool limited;
    bool no_memory; /* for a block that was asked for by its name */
} kw_lanes;

uint32_t kw_lanes_block_len(const kw_lanes *all, uint64_t block);
/* Callbacks of one lane. */
void kw_lane_listen(kw_lanes *all, kw_lane *lane, const kw_source *source);
/* The rest is called by the scheduler, with the lock held. */
kw_request *kw_lanes_request(kw_lanes *all, uint64_t id);
/* A free request for the lane, or NULL. */
kw_request *kw_lanes_new_request(kw_lanes *all, kw_lane *lane, kw_ask_kind kind);
/* Ends a request: cells that are not full are given up and their blocks are missing again. */
void kw_lanes_end_request(kw_lanes *all, kw_request *request);
void kw_lanes_free_cell(kw_lanes *all, kw_cell *cell);
kw_cell *kw_lanes_ready_cell(kw_lanes *all);
void kw_lanes_free(kw_lanes *all);
void kw_lane_drop(kw_lane *lane, kw_status status, const char *why); /* NULL: as it was */

/* One block by its name, verified, from the sources that have blocks, the preferred first. Called
 * by the scheduler without the lock, before there is a plan. still: asked meanwhile; false ends it
 * with KW_E_CANCELLED. KW_E_NOTFOUND: nobody brought it. */
typedef struct kw_block_wait {
    uint64_t stall_ns, open_ns; /* for an answer; for a source that has blocks */
    bool (*still)(void *user);
    void *user;
} kw_block_wait;
kw_status kw_lanes_block(kw_lanes *all, const kw_cid *cid, const kw_block_wait *wait, kw_buf *out,
                         kw_error *err);

#endif
