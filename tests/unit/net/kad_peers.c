/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_peers.c - Kademlia with peers of js-libp2p, go-libp2p and rust-libp2p, and mDNS with js, both
 * ways (tests/interop).
 *
 * KWAAI_JS names a folder whose node_modules has Node 22 and the packages of tests/interop/js;
 * KWAAI_GO and KWAAI_RUST name the programs built from tests/interop/go and rust. What is not named
 * is skipped. kw-test: timeout 180 */
#include "net/kad.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/mdns.h"
#include "wire/cid.h"

#define N_PEERS 2
#define KWAAI "/kwaai/kad/1.0.0"
#define PATIENCE 6000 /* steps of 10 ms */

typedef struct peer {
    pid_t pid;
    int to, from;
    char line[4096]; /* the last answer */
    char addr[256], id[80];
} peer;

typedef struct us {
    kw_loop *loop;
    kw_identity identity;
    kw_host *host;
    kw_kad *kad;
    kw_mdns *mdns;
    bool closed, done, found;
    kw_status status;
    size_t n;
    kw_peer_id last;
    char value[16];
} us;

/* ---- a peer that we did not write ---- */

typedef enum kind { JS, GO, RUST } kind;
static const char *const variables[] = {"KWAAI_JS", "KWAAI_GO", "KWAAI_RUST"};

static void run_program(kind what, int to, int from, const char *mdns_port)
{
    static char script[65536];
    char node[1024];
    const char *named = getenv(variables[what]);
    if (dup2(to, 0) < 0 || dup2(from, 1) < 0 || setenv("MDNS_PORT", mdns_port, 1) != 0)
        _exit(1);
    if (what != JS) {
        (void)execl(named, named, (char *)NULL);
        _exit(1);
    }
    FILE *file = fopen(KW_SOURCE_DIR "/tests/interop/js/kad.mjs", "rb");
    if (!file || fread(script, 1, sizeof script - 1, file) == 0 || chdir(named) != 0)
        _exit(1);
    (void)snprintf(node, sizeof node, "%s/node_modules/.bin/node", named);
    (void)execl(node, node, "--input-type=module", "-e", script, (char *)NULL);
    _exit(1);
}

static void read_line(us *u, peer *p)
{
    size_t len = 0;
    for (int i = 0; i < PATIENCE; i++) {
        const ssize_t n = read(p->from, p->line + len, 1);
        if (n == 1 && p->line[len] == '\n') {
            p->line[len] = '\0';
            return;
        }
        if (n == 1 && ++len < sizeof p->line - 1)
            continue;
        assert_true(n != 0 && len < sizeof p->line - 1);
        kw_loop_step(u->loop, 10);
    }
    fail_msg("the other does not answer");
}

static const char *say(us *u, peer *p, const char *command, const char *word, const char *more)
{
    char line[1024];
    const int len = snprintf(line, sizeof line, "%s %s %s\n", command, word, more);
    assert_int_equal(write(p->to, line, (size_t)len), len);
    read_line(u, p);
    return p->line;
}

static void copy_text(const char *line, const char *before, char *out, size_t cap)
{
    const char *at = strstr(line, before);
    assert_non_null(at);
    at += strlen(before);
    const size_t len = strcspn(at, "\"");
    assert_true(len < cap);
    memcpy(out, at, len);
    out[len] = '\0';
}

static void start_peer(us *u, kind what, peer *p, const char *mdns_port)
{
    int to[2], from[2];
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0)
        run_program(what, to[0], from[1], mdns_port);
    (void)close(to[0]);
    (void)close(from[1]);
    p->to = to[1];
    p->from = from[0];
    assert_int_equal(fcntl(p->from, F_SETFL, O_NONBLOCK), 0);
    read_line(u, p);
    copy_text(p->line, "\"peer\":\"", p->id, sizeof p->id);
    copy_text(p->line, "\"addrs\":[\"", p->addr, sizeof p->addr);
}

static void end_peer(peer *p)
{
    (void)close(p->to); /* the end of its input ends it */
    (void)waitpid(p->pid, NULL, 0);
    (void)close(p->from);
}

/* ---- our node ---- */

static bool any_value(void *user, kw_bytes key, kw_bytes value)
{
    (void)user;
    return key.len > 0 && value.len > 0;
}

static void open_us(us *u, uint8_t seed, bool server)
{
    static const kw_kad_validator validator = {"/kwaai/", any_value, NULL, NULL};
    const kw_kad_network network = {.protocol = KWAAI, .server = server, .publish = true};
    const uint8_t bytes[32] = {seed};
    kw_multiaddr any;
    kw_error err = {.message = ""};
    *u = (us){.loop = NULL};
    assert_int_equal(kw_loop_open(&u->loop, NULL), KW_OK);
    assert_int_equal(kw_identity_of_seed(bytes, &u->identity, NULL), KW_OK);
    const kw_host_config host = {.loop = u->loop, .identity = &u->identity, .agent = "kwaai/test"};
    assert_int_equal(kw_host_open(&host, &u->host, &err), KW_OK);
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1/tcp/0"), &any, NULL), KW_OK);
    assert_int_equal(kw_host_listen(u->host, &any, &err), KW_OK);
    const kw_kad_config config = {.host = u->host,
                                  .networks = &network,
                                  .n_networks = 1,
                                  .validators = &validator,
                                  .n_validators = 1};
    assert_int_equal(kw_kad_open(&config, &u->kad, &err), KW_OK);
}

static void on_host_closed(void *user)
{
    us *u = user;
    u->closed = true;
}

static void close_all(void *user)
{
    us *u = user;
    kw_mdns_close(u->mdns);
    kw_kad_close(u->kad);
    kw_host_close(u->host, on_host_closed, u);
}

static void close_us(us *u)
{
    assert_int_equal(kw_loop_post(u->loop, close_all, u, NULL), KW_OK);
    for (int i = 0; i < 500 && !u->closed; i++)
        kw_loop_step(u->loop, 10);
    assert_true(u->closed);
    kw_loop_close(u->loop);
}

static void own_address(const us *u, char out[KW_MULTIADDR_TEXT_MAX + KW_PEER_ID_TEXT_MAX + 8])
{
    kw_multiaddr addr, without;
    kw_peer_id named;
    char text[KW_MULTIADDR_TEXT_MAX], id[KW_PEER_ID_TEXT_MAX];
    assert_true(kw_host_addrs(u->host, &addr, 1) >= 1);
    without = addr;
    (void)kw_multiaddr_split(&addr, &without, &named);
    kw_multiaddr_text(&without, text);
    kw_peer_id_text(&u->identity.id, id);
    (void)snprintf(out, KW_MULTIADDR_TEXT_MAX + KW_PEER_ID_TEXT_MAX + 8, "%s/p2p/%s", text, id);
}

static void on_peer(void *user, const kw_kad_peer *found)
{
    us *u = user;
    u->last = found->id;
}

static void on_value(void *user, kw_bytes value)
{
    us *u = user;
    assert_true(value.len < sizeof u->value);
    memcpy(u->value, value.data, value.len);
}

static void on_done(void *user, kw_status status, size_t n)
{
    us *u = user;
    u->done = true;
    u->status = status;
    u->n = n;
}

static const kw_kad_events events = {on_peer, on_value, on_done};

static void wait_for(us *u)
{
    for (int i = 0; i < PATIENCE && !u->done; i++)
        kw_loop_step(u->loop, 10);
    assert_true(u->done);
    assert_int_equal(u->status, KW_OK);
    u->done = false;
}

static void wait_for_peers(us *u, size_t n)
{
    kw_kad_info info = {.n_records = 0};
    for (int i = 0; i < PATIENCE && info.n_peers[0] < n; i++) {
        kw_loop_step(u->loop, 10);
        kw_kad_get_info(u->kad, &info);
    }
    assert_true(info.n_peers[0] >= n);
}

static void cid_of(const char *text, char out[KW_CID_TEXT_MAX], uint8_t hash[KW_CID_MAX],
                   size_t *len)
{
    const kw_cid cid =
        kw_cid_of(KW_CODEC_RAW, (kw_bytes){(const uint8_t *)text, strlen(text)}, NULL);
    kw_cid_text(&cid, out);
    *len = kw_cid_multihash(&cid, hash);
}

static bool have(kind what)
{
    if (getenv(variables[what]))
        return true;
    printf("skip: %s does not say where the other peer is (tests/interop/README.md)\n",
           variables[what]);
    return false;
}

/* ---- tests ---- */

static void values_both_ways(us *u, peer *js)
{
    kw_kad_query *query;
    assert_string_equal(say(u, &js[0], "put", "/kwaai/a", "from-js"), "{}");
    const kw_bytes a = {(const uint8_t *)"/kwaai/a", 8}, b = {(const uint8_t *)"/kwaai/b", 8};
    assert_int_equal(kw_kad_get(u->kad, a, 2, &events, u, &query, NULL), KW_OK);
    wait_for(u);
    assert_string_equal(u->value, "from-js");
    const kw_bytes value = {(const uint8_t *)"from-us", 7};
    assert_int_equal(kw_kad_put(u->kad, b, value, &events, u, &query, NULL), KW_OK);
    wait_for(u);
    assert_int_equal(u->n, N_PEERS);
    assert_non_null(strstr(say(u, &js[1], "get", "/kwaai/b", ""), "from-us"));
}

/* A client of ours that knows one of them finds what the other provides. */
static void client_finds(us *u, const peer *known, const peer *provider, kw_bytes hash)
{
    us client;
    kw_kad_query *query;
    kw_multiaddr first;
    char found[KW_PEER_ID_TEXT_MAX];
    open_us(&client, 2, false);
    assert_int_equal(kw_multiaddr_parse(kw_str_from(known->addr), &first, NULL), KW_OK);
    assert_int_equal(kw_kad_bootstrap(client.kad, &first, 1, NULL), KW_OK);
    kw_kad_info info = {.n_records = 0};
    for (int i = 0; i < PATIENCE && info.n_peers[0] == 0; i++) {
        kw_loop_step(client.loop, 5);
        kw_loop_step(u->loop, 5);
        kw_kad_get_info(client.kad, &info);
    }
    assert_int_equal(kw_kad_find_providers(client.kad, hash, 1, &events, &client, &query, NULL),
                     KW_OK);
    for (int i = 0; i < PATIENCE && !client.done; i++) {
        kw_loop_step(client.loop, 5);
        kw_loop_step(u->loop, 5);
    }
    kw_peer_id_text(&client.last, found);
    assert_string_equal(found, provider->id);
    close_us(&client);
}

static void meet(us *u, kind what, peer peers[N_PEERS])
{
    char ours[KW_MULTIADDR_TEXT_MAX + KW_PEER_ID_TEXT_MAX + 8];
    own_address(u, ours);
    for (size_t i = 0; i < N_PEERS; i++) {
        start_peer(u, what, &peers[i], "0");
        assert_null(strstr(say(u, &peers[i], "ping", ours, ""), "error"));
    }
    wait_for_peers(u, N_PEERS);
}

static void records_both_ways(kind what)
{
    us u;
    peer peers[N_PEERS];
    kw_kad_query *query;
    kw_kad_info info = {.n_records = 0};
    char text[KW_CID_TEXT_MAX], id[KW_PEER_ID_TEXT_MAX];
    uint8_t hash[KW_CID_MAX];
    size_t len;
    open_us(&u, 1, true);
    kw_peer_id_text(&u.identity.id, id);
    meet(&u, what, peers);

    cid_of("provided by another", text, hash, &len); /* kept by us, once we are in its table */
    for (int t = 0; t < 50 && info.n_records == 0; t++) {
        kw_loop_step(u.loop, 100);
        (void)say(&u, &peers[0], "provide", text, "");
        kw_kad_get_info(u.kad, &info);
    }
    assert_int_equal(info.n_records, 1);
    assert_non_null(strstr(say(&u, &peers[1], "find", text, ""), peers[0].id));
    client_finds(&u, &peers[1], &peers[0], (kw_bytes){hash, len});

    cid_of("provided by us", text, hash, &len);
    assert_int_equal(kw_kad_provide(u.kad, (kw_bytes){hash, len}, &events, &u, &query, NULL),
                     KW_OK);
    wait_for(&u);
    assert_int_equal(u.n, N_PEERS);
    assert_non_null(strstr(say(&u, &peers[1], "find", text, ""), id));
    if (what == JS)
        values_both_ways(&u, peers);
    for (size_t i = 0; i < N_PEERS; i++)
        end_peer(&peers[i]);
    close_us(&u);
}

static void records_with_js(void **state)
{
    (void)state;
    if (!have(JS))
        skip();
    records_both_ways(JS);
}

static void records_with_go(void **state)
{
    (void)state;
    if (!have(GO))
        skip();
    records_both_ways(GO);
}

static void records_with_rust(void **state)
{
    (void)state;
    if (!have(RUST))
        skip();
    records_both_ways(RUST);
}

static void on_found(void *user, const kw_peer_id *who)
{
    us *u = user;
    u->found = true;
    u->last = *who;
}

static void neighbours_with_js(void **state)
{
    (void)state;
    if (!have(JS))
        skip();
    us u;
    peer js;
    char id[KW_PEER_ID_TEXT_MAX], found[KW_PEER_ID_TEXT_MAX], port[16];
    const uint16_t number = (uint16_t)(20000 + getpid() % 20000);
    bool seen = false;
    open_us(&u, 3, true);
    kw_peer_id_text(&u.identity.id, id);
    (void)snprintf(port, sizeof port, "%u", (unsigned)number);
    const kw_mdns_config config = {
        .host = u.host, .port = number, .interval_ms = 1000, .found = on_found, .user = &u};
    assert_int_equal(kw_mdns_open(&config, &u.mdns, NULL), KW_OK);
    start_peer(&u, JS, &js, port);
    for (int i = 0; i < 100 && !(seen && u.found); i++) {
        for (int t = 0; t < 10; t++)
            kw_loop_step(u.loop, 10);
        seen = strstr(say(&u, &js, "discovered", "", ""), id) != NULL;
    }
    kw_peer_id_text(&u.last, found);
    end_peer(&js);
    close_us(&u);
    if (!seen && !u.found) {
        printf("skip: no interface here multicasts to itself\n");
        skip();
    }
    assert_true(seen && u.found);
    assert_string_equal(found, js.id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_with_js),
        cmocka_unit_test(records_with_go),
        cmocka_unit_test(records_with_rust),
        cmocka_unit_test(neighbours_with_js),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
