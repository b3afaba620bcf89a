/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mdns_message.c - what is said to a local network is read there, and stays there. */
#include "net/mdns_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LABEL "abcdefghijabcdefghijabcdefghijabcdefghij"
#define PEER "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"

static kw_multiaddr addr(const char *text)
{
    kw_multiaddr out;
    assert_int_equal(kw_multiaddr_parse(kw_str_from(text), &out, NULL), KW_OK);
    return out;
}

static kw_peer_id self(void)
{
    kw_peer_id id;
    assert_int_equal(kw_peer_id_parse(KW_STR(PEER), &id, NULL), KW_OK);
    return id;
}

static kw_bytes view(const kw_buf *buf)
{
    return (kw_bytes){(const uint8_t *)buf->data, buf->len};
}

static void private_addresses_arrive(void **state)
{
    (void)state;
    const kw_multiaddr addrs[] = {addr("/ip4/192.168.1.5/tcp/4001"), addr("/ip4/45.1.1.1/tcp/4001"),
                                  addr("/ip6/fe80::5/tcp/4001"), addr("/ip4/127.0.0.1/tcp/4001/ws"),
                                  addr("/dns4/example.org/tcp/4001")};
    const kw_peer_id id = self();
    kw_mdns_answer said;
    kw_buf out = {0};
    assert_int_equal(kw_mdns_put_query(&out, NULL), KW_OK);
    assert_int_equal(kw_mdns_read(view(&out), &said), KW_MDNS_QUERY);
    out.len = 0;
    assert_int_equal(kw_mdns_put_answer(&out, LABEL, &id, addrs, 5, NULL), KW_OK);
    assert_int_equal(kw_mdns_read(view(&out), &said), KW_MDNS_ANSWER);
    assert_true(kw_peer_id_equal(&said.peer, &id));
    assert_int_equal(said.ttl_s, 120);
    assert_int_equal(said.n_addrs, 3);
    assert_true(kw_multiaddr_equal(&said.addrs[0], &addrs[0]));
    assert_true(kw_multiaddr_equal(&said.addrs[1], &addrs[2]));
    assert_true(kw_multiaddr_equal(&said.addrs[2], &addrs[3]));
    out.len = 0;
    assert_int_equal(kw_mdns_put_answer(&out, LABEL, &id, addrs + 1, 1, NULL), KW_E_NOTFOUND);
    kw_buf_free(&out);
}

static void a_datagram_has_an_end(void **state)
{
    (void)state;
    kw_multiaddr addrs[40];
    const kw_peer_id id = self();
    kw_mdns_answer said;
    kw_buf out = {0};
    for (size_t i = 0; i < 40; i++)
        addrs[i] = addr("/ip4/192.168.100.200/tcp/40001/ws");
    assert_int_equal(kw_mdns_put_answer(&out, LABEL, &id, addrs, 40, NULL), KW_OK);
    assert_in_range(out.len, KW_MDNS_DATAGRAM / 2, KW_MDNS_DATAGRAM);
    assert_int_equal(kw_mdns_read(view(&out), &said), KW_MDNS_ANSWER);
    for (size_t cut = 0; cut < out.len; cut++)
        assert_int_not_equal(kw_mdns_read((kw_bytes){(uint8_t *)out.data, cut}, &said),
                             KW_MDNS_QUERY);
    kw_buf_free(&out);
}

static kw_mdns_kind read_texts(const char *service, const kw_str *texts, size_t n,
                               kw_mdns_answer *said)
{
    kw_buf out = {0};
    kw_dns_put_header(&out, &(kw_dns_header){.response = true, .n_answers = 2});
    assert_int_equal(kw_dns_put_ptr(&out, service, 60, "x._p2p._udp.local", NULL), KW_OK);
    assert_int_equal(kw_dns_put_txt(&out, "x._p2p._udp.local", 60, texts, n, NULL), KW_OK);
    const kw_mdns_kind kind = kw_mdns_read(view(&out), said);
    kw_buf_free(&out);
    return kind;
}

static void others_cannot_send_us_anywhere(void **state)
{
    (void)state;
    kw_mdns_answer said;
    const kw_str good = KW_STR("dnsaddr=/ip4/10.0.0.7/tcp/1/p2p/" PEER);
    const kw_str far = KW_STR("dnsaddr=/ip4/45.0.0.7/tcp/1/p2p/" PEER);
    const kw_str nobody = KW_STR("dnsaddr=/ip4/10.0.0.7/tcp/1");
    const kw_str odd = KW_STR("dnsaddr=/ip4/10.0.0/tcp"), other = KW_STR("model=yes");
    const kw_str all[] = {far, nobody, odd, other, good};
    assert_int_equal(read_texts(KW_MDNS_SERVICE, all, 4, &said), KW_MDNS_NOTHING);
    assert_int_equal(read_texts(KW_MDNS_SERVICE, all, 5, &said), KW_MDNS_ANSWER);
    assert_int_equal(said.n_addrs, 1);
    assert_int_equal(said.ttl_s, 60);
    assert_int_equal(read_texts("_http._tcp.local", all, 5, &said), KW_MDNS_NOTHING);
    assert_int_equal(kw_mdns_read((kw_bytes){NULL, 0}, &said), KW_MDNS_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_addresses_arrive),
        cmocka_unit_test(a_datagram_has_an_end),
        cmocka_unit_test(others_cannot_send_us_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
