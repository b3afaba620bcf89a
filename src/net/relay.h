/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* relay.h - being reached through relays: a place is reserved at each that was named, kept while
 * the connection to it lasts, and asked for again before it expires or when it was lost. The
 * addresses that come of it are told to others (kw_host_addrs). Reaching others through their
 * relays needs none of this: the host dials such addresses by itself. */
#ifndef KW_NET_RELAY_H
#define KW_NET_RELAY_H

#include "net/host.h"

#define KW_RELAYS_MAX 4

typedef struct kw_relay kw_relay;

typedef struct kw_reservation {
    kw_peer_id relay;
    kw_multiaddr addr; /* that it was asked at */
    bool held;
    uint64_t left_ms;    /* until it expires, or until the next try */
    uint32_t duration_s; /* of a connection through it; 0: no limit */
    unsigned n_failed;   /* tries in a row */
    uint64_t data_bytes; /* each way; 0: no limit */
    char why[120];       /* why there is none */
} kw_reservation;

/* Takes connections that relays bring. */
kw_status kw_relay_open(kw_host *host, kw_relay **out, kw_error *err);
void kw_relay_close(kw_relay *relay); /* before the host */
/* Asks the relay at /…/p2p/R for a place, and again and again; at most KW_RELAYS_MAX. */
kw_status kw_relay_reserve(kw_relay *relay, const kw_multiaddr *addr, kw_error *err);
/* The place is given up: it ends here, and at the relay with its time. */
void kw_relay_drop(kw_relay *relay, const kw_peer_id *peer);
/* At most n; how many there are. */
size_t kw_relay_reservations(const kw_relay *relay, kw_reservation *out, size_t n);

#endif
