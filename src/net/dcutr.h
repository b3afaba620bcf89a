/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dcutr.h - from a connection through a relay to a direct one, also where both ends are behind
 * a NAT: both dial at the same time, from the port that they listen on. */
#ifndef KW_NET_DCUTR_H
#define KW_NET_DCUTR_H

#include "net/host.h"

typedef struct kw_dcutr kw_dcutr;

typedef struct kw_dcutr_info {
    uint64_t n_tried, n_direct; /* peers; of them, those that are connected directly since */
} kw_dcutr_info;

kw_status kw_dcutr_open(kw_host *host, kw_dcutr **out, kw_error *err);
void kw_dcutr_close(kw_dcutr *dcutr); /* before the host */
void kw_dcutr_get_info(const kw_dcutr *dcutr, kw_dcutr_info *out);

#endif
