/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lora.c - low-rank adapters against PEFT: both kinds of adapter on both kinds of model, the bits
 * whatever the batch and the threads, and what is refused.
 *
 * Data: lora/, made by make_lora.py. Float weights: the difference is rounding, logits are below 1;
 * the adapter changes them by up to 0.24. */
#include "support/golden.h"

#include "base/check.h"
#include "engine/quantize.h"
#include "format/safetensors_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA KW_SOURCE_DIR "/tests/golden/lora"
#define TOLERANCE 2e-6

static const char *const adapters[] = {DATA "/adapter", DATA "/adapter.gguf",
                                       DATA "/adapter/adapter_model.safetensors"};

typedef struct reference {
    kw_model_file *file;
    int32_t *ids;
    size_t n;
    const float *adapted, *plain; /* [n][vocab] */
} reference;

static void open_reference(reference *r, const char *dir)
{
    kw_error err = {0};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/golden.safetensors", dir);
    if (kw_model_file_open(path, NULL, &r->file, &err) != KW_OK)
        fail_msg("%s", err.message);
    r->ids = golden_ids(golden_tensor(r->file, 0, "input_ids"), &r->n);
    r->adapted = golden_tensor(r->file, 0, "logits")->data;
    r->plain = golden_tensor(r->file, 1, "logits")->data;
}

static void close_reference(reference *r)
{
    free(r->ids);
    kw_model_file_close(r->file);
}

/* Logits of the reference's ids by a model with a share of an adapter (NULL: without one). */
static float *compute(const reference *r, const char *model, const char *path, float scale,
                      int n_threads, int batch, size_t *n)
{
    golden_run run;
    kw_engine_config engine;
    kw_session_config session;
    kw_error err = {0};
    kw_adapter_use use = {NULL, scale};
    kw_engine_config_init(&engine, KW_PRESET_DEFAULT);
    kw_session_config_init(&session);
    engine.n_threads = n_threads;
    session.batch = batch;
    session.cache = KW_CACHE_F32;
    golden_open(&run, model, &engine, &session);
    if (path) {
        if (kw_adapter_load(run.model, path, &use.adapter, &err) != KW_OK)
            fail_msg("%s", err.message);
        session.adapters = &use;
        session.n_adapters = 1;
        kw_session_close(run.session);
        if (kw_session_open(run.model, &session, &run.session, &err) != KW_OK)
            fail_msg("%s", err.message);
    }
    float *const logits = golden_logits(&run, r->ids, r->n);
    *n = r->n * (size_t)run.vocab;
    kw_session_close(run.session);
    run.session = NULL;
    kw_adapter_close(use.adapter);
    golden_close(&run);
    return logits;
}

static double difference(const float *got, const float *want, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    return worst;
}

static void expect_close(const float *got, const float *want, size_t n)
{
    const double worst = difference(got, want, n);
    if (!(worst <= TOLERANCE))
        fail_msg("logits differ by %g (at most %g)", worst, TOLERANCE);
}

/* The model as f32 GGUF, in a file of its own. */
static void make_gguf(const char *dir, char path[64])
{
    kw_error err = {0};
    kw_engine *engine = NULL;
    kw_model_file *file = NULL;
    kw_quantize_result result;
    (void)snprintf(path, 64, "/tmp/kw-lora-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    const kw_quantize_config config = {.type = "f32"};
    if (kw_engine_open(NULL, &engine, &err) != KW_OK ||
        kw_model_file_open(dir, NULL, &file, &err) != KW_OK ||
        kw_quantize(engine, file, path, &config, &result, &err) != KW_OK)
        fail_msg("%s", err.message);
    kw_model_file_close(file);
    kw_engine_close(engine);
}

static void test_logits(void **state)
{
    reference r;
    char gguf[64];
    size_t n;
    (void)state;
    open_reference(&r, DATA);
    make_gguf(DATA, gguf);
    const char *const models[] = {DATA, gguf};
    for (size_t m = 0; m < KW_COUNT(models); m++) {
        float *const plain = compute(&r, models[m], NULL, 0.0f, 1, 0, &n);
        expect_close(plain, r.plain, n);
        for (size_t a = 0; a < KW_COUNT(adapters); a++) {
            float *const logits = compute(&r, models[m], adapters[a], 1.0f, 1, 0, &n);
            expect_close(logits, r.adapted, n);
            free(logits);
        }
        float *const none = compute(&r, models[m], adapters[0], 0.0f, 1, 0, &n);
        assert_memory_equal(none, plain, n * sizeof *plain);
        free(none);
        free(plain);
    }
    (void)unlink(gguf);
    close_reference(&r);
}

/* Matrices that are fused in the file (queries, keys and values; gate and up), and transposed:
 * lora-fused/, by make_lora_fused.py. */
static void test_fused(void **state)
{
    static const char *const names[] = {"phi3", "falcon-40b", "falcon-7b", "gpt2"};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        char dir[128], adapter[160], gguf[64];
        reference r;
        size_t n;
        (void)snprintf(dir, sizeof dir, "%s-fused/%s", DATA, names[i]);
        (void)snprintf(adapter, sizeof adapter, "%s/adapter", dir);
        open_reference(&r, dir);
        make_gguf(dir, gguf);
        const char *const models[] = {dir, gguf};
        for (size_t m = 0; m < KW_COUNT(models); m++) {
            float *const plain = compute(&r, models[m], NULL, 0.0f, 1, 0, &n);
            float *const adapted = compute(&r, models[m], adapter, 1.0f, 1, 0, &n);
            expect_close(plain, r.plain, n);
            expect_close(adapted, r.adapted, n);
            assert_true(difference(r.adapted, r.plain, n) > 0.1);
            free(plain);
            free(adapted);
        }
        (void)unlink(gguf);
        close_reference(&r);
    }
}

static void test_same_bits(void **state)
{
    static const int batches[] = {1, 2, 5, 32};
    reference r;
    size_t n;
    (void)state;
    open_reference(&r, DATA);
    float *const want = compute(&r, DATA, adapters[0], 0.7f, 1, 0, &n);
    for (size_t i = 0; i < KW_COUNT(batches); i++)
        for (int threads = 1; threads <= 2; threads++) {
            float *const got = compute(&r, DATA, adapters[1], 0.7f, threads, batches[i], &n);
            assert_memory_equal(got, want, n * sizeof *got);
            free(got);
        }
    free(want);
    close_reference(&r);
}

static void expect_refused(const char *model, const char *path, const char *part)
{
    golden_run run;
    kw_error err = {0};
    kw_adapter *adapter = NULL;
    golden_open(&run, model, NULL, NULL);
    if (kw_adapter_load(run.model, path, &adapter, &err) == KW_OK)
        fail_msg("%s was taken", path);
    if (!strstr(err.message, part))
        fail_msg("%s: \"%s\" does not say \"%s\"", path, err.message, part);
    assert_null(adapter);
    golden_close(&run);
}

typedef struct wrong {
    const char *name, *config, *part;
    int64_t rows, cols;
} wrong;

/* A directory with one tensor and a configuration. */
static void expect_wrong(const char *dir, const wrong *w)
{
    static const float zeros[64 * 64];
    char path[128];
    kw_error err = {0};
    const kw_st_tensor tensor = {w->name, KW_F32, SHAPE(w->rows, w->cols)};
    kw_st_writer *writer = NULL;
    (void)snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(w->config, f) >= 0 && fclose(f) == 0);
    (void)snprintf(path, sizeof path, "%s/adapter_model.safetensors", dir);
    const size_t bytes = (size_t)(w->rows * w->cols) * sizeof(float);
    if (kw_st_create(path, &tensor, 1, &writer, &err) != KW_OK ||
        kw_st_write(writer, zeros, bytes, &err) != KW_OK ||
        kw_st_finish(writer, true, &err) != KW_OK)
        fail_msg("%s", err.message);
    expect_refused(DATA, dir, w->part);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    (void)unlink(path);
}

static void test_refused(void **state)
{
#define Q "base_model.model.model.layers.0.self_attn.q_proj"
    static const wrong cases[] = {
        {Q ".lora_A.weight", "{}", "without the number lora_alpha", 3, 32},
        {Q ".lora_A.weight", "{\"lora_alpha\": -1}", "must be 0 to 1e6", 3, 32},
        {Q ".lora_A.weight", "{\"lora_alpha\": 6}", "only one half", 3, 32},
        {Q ".lora_magnitude_vector", "{\"lora_alpha\": 6}", "is no half of a low-rank pair", 3, 32},
        {"x.lora_A.weight", "{\"lora_alpha\": 6}", "is no half of a low-rank pair", 3, 32},
        {Q ".lora_A.weight", "{\"lora_alpha\": 6, \"alpha_pattern\": {\"q_proj\": 2}}",
         "alpha_pattern", 3, 32},
    };
#undef Q
    char dir[] = "/tmp/kw-lora-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < KW_COUNT(cases); i++)
        expect_wrong(dir, &cases[i]);
    (void)rmdir(dir);
    expect_refused(KW_SOURCE_DIR "/models/builtin/stories.gguf", adapters[0],
                   "no whole heads of 32");
    expect_refused(KW_SOURCE_DIR "/models/builtin/stories.gguf", adapters[1], "the model has [");
    expect_refused(DATA, KW_SOURCE_DIR "/models/builtin/stories.gguf", "no LoRA adapter");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
