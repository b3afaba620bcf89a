/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokenizer_impl.h - inside of a tokenizer; for tokenizer.c, encode.c and decode.c. */
#ifndef KW_TEXT_TOKENIZER_IMPL_H
#define KW_TEXT_TOKENIZER_IMPL_H

#include "text/bpe.h"
#include "text/tokenizer.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

#define KW_ENDS_MAX 32

struct kw_tokenizer {
    kw_arena arena; /* all tables */
    kw_vocab_kind kind;
    kw_bpe bpe; /* and the tokens of every kind */
    kw_unigram unigram;
    kw_wordpiece wordpiece;
    kw_steps normalizers, splitters;
    kw_added written, normalized; /* added tokens matched before and after the normalizers */
    int32_t bos, eos;
    int32_t ends[KW_ENDS_MAX];
    size_t n_ends;
    int32_t *prefix, *suffix;
    size_t n_prefix, n_suffix;
    bool skip_repeats;
    bool drop_first_space, drop_first_spaces; /* one, or one of each token up to the first text */
    kw_str end_decoded;                       /* in the arena */
    bool end_kept;
    bool spelled_unk, cleanup_text, eos_once;
};

#endif
