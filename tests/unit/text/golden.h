/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* golden.h - what the tests of src/text share: files, cases in JSON, comparing ids. */
#ifndef KW_TEST_TEXT_GOLDEN_H
#define KW_TEST_TEXT_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "text/json_tree.h"
#include "text/tokenizer.h"

#define PATH_SIZE 1024

static inline void join_path(const char *root, const char *name, char out[PATH_SIZE])
{
    const int n = snprintf(out, PATH_SIZE, "%s/%s", root, name);
    assert_true(n > 0 && n < PATH_SIZE);
}

/* A path below the shared test data; false when the data is not there. */
static inline bool shared_path(const char *name, char out[PATH_SIZE])
{
    const char *root = getenv("KWAAI_SHARED");
    join_path(root ? root : KW_SHARED_DIR, name, out);
    FILE *file = fopen(out, "rb");
    if (file)
        fclose(file);
    return file != NULL;
}

/* Skips the running test, loudly, when a file of the shared data is missing. */
#define NEED_SHARED(name, path)                                                                    \
    do {                                                                                           \
        if (!shared_path((name), (path))) {                                                        \
            print_message("skipped: no test data at %s (set KWAAI_SHARED)\n", (path));             \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* A file of the repository itself. */
static inline void source_path(const char *name, char out[PATH_SIZE])
{
    join_path(KW_SOURCE_DIR, name, out);
}

/* The whole of a file, which must be there; owned by the caller. */
static inline kw_str read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        print_error("cannot open %s\n", path);
        assert_non_null(file);
        return (kw_str){NULL, 0};
    }
    fseek(file, 0, SEEK_END);
    const size_t len = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(len + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, len, file), len);
    data[len] = 0;
    fclose(file);
    return (kw_str){data, len};
}

static inline void free_text(kw_str text)
{
    free((void *)(uintptr_t)text.data);
}

/* Fails the test with the message when status is not KW_OK. */
static inline void check_ok(kw_status status, const kw_error *err)
{
    if (status != KW_OK)
        print_error("status %d: %s\n", (int)status, err->message);
    assert_int_equal(status, KW_OK);
}

/* The bytes that hex digits spell, in the arena. */
static inline kw_str from_hex(kw_str hex, kw_arena *arena)
{
    char *out = kw_arena_alloc(arena, hex.len / 2 + 1);
    assert_non_null(out);
    for (size_t i = 0; i < hex.len / 2; i++) {
        const char digits[3] = {hex.data[2 * i], hex.data[2 * i + 1], 0};
        out[i] = (char)strtoul(digits, NULL, 16);
    }
    return (kw_str){out, hex.len / 2};
}

/* A JSON file as a tree in the arena. */
static inline const kw_tree *read_tree(const char *path, kw_arena *arena)
{
    const kw_str text = read_file(path);
    char *copy = kw_arena_strdup(arena, text);
    assert_non_null(copy);
    const size_t len = text.len;
    free_text(text);
    kw_json json;
    kw_json_token token;
    kw_tree *tree;
    kw_error err;
    kw_json_init(&json, (kw_str){copy, len}, path);
    check_ok(kw_json_next(&json, &token, &err), &err);
    check_ok(kw_tree_read(&json, &token, arena, &tree, &err), &err);
    return tree;
}

/* Prints both lists and fails unless they are equal. */
static inline void check_ids(const char *what, kw_str text, const int32_t *got, size_t n,
                             const kw_tree *expected)
{
    size_t i = 0;
    bool equal = expected != NULL && expected->kind == KW_JSON_ARRAY;
    for (const kw_tree *id = equal ? expected->child : NULL; id; id = id->next, i++)
        equal = equal && i < n && got[i] == id->integer;
    if (equal && i == n)
        return;
    print_error("%s: \"%.*s\"\n  got     ", what, KW_FMT(text));
    for (size_t k = 0; k < n && k < 60; k++)
        print_error(" %d", got[k]);
    print_error("\n  expected");
    for (const kw_tree *id = expected ? expected->child : NULL; id; id = id->next)
        print_error(" %d", (int)id->integer);
    print_error("\n");
    fail();
}

/* Encodes and compares. */
static inline void check_encode(const kw_tokenizer *t, const char *what, kw_str text,
                                unsigned flags, const kw_tree *expected)
{
    int32_t *ids;
    size_t n;
    kw_error err;
    check_ok(kw_tokenizer_encode(t, text, flags, &ids, &n, &err), &err);
    check_ids(what, text, ids, n, expected);
    free(ids);
}

/* Decodes and compares bytes. */
static inline void check_decode(const kw_tokenizer *t, const char *what, const int32_t *ids,
                                size_t n, bool keep_special, kw_str expected)
{
    char *text;
    size_t len;
    kw_error err;
    check_ok(kw_tokenizer_decode(t, ids, n, keep_special, &text, &len, &err), &err);
    if (!kw_str_eq((kw_str){text, len}, expected))
        print_error("%s: decoded \"%s\", expected \"%.*s\"\n", what, text, KW_FMT(expected));
    assert_true(kw_str_eq((kw_str){text, len}, expected));
    free(text);
}

/* The ids of a JSON array, in the arena. */
static inline int32_t *ids_of(const kw_tree *list, size_t *n, kw_arena *arena)
{
    *n = 0;
    for (const kw_tree *id = list->child; id; id = id->next)
        ++*n;
    int32_t *ids = kw_arena_array(arena, *n + 1, sizeof(*ids));
    assert_non_null(ids);
    size_t i = 0;
    for (const kw_tree *id = list->child; id; id = id->next)
        ids[i++] = (int32_t)id->integer;
    return ids;
}

/* A small generator for tests that try many inputs: xorshift64*. */
static inline uint32_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

#endif
