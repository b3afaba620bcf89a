/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* schema.c - JSON Schema to GBNF. Every schema within the schema becomes a rule, once, so that
 * references may go round in circles; none is visited by recursion.
 *
 * Objects have their properties in the order of the schema, and no others unless
 * additionalProperties says so; oneOf is taken as anyOf, format and other annotations as nothing.
 * Keywords that would restrict values and are not followed are refused. */
#include "text/grammar.h"

#include "base/check.h"
#include "text/grow.h"
#include "text/json_tree.h"

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

typedef struct maker {
    const kw_tree *root;
    const char *subject;
    const kw_tree **schemas; /* rule s<i> is for the i-th */
    size_t n, cap;
    kw_buf *out;
    kw_error *err;
} maker;

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

static kw_status put_string(maker *m, const kw_tree *schema)
{
    int64_t low, high;
    KW_TRY(count_of(m, schema, "minLength", 0, &low));
    KW_TRY(count_of(m, schema, "maxLength", -1, &high));
    kw_buf_printf(m->out, "\"\\\"\" char");
    put_times(m, low, high);
    kw_buf_printf(m->out, " \"\\\"\"");
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

/* The rules of an object's members, behind the object's own: s3-f0 what may come from the first
 * property on when nothing was written before, s3-r0 when something was, s3-p0 the first itself. */
static kw_status put_members(maker *m, size_t rule, const kw_tree *schema)
{
    const kw_tree *properties = kw_tree_get(schema, "properties");
    const kw_tree *others = kw_tree_get(schema, "additionalProperties");
    const bool open = others && others->kind != KW_JSON_FALSE;
    size_t k = 0;
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
    kw_buf_printf(m->out, "(\",\" ws s%zu-o)*\ns%zu-o ::= string ws \":\" ws ", rule, rule);
    KW_TRY(put_rule(m, others));
    kw_buf_printf(m->out, " ws");
    return KW_OK;
}

static bool has_members(const kw_tree *schema)
{
    return kw_tree_get(schema, "properties") || kw_tree_get(schema, "additionalProperties") ||
           kw_tree_get(schema, "required");
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
        kw_buf_printf(m->out, "%s", kw_str_is(type, "number") ? "number" : "integer");
    } else {
        return kw_fail(m->err, KW_E_FORMAT, "%s: there is no type \"%.*s\"", m->subject,
                       KW_FMT(type));
    }
    return KW_OK;
}

/* ---- schemas ---- */

/* "#/$defs/name", from the root. */
static kw_status resolve(const maker *m, kw_str path, const kw_tree **out)
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

static kw_status check_keywords(const maker *m, const kw_tree *schema)
{
    static const char *const refused[] = {"pattern",
                                          "minimum",
                                          "maximum",
                                          "exclusiveMinimum",
                                          "exclusiveMaximum",
                                          "multipleOf",
                                          "not",
                                          "if",
                                          "patternProperties",
                                          "propertyNames",
                                          "dependentRequired",
                                          "dependentSchemas",
                                          "contains",
                                          "minProperties",
                                          "maxProperties",
                                          "unevaluatedItems",
                                          "$dynamicRef",
                                          "unevaluatedProperties"};
    for (size_t i = 0; i < KW_COUNT(refused); i++)
        if (kw_tree_get(schema, refused[i]))
            return refuse(m, refused[i]);
    return kw_tree_bool(schema, "uniqueItems", false) ? refuse(m, "uniqueItems") : KW_OK;
}

/* Alternatives: of schemas, or of values. */
static kw_status put_choice(maker *m, const kw_tree *list, bool values)
{
    if (list->kind != KW_JSON_ARRAY || !list->child)
        return kw_fail(m->err, KW_E_FORMAT, "%s: %.*s is no list with something in it", m->subject,
                       KW_FMT(list->key));
    for (const kw_tree *item = list->child; item; item = item->next) {
        KW_TRY(values ? put_value(m, item) : put_rule(m, item));
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
    KW_TRY(check_keywords(m, schema));
    if ((found = kw_tree_get(schema, "$ref")) != NULL) {
        KW_TRY(resolve(m, found->text, &found));
        return put_rule(m, found);
    }
    if ((found = kw_tree_get(schema, "const")) != NULL)
        return put_value(m, found);
    if ((found = kw_tree_get(schema, "enum")) != NULL)
        return put_choice(m, found, true);
    if ((found = kw_tree_get(schema, "anyOf")) != NULL ||
        (found = kw_tree_get(schema, "oneOf")) != NULL)
        return put_choice(m, found, false);
    if ((found = kw_tree_get(schema, "allOf")) != NULL)
        return found->child && !found->child->next ? put_rule(m, found->child)
                                                   : refuse(m, "allOf of several schemas");
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
    maker m = {.root = tree, .subject = subject, .out = out, .err = err};
    if (status == KW_OK)
        status = make(&m);
    free((void *)(uintptr_t)m.schemas);
    kw_arena_free(&arena);
    return status;
}
