/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dial.h - reaching a peer that has no connection yet. */
#ifndef KW_NET_DIAL_H
#define KW_NET_DIAL_H

#include "net/host_internal.h"

/* Dials a peer (len 0: whoever answers) at addr (without /p2p; may be NULL) and at what the book
 * knows; joins a dial to it that is under way. On KW_OK `done` comes once, not within the call; on
 * failure never. Book addresses alone respect the backoff of the peer. */
kw_status kw_dial_start(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr,
                        kw_connected_fn done, void *user, kw_error *err);

/* How kw_dial_punch dials: whatever side the socket was connected from, the other one begins the
 * handshake; from any port. */
enum { KW_PUNCH_RESPONDS = 1, KW_PUNCH_OTHER_PORT = 2 };
/* Dials these addresses alone, all at once, also when there is a connection to the peer already,
 * and from the port that we listen on where there is one. As for the rest like kw_dial_start. */
kw_status kw_dial_punch(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addrs, size_t n,
                        unsigned how, kw_connected_fn done, void *user, kw_error *err);
/* A dial to the peer that was just begun goes out from the port that we listen on. */
void kw_dial_from_own_port(kw_host *host, const kw_peer_id *peer);

#endif
