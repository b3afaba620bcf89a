/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* multiaddr.c - addresses in both forms, IP addresses as text, and what is refused. */
#include "wire/multiaddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "hex.h"
#include "wire/ip_text.h"

#define PEER "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"

/* These texts come back letter for letter. */
static void round_trips(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "/ip4/127.0.0.1/tcp/4001",
        "/ip4/0.0.0.0/udp/0",
        "/ip6/::/tcp/65535",
        "/ip6/2001:db8::1/tcp/1/ws",
        "/ip6zone/eth0/ip6/fe80::1/tcp/80",
        "/dns/bootstrap-1.kwaai.ai/tcp/8000/p2p/QmQhRuheeCLEsVD3RsnknM75gPDDqxAb8DhnWgro7KhaJc",
        "/dnsaddr/bootstrap.libp2p.io/p2p/" PEER,
        "/dns4/example.org/tcp/443/tls/sni/example.org/ws",
        "/dns6/example.org/tcp/443/wss/http",
        "/ip4/1.2.3.4/tcp/4001/p2p/" PEER "/p2p-circuit/p2p/" PEER,
        "/ip4/1.2.3.4/udp/4001/webrtc-direct/certhash/"
        "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g/p2p/" PEER,
        "/ip4/1.2.3.4/udp/4001/quic-v1/webtransport",
        "/p2p/" PEER "/p2p-circuit/webrtc",
        "/dns/a.b/tcp/80/http/http-path/a%2Fb%20c",
        "/ip4/1.2.3.4/tcp/1/noise",
    };
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        kw_multiaddr addr, again;
        char text[KW_MULTIADDR_TEXT_MAX];
        kw_error err = {0};
        assert_int_equal(kw_multiaddr_parse(kw_str_from(texts[i]), &addr, &err), KW_OK);
        kw_multiaddr_text(&addr, text);
        assert_string_equal(text, texts[i]);
        assert_int_equal(kw_multiaddr_get((kw_bytes){addr.bytes, addr.len}, &again, &err), KW_OK);
        assert_memory_equal(&again, &addr, sizeof(addr));
        /* Its beginnings are addresses at the seams of parts alone. */
        size_t at = 0;
        kw_multiaddr_part part;
        for (size_t n = 1, seam = 0; n < addr.len; n++) {
            while (seam < n && kw_multiaddr_next(&addr, &at, &part))
                seam = at;
            assert_int_equal(kw_multiaddr_get((kw_bytes){addr.bytes, n}, &again, &err) == KW_OK,
                             seam == n);
        }
    }
}

static void binary(void **state)
{
    (void)state;
    uint8_t bytes[64];
    kw_multiaddr addr;
    char text[KW_MULTIADDR_TEXT_MAX];
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1/udp/9090/quic"), &addr, NULL),
                     KW_OK);
    const kw_bytes expected = kw_hex("047f000001910223"
                                     "82cc03",
                                     bytes, sizeof(bytes));
    assert_int_equal(addr.len, expected.len);
    assert_memory_equal(addr.bytes, bytes, expected.len);
    addr = kw_multiaddr_of_ip(false, (const uint8_t[]){10, 0, 0, 1}, 4001, false);
    kw_multiaddr_text(&addr, text);
    assert_string_equal(text, "/ip4/10.0.0.1/tcp/4001");
    addr = kw_multiaddr_of_ip(true, (const uint8_t[16]){[15] = 1}, 53, true);
    kw_multiaddr_text(&addr, text);
    assert_string_equal(text, "/ip6/::1/udp/53");
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/1.2.3.4/ipfs/" PEER), &addr, NULL), KW_OK);
    kw_multiaddr_text(&addr, text);
    assert_string_equal(text, "/ip4/1.2.3.4/p2p/" PEER);
}

static void parts(void **state)
{
    (void)state;
    kw_multiaddr addr, without;
    kw_multiaddr_part part;
    kw_peer_id peer;
    char text[KW_MULTIADDR_TEXT_MAX];
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/1.2.3.4/tcp/5/ws/p2p/" PEER), &addr, NULL),
                     KW_OK);
    assert_true(kw_multiaddr_find(&addr, KW_MA_TCP, &part));
    assert_true(part.value.len == 2 && part.value.data[1] == 5);
    assert_false(kw_multiaddr_find(&addr, KW_MA_UDP, &part));
    assert_true(kw_multiaddr_split(&addr, &without, &peer));
    kw_multiaddr_text(&without, text);
    assert_string_equal(text, "/ip4/1.2.3.4/tcp/5/ws");
    kw_peer_id_text(&peer, text);
    assert_string_equal(text, PEER);
    assert_false(kw_multiaddr_split(&without, &without, &peer));
    assert_int_equal(kw_multiaddr_add(&without, KW_MA_P2P, (kw_bytes){peer.bytes, peer.len}, NULL),
                     KW_OK);
    assert_true(kw_multiaddr_equal(&without, &addr));
    assert_int_equal(kw_multiaddr_add(&addr, KW_MA_P2P_CIRCUIT, (kw_bytes){0}, NULL), KW_OK);
    assert_false(kw_multiaddr_split(&addr, &without, &peer));
    assert_int_equal(kw_multiaddr_add(&addr, 7777, (kw_bytes){0}, NULL), KW_E_UNSUPPORTED);
    assert_int_equal(kw_multiaddr_add(&addr, KW_MA_TCP, (kw_bytes){0}, NULL), KW_E_FORMAT);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        kw_status status;
    } cases[] = {
        {"", KW_E_FORMAT},
        {"/", KW_E_FORMAT},
        {"ip4/1.2.3.4", KW_E_FORMAT},
        {"/ip4", KW_E_FORMAT},
        {"/ip4/", KW_E_FORMAT},
        {"/ip4/1.2.3", KW_E_FORMAT},
        {"/ip4/1.2.3.256", KW_E_FORMAT},
        {"/ip4/1.2.3.04", KW_E_FORMAT},
        {"/ip4/1.2.3.4/", KW_E_FORMAT},
        {"/ip4/1.2.3.4/tcp", KW_E_FORMAT},
        {"/ip4/1.2.3.4/tcp/65536", KW_E_FORMAT},
        {"/ip4/1.2.3.4/tcp/01", KW_E_FORMAT},
        {"/ip4/1.2.3.4/tcp/-1", KW_E_FORMAT},
        {"/ip4/1.2.3.4//tcp/1", KW_E_UNSUPPORTED},
        {"/ip6/:::/tcp/1", KW_E_FORMAT},
        {"/dns//tcp/1", KW_E_FORMAT},
        {"/dns/a b", KW_E_FORMAT},
        {"/p2p/hello", KW_E_FORMAT},
        {"/carrier-pigeon/1", KW_E_UNSUPPORTED},
        {"/certhash/x", KW_E_FORMAT},
        {"/certhash/uAAA", KW_E_FORMAT},
        {"/http-path/%zz", KW_E_FORMAT},
        {"/http-path/%2", KW_E_FORMAT},
    };
    kw_multiaddr addr;
    kw_error err;
    for (size_t i = 0; i < KW_COUNT(cases); i++)
        assert_int_equal(kw_multiaddr_parse(kw_str_from(cases[i].text), &addr, &err),
                         cases[i].status);
    /* Too long in binary, and too long as a text. */
    static uint8_t bytes[KW_MULTIADDR_MAX + 1];
    assert_int_equal(kw_multiaddr_get((kw_bytes){bytes, sizeof(bytes)}, &addr, &err), KW_E_LIMIT);
    for (size_t i = 0; i < 200; i += 2) {
        bytes[i] = 0xa2; /* p2p-circuit */
        bytes[i + 1] = 0x02;
    }
    assert_int_equal(kw_multiaddr_get((kw_bytes){bytes, 100}, &addr, &err), KW_OK);
    assert_int_equal(kw_multiaddr_get((kw_bytes){bytes, 200}, &addr, &err), KW_E_LIMIT);
    assert_int_equal(kw_multiaddr_get((kw_bytes){0}, &addr, &err), KW_E_FORMAT);
}

static void ip_texts(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } cases[] = {
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"0:0:1::", "0:0:1::"},
        {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
        {"::1.2.3.4", "::102:304"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"", NULL},
        {":", NULL},
        {":1", NULL},
        {"1:", NULL},
        {":::", NULL},
        {"1::2::3", NULL},
        {"12345::", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"1:2:3:4:5:6:7", NULL},
        {"1:2:3:4::5:6:7:8", NULL},
        {"1.2.3.4::", NULL},
        {"::1.2.3", NULL},
        {"g::", NULL},
        {"1:2:3:4:5:6:7:1.2.3.4", NULL},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        uint8_t address[16];
        char text[KW_IP_TEXT_MAX];
        assert_int_equal(kw_ip6_parse(kw_str_from(cases[i].in), address), cases[i].out != NULL);
        if (!cases[i].out)
            continue;
        kw_ip6_text(address, text);
        assert_string_equal(text, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips), cmocka_unit_test(binary),   cmocka_unit_test(parts),
        cmocka_unit_test(refused),     cmocka_unit_test(ip_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
