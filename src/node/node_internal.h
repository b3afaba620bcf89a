/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* node_internal.h - what the files of the node share. */
#ifndef KW_NODE_NODE_INTERNAL_H
#define KW_NODE_NODE_INTERNAL_H

#include "net/autonat.h"
#include "net/bitswap.h"
#include "net/bucket.h"
#include "net/dcutr.h"
#include "net/hop.h"
#include "net/kad.h"
#include "net/mdns.h"
#include "net/relay_finder.h"
#include "node/control.h"
#include "node/follow.h"
#include "node/gateway_server.h"
#include "node/guard.h"
#include "node/node.h"
#include "node/offers.h"
#include "node/pulls.h"
#include "node/registry.h"

struct kw_node {
    kw_node_config config;
    kw_multiaddr *bootstrap; /* owned */
    size_t n_bootstrap;
    kw_loop *loop;
    kw_host *host;
    kw_guard *guard;
    kw_bitswap *bitswap;
    kw_gateway_server *gateway;
    kw_cap cap; /* of the bytes of blocks, whoever sends them */
    kw_kad *kad;
    kw_mdns *mdns; /* NULL: not wanted, or no network here can multicast */
    kw_registry *registry;
    kw_offers *offers; /* NULL: no index */
    kw_pulls *pulls;
    kw_block_store blocks; /* what it serves: of config, and what is being pulled */
    kw_relay *relay;
    kw_relay_finder *finder; /* NULL: is a relay itself */
    kw_dcutr *dcutr;
    kw_autonat *autonat;
    kw_hop *hop;       /* NULL: is no relay */
    kw_follow *follow; /* NULL: nobody */
    kw_contribution *contribution;
    kw_control *control;
    kw_timer *stop_timer, *bootstrap_timer;
    uint64_t started_ms;
};

/* reach.c: how others reach it. */
kw_status kw_node_open_reach(kw_node *node, kw_error *err);
void kw_node_close_reach(kw_node *node);
void kw_node_put_reach(const kw_node *node, kw_buf *out); /* members of the status */

/* words.c: what the owner says. */
void kw_node_word(void *user, kw_control_call *call, char *const *words, size_t n);

#endif
