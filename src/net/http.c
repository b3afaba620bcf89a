/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http.c - one HTTP connection: requests in turn, each answered by its handler, bodies pulled from
 * it as the socket takes them. */
#include "net/http.h"

#include "base/check.h"

#include <stdlib.h>

#define PIECE ((size_t)256 << 10) /* of a body at a time */
#define WAITING_MAX ((size_t)4 * KW_HTTP_HEAD_MAX)

typedef enum phase { HEAD, HANDLER, BODY, OVER } phase;

struct kw_http_request {
    kw_http *http;
};

struct kw_http {
    const kw_http_owner *owner;
    void *user;
    phase phase;
    kw_buf
        in; /* the head under way, and what came behind it; stays in place while it is answered */
    kw_buf later; /* what came meanwhile */
    size_t head_size;
    kw_http_head head;
    kw_http_request request;
    kw_str path, query;
    kw_http_reply_t reply;
    uint64_t at, end; /* of the body that is sent */
    bool head_only, keep, chunked;
    bool running; /* process is on the stack, and goes on by itself */
    bool ended;   /* no more requests come */
    void (*gone)(void *user);
    void *gone_user;
};

static void process(kw_http *http);

static void say(kw_http *http, const kw_buf *text)
{
    if (text->failed)
        http->keep = false;
    else
        http->owner->send(http->user, (kw_bytes){(const uint8_t *)text->data, text->len});
}

static void finish_reply(kw_http *http, bool sent)
{
    const kw_http_reply_t reply = http->reply;
    http->reply = (kw_http_reply_t){.status = 0};
    if (reply.done)
        reply.done(reply.user, sent);
}

static void stop(kw_http *http)
{
    if (http->phase == OVER)
        return;
    http->phase = OVER;
    http->owner->close(http->user);
}

/* The request is answered: the next one, or the end. */
static void next_request(kw_http *http)
{
    finish_reply(http, true);
    if (!http->keep) {
        stop(http);
        return;
    }
    memmove(http->in.data, http->in.data + http->head_size, http->in.len - http->head_size);
    http->in.len -= http->head_size;
    kw_buf_add(&http->in, http->later.data, http->later.len);
    kw_buf_free(&http->later);
    http->phase = HEAD;
    if (http->in.failed)
        stop(http);
    else if (http->in.len == 0)
        kw_buf_free(&http->in);
    process(http);
}

/* ---- bodies ---- */

static void send_piece(kw_http *http, kw_bytes piece)
{
    kw_buf head = {0};
    if (http->chunked) {
        kw_buf_printf(&head, "%zx\r\n", piece.len);
        say(http, &head);
    }
    http->owner->send(http->user, piece);
    if (http->chunked)
        http->owner->send(http->user, (kw_bytes){(const uint8_t *)"\r\n", 2});
    kw_buf_free(&head);
    http->at += piece.len;
}

static void send_body(kw_http *http)
{
    bool ended = http->head_only || !http->reply.next;
    while (!ended && http->at < http->end) {
        const uint64_t left = http->end - http->at;
        const size_t room = http->owner->room(http->user);
        const size_t max = (size_t)KW_MIN(left, KW_MIN(room, PIECE));
        kw_bytes piece = {0};
        if (max == 0)
            return;
        if (http->reply.next(http->reply.user, http->at, max, &piece, &ended) != KW_OK ||
            piece.len > max) {
            finish_reply(http, false);
            stop(http);
            return;
        }
        if (piece.len == 0 && !(http->chunked && ended))
            return; /* kw_http_more goes on */
        if (piece.len > 0)
            send_piece(http, piece);
        ended = http->chunked && ended;
    }
    if (http->chunked && !http->head_only)
        http->owner->send(http->user, (kw_bytes){(const uint8_t *)"0\r\n\r\n", 5});
    next_request(http);
}

/* ---- replies ---- */

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {206, "Partial Content"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {406, "Not Acceptable"},
                   {412, "Precondition Failed"},
                   {416, "Range Not Satisfiable"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < KW_COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

/* The part of the body that is sent, and the status that goes with it. */
static unsigned choose_part(kw_http *http, kw_buf *fields)
{
    const kw_http_reply_t *r = &http->reply;
    const kw_str range = kw_http_head_field(&http->head, "range");
    http->at = 0;
    http->end = r->size;
    if (!r->ranges || r->status != 200 || r->size == KW_HTTP_SIZE_UNKNOWN)
        return r->status;
    kw_buf_printf(fields, "Accept-Ranges: bytes\r\n");
    const kw_status found = kw_http_range(range, r->size, &http->at, &http->end);
    if (found == KW_E_NOTFOUND)
        return r->status;
    if (found == KW_OK) {
        kw_buf_printf(fields, "Content-Range: bytes %llu-%llu/%llu\r\n",
                      (unsigned long long)http->at, (unsigned long long)(http->end - 1),
                      (unsigned long long)r->size);
        return 206;
    }
    kw_buf_printf(fields, "Content-Range: bytes */%llu\r\n", (unsigned long long)r->size);
    http->at = http->end = 0;
    return 416;
}

void kw_http_reply(kw_http_request *request, const kw_http_reply_t *reply)
{
    kw_http *http = request->http;
    kw_buf head = {0}, fields = {0};
    http->reply = *reply;
    http->gone = NULL;
    const bool bodiless = reply->status == 304; /* no length and no chunks either */
    http->chunked = reply->size == KW_HTTP_SIZE_UNKNOWN && !bodiless;
    if (http->chunked && !kw_str_is(http->head.line[2], "HTTP/1.1"))
        http->chunked = http->keep = false; /* the end of the connection is the end of the body */
    const unsigned status = choose_part(http, &fields);
    kw_buf_printf(&head, "HTTP/1.1 %u %s\r\n", status, reason(status));
    if (reply->type)
        kw_buf_printf(&head, "Content-Type: %s\r\n", reply->type);
    if (http->chunked)
        kw_buf_printf(&head, "Transfer-Encoding: chunked\r\n");
    else if (reply->size != KW_HTTP_SIZE_UNKNOWN && !bodiless)
        kw_buf_printf(&head, "Content-Length: %llu\r\n",
                      (unsigned long long)(http->end - http->at));
    kw_buf_add(&head, fields.data, fields.len);
    if (reply->fields)
        kw_buf_add(&head, reply->fields, strlen(reply->fields));
    kw_buf_printf(&head, "Connection: %s\r\n\r\n", http->keep ? "keep-alive" : "close");
    say(http, &head);
    kw_buf_free(&fields);
    kw_buf_free(&head);
    http->phase = BODY;
    if (!http->running)
        send_body(http);
}

static kw_status text_next(void *user, uint64_t offset, size_t max, kw_bytes *out, bool *ended)
{
    const char *text = user;
    (void)ended;
    out->data = (const uint8_t *)text + offset;
    out->len = KW_MIN(strlen(text + offset), max);
    return KW_OK;
}

void kw_http_reply_text(kw_http_request *request, unsigned status, const char *type,
                        const char *text)
{
    kw_http_reply(request, &(kw_http_reply_t){.status = status,
                                              .type = type,
                                              .size = strlen(text),
                                              .next = text_next,
                                              .user = (void *)(uintptr_t)text});
}

void kw_http_reply_status(kw_http_request *request, unsigned status, const char *text)
{
    kw_http_reply_text(request, status, "text/plain; charset=utf-8", text);
}

void kw_http_more(kw_http_request *request)
{
    if (request->http->phase == BODY && !request->http->running)
        send_body(request->http);
}

void kw_http_on_gone(kw_http_request *request, void (*gone)(void *user), void *user)
{
    request->http->gone = gone;
    request->http->gone_user = user;
}

/* ---- requests ---- */

kw_str kw_http_path(const kw_http_request *request)
{
    return request->http->path;
}

kw_str kw_http_query(const kw_http_request *request)
{
    return request->http->query;
}

kw_str kw_http_field(const kw_http_request *request, const char *name)
{
    return kw_http_head_field(&request->http->head, name);
}

bool kw_http_parameter(const kw_http_request *request, const char *key, kw_str *out)
{
    kw_str left = request->http->query;
    const size_t len = strlen(key);
    while (left.len > 0) {
        size_t n = 0;
        while (n < left.len && left.data[n] != '&')
            n++;
        if (n > len && memcmp(left.data, key, len) == 0 && left.data[len] == '=') {
            *out = (kw_str){left.data + len + 1, n - len - 1};
            return true;
        }
        n = KW_MIN(n + 1, left.len);
        left.data += n;
        left.len -= n;
    }
    return false;
}

static void refuse(kw_http *http, unsigned status, const char *text)
{
    http->keep = false;
    http->head_only = false;
    kw_http_reply_status(&http->request, status, text);
}

/* Whether the request is for a WebSocket, and it was opened. */
static bool upgraded(kw_http *http)
{
    const kw_str key = kw_http_head_field(&http->head, "sec-websocket-key");
    if (!kw_http_list_has(kw_http_head_field(&http->head, "upgrade"), "websocket"))
        return false;
    if (!kw_http_list_has(kw_http_head_field(&http->head, "connection"), "upgrade") ||
        key.len != 24 ||
        !kw_str_is(kw_http_head_field(&http->head, "sec-websocket-version"), "13")) {
        refuse(http, 400, "not a WebSocket of version 13\n");
        return true;
    }
    kw_buf in = http->in;
    http->in = (kw_buf){0};
    http->phase = OVER;
    const size_t used = http->head_size;
    if (!http->owner->upgrade(http->user, key, (uint8_t *)in.data + used, in.len - used))
        http->owner->close(http->user);
    kw_buf_free(&in);
    return true;
}

static void handle(kw_http *http)
{
    kw_http_head *head = &http->head;
    const kw_str connection = kw_http_head_field(head, "connection");
    const bool get = kw_str_is(head->line[0], "GET");
    http->head_only = kw_str_is(head->line[0], "HEAD");
    http->keep = kw_str_is(head->line[2], "HTTP/1.1") && !kw_http_list_has(connection, "close");
    http->path = head->line[1];
    http->query = (kw_str){"", 0};
    for (size_t i = 0; i < http->path.len; i++) {
        if (http->path.data[i] != '?')
            continue;
        http->query = (kw_str){http->path.data + i + 1, http->path.len - i - 1};
        http->path.len = i;
        break;
    }
    const kw_str length = kw_http_head_field(head, "content-length");
    if (!kw_str_starts(head->line[2], KW_STR("HTTP/1.")))
        refuse(http, 400, "HTTP/1.1 is spoken here\n");
    else if (!get && !http->head_only)
        refuse(http, 405, "GET and HEAD are answered here\n");
    else if (kw_http_head_field(head, "transfer-encoding").len > 0 ||
             (length.len > 0 && !kw_str_is(length, "0")))
        refuse(http, 400, "a request without a body is expected\n");
    else if (http->path.len == 0 || http->path.data[0] != '/')
        refuse(http, 400, "the target begins with a slash\n");
    else if (!upgraded(http))
        http->owner->request(http->user, &http->request);
}

static void refuse_malformed(kw_http *http, unsigned status, const char *text)
{
    http->head.n = 0;
    if (http->owner->malformed)
        http->owner->malformed(http->user);
    refuse(http, status, text);
}

/* Takes requests for as long as they are whole and answered at once. */
static void process(kw_http *http)
{
    if (http->running)
        return;
    http->running = true;
    while (http->phase == HEAD) {
        kw_error err;
        http->head_size = kw_http_head_size((kw_str){http->in.data, http->in.len});
        if (http->head_size == 0 && http->in.len < KW_HTTP_HEAD_MAX)
            break;
        http->phase = HANDLER;
        if (http->head_size == 0 || http->head_size > KW_HTTP_HEAD_MAX) {
            refuse_malformed(http, 431, "the head is longer than 8 KiB\n");
        } else if (kw_http_head_get((kw_str){http->in.data, http->head_size}, &http->head, &err) !=
                   KW_OK) {
            refuse_malformed(http, 400, "not HTTP\n");
        } else {
            handle(http);
        }
        if (http->phase == BODY)
            send_body(http);
    }
    http->running = false;
    if (http->ended && http->phase == HEAD)
        stop(http);
}

/* ---- the connection ---- */

kw_status kw_http_open(const kw_http_owner *owner, void *user, kw_http **out, kw_error *err)
{
    kw_http *http = calloc(1, sizeof *http);
    if (!http)
        return kw_fail(err, KW_E_NOMEM, "http: out of memory");
    http->owner = owner;
    http->user = user;
    http->request.http = http;
    *out = http;
    return KW_OK;
}

void kw_http_receive(kw_http *http, kw_bytes bytes)
{
    if (http->phase == OVER)
        return;
    kw_buf *to = http->phase == HEAD ? &http->in : &http->later;
    /* More than a few requests ahead of their answers is nothing that a client does. */
    if (bytes.len > WAITING_MAX || to->len > WAITING_MAX - bytes.len) {
        stop(http);
        return;
    }
    kw_buf_add(to, (const char *)bytes.data, bytes.len);
    if (to->failed)
        stop(http);
    else
        process(http);
}

void kw_http_drained(kw_http *http)
{
    if (http->phase == BODY && !http->running)
        send_body(http);
}

void kw_http_end(kw_http *http)
{
    http->ended = true;
    if (http->phase == HEAD && !http->running)
        stop(http);
}

bool kw_http_busy(const kw_http *http)
{
    return http->phase == HANDLER || http->phase == BODY;
}

void kw_http_free(kw_http *http)
{
    if (!http)
        return;
    if (http->reply.status)
        finish_reply(http, false);
    if (http->gone)
        http->gone(http->gone_user);
    kw_buf_free(&http->in);
    kw_buf_free(&http->later);
    free(http);
}
