/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* listing.c - lists of files from their JSON. */
#include "hub/listing.h"

#include "hub/json_read.h"

#include <stdlib.h>

/* 64 hex digits. */
static bool read_digest(kw_str text, uint8_t out[32])
{
    if (text.len != 64)
        return false;
    for (size_t i = 0; i < 64; i++) {
        const char c = text.data[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] << 4 | digit : digit);
    }
    return true;
}

/* ---- Hugging Face ---- */

typedef struct entry {
    kw_str type, path, sha256;
    uint64_t size;
} entry;

static kw_status read_lfs(kw_json_read *r, entry *e, kw_error *err)
{
    kw_str key;
    bool more;
    KW_TRY(kw_json_read_object(r, err));
    for (;;) {
        KW_TRY(kw_json_read_key(r, &key, &more, err));
        if (!more)
            return KW_OK;
        if (kw_str_is(key, "oid"))
            KW_TRY(kw_json_read_text(r, &e->sha256, err));
        else
            KW_TRY(kw_json_read_skip(r, err));
    }
}

static kw_status read_entry(kw_json_read *r, entry *e, kw_error *err)
{
    kw_str key;
    bool more;
    *e = (entry){.size = KW_SIZE_UNKNOWN};
    for (;;) {
        KW_TRY(kw_json_read_key(r, &key, &more, err));
        if (!more)
            return KW_OK;
        if (kw_str_is(key, "type"))
            KW_TRY(kw_json_read_text(r, &e->type, err));
        else if (kw_str_is(key, "path"))
            KW_TRY(kw_json_read_text(r, &e->path, err));
        else if (kw_str_is(key, "size"))
            KW_TRY(kw_json_read_number(r, &e->size, err));
        else if (kw_str_is(key, "lfs"))
            KW_TRY(read_lfs(r, e, err));
        else
            KW_TRY(kw_json_read_skip(r, err));
    }
}

/* Hidden files are nobody's model; other unsafe names are refused. */
static kw_status take_entry(const entry *e, kw_listing *listing, kw_error *err)
{
    kw_listed *file;
    if (!kw_str_is(e->type, "file") || e->path.len == 0 || e->path.data[0] == '.')
        return KW_OK;
    KW_TRY(kw_listing_add(listing, e->path, &file, err));
    file->size = e->size;
    if (e->sha256.len > 0 && !read_digest(e->sha256, file->sha256))
        return kw_fail(err, KW_E_FORMAT, "huggingface: \"%.*s\" is not a SHA-256",
                       KW_FMT(e->sha256));
    file->has_sha256 = e->sha256.len > 0;
    return KW_OK;
}

static kw_status read_tree(kw_json_read *r, kw_listing *listing, kw_error *err)
{
    kw_json_token t;
    KW_TRY(kw_json_expect(&r->json, KW_JSON_ARRAY, &t, err));
    for (;;) {
        entry e;
        KW_TRY(kw_json_next(&r->json, &t, err));
        if (t.kind == KW_JSON_ARRAY_END)
            return kw_json_expect(&r->json, KW_JSON_END, &t, err);
        if (t.kind != KW_JSON_OBJECT)
            return kw_fail(err, KW_E_FORMAT, "huggingface: a tree has something but objects");
        KW_TRY(read_entry(r, &e, err));
        KW_TRY(take_entry(&e, listing, err));
    }
}

kw_status kw_listing_huggingface(kw_str json, kw_listing *listing, kw_error *err)
{
    kw_json_read r = kw_json_read_begin(json, "huggingface");
    const kw_status status = read_tree(&r, listing, err);
    kw_arena_free(&r.arena);
    return status;
}

static kw_status read_commit(kw_json_read *r, char *out, size_t size, kw_error *err)
{
    kw_str key, sha = {0};
    bool more;
    KW_TRY(kw_json_read_object(r, err));
    for (;;) {
        KW_TRY(kw_json_read_key(r, &key, &more, err));
        if (!more)
            break;
        if (kw_str_is(key, "sha"))
            KW_TRY(kw_json_read_text(r, &sha, err));
        else
            KW_TRY(kw_json_read_skip(r, err));
    }
    if (!sha.data || !kw_name_is_safe(sha) || sha.len >= size)
        return kw_fail(err, KW_E_FORMAT, "huggingface: \"%.*s\" is not a commit", KW_FMT(sha));
    memcpy(out, sha.data, sha.len);
    out[sha.len] = 0;
    return KW_OK;
}

kw_status kw_listing_commit(kw_str json, char *out, size_t size, kw_error *err)
{
    kw_json_read r = kw_json_read_begin(json, "huggingface");
    const kw_status status = read_commit(&r, out, size, err);
    kw_arena_free(&r.arena);
    return status;
}

/* ---- Ollama ---- */

static const struct {
    const char *type, *name;
} layer_names[] = {
    {"application/vnd.ollama.image.model", "model.gguf"},
    {"application/vnd.ollama.image.projector", "projector.gguf"},
    {"application/vnd.ollama.image.adapter", "adapter.gguf"},
    {"application/vnd.ollama.image.template", "template"},
    {"application/vnd.ollama.image.system", "system"},
    {"application/vnd.ollama.image.params", "params"},
    {"application/vnd.ollama.image.license", "license"},
};
#define N_LAYER_NAMES (sizeof(layer_names) / sizeof(layer_names[0]))

static bool has_file(const kw_listing *listing, const char *name)
{
    for (size_t i = 0; i < listing->n; i++) {
        if (strcmp(listing->files[i].name, name) == 0)
            return true;
    }
    return false;
}

static kw_status take_layer(kw_str type, kw_str digest, uint64_t size, kw_listing *listing,
                            kw_error *err)
{
    const kw_str prefix = KW_STR("sha256:");
    const char *name = NULL;
    for (size_t i = 0; i < N_LAYER_NAMES; i++) {
        if (kw_str_is(type, layer_names[i].type))
            name = layer_names[i].name;
    }
    if (!name || has_file(listing, name)) /* a second licence is not for us */
        return KW_OK;
    kw_listed *file;
    KW_TRY(kw_listing_add(listing, kw_str_from(name), &file, err));
    file->size = size;
    if (!kw_str_starts(digest, prefix) ||
        !read_digest((kw_str){digest.data + prefix.len, digest.len - prefix.len}, file->sha256))
        return kw_fail(err, KW_E_FORMAT, "ollama: \"%.*s\" is not a digest by SHA-256",
                       KW_FMT(digest));
    file->has_sha256 = true;
    memcpy(file->url, digest.data, digest.len);
    file->url[digest.len] = 0;
    return KW_OK;
}

static kw_status read_layer(kw_json_read *r, kw_listing *listing, kw_error *err)
{
    kw_str key, type = {0}, digest = {0};
    uint64_t size = KW_SIZE_UNKNOWN;
    bool more;
    for (;;) {
        KW_TRY(kw_json_read_key(r, &key, &more, err));
        if (!more)
            return take_layer(type, digest, size, listing, err);
        if (kw_str_is(key, "mediaType"))
            KW_TRY(kw_json_read_text(r, &type, err));
        else if (kw_str_is(key, "digest"))
            KW_TRY(kw_json_read_text(r, &digest, err));
        else if (kw_str_is(key, "size"))
            KW_TRY(kw_json_read_number(r, &size, err));
        else
            KW_TRY(kw_json_read_skip(r, err));
    }
}

static kw_status read_layers(kw_json_read *r, kw_listing *listing, kw_error *err)
{
    kw_json_token t;
    KW_TRY(kw_json_expect(&r->json, KW_JSON_ARRAY, &t, err));
    for (;;) {
        KW_TRY(kw_json_next(&r->json, &t, err));
        if (t.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        if (t.kind != KW_JSON_OBJECT)
            return kw_fail(err, KW_E_FORMAT, "ollama: a layer is not an object");
        KW_TRY(read_layer(r, listing, err));
    }
}

static kw_status read_manifest(kw_json_read *r, kw_listing *listing, kw_error *err)
{
    kw_str key;
    bool more;
    kw_json_token t;
    KW_TRY(kw_json_read_object(r, err));
    for (;;) {
        KW_TRY(kw_json_read_key(r, &key, &more, err));
        if (!more)
            break;
        if (kw_str_is(key, "layers"))
            KW_TRY(read_layers(r, listing, err));
        else
            KW_TRY(kw_json_read_skip(r, err));
    }
    KW_TRY(kw_json_expect(&r->json, KW_JSON_END, &t, err));
    if (!has_file(listing, "model.gguf"))
        return kw_fail(err, KW_E_FORMAT, "ollama: the manifest has no model");
    return KW_OK;
}

kw_status kw_listing_ollama(kw_str json, kw_listing *listing, kw_error *err)
{
    kw_json_read r = kw_json_read_begin(json, "ollama");
    const kw_status status = read_manifest(&r, listing, err);
    kw_arena_free(&r.arena);
    return status;
}
