/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hostile.c - hosts whose connections pass through proxies that split, delay, reorder, change and
 * hold back what they carry, and cut it off, as a seed says. While that lasts anything may fail;
 * when it is over everything must come right: a ping, a record in the DHT, and every block.
 *
 * Each question is answered once, whatever happens, and closing frees everything.
 * kw-test: timeout 180 */
#include "nodes.h"

#include <stdlib.h>

#include "base/check.h"
#include "net/bitswap.h"
#include "net/kad.h"

enum {
    SERVERS = 2,
    BLOCKS = 40,
    BLOCK_BYTES = 30000,
    CARRIERS = 256, /* of one proxy, over its life */
    PIECES = 512,   /* that wait in one direction */
    STORM_MS = 900,
    SEEDS = 6
};

/* ---- the weather ---- */

typedef struct weather {
    uint32_t random;
    bool storm;
} weather;

static uint32_t draw(weather *w, uint32_t below)
{
    w->random = w->random * 1664525u + 1013904223u;
    return (w->random >> 8) % below;
}

/* So many times of a thousand, while the storm lasts. */
static bool strikes(weather *w, uint32_t thousandths)
{
    return w->storm && draw(w, 1000) < thousandths;
}

/* ---- a proxy ---- */

typedef struct piece {
    uv_write_t write; /* the first member: the piece is found by it */
    uint64_t due_ms;
    size_t len;
    char data[];
} piece;

struct carrier;

/* One socket of a carrier: what it reads goes to the other one. */
typedef struct side {
    uv_tcp_t tcp;
    struct carrier *carrier;
    bool open, closing;
    piece *pieces[PIECES]; /* for this socket, in order of leaving */
    size_t n_pieces;
} side;

typedef struct carrier {
    struct proxy *proxy;
    side sides[2]; /* of the client, of the server */
    uv_connect_t connect;
    bool used, mute; /* mute: swallows everything */
    int n_handles;
} carrier;

typedef struct proxy {
    kw_loop *loop;
    weather *weather;
    uv_tcp_t listener;
    struct sockaddr_in server;
    kw_multiaddr addr;
    carrier *carriers[CARRIERS];
    size_t n_carriers, n_struck;
    bool closed;
} proxy;

static void side_gone(uv_handle_t *handle)
{
    side *const s = handle->data;
    for (size_t i = 0; i < s->n_pieces; i++)
        free(s->pieces[i]);
    s->n_pieces = 0;
    s->carrier->n_handles--;
}

static void cut(carrier *c)
{
    for (int i = 0; i < 2; i++) {
        side *const s = &c->sides[i];
        s->open = false;
        if (s->closing)
            continue;
        s->closing = true;
        uv_close((uv_handle_t *)&s->tcp, side_gone);
    }
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write); /* the piece */
}

/* Sends what is due. */
static void forward(side *s, uint64_t now_ms)
{
    while (s->open && s->n_pieces > 0 && s->pieces[0]->due_ms <= now_ms) {
        piece *const p = s->pieces[0];
        s->n_pieces--;
        memmove(s->pieces, s->pieces + 1, s->n_pieces * sizeof s->pieces[0]);
        const uv_buf_t buf = uv_buf_init(p->data, (unsigned)p->len);
        if (kw_loop_write(s->carrier->proxy->loop, &p->write, (uv_stream_t *)&s->tcp, &buf,
                          on_written) != 0) {
            free(p);
            cut(s->carrier);
        }
    }
}

static void add_piece(side *s, const char *data, size_t len)
{
    weather *const w = s->carrier->proxy->weather;
    piece *const p = malloc(sizeof *p + len);
    assert_non_null(p);
    if (s->n_pieces == PIECES) {
        free(p);
        cut(s->carrier);
        return;
    }
    memcpy(p->data, data, len);
    p->len = len;
    const uint64_t last = s->n_pieces ? s->pieces[s->n_pieces - 1]->due_ms : 0;
    const uint64_t now = kw_loop_now(s->carrier->proxy->loop);
    p->due_ms = KW_MAX(last, now + (w->storm ? draw(w, 4) : 0));
    if (strikes(w, 2)) {
        p->data[draw(w, (uint32_t)len)] ^= 0x20;
        s->carrier->proxy->n_struck++;
    }
    s->pieces[s->n_pieces++] = p;
    if (s->n_pieces > 1 && strikes(w, 2)) { /* out of order */
        piece *const t = s->pieces[s->n_pieces - 2];
        s->pieces[s->n_pieces - 2] = p;
        s->pieces[s->n_pieces - 1] = t;
        s->carrier->proxy->n_struck++;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char room[16384];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    side *const s = stream->data;
    carrier *const c = s->carrier;
    weather *const w = c->proxy->weather;
    if (n < 0 || strikes(w, 4)) {
        c->proxy->n_struck += n >= 0;
        cut(c);
        return;
    }
    c->mute = c->mute || strikes(w, 3);
    if (c->mute)
        return;
    for (ssize_t at = 0; at < n && c->sides[0].open;) {
        const size_t most = w->storm ? 1 + draw(w, 3000) : 16384;
        const size_t len = KW_MIN(most, (size_t)(n - at));
        add_piece(&c->sides[s == &c->sides[0]], buf->base + at, len);
        at += (ssize_t)len;
    }
}

static void on_connected_through(uv_connect_t *connect, int status)
{
    carrier *const c = connect->data;
    if (status != 0 || c->sides[0].closing) {
        cut(c);
        return;
    }
    for (int i = 0; i < 2; i++) {
        c->sides[i].open = true;
        assert_int_equal(uv_read_start((uv_stream_t *)&c->sides[i].tcp, on_alloc, on_read), 0);
    }
}

static void on_arrival(uv_stream_t *listener, int status)
{
    proxy *const p = listener->data;
    assert_int_equal(status, 0);
    assert_true(p->n_carriers < CARRIERS);
    carrier *const c = calloc(1, sizeof *c);
    assert_non_null(c);
    p->carriers[p->n_carriers++] = c;
    c->proxy = p;
    for (int i = 0; i < 2; i++) {
        side *const s = &c->sides[i];
        assert_int_equal(uv_tcp_init(kw_loop_uv(p->loop), &s->tcp), 0);
        s->carrier = c;
        s->tcp.data = s;
        c->n_handles++;
    }
    c->connect.data = c;
    c->mute = strikes(p->weather, 30);
    if (uv_accept(listener, (uv_stream_t *)&c->sides[0].tcp) != 0 || strikes(p->weather, 50) ||
        uv_tcp_connect(&c->connect, &c->sides[1].tcp, (const struct sockaddr *)&p->server,
                       on_connected_through) != 0)
        cut(c);
}

static void proxy_open(proxy *p, kw_loop *loop, weather *w, const kw_multiaddr *server)
{
    struct sockaddr_in any, own;
    int len = sizeof own;
    *p = (proxy){.loop = loop, .weather = w, .server = node_socket(server)};
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &any), 0);
    assert_int_equal(uv_tcp_init(kw_loop_uv(loop), &p->listener), 0);
    p->listener.data = p;
    assert_int_equal(uv_tcp_bind(&p->listener, (const struct sockaddr *)&any, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&p->listener, 16, on_arrival), 0);
    assert_int_equal(uv_tcp_getsockname(&p->listener, (struct sockaddr *)&own, &len), 0);
    const uint8_t ip[4] = {127, 0, 0, 1};
    p->addr = kw_multiaddr_of_ip(false, ip, ntohs(own.sin_port), false);
}

/* A millisecond of all its carriers. The storm's end frees those who wait for what was swallowed.
 */
static void proxy_tick(proxy *p)
{
    for (size_t i = 0; i < p->n_carriers; i++) {
        carrier *const c = p->carriers[i];
        if (c->mute && !p->weather->storm)
            cut(c);
        for (int k = 0; k < 2; k++)
            forward(&c->sides[k], kw_loop_now(p->loop));
    }
}

static void on_proxy_closed(uv_handle_t *handle)
{
    ((proxy *)handle->data)->closed = true;
}

static void proxy_close(proxy *p)
{
    for (size_t i = 0; i < p->n_carriers; i++)
        cut(p->carriers[i]);
    uv_close((uv_handle_t *)&p->listener, on_proxy_closed);
    assert_true(wait_for(p->loop, &p->closed, 5000));
    wait_ms(p->loop, 5);
    for (size_t i = 0; i < p->n_carriers; i++) {
        assert_int_equal(p->carriers[i]->n_handles, 0);
        free(p->carriers[i]);
    }
}

/* ---- who talks through them ---- */

static uint8_t content[BLOCKS][BLOCK_BYTES];
static kw_cid names[BLOCKS];

static size_t index_of(const kw_cid *cid)
{
    size_t i = 0;
    while (i < BLOCKS && !kw_cid_equal(cid, &names[i]))
        i++;
    return i;
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    (void)user;
    *size = BLOCK_BYTES;
    return index_of(cid) < BLOCKS;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    const size_t i = index_of(cid);
    (void)user;
    if (i == BLOCKS)
        return kw_fail(err, KW_E_NOTFOUND, "no such block");
    out->data = (kw_bytes){content[i], BLOCK_BYTES};
    return KW_OK;
}

static void release(void *user, kw_block *block)
{
    (void)user;
    (void)block;
}

typedef struct question {
    bool asked, answered, well;
} question;

typedef struct world {
    kw_loop *loop;
    weather weather;
    node client, servers[SERVERS];
    proxy proxies[SERVERS];
    kw_kad *kads[SERVERS + 1];
    kw_bitswap *bitswaps[SERVERS + 1];
    kw_bitswap_session *session;
    bool got[BLOCKS];
    size_t n_got, n_questions;
    question connects[SERVERS], ping, provide, search;
} world;

static bool ask(world *w, question *q)
{
    if (q->asked && !q->answered)
        return false;
    *q = (question){.asked = true};
    w->n_questions++;
    return true;
}

static void answer(question *q, kw_status status)
{
    assert_true(q->asked && !q->answered); /* once */
    q->answered = true;
    q->well = status == KW_OK;
}

static void on_connected(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    (void)peer;
    (void)why;
    answer(user, status);
}

static void on_pinged(void *user, kw_status status, uint64_t rtt_us)
{
    (void)rtt_us;
    answer(user, status);
}

static void on_done(void *user, kw_status status, size_t n)
{
    (void)n;
    answer(user, status);
}

static void on_peer(void *user, const kw_kad_peer *peer)
{
    (void)user;
    (void)peer;
}

static void got_block(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from)
{
    world *const w = user;
    const size_t i = index_of(cid);
    (void)from;
    assert_true(i < BLOCKS && !w->got[i] && data.len == BLOCK_BYTES);
    assert_memory_equal(data.data, content[i], BLOCK_BYTES);
    w->got[i] = true;
    w->n_got++;
}

static void got_missing(void *user, const kw_cid *cid)
{
    (void)user;
    (void)cid;
    fail_msg("a block was said to be missing that both have");
}

static void open_world(world *w, uint32_t seed)
{
    static const kw_block_store store = {NULL, has, get, release};
    static const kw_kad_network network = {
        .protocol = "/kwaai/kad/1.0.0", .server = true, .publish = true};
    static const kw_bitswap_events events = {got_block, got_missing, NULL};
    const kw_host_config host = {.limits = {.connections_per_ip = 100,
                                            .handshakes_per_second = 1000,
                                            .handshake_ms = 300,
                                            .dial_ms = 300}};
    *w = (world){.loop = open_loop(), .weather = {.random = seed, .storm = true}};
    for (int i = 0; i <= SERVERS; i++) {
        node *const n = i < SERVERS ? &w->servers[i] : &w->client;
        node_open(n, w->loop, (uint8_t)(i + 1), &host);
        const kw_kad_config kad = {.host = n->host, .networks = &network, .n_networks = 1};
        const kw_bitswap_config bitswap = {
            .host = n->host, .store = i < SERVERS ? &store : NULL, .stall_ms = 150};
        assert_int_equal(kw_kad_open(&kad, &w->kads[i], NULL), KW_OK);
        assert_int_equal(kw_bitswap_open(&bitswap, &w->bitswaps[i], NULL), KW_OK);
        if (i == SERVERS)
            break;
        const kw_multiaddr addr = node_listen(n);
        proxy_open(&w->proxies[i], w->loop, &w->weather, &addr);
    }
    assert_int_equal(kw_bitswap_session_open(w->bitswaps[SERVERS], &events, w, &w->session, NULL),
                     KW_OK);
    assert_int_equal(kw_bitswap_want(w->session, names, BLOCKS, NULL), KW_OK);
}

static const uint8_t multihash[34] = {0x12, 0x20, 7};
static const kw_bytes key = {multihash, sizeof multihash};

/* Asks again whatever was answered badly, or not asked. */
static void ask_all(world *w)
{
    static const kw_kad_events provides = {.done = on_done}, finds = {on_peer, NULL, on_done};
    kw_host *const host = w->client.host;
    kw_kad_query *query;
    for (int i = 0; i < SERVERS; i++) {
        const kw_peer_id *const id = &w->servers[i].identity.id;
        if (!kw_host_connected(host, id) && ask(w, &w->connects[i]))
            kw_host_connect(host, id, &w->proxies[i].addr, on_connected, &w->connects[i]);
        if (kw_host_connected(host, id))
            (void)kw_bitswap_add_peer(w->session, id, NULL);
    }
    if (!w->ping.well && ask(w, &w->ping))
        kw_host_ping(host, &w->servers[0].identity.id, on_pinged, &w->ping);
    if (!w->provide.well && ask(w, &w->provide) &&
        kw_kad_provide(w->kads[0], key, &provides, &w->provide, &query, NULL) != KW_OK)
        answer(&w->provide, KW_E_LIMIT);
    if (!w->search.well && w->provide.well && ask(w, &w->search) &&
        kw_kad_find_providers(w->kads[SERVERS], key, 1, &finds, &w->search, &query, NULL) != KW_OK)
        answer(&w->search, KW_E_LIMIT);
}

static bool all_is_well(const world *w)
{
    return w->n_got == BLOCKS && w->ping.well && w->provide.well && w->search.well;
}

static void close_world(world *w)
{
    kw_bitswap_session_close(w->session);
    for (int i = 0; i <= SERVERS; i++) {
        kw_bitswap_close(w->bitswaps[i]);
        kw_kad_close(w->kads[i]);
        node_close(i < SERVERS ? &w->servers[i] : &w->client, w->loop);
    }
    for (int i = 0; i < SERVERS; i++) {
        assert_true(!w->connects[i].asked || w->connects[i].answered);
        proxy_close(&w->proxies[i]);
    }
    assert_true(!w->ping.asked || w->ping.answered);
    kw_loop_close(w->loop);
}

static void test_storms(void **state)
{
    static world w;
    size_t n_struck = 0;
    (void)state;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        open_world(&w, seed);
        const uint64_t begin = kw_loop_now(w.loop);
        uint64_t asked_ms = 0, now;
        while ((now = kw_loop_now(w.loop)) - begin < 25000 &&
               !(all_is_well(&w) && !w.weather.storm)) {
            w.weather.storm = now - begin < STORM_MS;
            if (now - asked_ms >= 20) {
                asked_ms = now;
                ask_all(&w);
            }
            for (int i = 0; i < SERVERS; i++)
                proxy_tick(&w.proxies[i]);
            kw_loop_step(w.loop, 1);
        }
        if (!all_is_well(&w))
            fail_msg("seed %u: %zu blocks, ping %d, provide %d, search %d", seed, w.n_got,
                     w.ping.well, w.provide.well, w.search.well);
        for (int i = 0; i < SERVERS; i++)
            n_struck += w.proxies[i].n_struck;
        close_world(&w);
    }
    assert_true(n_struck >= 10); /* else it was no storm */
}

/* Everything is closed while the storm lasts. */
static void test_closed_in_a_storm(void **state)
{
    static world w;
    (void)state;
    for (uint32_t seed = 101; seed <= 110; seed++) {
        open_world(&w, seed);
        const uint64_t begin = kw_loop_now(w.loop);
        while (kw_loop_now(w.loop) - begin < 10 + 7 * (seed - 100)) {
            ask_all(&w);
            for (int i = 0; i < SERVERS; i++)
                proxy_tick(&w.proxies[i]);
            kw_loop_step(w.loop, 1);
        }
        close_world(&w);
    }
}

int main(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t k = 0; k < BLOCK_BYTES; k++)
            content[i][k] = (uint8_t)(k * 7 + (k >> 8) + i);
        names[i] = kw_cid_of(KW_CODEC_RAW, (kw_bytes){content[i], BLOCK_BYTES}, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_storms),
        cmocka_unit_test(test_closed_in_a_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
