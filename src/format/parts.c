/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* parts.c - the mapped files of a model, and the joined directory of their tensors. */
#include "format/parts.h"

#include "base/check.h"
#include "format/llama2c.h"
#include "format/paths.h"

#include <string.h>

enum { TAR_MAGIC_AT = 257 };

static bool begins(kw_str bytes, const char *magic, size_t len)
{
    return bytes.len >= len && memcmp(bytes.data, magic, len) == 0;
}

/* The first byte that is no white space, or 0. */
static char first_text(kw_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        const char c = bytes.data[i];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return c;
    }
    return 0;
}

/* From protocol 2 on, pickles begin with its number; before, with an instruction, and end in STOP.
 */
static bool is_pickle(kw_str bytes)
{
    if (bytes.len < 2)
        return false;
    if ((unsigned char)bytes.data[0] == 0x80)
        return (unsigned char)bytes.data[1] <= 5;
    return bytes.data[bytes.len - 1] == '.' && bytes.data[0] != '\0' &&
           strchr("c(V]}", bytes.data[0]);
}

kw_magic kw_magic_of(kw_str bytes, const char **other)
{
    static const struct {
        char magic[27];
        uint8_t len;
        const char *name;
    } known[] = {
        {"algg", 4, "a ggml adapter from before GGUF: convert it"},
        {"L119547037146038801333356L", 26,
         "a PyTorch checkpoint of pickle protocol 0: save it with protocol 2"},
        {"\x89HDF\r\n\x1a\n", 8, "an HDF5 file (Keras?)"},
        {"\x1f\x8b", 2, "a gzip archive"},
    };
    *other = NULL;
    if (begins(bytes, "GGUF", 4))
        return KW_MAGIC_GGUF;
    if (bytes.len > 8 && bytes.data[8] == '{') {
        uint64_t header = 0;
        for (size_t i = 8; i-- > 0;)
            header = header << 8 | (unsigned char)bytes.data[i];
        if (header >> 32 == 0) /* text or a pickle would be far larger */
            return KW_MAGIC_SAFETENSORS;
    }
    if (begins(bytes, "PK\3\4", 4))
        return KW_MAGIC_ZIP;
    if (begins(bytes, "\x93NUMPY", 6))
        return KW_MAGIC_NUMPY;
    if (begins(bytes, "24ka", 4) || kw_llama2c_is_version_0(bytes))
        return KW_MAGIC_LLAMA2C;
    if (begins(bytes, "lmgg", 4) || begins(bytes, "fmgg", 4) || begins(bytes, "tjgg", 4))
        return KW_MAGIC_GGML;
    if (is_pickle(bytes))
        return KW_MAGIC_PICKLE;
    if (bytes.len > TAR_MAGIC_AT + 5 && memcmp(bytes.data + TAR_MAGIC_AT, "ustar", 5) == 0) {
        *other = "a tar archive (a PyTorch checkpoint from before 0.1.10?): save it again";
        return KW_MAGIC_OTHER;
    }
    for (size_t i = 0; i < KW_COUNT(known); i++) {
        if (begins(bytes, known[i].magic, known[i].len)) {
            *other = known[i].name;
            return KW_MAGIC_OTHER;
        }
    }
    return first_text(bytes) == '{' ? KW_MAGIC_JSON : KW_MAGIC_OTHER;
}

kw_status kw_parts_reserve(kw_model_file *file, size_t n, kw_error *err)
{
    kw_assert(n > 0 && n <= KW_MAX_PARTS && file->n_parts == 0);
    file->parts = kw_arena_array(&file->arena, n, sizeof *file->parts);
    if (!file->parts)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for %zu parts", file->path, n);
    file->n_parts = (int)n;
    return KW_OK;
}

kw_status kw_parts_adopt(kw_model_file *file, size_t i, const char *path, kw_map map, kw_error *err)
{
    kw_model_part *const part = &file->parts[i];
    part->map = map;
    part->owned = true;
    file->total_bytes += map.len;
    part->path = kw_arena_strdup(&file->arena, kw_str_from(path));
    if (!part->path)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for its path", path);
    return KW_OK;
}

/* Puts the name of the file in front of a message about its bytes. */
static kw_status name_file(const char *path, kw_status status, kw_error *err)
{
    if (!err)
        return status;
    const kw_str base = kw_path_base(path);
    char message[sizeof err->message];
    memcpy(message, err->message, sizeof message);
    return kw_error_set(err, err->file, err->line, status, "%.*s: %s",
                        (int)KW_MIN(base.len, (size_t)64), base.data, message);
}

kw_status kw_parts_parse(kw_model_file *file, size_t i, kw_image *image, kw_error *err)
{
    const kw_model_part *const part = &file->parts[i];
    const kw_str bytes = {(const char *)part->map.data, part->map.len};
    const char *other;
    kw_status status;
    switch (kw_magic_of(bytes, &other)) {
    case KW_MAGIC_GGUF:
        status = kw_gguf_parse(bytes, (int)i, &file->arena, image, err);
        break;
    case KW_MAGIC_SAFETENSORS:
        status = kw_safetensors_parse(bytes, (int)i, &file->arena, image, err);
        break;
    case KW_MAGIC_ZIP:
        status = kw_archive_parse(bytes, (int)i, &file->arena, image, err);
        break;
    case KW_MAGIC_PICKLE:
        status = kw_pytorch_legacy_parse(bytes, (int)i, &file->arena, image, err);
        break;
    case KW_MAGIC_NUMPY:
        status = kw_npy_parse(bytes, (int)i, &file->arena, image, err);
        break;
    case KW_MAGIC_GGML:
        status = kw_ggml_parse(bytes, (int)i, &file->arena, image, err);
        break;
    case KW_MAGIC_LLAMA2C:
        status = kw_llama2c_parse(bytes, (int)i, &file->arena, image, err);
        break;
    default:
        status =
            other ? kw_fail(err, KW_E_UNSUPPORTED, "%s", other)
                  : kw_fail(err, KW_E_FORMAT, "no model format known here (%zu bytes)", bytes.len);
        break;
    }
    return status == KW_OK ? KW_OK : name_file(part->path, status, err);
}

kw_status kw_parts_open(kw_model_file *file, size_t i, const char *path, bool no_mmap,
                        kw_image *image, kw_error *err)
{
    kw_map map;
    KW_TRY(kw_map_open(path, no_mmap, &map, err));
    KW_TRY(kw_parts_adopt(file, i, path, map, err));
    return kw_parts_parse(file, i, image, err);
}

static kw_status join_tensors(kw_model_file *file, const kw_image *images, size_t n, kw_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += images[i].n_tensors;
    if (total > KW_MAX_TENSORS)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu tensors (at most %zu)", file->path, total,
                       KW_MAX_TENSORS);
    file->tensors = kw_arena_array(&file->arena, total, sizeof *file->tensors);
    if (!file->tensors)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for %zu tensors", file->path, total);
    for (size_t i = 0; i < n; i++) {
        if (images[i].n_tensors > 0)
            memcpy(file->tensors + file->n_tensors, images[i].tensors,
                   images[i].n_tensors * sizeof *file->tensors);
        file->n_tensors += images[i].n_tensors;
    }
    return KW_OK;
}

static kw_status join_metas(kw_model_file *file, const kw_image *a, const kw_image *b,
                            kw_error *err)
{
    file->metas = kw_arena_array(&file->arena, a->n_metas + b->n_metas, sizeof *file->metas);
    if (!file->metas)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for its metadata", file->path);
    if (a->n_metas > 0)
        memcpy(file->metas, a->metas, a->n_metas * sizeof *file->metas);
    if (b->n_metas > 0)
        memcpy(file->metas + a->n_metas, b->metas, b->n_metas * sizeof *file->metas);
    file->n_metas = a->n_metas + b->n_metas;
    return KW_OK;
}

kw_status kw_parts_join(kw_model_file *file, const kw_image *images, size_t n,
                        const kw_image *metas_a, const kw_image *metas_b, kw_error *err)
{
    kw_directory *const directory = kw_arena_alloc(&file->arena, sizeof *directory);
    if (!directory)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for its directory", file->path);
    KW_TRY(join_tensors(file, images, n, err));
    KW_TRY(join_metas(file, metas_a, metas_b, err));
    KW_TRY(kw_name_index_build(&directory->tensors, &file->arena, file->tensors,
                               sizeof *file->tensors, file->n_tensors, "tensor", err));
    KW_TRY(kw_name_index_build(&directory->metas, &file->arena, file->metas, sizeof *file->metas,
                               file->n_metas, "key", err));
    file->kind = images[0].kind;
    file->version = images[0].version;
    file->index = directory;
    return KW_OK;
}
