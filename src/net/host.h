/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* host.h - a node of the network: listens, dials, keeps connections within limits, and hands
 * streams to protocols.
 *
 * One host lives on one loop. It knows the addresses of peers (the peer book), dials them when a
 * stream is asked for, and speaks identify, identify push and ping itself. */
#ifndef KW_NET_HOST_H
#define KW_NET_HOST_H

#include "net/connection.h"
#include "net/loop.h"
#include "wire/multiaddr.h"

typedef struct kw_host kw_host;

typedef struct kw_host_limits {   /* 0: the default in brackets */
    size_t connections;           /* [200] */
    size_t connections_per_ip;    /* [8] */
    size_t handshakes_per_second; /* of one address [4, with bursts of 8] */
    size_t requests_per_second;   /* of one peer [2,000, bursts of 8,000], an address twice that */
    size_t buffered_bytes;        /* of all connections [64 MiB] */
    uint64_t handshake_ms;        /* [10,000] */
    uint64_t idle_ms;             /* a connection without streams [60,000] */
    uint64_t dial_ms;             /* [10,000] */
} kw_host_limits;

/* What somebody did at a connection, whatever it carries. */
typedef enum kw_host_fault {
    KW_HOST_MALFORMED, /* bytes that break the rules of what they belong to */
    KW_HOST_ABUSE,     /* more connections, streams or requests than a limit lets through */
    KW_HOST_SLOW       /* a handshake that was begun and not ended in time */
} kw_host_fault;

typedef struct kw_host_config {
    kw_loop *loop;               /* borrowed */
    const kw_identity *identity; /* borrowed */
    const char *agent;           /* "kwaai/0.1.0" */
    kw_host_limits limits;
    const uint8_t *psk; /* [32] of a private network, or NULL */
    /* Of WebRTC ports: its hash is part of their addresses. Borrowed; NULL: one that is made. */
    const struct kw_certificate *certificate;
    /* Asked before a dial and when a connection was accepted (peer then is nobody) and when it is
     * known who came. NULL: all. */
    bool (*allow)(void *user, const kw_peer_id *peer, const kw_multiaddr *addr, bool inbound);
    /* Told what peers do that they must not; peer is nobody before it said who it is. Connections
     * are not to be ended within the call. NULL: nobody asks. */
    void (*fault)(void *user, const kw_peer_id *peer, const kw_multiaddr *addr,
                  kw_host_fault fault);
    void *allow_user; /* of both */
} kw_host_config;

kw_status kw_host_open(const kw_host_config *config, kw_host **out, kw_error *err);
/* Closes every connection; `done` (may be NULL) when the last handle is gone and the host is freed.
 */
void kw_host_close(kw_host *host, void (*done)(void *user), void *user);

/* /ip4/A/tcp/P, /ip6/A/tcp/P, with /ws behind it too; port 0 takes a free one. A port that listens
 * takes raw libp2p, WebSocket and HTTP, told apart by their first bytes.
 * /ip4/A/udp/P/webrtc-direct, likewise ip6, where kw_sctp_there(). */
kw_status kw_host_listen(kw_host *host, const kw_multiaddr *addr, kw_error *err);
/* The addresses that others may use, at most n; how many there are. */
size_t kw_host_addrs(const kw_host *host, kw_multiaddr *out, size_t n);
/* Addresses that are told to others besides those we listen on, at most KW_ALSO_ADDRS of a kind. */
typedef enum kw_host_also { KW_ALSO_RELAYED, KW_ALSO_OBSERVED, KW_ALSO } kw_host_also;
#define KW_ALSO_ADDRS 8
void kw_host_set_also(kw_host *host, kw_host_also kind, const kw_multiaddr *addrs, size_t n);
const kw_peer_id *kw_host_id(const kw_host *host);
kw_loop *kw_host_loop(const kw_host *host);

/* ---- protocols ---- */

/* A peer opened a stream: kw_stream_listen it, or return false to refuse. */
typedef bool (*kw_incoming_fn)(void *user, kw_stream *stream);
/* max_per_peer: inbound streams of one peer at the same time. hidden: spoken, and not listed in
 * identify (the Kademlia protocol of a client). protocol is borrowed. Streams for what is not
 * `limited` are neither opened nor taken over a limited connection. */
typedef struct kw_protocol {
    const char *id;
    kw_incoming_fn incoming;
    void *user;
    size_t max_per_peer;
    bool hidden;
    bool limited; /* may run over a connection through a relay that counts bytes and time */
    bool direct;  /* is refused over any relay */
} kw_protocol;
kw_status kw_host_speak(kw_host *host, const kw_protocol *protocol, kw_error *err);
void kw_host_unspeak(kw_host *host, const char *id);
/* Opens a stream to a peer, dialing it when there is no connection. opened comes once, never within
 * the call. */
void kw_host_stream(kw_host *host, const kw_peer_id *peer, const char *const *protocols,
                    size_t n_protocols, kw_stream_fn opened, void *user);

/* ---- peers ---- */

typedef void (*kw_connected_fn)(void *user, const kw_peer_id *peer, kw_status status,
                                const char *why);
/* Dials an address (with or without /p2p), or a peer that the book knows (addr NULL). done may be
 * NULL. */
void kw_host_connect(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr,
                     kw_connected_fn done, void *user);
/* The same from the port that we listen on where that is possible: the peer then sees how a NAT
 * shows that port to others. */
void kw_host_connect_from_port(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr,
                               kw_connected_fn done, void *user);
void kw_host_disconnect(kw_host *host, const kw_peer_id *peer);
/* Asks `allow` about every connection again, and ends those that it does not want any more. */
void kw_host_enforce(kw_host *host);
/* Where the connection to a peer leads; false: there is none. */
bool kw_host_peer_addr(const kw_host *host, const kw_peer_id *peer, kw_multiaddr *out);
/* A protocol tells `fault` of a peer that is connected. */
void kw_host_blame(kw_host *host, const kw_peer_id *peer, kw_host_fault fault);
/* Connections of the peer do not end for being idle, as often as this was said with true. It is
 * forgotten when the last connection is gone. */
void kw_host_keep(kw_host *host, const kw_peer_id *peer, bool keep);
/* Whether a peer may make a request that costs so much (a want 1, a stream 8, a question of
 * Kademlia or HTTP 16) by its own rate and by that of its address; false: it must wait. */
bool kw_host_request(kw_host *host, const kw_peer_id *peer, double cost);
/* Work for a peer that moved nothing: answers that a block is not here. All peers together have so
 * much of it a second [16,000]; when there is no more, only those have a turn whose address has
 * credit left, or whom we dialed. An address begins with 256, has 64 a second, and 16 for each
 * block that went either way; no more than 4,096. */
void kw_host_answered(kw_host *host, const kw_peer_id *peer, size_t n);
void kw_host_moved(kw_host *host, const kw_peer_id *peer, size_t n_blocks);
bool kw_host_has_time(kw_host *host, const kw_peer_id *peer);
bool kw_host_connected(const kw_host *host, const kw_peer_id *peer);
/* Round trip in microseconds by the ping protocol. */
typedef void (*kw_ping_fn)(void *user, kw_status status, uint64_t rtt_us);
void kw_host_ping(kw_host *host, const kw_peer_id *peer, kw_ping_fn done, void *user);

/* The peer book: addresses by peer, at most 16 each, forgotten after ttl_ms unless connected. */
void kw_host_learn(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addrs, size_t n,
                   uint64_t ttl_ms);
size_t kw_host_known(const kw_host *host, const kw_peer_id *peer, kw_multiaddr *out, size_t n);

typedef struct kw_peer_info {
    kw_peer_id id;
    kw_multiaddr addr; /* of the connection */
    bool inbound, relayed;
    char agent[64];
    uint64_t since_ms;
    kw_connection_info traffic;
} kw_peer_info;
size_t kw_host_peers(const kw_host *host, kw_peer_info *out, size_t n);
/* Whether a connected peer said in identify that it speaks this; false too while that is not known.
 */
bool kw_host_peer_speaks(const kw_host *host, const kw_peer_id *peer, const char *protocol);

/* Tells when peers come (identify done), go, and change what they speak. Up to 16 watchers. */
typedef struct kw_host_watch {
    void (*joined)(void *user, const kw_peer_id *peer);
    void (*left)(void *user, const kw_peer_id *peer);
    void *user;
} kw_host_watch;
kw_status kw_host_add_watch(kw_host *host, const kw_host_watch *watch, kw_error *err);
void kw_host_remove_watch(kw_host *host, void *user);

/* HTTP on the listening ports: a GET that is no WebSocket upgrade is passed on. The handler answers
 * by kw_http_reply, now or later. NULL: 404 for all. */
typedef struct kw_http_request kw_http_request;
typedef void (*kw_http_fn)(void *user, kw_http_request *request);
void kw_host_http(kw_host *host, kw_http_fn handler, void *user);

#endif
