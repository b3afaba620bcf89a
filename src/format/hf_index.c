/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hf_index.c - the index of a sharded safetensors model: which tensor lies in which file.
 *
 * The names of files come from outside: only plain names, which stay in the index's directory. */
#include "format/hf.h"

#include "base/json.h"
#include "format/paths.h"

#include <stdlib.h>

typedef struct reader {
    kw_json json;
    kw_arena *arena;
    kw_hf_placed *entries;
    size_t n, capacity;
    kw_error *err;
} reader;

static kw_status push(reader *r, const kw_hf_placed *placed)
{
    const char *const subject = r->json.subject;
    if (r->n >= KW_MAX_TENSORS)
        return kw_fail(r->err, KW_E_LIMIT, "%s: more than %zu tensors", subject, KW_MAX_TENSORS);
    if (r->n == r->capacity) {
        const size_t larger = r->capacity == 0 ? 64 : 2 * r->capacity;
        kw_hf_placed *const moved = kw_arena_array(r->arena, larger, sizeof *moved);
        if (!moved)
            return kw_fail(r->err, KW_E_NOMEM, "%s: no memory for %zu tensors", subject, larger);
        if (r->n > 0)
            memcpy(moved, r->entries, r->n * sizeof *moved);
        r->entries = moved;
        r->capacity = larger;
    }
    r->entries[r->n++] = *placed;
    return KW_OK;
}

static kw_status read_weight_map(reader *r)
{
    kw_json_token token;
    if (r->n > 0)
        return kw_fail(r->err, KW_E_FORMAT, "%s: \"weight_map\" appears twice", r->json.subject);
    KW_TRY(kw_json_expect(&r->json, KW_JSON_OBJECT, &token, r->err));
    for (;;) {
        kw_hf_placed placed;
        KW_TRY(kw_json_next(&r->json, &token, r->err));
        if (token.kind == KW_JSON_OBJECT_END)
            return KW_OK;
        KW_TRY(kw_json_string(&r->json, &token, r->arena, &placed.tensor, r->err));
        KW_TRY(kw_json_expect(&r->json, KW_JSON_STRING, &token, r->err));
        KW_TRY(kw_json_string(&r->json, &token, r->arena, &placed.file, r->err));
        if (!kw_path_is_plain(placed.file) || !kw_name_is_clean(placed.file))
            return kw_fail(
                r->err, KW_E_FORMAT,
                "%s: tensor %zu lies in a file whose name leaves the directory or is not "
                "printable",
                r->json.subject, r->n);
        KW_TRY(push(r, &placed));
    }
}

static int compare_names(const void *left, const void *right)
{
    const kw_str *const a = left, *const b = right;
    const int order = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);
    if (order != 0)
        return order;
    return a->len < b->len ? -1 : a->len > b->len;
}

/* The files of the entries, each once and sorted. */
static kw_status list_files(reader *r, kw_hf_index *out)
{
    kw_str *const files = kw_arena_array(r->arena, r->n, sizeof *files);
    if (!files)
        return kw_fail(r->err, KW_E_NOMEM, "%s: no memory for its files", r->json.subject);
    for (size_t i = 0; i < r->n; i++)
        files[i] = r->entries[i].file;
    qsort(files, r->n, sizeof *files, compare_names);
    size_t n_files = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (n_files == 0 || !kw_str_eq(files[n_files - 1], files[i]))
            files[n_files++] = files[i];
    }
    if (n_files > KW_MAX_PARTS)
        return kw_fail(r->err, KW_E_LIMIT, "%s: %zu files (at most %d)", r->json.subject, n_files,
                       KW_MAX_PARTS);
    *out = (kw_hf_index){r->entries, r->n, files, n_files};
    return KW_OK;
}

kw_status kw_hf_index_parse(kw_str text, const char *subject, kw_arena *arena, kw_hf_index *out,
                            kw_error *err)
{
    if (text.len > KW_HF_MAX_JSON_BYTES)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu bytes (at most %zu)", subject, text.len,
                       KW_HF_MAX_JSON_BYTES);
    reader r = {.arena = arena, .err = err};
    kw_json_token token;
    kw_json_init(&r.json, text, subject);
    KW_TRY(kw_json_expect(&r.json, KW_JSON_OBJECT, &token, err));
    for (;;) {
        kw_str key;
        KW_TRY(kw_json_next(&r.json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            break;
        KW_TRY(kw_json_string(&r.json, &token, arena, &key, err));
        if (kw_str_is(key, "weight_map"))
            KW_TRY(read_weight_map(&r));
        else
            KW_TRY(kw_json_skip(&r.json, &token, err));
    }
    KW_TRY(kw_json_expect(&r.json, KW_JSON_END, &token, err));
    if (r.n == 0)
        return kw_fail(err, KW_E_FORMAT, "%s: no \"weight_map\" with a tensor in it", subject);
    return list_files(&r, out);
}
