/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hf_config.c - any text is flattened as config.json or refused, and read as an index of
 * shards or refused; no shard's name leaves its directory. */
#include "touch_model.h"

#include "format/hf.h"
#include "format/paths.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_config(kw_str text)
{
    kw_arena arena = {0};
    kw_image image;
    kw_error err = {0};
    if (kw_hf_config_parse(text, "input", &arena, &image, &err) == KW_OK) {
        for (size_t i = 0; i < image.n_metas; i++) {
            promise(image.metas[i].key.len <= KW_HF_MAX_KEY);
            (void)touch_bytes(image.metas[i].key.data, image.metas[i].key.len);
            touch_value(&image.metas[i].value);
        }
    } else {
        promise(err.message[0] != '\0');
    }
    kw_arena_free(&arena);
}

static void try_index(kw_str text)
{
    kw_arena arena = {0};
    kw_hf_index index;
    kw_error err = {0};
    if (kw_hf_index_parse(text, "input", &arena, &index, &err) == KW_OK) {
        promise(index.n_files > 0 && index.n_files <= index.n_entries);
        for (size_t i = 0; i < index.n_files; i++)
            promise(kw_path_is_plain(index.files[i]));
        for (size_t i = 0; i < index.n_entries; i++)
            (void)touch_bytes(index.entries[i].tensor.data, index.entries[i].tensor.len);
    } else {
        promise(err.message[0] != '\0');
    }
    kw_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_str text = {(const char *)data, size};
    try_config(text);
    try_index(text);
    return 0;
}
