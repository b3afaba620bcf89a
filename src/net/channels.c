/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* channels.c - streams on the channels of a transport that has them (WebRTC): the other kind of
 * muxer beside Yamux.
 *
 * There are no windows: the transport holds back a sender as a whole, and a connection whose paused
 * streams keep too much is not read (kw_connection_full). A stream ends when both sides have said
 * FIN and ours was confirmed by FIN_ACK; then its channel is closed and may carry another. Source:
 * libp2p specification "webrtc". */
#include "net/channels.h"

#include "base/check.h"
#include "net/muxer.h"

static void violation(kw_muxer *muxer, const char *reason)
{
    muxer->owner->fail(muxer->owner_user, KW_E_FORMAT, reason);
}

/* ---- sending ------------------------------------------------------------------------------- */

static uint32_t number(kw_muxer *muxer)
{
    uint16_t channel = 0;
    return muxer->channels->open(muxer->channels_user, &channel) ? channel : 0;
}

static void send_flag(const kw_muxer *muxer, const kw_stream *stream, kw_channel_flag flag)
{
    uint8_t message[KW_CHANNEL_HEAD];
    const size_t len = kw_channel_put(message, flag, (kw_bytes){0});
    (void)muxer->channels->send(muxer->channels_user, (uint16_t)stream->id,
                                (kw_bytes){message, len}, true);
}

static size_t send_bytes(kw_muxer *muxer, kw_stream *stream, kw_bytes bytes)
{
    uint8_t message[KW_CHANNEL_MESSAGE];
    size_t sent = 0;
    while (sent < bytes.len && !muxer->blocked && !muxer->ended) {
        const kw_bytes piece = {bytes.data + sent, KW_MIN(bytes.len - sent, KW_CHANNEL_BYTES)};
        const size_t len = kw_channel_put(message, KW_CHANNEL_NONE, piece);
        muxer->blocked = !muxer->channels->send(muxer->channels_user, (uint16_t)stream->id,
                                                (kw_bytes){message, len}, false);
        if (!muxer->blocked)
            sent += piece.len;
    }
    if (sent > 0)
        stream->active_ms = muxer->now_ms;
    muxer->bytes_out += sent;
    return sent;
}

static void finish(kw_muxer *muxer, kw_stream *stream)
{
    stream->fin_sent = stream->fin_awaited = true;
    stream->active_ms = muxer->now_ms;
    send_flag(muxer, stream, KW_CHANNEL_FIN);
}

static void reset(kw_muxer *muxer, kw_stream *stream)
{
    send_flag(muxer, stream, KW_CHANNEL_RESET);
}

static void forget(kw_muxer *muxer, kw_stream *stream)
{
    muxer->channels->close(muxer->channels_user, (uint16_t)stream->id);
}

static void taken(kw_muxer *muxer, kw_stream *stream)
{
    (void)muxer;
    (void)stream; /* the transport counts what was read */
}

static void goodbye(kw_muxer *muxer, uint32_t reason)
{
    (void)muxer;
    (void)reason; /* the end of the transport says it */
}

const kw_muxer_kind kw_channel_muxer = {.number = number,
                                        .send = send_bytes,
                                        .finish = finish,
                                        .reset = reset,
                                        .taken = taken,
                                        .forget = forget,
                                        .goodbye = goodbye,
                                        .tick = kw_muxer_check};

/* ---- receiving ----------------------------------------------------------------------------- */

void kw_muxer_channel_opened(kw_muxer *muxer, uint16_t channel)
{
    if (muxer->ended)
        return;
    if (channel == 0 || (channel % 2 == 1) == muxer->initiator || kw_muxer_find(muxer, channel)) {
        violation(muxer, "webrtc: a channel was opened under a number that is not the peer's");
        return;
    }
    kw_stream *stream = NULL;
    if (kw_muxer_accepts(muxer))
        stream = kw_muxer_new_stream(muxer, channel, true);
    if (!stream)
        muxer->channels->close(muxer->channels_user, channel);
    else if (!kw_stream_greet(stream))
        kw_muxer_reset(muxer, stream);
}

void kw_muxer_channel_closed(kw_muxer *muxer, uint16_t channel)
{
    kw_stream *const stream = kw_muxer_find(muxer, channel);
    if (!stream || stream->over)
        return;
    const bool finished = stream->fin_sent && stream->fin_received;
    kw_muxer_over(muxer, stream, finished ? KW_OK : KW_E_IO);
}

/* The peer reads no more: what waits is of no use, and nothing else is taken. */
static void stop_sending(kw_muxer *muxer, kw_stream *stream)
{
    kw_chunks_free(&stream->out);
    stream->finishing = true;
    if (!stream->fin_sent)
        kw_muxer_queue(muxer, stream);
}

static void apply_flag(kw_muxer *muxer, kw_stream *stream, kw_channel_flag flag)
{
    if (stream->over)
        return;
    if (flag == KW_CHANNEL_FIN) {
        send_flag(muxer, stream, KW_CHANNEL_FIN_ACK);
        if (!stream->fin_received) {
            stream->fin_received = true;
            kw_stream_ended(stream);
        }
    } else if (flag == KW_CHANNEL_FIN_ACK && stream->fin_awaited) {
        stream->fin_awaited = false;
        kw_stream_settle(stream);
    } else if (flag == KW_CHANNEL_RESET) {
        kw_muxer_over(muxer, stream, KW_E_IO);
    } else if (flag == KW_CHANNEL_STOP_SENDING) {
        stop_sending(muxer, stream);
    }
}

static void take(kw_muxer *muxer, kw_stream *stream, const kw_channel_message *message)
{
    if (message->bytes.len > 0 && stream->fin_received) {
        violation(muxer, "webrtc: data behind the end of a stream");
        return;
    }
    if (message->bytes.len > 0) {
        muxer->bytes_in += message->bytes.len;
        stream->active_ms = muxer->now_ms;
        kw_stream_receive(stream, message->bytes);
    }
    apply_flag(muxer, stream, message->flag);
}

void kw_muxer_channel(kw_muxer *muxer, uint16_t channel, kw_bytes bytes)
{
    muxer->heard_ms = muxer->now_ms;
    kw_stream *const stream = kw_muxer_find(muxer, channel);
    while (stream && bytes.len > 0 && !stream->over && !muxer->ended) {
        kw_channel_message message;
        const kw_channel_result result = kw_channel_next(&stream->part, &bytes, &message);
        if (result == KW_CHANNEL_MORE)
            return;
        if (result == KW_CHANNEL_NOMEM) {
            kw_muxer_reset(muxer, stream);
            return;
        }
        if (result == KW_CHANNEL_BAD) {
            violation(muxer, "webrtc: what came on a channel is no message");
            return;
        }
        take(muxer, stream, &message);
        kw_channel_taken(&stream->part);
    }
}
