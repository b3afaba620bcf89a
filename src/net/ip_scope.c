/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ip_scope.c - private and public addresses, and whose they are.
 * Sources: RFC 1918, 3927, 4193, 4291, 6598; the blocks of one owner as in go-libp2p. */
#include "net/ip_scope.h"

#include <string.h>

static bool private_ip4(const uint8_t *a)
{
    return a[0] == 10 || a[0] == 127 || a[0] == 0 || (a[0] == 172 && (a[1] & 0xf0) == 16) ||
           (a[0] == 192 && a[1] == 168) || (a[0] == 169 && a[1] == 254) ||
           (a[0] == 100 && (a[1] & 0xc0) == 64) || a[0] >= 224;
}

static bool private_ip6(const uint8_t *a)
{
    static const uint8_t nothing[15] = {0};
    return (memcmp(a, nothing, 15) == 0 && a[15] <= 1) || (a[0] & 0xfe) == 0xfc ||
           (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || a[0] == 0xff;
}

/* Blocks of 16 million addresses that one organisation was given. */
static bool one_owner(uint8_t first)
{
    static const uint8_t blocks[] = {12, 17, 19, 38, 48, 53, 56, 73};
    for (size_t i = 0; i < sizeof blocks; i++) {
        if (blocks[i] == first)
            return true;
    }
    return false;
}

uint64_t kw_ip_group(const kw_multiaddr *addr)
{
    kw_multiaddr_part part;
    if (kw_multiaddr_find(addr, KW_MA_IP4, &part)) {
        const uint8_t *a = part.value.data;
        if (private_ip4(a))
            return 0;
        return 4ULL << 32 | (uint64_t)a[0] << 8 | (one_owner(a[0]) ? 0 : a[1]);
    }
    if (kw_multiaddr_find(addr, KW_MA_IP6, &part)) {
        const uint8_t *a = part.value.data;
        if (private_ip6(a))
            return 0;
        return 6ULL << 32 | (uint64_t)a[0] << 24 | (uint64_t)a[1] << 16 | (uint64_t)a[2] << 8 |
               a[3];
    }
    return 1;
}

bool kw_ip_public(const kw_multiaddr *addr)
{
    return kw_ip_group(addr) != 0;
}
