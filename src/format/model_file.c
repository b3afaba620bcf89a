/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* model_file.c - opening a model by what its bytes are, closing it, and looking things up in it. */
#include "format/model_file.h"

#include "format/arriving.h"
#include "format/parts.h"

#include <stdlib.h>

static kw_status file_new(const char *path, kw_model_file **out, kw_error *err)
{
    kw_model_file *const file = calloc(1, sizeof *file);
    if (!file)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory to open it", path);
    file->path = kw_arena_strdup(&file->arena, kw_str_from(path));
    if (!file->path) {
        kw_model_file_close(file);
        return kw_fail(err, KW_E_NOMEM, "%s: no memory to open it", path);
    }
    *out = file;
    return KW_OK;
}

/* A file that has everything in it, and stands for itself. Takes the map over. */
static kw_status open_alone(kw_model_file *file, const char *path, kw_map map, kw_error *err)
{
    kw_image image;
    const kw_image none = {0};
    const kw_status status = kw_parts_reserve(file, 1, err);
    if (status != KW_OK) {
        kw_map_close(&map);
        return status;
    }
    KW_TRY(kw_parts_adopt(file, 0, path, map, err));
    KW_TRY(kw_parts_parse(file, 0, &image, err));
    return kw_parts_join(file, &image, 1, &image, &none, err);
}

static kw_status open_path(kw_model_file *file, const char *path, bool no_mmap, kw_error *err)
{
    kw_map map;
    const char *other;
    if (kw_file_is_dir(path))
        return kw_hf_open_dir(file, path, no_mmap, err);
    KW_TRY(kw_map_open(path, no_mmap, &map, err));
    const kw_str bytes = {(const char *)map.data, map.len};
    const kw_magic magic = kw_magic_of(bytes, &other);
    if (magic == KW_MAGIC_GGUF)
        return kw_gguf_open(file, path, map, no_mmap, err);
    if (magic == KW_MAGIC_GGML)
        return open_alone(file, path, map, err);
    if (magic == KW_MAGIC_LLAMA2C)
        return kw_llama2c_open(file, path, map, no_mmap, err);
    if (magic != KW_MAGIC_JSON && magic != KW_MAGIC_OTHER)
        return kw_hf_open_single(file, path, map, no_mmap, err);
    kw_status status;
    if (magic == KW_MAGIC_JSON)
        status = kw_hf_open_index(file, path, bytes, no_mmap, err);
    else if (other)
        status = kw_fail(err, KW_E_UNSUPPORTED, "%s: %s", path, other);
    else
        status = kw_fail(err, KW_E_FORMAT, "%s: no model format known here (%zu bytes)", path,
                         bytes.len);
    kw_map_close(&map);
    return status;
}

static kw_status open_whole(const char *path, bool no_mmap, kw_model_file **out, kw_error *err)
{
    kw_model_file *file;
    KW_TRY(file_new(path, &file, err));
    const kw_status status = open_path(file, path, no_mmap, err);
    if (status != KW_OK) {
        kw_model_file_close(file);
        return status;
    }
    *out = file;
    return KW_OK;
}

kw_status kw_model_file_open(const char *path, const kw_model_file_options *options,
                             kw_model_file **out, kw_error *err)
{
    if (options && options->arriving.arrived)
        return kw_model_file_open_arriving(path, options, open_whole, out, err);
    return open_whole(path, options && options->no_mmap, out, err);
}

/* Parses the borrowed bytes as the only part. */
static kw_status open_memory(kw_model_file *file, const void *data, size_t len, kw_error *err)
{
    kw_image image;
    const kw_image none = {0};
    KW_TRY(kw_parts_reserve(file, 1, err));
    file->parts[0].path = file->path;
    file->parts[0].map = (kw_map){.data = data, .len = len};
    file->total_bytes = len;
    KW_TRY(kw_parts_parse(file, 0, &image, err));
    const kw_value *const count = kw_image_meta(&image, "split.count");
    if (count && image.kind == KW_FILE_GGUF && (count->kind != KW_VALUE_INT || count->i > 1))
        return kw_fail(err, KW_E_UNSUPPORTED, "%s: one part of a split set: open it by its path",
                       file->path);
    return kw_parts_join(file, &image, 1, &image, &none, err);
}

kw_status kw_model_file_from_memory(const void *data, size_t len, const char *name,
                                    kw_model_file **out, kw_error *err)
{
    kw_model_file *file;
    KW_TRY(file_new(name ? name : "(built-in)", &file, err));
    const kw_status status = open_memory(file, data, len, err);
    if (status != KW_OK) {
        kw_model_file_close(file);
        return status;
    }
    *out = file;
    return KW_OK;
}

const char *kw_file_kind_name(kw_file_kind kind)
{
    static const char *const names[] = {
        [KW_FILE_GGUF] = "gguf",        [KW_FILE_SAFETENSORS] = "safetensors",
        [KW_FILE_PYTORCH] = "pytorch",  [KW_FILE_NUMPY] = "numpy",
        [KW_FILE_LLAMA2C] = "llama2.c", [KW_FILE_GGML] = "ggml"};
    return names[kind];
}

bool kw_model_file_names_gguf(const kw_model_file *file)
{
    return file->kind == KW_FILE_GGUF || file->kind == KW_FILE_LLAMA2C ||
           file->kind == KW_FILE_GGML;
}

void kw_model_file_close(kw_model_file *file)
{
    if (!file)
        return;
    for (int i = 0; i < file->n_parts; i++) {
        if (file->parts[i].owned)
            kw_map_close(&file->parts[i].map);
    }
    kw_arena_free(&file->arena);
    free(file);
}

const kw_tensor_view *kw_model_file_tensor(const kw_model_file *file, kw_str name)
{
    const kw_directory *const directory = file->index;
    const size_t i = kw_name_index_find(&directory->tensors, name);
    return i == KW_NOT_FOUND ? NULL : &file->tensors[i];
}

const kw_value *kw_model_file_meta(const kw_model_file *file, kw_str key)
{
    const kw_directory *const directory = file->index;
    const size_t i = kw_name_index_find(&directory->metas, key);
    return i == KW_NOT_FOUND ? NULL : &file->metas[i].value;
}
