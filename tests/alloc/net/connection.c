/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* connection.c - each allocation fails once from the first byte of a connection to the last of a
 * stream, over a wire that has its room already. Whoever had no memory says so: a connection is not
 * opened or ends, a stream does not come or breaks. OpenSSL allocates behind the wraps. */
#include "alloc_each.h"

#include "base/check.h"
#include "net/connection.h"

#include <string.h>

#define WIRE ((size_t)4 << 20)
#define BYTES ((size_t)600 << 10) /* more than a window, and than two frames */

typedef struct end {
    kw_connection *connection;
    kw_identity identity;
    uint8_t *wire; /* [WIRE] on its way to the other end */
    size_t sent, taken;
    bool over;
} end;

typedef struct world {
    end ends[2];
    size_t echoed, written;
    bool opened, failed; /* failed: somebody was told of something */
    bool done;
} world;

static world w;
static uint8_t wires[2][WIRE];
static const char *const protocol = "/test/1";

static void on_send(void *user, kw_bytes bytes)
{
    end *const e = user;
    assert_true(bytes.len <= WIRE - e->sent);
    memcpy(e->wire + e->sent, bytes.data, bytes.len);
    e->sent += bytes.len;
}

static void on_secured(void *user, const kw_peer_id *peer)
{
    (void)user;
    (void)peer;
}

/* ---- one end sends back what it gets ---- */

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

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)stream;
    w.failed |= why != KW_OK;
    w.done |= user != NULL;
}

static const kw_stream_events echo_events = {
    .data = echo_data, .end = echo_end, .closed = on_closed};

static bool on_incoming(void *user, kw_stream *stream, const char *id)
{
    (void)user;
    (void)id;
    kw_stream_listen(stream, &echo_events, NULL);
    return true;
}

static bool on_speaks(void *user, const char *id)
{
    (void)user;
    return strcmp(id, protocol) == 0;
}

static void on_connection_closed(void *user, kw_status why, const char *reason)
{
    end *const e = user;
    (void)why;
    assert_non_null(reason);
    e->over = true;
    w.failed = true;
}

/* ---- the other one sends ---- */

static void push(kw_stream *stream)
{
    static const uint8_t piece[40000];
    while (w.written < BYTES && kw_stream_flows(stream)) {
        const kw_bytes some = {piece, KW_MIN(sizeof piece, BYTES - w.written)};
        if (kw_stream_write(stream, some, NULL) != KW_OK)
            return; /* it was reset */
        w.written += some.len;
    }
    if (w.written == BYTES)
        kw_stream_finish(stream);
}

static void client_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    w.echoed += bytes.len;
}

static void client_drained(void *user, kw_stream *stream)
{
    (void)user;
    push(stream);
}

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    static const kw_stream_events events = {
        .data = client_data, .drained = client_drained, .closed = on_closed};
    (void)user;
    w.opened = true;
    if (!stream) {
        assert_int_not_equal(status, KW_OK);
        assert_non_null(why);
        w.failed = w.done = true;
        return;
    }
    kw_stream_listen(stream, &events, &w);
    push(stream);
}

/* ---- the wire ---- */

static bool pass(int from, uint64_t now_ms)
{
    end *const e = &w.ends[from];
    kw_connection *const to = w.ends[1 - from].connection;
    const size_t n = KW_MIN(e->sent - e->taken, (size_t)50000);
    if (n == 0 || !to)
        return false;
    kw_connection_receive(to, (kw_bytes){e->wire + e->taken, n}, now_ms);
    e->taken += n;
    return true;
}

static bool pass_both(uint64_t now_ms)
{
    const bool forth = pass(0, now_ms), back = pass(1, now_ms);
    return forth || back;
}

static kw_status open_ends(kw_error *err)
{
    static const kw_connection_owner owner = {.send = on_send,
                                              .secured = on_secured,
                                              .incoming = on_incoming,
                                              .speaks = on_speaks,
                                              .closed = on_connection_closed};
    for (int i = 0; i < 2; i++) {
        end *const e = &w.ends[i];
        const uint8_t seed[32] = {(uint8_t)(i + 1)};
        e->wire = wires[i];
        KW_TRY(kw_identity_of_seed(seed, &e->identity, err));
        const kw_connection_config config = {.identity = &e->identity,
                                             .owner = &owner,
                                             .user = e,
                                             .initiator = i == 0,
                                             .now_ms = 1000};
        KW_TRY(kw_connection_open(&config, &e->connection, err));
    }
    return KW_OK;
}

static kw_status converse(kw_error *err)
{
    KW_TRY(open_ends(err));
    bool asked = false;
    for (uint64_t now = 1000; pass_both(now); now++) {
        if (asked || w.ends[0].over || kw_connection_key(w.ends[0].connection).len == 0)
            continue;
        asked = true;
        w.opened = false;
        kw_connection_stream(w.ends[0].connection, &protocol, 1, on_opened, NULL);
        /* Before the end of the handshake it is refused at once, and asked for again. */
        if (w.opened && w.done && !w.ends[0].over) {
            asked = w.done = false;
            w.failed = false;
        }
    }
    for (int i = 0; i < 2; i++) {
        kw_connection_tick(w.ends[i].connection, 2000);
        if (!w.ends[i].over)
            kw_connection_close(w.ends[i].connection);
    }
    return KW_OK;
}

static kw_status operation(void *user, kw_error *err)
{
    (void)user;
    w = (world){0};
    kw_status status = converse(err);
    const bool through = w.echoed == BYTES && w.done;
    for (int i = 0; i < 2; i++)
        kw_connection_free(w.ends[i].connection);
    if (status == KW_OK && !through) {
        assert_true(w.failed);
        status = KW_E_NOMEM;
    }
    return status;
}

static void test_connection(void **state)
{
    (void)state;
    alloc_each(operation, NULL, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_connection)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
