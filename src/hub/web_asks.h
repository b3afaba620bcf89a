/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web_asks.h - the asks of one open file of a source that speaks HTTP, and the requests of kw_web
 * that answer them; for gateway.c and web_source.c.
 *
 * The scheduler takes an ask, the thread of kw_web gives it back when it calls gone. */
#ifndef KW_HUB_WEB_ASKS_H
#define KW_HUB_WEB_ASKS_H

#include "hub/web.h"
#include "os/sync.h"

#define KW_WEB_ASKS_MAX 16

typedef struct kw_web_ask {
    void *file;           /* of the source */
    uint64_t id, request; /* of fetch, of kw_web; id 0: free */
    uint64_t offset, left;
    uint64_t skip; /* bytes before it that a server without ranges sends */
    bool whole;    /* left is a limit, not what must come */
    kw_status status;
    char why[160];
    struct kw_web_asks *all;
} kw_web_ask;

typedef struct kw_web_asks {
    kw_web *web;           /* borrowed */
    const kw_delivery *to; /* borrowed */
    kw_sync *sync;         /* owned; guards the ids */
    kw_web_ask asks[KW_WEB_ASKS_MAX];
} kw_web_asks;

kw_status kw_web_asks_open(kw_web_asks *all, kw_web *web, const kw_delivery *to, kw_error *err);
/* Ends all requests that the file owns first. */
void kw_web_asks_close(kw_web_asks *all, void *file);
/* A free one, for what is asked; NULL: there is none. file owns the request that it gets. */
kw_web_ask *kw_web_asks_take(kw_web_asks *all, void *file, const kw_ask *what);
/* Sends its request; the ask is free again when that fails. */
kw_status kw_web_ask_start(kw_web_ask *ask, const kw_web_get *get, kw_error *err);
void kw_web_asks_cancel(kw_web_asks *all, uint64_t id);
void kw_web_asks_resume(kw_web_asks *all, uint64_t id);

/* For kw_web_events. Hands bytes on, which are at most what is left. */
kw_take kw_web_ask_deliver(kw_web_ask *ask, kw_bytes bytes);
void kw_web_ask_gone(void *ask);

#endif
