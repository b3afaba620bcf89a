/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bpe.h - byte-pair encoding of one piece of text.
 *
 * Symbols (bytes, or characters) are merged pair by pair, the best rank first and of equals the
 * leftmost, until no pair merges: n log n by a heap, however long the piece. A pair's rank comes
 * from a table of merges, or, as SentencePiece and tiktoken do it, from the token that the pair
 * spells. Source: Sennrich et al. 2016, arXiv:1508.07909; google/sentencepiece, bpe_model. */
#ifndef KW_TEXT_BPE_H
#define KW_TEXT_BPE_H

#include "text/grow.h"
#include "text/piece_cache.h"
#include "text/tokens.h"

/* Longest word_inside and word_end. */
#define KW_WORD_MARK_MAX 64

/* What encoding a piece needs to know; immutable. */
typedef struct kw_bpe {
    kw_tokens tokens;
    kw_pairs pairs;
    int32_t byte_ids[256];  /* byte-level: the first symbols; else byte fallback; -1: none */
    int32_t ascii_ids[128]; /* the tokens of single characters; byte-level: not used */
    int32_t unk;            /* -1: unknown text without byte tokens is dropped */
    bool fuse_unk;          /* a run of unknown text is one unknown token */
    bool ignore_merges;     /* a piece that is a token is taken whole */
    bool byte_fallback;
    bool any_unused; /* some token is KW_TOKEN_UNUSED */
    kw_str word_end; /* what the last symbol of a piece is spelled with besides; or empty */
    /* what every other symbol than the first of a piece is spelled with before it; or empty */
    kw_str word_inside;
    /* Bit (a << 8 | b): byte b follows byte a inside some token. Elsewhere nothing merges across.
     */
    uint64_t *follows; /* [1024] in the arena; NULL in byte-level vocabularies */
} kw_bpe;

/* Work memory of one thread, kept from piece to piece. Zero-initialised is valid. */
typedef struct kw_merger {
    struct kw_symbol *symbols; /* owned */
    struct kw_candidate *heap; /* owned */
    kw_pair_slot *memo;        /* owned; pairs looked up lately, where there is no pair table */
    uint32_t *unused_left;     /* owned; bytes of the left part of an unused token */
    kw_spans stack;            /* owned */
    kw_piece_slot *cache;      /* owned; [KW_PIECE_SLOTS], NULL until many pieces were met */
    size_t n_pieces;
    size_t n_symbols, n_heap, cap_symbols, cap_heap;
} kw_merger;

/* Fills byte_ids, ascii_ids, follows and any_unused from tokens. */
kw_status kw_bpe_index(kw_bpe *bpe, kw_arena *arena, kw_error *err);
/* Appends the ids of a piece. Byte-level: any bytes; else valid UTF-8. At most 2^30 bytes. */
kw_status kw_bpe_encode(const kw_bpe *bpe, kw_merger *merger, kw_str piece, kw_ids *ids,
                        kw_error *err);
void kw_merger_free(kw_merger *merger);
/* Appends what becomes of text that is no token: its bytes where every one has a token, else the
 * unknown token. `unknown` carries whether the token before was unknown. False: memory is out. */
bool kw_bpe_unknown(const kw_bpe *bpe, kw_str text, kw_ids *ids, bool *unknown);

#endif
