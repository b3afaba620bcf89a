/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fixtures.h - what the tests of the readers share: images built byte by byte, files, and walks
 * over everything that an opened model claims to hold. Included first: cmocka needs these headers.
 */
#ifndef KW_TEST_FORMAT_FIXTURES_H
#define KW_TEST_FORMAT_FIXTURES_H

#include "format/gguf_wire.h"
#include "format/model_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- bytes -------------------------------------------------------------------------------- */

typedef struct blob {
    unsigned char data[16384];
    size_t len;
} blob;

static inline void put(blob *im, const void *bytes, size_t n)
{
    assert_true(n <= sizeof im->data - im->len);
    if (n > 0)
        memcpy(im->data + im->len, bytes, n);
    im->len += n;
}

/* The low `bytes` of v, little-endian. */
static inline void put_int(blob *im, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char b = (unsigned char)(v >> (8 * i));
        put(im, &b, 1);
    }
}

static inline void put_u32(blob *im, uint32_t v)
{
    put_int(im, v, 4);
}

static inline void put_u64(blob *im, uint64_t v)
{
    put_int(im, v, 8);
}

static inline void put_string(blob *im, const char *text)
{
    put_u64(im, strlen(text));
    put(im, text, strlen(text));
}

static inline void put_gguf_header(blob *im, uint32_t version, uint64_t n_tensors, uint64_t n_metas)
{
    put(im, "GGUF", 4);
    put_u32(im, version);
    put_u64(im, n_tensors);
    put_u64(im, n_metas);
}

static inline void put_gguf_key(blob *im, const char *key, uint32_t wire_type)
{
    put_string(im, key);
    put_u32(im, wire_type);
}

/* dims: fastest first, as the file has them */
static inline void put_gguf_tensor(blob *im, const char *name, uint32_t rank, const uint64_t *dims,
                                   uint32_t type, uint64_t offset)
{
    put_string(im, name);
    put_u32(im, rank);
    for (uint32_t i = 0; i < rank; i++)
        put_u64(im, dims[i]);
    put_u32(im, type);
    put_u64(im, offset);
}

static inline void put_zeros(blob *im, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(im, "", 1);
}

static inline void pad(blob *im, size_t alignment)
{
    while (im->len % alignment != 0)
        put(im, "", 1);
}

static inline void put_safetensors(blob *im, const char *header, size_t data_bytes)
{
    put_string(im, header);
    put_zeros(im, data_bytes);
}

/* ---- opening ------------------------------------------------------------------------------ */

/* Opens a copy of exactly the image's size, so that a sanitizer sees a read past its end. The copy
 * is freed by close_copy. */
static inline kw_status open_copy(const void *data, size_t len, kw_model_file **out, kw_error *err)
{
    void *const copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    kw_model_file *file = NULL;
    const kw_status status = kw_model_file_from_memory(copy, len, "copy", &file, err);
    if (status != KW_OK) {
        free(copy);
        return status;
    }
    *out = file;
    return KW_OK;
}

static inline void close_copy(kw_model_file *file)
{
    union {
        const void *borrowed;
        void *owned;
    } copy = {.borrowed = file->parts[0].map.data};
    kw_model_file_close(file);
    free(copy.owned);
}

/* Expects the image to be refused with this status and a message that holds `words`. */
static inline void expect_refused(const blob *im, kw_status expected, const char *words)
{
    kw_model_file *file = NULL;
    kw_error err = {0};
    const kw_status status = open_copy(im->data, im->len, &file, &err);
    if (status == KW_OK) {
        close_copy(file);
        fail_msg("accepted where \"%s\" was expected", words);
    }
    if (status != expected || !strstr(err.message, words))
        fail_msg("status %d \"%s\" where %d \"%s\" was expected", status, err.message, expected,
                 words);
    assert_int_equal(err.code, status);
}

static inline kw_model_file *expect_open(const blob *im)
{
    kw_model_file *file = NULL;
    kw_error err = {0};
    if (open_copy(im->data, im->len, &file, &err) != KW_OK)
        fail_msg("refused: %s", err.message);
    return file;
}

static inline kw_model_file *expect_open_path(const char *path)
{
    kw_model_file *file = NULL;
    kw_error err = {0};
    if (kw_model_file_open(path, NULL, &file, &err) != KW_OK)
        fail_msg("refused: %s", err.message);
    return file;
}

static inline void expect_path_refused(const char *path, kw_status expected, const char *words)
{
    kw_model_file *file = NULL;
    kw_error err = {0};
    const kw_status status = kw_model_file_open(path, NULL, &file, &err);
    if (status == KW_OK)
        kw_model_file_close(file);
    if (status != expected || !strstr(err.message, words))
        fail_msg("status %d \"%s\" where %d \"%s\" was expected", status, err.message, expected,
                 words);
}

/* ---- walking ------------------------------------------------------------------------------ */

static inline uint64_t walk_bytes(const void *data, uint64_t n, bool all)
{
    const unsigned char *const bytes = data;
    uint64_t sum = 0;
    if (n == 0 || !bytes)
        return 0;
    for (uint64_t i = 0; all && i < n; i++)
        sum += bytes[i];
    return sum + bytes[0] + bytes[n - 1];
}

/* Reads every value and name, and all (or the first and last byte) of every tensor; finds each by
 * its name. Returns a sum, so that nothing is optimised away. */
static inline uint64_t walk(const kw_model_file *file, bool all_data)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < file->n_metas; i++) {
        const kw_meta *const meta = &file->metas[i];
        sum += walk_bytes(meta->key.data, meta->key.len, true);
        assert_ptr_equal(kw_model_file_meta(file, meta->key), &meta->value);
        if (meta->value.kind == KW_VALUE_STRING)
            sum += walk_bytes(meta->value.s.data, meta->value.s.len, true);
        for (uint64_t k = 0; meta->value.kind == KW_VALUE_ARRAY && k < meta->value.array.n; k++) {
            const kw_value item = kw_value_at(&meta->value, k);
            assert_int_equal(item.kind, meta->value.array.kind);
            sum += item.kind == KW_VALUE_STRING ? walk_bytes(item.s.data, item.s.len, true) : 1;
        }
    }
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *const view = &file->tensors[i];
        size_t needed = 0;
        assert_ptr_equal(kw_model_file_tensor(file, view->name), view);
        assert_non_null(view->type_name);
        assert_in_range(view->part, 0, file->n_parts - 1);
        assert_in_range(view->shape.rank, 0, KW_MAX_RANK);
        sum += walk_bytes(view->name.data, view->name.len, true) + strlen(view->type_name);
        sum += walk_bytes(view->data, view->bytes, all_data);
        if (view->dtype != KW_N_DTYPES) {
            assert_true(kw_tensor_bytes(view->dtype, view->shape, &needed));
            assert_true(needed == view->bytes);
        }
    }
    return sum;
}

/* ---- files -------------------------------------------------------------------------------- */

/* A fresh directory for one test; "" when none can be made. */
static inline const char *make_dir(char out[64])
{
    snprintf(out, 64, "/tmp/kw-format-XXXXXX");
    assert_non_null(mkdtemp(out));
    return out;
}

static inline void write_text(const char *dir, const char *name, const void *data, size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static inline void remove_file(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)remove(path);
}

/* A path below the shared data, or NULL (and a reason printed) when it is not there. */
static inline const char *shared_path(const char *relative, char out[1024])
{
    const char *root = getenv("KWAAI_SHARED");
    if (!root)
        root = KW_SHARED_DIR;
    snprintf(out, 1024, "%s/%s", root, relative);
    if (kw_file_exists(out) || kw_file_is_dir(out))
        return out;
    print_message("skipped: no shared data at %s\n", out);
    return NULL;
}

#endif
