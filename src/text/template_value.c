/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_value.c - see template_value.h. Comparing follows Python: True == 1, 1 == 1.0, strings
 * by code points (which is the order of UTF-8's bytes), lists item by item. */
#include "text/template_value.h"

#include "base/check.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- failing, allocating, counting ---- */

void kw_tpl_error(kw_tpl_state *s, kw_status status, const char *fmt, ...)
{
    char message[200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    (void)kw_fail(s->err, status, "%s: line %u: %s", s->template->subject, s->line, message);
}

kw_status kw_tpl_work(kw_tpl_state *s, size_t bytes)
{
    s->steps += 1 + bytes / 16;
    if (s->steps > s->limits.steps)
        return kw_tpl_fail(s, KW_E_LIMIT, "the template takes more than %llu steps",
                           (unsigned long long)s->limits.steps);
    return KW_OK;
}

kw_status kw_tpl_write(kw_tpl_state *s, kw_buf *out, kw_str text)
{
    KW_TRY(kw_tpl_work(s, text.len));
    if (text.len > s->limits.output_bytes - KW_MIN(out->len, s->limits.output_bytes))
        return kw_tpl_fail(s, KW_E_LIMIT, "a text would be longer than %zu bytes",
                           s->limits.output_bytes);
    kw_buf_add(out, text.data ? text.data : "", text.len);
    return out->failed ? kw_tpl_fail(s, KW_E_NOMEM, "out of memory") : KW_OK;
}

kw_status kw_tpl_alloc(kw_tpl_state *s, size_t n, size_t size, void *out)
{
    void *made = kw_arena_array(&s->arena, n, size);
    size_t bytes;
    if (!made && kw_mul_size(n, size, &bytes) &&
        bytes < s->limits.memory_bytes - KW_MIN(s->arena.total_bytes, s->limits.memory_bytes))
        return kw_tpl_fail(s, KW_E_NOMEM, "out of memory");
    if (!made)
        return kw_tpl_fail(s, KW_E_LIMIT, "the template needs more than %zu bytes of memory",
                           s->limits.memory_bytes);
    memcpy(out, &made, sizeof made);
    return KW_OK;
}

/* ---- making ---- */

static kw_status copy_text(kw_tpl_state *s, kw_str text, kw_tval *out)
{
    char *copy;
    KW_TRY(kw_tpl_work(s, text.len));
    KW_TRY(kw_tpl_alloc(s, text.len + 1, 1, &copy));
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    *out = kw_tv_str((kw_str){copy, text.len});
    return KW_OK;
}

kw_status kw_tv_take(kw_tpl_state *s, kw_buf *buf, kw_tval *out)
{
    const kw_status status = buf->failed ? kw_tpl_fail(s, KW_E_NOMEM, "out of memory")
                                         : copy_text(s, (kw_str){buf->data, buf->len}, out);
    kw_buf_free(buf);
    return status;
}

kw_status kw_tv_list(kw_tpl_state *s, size_t n, kw_tval *out)
{
    kw_tpl_list *list;
    KW_TRY(kw_tpl_work(s, n));
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *list, &list));
    KW_TRY(kw_tpl_alloc(s, n, sizeof *list->items, &list->items));
    list->n = n;
    for (size_t i = 0; i < n; i++)
        list->items[i] = kw_tv_none();
    *out = (kw_tval){.kind = KW_TV_LIST, .u.list = list};
    return KW_OK;
}

kw_status kw_tv_dict(kw_tpl_state *s, size_t cap, kw_tval *out)
{
    kw_tpl_dict *dict = NULL;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *dict, &dict));
    KW_TRY(kw_tpl_alloc(s, cap, sizeof *dict->pairs, &dict->pairs));
    dict->cap = cap;
    *out = (kw_tval){.kind = KW_TV_DICT, .u.dict = dict};
    return KW_OK;
}

const kw_tval *kw_tv_dict_get(const kw_tpl_dict *dict, const kw_tval *key)
{
    for (size_t i = 0; i < dict->n; i++)
        if (kw_tv_equal(&dict->pairs[i].key, key))
            return &dict->pairs[i].value;
    return NULL;
}

kw_status kw_tv_dict_set(kw_tpl_state *s, kw_tpl_dict *dict, const kw_tval *key,
                         const kw_tval *value)
{
    if (key->kind == KW_TV_DICT || (key->kind == KW_TV_LIST && !(key->flags & KW_TV_TUPLE)))
        return kw_tpl_fail(s, KW_E_FORMAT, "a key is a %s", kw_tv_type(key));
    KW_TRY(kw_tpl_work(s, dict->n));
    for (size_t i = 0; i < dict->n; i++) {
        if (kw_tv_equal(&dict->pairs[i].key, key)) {
            dict->pairs[i].value = *value;
            return KW_OK;
        }
    }
    if (dict->n == dict->cap) {
        kw_tpl_pair *more;
        const size_t cap = 2 * dict->cap + 4;
        KW_TRY(kw_tpl_alloc(s, cap, sizeof *more, &more));
        if (dict->n > 0)
            memcpy(more, dict->pairs, dict->n * sizeof *more);
        dict->pairs = more;
        dict->cap = cap;
    }
    dict->pairs[dict->n++] = (kw_tpl_pair){*key, *value};
    return KW_OK;
}

/* ---- asking ---- */

const char *kw_tv_type(const kw_tval *v)
{
    static const char *const names[] = {
        [KW_TV_UNDEFINED] = "Undefined", [KW_TV_NONE] = "NoneType",
        [KW_TV_BOOL] = "bool",           [KW_TV_INT] = "int",
        [KW_TV_FLOAT] = "float",         [KW_TV_STRING] = "str",
        [KW_TV_LIST] = "list",           [KW_TV_DICT] = "dict",
        [KW_TV_NAMESPACE] = "Namespace", [KW_TV_MACRO] = "Macro",
        [KW_TV_LOOP] = "LoopContext",    [KW_TV_FUNCTION] = "function",
        [KW_TV_METHOD] = "method"};
    if (v->kind == KW_TV_LIST && v->flags & KW_TV_TUPLE)
        return "tuple";
    if (v->kind == KW_TV_LIST && v->flags & KW_TV_GENERATOR)
        return "generator";
    return names[v->kind];
}

bool kw_tv_true(const kw_tval *v)
{
    switch (v->kind) {
    case KW_TV_UNDEFINED:
    case KW_TV_NONE:
        return false;
    case KW_TV_BOOL:
        return v->u.b;
    case KW_TV_INT:
        return v->u.i != 0;
    case KW_TV_FLOAT:
        return v->u.f < 0 || v->u.f > 0 || isnan(v->u.f);
    case KW_TV_STRING:
        return v->u.s.len > 0;
    case KW_TV_LIST:
        return v->flags & KW_TV_GENERATOR || v->u.list->n > 0;
    case KW_TV_DICT:
        return v->u.dict->n > 0;
    default:
        return true;
    }
}

bool kw_tv_integer(const kw_tval *v, int64_t *out)
{
    if (v->kind != KW_TV_INT && v->kind != KW_TV_BOOL)
        return false;
    *out = v->kind == KW_TV_INT ? v->u.i : v->u.b;
    return true;
}

bool kw_tv_number(const kw_tval *v, double *out)
{
    int64_t i;
    if (v->kind == KW_TV_FLOAT) {
        *out = v->u.f;
        return true;
    }
    if (!kw_tv_integer(v, &i))
        return false;
    *out = (double)i;
    return true;
}

static bool equal(const kw_tval *a, const kw_tval *b, int depth);

static bool equal_lists(const kw_tval *a, const kw_tval *b, int depth)
{
    const kw_tpl_list *x = a->u.list, *y = b->u.list;
    if (x == y)
        return true;
    if (x->n != y->n || a->flags != b->flags)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (!equal(&x->items[i], &y->items[i], depth + 1))
            return false;
    return true;
}

static bool equal_dicts(const kw_tpl_dict *a, const kw_tpl_dict *b, int depth)
{
    if (a == b)
        return true;
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const kw_tval *other = kw_tv_dict_get(b, &a->pairs[i].key);
        if (!other || !equal(&a->pairs[i].value, other, depth + 1))
            return false;
    }
    return true;
}

static bool equal(const kw_tval *a, const kw_tval *b, int depth)
{
    int64_t i, j;
    double x, y;
    if (depth > KW_TV_MAX_NESTING)
        return false;
    if (kw_tv_integer(a, &i) && kw_tv_integer(b, &j))
        return i == j;
    if (kw_tv_number(a, &x) && kw_tv_number(b, &y))
        return !(x < y) && !(x > y) && !isnan(x) && !isnan(y);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case KW_TV_UNDEFINED:
    case KW_TV_NONE:
        return true;
    case KW_TV_STRING:
        return kw_str_eq(a->u.s, b->u.s);
    case KW_TV_LIST:
        return equal_lists(a, b, depth);
    case KW_TV_DICT:
        return equal_dicts(a->u.dict, b->u.dict, depth);
    case KW_TV_NAMESPACE:
        return a->u.dict == b->u.dict;
    default:
        return a->u.macro == b->u.macro;
    }
}

bool kw_tv_equal(const kw_tval *a, const kw_tval *b)
{
    return equal(a, b, 0);
}

static bool text_less(kw_str a, kw_str b)
{
    const size_t n = KW_MIN(a.len, b.len);
    const int order = n > 0 ? memcmp(a.data, b.data, n) : 0;
    return order < 0 || (order == 0 && a.len < b.len);
}

kw_status kw_tv_less(kw_tpl_state *s, const kw_tval *a, const kw_tval *b, bool *out)
{
    int64_t i, j;
    double x, y;
    if (kw_tv_integer(a, &i) && kw_tv_integer(b, &j)) {
        *out = i < j;
        return KW_OK;
    }
    if (kw_tv_number(a, &x) && kw_tv_number(b, &y)) {
        *out = x < y;
        return KW_OK;
    }
    if (a->kind == KW_TV_STRING && b->kind == KW_TV_STRING) {
        *out = text_less(a->u.s, b->u.s);
        return kw_tpl_work(s, KW_MIN(a->u.s.len, b->u.s.len));
    }
    if (a->kind == KW_TV_UNDEFINED || b->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail_undefined(s, (a->kind == KW_TV_UNDEFINED ? a : b));
    if (a->kind != KW_TV_LIST || b->kind != KW_TV_LIST || s->depth >= s->limits.depth)
        return kw_tpl_fail(s, KW_E_FORMAT, "no order between '%s' and '%s'", kw_tv_type(a),
                           kw_tv_type(b));
    const kw_tpl_list *p = a->u.list, *q = b->u.list;
    for (size_t k = 0; k < KW_MIN(p->n, q->n); k++) {
        if (kw_tv_equal(&p->items[k], &q->items[k]))
            continue;
        s->depth++;
        const kw_status status = kw_tv_less(s, &p->items[k], &q->items[k], out);
        s->depth--;
        return status;
    }
    *out = p->n < q->n;
    return KW_OK;
}

kw_status kw_tv_contains(kw_tpl_state *s, const kw_tval *in, const kw_tval *item, bool *out)
{
    *out = false;
    if (in->kind == KW_TV_STRING) {
        if (item->kind != KW_TV_STRING)
            return kw_tpl_fail(s, KW_E_FORMAT, "'in <string>' asks for a string, not '%s'",
                               kw_tv_type(item));
        size_t at;
        KW_TRY(kw_tpl_find(s, in->u.s, item->u.s, 0, &at));
        *out = at != SIZE_MAX;
        return kw_tpl_work(s, in->u.s.len);
    }
    if (in->kind == KW_TV_DICT) {
        *out = kw_tv_dict_get(in->u.dict, item) != NULL;
        return kw_tpl_work(s, in->u.dict->n);
    }
    kw_tpl_list list;
    KW_TRY(kw_tv_iterate(s, in, &list));
    KW_TRY(kw_tpl_work(s, list.n));
    for (size_t i = 0; i < list.n && !*out; i++)
        *out = kw_tv_equal(&list.items[i], item);
    return KW_OK;
}

kw_status kw_tv_length(kw_tpl_state *s, const kw_tval *v, size_t *out)
{
    if (v->kind == KW_TV_UNDEFINED)
        *out = 0;
    else if (v->kind == KW_TV_STRING)
        *out = kw_tpl_chars(v->u.s);
    else if (v->kind == KW_TV_LIST && !(v->flags & KW_TV_GENERATOR))
        *out = v->u.list->n;
    else if (v->kind == KW_TV_DICT)
        *out = v->u.dict->n;
    else if (v->kind == KW_TV_LOOP)
        *out = v->u.loop->items->n;
    else
        return kw_tpl_fail(s, KW_E_FORMAT, "a value of type '%s' has no length", kw_tv_type(v));
    return kw_tpl_work(s, v->kind == KW_TV_STRING ? v->u.s.len : 0);
}

kw_status kw_tv_iterate(kw_tpl_state *s, const kw_tval *v, kw_tpl_list *out)
{
    kw_tval list;
    *out = (kw_tpl_list){0};
    switch (v->kind) {
    case KW_TV_UNDEFINED:
        return KW_OK;
    case KW_TV_LIST:
        *out = *v->u.list;
        if (v->flags & KW_TV_GENERATOR)
            v->u.list->n = 0;
        return KW_OK;
    case KW_TV_DICT:
        KW_TRY(kw_tv_list(s, v->u.dict->n, &list));
        for (size_t i = 0; i < v->u.dict->n; i++)
            list.u.list->items[i] = v->u.dict->pairs[i].key;
        break;
    case KW_TV_STRING: {
        size_t at = 0;
        KW_TRY(kw_tv_list(s, kw_tpl_chars(v->u.s), &list));
        for (size_t i = 0; i < list.u.list->n; i++) {
            uint32_t c;
            const size_t len = kw_utf8_decode(v->u.s.data + at, v->u.s.len - at, &c);
            list.u.list->items[i] = kw_tv_str((kw_str){v->u.s.data + at, len});
            at += len;
        }
        break;
    }
    default:
        return kw_tpl_fail(s, KW_E_FORMAT, "a value of type '%s' is not iterable", kw_tv_type(v));
    }
    *out = *list.u.list;
    return KW_OK;
}

/* ---- arguments ---- */

const kw_tval *kw_tpl_arg(const kw_tpl_args *args, size_t index, const char *name)
{
    if (index < args->n)
        return &args->items[index];
    for (size_t i = 0; i < args->n_named; i++)
        if (kw_str_is(args->names[i], name))
            return &args->values[i];
    return NULL;
}

kw_status kw_tpl_arg_str(kw_tpl_state *s, const kw_tpl_args *args, size_t index, const char *name,
                         kw_str otherwise, kw_str *out)
{
    const kw_tval *v = kw_tpl_arg(args, index, name);
    if (v && v->kind != KW_TV_STRING && v->kind != KW_TV_NONE)
        return kw_tpl_fail(s, KW_E_FORMAT, "argument %s is a '%s', expected a string", name,
                           kw_tv_type(v));
    *out = v && v->kind == KW_TV_STRING ? v->u.s : otherwise;
    return KW_OK;
}

kw_status kw_tpl_arg_int(kw_tpl_state *s, const kw_tpl_args *args, size_t index, const char *name,
                         int64_t otherwise, int64_t *out)
{
    const kw_tval *v = kw_tpl_arg(args, index, name);
    *out = otherwise;
    if (v && v->kind != KW_TV_NONE && !kw_tv_integer(v, out))
        return kw_tpl_fail(s, KW_E_FORMAT, "argument %s is a '%s', expected an integer", name,
                           kw_tv_type(v));
    return KW_OK;
}

bool kw_tpl_arg_bool(const kw_tpl_args *args, size_t index, const char *name, bool otherwise)
{
    const kw_tval *v = kw_tpl_arg(args, index, name);
    return v ? kw_tv_true(v) : otherwise;
}

kw_status kw_tpl_arg_count(kw_tpl_state *s, const kw_tpl_args *args, size_t least, size_t n,
                           const char *what)
{
    const size_t given = args->n + args->n_named;
    if (given < least || given > n)
        return kw_tpl_fail(s, KW_E_FORMAT, "%s takes %zu to %zu arguments, got %zu", what, least, n,
                           given);
    return KW_OK;
}
