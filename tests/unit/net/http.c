/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http.c - requests cut at every byte, several at once, ranges, bodies as the socket takes them,
 * WebSocket upgrades, and what is refused. */
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* A connection whose socket takes `room` bytes until it is emptied. */
typedef struct side {
    kw_http *http;
    kw_buf out;
    size_t room;
    int n_requests, n_done, n_sent;
    bool closed, upgrade, later;
    kw_http_request *waiting;
    kw_buf rest;
} side;

static const char body[] = "0123456789";

static kw_status next(void *user, uint64_t offset, size_t max, kw_bytes *out, bool *ended)
{
    (void)user;
    const size_t left = sizeof body - 1 - (size_t)offset;
    *out = (kw_bytes){(const uint8_t *)body + offset, left < max ? left : max};
    *ended = left == 0;
    return KW_OK;
}

static void done(void *user, bool sent)
{
    side *s = user;
    s->n_done++;
    s->n_sent += sent;
}

static void on_send(void *user, kw_bytes bytes)
{
    side *s = user;
    kw_buf_add(&s->out, (const char *)bytes.data, bytes.len);
    s->room -= bytes.len < s->room ? bytes.len : s->room;
}

static size_t on_room(void *user)
{
    return ((side *)user)->room;
}

static void answer(side *s, kw_http_request *request)
{
    kw_http_reply_t reply = {.status = 200,
                             .type = "text/plain",
                             .size = sizeof body - 1,
                             .ranges = true,
                             .next = next,
                             .done = done,
                             .user = s};
    if (kw_str_is(kw_http_path(request), "/stream")) {
        reply.size = KW_HTTP_SIZE_UNKNOWN;
        reply.ranges = false;
    }
    kw_http_reply(request, &reply);
}

static void on_request(void *user, kw_http_request *request)
{
    side *s = user;
    s->n_requests++;
    if (s->later)
        s->waiting = request;
    else
        answer(s, request);
}

static bool on_upgrade(void *user, kw_str key, uint8_t *rest, size_t n)
{
    side *s = user;
    assert_int_equal(key.len, 24);
    kw_buf_add(&s->rest, (const char *)rest, n);
    s->upgrade = true;
    return true;
}

static void on_close(void *user)
{
    ((side *)user)->closed = true;
}

static const kw_http_owner owner = {.send = on_send,
                                    .room = on_room,
                                    .request = on_request,
                                    .upgrade = on_upgrade,
                                    .close = on_close};

static void open_side(side *s)
{
    *s = (side){.room = 1 << 20};
    assert_int_equal(kw_http_open(&owner, s, &s->http, NULL), KW_OK);
}

static void feed(side *s, const char *text, size_t step)
{
    const size_t len = strlen(text);
    for (size_t at = 0; at < len; at += step)
        kw_http_receive(s->http,
                        (kw_bytes){(const uint8_t *)text + at, step < len - at ? step : len - at});
}

static void close_side(side *s)
{
    kw_http_free(s->http);
    kw_buf_free(&s->out);
    kw_buf_free(&s->rest);
}

/* Whether the answers to `text` have this in them. */
static bool says(const char *text, const char *wanted)
{
    side s;
    open_side(&s);
    feed(&s, text, 1000);
    const bool has = s.out.data && strstr(s.out.data, wanted);
    if (!has)
        print_message("%s\n", s.out.data ? s.out.data : "nothing");
    close_side(&s);
    return has;
}

static void requests_in_pieces_and_in_a_row(void **state)
{
    (void)state;
    static const char text[] =
        "GET /a?x=1&yy=2 HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n"
        "HEAD /b HTTP/1.1\r\n\r\n"
        "GET /stream HTTP/1.1\r\n\r\n"
        "GET /c HTTP/1.1\r\nConnection: close\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
    kw_buf first = {0};
    for (size_t step = 1; step < sizeof text; step += step < 5 ? 1 : 13) {
        side s;
        open_side(&s);
        feed(&s, text, step);
        assert_int_equal(s.n_requests, 4);
        assert_int_equal(s.n_sent, 4);
        assert_true(s.closed);
        if (step == 1) {
            kw_buf_add(&first, s.out.data, s.out.len);
            assert_non_null(strstr(s.out.data, "\r\n\r\na\r\n0123456789\r\n0\r\n\r\nHTTP"));
        }
        assert_string_equal(s.out.data, first.data);
        close_side(&s);
    }
    kw_buf_free(&first);
}

static void bodies_wait_for_room(void **state)
{
    (void)state;
    side s;
    open_side(&s);
    s.later = true;
    feed(&s, "GET / HTTP/1.1\r\nRange: bytes=2-8\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", 100);
    feed(&s, "GET /3 HTTP/1.1\r\n\r\n", 3);
    assert_true(s.n_requests == 1 && kw_http_busy(s.http));
    s.room = 0;
    answer(&s, s.waiting);
    assert_int_equal(s.n_done, 0);
    for (int i = 0; i < 7; i++) {
        s.room = 1;
        s.later = i < 6;
        kw_http_drained(s.http);
    }
    assert_int_equal(s.n_requests, 2);
    assert_non_null(strstr(s.out.data, "206 Partial Content"));
    assert_non_null(strstr(s.out.data, "Content-Range: bytes 2-8/10\r\n"));
    assert_non_null(strstr(s.out.data, "\r\n\r\n2345678HTTP/1.1 200"));
    close_side(&s); /* in the middle of the second: done comes, and says that it was not sent */
    assert_true(s.n_done == 2 && s.n_sent == 1);
}

static void ranges(void **state)
{
    (void)state;
    uint64_t from, to;
    assert_int_equal(kw_http_range(KW_STR("bytes=0-0"), 10, &from, &to), KW_OK);
    assert_true(from == 0 && to == 1);
    assert_int_equal(kw_http_range(KW_STR("bytes=3-"), 10, &from, &to), KW_OK);
    assert_true(from == 3 && to == 10);
    assert_int_equal(kw_http_range(KW_STR("bytes=-4"), 10, &from, &to), KW_OK);
    assert_true(from == 6 && to == 10);
    assert_int_equal(kw_http_range(KW_STR("bytes=-40"), 10, &from, &to), KW_OK);
    assert_true(from == 0 && to == 10);
    assert_int_equal(kw_http_range(KW_STR("bytes=9-4000000000000000000"), 10, &from, &to), KW_OK);
    assert_true(from == 9 && to == 10);
    assert_int_equal(kw_http_range(KW_STR("bytes=10-"), 10, &from, &to), KW_E_LIMIT);
    assert_int_equal(kw_http_range(KW_STR("bytes=-0"), 10, &from, &to), KW_E_LIMIT);
    assert_int_equal(kw_http_range(KW_STR("bytes=0-"), 0, &from, &to), KW_E_LIMIT);
    static const char *const ignored[] = {"",
                                          "bytes=",
                                          "bytes=-",
                                          "bytes=5-4",
                                          "bytes=1-2,4-5",
                                          "items=1-2",
                                          "bytes=x-2",
                                          "bytes=99999999999999999999-"};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        assert_int_equal(kw_http_range(kw_str_from(ignored[i]), 10, &from, &to), KW_E_NOTFOUND);
    assert_true(says("GET / HTTP/1.1\r\nRange: bytes=10-\r\n\r\n", "416 Range Not"));
    assert_true(says("GET / HTTP/1.1\r\nRange: bytes=10-\r\n\r\n", "bytes */10\r\n"));
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    assert_true(says("GET\r\n\r\n", "400"));
    assert_true(says("GET / HTTP/2.0\r\n\r\n", "400"));
    assert_true(says("GET x HTTP/1.1\r\n\r\n", "400"));
    assert_true(says("GET / HTTP/1.1\r\nA : b\r\n\r\n", "400"));
    assert_true(says("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", "400"));
    assert_true(says("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "400"));
    assert_true(says("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"));
    assert_true(says("POST / HTTP/1.1\r\n\r\n", "405"));
    assert_true(says("GET / HTTP/1.0\r\n\r\n", "Connection: close"));
    char longer[KW_HTTP_HEAD_MAX + 100];
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "GET /", 5);
    longer[sizeof longer - 1] = 0;
    assert_true(says(longer, "431"));
}

static void websockets_are_handed_over(void **state)
{
    (void)state;
    side s;
    open_side(&s);
    feed(&s,
         "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nrest",
         1000);
    assert_true(s.upgrade && !s.closed && s.n_requests == 0);
    assert_true(s.rest.len == 4 && memcmp(s.rest.data, "rest", 4) == 0);
    close_side(&s);
    assert_true(
        says("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             "400"));
}

static void queries_are_found(void **state)
{
    (void)state;
    side s;
    kw_str value;
    open_side(&s);
    s.later = true;
    feed(&s, "GET /ipfs/x?format=car&dag-scope=all&=&x HTTP/1.1\r\nAccept: a\r\n\r\n", 9);
    assert_true(kw_str_is(kw_http_path(s.waiting), "/ipfs/x"));
    assert_true(kw_http_parameter(s.waiting, "dag-scope", &value) && kw_str_is(value, "all"));
    assert_true(kw_http_parameter(s.waiting, "format", &value) && kw_str_is(value, "car"));
    assert_false(kw_http_parameter(s.waiting, "form", &value));
    assert_false(kw_http_parameter(s.waiting, "x", &value));
    assert_true(kw_str_is(kw_http_field(s.waiting, "ACCEPT"), "a"));
    assert_int_equal(kw_http_field(s.waiting, "b").len, 0);
    close_side(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests_in_pieces_and_in_a_row),
                                       cmocka_unit_test(bodies_wait_for_room),
                                       cmocka_unit_test(ranges),
                                       cmocka_unit_test(what_is_no_request_is_refused),
                                       cmocka_unit_test(websockets_are_handed_over),
                                       cmocka_unit_test(queries_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
