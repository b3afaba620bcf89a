/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_methods.c - the methods of lists, dictionaries and loops, and finding those of all
 * values. Those that would change their owner are known by name and refused, as Jinja's immutable
 * sandbox does. */
#include "text/template_value.h"

#include "base/check.h"

/* ---- dictionaries ---- */

static kw_status m_get(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    KW_TRY(kw_tpl_arg_count(s, a, 1, 2, "get"));
    if (a->n == 0)
        return kw_tpl_fail(s, KW_E_FORMAT, "get takes its key without a name");
    KW_TRY(kw_tpl_work(s, v->u.dict->n));
    const kw_tval *found = kw_tv_dict_get(v->u.dict, &a->items[0]);
    const kw_tval *otherwise = kw_tpl_arg(a, 1, "default");
    *out = found ? *found : otherwise ? *otherwise : kw_tv_none();
    return KW_OK;
}

enum { KEYS = 1, VALUES = 2 };

static kw_status dict_view(kw_tpl_state *s, const kw_tval *v, int what, kw_tval *out)
{
    const kw_tpl_dict *dict = v->u.dict;
    KW_TRY(kw_tv_list(s, dict->n, out));
    out->flags = KW_TV_VIEW;
    for (size_t i = 0; i < dict->n; i++) {
        kw_tval *item = &out->u.list->items[i];
        if (what != (KEYS | VALUES)) {
            *item = what == KEYS ? dict->pairs[i].key : dict->pairs[i].value;
            continue;
        }
        KW_TRY(kw_tv_list(s, 2, item));
        item->flags = KW_TV_TUPLE;
        item->u.list->items[0] = dict->pairs[i].key;
        item->u.list->items[1] = dict->pairs[i].value;
    }
    return KW_OK;
}

static kw_status m_items(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return dict_view(s, v, KEYS | VALUES, out);
}

static kw_status m_keys(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return dict_view(s, v, KEYS, out);
}

static kw_status m_values(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    (void)a;
    return dict_view(s, v, VALUES, out);
}

/* Nothing a template sees changes, so the same value is a copy. */
static kw_status m_copy(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    *out = *v;
    return kw_tpl_arg_count(s, a, 0, 0, "copy");
}

/* ---- lists ---- */

static kw_status m_list_index(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    KW_TRY(kw_tpl_arg_count(s, a, 1, 1, "index"));
    KW_TRY(kw_tpl_work(s, v->u.list->n));
    for (size_t i = 0; i < v->u.list->n; i++) {
        if (kw_tv_equal(&v->u.list->items[i], &a->items[0])) {
            *out = kw_tv_int((int64_t)i);
            return KW_OK;
        }
    }
    return kw_tpl_fail(s, KW_E_FORMAT, "index: no such item in the list");
}

static kw_status m_list_count(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    int64_t n = 0;
    KW_TRY(kw_tpl_arg_count(s, a, 1, 1, "count"));
    KW_TRY(kw_tpl_work(s, v->u.list->n));
    for (size_t i = 0; i < v->u.list->n; i++)
        n += kw_tv_equal(&v->u.list->items[i], &a->items[0]);
    *out = kw_tv_int(n);
    return KW_OK;
}

/* ---- loops and cyclers ---- */

static kw_status m_cycle(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    if (a->n == 0)
        return kw_tpl_fail(s, KW_E_FORMAT, "loop.cycle has no values");
    *out = a->items[v->u.loop->index % a->n];
    return KW_OK;
}

static kw_status m_changed(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tval *now;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *now, &now));
    KW_TRY(kw_tv_list(s, a->n, now));
    for (size_t i = 0; i < a->n; i++)
        now->u.list->items[i] = a->items[i];
    *out = kw_tv_bool(!v->u.loop->changed || !kw_tv_equal(v->u.loop->changed, now));
    v->u.loop->changed = now;
    return KW_OK;
}

/* ---- finding ---- */

static const kw_tpl_function dict_methods[] = {
    {"get", m_get}, {"items", m_items}, {"keys", m_keys}, {"values", m_values}, {"copy", m_copy},
};

static const kw_tpl_function list_methods[] = {
    {"index", m_list_index},
    {"count", m_list_count},
    {"copy", m_copy},
};

static const kw_tpl_function loop_methods[] = {{"cycle", m_cycle}, {"changed", m_changed}};

/* Would change their owner. */
static const char *const unsafe_of_dict[] = {"clear",   "fromkeys",   "pop",
                                             "popitem", "setdefault", "update"};
static const char *const unsafe_of_list[] = {"append", "clear",  "extend",  "insert",
                                             "pop",    "remove", "reverse", "sort"};

static const kw_tpl_function *find(const kw_tpl_function *rows, size_t n, kw_str name)
{
    for (size_t i = 0; i < n; i++)
        if (kw_str_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

const kw_tpl_function *kw_tpl_find_method(const kw_tval *owner, kw_str name, bool *unsafe)
{
    *unsafe = false;
    if (owner->kind == KW_TV_STRING)
        return kw_tpl_string_method(name);
    if (owner->kind == KW_TV_LOOP)
        return find(loop_methods, KW_COUNT(loop_methods), name);
    if (owner->kind == KW_TV_DICT) {
        for (size_t i = 0; i < KW_COUNT(unsafe_of_dict); i++)
            *unsafe = *unsafe || kw_str_is(name, unsafe_of_dict[i]);
        return find(dict_methods, KW_COUNT(dict_methods), name);
    }
    for (size_t i = 0; i < KW_COUNT(unsafe_of_list); i++)
        *unsafe = *unsafe || kw_str_is(name, unsafe_of_list[i]);
    return find(list_methods, KW_COUNT(list_methods), name);
}
