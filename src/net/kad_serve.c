/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_serve.c - answers to requests of others.
 *
 * Invariant: a provider record names the peer that sent it and nobody else; a value passes its
 * validator; what is kept has the limits of its store, and what is told at most KW_KAD_K peers a
 * list. Source: libp2p kad-dht specification, "RPC messages". */
#include "net/kad_node_parts.h"

#include <time.h>

static void put_known(kw_kad_node *node, kw_buf *reply, kw_kad_list list, const kw_peer_id *id)
{
    kw_kad_peer peer = {.id = *id};
    node->config.io->known(node->config.user, &peer);
    (void)kw_kad_filter(node, &peer);
    kw_kad_put_peer(reply, list, &peer);
}

static void put_closer(kw_kad_node *node, kw_buf *reply, kw_bytes key, const kw_peer_id *from)
{
    kw_kad_entry closest[KW_KAD_K];
    const kw_kad_key target = kw_kad_key_of(key);
    const size_t n = kw_kad_table_closest(node->table, &target, from, closest, KW_KAD_K);
    for (size_t i = 0; i < n; i++)
        put_known(node, reply, KW_KAD_CLOSER, &closest[i].peer);
}

/* A peer that is looked for may be a client, which is in no table: its addresses are told when we
 * have met it. */
static void find_node(kw_kad_node *node, const kw_peer_id *from, kw_bytes key, kw_buf *reply)
{
    kw_kad_entry nearest;
    kw_kad_peer target = {.n_addrs = 0};
    kw_kad_put_head(reply, KW_KAD_FIND_NODE, (kw_bytes){NULL, 0});
    if (kw_peer_id_get(key, &target.id, NULL) == KW_OK && !kw_peer_id_equal(&target.id, from)) {
        const kw_kad_key k = kw_kad_key_of(key);
        const bool listed = kw_kad_table_closest(node->table, &k, NULL, &nearest, 1) == 1 &&
                            kw_peer_id_equal(&nearest.peer, &target.id);
        node->config.io->known(node->config.user, &target);
        if (!listed && kw_kad_filter(node, &target))
            kw_kad_put_peer(reply, KW_KAD_CLOSER, &target);
    }
    put_closer(node, reply, key, from);
}

static void get_providers(kw_kad_node *node, const kw_peer_id *from, kw_bytes key, kw_buf *reply)
{
    kw_peer_id ids[KW_KAD_K];
    const kw_kad_key k = kw_kad_key_of(key);
    const size_t n =
        kw_kad_providers_get(node->config.providers, &k, kw_kad_now(node), ids, KW_KAD_K);
    kw_kad_put_head(reply, KW_KAD_GET_PROVIDERS, key);
    for (size_t i = 0; i < n; i++)
        put_known(node, reply, KW_KAD_PROVIDERS, &ids[i]);
    put_closer(node, reply, key, from);
}

static kw_status add_provider(kw_kad_node *node, const kw_peer_id *from,
                              const kw_kad_message *message, kw_error *err)
{
    kw_pb at = kw_pb_read(message->body);
    kw_kad_peer peer;
    for (size_t n = 0; n < KW_KAD_K && kw_kad_message_next(&at, KW_KAD_PROVIDERS, &peer); n++) {
        if (!kw_peer_id_equal(&peer.id, from))
            continue;
        const kw_kad_key key = kw_kad_key_of(message->key);
        KW_TRY(kw_kad_providers_put(node->config.providers, &key, from,
                                    kw_kad_now(node) + KW_KAD_PROVIDER_TTL_MS, err));
        if (kw_kad_filter(node, &peer))
            node->config.io->learn(node->config.user, &peer, KW_KAD_PROVIDER_TTL_MS);
        if (node->config.io->provided)
            node->config.io->provided(node->config.user, message->key, from,
                                      KW_KAD_PROVIDER_TTL_MS);
        break;
    }
    return KW_OK;
}

static kw_status put_value(kw_kad_node *node, const kw_kad_message *message, kw_buf *reply,
                           kw_error *err)
{
    if (!message->has_record || message->record_key.len != message->key.len ||
        (message->key.len > 0 &&
         memcmp(message->record_key.data, message->key.data, message->key.len) != 0))
        return kw_fail(err, KW_E_FORMAT, "kad: the record to keep is not for its key");
    KW_TRY(kw_kad_values_put(node->config.values, message->key, message->record_value,
                             kw_kad_now(node) + KW_KAD_VALUE_TTL_MS, err));
    kw_kad_put_head(reply, KW_KAD_PUT_VALUE, message->key);
    kw_kad_put_record(reply, message->key, message->record_value, (uint64_t)time(NULL));
    return KW_OK;
}

static void get_value(kw_kad_node *node, const kw_peer_id *from, kw_bytes key, kw_buf *reply)
{
    kw_bytes value;
    kw_kad_put_head(reply, KW_KAD_GET_VALUE, key);
    if (kw_kad_values_get(node->config.values, key, kw_kad_now(node), &value))
        kw_kad_put_record(reply, key, value, (uint64_t)time(NULL));
    put_closer(node, reply, key, from);
}

kw_status kw_kad_node_serve(kw_kad_node *node, const kw_peer_id *from, kw_bytes request,
                            kw_buf *reply, kw_error *err)
{
    kw_kad_message message;
    KW_TRY(kw_kad_message_get(request, &message, err));
    const bool providers =
        message.type == KW_KAD_ADD_PROVIDER || message.type == KW_KAD_GET_PROVIDERS;
    if (message.type != KW_KAD_PING && message.key.len == 0)
        return kw_fail(err, KW_E_FORMAT, "kad: request %d has no key", (int)message.type);
    if (providers && message.key.len > KW_KAD_PROVIDER_KEY_MAX)
        return kw_fail(err, KW_E_LIMIT, "kad: a key of %zu bytes is above %d", message.key.len,
                       KW_KAD_PROVIDER_KEY_MAX);
    switch (message.type) {
    case KW_KAD_FIND_NODE:
        find_node(node, from, message.key, reply);
        break;
    case KW_KAD_GET_PROVIDERS:
        get_providers(node, from, message.key, reply);
        break;
    case KW_KAD_ADD_PROVIDER:
        return add_provider(node, from, &message, err);
    case KW_KAD_PUT_VALUE:
        KW_TRY(put_value(node, &message, reply, err));
        break;
    case KW_KAD_GET_VALUE:
        get_value(node, from, message.key, reply);
        break;
    case KW_KAD_PING:
        kw_buf_add(reply, (const char *)request.data, request.len);
        break;
    }
    return kw_buf_status(reply, err);
}
