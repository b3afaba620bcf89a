/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat.c - a host learns from its peers whether it can be dialed, by either version. */
#include "nodes.h"

#include "net/autonat.h"
#include "net/autonat_message.h"
#include "net/frame.h"

#include "base/check.h"

#define SERVERS 3

typedef struct world {
    kw_loop *loop;
    node servers[SERVERS], client;
    kw_autonat *serving[SERVERS], *asking;
} world;

/* anywhere: loopback addresses count; v1: the servers speak version 1 alone. */
static void open_world(world *w, bool anywhere, bool v1)
{
    *w = (world){.loop = open_loop()};
    const kw_host_config config = {.limits = {.connections_per_ip = 64}};
    node_open(&w->client, w->loop, 9, &config);
    (void)node_listen(&w->client);
    for (size_t i = 0; i < SERVERS; i++) {
        node *n = &w->servers[i];
        node_open(n, w->loop, (uint8_t)(i + 1), &config);
        const kw_autonat_config serve = {.host = n->host, .anywhere = anywhere};
        assert_int_equal(kw_autonat_open(&serve, &w->serving[i], NULL), KW_OK);
        if (v1)
            kw_host_unspeak(n->host, "/libp2p/autonat/2/dial-request");
        const kw_multiaddr addr = node_listen(n);
        nodes_connect(w->loop, &w->client, n, &addr);
    }
    const kw_autonat_config ask = {
        .host = w->client.host, .anywhere = true, .undecided_ms = 100, .again_ms = 100};
    assert_int_equal(kw_autonat_open(&ask, &w->asking, NULL), KW_OK);
}

static void close_world(world *w)
{
    kw_autonat_close(w->asking);
    for (size_t i = 0; i < SERVERS; i++) {
        kw_autonat_close(w->serving[i]);
        node_close(&w->servers[i], w->loop);
    }
    node_close(&w->client, w->loop);
    kw_loop_close(w->loop);
}

static kw_autonat_info info_of(const kw_autonat *a)
{
    kw_autonat_info info;
    kw_autonat_get_info(a, &info);
    return info;
}

static void three_decide(bool v1)
{
    world w;
    open_world(&w, true, v1);
    for (int i = 0; i < 500 && info_of(w.asking).reach == KW_REACH_UNKNOWN; i++)
        kw_loop_step(w.loop, 20);
    const kw_autonat_info info = info_of(w.asking);
    assert_int_equal(info.reach, KW_REACH_PUBLIC);
    assert_int_equal(info.n_yes, 3);
    assert_int_equal(info.n_no, 0);
    wait_ms(w.loop, 500);
    for (size_t i = 0; i < SERVERS; i++)
        assert_int_equal(info_of(w.serving[i]).n_served, 1); /* not again within the minute */
    close_world(&w);
}

static void three_that_reach_us_decide(void **state)
{
    (void)state;
    three_decide(true);
    three_decide(false);
}

static void servers_refuse_private_addresses(void **state)
{
    (void)state;
    world w;
    open_world(&w, false, false);
    wait_ms(w.loop, 1500);
    assert_int_equal(info_of(w.asking).reach, KW_REACH_UNKNOWN);
    assert_int_equal(info_of(w.asking).n_yes + info_of(w.asking).n_no, 0);
    for (size_t i = 0; i < SERVERS; i++)
        assert_int_equal(info_of(w.serving[i]).n_served, 0);
    close_world(&w);
}

/* ---- one who asks for what he must not get ---- */

typedef struct asker {
    kw_autonat_message ask, answer;
    kw_frames frames;
    bool answered, closed;
} asker;

static bool on_message(void *user, kw_bytes bytes)
{
    asker *a = user;
    assert_int_equal(kw_autonat_message_get(bytes, &a->answer, NULL), KW_OK);
    a->answered = true;
    return true;
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    asker *a = user;
    (void)stream;
    assert_int_equal(kw_frames_feed(&a->frames, bytes, on_message, a, NULL), KW_OK);
}

static void on_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)stream;
    (void)why;
    ((asker *)user)->closed = true;
}

static const kw_stream_events events = {.data = on_data, .end = on_end, .closed = on_closed};

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    asker *a = user;
    kw_buf out = {0};
    (void)why;
    assert_int_equal(status, KW_OK);
    kw_stream_listen(stream, &events, a);
    kw_autonat_message_put(&a->ask, &out);
    assert_int_equal(kw_frame_write(stream, (kw_bytes){(const uint8_t *)out.data, out.len}, NULL),
                     KW_OK);
    kw_buf_free(&out);
}

static uint32_t asks(world *w, const kw_peer_id *as, const char *addr)
{
    static const char *const ids[] = {"/libp2p/autonat/1.0.0"};
    asker a = {.ask = {.type = KW_AUTONAT_DIAL, .peer = *as, .n_addrs = 1},
               .frames = {.max = KW_AUTONAT_MESSAGE_MAX}};
    assert_int_equal(kw_multiaddr_parse(kw_str_from(addr), &a.ask.addrs[0], NULL), KW_OK);
    kw_host_stream(w->client.host, &w->servers[0].identity.id, ids, 1, on_opened, &a);
    assert_true(wait_for(w->loop, &a.closed, 8000));
    assert_true(a.answered);
    kw_frames_free(&a.frames);
    return a.answer.status;
}

static void nobody_is_aimed_at_a_third(void **state)
{
    (void)state;
    world w;
    open_world(&w, true, true);
    kw_autonat_close(w.asking);
    const kw_peer_id *self = &w.client.identity.id, *other = &w.servers[1].identity.id;
    assert_int_equal(asks(&w, self, "/ip4/127.0.0.2/tcp/1"), KW_AUTONAT_REFUSED);
    assert_int_equal(asks(&w, self, "/ip4/127.0.0.1/udp/1"), KW_AUTONAT_REFUSED);
    assert_int_equal(asks(&w, self, "/ip4/127.0.0.1/tcp/1/ws"), KW_AUTONAT_REFUSED);
    assert_int_equal(asks(&w, self, "/dns4/localhost/tcp/1"), KW_AUTONAT_REFUSED);
    assert_int_equal(asks(&w, other, "/ip4/127.0.0.1/tcp/1"), KW_AUTONAT_BAD_REQUEST);
    assert_int_equal(asks(&w, self, "/ip4/127.0.0.1/tcp/1"), KW_AUTONAT_DIAL_ERROR);
    assert_int_equal(asks(&w, self, "/ip4/127.0.0.1/tcp/1"), KW_AUTONAT_REFUSED); /* so soon */
    assert_int_equal(info_of(w.serving[0]).n_served, 1);
    const kw_autonat_config again = {.host = w.client.host};
    assert_int_equal(kw_autonat_open(&again, &w.asking, NULL), KW_OK);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(three_that_reach_us_decide),
                                       cmocka_unit_test(servers_refuse_private_addresses),
                                       cmocka_unit_test(nobody_is_aimed_at_a_third)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
