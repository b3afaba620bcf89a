/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rtc.c - two ends of WebRTC joined by a wire that loses, repeats and reorders datagrams as a seed
 * says: streams both ways come whole, and channels are used again. And what a stranger sends gets
 * no state and no long answer. kw-test: timeout 120 */
#include "net/rtc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"

#define MAX_WIRE 4096
#define ECHO "/echo/1"

typedef struct datagram {
    uint8_t *data;
    size_t len;
} datagram;

typedef struct rig rig;

typedef struct end {
    rig *rig;
    kw_identity identity;
    kw_certificate *certificate;
    kw_dtls_context *context;
    kw_rtc *rtc;
    kw_connection *connection;
    datagram wire[MAX_WIRE]; /* from here to the other end */
    size_t n_wire;
    kw_peer_id peer;
    bool secured, lost, closed;
    size_t n_echoing;
} end;

struct rig {
    kw_sctp_stack *stack;
    end client, server;
    uint64_t now_ms;
    uint32_t random, loss; /* of a hundred */
};

static uint32_t draw(rig *r, uint32_t below)
{
    r->random = r->random * 1664525u + 1013904223u;
    return (r->random >> 8) % below;
}

static void post(end *e, kw_bytes bytes)
{
    assert_true(e->n_wire < MAX_WIRE);
    assert_true(bytes.len <= KW_DTLS_MTU);
    uint8_t *copy = malloc(bytes.len); /* exactly as long */
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    e->wire[e->n_wire++] = (datagram){copy, bytes.len};
}

static void on_send(void *user, kw_bytes bytes)
{
    post(user, bytes);
}

/* ---- streams that echo, and streams that check the echo ---- */

typedef struct sender {
    end *end;
    size_t total, sent, received;
    uint8_t seed;
    bool opened, ended, closed, stays; /* stays: never finishes */
    kw_status why;
} sender;

static uint8_t byte_at(const sender *s, size_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) + s->seed);
}

static void push(sender *s, kw_stream *stream)
{
    uint8_t piece[5000];
    while (s->sent < s->total) {
        const size_t n = KW_MIN(KW_MIN(s->total - s->sent, sizeof piece), kw_stream_room(stream));
        if (n == 0)
            return;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(s, s->sent + i);
        assert_int_equal(kw_stream_write(stream, (kw_bytes){piece, n}, NULL), KW_OK);
        s->sent += n;
    }
    if (!s->stays)
        kw_stream_finish(stream);
}

static void sender_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    sender *s = user;
    (void)stream;
    for (size_t i = 0; i < bytes.len; i++)
        assert_int_equal(bytes.data[i], byte_at(s, s->received + i));
    s->received += bytes.len;
}

static void sender_end(void *user, kw_stream *stream)
{
    (void)stream;
    ((sender *)user)->ended = true;
}

static void sender_drained(void *user, kw_stream *stream)
{
    push(user, stream);
}

static void sender_closed(void *user, kw_stream *stream, kw_status why)
{
    sender *s = user;
    (void)stream;
    assert_false(s->closed);
    s->closed = true;
    s->why = why;
}

static const kw_stream_events sender_events = {
    .data = sender_data, .end = sender_end, .drained = sender_drained, .closed = sender_closed};

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    sender *s = user;
    if (!stream)
        fail_msg("%s (%s)", why, kw_status_name(status));
    s->opened = true;
    kw_stream_listen(stream, &sender_events, s);
    push(s, stream);
}

static void echo_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    if (kw_stream_write(stream, bytes, NULL) != KW_OK)
        kw_stream_reset(stream);
}

static void echo_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static void echo_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)stream;
    (void)why;
    ((end *)user)->n_echoing--;
}

static const kw_stream_events echo_events = {
    .data = echo_data, .end = echo_end, .closed = echo_closed};

/* ---- connections ---- */

static void never_bytes(void *user, kw_bytes bytes)
{
    (void)user;
    (void)bytes;
    fail_msg("bytes were sent beside the channels");
}

static void on_secured(void *user, const kw_peer_id *peer)
{
    end *e = user;
    e->secured = true;
    e->peer = *peer;
}

static bool on_incoming(void *user, kw_stream *stream, const char *protocol)
{
    end *e = user;
    assert_string_equal(protocol, ECHO);
    e->n_echoing++;
    kw_stream_listen(stream, &echo_events, e);
    return true;
}

static bool speaks(void *user, const char *protocol)
{
    (void)user;
    return strcmp(protocol, ECHO) == 0;
}

static void on_closed(void *user, kw_status why, const char *reason)
{
    (void)why;
    (void)reason;
    ((end *)user)->closed = true;
}

static const kw_connection_owner owner = {.send = never_bytes,
                                          .secured = on_secured,
                                          .incoming = on_incoming,
                                          .speaks = speaks,
                                          .closed = on_closed};

static kw_connection *on_up(void *user, const kw_connection_config *part)
{
    end *e = user;
    kw_connection_config config = *part;
    config.identity = &e->identity;
    config.owner = &owner;
    config.user = e;
    assert_int_equal(kw_connection_open(&config, &e->connection, NULL), KW_OK);
    return e->connection;
}

static void on_lost(void *user, kw_status why, const char *reason)
{
    end *e = user;
    (void)why;
    assert_true(reason[0] != '\0');
    e->lost = true;
    if (e->connection)
        kw_connection_lost(e->connection, KW_E_IO);
}

static const kw_rtc_events events = {.send = on_send, .up = on_up, .lost = on_lost};

static void begin(rig *r, end *e, kw_dtls *dtls, const uint8_t *peer_hash)
{
    const kw_rtc_config config = {.stack = r->stack,
                                  .dtls = dtls,
                                  .own_hash = kw_certificate_hash(e->certificate),
                                  .peer_hash = peer_hash,
                                  .server = e == &r->server,
                                  .events = &events,
                                  .user = e,
                                  .now_ms = r->now_ms};
    assert_int_equal(kw_rtc_open(&config, &e->rtc, NULL), KW_OK);
}

/* ---- the wire ---- */

/* What the server's port does with a datagram of an address that it does not know. */
static void greet(rig *r, kw_bytes bytes)
{
    const kw_bytes address = {(const uint8_t *)"client", 6};
    kw_buf reply = {0};
    kw_dtls *dtls = NULL;
    assert_int_equal(kw_dtls_greet(r->server.context, address, bytes, &reply, &dtls, NULL), KW_OK);
    assert_true(reply.len <= bytes.len);
    if (reply.len)
        post(&r->server, (kw_bytes){(const uint8_t *)reply.data, reply.len});
    kw_buf_free(&reply);
    if (dtls) {
        begin(r, &r->server, dtls, NULL);
        kw_rtc_receive(r->server.rtc, bytes, r->now_ms);
    }
}

static void deliver(rig *r, const end *from, kw_bytes bytes)
{
    end *const to = from == &r->client ? &r->server : &r->client;
    if (to->rtc)
        kw_rtc_receive(to->rtc, bytes, r->now_ms);
    else if (to == &r->server)
        greet(r, bytes);
}

/* One datagram of a side, any of the first few; lost or sent twice at times. */
static bool step(rig *r)
{
    end *from = draw(r, 2) ? &r->client : &r->server;
    if (from->n_wire == 0)
        from = from == &r->client ? &r->server : &r->client;
    if (from->n_wire == 0)
        return false;
    const size_t window = r->loss ? KW_MIN(from->n_wire, (size_t)4) : 1;
    const size_t at = draw(r, (uint32_t)window);
    const datagram d = from->wire[at];
    const uint32_t fate = draw(r, 100);
    if (fate >= r->loss + r->loss / 2) {
        memmove(&from->wire[at], &from->wire[at + 1],
                (from->n_wire - at - 1) * sizeof from->wire[0]);
        from->n_wire--;
        deliver(r, from, (kw_bytes){d.data, d.len});
        free(d.data);
    } else if (fate < r->loss) {
        memmove(&from->wire[at], &from->wire[at + 1],
                (from->n_wire - at - 1) * sizeof from->wire[0]);
        from->n_wire--;
        free(d.data);
    } else { /* it comes again */
        deliver(r, from, (kw_bytes){d.data, d.len});
    }
    return true;
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The clock is the machine's: DTLS and SCTP look at it themselves before they send again. */
static void tick(rig *r)
{
    const uint64_t now = clock_ms(), passed = now - r->now_ms;
    r->now_ms = now;
    kw_sctp_stack_tick(r->stack, (uint32_t)passed);
    if (r->client.rtc)
        kw_rtc_tick(r->client.rtc, r->now_ms);
    if (r->server.rtc)
        kw_rtc_tick(r->server.rtc, r->now_ms);
}

/* Until *flag, at most so long. */
static bool run_until(rig *r, const bool *flag, uint64_t max_ms)
{
    const uint64_t until = clock_ms() + max_ms;
    while (!*flag && clock_ms() < until) {
        while (step(r))
            ;
        if (!*flag)
            (void)usleep(1000);
        tick(r);
    }
    return *flag;
}

static void open_end(rig *r, end *e, uint8_t seed)
{
    uint8_t key[32];
    memset(key, seed, sizeof key);
    e->rig = r;
    assert_int_equal(kw_identity_of_seed(key, &e->identity, NULL), KW_OK);
    assert_int_equal(kw_certificate_new(&e->certificate, NULL), KW_OK);
    assert_int_equal(kw_dtls_context_open(e->certificate, &e->context, NULL), KW_OK);
}

static rig *open_rig(uint32_t seed, uint32_t loss)
{
    rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->random = seed;
    r->loss = loss;
    r->now_ms = clock_ms();
    assert_int_equal(kw_sctp_stack_open(&r->stack, NULL), KW_OK);
    open_end(r, &r->client, 1);
    open_end(r, &r->server, 2);
    return r;
}

static void dial(rig *r, const uint8_t *hash)
{
    kw_dtls *dtls;
    assert_int_equal(kw_dtls_dial(r->client.context, &dtls, NULL), KW_OK);
    begin(r, &r->client, dtls, hash);
    kw_rtc_tick(r->client.rtc, r->now_ms); /* which sends the first flight */
}

static void connect_both(rig *r)
{
    dial(r, kw_certificate_hash(r->server.certificate));
    assert_true(run_until(r, &r->client.secured, 10000));
    assert_true(run_until(r, &r->server.secured, 10000));
    assert_true(kw_peer_id_equal(&r->client.peer, &r->server.identity.id));
    assert_true(kw_peer_id_equal(&r->server.peer, &r->client.identity.id));
}

static void free_end(end *e)
{
    if (e->connection && !e->closed)
        kw_connection_lost(e->connection, KW_E_CANCELLED);
    kw_connection_free(e->connection);
    kw_rtc_free(e->rtc);
    kw_dtls_context_close(e->context);
    kw_certificate_free(e->certificate);
    for (size_t i = 0; i < e->n_wire; i++)
        free(e->wire[i].data);
}

static void close_rig(rig *r)
{
    free_end(&r->client);
    free_end(&r->server);
    assert_int_equal(r->client.n_echoing + r->server.n_echoing, 0);
    kw_sctp_stack_close(r->stack);
    free(r);
}

static void open_sender(end *from, sender *s, size_t total)
{
    static const char *const protocols[] = {ECHO};
    *s = (sender){.end = from, .total = total, .seed = (uint8_t)total};
    kw_connection_stream(from->connection, protocols, 1, on_opened, s);
}

static bool all_closed(rig *r, const sender *s, size_t n, uint64_t max_ms)
{
    for (size_t i = 0; i < n; i++)
        if (!run_until(r, &s[i].closed, max_ms))
            return false;
    return true;
}

/* ---- tests ---- */

static void streams(uint32_t seed, uint32_t loss)
{
    enum { N = 8 };
    rig *r = open_rig(seed, loss);
    connect_both(r);
    sender s[2 * N];
    for (size_t i = 0; i < N; i++) {
        open_sender(&r->client, &s[2 * i], i * i * 7001);
        open_sender(&r->server, &s[2 * i + 1], i * 1999);
    }
    assert_true(all_closed(r, s, KW_COUNT(s), 30000));
    for (size_t i = 0; i < KW_COUNT(s); i++) {
        assert_int_equal(s[i].why, KW_OK);
        assert_true(s[i].ended);
        assert_int_equal(s[i].received, s[i].total);
    }
    assert_false(r->client.lost || r->server.lost);
    close_rig(r);
}

static void a_good_wire(void **state)
{
    (void)state;
    streams(1, 0);
}

static void bad_wires(void **state)
{
    (void)state;
    for (uint32_t seed = 2; seed < 6; seed++)
        streams(seed, seed + 1);
}

/* More streams one after the other than there are channels. */
static void channels_are_used_again(void **state)
{
    (void)state;
    rig *r = open_rig(7, 0);
    connect_both(r);
    for (int round = 0; round < 20; round++) {
        sender s[40];
        for (size_t i = 0; i < KW_COUNT(s); i++)
            open_sender(i % 2 ? &r->client : &r->server, &s[i], 100 + i);
        assert_true(all_closed(r, s, KW_COUNT(s), 10000));
        for (size_t i = 0; i < KW_COUNT(s); i++)
            assert_int_equal(s[i].received, s[i].total);
    }
    const kw_connection *const c = r->client.connection;
    assert_int_equal(kw_connection_streams(c), 0);
    close_rig(r);
}

static void the_end_is_told(void **state)
{
    (void)state;
    rig *r = open_rig(8, 0);
    connect_both(r);
    sender s;
    open_sender(&r->client, &s, 100000);
    s.stays = true;
    assert_true(run_until(r, &s.opened, 5000));
    kw_rtc_close(r->server.rtc);
    assert_true(run_until(r, &r->client.lost, 5000));
    assert_true(r->client.closed && s.closed);
    assert_int_not_equal(s.why, KW_OK);
    close_rig(r);
}

static void another_certificate_is_refused(void **state)
{
    (void)state;
    rig *r = open_rig(9, 0);
    dial(r, kw_certificate_hash(r->client.certificate));
    assert_true(run_until(r, &r->client.lost, 5000));
    assert_false(r->client.secured || r->server.secured);
    close_rig(r);
}

/* Datagrams that are not a first flight: nothing is opened, nothing long is answered. */
static void strangers(void **state)
{
    (void)state;
    rig *r = open_rig(10, 0);
    const kw_bytes address = {(const uint8_t *)"stranger", 8};
    kw_dtls *dtls;
    assert_int_equal(kw_dtls_dial(r->client.context, &dtls, NULL), KW_OK);
    begin(r, &r->client, dtls, NULL);
    kw_rtc_tick(r->client.rtc, r->now_ms);
    assert_int_equal(r->client.n_wire, 1);
    const datagram hello = r->client.wire[0];
    for (int i = 0; i < 3000; i++) {
        uint8_t bytes[300];
        size_t len = 1 + draw(r, sizeof bytes);
        kw_buf reply = {0};
        kw_dtls *opened = NULL;
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = k < hello.len && i % 3 ? hello.data[k] : (uint8_t)draw(r, 256);
        if (i % 3) /* the hello, with some bytes changed */
            len = KW_MIN(hello.len, sizeof bytes);
        for (int k = 0; k < i % 3 * 2; k++)
            bytes[draw(r, (uint32_t)len)] = (uint8_t)draw(r, 256);
        assert_int_equal(kw_dtls_greet(r->server.context, address, (kw_bytes){bytes, len}, &reply,
                                       &opened, NULL),
                         KW_OK);
        assert_null(opened);
        assert_true(reply.len <= len);
        kw_buf_free(&reply);
    }
    close_rig(r);
}

/* What is not DTLS in the middle of a connection does it no harm. */
static void garbage_between(void **state)
{
    (void)state;
    rig *r = open_rig(11, 0);
    connect_both(r);
    sender s;
    open_sender(&r->client, &s, 200000);
    for (int i = 0; i < 2000 && !s.closed; i++) {
        uint8_t bytes[200];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)draw(r, 256);
        bytes[0] = (uint8_t)(20 + draw(r, 44));
        kw_rtc_receive(r->server.rtc, (kw_bytes){bytes, 1 + draw(r, 199)}, r->now_ms);
        kw_rtc_receive(r->client.rtc, (kw_bytes){bytes, 1 + draw(r, 199)}, r->now_ms);
        (void)step(r);
        if (i % 8 == 0)
            tick(r);
    }
    assert_true(run_until(r, &s.closed, 20000));
    assert_int_equal(s.received, s.total);
    assert_false(r->client.lost || r->server.lost);
    close_rig(r);
}

static void a_certificate_is_kept(void **state)
{
    (void)state;
    kw_certificate *made, *read;
    kw_buf pem = {0};
    assert_int_equal(kw_certificate_new(&made, NULL), KW_OK);
    assert_int_equal(kw_certificate_write(made, &pem, NULL), KW_OK);
    const kw_bytes text = {(const uint8_t *)pem.data, pem.len};
    assert_int_equal(kw_certificate_read(text, &read, NULL), KW_OK);
    assert_memory_equal(kw_certificate_hash(made), kw_certificate_hash(read), 32);
    kw_certificate_free(read);
    for (size_t n = 0; n < pem.len; n += 29)
        assert_int_equal(kw_certificate_read((kw_bytes){text.data, n}, &read, NULL), KW_E_FORMAT);
    kw_certificate_free(made);
    kw_buf_free(&pem);
}

static void one_loop_has_it(void **state)
{
    (void)state;
    kw_sctp_stack *one, *two;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kw_sctp_stack_open(&one, NULL), KW_OK);
        assert_int_equal(kw_sctp_stack_open(&two, NULL), KW_E_LIMIT);
        kw_sctp_stack_close(one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_loop_has_it),
                                       cmocka_unit_test(a_good_wire),
                                       cmocka_unit_test(bad_wires),
                                       cmocka_unit_test(channels_are_used_again),
                                       cmocka_unit_test(the_end_is_told),
                                       cmocka_unit_test(another_certificate_is_refused),
                                       cmocka_unit_test(strangers),
                                       cmocka_unit_test(garbage_between),
                                       cmocka_unit_test(a_certificate_is_kept)};
    if (!kw_sctp_there()) {
        print_message("skipped: this build has no SCTP (libusrsctp-dev)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
