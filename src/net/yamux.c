/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* yamux.c - the Yamux session: frames in and out, and windows.
 *
 * A frame is 12 bytes (version, type, flags, stream, length; big endian) and, for data, that many
 * bytes. A window is filled up once half of it has been used, and doubles while it is used within
 * four round trips, under the budget of the host. Source:
 * github.com/hashicorp/yamux/blob/master/spec.md, and its profile in libp2p. */
#include "net/muxer.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { TYPE_DATA, TYPE_WINDOW, TYPE_PING, TYPE_GO_AWAY };
enum { FLAG_SYN = 1, FLAG_ACK = 2, FLAG_FIN = 4, FLAG_RST = 8 };
enum { AWAY_PROTOCOL = 1 };
#define FRAME_MAX ((size_t)64 << 10) /* that we send: other streams get their turn between */
#define UNREAD_MAX 1000              /* answers that a peer may provoke while it reads nothing */

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_u32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

static void put_frame(kw_muxer *muxer, int type, int flags, uint32_t id, uint32_t length,
                      kw_bytes payload)
{
    uint8_t header[KW_YAMUX_HEADER] = {0, (uint8_t)type, (uint8_t)(flags >> 8), (uint8_t)flags};
    write_u32(header + 4, id);
    write_u32(header + 8, length);
    muxer->owner->write(muxer->owner_user, (kw_bytes){header, sizeof header}, payload);
}

/* ---- sending ------------------------------------------------------------------------------- */

/* The flags that the next frame of a stream carries besides its own. */
static int opening_flags(kw_stream *stream)
{
    if (stream->syn_sent)
        return 0;
    stream->syn_sent = true;
    return stream->inbound ? FLAG_ACK : FLAG_SYN;
}

static uint32_t number(kw_muxer *muxer)
{
    const uint32_t id = muxer->next_id;
    if (id > UINT32_MAX - 2)
        return 0;
    muxer->next_id += 2;
    return id;
}

static size_t send_bytes(kw_muxer *muxer, kw_stream *stream, kw_bytes bytes)
{
    size_t sent = 0;
    while (sent < bytes.len && stream->send_window > 0 && !muxer->owner->held(muxer->owner_user)) {
        const size_t now = KW_MIN(KW_MIN(bytes.len - sent, (size_t)stream->send_window), FRAME_MAX);
        put_frame(muxer, TYPE_DATA, opening_flags(stream), stream->id, (uint32_t)now,
                  (kw_bytes){bytes.data + sent, now});
        stream->send_window -= (uint32_t)now;
        sent += now;
    }
    if (sent > 0)
        stream->active_ms = muxer->now_ms;
    muxer->bytes_out += sent;
    return sent;
}

static void send_fin(kw_muxer *muxer, kw_stream *stream)
{
    stream->fin_sent = true;
    put_frame(muxer, TYPE_DATA, opening_flags(stream) | FLAG_FIN, stream->id, 0, (kw_bytes){0});
    kw_stream_settle(stream);
}

static void send_reset(kw_muxer *muxer, kw_stream *stream)
{
    if (stream->inbound || stream->syn_sent)
        put_frame(muxer, TYPE_WINDOW, FLAG_RST, stream->id, 0, (kw_bytes){0});
}

static void goodbye(kw_muxer *muxer, uint32_t reason)
{
    put_frame(muxer, TYPE_GO_AWAY, 0, 0, reason, (kw_bytes){0});
}

void kw_muxer_ping(kw_muxer *muxer)
{
    if (muxer->ping_out || muxer->ended)
        return;
    muxer->ping_out = true;
    muxer->ping_ms = muxer->now_ms;
    put_frame(muxer, TYPE_PING, FLAG_SYN, 0, ++muxer->ping_value, (kw_bytes){0});
}

/* However near a peer is, a processor that others use too answers as if it were this far away. */
#define ROUND_TRIP_MIN_MS 10

/* Doubles the window of a stream that uses it up faster than updates travel. */
static void grow_window(kw_muxer *muxer, kw_stream *stream)
{
    const uint64_t round_trip = KW_MAX(muxer->rtt_ms, ROUND_TRIP_MIN_MS);
    if (muxer->now_ms - stream->window_ms > 4 * round_trip)
        return;
    size_t more = KW_MIN((size_t)stream->window, muxer->max_window - stream->window);
    if (muxer->budget)
        more = KW_MIN(more, *muxer->budget);
    if (more == 0)
        return;
    if (muxer->budget)
        *muxer->budget -= more;
    muxer->window_in_use += (uint32_t)more;
    stream->window += (uint32_t)more;
}

/* What is neither granted nor kept has been taken: the peer may send as much again. */
static void taken(kw_muxer *muxer, kw_stream *stream)
{
    if (stream->over || stream->fin_received || stream->paused)
        return;
    const uint32_t kept = (uint32_t)stream->in.len;
    if (stream->receive_window + kept > stream->window / 2)
        return;
    grow_window(muxer, stream);
    const uint32_t delta = stream->window - stream->receive_window - kept;
    stream->receive_window += delta;
    stream->window_ms = muxer->now_ms;
    put_frame(muxer, TYPE_WINDOW, opening_flags(stream), stream->id, delta, (kw_bytes){0});
}

static void forget(kw_muxer *muxer, kw_stream *stream)
{
    const uint32_t extra = stream->window - KW_YAMUX_WINDOW;
    muxer->window_in_use -= extra;
    if (muxer->budget)
        *muxer->budget += extra;
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void violation(kw_muxer *muxer, const char *reason)
{
    goodbye(muxer, AWAY_PROTOCOL);
    muxer->owner->fail(muxer->owner_user, KW_E_FORMAT, reason);
}

/* Whether an answer may be added to what the peer does not read. */
static bool may_answer(kw_muxer *muxer)
{
    if (!muxer->owner->held(muxer->owner_user)) {
        muxer->n_unread = 0;
        return true;
    }
    if (++muxer->n_unread <= UNREAD_MAX)
        return true;
    muxer->owner->fail(muxer->owner_user, KW_E_LIMIT,
                       "yamux: the peer asks and does not read the answers");
    return false;
}

/* A frame with SYN: a new stream, or NULL when it was refused or broke a rule. */
static kw_stream *accept_stream(kw_muxer *muxer, uint32_t id)
{
    if (id == 0 || (id % 2 == 1) == muxer->initiator || kw_muxer_find(muxer, id)) {
        violation(muxer, "yamux: a stream was opened under a number that is not free for the peer");
        return NULL;
    }
    kw_stream *stream = NULL;
    if (kw_muxer_accepts(muxer))
        stream = kw_muxer_new_stream(muxer, id, true);
    if (!stream) {
        if (may_answer(muxer))
            put_frame(muxer, TYPE_WINDOW, FLAG_RST, id, 0, (kw_bytes){0});
        return NULL;
    }
    if (!kw_stream_greet(stream)) {
        kw_muxer_reset(muxer, stream);
        return NULL;
    }
    return stream;
}

/* What the flags of a frame say, once its payload was taken. */
static void apply_flags(kw_muxer *muxer, kw_stream *stream, int flags)
{
    if (stream->over)
        return;
    if (flags & FLAG_RST) {
        kw_muxer_over(muxer, stream, KW_E_IO);
    } else if (flags & FLAG_FIN && !stream->fin_received) {
        stream->fin_received = true;
        kw_stream_ended(stream);
    }
}

/* The stream of a frame; NULL when it is unknown, which is no offence: it may have just been reset.
 */
static kw_stream *stream_of(kw_muxer *muxer, uint32_t id, int flags)
{
    kw_stream *const stream =
        flags & FLAG_SYN ? accept_stream(muxer, id) : kw_muxer_find(muxer, id);
    if (stream && !stream->inbound && !stream->acknowledged && flags & (FLAG_ACK | FLAG_RST)) {
        stream->acknowledged = true;
        muxer->n_unacknowledged--;
    }
    return stream;
}

static void window_frame(kw_muxer *muxer, uint32_t id, int flags, uint32_t delta)
{
    kw_stream *const stream = stream_of(muxer, id, flags);
    if (!stream || muxer->ended || stream->over)
        return;
    if (delta > UINT32_MAX - stream->send_window) {
        violation(muxer, "yamux: a window grew over 4 GiB");
        return;
    }
    stream->send_window += delta;
    if (delta && (stream->out.len || stream->finishing))
        kw_muxer_queue(muxer, stream);
    apply_flags(muxer, stream, flags);
}

static void data_frame(kw_muxer *muxer, uint32_t id, int flags, uint32_t length)
{
    kw_stream *const stream = stream_of(muxer, id, flags);
    if (muxer->ended)
        return;
    if (stream && !stream->over) {
        if (length > 0 && stream->fin_received) {
            violation(muxer, "yamux: data behind the end of a stream");
            return;
        }
        if (length > stream->receive_window) {
            violation(muxer, "yamux: more data than the window of the stream");
            return;
        }
        stream->receive_window -= length;
        if (length == 0)
            apply_flags(muxer, stream, flags);
    } else if (length > muxer->max_window) {
        violation(muxer, "yamux: more data than any window");
        return;
    }
    muxer->body_id = id;
    muxer->body_left = length;
    muxer->body_flags = (uint16_t)flags;
}

static void ping_frame(kw_muxer *muxer, int flags, uint32_t value)
{
    if (flags & FLAG_SYN) {
        if (may_answer(muxer))
            put_frame(muxer, TYPE_PING, FLAG_ACK, 0, value, (kw_bytes){0});
    } else if (flags & FLAG_ACK && muxer->ping_out && value == muxer->ping_value) {
        const uint64_t rtt = muxer->now_ms - muxer->ping_ms;
        muxer->ping_out = false;
        muxer->rtt_ms = rtt ? rtt : 1;
    }
}

/* The peer opens nothing more and takes nothing new; streams that are open may end in peace. */
static void goodbye_frame(kw_muxer *muxer, uint32_t reason)
{
    muxer->went_away = true;
    if (reason != 0)
        muxer->owner->fail(muxer->owner_user, KW_E_IO, "yamux: the peer says that we broke a rule");
}

static void take_header(kw_muxer *muxer)
{
    const uint8_t *const p = muxer->header;
    const int type = p[1], flags = p[2] << 8 | p[3];
    const uint32_t id = read_u32(p + 4), length = read_u32(p + 8);
    muxer->header_len = 0;
    if (p[0] != 0 || type > TYPE_GO_AWAY)
        violation(muxer, "yamux: a frame of another version or type");
    else if (type == TYPE_DATA)
        data_frame(muxer, id, flags, length);
    else if (type == TYPE_WINDOW)
        window_frame(muxer, id, flags, length);
    else if (type == TYPE_PING)
        ping_frame(muxer, flags, length);
    else
        goodbye_frame(muxer, length);
}

static size_t take_body(kw_muxer *muxer, kw_bytes bytes)
{
    const size_t now = KW_MIN(bytes.len, (size_t)muxer->body_left);
    muxer->body_left -= (uint32_t)now;
    kw_stream *stream = kw_muxer_find(muxer, muxer->body_id);
    if (stream && !stream->over) {
        muxer->bytes_in += now;
        stream->active_ms = muxer->now_ms;
        kw_stream_receive(stream, (kw_bytes){bytes.data, now});
        if (muxer->body_left == 0)
            apply_flags(muxer, stream, muxer->body_flags & (FLAG_FIN | FLAG_RST));
    }
    return now;
}

void kw_muxer_receive(kw_muxer *muxer, kw_bytes bytes)
{
    muxer->heard_ms = muxer->now_ms;
    while (bytes.len && !muxer->ended) {
        size_t now;
        if (muxer->body_left) {
            now = take_body(muxer, bytes);
        } else {
            now = KW_MIN(bytes.len, KW_YAMUX_HEADER - muxer->header_len);
            memcpy(muxer->header + muxer->header_len, bytes.data, now);
            muxer->header_len += now;
            if (muxer->header_len == KW_YAMUX_HEADER)
                take_header(muxer);
        }
        bytes = (kw_bytes){bytes.data + now, bytes.len - now};
    }
}

#define PING_EVERY_MS 30000
#define SILENCE_MS 60000 /* of a peer that has streams and answers no ping */

static void tick(kw_muxer *muxer)
{
    if (muxer->now_ms - muxer->ping_ms >= PING_EVERY_MS && muxer->n_streams > 0)
        kw_muxer_ping(muxer);
    kw_muxer_check(muxer);
    if (muxer->ping_out && muxer->n_streams > 0 && muxer->now_ms - muxer->heard_ms >= SILENCE_MS)
        muxer->owner->fail(muxer->owner_user, KW_E_IO, "yamux: the peer answers no ping");
}

const kw_muxer_kind kw_yamux = {.number = number,
                                .send = send_bytes,
                                .finish = send_fin,
                                .reset = send_reset,
                                .taken = taken,
                                .forget = forget,
                                .goodbye = goodbye,
                                .tick = tick};
