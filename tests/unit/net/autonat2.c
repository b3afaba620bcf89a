/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat2.c - AutoNAT version 2: servers that lie to us, and peers that want to aim us at others.
 */
#include "nodes.h"

#include "net/autonat.h"
#include "net/autonat2_message.h"
#include "net/dial.h"
#include "net/frame.h"

#include "base/check.h"

#define ASK_ID "/libp2p/autonat/2/dial-request"
#define BACK_ID "/libp2p/autonat/2/dial-back"

static kw_autonat_info info_of(const kw_autonat *a)
{
    kw_autonat_info info;
    kw_autonat_get_info(a, &info);
    return info;
}

static void say(kw_stream *stream, const kw_autonat2_message *message)
{
    kw_buf out = {0};
    kw_autonat2_message_put(message, &out);
    (void)kw_frame_write(stream, (kw_bytes){(const uint8_t *)out.data, out.len}, NULL);
    kw_buf_free(&out);
}

static void on_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

/* ---- a server that does as its row says ---- */

typedef enum way { NO_BACK, SAME_CONNECTION, FRESH_CONNECTION } way;

typedef struct lie {
    const char *name;
    uint64_t price;
    way back;
    uint64_t nonce_off; /* what is sent back: the nonce and this */
    uint32_t status, place, dialed;
    size_t yes, no; /* votes that come of it */
} lie;

static const lie lies[] = {
    {"honest", 0, FRESH_CONNECTION, 0, KW_AUTONAT2_OK, 0, KW_AUTONAT2_DIALED, 1, 0},
    {"honest, for a price", 50000, FRESH_CONNECTION, 0, KW_AUTONAT2_OK, 0, KW_AUTONAT2_DIALED, 1,
     0},
    {"sent the nonce, did not see it arrive", 0, FRESH_CONNECTION, 0, KW_AUTONAT2_OK, 0,
     KW_AUTONAT2_BACK_ERROR, 1, 0},
    {"did not get through", 0, NO_BACK, 0, KW_AUTONAT2_OK, 0, KW_AUTONAT2_DIAL_ERROR, 0, 1},
    {"claims to have come", 0, NO_BACK, 0, KW_AUTONAT2_OK, 0, KW_AUTONAT2_DIALED, 0, 0},
    {"uses the connection that is there", 0, SAME_CONNECTION, 0, KW_AUTONAT2_OK, 0,
     KW_AUTONAT2_DIALED, 0, 0},
    {"guesses the nonce", 0, FRESH_CONNECTION, 1, KW_AUTONAT2_OK, 0, KW_AUTONAT2_DIALED, 0, 0},
    {"means an address that nobody named", 0, FRESH_CONNECTION, 0, KW_AUTONAT2_OK, 9,
     KW_AUTONAT2_DIALED, 0, 0},
    {"came, and says that it did not", 0, FRESH_CONNECTION, 0, KW_AUTONAT2_OK, 0,
     KW_AUTONAT2_DIAL_ERROR, 0, 0},
    {"made a dial-back, and refuses", 0, FRESH_CONNECTION, 0, KW_AUTONAT2_REFUSED, 0,
     KW_AUTONAT2_DIALED, 0, 0},
    {"asks too much", 100001, NO_BACK, 0, KW_AUTONAT2_OK, 0, KW_AUTONAT2_DIAL_ERROR, 0, 0},
    {"says a number that means nothing", 0, FRESH_CONNECTION, 0, KW_AUTONAT2_OK, 0, 7, 0, 0},
};

typedef struct server {
    const lie *lie;
    node node, client;
    kw_stream *stream;
    kw_frames frames;
    kw_autonat2_message asked;
    size_t paid;
    bool closed, back_closed;
} server;

static void finish_question(server *s)
{
    if (!s->stream)
        return;
    say(s->stream, &(kw_autonat2_message){.type = KW_AUTONAT2_ANSWER,
                                          .status = s->lie->status,
                                          .place = s->lie->place,
                                          .dialed = s->lie->dialed});
    kw_stream_finish(s->stream);
}

static void on_back_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

static void on_back_closed(void *user, kw_stream *stream, kw_status why)
{
    server *s = user;
    (void)stream;
    (void)why;
    s->back_closed = true;
    finish_question(s);
}

static const kw_stream_events back_events = {
    .data = on_back_data, .end = on_end, .closed = on_back_closed};

static void on_back(void *user, kw_stream *stream, kw_status status, const char *why)
{
    server *s = user;
    kw_buf out = {0};
    assert_int_equal(status, KW_OK);
    (void)why;
    kw_stream_listen(stream, &back_events, s);
    kw_autonat2_nonce_put(s->asked.nonce + s->lie->nonce_off, &out);
    assert_int_equal(kw_frame_write(stream, (kw_bytes){(const uint8_t *)out.data, out.len}, NULL),
                     KW_OK);
    kw_buf_free(&out);
    kw_stream_finish(stream);
}

static const char *const back_ids[] = {BACK_ID};

static void on_dialed(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    server *s = user;
    (void)why;
    assert_int_equal(status, KW_OK);
    for (const kw_link *l = kw_peer_find(s->node.host, peer)->links; l; l = l->next_of_peer)
        if (!l->inbound) {
            kw_connection_stream(l->connection, back_ids, 1, on_back, s);
            return;
        }
    fail_msg("no connection was dialed");
}

static void dial_back(server *s)
{
    const kw_peer_id *client = &s->client.identity.id;
    if (s->lie->back == NO_BACK)
        finish_question(s);
    else if (s->lie->back == SAME_CONNECTION)
        kw_host_stream(s->node.host, client, back_ids, 1, on_back, s);
    else
        assert_int_equal(kw_dial_punch(s->node.host, client, s->asked.addrs, 1, KW_PUNCH_OTHER_PORT,
                                       on_dialed, s, NULL),
                         KW_OK);
}

static bool on_asked(void *user, kw_bytes bytes)
{
    server *s = user;
    kw_autonat2_message heard;
    assert_int_equal(kw_autonat2_message_get(bytes, &heard, NULL), KW_OK);
    if (heard.type == KW_AUTONAT2_DATA) {
        assert_true(heard.data.len <= 4096);
        s->paid += heard.data.len;
        if (s->paid == s->lie->price)
            dial_back(s);
        return true;
    }
    assert_int_equal(heard.type, KW_AUTONAT2_DIAL);
    assert_true(heard.n_addrs > 0);
    s->asked = heard;
    if (s->lie->price == 0)
        dial_back(s);
    else
        say(s->stream, &(kw_autonat2_message){.type = KW_AUTONAT2_PAY, .n_bytes = s->lie->price});
    return true;
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    server *s = user;
    (void)stream;
    assert_int_equal(kw_frames_feed(&s->frames, bytes, on_asked, s, NULL), KW_OK);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    server *s = user;
    (void)stream;
    (void)why;
    s->stream = NULL;
    s->closed = true;
}

static const kw_stream_events serve_events = {.data = on_data, .end = on_end, .closed = on_closed};

static bool on_question(void *user, kw_stream *stream)
{
    server *s = user;
    s->stream = stream;
    kw_stream_listen(stream, &serve_events, s);
    return true;
}

static void votes_of(const lie *l)
{
    server s = {.lie = l, .frames = {.max = KW_AUTONAT2_MESSAGE_MAX}};
    kw_loop *loop = open_loop();
    node_open(&s.node, loop, 1, NULL);
    node_open(&s.client, loop, 2, NULL);
    const kw_protocol protocol = {
        .id = ASK_ID, .incoming = on_question, .user = &s, .max_per_peer = 1};
    assert_int_equal(kw_host_speak(s.node.host, &protocol, NULL), KW_OK);
    const kw_multiaddr addr = node_listen(&s.node);
    (void)node_listen(&s.client);
    nodes_connect(loop, &s.client, &s.node, &addr);
    const kw_autonat_config ask = {
        .host = s.client.host, .anywhere = true, .undecided_ms = 80, .again_ms = 80};
    kw_autonat *autonat;
    assert_int_equal(kw_autonat_open(&ask, &autonat, NULL), KW_OK);
    if (!wait_for(loop, &s.closed, 8000))
        fail_msg("%s: the question does not end", l->name);
    wait_ms(loop, 100);
    if (info_of(autonat).n_yes != l->yes || info_of(autonat).n_no != l->no)
        fail_msg("%s: %zu votes for, %zu against", l->name, info_of(autonat).n_yes,
                 info_of(autonat).n_no);
    assert_true(s.paid == (l->price <= 100000 ? l->price : 0));
    kw_autonat_close(autonat);
    node_close(&s.client, loop);
    node_close(&s.node, loop);
    kw_loop_close(loop);
    kw_frames_free(&s.frames);
}

static void what_a_server_says_must_be_proven(void **state)
{
    (void)state;
    for (size_t i = 0; i < KW_COUNT(lies); i++)
        votes_of(&lies[i]);
}

/* A question that is open, a nonce that is waited for: all of it goes with the host. */
static void closing_in_the_middle(void **state)
{
    (void)state;
    static const lie claims = {"claims",           0, NO_BACK, 0, KW_AUTONAT2_OK, 0,
                               KW_AUTONAT2_DIALED, 0, 0};
    for (int steps = 0; steps < 40; steps += 3) {
        server s = {.lie = &claims, .frames = {.max = KW_AUTONAT2_MESSAGE_MAX}};
        kw_loop *loop = open_loop();
        node_open(&s.node, loop, 1, NULL);
        node_open(&s.client, loop, 2, NULL);
        const kw_protocol protocol = {
            .id = ASK_ID, .incoming = on_question, .user = &s, .max_per_peer = 1};
        assert_int_equal(kw_host_speak(s.node.host, &protocol, NULL), KW_OK);
        const kw_multiaddr addr = node_listen(&s.node);
        (void)node_listen(&s.client);
        nodes_connect(loop, &s.client, &s.node, &addr);
        const kw_autonat_config ask = {
            .host = s.client.host, .anywhere = true, .undecided_ms = 8, .again_ms = 8};
        kw_autonat *autonat;
        assert_int_equal(kw_autonat_open(&ask, &autonat, NULL), KW_OK);
        for (int i = 0; i < steps; i++)
            kw_loop_step(loop, 2);
        kw_autonat_close(autonat);
        node_close(&s.client, loop);
        node_close(&s.node, loop);
        kw_loop_close(loop);
        kw_frames_free(&s.frames);
    }
}

/* ---- one who asks for what he must not get ---- */

typedef struct asker {
    const kw_autonat2_message *ask;
    kw_autonat2_message price, answer;
    kw_frames frames;
    size_t piece; /* bytes of a message in which he pays; 0: he does not */
    bool priced, answered, closed;
} asker;

static bool on_answer(void *user, kw_bytes bytes)
{
    asker *a = user;
    kw_autonat2_message heard;
    assert_int_equal(kw_autonat2_message_get(bytes, &heard, NULL), KW_OK);
    if (heard.type == KW_AUTONAT2_PAY) {
        a->price = heard;
        a->priced = true;
    } else {
        assert_int_equal(heard.type, KW_AUTONAT2_ANSWER);
        a->answer = heard;
        a->answered = true;
    }
    return true;
}

static void on_asker_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    static const uint8_t zeros[4096];
    asker *a = user;
    const bool priced = a->priced;
    assert_int_equal(kw_frames_feed(&a->frames, bytes, on_answer, a, NULL), KW_OK);
    if (!a->priced || priced)
        return;
    for (uint64_t left = a->piece ? a->price.n_bytes : 0; left > 0;) {
        const size_t n = (size_t)KW_MIN(left, a->piece);
        say(stream, &(kw_autonat2_message){.type = KW_AUTONAT2_DATA, .data = {zeros, n}});
        left -= n;
    }
}

static void on_asker_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)stream;
    (void)why;
    ((asker *)user)->closed = true;
}

static const kw_stream_events ask_events = {
    .data = on_asker_data, .end = on_end, .closed = on_asker_closed};

static void on_ask(void *user, kw_stream *stream, kw_status status, const char *why)
{
    asker *a = user;
    (void)why;
    assert_int_equal(status, KW_OK);
    kw_stream_listen(stream, &ask_events, a);
    say(stream, a->ask);
}

typedef struct world {
    kw_loop *loop;
    node server, client;
    kw_autonat *serving;
} world;

/* A server that has not served anybody yet. */
static void open_world(world *w, bool anywhere)
{
    const kw_host_config config = {.limits = {.connections_per_ip = 64}};
    *w = (world){.loop = open_loop()};
    node_open(&w->server, w->loop, 1, &config);
    node_open(&w->client, w->loop, 2, &config);
    const kw_autonat_config serve = {
        .host = w->server.host, .anywhere = anywhere, .undecided_ms = 200};
    assert_int_equal(kw_autonat_open(&serve, &w->serving, NULL), KW_OK);
    const kw_multiaddr addr = node_listen(&w->server);
    nodes_connect(w->loop, &w->client, &w->server, &addr);
}

static void close_world(world *w)
{
    kw_autonat_close(w->serving);
    node_close(&w->server, w->loop);
    node_close(&w->client, w->loop);
    kw_loop_close(w->loop);
}

static void asks_for(world *w, asker *a, const char *const *addrs, size_t n)
{
    static const char *const ids[] = {ASK_ID};
    kw_autonat2_message ask = {.type = KW_AUTONAT2_DIAL, .nonce = 5, .n_addrs = n};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(kw_multiaddr_parse(kw_str_from(addrs[i]), &ask.addrs[i], NULL), KW_OK);
    a->ask = &ask;
    a->frames.max = KW_AUTONAT2_MESSAGE_MAX;
    kw_host_stream(w->client.host, &w->server.identity.id, ids, 1, on_ask, a);
    assert_true(wait_for(w->loop, &a->closed, 12000));
    kw_frames_free(&a->frames);
}

static uint32_t status_for(world *w, const char *addr)
{
    asker a = {.piece = 0};
    asks_for(w, &a, &addr, 1);
    assert_true(a.answered);
    return a.answer.status;
}

static void what_is_not_dialed(void **state)
{
    (void)state;
    world w;
    open_world(&w, true);
    assert_int_equal(status_for(&w, "/ip4/127.0.0.1/udp/1"), KW_AUTONAT2_REFUSED);
    assert_int_equal(status_for(&w, "/ip4/127.0.0.1/tcp/1/ws"), KW_AUTONAT2_REFUSED);
    assert_int_equal(status_for(&w, "/dns4/localhost/tcp/1"), KW_AUTONAT2_REFUSED);
    assert_int_equal(info_of(w.serving).n_served, 0);
    static const char *const two[] = {"/ip4/127.0.0.1/udp/1/quic-v1", "/ip4/127.0.0.1/tcp/1"};
    asker a = {.piece = 0};
    asks_for(&w, &a, two, 2);
    assert_true(a.answered && !a.priced);
    assert_int_equal(a.answer.status, KW_AUTONAT2_OK);
    assert_int_equal(a.answer.place, 1);
    assert_int_equal(a.answer.dialed, KW_AUTONAT2_DIAL_ERROR);
    assert_int_equal(info_of(w.serving).n_served, 1);
    assert_int_equal(status_for(&w, "/ip4/127.0.0.1/tcp/1"), KW_AUTONAT2_REJECTED); /* so soon */
    close_world(&w);
    open_world(&w, false);
    assert_int_equal(status_for(&w, "/ip4/127.0.0.1/tcp/1"), KW_AUTONAT2_REFUSED);
    close_world(&w);
}

/* Who names another IP pays first, in pieces worth reading; then it is dialed, once. */
static void another_ip_has_its_price(void **state)
{
    (void)state;
    static const char *const third[] = {"/ip4/127.0.0.2/tcp/1"};
    world w;
    open_world(&w, true);
    asker dribbles = {.piece = 50};
    asks_for(&w, &dribbles, third, 1);
    assert_true(dribbles.priced && !dribbles.answered);
    assert_true(dribbles.price.n_bytes >= 30000 && dribbles.price.n_bytes <= 100000);
    assert_int_equal(info_of(w.serving).n_served, 0);
    close_world(&w);
    open_world(&w, true);
    asker pays = {.piece = 4000};
    asks_for(&w, &pays, third, 1);
    assert_true(pays.priced && pays.answered);
    assert_int_equal(pays.answer.status, KW_AUTONAT2_OK);
    assert_int_equal(pays.answer.dialed, KW_AUTONAT2_DIAL_ERROR);
    assert_int_equal(info_of(w.serving).n_served, 1);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_a_server_says_must_be_proven),
                                       cmocka_unit_test(closing_in_the_middle),
                                       cmocka_unit_test(what_is_not_dialed),
                                       cmocka_unit_test(another_ip_has_its_price)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
