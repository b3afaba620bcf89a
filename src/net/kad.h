/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad.h - Kademlia on a host: who has what, and where everybody is.
 *
 * One kw_kad speaks several networks at once, each with its own table; a query asks all of them,
 * and what is kept for others is kept once. Everything is on the thread of the host's loop. */
#ifndef KW_NET_KAD_H
#define KW_NET_KAD_H

#include "net/dnsaddr.h"
#include "net/host.h"
#include "net/kad_node.h"

#define KW_KAD_NETWORKS 4

typedef struct kw_kad kw_kad;
typedef struct kw_kad_query kw_kad_query;

typedef struct kw_kad_network {
    const char *protocol; /* "/kwaai/kad/1.0.0"; borrowed */
    bool server;          /* answers, and says so in identify; else it only asks */
    bool public_only;     /* a network of the Internet: private addresses are not for it */
    bool publish;         /* what is provided and put goes there too */
} kw_kad_network;

/* A provider record of another peer, as it is kept across restarts. */
typedef struct kw_kad_record {
    uint8_t key[KW_KAD_PROVIDER_KEY_MAX];
    size_t key_len;
    kw_peer_id provider;
    uint64_t expires_s; /* seconds since 1970 */
} kw_kad_record;

typedef struct kw_kad_config {
    kw_host *host; /* borrowed; closed after the kw_kad */
    const kw_kad_network *networks;
    size_t n_networks;                  /* at most KW_KAD_NETWORKS */
    const kw_kad_validator *validators; /* of values; "/pk/" is built in */
    size_t n_validators;
    /* A record was accepted, or its time lengthened. May be NULL. */
    void (*save)(void *user, const kw_kad_record *record);
    void *save_user;
    const kw_dns_server *dns_servers; /* copied; NULL: those of the system */
    size_t n_dns_servers;
} kw_kad_config;

kw_status kw_kad_open(const kw_kad_config *config, kw_kad **out, kw_error *err);
/* Queries end without a call. Not from within an event. */
void kw_kad_close(kw_kad *kad);
/* A record that was saved, when the node starts again; one that has expired is ignored. */
kw_status kw_kad_restore(kw_kad *kad, const kw_kad_record *record, kw_error *err);
/* Peers to begin with, at most 32, /dnsaddr among them: dialed now, and again while a network has
 * nobody. */
kw_status kw_kad_bootstrap(kw_kad *kad, const kw_multiaddr *addrs, size_t n, kw_error *err);

/* Queries: events as in kad_node.h, none of them within the call; a provider comes once.
 * The addresses of peers that are found are known to the host. */
kw_status kw_kad_find_peer(kw_kad *kad, const kw_peer_id *peer, const kw_kad_events *events,
                           void *user, kw_kad_query **out, kw_error *err);
/* want: how many are enough; 0: all that a lookup comes upon. */
kw_status kw_kad_find_providers(kw_kad *kad, kw_bytes multihash, size_t want,
                                const kw_kad_events *events, void *user, kw_kad_query **out,
                                kw_error *err);
/* Says that we have it, now and every 22 hours until kw_kad_unprovide. events NULL: in its turn (a
 * few at a time), and *out becomes NULL. */
kw_status kw_kad_provide(kw_kad *kad, kw_bytes multihash, const kw_kad_events *events, void *user,
                         kw_kad_query **out, kw_error *err);
void kw_kad_unprovide(kw_kad *kad, kw_bytes multihash);
kw_status kw_kad_put(kw_kad *kad, kw_bytes key, kw_bytes value, const kw_kad_events *events,
                     void *user, kw_kad_query **out, kw_error *err);
kw_status kw_kad_get(kw_kad *kad, kw_bytes key, size_t want, const kw_kad_events *events,
                     void *user, kw_kad_query **out, kw_error *err);
/* No event comes any more. Not after done. */
void kw_kad_cancel(kw_kad_query *query);

typedef struct kw_kad_info {
    size_t n_peers[KW_KAD_NETWORKS]; /* in the tables */
    size_t n_records, n_provided;    /* of others; by us */
} kw_kad_info;
void kw_kad_get_info(const kw_kad *kad, kw_kad_info *out);

#endif
