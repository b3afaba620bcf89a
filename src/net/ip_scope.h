/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ip_scope.h - where an address counts (here, or in the Internet), and who is likely to own it. */
#ifndef KW_NET_IP_SCOPE_H
#define KW_NET_IP_SCOPE_H

#include "wire/multiaddr.h"

/* What counts as one owner of addresses: a /16 of IPv4 (a /8 of those given to one company), a /32
 * of IPv6; 0 for private and loopback addresses. An address without IP is the group 1. */
uint64_t kw_ip_group(const kw_multiaddr *addr);
/* Whether the address is an IP of the Internet, or a name. */
bool kw_ip_public(const kw_multiaddr *addr);

#endif
