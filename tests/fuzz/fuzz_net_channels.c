/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_channels.c - any bytes on any channels of a muxer: openings, messages cut anywhere,
 * ends, and streams that echo, pause, reset and end as their bytes say. And any bytes as DCEP. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/channels.h"
#include "net/dcep.h"
#include "net/muxer.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct rig {
    kw_muxer muxer;
    kw_peer_id peer;
    int n_open;
    uint16_t next;
    unsigned n_sent;
    bool full; /* the transport takes no more, at times */
} rig;

static void write_frame(void *user, kw_bytes header, kw_bytes payload)
{
    (void)user;
    (void)header;
    (void)payload;
    abort(); /* everything goes by a channel */
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
    promise(protocol[0] != '\0');
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
    promise(status != KW_OK && reason[0] != '\0');
    kw_muxer_end(&((rig *)user)->muxer, KW_E_IO);
}

static void soon(void *user)
{
    (void)user;
}

static void opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    promise(stream ? status == KW_OK : why != NULL);
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

static bool open_channel(void *user, uint16_t *channel)
{
    rig *const r = user;
    *channel = r->next;
    r->next = (uint16_t)(r->next + 2);
    return true;
}

static bool send_message(void *user, uint16_t channel, kw_bytes message, bool sure)
{
    rig *const r = user;
    promise(channel != 0 && message.len > 0 && message.len <= KW_CHANNEL_MESSAGE);
    return sure || !(r->full && r->n_sent++ % 3 == 0);
}

static void close_channel(void *user, uint16_t channel)
{
    (void)user;
    promise(channel != 0);
}

static const kw_channels channels = {
    .open = open_channel, .send = send_message, .close = close_channel};

static void turn(rig *r)
{
    r->muxer.blocked = false;
    kw_muxer_pump(&r->muxer);
    kw_muxer_sweep(&r->muxer);
}

static void read_dcep(kw_bytes bytes)
{
    kw_dcep said;
    kw_error err = {.message = ""};
    if (kw_dcep_read(bytes, &said, &err) != KW_OK)
        promise(err.message[0] != '\0');
    else if (said.kind == KW_DCEP_OPEN)
        promise(KW_DCEP_OPEN_LEN + said.label.len + said.protocol.len == bytes.len);
}

/* The first byte says whether the transport is full at times; then, again and again, what happens
 * (a channel is opened, closed, or brings bytes), on which channel, and how many bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"/a", "/b"};
    rig r = {.next = 1};
    read_dcep((kw_bytes){data, size});
    if (size == 0)
        return 0;
    r.full = data[0] % 2;
    r.muxer = (kw_muxer){.kind = &kw_channel_muxer,
                         .owner = &owner,
                         .owner_user = &r,
                         .channels = &channels,
                         .channels_user = &r,
                         .peer = &r.peer,
                         .initiator = true,
                         .max_inbound = 8,
                         .now_ms = 1000};
    if (kw_muxer_open(&r.muxer, NULL) != KW_OK)
        return 0;
    kw_muxer_dial(&r.muxer, names, 2, opened, &r);
    for (size_t at = 1; at + 3 <= size && !r.muxer.ended;) {
        const uint8_t what = data[at], channel = data[at + 1] % 16;
        const size_t len = data[at + 2] < size - at - 3 ? data[at + 2] : size - at - 3;
        at += 3;
        if (what % 4 == 0)
            kw_muxer_channel_opened(&r.muxer, channel);
        else if (what % 16 == 1)
            kw_muxer_channel_closed(&r.muxer, channel);
        else
            kw_muxer_channel(&r.muxer, channel, (kw_bytes){data + at, len});
        at += what % 4 == 0 || what % 16 == 1 ? 0 : len;
        turn(&r);
        r.muxer.now_ms++;
        if (what % 7 == 0)
            kw_muxer_tick(&r.muxer);
    }
    kw_muxer_end(&r.muxer, KW_E_IO);
    turn(&r);
    promise(r.n_open == 0 && r.muxer.n_streams == 0 && r.muxer.n_unacknowledged == 0);
    promise(r.muxer.kept == 0);
    kw_muxer_free(&r.muxer);
    return 0;
}
