/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_kad.c - any bytes as a message of Kademlia: read, served, and taken for an answer. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/kad_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct peers {
    uint64_t tickets[64];
    size_t n;
} peers;

static uint64_t now(void *user)
{
    (void)user;
    return 1;
}

static void wake(void *user)
{
    (void)user;
}

static void send(void *user, uint64_t ticket, const kw_peer_id *peer, kw_bytes request,
                 bool answered)
{
    peers *p = user;
    (void)peer;
    (void)request;
    (void)answered;
    p->tickets[p->n++ % 64] = ticket;
}

static void drop(void *user, uint64_t ticket)
{
    (void)user;
    (void)ticket;
}

static void learn(void *user, const kw_kad_peer *peer, uint64_t ttl_ms)
{
    (void)user;
    (void)ttl_ms;
    for (size_t i = 0; i < peer->n_addrs; i++) { /* what was let through can be walked */
        kw_multiaddr_part part;
        for (size_t at = 0; kw_multiaddr_next(&peer->addrs[i], &at, &part);)
            ;
    }
}

static void known(void *user, kw_kad_peer *peer)
{
    (void)user;
    (void)peer;
}

static bool address(void *user, const kw_peer_id *peer, kw_multiaddr *out)
{
    (void)user;
    (void)peer;
    (void)out;
    return false;
}

static void done(void *user, kw_status status, size_t n)
{
    (void)user;
    (void)status;
    (void)n;
}

static bool valid(void *user, kw_bytes key, kw_bytes value)
{
    (void)user;
    (void)key;
    return value.len > 1;
}

static kw_kad_node *open_node(peers *p, kw_kad_providers **providers, kw_kad_values **values)
{
    static const kw_kad_io io = {.now_ms = now,
                                 .wake = wake,
                                 .send = send,
                                 .drop = drop,
                                 .learn = learn,
                                 .known = known,
                                 .address = address};
    static const kw_kad_validator validator = {"/", valid, NULL, NULL};
    const kw_kad_providers_config limits = {.max_records = 10};
    const kw_kad_values_config config = {.validators = &validator, .n_validators = 1};
    kw_kad_node *node;
    if (kw_kad_providers_open(&limits, providers, NULL) != KW_OK ||
        kw_kad_values_open(&config, values, NULL) != KW_OK)
        abort();
    const kw_kad_node_config c = {.io = &io,
                                  .user = p,
                                  .self = kw_peer_id_of((kw_bytes){NULL, 0}),
                                  .providers = *providers,
                                  .values = *values};
    if (kw_kad_node_open(&c, &node, NULL) != KW_OK)
        abort();
    return node;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const kw_kad_events events = {.done = done};
    const kw_bytes bytes = {data, size};
    peers p = {.n = 0};
    kw_kad_providers *providers;
    kw_kad_values *values;
    kw_kad_node *node = open_node(&p, &providers, &values);
    const kw_peer_id from = kw_peer_id_of((kw_bytes){(const uint8_t *)"x", 1});
    kw_kad_node_met(node, &from);
    for (kw_kad_goal goal = KW_KAD_CLOSEST; goal <= KW_KAD_GET; goal++) {
        kw_kad_task *task;
        const kw_kad_task_config config = {.goal = goal,
                                           .key = {(const uint8_t *)"/k", 2},
                                           .value = {(const uint8_t *)"vv", 2},
                                           .events = &events};
        if (kw_kad_task_start(node, &config, &task, NULL) != KW_OK)
            abort();
    }
    kw_kad_node_tick(node);
    for (size_t i = 0; i < 64 && i < p.n; i++)
        kw_kad_node_reply(node, p.tickets[i], bytes);
    kw_buf reply = {0};
    if (kw_kad_node_serve(node, &from, bytes, &reply, NULL) == KW_OK && reply.len > 200000)
        abort();
    kw_buf_free(&reply);
    kw_kad_node_free(node);
    kw_kad_providers_free(providers);
    kw_kad_values_free(values);
    return 0;
}
