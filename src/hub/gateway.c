/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway.c - the source of a trustless gateway: GET /ipfs/CID?format=raw, a block an ask.
 * Source: specs.ipfs.tech, "Trustless Gateway Specification". */
#include "hub/gateway.h"

#include "base/check.h"
#include "os/sync.h"
#include "wire/blocks.h"

#include <stdio.h>
#include <stdlib.h>

#define ASKS_MAX 16
#define PARALLEL 6
#define MISSING_RETRY_MS 250

typedef struct file file;

typedef struct ask {
    file *of;
    uint64_t id, request; /* of fetch, of kw_web; id 0: free */
    uint64_t offset, left;
    bool whole; /* left is a limit, not what must come */
    kw_status status;
    char why[80];
} ask;

struct file {
    kw_gateway *gateway;
    const kw_delivery *to;
    kw_sync *sync; /* guards ids */
    ask asks[ASKS_MAX];
};

static bool on_head(void *user, const kw_web_reply *reply, const char *url)
{
    ask *const a = user;
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
    ask *const a = user;
    if (a->status != KW_OK)
        return KW_TAKE_OK;
    if (bytes.len > a->left) {
        a->status = KW_E_FORMAT;
        snprintf(a->why, sizeof(a->why), "sent more than the block");
        return KW_TAKE_OK;
    }
    const kw_take take = a->of->to->data(a->of->to->user, a->id, a->offset, bytes);
    if (take != KW_TAKE_OK)
        return take;
    a->offset += bytes.len;
    a->left -= bytes.len;
    return KW_TAKE_OK;
}

static void on_done(void *user, kw_status status, const kw_web_reply *reply, const char *why)
{
    ask *const a = user;
    if (a->status != KW_OK)
        status = a->status;
    else if (status != KW_OK)
        snprintf(a->why, sizeof(a->why), "%.79s", why);
    if (status == KW_OK && !a->whole && a->left > 0) {
        status = KW_E_IO;
        snprintf(a->why, sizeof(a->why), "sent less than the block");
    }
    /* A block that is not there will hardly be there soon. */
    const bool missing = kw_web_status(reply->status) == KW_E_NOTFOUND;
    a->of->to->done(a->of->to->user, a->id, status, a->why,
                    missing ? MISSING_RETRY_MS : reply->retry_ms);
}

static void on_gone(void *user)
{
    ask *const a = user;
    kw_sync_lock(a->of->sync);
    a->id = 0;
    kw_sync_unlock(a->of->sync);
}

static ask *find_ask(file *f, uint64_t id)
{
    ask *found = NULL;
    kw_sync_lock(f->sync);
    for (size_t i = 0; i < ASKS_MAX && !found; i++) {
        if (f->asks[i].id == id)
            found = &f->asks[i];
    }
    kw_sync_unlock(f->sync);
    return found;
}

static void close_file(void *user)
{
    file *const f = user;
    kw_web_drop(f->gateway->web, f);
    kw_sync_free(f->sync);
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
    f->to = to;
    const kw_status status = kw_sync_create(&f->sync, err);
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
        .head = on_head, .data = on_data, .done = on_done, .gone = on_gone};
    file *const f = user;
    ask *const a = find_ask(f, 0);
    if (!a)
        return kw_fail(err, KW_E_IO, "gateway: more than %d requests for one file", ASKS_MAX);
    const bool whole = what->kind == KW_ASK_BLOCK;
    const kw_cid cid = name_of(what);
    char text[KW_CID_TEXT_MAX], url[KW_CID_TEXT_MAX + 600];
    kw_cid_text(&cid, text);
    const size_t len = strlen(f->gateway->url);
    const char *const slash = len > 0 && f->gateway->url[len - 1] == '/' ? "" : "/";
    snprintf(url, sizeof(url), "%.500s%sipfs/%s?format=raw", f->gateway->url, slash, text);
    *a = (ask){.of = f, .id = what->id, .whole = whole};
    a->offset = whole ? 0 : what->offset;
    a->left = whole ? KW_BLOCK_MAX : what->len;
    const kw_web_get get = {
        .url = url, .accept = "application/vnd.ipld.raw", .events = &events, .user = a, .owner = f};
    const kw_status status = kw_web_start(f->gateway->web, &get, &a->request, err);
    if (status != KW_OK)
        a->id = 0;
    return status;
}

static void cancel_ask(void *user, uint64_t id)
{
    file *const f = user;
    const ask *const a = find_ask(f, id);
    if (a)
        kw_web_cancel(f->gateway->web, a->request);
}

static void resume_ask(void *user, uint64_t id)
{
    file *const f = user;
    const ask *const a = find_ask(f, id);
    if (a)
        kw_web_resume(f->gateway->web, a->request);
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
