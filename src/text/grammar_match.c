/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grammar_match.c - following a text through a grammar.
 *
 * A place is a node that reads bytes and a stack of nodes to return to; stacks are interned as
 * (node, stack below). A state is a sorted set of places, interned too, with a table of the states
 * that its bytes lead to, filled as they are met. When there are too many states, all are forgotten
 * and the text is followed again from its beginning. Where a grammar names tokens, what was
 * followed is kept as entries: the token (NO_TOKEN: none), the length of its text, the text. */
#include "text/grammar_match.h"

#include "base/check.h"
#include "text/grow.h"

#include <stdlib.h>

#define MAX_STATES ((size_t)1 << 14)
#define MAX_STACKS (KW_STACK_SLOTS / 2)
#define MAX_PLACES ((size_t)1 << 13)      /* of a state */
#define MAX_MASK_BYTES ((size_t)64 << 20) /* of all states */

static kw_status no_memory(const kw_matcher *m, kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "%s: out of memory", m->grammar->subject);
}

static uint32_t mix(uint64_t key)
{
    key = (key ^ (key >> 31)) * 0x9E3779B97F4A7C15u;
    return (uint32_t)((key ^ (key >> 29)) >> 16);
}

/* ---- stacks ---- */

/* The stack of `node` on another; 0 is the empty one. */
static kw_status push_stack(kw_matcher *m, uint32_t node, uint32_t below, uint32_t *out,
                            kw_error *err)
{
    size_t at = mix((uint64_t)node << 32 | below) & (KW_STACK_SLOTS - 1);
    for (; m->stack_slots[at] != 0; at = (at + 1) & (KW_STACK_SLOTS - 1)) {
        const kw_stack *s = &m->stacks[m->stack_slots[at]];
        if (s->node == node && s->below == below) {
            *out = m->stack_slots[at];
            return KW_OK;
        }
    }
    if (m->n_stacks >= MAX_STACKS)
        return kw_fail(err, KW_E_LIMIT, "%s: more than %zu stacks of rules", m->grammar->subject,
                       MAX_STACKS);
    kw_stack *stacks = kw_grow(m->stacks, &m->cap_stacks, m->n_stacks + 1, sizeof *stacks);
    if (!stacks)
        return no_memory(m, err);
    m->stacks = stacks;
    stacks[m->n_stacks] = (kw_stack){node, below};
    m->stack_slots[at] = (uint32_t)m->n_stacks;
    *out = (uint32_t)m->n_stacks++;
    return KW_OK;
}

/* ---- places ---- */

/* Adds a place to visit, once. */
static kw_status visit(kw_matcher *m, uint32_t node, uint32_t stack, kw_error *err)
{
    const uint64_t place = (uint64_t)node << 32 | stack;
    size_t at = mix(place) & (KW_SEEN_SLOTS - 1);
    for (; m->seen_mark[at] == m->mark; at = (at + 1) & (KW_SEEN_SLOTS - 1))
        if (m->seen[at] == place)
            return KW_OK;
    if (m->n_todo >= KW_SEEN_SLOTS / 2)
        return kw_fail(err, KW_E_LIMIT, "%s: a text has more than %d readings at once",
                       m->grammar->subject, KW_SEEN_SLOTS / 2);
    m->seen[at] = place;
    m->seen_mark[at] = m->mark;
    m->todo[m->n_todo++] = place;
    return KW_OK;
}

/* What a place stands for without reading: branches, calls, returns. */
static kw_status expand(kw_matcher *m, uint64_t place, kw_error *err)
{
    const kw_grammar *g = m->grammar;
    const kw_gnode *node = &g->nodes[place >> 32];
    uint32_t stack = (uint32_t)place;
    switch (node->kind) {
    case KW_NODE_ANY:
        for (uint32_t i = 0; i < node->n; i++)
            KW_TRY(visit(m, g->branches[node->at + i], stack, err));
        return KW_OK;
    case KW_NODE_CALL:
        /* A call that ends its rule returns where that would. */
        if (g->nodes[node->n].kind != KW_NODE_RETURN)
            KW_TRY(push_stack(m, node->n, stack, &stack, err));
        return visit(m, g->rules[node->at].start, stack, err);
    case KW_NODE_RETURN:
        if (stack == 0)
            m->ends = true;
        else
            return visit(m, m->stacks[stack].node, m->stacks[stack].below, err);
        return KW_OK;
    default:
        if (m->n_found >= MAX_PLACES)
            return kw_fail(err, KW_E_LIMIT, "%s: a text has more than %zu readings at once",
                           g->subject, MAX_PLACES);
        if (node->n > 0)
            m->found[m->n_found++] = place;
        return KW_OK;
    }
}

static void start_set(kw_matcher *m)
{
    m->mark++;
    m->n_todo = m->n_found = 0;
    m->ends = false;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The state of the places to visit. */
static kw_status intern(kw_matcher *m, uint32_t *out, kw_error *err)
{
    uint64_t hash = m->ends;
    for (size_t i = 0; i < m->n_todo; i++) /* grows */
        KW_TRY(expand(m, m->todo[i], err));
    if (m->n_found > 1)
        qsort(m->found, m->n_found, sizeof *m->found, by_value);
    for (size_t i = 0; i < m->n_found; i++)
        hash = (hash ^ m->found[i]) * 0x100000001B3u;
    hash ^= m->ends;
    size_t at = mix(hash) & (KW_STATE_SLOTS - 1);
    for (; m->state_slots[at] != 0; at = (at + 1) & (KW_STATE_SLOTS - 1)) {
        const kw_mstate *s = &m->states[m->state_slots[at] - 1];
        if (s->n == m->n_found && s->ends == m->ends &&
            (s->n == 0 || memcmp(s->places, m->found, s->n * sizeof *s->places) == 0)) {
            *out = m->state_slots[at] - 1;
            return KW_OK;
        }
    }
    if (m->n_states >= MAX_STATES)
        return kw_fail(err, KW_E_LIMIT, "%s: more than %zu states", m->grammar->subject,
                       MAX_STATES);
    kw_mstate *states = kw_grow(m->states, &m->cap_states, m->n_states + 1, sizeof *states);
    uint64_t *places = kw_arena_array(&m->arena, m->n_found, sizeof *places);
    if (states)
        m->states = states;
    if (!states || !places)
        return no_memory(m, err);
    if (m->n_found > 0)
        memcpy(places, m->found, m->n_found * sizeof *places);
    states[m->n_states] = (kw_mstate){.places = places, .n = m->n_found, .ends = m->ends};
    m->state_slots[at] = (uint32_t)++m->n_states;
    *out = (uint32_t)m->n_states - 1;
    return KW_OK;
}

/* The state that a byte leads to. */
static kw_status find_step(kw_matcher *m, uint32_t from, uint8_t byte, uint32_t *out, kw_error *err)
{
    const kw_grammar *g = m->grammar;
    start_set(m);
    for (size_t i = 0; i < m->states[from].n; i++) {
        const uint64_t place = m->states[from].places[i];
        const kw_gnode *node = &g->nodes[place >> 32];
        for (uint32_t k = 0; k < node->n; k++) {
            const kw_edge *edge = &g->edges[node->at + k];
            if (byte >= edge->low && byte <= edge->high)
                KW_TRY(visit(m, edge->to, (uint32_t)place, err));
        }
    }
    if (m->n_todo == 0) {
        *out = KW_DEAD;
        return KW_OK;
    }
    KW_TRY(intern(m, out, err));
    const kw_mstate *s = &m->states[*out];
    if (s->n == 0 && !s->ends)
        *out = KW_DEAD;
    return KW_OK;
}

kw_status kw_matcher_step(kw_matcher *m, uint32_t from, uint8_t byte, uint32_t *out, kw_error *err)
{
    uint32_t *next = m->states[from].next;
    if (!next) {
        next = kw_arena_array(&m->arena, 256, sizeof *next);
        if (!next)
            return no_memory(m, err);
        m->states[from].next = next;
    }
    if (next[byte] == 0) {
        uint32_t to;
        KW_TRY(find_step(m, from, byte, &to, err));
        next[byte] = to + 1; /* KW_DEAD + 1 is not 0 */
    }
    *out = next[byte] - 1;
    return KW_OK;
}

/* ---- forgetting ---- */

static kw_status start(kw_matcher *m, kw_error *err)
{
    kw_arena_free(&m->arena);
    memset(m->state_slots, 0, KW_STATE_SLOTS * sizeof *m->state_slots);
    memset(m->stack_slots, 0, KW_STACK_SLOTS * sizeof *m->stack_slots);
    m->n_states = m->mask_bytes = 0;
    m->n_stacks = 1;
    start_set(m);
    KW_TRY(visit(m, m->grammar->rules[m->grammar->root].start, 0, err));
    return intern(m, &m->first, err);
}

/* The state after bytes; KW_DEAD when they do not fit. */
static kw_status follow(kw_matcher *m, uint32_t from, kw_str bytes, uint32_t *out, kw_error *err)
{
    *out = from;
    for (size_t i = 0; i < bytes.len && *out != KW_DEAD; i++) {
        if ((uint8_t)bytes.data[i] == KW_TOKEN_BYTE)
            *out = KW_DEAD;
        else
            KW_TRY(kw_matcher_step(m, *out, (uint8_t)bytes.data[i], out, err));
    }
    return KW_OK;
}

kw_status kw_matcher_step_token(kw_matcher *m, uint32_t from, uint32_t id, uint32_t *out,
                                kw_error *err)
{
    const uint8_t bytes[] = {KW_TOKEN_BYTE, (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    *out = from;
    for (size_t i = 0; i < sizeof bytes && *out != KW_DEAD; i++)
        KW_TRY(kw_matcher_step(m, *out, bytes[i], out, err));
    return KW_OK;
}

/* The state of the places of two. */
static kw_status join(kw_matcher *m, uint32_t a, uint32_t b, uint32_t *out, kw_error *err)
{
    const uint32_t from[] = {a, b};
    start_set(m);
    for (size_t k = 0; k < KW_COUNT(from); k++) {
        const kw_mstate *s = &m->states[from[k]];
        for (size_t i = 0; i < s->n; i++)
            KW_TRY(visit(m, (uint32_t)(s->places[i] >> 32), (uint32_t)s->places[i], err));
        m->ends = m->ends || s->ends;
    }
    return intern(m, out, err);
}

typedef struct step {
    uint32_t id; /* NO_TOKEN: a text alone */
    kw_str text;
} step;

#define NO_TOKEN (((uint32_t)1 << KW_TOKEN_BITS) - 1)
#define ENTRY_BYTES 5

static kw_status follow_step(kw_matcher *m, uint32_t from, const step *by, uint32_t *out,
                             kw_error *err)
{
    uint32_t token = KW_DEAD;
    *out = KW_DEAD;
    if (by->text.len > 0 || by->id == NO_TOKEN)
        KW_TRY(follow(m, from, by->text, out, err));
    if (by->id != NO_TOKEN)
        KW_TRY(kw_matcher_step_token(m, from, by->id, &token, err));
    if (*out == KW_DEAD)
        *out = token;
    return token == KW_DEAD || token == *out ? KW_OK : join(m, *out, token, out, err);
}

static void note_step(kw_matcher *m, const step *by)
{
    const uint32_t id = by->id;
    const size_t n = by->text.len;
    const char head[ENTRY_BYTES] = {(char)(id >> 16), (char)(id >> 8), (char)id, (char)(n >> 8),
                                    (char)n};
    if (m->grammar->has_tokens)
        kw_buf_add(&m->text, head, sizeof head);
    kw_buf_add(&m->text, by->text.data ? by->text.data : "", n);
}

static kw_status forget(kw_matcher *m, kw_error *err)
{
    KW_TRY(start(m, err));
    if (!m->grammar->has_tokens)
        return follow(m, m->first, (kw_str){m->text.data, m->text.len}, &m->now, err);
    m->now = m->first;
    for (size_t i = 0; i < m->text.len;) {
        const uint8_t *head = (const uint8_t *)m->text.data + i;
        const step by = {(uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2],
                         {m->text.data + i + ENTRY_BYTES, (size_t)head[3] << 8 | head[4]}};
        KW_TRY(follow_step(m, m->now, &by, &m->now, err));
        i += ENTRY_BYTES + by.text.len;
    }
    return KW_OK;
}

/* ---- for callers ---- */

kw_status kw_matcher_create(const kw_grammar *grammar, const kw_token_index *index,
                            kw_matcher **out, kw_error *err)
{
    kw_matcher *m = calloc(1, sizeof *m);
    if (!m)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", grammar->subject);
    *m = (kw_matcher){.grammar = grammar, .index = index};
    m->state_slots = calloc(KW_STATE_SLOTS, sizeof *m->state_slots);
    m->stack_slots = calloc(KW_STACK_SLOTS, sizeof *m->stack_slots);
    m->seen = calloc(KW_SEEN_SLOTS, sizeof *m->seen);
    m->seen_mark = calloc(KW_SEEN_SLOTS, sizeof *m->seen_mark);
    m->todo = calloc(KW_SEEN_SLOTS, sizeof *m->todo);
    m->found = calloc(MAX_PLACES, sizeof *m->found);
    kw_status status = KW_OK;
    if (!m->state_slots || !m->stack_slots || !m->seen || !m->seen_mark || !m->todo || !m->found)
        status = no_memory(m, err);
    if (status == KW_OK)
        status = start(m, err);
    m->now = m->first;
    if (status == KW_OK)
        *out = m;
    else
        kw_matcher_free(m);
    return status;
}

void kw_matcher_free(kw_matcher *m)
{
    if (!m)
        return;
    kw_arena_free(&m->arena);
    kw_buf_free(&m->text);
    free(m->states);
    free(m->stacks);
    free(m->state_slots);
    free(m->stack_slots);
    free(m->seen);
    free(m->seen_mark);
    free(m->todo);
    free(m->found);
    free(m);
}

void kw_matcher_reset(kw_matcher *m)
{
    kw_buf_free(&m->text);
    m->now = m->first;
}

static kw_status push_step(kw_matcher *m, const step *by, bool *fits, kw_error *err)
{
    uint32_t to;
    if (m->grammar->has_tokens && by->text.len > UINT16_MAX)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu bytes at once, the limit is %u",
                       m->grammar->subject, by->text.len, (unsigned)UINT16_MAX);
    kw_status status = follow_step(m, m->now, by, &to, NULL);
    if (status == KW_E_LIMIT) {
        KW_TRY(forget(m, err));
        status = follow_step(m, m->now, by, &to, err);
    }
    if (status != KW_OK)
        return status == KW_E_NOMEM ? no_memory(m, err) : status;
    *fits = to != KW_DEAD;
    if (!*fits)
        return KW_OK;
    m->now = to;
    note_step(m, by);
    return kw_buf_status(&m->text, err);
}

kw_status kw_matcher_push(kw_matcher *m, kw_str bytes, bool *fits, kw_error *err)
{
    return push_step(m, &(step){NO_TOKEN, bytes}, fits, err);
}

kw_status kw_matcher_push_both(kw_matcher *m, uint32_t id, kw_str text, bool *fits, kw_error *err)
{
    return push_step(m, &(step){m->grammar->has_tokens ? id & NO_TOKEN : NO_TOKEN, text}, fits,
                     err);
}

bool kw_matcher_accepts(const kw_matcher *m)
{
    return m->states[m->now].ends;
}

bool kw_matcher_complete(const kw_matcher *m)
{
    return m->states[m->now].ends && m->states[m->now].n == 0;
}

kw_status kw_matcher_mask(kw_matcher *m, const uint32_t **mask, kw_error *err)
{
    if (!m->index)
        return kw_fail(err, KW_E_ARG, "%s: no tokens to choose from", m->grammar->subject);
    const size_t bytes = kw_token_index_mask_words(m->index) * sizeof **mask;
    if (!m->states[m->now].mask && m->mask_bytes + bytes > MAX_MASK_BYTES && m->mask_bytes > 0)
        KW_TRY(forget(m, err));
    kw_status status = kw_matcher_make_mask(m, NULL);
    if (status == KW_E_LIMIT) {
        KW_TRY(forget(m, err));
        status = kw_matcher_make_mask(m, err);
    }
    if (status != KW_OK)
        return status == KW_E_NOMEM ? no_memory(m, err) : status;
    *mask = m->states[m->now].mask;
    return KW_OK;
}
