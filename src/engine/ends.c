/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ends.c - see ends.h. Chat models end their turns with another token than their texts, and name it
 * here rather than in the tokenizer. Source: generation_config.json as transformers reads it. */
#include "engine/ends.h"

#include "base/buf.h"
#include "base/check.h"
#include "format/hf.h"
#include "os/file.h"

static void add_number(kw_ends *ends, const kw_value *value)
{
    if (value->kind != KW_VALUE_INT || value->i < 0 || value->i > INT32_MAX)
        return;
    for (size_t i = 0; i < ends->n; i++)
        if (ends->ids[i] == value->i)
            return;
    if (ends->n < KW_FILE_ENDS)
        ends->ids[ends->n++] = (int32_t)value->i;
}

static void add(kw_ends *ends, const kw_value *value)
{
    if (value && value->kind != KW_VALUE_ARRAY)
        add_number(ends, value);
    for (uint64_t i = 0; value && value->kind == KW_VALUE_ARRAY && i < value->array.n; i++) {
        const kw_value item = kw_value_at(value, i);
        add_number(ends, &item);
    }
}

static kw_status parse(kw_str text, const char *path, kw_ends *ends, kw_error *err)
{
    kw_arena arena = {0};
    kw_image image;
    const kw_status status = kw_hf_config_parse(text, path, &arena, &image, err);
    if (status == KW_OK)
        add(ends, kw_image_meta(&image, "eos_token_id"));
    kw_arena_free(&arena);
    return status;
}

static kw_status read_file(const char *path, kw_ends *ends, kw_error *err)
{
    kw_map map;
    if (!kw_file_exists(path) || kw_file_is_dir(path))
        return KW_OK;
    KW_TRY(kw_map_open(path, false, &map, err));
    const kw_status status = map.len <= KW_HF_MAX_JSON_BYTES
                                 ? parse((kw_str){(const char *)map.data, map.len}, path, ends, err)
                                 : kw_fail(err, KW_E_LIMIT, "%s: %zu bytes (at most %zu)", path,
                                           map.len, KW_HF_MAX_JSON_BYTES);
    kw_map_close(&map);
    return status;
}

kw_status kw_ends_read(const kw_model_file *file, kw_ends *out, kw_error *err)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    *out = (kw_ends){.n = 0};
    if (kw_model_file_names_gguf(file)) {
        for (size_t i = 0; i < KW_COUNT(keys); i++)
            add(out, kw_model_file_meta(file, kw_str_from(keys[i])));
        return KW_OK;
    }
    if (file->dir) {
        kw_buf path = {0};
        kw_buf_printf(&path, "%s/generation_config.json", file->dir);
        kw_status status = kw_buf_status(&path, err);
        if (status == KW_OK)
            status = read_file(path.data, out, err);
        kw_buf_free(&path);
        KW_TRY(status);
    }
    if (out->n == 0)
        add(out, kw_model_file_meta(file, KW_STR("eos_token_id")));
    return KW_OK;
}
