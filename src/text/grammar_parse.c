/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grammar_parse.c - GBNF as text to rules. A rule ends with its line, except in parentheses and
 * after a bar. */
#include "text/grammar_impl.h"

#include "base/check.h"
#include "base/utf8.h"
#include "text/grow.h"

#include <stdlib.h>

#define MAX_REPEAT 100000

typedef struct reader {
    kw_grammar *g;
    kw_str text;
    size_t at;
    uint32_t line;
    int depth;
    const kw_tokenizer *tokenizer; /* NULL: none */
    kw_error *err;
} reader;

static kw_status fail(const reader *r, const char *what)
{
    return kw_fail(r->err, KW_E_FORMAT, "%s: line %u: %s", r->g->subject, r->line, what);
}

static kw_status no_memory(const reader *r)
{
    return kw_fail(r->err, KW_E_NOMEM, "%s: out of memory", r->g->subject);
}

static char peek(const reader *r, size_t ahead)
{
    return r->at + ahead < r->text.len ? r->text.data[r->at + ahead] : '\0';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Blanks and comments; line ends where they mean nothing. */
static void skip(reader *r, bool lines)
{
    for (; r->at < r->text.len; r->at++) {
        const char c = peek(r, 0);
        if (c == '#') {
            while (r->at + 1 < r->text.len && peek(r, 1) != '\n' && peek(r, 1) != '\r')
                r->at++;
        } else if (c == '\n' && lines) {
            r->line++;
        } else if (c != ' ' && c != '\t' && !(c == '\r' && (lines || peek(r, 1) == '\n'))) {
            return;
        }
    }
}

static kw_status new_part(reader *r, kw_part_kind kind, kw_part **out)
{
    kw_part *made = kw_arena_alloc(&r->g->arena, sizeof *made);
    if (!made)
        return no_memory(r);
    made->kind = (uint8_t)kind;
    *out = made;
    return KW_OK;
}

static kw_str read_word(reader *r)
{
    const size_t start = r->at;
    while (is_word(peek(r, 0)))
        r->at++;
    return (kw_str){r->text.data + start, r->at - start};
}

static kw_status find_rule(reader *r, kw_str name, uint32_t *out)
{
    kw_grammar *g = r->g;
    for (size_t i = 0; i < g->n_rules; i++) {
        if (kw_str_eq(g->rules[i].name, name)) {
            *out = (uint32_t)i;
            return KW_OK;
        }
    }
    kw_grammar_rule *rules = kw_grow(g->rules, &g->cap_rules, g->n_rules + 1, sizeof *rules);
    char *copy = kw_arena_strdup(&g->arena, name);
    if (rules)
        g->rules = rules;
    if (!rules || !copy)
        return no_memory(r);
    if (g->n_rules >= 10000)
        return kw_fail(r->err, KW_E_LIMIT, "%s: more than 10000 rules", g->subject);
    rules[g->n_rules] = (kw_grammar_rule){.name = {copy, name.len}, .line = r->line};
    *out = (uint32_t)g->n_rules++;
    return KW_OK;
}

/* ---- characters ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a literal or class, an escape perhaps. */
static kw_status read_char(reader *r, uint32_t *out)
{
    if (r->at >= r->text.len || peek(r, 0) == '\n')
        return fail(r, "a literal or class has no end on its line");
    if (peek(r, 0) != '\\') {
        r->at += kw_utf8_decode(r->text.data + r->at, r->text.len - r->at, out);
        return KW_OK;
    }
    const char c = peek(r, 1);
    static const char from[] = "nrt", to[] = "\n\r\t";
    const char *known = c ? strchr(from, c) : NULL;
    r->at += 2;
    *out = (uint32_t)(unsigned char)c;
    if (known)
        *out = (uint32_t)to[known - from];
    if (known || (c && strchr("\\\"[]^-.", c)))
        return KW_OK;
    const int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0)
        return fail(r, "an escape that is none of \\n \\r \\t \\\\ \\\" \\[ \\] \\x \\u \\U");
    *out = 0;
    for (int i = 0; i < digits; i++) {
        const int d = hex(peek(r, 0));
        if (d < 0 || *out > 0x10FFFF)
            return fail(r, "an escape without its hexadecimal digits");
        *out = *out * 16 + (uint32_t)d;
        r->at++;
    }
    return *out <= 0x10FFFF ? KW_OK : fail(r, "an escape beyond U+10FFFF");
}

static kw_status read_literal(reader *r, kw_part **out)
{
    kw_buf text = {0};
    kw_status status = KW_OK;
    r->at++;
    while (status == KW_OK && peek(r, 0) != '"') {
        uint32_t c;
        char coded[4];
        status = read_char(r, &c);
        if (status != KW_OK)
            break;
        const size_t n = kw_utf8_encode(c, coded);
        if (n == 0)
            status = fail(r, "a literal has a surrogate");
        kw_buf_add(&text, coded, n);
    }
    r->at++;
    if (status == KW_OK)
        status = new_part(r, KW_PART_LITERAL, out);
    if (status == KW_OK) {
        const char *copy = kw_arena_strdup(&r->g->arena, (kw_str){text.data, text.len});
        (*out)->text = (kw_str){copy, text.len};
        if (!copy || text.failed)
            status = no_memory(r);
    }
    kw_buf_free(&text);
    return status;
}

static kw_status read_class(reader *r, kw_part **out)
{
    kw_char_range *ranges = NULL;
    size_t n = 0, cap = 0;
    kw_status status = KW_OK;
    KW_TRY(new_part(r, KW_PART_CHARS, out));
    r->at++;
    (*out)->negated = peek(r, 0) == '^';
    r->at += (*out)->negated;
    while (status == KW_OK && peek(r, 0) != ']') {
        kw_char_range range = {0, 0};
        status = read_char(r, &range.low);
        range.high = range.low;
        if (status == KW_OK && peek(r, 0) == '-' && peek(r, 1) != ']') {
            r->at++;
            status = read_char(r, &range.high);
        }
        if (status == KW_OK && range.high < range.low)
            status = fail(r, "a range that ends before it begins");
        kw_char_range *more = kw_grow(ranges, &cap, n + 1, sizeof *more);
        if (status == KW_OK && !more)
            status = no_memory(r);
        ranges = more ? more : ranges;
        if (status == KW_OK)
            ranges[n++] = range;
    }
    r->at++;
    if (status == KW_OK) {
        (*out)->ranges = kw_arena_array(&r->g->arena, n, sizeof *ranges);
        (*out)->n_ranges = n;
        if (!(*out)->ranges)
            status = no_memory(r);
        else if (n > 0)
            memcpy((*out)->ranges, ranges, n * sizeof *ranges);
    }
    free(ranges);
    return status;
}

/* ---- tokens ---- */

/* A token by its text: what a tokenizer makes one token of. */
static kw_status find_token(reader *r, kw_str text, uint32_t *out)
{
    int32_t *ids = NULL;
    size_t n = 0;
    if (!r->tokenizer)
        return kw_fail(r->err, KW_E_UNSUPPORTED,
                       "%s: line %u: the token %.*s by its text needs a tokenizer", r->g->subject,
                       r->line, KW_FMT(text));
    KW_TRY(kw_tokenizer_encode(r->tokenizer, text, KW_ENCODE_PARSE, &ids, &n, r->err));
    if (n == 1)
        *out = (uint32_t)ids[0];
    free(ids);
    return n == 1 ? KW_OK
                  : kw_fail(r->err, KW_E_FORMAT, "%s: line %u: %.*s is %zu tokens, not one",
                            r->g->subject, r->line, KW_FMT(text), n);
}

/* "<[1000]>" or "<think>", perhaps behind "!". */
static kw_status read_token(reader *r, kw_part **out)
{
    KW_TRY(new_part(r, KW_PART_TOKEN, out));
    (*out)->negated = peek(r, 0) == '!';
    r->at += (*out)->negated;
    const size_t start = r->at;
    r->g->has_tokens = true;
    if (peek(r, 0) != '<')
        return fail(r, "expected \"<\" behind \"!\"");
    r->at++;
    if (peek(r, 0) == '[') {
        uint32_t *const id = &(*out)->rule;
        for (r->at++; peek(r, 0) >= '0' && peek(r, 0) <= '9'; r->at++) {
            *id = *id * 10 + (uint32_t)(peek(r, 0) - '0');
            if (*id >> KW_TOKEN_BITS)
                return fail(r, "a token beyond any vocabulary");
        }
        if (peek(r, 0) != ']' || peek(r, 1) != '>' || r->at == start + 2)
            return fail(r, "expected \"<[number]>\"");
        r->at += 2;
        return KW_OK;
    }
    while (r->at < r->text.len && peek(r, 0) != '>' && peek(r, 0) != '\n')
        r->at++;
    if (peek(r, 0) != '>')
        return fail(r, "a token has no end on its line");
    r->at++;
    return find_token(r, (kw_str){r->text.data + start, r->at - start}, &(*out)->rule);
}

/* ---- structure ---- */

static kw_status read_choice(reader *r, bool nested, kw_part **out);

static kw_status read_group(reader *r, kw_part **out)
{
    if (++r->depth > KW_GRAMMAR_MAX_NESTING)
        return kw_fail(r->err, KW_E_LIMIT, "%s: line %u: nested deeper than %d levels",
                       r->g->subject, r->line, KW_GRAMMAR_MAX_NESTING);
    r->at++;
    KW_TRY(read_choice(r, true, out));
    skip(r, true);
    if (peek(r, 0) != ')')
        return fail(r, "expected \")\"");
    r->at++;
    r->depth--;
    return KW_OK;
}

static kw_status read_count(reader *r, uint32_t *out)
{
    if (peek(r, 0) < '0' || peek(r, 0) > '9')
        return fail(r, "expected a number of repetitions");
    for (*out = 0; peek(r, 0) >= '0' && peek(r, 0) <= '9'; r->at++) {
        *out = *out * 10 + (uint32_t)(peek(r, 0) - '0');
        if (*out > MAX_REPEAT)
            return kw_fail(r->err, KW_E_LIMIT, "%s: line %u: more than %d repetitions",
                           r->g->subject, r->line, MAX_REPEAT);
    }
    return KW_OK;
}

static kw_status read_braces(reader *r, kw_part *repeat)
{
    r->at++;
    skip(r, false);
    KW_TRY(read_count(r, &repeat->min));
    repeat->max = repeat->min;
    skip(r, false);
    if (peek(r, 0) == ',') {
        r->at++;
        skip(r, false);
        repeat->max = KW_NO_MAX;
        if (peek(r, 0) != '}')
            KW_TRY(read_count(r, &repeat->max));
        skip(r, false);
    }
    if (peek(r, 0) != '}' || repeat->max < repeat->min)
        return fail(r, "expected \"{m}\", \"{m,}\" or \"{m,n}\"");
    r->at++;
    return KW_OK;
}

/* Repetition signs behind a part. */
static kw_status read_repeat(reader *r, kw_part **part)
{
    for (int n = 0;; n++) {
        const char c = peek(r, 0);
        kw_part *repeat;
        if (c == '\0' || !strchr("*+?{", c))
            return KW_OK;
        if (n == 8)
            return fail(r, "too many repetition signs");
        KW_TRY(new_part(r, KW_PART_REPEAT, &repeat));
        repeat->first = *part;
        repeat->min = c == '+';
        repeat->max = c == '?' ? 1 : KW_NO_MAX;
        if (c == '{')
            KW_TRY(read_braces(r, repeat));
        else
            r->at++;
        *part = repeat;
    }
}

static kw_status read_part(reader *r, kw_part **out)
{
    const char c = peek(r, 0);
    if (c == '"')
        KW_TRY(read_literal(r, out));
    else if (c == '[')
        KW_TRY(read_class(r, out));
    else if (c == '(')
        KW_TRY(read_group(r, out));
    else if (c == '<' || c == '!')
        KW_TRY(read_token(r, out));
    else if (c == '.') {
        KW_TRY(new_part(r, KW_PART_CHARS, out));
        (*out)->negated = true;
        r->at++;
    } else {
        KW_TRY(new_part(r, KW_PART_RULE, out));
        KW_TRY(find_rule(r, read_word(r), &(*out)->rule));
    }
    return read_repeat(r, out);
}

static kw_status read_sequence(reader *r, bool nested, kw_part **out)
{
    KW_TRY(new_part(r, KW_PART_ALL, out));
    kw_part **tail = &(*out)->first;
    for (;;) {
        skip(r, nested);
        const char c = peek(r, 0);
        if ((c == '\0' || !strchr("\"[(.<!", c)) && !is_word(c))
            return KW_OK;
        KW_TRY(read_part(r, tail));
        tail = &(*tail)->next;
    }
}

static kw_status read_choice(reader *r, bool nested, kw_part **out)
{
    KW_TRY(new_part(r, KW_PART_ANY, out));
    kw_part **tail = &(*out)->first;
    for (;;) {
        KW_TRY(read_sequence(r, nested, tail));
        tail = &(*tail)->next;
        if (peek(r, 0) != '|')
            return KW_OK;
        r->at++;
        skip(r, true);
    }
}

static kw_status read_rule(reader *r)
{
    uint32_t rule;
    kw_part *body;
    const kw_str name = read_word(r);
    if (name.len == 0)
        return fail(r, "expected the name of a rule");
    KW_TRY(find_rule(r, name, &rule));
    skip(r, false);
    if (peek(r, 0) != ':' || peek(r, 1) != ':' || peek(r, 2) != '=')
        return fail(r, "expected \"::=\"");
    r->at += 3;
    skip(r, true);
    if (r->g->rules[rule].body)
        return fail(r, "a rule is defined twice");
    KW_TRY(read_choice(r, false, &body));
    r->g->rules[rule].body = body;
    if (r->at < r->text.len && peek(r, 0) != '\n' && peek(r, 0) != '\r')
        return fail(r, "expected the end of the rule");
    return KW_OK;
}

kw_status kw_grammar_read(kw_grammar *g, kw_str text, const kw_tokenizer *tokenizer, kw_error *err)
{
    reader r = {.g = g, .text = text, .line = 1, .tokenizer = tokenizer, .err = err};
    if (text.len > KW_GRAMMAR_MAX_BYTES)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu bytes, the limit is %zu", g->subject, text.len,
                       KW_GRAMMAR_MAX_BYTES);
    if (!kw_utf8_valid(text.data, text.len))
        return kw_fail(err, KW_E_FORMAT, "%s: the grammar is not UTF-8", g->subject);
    for (skip(&r, true); r.at < text.len; skip(&r, true))
        KW_TRY(read_rule(&r));
    g->root = g->n_rules;
    for (size_t i = 0; i < g->n_rules; i++) {
        if (kw_str_is(g->rules[i].name, "root"))
            g->root = i;
        if (!g->rules[i].body)
            return kw_fail(err, KW_E_FORMAT, "%s: line %u: there is no rule \"%.*s\"", g->subject,
                           g->rules[i].line, KW_FMT(g->rules[i].name));
    }
    return g->root < g->n_rules
               ? KW_OK
               : kw_fail(err, KW_E_FORMAT, "%s: there is no rule \"root\"", g->subject);
}
