/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* websocket.c - frames of every length both ways, cut at every byte, control frames, what is
 * refused, and the key of RFC 6455. */
#include "net/websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/sha1.h"

typedef struct got {
    kw_buf data, sent;
} got;

static void on_data(void *user, kw_bytes bytes)
{
    kw_buf_add(&((got *)user)->data, (const char *)bytes.data, bytes.len);
}

static void on_send(void *user, kw_bytes bytes)
{
    kw_buf_add(&((got *)user)->sent, (const char *)bytes.data, bytes.len);
}

static const kw_ws_events events = {.data = on_data, .send = on_send};
static const uint8_t mask[4] = {0xde, 0xad, 0xbe, 0xef};

static void free_got(got *g)
{
    kw_buf_free(&g->data);
    kw_buf_free(&g->sent);
}

/* What a side makes of these bytes, fed `step` at a time. */
static kw_status feed(kw_ws *ws, const void *bytes, size_t len, size_t step, got *g)
{
    uint8_t copy[64];
    kw_error err;
    for (size_t at = 0; at < len; at += step) {
        const size_t n = step < len - at ? step : len - at;
        memcpy(copy, (const uint8_t *)bytes + at, n);
        const kw_status status = kw_ws_feed(ws, copy, n, &events, g, &err);
        if (status != KW_OK)
            return status;
    }
    return KW_OK;
}

static void every_length_both_ways(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 70001};
    static uint8_t payload[70001];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 31);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (int client = 0; client < 2; client++) {
            kw_ws from = {.client = client == 1}, to = {.client = client == 0};
            kw_buf frame = {0};
            got g = {0};
            kw_ws_frame(&from, (kw_bytes){payload, lengths[i]}, mask, &frame);
            kw_ws_frame(&from, (kw_bytes){payload, 3}, mask, &frame);
            assert_int_equal(feed(&to, frame.data, frame.len, 1 + i * 7, &g), KW_OK);
            assert_int_equal(g.data.len, lengths[i] + 3);
            assert_memory_equal(g.data.data, payload, lengths[i]);
            assert_int_equal(g.sent.len, 0);
            free_got(&g);
            kw_buf_free(&frame);
        }
    }
}

static void control_frames_are_answered(void **state)
{
    (void)state;
    /* a message in two pieces with a ping between, then close 1000; masks of zeros */
    static const uint8_t bytes[] = {0x02, 0x81, 0,   0,   0,    0,    'a',  0x89, 0x82, 0,   0,
                                    0,    0,    'h', 'i', 0x80, 0x81, 0,    0,    0,    0,   'b',
                                    0x88, 0x82, 0,   0,   0,    0,    0x03, 0xe8, 0xff, 0xff};
    for (size_t step = 1; step <= sizeof bytes; step++) {
        kw_ws server = {.client = false};
        got g = {0};
        assert_int_equal(feed(&server, bytes, sizeof bytes, step, &g), KW_OK);
        assert_int_equal(g.data.len, 2);
        assert_memory_equal(g.data.data, "ab", 2);
        assert_int_equal(g.sent.len, 8);
        assert_memory_equal(g.sent.data, "\x8a\x02hi\x88\x02\x03\xe8", 8);
        assert_true(server.closed);
        free_got(&g);
    }
}

static void what_breaks_the_rules_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[14];
        kw_status status;
    } bad[] = {{{0x82, 0x01, 'a'}, KW_E_FORMAT},                      /* bare, from a client */
               {{0xc2, 0x81, 0, 0, 0, 0, 'a'}, KW_E_FORMAT},          /* an extension's bit */
               {{0x81, 0x81, 0, 0, 0, 0, 'a'}, KW_E_FORMAT},          /* text */
               {{0x80, 0x81, 0, 0, 0, 0, 'a'}, KW_E_FORMAT},          /* goes on with nothing */
               {{0x09, 0x80, 0, 0, 0, 0}, KW_E_FORMAT},               /* a ping in pieces */
               {{0x89, 0xfe, 0, 126, 0, 0, 0, 0}, KW_E_FORMAT},       /* a ping too long */
               {{0x8b, 0x80, 0, 0, 0, 0}, KW_E_FORMAT},               /* no such control */
               {{0x82, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 1}, KW_E_LIMIT}, /* above 4 MiB */
               {{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, KW_E_LIMIT}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kw_ws server = {.client = false};
        got g = {0};
        assert_int_equal(feed(&server, bad[i].bytes, sizeof bad[i].bytes, 14, &g), bad[i].status);
        free_got(&g);
    }
    kw_ws client = {.client = true};
    got g = {0};
    assert_int_equal(feed(&client, "\x82\x81\0\0\0\0a", 7, 7, &g), KW_E_FORMAT);
    free_got(&g);
}

static void keys_are_those_of_the_rfc(void **state)
{
    (void)state;
    char text[KW_WS_ACCEPT_LEN + 1];
    uint8_t digest[20];
    kw_ws_accept(KW_STR("dGhlIHNhbXBsZSBub25jZQ=="), text);
    assert_string_equal(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    kw_ws_key((const uint8_t *)"the sample nonce", text);
    assert_string_equal(text, "dGhlIHNhbXBsZSBub25jZQ==");
    kw_sha1(
        (kw_bytes){(const uint8_t *)"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56},
        digest);
    assert_memory_equal(digest,
                        "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae\x4a\xa1\xf9\x51\x29\xe5\xe5"
                        "\x46\x70\xf1",
                        20);
    assert_true(kw_ws_answered(KW_STR("HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
                                      "connection: Upgrade\r\n"
                                      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
                               KW_STR("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_false(
        kw_ws_answered(KW_STR("HTTP/1.1 200 OK\r\n"
                              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
                       KW_STR("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_false(kw_ws_answered(KW_STR("HTTP/1.1 101 x\r\nSec-WebSocket-Accept: x\r\n\r\n"),
                                KW_STR("dGhlIHNhbXBsZSBub25jZQ==")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_length_both_ways),
                                       cmocka_unit_test(control_frames_are_answered),
                                       cmocka_unit_test(what_breaks_the_rules_is_refused),
                                       cmocka_unit_test(keys_are_those_of_the_rfc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
