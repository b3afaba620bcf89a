/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* crowd.c - a host that is full: connections that say nothing, and peers that ask for too much,
 * make way for one that behaves. */
#include "unit/net/nodes.h"

#define CROWD 12
#define ROOM 8

typedef struct mute {
    uv_tcp_t tcp;
    uv_connect_t connect;
    bool closed;
    char byte;
} mute;

static void mute_gone(uv_handle_t *handle)
{
    ((mute *)handle->data)->closed = true;
}

static void mute_end(mute *m)
{
    if (!uv_is_closing((uv_handle_t *)&m->tcp))
        uv_close((uv_handle_t *)&m->tcp, mute_gone);
}

static void mute_room(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    (void)hint;
    *buf = uv_buf_init(&((mute *)handle->data)->byte, 1);
}

static void mute_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n < 0)
        mute_end(stream->data);
}

static void mute_connected(uv_connect_t *connect, int status)
{
    mute *const m = connect->data;
    if (status != 0 || uv_read_start((uv_stream_t *)&m->tcp, mute_room, mute_read) != 0)
        mute_end(m);
}

/* Each from an address of its own. */
static void mute_open(mute *m, kw_loop *loop, const kw_multiaddr *to, size_t i)
{
    char text[32];
    struct sockaddr_in own;
    const struct sockaddr_in where = node_socket(to);
    (void)snprintf(text, sizeof text, "127.0.1.%zu", i + 1);
    assert_int_equal(uv_ip4_addr(text, 0, &own), 0);
    assert_int_equal(uv_tcp_init(kw_loop_uv(loop), &m->tcp), 0);
    m->tcp.data = m->connect.data = m;
    assert_int_equal(uv_tcp_bind(&m->tcp, (const struct sockaddr *)&own, 0), 0);
    assert_int_equal(
        uv_tcp_connect(&m->connect, &m->tcp, (const struct sockaddr *)&where, mute_connected), 0);
}

static void silence_keeps_nobody_out(void **state)
{
    (void)state;
    static mute crowd[CROWD];
    const kw_host_config config = {.limits = {.connections = ROOM}};
    kw_loop *loop = open_loop();
    node host, guest;
    memset(crowd, 0, sizeof crowd);
    node_open(&host, loop, 1, &config);
    node_open(&guest, loop, 2, NULL);
    const kw_multiaddr addr = node_listen(&host);
    for (size_t i = 0; i < CROWD; i++)
        mute_open(&crowd[i], loop, &addr, i);
    wait_ms(loop, 200);
    size_t n = 0;
    for (size_t i = 0; i < CROWD; i++)
        n += !uv_is_closing((uv_handle_t *)&crowd[i].tcp);
    assert_int_equal(n, ROOM / 2); /* long before the time for a handshake is over */
    nodes_connect(loop, &guest, &host, &addr);
    assert_true(node_pings(loop, &guest, &host));
    for (size_t i = 0; i < CROWD; i++) {
        mute_end(&crowd[i]);
        assert_true(wait_for(loop, &crowd[i].closed, 5000));
    }
    node_close(&guest, loop);
    node_close(&host, loop);
    kw_loop_close(loop);
}

static void ignore_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

static void ignore_end(void *user, kw_stream *stream, kw_status why)
{
    (void)user;
    (void)stream;
    (void)why;
}

static const kw_stream_events ignore = {.data = ignore_data, .closed = ignore_end};

static void keep_open(void *user, kw_stream *stream, kw_status status, const char *why)
{
    (void)status;
    (void)why;
    if (stream)
        kw_stream_listen(stream, &ignore, user);
}

static void keep_stream(void *user, kw_stream *stream, kw_status status, const char *why)
{
    (void)why;
    assert_int_equal(status, KW_OK);
    kw_stream_listen(stream, &ignore, NULL);
    *(kw_stream **)user = stream;
}

/* A stream alone keeps no place of a full host: who moves bytes stays, who waits longest goes. */
static void open_streams_keep_nobody_out(void **state)
{
    (void)state;
    static const char *const ids[] = {"/ipfs/ping/1.0.0"};
    static const uint8_t bytes[8192];
    const kw_host_config config = {
        .limits = {.connections = 3, .idle_ms = 8000, .handshake_ms = 2000}};
    kw_loop *loop = open_loop();
    node host, guests[4];
    kw_stream *streams[3] = {0};
    node_open(&host, loop, 1, &config);
    const kw_multiaddr addr = node_listen(&host);
    for (uint8_t i = 0; i < 4; i++)
        node_open(&guests[i], loop, (uint8_t)(2 + i), NULL);
    for (size_t i = 0; i < 3; i++) {
        nodes_connect(loop, &guests[i], &host, &addr);
        kw_host_stream(guests[i].host, &host.identity.id, ids, 1, keep_stream, &streams[i]);
        wait_ms(loop, 50);
        assert_non_null(streams[i]);
    }
    for (size_t i = 0; i < 24; i++) { /* the first moves bytes, the others are silent */
        assert_int_equal(kw_stream_write(streams[0], (kw_bytes){bytes, sizeof bytes}, NULL), KW_OK);
        wait_ms(loop, 100);
    }
    nodes_connect(loop, &guests[3], &host, &addr);
    assert_true(node_pings(loop, &guests[3], &host));
    assert_true(kw_host_connected(host.host, &guests[0].identity.id));
    assert_false(kw_host_connected(host.host, &guests[1].identity.id));
    assert_true(kw_host_connected(host.host, &guests[2].identity.id));
    for (size_t i = 0; i < 4; i++)
        node_close(&guests[i], loop);
    node_close(&host, loop);
    kw_loop_close(loop);
}

static void greed_makes_way(void **state)
{
    (void)state;
    static const char *const ids[] = {"/ipfs/ping/1.0.0"};
    const kw_host_config config = {.limits = {.connections = 3, .requests_per_second = 50}};
    kw_loop *loop = open_loop();
    node host, guests[4];
    node_open(&host, loop, 1, &config);
    const kw_multiaddr addr = node_listen(&host);
    for (uint8_t i = 0; i < 4; i++)
        node_open(&guests[i], loop, (uint8_t)(2 + i), NULL);
    for (size_t i = 0; i < 3; i++) {
        nodes_connect(loop, &guests[i], &host, &addr);
        kw_host_stream(guests[i].host, &host.identity.id, ids, 1, keep_open, NULL);
    }
    wait_ms(loop, 100);
    assert_true(kw_host_request(host.host, &guests[1].identity.id, 160));
    nodes_connect(loop, &guests[3], &host, &addr);
    assert_true(node_pings(loop, &guests[3], &host));
    assert_true(kw_host_connected(host.host, &guests[0].identity.id));
    assert_false(kw_host_connected(host.host, &guests[1].identity.id));
    assert_true(kw_host_connected(host.host, &guests[2].identity.id));
    /* In debt, it waits. */
    assert_true(kw_host_request(host.host, &guests[2].identity.id, 300));
    assert_false(kw_host_request(host.host, &guests[2].identity.id, 0));
    for (size_t i = 0; i < 4; i++)
        node_close(&guests[i], loop);
    node_close(&host, loop);
    kw_loop_close(loop);
}

/* When all have asked for too much, those go first who asked for little, or moved blocks. */
static void useful_peers_have_time(void **state)
{
    (void)state;
    const kw_host_config config = {.limits = {.requests_per_second = 50}};
    kw_loop *loop = open_loop();
    node host, guest;
    node_open(&host, loop, 1, &config);
    node_open(&guest, loop, 2, NULL);
    const kw_multiaddr addr = node_listen(&host);
    nodes_connect(loop, &guest, &host, &addr);
    assert_true(node_pings(loop, &guest, &host));
    const kw_peer_id *const id = &guest.identity.id;
    kw_host_answered(host.host, id, 90); /* of 100 at once; and of 256 by the address */
    assert_true(kw_host_has_time(host.host, id));
    kw_host_answered(host.host, id, 100000);
    assert_false(kw_host_has_time(host.host, id));
    kw_host_moved(host.host, id, 6300);
    assert_true(kw_host_has_time(host.host, id));
    kw_host_answered(guest.host, &host.identity.id, 100000); /* whom we dialed */
    assert_true(kw_host_has_time(guest.host, &host.identity.id));
    node_close(&guest, loop);
    node_close(&host, loop);
    kw_loop_close(loop);
}

typedef struct opener {
    node *from, *to;
    size_t n_opened, n_under_way;
    bool refused;
} opener;

static void open_more(opener *o);

static void opened_and_dropped(void *user, kw_stream *stream, kw_status status, const char *why)
{
    opener *const o = user;
    (void)why;
    o->n_under_way--;
    if (stream) {
        o->n_opened++;
        kw_stream_listen(stream, &ignore, NULL);
        kw_stream_reset(stream);
    }
    o->refused = o->refused || status != KW_OK;
}

static void open_more(opener *o)
{
    static const char *const ids[] = {"/ipfs/ping/1.0.0"};
    while (o->n_under_way < 64) {
        o->n_under_way++;
        kw_host_stream(o->from->host, &o->to->identity.id, ids, 1, opened_and_dropped, o);
    }
}

static void streams_have_a_rate(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    node host, guest;
    node_open(&host, loop, 1, NULL);
    node_open(&guest, loop, 2, NULL);
    const kw_multiaddr addr = node_listen(&host);
    nodes_connect(loop, &guest, &host, &addr);
    opener o = {.from = &guest, .to = &host};
    const uint64_t begin = kw_loop_now(loop);
    while (kw_host_connected(guest.host, &host.identity.id) && kw_loop_now(loop) < begin + 20000) {
        open_more(&o);
        kw_loop_step(loop, 1);
    }
    assert_true(o.refused);
    assert_false(kw_host_connected(guest.host, &host.identity.id)); /* it would not stop */
    const uint64_t seconds = (kw_loop_now(loop) - begin) / 1000 + 1;
    assert_in_range(o.n_opened, 100, 1024 + 200 * seconds);
    while (o.n_under_way > 0)
        kw_loop_step(loop, 10);
    node_close(&guest, loop);
    node_close(&host, loop);
    kw_loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_keeps_nobody_out), cmocka_unit_test(open_streams_keep_nobody_out),
        cmocka_unit_test(greed_makes_way), cmocka_unit_test(useful_peers_have_time),
        cmocka_unit_test(streams_have_a_rate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
