/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_key.c - keys of Kademlia and their distance.
 * Source: Maymounkov and Mazieres 2002, "Kademlia"; libp2p kad-dht specification. */
#include "net/kad_key.h"

#include "base/sha256.h"

kw_kad_key kw_kad_key_of(kw_bytes key)
{
    kw_kad_key out;
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false)); /* a block or two */
    kw_sha256_update(&hash, key.data, key.len);
    kw_sha256_final(&hash, out.bytes);
    return out;
}

kw_kad_key kw_kad_key_of_peer(const kw_peer_id *peer)
{
    return kw_kad_key_of((kw_bytes){peer->bytes, peer->len});
}

int kw_kad_compare(const kw_kad_key *target, const kw_kad_key *a, const kw_kad_key *b)
{
    for (size_t i = 0; i < sizeof target->bytes; i++) {
        const int x = a->bytes[i] ^ target->bytes[i], y = b->bytes[i] ^ target->bytes[i];
        if (x != y)
            return x - y;
    }
    return 0;
}

size_t kw_kad_common_bits(const kw_kad_key *a, const kw_kad_key *b)
{
    for (size_t i = 0; i < sizeof a->bytes; i++) {
        const unsigned differ = (unsigned)(a->bytes[i] ^ b->bytes[i]);
        for (unsigned bit = 0; differ != 0 && bit < 8; bit++) {
            if (differ & (0x80U >> bit))
                return i * 8 + bit;
        }
    }
    return KW_KAD_KEY_BITS;
}
