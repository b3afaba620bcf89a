/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_key.h - the key space of Kademlia: SHA-256 of what is looked for, with XOR as distance. */
#ifndef KW_NET_KAD_KEY_H
#define KW_NET_KAD_KEY_H

#include "wire/peer_id.h"

#define KW_KAD_K 20 /* peers in a bucket, in an answer, and that hold a record */
#define KW_KAD_KEY_BITS 256

typedef struct kw_kad_key {
    uint8_t bytes[KW_KAD_KEY_BITS / 8];
} kw_kad_key;

kw_kad_key kw_kad_key_of(kw_bytes key);
kw_kad_key kw_kad_key_of_peer(const kw_peer_id *peer);
/* Below 0 when a is closer to the target than b, 0 when they are the same. */
int kw_kad_compare(const kw_kad_key *target, const kw_kad_key *a, const kw_kad_key *b);
/* Leading bits that both have in common, KW_KAD_KEY_BITS when they are the same. */
size_t kw_kad_common_bits(const kw_kad_key *a, const kw_kad_key *b);

#endif
