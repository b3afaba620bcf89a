/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* added.h - tokens that are cut out of the text before anything else looks at it: control tokens
 * and those that people added to a vocabulary.
 *
 * Matching is leftmost, then longest, as in tokenizer.json's reference. A spelling is at most
 * KW_ADDED_MAX_BYTES, which bounds the work at each place of the text. */
#ifndef KW_TEXT_ADDED_H
#define KW_TEXT_ADDED_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define KW_ADDED_MAX_BYTES 1024

typedef struct kw_added_token {
    kw_str text;
    int32_t id;
    bool special;     /* matched only on request */
    bool lstrip;      /* takes the white space before it */
    bool rstrip;      /* and after it */
    bool single_word; /* only between characters that are not of words */
    bool normalized;  /* matched in normalised text */
} kw_added_token;

typedef struct kw_added_node {
    uint32_t child, sibling; /* 0: none; the root is node 0 */
    int32_t token;           /* index of the token that ends here, or -1 */
    uint8_t byte;
} kw_added_node;

/* A set of added tokens, as a trie. */
typedef struct kw_added {
    kw_added_token *tokens; /* [n], in the arena; texts are in the nodes only */
    size_t n;
    kw_added_node *nodes; /* in the arena */
    uint32_t first[256];  /* the root's child for a byte, or 0 */
    bool any_plain;       /* some token is not special */
} kw_added;

/* Of tokens with the same text the first counts; texts that are empty or not UTF-8 are left out. */
kw_status kw_added_build(const kw_added_token *tokens, size_t n, kw_arena *arena, kw_added *out,
                         kw_error *err);

typedef struct kw_added_match {
    size_t start, end;
    int32_t id; /* -1: none */
} kw_added_match;

/* The first token at or after `from` in valid UTF-8. special: special tokens count too. */
kw_added_match kw_added_find(const kw_added *added, kw_str text, size_t from, bool special);

/* The end of the longest token at text[at), or 0: there is none. */
size_t kw_added_at(const kw_added *added, kw_str text, size_t at);

#endif
