/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_stream.c - requests and answers of Kademlia on streams of a host.
 *
 * We open a stream for each request and end it when the answer is there; others may send many
 * requests on one. Invariants: a ticket is told its end at most once; a stream that lost its owner
 * (side NULL) is reset and freed when it is closed. A peer that asks more than MAX_A_SECOND on a
 * stream waits for the next second. A request without an answer has been said when its stream ends,
 * however that is: some reset it once they have read all. */
#include "net/kad_parts.h"

#include <stdlib.h>

#define REQUEST_MAX (128U << 10)
#define ANSWER_MAX (1U << 20)
#define MAX_A_SECOND 64
#define COST 16.0 /* of a request, where a want of a block costs 1 */
#define IDLE_MS 60000
#define SAID_MS 2000 /* what has no answer counts as said, whether the stream ends or not */

static kw_kad_stream *new_stream(kw_kad_side *side, size_t max)
{
    kw_kad_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->side = side;
    s->frames.max = max;
    s->used_ms = kw_loop_now(kw_host_loop(side->kad->host));
    s->next = side->kad->streams;
    side->kad->streams = s;
    return s;
}

static void unlink_stream(kw_kad_stream *s)
{
    if (!s->side)
        return;
    kw_kad_stream **at = &s->side->kad->streams;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->side = NULL;
}

static void free_stream(kw_kad_stream *s)
{
    unlink_stream(s);
    kw_frames_free(&s->frames);
    kw_buf_free(&s->request);
    free(s);
}

static void tell(kw_kad_stream *s, bool good, kw_bytes reply)
{
    if (s->told || !s->side || s->ticket == 0)
        return;
    s->told = true;
    if (good)
        kw_kad_node_reply(s->side->node, s->ticket, reply);
    else
        kw_kad_node_failed(s->side->node, s->ticket);
}

/* ---- what comes ---- */

static bool on_answer(kw_kad_stream *s, kw_bytes message)
{
    kw_stream_finish(s->stream);
    tell(s, true, message);
    return true;
}

static void blame(const kw_kad_stream *s)
{
    if (s->side)
        kw_host_blame(s->side->kad->host, kw_stream_peer(s->stream), KW_HOST_MALFORMED);
}

/* A value that no validator here takes is an honest mistake; a message that is none is not. */
static void blame_broken(const kw_kad_stream *s, kw_bytes message)
{
    kw_kad_message read;
    if (kw_kad_message_get(message, &read, NULL) == KW_E_FORMAT)
        blame(s);
}

static bool on_request(kw_kad_stream *s, kw_bytes message)
{
    kw_buf reply = {0};
    kw_status status =
        kw_kad_node_serve(s->side->node, kw_stream_peer(s->stream), message, &reply, NULL);
    if (status == KW_OK && reply.len > 0)
        status =
            kw_frame_write(s->stream, (kw_bytes){(const uint8_t *)reply.data, reply.len}, NULL);
    kw_buf_free(&reply);
    if (status == KW_E_FORMAT)
        blame_broken(s, message);
    const bool may = kw_host_request(s->side->kad->host, kw_stream_peer(s->stream), COST);
    if ((++s->n_served >= MAX_A_SECOND || !may) && !s->paused) {
        s->paused = true;
        kw_stream_pause(s->stream, true);
    }
    return status == KW_OK;
}

static bool on_message(void *user, kw_bytes message)
{
    kw_kad_stream *s = user;
    if (!s->side)
        return false;
    s->used_ms = kw_loop_now(kw_host_loop(s->side->kad->host));
    const bool good = s->ticket ? on_answer(s, message) : on_request(s, message);
    if (!good)
        kw_stream_reset(s->stream);
    return good;
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    kw_kad_stream *s = user;
    const kw_status status =
        s->side ? kw_frames_feed(&s->frames, bytes, on_message, s, NULL) : KW_OK;
    if (status == KW_OK)
        return;
    if (status != KW_E_NOMEM)
        blame(s);
    kw_stream_reset(stream);
}

static void on_end(void *user, kw_stream *stream)
{
    kw_kad_stream *s = user;
    if (!s->answered)
        tell(s, true, (kw_bytes){NULL, 0});
    kw_stream_finish(stream);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    kw_kad_stream *s = user;
    (void)stream;
    (void)why;
    tell(s, !s->answered, (kw_bytes){NULL, 0});
    free_stream(s);
}

static const kw_stream_events events = {.data = on_data, .end = on_end, .closed = on_closed};

bool kw_kad_stream_incoming(void *user, kw_stream *stream)
{
    kw_kad_stream *s = new_stream(user, REQUEST_MAX);
    if (!s)
        return false;
    s->stream = stream;
    kw_stream_listen(stream, &events, s);
    return true;
}

/* ---- what goes ---- */

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    kw_kad_stream *s = user;
    (void)status;
    (void)why;
    if (!stream) {
        tell(s, false, (kw_bytes){NULL, 0});
        free_stream(s);
        return;
    }
    s->stream = stream;
    s->used_ms = s->side ? kw_loop_now(kw_host_loop(s->side->kad->host)) : 0;
    kw_stream_listen(stream, &events, s);
    const kw_bytes request = {(const uint8_t *)s->request.data, s->request.len};
    if (!s->side || kw_frame_write(stream, request, NULL) != KW_OK)
        kw_stream_reset(stream);
    else if (!s->answered)
        kw_stream_finish(stream);
}

void kw_kad_stream_send(kw_kad_side *side, uint64_t ticket, const kw_peer_id *peer,
                        kw_bytes request, bool answered)
{
    kw_kad_stream *s = new_stream(side, ANSWER_MAX);
    if (!s)
        return; /* the request times out */
    s->ticket = ticket;
    s->answered = answered;
    kw_buf_add(&s->request, (const char *)request.data, request.len);
    kw_host_stream(side->kad->host, peer, &side->network.protocol, 1, on_opened, s);
}

static void orphan(kw_kad_stream *s)
{
    unlink_stream(s);
    if (s->stream)
        kw_stream_reset(s->stream);
}

void kw_kad_stream_drop(kw_kad *kad, uint64_t ticket, const kw_kad_side *side)
{
    for (kw_kad_stream *s = kad->streams; s; s = s->next) {
        if (s->ticket == ticket && s->side == side) {
            orphan(s);
            return;
        }
    }
}

void kw_kad_stream_tick(kw_kad *kad, uint64_t now_ms)
{
    for (kw_kad_stream *s = kad->streams; s; s = s->next) {
        s->n_served = 0;
        if (s->paused) {
            s->paused = false;
            kw_stream_pause(s->stream, false);
        }
        if (s->stream && !s->answered && now_ms - s->used_ms > SAID_MS)
            tell(s, true, (kw_bytes){NULL, 0});
        if (s->stream && now_ms - s->used_ms > IDLE_MS)
            kw_stream_reset(s->stream);
    }
}

void kw_kad_stream_orphan_all(kw_kad *kad)
{
    while (kad->streams)
        orphan(kad->streams);
}
