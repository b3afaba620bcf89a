/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway.h - blocks from a trustless gateway of IPFS, by their names; fetch verifies them. */
#ifndef KW_HUB_GATEWAY_H
#define KW_HUB_GATEWAY_H

#include "hub/web.h"

typedef struct kw_gateway {
    kw_web *web;
    const char *url; /* "https://host"; borrowed */
} kw_gateway;

/* Opens wants that have a root. state is borrowed for the life of the source. */
kw_source kw_gateway_make(kw_gateway *state);

#endif
