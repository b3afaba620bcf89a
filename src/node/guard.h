/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* guard.h - between a host and the reputation of peers: who is let in and dialed, and what host,
 * bitswap and fetch report of them.
 *
 * Whoever is banned is disconnected at the next turn of the loop, by id and by address. All calls
 * on the loop's thread. */
#ifndef KW_NODE_GUARD_H
#define KW_NODE_GUARD_H

#include "base/log.h"
#include "net/bitswap.h"
#include "node/reputation.h"

typedef struct kw_guard kw_guard;

/* path: of the database, NULL: nothing is kept. log may be NULL. */
kw_status kw_guard_open(kw_loop *loop, const char *path, const kw_log *log, kw_guard **out,
                        kw_error *err);
/* The host whose gate this is, opened with kw_guard_gate: connections of the banned end there.
 * NULL: it closes. */
void kw_guard_attach(kw_guard *guard, kw_host *host);
void kw_guard_close(kw_guard *guard);
/* Fills `allow`, `fault` and their user of a host's configuration. */
void kw_guard_gate(kw_guard *guard, kw_host_config *host);
/* Fills `fault`, `distrust` and their user of bitswap's. */
void kw_guard_bitswap(kw_guard *guard, kw_bitswap_config *bitswap);
/* What a protocol of the node itself saw a peer do. */
void kw_guard_report(kw_guard *guard, const kw_peer_id *peer, kw_conduct what);
/* A verified block came from a peer. */
void kw_guard_good(kw_guard *guard, const kw_peer_id *peer, size_t bytes);
kw_reputation *kw_guard_reputation(kw_guard *guard);

#endif
