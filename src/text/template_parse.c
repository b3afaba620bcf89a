/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_parse.c - the statements of a template. A tag that this subset does not have is refused
 * by its name when the template is read, not when it is reached. */
#include "text/template_parser.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

/* The tags that end a body; the one found is left for the caller, at its name. */
typedef struct ends {
    const char *names[3];
} ends;

static kw_status parse_body(parser *p, const ends *stop, node **first);

static kw_status expect_block_end(parser *p)
{
    if (p->at->kind != KW_TOK_BLOCK_END)
        return fail(p, "expected the end of the tag");
    p->at++;
    return KW_OK;
}

/* A body up to {% name %}, that tag included. */
static kw_status parse_until(parser *p, const char *name, node **first)
{
    KW_TRY(expect_block_end(p));
    KW_TRY(parse_body(p, &(ends){{name}}, first));
    p->at++;
    return expect_block_end(p);
}

/* ---- targets of set and for ---- */

static kw_status parse_one_target(parser *p, node **out)
{
    if (skip_op(p, "(")) {
        KW_TRY(enter(p));
        KW_TRY(new_node(p, KW_TN_LIST, out));
        chain items = {&(*out)->list};
        while (!is_op(p, ")")) {
            node *item;
            KW_TRY(parse_one_target(p, &item));
            append(&items, item);
            if (!skip_op(p, ","))
                break;
        }
        p->depth--;
        return expect_op(p, ")");
    }
    KW_TRY(new_node(p, KW_TN_NAME, out));
    KW_TRY(expect_name(p, &(*out)->name));
    if (!skip_op(p, "."))
        return KW_OK;
    node *owner = *out;
    KW_TRY(new_node(p, KW_TN_TARGET_ATTR, out));
    (*out)->a = owner;
    return expect_name(p, &(*out)->name);
}

/* "a", "a.b" (of a namespace), "a, b". */
static kw_status parse_target(parser *p, node **out)
{
    KW_TRY(parse_one_target(p, out));
    if (!is_op(p, ","))
        return KW_OK;
    node *tuple;
    KW_TRY(new_node(p, KW_TN_LIST, &tuple));
    chain items = {&tuple->list};
    append(&items, *out);
    while (skip_op(p, ",")) {
        node *item;
        if (p->at->kind != KW_TOK_NAME && !is_op(p, "("))
            break;
        KW_TRY(parse_one_target(p, &item));
        append(&items, item);
    }
    *out = tuple;
    return KW_OK;
}

/* ---- statements ---- */

static kw_status parse_if(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_IF, out));
    chain branches = {&(*out)->list};
    for (;;) {
        node *branch;
        KW_TRY(new_node(p, KW_TN_BRANCH, &branch));
        KW_TRY(kw_tpl_tuple(p, true, false, &branch->a));
        KW_TRY(expect_block_end(p));
        KW_TRY(parse_body(p, &(ends){{"elif", "else", "endif"}}, &branch->list));
        append(&branches, branch);
        if (skip_name(p, "elif"))
            continue;
        if (skip_name(p, "else")) {
            KW_TRY(new_node(p, KW_TN_BRANCH, &branch));
            KW_TRY(expect_block_end(p));
            KW_TRY(parse_body(p, &(ends){{"endif"}}, &branch->list));
            append(&branches, branch);
        }
        p->at++;
        return expect_block_end(p);
    }
}

static kw_status parse_for(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_FOR, out));
    node *loop = *out;
    KW_TRY(parse_target(p, &loop->a));
    if (!skip_name(p, "in"))
        return fail(p, "expected \"in\"");
    KW_TRY(kw_tpl_tuple(p, false, false, &loop->b));
    if (skip_name(p, "if"))
        KW_TRY(kw_tpl_expression(p, &loop->c));
    loop->flag = skip_name(p, "recursive");
    KW_TRY(expect_block_end(p));
    p->loops++;
    KW_TRY(parse_body(p, &(ends){{"endfor", "else"}}, &loop->list));
    p->loops--;
    if (skip_name(p, "else")) {
        KW_TRY(expect_block_end(p));
        KW_TRY(parse_body(p, &(ends){{"endfor"}}, &loop->otherwise));
    }
    p->at++;
    return expect_block_end(p);
}

static kw_status parse_set(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_SET, out));
    KW_TRY(parse_target(p, &(*out)->a));
    if (skip_op(p, "=")) {
        KW_TRY(kw_tpl_tuple(p, true, false, &(*out)->b));
        return expect_block_end(p);
    }
    (*out)->kind = KW_TN_SET_BLOCK;
    while (skip_op(p, "|"))
        KW_TRY(kw_tpl_filter(p, (*out)->b, &(*out)->b));
    return parse_until(p, "endset", &(*out)->list);
}

static kw_status parse_parameters(parser *p, node **first)
{
    chain items = {first};
    bool defaults = false;
    KW_TRY(expect_op(p, "("));
    while (!is_op(p, ")")) {
        node *parameter;
        KW_TRY(new_node(p, KW_TN_ARG, &parameter));
        KW_TRY(expect_name(p, &parameter->name));
        if (skip_op(p, "=")) {
            KW_TRY(kw_tpl_expression(p, &parameter->a));
            defaults = true;
        } else if (defaults) {
            return fail(p, "a parameter without a default follows one that has it");
        }
        append(&items, parameter);
        if (!skip_op(p, ","))
            break;
    }
    return expect_op(p, ")");
}

/* The body of a macro or call block, in which loops around it cannot be left. */
static kw_status parse_macro_body(parser *p, node *macro, const char *end)
{
    node *outer = p->macro;
    const int loops = p->loops;
    p->macro = macro;
    p->loops = 0;
    KW_TRY(parse_until(p, end, &macro->list));
    for (const node *arg = macro->args; arg && macro->takes_caller; arg = arg->next)
        if (kw_str_is(arg->name, "caller") && !arg->a)
            return fail(p, "a parameter \"caller\" has no default, in the macro that ends");
    if (outer) { /* what a macro within it names, it names */
        outer->takes_varargs = outer->takes_varargs || macro->takes_varargs;
        outer->takes_kwargs = outer->takes_kwargs || macro->takes_kwargs;
        outer->takes_caller = outer->takes_caller || macro->takes_caller;
    }
    p->macro = outer;
    p->loops = loops;
    return KW_OK;
}

static kw_status parse_macro(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_MACRO, out));
    KW_TRY(expect_name(p, &(*out)->name));
    KW_TRY(parse_parameters(p, &(*out)->args));
    return parse_macro_body(p, *out, "endmacro");
}

static kw_status parse_call_block(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_CALL_BLOCK, out));
    (*out)->name = KW_STR("caller");
    if (is_op(p, "("))
        KW_TRY(parse_parameters(p, &(*out)->args));
    KW_TRY(kw_tpl_postfix(p, &(*out)->a));
    if ((*out)->a->kind != KW_TN_CALL)
        return fail(p, "expected a call");
    return parse_macro_body(p, *out, "endcall");
}

static kw_status parse_filter_block(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_FILTER_BLOCK, out));
    KW_TRY(kw_tpl_filter(p, NULL, &(*out)->a));
    while (skip_op(p, "|"))
        KW_TRY(kw_tpl_filter(p, (*out)->a, &(*out)->a));
    return parse_until(p, "endfilter", &(*out)->list);
}

static kw_status parse_with(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_WITH, out));
    chain items = {&(*out)->args};
    while (p->at->kind == KW_TOK_NAME) {
        node *set;
        KW_TRY(new_node(p, KW_TN_SET, &set));
        KW_TRY(parse_one_target(p, &set->a));
        KW_TRY(expect_op(p, "="));
        KW_TRY(kw_tpl_expression(p, &set->b));
        append(&items, set);
        if (!skip_op(p, ","))
            break;
    }
    return parse_until(p, "endwith", &(*out)->list);
}

static kw_status parse_generation(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_BODY, out));
    return parse_until(p, "endgeneration", &(*out)->list);
}

static kw_status parse_break(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_BREAK, out));
    if (p->loops == 0)
        return fail(p, "break outside a loop");
    return expect_block_end(p);
}

static kw_status parse_continue(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_CONTINUE, out));
    if (p->loops == 0)
        return fail(p, "continue outside a loop");
    return expect_block_end(p);
}

/* The tag whose name stands here. */
static kw_status parse_statement(parser *p, node **out)
{
    static const struct {
        const char *name;
        kw_status (*parse)(parser *p, node **out);
    } statements[] = {
        {"if", parse_if},           {"for", parse_for},
        {"set", parse_set},         {"macro", parse_macro},
        {"call", parse_call_block}, {"filter", parse_filter_block},
        {"with", parse_with},       {"generation", parse_generation},
        {"break", parse_break},     {"continue", parse_continue},
    };
    char what[64];
    if (p->at->kind == KW_TOK_NAME &&
        (kw_str_starts(p->at->text, KW_STR("end")) || is_name(p, "else") || is_name(p, "elif")))
        return fail(p, "nothing is open that this tag belongs to,");
    for (size_t i = 0; i < KW_COUNT(statements); i++)
        if (skip_name(p, statements[i].name))
            return statements[i].parse(p, out);
    if (p->at->kind != KW_TOK_NAME)
        return fail(p, "expected the name of a tag");
    (void)snprintf(what, sizeof what, "{%% %.*s %%}", (int)KW_MIN(p->at->text.len, (size_t)40),
                   p->at->text.data);
    return refuse(p, what);
}

static bool at_end(const parser *p, const ends *stop)
{
    for (size_t i = 0; stop && i < KW_COUNT(stop->names); i++)
        if (stop->names[i] && is_name(p, stop->names[i]))
            return true;
    return false;
}

/* Statements up to a tag of `stop`; stop is NULL for the whole template. */
static kw_status parse_body(parser *p, const ends *stop, node **first)
{
    chain items = {first};
    KW_TRY(enter(p));
    for (;;) {
        node *made = NULL;
        const kw_tpl_token *t = p->at;
        if (t->kind == KW_TOK_END) {
            p->depth--;
            return stop ? fail(p, "a block is not closed") : KW_OK;
        }
        p->at++;
        if (t->kind == KW_TOK_DATA) {
            KW_TRY(new_node(p, KW_TN_DATA, &made));
            made->name = t->text;
        } else if (t->kind == KW_TOK_VAR_BEGIN) {
            KW_TRY(new_node(p, KW_TN_OUTPUT, &made));
            KW_TRY(kw_tpl_tuple(p, true, false, &made->a));
            if (p->at->kind != KW_TOK_VAR_END)
                return fail(p, "expected \"}}\"");
            p->at++;
        } else {
            if (at_end(p, stop)) {
                p->depth--;
                return KW_OK;
            }
            KW_TRY(parse_statement(p, &made));
        }
        if (made) /* always: an analyser cannot see it through the table */
            append(&items, made);
    }
}

static kw_status parse_source(kw_template *t, kw_str source, kw_error *err)
{
    kw_tpl_token *tokens = NULL;
    if (source.len > KW_TEMPLATE_MAX_BYTES)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu bytes, the limit is %zu", t->subject, source.len,
                       KW_TEMPLATE_MAX_BYTES);
    if (!kw_utf8_valid(source.data, source.len))
        return kw_fail(err, KW_E_FORMAT, "%s: the template is not UTF-8", t->subject);
    kw_status status = kw_tpl_lex(source, t->subject, &t->arena, &tokens, err);
    if (status == KW_OK) {
        parser p = {.at = tokens, .subject = t->subject, .arena = &t->arena, .err = err};
        status = parse_body(&p, NULL, &t->body);
    }
    free(tokens);
    return status;
}

kw_status kw_template_parse(kw_str source, const char *subject, kw_template **out, kw_error *err)
{
    kw_template *t = calloc(1, sizeof *t);
    if (t)
        t->subject = kw_arena_strdup(&t->arena, kw_str_from(subject));
    if (!t || !t->subject) {
        kw_template_free(t);
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
    }
    const kw_status status = parse_source(t, source, err);
    if (status == KW_OK)
        *out = t;
    else
        kw_template_free(t);
    return status;
}

void kw_template_free(kw_template *t)
{
    if (!t)
        return;
    kw_arena_free(&t->arena);
    free(t);
}
