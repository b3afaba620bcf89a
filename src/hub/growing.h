/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* growing.h - a file that is being fetched: a store of the blocks that are here already, and a file
 * that is read before it is whole.
 *
 * Fetch tells it what it has verified and written; peers are served from a map of the partial file,
 * a reader maps it itself and asks before it reads. A block that an earlier fetch left on the disk
 * is verified again before it is first served or read, and fetched again when it is wrong. Every
 * function may be called from any thread; a block that get gave is released before close. */
#ifndef KW_HUB_GROWING_H
#define KW_HUB_GROWING_H

#include "wire/blocks.h"

#include <kwaai/arrival.h>

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

/* ---- for who reads the file meanwhile ---- */

/* Where it lies, once it has its size and every block can be verified when it comes; waits for that
 * up to wait_ms. KW_ARRIVES_NEVER: the fetch is over, or only the whole can be verified. The path
 * is valid until close; the file leaves it when it is whole. */
kw_arrival kw_growing_path(kw_growing *growing, uint32_t wait_ms, const char **path);
/* Whether verified bytes are here: a kw_arrival_fn, with a kw_growing as user. What is waited for
 * comes first. */
kw_arrival kw_growing_ask(void *growing, uint64_t offset, uint64_t len, uint32_t wait_ms);

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
/* Leaves [first, first + n) that a reader waits for; false: none. */
bool kw_growing_wanted(kw_growing *growing, uint64_t *first, uint64_t *n);
/* A leaf of an earlier fetch that was looked at and is wrong; false: none that was not told yet. */
bool kw_growing_wrong(kw_growing *growing, uint64_t *leaf);
/* Nothing more comes: the file is whole, or not. */
void kw_growing_end(kw_growing *growing);

#endif
