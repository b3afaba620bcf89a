/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* psk.h - private networks: everything on a connection is enciphered once more with a key that all
 * members share, so that nobody else so much as begins a handshake.
 *
 * Each direction sends 24 random bytes in clear, and then the XSalsa20 stream of key and those
 * bytes lies over all. Source: libp2p specifications, pnet; Bernstein, "Extending the Salsa20
 * nonce". It hides, and proves nothing: Noise inside does that. */
#ifndef KW_NET_PSK_H
#define KW_NET_PSK_H

#include "base/error.h"
#include "base/str.h"

#define KW_PSK_NONCE 24

typedef struct kw_xsalsa20 {
    uint32_t state[16]; /* of the next block */
    uint8_t block[64];
    size_t used; /* bytes of block that are gone */
} kw_xsalsa20;

void kw_xsalsa20_init(kw_xsalsa20 *cipher, const uint8_t key[32], const uint8_t nonce[24]);
void kw_xsalsa20_xor(kw_xsalsa20 *cipher, uint8_t *bytes, size_t len); /* in place */

/* The key in a swarm.key file: three lines, the last of 64 hexadecimal digits. */
kw_status kw_psk_parse(kw_str file, uint8_t out[32], kw_error *err);

#endif
