/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf_split.c - opening a GGUF file, alone or as any part of a split set.
 *
 * Part i of n (counted from 1) is named <stem>-0000i-of-0000n.gguf and holds split.no = i - 1,
 * split.count = n and split.tensors.count of the whole set. The first part has the metadata.
 * Source: the split convention of llama.cpp. */
#include "format/parts.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>

enum { SUFFIX_LEN = 20, SUFFIX_ROOM = 64 }; /* "-00001-of-00003.gguf" */

/* An integer key of a part; *present says whether it is there. */
static kw_status split_key(const kw_image *image, const char *key, const char *path, int64_t *out,
                           bool *present, kw_error *err)
{
    const kw_value *const value = kw_image_meta(image, key);
    *present = value != NULL;
    if (value && value->kind != KW_VALUE_INT)
        return kw_fail(err, KW_E_FORMAT, "gguf: %s: %s is no integer", path, key);
    if (value)
        *out = value->i;
    return KW_OK;
}

/* Demands that a part says of itself that it is number `no` of `count`. */
static kw_status check_part(const kw_image *image, const char *path, int64_t no, int64_t count,
                            kw_error *err)
{
    int64_t said_no = -1, said_count = -1;
    bool has_no, has_count;
    if (image->kind != KW_FILE_GGUF)
        return kw_fail(err, KW_E_FORMAT, "gguf: %s: a part of a split set that is not GGUF", path);
    KW_TRY(split_key(image, "split.no", path, &said_no, &has_no, err));
    KW_TRY(split_key(image, "split.count", path, &said_count, &has_count, err));
    if (!has_no || !has_count || said_no != no || said_count != count)
        return kw_fail(err, KW_E_FORMAT,
                       "gguf: %s: split.no %" PRId64 " of %" PRId64 " where %" PRId64 " of %" PRId64
                       " is expected",
                       path, said_no, said_count, no, count);
    return KW_OK;
}

static void print_suffix(char out[SUFFIX_ROOM], int64_t no, int64_t count)
{
    (void)snprintf(out, SUFFIX_ROOM, "-%05" PRId64 "-of-%05" PRId64 ".gguf", no + 1, count);
}

/* Opens the other parts of the set; part `no` is in slot 0 and moves to its own. */
static kw_status open_others(kw_model_file *file, const char *path, int64_t no, int64_t count,
                             bool no_mmap, kw_image *images, kw_error *err)
{
    const size_t stem = strlen(path) - SUFFIX_LEN;
    char *const name = kw_arena_strdup(&file->arena, kw_str_from(path));
    if (!name)
        return kw_fail(err, KW_E_NOMEM, "gguf: %s: no memory for its path", path);
    for (int64_t i = 0; i < count; i++) {
        char suffix[SUFFIX_ROOM];
        print_suffix(suffix, i, count);
        memcpy(name + stem, suffix, SUFFIX_LEN);
        if (i != no)
            KW_TRY(kw_parts_open(file, (size_t)i, name, no_mmap, &images[i], err));
        KW_TRY(check_part(&images[i], name, i, count, err));
    }
    return KW_OK;
}

static kw_status open_set(kw_model_file *file, const char *path, int64_t no, int64_t count,
                          bool no_mmap, const kw_image *opened, kw_error *err)
{
    const kw_model_part first = file->parts[0];
    char suffix[SUFFIX_ROOM];
    print_suffix(suffix, no, count);
    const size_t len = strlen(path);
    if (strlen(suffix) != SUFFIX_LEN || len < SUFFIX_LEN ||
        strcmp(path + len - SUFFIX_LEN, suffix) != 0)
        return kw_fail(err, KW_E_FORMAT,
                       "gguf: %s: part %" PRId64 " of %" PRId64 " must be named <name>%s", path,
                       no + 1, count, suffix);
    kw_image *const images = kw_arena_array(&file->arena, (size_t)count, sizeof *images);
    kw_model_part *const parts = kw_arena_array(&file->arena, (size_t)count, sizeof *parts);
    if (!images || !parts)
        return kw_fail(err, KW_E_NOMEM, "gguf: %s: no memory for %" PRId64 " parts", path, count);
    parts[no] = first;
    file->parts = parts;
    file->n_parts = (int)count;
    images[no] = *opened;
    for (size_t i = 0; i < opened->n_tensors; i++)
        opened->tensors[i].part = (int)no;
    KW_TRY(open_others(file, path, no, count, no_mmap, images, err));

    int64_t expected = -1;
    bool present;
    KW_TRY(split_key(&images[0], "split.tensors.count", path, &expected, &present, err));
    const kw_image none = {0};
    KW_TRY(kw_parts_join(file, images, (size_t)count, &images[0], &none, err));
    if (!present || expected < 0 || (uint64_t)expected != file->n_tensors)
        return kw_fail(err, KW_E_FORMAT,
                       "gguf: %s: split.tensors.count is %" PRId64 ", the parts hold %zu", path,
                       expected, file->n_tensors);
    return KW_OK;
}

kw_status kw_gguf_open(kw_model_file *file, const char *path, kw_map map, bool no_mmap,
                       kw_error *err)
{
    kw_image image;
    const kw_image none = {0};
    int64_t no = 0, count = 1;
    bool present;
    kw_status status = kw_parts_reserve(file, 1, err);
    if (status != KW_OK) {
        kw_map_close(&map);
        return status;
    }
    KW_TRY(kw_parts_adopt(file, 0, path, map, err));
    KW_TRY(kw_parts_parse(file, 0, &image, err));
    KW_TRY(split_key(&image, "split.count", path, &count, &present, err));
    KW_TRY(split_key(&image, "split.no", path, &no, &present, err));
    if (count <= 1)
        return kw_parts_join(file, &image, 1, &image, &none, err);
    if (count > KW_MAX_PARTS || no < 0 || no >= count)
        return kw_fail(err, KW_E_FORMAT,
                       "gguf: %s: split.no %" PRId64 " of split.count %" PRId64 " (at most %d)",
                       path, no, count, KW_MAX_PARTS);
    return open_set(file, path, no, count, no_mmap, &image, err);
}
