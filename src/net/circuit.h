/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* circuit.h - links whose bytes go over a stream to a relay instead of a socket. */
#ifndef KW_NET_CIRCUIT_H
#define KW_NET_CIRCUIT_H

#include "net/host_internal.h"
#include "net/relay_message.h"

#define KW_CIRCUITS_MAX 64 /* of one host, in and out */

/* Splits /…/p2p/R/p2p-circuit into the address and the id of the relay; false: it is not of that
 * form, or leads through two relays. */
bool kw_circuit_split(const kw_multiaddr *addr, kw_multiaddr *relay_addr, kw_peer_id *relay);
/* The other way round. */
kw_status kw_circuit_addr(const kw_multiaddr *relay_addr, const kw_peer_id *relay,
                          kw_multiaddr *out, kw_error *err);

/* An outbound link asks the relay in link->addr for its way; the link fails later when there is
 * none. */
kw_status kw_circuit_dial(kw_link *link, kw_error *err);
/* A relay brought a stream and said from whom (asked->peer, who must prove it): the relay is told
 * that it is taken, and an inbound link begins. On failure the stream is still the caller's. */
kw_status kw_circuit_accept(kw_host *host, kw_stream *stream, const kw_relay_message *asked,
                            kw_error *err);

/* Writes one message of a relay. */
kw_status kw_relay_say(kw_stream *stream, kw_relay_side side, const kw_relay_message *message,
                       kw_error *err);

/* ---- for link.c ---- */
/* Takes as many bytes as the stream has room for; how many. */
size_t kw_circuit_write(kw_link *link, kw_bytes bytes);
/* Bytes in the stream's own queue that ought to make streams hold back theirs. */
size_t kw_circuit_queued(const kw_link *link);
/* The link ends: it has no claim on the stream any more. */
void kw_circuit_leave(kw_link *link);

#endif
