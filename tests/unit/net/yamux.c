/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* yamux.c - the rules that a peer may break and what that costs it: a muxer alone, fed with frames
 * made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/muxer.h"

enum { DATA, UPDATE, PING, AWAY };
enum { SYN = 1, ACK = 2, FIN = 4, RST = 8 };

typedef struct rig {
    kw_muxer muxer;
    kw_peer_id peer;
    size_t n_frames, n_resets, n_pongs;
    bool held;
    kw_status failed;
    int n_opened, n_ended, n_closed;
    size_t heard;
    kw_status why;
} rig;

static void write_frame(void *user, kw_bytes header, kw_bytes payload)
{
    rig *r = user;
    (void)payload;
    assert_int_equal(header.len, KW_YAMUX_HEADER);
    r->n_frames++;
    r->n_resets += (header.data[3] & RST) != 0;
    r->n_pongs += header.data[1] == PING && header.data[3] == ACK;
}

static bool held(void *user)
{
    return ((rig *)user)->held;
}

static void on_data(void *user, kw_stream *s, kw_bytes bytes)
{
    (void)s;
    ((rig *)user)->heard += bytes.len;
}

static void on_end(void *user, kw_stream *s)
{
    (void)s;
    ((rig *)user)->n_ended++;
}

static void on_closed(void *user, kw_stream *s, kw_status why)
{
    (void)s;
    ((rig *)user)->n_closed++;
    ((rig *)user)->why = why;
}

static const kw_stream_events events = {.data = on_data, .end = on_end, .closed = on_closed};

static bool incoming(void *user, kw_stream *stream, const char *protocol)
{
    assert_string_equal(protocol, "/x");
    ((rig *)user)->n_opened++;
    kw_stream_listen(stream, &events, user);
    return true;
}

static bool speaks(void *user, const char *protocol)
{
    (void)user;
    return strcmp(protocol, "/x") == 0;
}

static void on_fail(void *user, kw_status status, const char *reason)
{
    rig *r = user;
    assert_true(reason[0] != '\0');
    if (r->failed == KW_OK)
        r->failed = status;
    kw_muxer_end(&r->muxer, KW_E_IO);
}

static void soon(void *user)
{
    (void)user;
}

static const kw_muxer_owner owner = {.write = write_frame,
                                     .held = held,
                                     .incoming = incoming,
                                     .speaks = speaks,
                                     .fail = on_fail,
                                     .soon = soon};

static rig *rig_open(void)
{
    rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->muxer = (kw_muxer){.owner = &owner,
                          .owner_user = r,
                          .peer = &r->peer,
                          .max_inbound = 4,
                          .max_window = KW_YAMUX_WINDOW,
                          .now_ms = 1000};
    assert_int_equal(kw_muxer_open(&r->muxer, NULL), KW_OK);
    return r;
}

static void rig_free(rig *r)
{
    kw_muxer_end(&r->muxer, KW_E_IO);
    kw_muxer_sweep(&r->muxer);
    kw_muxer_free(&r->muxer);
    free(r);
}

static void feed(rig *r, int type, int flags, uint32_t id, uint32_t length, const char *body)
{
    uint8_t frame[KW_YAMUX_HEADER + 64] = {0, (uint8_t)type, 0, (uint8_t)flags};
    const size_t n = body ? length : 0;
    assert_true(n <= 64);
    for (int i = 0; i < 4; i++) {
        frame[4 + i] = (uint8_t)(id >> (24 - 8 * i));
        frame[8 + i] = (uint8_t)(length >> (24 - 8 * i));
    }
    if (n > 0)
        memcpy(frame + KW_YAMUX_HEADER, body, n);
    kw_muxer_receive(&r->muxer, (kw_bytes){frame, KW_YAMUX_HEADER + n});
    kw_muxer_pump(&r->muxer);
    kw_muxer_sweep(&r->muxer);
}

/* A stream of the peer that has agreed on /x. */
static void open_x(rig *r, uint32_t id)
{
    static const char talk[] = "\x13/multistream/1.0.0\n\x03/x\n";
    feed(r, DATA, SYN, id, sizeof talk - 1, talk);
}

static void ordinary(void **state)
{
    (void)state;
    rig *r = rig_open();
    open_x(r, 1);
    assert_int_equal(r->n_opened, 1);
    feed(r, DATA, 0, 1, 5, "hello");
    feed(r, DATA, FIN, 1, 2, "!!");
    assert_int_equal(r->heard, 7);
    assert_int_equal(r->n_ended, 1);
    feed(r, UPDATE, RST, 1, 0, NULL);
    assert_int_equal(r->n_closed, 1);
    assert_int_equal(r->why, KW_E_IO);
    feed(r, DATA, 0, 1, 3, "abc"); /* on its way when the stream ended */
    assert_int_equal(r->failed, KW_OK);
    assert_int_equal(r->heard, 7);
    rig_free(r);
}

static void broken_rules(void **state)
{
    (void)state;
    static const struct {
        int type, flags;
        uint32_t id, length;
        kw_status status;
    } cases[] = {
        {DATA, 0, 1, KW_YAMUX_WINDOW, KW_E_FORMAT}, /* more than is left of the window */
        {UPDATE, 0, 1, 0xffffffff, KW_E_FORMAT},    /* over 4 GiB */
        {UPDATE, SYN, 1, 0, KW_E_FORMAT},           /* the number is taken */
        {UPDATE, SYN, 4, 0, KW_E_FORMAT},           /* a number of ours */
        {UPDATE, SYN, 0, 0, KW_E_FORMAT},
        {DATA, 0, 99, KW_YAMUX_WINDOW + 1, KW_E_FORMAT}, /* of no stream, and too large */
        {4, 0, 0, 0, KW_E_FORMAT},                       /* no such type */
        {AWAY, 0, 0, 1, KW_E_IO},                        /* it says that we broke one */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rig *r = rig_open();
        open_x(r, 1);
        feed(r, cases[i].type, cases[i].flags, cases[i].id, cases[i].length, NULL);
        assert_int_equal(r->failed, cases[i].status);
        assert_int_equal(r->n_closed, 1);
        rig_free(r);
    }
    rig *r = rig_open();
    open_x(r, 1);
    feed(r, UPDATE, FIN, 1, 0, NULL);
    assert_int_equal(r->n_ended, 1);
    feed(r, DATA, 0, 1, 3, "abc"); /* behind its end */
    assert_int_equal(r->failed, KW_E_FORMAT);
    assert_int_equal(r->heard, 0);
    rig_free(r);
}

static void refusals(void **state)
{
    (void)state;
    rig *r = rig_open();
    for (uint32_t id = 1; id < 21; id += 2)
        open_x(r, id);
    assert_int_equal(r->n_opened, 4);
    assert_int_equal(r->n_resets, 6);
    assert_int_equal(r->failed, KW_OK);
    rig_free(r);
}

/* Who asks and does not read the answers makes us keep a few of them, and is then shown out. */
static void unread_answers(void **state)
{
    (void)state;
    rig *r = rig_open();
    for (uint32_t i = 0; i < 5000; i++)
        feed(r, PING, SYN, 0, i, NULL);
    assert_int_equal(r->n_pongs, 5000);
    r->held = true;
    for (uint32_t i = 0; i < 1000; i++)
        feed(r, PING, SYN, 0, i, NULL);
    assert_int_equal(r->failed, KW_OK);
    assert_int_equal(r->n_pongs, 6000);
    r->held = false;
    feed(r, PING, SYN, 0, 1, NULL); /* it reads again: all is forgiven */
    r->held = true;
    for (uint32_t i = 0; i < 1001; i++)
        feed(r, PING, SYN, 0, i, NULL);
    assert_int_equal(r->failed, KW_E_LIMIT);
    assert_int_equal(r->n_pongs, 7001);
    rig_free(r);
}

static void silence(void **state)
{
    (void)state;
    rig *r = rig_open();
    open_x(r, 1);
    open_x(r, 3);
    r->muxer.now_ms += 40000;
    kw_muxer_tick(&r->muxer); /* asks by a ping */
    assert_true(r->muxer.ping_out);
    feed(r, UPDATE, 0, 1, 10, NULL);
    r->muxer.now_ms += 59999;
    kw_muxer_tick(&r->muxer);
    assert_int_equal(r->failed, KW_OK);
    r->muxer.now_ms += 1;
    kw_muxer_tick(&r->muxer);
    assert_int_equal(r->failed, KW_E_IO);
    kw_muxer_sweep(&r->muxer);
    assert_int_equal(r->n_closed, 2);
    rig_free(r);
}

/* A stream that we have finished and the peer leaves open goes after a minute. */
static void half_closed(void **state)
{
    (void)state;
    rig *r = rig_open();
    open_x(r, 1);
    open_x(r, 3);
    for (kw_stream *s = r->muxer.buckets[0]; s; s = s->chain)
        if (s->id == 1)
            kw_stream_finish(s);
    kw_muxer_pump(&r->muxer);
    for (int i = 0; i < 4; i++) {
        r->muxer.now_ms += 50000;
        feed(r, DATA, 0, 1, 1, "a"); /* it is alive */
        kw_muxer_tick(&r->muxer);
        kw_muxer_sweep(&r->muxer);
        assert_int_equal(r->n_closed, 0);
    }
    r->muxer.now_ms += 30000;
    feed(r, DATA, 0, 3, 1, "a");
    r->muxer.now_ms += 30000;
    kw_muxer_tick(&r->muxer);
    kw_muxer_sweep(&r->muxer);
    assert_int_equal(r->failed, KW_OK);
    assert_int_equal(r->n_closed, 1);
    assert_int_equal(r->why, KW_E_CANCELLED);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary), cmocka_unit_test(broken_rules),
        cmocka_unit_test(refusals), cmocka_unit_test(unread_answers),
        cmocka_unit_test(silence),  cmocka_unit_test(half_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
