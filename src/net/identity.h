/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* identity.h - the key of a node, keys of others, and what they sign.
 *
 * Keys travel as the protobuf {1 type, 2 data} of libp2p; a key file is a private key in the same
 * form. Our own keys are Ed25519; RSA, ECDSA and secp256k1 keys of others are verified. */
#ifndef KW_NET_IDENTITY_H
#define KW_NET_IDENTITY_H

#include "base/buf.h"
#include "base/error.h"
#include "wire/peer_id.h"

#define KW_PUBLIC_KEY_MAX 1200 /* RSA of 8,192 bits and its wrapping */

typedef struct kw_identity {
    uint8_t seed[32], public_key[32];
    uint8_t encoded[36]; /* the public key as protobuf */
    kw_peer_id id;
} kw_identity;

kw_status kw_identity_new(kw_identity *out, kw_error *err);
kw_status kw_identity_of_seed(const uint8_t seed[32], kw_identity *out, kw_error *err);
/* From the bytes of a key file (KwaaiNet's identity.key, go-libp2p's). KW_E_UNSUPPORTED by name for
 * other kinds. */
kw_status kw_identity_get(kw_bytes encoded, kw_identity *out, kw_error *err);
void kw_identity_put(const kw_identity *identity, kw_buf *out); /* the key file */
void kw_identity_wipe(kw_identity *identity);
kw_status kw_identity_sign(const kw_identity *identity, kw_bytes message, uint8_t out[64],
                           kw_error *err);
/* public_key: protobuf. */
bool kw_identity_verify(kw_bytes public_key, kw_bytes message, kw_bytes signature);

#endif
