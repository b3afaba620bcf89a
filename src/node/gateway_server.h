/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway_server.h - a trustless gateway on the node's port: /ipfs/CID[/NAME...] as a raw block or
 * as an archive (CAR), from the blocks that the node serves to peers too, and nothing else. Whoever
 * asks verifies.
 *
 * Bodies are views of mapped files, taken as the socket has room. At most KW_GATEWAY_BODIES are on
 * their way at a time (503 beyond); what is sent counts against the same cap in bytes a second for
 * all of them. */
#ifndef KW_NODE_GATEWAY_SERVER_H
#define KW_NODE_GATEWAY_SERVER_H

#include "net/host.h"
#include "wire/blocks.h"

#define KW_GATEWAY_BODIES 32

typedef struct kw_gateway_server kw_gateway_server;

/* Becomes the host's handler of HTTP. store: borrowed. bytes_per_second 0: no cap. */
kw_status kw_gateway_server_open(kw_host *host, kw_loop *loop, const kw_block_store *store,
                                 uint64_t bytes_per_second, kw_gateway_server **out, kw_error *err);
/* The host may still end connections afterwards; it asks nothing more. */
void kw_gateway_server_close(kw_gateway_server *server);

#endif
