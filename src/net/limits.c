/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* limits.c - the table of addresses: open addressing over a fixed array.
 *
 * An entry without connections whose buckets are full again says nothing, and its place is free.
 * When none is, a new address is refused: who has so many addresses is refused first. */
#include "net/limits.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define N_PROBES 32

typedef struct entry {
    uint8_t key[9];
    bool used;
    uint32_t n_connections;
    kw_bucket handshakes, requests, credit;
} entry;

/* Debt ends, too: an address that is gone is not remembered for much more than a minute. */
static const kw_rate credit_rate = {64, 4096};
#define FIRST_CREDIT 256.0

struct kw_limits {
    size_t connections;
    kw_rate handshakes, requests;
    uint64_t salt;
    entry entries[KW_LIMITS_ADDRESSES];
};

kw_status kw_limits_open(size_t connections, size_t handshakes, size_t burst, uint64_t salt,
                         kw_limits **out, kw_error *err)
{
    kw_limits *limits = calloc(1, sizeof *limits);
    if (!limits)
        return kw_fail(err, KW_E_NOMEM, "limits: out of memory");
    limits->connections = connections;
    limits->handshakes = (kw_rate){(double)handshakes, (double)burst};
    limits->salt = salt;
    *out = limits;
    return KW_OK;
}

void kw_limits_close(kw_limits *limits)
{
    free(limits);
}

static void key_of(bool ip6, const uint8_t *address, uint8_t key[9])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memset(key, 0, 9);
    if (ip6 && memcmp(address, mapped, sizeof mapped) == 0) {
        ip6 = false;
        address += sizeof mapped;
    }
    key[0] = ip6 ? 6 : 4;
    memcpy(key + 1, address, ip6 ? 8 : 4);
}

static size_t slot_of(const kw_limits *limits, const uint8_t key[9])
{
    uint64_t h = limits->salt;
    for (size_t i = 0; i < 9; i++) {
        h = (h ^ key[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return (size_t)(h ^ (h >> 32));
}

static bool says_nothing(const kw_limits *limits, entry *e, uint64_t now_ms)
{
    return e->n_connections == 0 &&
           kw_bucket_is_full(&e->handshakes, &limits->handshakes, now_ms) &&
           kw_bucket_is_full(&e->requests, &limits->requests, now_ms) &&
           kw_bucket_has(&e->credit, &credit_rate, now_ms) && e->credit.left >= FIRST_CREDIT;
}

/* The entry of a key, or where it may be made (*found false), or NULL. */
static entry *find(kw_limits *limits, const uint8_t key[9], uint64_t now_ms, bool *found)
{
    const size_t slot = slot_of(limits, key);
    entry *room = NULL;
    *found = false;
    for (size_t i = 0; i < N_PROBES; i++) {
        entry *e = &limits->entries[(slot + i) % KW_LIMITS_ADDRESSES];
        if (!e->used) {
            room = room ? room : e;
            continue;
        }
        if (memcmp(e->key, key, sizeof e->key) == 0) {
            *found = true;
            return e;
        }
        if (!room && says_nothing(limits, e, now_ms))
            room = e;
    }
    return room;
}

/* The entry of an address that came in, or NULL. */
static entry *entry_of(kw_limits *limits, bool ip6, const uint8_t *address, uint64_t now_ms)
{
    uint8_t key[9];
    bool found;
    key_of(ip6, address, key);
    entry *e = find(limits, key, now_ms, &found);
    return found ? e : NULL;
}

kw_status kw_limits_enter(kw_limits *limits, bool ip6, const uint8_t *address, uint64_t now_ms,
                          kw_error *err)
{
    uint8_t key[9];
    bool found;
    key_of(ip6, address, key);
    entry *e = find(limits, key, now_ms, &found);
    if (!e)
        return kw_fail(err, KW_E_LIMIT, "host: more than %d addresses ask for connections",
                       KW_LIMITS_ADDRESSES);
    if (!found) {
        *e = (entry){.used = true,
                     .handshakes = kw_bucket_full(&limits->handshakes, now_ms),
                     .requests = kw_bucket_full(&limits->requests, now_ms),
                     .credit = {FIRST_CREDIT, now_ms}};
        memcpy(e->key, key, sizeof key);
    }
    kw_bucket_fill(&e->handshakes, &limits->handshakes, now_ms);
    if (e->n_connections >= limits->connections)
        return kw_fail(err, KW_E_LIMIT, "host: an address has %zu connections already",
                       limits->connections);
    if (e->handshakes.left < 1.0)
        return kw_fail(err, KW_E_LIMIT,
                       "host: an address asks for more than %.0f handshakes a second",
                       limits->handshakes.per_second);
    kw_bucket_spend(&e->handshakes, 1.0);
    e->n_connections++;
    return KW_OK;
}

void kw_limits_set_requests(kw_limits *limits, const kw_rate *rate)
{
    limits->requests = *rate;
}

bool kw_limits_request(kw_limits *limits, bool ip6, const uint8_t *address, double cost,
                       uint64_t now_ms)
{
    entry *e = entry_of(limits, ip6, address, now_ms);
    if (!e)
        return true; /* it never came in: nothing is counted */
    if (!kw_bucket_has(&e->requests, &limits->requests, now_ms))
        return false;
    kw_bucket_spend(&e->requests, cost);
    return true;
}

void kw_limits_earn(kw_limits *limits, bool ip6, const uint8_t *address, double credit,
                    uint64_t now_ms)
{
    entry *e = entry_of(limits, ip6, address, now_ms);
    if (!e)
        return;
    kw_bucket_fill(&e->credit, &credit_rate, now_ms);
    const double sum = e->credit.left + credit;
    e->credit.left = KW_MAX(KW_MIN(sum, credit_rate.burst), -credit_rate.burst);
}

bool kw_limits_has_credit(kw_limits *limits, bool ip6, const uint8_t *address, uint64_t now_ms)
{
    entry *e = entry_of(limits, ip6, address, now_ms);
    return e && kw_bucket_has(&e->credit, &credit_rate, now_ms);
}

void kw_limits_leave(kw_limits *limits, bool ip6, const uint8_t *address, uint64_t now_ms)
{
    entry *e = entry_of(limits, ip6, address, now_ms);
    if (e && e->n_connections > 0)
        e->n_connections--;
}
