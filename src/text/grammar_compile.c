/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grammar_compile.c - rules to nodes over bytes. A part is compiled before the node that follows
 * it, so its node is known. Repetition is a loop of nodes, never recursion of rules: only calls of
 * rules need a stack, and a call that ends its rule needs none either.
 * Source of the splitting of code points into byte ranges: Thompson's, as in RE2's compile.cc. */
#include "text/grammar_impl.h"

#include "base/check.h"
#include "base/utf8.h"
#include "text/grow.h"

#include <stdlib.h>

typedef struct compiler {
    kw_grammar *g;
    kw_error *err;
    kw_edge *edges; /* of the node being made */
    size_t n_edges, cap_edges;
    size_t work; /* parts compiled: what is empty makes no nodes, and may be repeated */
} compiler;

static kw_status no_memory(const compiler *c)
{
    return kw_fail(c->err, KW_E_NOMEM, "%s: out of memory", c->g->subject);
}

static kw_status add_node(compiler *c, kw_gnode node, uint32_t *out)
{
    kw_grammar *g = c->g;
    if (g->n_nodes >= KW_GRAMMAR_MAX_NODES)
        return kw_fail(c->err, KW_E_LIMIT, "%s: the grammar needs more than %zu nodes", g->subject,
                       KW_GRAMMAR_MAX_NODES);
    kw_gnode *nodes = kw_grow(g->nodes, &g->cap_nodes, g->n_nodes + 1, sizeof *nodes);
    if (!nodes)
        return no_memory(c);
    g->nodes = nodes;
    nodes[g->n_nodes] = node;
    *out = (uint32_t)g->n_nodes++;
    return KW_OK;
}

static kw_status add_branches(compiler *c, size_t n, uint32_t *at)
{
    kw_grammar *g = c->g;
    uint32_t *branches =
        kw_grow(g->branches, &g->cap_branches, g->n_branches + n, sizeof *branches);
    if (!branches)
        return no_memory(c);
    g->branches = branches;
    *at = (uint32_t)g->n_branches;
    g->n_branches += n;
    return KW_OK;
}

/* A node of edges[n], which move into the grammar. */
static kw_status add_bytes(compiler *c, const kw_edge *edges, size_t n, uint32_t *out)
{
    kw_grammar *g = c->g;
    kw_edge *all = kw_grow(g->edges, &g->cap_edges, g->n_edges + n, sizeof *all);
    if (!all)
        return no_memory(c);
    g->edges = all;
    if (n > 0)
        memcpy(all + g->n_edges, edges, n * sizeof *all);
    g->n_edges += n;
    return add_node(c, (kw_gnode){(uint32_t)(g->n_edges - n), (uint32_t)n, KW_NODE_BYTES}, out);
}

static kw_status add_choice(compiler *c, uint32_t a, uint32_t b, uint32_t *out)
{
    uint32_t at;
    KW_TRY(add_branches(c, 2, &at));
    c->g->branches[at] = a;
    c->g->branches[at + 1] = b;
    return add_node(c, (kw_gnode){at, 2, KW_NODE_ANY}, out);
}

/* ---- characters ---- */

/* Adds code points whose encodings differ in whole ranges of each byte. */
static kw_status add_sequence(compiler *c, uint32_t low, uint32_t high, uint32_t next)
{
    char a[4], b[4];
    const size_t n = kw_utf8_encode(low, a);
    if (n == 0 || kw_utf8_encode(high, b) != n)
        return KW_OK; /* not reached: surrogates are cut out before */
    for (size_t i = n; i-- > 1;) {
        const kw_edge edge = {next, (uint8_t)a[i], (uint8_t)b[i]};
        KW_TRY(add_bytes(c, &edge, 1, &next));
    }
    kw_edge *edges = kw_grow(c->edges, &c->cap_edges, c->n_edges + 1, sizeof *edges);
    if (!edges)
        return no_memory(c);
    c->edges = edges;
    edges[c->n_edges++] = (kw_edge){next, (uint8_t)a[0], (uint8_t)b[0]};
    return KW_OK;
}

static kw_status add_range(compiler *c, uint32_t low, uint32_t high, uint32_t next)
{
    static const uint32_t last[] = {0x7F, 0x7FF, 0xD7FF, 0xDFFF, 0xFFFF};
    for (size_t i = 0; i < KW_COUNT(last); i++) {
        if (low <= last[i] && high > last[i]) {
            KW_TRY(add_range(c, low, last[i], next));
            return add_range(c, last[i] + 1, high, next);
        }
    }
    if (low >= 0xD800 && high <= 0xDFFF)
        return KW_OK;
    for (int i = 1; i < 4 && high > 0x7F; i++) {
        const uint32_t mask = ((uint32_t)1 << (6 * i)) - 1;
        if ((low & ~mask) == (high & ~mask))
            continue;
        if ((low & mask) != 0) {
            KW_TRY(add_range(c, low, low | mask, next));
            return add_range(c, (low | mask) + 1, high, next);
        }
        if ((high & mask) != mask) {
            KW_TRY(add_range(c, low, (high & ~mask) - 1, next));
            return add_range(c, high & ~mask, high, next);
        }
    }
    return add_sequence(c, low, high, next);
}

static int by_low(const void *a, const void *b)
{
    const kw_char_range *x = a, *y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

static kw_status compile_chars(compiler *c, const kw_part *part, uint32_t next, uint32_t *out)
{
    uint32_t free_from = 0; /* of a negated class: the first character not yet passed */
    uint32_t done_to = 0;   /* of a plain one: characters below are done */
    c->n_edges = 0;
    if (part->n_ranges > 1)
        qsort(part->ranges, part->n_ranges, sizeof *part->ranges, by_low);
    for (size_t i = 0; i < part->n_ranges; i++) {
        const kw_char_range r = part->ranges[i];
        if (part->negated) {
            if (r.low > free_from)
                KW_TRY(add_range(c, free_from, r.low - 1, next));
            free_from = KW_MAX(free_from, r.high + 1);
        } else if (r.high >= done_to) {
            KW_TRY(add_range(c, KW_MAX(r.low, done_to), r.high, next));
            done_to = r.high + 1;
        }
    }
    if (part->negated && free_from <= 0x10FFFF)
        KW_TRY(add_range(c, free_from, 0x10FFFF, next));
    return add_bytes(c, c->edges, c->n_edges, out);
}

/* Tokens as bytes; of a negated one each byte parts the ids below, equal and above. */
static kw_status compile_token(compiler *c, const kw_part *part, uint32_t next, uint32_t *out)
{
    uint32_t any = next, same = next;
    for (unsigned shift = 0; shift < KW_TOKEN_BITS; shift += 8) {
        const uint8_t byte = (uint8_t)(part->rule >> shift);
        kw_edge edges[3];
        size_t n = 0;
        if (part->negated && byte > 0)
            edges[n++] = (kw_edge){any, 0, (uint8_t)(byte - 1)};
        if (!part->negated || shift > 0)
            edges[n++] = (kw_edge){same, byte, byte};
        if (part->negated && byte < 0xFF)
            edges[n++] = (kw_edge){any, (uint8_t)(byte + 1), 0xFF};
        KW_TRY(add_bytes(c, edges, n, &same));
        const kw_edge all = {any, 0, 0xFF};
        if (part->negated)
            KW_TRY(add_bytes(c, &all, 1, &any));
    }
    const kw_edge first = {same, KW_TOKEN_BYTE, KW_TOKEN_BYTE};
    return add_bytes(c, &first, 1, out);
}

/* ---- parts ---- */

static kw_status compile(compiler *c, const kw_part *part, uint32_t next, uint32_t *out);

static kw_status compile_literal(compiler *c, kw_str text, uint32_t next, uint32_t *out)
{
    for (size_t i = text.len; i-- > 0;) {
        const kw_edge edge = {next, (uint8_t)text.data[i], (uint8_t)text.data[i]};
        KW_TRY(add_bytes(c, &edge, 1, &next));
    }
    *out = next;
    return KW_OK;
}

/* From the last to the first; a list is as long as a text of its rule, so it is reversed once. */
static kw_status compile_all(compiler *c, const kw_part *part, uint32_t next, uint32_t *out)
{
    size_t n = 0;
    for (const kw_part *p = part->first; p; p = p->next)
        n++;
    const kw_part **parts = malloc((n + 1) * sizeof *parts);
    kw_status status = parts ? KW_OK : no_memory(c);
    n = 0;
    for (const kw_part *p = part->first; p && parts; p = p->next)
        parts[n++] = p;
    while (status == KW_OK && n-- > 0)
        status = compile(c, parts[n], next, &next);
    free(parts);
    *out = next;
    return status;
}

static kw_status compile_any(compiler *c, const kw_part *part, uint32_t next, uint32_t *out)
{
    size_t n = 0;
    uint32_t at;
    for (const kw_part *p = part->first; p; p = p->next)
        n++;
    if (n == 1)
        return compile(c, part->first, next, out);
    KW_TRY(add_branches(c, n, &at));
    n = 0;
    for (const kw_part *p = part->first; p; p = p->next) {
        uint32_t start;
        KW_TRY(compile(c, p, next, &start));
        c->g->branches[at + n++] = start;
    }
    return add_node(c, (kw_gnode){at, (uint32_t)n, KW_NODE_ANY}, out);
}

static kw_status compile_repeat(compiler *c, const kw_part *part, uint32_t next, uint32_t *out)
{
    uint32_t start = next;
    if (part->max == KW_NO_MAX) {
        uint32_t body;
        KW_TRY(add_choice(c, next, next, &start)); /* the first branch becomes the body */
        KW_TRY(compile(c, part->first, start, &body));
        c->g->branches[c->g->nodes[start].at] = body;
    }
    for (uint32_t i = part->min; part->max != KW_NO_MAX && i < part->max; i++) {
        KW_TRY(compile(c, part->first, start, &start));
        KW_TRY(add_choice(c, start, next, &start));
    }
    for (uint32_t i = 0; i < part->min; i++)
        KW_TRY(compile(c, part->first, start, &start));
    *out = start;
    return KW_OK;
}

static kw_status compile(compiler *c, const kw_part *part, uint32_t next, uint32_t *out)
{
    if (++c->work > 8 * KW_GRAMMAR_MAX_NODES)
        return kw_fail(c->err, KW_E_LIMIT, "%s: the grammar repeats too much", c->g->subject);
    switch (part->kind) {
    case KW_PART_LITERAL:
        return compile_literal(c, part->text, next, out);
    case KW_PART_CHARS:
        return compile_chars(c, part, next, out);
    case KW_PART_TOKEN:
        return compile_token(c, part, next, out);
    case KW_PART_RULE:
        return add_node(c, (kw_gnode){part->rule, next, KW_NODE_CALL}, out);
    case KW_PART_ALL:
        return compile_all(c, part, next, out);
    case KW_PART_ANY:
        return compile_any(c, part, next, out);
    default:
        return compile_repeat(c, part, next, out);
    }
}

/* ---- left recursion ---- */

#define MAX_VISITS ((size_t)1 << 27)

/* What walks over the beginnings of rules need. Marks are the number of the walk. */
typedef struct walk {
    uint32_t *stack;  /* [nodes] to visit */
    uint32_t *seen;   /* [nodes] */
    uint32_t *called; /* [rules] mark of those called before anything is read */
    uint32_t *calls;  /* [rules] their list */
    size_t n, n_calls, visits;
    uint32_t mark;
} walk;

static void visit(walk *w, uint32_t node)
{
    if (w->seen[node] != w->mark)
        w->stack[w->n++] = node;
    w->seen[node] = w->mark;
}

/* Lists what a rule calls before it reads; true when it may read nothing at all. */
static bool walk_rule(const kw_grammar *g, const kw_grammar_rule *rule, walk *w)
{
    bool ends = false;
    w->mark++;
    w->n = w->n_calls = 0;
    visit(w, rule->start);
    for (; w->n > 0; w->visits++) {
        const kw_gnode *node = &g->nodes[w->stack[--w->n]];
        ends = ends || node->kind == KW_NODE_RETURN;
        for (uint32_t i = 0; node->kind == KW_NODE_ANY && i < node->n; i++)
            visit(w, g->branches[node->at + i]);
        if (node->kind != KW_NODE_CALL)
            continue;
        if (w->called[node->at] != w->mark)
            w->calls[w->n_calls++] = node->at;
        w->called[node->at] = w->mark;
        if (g->rules[node->at].nullable)
            visit(w, node->n);
    }
    w->visits += g->n_rules / 64 + 1;
    return ends;
}

static kw_status check_visits(const kw_grammar *g, const walk *w, kw_error *err)
{
    return w->visits <= MAX_VISITS
               ? KW_OK
               : kw_fail(err, KW_E_LIMIT, "%s: the rules are too many and too deep to check",
                         g->subject);
}

static kw_status find_nullable(kw_grammar *g, walk *w, kw_error *err)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = g->n_rules; i-- > 0;) {
            if (g->rules[i].nullable || !walk_rule(g, &g->rules[i], w))
                continue;
            g->rules[i].nullable = true;
            changed = true;
        }
        KW_TRY(check_visits(g, w, err));
    }
    return KW_OK;
}

/* Takes away rules that call only rules taken away before; what is left goes round in a circle. */
static kw_status find_circle(kw_grammar *g, walk *w, uint8_t *done, kw_error *err)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = g->n_rules; i-- > 0;) {
            bool open = false;
            if (done[i])
                continue;
            (void)walk_rule(g, &g->rules[i], w);
            for (size_t k = 0; k < w->n_calls; k++)
                open = open || !done[w->calls[k]];
            done[i] = !open;
            changed = changed || !open;
        }
        KW_TRY(check_visits(g, w, err));
    }
    for (size_t i = 0; i < g->n_rules; i++)
        if (!done[i])
            return kw_fail(err, KW_E_UNSUPPORTED,
                           "%s: rule \"%.*s\" is left-recursive, or begins with one that is",
                           g->subject, KW_FMT(g->rules[i].name));
    return KW_OK;
}

static kw_status check_recursion(kw_grammar *g, kw_error *err)
{
    walk w = {.stack = calloc(g->n_nodes + 1, sizeof *w.stack),
              .seen = calloc(g->n_nodes + 1, sizeof *w.seen),
              .called = calloc(g->n_rules + 1, sizeof *w.called),
              .calls = calloc(g->n_rules + 1, sizeof *w.calls)};
    uint8_t *done = calloc(g->n_rules + 1, 1);
    kw_status status = KW_OK;
    if (!w.stack || !w.seen || !w.calls || !w.called || !done)
        status = kw_fail(err, KW_E_NOMEM, "%s: out of memory", g->subject);
    if (status == KW_OK)
        status = find_nullable(g, &w, err);
    if (status == KW_OK)
        status = find_circle(g, &w, done, err);
    free(w.stack);
    free(w.seen);
    free(w.called);
    free(w.calls);
    free(done);
    return status;
}

/* Rules to nodes; refuses left recursion. */
static kw_status compile_rules(kw_grammar *g, kw_error *err)
{
    compiler c = {.g = g, .err = err};
    uint32_t end;
    kw_status status = add_node(&c, (kw_gnode){0, 0, KW_NODE_RETURN}, &end);
    for (size_t i = 0; i < g->n_rules && status == KW_OK; i++)
        status = compile(&c, g->rules[i].body, end, &g->rules[i].start);
    free(c.edges);
    return status == KW_OK ? check_recursion(g, err) : status;
}

/* ---- the whole ---- */

kw_status kw_grammar_parse(kw_str text, const char *subject, kw_grammar **out, kw_error *err)
{
    return kw_grammar_parse_for(text, subject, NULL, out, err);
}

kw_status kw_grammar_parse_for(kw_str text, const char *subject, const kw_tokenizer *tokenizer,
                               kw_grammar **out, kw_error *err)
{
    kw_grammar *g = calloc(1, sizeof *g);
    kw_status status = KW_OK;
    if (g)
        g->subject = kw_arena_strdup(&g->arena, kw_str_from(subject));
    if (!g || !g->subject)
        status = kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
    if (status == KW_OK)
        status = kw_grammar_read(g, text, tokenizer, err);
    if (status == KW_OK)
        status = compile_rules(g, err);
    if (status == KW_OK)
        *out = g;
    else
        kw_grammar_free(g);
    return status;
}

void kw_grammar_free(kw_grammar *g)
{
    if (!g)
        return;
    kw_arena_free(&g->arena);
    free(g->rules);
    free(g->nodes);
    free(g->edges);
    free(g->branches);
    free(g);
}
