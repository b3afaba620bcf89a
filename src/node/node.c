/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* node.c - opening, running and closing a node. See node.h; words.c answers its owner. */
#include "node/node_internal.h"

#include "net/perf.h"

#include <stdlib.h>
#include <string.h>

#define STOP_ASKED_MS 200
#define BOOTSTRAP_MS 30000

static void ask_stop(void *user)
{
    kw_node *const node = user;
    if (node->config.stop && node->config.stop(node->config.user))
        kw_node_stop(node);
}

static void bootstrapped(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    kw_node *const node = user;
    char text[KW_PEER_ID_TEXT_MAX] = "a peer";
    if (peer && peer->len)
        kw_peer_id_text(peer, text);
    if (status != KW_OK)
        kw_log_print(&node->config.log, KW_LOG_WARN, "%s of the start list does not answer: %s",
                     text, why);
}

/* Keeps the connections that the node was started with. */
static void bootstrap(void *user)
{
    kw_node *const node = user;
    for (size_t i = 0; i < node->n_bootstrap; i++) {
        kw_multiaddr without;
        kw_peer_id peer;
        if (kw_multiaddr_split(&node->bootstrap[i], &without, &peer) &&
            kw_host_connected(node->host, &peer))
            continue;
        kw_host_connect(node->host, NULL, &node->bootstrap[i], bootstrapped, node);
    }
}

static kw_status listen_all(kw_node *node, kw_error *err)
{
    for (size_t i = 0; i < node->config.n_listen; i++)
        KW_TRY(kw_host_listen(node->host, &node->config.listen[i], err));
    return KW_OK;
}

/* Whether this peer gets anything now. */
static bool serves(void *user, const kw_peer_id *peer)
{
    const kw_node *const node = user;
    (void)peer;
    return kw_contribution_gives(node->contribution, NULL);
}

/* The manifests that are offered here, and those of whom is followed. */
static kw_status open_registry(kw_node *node, kw_error *err)
{
    const kw_node_config *const config = &node->config;
    const kw_registry_config registry = {.host = node->host,
                                         .index = config->index,
                                         .serves = serves,
                                         .user = node,
                                         .guard = node->guard};
    KW_TRY(kw_registry_open(&registry, &node->registry, err));
    if (config->index)
        KW_TRY(kw_offers_open(node->loop, node->kad, config->index, &node->offers, err));
    const kw_follow_config follow = {.loop = node->loop,
                                     .kad = node->kad,
                                     .registry = node->registry,
                                     .pulls = node->pulls,
                                     .guard = node->guard,
                                     .index = config->index,
                                     .list = config->following,
                                     .trust = config->trust,
                                     .store = config->store,
                                     .cap_bytes = config->store_cap,
                                     .log = &config->log};
    return config->following ? kw_follow_open(&follow, &node->follow, err) : KW_OK;
}

static kw_status note_root(void *user, const kw_index_row *row, kw_error *err)
{
    bool *const whole = user;
    (void)err;
    *whole = *whole || row->rooted;
    return KW_OK;
}

/* Files of the index are whole; those that are being pulled are in it when they are. */
static bool is_whole(void *user, const kw_cid *root)
{
    const kw_node *const node = user;
    const kw_index_query query = {.root = root};
    bool whole = false;
    return node->config.index && kw_contribution_gives(node->contribution, NULL) &&
           kw_index_each(node->config.index, &query, note_root, &whole, NULL) == KW_OK && whole;
}

/* What a node speaks besides what every host does. */
static kw_status open_protocols(kw_node *node, kw_error *err)
{
    static const kw_kad_network networks[] = {
        {.protocol = "/kwaai/kad/1.0.0", .server = true, .publish = true},
        {.protocol = "/ipfs/lan/kad/1.0.0", .server = true, .publish = true},
        {.protocol = "/ipfs/kad/1.0.0", .public_only = true}}; /* a guest there */
    const kw_node_config *const config = &node->config;
    kw_bitswap_config bitswap = {.host = node->host,
                                 .store = &node->blocks,
                                 .cap = config->bytes_per_second > 0 ? &node->cap : NULL,
                                 .kernel = kw_sha256_kernel(config->sha_extension)};
    kw_guard_bitswap(node->guard, &bitswap);
    const kw_kad_config kad = {
        .host = node->host, .networks = networks, .n_networks = sizeof networks / sizeof *networks};
    const kw_mdns_config mdns = {.host = node->host};
    kw_error why;
    const kw_contribution_config contribution = {.policy = config->contribute,
                                                 .read = config->conditions,
                                                 .user = config->user,
                                                 .log = &config->log};
    KW_TRY(kw_pulls_open(node, &node->pulls, err));
    KW_TRY(kw_contribution_open(node->loop, &contribution, &node->contribution, err));
    node->blocks = kw_contribution_store(node->contribution, kw_pulls_store(node->pulls));
    KW_TRY(kw_bitswap_open(&bitswap, &node->bitswap, err));
    const kw_gateway_config gateway = {.host = node->host,
                                       .store = &node->blocks,
                                       .cap = bitswap.cap,
                                       .whole = is_whole,
                                       .user = node};
    KW_TRY(kw_gateway_server_open(&gateway, &node->gateway, err));
    KW_TRY(kw_kad_open(&kad, &node->kad, err));
    KW_TRY(kw_pulls_begin(node->pulls, err));
    if (node->n_bootstrap)
        KW_TRY(kw_kad_bootstrap(node->kad, node->bootstrap, node->n_bootstrap, err));
    if (config->local && kw_mdns_open(&mdns, &node->mdns, &why) != KW_OK) {
        node->mdns = NULL;
        kw_log_print(&config->log, KW_LOG_WARN, "not found on the local network: %s", why.message);
    }
    KW_TRY(open_registry(node, err));
    KW_TRY(kw_node_open_reach(node, err));
    return config->perf ? kw_perf_serve(node->host, err) : KW_OK;
}

kw_status kw_node_provide(kw_node *node, const kw_cid *root, kw_error *err)
{
    uint8_t key[KW_CID_MAX];
    kw_kad_query *query = NULL;
    return kw_kad_provide(node->kad, (kw_bytes){key, kw_cid_multihash(root, key)}, NULL, NULL,
                          &query, err);
}

static kw_status open_parts(kw_node *node, kw_error *err)
{
    const kw_node_config *const config = &node->config;
    KW_TRY(kw_loop_open(&node->loop, err));
    kw_host_config host = {.loop = node->loop,
                           .identity = config->identity,
                           .agent = config->agent,
                           .psk = config->psk,
                           .certificate = config->certificate};
    KW_TRY(kw_guard_open(node->loop, config->reputation, &config->log, &node->guard, err));
    kw_guard_gate(node->guard, &host);
    KW_TRY(kw_host_open(&host, &node->host, err));
    kw_guard_attach(node->guard, node->host);
    KW_TRY(listen_all(node, err));
    node->cap = kw_cap_of(config->bytes_per_second, kw_loop_now(node->loop));
    KW_TRY(open_protocols(node, err));
    if (config->socket)
        KW_TRY(
            kw_control_open(node->loop, config->socket, kw_node_word, node, &node->control, err));
    KW_TRY(kw_timer_open(node->loop, ask_stop, node, &node->stop_timer, err));
    kw_timer_set(node->stop_timer, STOP_ASKED_MS, STOP_ASKED_MS);
    KW_TRY(kw_timer_open(node->loop, bootstrap, node, &node->bootstrap_timer, err));
    if (node->n_bootstrap)
        kw_timer_set(node->bootstrap_timer, 0, BOOTSTRAP_MS);
    return KW_OK;
}

kw_status kw_node_open(const kw_node_config *config, kw_node **out, kw_error *err)
{
    kw_node *node = calloc(1, sizeof *node);
    if (!node)
        return kw_fail(err, KW_E_NOMEM, "node: no memory");
    node->config = *config;
    kw_status status;
    if (config->n_bootstrap) {
        node->bootstrap = calloc(config->n_bootstrap, sizeof *node->bootstrap);
        if (!node->bootstrap) {
            free(node);
            return kw_fail(err, KW_E_NOMEM, "node: no memory for %zu addresses",
                           config->n_bootstrap);
        }
        memcpy(node->bootstrap, config->bootstrap, config->n_bootstrap * sizeof *node->bootstrap);
        node->n_bootstrap = config->n_bootstrap;
    }
    status = open_parts(node, err);
    if (status != KW_OK) {
        kw_node_close(node);
        return status;
    }
    node->started_ms = kw_loop_now(node->loop);
    *out = node;
    return KW_OK;
}

void kw_node_run(kw_node *node)
{
    kw_loop_run(node->loop);
}

void kw_node_stop(kw_node *node)
{
    kw_loop_stop(node->loop);
}

kw_host *kw_node_host(kw_node *node)
{
    return node->host;
}

static void host_closed(void *user)
{
    kw_node *const node = user;
    node->host = NULL;
}

void kw_node_close(kw_node *node)
{
    if (!node)
        return;
    if (node->loop) {
        kw_control_close(node->control);
        if (node->stop_timer)
            kw_timer_close(node->stop_timer);
        if (node->bootstrap_timer)
            kw_timer_close(node->bootstrap_timer);
        kw_node_close_reach(node);
        if (node->mdns)
            kw_mdns_close(node->mdns);
        kw_follow_close(node->follow);
        kw_gateway_server_close(node->gateway);
        kw_offers_close(node->offers);
        kw_registry_close(node->registry);
        kw_pulls_close(node->pulls);
        if (node->kad)
            kw_kad_close(node->kad);
        if (node->bitswap)
            kw_bitswap_close(node->bitswap);
        if (node->guard)
            kw_guard_attach(node->guard, NULL);
        if (node->host)
            kw_host_close(node->host, host_closed, node);
        while (node->host)
            kw_loop_step(node->loop, 100);
        kw_contribution_close(node->contribution);
        kw_guard_close(node->guard);
        kw_loop_step(node->loop, 0);
        kw_loop_close(node->loop);
    }
    free(node->bootstrap);
    free(node);
}
