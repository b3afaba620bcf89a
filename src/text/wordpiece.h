/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* wordpiece.h - words as the longest tokens from the left, and words that are one token or none.
 *
 * A token that goes on inside a word is spelled with a prefix ("##ing"). Source: Hugging Face
 * tokenizers, models/wordpiece and models/wordlevel; google-research/bert, tokenization.py. */
#ifndef KW_TEXT_WORDPIECE_H
#define KW_TEXT_WORDPIECE_H

#include "text/grow.h"
#include "text/tokens.h"
#include "text/trie.h"

typedef struct kw_wordpiece {
    kw_trie trie;
    uint32_t inside;  /* the node of the prefix */
    bool any_inside;  /* some token has the prefix */
    bool whole;       /* only whole words are tokens */
    size_t max_chars; /* a word of more is unknown */
    int32_t unk;      /* -1: unknown words are dropped */
} kw_wordpiece;

/* prefix: what begins a token inside a word. */
kw_status kw_wordpiece_build(const kw_tokens *tokens, kw_str prefix, kw_arena *arena,
                             kw_wordpiece *out, kw_error *err);
/* Appends the ids of one word, valid UTF-8. */
kw_status kw_wordpiece_encode(const kw_wordpiece *wordpiece, kw_str word, kw_ids *ids,
                              kw_error *err);

#endif
