/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json_steps.h - the small parts of a tokenizer.json: normalizer, pre_tokenizer, post_processor and
 * decoder. What this build cannot do is refused by its name. */
#ifndef KW_TEXT_JSON_STEPS_H
#define KW_TEXT_JSON_STEPS_H

#include "text/json_tree.h"
#include "text/vocab.h"

#define KW_JSON_MAX_STEPS 64
#define KW_JSON_MAX_EDITS 16

typedef struct kw_step_list {
    kw_step items[KW_JSON_MAX_STEPS];
    size_t n;
    bool bytes; /* ByteLevel is one of them */
    kw_arena *arena;
} kw_step_list;

/* The expression whose matches are the pieces of UnicodeScripts. */
kw_status kw_json_scripts(kw_arena *arena, kw_str *out, kw_error *err);
/* Each takes the value of its key, or NULL. Steps point into the tree. */
kw_status kw_json_normalizer(const kw_tree *tree, const char *subject, kw_step_list *out,
                             kw_error *err);
kw_status kw_json_pretokenizer(const kw_tree *tree, const char *subject, kw_step_list *out,
                               kw_error *err);
/* Sets prefix and suffix, in the arena, where the file says what surrounds a text. */
kw_status kw_json_postprocessor(const kw_tree *tree, const char *subject, kw_arena *arena,
                                kw_vocab *vocab, kw_error *err);
/* Sets what decoding writes; edits in the arena. */
kw_status kw_json_decoder(const kw_tree *tree, const char *subject, kw_arena *arena,
                          kw_vocab *vocab, kw_error *err);

#endif
