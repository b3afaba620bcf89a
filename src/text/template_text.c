/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_text.c - values as text, the way Python's str() and repr() write them, and the cases of
 * letters. Case is changed for ASCII, Latin, Greek, Cyrillic and Armenian letters; every other
 * character stays as it is. */
#include "text/template_value.h"

#include "base/check.h"
#include "base/decimal.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- characters ---- */

size_t kw_tpl_chars(kw_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return n;
}

size_t kw_tpl_char_at(kw_str text, size_t n)
{
    size_t at = 0;
    for (; n > 0 && at < text.len; n--) {
        at++;
        while (at < text.len && ((unsigned char)text.data[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}

static kw_status compare(kw_tpl_state *s, const char *at, kw_str part, bool *same)
{
    *same = memcmp(at, part.data, part.len) == 0;
    return kw_tpl_work(s, part.len);
}

kw_status kw_tpl_find(kw_tpl_state *s, kw_str text, kw_str part, size_t from, size_t *out)
{
    *out = part.len == 0 && from <= text.len ? from : SIZE_MAX;
    while (part.len > 0 && from < text.len && text.len - from >= part.len) {
        bool same;
        const char *at = memchr(text.data + from, part.data[0], text.len - from - part.len + 1);
        if (!at)
            break;
        KW_TRY(compare(s, at, part, &same));
        from = (size_t)(at - text.data);
        if (same) {
            *out = from;
            break;
        }
        from++;
    }
    return KW_OK;
}

kw_status kw_tpl_find_last(kw_tpl_state *s, kw_str text, kw_str part, size_t *out)
{
    *out = part.len == 0 ? text.len : SIZE_MAX;
    if (part.len == 0 || part.len > text.len)
        return KW_OK;
    for (size_t at = text.len - part.len + 1; at-- > 0;) {
        bool same = false;
        if (text.data[at] == part.data[0])
            KW_TRY(compare(s, text.data + at, part, &same));
        if (same) {
            *out = at;
            break;
        }
    }
    return KW_OK;
}

/* Letters with cases in pairs, the upper one first: at an even code point, or at an odd one. */
static bool paired(uint32_t c, bool *odd)
{
    *odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
    return *odd || (c >= 0x100 && c <= 0x12F) || (c >= 0x132 && c <= 0x137) ||
           (c >= 0x14A && c <= 0x177) || (c >= 0x370 && c <= 0x373) || (c >= 0x460 && c <= 0x481) ||
           (c >= 0x48A && c <= 0x4BF) || (c >= 0x4D0 && c <= 0x52F) ||
           (c >= 0x1E00 && c <= 0x1E95) || (c >= 0x1EA0 && c <= 0x1EFF);
}

/* Ranges of upper letters with their distance to the lower ones. */
static const struct {
    uint32_t first, last, distance;
} cased[] = {
    {'A', 'Z', 32},     {0xC0, 0xD6, 32},   {0xD8, 0xDE, 32},   {0x391, 0x3A1, 32},
    {0x3A3, 0x3AB, 32}, {0x388, 0x38A, 37}, {0x386, 0x386, 38}, {0x38C, 0x38C, 64},
    {0x38E, 0x38F, 63}, {0x400, 0x40F, 80}, {0x410, 0x42F, 32}, {0x531, 0x556, 48},
};

static uint32_t to_lower(uint32_t c)
{
    bool odd;
    for (size_t i = 0; i < KW_COUNT(cased); i++)
        if (c >= cased[i].first && c <= cased[i].last)
            return c + cased[i].distance;
    if (c == 0x178)
        return 0xFF;
    return paired(c, &odd) && (c & 1) == odd ? c + 1 : c;
}

static uint32_t to_upper(uint32_t c)
{
    bool odd;
    for (size_t i = 0; i < KW_COUNT(cased); i++)
        if (c >= cased[i].first + cased[i].distance && c <= cased[i].last + cased[i].distance)
            return c - cased[i].distance;
    if (c == 0xFF)
        return 0x178;
    if (c == 0x3C2)
        return 0x3A3;
    return paired(c, &odd) && (c & 1) != odd ? c - 1 : c;
}

static bool has_case(uint32_t c)
{
    return to_lower(c) != c || to_upper(c) != c || c == 0xDF;
}

bool kw_tpl_is_letter(uint32_t c)
{
    return has_case(c) || c == 0xAA || c == 0xBA || (c >= 0x2C0 && c <= 0x2C1) ||
           (c >= 0x5D0 && c <= 0x5EA) || (c >= 0x620 && c <= 0x64A) || (c >= 0x904 && c <= 0x939) ||
           (c >= 0x3041 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
           (c >= 0xAC00 && c <= 0xD7A3);
}

void kw_tpl_recase(kw_str text, kw_tpl_case how, kw_buf *out)
{
    bool inside = false; /* a letter came right before (TITLE), or anything at all */
    for (size_t at = 0; at < text.len;) {
        uint32_t c;
        char coded[4];
        const size_t len = kw_utf8_decode(text.data + at, text.len - at, &c);
        const bool upper = how == KW_TPL_UPPER || (how >= KW_TPL_TITLE && !inside);
        inside = how == KW_TPL_TITLE ? has_case(c) : true;
        size_t n = kw_utf8_encode(upper ? to_upper(c) : to_lower(c), coded);
        if (upper && c == 0xDF) { /* sharp s has no upper case of its own */
            coded[0] = 'S';
            coded[1] = how == KW_TPL_UPPER ? 'S' : 's';
            n = 2;
        }
        kw_buf_add(out, n > 0 ? coded : text.data + at, n > 0 ? n : len);
        at += len;
    }
}

void kw_tpl_escape(kw_str text, kw_buf *out)
{
    static const struct {
        char c;
        const char *text;
    } named[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    for (size_t i = 0; i < text.len; i++) {
        const char *as = NULL;
        for (size_t k = 0; k < KW_COUNT(named); k++)
            if (named[k].c == text.data[i])
                as = named[k].text;
        kw_buf_add(out, as ? as : &text.data[i], as ? strlen(as) : 1);
    }
}

/* ---- numbers ---- */

/* The fewest digits that give f again: digits[0] . digits[1..] times ten to *exponent. */
static size_t shortest(double f, char digits[20], int *exponent)
{
    for (int precision = 0;; precision++) {
        char text[40], plain[48];
        size_t n = 0;
        double back;
        (void)snprintf(text, sizeof text, "%.*e", precision, f);
        const char *e = strchr(text, 'e');
        for (const char *c = text; c < e; c++)
            if (*c >= '0' && *c <= '9' && n < 19)
                digits[n++] = *c; /* whatever the locale has for a point is left out */
        digits[n] = '\0';
        *exponent = (int)strtol(e + 1, NULL, 10);
        (void)snprintf(plain, sizeof plain, "%.1s.%se%d", digits, digits + 1, *exponent);
        if (precision >= 16 ||
            (kw_decimal_f64(kw_str_from(plain), &back) && !(back < f) && !(back > f)))
            return n;
    }
}

void kw_tpl_print_float(double f, kw_buf *out)
{
    char digits[20];
    int exponent;
    if (isnan(f) || isinf(f)) {
        kw_buf_printf(out, "%s", isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
        return;
    }
    if (signbit(f))
        kw_buf_add(out, "-", 1);
    size_t n = shortest(fabs(f), digits, &exponent);
    while (n > 1 && digits[n - 1] == '0')
        digits[--n] = '\0';
    if (exponent < -4 || exponent >= 16) {
        kw_buf_printf(out, "%.1s%s%se%s%02d", digits, n > 1 ? "." : "", digits + 1,
                      exponent < 0 ? "-" : "+", abs(exponent));
        return;
    }
    if (exponent < 0) {
        kw_buf_printf(out, "0.%.*s%s", -exponent - 1, "000", digits);
        return;
    }
    for (size_t i = 0; i <= (size_t)exponent; i++)
        kw_buf_add(out, i < n ? &digits[i] : "0", 1);
    kw_buf_printf(out, ".%s", n > (size_t)exponent + 1 ? digits + exponent + 1 : "0");
}

/* ---- str and repr ---- */

/* What repr() shows as an escape: controls, unusual spaces, format characters, private use. */
static bool hidden(uint32_t c)
{
    return c < 32 || (c >= 0x7F && c <= 0xA0) || c == 0xAD || (c != ' ' && kw_tpl_is_space(c)) ||
           (c >= 0x600 && c <= 0x605) || c == 0x61C || c == 0x6DD || c == 0x70F || c == 0x180E ||
           (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFB) ||
           (c >= 0xE000 && c <= 0xF8FF) || c >= 0xE0000;
}

static kw_status print_quoted(kw_tpl_state *s, kw_str text, kw_buf *out)
{
    const bool doubled =
        text.len > 0 && memchr(text.data, '\'', text.len) && !memchr(text.data, '"', text.len);
    const char quote = doubled ? '"' : '\'';
    KW_TRY(kw_tpl_write(s, out, (kw_str){&quote, 1}));
    for (size_t at = 0; at < text.len;) {
        uint32_t c;
        const size_t len = kw_utf8_decode(text.data + at, text.len - at, &c);
        if (c == '\\' || c == (uint32_t)quote)
            kw_buf_printf(out, "\\%c", (int)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            kw_buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (hidden(c))
            kw_buf_printf(out,
                          c < 0x100     ? "\\x%02x"
                          : c < 0x10000 ? "\\u%04x"
                                        : "\\U%08x",
                          (unsigned)c);
        else
            kw_buf_add(out, text.data + at, len);
        at += len;
        KW_TRY(kw_tpl_work(s, 0));
    }
    return kw_tpl_write(s, out, (kw_str){&quote, 1});
}

static kw_status print_list(kw_tpl_state *s, const kw_tval *v, int depth, kw_buf *out)
{
    const bool tuple = v->flags & KW_TV_TUPLE;
    const kw_tpl_list *list = v->u.list;
    KW_TRY(kw_tpl_write(s, out, tuple ? KW_STR("(") : KW_STR("[")));
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0)
            KW_TRY(kw_tpl_write(s, out, KW_STR(", ")));
        KW_TRY(kw_tv_print(s, &list->items[i], true, depth + 1, out));
    }
    if (tuple && list->n == 1)
        KW_TRY(kw_tpl_write(s, out, KW_STR(",")));
    return kw_tpl_write(s, out, tuple ? KW_STR(")") : KW_STR("]"));
}

static kw_status print_dict(kw_tpl_state *s, const kw_tpl_dict *dict, int depth, kw_buf *out)
{
    KW_TRY(kw_tpl_write(s, out, KW_STR("{")));
    for (size_t i = 0; i < dict->n; i++) {
        if (i > 0)
            KW_TRY(kw_tpl_write(s, out, KW_STR(", ")));
        KW_TRY(kw_tv_print(s, &dict->pairs[i].key, true, depth + 1, out));
        KW_TRY(kw_tpl_write(s, out, KW_STR(": ")));
        KW_TRY(kw_tv_print(s, &dict->pairs[i].value, true, depth + 1, out));
    }
    return kw_tpl_write(s, out, KW_STR("}"));
}

static kw_status print_scalar(kw_tpl_state *s, const kw_tval *v, bool repr, kw_buf *out)
{
    switch (v->kind) {
    case KW_TV_UNDEFINED:
        return repr ? kw_tpl_write(s, out, KW_STR("Undefined")) : KW_OK;
    case KW_TV_NONE:
        return kw_tpl_write(s, out, KW_STR("None"));
    case KW_TV_BOOL:
        return kw_tpl_write(s, out, v->u.b ? KW_STR("True") : KW_STR("False"));
    case KW_TV_INT:
        kw_buf_printf(out, "%lld", (long long)v->u.i);
        return KW_OK;
    case KW_TV_FLOAT:
        kw_tpl_print_float(v->u.f, out);
        return KW_OK;
    default:
        return repr ? print_quoted(s, v->u.s, out) : kw_tpl_write(s, out, v->u.s);
    }
}

kw_status kw_tv_print(kw_tpl_state *s, const kw_tval *v, bool repr, int depth, kw_buf *out)
{
    KW_TRY(kw_tpl_work(s, 0));
    if (depth > KW_TV_MAX_NESTING)
        return kw_tpl_fail(s, KW_E_LIMIT, "a value is nested deeper than %d levels",
                           KW_TV_MAX_NESTING);
    if (v->kind <= KW_TV_STRING)
        return print_scalar(s, v, repr, out);
    if (v->kind == KW_TV_LIST && !(v->flags & (KW_TV_GENERATOR | KW_TV_VIEW)))
        return print_list(s, v, depth, out);
    if (v->kind == KW_TV_DICT)
        return print_dict(s, v->u.dict, depth, out);
    return kw_tpl_fail(s, KW_E_FORMAT, "a value of type '%s' has no text", kw_tv_type(v));
}

kw_status kw_tv_text(kw_tpl_state *s, const kw_tval *v, kw_str *out)
{
    kw_buf text = {0};
    kw_tval made;
    if (v->kind == KW_TV_STRING) {
        *out = v->u.s;
        return KW_OK;
    }
    const kw_status status = kw_tv_print(s, v, false, 0, &text);
    if (status != KW_OK) {
        kw_buf_free(&text);
        return status;
    }
    KW_TRY(kw_tv_take(s, &text, &made));
    *out = made.u.s;
    return KW_OK;
}
