/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_eval.c - the value of an expression. Every level counts against the depth, every node
 * against the steps. */
#include "text/template_eval.h"

#include "base/check.h"

typedef kw_tpl_node node;

kw_status kw_tpl_enter(kw_tpl_state *s)
{
    if (s->depth >= s->limits.depth)
        return kw_tpl_fail(s, KW_E_LIMIT, "nested deeper than %d levels", s->limits.depth);
    s->depth++;
    return KW_OK;
}

/* ---- names ---- */

kw_status kw_tpl_push(kw_tpl_state *s, kw_tpl_scope *parent)
{
    kw_tpl_scope *scope;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *scope, &scope));
    scope->parent = parent;
    s->scope = scope;
    return KW_OK;
}

static kw_tpl_binding *find(const kw_tpl_scope *scope, kw_str name)
{
    kw_tpl_binding *b = scope->first;
    while (b && !kw_str_eq(b->name, name))
        b = b->next;
    return b;
}

kw_status kw_tpl_set(kw_tpl_state *s, kw_str name, const kw_tval *value)
{
    kw_tpl_binding *b = find(s->scope, name);
    if (!b) {
        KW_TRY(kw_tpl_alloc(s, 1, sizeof *b, &b));
        *b = (kw_tpl_binding){name, s->scope->first, NULL};
        s->scope->first = b;
    }
    kw_tval *copy;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *copy, &copy));
    *copy = *value;
    b->value = copy;
    return KW_OK;
}

static void look_up(const kw_tpl_state *s, kw_str name, kw_tval *out)
{
    for (const kw_tpl_scope *scope = s->scope; scope; scope = scope->parent) {
        const kw_tpl_binding *b = find(scope, name);
        if (b) {
            *out = *b->value;
            return;
        }
    }
    const kw_tpl_function *global = kw_tpl_global(name);
    *out = global ? (kw_tval){.kind = KW_TV_FUNCTION, .u.function = global} : kw_tv_undefined(name);
}

/* ---- parts ---- */

static kw_status eval_list(kw_tpl_state *s, const node *n, kw_tval *out)
{
    size_t count = 0;
    for (const node *item = n->list; item; item = item->next)
        count++;
    KW_TRY(kw_tv_list(s, count, out));
    out->flags = n->flag ? KW_TV_TUPLE : 0;
    count = 0;
    for (const node *item = n->list; item; item = item->next)
        KW_TRY(kw_tpl_eval(s, item, &out->u.list->items[count++]));
    return KW_OK;
}

static kw_status eval_dict(kw_tpl_state *s, const node *n, kw_tval *out)
{
    KW_TRY(kw_tv_dict(s, 4, out));
    for (const node *key = n->list; key; key = key->next->next) {
        kw_tval k, v;
        KW_TRY(kw_tpl_eval(s, key, &k));
        KW_TRY(kw_tpl_eval(s, key->next, &v));
        KW_TRY(kw_tv_dict_set(s, out->u.dict, &k, &v));
    }
    return KW_OK;
}

static kw_status eval_concat(kw_tpl_state *s, const node *n, kw_tval *out)
{
    kw_buf text = {0};
    kw_status status = KW_OK;
    for (const node *item = n->list; item && status == KW_OK; item = item->next) {
        kw_tval v;
        status = kw_tpl_eval(s, item, &v);
        if (status == KW_OK)
            status = kw_tv_print(s, &v, false, 0, &text);
    }
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

static kw_status compare(kw_tpl_state *s, kw_tpl_op op, const kw_tval *a, const kw_tval *b,
                         bool *out)
{
    switch (op) {
    case KW_TO_EQ:
    case KW_TO_NE:
        *out = kw_tv_equal(a, b) == (op == KW_TO_EQ);
        return kw_tpl_work(s, a->kind == KW_TV_STRING ? a->u.s.len : 0);
    case KW_TO_IN:
        return kw_tv_contains(s, b, a, out);
    case KW_TO_NOT_IN:
        KW_TRY(kw_tv_contains(s, b, a, out));
        *out = !*out;
        return KW_OK;
    case KW_TO_LT:
    case KW_TO_LE:
        KW_TRY(kw_tv_less(s, a, b, out));
        break;
    default:
        KW_TRY(kw_tv_less(s, b, a, out));
        break;
    }
    if (op == KW_TO_LE || op == KW_TO_GE)
        *out = *out || kw_tv_equal(a, b);
    return KW_OK;
}

/* a < b < c: each with its neighbour, until one fails. */
static kw_status eval_compare(kw_tpl_state *s, const node *n, kw_tval *out)
{
    kw_tval left, right;
    bool holds = true;
    KW_TRY(kw_tpl_eval(s, n->a, &left));
    for (const node *item = n->list; item && holds; item = item->next) {
        KW_TRY(kw_tpl_eval(s, item->a, &right));
        KW_TRY(compare(s, (kw_tpl_op)item->op, &left, &right, &holds));
        left = right;
    }
    *out = kw_tv_bool(holds);
    return KW_OK;
}

static kw_status eval_slice(kw_tpl_state *s, const node *n, kw_tval *out)
{
    const node *const parts[3] = {n->b, n->c, n->d};
    kw_tval v, bounds[3];
    KW_TRY(kw_tpl_eval(s, n->a, &v));
    for (int i = 0; i < 3; i++) {
        bounds[i] = kw_tv_none();
        if (parts[i])
            KW_TRY(kw_tpl_eval(s, parts[i], &bounds[i]));
    }
    return kw_tv_slice(s, &v, bounds, out);
}

static kw_status eval_member(kw_tpl_state *s, const node *n, kw_tval *out)
{
    kw_tval v, key;
    KW_TRY(kw_tpl_eval(s, n->a, &v));
    s->line = n->line;
    if (n->kind == KW_TN_ATTR)
        return kw_tv_attr(s, &v, n->name, out);
    KW_TRY(kw_tpl_eval(s, n->b, &key));
    return kw_tv_item(s, &v, &key, out);
}

/* What one argument gives: a value, with *arg several, with **arg several with names. */
typedef struct given {
    kw_tval value;
    kw_tpl_list items;
} given;

static kw_status eval_arg(kw_tpl_state *s, const node *arg, given *out, size_t *n, size_t *n_named)
{
    KW_TRY(kw_tpl_eval(s, arg->a, &out->value));
    s->line = arg->line;
    if (arg->op == KW_TO_MUL) {
        KW_TRY(kw_tv_iterate(s, &out->value, &out->items));
        *n += out->items.n;
        return kw_tpl_work(s, 16 * out->items.n);
    }
    if (arg->op == KW_TO_POW) {
        if (out->value.kind != KW_TV_DICT)
            return kw_tpl_fail(s, KW_E_FORMAT, "what follows ** is a '%s', not a mapping",
                               kw_tv_type(&out->value));
        *n_named += out->value.u.dict->n;
        return kw_tpl_work(s, 16 * out->value.u.dict->n);
    }
    *(arg->name.len > 0 ? n_named : n) += 1;
    return KW_OK;
}

static kw_status add_named(kw_tpl_state *s, kw_tpl_args *args, kw_str name, const kw_tval *value)
{
    KW_TRY(kw_tpl_work(s, args->n_named));
    for (size_t i = 0; i < args->n_named; i++)
        if (kw_str_eq(args->names[i], name))
            return kw_tpl_fail(s, KW_E_FORMAT, "two values for the argument '%.*s'", KW_FMT(name));
    args->names[args->n_named] = name;
    args->values[args->n_named++] = *value;
    return KW_OK;
}

static kw_status add_mapping(kw_tpl_state *s, kw_tpl_args *args, const kw_tpl_dict *dict)
{
    for (size_t i = 0; i < dict->n; i++) {
        if (dict->pairs[i].key.kind != KW_TV_STRING)
            return kw_tpl_fail(s, KW_E_FORMAT, "the names of ** are strings, not '%s'",
                               kw_tv_type(&dict->pairs[i].key));
        KW_TRY(add_named(s, args, dict->pairs[i].key.u.s, &dict->pairs[i].value));
    }
    return KW_OK;
}

kw_status kw_tpl_eval_args(kw_tpl_state *s, const node *first, kw_tpl_args *out)
{
    *out = (kw_tpl_args){0};
    given *all;
    size_t count = 0, n = 0, n_named = 0;
    for (const node *arg = first; arg; arg = arg->next)
        count++;
    if (count == 0)
        return KW_OK;
    KW_TRY(kw_tpl_alloc(s, count, sizeof *all, &all));
    count = 0;
    for (const node *arg = first; arg; arg = arg->next)
        KW_TRY(eval_arg(s, arg, &all[count++], &n, &n_named));
    KW_TRY(kw_tpl_alloc(s, n + 1, sizeof *out->items, &out->items));
    KW_TRY(kw_tpl_alloc(s, n_named + 1, sizeof *out->values, &out->values));
    KW_TRY(kw_tpl_alloc(s, n_named + 1, sizeof *out->names, &out->names));
    count = 0;
    for (const node *arg = first; arg; arg = arg->next, count++) {
        const given *g = &all[count];
        if (arg->op == KW_TO_POW)
            KW_TRY(add_mapping(s, out, g->value.u.dict));
        else if (arg->name.len > 0)
            KW_TRY(add_named(s, out, arg->name, &g->value));
        else if (arg->op == KW_TO_MUL)
            for (size_t i = 0; i < g->items.n; i++)
                out->items[out->n++] = g->items.items[i];
        else
            out->items[out->n++] = g->value;
    }
    return KW_OK;
}

static kw_status eval_call(kw_tpl_state *s, const node *n, kw_tval *out)
{
    kw_tval callee;
    kw_tpl_args args;
    KW_TRY(kw_tpl_eval(s, n->a, &callee));
    KW_TRY(kw_tpl_eval_args(s, n->list, &args));
    s->line = n->line;
    return kw_tpl_call(s, &callee, &args, out);
}

kw_status kw_tpl_call(kw_tpl_state *s, const kw_tval *callee, const kw_tpl_args *args, kw_tval *out)
{
    switch (callee->kind) {
    case KW_TV_MACRO:
        return kw_tpl_call_macro(s, callee->u.macro, args, out);
    case KW_TV_FUNCTION:
        return callee->u.function->call(s, NULL, args, out);
    case KW_TV_LOOP:
        return kw_tpl_call_loop(s, callee->u.loop, args, out);
    case KW_TV_METHOD:
        return callee->u.method->function->call(s, callee->u.method->self, args, out);
    case KW_TV_UNDEFINED:
        return kw_tpl_fail_undefined(s, callee);
    default:
        return kw_tpl_fail(s, KW_E_FORMAT, "a value of type '%s' is not callable",
                           kw_tv_type(callee));
    }
}

kw_status kw_tpl_eval_filters(kw_tpl_state *s, const node *n, const kw_tval *text, kw_tval *out)
{
    kw_tval value = {0};
    kw_tpl_args args;
    KW_TRY(kw_tpl_enter(s));
    if (n->a && n->a->kind == KW_TN_FILTER && text)
        KW_TRY(kw_tpl_eval_filters(s, n->a, text, &value));
    else if (n->a)
        KW_TRY(kw_tpl_eval(s, n->a, &value));
    else if (text)
        value = *text;
    KW_TRY(kw_tpl_eval_args(s, n->list, &args));
    s->line = n->line;
    s->depth--;
    return kw_tpl_apply_filter(s, n->name, &value, &args, out);
}

static kw_status eval_test(kw_tpl_state *s, const node *n, kw_tval *out)
{
    kw_tval value;
    kw_tpl_args args;
    bool passes;
    KW_TRY(kw_tpl_eval(s, n->a, &value));
    KW_TRY(kw_tpl_eval_args(s, n->list, &args));
    s->line = n->line;
    KW_TRY(kw_tpl_apply_test(s, n->name, &value, &args, &passes));
    *out = kw_tv_bool(passes);
    return KW_OK;
}

static kw_status eval_binary(kw_tpl_state *s, const node *n, kw_tval *out)
{
    kw_tval a, b;
    KW_TRY(kw_tpl_eval(s, n->a, &a));
    KW_TRY(kw_tpl_eval(s, n->b, &b));
    s->line = n->line;
    return kw_tv_binary(s, (kw_tpl_op)n->op, &a, &b, out);
}

/* and, or: the value that decides, not its truth. */
static kw_status eval_logic(kw_tpl_state *s, const node *n, kw_tval *out)
{
    KW_TRY(kw_tpl_eval(s, n->a, out));
    return kw_tv_true(out) == (n->kind == KW_TN_AND) ? kw_tpl_eval(s, n->b, out) : KW_OK;
}

static kw_status eval_sign(kw_tpl_state *s, const node *n, kw_tval *out)
{
    const kw_tval zero = kw_tv_int(0);
    kw_tval v;
    KW_TRY(kw_tpl_eval(s, n->a, &v));
    if (v.kind != KW_TV_FLOAT)
        return kw_tv_binary(s, n->kind == KW_TN_NEG ? KW_TO_SUB : KW_TO_ADD, &zero, &v, out);
    *out = n->kind == KW_TN_NEG ? kw_tv_float(-v.u.f) : v;
    return KW_OK;
}

static kw_status eval_condition(kw_tpl_state *s, const node *n, kw_tval *out)
{
    kw_tval condition;
    KW_TRY(kw_tpl_eval(s, n->b, &condition));
    if (kw_tv_true(&condition))
        return kw_tpl_eval(s, n->a, out);
    *out = kw_tv_undefined(KW_STR("the inline if without an else"));
    return n->c ? kw_tpl_eval(s, n->c, out) : KW_OK;
}

static kw_status eval_node(kw_tpl_state *s, const node *n, kw_tval *out)
{
    switch (n->kind) {
    case KW_TN_TEXT:
        *out = kw_tv_str(n->name);
        return KW_OK;
    case KW_TN_INT:
        *out = kw_tv_int(n->u.integer);
        return KW_OK;
    case KW_TN_FLOAT:
        *out = kw_tv_float(n->u.real);
        return KW_OK;
    case KW_TN_BOOL:
        *out = kw_tv_bool(n->flag);
        return KW_OK;
    case KW_TN_NONE:
        *out = kw_tv_none();
        return KW_OK;
    case KW_TN_NAME:
        look_up(s, n->name, out);
        return KW_OK;
    case KW_TN_LIST:
        return eval_list(s, n, out);
    case KW_TN_DICT:
        return eval_dict(s, n, out);
    case KW_TN_AND:
    case KW_TN_OR:
        return eval_logic(s, n, out);
    case KW_TN_NOT:
        KW_TRY(kw_tpl_eval(s, n->a, out));
        *out = kw_tv_bool(!kw_tv_true(out));
        return KW_OK;
    case KW_TN_NEG:
    case KW_TN_POS:
        return eval_sign(s, n, out);
    case KW_TN_BINARY:
        return eval_binary(s, n, out);
    case KW_TN_CONCAT:
        return eval_concat(s, n, out);
    case KW_TN_COMPARE:
        return eval_compare(s, n, out);
    case KW_TN_COND:
        return eval_condition(s, n, out);
    case KW_TN_ATTR:
    case KW_TN_ITEM:
        return eval_member(s, n, out);
    case KW_TN_SLICE:
        return eval_slice(s, n, out);
    case KW_TN_CALL:
        return eval_call(s, n, out);
    case KW_TN_FILTER:
        return kw_tpl_eval_filters(s, n, NULL, out);
    case KW_TN_TEST:
        return eval_test(s, n, out);
    default:
        return kw_tpl_fail(s, KW_E_INTERNAL, "node %d is no expression", n->kind);
    }
}

kw_status kw_tpl_eval(kw_tpl_state *s, const node *n, kw_tval *out)
{
    s->line = n->line;
    KW_TRY(kw_tpl_enter(s));
    KW_TRY(kw_tpl_work(s, 0));
    KW_TRY(eval_node(s, n, out));
    s->depth--;
    return KW_OK;
}
