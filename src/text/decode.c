/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decode.c - ids to text, one at a time.
 *
 * Bytes that end inside a character wait for the next token. What can no longer become a character
 * is U+FFFD: for each byte, as SentencePiece decodes, or in byte-level vocabularies for each
 * maximal subpart of a sequence (Unicode, section 3.9). */
#include "text/tokenizer.h"

#include "base/check.h"
#include "base/utf8.h"
#include "text/tokenizer_impl.h"

#include <stdlib.h>

#define REPLACEMENT "\xEF\xBF\xBD"

void kw_detokenizer_init(kw_detokenizer *d, const kw_tokenizer *tokenizer, bool keep_special)
{
    d->tokenizer = tokenizer;
    d->n_pending = 0;
    d->last = -1;
    d->first = true;
    d->space = false;
    d->keep_special = keep_special;
}

/* What a token writes, before bytes become characters. */
static kw_str text_of(kw_detokenizer *d, int32_t id)
{
    const kw_tokens *tokens = &d->tokenizer->bpe.tokens;
    if (id < 0 || (size_t)id >= tokens->n)
        return KW_STR("");
    const uint8_t kind = tokens->kinds[id];
    const bool unknown = kind == KW_TOKEN_UNKNOWN && !d->keep_special;
    if ((kind == KW_TOKEN_CONTROL && !d->keep_special) || (unknown && tokens->byte_level))
        return KW_STR("");
    if (unknown && !d->tokenizer->spelled_unk) { /* SentencePiece's own sign for it */
        d->first = false;
        return KW_STR(" \xE2\x81\x87 ");
    }
    kw_str text = d->first && tokens->initial ? tokens->initial[id] : tokens->surface[id];
    if (tokens->initial) {
        d->first = false;
    } else if (text.len > 0 && d->first) {
        d->first = d->tokenizer->drop_first_spaces && kw_str_is(text, " ");
        if (d->tokenizer->drop_first_space && kind != KW_TOKEN_BYTE && text.data[0] == ' ')
            text = (kw_str){text.data + 1, text.len - 1};
    }
    return text;
}

/* Bytes of the sequence at text[0..len), len > 0, that one U+FFFD stands for. */
static size_t bad_width(const kw_detokenizer *d, const char *text, size_t len)
{
    size_t width = 1;
    if (d->tokenizer->bpe.tokens.byte_level)
        while (width < len && kw_utf8_complete(text, width + 1) == 0)
            width++;
    return width;
}

/* Appends to d->out while there is room. */
static void put(kw_detokenizer *d, size_t *n, const char *text, size_t len)
{
    if (len <= sizeof(d->out) - *n) {
        memcpy(d->out + *n, text, len);
        *n += len;
    }
}

/* The pending bytes and then text, as characters; an unfinished one is pending afterwards. */
static kw_str join(kw_detokenizer *d, kw_str text)
{
    char before[4];
    const size_t n_before = d->n_pending, len = n_before + text.len;
    memcpy(before, d->pending, sizeof(before));
    d->n_pending = 0;
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        char next[4];
        uint32_t codepoint;
        const size_t ahead = KW_MIN(len - at, sizeof(next));
        for (size_t i = 0; i < ahead; i++)
            next[i] = at + i < n_before ? before[at + i] : text.data[at + i - n_before];
        size_t width = kw_utf8_decode(next, ahead, &codepoint);
        if (codepoint != KW_UTF8_BAD) {
            put(d, &n, next, width);
        } else if (at + ahead == len && kw_utf8_complete(next, ahead) == 0) {
            memcpy(d->pending, next, ahead);
            d->n_pending = ahead;
            width = ahead;
        } else {
            width = bad_width(d, next, ahead);
            put(d, &n, REPLACEMENT, 3);
        }
        at += width;
    }
    return (kw_str){d->out, n};
}

/* Whether a token ends a word; then its end is taken off. */
static bool ends_word(const kw_tokenizer *t, kw_str *text)
{
    const kw_str end = t->end_decoded;
    if (end.len == 0 || text->len < end.len ||
        memcmp(text->data + text->len - end.len, end.data, end.len) != 0)
        return false;
    text->len -= end.len;
    return true;
}

/* Whether a token repeats the one before it, of those that are not left out anyway. */
static bool repeats(kw_detokenizer *d, int32_t id)
{
    const kw_tokens *tokens = &d->tokenizer->bpe.tokens;
    if (id < 0 || (size_t)id >= tokens->n ||
        (tokens->kinds[id] == KW_TOKEN_CONTROL && !d->keep_special))
        return false;
    const bool same = id == d->last;
    d->last = id;
    return same;
}

kw_str kw_detokenizer_push(kw_detokenizer *d, int32_t id)
{
    if (d->tokenizer->skip_repeats && repeats(d, id))
        return KW_STR("");
    kw_str text = text_of(d, id);
    if (text.len == 0)
        return KW_STR("");
    if (d->space && d->n_pending < sizeof(d->pending))
        d->pending[d->n_pending++] = ' ';
    d->space = ends_word(d->tokenizer, &text);
    const bool whole = kw_utf8_valid(text.data, text.len);
    if (whole && (d->n_pending == 0 || text.len > sizeof(d->out) - 3 * sizeof(d->pending))) {
        d->n_pending = 0;
        return text;
    }
    return join(d, text);
}

kw_str kw_detokenizer_flush(kw_detokenizer *d)
{
    size_t n = 0;
    for (size_t at = 0; at < d->n_pending; at += bad_width(d, d->pending + at, d->n_pending - at))
        put(d, &n, REPLACEMENT, 3);
    if (d->space && d->tokenizer->end_kept)
        put(d, &n, " ", 1);
    d->n_pending = 0;
    d->space = false;
    return (kw_str){d->out, n};
}

/* Appends to a terminated, growing string. */
static bool append(char **text, size_t *len, size_t *cap, kw_str more)
{
    size_t need;
    if (!kw_add_size(*len, more.len, &need) || !kw_add_size(need, 1, &need))
        return false;
    char *room = kw_grow(*text, cap, need, 1);
    if (!room)
        return false;
    if (more.len > 0)
        memcpy(room + *len, more.data, more.len);
    *text = room;
    *len = need - 1;
    room[*len] = 0;
    return true;
}

kw_status kw_tokenizer_decode(const kw_tokenizer *tokenizer, const int32_t *ids, size_t n,
                              bool keep_special, char **text, size_t *len, kw_error *err)
{
    kw_detokenizer d;
    char *all = NULL;
    size_t n_all = 0, cap = 0;
    kw_detokenizer_init(&d, tokenizer, keep_special);
    bool done = true;
    for (size_t i = 0; i < n && done; i++)
        done = append(&all, &n_all, &cap, kw_detokenizer_push(&d, ids[i]));
    if (!done || !append(&all, &n_all, &cap, kw_detokenizer_flush(&d))) {
        free(all);
        return kw_fail(err, KW_E_NOMEM, "tokenizer: out of memory decoding %zu tokens", n);
    }
    if (tokenizer->cleanup_text) {
        n_all = kw_surface_clean(all, n_all);
        all[n_all] = 0;
    }
    *text = all;
    *len = n_all;
    return KW_OK;
}
