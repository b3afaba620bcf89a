/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trie.h - tokens by their bytes, walked a byte at a time.
 *
 * The edges are one hash table of (node, byte), so that a node with thousands of children costs as
 * much as one with one. A set of tokens made to collide is refused instead of slow. */
#ifndef KW_TEXT_TRIE_H
#define KW_TEXT_TRIE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Longest token: it bounds the work at each place of a text. */
#define KW_TRIE_MAX_BYTES 1024

typedef struct kw_trie_edge {
    uint32_t key; /* node << 8 | byte, plus 1; 0: empty */
    uint32_t node;
} kw_trie_edge;

typedef struct kw_trie {
    kw_trie_edge *edges; /* in the arena */
    int32_t *ids;        /* [nodes] the token that ends here, or -1; in the arena */
    uint32_t n_nodes;    /* the root is node 0 */
    size_t mask, probe;
} kw_trie;

/* The tokens for which `take` (NULL: all) is not 0. Empty ones are left out; of equal ones the
 * first counts. */
kw_status kw_trie_build(const kw_str *tokens, const uint8_t *take, size_t n, kw_arena *arena,
                        kw_trie *out, kw_error *err);

/* The node that a byte leads to, or 0: nowhere. */
static inline uint32_t kw_trie_next(const kw_trie *trie, uint32_t node, uint8_t byte)
{
    const uint32_t key = (node << 8 | byte) + 1;
    size_t at = (uint32_t)(key * 0x9E3779B1u) >> 7 & trie->mask;
    for (size_t probe = 0; probe < trie->probe; probe++, at = (at + 1) & trie->mask) {
        if (trie->edges[at].key == key)
            return trie->edges[at].node;
        if (trie->edges[at].key == 0)
            break;
    }
    return 0;
}

#endif
