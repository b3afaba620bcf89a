/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry_lookup.c - a host for one question. See registry_lookup.h.
 *
 * It is settled when nobody is being dialed, nobody is asked, and whoever came last has been in the
 * table of the DHT long enough to have been asked about others. */
#include "node/registry_lookup.h"

#include "base/check.h"
#include "net/mdns.h"
#include "node/registry.h"

#define STEP_MS 50
#define STILL_MS 100
#define MET_MS 300    /* after a peer came: the DHT has met it by then */
#define LOCAL_MS 1500 /* for an answer from the local network */
#define ENOUGH_MS 2000

typedef struct looking {
    const kw_registry_lookup *config;
    kw_loop *loop;
    kw_host *host;
    kw_kad *kad;
    kw_mdns *mdns;
    kw_guard *guard;
    kw_registry *registry;
    kw_registry_search *search;
    kw_identity identity;
    size_t n_dials, n_joined;
    bool idle, again, found;         /* found: somebody on the local network */
    uint64_t joined_ms, answered_ms; /* 0: not yet */
} looking;

static void on_answer(void *user, const kw_peer_id *from, const kw_registry_answer *answer)
{
    looking *const l = user;
    (void)from;
    if (l->answered_ms == 0)
        l->answered_ms = kw_loop_now(l->loop);
    l->config->answer(l->config->user, answer);
}

static void on_idle(void *user)
{
    looking *const l = user;
    l->idle = true;
}

static void on_joined(void *user, const kw_peer_id *peer)
{
    looking *const l = user;
    (void)peer;
    l->n_joined++;
    l->joined_ms = kw_loop_now(l->loop);
    l->again = true;
}

static void on_left(void *user, const kw_peer_id *peer)
{
    (void)user; /* an ask of it fails by itself */
    (void)peer;
}

static void on_connected(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    looking *const l = user;
    (void)peer;
    (void)why;
    l->n_dials--;
    if (status == KW_OK && l->joined_ms == 0)
        l->joined_ms = kw_loop_now(l->loop); /* identify follows */
}

static void on_found(void *user, const kw_peer_id *peer)
{
    looking *const l = user;
    (void)peer;
    l->found = true;
}

/* A database that cannot be used is no reason not to ask. */
static kw_status open_guard(looking *l, kw_host_config *host, kw_error *err)
{
    const char *const path = l->config->reputation;
    if (!path || kw_guard_open(l->loop, path, NULL, &l->guard, NULL) != KW_OK)
        KW_TRY(kw_guard_open(l->loop, NULL, NULL, &l->guard, err));
    kw_guard_gate(l->guard, host);
    return KW_OK;
}

static kw_status open_parts(looking *l, kw_error *err)
{
    static const kw_kad_network networks[] = {{.protocol = "/kwaai/kad/1.0.0"},
                                              {.protocol = "/ipfs/lan/kad/1.0.0"}};
    static const kw_registry_search_events events = {.answer = on_answer, .idle = on_idle};
    const kw_registry_lookup *const config = l->config;
    KW_TRY(kw_identity_new(&l->identity, err));
    KW_TRY(kw_loop_open(&l->loop, err));
    kw_host_config host = {
        .loop = l->loop, .identity = &l->identity, .agent = config->agent, .psk = config->psk};
    KW_TRY(open_guard(l, &host, err));
    KW_TRY(kw_host_open(&host, &l->host, err));
    kw_guard_attach(l->guard, l->host);
    const kw_host_watch watch = {.joined = on_joined, .left = on_left, .user = l};
    KW_TRY(kw_host_add_watch(l->host, &watch, err));
    const kw_kad_config kad = {
        .host = l->host, .networks = networks, .n_networks = KW_COUNT(networks)};
    KW_TRY(kw_kad_open(&kad, &l->kad, err));
    const kw_registry_config registry = {.host = l->host, .guard = l->guard};
    KW_TRY(kw_registry_open(&registry, &l->registry, err));
    const kw_mdns_config mdns = {.host = l->host, .found = on_found, .user = l};
    if (config->local && kw_mdns_open(&mdns, &l->mdns, NULL) != KW_OK)
        l->mdns = NULL; /* no network here can multicast */
    if (config->n_peers)
        KW_TRY(kw_kad_bootstrap(l->kad, config->peers, config->n_peers, err));
    for (size_t i = 0; i < config->n_peers; i++) {
        l->n_dials++;
        kw_host_connect(l->host, NULL, &config->peers[i], on_connected, l);
    }
    return kw_registry_search_open(l->registry, l->kad, config->question, &events, l, &l->search,
                                   err);
}

/* When another source can say what is asked for, a network where nobody is keeps it waiting for a
 * moment only. */
static uint64_t local_ms(const looking *l)
{
    const uint64_t nobody_ms = KW_MIN(l->config->wait_ms / 6, (uint32_t)LOCAL_MS);
    return l->found ? LOCAL_MS : nobody_ms;
}

static bool is_settled(const looking *l, uint64_t start_ms)
{
    const uint64_t now = kw_loop_now(l->loop);
    if (l->answered_ms && now - l->answered_ms >= ENOUGH_MS)
        return true;
    return l->idle && !l->again && l->n_dials == 0 &&
           (l->joined_ms == 0 || now - l->joined_ms > 2 * MET_MS) &&
           (!l->mdns || l->answered_ms || now - start_ms > local_ms(l));
}

static kw_status wait(looking *l, kw_error *err)
{
    const uint64_t start_ms = kw_loop_now(l->loop);
    uint64_t asked_ms = start_ms, now = start_ms;
    while (now - start_ms < l->config->wait_ms && !is_settled(l, start_ms)) {
        kw_loop_step(l->loop, STEP_MS);
        now = kw_loop_now(l->loop);
        if (l->again && now - l->joined_ms >= MET_MS) {
            l->again = l->idle = false;
            kw_registry_search_again(l->search);
        }
        if (l->config->still && now - asked_ms >= STILL_MS) {
            asked_ms = now;
            if (!l->config->still(l->config->user))
                return kw_fail(err, KW_E_CANCELLED, "interrupted");
        }
    }
    return KW_OK;
}

static void on_host_closed(void *user)
{
    looking *const l = user;
    l->host = NULL;
}

static void close_parts(looking *l)
{
    if (l->mdns)
        kw_mdns_close(l->mdns);
    kw_registry_close(l->registry);
    kw_kad_close(l->kad);
    if (l->host) {
        kw_host_remove_watch(l->host, l);
        kw_guard_attach(l->guard, NULL);
        kw_host_close(l->host, on_host_closed, l);
        while (l->host)
            kw_loop_step(l->loop, 100);
    }
    kw_guard_close(l->guard);
    if (l->loop)
        kw_loop_close(l->loop);
    kw_identity_wipe(&l->identity);
}

kw_status kw_registry_look_up(const kw_registry_lookup *lookup, size_t *n_peers, kw_error *err)
{
    looking l = {.config = lookup};
    kw_status status = open_parts(&l, err);
    if (status == KW_OK)
        status = wait(&l, err);
    *n_peers = l.n_joined;
    close_parts(&l);
    return status;
}
