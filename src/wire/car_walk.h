/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car_walk.h - an archive (CAR) of a part of a graph of UnixFS, made while it is sent: the blocks
 * on the way to a node, the node, and what is asked for below it, depth first, each parent before
 * its children and the same block as often as it is met.
 *
 * No block is copied: leaves are views of the store's. Memory is the parents on the way down.
 * Source: specs.ipfs.tech, "Trustless Gateway Specification", dag-scope and entity-bytes. */
#ifndef KW_WIRE_CAR_WALK_H
#define KW_WIRE_CAR_WALK_H

#include "wire/blocks.h"

#define KW_CAR_PATH_MAX 17 /* the root and 16 names below it */

typedef enum kw_car_scope {
    KW_CAR_BLOCK,  /* the node alone */
    KW_CAR_ENTITY, /* a file with its bytes, a directory without what is in it */
    KW_CAR_ALL     /* all that is below it */
} kw_car_scope;

typedef struct kw_car_part {
    kw_cid path[KW_CAR_PATH_MAX]; /* from the root to the node */
    size_t n_path;                /* at least 1 */
    kw_car_scope scope;
    /* Of a file with KW_CAR_ENTITY: its bytes from..to, both of them in it. Below 0: counted from
     * its end (-1 is the last byte). */
    int64_t from, to;
} kw_car_part;

typedef struct kw_car_walk kw_car_walk;

/* store: borrowed. KW_E_NOTFOUND: the first block is not here. */
kw_status kw_car_walk_open(const kw_block_store *store, const kw_car_part *part, kw_car_walk **out,
                           kw_error *err);
/* The next bytes, at most max, valid until the next call; none: that was all. A block that is not
 * here fails it. */
kw_status kw_car_walk_next(kw_car_walk *walk, size_t max, kw_bytes *out, kw_error *err);
void kw_car_walk_close(kw_car_walk *walk);

#endif
