/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ggml.c - the directory of files from before GGUF: what is in them under which name, and that no
 * cut and no changed byte of one does harm. Whether they compute: tests/golden/ggml.c. */
#include "format/model_file.h"

#include "base/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CORPUS KW_SOURCE_DIR "/tests/fuzz/corpus/fuzz_ggml/"

static kw_model_file *open_file(const char *name)
{
    char path[512];
    kw_error err = {0};
    kw_model_file *file = NULL;
    (void)snprintf(path, sizeof path, CORPUS "%s", name);
    if (kw_model_file_open(path, NULL, &file, &err) != KW_OK)
        fail_msg("%s", err.message);
    return file;
}

static void test_directory(void **state)
{
    static const struct {
        const char *name, *type;
        uint32_t version;
        kw_dtype dtype;
    } files[] = {{"ggml.bin", "F32", 0, KW_F32},
                 {"ggmf.bin", "F16", 1, KW_F16},
                 {"ggjt1.bin", "Q4_0 of before ggjt 2", 1, KW_Q4_0_V1},
                 {"ggjt3.bin", "Q8_0", 3, KW_Q8_0}};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(files); i++) {
        kw_model_file *const file = open_file(files[i].name);
        const kw_tensor_view *const k = kw_model_file_tensor(file, KW_STR("blk.0.attn_k.weight"));
        const kw_tensor_view *const norm = kw_model_file_tensor(file, KW_STR("output_norm.weight"));
        const kw_value *const heads =
            kw_model_file_meta(file, KW_STR("llama.attention.head_count_kv"));
        const kw_value *const tokens = kw_model_file_meta(file, KW_STR("tokenizer.ggml.tokens"));
        assert_true(file->kind == KW_FILE_GGML && kw_model_file_names_gguf(file));
        assert_int_equal(file->version, files[i].version);
        assert_int_equal(file->n_tensors, 2);
        assert_true(k && norm && heads && tokens);
        assert_string_equal(k->type_name, files[i].type);
        assert_int_equal(k->dtype, files[i].dtype);
        assert_true(kw_shape_eq(k->shape, SHAPE(16, 32)));
        assert_true(kw_shape_eq(norm->shape, SHAPE(32)));
        assert_true(files[i].name[2] == 'm' || k->offset % 32 == 0);
        assert_int_equal(heads->i, 1);
        assert_true(kw_str_is(kw_value_at(tokens, 1).s, "<s>"));
        kw_model_file_close(file);
    }
}

/* Which number means which blocks, in each version of them. */
static void test_old_blocks(void **state)
{
    static const struct {
        const char *file;
        kw_dtype types[9]; /* of the tensors t2 to t8; KW_F32: there is none */
    } files[] = {
        {"old-ggmf.bin", {[2] = KW_Q4_0_V1, [3] = KW_Q4_1_V1}},
        {"old-ggjt1.bin",
         {[2] = KW_Q4_0_V1,
          [3] = KW_Q4_1_V1,
          [4] = KW_Q4_2,
          [5] = KW_Q4_3,
          [6] = KW_Q5_0_V1,
          [7] = KW_Q5_1_V1,
          [8] = KW_Q8_0_V1}},
        {"old-ggjt2.bin",
         {[2] = KW_Q4_0_V2, [3] = KW_Q4_1_V2, [6] = KW_Q5_0, [7] = KW_Q5_1, [8] = KW_Q8_0_V1}},
        {"old-whisper.bin",
         {[2] = KW_Q4_0_V2, [3] = KW_Q4_1_V2, [6] = KW_Q5_0, [7] = KW_Q5_1, [8] = KW_Q8_0_V1}}};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(files); i++) {
        kw_model_file *const file = open_file(files[i].file);
        size_t n = 0;
        for (int type = 2; type < 9; type++) {
            char name[8];
            float row[32];
            (void)snprintf(name, sizeof name, "t%d", type);
            const kw_tensor_view *const t = kw_model_file_tensor(file, kw_str_from(name));
            if (files[i].types[type] == KW_F32)
                continue;
            n++;
            assert_non_null(t);
            assert_int_equal(t->dtype, files[i].types[type]);
            assert_true(kw_shape_eq(t->shape, SHAPE(2, 32)));
            /* code 3 of 0.1 and -0.7, or less 8, or 16; of Q8_0 3 * 8 - 128 */
            kw_dtype_info(t->dtype)->decode(row, (const char *)t->data + t->bytes / 2, 32);
            const float want = type == 8       ? -10.4f
                               : type % 2 == 1 ? -0.4f
                               : type == 6     ? -1.3f
                                               : -0.5f;
            assert_true(fabsf(row[0] - want) < 0.001f);
        }
        assert_int_equal(file->n_tensors, n);
        kw_model_file_close(file);
    }
}

static void test_whisper(void **state)
{
    (void)state;
    kw_model_file *const file = open_file("whisper.bin");
    const kw_value *const arch = kw_model_file_meta(file, KW_STR("general.architecture"));
    const kw_value *const mels = kw_model_file_meta(file, KW_STR("whisper.mels"));
    assert_true(arch && kw_str_is(arch->s, "whisper"));
    assert_true(mels && mels->i == 3);
    assert_non_null(kw_model_file_tensor(file, KW_STR("encoder.conv1.bias")));
    kw_model_file_close(file);
}

/* Opens bytes from memory of exactly their size; either way is right. */
static void open_bytes(const unsigned char *bytes, size_t len)
{
    kw_error err = {0};
    kw_model_file *file = NULL;
    unsigned char *const copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    if (kw_model_file_from_memory(copy, len, "bytes", &file, &err) == KW_OK)
        kw_model_file_close(file);
    else
        assert_true(err.message[0] != '\0');
    free(copy);
}

static void test_harm(void **state)
{
    static const char *const names[] = {"ggml.bin",      "ggmf.bin",       "ggjt1.bin",
                                        "ggjt3.bin",     "whisper.bin",    "old-ggjt1.bin",
                                        "old-ggjt2.bin", "old-whisper.bin"};
    static const unsigned char changes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        char path[512];
        kw_map map;
        (void)snprintf(path, sizeof path, CORPUS "%s", names[i]);
        assert_int_equal(kw_map_open(path, true, &map, NULL), KW_OK);
        unsigned char *const bytes = malloc(map.len);
        assert_non_null(bytes);
        memcpy(bytes, map.data, map.len);
        for (size_t len = 0; len < map.len; len++)
            open_bytes(bytes, len);
        for (size_t at = 0; at < map.len; at++) {
            const unsigned char old = bytes[at];
            for (size_t c = 0; c < sizeof changes; c++) {
                bytes[at] = changes[c];
                open_bytes(bytes, map.len);
            }
            bytes[at] = old;
        }
        free(bytes);
        kw_map_close(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_old_blocks),
        cmocka_unit_test(test_whisper),
        cmocka_unit_test(test_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
