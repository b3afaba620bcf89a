/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http.h - the HTTP of a port that also takes libp2p: GET and HEAD, answered by a handler with a
 * body that is made while it is sent.
 *
 * No I/O here: bytes in, bytes out. Bounded: 8 KiB of head, 64 fields, one request at a time on a
 * connection (later ones wait). Ranges of one part are answered where the body can begin anywhere.
 * Source: RFC 9110 and 9112. */
#ifndef KW_NET_HTTP_H
#define KW_NET_HTTP_H

#include "base/buf.h"
#include "base/error.h"

#define KW_HTTP_HEAD_MAX 8192
#define KW_HTTP_FIELDS_MAX 64
#define KW_HTTP_SIZE_UNKNOWN UINT64_MAX

typedef struct kw_http_request kw_http_request;

/* "/ipfs/bafk..."; still percent-encoded, as all of these. Views, valid until the reply is done. */
kw_str kw_http_path(const kw_http_request *request);
/* What follows '?', empty without. */
kw_str kw_http_query(const kw_http_request *request);
/* The value of key=value in the query; false: not there. */
bool kw_http_parameter(const kw_http_request *request, const char *key, kw_str *out);
/* The value of the first field of that name (any case), empty without. */
kw_str kw_http_field(const kw_http_request *request, const char *name);

typedef struct kw_http_reply {
    unsigned status;    /* 200, 404, ...; 206 and 416 are made of 200 where a range is asked */
    const char *type;   /* Content-Type; NULL: none */
    const char *fields; /* more lines, each with its \r\n; NULL: none. Copied. */
    uint64_t size;      /* of the body, or KW_HTTP_SIZE_UNKNOWN (sent in chunks) */
    bool ranges;        /* next may begin at any offset */
    /* The next piece of the body, from offset on and at most max bytes; the view is valid until the
     * next call. An empty one: not yet, kw_http_more will be called (or the end, where the size is
     * unknown and *ended is set). An error ends the connection. NULL: no body. */
    kw_status (*next)(void *user, uint64_t offset, size_t max, kw_bytes *out, bool *ended);
    /* Once, the last: whether all of it was sent. May be NULL. */
    void (*done)(void *user, bool sent);
    void *user;
} kw_http_reply_t;

/* Answers, once for each request, now or later. */
void kw_http_reply(kw_http_request *request, const kw_http_reply_t *reply);
/* An answer that is a text (static). */
void kw_http_reply_text(kw_http_request *request, unsigned status, const char *type,
                        const char *text);
/* The same of a line that says why. */
void kw_http_reply_status(kw_http_request *request, unsigned status, const char *text);
/* The body goes on where next had nothing. */
void kw_http_more(kw_http_request *request);
/* A reply that is being made is not wanted any more: gone(user) is called when the connection ends
 * before kw_http_reply. */
void kw_http_on_gone(kw_http_request *request, void (*gone)(void *user), void *user);

/* ---- the head of a message, also of an answer ---- */

typedef struct kw_http_head {
    kw_str line[3]; /* method, target, version; or version, status, reason */
    kw_str names[KW_HTTP_FIELDS_MAX], values[KW_HTTP_FIELDS_MAX];
    size_t n;
} kw_http_head;

/* The length of a head with its empty line, 0: not whole yet. */
size_t kw_http_head_size(kw_str text);
/* Parses a whole head (views into it). */
kw_status kw_http_head_get(kw_str text, kw_http_head *out, kw_error *err);
kw_str kw_http_head_field(const kw_http_head *head, const char *name);
/* Whether a list like "keep-alive, Upgrade" has the word (any case). */
bool kw_http_list_has(kw_str list, const char *word);
/* "bytes=a-b" of a body of `size`: KW_OK with [from, to), KW_E_NOTFOUND: none that counts (no such
 * unit, several parts), KW_E_LIMIT: outside of the body. */
kw_status kw_http_range(kw_str field, uint64_t size, uint64_t *from, uint64_t *to);

/* ---- one connection (for the host) ---- */

typedef struct kw_http kw_http;

typedef struct kw_http_owner {
    void (*send)(void *user, kw_bytes bytes);
    size_t (*room)(void *user); /* bytes that may be queued now */
    void (*request)(void *user, kw_http_request *request);
    /* A WebSocket is asked for with this key: true when it is opened (the 101 is the owner's); what
     * came behind the request is handed over. This connection is not freed within the call. */
    bool (*upgrade)(void *user, kw_str key, uint8_t *rest, size_t n_rest);
    void (*close)(void *user); /* when all that was sent is out */
    /* What came is no request of HTTP; it is refused. May be NULL. */
    void (*malformed)(void *user);
} kw_http_owner;

kw_status kw_http_open(const kw_http_owner *owner, void *user, kw_http **out, kw_error *err);
void kw_http_receive(kw_http *http, kw_bytes bytes);
void kw_http_drained(kw_http *http);
/* The client sends nothing more: what it asked for is answered, and then it is closed. */
void kw_http_end(kw_http *http);
/* Whether a request is being answered. */
bool kw_http_busy(const kw_http *http);
void kw_http_free(kw_http *http);

#endif
