/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stun.h - binding requests of ICE, as far as a peer that is only ever asked needs them.
 *
 * Who dials /webrtc-direct says in USERNAME which credentials are meant, so an answer follows from
 * the request alone: nothing is remembered of who asked. Source: RFC 8489; libp2p specification
 * "webrtc-direct" (v1: both sides use the same string; v2: ours carries the dialer's password). */
#ifndef KW_NET_STUN_H
#define KW_NET_STUN_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

#define KW_STUN_HEADER 20
#define KW_STUN_MAX 1024      /* bytes of a request that is read */
#define KW_STUN_ANSWER_MAX 76 /* IPv6; 64 for IPv4 */

/* A binding message that is well formed and whose FINGERPRINT holds; views into it. */
typedef struct kw_stun {
    kw_bytes whole;
    uint16_t type;
    kw_str username;
    size_t integrity_at; /* of MESSAGE-INTEGRITY */
} kw_stun;
enum { KW_STUN_REQUEST = 0x0001, KW_STUN_SUCCESS = 0x0101 };

kw_status kw_stun_read(kw_bytes message, kw_stun *out, kw_error *err);
/* Whether MESSAGE-INTEGRITY was made with this password. */
bool kw_stun_verify(const kw_stun *stun, kw_str password);

/* Where a request came from: an address of 4 or 16 bytes, and a port. */
typedef struct kw_stun_from {
    bool ip6;
    uint8_t ip[16];
    uint16_t port;
} kw_stun_from;

/* The answer to a request for one of our versions. Never longer than the request. */
kw_status kw_stun_answer(kw_bytes request, const kw_stun_from *from,
                         uint8_t out[KW_STUN_ANSWER_MAX], size_t *len, kw_error *err);
/* A request as a dialer sends it. out: [KW_STUN_MAX]; username is at most 512 bytes. */
kw_status kw_stun_ask(const uint8_t id[12], kw_str username, kw_str password, uint8_t *out,
                      size_t *len, kw_error *err);

#endif
