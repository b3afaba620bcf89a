/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway_server.h - a trustless gateway: /ipfs/CID[/NAME...] as a raw block or as an archive
 * (CAR), from the blocks that the node serves to peers too, and nothing else. Whoever asks
 * verifies. It answers on the node's port and on streams of /http/1.1 alike, which differ in the
 * carrier only.
 *
 * Bodies are views of mapped files, taken as the carrier has room. At most KW_GATEWAY_BODIES are on
 * their way at a time (503 beyond); what is sent counts against the node's one cap.
 *
 * An answer that is an archive of a file says whether all blocks of that file are here, in a field
 * of our own (KW_GATEWAY_HOLDS): a peer who fetches knows by it whether runs can be asked for. */
#ifndef KW_NODE_GATEWAY_SERVER_H
#define KW_NODE_GATEWAY_SERVER_H

#include "net/host.h"
#include "wire/blocks.h"

#define KW_GATEWAY_BODIES 32
#define KW_GATEWAY_HOLDS "Kwaai-Holds" /* "all" or "part" */

typedef struct kw_gateway_server kw_gateway_server;

typedef struct kw_gateway_config {
    kw_host *host;               /* borrowed, as all of these */
    const kw_block_store *store; /* copied */
    struct kw_cap *cap;          /* NULL: none */
    /* Whether all blocks below a root are in the store. NULL: that is never said. */
    bool (*whole)(void *user, const kw_cid *root);
    void *user;
} kw_gateway_config;

/* Becomes the host's handler of HTTP, and takes its streams too. */
kw_status kw_gateway_server_open(const kw_gateway_config *config, kw_gateway_server **out,
                                 kw_error *err);
/* The host may still end connections afterwards; it asks nothing more. */
void kw_gateway_server_close(kw_gateway_server *server);

#endif
