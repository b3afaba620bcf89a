/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hf_dir.c - a Hugging Face directory: config.json beside its weights (safetensors, or a PyTorch
 * checkpoint), in one file or in an index and its shards; and the ways into one by a file's path.
 */
#include "format/parts.h"

#include "format/hf.h"
#include "format/paths.h"

#include <stdlib.h>

static kw_status join_path(kw_model_file *file, kw_str dir, const char *name, char **out,
                           kw_error *err)
{
    *out = kw_path_join(&file->arena, dir, kw_str_from(name));
    if (!*out)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for a path", file->path);
    return KW_OK;
}

/* A configuration file of the directory, flattened; an empty image when there is none. Its text is
 * copied into the arena. */
static kw_status read_config(kw_model_file *file, const char *name, bool no_mmap, kw_image *out,
                             kw_error *err)
{
    char *path;
    kw_map map;
    *out = (kw_image){.kind = KW_FILE_SAFETENSORS};
    KW_TRY(join_path(file, kw_str_from(file->dir), name, &path, err));
    if (!kw_file_exists(path))
        return KW_OK;
    KW_TRY(kw_map_open(path, no_mmap, &map, err));
    if (map.len > KW_HF_MAX_JSON_BYTES) {
        const size_t len = map.len;
        kw_map_close(&map);
        return kw_fail(err, KW_E_LIMIT, "%s: %zu bytes (at most %zu)", name, len,
                       KW_HF_MAX_JSON_BYTES);
    }
    const kw_str text = {kw_arena_strdup(&file->arena, (kw_str){(const char *)map.data, map.len}),
                         map.len};
    kw_map_close(&map);
    if (!text.data)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for %zu bytes", name, text.len);
    return kw_hf_config_parse(text, name, &file->arena, out, err);
}

static kw_status set_dir(kw_model_file *file, kw_str dir, kw_error *err)
{
    file->dir = kw_arena_strdup(&file->arena, dir);
    if (!file->dir)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for its directory", file->path);
    return KW_OK;
}

kw_status kw_hf_open_single(kw_model_file *file, const char *path, kw_map map, bool no_mmap,
                            kw_error *err)
{
    kw_image image, config;
    const kw_status status = kw_parts_reserve(file, 1, err);
    if (status != KW_OK) {
        kw_map_close(&map);
        return status;
    }
    KW_TRY(kw_parts_adopt(file, 0, path, map, err));
    KW_TRY(kw_parts_parse(file, 0, &image, err));
    KW_TRY(set_dir(file, kw_path_prefix(path), err));
    const bool adapter = kw_str_starts(kw_path_base(path), KW_STR("adapter_"));
    KW_TRY(
        read_config(file, adapter ? "adapter_config.json" : "config.json", no_mmap, &config, err));
    return kw_parts_join(file, &image, 1, &config, &image, err);
}

/* Demands that every tensor of the index lies in the file that the index names. */
static kw_status check_index(const kw_model_file *file, const kw_hf_index *index, kw_error *err)
{
    for (size_t i = 0; i < index->n_entries; i++) {
        const kw_hf_placed *const placed = &index->entries[i];
        const kw_tensor_view *const view = kw_model_file_tensor(file, placed->tensor);
        if (!view || !kw_str_eq(index->files[view->part], placed->file))
            return kw_fail(err, KW_E_FORMAT, "index: tensor \"%.*s\" is not in %.*s",
                           (int)(placed->tensor.len < 120 ? placed->tensor.len : 120),
                           placed->tensor.data, KW_FMT(placed->file));
    }
    return KW_OK;
}

static kw_status open_shards(kw_model_file *file, const kw_hf_index *index, bool no_mmap,
                             kw_error *err)
{
    kw_image config;
    kw_image *const images = kw_arena_array(&file->arena, index->n_files, sizeof *images);
    if (!images)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for its shards", file->path);
    KW_TRY(kw_parts_reserve(file, index->n_files, err));
    for (size_t i = 0; i < index->n_files; i++) {
        char *const path = kw_path_join(&file->arena, kw_str_from(file->dir), index->files[i]);
        if (!path)
            return kw_fail(err, KW_E_NOMEM, "%s: no memory for a path", file->path);
        KW_TRY(kw_parts_open(file, i, path, no_mmap, &images[i], err));
        if (images[i].kind != images[0].kind || images[i].kind == KW_FILE_GGUF)
            return kw_fail(
                err, KW_E_FORMAT,
                "%s: a shard that is neither safetensors nor PyTorch, or not as the others", path);
    }
    KW_TRY(read_config(file, "config.json", no_mmap, &config, err));
    KW_TRY(kw_parts_join(file, images, index->n_files, &config, &images[0], err));
    return check_index(file, index, err);
}

kw_status kw_hf_open_index(kw_model_file *file, const char *path, kw_str text, bool no_mmap,
                           kw_error *err)
{
    kw_arena scratch = {0};
    kw_hf_index index;
    kw_status status;
    const kw_str base = kw_path_base(path);
    KW_GOTO(status, set_dir(file, kw_path_prefix(path), err));
    KW_GOTO(status, kw_hf_index_parse(text, base.data, &scratch, &index, err));
    KW_GOTO(status, open_shards(file, &index, no_mmap, err));
fail:
    kw_arena_free(&scratch);
    return status;
}

/* In a directory, the first of these that is there. */
static const struct candidate {
    const char *name;
    enum { SINGLE, INDEX, GGUF } kind;
} CANDIDATES[] = {
    {"model.safetensors", SINGLE},
    {"model.safetensors.index.json", INDEX},
    {"model.gguf", GGUF},
    {"pytorch_model.bin", SINGLE},
    {"pytorch_model.bin.index.json", INDEX},
    {"adapter_model.safetensors", SINGLE},
    {"adapter_model.bin", SINGLE},
};

kw_status kw_hf_open_dir(kw_model_file *file, const char *path, bool no_mmap, kw_error *err)
{
    kw_map map;
    for (size_t i = 0; i < sizeof CANDIDATES / sizeof CANDIDATES[0]; i++) {
        char *name;
        KW_TRY(join_path(file, kw_str_from(path), CANDIDATES[i].name, &name, err));
        if (!kw_file_exists(name))
            continue;
        KW_TRY(kw_map_open(name, no_mmap, &map, err));
        if (CANDIDATES[i].kind == SINGLE)
            return kw_hf_open_single(file, name, map, no_mmap, err);
        if (CANDIDATES[i].kind == GGUF)
            return kw_gguf_open(file, name, map, no_mmap, err);
        const kw_status status =
            kw_hf_open_index(file, name, (kw_str){(const char *)map.data, map.len}, no_mmap, err);
        kw_map_close(&map);
        return status;
    }
    return kw_fail(err, KW_E_NOTFOUND,
                   "%s: a directory without model.safetensors, pytorch_model.bin, an index of "
                   "either, model.gguf or an adapter",
                   path);
}
