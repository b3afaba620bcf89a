/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* local_blocks.h - the blocks of the files that the index knows, served from where they lie.
 *
 * A leaf is a piece of a mapped file, a parent comes from the index. A file whose state is not the
 * one in which it was hashed is not served, and each leaf's digest is checked the first time that
 * it is served from a map: a wrong byte on the disk stays here. What remains is the moment between
 * looking at a file's state and reading it: whoever shortens a file in place just then ends this
 * process, as with every mapped file.
 *
 * Calls come from one thread at a time. */
#ifndef KW_HUB_LOCAL_BLOCKS_H
#define KW_HUB_LOCAL_BLOCKS_H

#include "hub/index.h"
#include "wire/blocks.h"

typedef struct kw_local_blocks kw_local_blocks;

typedef struct kw_local_config {
    size_t max_maps; /* files mapped at a time; 0: 64 */
    bool sha_extension;
} kw_local_config;

/* index: borrowed. */
kw_status kw_local_blocks_open(kw_index *index, const kw_local_config *config,
                               kw_local_blocks **out, kw_error *err);
/* Every block has been released before. */
void kw_local_blocks_close(kw_local_blocks *blocks);
/* get: KW_E_LIMIT when max_maps files have blocks that were not released. */
kw_block_store kw_local_blocks_store(kw_local_blocks *blocks);

#endif
