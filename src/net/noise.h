/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* noise.h - the handshake Noise_XX_25519_ChaChaPoly_SHA256 with libp2p's payload, message by
 * message.
 *
 * Three messages: initiator, responder, initiator. Each static key is fresh; the payload binds it
 * to the identity. Source: noiseprotocol.org revision 34; libp2p specification "noise". */
#ifndef KW_NET_NOISE_H
#define KW_NET_NOISE_H

#include "base/buf.h"
#include "crypto/crypto.h"
#include "net/identity.h"

#define KW_NOISE_TAG 16
#define KW_NOISE_MAX 65535 /* a message with its tag */

typedef struct kw_noise {
    bool initiator, has_key;
    int step; /* messages so far */
    uint8_t h[32], ck[32], k[32];
    uint64_t n;
    uint8_t ephemeral[32], ephemeral_public[32], fixed[32], fixed_public[32]; /* ours */
    uint8_t their_ephemeral[32], their_fixed[32];
} kw_noise;

/* Secrets of our own two keys; NULL: fresh ones. (A test has some that are known.) */
kw_status kw_noise_begin(kw_noise *noise, bool initiator, kw_bytes prologue,
                         const uint8_t ephemeral[32], const uint8_t fixed[32], kw_error *err);
/* Whether the next message is ours. */
bool kw_noise_ours(const kw_noise *noise);
bool kw_noise_over(const kw_noise *noise);
/* Adds the next message to out. */
kw_status kw_noise_write(kw_noise *noise, kw_bytes payload, kw_buf *out, kw_error *err);
/* Takes the next message of the peer; its payload is added to payload. */
kw_status kw_noise_read(kw_noise *noise, kw_bytes message, kw_buf *payload, kw_error *err);
/* The two keys of the transport, once it is over. */
kw_status kw_noise_split(const kw_noise *noise, uint8_t send[32], uint8_t receive[32],
                         kw_error *err);

/* The payload of messages two and three: who we are, signed over the static key, and the
 * muxer that we speak (NULL: none is agreed on here). */
kw_status kw_noise_payload(const kw_noise *noise, const kw_identity *identity, const char *muxer,
                           kw_buf *out, kw_error *err);
/* Checks the peer's, after the message that brought it was read. key: protobuf, a view into
 * payload. *muxer: both named this one; *named: the peer named any. */
kw_status kw_noise_check(const kw_noise *noise, kw_bytes payload, const char *muxer, kw_bytes *key,
                         kw_peer_id *peer, bool *named, bool *same, kw_error *err);

#endif
