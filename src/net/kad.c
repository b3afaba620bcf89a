/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad.c - a Kademlia node for each network on one host: its clock, its peer book, its streams.
 *
 * Source: libp2p kad-dht specification; the networks that share a host and not a table as in IPFS's
 * "dual" DHT. */
#include "net/kad_parts.h"

#include "base/check.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <time.h>

#define TICK_MS 1000
#define SWEEP_MS 60000
#define STREAMS_PER_PEER 8

/* ---- what the nodes ask for (kw_kad_io) ---- */

static uint64_t io_now(void *user)
{
    const kw_kad_side *side = user;
    return kw_loop_now(kw_host_loop(side->kad->host));
}

static void io_wake(void *user)
{
    const kw_kad_side *side = user;
    kw_timer_set(side->kad->soon, 0, 0);
}

static void io_send(void *user, uint64_t ticket, const kw_peer_id *peer, kw_bytes request,
                    bool answered)
{
    kw_kad_stream_send(user, ticket, peer, request, answered);
}

static void io_drop(void *user, uint64_t ticket)
{
    const kw_kad_side *side = user;
    kw_kad_stream_drop(side->kad, ticket, side);
}

static void io_learn(void *user, const kw_kad_peer *peer, uint64_t ttl_ms)
{
    const kw_kad_side *side = user;
    kw_host_learn(side->kad->host, &peer->id, peer->addrs, peer->n_addrs, ttl_ms);
}

static void io_known(void *user, kw_kad_peer *peer)
{
    const kw_kad_side *side = user;
    const bool self = kw_peer_id_equal(&peer->id, kw_host_id(side->kad->host));
    const size_t n = self ? kw_host_addrs(side->kad->host, peer->addrs, KW_KAD_ADDRS)
                          : kw_host_known(side->kad->host, &peer->id, peer->addrs, KW_KAD_ADDRS);
    peer->n_addrs = KW_MIN(n, KW_KAD_ADDRS);
}

static bool io_address(void *user, const kw_peer_id *peer, kw_multiaddr *out)
{
    const kw_kad_side *side = user;
    const size_t n = kw_host_peers(side->kad->host, NULL, 0);
    kw_peer_info *infos = calloc(n + 1, sizeof *infos);
    bool found = false;
    const size_t got = infos ? kw_host_peers(side->kad->host, infos, n) : 0;
    for (size_t i = 0; i < got && i < n && !found; i++) {
        found = kw_peer_id_equal(&infos[i].id, peer);
        if (found)
            *out = infos[i].addr;
    }
    free(infos);
    return found;
}

static void save(kw_kad *kad, kw_bytes key, const kw_peer_id *peer, uint64_t ttl_ms)
{
    kw_kad_record record = {.key_len = key.len, .provider = *peer};
    memcpy(record.key, key.data, key.len);
    record.expires_s = (uint64_t)time(NULL) + ttl_ms / 1000;
    kad->save(kad->save_user, &record);
}

static void io_provided(void *user, kw_bytes key, const kw_peer_id *peer, uint64_t ttl_ms)
{
    const kw_kad_side *side = user;
    if (side->kad->save)
        save(side->kad, key, peer, ttl_ms);
}

static const kw_kad_io io = {.now_ms = io_now,
                             .wake = io_wake,
                             .send = io_send,
                             .drop = io_drop,
                             .learn = io_learn,
                             .known = io_known,
                             .address = io_address,
                             .provided = io_provided};

/* ---- life ---- */

void kw_kad_joined(void *user, const kw_peer_id *peer)
{
    kw_kad *kad = user;
    for (size_t i = 0; i < kad->n_sides; i++) {
        if (kw_host_peer_speaks(kad->host, peer, kad->sides[i].network.protocol))
            kw_kad_node_met(kad->sides[i].node, peer);
    }
}

static void tick_nodes(void *user)
{
    kw_kad *kad = user;
    for (size_t i = 0; i < kad->n_sides; i++)
        kw_kad_node_tick(kad->sides[i].node);
}

static void tick(void *user)
{
    kw_kad *kad = user;
    const uint64_t now = kw_loop_now(kw_host_loop(kad->host));
    kw_kad_stream_tick(kad, now);
    tick_nodes(kad);
    kw_kad_own_tick(kad, now);
    kw_kad_bootstrap_tick(kad, now);
    if (now >= kad->sweep_ms) {
        kad->sweep_ms = now + SWEEP_MS;
        kw_kad_providers_sweep(kad->providers, now);
        kw_kad_values_sweep(kad->values, now);
    }
}

static kw_status open_side(kw_kad *kad, const kw_kad_network *network, uint64_t seed, kw_error *err)
{
    kw_kad_side *side = &kad->sides[kad->n_sides];
    *side = (kw_kad_side){.kad = kad, .network = *network};
    const kw_kad_node_config config = {.io = &io,
                                       .user = side,
                                       .self = *kw_host_id(kad->host),
                                       .providers = kad->providers,
                                       .values = kad->values,
                                       .public_only = network->public_only,
                                       .seed = seed};
    KW_TRY(kw_kad_node_open(&config, &side->node, err));
    kad->n_sides++;
    if (!network->server)
        return KW_OK;
    const kw_protocol protocol = {.id = network->protocol,
                                  .incoming = kw_kad_stream_incoming,
                                  .user = side,
                                  .max_per_peer = STREAMS_PER_PEER};
    return kw_host_speak(kad->host, &protocol, err);
}

static kw_status open_stores(kw_kad *kad, const kw_kad_config *config, kw_error *err)
{
    kw_kad_providers_config providers = {.self = kw_kad_key_of_peer(kw_host_id(kad->host))};
    const kw_kad_values_config values = {.validators = config->validators,
                                         .n_validators = config->n_validators};
    KW_TRY(kw_crypto_random(&providers.salt, sizeof providers.salt, err));
    KW_TRY(kw_kad_providers_open(&providers, &kad->providers, err));
    return kw_kad_values_open(&values, &kad->values, err);
}

static kw_status start(kw_kad *kad, const kw_kad_config *config, kw_error *err)
{
    const kw_host_watch watch = {.joined = kw_kad_joined, .user = kad};
    uint64_t seed;
    KW_TRY(kw_crypto_random(&seed, sizeof seed, err));
    KW_TRY(open_stores(kad, config, err));
    KW_TRY(kw_timer_open(kw_host_loop(kad->host), tick, kad, &kad->each_second, err));
    KW_TRY(kw_timer_open(kw_host_loop(kad->host), tick_nodes, kad, &kad->soon, err));
    for (size_t i = 0; i < config->n_networks; i++)
        KW_TRY(open_side(kad, &config->networks[i], seed + i, err));
    KW_TRY(kw_host_add_watch(kad->host, &watch, err));
    kw_timer_set(kad->each_second, TICK_MS, TICK_MS);
    return KW_OK;
}

kw_status kw_kad_open(const kw_kad_config *config, kw_kad **out, kw_error *err)
{
    if (config->n_networks == 0 || config->n_networks > KW_KAD_NETWORKS)
        return kw_fail(err, KW_E_ARG, "kad: %zu networks are not 1 to %d", config->n_networks,
                       KW_KAD_NETWORKS);
    kw_kad *kad = calloc(1, sizeof *kad);
    if (!kad)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory");
    kad->host = config->host;
    kad->save = config->save;
    kad->save_user = config->save_user;
    kad->n_dns_servers = KW_MIN(config->n_dns_servers, KW_DNSADDR_SERVERS);
    if (config->dns_servers) {
        memcpy(kad->resolvers, config->dns_servers, kad->n_dns_servers * sizeof *kad->resolvers);
        kad->dns_servers = kad->resolvers;
    }
    const kw_status status = start(kad, config, err);
    if (status != KW_OK)
        kw_kad_close(kad);
    else
        *out = kad;
    return status;
}

void kw_kad_close(kw_kad *kad)
{
    if (!kad)
        return;
    kw_host_remove_watch(kad->host, kad);
    for (size_t i = 0; i < kad->n_sides; i++) {
        if (kad->sides[i].network.server)
            kw_host_unspeak(kad->host, kad->sides[i].network.protocol);
    }
    kw_kad_query_free_all(kad);
    kw_kad_own_free_all(kad);
    for (size_t i = 0; i < kad->n_sides; i++)
        kw_kad_node_free(kad->sides[i].node);
    kw_kad_stream_orphan_all(kad);
    kw_kad_providers_free(kad->providers);
    kw_kad_values_free(kad->values);
    if (kad->each_second)
        kw_timer_close(kad->each_second);
    if (kad->soon)
        kw_timer_close(kad->soon);
    kw_kad_bootstrap_free(kad);
    free(kad);
}

kw_status kw_kad_restore(kw_kad *kad, const kw_kad_record *record, kw_error *err)
{
    const uint64_t now_s = (uint64_t)time(NULL);
    if (record->key_len == 0 || record->key_len > KW_KAD_PROVIDER_KEY_MAX)
        return kw_fail(err, KW_E_FORMAT, "kad: a record has a key of %zu bytes, not 1 to %d",
                       record->key_len, KW_KAD_PROVIDER_KEY_MAX);
    if (record->expires_s <= now_s)
        return KW_OK;
    const uint64_t left_s = KW_MIN(record->expires_s - now_s, KW_KAD_PROVIDER_TTL_MS / 1000);
    const kw_kad_key key = kw_kad_key_of((kw_bytes){record->key, record->key_len});
    return kw_kad_providers_put(kad->providers, &key, &record->provider,
                                kw_loop_now(kw_host_loop(kad->host)) + left_s * 1000, err);
}

void kw_kad_get_info(const kw_kad *kad, kw_kad_info *out)
{
    *out = (kw_kad_info){.n_provided = kad->n_own};
    for (size_t i = 0; i < kad->n_sides; i++)
        out->n_peers[i] = kw_kad_node_peers(kad->sides[i].node);
    const size_t n = kw_kad_providers_count(kad->providers);
    out->n_records = n > kad->n_own ? n - kad->n_own : 0;
}
