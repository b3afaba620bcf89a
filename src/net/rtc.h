/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rtc.h - one WebRTC connection without its socket: datagrams in and out below, a kw_connection
 * above.
 *
 * DTLS, SCTP inside it, data channels inside that; libp2p's Noise on channel 0 with both
 * certificates in its prologue, and a stream on each other channel. Source: libp2p specifications
 * "webrtc" and "webrtc-direct"; RFC 8831, RFC 8832, RFC 8261. */
#ifndef KW_NET_RTC_H
#define KW_NET_RTC_H

#include "crypto/dtls.h"
#include "net/connection.h"
#include "net/sctp.h"

typedef struct kw_rtc kw_rtc;

typedef struct kw_rtc_events {
    void (*send)(void *user, kw_bytes datagram);
    /* Channel 0 is there. Opens a connection with what `part` already says (its role, its channels,
     * the prologue) and the rest; NULL: it could not, and this ends. The connection stays the
     * caller's. */
    kw_connection *(*up)(void *user, const kw_connection_config *part);
    /* The other side is gone, or broke a rule. No event follows; the caller closes it. */
    void (*lost)(void *user, kw_status why, const char *reason);
} kw_rtc_events;

typedef struct kw_rtc_config {
    kw_sctp_stack *stack;     /* borrowed */
    kw_dtls *dtls;            /* owned from then on, whatever happens */
    const uint8_t *own_hash;  /* [32] of our certificate; borrowed */
    const uint8_t *peer_hash; /* [32] that theirs must have; NULL: any */
    bool server;              /* of DTLS: then Noise's initiator, and of odd channels */
    const kw_rtc_events *events;
    void *user;
    uint64_t now_ms;
} kw_rtc_config;

kw_status kw_rtc_open(const kw_rtc_config *config, kw_rtc **out, kw_error *err);
void kw_rtc_receive(kw_rtc *rtc, kw_bytes datagram, uint64_t now_ms);
/* Retransmissions, and what was held back; about each 10 ms. */
void kw_rtc_tick(kw_rtc *rtc, uint64_t now_ms);
/* The peer is told; nothing is sent or called any more. */
void kw_rtc_close(kw_rtc *rtc);
void kw_rtc_free(kw_rtc *rtc); /* not from within an event */

#endif
