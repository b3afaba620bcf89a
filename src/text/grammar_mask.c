/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grammar_mask.c - which tokens may follow a state.
 *
 * Tokens lie in the order of their bytes, which is a trie read depth first: each takes up the
 * states that its predecessor left at their common beginning. A byte that leads nowhere is passed
 * over with all that begins so. */
#include "text/grammar_match.h"

#include "base/check.h"

#include <stdlib.h>

#define MAX_TOKEN_BYTES 512

typedef struct entry {
    kw_str text;
    uint32_t id;
    uint32_t common; /* bytes shared with the one before */
    uint32_t next;   /* the first behind it that shares less with its own predecessor */
} entry;

struct kw_token_index {
    entry *entries;
    size_t n, n_tokens, longest;
    int32_t *ends; /* tokens that end an answer */
    size_t n_ends;
};

static int by_bytes(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const size_t n = KW_MIN(x->text.len, y->text.len);
    const int order = memcmp(x->text.data, y->text.data, n);
    if (order != 0)
        return order;
    if (x->text.len != y->text.len)
        return x->text.len < y->text.len ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* Whether a token writes text of its own that a grammar can see. */
static bool is_text(const kw_tokenizer *t, int32_t id)
{
    const kw_token_kind kind = kw_tokenizer_kind(t, id);
    const kw_str text = kw_tokenizer_surface(t, id);
    return kind != KW_TOKEN_CONTROL && kind != KW_TOKEN_UNKNOWN && !kw_tokenizer_is_end(t, id) &&
           text.len > 0 && text.len <= MAX_TOKEN_BYTES;
}

static void fill(kw_token_index *index, const kw_tokenizer *t)
{
    for (size_t id = 0; id < index->n_tokens && id < kw_tokenizer_size(t); id++) {
        const kw_str text = kw_tokenizer_surface(t, (int32_t)id);
        if (kw_tokenizer_is_end(t, (int32_t)id))
            index->ends[index->n_ends++] = (int32_t)id;
        if (!is_text(t, (int32_t)id))
            continue;
        index->entries[index->n++] = (entry){.text = text, .id = (uint32_t)id};
        index->longest = KW_MAX(index->longest, text.len);
    }
    qsort(index->entries, index->n, sizeof *index->entries, by_bytes);
    for (size_t i = 1; i < index->n; i++) {
        const kw_str a = index->entries[i - 1].text, b = index->entries[i].text;
        uint32_t common = 0;
        while (common < a.len && common < b.len && a.data[common] == b.data[common])
            common++;
        index->entries[i].common = common;
    }
    /* The next entry that shares less with the one before it than this one does. */
    for (size_t i = index->n; i-- > 0;) {
        uint32_t next = (uint32_t)i + 1;
        while (next < index->n && index->entries[next].common >= index->entries[i].common)
            next = index->entries[next].next;
        index->entries[i].next = next;
    }
}

kw_status kw_token_index_create(const kw_tokenizer *tokenizer, size_t n_tokens,
                                kw_token_index **out, kw_error *err)
{
    kw_token_index *index = calloc(1, sizeof *index);
    if (index) {
        index->n_tokens = n_tokens;
        index->entries = calloc(n_tokens + 1, sizeof *index->entries);
        index->ends = calloc(n_tokens + 1, sizeof *index->ends);
    }
    if (!index || !index->entries || !index->ends) {
        kw_token_index_free(index);
        return kw_fail(err, KW_E_NOMEM, "grammar: no memory for %zu tokens", n_tokens);
    }
    fill(index, tokenizer);
    *out = index;
    return KW_OK;
}

void kw_token_index_free(kw_token_index *index)
{
    if (!index)
        return;
    free(index->entries);
    free(index->ends);
    free(index);
}

size_t kw_token_index_mask_words(const kw_token_index *index)
{
    return (index->n_tokens + 31) / 32;
}

/* The first entry behind i that does not share i's first `n` bytes. */
static size_t skip_to(const kw_token_index *index, size_t i, size_t n)
{
    size_t at = i + 1;
    while (at < index->n && index->entries[at].common >= n)
        at = index->entries[at].next; /* those before it share as much */
    return at;
}

static kw_status walk(kw_matcher *m, uint32_t *states, uint32_t *mask, kw_error *err)
{
    const kw_token_index *index = m->index;
    states[0] = m->now;
    for (size_t i = 0; i < index->n;) {
        const entry *e = &index->entries[i];
        size_t n = e->common;
        while (n < e->text.len) {
            const uint8_t byte = (uint8_t)e->text.data[n];
            states[n + 1] = KW_DEAD;
            if (byte != KW_TOKEN_BYTE)
                KW_TRY(kw_matcher_step(m, states[n], byte, &states[n + 1], err));
            n++;
            if (states[n] == KW_DEAD)
                break;
        }
        if (states[n] == KW_DEAD) {
            i = skip_to(index, i, n);
        } else {
            mask[e->id / 32] |= (uint32_t)1 << (e->id % 32);
            i++;
        }
    }
    return KW_OK;
}

/* The tokens that the grammar names, or may be any but one that it names. */
static kw_status add_tokens(kw_matcher *m, uint32_t *mask, kw_error *err)
{
    uint32_t to;
    KW_TRY(kw_matcher_step(m, m->now, KW_TOKEN_BYTE, &to, err));
    for (uint32_t id = 0; id < m->index->n_tokens && to != KW_DEAD; id++) {
        uint32_t after;
        KW_TRY(kw_matcher_step_token(m, m->now, id, &after, err));
        if (after != KW_DEAD)
            mask[id / 32] |= (uint32_t)1 << (id % 32);
    }
    for (size_t i = 0; i < m->index->n_ends; i++)
        mask[m->index->ends[i] / 32] &= ~((uint32_t)1 << (m->index->ends[i] % 32));
    return KW_OK;
}

kw_status kw_matcher_push_token(kw_matcher *m, const kw_tokenizer *tokenizer, int32_t id,
                                bool *fits, kw_error *err)
{
    const bool text = is_text(tokenizer, id);
    *fits = false;
    if (kw_tokenizer_is_end(tokenizer, id) || (!text && !m->grammar->has_tokens))
        return KW_OK;
    return kw_matcher_push_both(m, (uint32_t)id,
                                text ? kw_tokenizer_surface(tokenizer, id) : KW_STR(""), fits, err);
}

kw_status kw_matcher_make_mask(kw_matcher *m, kw_error *err)
{
    const size_t words = kw_token_index_mask_words(m->index);
    uint32_t states[MAX_TOKEN_BYTES + 1];
    if (m->states[m->now].mask)
        return KW_OK;
    uint32_t *mask = kw_arena_array(&m->arena, words, sizeof *mask);
    if (!mask)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", m->grammar->subject);
    KW_TRY(walk(m, states, mask, err));
    if (m->grammar->has_tokens)
        KW_TRY(add_tokens(m, mask, err));
    for (size_t i = 0; i < m->index->n_ends && m->states[m->now].ends; i++)
        mask[m->index->ends[i] / 32] |= (uint32_t)1 << (m->index->ends[i] % 32);
    m->states[m->now].mask = mask;
    m->mask_bytes += words * sizeof *mask;
    return KW_OK;
}
