/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_node_routing.c - any answer of a router is refused, or names peers and URLs that hold. */
#include "node/routing.h"
#include "promise.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_routed out = {.n_peers = 0};
    (void)kw_routing_read((kw_str){(const char *)data, size}, size % 2 == 0, &out, NULL);
    promise(out.n_peers <= KW_ROUTED_PEERS && out.n_gateways <= KW_ROUTED_GATEWAYS);
    for (size_t i = 0; i < out.n_peers; i++) {
        kw_multiaddr without;
        kw_peer_id peer;
        promise(kw_multiaddr_split(&out.peers[i], &without, &peer));
    }
    for (size_t i = 0; i < out.n_gateways; i++) {
        char host[256];
        promise(memchr(out.gateways[i], 0, KW_ROUTED_URL) != NULL);
        promise(kw_web_host(out.gateways[i], host, sizeof(host)));
    }
    return 0;
}
