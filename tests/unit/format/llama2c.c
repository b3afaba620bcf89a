/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* llama2c.c - the three versions of one trained model hold the numbers of its GGUF file, and its
 * tokenizer the tokens; what is not a checkpoint to the byte is refused. */
#include "fixtures.h"

#include "format/llama2c.h"

#include <math.h>

static kw_model_file *open_stories(const char *name)
{
    char relative[128], path[1024];
    snprintf(relative, sizeof relative, "weights/stories260K/%s", name);
    if (!shared_path(relative, path))
        skip();
    return expect_open_path(path);
}

/* bound: of a difference, in the largest value of the tensor */
static void equal_numbers(const kw_model_file *file, const kw_model_file *gguf, float bound)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *const a = &file->tensors[i];
        const kw_tensor_view *const b = kw_model_file_tensor(gguf, a->name);
        float most = 0, worst = 0;
        if (!b)
            fail_msg("no \"%.*s\" in GGUF", KW_FMT(a->name));
        assert_true(kw_shape_eq(a->shape, b->shape) && a->bytes == b->bytes);
        assert_int_equal(a->dtype, KW_F32);
        for (size_t k = 0; k < (size_t)a->bytes / sizeof(float); k++) {
            float x, y;
            memcpy(&x, (const char *)a->data + k * sizeof x, sizeof x);
            memcpy(&y, (const char *)b->data + k * sizeof y, sizeof y);
            most = fmaxf(most, fabsf(y));
            worst = fmaxf(worst, fabsf(x - y));
        }
        if (!(worst <= bound * most))
            fail_msg("\"%.*s\" differs by %g of %g", KW_FMT(a->name), (double)worst, (double)most);
    }
}

static void equal_tokens(const kw_model_file *file, const kw_model_file *gguf)
{
    static const char *const keys[] = {"tokenizer.ggml.tokens", "tokenizer.ggml.scores",
                                       "tokenizer.ggml.token_type"};
    for (size_t k = 0; k < 3; k++) {
        const kw_value *const a = kw_model_file_meta(file, kw_str_from(keys[k]));
        const kw_value *const b = kw_model_file_meta(gguf, kw_str_from(keys[k]));
        assert_true(a && b && a->array.n == b->array.n && a->array.n == 512);
        for (uint64_t i = 0; i < a->array.n; i++) {
            const kw_value x = kw_value_at(a, i), y = kw_value_at(b, i);
            double from = 0, to = 0;
            assert_int_equal(x.kind, y.kind);
            if (x.kind == KW_VALUE_STRING) {
                assert_true(kw_str_eq(x.s, y.s));
                continue;
            }
            assert_true(kw_value_number(&x, &from) && kw_value_number(&y, &to));
            assert_true(from <= to && to <= from);
        }
    }
}

static void one_model_in_every_version(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t version;
        float bound; /* half a step of 8 bits */
    } files[] = {{"stories260K.bin", 0, 0.0f},
                 {"checkpoint_v1.bin", 1, 0.0f},
                 {"stories260K-q8.bin", 2, 0.5f / 127 + 1e-6f}};
    kw_model_file *const gguf = open_stories("stories260K.gguf");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        kw_model_file *const file = open_stories(files[i].name);
        assert_int_equal(file->kind, KW_FILE_LLAMA2C);
        assert_int_equal(file->version, files[i].version);
        assert_int_equal(file->n_tensors, 47);
        equal_numbers(file, gguf, files[i].bound);
        equal_tokens(file, gguf);
        kw_model_file_close(file);
    }
    kw_model_file_close(gguf);
}

static blob load(const char *name)
{
    char path[1024];
    kw_map map;
    blob im = {.len = 0};
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/fuzz_llama2c/%s", KW_SOURCE_DIR, name);
    assert_int_equal(kw_map_open(path, false, &map, NULL), KW_OK);
    put(&im, map.data, map.len);
    kw_map_close(&map);
    return im;
}

static void a_byte_more_or_less_is_another_file(void **state)
{
    (void)state;
    static const char *const names[] = {"version0", "version0-head", "version1", "version2"};
    for (size_t i = 0; i < 4; i++) {
        blob im = load(names[i]);
        kw_model_file *const file = expect_open(&im);
        assert_int_equal(file->n_tensors, i % 2 == 0 ? 20 : 21);
        close_copy(file);
        const char *const words = i < 2 ? "no model format" : "a model of these sizes has";
        put(&im, "", 1);
        expect_refused(&im, KW_E_FORMAT, words);
        im.len -= 2;
        expect_refused(&im, KW_E_FORMAT, words);
    }
}

static void headers_are_checked(void **state)
{
    (void)state;
    blob im = load("version1");
    im.data[4] = 3;
    expect_refused(&im, KW_E_UNSUPPORTED, "version 3 (0, 1 and 2 are read)");
    im = load("version1");
    im.data[8 + 12] = 3; /* heads of a width of 8 */
    expect_refused(&im, KW_E_FORMAT, "its header is that of no model");
    im = load("version1");
    im.data[8 + 11] = 0x80; /* layers */
    expect_refused(&im, KW_E_FORMAT, "its header is that of no model");
    im = load("version2");
    im.data[37] = 3;
    expect_refused(&im, KW_E_FORMAT, "groups of 3 in rows of 8");
    im = load("version2");
    im.len = 100;
    expect_refused(&im, KW_E_FORMAT, "a file of 100 bytes");
}

static void expect_vocab_refused(const blob *im, size_t n, const char *words)
{
    kw_arena arena = {0};
    kw_image image = {0};
    kw_error err = {0};
    const kw_str bytes = {(const char *)im->data, im->len};
    assert_int_equal(kw_llama2c_vocab(bytes, n, &arena, &image, &err), KW_E_FORMAT);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" where \"%s\" was expected", err.message, words);
    kw_arena_free(&arena);
}

static void another_models_tokenizer_is_refused(void **state)
{
    (void)state;
    blob im = load("tokenizer");
    kw_arena arena = {0};
    kw_image image = {0};
    assert_int_equal(
        kw_llama2c_vocab((kw_str){(const char *)im.data, im.len}, 6, &arena, &image, NULL), KW_OK);
    const kw_value tokens = image.metas[1].value;
    assert_true(kw_str_is(kw_value_at(&tokens, 1).s, "<s>"));
    assert_true(kw_str_is(kw_value_at(&tokens, 4).s, "\xe2\x96\x81"
                                                     "a"));
    kw_arena_free(&arena);
    expect_vocab_refused(&im, 5, "9 bytes are left after the model's 5 tokens");
    expect_vocab_refused(&im, 7, "run past its end");
    expect_vocab_refused(&im, 70, "cannot hold 70 tokens");
    im.data[0] = 5;
    expect_vocab_refused(&im, 6, "token 2 has 6 bytes (at most 5)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_model_in_every_version),
        cmocka_unit_test(a_byte_more_or_less_is_another_file),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(another_models_tokenizer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
