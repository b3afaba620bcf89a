/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* host_internal.h - what the files of the host share: host, links, peers, dials.
 *
 *   host.c       opening and closing, protocols, watchers, the tick of a second
 *   listen.c     sockets that listen, and who is let in
 *   link.c       one connection over its socket: bytes both ways, and its end
 *   webrtc.c     ports of UDP, whose sessions are links without a socket of their own
 *   carrier.c    WebSocket, HTTP and private networks between the two
 *   circuit.c    links over a stream to a relay instead of a socket
 *   dial.c       several addresses of one peer at once, the first that answers wins
 *   peers.c      which connections lead to whom; streams and connections that were asked for
 *   identify.c   identify and push
 *   ping.c       ping, both sides
 *
 * A link is freed only after its socket's close has come back from the loop, so that whoever is on
 * the stack may finish. */
#ifndef KW_NET_HOST_INTERNAL_H
#define KW_NET_HOST_INTERNAL_H

#include "net/book.h"
#include "net/host.h"
#include "net/identify_message.h"
#include "net/limits.h"
#include "net/loop_uv.h"

#define KW_MAX_WATCHES 16
#define KW_MAX_PROTOCOLS 64
#define KW_COST_STREAM 8.0 /* of what a peer may ask for; a want of a block costs 1 */
#define KW_COST_QUESTION 16.0
#define KW_DIALS_AT_ONCE 64 /* sockets of a host that are connecting */
#define KW_READ_BUFFER ((size_t)256 << 10)

typedef struct kw_link kw_link;
typedef struct kw_dial kw_dial;
typedef struct kw_listener kw_listener;
typedef struct kw_carrier kw_carrier; /* of carrier.c */
typedef struct kw_circuit kw_circuit; /* of circuit.c */
typedef struct kw_request kw_request; /* of peers.c */
typedef struct kw_webrtc kw_webrtc;   /* of webrtc.c: a port */

/* A peer with at least one connection. */
typedef struct kw_peer {
    kw_peer_node node;
    kw_link *links;   /* by next_of_peer, the oldest first */
    kw_buf protocols; /* from identify, each ended by a zero byte */
    char agent[64];   /* likewise */
    bool joined;      /* the watchers were told */
    unsigned n_kept;  /* kw_host_keep: its connections do not end for being idle */
    kw_bucket requests;
} kw_peer;

/* Where bytes of the socket go. */
typedef enum kw_link_mode {
    KW_LINK_CONNECTING, /* outbound: the socket is not there yet */
    KW_LINK_SNIFFING,   /* inbound: nobody knows yet what it is */
    KW_LINK_RAW,        /* they are the connection's */
    KW_LINK_CARRIED,    /* they go through a carrier */
    KW_LINK_HTTP,       /* there is no connection */
    KW_LINK_UPGRADING,  /* outbound: a WebSocket was asked for */
    KW_LINK_BELOW       /* what lies below brings them to the connection */
} kw_link_mode;

/* What carries a link that has no socket of its own. */
typedef struct kw_link_below {
    void (*close)(void *user); /* the link has ended; more than once does not matter */
    void (*free)(void *user);  /* it is freed */
} kw_link_below;

struct kw_link {
    union {
        uv_tcp_t tcp;
        uv_timer_t none; /* never set: the loop's part in the end of a link without a socket */
    };
    const kw_link_below *below; /* NULL: it has one */
    void *below_user;
    uv_connect_t connect;
    uv_write_t write;
    kw_host *host;
    kw_link *next, *prev; /* of the host */
    kw_link *next_of_peer;
    kw_link *next_turn;        /* in host->turns, when turn_due */
    kw_peer *peer;             /* once secured */
    kw_dial *dial;             /* outbound: until it has won or failed */
    kw_connection *connection; /* owned; NULL before the handshake begins */
    kw_carrier *carrier;       /* owned; NULL: none */
    kw_circuit *circuit;       /* the way through a relay; the socket is never opened then */
    kw_peer_id expected;       /* outbound: who must answer */
    kw_multiaddr addr;         /* of the other side, without /p2p */
    kw_multiaddr observed;     /* ours, as the other side says in identify */
    kw_buf flight, pending;    /* being written; waiting for that */
    kw_link_mode mode;
    uint8_t first[4]; /* bytes that did not say yet what comes */
    uint8_t n_first;
    bool inbound, counted; /* counted: by kw_limits_enter */
    bool ws;               /* outbound: by WebSocket */
    bool ip6;
    bool relayed, limited; /* through a relay; which counts bytes and time */
    bool own_port;         /* outbound: from the port that we listen on */
    uint8_t ip[16];
    bool secured, started; /* started: kw_link_started has run */
    bool retired;          /* another connection to the peer is preferred */
    bool over;             /* closed for the connection; the socket may still flush */
    bool socket_gone;      /* uv_close was called */
    bool wrote;            /* since the last tick */
    bool broken;           /* cannot go on; the tick ends it */
    bool turn_due;
    const char *refused; /* why the peer is not wanted, once it is known who it is */
    uint64_t opened_ms, busy_ms, stuck_ms;
    uint64_t moved_ms, moved_bytes; /* when it last moved something worth while; how much then */
    kw_stream *identify;            /* our question, while it is open */
    uint64_t identify_ms;
};

struct kw_host {
    kw_loop *loop;
    const kw_identity *identity;
    kw_host_limits limits;
    kw_host_config config;
    char agent[64];
    kw_connection_owner owner;
    kw_link *links;
    kw_link *turns; /* whose connections have something to tell */
    size_t n_links, n_connecting, n_circuits;
    kw_listener *listeners;
    kw_webrtc *webrtc;
    kw_webrtc *webrtc_dials[2];         /* of IPv4 and IPv6, once they are needed */
    struct kw_certificate *certificate; /* owned; made when there is none in config */
    kw_peer_table peers;
    kw_book *book;
    kw_limits *gate;
    kw_rate requests; /* of a peer */
    kw_rate answer_rate;
    kw_bucket answers; /* to all, kw_host_answered */
    kw_dial *dials;
    uint64_t n_dials; /* so far: their serial numbers */
    kw_request *soon; /* answers that are due outside of the call that asked */
    kw_timer *tick, *soon_timer;
    kw_protocol protocols[KW_MAX_PROTOCOLS];
    size_t n_protocols;
    kw_host_watch watches[KW_MAX_WATCHES];
    size_t n_watches;
    char *read_buffer; /* owned; of all links, libuv fills it and asks again */
    size_t buffered, window_budget;
    kw_http_fn http;
    void *http_user;
    kw_multiaddr also[KW_ALSO][KW_ALSO_ADDRS]; /* addresses besides those of listeners, by kind */
    size_t n_also[KW_ALSO];
    bool push_due, closing;
    size_t n_handles; /* sockets and lookups whose end has not come back from libuv */
    void (*closed)(void *user);
    void *closed_user;
};

/* ---- host.c ---- */
bool kw_host_allows(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr, bool inbound);
const kw_protocol *kw_host_protocol(const kw_host *host, const char *id);
void kw_host_tell(kw_host *host, const kw_peer_id *peer, bool joined);
/* A handle has gone: the last one of a host that closes frees it. */
void kw_host_released(kw_host *host);

/* ---- listen.c ---- */
void kw_listen_close_all(kw_host *host);
kw_multiaddr kw_addr_of_socket(const struct sockaddr *address);
/* Binds a socket of this family to the port that we listen on; false: not bound. */
bool kw_listen_bind(const kw_host *host, const kw_link *link, int family);
/* Of an address that begins with /ip/tcp or /ip/udp. */
void kw_socket_of_addr(const kw_multiaddr *addr, struct sockaddr_storage *out);
/* Counts an inbound link whose address is known; an error: it is not wanted. */
kw_status kw_link_let_in(kw_link *link, kw_error *err);

/* ---- link.c ---- */
/* family: AF_INET or AF_INET6 for a socket now, 0 for one later or never. */
kw_status kw_link_open(kw_host *host, bool inbound, int family, kw_link **out, kw_error *err);
/* One that something else carries, and, when we began it, that kw_link_carried says when it does.
 */
kw_status kw_link_open_below(kw_host *host, bool inbound, const kw_link_below *below, void *user,
                             kw_link **out, kw_error *err);
void kw_link_carried(kw_link *link);
/* After the connection took bytes: what had to wait for the end of its turn. */
void kw_link_settle(kw_link *link);
/* The socket is connected (or accepted): reads begin. An outbound link shakes hands at once. */
kw_status kw_link_begin(kw_link *link, kw_error *err);
/* Ends it at once; its peer and its dial are told. */
void kw_link_fail(kw_link *link, kw_status why, const char *reason);
/* Tells the owner of the host what the other side did; not of one that was only dialed. */
void kw_link_blame(const kw_link *link, kw_host_fault fault);
/* Says goodbye first. */
void kw_link_close(kw_link *link);
void kw_link_tick(kw_link *link, uint64_t now_ms);
/* Gives their turn to the connections that asked for one. */
void kw_link_turns(kw_host *host);
/* Fills the owner's table of kw_connection. */
void kw_link_owner(kw_connection_owner *owner);
/* For carriers: bytes to the socket; bytes to the connection; the connection begins; the end once
 * what is queued is out. */
void kw_link_write(kw_link *link, kw_bytes bytes);
void kw_link_take(kw_link *link, kw_bytes bytes);
kw_status kw_link_shake_hands(kw_link *link, const kw_peer_id *expected, kw_error *err);
void kw_link_finish(kw_link *link);
/* What carries its bytes has room again. */
void kw_link_drained(kw_link *link);

/* ---- dial.c ---- */
/* A link of a dial has come through, or has failed. */
void kw_dial_won(kw_dial *dial, kw_link *link);
void kw_dial_lost(kw_dial *dial, kw_link *link, kw_status why, const char *reason);
void kw_dial_close_all(kw_host *host);

/* ---- peers.c ---- */
/* The handshake of a link is over: it belongs to a peer now, or link->refused says why not. */
void kw_peer_came(kw_link *link, const kw_peer_id *id);
/* The same outside of the connection's call: its dial is told, identify asked. */
void kw_link_started(kw_link *link);
/* A link ends. */
void kw_peer_left(kw_link *link);
kw_peer *kw_peer_find(const kw_host *host, const kw_peer_id *id);
/* The connection that new streams take, or NULL. */
kw_link *kw_peer_link(const kw_peer *peer);
/* The connection that a stream runs on. */
kw_link *kw_link_of_stream(const kw_host *host, const kw_stream *stream);
/* The IP address of a peer that is connected without a relay. */
bool kw_peer_ip(const kw_host *host, const kw_peer_id *peer, bool *ip6, uint8_t ip[16]);
/* Gives the answers that wait in host->soon. */
void kw_requests_run(kw_host *host);

/* ---- identify.c, ping.c ---- */
kw_status kw_identify_serve(kw_host *host, kw_error *err);
void kw_identify_ask(kw_link *link);
void kw_identify_push(kw_host *host);
void kw_identify_tick(kw_link *link, uint64_t now_ms);
kw_status kw_ping_serve(kw_host *host, kw_error *err);

#endif
