/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokens.h - the vocabulary as tables: spelling, text and kind of each id, id of a spelling, and
 * the merge of a pair.
 *
 * A token has a spelling (what the file writes), a raw form (what BPE compares: for byte-level
 * vocabularies the bytes themselves, else the spelling) and a surface (what decoding writes). The
 * index is keyed by the raw form. Lookups are open addressing with a bounded probe, so that a
 * vocabulary made to collide is refused instead of slow. */
#ifndef KW_TEXT_TOKENS_H
#define KW_TEXT_TOKENS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "text/surface.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct kw_token_slot {
    uint32_t hash; /* 0: empty */
    int32_t id;
} kw_token_slot;

typedef struct kw_tokens {
    size_t n;
    kw_str *spelling, *surface; /* [n] */
    kw_str *initial;            /* [n] what the first token of a text writes; NULL: its surface */
    uint8_t *kinds;             /* [n] kw_token_kind */
    uint32_t *ranks;            /* [n] order of merging into it, best 0; NULL with a pair table */
    bool byte_level;
    bool any_plain; /* byte-level: some token is not indexed under the bytes that its spelling
                       spells */
    size_t longest; /* raw form, of the tokens that BPE may produce */
    kw_token_slot *slots;
    size_t mask, probe; /* slots - 1; longest way from home */
} kw_tokens;

/* Copies spellings and kinds (NULL: all normal) into the arena and indexes them. */
kw_status kw_tokens_build(const kw_str *spelling, const uint8_t *kinds, size_t n,
                          const kw_token_rules *rules, kw_arena *arena, kw_tokens *out,
                          kw_error *err);
/* Gives a token the surface of another text, copied. Not for byte-level vocabularies. */
kw_status kw_tokens_set_surface(kw_tokens *tokens, int32_t id, kw_str text,
                                const kw_token_rules *rules, kw_arena *arena, kw_error *err);
/* The id that BPE may produce for raw bytes (normal, user-defined, unused), or -1. */
int32_t kw_tokens_find_raw(const kw_tokens *tokens, const char *raw, size_t len);
/* The first id spelled so, of any kind, or -1. */
int32_t kw_tokens_find(const kw_tokens *tokens, kw_str spelling);

typedef struct kw_pair_slot {
    int32_t left, right; /* left -1: empty */
    uint32_t rank;
    int32_t id;
} kw_pair_slot;

typedef struct kw_pairs {
    kw_pair_slot *slots; /* NULL: no pair table */
    size_t mask, probe;
} kw_pairs;

/* A merge whose left and right parts lie in one string, or apart. */
typedef struct kw_merge {
    kw_str left, right;
} kw_merge;

/* "left right", apart at the first space that is not the first byte. False when there is none. */
bool kw_merge_split(kw_str joined, kw_merge *out);
/* Merges in order of rank; those that name a token the vocabulary lacks can never apply and are
 * left out. joined: "left right", or else apart. inside: as many bytes of the right part are not in
 * what a merge makes. */
kw_status kw_pairs_build(const kw_tokens *tokens, const kw_str *joined, const kw_merge *apart,
                         size_t n, kw_str inside, kw_arena *arena, kw_pairs *out, kw_error *err);
/* A hash of two ids. */
size_t kw_pair_hash(int32_t left, int32_t right);
/* The merge of two ids, or NULL. */
const kw_pair_slot *kw_pairs_find(const kw_pairs *pairs, int32_t left, int32_t right);

#endif
