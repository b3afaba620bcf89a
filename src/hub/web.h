/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web.h - HTTP requests at once, on one thread (libcurl).
 *
 * https is left for nothing but https; a token goes only to the host, port and scheme it was given
 * for, and never over plain http except to this machine. Bodies arrive as they were sent: no
 * compression is asked for. Nothing is kept between requests but connections.
 *
 * Callbacks come on the thread of kw_web, one at a time, and must not call kw_web. */
#ifndef KW_HUB_WEB_H
#define KW_HUB_WEB_H

#include "base/buf.h"
#include "base/error.h"
#include "hub/source.h"
#include "hub/web_header.h"

typedef struct kw_web kw_web;

typedef struct kw_web_events {
    /* The header of the final answer is here, of any status; false ends it without done. May be
     * NULL: then any status but 200 and 206 ends it. */
    bool (*head)(void *user, const kw_web_reply *reply, const char *url);
    kw_take (*data)(void *user, kw_bytes bytes);
    /* The end, unless it was ended from here or cancelled. status: KW_E_IO is worth another try. */
    void (*done)(void *user, kw_status status, const kw_web_reply *reply, const char *why);
    /* The last call, however it ended: user may be freed. May be NULL. */
    void (*gone)(void *user);
} kw_web_events;

typedef struct kw_web_get {
    const char *url;      /* http or https; copied, as are the other texts */
    const char *accept;   /* NULL: anything */
    const char *token;    /* NULL: none */
    const char *if_range; /* a strong ETag, NULL: none */
    bool ranged;
    uint64_t from, len;          /* ranged */
    const kw_web_events *events; /* borrowed until the end */
    void *user;
    void *owner; /* for kw_web_drop */
} kw_web_get;

kw_status kw_web_open(const char *agent, kw_web **out, kw_error *err);
/* Ends what is still going on, without done. */
void kw_web_close(kw_web *http);
kw_status kw_web_start(kw_web *http, const kw_web_get *get, uint64_t *id, kw_error *err);
void kw_web_cancel(kw_web *http, uint64_t id);
void kw_web_resume(kw_web *http, uint64_t id);
/* Ends all requests of this owner; after it returns none of them calls back. */
void kw_web_drop(kw_web *http, void *owner);

/* A small document, whole: any status but 200 fails (404: KW_E_NOTFOUND), as do more than max
 * bytes. Tries up to three times. still: asked ten times a second, false ends it; may be NULL. */
typedef struct kw_web_document {
    const char *url, *accept, *token;
    size_t max;
    bool (*still)(void *user);
    void *user;
} kw_web_document;
kw_status kw_web_read(kw_web *http, const kw_web_document *document, kw_buf *out,
                      kw_web_reply *reply, kw_error *err);

/* The host of a URL and its port when it has one, into out; false when it is none. */
bool kw_web_host(const char *url, char *out, size_t size);
/* Whether the two have the same scheme, host and port. */
bool kw_web_same_origin(const char *a, const char *b);
/* What an answer of this status means: KW_OK, KW_E_IO when it may be another next time. */
kw_status kw_web_status(long status);

#endif
