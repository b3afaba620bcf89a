/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stream.h - one duplex byte stream to a peer, for one protocol: what every protocol is written
 * against.
 *
 * Rules: all calls happen on the loop's thread. A handler may write, finish, reset or pause from
 * within any event. `closed` is the last event and comes exactly once; the stream is freed when it
 * returns. Nothing is lost between opening and kw_stream_listen as long as that is called before
 * returning to the loop. */
#ifndef KW_NET_STREAM_H
#define KW_NET_STREAM_H

#include "base/error.h"
#include "base/str.h"
#include "wire/peer_id.h"

typedef struct kw_stream kw_stream;

typedef struct kw_stream_events {
    /* Bytes arrived; the view is valid during the call, and all of it is taken. */
    void (*data)(void *user, kw_stream *stream, kw_bytes bytes);
    /* The peer has finished writing: no more data comes. May be NULL. */
    void (*end)(void *user, kw_stream *stream);
    /* The stream flows again (kw_stream_flows) after it had not, or after a write that did not fit.
     * May be NULL. */
    void (*drained)(void *user, kw_stream *stream);
    /* Both directions are over (KW_OK), or it broke: KW_E_IO reset by the peer or connection lost,
     * KW_E_FORMAT, KW_E_LIMIT, KW_E_CANCELLED by us. */
    void (*closed)(void *user, kw_stream *stream, kw_status why);
} kw_stream_events;

/* Says who handles the stream; events is borrowed for its life. */
void kw_stream_listen(kw_stream *stream, const kw_stream_events *events, void *user);
/* Queues a copy of bytes. KW_E_LIMIT, and nothing is queued, when it does not fit in
 * kw_stream_room. */
kw_status kw_stream_write(kw_stream *stream, kw_bytes bytes, kw_error *err);
/* Bytes that may be queued now: at most 4 MiB are waiting to be sent. */
size_t kw_stream_room(const kw_stream *stream);
/* Whether little waits (at most 256 KiB): who has much to send writes while it holds, and goes on
 * at `drained`. What waits longer than that is copied, and grows cold. */
bool kw_stream_flows(const kw_stream *stream);
/* No more will be written; what is queued is sent. Closed once the peer has finished too. */
void kw_stream_finish(kw_stream *stream);
/* Ends both directions at once. `closed` comes soon, not within this call. */
void kw_stream_reset(kw_stream *stream);
/* A paused stream grants the peer no more window and delivers nothing until resumed. */
void kw_stream_pause(kw_stream *stream, bool paused);

const kw_peer_id *kw_stream_peer(const kw_stream *stream);
const char *kw_stream_protocol(const kw_stream *stream);
bool kw_stream_inbound(const kw_stream *stream);

#endif
