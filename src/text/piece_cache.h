/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* piece_cache.h - the ids of pieces of text met lately, for one thread.
 *
 * A slot is a cache line, a piece has one place, and the newest keeps it. The key of a piece of up
 * to 24 bytes is made of words that overlap: with the length they determine every byte. */
#ifndef KW_TEXT_PIECE_CACHE_H
#define KW_TEXT_PIECE_CACHE_H

#include "base/str.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define KW_PIECE_BYTES 24
#define KW_PIECE_IDS 8
#define KW_PIECE_SLOTS 16384

typedef struct kw_piece_slot {
    uint64_t key[3];
    uint32_t len, n; /* len 0: empty */
    int32_t ids[KW_PIECE_IDS];
} kw_piece_slot;

static_assert(sizeof(kw_piece_slot) == 64, "a cache line");

static inline uint64_t kw_piece_load(const char *text, size_t width)
{
    uint64_t word = 0;
    memcpy(&word, text, width);
    return word;
}

/* Fills the key of 1 to KW_PIECE_BYTES bytes and returns its place. */
static inline size_t kw_piece_key(kw_str piece, uint64_t key[3])
{
    const char *text = piece.data;
    const size_t len = piece.len;
    key[1] = key[2] = 0;
    if (len >= 8) {
        key[0] = kw_piece_load(text, 8);
        key[1] = kw_piece_load(text + len - 8, 8);
        key[2] = len > 16 ? kw_piece_load(text + 8, 8) : 0;
    } else if (len >= 4) {
        key[0] = kw_piece_load(text, 4) | kw_piece_load(text + len - 4, 4) << 32;
    } else {
        const uint64_t first = (unsigned char)text[0], middle = (unsigned char)text[len / 2];
        key[0] = first | middle << 8 | (uint64_t)(unsigned char)text[len - 1] << 16;
    }
    uint64_t hash = key[0] * UINT64_C(0x9E3779B97F4A7C15) ^ key[1] * UINT64_C(0xC2B2AE3D27D4EB4F) ^
                    key[2] * UINT64_C(0x165667B19E3779F9) ^ len;
    hash *= UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash >> 40) % KW_PIECE_SLOTS;
}

static inline bool kw_piece_same(const kw_piece_slot *slot, const uint64_t key[3], size_t len)
{
    return slot->len == len && slot->key[0] == key[0] && slot->key[1] == key[1] &&
           slot->key[2] == key[2];
}

#endif
