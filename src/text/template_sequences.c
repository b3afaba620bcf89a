/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_sequences.c - filters of lists, dictionaries and other sequences. Those that are lazy in
 * Jinja yield generators here, too: true even when empty, without a length, read once. */
#include "text/template_filters.h"

#include "base/check.h"

/* A list over items that are already in the arena. */
static kw_status wrap(kw_tpl_state *s, kw_tpl_list items, uint8_t flags, kw_tval *out)
{
    kw_tpl_list *list;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *list, &list));
    *list = items;
    *out = (kw_tval){.kind = KW_TV_LIST, .flags = flags, .u.list = list};
    return KW_OK;
}

/* The items of a value in an array that may be written to. */
static kw_status copy_items(kw_tpl_state *s, const kw_tval *v, kw_tpl_list *out)
{
    kw_tpl_list items;
    kw_tval copy;
    KW_TRY(kw_tv_iterate(s, v, &items));
    KW_TRY(kw_tv_list(s, items.n, &copy));
    if (items.n > 0)
        memcpy(copy.u.list->items, items.items, items.n * sizeof *items.items);
    *out = *copy.u.list;
    return KW_OK;
}

/* What map and select go through: nothing for a value that is false, such as none. */
static kw_status copy_true_items(kw_tpl_state *s, const kw_tval *v, kw_tpl_list *out)
{
    *out = (kw_tpl_list){0};
    return kw_tv_true(v) ? copy_items(s, v, out) : KW_OK;
}

/* An item, or what attribute= names in it; a lower case copy of texts when cases are equal. */
static kw_status key_of(kw_tpl_state *s, const kw_tval *item, const kw_tval *attribute, bool cases,
                        kw_tval *out)
{
    *out = *item;
    if (attribute && attribute->kind != KW_TV_NONE)
        KW_TRY(kw_tv_path(s, item, attribute, out));
    if (cases || out->kind != KW_TV_STRING)
        return KW_OK;
    kw_buf text = {0};
    KW_TRY(kw_tpl_work(s, out->u.s.len));
    kw_tpl_recase(out->u.s, KW_TPL_LOWER, &text);
    return kw_tv_take(s, &text, out);
}

/* ---- ends, lists, joins ---- */

static kw_status f_first(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tpl_list items;
    (void)a;
    KW_TRY(kw_tv_iterate(s, v, &items));
    *out = items.n > 0 ? items.items[0] : kw_tv_undefined(KW_STR("the first item"));
    return KW_OK;
}

static kw_status f_last(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tpl_list items;
    (void)a;
    KW_TRY(kw_tv_iterate(s, v, &items));
    *out = items.n > 0 ? items.items[items.n - 1] : kw_tv_undefined(KW_STR("the last item"));
    return KW_OK;
}

static kw_status f_list(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tpl_list items;
    (void)a;
    KW_TRY(kw_tv_iterate(s, v, &items));
    return wrap(s, items, 0, out);
}

static kw_status f_join(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const kw_tval *attribute = kw_tpl_arg(a, 1, "attribute");
    kw_tpl_list items;
    kw_str by, view;
    kw_buf text = {0};
    kw_status status = KW_OK;
    KW_TRY(kw_tpl_arg_str(s, a, 0, "d", KW_STR(""), &by));
    KW_TRY(kw_tv_iterate(s, v, &items));
    for (size_t i = 0; i < items.n && status == KW_OK; i++) {
        kw_tval item;
        status = key_of(s, &items.items[i], attribute, true, &item);
        if (status == KW_OK && i > 0)
            status = kw_tpl_write(s, &text, by);
        if (status == KW_OK)
            status = kw_tv_text(s, &item, &view);
        if (status == KW_OK)
            status = kw_tpl_write(s, &text, view);
    }
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

static kw_status f_items(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tval method;
    if (v->kind == KW_TV_UNDEFINED)
        return kw_tv_list(s, 0, out);
    if (v->kind != KW_TV_DICT)
        return kw_tpl_fail(s, KW_E_FORMAT, "items: a value of type '%s' is no mapping",
                           kw_tv_type(v));
    KW_TRY(kw_tv_attr(s, v, KW_STR("items"), &method));
    KW_TRY(kw_tpl_call(s, &method, a, out));
    out->flags = KW_TV_GENERATOR;
    return KW_OK;
}

static kw_status f_reverse(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const kw_tval backwards[3] = {kw_tv_none(), kw_tv_none(), kw_tv_int(-1)};
    kw_tpl_list items;
    (void)a;
    if (v->kind == KW_TV_STRING)
        return kw_tv_slice(s, v, backwards, out);
    KW_TRY(copy_items(s, v, &items));
    for (size_t i = 0; i < items.n / 2; i++) {
        const kw_tval swap = items.items[i];
        items.items[i] = items.items[items.n - 1 - i];
        items.items[items.n - 1 - i] = swap;
    }
    return wrap(s, items, KW_TV_GENERATOR, out);
}

static kw_status f_batch(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tpl_list items;
    int64_t size;
    const kw_tval *fill = kw_tpl_arg(a, 1, "fill_with");
    KW_TRY(kw_tpl_arg_int(s, a, 0, "linecount", 0, &size));
    KW_TRY(kw_tv_iterate(s, v, &items));
    if (size < 1 || size > (int64_t)1 << 20)
        return kw_tpl_fail(s, KW_E_FORMAT, "batch: %lld items a row", (long long)size);
    const size_t row = (size_t)size;
    KW_TRY(kw_tv_list(s, (items.n + row - 1) / row, out));
    out->flags = KW_TV_GENERATOR;
    for (size_t i = 0; i < out->u.list->n; i++) {
        kw_tval *list = &out->u.list->items[i];
        const size_t rest = items.n - i * row;
        KW_TRY(kw_tv_list(s, rest < row && !fill ? rest : row, list));
        for (size_t k = 0; k < list->u.list->n; k++)
            list->u.list->items[k] = k < rest ? items.items[i * row + k] : *fill;
    }
    return KW_OK;
}

/* ---- map and select ---- */

/* The arguments behind the first n. */
static kw_tpl_args tail(const kw_tpl_args *a, size_t n)
{
    kw_tpl_args rest = *a;
    n = KW_MIN(n, a->n);
    if (n > 0)
        rest.items += n;
    rest.n -= n;
    return rest;
}

static kw_status map_attribute(kw_tpl_state *s, const kw_tpl_list *items, const kw_tpl_args *a,
                               const kw_tval *attribute)
{
    const kw_tval *otherwise = kw_tpl_arg(a, SIZE_MAX, "default");
    for (size_t i = 0; i < items->n; i++) {
        kw_tval value;
        KW_TRY(kw_tv_path(s, &items->items[i], attribute, &value));
        items->items[i] = value.kind == KW_TV_UNDEFINED && otherwise ? *otherwise : value;
    }
    return KW_OK;
}

static kw_status f_map(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const kw_tval *attribute = kw_tpl_arg(a, SIZE_MAX, "attribute");
    kw_tpl_list items;
    KW_TRY(copy_true_items(s, v, &items));
    if (a->n == 0 && attribute) {
        KW_TRY(map_attribute(s, &items, a, attribute));
        return wrap(s, items, KW_TV_GENERATOR, out);
    }
    if (a->n == 0 || a->items[0].kind != KW_TV_STRING)
        return kw_tpl_fail(s, KW_E_FORMAT, "map takes attribute= or the name of a filter");
    const kw_tpl_args rest = tail(a, 1);
    for (size_t i = 0; i < items.n; i++) {
        kw_tval value;
        KW_TRY(kw_tpl_apply_filter(s, a->items[0].u.s, &items.items[i], &rest, &value));
        items.items[i] = value;
    }
    return wrap(s, items, KW_TV_GENERATOR, out);
}

/* Items (by_attribute: of which that attribute) that pass a test, or are true; or do not. */
static kw_status choose(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, bool by_attribute,
                        bool want, kw_tval *out)
{
    kw_tpl_list items;
    size_t kept = 0;
    if (a->n_named > 0 || (by_attribute && a->n == 0))
        return kw_tpl_fail(s, KW_E_FORMAT, "select and reject: an attribute or test is expected");
    const kw_tpl_args named = tail(a, by_attribute), rest = tail(&named, 1);
    if (named.n > 0 && named.items[0].kind != KW_TV_STRING)
        return kw_tpl_fail(s, KW_E_FORMAT, "select and reject: a test is a '%s'",
                           kw_tv_type(&named.items[0]));
    KW_TRY(copy_true_items(s, v, &items));
    for (size_t i = 0; i < items.n; i++) {
        kw_tval value;
        bool passes;
        KW_TRY(key_of(s, &items.items[i], by_attribute ? &a->items[0] : NULL, true, &value));
        passes = kw_tv_true(&value);
        if (named.n > 0)
            KW_TRY(kw_tpl_apply_test(s, named.items[0].u.s, &value, &rest, &passes));
        if (passes == want)
            items.items[kept++] = items.items[i];
    }
    items.n = kept;
    return wrap(s, items, KW_TV_GENERATOR, out);
}

static kw_status f_select(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return choose(s, v, a, false, true, out);
}

static kw_status f_reject(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return choose(s, v, a, false, false, out);
}

static kw_status f_selectattr(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return choose(s, v, a, true, true, out);
}

static kw_status f_rejectattr(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return choose(s, v, a, true, false, out);
}

/* ---- order ---- */

/* An item with the key it is sorted by. */
typedef struct keyed {
    kw_tval key, item;
} keyed;

/* Whether b comes before a. */
static kw_status comes_first(kw_tpl_state *s, const keyed *b, const keyed *a, bool reverse,
                             bool *out)
{
    KW_TRY(kw_tpl_work(s, 0));
    return reverse ? kw_tv_less(s, &a->key, &b->key, out) : kw_tv_less(s, &b->key, &a->key, out);
}

/* Merges from[start..middle) and from[middle..end) into the same place of to. */
static kw_status merge(kw_tpl_state *s, const keyed *from, keyed *to, const size_t bounds[3],
                       bool reverse)
{
    size_t a = bounds[0], b = bounds[1];
    for (size_t i = bounds[0]; i < bounds[2]; i++) {
        bool second = a == bounds[1];
        if (a < bounds[1] && b < bounds[2])
            KW_TRY(comes_first(s, &from[b], &from[a], reverse, &second));
        to[i] = second ? from[b++] : from[a++];
    }
    return KW_OK;
}

/* Stable, by merging runs of doubling length. */
static kw_status merge_sort(kw_tpl_state *s, keyed *items, size_t n, bool reverse)
{
    keyed *other;
    KW_TRY(kw_tpl_alloc(s, n, sizeof *other, &other));
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t start = 0; start < n; start += 2 * run) {
            const size_t bounds[3] = {start, KW_MIN(start + run, n), KW_MIN(start + 2 * run, n)};
            KW_TRY(merge(s, items, other, bounds, reverse));
        }
        memcpy(items, other, n * sizeof *items);
    }
    return KW_OK;
}

static kw_status sort_items(kw_tpl_state *s, kw_tpl_list *items, const kw_tval *attribute,
                            bool cases, bool reverse)
{
    keyed *pairs;
    KW_TRY(kw_tpl_alloc(s, items->n, sizeof *pairs, &pairs));
    for (size_t i = 0; i < items->n; i++) {
        pairs[i].item = items->items[i];
        KW_TRY(key_of(s, &items->items[i], attribute, cases, &pairs[i].key));
    }
    KW_TRY(merge_sort(s, pairs, items->n, reverse));
    for (size_t i = 0; i < items->n; i++)
        items->items[i] = pairs[i].item;
    return KW_OK;
}

static kw_status f_sort(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tpl_list items;
    KW_TRY(copy_items(s, v, &items));
    KW_TRY(sort_items(s, &items, kw_tpl_arg(a, 2, "attribute"),
                      kw_tpl_arg_bool(a, 1, "case_sensitive", false),
                      kw_tpl_arg_bool(a, 0, "reverse", false)));
    return wrap(s, items, 0, out);
}

static kw_status f_dictsort(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    kw_tpl_list items;
    kw_tval pairs;
    kw_str by;
    KW_TRY(kw_tpl_arg_str(s, a, 1, "by", KW_STR("key"), &by));
    KW_TRY(f_items(s, v, &(kw_tpl_args){0}, &pairs));
    KW_TRY(copy_items(s, &pairs, &items));
    const kw_tval place = kw_tv_int(kw_str_is(by, "value"));
    KW_TRY(sort_items(s, &items, &place, kw_tpl_arg_bool(a, 0, "case_sensitive", false),
                      kw_tpl_arg_bool(a, 2, "reverse", false)));
    return wrap(s, items, 0, out);
}

static kw_status f_unique(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const bool cases = kw_tpl_arg_bool(a, 0, "case_sensitive", false);
    const kw_tval *attribute = kw_tpl_arg(a, 1, "attribute");
    kw_tpl_list items;
    kw_tval seen;
    size_t kept = 0;
    KW_TRY(copy_items(s, v, &items));
    KW_TRY(kw_tv_dict(s, 4, &seen));
    for (size_t i = 0; i < items.n; i++) {
        kw_tval key;
        const size_t before = seen.u.dict->n;
        KW_TRY(key_of(s, &items.items[i], attribute, cases, &key));
        KW_TRY(kw_tv_dict_set(s, seen.u.dict, &key, &key));
        if (seen.u.dict->n > before)
            items.items[kept++] = items.items[i];
    }
    items.n = kept;
    return wrap(s, items, KW_TV_GENERATOR, out);
}

static kw_status extreme(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, bool largest,
                         kw_tval *out)
{
    const bool cases = kw_tpl_arg_bool(a, 0, "case_sensitive", false);
    const kw_tval *attribute = kw_tpl_arg(a, 1, "attribute");
    kw_tpl_list items;
    kw_tval best;
    KW_TRY(kw_tv_iterate(s, v, &items));
    *out = kw_tv_undefined(KW_STR("an item of an empty sequence"));
    for (size_t i = 0; i < items.n; i++) {
        kw_tval key;
        bool better = i == 0;
        KW_TRY(key_of(s, &items.items[i], attribute, cases, &key));
        if (i > 0)
            KW_TRY(largest ? kw_tv_less(s, &best, &key, &better)
                           : kw_tv_less(s, &key, &best, &better));
        if (better) {
            best = key;
            *out = items.items[i];
        }
    }
    return KW_OK;
}

static kw_status f_min(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return extreme(s, v, a, false, out);
}

static kw_status f_max(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    return extreme(s, v, a, true, out);
}

static kw_status f_sum(kw_tpl_state *s, const kw_tval *v, const kw_tpl_args *a, kw_tval *out)
{
    const kw_tval *attribute = kw_tpl_arg(a, 0, "attribute"), *start = kw_tpl_arg(a, 1, "start");
    kw_tpl_list items;
    KW_TRY(kw_tv_iterate(s, v, &items));
    *out = start ? *start : kw_tv_int(0);
    for (size_t i = 0; i < items.n; i++) {
        kw_tval item, sum;
        KW_TRY(key_of(s, &items.items[i], attribute, true, &item));
        KW_TRY(kw_tv_binary(s, KW_TO_ADD, out, &item, &sum));
        *out = sum;
    }
    return KW_OK;
}

static const kw_tpl_function filters[] = {
    {"first", f_first},
    {"last", f_last},
    {"list", f_list},
    {"join", f_join},
    {"items", f_items},
    {"reverse", f_reverse},
    {"batch", f_batch},
    {"map", f_map},
    {"select", f_select},
    {"reject", f_reject},
    {"selectattr", f_selectattr},
    {"rejectattr", f_rejectattr},
    {"sort", f_sort},
    {"dictsort", f_dictsort},
    {"unique", f_unique},
    {"min", f_min},
    {"max", f_max},
    {"sum", f_sum},
};

const kw_tpl_function *kw_tpl_sequence_filter(kw_str name)
{
    for (size_t i = 0; i < KW_COUNT(filters); i++)
        if (kw_str_is(name, filters[i].name))
            return &filters[i];
    return NULL;
}
