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

typedef enum kw_vocab_kind {
    KW_VOCAB_SPM_BPE,   /* merges of characters */
    KW_VOCAB_BYTE_BPE,  /* merges of bytes; tokens are spelled in the byte alphabet */
    KW_VOCAB_UNIGRAM,   /* the most probable tokens; scores or exact_scores are there */
    KW_VOCAB_WORDPIECE, /* the longest tokens of a word, from the left */
    KW_VOCAB_WORDLEVEL  /* whole words */
} kw_vocab_kind;

/* Every pointer is borrowed during kw_tokenizer_create only. Start from kw_vocab_defaults. */
typedef struct kw_vocab {
    kw_vocab_kind kind;
    size_t n_tokens;
    const kw_str
        *tokens; /* [n_tokens] as the file writes them (byte-level: the printable alphabet) */
    const float *scores;        /* [n_tokens] without merges: the merge priority; NULL: rank = id */
    const double *exact_scores; /* [n_tokens] unigram, where they are no floats */
    const uint8_t *kinds;       /* [n_tokens] kw_token_kind; NULL: all normal */
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
    bool eos_once;                   /* not after a text that ends with eos itself (T5) */
    const int32_t *prefix, *suffix;  /* instead, when not NULL */
    size_t n_prefix, n_suffix;

    kw_str word_inside;         /* WordPiece, BPE: what begins a token inside a word */
    kw_str word_decoded;        /* spaced: the same, as decoding sees it */
    kw_str word_end;            /* BPE: what the last token of a word ends with (CLIP's </w>) */
    kw_str end_decoded;         /* decoding: such an end is a space */
    bool end_kept;              /* also behind the last token */
    const kw_token_edit *edits; /* [n_edits] decoding: after all else, to each token */
    size_t n_edits;
    size_t max_word_chars; /* WordPiece: a word of more is unknown; 0: 100 */

    /* SPM: BPE and unigram. */
    kw_str charsmap;        /* SPM: SentencePiece's normalisation; empty: none */
    bool user_in_model;     /* unigram: finds user-defined tokens itself */
    bool unk_leads;         /* unigram: sums start from the unknown token's (see unigram.h) */
    bool add_space_prefix;  /* SPM: a space before the text */
    bool prefix_everywhere; /* SPM: and after each control token written in it */
    bool squeeze_spaces;    /* SPM: remove_extra_whitespaces */
    bool metaspace;         /* SPM: U+2581 in tokens is a space */
    bool drop_first_space;  /* decoding drops the space that add_space_prefix put */
    bool byte_fallback;     /* SPM: unknown characters become <0xNN> */
    bool fuse_unk;          /* a run of unknown characters is one unknown token */
    bool ignore_merges;     /* a piece that is a token is taken whole before merging */
    bool nfc;               /* normalise first (Qwen 2) */
    bool spelled_bytes;     /* byte tokens are written as they are spelled */
    bool spelled_unk;       /* the unknown token is written as it is spelled, not as a sign */
    bool spaced;            /* decoding: tokens are words */
    bool cleanup;           /* spaced: no space before punctuation, in each token */
    bool cleanup_text;      /* and once more in the whole text */
    bool skip_repeats;      /* decoding: a token like the one before it writes nothing */
} kw_vocab;

/* No tokens, no ids, nothing added; the flags usual for the kind. */
void kw_vocab_defaults(kw_vocab *vocab, kw_vocab_kind kind);

/* Readers: the description of a file's vocabulary. It points into the text and the arena. */

/* tokenizer.json of Hugging Face tokenizers. */
kw_status kw_vocab_from_json(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                             kw_error *err);
/* vocab.json (or encoder.json) and merges.txt (or vocab.bpe). */
kw_status kw_vocab_from_merges(kw_str vocab_json, kw_str merges, const char *subject,
                               kw_arena *arena, kw_vocab *out, kw_error *err);
/* SentencePiece's ModelProto, model types BPE and Unigram. Texts get bos (BPE, as Llama's) or eos
 * (Unigram, as T5's); tokenizer_config.json says otherwise where that is wrong. */
kw_status kw_vocab_from_sentencepiece(kw_str bytes, const char *subject, kw_arena *arena,
                                      kw_vocab *out, kw_error *err);
/* vocab.txt of BERT: a line is a token. Upper case anywhere means that case counts. */
kw_status kw_vocab_from_wordlist(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                                 kw_error *err);
/* How BERT prepares text, as steps in the arena. strip: accents go; slow: as transformers' own
 * class has it, unassigned characters go. */
typedef struct kw_bert_rules {
    bool slow, cjk, strip, lower;
} kw_bert_rules;
kw_status kw_vocab_set_bert(kw_vocab *vocab, kw_bert_rules rules, kw_arena *arena, kw_error *err);
/* Whether some token that text spells has an upper case letter of ASCII. */
bool kw_vocab_is_cased(const kw_vocab *vocab);
/* tiktoken ranks: a line is base64 of a token, a space, its rank. */
kw_status kw_vocab_from_tiktoken(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                                 kw_error *err);
/* Applies tokenizer_config.json to a description: the named special tokens, add_bos_token,
 * add_eos_token, added_tokens_decoder, tokenizer_class, legacy. */
kw_status kw_vocab_apply_config(kw_str text, const char *subject, kw_arena *arena, kw_vocab *vocab,
                                kw_error *err);
/* Adds the tokens of added_tokens.json, {"<|endoftext|>": 50257, ..}: special where they are
 * written in angle brackets. */
kw_status kw_vocab_apply_added(kw_str text, const char *subject, kw_arena *arena, kw_vocab *vocab,
                               kw_error *err);
/* The description of the tokenizer at a path (kw_tokenizer_from_path says which), given to `use`
 * while the files that it points into are open. */
typedef kw_status (*kw_vocab_use)(void *user, const kw_vocab *vocab, kw_error *err);
kw_status kw_vocab_from_path(const char *path, kw_vocab_use use, void *user, kw_error *err);
/* The first id spelled so, or -1. */
int32_t kw_vocab_find(const kw_vocab *vocab, kw_str spelling);

#endif
