/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grammar_impl.h - a grammar as it is parsed, and as nodes. */
#ifndef KW_TEXT_GRAMMAR_IMPL_H
#define KW_TEXT_GRAMMAR_IMPL_H

#include "base/arena.h"
#include "text/grammar.h"

#define KW_GRAMMAR_MAX_NODES ((size_t)1 << 19)
#define KW_GRAMMAR_MAX_NESTING 100

typedef enum kw_part_kind {
    KW_PART_LITERAL, /* text */
    KW_PART_CHARS,   /* ranges: any one of them */
    KW_PART_RULE,    /* rule */
    KW_PART_TOKEN,   /* rule: the id of a token; negated: of any other */
    KW_PART_ALL,     /* first: one after another */
    KW_PART_ANY,     /* first: one of them */
    KW_PART_REPEAT   /* first: min to max times */
} kw_part_kind;

#define KW_NO_MAX UINT32_MAX

/* A token that a grammar names is four bytes of the automaton: this one, which no UTF-8 holds, and
 * its id, the highest byte first. */
#define KW_TOKEN_BYTE 0xFF
#define KW_TOKEN_BITS 24

typedef struct kw_char_range {
    uint32_t low, high;
} kw_char_range;

typedef struct kw_part {
    uint8_t kind;
    bool negated; /* chars, token */
    kw_str text;
    kw_char_range *ranges;
    size_t n_ranges;
    uint32_t rule, min, max;
    struct kw_part *first, *next;
} kw_part;

typedef struct kw_grammar_rule {
    kw_str name;
    kw_part *body;  /* NULL: named and not yet defined */
    uint32_t line;  /* where it was named first */
    uint32_t start; /* node */
    bool nullable;
} kw_grammar_rule;

typedef enum kw_node_kind {
    KW_NODE_RETURN, /* the rule is done */
    KW_NODE_BYTES,  /* edges[at .. at + n) */
    KW_NODE_ANY,    /* branches[at .. at + n), without reading */
    KW_NODE_CALL    /* rule `at`, then node n */
} kw_node_kind;

typedef struct kw_gnode {
    uint32_t at, n;
    uint8_t kind;
} kw_gnode;

typedef struct kw_edge {
    uint32_t to;
    uint8_t low, high;
} kw_edge;

struct kw_grammar {
    kw_arena arena; /* of the parsed form */
    bool has_tokens;
    const char *subject;
    kw_grammar_rule *rules;
    size_t n_rules, cap_rules, root;
    kw_gnode *nodes;
    size_t n_nodes, cap_nodes;
    kw_edge *edges;
    size_t n_edges, cap_edges;
    uint32_t *branches;
    size_t n_branches, cap_branches;
};

/* Text to rules. */
kw_status kw_grammar_read(kw_grammar *g, kw_str text, const kw_tokenizer *tokenizer, kw_error *err);

#endif
