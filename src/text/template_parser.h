/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_parser.h - the state of parsing and the steps that expressions and statements share. */
#ifndef KW_TEXT_TEMPLATE_PARSER_H
#define KW_TEXT_TEMPLATE_PARSER_H

#include "text/template_ast.h"

typedef kw_tpl_node node;

typedef struct parser {
    const kw_tpl_token *at;
    const char *subject;
    kw_arena *arena;
    kw_error *err;
    int depth;
    int loops;   /* open in this macro or template */
    node *macro; /* innermost */
} parser;

/* A list being appended to. */
typedef struct chain {
    node **tail;
} chain;

static inline void append(chain *c, node *item)
{
    *c->tail = item;
    c->tail = &item->next;
}

static inline kw_status fail(const parser *p, const char *what)
{
    const kw_tpl_token *t = p->at;
    const char *end = t->kind == KW_TOK_END ? "the end of the template" : "the tag's end";
    const kw_str text = t->text.len ? t->text : kw_str_from(end);
    const char *quote = t->text.len ? "\"" : "";
    return kw_fail(p->err, KW_E_FORMAT, "%s: line %u: %s at %s%.*s%s", p->subject, t->line, what,
                   quote, KW_FMT(text), quote);
}

static inline kw_status refuse(const parser *p, const char *what)
{
    return kw_fail(p->err, KW_E_UNSUPPORTED, "%s: line %u: %s is not supported in chat templates",
                   p->subject, p->at->line, what);
}

static inline kw_status new_node(parser *p, kw_tpl_node_kind kind, node **out)
{
    node *made = kw_arena_alloc(p->arena, sizeof *made);
    if (!made)
        return kw_fail(p->err, KW_E_NOMEM, "%s: line %u: out of memory", p->subject, p->at->line);
    made->kind = (uint8_t)kind;
    made->line = p->at->line;
    *out = made;
    return KW_OK;
}

static inline bool is_op(const parser *p, const char *op)
{
    return p->at->kind == KW_TOK_OP && kw_str_is(p->at->text, op);
}

static inline bool is_name(const parser *p, const char *name)
{
    return p->at->kind == KW_TOK_NAME && kw_str_is(p->at->text, name);
}

static inline bool skip_op(parser *p, const char *op)
{
    const bool found = is_op(p, op);
    p->at += found;
    return found;
}

static inline bool skip_name(parser *p, const char *name)
{
    const bool found = is_name(p, name);
    p->at += found;
    return found;
}

static inline kw_status expect_op(parser *p, const char *op)
{
    char what[32] = "expected \" \"";
    what[10] = op[0];
    return skip_op(p, op) ? KW_OK : fail(p, what);
}

static inline kw_status expect_name(parser *p, kw_str *out)
{
    if (p->at->kind != KW_TOK_NAME)
        return fail(p, "expected a name");
    *out = (p->at++)->text;
    return KW_OK;
}

static inline kw_status enter(parser *p)
{
    if (++p->depth > KW_TPL_MAX_NESTING)
        return kw_fail(p->err, KW_E_LIMIT, "%s: line %u: nested deeper than %d levels", p->subject,
                       p->at->line, KW_TPL_MAX_NESTING);
    return KW_OK;
}

/* One expression: "a or b if c else d". */
kw_status kw_tpl_expression(parser *p, node **out);
/* One expression, or several with commas as a tuple. conditions: "x if y" belongs to it; in a for
 * tag, "if" begins the filter. */
kw_status kw_tpl_tuple(parser *p, bool conditions, bool parentheses, node **out);
/* "name" or "name(arguments)", as behind a bar, on a value (NULL: what a block wrote). */
kw_status kw_tpl_filter(parser *p, node *value, node **out);
/* A name or constant with what follows it directly: members, items, calls. */
kw_status kw_tpl_postfix(parser *p, node **out);

#endif
