/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unigram.h - the most probable way to spell a text in tokens, each with a log probability.
 *
 * Viterbi over the places of the text. Scores are summed as the reference sums them, in float
 * (SentencePiece) or in double (Hugging Face), since that decides between ways that are almost
 * equal. Source: Kudo 2018, arXiv:1804.10959; google/sentencepiece, unigram_model; Hugging Face
 * tokenizers, models/unigram. */
#ifndef KW_TEXT_UNIGRAM_H
#define KW_TEXT_UNIGRAM_H

#include "text/bpe.h"
#include "text/trie.h"

typedef struct kw_unigram {
    kw_trie trie;
    double *scores;   /* [tokens] in the arena; what a step over the token adds */
    double unk_score; /* a character that is no token */
    double lead;      /* what the sums of a piece that starts with U+2581 start from */
    bool single;      /* sums are rounded to float */
} kw_unigram;

typedef struct kw_unigram_scores {
    const float *single; /* [n] as SentencePiece has them, or NULL */
    const double *exact; /* [n] as tokenizer.json writes them, or NULL */
} kw_unigram_scores;

typedef struct kw_unigram_place { /* the best way that ends here */
    double score;
    int32_t id;    /* of its last token */
    uint32_t from; /* where that starts; NONE: there is no way yet */
} kw_unigram_place;

/* Work memory of one thread. Zero-initialised is valid. */
typedef struct kw_viterbi {
    kw_unigram_place *places; /* owned */
    kw_spans parts;           /* owned; the tokens of a stretch, last first */
    size_t cap;
} kw_viterbi;

/* kinds: with single scores only normal, user-defined and unused tokens spell text; else all do. */
kw_status kw_unigram_build(const kw_tokens *tokens, kw_unigram_scores scores, kw_arena *arena,
                           kw_unigram *out, kw_error *err);
/* Sums start from that of a text from now on. transformers encodes its unknown token before each
 * text of T5 and takes it off again, which rounds sums differently and so decides between equals.
 */
kw_status kw_unigram_set_lead(kw_unigram *unigram, const kw_bpe *bpe, kw_str text, kw_error *err);
/* Appends the ids of a piece, valid UTF-8. bpe: the tokens, and what unknown text becomes. */
kw_status kw_unigram_encode(const kw_unigram *unigram, const kw_bpe *bpe, kw_viterbi *work,
                            kw_str piece, kw_ids *ids, kw_error *err);
void kw_viterbi_free(kw_viterbi *work);

#endif
