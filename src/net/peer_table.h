/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peer_table.h - a hash table by peer id, intrusive: what is kept begins with a kw_peer_node.
 *
 * Peer ids are chosen by strangers, so the hash is salted with a random number. */
#ifndef KW_NET_PEER_TABLE_H
#define KW_NET_PEER_TABLE_H

#include "base/error.h"
#include "wire/peer_id.h"

typedef struct kw_peer_node {
    struct kw_peer_node *next;
    kw_peer_id id;
} kw_peer_node;

/* Zero-initialised but for salt. Nodes are owned by the user of the table. */
typedef struct kw_peer_table {
    kw_peer_node **slots; /* owned */
    size_t n_slots, n;    /* a power of two, or 0 */
    uint64_t salt;
} kw_peer_table;

kw_peer_node *kw_peer_table_find(const kw_peer_table *table, const kw_peer_id *id);
/* The id is not in the table yet. */
kw_status kw_peer_table_add(kw_peer_table *table, kw_peer_node *node, kw_error *err);
void kw_peer_table_remove(kw_peer_table *table, kw_peer_node *node);
/* Walks all: begin with NULL; the node given may be removed after asking for the one behind it. */
kw_peer_node *kw_peer_table_next(const kw_peer_table *table, const kw_peer_node *node);
/* Only the slots; remove or free the nodes before. */
void kw_peer_table_free(kw_peer_table *table);

#endif
