/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dnsaddr.c - /dnsaddr is resolved from a server on loopback, whatever that server says. */
#include "net/dnsaddr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/dns.h"
#include "net/kad.h"

#define PEER_A "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
#define PEER_B "QmQhRuheeCLEsVD3RsnknM75gPDDqxAb8DhnWgro7KhaJc"

typedef struct server {
    int fd;
    kw_dns_server address;
    unsigned n_asked, ignored; /* questions that get no answer */
    bool forges;               /* wrong id, wrong name, and rubbish before the truth */
} server;

static char boot[200]; /* the TXT record of boot.org */

typedef struct outcome {
    bool done;
    kw_status status;
    size_t n;
    kw_multiaddr addrs[KW_DNSADDR_MAX];
} outcome;

static server start_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    server s = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), .address.ip = "127.0.0.1"};
    assert_true(s.fd >= 0);
    assert_int_equal(bind(s.fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(s.fd, (struct sockaddr *)&at, &len), 0);
    s.address.port = ntohs(at.sin_port);
    return s;
}

/* example.org has two peers, one of them by another name, and a name for itself; endless.org names
 * one more each time. */
static size_t texts_of(const char *name, char texts[4][200])
{
    unsigned n = 0;
    if (strcmp(name, "_dnsaddr.example.org") == 0) {
        (void)snprintf(texts[0], 200, "dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/" PEER_A);
        (void)snprintf(texts[1], 200, "dnsaddr=/dnsaddr/more.example.org/p2p/" PEER_B);
        (void)snprintf(texts[2], 200, "dnsaddr=/dnsaddr/example.org");
        (void)snprintf(texts[3], 200, "v=spf1 -all");
        return 4;
    }
    if (strcmp(name, "_dnsaddr.more.example.org") == 0) {
        (void)snprintf(texts[0], 200, "dnsaddr=/ip4/10.0.0.2/tcp/4001/p2p/" PEER_B);
        return 1;
    }
    if (strcmp(name, "_dnsaddr.boot.org") == 0) {
        (void)snprintf(texts[0], 200, "%s", boot);
        return 1;
    }
    if (sscanf(name, "_dnsaddr.%u.endless.org", &n) == 1) {
        (void)snprintf(texts[0], 200, "dnsaddr=/dnsaddr/%u.endless.org", n + 1);
        return 1;
    }
    return 0;
}

static void send_answer(const server *s, uint16_t id, const char *question, const char *name,
                        const struct sockaddr_in *to)
{
    char texts[4][200];
    const size_t n = texts_of(name, texts);
    kw_buf out = {0};
    kw_dns_put_header(
        &out,
        &(kw_dns_header){.id = id, .response = true, .n_questions = 1, .n_answers = (uint16_t)n});
    assert_int_equal(kw_dns_put_question(&out, question, KW_DNS_TXT, NULL), KW_OK);
    for (size_t i = 0; i < n; i++) {
        const kw_str text = kw_str_from(texts[i]);
        assert_int_equal(kw_dns_put_txt(&out, question, 60, &text, 1, NULL), KW_OK);
    }
    (void)sendto(s->fd, out.data, out.len, 0, (const struct sockaddr *)to, sizeof *to);
    kw_buf_free(&out);
}

static void serve(server *s)
{
    uint8_t bytes[1500];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    const ssize_t len =
        recvfrom(s->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_len);
    if (len < 0)
        return;
    kw_dns_message message;
    kw_dns_record record;
    assert_int_equal(kw_dns_get((kw_bytes){bytes, (size_t)len}, &message, NULL), KW_OK);
    assert_false(message.response);
    assert_true(kw_dns_question(&message, &record));
    assert_int_equal(record.type, KW_DNS_TXT);
    assert_int_equal(message.n_records, 1); /* how large an answer may be */
    if (s->n_asked++ < s->ignored)
        return;
    if (s->forges) {
        send_answer(s, (uint16_t)(message.id + 1), record.name.text, "_dnsaddr.more.example.org",
                    &from);
        send_answer(s, message.id, "_dnsaddr.other.org", "_dnsaddr.more.example.org", &from);
        (void)sendto(s->fd, "rubbish", 7, 0, (struct sockaddr *)&from, from_len);
    }
    send_answer(s, message.id, record.name.text, record.name.text, &from);
}

static void on_done(void *user, kw_status status, const kw_multiaddr *addrs, size_t n)
{
    outcome *o = user;
    assert_false(o->done);
    o->done = true;
    o->status = status;
    o->n = n;
    memcpy(o->addrs, addrs, n * sizeof *addrs);
}

static kw_multiaddr addr(const char *text)
{
    kw_multiaddr out;
    assert_int_equal(kw_multiaddr_parse(kw_str_from(text), &out, NULL), KW_OK);
    return out;
}

static outcome resolve(server *s, const char *text)
{
    kw_loop *loop;
    kw_dnsaddr *lookup;
    outcome o = {.done = false};
    const kw_multiaddr what = addr(text);
    assert_int_equal(kw_loop_open(&loop, NULL), KW_OK);
    const kw_dnsaddr_config config = {.loop = loop,
                                      .servers = &s->address,
                                      .n_servers = 1,
                                      .timeout_ms = 100,
                                      .done = on_done,
                                      .user = &o};
    assert_int_equal(kw_dnsaddr_open(&config, &what, &lookup, NULL), KW_OK);
    for (int i = 0; i < 500 && !o.done; i++) {
        kw_loop_step(loop, 5);
        serve(s);
    }
    assert_true(o.done);
    assert_int_equal(kw_dnsaddr_open(&config, &what, &lookup, NULL), KW_OK);
    kw_loop_step(loop, 0);
    kw_dnsaddr_cancel(lookup); /* a call after it would find `done` set */
    kw_loop_step(loop, 0);
    kw_loop_close(loop);
    return o;
}

static void entries_are_followed(void **state)
{
    (void)state;
    server s = start_server();
    outcome o = resolve(&s, "/dnsaddr/example.org");
    const kw_multiaddr a = addr("/ip4/10.0.0.1/tcp/4001/p2p/" PEER_A);
    const kw_multiaddr b = addr("/ip4/10.0.0.2/tcp/4001/p2p/" PEER_B);
    assert_int_equal(o.status, KW_OK);
    assert_int_equal(o.n, 2);
    assert_true(kw_multiaddr_equal(&o.addrs[0], &a));
    assert_true(kw_multiaddr_equal(&o.addrs[1], &b));
    o = resolve(&s, "/dnsaddr/example.org/p2p/" PEER_B);
    assert_int_equal(o.n, 1);
    assert_true(kw_multiaddr_equal(&o.addrs[0], &b));
    o = resolve(&s, "/dnsaddr/nothing.org");
    assert_int_equal(o.status, KW_E_NOTFOUND);
    s.n_asked = 0;
    o = resolve(&s, "/dnsaddr/1.endless.org");
    assert_int_equal(o.status, KW_E_NOTFOUND);
    assert_in_range(s.n_asked, KW_DNSADDR_QUESTIONS, KW_DNSADDR_QUESTIONS + 1);
    (void)close(s.fd);
}

static void lost_and_forged_answers(void **state)
{
    (void)state;
    server s = start_server();
    s.ignored = 1;
    s.forges = true;
    outcome o = resolve(&s, "/dnsaddr/example.org");
    assert_int_equal(o.status, KW_OK);
    assert_int_equal(o.n, 2);
    s.ignored = UINT32_MAX;
    o = resolve(&s, "/dnsaddr/example.org");
    assert_int_equal(o.status, KW_E_IO);
    (void)close(s.fd);
}

static void servers_are_read_from_the_file(void **state)
{
    (void)state;
    kw_dns_server servers[KW_DNSADDR_SERVERS];
    const kw_str conf = KW_STR("# nameserver 1.1.1.1\nsearch lan\nnameserver 10.0.0.1\n"
                               "  nameserver\tfe80::1%eth0\nnameservers 3\nnameserver 9.9.9.9\n"
                               "nameserver 8.8.8.8");
    assert_int_equal(kw_dns_servers(conf, servers), 3);
    assert_string_equal(servers[0].ip, "10.0.0.1");
    assert_string_equal(servers[1].ip, "fe80::1%eth0");
    assert_string_equal(servers[2].ip, "9.9.9.9");
    assert_int_equal(servers[2].port, 53);
    assert_int_equal(kw_dns_servers((kw_str){NULL, 0}, servers), 0);
}

/* ---- Kademlia begins with a name ---- */

typedef struct node {
    kw_identity identity;
    kw_host *host;
    kw_kad *kad;
} node;

static void open_node(node *n, kw_loop *loop, uint8_t seed, const kw_dns_server *dns)
{
    const uint8_t bytes[32] = {seed};
    const kw_kad_network network = {.protocol = "/kwaai/kad/1.0.0", .server = true};
    const kw_multiaddr any = addr("/ip4/127.0.0.1/tcp/0");
    assert_int_equal(kw_identity_of_seed(bytes, &n->identity, NULL), KW_OK);
    const kw_host_config host = {.loop = loop, .identity = &n->identity, .agent = "kwaai/test"};
    assert_int_equal(kw_host_open(&host, &n->host, NULL), KW_OK);
    assert_int_equal(kw_host_listen(n->host, &any, NULL), KW_OK);
    const kw_kad_config config = {.host = n->host,
                                  .networks = &network,
                                  .n_networks = 1,
                                  .dns_servers = dns,
                                  .n_dns_servers = 1};
    assert_int_equal(kw_kad_open(&config, &n->kad, NULL), KW_OK);
}

static void close_nodes(void *user)
{
    node *nodes = user;
    for (int i = 0; i < 2; i++) {
        kw_kad_close(nodes[i].kad);
        kw_host_close(nodes[i].host, NULL, NULL);
    }
}

static void a_node_begins_with_a_name(void **state)
{
    (void)state;
    server s = start_server();
    kw_loop *loop;
    node nodes[2];
    kw_multiaddr own, without;
    kw_peer_id named;
    char text[KW_MULTIADDR_TEXT_MAX], id[KW_PEER_ID_TEXT_MAX];
    assert_int_equal(kw_loop_open(&loop, NULL), KW_OK);
    for (int i = 0; i < 2; i++)
        open_node(&nodes[i], loop, (uint8_t)(i + 1), &s.address);
    assert_true(kw_host_addrs(nodes[0].host, &own, 1) >= 1);
    without = own;
    (void)kw_multiaddr_split(&own, &without, &named);
    kw_multiaddr_text(&without, text);
    kw_peer_id_text(&nodes[0].identity.id, id);
    (void)snprintf(boot, sizeof boot, "dnsaddr=%.80s/p2p/%s", text, id);
    const kw_multiaddr names[] = {addr("/dnsaddr/nothing.org"), addr("/dnsaddr/boot.org")};
    assert_int_equal(kw_kad_bootstrap(nodes[1].kad, names, 2, NULL), KW_OK);
    kw_kad_info info = {.n_records = 0};
    for (int i = 0; i < 1000 && info.n_peers[0] == 0; i++) {
        kw_loop_step(loop, 5);
        serve(&s);
        kw_kad_get_info(nodes[1].kad, &info);
    }
    assert_int_equal(info.n_peers[0], 1);
    assert_int_equal(kw_kad_bootstrap(nodes[1].kad, names, 2, NULL), KW_OK); /* in the middle */
    assert_int_equal(kw_loop_post(loop, close_nodes, nodes, NULL), KW_OK);
    for (int i = 0; i < 50; i++)
        kw_loop_step(loop, 5);
    kw_loop_close(loop);
    (void)close(s.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_followed),
        cmocka_unit_test(lost_and_forged_answers),
        cmocka_unit_test(servers_are_read_from_the_file),
        cmocka_unit_test(a_node_begins_with_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
