/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_yamux.c - any bytes as what a peer sends behind the handshake: frames, and negotiations
 * of streams that echo, pause, reset and end as their bytes say. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/muxer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct rig {
    kw_muxer muxer;
    kw_peer_id peer;
    int n_open;
} rig;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void write_frame(void *user, kw_bytes header, kw_bytes payload)
{
    (void)user;
    must(header.len == KW_YAMUX_HEADER && (payload.len == 0 || payload.data));
}

static bool held(void *user)
{
    return ((rig *)user)->muxer.now_ms % 5 == 4;
}

static void on_data(void *user, kw_stream *s, kw_bytes bytes)
{
    (void)user;
    switch (bytes.data[0] % 8) {
    case 0:
        kw_stream_reset(s);
        break;
    case 1:
        kw_stream_pause(s, true);
        break;
    case 2:
        kw_stream_finish(s);
        break;
    default:
        if (kw_stream_room(s) >= bytes.len)
            (void)kw_stream_write(s, bytes, NULL);
    }
}

static void on_closed(void *user, kw_stream *s, kw_status why)
{
    (void)s;
    (void)why;
    ((rig *)user)->n_open--;
}

static const kw_stream_events events = {.data = on_data, .closed = on_closed};

static bool incoming(void *user, kw_stream *stream, const char *protocol)
{
    must(protocol[0] != '\0');
    ((rig *)user)->n_open++;
    kw_stream_listen(stream, &events, user);
    return true;
}

static bool speaks(void *user, const char *protocol)
{
    (void)user;
    return protocol[0] == '/';
}

static void on_fail(void *user, kw_status status, const char *reason)
{
    must(status != KW_OK && reason[0] != '\0');
    kw_muxer_end(&((rig *)user)->muxer, KW_E_IO);
}

static void soon(void *user)
{
    (void)user;
}

static void opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    must(stream ? status == KW_OK : why != NULL);
    if (!stream)
        return;
    ((rig *)user)->n_open++;
    kw_stream_listen(stream, &events, user);
}

static const kw_muxer_owner owner = {.write = write_frame,
                                     .held = held,
                                     .incoming = incoming,
                                     .speaks = speaks,
                                     .fail = on_fail,
                                     .soon = soon};

static void turn(rig *r)
{
    kw_muxer_pump(&r->muxer);
    kw_muxer_sweep(&r->muxer);
}

/* The first byte says how the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"/a", "/b"};
    rig r = {.n_open = 0};
    if (size == 0)
        return 0;
    const size_t step = data[0] ? data[0] : size;
    r.muxer = (kw_muxer){.owner = &owner,
                         .owner_user = &r,
                         .peer = &r.peer,
                         .max_inbound = 8,
                         .max_window = KW_YAMUX_WINDOW * 2,
                         .now_ms = 1000};
    if (kw_muxer_open(&r.muxer, NULL) != KW_OK)
        return 0;
    kw_muxer_dial(&r.muxer, names, 2, opened, &r);
    for (size_t at = 1; at < size && !r.muxer.ended; at += step) {
        const size_t n = size - at < step ? size - at : step;
        kw_muxer_receive(&r.muxer, (kw_bytes){data + at, n});
        turn(&r);
        r.muxer.now_ms++;
        if (at % 7 == 0)
            kw_muxer_tick(&r.muxer);
    }
    kw_muxer_end(&r.muxer, KW_E_IO);
    turn(&r);
    must(r.n_open == 0 && r.muxer.n_streams == 0 && r.muxer.n_unacknowledged == 0);
    kw_muxer_free(&r.muxer);
    return 0;
}
