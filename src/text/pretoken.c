/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pretoken.c - see pretoken.h.
 *
 * Each walk follows its expression alternative by alternative; the tests compare the two on random
 * text of every kind of character. White space is the property White_Space. Source: the expressions
 * that openai/gpt-2, openai/CLIP, meta-llama/llama3 and Qwen/Qwen2 publish, and BERT's
 * tokenization.py. */
#include "text/pretoken.h"

#include "base/utf8.h"
#include "text/unicode_table.h"

#include <stdint.h>

#define PUBLISHED_GPT2                                                                             \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define PUBLISHED_MODERN(digits)                                                                   \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                           \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

bool kw_pretoken_known(kw_pretokenizer pre)
{
    return pre != KW_PRE_CUSTOM && pre != KW_PRE_NONE;
}

kw_pretokenizer kw_pretoken_recognise(kw_str expression)
{
    if (kw_str_is(expression, PUBLISHED_GPT2))
        return KW_PRE_GPT2;
    if (kw_str_is(expression, PUBLISHED_MODERN("\\p{N}{1,3}")))
        return KW_PRE_LLAMA3;
    if (kw_str_is(expression, PUBLISHED_MODERN("\\p{N}")))
        return KW_PRE_QWEN2;
    return KW_PRE_CUSTOM;
}

/* Kinds of characters; END is past the text. */
enum { LETTER = 1, NUMBER = 2, SPACE = 3, SYMBOL = 4, END = 5 };

#define S4 SYMBOL, SYMBOL, SYMBOL, SYMBOL
#define L4 LETTER, LETTER, LETTER, LETTER
/* Of ASCII; 0 from 80 on. */
static const uint8_t ascii_kinds[256] = {
    S4,     S4,     SYMBOL, SPACE,  SPACE,  SPACE,  SPACE,  SPACE,  SYMBOL, SYMBOL, S4,
    S4,     S4,     S4,     SPACE,  SYMBOL, SYMBOL, SYMBOL, S4,     S4,     S4,     NUMBER,
    NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, SYMBOL, SYMBOL,
    S4,     SYMBOL, LETTER, LETTER, LETTER, L4,     L4,     L4,     L4,     L4,     LETTER,
    LETTER, LETTER, SYMBOL, S4,     SYMBOL, LETTER, LETTER, LETTER, L4,     L4,     L4,
    L4,     L4,     LETTER, LETTER, LETTER, SYMBOL, S4};

/* The kind of a character outside of ASCII. */
static unsigned foreign_kind(const char *text, size_t at, size_t len, size_t *width)
{
    uint32_t c;
    *width = kw_utf8_decode(text + at, len - at, &c);
    const uint32_t class = kw_unicode_class(c);
    if (class & KW_UC_L)
        return LETTER;
    if (class & KW_UC_N)
        return NUMBER;
    return class & KW_UC_SPACE ? SPACE : SYMBOL;
}

static inline unsigned kind_at(const char *text, size_t at, size_t len, size_t *width)
{
    *width = 1;
    if (at >= len)
        return END;
    const unsigned kind = ascii_kinds[(unsigned char)text[at]];
    return kind ? kind : foreign_kind(text, at, len, width);
}

/* First place from `at` on that is not of the kind. */
static inline size_t run(const char *text, size_t at, size_t len, unsigned kind)
{
    for (size_t width;; at += width) {
        while (at < len && ascii_kinds[(unsigned char)text[at]] == kind)
            at++;
        if (at == len || ascii_kinds[(unsigned char)text[at]] != 0 ||
            foreign_kind(text, at, len, &width) != kind)
            return at;
    }
}

static bool newline(char c)
{
    return c == '\n' || c == '\r';
}

/* \s+(?!\S)|\s+ over the white space text[from..end), end > from: the last character of a run is
 * left to what follows it, unless nothing does or it is alone. */
static size_t spaces(const char *text, size_t from, size_t end, size_t len)
{
    size_t last = end - 1;
    while (((unsigned char)text[last] & 0xC0) == 0x80)
        last--;
    return end == len || last == from ? end : last;
}

/* The contraction at text[at] == '\'', in lower case or in any (the long s folds to s). Returns its
 * end, `at` when there is none. */
static size_t contraction(const char *text, size_t at, size_t len, bool any_case)
{
    static const char *const two[] = {"re", "ve", "ll"};
    char c[2] = {0, 0};
    for (size_t i = 0; i < 2 && at + 1 + i < len; i++) {
        c[i] = text[at + 1 + i];
        if (any_case && c[i] >= 'A' && c[i] <= 'Z')
            c[i] = (char)(c[i] + ('a' - 'A'));
    }
    if (c[0] == 's' || c[0] == 't' || c[0] == 'm' || c[0] == 'd')
        return at + 2;
    if (any_case && c[0] == '\xC5' && c[1] == '\xBF')
        return at + 3;
    for (size_t i = 0; i < 3; i++)
        if (c[0] == two[i][0] && c[1] == two[i][1])
            return at + 3;
    return at;
}

static size_t gpt2_piece(const char *text, size_t from, size_t len)
{
    if (text[from] == '\'') {
        const size_t end = contraction(text, from, len, false);
        if (end != from)
            return end;
    }
    const size_t body = from + (text[from] == ' ');
    size_t width;
    const unsigned kind = kind_at(text, body, len, &width);
    if (kind == LETTER || kind == NUMBER || kind == SYMBOL)
        return run(text, body + width, len, kind);
    return spaces(text, from, run(text, from, len, SPACE), len);
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t modern_spaces(const char *text, size_t from, size_t len)
{
    const size_t end = run(text, from, len, SPACE);
    for (size_t i = end; i > from; i--)
        if (newline(text[i - 1]))
            return i;
    return spaces(text, from, end, len);
}

/* \p{N}{1,digits} */
static size_t numbers(const char *text, size_t from, size_t len, size_t digits)
{
    size_t end = from, width;
    for (size_t n = 0; n < digits && kind_at(text, end, len, &width) == NUMBER; n++)
        end += width;
    return end;
}

static size_t modern_piece(const char *text, size_t from, size_t len, size_t digits)
{
    if (text[from] == '\'') {
        const size_t end = contraction(text, from, len, true);
        if (end != from)
            return end;
    }
    size_t width, next_width;
    const unsigned kind = kind_at(text, from, len, &width);
    if (kind == LETTER)
        return run(text, from + width, len, LETTER);
    if (kind == NUMBER)
        return numbers(text, from, len, digits);
    const unsigned next = kind_at(text, from + width, len, &next_width);
    if (!newline(text[from]) && next == LETTER)
        return run(text, from + width + next_width, len, LETTER);
    if (kind == SPACE && !(text[from] == ' ' && next == SYMBOL))
        return modern_spaces(text, from, len);
    size_t end = run(text, from + width, len, SYMBOL);
    while (end < len && newline(text[end]))
        end++;
    return end;
}

/* 's|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+, in any case, at what is no space. */
static size_t clip_piece(const char *text, size_t from, size_t len)
{
    if (text[from] == '\'') {
        const size_t end = contraction(text, from, len, true);
        if (end != from)
            return end;
    }
    size_t width;
    const unsigned kind = kind_at(text, from, len, &width);
    return kind == NUMBER ? from + width : run(text, from + width, len, kind);
}

/* BERT's punctuation: that of Unicode, and every symbol of ASCII. */
static bool is_punctuation(const char *text, size_t at, size_t len, size_t *width)
{
    const unsigned char first = (unsigned char)text[at];
    uint32_t c;
    *width = 1;
    if (first < 0x80)
        return first > ' ' && first < 0x7F && ascii_kinds[first] == SYMBOL;
    *width = kw_utf8_decode(text + at, len - at, &c);
    return kw_unicode_class(c) & KW_UC_P;
}

static size_t word_piece(const char *text, size_t from, size_t len, bool punctuation)
{
    size_t at = from, width;
    while (at < len && kind_at(text, at, len, &width) != SPACE) {
        const bool alone = punctuation && is_punctuation(text, at, len, &width);
        if (alone && at > from)
            break;
        at += width;
        if (alone)
            break;
    }
    return at;
}

size_t kw_pretoken_next(kw_pretokenizer pre, const char *text, size_t len, size_t *start)
{
    if (*start < len && (pre == KW_PRE_CLIP || pre == KW_PRE_WORDS || pre == KW_PRE_BERT))
        *start = run(text, *start, len, SPACE);
    if (*start >= len)
        return len;
    switch (pre) {
    case KW_PRE_GPT2:
        return gpt2_piece(text, *start, len);
    case KW_PRE_LLAMA3:
        return modern_piece(text, *start, len, 3);
    case KW_PRE_QWEN2:
        return modern_piece(text, *start, len, 1);
    case KW_PRE_CLIP:
        return clip_piece(text, *start, len);
    case KW_PRE_WORDS:
        return word_piece(text, *start, len, false);
    case KW_PRE_BERT:
        return word_piece(text, *start, len, true);
    case KW_PRE_CUSTOM:
    case KW_PRE_NONE:
        break;
    }
    *start = len;
    return len;
}
