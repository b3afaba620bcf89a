/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pulls_thread.c - one pull on its own thread: fetches, and enters what it has into the index. */
#include "node/pulls_internal.h"

#include "base/check.h"
#include "hub/stores.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

#define CELLS 128

static bool on_progress(void *user, const kw_listed *file, const kw_fetch_progress *progress)
{
    kw_pull *const p = user;
    const uint64_t now = kw_clock_ns();
    (void)file;
    kw_sync_lock(p->sync);
    if (progress->bytes != p->progress.bytes || progress->verifying || p->moved_ns == 0)
        p->moved_ns = now;
    p->stuck = p->patience_s > 0 && now - p->moved_ns > p->patience_s * UINT64_C(1000000000);
    p->progress = *progress;
    p->progress.n_shares = KW_MIN(progress->n_shares, KW_COUNT(p->shares));
    memcpy(p->shares, progress->shares, p->progress.n_shares * sizeof(p->shares[0]));
    p->progress.shares = NULL;
    const bool go_on = !p->cancelled && !p->stuck;
    kw_sync_unlock(p->sync);
    return go_on;
}

/* ---- into the index ---- */

typedef struct entry {
    const char *path;
    kw_index *index;
    bool sha_extension;
    bool known;
} entry;

/* Hashes what was pulled, so that its blocks are found, and the root of their tree. */
static kw_status enter_row(void *user, const kw_index_row *row, kw_error *err)
{
    entry *const e = user;
    const kw_hash_config config = {.sha_extension = e->sha_extension};
    kw_file_hash hash;
    if (e->known)
        return KW_OK;
    e->known = true;
    if (row->hashed)
        return kw_index_share(e->index, row->id, err);
    KW_TRY(kw_file_hash_make(row->path, &config, &hash, err));
    kw_status status = kw_index_put_hash(e->index, row->id, &hash, err);
    kw_file_hash_free(&hash);
    if (status == KW_OK)
        status = kw_index_share(e->index, row->id, err);
    return status;
}

static kw_status enter(const kw_pull *p, const char *path, kw_error *err)
{
    const kw_node_config *const config = &p->pulls->node->config;
    const kw_store_places places = {.own = config->store};
    entry e = {.index = config->index, .sha_extension = config->sha_extension};
    char *real;
    KW_TRY(kw_stores_scan(config->index, &places, err));
    KW_TRY(kw_path_real(path, &real, err));
    const kw_index_query query = {.path = real};
    const kw_status status = kw_index_each(config->index, &query, enter_row, &e, err);
    free(real);
    return status;
}

/* ---- the pull ---- */

typedef struct origins {
    kw_web *web;
    kw_gateway gateways[KW_PULL_GATEWAYS];
    kw_web_source server;
    kw_source sources[KW_PULL_SOURCES];
    const kw_source *list[KW_PULL_SOURCES];
    size_t n;
} origins;

static kw_status find_origins(const kw_pull *p, origins *o, kw_error *err)
{
    o->sources[o->n++] = p->pulls->source;
    if (p->n_gateways > 0 || p->file.url[0])
        KW_TRY(kw_web_open(p->pulls->node->config.agent, &o->web, err));
    for (size_t i = 0; i < p->n_gateways; i++) {
        o->gateways[i] = (kw_gateway){.web = o->web, .url = p->gateways[i]};
        o->sources[o->n++] = kw_gateway_make(&o->gateways[i]);
    }
    if (p->file.url[0]) {
        o->server = (kw_web_source){.web = o->web};
        o->sources[o->n++] = kw_web_source_make(&o->server);
    }
    for (size_t i = 0; i < o->n; i++)
        o->list[i] = &o->sources[i];
    return KW_OK;
}

static kw_status pull(kw_pull *p, kw_buf *path, kw_fetch_result *result, bool *there, kw_error *err)
{
    const kw_node_config *const node = &p->pulls->node->config;
    origins o = {0};
    kw_status status = find_origins(p, &o, err);
    const kw_pull_config config = {.store = node->store,
                                   .sources = o.list,
                                   .n_sources = o.n,
                                   .bytes_per_s = p->bytes_per_s,
                                   .sha_extension = node->sha_extension,
                                   .scatter = true,
                                   .seed = (uint32_t)kw_clock_ns(),
                                   .n_cells = CELLS,
                                   .growing = p->growing,
                                   .progress = on_progress,
                                   .user = p};
    if (status == KW_OK)
        status = kw_pull_file(&config, p->model, &p->file, path, result, there, err);
    if (o.web)
        kw_web_close(o.web);
    return status;
}

void kw_pull_run(void *user)
{
    kw_pull *const p = user;
    const kw_log *const log = &p->pulls->node->config.log;
    kw_fetch_result result = {0};
    kw_error err = {0}, why = {0};
    kw_buf path = {0};
    bool there = false;
    kw_status status = pull(p, &path, &result, &there, &err);
    if (status == KW_OK && enter(p, path.data, &why) != KW_OK)
        kw_log_print(log, KW_LOG_WARN, "%s is whole, and cannot be shared: %s", path.data,
                     why.message);
    if (status == KW_E_CANCELLED && p->stuck)
        status = kw_fail(&err, KW_E_IO, "%s: nothing came for %u s", p->file.name, p->patience_s);
    kw_sync_lock(p->sync);
    p->status = status;
    p->err = err;
    p->path = path;
    p->there = there;
    memcpy(p->sha256, result.sha256, 32);
    p->progress.n_shares = KW_MIN(result.n_shares, KW_COUNT(p->shares));
    memcpy(p->shares, result.shares, p->progress.n_shares * sizeof(p->shares[0]));
    p->progress.resumed = result.resumed;
    if (status == KW_OK)
        p->progress.size = p->progress.bytes = result.size;
    kw_sync_unlock(p->sync);
}
