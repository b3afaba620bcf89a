/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway.c - the source of a trustless gateway: GET /ipfs/CID?format=raw, a block an ask.
 * Source: specs.ipfs.tech, "Trustless Gateway Specification". */
#include "hub/gateway.h"

#include "base/check.h"
#include "hub/web_asks.h"
#include "wire/blocks.h"

#include <stdio.h>
#include <stdlib.h>

#define PARALLEL 6
#define MISSING_RETRY_MS 250

typedef struct file {
    const kw_gateway *gateway;
    kw_web_asks asks;
} file;

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
    char host[300];
    if (!want->has_root)
        return kw_fail(err, KW_E_NOTFOUND, "no root of it is known");
    if (!kw_web_host(gateway->url, host, sizeof(host)))
        return kw_fail(err, KW_E_ARG, "\"%.100s\" is not the URL of a gateway", gateway->url);
    file *const f = calloc(1, sizeof(*f));
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "gateway: no memory for a file");
    f->gateway = gateway;
    const kw_status status = kw_web_asks_open(&f->asks, gateway->web, to, err);
    if (status != KW_OK) {
        free(f);
        return status;
    }
    *out = f;
    to->opened(to->user, &(kw_offer){.size = KW_SIZE_UNKNOWN,
                                     .from = host,
                                     .parallel = PARALLEL,
                                     .span = 1,
                                     .ranges = true,
                                     .blocks = true,
                                     .pauses = true,
                                     .by_leaf = true});
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

static kw_status ask_file(void *user, const kw_ask *what, kw_error *err)
{
    static const kw_web_events events = {
        .head = on_head, .data = on_data, .done = on_done, .gone = kw_web_ask_gone};
    file *const f = user;
    kw_web_ask *const a = kw_web_asks_take(&f->asks, f, what);
    if (!a)
        return kw_fail(err, KW_E_IO, "gateway: more than %d requests for one file",
                       KW_WEB_ASKS_MAX);
    const kw_cid cid = name_of(what);
    char text[KW_CID_TEXT_MAX], url[KW_CID_TEXT_MAX + 600];
    kw_cid_text(&cid, text);
    const size_t len = strlen(f->gateway->url);
    const char *const slash = len > 0 && f->gateway->url[len - 1] == '/' ? "" : "/";
    snprintf(url, sizeof(url), "%.500s%sipfs/%s?format=raw", f->gateway->url, slash, text);
    a->whole = what->kind == KW_ASK_BLOCK;
    if (a->whole) {
        a->offset = 0;
        a->left = KW_BLOCK_MAX;
    }
    const kw_web_get get = {
        .url = url, .accept = "application/vnd.ipld.raw", .events = &events, .user = a, .owner = f};
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
