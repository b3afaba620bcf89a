/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_filters.c - filters of one value: texts, numbers, JSON, defaults. Those of sequences are
 * in template_sequences.c. */
#include "text/template_filters.h"

#include "base/check.h"
#include "base/decimal.h"

#include <math.h>
#include <stdio.h>

/* A method of strings, on a value as text. */
static kw_status by_method(kw_tpl_state *s, const char *name, const kw_tval *v,
                           const kw_tpl_args *args, kw_tval *out)
{
    kw_tval text = *v, method;
    if (v->kind != KW_TV_STRING) {
        kw_str view;
        KW_TRY(kw_tv_text(s, v, &view));
        text = kw_tv_str(view);
    }
    KW_TRY(kw_tv_attr(s, &text, kw_str_from(name), &method));
    return kw_tpl_call(s, &method, args, out);
}

static const kw_tpl_args no_args;

static kw_status f_trim(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return by_method(s, "strip", v, a, out);
}

static kw_status f_upper(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return by_method(s, "upper", v, &no_args, out);
}

static kw_status f_lower(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return by_method(s, "lower", v, &no_args, out);
}

static kw_status f_capitalize(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return by_method(s, "capitalize", v, &no_args, out);
}

static kw_status f_replace(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return by_method(s, "replace", v, a, out);
}

/* Words begin after white space, hyphens and opening brackets, unlike those of str.title. */
static kw_status f_title(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_str text;
    kw_buf made = {0};
    (void)a;
    KW_TRY(kw_tv_text(s, v, &text));
    KW_TRY(kw_tpl_work(s, text.len));
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        while (end < text.len && text.data[end] && !strchr("- \t\n\r\f\v([{<", text.data[end]))
            end++;
        kw_tpl_recase((kw_str){text.data + at, end - at}, KW_TPL_CAPITALIZE, &made);
        if (end < text.len)
            kw_buf_add(&made, &text.data[end], 1);
        at = end + 1;
    }
    return kw_tv_take(s, &made, out);
}

static kw_status f_string(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_str text;
    (void)a;
    *out = *v;
    if (v->kind == KW_TV_STRING)
        return KW_OK;
    KW_TRY(kw_tv_text(s, v, &text));
    *out = kw_tv_str(text);
    return KW_OK;
}

static kw_status f_safe(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    KW_TRY(f_string(s, v, a, out));
    out->flags = KW_TV_SAFE;
    return KW_OK;
}

static kw_status f_escape(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_buf text = {0};
    KW_TRY(f_string(s, v, a, out));
    if (out->flags & KW_TV_SAFE)
        return KW_OK;
    KW_TRY(kw_tpl_work(s, 4 * out->u.s.len));
    kw_tpl_escape(out->u.s, &text);
    KW_TRY(kw_tv_take(s, &text, out));
    out->flags = KW_TV_SAFE;
    return KW_OK;
}

/* ---- indent ---- */

/* The next line of *text, without its end; moved behind it. */
static kw_str next_line(kw_str *text)
{
    size_t at = 0;
    while (at < text->len && text->data[at] != '\n' && text->data[at] != '\r')
        at++;
    const kw_str line = {text->data, at};
    at += at + 1 < text->len && text->data[at] == '\r' && text->data[at + 1] == '\n' ? 2 : 1;
    at = KW_MIN(at, text->len);
    *text = (kw_str){text->data + at, text->len - at};
    return line;
}

static kw_status indent_lines(kw_tpl_state *s, kw_str text, kw_str by, const bool first_blank[2],
                              kw_buf *out)
{
    const char end = text.len > 0 ? text.data[text.len - 1] : '\0';
    const bool ends = end == '\n' || end == '\r';
    bool first = true;
    do {
        const bool last_empty = text.len == 0 && !first; /* behind a final line end */
        const kw_str line = last_empty ? KW_STR("") : next_line(&text);
        if (!first)
            KW_TRY(kw_tpl_write(s, out, KW_STR("\n")));
        if (first ? first_blank[0] : first_blank[1] || line.len > 0)
            KW_TRY(kw_tpl_write(s, out, by));
        KW_TRY(kw_tpl_write(s, out, line));
        if (last_empty)
            return KW_OK;
        first = false;
    } while (text.len > 0 || ends);
    return KW_OK;
}

static kw_status f_indent(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    static const kw_tval four = {.kind = KW_TV_INT, .u.i = 4};
    const kw_tval blank = kw_tv_str(KW_STR(" "));
    const kw_tval *width = kw_tpl_arg(a, 0, "width");
    const bool first_blank[2] = {kw_tpl_arg_bool(a, 1, "first", false),
                                 kw_tpl_arg_bool(a, 2, "blank", false)};
    kw_tval by;
    kw_str text;
    kw_buf made = {0};
    if (width && width->kind == KW_TV_STRING)
        by = *width;
    else
        KW_TRY(kw_tv_binary(s, KW_TO_MUL, &blank, width ? width : &four, &by));
    KW_TRY(kw_tv_text(s, v, &text));
    const kw_status status = indent_lines(s, text, by.u.s, first_blank, &made);
    if (status == KW_OK)
        return kw_tv_take(s, &made, out);
    kw_buf_free(&made);
    return status;
}

/* ---- numbers ---- */

static kw_str trimmed(kw_str text)
{
    while (text.len > 0 && kw_tpl_is_space((unsigned char)text.data[0]))
        text = (kw_str){text.data + 1, text.len - 1};
    while (text.len > 0 && kw_tpl_is_space((unsigned char)text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool parse_int(kw_str text, int64_t *out)
{
    const bool negative = text.len > 0 && text.data[0] == '-';
    int64_t value = 0;
    if (text.len > 0 && (negative || text.data[0] == '+'))
        text = (kw_str){text.data + 1, text.len - 1};
    for (size_t i = 0; i < text.len; i++) {
        const int digit = text.data[i] - '0';
        if (digit < 0 || digit > 9 || value > (INT64_MAX - digit) / 10)
            return false;
        value = 10 * value + digit;
    }
    *out = negative ? -value : value;
    return text.len > 0;
}

static kw_status f_int(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const kw_tval *otherwise = kw_tpl_arg(a, 0, "default");
    int64_t base;
    double real;
    if (v->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail_undefined(s, v);
    KW_TRY(kw_tpl_arg_int(s, a, 1, "base", 10, &base));
    if (base != 10)
        return kw_tpl_fail(s, KW_E_UNSUPPORTED, "int: base %lld is not supported", (long long)base);
    *out = otherwise ? *otherwise : kw_tv_int(0);
    const kw_str text = v->kind == KW_TV_STRING ? trimmed(v->u.s) : KW_STR("");
    int64_t whole;
    if (kw_tv_integer(v, &whole) || parse_int(text, &whole))
        *out = kw_tv_int(whole);
    else if ((kw_tv_number(v, &real) || kw_decimal_f64(text, &real)) && real > -9e18 && real < 9e18)
        *out = kw_tv_int((int64_t)real);
    return KW_OK;
}

static kw_status f_float(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const kw_tval *otherwise = kw_tpl_arg(a, 0, "default");
    double real;
    if (v->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail_undefined(s, v);
    *out = otherwise ? *otherwise : kw_tv_float(0);
    if (kw_tv_number(v, &real) ||
        (v->kind == KW_TV_STRING && kw_decimal_f64(trimmed(v->u.s), &real)))
        *out = kw_tv_float(real);
    return KW_OK;
}

static kw_status f_abs(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    int64_t whole;
    (void)a;
    *out = *v;
    if (v->kind == KW_TV_FLOAT)
        out->u.f = fabs(v->u.f);
    else if (!kw_tv_integer(v, &whole) || whole == INT64_MIN)
        return kw_tpl_fail(s, KW_E_FORMAT, "abs: a value of type '%s'", kw_tv_type(v));
    else
        *out = kw_tv_int(whole < 0 ? -whole : whole);
    return KW_OK;
}

static kw_status f_round(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    char text[400];
    int64_t digits;
    double real, scale = 1;
    kw_str method;
    KW_TRY(kw_tpl_arg_int(s, a, 0, "precision", 0, &digits));
    KW_TRY(kw_tpl_arg_str(s, a, 1, "method", KW_STR("common"), &method));
    if (!kw_tv_number(v, &real) || digits < 0 || digits > 20 || !(fabs(real) < 1e300))
        return kw_tpl_fail(s, KW_E_FORMAT, "round: a value of type '%s' to %lld digits",
                           kw_tv_type(v), (long long)digits);
    *out = *v;
    for (int64_t i = 0; i < digits; i++)
        scale *= 10;
    if (kw_str_is(method, "ceil") || kw_str_is(method, "floor")) {
        const double scaled = real * scale;
        *out = kw_tv_float((kw_str_is(method, "ceil") ? ceil(scaled) : floor(scaled)) / scale);
    } else if (!kw_str_is(method, "common")) {
        return kw_tpl_fail(s, KW_E_FORMAT, "round: no method \"%.*s\"", KW_FMT(method));
    } else if (v->kind == KW_TV_FLOAT) {
        /* Printing rounds the exact binary value, half to even, as Python does. */
        (void)snprintf(text, sizeof text, "%.*f", (int)digits, real);
        for (char *c = text; *c; c++)
            *c = (*c >= '0' && *c <= '9') || *c == '-' ? *c : '.';
        if (kw_decimal_f64(kw_str_from(text), &real))
            *out = kw_tv_float(real);
    }
    return KW_OK;
}

/* ---- others ---- */

static kw_status f_default(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const kw_tval *otherwise = kw_tpl_arg(a, 0, "default_value");
    const bool truth = kw_tpl_arg_bool(a, 1, "boolean", false);
    (void)s;
    *out = *v;
    if (v->kind == KW_TV_UNDEFINED || (truth && !kw_tv_true(v)))
        *out = otherwise ? *otherwise : kw_tv_str(KW_STR(""));
    return KW_OK;
}

static kw_status f_length(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    size_t n;
    (void)a;
    KW_TRY(kw_tv_length(s, v, &n));
    *out = kw_tv_int((int64_t)n);
    return KW_OK;
}

static kw_status f_attr(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_str name;
    KW_TRY(kw_tpl_arg_count(s, a, 1, 1, "attr"));
    KW_TRY(kw_tpl_arg_str(s, a, 0, "name", KW_STR(""), &name));
    if (v->kind == KW_TV_DICT) { /* attributes of a dict are its methods, not its items */
        kw_tpl_dict empty = {0};
        const kw_tval methods = {.kind = KW_TV_DICT, .u.dict = &empty};
        KW_TRY(kw_tv_attr(s, &methods, name, out));
        return out->kind == KW_TV_UNDEFINED ? KW_OK : kw_tv_attr(s, v, name, out);
    }
    return kw_tv_attr(s, v, name, out);
}

static kw_status f_format(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tpl_list list = {a->items, a->n};
    const kw_tval values = {.kind = KW_TV_LIST, .flags = KW_TV_TUPLE, .u.list = &list};
    kw_buf text = {0};
    if (v->kind != KW_TV_STRING || a->n_named > 0)
        return kw_tpl_fail(s, KW_E_FORMAT, "format: a string with values that have no names");
    const kw_status status = kw_tpl_format_percent(s, v->u.s, &values, &text);
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

static kw_status read_separators(kw_tpl_state *s, const kw_tval *v, kw_tpl_json_style *style)
{
    if (!v || v->kind == KW_TV_NONE)
        return KW_OK;
    if (v->kind != KW_TV_LIST || v->u.list->n != 2 || v->u.list->items[0].kind != KW_TV_STRING ||
        v->u.list->items[1].kind != KW_TV_STRING)
        return kw_tpl_fail(s, KW_E_FORMAT, "tojson: separators are not two strings");
    style->item = v->u.list->items[0].u.s;
    style->key = v->u.list->items[1].u.s;
    return KW_OK;
}

static kw_status f_tojson(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const kw_tval blank = kw_tv_str(KW_STR(" ")), *indent = kw_tpl_arg(a, 1, "indent");
    kw_tpl_json_style style = {.ascii = kw_tpl_arg_bool(a, 0, "ensure_ascii", false),
                               .sort = kw_tpl_arg_bool(a, 3, "sort_keys", false),
                               .lines = indent && indent->kind != KW_TV_NONE};
    kw_tval by = kw_tv_str(KW_STR(""));
    kw_buf text = {0};
    if (style.lines && indent->kind == KW_TV_STRING)
        by = *indent;
    else if (style.lines)
        KW_TRY(kw_tv_binary(s, KW_TO_MUL, &blank, indent, &by));
    if (by.kind != KW_TV_STRING)
        return kw_tpl_fail(s, KW_E_FORMAT, "tojson: indent is a '%s'", kw_tv_type(indent));
    style.indent = by.u.s;
    style.item = style.lines ? KW_STR(",") : KW_STR(", ");
    style.key = KW_STR(": ");
    KW_TRY(read_separators(s, kw_tpl_arg(a, 2, "separators"), &style));
    const kw_status status = kw_tv_json(s, v, &style, 0, &text);
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

static const kw_tpl_function filters[] = {
    {"trim", f_trim},     {"upper", f_upper},
    {"lower", f_lower},   {"capitalize", f_capitalize},
    {"title", f_title},   {"replace", f_replace},
    {"string", f_string}, {"safe", f_safe},
    {"escape", f_escape}, {"e", f_escape},
    {"indent", f_indent}, {"int", f_int},
    {"float", f_float},   {"abs", f_abs},
    {"round", f_round},   {"default", f_default},
    {"d", f_default},     {"length", f_length},
    {"count", f_length},  {"attr", f_attr},
    {"format", f_format}, {"tojson", f_tojson},
};

kw_status kw_tpl_apply_filter(kw_tpl_state *s, kw_str name, const kw_tval *value,
                              const kw_tpl_args *args, kw_tval *out)
{
    const kw_tpl_function *found = kw_tpl_sequence_filter(name);
    for (size_t i = 0; i < KW_COUNT(filters) && !found; i++)
        if (kw_str_is(name, filters[i].name))
            found = &filters[i];
    KW_TRY(kw_tpl_work(s, 0));
    if (!found)
        return kw_tpl_fail(s, KW_E_UNSUPPORTED, "there is no filter \"%.*s\"", KW_FMT(name));
    return found->call(s, value, args, out);
}
