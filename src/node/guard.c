/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* guard.c - faults become points, bans become closed connections. See guard.h. */
#include "node/guard.h"

#include <stdlib.h>

#define SYNC_MS 1000

struct kw_guard {
    kw_reputation *reputation;
    kw_host *host; /* NULL: not yet, or not any more */
    kw_timer *sync, *enforce;
    kw_log log;
    bool failed; /* the database was said not to work */
};

static void on_banned(void *user)
{
    kw_guard *const g = user;
    if (g->enforce)
        kw_timer_set(g->enforce, 0, 0);
}

static void on_enforce(void *user)
{
    kw_guard *const g = user;
    if (g->host)
        kw_host_enforce(g->host);
}

static void on_sync(void *user)
{
    kw_guard *const g = user;
    kw_error err;
    if (kw_reputation_sync(g->reputation, &err) == KW_OK) {
        g->failed = false;
    } else if (!g->failed) {
        g->failed = true; /* once, not each second; what was seen is kept in memory */
        kw_log_print(&g->log, KW_LOG_WARN, "%s", err.message);
    }
}

kw_status kw_guard_open(kw_loop *loop, const char *path, const kw_log *log, kw_guard **out,
                        kw_error *err)
{
    kw_guard *const g = calloc(1, sizeof *g);
    if (!g)
        return kw_fail(err, KW_E_NOMEM, "reputation: no memory");
    if (log)
        g->log = *log;
    const kw_reputation_config config = {.path = path, .banned = on_banned, .user = g};
    kw_status status = kw_reputation_open(&config, &g->reputation, err);
    if (status == KW_OK)
        status = kw_timer_open(loop, on_sync, g, &g->sync, err);
    if (status == KW_OK)
        status = kw_timer_open(loop, on_enforce, g, &g->enforce, err);
    if (status != KW_OK) {
        kw_guard_close(g);
        return status;
    }
    kw_timer_set(g->sync, SYNC_MS, SYNC_MS);
    *out = g;
    return KW_OK;
}

void kw_guard_attach(kw_guard *guard, kw_host *host)
{
    guard->host = host;
}

void kw_guard_close(kw_guard *guard)
{
    if (!guard)
        return;
    if (guard->sync)
        kw_timer_close(guard->sync);
    if (guard->enforce)
        kw_timer_close(guard->enforce);
    guard->enforce = NULL;
    kw_reputation_close(guard->reputation);
    free(guard);
}

static bool allow(void *user, const kw_peer_id *peer, const kw_multiaddr *addr, bool inbound)
{
    kw_guard *const g = user;
    (void)inbound;
    return kw_reputation_allows(g->reputation, peer, addr);
}

static void on_host_fault(void *user, const kw_peer_id *peer, const kw_multiaddr *addr,
                          kw_host_fault fault)
{
    static const kw_conduct conducts[] = {[KW_HOST_MALFORMED] = KW_CONDUCT_MALFORMED,
                                          [KW_HOST_ABUSE] = KW_CONDUCT_ABUSE,
                                          [KW_HOST_SLOW] = KW_CONDUCT_SLOW};
    const kw_guard *const g = user;
    kw_reputation_report(g->reputation, peer, addr, conducts[fault]);
}

void kw_guard_report(kw_guard *guard, const kw_peer_id *peer, kw_conduct what)
{
    kw_multiaddr addr = {.len = 0};
    if (guard->host)
        (void)kw_host_peer_addr(guard->host, peer, &addr);
    kw_reputation_report(guard->reputation, peer, &addr, what);
}

static void on_bitswap_fault(void *user, const kw_peer_id *peer, kw_bitswap_fault fault)
{
    static const kw_conduct conducts[] = {[KW_BITSWAP_BAD_BLOCK] = KW_CONDUCT_BAD_BLOCK,
                                          [KW_BITSWAP_BROKEN] = KW_CONDUCT_MALFORMED,
                                          [KW_BITSWAP_STALLED] = KW_CONDUCT_STALL,
                                          [KW_BITSWAP_LOST] = KW_CONDUCT_LOST};
    kw_guard_report(user, peer, conducts[fault]);
}

void kw_guard_gate(kw_guard *guard, kw_host_config *host)
{
    host->allow = allow;
    host->fault = on_host_fault;
    host->allow_user = guard;
}

/* What is held against a peer, whose score goes down to -100. */
static unsigned distrust(void *user, const kw_peer_id *peer)
{
    const kw_guard *const guard = user;
    const double score = kw_reputation_score(guard->reputation, peer);
    return score < 0 ? (unsigned)-score : 0;
}

void kw_guard_bitswap(kw_guard *guard, kw_bitswap_config *bitswap)
{
    bitswap->fault = on_bitswap_fault;
    bitswap->distrust = distrust;
    bitswap->user = guard;
}

void kw_guard_good(kw_guard *guard, const kw_peer_id *peer, size_t bytes)
{
    kw_reputation_good(guard->reputation, peer, bytes);
}

kw_reputation *kw_guard_reputation(kw_guard *guard)
{
    return guard->reputation;
}
