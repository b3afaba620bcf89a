/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* host.c - hosts on one loop over loopback: connecting, identify, ping, perf, whom they refuse,
 * what they give up on, and that closing in the middle of everything leaves nothing behind. */
#include "nodes.h"

#include "base/check.h"

/* ---- watchers ---- */

typedef struct watch {
    int joined, left;
    bool has_joined, has_left;
} watch;

static void on_joined(void *user, const kw_peer_id *peer)
{
    watch *w = user;
    (void)peer;
    w->joined++;
    w->has_joined = true;
}

static void on_left(void *user, const kw_peer_id *peer)
{
    watch *w = user;
    (void)peer;
    w->left++;
    w->has_left = true;
}

static void watch_node(node *n, watch *w)
{
    *w = (watch){0};
    const kw_host_watch table = {.joined = on_joined, .left = on_left, .user = w};
    assert_int_equal(kw_host_add_watch(n->host, &table, NULL), KW_OK);
}

/* ---- tests ---- */

static void connect_identify_and_ping(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b;
    watch wa, wb;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    watch_node(&a, &wa);
    watch_node(&b, &wb);
    const kw_multiaddr addr = node_listen(&b);
    nodes_connect(loop, &a, &b, &addr);
    assert_true(wait_for(loop, &wa.has_joined, 3000) && wait_for(loop, &wb.has_joined, 3000));
    assert_true(kw_host_peer_speaks(a.host, &b.identity.id, "/ipfs/ping/1.0.0"));
    assert_false(kw_host_peer_speaks(a.host, &b.identity.id, "/perf/1.0.0"));

    kw_peer_info info;
    assert_int_equal(kw_host_peers(b.host, &info, 1), 1);
    assert_true(info.inbound && kw_peer_id_equal(&info.id, &a.identity.id));
    assert_string_equal(info.agent, "kwaai/test");
    assert_int_equal(kw_host_peers(a.host, &info, 1), 1);
    assert_true(!info.inbound && kw_multiaddr_equal(&info.addr, &addr));
    kw_multiaddr known;
    assert_int_equal(kw_host_known(a.host, &b.identity.id, &known, 1), 1);
    assert_true(kw_multiaddr_equal(&known, &addr));
    assert_true(node_pings(loop, &a, &b));
    assert_true(node_pings(loop, &b, &a)); /* over the same connection */

    kw_host_disconnect(a.host, &b.identity.id);
    assert_true(wait_for(loop, &wb.has_left, 3000) && wait_for(loop, &wa.has_left, 3000));
    assert_int_equal(wa.joined, 1);
    assert_int_equal(wa.left, 1);
    assert_false(kw_host_connected(a.host, &b.identity.id));
    node_close(&a, loop);
    node_close(&b, loop);
    kw_loop_close(loop);
}

/* Protocols that come later are pushed; the book is enough to dial. */
static void push_tells_what_is_new(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    const kw_host_config quick = {.limits = {.handshake_ms = 400}}; /* ticks every 100 ms */
    node a, b;
    watch wa;
    node_open(&a, loop, 1, &quick);
    node_open(&b, loop, 2, &quick);
    const kw_multiaddr addr = node_listen(&b);
    watch_node(&a, &wa);
    kw_host_learn(a.host, &b.identity.id, &addr, 1, 10000);
    nodes_connect(loop, &a, &b, NULL);
    assert_true(wait_for(loop, &wa.has_joined, 3000));
    wait_ms(loop, 250);
    wa.has_joined = false;
    assert_int_equal(kw_perf_serve(b.host, NULL), KW_OK);
    assert_true(wait_for(loop, &wa.has_joined, 3000));
    assert_true(kw_host_peer_speaks(a.host, &b.identity.id, "/perf/1.0.0"));
    node_close(&b, loop);
    node_close(&a, loop);
    kw_loop_close(loop);
}

static void perf_counts_every_byte(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    const kw_multiaddr addr = node_listen(&b);
    assert_int_equal(kw_perf_serve(b.host, NULL), KW_OK);
    nodes_connect(loop, &a, &b, &addr);
    said s = {0};
    kw_perf_run(a.host, &b.identity.id, 24 << 20, 24 << 20, on_said_perf, &s);
    assert_true(wait_for(loop, &s.done, 60000));
    assert_int_equal(s.status, KW_OK);
    assert_int_equal(s.number, 24 << 20);
    node_close(&a, loop);
    node_close(&b, loop);
    kw_loop_close(loop);
}

static void wrong_peers_are_not_taken(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b, c;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    node_open(&c, loop, 3, NULL);
    const kw_multiaddr addr = node_listen(&b), own = node_listen(&a);
    said s = {0};
    kw_host_connect(a.host, &c.identity.id, &addr, on_said_connected, &s);
    assert_true(wait_for(loop, &s.done, 3000));
    assert_int_not_equal(s.status, KW_OK);
    assert_false(kw_host_connected(a.host, &b.identity.id));

    s = (said){0}; /* by its own id, and by an address that turns out to be its own */
    kw_host_connect(a.host, &a.identity.id, &own, on_said_connected, &s);
    assert_false(s.done);
    assert_true(wait_for(loop, &s.done, 3000));
    assert_int_equal(s.status, KW_E_ARG);
    s = (said){0};
    kw_host_connect(a.host, NULL, &own, on_said_connected, &s);
    assert_true(wait_for(loop, &s.done, 3000));
    assert_int_not_equal(s.status, KW_OK);
    assert_int_equal(kw_host_peers(a.host, NULL, 0), 0);

    s = (said){0}; /* whoever answers */
    kw_host_connect(a.host, NULL, &addr, on_said_connected, &s);
    assert_true(wait_for(loop, &s.done, 3000));
    assert_int_equal(s.status, KW_OK);
    assert_true(kw_peer_id_equal(&s.peer, &b.identity.id));
    node_close(&a, loop);
    node_close(&b, loop);
    node_close(&c, loop);
    kw_loop_close(loop);
}

static bool refuse_named(void *user, const kw_peer_id *peer, const kw_multiaddr *addr, bool inbound)
{
    (void)addr;
    (void)inbound;
    return !kw_peer_id_equal(peer, user);
}

static void the_gate_is_asked(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b, c;
    node_open(&a, loop, 1, NULL);
    const kw_host_config config = {.allow = refuse_named, .allow_user = &a.identity.id};
    node_open(&b, loop, 2, &config);
    node_open(&c, loop, 3, NULL);
    const kw_multiaddr addr = node_listen(&b), of_a = node_listen(&a);
    nodes_connect(loop, &c, &b, &addr);
    assert_true(node_pings(loop, &c, &b));
    said s = {0}; /* a may think that it is connected, but nobody speaks with it */
    kw_host_connect(a.host, &b.identity.id, &addr, on_said_connected, &s);
    assert_true(wait_for(loop, &s.done, 3000));
    wait_ms(loop, 50);
    assert_false(kw_host_connected(b.host, &a.identity.id));
    assert_false(kw_host_connected(a.host, &b.identity.id));
    s = (said){0};
    kw_host_connect(b.host, &a.identity.id, &of_a, on_said_connected, &s);
    assert_true(wait_for(loop, &s.done, 3000));
    assert_int_equal(s.status, KW_E_CANCELLED);
    node_close(&a, loop);
    node_close(&b, loop);
    node_close(&c, loop);
    kw_loop_close(loop);
}

static void both_dial_at_once(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    const kw_host_config quick = {.limits = {.handshake_ms = 4000}};
    node a, b;
    node_open(&a, loop, 1, &quick);
    node_open(&b, loop, 2, &quick);
    const kw_multiaddr at_a = node_listen(&a), at_b = node_listen(&b);
    said sa = {0}, sb = {0}, again = {0};
    kw_host_connect(a.host, &b.identity.id, &at_b, on_said_connected, &sa);
    kw_host_connect(a.host, &b.identity.id, &at_b, on_said_connected, &again);
    kw_host_connect(b.host, &a.identity.id, &at_a, on_said_connected, &sb);
    assert_true(wait_for(loop, &sa.done, 3000) && wait_for(loop, &sb.done, 3000));
    assert_true(again.done && again.status == KW_OK);
    assert_true(sa.status == KW_OK && sb.status == KW_OK);
    wait_ms(loop, 3200); /* the retired one has gone */
    kw_peer_info ia, ib;
    assert_int_equal(kw_host_peers(a.host, &ia, 1), 1);
    assert_int_equal(kw_host_peers(b.host, &ib, 1), 1);
    assert_true(ia.inbound != ib.inbound); /* the same connection */
    assert_true(node_pings(loop, &a, &b));
    node_close(&a, loop);
    node_close(&b, loop);
    kw_loop_close(loop);
}

static void limits_refuse_and_recover(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    const kw_host_config config = {
        .limits = {.connections_per_ip = 2, .handshakes_per_second = 100}};
    node server, clients[3];
    node_open(&server, loop, 9, &config);
    const kw_multiaddr addr = node_listen(&server);
    said s[3] = {0};
    for (int i = 0; i < 3; i++) {
        node_open(&clients[i], loop, (uint8_t)(1 + i), NULL);
        kw_host_connect(clients[i].host, &server.identity.id, &addr, on_said_connected, &s[i]);
        assert_true(wait_for(loop, &s[i].done, 3000));
    }
    assert_true(s[0].status == KW_OK && s[1].status == KW_OK && s[2].status != KW_OK);
    node_close(&clients[0], loop);
    wait_ms(loop, 20);
    s[2] = (said){0};
    kw_host_connect(clients[2].host, &server.identity.id, &addr, on_said_connected, &s[2]);
    assert_true(wait_for(loop, &s[2].done, 3000));
    assert_int_equal(s[2].status, KW_OK);
    node_close(&clients[1], loop);
    node_close(&clients[2], loop);
    node_close(&server, loop);
    kw_loop_close(loop);
}

static void failures_back_off(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    const kw_multiaddr addr = node_listen(&b);
    node_close(&b, loop);
    kw_host_learn(a.host, &b.identity.id, &addr, 1, 60000);
    said s = {0};
    kw_host_ping(a.host, &b.identity.id, on_said_ping, &s); /* nobody listens there now */
    assert_true(wait_for(loop, &s.done, 3000));
    assert_int_equal(s.status, KW_E_IO);
    s = (said){0};
    kw_host_connect(a.host, &b.identity.id, NULL, on_said_connected, &s);
    assert_true(wait_for(loop, &s.done, 3000));
    assert_non_null(strstr(s.why, "next try"));
    node_close(&a, loop);
    kw_loop_close(loop);
}

static void names_are_looked_up(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node a, b;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, NULL);
    const kw_multiaddr addr = node_listen(&b);
    kw_multiaddr_part port;
    kw_multiaddr named = {.len = 0}, wrong;
    assert_true(kw_multiaddr_find(&addr, KW_MA_TCP, &port));
    const kw_bytes localhost = {(const uint8_t *)"localhost", 9};
    assert_int_equal(kw_multiaddr_add(&named, KW_MA_DNS4, localhost, NULL), KW_OK);
    assert_int_equal(kw_multiaddr_add(&named, KW_MA_TCP, port.value, NULL), KW_OK);
    nodes_connect(loop, &a, &b, &named);
    said s = {0};
    assert_int_equal(kw_multiaddr_parse(KW_STR("/dns4/no.invalid/tcp/1"), &wrong, NULL), KW_OK);
    kw_host_connect(a.host, NULL, &wrong, on_said_connected, &s);
    assert_true(wait_for(loop, &s.done, 11000));
    assert_int_not_equal(s.status, KW_OK);
    node_close(&a, loop);
    node_close(&b, loop);
    kw_loop_close(loop);
}

/* ---- strangers: a bare socket ---- */

typedef struct stranger {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    const char *says;
    bool hung_up, gone;
    char buffer[4096];
} stranger;

static void stranger_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    stranger *s = handle->data;
    (void)size;
    *buf = uv_buf_init(s->buffer, sizeof s->buffer);
}

static void stranger_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n < 0)
        ((stranger *)stream->data)->hung_up = true;
}

static void stranger_written(uv_write_t *write, int code)
{
    (void)write;
    (void)code;
}

static void stranger_connected(uv_connect_t *connect, int code)
{
    stranger *s = connect->data;
    const uv_buf_t buf = {.base = (char *)(uintptr_t)s->says, .len = strlen(s->says)};
    assert_int_equal(code, 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&s->tcp, stranger_alloc, stranger_read), 0);
    if (buf.len > 0)
        assert_int_equal(uv_write(&s->write, (uv_stream_t *)&s->tcp, &buf, 1, stranger_written), 0);
}

static void stranger_gone(uv_handle_t *handle)
{
    ((stranger *)handle->data)->gone = true;
}

/* Milliseconds until the host hangs up on a peer that says this and no more. */
static uint64_t patience(kw_loop *loop, const kw_multiaddr *addr, const char *says)
{
    stranger s = {.says = says};
    const struct sockaddr_in where = node_socket(addr);
    assert_int_equal(uv_tcp_init(kw_loop_uv(loop), &s.tcp), 0);
    s.tcp.data = s.connect.data = &s;
    const uint64_t begin = kw_loop_now(loop);
    assert_int_equal(
        uv_tcp_connect(&s.connect, &s.tcp, (const struct sockaddr *)&where, stranger_connected), 0);
    assert_true(wait_for(loop, &s.hung_up, 5000));
    const uint64_t took = kw_loop_now(loop) - begin;
    uv_close((uv_handle_t *)&s.tcp, stranger_gone);
    assert_true(wait_for(loop, &s.gone, 1000));
    return took;
}

static void handshakes_end_in_time(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    const kw_host_config config = {.limits = {.handshake_ms = 300}};
    node n;
    node_open(&n, loop, 1, &config);
    const kw_multiaddr addr = node_listen(&n);
    assert_in_range(patience(loop, &addr, ""), 300, 2000);
    assert_in_range(patience(loop, &addr, "\x13/m"), 300, 2000);
    assert_in_range(patience(loop, &addr, "\x13/multistream/1.0.0\n"), 300, 2000);
    assert_in_range(patience(loop, &addr, "GET / HTTP/1.1\r\n"), 300, 2000);
    assert_in_range(patience(loop, &addr, "SSH-2.0-x\r\n"), 0, 250);
    assert_in_range(patience(loop, &addr, "\x13/multistream/1.0.1\n\x07/noise\n"), 0, 250);
    node_close(&n, loop);
    kw_loop_close(loop);
}

static void idle_connections_close(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    const kw_host_config config = {.limits = {.idle_ms = 300}};
    node a, b;
    watch w;
    node_open(&a, loop, 1, NULL);
    node_open(&b, loop, 2, &config);
    const kw_multiaddr addr = node_listen(&b);
    watch_node(&a, &w);
    nodes_connect(loop, &a, &b, &addr);
    assert_true(wait_for(loop, &w.has_left, 5000));
    assert_false(kw_host_connected(b.host, &a.identity.id));
    node_close(&a, loop);
    node_close(&b, loop);
    kw_loop_close(loop);
}

static void closing_under_load(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node n[3];
    said perf[3] = {0}, ping[3] = {0}, dial = {0};
    kw_multiaddr addr[3], nowhere;
    for (int i = 0; i < 3; i++) {
        node_open(&n[i], loop, (uint8_t)(1 + i), NULL);
        addr[i] = node_listen(&n[i]);
        assert_int_equal(kw_perf_serve(n[i].host, NULL), KW_OK);
    }
    for (int i = 0; i < 3; i++)
        nodes_connect(loop, &n[i], &n[(i + 1) % 3], &addr[(i + 1) % 3]);
    for (int i = 0; i < 3; i++)
        kw_perf_run(n[i].host, &n[(i + 1) % 3].identity.id, UINT64_MAX / 2, UINT64_MAX / 2,
                    on_said_perf, &perf[i]);
    wait_ms(loop, 100);
    for (int i = 0; i < 3; i++)
        kw_host_ping(n[i].host, &n[(i + 2) % 3].identity.id, on_said_ping, &ping[i]);
    /* TEST-NET: nobody answers */
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/192.0.2.1/tcp/9"), &nowhere, NULL), KW_OK);
    kw_host_connect(n[0].host, NULL, &nowhere, on_said_connected, &dial);
    for (int i = 0; i < 3; i++)
        kw_host_close(n[i].host, node_closed, &n[i]);
    for (int i = 0; i < 3; i++)
        assert_true(wait_for(loop, &n[i].closed, 5000));
    for (int i = 0; i < 3; i++)
        assert_true(perf[i].done && perf[i].status != KW_OK && ping[i].done);
    assert_true(dial.done && dial.status != KW_OK);
    kw_loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_identify_and_ping), cmocka_unit_test(push_tells_what_is_new),
        cmocka_unit_test(perf_counts_every_byte),    cmocka_unit_test(wrong_peers_are_not_taken),
        cmocka_unit_test(the_gate_is_asked),         cmocka_unit_test(both_dial_at_once),
        cmocka_unit_test(limits_refuse_and_recover), cmocka_unit_test(failures_back_off),
        cmocka_unit_test(names_are_looked_up),       cmocka_unit_test(handshakes_end_in_time),
        cmocka_unit_test(idle_connections_close),    cmocka_unit_test(closing_under_load)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
