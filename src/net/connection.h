/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* connection.h - one connection to a peer without its socket: bytes in, bytes out.
 *
 * multistream-select, Noise XX (which proves who the peer is), Yamux, and multistream-select again
 * on each stream. It does no I/O and knows no clock but the one it is given, so that a test may
 * split, delay and drop at will, and any transport (TCP, WebSocket, relay, a pipe) can carry it.
 * Source: libp2p specifications of connections, noise and yamux. */
#ifndef KW_NET_CONNECTION_H
#define KW_NET_CONNECTION_H

#include "net/identity.h"
#include "net/stream.h"

typedef struct kw_connection kw_connection;

/* What the connection asks of its owner (the host). */
typedef struct kw_connection_owner {
    /* Sends bytes in this order; they are copied or sent before it returns. */
    void (*send)(void *user, kw_bytes bytes);
    /* The handshake is over: the peer is who its key says. */
    void (*secured)(void *user, const kw_peer_id *peer);
    /* A peer opened a stream for a protocol: true when it is handled (kw_stream_listen was called).
     */
    bool (*incoming)(void *user, kw_stream *stream, const char *protocol);
    /* Whether a protocol that a peer proposes is spoken here. */
    bool (*speaks)(void *user, const char *protocol);
    /* The connection is over; every stream has had its `closed`. The owner frees it later with
     * kw_connection_free, not within the call. */
    void (*closed)(void *user, kw_status why, const char *reason);
    /* Something was ended from outside of kw_connection_... calls, and its `closed` is due: please
     * call kw_connection_turn on the next turn of the loop. NULL: kw_connection_tick will do it. */
    void (*soon)(void *user);
} kw_connection_owner;

/* A transport that is secured already and carries each stream on a channel of its own (WebRTC):
 * there is no Yamux then, and Noise runs on channel 0 only to prove who the peer is. */
typedef struct kw_channels {
    /* Opens one towards the peer, odd numbers by the initiator; false: none is free. */
    bool (*open)(void *user, uint16_t *channel);
    /* Sends a message, in order behind what was sent on it. False: not now, and
     * kw_connection_writable tells when. must: it is kept until it can go. */
    bool (*send)(void *user, uint16_t channel, kw_bytes message, bool must);
    /* Nothing more will be sent on it. */
    void (*close)(void *user, uint16_t channel);
} kw_channels;

typedef struct kw_connection_config {
    const kw_identity *identity;      /* borrowed */
    const kw_connection_owner *owner; /* borrowed */
    void *user;
    bool initiator;
    kw_peer_id expected;     /* who must answer; len 0: anybody */
    size_t max_streams;      /* inbound; 0: 256 */
    size_t max_window_bytes; /* of one stream; 0: 16 MiB */
    /* Bytes that all connections of a host may hold for windows above 256 KiB; NULL: no limit. */
    size_t *window_budget;
    uint64_t now_ms;
    const kw_channels *channels; /* borrowed; NULL: the transport carries bytes */
    void *channels_user;
    kw_bytes prologue; /* of Noise: what binds it to the transport; borrowed during open */
} kw_connection_config;

kw_status kw_connection_open(const kw_connection_config *config, kw_connection **out,
                             kw_error *err);
void kw_connection_free(kw_connection *connection);
/* Bytes that arrived, all taken; now_ms is the monotonic time. After `closed` they are ignored. */
void kw_connection_receive(kw_connection *connection, kw_bytes bytes, uint64_t now_ms);
/* With channels, instead: one was opened by the peer, brought bytes (a message or a part of one),
 * or was closed by the peer; all may send again. Only channel 0 is there from the beginning. */
void kw_connection_channel_opened(kw_connection *connection, uint16_t channel, uint64_t now_ms);
void kw_connection_channel(kw_connection *connection, uint16_t channel, kw_bytes bytes,
                           uint64_t now_ms);
void kw_connection_channel_closed(kw_connection *connection, uint16_t channel, uint64_t now_ms);
void kw_connection_writable(kw_connection *connection);
/* Paused streams keep as much as they may: nothing is to be read for now. */
bool kw_connection_full(const kw_connection *connection);
/* The transport ended. */
void kw_connection_lost(kw_connection *connection, kw_status why);
/* Bytes given to send() that have not left the machine yet: above a limit streams hold back theirs.
 */
void kw_connection_backlog(kw_connection *connection, size_t bytes);
/* Timeouts (handshake 10 s, negotiation of a stream 10 s); to be called about once a second. */
void kw_connection_tick(kw_connection *connection, uint64_t now_ms);
/* Tells what is due (see owner->soon). */
void kw_connection_turn(kw_connection *connection);
/* Says goodbye and closes. */
void kw_connection_close(kw_connection *connection);

/* Opens a stream for the first of these protocols that the peer speaks. opened comes once: with the
 * stream, on which it calls kw_stream_listen, or with NULL and why
 * (within the call when there are too many streams or the connection is over). */
typedef void (*kw_stream_fn)(void *user, kw_stream *stream, kw_status status, const char *why);
void kw_connection_stream(kw_connection *connection, const char *const *protocols,
                          size_t n_protocols, kw_stream_fn opened, void *user);

const kw_peer_id *kw_connection_peer(const kw_connection *connection);
/* The peer's public key (protobuf); empty before the handshake is over. */
kw_bytes kw_connection_key(const kw_connection *connection);
bool kw_connection_carries(const kw_connection *connection, const kw_stream *stream);
size_t kw_connection_streams(const kw_connection *connection);
/* Inbound streams that are open for a protocol, the one that `incoming` is about included. */
size_t kw_connection_count(const kw_connection *connection, const char *protocol);
/* Bytes of stream data in and out so far, and the round trip by yamux's ping (0: unknown). */
typedef struct kw_connection_info {
    uint64_t bytes_in, bytes_out, rtt_ms;
    size_t n_streams, memory_bytes;
} kw_connection_info;
void kw_connection_get_info(const kw_connection *connection, kw_connection_info *out);

#endif
