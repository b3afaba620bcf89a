/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_tree.h - from the root of a file to the digests of its leaves; for fetch*.c only.
 *
 * Every block is verified against the name that its parent, verified before, has for it. */
#ifndef KW_HUB_FETCH_TREE_H
#define KW_HUB_FETCH_TREE_H

#include "base/buf.h"
#include "wire/cid.h"

typedef struct kw_root {
    uint64_t size;
    uint32_t leaf_size;    /* of each but the last */
    uint8_t (*leaves)[32]; /* owned, [n_leaves] */
    uint64_t n_leaves;
} kw_root;

/* Brings the block of a name, verified, into out. */
typedef kw_status (*kw_root_fn)(void *user, const kw_cid *cid, kw_buf *out, kw_error *err);

/* Walks from root (inside: a path in the directory it is, or NULL) to the leaves. KW_E_UNSUPPORTED:
 * its leaves are not raw blocks of one size. KW_E_FORMAT: the tree contradicts itself. */
kw_status kw_root_read(const kw_cid *root, const char *inside, kw_root_fn fetch, void *user,
                       kw_root *out, kw_error *err);
void kw_root_free(kw_root *tree);

#endif
