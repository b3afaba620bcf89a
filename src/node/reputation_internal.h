/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reputation_internal.h - what reputation.c (scores and bans) and reputation_store.c (the database)
 * share. */
#ifndef KW_NODE_REPUTATION_INTERNAL_H
#define KW_NODE_REPUTATION_INTERNAL_H

#include "node/reputation.h"

#include <sqlite3.h>

/* 'p' and a peer id, '4' and four bytes, '6' and eight. */
typedef struct reputation_key {
    uint8_t len;
    uint8_t bytes[1 + KW_PEER_ID_MAX];
} reputation_key;

enum { REPUTATION_PEERS, REPUTATION_ADDRESSES, REPUTATION_KINDS };

typedef struct reputation_entry {
    struct reputation_entry *next; /* of its bucket */
    reputation_key key;
    double score;  /* at at_ms */
    double change; /* of it, that the database does not have */
    double weight; /* what forgetting it would cost */
    int64_t at_ms;
    int64_t until_ms; /* of the ban; 0: none */
    uint32_t n_bans;
    uint8_t why;           /* kw_conduct + 1; 0: nothing */
    bool by_hand;          /* banned by the owner */
    bool ban_changed;      /* until_ms, n_bans, by_hand: the database is overwritten */
    bool dirty, forgotten; /* forgotten: to be removed from the database */
} reputation_entry;

#define REPUTATION_BUCKETS 1024

typedef struct reputation_table {
    reputation_entry *buckets[REPUTATION_BUCKETS];
    size_t n;
} reputation_table;

struct kw_reputation {
    kw_reputation_config config;
    uint64_t salt;
    reputation_table tables[REPUTATION_KINDS];
    sqlite3 *db;     /* NULL: nothing is kept */
    int64_t version; /* of the database, when it was last read */
    bool dirty;
};

/* ---- reputation.c ---- */
int64_t kw_reputation_now(const kw_reputation *r);
double kw_reputation_decay(double score, int64_t from_ms, int64_t to_ms);
/* The entry of a key, made when it is not there: then by the room that there is. NULL: none. */
reputation_entry *kw_reputation_entry(kw_reputation *r, const reputation_key *key);
reputation_entry *kw_reputation_find(kw_reputation *r, const reputation_key *key);
/* Of the address that a connection comes from or goes to: none behind a relay, none of a name. */
bool kw_reputation_key_of_addr(const kw_multiaddr *addr, reputation_key *out);
void kw_reputation_weigh(reputation_entry *entry); /* after its score was set */
void kw_reputation_drop(kw_reputation *r, reputation_entry *entry);
/* Bans whose score asks for it. */
bool kw_reputation_judge(kw_reputation *r, reputation_entry *entry);

/* ---- reputation_store.c ---- */
kw_status kw_reputation_store_open(kw_reputation *r, kw_error *err);
void kw_reputation_store_close(kw_reputation *r);

#endif
