/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* partial.h - a file that is being fetched, on disk: sparse content, a journal beside it, and the
 * SHA-256 of the whole as far as it can be known.
 *
 * What the journal marks was synced before, so after any interruption it is there. The hash follows
 * the blocks in order: from the caller's memory when a block comes in turn, else from the file. */
#ifndef KW_HUB_PARTIAL_H
#define KW_HUB_PARTIAL_H

#include "hub/journal.h"

#include <stdbool.h>

typedef struct kw_partial kw_partial;

/* base: a path; the files are base.part and base.journal. Takes up what an earlier fetch of the
 * same plan left, and starts anew otherwise. */
kw_status kw_partial_open(const char *base, const kw_plan *plan, bool sha_extension,
                          kw_partial **out, kw_error *err);
bool kw_partial_has(const kw_partial *partial, uint64_t block);
uint64_t kw_partial_n_blocks(const kw_partial *partial);
/* Bytes of the blocks that are here. */
uint64_t kw_partial_bytes(const kw_partial *partial);
/* Bytes from the start without a hole. */
uint64_t kw_partial_prefix(const kw_partial *partial);
uint32_t kw_partial_block_len(const kw_partial *partial, uint64_t block);
/* The path of the content, readable while it grows. */
const char *kw_partial_path(const kw_partial *partial);
/* data: all of a block, believed. */
kw_status kw_partial_put(kw_partial *partial, uint64_t block, const uint8_t *data, kw_error *err);
/* Reads a block that is here; data holds kw_partial_block_len bytes. */
kw_status kw_partial_get(kw_partial *partial, uint64_t block, uint8_t *data, kw_error *err);
/* Takes a block's mark away: it turned out wrong. */
void kw_partial_forget(kw_partial *partial, uint64_t block);
/* Syncs what was put since the last time and then writes the journal. */
kw_status kw_partial_checkpoint(kw_partial *partial, kw_error *err);
/* All blocks are here: the SHA-256 of the file. */
kw_status kw_partial_digest(kw_partial *partial, uint8_t sha256[32], kw_error *err);
/* Gives the whole file its name; the journal goes. */
kw_status kw_partial_commit(kw_partial *partial, const char *path, kw_error *err);
void kw_partial_close(kw_partial *partial);
/* Closes it and removes both files. */
void kw_partial_discard(kw_partial *partial);

#endif
