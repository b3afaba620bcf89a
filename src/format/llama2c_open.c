/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* llama2c_open.c - a checkpoint of llama2.c by its path, with the tokenizer from its folder: the
 * file has none, and knows only how many tokens there are. */
#include "format/llama2c.h"

#include "base/check.h"
#include "format/parts.h"
#include "format/paths.h"

#include <inttypes.h>
#include <stdio.h>

/* The tokenizer of a vocabulary of n: "tokenizer.bin", or "tok512.bin" where there are several. A
 * tokenizer that does not hold n tokens is refused: it is another model's. */
static kw_status read_vocab(kw_model_file *file, kw_str folder, int64_t n, bool no_mmap,
                            kw_image *out, kw_error *err)
{
    char numbered[40];
    const int len = snprintf(numbered, sizeof numbered, "tok%" PRId64 ".bin", n);
    const kw_str names[] = {{numbered, (size_t)len}, KW_STR("tokenizer.bin")};
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        kw_map map;
        char *const path = kw_path_join(&file->arena, folder, names[i]);
        if (!path)
            return kw_fail(err, KW_E_NOMEM, "%s: no memory for a path", file->path);
        if (!kw_file_exists(path))
            continue;
        KW_TRY(kw_map_open(path, no_mmap, &map, err));
        const kw_str mapped = {(const char *)map.data, map.len};
        const kw_str bytes = {kw_arena_strdup(&file->arena, mapped), map.len};
        kw_map_close(&map);
        if (!bytes.data)
            return kw_fail(err, KW_E_NOMEM, "%s: no memory for %zu bytes", path, bytes.len);
        return kw_llama2c_vocab(bytes, (size_t)n, &file->arena, out, err);
    }
    return KW_OK;
}

kw_status kw_llama2c_open(kw_model_file *file, const char *path, kw_map map, bool no_mmap,
                          kw_error *err)
{
    kw_image image, vocab = {0};
    const kw_status status = kw_parts_reserve(file, 1, err);
    if (status != KW_OK) {
        kw_map_close(&map);
        return status;
    }
    KW_TRY(kw_parts_adopt(file, 0, path, map, err));
    KW_TRY(kw_parts_parse(file, 0, &image, err));
    const kw_value *const n = kw_image_meta(&image, "llama.vocab_size");
    KW_TRY(read_vocab(file, kw_path_prefix(path), n ? n->i : 0, no_mmap, &vocab, err));
    return kw_parts_join(file, &image, 1, &image, &vocab, err);
}
