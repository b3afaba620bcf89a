/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peers_source.h - other nodes as a source of files: their blocks, by bitswap.
 *
 * It uses the host of a node that runs, or has a host, a loop and a thread of its own, and a key
 * that lives as long as it does: who asks for a model need not say who he is. It serves files whose
 * root is known; blocks are verified before they are delivered. Peers come from the addresses that
 * are given, from the local network and from the DHT.
 *
 * Within a node it is patient: a block that no peer has now may come to one of them, who says so.
 */
#ifndef KW_NODE_PEERS_SOURCE_H
#define KW_NODE_PEERS_SOURCE_H

#include "hub/source.h"
#include "net/bitswap.h"
#include "net/kad.h"
#include "wire/multiaddr.h"

typedef struct kw_peers_source kw_peers_source;

/* A host that runs, and what it speaks; borrowed. */
typedef struct kw_peers_parts {
    kw_loop *loop;
    kw_host *host;
    kw_bitswap *bitswap;
    kw_kad *kad;
    struct kw_guard *guard; /* told of what peers send; NULL: nobody is */
} kw_peers_parts;

typedef struct kw_peers_config {
    const kw_peers_parts *parts; /* NULL: it makes its own, by the rest of this */
    const char *agent;
    const uint8_t *psk;        /* [32] of a private network, copied; NULL: none */
    const kw_multiaddr *peers; /* to ask and to begin the DHT with; copied */
    size_t n_peers;
    bool local;             /* look for peers on the local network too */
    bool sha_extension;     /* the processor has it */
    const char *reputation; /* the database of scores and bans, also of a node; NULL: none */
} kw_peers_config;

/* With parts both are called on the thread of their loop. */
kw_status kw_peers_source_open(const kw_peers_config *config, kw_peers_source **out, kw_error *err);
/* Every file has been closed before. */
void kw_peers_source_close(kw_peers_source *source);
kw_source kw_peers_source_make(kw_peers_source *source);

#endif
