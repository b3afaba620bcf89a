/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab.h - the description that a tokenizer is built from, whatever file it came from. */
#ifndef KW_TEXT_VOCAB_H
#define KW_TEXT_VOCAB_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "text/added.h"
#include "text/steps.h"
#include "text/tokens.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum kw_token_kind { /* GGUF's token_type */
                             KW_TOKEN_NORMAL = 1,
                             KW_TOKEN_UNKNOWN = 2,
                             KW_TOKEN_CONTROL = 3,
                             KW_TOKEN_USER = 4,
                             KW_TOKEN_UNUSED = 5,
                             KW_TOKEN_BYTE = 6
} kw_token_kind;

/* SPM: the first symbols are characters; byte: bytes, tokens are spelled in the byte alphabet. */
typedef enum kw_vocab_kind { KW_VOCAB_SPM_BPE, KW_VOCAB_BYTE_BPE } kw_vocab_kind;

/* Every pointer is borrowed during kw_tokenizer_create only. Start from kw_vocab_defaults. */
typedef struct kw_vocab {
    kw_vocab_kind kind;
    size_t n_tokens;
    const kw_str
        *tokens; /* [n_tokens] as the file writes them (byte-level: the printable alphabet) */
    const float *scores;  /* [n_tokens] without merges: the merge priority; NULL: rank = id */
    const uint8_t *kinds; /* [n_tokens] kw_token_kind; NULL: all normal */
    const kw_str *merges; /* [n_merges] "left right", best first; not looked at beside scores */
    const kw_merge *merge_pairs; /* [n_merges] instead of merges: the parts apart */
    size_t n_merges;
    const kw_added_token *added; /* [n_added]; NULL: the control, unknown and user tokens */
    size_t n_added;

    kw_pretokenizer pre;
    bool custom_steps; /* the two lists below hold instead of what pre and the flags imply */
    const kw_step *normalizers, *splitters;
    size_t n_normalizers, n_splitters;

    int32_t bos, eos, eot, unk, pad; /* -1: none */
    bool add_bos, add_eos;           /* what KW_ENCODE_SPECIAL adds */
    const int32_t *prefix, *suffix;  /* instead, when not NULL */
    size_t n_prefix, n_suffix;

    bool add_space_prefix;  /* SPM: a space before the text */
    bool prefix_everywhere; /* SPM: and after each control token written in it */
    bool squeeze_spaces;    /* SPM: remove_extra_whitespaces */
    bool metaspace;         /* SPM: U+2581 in tokens is a space */
    bool drop_first_space;  /* decoding drops the space that add_space_prefix put */
    bool byte_fallback;     /* SPM: unknown characters become <0xNN> */
    bool fuse_unk;          /* a run of unknown characters is one unknown token */
    bool ignore_merges;     /* a piece that is a token is taken whole before merging */
    bool nfc;               /* normalise first (Qwen 2) */
} kw_vocab;

/* No tokens, no ids, nothing added; the flags usual for the kind. */
void kw_vocab_defaults(kw_vocab *vocab, kw_vocab_kind kind);

/* Readers: the description of a file's vocabulary. It points into the text and the arena. */

/* tokenizer.json of Hugging Face tokenizers, model type BPE. */
kw_status kw_vocab_from_json(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                             kw_error *err);
/* vocab.json (or encoder.json) and merges.txt (or vocab.bpe). */
kw_status kw_vocab_from_merges(kw_str vocab_json, kw_str merges, const char *subject,
                               kw_arena *arena, kw_vocab *out, kw_error *err);
/* SentencePiece's ModelProto, model type BPE. */
kw_status kw_vocab_from_sentencepiece(kw_str bytes, const char *subject, kw_arena *arena,
                                      kw_vocab *out, kw_error *err);
/* tiktoken ranks: a line is base64 of a token, a space, its rank. */
kw_status kw_vocab_from_tiktoken(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                                 kw_error *err);
/* Applies tokenizer_config.json to a description: the named special tokens, add_bos_token,
 * add_eos_token, added_tokens_decoder, tokenizer_class, legacy. */
kw_status kw_vocab_apply_config(kw_str text, const char *subject, kw_arena *arena, kw_vocab *vocab,
                                kw_error *err);
/* The description of the tokenizer at a path (kw_tokenizer_from_path says which), given to `use`
 * while the files that it points into are open. */
typedef kw_status (*kw_vocab_use)(void *user, const kw_vocab *vocab, kw_error *err);
kw_status kw_vocab_from_path(const char *path, kw_vocab_use use, void *user, kw_error *err);
/* The first id spelled so, or -1. */
int32_t kw_vocab_find(const kw_vocab *vocab, kw_str spelling);

#endif
