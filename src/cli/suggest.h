/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* suggest.h - the name a person probably meant. */
#ifndef KW_CLI_SUGGEST_H
#define KW_CLI_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

/* How far word is from name: insertions, deletions, substitutions and swaps of neighbours. Words
 * of 64 characters and more are infinitely far. */
size_t kw_edit_distance(const char *word, const char *name);

/* Feed names one by one; .best is the nearest that is near enough, else NULL. */
typedef struct kw_suggestion {
    const char *word;
    const char *best; /* borrowed */
    size_t distance;
} kw_suggestion;

void kw_suggest_init(kw_suggestion *s, const char *word);
/* True when name became the best. */
bool kw_suggest_consider(kw_suggestion *s, const char *name);

#endif
