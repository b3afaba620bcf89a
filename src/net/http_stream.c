/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http_stream.c - the serving side: an HTTP connection (http.h) on each stream that a peer opens.
 *
 * A stream costs its peer as any does, and each request as a question. One that brings no request
 * in time, or does not read its answer, is reset: the handler's places are for who takes them. */
#include "net/http_stream.h"

#include "net/host_internal.h"

#include <stdlib.h>

#define TICK_MS 1000
#define MOVED ((size_t)1 << 20) /* bytes that count as a block that was moved */
#define REQUEST_MS 10000        /* without a request under way */
#define STUCK_MS 30000          /* of an answer of which nothing leaves */

typedef struct server {
    kw_http_streams *all;
    kw_stream *stream; /* NULL: it has ended */
    kw_http *http;
    struct server *next;
    uint64_t moved_ms;
    size_t room; /* of the stream when it last moved */
    size_t sent; /* that was not counted as a block yet */
} server;

struct kw_http_streams {
    kw_host *host;
    kw_timer *timer;
    server *servers; /* list; owned */
};

static uint64_t now_of(const kw_http_streams *all)
{
    return kw_loop_now(kw_host_loop(all->host));
}

/* ---- what the HTTP connection says ---- */

static void http_send(void *user, kw_bytes bytes)
{
    server *const s = user;
    if (!s->stream)
        return;
    if (kw_stream_write(s->stream, bytes, NULL) != KW_OK)
        kw_stream_reset(s->stream); /* half an answer cannot be taken back */
    s->sent += bytes.len;
    if (s->sent >= MOVED) {
        s->sent -= MOVED;
        kw_host_moved(s->all->host, kw_stream_peer(s->stream), 1);
    }
}

/* A quarter of what a stream takes is left for heads and the frames of chunks. */
static size_t http_room(void *user)
{
    const server *const s = user;
    return s->stream && kw_stream_flows(s->stream) ? kw_stream_room(s->stream) / 4 * 3 : 0;
}

static void http_request(void *user, kw_http_request *request)
{
    server *const s = user;
    kw_host *const host = s->all->host;
    const kw_peer_id *const peer = kw_stream_peer(s->stream);
    if (!kw_host_request(host, peer, KW_COST_QUESTION)) {
        kw_host_blame(host, peer, KW_HOST_ABUSE);
        kw_http_reply_status(request, 429, "too many requests\n");
    } else if (host->http && !host->closing) {
        host->http(host->http_user, request);
    } else {
        kw_http_reply_status(request, 404, "nothing here\n");
    }
}

static bool http_upgrade(void *user, kw_str key, uint8_t *rest, size_t n)
{
    (void)user; /* what is asked for is here already */
    (void)key;
    (void)rest;
    (void)n;
    return false;
}

static void http_close(void *user)
{
    server *const s = user;
    if (s->stream)
        kw_stream_finish(s->stream);
}

static void http_malformed(void *user)
{
    const server *const s = user;
    if (s->stream)
        kw_host_blame(s->all->host, kw_stream_peer(s->stream), KW_HOST_MALFORMED);
}

static const kw_http_owner http_owner = {.send = http_send,
                                         .room = http_room,
                                         .request = http_request,
                                         .upgrade = http_upgrade,
                                         .close = http_close,
                                         .malformed = http_malformed};

/* ---- what the stream says ---- */

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    const server *const s = user;
    (void)stream;
    kw_http_receive(s->http, bytes);
}

static void on_end(void *user, kw_stream *stream)
{
    const server *const s = user;
    (void)stream;
    kw_http_end(s->http);
}

static void on_drained(void *user, kw_stream *stream)
{
    const server *const s = user;
    (void)stream;
    kw_http_drained(s->http);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    server *const s = user;
    (void)stream;
    (void)why;
    s->stream = NULL;
    kw_http_free(s->http);
    s->http = NULL;
    for (server **at = &s->all->servers; *at; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    free(s);
}

static const kw_stream_events stream_events = {
    .data = on_data, .end = on_end, .drained = on_drained, .closed = on_closed};

static bool on_incoming(void *user, kw_stream *stream)
{
    kw_http_streams *const all = user;
    server *const s = calloc(1, sizeof *s);
    if (!s || kw_http_open(&http_owner, s, &s->http, NULL) != KW_OK) {
        free(s);
        return false;
    }
    s->all = all;
    s->stream = stream;
    s->moved_ms = now_of(all);
    s->room = kw_stream_room(stream);
    s->next = all->servers;
    all->servers = s;
    kw_stream_listen(stream, &stream_events, s);
    return true;
}

/* ---- time ---- */

/* A body that waits for its own handler, as for a cap, finds the stream empty: no fault of the
 * peer's. */
static void look_at(server *s, uint64_t now)
{
    const bool busy = kw_http_busy(s->http);
    const size_t room = kw_stream_room(s->stream);
    if (busy && (room != s->room || kw_stream_flows(s->stream)))
        s->moved_ms = now;
    s->room = room;
    if (now - s->moved_ms <= (busy ? STUCK_MS : REQUEST_MS))
        return;
    s->moved_ms = now;
    kw_host_blame(s->all->host, kw_stream_peer(s->stream), KW_HOST_SLOW);
    kw_stream_reset(s->stream);
}

static void tick(void *user)
{
    const kw_http_streams *const all = user;
    const uint64_t now = now_of(all);
    for (server *s = all->servers; s; s = s->next)
        look_at(s, now);
}

/* ---- opening and closing ---- */

kw_status kw_http_streams_open(kw_host *host, kw_http_streams **out, kw_error *err)
{
    kw_http_streams *const all = calloc(1, sizeof *all);
    if (!all)
        return kw_fail(err, KW_E_NOMEM, "http: no memory for streams");
    all->host = host;
    const kw_protocol protocol = {.id = KW_HTTP_STREAM_ID,
                                  .incoming = on_incoming,
                                  .user = all,
                                  .max_per_peer = KW_HTTP_STREAMS};
    kw_status status = kw_timer_open(kw_host_loop(host), tick, all, &all->timer, err);
    if (status == KW_OK)
        status = kw_host_speak(host, &protocol, err);
    if (status != KW_OK) {
        if (all->timer)
            kw_timer_close(all->timer);
        free(all);
        return status;
    }
    kw_timer_set(all->timer, TICK_MS, TICK_MS);
    *out = all;
    return KW_OK;
}

static void nobody_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)user;
    (void)stream;
    (void)why;
}

static void nobody_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

void kw_http_streams_close(kw_http_streams *all)
{
    static const kw_stream_events nobody = {.data = nobody_data, .closed = nobody_closed};
    if (!all)
        return;
    kw_host_unspeak(all->host, KW_HTTP_STREAM_ID);
    kw_timer_close(all->timer);
    for (server *s = all->servers, *next; s; s = next) {
        next = s->next;
        kw_stream_listen(s->stream, &nobody, NULL);
        kw_stream_reset(s->stream);
        kw_http_free(s->http);
        free(s);
    }
    free(all);
}
