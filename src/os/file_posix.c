/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* file_posix.c - files by POSIX calls.
 *
 * A map is of a regular file only: directories, pipes and devices are refused before anything is
 * read. Whoever truncates a mapped file kills its readers (SIGBUS); `no_mmap` is the way out.
 * A writer's temporary file lies in the directory of its target, so that rename is atomic. */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "os/system.h"

#define READ_MAX ((size_t)1 << 30) /* some systems refuse more in one call */
#define TEMP_ATTEMPTS 100

struct kw_file_writer {
    FILE *stream;
    char *path; /* owned */
    char *temp; /* owned */
    bool failed;
};

/* The end of a path, which identifies it, short enough that the reason fits behind it. */
static const char *shown(const char *path)
{
    const size_t len = strlen(path), most = 140;
    return len > most ? path + len - most : path;
}

static kw_status fail_errno(const char *path, const char *what, int number, kw_error *err)
{
    const kw_status status = number == ENOENT   ? KW_E_NOTFOUND
                             : number == ENOMEM ? KW_E_NOMEM
                                                : KW_E_IO;
    return kw_fail(err, status, "file \"%s\": cannot %s: %s", shown(path), what, strerror(number));
}

/* Opens a regular file; *len is its size. */
static kw_status open_regular(const char *path, int *out, size_t *len, kw_error *err)
{
    /* Opening a pipe without O_NONBLOCK would wait for its writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(path, "open it", errno, err);
    struct stat info;
    kw_status status = KW_OK;
    if (fstat(fd, &info) != 0)
        status = fail_errno(path, "read its size", errno, err);
    else if (S_ISDIR(info.st_mode))
        status = kw_fail(err, KW_E_IO, "file \"%s\": is a directory", shown(path));
    else if (!S_ISREG(info.st_mode))
        status = kw_fail(err, KW_E_IO, "file \"%s\": is not a regular file", shown(path));
    else if ((uintmax_t)info.st_size > SIZE_MAX / 2)
        status = kw_fail(err, KW_E_LIMIT, "file \"%s\": %jd bytes do not fit the address space",
                         shown(path), (intmax_t)info.st_size);
    if (status != KW_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    *len = (size_t)info.st_size;
    return KW_OK;
}

static kw_status read_all(int fd, const char *path, unsigned char *data, size_t len, kw_error *err)
{
    size_t done = 0;
    while (done < len) {
        const ssize_t n = read(fd, data + done, KW_MIN(len - done, READ_MAX));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(path, "read it", errno, err);
        if (n == 0)
            return kw_fail(err, KW_E_IO, "file \"%s\": ends after %zu of %zu bytes", shown(path),
                           done, len);
        done += (size_t)n;
    }
    return KW_OK;
}

static kw_status load(int fd, const char *path, size_t len, kw_map *out, kw_error *err)
{
    unsigned char *data = kw_pages_alloc(len);
    if (!data)
        return kw_fail(err, KW_E_NOMEM, "file \"%s\": no memory for its %zu bytes", shown(path),
                       len);
    const kw_status status = read_all(fd, path, data, len, err);
    if (status != KW_OK) {
        kw_pages_free(data, len);
        return status;
    }
    *out = (kw_map){.data = data, .len = len, .copied = true};
    return KW_OK;
}

kw_status kw_map_open(const char *path, bool no_mmap, kw_map *out, kw_error *err)
{
    int fd = -1;
    size_t len = 0;
    KW_TRY(open_regular(path, &fd, &len, err));
    kw_status status = KW_OK;
    if (len == 0) {
        *out = (kw_map){.data = NULL, .len = 0, .copied = no_mmap};
    } else if (no_mmap) {
        status = load(fd, path, len, out, err);
    } else {
        void *data = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            status = fail_errno(path, "map it", errno, err);
        } else {
#ifdef MADV_HUGEPAGE
            /* Where the file system has them, what is read from now on lies in huge pages. */
            (void)madvise(data, len, MADV_HUGEPAGE);
#endif
            *out = (kw_map){.data = data, .len = len, .copied = false};
        }
    }
    close(fd);
    return status;
}

void kw_map_close(kw_map *map)
{
    if (map->data) {
        /* The pages are ours again; const was the promise to readers. */
        void *data = (void *)(uintptr_t)map->data;
        if (map->copied)
            kw_pages_free(data, map->len);
        else
            munmap(data, map->len);
    }
    *map = (kw_map){.data = NULL, .len = 0, .copied = false};
}

void kw_map_prefetch(const kw_map *map, size_t offset, size_t len)
{
    if (!map->data || map->copied || offset >= map->len)
        return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = offset / page * page;
    const size_t last = offset + KW_MIN(len, map->len - offset);
    void *from = (void *)((uintptr_t)map->data + first);
    (void)posix_madvise(from, last - first, POSIX_MADV_WILLNEED);
}

void kw_pages_map(const void *from, size_t len)
{
#ifdef MADV_POPULATE_READ
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = (uintptr_t)from / page * page;
    (void)madvise((void *)first, (uintptr_t)from + len - first, MADV_POPULATE_READ);
#else
    (void)from;
    (void)len;
#endif
}

void kw_map_release(const kw_map *map, size_t offset, size_t len)
{
    if (!map->data || map->copied || offset >= map->len)
        return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = (offset + page - 1) / page * page;
    const size_t last = (offset + KW_MIN(len, map->len - offset)) / page * page;
    void *from = (void *)((uintptr_t)map->data + first);
    if (first < last)
        (void)madvise(from, last - first, MADV_DONTNEED);
}

bool kw_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool kw_file_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void writer_free(kw_file_writer *writer)
{
    free(writer->path);
    free(writer->temp);
    free(writer);
}

/* Creates a new file beside the target; its name is path.PID-NUMBER.tmp. */
static kw_status open_temp(kw_file_writer *writer, kw_error *err)
{
    const size_t size = strlen(writer->path) + 48;
    writer->temp = malloc(size);
    if (!writer->temp)
        return kw_fail(err, KW_E_NOMEM, "file \"%s\": no memory for its name", shown(writer->path));
    const uint64_t now = kw_clock_ns();
    int fd = -1;
    for (unsigned i = 0; i < TEMP_ATTEMPTS && fd < 0; i++) {
        snprintf(writer->temp, size, "%s.%ld-%08x.tmp", writer->path, (long)getpid(),
                 (unsigned)(now >> 10) + i);
        fd = open(writer->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        return fail_errno(writer->path, "create it", errno, err);
    writer->stream = fdopen(fd, "wb");
    if (!writer->stream) {
        const int number = errno;
        close(fd);
        unlink(writer->temp);
        return fail_errno(writer->path, "create it", number, err);
    }
    return KW_OK;
}

kw_status kw_dir_make(const char *path, kw_error *err)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && kw_file_is_dir(path)))
        return KW_OK;
    return fail_errno(path, "make a directory of it", errno, err);
}

kw_status kw_file_create(const char *path, kw_file_writer **out, kw_error *err)
{
    if (kw_file_is_dir(path))
        return kw_fail(err, KW_E_IO, "file \"%s\": is a directory", shown(path));
    const size_t size = strlen(path) + 1;
    kw_file_writer *writer = calloc(1, sizeof(*writer));
    char *copy = malloc(size);
    if (!writer || !copy) {
        free(writer);
        free(copy);
        return kw_fail(err, KW_E_NOMEM, "file \"%s\": no memory to write it", shown(path));
    }
    memcpy(copy, path, size);
    writer->path = copy;
    const kw_status status = open_temp(writer, err);
    if (status != KW_OK) {
        writer_free(writer);
        return status;
    }
    *out = writer;
    return KW_OK;
}

kw_status kw_file_write(kw_file_writer *writer, const void *data, size_t len, kw_error *err)
{
    if (len == 0)
        return KW_OK;
    errno = 0;
    if (fwrite(data, 1, len, writer->stream) == len)
        return KW_OK;
    writer->failed = true;
    return fail_errno(writer->path, "write it", errno, err);
}

kw_status kw_file_finish(kw_file_writer *writer, bool ok, kw_error *err)
{
    kw_status status = KW_OK;
    errno = 0;
    const bool closed = fclose(writer->stream) == 0;
    const int close_error = errno;
    if (!ok) {
        unlink(writer->temp);
    } else if (writer->failed || !closed) {
        unlink(writer->temp);
        status = closed ? kw_fail(err, KW_E_IO, "file \"%s\": was not written whole",
                                  shown(writer->path))
                        : fail_errno(writer->path, "write it", close_error, err);
    } else if (rename(writer->temp, writer->path) != 0) {
        const int number = errno;
        unlink(writer->temp);
        status = fail_errno(writer->path, "replace it", number, err);
    }
    writer_free(writer);
    return status;
}
