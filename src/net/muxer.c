/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* muxer.c - what every muxer has: the table of streams, their turns to send, and their ends. How
 * bytes and ends travel is the kind's (yamux.c, channels.c). See muxer.h. */
#include "net/muxer.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_MAX ((size_t)64 << 10) /* that we send: other streams get their turn between */
#define NEGOTIATION_MS 10000
#define REFUSED_MAX 1024     /* streams beyond the rate: the peer does not mean to use them */
#define HALF_CLOSED_MS 60000 /* we have finished, and nothing comes or goes */

/* A stream costs us a negotiation, and the peer a frame. */
static const kw_rate openings = {.per_second = 200, .burst = 1024};

bool kw_muxer_accepts(kw_muxer *muxer)
{
    if (muxer->n_inbound >= muxer->max_inbound)
        return false;
    if (kw_bucket_has(&muxer->openings, &openings, muxer->now_ms)) {
        kw_bucket_spend(&muxer->openings, 1.0);
        return true;
    }
    if (++muxer->n_refused > REFUSED_MAX)
        muxer->owner->fail(muxer->owner_user, KW_E_LIMIT,
                           "the peer opens streams faster than is allowed");
    return false;
}

/* ---- the table of streams ------------------------------------------------------------------ */

kw_status kw_muxer_open(kw_muxer *muxer, kw_error *err)
{
    if (!muxer->kind)
        muxer->kind = &kw_yamux;
    muxer->buckets = calloc(4, sizeof *muxer->buckets);
    if (!muxer->buckets)
        return kw_fail(err, KW_E_NOMEM, "muxer: no memory for the table of streams");
    muxer->n_buckets = 4;
    muxer->next_id = muxer->initiator ? 1 : 2;
    muxer->openings = kw_bucket_full(&openings, muxer->now_ms);
    return KW_OK;
}

static kw_stream **bucket(const kw_muxer *muxer, uint32_t id)
{
    return &muxer->buckets[(id >> 1) & (muxer->n_buckets - 1)];
}

kw_stream *kw_muxer_find(const kw_muxer *muxer, uint32_t id)
{
    kw_stream *stream = *bucket(muxer, id);
    while (stream && stream->id != id)
        stream = stream->chain;
    return stream;
}

static void grow_table(kw_muxer *muxer)
{
    kw_muxer larger = *muxer;
    larger.n_buckets = muxer->n_buckets * 2;
    larger.buckets = calloc(larger.n_buckets, sizeof *larger.buckets);
    if (!larger.buckets)
        return; /* slower, and right */
    for (size_t i = 0; i < muxer->n_buckets; i++) {
        for (kw_stream *stream = muxer->buckets[i], *next; stream; stream = next) {
            next = stream->chain;
            kw_stream **const place = bucket(&larger, stream->id);
            stream->chain = *place;
            *place = stream;
        }
    }
    free(muxer->buckets);
    muxer->buckets = larger.buckets;
    muxer->n_buckets = larger.n_buckets;
}

kw_stream *kw_muxer_new_stream(kw_muxer *muxer, uint32_t id, bool inbound)
{
    kw_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    if (muxer->n_streams >= 2 * muxer->n_buckets)
        grow_table(muxer);
    *stream = (kw_stream){.muxer = muxer,
                          .id = id,
                          .inbound = inbound,
                          .send_window = KW_YAMUX_WINDOW,
                          .receive_window = KW_YAMUX_WINDOW,
                          .window = KW_YAMUX_WINDOW,
                          .since_ms = muxer->now_ms,
                          .active_ms = muxer->now_ms,
                          .window_ms = muxer->now_ms};
    kw_stream **const place = bucket(muxer, id);
    stream->chain = *place;
    *place = stream;
    muxer->n_streams++;
    if (inbound)
        muxer->n_inbound++;
    else
        muxer->n_unacknowledged++;
    return stream;
}

static void forget(kw_muxer *muxer, kw_stream *stream)
{
    kw_stream **place = bucket(muxer, stream->id);
    while (*place != stream)
        place = &(*place)->chain;
    *place = stream->chain;
    muxer->n_streams--;
    if (stream->inbound)
        muxer->n_inbound--;
    else if (!stream->acknowledged)
        muxer->n_unacknowledged--;
    muxer->kept -= stream->in.len;
    muxer->kind->forget(muxer, stream);
}

void kw_muxer_over(kw_muxer *muxer, kw_stream *stream, kw_status why)
{
    if (stream->over)
        return;
    stream->over = true;
    stream->why = why;
    stream->next_over = muxer->over;
    muxer->over = stream;
    muxer->owner->soon(muxer->owner_user);
}

static void free_stream(kw_stream *stream)
{
    if (stream->talk)
        kw_multistream_free(stream->talk);
    free(stream->talk);
    free(stream->proposals);
    free(stream->protocol);
    kw_chunks_free(&stream->out);
    kw_fifo_free(&stream->in);
    kw_fifo_free(&stream->part);
    free(stream);
}

/* Takes a stream out of the queue of those that want to send. */
static void unqueue(kw_muxer *muxer, kw_stream *stream)
{
    kw_stream *before = NULL;
    for (kw_stream *at = muxer->ready_first; at != stream; at = at->next_ready)
        before = at;
    if (before)
        before->next_ready = stream->next_ready;
    else
        muxer->ready_first = stream->next_ready;
    if (muxer->ready_last == stream)
        muxer->ready_last = before;
    stream->ready = false;
}

void kw_muxer_sweep(kw_muxer *muxer)
{
    for (kw_stream *stream; (stream = muxer->over) != NULL;) {
        muxer->over = stream->next_over;
        if (stream->ready)
            unqueue(muxer, stream);
        forget(muxer, stream);
        if (stream->opened) {
            const kw_stream_fn opened = stream->opened;
            stream->opened = NULL;
            opened(stream->opened_user, NULL, stream->why == KW_OK ? KW_E_IO : stream->why,
                   stream->why == KW_E_UNSUPPORTED
                       ? "the peer does not speak it"
                       : "the stream ended before the protocol was agreed on");
        } else if (stream->events && stream->events->closed) {
            stream->events->closed(stream->user, stream, stream->why);
        }
        free_stream(stream);
    }
}

void kw_muxer_end(kw_muxer *muxer, kw_status why)
{
    muxer->ended = true;
    for (size_t i = 0; i < muxer->n_buckets; i++) {
        for (kw_stream *stream = muxer->buckets[i]; stream; stream = stream->chain)
            kw_muxer_over(muxer, stream, why);
    }
}

void kw_muxer_free(kw_muxer *muxer)
{
    for (size_t i = 0; i < muxer->n_buckets; i++) {
        for (kw_stream *stream = muxer->buckets[i], *next; stream; stream = next) {
            next = stream->chain;
            free_stream(stream);
        }
    }
    free(muxer->buckets);
    muxer->buckets = NULL;
    muxer->n_buckets = 0;
}

size_t kw_muxer_memory(const kw_muxer *muxer)
{
    size_t bytes = muxer->n_buckets * sizeof *muxer->buckets;
    for (size_t i = 0; i < muxer->n_buckets; i++) {
        for (const kw_stream *stream = muxer->buckets[i]; stream; stream = stream->chain)
            bytes += sizeof *stream + stream->out.cap + stream->in.cap + stream->part.cap +
                     (stream->talk ? sizeof *stream->talk : 0);
    }
    return bytes;
}

/* ---- turns -------------------------------------------------------------------------------------
 */

void kw_muxer_queue(kw_muxer *muxer, kw_stream *stream)
{
    if (stream->ready || stream->over)
        return;
    stream->ready = true;
    stream->next_ready = NULL;
    if (muxer->ready_last)
        muxer->ready_last->next_ready = stream;
    else
        muxer->ready_first = stream;
    muxer->ready_last = stream;
}

/* One turn of a stream: a frame of what it has, then its end. True: it has more that can go. */
static bool send_some(kw_muxer *muxer, kw_stream *stream)
{
    const kw_bytes waiting = kw_chunks_front(&stream->out);
    const kw_bytes piece = {waiting.data, KW_MIN(waiting.len, FRAME_MAX)};
    kw_chunks_drop(&stream->out, muxer->kind->send(muxer, stream, piece));
    if (stream->out.len == 0 && stream->finishing && !stream->fin_sent)
        muxer->kind->finish(muxer, stream);
    if (stream->starved && stream->out.len <= KW_STREAM_LOW && !stream->over) {
        stream->starved = false;
        if (stream->events && stream->events->drained)
            stream->events->drained(stream->user, stream);
    }
    return !stream->over && stream->out.len > 0 && stream->send_window > 0;
}

void kw_muxer_pump(kw_muxer *muxer)
{
    while (muxer->ready_first && !muxer->blocked && !muxer->owner->held(muxer->owner_user)) {
        kw_stream *const stream = muxer->ready_first;
        unqueue(muxer, stream);
        if (!stream->over && send_some(muxer, stream))
            kw_muxer_queue(muxer, stream);
    }
}

void kw_muxer_reset(kw_muxer *muxer, kw_stream *stream)
{
    if (stream->over)
        return;
    if (!muxer->ended)
        muxer->kind->reset(muxer, stream);
    kw_muxer_over(muxer, stream, KW_E_CANCELLED);
}

void kw_muxer_goodbye(kw_muxer *muxer, uint32_t reason)
{
    muxer->kind->goodbye(muxer, reason);
}

static void check_stream(kw_muxer *muxer, kw_stream *stream)
{
    if (stream->over)
        return;
    const bool silent = stream->talk && muxer->now_ms - stream->since_ms >= NEGOTIATION_MS;
    const bool stalled =
        stream->fin_sent && !stream->paused && muxer->now_ms - stream->active_ms >= HALF_CLOSED_MS;
    if (silent || stalled)
        kw_muxer_reset(muxer, stream);
}

void kw_muxer_check(kw_muxer *muxer)
{
    for (size_t i = 0; i < muxer->n_buckets; i++)
        for (kw_stream *stream = muxer->buckets[i]; stream; stream = stream->chain)
            check_stream(muxer, stream);
}

void kw_muxer_tick(kw_muxer *muxer)
{
    muxer->kind->tick(muxer);
}
