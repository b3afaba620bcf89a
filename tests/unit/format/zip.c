/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* zip.c - archives of Python's zipfile (tests/fuzz/corpus/fuzz_zip), as they are and changed where
 * the two descriptions of an entry must agree. */
#include "fixtures.h"

#include "format/zip.h"

#define CORPUS KW_SOURCE_DIR "/tests/fuzz/corpus/fuzz_zip/"

static blob load(const char *name)
{
    char path[1024];
    kw_map map;
    blob im = {.len = 0};
    snprintf(path, sizeof path, "%s%s", CORPUS, name);
    assert_int_equal(kw_map_open(path, false, &map, NULL), KW_OK);
    put(&im, map.data, map.len);
    kw_map_close(&map);
    return im;
}

static kw_status open_zip(const blob *im, kw_arena *arena, kw_zip *zip, kw_error *err)
{
    return kw_zip_open((kw_str){(const char *)im->data, im->len}, arena, zip, err);
}

static void expect_entry(const char *archive, const char *name, const char *content)
{
    kw_arena arena = {0};
    kw_zip zip;
    kw_error err = {0};
    kw_str bytes;
    const blob im = load(archive);
    if (open_zip(&im, &arena, &zip, &err) != KW_OK)
        fail_msg("%s: %s", archive, err.message);
    const kw_zip_entry *const entry = kw_zip_find(&zip, kw_str_from(name));
    assert_non_null(entry);
    assert_int_equal(kw_zip_checked(&zip, entry, &bytes, &err), KW_OK);
    assert_true(kw_str_is(bytes, content));
    kw_arena_free(&arena);
}

static void archives_open(void **state)
{
    (void)state;
    expect_entry("stored", "a/b.txt", "text");
    expect_entry("descriptor", "streamed", "data");
    expect_entry("zip64-comment", "wide", "wide");
    expect_entry("zip64-end", "streamed", "data");
}

static void deflated_is_refused_when_asked_for(void **state)
{
    (void)state;
    kw_arena arena = {0};
    kw_zip zip;
    kw_error err = {0};
    kw_str bytes;
    const blob im = load("deflated");
    assert_int_equal(open_zip(&im, &arena, &zip, &err), KW_OK);
    assert_int_equal(zip.n, 1);
    assert_int_equal(kw_zip_data(&zip, zip.entries, &bytes, &err), KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "\"packed\" is compressed (deflate"));
    kw_arena_free(&arena);
}

/* The place of the nth occurrence of a signature ("PK\1\2"). */
static size_t find(const blob *im, const char *signature, int nth)
{
    for (size_t i = 0; i + 4 <= im->len; i++) {
        if (memcmp(im->data + i, signature, 4) == 0 && nth-- == 0)
            return i;
    }
    fail_msg("no signature");
    return 0;
}

static void expect_zip_refused(const blob *im, const char *words)
{
    kw_arena arena = {0};
    kw_zip zip;
    kw_error err = {0};
    const kw_status status = open_zip(im, &arena, &zip, &err);
    kw_arena_free(&arena);
    if (status == KW_OK || !strstr(err.message, words))
        fail_msg("\"%s\" where \"%s\" was expected", err.message, words);
}

/* The same archive with one byte of the nth record changed. */
static void expect_changed_refused(const char *archive, const char *signature, int nth, size_t at,
                                   unsigned char value, const char *words)
{
    blob im = load(archive);
    im.data[find(&im, signature, nth) + at] = value;
    expect_zip_refused(&im, words);
}

static void disagreements_are_refused(void **state)
{
    (void)state;
    expect_changed_refused("stored", "PK\3\4", 1, 30, 'x', "disagree about its name");
    expect_changed_refused("stored", "PK\3\4", 1, 18, 3, "disagree about its size");
    expect_changed_refused("stored", "PK\3\4", 1, 14, 0, "disagree about its checksum");
    expect_changed_refused("stored", "PK\3\4", 1, 8, 8, "disagree about its method");
    expect_changed_refused("descriptor", "PK\7\x08", 0, 8, 9,
                           "disagree about its size or checksum");
    expect_changed_refused("stored", "PK\1\2", 1, 8, 1, "is encrypted");
    expect_changed_refused("stored", "PK\1\2", 1, 46, '/', "leaves the archive");
    expect_changed_refused("stored", "PK\1\2", 1, 20, 200, "past the directory");
    expect_changed_refused("stored", "PK\1\2", 1, 42, 1, "no header at 1");
    expect_changed_refused("stored", "PK\1\2", 0, 0, 'x', "no entry in its directory");
    expect_changed_refused("stored", "PK\5\6", 0, 8, 3, "several parts");
    expect_changed_refused("stored", "PK\5\6", 0, 16, 9, "does not end at its end record");
    expect_changed_refused("stored", "PK\5\6", 0, 20, 9, "no end record");
    expect_changed_refused("zip64-end", "PK\6\6", 0, 32, 2, "several parts");
    expect_changed_refused("zip64-end", "PK\6\7", 0, 8, 1, "no zip64 end record");
    expect_changed_refused("zip64-end", "PK\5\6", 0, 10, 5, "two end records disagree");
}

/* Both entries of "stored" under one name, and at one place. */
static void doubles_are_refused(void **state)
{
    (void)state;
    blob im = load("stored");
    const size_t first = find(&im, "PK\1\2", 0), second = find(&im, "PK\1\2", 1);
    memcpy(im.data + second + 42, im.data + first + 42, 4);
    expect_zip_refused(&im, "disagree about its name");
    im = load("stored");
    const size_t n = second - first, more = im.len - second;
    memmove(im.data + second + n, im.data + second, more);
    memcpy(im.data + second, im.data + first, n);
    im.len += n;
    const size_t end = find(&im, "PK\5\6", 0);
    im.data[end + 8] = im.data[end + 10] = 3;
    im.data[end + 12] = (unsigned char)(end - first);
    expect_zip_refused(&im, "overlaps");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_open),
        cmocka_unit_test(deflated_is_refused_when_asked_for),
        cmocka_unit_test(disagreements_are_refused),
        cmocka_unit_test(doubles_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
