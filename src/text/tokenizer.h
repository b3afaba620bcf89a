/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokenizer.h - text to token ids and back: byte-level BPE and SentencePiece BPE.
 *
 * A tokenizer is built once from a description (kw_vocab) that a source fills: GGUF metadata,
 * tokenizer.json, tokenizer.model (SentencePiece protobuf, or tiktoken ranks). After that it is
 * immutable: any number of threads may use it. */
#ifndef KW_TEXT_TOKENIZER_H
#define KW_TEXT_TOKENIZER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

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

typedef enum kw_vocab_kind { KW_VOCAB_SPM_BPE, KW_VOCAB_BYTE_BPE } kw_vocab_kind;

/* How byte-level BPE cuts text before merging. */
typedef enum kw_pretokenizer {
    KW_PRE_GPT2,
    KW_PRE_LLAMA3,
    KW_PRE_QWEN2,
    KW_PRE_CUSTOM, /* vocab.pattern, a PCRE2 expression */
    KW_PRE_NONE    /* the whole text is one piece */
} kw_pretokenizer;

/* What a tokenizer is made of; every pointer is borrowed during kw_tokenizer_create only. */
typedef struct kw_vocab {
    kw_vocab_kind kind;
    size_t n_tokens;
    const kw_str *tokens; /* [n_tokens] as the file writes them (byte-level: the printable alphabet) */
    const float *scores;  /* [n_tokens] SPM: merge priority; NULL: rank = id */
    const uint8_t *kinds; /* [n_tokens] kw_token_kind; NULL: all normal */
    const kw_str *merges; /* [n_merges] byte-level: "left right", best first; SPM may have them too */
    size_t n_merges;
    kw_pretokenizer pre;
    kw_str pattern;     /* KW_PRE_CUSTOM */
    bool pattern_inverted; /* true: the pattern matches what is between the pieces */
    int32_t bos, eos, unk, pad; /* -1: none */
    bool add_bos, add_eos;
    bool add_space_prefix; /* SPM: a space before the first piece */
    bool byte_fallback;    /* SPM: unknown characters become <0xNN> */
    bool ignore_merges;    /* a piece that is a token is taken whole before merging */
    bool nfc;              /* normalise first (Qwen 2) */
    bool clean_up_spaces;
} kw_vocab;

typedef struct kw_tokenizer kw_tokenizer;

/* Checks and indexes a vocabulary. Copies what it needs. */
kw_status kw_tokenizer_create(const kw_vocab *vocab, kw_tokenizer **out, kw_error *err);
void kw_tokenizer_free(kw_tokenizer *tokenizer);
/* From tokenizer.json, tokenizer.model (SentencePiece or tiktoken), or vocab.json + merges.txt: a
 * file, or a directory that is searched in this order. tokenizer_config.json beside it is honoured. */
kw_status kw_tokenizer_from_path(const char *path, kw_tokenizer **out, kw_error *err);
kw_status kw_tokenizer_from_json(kw_str text, const char *subject, kw_tokenizer **out,
                                 kw_error *err);
kw_status kw_tokenizer_from_sentencepiece(kw_str bytes, const char *subject, kw_tokenizer **out,
                                          kw_error *err);
kw_status kw_tokenizer_from_tiktoken(kw_str text, const char *subject, kw_tokenizer **out,
                                     kw_error *err);

enum kw_encode_flags {
    KW_ENCODE_SPECIAL = 1, /* add bos/eos as the tokenizer's own post-processing says */
    KW_ENCODE_PARSE = 2    /* special tokens written in the text become their ids */
};

/* Token ids of text[0..len). *ids is malloc'ed, owned by the caller. Any bytes are accepted; invalid
 * UTF-8 goes through byte tokens. */
kw_status kw_tokenizer_encode(const kw_tokenizer *tokenizer, kw_str text, unsigned flags,
                              int32_t **ids, size_t *n_ids, kw_error *err);

/* Streaming decoder: feeds ids, yields bytes that never split a UTF-8 character. */
typedef struct kw_detokenizer {
    const kw_tokenizer *tokenizer;
    char pending[512]; /* bytes of an unfinished character, and room for one token's text */
    size_t n_pending;
    bool first;        /* nothing was written yet: SPM drops its leading space */
    bool keep_special; /* write control tokens as text */
} kw_detokenizer;

void kw_detokenizer_init(kw_detokenizer *d, const kw_tokenizer *tokenizer, bool keep_special);
/* The text that token `id` completes; a view into d or the tokenizer, valid until the next call. An
 * id out of range yields nothing. */
kw_str kw_detokenizer_push(kw_detokenizer *d, int32_t id);
/* What is still pending at the end, invalid bytes replaced by U+FFFD. */
kw_str kw_detokenizer_flush(kw_detokenizer *d);
/* The whole of ids as one malloc'ed, terminated string. */
kw_status kw_tokenizer_decode(const kw_tokenizer *tokenizer, const int32_t *ids, size_t n,
                              bool keep_special, char **text, size_t *len, kw_error *err);

size_t kw_tokenizer_size(const kw_tokenizer *tokenizer);
/* Its spelling in the vocabulary; empty when out of range. */
kw_str kw_tokenizer_piece(const kw_tokenizer *tokenizer, int32_t id);
kw_token_kind kw_tokenizer_kind(const kw_tokenizer *tokenizer, int32_t id);
/* -1 when it has none. */
int32_t kw_tokenizer_bos(const kw_tokenizer *tokenizer);
int32_t kw_tokenizer_eos(const kw_tokenizer *tokenizer);
/* True for eos and the end-of-turn tokens that models use (<|eot_id|>, <|im_end|>, ...). */
bool kw_tokenizer_is_end(const kw_tokenizer *tokenizer, int32_t id);
/* The id spelled exactly so, or -1. */
int32_t kw_tokenizer_find(const kw_tokenizer *tokenizer, kw_str piece);

#endif
