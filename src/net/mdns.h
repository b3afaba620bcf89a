/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mdns.h - peers of the same local network find each other, with nothing to configure. */
#ifndef KW_NET_MDNS_H
#define KW_NET_MDNS_H

#include "net/host.h"

typedef struct kw_mdns kw_mdns;

typedef struct kw_mdns_config {
    kw_host *host;        /* borrowed; closed after the kw_mdns */
    uint16_t port;        /* 0: 5353, which every other peer uses */
    uint64_t interval_ms; /* between questions; 0: 10,000 */
    /* A peer said where it is; its addresses are in the peer book, and it is dialed unless
     * dont_dial. May be NULL. */
    void (*found)(void *user, const kw_peer_id *peer);
    void *user;
    bool dont_dial;
} kw_mdns_config;

/* KW_E_IO: no interface of this machine can multicast. */
kw_status kw_mdns_open(const kw_mdns_config *config, kw_mdns **out, kw_error *err);
void kw_mdns_close(kw_mdns *mdns);

#endif
