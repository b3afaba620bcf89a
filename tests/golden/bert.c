/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bert.c - hidden states of an encoder against transformers, through every way to pool them; from
 * safetensors and from GGUF; and what an encoder refuses.
 *
 * Data: bert/, made by make_bert.py: f16 weights, so the difference is rounding of f32 sums. */
#include "support/golden.h"

#include "base/check.h"
#include "engine/quantize.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA KW_SOURCE_DIR "/tests/golden/bert"
#define DIM 32
#define TOLERANCE 4e-6

static const char *const models[] = {DATA, DATA "/bert.gguf"};

/* The vector that these hidden states [n][DIM] give. */
static void pool(const float *hidden, size_t n, kw_pooling how, bool normalize, double out[DIM])
{
    const size_t first = how == KW_POOLING_LAST ? n - 1 : 0;
    const size_t end = how == KW_POOLING_CLS ? 1 : n;
    double length = 0;
    for (size_t i = 0; i < DIM; i++) {
        out[i] = 0;
        for (size_t t = first; t < end; t++)
            out[i] += (double)hidden[t * DIM + i] / (double)(end - first);
        length += out[i] * out[i];
    }
    for (size_t i = 0; normalize && i < DIM; i++)
        out[i] /= sqrt(length);
}

static void embed(golden_run *run, const int32_t *ids, size_t n, kw_pooling how, bool normalize,
                  float out[DIM])
{
    kw_error err = {0};
    kw_embedding config;
    size_t n_tokens = 0;
    kw_embedding_init(&config);
    config.pooling = how;
    config.no_normalize = !normalize;
    const kw_input input = {.struct_size = sizeof input, .tokens = ids, .n_tokens = n};
    if (kw_embed(run->session, &input, 1, &config, out, &n_tokens, &err) != KW_OK)
        fail_msg("%s", err.message);
    assert_int_equal(n_tokens, n);
}

/* asked: what kw_embed is told; meant: what that is for this model. */
static void check(golden_run *run, const kw_model_file *golden, kw_pooling asked, kw_pooling meant,
                  bool normalize)
{
    for (int seq = 0; golden_tensor(golden, seq, "input_ids"); seq++) {
        size_t n;
        float got[DIM];
        double want[DIM];
        int32_t *ids = golden_ids(golden_tensor(golden, seq, "input_ids"), &n);
        pool(golden_tensor(golden, seq, "hidden")->data, n, meant, normalize, want);
        embed(run, ids, n, asked, normalize, got);
        for (size_t i = 0; i < DIM; i++)
            if (!(fabs((double)got[i] - want[i]) <= TOLERANCE))
                fail_msg("seq%d, pooling %d, element %zu: %.9g, not %.9g", seq, (int)asked, i,
                         (double)got[i], want[i]);
        free(ids);
    }
}

static void open_golden_of(const char *path, kw_model_file **out)
{
    kw_error err = {0};
    if (kw_model_file_open(path, NULL, out, &err) != KW_OK)
        fail_msg("%s", err.message);
}

static void open_golden(kw_model_file **out)
{
    open_golden_of(DATA "/golden.safetensors", out);
}

static void vectors_match(void **state)
{
    kw_model_file *golden;
    (void)state;
    open_golden(&golden);
    for (size_t m = 0; m < KW_COUNT(models); m++) {
        golden_run run;
        golden_open(&run, models[m], NULL, NULL);
        for (kw_pooling how = KW_POOLING_MEAN; how <= KW_POOLING_LAST; how++) {
            check(&run, golden, how, how, false);
            check(&run, golden, how, how, true);
        }
        /* 1_Pooling/config.json says cls, the GGUF file says mean. */
        check(&run, golden, KW_POOLING_MODEL, m == 0 ? KW_POOLING_CLS : KW_POOLING_MEAN, true);
        golden_close(&run);
    }
    kw_model_file_close(golden);
}

/* Positions that begin behind the padding's; the same once GGUF has left those out. */
static void roberta_counts_from_its_padding(void **state)
{
    char path[] = "/tmp/kw-roberta-XXXXXX";
    kw_error err = {0};
    kw_model_file *golden, *file;
    kw_quantize_result result;
    golden_run run;
    (void)state;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    open_golden_of(DATA "/roberta/golden.safetensors", &golden);
    golden_open(&run, DATA "/roberta", NULL, NULL);
    check(&run, golden, KW_POOLING_CLS, KW_POOLING_CLS, false);
    check(&run, golden, KW_POOLING_MODEL, KW_POOLING_MEAN, true);
    const kw_quantize_config config = {.type = "f16"};
    if (kw_model_file_open(DATA "/roberta", NULL, &file, &err) != KW_OK ||
        kw_quantize(run.engine, file, path, &config, &result, &err) != KW_OK)
        fail_msg("%s", err.message);
    kw_model_file_close(file);
    golden_close(&run);
    golden_open(&run, path, NULL, NULL);
    check(&run, golden, KW_POOLING_CLS, KW_POOLING_CLS, false);
    check(&run, golden, KW_POOLING_MEAN, KW_POOLING_MEAN, true);
    golden_close(&run);
    kw_model_file_close(golden);
    assert_int_equal(unlink(path), 0);
}

/* Several texts in one call are the vectors of each. */
static void batches_match(void **state)
{
    kw_model_file *golden;
    golden_run run;
    float one[3][DIM], all[3][DIM];
    kw_input inputs[3];
    int32_t *ids[3];
    size_t n, n_tokens = 0;
    (void)state;
    open_golden(&golden);
    golden_open(&run, DATA, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        ids[i] = golden_ids(golden_tensor(golden, i, "input_ids"), &n);
        inputs[i] = (kw_input){.struct_size = sizeof inputs[i], .tokens = ids[i], .n_tokens = n};
        embed(&run, ids[i], n, KW_POOLING_MODEL, true, one[i]);
    }
    assert_int_equal(kw_embed(run.session, inputs, 3, NULL, all[0], &n_tokens, NULL), KW_OK);
    assert_memory_equal(one, all, sizeof all);
    assert_int_equal(n_tokens, 5 + 1 + 77);
    for (int i = 0; i < 3; i++)
        free(ids[i]);
    golden_close(&run);
    kw_model_file_close(golden);
}

/* What stands in 1_Pooling/config.json becomes a key in GGUF. */
static void a_written_file_keeps_the_pooling(void **state)
{
    char path[] = "/tmp/kw-bert-XXXXXX";
    kw_error err = {0};
    kw_model_file *golden, *file;
    kw_quantize_result result;
    golden_run run;
    (void)state;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    open_golden(&golden);
    golden_open(&run, DATA, NULL, NULL);
    const kw_quantize_config config = {.type = "f16"};
    if (kw_model_file_open(DATA, NULL, &file, &err) != KW_OK ||
        kw_quantize(run.engine, file, path, &config, &result, &err) != KW_OK)
        fail_msg("%s", err.message);
    kw_model_file_close(file);
    golden_close(&run);
    golden_open(&run, path, NULL, NULL);
    check(&run, golden, KW_POOLING_MODEL, KW_POOLING_CLS, true);
    golden_close(&run);
    assert_int_equal(remove(path), 0);
    kw_model_file_close(golden);
}

/* Rows that q8_0 rounds: the direction stays. */
static void quantised_vectors_are_close(void **state)
{
    kw_model_file *golden;
    golden_run run;
    kw_model_config config;
    (void)state;
    open_golden(&golden);
    kw_model_config_init(&config);
    config.type = "q8_0";
    golden_open(&run, DATA, NULL, NULL);
    kw_session_close(run.session);
    kw_model_close(run.model);
    assert_int_equal(kw_model_load(run.engine, DATA, &config, &run.model, NULL), KW_OK);
    assert_int_equal(kw_session_open(run.model, NULL, &run.session, NULL), KW_OK);
    for (int seq = 0; seq < 3; seq++) {
        size_t n;
        float got[DIM];
        double want[DIM], cosine = 0;
        int32_t *ids = golden_ids(golden_tensor(golden, seq, "input_ids"), &n);
        pool(golden_tensor(golden, seq, "hidden")->data, n, KW_POOLING_MEAN, true, want);
        embed(&run, ids, n, KW_POOLING_MEAN, true, got);
        for (size_t i = 0; i < DIM; i++)
            cosine += want[i] * (double)got[i];
        if (!(cosine > 0.999))
            fail_msg("seq%d: a cosine of %.6f", seq, cosine);
        free(ids);
    }
    golden_close(&run);
    kw_model_file_close(golden);
}

/* The longest text, on every instruction set and with two threads. */
static void bits_are_equal(void **state)
{
    static const char *const isas[] = {"scalar", "avx2", "avxvnni", "avx512",
                                       "amx",    "neon", "i8mm"};
    kw_model_file *golden;
    kw_engine_config config;
    float want[DIM] = {0}, got[DIM];
    size_t n;
    (void)state;
    open_golden(&golden);
    int32_t *ids = golden_ids(golden_tensor(golden, 2, "input_ids"), &n);
    for (size_t i = 0; i < KW_COUNT(isas); i++) {
        kw_engine *probe;
        golden_run run;
        kw_engine_config_init(&config, KW_PRESET_DEFAULT);
        config.isa = isas[i];
        if (kw_engine_open(&config, &probe, NULL) != KW_OK) {
            print_message("no %s on this machine: not compared\n", isas[i]);
            continue;
        }
        kw_engine_close(probe);
        for (int threads = 1; threads <= 2; threads++) {
            config.n_threads = threads;
            golden_open(&run, DATA, &config, NULL);
            embed(&run, ids, n, KW_POOLING_MEAN, false, i + (size_t)threads == 1 ? want : got);
            if (i + (size_t)threads > 1)
                assert_memory_equal(got, want, sizeof got);
            golden_close(&run);
        }
    }
    free(ids);
    kw_model_file_close(golden);
}

static void expect(kw_status status, kw_status want, const kw_error *err, const char *words)
{
    if (status != want || !strstr(err->message, words))
        fail_msg("status %d \"%s\", expected %d \"%s\"", (int)status, err->message, (int)want,
                 words);
}

static void what_it_cannot_do_is_refused(void **state)
{
    golden_run run;
    kw_error err = {0};
    float logits[64], vector[DIM];
    const int32_t ids[81] = {0}, wrong = 64;
    kw_session *wide = NULL;
    (void)state;
    golden_open(&run, DATA, NULL, NULL);
    kw_input input = {.struct_size = sizeof input, .tokens = ids, .n_tokens = 81};
    expect(kw_embed(run.session, &input, 1, NULL, vector, NULL, &err), KW_E_LIMIT, &err,
           "81 tokens are more than the 80 that the encoder reads at once");
    input.n_tokens = 3;
    expect(kw_run(run.session, &input, NULL, NULL, NULL, NULL, &err), KW_E_UNSUPPORTED, &err,
           "no decoder");
    expect(kw_session_eval(run.session, ids, 3, true, logits, &err), KW_E_UNSUPPORTED, &err,
           "bert has no decoder");
    input.tokens = &wrong;
    input.n_tokens = 1;
    expect(kw_embed(run.session, &input, 1, NULL, vector, NULL, &err), KW_E_ARG, &err,
           "token 64 (index 0) is not in 0 to 63");
    const kw_embedding how = {.struct_size = sizeof how, .pooling = (kw_pooling)9};
    expect(kw_embed(run.session, &input, 1, &how, vector, NULL, &err), KW_E_ARG, &err,
           "pooling 9: must be 0 to 3");
    const kw_session_config config = {.struct_size = sizeof config, .context = 81};
    expect(kw_session_open(run.model, &config, &wide, &err), KW_E_LIMIT, &err,
           "a context of 81: this model has 80 positions");
    golden_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_match),
        cmocka_unit_test(batches_match),
        cmocka_unit_test(roberta_counts_from_its_padding),
        cmocka_unit_test(a_written_file_keeps_the_pooling),
        cmocka_unit_test(quantised_vectors_are_close),
        cmocka_unit_test(bits_are_equal),
        cmocka_unit_test(what_it_cannot_do_is_refused),
    };
    return cmocka_run_group_tests_name("bert", tests, NULL, NULL);
}
