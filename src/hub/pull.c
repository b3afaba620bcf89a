/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull.c - files of a model into the store. */
#include "hub/pull.h"

#include "base/sha256.h"
#include "os/file.h"
#include "os/sparse.h"

#include <stdlib.h>

kw_status kw_listing_add(kw_listing *listing, kw_str name, kw_listed **out, kw_error *err)
{
    if (!kw_path_is_safe(name))
        return kw_fail(err, KW_E_FORMAT, "list of files: \"%.*s\" cannot be the name of one",
                       KW_FMT(name));
    if (listing->n == KW_LISTING_MAX)
        return kw_fail(err, KW_E_LIMIT, "list of files: more than %zu", KW_LISTING_MAX);
    kw_listed *const more = realloc(listing->files, (listing->n + 1) * sizeof(*more));
    if (!more)
        return kw_fail(err, KW_E_NOMEM, "list of files: no memory");
    listing->files = more;
    kw_listed *const file = &more[listing->n++];
    *file = (kw_listed){.size = KW_SIZE_UNKNOWN};
    memcpy(file->name, name.data, name.len);
    *out = file;
    return KW_OK;
}

void kw_listing_free(kw_listing *listing)
{
    free(listing->files);
    *listing = (kw_listing){0};
}

/* The name of the partial file: the content where it is known, else where it comes from. */
static void partial_name(const char *model, const kw_listed *file, char hex[65])
{
    uint8_t digest[32];
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    if (file->has_sha256) {
        kw_sha256_hex(file->sha256, hex);
        return;
    }
    kw_sha256_update(&hash, model, strlen(model) + 1);
    kw_sha256_update(&hash, file->name, strlen(file->name) + 1);
    kw_sha256_update(&hash, file->url, strlen(file->url) + 1);
    if (file->has_root)
        kw_sha256_update(&hash, &file->root, sizeof(file->root));
    kw_sha256_final(&hash, digest);
    kw_sha256_hex(digest, hex);
}

/* Whether the wanted content lies there already. */
static bool is_there(const char *path, const kw_listed *file, bool sha_extension)
{
    kw_map map;
    if (!file->has_sha256 || kw_map_open(path, false, &map, NULL) != KW_OK)
        return false;
    bool same = file->size == KW_SIZE_UNKNOWN || file->size == map.len;
    if (same) {
        uint8_t digest[32];
        kw_sha256 hash;
        kw_sha256_init(&hash, kw_sha256_kernel(sha_extension));
        kw_sha256_update(&hash, map.data, map.len);
        kw_sha256_final(&hash, digest);
        same = memcmp(digest, file->sha256, 32) == 0;
    }
    kw_map_close(&map);
    return same;
}

typedef struct pull {
    const kw_pull_config *config;
    const kw_listed *file;
} pull;

static bool on_progress(void *user, const kw_fetch_progress *progress)
{
    const pull *const p = user;
    return p->config->progress(p->config->user, p->file, progress);
}

static bool on_rank(void *user, const char *path, uint64_t prefix, uint32_t *ranks,
                    uint64_t n_blocks, uint32_t block_size)
{
    const pull *const p = user;
    return p->config->rank(p->config->user, path, prefix, ranks, n_blocks, block_size);
}

/* path: STORE/MODEL/FILE, and the directory it lies in is made. */
static kw_status make_place(const char *store, const char *model, const char *name, kw_buf *path,
                            kw_error *err)
{
    path->len = 0;
    kw_buf_printf(path, "%s/%s/%s", store, model, name);
    KW_TRY(kw_buf_status(path, err));
    char *const slash = strrchr(path->data, '/');
    *slash = 0;
    const kw_status status = kw_dirs_make(path->data, err);
    *slash = '/';
    return status;
}

kw_status kw_pull_file(const kw_pull_config *config, const char *model, const kw_listed *file,
                       kw_buf *path, kw_fetch_result *result, bool *there, kw_error *err)
{
    pull p = {config, file};
    char hex[65];
    kw_buf base = {0};
    KW_TRY(make_place(config->store, model, file->name, path, err));
    *result = (kw_fetch_result){0};
    *there = is_there(path->data, file, config->sha_extension);
    if (*there) {
        memcpy(result->sha256, file->sha256, 32);
        result->size = file->size;
        return KW_OK;
    }
    partial_name(model, file, hex);
    kw_buf_printf(&base, "%s/.partial", config->store);
    kw_status status = kw_buf_status(&base, err);
    if (status == KW_OK)
        status = kw_dirs_make(base.data, err);
    kw_buf_printf(&base, "/%s", hex);
    if (status == KW_OK)
        status = kw_buf_status(&base, err);
    if (status == KW_OK) {
        kw_fetch_config fetch = {.sources = config->sources,
                                 .n_sources = config->n_sources,
                                 .base = base.data,
                                 .path = path->data,
                                 .bytes_per_s = config->bytes_per_s,
                                 .sha_extension = config->sha_extension,
                                 .scatter = config->scatter,
                                 .seed = config->seed,
                                 .n_cells = config->n_cells,
                                 .growing = config->growing,
                                 .progress = config->progress ? on_progress : NULL,
                                 .rank = config->rank ? on_rank : NULL,
                                 .user = &p};
        fetch.want = (kw_want){.size = file->size,
                               .has_sha256 = file->has_sha256,
                               .has_root = file->has_root,
                               .root = file->root,
                               .inside = file->inside ? file->name : NULL,
                               .url = file->url[0] ? file->url : NULL,
                               .name = file->name};
        memcpy(fetch.want.sha256, file->sha256, 32);
        status = kw_fetch(&fetch, result, err);
    }
    kw_buf_free(&base);
    return status;
}
