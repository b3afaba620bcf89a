/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_expression.c - expressions by recursive descent, in Jinja's order of precedence. Nesting
 * is limited here; chains (a.b.c, 1 + 1 + 1) make deep trees without it, which rendering limits. */
#include "text/template_parser.h"

#include "base/check.h"
#include "base/decimal.h"

static kw_status parse_unary(parser *p, bool filters, node **out);
static kw_status parse_postfix(parser *p, node **value);

/* ---- primary ---- */

static kw_status parse_number(parser *p, node **out)
{
    const kw_str text = p->at->text;
    if (p->at->kind == KW_TOK_FLOAT) {
        KW_TRY(new_node(p, KW_TN_FLOAT, out));
        if (!kw_decimal_f64(text, &(*out)->u.real))
            return fail(p, "a number that is too large");
    } else {
        int64_t value = 0;
        KW_TRY(new_node(p, KW_TN_INT, out));
        for (size_t i = 0; i < text.len; i++) {
            const int digit = text.data[i] - '0';
            if (value > (INT64_MAX - digit) / 10)
                return fail(p, "a number that is too large");
            value = value * 10 + digit;
        }
        (*out)->u.integer = value;
    }
    p->at++;
    return KW_OK;
}

/* Adjacent strings are one. */
static kw_status parse_text(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_TEXT, out));
    kw_str text = (p->at++)->text;
    while (p->at->kind == KW_TOK_STRING) {
        const kw_str more = p->at->text;
        char *joined = kw_arena_alloc(p->arena, text.len + more.len + 1);
        if (!joined)
            return kw_fail(p->err, KW_E_NOMEM, "%s: out of memory", p->subject);
        memcpy(joined, text.data, text.len);
        memcpy(joined + text.len, more.data, more.len);
        text = (kw_str){joined, text.len + more.len};
        p->at++;
    }
    (*out)->name = text;
    return KW_OK;
}

static kw_status parse_name(parser *p, node **out)
{
    const kw_str name = p->at->text;
    const bool yes = kw_str_is(name, "true") || kw_str_is(name, "True");
    if (yes || kw_str_is(name, "false") || kw_str_is(name, "False")) {
        KW_TRY(new_node(p, KW_TN_BOOL, out));
        (*out)->flag = yes;
    } else if (kw_str_is(name, "none") || kw_str_is(name, "None")) {
        KW_TRY(new_node(p, KW_TN_NONE, out));
    } else {
        KW_TRY(new_node(p, KW_TN_NAME, out));
        (*out)->name = name;
        if (p->macro && kw_str_is(name, "varargs"))
            p->macro->takes_varargs = true;
        if (p->macro && kw_str_is(name, "kwargs"))
            p->macro->takes_kwargs = true;
        if (p->macro && kw_str_is(name, "caller"))
            p->macro->takes_caller = true;
    }
    p->at++;
    return KW_OK;
}

/* What ends a tuple without parentheses. */
static bool ends_tuple(const parser *p)
{
    return p->at->kind == KW_TOK_BLOCK_END || p->at->kind == KW_TOK_VAR_END || is_op(p, ")") ||
           is_name(p, "in") || is_name(p, "recursive");
}

static kw_status parse_or(parser *p, node **out);

kw_status kw_tpl_tuple(parser *p, bool conditions, bool parentheses, node **out)
{
    node *first = NULL, *tuple;
    bool comma = false;
    chain items = {&first};
    while (!ends_tuple(p)) {
        node *item;
        KW_TRY(conditions ? kw_tpl_expression(p, &item) : parse_or(p, &item));
        append(&items, item);
        if (!skip_op(p, ","))
            break;
        comma = true;
    }
    if (first && !comma) {
        *out = first;
        return KW_OK;
    }
    if (!first && !parentheses)
        return fail(p, "expected an expression");
    KW_TRY(new_node(p, KW_TN_LIST, &tuple));
    tuple->flag = true;
    tuple->list = first;
    *out = tuple;
    return KW_OK;
}

static kw_status parse_list(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_LIST, out));
    chain items = {&(*out)->list};
    while (!is_op(p, "]")) {
        node *item;
        KW_TRY(kw_tpl_expression(p, &item));
        append(&items, item);
        if (!skip_op(p, ","))
            break;
    }
    return expect_op(p, "]");
}

static kw_status parse_dict(parser *p, node **out)
{
    KW_TRY(new_node(p, KW_TN_DICT, out));
    chain items = {&(*out)->list};
    while (!is_op(p, "}")) {
        node *item;
        KW_TRY(kw_tpl_expression(p, &item));
        append(&items, item);
        KW_TRY(expect_op(p, ":"));
        KW_TRY(kw_tpl_expression(p, &item));
        append(&items, item);
        if (!skip_op(p, ","))
            break;
    }
    return expect_op(p, "}");
}

static kw_status parse_primary(parser *p, node **out)
{
    switch (p->at->kind) {
    case KW_TOK_NAME:
        return parse_name(p, out);
    case KW_TOK_STRING:
        return parse_text(p, out);
    case KW_TOK_INT:
    case KW_TOK_FLOAT:
        return parse_number(p, out);
    default:
        break;
    }
    if (skip_op(p, "(")) {
        KW_TRY(kw_tpl_tuple(p, true, true, out));
        return expect_op(p, ")");
    }
    if (skip_op(p, "["))
        return parse_list(p, out);
    if (skip_op(p, "{"))
        return parse_dict(p, out);
    return fail(p, "expected an expression");
}

/* ---- what follows a value ---- */

/* In this order, each may be missing: values, *values with named values around it, **mapping. */
static kw_status parse_arguments(parser *p, node **first)
{
    bool named = false, star = false, stars = false;
    chain items = {first};
    while (!is_op(p, ")")) {
        node *arg;
        KW_TRY(new_node(p, KW_TN_ARG, &arg));
        if (stars || (is_op(p, "*") && star))
            return fail(p, "an argument after the last one that may follow");
        if (skip_op(p, "*")) {
            arg->op = KW_TO_MUL;
            star = true;
        } else if (skip_op(p, "**")) {
            arg->op = KW_TO_POW;
            stars = true;
        } else if (p->at->kind == KW_TOK_NAME && p->at[1].kind == KW_TOK_OP &&
                   kw_str_is(p->at[1].text, "=")) {
            arg->name = p->at->text;
            p->at += 2;
            named = true;
        } else if (named || star) {
            return fail(p, "an argument without a name follows one with it");
        }
        KW_TRY(kw_tpl_expression(p, &arg->a));
        append(&items, arg);
        if (!skip_op(p, ","))
            break;
    }
    return expect_op(p, ")");
}

static bool ends_slice_part(const parser *p)
{
    return is_op(p, ":") || is_op(p, "]");
}

static kw_status parse_subscript(parser *p, node *value, node **out)
{
    node *first = NULL;
    if (!is_op(p, ":"))
        KW_TRY(kw_tpl_tuple(p, true, false, &first));
    if (!is_op(p, ":")) {
        KW_TRY(new_node(p, KW_TN_ITEM, out));
        (*out)->b = first;
    } else {
        KW_TRY(new_node(p, KW_TN_SLICE, out));
        (*out)->b = first;
        p->at++;
        if (!ends_slice_part(p))
            KW_TRY(kw_tpl_expression(p, &(*out)->c));
        if (skip_op(p, ":") && !ends_slice_part(p))
            KW_TRY(kw_tpl_expression(p, &(*out)->d));
    }
    (*out)->a = value;
    return expect_op(p, "]");
}

static kw_status parse_member(parser *p, node *value, node **out)
{
    if (p->at->kind == KW_TOK_INT) {
        KW_TRY(new_node(p, KW_TN_ITEM, out));
        KW_TRY(parse_number(p, &(*out)->b));
    } else {
        KW_TRY(new_node(p, KW_TN_ATTR, out));
        KW_TRY(expect_name(p, &(*out)->name));
    }
    (*out)->a = value;
    return KW_OK;
}

static kw_status parse_call(parser *p, node **value)
{
    node *call;
    KW_TRY(new_node(p, KW_TN_CALL, &call));
    call->a = *value;
    KW_TRY(parse_arguments(p, &call->list));
    *value = call;
    return KW_OK;
}

static kw_status parse_postfix(parser *p, node **value)
{
    for (;;) {
        node *made = NULL;
        if (skip_op(p, "."))
            KW_TRY(parse_member(p, *value, &made));
        else if (skip_op(p, "["))
            KW_TRY(parse_subscript(p, *value, &made));
        else if (skip_op(p, "("))
            KW_TRY(parse_call(p, value));
        else
            return KW_OK;
        if (made)
            *value = made;
    }
}

kw_status kw_tpl_filter(parser *p, node *value, node **out)
{
    KW_TRY(new_node(p, KW_TN_FILTER, out));
    (*out)->a = value;
    KW_TRY(expect_name(p, &(*out)->name));
    return skip_op(p, "(") ? parse_arguments(p, &(*out)->list) : KW_OK;
}

/* Whether an argument without parentheses follows the name of a test. */
static bool test_argument_follows(const parser *p)
{
    if (p->at->kind == KW_TOK_NAME)
        return !is_name(p, "else") && !is_name(p, "or") && !is_name(p, "and") &&
               !is_name(p, "is") && !is_name(p, "if") && !is_name(p, "not") && !is_name(p, "in") &&
               !is_name(p, "recursive");
    return p->at->kind == KW_TOK_STRING || p->at->kind == KW_TOK_INT ||
           p->at->kind == KW_TOK_FLOAT || is_op(p, "[") || is_op(p, "{");
}

static kw_status parse_test(parser *p, node **value)
{
    node *test, *arg;
    const bool negated = skip_name(p, "not");
    KW_TRY(new_node(p, KW_TN_TEST, &test));
    test->a = *value;
    KW_TRY(expect_name(p, &test->name));
    if (skip_op(p, "(")) {
        KW_TRY(parse_arguments(p, &test->list));
    } else if (test_argument_follows(p)) {
        KW_TRY(new_node(p, KW_TN_ARG, &arg));
        KW_TRY(parse_primary(p, &arg->a));
        KW_TRY(parse_postfix(p, &arg->a));
        test->list = arg;
    }
    *value = test;
    if (!negated)
        return KW_OK;
    KW_TRY(new_node(p, KW_TN_NOT, value));
    (*value)->a = test;
    return KW_OK;
}

static kw_status parse_filters(parser *p, node **value)
{
    for (;;) {
        if (skip_op(p, "|")) {
            node *made;
            KW_TRY(kw_tpl_filter(p, *value, &made));
            *value = made;
        } else if (skip_name(p, "is")) {
            KW_TRY(parse_test(p, value));
        } else if (skip_op(p, "(")) {
            KW_TRY(parse_call(p, value));
        } else {
            return KW_OK;
        }
    }
}

/* ---- operators ---- */

static kw_status parse_unary(parser *p, bool filters, node **out)
{
    KW_TRY(enter(p));
    if (is_op(p, "-") || is_op(p, "+")) {
        KW_TRY(new_node(p, is_op(p, "-") ? KW_TN_NEG : KW_TN_POS, out));
        p->at++;
        KW_TRY(parse_unary(p, false, &(*out)->a));
    } else {
        KW_TRY(parse_primary(p, out));
    }
    KW_TRY(parse_postfix(p, out));
    p->depth--;
    return filters ? parse_filters(p, out) : KW_OK;
}

typedef struct operator_row {
    const char *text;
    uint8_t op;
} operator_row;

/* The operator of a row that stands here, passed over; KW_TO_NONE. */
static kw_tpl_op take_operator(parser *p, const operator_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (skip_op(p, rows[i].text))
            return (kw_tpl_op)rows[i].op;
    return KW_TO_NONE;
}

/* A chain of binary operators of one level over operands of the level above. */
static kw_status parse_level(parser *p, int level, node **out)
{
    static const operator_row pow[] = {{"**", KW_TO_POW}};
    static const operator_row mul[] = {
        {"*", KW_TO_MUL}, {"/", KW_TO_DIV}, {"//", KW_TO_FLOORDIV}, {"%", KW_TO_MOD}};
    static const operator_row sum[] = {{"+", KW_TO_ADD}, {"-", KW_TO_SUB}};
    static const struct {
        const operator_row *rows;
        size_t n;
    } levels[] = {{pow, KW_COUNT(pow)}, {mul, KW_COUNT(mul)}, {NULL, 0}, {sum, KW_COUNT(sum)}};
    if (level < 0)
        return parse_unary(p, true, out);
    KW_TRY(parse_level(p, level - 1, out));
    if (!levels[level].rows) {
        node *concat;
        if (!is_op(p, "~"))
            return KW_OK;
        KW_TRY(new_node(p, KW_TN_CONCAT, &concat));
        chain items = {&concat->list};
        append(&items, *out);
        while (skip_op(p, "~")) {
            node *item;
            KW_TRY(parse_level(p, level - 1, &item));
            append(&items, item);
        }
        *out = concat;
        return KW_OK;
    }
    for (;;) {
        node *made;
        const uint32_t line = p->at->line;
        const kw_tpl_op op = take_operator(p, levels[level].rows, levels[level].n);
        if (op == KW_TO_NONE)
            return KW_OK;
        KW_TRY(new_node(p, KW_TN_BINARY, &made));
        made->op = (uint8_t)op;
        made->line = line;
        made->a = *out;
        KW_TRY(parse_level(p, level - 1, &made->b));
        *out = made;
    }
}

static kw_tpl_op take_comparison(parser *p)
{
    static const operator_row rows[] = {{"==", KW_TO_EQ}, {"!=", KW_TO_NE}, {"<", KW_TO_LT},
                                        {"<=", KW_TO_LE}, {">", KW_TO_GT},  {">=", KW_TO_GE}};
    if (skip_name(p, "in"))
        return KW_TO_IN;
    if (is_name(p, "not") && p->at[1].kind == KW_TOK_NAME && kw_str_is(p->at[1].text, "in")) {
        p->at += 2;
        return KW_TO_NOT_IN;
    }
    return take_operator(p, rows, KW_COUNT(rows));
}

#define LEVEL_SUM 3

static kw_status parse_compare(parser *p, node **out)
{
    node *compare = NULL, *made;
    chain items = {&made};
    KW_TRY(parse_level(p, LEVEL_SUM, out));
    for (;;) {
        const kw_tpl_op op = take_comparison(p);
        if (op == KW_TO_NONE)
            return KW_OK;
        if (!compare) {
            KW_TRY(new_node(p, KW_TN_COMPARE, &compare));
            compare->a = *out;
            items.tail = &compare->list;
            *out = compare;
        }
        KW_TRY(new_node(p, KW_TN_ARG, &made));
        made->op = (uint8_t)op;
        KW_TRY(parse_level(p, LEVEL_SUM, &made->a));
        append(&items, made);
    }
}

static kw_status parse_not(parser *p, node **out)
{
    if (!is_name(p, "not"))
        return parse_compare(p, out);
    KW_TRY(new_node(p, KW_TN_NOT, out));
    p->at++;
    KW_TRY(enter(p));
    KW_TRY(parse_not(p, &(*out)->a));
    p->depth--;
    return KW_OK;
}

static kw_status parse_and(parser *p, node **out)
{
    KW_TRY(parse_not(p, out));
    while (skip_name(p, "and")) {
        node *made;
        KW_TRY(new_node(p, KW_TN_AND, &made));
        made->a = *out;
        KW_TRY(parse_not(p, &made->b));
        *out = made;
    }
    return KW_OK;
}

static kw_status parse_or(parser *p, node **out)
{
    KW_TRY(parse_and(p, out));
    while (skip_name(p, "or")) {
        node *made;
        KW_TRY(new_node(p, KW_TN_OR, &made));
        made->a = *out;
        KW_TRY(parse_and(p, &made->b));
        *out = made;
    }
    return KW_OK;
}

kw_status kw_tpl_expression(parser *p, node **out)
{
    KW_TRY(enter(p));
    KW_TRY(parse_or(p, out));
    while (skip_name(p, "if")) {
        node *made;
        KW_TRY(new_node(p, KW_TN_COND, &made));
        made->a = *out;
        KW_TRY(parse_or(p, &made->b));
        if (skip_name(p, "else"))
            KW_TRY(kw_tpl_expression(p, &made->c));
        *out = made;
    }
    p->depth--;
    return KW_OK;
}

kw_status kw_tpl_postfix(parser *p, node **out)
{
    KW_TRY(parse_primary(p, out));
    return parse_postfix(p, out);
}
