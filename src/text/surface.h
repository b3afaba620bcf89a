/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* surface.h - what a token writes when it is decoded. */
#ifndef KW_TEXT_SURFACE_H
#define KW_TEXT_SURFACE_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A change to what a token writes: every `from` becomes `with`, or, when `from` is a character to
 * strip, up to `start` of them go at the start and `stop` at the end. */
typedef struct kw_token_edit {
    kw_str from, with;
    bool strip;
    size_t start, stop;
} kw_token_edit;

/* What becomes of a token's text when it is decoded. */
typedef struct kw_token_rules {
    bool byte_level;            /* it is spelled in the byte alphabet */
    bool metaspace;             /* U+2581 stands for a space */
    bool spaced;                /* tokens are words: a space before each but the first */
    bool spelled_bytes;         /* <0x41> is written so, and not as a byte */
    bool cleanup;               /* spaced: none before punctuation, as in English */
    const kw_token_edit *edits; /* [n_edits] */
    size_t n_edits;
    kw_str inside; /* spaced: a token that starts with it goes on in a word; it is not written */
} kw_token_rules;

/* Room that a surface may take beside the bytes of its token. */
#define KW_SURFACE_MORE 1

/* What a token writes; `room` holds its length and KW_SURFACE_MORE. A view of text or of room.
 * first: nothing comes before it. */
kw_str kw_surface_of(const kw_token_rules *rules, kw_str text, uint8_t kind, bool first,
                     char *room);
/* Applies the edits of the rules to a surface. False when memory is out or when it grows beyond
 * reason; *changed is malloc'ed, or NULL when there is nothing to change. */
bool kw_surface_edit(const kw_token_rules *rules, kw_str surface, char **changed, size_t *len);
/* What the library replaces to clean up, in this order. */
#define KW_N_CLEANUP 11
extern const char *const kw_cleanup[KW_N_CLEANUP][2];
/* Takes out the spaces before punctuation and English endings, in place; returns the new length.
 */
size_t kw_surface_clean(char *text, size_t len);

#endif
