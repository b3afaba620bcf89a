/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* routing.h - who has what a CID names, asked of a delegated router: a web service that knows the
 * DHT of IPFS. Source: Routing V1 (specs.ipfs.tech/routing/http-routing-v1), GET
 * /routing/v1/providers/{cid}.
 *
 * Its answer is a hint: addresses to dial and gateways to ask, whose blocks are verified as
 * anyone's are. A router elsewhere cannot point into this machine's networks: of its addresses only
 * those of the Internet are taken, of its gateways only https with a name. */
#ifndef KW_NODE_ROUTING_H
#define KW_NODE_ROUTING_H

#include "base/str.h"
#include "hub/web.h"
#include "wire/cid.h"
#include "wire/multiaddr.h"

#define KW_ROUTED_PEERS 16
#define KW_ROUTED_GATEWAYS 4
#define KW_ROUTED_URL 300

typedef struct kw_routed {
    kw_multiaddr peers[KW_ROUTED_PEERS]; /* each ends in /p2p/PEER */
    char gateways[KW_ROUTED_GATEWAYS][KW_ROUTED_URL];
    size_t n_peers, n_gateways;
} kw_routed;

/* Adds what an answer names, at most three addresses of a peer; the rest is left out. near: the
 * router is on this machine, and may name its neighbours. */
kw_status kw_routing_read(kw_str json, bool near, kw_routed *out, kw_error *err);

/* Asks one router; KW_OK with nothing added when it knows nobody. still: as of kw_web_read. */
typedef struct kw_router {
    kw_web *web;
    const char *url; /* "https://host" */
    bool (*still)(void *user);
    void *user;
} kw_router;
kw_status kw_routing_find(const kw_router *router, const kw_cid *cid, kw_routed *out,
                          kw_error *err);

#endif
