/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* surface.c - see surface.h. Source: Hugging Face tokenizers, decoders. */
#include "text/surface.h"

#include "base/check.h"
#include "text/alphabet.h"
#include "text/grow.h"
#include "text/vocab.h"

#define METASPACE "\xE2\x96\x81"

/* The text with U+2581 as spaces; a view of it when there is none. room holds text.len bytes. */
static kw_str with_spaces(kw_str text, char *room)
{
    size_t n = 0;
    bool changed = false;
    for (size_t i = 0; i < text.len;) {
        if (text.len - i >= 3 && memcmp(text.data + i, METASPACE, 3) == 0) {
            room[n++] = ' ';
            i += 3;
            changed = true;
        } else {
            room[n++] = text.data[i++];
        }
    }
    return changed ? (kw_str){room, n} : text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A single byte written <0xNN>, or -1. */
static int byte_of(kw_str text)
{
    if (text.len != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>')
        return -1;
    const int high = hex_digit(text.data[3]), low = hex_digit(text.data[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}

/* Every `what` becomes `with`, which is no longer, in place. */
static size_t replace(char *text, size_t len, kw_str what, kw_str with)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        if (len - i >= what.len && memcmp(text + i, what.data, what.len) == 0) {
            memcpy(text + n, with.data, with.len);
            n += with.len;
            i += what.len;
        } else {
            text[n++] = text[i++];
        }
    }
    return n;
}

const char *const kw_cleanup[KW_N_CLEANUP][2] = {
    {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
    {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
    {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

size_t kw_surface_clean(char *text, size_t len)
{
    for (size_t i = 0; i < KW_N_CLEANUP; i++)
        len = replace(text, len, kw_str_from(kw_cleanup[i][0]), kw_str_from(kw_cleanup[i][1]));
    return len;
}

/* A word, or what goes on in one. */
static kw_str spaced(const kw_token_rules *rules, kw_str text, bool first, char *room)
{
    size_t n = 0;
    if (!first && rules->inside.len > 0 && kw_str_starts(text, rules->inside)) {
        text.data += rules->inside.len;
        text.len -= rules->inside.len;
    } else if (!first) {
        room[n++] = ' ';
    }
    if (text.len > 0)
        memcpy(room + n, text.data, text.len);
    n += text.len;
    return (kw_str){room, rules->cleanup ? kw_surface_clean(room, n) : n};
}

kw_str kw_surface_of(const kw_token_rules *rules, kw_str text, uint8_t kind, bool first, char *room)
{
    const int byte =
        kind == KW_TOKEN_BYTE && !rules->byte_level && !rules->spelled_bytes ? byte_of(text) : -1;
    if (byte >= 0) {
        room[0] = (char)byte;
        return (kw_str){room, 1};
    }
    if (rules->spaced)
        return spaced(rules, text, first, room);
    size_t n;
    if (rules->byte_level) { /* what people wrote into the vocabulary is plain text */
        const bool plain = kind == KW_TOKEN_CONTROL || kind == KW_TOKEN_USER;
        return !plain && kw_alphabet_decode(text, room, &n) ? (kw_str){room, n} : text;
    }
    return rules->metaspace ? with_spaces(text, room) : text;
}

/* Longest surface that edits may make. */
#define EDITED_MAX ((size_t)1 << 20)

/* Text with every `from` as `with`, malloc'ed. */
static char *replace_all(const kw_token_edit *edit, kw_str text, size_t *len)
{
    const size_t most = text.len * KW_MAX(edit->with.len, 1);
    char *out = most <= EDITED_MAX ? malloc(most + 1) : NULL;
    size_t n = 0;
    for (size_t i = 0; out && i < text.len;) {
        const kw_str rest = {text.data + i, text.len - i};
        const bool found = edit->from.len > 0 && kw_str_starts(rest, edit->from);
        const kw_str part = found ? edit->with : (kw_str){rest.data, 1};
        memcpy(out + n, part.data, part.len);
        n += part.len;
        i += found ? edit->from.len : 1;
    }
    *len = n;
    return out;
}

/* A view of text without the characters that an edit strips. */
static kw_str strip(const kw_token_edit *edit, kw_str text)
{
    for (size_t i = 0; i < edit->start && edit->from.len > 0; i++) {
        if (!kw_str_starts(text, edit->from))
            break;
        text.data += edit->from.len;
        text.len -= edit->from.len;
    }
    for (size_t i = 0; i < edit->stop && edit->from.len > 0; i++) {
        const size_t left = text.len - edit->from.len;
        if (text.len < edit->from.len ||
            memcmp(text.data + left, edit->from.data, edit->from.len) != 0)
            break;
        text.len = left;
    }
    return text;
}

bool kw_surface_edit(const kw_token_rules *rules, kw_str surface, char **changed, size_t *len)
{
    kw_token_edit copy = {.from = KW_STR("")};
    kw_str text = surface;
    char *owned = NULL;
    *changed = NULL;
    for (size_t i = 0; i < rules->n_edits; i++) {
        if (rules->edits[i].strip) {
            text = strip(&rules->edits[i], text);
            continue;
        }
        size_t n;
        char *next = replace_all(&rules->edits[i], text, &n);
        free(owned);
        owned = next;
        if (!next)
            return false;
        text = (kw_str){next, n};
    }
    if (rules->n_edits > 0)
        *changed = replace_all(&copy, text, len);
    free(owned);
    return rules->n_edits == 0 || *changed;
}
