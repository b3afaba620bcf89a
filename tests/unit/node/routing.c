/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* routing.c - what is taken of a delegated router's answer, and what is not. */
#include "node/routing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define PEER "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
#define RECORD(rest) "{\"Providers\":[{\"Schema\":\"peer\",\"ID\":\"" PEER "\"," rest "}]}"

static kw_routed read(const char *json, bool near, kw_status want)
{
    kw_routed out = {.n_peers = 0};
    assert_int_equal(kw_routing_read(kw_str_from(json), near, &out, NULL), want);
    return out;
}

static void takes_peers(void **state)
{
    (void)state;
    char text[KW_MULTIADDR_TEXT_MAX];
    const char *const json =
        RECORD("\"Addrs\":[\"/ip4/192.0.2.0/udp/1/quic-v1\",\"/ip4/10.0.0.1/tcp/4001\","
               "\"/ip4/8.8.8.8/tcp/4001\",\"/dns4/example.org/tcp/443/wss/p2p/" PEER "\","
               "\"/ip4/8.8.4.4/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N\","
               "\"/ip4/8.8.4.4/tcp/1/p2p/" PEER "/p2p-circuit\",\"no address\"]");
    const kw_routed out = read(json, false, KW_OK);
    assert_int_equal(out.n_peers, 2);
    kw_multiaddr_text(&out.peers[0], text);
    assert_string_equal(text, "/ip4/8.8.8.8/tcp/4001/p2p/" PEER);
    kw_multiaddr_text(&out.peers[1], text);
    assert_string_equal(text, "/dns4/example.org/tcp/443/wss/p2p/" PEER);
    assert_int_equal(read(json, true, KW_OK).n_peers, 3);
}

static void a_peer_gives_three_addresses(void **state)
{
    (void)state;
    const kw_routed out = read(RECORD("\"Protocols\":[\"transport-bitswap\",\"x\"],\"Addrs\":["
                                      "\"/ip4/8.8.8.8/tcp/1\",\"/ip4/8.8.8.8/tcp/2\","
                                      "\"/ip4/8.8.8.8/tcp/3\",\"/ip4/8.8.8.8/tcp/4\"]"),
                               false, KW_OK);
    assert_int_equal(out.n_peers, 3);
}

static void takes_gateways(void **state)
{
    (void)state;
#define GATEWAY(addrs)                                                                             \
    RECORD("\"Protocols\":[\"transport-ipfs-gateway-http\"],\"Addrs\":[" addrs "]")
    kw_routed out = read(GATEWAY("\"/dns4/a.example/tcp/443/https\""), false, KW_OK);
    assert_int_equal(out.n_gateways, 1);
    assert_int_equal(out.n_peers, 0);
    assert_string_equal(out.gateways[0], "https://a.example");
    out = read(GATEWAY("\"/dns/a.example/tcp/8443/tls/http\""), false, KW_OK);
    assert_string_equal(out.gateways[0], "https://a.example:8443");
    /* Plain, of a number, of one machine's names: not of a router elsewhere. */
    out = read(GATEWAY("\"/dns4/a.example/tcp/80/http\",\"/ip4/10.0.0.1/tcp/443/https\","
                       "\"/dns4/localhost/tcp/443/https\",\"/dns4/10.0.0.1/tcp/443/https\","
                       "\"/ip4/127.0.0.1/tcp/80/http\""),
               false, KW_OK);
    assert_int_equal(out.n_gateways, 0);
    out = read(GATEWAY("\"/ip4/127.0.0.1/tcp/80/http\""), true, KW_OK);
    assert_string_equal(out.gateways[0], "http://127.0.0.1:80");
}

static void refuses_and_bounds(void **state)
{
    (void)state;
    static char many[100000];
    size_t n = (size_t)snprintf(many, sizeof(many), "{\"Providers\":[{}");
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(many + n, sizeof(many) - n, ",{\"Schema\":\"peer\"}");
    snprintf(many + n, sizeof(many) - n, "]}");
    read(many, false, KW_E_LIMIT);
    read("{\"Providers\":null,\"more\":[{}]}", false, KW_OK);
    read("{}", false, KW_OK);
    read("[]", false, KW_E_FORMAT);
    read("{\"Providers\":[{\"Schema\":7}]}", false, KW_E_FORMAT);
    read("{\"Providers\":{}}", false, KW_E_FORMAT);
    read(RECORD("\"Addrs\":[7]"), false, KW_E_FORMAT);
    read("", false, KW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_peers),
        cmocka_unit_test(a_peer_gives_three_addresses),
        cmocka_unit_test(takes_gateways),
        cmocka_unit_test(refuses_and_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
