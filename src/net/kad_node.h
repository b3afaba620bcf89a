/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_node.h - a node of one Kademlia network without its connections: it asks an interface to send
 * requests, and is told what came of them.
 *
 * So a test can run hundreds of nodes with loss and liars on a clock of its own, and kad.c runs one
 * for each protocol id on a host. All calls are on one thread. */
#ifndef KW_NET_KAD_NODE_H
#define KW_NET_KAD_NODE_H

#include "net/kad_message.h"
#include "net/kad_providers.h"
#include "net/kad_values.h"

#define KW_KAD_REQUEST_MS 10000        /* for an answer, dialing included */
#define KW_KAD_SLOW_MS 2000            /* after which another is asked beside it */
#define KW_KAD_TASK_MS 60000           /* for a lookup and what follows it */
#define KW_KAD_REFRESH_MS (600 * 1000) /* between refreshes of the table */
#define KW_KAD_TASKS 64                /* at the same time */

typedef struct kw_kad_node kw_kad_node;
typedef struct kw_kad_task kw_kad_task;

/* None of them calls the node before it returns. */
typedef struct kw_kad_io {
    uint64_t (*now_ms)(void *user);
    /* kw_kad_node_tick is wanted as soon as possible, besides once a second. */
    void (*wake)(void *user);
    /* Sends a request; ends in one kw_kad_node_reply or kw_kad_node_failed with the ticket. Without
     * an answer to wait for, the reply is empty and says that the peer has it. */
    void (*send)(void *user, uint64_t ticket, const kw_peer_id *peer, kw_bytes request,
                 bool answered);
    /* Nobody waits for this any more, and nothing is to be said about it. */
    void (*drop)(void *user, uint64_t ticket);
    /* Keeps the addresses of a peer, and tells those that are kept: of ourselves, those on which we
     * listen. */
    void (*learn)(void *user, const kw_kad_peer *peer, uint64_t ttl_ms);
    void (*known)(void *user, kw_kad_peer *peer);
    /* The address over which a peer is connected; false: it is not. */
    bool (*address)(void *user, const kw_peer_id *peer, kw_multiaddr *out);
    /* A provider record was accepted from a peer. May be NULL. */
    void (*provided)(void *user, kw_bytes key, const kw_peer_id *peer, uint64_t ttl_ms);
} kw_kad_io;

typedef struct kw_kad_node_config {
    const kw_kad_io *io; /* borrowed */
    void *user;
    kw_peer_id self;
    kw_kad_providers *providers; /* borrowed; several nodes may share them */
    kw_kad_values *values;       /* likewise */
    bool public_only;            /* private addresses are neither believed nor told */
    uint64_t seed;               /* of the keys that a refresh looks for */
} kw_kad_node_config;

kw_status kw_kad_node_open(const kw_kad_node_config *config, kw_kad_node **out, kw_error *err);
/* Tasks end without a call. */
void kw_kad_node_free(kw_kad_node *node);
/* Timeouts, refresh, first steps of tasks; about once a second, and after wake. */
void kw_kad_node_tick(kw_kad_node *node);
/* A peer is connected that says it serves this network. */
void kw_kad_node_met(kw_kad_node *node, const kw_peer_id *peer);
void kw_kad_node_reply(kw_kad_node *node, uint64_t ticket, kw_bytes reply);
void kw_kad_node_failed(kw_kad_node *node, uint64_t ticket);
size_t kw_kad_node_peers(const kw_kad_node *node);

/* Answers a request of an authenticated peer. reply (empty before) stays empty when there is none
 * to send. KW_E_FORMAT, KW_E_LIMIT: the peer broke a rule, and its stream deserves a reset. */
kw_status kw_kad_node_serve(kw_kad_node *node, const kw_peer_id *from, kw_bytes request,
                            kw_buf *reply, kw_error *err);

/* ---- tasks ---- */

typedef enum kw_kad_goal {
    KW_KAD_CLOSEST,        /* n: peers that answered, at most KW_KAD_K */
    KW_KAD_FIND_PEER,      /* key: the bytes of its id */
    KW_KAD_PROVIDE,        /* key: a multihash; n: peers that were told */
    KW_KAD_FIND_PROVIDERS, /* n: different providers */
    KW_KAD_PUT,            /* n: peers that have the value */
    KW_KAD_GET             /* n: valid values seen, equal or not */
} kw_kad_goal;

typedef struct kw_kad_events {
    /* A peer or provider was found. What it says is a claim until the peer itself is met. */
    void (*peer)(void *user, const kw_kad_peer *peer);
    /* A valid value, better than those before; a view for the call. */
    void (*value)(void *user, kw_bytes value);
    /* The last call, once: KW_OK, or KW_E_NOTFOUND when n is 0. */
    void (*done)(void *user, kw_status status, size_t n);
} kw_kad_events;

typedef struct kw_kad_task_config {
    kw_kad_goal goal;
    kw_bytes key;                /* copied */
    kw_bytes value;              /* of KW_KAD_PUT; copied */
    size_t want;                 /* providers or values that are enough; 0: as many as there are */
    const kw_kad_events *events; /* borrowed; peer and value may be NULL */
    void *user;
} kw_kad_task_config;

/* No event comes within the call. KW_E_LIMIT: too many tasks, or a key that is too long. */
kw_status kw_kad_task_start(kw_kad_node *node, const kw_kad_task_config *config, kw_kad_task **out,
                            kw_error *err);
/* No event comes any more. Not after done. */
void kw_kad_task_cancel(kw_kad_task *task);

#endif
