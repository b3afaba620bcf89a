/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* carrier.h - what may lie between a link's socket and its connection. */
#ifndef KW_NET_CARRIER_H
#define KW_NET_CARRIER_H

#include "net/host_internal.h"

/* The key of a private network, where the host has one. */
kw_status kw_carrier_begin_psk(kw_link *link, kw_error *err);
/* What came is HTTP. */
kw_status kw_carrier_begin_http(kw_link *link, kw_error *err);
/* We ask a server for a WebSocket. */
kw_status kw_carrier_begin_ws(kw_link *link, kw_error *err);
/* Bytes of the socket; the memory is ours to change. */
void kw_carrier_receive(kw_link *link, kw_bytes bytes);
/* Bytes of the connection, on their way to the socket. */
void kw_carrier_send(kw_link *link, kw_bytes bytes);
/* The socket has taken bytes. */
void kw_carrier_drained(kw_link *link);
bool kw_carrier_busy(const kw_link *link); /* answers a request */
void kw_carrier_free(kw_link *link);

#endif
