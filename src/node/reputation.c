/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reputation.c - scores, bans, and which rows are worth keeping. See reputation.h.
 *
 * A score is held as it was at some time and halves with every HALF_LIFE_MS since. What is worth
 * least (weight) is then the same at any time: the time of the score plus a half-life for each
 * doubling of it, computed when the score changes. */
#include "node/reputation_internal.h"

#include "base/check.h"
#include "crypto/crypto.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HALF_LIFE_MS 3600000.0
#define SCORE_MIN (-100.0)
#define SCORE_MAX 20.0
#define POINTS_A_MIB 1.0
#define AFTER_BAN (KW_REPUTATION_BAN_AT / 2) /* on probation */
#define FIRST_BAN_MS INT64_C(600000)
#define LONGEST_BAN_MS INT64_C(604800000)

static const struct {
    const char *name;
    double peer;    /* points */
    double address; /* of one behind which a known peer did it */
    double alone;   /* of one that did it before anybody said who he is */
    double floor;   /* no further down by this */
} conducts[KW_N_CONDUCTS] = {
    [KW_CONDUCT_BAD_BLOCK] = {"bad block", 100, 25, 100, SCORE_MIN},
    [KW_CONDUCT_MALFORMED] = {"malformed", 20, 5, 10, SCORE_MIN},
    [KW_CONDUCT_ABUSE] = {"abuse", 2, 0.5, 2, SCORE_MIN},
    [KW_CONDUCT_SLOW] = {"slow", 5, 1.25, 5, SCORE_MIN},
    [KW_CONDUCT_STALL] = {"stall", 10, 0, 0, -60},
    [KW_CONDUCT_LOST] = {"lost", 4, 0, 0, -20},
    [KW_CONDUCT_WRONG_MANIFEST] = {"wrong manifest", 100, 25, 100, SCORE_MIN},
};

const char *kw_conduct_name(kw_conduct what)
{
    return what < KW_N_CONDUCTS ? conducts[what].name : "";
}

int64_t kw_reputation_now(const kw_reputation *r)
{
    if (r->config.now)
        return r->config.now(r->config.user);
    struct timespec t;
    return timespec_get(&t, TIME_UTC) ? (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 : 0;
}

double kw_reputation_decay(double score, int64_t from_ms, int64_t to_ms)
{
    return to_ms > from_ms ? score * exp2(-((double)to_ms - (double)from_ms) / HALF_LIFE_MS)
                           : score;
}

/* ---- keys ---- */

static bool key_of_peer(const kw_peer_id *peer, reputation_key *out)
{
    *out = (reputation_key){0};
    if (!peer || peer->len == 0)
        return false;
    out->bytes[0] = 'p';
    memcpy(out->bytes + 1, peer->bytes, peer->len);
    out->len = (uint8_t)(1 + peer->len);
    return true;
}

bool kw_reputation_key_of_addr(const kw_multiaddr *addr, reputation_key *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    kw_multiaddr_part ip, circuit;
    size_t at = 0;
    *out = (reputation_key){0};
    if (!addr || addr->len == 0 || !kw_multiaddr_next(addr, &at, &ip) ||
        kw_multiaddr_find(addr, KW_MA_P2P_CIRCUIT, &circuit))
        return false;
    const uint8_t *bytes = ip.value.data;
    bool six = ip.code == KW_MA_IP6;
    if (!six && ip.code != KW_MA_IP4)
        return false;
    if (six && memcmp(bytes, mapped, sizeof mapped) == 0) {
        bytes += sizeof mapped;
        six = false;
    }
    out->bytes[0] = six ? '6' : '4';
    memcpy(out->bytes + 1, bytes, six ? 8 : 4);
    out->len = six ? 9 : 5;
    return true;
}

static bool is_loopback(const kw_multiaddr *addr)
{
    static const uint8_t four[4] = {127, 0, 0, 1}, six[16] = {[15] = 1};
    kw_multiaddr_part ip;
    size_t at = 0;
    return kw_multiaddr_next(addr, &at, &ip) &&
           (ip.code == KW_MA_IP6 ? memcmp(ip.value.data, six, sizeof six) == 0
                                 : memcmp(ip.value.data, four, sizeof four) == 0);
}

/* ---- the tables ---- */

static reputation_table *table_of(kw_reputation *r, const reputation_key *key)
{
    return &r->tables[key->bytes[0] == 'p' ? REPUTATION_PEERS : REPUTATION_ADDRESSES];
}

static size_t bucket_of(const kw_reputation *r, const reputation_key *key)
{
    uint64_t h = r->salt;
    for (size_t i = 0; i < key->len; i++) {
        h = (h ^ key->bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return (size_t)((h ^ (h >> 32)) % REPUTATION_BUCKETS);
}

reputation_entry *kw_reputation_find(kw_reputation *r, const reputation_key *key)
{
    reputation_entry *e = table_of(r, key)->buckets[bucket_of(r, key)];
    while (e && (e->key.len != key->len || memcmp(e->key.bytes, key->bytes, key->len) != 0))
        e = e->next;
    return e;
}

void kw_reputation_drop(kw_reputation *r, reputation_entry *entry)
{
    reputation_table *const table = table_of(r, &entry->key);
    reputation_entry **at = &table->buckets[bucket_of(r, &entry->key)];
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    table->n--;
    free(entry);
}

/* How much it would cost to forget it; bans of the owner are never forgotten. */
static double weight(const reputation_entry *e, int64_t now)
{
    if (e->until_ms > now)
        return e->by_hand ? DBL_MAX : 1e300 + (double)e->until_ms * 1e280;
    return e->weight;
}

static bool make_room(kw_reputation *r, reputation_table *table)
{
    const int64_t now = kw_reputation_now(r);
    reputation_entry *least = NULL;
    double worth = DBL_MAX;
    if (table->n < KW_REPUTATION_ROWS)
        return true;
    for (size_t i = 0; i < REPUTATION_BUCKETS; i++)
        for (reputation_entry *e = table->buckets[i]; e; e = e->next)
            if (weight(e, now) < worth) {
                worth = weight(e, now);
                least = e;
            }
    if (!least)
        return false;
    kw_reputation_drop(r, least);
    return true;
}

reputation_entry *kw_reputation_entry(kw_reputation *r, const reputation_key *key)
{
    reputation_entry *e = kw_reputation_find(r, key);
    if (e)
        return e;
    reputation_table *const table = table_of(r, key);
    if (!make_room(r, table))
        return NULL;
    e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->key = *key;
    e->at_ms = kw_reputation_now(r);
    reputation_entry **const bucket = &table->buckets[bucket_of(r, key)];
    e->next = *bucket;
    *bucket = e;
    table->n++;
    return e;
}

/* ---- scores ---- */

void kw_reputation_weigh(reputation_entry *e)
{
    e->weight = (double)e->at_ms + HALF_LIFE_MS * log2(fabs(e->score) + 1e-6);
}

static void change(kw_reputation *r, reputation_entry *e, double points, double floor)
{
    const int64_t now = kw_reputation_now(r);
    const double before = kw_reputation_decay(e->score, e->at_ms, now);
    double after = before + points;
    if (points < 0)
        after = KW_MAX(after, KW_MIN(before, floor));
    after = KW_MIN(KW_MAX(after, SCORE_MIN), KW_MAX(SCORE_MAX, before));
    e->change = kw_reputation_decay(e->change, e->at_ms, now) + after - before;
    e->score = after;
    e->at_ms = KW_MAX(now, e->at_ms);
    e->dirty = r->dirty = true;
    e->forgotten = false;
    kw_reputation_weigh(e);
}

static int64_t length_of_ban(uint32_t n_bans)
{
    int64_t ms = FIRST_BAN_MS;
    for (uint32_t i = 1; i < n_bans && ms < LONGEST_BAN_MS; i++)
        ms *= 4;
    return KW_MIN(ms, LONGEST_BAN_MS);
}

bool kw_reputation_judge(kw_reputation *r, reputation_entry *e)
{
    const int64_t now = kw_reputation_now(r);
    if (e->until_ms > now || kw_reputation_decay(e->score, e->at_ms, now) > KW_REPUTATION_BAN_AT)
        return false;
    if (now - e->until_ms > LONGEST_BAN_MS)
        e->n_bans = 0;
    e->n_bans++;
    e->until_ms = now + length_of_ban(e->n_bans);
    e->by_hand = false;
    e->ban_changed = true;
    change(r, e, AFTER_BAN - kw_reputation_decay(e->score, e->at_ms, now), SCORE_MIN);
    return true;
}

static void blame(kw_reputation *r, const reputation_key *key, double points, kw_conduct what)
{
    if (points <= 0)
        return;
    reputation_entry *const e = kw_reputation_entry(r, key);
    if (!e || e->until_ms > kw_reputation_now(r))
        return; /* what it still does while it is shown out is paid for */
    change(r, e, -points, conducts[what].floor);
    e->why = (uint8_t)(what + 1);
    if (kw_reputation_judge(r, e) && r->config.banned)
        r->config.banned(r->config.user);
}

void kw_reputation_report(kw_reputation *r, const kw_peer_id *peer, const kw_multiaddr *addr,
                          kw_conduct what)
{
    reputation_key key;
    const bool known = key_of_peer(peer, &key);
    if (known)
        blame(r, &key, conducts[what].peer, what);
    if (kw_reputation_key_of_addr(addr, &key) && !is_loopback(addr))
        blame(r, &key, known ? conducts[what].address : conducts[what].alone, what);
}

void kw_reputation_good(kw_reputation *r, const kw_peer_id *peer, uint64_t bytes)
{
    reputation_key key;
    reputation_entry *const e = key_of_peer(peer, &key) ? kw_reputation_entry(r, &key) : NULL;
    if (e)
        change(r, e, (double)bytes / 1048576.0 * POINTS_A_MIB, SCORE_MIN);
}

static bool is_banned(kw_reputation *r, const reputation_key *key)
{
    const reputation_entry *const e = kw_reputation_find(r, key);
    return e && e->until_ms > kw_reputation_now(r);
}

bool kw_reputation_allows(kw_reputation *r, const kw_peer_id *peer, const kw_multiaddr *addr)
{
    reputation_key key;
    return !(key_of_peer(peer, &key) && is_banned(r, &key)) &&
           !(kw_reputation_key_of_addr(addr, &key) && is_banned(r, &key));
}

double kw_reputation_score(kw_reputation *r, const kw_peer_id *peer)
{
    reputation_key key;
    const reputation_entry *const e = key_of_peer(peer, &key) ? kw_reputation_find(r, &key) : NULL;
    return e ? kw_reputation_decay(e->score, e->at_ms, kw_reputation_now(r)) : 0.0;
}

/* ---- the owner's word ---- */

static bool key_of_either(const kw_peer_id *peer, const kw_multiaddr *addr, reputation_key *out)
{
    return key_of_peer(peer, out) || kw_reputation_key_of_addr(addr, out);
}

kw_status kw_reputation_ban(kw_reputation *r, const kw_peer_id *peer, const kw_multiaddr *addr,
                            int64_t seconds, kw_error *err)
{
    reputation_key key;
    const int64_t now = kw_reputation_now(r);
    if (!key_of_either(peer, addr, &key) || seconds <= 0)
        return kw_fail(err, KW_E_ARG, "a ban names a peer or an IP address, and a time");
    reputation_entry *const e = kw_reputation_entry(r, &key);
    if (!e)
        return kw_fail(err, KW_E_LIMIT, "%d bans are as many as there can be", KW_REPUTATION_ROWS);
    e->until_ms = seconds < (INT64_MAX - now) / 1000 ? now + seconds * 1000 : INT64_MAX;
    e->by_hand = e->ban_changed = e->dirty = r->dirty = true;
    e->forgotten = false;
    if (r->config.banned)
        r->config.banned(r->config.user);
    return kw_reputation_sync(r, err);
}

kw_status kw_reputation_unban(kw_reputation *r, const kw_peer_id *peer, const kw_multiaddr *addr,
                              kw_error *err)
{
    reputation_key key;
    reputation_entry *const e =
        key_of_either(peer, addr, &key) ? kw_reputation_find(r, &key) : NULL;
    if (!e || e->forgotten)
        return kw_fail(err, KW_E_NOTFOUND, "nothing is held against it");
    *e = (reputation_entry){.next = e->next,
                            .key = e->key,
                            .at_ms = kw_reputation_now(r),
                            .dirty = true,
                            .forgotten = true};
    kw_reputation_weigh(e);
    r->dirty = true;
    return kw_reputation_sync(r, err);
}

/* ---- opening and closing ---- */

kw_status kw_reputation_open(const kw_reputation_config *config, kw_reputation **out, kw_error *err)
{
    kw_reputation *const r = calloc(1, sizeof *r);
    if (!r)
        return kw_fail(err, KW_E_NOMEM, "reputation: no memory");
    r->config = *config;
    kw_status status = kw_crypto_random(&r->salt, sizeof r->salt, err);
    if (status == KW_OK && config->path)
        status = kw_reputation_store_open(r, err);
    if (status != KW_OK) {
        kw_reputation_close(r);
        return status;
    }
    *out = r;
    return KW_OK;
}

void kw_reputation_close(kw_reputation *r)
{
    if (!r)
        return;
    kw_reputation_store_close(r);
    for (size_t kind = 0; kind < REPUTATION_KINDS; kind++)
        for (size_t i = 0; i < REPUTATION_BUCKETS; i++)
            for (reputation_entry *e = r->tables[kind].buckets[i], *next; e; e = next) {
                next = e->next;
                free(e);
            }
    free(r);
}
