/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http_get.c - one question to a peer over a stream of its own, and its answer. See http_stream.h.
 */
#include "net/http_stream.h"

#include "net/http_answer.h"

#include <stdlib.h>

struct kw_http_get {
    kw_host *host;
    const kw_http_get_events *events; /* NULL: cancelled */
    void *user;
    kw_stream *stream; /* NULL: not opened yet */
    kw_buf request;    /* owned; until it is sent */
    kw_http_answer answer;
    uint64_t heard_ms;
    kw_status status; /* of the answer, once it broke the rules; of opening it */
    bool opening;     /* kw_http_get_open is on the stack */
    kw_error err;
};

static void free_get(kw_http_get *get)
{
    kw_buf_free(&get->request);
    kw_http_answer_free(&get->answer);
    free(get);
}

static void tell(kw_http_get *get, kw_status status, const char *why)
{
    const kw_http_get_events *const events = get->events;
    get->events = NULL;
    if (events)
        events->done(get->user, status, why);
}

static bool on_head(void *user, unsigned status, const kw_http_head *head)
{
    kw_http_get *const get = user;
    return get->events && get->events->head(get->user, status, head) && get->events;
}

static bool on_body(void *user, kw_bytes bytes)
{
    kw_http_get *const get = user;
    return get->events && get->events->body(get->user, bytes) && get->events;
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    static const kw_http_answer_events events = {.head = on_head, .body = on_body};
    kw_http_get *const get = user;
    get->heard_ms = kw_loop_now(kw_host_loop(get->host));
    if (get->status != KW_OK)
        return;
    get->status = kw_http_answer_take(&get->answer, bytes, &events, get, &get->err);
    if (get->status == KW_OK && kw_http_answer_whole(&get->answer))
        tell(get, KW_OK, "");
    if (get->status != KW_OK)
        tell(get, get->status, get->err.message);
    /* Streams are not kept for another question: the next one opens faster than this one idles. */
    if (!get->events)
        kw_stream_reset(stream);
}

static void on_end(void *user, kw_stream *stream)
{
    kw_http_get *const get = user;
    if (get->status == KW_OK && kw_http_answer_end(&get->answer, &get->err) == KW_OK)
        tell(get, KW_OK, "");
    else
        tell(get, KW_E_IO, "the answer broke off");
    kw_stream_reset(stream);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    kw_http_get *const get = user;
    (void)stream;
    (void)why;
    tell(get, KW_E_IO, "the answer broke off");
    free_get(get);
}

static const kw_stream_events stream_events = {.data = on_data, .end = on_end, .closed = on_closed};

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    kw_http_get *const get = user;
    if (!stream && get->opening) {
        get->status = status;
        return;
    }
    if (!stream) {
        tell(get, status, why ? why : kw_status_name(status));
        free_get(get);
        return;
    }
    if (!get->events) {
        kw_stream_reset(stream);
        get->stream = stream;
        kw_stream_listen(stream, &stream_events, get);
        return;
    }
    get->stream = stream;
    get->heard_ms = kw_loop_now(kw_host_loop(get->host));
    kw_stream_listen(stream, &stream_events, get);
    const kw_bytes request = {(const uint8_t *)get->request.data, get->request.len};
    if (kw_stream_write(stream, request, NULL) != KW_OK)
        kw_stream_reset(stream);
    else
        kw_stream_finish(stream); /* there is no other question */
    kw_buf_free(&get->request);
}

kw_status kw_http_get_open(kw_host *host, const kw_peer_id *peer, const kw_http_question *question,
                           const kw_http_get_events *events, void *user, kw_http_get **out,
                           kw_error *err)
{
    static const char *const ids[] = {KW_HTTP_STREAM_ID};
    char name[KW_PEER_ID_TEXT_MAX];
    kw_http_get *const get = calloc(1, sizeof *get);
    if (!get)
        return kw_fail(err, KW_E_NOMEM, "http: no memory for a request");
    get->host = host;
    get->events = events;
    get->user = user;
    get->answer = kw_http_answer_of(strcmp(question->method, "HEAD") == 0);
    get->heard_ms = kw_loop_now(kw_host_loop(host));
    kw_peer_id_text(peer, name);
    kw_buf_printf(&get->request, "%s ", question->method);
    kw_buf_add(&get->request, question->target.data, question->target.len);
    kw_buf_printf(&get->request, " HTTP/1.1\r\nHost: %s\r\n", name);
    if (question->accept)
        kw_buf_printf(&get->request, "Accept: %s\r\n", question->accept);
    kw_buf_printf(&get->request, "Connection: close\r\n\r\n");
    kw_status status = kw_buf_status(&get->request, err);
    if (status == KW_OK) {
        get->opening = true;
        kw_host_stream(host, peer, ids, 1, on_opened, get);
        get->opening = false;
        if (get->status != KW_OK)
            status = kw_fail(err, get->status, "http: no memory for a stream");
    }
    if (status != KW_OK) {
        free_get(get);
        return status;
    }
    *out = get;
    return KW_OK;
}

void kw_http_get_cancel(kw_http_get *get)
{
    get->events = NULL; /* freed when the stream is gone */
    if (get->stream)
        kw_stream_reset(get->stream);
}

uint64_t kw_http_get_heard(const kw_http_get *get)
{
    return get->heard_ms;
}
