/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* charsmap.h - SentencePiece's precompiled normalisation: what sequences of characters become.
 *
 * A double array (u32 units, as Darts-clone writes them) from sequences to offsets into a pool of
 * terminated strings. Both come from a file, so that every step is checked against their sizes.
 * Source: google/sentencepiece, normalizer.cc; s-yata/darts-clone. */
#ifndef KW_TEXT_CHARSMAP_H
#define KW_TEXT_CHARSMAP_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct kw_charsmap {
    const uint32_t *units; /* in the arena */
    size_t n_units;
    kw_str pool; /* in the arena; its last byte is 0 */
} kw_charsmap;

/* Checks and copies a map as it is in a file: u32 size of the array, the array, the pool. */
kw_status kw_charsmap_build(kw_str bytes, kw_arena *arena, kw_charsmap *out, kw_error *err);
/* The longest (or the shortest) sequence at the start of valid UTF-8 that the map knows: returns
 * its bytes, 0 for none, and what it becomes, valid UTF-8. */
size_t kw_charsmap_find(const kw_charsmap *map, kw_str text, bool shortest, kw_str *becomes);

#endif
