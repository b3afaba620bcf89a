/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway.c - the source of a trustless gateway: runs of leaves as archives of a range of the file
 * (format=car, entity-bytes), single blocks by their names (format=raw). A gateway that does not
 * give an archive of what was asked for is asked for single blocks from then on. Source:
 * specs.ipfs.tech, "Trustless Gateway Specification". */
#include "hub/gateway.h"

#include "base/check.h"
#include "hub/car_stream.h"
#include "hub/reference.h"
#include "hub/web_asks.h"
#include "wire/blocks.h"

#include <stdio.h>
#include <stdlib.h>

#define PARALLEL 6
#define MISSING_RETRY_MS 250
#define SPAN 16 /* blocks in an archive */

typedef struct file {
    const kw_gateway *gateway;
    const kw_want *want; /* borrowed */
    kw_web_asks asks;
    kw_car_stream streams[KW_WEB_ASKS_MAX]; /* of each ask */
    bool single;                            /* no archives; guarded by asks.sync */
    char host[300];
} file;

static void offer(file *f, uint32_t span)
{
    const kw_delivery *const to = f->asks.to;
    to->opened(to->user, &(kw_offer){.size = KW_SIZE_UNKNOWN,
                                     .from = f->host,
                                     .parallel = PARALLEL,
                                     .span = span,
                                     .ranges = true,
                                     .blocks = true,
                                     .pauses = true,
                                     .by_leaf = true});
}

static bool is_single(file *f)
{
    kw_sync_lock(f->asks.sync);
    const bool single = f->single;
    kw_sync_unlock(f->asks.sync);
    return single;
}

static bool on_head(void *user, const kw_web_reply *reply, const char *url)
{
    kw_web_ask *const a = user;
    (void)url;
    a->status = reply->status == 206 ? KW_E_FORMAT : kw_web_status(reply->status);
    if (reply->encoded)
        a->status = KW_E_FORMAT;
    if (a->status != KW_OK)
        snprintf(a->why, sizeof(a->why), "answered with status %ld", reply->status);
    /* One that does not have this block may have others. */
    if (a->status == KW_E_NOTFOUND)
        a->status = KW_E_IO;
    return true;
}

static kw_take on_data(void *user, kw_bytes bytes)
{
    kw_web_ask *const a = user;
    if (a->status != KW_OK)
        return KW_TAKE_OK;
    if (bytes.len > a->left) {
        a->status = KW_E_FORMAT;
        snprintf(a->why, sizeof(a->why), "sent more than the block");
        return KW_TAKE_OK;
    }
    return kw_web_ask_deliver(a, bytes);
}

static void on_done(void *user, kw_status status, const kw_web_reply *reply, const char *why)
{
    kw_web_ask *const a = user;
    if (a->status != KW_OK)
        status = a->status;
    else if (status != KW_OK)
        snprintf(a->why, sizeof(a->why), "%s", why);
    if (status == KW_OK && !a->whole && a->left > 0) {
        status = KW_E_IO;
        snprintf(a->why, sizeof(a->why), "sent less than the block");
    }
    /* A block that is not there will hardly be there soon. */
    const bool missing = kw_web_status(reply->status) == KW_E_NOTFOUND;
    const kw_delivery *const to = a->all->to;
    to->done(to->user, a->id, status, a->why, missing ? MISSING_RETRY_MS : reply->retry_ms);
}

/* ---- archives ---- */

static kw_car_stream *stream_of(kw_web_ask *a)
{
    file *const f = a->file;
    return &f->streams[a - f->asks.asks];
}

static kw_take hand_on(void *user, kw_bytes bytes)
{
    return kw_web_ask_deliver(user, bytes);
}

static kw_take on_car_data(void *user, kw_bytes bytes)
{
    kw_web_ask *const a = user;
    const char *why;
    if (a->status != KW_OK)
        return KW_TAKE_OK;
    const kw_take take = kw_car_stream_take(stream_of(a), bytes, hand_on, a, &why);
    if (!why)
        return take;
    a->status = KW_E_FORMAT;
    snprintf(a->why, sizeof(a->why), "%s", why);
    return KW_TAKE_OK;
}

/* What did not bring the run as an archive is asked for block by block, at once. */
static void on_car_done(void *user, kw_status status, const kw_web_reply *reply, const char *why)
{
    kw_web_ask *const a = user;
    file *const f = a->file;
    const kw_delivery *const to = f->asks.to;
    /* An archive that breaks off before its first leaf: that leaf is not there, others may be. */
    const bool lacking = reply->status == 200 && stream_of(a)->next == 0;
    const bool busy = (status != KW_OK || kw_web_status(reply->status) == KW_E_IO) && !lacking;
    if (a->status == KW_OK && status == KW_OK && kw_car_stream_whole(stream_of(a))) {
        to->done(to->user, a->id, KW_OK, "", 0);
        return;
    }
    if (a->status == KW_OK)
        snprintf(a->why, sizeof(a->why), "%s", status != KW_OK ? why : "sent less than the run");
    if (busy) {
        to->done(to->user, a->id, KW_E_IO, a->why, reply->retry_ms);
        return;
    }
    kw_sync_lock(f->asks.sync);
    const bool first = !f->single;
    f->single = true;
    kw_sync_unlock(f->asks.sync);
    if (first)
        offer(f, 1);
    to->done(to->user, a->id, KW_E_IO, a->why, 1);
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
    kw_gateway *const gateway = user;
    if (!want->has_root)
        return kw_fail(err, KW_E_NOTFOUND, "no root of it is known");
    file *const f = calloc(1, sizeof(*f));
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "gateway: no memory for a file");
    f->gateway = gateway;
    f->want = want;
    if (!kw_web_host(gateway->url, f->host, sizeof(f->host))) {
        free(f);
        return kw_fail(err, KW_E_ARG, "\"%.100s\" is not the URL of a gateway", gateway->url);
    }
    const kw_status status = kw_web_asks_open(&f->asks, gateway->web, to, err);
    if (status != KW_OK) {
        free(f);
        return status;
    }
    *out = f;
    offer(f, SPAN);
    return KW_OK;
}

/* The name of the block that is asked for. */
static kw_cid name_of(const kw_ask *what)
{
    if (what->kind == KW_ASK_BLOCK)
        return what->cid;
    kw_cid cid = {.version = 1, .digest_len = 32, .codec = KW_CODEC_RAW, .hash = KW_HASH_SHA2_256};
    memcpy(cid.digest, what->leaves[0], 32);
    return cid;
}

static void put_url(kw_buf *out, const file *f, const kw_cid *cid)
{
    char text[KW_CID_TEXT_MAX];
    const char *const url = f->gateway->url;
    const size_t len = strlen(url);
    kw_cid_text(cid, text);
    kw_buf_printf(out, "%.500s%sipfs/%s", url, len > 0 && url[len - 1] == '/' ? "" : "/", text);
}

static kw_status ask_block(file *f, kw_web_ask *a, const kw_ask *what, kw_error *err)
{
    static const kw_web_events events = {
        .head = on_head, .data = on_data, .done = on_done, .gone = kw_web_ask_gone};
    const kw_cid cid = name_of(what);
    kw_buf url = {0};
    put_url(&url, f, &cid);
    kw_buf_printf(&url, "?format=raw");
    a->whole = what->kind == KW_ASK_BLOCK;
    if (a->whole) {
        a->offset = 0;
        a->left = KW_BLOCK_MAX;
    }
    const kw_web_get get = {.url = url.failed ? "" : url.data,
                            .accept = "application/vnd.ipld.raw",
                            .events = &events,
                            .user = a,
                            .owner = f};
    const kw_status status = kw_web_ask_start(a, &get, err);
    kw_buf_free(&url);
    return status;
}

static kw_status ask_archive(file *f, kw_web_ask *a, const kw_ask *what, kw_error *err)
{
    static const kw_web_events events = {
        .head = on_head, .data = on_car_data, .done = on_car_done, .gone = kw_web_ask_gone};
    kw_buf url = {0};
    *stream_of(a) = kw_car_stream_of(what);
    put_url(&url, f, &f->want->root);
    if (f->want->inside) {
        kw_buf_printf(&url, "/");
        kw_url_escape(&url, kw_str_from(f->want->inside));
    }
    kw_buf_printf(&url, "?format=car&dag-scope=entity&entity-bytes=%ju:%ju",
                  (uintmax_t)what->offset, (uintmax_t)(what->offset + what->len - 1));
    const kw_web_get get = {.url = url.failed ? "" : url.data,
                            .accept = "application/vnd.ipld.car; version=1; order=dfs; dups=y",
                            .events = &events,
                            .user = a,
                            .owner = f};
    const kw_status status = kw_web_ask_start(a, &get, err);
    kw_buf_free(&url);
    return status;
}

static kw_status ask_file(void *user, const kw_ask *what, kw_error *err)
{
    file *const f = user;
    kw_web_ask *const a = kw_web_asks_take(&f->asks, f, what);
    if (!a)
        return kw_fail(err, KW_E_IO, "gateway: more than %d requests for one file",
                       KW_WEB_ASKS_MAX);
    const bool several = what->kind == KW_ASK_RANGE && what->len > what->leaf_size;
    return several && !is_single(f) ? ask_archive(f, a, what, err) : ask_block(f, a, what, err);
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

kw_source kw_gateway_make(kw_gateway *state)
{
    return (kw_source){.name = "ipfs",
                       .order = KW_FROM_IPFS,
                       .user = state,
                       .open = open_file,
                       .ask = ask_file,
                       .cancel = cancel_ask,
                       .resume = resume_ask,
                       .close = close_file};
}
