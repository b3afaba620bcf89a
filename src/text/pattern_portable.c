/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pattern_portable.c - expressions of tokenizer.json in terms that every engine reads alike.
 *
 * \s, \w and \d differ between engines (is U+180E a space? are marks word characters?). Here \s is
 * the Unicode property White_Space, \w is letters, marks, numbers and connectors, \d is decimal
 * digits, as in the engine those files were written for. Complements inside brackets have no
 * spelling that all engines share and are left to the engine. Source: UTS #18 annex C, Oniguruma's
 * doc/RE. */
#include "base/utf8.h"
#include "text/pattern.h"

#include <stdint.h>

#define SPACE_SET "\\t-\\r \xC2\x85\\p{Z}"
#define WORD_SET "\\p{L}\\p{M}\\p{N}\\p{Pc}"

/* What stands for the escape \<letter>, or an empty view when it is kept. */
static kw_str shorthand(char letter, bool in_brackets)
{
    switch (letter) {
    case 's':
        return in_brackets ? KW_STR(SPACE_SET) : KW_STR("[" SPACE_SET "]");
    case 'w':
        return in_brackets ? KW_STR(WORD_SET) : KW_STR("[" WORD_SET "]");
    case 'd':
        return KW_STR("\\p{Nd}");
    case 'S':
        return in_brackets ? KW_STR("") : KW_STR("[^" SPACE_SET "]");
    case 'W':
        return in_brackets ? KW_STR("") : KW_STR("[^" WORD_SET "]");
    case 'D':
        return KW_STR("\\P{Nd}");
    default:
        return KW_STR("");
    }
}

/* The value of the four hex digits at text, or 0. */
static uint32_t hex4(kw_str text)
{
    uint32_t value = 0;
    if (text.len < 4)
        return 0;
    for (size_t i = 0; i < 4; i++) {
        const char c = text.data[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return 0;
        value = value << 4 | (uint32_t)digit;
    }
    return value;
}

/* Rewrites the escape at text[0] == '\\'. Returns the bytes read; appends to out what they become.
 */
static size_t rewrite_escape(kw_str text, bool in_brackets, char *out, size_t *n)
{
    size_t read = text.len < 2 ? text.len : 2;
    kw_str becomes = text.len < 2 ? KW_STR("") : shorthand(text.data[1], in_brackets);
    char utf8[4];
    if (text.len >= 6 && text.data[1] == 'u') {
        const uint32_t value = hex4((kw_str){text.data + 2, text.len - 2});
        if (value >= 0x80) { /* below it may be an operator: left to the engine */
            becomes = (kw_str){utf8, kw_utf8_encode(value, utf8)};
            read = becomes.len ? 6 : read;
        }
    }
    if (becomes.len == 0)
        becomes = (kw_str){text.data, read};
    memcpy(out + *n, becomes.data, becomes.len);
    *n += becomes.len;
    return read;
}

kw_status kw_pattern_portable(kw_str expression, kw_arena *arena, kw_str *out, kw_error *err)
{
    *out = expression;
    if (expression.len == 0 || !memchr(expression.data, '\\', expression.len))
        return KW_OK;
    /* Two bytes become at most sizeof("[^" WORD_SET "]"), less than 32. */
    char *text = kw_arena_array(arena, expression.len, 16);
    if (!text)
        return kw_fail(err, KW_E_NOMEM, "pattern: out of memory");
    size_t n = 0;
    bool in_brackets = false;
    for (size_t i = 0; i < expression.len;) {
        const char c = expression.data[i];
        if (c == '\\') {
            i += rewrite_escape((kw_str){expression.data + i, expression.len - i}, in_brackets,
                                text, &n);
            continue;
        }
        if (c == '[')
            in_brackets = true;
        else if (c == ']')
            in_brackets = false;
        text[n++] = c;
        i++;
    }
    *out = (kw_str){text, n};
    return KW_OK;
}
