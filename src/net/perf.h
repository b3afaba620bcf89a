/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* perf.h - /perf/1.0.0: how fast bytes go to a peer and come from it.
 *
 * It sends what a stranger asks for, so a node speaks it only when its owner says so.
 * Source: libp2p specifications, perf. */
#ifndef KW_NET_PERF_H
#define KW_NET_PERF_H

#include "net/host.h"

typedef struct kw_perf_result {
    uint64_t up_bytes, up_us;     /* from the first byte out to the first of the answer */
    uint64_t down_bytes, down_us; /* from there to the end */
} kw_perf_result;

typedef void (*kw_perf_fn)(void *user, kw_status status, const kw_perf_result *result);

kw_status kw_perf_serve(kw_host *host, kw_error *err);
/* Sends so many bytes and asks for so many. */
void kw_perf_run(kw_host *host, const kw_peer_id *peer, uint64_t up_bytes, uint64_t down_bytes,
                 kw_perf_fn done, void *user);

#endif
