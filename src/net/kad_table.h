/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_table.h - the routing table: peers that have answered, in buckets by the leading bits that
 * their keys have in common with ours. */
#ifndef KW_NET_KAD_TABLE_H
#define KW_NET_KAD_TABLE_H

#include "net/kad_key.h"
#include "wire/multiaddr.h"

/* Peers of one group of addresses, which one owner may hold together. */
#define KW_KAD_GROUP_IN_BUCKET 2
#define KW_KAD_GROUP_IN_TABLE 3

typedef struct kw_kad_entry {
    kw_peer_id peer;
    kw_kad_key key;
    uint64_t group;    /* of its address, 0: not counted */
    uint64_t heard_ms; /* when it answered last */
    unsigned failures; /* since then */
} kw_kad_entry;

typedef struct kw_kad_table kw_kad_table;

typedef enum kw_kad_added {
    KW_KAD_ADDED,
    KW_KAD_KNOWN,   /* it was there, and has been heard now */
    KW_KAD_FULL,    /* the bucket is full of peers that answer */
    KW_KAD_REFUSED, /* ourselves, or too many of its group are here */
    KW_KAD_FAILED   /* no memory */
} kw_kad_added;

kw_status kw_kad_table_open(const kw_peer_id *self, kw_kad_table **out, kw_error *err);
void kw_kad_table_free(kw_kad_table *table);
/* A peer has answered. In a full bucket it takes the place of one that has failed since it was
 * heard. */
kw_kad_added kw_kad_table_add(kw_kad_table *table, const kw_peer_id *peer, uint64_t group,
                              uint64_t now_ms);
/* A peer did not answer; the second time in a row it leaves. */
void kw_kad_table_failed(kw_kad_table *table, const kw_peer_id *peer);
/* The peers closest to a key, closest first, at most n; `except` (may be NULL) is left out. */
size_t kw_kad_table_closest(const kw_kad_table *table, const kw_kad_key *key,
                            const kw_peer_id *except, kw_kad_entry *out, size_t n);
/* Who has been heard longest ago, and before this time; NULL: nobody. */
const kw_kad_entry *kw_kad_table_stale(const kw_kad_table *table, uint64_t before_ms);
bool kw_kad_table_has(const kw_kad_table *table, const kw_peer_id *peer);
size_t kw_kad_table_size(const kw_kad_table *table);
/* Peers whose keys have exactly these leading bits in common with ours. */
size_t kw_kad_table_bucket(const kw_kad_table *table, size_t common_bits);
const kw_kad_key *kw_kad_table_self(const kw_kad_table *table);

#endif
