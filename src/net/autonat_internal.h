/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat_internal.h - what the files of AutoNAT share.
 *
 *   autonat.c           whom to ask and when, what the answers add up to, whom to serve
 *   autonat_v1.c        version 1, both sides: what a peer says is taken as his vote
 *   autonat_v2.c        version 2, asking: a peer proves by a nonce that it came through
 *   autonat_v2_serve.c  version 2, serving: who names another IP than his pays with bytes first */
#ifndef KW_NET_AUTONAT_INTERNAL_H
#define KW_NET_AUTONAT_INTERNAL_H

#include "net/autonat.h"
#include "net/autonat2_message.h"
#include "net/autonat_message.h"
#include "net/frame.h"
#include "net/host_internal.h"

#define KW_AUTONAT_ID "/libp2p/autonat/1.0.0"
#define KW_AUTONAT2_ID "/libp2p/autonat/2/dial-request"
#define KW_AUTONAT2_BACK_ID "/libp2p/autonat/2/dial-back"
#define KW_AUTONAT_VOTES 8
#define KW_AUTONAT_SERVED 64    /* remembered */
#define KW_AUTONAT_BACK_MS 5000 /* for the nonce to arrive */
#define KW_AUTONAT_PRICE_MIN 30000
#define KW_AUTONAT_PRICE_MAX 100000 /* bytes for a dial to another IP */

typedef struct kw_autonat_vote {
    kw_peer_id peer;
    uint64_t asked_ms;
    kw_reach says; /* unknown: has not answered, or not to the point */
} kw_autonat_vote;

typedef struct kw_autonat_served {
    kw_peer_id peer;
    uint64_t at_ms;
    bool paid; /* the address was of another IP */
} kw_autonat_served;

/* A message of a talk's stream; false: no more of them (the stream is gone, or all is said). */
typedef bool (*kw_autonat_message_fn)(void *talk, kw_bytes message);

/* A stream, ours or theirs; it outlives the rest when that is closed. */
typedef struct kw_autonat_talk {
    struct kw_autonat_talk *next;
    kw_autonat *autonat; /* NULL: closed */
    kw_host *host;
    kw_peer_id peer;
    kw_stream *stream;
    kw_frames frames;
    kw_autonat_message_fn on_message;
    kw_multiaddr addrs[KW_AUTONAT_ADDRS]; /* that we named, or the one that we dial */
    size_t n_addrs;
    uint64_t since_ms;
    unsigned n_due; /* callbacks that will come */
    bool asks, over;
    /* Of version 2. */
    void (*due)(struct kw_autonat_talk *talk); /* to be called at due_ms; NULL: nothing is */
    uint64_t due_ms, nonce;
    uint32_t place, dialed; /* of an answer; place: of the address dialed, in the peer's list */
    size_t unpaid;          /* bytes, before we dial */
    bool paid, answered;
    bool proven, proven_ip6; /* the nonce has come, over a connection of this kind */
    kw_stream *back;         /* that carries the nonce, when we serve */
} kw_autonat_talk;

struct kw_autonat {
    kw_autonat_config config;
    kw_timer *timer;
    kw_autonat_talk *talks;
    kw_autonat_vote votes[KW_AUTONAT_VOTES];
    size_t n_votes;
    uint64_t due_ms;
    bool asking;
    kw_reach reach;
    kw_multiaddr reached; /* that a peer dialed; len 0: none */
    bool proven;          /* by a nonce */
    kw_autonat_served served[KW_AUTONAT_SERVED];
    size_t n_served;
    uint64_t n_served_ever;
};

/* ---- autonat.c ---- */
uint64_t kw_autonat_now(const kw_host *host);
/* /ip4 or /ip6, /tcp, and no more. */
bool kw_autonat_is_tcp(const kw_multiaddr *addr, kw_multiaddr_part *ip);
kw_autonat_talk *kw_autonat_new_talk(kw_autonat *autonat, const kw_peer_id *peer, bool asks);
/* The last thing that a callback does. */
void kw_autonat_free_if_gone(kw_autonat_talk *talk);
/* With its length in front; resets the stream where that fails. */
void kw_autonat_send(kw_stream *stream, kw_buf *message);
/* Messages of at most max bytes come to on_message from now on. */
void kw_autonat_listen(kw_autonat_talk *talk, kw_stream *stream, size_t max,
                       kw_autonat_message_fn on_message);
/* The same for a stream that a peer has opened; false: no memory. */
bool kw_autonat_incoming(kw_autonat *autonat, kw_stream *stream, size_t max,
                         kw_autonat_message_fn on_message);
/* What kw_autonat_listen does with what a stream says. */
void kw_autonat_on_data(void *user, kw_stream *stream, kw_bytes bytes);
void kw_autonat_on_end(void *user, kw_stream *stream);
void kw_autonat_on_closed(void *user, kw_stream *stream, kw_status why);
/* Whether the peer may have a dial now; counts it. */
bool kw_autonat_may_serve(kw_autonat *autonat, const kw_peer_id *peer, bool paid);
/* What the peer that was asked says; addr: that it reached, or NULL. */
void kw_autonat_heard(kw_autonat *autonat, const kw_peer_id *peer, kw_reach says,
                      const kw_multiaddr *addr, bool proven);

/* ---- autonat_v1.c, autonat_v2.c, autonat_v2_serve.c ---- */
bool kw_autonat_v1_incoming(void *user, kw_stream *stream);
void kw_autonat_v1_opened(void *user, kw_stream *stream, kw_status status, const char *why);
bool kw_autonat_v2_incoming(void *user, kw_stream *stream);
bool kw_autonat_v2_back(void *user, kw_stream *stream);
void kw_autonat_v2_opened(void *user, kw_stream *stream, kw_status status, const char *why);
void kw_autonat_v2_say(kw_stream *stream, const kw_autonat2_message *message);

#endif
