/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hostile_engine.c - damaged models through the whole engine: reader, configuration, weights,
 * tokenizer, plans, one token. Each ends in an error with a message or in a correct load; never in
 * a crash, a hang or a read outside the image (the sanitizer runs prove the last).
 *
 * kw-test: timeout 300 */
#include "support/golden.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct image {
    unsigned char *data;
    size_t len, header; /* header: where tensor data begins */
} image;

static void read_image(image *out, const char *path)
{
    kw_model_file *file;
    out->data = (unsigned char *)golden_text(path, &out->len);
    assert_non_null(out->data);
    assert_int_equal(kw_model_file_from_memory(out->data, out->len, "image", &file, NULL), KW_OK);
    out->header = out->len;
    for (size_t i = 0; i < file->n_tensors; i++)
        if (file->tensors[i].offset < out->header)
            out->header = (size_t)file->tensors[i].offset;
    kw_model_file_close(file);
}

/* A token, after an encoder has read one, and a vector. */
static void compute(kw_session *session, const kw_model_info *info)
{
    kw_error err = {0};
    const int32_t token = info->vocab - 1;
    const kw_input input = {.struct_size = sizeof input, .tokens = &token, .n_tokens = 1};
    float *logits = malloc((size_t)info->vocab * sizeof *logits);
    float *vector = malloc((size_t)info->dim * sizeof *vector);
    assert_true(logits && vector);
    if (info->has_encoder)
        assert_int_equal(kw_session_encode(session, &token, 1, &err), KW_OK);
    if (info->has_decoder)
        assert_int_equal(kw_session_eval(session, &token, 1, true, logits, &err), KW_OK);
    if (kw_embed(session, &input, 1, NULL, vector, NULL, &err) != KW_OK)
        fail_msg("%s", err.message);
    free(logits);
    free(vector);
}

/* True when it loads; then something is computed too. */
static bool try_load(kw_engine *engine, const void *data, size_t len)
{
    kw_error err = {0};
    kw_model *model = NULL;
    kw_session *session = NULL;
    const kw_session_config config = {.struct_size = sizeof config, .context = 8, .batch = 4};
    kw_model_info info = {.struct_size = sizeof info};
    int32_t *ids = NULL;
    size_t n;
    if (kw_model_load_memory(engine, data, len, "hostile", NULL, &model, &err) != KW_OK) {
        assert_int_not_equal(err.code, KW_OK);
        assert_int_not_equal(err.code, KW_E_INTERNAL);
        assert_true(strlen(err.message) > 0);
        return false;
    }
    kw_model_get_info(model, &info);
    if (kw_session_open(model, &config, &session, &err) == KW_OK)
        compute(session, &info);
    if (kw_model_tokenize(model, "Once upon\n", 10, true, true, &ids, &n, &err) == KW_OK)
        kw_free(ids);
    kw_session_close(session);
    kw_model_close(model);
    return true;
}

static kw_engine *open_engine(void)
{
    kw_engine_config config;
    kw_engine *engine;
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.n_threads = 1;
    config.memory_bytes = (uint64_t)256 << 20; /* a hostile file cannot ask for more */
    assert_int_equal(kw_engine_open(&config, &engine, NULL), KW_OK);
    return engine;
}

static const char *const models[] = {KW_SOURCE_DIR "/models/builtin/stories.gguf",
                                     "golden/gguf/q4_k/model.gguf",
                                     KW_SOURCE_DIR "/tests/golden/bert/bert.gguf",
                                     KW_SOURCE_DIR "/tests/fuzz/corpus/fuzz_model/t5-f16.gguf"};

static const char *model_path(int which)
{
    return models[which][0] == '/' ? models[which] : golden_path(models[which]);
}

static void corrupted_headers(void **state)
{
    static const unsigned char flips[] = {0x01, 0x80, 0xff, 0x10};
    const int which = (int)(intptr_t)*state;
    const char *path = model_path(which);
    if (!path)
        skip();
    image im;
    read_image(&im, path);
    kw_engine *engine = open_engine();
    size_t loaded = 0, refused = 0;
    for (uint64_t i = 0; i < 1200; i++) {
        /* The first bytes one after the other, then anywhere in the header. */
        const size_t at =
            i < 400 ? (size_t)i % im.header : kw_rng_u32(11, 0, i) % (uint32_t)im.header;
        im.data[at] ^= flips[i % sizeof flips];
        *(try_load(engine, im.data, im.len) ? &loaded : &refused) += 1;
        im.data[at] ^= flips[i % sizeof flips];
    }
    print_message("%s: %zu corrupted headers loaded, %zu refused\n", path, loaded, refused);
    assert_true(loaded > 0 && refused > 100);
    assert_true(try_load(engine, im.data, im.len));
    kw_engine_close(engine);
    free(im.data);
}

static void truncations(void **state)
{
    const int which = (int)(intptr_t)*state;
    const char *path = model_path(which);
    if (!path)
        skip();
    image im;
    read_image(&im, path);
    kw_engine *engine = open_engine();
    for (uint64_t i = 0; i < 600; i++) {
        const size_t len = i < 300 ? (size_t)i : kw_rng_u32(12, 0, i) % (uint32_t)im.len;
        unsigned char *cut = malloc(len ? len : 1); /* its own block: a read past it is seen */
        assert_non_null(cut);
        memcpy(cut, im.data, len);
        assert_false(try_load(engine, cut, len));
        free(cut);
    }
    kw_engine_close(engine);
    free(im.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"corrupted headers, built-in", corrupted_headers, NULL, NULL, (void *)0},
        {"corrupted headers, q4_k", corrupted_headers, NULL, NULL, (void *)1},
        {"corrupted headers, bert", corrupted_headers, NULL, NULL, (void *)2},
        {"corrupted headers, t5", corrupted_headers, NULL, NULL, (void *)3},
        {"truncations, built-in", truncations, NULL, NULL, (void *)0},
        {"truncations, q4_k", truncations, NULL, NULL, (void *)1},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
