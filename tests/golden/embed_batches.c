/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* embed_batches.c - texts that an encoder reads together have the bits that each has alone: of BERT
 * and of T5, whose scores have a bias by distance; for lengths at and beside every place where sums
 * are cut, in several orders, for any instruction set, threads and batch.
 * kw-test: timeout 300 */
#include "support/golden.h"

#include "base/check.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA KW_SOURCE_DIR "/tests/golden/"

enum { MAX_TEXTS = 40, MAX_DIM = 64, MAX_TOKENS = 600 };

static const char *const isas[] = {"scalar",     "avx2", "avxvnni", "avx512",
                                   "avx512bf16", "amx",  "neon",    "i8mm"};

typedef struct model {
    const char *path;
    int context;
    const int *lengths; /* ends with 0 */
    const char *type;   /* made while loading; NULL: as it is */
} model;

static const int short_texts[] = {5, 1, 16, 17, 15, 3, 64, 2, 2, 63, 33, 48, 70, 9, 11,
                                  4, 6, 1,  77, 12, 8, 7,  7, 7, 7,  20, 31, 5,  5, 0};
static const int long_texts[] = {5,  64, 65, 1,  130, 17, 16, 512, 3, 513,
                                 20, 40, 90, 33, 2,   64, 7,  1,   0};

static const model models[] = {{DATA "bert", 77, short_texts, NULL},
                               {DATA "bert", 77, short_texts, "q8_0"},
                               {DATA "bert/roberta", 77, short_texts, NULL},
                               {DATA "t5", 1100, long_texts, NULL}};

/* The vectors of all texts, `at_once` in a call; NULL when this machine lacks the instructions. */
static float *compute(const model *m, const char *isa, int threads, int batch, size_t at_once,
                      size_t *n_texts)
{
    static int32_t tokens[MAX_TEXTS][MAX_TOKENS];
    kw_input inputs[MAX_TEXTS];
    kw_engine_config config;
    kw_engine *engine;
    kw_model *loaded = NULL;
    kw_session *session = NULL;
    kw_model_config how;
    kw_error err = {0};
    const kw_session_config sized = {
        .struct_size = sizeof sized, .context = m->context, .batch = batch};
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.isa = isa;
    config.n_threads = threads;
    if (kw_engine_open(&config, &engine, NULL) != KW_OK)
        return NULL;
    kw_model_config_init(&how);
    how.type = m->type;
    if (kw_model_load(engine, m->path, &how, &loaded, &err) != KW_OK ||
        kw_session_open(loaded, &sized, &session, &err) != KW_OK)
        fail_msg("%s", err.message);
    kw_model_info info = {.struct_size = sizeof info};
    kw_model_get_info(loaded, &info);
    size_t n = 0;
    for (; m->lengths[n]; n++) {
        assert_true(n < MAX_TEXTS && m->lengths[n] <= MAX_TOKENS);
        for (int i = 0; i < m->lengths[n]; i++)
            tokens[n][i] = (int32_t)(kw_rng_u32(3, n, (uint64_t)i) % (uint32_t)info.vocab);
        inputs[n] = (kw_input){.struct_size = sizeof inputs[n],
                               .tokens = tokens[n],
                               .n_tokens = (size_t)m->lengths[n]};
    }
    const size_t dim = (size_t)info.dim;
    float *const out = malloc(n * dim * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i += at_once)
        if (kw_embed(session, inputs + i, KW_MIN(at_once, n - i), NULL, out + i * dim, NULL,
                     &err) != KW_OK)
            fail_msg("%s", err.message);
    kw_session_close(session);
    kw_model_close(loaded);
    kw_engine_close(engine);
    *n_texts = n * dim;
    return out;
}

static void together_is_alone(void **state)
{
    static const struct {
        int threads, batch;
        size_t at_once;
    } ways[] = {{1, 0, MAX_TEXTS}, {2, 1100, MAX_TEXTS}, {1, 40, 7}};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(models); i++) {
        size_t n = 0;
        float *const want = compute(&models[i], "scalar", 1, 0, 1, &n);
        assert_non_null(want);
        for (size_t k = 0; k < KW_COUNT(isas); k++) {
            for (size_t w = 0; w < KW_COUNT(ways); w++) {
                const int batch = KW_MIN(ways[w].batch, models[i].context);
                float *const got =
                    compute(&models[i], isas[k], ways[w].threads, batch, ways[w].at_once, &n);
                if (!got) {
                    print_message("skip: no %s here\n", isas[k]);
                    break;
                }
                if (memcmp(got, want, n * sizeof *got) != 0)
                    fail_msg("%s: %s, way %zu", models[i].path, isas[k], w);
                free(got);
            }
        }
        free(want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(together_is_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
