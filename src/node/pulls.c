/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pulls.c - the pulls of a node, on the thread of its loop. See pulls.h. */
#include "node/pulls_internal.h"

#include "base/check.h"
#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is served ---- */

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    const kw_pulls *const pulls = user;
    const kw_block_store *const base = pulls->node->config.blocks;
    for (const kw_pull *p = pulls->list; p; p = p->next) {
        if (!p->growing)
            continue;
        const kw_block_store store = kw_growing_store(p->growing);
        if (store.has(store.user, cid, size))
            return true;
    }
    return base && base->has(base->user, cid, size);
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    const kw_pulls *const pulls = user;
    const kw_block_store *const base = pulls->node->config.blocks;
    for (const kw_pull *p = pulls->list; p; p = p->next) {
        if (!p->growing)
            continue;
        const kw_block_store store = kw_growing_store(p->growing);
        if (store.get(store.user, cid, out, NULL) == KW_OK)
            return KW_OK;
    }
    return base ? base->get(base->user, cid, out, err)
                : kw_fail(err, KW_E_NOTFOUND, "blocks: it is not here");
}

/* Blocks of a growing file hold nothing. */
static void release(void *user, kw_block *block)
{
    const kw_pulls *const pulls = user;
    const kw_block_store *const base = pulls->node->config.blocks;
    if (base && block->hold)
        base->release(base->user, block);
    *block = (kw_block){0};
}

kw_block_store kw_pulls_store(kw_pulls *pulls)
{
    return (kw_block_store){.user = pulls, .has = has, .get = get, .release = release};
}

/* ---- while one runs ---- */

typedef struct arrival {
    kw_pull *pull;
    kw_cid cid;
} arrival;

/* The DHT is told once there is something to be had, and we give. */
static void tell_arrival(void *user)
{
    arrival *const a = user;
    kw_pull *const p = a->pull;
    kw_node *const node = p->pulls->node;
    if (!p->provided && kw_contribution_gives(node->contribution, NULL)) {
        (void)kw_node_provide(node, &p->file.root, NULL);
        p->provided = true;
    }
    kw_bitswap_arrived(node->bitswap, &a->cid, 1);
    free(a);
}

/* On the pull's thread. Without memory nobody is told, and who wants the block asks again. */
static void on_arrived(void *user, const kw_cid *cid)
{
    kw_pull *const p = user;
    arrival *const a = malloc(sizeof(*a));
    if (!a)
        return;
    *a = (arrival){p, *cid};
    if (kw_loop_post(p->pulls->node->loop, tell_arrival, a, NULL) != KW_OK)
        free(a);
}

/* ---- their lives ---- */

static void free_pull(kw_pull *p)
{
    kw_growing_close(p->growing);
    for (size_t i = 0; i < p->n_gateways; i++)
        free(p->gateways[i]);
    kw_buf_free(&p->path);
    if (p->sync)
        kw_sync_free(p->sync);
    free(p);
}

static void drop_pull(kw_pulls *pulls, kw_pull *p)
{
    kw_pull **at = &pulls->list;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free_pull(p);
}

/* The thread's last word: what arrived is in the index now, or goes on later. */
static void on_finished(void *user)
{
    kw_pull *const p = user;
    kw_thread_join(p->thread);
    p->thread = NULL;
    p->finished = true;
    kw_growing_close(p->growing);
    p->growing = NULL;
    if (p->done)
        p->done(p->user, p->status, p->err.message);
}

static void run(void *user)
{
    kw_pull *const p = user;
    kw_pull_run(p);
    /* The loop still runs: without memory for the post, try again. */
    while (kw_loop_post(p->pulls->node->loop, on_finished, p, NULL) != KW_OK)
        kw_cpu_relax();
}

static kw_status launch(kw_pull *p, kw_error *err)
{
    kw_node *const node = p->pulls->node;
    const kw_growing_config growing = {
        .sha_extension = node->config.sha_extension, .arrived = on_arrived, .user = p};
    KW_TRY(kw_sync_create(&p->sync, err));
    KW_TRY(kw_growing_open(&growing, &p->growing, err));
    for (size_t i = 0; i < p->n_peers; i++)
        kw_host_connect(node->host, NULL, &p->peers[i], NULL, NULL);
    if (p->n_peers > 0)
        (void)kw_kad_bootstrap(node->kad, p->peers, p->n_peers, NULL);
    return kw_thread_start(&p->thread, run, p, err);
}

/* ---- the owner's words ---- */

static kw_pull *find_id(const kw_pulls *pulls, const char *text)
{
    const uint64_t id = strtoull(text, NULL, 10);
    for (kw_pull *p = pulls->list; p; p = p->next)
        if (p->id == id)
            return p;
    return NULL;
}

/* One of the same file that is under way. */
static kw_pull *find_same(const kw_pulls *pulls, const char *model, const kw_listed *file)
{
    for (kw_pull *p = pulls->list; p; p = p->next)
        if (!p->finished && kw_cid_equal(&p->file.root, &file->root) &&
            strcmp(p->model, model) == 0 && strcmp(p->file.name, file->name) == 0)
            return p;
    return NULL;
}

/* Makes room among those whose end nobody has asked for. */
static bool make_room(kw_pulls *pulls)
{
    size_t n = 0;
    kw_pull *oldest = NULL;
    for (kw_pull *p = pulls->list; p; p = p->next, n++)
        if (p->finished)
            oldest = p;
    if (n < KW_PULLS_MAX)
        return true;
    if (oldest)
        drop_pull(pulls, oldest);
    return oldest != NULL;
}

static void answer_id(kw_control_call *call, uint64_t id)
{
    char text[40];
    const int n = snprintf(text, sizeof(text), "{\"pull\": %ju}", (uintmax_t)id);
    kw_control_answer(call, (kw_str){text, (size_t)n});
}

/* Begins with a request that was read; p is of the list then. */
static kw_status begin(kw_pulls *pulls, kw_pull *p, kw_error *err)
{
    p->pulls = pulls;
    p->id = ++pulls->last_id;
    p->progress.size = KW_SIZE_UNKNOWN;
    if (!pulls->node->config.index)
        return kw_fail(err, KW_E_UNSUPPORTED, "this node has no store to pull into");
    if (!make_room(pulls))
        return kw_fail(err, KW_E_LIMIT, "%d pulls are under way", KW_PULLS_MAX);
    KW_TRY(launch(p, err));
    p->next = pulls->list;
    pulls->list = p;
    return KW_OK;
}

/* It waits without end from now on: somebody is there to end it. */
static void be_patient(kw_pull *p)
{
    kw_sync_lock(p->sync);
    p->patience_s = 0;
    kw_sync_unlock(p->sync);
}

void kw_pulls_start(kw_pulls *pulls, kw_control_call *call, char *const *words, size_t n)
{
    kw_error err = {0};
    kw_pull *const p = calloc(1, sizeof(*p));
    kw_status status =
        p ? kw_pull_read(p, words, n, &err) : kw_fail(&err, KW_E_NOMEM, "no memory for a pull");
    kw_pull *const same = status == KW_OK ? find_same(pulls, p->model, &p->file) : NULL;
    if (status == KW_OK && !same)
        status = begin(pulls, p, &err);
    if (status == KW_OK)
        answer_id(call, same ? same->id : p->id);
    else
        kw_control_refuse(call, err.message);
    if (same)
        be_patient(same);
    if (p && (same || status != KW_OK))
        free_pull(p);
}

kw_status kw_pulls_fetch(kw_pulls *pulls, const kw_pulls_order *order, kw_error *err)
{
    const size_t len = strlen(order->model);
    kw_pull *p = find_same(pulls, order->model, order->file);
    if (!p) {
        if (len > KW_REF_NAME_MAX)
            return kw_fail(err, KW_E_LIMIT, "a model's name of %zu bytes (at most %d)", len,
                           KW_REF_NAME_MAX);
        p = calloc(1, sizeof(*p));
        if (!p)
            return kw_fail(err, KW_E_NOMEM, "no memory for a pull");
        p->file = *order->file;
        p->patience_s = order->patience_s;
        memcpy(p->model, order->model, len + 1);
        const kw_status status = begin(pulls, p, err);
        if (status != KW_OK) {
            free_pull(p);
            return status;
        }
    }
    p->done = order->done;
    p->user = order->user;
    return KW_OK;
}

void kw_pulls_leave(kw_pulls *pulls, const void *user)
{
    for (kw_pull *p = pulls->list; p; p = p->next)
        if (p->user == user)
            p->done = NULL;
}

static void put_shares(kw_buf *out, const kw_pull *p)
{
    kw_buf_printf(out, ", \"shares\": [");
    for (size_t i = 0; i < p->progress.n_shares; i++) {
        const kw_fetch_share *const s = &p->shares[i];
        kw_buf_printf(out, i ? ", {\"name\": " : "{\"name\": ");
        kw_buf_json(out, kw_str_from(s->name));
        kw_buf_printf(out, ", \"from\": ");
        kw_buf_json(out, kw_str_from(s->from));
        kw_buf_printf(out, ", \"bytes\": %ju, \"bad\": %u, \"failed\": %u}", (uintmax_t)s->bytes,
                      s->n_bad, s->n_failed + s->n_stalled);
    }
    kw_buf_printf(out, "]");
}

/* With the lock of p. */
static void put_state(kw_buf *out, const kw_pull *p)
{
    const kw_fetch_progress *const at = &p->progress;
    kw_buf_printf(out, "{\"over\": %s, \"status\": %d", p->finished ? "true" : "false",
                  (int)p->status);
    if (at->size != KW_SIZE_UNKNOWN)
        kw_buf_printf(out, ", \"size\": %ju", (uintmax_t)at->size);
    kw_buf_printf(out,
                  ", \"bytes\": %ju, \"resumed\": %ju, \"bytes_per_s\": %ju, \"verifying\": %s",
                  (uintmax_t)at->bytes, (uintmax_t)at->resumed, (uintmax_t)at->bytes_per_s,
                  at->verifying ? "true" : "false");
    put_shares(out, p);
    if (p->finished && p->status == KW_OK) {
        char hex[65];
        kw_sha256_hex(p->sha256, hex);
        kw_buf_printf(out, ", \"sha256\": \"%s\", \"there\": %s, \"path\": ", hex,
                      p->there ? "true" : "false");
        kw_buf_json(out, (kw_str){p->path.data, p->path.len});
    } else if (p->finished) {
        kw_buf_printf(out, ", \"why\": ");
        kw_buf_json(out, kw_str_from(p->err.message));
    }
    kw_buf_printf(out, "}");
}

void kw_pulls_tell(kw_pulls *pulls, kw_control_call *call, const char *id)
{
    kw_pull *const p = find_id(pulls, id);
    kw_buf out = {0};
    if (!p) {
        kw_control_refuse(call, "the node has no such pull");
        return;
    }
    kw_sync_lock(p->sync);
    put_state(&out, p);
    kw_sync_unlock(p->sync);
    if (out.failed)
        kw_control_refuse(call, "no memory for the answer");
    else
        kw_control_answer(call, (kw_str){out.data, out.len});
    kw_buf_free(&out);
}

void kw_pulls_cancel(kw_pulls *pulls, kw_control_call *call, const char *id)
{
    kw_pull *const p = find_id(pulls, id);
    if (p) {
        kw_sync_lock(p->sync);
        p->cancelled = true;
        kw_sync_unlock(p->sync);
    }
    kw_control_answer(call, KW_STR("{}"));
}

/* ---- opening and closing ---- */

kw_status kw_pulls_open(kw_node *node, kw_pulls **out, kw_error *err)
{
    kw_pulls *const pulls = calloc(1, sizeof(*pulls));
    if (!pulls)
        return kw_fail(err, KW_E_NOMEM, "node: no memory");
    pulls->node = node;
    *out = pulls;
    return KW_OK;
}

kw_status kw_pulls_begin(kw_pulls *pulls, kw_error *err)
{
    kw_node *const node = pulls->node;
    const kw_peers_parts parts = {.loop = node->loop,
                                  .host = node->host,
                                  .bitswap = node->bitswap,
                                  .kad = node->kad,
                                  .guard = node->guard};
    const kw_peers_config config = {.parts = &parts};
    KW_TRY(kw_peers_source_open(&config, &pulls->peers, err));
    pulls->source = kw_peers_source_make(pulls->peers);
    return KW_OK;
}

void kw_pulls_close(kw_pulls *pulls)
{
    if (!pulls)
        return;
    for (kw_pull *p = pulls->list; p; p = p->next) {
        kw_sync_lock(p->sync);
        p->cancelled = true;
        kw_sync_unlock(p->sync);
    }
    while (pulls->list) {
        if (pulls->list->finished)
            drop_pull(pulls, pulls->list);
        else
            kw_loop_step(pulls->node->loop, 50);
    }
    kw_peers_source_close(pulls->peers);
    free(pulls);
}
