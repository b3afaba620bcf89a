/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_ast.h - what a template is between its text and its rendering: tokens, then nodes. All
 * of it lies in the template's arena; texts are views into its copy of the source where nothing was
 * escaped. */
#ifndef KW_TEXT_TEMPLATE_AST_H
#define KW_TEXT_TEMPLATE_AST_H

#include "base/arena.h"
#include "text/template.h"

#include <stdbool.h>

/* Nesting of expressions and of blocks in the source. */
#define KW_TPL_MAX_NESTING 100

typedef enum kw_tpl_token_kind {
    KW_TOK_END,
    KW_TOK_DATA,
    KW_TOK_VAR_BEGIN, /* {{ */
    KW_TOK_VAR_END,
    KW_TOK_BLOCK_BEGIN, /* {% */
    KW_TOK_BLOCK_END,
    KW_TOK_NAME,
    KW_TOK_STRING, /* text: decoded */
    KW_TOK_INT,
    KW_TOK_FLOAT,
    KW_TOK_OP /* text: the operator */
} kw_tpl_token_kind;

typedef struct kw_tpl_token {
    kw_str text;
    uint32_t line;
    uint8_t kind;
} kw_tpl_token;

/* The tokens of a source, KW_TOK_END last: malloc'ed, also after a failure (NULL: none). */
kw_status kw_tpl_lex(kw_str source, const char *subject, kw_arena *arena, kw_tpl_token **out,
                     kw_error *err);
/* What Python takes for white space. */
bool kw_tpl_is_space(uint32_t codepoint);

typedef enum kw_tpl_op {
    KW_TO_NONE,
    KW_TO_EQ,
    KW_TO_NE,
    KW_TO_LT,
    KW_TO_LE,
    KW_TO_GT,
    KW_TO_GE,
    KW_TO_IN,
    KW_TO_NOT_IN,
    KW_TO_ADD,
    KW_TO_SUB,
    KW_TO_MUL,
    KW_TO_DIV,
    KW_TO_FLOORDIV,
    KW_TO_MOD,
    KW_TO_POW
} kw_tpl_op;

typedef enum kw_tpl_node_kind {
    /* expressions */
    KW_TN_TEXT,    /* name: the string */
    KW_TN_INT,     /* integer */
    KW_TN_FLOAT,   /* real */
    KW_TN_BOOL,    /* flag */
    KW_TN_NONE,    /* */
    KW_TN_NAME,    /* name */
    KW_TN_LIST,    /* list; flag: a tuple */
    KW_TN_DICT,    /* list: key, value, key, value, ... */
    KW_TN_AND,     /* a, b */
    KW_TN_OR,      /* a, b */
    KW_TN_NOT,     /* a */
    KW_TN_NEG,     /* a */
    KW_TN_POS,     /* a */
    KW_TN_BINARY,  /* op, a, b */
    KW_TN_CONCAT,  /* list */
    KW_TN_COMPARE, /* a, list: operands, each with its op in `op` */
    KW_TN_COND,    /* a if b else c (NULL: undefined) */
    KW_TN_ATTR,    /* a.name */
    KW_TN_ITEM,    /* a[b] */
    KW_TN_SLICE,   /* a[b:c:d], each may be NULL */
    KW_TN_CALL,    /* a(list) */
    KW_TN_FILTER,  /* a|name(list); a is NULL for a filter block */
    KW_TN_TEST,    /* a is name(list) */
    KW_TN_ARG,     /* a, name: its keyword or empty; op: KW_TO_MUL of *a, KW_TO_POW of **a */
    /* statements */
    KW_TN_DATA,       /* name: text to write */
    KW_TN_OUTPUT,     /* a */
    KW_TN_IF,         /* list: branches (a: condition or NULL, list: body) */
    KW_TN_BRANCH,     /* of an if */
    KW_TN_FOR,        /* a: target, b: iterable, c: condition or NULL, list: body, otherwise: else;
                         flag: recursive */
    KW_TN_SET,        /* a: target, b: value */
    KW_TN_SET_BLOCK,  /* a: target, b: filter or NULL, list: body */
    KW_TN_MACRO,      /* name, args: parameters (KW_TN_ARG: name, a: default or NULL), list: body */
    KW_TN_CALL_BLOCK, /* a: call, args: parameters, list: body */
    KW_TN_FILTER_BLOCK, /* a: filter, list: body */
    KW_TN_WITH,         /* args: KW_TN_SET each, list: body */
    KW_TN_BODY,         /* list: body (generation) */
    KW_TN_BREAK,
    KW_TN_CONTINUE,
    /* targets */
    KW_TN_TARGET_ATTR /* name.text: an attribute of a namespace; a: the KW_TN_NAME */
} kw_tpl_node_kind;

typedef struct kw_tpl_node {
    uint8_t kind, op;
    bool flag; /* of a bool: its value; of a list: a tuple; of a for: recursive */
    bool takes_varargs, takes_kwargs, takes_caller; /* macro: its body names them */
    uint32_t line;
    kw_str name;
    union {
        int64_t integer;
        double real;
    } u;
    struct kw_tpl_node *a, *b, *c, *d;
    struct kw_tpl_node *list, *args, *otherwise; /* first of each; linked by next */
    struct kw_tpl_node *next;
} kw_tpl_node;

struct kw_template {
    kw_arena arena;
    const char *subject;
    kw_tpl_node *body; /* first statement */
};

/* The statements of a token array. */
kw_status kw_tpl_parse(const kw_tpl_token *tokens, const char *subject, kw_arena *arena,
                       kw_tpl_node **out, kw_error *err);

#endif
