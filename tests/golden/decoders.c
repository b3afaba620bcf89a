/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decoders.c - logits and greedy continuations of the reference models of every decoder family.
 *
 * Float models must meet the tolerance that the data states. Quantised models quantise activations:
 * there the data allows "about" the difference it measured for another engine that does the same;
 * the bound here is 1.5 times that, and the arg-max must agree wherever the margin allows. */
#include "support/golden.h"

#include "engine/quantize.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct golden_case {
    const char *dir, *model; /* model: file in dir, "" for the directory itself */
    bool quantised;
} golden_case;

static const golden_case cases[] = {
    {"golden/llama/mha", "", false},
    {"golden/llama/gqa-f16-sharded", "", false},
    {"golden/llama/linear-rope-bias", "", false},
    {"golden/llama/llama3-rope-bf16-tied", "", false},
    {"golden/mistral/nowindow", "", false},
    {"golden/mistral/sliding", "", false},
    {"golden/gemma/v1-mha", "", false},
    {"golden/gemma/v1-mqa", "", false},
    {"golden/gemma/v2", "", false},
    {"golden/falcon/7b-style", "", false},
    {"golden/falcon/40b-style", "", false},
    {"golden/falcon/rw-alibi", "", false},
    {"golden/gguf/falcon40-f16", "/model.gguf", false},
    {"golden/gguf/gemma-f32", "/model.gguf", false},
    {"golden/gpt2/hub-names", "", false},
    {"golden/gpt2/prefixed", "", false},
    {"golden/gguf/gpt2-f32", "/model.gguf", false},
    {"decoders/gemma3", "", false},
    {"decoders/phi3-long", "", false},
    {"decoders/phi3-short", "", false},
    {"decoders/qwen2", "", false},
    {"decoders/qwen3", "", false},
    {"golden/gguf/f32-small", "/model.gguf", false},
    {"golden/gguf/f16", "/model.gguf", false},
    {"golden/gguf/q8_0", "/model.gguf", true},
    {"golden/gguf/q4_0", "/model.gguf", true},
    {"golden/gguf/q4_k", "/model.gguf", true},
    {"golden/gguf/q6_k", "/model.gguf", true},
    {"golden/gguf/q2_k", "/model.gguf", true},
    {"golden/gguf/q3_k", "/model.gguf", true},
    {"golden/gguf/q5_k", "/model.gguf", true},
    {"golden/gguf/q4_1", "/model.gguf", true},
    {"golden/gguf/q5_0", "/model.gguf", true},
    {"golden/gguf/q5_1", "/model.gguf", true},
    {"golden/gguf/iq4_nl", "/model.gguf", true},
    {"golden/gguf/iq4_xs", "/model.gguf", true},
    {"golden/gguf/legacy-mixed", "/model.gguf", true},
    {"golden/gguf/q4_k_m-mixed", "/model.gguf", true},
};

static double worst_difference(const float *got, const float *want, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - (double)want[i]);
        if (!(d <= worst))
            worst = d;
    }
    return worst;
}

static int32_t arg_max(const float *logits, int vocab)
{
    int32_t best = 0;
    for (int32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* Greedy ids from the prompt's last logits on; a mismatch is allowed where the margin is small. */
static void check_greedy(golden_run *run, const kw_model_file *file, int seq, size_t n_prompt,
                         const float *last, double tolerance)
{
    const kw_tensor_view *ids = golden_tensor(file, seq, "greedy_ids");
    const kw_tensor_view *margins = golden_tensor(file, seq, "greedy_margins");
    size_t n;
    if (!ids || !margins)
        return;
    int32_t *want = golden_ids(ids, &n);
    float *logits = malloc((size_t)run->vocab * sizeof *logits);
    assert_non_null(logits);
    memcpy(logits, last, (size_t)run->vocab * sizeof *logits);
    assert_int_equal(kw_session_position(run->session), n_prompt);
    for (size_t i = 0; i < n; i++) {
        float margin;
        memcpy(&margin, (const char *)margins->data + i * sizeof margin, sizeof margin);
        const int32_t got = arg_max(logits, run->vocab);
        if (got != want[i]) {
            assert_true((double)margin < 2 * tolerance);
            break;
        }
        assert_int_equal(kw_session_eval(run->session, &got, 1, true, logits, NULL), KW_OK);
    }
    free(want);
    free(logits);
}

/* model: the file that runs; the references are in dir. */
static void check_model(const golden_case *c, const char *dir, const char *model)
{
    char path[1200];
    kw_model_file *file;
    golden_run run;
    kw_error err = {0};
    kw_session_config session = {.struct_size = sizeof session, .cache = KW_CACHE_F32};
    (void)snprintf(path, sizeof path, "%s/meta.json", dir);
    const double context = golden_number(path, "context"); /* where the result depends on it */
    session.context = context > 0 ? (int)context : 0;
    const double bound = golden_number(path, "tolerance.max_abs_error");
    const double engine_bound = 1.5 * golden_number(path, "check_llama_cpp_vs_logits_maxdiff");
    const double tolerance = c->quantised ? engine_bound : bound;
    assert_true(tolerance > 0);
    (void)snprintf(path, sizeof path, "%s/golden.safetensors", dir);
    if (kw_model_file_open(path, NULL, &file, &err) != KW_OK)
        fail_msg("%s", err.message);
    golden_open(&run, model, NULL, &session);
    int seq = 0;
    for (; golden_tensor(file, seq, "input_ids"); seq++) {
        size_t n;
        int32_t *ids = golden_ids(golden_tensor(file, seq, "input_ids"), &n);
        const kw_tensor_view *want = golden_tensor(file, seq, "logits");
        const size_t vocab = (size_t)run.vocab;
        assert_true(want && want->dtype == KW_F32 && want->shape.rank == 2);
        assert_int_equal(want->shape.dim[0], n);
        assert_int_equal(want->shape.dim[1], vocab);
        float *got = golden_logits(&run, ids, n);
        const double worst = worst_difference(got, want->data, n * vocab);
        print_message("%-34s seq%d: %2zu tokens, largest difference %.2e of %.2e\n", c->dir, seq, n,
                      worst, tolerance);
        assert_true(worst <= tolerance);
        check_greedy(&run, file, seq, n, got + (n - 1) * vocab, tolerance);
        free(got);
        free(ids);
    }
    assert_true(seq > 0);
    golden_close(&run);
    kw_model_file_close(file);
}

static void logits_match(void **state)
{
    const golden_case *c = *state;
    const char *dir = golden_path(c->dir);
    char path[1200];
    if (!dir)
        skip();
    (void)snprintf(path, sizeof path, "%s%s", dir, c->model);
    check_model(c, dir, path);
}

/* The same model written as GGUF: its names, orders and keys say the same. */
static void logits_match_as_gguf(void **state)
{
    const golden_case *c = *state;
    const char *dir = golden_path(c->dir);
    char path[] = "/tmp/kw-decoder-XXXXXX";
    const kw_quantize_config config = {.type = "F32"};
    kw_quantize_result result;
    kw_model_file *file;
    kw_engine *engine;
    kw_error err = {0};
    if (!dir)
        skip();
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(kw_engine_open(NULL, &engine, NULL), KW_OK);
    assert_int_equal(kw_model_file_open(dir, NULL, &file, NULL), KW_OK);
    if (kw_quantize(engine, file, path, &config, &result, &err) != KW_OK)
        fail_msg("%s: %s", c->dir, err.message);
    kw_model_file_close(file);
    kw_engine_close(engine);
    check_model(c, dir, path);
    assert_int_equal(remove(path), 0);
}

int main(void)
{
    struct CMUnitTest tests[2 * sizeof cases / sizeof cases[0]];
    const size_t n = sizeof cases / sizeof cases[0];
    size_t n_tests = 0;
    for (size_t i = 0; i < n; i++) {
        void *const state = (void *)(uintptr_t)&cases[i];
        tests[n_tests++] = (struct CMUnitTest){cases[i].dir, logits_match, NULL, NULL, state};
        if (!cases[i].model[0])
            tests[n_tests++] =
                (struct CMUnitTest){cases[i].dir, logits_match_as_gguf, NULL, NULL, state};
    }
    return _cmocka_run_group_tests("decoders", tests, n_tests, NULL, NULL);
}
