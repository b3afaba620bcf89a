/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* carrier.c - one port that takes libp2p, WebSocket and HTTP, and private networks over both. */
#include "nodes.h"

#include "net/http.h"

static kw_multiaddr with_ws(kw_multiaddr addr)
{
    assert_int_equal(kw_multiaddr_add(&addr, KW_MA_WS, (kw_bytes){0}, NULL), KW_OK);
    return addr;
}

static void moves_bytes(kw_loop *loop, node *a, const node *b)
{
    said s = {0};
    kw_perf_run(a->host, &b->identity.id, 3 << 20, 2 << 20, on_said_perf, &s);
    assert_true(wait_for(loop, &s.done, 20000));
    assert_int_equal(s.status, KW_OK);
    assert_int_equal(s.number, 2 << 20);
}

static void one_port_takes_both(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node server, raw, ws;
    node_open(&server, loop, 1, NULL);
    node_open(&raw, loop, 2, NULL);
    node_open(&ws, loop, 3, NULL);
    const kw_multiaddr addr = node_listen(&server), ws_addr = with_ws(addr);
    kw_multiaddr all[4];
    assert_int_equal(kw_host_listen(server.host, &ws_addr, NULL), KW_OK);
    assert_int_equal(kw_host_addrs(server.host, all, 4), 2);
    assert_true(kw_multiaddr_equal(&all[0], &addr) && kw_multiaddr_equal(&all[1], &ws_addr));
    assert_int_equal(kw_perf_serve(server.host, NULL), KW_OK);
    nodes_connect(loop, &raw, &server, &addr);
    nodes_connect(loop, &ws, &server, &ws_addr);
    moves_bytes(loop, &raw, &server);
    moves_bytes(loop, &ws, &server);
    node_close(&raw, loop);
    node_close(&ws, loop);
    node_close(&server, loop);
    kw_loop_close(loop);
}

static void private_networks(void **state)
{
    (void)state;
    static const uint8_t key[32] = {1, 2, 3}, other_key[32] = {1, 2, 4};
    const kw_host_limits limits = {.handshake_ms = 500, .dial_ms = 1500};
    const kw_host_config in = {.psk = key, .limits = limits};
    const kw_host_config out = {.limits = limits};
    const kw_host_config other = {.psk = other_key, .limits = limits};
    kw_loop *loop = open_loop();
    node server, member, guest, stranger;
    node_open(&server, loop, 1, &in);
    node_open(&member, loop, 2, &in);
    node_open(&guest, loop, 3, &out);
    node_open(&stranger, loop, 4, &other);
    const kw_multiaddr addr = node_listen(&server), ws_addr = with_ws(addr);
    assert_int_equal(kw_perf_serve(server.host, NULL), KW_OK);
    nodes_connect(loop, &member, &server, &addr);
    moves_bytes(loop, &member, &server);
    kw_host_disconnect(member.host, &server.identity.id);
    wait_ms(loop, 20);
    nodes_connect(loop, &member, &server, &ws_addr);
    moves_bytes(loop, &member, &server);
    said s[2] = {0};
    kw_host_connect(guest.host, NULL, &addr, on_said_connected, &s[0]);
    kw_host_connect(stranger.host, NULL, &addr, on_said_connected, &s[1]);
    assert_true(wait_for(loop, &s[0].done, 3000) && wait_for(loop, &s[1].done, 3000));
    assert_true(s[0].status != KW_OK && s[1].status != KW_OK);
    node_close(&member, loop);
    node_close(&guest, loop);
    node_close(&stranger, loop);
    node_close(&server, loop);
    kw_loop_close(loop);
}

/* ---- HTTP by a bare socket ---- */

typedef struct browser {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    const char *says;
    kw_buf got;
    bool hung_up, gone;
    char buffer[65536];
} browser;

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    browser *b = handle->data;
    (void)size;
    *buf = uv_buf_init(b->buffer, sizeof b->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    browser *b = stream->data;
    if (n > 0)
        kw_buf_add(&b->got, buf->base, (size_t)n);
    else if (n < 0)
        b->hung_up = true;
}

static void on_written(uv_write_t *write, int code)
{
    (void)write;
    (void)code;
}

static void on_connected(uv_connect_t *connect, int code)
{
    browser *b = connect->data;
    const uv_buf_t buf = {.base = (char *)(uintptr_t)b->says, .len = strlen(b->says)};
    assert_int_equal(code, 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&b->tcp, on_alloc, on_read), 0);
    assert_int_equal(uv_write(&b->write, (uv_stream_t *)&b->tcp, &buf, 1, on_written), 0);
}

static void on_gone(uv_handle_t *handle)
{
    ((browser *)handle->data)->gone = true;
}

/* All that comes back until the server hangs up; owned by the caller. */
static kw_buf ask(kw_loop *loop, const kw_multiaddr *addr, const char *says)
{
    static browser b;
    const struct sockaddr_in where = node_socket(addr);
    b = (browser){.says = says};
    assert_int_equal(uv_tcp_init(kw_loop_uv(loop), &b.tcp), 0);
    b.tcp.data = b.connect.data = &b;
    assert_int_equal(
        uv_tcp_connect(&b.connect, &b.tcp, (const struct sockaddr *)&where, on_connected), 0);
    assert_true(wait_for(loop, &b.hung_up, 5000));
    uv_close((uv_handle_t *)&b.tcp, on_gone);
    assert_true(wait_for(loop, &b.gone, 1000));
    return b.got;
}

static void is_answered(kw_loop *loop, const kw_multiaddr *addr, const char *says,
                        const char *wanted)
{
    kw_buf got = ask(loop, addr, says);
    assert_non_null(got.data);
    if (!strstr(got.data, wanted))
        fail_msg("%.300s", got.data);
    kw_buf_free(&got);
}

#define BODY ((size_t)5 << 20)

static kw_status next(void *user, uint64_t offset, size_t max, kw_bytes *out, bool *ended)
{
    static uint8_t piece[1000];
    (void)user;
    (void)ended;
    for (size_t i = 0; i < sizeof piece; i++)
        piece[i] = (uint8_t)('a' + (offset + i) % 26);
    *out = (kw_bytes){piece, max < sizeof piece ? max : sizeof piece};
    return KW_OK;
}

static void on_http(void *user, kw_http_request *request)
{
    ++*(int *)user;
    kw_http_reply(request, &(kw_http_reply_t){.status = 200,
                                              .type = "application/octet-stream",
                                              .size = BODY,
                                              .ranges = true,
                                              .next = next});
}

static void http_is_answered_beside(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node n;
    int asked = 0;
    node_open(&n, loop, 1, NULL);
    const kw_multiaddr addr = node_listen(&n);
    is_answered(loop, &addr, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "404 Not Found");
    kw_host_http(n.host, on_http, &asked);
    kw_buf got = ask(loop, &addr, "GET /x HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_int_equal(asked, 1);
    const char *end = strstr(got.data, "\r\n\r\n");
    assert_non_null(end);
    assert_int_equal(got.len - (size_t)(end + 4 - got.data), BODY);
    for (size_t i = 0; i < BODY; i++)
        if (end[4 + i] != (char)('a' + i % 26))
            fail_msg("byte %zu", i);
    kw_buf_free(&got);
    is_answered(loop, &addr,
                "HEAD /x HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\nRange: bytes=27-29\r\n"
                "Connection: close\r\n\r\n",
                "\r\n\r\nbcd");
    is_answered(loop, &addr, "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n",
                "400 Bad Request");
    node_close(&n, loop);
    kw_loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_port_takes_both),
                                       cmocka_unit_test(private_networks),
                                       cmocka_unit_test(http_is_answered_beside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
