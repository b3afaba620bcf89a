/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_channels.c - any bytes on any channels of a muxer: openings, messages cut anywhere,
 * ends, and streams that echo, pause, reset and end as their bytes say. And any bytes as DCEP. */
#include <stddef.h>
#include <stdint.h>

#include "muxer_rig.h"
#include "net/channels.h"
#include "net/dcep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct transport {
    uint16_t next;
    unsigned n_sent;
    bool full; /* takes no more, at times */
} transport;

static void write_frame(void *user, kw_bytes header, kw_bytes payload)
{
    (void)user;
    (void)header;
    (void)payload;
    promise(false); /* everything goes by a channel */
}

static bool open_channel(void *user, uint16_t *channel)
{
    transport *const t = user;
    *channel = t->next;
    t->next = (uint16_t)(t->next + 2);
    return true;
}

static bool send_message(void *user, uint16_t channel, kw_bytes message, bool sure)
{
    transport *const t = user;
    promise(channel != 0 && message.len > 0 && message.len <= KW_CHANNEL_MESSAGE);
    return sure || !(t->full && t->n_sent++ % 3 == 0);
}

static void close_channel(void *user, uint16_t channel)
{
    (void)user;
    promise(channel != 0);
}

static const kw_channels channels = {
    .open = open_channel, .send = send_message, .close = close_channel};

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
    const kw_muxer_owner owner = rig_owner(write_frame);
    transport t = {.next = 1};
    muxer_rig r = {.muxer = {.kind = &kw_channel_muxer,
                             .channels = &channels,
                             .channels_user = &t,
                             .initiator = true}};
    read_dcep((kw_bytes){data, size});
    if (size == 0)
        return 0;
    t.full = data[0] % 2;
    if (!rig_open(&r, &owner))
        return 0;
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
        rig_turn(&r);
        r.muxer.now_ms++;
        if (what % 7 == 0)
            kw_muxer_tick(&r.muxer);
    }
    rig_end(&r);
    return 0;
}
