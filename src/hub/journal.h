/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* journal.h - which blocks of a file that is being fetched are here, as it is kept beside the file.
 *
 * A journal belongs to a plan: the size, the cut into blocks and what the content must be. One of
 * another plan, or one that was not written whole, says nothing. */
#ifndef KW_HUB_JOURNAL_H
#define KW_HUB_JOURNAL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define KW_JOURNAL_BLOCKS_MAX ((uint64_t)1 << 28) /* 256 TiB in blocks of 1 MiB */

/* What makes two fetches the same. */
typedef struct kw_plan {
    uint64_t size;
    uint32_t block_size;
    uint8_t digest[32]; /* of all that identifies the content */
} kw_plan;

/* A plan without a block has none; KW_E_LIMIT: too many. */
kw_status kw_plan_blocks(const kw_plan *plan, uint64_t *n_blocks, kw_error *err);
/* bits: (n_blocks + 7) / 8 bytes, bit b % 8 of byte b / 8 for block b. */
void kw_journal_put(const kw_plan *plan, const uint8_t *bits, kw_buf *out);
/* Fills bits from a journal of this very plan. KW_E_NOTFOUND: it is of another plan. */
kw_status kw_journal_get(kw_bytes journal, const kw_plan *plan, uint8_t *bits, kw_error *err);

#endif
