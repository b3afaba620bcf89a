/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat.h - whether others can dial us, as peers say who tried; and trying for others. */
#ifndef KW_NET_AUTONAT_H
#define KW_NET_AUTONAT_H

#include "net/host.h"

typedef struct kw_autonat kw_autonat;

typedef enum kw_reach { KW_REACH_UNKNOWN, KW_REACH_PUBLIC, KW_REACH_PRIVATE } kw_reach;

typedef struct kw_autonat_config {
    kw_host *host;
    bool anywhere; /* in a private network too; else only addresses of the Internet count */
    uint64_t undecided_ms, again_ms; /* between questions [15,000; 300,000] */
} kw_autonat_config;

typedef struct kw_autonat_info {
    kw_reach reach;
    size_t n_yes, n_no; /* peers that reached us, and that did not, when last asked */
    uint64_t n_served;  /* peers that were dialed back */
} kw_autonat_info;

kw_status kw_autonat_open(const kw_autonat_config *config, kw_autonat **out, kw_error *err);
void kw_autonat_close(kw_autonat *autonat); /* before the host */
void kw_autonat_get_info(const kw_autonat *autonat, kw_autonat_info *out);

#endif
