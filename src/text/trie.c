/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trie.c - see trie.h. */
#include "text/trie.h"

#include "base/check.h"

#define PROBE_MAX 256
/* A node is 24 bits of an edge's key; the hash above gives 25. */
#define NODES_MAX ((size_t)1 << 24)

static kw_status add_edge(kw_trie *trie, uint32_t node, uint8_t byte, uint32_t to, kw_error *err)
{
    const uint32_t key = (node << 8 | byte) + 1;
    size_t at = (uint32_t)(key * 0x9E3779B1u) >> 7 & trie->mask;
    for (size_t probe = 0; probe < PROBE_MAX; probe++, at = (at + 1) & trie->mask) {
        if (trie->edges[at].key != 0)
            continue;
        trie->edges[at] = (kw_trie_edge){key, to};
        trie->probe = KW_MAX(trie->probe, probe + 1);
        return KW_OK;
    }
    return kw_fail(err, KW_E_LIMIT, "vocabulary: more than %d token prefixes collide", PROBE_MAX);
}

static kw_status add_token(kw_trie *trie, kw_str text, int32_t id, kw_error *err)
{
    uint32_t node = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t byte = (uint8_t)text.data[i];
        uint32_t next = kw_trie_next(trie, node, byte);
        if (next == 0) {
            next = trie->n_nodes++;
            trie->ids[next] = -1;
            KW_TRY(add_edge(trie, node, byte, next, err));
        }
        node = next;
    }
    if (trie->ids[node] < 0)
        trie->ids[node] = id;
    return KW_OK;
}

/* Bytes of all tokens, which bounds the nodes. */
static kw_status count_bytes(const kw_str *tokens, const uint8_t *take, size_t n, size_t *bytes,
                             kw_error *err)
{
    *bytes = 1;
    for (size_t i = 0; i < n; i++) {
        if (take && !take[i])
            continue;
        if (tokens[i].len > KW_TRIE_MAX_BYTES)
            return kw_fail(err, KW_E_LIMIT, "vocabulary: token %zu has %zu bytes, over %d", i,
                           tokens[i].len, KW_TRIE_MAX_BYTES);
        *bytes += tokens[i].len;
        if (*bytes > NODES_MAX)
            return kw_fail(err, KW_E_LIMIT, "vocabulary: tokens have more than %zu bytes",
                           NODES_MAX);
    }
    return KW_OK;
}

kw_status kw_trie_build(const kw_str *tokens, const uint8_t *take, size_t n, kw_arena *arena,
                        kw_trie *out, kw_error *err)
{
    kw_trie trie = {.n_nodes = 1};
    size_t bytes, size = 16;
    KW_TRY(count_bytes(tokens, take, n, &bytes, err));
    while (size < bytes + bytes / 2)
        size *= 2;
    trie.edges = kw_arena_array(arena, size, sizeof(*trie.edges));
    trie.ids = kw_arena_array(arena, bytes, sizeof(*trie.ids));
    if (!trie.edges || !trie.ids)
        return kw_fail(err, KW_E_NOMEM, "vocabulary: out of memory for %zu tokens", n);
    trie.mask = size - 1;
    trie.ids[0] = -1;
    for (size_t i = 0; i < n; i++)
        if ((!take || take[i]) && tokens[i].len > 0)
            KW_TRY(add_token(&trie, tokens[i], (int32_t)i, err));
    *out = trie;
    return KW_OK;
}
