/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Connections without sockets: handshakes, streams, flow control, ends, and what breaks them. */
#include "net/connection.h"

#include "net/frame.h"
#include "pair.h"

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>

static const char *const echo_id = "/test/echo/1", *const other_id = "/test/other/1";
static const char *const spoken[] = {"/test/echo/1"};

/* ---- a protocol that sends back what it gets ---- */

typedef struct echo {
    int n_open, n_closed;
    kw_status last;
} echo;

typedef struct echo_stream {
    echo *owner;
    kw_fifo waiting;
    bool ended;
} echo_stream;

static void echo_push(echo_stream *e, kw_stream *stream)
{
    const kw_bytes view = kw_fifo_view(&e->waiting);
    const size_t room = kw_stream_room(stream), n = room < view.len ? room : view.len;
    if (n) {
        assert_int_equal(kw_stream_write(stream, (kw_bytes){view.data, n}, NULL), KW_OK);
        kw_fifo_drop(&e->waiting, n);
    }
    kw_stream_pause(stream, e->waiting.len > 0);
    if (e->waiting.len == 0 && e->ended)
        kw_stream_finish(stream);
}

static void echo_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    echo_stream *e = user;
    assert_true(kw_fifo_add(&e->waiting, bytes));
    if (e->waiting.len == bytes.len) /* not from within a delivery of its own */
        echo_push(e, stream);
}

static void echo_drained(void *user, kw_stream *stream)
{
    echo_push(user, stream);
}

static void echo_end(void *user, kw_stream *stream)
{
    echo_stream *e = user;
    e->ended = true;
    echo_push(e, stream);
}

static void echo_closed(void *user, kw_stream *stream, kw_status why)
{
    echo_stream *e = user;
    (void)stream;
    e->owner->n_closed++;
    e->owner->last = why;
    kw_fifo_free(&e->waiting);
    free(e);
}

static const kw_stream_events echo_events = {
    .data = echo_data, .end = echo_end, .drained = echo_drained, .closed = echo_closed};

static bool echo_incoming(void *user, kw_stream *stream, const char *protocol)
{
    echo_stream *e = calloc(1, sizeof *e);
    if (!e)
        return false;
    assert_string_equal(protocol, echo_id);
    assert_string_equal(kw_stream_protocol(stream), echo_id);
    assert_true(kw_stream_inbound(stream));
    e->owner = user;
    e->owner->n_open++;
    kw_stream_listen(stream, &echo_events, e);
    return true;
}

/* ---- a client that sends a pattern and expects it back ---- */

typedef struct client {
    pair *p;
    size_t size, sent, received, reset_after;
    uint8_t pattern;
    int n_opened, n_closed, n_ended;
    kw_status status, why;
} client;

static uint8_t byte_at(const client *c, size_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + c->pattern);
}

static void client_push(client *c, kw_stream *stream)
{
    uint8_t piece[5000];
    while (c->sent < c->size) {
        size_t n = 1 + pair_random(c->p, sizeof piece);
        if (n > c->size - c->sent)
            n = c->size - c->sent;
        if (n > kw_stream_room(stream))
            n = kw_stream_room(stream);
        if (n == 0)
            return;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(c, c->sent + i);
        assert_int_equal(kw_stream_write(stream, (kw_bytes){piece, n}, NULL), KW_OK);
        c->sent += n;
    }
    kw_stream_finish(stream);
}

static void client_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    client *c = user;
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != byte_at(c, c->received + i))
            fail_msg("byte %zu of a stream differs", c->received + i);
    }
    c->received += bytes.len;
    if (c->reset_after && c->received >= c->reset_after)
        kw_stream_reset(stream);
}

static void client_drained(void *user, kw_stream *stream)
{
    client_push(user, stream);
}

static void client_end(void *user, kw_stream *stream)
{
    client *c = user;
    (void)stream;
    c->n_ended++;
}

static void client_closed(void *user, kw_stream *stream, kw_status why)
{
    client *c = user;
    (void)stream;
    c->n_closed++;
    c->why = why;
}

static const kw_stream_events client_events = {
    .data = client_data, .end = client_end, .drained = client_drained, .closed = client_closed};

static void client_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    client *c = user;
    c->n_opened++;
    c->status = status;
    if (!stream) {
        assert_non_null(why);
        return;
    }
    kw_stream_listen(stream, &client_events, c);
    client_push(c, stream);
}

static void open_pair(pair *p, echo *e, uint32_t seed, size_t max_piece,
                      void (*change)(kw_connection_config *config, int end))
{
    assert_int_equal(pair_open(p, seed, max_piece, change), KW_OK);
    for (int i = 0; i < 2; i++) {
        p->ends[i].incoming = echo_incoming;
        p->ends[i].incoming_user = e;
        p->ends[i].spoken = spoken;
        p->ends[i].n_spoken = 1;
    }
}

static void dial(pair *p, int end, client *c, const char *const *protocols, size_t n)
{
    c->p = p;
    kw_connection_stream(p->ends[end].connection, protocols, n, client_opened, c);
}

/* ---- tests ---- */

static void test_handshake(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed < 20; seed++) {
        pair p;
        echo e = {0};
        open_pair(&p, &e, seed, seed < 10 ? 1 + seed : 5000, NULL);
        pair_run(&p);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(p.ends[i].n_secured, 1);
            assert_int_equal(p.ends[i].n_closed, 0);
            assert_true(kw_peer_id_equal(&p.ends[i].peer, &p.ends[1 - i].identity.id));
            assert_int_equal(kw_connection_key(p.ends[i].connection).len, 36);
        }
        kw_connection_close(p.ends[0].connection);
        assert_int_equal(p.ends[0].n_closed, 1);
        pair_free(&p);
    }
}

static void expect_other(kw_connection_config *config, int end)
{
    if (end == 0)
        config->expected = (kw_peer_id){.len = 34, .bytes = {0x12, 0x20, 1}};
}

/* Who has no streams leaves when the other says goodbye. */
static void test_goodbye(void **state)
{
    (void)state;
    pair p;
    assert_int_equal(pair_open(&p, 5, 100, NULL), KW_OK);
    pair_run(&p);
    kw_connection_close(p.ends[0].connection);
    assert_int_equal(p.ends[0].n_closed, 1);
    assert_int_equal(p.ends[0].why, KW_OK);
    assert_int_equal(p.ends[1].n_closed, 0);
    pair_run(&p);
    assert_int_equal(p.ends[1].n_closed, 1);
    assert_int_equal(p.ends[1].why, KW_OK);
    pair_free(&p);
}

static void test_wrong_peer(void **state)
{
    (void)state;
    pair p;
    echo e = {0};
    open_pair(&p, &e, 1, 100, expect_other);
    pair_run(&p);
    assert_int_equal(p.ends[0].n_closed, 1);
    assert_int_equal(p.ends[0].why, KW_E_FORMAT);
    assert_non_null(strstr(p.ends[0].reason, "than was expected"));
    assert_int_equal(p.ends[1].n_secured, 0);
    pair_free(&p);
}

static void test_handshake_timeout(void **state)
{
    (void)state;
    pair p;
    echo e = {0};
    open_pair(&p, &e, 1, 10, NULL);
    for (int i = 0; i < 5; i++)
        pair_step(&p);
    pair_tick(&p, 9999);
    assert_int_equal(p.ends[0].n_closed, 0);
    pair_tick(&p, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p.ends[i].n_closed, 1);
        assert_int_equal(p.ends[i].why, KW_E_LIMIT);
    }
    pair_free(&p);
}

/* Any byte of the wire changed: the connection ends, or the byte was not looked at; nothing else
 * happens. */
static void test_changed_bytes(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed < 200; seed++) {
        pair p;
        echo e = {0};
        open_pair(&p, &e, seed, 1 + seed % 300, NULL);
        client c = {.size = 3000, .pattern = (uint8_t)seed};
        bool dialed = false;
        const int from = (int)pair_random(&p, 2);
        uint32_t until = pair_random(&p, 60);
        bool changed = false;
        while (pair_step(&p)) {
            if (!dialed && p.ends[0].n_secured && !p.ends[0].n_closed) {
                dialed = true;
                dial(&p, 0, &c, spoken, 1);
            }
            kw_fifo *const sent = &p.ends[from].sent;
            if (!changed && sent->len && until-- == 0) {
                sent->data[sent->head + pair_random(&p, (uint32_t)sent->len)] ^= 0x40;
                changed = true;
            }
        }
        if (dialed && !c.n_closed) /* it waits for what was lost */
            kw_connection_close(p.ends[0].connection);
        if (dialed)
            assert_int_equal(c.n_opened, 1);
        if (dialed && c.status == KW_OK)
            assert_int_equal(c.n_closed, 1);
        if (!p.ends[1].n_closed)
            kw_connection_lost(p.ends[1].connection, KW_E_IO);
        assert_int_equal(e.n_open, e.n_closed);
        pair_free(&p);
    }
}

static void small_window(kw_connection_config *config, int end)
{
    (void)end;
    config->max_window_bytes = 262144;
}

static void test_streams(void **state)
{
    (void)state;
    enum { N = 24 };
    for (uint32_t seed = 1; seed <= 12; seed++) {
        pair p;
        echo e = {0};
        open_pair(&p, &e, seed, seed % 3 == 0 ? 700 : 70000, seed % 2 ? small_window : NULL);
        pair_run(&p);
        client clients[N];
        size_t expected = 0;
        for (int i = 0; i < N; i++) {
            clients[i] = (client){.size = i % 7 == 6 ? 3000000u / (seed % 3 == 0 ? 10u : 1u)
                                                     : pair_random(&p, 60000),
                                  .pattern = (uint8_t)i};
            if (i % 5 == 4)
                clients[i].reset_after = 1 + clients[i].size / 2;
            expected += clients[i].size;
            dial(&p, i % 2, &clients[i], spoken, 1);
            for (int k = 0; k < 3; k++)
                pair_step(&p);
        }
        assert_true(expected > 0);
        do
            pair_run(&p);
        while ((pair_tick(&p, 1), p.ends[0].sent.len || p.ends[1].sent.len));
        for (int i = 0; i < N; i++) {
            const client *c = &clients[i];
            assert_int_equal(c->n_opened, 1);
            assert_int_equal(c->status, KW_OK);
            assert_int_equal(c->n_closed, 1);
            if (c->reset_after && c->received >= c->reset_after) {
                assert_int_equal(c->why, KW_E_CANCELLED);
                continue;
            }
            assert_int_equal(c->received, c->size);
            assert_int_equal(c->n_ended, 1);
            assert_int_equal(c->why, KW_OK);
        }
        assert_int_equal(e.n_open, N);
        assert_int_equal(e.n_closed, N);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(p.ends[i].n_closed, 0);
            assert_int_equal(kw_connection_streams(p.ends[i].connection), 0);
        }
        pair_free(&p);
    }
}

static void test_protocols(void **state)
{
    (void)state;
    pair p;
    echo e = {0};
    open_pair(&p, &e, 5, 9, NULL);
    pair_run(&p);
    const char *both[] = {other_id, echo_id};
    client first = {.size = 10}, second = {.size = 10};
    dial(&p, 0, &first, both, 2);
    dial(&p, 1, &second, both, 1);
    pair_run(&p);
    assert_int_equal(first.status, KW_OK);
    assert_int_equal(first.received, 10);
    assert_int_equal(second.n_opened, 1);
    assert_int_equal(second.status, KW_E_UNSUPPORTED);
    assert_int_equal(p.ends[0].n_closed + p.ends[1].n_closed, 0);
    pair_free(&p);
}

static void few_streams(kw_connection_config *config, int end)
{
    (void)end;
    config->max_streams = 4;
}

static void test_limits(void **state)
{
    (void)state;
    pair p;
    echo e = {0};
    open_pair(&p, &e, 5, 900, few_streams);
    pair_run(&p);
    enum { N = 300 };
    static client clients[N];
    int refused_here = 0, refused_there = 0;
    for (int i = 0; i < N; i++) {
        clients[i] = (client){.size = 100};
        dial(&p, 0, &clients[i], spoken, 1);
        refused_here += clients[i].n_opened;
    }
    assert_int_equal(refused_here, N - 256); /* so many may wait for an answer */
    pair_run(&p);
    for (int i = 0; i < N; i++) {
        assert_int_equal(clients[i].n_opened, 1);
        if (clients[i].status != KW_OK)
            refused_there++;
    }
    assert_true(refused_there - refused_here >= 1);
    assert_true(e.n_open >= 4);
    assert_int_equal(kw_connection_streams(p.ends[0].connection), 0);
    pair_free(&p);
}

/* ---- an end that is held back, and one that reads nothing ---- */

static void test_backlog(void **state)
{
    (void)state;
    pair p;
    echo e = {0};
    open_pair(&p, &e, 5, 4000, NULL);
    pair_run(&p);
    kw_connection_backlog(p.ends[0].connection, (size_t)8 << 20);
    client c = {.size = 100000};
    dial(&p, 0, &c, spoken, 1);
    pair_run(&p);
    assert_int_equal(c.n_opened, 0);
    kw_connection_backlog(p.ends[0].connection, 0);
    pair_run(&p);
    assert_int_equal(c.received, c.size);
    assert_int_equal(c.n_closed, 1);
    pair_free(&p);
}

static void idle_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    size_t *received = user;
    *received += bytes.len;
    kw_stream_pause(stream, true);
}

static void idle_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)user;
    (void)stream;
    (void)why;
}

static kw_stream *paused_stream;

static bool idle_incoming(void *user, kw_stream *stream, const char *protocol)
{
    static const kw_stream_events events = {.data = idle_data, .closed = idle_closed};
    (void)protocol;
    paused_stream = stream;
    kw_stream_listen(stream, &events, user);
    return true;
}

static void test_paused(void **state)
{
    (void)state;
    pair p;
    echo e = {0};
    size_t received = 0;
    open_pair(&p, &e, 5, 4000, NULL);
    p.ends[1].incoming = idle_incoming;
    p.ends[1].incoming_user = &received;
    pair_run(&p);
    client c = {.size = 5000000};
    dial(&p, 0, &c, spoken, 1);
    pair_run(&p);
    assert_true(received > 0 && received < 262144);
    const size_t waiting = kw_stream_room(paused_stream);
    assert_true(waiting > 0);
    kw_connection_info info;
    kw_connection_get_info(p.ends[1].connection, &info);
    assert_true(info.memory_bytes < 600000); /* a window, and no more */
    for (int i = 0; i < 5000 && received < c.size; i++) {
        kw_stream_pause(paused_stream, false);
        pair_run(&p);
    }
    assert_int_equal(received, c.size);
    kw_connection_close(p.ends[0].connection);
    assert_int_equal(c.n_closed, 1);
    assert_int_equal(c.why, KW_E_CANCELLED);
    kw_connection_lost(p.ends[1].connection, KW_E_IO);
    pair_free(&p);
}

static void test_window_budget(void **state)
{
    (void)state;
    pair p;
    echo e = {0};
    open_pair(&p, &e, 7, 60000, NULL);
    pair_run(&p);
    client c = {.size = 8000000};
    dial(&p, 0, &c, spoken, 1);
    pair_run(&p);
    assert_int_equal(c.received, c.size);
    kw_connection_info info;
    pair_tick(&p, 1000);
    pair_tick(&p, 1000);
    kw_connection_get_info(p.ends[0].connection, &info);
    assert_true(info.memory_bytes < 4096); /* idle again */
    assert_true(info.bytes_in >= c.size && info.bytes_out >= c.size);
    pair_free(&p);
}

/* ---- frames ---- */

static bool take_message(void *user, kw_bytes message)
{
    kw_fifo *all = user;
    const uint8_t len = (uint8_t)message.len;
    return kw_fifo_add(all, (kw_bytes){&len, 1}) && kw_fifo_add(all, message);
}

static void test_frames(void **state)
{
    (void)state;
    static const uint8_t wire[] = {3, 'a', 'b', 'c', 0, 0x82, 0x00, 'x', 'y', 1, 'z'};
    for (size_t piece = 1; piece <= sizeof wire; piece++) {
        kw_frames frames = {.max = 10};
        kw_fifo all = {0};
        for (size_t at = 0; at < sizeof wire; at += piece) {
            const size_t n = piece < sizeof wire - at ? piece : sizeof wire - at;
            assert_int_equal(
                kw_frames_feed(&frames, (kw_bytes){wire + at, n}, take_message, &all, NULL), KW_OK);
        }
        const kw_bytes view = kw_fifo_view(&all);
        assert_int_equal(view.len, 10);
        assert_memory_equal(view.data, "\3abc\0\2xy\1z", 10);
        kw_fifo_free(&all);
        kw_frames_free(&frames);
    }
    kw_frames frames = {.max = 10};
    kw_error err;
    const uint8_t eleven = 11;
    assert_int_equal(kw_frames_feed(&frames, (kw_bytes){&eleven, 1}, take_message, NULL, &err),
                     KW_E_LIMIT);
    assert_non_null(strstr(err.message, "11"));
    kw_frames_free(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),     cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_wrong_peer),    cmocka_unit_test(test_handshake_timeout),
        cmocka_unit_test(test_changed_bytes), cmocka_unit_test(test_streams),
        cmocka_unit_test(test_protocols),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_backlog),       cmocka_unit_test(test_paused),
        cmocka_unit_test(test_window_budget), cmocka_unit_test(test_frames),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
