/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* exact_engine.c - the promise of exact numerics, end to end: the logits of a prompt are the same
 * bits for one thread and two, for every way to cut the prompt, and for every instruction set.
 *
 * kw-test: timeout 300 */
#include "support/golden.h"

#include "base/check.h"
#include "base/rng.h"
#include "engine/quantize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define N_TOKENS 530 /* crosses an attention split */

/* Attention is the same whatever the weights are: most types make do with fewer tokens, more than
 * two tiles of columns. */
#define FEW_TOKENS 70

#define LEARNED_TOKENS 60 /* within a table of 64 positions */

typedef struct model_case {
    const char *path;
    size_t n;
} model_case;

static const model_case models[] = {
    {"golden/gguf/f32-small/model.gguf", N_TOKENS},
    {"golden/gguf/f16/model.gguf", N_TOKENS},
    {"golden/gguf/q8_0/model.gguf", N_TOKENS},
    {"golden/gguf/q4_0/model.gguf", N_TOKENS},
    {"golden/gguf/q4_k/model.gguf", N_TOKENS},
    {"golden/gguf/q6_k/model.gguf", N_TOKENS},
    {"golden/llama/llama3-rope-bf16-tied", N_TOKENS},
    {"golden/gguf/q4_1/model.gguf", FEW_TOKENS},
    {"golden/gguf/q5_0/model.gguf", FEW_TOKENS},
    {"golden/gguf/q5_1/model.gguf", FEW_TOKENS},
    {"golden/gguf/q2_k/model.gguf", FEW_TOKENS},
    {"golden/gguf/q3_k/model.gguf", FEW_TOKENS},
    {"golden/gguf/q5_k/model.gguf", FEW_TOKENS},
    {"golden/gguf/iq4_nl/model.gguf", FEW_TOKENS},
    {"golden/gguf/iq4_xs/model.gguf", FEW_TOKENS},
    {"golden/mistral/sliding", FEW_TOKENS},
    {"golden/gemma/v1-mqa", FEW_TOKENS},
    {"golden/gemma/v2", FEW_TOKENS},
    {"golden/falcon/7b-style", FEW_TOKENS},
    {"golden/falcon/40b-style", FEW_TOKENS},
    {"golden/falcon/rw-alibi", FEW_TOKENS},
    {"golden/gpt2/hub-names", LEARNED_TOKENS},
    {"golden/t5/v1.0-relu", FEW_TOKENS},
    {"golden/t5/v1.1-gated-gelu", FEW_TOKENS},
    {"decoders/gemma3", FEW_TOKENS},
    {"decoders/mixtral", FEW_TOKENS},
    {"decoders/qwen3moe", FEW_TOKENS},
    {"decoders/phi3-long", FEW_TOKENS},
    {"decoders/qwen2", FEW_TOKENS},
    {"decoders/qwen3", FEW_TOKENS},
};

static const char *const isas[] = {"scalar",     "avx2", "avxvnni", "avx512",
                                   "avx512bf16", "amx",  "neon",    "i8mm"};

typedef struct variant {
    const char *isa;
    int n_threads, batch, piece; /* piece: tokens a call, 0: all at once */
    kw_cache_type cache;
    size_t n;       /* tokens of the prompt; what comes later cannot matter for what came before */
    size_t context; /* of the session; 0: N_TOKENS */
} variant;

static int context_of(const variant *v)
{
    return v->context ? (int)v->context : N_TOKENS;
}

static void prompt(int32_t tokens[N_TOKENS], int vocab)
{
    for (uint64_t i = 0; i < N_TOKENS; i++)
        tokens[i] = (int32_t)(kw_rng_u32(7, 0, i) % (uint32_t)vocab);
}

/* What a decoder with an encoder attends to: as many tokens as it is given itself. */
static void read_source(golden_run *run, const int32_t *tokens, const variant *v)
{
    kw_model_info info = {.struct_size = sizeof info};
    kw_model_get_info(run->model, &info);
    if (info.has_encoder)
        assert_int_equal(kw_session_encode(run->session, tokens, (size_t)context_of(v), NULL),
                         KW_OK);
}

/* Logits of every position, or NULL when this machine lacks the instruction set. */
static float *compute(const char *path, const variant *v, size_t *bytes)
{
    kw_engine_config config;
    kw_engine *probe;
    golden_run run;
    int32_t tokens[N_TOKENS];
    const kw_session_config session = {.struct_size = sizeof session,
                                       .context = context_of(v),
                                       .batch = v->batch,
                                       .cache = v->cache};
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.isa = v->isa;
    config.n_threads = v->n_threads;
    if (kw_engine_open(&config, &probe, NULL) != KW_OK)
        return NULL;
    kw_engine_close(probe);
    golden_open(&run, path, &config, &session);
    prompt(tokens, run.vocab);
    read_source(&run, tokens, v);
    const size_t vocab = (size_t)run.vocab, piece = v->piece ? (size_t)v->piece : v->n;
    float *logits = malloc(v->n * vocab * sizeof *logits);
    assert_non_null(logits);
    for (size_t done = 0; done < v->n; done += piece) {
        const size_t n = v->n - done < piece ? v->n - done : piece;
        assert_int_equal(
            kw_session_eval(run.session, tokens + done, n, false, logits + done * vocab, NULL),
            KW_OK);
    }
    *bytes = v->n * vocab * sizeof *logits;
    golden_close(&run);
    return logits;
}

/* The prompt bucket (logits of the last token only) against the same position scored. */
static void check_last(const char *path, const variant *v, const float *all, size_t bytes)
{
    kw_engine_config config;
    golden_run run;
    int32_t tokens[N_TOKENS];
    const kw_session_config session = {.struct_size = sizeof session,
                                       .context = context_of(v),
                                       .batch = v->batch,
                                       .cache = v->cache};
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.isa = v->isa;
    config.n_threads = v->n_threads;
    golden_open(&run, path, &config, &session);
    prompt(tokens, run.vocab);
    read_source(&run, tokens, v);
    float *last = malloc((size_t)run.vocab * sizeof *last);
    assert_non_null(last);
    assert_int_equal(kw_session_eval(run.session, tokens, v->n, true, last, NULL), KW_OK);
    assert_memory_equal(last, (const char *)all + bytes - (size_t)run.vocab * sizeof *last,
                        (size_t)run.vocab * sizeof *last);
    free(last);
    golden_close(&run);
}

/* The model at path, with a prompt of n tokens. */
static void check_bits(const char *name, const char *path, size_t n)
{
    const variant base = {"scalar", 1, 64, 0, KW_CACHE_F16, n, n};
    size_t bytes, same;
    float *want = compute(path, &base, &bytes);
    assert_non_null(want);
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        /* Scalar is slow: its way token by token is compared on a shorter prompt. */
        const size_t singles = i == 0 ? 40 : n, pieces = i == 0 ? KW_MIN(140, n) : n;
        const variant variants[] = {{isas[i], 2, 7, 13, KW_CACHE_F16, pieces, n},
                                    {isas[i], 2, 0, 1, KW_CACHE_F16, singles, n},
                                    {isas[i], 2, 0, 0, KW_CACHE_F16, n, n},
                                    {isas[i], 1, 0, 0, KW_CACHE_F16, n, n}};
        for (size_t v = 0; v < (i == 0 ? 3 : 4); v++) {
            float *got = compute(path, &variants[v], &same);
            if (!got) {
                print_message("%s: no %s on this machine: not compared\n", name, isas[i]);
                break;
            }
            assert_true(same <= bytes);
            if (memcmp(got, want, same) != 0)
                fail_msg("%s: %s, %d threads, batch %d, pieces of %d: other bits than scalar", name,
                         isas[i], variants[v].n_threads, variants[v].batch, variants[v].piece);
            free(got);
            if (v == 2)
                check_last(path, &variants[v], want, bytes);
        }
    }
    free(want);
}

static void bits_are_equal(void **state)
{
    const model_case *model = *state;
    const char *path = golden_path(model->path);
    if (!path)
        skip();
    check_bits(model->path, path, model->n);
}

/* No other program's small model has the types with a codebook: one is made, with all seven. */
static void codebooks_are_equal(void **state)
{
    static const char *const types[] = {"attn_q=iq2_xxs",      "attn_k=iq2_xs",  "attn_v=iq2_s",
                                        "attn_output=iq3_xxs", "ffn_gate=iq3_s", "ffn_up=iq1_s",
                                        "ffn_down=iq1_m"};
    const kw_quantize_config config = {.type = "q4_k",
                                       .pure = true,
                                       .allow_requantize = true,
                                       .overrides = types,
                                       .n_overrides = KW_COUNT(types)};
    const char *source = golden_path("golden/gguf/q4_k/model.gguf");
    char path[] = "/tmp/kw-exact-XXXXXX";
    kw_quantize_result result;
    kw_model_file *file;
    kw_engine *engine;
    (void)state;
    if (!source)
        skip();
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(kw_engine_open(NULL, &engine, NULL), KW_OK);
    assert_int_equal(kw_model_file_open(source, NULL, &file, NULL), KW_OK);
    const kw_status status = kw_quantize(engine, file, path, &config, &result, NULL);
    kw_model_file_close(file);
    kw_engine_close(engine);
    if (status == KW_E_UNSUPPORTED) { /* the names of tensors are patterns */
        assert_int_equal(remove(path), 0);
        print_message("skipped: this build has no regular expressions\n");
        skip();
    }
    assert_int_equal(status, KW_OK);
    assert_int_equal(result.n_fallback, 0);
    check_bits("iq", path, FEW_TOKENS);
    assert_int_equal(remove(path), 0);
}

/* More threads than processors: workers are put aside in the middle of chunks, which others redo.
 */
static void a_crowded_machine_changes_nothing(void **state)
{
    const char *path = golden_path(models[3].path);
    (void)state;
    if (!path)
        skip();
    const variant alone = {NULL, 1, 0, 0, KW_CACHE_F16, 200, 0};
    const variant crowd = {NULL, 8, 0, 1, KW_CACHE_F16, 200, 0};
    size_t bytes;
    float *want = compute(path, &alone, &bytes);
    float *got = compute(path, &crowd, &bytes);
    assert_non_null(want);
    assert_non_null(got);
    assert_memory_equal(got, want, bytes);
    free(want);
    free(got);
}

/* Caches of the other types: cut in pieces on every instruction set, as whole on scalar. */
static void caches_are_equal(void **state)
{
    static const kw_cache_type caches[] = {KW_CACHE_F32, KW_CACHE_BF16, KW_CACHE_Q8_0};
    const char *path = golden_path(models[0].path);
    (void)state;
    if (!path)
        skip();
    for (size_t c = 0; c < sizeof caches / sizeof caches[0]; c++) {
        const variant base = {"scalar", 1, 64, 0, caches[c], N_TOKENS, 0};
        size_t bytes, same;
        float *want = compute(path, &base, &bytes);
        assert_non_null(want);
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
            const variant pieces = {isas[i], 2, 7, 13, caches[c], i == 0 ? 140 : N_TOKENS, 0};
            float *got = compute(path, &pieces, &same);
            if (!got)
                continue; /* said by bits_are_equal */
            if (memcmp(got, want, same) != 0)
                fail_msg("cache type %d, %s: other bits than scalar", (int)caches[c], isas[i]);
            free(got);
        }
        free(want);
    }
}

/* A second call, a rewind and a second session give the first one's bits. */
static void sessions_repeat(void **state)
{
    const char *path = golden_path(models[3].path);
    int32_t tokens[N_TOKENS];
    golden_run run;
    (void)state;
    if (!path)
        skip();
    golden_open(&run, path, NULL, NULL);
    prompt(tokens, run.vocab);
    const size_t n = 40, bytes = n * (size_t)run.vocab * sizeof(float);
    float *first = golden_logits(&run, tokens, n);
    float *again = golden_logits(&run, tokens, n);
    assert_memory_equal(first, again, bytes);
    free(again);
    kw_session_close(run.session);
    assert_int_equal(kw_session_open(run.model, NULL, &run.session, NULL), KW_OK);
    again = golden_logits(&run, tokens, n);
    assert_memory_equal(first, again, bytes);
    free(again);
    free(first);
    golden_close(&run);
}

int main(void)
{
    const size_t n = sizeof models / sizeof models[0];
    struct CMUnitTest tests[sizeof models / sizeof models[0] + 4];
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){models[i].path, bits_are_equal, NULL, NULL,
                                       (void *)(uintptr_t)&models[i]};
    tests[n] = (struct CMUnitTest)cmocka_unit_test(sessions_repeat);
    tests[n + 1] = (struct CMUnitTest)cmocka_unit_test(a_crowded_machine_changes_nothing);
    tests[n + 2] = (struct CMUnitTest)cmocka_unit_test(caches_are_equal);
    tests[n + 3] = (struct CMUnitTest)cmocka_unit_test(codebooks_are_equal);
    return _cmocka_run_group_tests("exact", tests, n + 4, NULL, NULL);
}
