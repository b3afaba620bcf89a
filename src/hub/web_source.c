/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web_source.c - the source of plain web servers.
 *
 * The first request asks for one byte: its answer says the size, whether there are ranges, and
 * where redirects lead. Later requests go there directly, until that place refuses (signed URLs
 * expire): then the way is found anew. A strong ETag goes along as If-Range, so that a file which
 * changes meanwhile is noticed. */
#include "hub/web_source.h"

#include "base/check.h"
#include "hub/web_asks.h"

#include <stdio.h>
#include <stdlib.h>

#define URL_MAX 4096 /* signed URLs are long */
#define PARALLEL 4
#define SPAN 16

typedef struct file {
    const kw_web_source *source;
    const kw_want *want;
    kw_web_asks asks;
    /* what follows is guarded by asks.sync */
    uint64_t size;
    bool probed, ranges;
    char tag[KW_WEB_TAG_MAX];
    char url[URL_MAX]; /* where redirects led; "": not known */
} file;

/* ---- the first request ---- */

static bool probe_head(void *user, const kw_web_reply *reply, const char *url)
{
    file *const f = user;
    const kw_status status = kw_web_status(reply->status);
    const bool empty = reply->status == 416 && reply->ranged && reply->total == 0;
    kw_offer offer = {.size = KW_SIZE_UNKNOWN, .parallel = PARALLEL, .span = SPAN, .pauses = true};
    char why[120] = "", host[300] = "";
    if (reply->status == 206 && reply->ranged && reply->from == 0)
        offer.size = reply->total;
    else if (status == KW_OK)
        offer.size = reply->length;
    else if (empty)
        offer.size = 0;
    else
        snprintf(why, sizeof(why), "answered with status %ld%s", reply->status,
                 reply->status == 401 || reply->status == 403 ? ": it may need a token" : "");
    if (!why[0] && reply->encoded)
        snprintf(why, sizeof(why), "sends it compressed, which was not asked for");
    if (!why[0] && offer.size == KW_SIZE_UNKNOWN)
        snprintf(why, sizeof(why), "does not say how long it is");
    kw_sync_lock(f->asks.sync);
    f->size = offer.size;
    f->probed = true;
    f->ranges = offer.ranges = reply->status == 206;
    memcpy(f->tag, reply->tag, sizeof(f->tag));
    if (strlen(url) < sizeof(f->url))
        memcpy(f->url, url, strlen(url) + 1);
    kw_sync_unlock(f->asks.sync);
    (void)kw_web_host(url, host, sizeof(host));
    offer.from = host;
    offer.validator = f->tag[0] ? f->tag : NULL;
    if (why[0])
        f->asks.to->failed(f->asks.to->user, status == KW_OK ? KW_E_UNSUPPORTED : status, why);
    else
        f->asks.to->opened(f->asks.to->user, &offer);
    return false;
}

static kw_take probe_data(void *user, kw_bytes bytes)
{
    (void)user;
    (void)bytes;
    return KW_TAKE_STOP;
}

static void probe_done(void *user, kw_status status, const kw_web_reply *reply, const char *why)
{
    file *const f = user;
    (void)reply;
    f->asks.to->failed(f->asks.to->user, status == KW_OK ? KW_E_IO : status, why);
}

static kw_status start_probe(file *f, kw_error *err)
{
    static const kw_web_events events = {
        .head = probe_head, .data = probe_data, .done = probe_done};
    const kw_web_get get = {.url = f->want->url,
                            .token = f->source->token,
                            .ranged = true,
                            .from = 0,
                            .len = 1,
                            .events = &events,
                            .user = f,
                            .owner = f};
    uint64_t id;
    return kw_web_start(f->source->web, &get, &id, err);
}

/* ---- an ask ---- */

static bool refuse(kw_web_ask *a, kw_status status, const char *fmt, long value)
{
    char text[100];
    snprintf(text, sizeof(text), "answered with status %ld", value);
    snprintf(a->why, sizeof(a->why), "%s", fmt ? fmt : text);
    a->status = status;
    return true; /* done tells it */
}

static bool ask_head(void *user, const kw_web_reply *reply, const char *url)
{
    kw_web_ask *const a = user;
    file *const f = a->file;
    const kw_status status = kw_web_status(reply->status);
    if (status == KW_E_NOTFOUND || reply->status == 400) {
        kw_sync_lock(f->asks.sync);
        const bool direct = f->url[0] && strcmp(f->url, f->want->url) != 0;
        f->url[0] = 0;
        kw_sync_unlock(f->asks.sync);
        return refuse(a, direct ? KW_E_IO : status, NULL, reply->status);
    }
    if (status != KW_OK)
        return refuse(a, status, NULL, reply->status);
    if (reply->encoded)
        return refuse(a, KW_E_FORMAT, "sends it compressed, which was not asked for", 0);
    kw_sync_lock(f->asks.sync);
    const bool ranges = f->ranges;
    const uint64_t size = f->size;
    if (strlen(url) < sizeof(f->url))
        memcpy(f->url, url, strlen(url) + 1);
    kw_sync_unlock(f->asks.sync);
    if (reply->status == 206) {
        const bool right = reply->ranged && reply->from == a->offset &&
                           (reply->total == size || reply->total == KW_WEB_UNKNOWN);
        return right || refuse(a, KW_E_FORMAT, "sent another range than was asked for", 0);
    }
    if (reply->length != KW_WEB_UNKNOWN && reply->length != size)
        return refuse(a, KW_E_FORMAT, "the file has changed there", 0);
    if (ranges && f->tag[0])
        return refuse(a, KW_E_FORMAT, "the file has changed there", 0);
    a->skip = a->offset; /* it sends all of it */
    return true;
}

static kw_take ask_data(void *user, kw_bytes bytes)
{
    kw_web_ask *const a = user;
    if (a->status != KW_OK)
        return KW_TAKE_OK; /* the text of an error */
    const size_t skipped = (size_t)KW_MIN(a->skip, (uint64_t)bytes.len);
    kw_bytes rest = {bytes.data + skipped, bytes.len - skipped};
    rest.len = (size_t)KW_MIN(a->left, (uint64_t)rest.len);
    const kw_take take = kw_web_ask_deliver(a, rest);
    if (take == KW_TAKE_OK)
        a->skip -= skipped;
    return take;
}

static void ask_done(void *user, kw_status status, const kw_web_reply *reply, const char *why)
{
    kw_web_ask *const a = user;
    const kw_delivery *const to = a->all->to;
    if (a->status != KW_OK)
        status = a->status;
    else if (status != KW_OK)
        snprintf(a->why, sizeof(a->why), "%s", why);
    const uint64_t id = a->id;
    if (a->left == 0)
        status = KW_OK; /* whatever happened behind it */
    const bool short_of = status == KW_OK && a->left > 0;
    if (short_of)
        snprintf(a->why, sizeof(a->why), "ended %ju bytes early", (uintmax_t)a->left);
    to->done(to->user, id, short_of ? KW_E_IO : status, a->why, reply->retry_ms);
}

/* ---- the source ---- */

static void close_file(void *user)
{
    file *const f = user;
    kw_web_asks_close(&f->asks, f);
    free(f);
}

static kw_status open_file(void *user, const kw_want *want, const kw_delivery *to, void **out,
                           kw_error *err)
{
    if (!want->url)
        return kw_fail(err, KW_E_NOTFOUND, "no URL of it is known");
    file *const f = calloc(1, sizeof(*f));
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "http: no memory for a file");
    f->source = user;
    f->want = want;
    kw_status status = kw_web_asks_open(&f->asks, f->source->web, to, err);
    if (status == KW_OK)
        status = start_probe(f, err);
    if (status != KW_OK) {
        kw_sync_free(f->asks.sync);
        free(f);
        return status;
    }
    *out = f;
    return KW_OK;
}

static kw_status ask_file(void *user, const kw_ask *what, kw_error *err)
{
    static const kw_web_events events = {
        .head = ask_head, .data = ask_data, .done = ask_done, .gone = kw_web_ask_gone};
    file *const f = user;
    char url[URL_MAX];
    kw_web_ask *const a = kw_web_asks_take(&f->asks, f, what);
    if (!a)
        return kw_fail(err, KW_E_IO, "http: more than %d requests for one file", KW_WEB_ASKS_MAX);
    kw_sync_lock(f->asks.sync);
    const bool direct = f->url[0] && what->kind == KW_ASK_RANGE;
    if (direct)
        memcpy(url, f->url, sizeof(url));
    kw_sync_unlock(f->asks.sync);
    const bool ours = !direct || kw_web_same_origin(url, f->want->url);
    const kw_web_get get = {.url = direct ? url : f->want->url,
                            .token = ours ? f->source->token : NULL,
                            .if_range = f->ranges && f->tag[0] ? f->tag : NULL,
                            .ranged = f->ranges,
                            .from = what->offset,
                            .len = what->len,
                            .events = &events,
                            .user = a,
                            .owner = f};
    return kw_web_ask_start(a, &get, err);
}

static void cancel_ask(void *user, uint64_t id)
{
    file *const f = user;
    kw_web_asks_cancel(&f->asks, id);
}

static void resume_ask(void *user, uint64_t id)
{
    file *const f = user;
    kw_web_asks_resume(&f->asks, id);
}

kw_source kw_web_source_make(kw_web_source *state)
{
    return (kw_source){.name = "http",
                       .order = KW_FROM_HTTP,
                       .user = state,
                       .open = open_file,
                       .ask = ask_file,
                       .cancel = cancel_ask,
                       .resume = resume_ask,
                       .close = close_file};
}
