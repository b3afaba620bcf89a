/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pretoken.c - see pretoken.h.
 *
 * The walks over ASCII follow the expressions alternative by alternative; a walk that would look at
 * a byte of 80 or more gives up, so what it does answer is what the engine answers (the tests
 * compare the two). White space is \t to \r and the space. Source: the expressions that
 * openai/gpt-2, meta-llama/llama3 and Qwen/Qwen2 publish. */
#include "text/pretoken.h"

#include "base/utf8.h"
#include "text/unicode_table.h"

#include <stdint.h>

/* White space and what is none, portably (pattern_portable.c). */
#define S "[\\t-\\r \xC2\x85\\p{Z}]"
#define NOT_S "[^\\t-\\r \xC2\x85\\p{Z}]"
#define SYMBOL "[^\\t-\\r \xC2\x85\\p{Z}\\p{L}\\p{N}]"
/* (?i:'s|'t|'re|'ve|'m|'ll|'d); the long s folds to s. */
#define CONTRACTION "'(?:[sStTmMdD\xC5\xBF]|[rR][eE]|[vV][eE]|[lL][lL])"
#define TAIL "|" S "+(?!" NOT_S ")|" S "+"
#define MODERN(digits)                                                                             \
    CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?" SYMBOL "+[\\r\\n]*|" S              \
                "*[\\r\\n]+" TAIL

#define PUBLISHED_GPT2                                                                             \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define PUBLISHED_MODERN(digits)                                                                   \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                           \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

kw_str kw_pretoken_expression(kw_pretokenizer pre)
{
    switch (pre) {
    case KW_PRE_GPT2:
        return KW_STR("'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?" SYMBOL "+" TAIL);
    case KW_PRE_LLAMA3:
        return KW_STR(MODERN("\\p{N}{1,3}"));
    case KW_PRE_QWEN2:
        return KW_STR(MODERN("\\p{N}"));
    case KW_PRE_WORDS:
    case KW_PRE_BERT:
    case KW_PRE_CUSTOM:
    case KW_PRE_NONE:
        break;
    }
    return KW_STR("");
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

/* Kinds of ASCII bytes; END is past the text, OTHER a byte of 80 or more. */
enum { LETTER = 1, DIGIT = 2, SPACE = 4, SYMBOL_KIND = 8, END = 16, FOREIGN = 32 };

static unsigned kind_at(const char *text, size_t at, size_t len)
{
    if (at >= len)
        return END;
    const unsigned char c = (unsigned char)text[at];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return LETTER;
    if (c >= '0' && c <= '9')
        return DIGIT;
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return SPACE;
    return c < 0x80 ? SYMBOL_KIND : FOREIGN;
}

/* First place from `at` on that is not of the kind; 0 when that is a foreign byte. */
static size_t run(const char *text, size_t at, size_t len, unsigned kind)
{
    unsigned next;
    while ((next = kind_at(text, at, len)) == kind)
        at++;
    return next == FOREIGN ? 0 : at;
}

static bool newline(char c)
{
    return c == '\n' || c == '\r';
}

/* \s+(?!\S)|\s+ over the white space text[from..end), end > from: the last character of a run is
 * left to what follows it, unless nothing does or it is alone. */
static size_t spaces(size_t from, size_t end, size_t len)
{
    return end == len || end - from == 1 ? end : end - 1;
}

/* The contraction at text[at] == '\'', in lower case or in any. Returns its end, `at` when there is
 * none, 0 when a foreign byte decides. */
static size_t contraction(const char *text, size_t at, size_t len, bool any_case)
{
    static const char *const two[] = {"re", "ve", "ll"};
    char c[2] = {0, 0};
    for (size_t i = 0; i < 2 && at + 1 + i < len; i++) {
        c[i] = text[at + 1 + i];
        if (any_case && c[i] >= 'A' && c[i] <= 'Z')
            c[i] = (char)(c[i] + ('a' - 'A'));
    }
    if ((unsigned char)c[0] >= 0x80)
        return 0;
    if (c[0] == 's' || c[0] == 't' || c[0] == 'm' || c[0] == 'd')
        return at + 2;
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
    const unsigned kind = kind_at(text, body, len);
    if (kind == FOREIGN)
        return 0;
    if (kind == LETTER || kind == DIGIT || kind == SYMBOL_KIND)
        return run(text, body, len, kind);
    const size_t end = run(text, from, len, SPACE);
    return end ? spaces(from, end, len) : 0;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t modern_spaces(const char *text, size_t from, size_t len)
{
    const size_t end = run(text, from, len, SPACE);
    if (end == 0)
        return 0;
    for (size_t i = end; i > from; i--)
        if (newline(text[i - 1]))
            return i;
    return spaces(from, end, len);
}

static size_t modern_piece(const char *text, size_t from, size_t len, size_t digits)
{
    if (text[from] == '\'') {
        const size_t end = contraction(text, from, len, true);
        if (end != from)
            return end;
    }
    const unsigned kind = kind_at(text, from, len);
    if (kind == LETTER)
        return run(text, from, len, LETTER);
    if (kind == DIGIT) {
        size_t end = from + 1;
        while (end - from < digits && kind_at(text, end, len) == DIGIT)
            end++;
        return end - from < digits && kind_at(text, end, len) == FOREIGN ? 0 : end;
    }
    const unsigned next = kind_at(text, from + 1, len);
    if (next == FOREIGN)
        return 0;
    if (!newline(text[from]) && next == LETTER)
        return run(text, from + 1, len, LETTER);
    if (kind == SPACE && !(text[from] == ' ' && next == SYMBOL_KIND))
        return modern_spaces(text, from, len);
    size_t end = run(text, from + (kind == SPACE), len, SYMBOL_KIND);
    while (end && end < len && newline(text[end]))
        end++;
    return end;
}

size_t kw_pretoken_ascii(kw_pretokenizer pre, const char *text, size_t from, size_t len)
{
    if ((unsigned char)text[from] >= 0x80)
        return 0;
    switch (pre) {
    case KW_PRE_GPT2:
        return gpt2_piece(text, from, len);
    case KW_PRE_LLAMA3:
        return modern_piece(text, from, len, 3);
    case KW_PRE_QWEN2:
        return modern_piece(text, from, len, 1);
    case KW_PRE_WORDS:
    case KW_PRE_BERT:
    case KW_PRE_CUSTOM:
    case KW_PRE_NONE:
        break;
    }
    return 0;
}

/* White space 1, BERT's punctuation 2, else 0; the width in bytes in *width. */
static int word_kind(const char *text, size_t at, size_t len, size_t *width)
{
    uint32_t c;
    *width = kw_utf8_decode(text + at, len - at, &c);
    if (c < 0x80)
        return kw_is_space(c)                                                 ? 1
               : c > ' ' && c < 0x7F && kind_at(text, at, len) == SYMBOL_KIND ? 2
                                                                              : 0;
    return kw_is_space(c) ? 1 : kw_unicode_class(c) & KW_UC_P ? 2 : 0;
}

size_t kw_pretoken_word(kw_pretokenizer pre, const char *text, size_t len, size_t *start)
{
    size_t at = *start, width;
    while (at < len && word_kind(text, at, len, &width) == 1)
        at += width;
    *start = at;
    while (at < len) {
        const int kind = word_kind(text, at, len, &width);
        if (kind == 1 || (kind == 2 && pre == KW_PRE_BERT && at > *start))
            break;
        at += width;
        if (kind == 2 && pre == KW_PRE_BERT)
            break;
    }
    return at;
}
