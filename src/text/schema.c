/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* schema.c - JSON Schema to GBNF. Every schema within the schema becomes a rule, once, so that
 * references may go round in circles; none is visited by recursion.
 *
 * Objects have their properties in the order of the schema, and no others unless
 * additionalProperties says so; oneOf is taken as anyOf, formats but those below and other
 * annotations as nothing. Keywords that would restrict values and are not followed are refused, so
 * that every text of the grammar is one of the schema. */
#include "text/schema_impl.h"

#include "base/check.h"
#include "text/grow.h"

#include <stdlib.h>

#define MAX_SCHEMAS 10000

static const char common_rules[] =
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n"
    "char ::= [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" [0-9a-fA-F]{4})\n"
    "string ::= \"\\\"\" char* \"\\\"\"\n"
    "integer ::= \"-\"? (\"0\" | [1-9] [0-9]{0,15})\n"
    "number ::= integer (\".\" [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?\n"
    "pair ::= string ws \":\" ws value ws\n"
    "object ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\"\n"
    "array ::= \"[\" ws (value ws (\",\" ws value ws)*)? \"]\"\n"
    "value ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n";

typedef kw_schema_maker maker;

static kw_status refuse(const maker *m, const char *what)
{
    return kw_fail(m->err, KW_E_UNSUPPORTED, "%s: %s is not supported", m->subject, what);
}

/* The number of the rule of a schema. */
static kw_status rule_of(maker *m, const kw_tree *schema, size_t *out)
{
    for (*out = 0; *out < m->n; ++*out)
        if (m->schemas[*out] == schema)
            return KW_OK;
    if (m->n >= MAX_SCHEMAS)
        return kw_fail(m->err, KW_E_LIMIT, "%s: more than %d schemas", m->subject, MAX_SCHEMAS);
    const kw_tree **schemas =
        kw_grow((void *)(uintptr_t)m->schemas, &m->cap, m->n + 1, sizeof *schemas);
    if (!schemas)
        return kw_fail(m->err, KW_E_NOMEM, "%s: out of memory", m->subject);
    m->schemas = schemas;
    schemas[m->n++] = schema;
    return KW_OK;
}

/* Writes the name of a schema's rule. */
static kw_status put_rule(maker *m, const kw_tree *schema)
{
    size_t rule;
    KW_TRY(rule_of(m, schema, &rule));
    kw_buf_printf(m->out, "s%zu", rule);
    return KW_OK;
}

/* ---- literals ---- */

/* The reader of JSON bounds the depth. */

static void put_json(const kw_tree *value, kw_buf *out)
{
    const bool object = value->kind == KW_JSON_OBJECT;
    switch (value->kind) {
    case KW_JSON_STRING:
        kw_buf_json(out, value->text);
        return;
    case KW_JSON_NUMBER:
        kw_buf_add(out, value->text.data, value->text.len);
        return;
    case KW_JSON_TRUE:
    case KW_JSON_FALSE:
        kw_buf_printf(out, "%s", value->kind == KW_JSON_TRUE ? "true" : "false");
        return;
    case KW_JSON_OBJECT:
    case KW_JSON_ARRAY:
        break;
    default:
        kw_buf_printf(out, "null");
        return;
    }
    kw_buf_printf(out, object ? "{" : "[");
    for (const kw_tree *item = value->child; item; item = item->next) {
        if (object) {
            kw_buf_json(out, item->key);
            kw_buf_printf(out, ": ");
        }
        put_json(item, out);
        if (item->next)
            kw_buf_printf(out, ", ");
    }
    kw_buf_printf(out, object ? "}" : "]");
}

/* JSON as a literal of GBNF. */
static void put_literal(maker *m, kw_str json)
{
    kw_buf_printf(m->out, "\"");
    for (size_t i = 0; i < json.len; i++) {
        const char c = json.data[i];
        if (c == '"' || c == '\\')
            kw_buf_printf(m->out, "\\%c", c);
        else
            kw_buf_add(m->out, &c, 1);
    }
    kw_buf_printf(m->out, "\"");
}

static kw_status put_value(maker *m, const kw_tree *value)
{
    kw_buf json = {0};
    put_json(value, &json);
    const kw_status status = kw_buf_status(&json, m->err);
    if (status == KW_OK)
        put_literal(m, (kw_str){json.data, json.len});
    kw_buf_free(&json);
    return status;
}

/* ---- types ---- */

/* A count such as minItems; `otherwise` when it is not there. */
static kw_status count_of(const maker *m, const kw_tree *schema, const char *key, int64_t otherwise,
                          int64_t *out)
{
    const kw_tree *value = kw_tree_get(schema, key);
    *out = value ? value->integer : otherwise;
    if (value && (value->kind != KW_JSON_NUMBER || *out < 0 || *out > 100000))
        return kw_fail(m->err, KW_E_FORMAT, "%s: %s is no number from 0 to 100000", m->subject,
                       key);
    return KW_OK;
}

/* "{low,high}", high open when it is negative. */
static void put_times(maker *m, int64_t low, int64_t high)
{
    kw_buf_printf(m->out, "{%lld,", (long long)low);
    if (high >= 0)
        kw_buf_printf(m->out, "%lld", (long long)high);
    kw_buf_printf(m->out, "}");
}

/* What a format says of a string's characters; NULL: nothing here. Source: RFC 3339, RFC 4122. */
#define DATE                                                                                       \
    "([0-9]{4} \"-\" ((\"0\" [13578] | \"1\" [02]) \"-\" (\"0\" [1-9] | [12] [0-9] | \"3\" [01])"  \
    " | (\"0\" [469] | \"11\") \"-\" (\"0\" [1-9] | [12] [0-9] | \"30\")"                          \
    " | \"02-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8]))"                                        \
    " | ([0-9]{2} (\"0\" [48] | [2468] [048] | [13579] [26])"                                      \
    " | ([02468] [048] | [13579] [26]) \"00\") \"-02-29\")"
#define TIME                                                                                       \
    "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,6})?"           \
    " (\"Z\" | [+-] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])"

static const char *format_of(kw_str name)
{
    static const char *const formats[][2] = {
        {"date", DATE},
        {"time", TIME},
        {"date-time", DATE " \"T\" " TIME},
        {"uuid", "[0-9a-fA-F]{8} (\"-\" [0-9a-fA-F]{4}){3} \"-\" [0-9a-fA-F]{12}"},
    };
    for (size_t i = 0; i < KW_COUNT(formats); i++)
        if (kw_str_is(name, formats[i][0]))
            return formats[i][1];
    return NULL;
}

static kw_status put_string(maker *m, const kw_tree *schema)
{
    int64_t low, high;
    const kw_tree *pattern = kw_tree_get(schema, "pattern");
    const char *format = format_of(kw_tree_text(schema, "format"));
    const bool counted = kw_tree_get(schema, "minLength") || kw_tree_get(schema, "maxLength");
    if ((pattern || format) && counted)
        return refuse(m, pattern ? "pattern beside a length" : "this format beside a length");
    if (pattern && format)
        return refuse(m, "pattern beside this format");
    if (pattern && pattern->kind != KW_JSON_STRING)
        return kw_fail(m->err, KW_E_FORMAT, "%s: pattern is no string", m->subject);
    KW_TRY(count_of(m, schema, "minLength", 0, &low));
    KW_TRY(count_of(m, schema, "maxLength", -1, &high));
    kw_buf_printf(m->out, "\"\\\"\" ");
    if (pattern) {
        KW_TRY(kw_schema_pattern(m, pattern->text));
    } else if (format) {
        kw_buf_printf(m->out, "%s", format);
    } else {
        kw_buf_printf(m->out, "char");
        put_times(m, low, high);
    }
    kw_buf_printf(m->out, " \"\\\"\"");
    return KW_OK;
}

static kw_status put_number(maker *m, const kw_tree *schema, bool integer)
{
    bool bounded;
    KW_TRY(kw_schema_range(m, schema, integer, &bounded));
    if (!bounded)
        kw_buf_printf(m->out, "%s", integer ? "integer" : "number");
    return KW_OK;
}

static kw_status put_array(maker *m, const kw_tree *schema)
{
    const kw_tree *items = kw_tree_get(schema, "items"),
                  *first = kw_tree_get(schema, "prefixItems");
    int64_t low, high, n = 0;
    KW_TRY(count_of(m, schema, "minItems", 0, &low));
    KW_TRY(count_of(m, schema, "maxItems", -1, &high));
    kw_buf_printf(m->out, "\"[\" ws ");
    for (const kw_tree *item = first ? first->child : NULL; item; item = item->next, n++) {
        KW_TRY(put_rule(m, item));
        kw_buf_printf(m->out, " ws %s", item->next ? "\",\" ws " : "");
    }
    low = KW_MAX(low - n, (int64_t)0);
    if (high >= 0 && high < n + low)
        return kw_fail(m->err, KW_E_FORMAT, "%s: maxItems is less than there must be", m->subject);
    const bool more = (!first || (items && items->kind != KW_JSON_FALSE)) && (high < 0 || high > n);
    if (more && n == 0)
        kw_buf_printf(m->out, "(");
    for (int i = n > 0; more && i < 2; i++) {
        kw_buf_printf(m->out, i > 0 ? "(\",\" ws " : "");
        if (items)
            KW_TRY(put_rule(m, items));
        else
            kw_buf_printf(m->out, "value");
        kw_buf_printf(m->out, i > 0 ? " ws)" : " ws ");
    }
    const int64_t single = n == 0;
    if (more)
        put_times(m, KW_MAX(low - single, (int64_t)0), high < 0 ? -1 : high - n - single);
    if (more && n == 0)
        kw_buf_printf(m->out, low > 0 ? ")" : ")?");
    kw_buf_printf(m->out, " \"]\"");
    return KW_OK;
}

static bool is_required(const kw_tree *schema, kw_str name)
{
    const kw_tree *required = kw_tree_get(schema, "required");
    for (const kw_tree *r = required ? required->child : NULL; r; r = r->next)
        if (kw_str_eq(r->text, name))
            return true;
    return false;
}

static kw_status check_required(const maker *m, const kw_tree *schema, const kw_tree *properties)
{
    const kw_tree *required = kw_tree_get(schema, "required");
    for (const kw_tree *r = required ? required->child : NULL; r; r = r->next) {
        const kw_tree *p = properties ? properties->child : NULL;
        while (p && !kw_str_eq(p->key, r->text))
            p = p->next;
        if (!p)
            return kw_fail(m->err, KW_E_UNSUPPORTED,
                           "%s: \"%.*s\" is required and not among the properties", m->subject,
                           KW_FMT(r->text));
    }
    return KW_OK;
}

/* What the members are that "properties" does not name: *key the rule's body of their keys is to be
 * made of (NULL: any string), *value their schema; NULL: there are none. */
static kw_status find_others(const maker *m, const kw_tree *schema, const kw_tree **key,
                             const kw_tree **value)
{
    const kw_tree *others = kw_tree_get(schema, "additionalProperties");
    const kw_tree *patterns = kw_tree_get(schema, "patternProperties");
    *key = NULL;
    *value = others && others->kind != KW_JSON_FALSE ? others : NULL;
    if (!patterns || !patterns->child)
        return KW_OK;
    if (patterns->child->next || *value || kw_tree_get(schema, "properties"))
        return refuse(m, "patternProperties of several patterns or beside other properties");
    *key = *value = patterns->child;
    return KW_OK;
}

/* The rules of an object's members, behind the object's own: s3-f0 what may come from the first
 * property on when nothing was written before, s3-r0 when something was, s3-p0 the first itself. */
static kw_status put_members(maker *m, size_t rule, const kw_tree *schema)
{
    const kw_tree *properties = kw_tree_get(schema, "properties");
    const kw_tree *pattern, *others;
    size_t k = 0;
    KW_TRY(find_others(m, schema, &pattern, &others));
    const bool open = others != NULL;
    for (const kw_tree *p = properties ? properties->child : NULL; p; p = p->next, k++) {
        const bool needed = is_required(schema, p->key);
        kw_buf key = {0};
        kw_buf_printf(m->out, "\ns%zu-f%zu ::= s%zu-p%zu s%zu-r%zu", rule, k, rule, k, rule, k + 1);
        if (!needed)
            kw_buf_printf(m->out, " | s%zu-f%zu", rule, k + 1);
        kw_buf_printf(m->out, "\ns%zu-r%zu ::= \",\" ws s%zu-p%zu s%zu-r%zu", rule, k, rule, k,
                      rule, k + 1);
        if (!needed)
            kw_buf_printf(m->out, " | s%zu-r%zu", rule, k + 1);
        kw_buf_printf(m->out, "\ns%zu-p%zu ::= ", rule, k);
        kw_buf_json(&key, p->key);
        const kw_status status = kw_buf_status(&key, m->err);
        if (status == KW_OK)
            put_literal(m, (kw_str){key.data, key.len});
        kw_buf_free(&key);
        KW_TRY(status);
        kw_buf_printf(m->out, " ws \":\" ws ");
        KW_TRY(put_rule(m, p));
        kw_buf_printf(m->out, " ws");
    }
    kw_buf_printf(m->out, "\ns%zu-f%zu ::= %s", rule, k, open ? "" : "\"\"");
    if (open)
        kw_buf_printf(m->out, "(s%zu-o (\",\" ws s%zu-o)*)?", rule, rule);
    kw_buf_printf(m->out, "\ns%zu-r%zu ::= %s", rule, k, open ? "" : "\"\"");
    if (!open)
        return KW_OK;
    kw_buf_printf(m->out, "(\",\" ws s%zu-o)*\ns%zu-o ::= ", rule, rule);
    if (pattern) {
        kw_buf_printf(m->out, "\"\\\"\" ");
        KW_TRY(kw_schema_pattern(m, pattern->key));
        kw_buf_printf(m->out, " \"\\\"\"");
    } else {
        kw_buf_printf(m->out, "string");
    }
    kw_buf_printf(m->out, " ws \":\" ws ");
    KW_TRY(put_rule(m, others));
    kw_buf_printf(m->out, " ws");
    return KW_OK;
}

static bool has_members(const kw_tree *schema)
{
    return kw_tree_get(schema, "properties") || kw_tree_get(schema, "additionalProperties") ||
           kw_tree_get(schema, "required") || kw_tree_get(schema, "patternProperties");
}

/* The value of one type; *members: the rules of an object's are to follow. */
static kw_status put_type(maker *m, size_t rule, const kw_tree *schema, kw_str type, bool *members)
{
    if (kw_str_is(type, "object") && !has_members(schema)) {
        kw_buf_printf(m->out, "object");
    } else if (kw_str_is(type, "object")) {
        KW_TRY(check_required(m, schema, kw_tree_get(schema, "properties")));
        kw_buf_printf(m->out, "\"{\" ws s%zu-f0 \"}\"", rule);
        *members = true;
    } else if (kw_str_is(type, "array")) {
        return put_array(m, schema);
    } else if (kw_str_is(type, "string")) {
        return put_string(m, schema);
    } else if (kw_str_is(type, "boolean")) {
        kw_buf_printf(m->out, "\"true\" | \"false\"");
    } else if (kw_str_is(type, "null")) {
        kw_buf_printf(m->out, "\"null\"");
    } else if (kw_str_is(type, "number") || kw_str_is(type, "integer")) {
        return put_number(m, schema, kw_str_is(type, "integer"));
    } else {
        return kw_fail(m->err, KW_E_FORMAT, "%s: there is no type \"%.*s\"", m->subject,
                       KW_FMT(type));
    }
    return KW_OK;
}

/* ---- schemas ---- */

kw_status kw_schema_resolve(const maker *m, kw_str path, const kw_tree **out)
{
    const kw_tree *at = m->root;
    size_t i = 1;
    if (path.len == 0 || path.data[0] != '#')
        return kw_fail(m->err, KW_E_UNSUPPORTED, "%s: $ref \"%.*s\" leaves the schema", m->subject,
                       KW_FMT(path));
    while (at && i < path.len && path.data[i] == '/') {
        char name[200];
        size_t n = 0;
        for (i++; i < path.len && path.data[i] != '/' && n + 1 < sizeof name; i++) {
            name[n] = path.data[i];
            if (name[n] == '~' && i + 1 < path.len)
                name[n] = path.data[++i] == '1' ? '/' : '~';
            n++;
        }
        name[n] = '\0';
        at = kw_tree_get(at, name);
    }
    *out = at;
    return at && i == path.len ? KW_OK
                               : kw_fail(m->err, KW_E_FORMAT, "%s: $ref \"%.*s\" leads nowhere",
                                         m->subject, KW_FMT(path));
}

static const char *const refused[] = {"multipleOf",       "if",
                                      "propertyNames",    "dependentRequired",
                                      "dependentSchemas", "dependencies",
                                      "contains",         "minProperties",
                                      "maxProperties",    "unevaluatedItems",
                                      "$dynamicRef",      "unevaluatedProperties"};
static const char *const followed[] = {"type",      "properties",
                                       "required",  "additionalProperties",
                                       "items",     "prefixItems",
                                       "minItems",  "maxItems",
                                       "minLength", "maxLength",
                                       "pattern",   "format",
                                       "minimum",   "exclusiveMinimum",
                                       "maximum",   "exclusiveMaximum",
                                       "enum",      "const",
                                       "anyOf",     "oneOf",
                                       "allOf",     "not",
                                       "$ref",      "patternProperties"};

bool kw_schema_restricts(kw_str key)
{
    for (size_t i = 0; i < KW_COUNT(followed); i++)
        if (kw_str_is(key, followed[i]))
            return true;
    for (size_t i = 0; i < KW_COUNT(refused); i++)
        if (kw_str_is(key, refused[i]))
            return true;
    return kw_str_is(key, "uniqueItems");
}

static kw_status check_keywords(const maker *m, const kw_tree *schema)
{
    for (size_t i = 0; i < KW_COUNT(refused); i++)
        if (kw_tree_get(schema, refused[i]))
            return refuse(m, refused[i]);
    return kw_tree_bool(schema, "uniqueItems", false) ? refuse(m, "uniqueItems") : KW_OK;
}

/* The reader of JSON bounds the depth. */
bool kw_schema_same(const kw_tree *a, const kw_tree *b)
{
    const kw_tree *x = a->child, *y = b->child;
    if (a->kind != b->kind || !kw_str_eq(a->text, b->text))
        return false;
    for (; x && y; x = x->next, y = y->next)
        if (!kw_str_eq(x->key, y->key) || !kw_schema_same(x, y))
            return false;
    return !x && !y;
}

static kw_status check_list(const maker *m, const kw_tree *list)
{
    return list->kind == KW_JSON_ARRAY && list->child
               ? KW_OK
               : kw_fail(m->err, KW_E_FORMAT, "%s: %.*s is no list with something in it",
                         m->subject, KW_FMT(list->key));
}

/* Whether a value is of a type, or of one of the types, that a schema names. */
static bool has_type(const kw_tree *schema, const kw_tree *value)
{
    const kw_tree *type = kw_tree_get(schema, "type");
    const bool single = type && type->kind == KW_JSON_STRING;
    bool integer = value->kind == KW_JSON_NUMBER;
    for (size_t i = 0; i < value->text.len && integer; i++)
        integer = value->text.data[i] == '-' ||
                  (value->text.data[i] >= '0' && value->text.data[i] <= '9');
    for (const kw_tree *t = single ? type
                            : type ? type->child
                                   : NULL;
         t; t = single ? NULL : t->next) {
        const bool fits = kw_str_is(t->text, "object")    ? value->kind == KW_JSON_OBJECT
                          : kw_str_is(t->text, "array")   ? value->kind == KW_JSON_ARRAY
                          : kw_str_is(t->text, "string")  ? value->kind == KW_JSON_STRING
                          : kw_str_is(t->text, "integer") ? integer
                          : kw_str_is(t->text, "number")  ? value->kind == KW_JSON_NUMBER
                          : kw_str_is(t->text, "null")
                              ? value->kind == KW_JSON_NULL
                              : value->kind == KW_JSON_TRUE || value->kind == KW_JSON_FALSE;
        if (fits)
            return true;
    }
    return type == NULL;
}

/* Listed values: those of the type that the schema names. */
static kw_status put_values(maker *m, const kw_tree *schema, const kw_tree *values,
                            const kw_tree *only)
{
    bool any = false;
    const kw_tree *first = values ? values->child : only;
    for (const kw_tree *k = schema->child; k; k = k->next)
        if (kw_schema_restricts(k->key) && !kw_str_is(k->key, "type") &&
            !kw_str_is(k->key, "enum") && !kw_str_is(k->key, "const"))
            return kw_fail(m->err, KW_E_UNSUPPORTED,
                           "%s: listed values beside %.*s are not "
                           "supported",
                           m->subject, KW_FMT(k->key));
    for (const kw_tree *item = first; item; item = values ? item->next : NULL) {
        if (!has_type(schema, item) || (only && !kw_schema_same(only, item)))
            continue;
        kw_buf_printf(m->out, any ? " | " : "");
        KW_TRY(put_value(m, item));
        any = true;
    }
    return any ? KW_OK : kw_fail(m->err, KW_E_FORMAT, "%s: no listed value is left", m->subject);
}

/* Alternatives, each with what the schema asks for beside them. */
static kw_status put_choice(maker *m, const kw_tree *schema, const kw_tree *list)
{
    kw_tree *rest;
    KW_TRY(check_list(m, list));
    KW_TRY(kw_schema_new(m, KW_JSON_OBJECT, &rest));
    for (const kw_tree *k = schema->child; k; k = k->next)
        if (k != list && kw_schema_restricts(k->key))
            KW_TRY(kw_schema_put(m, rest, k->key, k));
    for (const kw_tree *item = list->child; item; item = item->next) {
        kw_tree *parts, *merged;
        if (!rest->child) {
            KW_TRY(put_rule(m, item));
        } else {
            KW_TRY(kw_schema_new(m, KW_JSON_ARRAY, &parts));
            KW_TRY(kw_schema_put(m, parts, KW_STR(""), rest));
            KW_TRY(kw_schema_put(m, parts, KW_STR(""), item));
            KW_TRY(kw_schema_new(m, KW_JSON_OBJECT, &merged));
            KW_TRY(kw_schema_put(m, merged, KW_STR("allOf"), parts));
            KW_TRY(put_rule(m, merged));
        }
        kw_buf_printf(m->out, "%s", item->next ? " | " : "");
    }
    return KW_OK;
}

static kw_status put_types(maker *m, size_t rule, const kw_tree *schema)
{
    const kw_tree *type = kw_tree_get(schema, "type");
    bool members = false;
    if (type && type->kind == KW_JSON_ARRAY && type->child) {
        for (const kw_tree *t = type->child; t; t = t->next) {
            KW_TRY(put_type(m, rule, schema, t->text, &members));
            kw_buf_printf(m->out, "%s", t->next ? " | " : "");
        }
    } else if (type) {
        KW_TRY(put_type(m, rule, schema, type->text, &members));
    } else if (has_members(schema)) {
        KW_TRY(put_type(m, rule, schema, KW_STR("object"), &members));
    } else if (kw_tree_get(schema, "items") || kw_tree_get(schema, "prefixItems")) {
        KW_TRY(put_array(m, schema));
    } else {
        kw_buf_printf(m->out, "value");
    }
    return members ? put_members(m, rule, schema) : KW_OK;
}

/* Whether of the keywords that restrict a schema has this one, and no other. */
static bool is_alone(const kw_tree *schema, const char *key)
{
    size_t n = 0;
    for (const kw_tree *k = schema->child; k; k = k->next)
        n += kw_schema_restricts(k->key);
    return n == 1 && kw_tree_get(schema, key);
}

static kw_status put_schema(maker *m, size_t rule, const kw_tree *schema)
{
    const kw_tree *found;
    kw_buf_printf(m->out, "s%zu ::= ", rule);
    if (schema->kind == KW_JSON_TRUE) {
        kw_buf_printf(m->out, "value");
        return KW_OK;
    }
    if (schema->kind != KW_JSON_OBJECT)
        return kw_fail(m->err, KW_E_FORMAT, "%s: a schema is neither an object nor true",
                       m->subject);
    /* a reference alone is the rule of what it leads to, so that circles close */
    if (is_alone(schema, "$ref")) {
        KW_TRY(kw_schema_resolve(m, kw_tree_get(schema, "$ref")->text, &found));
        return put_rule(m, found);
    }
    KW_TRY(kw_schema_flatten(m, schema, &schema));
    KW_TRY(check_keywords(m, schema));
    const kw_tree *const only = kw_tree_get(schema, "const");
    if ((found = kw_tree_get(schema, "enum")) != NULL || only) {
        if (found)
            KW_TRY(check_list(m, found));
        return put_values(m, schema, found, only);
    }
    if ((found = kw_tree_get(schema, "anyOf")) != NULL ||
        (found = kw_tree_get(schema, "oneOf")) != NULL)
        return put_choice(m, schema, found);
    return put_types(m, rule, schema);
}

static kw_status make(maker *m)
{
    size_t root;
    KW_TRY(rule_of(m, m->root, &root));
    kw_buf_printf(m->out, "root ::= s0\n%s", common_rules);
    for (size_t i = 0; i < m->n; i++) { /* grows */
        KW_TRY(put_schema(m, i, m->schemas[i]));
        kw_buf_printf(m->out, "\n");
        if (m->out->len > KW_GRAMMAR_MAX_BYTES)
            return kw_fail(m->err, KW_E_LIMIT, "%s: its grammar is longer than %zu bytes",
                           m->subject, KW_GRAMMAR_MAX_BYTES);
    }
    return kw_buf_status(m->out, m->err);
}

kw_status kw_schema_to_grammar(kw_str schema, const char *subject, kw_buf *out, kw_error *err)
{
    kw_arena arena = {0};
    kw_json json;
    kw_json_token token;
    kw_tree *tree = NULL;
    kw_json_init(&json, schema, subject);
    kw_status status = kw_json_next(&json, &token, err);
    if (status == KW_OK)
        status = kw_tree_read(&json, &token, &arena, &tree, err);
    if (status == KW_OK)
        status = kw_json_expect(&json, KW_JSON_END, &token, err);
    maker m = {.root = tree, .subject = subject, .arena = &arena, .out = out, .err = err};
    if (status == KW_OK)
        status = make(&m);
    free((void *)(uintptr_t)m.schemas);
    kw_arena_free(&arena);
    return status;
}
