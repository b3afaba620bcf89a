/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* webrtc.c - hosts that dial each other by WebRTC-direct over the loopback interface: pings, bytes,
 * a certificate that is another, limits, and a port that strangers shout at. kw-test: timeout 60 */
#include "nodes.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "crypto/crypto.h"
#include "crypto/dtls.h"
#include "net/sctp.h"
#include "net/stun.h"

#define WHERE "/ip4/127.0.0.1/udp/0/webrtc-direct"

static kw_multiaddr listen_on(node *n, const char *where)
{
    kw_multiaddr addr;
    kw_error err = {.message = ""};
    assert_int_equal(kw_multiaddr_parse(kw_str_from(where), &addr, &err), KW_OK);
    if (kw_host_listen(n->host, &addr, &err) != KW_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kw_host_addrs(n->host, &addr, 1), 1);
    return addr;
}

static void a_ping_and_bytes(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    const kw_multiaddr addr = listen_on(&b, WHERE);
    kw_multiaddr_part part;
    assert_true(kw_multiaddr_find(&addr, KW_MA_CERTHASH, &part));
    assert_int_equal(kw_perf_serve(b.host, NULL), KW_OK);
    nodes_connect(loop, &a, &b, &addr);
    assert_true(node_pings(loop, &a, &b));
    assert_true(node_pings(loop, &b, &a));
    said s = {0};
    kw_perf_run(a.host, &b.identity.id, 3000000, 5000000, on_said_perf, &s);
    assert_true(wait_for(loop, &s.done, 20000));
    assert_int_equal(s.status, KW_OK);
    assert_int_equal(s.number, 5000000);
    kw_peer_info info;
    assert_int_equal(kw_host_peers(b.host, &info, 1), 1);
    assert_true(info.inbound && kw_multiaddr_find(&info.addr, KW_MA_WEBRTC_DIRECT, &part));
    kw_host_disconnect(a.host, &b.identity.id);
    for (int i = 0; i < 100 && kw_host_peers(b.host, NULL, 0) > 0; i++)
        wait_ms(loop, 10);
    assert_int_equal(kw_host_peers(b.host, NULL, 0), 0); /* it was told */
    nodes_connect(loop, &a, &b, &addr);
    assert_true(node_pings(loop, &a, &b));
    node_close(&b, loop);
    node_close(&a, loop);
    kw_loop_close(loop);
}

static void ip6_too(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b;
    kw_multiaddr addr;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip6/::1/udp/0/webrtc-direct"), &addr, NULL),
                     KW_OK);
    if (kw_host_listen(b.host, &addr, NULL) == KW_OK) {
        assert_int_equal(kw_host_addrs(b.host, &addr, 1), 1);
        nodes_connect(loop, &a, &b, &addr);
        assert_true(node_pings(loop, &a, &b));
    } else {
        print_message("skip: this machine has no IPv6\n");
    }
    node_close(&a, loop);
    node_close(&b, loop);
    kw_loop_close(loop);
}

static void dial(kw_loop *loop, node *from, const node *to, const kw_multiaddr *addr, said *s)
{
    *s = (said){0};
    kw_host_connect(from->host, &to->identity.id, addr, on_said_connected, s);
    assert_true(wait_for(loop, &s->done, 15000));
}

static void another_certificate_or_peer(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b, c;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    node_open(&c, loop, 3, NULL);
    const kw_multiaddr addr = listen_on(&b, WHERE);
    kw_multiaddr other = addr;
    said s;
    other.bytes[other.len - 1] ^= 1;
    dial(loop, &a, &b, &other, &s);
    assert_int_not_equal(s.status, KW_OK);
    assert_non_null(strstr(s.why, "certificate"));
    dial(loop, &a, &c, &addr, &s); /* the right port of another peer */
    assert_int_not_equal(s.status, KW_OK);
    assert_int_equal(kw_host_peers(a.host, NULL, 0), 0);
    node_close(&a, loop);
    node_close(&b, loop);
    node_close(&c, loop);
    kw_loop_close(loop);
}

static void the_certificate_of_the_config(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    kw_certificate *certificate;
    assert_int_equal(kw_certificate_new(&certificate, NULL), KW_OK);
    const kw_host_config config = {.certificate = certificate};
    node b;
    node_open(&b, loop, 2, &config);
    const kw_multiaddr addr = listen_on(&b, WHERE);
    kw_multiaddr_part part;
    assert_true(kw_multiaddr_find(&addr, KW_MA_CERTHASH, &part));
    assert_memory_equal(part.value.data + 2, kw_certificate_hash(certificate), 32);
    node_close(&b, loop);
    kw_certificate_free(certificate);
    kw_loop_close(loop);
}

static void an_address_has_a_limit(void **state)
{
    (void)state;
    enum { N = 4 };
    kw_loop *loop = open_loop();
    const kw_host_config config = {
        .limits = {.connections_per_ip = 2, .handshakes_per_second = 100, .dial_ms = 1500}};
    node b, a[N];
    node_open(&b, loop, 9, &config);
    const kw_multiaddr addr = listen_on(&b, WHERE);
    int n = 0;
    for (uint8_t i = 0; i < N; i++) {
        said s;
        node_open(&a[i], loop, (uint8_t)(i + 1), &config);
        dial(loop, &a[i], &b, &addr, &s);
        n += s.status == KW_OK;
    }
    assert_int_equal(n, 2);
    for (int i = 0; i < N; i++)
        node_close(&a[i], loop);
    node_close(&b, loop);
    kw_loop_close(loop);
}

/* A socket that sends anything to a port, and counts what comes back. */
typedef struct stranger {
    int socket;
    size_t sent, received;
} stranger;

static void shout(stranger *s, const struct sockaddr_in *to, const uint8_t *bytes, size_t len)
{
    uint8_t back[2048];
    const ssize_t n = sendto(s->socket, bytes, len, 0, (const struct sockaddr *)to, sizeof *to);
    s->sent += n > 0 ? (size_t)n : 0;
    for (ssize_t got; (got = recv(s->socket, back, sizeof back, MSG_DONTWAIT)) > 0;)
        s->received += (size_t)got;
}

static void strangers_get_nothing(void **state)
{
    (void)state;
    static const char name[] =
        "libp2p+webrtc+v1/0123456789abcdef:libp2p+webrtc+v1/0123456789abcdef";
    kw_loop *loop = open_loop();
    node a, b;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    const kw_multiaddr addr = listen_on(&b, WHERE);
    kw_multiaddr_part port;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_true(kw_multiaddr_find(&addr, KW_MA_UDP, &port));
    memcpy(&to.sin_port, port.value.data, 2);
    stranger s = {.socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    assert_true(s.socket >= 0);
    uint32_t random = 7;
    for (int i = 0; i < 2000; i++) {
        uint8_t bytes[KW_STUN_MAX];
        size_t len;
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 16);
        len = 1 + (random >> 8) % 600;
        if (i % 4 == 1) /* a handshake record of some length */
            memcpy(bytes, "\x16\xfe\xfd\0\0\0\0\0\0\0\0", 11);
        if (i % 4 == 2) { /* what would be answered, again and again */
            const kw_str text = KW_STR(name);
            assert_int_equal(kw_stun_ask(bytes, text, (kw_str){name, 33}, bytes + 12, &len, NULL),
                             KW_OK);
            memmove(bytes, bytes + 12, len);
        }
        shout(&s, &to, bytes, len);
        if (i % 50 == 0)
            wait_ms(loop, 2);
    }
    wait_ms(loop, 50);
    shout(&s, &to, (const uint8_t *)"", 1);
    assert_true(s.received > 0); /* the answers of STUN that an address may have */
    assert_true(s.received <= s.sent / 4);
    assert_int_equal(kw_host_peers(b.host, NULL, 0), 0);
    nodes_connect(loop, &a, &b, &addr);
    assert_true(node_pings(loop, &a, &b));
    (void)close(s.socket);
    node_close(&a, loop);
    node_close(&b, loop);
    kw_loop_close(loop);
}

/* A host that closes while it dials, and while others dial it. */
static void closing_meanwhile(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 40; ms += 4) {
        kw_loop *loop = open_loop();
        node a, b;
        node_open(&a, loop, 1, NULL);
        node_open(&b, loop, 2, NULL);
        const kw_multiaddr addr = listen_on(&b, WHERE);
        said s = {0};
        kw_host_connect(a.host, &b.identity.id, &addr, on_said_connected, &s);
        wait_ms(loop, ms);
        node_close(ms % 8 ? &a : &b, loop);
        node_close(ms % 8 ? &b : &a, loop);
        assert_true(s.done);
        kw_loop_close(loop);
    }
}

static void a_private_network_has_none(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    static const uint8_t psk[32] = {1};
    const kw_host_config config = {.psk = psk};
    node a;
    kw_multiaddr addr;
    node_open(&a, loop, 1, &config);
    assert_int_equal(kw_multiaddr_parse(KW_STR(WHERE), &addr, NULL), KW_OK);
    assert_int_equal(kw_host_listen(a.host, &addr, NULL), KW_E_UNSUPPORTED);
    node_close(&a, loop);
    kw_loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_ping_and_bytes),
                                       cmocka_unit_test(ip6_too),
                                       cmocka_unit_test(another_certificate_or_peer),
                                       cmocka_unit_test(the_certificate_of_the_config),
                                       cmocka_unit_test(an_address_has_a_limit),
                                       cmocka_unit_test(strangers_get_nothing),
                                       cmocka_unit_test(closing_meanwhile),
                                       cmocka_unit_test(a_private_network_has_none)};
    if (!kw_sctp_there()) {
        print_message("skipped: this build has no SCTP (libusrsctp-dev)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
