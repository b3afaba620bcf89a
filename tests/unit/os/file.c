/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* file.c - maps and writers in a folder of their own: contents, refusals, and that a failed write
 * leaves the old file and nothing else. */
#include "os/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    char dir[64];
    char path[128]; /* of a file in dir that does not exist yet */
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    strcpy(f->dir, "/tmp/kw-file-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/file.bin", f->dir);
    *state = f;
    return 0;
}

/* Files in the folder; removes them when asked. */
static int count_files(const fixture *f, bool remove_them)
{
    DIR *dir = opendir(f->dir);
    int n = 0;
    for (const struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        n++;
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", f->dir, entry->d_name);
        if (remove_them && remove(path) != 0)
            n = -1000;
    }
    if (dir)
        closedir(dir);
    return n;
}

static int teardown(void **state)
{
    fixture *f = *state;
    count_files(f, true);
    const int status = rmdir(f->dir);
    free(f);
    return status;
}

static void write_file(const char *path, const void *data, size_t len)
{
    kw_file_writer *writer;
    kw_error err;
    assert_int_equal(kw_file_create(path, &writer, &err), KW_OK);
    assert_int_equal(kw_file_write(writer, data, len, &err), KW_OK);
    assert_int_equal(kw_file_finish(writer, true, &err), KW_OK);
}

static void check_content(const char *path, const void *data, size_t len)
{
    for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
        kw_map map;
        kw_error err;
        assert_int_equal(kw_map_open(path, no_mmap != 0, &map, &err), KW_OK);
        assert_int_equal(map.len, len);
        assert_int_equal(map.copied, no_mmap);
        if (len != 0)
            assert_memory_equal(map.data, data, len);
        else
            assert_null(map.data);
        kw_map_close(&map);
        assert_null(map.data);
        assert_int_equal(map.len, 0);
        kw_map_close(&map);
    }
}

static void what_is_written_is_read(void **state)
{
    const fixture *f = *state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 300000};
    unsigned char *data = malloc(300000);
    assert_non_null(data);
    for (size_t i = 0; i < 300000; i++)
        data[i] = (unsigned char)(i * 7 + (i >> 8));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        write_file(f->path, data, sizes[i]);
        check_content(f->path, data, sizes[i]);
    }
    free(data);
    assert_int_equal(count_files(f, false), 1);
    struct stat info;
    const mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
}

static void many_small_writes(void **state)
{
    const fixture *f = *state;
    kw_file_writer *writer;
    kw_error err;
    assert_int_equal(kw_file_create(f->path, &writer, &err), KW_OK);
    assert_int_equal(kw_file_write(writer, NULL, 0, &err), KW_OK);
    char want[3 * 5000 + 1];
    for (int i = 0; i < 5000; i++) {
        snprintf(want + 3 * i, 4, "%03d", i % 1000);
        assert_int_equal(kw_file_write(writer, want + 3 * i, 3, &err), KW_OK);
    }
    assert_false(kw_file_exists(f->path));
    assert_int_equal(kw_file_finish(writer, true, &err), KW_OK);
    check_content(f->path, want, sizeof(want) - 1);
}

static void an_abandoned_write_leaves_the_old_file(void **state)
{
    const fixture *f = *state;
    write_file(f->path, "old", 3);
    kw_file_writer *writer;
    kw_error err;
    assert_int_equal(kw_file_create(f->path, &writer, &err), KW_OK);
    assert_int_equal(kw_file_write(writer, "new content", 11, &err), KW_OK);
    check_content(f->path, "old", 3);
    assert_int_equal(kw_file_finish(writer, false, &err), KW_OK);
    check_content(f->path, "old", 3);
    assert_int_equal(count_files(f, false), 1);
}

/* A limit on the size of files stands in for a full disk: the same path, another number. */
static void a_full_disk_is_reported(void **state)
{
    const fixture *f = *state;
    write_file(f->path, "old", 3);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit low = {.rlim_cur = 1 << 16, .rlim_max = before.rlim_max};
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    kw_file_writer *writer;
    kw_error err = {.code = KW_OK};
    kw_status status = kw_file_create(f->path, &writer, &err);
    assert_int_equal(status, KW_OK);
    static const char block[10000];
    for (int i = 0; i < 20 && status == KW_OK; i++)
        status = kw_file_write(writer, block, sizeof(block), &err);
    kw_error finish_err = {.code = KW_OK};
    const kw_status finished = kw_file_finish(writer, true, &finish_err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, KW_E_IO);
    assert_non_null(strstr(err.message, f->path));
    assert_non_null(strstr(err.message, "File too large"));
    assert_int_equal(finished, KW_E_IO);
    assert_non_null(strstr(finish_err.message, f->path));
    check_content(f->path, "old", 3);
    assert_int_equal(count_files(f, false), 1);
}

/* All of it fits the buffer of the stream, so that only the end of the write meets the limit. */
static void a_disk_that_fills_at_the_end_is_reported(void **state)
{
    const fixture *f = *state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    kw_file_writer *writer;
    kw_error err = {.code = KW_OK};
    assert_int_equal(kw_file_create(f->path, &writer, &err), KW_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    const kw_status written = kw_file_write(writer, "short", 5, &err);
    const kw_status finished = kw_file_finish(writer, true, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(written, KW_OK);
    assert_int_equal(finished, KW_E_IO);
    assert_non_null(strstr(err.message, "File too large"));
    assert_int_equal(count_files(f, false), 0);
}

static void places_that_cannot_be_written(void **state)
{
    const fixture *f = *state;
    kw_file_writer *writer = NULL;
    kw_error err;
    char path[256];
    snprintf(path, sizeof(path), "%s/no/such/folder", f->dir);
    assert_int_equal(kw_file_create(path, &writer, &err), KW_E_NOTFOUND);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(kw_file_create(f->dir, &writer, &err), KW_E_IO);
    assert_non_null(strstr(err.message, "is a directory"));
    write_file(f->path, "x", 1);
    snprintf(path, sizeof(path), "%s/below", f->path);
    assert_int_equal(kw_file_create(path, &writer, &err), KW_E_IO);
    assert_null(writer);
    /* The target becomes a folder while it is written. */
    snprintf(path, sizeof(path), "%s/folder", f->dir);
    assert_int_equal(kw_file_create(path, &writer, &err), KW_OK);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(kw_file_finish(writer, true, &err), KW_E_IO);
    assert_int_equal(count_files(f, false), 2);
}

static void what_cannot_be_mapped(void **state)
{
    const fixture *f = *state;
    kw_map map = {.data = NULL, .len = 77};
    kw_error err;
    for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
        assert_int_equal(kw_map_open(f->path, no_mmap != 0, &map, &err), KW_E_NOTFOUND);
        assert_non_null(strstr(err.message, f->path));
        assert_int_equal(kw_map_open(f->dir, no_mmap != 0, &map, &err), KW_E_IO);
        assert_non_null(strstr(err.message, "is a directory"));
        assert_int_equal(kw_map_open("/dev/null", no_mmap != 0, &map, &err), KW_E_IO);
        assert_non_null(strstr(err.message, "is not a regular file"));
    }
    /* A pipe without a writer must not be waited for. */
    char path[128];
    snprintf(path, sizeof(path), "%s/pipe", f->dir);
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(kw_map_open(path, false, &map, &err), KW_E_IO);
    assert_int_equal(map.len, 77);
}

static void a_long_path_leaves_room_for_the_reason(void **state)
{
    (void)state;
    char path[2000];
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    for (size_t i = 100; i < sizeof(path); i += 100)
        path[i] = '/';
    strcpy(path + sizeof(path) - 9, "/the.end");
    kw_map map;
    kw_error err;
    assert_int_equal(kw_map_open(path, false, &map, &err), KW_E_NOTFOUND);
    assert_non_null(strstr(err.message, "/the.end\": cannot open it: No such file"));
}

/* Advice changes nothing that can be seen; it must survive every range. */
static void prefetch_takes_any_range(void **state)
{
    const fixture *f = *state;
    static const char data[10000] = "start";
    write_file(f->path, data, sizeof(data));
    kw_map map;
    assert_int_equal(kw_map_open(f->path, false, &map, NULL), KW_OK);
    kw_map_prefetch(&map, 0, 10000);
    kw_map_prefetch(&map, 5000, 1);
    kw_map_prefetch(&map, 9999, SIZE_MAX);
    kw_map_prefetch(&map, 10000, 1);
    kw_map_prefetch(&map, SIZE_MAX, SIZE_MAX);
    kw_map_prefetch(&map, 0, 0);
    assert_memory_equal(map.data, data, sizeof(data));
    kw_map_close(&map);
    kw_map_prefetch(&map, 0, 1);
}

/* Whole pages, parts of pages, nothing: what is mapped reads the same afterwards. */
static void entries_change_nothing(void **state)
{
    const fixture *f = *state;
    static unsigned char data[100000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 7 >> 3);
    write_file(f->path, data, sizeof(data));
    kw_map map;
    assert_int_equal(kw_map_open(f->path, false, &map, NULL), KW_OK);
    kw_pages_map(map.data + 5000, 1);
    kw_pages_map(map.data + 12345, 50000);
    kw_pages_map(map.data, map.len);
    kw_pages_map(map.data, 0);
    kw_pages_map(data + 1, 10000); /* memory of our own has them already */
    assert_memory_equal(map.data, data, sizeof(data));
    kw_map_close(&map);
}

static void existence(void **state)
{
    const fixture *f = *state;
    assert_false(kw_file_exists(f->path));
    assert_true(kw_file_exists(f->dir) && kw_file_is_dir(f->dir));
    write_file(f->path, "x", 1);
    assert_true(kw_file_exists(f->path));
    assert_false(kw_file_is_dir(f->path));
    assert_false(kw_file_is_dir("/no/such/folder"));
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(what_is_written_is_read),
        WITH_FOLDER(many_small_writes),
        WITH_FOLDER(an_abandoned_write_leaves_the_old_file),
        WITH_FOLDER(a_full_disk_is_reported),
        WITH_FOLDER(a_disk_that_fills_at_the_end_is_reported),
        WITH_FOLDER(places_that_cannot_be_written),
        WITH_FOLDER(what_cannot_be_mapped),
        WITH_FOLDER(a_long_path_leaves_room_for_the_reason),
        WITH_FOLDER(prefetch_takes_any_range),
        WITH_FOLDER(entries_change_nothing),
        WITH_FOLDER(existence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
