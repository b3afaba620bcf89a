/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stream.c - streams as protocols see them (stream.h), and the negotiation that each begins with.
 */
#include "net/muxer.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing ------------------------------------------------------------------------------- */

/* Sends what can go now and queues the rest; false: no memory, and the stream is reset. */
static bool push(kw_stream *stream, kw_bytes bytes)
{
    kw_muxer *const muxer = stream->muxer;
    size_t sent = 0;
    if (stream->out.len == 0)
        sent = muxer->kind->send(muxer, stream, bytes);
    if (!kw_chunks_add(&stream->out, (kw_bytes){bytes.data + sent, bytes.len - sent})) {
        kw_muxer_reset(muxer, stream);
        return false;
    }
    if (stream->out.len)
        kw_muxer_queue(muxer, stream);
    if (stream->out.len > KW_STREAM_LOW)
        stream->starved = true;
    return true;
}

size_t kw_stream_room(const kw_stream *stream)
{
    if (stream->over || stream->finishing || stream->out.len >= KW_STREAM_ROOM)
        return 0;
    return KW_STREAM_ROOM - stream->out.len;
}

bool kw_stream_flows(const kw_stream *stream)
{
    return !stream->over && !stream->finishing && stream->out.len <= KW_STREAM_LOW;
}

kw_status kw_stream_write(kw_stream *stream, kw_bytes bytes, kw_error *err)
{
    if (stream->over || stream->finishing)
        return kw_fail(err, KW_E_CANCELLED, "stream: it is %s", stream->over ? "over" : "finished");
    const size_t room = kw_stream_room(stream);
    if (bytes.len > room) {
        stream->starved = true;
        return kw_fail(err, KW_E_LIMIT,
                       "stream: %zu bytes do not fit behind what waits (room for %zu)", bytes.len,
                       room);
    }
    if (bytes.len == 0)
        return KW_OK; /* and no pointer to add to */
    if (!push(stream, bytes))
        return kw_fail(err, KW_E_NOMEM, "stream: no memory for %zu bytes", bytes.len);
    stream->muxer->owner->soon(stream->muxer->owner_user);
    return KW_OK;
}

void kw_stream_finish(kw_stream *stream)
{
    if (stream->over || stream->finishing)
        return;
    stream->finishing = true;
    kw_muxer_queue(stream->muxer, stream);
    stream->muxer->owner->soon(stream->muxer->owner_user);
}

void kw_stream_reset(kw_stream *stream)
{
    kw_muxer_reset(stream->muxer, stream);
}

void kw_stream_settle(kw_stream *stream)
{
    if (stream->fin_sent && stream->end_told && !stream->fin_awaited)
        kw_muxer_over(stream->muxer, stream, KW_OK);
}

#define PIECE_MAX ((size_t)64 << 10)

/* ---- reading ------------------------------------------------------------------------------- */

static void tell_end(kw_stream *stream)
{
    if (stream->over || stream->end_told || stream->paused || stream->in.len)
        return;
    stream->end_told = true;
    if (stream->events && stream->events->end)
        stream->events->end(stream->user, stream);
    kw_stream_settle(stream);
}

/* To the user, or kept; what the peer may send then is the caller's matter. */
static void hand_over(kw_stream *stream, kw_bytes bytes)
{
    if (stream->over || bytes.len == 0)
        return;
    if (stream->paused) {
        if (kw_fifo_add(&stream->in, bytes))
            stream->muxer->kept += bytes.len;
        else
            kw_muxer_reset(stream->muxer, stream);
        return;
    }
    if (stream->events && stream->events->data)
        stream->events->data(stream->user, stream, bytes);
}

static void deliver(kw_stream *stream, kw_bytes bytes)
{
    const bool taken = !stream->over && !stream->paused && bytes.len > 0;
    hand_over(stream, bytes);
    if (taken)
        stream->muxer->kind->taken(stream->muxer, stream);
}

void kw_stream_pause(kw_stream *stream, bool paused)
{
    if (stream->over || stream->paused == paused)
        return;
    stream->paused = paused;
    if (paused)
        return;
    kw_fifo kept = stream->in; /* the handler may pause again, and fill a new one */
    stream->in = (kw_fifo){0};
    stream->muxer->kept -= kept.len;
    kw_bytes rest = kw_fifo_view(&kept);
    while (rest.len) { /* in pieces: who pauses again is not given all that has come */
        const size_t n = KW_MIN(rest.len, PIECE_MAX);
        hand_over(stream, (kw_bytes){rest.data, n});
        rest = (kw_bytes){rest.data + n, rest.len - n};
    }
    kw_fifo_free(&kept);
    stream->muxer->kind->taken(stream->muxer, stream);
    if (stream->fin_received)
        tell_end(stream);
    stream->muxer->owner->soon(stream->muxer->owner_user);
}

void kw_stream_ended(kw_stream *stream)
{
    if (stream->talk)
        kw_muxer_reset(stream->muxer, stream);
    else
        tell_end(stream);
}

/* ---- agreeing on the protocol -------------------------------------------------------------- */

/* The peer's protocol is known: the stream gets its user. False: nobody wants it. */
static bool introduce(kw_stream *stream)
{
    kw_muxer *const muxer = stream->muxer;
    if (stream->inbound)
        return muxer->owner->incoming(muxer->owner_user, stream, stream->protocol) &&
               stream->events;
    const kw_stream_fn opened = stream->opened;
    stream->opened = NULL;
    opened(stream->opened_user, stream, KW_OK, NULL);
    return stream->events;
}

static void talk(kw_stream *stream, kw_bytes bytes)
{
    kw_muxer *const muxer = stream->muxer;
    kw_buf out = {0};
    size_t used;
    const kw_multistream_state state = kw_multistream_feed(stream->talk, bytes, &used, &out);
    const bool lost = kw_buf_status(&out, NULL) != KW_OK;
    if (out.len && !lost)
        push(stream, (kw_bytes){(const uint8_t *)out.data, out.len});
    kw_buf_free(&out);
    if (stream->over || (state == KW_MULTISTREAM_MORE && !lost))
        return;
    if (state != KW_MULTISTREAM_DONE || lost) {
        kw_muxer_reset(muxer, stream);
        if (state == KW_MULTISTREAM_NONE)
            stream->why = KW_E_UNSUPPORTED;
        return;
    }
    stream->protocol = stream->talk->chosen;
    free(stream->talk);
    stream->talk = NULL;
    free(stream->proposals);
    stream->proposals = NULL;
    if (!introduce(stream)) {
        kw_muxer_reset(muxer, stream);
        return;
    }
    deliver(stream, (kw_bytes){bytes.data + used, bytes.len - used});
}

void kw_stream_receive(kw_stream *stream, kw_bytes bytes)
{
    if (!stream->talk) {
        deliver(stream, bytes);
        return;
    }
    talk(stream, bytes);
    stream->muxer->kind->taken(stream->muxer, stream);
}

bool kw_stream_greet(kw_stream *stream)
{
    kw_muxer *const muxer = stream->muxer;
    stream->talk = malloc(sizeof *stream->talk);
    if (!stream->talk)
        return false;
    kw_buf out = {0};
    kw_multistream_answer(stream->talk, muxer->owner->speaks, muxer->owner_user, &out);
    const bool good = kw_buf_status(&out, NULL) == KW_OK &&
                      push(stream, (kw_bytes){(const uint8_t *)out.data, out.len});
    kw_buf_free(&out);
    return good;
}

/* Copies of the names in one block behind their pointers, or NULL. */
static char **copy_names(const char *const *names, size_t n)
{
    size_t bytes = n * sizeof(char *);
    for (size_t i = 0; i < n; i++)
        bytes += strlen(names[i]) + 1;
    char **copy = malloc(bytes);
    if (!copy)
        return NULL;
    char *text = (char *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(names[i]) + 1;
        copy[i] = memcpy(text, names[i], len);
        text += len;
    }
    return copy;
}

static bool propose(kw_stream *stream, const char *const *protocols, size_t n)
{
    stream->talk = malloc(sizeof *stream->talk);
    stream->proposals = copy_names(protocols, n);
    if (!stream->talk || !stream->proposals) {
        free(stream->talk);
        stream->talk = NULL;
        return false;
    }
    kw_buf out = {0};
    kw_multistream_propose(stream->talk, (const char *const *)stream->proposals, n, &out);
    const bool good = kw_buf_status(&out, NULL) == KW_OK &&
                      push(stream, (kw_bytes){(const uint8_t *)out.data, out.len});
    kw_buf_free(&out);
    return good;
}

void kw_muxer_dial(kw_muxer *muxer, const char *const *protocols, size_t n_protocols,
                   kw_stream_fn opened, void *user)
{
    kw_assert(n_protocols > 0);
    if (muxer->ended || muxer->went_away) {
        opened(user, NULL, KW_E_IO, "the connection is closing");
        return;
    }
    const uint32_t id =
        muxer->n_unacknowledged < KW_MAX_UNACKNOWLEDGED ? muxer->kind->number(muxer) : 0;
    if (id == 0) {
        opened(user, NULL, KW_E_LIMIT, "too many streams wait for the peer to accept them");
        return;
    }
    kw_stream *stream = kw_muxer_new_stream(muxer, id, false);
    if (!stream) {
        opened(user, NULL, KW_E_NOMEM, "no memory for a stream");
        return;
    }
    stream->opened = opened;
    stream->opened_user = user;
    if (!propose(stream, protocols, n_protocols))
        kw_muxer_over(muxer, stream, KW_E_NOMEM);
    muxer->owner->soon(muxer->owner_user);
}

/* ---- who and what -------------------------------------------------------------------------- */

void kw_stream_listen(kw_stream *stream, const kw_stream_events *events, void *user)
{
    stream->events = events;
    stream->user = user;
}

const kw_peer_id *kw_stream_peer(const kw_stream *stream)
{
    return stream->muxer->peer;
}

const char *kw_stream_protocol(const kw_stream *stream)
{
    return stream->protocol ? stream->protocol : "";
}

bool kw_stream_inbound(const kw_stream *stream)
{
    return stream->inbound;
}
