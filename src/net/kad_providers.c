/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_providers.c - provider records in one array with two chains: by key and by peer.
 *
 * Invariants: records[0 .. n) are in use and each is in exactly the chain of its key and the chain
 * of its peer; a pair of key and peer appears once; no peer has more than max_of_peer. A record
 * costs about 100 bytes, so the default limits end at 10 MB. */
#include "net/kad_providers.h"

#include "base/check.h"

#include <stdlib.h>

#define NONE UINT32_MAX
#define FIRST_CAPACITY 64
#define SAMPLE 16 /* records looked at for one that is far away */

typedef enum chain { BY_KEY, BY_PEER, N_CHAINS } chain;

typedef struct record {
    kw_kad_key key;
    kw_peer_id peer;
    uint64_t expires_ms;
    uint32_t next[N_CHAINS];
} record;

struct kw_kad_providers {
    kw_kad_providers_config config;
    record *records;           /* owned, [capacity] */
    uint32_t *heads[N_CHAINS]; /* owned, [capacity], a power of two */
    size_t n, capacity;
    uint64_t draws;
};

/* Peers choose keys, so the place depends on the salt. Source: the finaliser of MurmurHash3. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}

static uint64_t hash_bytes(const kw_kad_providers *p, const uint8_t *bytes, size_t len)
{
    uint64_t hash = p->config.salt;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, KW_MIN(len - i, 8));
        hash = mix(hash ^ word);
    }
    return hash;
}

static uint32_t *head(const kw_kad_providers *p, chain c, const kw_kad_key *key,
                      const kw_peer_id *peer)
{
    const uint64_t hash = c == BY_KEY ? hash_bytes(p, key->bytes, sizeof key->bytes)
                                      : hash_bytes(p, peer->bytes, peer->len);
    return &p->heads[c][hash & (p->capacity - 1)];
}

static void link_record(kw_kad_providers *p, uint32_t at)
{
    record *r = &p->records[at];
    for (chain c = BY_KEY; c < N_CHAINS; c++) {
        uint32_t *first = head(p, c, &r->key, &r->peer);
        r->next[c] = *first;
        *first = at;
    }
}

/* What points at a record becomes `to`. */
static void repoint(kw_kad_providers *p, uint32_t at, chain c, uint32_t to)
{
    uint32_t *link = head(p, c, &p->records[at].key, &p->records[at].peer);
    while (*link != at)
        link = &p->records[*link].next[c];
    *link = to;
}

/* The last record moves into the gap. */
static void remove_record(kw_kad_providers *p, uint32_t at)
{
    const uint32_t last = (uint32_t)(p->n - 1);
    for (chain c = BY_KEY; c < N_CHAINS; c++)
        repoint(p, at, c, p->records[at].next[c]);
    if (at != last) {
        for (chain c = BY_KEY; c < N_CHAINS; c++)
            repoint(p, last, c, at);
        p->records[at] = p->records[last];
    }
    p->n--;
}

static bool grow(kw_kad_providers *p)
{
    const size_t capacity = p->capacity ? p->capacity * 2 : FIRST_CAPACITY;
    uint32_t *keys = malloc(capacity * sizeof *keys), *peers = malloc(capacity * sizeof *peers);
    record *records = keys && peers ? realloc(p->records, capacity * sizeof *records) : NULL;
    if (!records) {
        free(keys);
        free(peers);
        return false;
    }
    free(p->heads[BY_KEY]);
    free(p->heads[BY_PEER]);
    p->records = records;
    p->heads[BY_KEY] = keys;
    p->heads[BY_PEER] = peers;
    p->capacity = capacity;
    memset(keys, 0xff, capacity * sizeof *keys);
    memset(peers, 0xff, capacity * sizeof *peers);
    for (size_t i = 0; i < p->n; i++)
        link_record(p, (uint32_t)i);
    return true;
}

kw_status kw_kad_providers_open(const kw_kad_providers_config *config, kw_kad_providers **out,
                                kw_error *err)
{
    kw_kad_providers *p = calloc(1, sizeof *p);
    if (!p)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for provider records");
    p->config = *config;
    if (p->config.max_records == 0)
        p->config.max_records = 100000;
    if (p->config.max_of_peer == 0)
        p->config.max_of_peer = 1000;
    if (!grow(p)) {
        kw_kad_providers_free(p);
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for provider records");
    }
    *out = p;
    return KW_OK;
}

void kw_kad_providers_free(kw_kad_providers *p)
{
    if (!p)
        return;
    free(p->records);
    free(p->heads[BY_KEY]);
    free(p->heads[BY_PEER]);
    free(p);
}

static size_t count_of_peer(const kw_kad_providers *p, const kw_peer_id *peer)
{
    size_t n = 0;
    for (uint32_t i = *head(p, BY_PEER, NULL, peer); i != NONE; i = p->records[i].next[BY_PEER])
        n += kw_peer_id_equal(&p->records[i].peer, peer);
    return n;
}

/* Of some records the one farthest from us leaves, when the new one is closer. */
static bool make_room(kw_kad_providers *p, const kw_kad_key *key)
{
    uint32_t farthest = NONE;
    for (int i = 0; i < SAMPLE; i++) {
        const uint32_t at = (uint32_t)(mix(p->config.salt + ++p->draws) % p->n);
        if (farthest == NONE ||
            kw_kad_compare(&p->config.self, &p->records[at].key, &p->records[farthest].key) > 0)
            farthest = at;
    }
    if (kw_kad_compare(&p->config.self, key, &p->records[farthest].key) >= 0)
        return false;
    remove_record(p, farthest);
    return true;
}

static record *find(const kw_kad_providers *p, const kw_kad_key *key, const kw_peer_id *peer)
{
    for (uint32_t i = *head(p, BY_KEY, key, NULL); i != NONE; i = p->records[i].next[BY_KEY]) {
        record *r = &p->records[i];
        if (memcmp(&r->key, key, sizeof *key) == 0 && kw_peer_id_equal(&r->peer, peer))
            return r;
    }
    return NULL;
}

kw_status kw_kad_providers_put(kw_kad_providers *p, const kw_kad_key *key, const kw_peer_id *peer,
                               uint64_t expires_ms, kw_error *err)
{
    record *known = find(p, key, peer);
    if (known) {
        known->expires_ms = KW_MAX(known->expires_ms, expires_ms);
        return KW_OK;
    }
    const size_t n = expires_ms == UINT64_MAX ? 0 : count_of_peer(p, peer);
    if (n >= p->config.max_of_peer)
        return kw_fail(err, KW_E_LIMIT,
                       "kad: a peer has %zu provider records here, the limit is %zu", n,
                       p->config.max_of_peer);
    if (p->n >= p->config.max_records && !make_room(p, key))
        return kw_fail(err, KW_E_LIMIT, "kad: %zu provider records are kept, the limit is %zu",
                       p->n, p->config.max_records);
    if (p->n == p->capacity && !grow(p))
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for %zu provider records", p->n + 1);
    p->records[p->n] = (record){.key = *key, .peer = *peer, .expires_ms = expires_ms};
    link_record(p, (uint32_t)p->n++);
    return KW_OK;
}

void kw_kad_providers_drop(kw_kad_providers *p, const kw_kad_key *key, const kw_peer_id *peer)
{
    const record *known = find(p, key, peer);
    if (known)
        remove_record(p, (uint32_t)(known - p->records));
}

size_t kw_kad_providers_get(const kw_kad_providers *p, const kw_kad_key *key, uint64_t now_ms,
                            kw_peer_id *out, size_t n)
{
    size_t found = 0;
    for (uint32_t i = *head(p, BY_KEY, key, NULL); i != NONE && found < n;
         i = p->records[i].next[BY_KEY]) {
        const record *r = &p->records[i];
        if (r->expires_ms > now_ms && memcmp(&r->key, key, sizeof *key) == 0)
            out[found++] = r->peer;
    }
    return found;
}

void kw_kad_providers_sweep(kw_kad_providers *p, uint64_t now_ms)
{
    for (size_t i = p->n; i-- > 0;) {
        if (p->records[i].expires_ms <= now_ms)
            remove_record(p, (uint32_t)i);
    }
}

size_t kw_kad_providers_count(const kw_kad_providers *p)
{
    return p->n;
}
