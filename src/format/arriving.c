/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arriving.c - opening a file that is still being fetched, and waiting for bytes of it.
 *
 * Nobody knows how long the directory of a GGUF file is before it was read. So the reader, which
 * checks everything, is tried on a beginning that is here, then on one twice as long: what it makes
 * of a hole does not count, because the data of its tensors begins behind all that it has read, and
 * has to begin within what is here. */
#include "format/arriving.h"

#include "format/parts.h"

#include "base/check.h"

#define FIRST_BYTES UINT64_C(4096)
#define WAIT_MS 100

static kw_status await(const kw_arriving *arriving, const char *path, uint64_t offset, uint64_t len,
                       kw_error *err)
{
    for (;;) {
        const kw_arrival arrival = arriving->arrived(arriving->user, offset, len, WAIT_MS);
        if (arrival == KW_ARRIVED)
            return KW_OK;
        if (arrival == KW_ARRIVES_NEVER)
            return kw_fail(err, KW_E_IO, "%.100s: bytes %ju to %ju will not come", path,
                           (uintmax_t)offset, (uintmax_t)(offset + len));
    }
}

/* Bytes before the data of the first tensor. */
static uint64_t directory_bytes(const kw_model_file *file)
{
    uint64_t begin = file->total_bytes;
    for (size_t i = 0; i < file->n_tensors; i++)
        begin = KW_MIN(begin, file->tensors[i].offset);
    return begin;
}

static kw_status open_gguf(const char *path, const kw_arriving *arriving, uint64_t size,
                           kw_open_whole_fn open_whole, kw_model_file **out, kw_error *err)
{
    for (uint64_t here = KW_MIN(FIRST_BYTES, size);; here = KW_MIN(2 * here, size)) {
        kw_model_file *file = NULL;
        KW_TRY(await(arriving, path, 0, here, err));
        const kw_status status = open_whole(path, false, &file, err);
        const bool read = status == KW_OK && directory_bytes(file) <= here;
        if (read && file->n_parts == 1) {
            file->arriving = *arriving;
            *out = file;
            return KW_OK;
        }
        kw_model_file_close(file);
        if (read)
            return kw_fail(err, KW_E_UNSUPPORTED,
                           "%.150s: one part of a split set, which opens when all are here", path);
        if (here == size)
            return status;
    }
}

kw_status kw_model_file_open_arriving(const char *path, const kw_model_file_options *options,
                                      kw_open_whole_fn open_whole, kw_model_file **out,
                                      kw_error *err)
{
    const kw_arriving *const arriving = &options->arriving;
    const char *other;
    kw_map map;
    if (options->no_mmap)
        return kw_fail(err, KW_E_ARG, "%.150s: a file that is being fetched is mapped", path);
    KW_TRY(kw_map_open(path, false, &map, err));
    const uint64_t size = map.len;
    kw_status status = await(arriving, path, 0, KW_MIN(size, UINT64_C(64)), err);
    const bool gguf =
        status == KW_OK &&
        kw_magic_of((kw_str){(const char *)map.data, KW_MIN(map.len, 64)}, &other) == KW_MAGIC_GGUF;
    kw_map_close(&map);
    if (gguf)
        return open_gguf(path, arriving, size, open_whole, out, err);
    if (status == KW_OK)
        status = await(arriving, path, 0, size, err);
    return status == KW_OK ? open_whole(path, false, out, err) : status;
}

/* Where in the file that is being fetched a pointer points; false: nowhere. */
static bool place_of(const kw_model_file *file, const void *data, uint64_t *len, uint64_t *offset)
{
    if (!file->arriving.arrived)
        return false;
    const kw_map *const map = &file->parts[0].map;
    const uintptr_t at = (uintptr_t)data, begin = (uintptr_t)map->data;
    if (at < begin || at - begin >= map->len)
        return false;
    *offset = at - begin;
    *len = KW_MIN(*len, map->len - *offset);
    return true;
}

kw_arrival kw_model_file_ask(const kw_model_file *file, const void *data, uint64_t len,
                             uint32_t wait_ms)
{
    uint64_t offset;
    return place_of(file, data, &len, &offset)
               ? file->arriving.arrived(file->arriving.user, offset, len, wait_ms)
               : KW_ARRIVED;
}

kw_status kw_model_file_need(const kw_model_file *file, const void *data, uint64_t len,
                             kw_error *err)
{
    uint64_t offset;
    return place_of(file, data, &len, &offset)
               ? await(&file->arriving, file->path, offset, len, err)
               : KW_OK;
}

bool kw_model_file_is_whole(const kw_model_file *file)
{
    const kw_arriving *const a = &file->arriving;
    return !a->arrived || a->arrived(a->user, 0, file->total_bytes, 0) == KW_ARRIVED;
}

kw_status kw_model_file_need_all(const kw_model_file *file, kw_error *err)
{
    return file->arriving.arrived ? await(&file->arriving, file->path, 0, file->total_bytes, err)
                                  : KW_OK;
}
