/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sparse_posix.c - files written out of order, by POSIX calls.
 *
 * A rename lasts once its directory was synced. The lock is on the open file (flock), so it ends
 * with the process however that ends. */
#include "os/sparse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "os/file.h"

struct kw_sparse {
    char *path; /* owned */
    int fd;
};

static const char *shown(const char *path)
{
    const size_t len = strlen(path), most = 140;
    return len > most ? path + len - most : path;
}

static kw_status fail_errno(const char *path, const char *what, kw_error *err)
{
    const int number = errno;
    const kw_status status = number == ENOENT ? KW_E_NOTFOUND : KW_E_IO;
    return kw_fail(err, status, "file \"%s\": cannot %s: %s", shown(path), what, strerror(number));
}

static char *copy_text(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *const copy = malloc(size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

static kw_status lock_and_size(const kw_sparse *file, uint64_t size, kw_error *err)
{
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return kw_fail(err, KW_E_LIMIT, "file \"%s\": another process is fetching it",
                           shown(file->path));
        return fail_errno(file->path, "lock it", err);
    }
    struct stat info, named;
    if (fstat(file->fd, &info) != 0)
        return fail_errno(file->path, "read its size", err);
    /* Whoever had it may have given it its name meanwhile: then it is not ours to write. */
    if (stat(file->path, &named) != 0 || named.st_ino != info.st_ino || named.st_dev != info.st_dev)
        return kw_fail(err, KW_E_LIMIT, "file \"%s\": another process has just fetched it",
                       shown(file->path));
    if ((uint64_t)info.st_size != size && ftruncate(file->fd, (off_t)size) != 0)
        return fail_errno(file->path, "give it its size", err);
    return KW_OK;
}

kw_status kw_sparse_open(const char *path, uint64_t size, kw_sparse **out, kw_error *err)
{
    if (size > INT64_MAX)
        return kw_fail(err, KW_E_LIMIT, "file \"%s\": %ju bytes are more than a file may have",
                       shown(path), (uintmax_t)size);
    kw_sparse *const file = calloc(1, sizeof(*file));
    char *const copy = copy_text(path);
    if (!file || !copy) {
        free(file);
        free(copy);
        return kw_fail(err, KW_E_NOMEM, "file \"%s\": no memory to write it", shown(path));
    }
    file->path = copy;
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    const kw_status status =
        file->fd < 0 ? fail_errno(path, "create it", err) : lock_and_size(file, size, err);
    if (status != KW_OK) {
        kw_sparse_close(file);
        return status;
    }
    *out = file;
    return KW_OK;
}

kw_status kw_sparse_read(kw_sparse *file, uint64_t offset, void *data, size_t len, kw_error *err)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = pread(file->fd, (char *)data + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(file->path, "read it", err);
        if (n == 0)
            return kw_fail(err, KW_E_IO, "file \"%s\": ends before byte %ju", shown(file->path),
                           (uintmax_t)(offset + len));
        done += (size_t)n;
    }
    return KW_OK;
}

static kw_status write_all(int fd, const char *path, const void *data, size_t len, uint64_t offset,
                           kw_error *err)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = pwrite(fd, (const char *)data + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(path, "write it", err);
        done += (size_t)n;
    }
    return KW_OK;
}

kw_status kw_sparse_write(kw_sparse *file, uint64_t offset, const void *data, size_t len,
                          kw_error *err)
{
    return write_all(file->fd, file->path, data, len, offset, err);
}

kw_status kw_sparse_sync(kw_sparse *file, kw_error *err)
{
    return fdatasync(file->fd) == 0 ? KW_OK : fail_errno(file->path, "write it", err);
}

/* Makes what was renamed into the directory of path last. */
static kw_status sync_directory(const char *path, kw_error *err)
{
    char *const copy = copy_text(path);
    if (!copy)
        return kw_fail(err, KW_E_NOMEM, "file \"%s\": no memory for its name", shown(path));
    char *const slash = strrchr(copy, '/');
    if (slash)
        slash[slash == copy] = 0;
    const int fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a directory; then there is nothing more to do. */
    const bool bad = fd < 0 || (fsync(fd) != 0 && errno != EINVAL && errno != EROFS);
    const kw_status status = bad ? fail_errno(path, "write its directory", err) : KW_OK;
    if (fd >= 0)
        close(fd);
    free(copy);
    return status;
}

kw_status kw_sparse_commit(kw_sparse *file, const char *path, kw_error *err)
{
    if (fsync(file->fd) != 0)
        return fail_errno(file->path, "write it", err);
    if (rename(file->path, path) != 0)
        return fail_errno(path, "create it", err);
    return sync_directory(path, err);
}

void kw_sparse_close(kw_sparse *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file);
}

kw_status kw_file_replace(const char *path, const void *data, size_t len, kw_error *err)
{
    const size_t size = strlen(path) + sizeof(".new");
    char *const temp = malloc(size);
    if (!temp)
        return kw_fail(err, KW_E_NOMEM, "file \"%s\": no memory for its name", shown(path));
    snprintf(temp, size, "%s.new", path);
    const int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    kw_status status = KW_OK;
    if (fd < 0) {
        status = fail_errno(path, "create it", err);
    } else {
        status = write_all(fd, path, data, len, 0, err);
        if (status == KW_OK && fsync(fd) != 0)
            status = fail_errno(path, "write it", err);
        close(fd);
        if (status == KW_OK && rename(temp, path) != 0)
            status = fail_errno(path, "replace it", err);
        if (status == KW_OK)
            status = sync_directory(path, err);
        else
            unlink(temp);
    }
    free(temp);
    return status;
}

kw_status kw_file_remove(const char *path, kw_error *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return KW_OK;
    return fail_errno(path, "remove it", err);
}

kw_status kw_dirs_make(const char *path, kw_error *err)
{
    char *const copy = copy_text(path);
    if (!copy)
        return kw_fail(err, KW_E_NOMEM, "file \"%s\": no memory for its name", shown(path));
    kw_status status = KW_OK;
    for (char *at = copy + 1; *copy && *at && status == KW_OK; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        status = kw_dir_make(copy, err);
        *at = '/';
    }
    if (status == KW_OK)
        status = kw_dir_make(copy, err);
    free(copy);
    return status;
}

uint64_t kw_disk_free(const char *path)
{
    struct statvfs info;
    uint64_t bytes;
    if (statvfs(path, &info) != 0 || info.f_blocks == 0 ||
        !kw_mul_u64(info.f_bavail, info.f_frsize, &bytes))
        return UINT64_MAX;
    return bytes;
}
