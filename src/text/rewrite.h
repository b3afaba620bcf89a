/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite.h - inside of steps: finding matches, and what a rewriting step makes of a piece. */
#ifndef KW_TEXT_REWRITE_H
#define KW_TEXT_REWRITE_H

#include "text/steps.h"

/* Where a step reads matches from: a literal, a known way to cut, or a matcher begun when first
 * needed (the owner ends it). */
typedef struct kw_finder {
    const kw_compiled_step *with;
    kw_str text;
    kw_matcher *matcher; /* owned */
} kw_finder;

/* The first match at or after `from` < text.len. */
kw_status kw_find_next(kw_finder *f, size_t from, bool *found, kw_span *match, kw_error *err);

/* The buffer being written by a rewriting step. */
typedef struct kw_sink {
    kw_pieces *pieces;
    int buffer;
    size_t len;
} kw_sink;

/* Writes what becomes of one piece. */
kw_status kw_text_rewrite(kw_sink *sink, const kw_compiled_step *step, kw_str piece, bool at_start,
                          kw_error *err);

#endif
