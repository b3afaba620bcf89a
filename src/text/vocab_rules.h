/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_rules.h - what the tokenizer.ggml.* keys of a GGUF file mean.
 *
 * The caller reads the keys into plain arrays; this layer knows their defaults and the names of the
 * ways to cut text. Nothing here knows the file format. */
#ifndef KW_TEXT_VOCAB_RULES_H
#define KW_TEXT_VOCAB_RULES_H

#include "text/vocab.h"

/* A token id that the file does not give; -1 in the file itself means "none". */
#define KW_GGML_ABSENT INT64_MIN

typedef struct kw_ggml_vocab {
    kw_str model; /* tokenizer.ggml.model: "llama", "gpt2", "bert" or "t5" */
    kw_str pre;   /* tokenizer.ggml.pre; empty: absent */
    size_t n_tokens;
    const kw_str *tokens; /* [n_tokens] */
    const float *scores;  /* [n_tokens] or NULL */
    const int32_t *types; /* [n_tokens] token_type, or NULL */
    const kw_str *merges; /* [n_merges] "left right", or NULL */
    size_t n_merges;
    kw_str charsmap;                           /* precompiled_charsmap; empty: absent */
    int64_t bos, eos, eot, unk, pad, cls, sep; /* ..._token_id, or KW_GGML_ABSENT */
    int add_bos, add_eos;                      /* add_bos_token ..: 0, 1, or -1 for absent */
    int add_space_prefix, remove_extra_whitespaces;
} kw_ggml_vocab;

/* All absent. */
void kw_ggml_vocab_init(kw_ggml_vocab *raw);
/* The vocabulary that a file means. It points into raw's arrays and the arena. *warning, when it is
 * not NULL, is true when the way to cut text is not known by its name and GPT-2's is taken. */
kw_status kw_vocab_from_ggml(const kw_ggml_vocab *raw, kw_arena *arena, kw_vocab *out,
                             bool *warning, kw_error *err);
/* The reverse: the keys of a vocabulary that came from elsewhere, its arrays in the arena; types is
 * never NULL. *named is false, and nothing else is filled, when GGUF has no words for the way it
 * cuts text. */
kw_status kw_vocab_to_ggml(const kw_vocab *vocab, kw_arena *arena, kw_ggml_vocab *out, bool *named,
                           kw_error *err);

#endif
