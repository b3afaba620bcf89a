/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* growing.h - a file that is being fetched, as a store of the blocks that are here already.
 *
 * Fetch tells it what it has verified and written; peers are served from a map of the partial file.
 * A block that an earlier fetch left on the disk is verified again before it is first served.
 * Every function may be called from any thread; a block that get gave is released before close. */
#ifndef KW_HUB_GROWING_H
#define KW_HUB_GROWING_H

#include "wire/blocks.h"

typedef struct kw_growing kw_growing;

typedef struct kw_growing_config {
    bool sha_extension;
    /* A block can be served from now on; on the thread of fetch. May be NULL. */
    void (*arrived)(void *user, const kw_cid *cid);
    void *user;
} kw_growing_config;

kw_status kw_growing_open(const kw_growing_config *config, kw_growing **out, kw_error *err);
void kw_growing_close(kw_growing *growing);
kw_block_store kw_growing_store(kw_growing *growing);
/* Leaves that can be served. */
uint64_t kw_growing_count(kw_growing *growing);

/* ---- for fetch ---- */

/* A block above the leaves, verified; copied. Without memory it is not served. */
void kw_growing_parent(kw_growing *growing, const kw_cid *cid, kw_bytes block);
/* The file has its size and lies at path; leaves are copied. */
typedef struct kw_growing_plan {
    const char *path;
    const uint8_t (*leaves)[32];
    uint64_t n_leaves, size;
    uint32_t leaf_size; /* of each but the last */
} kw_growing_plan;
kw_status kw_growing_begin(kw_growing *growing, const kw_growing_plan *plan, kw_error *err);
/* A leaf is here; fresh: it was verified just now. */
void kw_growing_leaf(kw_growing *growing, uint64_t leaf, bool fresh);
/* A leaf turned out wrong. */
void kw_growing_forget(kw_growing *growing, uint64_t leaf);

#endif
