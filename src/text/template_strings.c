/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_strings.c - the methods of strings. */
#include "text/template_value.h"

#include "base/check.h"
#include "base/utf8.h"

/* ---- stripping ---- */

static bool in_set(uint32_t c, const char *at, size_t len, const kw_str *set)
{
    if (!set)
        return kw_tpl_is_space(c);
    for (size_t i = 0; i + len <= set->len; i++)
        if (memcmp(set->data + i, at, len) == 0)
            return true;
    return false;
}

static kw_str strip(kw_str text, const kw_str *set, bool left, bool right)
{
    while (left && text.len > 0) {
        uint32_t c;
        const size_t len = kw_utf8_decode(text.data, text.len, &c);
        if (!in_set(c, text.data, len, set))
            break;
        text = (kw_str){text.data + len, text.len - len};
    }
    while (right && text.len > 0) {
        size_t at = text.len - 1;
        uint32_t c;
        while (at > 0 && ((unsigned char)text.data[at] & 0xC0) == 0x80)
            at--;
        (void)kw_utf8_decode(text.data + at, text.len - at, &c);
        if (!in_set(c, text.data + at, text.len - at, set))
            break;
        text.len = at;
    }
    return text;
}

static kw_status strip_method(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *args,
                              bool left, bool right, kw_tval *out)
{
    const kw_tval *chars = kw_tpl_arg(args, 0, "chars");
    const bool given = chars && chars->kind != KW_TV_NONE;
    KW_TRY(kw_tpl_arg_count(s, args, 0, 1, "strip"));
    if (given && chars->kind != KW_TV_STRING)
        return kw_tpl_fail(s, KW_E_FORMAT, "strip takes a string, not '%s'", kw_tv_type(chars));
    KW_TRY(kw_tpl_work(s, self->u.s.len));
    *out = *self;
    out->u.s = strip(self->u.s, given ? &chars->u.s : NULL, left, right);
    return KW_OK;
}

static kw_status m_strip(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return strip_method(s, v, a, true, true, out);
}

static kw_status m_lstrip(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return strip_method(s, v, a, true, false, out);
}

static kw_status m_rstrip(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return strip_method(s, v, a, false, true, out);
}

/* ---- searching ---- */

static kw_status one_text(kw_tpl_state *s, const kw_tpl_args *args, const char *what, kw_str *out)
{
    const kw_tval *v = kw_tpl_arg(args, 0, "sub");
    if (!v || v->kind != KW_TV_STRING || args->n != 1)
        return kw_tpl_fail(s, KW_E_FORMAT, "%s takes one string", what);
    *out = v->u.s;
    return KW_OK;
}

static kw_status find_method(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *args,
                             bool last, kw_tval *out)
{
    kw_str part;
    KW_TRY(one_text(s, args, "find", &part));
    KW_TRY(kw_tpl_work(s, self->u.s.len));
    size_t at;
    KW_TRY(last ? kw_tpl_find_last(s, self->u.s, part, &at)
                : kw_tpl_find(s, self->u.s, part, 0, &at));
    *out = kw_tv_int(at == SIZE_MAX ? -1 : (int64_t)kw_tpl_chars((kw_str){self->u.s.data, at}));
    return KW_OK;
}

static kw_status m_find(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return find_method(s, v, a, false, out);
}

static kw_status m_rfind(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return find_method(s, v, a, true, out);
}

static kw_status m_index(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    KW_TRY(find_method(s, v, a, false, out));
    return out->u.i >= 0 ? KW_OK : kw_tpl_fail(s, KW_E_FORMAT, "index: substring not found");
}

static kw_status m_count(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_str part;
    int64_t n = 0;
    KW_TRY(one_text(s, a, "count", &part));
    KW_TRY(kw_tpl_work(s, v->u.s.len));
    if (part.len == 0) {
        *out = kw_tv_int((int64_t)kw_tpl_chars(v->u.s) + 1);
        return KW_OK;
    }
    for (size_t at = 0;; at += part.len, n++) {
        KW_TRY(kw_tpl_find(s, v->u.s, part, at, &at));
        if (at == SIZE_MAX)
            break;
    }
    *out = kw_tv_int(n);
    return KW_OK;
}

static bool affix(kw_str text, kw_str part, bool end)
{
    return text.len >= part.len &&
           (part.len == 0 ||
            memcmp(text.data + (end ? text.len - part.len : 0), part.data, part.len) == 0);
}

/* One string, or a tuple of some. */
static kw_status affix_method(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *args,
                              bool end, kw_tval *out)
{
    const kw_tval *v = kw_tpl_arg(args, 0, "prefix");
    KW_TRY(kw_tpl_arg_count(s, args, 1, 1, "startswith and endswith"));
    const bool tuple = v->kind == KW_TV_LIST && v->flags & KW_TV_TUPLE;
    const kw_tval *items = tuple ? v->u.list->items : v;
    *out = kw_tv_bool(false);
    for (size_t i = 0; i < (tuple ? v->u.list->n : 1); i++) {
        if (items[i].kind != KW_TV_STRING)
            return kw_tpl_fail(s, KW_E_FORMAT, "startswith and endswith take strings, not '%s'",
                               kw_tv_type(&items[i]));
        out->u.b = out->u.b || affix(self->u.s, items[i].u.s, end);
    }
    return KW_OK;
}

static kw_status m_startswith(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return affix_method(s, v, a, false, out);
}

static kw_status m_endswith(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return affix_method(s, v, a, true, out);
}

static kw_status remove_affix(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *args,
                              bool end, kw_tval *out)
{
    kw_str part;
    KW_TRY(one_text(s, args, "removeprefix and removesuffix", &part));
    *out = *self;
    if (!affix(self->u.s, part, end))
        return KW_OK;
    out->u.s.len -= part.len;
    if (!end)
        out->u.s.data += part.len;
    return KW_OK;
}

static kw_status m_removeprefix(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a,
                                kw_tval *out)
{
    return remove_affix(s, v, a, false, out);
}

static kw_status m_removesuffix(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a,
                                kw_tval *out)
{
    return remove_affix(s, v, a, true, out);
}

/* ---- splitting and joining ---- */

/* A growing list of pieces of one text. */
typedef struct pieces {
    kw_tval list;
    size_t cap;
} pieces;

static kw_status add_piece(kw_tpl_state *s, pieces *p, kw_str text)
{
    kw_tpl_list *list = p->list.u.list;
    KW_TRY(kw_tpl_work(s, 0));
    if (list->n == p->cap) {
        kw_tval *more;
        p->cap = 2 * p->cap + 8;
        KW_TRY(kw_tpl_alloc(s, p->cap, sizeof *more, &more));
        if (list->n > 0)
            memcpy(more, list->items, list->n * sizeof *more);
        list->items = more;
    }
    list->items[list->n++] = kw_tv_str(text);
    return KW_OK;
}

static void reverse(kw_tpl_list *list)
{
    for (size_t i = 0; i < list->n / 2; i++) {
        const kw_tval swap = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = swap;
    }
}

static kw_status split_spaces(kw_tpl_state *s, kw_str text, int64_t most, bool last, pieces *p)
{
    for (;;) {
        text = strip(text, NULL, !last, last);
        if (text.len == 0)
            return KW_OK;
        if (most-- == 0)
            return add_piece(s, p, text);
        size_t at = last ? text.len : 0; /* of the nearest white space, or the far end */
        while (last ? at > 0 : at < text.len) {
            const kw_str side =
                last ? (kw_str){text.data, at} : (kw_str){text.data + at, text.len - at};
            if (strip(side, NULL, !last, last).len != side.len)
                break;
            at = last ? at - 1 : at + 1;
        }
        KW_TRY(add_piece(s, p,
                         last ? (kw_str){text.data + at, text.len - at} : (kw_str){text.data, at}));
        text = last ? (kw_str){text.data, at} : (kw_str){text.data + at, text.len - at};
    }
}

static kw_status split_text(kw_tpl_state *s, kw_str text, kw_str by, int64_t most, bool last,
                            pieces *p)
{
    for (;;) {
        size_t at = SIZE_MAX;
        if (most != 0)
            KW_TRY(last ? kw_tpl_find_last(s, text, by, &at) : kw_tpl_find(s, text, by, 0, &at));
        if (at == SIZE_MAX)
            return add_piece(s, p, text);
        most -= most > 0;
        const kw_str before = {text.data, at};
        const kw_str after = {text.data + at + by.len, text.len - at - by.len};
        KW_TRY(add_piece(s, p, last ? after : before));
        text = last ? before : after;
    }
}

static kw_status split_method(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *args,
                              bool last, kw_tval *out)
{
    pieces p = {0};
    kw_str by;
    int64_t most;
    KW_TRY(kw_tpl_arg_count(s, args, 0, 2, "split"));
    KW_TRY(kw_tpl_arg_str(s, args, 0, "sep", (kw_str){NULL, 0}, &by));
    KW_TRY(kw_tpl_arg_int(s, args, 1, "maxsplit", -1, &most));
    KW_TRY(kw_tpl_work(s, self->u.s.len));
    KW_TRY(kw_tv_list(s, 0, &p.list));
    if (by.data && by.len == 0)
        return kw_tpl_fail(s, KW_E_FORMAT, "split: an empty separator");
    KW_TRY(by.data ? split_text(s, self->u.s, by, most, last, &p)
                   : split_spaces(s, self->u.s, most, last, &p));
    if (last)
        reverse(p.list.u.list);
    *out = p.list;
    return KW_OK;
}

static kw_status m_split(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return split_method(s, v, a, false, out);
}

static kw_status m_rsplit(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return split_method(s, v, a, true, out);
}

static bool ends_line(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static kw_status m_splitlines(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    pieces p = {0};
    const bool keep = kw_tpl_arg_bool(a, 0, "keepends", false);
    kw_str text = v->u.s;
    KW_TRY(kw_tpl_work(s, text.len));
    KW_TRY(kw_tv_list(s, 0, &p.list));
    while (text.len > 0) {
        size_t at = 0, end = 0; /* of the line; behind its end */
        for (uint32_t c = 0; at < text.len; at = end) {
            end = at + kw_utf8_decode(text.data + at, text.len - at, &c);
            if (ends_line(c))
                break;
        }
        if (end < text.len && text.data[at] == '\r' && text.data[end] == '\n')
            end++;
        KW_TRY(add_piece(s, &p, (kw_str){text.data, keep ? end : at}));
        text = (kw_str){text.data + end, text.len - end};
    }
    *out = p.list;
    return KW_OK;
}

static kw_status partition(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *args, bool last,
                           kw_tval *out)
{
    kw_str by;
    const kw_str text = self->u.s;
    KW_TRY(one_text(s, args, "partition", &by));
    KW_TRY(kw_tpl_work(s, text.len));
    KW_TRY(kw_tv_list(s, 3, out));
    out->flags = KW_TV_TUPLE;
    kw_tval *items = out->u.list->items;
    size_t at;
    if (by.len == 0)
        return kw_tpl_fail(s, KW_E_FORMAT, "partition: an empty separator");
    KW_TRY(last ? kw_tpl_find_last(s, text, by, &at) : kw_tpl_find(s, text, by, 0, &at));
    if (at == SIZE_MAX) {
        for (int i = 0; i < 3; i++)
            items[i] = kw_tv_str(i == (last ? 2 : 0) ? text : KW_STR(""));
        return KW_OK;
    }
    items[0] = kw_tv_str((kw_str){text.data, at});
    items[1] = kw_tv_str(by);
    items[2] = kw_tv_str((kw_str){text.data + at + by.len, text.len - at - by.len});
    return KW_OK;
}

static kw_status m_partition(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return partition(s, v, a, false, out);
}

static kw_status m_rpartition(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return partition(s, v, a, true, out);
}

static kw_status m_join(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tpl_list list;
    kw_buf text = {0};
    kw_status status = KW_OK;
    KW_TRY(kw_tpl_arg_count(s, a, 1, 1, "join"));
    KW_TRY(kw_tv_iterate(s, &a->items[0], &list));
    for (size_t i = 0; i < list.n && status == KW_OK; i++) {
        if (list.items[i].kind != KW_TV_STRING)
            status = kw_tpl_fail(s, KW_E_FORMAT, "join: an item is a '%s', expected a string",
                                 kw_tv_type(&list.items[i]));
        if (status == KW_OK && i > 0)
            status = kw_tpl_write(s, &text, v->u.s);
        if (status == KW_OK)
            status = kw_tpl_write(s, &text, list.items[i].u.s);
    }
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

/* ---- changing ---- */

/* Appends text with `old` replaced, at most `most` times; negative: everywhere. */
static kw_status replace(kw_tpl_state *s, kw_str text, const kw_str pair[2], int64_t most,
                         kw_buf *out)
{
    const kw_str old = pair[0], new = pair[1];
    size_t at = 0;
    while (most != 0 && at <= text.len) {
        size_t found;
        KW_TRY(kw_tpl_find(s, text, old, at, &found));
        if (found == SIZE_MAX)
            break;
        KW_TRY(kw_tpl_write(s, out, (kw_str){text.data + at, found - at}));
        KW_TRY(kw_tpl_write(s, out, new));
        most -= most > 0;
        at = found + old.len;
        if (old.len == 0) { /* between all characters */
            if (at == text.len)
                return KW_OK;
            const size_t one = kw_tpl_char_at((kw_str){text.data + at, text.len - at}, 1);
            KW_TRY(kw_tpl_write(s, out, (kw_str){text.data + at, one}));
            at += one;
        }
    }
    return kw_tpl_write(s, out, (kw_str){text.data + at, text.len - at});
}

static kw_status m_replace(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_str pair[2];
    int64_t most;
    kw_buf text = {0};
    KW_TRY(kw_tpl_arg_count(s, a, 2, 3, "replace"));
    KW_TRY(kw_tpl_arg_str(s, a, 0, "old", KW_STR(""), &pair[0]));
    KW_TRY(kw_tpl_arg_str(s, a, 1, "new", KW_STR(""), &pair[1]));
    KW_TRY(kw_tpl_arg_int(s, a, 2, "count", -1, &most));
    const kw_status status = replace(s, v->u.s, pair, most, &text);
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

static kw_status recase(kw_tpl_state *s, const kw_tval *v, kw_tpl_case how, kw_tval *out)
{
    kw_buf text = {0};
    KW_TRY(kw_tpl_work(s, v->u.s.len));
    kw_tpl_recase(v->u.s, how, &text);
    return kw_tv_take(s, &text, out);
}

static kw_status m_upper(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return recase(s, v, KW_TPL_UPPER, out);
}

static kw_status m_lower(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return recase(s, v, KW_TPL_LOWER, out);
}

static kw_status m_title(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return recase(s, v, KW_TPL_TITLE, out);
}

static kw_status m_capitalize(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return recase(s, v, KW_TPL_CAPITALIZE, out);
}

static kw_status m_format(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_buf text = {0};
    const kw_status status = kw_tpl_format_braces(s, v->u.s, a, &text);
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

/* ---- questions ---- */

/* Whether every character is of a class, and there is one. */
static kw_status all_chars(kw_tpl_state *s, const kw_tval *v, bool letters, bool digits,
                           kw_tval *out)
{
    bool all = v->u.s.len > 0;
    KW_TRY(kw_tpl_work(s, v->u.s.len));
    for (size_t at = 0; at < v->u.s.len && all;) {
        uint32_t c;
        at += kw_utf8_decode(v->u.s.data + at, v->u.s.len - at, &c);
        const bool is = (digits && c >= '0' && c <= '9') || (letters && kw_tpl_is_letter(c));
        all = letters || digits ? is : kw_tpl_is_space(c);
    }
    *out = kw_tv_bool(all);
    return KW_OK;
}

static kw_status m_isalpha(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return all_chars(s, v, true, false, out);
}

static kw_status m_isdigit(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return all_chars(s, v, false, true, out);
}

static kw_status m_isalnum(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return all_chars(s, v, true, true, out);
}

static kw_status m_isspace(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return all_chars(s, v, false, false, out);
}

/* Whether there are cased letters and all are of one case. */
static kw_status one_case(kw_tpl_state *s, const kw_tval *v, kw_tpl_case how, kw_tval *out)
{
    kw_tval same, other;
    KW_TRY(recase(s, v, how, &same));
    KW_TRY(recase(s, v, how == KW_TPL_UPPER ? KW_TPL_LOWER : KW_TPL_UPPER, &other));
    *out = kw_tv_bool(kw_tv_equal(v, &same) && !kw_tv_equal(v, &other));
    return KW_OK;
}

static kw_status m_isupper(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return one_case(s, v, KW_TPL_UPPER, out);
}

static kw_status m_islower(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return one_case(s, v, KW_TPL_LOWER, out);
}

/* ---- finding ---- */

static const kw_tpl_function string_methods[] = {
    {"strip", m_strip},
    {"lstrip", m_lstrip},
    {"rstrip", m_rstrip},
    {"split", m_split},
    {"rsplit", m_rsplit},
    {"splitlines", m_splitlines},
    {"partition", m_partition},
    {"rpartition", m_rpartition},
    {"join", m_join},
    {"startswith", m_startswith},
    {"endswith", m_endswith},
    {"removeprefix", m_removeprefix},
    {"removesuffix", m_removesuffix},
    {"find", m_find},
    {"rfind", m_rfind},
    {"index", m_index},
    {"count", m_count},
    {"replace", m_replace},
    {"upper", m_upper},
    {"lower", m_lower},
    {"title", m_title},
    {"capitalize", m_capitalize},
    {"format", m_format},
    {"isalpha", m_isalpha},
    {"isdigit", m_isdigit},
    {"isdecimal", m_isdigit},
    {"isnumeric", m_isdigit},
    {"isalnum", m_isalnum},
    {"isspace", m_isspace},
    {"isupper", m_isupper},
    {"islower", m_islower},
};

const kw_tpl_function *kw_tpl_string_method(kw_str name)
{
    for (size_t i = 0; i < KW_COUNT(string_methods); i++)
        if (kw_str_is(name, string_methods[i].name))
            return &string_methods[i];
    return NULL;
}
