/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* merge.c - merged tensors against their definitions in double precision, and what is refused. */
#include "engine/merge.h"

#include "base/check.h"
#include "base/rng.h"
#include "format/gguf_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 5, COLS = 64, N = ROWS * COLS };

static char dir[] = "/tmp/kw-merge-XXXXXX";

static void must(kw_status status, const kw_error *err)
{
    if (status != KW_OK)
        fail_msg("%s", err->message);
}

static float value(uint64_t seed, uint64_t i)
{
    return (float)kw_rng_u32(seed, 0, i) / 2147483648.0f - 1.0f;
}

/* A file with a matrix of `cols` columns and a vector, random by seed; returns its open handle. */
static kw_model_file *make(uint64_t seed, int64_t cols, const char *vector)
{
    char path[128];
    float data[N + ROWS];
    kw_error err = {0};
    kw_gguf_writer *writer = NULL;
    kw_model_file *file = NULL;
    const kw_meta meta = {KW_STR("general.architecture"), kw_gguf_string(KW_STR("test"))};
    const kw_tensor_spec specs[] = {{"blk.0.ffn_up.weight", KW_F32, SHAPE(ROWS, cols)},
                                    {vector, KW_F32, SHAPE(ROWS)}};
    const size_t n = (size_t)(ROWS * cols);
    for (size_t i = 0; i < n + ROWS; i++)
        data[i] = value(seed, i);
    (void)snprintf(path, sizeof path, "%s/%d.gguf", dir, (int)seed);
    must(kw_gguf_create(path, &meta, 1, specs, 2, &writer, &err), &err);
    must(kw_gguf_write(writer, data, (n + ROWS) * sizeof *data, &err), &err);
    must(kw_gguf_finish(writer, true, &err), &err);
    must(kw_model_file_open(path, NULL, &file, &err), &err);
    (void)unlink(path);
    return file;
}

/* Merges, reads the result into out [N + ROWS]; the status on failure. */
static kw_status merge(const kw_merge_config *config, float *out, kw_error *err)
{
    char path[128];
    kw_engine *engine = NULL;
    kw_model_file *file = NULL;
    must(kw_engine_open(NULL, &engine, err), err);
    (void)snprintf(path, sizeof path, "%s/out.gguf", dir);
    const kw_status status = kw_merge_models(engine, path, config, err);
    kw_engine_close(engine);
    if (status != KW_OK) {
        assert_int_not_equal(access(path, F_OK), 0);
        return status;
    }
    must(kw_model_file_open(path, NULL, &file, err), err);
    assert_int_equal(file->n_tensors, 2);
    const kw_dtype_traits *const type = kw_dtype_info(file->tensors[0].dtype);
    type->decode(out, file->tensors[0].data, N);
    memcpy(out + N, file->tensors[1].data, ROWS * sizeof *out);
    kw_model_file_close(file);
    (void)unlink(path);
    return KW_OK;
}

static void test_sums(void **state)
{
    float out[N + ROWS];
    kw_error err = {0};
    kw_model_file *models[] = {make(1, COLS, "v"), make(2, COLS, "v")}, *base = make(3, COLS, "v");
    (void)state;
    const double weights[] = {1.0, 3.0};
    kw_merge_config config = {.models = models, .weights = weights, .n_models = 2};
    must(merge(&config, out, &err), &err);
    for (uint64_t i = 0; i < N + ROWS; i++)
        assert_true(out[i] == (float)(0.25 * (double)value(1, i) + 0.75 * (double)value(2, i)));
    config.method = KW_MERGE_TASK;
    config.base = base;
    must(merge(&config, out, &err), &err);
    for (uint64_t i = 0; i < N + ROWS; i++) {
        const double b = (double)value(3, i), x = (double)value(1, i), y = (double)value(2, i);
        assert_true(fabs((double)out[i] - (b + (x - b) + 3.0 * (y - b))) < 1e-6);
    }
    for (size_t i = 0; i < 2; i++)
        kw_model_file_close(models[i]);
    kw_model_file_close(base);
}

static void test_slerp(void **state)
{
    float out[N + ROWS];
    kw_error err = {0};
    kw_model_file *models[] = {make(1, COLS, "v"), make(2, COLS, "v")};
    (void)state;
    const double weights[] = {0.0, 0.3};
    const kw_merge_config config = {
        .method = KW_MERGE_SLERP, .models = models, .weights = weights, .n_models = 2};
    must(merge(&config, out, &err), &err);
    const struct {
        uint64_t first, end;
    } tensors[] = {{0, N}, {N, N + ROWS}};
    for (size_t t = 0; t < KW_COUNT(tensors); t++) {
        double aa = 0, bb = 0, ab = 0;
        for (uint64_t i = tensors[t].first; i < tensors[t].end; i++) {
            aa += (double)value(1, i) * (double)value(1, i);
            bb += (double)value(2, i) * (double)value(2, i);
            ab += (double)value(1, i) * (double)value(2, i);
        }
        const double angle = acos(ab / (sqrt(aa) * sqrt(bb)));
        for (uint64_t i = tensors[t].first; i < tensors[t].end; i++)
            assert_true(fabs((double)out[i] - (sin(0.7 * angle) * (double)value(1, i) +
                                               sin(0.3 * angle) * (double)value(2, i)) /
                                                  sin(angle)) < 1e-6);
    }
    /* a model with itself: no arc to go along */
    kw_model_file_close(models[1]);
    models[1] = make(1, COLS, "v");
    must(merge(&config, out, &err), &err);
    for (uint64_t i = 0; i < N + ROWS; i++)
        assert_true(fabs((double)out[i] - (double)value(1, i)) < 1e-6);
    for (size_t i = 0; i < 2; i++)
        kw_model_file_close(models[i]);
}

static void test_type(void **state)
{
    float out[N + ROWS];
    kw_error err = {0};
    kw_model_file *models[] = {make(1, COLS, "v"), make(2, COLS, "v")};
    (void)state;
    const double weights[] = {1.0, 1.0};
    kw_merge_config config = {.models = models, .weights = weights, .n_models = 2, .type = "q8_0"};
    must(merge(&config, out, &err), &err);
    for (uint64_t i = 0; i < N; i++)
        assert_true(fabs((double)out[i] - 0.5 * ((double)value(1, i) + (double)value(2, i))) <
                    0.006);
    config.type = "q9";
    assert_int_equal(merge(&config, out, &err), KW_E_ARG);
    assert_non_null(strstr(err.message, "\"q9\" is no type"));
    for (size_t i = 0; i < 2; i++)
        kw_model_file_close(models[i]);
}

static void expect_refused(const kw_merge_config *config, const char *part)
{
    float out[N + ROWS];
    kw_error err = {0};
    assert_int_not_equal(merge(config, out, &err), KW_OK);
    if (!strstr(err.message, part))
        fail_msg("\"%s\" does not say \"%s\"", err.message, part);
}

static void test_refused(void **state)
{
    kw_model_file *a = make(1, COLS, "v"), *wide = make(2, COLS * 2 / 4, "v"),
                  *other = make(3, COLS, "w");
    const double weights[] = {1.0, 1.0, 1.0}, none[] = {1.0, -1.0}, far[] = {0.0, 1.5};
    (void)state;
    expect_refused(&(kw_merge_config){.models = (kw_model_file *[]){a, wide},
                                      .weights = weights,
                                      .n_models = 2},
                   "\"blk.0.ffn_up.weight\" is [5, 32]");
    expect_refused(&(kw_merge_config){.models = (kw_model_file *[]){a, other},
                                      .weights = weights,
                                      .n_models = 2},
                   "has no tensor \"v\"");
    expect_refused(
        &(kw_merge_config){.models = (kw_model_file *[]){a}, .weights = weights, .n_models = 1},
        "must be 2 to 64");
    expect_refused(
        &(kw_merge_config){.models = (kw_model_file *[]){a, a}, .weights = none, .n_models = 2},
        "add up to nothing");
    expect_refused(&(kw_merge_config){.method = KW_MERGE_SLERP,
                                      .models = (kw_model_file *[]){a, a},
                                      .weights = far,
                                      .n_models = 2},
                   "not 1.5");
    expect_refused(&(kw_merge_config){.method = KW_MERGE_SLERP,
                                      .models = (kw_model_file *[]){a, a, a},
                                      .weights = weights,
                                      .n_models = 3},
                   "slerp is between 2");
    expect_refused(&(kw_merge_config){.method = KW_MERGE_TASK,
                                      .models = (kw_model_file *[]){a, a},
                                      .weights = weights,
                                      .n_models = 2},
                   "takes a base");
    kw_model_file_close(a);
    kw_model_file_close(wide);
    kw_model_file_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_slerp),
        cmocka_unit_test(test_type),
        cmocka_unit_test(test_refused),
    };
    if (!mkdtemp(dir))
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(dir);
    return failed;
}
