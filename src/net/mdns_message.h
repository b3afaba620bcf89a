/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mdns_message.h - what peers say to a local network: "who is here", and "I am, at these". */
#ifndef KW_NET_MDNS_MESSAGE_H
#define KW_NET_MDNS_MESSAGE_H

#include "net/dns.h"
#include "wire/multiaddr.h"

#define KW_MDNS_SERVICE "_p2p._udp.local"
#define KW_MDNS_LABEL 40      /* characters of the name of an answer, drawn at random */
#define KW_MDNS_DATAGRAM 1400 /* bytes of an answer; more addresses are left out */
#define KW_MDNS_ADDRS 16      /* that are read from one answer */

kw_status kw_mdns_put_query(kw_buf *out, kw_error *err);
/* label: KW_MDNS_LABEL characters. Public addresses, and those that do not fit, are left out;
 * KW_E_NOTFOUND: none is left. */
kw_status kw_mdns_put_answer(kw_buf *out, const char *label, const kw_peer_id *self,
                             const kw_multiaddr *addrs, size_t n, kw_error *err);

typedef struct kw_mdns_answer {
    kw_peer_id peer;
    uint32_t ttl_s; /* the shortest */
    size_t n_addrs;
    kw_multiaddr addrs[KW_MDNS_ADDRS]; /* private ones, without /p2p */
} kw_mdns_answer;

typedef enum kw_mdns_kind { KW_MDNS_NOTHING, KW_MDNS_QUERY, KW_MDNS_ANSWER } kw_mdns_kind;
/* What a datagram is to us. answer is set for KW_MDNS_ANSWER. */
kw_mdns_kind kw_mdns_read(kw_bytes datagram, kw_mdns_answer *answer);

#endif
