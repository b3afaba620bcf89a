/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* encode.c - text to ids: cut out added tokens, normalise, cut into pieces, merge. */
#include "text/tokenizer.h"

#include "base/utf8.h"
#include "text/tokenizer_impl.h"

#include <stdlib.h>

#define NOMEM(err) kw_fail((err), KW_E_NOMEM, "tokenizer: out of memory encoding text")

/* One call's work. */
typedef struct encoder {
    const kw_tokenizer *t;
    bool special; /* special tokens written in the text count */
    kw_ids ids;
    kw_merger merger;
    kw_viterbi viterbi;
    kw_pieces normal, pieces;
} encoder;

static kw_status encode_piece(encoder *e, kw_str piece, kw_error *err)
{
    const kw_tokenizer *t = e->t;
    switch (t->kind) {
    case KW_VOCAB_UNIGRAM:
        return kw_unigram_encode(&t->unigram, &t->bpe, &e->viterbi, piece, &e->ids, err);
    case KW_VOCAB_WORDPIECE:
    case KW_VOCAB_WORDLEVEL:
        return kw_wordpiece_encode(&t->wordpiece, piece, &e->ids, err);
    case KW_VOCAB_SPM_BPE:
    case KW_VOCAB_BYTE_BPE:
        break;
    }
    return kw_bpe_encode(&t->bpe, &e->merger, piece, &e->ids, err);
}

/* Encodes normalised text that holds no added token. */
static kw_status encode_normal(encoder *e, kw_str text, bool at_start, kw_error *err)
{
    KW_TRY(kw_steps_run(&e->t->splitters, text, at_start, &e->pieces, err));
    for (size_t i = 0; i < e->pieces.spans.n; i++) {
        const kw_span span = e->pieces.spans.items[i];
        const kw_str piece = {e->pieces.text.data + span.start, span.end - span.start};
        KW_TRY(encode_piece(e, piece, err));
    }
    return KW_OK;
}

/* Encodes normalised text. */
static kw_status encode_normalized(encoder *e, kw_str text, bool at_start, kw_error *err)
{
    for (size_t from = 0; from < text.len;) {
        const kw_added_match match = kw_added_find(&e->t->normalized, text, from, e->special);
        if (match.start > from) {
            const kw_str before = {text.data + from, match.start - from};
            KW_TRY(encode_normal(e, before, at_start && from == 0, err));
        }
        if (match.id >= 0 && !kw_ids_add(&e->ids, match.id))
            return NOMEM(err);
        from = match.end;
    }
    return KW_OK;
}

/* Encodes valid UTF-8 as written. */
static kw_status encode_written(encoder *e, kw_str text, bool at_start, kw_error *err)
{
    for (size_t from = 0; from < text.len;) {
        const kw_added_match match = kw_added_find(&e->t->written, text, from, e->special);
        if (match.start > from) {
            const kw_str before = {text.data + from, match.start - from};
            const bool first = at_start && from == 0;
            KW_TRY(kw_steps_run(&e->t->normalizers, before, first, &e->normal, err));
            if (e->normal.spans.n > 0)
                KW_TRY(encode_normalized(e, e->normal.text, first, err));
        }
        if (match.id >= 0 && !kw_ids_add(&e->ids, match.id))
            return NOMEM(err);
        from = match.end;
    }
    return KW_OK;
}

/* End of the longest run from `from` on of bytes that are all part of characters, or all not. */
static size_t run_end(kw_str text, size_t from, bool *valid)
{
    size_t at = from;
    while (at < text.len) {
        uint32_t codepoint;
        const size_t width = kw_utf8_decode(text.data + at, text.len - at, &codepoint);
        const bool good = codepoint != KW_UTF8_BAD;
        if (at == from)
            *valid = good;
        else if (good != *valid)
            break;
        at += width;
    }
    return at;
}

/* Byte-level: characters take the usual way, other bytes are pieces of their own. */
static kw_status encode_bytes(encoder *e, kw_str text, kw_error *err)
{
    for (size_t from = 0; from < text.len;) {
        bool valid = true;
        const size_t end = run_end(text, from, &valid);
        const kw_str part = {text.data + from, end - from};
        if (valid)
            KW_TRY(encode_written(e, part, from == 0, err));
        else
            KW_TRY(kw_bpe_encode(&e->t->bpe, &e->merger, part, &e->ids, err));
        from = end;
    }
    return KW_OK;
}

/* The others: a byte that is no character is U+FFFD. */
static kw_status encode_repaired(encoder *e, kw_str text, kw_error *err)
{
    char *repaired = malloc(3 * text.len);
    if (!repaired)
        return NOMEM(err);
    size_t n = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t codepoint;
        const size_t width = kw_utf8_decode(text.data + at, text.len - at, &codepoint);
        if (codepoint == KW_UTF8_BAD)
            codepoint = 0xFFFD;
        n += kw_utf8_encode(codepoint, repaired + n);
        at += width;
    }
    const kw_status status = encode_written(e, (kw_str){repaired, n}, true, err);
    free(repaired);
    return status;
}

static bool add_all(kw_ids *ids, const int32_t *more, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!kw_ids_add(ids, more[i]))
            return false;
    return true;
}

static kw_status encode_text(encoder *e, kw_str text, unsigned flags, kw_error *err)
{
    const kw_tokenizer *t = e->t;
    if ((flags & KW_ENCODE_SPECIAL) && !add_all(&e->ids, t->prefix, t->n_prefix))
        return NOMEM(err);
    if (kw_utf8_valid(text.data, text.len) || kw_steps_repair(&t->normalizers))
        KW_TRY(encode_written(e, text, true, err));
    else if (t->bpe.tokens.byte_level)
        KW_TRY(encode_bytes(e, text, err));
    else
        KW_TRY(encode_repaired(e, text, err));
    const bool ended = t->eos_once && e->ids.n > 0 && e->ids.items[e->ids.n - 1] == t->eos;
    if ((flags & KW_ENCODE_SPECIAL) && !ended && !add_all(&e->ids, t->suffix, t->n_suffix))
        return NOMEM(err);
    return KW_OK;
}

kw_status kw_tokenizer_encode(const kw_tokenizer *tokenizer, kw_str text, unsigned flags,
                              int32_t **ids, size_t *n_ids, kw_error *err)
{
    if (text.len > KW_TEXT_MAX_BYTES)
        return kw_fail(err, KW_E_LIMIT, "tokenizer: a text of %zu bytes is longer than %zu",
                       text.len, KW_TEXT_MAX_BYTES);
    encoder e = {.t = tokenizer,
                 .special = (flags & KW_ENCODE_PARSE) != 0,
                 .normal = {.current = -1},
                 .pieces = {.current = -1}};
    e.ids.items =
        malloc(sizeof(int32_t)); /* never NULL, so that an empty answer can be freed too */
    e.ids.cap = 1;
    kw_status status = e.ids.items ? KW_OK : NOMEM(err);
    if (status == KW_OK)
        status = encode_text(&e, text, flags, err);
    kw_merger_free(&e.merger);
    kw_viterbi_free(&e.viterbi);
    kw_pieces_free(&e.normal);
    kw_pieces_free(&e.pieces);
    if (status != KW_OK) {
        free(e.ids.items);
        return status;
    }
    *ids = e.ids.items;
    *n_ids = e.ids.n;
    return KW_OK;
}
