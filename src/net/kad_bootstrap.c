/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_bootstrap.c - how a node comes to know anybody: peers that are connected, and addresses to
 * begin with, /dnsaddr among them.
 *
 * Tried every BOOTSTRAP_MS while nobody is known at all, and every SOME_EMPTY_MS while one of
 * several networks has nobody. */
#include "net/kad_parts.h"

#include "base/check.h"

#include <stdlib.h>

#define BOOTSTRAP_MS 30000
#define SOME_EMPTY_MS 600000
#define BOOTSTRAP_MAX 32
#define DIALS_PER_NAME 8

/* Who came is told by the host's watch; who did not is dialed again. */
static void dial(kw_kad *kad, const kw_multiaddr *addr)
{
    kw_multiaddr without;
    kw_peer_id peer;
    const bool named = kw_multiaddr_split(addr, &without, &peer);
    kw_host_connect(kad->host, named ? &peer : NULL, addr, NULL, NULL);
}

static void on_resolved(void *user, kw_status status, const kw_multiaddr *addrs, size_t n)
{
    kw_kad_start *start = user;
    size_t n_dialed = 0;
    (void)status;
    start->lookup = NULL;
    for (size_t i = 0; i < n && n_dialed < DIALS_PER_NAME; i++) {
        kw_multiaddr_part tcp;
        if (!kw_multiaddr_find(&addrs[i], KW_MA_TCP, &tcp))
            continue; /* QUIC and the like: the same peer has an address for us too */
        dial(start->kad, &addrs[i]);
        n_dialed++;
    }
}

static void resolve(kw_kad_start *start)
{
    const kw_dnsaddr_config config = {.loop = kw_host_loop(start->kad->host),
                                      .servers = start->kad->dns_servers,
                                      .n_servers = start->kad->n_dns_servers,
                                      .done = on_resolved,
                                      .user = start};
    if (!start->lookup)
        (void)kw_dnsaddr_open(&config, &start->addr, &start->lookup, NULL);
}

/* Peers that are connected and serve: one that failed twice has left the table, and would not come
 * again by itself. */
static void meet_connected(kw_kad *kad)
{
    const size_t n = kw_host_peers(kad->host, NULL, 0);
    kw_peer_info *infos = calloc(n + 1, sizeof *infos);
    const size_t got = infos ? kw_host_peers(kad->host, infos, n) : 0;
    for (size_t i = 0; i < got && i < n; i++)
        kw_kad_joined(kad, &infos[i].id);
    free(infos);
}

static size_t count_empty(const kw_kad *kad)
{
    size_t n = 0;
    for (size_t i = 0; i < kad->n_sides; i++)
        n += kw_kad_node_peers(kad->sides[i].node) == 0;
    return n;
}

void kw_kad_bootstrap_tick(kw_kad *kad, uint64_t now_ms)
{
    if (now_ms < kad->bootstrap_ms)
        return;
    if (count_empty(kad) > 0)
        meet_connected(kad);
    const size_t n_empty = count_empty(kad);
    if (n_empty == 0)
        return;
    kad->bootstrap_ms = now_ms + (n_empty == kad->n_sides ? BOOTSTRAP_MS : SOME_EMPTY_MS);
    for (size_t i = 0; i < kad->n_starts; i++) {
        kw_multiaddr_part part;
        if (kw_multiaddr_find(&kad->starts[i].addr, KW_MA_DNSADDR, &part))
            resolve(&kad->starts[i]);
        else
            dial(kad, &kad->starts[i].addr);
    }
}

void kw_kad_bootstrap_free(kw_kad *kad)
{
    for (size_t i = 0; i < kad->n_starts; i++) {
        if (kad->starts[i].lookup)
            kw_dnsaddr_cancel(kad->starts[i].lookup);
    }
    free(kad->starts);
    kad->starts = NULL;
    kad->n_starts = 0;
}

kw_status kw_kad_bootstrap(kw_kad *kad, const kw_multiaddr *addrs, size_t n, kw_error *err)
{
    if (n > BOOTSTRAP_MAX)
        return kw_fail(err, KW_E_LIMIT, "kad: %zu addresses to begin with are above %d", n,
                       BOOTSTRAP_MAX);
    kw_kad_start *starts = calloc(n + 1, sizeof *starts);
    if (!starts)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for %zu addresses", n);
    for (size_t i = 0; i < n; i++)
        starts[i] = (kw_kad_start){.kad = kad, .addr = addrs[i]};
    kw_kad_bootstrap_free(kad);
    kad->starts = starts;
    kad->n_starts = n;
    kad->bootstrap_ms = 0;
    kw_kad_bootstrap_tick(kad, kw_loop_now(kw_host_loop(kad->host)));
    return KW_OK;
}
