/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http_answer.c - answers cut at every byte, in each framing, and what is refused. */
#include "net/http_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct taken {
    unsigned status;
    int n_heads;
    kw_buf body;
    size_t most; /* bytes of the body that are wanted */
} taken;

static bool on_head(void *user, unsigned status, const kw_http_head *head)
{
    taken *const t = user;
    (void)head;
    t->status = status;
    t->n_heads++;
    return true;
}

static bool on_body(void *user, kw_bytes bytes)
{
    taken *const t = user;
    kw_buf_add(&t->body, (const char *)bytes.data, bytes.len);
    return t->body.len <= t->most;
}

static const kw_http_answer_events events = {.head = on_head, .body = on_body};

/* In pieces of `step`; then, when nothing broke, the stream ends. *whole: before that end. */
static kw_status run(const char *text, bool head_only, size_t step, taken *out, bool *whole)
{
    kw_http_answer a = kw_http_answer_of(head_only);
    kw_status status = KW_OK;
    kw_error err;
    *out = (taken){.most = SIZE_MAX};
    for (size_t at = 0, len = strlen(text); at < len && status == KW_OK; at += step) {
        const kw_bytes piece = {(const uint8_t *)text + at, step < len - at ? step : len - at};
        status = kw_http_answer_take(&a, piece, &events, out, &err);
    }
    *whole = kw_http_answer_whole(&a);
    if (status == KW_OK)
        status = kw_http_answer_end(&a, &err);
    kw_http_answer_free(&a);
    return status;
}

static void framings(void **state)
{
    static const struct {
        const char *text, *body;
        unsigned status;
        bool head_only, whole; /* whole: without the end of the stream */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, false, true},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "", 404, false, true},
        {"HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", 200, false, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", 200, true, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", 200, true, true},
        {"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "", 304, false, true},
        {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", 200,
         false, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nB;a=b\r\ndefghijklmn\r\n"
         "0\r\n\r\n",
         "abcdefghijklmn", 200, false, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", "a",
         200, false, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t step = 1; step <= strlen(cases[i].text); step++) {
            taken t;
            bool whole;
            assert_int_equal(run(cases[i].text, cases[i].head_only, step, &t, &whole), KW_OK);
            assert_int_equal(t.status, cases[i].status);
            assert_int_equal(t.n_heads, 1);
            assert_int_equal(whole, cases[i].whole);
            assert_int_equal(t.body.len, strlen(cases[i].body));
            if (t.body.len > 0)
                assert_memory_equal(t.body.data, cases[i].body, t.body.len);
            kw_buf_free(&t.body);
        }
}

static void refused(void **state)
{
#define CHUNKS "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    static const struct {
        const char *text;
        kw_status status;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", KW_E_IO},
        {"HTTP/1.1 200 OK\r\nContent-", KW_E_IO},
        {CHUNKS "3\r\nabc\r\n", KW_E_IO},
        {CHUNKS "0\r\n", KW_E_IO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", KW_E_FORMAT},
        {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", KW_E_FORMAT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", KW_E_FORMAT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", KW_E_FORMAT},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", KW_E_FORMAT},
        {"HTTP/1.1 5/9 OK\r\n\r\n", KW_E_FORMAT},
        {"HTTP/1.1 99 OK\r\n\r\n", KW_E_FORMAT},
        {"HTTP/2 200 OK\r\n\r\n", KW_E_FORMAT},
        {"SSH-2.0-x y\r\n\r\n", KW_E_FORMAT},
        {CHUNKS "x\r\nabc\r\n", KW_E_FORMAT},
        {CHUNKS "\r\n", KW_E_FORMAT},
        {CHUNKS "3\nabc\r\n", KW_E_FORMAT},
        {CHUNKS "1000000000000000\r\n", KW_E_FORMAT},
        {CHUNKS "3\r\nabcd\r\n", KW_E_FORMAT},
        {CHUNKS "0\r\n\r\nx", KW_E_FORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t step = 1; step <= strlen(cases[i].text); step++) {
            taken t;
            bool whole;
            assert_int_equal(run(cases[i].text, false, step, &t, &whole), cases[i].status);
            kw_buf_free(&t.body);
        }
}

/* Nothing grows without end: a head, the line of a chunk, trailers. */
static void bounded(void **state)
{
    static const char *const begins[] = {"HTTP/1.1 200 OK\r\nX: ", CHUNKS "3;", CHUNKS "0\r\nX: "};
    static uint8_t filling[2 * KW_HTTP_HEAD_MAX];
    (void)state;
    memset(filling, 'x', sizeof filling);
    for (size_t i = 0; i < 3; i++) {
        taken t = {.most = SIZE_MAX};
        kw_http_answer a = kw_http_answer_of(false);
        const kw_bytes begin = {(const uint8_t *)begins[i], strlen(begins[i])};
        assert_int_equal(kw_http_answer_take(&a, begin, &events, &t, NULL), KW_OK);
        assert_int_equal(
            kw_http_answer_take(&a, (kw_bytes){filling, sizeof filling}, &events, &t, NULL),
            KW_E_LIMIT);
        kw_http_answer_free(&a);
    }
}

static void unwanted(void **state)
{
    const char *const text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    taken t = {.most = 2};
    kw_http_answer a = kw_http_answer_of(false);
    (void)state;
    assert_int_equal(
        kw_http_answer_take(&a, (kw_bytes){(const uint8_t *)text, strlen(text)}, &events, &t, NULL),
        KW_E_CANCELLED);
    kw_http_answer_free(&a);
    kw_buf_free(&t.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(framings), cmocka_unit_test(refused),
                                       cmocka_unit_test(bounded), cmocka_unit_test(unwanted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
