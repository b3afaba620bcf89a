/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_table.c - buckets of at most KW_KAD_K peers, one for each length of the common prefix.
 *
 * Invariants: a peer is in the bucket of its prefix and nowhere else; no group of addresses holds
 * more than KW_KAD_GROUP_IN_BUCKET entries of a bucket or KW_KAD_GROUP_IN_TABLE of the table, so
 * that whoever owns a network cannot surround a node; a peer that answers is never driven out.
 * Source: libp2p kad-dht specification; limits of addresses as in go-libp2p. */
#include "net/kad_table.h"

#include "base/check.h"

#include <stdlib.h>

typedef struct bucket {
    kw_kad_entry *entries; /* owned, [KW_KAD_K], or NULL while nobody came */
    size_t n;
} bucket;

struct kw_kad_table {
    kw_kad_key self;
    size_t n;
    bucket buckets[KW_KAD_KEY_BITS];
};

kw_status kw_kad_table_open(const kw_peer_id *self, kw_kad_table **out, kw_error *err)
{
    kw_kad_table *table = calloc(1, sizeof *table);
    if (!table)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for a routing table");
    table->self = kw_kad_key_of_peer(self);
    *out = table;
    return KW_OK;
}

void kw_kad_table_free(kw_kad_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < KW_KAD_KEY_BITS; i++)
        free(table->buckets[i].entries);
    free(table);
}

static kw_kad_entry *find(const kw_kad_table *table, const kw_kad_key *key)
{
    const size_t common = kw_kad_common_bits(&table->self, key);
    if (common == KW_KAD_KEY_BITS)
        return NULL;
    const bucket *b = &table->buckets[common];
    for (size_t i = 0; i < b->n; i++) {
        if (memcmp(b->entries[i].key.bytes, key->bytes, sizeof key->bytes) == 0)
            return &b->entries[i];
    }
    return NULL;
}

static size_t count_group(const bucket *b, uint64_t group)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->entries[i].group == group;
    return n;
}

static bool group_has_room(const kw_kad_table *table, const bucket *b, uint64_t group)
{
    if (group == 0)
        return true;
    if (count_group(b, group) >= KW_KAD_GROUP_IN_BUCKET)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < KW_KAD_KEY_BITS; i++)
        n += count_group(&table->buckets[i], group);
    return n < KW_KAD_GROUP_IN_TABLE;
}

static void remove_entry(kw_kad_table *table, kw_kad_entry *entry)
{
    bucket *b = &table->buckets[kw_kad_common_bits(&table->self, &entry->key)];
    b->n--;
    table->n--;
    *entry = b->entries[b->n];
}

/* The peer with the most failures makes room; false when all answer. */
static bool drop_failing(kw_kad_table *table, bucket *b)
{
    kw_kad_entry *worst = &b->entries[0];
    for (size_t i = 1; i < b->n; i++) {
        if (b->entries[i].failures > worst->failures)
            worst = &b->entries[i];
    }
    if (worst->failures == 0)
        return false;
    remove_entry(table, worst);
    return true;
}

kw_kad_added kw_kad_table_add(kw_kad_table *table, const kw_peer_id *peer, uint64_t group,
                              uint64_t now_ms)
{
    const kw_kad_key key = kw_kad_key_of_peer(peer);
    kw_kad_entry *known = find(table, &key);
    if (known) {
        known->heard_ms = now_ms;
        known->failures = 0;
        return KW_KAD_KNOWN;
    }
    const size_t common = kw_kad_common_bits(&table->self, &key);
    if (common == KW_KAD_KEY_BITS)
        return KW_KAD_REFUSED;
    bucket *b = &table->buckets[common];
    if (!group_has_room(table, b, group))
        return KW_KAD_REFUSED;
    if (!b->entries && !(b->entries = calloc(KW_KAD_K, sizeof *b->entries)))
        return KW_KAD_FAILED;
    if (b->n == KW_KAD_K && !drop_failing(table, b))
        return KW_KAD_FULL;
    b->entries[b->n++] =
        (kw_kad_entry){.peer = *peer, .key = key, .group = group, .heard_ms = now_ms};
    table->n++;
    return KW_KAD_ADDED;
}

void kw_kad_table_failed(kw_kad_table *table, const kw_peer_id *peer)
{
    const kw_kad_key key = kw_kad_key_of_peer(peer);
    kw_kad_entry *entry = find(table, &key);
    if (entry && ++entry->failures >= 2)
        remove_entry(table, entry);
}

size_t kw_kad_table_closest(const kw_kad_table *table, const kw_kad_key *key,
                            const kw_peer_id *except, kw_kad_entry *out, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < KW_KAD_KEY_BITS; i++) {
        const bucket *b = &table->buckets[i];
        for (size_t j = 0; j < b->n; j++) {
            const kw_kad_entry *entry = &b->entries[j];
            if (except && kw_peer_id_equal(&entry->peer, except))
                continue;
            size_t at = found;
            while (at > 0 && kw_kad_compare(key, &entry->key, &out[at - 1].key) < 0)
                at--;
            if (at == n)
                continue;
            found += found < n;
            memmove(out + at + 1, out + at, (found - at - 1) * sizeof *out);
            out[at] = *entry;
        }
    }
    return found;
}

const kw_kad_entry *kw_kad_table_stale(const kw_kad_table *table, uint64_t before_ms)
{
    const kw_kad_entry *oldest = NULL;
    for (size_t i = 0; i < KW_KAD_KEY_BITS; i++) {
        const bucket *b = &table->buckets[i];
        for (size_t j = 0; j < b->n; j++) {
            const kw_kad_entry *entry = &b->entries[j];
            if (entry->heard_ms < before_ms && (!oldest || entry->heard_ms < oldest->heard_ms))
                oldest = entry;
        }
    }
    return oldest;
}

bool kw_kad_table_has(const kw_kad_table *table, const kw_peer_id *peer)
{
    const kw_kad_key key = kw_kad_key_of_peer(peer);
    return find(table, &key) != NULL;
}

size_t kw_kad_table_size(const kw_kad_table *table)
{
    return table->n;
}

size_t kw_kad_table_bucket(const kw_kad_table *table, size_t common_bits)
{
    return common_bits < KW_KAD_KEY_BITS ? table->buckets[common_bits].n : 0;
}

const kw_kad_key *kw_kad_table_self(const kw_kad_table *table)
{
    return &table->self;
}
