/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_model.c - a GGUF image through the whole engine: configuration, weights, tokenizer, plans,
 * two tokens, a vector. The budget keeps what a file asks for in bounds. */
#include <kwaai/kwaai.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compute(kw_model *model)
{
    const kw_session_config config = {.struct_size = sizeof config, .context = 4, .batch = 2};
    kw_session *session;
    kw_model_info info = {.struct_size = sizeof info};
    if (kw_session_open(model, &config, &session, NULL) != KW_OK)
        return;
    kw_model_get_info(model, &info);
    const int32_t tokens[2] = {0, info.vocab - 1};
    const kw_input input = {.struct_size = sizeof input, .tokens = tokens, .n_tokens = 2};
    float *logits = malloc((size_t)info.vocab * sizeof *logits);
    float *vector = malloc((size_t)info.dim * sizeof *vector);
    if (info.has_encoder)
        (void)kw_session_encode(session, tokens, 2, NULL);
    if (logits)
        (void)kw_session_eval(session, tokens, 2, true, logits, NULL);
    if (vector)
        (void)kw_embed(session, &input, 1, NULL, vector, NULL, NULL);
    free(logits);
    free(vector);
    kw_session_close(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_engine_config config;
    kw_engine *engine;
    kw_model *model;
    int32_t *ids;
    size_t n;
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.n_threads = 1;
    config.memory_bytes = (uint64_t)64 << 20;
    if (kw_engine_open(&config, &engine, NULL) != KW_OK)
        return 0;
    if (kw_model_load_memory(engine, data, size, "fuzz", NULL, &model, NULL) == KW_OK) {
        compute(model);
        if (kw_model_tokenize(model, "a b\xff", 4, true, true, &ids, &n, NULL) == KW_OK)
            kw_free(ids);
        kw_model_close(model);
    }
    kw_engine_close(engine);
    return 0;
}
