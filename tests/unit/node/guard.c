/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* guard.c - who sends what it must not ends disconnected and banned, under its id and its address,
 * and is not let in nor dialed again. */
#include "unit/net/nodes.h"

#include "net/bitswap.h"
#include "node/guard.h"

typedef struct guarded {
    node node;
    kw_guard *guard;
    kw_bitswap *bitswap;
    kw_multiaddr addr;
} guarded;

static void guarded_open(guarded *g, kw_loop *loop, uint8_t seed)
{
    kw_host_config config = {0};
    *g = (guarded){0};
    assert_int_equal(kw_guard_open(loop, NULL, NULL, &g->guard, NULL), KW_OK);
    kw_guard_gate(g->guard, &config);
    node_open(&g->node, loop, seed, &config);
    kw_guard_attach(g->guard, g->node.host);
    kw_bitswap_config bitswap = {.host = g->node.host};
    kw_guard_bitswap(g->guard, &bitswap);
    assert_int_equal(kw_bitswap_open(&bitswap, &g->bitswap, NULL), KW_OK);
    g->addr = node_listen(&g->node);
}

static void guarded_close(guarded *g, kw_loop *loop)
{
    kw_bitswap_close(g->bitswap);
    kw_guard_attach(g->guard, NULL);
    node_close(&g->node, loop);
    kw_guard_close(g->guard);
}

static double score(guarded *g, const node *of)
{
    return kw_reputation_score(kw_guard_reputation(g->guard), &of->identity.id);
}

static bool can_connect(kw_loop *loop, node *a, const node *b, const kw_multiaddr *addr)
{
    said s = {0};
    kw_host_connect(a->host, &b->identity.id, addr, on_said_connected, &s);
    assert_true(wait_for(loop, &s.done, 5000));
    wait_ms(loop, 50); /* who is refused learns it a moment later */
    return s.status == KW_OK && kw_host_connected(a->host, &b->identity.id);
}

/* ---- a store that lies ---- */

static uint8_t wrong[1000];

static bool lie_has(void *user, const kw_cid *cid, size_t *size)
{
    (void)user;
    (void)cid;
    *size = sizeof wrong;
    return true;
}

static kw_status lie_get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    (void)user;
    (void)cid;
    (void)err;
    *out = (kw_block){.data = {wrong, sizeof wrong}};
    return KW_OK;
}

static void lie_release(void *user, kw_block *block)
{
    (void)user;
    (void)block;
}

static void no_block(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from)
{
    (void)user;
    (void)cid;
    (void)data;
    (void)from;
    fail_msg("a wrong block was taken for a right one");
}

static void no_matter(void *user, const kw_cid *cid)
{
    (void)user;
    (void)cid;
}

static void corrupt_blocks_ban(void **state)
{
    (void)state;
    static const kw_block_store store = {.has = lie_has, .get = lie_get, .release = lie_release};
    static const kw_bitswap_events events = {.block = no_block, .missing = no_matter};
    kw_loop *loop = open_loop();
    guarded honest;
    node liar, friend;
    kw_bitswap *lies;
    guarded_open(&honest, loop, 1);
    node_open(&liar, loop, 2, NULL);
    node_open(&friend, loop, 3, NULL);
    const kw_multiaddr liars = node_listen(&liar);
    const kw_bitswap_config config = {.host = liar.host, .store = &store};
    assert_int_equal(kw_bitswap_open(&config, &lies, NULL), KW_OK);
    nodes_connect(loop, &honest.node, &liar, &liars);

    kw_bitswap_session *session;
    const kw_cid cid = kw_cid_of(KW_CODEC_RAW, (kw_bytes){(const uint8_t *)"right", 5}, NULL);
    assert_int_equal(kw_bitswap_session_open(honest.bitswap, &events, NULL, &session, NULL), KW_OK);
    assert_int_equal(kw_bitswap_add_peer(session, &liar.identity.id, NULL), KW_OK);
    assert_int_equal(kw_bitswap_want(session, &cid, 1, NULL), KW_OK);
    for (int i = 0; i < 300 && kw_host_connected(honest.node.host, &liar.identity.id); i++)
        wait_ms(loop, 10);
    assert_false(kw_host_connected(honest.node.host, &liar.identity.id));
    assert_true(score(&honest, &liar) < -20);
    assert_false(kw_reputation_allows(kw_guard_reputation(honest.guard), &liar.identity.id, NULL));
    assert_false(can_connect(loop, &honest.node, &liar, &liars));
    assert_false(can_connect(loop, &liar, &honest.node, &honest.addr));
    assert_true(can_connect(loop, &friend, &honest.node, &honest.addr));

    kw_bitswap_session_close(session);
    kw_bitswap_close(lies);
    node_close(&liar, loop);
    node_close(&friend, loop);
    guarded_close(&honest, loop);
    kw_loop_close(loop);
}

/* ---- who says nothing that makes sense ---- */

typedef struct garbler {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    bool closed;
    char byte;
} garbler;

static void garbler_gone(uv_handle_t *handle)
{
    ((garbler *)handle->data)->closed = true;
}

static void garbler_end(garbler *g)
{
    if (!uv_is_closing((uv_handle_t *)&g->tcp))
        uv_close((uv_handle_t *)&g->tcp, garbler_gone);
}

static void garbler_room(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    (void)hint;
    *buf = uv_buf_init(&((garbler *)handle->data)->byte, 1);
}

static void garbler_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n < 0)
        garbler_end(stream->data);
}

static void garbler_wrote(uv_write_t *write, int status)
{
    (void)write;
    (void)status;
}

static void garbler_connected(uv_connect_t *connect, int status)
{
    garbler *const g = connect->data;
    uv_buf_t buf = uv_buf_init("nonsense\n", 9);
    if (status != 0 || uv_read_start((uv_stream_t *)&g->tcp, garbler_room, garbler_read) != 0 ||
        uv_write(&g->write, (uv_stream_t *)&g->tcp, &buf, 1, garbler_wrote) != 0)
        garbler_end(g);
}

/* From another address of this machine, for 127.0.0.1 is never to blame. */
static void garble(kw_loop *loop, const kw_multiaddr *to, const char *from)
{
    garbler g = {0};
    struct sockaddr_in own;
    const struct sockaddr_in where = node_socket(to);
    assert_int_equal(uv_ip4_addr(from, 0, &own), 0);
    assert_int_equal(uv_tcp_init(kw_loop_uv(loop), &g.tcp), 0);
    g.tcp.data = g.connect.data = &g;
    assert_int_equal(uv_tcp_bind(&g.tcp, (const struct sockaddr *)&own, 0), 0);
    assert_int_equal(
        uv_tcp_connect(&g.connect, &g.tcp, (const struct sockaddr *)&where, garbler_connected), 0);
    assert_true(wait_for(loop, &g.closed, 5000)); /* the node hangs up */
}

static void garbage_bans_the_address(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    guarded g;
    node friend;
    kw_multiaddr bad, other;
    guarded_open(&g, loop, 1);
    node_open(&friend, loop, 3, NULL);
    kw_reputation *const r = kw_guard_reputation(g.guard);
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.9/tcp/1"), &bad, NULL), KW_OK);
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.8/tcp/1"), &other, NULL), KW_OK);
    for (int i = 0; i < 20 && kw_reputation_allows(r, NULL, &bad); i++) {
        garble(loop, &g.addr, "127.0.0.9");
        garble(loop, &g.addr, "127.0.0.1");
        wait_ms(loop, 250); /* within what handshakes are allowed */
    }
    assert_false(kw_reputation_allows(r, NULL, &bad));
    assert_true(kw_reputation_allows(r, NULL, &other));
    assert_true(can_connect(loop, &friend, &g.node, &g.addr)); /* from 127.0.0.1 */
    node_close(&friend, loop);
    guarded_close(&g, loop);
    kw_loop_close(loop);
}

static void the_owner_disconnects(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    guarded g;
    node other;
    guarded_open(&g, loop, 1);
    node_open(&other, loop, 2, NULL);
    assert_true(can_connect(loop, &other, &g.node, &g.addr));
    kw_reputation *const r = kw_guard_reputation(g.guard);
    assert_int_equal(kw_reputation_ban(r, &other.identity.id, NULL, 60, NULL), KW_OK);
    assert_true(kw_host_connected(g.node.host, &other.identity.id)); /* not within the call */
    wait_ms(loop, 100);
    assert_false(kw_host_connected(g.node.host, &other.identity.id));
    assert_false(can_connect(loop, &other, &g.node, &g.addr));
    assert_int_equal(kw_reputation_unban(r, &other.identity.id, NULL, NULL), KW_OK);
    assert_true(can_connect(loop, &other, &g.node, &g.addr));
    node_close(&other, loop);
    guarded_close(&g, loop);
    kw_loop_close(loop);
}

static void names_do_not_get_around_a_ban(void **state)
{
    (void)state;
    kw_loop *loop = open_loop();
    guarded g;
    node other;
    char text[64];
    kw_multiaddr named, loopback;
    kw_multiaddr_part port;
    guarded_open(&g, loop, 1);
    node_open(&other, loop, 2, NULL);
    const kw_multiaddr addr = node_listen(&other);
    assert_true(kw_multiaddr_find(&addr, KW_MA_TCP, &port));
    (void)snprintf(text, sizeof text, "/dns4/localhost/tcp/%d",
                   port.value.data[0] << 8 | port.value.data[1]);
    assert_int_equal(kw_multiaddr_parse(kw_str_from(text), &named, NULL), KW_OK);
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1"), &loopback, NULL), KW_OK);
    kw_reputation *const r = kw_guard_reputation(g.guard);
    assert_int_equal(kw_reputation_ban(r, NULL, &loopback, 60, NULL), KW_OK);
    assert_false(can_connect(loop, &g.node, &other, &named));
    assert_int_equal(kw_reputation_unban(r, NULL, &loopback, NULL), KW_OK);
    assert_true(can_connect(loop, &g.node, &other, &named));
    node_close(&other, loop);
    guarded_close(&g, loop);
    kw_loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corrupt_blocks_ban), cmocka_unit_test(garbage_bans_the_address),
        cmocka_unit_test(the_owner_disconnects), cmocka_unit_test(names_do_not_get_around_a_ban)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
