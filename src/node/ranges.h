/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ranges.h - runs of blocks of one file from nodes that have all of it: each run is one archive
 * (CAR) of a range, asked for by HTTP on a stream of libp2p.
 *
 * A peer that speaks /http/1.1 is asked what it holds (HEAD, KW_GATEWAY_HOLDS). Runs are asked only
 * of those who hold all, and only while nobody is known who holds a part: among partial holders
 * bitswap chooses what is rare and shares again what has come. Bytes are handed on while they come
 * and are not verified here: whoever takes them verifies, and says whom it blames by the id of the
 * run. All on the loop's thread. */
#ifndef KW_NODE_RANGES_H
#define KW_NODE_RANGES_H

#include "hub/source.h"
#include "net/host.h"

#define KW_RANGES_PEERS 16
#define KW_RANGES_AT_ONCE 6 /* runs of one peer; a question goes beside them */

typedef struct kw_ranges kw_ranges;

typedef struct kw_ranges_events {
    /* Bytes of the file. KW_TAKE_STOP: the run is not wanted any more; it ends without done. */
    kw_take (*data)(void *user, uint64_t id, uint64_t offset, kw_bytes bytes);
    /* A run has ended; whole: all of it was given. */
    void (*done)(void *user, uint64_t id, bool whole);
    /* Whether runs may be asked for has changed. */
    void (*changed)(void *user, bool ready);
    /* A peer was asked and sent nothing for long, or broke the rules of HTTP or of archives. */
    void (*fault)(void *user, const kw_peer_id *peer, bool stalled);
} kw_ranges_events;

typedef struct kw_ranges_config {
    kw_host *host;       /* borrowed, as all of these */
    const kw_want *want; /* its root, and what is inside */
    const kw_ranges_events *events;
    void *user;
} kw_ranges_config;

kw_status kw_ranges_open(const kw_ranges_config *config, kw_ranges **out, kw_error *err);
/* No event comes any more. Not from within one. */
void kw_ranges_close(kw_ranges *ranges);

/* A peer that may have the file and is connected: asked what it holds, if it speaks HTTP. */
void kw_ranges_add(kw_ranges *ranges, const kw_peer_id *peer);
/* Asks for a run of KW_ASK_RANGE with leaves; false: nobody is there to ask. */
bool kw_ranges_ask(kw_ranges *ranges, const kw_ask *ask);
void kw_ranges_cancel(kw_ranges *ranges, uint64_t id);
/* Who sent the run of this id, also after it has ended; NULL: not known (any more). */
const kw_peer_id *kw_ranges_sender(const kw_ranges *ranges, uint64_t id);
/* Asks a peer nothing more; its runs end with done. */
void kw_ranges_drop(kw_ranges *ranges, const kw_peer_id *peer);

#endif
