/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* multiaddr.h - addresses that say how to get there: /ip4/10.0.0.1/tcp/4001/p2p/12D3Koo...
 *
 * Held by value in the binary form, checked once when it is made: whoever holds one may walk it
 * without failing, and its text fits. Longer ones than KW_MULTIADDR_MAX are refused by name (none
 * in use are), and parts of codes that have no row in multiaddr.c, whose length nobody knows. */
#ifndef KW_WIRE_MULTIADDR_H
#define KW_WIRE_MULTIADDR_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/peer_id.h"

#define KW_MULTIADDR_MAX 254
#define KW_MULTIADDR_TEXT_MAX 640

enum {
    KW_MA_IP4 = 4,
    KW_MA_TCP = 6,
    KW_MA_IP6 = 41,
    KW_MA_IP6ZONE = 42,
    KW_MA_DNS = 53,
    KW_MA_DNS4 = 54,
    KW_MA_DNS6 = 55,
    KW_MA_DNSADDR = 56,
    KW_MA_UDP = 273,
    KW_MA_WEBRTC_DIRECT = 280,
    KW_MA_WEBRTC = 281,
    KW_MA_P2P_CIRCUIT = 290,
    KW_MA_P2P = 421,
    KW_MA_HTTPS = 443,
    KW_MA_TLS = 448,
    KW_MA_SNI = 449,
    KW_MA_NOISE = 454,
    KW_MA_QUIC = 460,
    KW_MA_QUIC_V1 = 461,
    KW_MA_WEBTRANSPORT = 465,
    KW_MA_CERTHASH = 466,
    KW_MA_WS = 477,
    KW_MA_WSS = 478,
    KW_MA_HTTP = 480,
    KW_MA_HTTP_PATH = 481
};

typedef struct kw_multiaddr {
    uint8_t len;
    uint8_t bytes[KW_MULTIADDR_MAX]; /* zero behind len */
} kw_multiaddr;

/* One part: its code and value (an address, a big-endian port, a name, a multihash). */
typedef struct kw_multiaddr_part {
    uint32_t code;
    kw_bytes value;
} kw_multiaddr_part;

kw_status kw_multiaddr_parse(kw_str text, kw_multiaddr *out, kw_error *err);
kw_status kw_multiaddr_get(kw_bytes binary, kw_multiaddr *out, kw_error *err);
void kw_multiaddr_text(const kw_multiaddr *addr, char out[KW_MULTIADDR_TEXT_MAX]);
bool kw_multiaddr_equal(const kw_multiaddr *a, const kw_multiaddr *b);
/* Walks it: *at begins at 0; false at the end. */
bool kw_multiaddr_next(const kw_multiaddr *addr, size_t *at, kw_multiaddr_part *out);
/* The first part of a code, or false. */
bool kw_multiaddr_find(const kw_multiaddr *addr, uint32_t code, kw_multiaddr_part *out);
/* Appends a part; KW_E_LIMIT when there is no room. */
kw_status kw_multiaddr_add(kw_multiaddr *addr, uint32_t code, kw_bytes value, kw_error *err);
/* The peer id of the /p2p part at its end, and the address without it. false: it ends in something
 * else (".../p2p/R/p2p-circuit" leads to nobody yet). */
bool kw_multiaddr_split(const kw_multiaddr *addr, kw_multiaddr *without, kw_peer_id *peer);
/* "/ip4/../tcp/.." and "/ip6/.." of an address in network order and a port as a number. */
kw_multiaddr kw_multiaddr_of_ip(bool ip6, const uint8_t *address, uint16_t port, bool udp);

#endif
