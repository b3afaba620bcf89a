/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* file_wasm.c - a browser has no file system: paths are refused, whoever wants a model hands over
 * its bytes. */
#include "os/file.h"

static kw_status refuse(const char *path, kw_error *err)
{
    return kw_fail(err, KW_E_UNSUPPORTED, "file \"%.140s\": there are no files in WebAssembly",
                   path);
}

kw_status kw_map_open(const char *path, bool no_mmap, kw_map *out, kw_error *err)
{
    (void)no_mmap;
    (void)out;
    return refuse(path, err);
}

void kw_map_close(kw_map *map)
{
    *map = (kw_map){.data = NULL, .len = 0, .copied = false};
}

void kw_map_prefetch(const kw_map *map, size_t offset, size_t len)
{
    (void)map;
    (void)offset;
    (void)len;
}

void kw_map_release(const kw_map *map, size_t offset, size_t len)
{
    (void)map;
    (void)offset;
    (void)len;
}

void kw_pages_map(const void *from, size_t len)
{
    (void)from;
    (void)len;
}

bool kw_file_exists(const char *path)
{
    (void)path;
    return false;
}

bool kw_file_is_dir(const char *path)
{
    (void)path;
    return false;
}

kw_status kw_dir_make(const char *path, kw_error *err)
{
    return refuse(path, err);
}

kw_status kw_file_create(const char *path, kw_file_writer **out, kw_error *err)
{
    (void)out;
    return refuse(path, err);
}

/* No writer exists, so these two are never reached by a caller that checks kw_file_create. */
kw_status kw_file_write(kw_file_writer *writer, const void *data, size_t len, kw_error *err)
{
    (void)writer;
    (void)data;
    (void)len;
    return refuse("", err);
}

kw_status kw_file_finish(kw_file_writer *writer, bool ok, kw_error *err)
{
    (void)writer;
    (void)ok;
    return refuse("", err);
}
