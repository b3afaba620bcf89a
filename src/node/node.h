/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* node.h - a node: a host with the protocols it speaks, and the socket of its owner.
 *
 * It runs on the thread that calls kw_node_run. The owner's words (control.h):
 *
 *   status              who and where the node is, traffic
 *   peers               who is connected
 *   connect ADDR        dials
 *   ping ADDR|PEER      one round trip
 *   perf ADDR|PEER UP DOWN   sends and receives so many bytes
 *   disconnect PEER
 *   provide CID         tells the DHT that it has this
 *   find CID            who says that he has it
 *   pull CID NAME=VALUE...   fetches a file, and shares it while it comes (pulls.h)
 *   pulled ID           how far that is
 *   unpull ID           ends it; what has arrived is kept
 *   follow              looks for what is followed now
 *   stop                ends the node */
#ifndef KW_NODE_NODE_H
#define KW_NODE_NODE_H

#include "base/log.h"
#include "hub/index.h"
#include "net/host.h"
#include "node/contribution.h"
#include "wire/blocks.h"

typedef struct kw_node kw_node;

typedef struct kw_node_config {
    const kw_identity *identity; /* borrowed */
    const char *agent;
    const kw_multiaddr *listen; /* borrowed during open */
    size_t n_listen;
    const kw_multiaddr *bootstrap; /* peers to stay connected to; borrowed during open */
    size_t n_bootstrap;
    const kw_multiaddr *through; /* relays to be reached through; borrowed during open */
    size_t n_through;
    bool be_relay;                /* for others */
    const char *socket;           /* of the owner; NULL: none */
    const uint8_t *psk;           /* [32], or NULL */
    bool perf;                    /* answers what peers ask of /perf/1.0.0 */
    bool local;                   /* finds and is found on the local network (mDNS) */
    const kw_block_store *blocks; /* what it serves; borrowed; NULL: nothing */
    kw_index *index;   /* whose manifests it offers, and that knows what it pulls; borrowed; NULL */
    const char *store; /* where it puts what it pulls; borrowed */
    /* Whom it follows, as in follow.h, and the trust file; NULL: nobody. Needs index and store. */
    const char *following, *trust;
    uint64_t store_cap; /* bytes, for what is followed; 0: none */
    kw_contribute contribute;
    void (*conditions)(void *user, kw_conditions *out); /* see contribution.h; may be NULL */
    uint64_t bytes_per_second;                          /* of blocks to all peers; 0: no cap */
    bool sha_extension;                                 /* the processor has it */
    /* Of WebRTC; borrowed; NULL: a new one. */
    const struct kw_certificate *certificate;
    const char *reputation; /* the database of scores and bans; borrowed; NULL: they end with it */
    /* Asked five times a second: true ends kw_node_run. NULL: never. */
    bool (*stop)(void *user);
    void *user;
    kw_log log;
} kw_node_config;

kw_status kw_node_open(const kw_node_config *config, kw_node **out, kw_error *err);
/* Until kw_node_stop, the owner's word, or config.stop. */
void kw_node_run(kw_node *node);
void kw_node_stop(kw_node *node); /* on the loop's thread */
void kw_node_close(kw_node *node);
kw_host *kw_node_host(kw_node *node);
/* Tells the DHT, now and again, that blocks below this root are here. Before kw_node_run, or on its
 * thread. */
kw_status kw_node_provide(kw_node *node, const kw_cid *root, kw_error *err);

#endif
