/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hop.h - being a relay: peers that nobody can dial keep a place here, and others reach them
 * through us. Off unless it is opened. What passes is encrypted end to end. */
#ifndef KW_NET_HOP_H
#define KW_NET_HOP_H

#include "net/host.h"

typedef struct kw_hop kw_hop;

typedef struct kw_hop_limits {  /* 0: the default in brackets */
    size_t reservations;        /* [128] */
    size_t reservations_per_ip; /* [8] of an IPv4 address or the /64 of an IPv6 one */
    uint64_t reservation_s;     /* [3600] */
    size_t circuits;            /* [256] */
    size_t circuits_per_peer;   /* [16] from a peer, and as many to it */
    uint32_t circuit_s;         /* [120] */
    uint64_t circuit_bytes;     /* [128 KiB] each way */
    bool unlimited;             /* circuits have neither of the two, and say so */
} kw_hop_limits;

typedef struct kw_hop_info {
    size_t n_reservations, n_circuits;
    uint64_t n_relayed, bytes; /* circuits that were opened, and what they carried */
} kw_hop_info;

kw_status kw_hop_open(kw_host *host, const kw_hop_limits *limits, kw_hop **out, kw_error *err);
/* Ends the circuits, and frees it once the last stream is gone; before the host is closed. */
void kw_hop_close(kw_hop *hop);
void kw_hop_get_info(const kw_hop *hop, kw_hop_info *out);

#endif
