/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peer_id.h - who a peer is: the multihash of its public key. */
#ifndef KW_WIRE_PEER_ID_H
#define KW_WIRE_PEER_ID_H

#include "base/error.h"
#include "base/str.h"

#define KW_PEER_ID_MAX 44 /* an identity multihash of 42 bytes, or of a SHA-256 */
#define KW_PEER_ID_TEXT_MAX 72

typedef struct kw_peer_id {
    uint8_t len;                   /* 0: nobody */
    uint8_t bytes[KW_PEER_ID_MAX]; /* zero behind len */
} kw_peer_id;

/* Of a public key in its protobuf encoding. */
kw_peer_id kw_peer_id_of(kw_bytes public_key);
bool kw_peer_id_equal(const kw_peer_id *a, const kw_peer_id *b);
kw_status kw_peer_id_get(kw_bytes multihash, kw_peer_id *out, kw_error *err);
/* Base58 ("12D3Koo...", "Qm..."), or read as a CID of a libp2p key too. */
void kw_peer_id_text(const kw_peer_id *id, char out[KW_PEER_ID_TEXT_MAX]);
kw_status kw_peer_id_parse(kw_str text, kw_peer_id *out, kw_error *err);

#endif
