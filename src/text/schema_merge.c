/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* schema_merge.c - several schemas of one value as one: allOf, $ref with something beside it, and
 * what not leaves of types or listed values.
 *
 * Members of an object that several describe become an allOf of their own, which is looked at when
 * it is reached; so a schema that contains itself is merged no further than its top. */
#include "text/schema_impl.h"

#include "base/check.h"
#include "base/decimal.h"

#include <string.h>

#define MAX_NESTING 50
#define MAX_MERGED 20000

static kw_status refuse(const kw_schema_maker *m, kw_str key)
{
    return kw_fail(m->err, KW_E_UNSUPPORTED, "%s: allOf of several \"%.*s\" is not supported",
                   m->subject, KW_FMT(key));
}

/* ---- making values ---- */

kw_status kw_schema_new(kw_schema_maker *m, kw_json_kind kind, kw_tree **out)
{
    if (++m->n_merged > MAX_MERGED)
        return kw_fail(m->err, KW_E_LIMIT, "%s: merging makes more than %d values", m->subject,
                       MAX_MERGED);
    kw_tree *made = kw_arena_alloc(m->arena, sizeof *made);
    if (!made)
        return kw_fail(m->err, KW_E_NOMEM, "%s: out of memory", m->subject);
    *made = (kw_tree){.kind = kind, .integer = -1};
    *out = made;
    return KW_OK;
}

static void append(kw_tree *list, kw_tree *item)
{
    kw_tree **tail = &list->child;
    while (*tail)
        tail = &(*tail)->next;
    *tail = item;
}

/* A copy of the value's node (what is below it stays where it is), last of a list or object. */
kw_status kw_schema_put(kw_schema_maker *m, kw_tree *object, kw_str key, const kw_tree *value)
{
    kw_tree *copy;
    KW_TRY(kw_schema_new(m, value->kind, &copy));
    *copy = *value;
    copy->key = key;
    copy->next = NULL;
    append(object, copy);
    return KW_OK;
}

/* {"allOf": [a, b]}, or an array of the two. */
static kw_status both(kw_schema_maker *m, const kw_tree *a, const kw_tree *b, kw_tree **out)
{
    kw_tree *list;
    KW_TRY(kw_schema_new(m, KW_JSON_ARRAY, &list));
    KW_TRY(kw_schema_put(m, list, KW_STR(""), a));
    KW_TRY(kw_schema_put(m, list, KW_STR(""), b));
    KW_TRY(kw_schema_new(m, KW_JSON_OBJECT, out));
    return kw_schema_put(m, *out, KW_STR("allOf"), list);
}

static kw_tree *find(kw_tree *object, kw_str key)
{
    for (kw_tree *at = object->child; at; at = at->next)
        if (kw_str_eq(at->key, key))
            return at;
    return NULL;
}

/* ---- types and lists ---- */

static bool type_fits(kw_str type, kw_str other)
{
    return kw_str_eq(type, other) || (kw_str_is(type, "integer") && kw_str_is(other, "number"));
}

/* Whether a type is one of a "type" value's. */
static bool among_types(const kw_tree *types, kw_str type)
{
    if (types->kind == KW_JSON_STRING)
        return type_fits(type, types->text);
    for (const kw_tree *t = types->child; t; t = t->next)
        if (type_fits(type, t->text))
            return true;
    return false;
}

/* The types of a that are b's, too, and the other way round; each once. */
static kw_status meet_types(kw_schema_maker *m, kw_tree *a, const kw_tree *b)
{
    kw_tree *list;
    const kw_tree first = *a, *const sides[2][2] = {{&first, b}, {b, &first}};
    KW_TRY(kw_schema_new(m, KW_JSON_ARRAY, &list));
    for (int i = 0; i < 2; i++) {
        const kw_tree *from = sides[i][0], *to = sides[i][1];
        const bool single = from->kind == KW_JSON_STRING;
        for (const kw_tree *t = single ? from : from->child; t; t = single ? NULL : t->next)
            if (among_types(to, t->text) && (!list->child || !among_types(list, t->text)))
                KW_TRY(kw_schema_put(m, list, KW_STR(""), t));
    }
    if (!list->child)
        return kw_fail(m->err, KW_E_FORMAT, "%s: allOf of types that exclude each other",
                       m->subject);
    a->kind = KW_JSON_ARRAY;
    a->child = list->child;
    a->text = KW_STR("");
    return KW_OK;
}

static bool among_values(const kw_tree *list, const kw_tree *value)
{
    for (const kw_tree *item = list->child; item; item = item->next)
        if (kw_schema_same(item, value))
            return true;
    return false;
}

/* Of a list's values those that are (not) in another. */
static kw_status keep_values(kw_schema_maker *m, kw_tree *list, const kw_tree *other, bool in)
{
    kw_tree *kept;
    KW_TRY(kw_schema_new(m, KW_JSON_ARRAY, &kept));
    for (const kw_tree *item = list->child; item; item = item->next)
        if (among_values(other, item) == in)
            KW_TRY(kw_schema_put(m, kept, KW_STR(""), item));
    if (!kept->child)
        return kw_fail(m->err, KW_E_FORMAT, "%s: no value is left of enum", m->subject);
    list->child = kept->child;
    return KW_OK;
}

/* ---- two values of one keyword ---- */

/* The stricter of two bounds. */
static kw_status meet_bounds(const kw_schema_maker *m, kw_tree *a, const kw_tree *b, bool least)
{
    double x, y;
    if (a->kind != KW_JSON_NUMBER || b->kind != KW_JSON_NUMBER || !kw_decimal_f64(a->text, &x) ||
        !kw_decimal_f64(b->text, &y))
        return refuse(m, a->key);
    if (least ? y > x : y < x) {
        a->text = b->text;
        a->integer = b->integer;
    }
    return KW_OK;
}

static kw_status meet_properties(kw_schema_maker *m, kw_tree *a, const kw_tree *b)
{
    kw_tree *made;
    KW_TRY(kw_schema_new(m, KW_JSON_OBJECT, &made));
    for (const kw_tree *p = a->child; p; p = p->next)
        KW_TRY(kw_schema_put(m, made, p->key, p));
    for (const kw_tree *p = b->child; p; p = p->next) {
        kw_tree *there = find(made, p->key), *merged;
        if (!there) {
            KW_TRY(kw_schema_put(m, made, p->key, p));
            continue;
        }
        KW_TRY(both(m, there, p, &merged));
        there->kind = KW_JSON_OBJECT;
        there->child = merged->child;
    }
    a->child = made->child;
    return KW_OK;
}

static kw_status join_lists(kw_schema_maker *m, kw_tree *a, const kw_tree *b)
{
    kw_tree *made;
    KW_TRY(kw_schema_new(m, KW_JSON_ARRAY, &made));
    for (const kw_tree *item = a->child; item; item = item->next)
        KW_TRY(kw_schema_put(m, made, KW_STR(""), item));
    for (const kw_tree *item = b->child; item; item = item->next)
        KW_TRY(kw_schema_put(m, made, KW_STR(""), item));
    a->child = made->child;
    return KW_OK;
}

static bool is_one_of(kw_str key, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (kw_str_is(key, names[i]))
            return true;
    return false;
}

/* Puts b's value of a keyword into a's. */
static kw_status meet(kw_schema_maker *m, kw_tree *a, const kw_tree *b)
{
    static const char *const least[] = {"minimum", "exclusiveMinimum", "minLength", "minItems"};
    static const char *const most[] = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"};
    kw_tree *merged;
    if (!kw_schema_restricts(a->key) || kw_schema_same(a, b))
        return KW_OK;
    if (kw_str_is(a->key, "type"))
        return meet_types(m, a, b);
    if (kw_str_is(a->key, "properties"))
        return meet_properties(m, a, b);
    if (kw_str_is(a->key, "required"))
        return join_lists(m, a, b);
    if (kw_str_is(a->key, "enum"))
        return keep_values(m, a, b, true);
    if (is_one_of(a->key, least, KW_COUNT(least)))
        return meet_bounds(m, a, b, true);
    if (is_one_of(a->key, most, KW_COUNT(most)))
        return meet_bounds(m, a, b, false);
    if (!kw_str_is(a->key, "items"))
        return refuse(m, a->key);
    KW_TRY(both(m, a, b, &merged));
    a->kind = KW_JSON_OBJECT;
    a->child = merged->child;
    return KW_OK;
}

/* An object that forbids other members, beside one with members that it does not name. */
static kw_status check_others(const kw_schema_maker *m, const kw_tree *a, const kw_tree *b)
{
    const kw_tree *others = kw_tree_get(a, "additionalProperties");
    const kw_tree *own = kw_tree_get(a, "properties"), *more = kw_tree_get(b, "properties");
    if (!others || others->kind == KW_JSON_TRUE)
        return KW_OK;
    for (const kw_tree *p = more ? more->child : NULL; p; p = p->next) {
        const kw_tree *q = own ? own->child : NULL;
        while (q && !kw_str_eq(q->key, p->key))
            q = q->next;
        if (!q)
            return refuse(m, KW_STR("properties, one with additionalProperties,"));
    }
    return KW_OK;
}

/* ---- schemas ---- */

static kw_status flatten(kw_schema_maker *m, kw_tree *into, const kw_tree *schema, int depth);

static kw_status merge(kw_schema_maker *m, kw_tree *into, const kw_tree *schema, int depth)
{
    if (schema->kind == KW_JSON_TRUE)
        return KW_OK;
    if (schema->kind != KW_JSON_OBJECT)
        return kw_fail(m->err, KW_E_FORMAT, "%s: a schema is neither an object nor true",
                       m->subject);
    return flatten(m, into, schema, depth);
}

/* All types that there are, as a value of "type". */
static kw_status all_types(kw_schema_maker *m, kw_tree *into, kw_tree **out)
{
    static const char *const names[] = {"object", "array", "string", "number", "boolean", "null"};
    kw_tree *list;
    KW_TRY(kw_schema_new(m, KW_JSON_ARRAY, &list));
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        const kw_tree name = {.kind = KW_JSON_STRING, .text = kw_str_from(names[i])};
        KW_TRY(kw_schema_put(m, list, KW_STR(""), &name));
    }
    KW_TRY(kw_schema_put(m, into, KW_STR("type"), list));
    *out = find(into, KW_STR("type"));
    return KW_OK;
}

static kw_status exclude_types(kw_schema_maker *m, kw_tree *into, const kw_tree *types)
{
    kw_tree *kept, *type = find(into, KW_STR("type"));
    if (!type)
        KW_TRY(all_types(m, into, &type));
    KW_TRY(kw_schema_new(m, KW_JSON_ARRAY, &kept));
    const bool single = type->kind == KW_JSON_STRING;
    for (const kw_tree *t = single ? type : type->child; t; t = single ? NULL : t->next) {
        if (among_types(types, t->text))
            continue;
        if (kw_str_is(t->text, "number") && among_types(types, KW_STR("integer")))
            return kw_fail(m->err, KW_E_UNSUPPORTED,
                           "%s: not an integer, of numbers, is not supported", m->subject);
        KW_TRY(kw_schema_put(m, kept, KW_STR(""), t));
    }
    if (!kept->child)
        return kw_fail(m->err, KW_E_FORMAT, "%s: not leaves no type", m->subject);
    type->kind = KW_JSON_ARRAY;
    type->child = kept->child;
    return KW_OK;
}

/* What is left of `into` when `schema` is not to hold. */
static kw_status exclude(kw_schema_maker *m, kw_tree *into, const kw_tree *schema)
{
    const kw_tree *values = kw_tree_get(schema, "enum"), *value = kw_tree_get(schema, "const");
    const kw_tree *types = kw_tree_get(schema, "type");
    kw_tree *listed = find(into, KW_STR("enum"));
    kw_tree *one;
    size_t n = 0;
    for (const kw_tree *k = schema->kind == KW_JSON_OBJECT ? schema->child : NULL; k; k = k->next)
        n += kw_schema_restricts(k->key);
    if (n == 1 && types && !listed && !find(into, KW_STR("const")))
        return exclude_types(m, into, types);
    if (n != 1 || !listed || !(values || value))
        return kw_fail(m->err, KW_E_UNSUPPORTED,
                       "%s: not is supported of a type, and of values beside an enum", m->subject);
    if (values)
        return keep_values(m, listed, values, false);
    KW_TRY(kw_schema_new(m, KW_JSON_ARRAY, &one));
    KW_TRY(kw_schema_put(m, one, KW_STR(""), value));
    return keep_values(m, listed, one, false);
}

static kw_status flatten(kw_schema_maker *m, kw_tree *into, const kw_tree *schema, int depth)
{
    const kw_tree *found;
    if (depth > MAX_NESTING)
        return kw_fail(m->err, KW_E_LIMIT, "%s: $ref and allOf lead deeper than %d levels",
                       m->subject, MAX_NESTING);
    KW_TRY(check_others(m, into, schema));
    KW_TRY(check_others(m, schema, into));
    if ((found = kw_tree_get(schema, "$ref")) != NULL) {
        KW_TRY(kw_schema_resolve(m, found->text, &found));
        KW_TRY(merge(m, into, found, depth + 1));
    }
    found = kw_tree_get(schema, "allOf");
    if (found && (found->kind != KW_JSON_ARRAY || !found->child))
        return kw_fail(m->err, KW_E_FORMAT, "%s: allOf is no list with something in it",
                       m->subject);
    for (const kw_tree *item = found ? found->child : NULL; item; item = item->next)
        KW_TRY(merge(m, into, item, depth + 1));
    for (const kw_tree *k = schema->child; k; k = k->next) {
        kw_tree *there = find(into, k->key);
        if (kw_str_is(k->key, "$ref") || kw_str_is(k->key, "allOf") || kw_str_is(k->key, "not"))
            continue;
        KW_TRY(there ? meet(m, there, k) : kw_schema_put(m, into, k->key, k));
    }
    found = kw_tree_get(schema, "not");
    return found ? exclude(m, into, found) : KW_OK;
}

kw_status kw_schema_flatten(kw_schema_maker *m, const kw_tree *schema, const kw_tree **out)
{
    kw_tree *into;
    *out = schema;
    if (!kw_tree_get(schema, "$ref") && !kw_tree_get(schema, "allOf") &&
        !kw_tree_get(schema, "not"))
        return KW_OK;
    KW_TRY(kw_schema_new(m, KW_JSON_OBJECT, &into));
    KW_TRY(flatten(m, into, schema, 0));
    *out = into;
    return KW_OK;
}
