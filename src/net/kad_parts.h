/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_parts.h - what kad.c, kad_query.c and kad_stream.c know of each other. */
#ifndef KW_NET_KAD_PARTS_H
#define KW_NET_KAD_PARTS_H

#include "net/frame.h"
#include "net/kad.h"

typedef struct kw_kad_side {
    kw_kad *kad;
    kw_kad_network network;
    kw_kad_node *node; /* owned */
} kw_kad_side;

/* A key that we provide. */
typedef struct kw_kad_own {
    struct kw_kad_own *next;
    uint64_t due_ms;     /* when it is said again */
    kw_kad_query *query; /* that says it now, or NULL */
    size_t key_len;
    uint8_t key[KW_KAD_PROVIDER_KEY_MAX];
} kw_kad_own;

/* A stream to or from a peer; it outlives the kw_kad when its `closed` comes late. */
typedef struct kw_kad_stream {
    struct kw_kad_stream *next;
    kw_kad_side *side; /* NULL: nobody wants what it brings */
    kw_stream *stream; /* NULL while it is being opened */
    kw_frames frames;
    kw_buf request;    /* owned: what is to be sent */
    uint64_t ticket;   /* 0: inbound */
    bool answered;     /* an answer is waited for */
    bool told;         /* the node knows how it ended */
    unsigned n_served; /* requests since the last tick */
    bool paused;
    uint64_t used_ms; /* when something came last */
} kw_kad_stream;

/* An address to begin with. */
typedef struct kw_kad_start {
    kw_kad *kad;
    kw_multiaddr addr;
    kw_dnsaddr *lookup; /* of /dnsaddr, under way; or NULL */
} kw_kad_start;

struct kw_kad {
    kw_host *host;
    kw_kad_side sides[KW_KAD_NETWORKS];
    size_t n_sides;
    kw_kad_providers *providers;
    kw_kad_values *values;
    kw_kad_stream *streams;
    kw_kad_query *queries;
    kw_kad_own *own;
    size_t n_own, n_saying;
    kw_timer *each_second, *soon;
    kw_kad_start *starts; /* owned */
    size_t n_starts, n_dns_servers;
    kw_dns_server resolvers[KW_DNSADDR_SERVERS];
    const kw_dns_server *dns_servers; /* resolvers, or NULL: those of the system */
    uint64_t bootstrap_ms, sweep_ms;
    void (*save)(void *user, const kw_kad_record *record);
    void *save_user;
};

/* kad.c: a peer is connected (user: a kw_kad) */
void kw_kad_joined(void *user, const kw_peer_id *peer);

/* kad_bootstrap.c */
void kw_kad_bootstrap_tick(kw_kad *kad, uint64_t now_ms);
void kw_kad_bootstrap_free(kw_kad *kad);

/* kad_stream.c */
void kw_kad_stream_send(kw_kad_side *side, uint64_t ticket, const kw_peer_id *peer,
                        kw_bytes request, bool answered);
void kw_kad_stream_drop(kw_kad *kad, uint64_t ticket, const kw_kad_side *side);
bool kw_kad_stream_incoming(void *user, kw_stream *stream); /* user: a kw_kad_side */
/* Ends idle streams, lets paused ones go on. */
void kw_kad_stream_tick(kw_kad *kad, uint64_t now_ms);
void kw_kad_stream_orphan_all(kw_kad *kad);

/* kad_query.c */
void kw_kad_query_free_all(kw_kad *kad);
/* Says again what is due. */
void kw_kad_own_tick(kw_kad *kad, uint64_t now_ms);
void kw_kad_own_free_all(kw_kad *kad);

#endif
