/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* store_ollama.c - the store of Ollama: manifests/HOST/org/name/TAG lists the layers of a model,
 * which are blobs/sha256-HEX.
 *
 * The manifest is a file like any other that we did not write: read within limits, and a layer's
 * digest is 64 hex digits before it becomes part of a path. Source: OCI image manifest 1.0, media
 * types of Ollama. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/json.h"
#include "hub/stores.h"
#include "hub/stores_walk.h"
#include "os/file.h"

#define MANIFEST_MAX ((size_t)1 << 20)
#define DEFAULT_HOST "registry.ollama.ai"

/* How the layers are called as files of a model. */
static const struct {
    const char *media, *file;
} layers[] = {
    {"application/vnd.ollama.image.model", "model.gguf"},
    {"application/vnd.ollama.image.adapter", "adapter.gguf"},
    {"application/vnd.ollama.image.projector", "projector.gguf"},
    {"application/vnd.ollama.image.template", "template"},
    {"application/vnd.ollama.image.system", "system"},
    {"application/vnd.ollama.image.params", "params.json"},
    {"application/vnd.ollama.image.license", "license"},
};

typedef struct ollama {
    kw_walk *walk;
    const char *dir; /* of the store */
    const char *host;
    const char *org;
    kw_arena arena; /* of one manifest */
} ollama;

static const char *file_of(kw_str media)
{
    for (size_t i = 0; i < KW_COUNT(layers); i++)
        if (kw_str_is(media, layers[i].media))
            return layers[i].file;
    return NULL;
}

static kw_status put_layer(ollama *o, kw_str media, kw_str digest, kw_error *err)
{
    static const char prefix[] = "sha256:";
    uint8_t claim[32];
    char hex[65];
    const char *const file = file_of(media);
    if (!file || digest.len != sizeof prefix - 1 + 64 ||
        !kw_str_starts(digest, kw_str_from(prefix)))
        return KW_OK;
    memcpy(hex, digest.data + sizeof prefix - 1, 64);
    hex[64] = '\0';
    if (!kw_walk_claim(hex, claim))
        return KW_OK;
    kw_buf place = {0};
    kw_buf_printf(&place, "%s/blobs/sha256-%s", o->dir, hex);
    kw_status status = kw_buf_status(&place, err);
    if (status == KW_OK)
        status = kw_walk_put(o->walk, place.data, file, err);
    kw_buf_free(&place);
    return status;
}

/* One layer: an object of which mediaType and digest count. */
static kw_status read_layer(ollama *o, kw_json *json, kw_str *media, kw_str *digest, kw_error *err)
{
    kw_json_token key, value;
    for (;;) {
        KW_TRY(kw_json_next(json, &key, err));
        if (key.kind == KW_JSON_OBJECT_END)
            return KW_OK;
        KW_TRY(kw_json_next(json, &value, err));
        kw_str *const into = kw_str_is(key.text, "mediaType") ? media
                             : kw_str_is(key.text, "digest")  ? digest
                                                              : NULL;
        if (into && value.kind == KW_JSON_STRING)
            KW_TRY(kw_json_string(json, &value, &o->arena, into, err));
        else
            KW_TRY(kw_json_skip(json, &value, err));
    }
}

static kw_status read_layers(ollama *o, kw_json *json, kw_error *err)
{
    kw_json_token token;
    KW_TRY(kw_json_expect(json, KW_JSON_ARRAY, &token, err));
    for (;;) {
        kw_str media = {0}, digest = {0};
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        if (token.kind != KW_JSON_OBJECT) {
            KW_TRY(kw_json_skip(json, &token, err));
            continue;
        }
        KW_TRY(read_layer(o, json, &media, &digest, err));
        KW_TRY(put_layer(o, media, digest, err));
    }
}

static kw_status read_manifest(ollama *o, kw_str text, const char *path, kw_error *err)
{
    kw_json json;
    kw_json_token token;
    kw_json_init(&json, text, path);
    KW_TRY(kw_json_expect(&json, KW_JSON_OBJECT, &token, err));
    for (;;) {
        KW_TRY(kw_json_next(&json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            return KW_OK;
        if (token.kind == KW_JSON_KEY && kw_str_is(token.text, "layers"))
            KW_TRY(read_layers(o, &json, err));
        else
            KW_TRY(kw_json_skip(&json, &token, err));
    }
}

static kw_status tag(void *user, const char *path, const char *name, kw_error *err)
{
    ollama *const o = user;
    kw_map map;
    if (kw_map_open(path, false, &map, NULL) != KW_OK)
        return KW_OK;
    kw_status status = KW_OK;
    if (map.len > 0 && map.len <= MANIFEST_MAX) {
        const kw_str text = {(const char *)map.data, map.len};
        o->walk->version = name;
        o->walk->n_entries = 0;
        status = read_manifest(o, text, path, err);
        kw_arena_free(&o->arena);
    }
    kw_map_close(&map);
    return status == KW_E_FORMAT ? KW_OK : status; /* not a manifest: no model */
}

static kw_status model(void *user, const char *path, const char *name, kw_error *err)
{
    ollama *const o = user;
    kw_buf text = {0};
    const bool plain = strcmp(o->host, DEFAULT_HOST) == 0;
    kw_buf_printf(&text, "%s%s%s/%s", plain ? "" : o->host, plain ? "" : "/", o->org, name);
    kw_status status = kw_buf_status(&text, err);
    if (status == KW_OK && kw_model_name_ok(kw_str_from(text.data))) {
        o->walk->model = text.data;
        status = kw_walk_each(path, tag, o, err);
    }
    kw_buf_free(&text);
    return status;
}

static kw_status org(void *user, const char *path, const char *name, kw_error *err)
{
    ollama *const o = user;
    o->org = name;
    return kw_walk_each(path, model, o, err);
}

static kw_status host(void *user, const char *path, const char *name, kw_error *err)
{
    ollama *const o = user;
    o->host = name;
    return kw_walk_each(path, org, o, err);
}

kw_status kw_walk_ollama(kw_walk *walk, const char *dir, kw_error *err)
{
    ollama o = {.walk = walk, .dir = dir};
    char *const manifests = kw_walk_join(dir, "manifests");
    if (!manifests)
        return kw_fail(err, KW_E_NOMEM, "\"%s\": no memory for a path", dir);
    const kw_status status = kw_walk_each(manifests, host, &o, err);
    free(manifests);
    return status;
}
