/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* limits.h - what one network address may ask of a host: connections at the same time, and
 * handshakes by a token bucket, because a handshake costs us more than the one who asks for it; and
 * all its requests by another. Its credit says who goes first when a host has no time for all.
 *
 * An address is an IPv4 address, or the /64 of an IPv6 one (a subscriber has all of it). */
#ifndef KW_NET_LIMITS_H
#define KW_NET_LIMITS_H

#include "base/error.h"
#include "net/bucket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KW_LIMITS_ADDRESSES 4096 /* remembered at the same time */

typedef struct kw_limits kw_limits;

/* handshakes: a second, with bursts of `burst`. */
kw_status kw_limits_open(size_t connections, size_t handshakes, size_t burst, uint64_t salt,
                         kw_limits **out, kw_error *err);
void kw_limits_close(kw_limits *limits);
/* A connection came from an address of 4 or 16 bytes: KW_E_LIMIT when it is one too many. Each that
 * was let in is to be taken back by kw_limits_leave. */
kw_status kw_limits_enter(kw_limits *limits, bool ip6, const uint8_t *address, uint64_t now_ms,
                          kw_error *err);
/* What an address may ask for once it is in; without it, anything. */
void kw_limits_set_requests(kw_limits *limits, const kw_rate *rate);
/* Whether an address may make a request now, which costs so much; false: it must wait. */
bool kw_limits_request(kw_limits *limits, bool ip6, const uint8_t *address, double cost,
                       uint64_t now_ms);
/* Credit is a little with time, and more for what was useful; work for nothing uses it up. */
void kw_limits_earn(kw_limits *limits, bool ip6, const uint8_t *address, double credit,
                    uint64_t now_ms);
bool kw_limits_has_credit(kw_limits *limits, bool ip6, const uint8_t *address, uint64_t now_ms);
void kw_limits_leave(kw_limits *limits, bool ip6, const uint8_t *address, uint64_t now_ms);

#endif
