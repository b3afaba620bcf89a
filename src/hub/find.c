/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* find.c - from a name to files. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "hub/name.h"

/* ---- matching ---- */

/* 2: the whole name, 1: its last part, 0: neither. */
static int match_model(const char *model, const char *wanted)
{
    const size_t a = strlen(model), b = strlen(wanted);
    if (strcasecmp(model, wanted) == 0)
        return 2;
    return a > b && model[a - b - 1] == '/' && strcasecmp(model + a - b, wanted) == 0;
}

static bool contains(const char *text, const char *piece)
{
    const size_t n = strlen(piece);
    for (; *text; text++)
        if (strncasecmp(text, piece, n) == 0)
            return true;
    return false;
}

/* What follows ":": 3 a version, 2 a file, 1 a piece of a file's name. */
static int match_file(const kw_index_row *row, const char *wanted)
{
    if (strcmp(row->version, wanted) == 0)
        return 3;
    if (strcmp(row->file, wanted) == 0)
        return 2;
    return contains(row->file, wanted);
}

/* How well a row answers to a name; 0: not at all. */
static int match(const kw_index_row *row, const kw_name *name)
{
    if (name->kind != KW_NAME_MODEL)
        return 1;
    const int model = match_model(row->model, name->model);
    if (model == 0 || strncmp(row->version, name->version, strlen(name->version)) != 0)
        return 0;
    const int file = name->file[0] ? match_file(row, name->file) : 1;
    return file == 0 ? 0 : 4 * model + file;
}

/* ---- collecting ---- */

static const char *keep(kw_arena *arena, const char *text)
{
    return kw_arena_strdup(arena, kw_str_from(text));
}

kw_status kw_found_add(kw_found *found, const kw_index_row *row, kw_error *err)
{
    if (found->n == found->cap) {
        const size_t cap = KW_MAX(found->cap * 2, (size_t)16);
        kw_index_row *const grown = kw_arena_array(&found->arena, cap, sizeof *grown);
        if (!grown)
            return kw_fail(err, KW_E_NOMEM, "names: no memory for %zu files", cap);
        if (found->n > 0)
            memcpy(grown, found->rows, found->n * sizeof *grown);
        found->rows = grown;
        found->cap = cap;
    }
    kw_index_row copy = *row;
    copy.model = keep(&found->arena, row->model);
    copy.file = keep(&found->arena, row->file);
    copy.place = keep(&found->arena, row->place);
    copy.path = keep(&found->arena, row->path);
    copy.version = keep(&found->arena, row->version);
    if (!copy.model || !copy.file || !copy.place || !copy.path || !copy.version)
        return kw_fail(err, KW_E_NOMEM, "names: no memory for a row");
    found->rows[found->n++] = copy;
    return KW_OK;
}

typedef struct find {
    const kw_name *name;
    kw_found *out;
} find;

static kw_status add_match(void *user, const kw_index_row *row, kw_error *err)
{
    const find *const f = user;
    return match(row, f->name) == 0 ? KW_OK : kw_found_add(f->out, row, err);
}

/* Keeps the rows that answer best. */
static void keep_best(kw_found *found, const kw_name *name)
{
    int best = 0;
    size_t n = 0;
    for (size_t i = 0; i < found->n; i++)
        best = KW_MAX(best, match(&found->rows[i], name));
    for (size_t i = 0; i < found->n; i++)
        if (match(&found->rows[i], name) == best)
            found->rows[n++] = found->rows[i];
    found->n = n;
}

static kw_status one_model(const kw_found *found, const kw_name *name, kw_error *err)
{
    for (size_t i = 1; i < found->n; i++)
        if (strcasecmp(found->rows[i].model, found->rows[0].model) != 0)
            return kw_fail(err, KW_E_ARG, "%s is the name of several models: %s, %s", name->model,
                           found->rows[0].model, found->rows[i].model);
    return KW_OK;
}

/* The version that is meant when none is named: what lies in a store of its own, the branch, the
 * tag. */
static int version_rank(const char *version)
{
    static const char *const usual[] = {"", "main", "latest"};
    for (size_t i = 0; i < KW_COUNT(usual); i++)
        if (strcmp(version, usual[i]) == 0)
            return (int)i;
    return (int)KW_COUNT(usual);
}

static kw_status one_version(kw_found *found, kw_error *err)
{
    const char *best = found->rows[0].version;
    size_t n = 0;
    for (size_t i = 1; i < found->n; i++)
        if (version_rank(found->rows[i].version) < version_rank(best))
            best = found->rows[i].version;
    for (size_t i = 0; i < found->n; i++) {
        const kw_index_row *const row = &found->rows[i];
        if (strcmp(row->version, best) == 0)
            found->rows[n++] = *row;
        else if (version_rank(best) == (int)3)
            return kw_fail(err, KW_E_ARG, "%s is here in several versions: name %s@%s or %s@%s",
                           row->model, row->model, best, row->model, row->version);
    }
    found->n = n;
    return KW_OK;
}

/* Rows are in order of file: the same file from several stores lies side by side. */
static void each_once(kw_found *found)
{
    size_t n = 0;
    for (size_t i = 0; i < found->n; i++) {
        const kw_index_row *const row = &found->rows[i];
        if (n > 0 && strcmp(found->rows[n - 1].file, row->file) == 0) {
            if (row->owner < found->rows[n - 1].owner)
                found->rows[n - 1] = *row;
        } else {
            found->rows[n++] = *row;
        }
    }
    found->n = n;
}

static kw_status choose(kw_found *out, const kw_name *name, kw_error *err)
{
    if (out->n == 0 && name->kind != KW_NAME_MODEL)
        return kw_fail(err, KW_E_NOTFOUND, "no file here is known to have this %s",
                       name->kind == KW_NAME_DIGEST ? "SHA-256" : "CID");
    if (out->n == 0)
        return kw_fail(err, KW_E_NOTFOUND, "no model %s%s%s%s%s is here", name->model,
                       name->version[0] ? "@" : "", name->version, name->file[0] ? ":" : "",
                       name->file);
    if (name->kind != KW_NAME_MODEL) {
        out->n = 1; /* the same content, wherever it lies */
        return KW_OK;
    }
    keep_best(out, name);
    KW_TRY(one_model(out, name, err));
    KW_TRY(one_version(out, err));
    each_once(out);
    return KW_OK;
}

kw_status kw_find(kw_index *index, const kw_name *name, kw_found *out, kw_error *err)
{
    *out = (kw_found){0};
    find f = {.name = name, .out = out};
    const kw_index_query query = {.sha256 = name->kind == KW_NAME_DIGEST ? name->sha256 : NULL,
                                  .root = name->kind == KW_NAME_CID ? &name->cid : NULL};
    kw_status status = kw_index_each(index, &query, add_match, &f, err);
    if (status == KW_OK)
        status = choose(out, name, err);
    if (status != KW_OK)
        kw_found_free(out);
    return status;
}

void kw_found_free(kw_found *found)
{
    kw_arena_free(&found->arena);
    *found = (kw_found){0};
}

/* ---- what runs ---- */

static bool ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);
    return a >= b && strcasecmp(text + a - b, end) == 0;
}

/* A GGUF file that is a model of its own: not what is added to one, and of a split one the first
 * part. */
static bool is_gguf_model(const char *file)
{
    static const char of[] = "-of-";
    if (!ends_with(file, ".gguf") || contains(file, "mmproj") || contains(file, "projector") ||
        contains(file, "adapter") || contains(file, "imatrix"))
        return false;
    const char *const part = strstr(file, of);
    return !part || (part - file >= 5 && strncmp(part - 5, "00001", 5) == 0);
}

static kw_status copy_path(const char *path, size_t len, char **out, kw_error *err)
{
    *out = strndup(path, len);
    return *out ? KW_OK : kw_fail(err, KW_E_NOMEM, "names: no memory for a path");
}

static kw_status several(const kw_found *found, size_t n, kw_error *err)
{
    kw_buf list = {0};
    for (size_t i = 0; i < found->n; i++)
        if (is_gguf_model(found->rows[i].file))
            kw_buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", found->rows[i].file);
    const kw_status status =
        kw_fail(err, KW_E_ARG, "%s has %zu models in it: name one as %s:FILE (%.300s)",
                found->rows[0].model, n, found->rows[0].model, list.data ? list.data : "");
    kw_buf_free(&list);
    return status;
}

kw_status kw_found_runs(const kw_found *found, char **path, kw_error *err)
{
    const kw_index_row *gguf = NULL, *config = NULL;
    size_t n = 0;
    *path = NULL;
    if (found->n == 1)
        return copy_path(found->rows[0].place, strlen(found->rows[0].place), path, err);
    for (size_t i = 0; i < found->n; i++) {
        const kw_index_row *const row = &found->rows[i];
        if (strcmp(row->file, "config.json") == 0)
            config = row;
        if (is_gguf_model(row->file)) {
            gguf = gguf ? gguf : row;
            n++;
        }
    }
    if (n > 1)
        return several(found, n, err);
    if (gguf)
        return copy_path(gguf->place, strlen(gguf->place), path, err);
    if (config) {
        const char *const slash = strrchr(config->place, '/');
        return copy_path(config->place, slash ? (size_t)(slash - config->place) : 0, path, err);
    }
    return kw_fail(err, KW_E_UNSUPPORTED, "%s has neither a GGUF file nor a config.json",
                   found->n > 0 ? found->rows[0].model : "the name");
}
