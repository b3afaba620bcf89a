/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dir_posix.c - directories by POSIX calls. */
#include "os/dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"

static const char *shown(const char *path)
{
    const size_t len = strlen(path), most = 140;
    return len > most ? path + len - most : path;
}

static kw_status fail_errno(const char *path, const char *what, int number, kw_error *err)
{
    const kw_status status = number == ENOENT || number == ENOTDIR ? KW_E_NOTFOUND
                             : number == ENOMEM                    ? KW_E_NOMEM
                                                                   : KW_E_IO;
    return kw_fail(err, status, "\"%s\": cannot %s: %s", shown(path), what, strerror(number));
}

kw_status kw_file_query(const char *path, kw_file_info *out, kw_error *err)
{
    struct stat info;
    *out = (kw_file_info){0};
    if (stat(path, &info) != 0)
        return fail_errno(path, "find it", errno, err);
    out->state.size = (uint64_t)info.st_size;
    out->state.mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    out->state.inode = (uint64_t)info.st_ino;
    out->state.device = (uint64_t)info.st_dev;
    out->disk_bytes = (uint64_t)info.st_blocks * 512;
    out->is_file = S_ISREG(info.st_mode);
    out->is_dir = S_ISDIR(info.st_mode);
    return KW_OK;
}

bool kw_file_state_equal(const kw_file_state *a, const kw_file_state *b)
{
    return a->size == b->size && a->mtime_ns == b->mtime_ns && a->inode == b->inode &&
           a->device == b->device;
}

kw_status kw_path_real(const char *path, char **out, kw_error *err)
{
    *out = realpath(path, NULL);
    return *out ? KW_OK : fail_errno(path, "find it", errno, err);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static kw_status add_name(kw_dir_list *list, size_t *cap, const char *name)
{
    if (list->n == *cap) {
        const size_t more = KW_MAX(*cap * 2, (size_t)32);
        char **const grown = realloc(list->names, more * sizeof *grown);
        if (!grown)
            return KW_E_NOMEM;
        list->names = grown;
        *cap = more;
    }
    list->names[list->n] = strdup(name);
    return list->names[list->n++] ? KW_OK : KW_E_NOMEM;
}

kw_status kw_dir_read(const char *path, kw_dir_list *out, kw_error *err)
{
    *out = (kw_dir_list){0};
    DIR *const dir = opendir(path);
    if (!dir)
        return fail_errno(path, "open the directory", errno, err);
    kw_status status = KW_OK;
    size_t cap = 0;
    int number = 0;
    while (status == KW_OK) {
        errno = 0;
        const struct dirent *const entry = readdir(dir);
        number = errno;
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        status = out->n < KW_DIR_MAX ? add_name(out, &cap, entry->d_name) : KW_E_LIMIT;
    }
    closedir(dir);
    if (status == KW_E_LIMIT)
        status = kw_fail(err, KW_E_LIMIT, "\"%s\": more than %zu entries", shown(path), KW_DIR_MAX);
    else if (status != KW_OK)
        status = kw_fail(err, KW_E_NOMEM, "\"%s\": no memory for its entries", shown(path));
    else if (number != 0)
        status = fail_errno(path, "read the directory", number, err);
    if (status != KW_OK) {
        kw_dir_free(out);
        return status;
    }
    if (out->n > 1)
        qsort(out->names, out->n, sizeof *out->names, by_bytes);
    return KW_OK;
}

void kw_dir_free(kw_dir_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->names[i]);
    free(list->names);
    *list = (kw_dir_list){0};
}

kw_status kw_path_remove(const char *path, kw_error *err)
{
    return remove(path) == 0 ? KW_OK : fail_errno(path, "remove it", errno, err);
}
