/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* schema_pattern.c - regular expressions of JSON Schema's "pattern" as GBNF.
 *
 * A pattern that describes a regular language is written as a body over the characters of a JSON
 * string, each in its shortest form: as it is, with a letter behind a backslash, or as \u00XX.
 * Anchors may stand at the two ends of each alternative; where one is missing, any text may.
 * Source: ECMA-262, Patterns, with the flag u. */
#include "text/schema_impl.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NESTING 30
#define MAX_RANGES 256 /* of a class */
#define MAX_REPEAT 10000
#define LAST_CHAR 0x10FFFFu

typedef struct span {
    uint32_t low, high;
} span;

/* Characters, as sorted ranges once it is settled. */
typedef struct set {
    span items[MAX_RANGES];
    size_t n;
} set;

typedef struct reader {
    kw_schema_maker *m;
    kw_str text;
    size_t at;
    int depth;
} reader;

static kw_status refuse(const reader *r, const char *what)
{
    return kw_fail(r->m->err, KW_E_UNSUPPORTED, "%s: pattern \"%.*s\": %s is not supported",
                   r->m->subject, KW_FMT(r->text), what);
}

static kw_status fail(const reader *r, const char *what)
{
    return kw_fail(r->m->err, KW_E_FORMAT, "%s: pattern \"%.*s\": %s at byte %zu", r->m->subject,
                   KW_FMT(r->text), what, r->at);
}

static char peek(const reader *r, size_t ahead)
{
    return r->at + ahead < r->text.len ? r->text.data[r->at + ahead] : '\0';
}

static bool at_end(const reader *r)
{
    return r->at >= r->text.len;
}

static uint32_t take(reader *r)
{
    uint32_t c;
    r->at += kw_utf8_decode(r->text.data + r->at, r->text.len - r->at, &c);
    return c;
}

/* ---- sets of characters ---- */

static kw_status add(const reader *r, set *s, uint32_t low, uint32_t high)
{
    if (s->n == MAX_RANGES)
        return kw_fail(r->m->err, KW_E_LIMIT, "%s: pattern: a class of more than %d ranges",
                       r->m->subject, MAX_RANGES);
    s->items[s->n++] = (span){low, high};
    return KW_OK;
}

static int by_low(const void *a, const void *b)
{
    const span *x = a, *y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

/* Sorts, and joins what overlaps. */
static void settle(set *s)
{
    size_t n = 0;
    if (s->n > 1)
        qsort(s->items, s->n, sizeof *s->items, by_low);
    for (size_t i = 0; i < s->n; i++) {
        if (n > 0 && s->items[i].low <= s->items[n - 1].high + 1)
            s->items[n - 1].high = KW_MAX(s->items[n - 1].high, s->items[i].high);
        else
            s->items[n++] = s->items[i];
    }
    s->n = n;
}

static kw_status negate(const reader *r, set *s)
{
    set other = {.n = 0};
    uint32_t from = 0;
    settle(s);
    for (size_t i = 0; i < s->n; i++) {
        if (s->items[i].low > from)
            KW_TRY(add(r, &other, from, s->items[i].low - 1));
        from = s->items[i].high + 1;
    }
    if (from <= LAST_CHAR)
        KW_TRY(add(r, &other, from, LAST_CHAR));
    *s = other;
    return KW_OK;
}

static bool holds(const set *s, uint32_t c)
{
    for (size_t i = 0; i < s->n; i++)
        if (c >= s->items[i].low && c <= s->items[i].high)
            return true;
    return false;
}

/* \d \w \s and their opposites; false: the letter is none of them. */
static kw_status add_named(const reader *r, set *s, char letter, bool *known)
{
    static const span digits[] = {{'0', '9'}};
    static const span words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const span spaces[] = {
        {9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    const char lower = (char)(letter | 32);
    const span *from = lower == 'd' ? digits : lower == 'w' ? words : spaces;
    const size_t n = lower == 'd'   ? KW_COUNT(digits)
                     : lower == 'w' ? KW_COUNT(words)
                                    : KW_COUNT(spaces);
    set named = {.n = 0};
    *known = lower == 'd' || lower == 'w' || lower == 's';
    if (!*known)
        return KW_OK;
    for (size_t i = 0; i < n; i++)
        KW_TRY(add(r, &named, from[i].low, from[i].high));
    if (letter != lower)
        KW_TRY(negate(r, &named));
    for (size_t i = 0; i < named.n; i++)
        KW_TRY(add(r, s, named.items[i].low, named.items[i].high));
    return KW_OK;
}

/* ---- writing ---- */

static void put_char(kw_buf *out, uint32_t c)
{
    kw_buf_printf(out, c > 0xFFFF ? "\\U%08X" : "\\u%04X", (unsigned)c);
}

/* The characters that a JSON string holds as they are. */
static bool put_plain(const set *s, kw_buf *out)
{
    static const span plain[] = {
        {' ', '!'}, {'#', '['}, {']', '~'}, {0x80, 0xD7FF}, {0xE000, LAST_CHAR}};
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < KW_COUNT(plain); k++) {
            const uint32_t low = KW_MAX(s->items[i].low, plain[k].low);
            const uint32_t high = KW_MIN(s->items[i].high, plain[k].high);
            if (low > high)
                continue;
            kw_buf_printf(out, any ? "" : "[");
            put_char(out, low);
            kw_buf_printf(out, "-");
            put_char(out, high);
            any = true;
        }
    }
    kw_buf_printf(out, any ? "]" : "");
    return any;
}

/* Those with a letter of their own behind a backslash. */
static bool put_letters(const set *s, bool any, kw_buf *out)
{
    static const char chars[] = "\"\\\b\f\n\r\t";
    static const char *const written[] = {"\\\"", "\\\\", "b", "f", "n", "r", "t"};
    bool some = false;
    for (size_t i = 0; i + 1 < sizeof chars; i++) {
        if (!holds(s, (unsigned char)chars[i]))
            continue;
        if (!some)
            kw_buf_printf(out, "%s\"\\\\\" [", any ? " | " : "");
        kw_buf_printf(out, "%s", written[i]);
        some = true;
    }
    kw_buf_printf(out, some ? "]" : "");
    return any || some;
}

/* The other controls, by sixteens. */
static bool put_controls(const set *s, bool any, kw_buf *out)
{
    for (uint32_t high = 0; high < 8; high = high == 1 ? 7 : high + 1) {
        bool some = false;
        for (uint32_t low = 0; low < 16; low++) {
            const uint32_t c = high * 16 + low;
            const bool control = (c < 32 && (c == 0 || !strchr("\b\f\n\r\t", (int)c))) || c == 127;
            if (!control || !holds(s, c))
                continue;
            if (!some)
                kw_buf_printf(out, "%s\"\\\\u00%u\" [", any ? " | " : "", (unsigned)high);
            kw_buf_printf(out, "%x", (unsigned)low);
            if (low > 9)
                kw_buf_printf(out, "%X", (unsigned)low);
            some = true;
        }
        kw_buf_printf(out, some ? "]" : "");
        any = any || some;
    }
    return any;
}

static kw_status put_set(reader *r, set *s)
{
    kw_buf *const out = r->m->out;
    settle(s);
    kw_buf_printf(out, "(");
    bool any = put_plain(s, out);
    any = put_letters(s, any, out);
    any = put_controls(s, any, out);
    kw_buf_printf(out, ")");
    return any ? KW_OK : fail(r, "a class without characters");
}

/* ---- reading ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static kw_status read_hex(reader *r, int digits, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++) {
        const int d = hex_digit(peek(r, 0));
        if (d < 0)
            return fail(r, "an escape without its hexadecimal digits");
        *out = *out * 16 + (uint32_t)d;
        r->at++;
    }
    return *out >= 0xD800 && *out <= 0xDFFF ? refuse(r, "a surrogate") : KW_OK;
}

/* Behind a backslash; a named set is added, anything else is *c. */
static kw_status read_escape(reader *r, set *s, bool *named, uint32_t *c)
{
    static const char from[] = "tnrfv0", to[] = "\t\n\r\f\v";
    if (at_end(r))
        return fail(r, "a backslash with nothing behind it");
    const char letter = peek(r, 0);
    KW_TRY(add_named(r, s, letter, named));
    if (*named) {
        r->at++;
        return KW_OK;
    }
    const char *known = letter ? strchr(from, letter) : NULL;
    if (letter == 'x' || letter == 'u') {
        r->at++;
        return read_hex(r, letter == 'x' ? 2 : 4, c);
    }
    if (letter == '0' && peek(r, 1) >= '0' && peek(r, 1) <= '9')
        return refuse(r, "an octal escape");
    if (known) {
        r->at++;
        *c = (unsigned char)to[known - from];
        return KW_OK;
    }
    if ((letter >= '1' && letter <= '9') || letter == 'k')
        return refuse(r, "a back reference");
    if (letter == 'b' || letter == 'B')
        return refuse(r, "a word boundary");
    if (letter == 'p' || letter == 'P')
        return refuse(r, "a class by property");
    if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))
        return refuse(r, "an escape of this letter");
    *c = take(r);
    return KW_OK;
}

/* One end of a range, or a named set. */
static kw_status read_class_part(reader *r, set *s, bool *named, uint32_t *c)
{
    *named = false;
    if (at_end(r))
        return fail(r, "a class has no end");
    if (peek(r, 0) != '\\') {
        *c = take(r);
        return KW_OK;
    }
    r->at++;
    if (peek(r, 0) == 'b') {
        r->at++;
        *c = '\b';
        return KW_OK;
    }
    return read_escape(r, s, named, c);
}

static kw_status read_class(reader *r)
{
    set s = {.n = 0};
    r->at++;
    const bool negated = peek(r, 0) == '^';
    r->at += negated;
    while (peek(r, 0) != ']' || at_end(r)) {
        uint32_t low = 0, high = 0;
        bool named, last = false;
        KW_TRY(read_class_part(r, &s, &named, &low));
        high = low;
        if (peek(r, 0) == '-' && peek(r, 1) != ']') {
            if (named)
                return refuse(r, "a range that begins with a class");
            r->at++;
            KW_TRY(read_class_part(r, &s, &last, &high));
            if (last)
                return refuse(r, "a range that ends with a class");
            if (high < low)
                return fail(r, "a range that ends before it begins");
        }
        if (!named)
            KW_TRY(add(r, &s, low, high));
    }
    r->at++;
    if (negated)
        KW_TRY(negate(r, &s));
    return put_set(r, &s);
}

static kw_status read_choice(reader *r, bool outermost);

static kw_status read_group(reader *r)
{
    if (++r->depth > MAX_NESTING)
        return kw_fail(r->m->err, KW_E_LIMIT, "%s: pattern: nested deeper than %d levels",
                       r->m->subject, MAX_NESTING);
    r->at++;
    if (peek(r, 0) == '?') {
        const bool plain = peek(r, 1) == ':';
        if (!plain && (peek(r, 1) != '<' || peek(r, 2) == '=' || peek(r, 2) == '!'))
            return refuse(r, "a look ahead or behind, or a flag,");
        while (!plain && !at_end(r) && peek(r, 0) != '>')
            r->at++;
        r->at += plain ? 2 : 1;
    }
    kw_buf_printf(r->m->out, "(");
    KW_TRY(read_choice(r, false));
    if (at_end(r) || peek(r, 0) != ')')
        return fail(r, "a group has no end");
    r->at++;
    kw_buf_printf(r->m->out, ")");
    r->depth--;
    return KW_OK;
}

static kw_status read_atom(reader *r)
{
    set s = {.n = 0};
    uint32_t c = 0;
    bool named = false;
    switch (peek(r, 0)) {
    case '(':
        return read_group(r);
    case '[':
        return read_class(r);
    case '.':
        r->at++;
        KW_TRY(add(r, &s, '\n', '\n'));
        KW_TRY(add(r, &s, '\r', '\r'));
        KW_TRY(add(r, &s, 0x2028, 0x2029));
        KW_TRY(negate(r, &s));
        return put_set(r, &s);
    case '*':
    case '+':
    case '?':
    case '{':
        return fail(r, "a repetition of nothing");
    case '^':
    case '$':
        return refuse(r, "an anchor inside");
    case '\\':
        r->at++;
        KW_TRY(read_escape(r, &s, &named, &c));
        break;
    default:
        c = take(r);
    }
    if (!named)
        KW_TRY(add(r, &s, c, c));
    return put_set(r, &s);
}

static kw_status read_count(reader *r, unsigned *out)
{
    if (peek(r, 0) < '0' || peek(r, 0) > '9')
        return fail(r, "a brace that is no repetition");
    for (*out = 0; peek(r, 0) >= '0' && peek(r, 0) <= '9'; r->at++) {
        *out = *out * 10 + (unsigned)(peek(r, 0) - '0');
        if (*out > MAX_REPEAT)
            return kw_fail(r->m->err, KW_E_LIMIT, "%s: pattern: more than %d repetitions",
                           r->m->subject, MAX_REPEAT);
    }
    return KW_OK;
}

/* "{m}", "{m,}" or "{m,n}". */
static kw_status read_braces(reader *r)
{
    unsigned low = 0, high = 0;
    r->at++;
    KW_TRY(read_count(r, &low));
    kw_buf_printf(r->m->out, "{%u", low);
    if (peek(r, 0) == ',') {
        r->at++;
        kw_buf_printf(r->m->out, ",");
        if (peek(r, 0) != '}') {
            KW_TRY(read_count(r, &high));
            kw_buf_printf(r->m->out, "%u", high);
            if (high < low)
                return fail(r, "a repetition that ends before it begins");
        }
    }
    if (peek(r, 0) != '}')
        return fail(r, "a brace that is no repetition");
    kw_buf_printf(r->m->out, "}");
    r->at++;
    return KW_OK;
}

/* A repetition sign behind an atom; lazy ones describe the same texts. */
static kw_status read_repeat(reader *r)
{
    const char c = peek(r, 0);
    if (c == '{') {
        KW_TRY(read_braces(r));
    } else if (c == '*' || c == '+' || c == '?') {
        kw_buf_printf(r->m->out, "%c", c);
        r->at++;
    } else {
        return KW_OK;
    }
    r->at += peek(r, 0) == '?';
    return KW_OK;
}

/* "a$" and the like: the anchor ends its alternative. */
static bool is_last_anchor(const reader *r)
{
    return peek(r, 0) == '$' && (r->at + 1 == r->text.len || peek(r, 1) == '|');
}

static kw_status read_sequence(reader *r, bool outermost)
{
    bool open = outermost;
    if (outermost && peek(r, 0) == '^')
        r->at++;
    else if (outermost)
        kw_buf_printf(r->m->out, "char* ");
    kw_buf_printf(r->m->out, "\"\"");
    while (!at_end(r) && peek(r, 0) != '|' && peek(r, 0) != ')') {
        if (outermost && is_last_anchor(r)) {
            open = false;
            r->at++;
            break;
        }
        kw_buf_printf(r->m->out, " ");
        KW_TRY(read_atom(r));
        KW_TRY(read_repeat(r));
        if (r->m->out->len > KW_GRAMMAR_MAX_BYTES)
            return kw_fail(r->m->err, KW_E_LIMIT, "%s: its grammar is longer than %zu bytes",
                           r->m->subject, KW_GRAMMAR_MAX_BYTES);
    }
    if (open)
        kw_buf_printf(r->m->out, " char*");
    return KW_OK;
}

static kw_status read_choice(reader *r, bool outermost)
{
    for (;;) {
        KW_TRY(read_sequence(r, outermost));
        if (peek(r, 0) != '|')
            return KW_OK;
        r->at++;
        kw_buf_printf(r->m->out, " | ");
    }
}

kw_status kw_schema_pattern(kw_schema_maker *m, kw_str pattern)
{
    reader r = {.m = m, .text = pattern};
    kw_buf_printf(m->out, "(");
    KW_TRY(read_choice(&r, true));
    if (!at_end(&r))
        return fail(&r, "a parenthesis that nothing opened");
    kw_buf_printf(m->out, ")");
    return KW_OK;
}
