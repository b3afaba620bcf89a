/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peer_table.c - chained hashing; doubles when there are as many nodes as slots. */
#include "net/peer_table.h"

#include <stdlib.h>

static size_t slot_of(const kw_peer_table *table, const kw_peer_id *id)
{
    uint64_t h = table->salt ^ id->len;
    for (size_t i = 0; i < id->len; i++) {
        h = (h ^ id->bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return (size_t)(h ^ (h >> 32)) & (table->n_slots - 1);
}

kw_peer_node *kw_peer_table_find(const kw_peer_table *table, const kw_peer_id *id)
{
    if (table->n_slots == 0)
        return NULL;
    kw_peer_node *node = table->slots[slot_of(table, id)];
    while (node && !kw_peer_id_equal(&node->id, id))
        node = node->next;
    return node;
}

static kw_status grow(kw_peer_table *table, kw_error *err)
{
    kw_peer_table bigger = {
        .n_slots = table->n_slots ? 2 * table->n_slots : 16, .n = table->n, .salt = table->salt};
    bigger.slots = calloc(bigger.n_slots, sizeof(kw_peer_node *));
    if (!bigger.slots)
        return kw_fail(err, KW_E_NOMEM, "peers: out of memory for %zu slots", bigger.n_slots);
    for (size_t i = 0; i < table->n_slots; i++) {
        while (table->slots[i]) {
            kw_peer_node *node = table->slots[i];
            table->slots[i] = node->next;
            kw_peer_node **slot = &bigger.slots[slot_of(&bigger, &node->id)];
            node->next = *slot;
            *slot = node;
        }
    }
    free(table->slots);
    *table = bigger;
    return KW_OK;
}

kw_status kw_peer_table_add(kw_peer_table *table, kw_peer_node *node, kw_error *err)
{
    if (table->n >= table->n_slots)
        KW_TRY(grow(table, err));
    kw_peer_node **slot = &table->slots[slot_of(table, &node->id)];
    node->next = *slot;
    *slot = node;
    table->n++;
    return KW_OK;
}

void kw_peer_table_remove(kw_peer_table *table, kw_peer_node *node)
{
    if (table->n_slots == 0)
        return;
    kw_peer_node **at = &table->slots[slot_of(table, &node->id)];
    while (*at && *at != node)
        at = &(*at)->next;
    if (*at) {
        *at = node->next;
        table->n--;
    }
}

kw_peer_node *kw_peer_table_next(const kw_peer_table *table, const kw_peer_node *node)
{
    if (table->n_slots == 0)
        return NULL;
    if (node && node->next)
        return node->next;
    for (size_t i = node ? slot_of(table, &node->id) + 1 : 0; i < table->n_slots; i++)
        if (table->slots[i])
            return table->slots[i];
    return NULL;
}

void kw_peer_table_free(kw_peer_table *table)
{
    free(table->slots);
    table->slots = NULL;
    table->n_slots = table->n = 0;
}
