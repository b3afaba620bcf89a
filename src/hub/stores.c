/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stores.c - walking over the stores: own, Hugging Face, folders. Ollama's is in store_ollama.c. */
#include "hub/stores.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "hub/stores_walk.h"
#include "os/dir.h"
#include "os/file.h"

#define MAX_DEPTH 8       /* of directories in a model */
#define MAX_ENTRIES 65536 /* in one model */

/* ---- names ---- */

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

bool kw_model_name_ok(kw_str name)
{
    size_t parts = 1, len = 0;
    if (name.len > KW_MODEL_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.data[i];
        if (c == '/' && len > 0) {
            parts++;
            len = 0;
        } else if (!name_char(c) || (c == '.' && len == 0)) {
            return false;
        } else {
            len++;
        }
    }
    return len > 0 && parts <= 3;
}

/* ---- paths ---- */

char *kw_walk_join(const char *a, const char *b)
{
    kw_buf buf = {0};
    kw_buf_printf(&buf, "%s%s%s", a, *a ? "/" : "", b);
    if (buf.failed)
        kw_buf_free(&buf);
    return buf.data;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* What a download leaves beside its files until it is whole, and what hides. */
static bool is_passing(const char *name)
{
    return name[0] == '.' || ends_with(name, ".part") || ends_with(name, ".journal") ||
           ends_with(name, ".incomplete") || ends_with(name, ".partial");
}

bool kw_walk_claim(const char *hex, uint8_t out[32])
{
    if (strlen(hex) != 64)
        return false;
    for (size_t i = 0; i < 64; i++) {
        const char c = hex[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return true;
}

/* ---- one file ---- */

kw_status kw_walk_put(kw_walk *walk, const char *place, const char *file, kw_error *err)
{
    kw_file_info info;
    char *path = NULL;
    if (++walk->n_entries > MAX_ENTRIES)
        return kw_fail(err, KW_E_LIMIT, "\"%s\": more than %d files in one model", place,
                       MAX_ENTRIES);
    if (kw_file_query(place, &info, NULL) != KW_OK || !info.is_file ||
        kw_path_real(place, &path, NULL) != KW_OK)
        return KW_OK; /* a link to nothing, or gone meanwhile */
    const char *const slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    kw_index_row row = {.model = walk->model,
                        .file = file,
                        .place = place,
                        .path = path,
                        .version = walk->version,
                        .owner = walk->owner,
                        .state = info.state};
    if (strncmp(base, "sha256-", 7) == 0)
        base += 7;
    row.claimed = walk->blobs_are_named && kw_walk_claim(base, row.claim);
    const kw_status status = kw_index_scan_put(walk->index, walk->source, &row, err);
    free(path);
    return status;
}

/* ---- a tree of files ---- */

static bool is_own_dir(const char *path)
{
    char *real = NULL;
    if (!kw_file_is_dir(path) || kw_path_real(path, &real, NULL) != KW_OK)
        return false;
    const bool own = strcmp(real, path) == 0;
    free(real);
    return own;
}

typedef struct walk_place {
    const char *place; /* absolute, without links */
    const char *file;  /* the same, from the model's directory */
} walk_place;

static kw_status walk_tree(kw_walk *walk, walk_place at, int depth, kw_error *err);

static kw_status walk_entry(kw_walk *walk, walk_place at, const char *name, int depth,
                            kw_error *err)
{
    if (is_passing(name))
        return KW_OK;
    char *const place = kw_walk_join(at.place, name), *const file = kw_walk_join(at.file, name);
    kw_status status = KW_OK;
    if (!place || !file)
        status = kw_fail(err, KW_E_NOMEM, "\"%s\": no memory for a path", at.place);
    else if (is_own_dir(place))
        status = walk_tree(walk, (walk_place){place, file}, depth + 1, err);
    else
        status = kw_walk_put(walk, place, file, err);
    free(place);
    free(file);
    return status;
}

static kw_status walk_tree(kw_walk *walk, walk_place at, int depth, kw_error *err)
{
    kw_dir_list list;
    kw_status status = KW_OK;
    if (depth > MAX_DEPTH || kw_dir_read(at.place, &list, NULL) != KW_OK)
        return KW_OK;
    for (size_t i = 0; status == KW_OK && i < list.n; i++)
        status = walk_entry(walk, at, list.names[i], depth, err);
    kw_dir_free(&list);
    return status;
}

kw_status kw_walk_each(const char *dir, kw_walk_fn each, void *user, kw_error *err)
{
    kw_dir_list list;
    kw_status status = KW_OK;
    if (kw_dir_read(dir, &list, NULL) != KW_OK)
        return KW_OK;
    for (size_t i = 0; status == KW_OK && i < list.n; i++) {
        if (is_passing(list.names[i]))
            continue;
        char *const path = kw_walk_join(dir, list.names[i]);
        if (!path)
            status = kw_fail(err, KW_E_NOMEM, "\"%s\": no memory for a path", dir);
        else
            status = each(user, path, list.names[i], err);
        free(path);
    }
    kw_dir_free(&list);
    return status;
}

/* ---- the own store ---- */

typedef struct own_walk {
    kw_walk *walk;
    const char *name; /* of the directory, from the store's: "org" */
    int parts;
} own_walk;

static kw_status is_file(void *user, const char *path, const char *name, kw_error *err)
{
    bool *const found = user;
    kw_file_info info;
    (void)name, (void)err;
    *found = *found || (kw_file_query(path, &info, NULL) == KW_OK && info.is_file);
    return KW_OK;
}

/* A model is a directory, of at most three parts below the store, with a file in it; what is above
 * it has directories alone. */
static kw_status own_dir(void *user, const char *path, const char *name, kw_error *err)
{
    const own_walk *const above = user;
    bool has_file = false;
    if (!is_own_dir(path))
        return KW_OK;
    char *const model = kw_walk_join(above->name, name);
    if (!model)
        return kw_fail(err, KW_E_NOMEM, "\"%s\": no memory for a name", path);
    own_walk here = {above->walk, model, above->parts + 1};
    kw_status status = kw_walk_each(path, is_file, &has_file, err);
    if (status == KW_OK && has_file && kw_model_name_ok(kw_str_from(model))) {
        here.walk->model = model;
        here.walk->n_entries = 0;
        status = walk_tree(here.walk, (walk_place){path, ""}, 0, err);
    } else if (status == KW_OK && here.parts < 3) {
        status = kw_walk_each(path, own_dir, &here, err);
    }
    free(model);
    return status;
}

static kw_status scan_own(kw_walk *walk, const char *dir, kw_error *err)
{
    own_walk top = {walk, "", 0};
    walk->version = "";
    return kw_walk_each(dir, own_dir, &top, err);
}

/* ---- Hugging Face ---- */

typedef struct hf_walk {
    kw_walk *walk;
    char main[65]; /* the revision of refs/main; "" when there is none */
} hf_walk;

static void read_main(const char *dir, char out[65])
{
    kw_map map;
    char *const path = kw_walk_join(dir, "refs/main");
    out[0] = '\0';
    if (path && kw_map_open(path, false, &map, NULL) == KW_OK) {
        size_t n = 0;
        while (n < map.len && n < 64 && map.data[n] > ' ')
            n++;
        memcpy(out, map.data, n);
        out[n] = '\0';
        kw_map_close(&map);
    }
    free(path);
}

static kw_status hf_snapshot(void *user, const char *path, const char *name, kw_error *err)
{
    const hf_walk *const hf = user;
    if (!is_own_dir(path))
        return KW_OK;
    hf->walk->version = strcmp(name, hf->main) == 0 ? "main" : name;
    hf->walk->n_entries = 0;
    return walk_tree(hf->walk, (walk_place){path, ""}, 0, err);
}

static kw_status hf_model(void *user, const char *path, const char *name, kw_error *err)
{
    static const char prefix[] = "models--";
    hf_walk hf = {.walk = user};
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return KW_OK;
    char model[KW_MODEL_NAME_MAX + 1];
    const char *const rest = name + sizeof prefix - 1, *const cut = strstr(rest, "--");
    if (strlen(rest) > KW_MODEL_NAME_MAX)
        return KW_OK;
    const size_t head = cut ? (size_t)(cut - rest) : 0;
    const char *const tail = cut ? cut + 2 : rest;
    memcpy(model, rest, head);
    model[head] = '/';
    memcpy(model + (cut ? head + 1 : 0), tail, strlen(tail) + 1);
    if (!kw_model_name_ok(kw_str_from(model)))
        return KW_OK;
    char *const snapshots = kw_walk_join(path, "snapshots");
    if (!snapshots)
        return kw_fail(err, KW_E_NOMEM, "\"%s\": no memory for a path", path);
    hf.walk->model = model;
    read_main(path, hf.main);
    const kw_status status = kw_walk_each(snapshots, hf_snapshot, &hf, err);
    free(snapshots);
    return status;
}

static kw_status scan_huggingface(kw_walk *walk, const char *dir, kw_error *err)
{
    return kw_walk_each(dir, hf_model, walk, err);
}

/* ---- folders ---- */

static kw_status scan_folder(kw_walk *walk, const char *path, kw_error *err)
{
    walk->version = "";
    if (kw_file_is_dir(path))
        return walk_tree(walk, (walk_place){path, ""}, 0, err);
    const char *const slash = strrchr(path, '/');
    return kw_walk_put(walk, path, slash ? slash + 1 : path, err);
}

/* ---- all ---- */

typedef kw_status (*scan_fn)(kw_walk *walk, const char *dir, kw_error *err);

static kw_status scan_source(kw_walk *walk, const char *dir, scan_fn scan, kw_error *err)
{
    KW_TRY(kw_index_scan_begin(walk->index, err));
    const kw_status status = scan(walk, dir, err);
    const kw_status end = kw_index_scan_end(walk->index, status == KW_OK, walk->source, err);
    return status != KW_OK ? status : end;
}

/* dir: without links. A store that is gone is scanned too, and found empty. */
static kw_status scan_one(kw_walk *walk, const char *dir, scan_fn scan, kw_error *err)
{
    kw_buf source = {0};
    kw_index_source(walk->owner, dir, &source);
    kw_status status = kw_buf_status(&source, err);
    walk->source = source.data;
    if (status == KW_OK)
        status = scan_source(walk, dir, scan, err);
    kw_buf_free(&source);
    return status;
}

static kw_status scan_store(kw_walk walk, const char *dir, scan_fn scan, kw_error *err)
{
    char *real = NULL;
    if (!dir)
        return KW_OK;
    const bool there = kw_path_real(dir, &real, NULL) == KW_OK;
    const kw_status status = scan_one(&walk, there ? real : dir, scan, err);
    free(real);
    return status;
}

kw_status kw_folder_scan(kw_index *index, const char *path, const char *model, kw_error *err)
{
    kw_walk walk = {.index = index, .owner = KW_OWNER_FOLDER, .model = model};
    return scan_one(&walk, path, scan_folder, err);
}

static kw_status each_folder(void *user, const char *path, const char *model, kw_error *err)
{
    return kw_folder_scan(user, path, model, err);
}

kw_status kw_stores_scan(kw_index *index, const kw_store_places *places, kw_error *err)
{
    kw_walk walk = {.index = index, .owner = KW_OWNER_STORE};
    KW_TRY(scan_store(walk, places->own, scan_own, err));
    walk.blobs_are_named = true;
    walk.owner = KW_OWNER_HUGGINGFACE;
    KW_TRY(scan_store(walk, places->huggingface, scan_huggingface, err));
    walk.owner = KW_OWNER_OLLAMA;
    KW_TRY(scan_store(walk, places->ollama, kw_walk_ollama, err));
    return kw_index_each_folder(index, each_folder, index, err);
}
