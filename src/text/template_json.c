/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_json.c - JSON into values, and values into JSON as Python's json.dumps writes it. The
 * parser bounds the depth of what is read; what is written may be deeper and is bounded here. */
#include "text/template_value.h"

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"

#include <math.h>

/* An open object or array. */
typedef struct level {
    kw_tval value;
    kw_tval key;
    kw_tpl_list *list; /* with room for `cap`; NULL: an object */
    size_t cap;
} level;

static kw_status scalar(kw_tpl_state *s, const kw_json *json, const kw_json_token *token,
                        kw_tval *out)
{
    switch (token->kind) {
    case KW_JSON_TRUE:
    case KW_JSON_FALSE:
        *out = kw_tv_bool(token->kind == KW_JSON_TRUE);
        return KW_OK;
    case KW_JSON_NULL:
        *out = kw_tv_none();
        return KW_OK;
    case KW_JSON_STRING:
    case KW_JSON_KEY: {
        kw_str text;
        KW_TRY(kw_json_string(json, token, &s->arena, &text, s->err));
        *out = kw_tv_str(text);
        return KW_OK;
    }
    default:
        break;
    }
    const bool whole = !memchr(token->text.data, '.', token->text.len) &&
                       !memchr(token->text.data, 'e', token->text.len) &&
                       !memchr(token->text.data, 'E', token->text.len);
    int64_t i;
    double f;
    if (whole && kw_json_i64(json, token, &i, NULL) == KW_OK) {
        *out = kw_tv_int(i);
        return KW_OK;
    }
    KW_TRY(kw_json_f64(json, token, &f, s->err));
    *out = kw_tv_float(f);
    return KW_OK;
}

static kw_status open_level(kw_tpl_state *s, const kw_json_token *token, level *out)
{
    *out = (level){0};
    if (token->kind == KW_JSON_OBJECT)
        return kw_tv_dict(s, 4, &out->value);
    KW_TRY(kw_tv_list(s, 0, &out->value));
    out->list = out->value.u.list;
    return KW_OK;
}

static kw_status add_value(kw_tpl_state *s, level *to, const kw_tval *value)
{
    if (!to->list)
        return kw_tv_dict_set(s, to->value.u.dict, &to->key, value);
    if (to->list->n == to->cap) {
        kw_tval *more;
        to->cap = 2 * to->cap + 4;
        KW_TRY(kw_tpl_alloc(s, to->cap, sizeof *more, &more));
        if (to->list->n > 0)
            memcpy(more, to->list->items, to->list->n * sizeof *more);
        to->list->items = more;
    }
    to->list->items[to->list->n++] = *value;
    return KW_OK;
}

kw_status kw_tv_from_json(kw_tpl_state *s, kw_str text, const char *subject, kw_tval *out)
{
    level levels[KW_JSON_MAX_DEPTH] = {0};
    size_t depth = 0;
    kw_json json;
    kw_json_init(&json, text, subject);
    *out = kw_tv_none();
    for (;;) {
        kw_json_token token;
        kw_tval value;
        KW_TRY(kw_json_next(&json, &token, s->err));
        KW_TRY(kw_tpl_work(s, token.text.len));
        if (token.kind == KW_JSON_END)
            return KW_OK;
        if (token.kind == KW_JSON_OBJECT || token.kind == KW_JSON_ARRAY) {
            KW_TRY(open_level(s, &token, &levels[depth++]));
            continue;
        }
        if (token.kind == KW_JSON_KEY) {
            KW_TRY(scalar(s, &json, &token, &levels[depth - 1].key));
            continue;
        }
        if (token.kind == KW_JSON_OBJECT_END || token.kind == KW_JSON_ARRAY_END)
            value = levels[--depth].value;
        else
            KW_TRY(scalar(s, &json, &token, &value));
        if (depth > 0)
            KW_TRY(add_value(s, &levels[depth - 1], &value));
        else
            *out = value;
    }
}

/* ---- writing ---- */

static kw_status puts_raw(kw_tpl_state *s, const char *text, kw_buf *out)
{
    return kw_tpl_write(s, out, kw_str_from(text));
}

static kw_status write_escaped(kw_tpl_state *s, uint32_t c, kw_buf *out)
{
    if (c >= 0x10000) {
        c -= 0x10000;
        kw_buf_printf(out, "\\u%04x", 0xD800u + (unsigned)(c >> 10));
        c = 0xDC00 + (c & 0x3FF);
    }
    kw_buf_printf(out, "\\u%04x", (unsigned)c);
    return kw_tpl_work(s, 12);
}

static kw_status write_string(kw_tpl_state *s, kw_str text, bool ascii, kw_buf *out)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    size_t run = 0;
    KW_TRY(puts_raw(s, "\"", out));
    for (size_t at = 0; at < text.len;) {
        uint32_t c;
        const size_t len = kw_utf8_decode(text.data + at, text.len - at, &c);
        const char *known = c != 0 && c < 128 ? strchr(from, (int)c) : NULL;
        if (known || c < 32 || (ascii && c > 126)) {
            KW_TRY(kw_tpl_write(s, out, (kw_str){text.data + run, at - run}));
            run = at + len;
            if (known)
                KW_TRY(kw_tpl_write(s, out, (kw_str){(char[]){'\\', to[known - from]}, 2}));
            else
                KW_TRY(write_escaped(s, c, out));
        }
        at += len;
    }
    KW_TRY(kw_tpl_write(s, out, (kw_str){text.data + run, text.len - run}));
    return puts_raw(s, "\"", out);
}

static kw_status write_break(kw_tpl_state *s, const kw_tpl_json_style *style, int depth,
                             kw_buf *out)
{
    if (!style->lines)
        return KW_OK;
    KW_TRY(puts_raw(s, "\n", out));
    for (int i = 0; i < depth; i++)
        KW_TRY(kw_tpl_write(s, out, style->indent));
    return KW_OK;
}

/* Between items: with lines, a break comes instead of the blank that ends the separator. */
static kw_status write_separator(kw_tpl_state *s, const kw_tpl_json_style *style, int depth,
                                 bool first, kw_buf *out)
{
    if (!first)
        KW_TRY(kw_tpl_write(s, out, style->item));
    return write_break(s, style, depth, out);
}

static kw_status write_list(kw_tpl_state *s, const kw_tval *v, const kw_tpl_json_style *style,
                            int depth, kw_buf *out)
{
    const kw_tpl_list *list = v->u.list;
    if (list->n == 0)
        return puts_raw(s, "[]", out);
    KW_TRY(puts_raw(s, "[", out));
    for (size_t i = 0; i < list->n; i++) {
        KW_TRY(write_separator(s, style, depth + 1, i == 0, out));
        KW_TRY(kw_tv_json(s, &list->items[i], style, depth + 1, out));
    }
    KW_TRY(write_break(s, style, depth, out));
    return puts_raw(s, "]", out);
}

/* A key as a string: numbers and constants are written as such, in quotes. */
static kw_status write_key(kw_tpl_state *s, const kw_tval *key, const kw_tpl_json_style *style,
                           kw_buf *out)
{
    if (key->kind == KW_TV_STRING)
        return write_string(s, key->u.s, style->ascii, out);
    if (key->kind > KW_TV_FLOAT || key->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail(s, KW_E_FORMAT, "tojson: a key is a %s", kw_tv_type(key));
    KW_TRY(puts_raw(s, "\"", out));
    KW_TRY(kw_tv_json(s, key, style, 0, out));
    return puts_raw(s, "\"", out);
}

/* The pairs in the order of their keys, which are strings. */
static kw_status sorted(kw_tpl_state *s, const kw_tpl_dict *dict, kw_tpl_pair **out)
{
    kw_tpl_pair *pairs;
    KW_TRY(kw_tpl_alloc(s, dict->n, sizeof *pairs, &pairs));
    for (size_t i = 0; i < dict->n; i++) {
        size_t at = i;
        for (; at > 0; at--) {
            bool less;
            KW_TRY(kw_tpl_work(s, 0));
            KW_TRY(kw_tv_less(s, &dict->pairs[i].key, &pairs[at - 1].key, &less));
            if (!less)
                break;
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = dict->pairs[i];
    }
    *out = pairs;
    return KW_OK;
}

static kw_status write_dict(kw_tpl_state *s, const kw_tval *v, const kw_tpl_json_style *style,
                            int depth, kw_buf *out)
{
    const kw_tpl_dict *dict = v->u.dict;
    kw_tpl_pair *pairs = dict->pairs;
    if (dict->n == 0)
        return puts_raw(s, "{}", out);
    if (style->sort)
        KW_TRY(sorted(s, dict, &pairs));
    KW_TRY(puts_raw(s, "{", out));
    for (size_t i = 0; i < dict->n; i++) {
        KW_TRY(write_separator(s, style, depth + 1, i == 0, out));
        KW_TRY(write_key(s, &pairs[i].key, style, out));
        KW_TRY(kw_tpl_write(s, out, style->key));
        KW_TRY(kw_tv_json(s, &pairs[i].value, style, depth + 1, out));
    }
    KW_TRY(write_break(s, style, depth, out));
    return puts_raw(s, "}", out);
}

static kw_status write_float(kw_tpl_state *s, double f, kw_buf *out)
{
    if (isnan(f))
        return puts_raw(s, "NaN", out);
    if (isinf(f))
        return puts_raw(s, f > 0 ? "Infinity" : "-Infinity", out);
    kw_tpl_print_float(f, out);
    return kw_tpl_work(s, 24);
}

kw_status kw_tv_json(kw_tpl_state *s, const kw_tval *v, const kw_tpl_json_style *style, int depth,
                     kw_buf *out)
{
    KW_TRY(kw_tpl_work(s, 0));
    if (depth > KW_TV_MAX_NESTING)
        return kw_tpl_fail(s, KW_E_LIMIT, "tojson: nested deeper than %d levels",
                           KW_TV_MAX_NESTING);
    switch (v->kind) {
    case KW_TV_NONE:
        return puts_raw(s, "null", out);
    case KW_TV_BOOL:
        return puts_raw(s, v->u.b ? "true" : "false", out);
    case KW_TV_INT:
        kw_buf_printf(out, "%lld", (long long)v->u.i);
        return KW_OK;
    case KW_TV_FLOAT:
        return write_float(s, v->u.f, out);
    case KW_TV_STRING:
        return write_string(s, v->u.s, style->ascii, out);
    case KW_TV_DICT:
        return write_dict(s, v, style, depth, out);
    case KW_TV_LIST:
        if (!(v->flags & (KW_TV_GENERATOR | KW_TV_VIEW)))
            return write_list(s, v, style, depth, out);
        break;
    default:
        break;
    }
    return kw_tpl_fail(s, KW_E_FORMAT, "tojson: a value of type '%s' has no form in JSON",
                       kw_tv_type(v));
}
