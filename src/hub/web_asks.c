/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web_asks.c - which request of kw_web answers which ask. */
#include "hub/web_asks.h"

kw_status kw_web_asks_open(kw_web_asks *all, kw_web *web, const kw_delivery *to, kw_error *err)
{
    all->web = web;
    all->to = to;
    return kw_sync_create(&all->sync, err);
}

void kw_web_asks_close(kw_web_asks *all, void *file)
{
    kw_web_drop(all->web, file);
    kw_sync_free(all->sync);
}

/* With the lock. */
static kw_web_ask *find(kw_web_asks *all, uint64_t id)
{
    for (size_t i = 0; i < KW_WEB_ASKS_MAX; i++) {
        if (all->asks[i].id == id)
            return &all->asks[i];
    }
    return NULL;
}

kw_web_ask *kw_web_asks_take(kw_web_asks *all, void *file, const kw_ask *what)
{
    kw_sync_lock(all->sync);
    kw_web_ask *const ask = find(all, 0);
    if (ask)
        *ask = (kw_web_ask){
            .all = all, .file = file, .id = what->id, .offset = what->offset, .left = what->len};
    kw_sync_unlock(all->sync);
    return ask;
}

kw_status kw_web_ask_start(kw_web_ask *ask, const kw_web_get *get, kw_error *err)
{
    const kw_status status = kw_web_start(ask->all->web, get, &ask->request, err);
    if (status != KW_OK)
        kw_web_ask_gone(ask);
    return status;
}

/* The request that answers an ask; false: it is over. */
static bool request_of(kw_web_asks *all, uint64_t id, uint64_t *request)
{
    kw_sync_lock(all->sync);
    const kw_web_ask *const ask = find(all, id);
    if (ask)
        *request = ask->request;
    kw_sync_unlock(all->sync);
    return ask != NULL;
}

void kw_web_asks_cancel(kw_web_asks *all, uint64_t id)
{
    uint64_t request;
    if (request_of(all, id, &request))
        kw_web_cancel(all->web, request);
}

void kw_web_asks_resume(kw_web_asks *all, uint64_t id)
{
    uint64_t request;
    if (request_of(all, id, &request))
        kw_web_resume(all->web, request);
}

kw_take kw_web_ask_deliver(kw_web_ask *ask, kw_bytes bytes)
{
    const kw_delivery *const to = ask->all->to;
    if (bytes.len == 0)
        return KW_TAKE_OK;
    const kw_take take = to->data(to->user, ask->id, ask->offset, bytes);
    if (take != KW_TAKE_OK)
        return take;
    ask->offset += bytes.len;
    ask->left -= bytes.len;
    return KW_TAKE_OK;
}

void kw_web_ask_gone(void *user)
{
    kw_web_ask *const ask = user;
    kw_sync_lock(ask->all->sync);
    ask->id = 0;
    kw_sync_unlock(ask->all->sync);
}
