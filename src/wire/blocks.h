/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* blocks.h - the interface between who has blocks (hub) and who moves them (net). */
#ifndef KW_WIRE_BLOCKS_H
#define KW_WIRE_BLOCKS_H

#include "wire/cid.h"

#define KW_BLOCK_MAX ((size_t)2 << 20) /* what is accepted; ours are at most 1 MiB and a little */

/* A block in place: a view that stays valid until it is released. */
typedef struct kw_block {
    kw_bytes data;
    void *hold; /* for release */
} kw_block;

typedef struct kw_block_store {
    void *user;
    /* The size of a block that is here, false when it is not. */
    bool (*has)(void *user, const kw_cid *cid, size_t *size);
    /* KW_E_NOTFOUND when it is not here. */
    kw_status (*get)(void *user, const kw_cid *cid, kw_block *out, kw_error *err);
    void (*release)(void *user, kw_block *block);
} kw_block_store;

#endif
