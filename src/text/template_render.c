/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_render.c - statements, macros, the functions that templates may name, and rendering.
 *
 * Loops, macros, call blocks, filter blocks and block sets have a scope of their own: what is set
 * in them ends with them. A macro sees the scope it was defined in, not that of its caller. */
#include "text/template_eval.h"

#include "base/check.h"

typedef kw_tpl_node node;

#define MAX_RANGE 100000 /* as in Jinja's sandbox */

static kw_status run_body(kw_tpl_state *s, const node *first);

/* What statements write, as a string in the arena; in a scope of its own under `parent`. */
static kw_status capture(kw_tpl_state *s, const node *body, kw_tpl_scope *parent, kw_tval *out)
{
    kw_buf text = {0}, *outer = s->out;
    kw_tpl_scope *scope = s->scope;
    if (parent)
        KW_TRY(kw_tpl_push(s, parent));
    s->out = &text;
    const kw_status status = run_body(s, body);
    s->out = outer;
    s->scope = scope;
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

/* ---- assigning ---- */

static kw_status assign(kw_tpl_state *s, const node *target, const kw_tval *value);

static kw_status assign_attr(kw_tpl_state *s, const node *target, const kw_tval *value)
{
    kw_tval owner;
    const kw_tval key = kw_tv_str(target->name);
    KW_TRY(kw_tpl_eval(s, target->a, &owner));
    if (owner.kind != KW_TV_NAMESPACE)
        return kw_tpl_fail(s, KW_E_FORMAT, "cannot set an attribute of a '%s'", kw_tv_type(&owner));
    if (target->name.data[0] == '_')
        return kw_tpl_fail(s, KW_E_FORMAT, "a namespace holds no name that begins with _");
    return kw_tv_dict_set(s, owner.u.dict, &key, value);
}

static kw_status unpack(kw_tpl_state *s, const node *target, const kw_tval *value)
{
    kw_tpl_list items;
    size_t n = 0;
    if (value->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail_undefined(s, value);
    KW_TRY(kw_tv_iterate(s, value, &items));
    for (const node *part = target->list; part; part = part->next)
        n++;
    if (n != items.n)
        return kw_tpl_fail(s, KW_E_FORMAT, "%zu values for %zu names", items.n, n);
    n = 0;
    for (const node *part = target->list; part; part = part->next)
        KW_TRY(assign(s, part, &items.items[n++]));
    return KW_OK;
}

static kw_status assign(kw_tpl_state *s, const node *target, const kw_tval *value)
{
    if (target->kind == KW_TN_NAME)
        return kw_tpl_set(s, target->name, value);
    if (target->kind == KW_TN_TARGET_ATTR)
        return assign_attr(s, target, value);
    KW_TRY(kw_tpl_enter(s));
    KW_TRY(unpack(s, target, value));
    s->depth--;
    return KW_OK;
}

/* ---- statements ---- */

static kw_status run_if(kw_tpl_state *s, const node *n)
{
    for (const node *branch = n->list; branch; branch = branch->next) {
        kw_tval condition = kw_tv_bool(true);
        if (branch->a)
            KW_TRY(kw_tpl_eval(s, branch->a, &condition));
        if (kw_tv_true(&condition))
            return run_body(s, branch->list);
    }
    return KW_OK;
}

/* Of the items, those for which the loop's condition holds. */
static kw_status filter_items(kw_tpl_state *s, const node *n, kw_tpl_scope *parent,
                              kw_tpl_list *items)
{
    kw_tval kept, condition;
    size_t count = 0;
    KW_TRY(kw_tv_list(s, items->n, &kept));
    for (size_t i = 0; i < items->n; i++) {
        KW_TRY(kw_tpl_push(s, parent));
        KW_TRY(assign(s, n->a, &items->items[i]));
        KW_TRY(kw_tpl_eval(s, n->c, &condition));
        if (kw_tv_true(&condition))
            kept.u.list->items[count++] = items->items[i];
    }
    *items = (kw_tpl_list){kept.u.list->items, count};
    return KW_OK;
}

static kw_status run_items(kw_tpl_state *s, const node *n, kw_tpl_scope *parent,
                           const kw_tpl_list *items, int depth)
{
    kw_tpl_loop *loop;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *loop, &loop));
    *loop = (kw_tpl_loop){.items = items, .node = n, .scope = parent, .depth = depth};
    const kw_tval value = {.kind = KW_TV_LOOP, .u.loop = loop};
    for (; loop->index < items->n; loop->index++) {
        KW_TRY(kw_tpl_push(s, parent));
        KW_TRY(kw_tpl_set(s, KW_STR("loop"), &value));
        KW_TRY(assign(s, n->a, &items->items[loop->index]));
        KW_TRY(run_body(s, n->list));
        const kw_tpl_jump jump = s->jump;
        s->jump = KW_TPL_GO_ON;
        if (jump == KW_TPL_BREAK)
            break;
    }
    return KW_OK;
}

/* Leaves another scope behind: the caller puts its own back. */
static kw_status loop_over(kw_tpl_state *s, const node *n, const kw_tval *iterable,
                           kw_tpl_scope *outer, int depth)
{
    kw_tpl_list *items;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *items, &items));
    KW_TRY(kw_tv_iterate(s, iterable, items));
    if (n->c)
        KW_TRY(filter_items(s, n, outer, items));
    if (items->n > 0) {
        KW_TRY(run_items(s, n, outer, items, depth));
    } else if (n->otherwise) {
        KW_TRY(kw_tpl_push(s, outer));
        KW_TRY(run_body(s, n->otherwise));
    }
    return KW_OK;
}

static kw_status run_for(kw_tpl_state *s, const node *n)
{
    kw_tpl_scope *outer = s->scope;
    kw_tval iterable;
    KW_TRY(kw_tpl_eval(s, n->b, &iterable));
    s->line = n->line;
    KW_TRY(loop_over(s, n, &iterable, outer, 1));
    s->scope = outer;
    return KW_OK;
}

kw_status kw_tpl_call_loop(kw_tpl_state *s, const kw_tpl_loop *loop, const kw_tpl_args *args,
                           kw_tval *out)
{
    kw_buf text = {0}, *outer = s->out;
    kw_tpl_scope *scope = s->scope;
    if (!loop->node->flag)
        return kw_tpl_fail(s, KW_E_FORMAT, "only a loop marked \"recursive\" can be called");
    KW_TRY(kw_tpl_arg_count(s, args, 1, 1, "loop"));
    const kw_tval *const values = kw_tpl_arg(args, 0, "iterable");
    if (!values)
        return kw_tpl_fail(s, KW_E_FORMAT, "loop takes what to go through");
    s->out = &text;
    const kw_status status = loop_over(s, loop->node, values, loop->scope, loop->depth + 1);
    s->out = outer;
    s->scope = scope;
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

static kw_status run_set(kw_tpl_state *s, const node *n)
{
    kw_tval value;
    if (n->kind == KW_TN_SET) {
        KW_TRY(kw_tpl_eval(s, n->b, &value));
    } else {
        KW_TRY(capture(s, n->list, s->scope, &value));
        if (n->b) {
            const kw_tval text = value;
            KW_TRY(kw_tpl_eval_filters(s, n->b, &text, &value));
        }
    }
    s->line = n->line;
    return assign(s, n->a, &value);
}

static kw_status make_macro(kw_tpl_state *s, const node *n, kw_tval *out)
{
    kw_tpl_macro *macro;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *macro, &macro));
    *macro = (kw_tpl_macro){n, s->scope};
    *out = (kw_tval){.kind = KW_TV_MACRO, .u.macro = macro};
    return KW_OK;
}

static kw_status run_macro(kw_tpl_state *s, const node *n)
{
    kw_tval macro;
    KW_TRY(make_macro(s, n, &macro));
    return kw_tpl_set(s, n->name, &macro);
}

static kw_status run_call_block(kw_tpl_state *s, const node *n)
{
    kw_tval callee, caller, result;
    kw_tpl_args args, with;
    KW_TRY(kw_tpl_eval(s, n->a->a, &callee));
    KW_TRY(kw_tpl_eval_args(s, n->a->list, &args));
    KW_TRY(make_macro(s, n, &caller));
    with = args;
    with.n_named++;
    KW_TRY(kw_tpl_alloc(s, with.n_named, sizeof *with.names, &with.names));
    KW_TRY(kw_tpl_alloc(s, with.n_named, sizeof *with.values, &with.values));
    for (size_t i = 0; i < args.n_named; i++) {
        with.names[i] = args.names[i];
        with.values[i] = args.values[i];
    }
    with.names[args.n_named] = n->name;
    with.values[args.n_named] = caller;
    KW_TRY(kw_tpl_call(s, &callee, &with, &result));
    return kw_tv_print(s, &result, false, 0, s->out);
}

static kw_status run_filter_block(kw_tpl_state *s, const node *n)
{
    kw_tval text, result;
    KW_TRY(capture(s, n->list, s->scope, &text));
    KW_TRY(kw_tpl_eval_filters(s, n->a, &text, &result));
    return kw_tv_print(s, &result, false, 0, s->out);
}

static kw_status run_with(kw_tpl_state *s, const node *n)
{
    kw_tpl_scope *outer = s->scope, *inner;
    KW_TRY(kw_tpl_push(s, outer));
    inner = s->scope;
    for (const node *set = n->args; set; set = set->next) {
        kw_tval value;
        s->scope = outer; /* values do not see each other */
        KW_TRY(kw_tpl_eval(s, set->b, &value));
        s->scope = inner;
        KW_TRY(assign(s, set->a, &value));
    }
    KW_TRY(run_body(s, n->list));
    s->scope = outer;
    return KW_OK;
}

static kw_status run_output(kw_tpl_state *s, const node *n)
{
    kw_tval value;
    KW_TRY(kw_tpl_eval(s, n->a, &value));
    s->line = n->line;
    return kw_tv_print(s, &value, false, 0, s->out);
}

/* {% generation %}: a call block in transformers, so with a scope of its own. */
static kw_status run_generation(kw_tpl_state *s, const node *n)
{
    kw_tpl_scope *outer = s->scope;
    KW_TRY(kw_tpl_push(s, outer));
    KW_TRY(run_body(s, n->list));
    s->scope = outer;
    return KW_OK;
}

static kw_status run_statement(kw_tpl_state *s, const node *n)
{
    switch (n->kind) {
    case KW_TN_DATA:
        return kw_tpl_write(s, s->out, n->name);
    case KW_TN_OUTPUT:
        return run_output(s, n);
    case KW_TN_IF:
        return run_if(s, n);
    case KW_TN_FOR:
        return run_for(s, n);
    case KW_TN_SET:
    case KW_TN_SET_BLOCK:
        return run_set(s, n);
    case KW_TN_MACRO:
        return run_macro(s, n);
    case KW_TN_CALL_BLOCK:
        return run_call_block(s, n);
    case KW_TN_FILTER_BLOCK:
        return run_filter_block(s, n);
    case KW_TN_WITH:
        return run_with(s, n);
    case KW_TN_BODY:
        return run_generation(s, n);
    case KW_TN_BREAK:
    case KW_TN_CONTINUE:
        s->jump = n->kind == KW_TN_BREAK ? KW_TPL_BREAK : KW_TPL_CONTINUE;
        return KW_OK;
    default:
        return kw_tpl_fail(s, KW_E_INTERNAL, "node %d is no statement", n->kind);
    }
}

static kw_status run_body(kw_tpl_state *s, const node *first)
{
    KW_TRY(kw_tpl_enter(s));
    for (const node *n = first; n && s->jump == KW_TPL_GO_ON; n = n->next) {
        s->line = n->line;
        KW_TRY(kw_tpl_work(s, 0));
        KW_TRY(run_statement(s, n));
    }
    s->depth--;
    return KW_OK;
}

/* ---- macros ---- */

/* Whether a name is that of a parameter that no argument without a name was given for. */
static bool is_open_parameter(const node *macro, kw_str name, size_t n_given)
{
    size_t i = 0;
    for (const node *p = macro->args; p; p = p->next, i++)
        if (kw_str_eq(p->name, name))
            return i >= n_given;
    return false;
}

/* What was given beyond the parameters: varargs and kwargs, where the body names them. */
static kw_status bind_rest(kw_tpl_state *s, const node *macro, const kw_tpl_args *args, size_t n)
{
    const size_t extra = args->n > n ? args->n - n : 0;
    kw_tval list, dict;
    if (extra > 0 && !macro->takes_varargs)
        return kw_tpl_fail(s, KW_E_FORMAT, "macro '%.*s' takes %zu arguments, got %zu",
                           KW_FMT(macro->name), n, args->n);
    KW_TRY(kw_tv_list(s, extra, &list));
    list.flags = KW_TV_TUPLE;
    for (size_t i = 0; args->items && i < extra; i++)
        list.u.list->items[i] = args->items[n + i];
    KW_TRY(kw_tv_dict(s, 0, &dict));
    if (macro->takes_caller && !is_open_parameter(macro, KW_STR("caller"), 0)) {
        const kw_tval none = kw_tv_undefined(KW_STR("caller"));
        KW_TRY(kw_tpl_set(s, KW_STR("caller"), &none));
    }
    for (size_t i = 0; i < args->n_named; i++) {
        const kw_tval key = kw_tv_str(args->names[i]);
        if (is_open_parameter(macro, args->names[i], args->n))
            continue;
        if (macro->takes_caller && kw_str_is(args->names[i], "caller"))
            KW_TRY(kw_tpl_set(s, args->names[i], &args->values[i]));
        else if (macro->takes_kwargs)
            KW_TRY(kw_tv_dict_set(s, dict.u.dict, &key, &args->values[i]));
        else
            return kw_tpl_fail(s, KW_E_FORMAT, "macro '%.*s' has no argument '%.*s'",
                               KW_FMT(macro->name), KW_FMT(args->names[i]));
    }
    if (macro->takes_varargs)
        KW_TRY(kw_tpl_set(s, KW_STR("varargs"), &list));
    return macro->takes_kwargs ? kw_tpl_set(s, KW_STR("kwargs"), &dict) : KW_OK;
}

static kw_status bind_parameters(kw_tpl_state *s, const node *macro, const kw_tpl_args *args)
{
    size_t n = 0;
    for (const node *p = macro->args; p; p = p->next, n++) {
        kw_tval value = kw_tv_undefined(p->name);
        const kw_tval *given = n < args->n ? &args->items[n] : NULL;
        for (size_t i = 0; i < args->n_named && !given; i++)
            if (kw_str_eq(args->names[i], p->name))
                given = &args->values[i];
        if (given)
            value = *given;
        else if (p->a)
            KW_TRY(kw_tpl_eval(s, p->a, &value));
        KW_TRY(kw_tpl_set(s, p->name, &value));
    }
    return bind_rest(s, macro, args, n);
}

kw_status kw_tpl_call_macro(kw_tpl_state *s, const kw_tpl_macro *macro, const kw_tpl_args *args,
                            kw_tval *out)
{
    kw_tpl_scope *caller = s->scope;
    KW_TRY(kw_tpl_push(s, macro->scope));
    KW_TRY(bind_parameters(s, macro->node, args));
    KW_TRY(capture(s, macro->node->list, NULL, out));
    s->scope = caller;
    return KW_OK;
}

/* ---- functions ---- */

static kw_status g_range(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *a, kw_tval *out)
{
    int64_t v[3] = {0, 0, 1};
    (void)self;
    KW_TRY(kw_tpl_arg_count(s, a, 1, 3, "range"));
    for (size_t i = 0; i < a->n; i++)
        if (!kw_tv_integer(&a->items[i], &v[a->n == 1 ? 1 : i]))
            return kw_tpl_fail(s, KW_E_FORMAT, "range takes integers, not '%s'",
                               kw_tv_type(&a->items[i]));
    if (v[2] == 0 || a->n_named > 0)
        return kw_tpl_fail(s, KW_E_FORMAT, "range: the step is zero, or an argument has a name");
    const bool up = v[2] > 0;
    const uint64_t span = up ? (v[1] > v[0] ? (uint64_t)v[1] - (uint64_t)v[0] : 0)
                             : (v[0] > v[1] ? (uint64_t)v[0] - (uint64_t)v[1] : 0);
    const uint64_t step = up ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    const uint64_t n = span / step + (span % step != 0);
    if (n > MAX_RANGE)
        return kw_tpl_fail(s, KW_E_LIMIT, "range: more than %d items", MAX_RANGE);
    KW_TRY(kw_tv_list(s, (size_t)n, out));
    for (size_t i = 0; i < (size_t)n; i++)
        out->u.list->items[i] = kw_tv_int(v[0] + (int64_t)i * v[2]);
    return KW_OK;
}

/* A dictionary of another one's pairs and the named arguments. */
static kw_status g_dict(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *a, kw_tval *out)
{
    (void)self;
    KW_TRY(kw_tv_dict(s, 4, out));
    if (a->n > 1 || (a->n == 1 && a->items[0].kind != KW_TV_DICT))
        return kw_tpl_fail(s, KW_E_FORMAT, "dict and namespace take a mapping and named values");
    for (size_t i = 0; a->n == 1 && i < a->items[0].u.dict->n; i++) {
        const kw_tpl_pair *pair = &a->items[0].u.dict->pairs[i];
        KW_TRY(kw_tv_dict_set(s, out->u.dict, &pair->key, &pair->value));
    }
    for (size_t i = 0; i < a->n_named; i++) {
        const kw_tval key = kw_tv_str(a->names[i]);
        KW_TRY(kw_tv_dict_set(s, out->u.dict, &key, &a->values[i]));
    }
    return KW_OK;
}

static kw_status g_namespace(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *a,
                             kw_tval *out)
{
    KW_TRY(g_dict(s, self, a, out));
    out->kind = KW_TV_NAMESPACE;
    return KW_OK;
}

static kw_status g_raise(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *a, kw_tval *out)
{
    kw_str message;
    (void)self, (void)out;
    KW_TRY(kw_tpl_arg_count(s, a, 1, 1, "raise_exception"));
    KW_TRY(kw_tv_text(s, a->n ? &a->items[0] : &a->values[0], &message));
    return kw_tpl_fail(s, KW_E_ARG, "the template refuses these messages: %.*s", KW_FMT(message));
}

static kw_status g_strftime(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *a,
                            kw_tval *out)
{
    kw_str format;
    kw_buf text = {0};
    (void)self;
    KW_TRY(kw_tpl_arg_count(s, a, 1, 1, "strftime_now"));
    KW_TRY(kw_tpl_arg_str(s, a, 0, "format", KW_STR(""), &format));
    const kw_status status = kw_tpl_strftime(s, format, s->now, &text);
    if (status == KW_OK)
        return kw_tv_take(s, &text, out);
    kw_buf_free(&text);
    return status;
}

static const kw_tpl_function globals[] = {
    {"range", g_range},           {"dict", g_dict},
    {"namespace", g_namespace},   {"raise_exception", g_raise},
    {"strftime_now", g_strftime},
};

const kw_tpl_function *kw_tpl_global(kw_str name)
{
    for (size_t i = 0; i < KW_COUNT(globals); i++)
        if (kw_str_is(name, globals[i].name))
            return &globals[i];
    return NULL;
}

/* ---- rendering ---- */

kw_template_limits kw_template_default_limits(void)
{
    return (kw_template_limits){.steps = 20000000,
                                .memory_bytes = (size_t)256 << 20,
                                .output_bytes = (size_t)64 << 20,
                                .depth = 240};
}

static kw_status render(kw_tpl_state *s, kw_str variables)
{
    kw_tval values;
    KW_TRY(kw_tv_from_json(s, variables, "template variables", &values));
    if (values.kind != KW_TV_DICT)
        return kw_tpl_fail(s, KW_E_ARG, "the variables are no JSON object");
    KW_TRY(kw_tpl_push(s, NULL));
    for (size_t i = 0; i < values.u.dict->n; i++) {
        const kw_tpl_pair *pair = &values.u.dict->pairs[i];
        KW_TRY(kw_tpl_set(s, pair->key.u.s, &pair->value));
    }
    return run_body(s, s->template->body);
}

kw_status kw_template_render(const kw_template *t, kw_str variables, int64_t now,
                             const kw_template_limits *limits, kw_buf *out, kw_error *err)
{
    kw_buf text = {0};
    kw_tpl_state s = {.template = t,
                      .limits = limits ? *limits : kw_template_default_limits(),
                      .out = &text,
                      .now = now,
                      .err = err,
                      .line = 1};
    s.arena.limit_bytes = s.limits.memory_bytes;
    kw_status status = render(&s, variables);
    if (status == KW_OK)
        status = kw_buf_status(&text, err);
    if (status == KW_OK && text.len > 0)
        kw_buf_add(out, text.data, text.len);
    if (status == KW_OK)
        status = kw_buf_status(out, err);
    kw_arena_free(&s.arena);
    kw_buf_free(&text);
    return status;
}
