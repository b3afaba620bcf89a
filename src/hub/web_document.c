/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web_document.c - small documents, whole: the thread that asks waits for that of kw_web. */
#include "hub/web.h"

#include "os/sync.h"
#include "os/system.h"

#include <stdio.h>

#define READ_TRIES 3
#define READ_STALL_NS UINT64_C(30000000000)

typedef struct reader {
    kw_sync *sync;
    kw_buf *out;
    kw_web_reply *reply;
    size_t max;
    uint64_t last_ns;
    bool over, too_long;
    kw_status status;
    char why[200];
} reader;

static kw_take read_data(void *user, kw_bytes bytes)
{
    reader *const r = user;
    kw_sync_lock(r->sync);
    r->last_ns = kw_clock_ns();
    r->too_long = bytes.len > r->max - r->out->len;
    if (r->too_long)
        r->over = true;
    else
        kw_buf_add(r->out, (const char *)bytes.data, bytes.len);
    kw_sync_wake(r->sync);
    kw_sync_unlock(r->sync);
    return r->too_long ? KW_TAKE_STOP : KW_TAKE_OK;
}

static void read_done(void *user, kw_status status, const kw_web_reply *reply, const char *why)
{
    reader *const r = user;
    kw_sync_lock(r->sync);
    r->over = true;
    r->status = status;
    *r->reply = *reply;
    snprintf(r->why, sizeof(r->why), "%s", why);
    kw_sync_wake(r->sync);
    kw_sync_unlock(r->sync);
}

static kw_status read_once(kw_web *http, const kw_web_document *d, reader *r, kw_error *err)
{
    static const kw_web_events events = {.data = read_data, .done = read_done};
    const kw_web_get get = {.url = d->url,
                            .accept = d->accept,
                            .token = d->token,
                            .events = &events,
                            .user = r,
                            .owner = r};
    char host[300] = "";
    uint64_t id;
    (void)kw_web_host(d->url, host, sizeof(host));
    r->out->len = 0;
    r->over = false;
    r->last_ns = kw_clock_ns();
    KW_TRY(kw_web_start(http, &get, &id, err));
    bool stalled = false, wanted = true;
    kw_sync_lock(r->sync);
    while (!r->over && !stalled && wanted) {
        kw_sync_wait(r->sync, UINT64_C(100000000));
        stalled = kw_clock_ns() - r->last_ns > READ_STALL_NS;
        wanted = !d->still || d->still(d->user);
    }
    kw_sync_unlock(r->sync);
    kw_web_drop(http, r);
    if (!wanted)
        return kw_fail(err, KW_E_CANCELLED, "%.100s: interrupted", host);
    if (r->too_long)
        return kw_fail(err, KW_E_LIMIT, "%.100s: sent more than %zu bytes", host, d->max);
    if (!r->over)
        return kw_fail(err, KW_E_IO, "%.100s: sent nothing for 30 seconds", host);
    if (r->status != KW_OK)
        return kw_fail(err, r->status, "%.100s: %.120s", host, r->why);
    return kw_buf_status(r->out, err);
}

kw_status kw_web_read(kw_web *http, const kw_web_document *document, kw_buf *out,
                      kw_web_reply *reply, kw_error *err)
{
    kw_web_reply unused;
    reader r = {.out = out, .reply = reply ? reply : &unused, .max = document->max};
    KW_TRY(kw_sync_create(&r.sync, err));
    kw_status status = KW_E_IO;
    for (uint32_t i = 0; i < READ_TRIES && status == KW_E_IO; i++) {
        if (i > 0) {
            kw_sync_lock(r.sync);
            kw_sync_wait(r.sync, UINT64_C(300000000) << i);
            kw_sync_unlock(r.sync);
        }
        status = read_once(http, document, &r, err);
    }
    kw_sync_free(r.sync);
    return status;
}
