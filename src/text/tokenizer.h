/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokenizer.h - text to token ids and back: byte-level BPE, SentencePiece (BPE and unigram),
 * WordPiece, and whole words.
 *
 * A tokenizer is built once from a description (kw_vocab) that a source fills: GGUF metadata,
 * tokenizer.json, tokenizer.model (SentencePiece protobuf, or tiktoken ranks). After that it is
 * immutable: any number of threads may use it. */
#ifndef KW_TEXT_TOKENIZER_H
#define KW_TEXT_TOKENIZER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "text/vocab.h"

#include <stdbool.h>
#include <stdint.h>

/* Longest text of one call. */
#define KW_TEXT_MAX_BYTES ((size_t)1 << 28)

typedef struct kw_tokenizer kw_tokenizer;

/* Checks and indexes a vocabulary. Copies what it needs. */
kw_status kw_tokenizer_create(const kw_vocab *vocab, kw_tokenizer **out, kw_error *err);
void kw_tokenizer_free(kw_tokenizer *tokenizer);
/* From tokenizer.json, tokenizer.model (SentencePiece or tiktoken), spiece.model, vocab.json +
 * merges.txt, or vocab.txt: a file, or a directory that is searched in this order.
 * tokenizer_config.json beside it is honoured. */
kw_status kw_tokenizer_from_path(const char *path, kw_tokenizer **out, kw_error *err);
kw_status kw_tokenizer_from_json(kw_str text, const char *subject, kw_tokenizer **out,
                                 kw_error *err);
kw_status kw_tokenizer_from_sentencepiece(kw_str bytes, const char *subject, kw_tokenizer **out,
                                          kw_error *err);
kw_status kw_tokenizer_from_wordlist(kw_str text, const char *subject, kw_tokenizer **out,
                                     kw_error *err);
kw_status kw_tokenizer_from_tiktoken(kw_str text, const char *subject, kw_tokenizer **out,
                                     kw_error *err);

enum kw_encode_flags {
    KW_ENCODE_SPECIAL = 1, /* add bos/eos as the tokenizer's own post-processing says */
    KW_ENCODE_PARSE = 2    /* special tokens written in the text become their ids */
};

/* Token ids of text[0..len). *ids is malloc'ed, owned by the caller. Any bytes are accepted: a byte
 * that is no UTF-8 is encoded as itself by a byte-level vocabulary and as U+FFFD by the others. */
kw_status kw_tokenizer_encode(const kw_tokenizer *tokenizer, kw_str text, unsigned flags,
                              int32_t **ids, size_t *n_ids, kw_error *err);

/* Streaming decoder: feeds ids, yields bytes that never split a UTF-8 character. Bytes that can
 * form none are replaced by U+FFFD. */
typedef struct kw_detokenizer {
    const kw_tokenizer *tokenizer;
    char pending[4]; /* bytes of an unfinished character */
    size_t n_pending;
    int32_t last;      /* id pushed before; -1: none */
    bool first;        /* nothing was written yet: SPM drops its leading space */
    bool space;        /* a word has ended: a space comes before what follows */
    bool keep_special; /* write control tokens as text */
    char out[500];     /* what the last push completed, where it is no token's own text */
} kw_detokenizer;

void kw_detokenizer_init(kw_detokenizer *d, const kw_tokenizer *tokenizer, bool keep_special);
/* The text that token `id` completes; a view into d or the tokenizer, valid until the next call. An
 * id out of range yields nothing. Only a token of hundreds of bytes that are no UTF-8 is cut short.
 */
kw_str kw_detokenizer_push(kw_detokenizer *d, int32_t id);
/* What is still pending at the end, invalid bytes replaced by U+FFFD. */
kw_str kw_detokenizer_flush(kw_detokenizer *d);
/* The whole of ids as one malloc'ed, terminated string. */
kw_status kw_tokenizer_decode(const kw_tokenizer *tokenizer, const int32_t *ids, size_t n,
                              bool keep_special, char **text, size_t *len, kw_error *err);

size_t kw_tokenizer_size(const kw_tokenizer *tokenizer);
/* Its spelling in the vocabulary; empty when out of range. */
kw_str kw_tokenizer_piece(const kw_tokenizer *tokenizer, int32_t id);
/* The bytes that it decodes to within a text; they may be a part of a character. */
kw_str kw_tokenizer_surface(const kw_tokenizer *tokenizer, int32_t id);
kw_token_kind kw_tokenizer_kind(const kw_tokenizer *tokenizer, int32_t id);
/* -1 when it has none. */
int32_t kw_tokenizer_bos(const kw_tokenizer *tokenizer);
int32_t kw_tokenizer_eos(const kw_tokenizer *tokenizer);
/* Makes a token end answers too; for whoever creates the tokenizer, before it is shared. An id that
 * is none is left out. */
void kw_tokenizer_add_end(kw_tokenizer *tokenizer, int32_t id);
/* True for eos, the end-of-turn tokens that models use (<|eot_id|>, <|im_end|>, ...) and those
 * added. */
bool kw_tokenizer_is_end(const kw_tokenizer *tokenizer, int32_t id);
/* The id spelled exactly so, or -1. */
int32_t kw_tokenizer_find(const kw_tokenizer *tokenizer, kw_str piece);

#endif
